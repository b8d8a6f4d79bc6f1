//! `portcullis completions SHELL`.

use clap::CommandFactory;

use crate::args::{Args, Completions};
use crate::output::Outcome;

/// Prints the completion script.
pub(crate) fn completions(completions: &Completions) -> anyhow::Result<Outcome> {
    clap_complete::generate(completions.shell, &mut Args::command(), "portcullis", &mut std::io::stdout());
    Ok(Outcome::Good)
}
