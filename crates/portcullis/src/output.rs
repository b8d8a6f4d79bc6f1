//! What commands print and how they end. The one place that writes to the terminal.

use std::fmt::Display;
use std::io::{self, Write};

use portcullis_gateway::config::Finding;

/// How a command ended, when it could do its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Good.
    Good,
    /// The answer is no.
    No,
}

/// Prints a line for the reader. A reader who has gone away is no error.
pub(crate) fn say(line: impl Display) {
    let _ = writeln!(io::stdout(), "{line}");
}

/// Prints a line beside the answer.
pub(crate) fn remark(line: impl Display) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// Prints why a command could not do its work.
pub(crate) fn complain(error: &anyhow::Error) {
    remark(format_args!("error: {error:#}"));
}

/// Findings told at once: nobody reads more, and the log and `/readyz` carry them too.
const FINDINGS_MAX: usize = 100;

/// Findings as one error, a line each.
pub(crate) fn findings(findings: &[Finding]) -> anyhow::Error {
    let mut lines: Vec<String> = findings.iter().take(FINDINGS_MAX).map(ToString::to_string).collect();
    if let Some(more) = findings.len().checked_sub(FINDINGS_MAX).filter(|more| *more > 0) {
        lines.push(format!("and {more} more"));
    }
    anyhow::Error::msg(lines.join("\n"))
}
