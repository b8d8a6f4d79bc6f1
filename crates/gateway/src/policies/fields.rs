//! Lets only those request fields through to the backend that the API declares, and those that HTTP itself gives a
//! meaning.
//!
//! A backend acts on fields that nobody remembers: a switch for debugging, a header that a framework reads. A definition
//! says which fields an operation has, so with one the rest is dropped. Dropped and not refused, because browsers,
//! proxies and tracing send fields of their own with every request. Without a definition nothing says what is meant,
//! and every field passes but those by which gateways speak to backends (`http/claims.rs`).
//!
//! `declared` lets through [`STANDARD`], every `Content-*` and `Sec-*`, header parameters of the operation and its
//! path, and the fields of the security schemes it names. `Cookie` passes as a whole, where a parameter or a scheme
//! stands in a cookie. A list lets those through and the listed ones. `any` is no restriction, and the default of
//! operations that are declared in the configuration.
//!
//! # Example
//! ```yaml
//! fields: [x-tenant, x-correlation-id]
//! ```
//!
//! # Order
//! Transform, after the caller's credential was taken out, and before the gateway writes fields of its own
//! (`X-Forwarded-*`, `X-Request-Id`), which this does not touch.
//!
//! # Limits
//! Names are compared exactly, without case: `x_tenant` is not `x-tenant`. Trailer fields are not looked at; those that
//! could pass for a field of the head never go on (`http/trailers.rs`).
//!
//! # Failure
//! Nothing is refused.
//!
//! # Threats
//! The sender controls every name. The look-up allocates nothing and costs a comparison per candidate.

use std::sync::Arc;

use super::attestation::ATTESTED;
use super::{Kind, Phase};
use crate::observe::Decision;
use crate::pipeline::{Context, Identified, Policy, Step};

/// Its line in the list of policies.
pub const KIND: Kind = Kind { name: "fields", phase: Phase::Transform, problems: &[] };

/// Request fields that go from end to end and whose meaning a specification gives, in order. `Host`, framing and what
/// belongs to one connection is written by the gateway itself.
pub const STANDARD: &[(&str, &str)] = &[
    ("accept", "RFC 9110 §12.5.1"),
    ("accept-charset", "RFC 9110 §12.5.2"),
    ("accept-encoding", "RFC 9110 §12.5.3"),
    ("accept-language", "RFC 9110 §12.5.4"),
    ("access-control-request-headers", "Fetch"),
    ("access-control-request-method", "Fetch"),
    ("authorization", "RFC 9110 §11.6.2"),
    ("baggage", "W3C Baggage"),
    ("cache-control", "RFC 9111 §5.2"),
    ("date", "RFC 9110 §6.6.1"),
    ("dpop", "RFC 9449 §4"),
    ("early-data", "RFC 8470 §5.1"),
    ("from", "RFC 9110 §10.1.2"),
    ("if-match", "RFC 9110 §13.1.1"),
    ("if-modified-since", "RFC 9110 §13.1.3"),
    ("if-none-match", "RFC 9110 §13.1.2"),
    ("if-range", "RFC 9110 §13.1.5"),
    ("if-unmodified-since", "RFC 9110 §13.1.4"),
    ("last-event-id", "HTML"),
    ("max-forwards", "RFC 9110 §7.6.2"),
    ("origin", "RFC 6454 §7"),
    ("pragma", "RFC 9111 §5.4"),
    ("prefer", "RFC 7240 §2"),
    ("priority", "RFC 9218 §5"),
    ("range", "RFC 9110 §14.2"),
    ("referer", "RFC 9110 §10.1.3"),
    ("repr-digest", "RFC 9530 §3"),
    ("signature", "RFC 9421 §4.2"),
    ("signature-input", "RFC 9421 §4.1"),
    ("traceparent", "W3C Trace Context"),
    ("tracestate", "W3C Trace Context"),
    ("user-agent", "RFC 9110 §10.1.5"),
    ("via", "RFC 9110 §7.6.3"),
    ("want-content-digest", "RFC 9530 §4"),
    ("want-repr-digest", "RFC 9530 §4"),
];

/// Beginnings of names that pass: what describes the content (RFC 9110 §8, RFC 9530 §2), and what only browsers can
/// set (Fetch, RFC 6455 §11.3).
const PREFIXES: &[&str] = &["content-", "sec-"];

/// Drops fields that were not declared.
#[derive(Debug)]
pub struct Fields {
    /// Declared and listed names in lower case, sorted.
    names: Box<[Box<str>]>,
    place: Arc<str>,
}

impl Fields {
    /// Lets standard fields and `names` through; `place` is where the configuration says so.
    pub fn new(names: Vec<String>, place: Arc<str>) -> Self {
        let mut names: Vec<Box<str>> =
            names.into_iter().map(|name| name.to_ascii_lowercase().into_boxed_str()).collect();
        names.sort_unstable();
        names.dedup();
        Self { names: names.into_boxed_slice(), place }
    }

    /// Whether a field called `name` goes on.
    fn passes(&self, name: &[u8]) -> bool {
        let order = |known: &str| known.bytes().cmp(name.iter().map(u8::to_ascii_lowercase));
        STANDARD.binary_search_by(|(known, _)| order(known)).is_ok()
            || PREFIXES.iter().any(|prefix| {
                name.get(..prefix.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(prefix.as_bytes()))
            })
            || self.names.binary_search_by(|known| order(known)).is_ok()
            // What no client can say: it was put there after theirs was dropped.
            || name == ATTESTED.as_bytes()
    }
}

impl Policy for Fields {
    fn name(&self) -> &'static str {
        KIND.name
    }

    fn transform_request<'a>(&'a self, request: &'a mut Identified, cx: &'a mut Context) -> Step<'a, ()> {
        let fields = request.request_mut().fields_mut();
        let before = fields.len();
        fields.retain(|field| self.passes(field.name));
        if fields.len() < before {
            cx.verdict(KIND.name, Decision::Allowed, Some(&self.place));
        }
        Step::pass()
    }
}

#[cfg(test)]
mod tests;
