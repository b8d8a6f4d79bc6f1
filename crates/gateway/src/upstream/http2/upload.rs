//! A request's body on its way up a stream, within the backend's windows.
//!
//! The body is asked for its next piece when the codec has taken the last.
//!
//! SECURITY: END_STREAM is written for [`Frame::End`] and nothing else. A body of known length is complete with its
//! last byte, so its last piece waits for the end, too.

use std::task::{Context, Poll};

use bytes::Bytes;
use h2::SendStream;
use http::HeaderMap;

use super::head;
use crate::http::trailers::canonicalise_trailers;
use crate::http::{Body, BodyError, Frame, Size, Source};
use crate::upstream::upload::Progress;

/// A body being sent.
#[derive(Debug)]
pub(super) struct Upload {
    body: Body,
    /// What the codec has not taken yet.
    piece: Bytes,
    /// Bytes still to come, where that is known.
    left: Option<u64>,
    trailers: Option<HeaderMap>,
    /// The body has ended.
    is_ended: bool,
    /// The codec has been told so.
    is_done: bool,
    sent_bytes: u64,
    /// The first piece, to be sent again, and how many came.
    first: Bytes,
    pieces: u64,
}

/// Why an upload stopped.
#[derive(Debug)]
pub(super) enum UploadError {
    /// The body broke off; the stream must be reset.
    Body(BodyError),
    /// The backend takes no more of it.
    Refused,
}

/// A piece of the body handed to the codec at once.
const PART_BYTES: usize = 64 * 1024;

impl Upload {
    pub(super) fn new(body: Body, size: Size) -> Self {
        let is_ended = matches!(body, Body::Empty);
        Self {
            body,
            piece: Bytes::new(),
            left: match size {
                Size::None => Some(0),
                Size::Exactly(length) => Some(length),
                Size::Unknown => None,
            },
            trailers: None,
            is_ended,
            is_done: is_ended,
            sent_bytes: 0,
            first: Bytes::new(),
            pieces: 0,
        }
    }

    /// Whether the head alone is the request.
    pub(super) fn is_empty(&self) -> bool {
        self.is_ended && self.pieces == 0 && self.trailers.is_none()
    }

    /// Whether the codec has all of it.
    pub(super) fn is_done(&self) -> bool {
        self.is_done
    }

    /// Bytes handed to the codec; grows with progress.
    pub(super) fn sent_bytes(&self) -> u64 {
        self.sent_bytes
    }

    /// Begins again, if no more than the first piece was taken.
    pub(super) fn rewind(&mut self) -> bool {
        if self.pieces > 1 {
            return false;
        }
        self.piece = self.first.clone();
        self.is_done = self.is_empty();
        true
    }

    /// The body from its start, if it can be sent again.
    pub(super) fn into_body(mut self) -> Option<Body> {
        if self.trailers.is_some() || self.pieces > 1 {
            return self.body.rewind().then_some(self.body);
        }
        let rest = if self.is_ended { Body::Empty } else { self.body };
        Some(match self.pieces {
            0 => rest,
            _ => Body::Stream(Box::new(Resumed { first: Some(self.first), rest })),
        })
    }

    /// Sends what can be sent.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        stream: &mut SendStream<Bytes>,
    ) -> Result<Progress, UploadError> {
        while !self.is_done {
            let is_held = self.left == Some(0);
            if !self.is_ended && (self.piece.is_empty() || is_held) {
                match self.body.poll_frame(cx) {
                    Poll::Pending => return Ok(Progress::Starved),
                    Poll::Ready(frame) => self.take(frame.map_err(UploadError::Body)?)?,
                }
            } else if self.piece.is_empty() {
                self.end(stream)?;
            } else if !self.poll_part(cx, stream)? {
                return Ok(Progress::Blocked);
            }
        }
        Ok(Progress::Done)
    }

    fn take(&mut self, frame: Frame) -> Result<(), UploadError> {
        match frame {
            Frame::Data(piece) => {
                if let Some(left) = self.left {
                    let Some(left) = left.checked_sub(piece.len() as u64) else {
                        let why = "the body is longer than announced";
                        return Err(UploadError::Body(BodyError::Malformed(why)));
                    };
                    self.left = Some(left);
                }
                self.first = if self.pieces == 0 { piece.clone() } else { Bytes::new() };
                self.pieces = self.pieces.saturating_add(1);
                self.piece = piece;
            }
            Frame::Trailers(mut fields) => {
                canonicalise_trailers(&mut fields);
                let unfit = UploadError::Body(BodyError::Malformed("a trailer field has no form in HTTP/2"));
                self.trailers = Some(head::map(&fields).ok_or(unfit)?);
            }
            Frame::End if self.left.is_some_and(|left| left > 0) => {
                return Err(UploadError::Body(BodyError::Closed));
            }
            Frame::End => self.is_ended = true,
        }
        Ok(())
    }

    /// Hands a part of the piece to the codec; `false` when the backend has no room for one.
    fn poll_part(
        &mut self,
        cx: &mut Context<'_>,
        stream: &mut SendStream<Bytes>,
    ) -> Result<bool, UploadError> {
        stream.reserve_capacity(self.piece.len().min(PART_BYTES));
        let mut room = stream.capacity();
        while room == 0 {
            room = match stream.poll_capacity(cx) {
                Poll::Pending => return Ok(false),
                Poll::Ready(Some(Ok(room))) => room,
                Poll::Ready(None | Some(Err(_))) => return Err(UploadError::Refused),
            };
        }
        let part = self.piece.split_to(room.min(self.piece.len()));
        let sent = part.len() as u64;
        let is_last = self.is_ended && self.piece.is_empty() && self.trailers.is_none();
        stream.send_data(part, is_last).map_err(|_| UploadError::Refused)?;
        self.sent_bytes = self.sent_bytes.saturating_add(sent);
        self.is_done = is_last;
        Ok(true)
    }

    fn end(&mut self, stream: &mut SendStream<Bytes>) -> Result<(), UploadError> {
        let ended = match &self.trailers {
            Some(trailers) => stream.send_trailers(trailers.clone()),
            None => stream.send_data(Bytes::new(), true),
        };
        self.is_done = true;
        ended.map_err(|_| UploadError::Refused)
    }
}

/// A body of which the first piece was taken, from its start.
struct Resumed {
    first: Option<Bytes>,
    rest: Body,
}

impl Source for Resumed {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Result<Frame, BodyError>> {
        match self.first.take() {
            Some(first) => Poll::Ready(Ok(Frame::Data(first))),
            None => self.rest.poll_frame(cx),
        }
    }

    fn size(&self) -> Size {
        Size::Unknown
    }
}
