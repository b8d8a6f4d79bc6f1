//! One core: a thread, a single-threaded runtime, the sockets it accepts from.
//!
//! Work never moves between cores: a connection, its buffers and the backend connections it borrows stay where
//! they were accepted. A multi-threaded runtime lost by a seventh of the CPU a request costs.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::mpsc;

use crate::clock::{self, Instant};
use crate::listener::accept::{Doorway, accept};
use crate::snapshot::Live;
use crate::tasks::Tasks;
use crate::upstream;

/// A running core, as the gateway holds it.
#[derive(Debug)]
pub(super) struct Core {
    orders: mpsc::Sender<Order>,
    pulse: Arc<Pulse>,
}

/// When a core last said that it turns.
#[derive(Debug)]
struct Pulse {
    started: Instant,
    beat_ms: AtomicU64,
}

enum Order {
    Listen(std::net::TcpListener, Arc<Doorway>),
    Stop,
    #[cfg(test)]
    Hold(Box<dyn FnOnce() + Send>),
}

impl Pulse {
    fn beat(&self) {
        let age = clock::now().saturating_duration_since(self.started);
        self.beat_ms.store(u64::try_from(age.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// How long ago the last beat was.
    fn since(&self) -> Duration {
        let age = clock::now().saturating_duration_since(self.started);
        age.saturating_sub(Duration::from_millis(self.beat_ms.load(Ordering::Relaxed)))
    }
}

/// Orders that may wait for a core: far more listeners than one configuration has.
const ORDERS_MAX: usize = 1024;

/// How often a core says that it turns: through its own queue of tasks, so that whatever holds it up shows.
const BEAT_EVERY: Duration = Duration::from_secs(1);

/// A core that has not said so for this long is stuck, and the process should be restarted.
pub(super) const STUCK_AFTER: Duration = Duration::from_secs(5);

/// Beats between two looks at idle connections to backends on a core without traffic.
const SWEEP_BEATS: u64 = 5;

impl Core {
    /// Starts a thread that waits for orders.
    pub(super) fn start(number: usize, live: Arc<Live>, tasks: Tasks) -> io::Result<Self> {
        let (orders, mut inbox) = mpsc::channel(ORDERS_MAX);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let pulse = Arc::new(Pulse { started: clock::now(), beat_ms: AtomicU64::new(0) });
        let beating = Arc::clone(&pulse);
        let serve = async move {
            let mut beats = 0_u64;
            loop {
                beating.beat();
                let order = match tokio::time::timeout(BEAT_EVERY, inbox.recv()).await {
                    Ok(Some(order)) => order,
                    Ok(None) => return,
                    Err(_) => {
                        beats = beats.wrapping_add(1);
                        // A backend that left the configuration, or has no traffic, keeps no connections for long.
                        if beats.is_multiple_of(SWEEP_BEATS) {
                            upstream::sweep(clock::now());
                        }
                        continue;
                    }
                };
                match order {
                    #[cfg(test)]
                    Order::Hold(held) => held(),
                    Order::Stop => return,
                    Order::Listen(socket, doorway) => match tokio::net::TcpListener::from_std(socket) {
                        Ok(listener) => {
                            tasks.spawn(accept(listener, doorway, Arc::clone(&live), tasks.clone()))
                        }
                        Err(error) => {
                            tracing::error!(%error, listener = &*doorway.name(), "a socket was lost");
                        }
                    },
                }
            }
        };
        std::thread::Builder::new().name(format!("core-{number}")).spawn(move || {
            runtime.block_on(serve);
            runtime.shutdown_background();
        })?;
        Ok(Self { orders, pulse })
    }

    /// For how long it has been stuck, if it is.
    pub(super) fn stuck(&self) -> Option<Duration> {
        let since = self.pulse.since();
        (since > STUCK_AFTER).then_some(since)
    }

    /// Keeps the core from turning.
    #[cfg(test)]
    pub(super) fn hold(&self, held: Box<dyn FnOnce() + Send>) {
        assert!(self.orders.try_send(Order::Hold(held)).is_ok());
    }

    /// Accepts from `socket` on this core.
    pub(super) fn listen(&self, socket: std::net::TcpListener, doorway: Arc<Doorway>) {
        if self.orders.try_send(Order::Listen(socket, doorway)).is_err() {
            tracing::error!("a core does not answer");
        }
    }

    /// Ends the thread and whatever still runs on it.
    pub(super) fn stop(&self) {
        // A core that is gone already needs no order.
        let _ = self.orders.try_send(Order::Stop);
    }

    /// Waits, on the calling thread, until no task runs or `most` has passed.
    pub(super) fn block_on_all_idle(tasks: &Tasks, most: Duration) -> bool {
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_time().build() else {
            return false;
        };
        runtime.block_on(async { tokio::time::timeout(most, tasks.idle()).await.is_ok() })
    }
}

#[cfg(test)]
mod tests;
