//! What the gateway says about itself: records, incidents, metrics, and what `explain` reads.

pub mod record;

pub use record::{Decision, Record, Verdict};

/// Placeholder.
#[derive(Debug, Clone, Default)]
pub struct Observe;
/// Placeholder.
#[derive(Debug, Clone, Default)]
pub struct OperationMetrics;

impl Observe {
    /// Placeholder.
    pub fn record(&self, _record: &Record<'_>) {}
}
