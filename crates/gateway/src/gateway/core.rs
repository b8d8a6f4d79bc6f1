//! One core: a thread, a single-threaded runtime, the sockets it accepts from.
//!
//! Work never moves between cores: a connection, its buffers and the backend connections it borrows stay where
//! they began to be served. A multi-threaded runtime lost by a seventh of the CPU a request costs.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;

use crate::clock;
use crate::listener::accept::{Doorway, Post, accept, take_in};
use crate::listener::cores::{Arrival, Cores};
use crate::tasks::Running;
use crate::{tally, upstream};

/// A running core, as the gateway holds it.
#[derive(Debug)]
pub(super) struct Core {
    number: usize,
    cores: Arc<Cores>,
    orders: mpsc::Sender<Order>,
}

enum Order {
    /// It counts as running from the moment it is given: who has connected already must not be left by a drain that comes
    /// before the core has turned.
    Listen(std::net::TcpListener, Arc<Doorway>, Running),
    Stop,
    #[cfg(test)]
    Hold(Box<dyn FnOnce() + Send>),
}

/// Orders that may wait for a core: far more listeners than one configuration has.
const ORDERS_MAX: usize = 1024;

/// Threads of one core that wait for disks and look into large bodies, so that it need not. Each holds some 100 KiB once it has
/// begun; what comes beyond waits for one.
const DISK_THREADS_MAX: usize = 4;

/// How often a core says that it turns: through its own queue of tasks, so that whatever holds it up shows.
const BEAT_EVERY: Duration = Duration::from_secs(1);

/// A core that has not said so for this long is stuck, and the process should be restarted.
pub(super) const STUCK_AFTER: Duration = Duration::from_secs(5);

/// Beats between two looks at idle connections to backends.
const SWEEP_BEATS: u64 = 5;

impl Core {
    /// Starts a thread that waits for orders, and for connections that other cores accepted.
    pub(super) fn start(post: Post, arrivals: mpsc::Receiver<Arrival>) -> io::Result<Self> {
        let (orders, inbox) = mpsc::channel(ORDERS_MAX);
        let (number, cores) = (post.core, Arc::clone(&post.cores));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .max_blocking_threads(DISK_THREADS_MAX)
            .enable_all()
            .build()?;
        std::thread::Builder::new().name(format!("core-{number}")).spawn(move || {
            tally::claim();
            runtime.block_on(turn(Arc::new(post), inbox, arrivals));
            runtime.shutdown_background();
        })?;
        Ok(Self { number, cores, orders })
    }

    /// Connections it serves, or will.
    pub(super) fn connections(&self) -> usize {
        self.cores.connections(self.number)
    }

    /// For how long it has been stuck, if it is.
    pub(super) fn stuck(&self) -> Option<Duration> {
        let since = self.cores.silent_for(self.number);
        (since > STUCK_AFTER).then_some(since)
    }

    /// Keeps the core from turning.
    #[cfg(test)]
    pub(super) fn hold(&self, held: Box<dyn FnOnce() + Send>) {
        assert!(self.orders.try_send(Order::Hold(held)).is_ok());
    }

    /// Accepts from `socket` on this core.
    pub(super) fn listen(&self, socket: std::net::TcpListener, doorway: Arc<Doorway>, running: Running) {
        if self.orders.try_send(Order::Listen(socket, doorway, running)).is_err() {
            tracing::error!("a core does not answer");
        }
    }

    /// Ends the thread and whatever still runs on it.
    pub(super) fn stop(&self) {
        // A core that is gone already needs no order.
        let _ = self.orders.try_send(Order::Stop);
    }
}

/// Does as ordered until it is told to stop.
async fn turn(post: Arc<Post>, mut orders: mpsc::Receiver<Order>, mut arrivals: mpsc::Receiver<Arrival>) {
    let mut beats = 0_u64;
    let mut beat = tokio::time::interval(BEAT_EVERY);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            _ = beat.tick() => {
                post.cores.beat(post.core);
                beats = beats.wrapping_add(1);
                // A backend that left the configuration, or has no traffic, keeps no connections for long.
                if beats.is_multiple_of(SWEEP_BEATS) {
                    upstream::sweep(clock::now());
                }
            }
            order = orders.recv() => match order {
                #[cfg(test)]
                Some(Order::Hold(held)) => held(),
                Some(Order::Listen(socket, doorway, running)) => listen(socket, doorway, running, &post),
                Some(Order::Stop) | None => return,
            },
            Some(arrival) = arrivals.recv() => take_in(arrival, &post),
        }
    }
}

fn listen(socket: std::net::TcpListener, doorway: Arc<Doorway>, running: Running, post: &Arc<Post>) {
    match tokio::net::TcpListener::from_std(socket) {
        Ok(listener) => post.tasks.spawn_entered(running, accept(listener, doorway, Arc::clone(post))),
        Err(error) => tracing::error!(%error, listener = &*doorway.name(), "a socket was lost"),
    }
}

#[cfg(test)]
mod tests;
