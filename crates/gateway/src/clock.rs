//! The only place that asks the machine what time it is.
//!
//! Limits, caches and deadlines run on [`now`], which no one can set back; certificates, tokens and log lines
//! are judged on [`wall`]. One module, so that a test of a clock jump has one thing to move and a lint one
//! thing to allow.

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

/// Whole milliseconds, as far as they can be counted.
pub fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
