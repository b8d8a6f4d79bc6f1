//! A message body as a pull: data, trailers, end, or an error.
//!
//! The next piece is asked for when the last has been written on, so a slow reader slows the sender and memory
//! stays flat. A body that stops without its proper end is an error; whoever writes it on must abort and must
//! never write an end ([`Frame::End`] is the only licence to do so).

use std::fmt;
use std::future::poll_fn;
use std::task::{Context, Poll};

use bytes::Bytes;
use portcullis_http1::Fields;

use super::ending::{Ended, Ending};
use super::tunnel::Tunnel;
use crate::problem::Problem;

/// A message body, read once, from front to back.
pub enum Body {
    /// No body at all.
    Empty,
    /// A body that already lies in memory; `None` once it has been handed out.
    Memory(Option<Bytes>),
    /// A body still on its way from a connection, a stream or a file.
    Stream(Box<dyn Source>),
    /// What follows a 101: no body, but the backend's side of a connection that is no longer HTTP.
    Switched(Box<Tunnel>),
}

/// One piece of a body. After [`Frame::End`] nothing more may be asked for.
#[derive(Debug)]
pub enum Frame {
    /// Content, never empty.
    Data(Bytes),
    /// Trailer fields; only the end may follow.
    Trailers(Fields),
    /// The sender's proper end of the message.
    End,
}

/// What is known of a body's length before it is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// The message has no body.
    None,
    /// Exactly this many bytes.
    Exactly(u64),
    /// Delimited by its own end.
    Unknown,
}

/// Where the pieces of a streamed body come from. `Sync`, because hooks borrow the request across an await.
pub trait Source: Send + Sync {
    /// The next piece. Must not be called again after an end or an error.
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Result<Frame, BodyError>>;

    /// What is known of the whole body's length.
    fn size(&self) -> Size;

    /// Begins again from the start, if all of it is still there; says whether it does.
    fn rewind(&mut self) -> bool {
        false
    }

    /// Moves on what can move without a new piece. Whoever is busy writing the last piece calls this meanwhile:
    /// an answer may still have a part of its request to send, and a client may read only when that is through.
    fn drive(&mut self, _cx: &mut Context<'_>) {}
}

/// Why a body stopped before its end.
#[derive(Debug)]
pub enum BodyError {
    /// The sender went away or broke the connection.
    Closed,
    /// The sender broke the framing; the text is for the log.
    Malformed(&'static str),
    /// The sender was too slow.
    TimedOut,
    /// The stream's ground was taken away, and its time to end has passed.
    Lapsed,
    /// A bound or a policy refused the rest.
    Refused(Box<Problem>),
}

impl Body {
    /// A body in memory.
    pub fn from_bytes(bytes: Bytes) -> Self {
        if bytes.is_empty() { Self::Empty } else { Self::Memory(Some(bytes)) }
    }

    /// The next piece.
    pub fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Result<Frame, BodyError>> {
        match self {
            Self::Empty | Self::Switched(_) => Poll::Ready(Ok(Frame::End)),
            Self::Memory(bytes) => Poll::Ready(Ok(bytes.take().map_or(Frame::End, Frame::Data))),
            Self::Stream(source) => source.poll_frame(cx),
        }
    }

    /// The next piece, awaited.
    pub async fn frame(&mut self) -> Result<Frame, BodyError> {
        poll_fn(|cx| self.poll_frame(cx)).await
    }

    /// Begins again from the start, if all of it is still there; says whether it does.
    pub fn rewind(&mut self) -> bool {
        match self {
            Self::Empty => true,
            Self::Memory(bytes) => bytes.is_some(),
            Self::Stream(source) => source.rewind(),
            Self::Switched(_) => false,
        }
    }

    /// Moves on what can move while the last piece is still being written; see [`Source::drive`].
    pub fn drive(&mut self, cx: &mut Context<'_>) {
        if let Self::Stream(source) = self {
            source.drive(cx);
        }
    }

    /// What is known of the length before reading.
    pub fn size(&self) -> Size {
        match self {
            Self::Empty | Self::Switched(_) => Size::None,
            Self::Memory(bytes) => Size::Exactly(bytes.as_ref().map_or(0, |b| b.len() as u64)),
            Self::Stream(source) => source.size(),
        }
    }

    /// Whether it may be on its way for long: it does not lie in memory.
    pub fn takes_time(&self) -> bool {
        matches!(self, Self::Stream(_) | Self::Switched(_))
    }

    /// The same, ended by `ending` as well: what has no end of its own yet breaks off.
    #[must_use]
    pub fn until(self, ending: Ending) -> Self {
        match self {
            Self::Empty | Self::Memory(_) => self,
            Self::Stream(_) => Self::Stream(Box::new(Ended { body: self, ending })),
            Self::Switched(tunnel) => Self::Switched(Box::new(Tunnel { ending: Some(ending), ..*tunnel })),
        }
    }

    /// Takes the body out and leaves an empty one.
    pub fn take(&mut self) -> Self {
        std::mem::replace(self, Self::Empty)
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Body").field(&self.size()).finish()
    }
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("connection closed before the body's end"),
            Self::Malformed(what) => f.write_str(what),
            Self::TimedOut => f.write_str("the body came too slowly"),
            Self::Lapsed => {
                f.write_str("a change of the configuration, or a credential's end, ended the stream")
            }
            Self::Refused(problem) => write!(f, "refused: {}", problem.kind().code),
        }
    }
}
