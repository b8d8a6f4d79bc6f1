//! `portcullis drift`: what was asked and answered and is not declared, and what is declared and nobody asks for.

use serde_json::Value;

use crate::args::Ask;
use crate::operator;
use crate::output::{Outcome, say};

/// Asks a running gateway.
pub(crate) fn drift(ask: &Ask) -> anyhow::Result<Outcome> {
    let answer = ask.socket.find()?.call("GET", "/drift", b"")?;
    let Some(report) = operator::document(&answer)? else { return Ok(Outcome::No) };
    if ask.json {
        say(serde_json::to_string_pretty(&report)?);
    } else {
        tell(&report);
    }
    Ok(Outcome::Good)
}

/// The report as lines for a reader.
fn tell(report: &Value) {
    let rows = |name: &str| report.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let kinds = [
        ("shadow", "asked for, and no API publishes it", shadow as fn(&Value) -> String),
        ("zombie", "published, and nobody has used it", zombie),
        ("deprecated", "deprecated, and used", used),
        ("undeclared", "seen, and not declared", undeclared),
    ];
    for (name, title, line) in kinds {
        let rows = rows(name);
        if rows.is_empty() {
            continue;
        }
        say(format_args!("{title}:"));
        rows.iter().for_each(|row| say(format_args!("  {}", line(row))));
        let forgotten = report.get(format!("{name}_forgotten")).and_then(Value::as_u64).unwrap_or_default();
        if forgotten > 0 {
            say(format_args!("  and {forgotten} more, which are not kept"));
        }
    }
    if kinds.iter().all(|(name, ..)| rows(name).is_empty()) {
        say("no drift was seen: what is asked for is published, what is published is used");
    }
}

fn text<'a>(row: &'a Value, name: &str) -> &'a str {
    row.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// How often and when.
fn times(row: &Value) -> String {
    let count = row.get("count").and_then(Value::as_u64).unwrap_or_default();
    format!("{count} times, from {} to {}", text(row, "first_seen"), text(row, "last_seen"))
}

/// An operation as it is published, and its name.
fn operation(row: &Value) -> String {
    let (method, path) = (text(row, "method"), text(row, "path"));
    format!("{method} {path} ({} of {})", text(row, "operation"), text(row, "api"))
}

fn shadow(row: &Value) -> String {
    let answered = row.get("answered").and_then(Value::as_u64).unwrap_or_default();
    format!("{} {}: answered {answered}, {}", text(row, "method"), text(row, "path"), times(row))
}

fn zombie(row: &Value) -> String {
    format!("{}: since {}", operation(row), text(row, "published_since"))
}

fn used(row: &Value) -> String {
    format!("{}: {}", operation(row), times(row))
}

fn undeclared(row: &Value) -> String {
    let what = text(row, "what").replace('_', " ");
    format!("{}: {} {what} `{}`, {}", operation(row), text(row, "side"), text(row, "name"), times(row))
}
