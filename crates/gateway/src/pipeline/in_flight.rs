//! How many exchanges something has under way, counted by guards.
//!
//! A guard lives as long as its exchange, whose end may be the last byte of an answer, a client that left, or a
//! panic: whatever drops the exchange gives its place back.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A number of exchanges under way.
#[derive(Debug, Clone, Default)]
pub struct InFlight(Arc<AtomicUsize>);

/// One exchange under way, until it is dropped.
#[derive(Debug)]
pub struct UnderWay(InFlight);

impl InFlight {
    /// Counts one until the answer is dropped.
    pub fn enter(&self) -> UnderWay {
        self.0.fetch_add(1, Ordering::Relaxed);
        UnderWay(self.clone())
    }

    /// How many are under way now.
    pub fn now(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}
