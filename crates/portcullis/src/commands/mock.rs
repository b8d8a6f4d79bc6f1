//! `portcullis mock`: serves a definition without anything behind it.
//!
//! It is the gateway itself, by a configuration of a few lines: requests are routed and judged as ever, and every operation
//! is answered by `mock`. Nobody is asked who calls.

use anyhow::Context;
use portcullis_gateway::observe::lifecycle::{self, Format};
use serde_json::json;

use crate::args::{Mock, QuickAuth};
use crate::output::{Outcome, findings, remark, say};
use crate::quick::{self, literal};
use crate::service::{Service, Signals, Source, Wishes};

/// The name messages give the made configuration.
const NAME: &str = "(mock)";
/// The name of its API.
const API: &str = "mock";

/// Serves until told to end.
pub(crate) fn mock(mock: &Mock) -> anyhow::Result<Outcome> {
    let log = lifecycle::init(Format::Auto)?;
    let loaded =
        quick::load(NAME, API, |base| text(mock, base), &mut Vec::new()).map_err(|found| findings(&found))?;
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
    if let Some(command) = quick::curl(&loaded, API, QuickAuth::None, listening, None) {
        say(command);
    }
    service.wait(signals)?;
    doors.close();
    Ok(Outcome::Good)
}

/// Warnings that are told at the start; `check --openapi` lists all of them.
const WARNINGS_MAX: usize = 20;

/// The configuration. Strings are written as JSON, which YAML reads as they are.
fn text(mock: &Mock, base: &str) -> String {
    let skip: Vec<_> = mock.skip.iter().map(|key| literal(key)).collect();
    let overlays: Vec<_> = mock.overlays.iter().map(|path| literal(&path.to_string_lossy())).collect();
    format!(
        "version: 1\nstate: none\nlisteners: {{ public: {{ bind: {}, protocols: [http1, http2] }} }}\napis:\n  {API}:\n    openapi: {}\n    overlays: {}\n    skip: {}\n    base_path: {}\n    auth: none\n    contract: {{ mode: enforce }}\n    mock: {{ seed: {} }}\n",
        json!(mock.listen.to_string()),
        literal(&mock.openapi.to_string_lossy()),
        json!(overlays),
        json!(skip),
        literal(base),
        mock.seed,
    )
}
