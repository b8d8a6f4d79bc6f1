//! `portcullis routes`: the published operations, who may call them, where they go.

use portcullis_gateway::gateway;
use portcullis_gateway::pipeline::Operation;

use crate::args::Routes;
use crate::output::{Outcome, findings, say};
use crate::table;

/// Prints the operations of a configuration, or of a definition.
pub(crate) fn routes(args: &Routes) -> anyhow::Result<Outcome> {
    let loaded = args.subject.load()?;
    let snapshot = gateway::check(&loaded).map_err(|found| findings(&found))?;
    if args.json {
        say(serde_json::to_string_pretty(&table::routes(&snapshot.operations))?);
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
