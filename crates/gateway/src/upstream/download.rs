//! An answer's body on its way to the client.
//!
//! A body that came whole with its head is handed over from memory, and its connection is free at once. Any
//! other is pulled: the connection, and what is left of the upload, belong to the body until its end. Reads
//! begin small and grow while they come back full.
//!
//! SECURITY: only the proper end of the framing is an end. A connection that closes before it, a TLS session
//! that closes without saying so, or a pause beyond `timeout.idle` is an error, and the client sees the transfer
//! break off. A connection is kept only after such an end, with the whole request sent and not a byte left over.

use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use portcullis_http1::{BodyBounds, BodyDecoder, Event, Framing};

use super::answer::earlier;
use super::connection::{Connection, READ_ROOM, READ_ROOM_LONG, READ_ROOM_MAX};
use super::failure::Failure;
use super::upload::{Progress, Upload, UploadError};
use crate::clock::{self, Instant};
use crate::http::long_read::LongRead;
use crate::http::trailers::canonicalise_trailers;
use crate::http::{Body, BodyError, Frame, Size, Source};

/// What holds for an answer's body.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms {
    /// How long it may pause.
    pub(super) idle: Duration,
    /// When all must be over.
    pub(super) total_due: Option<Instant>,
    /// When the target had all of the request, or was first sent some.
    pub(super) asked: Instant,
    /// How long the connection may be kept afterwards; `None`: it closes.
    pub(super) keep_for: Option<Duration>,
}

/// Begins the body behind a head that was taken out of the connection's buffer `now`, which was perhaps read in the
/// place `long`.
pub(super) fn begin(
    mut connection: Box<Connection>,
    upload: Option<Upload>,
    framing: Framing,
    terms: Terms,
    long: Option<LongRead>,
    now: Instant,
) -> Result<Body, Failure> {
    let buffer = &mut connection.reader.buffer;
    let is_long = matches!(framing, Framing::Length(length) if length >= READ_ROOM_LONG as u64);
    connection.brings_much = is_long;
    // PERF: as most answers are, and then it takes no decoder.
    if let Framing::Length(length) = framing
        && let Ok(length) = usize::try_from(length)
        && length <= buffer.len()
    {
        let bytes = buffer.split_to(length).freeze();
        return whole(connection, upload, bytes, terms.keep_for, now);
    }
    let mut decoder = BodyDecoder::new(framing, &BodyBounds::default());
    let mut ahead = [None, None];
    let bytes = match decoder.decode(buffer)? {
        Event::End => Some(Bytes::new()),
        Event::More => None,
        Event::Data(piece) => match decoder.decode(buffer)? {
            Event::End => Some(piece),
            Event::More => {
                ahead = [Some(Event::Data(piece)), None];
                None
            }
            next @ (Event::Data(_) | Event::Trailers(_)) => {
                ahead = [Some(Event::Data(piece)), Some(next)];
                None
            }
        },
        trailers @ Event::Trailers(_) => {
            ahead = [Some(trailers), None];
            None
        }
    };
    if let Some(bytes) = bytes {
        return whole(connection, upload, bytes, terms.keep_for, now);
    }
    let size = match framing {
        Framing::Length(length) => Size::Exactly(length),
        Framing::None | Framing::Chunked | Framing::UntilClose => Size::Unknown,
    };
    let long = if is_long { long.or_else(LongRead::take) } else { None };
    let room = if long.is_some() { READ_ROOM_LONG } else { READ_ROOM };
    Ok(Body::Stream(Box::new(Download {
        connection: Some(connection),
        upload,
        decoder,
        ahead,
        size,
        terms,
        room,
        long,
        is_waiting: false,
        is_broken: false,
    })))
}

/// A body that came whole with its head: its connection is free.
fn whole(
    connection: Box<Connection>,
    upload: Option<Upload>,
    bytes: Bytes,
    keep_for: Option<Duration>,
    now: Instant,
) -> Result<Body, Failure> {
    // What follows an answer belongs to none: another answer smuggled in, or a backend that lost count.
    if !connection.reader.buffer.is_empty() {
        return Err(Failure::Unexpected("bytes follow the answer that belong to none"));
    }
    let has_large_buffer = connection.brings_much;
    keep(connection, upload, keep_for, has_large_buffer, now);
    Ok(Body::from_bytes(bytes))
}

/// Keeps a connection behind the proper end of an answer, if nothing else speaks against it.
fn keep(
    mut connection: Box<Connection>,
    upload: Option<Upload>,
    keep_for: Option<Duration>,
    has_large_buffer: bool,
    now: Instant,
) {
    let Some(keep_for) = keep_for else { return };
    if upload.is_some() || !connection.reader.buffer.is_empty() {
        return;
    }
    if has_large_buffer {
        // An idle connection holds no more memory than a small answer needs; what is left of a large buffer does not
        // show how large it was.
        connection.reader.buffer = BytesMut::new();
    }
    connection.release(now, keep_for);
}

/// The rest of an answer, still on its connection.
#[derive(Debug)]
struct Download {
    /// `None` after the end.
    connection: Option<Box<Connection>>,
    /// What is left of the request.
    upload: Option<Upload>,
    decoder: BodyDecoder,
    /// What was decoded with the head.
    ahead: [Option<Event>; 2],
    size: Size,
    terms: Terms,
    room: usize,
    /// Its place among those that may read large pieces.
    long: Option<LongRead>,
    /// Whether the deadline runs.
    is_waiting: bool,
    is_broken: bool,
}

impl Download {
    /// Ends as the target meant it to.
    fn finish(&mut self) {
        let now = clock::now();
        if let Some(connection) = &self.connection {
            connection.target.standing.answered(self.terms.asked, None, now);
        }
        let upload = self.upload.take();
        if let Some(connection) = self.connection.take() {
            keep(connection, upload, self.terms.keep_for, self.room > READ_ROOM, now);
        }
    }

    fn fail(&mut self, error: BodyError) -> BodyError {
        self.is_broken = true;
        self.upload = None;
        self.connection = None;
        error
    }

    /// Sends more of the request; an error is the request's body breaking off.
    fn send(&mut self, cx: &mut Context<'_>) -> Result<(), BodyError> {
        let (Some(upload), Some(connection)) = (&mut self.upload, &mut self.connection) else {
            return Ok(());
        };
        let before = upload.sent_bytes();
        match upload.poll(cx, &mut connection.writer) {
            Ok(Progress::Starved | Progress::Blocked) => {
                if upload.sent_bytes() > before {
                    self.is_waiting = false;
                }
            }
            Ok(Progress::Done) => {
                if let Some(mut upload) = self.upload.take() {
                    connection.spare = upload.take_spare();
                }
            }
            Err(UploadError::Body(error)) => return Err(self.fail(error)),
            // The backend wants no more of the request; its answer stands.
            Err(UploadError::Write(_)) => {
                self.upload = None;
                self.terms.keep_for = None;
            }
        }
        Ok(())
    }

    fn next_event(&mut self, cx: &mut Context<'_>) -> Poll<Result<Event, BodyError>> {
        if let Some(event) = self.ahead.iter_mut().find_map(Option::take) {
            return Poll::Ready(Ok(event));
        }
        let Some(connection) = &mut self.connection else {
            return Poll::Ready(if self.is_broken { Err(BodyError::Closed) } else { Ok(Event::End) });
        };
        loop {
            match self.decoder.decode(&mut connection.reader.buffer) {
                Ok(Event::More) => {}
                event => return Poll::Ready(event.map_err(|refusal| BodyError::Malformed(refusal.as_str()))),
            }
            match connection.reader.poll_fill(cx, self.room) {
                Poll::Ready(Ok(0)) => {
                    let event = self.decoder.finish().map_err(|_| BodyError::Closed);
                    self.terms.keep_for = None;
                    return Poll::Ready(event);
                }
                Poll::Ready(Ok(read)) => {
                    if read >= self.room && self.room < READ_ROOM_MAX {
                        self.long = self.long.take().or_else(LongRead::take);
                        if self.long.is_some() {
                            self.room = self.room.saturating_mul(2).min(READ_ROOM_MAX);
                        }
                    }
                }
                Poll::Ready(Err(_)) => return Poll::Ready(Err(BodyError::Closed)),
                Poll::Pending => {
                    if !self.is_waiting {
                        let due = clock::now().checked_add(self.terms.idle);
                        connection.deadline.set_at(earlier(due, self.terms.total_due));
                        self.is_waiting = true;
                    }
                    let _ = ready!(connection.deadline.poll(cx));
                    return Poll::Ready(Err(BodyError::TimedOut));
                }
            }
        }
    }
}

impl Source for Download {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Result<Frame, BodyError>> {
        self.send(cx)?;
        let event = match ready!(self.next_event(cx)) {
            Ok(event) => event,
            Err(error) => {
                if let Some(connection) = &self.connection {
                    connection.target.broke_off(self.terms.asked, self.terms.total_due);
                }
                return Poll::Ready(Err(self.fail(error)));
            }
        };
        self.is_waiting = false;
        Poll::Ready(Ok(match event {
            Event::Data(piece) => {
                // A body of known length is whole with its last piece: the connection is free before the client
                // has taken that.
                if self.decoder.is_done() && self.ahead.iter().all(Option::is_none) {
                    self.finish();
                }
                Frame::Data(piece)
            }
            Event::Trailers(mut trailers) => {
                canonicalise_trailers(&mut trailers);
                Frame::Trailers(trailers)
            }
            Event::End | Event::More => {
                self.finish();
                Frame::End
            }
        }))
    }

    fn drive(&mut self, cx: &mut Context<'_>) {
        // An error is kept and told when the next piece is asked for.
        let _ = self.send(cx);
    }

    fn size(&self) -> Size {
        self.size
    }
}
