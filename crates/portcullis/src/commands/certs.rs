//! `portcullis certs`: the certificates that a running gateway uses and trusts, those that end first first.

use serde_json::Value;

use crate::args::Certs;
use crate::operator;
use crate::output::{Outcome, say};

/// Lists them. With `--within` the answer is no when one of them ends in that time.
pub(crate) fn certs(certs: &Certs) -> anyhow::Result<Outcome> {
    let answer = certs.ask.socket.find()?.call("GET", "/certificates", b"")?;
    let mut all = match operator::document(&answer)? {
        None => return Ok(Outcome::No),
        Some(Value::Array(all)) => all,
        Some(other) => anyhow::bail!("the gateway's answer is no list: {other}"),
    };
    if let Some(within) = certs.within {
        // Days are told whole, so a day that is not full counts.
        let days = i64::try_from(within.as_secs() / 86_400).unwrap_or(i64::MAX);
        all.retain(|one| one.get("days_left").and_then(Value::as_i64).is_some_and(|left| left <= days));
    }
    if certs.ask.json {
        say(serde_json::to_string_pretty(&all)?);
    } else {
        all.iter().for_each(tell);
    }
    Ok(if certs.within.is_some() && !all.is_empty() { Outcome::No } else { Outcome::Good })
}

/// A certificate as lines for a reader.
fn tell(one: &Value) {
    let text = |name: &str| one.get(name).and_then(Value::as_str).unwrap_or_default();
    let names: Vec<&str> =
        one.get("names").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    let role = text("role").replace('_', " ");
    let whose = match (text("role"), names.is_empty(), text("credential")) {
        (_, false, _) => names.join(", "),
        ("revocation_list", ..) => format!("of {}", text("issuer")),
        ("consumer", _, credential) => format!("of {}, key {credential}", text("consumer")),
        _ => text("subject").to_owned(),
    };
    let end = match (text("not_after"), one.get("days_left").and_then(Value::as_i64)) {
        ("", _) => "an end nobody knows".to_owned(),
        (end, Some(days)) if days >= 0 => format!("ends {end}, {days} days left"),
        (end, _) => format!("ended {end}"),
    };
    say(format_args!("{role} {whose}: {end}"));
    if !text("issuer").is_empty() && text("role") != "revocation_list" {
        say(format_args!("  issued by {}, serial {}", text("issuer"), text("serial")));
    }
    say(format_args!("  at {}, sha256 {}", text("place"), text("sha256")));
}
