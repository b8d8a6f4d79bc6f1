//! How long a connection may go on: until the ground it was opened on is gone.
//!
//! Every connection of a listener shares one term. It ends when the listener leaves the configuration, when what it
//! asks of those who connect has changed (TLS, client certificates, revocation lists, protocols, the PROXY protocol),
//! and when the gateway drains. What is idle then closes at once, or has a moment for a last request; what is under way
//! ends first: HTTP/1.1 says `Connection: close`, HTTP/2 GOAWAY, WebSocket a close frame.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Notify;

/// A term that connections share.
#[derive(Debug, Default)]
pub struct Term {
    is_over: AtomicBool,
    end: Notify,
    /// How long an idle connection has for its last request.
    grace_ms: AtomicU64,
}

impl Term {
    /// A term that is over, for connections that had waited to be accepted until then: they have `grace` to say their
    /// first request, which is answered as their last.
    pub fn last(grace: Duration) -> Self {
        let term = Self::default();
        term.end_after(grace);
        term
    }

    /// Ends it.
    pub fn end(&self) {
        self.end_after(Duration::ZERO);
    }

    /// Ends it, but leaves idle connections `grace` to say their last request: one that is on its way meets no closed
    /// connection.
    pub fn end_after(&self, grace: Duration) {
        self.grace_ms.store(u64::try_from(grace.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
        self.is_over.store(true, Ordering::Release);
        self.end.notify_waiters();
    }

    /// Whether the present exchange is the connection's last.
    pub fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Acquire)
    }

    /// Waits until what is under way is to end, and no more is begun.
    pub async fn over(&self) {
        let called = self.end.notified();
        if !self.is_over() {
            called.await;
        }
    }

    /// Waits until an idle connection is to close.
    pub async fn idle_over(&self) {
        self.over().await;
        let grace = Duration::from_millis(self.grace_ms.load(Ordering::Relaxed));
        if !grace.is_zero() {
            tokio::time::sleep(grace).await;
        }
    }
}
