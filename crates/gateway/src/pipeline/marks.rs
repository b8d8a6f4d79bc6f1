//! What the gateway says of an exchange to its backend, and nobody else may: the request's id, and where it stands in a
//! trace.

use portcullis_http1::{Fields, Lines};

use super::request_id::RequestId;
use crate::http::claims;
use crate::http::trace::Traceparent;

/// What the gateway says of an exchange to its backend, and nobody else may.
#[derive(Debug, Clone, Copy)]
pub struct Marks<'a> {
    /// `X-Request-Id`.
    pub id: RequestId,
    /// `Traceparent`.
    pub traceparent: Traceparent,
    /// Whether `Tracestate` of the request goes on.
    pub keeps_state: bool,
    /// The request's way, where it is written down already.
    pub way: Option<&'a Lines>,
}

impl Marks<'_> {
    /// Whether one of `fields` may have to stay behind.
    // SECURITY: no alias is missed. It differs from the name by hyphens, and these names neither begin nor end with one.
    pub fn may_replace(&self, fields: &Fields) -> bool {
        fields.may_have("x-request-id")
            || fields.may_have("traceparent")
            || (!self.keeps_state && fields.may_have("tracestate"))
    }

    /// Whether a field of the request goes on beside them.
    pub fn lets_pass(&self, name: &[u8]) -> bool {
        !claims::are_aliases(name, b"x-request-id")
            && !claims::are_aliases(name, b"traceparent")
            && (self.keeps_state || !claims::are_aliases(name, b"tracestate"))
    }
}
