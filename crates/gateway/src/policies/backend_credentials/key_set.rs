//! The operation by which the gateway's own public keys are published.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use portcullis_http1::Fields;

use crate::http::{Body, Reply};
use crate::pipeline::{Context, Policy, Routed, Step, Stop};
use crate::signing::Signing;

use super::unavailable;

/// Answers with the key set, whoever asks.
#[derive(Debug)]
pub struct KeySet {
    signing: Arc<Signing>,
    cache_control: Box<str>,
}

impl KeySet {
    /// Publishes the keys of `signing`, to be kept for `max_age`.
    pub fn new(signing: Arc<Signing>, max_age: Duration) -> Self {
        Self { signing, cache_control: format!("public, max-age={}", max_age.as_secs()).into() }
    }
}

impl Policy for KeySet {
    fn name(&self) -> &'static str {
        "jwks"
    }

    fn screen<'a>(&'a self, _request: &'a mut Routed, _cx: &'a mut Context) -> Step<'a, ()> {
        let Some(published) = self.signing.published() else {
            return Step::refuse(unavailable("there is no key yet"));
        };
        let mut fields = Fields::new();
        // RFC 7517 §8.5.2.
        fields.push("content-type", "application/jwk-set+json");
        match published.max_age.map(|left| left.as_secs()) {
            None => fields.push("cache-control", self.cache_control.as_bytes()),
            Some(0) => fields.push("cache-control", "no-cache"),
            Some(left) => fields.push("cache-control", format!("public, max-age={left}")),
        }
        let body = Body::from_bytes(published.set);
        Step::Now(Err(Stop::answer(Reply { status: StatusCode::OK, fields, body })))
    }
}
