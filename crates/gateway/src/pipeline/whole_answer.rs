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

/// Judges an answer that has passed: what would have been wrong with it.
pub type Look = Box<dyn FnOnce(&[u8]) -> Option<Problem> + Send + Sync>;

/// A look at an answer, to be taken when its last byte has gone: nothing of it is changed, and nothing waits.
pub struct Later {
    /// Who looks.
    pub control: &'static str,
    /// Where the configuration says so.
    pub place: Arc<str>,
    passed: Arc<Passed>,
    look: Look,
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
    /// It became too long, or broke off.
    GivenUp,
}

impl Later {
    /// Has `look` see what passes through `body`, if that is no more than `most`; the body to be sent in its place.
    pub fn watch(
        body: Body,
        most: u64,
        ground: &Ground,
        look: Look,
        who: (&'static str, Arc<str>),
    ) -> (Body, Self) {
        let pieces = Pieces {
            all: SmallVec::new(),
            held: Share::of(&ground.memory),
            len: 0,
            state: Watching::Looking,
        };
        let passed = Arc::new(Passed(Mutex::new(pieces)));
        let (control, place) = who;
        let later = Self { control, place, passed: Arc::clone(&passed), look };
        let body = match body {
            Body::Empty | Body::Switched(_) => {
                passed.note(&Frame::End, most);
                body
            }
            // PERF: what lies in memory leaves with its head in one write, and is to stay so.
            Body::Memory(bytes) => {
                if let Some(bytes) = &bytes {
                    passed.note(&Frame::Data(bytes.clone()), most);
                }
                passed.note(&Frame::End, most);
                Body::Memory(bytes)
            }
            // Longer than anybody would look at.
            Body::Stream(source) if matches!(source.size(), Size::Exactly(size) if size > most) => {
                Body::Stream(source)
            }
            Body::Stream(source) => Body::Stream(Box::new(Watched { inner: source, most, passed })),
        };
        (body, later)
    }

    /// Takes the look, where all of the answer has passed: what is wrong with it; `None` where nothing is, or it was not seen.
    pub fn look(self) -> Option<Problem> {
        let pieces = self.passed.take()?;
        match pieces.as_slice() {
            [one] => (self.look)(one),
            many => (self.look)(&many.concat()),
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
                if pieces.len > most || !pieces.held.grow(piece.len() as u64) {
                    pieces.give_up();
                } else {
                    pieces.all.push(piece.clone());
                }
            }
            Frame::Trailers(_) => {}
            Frame::End => pieces.state = Watching::Whole,
        }
    }

    fn gives_up(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).give_up();
    }

    fn is_whole_at(&self, size: u64) {
        let mut pieces = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if pieces.state == Watching::Looking && pieces.len == size {
            pieces.state = Watching::Whole;
        }
    }

    fn take(&self) -> Option<SmallVec<[Bytes; 1]>> {
        let mut pieces = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (pieces.state == Watching::Whole).then(|| std::mem::take(&mut pieces.all))
    }
}

impl Pieces {
    fn give_up(&mut self) {
        self.state = Watching::GivenUp;
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
            Err(_) => self.passed.gives_up(),
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
