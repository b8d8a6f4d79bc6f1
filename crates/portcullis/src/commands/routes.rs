//! `portcullis routes`: the published operations, who may call them, where they go.

use portcullis_gateway::config;
use portcullis_gateway::gateway;
use portcullis_gateway::pipeline::Operation;
use serde_json::json;

use crate::args::Inspect;
use crate::output::{Outcome, findings, say};

/// Prints the operations of a configuration.
pub(crate) fn routes(inspect: &Inspect) -> anyhow::Result<Outcome> {
    let loaded = config::load(&inspect.config.config).map_err(|found| findings(&found))?;
    let snapshot = gateway::check(&loaded).map_err(|found| findings(&found))?;
    if inspect.json {
        let rows: Vec<_> = snapshot
            .operations
            .iter()
            .map(|operation| {
                json!({
                    "method": &*operation.method, "path": &*operation.template, "api": &*operation.api,
                    "operation": &*operation.name, "auth": auth(operation), "place": &*operation.place,
                })
            })
            .collect();
        say(serde_json::to_string_pretty(&rows)?);
        return Ok(Outcome::Good);
    }
    for operation in &snapshot.operations {
        say(format_args!(
            "{:<7} {:<40} {:<24} {:<16} {}",
            operation.method,
            operation.template,
            format!("{}/{}", operation.api, operation.name),
            auth(operation),
            operation.place,
        ));
    }
    Ok(Outcome::Good)
}

fn auth(operation: &Operation) -> String {
    operation.authentication.to_string()
}
