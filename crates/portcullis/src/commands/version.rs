//! `portcullis version`.

use crate::output::{Outcome, say};

/// Prints the version.
pub(crate) fn version() -> anyhow::Result<Outcome> {
    say(format_args!("portcullis {}", env!("CARGO_PKG_VERSION")));
    Ok(Outcome::Good)
}
