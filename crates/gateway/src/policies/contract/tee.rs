//! A body judged while it goes on: its end is let through only when all of it was judged.

use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};

use bytes::Bytes;
use portcullis_openapi::contract::{BodyFault, Contract, Judging, Violations};

use super::problems;
use crate::config::ContractErrors;
use crate::pipeline::policy::Inspector;
use crate::problem::Problem;

/// Judges the pieces of one body.
pub(super) struct Tee {
    contract: Arc<Contract>,
    operation: usize,
    errors: ContractErrors,
    /// Gone once the verdict is in.
    judging: Option<Judging>,
}

impl Tee {
    pub(super) fn new(
        contract: Arc<Contract>,
        operation: usize,
        errors: ContractErrors,
        judging: Judging,
    ) -> Self {
        Self { contract, operation, errors, judging: Some(judging) }
    }

    fn refuse(&self, fault: &BodyFault) -> Box<Problem> {
        Box::new(problems::unreadable(fault, self.errors))
    }
}

impl Inspector for Tee {
    fn poll_piece(&mut self, piece: &Bytes, _cx: &mut TaskContext<'_>) -> Poll<Result<(), Box<Problem>>> {
        let judged = match (self.contract.operation(self.operation), &mut self.judging) {
            (Some(rules), Some(judging)) => rules.body_piece(judging, piece),
            (None, _) | (_, None) => Err(BodyFault::Type),
        };
        Poll::Ready(judged.map_err(|fault| self.refuse(&fault)))
    }

    fn poll_end(&mut self, _cx: &mut TaskContext<'_>) -> Poll<Result<(), Box<Problem>>> {
        let mut found = Violations::new();
        let judged = match (self.contract.operation(self.operation), self.judging.take()) {
            (Some(rules), Some(judging)) => rules.end_body(judging, &mut found),
            (None, _) | (_, None) => Err(BodyFault::Type),
        };
        Poll::Ready(match judged {
            Ok(()) if found.is_empty() => Ok(()),
            Ok(()) => Err(Box::new(problems::body(&found, self.errors))),
            Err(fault) => Err(self.refuse(&fault)),
        })
    }
}
