//! A backend's answer, still beside the request it answers.

use std::sync::Arc;

use http::StatusCode;
use portcullis_http1::Fields;

use super::{Admitted, Operation};
use crate::http::{Body, Canonical, Reply, spare};

/// An answer from a backend, canonical and not yet judged by the response policies.
#[derive(Debug)]
pub struct Answered<'s> {
    // Invariant: `reply` is what the backend said to exactly this `request`.
    request: Canonical,
    operation: &'s Arc<Operation>,
    reply: Reply,
}

impl<'s> Answered<'s> {
    /// Joins an admitted request to its backend's answer.
    pub(crate) fn new(admitted: Admitted<'s>, reply: Reply) -> Self {
        let (request, operation) = admitted.into_identified().into_routed().into_parts();
        Self { request, operation, reply }
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
        self.reply.status
    }

    /// Its end-to-end fields.
    pub fn fields(&self) -> &Fields {
        &self.reply.fields
    }

    /// Its end-to-end fields, to be changed.
    pub fn fields_mut(&mut self) -> &mut Fields {
        &mut self.reply.fields
    }

    /// Its body.
    pub fn body_mut(&mut self) -> &mut Body {
        &mut self.reply.body
    }

    /// What leaves. The memory of the request's head is kept for others.
    pub(crate) fn into_reply(self) -> Reply {
        spare::give_head(self.request.into_fields());
        self.reply
    }
}
