//! Replies onto an HTTP/1.1 connection: head, framing, pieces, end.
//!
//! Pieces that are there at once leave together with the head in one write; a head whose body is still to come
//! leaves at once (an event stream's client waits for it). The end is written only when the body says
//! [`Frame::End`]: a body that breaks off breaks the connection off, and the client can tell (RFC 9112 §8).
//!
//! # Limits
//! `write_idle`: how long the client may take nothing.

use std::future::poll_fn;
use std::io;
use std::io::IoSlice;
use std::pin::Pin;
use std::task::{Context as TaskContext, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use http::StatusCode;
use portcullis_http1::{
    CHUNK_END, Fields, Framing, HeadWriter, RequestHead, Version, chunk_head, is_same, write_last_chunk,
};
use tokio::io::{AsyncWrite, AsyncWriteExt};

use super::http1::{Connection, Turn};
use crate::exchange::Sent;
use crate::http::date;
use crate::http::deadline::Deadline;
use crate::http::spare;
use crate::http::tunnel::{self, Tunnel};
use crate::http::{Body, Frame, Reply, Size};
use crate::pipeline::Context;

/// Pieces up to this size are copied behind what waits to be written; larger ones are written from where they lie.
const COPY_BYTES_MAX: usize = 16 * 1024;

/// Room for what is added to a reply's own fields, and for what stands between names and values.
const HEAD_ROOM_BYTES: usize = 256;

/// What is gathered at most before it is written.
const GATHER_BYTES_MAX: usize = 64 * 1024;

/// How a client wants its reply, and whether the connection may stay.
#[derive(Debug, Clone, Copy)]
pub(super) struct Manner {
    /// Whether the connection may carry another exchange.
    pub(super) stay: bool,
    version: Version,
    head_only: bool,
    trailers: bool,
}

impl Manner {
    /// For a reply to something that was no head: nothing follows it.
    pub(super) fn last() -> Self {
        Self { stay: false, version: Version::Http11, head_only: false, trailers: false }
    }

    /// What a request says of its reply.
    pub(super) fn of(request: &RequestHead, may_stay: bool) -> Self {
        let close = has_token(&request.fields, "connection", b"close");
        let stay = match request.version {
            Version::Http11 => !close,
            Version::Http10 => !close && has_token(&request.fields, "connection", b"keep-alive"),
        };
        Self {
            stay: stay && may_stay,
            version: request.version,
            head_only: request.method() == b"HEAD",
            trailers: has_token(&request.fields, "te", b"trailers"),
        }
    }
}

/// Writes the interim answers that wait. HTTP/1.0 knows none (RFC 9110 §15.2).
///
/// While they are written nothing else of the exchange moves, so a client that takes nothing is cut here, too.
pub(super) async fn send_interim(connection: &mut Connection, manner: &Manner) -> io::Result<()> {
    for (status, fields) in connection.interim.take() {
        if manner.version == Version::Http11 {
            let writer = HeadWriter::response(&mut connection.out, status.as_u16(), b"");
            writer.fields(&fields).end();
        }
    }
    let write_idle = connection.live.snapshot().bounds.write_idle;
    let writing = connection.writer.write_all(&connection.out);
    let written = tokio::time::timeout(write_idle, writing).await;
    connection.out.clear();
    written.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

/// Writes a reply to its end, or breaks the connection off.
pub(super) async fn send(turn: &mut Turn<'_>, reply: &mut Reply, cx: &mut Context) -> Sent {
    let Reply { status, fields, body } = reply;
    let (status, mut body) = (*status, body.take());
    let mut sending = Sending::default();
    let write_idle = cx.write_idle();
    // A drain may have begun since the request came: say so, or the client sends its next request into a close.
    if cx.is_connection_over() || cx.peer.term.is_over() || !turn.settle_request() {
        turn.manner.stay = false;
    }
    if let Body::Switched(tunnel) = body {
        // Boxed: it is rare, and would take its room in every exchange.
        return Box::pin(switch(turn, *tunnel, std::mem::take(fields), cx)).await;
    }
    sending.head(turn, status, fields, &body);
    spare::give_head(std::mem::take(fields));
    if turn.manner.head_only || is_bodiless(status) {
        body = Body::Empty;
        sending.chunked = false;
    }
    let done = poll_fn(|task| sending.poll(task, turn, &mut body, &mut cx.deadline, write_idle)).await;
    cx.count_request_bytes(turn.received());
    if done.is_err() {
        turn.manner.stay = false;
    }
    Sent { bytes: sending.bytes, complete: done.is_ok() }
}

/// Says that the connection is switched, and carries frames until it ends (RFC 6455 §4.2.2).
async fn switch(turn: &mut Turn<'_>, mut tunnel: Tunnel, fields: Fields, cx: &mut Context) -> Sent {
    turn.manner.stay = false;
    let out = &mut turn.connection.out;
    out.clear();
    HeadWriter::response(out, 101, b"")
        .field("connection", "upgrade")
        .field("upgrade", "websocket")
        .fields(&fields)
        .end();
    let write_idle = cx.write_idle();
    let nothing = Sent { bytes: 0, complete: false };
    let mut leaving = Leaving::default();
    let left =
        poll_fn(|task| leaving.poll(task, turn.connection, &mut Body::Empty, &mut cx.deadline, write_idle));
    if left.await.is_err() {
        return nothing;
    }
    let Connection { reader: Some(reader), writer, .. } = &mut *turn.connection else { return nothing };
    let Context { peer, deadline, .. } = &mut *cx;
    let carried = tunnel::carry((reader, writer), &mut tunnel, deadline, peer.term.over()).await;
    cx.count_request_bytes(carried.up);
    Sent { bytes: carried.down, complete: carried.properly }
}

/// A reply being written.
// PERF: polled by hand. As `async` functions that await each other it would be four times as large, and each is copied
// into the next.
#[derive(Default)]
struct Sending {
    bytes: u64,
    chunked: bool,
    trailers: Option<Fields>,
    leaving: Leaving,
    then: Then,
}

/// What follows when that has left which was gathered.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Then {
    /// More may be gathered.
    #[default]
    Gathers,
    /// What was gathered is leaving, and more is gathered after it.
    GoesOn,
    /// It was the last of the reply.
    Ends,
    /// It was the last that came.
    BreaksOff,
}

/// Bytes on their way to the client: what was gathered, and a piece that is too large to be copied.
#[derive(Default)]
struct Leaving {
    /// How much of what was gathered has left.
    at: usize,
    piece: Bytes,
    /// Whether the piece is a chunk.
    is_chunk: bool,
    /// Whether the connection ends behind it.
    is_last: bool,
    /// Whether the deadline runs for what waits.
    is_timed: bool,
}

/// The reply could not be brought to its end.
struct BrokenOff;

impl Sending {
    fn head(&mut self, turn: &mut Turn<'_>, status: StatusCode, fields: &Fields, body: &Body) {
        let out = &mut turn.connection.out;
        match out.capacity() {
            0 => *out = spare::write(),
            _ => out.clear(),
        }
        let room = match body.size() {
            Size::Exactly(size) => usize::try_from(size).unwrap_or(usize::MAX).min(COPY_BYTES_MAX),
            Size::None | Size::Unknown => 0,
        };
        // One growth for the head and a body that is copied behind it.
        out.reserve(fields.text_len().saturating_add(HEAD_ROOM_BYTES).saturating_add(room));
        let mut writer = HeadWriter::response(out, status.as_u16(), b"").fields(fields);
        if !fields.has("date") {
            date::with_line(|line| writer.lines(line));
        }
        let informational = turn.manner.head_only || status == StatusCode::NOT_MODIFIED;
        let framing = match body.size() {
            Size::None if is_bodiless(status) => Framing::None,
            Size::None if informational => Framing::None,
            Size::None => Framing::Length(0),
            Size::Exactly(size) => Framing::Length(size),
            Size::Unknown if turn.manner.version == Version::Http11 => Framing::Chunked,
            Size::Unknown => Framing::UntilClose,
        };
        match framing {
            Framing::Chunked => self.chunked = true,
            Framing::UntilClose => turn.manner.stay = false,
            Framing::None | Framing::Length(_) => {}
        }
        writer = writer.framing(framing);
        if !turn.manner.stay {
            writer = writer.field("connection", "close");
        } else if turn.manner.version == Version::Http10 {
            writer = writer.field("connection", "keep-alive");
        }
        writer.end();
    }

    fn poll(
        &mut self,
        task: &mut TaskContext<'_>,
        turn: &mut Turn<'_>,
        body: &mut Body,
        deadline: &mut Deadline,
        write_idle: Duration,
    ) -> Poll<Result<(), BrokenOff>> {
        loop {
            if self.then != Then::Gathers {
                ready!(self.leaving.poll(task, turn.connection, body, deadline, write_idle))?;
                match self.then {
                    Then::Gathers | Then::GoesOn => self.then = Then::Gathers,
                    Then::Ends => return Poll::Ready(Ok(())),
                    Then::BreaksOff => return Poll::Ready(Err(BrokenOff)),
                }
            }
            let out = &mut turn.connection.out;
            match body.poll_frame(task) {
                Poll::Pending if out.is_empty() => return turn.poll_gone(task).map(|()| Err(BrokenOff)),
                Poll::Pending => self.then = Then::GoesOn,
                Poll::Ready(Ok(Frame::Data(piece))) => self.piece(out, piece),
                Poll::Ready(Ok(Frame::Trailers(fields))) => self.trailers = Some(fields),
                Poll::Ready(Ok(Frame::End)) => {
                    if self.chunked {
                        let trailers = self.trailers.take().filter(|_| turn.manner.trailers);
                        write_last_chunk(out, trailers.as_ref());
                    }
                    self.leaving.is_last = !turn.manner.stay;
                    self.then = Then::Ends;
                }
                Poll::Ready(Err(error)) => {
                    tracing::debug!(%error, "an answer broke off");
                    // What came before the break is the client's; the end is not.
                    self.then = Then::BreaksOff;
                }
            }
        }
    }

    fn piece(&mut self, out: &mut Vec<u8>, piece: Bytes) {
        self.bytes = self.bytes.saturating_add(piece.len() as u64);
        if self.chunked {
            chunk_head(out, piece.len());
        }
        if piece.len() <= COPY_BYTES_MAX {
            out.extend_from_slice(&piece);
            if self.chunked {
                out.extend_from_slice(CHUNK_END);
            }
            if out.len() >= GATHER_BYTES_MAX {
                self.then = Then::GoesOn;
            }
        } else {
            self.leaving.piece = piece;
            self.leaving.is_chunk = self.chunked;
            self.then = Then::GoesOn;
        }
    }
}

impl Leaving {
    /// Writes all of it. What ends a chunk is left behind, to leave with what follows.
    #[inline(always)]
    fn poll(
        &mut self,
        task: &mut TaskContext<'_>,
        connection: &mut Connection,
        body: &mut Body,
        deadline: &mut Deadline,
        write_idle: Duration,
    ) -> Poll<Result<(), BrokenOff>> {
        let Connection { out, writer, .. } = connection;
        loop {
            let gathered = out.get(self.at..).unwrap_or_default();
            let mut writer = Pin::new(&mut *writer);
            let polled = match (gathered.is_empty(), self.piece.is_empty()) {
                (true, true) if !writer.holds_back() => break,
                (true, true) => writer.as_mut().poll_flush(task).map_ok(|()| None),
                (false, true) if self.is_last => writer.poll_write_last(task, gathered).map_ok(Some),
                // PERF: a gathered write costs the kernel a little more.
                (false, true) => writer.as_mut().poll_write(task, gathered).map_ok(Some),
                (_, false) => {
                    let slices = [IoSlice::new(gathered), IoSlice::new(&self.piece)];
                    writer.as_mut().poll_write_vectored(task, &slices).map_ok(Some)
                }
            };
            match polled {
                Poll::Ready(Ok(None)) => break,
                Poll::Ready(Ok(Some(written))) if written > 0 => {
                    self.is_timed = false;
                    let of_gathered = written.min(gathered.len());
                    self.at = self.at.saturating_add(of_gathered);
                    self.piece.advance(written.saturating_sub(of_gathered).min(self.piece.len()));
                }
                Poll::Ready(_) => return Poll::Ready(Err(BrokenOff)),
                Poll::Pending => {
                    // A client may read only when the rest of its request is through.
                    body.drive(task);
                    if !self.is_timed {
                        self.is_timed = true;
                        deadline.set(write_idle);
                    }
                    return deadline.poll(task).map(|_| Err(BrokenOff));
                }
            }
        }
        self.at = 0;
        out.clear();
        if std::mem::take(&mut self.is_chunk) {
            out.extend_from_slice(CHUNK_END);
        }
        Poll::Ready(Ok(()))
    }
}

impl Turn<'_> {
    /// Before a reply: whether the rest of the request is out of the way, or will be read by its backend.
    fn settle_request(&self) -> bool {
        let Some(inbound) = &self.inbound else { return true };
        // The body's other holder is gone: nobody will read the rest.
        let abandoned = std::sync::Arc::strong_count(inbound) == 1;
        match inbound.lock() {
            Ok(mut inbound) => !inbound.is_held_back() && (!abandoned || inbound.drain_buffered()),
            Err(_) => false,
        }
    }

    fn received(&self) -> u64 {
        self.inbound
            .as_ref()
            .and_then(|inbound| inbound.lock().ok().map(|i| i.received()))
            .unwrap_or_default()
    }
}

/// Statuses that never have content (RFC 9110 §6.4.1).
fn is_bodiless(status: StatusCode) -> bool {
    status.is_informational() || status == StatusCode::NO_CONTENT || status == StatusCode::NOT_MODIFIED
}

#[inline]
fn has_token(fields: &Fields, name: &str, token: &[u8]) -> bool {
    fields.may_have(name) && lists_token(fields, name, token)
}

#[inline(never)]
fn lists_token(fields: &Fields, name: &str, token: &[u8]) -> bool {
    fields
        .all(name)
        .any(|value| value.split(|byte| *byte == b',').any(|part| is_same(part.trim_ascii(), token)))
}
