//! Failed credentials by client address: too many within a minute, and the address is held back.
//!
//! Whoever guesses must be slow, and must not make us check signatures and password hashes at will. So an address whose
//! credentials failed `bounds.credential_failures` times within a minute is answered 429 until that minute is over,
//! before a credential of it is checked. An IPv6 client counts by its /64, since it may choose the rest.
//!
//! Good callers behind the same address suffer with a bad one, but for those whose credential is known to be good
//! already and too long to be guessed (a key of ours, a token whose signature was checked before, a certificate): a
//! look tells them apart, costs no check, and helps nobody who guesses. A password gives no such comfort: while the
//! address is held back, a right one must look like a wrong one, or guessing would go on by the difference.
//!
//! # Limits
//! `bounds.credential_failure_addresses`; beyond it those with the fewest failures are forgotten. A request that is
//! being checked when the last failure is counted is answered as if it had come before.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use foldhash::{HashMap, HashMapExt};
use http::StatusCode;

use crate::bounds::Bounds;
use crate::clock::{self, Instant};
use crate::problem::{Blame, Problem, ProblemKind, Severity};

/// Too many failed credentials of one address.
pub const CREDENTIAL_ATTEMPTS_EXCEEDED: ProblemKind = ProblemKind {
    code: "credential-attempts-exceeded",
    status: StatusCode::TOO_MANY_REQUESTS,
    title: "Too many credentials failed",
    blame: Blame::Client,
    severity: Some(Severity::Medium),
    about: "Too many credentials of this client address failed within a minute (`bounds.credential_failures`). Until `Retry-After` has passed no credential of it is checked.",
};

/// The answer to an address that is held back for `left` more.
pub fn held_back(left: Duration) -> Problem {
    let seconds = left.as_secs().saturating_add(1);
    CREDENTIAL_ATTEMPTS_EXCEEDED
        .with("too many credentials of this address failed")
        .field("retry-after", seconds.to_string())
}

/// The time within which failures are counted, from the first one on.
const MINUTE: Duration = Duration::from_secs(60);
/// Parts of the table, each with a lock of its own; a power of two.
const SHARDS: usize = 16;

/// Failed credentials by client address.
#[derive(Debug)]
pub struct Attempts {
    begun: Instant,
    /// Until when somebody is held back, in milliseconds since `begun`.
    // PERF: while nobody is, requests with credentials read this and nothing else.
    somebody_until: AtomicU64,
    shards: [Mutex<HashMap<Network, Failures>>; SHARDS],
}

/// What counts as one client: an IPv4 address, or the first half of an IPv6 address, of which a client may choose the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Network {
    is_v6: bool,
    bits: u64,
}

/// Failures of one address.
#[derive(Debug, Clone, Copy)]
struct Failures {
    /// When they are forgotten, in milliseconds since the table began.
    until: u64,
    count: u32,
}

impl Default for Attempts {
    fn default() -> Self {
        Self {
            begun: clock::now(),
            somebody_until: AtomicU64::new(0),
            shards: std::array::from_fn(|_| Mutex::new(HashMap::new())),
        }
    }
}

impl Attempts {
    /// How long `address` is still held back, if it is.
    pub fn held(&self, address: IpAddr, bounds: &Bounds) -> Option<Duration> {
        let somebody_until = self.somebody_until.load(Ordering::Relaxed);
        if somebody_until == 0 {
            return None;
        }
        self.held_at(address, bounds, self.millis(clock::now()), somebody_until)
    }

    fn held_at(&self, address: IpAddr, bounds: &Bounds, now: u64, somebody_until: u64) -> Option<Duration> {
        if somebody_until <= now {
            // Unless a later end was written meanwhile.
            let _ =
                self.somebody_until.compare_exchange(somebody_until, 0, Ordering::Relaxed, Ordering::Relaxed);
            return None;
        }
        let network = Network::of(address);
        let failures = *self.shard(network).get(&network)?;
        let is_held = failures.count >= bounds.credential_failures && failures.until > now;
        is_held.then(|| Duration::from_millis(failures.until.saturating_sub(now)))
    }

    /// Counts a failure. Whether the address is held back from now on.
    pub fn failed(&self, address: IpAddr, bounds: &Bounds) -> bool {
        self.failed_at(address, bounds, self.millis(clock::now()))
    }

    fn failed_at(&self, address: IpAddr, bounds: &Bounds, now: u64) -> bool {
        let network = Network::of(address);
        let (count, until) = {
            let mut shard = self.shard(network);
            if !shard.contains_key(&network) {
                make_room(&mut shard, bounds.credential_failure_addresses as usize / SHARDS, now);
            }
            let fresh = Failures { until: now.saturating_add(clock::millis(MINUTE)), count: 0 };
            let failures = shard.entry(network).or_insert(fresh);
            if failures.until <= now {
                *failures = fresh;
            }
            failures.count = failures.count.saturating_add(1);
            (failures.count, failures.until)
        };
        if count < bounds.credential_failures {
            return false;
        }
        self.somebody_until.fetch_max(until, Ordering::Relaxed);
        count == bounds.credential_failures
    }

    fn shard(&self, network: Network) -> std::sync::MutexGuard<'_, HashMap<Network, Failures>> {
        // The table's own hash is keyed; this one only spreads the locks.
        let spread = network.bits ^ (network.bits >> 16) ^ (network.bits >> 32) ^ (network.bits >> 48);
        let at = usize::try_from(spread & (SHARDS as u64).saturating_sub(1)).unwrap_or_default();
        let shard = self.shards.get(at).unwrap_or(&self.shards[0]);
        // Nothing is done under the lock that could leave half a change behind.
        shard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn millis(&self, at: Instant) -> u64 {
        // At least 1: 0 says that nobody is held back.
        clock::millis(at.saturating_duration_since(self.begun)).saturating_add(1)
    }
}

impl Network {
    /// That of `address`; an IPv4 address that is written as an IPv6 one is an IPv4 address.
    pub fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self { is_v6: false, bits: u64::from(u32::from(address)) },
            IpAddr::V6(address) => {
                Self { is_v6: true, bits: u64::try_from(u128::from(address) >> 64).unwrap_or_default() }
            }
        }
    }
}

/// Makes room for one more: forgets what is over, else the one with the fewest failures, the oldest of several.
fn make_room(shard: &mut HashMap<Network, Failures>, most: usize, now: u64) {
    if shard.len() < most.max(1) {
        return;
    }
    shard.retain(|_, failures| failures.until > now);
    while shard.len() >= most.max(1) {
        let weakest = shard.iter().min_by_key(|(_, failures)| (failures.count, failures.until));
        let Some(weakest) = weakest.map(|(network, _)| *network) else { return };
        shard.remove(&weakest);
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;
    use std::sync::atomic::Ordering;
    use std::time::Duration;

    use super::{Attempts, SHARDS};
    use crate::bounds::Bounds;

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    fn held(attempts: &Attempts, text: &str, bounds: &Bounds, now: u64) -> Option<Duration> {
        let until = attempts.somebody_until.load(Ordering::Relaxed);
        if until == 0 { None } else { attempts.held_at(address(text), bounds, now, until) }
    }

    #[test]
    fn an_address_is_held_back_until_its_minute_is_over() {
        let (attempts, bounds) = (Attempts::default(), Bounds::default());
        assert_eq!(bounds.credential_failures, 20);
        for count in 1..20 {
            assert!(!attempts.failed_at(address("192.0.2.1"), &bounds, count));
            assert_eq!(held(&attempts, "192.0.2.1", &bounds, count), None);
        }
        assert!(attempts.failed_at(address("192.0.2.1"), &bounds, 30_001));
        assert_eq!(held(&attempts, "192.0.2.1", &bounds, 30_001), Some(Duration::from_secs(30)));
        assert_eq!(held(&attempts, "::ffff:192.0.2.1", &bounds, 60_000), Some(Duration::from_millis(1)));
        assert_eq!(held(&attempts, "192.0.2.2", &bounds, 30_001), None);
        // Those that were on their way are counted and begin nothing anew.
        assert!(!attempts.failed_at(address("192.0.2.1"), &bounds, 40_000));
        assert_eq!(held(&attempts, "192.0.2.1", &bounds, 60_001), None);
        assert_eq!(attempts.somebody_until.load(Ordering::Relaxed), 0, "nobody is");
        assert!(!attempts.failed_at(address("192.0.2.1"), &bounds, 60_002), "and the count begins anew");
    }

    #[test]
    fn an_ipv6_client_counts_by_its_network() {
        let (attempts, bounds) = (Attempts::default(), Bounds::default());
        for host in 1..=20 {
            attempts.failed_at(address(&format!("2001:db8::{host:x}")), &bounds, 1);
        }
        assert!(held(&attempts, "2001:db8::ffff:1", &bounds, 1).is_some());
        assert_eq!(held(&attempts, "2001:db8:0:1::1", &bounds, 1), None);
    }

    #[test]
    fn the_table_stays_within_its_bound_and_keeps_those_who_are_held_back() {
        let attempts = Attempts::default();
        let bounds =
            Bounds { credential_failures: 2, credential_failure_addresses: 256, ..Bounds::default() };
        for _ in 0..2 {
            attempts.failed_at(address("192.0.2.1"), &bounds, 1);
        }
        for host in 0..20_000_u32 {
            attempts.failed_at(IpAddr::from(host.to_be_bytes()), &bounds, 2);
        }
        let addresses: usize = attempts.shards.iter().map(|shard| shard.lock().expect("a lock").len()).sum();
        assert!(addresses <= 256 && addresses > SHARDS);
        assert!(held(&attempts, "192.0.2.1", &bounds, 3).is_some());
    }
}
