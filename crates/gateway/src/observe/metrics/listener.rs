//! The counters of one listener.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::place;

/// What became of a connection at the door.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectionOutcome {
    /// Served.
    Accepted,
    /// Turned away: the listener's bound on connections was reached.
    Full,
    /// Turned away: the process ran out of descriptors or memory.
    Exhausted,
    /// The TLS handshake failed or took too long.
    Handshake,
    /// The PROXY protocol header was missing, malformed or not allowed.
    ProxyHeader,
    /// Answered: an authority looked whether a name of a certificate leads here.
    Validation,
}

/// Handles to the counters of one listener.
#[derive(Debug, Clone, Default)]
pub struct ListenerMetrics(Arc<Door>);

/// Counts one connection as open, until it is dropped.
#[derive(Debug)]
pub struct OpenConnection(Arc<Door>);

/// The counters themselves.
#[derive(Debug, Default)]
pub(super) struct Door {
    open: AtomicU64,
    outcomes: [AtomicU64; ConnectionOutcome::ALL.len()],
}

impl ConnectionOutcome {
    /// Every outcome.
    pub const ALL: [Self; 6] =
        [Self::Accepted, Self::Full, Self::Exhausted, Self::Handshake, Self::ProxyHeader, Self::Validation];

    /// The word in labels.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Full => "full",
            Self::Exhausted => "exhausted",
            Self::Handshake => "handshake",
            Self::ProxyHeader => "proxy_header",
            Self::Validation => "validation",
        }
    }
}

impl ListenerMetrics {
    pub(super) fn of(door: Arc<Door>) -> Self {
        Self(door)
    }

    /// Counts a connection as open until the answer is dropped.
    pub fn open(&self) -> OpenConnection {
        self.0.open.fetch_add(1, Ordering::Relaxed);
        OpenConnection(Arc::clone(&self.0))
    }

    /// Counts what became of a connection.
    pub fn outcome(&self, outcome: ConnectionOutcome) {
        if let Some(counter) = self.0.outcomes.get(place(&ConnectionOutcome::ALL, &outcome)) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How many connections are open.
    pub fn open_now(&self) -> u64 {
        self.0.open_now()
    }
}

impl Door {
    pub(super) fn open_now(&self) -> u64 {
        self.open.load(Ordering::Relaxed)
    }

    pub(super) fn outcomes(&self) -> impl Iterator<Item = (&'static str, u64)> {
        ConnectionOutcome::ALL
            .iter()
            .zip(&self.outcomes)
            .map(|(outcome, count)| (outcome.as_str(), count.load(Ordering::Relaxed)))
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}
