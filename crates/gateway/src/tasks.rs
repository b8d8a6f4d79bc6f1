//! Tasks that are counted, so that a drain knows when the last one has ended.
//!
//! Every connection and background chore is spawned through a [`Tasks`]. A task that panics ends alone; the
//! count goes down all the same, because it is held by a guard.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

/// A group of tasks with a count.
#[derive(Clone, Debug, Default)]
pub struct Tasks {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    running: AtomicUsize,
    cut: AtomicUsize,
    idle: Notify,
}

/// Holds one place in the count until it is dropped.
#[derive(Debug)]
pub struct Running {
    shared: Arc<Shared>,
}

impl Tasks {
    /// Spawns on the current runtime.
    pub fn spawn<F>(&self, task: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.spawn_entered(self.enter(), task);
    }

    /// Spawns what has its place in the count already.
    #[expect(clippy::disallowed_methods, reason = "this module is the replacement the lint names")]
    pub fn spawn_entered<F>(&self, guard: Running, task: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        // PERF: taken by value, the task would lie in its own state twice (rust-lang/rust#62958).
        let task = Box::pin(task);
        drop(tokio::spawn(async move {
            task.await;
            drop(guard);
        }));
    }

    /// Takes a place in the count without spawning.
    pub fn enter(&self) -> Running {
        self.shared.running.fetch_add(1, Ordering::Relaxed);
        Running { shared: Arc::clone(&self.shared) }
    }

    /// Counts one that was cut off before its end.
    pub fn was_cut(&self) {
        self.shared.cut.fetch_add(1, Ordering::Relaxed);
    }

    /// How many were cut off.
    pub fn cut(&self) -> usize {
        self.shared.cut.load(Ordering::Relaxed)
    }

    /// How many run now.
    pub fn running(&self) -> usize {
        self.shared.running.load(Ordering::Relaxed)
    }

    /// Waits until none runs.
    pub async fn idle(&self) {
        loop {
            let idle = self.shared.idle.notified();
            if self.running() == 0 {
                return;
            }
            idle.await;
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.shared.running.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.shared.idle.notify_waiters();
        }
    }
}
