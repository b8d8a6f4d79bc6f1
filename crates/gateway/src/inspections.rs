//! Looking into bodies off the threads that serve: on a bounded pool.
//!
//! A small body is judged where it is, faster than it could be handed over. A large one would hold up every other request of
//! its core for milliseconds. So many are judged at a time as there are cores, so many wait as
//! `bounds.inspections_waiting` says, for two seconds at most; whoever comes beyond that is told to come again (503). What was
//! begun runs to its end, also when whoever asked has gone: it is bounded by the size of the body.
//!
//! # Limits
//! `bounds.inspections_waiting`, [`WAIT_MAX`].

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::timeout;

/// Bodies up to here are judged where they are.
pub const INLINE_BYTES_MAX: usize = 16 << 10;
/// The longest time a body waits for its turn.
pub const WAIT_MAX: Duration = Duration::from_secs(2);

/// The pool. One of the process.
#[derive(Debug)]
pub struct Inspections {
    running: Arc<Semaphore>,
    waiting: AtomicUsize,
}

/// There is no room or no time for one more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Busy;

/// A place in the line, given back when it is left.
struct Place<'a>(&'a AtomicUsize);

impl Default for Inspections {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self { running: Arc::new(Semaphore::new(cores)), waiting: AtomicUsize::new(0) }
    }
}

impl Inspections {
    /// What `judge` says, once it has its turn; at most `waiting_max` wait for theirs.
    ///
    /// # Errors
    /// No room or no time to find out.
    pub async fn run<T: Send + 'static>(
        &self,
        waiting_max: u32,
        judge: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Busy> {
        let turn = match Arc::clone(&self.running).try_acquire_owned() {
            Ok(turn) => turn,
            Err(_) => {
                let _place = self.line_up(waiting_max).ok_or(Busy)?;
                let turn = timeout(WAIT_MAX, Arc::clone(&self.running).acquire_owned()).await;
                turn.map_err(|_| Busy)?.map_err(|_| Busy)?
            }
        };
        let judging = tokio::task::spawn_blocking(move || {
            let verdict = judge();
            drop(turn);
            verdict
        });
        match judging.await {
            Ok(verdict) => Ok(verdict),
            // Whoever catches a panic of this exchange catches that one, too.
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_) => Err(Busy),
        }
    }

    fn line_up(&self, most: u32) -> Option<Place<'_>> {
        let before = self.waiting.fetch_add(1, Ordering::Relaxed);
        let place = Place(&self.waiting);
        (before < most as usize).then_some(place)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::{Busy, Inspections};

    #[tokio::test]
    async fn who_finds_the_line_full_is_told() {
        let pool = Inspections::default();
        let cores = pool.running.available_permits();
        let (end, ended) = mpsc::sync_channel::<()>(cores);
        let ended = std::sync::Arc::new(std::sync::Mutex::new(ended));
        let (begin, mut begun) = tokio::sync::mpsc::channel(cores);
        let mut jobs = tokio::task::JoinSet::new();
        let pool = std::sync::Arc::new(pool);
        for _ in 0..cores {
            let (pool, ended, begin) =
                (std::sync::Arc::clone(&pool), std::sync::Arc::clone(&ended), begin.clone());
            jobs.spawn(async move {
                pool.run(0, move || {
                    begin.blocking_send(()).expect("somebody listens");
                    ended.lock().expect("a lock").recv().expect("a word")
                })
                .await
            });
        }
        for _ in 0..cores {
            begun.recv().await.expect("it began");
        }
        assert_eq!(pool.run(0, || 7).await, Err(Busy));
        for _ in 0..cores {
            end.send(()).expect("somebody waits");
        }
        while let Some(job) = jobs.join_next().await {
            assert_eq!(job.expect("no panic"), Ok(()));
        }
        assert_eq!(pool.run(0, || 7).await, Ok(7));
    }
}
