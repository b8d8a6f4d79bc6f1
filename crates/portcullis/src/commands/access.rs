//! `portcullis access`: who can call what, as a table for an auditor.
//!
//! Worked out of the compiled configuration, the one that decides requests, with the consumers of the store
//! (`snapshot::access`). Who an issuer's callers are only their tokens say: of those it tells what a token must say.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::SystemTime;

use anyhow::bail;
use http::Method;
use portcullis_gateway::config::Loaded;
use portcullis_gateway::gateway;
use portcullis_gateway::pipeline::{Operation, Prospect};
use portcullis_gateway::route::Found;
use portcullis_gateway::snapshot::Snapshot;
use portcullis_gateway::snapshot::access::{self, Access, Fitting, Way};
use serde_json::{Value, json};

use crate::args;
use crate::output::{Outcome, remark, say};
use crate::service;

/// Prints who can call what.
pub(crate) fn access(args: &args::Access) -> anyhow::Result<Outcome> {
    let loaded = args.subject.load()?;
    let state = match args.subject.openapi {
        None => service::state_of(&args.subject.config.config, &loaded.config, args.state_dir.as_deref())?,
        Some(_) => None,
    };
    let snapshot =
        gateway::look(&loaded, state.as_deref()).map_err(|refused| service::refused_error(&refused))?;
    let asked = match (&args.method, &args.path) {
        (Some(method), Some(path)) => Some(asked(&loaded, &snapshot, method, path)?),
        _ => None,
    };
    #[expect(clippy::disallowed_methods, reason = "a command that ends at once, not the data plane")]
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let rows = access::survey(&snapshot, now);
    if let Some(name) = &args.consumer {
        is_known(name, &loaded, &snapshot)?;
    }
    let is_asked = |row: &&Access<'_>| {
        asked.as_ref().is_none_or(|asked| asked.iter().any(|own| Arc::ptr_eq(own, row.operation)))
            && args.consumer.as_ref().is_none_or(|name| lets(row, name))
    };
    let rows: Vec<&Access<'_>> = rows.iter().filter(is_asked).collect();
    if rows.is_empty() {
        remark("nothing");
        return Ok(Outcome::No);
    }
    let only = args.consumer.as_deref();
    if args.json {
        let all: Vec<Value> = rows.iter().map(|row| as_json(row, only)).collect();
        say(serde_json::to_string_pretty(&all)?);
    } else {
        rows.iter().for_each(|row| tell(row, only));
    }
    Ok(Outcome::Good)
}

/// Every operation that a method and a path lead to, whatever the listener and the host.
fn asked(
    loaded: &Loaded,
    snapshot: &Snapshot,
    method: &str,
    path: &str,
) -> anyhow::Result<Vec<Arc<Operation>>> {
    let Ok(method) = Method::from_bytes(method.as_bytes()) else { bail!("`{method}` is no method") };
    let hosts = loaded.config.apis.values().flat_map(|api| api.hosts.iter().flatten());
    let hosts: BTreeSet<String> =
        hosts.map(|host| host.replace('*', "any")).chain(["any.invalid".to_owned()]).collect();
    let mut found: Vec<Arc<Operation>> = Vec::new();
    for listener in loaded.config.listeners.keys() {
        let Ok(listening) = snapshot.listener(listener) else { continue };
        for host in &hosts {
            if let Found::Operation(operation) = listening.routes.find(host, &method, path)
                && !found.iter().any(|own| Arc::ptr_eq(own, operation))
            {
                found.push(Arc::clone(operation));
            }
        }
    }
    Ok(found)
}

/// Whether there is such a consumer, or could be.
fn is_known(name: &str, loaded: &Loaded, snapshot: &Snapshot) -> anyhow::Result<()> {
    let of_issuer =
        name.split_once('/').is_some_and(|(issuer, _)| loaded.config.issuers.contains_key(issuer));
    let mut is_known = of_issuer || loaded.config.consumers.contains_key(name);
    snapshot.callers.each(|known| is_known = is_known || *known.proof().consumer.name == *name);
    if !is_known {
        bail!("no consumer is called `{name}`");
    }
    Ok(())
}

/// Whether an operation may let a consumer in.
fn lets(row: &Access<'_>, name: &str) -> bool {
    row.anybody.is_some() || row.ways.iter().any(|way| may_use(way, name))
}

fn may_use(way: &Way, name: &str) -> bool {
    let issuer = name.split_once('/').map(|(issuer, _)| issuer);
    let all_of = |issuer: &str| {
        way.parts.iter().all(|part| part.split_once(':').is_some_and(|(_, named)| named == issuer))
    };
    way.consumers.contains_key(name) || (way.is_of_issuers && issuer.is_some_and(all_of))
}

fn as_json(row: &Access<'_>, only: Option<&str>) -> Value {
    let Operation { method, template, api, name, authentication, place, .. } = &**row.operation;
    let fitting = |one: &Fitting| {
        let mut value = serde_json::Map::new();
        value.insert("credential".to_owned(), (&*one.credential).into());
        if one.depends {
            value.insert("depends".to_owned(), true.into());
        }
        if !one.networks.is_empty() {
            value.insert("addresses".to_owned(), one.networks.clone().into());
        }
        if one.with_certificate {
            value.insert("with_certificate".to_owned(), true.into());
        }
        Value::Object(value)
    };
    let way = |way: &Way| {
        let consumers = way.consumers.iter().filter(|(name, _)| only.is_none_or(|only| *only == ***name));
        let consumers: serde_json::Map<String, Value> = consumers
            .map(|(name, parts)| {
                let parts: Vec<Vec<Value>> =
                    parts.iter().map(|part| part.iter().map(fitting).collect()).collect();
                (name.to_string(), json!(parts))
            })
            .collect();
        json!({
            "auth": way.parts,
            "scopes": way.scopes,
            "of_issuers": way.is_of_issuers,
            "consumers": consumers,
        })
    };
    json!({
        "method": &**method,
        "path": &**template,
        "api": &**api,
        "operation": &**name,
        "auth": authentication.to_string(),
        "asks": row.asks,
        "anybody": row.anybody.map(|prospect| if prospect == Prospect::Depends { "depends" } else { "yes" }),
        "ways": row.ways.iter().map(way).collect::<Vec<_>>(),
        "place": &**place,
    })
}

/// One line: the operation, who, and what it asks for besides. What depends on the request has a `?`.
fn tell(row: &Access<'_>, only: Option<&str>) {
    let mut who: Vec<String> = Vec::new();
    who.extend(row.anybody.map(|prospect| {
        if prospect == Prospect::Depends { "anybody?".to_owned() } else { "anybody".to_owned() }
    }));
    let mut names: Vec<&Arc<str>> = row.ways.iter().flat_map(|way| way.consumers.keys()).collect();
    names.sort();
    names.dedup();
    for name in names.into_iter().filter(|name| only.is_none_or(|only| *only == ***name)) {
        let ways = row.ways.iter().filter_map(|way| way.consumers.get(name));
        let ways: Vec<String> = ways.map(|parts| spell(parts)).collect();
        who.push(format!("{name} ({})", ways.join("; ")));
    }
    for way in row.ways.iter().filter(|way| way.is_of_issuers && only.is_none_or(|only| may_use(way, only))) {
        let scopes: Vec<&str> = way.scopes.iter().flatten().map(|scope| &**scope).collect();
        let with = if scopes.is_empty() { String::new() } else { format!(" with {}", scopes.join(" ")) };
        who.push(format!("callers by {}{with}", way.parts.join("+")));
    }
    if who.is_empty() {
        who.push("nobody".to_owned());
    }
    if !row.asks.is_empty() {
        who.push(format!("[{}]", row.asks.join(", ")));
    }
    let Operation { method, template, api, name, .. } = &**row.operation;
    say(format_args!("{method:<7} {template:<40} {:<24} {}", format!("{api}/{name}"), who.join(", ")));
}

/// Credentials by which a consumer comes in: any of the first, with any of the second.
fn spell(parts: &[Vec<Fitting>]) -> String {
    let word = |one: &Fitting| format!("{}{}", one.credential, if one.depends { "?" } else { "" });
    let any = |part: &Vec<Fitting>| part.iter().map(word).collect::<Vec<_>>().join(" or ");
    match parts {
        [only] => any(only),
        several => several.iter().map(|part| format!("({})", any(part))).collect::<Vec<_>>().join(" and "),
    }
}
