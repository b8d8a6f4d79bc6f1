//! Which target is asked next.
//!
//! Turns are taken in weighted order (`schedule`); the other ways to choose fall back on it wherever they have no
//! preference, so that weights hold among targets that are alike.
//!
//! - `round_robin`: whose turn it is.
//! - `least_requests`: the one with the fewest exchanges under way; where weights differ, one that has no more of them
//!   than its weight's share.
//! - `peak_ewma`: the one of which latency times exchanges under way is least for its weight.
//! - `hash`: always the same for the same caller, by rendezvous: each target has a number for each caller, and the
//!   largest wins. A target that comes or goes moves the callers it has or had and no others; the numbers depend on
//!   nothing but the target's URL and the caller, so every process and every start agrees.
//!
//! **Slow ones.** Counting alone gives a target that is ten times slower than two others a twentieth of all requests,
//! and whoever is unlucky waits. So both that count set a target aside that takes over [`SLOW_FACTOR`] times as long as
//! the fastest, but for every [`PROBE_EVERY`]th request, which finds out whether that still holds. When the others
//! are overloaded they are slow themselves, and it is asked again.
//!
//! **Left out.** What `standing` leaves out is not chosen, and what was let in again has its turn now and then; if
//! nobody is left, everybody is but those that fail their health checks. A target that was tried for the same request is
//! not chosen again, and who asks again takes nobody's turn.
//!
//! PERF: one look at each target, without a lock or an allocation. A single target is not looked at.

use std::hash::Hasher;
use std::net::IpAddr;

use super::backend::{Backend, Target};
use super::spec::Balance;
use super::standing::FULL_SHARE;
use crate::clock::Instant;
use crate::pipeline::request_id::random;

/// How many times as long as the fastest a slow target takes.
const SLOW_FACTOR: u64 = 3;

/// Differences of latency below this, in microseconds, say more of the machine than of the target.
const NOISE_MICROS: u64 = 1_000;

/// One request in so many may go to a slow target.
const PROBE_EVERY: usize = 256;

/// Costs within a quarter of the least are alike.
const ALIKE: (u64, u64) = (5, 4);

/// For whom a target is chosen, as `hash` knows callers.
#[derive(Clone, Copy, Debug)]
pub(super) enum Caller<'a> {
    Consumer(&'a str),
    Address(IpAddr),
}

/// Targets of one backend that one request was sent to in vain.
pub(super) type Tried = smallvec::SmallVec<[usize; 4]>;

/// A time at which some targets are out of the question.
#[derive(Clone, Copy)]
struct Round<'a> {
    backend: &'a Backend,
    now: Instant,
    tried: &'a [usize],
    turn: usize,
    /// Whether those are chosen, too, that are left out.
    is_desperate: bool,
}

impl Backend {
    /// The index of the target to be asked now, unless all were `tried` or fail their health checks.
    pub(super) fn choose(&self, caller: Caller<'_>, now: Instant, tried: &[usize]) -> Option<usize> {
        if let [target] = self.targets() {
            return (tried.is_empty() && target.standing.is_well()).then_some(0);
        }
        // Who asks again takes nobody's turn: else, of two targets, every first try would meet the one that fails.
        let turn = if tried.is_empty() { self.schedule().next() } else { random() as usize };
        let mut round = Round { backend: self, now, tried, turn, is_desperate: false };
        let chosen = round.choose(caller);
        if chosen.is_some() {
            return chosen;
        }
        round.is_desperate = true;
        round.choose(caller)
    }
}

impl Backend {
    /// Whether a target is left that may be asked and was not `tried`.
    pub(super) fn has_another(&self, tried: &[usize]) -> bool {
        let mut others = self.targets().iter().enumerate().filter(|(at, _)| !tried.contains(at));
        others.any(|(_, target)| target.standing.is_well())
    }
}

impl Round<'_> {
    fn choose(&self, caller: Caller<'_>) -> Option<usize> {
        match self.backend.spec().balance {
            Balance::RoundRobin => self.in_turn(),
            Balance::LeastRequests => {
                let (fastest, all) = (self.fastest()?, self.under_way());
                self.least(fastest, |target| self.load(target, all), (1, 1))
            }
            Balance::PeakEwma => {
                let (fastest, all) = (self.fastest()?, self.under_way());
                self.least(fastest, |target| self.cost(target, fastest, all), ALIKE)
            }
            Balance::Hash => self.by_hash(caller),
        }
    }

    fn candidates(&self) -> impl Iterator<Item = (usize, &Target)> {
        let targets = self.backend.targets().iter().enumerate();
        targets.map(|(at, target)| (at, &**target)).filter(|(at, target)| self.may_have(*at, target))
    }

    fn may_have(&self, at: usize, target: &Target) -> bool {
        target.weight > 0
            && !self.tried.contains(&at)
            && target.standing.is_well()
            && (self.is_desperate || target.standing.share(self.now) > 0)
    }

    /// The turn behind one whose target is not there for this request.
    fn behind(&self, turn: usize) -> usize {
        if self.tried.is_empty() { self.backend.schedule().next() } else { turn.wrapping_add(1) }
    }

    /// Whether a target that was let in again has its turn this time.
    fn is_let_in(&self, turn: usize, target: &Target) -> bool {
        let share = target.standing.share(self.now);
        self.is_desperate || share == FULL_SHARE || mix(turn as u64) % FULL_SHARE < share
    }

    /// The next in turn.
    fn in_turn(&self) -> Option<usize> {
        let schedule = self.backend.schedule();
        let mut reserve = None;
        let mut turn = self.turn;
        for _ in 0..schedule.len() {
            let at = schedule.at(turn);
            if let Some(target) = self.backend.targets().get(at)
                && self.may_have(at, target)
            {
                if self.is_let_in(turn, target) {
                    return Some(at);
                }
                reserve.get_or_insert(at);
            }
            // Taken, not only looked at: else whoever stands behind one that is left out had two shares.
            turn = self.behind(turn);
        }
        // Other cores took the turns that were missed.
        reserve.or_else(|| self.candidates().next().map(|(at, _)| at))
    }

    /// Microseconds the fastest candidate takes, 0 if that is known of none. `None` where there is no candidate.
    fn fastest(&self) -> Option<u64> {
        let (mut fastest, mut has_any) = (None, false);
        for (_, target) in self.candidates() {
            has_any = true;
            fastest = match (fastest, target.standing.latency(self.now)) {
                (Some(one), Some(other)) => Some(u64::min(one, other)),
                (one, other) => one.or(other),
            };
        }
        has_any.then(|| fastest.unwrap_or_default())
    }

    /// The one in turn among those of least cost.
    fn least(&self, fastest: u64, cost: impl Fn(&Target) -> u64, alike: (u64, u64)) -> Option<usize> {
        let is_slow = |target: &Target| {
            let bearable = fastest.saturating_add(NOISE_MICROS).saturating_mul(SLOW_FACTOR);
            target
                .standing
                .latency(self.now)
                .is_some_and(|latency| latency.saturating_add(NOISE_MICROS) > bearable)
        };
        let is_idle = |target: &Target| target.standing.in_flight.now() == 0;
        if self.turn.checked_rem(PROBE_EVERY) == Some(PROBE_EVERY.saturating_sub(1))
            && let Some((at, _)) = self.candidates().find(|(_, target)| is_slow(target) && is_idle(target))
        {
            return Some(at);
        }
        let costs = self.candidates().filter(|(_, target)| !is_slow(target)).map(|(_, target)| cost(target));
        let least = costs.min()?.saturating_mul(alike.0).div_euclid(alike.1);
        // Taken, not only looked at: else whoever stands behind one that is left out had two shares.
        let schedule = self.backend.schedule();
        let is_out = |turn: usize| {
            let at = schedule.at(turn);
            self.backend.targets().get(at).is_none_or(|target| !self.may_have(at, target))
        };
        let mut turn = self.turn;
        for _ in 0..schedule.len() {
            if !is_out(turn) {
                break;
            }
            turn = self.behind(turn);
        }
        // Another core may have changed the cost meanwhile; then any that is not slow is good enough.
        self.in_turn_once(turn, |target| !is_slow(target) && cost(target) <= least)
            .or_else(|| self.in_turn_once(turn, |target| !is_slow(target)))
    }

    /// The first from `turn` on that `wanted` accepts, without taking any more turns.
    fn in_turn_once(&self, turn: usize, wanted: impl Fn(&Target) -> bool) -> Option<usize> {
        let schedule = self.backend.schedule();
        let mut reserve = None;
        for turn in (0..schedule.len()).map(|further| turn.wrapping_add(further)) {
            let at = schedule.at(turn);
            if let Some(target) = self.backend.targets().get(at)
                && self.may_have(at, target)
                && wanted(target)
            {
                if self.is_let_in(turn, target) {
                    return Some(at);
                }
                reserve.get_or_insert(at);
            }
        }
        reserve
    }

    /// Exchanges under way at all candidates, and the weight of all.
    fn under_way(&self) -> (u64, u64) {
        let add = |(under_way, weight): (u64, u64), (_, target): (usize, &Target)| {
            let here = target.standing.in_flight.now() as u64;
            (under_way.saturating_add(here), weight.saturating_add(u64::from(target.weight)))
        };
        self.candidates().fold((0, 0), add)
    }

    /// Exchanges under way. Where weights differ, those that are clearly more than its share: the least for its weight
    /// would be whoever is light and idle, and weights would not hold.
    fn load(&self, target: &Target, (under_way, weight): (u64, u64)) -> u64 {
        let here = target.standing.in_flight.now() as u64;
        if self.backend.has_equal_weights() {
            return here;
        }
        let share = under_way.saturating_add(1).saturating_mul(u64::from(target.weight));
        let excess = here.saturating_sub(1).saturating_mul(weight).saturating_sub(share);
        excess.div_ceil(weight.max(1))
    }

    fn cost(&self, target: &Target, fastest: u64, all: (u64, u64)) -> u64 {
        // Of a new target nothing is known: it is taken for a good one, but not for one without latency.
        let latency = target.standing.latency(self.now).unwrap_or(fastest).saturating_add(NOISE_MICROS);
        latency.saturating_mul(self.load(target, all).saturating_add(1))
    }

    /// The one whose number for `caller` is largest; numbers of heavy targets are larger.
    fn by_hash(&self, caller: Caller<'_>) -> Option<usize> {
        let key = caller.key();
        let (mut best, mut reserve): (Option<(usize, f64)>, Option<usize>) = (None, None);
        for (at, target) in self.candidates() {
            let number = mix(key ^ target.seed);
            let share = target.standing.share(self.now);
            // The same callers first, so that nobody is sent to and fro while the share grows.
            if !self.is_desperate && share < FULL_SHARE && mix(number) % FULL_SHARE >= share {
                reserve.get_or_insert(at);
                continue;
            }
            let score = weighted(number, target.weight);
            if best.is_none_or(|(_, most)| score > most) {
                best = Some((at, score));
            }
        }
        best.map(|(at, _)| at).or(reserve)
    }
}

impl Caller<'_> {
    fn key(self) -> u64 {
        let mut hasher = Fnv::default();
        match self {
            Self::Consumer(name) => {
                hasher.write(b"consumer ");
                hasher.write(name.as_bytes());
            }
            Self::Address(IpAddr::V4(address)) => hasher.write(&address.octets()),
            Self::Address(IpAddr::V6(address)) => hasher.write(&address.octets()),
        }
        hasher.finish()
    }
}

/// What a target's numbers depend on.
pub(super) fn seed(url: &str) -> u64 {
    let mut hasher = Fnv::default();
    hasher.write(url.as_bytes());
    mix(hasher.finish())
}

/// A number that wins as often as its weight says: the exponential distribution's share of rendezvous hashing
/// (Schindelhauer and Schomaker, "Weighted distributed hash tables", 2005).
fn weighted(number: u64, weight: u16) -> f64 {
    const ALL: f64 = 9_007_199_254_740_992.0; // 2^53
    let number = ((number >> 11) as f64 + 0.5) / ALL;
    f64::from(weight) / -number.ln()
}

/// FNV-1a, 64 bits: the same in every process, which the standard library's hashers promise not to be.
struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Hasher for Fnv {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// Spreads the bits of a number over all of it: the finaliser of SplitMix64.
pub(super) fn mix(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

#[cfg(test)]
mod tests;
