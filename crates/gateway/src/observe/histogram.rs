//! A histogram of durations that is observed without a lock: one addition to a bucket, one to the sum.

use std::array;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use prometheus_client::encoding::{EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;

/// Upper bounds of the buckets, inclusive, in milliseconds: those OpenTelemetry names for
/// `http.server.request.duration`. One more bucket takes what lies above.
pub const BOUNDS_MS: [u64; 14] = [5, 10, 25, 50, 75, 100, 250, 500, 750, 1_000, 2_500, 5_000, 7_500, 10_000];

/// Counts of durations by size.
#[derive(Debug)]
#[repr(C)]
pub(super) struct Histogram {
    // PERF: beside the first bucket, which most durations fall into.
    nanos: AtomicU64,
    // A scrape reads these one by one while they are written. The count it shows is the sum of the buckets, so
    // that the two always agree (a scraper rejects a histogram in which they do not).
    buckets: [AtomicU64; BOUNDS_MS.len() + 1],
}

/// What a histogram has counted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Observed {
    nanos: u64,
    buckets: [u64; BOUNDS_MS.len() + 1],
}

impl Default for Histogram {
    fn default() -> Self {
        Self { buckets: array::from_fn(|_| AtomicU64::new(0)), nanos: AtomicU64::new(0) }
    }
}

impl Histogram {
    /// Counts one duration.
    pub(super) fn observe(&self, took: Duration) {
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        // PERF: nearly every request ends in the first bucket or two; a search by halves would look at four.
        let place = BOUNDS_MS.iter().take_while(|bound| nanos > bound.saturating_mul(1_000_000)).count();
        if let Some(bucket) = self.buckets.get(place) {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
        self.nanos.fetch_add(nanos, Ordering::Relaxed);
    }

    /// What was counted so far.
    pub(super) fn read(&self) -> Observed {
        let buckets = array::from_fn(|place| {
            self.buckets.get(place).map_or(0, |bucket| bucket.load(Ordering::Relaxed))
        });
        Observed { nanos: self.nanos.load(Ordering::Relaxed), buckets }
    }
}

impl Observed {
    /// How many durations.
    pub(super) fn count(&self) -> u64 {
        self.buckets.iter().fold(0, |sum, count| sum.wrapping_add(*count))
    }

    /// These and those of `other`.
    pub(super) fn and(&self, other: &Self) -> Self {
        let both = self.buckets.iter().zip(other.buckets);
        let mut buckets = both.map(|(one, other)| one.wrapping_add(other));
        Self {
            nanos: self.nanos.wrapping_add(other.nanos),
            buckets: array::from_fn(|_| buckets.next().unwrap_or_default()),
        }
    }
}

impl EncodeMetric for Observed {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> Result<(), std::fmt::Error> {
        let uppers = BOUNDS_MS.iter().map(|bound| Duration::from_millis(*bound).as_secs_f64());
        let buckets: Vec<(f64, u64)> = uppers.chain([f64::INFINITY]).zip(self.buckets).collect();
        let (sum, count) = (Duration::from_nanos(self.nanos).as_secs_f64(), self.count());
        encoder.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Histogram
    }
}
