//! The body of an HTTP/1.1 request as a pull from its connection.
//!
//! The connection hands its reading side over for as long as the body lasts. The lock is shared between the body,
//! wherever it has gone, and the connection, which takes the reading side back; both run in one task, so it is
//! never contended, and a request without a body has none.
//!
//! # Limits
//! Those of [`Pace`].

use std::sync::{Arc, Mutex};
use std::task::{Context as TaskContext, Poll};

use portcullis_http1::{BodyDecoder, Event};

use super::http1::poll_reader_gone;
use super::pace::Pace;
use crate::bounds::Bounds;
use crate::http::interim::Interim;
use crate::http::io::Reader;
use crate::http::long_read::LongRead;
use crate::http::{BodyError, Frame, Size, Source};

/// Bytes asked of the socket for a body: at first, at first for one that is announced to be as long, and at most.
const READ_BYTES_MIN: usize = 16 * 1024;
const READ_BYTES_LONG: usize = 64 * 1024;
const READ_BYTES_MAX: usize = 128 * 1024;

/// The reading side of a connection while a body is read from it.
pub(super) struct Inbound {
    reader: Option<Reader>,
    decoder: BodyDecoder,
    state: State,
    expects: bool,
    interim: Arc<Interim>,
    pace: Pace,
    room: usize,
    /// Its place among those that may read large pieces.
    long: Option<LongRead>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    Done,
    Broken,
}

/// A request's body.
pub(super) struct ClientBody {
    inbound: Arc<Mutex<Inbound>>,
    size: Size,
}

impl ClientBody {
    pub(super) fn new(inbound: Arc<Mutex<Inbound>>, size: Size) -> Self {
        Self { inbound, size }
    }
}

impl Source for ClientBody {
    fn poll_frame(&mut self, cx: &mut TaskContext<'_>) -> Poll<Result<Frame, BodyError>> {
        match self.inbound.lock() {
            Ok(mut inbound) => inbound.poll_frame(cx),
            Err(_) => Poll::Ready(Err(BodyError::Closed)),
        }
    }

    fn size(&self) -> Size {
        self.size
    }
}

impl Inbound {
    pub(super) fn new(
        reader: Reader,
        decoder: BodyDecoder,
        size: Size,
        expects: bool,
        interim: Arc<Interim>,
        bounds: &Bounds,
    ) -> Self {
        let is_long = matches!(size, Size::Exactly(length) if length >= READ_BYTES_LONG as u64);
        let long = if is_long { LongRead::take() } else { None };
        Self {
            reader: Some(reader),
            decoder,
            state: State::Open,
            expects,
            interim,
            pace: Pace::new(bounds),
            // Memory that nothing was read into is not there: an announcement costs nothing.
            room: if long.is_some() { READ_BYTES_LONG } else { READ_BYTES_MIN },
            long,
        }
    }

    /// Bytes of content read so far.
    pub(super) fn received(&self) -> u64 {
        self.pace.received()
    }

    /// Whether the client still waits for `100 Continue` and has been told nothing.
    pub(super) fn is_held_back(&self) -> bool {
        self.expects
    }

    /// Decodes and drops what lies in the buffer; says whether the body has reached its end.
    pub(super) fn drain_buffered(&mut self) -> bool {
        while self.state == State::Open {
            match self.decoded() {
                Ok(Some(_)) => {}
                Ok(None) | Err(_) => break,
            }
        }
        self.state == State::Done
    }

    /// Gives the reading side back to the connection. The body ends here, whoever still holds it.
    pub(super) fn take_reader(&mut self) -> Option<Reader> {
        self.reader.take()
    }

    /// Ready when the client has gone away; only asked while nobody waits for the body.
    pub(super) fn poll_gone(&mut self, cx: &mut TaskContext<'_>) -> Poll<()> {
        match (&mut self.reader, self.state) {
            (Some(reader), State::Done) => poll_reader_gone(reader, cx),
            _ => Poll::Pending,
        }
    }

    fn poll_frame(&mut self, cx: &mut TaskContext<'_>) -> Poll<Result<Frame, BodyError>> {
        loop {
            match self.decoded() {
                Ok(Some(frame)) => return Poll::Ready(Ok(frame)),
                Ok(None) => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
            if std::mem::take(&mut self.expects) {
                self.interim.go_on();
            }
            let Some(reader) = &mut self.reader else { return Poll::Ready(Err(BodyError::Closed)) };
            match reader.poll_fill(cx, self.room) {
                Poll::Ready(Ok(read)) if read > 0 => {
                    if read >= self.room && self.room < READ_BYTES_MAX {
                        self.long = self.long.take().or_else(LongRead::take);
                        if self.long.is_some() {
                            self.room = self.room.saturating_mul(2);
                        }
                    }
                }
                Poll::Ready(_) => {
                    self.state = State::Broken;
                    return Poll::Ready(Err(BodyError::Closed));
                }
                Poll::Pending => return self.wait(cx),
            }
        }
    }

    /// The next frame of what lies in the buffer; `None` when more must be read.
    fn decoded(&mut self) -> Result<Option<Frame>, BodyError> {
        let Some(reader) = &mut self.reader else { return Err(BodyError::Closed) };
        match self.decoder.decode(&mut reader.buffer) {
            Ok(Event::More) => Ok(None),
            Ok(Event::Data(piece)) => {
                self.pace.came(piece.len());
                Ok(Some(Frame::Data(piece)))
            }
            Ok(Event::Trailers(fields)) => {
                self.pace.came(0);
                Ok(Some(Frame::Trailers(fields)))
            }
            Ok(Event::End) => {
                self.pace.came(0);
                self.state = State::Done;
                Ok(Some(Frame::End))
            }
            Err(refusal) => {
                self.state = State::Broken;
                Err(BodyError::Malformed(refusal.as_str()))
            }
        }
    }

    fn wait(&mut self, cx: &mut TaskContext<'_>) -> Poll<Result<Frame, BodyError>> {
        if self.pace.poll_wait(cx).is_ready() {
            self.state = State::Broken;
            return Poll::Ready(Err(BodyError::TimedOut));
        }
        Poll::Pending
    }
}
