//! When a stream must end although neither end wants it to: its ground is gone.
//!
//! Whoever carries the stream polls for it. A WebSocket is told so at once, by a close frame; what has no such word is
//! cut off when `stream_grace` has passed: an end would be a lie.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use super::body::{Body, BodyError, Frame, Size, Source};
use super::deadline::Deadline;

/// What of a stream's ground is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lapse {
    /// Its operation is no longer published as it was. A new stream is judged anew.
    Operation,
    /// Its caller is no longer let in by what it presented.
    Caller,
}

/// Says when the ground is gone, and how long the stream may go on then.
type Lapsing = Pin<Box<dyn Future<Output = (Lapse, Duration)> + Send + Sync>>;

/// The end of a stream's ground.
pub struct Ending {
    lapsing: Lapsing,
    lapse: Option<(Lapse, Duration)>,
    cut: Deadline,
}

impl Ending {
    /// One that comes when `lapsing` is ready.
    pub fn new(lapsing: Lapsing) -> Self {
        Self { lapsing, lapse: None, cut: Deadline::new() }
    }

    /// Ready once the ground is gone: with what is gone, and the time to end.
    pub fn poll_lapse(&mut self, cx: &mut Context<'_>) -> Poll<(Lapse, Duration)> {
        if self.lapse.is_none() {
            let (lapse, grace) = std::task::ready!(self.lapsing.as_mut().poll(cx));
            self.lapse = Some((lapse, grace));
            self.cut.set(grace);
        }
        self.lapse.map_or(Poll::Pending, Poll::Ready)
    }

    /// Ready once the time to end has passed as well.
    pub fn poll_cut(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        std::task::ready!(self.poll_lapse(cx));
        self.cut.poll(cx).map(|_| ())
    }
}

impl fmt::Debug for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ending").field("lapse", &self.lapse).finish_non_exhaustive()
    }
}

/// A body that breaks off when its ground has been gone for long enough.
pub(super) struct Ended {
    pub(super) body: Body,
    pub(super) ending: Ending,
}

impl Source for Ended {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Result<Frame, BodyError>> {
        if self.ending.poll_cut(cx).is_ready() {
            return Poll::Ready(Err(BodyError::Lapsed));
        }
        self.body.poll_frame(cx)
    }

    fn size(&self) -> Size {
        self.body.size()
    }

    fn drive(&mut self, cx: &mut Context<'_>) {
        self.body.drive(cx);
    }
}
