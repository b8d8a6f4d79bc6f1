//! `portcullis consumers`: the consumers in the store of a running gateway.

use portcullis_gateway::clock;
use portcullis_gateway::observe::timestamp;
use serde_json::{Value, json};

use crate::args::{Ask, Consumers, ConsumersVerb, PutConsumer};
use crate::operator;
use crate::output::{Outcome, say};

/// Dispatches.
pub(crate) fn consumers(consumers: &Consumers) -> anyhow::Result<Outcome> {
    match &consumers.verb {
        ConsumersVerb::Create(put) => keep(put, "?new=true"),
        ConsumersVerb::Change(put) => keep(put, ""),
        ConsumersVerb::List(list) => all(list),
        ConsumersVerb::Show(of) => ask(&of.ask, "GET", &format!("/consumers/{}", of.consumer), None, |one| {
            tell_consumer(one);
            tell_credentials(one);
        }),
        ConsumersVerb::Delete(of) => {
            ask(&of.ask, "DELETE", &format!("/consumers/{}", of.consumer), None, |gone| {
                say(format_args!("{}: deleted", text(gone, "deleted")));
            })
        }
        ConsumersVerb::Log(log) => {
            let before = log.before.map(|before| format!("?before={before}")).unwrap_or_default();
            ask(&log.ask, "GET", &format!("/audit{before}"), None, |all| {
                rows(all).iter().for_each(tell_write);
            })
        }
    }
}

/// Lists all consumers, however many answers they take.
fn all(list: &Ask) -> anyhow::Result<Outcome> {
    let running = list.socket.find()?;
    let mut found: Vec<Value> = Vec::new();
    loop {
        let after = found.last().map_or("", |last| text(last, "name"));
        let answer = running.call("GET", &format!("/consumers?after={after}"), b"")?;
        let Some(document) = operator::document(&answer)? else { return Ok(Outcome::No) };
        let Value::Array(more) = document else { break };
        if more.is_empty() {
            break;
        }
        found.extend(more);
    }
    if list.json {
        say(serde_json::to_string_pretty(&found)?);
    } else {
        found.iter().for_each(tell_consumer);
    }
    Ok(Outcome::Good)
}

fn keep(put: &PutConsumer, query: &str) -> anyhow::Result<Outcome> {
    let path = format!("/consumers/{}{query}", put.of.consumer);
    ask(&put.of.ask, "PUT", &path, Some(&json!({ "apis": put.apis })), tell_consumer)
}

/// Asks the running gateway, and tells its answer.
pub(crate) fn ask(
    ask: &Ask,
    method: &str,
    path: &str,
    body: Option<&Value>,
    tell: impl FnOnce(&Value),
) -> anyhow::Result<Outcome> {
    let body = body.map(Value::to_string).unwrap_or_default();
    let answer = ask.socket.find()?.call(method, path, body.as_bytes())?;
    let Some(document) = operator::document(&answer)? else { return Ok(Outcome::No) };
    if ask.json {
        say(serde_json::to_string_pretty(&document)?);
    } else {
        tell(&document);
    }
    Ok(Outcome::Good)
}

/// A line for each credential of a consumer.
pub(crate) fn tell_credentials(consumer: &Value) {
    let now = timestamp::format(clock::wall());
    for one in consumer.get("credentials").map_or(&[][..], rows) {
        let mut line = format!("  {} {}", text(one, "kind"), text(one, "id"));
        if text(one, "kind") != "api_key" {
            line += &format!(" ({})", text(one, "name"));
        }
        line += &match text(one, "last_used") {
            "" => ", never used".to_owned(),
            at => format!(", last used at {at}"),
        };
        let begin = text(one, "not_before");
        if begin > &*now {
            line += &format!(", begins at {begin}");
        }
        // Times of one spelling: the order of texts is theirs.
        line += &match (text(one, "revoked"), text(one, "expires")) {
            ("", "") => String::new(),
            ("", end) if end <= &*now => format!(", ended at {end}"),
            ("", end) => format!(", ends at {end}"),
            (at, _) => format!(", revoked at {at}"),
        };
        for (name, words) in [("scopes", ", scopes"), ("addresses", ", from")] {
            let listed: Vec<&str> =
                one.get(name).map_or(&[][..], rows).iter().filter_map(Value::as_str).collect();
            if !listed.is_empty() {
                line += &format!("{words} {}", listed.join(" "));
            }
        }
        if !text(one, "with_certificate").is_empty() {
            line += &format!(", with certificate {}", text(one, "with_certificate"));
        }
        say(line);
    }
}

fn tell_consumer(one: &Value) {
    let apis: Vec<&str> = one.get("apis").map_or(&[][..], rows).iter().filter_map(Value::as_str).collect();
    say(format_args!("{}: {}", text(one, "name"), apis.join(", ")));
}

fn tell_write(one: &Value) {
    let number = |name: &str| one.get(name).map(Value::to_string).unwrap_or_default();
    say(format_args!(
        "{} {} {} {} {} by {}",
        number("revision"),
        text(one, "at"),
        text(one, "action"),
        text(one, "consumer"),
        text(one, "credential"),
        text(one, "who")
    ));
}

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn rows(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}
