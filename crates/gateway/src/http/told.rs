//! Whom a timer or a socket will wake.
//!
//! Telling it again costs a lock and a new waker, and most tasks that ask again are the one that was told last. Whoever
//! keeps this forgets it once the waker may have been used, and when its owner goes on to another task.

use std::task::{Context, Waker};

use tokio::task::coop::has_budget_remaining;

/// The task that was told to wait and will be woken, if there is one.
#[derive(Debug, Default)]
pub(super) struct Told(Option<Waker>);

impl Told {
    /// Whether it is the task that asks.
    pub(super) fn is(&self, cx: &Context<'_>) -> bool {
        self.0.as_ref().is_some_and(|waker| waker.will_wake(cx.waker()))
    }

    /// The task that asks was told to wait. One that has used up its turn is told so, and what it waits for nothing.
    pub(super) fn pending(&mut self, cx: &Context<'_>) {
        self.0 = has_budget_remaining().then(|| cx.waker().clone());
    }

    /// Nobody will be woken.
    pub(super) fn forget(&mut self) {
        self.0 = None;
    }
}
