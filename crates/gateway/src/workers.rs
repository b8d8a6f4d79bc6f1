//! Work off the threads that serve: on a bounded pool.
//!
//! What takes milliseconds of a processor would hold up every other request of its core. So much of a kind is done at a time as
//! its pool has workers, and so many wait as whoever asks says, for two seconds at most; who comes beyond that is told so at
//! once. What was begun runs to its end, also when whoever asked has gone.
//!
//! # Limits
//! The bound of whoever asks (`bounds.inspections_waiting`, `bounds.passwords_waiting`), [`WAIT_MAX`].

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::timeout;

/// The longest time that somebody waits for a turn.
pub const WAIT_MAX: Duration = Duration::from_secs(2);

/// The pool. One of the process for each kind of work.
#[derive(Debug)]
pub struct Workers {
    running: Arc<Semaphore>,
    waiting: AtomicUsize,
}

/// There is no room or no time for one more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Busy;

/// A place in the line, given back when it is left.
struct Place<'a>(&'a AtomicUsize);

impl Workers {
    /// One for each core.
    pub fn of_all_cores() -> Self {
        Self::new(cores())
    }

    /// One for every other core, and one at least.
    pub fn of_half_the_cores() -> Self {
        Self::new((cores() / 2).max(1))
    }

    fn new(count: usize) -> Self {
        Self { running: Arc::new(Semaphore::new(count)), waiting: AtomicUsize::new(0) }
    }

    /// What `work` says, once it has its turn; at most `waiting_max` wait for theirs.
    ///
    /// # Errors
    /// No room or no time to find out.
    pub async fn run<T: Send + 'static>(
        &self,
        waiting_max: u32,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Busy> {
        let turn = match Arc::clone(&self.running).try_acquire_owned() {
            Ok(turn) => turn,
            Err(_) => {
                let _place = self.line_up(waiting_max).ok_or(Busy)?;
                let turn = timeout(WAIT_MAX, Arc::clone(&self.running).acquire_owned()).await;
                turn.map_err(|_| Busy)?.map_err(|_| Busy)?
            }
        };
        let working = tokio::task::spawn_blocking(move || {
            let done = work();
            // Held until here: whoever asked may be gone, and the work goes on.
            drop(turn);
            done
        });
        match working.await {
            Ok(done) => Ok(done),
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

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::{Busy, Workers};

    #[tokio::test]
    async fn who_finds_the_line_full_is_told() {
        let pool = Workers::of_all_cores();
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
