//! A connection that has been switched to WebSocket: frames both ways until one side has had enough.
//!
//! Each direction reads only when what it read before has been written: a slow reader slows its sender. What is
//! no WebSocket frame ends both sides. When the gateway drains, or the ground of the connection is gone, the client is
//! told so between two frames by a close frame: 1001, or 1008 when it is no longer let in by what it presented. What it
//! says until it answers is handed on, the answer last.
//!
//! Once both ends have said close, the gateway closes at once: a client waits for its server to do so first (RFC 6455
//! §7.1.1), and to the client the gateway is the server.
//!
//! # Limits
//! `stream_idle` without a byte in either direction; [`CLOSING`] for an end to answer a close, or
//! `stream_grace` where that is shorter.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Buf;
use tokio::io::{AsyncWrite, AsyncWriteExt};

use super::deadline::Deadline;
use super::ending::{Ending, Lapse};
use super::io::{Reader, WriteHalf};
use super::websocket::{Frames, GOING_AWAY, POLICY_VIOLATION, PROTOCOL_ERROR, Sender, close_frame};

/// The backend's side of a switched connection.
#[derive(Debug)]
pub struct Tunnel {
    /// What the backend sends, with what came behind its answer's head.
    pub reader: Reader,
    /// Where the backend reads.
    pub writer: WriteHalf,
    /// How long both directions may be silent.
    pub idle: Duration,
    /// When its ground is gone.
    pub ending: Option<Ending>,
}

/// How long the ends have to answer a close frame.
pub const CLOSING: Duration = Duration::from_secs(5);

/// How long nothing may have passed before the gateway says close, and how long it waits for that.
const QUIET: Duration = Duration::from_millis(10);
const QUIET_MAX: Duration = Duration::from_secs(1);

/// Bytes read at once in one direction.
const READ_BYTES: usize = 16 * 1024;

/// What a tunnel carried, and how it ended.
#[derive(Debug, Clone, Copy, Default)]
pub struct Carried {
    /// Bytes from the client.
    pub up: u64,
    /// Bytes to the client.
    pub down: u64,
    /// Whether it ended with close frames or by a drain of ours.
    pub properly: bool,
}

/// One direction: where it reads, how far the frames have come that were read, and those that were written.
struct Direction<'a> {
    reader: &'a mut Reader,
    writer: &'a mut WriteHalf,
    sender: Sender,
    read: Frames,
    written: Frames,
    judged: usize,
    bytes: u64,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    /// The sender has ended, or our close frame went out: nothing more passes.
    Ended,
}

/// Why both directions end at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Broken {
    Closed,
    NotFrames,
}

/// Carries frames between `client` and the backend until one ends, is silent too long, its ground is gone, or `term`
/// is ready.
pub async fn carry(
    client: (&mut Reader, &mut WriteHalf),
    tunnel: &mut Tunnel,
    deadline: &mut Deadline,
    term: impl Future<Output = ()>,
) -> Carried {
    let Tunnel { reader, writer, idle, ending } = tunnel;
    let mut up = Direction::new(client.0, writer, Sender::Client);
    let mut down = Direction::new(reader, client.1, Sender::Server);
    let mut term = std::pin::pin!(term);
    let mut farewell: Option<Farewell> = None;
    let mut closing = false;
    deadline.set(*idle);
    let outcome = poll_fn(|cx| {
        if farewell.is_none()
            && let Poll::Ready((status, most)) = poll_why(term.as_mut(), ending.as_mut(), cx)
        {
            farewell = Some(Farewell::new(status));
            deadline.set(most);
        }
        let before = up.bytes.wrapping_add(down.bytes);
        let ended = [up.poll(cx)?, down.poll(cx)?];
        let has_moved = up.bytes.wrapping_add(down.bytes) != before;
        let is_closing = up.written.is_closed() || down.written.is_closed();
        if let Some(farewell) = &mut farewell {
            if farewell.is_due(has_moved, cx) && !is_closing {
                farewell.is_said |= down.say_close(farewell.status, cx);
            }
            if farewell.is_said && up.is_over(cx) {
                return Poll::Ready(Ok(()));
            }
        } else if !closing && is_closing {
            closing = true;
            deadline.set(CLOSING);
        } else if has_moved && !closing {
            deadline.set(*idle);
        }
        let is_over = ended.iter().all(Poll::is_ready) || (up.is_over(cx) && down.is_over(cx));
        if is_over || deadline.poll(cx).is_ready() {
            return Poll::Ready(Ok(()));
        }
        Poll::Pending
    })
    .await;
    let said = farewell.filter(|farewell| farewell.is_said).map(|farewell| farewell.status);
    let said_so = said.is_some() || up.written.is_closed() || down.written.is_closed();
    // An end that said close need not wait for the answer, so that one may find nobody.
    let properly = said_so && outcome != Err(Broken::NotFrames);
    let carried = Carried { up: up.bytes, down: down.bytes, properly };
    if outcome == Err(Broken::NotFrames) {
        up.say_goodbye(PROTOCOL_ERROR).await;
        down.say_goodbye(PROTOCOL_ERROR).await;
    } else if let Some(status) = said {
        // The client had its time to say close itself, and what it said before was handed on.
        up.say_goodbye(status).await;
    }
    carried
}

/// Why the gateway ends a tunnel: the status of its close frame, and the time until it is closed all the same.
fn poll_why(
    term: Pin<&mut impl Future<Output = ()>>,
    ending: Option<&mut Ending>,
    cx: &mut Context<'_>,
) -> Poll<(u16, Duration)> {
    if term.poll(cx).is_ready() {
        return Poll::Ready((GOING_AWAY, CLOSING));
    }
    let Some(ending) = ending else { return Poll::Pending };
    ending.poll_lapse(cx).map(|(lapse, grace)| match lapse {
        Lapse::Operation => (GOING_AWAY, grace.min(CLOSING)),
        Lapse::Caller => (POLICY_VIOLATION, grace.min(CLOSING)),
    })
}

/// The gateway's own close frame, on its way.
///
/// An answer that is on its way to the client could not follow it, so it waits for a moment in which nothing is. It goes
/// to the client alone: what the client says until it has heard of it is handed on, its own close frame last.
struct Farewell {
    status: u16,
    quiet: Deadline,
    latest: Deadline,
    is_due: bool,
    is_said: bool,
}

impl Farewell {
    fn new(status: u16) -> Self {
        let (mut quiet, mut latest) = (Deadline::new(), Deadline::new());
        quiet.set(QUIET);
        latest.set(QUIET_MAX);
        Self { status, quiet, latest, is_due: false, is_said: false }
    }

    /// Whether it may be said now, as soon as a frame may stand there.
    fn is_due(&mut self, has_moved: bool, cx: &mut Context<'_>) -> bool {
        if has_moved {
            self.quiet.set(QUIET);
        }
        self.is_due |= self.quiet.poll(cx).is_ready() || self.latest.poll(cx).is_ready();
        self.is_due && !self.is_said
    }
}

impl<'a> Direction<'a> {
    fn new(reader: &'a mut Reader, writer: &'a mut WriteHalf, sender: Sender) -> Self {
        let frames = Frames::new(sender);
        Self {
            reader,
            writer,
            sender,
            read: frames.clone(),
            written: frames,
            judged: 0,
            bytes: 0,
            state: State::Open,
        }
    }

    /// Moves what can be moved. Ready when this direction has ended.
    fn poll(&mut self, cx: &mut Context<'_>) -> Result<Poll<()>, Broken> {
        loop {
            if self.state == State::Ended {
                return Ok(Poll::Ready(()));
            }
            self.judge()?;
            if self.reader.buffer.is_empty() {
                match Pin::new(&mut *self.writer).poll_flush(cx) {
                    Poll::Ready(Err(_)) => return Err(Broken::Closed),
                    Poll::Ready(Ok(())) | Poll::Pending => {}
                }
                match self.reader.poll_fill(cx, READ_BYTES) {
                    Poll::Pending => return Ok(Poll::Pending),
                    Poll::Ready(Ok(read)) if read > 0 => {}
                    Poll::Ready(_) if self.written.is_closed() => self.state = State::Ended,
                    Poll::Ready(_) => return Err(Broken::Closed),
                }
                continue;
            }
            match Pin::new(&mut *self.writer).poll_write(cx, &self.reader.buffer) {
                Poll::Pending => return Ok(Poll::Pending),
                Poll::Ready(Ok(written)) if written > 0 => self.wrote(written)?,
                Poll::Ready(_) => return Err(Broken::Closed),
            }
        }
    }

    /// Says close to its reader in its sender's name, if a frame may stand here; nothing more passes then.
    fn say_close(&mut self, status: u16, cx: &mut Context<'_>) -> bool {
        if !self.written.is_between() {
            return false;
        }
        let frame = close_frame(self.sender, status);
        // Small enough that a socket with room takes it whole; one without is closed all the same.
        let _ = Pin::new(&mut *self.writer).poll_write(cx, &frame);
        let _ = Pin::new(&mut *self.writer).poll_flush(cx);
        self.state = State::Ended;
        true
    }

    /// Whether its sender's close frame has reached its reader.
    fn is_over(&mut self, cx: &mut Context<'_>) -> bool {
        self.written.is_closed() && Pin::new(&mut *self.writer).poll_flush(cx).is_ready()
    }

    /// Judges what was read since the last time, before any of it is written.
    fn judge(&mut self) -> Result<(), Broken> {
        let fresh = self.reader.buffer.get(self.judged..).unwrap_or_default();
        if self.read.advance(fresh).is_err() {
            return Err(Broken::NotFrames);
        }
        self.judged = self.reader.buffer.len();
        Ok(())
    }

    fn wrote(&mut self, written: usize) -> Result<(), Broken> {
        let passed = self.reader.buffer.get(..written).unwrap_or_default();
        self.written.advance(passed).map_err(|_| Broken::NotFrames)?;
        self.reader.buffer.advance(written);
        self.judged = self.judged.saturating_sub(written);
        self.bytes = self.bytes.saturating_add(written as u64);
        Ok(())
    }

    /// Tells this direction's reader why nothing follows, if a frame may stand here.
    async fn say_goodbye(&mut self, status: u16) -> Option<io::Result<()>> {
        if !self.written.is_between() || self.written.is_closed() {
            return None;
        }
        let frame = close_frame(self.sender, status);
        tokio::time::timeout(CLOSING, self.writer.write_all(&frame)).await.ok()
    }
}
