//! How many bodies may be read in large pieces at once.
//!
//! A large piece saves calls, and is held for as long as its reader takes to take it: thousands of slow readers would hold
//! thousands of large pieces. So large reads have places, in the whole process. A body that gets none is read in small
//! pieces, which is slower and not wrong. Who is slow keeps his place; what is bounded is memory, not fairness.
//!
//! # Limits
//! [`PLACES_MAX`] bodies of clients and backends at once: with pieces of 128 KiB, some 16 MiB.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Bodies that may be read in large pieces at once.
pub const PLACES_MAX: usize = 128;

static TAKEN: AtomicUsize = AtomicUsize::new(0);

/// A place, given back when dropped.
#[derive(Debug)]
pub struct LongRead(());

impl LongRead {
    /// A place, if there is one.
    pub fn take() -> Option<Self> {
        // The place is there before it is known whether there is one, so that two never take the last.
        let place = Self(());
        (TAKEN.fetch_add(1, Ordering::Relaxed) < PLACES_MAX).then_some(place)
    }
}

impl Drop for LongRead {
    fn drop(&mut self) {
        TAKEN.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::{LongRead, PLACES_MAX};

    #[test]
    fn places_run_out_and_come_back() {
        // Other tests of this process may hold some meanwhile.
        let held: Vec<Option<LongRead>> = (0..PLACES_MAX * 2).map(|_| LongRead::take()).collect();
        let count = held.iter().flatten().count();
        assert!(count <= PLACES_MAX && count > 0, "{count}");
        drop(held);
        assert!(LongRead::take().is_some());
    }
}
