//! What counts once in this process: proofs and signatures that were seen.
//!
//! One memory of a kind for the process, so that no reload forgets; another process has its own.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use portcullis_identity::replay::{Replays, Seen};

use crate::clock::{self, Instant};

/// A memory of what was seen.
#[derive(Debug)]
pub struct Once {
    began: Instant,
    replays: Mutex<Replays>,
}

impl Once {
    /// Remembers each digest for at least `window`.
    pub fn new(window: Duration) -> Self {
        Self { began: clock::now(), replays: Mutex::new(Replays::new(window)) }
    }

    /// Whether `digest` was seen; if not, it is from now on, unless `count_max` and more are remembered.
    pub fn judge(&self, digest: [u8; 32], count_max: u32) -> Seen {
        let running = clock::now().saturating_duration_since(self.began);
        self.replays.lock().unwrap_or_else(PoisonError::into_inner).judge(digest, running, count_max as usize)
    }
}
