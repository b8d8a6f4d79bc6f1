//! A gate that a test opens: the other side waits there, so that order needs no sleep.

use std::sync::{Arc, Condvar, Mutex, PoisonError};

use crate::Deadline;

/// A gate, closed until opened. Clones are the same gate.
#[derive(Debug, Clone, Default)]
pub struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    /// A closed gate.
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets everyone through, now and later.
    pub fn open(&self) {
        *self.0.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.0.1.notify_all();
    }

    /// Waits until it is open; `false` when the deadline passes first.
    pub fn wait(&self, deadline: Deadline) -> bool {
        let mut is_open = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        while !*is_open {
            let Some(left) = deadline.left() else { return false };
            is_open = self.0.1.wait_timeout(is_open, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }
}
