//! How much of each API's definition is enforced, for `coverage`, for the log at the start and for `audit`.
//!
//! What stands here is a by-product of compiling: what could not be lowered added its gap there. Here each gap gets its
//! place among the files of the configuration, and each operation what becomes of its requests.

use std::fmt;
use std::sync::Arc;

use portcullis_openapi::contract::{Contract, Gap, Side};
use serde::Serialize;

use crate::config::{ApiDefinition, Loaded};
use crate::pipeline::Operation;
use crate::pipeline::operation::Fate;

/// How much of one API's definition is enforced.
#[derive(Debug, Serialize)]
pub struct ApiReport {
    /// The API.
    pub api: String,
    /// How many operations its definition publishes.
    pub operations: usize,
    /// How many of them are enforced in full, in both directions.
    pub enforced: usize,
    /// How many answer 501, since a constraint on requests cannot be enforced.
    pub refused: usize,
    /// How many have such a constraint and let requests pass.
    pub passing: usize,
    /// How many are not judged, or only watched.
    pub not_enforced: usize,
    /// The operations of which something is not enforced, in the order of the definition.
    pub gaps: Vec<OperationReport>,
    /// Bounds that hold where the definition says nothing.
    pub defaults: Vec<String>,
}

/// What of one operation is not enforced.
#[derive(Debug, Serialize)]
pub struct OperationReport {
    /// The method.
    pub method: String,
    /// The path template, as published.
    pub path: String,
    /// The operation's name.
    pub operation: String,
    /// What becomes of its requests.
    pub fate: Fate,
    /// What is not enforced, and why.
    pub gaps: Vec<GapReport>,
}

/// One constraint that is not enforced.
#[derive(Debug, Serialize)]
pub struct GapReport {
    /// `request` or `response`.
    pub side: &'static str,
    /// Where it is written.
    pub place: String,
    /// What is not enforced.
    pub what: String,
    /// Why not.
    pub why: String,
}

impl ApiReport {
    /// Of the operations of a definition by their index there.
    pub(super) fn of(
        api: &str,
        contract: &Contract,
        published: &[(usize, Arc<Operation>)],
        definition: &ApiDefinition,
        loaded: &Loaded,
    ) -> Self {
        let mut report = Self {
            api: api.to_owned(),
            operations: 0,
            enforced: 0,
            refused: 0,
            passing: 0,
            not_enforced: 0,
            gaps: Vec::new(),
            defaults: contract.coverage().defaults.iter().map(ToString::to_string).collect(),
        };
        for (index, operation) in published {
            let Some(keeping) = operation.contract else { continue };
            report.operations = report.operations.saturating_add(1);
            let gaps = contract.operation(*index).map_or(&[][..], |rules| rules.gaps());
            let fate = keeping.fate();
            match fate {
                Fate::Judged if gaps.is_empty() => report.enforced = report.enforced.saturating_add(1),
                Fate::Judged => {}
                Fate::Refused => report.refused = report.refused.saturating_add(1),
                Fate::Passes => report.passing = report.passing.saturating_add(1),
                Fate::Observed | Fate::Ignored => {
                    report.not_enforced = report.not_enforced.saturating_add(1);
                }
            }
            if !gaps.is_empty() {
                report.gaps.push(OperationReport {
                    method: operation.method.to_string(),
                    path: operation.template.to_string(),
                    operation: operation.name.to_string(),
                    fate,
                    gaps: gaps.iter().map(|gap| place(gap, definition, loaded)).collect(),
                });
            }
        }
        report
    }

    /// Whether every constraint on requests is enforced where requests are judged at all.
    pub fn is_covered(&self) -> bool {
        self.gaps.iter().all(|operation| operation.gaps.iter().all(|gap| gap.side != REQUEST))
    }

    /// One line.
    pub fn summary(&self) -> String {
        let Self { api, operations, enforced, refused, passing, not_enforced, .. } = self;
        let mut line = format!("{api}: {operations} operations, {enforced} fully enforced");
        for (count, what) in [
            (refused, "answer 501"),
            (passing, "pass what cannot be judged"),
            (not_enforced, "not enforced (`mode`)"),
        ] {
            if *count > 0 {
                line.push_str(&format!(", {count} {what}"));
            }
        }
        line
    }

    /// The reasons that concern most operations, each with how many and where it stands first.
    pub fn loudest(&self, count: usize) -> Vec<Reason<'_>> {
        let mut reasons: Vec<Reason<'_>> = Vec::new();
        for operation in &self.gaps {
            let mut own: Vec<&str> = Vec::new();
            for gap in &operation.gaps {
                if own.contains(&&*gap.why) {
                    continue;
                }
                own.push(&gap.why);
                match reasons.iter_mut().find(|reason| reason.gap.why == gap.why) {
                    Some(reason) => reason.operations = reason.operations.saturating_add(1),
                    None => reasons.push(Reason { operations: 1, gap }),
                }
            }
        }
        reasons.sort_by_key(|reason| std::cmp::Reverse((reason.gap.side == REQUEST, reason.operations)));
        reasons.truncate(count);
        reasons
    }
}

/// Why something is not enforced.
#[derive(Debug)]
pub struct Reason<'a> {
    /// Of how many operations.
    pub operations: usize,
    /// The first such gap.
    pub gap: &'a GapReport,
}

const REQUEST: &str = "request";

impl fmt::Display for Reason<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let GapReport { side, place, what, why } = self.gap;
        write!(f, "{} operations, first {place}: {side}: {what}: {why}", self.operations)
    }
}

fn place(gap: &Gap, definition: &ApiDefinition, loaded: &Loaded) -> GapReport {
    let span = definition.span(gap.span);
    // Of a document on one line, the column is all that tells.
    let at = format!("{}:{}", loaded.place_of(span), span.column);
    let pointer = gap.pointer.to_string();
    let place = if pointer.is_empty() { at } else { format!("{at} {pointer}") };
    GapReport {
        side: match gap.side {
            Side::Request => REQUEST,
            Side::Response => "response",
        },
        place,
        what: gap.what.to_string(),
        why: gap.why.to_string(),
    }
}
