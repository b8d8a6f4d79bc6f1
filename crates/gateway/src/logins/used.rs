//! What counts once: the states of logins under way, the names of logout tokens.
//!
//! Two halves, each for as long as such a thing can be brought: what is older than both could not be brought any more. A
//! half that is full makes room as one that is old does, so that nobody can keep others from logging in.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use foldhash::HashSet;
use portcullis_identity::sha256::digest;

use crate::clock::{self, Instant};

/// How long a half is filled.
const LASTS: Duration = Duration::from_secs(600);
/// What is remembered in a half.
const HALF_MAX: usize = 32_768;

/// What was brought already.
#[derive(Debug, Default)]
pub struct Used(Mutex<Halves>);

#[derive(Debug, Default)]
struct Halves {
    young: HashSet<[u8; 16]>,
    old: HashSet<[u8; 16]>,
    since: Option<Instant>,
}

impl Used {
    /// Takes note of `what`; says whether this is the first time.
    pub fn first(&self, what: &str) -> bool {
        let now = clock::now();
        let hash = digest(what.as_bytes());
        let Some(own) = hash.as_bytes().first_chunk::<16>() else { return false };
        let mut halves = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let since = *halves.since.get_or_insert(now);
        if now.saturating_duration_since(since) >= LASTS || halves.young.len() >= HALF_MAX {
            halves.old = std::mem::take(&mut halves.young);
            halves.since = Some(now);
        }
        !halves.old.contains(own) && halves.young.insert(*own)
    }
}

#[cfg(test)]
mod tests {
    use super::{HALF_MAX, Used};

    #[test]
    fn a_state_counts_once_while_others_come_and_go() {
        let used = Used::default();
        assert!(used.first("one"));
        assert!(!used.first("one"));
        for at in 0..HALF_MAX {
            assert!(used.first(&format!("other {at}")));
        }
        assert!(!used.first("one"), "it is in the older half");
    }
}
