//! The byte stream under the HTTP/2 codec, watched.
//!
//! [`Framed`] passes decrypted bytes on unchanged and has the [`Ledger`] count the frames in them, in both
//! directions. Once the client has done too much of something nothing more is read from it; the connection's task
//! looks at the [`Watch`] after each poll and says GOAWAY. What else must not wait for the codec is here
//! too: a head of which the rest does not come, a client that takes nothing, and the last bytes of a connection.
//!
//! The codec writes and flushes each DATA frame by itself. While the connection's task has it [gather](Watch::gather),
//! small writes are kept and a flush does nothing: what all streams have to say in one turn leaves at its end, in one
//! TLS record and one call.
//!
//! # Limits
//! Those of the ledger; `head_timeout` for a head in fragments; `write_idle` for a client that takes nothing;
//! [`GATHER_BYTES`] kept within a turn; [`LINGER_BYTES`] and [`LINGER`] after the last byte was written, so that a GOAWAY is not lost to a reset.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::http2_ledger::{Excess, Ledger};
use crate::bounds::Bounds;
use crate::http::deadline::Deadline;
use crate::http::frames::Scanner;

/// Bytes that are kept within a turn: what one TLS record holds.
pub(super) const GATHER_BYTES: usize = 16 * 1024;

/// What is larger than this is not worth being copied, and is written at once.
const SMALL_BYTES: usize = GATHER_BYTES / 4;

/// What is still read after the last write, and for how long.
const LINGER_BYTES: usize = 256 * 1024;
const LINGER: Duration = Duration::from_millis(500);

/// What the connection's task and the byte stream below its codec tell each other.
#[derive(Debug, Default)]
pub(super) struct Watch {
    excess: OnceLock<Excess>,
    heads: AtomicU32,
    faults: AtomicU32,
    gathers: AtomicBool,
    holds: AtomicBool,
    is_dry: AtomicBool,
}

impl Watch {
    /// Whether small writes may be kept. Who says so polls the codec once more when something [was](Self::holds).
    pub(super) fn gather(&self, on: bool) {
        self.gathers.store(on, Ordering::Relaxed);
    }

    /// Begins a turn. Once nothing is there to be read while gathering, reading is not tried again in it.
    pub(super) fn begin_turn(&self) {
        self.is_dry.store(false, Ordering::Relaxed);
    }

    /// Whether there are bytes that the codec takes for sent.
    pub(super) fn holds(&self) -> bool {
        self.holds.load(Ordering::Relaxed)
    }

    /// Why the connection must end.
    pub(super) fn excess(&self) -> Option<Excess> {
        self.excess.get().copied()
    }

    /// How many heads of requests have begun.
    pub(super) fn heads(&self) -> u32 {
        self.heads.load(Ordering::Relaxed)
    }

    /// Has `count` refused heads counted.
    pub(super) fn blame(&self, count: u32) {
        self.faults.fetch_add(count, Ordering::Relaxed);
    }
}

/// A byte stream whose frames are counted.
#[derive(Debug)]
pub(super) struct Framed<T> {
    inner: T,
    incoming: Scanner,
    outgoing: Scanner,
    held: Vec<u8>,
    ledger: Ledger,
    watch: Arc<Watch>,
    head: Option<u32>,
    head_timeout: Duration,
    head_due: Deadline,
    stalled: bool,
    write_idle: Duration,
    write_due: Deadline,
    closing: Option<Linger>,
}

/// Reading on after the last write.
#[derive(Debug)]
struct Linger {
    due: Deadline,
    left: usize,
}

impl<T> Framed<T> {
    pub(super) fn new(inner: T, bounds: &Bounds) -> Self {
        Self {
            inner,
            incoming: Scanner::of_client(),
            outgoing: Scanner::of_server(),
            held: Vec::new(),
            ledger: Ledger::new(bounds),
            watch: Arc::default(),
            head: None,
            head_timeout: bounds.head_timeout,
            head_due: Deadline::new(),
            stalled: false,
            write_idle: bounds.write_idle,
            write_due: Deadline::new(),
            closing: None,
        }
    }

    /// Where its verdict will be found.
    pub(super) fn watch(&self) -> Arc<Watch> {
        Arc::clone(&self.watch)
    }

    /// Counts what was read. Says whether it may be passed on.
    fn admit(&mut self, bytes: &[u8]) -> bool {
        self.ledger.tick();
        let ledger = &mut self.ledger;
        ledger.blame(self.watch.faults.swap(0, Ordering::Relaxed));
        self.incoming.scan(bytes, |frame| ledger.received(frame));
        self.watch.heads.store(ledger.requests(), Ordering::Relaxed);
        let is_open = self.ledger.is_head_open() || self.incoming.is_within_block();
        let head = is_open.then_some(self.ledger.heads());
        if head != self.head {
            match head {
                Some(_) => self.head_due.set(self.head_timeout),
                None => self.head_due.clear(),
            }
            self.head = head;
        }
        self.judge()
    }

    /// Counts the first `count` bytes of what was to be written.
    fn wrote<'a>(&mut self, bufs: impl Iterator<Item = &'a [u8]>, mut count: usize) {
        let ledger = &mut self.ledger;
        for buf in bufs {
            let written = buf.get(..count).unwrap_or(buf);
            count = count.saturating_sub(written.len());
            self.outgoing.scan(written, |frame| ledger.sent(frame));
        }
        self.judge();
    }

    /// Makes an excess known. Says whether there is none.
    fn judge(&mut self) -> bool {
        let Some(excess) = self.ledger.excess() else { return true };
        let _ = self.watch.excess.set(excess);
        false
    }

    /// Bounds how long the other end takes nothing.
    fn patient<R>(&mut self, polled: Poll<io::Result<R>>, cx: &mut Context<'_>) -> Poll<io::Result<R>> {
        if polled.is_ready() {
            if self.stalled {
                self.stalled = false;
                self.write_due.clear();
            }
            return polled;
        }
        if !self.stalled {
            self.stalled = true;
            self.write_due.set(self.write_idle);
        }
        ready!(self.write_due.poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Framed<T> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        // The task that polls us looks at the watch after each poll and needs no waking.
        if this.watch.excess().is_some() {
            return Poll::Pending;
        }
        // PERF: the codec asks again after each request it has handed over; who wakes the task is known already.
        if this.watch.is_dry.load(Ordering::Relaxed) {
            return Poll::Pending;
        }
        let before = buf.filled().len();
        if Pin::new(&mut this.inner).poll_read(cx, buf)?.is_pending() {
            this.watch.is_dry.store(this.watch.gathers.load(Ordering::Relaxed), Ordering::Relaxed);
            if this.head.is_some() && this.head_due.poll(cx).is_ready() {
                this.ledger.trip(Excess::SlowHead);
                this.judge();
            }
            return Poll::Pending;
        }
        if !this.admit(buf.filled().get(before..).unwrap_or_default()) {
            buf.set_filled(before);
            return Poll::Pending;
        }
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite + Unpin> Framed<T> {
    /// Keeps what is small until the turn ends. `None` when it is to be written now.
    fn keep(&mut self, bufs: &[io::IoSlice<'_>], cx: &mut Context<'_>) -> Poll<io::Result<Option<usize>>> {
        let count = bufs.iter().fold(0_usize, |count, buf| count.saturating_add(buf.len()));
        let is_kept = self.watch.gathers.load(Ordering::Relaxed) && count <= SMALL_BYTES;
        if !is_kept || self.held.len().saturating_add(count) > GATHER_BYTES {
            ready!(self.poll_let_go(cx))?;
        }
        if !is_kept {
            return Poll::Ready(Ok(None));
        }
        if self.held.is_empty() {
            self.held.reserve_exact(GATHER_BYTES);
            self.watch.holds.store(true, Ordering::Relaxed);
            // Once for all that this turn says.
            self.ledger.tick();
        }
        for buf in bufs {
            self.held.extend_from_slice(buf);
        }
        self.wrote(bufs.iter().map(|buf| &**buf), count);
        Poll::Ready(Ok(Some(count)))
    }

    /// Writes what was kept, and gives its memory back.
    fn poll_let_go(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.held.is_empty() {
            let polled = Pin::new(&mut self.inner).poll_write(cx, &self.held);
            match ready!(self.patient(polled, cx))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => drop(self.held.drain(..written.min(self.held.len()))),
            }
        }
        self.held = Vec::new();
        self.watch.holds.store(false, Ordering::Relaxed);
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Framed<T> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[io::IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if let Some(kept) = ready!(this.keep(bufs, cx))? {
            return Poll::Ready(Ok(kept));
        }
        let polled = Pin::new(&mut this.inner).poll_write_vectored(cx, bufs);
        let written = ready!(this.patient(polled, cx))?;
        this.ledger.tick();
        this.wrote(bufs.iter().map(|buf| &**buf), written);
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        // What is kept is copied in any case, and what is not is large.
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.watch.gathers.load(Ordering::Relaxed) {
            return Poll::Ready(Ok(()));
        }
        ready!(this.poll_let_go(cx))?;
        let polled = Pin::new(&mut this.inner).poll_flush(cx);
        this.patient(polled, cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let linger = match &mut this.closing {
            Some(linger) => linger,
            None => {
                ready!(this.poll_let_go(cx))?;
                let polled = Pin::new(&mut this.inner).poll_shutdown(cx);
                ready!(this.patient(polled, cx))?;
                let mut due = Deadline::new();
                due.set(LINGER);
                this.closing.insert(Linger { due, left: LINGER_BYTES })
            }
        };
        while linger.left > 0 {
            let mut waste = [0_u8; 4096];
            let mut waste = ReadBuf::new(&mut waste);
            match Pin::new(&mut this.inner).poll_read(cx, &mut waste) {
                Poll::Ready(Ok(())) if !waste.filled().is_empty() => {
                    linger.left = linger.left.saturating_sub(waste.filled().len());
                }
                Poll::Ready(_) => break,
                Poll::Pending => {
                    ready!(linger.due.poll(cx));
                    break;
                }
            }
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests;
