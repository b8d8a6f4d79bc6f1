//! One exchange with a target: the request goes up while the answer's head is awaited, then the answer's body is
//! handed on.
//!
//! Both directions are driven by one poll loop in the exchange's own task. A backend may answer before the
//! upload ends: its answer goes to the client and the upload goes on while the answer's body is pulled. When
//! the answer ends first, the upload stops and the connection is closed, for what the backend would take the
//! rest for is anybody's guess.
//!
//! **Sent again.** A kept connection may have been closed by the backend in the moment we chose it. Then, before a
//! byte of an answer came, the request is sent once more on a new connection to the same target, if `retry` lets it.
//! What else may be sent again, to this target or another, is left in [`Rest`].
//!
//! # Limits
//! [`AnswerBounds`](super::spec::AnswerBounds): bytes and fields of a head, interim answers. Beyond them: 502.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Buf;
use http::{Method, StatusCode};
use portcullis_http1::{Bounds, HeadDecoder, ResponseHead, response_framing};

use super::backend::Target;
use super::connect::connect;
use super::connection::{Connection, READ_ROOM, READ_ROOM_LONG, kept_for};
use super::download::{self, Terms};
use super::failure::{Failure, TOO_MANY_INTERIMS, Wait};
use super::retry::Budget;
use super::retry::Tries;
use super::spec::BackendSpec;
use super::upload::{Progress, Upload, UploadError};
use crate::clock::{self, Instant};
use crate::http::deadline::Deadline;
use crate::http::interim::Interim;
use crate::http::long_read::LongRead;
use crate::http::response::{MalformedResponse, canonicalise_interim};
use crate::http::spare;
use crate::http::tunnel::Tunnel;
use crate::http::{Body, Upgrade};

/// What an exchange is to be done with.
pub(super) struct Errand<'a> {
    pub(super) spec: &'a BackendSpec,
    pub(super) budget: &'a Budget,
    pub(super) target: &'a Arc<Target>,
    pub(super) method: &'a Method,
    /// How long the answer's body may pause.
    pub(super) idle: Duration,
    /// How long all of it may take.
    pub(super) total: Option<Duration>,
    /// What the client asked to switch to, where the operation allows it.
    pub(super) upgrade: Option<Upgrade>,
    pub(super) started: Instant,
    /// When this try began.
    pub(super) began: Instant,
    pub(super) times: &'a mut Times,
    pub(super) tries: &'a mut Tries,
    pub(super) deadline: &'a mut Deadline,
    pub(super) interim: &'a Interim,
}

/// What a target took its time for.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Times {
    /// When it took the last of the request, once it has all that there was of it.
    pub(super) asked: Option<Instant>,
    /// When the head of its answer was there.
    pub(super) heard: Option<Instant>,
}

/// What is left of a request when no answer to it counts.
#[derive(Debug)]
pub(super) struct Rest {
    /// The request from its start; `None`: it cannot be sent again.
    pub(super) load: Option<Load>,
    /// Nobody has looked at it.
    pub(super) is_untouched: bool,
}

impl Rest {
    /// A request of which nothing was sent.
    pub(super) fn untouched(load: Option<Load>) -> Self {
        Self { load, is_untouched: true }
    }
}

/// A request that can be sent.
#[derive(Debug)]
pub(super) enum Load {
    /// Its body, of which nothing was read.
    Body(Body),
    /// A message in HTTP/1.1 from its start.
    Upload(Box<Upload>),
}

/// An answer as it came: its head in one reading, its body still to be pulled.
#[derive(Debug)]
pub(super) struct Incoming {
    pub(super) head: ResponseHead,
    pub(super) body: Body,
}

impl Errand<'_> {
    /// Sends the request on `connection`, which may be one that was `kept`, and awaits the head of the answer. What may
    /// be sent again is left in `rest`.
    // PERF: borrows what it works on; each state that is moved into another one is copied, and takes its room twice.
    pub(super) async fn run(
        &mut self,
        mut connection: Box<Connection>,
        mut was_kept: bool,
        upload: &mut Upload,
        rest: &mut Rest,
    ) -> Result<Incoming, Failure> {
        loop {
            // PERF: nobody was waited for since the try began.
            let now = was_kept.then_some(self.began);
            let mut turn = Turn::new(self, &mut connection, upload, now);
            let outcome = poll_fn(|cx| turn.poll(cx)).await;
            let is_sent = !turn.is_sending && turn.write_error.is_none();
            let is_untouched = turn.has_sent_nothing();
            let is_stale = was_kept && !turn.was_heard;
            let long = turn.long.take();
            let may_repeat = is_untouched || (turn.errand.method.is_idempotent() && !turn.has_passed);
            self.deadline.clear();
            let failure = match outcome {
                Ok(head) => return self.receive(connection, upload, is_sent, head, long, rest),
                Err(failure) => failure,
            };
            if !may_repeat {
                return Err(failure);
            }
            let is_stale = is_stale && matches!(failure, Failure::Closed(_));
            if !is_stale || !upload.rewind() || !self.sends_again(is_untouched) {
                *rest = Rest { load: upload.take_load(), is_untouched };
                return Err(failure);
            }
            // Not held over the wait that follows: every exchange would make room for it.
            drop(failure);
            was_kept = false;
            // Boxed: it is rare, and every exchange would make room for it.
            connection = match Box::pin(self.open()).await {
                Ok(connection) => connection,
                Err(failure) => {
                    // Paid for, and nobody has seen it since.
                    *rest = Rest::untouched(upload.take_load());
                    return Err(failure);
                }
            };
        }
    }

    /// Whether the request may be sent once more, which costs the backend's budget unless it is `untouched`.
    pub(super) fn sends_again(&mut self, untouched: bool) -> bool {
        if untouched {
            self.tries.go_on();
            return true;
        }
        self.budget.spend(self.tries, clock::now())
    }

    /// Whether an answer with this head is one that another try may better.
    pub(super) fn may_better(&self, head: &ResponseHead) -> bool {
        matches!(head.status, 502..=504)
            && !head.fields.has("retry-after")
            && self.method.is_idempotent()
            && self.tries.is_left()
    }

    pub(super) async fn open(&mut self) -> Result<Box<Connection>, Failure> {
        let due = earlier(clock::now().checked_add(self.spec.timeouts.connect), self.total_due());
        self.deadline.set_at(due);
        // Boxed: it is rare, and would take more room in every exchange than all the rest.
        let opening = Box::pin(connect(self.target));
        match self.deadline.race(opening).await {
            Ok(opened) => opened,
            Err(_) => Err(Failure::TimedOut(self.waited_for(Wait::Connect))),
        }
    }

    pub(super) fn total_due(&self) -> Option<Instant> {
        self.started.checked_add(self.total?)
    }

    /// Moves the deadline with the upload: the backend has the time while it is the backend we wait for, anew after
    /// each progress. `now` is what time it is, if that is known.
    pub(super) fn time_upload(
        &mut self,
        progress: Progress,
        has_moved: bool,
        is_timed: &mut bool,
        now: Option<Instant>,
    ) {
        let total_due = self.total_due();
        if progress == Progress::Starved {
            self.deadline.set_at(total_due);
            *is_timed = false;
            self.times.asked = None;
        } else if !*is_timed || has_moved {
            let now = now.unwrap_or_else(clock::now);
            self.times.asked = Some(now);
            let due = now.checked_add(self.spec.timeouts.response);
            self.deadline.set_at(earlier(due, total_due));
            *is_timed = true;
        }
    }

    pub(super) fn waited_for(&self, wait: Wait) -> Wait {
        match self.total_due() {
            Some(due) if due <= clock::now() => Wait::Total,
            _ => wait,
        }
    }

    /// Turns an answer's head, and what came with it, into an answer.
    fn receive(
        &mut self,
        mut connection: Box<Connection>,
        upload: &mut Upload,
        is_sent: bool,
        head: ResponseHead,
        long: Option<LongRead>,
        rest: &mut Rest,
    ) -> Result<Incoming, Failure> {
        let now = clock::now();
        self.times.heard = Some(now);
        let framing = response_framing(&head, self.method.as_str().as_bytes())?;
        if head.status == 101 {
            // From here on the connection is the tunnel's; it never goes back to a pool.
            let Connection { reader, writer, .. } = *connection;
            let body = Body::Switched(Box::new(Tunnel { reader, writer, idle: self.idle, ending: None }));
            return Ok(Incoming { head, body });
        }
        let upload = if is_sent && self.may_better(&head) {
            *rest = Rest { load: upload.take_load(), is_untouched: false };
            None
        } else if is_sent {
            connection.spare = upload.take_spare();
            None
        } else {
            Some(std::mem::take(upload))
        };
        let terms = Terms {
            idle: self.idle,
            total_due: self.total_due(),
            asked: self.times.asked.unwrap_or(self.started),
            keep_for: kept_for(&head, self.spec.pool.idle_for),
        };
        let body = download::begin(connection, upload, framing, terms, long, now)?;
        Ok(Incoming { head, body })
    }
}

/// One attempt: a request going up, the head of an answer coming down.
struct Turn<'a, 'b> {
    errand: &'a mut Errand<'b>,
    connection: &'a mut Connection,
    upload: &'a mut Upload,
    decoder: HeadDecoder,
    is_sending: bool,
    /// The backend takes no more, but may have answered before it closed (RFC 9112 §9.5).
    write_error: Option<std::io::Error>,
    was_heard: bool,
    /// The client has seen an interim answer.
    has_passed: bool,
    /// What the upload had sent before this attempt.
    sent_before: u64,
    is_timed: bool,
    interims: u32,
    bounds: Bounds,
    /// Its place among those that may read large pieces. PERF: where one long answer follows the other, head and body
    /// come with one call.
    long: Option<LongRead>,
    /// What time it is, until something was waited for.
    now: Option<Instant>,
}

impl<'a, 'b> Turn<'a, 'b> {
    fn new(
        errand: &'a mut Errand<'b>,
        connection: &'a mut Connection,
        upload: &'a mut Upload,
        now: Option<Instant>,
    ) -> Self {
        let sent_before = upload.sent_bytes();
        let answers = errand.target.answers;
        let head_bytes = answers.head as usize;
        let bounds = Bounds { head_bytes, line_bytes: head_bytes, fields: answers.fields as usize };
        let decoder = HeadDecoder::reusing(spare::head());
        Self {
            bounds,
            long: None,
            now,
            errand,
            connection,
            upload,
            decoder,
            is_sending: true,
            write_error: None,
            was_heard: false,
            has_passed: false,
            sent_before,
            is_timed: false,
            interims: 0,
        }
    }

    fn has_sent_nothing(&self) -> bool {
        self.upload.sent_bytes() == self.sent_before
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<ResponseHead, Failure>> {
        self.send(cx)?;
        loop {
            match self.poll_read(cx) {
                Poll::Pending => break,
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(Failure::Closed(self.write_error.take()))),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(Failure::Closed(Some(error)))),
                Poll::Ready(Ok(_)) => {
                    self.was_heard = true;
                    if let Some(head) = self.read_head()? {
                        return Poll::Ready(Ok(head));
                    }
                }
            }
        }
        match self.errand.deadline.poll(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(_) => Poll::Ready(Err(Failure::TimedOut(self.errand.waited_for(Wait::Response)))),
        }
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<std::io::Result<usize>> {
        let reader = &mut self.connection.reader;
        if self.connection.brings_much && self.long.is_none() {
            ready!(reader.poll_ready(cx))?;
            self.long = LongRead::take();
        }
        let more = if self.long.is_some() { READ_ROOM_LONG } else { 0 };
        let polled = reader.poll_fill(cx, READ_ROOM.saturating_add(more));
        if polled.is_pending() {
            // A wait holds neither the memory nor the place.
            self.long = None;
        }
        polled
    }

    /// Moves the upload on, and the deadline with it.
    fn send(&mut self, cx: &mut Context<'_>) -> Result<(), Failure> {
        if !self.is_sending {
            return Ok(());
        }
        let before = self.upload.sent_bytes();
        let progress = match self.upload.poll(cx, &mut self.connection.writer) {
            Ok(progress) => progress,
            Err(UploadError::Body(error)) => return Err(Failure::Request(error)),
            Err(UploadError::Write(error)) => {
                self.write_error = Some(error);
                Progress::Done
            }
        };
        self.is_sending = progress != Progress::Done;
        let has_moved = self.upload.sent_bytes() > before;
        self.errand.time_upload(progress, has_moved, &mut self.is_timed, self.now.take());
        Ok(())
    }

    /// The final head, once it is there; interim ones on the way to it.
    fn read_head(&mut self) -> Result<Option<ResponseHead>, Failure> {
        loop {
            let buffer = &mut self.connection.reader.buffer;
            let Some((head, used)) = self.decoder.response(buffer, &self.bounds)? else {
                return Ok(None);
            };
            buffer.advance(used);
            match head.status {
                // Sent before a word was asked; taken for the answer, it would shift every answer that follows.
                _ if self.has_sent_nothing() => {
                    return Err(Failure::Unexpected("an answer before the request was sent"));
                }
                101 if self.errand.upgrade.is_some() => return Ok(Some(head)),
                101 => return Err(MalformedResponse::SwitchUnasked.into()),
                100..=199 => self.pass_interim(head)?,
                _ => return Ok(Some(head)),
            }
        }
    }

    /// 100 answers an expectation that we never forward; the others are the client's to know (RFC 9110 §15.2).
    fn pass_interim(&mut self, head: ResponseHead) -> Result<(), Failure> {
        self.interims = self.interims.saturating_add(1);
        if self.interims > self.errand.target.answers.interim {
            return Err(Failure::Unexpected(TOO_MANY_INTERIMS));
        }
        response_framing(&head, self.errand.method.as_str().as_bytes())?;
        let mut fields = head.fields;
        canonicalise_interim(&mut fields)?;
        if let Ok(status) = StatusCode::from_u16(head.status)
            && status != StatusCode::CONTINUE
        {
            self.errand.interim.push(status, fields);
            self.has_passed = true;
        }
        Ok(())
    }
}

/// The earlier of two times, of which either may be never.
pub(super) fn earlier(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}
