//! How many exchanges something has under way, counted by guards.
//!
//! A guard lives as long as its exchange, whose end may be the last byte of an answer, a client that left, or a
//! panic: whatever drops the exchange gives its place back.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A number of exchanges under way at something that has a name.
#[derive(Debug, Clone)]
pub struct InFlight(Arc<Counted>);

#[derive(Debug)]
struct Counted {
    name: Arc<str>,
    count: AtomicUsize,
}

/// One exchange under way, until it is dropped or has left.
#[derive(Debug)]
pub struct UnderWay {
    at: InFlight,
    has_left: bool,
}

impl InFlight {
    /// None yet at what is called `name`.
    pub fn at(name: &Arc<str>) -> Self {
        Self(Arc::new(Counted { name: Arc::clone(name), count: AtomicUsize::new(0) }))
    }

    /// Counts one until the answer is dropped.
    pub fn enter(&self) -> UnderWay {
        self.0.count.fetch_add(1, Ordering::Relaxed);
        UnderWay { at: self.clone(), has_left: false }
    }

    /// How many are under way now.
    pub fn now(&self) -> usize {
        self.0.count.load(Ordering::Relaxed)
    }
}

impl UnderWay {
    /// What it is at, or was.
    pub fn name(&self) -> &str {
        &self.at.0.name
    }

    /// Is counted no more.
    pub fn leave(&mut self) {
        if !std::mem::replace(&mut self.has_left, true) {
            self.at.0.count.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.leave();
    }
}
