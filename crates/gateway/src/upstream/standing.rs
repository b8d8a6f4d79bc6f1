//! How a target is doing: exchanges under way, how fast it answers, and whether it is left out for a while.
//!
//! **Left out.** A target that fails as often in a row as [`EjectSpec::failures`] says is left out: at first for
//! `time`, for twice as long whenever it fails on its first requests after that, up to `time_max`. A failure is an
//! exchange that brought no answer that may pass (no connection, no trust, no answer in time, an answer that broke
//! off, in its body too, or is malformed), or one of 500, 502, 503, 504. An answer whose body is still on its way counts
//! when it has ended. A request that was asked before the target was left out says
//! nothing new when it fails later. When it is let in again, its share grows during `slow_start`. Where all are
//! left out nobody is: then an answer ends the time of whoever gave it.
//!
//! **Health checks**, where they are configured, leave a target out on their own: until they pass again, and where all
//! targets fail them nobody is asked, for the configuration says what well is. Good ones, as many in a row as let a
//! target in, also end the time of one that requests found failing, but only the first: whoever passes its checks and
//! fails its requests again serves all of the next. Either way its share grows as after any return, and one failure of a
//! request within `eject.time` is enough to leave it out.
//!
//! **How fast.** From the last byte of the request that the target took to the head of its answer, so that neither
//! connecting nor a slow client counts. A moving average, over about sixteen answers or one second; known from the fourth
//! answer on, and forgotten thirty seconds after the last.
//!
//! All of it is behind atomics that every core shares; where two write at once one of both is lost, which no choice
//! depends on.
//!
//! # Threats
//! Whoever can make a backend fail at will can have a target left out, one after the other; never all of them, for
//! that lets all in. It takes failures in a row: any answer to anybody begins the count anew.

use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Notify;

use super::spec::{EjectSpec, HealthSpec};
use crate::clock::{self, Instant};
use crate::pipeline::InFlight;

/// Full share, in the unit of [`Standing::share`].
pub(super) const FULL_SHARE: u64 = 256;

/// The least share of a target that was let in again.
const SHARE_MIN: u64 = 16;

/// Weight of one answer in the average when answers are dense, in 256ths.
const DENSE_WEIGHT: u64 = 16;

/// Weight of one answer after a long silence.
const SPARSE_WEIGHT: u64 = 128;

/// Answers that make an average: the first ones after a start say more of the start.
const SAMPLES_KNOWN: u32 = 4;

/// Answers after which one more counts as [`DENSE_WEIGHT`] says.
const SAMPLES_ALL: u32 = 16;

/// An average that nothing was added to for so long says nothing any more.
const STALE_MILLIS: u64 = 30_000;

/// What is known of one target, shared by all cores.
#[derive(Debug)]
pub(super) struct Standing {
    rules: EjectSpec,
    /// A slow answer counts as such at once, instead of by and by.
    is_peak_sensitive: bool,
    born: Instant,
    pub(super) in_flight: InFlight,
    /// Microseconds in the upper half, 0 for none known; when they were last written, in milliseconds, in the lower.
    latency: AtomicU64,
    /// Answers in it, up to [`SAMPLES_ALL`].
    samples: AtomicU32,
    failures_in_row: AtomicU32,
    /// In milliseconds, 0 for never.
    out_until: AtomicU64,
    /// How often it was left out without having recovered in between.
    times_out: AtomicU32,
    failures: AtomicU64,
    ejections: AtomicU64,
    /// Told of each ejection.
    ejected: Notify,
    checks: CheckState,
}

/// What health checks found. One checker writes it.
#[derive(Debug, Default)]
struct CheckState {
    /// [`UNKNOWN`], [`WELL`] or [`ILL`].
    health: AtomicU8,
    good_in_row: AtomicU32,
    failed_in_row: AtomicU32,
    /// Ejections when the row of good ones began.
    ejections_seen: AtomicU64,
    good: AtomicU64,
    failed: AtomicU64,
}

/// Not checked, or not yet.
const UNKNOWN: u8 = 0;
const WELL: u8 = 1;
const ILL: u8 = 2;

/// What a health check changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// The target is left out from now on.
    Out,
    /// The target is asked again from now on.
    In,
}

impl Standing {
    /// That of a target by whose number `in_flight` its exchanges are counted.
    pub(super) fn new(in_flight: InFlight, rules: EjectSpec, is_peak_sensitive: bool, now: Instant) -> Self {
        Self {
            rules,
            is_peak_sensitive,
            born: now,
            in_flight,
            latency: AtomicU64::new(0),
            samples: AtomicU32::new(0),
            failures_in_row: AtomicU32::new(0),
            out_until: AtomicU64::new(0),
            times_out: AtomicU32::new(0),
            failures: AtomicU64::new(0),
            ejections: AtomicU64::new(0),
            ejected: Notify::new(),
            checks: CheckState::default(),
        }
    }

    /// How much of its usual share it is to have: 0 while it is left out, [`FULL_SHARE`] usually.
    pub(super) fn share(&self, now: Instant) -> u64 {
        if !self.is_well() {
            return 0;
        }
        let until = self.out_until.load(Ordering::Relaxed);
        if until == 0 {
            return FULL_SHARE;
        }
        let now = self.millis(now);
        if now < until {
            return 0;
        }
        let grown = now.saturating_sub(until).saturating_mul(FULL_SHARE);
        let share = grown.checked_div(clock::millis(self.rules.slow_start)).unwrap_or(FULL_SHARE);
        share.clamp(SHARE_MIN, FULL_SHARE)
    }

    /// Microseconds it takes to answer, if that is known at `now`.
    pub(super) fn latency(&self, now: Instant) -> Option<u64> {
        let packed = self.latency.load(Ordering::Relaxed);
        let age = (self.millis(now) & u64::from(u32::MAX)).saturating_sub(packed & u64::from(u32::MAX));
        let is_known = self.samples.load(Ordering::Relaxed) >= SAMPLES_KNOWN && age < STALE_MILLIS;
        is_known.then_some(packed >> 32)
    }

    /// It has answered at `now` what it was asked at `began`; `took` is its own share of the time, if known.
    pub(super) fn answered(&self, began: Instant, took: Option<Duration>, now: Instant) {
        if self.failures_in_row.load(Ordering::Relaxed) != 0 {
            self.failures_in_row.store(0, Ordering::Relaxed);
        }
        let until = self.out_until.load(Ordering::Relaxed);
        if until != 0 {
            let (began, now) = (self.millis(began), self.millis(now));
            let since = until.saturating_sub(self.out_for(self.times_out.load(Ordering::Relaxed)));
            if now < until && began > since {
                // Asked although it was left out, for lack of others.
                let _ = self.out_until.compare_exchange(until, now, Ordering::Relaxed, Ordering::Relaxed);
            }
        }
        if let Some(took) = took {
            self.sample(took, now);
        }
    }

    /// It has failed at `now` at what it was asked at `began`. For how long it is left out, if that begins now.
    pub(super) fn failed(&self, began: Instant, now: Instant) -> Option<Duration> {
        self.failures.fetch_add(1, Ordering::Relaxed);
        if self.rules.failures == 0 {
            return None;
        }
        let (began, now) = (self.millis(began), self.millis(now));
        let until = self.out_until.load(Ordering::Relaxed);
        if until != 0 && began < until {
            return None;
        }
        let times = self.times_out.load(Ordering::Relaxed);
        let is_on_trial = until != 0 && began < until.saturating_add(self.out_for(times));
        let in_row = self.failures_in_row.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        if in_row < self.rules.failures && !is_on_trial {
            return None;
        }
        let times = if is_on_trial { times.saturating_add(1) } else { 1 };
        let out_for = self.out_for(times);
        let next = now.saturating_add(out_for).max(1);
        // Only one of those who find it out at once leaves it out.
        self.out_until.compare_exchange(until, next, Ordering::Relaxed, Ordering::Relaxed).ok()?;
        self.times_out.store(times, Ordering::Relaxed);
        self.failures_in_row.store(0, Ordering::Relaxed);
        self.ejections.fetch_add(1, Ordering::Relaxed);
        self.ejected.notify_one();
        Some(Duration::from_millis(out_for))
    }

    /// Waits until it is left out because requests failed.
    pub(super) async fn ejected(&self) {
        self.ejected.notified().await;
    }

    /// Whether its health checks let it be asked; without them, always.
    pub(super) fn is_well(&self) -> bool {
        self.checks.health.load(Ordering::Relaxed) != ILL
    }

    /// Whether its last health check failed.
    pub(super) fn has_failed_check(&self) -> bool {
        self.checks.failed_in_row.load(Ordering::Relaxed) > 0
    }

    /// A health check has ended at `now`. What that changes.
    pub(super) fn checked(&self, is_good: bool, rules: &HealthSpec, now: Instant) -> Option<Turn> {
        let checks = &self.checks;
        let ejections = self.ejections.load(Ordering::Relaxed);
        // What was good before it was left out says nothing of its return.
        if checks.ejections_seen.swap(ejections, Ordering::Relaxed) != ejections {
            checks.good_in_row.store(0, Ordering::Relaxed);
        }
        let (counter, row, other) = if is_good {
            (&checks.good, &checks.good_in_row, &checks.failed_in_row)
        } else {
            (&checks.failed, &checks.failed_in_row, &checks.good_in_row)
        };
        counter.fetch_add(1, Ordering::Relaxed);
        other.store(0, Ordering::Relaxed);
        let in_row = row.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        let health = checks.health.load(Ordering::Relaxed);
        if !is_good {
            let is_news = health != ILL && (health == UNKNOWN || in_row >= rules.unhealthy);
            if is_news {
                checks.health.store(ILL, Ordering::Relaxed);
            }
            return is_news.then_some(Turn::Out);
        }
        if health == UNKNOWN {
            checks.health.store(WELL, Ordering::Relaxed);
        }
        (in_row >= rules.healthy && self.let_in(health == ILL, now)).then_some(Turn::In)
    }

    /// Lets it in again; whether it was out.
    fn let_in(&self, was_ill: bool, now: Instant) -> bool {
        let now = self.millis(now).max(1);
        let until = self.out_until.load(Ordering::Relaxed);
        let is_out = now < until;
        let serves_all = is_out && self.times_out.load(Ordering::Relaxed) > 1;
        if was_ill {
            self.checks.health.store(WELL, Ordering::Relaxed);
        }
        if serves_all || !(was_ill || is_out) {
            return false;
        }
        self.out_until.compare_exchange(until, now, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// Its health is checked no more.
    pub(super) fn forget_checks(&self) {
        self.checks.health.store(UNKNOWN, Ordering::Relaxed);
        self.checks.failed_in_row.store(0, Ordering::Relaxed);
        self.checks.good_in_row.store(0, Ordering::Relaxed);
    }

    /// Good and failed health checks so far.
    pub(super) fn checks(&self) -> (u64, u64) {
        (self.checks.good.load(Ordering::Relaxed), self.checks.failed.load(Ordering::Relaxed))
    }

    /// Failures, and how often it was left out, so far.
    pub(super) fn totals(&self) -> (u64, u64) {
        (self.failures.load(Ordering::Relaxed), self.ejections.load(Ordering::Relaxed))
    }

    /// Notes that an answer took `took`.
    pub(super) fn sample(&self, took: Duration, now: Instant) {
        let now = self.millis(now) & u64::from(u32::MAX);
        let took = u64::try_from(took.as_micros()).unwrap_or(u64::MAX).clamp(1, u64::from(u32::MAX));
        let packed = self.latency.load(Ordering::Relaxed);
        let (old, at) = (packed >> 32, packed & u64::from(u32::MAX));
        let silence = now.saturating_sub(at).saturating_mul(256).div_euclid(1_000);
        let samples = self.samples.load(Ordering::Relaxed);
        if samples < SAMPLES_ALL {
            self.samples.store(samples.saturating_add(1), Ordering::Relaxed);
        }
        let early = 256_u64.checked_div(u64::from(samples.saturating_add(1))).unwrap_or_default();
        let weight = silence.clamp(DENSE_WEIGHT, SPARSE_WEIGHT).max(early);
        let step = old.abs_diff(took).saturating_mul(weight).div_euclid(256);
        let new = match old {
            0 => took,
            old if took > old && self.is_peak_sensitive => took,
            old if took > old => old.saturating_add(step),
            old => old.saturating_sub(step),
        };
        self.latency.store((new.max(1) << 32) | now, Ordering::Relaxed);
    }

    /// How long it is left out the `times`th time in a row.
    fn out_for(&self, times: u32) -> u64 {
        let doubled = 1_u64.checked_shl(times.saturating_sub(1)).unwrap_or(u64::MAX);
        clock::millis(self.rules.time).saturating_mul(doubled).min(clock::millis(self.rules.time_max))
    }

    fn millis(&self, time: Instant) -> u64 {
        clock::millis(time.saturating_duration_since(self.born))
    }
}

#[cfg(test)]
mod tests;
