//! The only door out: an admitted request goes to its backend, an answer comes back.
//!
//! [`Upstreams::forward`] takes an [`Admitted`] and nothing else. What the backend sees is written anew from the
//! canonical request (`request`), on a connection of this core (`pool`, `connect`); the request's body goes up
//! (`upload`) while the answer comes down (`answer`, `download`), in the exchange's own task, without channels
//! or locks: on a kept connection a plain exchange costs one write and one read. Where the backend speaks HTTP/2,
//! exchanges share connections (`http2`).
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
mod connect;
mod connection;
mod download;
mod failure;
mod http2;
mod pool;
mod request;
mod schedule;
pub mod spec;
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
use crate::http::{Body, Canonical, Reply, Upgrade};
use crate::pipeline::marks::Marks;
use crate::pipeline::operation::Stream;
use crate::pipeline::{Admitted, Answered, Context, Operation, Stop};
use crate::problem::Problem;
use answer::{Errand, Incoming};
use backend::Speaks;
use failure::Failure;
use http2::Opened;
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

    /// Sends the request to its backend and awaits the head of the answer. The answer's body is still on its way.
    ///
    /// # Errors
    /// The problem the client is told of: the backend's failure, or the request's own body breaking off.
    pub async fn forward(&self, mut admitted: Admitted, cx: &mut Context) -> Result<Answered, Stop> {
        let operation = Arc::clone(admitted.operation());
        let Some((backend, target)) =
            self.backends.get(operation.backend).and_then(|backend| Some((backend, backend.target()?)))
        else {
            return Err(BACKEND_UNREACHABLE.with("the operation has no backend").into());
        };
        let started = clock::now();
        let body = admitted.take_body();
        let request = admitted.request();
        let upgrade = switch(request, &operation);
        let timeouts = &backend.spec().timeouts;
        let (idle, total) = match operation.stream {
            Some(_) => (operation.bounds.stream_idle, None),
            None => (timeouts.idle, timeouts.total),
        };
        let marks = cx.marks();
        let errand = Errand {
            target,
            method: request.method(),
            timeouts,
            idle,
            total,
            idle_for: backend.spec().pool.idle_for,
            upgrade,
            started,
            deadline: &mut cx.deadline,
            interim: &cx.interim,
        };
        let outcome = errand.forward(request, body, operation.strip, &marks).await;
        cx.asked(&target.name, started);
        let request = admitted.request();
        let key = upgrade.and_then(|_| request.fields().first("sec-websocket-key"));
        let reply = outcome.and_then(|incoming| incoming.into_reply(request.method(), key));
        match reply {
            Ok(reply) => Ok(Answered::new(admitted, reply)),
            Err(failure) => Err(Problem::from(failure).into()),
        }
    }
}

/// Closes what has waited too long on this core, or was closed or spoken on by its backend.
pub fn sweep(now: Instant) {
    pool::sweep(now);
    http2::sweep(now);
}

impl Errand<'_> {
    /// Sends `request` in the version of HTTP its target speaks.
    async fn forward(
        mut self,
        request: &Canonical,
        body: Body,
        strip: usize,
        marks: &Marks,
    ) -> Result<Incoming, Failure> {
        let target = self.target;
        let size = body.size();
        // A switch of protocols is HTTP/1.1's; see `http2`.
        let is_http1 = target.speaks == Speaks::Http1 || self.upgrade.is_some();
        let mut kept = match target.speaks {
            Speaks::Http2 if !is_http1 => None,
            _ => pool::take(target.id, self.started),
        };
        if !is_http1 && kept.is_none() {
            match self.lease().await? {
                Opened::Http1(connection) => kept = Some(connection),
                Opened::Http2(lease) => {
                    let head = http2::request(request, strip, target, size, marks)?;
                    // Boxed: exchanges over HTTP/1.1 need no room for it.
                    return Box::pin(self.run_http2(lease, head, size, body)).await;
                }
            }
        }
        let mut head = kept.as_mut().map(|kept| std::mem::take(&mut kept.spare)).unwrap_or_default();
        head.reserve(HEAD_BYTES);
        let is_switch = self.upgrade.is_some();
        let framing = request::write_head(&mut head, request, strip, target, size, is_switch, marks);
        self.run(kept, Upload::new(head, framing, body)).await
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
