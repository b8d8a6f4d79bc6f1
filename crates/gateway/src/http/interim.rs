//! Interim answers (1xx) on their way to the client before the final one (RFC 9110 §15.2).
//!
//! The exchange writes them here; the wire, which drives the exchange, looks after each poll and sends them.
//! Both sides run in one task, so nobody needs to be woken. The lock is taken only when there is something.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use http::StatusCode;
use portcullis_http1::Fields;

/// Interim answers of one connection's current exchange.
#[derive(Debug, Default)]
pub struct Interim {
    waiting: AtomicBool,
    queue: Mutex<Vec<(StatusCode, Fields)>>,
}

/// Interim answers kept per exchange; a backend that floods them loses the rest.
const QUEUE_MAX: usize = 8;

impl Interim {
    /// Asks the wire to send one.
    pub fn push(&self, status: StatusCode, fields: Fields) {
        if let Ok(mut queue) = self.queue.lock()
            && queue.len() < QUEUE_MAX
        {
            queue.push((status, fields));
            self.waiting.store(true, Ordering::Release);
        }
    }

    /// Asks the wire to tell the client to go on with its body: somebody wants to read it.
    pub fn go_on(&self) {
        self.push(StatusCode::CONTINUE, Fields::new());
    }

    /// Whether something waits.
    pub fn is_waiting(&self) -> bool {
        self.waiting.load(Ordering::Acquire)
    }

    /// Takes what waits.
    pub fn take(&self) -> Vec<(StatusCode, Fields)> {
        if !self.waiting.swap(false, Ordering::AcqRel) {
            return Vec::new();
        }
        self.queue.lock().map(|mut queue| std::mem::take(&mut *queue)).unwrap_or_default()
    }
}
