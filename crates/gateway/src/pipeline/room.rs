//! Room for bodies that are held whole, shared by the whole process: so much in memory, so much in files.
//!
//! Counted by what is held and not by what was announced, so that a thousand announcements cost nothing. A share grows
//! with its body and is given back as one when the body is gone.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// How much is held, and how much may be.
#[derive(Debug)]
pub struct Room {
    held: AtomicU64,
    most: AtomicU64,
}

/// What one body takes of a room.
#[derive(Debug)]
pub(super) struct Share {
    room: Arc<Room>,
    bytes: u64,
}

impl Room {
    /// Room for `most` bytes.
    pub fn new(most: u64) -> Arc<Self> {
        Arc::new(Self { held: AtomicU64::new(0), most: AtomicU64::new(most) })
    }

    /// Makes it larger or smaller; what is held stays.
    pub fn resize(&self, most: u64) {
        self.most.store(most, Ordering::Relaxed);
    }

    /// Takes `more`, or says that there is no room. Who took it gives it back.
    pub(super) fn take(&self, more: u64) -> bool {
        let before = self.held.fetch_add(more, Ordering::Relaxed);
        let has_room = before.saturating_add(more) <= self.most.load(Ordering::Relaxed);
        if !has_room {
            self.give_back(more);
        }
        has_room
    }

    /// Takes back what was taken.
    pub(super) fn give_back(&self, taken: u64) {
        self.held.fetch_sub(taken, Ordering::Relaxed);
    }

    /// Bytes held now.
    pub fn held(&self) -> u64 {
        self.held.load(Ordering::Relaxed)
    }
}

impl Share {
    /// A share of nothing.
    pub(super) fn of(room: &Arc<Room>) -> Self {
        Self { room: Arc::clone(room), bytes: 0 }
    }

    /// Takes `more` bytes, or says that there is no room.
    pub(super) fn grow(&mut self, more: u64) -> bool {
        let has_room = self.room.take(more);
        if has_room {
            self.bytes = self.bytes.saturating_add(more);
        }
        has_room
    }

    /// Gives all of it back, before its own end.
    pub(super) fn give_back(&mut self) {
        self.room.give_back(std::mem::take(&mut self.bytes));
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.give_back();
    }
}
