//! `portcullis schema`: the JSON Schema editors use.

use portcullis_gateway::config;

use crate::output::{Outcome, say};

/// Prints the schema.
pub(crate) fn schema() -> anyhow::Result<Outcome> {
    say(serde_json::to_string_pretty(&config::json_schema())?);
    Ok(Outcome::Good)
}
