//! A body that lies in memory whole, of a request or of an answer, on its way.

use std::task::{Context as TaskContext, Poll};

use bytes::Bytes;

use super::room::Share;
use crate::http::{Body, BodyError, Frame, Size, Source};

/// Gives its share of `bodies_in_memory` back when it has been sent.
struct Held {
    bytes: Bytes,
    is_taken: bool,
    _share: Option<Share>,
}

/// These bytes as a body that can be sent; `share` is what they take of `bodies_in_memory`.
pub(super) fn body(bytes: Bytes, share: Option<Share>) -> Body {
    if bytes.is_empty() {
        return Body::Empty;
    }
    Body::Stream(Box::new(Held { bytes, is_taken: false, _share: share }))
}

impl Source for Held {
    fn poll_frame(&mut self, _cx: &mut TaskContext<'_>) -> Poll<Result<Frame, BodyError>> {
        let is_taken = std::mem::replace(&mut self.is_taken, true);
        Poll::Ready(Ok(if is_taken { Frame::End } else { Frame::Data(self.bytes.clone()) }))
    }

    fn rewind(&mut self) -> bool {
        self.is_taken = false;
        true
    }

    fn size(&self) -> Size {
        Size::Exactly(self.bytes.len() as u64)
    }
}
