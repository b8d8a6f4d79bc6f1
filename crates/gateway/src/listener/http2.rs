//! An HTTP/2 connection from a client: one task that drives the codec and all of its streams.
//!
//! The codec is the crate `h2`; under it lies [`Framed`], which counts what the codec does not. Streams are futures
//! of this task and not tasks of their own: a task and a channel for each stream is what costs hyper 1.3 times
//! HAProxy. A stream's exchange runs when this task is polled for it; what it writes leaves with the next poll of
//! the codec, in the same turn.
//!
//! A malformed message ends its stream and not the connection: frames keep messages apart, and a proxy in front of
//! us sends those of many clients. Ending the connection is for what spoils it: RFC 9113 §5.4.1, bytes that no field
//! may have, which the codec finds while it decodes, and floods.
//!
//! # Limits
//! `h2_streams` at once; `handshake` until the preface has come; `keep_alive` without a stream, whatever else is
//! sent; `requests_per_connection`. Memory of one connection, at most: `h2_connection_window` bytes of request
//! bodies and [`SMALL_DATA_BYTES`] for the bookkeeping of small pieces; for each stream `h2_header_list` bytes of
//! head and [`SEND_BYTES`] of reply that wait for the client, and [`GATHER_BYTES`](super::http2_frames::GATHER_BYTES) of what is on its way to it.

use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use h2::server::{Builder, Connection, SendResponse};
use h2::{Reason, RecvStream};
use http::Request;
use tokio::io::{AsyncRead, AsyncWrite};

use super::http2_frames::{Framed, Watch};
use super::http2_ledger::Excess;
use super::http2_stream::{self, Outcome};
use crate::bounds::Bounds;
use crate::clock;
use crate::http::Peer;
use crate::http::deadline::Deadline;
use crate::http::term::{LEAVING, Term};
use crate::observe::Incident;
use crate::problem::Severity;
use crate::snapshot::Live;

/// Bytes of a reply that the codec holds for one stream.
const SEND_BYTES: usize = 64 * 1024;

/// What the codec may spend on keeping small DATA frames apart until they are read: some 8,000 of them.
const SMALL_DATA_BYTES: usize = 2 * 1024 * 1024;

/// After the last GOAWAY: how long what is left has to end.
const GRACE: Duration = Duration::from_secs(1);

/// Serves a connection until it ends.
pub async fn serve<T>(io: T, peer: Arc<Peer>, live: &Arc<Live>)
where
    T: AsyncRead + AsyncWrite + Send + Unpin,
{
    let bounds = live.bounds();
    let framed = Framed::new(io, &bounds);
    let watch = framed.watch();
    let mut deadline = Deadline::new();
    deadline.set(bounds.handshake);
    let Ok(Ok(codec)) = deadline.race(builder(&bounds).handshake(framed)).await else { return };
    drive(codec, &watch, &bounds, deadline, &peer, live).await;
}

pub(super) fn builder(bounds: &Bounds) -> Builder {
    let bytes = |bound: u64| u32::try_from(bound).unwrap_or(u32::MAX >> 1);
    let mut builder = Builder::new();
    builder
        .max_concurrent_streams(bounds.h2_streams)
        .initial_window_size(bytes(bounds.h2_stream_window))
        .initial_connection_window_size(bytes(bounds.h2_connection_window))
        .max_header_list_size(bytes(bounds.h2_header_list))
        .max_send_buffer_size(SEND_BYTES)
        .data_frame_budget(SMALL_DATA_BYTES)
        .max_pending_accept_reset_streams(bounds.h2_resets as usize);
    builder
}

/// What a connection's task does next.
#[expect(clippy::large_enum_variant, reason = "one lives at a time, and most of them are requests")]
enum Turn {
    Serve(Request<RecvStream>, SendResponse<Bytes>),
    /// The client floods.
    Cut(Excess),
    /// The codec cut it off itself.
    Broken(h2::Error),
    /// Nothing new is wanted.
    Drain,
    /// Nothing happened for too long.
    Due,
    Over,
}

/// A new stream, or why there are no more.
type Accepted = Result<(Request<RecvStream>, SendResponse<Bytes>), h2::Error>;

/// How far a connection is on its way out.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Open,
    /// GOAWAY is said, streams may end.
    Leaving,
    /// GOAWAY is said, nothing more is served.
    Cut,
}

async fn drive<T>(
    codec: Connection<Framed<T>, Bytes>,
    watch: &Watch,
    bounds: &Bounds,
    mut deadline: Deadline,
    peer: &Arc<Peer>,
    live: &Arc<Live>,
) where
    T: AsyncRead + AsyncWrite + Send + Unpin,
{
    let mut streams = FuturesUnordered::new();
    deadline.set(bounds.keep_alive);
    let mut driver = Driver { codec, watch, bounds, deadline, stage: Stage::Open, served: 0, blamed: 0 };
    loop {
        let turn = poll_fn(|cx| {
            let polled = driver.poll_turn(&mut streams, &peer.term, cx);
            if polled.is_pending() {
                watch.begin_turn();
            }
            polled
        });
        match turn.await {
            Turn::Serve(request, respond) => {
                streams.push(http2_stream::serve(request, respond, peer, live));
                driver.serves();
            }
            turn => {
                if !driver.goes_on_after(turn, peer, live) {
                    break;
                }
            }
        }
    }
    let Driver { codec, mut deadline, .. } = driver;
    drop(codec);
    // Their streams are gone: each ends at once, and is recorded.
    deadline.set(GRACE);
    let _ = deadline.race(async { while streams.next().await.is_some() {} }).await;
}

/// A connection being driven, without its streams.
struct Driver<'c, T> {
    codec: Connection<Framed<T>, Bytes>,
    watch: &'c Watch,
    bounds: &'c Bounds,
    deadline: Deadline,
    stage: Stage,
    served: u32,
    blamed: u32,
}

impl<T> Driver<'_, T>
where
    T: AsyncRead + AsyncWrite + Send + Unpin,
{
    /// Moves streams and codec on, and says what must be decided.
    fn poll_turn<F>(
        &mut self,
        streams: &mut FuturesUnordered<F>,
        term: &Term,
        cx: &mut Context<'_>,
    ) -> Poll<Turn>
    where
        F: Future<Output = Outcome>,
    {
        if let Some(excess) = self.excess() {
            return Poll::Ready(Turn::Cut(excess));
        }
        let was_idle = streams.is_empty();
        while let Poll::Ready(Some(outcome)) = streams.poll_next_unpin(cx) {
            if outcome == Outcome::Refused {
                self.watch.blame(1);
            }
        }
        if streams.is_empty() && !was_idle {
            self.be_patient();
        }
        match self.poll_codec(cx) {
            Poll::Ready(Some(Ok((request, respond)))) => {
                return Poll::Ready(Turn::Serve(request, respond));
            }
            Poll::Ready(Some(Err(error))) => return Poll::Ready(Turn::Broken(error)),
            Poll::Ready(None) => return Poll::Ready(Turn::Over),
            Poll::Pending => {}
        }
        // Heads that the codec refused by itself: malformed, too long, too many at once.
        let unserved = self.watch.heads().saturating_sub(self.served).saturating_sub(1);
        self.watch.blame(unserved.saturating_sub(self.blamed));
        self.blamed = self.blamed.max(unserved);
        if let Some(excess) = self.excess() {
            return Poll::Ready(Turn::Cut(excess));
        }
        if self.stage == Stage::Open && term.is_over() {
            return Poll::Ready(Turn::Drain);
        }
        if streams.is_empty() || self.stage == Stage::Cut {
            return self.deadline.poll(cx).map(|_| Turn::Due);
        }
        Poll::Pending
    }

    /// Moves the codec on. What it writes for all streams leaves together, before anything is waited for.
    fn poll_codec(&mut self, cx: &mut Context<'_>) -> Poll<Option<Accepted>> {
        self.watch.gather(true);
        let mut polled = self.codec.poll_accept(cx);
        self.watch.gather(false);
        if polled.is_pending() && self.watch.holds() {
            polled = self.codec.poll_accept(cx);
        }
        polled
    }

    /// What the client did too often, unless it is being cut for it already.
    fn excess(&self) -> Option<Excess> {
        if self.stage == Stage::Cut { None } else { self.watch.excess() }
    }

    fn be_patient(&mut self) {
        self.deadline.set(patience(self.stage, self.codec.has_streams(), self.bounds));
    }

    /// One more exchange; the last one that this connection may carry says so.
    fn serves(&mut self) {
        self.served = self.served.saturating_add(1);
        if self.stage == Stage::Open && self.served >= self.bounds.requests_per_connection {
            self.stage = leave(&mut self.codec);
        }
    }

    /// Does what a turn asks for; says whether the connection goes on.
    fn goes_on_after(&mut self, turn: Turn, peer: &Arc<Peer>, live: &Arc<Live>) -> bool {
        match turn {
            Turn::Serve(..) | Turn::Over => return false,
            Turn::Broken(error) => {
                if error.is_library() && error.reason() == Some(Reason::ENHANCE_YOUR_CALM) {
                    report("the codec found a flood", peer, live);
                }
                return false;
            }
            Turn::Cut(excess) => {
                report(excess.as_str(), peer, live);
                self.stage = cut(&mut self.codec, excess.reason(), &mut self.deadline);
            }
            Turn::Drain => {
                self.stage = leave(&mut self.codec);
                self.be_patient();
            }
            Turn::Due => match self.stage {
                Stage::Open => {
                    self.stage = leave(&mut self.codec);
                    self.be_patient();
                }
                Stage::Leaving => self.stage = cut(&mut self.codec, Reason::NO_ERROR, &mut self.deadline),
                Stage::Cut => return false,
            },
        }
        true
    }
}

/// How long a connection may stay without an exchange. What the codec still holds for the client is given time.
fn patience(stage: Stage, holds_reply: bool, bounds: &Bounds) -> Duration {
    match stage {
        Stage::Open => bounds.keep_alive,
        Stage::Leaving if holds_reply => bounds.write_idle,
        // A stream may be on its way until the client has answered the first GOAWAY.
        Stage::Leaving => LEAVING,
        Stage::Cut => GRACE,
    }
}

/// Says GOAWAY twice, as RFC 9113 §6.8 has it: no stream that is on its way is lost.
fn leave<T>(codec: &mut Connection<Framed<T>, Bytes>) -> Stage
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    codec.graceful_shutdown();
    Stage::Leaving
}

fn cut<T>(codec: &mut Connection<Framed<T>, Bytes>, reason: Reason, deadline: &mut Deadline) -> Stage
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    codec.abrupt_shutdown(reason);
    deadline.set(GRACE);
    Stage::Cut
}

/// One incident for a connection that had to be cut.
fn report(cause: &str, peer: &Peer, live: &Live) {
    live.ground.observe.incident(&Incident {
        listener: Some(&peer.listener),
        client: Some(peer.ip()),
        peer: Some(peer.ip()),
        ..Incident::own(clock::wall(), "http2-abuse", Severity::Medium, cause)
    });
}

#[cfg(test)]
mod tests;
