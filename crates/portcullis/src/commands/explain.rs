//! `portcullis explain`: why a request was let through or refused, with the lines of the configuration that decided.

use std::path::Path;

use anyhow::{Context, bail};
use portcullis_gateway::config;
use portcullis_gateway::gateway::rehearsal::{self, Rehearsal};
use portcullis_http1::{Bounds, HeadDecoder};
use serde_json::Value;

use crate::args::Explain;
use crate::operator;
use crate::output::{Outcome, findings, remark, say};
use crate::service;

/// Asks the running gateway, or the configuration about a request that nobody sent.
pub(crate) fn explain(explain: &Explain) -> anyhow::Result<Outcome> {
    if let Some(request) = &explain.request {
        return rehearse(explain, request);
    }
    let running = explain.socket.find()?;
    let id = explain.id.as_deref().unwrap_or_default().trim_start_matches("urn:uuid:");
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

/// Judges a request by the configuration file; the code is the one that serves.
fn rehearse(explain: &Explain, request: &str) -> anyhow::Result<Outcome> {
    let loaded = config::load(&explain.socket.config.config).map_err(|found| findings(&found))?;
    if let Some(name) = explain.listener.as_ref().filter(|name| !loaded.config.listeners.contains_key(*name))
    {
        bail!("no listener is called `{name}`");
    }
    let mut text = format!("{} HTTP/1.1\r\n", request.trim());
    let has_host =
        |field: &String| field.split(':').next().is_some_and(|name| name.eq_ignore_ascii_case("host"));
    if !explain.headers.iter().any(has_host) {
        text.push_str("Host: localhost\r\n");
    }
    explain.headers.iter().for_each(|field| text.extend([field, "\r\n"]));
    text.push_str("\r\n");
    let decoded = HeadDecoder::default().request(text.as_bytes(), &Bounds::default());
    let head = match decoded {
        Ok(Some((head, _))) => head,
        Ok(None) => {
            bail!("`{request}` is no whole request; write a method and a path, such as `GET /orders/1`")
        }
        Err(refusal) => bail!("this is no request: {}", refusal.as_str()),
    };
    let certificate = explain.certificate.as_ref().map(|path| certificate(path)).transpose()?;
    let rehearsal = Rehearsal {
        head,
        body: explain.body.clone().unwrap_or_default().into(),
        listener: explain.listener.clone(),
        client: explain.from,
        certificate,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let path = &explain.socket.config.config;
    let state = service::state_of(path, &loaded.config, explain.state_dir.as_deref())?;
    let kept = runtime.block_on(rehearsal::rehearse(&loaded, state.as_deref(), rehearsal));
    let kept = kept.map_err(|refused| service::refused_error(&refused))?;
    let Some(kept) = kept else { bail!("the request could not be judged") };
    let kept = serde_json::to_value(&kept)?;
    if explain.json {
        say(serde_json::to_string_pretty(&kept)?);
    } else {
        tell(&kept);
        if kept.get("decision").and_then(Value::as_str) == Some("allowed") {
            say("  its backend would be asked now");
        }
    }
    Ok(Outcome::Good)
}

/// The first certificate of a file in PEM.
fn certificate(path: &Path) -> anyhow::Result<Vec<u8>> {
    let pem = std::fs::read(path).with_context(|| format!("read `{}`", path.display()))?;
    let der = rehearsal::certificate(&pem);
    der.with_context(|| format!("`{}` holds no certificate in PEM", path.display()))
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
