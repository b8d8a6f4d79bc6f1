//! The byte stream under the codec, watched: a backend that sends frames without end is hung up on.
//!
//! The codec answers PING and SETTINGS, keeps windows and passes over unknown frames for as long as a backend likes: a
//! connection of such frames would keep a core busy until the answer is overdue, and other exchanges share both. The same
//! goes for heads: behind an answer that was given up for its interim ones, more of those may come without end. So
//! frames that carry no content are counted. What an honest backend sends of them grows with what it is sent
//! (WINDOW_UPDATEs and PINGs for data, heads or a reset for a request), and it is given that much more.
//!
//! # Limits
//! [`FRAMES_MAX`] within [`WINDOW`], beyond what was earned; then the connection ends, and its exchanges with it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::clock::{self, Instant};
use crate::http::frames::{END_STREAM, Frame, Kind, Scanner};

/// Frames beside answers, of all kinds together.
const FRAMES_MAX: u32 = 2_000;

/// How long they are counted together.
const WINDOW: Duration = Duration::from_secs(10);

/// A byte stream whose frames are counted.
#[derive(Debug)]
pub(super) struct Watched<T> {
    inner: T,
    incoming: Scanner,
    outgoing: Scanner,
    tally: Tally,
    window_ends: Instant,
}

#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    seen: u32,
    earned: u32,
    earned_by_request: u32,
}

impl Tally {
    /// A head with its interim ones and its trailers, and the few frames that go with a request.
    fn new(interims: u32) -> Self {
        Self { seen: 0, earned: 0, earned_by_request: interims.saturating_add(6) }
    }

    fn received(&mut self, frame: &Frame) {
        let carries = match frame.kind {
            Kind::Data => frame.length > 0 || frame.has(END_STREAM),
            // Of one head their number and size are bounded by the codec.
            Kind::Continuation => true,
            // Any number of them may be interim answers, and a stream that was given up takes them without end.
            _ => false,
        };
        if !carries {
            self.seen = self.seen.saturating_add(1);
        }
    }

    fn sent(&mut self, frame: &Frame) {
        let earned = match frame.kind {
            // A window, a reset, a PING; an answer with what goes before and behind it.
            Kind::Headers => self.earned_by_request,
            // One WINDOW_UPDATE for the stream, one for the connection and a PING; more for those who read in KiBs.
            Kind::Data => u32::try_from(frame.length >> 9).unwrap_or(u32::MAX).saturating_add(3),
            _ => 0,
        };
        self.earned = self.earned.saturating_add(earned);
    }

    fn is_exceeded(self) -> bool {
        self.seen > FRAMES_MAX.saturating_add(self.earned)
    }
}

impl<T> Watched<T> {
    /// Watches `inner`, whose answers may each have as many `interims` before them.
    pub(super) fn new(inner: T, interims: u32) -> Self {
        let (incoming, outgoing) = (Scanner::of_server(), Scanner::of_client());
        let tally = Tally::new(interims);
        Self { inner, incoming, outgoing, tally, window_ends: clock::now() }
    }

    /// Begins a new window when the last one is over.
    fn tick(&mut self) {
        let now = clock::now();
        if now >= self.window_ends {
            self.tally = Tally { seen: 0, earned: 0, ..self.tally };
            self.window_ends = now.checked_add(WINDOW).unwrap_or(now);
        }
    }

    /// Counts the first `count` bytes of what was to be written.
    fn wrote<'a>(&mut self, bufs: impl Iterator<Item = &'a [u8]>, mut count: usize) {
        self.tick();
        let tally = &mut self.tally;
        for buf in bufs {
            let written = buf.get(..count).unwrap_or(buf);
            count = count.saturating_sub(written.len());
            self.outgoing.scan(written, |frame| tally.sent(frame));
        }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Watched<T> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        ready!(Pin::new(&mut this.inner).poll_read(cx, buf))?;
        this.tick();
        let tally = &mut this.tally;
        this.incoming.scan(buf.filled().get(before..).unwrap_or_default(), |frame| tally.received(frame));
        if this.tally.is_exceeded() {
            buf.set_filled(before);
            let why = "it sends frames without end that are no answer";
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, why)));
        }
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Watched<T> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = ready!(Pin::new(&mut this.inner).poll_write(cx, buf))?;
        this.wrote([buf].into_iter(), written);
        Poll::Ready(Ok(written))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = ready!(Pin::new(&mut this.inner).poll_write_vectored(cx, bufs))?;
        this.wrote(bufs.iter().map(|buf| &**buf), written);
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests;
