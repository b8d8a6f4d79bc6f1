//! A canonical request that has found its operation.

use std::sync::Arc;

use super::Operation;
use crate::http::{Body, Canonical};

/// A request and the operation of a published API that it asks for.
#[derive(Debug)]
pub struct Routed<'s> {
    // Invariant: `operation` is what the route table of one snapshot found for exactly this `request`.
    request: Canonical,
    operation: &'s Arc<Operation>,
    body: Body,
}

impl<'s> Routed<'s> {
    /// Joins a request to what the route table found for it.
    pub(crate) fn new(request: Canonical, operation: &'s Arc<Operation>, body: Body) -> Self {
        Self { request, operation, body }
    }

    /// The canonical request.
    pub fn request(&self) -> &Canonical {
        &self.request
    }

    /// The canonical request, to be transformed.
    pub fn request_mut(&mut self) -> &mut Canonical {
        &mut self.request
    }

    /// What the request asks for.
    pub fn operation(&self) -> &'s Arc<Operation> {
        self.operation
    }

    /// Takes the body out, to be judged.
    pub(super) fn take_body(&mut self) -> Body {
        self.body.take()
    }

    /// The request without its body, and what it asks for.
    pub(super) fn into_parts(self) -> (Canonical, &'s Arc<Operation>) {
        (self.request, self.operation)
    }
}
