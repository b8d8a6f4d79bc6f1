//! A request that may go to its backend: the only ticket `upstream::forward` takes.

use std::sync::Arc;

use super::{Identified, Operation};
use crate::http::{Body, Canonical};

/// Judged whole: canonical, routed, its caller known, its body judged or guarded.
#[derive(Debug)]
pub struct Admitted<'s> {
    // Invariant: `body` came out of `judged::judge` for exactly this request.
    identified: Identified<'s>,
    body: Body,
}

impl<'s> Admitted<'s> {
    /// Joins a request to its judged body.
    pub(super) fn new(identified: Identified<'s>, body: Body) -> Self {
        Self { identified, body }
    }

    /// The canonical request, as it will be sent.
    pub fn request(&self) -> &Canonical {
        self.identified.request()
    }

    /// Where it goes.
    pub fn operation(&self) -> &'s Arc<Operation> {
        self.identified.operation()
    }

    /// Takes the body, to be sent.
    pub fn take_body(&mut self) -> Body {
        self.body.take()
    }

    /// The request it was, when the backend has answered.
    pub(super) fn into_identified(self) -> Identified<'s> {
        self.identified
    }
}
