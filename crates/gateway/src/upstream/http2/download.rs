//! An answer's body on its way down a stream.
//!
//! A piece gives its room in the windows back when the next one is asked for, that is, when it has been passed on:
//! a slow client slows the backend. What is left of the request goes up meanwhile.
//!
//! SECURITY: only END_STREAM is an end. An answer of known length looks whole to a client with its last byte, so its last
//! piece waits for the end, too. A reset, a GOAWAY, a connection that closes or a pause beyond
//! `timeout.idle` is an error, and the client sees the transfer break off.

use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use h2::{Reason, RecvStream, SendStream};

use super::head;
use super::pool::Place;
use super::upload::{Upload, UploadError};
use crate::clock::{self, Instant};
use crate::http::deadline::Deadline;
use crate::http::trailers::canonicalise_trailers;
use crate::http::{BodyError, Frame, Size, Source};
use crate::upstream::answer::earlier;
use crate::upstream::backend::Target;
use crate::upstream::upload::Progress;

/// The rest of an answer.
pub(super) struct Download {
    /// `None` after the end: the codec cancels what is left of a stream when nobody holds it.
    receive: Option<RecvStream>,
    upload: Option<(Upload, SendStream<Bytes>)>,
    place: Option<Place>,
    /// Who answers, and when it had been asked.
    source: (Arc<Target>, Instant),
    size: Size,
    state: State,
    /// Bytes still to come, where that is known.
    left: Option<u64>,
    /// The last piece of a known length, until the end is there.
    last: Option<Bytes>,
    /// Bytes handed out whose room the backend has not got back yet.
    lent: usize,
    idle: Duration,
    total_due: Option<Instant>,
    deadline: Deadline,
    is_waiting: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Data,
    Trailers,
    Ended,
    Broken,
}

impl Download {
    pub(super) fn new(
        receive: RecvStream,
        size: Size,
        upload: Option<(Upload, SendStream<Bytes>)>,
        place: Place,
        source: (Arc<Target>, Instant),
        (idle, total_due): (Duration, Option<Instant>),
    ) -> Self {
        Self {
            receive: Some(receive),
            upload,
            place: Some(place),
            source,
            size,
            state: State::Data,
            left: match size {
                Size::Exactly(length) => Some(length),
                Size::None | Size::Unknown => None,
            },
            last: None,
            lent: 0,
            idle,
            total_due,
            deadline: Deadline::new(),
            is_waiting: false,
        }
    }

    fn close(&mut self, state: State) {
        self.state = state;
        self.upload = None;
        self.receive = None;
        self.place = None;
    }

    /// Ends as the target meant it to.
    fn finish(&mut self) {
        if self.receive.is_some() {
            let (target, asked) = &self.source;
            target.standing.answered(*asked, None, clock::now());
        }
        self.close(State::Ended);
    }

    fn break_off(&mut self) {
        if self.receive.is_some() {
            let (target, asked) = &self.source;
            target.broke_off(*asked, self.total_due);
        }
        self.close(State::Broken);
    }

    /// Sends more of the request; an error is the request's body breaking off.
    fn send(&mut self, cx: &mut Context<'_>) -> Result<(), BodyError> {
        let Some((upload, stream)) = &mut self.upload else { return Ok(()) };
        let before = upload.sent_bytes();
        match upload.poll(cx, stream) {
            Ok(Progress::Starved | Progress::Blocked) => {
                if upload.sent_bytes() > before {
                    self.is_waiting = false;
                }
            }
            // Sent, or the backend wants no more of it; its answer stands.
            Ok(Progress::Done) | Err(UploadError::Refused) => self.upload = None,
            Err(UploadError::Body(error)) => {
                stream.send_reset(Reason::CANCEL);
                self.close(State::Broken);
                return Err(error);
            }
        }
        Ok(())
    }

    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Result<Frame, BodyError>> {
        let Some(receive) = &mut self.receive else {
            let is_ended = self.state == State::Ended;
            return Poll::Ready(if is_ended { Ok(Frame::End) } else { Err(BodyError::Closed) });
        };
        let lent = std::mem::take(&mut self.lent);
        if lent > 0 {
            // A stream that is over needs no room.
            let _ = receive.flow_control().release_capacity(lent);
        }
        while self.state == State::Data {
            match ready!(receive.poll_data(cx)) {
                Some(Ok(piece)) if piece.is_empty() => {}
                Some(Ok(piece)) => {
                    // The codec judges more than the announced length.
                    self.left = self.left.map(|left| left.saturating_sub(piece.len() as u64));
                    if self.left == Some(0) && !receive.is_end_stream() {
                        self.last = Some(piece);
                        continue;
                    }
                    self.lent = piece.len();
                    return Poll::Ready(Ok(Frame::Data(piece)));
                }
                Some(Err(error)) => return Poll::Ready(Err(broken(&error))),
                None => self.state = State::Trailers,
            }
        }
        if let Some(piece) = self.last.take() {
            return Poll::Ready(Ok(Frame::Data(piece)));
        }
        Poll::Ready(match ready!(receive.poll_trailers(cx)) {
            Ok(Some(map)) => match head::fields(&map, head::TRAILER_FIELDS_MAX) {
                Ok(mut fields) => {
                    canonicalise_trailers(&mut fields);
                    Ok(Frame::Trailers(fields))
                }
                Err(why) => Err(BodyError::Malformed(why)),
            },
            Ok(None) => Ok(Frame::End),
            Err(error) => Err(broken(&error)),
        })
    }

    /// The backend has `idle` for each piece.
    fn poll_patience(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.is_waiting {
            let due = clock::now().checked_add(self.idle);
            self.deadline.set_at(earlier(due, self.total_due));
            self.is_waiting = true;
        }
        self.deadline.poll(cx).map(|_| ())
    }
}

impl Source for Download {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Result<Frame, BodyError>> {
        self.send(cx)?;
        let Poll::Ready(received) = self.poll_receive(cx) else {
            ready!(self.poll_patience(cx));
            self.break_off();
            return Poll::Ready(Err(BodyError::TimedOut));
        };
        self.is_waiting = false;
        match &received {
            Ok(Frame::Data(_)) => {}
            Ok(Frame::Trailers(_) | Frame::End) => self.finish(),
            Err(_) => self.break_off(),
        }
        Poll::Ready(received)
    }

    fn drive(&mut self, cx: &mut Context<'_>) {
        // An error is kept and told when the next piece is asked for.
        let _ = self.send(cx);
    }

    fn size(&self) -> Size {
        self.size
    }
}

fn broken(error: &h2::Error) -> BodyError {
    if error.is_library() && !error.is_io() {
        BodyError::Malformed("the answer breaks the rules of HTTP/2")
    } else {
        BodyError::Closed
    }
}
