//! How fast a client must bring the body of its request.
//!
//! A client that is slow because its backend is slow is not to blame, so only the time somebody waited counts.
//!
//! # Limits
//! `body_idle` between pieces, while somebody waits for them; `body_rate` on average once somebody has waited for
//! `body_idle` in all.

use std::task::{Context, Poll};
use std::time::Duration;

use crate::bounds::Bounds;
use crate::clock::{self, Instant};
use crate::http::deadline::{Deadline, Elapsed};

/// How fast one body comes.
#[derive(Debug)]
pub(super) struct Pace {
    deadline: Deadline,
    idle: Duration,
    rate: u64,
    waiting_since: Option<Instant>,
    waited: Duration,
    received: u64,
}

impl Pace {
    pub(super) fn new(bounds: &Bounds) -> Self {
        Self {
            deadline: Deadline::new(),
            idle: bounds.body_idle,
            rate: bounds.body_rate,
            waiting_since: None,
            waited: Duration::ZERO,
            received: 0,
        }
    }

    /// Bytes of content that came so far.
    pub(super) fn received(&self) -> u64 {
        self.received
    }

    /// Something came: content of `bytes` bytes, or the end.
    pub(super) fn came(&mut self, bytes: usize) {
        self.received = self.received.saturating_add(bytes as u64);
        if let Some(since) = self.waiting_since.take() {
            self.waited = self.waited.saturating_add(clock::now().saturating_duration_since(since));
            self.deadline.clear();
        }
    }

    /// Somebody waits. Ready when the client is too slow.
    pub(super) fn poll_wait(&mut self, cx: &mut Context<'_>) -> Poll<Elapsed> {
        if self.waiting_since.is_none() {
            self.waiting_since = Some(clock::now());
            self.deadline.set(self.idle);
        }
        if self.is_too_slow() {
            return Poll::Ready(Elapsed);
        }
        self.deadline.poll(cx)
    }

    fn is_too_slow(&self) -> bool {
        let Some(asked) = self.waited.checked_sub(self.idle) else { return false };
        self.received < asked.as_secs().saturating_mul(self.rate)
    }
}
