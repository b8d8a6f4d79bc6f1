//! How many connections there may be before the process runs out of descriptors.
//!
//! A process without descriptors reaches no backend, answers no probe and opens no file. It never comes to that:
//! new clients wait in the kernel's queue while as many are served as descriptors allow, reckoned with two each,
//! their own and one to a backend. The soft limit, which many systems set to 1024 for the sake of `select`, is
//! raised to the hard one first.
//!
//! # Limits
//! [`RESERVE`] descriptors are kept for probes, admin, logs and spooled bodies. An HTTP/2 client may need more than
//! one connection to a backend; what cannot be opened then is a 503.

use std::io;
use std::net::SocketAddr;
use std::sync::OnceLock;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::{TcpListener, TcpStream};

use crate::tasks::Tasks;

/// Descriptors that are for no connection of a client and of no backend.
const RESERVE: u64 = 64;

/// How long accepting waits before it looks again for room.
const PAUSE: Duration = Duration::from_millis(50);

/// Accepts the next connection once there is room for it.
pub(super) async fn accept(listener: &TcpListener, tasks: &Tasks) -> io::Result<(TcpStream, SocketAddr)> {
    let most = most_connections();
    if tasks.running() >= most {
        tracing::warn!(most, "new connections wait: more would leave too few descriptors; raise `nofile`");
        // Hysteresis, so that a gateway at its limit does not say so for every connection that goes.
        while tasks.running() >= most.saturating_sub(most / 8) {
            tokio::time::sleep(PAUSE).await;
        }
    }
    listener.accept().await
}

/// Most connections of clients, over all listeners.
fn most_connections() -> usize {
    static MOST: OnceLock<usize> = OnceLock::new();
    *MOST.get_or_init(|| {
        let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
        // Where it may not be raised, what there is must do.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
        connections_within(getrlimit(Resource::Nofile).current)
    })
}

/// `None` is no limit.
fn connections_within(descriptors: Option<u64>) -> usize {
    let Some(descriptors) = descriptors else { return usize::MAX };
    usize::try_from(descriptors.saturating_sub(RESERVE) / 2).unwrap_or(usize::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::connections_within;

    #[test]
    fn two_descriptors_a_connection_after_the_reserve() {
        for (descriptors, connections) in
            [(None, usize::MAX), (Some(256), 96), (Some(1024), 480), (Some(3), 1)]
        {
            assert_eq!(connections_within(descriptors), connections, "{descriptors:?}");
        }
    }
}
