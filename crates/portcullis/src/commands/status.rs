//! `portcullis status`: how a running gateway is.

use serde_json::Value;

use crate::args::Ask;
use crate::output::{Outcome, say};

/// Good when the gateway is ready, as `/readyz` judges it.
pub(crate) fn status(ask: &Ask) -> anyhow::Result<Outcome> {
    let status = ask.socket.find()?.status()?;
    if ask.json {
        say(serde_json::to_string_pretty(&status)?);
    } else {
        tell(&status);
    }
    let stuck = status.get("stuck").and_then(Value::as_array).is_some_and(|stuck| !stuck.is_empty());
    Ok(if text(&status, "/phase") == "ready" && !stuck { Outcome::Good } else { Outcome::No })
}

/// The status as lines for a reader.
fn tell(status: &Value) {
    say(format_args!(
        "{}: portcullis {}, since {}",
        text(status, "/phase"),
        text(status, "/version"),
        text(status, "/started")
    ));
    say(format_args!(
        "  configuration {} since {}",
        text(status, "/config/hash"),
        text(status, "/config/applied")
    ));
    for (at, line) in text(status, "/config/last_failure/reason").lines().enumerate() {
        if at == 0 {
            say(format_args!("  last reload failed at {}:", text(status, "/config/last_failure/at")));
        }
        say(format_args!("    {line}"));
    }
    for listener in list(status, "/listeners") {
        let connections = listener.get("connections").and_then(Value::as_u64).unwrap_or_default();
        say(format_args!(
            "  listener {} on {}: {connections} connections",
            text(listener, "/name"),
            text(listener, "/address")
        ));
    }
    for backend in list(status, "/backends") {
        let number = |pointer: &str| backend.pointer(pointer).and_then(Value::as_u64).unwrap_or_default();
        if backend.pointer("/circuit/open").and_then(Value::as_bool) == Some(true) {
            say(format_args!("  backend {} fails and is left alone", text(backend, "/name")));
        }
        if number("/places/waiting") > 0 {
            let (name, waiting) = (text(backend, "/name"), number("/places/waiting"));
            say(format_args!("  backend {name} is busy: {waiting} requests wait for a place"));
        }
    }
    for target in list(status, "/targets") {
        let (name, url) = (text(target, "/backend"), text(target, "/url"));
        let is = |pointer: &str, expected: bool| {
            target.pointer(pointer).and_then(Value::as_bool) == Some(expected)
        };
        if is("/health/healthy", false) {
            say(format_args!("  backend {name}: {url} fails its health checks and is left out"));
        } else if is("/left_out", true) {
            say(format_args!("  backend {name}: {url} fails and is left out"));
        }
        if target.pointer("/name/addresses").and_then(Value::as_u64) == Some(0) {
            say(format_args!("  backend {name}: the name in {url} has never resolved"));
        }
    }
    tell_store(status);
    let workers: Vec<String> = list(status, "/workers").iter().map(Value::to_string).collect();
    say(format_args!("  connections by worker: {}", workers.join(", ")));
    for stuck in list(status, "/stuck") {
        let number = |name: &str| stuck.get(name).and_then(Value::as_u64).unwrap_or_default();
        say(format_args!("  worker {} has not turned for {} s", number("worker"), number("seconds")));
    }
}

/// How the store of consumers is.
fn tell_store(status: &Value) {
    if let Some(store) = status.get("store").filter(|store| !store.is_null()) {
        let number = |name: &str| store.get(name).and_then(Value::as_u64).unwrap_or_default();
        let (kind, state) = (text(store, "/kind"), text(store, "/state"));
        if state == "ready" {
            say(format_args!(
                "  store {kind}: {} consumers, revision {}",
                number("consumers"),
                number("revision")
            ));
        }
        if state == "away" {
            say(format_args!(
                "  store {kind} is away, who was known stays known: {}",
                text(store, "/reason")
            ));
        }
        for row in list(store, "/refused_rows") {
            let (consumer, credential) = (text(row, "/consumer"), text(row, "/credential"));
            say(format_args!("    left out: {consumer} {credential}: {}", text(row, "/reason")));
        }
    }
}

fn text<'v>(value: &'v Value, pointer: &str) -> &'v str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn list<'v>(value: &'v Value, pointer: &str) -> &'v [Value] {
    value.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}
