//! An HTTP/1.1 connection from a client: heads in, exchanges, replies out, until one side has had enough.
//!
//! The connection is one task. It owns both directions and lends them to one exchange at a time: the reading
//! side to the request's body (`http1_body`), the writing side to the reply (`http1_reply`). Pipelined requests
//! wait in the buffer; nothing of them is looked at before the reply before them is written.
//!
//! # Limits
//! `keep_alive` between requests, less once the connection's term is over; `head_timeout` for a head once begun, `requests_per_connection`,
//! `head`, `request_line` and `fields` for its size.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

use bytes::Buf;
use portcullis_http1::{
    BodyBounds, BodyDecoder, Bounds as HeadBounds, Framing, HeadDecoder, Refusal, RequestHead, Version,
    request_framing,
};
use tokio::io::AsyncWriteExt;

use super::http1_body::{ClientBody, Inbound};
use super::http1_reply::{self, Manner};
use crate::bounds::Bounds;
use crate::clock::{self, Instant};
use crate::exchange::{self, Refused, Sent, Wire};
use crate::http::deadline::Deadline;
use crate::http::interim::Interim;
use crate::http::io::{Reader, WriteHalf};
use crate::http::spare;
use crate::http::term::Term;
use crate::http::{Body, Head, Peer, Reply, Size, Wire as HttpVersion};
use crate::pipeline::Context;
use crate::snapshot::{Latest, Live};

/// Bytes asked of the socket for a head.
const HEAD_READ_BYTES: usize = 8 * 1024;

/// After an early close: what is still read, and for how long, so that the reply is not lost to a reset.
const LINGER_BYTES: usize = 256 * 1024;
const LINGER: Duration = Duration::from_secs(1);

/// How long a connection that waits for a request is ready for it as if it had come. PERF: most requests come on the
/// heels of the answer before, and to make and unmake the state of an exchange for each costs as much as reading its
/// head. No longer, because many connections that fall silent at once hold that state at once, and what the allocator was
/// given back by them stays with the process.
const RESTLESS: Duration = Duration::from_millis(20);

/// A connection between exchanges.
pub(super) struct Connection {
    pub(super) reader: Option<Reader>,
    pub(super) writer: WriteHalf,
    pub(super) out: Vec<u8>,
    pub(super) interim: Arc<Interim>,
    pub(super) live: Arc<Live>,
}

/// A connection during one exchange.
pub(super) struct Turn<'c> {
    pub(super) connection: &'c mut Connection,
    pub(super) inbound: Option<Arc<Mutex<Inbound>>>,
    pub(super) manner: Manner,
}

/// What came instead of, or as, the next head.
enum Next {
    Head(RequestHead),
    Refused(Refusal),
    TimedOut,
    Over,
}

/// How a connection ended its turn.
enum Rest {
    /// It waits for a request, since then.
    Waits(Deadline, Option<Instant>),
    /// It has said its last and is to be closed.
    Closes,
    /// The same, and nothing that the client sent was left unread.
    ClosesThrough,
    /// The client has gone, or is not waited for any longer.
    Over,
}

/// What came of waiting for a request.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Waited {
    Bytes,
    /// Nothing, for the time that was given.
    Nothing,
    /// The client has gone, or the connection's term with all the time it had left.
    Gone,
}

/// Serves a connection until it ends.
pub fn serve(
    reader: Reader,
    writer: WriteHalf,
    peer: Arc<Peer>,
    live: &Arc<Live>,
) -> impl Future<Output = ()> + Send {
    // PERF: made here and not within: what an `async fn` moves lies in its state twice (rust-lang/rust#62958), and this is
    // what each connection keeps while it waits.
    let mut connection = Connection {
        reader: Some(reader),
        writer,
        out: Vec::new(),
        interim: Arc::new(Interim::default()),
        live: Arc::clone(live),
    };
    async move {
        let (mut deadline, mut since) = (Deadline::new(), None);
        let mut served = 0_u32;
        loop {
            let waited = match connection.rest() {
                Ok(reader) => {
                    let due = due(since, live.bounds().keep_alive);
                    first_bytes(reader, due, &peer.term, &mut deadline).await
                }
                Err(known) => known,
            };
            if waited != Waited::Bytes {
                return;
            }
            // PERF: six KiB of a connection's state; one that waits for long holds none of it. Nor does it hold what its
            // end takes.
            let turn = Box::pin(connection.turns(&mut served, deadline, live, &peer));
            (deadline, since) = match turn.await {
                Rest::Waits(deadline, since) => (deadline, since),
                Rest::ClosesThrough if connection.is_quiet() => {
                    return Box::pin(connection.say_goodbye()).await;
                }
                Rest::Closes | Rest::ClosesThrough => break,
                Rest::Over => return,
            };
        }
        Box::pin(connection.linger()).await;
    }
}

impl Connection {
    /// Exchanges as long as requests come, one after the other.
    async fn turns(
        &mut self,
        served: &mut u32,
        deadline: Deadline,
        live: &Arc<Live>,
        peer: &Arc<Peer>,
    ) -> Rest {
        let mut cx = Context::new(Arc::clone(&live.ground), Arc::clone(peer), Arc::clone(&self.interim));
        cx.deadline = deadline;
        let mut latest = live.latest();
        let mut bounds = live.bounds();
        loop {
            let since = cx.ended();
            let waited = match self.rest() {
                Ok(reader) => {
                    let due = due(since, bounds.keep_alive.min(RESTLESS));
                    first_bytes(reader, due, &peer.term, &mut cx.deadline).await
                }
                Err(known) => known,
            };
            match waited {
                Waited::Bytes => {}
                Waited::Gone => return Rest::Over,
                Waited::Nothing => return Rest::Waits(std::mem::take(&mut cx.deadline), since),
            }
            let next = self.next(&bounds, &mut cx).await;
            *served = served.saturating_add(1);
            let may_stay = *served < bounds.requests_per_connection;
            let (refused, version) = match next {
                Next::Over => return Rest::Over,
                Next::Refused(refusal) => (Refused::Bytes(refusal), HttpVersion::Http11),
                Next::TimedOut => (Refused::TooSlow, HttpVersion::Http11),
                Next::Head(head) => match request_framing(&head) {
                    Err(refusal) => (Refused::Bytes(refusal), wire(&head)),
                    Ok(framing) => {
                        let snapshot = latest.load();
                        if !Arc::ptr_eq(&bounds, &snapshot.bounds) {
                            bounds = Arc::clone(&snapshot.bounds);
                        }
                        match self.exchange(head, framing, may_stay, &mut latest, live, &mut cx).await {
                            None => continue,
                            Some(rest) => return rest,
                        }
                    }
                },
            };
            let mut turn = self.turn(None, Manner::last());
            // Boxed: it is rare.
            Box::pin(exchange::refuse(&mut turn, refused, version, live, &mut cx)).await;
            return Rest::Closes;
        }
    }

    /// Gives back what is not needed while nothing is said. Where a request comes from, unless it is known what will come.
    fn rest(&mut self) -> Result<&mut Reader, Waited> {
        let Some(reader) = &mut self.reader else { return Err(Waited::Gone) };
        if !reader.buffer.is_empty() {
            return Err(Waited::Bytes);
        }
        spare::give_write(std::mem::take(&mut self.out));
        reader.rest();
        Ok(reader)
    }

    /// One exchange. How it ends the connection's turn, unless another may follow.
    async fn exchange(
        &mut self,
        request: RequestHead,
        framing: Framing,
        may_stay: bool,
        latest: &mut Latest<'_>,
        live: &Arc<Live>,
        cx: &mut Context,
    ) -> Option<Rest> {
        let manner = Manner::of(&request, may_stay && !cx.peer.term.is_over());
        let size = match framing {
            Framing::None => Size::None,
            Framing::Length(0) => Size::None,
            Framing::Length(length) => Size::Exactly(length),
            Framing::Chunked | Framing::UntilClose => Size::Unknown,
        };
        let (body, inbound) = match (size, self.reader.take()) {
            (Size::None, reader) | (_, reader @ None) => {
                self.reader = reader;
                (Body::Empty, None)
            }
            (_, Some(reader)) => {
                let bounds = &latest.load().bounds;
                let decoder = BodyDecoder::new(framing, &body_bounds(bounds));
                let expects = request.version == Version::Http11 && request.fields.has("expect");
                let inbound = Inbound::new(reader, decoder, size, expects, Arc::clone(&self.interim), bounds);
                let inbound = Arc::new(Mutex::new(inbound));
                (Body::Stream(Box::new(ClientBody::new(Arc::clone(&inbound), size))), Some(inbound))
            }
        };
        let head = Head { wire: wire(&request), size, request };
        let mut turn = self.turn(inbound, manner);
        exchange::exchange(&mut turn, head, body, latest, live, cx).await;
        let (manner, inbound) = (turn.manner, turn.inbound.take());
        let is_through = match inbound {
            None => true,
            Some(inbound) => self.take_back(&inbound),
        };
        match (is_through, manner.stay) {
            (true, true) => None,
            (true, false) => Some(Rest::ClosesThrough),
            (false, _) => Some(Rest::Closes),
        }
    }

    fn turn(&mut self, inbound: Option<Arc<Mutex<Inbound>>>, manner: Manner) -> Turn<'_> {
        Turn { connection: self, inbound, manner }
    }

    /// Takes the reading side back from a body. Without the body's end there is no next head to be found.
    fn take_back(&mut self, inbound: &Mutex<Inbound>) -> bool {
        let Ok(mut inbound) = inbound.lock() else { return false };
        let done = inbound.drain_buffered();
        self.reader = inbound.take_reader();
        done && self.reader.is_some()
    }

    /// Reads the next head, which has begun.
    async fn next(&mut self, bounds: &Bounds, cx: &mut Context) -> Next {
        let Some(reader) = &mut self.reader else { return Next::Over };
        let head_bounds = head_bounds(bounds);
        let mut decoder = HeadDecoder::reusing(spare::head());
        let mut is_timed = false;
        loop {
            match decode(&mut decoder, reader, &head_bounds) {
                Ok(Some(head)) => return Next::Head(head),
                Ok(None) => {}
                Err(refusal) => return Next::Refused(refusal),
            }
            if !is_timed {
                cx.deadline.set(bounds.head_timeout);
                is_timed = true;
            }
            match cx.deadline.race(reader.fill(HEAD_READ_BYTES)).await {
                Ok(Ok(read)) if read > 0 => {}
                Ok(_) => return Next::Over,
                Err(_) => return Next::TimedOut,
            }
        }
    }

    /// Whether nothing of the client's lies unread: closing does not reset the connection, and the last reply arrives.
    fn is_quiet(&mut self) -> bool {
        self.reader.as_mut().is_some_and(Reader::is_quiet)
    }

    /// Says that nothing follows, and waits for nobody.
    // PERF: of some forty microseconds that a connection with one request takes, waiting for the client to close it as
    // well took three: a turn for the client's end and a call to read that.
    async fn say_goodbye(mut self) {
        if self.writer.holds_back() {
            let mut deadline = Deadline::new();
            deadline.set(LINGER);
            // Who does not take it finds the connection closed without it.
            let _ = deadline.race(self.writer.shutdown()).await;
        }
        // Dropping what writes says it on a TCP connection, and what was kept of the reply leaves with it; only then
        // it is closed, which resets one that has been spoken on meanwhile.
        drop(self.writer);
    }

    /// Closes so that the last reply arrives: says that nothing follows, then reads a little of what still comes.
    async fn linger(&mut self) {
        let mut deadline = Deadline::new();
        deadline.set(LINGER);
        // A TLS session has a last record to write, which a full socket may not take.
        if !matches!(deadline.race(self.writer.shutdown()).await, Ok(Ok(()))) {
            return;
        }
        let Some(reader) = &mut self.reader else { return };
        let mut read = 0_usize;
        while read < LINGER_BYTES {
            reader.buffer.clear();
            match deadline.race(reader.fill(HEAD_READ_BYTES)).await {
                Ok(Ok(more)) if more > 0 => read = read.saturating_add(more),
                _ => return,
            }
        }
    }
}

/// Until when a request is waited for: `time` after `since`, or from now on.
fn due(since: Option<Instant>, time: Duration) -> Option<Instant> {
    since.unwrap_or_else(clock::now).checked_add(time)
}

/// Waits until `due` for the first bytes of a request. Once the connection's term is over it waits no longer than for a
/// request that was on its way.
// PERF: not `async`; see `WriteHalf::poll_write`.
pub(super) fn first_bytes(
    reader: &mut Reader,
    due: Option<Instant>,
    term: &Term,
    deadline: &mut Deadline,
) -> impl Future<Output = Waited> + Send {
    deadline.set_at(due);
    let mut is_leaving = false;
    poll_fn(move |cx| {
        if let Poll::Ready(read) = reader.poll_fill(cx, HEAD_READ_BYTES) {
            let is_gone = !matches!(read, Ok(read) if read > 0);
            return Poll::Ready(if is_gone { Waited::Gone } else { Waited::Bytes });
        }
        if !is_leaving && term.is_over() {
            is_leaving = true;
            deadline.set(term.idle());
        }
        deadline.poll(cx).map(|_| if is_leaving { Waited::Gone } else { Waited::Nothing })
    })
}

impl Wire for Turn<'_> {
    async fn drive<F>(&mut self, judging: F) -> Option<F::Output>
    where
        F: Future + Send,
        F::Output: Send,
    {
        let mut judging = pin!(judging);
        loop {
            let polled = poll_fn(|cx| {
                if let Poll::Ready(output) = judging.as_mut().poll(cx) {
                    return Poll::Ready(Some(Some(output)));
                }
                if self.connection.interim.is_waiting() {
                    return Poll::Ready(Some(None));
                }
                if self.poll_gone(cx).is_ready() {
                    return Poll::Ready(None);
                }
                Poll::Pending
            })
            .await?;
            match polled {
                Some(output) => return Some(output),
                None => http1_reply::send_interim(self.connection, &self.manner).await.ok()?,
            }
        }
    }

    fn send(&mut self, reply: &mut Reply, cx: &mut Context) -> impl Future<Output = Sent> + Send {
        http1_reply::send(self, reply, cx)
    }

    fn break_off(&mut self) {
        self.manner.stay = false;
        self.connection.out.clear();
    }
}

impl Turn<'_> {
    /// Ready when the client has gone away while nothing is asked of it.
    pub(super) fn poll_gone(&mut self, cx: &mut TaskContext<'_>) -> Poll<()> {
        if let Some(inbound) = &self.inbound {
            return match inbound.lock() {
                Ok(mut inbound) => inbound.poll_gone(cx),
                Err(_) => Poll::Ready(()),
            };
        }
        match &mut self.connection.reader {
            Some(reader) => poll_reader_gone(reader, cx),
            None => Poll::Ready(()),
        }
    }
}

/// Pipelined bytes that are taken in while an exchange runs; beyond them the client waits.
const PIPELINE_BYTES: usize = 64 * 1024;

/// Ready when the other end has closed. Bytes that come meanwhile stay in the buffer for later.
pub(super) fn poll_reader_gone(reader: &mut Reader, cx: &mut TaskContext<'_>) -> Poll<()> {
    while reader.buffer.len() < PIPELINE_BYTES {
        if reader.poll_ready(cx).is_pending() {
            return Poll::Pending;
        }
        match reader.poll_fill(cx, HEAD_READ_BYTES) {
            Poll::Ready(Ok(read)) if read > 0 => {}
            Poll::Ready(_) => return Poll::Ready(()),
            Poll::Pending => return Poll::Pending,
        }
    }
    Poll::Pending
}

/// What the codec allows of a head.
fn head_bounds(bounds: &Bounds) -> HeadBounds {
    HeadBounds {
        head_bytes: length(bounds.head),
        line_bytes: length(bounds.line),
        fields: bounds.fields as usize,
    }
}

/// What the codec allows of a body's framing.
fn body_bounds(bounds: &Bounds) -> BodyBounds {
    BodyBounds {
        chunk_line_bytes: length(bounds.chunk_line),
        overhead_bytes: length(bounds.chunk_overhead),
        trailer_bytes: length(bounds.trailers),
        trailers: bounds.trailer_fields as usize,
    }
}

fn length(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

fn decode(
    decoder: &mut HeadDecoder,
    reader: &mut Reader,
    bounds: &HeadBounds,
) -> Result<Option<RequestHead>, Refusal> {
    let decoded = decoder.request(&reader.buffer, bounds)?;
    Ok(decoded.map(|(head, consumed)| {
        reader.buffer.advance(consumed.min(reader.buffer.len()));
        head
    }))
}

fn wire(head: &RequestHead) -> HttpVersion {
    match head.version {
        Version::Http10 => HttpVersion::Http10,
        Version::Http11 => HttpVersion::Http11,
    }
}
