//! Services of the operator's that decide whether a request may go on, asked by HTTP or by gRPC as Envoy asks them.
//!
//! A question says what the request asks for, who calls, and those fields of the request that the configuration names; of a
//! body its length at most. An answer counts if it is exactly one of those that the protocol has:
//!
//! | what comes | ruling |
//! | --- | --- |
//! | yes, with nothing but what it may say | [`Ruling::Allowed`] |
//! | no, with a status and fields that it may say | [`Ruling::Denied`] |
//! | nothing: no connection, too late, or it says itself that it fails | [`Ruling::Away`]: `on_error` decides |
//! | anything else | [`Ruling::Unclear`]: never passes |
//!
//! The last two are apart because a service that is away says nothing, and one that said something that is not understood
//! may have said no. So does a flood that takes all places for questions not open what `on_error: allow` lets through.
//!
//! Calls go over connections that are kept; a question may so arrive twice, if a kept connection turns out to be stale.
//!
//! # Limits
//! `timeout` for a question, `calls` of them at once; [`ANSWER_BYTES_MAX`] of an answer's body, [`SAID_BYTES_MAX`] of fields
//! that are passed on.
//!
//! # Threats
//! Callers choose what stands in the path and in fields that are told, so all of it is written from the canonical request. The
//! service is believed in what it decides and in nothing else: it sets no field that the configuration does not name,
//! none that frames or routes a message, none of the gateway's own, and no value that ends a line.

mod answer;
mod grpc;
mod http;
pub mod messages;
pub mod spec;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Semaphore;

pub use answer::{Denial, Ruling, Unclear};
use spec::{AuthorizerSpec, Speaks};

use crate::clock;
use crate::fetch::{Remote, RemoteError};
use crate::http::forwarded::{Said, forwarded_fields};
use crate::http::{Canonical, Peer, claims};
use crate::observe::AuthorizerFacts;
use crate::pipeline::Proof;

/// Most bytes of an answer's body.
pub const ANSWER_BYTES_MAX: usize = 64 << 10;
/// Most bytes of the fields of one answer that are passed on.
pub const SAID_BYTES_MAX: usize = 16 << 10;

/// What is asked about one request.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// The request, as far as it may be told.
    pub request: &'a Canonical,
    /// Its id.
    pub id: &'a str,
    /// `Traceparent`.
    pub traceparent: &'a [u8],
    /// When it came, since 1970.
    pub wall: Duration,
    /// The connection it came over.
    pub peer: &'a Peer,
    /// The API's name.
    pub api: &'a str,
    /// The operation's name.
    pub operation: &'a str,
    /// What was proven of its caller.
    pub proof: Option<&'a Proof>,
}

/// One authorizer, its connections and counts.
#[derive(Debug)]
pub struct Authorizer {
    spec: AuthorizerSpec,
    remote: Remote,
    calls: Semaphore,
    counts: Counts,
    /// Whether the last question had no answer.
    is_away: AtomicBool,
}

#[derive(Debug, Default)]
struct Counts {
    allowed: AtomicU64,
    denied: AtomicU64,
    let_through: AtomicU64,
    failed: AtomicU64,
    micros: AtomicU64,
}

impl Authorizer {
    /// Makes one; nobody is called yet.
    ///
    /// # Errors
    /// Says why it can never be called.
    pub fn new(spec: AuthorizerSpec) -> Result<Self, RemoteError> {
        let remote = Remote::trusting(spec.url.clone(), spec.names.clone(), spec.ca.clone())?.keeping();
        let remote = if spec.speaks == Speaks::Grpc { remote.speaking_http2() } else { remote };
        let calls = Semaphore::new(spec.calls);
        Ok(Self { spec, remote, calls, counts: Counts::default(), is_away: AtomicBool::new(false) })
    }

    /// What it was made of.
    pub fn spec(&self) -> &AuthorizerSpec {
        &self.spec
    }

    /// How it is doing.
    pub fn facts(&self) -> AuthorizerFacts {
        let Counts { allowed, denied, let_through, failed, micros } = &self.counts;
        AuthorizerFacts {
            name: self.spec.name.to_string(),
            allowed: allowed.load(Ordering::Relaxed),
            denied: denied.load(Ordering::Relaxed),
            let_through: let_through.load(Ordering::Relaxed),
            failed: failed.load(Ordering::Relaxed),
            took: Duration::from_micros(micros.load(Ordering::Relaxed)),
            in_flight: self.spec.calls.saturating_sub(self.calls.available_permits()) as u64,
        }
    }

    /// Asks about one request, and says how long that took.
    pub async fn ask(&self, question: Question<'_>) -> (Ruling, Duration) {
        let began = clock::now();
        let ruling = match self.calls.try_acquire() {
            Ok(_place) if self.spec.speaks == Speaks::Grpc => self.ask_grpc(question).await,
            Ok(_place) => self.ask_http(question).await,
            Err(_) => Ruling::Unclear("too many questions are under way".to_owned()),
        };
        let took = clock::now().saturating_duration_since(began);
        self.count(&ruling, took);
        (ruling, took)
    }

    fn count(&self, ruling: &Ruling, took: Duration) {
        let Counts { allowed, denied, let_through, failed, micros } = &self.counts;
        let (counter, failure) = match ruling {
            Ruling::Allowed(_) => (allowed, None),
            Ruling::Denied(_) => (denied, None),
            Ruling::Away(why) if self.spec.lets_through => (let_through, Some(why)),
            Ruling::Away(why) | Ruling::Unclear(why) => (failed, Some(why)),
        };
        counter.fetch_add(1, Ordering::Relaxed);
        micros.fetch_add(u64::try_from(took.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
        let was_away = self.is_away.swap(failure.is_some(), Ordering::Relaxed);
        let authorizer = &*self.spec.name;
        match failure {
            Some(reason) if !was_away => {
                tracing::warn!(authorizer, %reason, "an authorizer does not decide");
            }
            None if was_away => tracing::info!(authorizer, "an authorizer decides again"),
            _ => {}
        }
    }
}

/// Says which way the request took, as backends are told.
fn forwarded(request: &Canonical, mut say: impl FnMut(&[u8], &[u8])) {
    forwarded_fields(request, None, |said| match said {
        Said::Field(label, value) => say(label.name().as_bytes(), value),
        Said::Lines(lines) => lines.iter().for_each(|field| say(field.name, field.value)),
    });
}

/// What is known of the request beside what it says itself.
fn about(question: Question<'_>) -> Vec<(&'static str, String)> {
    let Question { api, operation, proof, .. } = question;
    let mut about =
        vec![("x-portcullis-api", api.to_owned()), ("x-portcullis-operation", operation.to_owned())];
    if let Some(proof) = proof {
        about.push(("x-portcullis-consumer", proof.consumer.name.to_string()));
        about.push(("x-portcullis-credential", proof.credential.to_string()));
        if !proof.scopes.is_empty() {
            about.push(("x-portcullis-scopes", proof.scopes.join(" ")));
        }
    }
    about
}

/// Whether a field of this name is said of the request by the gateway, or frames the question.
fn is_own(name: &[u8]) -> bool {
    const OWN: &[&str] =
        &["x-request-id", "traceparent", "via", "content-length", "transfer-encoding", "host"];
    OWN.iter().any(|own| claims::are_aliases(name, own.as_bytes()))
}
