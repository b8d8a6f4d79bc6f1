//! What was seen before, within a window: the memory against replays.
//!
//! Two generations are kept and the older one is forgotten whole, so remembering costs nothing but a table and time moves
//! it without a sweep. It is bounded: when the younger generation is full, nothing more is remembered and the caller must
//! refuse, for what cannot be remembered could be replayed.

use std::collections::HashSet;
use std::time::Duration;

/// A memory of digests.
#[derive(Debug)]
pub struct Replays {
    window: Duration,
    since: Duration,
    younger: HashSet<[u8; 32]>,
    older: HashSet<[u8; 32]>,
}

/// What a memory says of a digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// Never within the window; it is remembered now.
    First,
    /// Before.
    Before,
    /// Nobody knows: the memory is full.
    Full,
}

impl Replays {
    /// Remembers each digest for at least `window`.
    pub fn new(window: Duration) -> Self {
        Self { window, since: Duration::ZERO, younger: HashSet::new(), older: HashSet::new() }
    }

    /// Whether `digest` was seen, at the monotonic time `now`; if not, it is from now on, unless its generation has
    /// `count_max` already.
    pub fn judge(&mut self, digest: [u8; 32], now: Duration, count_max: usize) -> Seen {
        let age = now.saturating_sub(self.since);
        if age >= self.window {
            let younger = std::mem::take(&mut self.younger);
            self.older = if age >= self.window.saturating_mul(2) { HashSet::new() } else { younger };
            self.since = now;
        }
        if self.younger.contains(&digest) || self.older.contains(&digest) {
            return Seen::Before;
        }
        if self.younger.len() >= count_max {
            return Seen::Full;
        }
        self.younger.insert(digest);
        Seen::First
    }

    /// How many are remembered.
    pub fn len(&self) -> usize {
        self.younger.len().saturating_add(self.older.len())
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests;
