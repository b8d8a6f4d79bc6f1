//! A deadline that moves lazily.
//!
//! Resetting a timer costs more than parsing a head, and a kept-alive connection would do it several times a
//! request. So only the due time is written down; the timer is touched when the new due time is earlier than
//! the one it is armed for, or when it fires too early and is sent on. A busy connection re-arms once per
//! timeout, not once per request.

use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::Sleep;

use super::told::Told;
use crate::clock::{self, Instant};

/// One timer, pointed at whatever its owner waits for at the moment.
#[derive(Debug, Default)]
pub struct Deadline {
    due: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
    /// Whom the timer will wake as it is armed.
    told: Told,
}

/// The deadline passed first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Elapsed;

impl Deadline {
    /// Not due.
    pub fn new() -> Self {
        Self::default()
    }

    /// Forgets whom it wakes, and that it is due: its owner goes on to another task.
    pub fn rest(&mut self) {
        self.due = None;
        self.told.forget();
    }

    /// Due in `after` from now.
    pub fn set(&mut self, after: Duration) {
        self.set_at(clock::now().checked_add(after));
    }

    /// Due at `due`, or never.
    pub fn set_at(&mut self, due: Option<Instant>) {
        self.due = due;
        if let (Some(due), Some(timer)) = (due, &mut self.timer)
            && due < timer.deadline()
        {
            timer.as_mut().reset(due);
            self.told.forget();
        }
    }

    /// Never due until set again.
    pub fn clear(&mut self) {
        self.due = None;
    }

    /// Ready once the due time has passed.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Elapsed> {
        let Some(due) = self.due else { return Poll::Pending };
        // PERF: a timer that was told whom to wake, and has not, needs not be told again, which takes four locked
        // instructions and two hundred others.
        if let Some(timer) = &self.timer
            && self.told.is(cx)
            && !timer.is_elapsed()
        {
            return Poll::Pending;
        }
        self.told.forget();
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(due)));
        loop {
            if timer.as_mut().poll(cx).is_pending() {
                self.told.pending(cx);
                return Poll::Pending;
            }
            if timer.deadline() >= due {
                self.due = None;
                return Poll::Ready(Elapsed);
            }
            timer.as_mut().reset(due);
        }
    }

    /// Awaits `future` until the deadline passes. The deadline keeps its due time.
    pub async fn race<F: Future>(&mut self, future: F) -> Result<F::Output, Elapsed> {
        let mut future = pin!(future);
        std::future::poll_fn(|cx| {
            if let Poll::Ready(output) = future.as_mut().poll(cx) {
                return Poll::Ready(Ok(output));
            }
            self.poll(cx).map(Err)
        })
        .await
    }
}
