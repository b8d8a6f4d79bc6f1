//! `portcullis explain`: why a request was let through or refused, with the lines of the configuration that decided.

use serde_json::Value;

use crate::args::Explain;
use crate::operator;
use crate::output::{Outcome, remark, say};

/// Asks the running gateway.
pub(crate) fn explain(explain: &Explain) -> anyhow::Result<Outcome> {
    let running = explain.socket.find()?;
    let id = explain.id.trim_start_matches("urn:uuid:");
    let answer = running.call("GET", &format!("/explain/{id}"), b"")?;
    if answer.status == 404 {
        remark(format_args!("{id}: no such request is kept; refusals are kept longest, and not for ever"));
        return Ok(Outcome::No);
    }
    let kept = operator::json(&answer)?;
    if explain.json {
        say(serde_json::to_string_pretty(&kept)?);
    } else {
        tell(&kept);
    }
    Ok(Outcome::Good)
}

/// The kept exchange as lines for a reader.
fn tell(kept: &Value) {
    let text = |name: &str| kept.get(name).and_then(Value::as_str).unwrap_or_default();
    say(format_args!("{} {} {}{}", text("time"), text("method"), text("host"), text("path")));
    for (name, label) in
        [("client", "from"), ("api", "API"), ("operation", "operation"), ("consumer", "consumer")]
    {
        if !text(name).is_empty() {
            say(format_args!("  {label}: {}", text(name)));
        }
    }
    for verdict in kept.get("verdicts").and_then(Value::as_array).into_iter().flatten() {
        let part = |name: &str| verdict.get(name).and_then(Value::as_str).unwrap_or_default();
        say(format_args!("  {:<9} {:<22} {}", part("decision"), part("control"), part("place")));
    }
    if let Some(times) = kept.get("resends").and_then(Value::as_u64).filter(|times| *times > 0) {
        say(format_args!("  sent again: {times} times, the last to {}", text("backend")));
    }
    let status = kept.get("status").map(ToString::to_string).unwrap_or_default();
    say(format_args!("  {} with {status} {}", text("decision"), text("problem")));
    for name in ["detail", "cause"] {
        if !text(name).is_empty() {
            say(format_args!("  {name}: {}", text(name)));
        }
    }
}
