//! `portcullis mock`: serves a definition without anything behind it.
//!
//! It is the gateway itself, by a configuration of a few lines: requests are routed and judged as ever, and every operation
//! is answered by `mock`. Nobody is asked who calls.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::Context;
use portcullis_gateway::config::{self, Finding, Loaded};
use portcullis_gateway::observe::lifecycle::{self, Format};
use serde_json::json;

use crate::args::Mock;
use crate::output::{Outcome, findings, remark, say};
use crate::service::{Service, Signals, Source, Wishes};

/// The name messages give the made configuration.
const NAME: &str = "(mock)";
/// The name of its API.
const API: &str = "mock";

/// Serves until told to end.
pub(crate) fn mock(mock: &Mock) -> anyhow::Result<Outcome> {
    let log = lifecycle::init(Format::Auto)?;
    let loaded = load(mock).map_err(|found| findings(&found))?;
    let signals = Signals::install()?;
    let (service, doors) = Service::start(&loaded, Source::Made, Wishes::default(), &log)?;
    let listening = service.gateway().addresses().first().map_or(mock.listen, |(_, address, _)| *address);
    let definition = loaded.definition(API).context("the definition was not read")?.definition();
    for warning in loaded.warnings.iter().take(WARNINGS_MAX) {
        remark(format_args!("warning: {warning}"));
    }
    say(format_args!(
        "# {} operations of {}, answered without a backend",
        definition.operations.len(),
        mock.openapi.display()
    ));
    let base = loaded.config.apis.get(API).map(config::Api::base_path).unwrap_or("/");
    if let Some(command) = curl(definition, base, listening) {
        say(command);
    }
    service.wait(signals)?;
    doors.close();
    Ok(Outcome::Good)
}

/// Warnings that are told at the start; `check --openapi` lists all of them.
const WARNINGS_MAX: usize = 20;

fn load(mock: &Mock) -> Result<Loaded, Vec<Finding>> {
    let read = |base: &str| {
        config::parse(NAME, &text(mock, base), Path::new(""), &|_| None)?
            .with_definitions(&mut Vec::<PathBuf>::new())
    };
    let loaded = read("/")?;
    // Only the definition knows where it wants to be published.
    let stated = loaded.definition(API).and_then(|it| it.definition().base_path());
    match stated.filter(|base| !base.is_empty()).map(str::to_owned) {
        Some(base) => read(&base),
        None => Ok(loaded),
    }
}

/// The configuration. Strings are written as JSON, which YAML reads as they are.
fn text(mock: &Mock, base: &str) -> String {
    // `${` would be a reference.
    let literal = |text: &str| json!(text.replace("${", "$${"));
    let skip: Vec<_> = mock.skip.iter().map(|key| literal(key)).collect();
    format!(
        "version: 1\nstate: none\nlisteners: {{ public: {{ bind: {}, protocols: [http1, http2] }} }}\napis:\n  {API}:\n    openapi: {}\n    skip: {}\n    base_path: {}\n    auth: none\n    contract: {{ mode: enforce }}\n    mock: {{ seed: {} }}\n",
        json!(mock.listen.to_string()),
        literal(&mock.openapi.to_string_lossy()),
        json!(skip),
        literal(base),
        mock.seed,
    )
}

/// A command that reaches one operation: the GET that needs the least.
fn curl(definition: &config::definition::Definition, base: &str, at: SocketAddr) -> Option<String> {
    let needs = |operation: &&config::definition::Operation| {
        let required = operation.parameters.iter().filter(|parameter| parameter.is_required).count();
        (operation.method != http::Method::GET, required)
    };
    let operation = definition.operations.iter().min_by_key(needs)?;
    let method = match operation.method.as_str() {
        "GET" => String::new(),
        method => format!(" -X {method}"),
    };
    Some(format!(
        "curl -i{method} 'http://{at}{}{}'",
        base.trim_end_matches('/'),
        operation.template.example("1")
    ))
}
