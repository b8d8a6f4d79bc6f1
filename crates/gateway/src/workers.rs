//! Work off the threads that serve: on a bounded pool.
//!
//! What takes milliseconds of a processor would hold up every other request of its core. So much of a kind is done at a time as
//! its pool has workers, and so many wait as whoever asks says, for two seconds at most; who comes beyond that is told so at
//! once. What was begun runs to its end, also when whoever asked has gone.
//!
//! What nobody waits for has a line of its own ([`Background`]), so that it never takes the turn of what somebody does.
//!
//! # Limits
//! The bound of whoever asks (`bounds.inspections_waiting`, `bounds.passwords_waiting`, `bounds.answers_waiting`), [`WAIT_MAX`].

use std::collections::VecDeque;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::tasks::{Running, Tasks};

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

/// Work that nobody waits for: done one after the other by few threads, in the order it came.
#[derive(Debug)]
pub struct Background {
    line: Mutex<Line>,
    working_max: usize,
    under_way: Tasks,
}

struct Line {
    waiting: VecDeque<Job>,
    working: usize,
}

/// It counts as under way until it is gone, done or not.
type Job = (Box<dyn FnOnce() + Send>, Running);

/// A thread that works its way along the line, to its end.
struct Turn {
    background: Arc<Background>,
    has_ended: bool,
}

/// The most threads, however many cores there are: other work of their cores is not to wait for one.
const BACKGROUND_THREADS_MAX: usize = 4;

impl Background {
    /// Done by one thread for every other core, within [`BACKGROUND_THREADS_MAX`].
    pub fn of_few() -> Arc<Self> {
        Self::new((cores() / 2).clamp(1, BACKGROUND_THREADS_MAX))
    }

    fn new(working_max: usize) -> Arc<Self> {
        let line = Mutex::new(Line { waiting: VecDeque::new(), working: 0 });
        Arc::new(Self { line, working_max, under_way: Tasks::default() })
    }

    /// Has `work` done with `item` in its turn. Where as many as `waiting_max` wait already, `item` is dropped.
    pub fn add<T: Send + 'static>(
        self: &Arc<Self>,
        waiting_max: u32,
        item: T,
        work: impl FnOnce(T) + Send + 'static,
    ) {
        let Ok(runtime) = Handle::try_current() else { return };
        let job: Job = (Box::new(move || work(item)), self.under_way.enter());
        let mut line = self.line();
        if line.working < self.working_max {
            line.working = line.working.saturating_add(1);
            drop(line);
            let turn = Turn { background: Arc::clone(self), has_ended: false };
            drop(runtime.spawn_blocking(move || turn.run(job)));
        } else if line.waiting.len() < waiting_max as usize {
            line.waiting.push_back(job);
        } else {
            // Whoever is told by the end of `item` must not find the line locked.
            drop(line);
        }
    }

    /// Waits until nothing is under way.
    pub async fn idle(&self) {
        self.under_way.idle().await;
    }

    fn line(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turn {
    fn run(mut self, first: Job) {
        let mut next = Some(first);
        while let Some((work, under_way)) = next {
            // Whoever waits in the line is not to pay for one that panics. The panic was told where it happened.
            let _ = catch_unwind(AssertUnwindSafe(work));
            drop(under_way);
            next = self.next();
        }
    }

    fn next(&mut self) -> Option<Job> {
        let mut line = self.background.line();
        let next = line.waiting.pop_front();
        if next.is_none() {
            // Under the same lock, so that nobody lines up behind one who has just left.
            line.working = line.working.saturating_sub(1);
            self.has_ended = true;
        }
        next
    }
}

/// Of one whose runtime ended before it began.
impl Drop for Turn {
    fn drop(&mut self) {
        if !self.has_ended {
            let mut line = self.background.line();
            line.working = line.working.saturating_sub(1);
        }
    }
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let waiting = self.waiting.len();
        f.debug_struct("Line").field("waiting", &waiting).field("working", &self.working).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::{Background, Busy, Workers};

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

    #[tokio::test]
    async fn what_nobody_waits_for_is_done_in_its_turn_and_dropped_where_the_line_is_full() {
        struct Item(u32, mpsc::SyncSender<(u32, bool)>, bool);
        impl Drop for Item {
            fn drop(&mut self) {
                self.1.send((self.0, self.2)).expect("somebody listens");
            }
        }
        let background = Background::new(1);
        let (tell, told) = mpsc::sync_channel(8);
        let (go, goes) = mpsc::sync_channel::<()>(1);
        let item = |number| Item(number, tell.clone(), false);
        background.add(1, item(1), move |mut item| {
            goes.recv().expect("a word");
            item.2 = true;
        });
        background.add(1, item(2), |mut item| item.2 = true);
        background.add(1, item(3), |_| panic!("the line was full"));
        assert_eq!(told.recv(), Ok((3, false)));
        go.send(()).expect("somebody waits");
        background.idle().await;
        assert_eq!((told.recv(), told.recv()), (Ok((1, true)), Ok((2, true))));
        // One that panics takes its turn along, and not the next one's.
        background.add(1, item(4), |_| panic!("of no use"));
        background.idle().await;
        background.add(1, item(5), |mut item| item.2 = true);
        background.idle().await;
        assert_eq!((told.recv(), told.recv()), (Ok((4, false)), Ok((5, true))));
    }
}
