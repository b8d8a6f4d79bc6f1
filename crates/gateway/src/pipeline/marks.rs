//! What the gateway says of an exchange to its backend, and nobody else may: the request's id, and where it stands in a
//! trace.

use portcullis_http1::Lines;

use super::request_id::RequestId;
use crate::http::claims;

/// What the gateway says of an exchange to its backend, and nobody else may.
#[derive(Debug, Clone, Copy)]
pub struct Marks<'a> {
    /// `X-Request-Id`.
    pub id: RequestId,
    /// `Traceparent`.
    pub traceparent: [u8; 55],
    /// Whether `Tracestate` of the request goes on.
    pub keeps_state: bool,
    /// The request's way, where it is written down already.
    pub way: Option<&'a Lines>,
}

impl Marks<'_> {
    /// Whether a field of the request goes on beside them.
    pub fn lets_pass(&self, name: &[u8]) -> bool {
        !claims::are_aliases(name, b"x-request-id")
            && !claims::are_aliases(name, b"traceparent")
            && (self.keeps_state || !claims::are_aliases(name, b"tracestate"))
    }
}
