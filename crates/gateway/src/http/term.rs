//! How long a connection may go on: until the ground it was opened on is gone.
//!
//! Every connection of a listener shares one term. It ends when the listener leaves the configuration, when what it
//! asks of those who connect has changed (TLS, client certificates, revocation lists, protocols, the PROXY protocol),
//! and when the gateway drains. What is under way then ends first: HTTP/1.1 says `Connection: close`, HTTP/2 GOAWAY,
//! WebSocket a close frame. A client's next request may be on its way to a connection that waits, and a close would
//! lose it: such a connection is kept for a moment, and a request that comes is answered, as its last. What is
//! still under way `bounds.drain` later is cut off.
//!
//! Each connection's task runs within a [`Watch`], which is woken at the end. Whoever polls within it needs only
//! ask whether the term is over: a request costs no place in a list.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use std::time::Duration;

use foldhash::{HashMap, HashMapExt};

use super::deadline::Deadline;
use crate::clock::{self, Instant};

/// How long a connection that waits is usually kept after the end: longer than a request is on its way.
pub const LEAVING: Duration = Duration::from_secs(2);

/// A term that connections share.
#[derive(Debug)]
pub struct Term {
    is_over: AtomicBool,
    /// How long a connection that waits is kept after the end.
    idle_ms: AtomicU64,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// When what is left is cut off.
    cut: Option<Instant>,
    next: u64,
    tasks: HashMap<u64, Waker>,
}

impl Default for Term {
    fn default() -> Self {
        let state = State { cut: None, next: 0, tasks: HashMap::new() };
        Self { is_over: AtomicBool::new(false), idle_ms: AtomicU64::new(0), state: Mutex::new(state) }
    }
}

impl Term {
    /// Ends it: what is under way has `most` to end, what waits `idle` to begin its last request. Ended again, the
    /// earlier end of `most` counts.
    pub fn end(&self, most: Duration, idle: Duration) {
        self.idle_ms.store(clock::millis(idle), Ordering::Relaxed);
        let cut = clock::now().checked_add(most);
        let tasks = {
            let mut state = self.state();
            state.cut = match (state.cut, cut) {
                (Some(earlier), Some(cut)) => Some(earlier.min(cut)),
                (earlier, cut) => earlier.or(cut),
            };
            // A task that registers later finds it over.
            self.is_over.store(true, Ordering::Release);
            state.tasks.values().cloned().collect::<Vec<_>>()
        };
        tasks.iter().for_each(Waker::wake_by_ref);
    }

    /// Whether the present exchange is the connection's last.
    pub fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Acquire)
    }

    /// How long a connection that waits may go on waiting, once the term is over.
    pub fn idle(&self) -> Duration {
        Duration::from_millis(self.idle_ms.load(Ordering::Relaxed))
    }

    /// Waits for its end, within a [`Watch`].
    pub async fn over(&self) {
        poll_fn(|_| if self.is_over() { Poll::Ready(()) } else { Poll::Pending }).await;
    }

    /// Begins to watch over a connection.
    pub fn watch(&self) -> Watch<'_> {
        Watch { place: Place { term: self, number: None }, cut: Deadline::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Watches over what one task does for a connection, one thing after the other.
pub struct Watch<'t> {
    place: Place<'t>,
    cut: Deadline,
}

impl Watch<'_> {
    /// Lets `serving` go on until it ends by itself or is cut off; hands on what it ended with. What is cut off is for the
    /// caller to drop.
    pub async fn over<T>(&mut self, mut serving: Pin<&mut (impl Future<Output = T> + Send)>) -> Option<T> {
        let Self { place, cut } = self;
        poll_fn(|cx| {
            if let Poll::Ready(output) = serving.as_mut().poll(cx) {
                return Poll::Ready(Some(output));
            }
            // PERF: the waker of a task stays the same, so that one registration serves all its polls.
            if place.number.is_none() && place.register(cx.waker()) {
                // It ended meanwhile: what waits must look again.
                cx.waker().wake_by_ref();
            }
            if place.term.is_over() {
                cut.set_at(place.term.state().cut);
                return cut.poll(cx).map(|_| None);
            }
            Poll::Pending
        })
        .await
    }
}

/// A task's place among those to be woken.
struct Place<'t> {
    term: &'t Term,
    number: Option<u64>,
}

impl Place<'_> {
    /// Takes the place; says whether the term is over already.
    fn register(&mut self, waker: &Waker) -> bool {
        let mut state = self.term.state();
        let number = state.next;
        state.next = number.wrapping_add(1);
        state.tasks.insert(number, waker.clone());
        self.number = Some(number);
        self.term.is_over()
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            self.term.state().tasks.remove(&number);
        }
    }
}
