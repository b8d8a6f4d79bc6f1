//! Whom a timer or a socket will wake.
//!
//! Telling it again costs a lock and a new waker, and most tasks that ask again are the one that was told last. Whoever
//! keeps this forgets it once the waker may have been used, and when its owner goes on to another task.

use std::ptr;
use std::task::{Context, Waker};

use tokio::task::coop::has_budget_remaining;

/// The task that was told to wait and will be woken, if there is one.
// PERF: by where its waker leads, which costs no waker. Nobody else can be there meanwhile: whoever will wake the task keeps
// a waker of it.
#[derive(Debug, Default)]
pub(super) struct Told(Option<(usize, usize)>);

impl Told {
    /// Whether it is the task that asks.
    pub(super) fn is(&self, cx: &Context<'_>) -> bool {
        self.0 == Some(place(cx.waker()))
    }

    /// The task that asks was told to wait. One that has used up its turn is told so, and what it waits for nothing.
    pub(super) fn pending(&mut self, cx: &Context<'_>) {
        self.0 = has_budget_remaining().then(|| place(cx.waker()));
    }

    /// Nobody will be woken.
    pub(super) fn forget(&mut self) {
        self.0 = None;
    }
}

/// Where a waker leads: what it wakes and how.
fn place(waker: &Waker) -> (usize, usize) {
    (waker.data().addr(), ptr::from_ref(waker.vtable()).addr())
}
