//! A canonical request that has found its operation.

use std::sync::Arc;

use super::{Freight, Operation};
use crate::http::{Body, Canonical};

/// A request and the operation of a published API that it asks for.
#[derive(Debug)]
pub struct Routed<'s> {
    // Invariant: `operation` is what the route table of one snapshot found for exactly this `request`.
    request: Canonical,
    operation: &'s Arc<Operation>,
    freight: &'s mut Freight,
}

impl<'s> Routed<'s> {
    /// Joins a request to what the route table found for it, and to its content.
    pub(crate) fn new(request: Canonical, operation: &'s Arc<Operation>, freight: &'s mut Freight) -> Self {
        Self { request, operation, freight }
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

    /// Its content, to be judged.
    pub(super) fn body_mut(&mut self) -> &mut Body {
        &mut self.freight.body
    }

    /// The request, and what is carried for it.
    pub(super) fn parts(&mut self) -> (&Canonical, &mut Freight) {
        (&self.request, self.freight)
    }

    /// The request without its content, what it asks for, and what is carried for it.
    pub(super) fn into_parts(self) -> (Canonical, &'s Arc<Operation>, &'s mut Freight) {
        (self.request, self.operation, self.freight)
    }
}
