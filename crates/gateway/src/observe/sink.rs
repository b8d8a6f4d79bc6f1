//! From a request to a file or pipe without ever waiting for it.
//!
//! A record is formatted into a shard: a buffer that the threads serving requests do not share with each other,
//! under a lock that only the writer contends for, and only while it swaps the buffer for an empty one. Nobody
//! on the data path waits for that lock; who finds it taken goes to the next shard. One thread per output takes
//! the shards in turn and writes each with one call.
//!
//! What is full is dropped and counted. When the output fails (a full disk, a closed pipe) the writer keeps what
//! it holds, tries again with growing pauses, and goes on at the byte where it stopped; the shards fill up
//! meanwhile, and what does not fit any more is dropped.
//!
//! A channel was the other way: it costs an allocation per record and wakes the writer for each, a system call
//! on the request's own time. Here the writer is woken at most once per [`POLL`].

pub(super) mod output;
mod writer;

use std::cell::Cell;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread::{self, Thread};
use std::time::Duration;

use output::{Output, Target};

/// Shards of an output: one per processor, at most this many.
pub(super) const SHARDS_MAX: usize = 16;
/// How long the writer rests between two rounds while records come.
const POLL: Duration = Duration::from_millis(5);
/// A shard that grows past this wakes the writer early.
const WAKE_BYTES: usize = 256 << 10;

/// An output with its writer. Dropping it lets the writer end, with one last try at what is left.
#[derive(Debug)]
pub(super) struct Sink {
    target: Target,
    shared: Arc<Shared>,
    writer: Thread,
}

/// What the data path and the writer share.
#[derive(Debug)]
struct Shared {
    shards: Box<[Mutex<Vec<u8>>]>,
    /// Bytes a shard holds before records are dropped; one record may stand above it.
    shard_bytes_max: AtomicUsize,
    counts: Mutex<Vec<Arc<Counts>>>,
    is_asleep: AtomicBool,
    is_stopping: AtomicBool,
    must_reopen: AtomicBool,
    /// Flushes asked for.
    asked: AtomicU64,
    /// The highest of them that is done.
    flushed: Mutex<u64>,
    flush_done: Condvar,
}

/// What a stream lost. It outlives the outputs that the stream was given over time.
#[derive(Debug, Default)]
pub(super) struct Counts {
    /// Records dropped.
    pub(super) dropped: AtomicU64,
    /// Writes that failed.
    pub(super) write_errors: AtomicU64,
}

impl Sink {
    /// Opens `target` and starts its writer; at most `queue_bytes` wait for it.
    pub(super) fn open(target: &Target, queue_bytes: usize) -> io::Result<Self> {
        Self::start(target.clone(), target.open()?, queue_bytes)
    }

    /// Starts a writer to `output`.
    pub(super) fn start(target: Target, output: Box<dyn Output>, queue_bytes: usize) -> io::Result<Self> {
        let shards = thread::available_parallelism().map_or(1, usize::from).clamp(1, SHARDS_MAX);
        let shared = Arc::new(Shared {
            shards: (0..shards).map(|_| Mutex::default()).collect(),
            shard_bytes_max: AtomicUsize::new(queue_bytes.div_ceil(shards)),
            counts: Mutex::default(),
            is_asleep: AtomicBool::new(false),
            is_stopping: AtomicBool::new(false),
            must_reopen: AtomicBool::new(false),
            asked: AtomicU64::new(0),
            flushed: Mutex::new(0),
            flush_done: Condvar::new(),
        });
        let mut writer = writer::Writer::new(Arc::clone(&shared), output, target.to_string());
        let name = "log-writer".to_owned();
        let handle = thread::Builder::new().name(name).spawn(move || writer.run())?;
        Ok(Self { target, shared, writer: handle.thread().clone() })
    }

    /// What it writes to.
    pub(super) fn target(&self) -> &Target {
        &self.target
    }

    /// Changes how many bytes may wait.
    pub(super) fn set_queue_bytes(&self, queue_bytes: usize) {
        let share = queue_bytes.div_ceil(self.shared.shards.len().max(1));
        self.shared.shard_bytes_max.store(share, Ordering::Relaxed);
    }

    /// Lets `counts` know of this output's failures.
    pub(super) fn attach(&self, counts: &Arc<Counts>) {
        let mut attached = lock(&self.shared.counts);
        if !attached.iter().any(|known| Arc::ptr_eq(known, counts)) {
            attached.push(Arc::clone(counts));
        }
    }

    /// Queues what `write` appends: whole lines. Drops and counts it when there is no room. Never waits.
    pub(super) fn push(&self, counts: &Counts, write: impl FnOnce(&mut Vec<u8>)) {
        let Some(mut shard) = self.room() else {
            counts.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        };
        let before = shard.len();
        write(&mut shard);
        let after = shard.len();
        drop(shard);
        // The shard's lock orders this load: a writer that has seen the shard empty had set the flag before.
        let is_asleep = self.shared.is_asleep.load(Ordering::Relaxed)
            && self.shared.is_asleep.swap(false, Ordering::AcqRel);
        if is_asleep || (before < WAKE_BYTES && after >= WAKE_BYTES) {
            self.writer.unpark();
        }
    }

    /// Has files opened anew, after a rotation.
    pub(super) fn reopen(&self) {
        self.shared.must_reopen.store(true, Ordering::Release);
        self.writer.unpark();
    }

    /// Waits until all that was queued before is written, at most for `patience`.
    pub(super) fn flush(&self, patience: Duration) -> bool {
        let ticket = self.shared.asked.fetch_add(1, Ordering::AcqRel).saturating_add(1);
        self.writer.unpark();
        let flushed = lock(&self.shared.flushed);
        self.shared
            .flush_done
            .wait_timeout_while(flushed, patience, |flushed| *flushed < ticket)
            .is_ok_and(|(flushed, _)| *flushed >= ticket)
    }

    /// A shard with room: this thread's own, or another when a lock is taken.
    fn room(&self) -> Option<MutexGuard<'_, Vec<u8>>> {
        let (wrapped, own) = self.shared.shards.split_at_checked(home(self.shared.shards.len()))?;
        let bytes_max = self.shared.shard_bytes_max.load(Ordering::Relaxed);
        own.iter().chain(wrapped).find_map(|shard| {
            let shard = match shard.try_lock() {
                Ok(shard) => shard,
                Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
                Err(TryLockError::WouldBlock) => return None,
            };
            (shard.len() < bytes_max).then_some(shard)
        })
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.shared.is_stopping.store(true, Ordering::Release);
        self.writer.unpark();
    }
}

impl Counts {
    fn lost(&self, records: u64) {
        self.dropped.fetch_add(records, Ordering::Relaxed);
    }
}

/// Which of `shards` this thread writes to.
pub(super) fn home(shards: usize) -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! { static HOME: Cell<usize> = Cell::new(NEXT.fetch_add(1, Ordering::Relaxed)); }
    HOME.with(Cell::get).checked_rem(shards).unwrap_or_default()
}

/// Takes a lock off the data path. A panic elsewhere does not make a buffer of lines unusable.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
