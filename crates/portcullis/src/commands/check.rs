//! `portcullis check`: judges a configuration without serving.

use portcullis_gateway::config;
use portcullis_gateway::gateway;

use crate::args::Config;
use crate::output::{Outcome, findings, remark, say};

/// Loads and compiles, as `run` would.
pub(crate) fn check(args: &Config) -> anyhow::Result<Outcome> {
    let loaded = config::load(&args.config).map_err(|found| findings(&found))?;
    let snapshot = gateway::check(&loaded).map_err(|found| findings(&found))?;
    for warning in &loaded.warnings {
        remark(format_args!("warning: {warning}"));
    }
    say(format_args!("{}: good, {} operations", args.config.display(), snapshot.operations.len()));
    Ok(Outcome::Good)
}
