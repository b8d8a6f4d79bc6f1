//! A backend's answer as a whole: read to its end before the first byte of it goes on, or looked at when its last one has.
//!
//! [`WholeAnswer`] is for policies that may not let anything through before they have seen all of it; [`Later`] for those that
//! only want to know. It lies in memory, and its bytes count as
//! those of requests that are held do. Trailers of such an answer are judged by no one and go no further.
//!
//! # Limits
//! What its reader allows (`response_body`), and `bodies_in_memory`. Both are known while it is read: no announced length
//! takes memory.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context as TaskContext, Poll, ready};

use bytes::{Bytes, BytesMut};
use smallvec::SmallVec;

use super::context::Ground;
use super::held;
use super::room::Share;
use crate::http::{Body, BodyError, Frame, Size, Source};
use crate::problem::Problem;

/// An answer's content, whole.
#[derive(Debug)]
pub struct WholeAnswer {
    bytes: Bytes,
    held: Share,
}

/// Why an answer was not read to its end.
#[derive(Debug)]
pub enum Unread {
    /// It is longer than it may be.
    TooLarge,
    /// There is no room for it in memory.
    NoRoom,
    /// It has no end.
    Broken(BodyError),
}

impl WholeAnswer {
    /// Reads `body` to its end.
    ///
    /// # Errors
    /// It is longer than `most`, there is no room, or it breaks off.
    pub async fn read(mut body: Body, most: u64, ground: &Ground) -> Result<Self, Unread> {
        if let Size::Exactly(size) = body.size()
            && size > most
        {
            return Err(Unread::TooLarge);
        }
        let mut held = Share::of(&ground.memory);
        let mut first = Bytes::new();
        let mut all = BytesMut::new();
        let mut len = 0_u64;
        loop {
            let piece = match body.frame().await {
                Ok(Frame::Data(piece)) => piece,
                Ok(Frame::Trailers(_)) => continue,
                Ok(Frame::End) => break,
                Err(error) => return Err(Unread::Broken(error)),
            };
            len = len.saturating_add(piece.len() as u64);
            if len > most {
                return Err(Unread::TooLarge);
            }
            if !held.grow(piece.len() as u64) {
                return Err(Unread::NoRoom);
            }
            // PERF: most answers come in one piece, which is then not copied.
            if first.is_empty() && all.is_empty() {
                first = piece;
            } else {
                all.extend_from_slice(&std::mem::take(&mut first));
                all.extend_from_slice(&piece);
            }
        }
        let bytes = if all.is_empty() { first } else { all.freeze() };
        Ok(Self { bytes, held })
    }

    /// Its bytes.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Another content in its place.
    ///
    /// # Errors
    /// There is no room for it.
    pub fn replaced(self, bytes: Vec<u8>) -> Result<Self, Unread> {
        let mut held = self.held;
        let more = (bytes.len() as u64).saturating_sub(self.bytes.len() as u64);
        if more > 0 && !held.grow(more) {
            return Err(Unread::NoRoom);
        }
        Ok(Self { bytes: bytes.into(), held })
    }

    /// As a body that can be sent.
    pub fn into_body(self) -> Body {
        held::body(self.bytes, Some(self.held))
    }
}

/// Judges an answer that has passed, or hears why it was not seen: what would have been wrong with it.
pub type Look = Box<dyn FnOnce(Result<&[u8], Unseen>) -> Result<Option<Problem>, Unseen> + Send + Sync>;

/// Why an answer was not looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unseen {
    /// It is longer than what is looked at.
    TooLarge,
    /// There was no room for it in memory.
    NoRoom,
    /// Too many others wait to be looked at.
    Busy,
    /// It cannot be decoded.
    Coding,
}

impl Unseen {
    /// The word in records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TooLarge => "too-large",
            Self::NoRoom => "no-room",
            Self::Busy => "busy",
            Self::Coding => "coding",
        }
    }
}

/// A look at an answer, to be taken when its last byte has gone: nothing of it is changed, and nothing waits.
pub struct Later {
    /// Who looks.
    pub control: &'static str,
    /// Where the configuration says so.
    pub place: Arc<str>,
    /// How many such looks may wait, where this one takes long.
    pub waiting_max: u32,
    at_once_max: usize,
    seen: Seen,
    look: Look,
}

/// What there is to look at.
enum Seen {
    // PERF: most answers lie in memory, and need nobody who notes what passes.
    /// It was all there from the start; with its share of the room.
    There(Bytes, Share),
    /// What passes on its way.
    Passing(Arc<Passed>),
    /// Nothing, for this reason.
    Not(Unseen),
}

/// Who looks at an answer, at how much of it, and where.
#[derive(Debug)]
pub struct Onlooker {
    /// The control.
    pub control: &'static str,
    /// Where the configuration says so.
    pub place: Arc<str>,
    /// The longest answer that is looked at.
    pub most: u64,
    /// The longest that is looked at by the thread that serves.
    pub at_once_max: usize,
    /// How many longer ones may wait.
    pub waiting_max: u32,
}

/// What of a body has passed.
#[derive(Debug)]
struct Passed(Mutex<Pieces>);

#[derive(Debug)]
struct Pieces {
    // Shared with whoever writes them, and not copied.
    all: SmallVec<[Bytes; 1]>,
    held: Share,
    len: u64,
    state: Watching,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Watching {
    /// More may come.
    Looking,
    /// All of it has passed.
    Whole,
    /// It will not be seen, for this reason; or it broke off.
    GivenUp(Option<Unseen>),
}

impl Later {
    /// Has `look` see what passes through `body`, if that is not too much; the body to be sent in its place.
    pub fn watch(body: Body, ground: &Ground, look: Look, who: Onlooker) -> (Body, Self) {
        let Onlooker { control, place, most, at_once_max, waiting_max } = who;
        let mut held = Share::of(&ground.memory);
        let (body, seen) = match body {
            Body::Stream(source) if matches!(source.size(), Size::Exactly(size) if size > most) => {
                (Body::Stream(source), Seen::Not(Unseen::TooLarge))
            }
            Body::Stream(source) => {
                let pieces = Pieces { all: SmallVec::new(), held, len: 0, state: Watching::Looking };
                let passed = Arc::new(Passed(Mutex::new(pieces)));
                let watched = Watched { inner: source, most, passed: Arc::clone(&passed) };
                (Body::Stream(Box::new(watched)), Seen::Passing(passed))
            }
            // PERF: what lies in memory leaves with its head in one write, and is to stay so.
            whole @ (Body::Empty | Body::Switched(_) | Body::Memory(_)) => {
                let bytes = if let Body::Memory(Some(bytes)) = &whole { bytes.clone() } else { Bytes::new() };
                let seen = match bytes.len() as u64 {
                    len if len > most => Seen::Not(Unseen::TooLarge),
                    len if !held.grow(len) => Seen::Not(Unseen::NoRoom),
                    _ => Seen::There(bytes, held),
                };
                (whole, seen)
            }
        };
        (body, Self { control, place, waiting_max, at_once_max, seen, look })
    }

    /// Whether the look takes longer than a thread that serves may be kept.
    pub fn takes_long(&self) -> bool {
        let len = match &self.seen {
            Seen::There(bytes, _) => Some(bytes.len()),
            Seen::Passing(passed) => passed.len(),
            Seen::Not(_) => None,
        };
        len.is_some_and(|len| len > self.at_once_max)
    }

    /// Takes the look, where all of the answer has passed, unless it is `not` to be taken: what is wrong with it.
    ///
    /// # Errors
    /// It was not seen.
    pub fn look(self, not: Option<Unseen>) -> Result<Option<Problem>, Unseen> {
        let Self { seen, look, .. } = self;
        match (seen, not) {
            (Seen::Not(unseen), _) => look(Err(unseen)),
            (Seen::There(..), Some(not)) => look(Err(not)),
            (Seen::There(bytes, _share), None) => look(Ok(&bytes)),
            (Seen::Passing(passed), _) => match (passed.take(), not) {
                (Ok(_), Some(not)) => look(Err(not)),
                (Ok(pieces), None) => match pieces.as_slice() {
                    [one] => look(Ok(one)),
                    many => look(Ok(&many.concat())),
                },
                (Err(Some(unseen)), _) => look(Err(unseen)),
                // It has no end.
                (Err(None), _) => Ok(None),
            },
        }
    }
}

impl fmt::Debug for Later {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Later").field("control", &self.control).finish_non_exhaustive()
    }
}

impl Passed {
    fn note(&self, frame: &Frame, most: u64) {
        let mut pieces = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if pieces.state != Watching::Looking {
            return;
        }
        match frame {
            Frame::Data(piece) => {
                pieces.len = pieces.len.saturating_add(piece.len() as u64);
                if pieces.len > most {
                    pieces.give_up(Some(Unseen::TooLarge));
                } else if !pieces.held.grow(piece.len() as u64) {
                    pieces.give_up(Some(Unseen::NoRoom));
                } else {
                    pieces.all.push(piece.clone());
                }
            }
            Frame::Trailers(_) => {}
            Frame::End => pieces.state = Watching::Whole,
        }
    }

    fn breaks_off(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).give_up(None);
    }

    /// How long it is, once all of it has passed.
    fn len(&self) -> Option<usize> {
        let pieces = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_whole = pieces.state == Watching::Whole;
        is_whole.then(|| usize::try_from(pieces.len).unwrap_or(usize::MAX))
    }

    fn is_whole_at(&self, size: u64) {
        let mut pieces = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if pieces.state == Watching::Looking && pieces.len == size {
            pieces.state = Watching::Whole;
        }
    }

    /// What passed, or why that was not seen.
    fn take(&self) -> Result<SmallVec<[Bytes; 1]>, Option<Unseen>> {
        let mut pieces = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match pieces.state {
            Watching::Whole => Ok(std::mem::take(&mut pieces.all)),
            Watching::Looking => Err(None),
            Watching::GivenUp(why) => Err(why),
        }
    }
}

impl Pieces {
    fn give_up(&mut self, why: Option<Unseen>) {
        self.state = Watching::GivenUp(why);
        self.all = SmallVec::new();
        // What is left of the body may take hours.
        self.held.give_back();
    }
}

/// Notes the pieces of a body as they pass.
struct Watched {
    inner: Box<dyn Source>,
    most: u64,
    passed: Arc<Passed>,
}

impl Source for Watched {
    fn poll_frame(&mut self, cx: &mut TaskContext<'_>) -> Poll<Result<Frame, BodyError>> {
        let frame = ready!(self.inner.poll_frame(cx));
        match &frame {
            Ok(frame) => self.passed.note(frame, self.most),
            Err(_) => self.passed.breaks_off(),
        }
        // Not every wire asks for the end of what has a length.
        if let Size::Exactly(size) = self.inner.size() {
            self.passed.is_whole_at(size);
        }
        Poll::Ready(frame)
    }

    fn drive(&mut self, cx: &mut TaskContext<'_>) {
        self.inner.drive(cx);
    }

    fn size(&self) -> Size {
        self.inner.size()
    }
}

#[cfg(test)]
mod tests;
