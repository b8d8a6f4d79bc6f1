//! One core: a thread, a single-threaded runtime, the sockets it accepts from.
//!
//! Work never moves between cores: a connection, its buffers and the backend connections it borrows stay where
//! they were accepted. A multi-threaded runtime lost by a seventh of the CPU a request costs.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use crate::clock;
use crate::listener::accept::{Doorway, accept};
use crate::snapshot::Live;
use crate::tasks::Tasks;
use crate::upstream;

/// A running core, as the gateway holds it.
#[derive(Debug)]
pub(super) struct Core {
    orders: mpsc::Sender<Order>,
}

enum Order {
    Listen(std::net::TcpListener, Arc<Doorway>),
    Stop,
}

/// Orders that may wait for a core: far more listeners than one configuration has.
const ORDERS_MAX: usize = 1024;

/// How often idle connections to backends are looked at on a core without traffic.
const SWEEP_EVERY: Duration = Duration::from_secs(5);

impl Core {
    /// Starts a thread that waits for orders.
    pub(super) fn start(number: usize, live: Arc<Live>, tasks: Tasks) -> io::Result<Self> {
        let (orders, mut inbox) = mpsc::channel(ORDERS_MAX);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let serve = async move {
            loop {
                let order = match tokio::time::timeout(SWEEP_EVERY, inbox.recv()).await {
                    Ok(Some(order)) => order,
                    Ok(None) => return,
                    // A backend that left the configuration, or has no traffic, keeps no connections for long.
                    Err(_) => {
                        upstream::sweep(clock::now());
                        continue;
                    }
                };
                match order {
                    Order::Stop => return,
                    Order::Listen(socket, doorway) => match tokio::net::TcpListener::from_std(socket) {
                        Ok(listener) => {
                            tasks.spawn(accept(listener, doorway, Arc::clone(&live), tasks.clone()))
                        }
                        Err(error) => tracing::error!(%error, listener = &*doorway.name, "a socket was lost"),
                    },
                }
            }
        };
        std::thread::Builder::new().name(format!("core-{number}")).spawn(move || {
            runtime.block_on(serve);
            runtime.shutdown_background();
        })?;
        Ok(Self { orders })
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
