//! A moment after which a wait is a failure.
//!
//! Tests wait for conditions and never for time to pass: a slow machine makes them slower, not wrong.

use std::time::{Duration, Instant};

/// How long a test waits for what should happen at once. Generous: it is only ever used up by a failure.
pub const SOON: Duration = Duration::from_secs(15);

/// A moment after which a wait is a failure.
#[derive(Debug, Clone, Copy)]
pub struct Deadline(Instant);

impl Deadline {
    /// The moment `within` from now.
    pub fn after(within: Duration) -> Self {
        Self(Instant::now() + within)
    }

    /// The usual patience.
    pub fn soon() -> Self {
        Self::after(SOON)
    }

    /// What is left, `None` when it has passed.
    pub fn left(self) -> Option<Duration> {
        self.0.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
    }

    /// Asks `condition` until it answers, for conditions that nobody announces (files, `/proc`).
    ///
    /// # Panics
    /// When the deadline passes; `what` names the condition in the failure.
    pub fn poll<T>(self, what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
        loop {
            if let Some(answer) = condition() {
                return answer;
            }
            assert!(self.left().is_some(), "waited in vain for {what}");
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

/// How long something has taken.
#[derive(Debug, Clone, Copy)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Begins now.
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// The time since it began.
    pub fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}
