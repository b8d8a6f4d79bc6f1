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
use crate::exchange::{self, Refused, Sent, Wire};
use crate::http::deadline::Deadline;
use crate::http::interim::Interim;
use crate::http::io::{Reader, WriteHalf};
use crate::http::spare;
use crate::http::term::Term;
use crate::http::{Body, Head, Peer, Reply, Size, Wire as HttpVersion};
use crate::pipeline::Context;
use crate::snapshot::Live;

/// Bytes asked of the socket for a head.
const HEAD_READ_BYTES: usize = 8 * 1024;

/// After an early close: what is still read, and for how long, so that the reply is not lost to a reset.
const LINGER_BYTES: usize = 256 * 1024;
const LINGER: Duration = Duration::from_secs(1);

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

/// Serves a connection until it ends.
pub async fn serve(reader: Reader, writer: WriteHalf, peer: Arc<Peer>, live: &Arc<Live>) {
    let mut connection = Connection {
        reader: Some(reader),
        writer,
        out: Vec::new(),
        interim: Arc::new(Interim::default()),
        live: Arc::clone(live),
    };
    let mut deadline = Deadline::new();
    let mut served = 0_u32;
    let mut bounds = live.bounds(None);
    loop {
        bounds = live.bounds(Some(bounds));
        let next = connection.next(&bounds, &peer.term, &mut deadline).await;
        served = served.saturating_add(1);
        let may_stay = served < bounds.requests_per_connection;
        let stay = match next {
            Next::Over => return,
            Next::Refused(refusal) => {
                let refused = Refused::Bytes(refusal);
                Box::pin(connection.refuse(refused, HttpVersion::Http11, live, &peer, deadline)).await;
                break;
            }
            Next::TimedOut => {
                let refused = Refused::TooSlow;
                Box::pin(connection.refuse(refused, HttpVersion::Http11, live, &peer, deadline)).await;
                break;
            }
            Next::Head(head) => match request_framing(&head) {
                Err(refusal) => {
                    let refused = Refused::Bytes(refusal);
                    Box::pin(connection.refuse(refused, wire(&head), live, &peer, deadline)).await;
                    break;
                }
                Ok(framing) => {
                    // PERF: four of the five KiB of a connection's state; a waiting one holds none of it.
                    let exchange =
                        connection.exchange(head, framing, may_stay, &bounds, live, &peer, deadline);
                    let (stay, given_back) = Box::pin(exchange).await;
                    deadline = given_back;
                    stay
                }
            },
        };
        if !stay {
            break;
        }
    }
    connection.linger().await;
}

impl Connection {
    /// One exchange. Says whether the connection may carry another.
    #[expect(clippy::too_many_arguments, reason = "one call site; a struct would only rename the list")]
    async fn exchange(
        &mut self,
        request: RequestHead,
        framing: Framing,
        may_stay: bool,
        bounds: &Bounds,
        live: &Arc<Live>,
        peer: &Arc<Peer>,
        deadline: Deadline,
    ) -> (bool, Deadline) {
        let manner = Manner::of(&request, may_stay && !peer.term.is_over());
        let size = match framing {
            Framing::None => Size::None,
            Framing::Length(0) => Size::None,
            Framing::Length(length) => Size::Exactly(length),
            Framing::Chunked | Framing::UntilClose => Size::Unknown,
        };
        let expects = request.version == Version::Http11 && request.fields.has("expect");
        let (body, inbound) = match (size, self.reader.take()) {
            (Size::None, reader) | (_, reader @ None) => {
                self.reader = reader;
                (Body::Empty, None)
            }
            (_, Some(reader)) => {
                let decoder = BodyDecoder::new(framing, &body_bounds(bounds));
                let inbound = Inbound::new(reader, decoder, size, expects, Arc::clone(&self.interim), bounds);
                let inbound = Arc::new(Mutex::new(inbound));
                (Body::Stream(Box::new(ClientBody::new(Arc::clone(&inbound), size))), Some(inbound))
            }
        };
        let head = Head { wire: wire(&request), size, request };
        let mut turn = self.turn(inbound, manner);
        let deadline = exchange::exchange(&mut turn, head, body, live, peer, deadline).await;
        let (manner, inbound) = (turn.manner, turn.inbound.take());
        let stay = match inbound {
            None => true,
            Some(inbound) => self.take_back(&inbound),
        };
        (stay && manner.stay, deadline)
    }

    /// The last reply of a connection that did not bring a head.
    async fn refuse(
        &mut self,
        refused: Refused,
        version: HttpVersion,
        live: &Arc<Live>,
        peer: &Arc<Peer>,
        deadline: Deadline,
    ) {
        let mut turn = self.turn(None, Manner::last());
        exchange::refuse(&mut turn, refused, version, live, peer, deadline).await;
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

    /// Waits for the next head.
    async fn next(&mut self, bounds: &Bounds, term: &Term, deadline: &mut Deadline) -> Next {
        let Some(reader) = &mut self.reader else { return Next::Over };
        let head_bounds = head_bounds(bounds);
        let mut decoder = HeadDecoder::default();
        if reader.buffer.is_empty() {
            spare::give_write(std::mem::take(&mut self.out));
            reader.rest();
            if !first_bytes(reader, bounds.keep_alive, term, deadline).await {
                return Next::Over;
            }
        }
        let mut is_timed = false;
        loop {
            match decode(&mut decoder, reader, &head_bounds) {
                Ok(Some(head)) => return Next::Head(head),
                Ok(None) => {}
                Err(refusal) => return Next::Refused(refusal),
            }
            if !is_timed {
                deadline.set(bounds.head_timeout);
                is_timed = true;
            }
            match deadline.race(reader.fill(HEAD_READ_BYTES)).await {
                Ok(Ok(read)) if read > 0 => {}
                Ok(_) => return Next::Over,
                Err(_) => return Next::TimedOut,
            }
        }
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

/// Waits for the first bytes of a request; says whether there are any. Once the connection's term is over it waits no
/// longer than for a request that was on its way.
pub(super) async fn first_bytes(
    reader: &mut Reader,
    keep_alive: Duration,
    term: &Term,
    deadline: &mut Deadline,
) -> bool {
    deadline.set(keep_alive);
    let mut is_leaving = false;
    poll_fn(|cx| {
        if let Poll::Ready(read) = reader.poll_fill(cx, HEAD_READ_BYTES) {
            return Poll::Ready(matches!(read, Ok(read) if read > 0));
        }
        if !is_leaving && term.is_over() {
            is_leaving = true;
            deadline.set(term.idle().min(keep_alive));
        }
        deadline.poll(cx).map(|_| false)
    })
    .await
}

impl Wire for Turn<'_> {
    fn interim(&self) -> Arc<Interim> {
        Arc::clone(&self.connection.interim)
    }

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

    async fn send(&mut self, reply: Reply, cx: &mut Context) -> Sent {
        http1_reply::send(self, reply, cx).await
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
