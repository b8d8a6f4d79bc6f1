//! What counts once: the states of logins under way, the names of logout tokens.
//!
//! Two halves, each for as long as such a thing can be brought: what is older than both could not be brought any more. A
//! half that is full makes room as one that is old does, so that nobody can keep others from logging in.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use foldhash::HashSet;
use portcullis_identity::sha256::digest;

use crate::bounds::Bounds;
use crate::clock::{self, Instant};

/// How long a half is filled.
const LASTS: Duration = Duration::from_secs(600);

/// What was brought already.
#[derive(Debug)]
pub struct Used {
    halves: Mutex<Halves>,
    half_max: AtomicUsize,
}

#[derive(Debug, Default)]
struct Halves {
    young: HashSet<[u8; 16]>,
    old: HashSet<[u8; 16]>,
    since: Option<Instant>,
}

impl Default for Used {
    fn default() -> Self {
        Self { halves: Mutex::default(), half_max: AtomicUsize::new(Bounds::default().login_states as usize) }
    }
}

impl Used {
    /// At most so many are remembered in a half.
    pub fn resize(&self, half_max: u32) {
        self.half_max.store(half_max as usize, Ordering::Relaxed);
    }

    /// Takes note of `what`; says whether this is the first time.
    pub fn first(&self, what: &str) -> bool {
        let now = clock::now();
        let hash = digest(what.as_bytes());
        let Some(own) = hash.as_bytes().first_chunk::<16>() else { return false };
        let mut halves = self.halves.lock().unwrap_or_else(PoisonError::into_inner);
        let since = *halves.since.get_or_insert(now);
        if now.saturating_duration_since(since) >= LASTS
            || halves.young.len() >= self.half_max.load(Ordering::Relaxed)
        {
            halves.old = std::mem::take(&mut halves.young);
            halves.since = Some(now);
        }
        !halves.old.contains(own) && halves.young.insert(*own)
    }
}

#[cfg(test)]
mod tests {
    use super::Used;

    #[test]
    fn a_state_counts_once_while_others_come_and_go() {
        let used = Used::default();
        used.resize(100);
        assert!(used.first("one"));
        assert!(!used.first("one"));
        for at in 0..100 {
            assert!(used.first(&format!("other {at}")));
        }
        assert!(!used.first("one"), "it is in the older half");
    }
}
