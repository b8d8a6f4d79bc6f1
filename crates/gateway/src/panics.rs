//! A panic is a defect of ours; it ends what it happened in and nothing else.
//!
//! An exchange is contained twice: while it is judged, where a panic becomes a 500, and while its reply is sent, where it
//! breaks the reply off. An HTTP/2 stream is contained besides, so that the other streams of its connection go on. What
//! is not contained here ends its task, that is, its connection (`tasks`). Each panic is told and counted once, by the
//! hook that `Observe::watch_panics` sets, wherever it happens.

use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

/// A future whose panic is its answer. After it nothing is asked of the future again.
// PERF: borrows what it polls. Taken by value, each wrapper would keep a second copy of the whole exchange's state
// (rust-lang/rust#62958): 16 KiB a connection instead of 4.
#[derive(Debug)]
pub struct Contained<'a, F>(pub Pin<&'a mut F>);

/// What a contained panic said.
#[derive(Debug)]
pub struct Panicked(pub String);

impl<F: Future> Future for Contained<'_, F> {
    type Output = Result<F::Output, Panicked>;

    // PERF: see `WriteHalf::poll_write`.
    #[inline(always)]
    fn poll(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Self::Output> {
        // Sound without `UnwindSafe`: whoever holds the future drops it, and what it shared is locked or atomic.
        match catch_unwind(AssertUnwindSafe(|| self.0.as_mut().poll(task))) {
            Ok(poll) => poll.map(Ok),
            Err(panic) => Poll::Ready(Err(Panicked(format!("panic: {}", text(&*panic))))),
        }
    }
}

/// What a panic says, if it says it in words.
pub fn text(panic: &(dyn Any + Send)) -> &str {
    let owned = || panic.downcast_ref::<String>().map(String::as_str);
    panic.downcast_ref::<&str>().copied().or_else(owned).unwrap_or("without a message")
}
