//! When a request is sent again, and how often in all.
//!
//! **Safe.** What no target has looked at goes to the next one at once, whatever its method: no connection came about,
//! or an HTTP/2 backend says that it did not process the stream. What may have been heard is repeated for GET, HEAD,
//! OPTIONS, PUT and DELETE alone, if its body is still here from the start, and only while the client has seen nothing
//! of an answer: when the connection broke or no head came in time, and when the answer is 502, 503 or 504 without
//! `Retry-After` (a backend that says when to come again means later). A malformed answer is never asked for twice.
//!
//! **Bounded.** Such repetitions are paid for: each request of a backend earns it `retries.budget` of one, each second
//! a whole one, and no more than [`FLOOR`] are ever saved up. So whatever breaks, the backend never gets more than
//! that on top, and a backend with little traffic can still repeat. Going to the next target with what nobody has
//! seen costs nothing; beginning again with the same ones, because there is no other, does.
//!
//! One number behind an atomic, shared by all cores. A request only counts itself, on its own core; what was earned is
//! reckoned when somebody spends.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::spec::RetrySpec;
use crate::clock::Instant;
use crate::tally::Tally;

/// Repetitions that a backend may have saved up, and has at first.
pub(super) const FLOOR: u64 = 10;

/// One repetition, in the unit of the account: a request earns a share of it, in hundredths of a percent.
const WHOLE: u64 = 10_000;

/// The first pause before the same targets are asked again.
const PAUSE_FIRST: Duration = Duration::from_millis(25);

/// The longest.
const PAUSE_MAX: Duration = Duration::from_millis(250);

/// What one backend may repeat.
#[derive(Debug)]
pub(super) struct Budget {
    rules: RetrySpec,
    born: Instant,
    requests: Tally<1>,
    account: AtomicU64,
    spent: AtomicU64,
    refused: AtomicU64,
}

/// What one request has left of its repetitions, and what it has used.
#[derive(Debug)]
pub(super) struct Tries {
    left: u8,
    /// How often it was sent again, or to another target.
    pub(super) again: u32,
}

impl Budget {
    pub(super) fn new(rules: RetrySpec, now: Instant) -> Self {
        let full = Account { saved: FLOOR.saturating_mul(WHOLE), seen: 0, second: 0 };
        Self {
            rules,
            born: now,
            requests: Tally::default(),
            account: AtomicU64::new(full.packed()),
            spent: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        }
    }

    pub(super) fn rules(&self) -> RetrySpec {
        self.rules
    }

    /// One request more.
    pub(super) fn begin(&self) -> Tries {
        self.requests.add(0, 1);
        Tries { left: self.rules.max, again: 0 }
    }

    /// Whether the request of `tries` may be repeated at `now`, which is then paid for.
    pub(super) fn spend(&self, tries: &mut Tries, now: Instant) -> bool {
        let Some(left) = tries.left.checked_sub(1) else { return false };
        let [requests] = self.requests.sums();
        let second = now.saturating_duration_since(self.born).as_secs();
        let paid = self.account.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |packed| {
            Some(Account::unpack(packed).earn(requests, second, self.rules.budget).pay()?.packed())
        });
        let counter = if paid.is_ok() { &self.spent } else { &self.refused };
        counter.fetch_add(1, Ordering::Relaxed);
        if paid.is_ok() {
            tries.left = left;
            tries.again = tries.again.saturating_add(1);
        }
        paid.is_ok()
    }

    /// Repetitions so far, and those that the budget did not allow.
    pub(super) fn totals(&self) -> (u64, u64) {
        (self.spent.load(Ordering::Relaxed), self.refused.load(Ordering::Relaxed))
    }
}

impl Tries {
    /// Notes that the request goes on where nobody has seen it.
    pub(super) fn go_on(&mut self) {
        self.again = self.again.saturating_add(1);
    }

    /// Whether the request may be repeated at all.
    pub(super) fn is_left(&self) -> bool {
        self.left > 0
    }
}

/// How long to wait before the same targets are asked again for the `times`th time; `random` spreads those who wait.
pub(super) fn pause(times: u32, random: u64) -> Duration {
    let doubled = PAUSE_FIRST.saturating_mul(1_u32.checked_shl(times).unwrap_or(u32::MAX));
    let longest = u64::try_from(doubled.min(PAUSE_MAX).as_micros()).unwrap_or(u64::MAX);
    let half = longest.div_ceil(2);
    Duration::from_micros(half.saturating_add(random.checked_rem(half.max(1)).unwrap_or_default()))
}

/// What is saved, and the requests and seconds it was reckoned for; both go round, which loses some of a long silence.
#[derive(Clone, Copy, Debug)]
struct Account {
    saved: u64,
    seen: u64,
    second: u64,
}

const SEEN_BITS: u32 = 24;
const SECOND_BITS: u32 = 20;

fn low(value: u64, bits: u32) -> u64 {
    value & (1_u64 << bits).saturating_sub(1)
}

/// How far a count has come since it was `before`, and where it stands. A core that read it before another one wrote is
/// behind, not a round ahead.
fn since(before: u64, now: u64, bits: u32) -> (u64, u64) {
    let ahead = low(now.wrapping_sub(before), bits);
    if ahead >> bits.saturating_sub(1) == 0 { (ahead, low(now, bits)) } else { (0, before) }
}

impl Account {
    fn unpack(packed: u64) -> Self {
        Self {
            saved: packed >> (SEEN_BITS + SECOND_BITS),
            seen: low(packed >> SECOND_BITS, SEEN_BITS),
            second: low(packed, SECOND_BITS),
        }
    }

    fn packed(self) -> u64 {
        (self.saved << (SEEN_BITS + SECOND_BITS)) | (self.seen << SECOND_BITS) | self.second
    }

    fn earn(self, requests: u64, second: u64, share: u32) -> Self {
        let (new, seen) = since(self.seen, requests, SEEN_BITS);
        let (passed, second) = since(self.second, second, SECOND_BITS);
        let earned = new.saturating_mul(u64::from(share)).saturating_add(passed.saturating_mul(WHOLE));
        let saved = self.saved.saturating_add(earned).min(FLOOR.saturating_mul(WHOLE));
        Self { saved, seen, second }
    }

    fn pay(self) -> Option<Self> {
        Some(Self { saved: self.saved.checked_sub(WHOLE)?, ..self })
    }
}

#[cfg(test)]
mod tests;
