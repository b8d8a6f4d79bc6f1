//! The only door out: an admitted request goes to its backend, an answer comes back.
//!
//! [`Upstreams::forward`] takes an [`Admitted`] and nothing else. What the backend sees is written anew from the
//! canonical request (`request`), on a connection of this core (`pool`, `connect`); the request's body goes up
//! (`upload`) while the answer comes down (`answer`, `download`), in the exchange's own task, without channels
//! or locks: on a kept connection a plain exchange costs one write and one read. Where the backend speaks HTTP/2,
//! exchanges share connections (`http2`).
//!
//! **Whether at all.** A backend that fails is left alone (`breaker`); one that has enough to do has callers wait in a
//! bounded line (`places`).
//!
//! **The next target.** Which one is asked `balance` decides, from what `standing` knows of each. While nobody has looked
//! at the request, the next target is asked at once; after two that did not accept a connection in time it is enough.
//! What may have been heard goes to the next one, or to the same one after a pause, as `retry` lets it.
//!
//! # Limits
//! Every wait has its timeout ([`spec::Timeouts`]); the answer's head, interim answers, idle connections and the
//! read size are bounded where they are used.
//!
//! # Threats
//! A backend is trusted with the requests it is sent, not with the answers to others: every answer has one
//! reading or is refused, and a connection that says more than it was asked is never used again.

mod answer;
mod backend;
mod balance;
mod breaker;
mod connect;
mod connection;
mod download;
mod failure;
mod health;
mod http2;
mod journey;
mod place;
mod places;
mod pool;
mod request;
mod retry;
mod schedule;
pub mod spec;
mod standing;
mod tls;
mod upload;

use std::sync::Arc;

use http::Method;
use portcullis_http1::Framing;

pub use backend::{Backend, BackendError};
pub use failure::{
    BACKEND_BUSY, BACKEND_CIRCUIT_OPEN, BACKEND_CLOSED, BACKEND_MALFORMED, BACKEND_TIMEOUT,
    BACKEND_UNHEALTHY, BACKEND_UNREACHABLE, BACKEND_UNTRUSTED, PROBLEMS,
};
pub use pool::idle;
pub use spec::BackendSpec;
pub use tls::TlsError;

use crate::chores::Chores;
use crate::clock::{self, Instant};
use crate::dns::Resolver;
use crate::http::response::canonicalise_response;
use crate::http::{Body, Canonical, Reply, Size};
use crate::observe::{BackendFacts, HealthFacts, NameFacts, TargetFacts};
use crate::pipeline::marks::Marks;
use crate::pipeline::{Admitted, Answered, Context, Stop};
use crate::problem::Problem;
use answer::{Errand, Incoming, Load, Rest, earlier};
use backend::{Speaks, Target};
use connection::Connection;
use failure::{Failure, Wait};
use http2::{Lease, Opened};
use journey::Journey;
use upload::Upload;

/// The backends of one snapshot, by the index their operations know them by.
#[derive(Debug, Default)]
pub struct Upstreams {
    backends: Vec<Arc<Backend>>,
}

/// Room for the head of a usual request.
const HEAD_BYTES: usize = 1024;

impl Upstreams {
    /// Backends in the order operations count them.
    pub fn new(backends: Vec<Arc<Backend>>) -> Self {
        Self { backends }
    }

    /// Resolves the names and checks the targets of each, and checks those of the `others` no more that none of these
    /// has: exchanges of an older snapshot may have them for long.
    pub fn begin(&self, others: &[Arc<Backend>], chores: &Chores, resolver: &Resolver) {
        for other in others.iter().filter(|other| !self.backends.iter().any(|own| own.shares_checks(other))) {
            other.rest();
        }
        for own in &self.backends {
            own.begin(chores, resolver);
        }
    }

    /// How every target is doing.
    pub fn facts(&self) -> Vec<TargetFacts> {
        let now = clock::now();
        let of = |backend: &Backend, target: &Target| {
            let (failures, ejections) = target.standing.totals();
            let is_checked = backend.spec().health.is_some();
            TargetFacts {
                backend: backend.spec().name.clone(),
                target: Arc::clone(&target.name),
                in_flight: target.standing.in_flight.now() as u64,
                is_left_out: target.standing.share(now) == 0,
                failures,
                ejections,
                health: is_checked.then(|| {
                    let (good, failed) = target.standing.checks();
                    HealthFacts { is_healthy: target.standing.is_well(), good, failed }
                }),
                name: target.place.totals().map(|(addresses, failures)| NameFacts { addresses, failures }),
            }
        };
        let each = |backend: &Arc<Backend>| {
            let facts: Vec<_> = backend.targets().iter().map(|target| of(backend, target)).collect();
            facts
        };
        self.backends.iter().flat_map(each).collect()
    }

    /// How every backend is doing.
    pub fn backends(&self) -> Vec<BackendFacts> {
        self.backends.iter().map(|backend| backend.facts()).collect()
    }

    /// Sends the request to its backend and awaits the head of the answer. The answer's body is still on its way.
    ///
    /// # Errors
    /// The problem the client is told of: the backend's failure, or the request's own body breaking off.
    pub async fn forward<'s>(
        &self,
        mut admitted: Admitted<'s>,
        cx: &mut Context,
    ) -> Result<Answered<'s>, Stop> {
        let operation = admitted.operation();
        let Some(backend) = self.backends.get(operation.backend) else {
            return Err(BACKEND_UNREACHABLE.with("the operation has no backend").into());
        };
        let began = clock::now();
        let pass = match (&backend.breaker, &backend.places) {
            (None, None) => None,
            _ => backend.enter(began, cx).await?,
        };
        cx.at("forward");
        // Who has waited for a place has not asked anybody meanwhile.
        let entered = if backend.places.is_some() { clock::now() } else { began };
        let mut journey = Journey::new(backend, operation, admitted.take_body(), (began, entered));
        let (request, reply) = admitted.with_reply();
        let outcome = journey.run(request, reply, cx).await?;
        if let Some(pass) = pass {
            backend.settle(pass, has_failed(&outcome, reply));
        }
        match outcome {
            Ok(()) => Ok(Answered::new(admitted)),
            Err(failure) => {
                cx.vacates();
                Err(Problem::from(failure).into())
            }
        }
    }
}

/// Closes what has waited too long on this core, or was closed or spoken on by its backend.
pub fn sweep(now: Instant) {
    pool::sweep(now);
    http2::sweep(now);
}

/// What is sent, to whichever target.
struct Sending<'a> {
    request: &'a Canonical,
    /// Of its body.
    size: Size,
    /// Bytes of its path that no target sees.
    strip: usize,
    marks: &'a Marks<'a>,
}

impl Errand<'_> {
    /// Sends it in the version of HTTP the target speaks, and puts the answer into `reply`. Takes its body out of `rest`
    /// once there is a connection to send it on.
    async fn forward(
        &mut self,
        sending: &Sending<'_>,
        rest: &mut Rest,
        reply: &mut Reply,
    ) -> Result<(), Failure> {
        let (mut connection, was_kept) = match self.kept() {
            Some(connection) => (connection, true),
            // Boxed, as what follows it: exchanges on a kept connection of HTTP/1.1 need no room for it.
            None => match Box::pin(self.reach()).await? {
                Opened::Http1(connection) => (connection, false),
                Opened::Http2(lease) => {
                    let incoming = Box::pin(self.forward_http2(lease, sending, rest)).await?;
                    *reply = incoming.into_reply(self.method, None)?;
                    return Ok(());
                }
            },
        };
        let (head, framing) = self.write_head(&mut connection, sending);
        let mut upload = match rest.load.take() {
            Some(Load::Body(body)) => Upload::new(head, framing, body),
            Some(Load::Upload(mut upload)) => {
                upload.readdress(&head);
                *upload
            }
            None => return Err(Failure::Closed(None)),
        };
        let incoming = self.run(connection, was_kept, &mut upload, rest).await?;
        let key = self.upgrade.and_then(|_| sending.request.fields().first("sec-websocket-key"));
        *reply = incoming.into_reply(self.method, key)?;
        Ok(())
    }

    async fn forward_http2(
        &mut self,
        lease: Lease,
        sending: &Sending<'_>,
        rest: &mut Rest,
    ) -> Result<Incoming, Failure> {
        let body = match rest.load.take() {
            Some(Load::Body(body)) => body,
            // Written down as HTTP/1.1 already, because another target of the backend speaks only that.
            Some(Load::Upload(_)) | None => return Err(Failure::Closed(None)),
        };
        let Sending { request, size, strip, marks } = *sending;
        let head = http2::request(request, strip, self.target, size, marks)?;
        self.run_http2(lease, head, size, body, rest).await
    }

    /// The head of a message in HTTP/1.1, in memory that `connection` has to spare.
    fn write_head(&self, connection: &mut Connection, sending: &Sending<'_>) -> (Vec<u8>, Framing) {
        let mut head = std::mem::take(&mut connection.spare);
        head.reserve(HEAD_BYTES);
        let Sending { request, size, strip, marks } = *sending;
        let is_switch = self.upgrade.is_some();
        let framing = request::write_head(&mut head, request, strip, self.target, size, is_switch, marks);
        (head, framing)
    }

    /// Whether the request goes over HTTP/1.1 for sure: a switch of protocols is HTTP/1.1's; see `http2`.
    fn is_http1(&self) -> bool {
        self.target.speaks == Speaks::Http1 || self.upgrade.is_some()
    }

    /// A kept connection to the target that speaks HTTP/1.1.
    fn kept(&self) -> Option<Box<Connection>> {
        let may_be = self.is_http1() || self.target.speaks == Speaks::Either;
        if may_be { pool::take(self.target.id, self.started) } else { None }
    }

    /// A connection to the target, new unless it speaks HTTP/2.
    async fn reach(&mut self) -> Result<Opened, Failure> {
        if self.is_http1() { self.open().await.map(Opened::Http1) } else { self.lease().await }
    }
}

impl Backend {
    /// Notes how `target` did, as was known `now`, at what it was asked.
    fn learn(
        &self,
        target: &Target,
        (outcome, reply): (&Result<(), Failure>, &Reply),
        began: Instant,
        asked: Option<Instant>,
        now: Instant,
    ) {
        let Some(has_failed) = has_failed(outcome, reply) else { return };
        let took = asked.map(|asked| now.saturating_duration_since(asked));
        if !has_failed {
            match (&reply.body, took) {
                // What its end is, its body will tell.
                (Body::Stream(_), Some(took)) => target.standing.sample(took, now),
                (Body::Stream(_), None) => {}
                _ => target.standing.answered(began, took, now),
            }
            return;
        }
        if let (Err(Failure::TimedOut(Wait::Response)), Some(took)) = (outcome, took) {
            target.standing.sample(took, now);
        }
        target.failed(began, now);
    }
}

/// Whether that, or the `reply` that came of it, is a failure of the backend; nothing when it is somebody else's doing.
fn has_failed(outcome: &Result<(), Failure>, reply: &Reply) -> Option<bool> {
    match outcome {
        Ok(()) => Some(matches!(reply.status.as_u16(), 500 | 502 | 503 | 504)),
        // The client's doing, or maybe; our own bounds.
        Err(Failure::Request(_) | Failure::TimedOut(Wait::Total) | Failure::Full) => None,
        Err(_) => Some(true),
    }
}

impl Incoming {
    #[inline]
    fn into_reply(mut self, method: &Method, key: Option<&[u8]>) -> Result<Reply, Failure> {
        let status = canonicalise_response(&mut self.head, method, key)?;
        Ok(Reply { status, fields: self.head.fields, body: self.body })
    }
}

#[cfg(test)]
mod tests;
