//! The only door out: an admitted request goes to its backend, an answer comes back.
//!
//! [`Upstreams::forward`] takes an [`Admitted`] and nothing else. What the backend sees is written anew from the
//! canonical request (`request`), on a connection of this core (`pool`, `connect`); the request's body goes up
//! (`upload`) while the answer comes down (`answer`, `download`), in the exchange's own task, without channels
//! or locks: on a kept connection a plain exchange costs one write and one read. Where the backend speaks HTTP/2,
//! exchanges share connections (`http2`).
//!
//! **The next target.** Which one is asked `balance` decides, from what `standing` knows of each. While nothing of the
//! request has been sent (no connection came about, or a kept one was closed on it as described in `answer`), the next
//! target is asked at once, each at most once; after two that did not accept a connection in time it is enough.
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
mod connect;
mod connection;
mod download;
mod failure;
mod http2;
mod pool;
mod request;
mod schedule;
pub mod spec;
mod standing;
mod tls;
mod upload;

use std::sync::Arc;

use http::Method;

pub use backend::{Backend, BackendError};
pub use failure::{
    BACKEND_CLOSED, BACKEND_MALFORMED, BACKEND_TIMEOUT, BACKEND_UNREACHABLE, BACKEND_UNTRUSTED, PROBLEMS,
};
pub use pool::idle;
pub use spec::BackendSpec;
pub use tls::TlsError;

use crate::clock::{self, Instant};
use crate::http::response::canonicalise_response;
use crate::http::{Canonical, Reply, Size, Upgrade};
use crate::observe::TargetFacts;
use crate::pipeline::marks::Marks;
use crate::pipeline::operation::Stream;
use crate::pipeline::{Admitted, Answered, Context, Operation, Stop};
use crate::problem::Problem;
use answer::{Errand, Incoming, Load};
use backend::{Speaks, Target};
use balance::{Caller, Tried};
use connection::Connection;
use failure::{Failure, Wait};
use http2::{Lease, Opened};
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

    /// How every target is doing.
    pub fn facts(&self) -> Vec<TargetFacts> {
        let now = clock::now();
        let of = |backend: &Backend, target: &Target| {
            let (failures, ejections) = target.standing.totals();
            TargetFacts {
                backend: backend.spec().name.clone(),
                target: Arc::clone(&target.name),
                in_flight: target.standing.in_flight.now() as u64,
                is_left_out: target.standing.share(now) == 0,
                failures,
                ejections,
            }
        };
        let each = |backend: &Arc<Backend>| {
            let facts: Vec<_> = backend.targets().iter().map(|target| of(backend, target)).collect();
            facts
        };
        self.backends.iter().flat_map(each).collect()
    }

    /// Sends the request to its backend and awaits the head of the answer. The answer's body is still on its way.
    ///
    /// # Errors
    /// The problem the client is told of: the backend's failure, or the request's own body breaking off.
    pub async fn forward(&self, mut admitted: Admitted, cx: &mut Context) -> Result<Answered, Stop> {
        let operation = Arc::clone(admitted.operation());
        let Some(backend) = self.backends.get(operation.backend) else {
            return Err(BACKEND_UNREACHABLE.with("the operation has no backend").into());
        };
        let started = clock::now();
        let body = admitted.take_body();
        let size = body.size();
        let mut rest = Some(Load::Body(body));
        let mut tried = Tried::new();
        let mut has_waited = false;
        let reply = loop {
            let request = admitted.request();
            let upgrade = switch(request, &operation);
            let caller = cx.consumer().map_or(Caller::Address(request.client()), Caller::Consumer);
            let began = if tried.is_empty() { started } else { clock::now() };
            let chosen = backend.choose(caller, began, &tried);
            let Some((at, target)) = chosen.and_then(|at| Some((at, backend.targets().get(at)?))) else {
                return Err(BACKEND_UNREACHABLE.with("the backend has no target").into());
            };
            cx.occupies(target.standing.in_flight.enter());
            let marks = cx.begin_try(&target.name);
            let mut asked = None;
            let errand = errand(backend, target, &operation, request, started, &mut asked, cx);
            let outcome = errand.forward(request, &mut rest, size, operation.strip, &marks).await;
            cx.asked(&target.name, started);
            let key = upgrade.and_then(|_| request.fields().first("sec-websocket-key"));
            let reply = outcome.and_then(|incoming| incoming.into_reply(request.method(), key));
            backend.learn(target, &reply, began, asked);
            cx.end_try(reply.as_ref().map(|reply| reply.status).map_err(Failure::code));
            match reply {
                Err(failure) if rest.is_some() && failure.allows_another(&mut has_waited) => {
                    tried.push(at);
                    if tried.len() >= backend.targets().len() {
                        break Err(failure);
                    }
                }
                reply => break reply,
            }
        };
        match reply {
            Ok(reply) => Ok(Answered::new(admitted, reply)),
            Err(failure) => {
                cx.vacates();
                Err(Problem::from(failure).into())
            }
        }
    }
}

/// What `target` is to be asked, and on which terms.
fn errand<'a>(
    backend: &'a Backend,
    target: &'a Arc<Target>,
    operation: &Operation,
    request: &'a Canonical,
    started: Instant,
    asked: &'a mut Option<Instant>,
    cx: &'a mut Context,
) -> Errand<'a> {
    let timeouts = &backend.spec().timeouts;
    let (idle, total) = match operation.stream {
        Some(_) => (operation.bounds.stream_idle, None),
        None => (timeouts.idle, timeouts.total),
    };
    Errand {
        target,
        method: request.method(),
        timeouts,
        idle,
        total,
        idle_for: backend.spec().pool.idle_for,
        upgrade: switch(request, operation),
        started,
        asked,
        deadline: &mut cx.deadline,
        interim: &cx.interim,
    }
}

/// Closes what has waited too long on this core, or was closed or spoken on by its backend.
pub fn sweep(now: Instant) {
    pool::sweep(now);
    http2::sweep(now);
}

/// A way to a target.
enum Way {
    Http1 { connection: Connection, was_kept: bool },
    Http2(Lease),
}

impl Errand<'_> {
    /// Sends `request` in the version of HTTP its target speaks. Takes its body out of `rest` once there is a
    /// connection to send it on.
    async fn forward(
        mut self,
        request: &Canonical,
        rest: &mut Option<Load>,
        size: Size,
        strip: usize,
        marks: &Marks,
    ) -> Result<Incoming, Failure> {
        let target = self.target;
        let (mut connection, was_kept) = match self.reach().await? {
            Way::Http1 { connection, was_kept } => (connection, was_kept),
            Way::Http2(lease) => {
                let body = match rest.take() {
                    Some(Load::Body(body)) => body,
                    // Written down as HTTP/1.1 already, because another target of the backend speaks only that.
                    Some(Load::Upload(_)) | None => return Err(Failure::Closed(None)),
                };
                let head = http2::request(request, strip, target, size, marks)?;
                // Boxed: exchanges over HTTP/1.1 need no room for it.
                return Box::pin(self.run_http2(lease, head, size, body, rest)).await;
            }
        };
        let mut head = std::mem::take(&mut connection.spare);
        head.reserve(HEAD_BYTES);
        let is_switch = self.upgrade.is_some();
        let upload = match rest.take() {
            Some(Load::Body(body)) => {
                let framing = request::write_head(&mut head, request, strip, target, size, is_switch, marks);
                Upload::new(head, framing, body)
            }
            Some(Load::Upload(mut upload)) => {
                request::write_head(&mut head, request, strip, target, size, is_switch, marks);
                upload.readdress(&head);
                *upload
            }
            None => return Err(Failure::Closed(None)),
        };
        self.run(connection, was_kept, upload, rest).await
    }

    /// A connection to the target, kept or new.
    async fn reach(&mut self) -> Result<Way, Failure> {
        // A switch of protocols is HTTP/1.1's; see `http2`.
        let is_http1 = self.target.speaks == Speaks::Http1 || self.upgrade.is_some();
        if (is_http1 || self.target.speaks == Speaks::Either)
            && let Some(connection) = pool::take(self.target.id, self.started)
        {
            return Ok(Way::Http1 { connection, was_kept: true });
        }
        let connection = if is_http1 {
            self.open().await?
        } else {
            match self.lease().await? {
                Opened::Http1(connection) => connection,
                Opened::Http2(lease) => return Ok(Way::Http2(lease)),
            }
        };
        Ok(Way::Http1 { connection, was_kept: false })
    }
}

impl Backend {
    /// Notes how `target` did at what it was asked.
    fn learn(&self, target: &Target, reply: &Result<Reply, Failure>, began: Instant, asked: Option<Instant>) {
        let has_failed = match reply {
            Ok(reply) => matches!(reply.status.as_u16(), 500 | 502 | 503 | 504),
            // The client's doing, or maybe.
            Err(Failure::Request(_) | Failure::TimedOut(Wait::Total)) => return,
            Err(_) => true,
        };
        let now = clock::now();
        let took = asked.map(|asked| now.saturating_duration_since(asked));
        if !has_failed {
            target.standing.answered(began, took, now);
            return;
        }
        if let (Err(Failure::TimedOut(Wait::Response)), Some(took)) = (reply, took) {
            target.standing.sample(took, now);
        }
        if let Some(out_for) = target.standing.failed(began, now) {
            let (backend, target) = (&*self.spec().name, &*target.name);
            let seconds = out_for.as_secs_f64();
            tracing::warn!(backend, target, seconds, "a target fails and is left out");
        }
    }
}

/// What the connection may be switched to: the client asked for it and the operation declares it.
fn switch(request: &Canonical, operation: &Operation) -> Option<Upgrade> {
    request.upgrade().filter(|_| operation.stream == Some(Stream::WebSocket))
}

impl Incoming {
    fn into_reply(self, method: &Method, key: Option<&[u8]>) -> Result<Reply, Failure> {
        let (status, fields) = canonicalise_response(self.head, method, key)?;
        Ok(Reply { status, fields, body: self.body })
    }
}

#[cfg(test)]
mod tests;
