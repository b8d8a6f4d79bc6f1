//! What the gateway says of an exchange to its backend, and nobody else may: the request's id, and where it stands in a
//! trace.

use portcullis_http1::{Fields, Lines};

use super::request_id::RequestId;
use crate::http::claims;
use crate::http::trace::{Trace, Traceparent};

/// What the gateway says of an exchange to its backend, and nobody else may.
#[derive(Debug, Clone, Copy)]
pub struct Marks<'a> {
    /// `X-Request-Id`.
    pub id: &'a RequestId,
    /// Where the exchange stands.
    pub trace: &'a Trace,
    /// The span of which what the backend records is part.
    pub span: u64,
    /// The request's way, where it is written down already.
    pub way: Option<&'a Lines>,
}

impl Marks<'_> {
    /// `Traceparent`.
    pub fn traceparent(&self) -> Traceparent {
        self.trace.traceparent(self.span)
    }

    /// Whether one of `fields` may have to stay behind.
    // SECURITY: no alias is missed. It differs from the name by hyphens, and these names neither begin nor end with one.
    pub fn may_replace(&self, fields: &Fields) -> bool {
        fields.may_have("x-request-id")
            || fields.may_have("traceparent")
            || (!self.trace.keeps_state && fields.may_have("tracestate"))
    }

    /// Whether a field of the request goes on beside them.
    pub fn lets_pass(&self, name: &[u8]) -> bool {
        !claims::are_aliases(name, b"x-request-id")
            && !claims::are_aliases(name, b"traceparent")
            && (self.trace.keeps_state || !claims::are_aliases(name, b"tracestate"))
    }
}

/// What [`Marks::sample`] says of a trace.
#[cfg(test)]
pub(crate) const SAMPLE_TRACEPARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";

#[cfg(test)]
impl Marks<'static> {
    /// Those of an exchange that begins a trace.
    pub(crate) fn sample(keeps_state: bool) -> Self {
        let mut numbers = [0x0af7_6519_16cd_43dd, 0x8448_eb21_1c80_319c, 0xb7ad_6b71_6920_3331].into_iter();
        let trace = Trace::begin(|| numbers.next().expect("a trace and a span"));
        let trace = Box::leak(Box::new(Trace { keeps_state, ..trace }));
        let id = Box::leak(Box::new(RequestId::new(std::time::Duration::ZERO)));
        Self { id, trace, span: trace.own.span, way: None }
    }
}
