//! Idle connections, kept by the core that opened them.
//!
//! A connection belongs to the reactor of its core, so a shared pool would buy nothing but a lock. Each target
//! has an id that is never used again: connections of a backend that left the configuration cannot be found
//! by its successor, and go when their time is over.
//!
//! SECURITY: a connection is handed out only while it is quiet. A byte that arrives between two exchanges
//! belongs to no request; taken for the next answer it would be delivered to the wrong caller.
//!
//! # Limits
//! `idle_connections` per target, shared out among the cores; beyond it the connection that waited longest is
//! closed. `idle_for` per connection, looked at when the target is next used, and for all targets once a second
//! while there is traffic or when [`sweep`] is called.

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use foldhash::fast::FixedState;

use super::connection::Connection;
use crate::clock::Instant;

/// Idle connections of one core.
#[derive(Default)]
struct Pool {
    targets: HashMap<u64, VecDeque<Idle>, FixedState>,
    swept: Option<Instant>,
}

struct Idle {
    connection: Box<Connection>,
    until: Instant,
}

/// How often all targets are looked at.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

thread_local! {
    static POOL: RefCell<Pool> = RefCell::default();
}

/// The connection to target `id` that was used last, if it is still good.
pub(super) fn take(id: u64, now: Instant) -> Option<Box<Connection>> {
    POOL.with_borrow_mut(|pool| {
        let idle = pool.targets.get_mut(&id)?;
        // Last in, first out: the connections that a quieter hour does not need grow old and go.
        while let Some(mut candidate) = idle.pop_back() {
            if candidate.until > now && candidate.connection.is_good() {
                return Some(candidate.connection);
            }
        }
        None
    })
}

/// Keeps a connection for `idle_for`.
pub(super) fn put(connection: Box<Connection>, now: Instant, idle_for: Duration) {
    let Some(until) = now.checked_add(idle_for) else { return };
    let (id, most) = (connection.target.id, connection.target.idle_max);
    POOL.with_borrow_mut(|pool| {
        let idle = pool.targets.entry(id).or_default();
        if idle.len() >= most {
            idle.pop_front();
        }
        if most > 0 {
            idle.push_back(Idle { connection, until });
        }
        let due = pool.swept.and_then(|swept| swept.checked_add(SWEEP_EVERY));
        if due.is_none_or(|due| due <= now) {
            pool.sweep(now);
        }
    });
}

/// Closes what has waited too long on this core, or was closed or spoken on by its backend.
pub(super) fn sweep(now: Instant) {
    POOL.with_borrow_mut(|pool| pool.sweep(now));
}

/// Idle connections this core holds.
pub fn idle() -> usize {
    POOL.with_borrow(|pool| pool.targets.values().map(VecDeque::len).sum())
}

/// Idle connections this core holds to one target.
#[cfg(test)]
pub(super) fn idle_of(id: u64) -> usize {
    POOL.with_borrow(|pool| pool.targets.get(&id).map_or(0, VecDeque::len))
}

impl Pool {
    fn sweep(&mut self, now: Instant) {
        self.swept = Some(now);
        self.targets.retain(|_, idle| {
            idle.retain_mut(|idle| idle.until > now && idle.connection.is_good());
            !idle.is_empty()
        });
    }
}
