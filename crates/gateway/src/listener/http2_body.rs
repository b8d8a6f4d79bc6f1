//! The body of an HTTP/2 request as a pull from its stream.
//!
//! The client may send as far ahead as the stream's window says. A piece gives its room back when the next one is
//! asked for, that is, when it has been passed on; so a slow backend slows the client, and memory stays flat. The
//! codec holds the data to `content-length` (RFC 9113 §8.1.1) and resets the stream when it differs.
//!
//! # Limits
//! Those of [`Pace`]; `trailers` and `trailer_fields`; `h2_stream_window` bytes ahead.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use h2::RecvStream;
use http::HeaderMap;
use portcullis_http1::Fields;

use super::http2_head::{is_token, is_trimmed};
use super::pace::Pace;
use crate::bounds::Bounds;
use crate::http::interim::Interim;
use crate::http::{BodyError, Frame, Size, Source};

/// A request's body.
pub(super) struct StreamBody {
    stream: RecvStream,
    size: Size,
    state: State,
    /// Bytes handed out whose room the client has not got back yet.
    lent: usize,
    /// Where to ask for the body, while the client waits to be asked.
    expects: Option<Arc<Interim>>,
    received: Arc<AtomicU64>,
    pace: Pace,
    trailer_bytes: u64,
    trailer_fields: u32,
}

#[derive(Clone, Copy)]
enum State {
    Data,
    Trailers,
    End,
}

impl StreamBody {
    /// `received` is told how many bytes of content came; `expects` of a client that waits to be asked.
    pub(super) fn new(
        stream: RecvStream,
        size: Size,
        expects: Option<Arc<Interim>>,
        received: Arc<AtomicU64>,
        bounds: &Bounds,
    ) -> Self {
        Self {
            stream,
            size,
            state: State::Data,
            lent: 0,
            expects,
            received,
            pace: Pace::new(bounds),
            trailer_bytes: bounds.trailers,
            trailer_fields: bounds.trailer_fields,
        }
    }

    fn give_back(&mut self) {
        let lent = std::mem::take(&mut self.lent);
        if lent > 0 {
            // A stream that is over needs no room.
            let _ = self.stream.flow_control().release_capacity(lent);
        }
    }

    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Frame>, BodyError>> {
        loop {
            match self.stream.poll_data(cx) {
                Poll::Ready(Some(Ok(piece))) if piece.is_empty() => {}
                Poll::Ready(Some(Ok(piece))) => {
                    self.lent = piece.len();
                    self.pace.came(piece.len());
                    self.received.store(self.pace.received(), Ordering::Relaxed);
                    return Poll::Ready(Ok(Some(Frame::Data(piece))));
                }
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(body_error(&error))),
                Poll::Ready(None) => return Poll::Ready(Ok(None)),
                Poll::Pending => return self.wait(cx),
            }
        }
    }

    fn poll_trailers(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Frame>, BodyError>> {
        match self.stream.poll_trailers(cx) {
            Poll::Ready(Ok(None)) => Poll::Ready(Ok(None)),
            Poll::Ready(Ok(Some(map))) => {
                self.pace.came(0);
                Poll::Ready(self.trailers(&map).map(|fields| Some(Frame::Trailers(fields))))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(body_error(&error))),
            Poll::Pending => self.wait(cx),
        }
    }

    fn wait(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Frame>, BodyError>> {
        if let Some(interim) = self.expects.take() {
            interim.go_on();
        }
        self.pace.poll_wait(cx).map(|_| Err(BodyError::TimedOut))
    }

    fn trailers(&self, map: &HeaderMap) -> Result<Fields, BodyError> {
        if map.len() > self.trailer_fields as usize {
            return Err(BodyError::Malformed("too many trailer fields"));
        }
        let mut fields = Fields::new();
        for (name, value) in map {
            if !is_token(name) {
                return Err(BodyError::Malformed("a forbidden character in the name of a trailer field"));
            }
            if !is_trimmed(value) {
                return Err(BodyError::Malformed("a trailer field begins or ends with white space"));
            }
            fields.push(name, value);
            if fields.text_len() as u64 > self.trailer_bytes {
                return Err(BodyError::Malformed("the trailer section is too long"));
            }
        }
        Ok(fields)
    }
}

impl Source for StreamBody {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Result<Frame, BodyError>> {
        self.give_back();
        loop {
            let (polled, next) = match self.state {
                State::Data => (self.poll_data(cx)?, State::Trailers),
                State::Trailers => (self.poll_trailers(cx)?, State::End),
                State::End => return Poll::Ready(Ok(Frame::End)),
            };
            match polled {
                Poll::Ready(Some(frame @ Frame::Trailers(_))) => {
                    self.state = State::End;
                    return Poll::Ready(Ok(frame));
                }
                Poll::Ready(Some(frame)) => return Poll::Ready(Ok(frame)),
                Poll::Ready(None) => self.state = next,
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    fn size(&self) -> Size {
        self.size
    }
}

fn body_error(error: &h2::Error) -> BodyError {
    if error.is_library() && !error.is_io() {
        BodyError::Malformed("the stream breaks the rules of HTTP/2")
    } else {
        BodyError::Closed
    }
}
