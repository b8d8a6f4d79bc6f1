//! One connection to one target: the two halves of its socket and what is kept with them from one exchange to
//! the next.

use std::sync::Arc;
use std::time::Duration;

use portcullis_http1::{ResponseHead, Version, is_same};

use super::backend::Target;
use super::place::Origin;
use super::pool;
use crate::clock::Instant;
use crate::http::deadline::Deadline;
use crate::http::io::{Reader, WriteHalf};

/// Room made for a read of which nothing is known: a head and a small body.
pub(super) const READ_ROOM: usize = 8 * 1024;

/// Room for a read of a body that is known to be long.
pub(super) const READ_ROOM_LONG: usize = 64 * 1024;

/// Most room made for one read. PERF: a 1 MiB answer read in pieces of 64 KiB costs a third more CPU than in
/// pieces that grow; beyond 128 KiB there is nothing left to win. `LongRead` bounds how many hold so much.
pub(super) const READ_ROOM_MAX: usize = 128 * 1024;

/// A connection that one exchange has for itself. Dropped, it is closed.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) target: Arc<Target>,
    origin: Origin,
    pub(super) reader: Reader,
    pub(super) writer: WriteHalf,
    /// What the body being read waits for.
    pub(super) deadline: Deadline,
    /// Memory for the next request's head.
    pub(super) spare: Vec<u8>,
    /// Whether the last answer was long, as the next may be.
    pub(super) brings_much: bool,
    /// Whether it may be kept without an exchange: not while descriptors are scarce.
    may_rest: bool,
}

/// Spare memory beyond this is not kept.
const SPARE_BYTES_MAX: usize = 4 * 1024;

impl Connection {
    /// PERF: boxed, for it goes from hand to hand several times an exchange.
    pub(super) fn new(
        target: Arc<Target>,
        (reader, writer): (Reader, WriteHalf),
        origin: Origin,
        may_rest: bool,
    ) -> Box<Self> {
        let (deadline, spare) = (Deadline::new(), Vec::new());
        Box::new(Self { target, origin, reader, writer, deadline, spare, brings_much: false, may_rest })
    }

    /// Whether nothing has arrived that was not asked for, and the other end is still there.
    pub(super) fn is_quiet(&mut self) -> bool {
        self.reader.is_quiet()
    }

    /// Whether it may be used again: it is quiet, and its target is still where it leads.
    pub(super) fn is_good(&mut self) -> bool {
        self.target.place.is_at(&mut self.origin) && self.is_quiet()
    }

    /// Gives the connection to the next exchange of this core. The caller has seen the proper end of an answer,
    /// has sent a whole request, and nothing is left in the buffer.
    pub(super) fn release(mut self: Box<Self>, now: Instant, idle_for: Duration) {
        debug_assert!(self.reader.buffer.is_empty(), "left-over bytes poison the pool");
        if !self.may_rest {
            return;
        }
        self.deadline.rest();
        self.reader.leave();
        if self.spare.capacity() > SPARE_BYTES_MAX {
            self.spare = Vec::new();
        }
        pool::put(self, now, idle_for);
    }
}

/// How long a connection may be kept after this answer, at most `most`; `None`: the backend closes it.
///
/// A backend that says how long it waits is left a second before, so that no request meets its closing.
pub(super) fn kept_for(head: &ResponseHead, most: Duration) -> Option<Duration> {
    let closes =
        |value| !is_same(value, b"keep-alive") && tokens(value).any(|token| is_same(token, b"close"));
    if head.version == Version::Http10 || head.fields.all("connection").any(closes) {
        return None;
    }
    let mut kept = most;
    for value in head.fields.all("keep-alive") {
        if let Some(seconds) = tokens(value).find_map(|token| token.strip_prefix(b"timeout="))
            && let Some(seconds) = std::str::from_utf8(seconds).ok().and_then(|digits| digits.parse().ok())
        {
            kept = kept.min(Duration::from_secs(u64::saturating_sub(seconds, 1)));
        }
    }
    Some(kept)
}

fn tokens(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii)
}

#[cfg(test)]
mod tests;
