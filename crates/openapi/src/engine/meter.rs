//! What judging one value may cost.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;

use foldhash::fast::RandomState;

use super::closed::VERDICTS_MAX;

/// Steps for any value. PERF: a step is some 10 ns; ordinary bodies take 5 to 30 for each entry.
pub(super) const STEPS: u64 = 1_000_000;

/// Steps beyond those for each entry of the tape.
pub(super) const STEPS_PER_ENTRY: u64 = 64;

/// Steps for gathering reasons once a value is known to be refused.
pub(super) const STEPS_FOR_REASONS: u64 = 200_000;

/// Reasons looked at, those of branches among them; ten at most are told.
const REASONS_MAX: u32 = 128;

/// Bytes of one value that may be matched by patterns which need backtracking, and what a string counts at least.
const BACKTRACKED_BYTES_MAX: usize = 256 * 1024;
const BACKTRACKED_BYTES_LEAST: usize = 16;

/// Strings of one value that may make such a pattern go back often.
const HARD_MATCHES_MAX: u32 = 8;

pub(super) struct Meter {
    steps: Cell<u64>,
    bytes: Cell<usize>,
    hard: Cell<u32>,
    reasons: Cell<u32>,
    is_broken: Cell<bool>,
    /// Whether a value is what a schema says, both by their numbers.
    verdicts: RefCell<HashMap<(u32, u32), bool, RandomState>>,
}

impl Meter {
    pub(super) fn new(steps: u64) -> Self {
        Self {
            steps: Cell::new(steps),
            bytes: Cell::new(BACKTRACKED_BYTES_MAX),
            hard: Cell::new(HARD_MATCHES_MAX),
            reasons: Cell::new(REASONS_MAX),
            is_broken: Cell::new(false),
            verdicts: RefCell::default(),
        }
    }

    pub(super) fn judging(entries: usize) -> Self {
        let entries = u64::try_from(entries).unwrap_or(u64::MAX);
        Self::new(STEPS.saturating_add(entries.saturating_mul(STEPS_PER_ENTRY)))
    }

    /// One access. False once all are spent.
    pub(super) fn step(&self) -> bool {
        let steps = self.steps.get();
        self.steps.set(steps.saturating_sub(1));
        steps != 0
    }

    #[cfg(test)]
    pub(super) fn left(&self) -> u64 {
        self.steps.get()
    }

    pub(super) fn is_spent(&self) -> bool {
        self.steps.get() == 0
    }

    /// A string was matched by backtracking. False once there were too many.
    pub(super) fn backtrack(&self, bytes: usize) -> bool {
        let left = self.bytes.get().checked_sub(bytes.max(BACKTRACKED_BYTES_LEAST));
        self.bytes.set(left.unwrap_or_default());
        left.is_some()
    }

    /// A string needs to go back often. False once too many did.
    pub(super) fn backtrack_hard(&self) -> bool {
        let left = self.hard.get().checked_sub(1);
        self.hard.set(left.unwrap_or_default());
        left.is_some()
    }

    /// Whether a value is what a schema says: what `judge` says, or said before.
    pub(super) fn verdict(&self, key: u32, value: u32, judge: impl FnOnce() -> bool) -> bool {
        let known = self.verdicts.borrow().get(&(key, value)).copied();
        known.unwrap_or_else(|| {
            let verdict = judge();
            let mut verdicts = self.verdicts.borrow_mut();
            if verdicts.len() < VERDICTS_MAX {
                verdicts.insert((key, value), verdict);
            }
            verdict
        })
    }

    /// Some match could not be finished: whatever comes of it is no verdict, so the rest may as well end.
    pub(super) fn break_pattern(&self) {
        self.is_broken.set(true);
        self.steps.set(0);
    }

    pub(super) fn is_pattern_broken(&self) -> bool {
        self.is_broken.get()
    }

    /// A reason is being made. Enough of them end the gathering.
    pub(super) fn reason(&self) {
        let reasons = self.reasons.get();
        if reasons == 0 {
            self.steps.set(0);
        }
        self.reasons.set(reasons.saturating_sub(1));
    }
}
