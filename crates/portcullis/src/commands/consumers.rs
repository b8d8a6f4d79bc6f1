//! `portcullis consumers`: the consumers in the store of a running gateway.

use serde_json::{Value, json};

use crate::args::{Ask, Consumers, ConsumersVerb, PutConsumer};
use crate::operator;
use crate::output::{Outcome, say};

/// Dispatches.
pub(crate) fn consumers(consumers: &Consumers) -> anyhow::Result<Outcome> {
    match &consumers.verb {
        ConsumersVerb::Create(put) => keep(put, "?new=true"),
        ConsumersVerb::Change(put) => keep(put, ""),
        ConsumersVerb::List(list) => ask(list, "GET", "/consumers", None, |all| {
            rows(all).iter().for_each(tell_consumer);
        }),
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
            ask(log, "GET", "/audit", None, |all| rows(all).iter().for_each(tell_write))
        }
    }
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
    if answer.status >= 300 {
        operator::tell_refusal(&answer);
        return Ok(Outcome::No);
    }
    let document = operator::json(&answer)?;
    if ask.json {
        say(serde_json::to_string_pretty(&document)?);
    } else {
        tell(&document);
    }
    Ok(Outcome::Good)
}

/// A line for each credential of a consumer.
pub(crate) fn tell_credentials(consumer: &Value) {
    for one in consumer.get("credentials").map_or(&[][..], rows) {
        let end = match (text(one, "revoked"), text(one, "expires")) {
            ("", "") => String::new(),
            ("", end) => format!(", ends at {end}"),
            (at, _) => format!(", revoked at {at}"),
        };
        let used = match text(one, "last_used") {
            "" => "never used".to_owned(),
            at => format!("last used at {at}"),
        };
        say(format_args!("  {} {}, {used}{end}", text(one, "kind"), text(one, "id")));
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
