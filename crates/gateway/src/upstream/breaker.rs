//! Leaves a backend alone for a while when too large a share of its requests fails.
//!
//! Ejection looks at one target and failures in a row; this looks at the backend as its callers see it: an exchange
//! counts once, by what came of it after all targets and repetitions. When at least `requests` of them ended within
//! [`SLOTS`] seconds and `failures` of those failed, nothing is sent for `time`: callers hear 503 at once instead of waiting
//! for what will fail, and the backend is not pushed while it gets up. Then it is on trial: [`PROBES_MAX`] requests at
//! once may pass, [`PROBES_GOOD`] answers in a row close the circuit, one failure opens it for `time` again. No timer
//! and no request of our own: the first caller after `time` is the probe, so that it recovers within one answer.
//!
//! All behind atomics that every core shares. A result belongs to the state its request was let in by; one that comes
//! later says nothing.
//!
//! # Threats
//! Who can make a backend fail can have it left alone for everybody. It takes a share of all requests, and the
//! minimum of them; a quiet caller cannot do it alone on a busy backend.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use super::spec::BreakerSpec;
use crate::clock::{self, Instant};

/// Seconds for which an exchange that ended is remembered, each in a part of its own.
const SLOTS: u64 = 10;

/// Requests on trial at once.
pub(super) const PROBES_MAX: u32 = 5;

/// Answers in a row that end the trial.
pub(super) const PROBES_GOOD: u32 = 3;

/// One backend's circuit.
#[derive(Debug)]
pub(super) struct Breaker {
    rules: BreakerSpec,
    born: Instant,
    /// Second, exchanges and failures of each part of the window.
    slots: [AtomicU64; SLOTS as usize],
    /// Milliseconds since `born` until which nothing passes; 0 while the circuit is closed.
    until: AtomicU64,
    /// Requests on trial now.
    probes: AtomicU32,
    probes_good: AtomicU32,
    openings: AtomicU64,
    refused: AtomicU64,
}

/// A request that was let in, until it is known what came of it.
#[derive(Debug)]
pub(super) struct Pass<'a> {
    breaker: &'a Breaker,
    /// The state it was let in by: 0, or the `until` that was over.
    under: u64,
}

/// What a result changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Opened(Duration),
    Closed,
}

impl Breaker {
    pub(super) fn new(rules: BreakerSpec, now: Instant) -> Self {
        Self {
            rules,
            born: now,
            slots: Default::default(),
            until: AtomicU64::new(0),
            probes: AtomicU32::new(0),
            probes_good: AtomicU32::new(0),
            openings: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        }
    }

    pub(super) fn rules(&self) -> BreakerSpec {
        self.rules
    }

    /// Lets a request in at `now`, or says how long it had better wait.
    pub(super) fn enter(&self, now: Instant) -> Result<Pass<'_>, Duration> {
        let under = self.until.load(Ordering::Relaxed);
        if under == 0 {
            return Ok(Pass { breaker: self, under });
        }
        let left = under.saturating_sub(self.millis(now));
        if left == 0 {
            let before = self.probes.fetch_add(1, Ordering::Relaxed);
            // From here on dropping it gives its place back.
            let pass = Pass { breaker: self, under };
            if before < PROBES_MAX {
                return Ok(pass);
            }
        }
        self.refused.fetch_add(1, Ordering::Relaxed);
        Err(Duration::from_millis(left))
    }

    /// Whether the backend is left alone or on trial.
    pub(super) fn is_open(&self) -> bool {
        self.until.load(Ordering::Relaxed) != 0
    }

    /// How often it was left alone, and the requests that were refused meanwhile.
    pub(super) fn totals(&self) -> (u64, u64) {
        (self.openings.load(Ordering::Relaxed), self.refused.load(Ordering::Relaxed))
    }

    fn millis(&self, time: Instant) -> u64 {
        clock::millis(time.saturating_duration_since(self.born))
    }

    /// Nothing passes from `now` on, if the state is still `under`.
    fn open(&self, under: u64, now: Instant) -> Option<Change> {
        let until = self.millis(now).saturating_add(clock::millis(self.rules.time)).max(1);
        self.until.compare_exchange(under, until, Ordering::Relaxed, Ordering::Relaxed).ok()?;
        self.probes_good.store(0, Ordering::Relaxed);
        self.openings.fetch_add(1, Ordering::Relaxed);
        Some(Change::Opened(self.rules.time))
    }

    /// Counts an exchange that ended.
    fn count(&self, has_failed: bool, now: Instant) {
        let second = self.millis(now).div_euclid(1_000);
        let Some(slot) = self.slot(second) else { return };
        let add = |packed| Some(Slot::unpack(packed).of(second).add(has_failed).packed());
        let _ = slot.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
    }

    /// Whether too many failed of those that ended lately.
    fn is_exceeded(&self, now: Instant) -> bool {
        let second = self.millis(now).div_euclid(1_000);
        let mut all = Slot::default();
        for back in 0..SLOTS {
            let Some(wanted) = second.checked_sub(back) else { break };
            let slot = self.slot(wanted).map(|slot| Slot::unpack(slot.load(Ordering::Relaxed)));
            let slot = slot.unwrap_or_default().of(wanted);
            all.ended = all.ended.saturating_add(slot.ended);
            all.failed = all.failed.saturating_add(slot.failed);
        }
        let share = all.ended.saturating_mul(u64::from(self.rules.failures));
        all.ended >= u64::from(self.rules.requests) && all.failed.saturating_mul(10_000) >= share
    }

    fn slot(&self, second: u64) -> Option<&AtomicU64> {
        self.slots.get(usize::try_from(second.checked_rem(SLOTS)?).ok()?)
    }
}

impl Pass<'_> {
    /// What came of it at `now`; tells when that opens or closes the circuit.
    pub(super) fn settle(self, has_failed: bool, now: Instant) -> Option<Change> {
        let Self { breaker, under } = &self;
        if *under == 0 {
            breaker.count(has_failed, now);
            return if has_failed && breaker.is_exceeded(now) { breaker.open(0, now) } else { None };
        }
        if has_failed {
            return breaker.open(*under, now);
        }
        if breaker.until.load(Ordering::Relaxed) != *under {
            return None;
        }
        let good = breaker.probes_good.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        if good < PROBES_GOOD {
            return None;
        }
        // What failed before says nothing of now.
        for slot in &breaker.slots {
            slot.store(0, Ordering::Relaxed);
        }
        let closed = breaker.until.compare_exchange(*under, 0, Ordering::Relaxed, Ordering::Relaxed);
        breaker.probes_good.store(0, Ordering::Relaxed);
        closed.ok().map(|_| Change::Closed)
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        if self.under != 0 {
            self.breaker.probes.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// One second of the window.
#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    second: u64,
    ended: u64,
    failed: u64,
}

/// Bits of each count, which stops at its most.
const COUNT_BITS: u32 = 20;
const COUNT_MAX: u64 = (1 << COUNT_BITS) - 1;
const SECOND_MAX: u64 = (1 << (64 - 2 * COUNT_BITS)) - 1;

impl Slot {
    fn unpack(packed: u64) -> Self {
        Self {
            second: packed >> (2 * COUNT_BITS),
            ended: (packed >> COUNT_BITS) & COUNT_MAX,
            failed: packed & COUNT_MAX,
        }
    }

    fn packed(self) -> u64 {
        (self.second << (2 * COUNT_BITS)) | (self.ended << COUNT_BITS) | self.failed
    }

    /// The counts of `second`, which are none if it holds those of another.
    fn of(self, second: u64) -> Self {
        let second = second & SECOND_MAX;
        if self.second == second { self } else { Self { second, ..Self::default() } }
    }

    fn add(self, has_failed: bool) -> Self {
        Self {
            ended: self.ended.saturating_add(1).min(COUNT_MAX),
            failed: self.failed.saturating_add(u64::from(has_failed)).min(COUNT_MAX),
            ..self
        }
    }
}

#[cfg(test)]
mod tests;
