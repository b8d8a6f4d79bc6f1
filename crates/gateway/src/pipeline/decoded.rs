//! Content codings of request bodies, undone where a control judges what is in them.
//!
//! Who judges a compressed body as it came judges nothing, and a backend that decodes it has another one. So where any
//! policy reads bodies decoded, the coding is undone once, and the decoded bytes are what every policy sees and what
//! goes on: `Content-Encoding` is gone, and so is what digests and lengths said of the other form. With `forward: encoded` the bytes
//! go on as they came, and the backend is trusted to decode them as we do.
//!
//! # Limits
//! `body` for the decoded bytes, too; `body_ratio`; the window of the decoder counts in `bodies_in_memory`.
//!
//! # Failure
//! A coding that is not known, or several: 415 with `Accept-Encoding`. Content that is not in its coding, stops early or goes
//! on behind its end: 400. Content that unfolds beyond its bounds: 413.

use std::sync::Arc;
use std::task::{Context as TaskContext, Poll, ready};

use bytes::{Buf, Bytes};
use http::StatusCode;
use portcullis_openapi::coding::{Coding, Decoder, Fault, Limits};
use tokio::task::coop;

use super::Stop;
use super::context::Ground;
use super::judged::{BODY_NO_ROOM, BODY_TOO_LARGE};
use super::policy::Inspector;
use super::room::Share;
use crate::bounds::Bounds;
use crate::http::{Body, BodyError, Canonical, Frame, Size, Source};
use crate::problem::{Blame, Problem, ProblemKind, Severity};

/// A content coding that nobody here can undo.
pub const CODING_UNSUPPORTED: ProblemKind = ProblemKind {
    code: "content-coding-unsupported",
    status: StatusCode::UNSUPPORTED_MEDIA_TYPE,
    title: "The content coding is not supported",
    blame: Blame::Client,
    severity: Some(Severity::Low),
    about: "The body is compressed in a way the gateway cannot undo, or more than once. `Accept-Encoding` of the answer names what it can.",
};

/// A body that is not in the coding it names.
pub const CODING_MALFORMED: ProblemKind = ProblemKind {
    code: "content-coding-malformed",
    status: StatusCode::BAD_REQUEST,
    title: "The compressed body is malformed",
    blame: Blame::Client,
    severity: Some(Severity::Low),
    about: "The body is not in the content coding it names, stops before its end, or has something behind it.",
};

/// Decoded at a time.
const PIECE_BYTES: usize = 16 << 10;
/// Fields that speak of the bytes as they came.
const OF_THE_CODED_FORM: [&str; 5] =
    ["content-encoding", "content-digest", "repr-digest", "digest", "content-md5"];

/// The coding of a request's body, which is of that size, that has to be undone.
pub(super) fn coding(request: &Canonical, size: Size) -> Result<Option<Coding>, Stop> {
    let coding = Coding::read(request.fields().all("content-encoding")).map_err(|_| {
        let problem =
            CODING_UNSUPPORTED.with("one content coding is undone, and this is another or there are several");
        Stop::from(problem.field("accept-encoding", Coding::ACCEPTED))
    })?;
    // Of no body there is nothing to undo.
    Ok(coding.filter(|_| !matches!(size, Size::None | Size::Exactly(0))))
}

/// Takes away what a request says of the form of its body that does not go on.
pub(super) fn forget_coding(request: &mut Canonical) {
    for name in OF_THE_CODED_FORM {
        request.fields_mut().remove(name);
    }
}

/// What undoes a coding, within its bounds.
pub(super) struct Undoing {
    decoder: Decoder,
    left: u64,
    window: Share,
    charged: usize,
}

impl Undoing {
    pub(super) fn new(coding: Coding, bounds: &Bounds, ground: &Arc<Ground>) -> Self {
        let limits = Limits { ratio: bounds.body_ratio.into(), ..Limits::default() };
        Self {
            decoder: Decoder::new(coding, limits),
            left: bounds.body,
            window: Share::of(&ground.memory),
            charged: 0,
        }
    }

    /// The next decoded piece of `coded`, which what was taken is taken off; `None` when more of it is wanted.
    fn next(&mut self, coded: &mut Bytes) -> Result<Option<Bytes>, Box<Problem>> {
        let mut output = vec![0; PIECE_BYTES];
        let progress = self.decoder.step(coded, &mut output).map_err(refusal)?;
        coded.advance(progress.taken.min(coded.len()));
        let more = self.decoder.memory().saturating_sub(self.charged);
        self.charged = self.charged.saturating_add(more);
        if !self.window.grow(more as u64) {
            let problem = BODY_NO_ROOM.with("the body cannot be decoded now").field("retry-after", "1");
            return Err(Box::new(problem.because("`bodies_in_memory` is used up")));
        }
        self.left = self.left.checked_sub(progress.written as u64).ok_or_else(|| {
            Box::new(BODY_TOO_LARGE.with("the decoded body is longer than this operation allows"))
        })?;
        output.truncate(progress.written);
        Ok((!output.is_empty()).then(|| Bytes::from(output)))
    }

    fn end(&self) -> Result<(), Box<Problem>> {
        self.decoder.end().map_err(refusal)
    }
}

fn refusal(fault: Fault) -> Box<Problem> {
    Box::new(match fault {
        Fault::Ratio => BODY_TOO_LARGE.with("the body decodes to too many times its length"),
        Fault::Window => CODING_UNSUPPORTED
            .with("the compressed body asks for too large a window")
            .field("accept-encoding", Coding::ACCEPTED),
        Fault::Malformed | Fault::Truncated | Fault::Trailing => CODING_MALFORMED.with(fault.as_str()),
    })
}

/// A body without its coding.
pub(super) struct Decoded {
    inner: Body,
    undoing: Undoing,
    coded: Bytes,
    /// What was taken may decode to more than was handed on.
    is_wanting: bool,
}

impl Decoded {
    pub(super) fn new(inner: Body, undoing: Undoing) -> Self {
        Self { inner, undoing, coded: Bytes::new(), is_wanting: true }
    }
}

impl Source for Decoded {
    fn poll_frame(&mut self, cx: &mut TaskContext<'_>) -> Poll<Result<Frame, BodyError>> {
        loop {
            if self.is_wanting {
                match ready!(self.inner.poll_frame(cx))? {
                    Frame::Data(piece) => (self.coded, self.is_wanting) = (piece, false),
                    // They speak of the form that does not go on, and nobody judged them.
                    Frame::Trailers(_) => continue,
                    Frame::End => {
                        self.undoing.end().map_err(BodyError::Refused)?;
                        return Poll::Ready(Ok(Frame::End));
                    }
                }
            }
            // PERF: a small body unfolds into many pieces without a wait: every so often another request has its turn.
            let turn = ready!(coop::poll_proceed(cx));
            turn.made_progress();
            match self.undoing.next(&mut self.coded).map_err(BodyError::Refused)? {
                Some(piece) => return Poll::Ready(Ok(Frame::Data(piece))),
                None => self.is_wanting = true,
            }
        }
    }

    fn size(&self) -> Size {
        Size::Unknown
    }
}

/// Shows inspectors the decoded form of a body that passes as it came.
pub(super) struct Undone {
    undoing: Undoing,
    inspectors: Vec<Box<dyn Inspector>>,
    /// Of the piece at hand, what is not decoded yet.
    coded: Option<Bytes>,
    shown: Option<Bytes>,
    at: usize,
}

impl Undone {
    pub(super) fn new(undoing: Undoing, inspectors: Vec<Box<dyn Inspector>>) -> Self {
        Self { undoing, inspectors, coded: None, shown: None, at: 0 }
    }
}

impl Inspector for Undone {
    fn poll_piece(&mut self, piece: &Bytes, cx: &mut TaskContext<'_>) -> Poll<Result<(), Box<Problem>>> {
        // Asked again for a piece after a wait, it goes on where it was.
        let mut coded = self.coded.take().unwrap_or_else(|| piece.clone());
        loop {
            let Poll::Ready(turn) = coop::poll_proceed(cx) else {
                self.coded = Some(coded);
                return Poll::Pending;
            };
            turn.made_progress();
            if self.shown.is_none() {
                (self.shown, self.at) = (self.undoing.next(&mut coded)?, 0);
            }
            let Some(shown) = &self.shown else { return Poll::Ready(Ok(())) };
            while let Some(inspector) = self.inspectors.get_mut(self.at) {
                if inspector.poll_piece(shown, cx)?.is_pending() {
                    self.coded = Some(coded);
                    return Poll::Pending;
                }
                self.at = self.at.saturating_add(1);
            }
            self.shown = None;
        }
    }

    fn poll_end(&mut self, cx: &mut TaskContext<'_>) -> Poll<Result<(), Box<Problem>>> {
        self.undoing.end()?;
        // Whoever said yes is not asked again.
        while let Some(last) = self.inspectors.last_mut() {
            ready!(last.poll_end(cx))?;
            self.inspectors.pop();
        }
        Poll::Ready(Ok(()))
    }
}
