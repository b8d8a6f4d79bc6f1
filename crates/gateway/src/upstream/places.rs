//! How many exchanges a backend has under way at once, and who waits for a place.
//!
//! A place is taken when a request is forwarded, after its body was judged, and kept until its exchange has ended: a
//! backend that computes for a client who reads slowly is still at work. Who finds none waits in one line of the whole
//! process, in order, so that a place that one core frees wakes a waiter of another. The line is short and the wait
//! bounded: a longer one only makes everybody late. Who goes away meanwhile leaves the line.
//!
//! # Limits
//! `concurrency.max`, `queue`, `wait`; beyond them 503 with `Retry-After`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::earlier;
use super::spec::ConcurrencySpec;
use crate::clock::{self, Instant};
use crate::http::deadline::Deadline;

/// The places of one backend.
#[derive(Debug)]
pub(super) struct Places {
    rules: ConcurrencySpec,
    semaphore: Arc<Semaphore>,
    waiting: AtomicUsize,
    refused: AtomicU64,
}

/// Why there was none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Busy {
    /// As many wait as may.
    Queue,
    /// None came free in time.
    Wait,
}

impl Places {
    pub(super) fn new(rules: ConcurrencySpec) -> Self {
        let semaphore = Arc::new(Semaphore::new(rules.max as usize));
        Self { rules, semaphore, waiting: AtomicUsize::new(0), refused: AtomicU64::new(0) }
    }

    pub(super) fn rules(&self) -> ConcurrencySpec {
        self.rules
    }

    /// A place that is free now. Those who wait go first.
    pub(super) fn take(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.semaphore).try_acquire_owned().ok()
    }

    /// A place, waited for, at most until `due`.
    pub(super) async fn wait(
        &self,
        deadline: &mut Deadline,
        due: Option<Instant>,
    ) -> Result<OwnedSemaphorePermit, Busy> {
        let line = Waiting(&self.waiting);
        let before = line.0.fetch_add(1, Ordering::Relaxed);
        let outcome = if before < self.rules.queue as usize {
            deadline.set_at(earlier(clock::now().checked_add(self.rules.wait), due));
            let place = deadline.race(Arc::clone(&self.semaphore).acquire_owned()).await;
            deadline.clear();
            // Nobody closes the semaphore.
            place.ok().and_then(Result::ok).ok_or(Busy::Wait)
        } else {
            Err(Busy::Queue)
        };
        if outcome.is_err() {
            self.refused.fetch_add(1, Ordering::Relaxed);
        }
        outcome
    }

    /// Requests that wait now.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Requests that were refused.
    pub(super) fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }
}

/// One who waits, until it is dropped.
struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
