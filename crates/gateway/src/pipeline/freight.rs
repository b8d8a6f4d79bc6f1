//! What an exchange carries: the content of its request, and its reply.

use http::StatusCode;
use portcullis_http1::Fields;

use crate::http::{Body, Reply};

/// The content of a request and the reply to it, in one place from the exchange's beginning to its end.
// PERF: each state of an exchange takes the one before it by value, and what is moved is copied. What is large lies here, where
// nothing moves it; the states have the right to it.
#[derive(Debug)]
pub struct Freight {
    pub(super) body: Body,
    pub(super) reply: Reply,
}

impl Freight {
    /// With the content of a request to which there is no reply yet.
    pub fn new(body: Body) -> Self {
        // What would leave if a defect let it.
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        Self { body, reply: Reply { status, fields: Fields::new(), body: Body::Empty } }
    }

    /// What is to leave, as far as it is known.
    pub(crate) fn reply_mut(&mut self) -> &mut Reply {
        &mut self.reply
    }

    /// Puts a reply of the gateway's own in the place of whatever came of the exchange. Nobody needs the request's content now.
    pub(crate) fn replace(&mut self, reply: Reply) {
        *self = Self { body: Body::Empty, reply };
    }
}
