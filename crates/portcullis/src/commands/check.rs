//! `portcullis check`: judges a configuration, or a definition, without serving.

use portcullis_gateway::gateway;

use crate::args::Check;
use crate::output::{Outcome, findings, remark, say};

/// Loads and compiles, as `run` would.
pub(crate) fn check(args: &Check) -> anyhow::Result<Outcome> {
    let loaded = args.subject.load()?;
    let snapshot = gateway::check(&loaded).map_err(|found| findings(&found))?;
    for warning in loaded.warnings.iter().chain(&snapshot.warnings) {
        remark(format_args!("warning: {warning}"));
    }
    say(format_args!("{}: good, {} operations", args.subject.name(), snapshot.operations.len()));
    Ok(Outcome::Good)
}
