//! Asks more of a caller than being known: scopes.
//!
//! Coarse-grained and fail-fast: decided from the credential alone, before a byte of the body is read.
//!
//! # Example
//! ```yaml
//! require: { scopes: [orders.write] }
//! ```
//!
//! # Order
//! Authorize, after the caller is known.
//!
//! # Failure
//! 403 `scope-missing`. The detail names no scope; the log names the first one missing. An operation that asks
//! for scopes and lets anonymous callers in does not load.

use std::sync::Arc;

use http::StatusCode;

use super::{Kind, Phase};
use crate::observe::Decision;
use crate::pipeline::{Context, Identified, Policy, Step};
use crate::problem::{Blame, ProblemKind, Severity};

/// Its line in the list of policies.
pub const KIND: Kind = Kind { name: "require", phase: Phase::Authorize, problems: &[&SCOPE_MISSING] };

/// A known caller without what the operation asks for.
pub const SCOPE_MISSING: ProblemKind = ProblemKind {
    code: "scope-missing",
    status: StatusCode::FORBIDDEN,
    title: "The credential does not carry a required scope",
    blame: Blame::Client,
    severity: Some(Severity::Medium),
    about: "The caller is known, but the credential was not given every scope this operation asks for.",
};

/// Asks for every one of its scopes.
#[derive(Debug)]
pub struct Require {
    scopes: Vec<Box<str>>,
    place: Arc<str>,
}

impl Require {
    /// Asks for all of `scopes`; `place` is where the configuration says so.
    pub fn new(scopes: Vec<Box<str>>, place: Arc<str>) -> Self {
        Self { scopes, place }
    }
}

impl Policy for Require {
    fn name(&self) -> &'static str {
        KIND.name
    }

    fn authorize<'a>(&'a self, request: &'a Identified, cx: &'a mut Context) -> Step<'a, ()> {
        let proof = request.caller().proof();
        let missing = self.scopes.iter().find(|scope| !proof.is_some_and(|proof| proof.has_scope(scope)));
        match missing {
            None => {
                cx.verdict(KIND.name, Decision::Allowed, Some(&self.place));
                Step::pass()
            }
            Some(scope) => {
                cx.verdict(KIND.name, Decision::Refused, Some(&self.place));
                let problem =
                    SCOPE_MISSING.with("the credential does not carry a scope this operation asks for");
                Step::refuse(problem.because(format_args!("scope `{scope}` is missing")))
            }
        }
    }
}
