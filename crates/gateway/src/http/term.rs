//! How long a connection may go on: until the ground it was opened on is gone.
//!
//! Every connection of a listener shares one term. It ends when the listener leaves the configuration, when what it
//! asks of those who connect has changed (TLS, client certificates, revocation lists, protocols, the PROXY protocol),
//! and when the gateway drains. What is idle then closes at once, what is under way ends first: HTTP/1.1 says
//! `Connection: close`, HTTP/2 GOAWAY, WebSocket a close frame.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::Notify;

/// A term that connections share.
#[derive(Debug, Default)]
pub struct Term {
    is_over: AtomicBool,
    end: Notify,
    grace: Duration,
}

impl Term {
    /// A term that is over, for connections that had waited to be accepted until then: they have `grace` to say their
    /// first request, which is answered as their last.
    pub fn last(grace: Duration) -> Self {
        Self { is_over: AtomicBool::new(true), end: Notify::new(), grace }
    }

    /// Ends it.
    pub fn end(&self) {
        self.is_over.store(true, Ordering::Release);
        self.end.notify_waiters();
    }

    /// Whether the present exchange is the connection's last.
    pub fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Acquire)
    }

    /// Waits until an idle connection is to close.
    pub async fn over(&self) {
        let called = self.end.notified();
        if !self.is_over() {
            called.await;
        }
        if !self.grace.is_zero() {
            tokio::time::sleep(self.grace).await;
        }
    }
}
