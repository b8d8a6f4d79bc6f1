//! A backend's answer, still beside the request it answers.

use std::sync::Arc;

use http::StatusCode;
use portcullis_http1::Fields;

use super::{Admitted, Freight, Operation};
use crate::http::{Body, Canonical};

/// An answer from a backend, canonical and not yet judged by the response policies.
#[derive(Debug)]
pub struct Answered<'s> {
    // Invariant: the reply in `freight` is what the backend said to exactly this `request`.
    request: Canonical,
    operation: &'s Arc<Operation>,
    freight: &'s mut Freight,
}

impl<'s> Answered<'s> {
    /// An admitted request to which its backend has answered, in the place of its reply.
    pub(crate) fn new(admitted: Admitted<'s>) -> Self {
        let (request, operation, freight) = admitted.into_parts();
        Self { request, operation, freight }
    }

    /// The request it answers.
    pub fn request(&self) -> &Canonical {
        &self.request
    }

    /// The operation it answers for.
    pub fn operation(&self) -> &'s Arc<Operation> {
        self.operation
    }

    /// Its status.
    pub fn status(&self) -> StatusCode {
        self.freight.reply.status
    }

    /// Its end-to-end fields.
    pub fn fields(&self) -> &Fields {
        &self.freight.reply.fields
    }

    /// Its end-to-end fields, to be changed.
    pub fn fields_mut(&mut self) -> &mut Fields {
        &mut self.freight.reply.fields
    }

    /// Its body.
    pub fn body_mut(&mut self) -> &mut Body {
        &mut self.freight.reply.body
    }

    /// Leaves. The reply stays in its place, and the memory of the request's head is kept for others.
    pub(crate) fn leaves(self) {
        self.request.recycle();
    }
}
