//! A request on its way to the backend: head first, then the body as it comes, and an end only when it has one.
//!
//! Written in batches. The head and a first small piece are one batch and leave in one write; a large piece is
//! never copied, it leaves beside its framing in one gathered write. The body is asked for its next piece only
//! when the batch before has left.
//!
//! SECURITY: the backend's message is completed by [`Frame::End`] and nothing else. A body of known length is
//! complete with its last byte, so its last piece waits for the end, too: an inspector that refuses late leaves
//! the backend with a message that broke off. For the same reason the head of a message without content waits
//! for the end of its empty body.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use portcullis_http1::{CHUNK_END, Fields, Framing, chunk_head, write_last_chunk};
use tokio::io::AsyncWrite;

use super::answer::Load;
use crate::http::io::WriteHalf;
use crate::http::trailers::canonicalise_trailers;
use crate::http::{Body, BodyError, Frame};

/// Pieces up to this size are copied behind what already waits; a copy is cheaper than a longer gathered write.
const COPIED_BYTES_MAX: usize = 4 * 1024;

/// A batch this large leaves before more is asked for.
const BATCH_BYTES: usize = 16 * 1024;

/// A request being sent.
#[derive(Debug)]
pub(super) struct Upload {
    /// Head, framing and copied pieces of the current batch.
    out: Vec<u8>,
    /// Bytes of the head, which the first batch begins with.
    head: u32,
    /// A large piece behind them, and what ends it.
    piece: Bytes,
    tail: &'static [u8],
    /// Bytes of the batch that have left.
    at: usize,
    /// Bytes of all batches that have left.
    sent_bytes: u64,
    is_first_batch: bool,
    is_flushed: bool,
    body: Body,
    framing: Framing,
    trailers: Option<Fields>,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// More may be added.
    Open,
    /// The message would be complete, and the body has not ended: nothing more leaves yet.
    Held,
    /// The batch ends the message.
    Ended,
}

/// How far an upload got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// The whole message has left.
    Done,
    /// The body has no piece ready: the client is the slow one.
    Starved,
    /// The backend takes no more at the moment.
    Blocked,
}

/// Why an upload stopped.
#[derive(Debug)]
pub(super) enum UploadError {
    /// The body broke off; the message must not be completed.
    Body(BodyError),
    /// The backend takes no more at all. It may have answered all the same.
    Write(io::Error),
}

impl Upload {
    /// A request whose head is `head` and whose body is delimited by `framing`.
    pub(super) fn new(head: Vec<u8>, framing: Framing, body: Body) -> Self {
        let is_plain = matches!(body, Body::Empty) && matches!(framing, Framing::None | Framing::Length(0));
        let state = match framing {
            _ if is_plain => State::Ended,
            Framing::None | Framing::Length(0) => State::Held,
            Framing::Length(_) | Framing::Chunked | Framing::UntilClose => State::Open,
        };
        Self {
            // A head is as long as the bounds allow, far below 4 GiB.
            head: u32::try_from(head.len()).unwrap_or(u32::MAX),
            out: head,
            piece: Bytes::new(),
            tail: &[],
            at: 0,
            sent_bytes: 0,
            is_first_batch: true,
            is_flushed: true,
            body,
            framing,
            trailers: None,
            state,
        }
    }

    /// Sends what can be sent.
    #[inline(always)]
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        writer: &mut WriteHalf,
    ) -> Result<Progress, UploadError> {
        loop {
            let is_starved = self.poll_gather(cx)?.is_pending();
            if self.state == State::Held {
                return self.flush(cx, writer, Progress::Starved);
            }
            match self.poll_write(cx, writer) {
                Poll::Pending => return Ok(Progress::Blocked),
                Poll::Ready(Err(error)) => return Err(UploadError::Write(error)),
                Poll::Ready(Ok(())) if self.state == State::Ended => {
                    return self.flush(cx, writer, Progress::Done);
                }
                Poll::Ready(Ok(())) if is_starved => return self.flush(cx, writer, Progress::Starved),
                Poll::Ready(Ok(())) => {}
            }
        }
    }

    /// Begins again from the start, if what has left so far can be sent once more: no more of the body than the
    /// first batch was taken, and that is still here.
    pub(super) fn rewind(&mut self) -> bool {
        if self.is_first_batch {
            self.at = 0;
        }
        self.is_first_batch
    }

    /// What can be sent again from the start, to this target or another, if anything can. Nothing of it is left here.
    pub(super) fn take_load(&mut self) -> Option<Load> {
        if self.rewind() {
            return Some(Load::Upload(Box::new(std::mem::take(self))));
        }
        self.body.rewind().then(|| Load::Body(self.body.take()))
    }

    /// Has another head for another target; after [`Self::rewind`] said that it may.
    pub(super) fn readdress(&mut self, head: &[u8]) {
        let old = usize::try_from(self.head).unwrap_or(usize::MAX).min(self.out.len());
        self.out.splice(..old, head.iter().copied());
        self.head = u32::try_from(head.len()).unwrap_or(u32::MAX);
    }

    /// Bytes written so far; grows with progress.
    pub(super) fn sent_bytes(&self) -> u64 {
        self.sent_bytes
    }

    /// The memory of the batches of a request that was sent, for the next one of the connection.
    pub(super) fn take_spare(&mut self) -> Vec<u8> {
        let mut spare = std::mem::take(&mut self.out);
        spare.clear();
        spare
    }

    fn batch_bytes(&self) -> usize {
        self.out.len().saturating_add(self.piece.len()).saturating_add(self.tail.len())
    }

    fn has_left(&self) -> bool {
        self.at >= self.batch_bytes()
    }

    /// Whether the body is to be asked now: the batch has left, or waits for the end, or has not begun to leave
    /// and is small.
    fn gathers(&self) -> bool {
        match self.state {
            State::Ended => false,
            State::Held => true,
            State::Open => {
                self.has_left() || (self.at == 0 && self.piece.is_empty() && self.out.len() < BATCH_BYTES)
            }
        }
    }

    /// Adds to the batch until it is large enough or the message has ended; pending when the body is.
    fn poll_gather(&mut self, cx: &mut Context<'_>) -> Result<Poll<()>, UploadError> {
        while self.gathers() {
            let frame = match self.body.poll_frame(cx) {
                Poll::Pending => return Ok(Poll::Pending),
                Poll::Ready(frame) => frame.map_err(UploadError::Body)?,
            };
            if self.state == State::Open && self.has_left() {
                self.out.clear();
                self.piece = Bytes::new();
                self.tail = &[];
                self.at = 0;
                self.is_first_batch = false;
            }
            self.add(frame)?;
        }
        Ok(Poll::Ready(()))
    }

    fn add(&mut self, frame: Frame) -> Result<(), UploadError> {
        match (frame, self.framing) {
            (Frame::Data(piece), framing) => {
                let length = piece.len();
                match framing {
                    Framing::Length(left) => {
                        let left = left.checked_sub(length as u64).ok_or_else(too_long)?;
                        self.framing = Framing::Length(left);
                        self.put(piece, &[]);
                        if left == 0 {
                            self.state = State::Held;
                        }
                    }
                    Framing::Chunked => {
                        chunk_head(&mut self.out, length);
                        self.put(piece, CHUNK_END);
                    }
                    Framing::None | Framing::UntilClose => return Err(too_long()),
                }
            }
            // Without chunks there is no place for trailers (RFC 9112 §7.1.2).
            (Frame::Trailers(mut fields), Framing::Chunked) => {
                canonicalise_trailers(&mut fields);
                self.trailers = Some(fields);
            }
            (Frame::Trailers(_), _) => {}
            (Frame::End, Framing::Chunked) => {
                write_last_chunk(&mut self.out, self.trailers.take().as_ref());
                self.state = State::Ended;
            }
            (Frame::End, Framing::Length(left)) if left > 0 => {
                return Err(UploadError::Body(BodyError::Closed));
            }
            (Frame::End, Framing::None | Framing::UntilClose | Framing::Length(_)) => {
                self.state = State::Ended;
            }
        }
        Ok(())
    }

    fn put(&mut self, piece: Bytes, tail: &'static [u8]) {
        if piece.len() <= COPIED_BYTES_MAX {
            self.out.extend_from_slice(&piece);
            self.out.extend_from_slice(tail);
        } else {
            self.piece = piece;
            self.tail = tail;
        }
    }

    /// Writes the batch.
    #[inline(always)]
    fn poll_write(&mut self, cx: &mut Context<'_>, writer: &mut WriteHalf) -> Poll<io::Result<()>> {
        while !self.has_left() {
            let writer = Pin::new(&mut *writer);
            let out = self.out.get(self.at..).unwrap_or_default();
            let written = if self.piece.is_empty() {
                ready!(writer.poll_write(cx, out))?
            } else {
                let skip = self.at.saturating_sub(self.out.len());
                let piece = self.piece.get(skip..).unwrap_or_default();
                let skip = skip.saturating_sub(self.piece.len());
                let tail = self.tail.get(skip..).unwrap_or_default();
                let parts = [IoSlice::new(out), IoSlice::new(piece), IoSlice::new(tail)];
                ready!(writer.poll_write_vectored(cx, &parts))?
            };
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.is_flushed = false;
            self.at = self.at.saturating_add(written);
            self.sent_bytes = self.sent_bytes.saturating_add(written as u64);
        }
        Poll::Ready(Ok(()))
    }

    /// A TLS session may hold written bytes back; TCP holds none.
    fn flush(
        &mut self,
        cx: &mut Context<'_>,
        writer: &mut WriteHalf,
        then: Progress,
    ) -> Result<Progress, UploadError> {
        if !self.is_flushed {
            match Pin::new(writer).poll_flush(cx) {
                Poll::Pending => return Ok(Progress::Blocked),
                Poll::Ready(result) => result.map_err(UploadError::Write)?,
            }
            self.is_flushed = true;
        }
        Ok(then)
    }
}

/// A request that was taken away.
impl Default for Upload {
    fn default() -> Self {
        Self::new(Vec::new(), Framing::None, Body::Empty)
    }
}

fn too_long() -> UploadError {
    UploadError::Body(BodyError::Malformed("the body is longer than announced"))
}
