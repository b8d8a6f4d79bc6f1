//! A TCP stream that keeps what a TLS handshake writes until the client is waited for.
//!
//! A handshake of TLS 1.3 ends with session tickets, which its client needs for another connection and nobody waits for.
//! Sent at once they cost a call and a packet of their own; kept, they leave with the first answer. Whatever the client
//! does wait for leaves before anything is read that has not come yet.
//!
//! # Limits
//! [`KEPT_BYTES`], which a server's part of a handshake does not reach unless its certificates are large; more is
//! written through.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use rustix::net::SendFlags;
use smallvec::SmallVec;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::task::coop;

use super::io::{poll_recv, poll_send};

/// Bytes that are kept.
const KEPT_BYTES: usize = 8 * 1024;

/// A TCP stream, and what is to leave with the next bytes.
#[derive(Debug)]
pub struct Held {
    inner: TcpStream,
    kept: Vec<u8>,
    keeps: bool,
}

impl Held {
    /// A stream on which a handshake begins.
    pub fn new(inner: TcpStream) -> Self {
        Self { inner, kept: Vec::new(), keeps: true }
    }

    /// The handshake is over: nothing more is kept, and what is kept leaves with the next write.
    pub fn release(&mut self) {
        self.keeps = false;
    }

    fn poll_let_go(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.kept.is_empty() {
            match ready!(Pin::new(&mut self.inner).poll_write(cx, &self.kept))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => self.forget(written),
            }
        }
        Poll::Ready(Ok(()))
    }

    fn forget(&mut self, written: usize) {
        if written >= self.kept.len() {
            self.kept = Vec::new();
        } else {
            self.kept.drain(..written);
        }
    }
}

impl AsyncRead for Held {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(coop::poll_proceed(cx)).made_progress();
        let polled = poll_recv(&this.inner, cx, buf);
        if polled.is_pending() && this.keeps {
            ready!(this.poll_let_go(cx))?;
        }
        polled
    }
}

impl AsyncWrite for Held {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let count = bufs.iter().fold(0_usize, |count, buf| count.saturating_add(buf.len()));
        if this.keeps && this.kept.len().saturating_add(count) <= KEPT_BYTES {
            bufs.iter().for_each(|buf| this.kept.extend_from_slice(buf));
            return Poll::Ready(Ok(count));
        }
        while !this.kept.is_empty() {
            let all: SmallVec<[IoSlice<'_>; 8]> =
                std::iter::once(IoSlice::new(&this.kept)).chain(bufs.iter().copied()).collect();
            let polled = Pin::new(&mut this.inner).poll_write_vectored(cx, &all);
            drop(all);
            let written = ready!(polled)?;
            let before = this.kept.len();
            this.forget(written);
            match written.checked_sub(before) {
                // Of what was to be written nothing was, and that must not be said.
                Some(0) | None if count > 0 && written > 0 => {}
                more => return Poll::Ready(Ok(more.unwrap_or_default())),
            }
        }
        match bufs {
            // PERF: a TLS session gathers even where there is one piece, and a gathered write costs the kernel more.
            [piece] => poll_send(&this.inner, cx, piece, SendFlags::empty()),
            _ => Pin::new(&mut this.inner).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.keeps {
            return Poll::Ready(Ok(()));
        }
        ready!(this.poll_let_go(cx))?;
        Pin::new(&mut this.inner).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_let_go(cx))?;
        Pin::new(&mut this.inner).poll_shutdown(cx)
    }
}

/// Why a handshake failed is the last thing that is written, and the stream is dropped then.
impl Drop for Held {
    fn drop(&mut self) {
        if !self.kept.is_empty() {
            // A client that takes nothing is not waited for.
            let _ = self.inner.try_write(&self.kept);
        }
    }
}

#[cfg(test)]
mod tests;
