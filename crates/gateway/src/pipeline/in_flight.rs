//! How many exchanges something has under way, counted by guards.
//!
//! A guard lives as long as its exchange, whose end may be the last byte of an answer, a client that left, or a
//! panic: whatever drops the exchange gives its place back.

use std::sync::Arc;

/// A number of exchanges under way at something that has a name.
// PERF: the guards share what counts them, so that its count of owners, less this one, is the number.
#[derive(Debug)]
pub struct InFlight(Arc<Arc<str>>);

/// One exchange under way, until it is dropped or has left.
#[derive(Debug)]
pub struct UnderWay(State);

#[derive(Debug)]
enum State {
    Counted(Arc<Arc<str>>),
    HasLeft(Arc<str>),
}

impl InFlight {
    /// None yet at what is called `name`.
    pub fn at(name: &Arc<str>) -> Self {
        Self(Arc::new(Arc::clone(name)))
    }

    /// Counts one until the answer is dropped.
    pub fn enter(&self) -> UnderWay {
        UnderWay(State::Counted(Arc::clone(&self.0)))
    }

    /// How many are under way now.
    pub fn now(&self) -> usize {
        Arc::strong_count(&self.0).saturating_sub(1)
    }
}

impl UnderWay {
    /// What it is at, or was.
    pub fn name(&self) -> &str {
        match &self.0 {
            State::Counted(name) => name,
            State::HasLeft(name) => name,
        }
    }

    /// Is counted no more.
    pub fn leave(&mut self) {
        if let State::Counted(name) = &self.0 {
            self.0 = State::HasLeft(Arc::clone(name));
        }
    }
}
