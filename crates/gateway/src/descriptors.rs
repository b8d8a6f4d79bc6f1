//! How many connections there may be before the process runs out of descriptors.
//!
//! A process without descriptors reaches no backend, answers no probe and opens no file. It never comes to that:
//! new clients wait in the kernel's queue while as many are served as descriptors allow, reckoned with two each,
//! their own and one to a backend. The soft limit, which many systems set to 1024 for the sake of `select`, is
//! raised to the hard one first.
//!
//! A client may need more than one connection to a backend: HTTP/2 has many requests at once. So the last numbers are kept
//! back besides. The kernel gives each new descriptor the lowest number that is free; a socket with one of the last
//! [`KEPT_BACK`] shows that all others are in use, without anybody counting, and data-plane sockets give such a number
//! back at once: the request gets a 503, and operators, probes, logs and spooled bodies have what they need. By the same
//! sign a connection to a backend that was opened when three of four were in use is not kept for later.
//!
//! # Limits
//! [`RESERVE`] descriptors are kept from clients, [`KEPT_BACK`] of them from everything of the data plane.

use std::io;
use std::os::fd::AsRawFd;
use std::sync::OnceLock;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors that are for no connection of a client and of no backend.
const RESERVE: u64 = 64;

/// Descriptors that are for operators, probes and files alone.
const KEPT_BACK: u64 = 32;

/// Most connections of clients, over all listeners.
pub fn most_connections() -> usize {
    connections_within(limit())
}

/// Whether a connection may be kept while nobody needs it: three of four descriptors were not in use when it was opened.
pub fn may_rest(socket: &impl AsRawFd) -> bool {
    let number = u64::try_from(socket.as_raw_fd()).unwrap_or_default();
    limit().is_none_or(|all| number < all.saturating_sub(all / 4))
}

/// A new socket of the data plane, unless it has a number that is kept back.
///
/// # Errors
/// What the system says when a process has none left.
pub fn checked<S: AsRawFd>(socket: S) -> io::Result<S> {
    let number = u64::try_from(socket.as_raw_fd()).unwrap_or_default();
    if is_kept_back(number, limit()) { Err(rustix::io::Errno::MFILE.into()) } else { Ok(socket) }
}

/// Whether this error says that there are none left.
pub fn are_short(error: &io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::MFILE.raw_os_error())
}

/// How many there may be; `None` is no limit.
fn limit() -> Option<u64> {
    static LIMIT: OnceLock<Option<u64>> = OnceLock::new();
    *LIMIT.get_or_init(|| {
        let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
        // Where it may not be raised, what there is must do.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
        getrlimit(Resource::Nofile).current
    })
}

fn connections_within(descriptors: Option<u64>) -> usize {
    let Some(descriptors) = descriptors else { return usize::MAX };
    usize::try_from(descriptors.saturating_sub(RESERVE) / 2).unwrap_or(usize::MAX).max(1)
}

/// A process with very few has none to keep back.
fn is_kept_back(number: u64, descriptors: Option<u64>) -> bool {
    descriptors.is_some_and(|all| all > RESERVE && number >= all.saturating_sub(KEPT_BACK))
}

#[cfg(test)]
mod tests {
    use super::{connections_within, is_kept_back};

    #[test]
    fn two_descriptors_a_connection_after_the_reserve() {
        for (descriptors, connections) in
            [(None, usize::MAX), (Some(256), 96), (Some(1024), 480), (Some(3), 1)]
        {
            assert_eq!(connections_within(descriptors), connections, "{descriptors:?}");
        }
    }

    #[test]
    fn the_last_numbers_are_kept_back() {
        for (number, descriptors, kept) in
            [(223, Some(256), false), (224, Some(256), true), (1_000_000, None, false), (60, Some(64), false)]
        {
            assert_eq!(is_kept_back(number, descriptors), kept, "{number} of {descriptors:?}");
        }
    }
}
