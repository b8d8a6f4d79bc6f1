//! The only place that asks the machine what time it is.
//!
//! Limits, caches and deadlines run on [`now`], which no one can set back; certificates, tokens and log lines
//! are judged on [`wall`]. One module, so that a test of a clock jump has one thing to move and a lint one
//! thing to allow.

use std::cell::Cell;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub use tokio::time::Instant;

/// Monotonic time.
pub fn now() -> Instant {
    Instant::now()
}

/// Wall-clock time since 1970, for what the outside world dates.
#[expect(clippy::disallowed_methods, reason = "this module is the replacement the lint names")]
pub fn wall() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// How long a thread takes the distance between the two clocks for the same: so late it follows who sets one of them.
const DISTANCE_HOLDS: Duration = Duration::from_millis(20);

/// The wall-clock time of a moment that was just read off the other clock.
// PERF: one clock is read instead of two.
pub fn wall_at(moment: Instant) -> Duration {
    thread_local! {
        static BOTH: Cell<Option<(Instant, Duration)>> = const { Cell::new(None) };
    }
    let known = BOTH.get().and_then(|(at, wall)| {
        let since = moment.checked_duration_since(at)?;
        (since < DISTANCE_HOLDS).then(|| wall.saturating_add(since))
    });
    known.unwrap_or_else(|| {
        let wall = wall();
        BOTH.set(Some((moment, wall)));
        wall
    })
}

/// Whole milliseconds, as far as they can be counted.
pub fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
