//! The cores as those who accept see them: which one serves a connection.
//!
//! The one that accepted it, as a rule. The kernel spreads connections over the sockets of an address without asking how
//! many each core has, and a socket that a service manager opened is accepted from on one core alone. So a core that
//! would have an eighth more connections than the mean hands the one it has just accepted to the core with the fewest.
//! What has begun never moves.
//!
//! # Limits
//! [`ARRIVALS_MAX`] connections wait for a core; beyond it the core that accepted keeps what it has. A core that does not
//! turn is handed nothing.

use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::mpsc;

use super::accept::Admission;
use crate::clock::{self, Instant};

/// Connections that may wait for the core they were handed to.
const ARRIVALS_MAX: usize = 256;

/// A core that has not said that it turns for this long is handed nothing: twice the time between two beats.
const SILENT_AFTER: Duration = Duration::from_secs(2);

/// All cores of the process.
#[derive(Debug)]
pub struct Cores(Box<[Berth]>);

#[derive(Debug)]
struct Berth {
    /// Connections it serves, or will.
    open: AtomicUsize,
    arrivals: mpsc::Sender<Arrival>,
    pulse: Pulse,
}

/// A connection on its way from the core that accepted it to the one that will serve it.
#[derive(Debug)]
pub struct Arrival {
    /// It, on no core's reactor.
    pub stream: TcpStream,
    /// Who connected.
    pub address: SocketAddr,
    /// What was decided when it was accepted.
    pub admission: Admission,
}

/// One connection in the count of a core, until it is dropped.
#[derive(Debug)]
pub struct Seat {
    cores: Arc<Cores>,
    core: usize,
}

/// When a core last said that it turns.
#[derive(Debug)]
pub struct Pulse {
    started: Instant,
    beat_ms: AtomicU64,
}

impl Cores {
    /// So many cores, and for each where its arrivals come in.
    pub fn new(count: usize) -> (Arc<Self>, Vec<mpsc::Receiver<Arrival>>) {
        let (berths, inboxes): (Vec<Berth>, _) = (0..count)
            .map(|_| {
                let (arrivals, inbox) = mpsc::channel(ARRIVALS_MAX);
                (Berth { open: AtomicUsize::new(0), arrivals, pulse: Pulse::new() }, inbox)
            })
            .unzip();
        (Arc::new(Self(berths.into())), inboxes)
    }

    /// Says that core number `core` turns.
    pub fn beat(&self, core: usize) {
        if let Some(berth) = self.0.get(core) {
            berth.pulse.beat();
        }
    }

    /// Connections that core number `core` serves, or will.
    pub fn connections(&self, core: usize) -> usize {
        self.0.get(core).map_or(0, |berth| berth.open.load(Ordering::Relaxed))
    }

    /// How long ago core number `core` last said that it turns.
    pub fn silent_for(&self, core: usize) -> Duration {
        self.0.get(core).map_or(Duration::ZERO, |berth| berth.pulse.since())
    }

    /// Counts one connection more, which was accepted on core `here`, on the core that shall serve it.
    pub(super) fn seat(self: &Arc<Self>, here: usize) -> Seat {
        Seat::take(self, self.choose(here))
    }

    /// Gives `arrival` to its core; gives it back when that one's queue is full or gone.
    pub(super) fn send(&self, core: usize, arrival: Arrival) -> Result<(), Arrival> {
        match self.0.get(core).map(|berth| berth.arrivals.try_send(arrival)) {
            Some(Err(
                mpsc::error::TrySendError::Full(arrival) | mpsc::error::TrySendError::Closed(arrival),
            )) => Err(arrival),
            Some(Ok(())) | None => Ok(()),
        }
    }

    fn choose(&self, here: usize) -> usize {
        let open = |berth: &Berth| berth.open.load(Ordering::Relaxed);
        let own = self.0.get(here).map_or(0, open);
        let all: usize = self.0.iter().map(open).sum();
        if !is_an_eighth_above_the_mean(own.saturating_add(1), all.saturating_add(1), self.0.len()) {
            return here;
        }
        let turning = self.0.iter().enumerate().filter(|(_, berth)| berth.pulse.since() < SILENT_AFTER);
        let least = turning.map(|(core, berth)| (open(berth), core)).min();
        least.filter(|(fewest, _)| *fewest < own).map_or(here, |(_, core)| core)
    }
}

fn is_an_eighth_above_the_mean(own: usize, all: usize, cores: usize) -> bool {
    own.saturating_mul(cores).saturating_mul(8) > all.saturating_mul(9)
}

impl Seat {
    fn take(cores: &Arc<Cores>, core: usize) -> Self {
        if let Some(berth) = cores.0.get(core) {
            berth.open.fetch_add(1, Ordering::Relaxed);
        }
        Self { cores: Arc::clone(cores), core }
    }

    /// The core.
    pub(super) fn core(&self) -> usize {
        self.core
    }

    /// The same connection in the count of another core.
    pub(super) fn moved_to(self, core: usize) -> Self {
        Self::take(&self.cores, core)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if let Some(berth) = self.cores.0.get(self.core) {
            berth.open.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Pulse {
    fn new() -> Self {
        Self { started: clock::now(), beat_ms: AtomicU64::new(0) }
    }

    fn beat(&self) {
        let age = clock::now().saturating_duration_since(self.started);
        self.beat_ms.store(clock::millis(age), Ordering::Relaxed);
    }

    /// How long ago the last beat was.
    fn since(&self) -> Duration {
        let age = clock::now().saturating_duration_since(self.started);
        age.saturating_sub(Duration::from_millis(self.beat_ms.load(Ordering::Relaxed)))
    }
}

#[cfg(test)]
mod tests;
