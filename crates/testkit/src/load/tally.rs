//! What came of a load.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::time::Duration;

/// Failures that are told in words; later ones are counted only.
const TOLD_MAX: usize = 8;

/// What came of a load. Latencies count from the moment a request was due.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    /// Requests that got their own 200.
    pub good: u64,
    /// Requests that got another status, by status.
    pub wrong: BTreeMap<u16, u64>,
    /// Requests that got a 200 that was not theirs, or not plain.
    pub mistaken: u64,
    /// Requests whose connection or stream ended before the answer did.
    pub broken: u64,
    /// Requests that got nothing in time.
    pub silent: u64,
    /// Connections that could not be made.
    pub refused: u64,
    /// Requests sent once more: nothing of an answer had come over a connection used before, or it was said to be
    /// unprocessed.
    pub resent: u64,
    /// Connections that a server said would end, so that the client went to the next address.
    pub moved: u64,
    /// Turns let go because the load could not keep up.
    pub missed: u64,
    /// WebSocket messages sent.
    pub sent: u64,
    /// Messages whose echo came.
    pub echoed: u64,
    /// Messages without an echo when a close frame came: they crossed it. They are sent again on the next connection.
    pub crossed: u64,
    /// Messages without an echo when their connection ended without a close frame, or echoes that were not whole.
    pub cut: u64,
    /// The server's certificate in the latest handshake, as DER.
    pub certificate: Option<Vec<u8>>,
    /// Status of each close frame, and how often it came.
    pub closes: BTreeMap<u16, u64>,
    took: Vec<u32>,
    told: Vec<String>,
}

impl Tally {
    /// Everything that an honest client would call a failure.
    pub fn failed(&self) -> u64 {
        self.wrong.values().sum::<u64>() + self.mistaken + self.broken + self.silent + self.refused + self.cut
    }

    /// The time within which this share (such as 0.99) of the good answers came.
    pub fn quantile(&self, share: f64) -> Duration {
        let mut took = self.took.clone();
        took.sort_unstable();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a share of a count"
        )]
        let at = (took.len() as f64 * share) as usize;
        Duration::from_micros(took.get(at.min(took.len().saturating_sub(1))).copied().unwrap_or(0).into())
    }

    /// The slowest good answer.
    pub fn slowest(&self) -> Duration {
        Duration::from_micros(self.took.iter().max().copied().unwrap_or(0).into())
    }

    /// The first failures, in words.
    pub fn told(&self) -> &[String] {
        &self.told
    }

    pub(super) fn good(&mut self, took: Duration) {
        self.good += 1;
        self.took.push(u32::try_from(took.as_micros()).unwrap_or(u32::MAX));
    }

    pub(super) fn wrong(&mut self, status: u16, what: &str) {
        *self.wrong.entry(status).or_default() += 1;
        self.tell(what);
    }

    pub(super) fn mistaken(&mut self, what: &str) {
        self.mistaken += 1;
        self.tell(what);
    }

    pub(super) fn broken(&mut self, what: &str) {
        self.broken += 1;
        self.tell(what);
    }

    pub(super) fn silent(&mut self, what: &str) {
        self.silent += 1;
        self.tell(what);
    }

    pub(super) fn refused(&mut self, error: &io::Error) {
        self.refused += 1;
        self.tell(&format!("no connection: {error}"));
    }

    pub(super) fn cut(&mut self, messages: u64, what: &str) {
        self.cut += messages;
        self.tell(what);
    }

    fn tell(&mut self, what: &str) {
        if self.told.len() < TOLD_MAX {
            self.told.push(what.to_owned());
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} good, {} failed (status {:?}, {} mistaken, {} broken, {} silent, {} refused), {} resent, {} moved, \
             {} missed; messages: {} sent, {} echoed, {} crossed, {} cut, closes {:?}; p50 {:?}, p99 {:?}, slowest {:?}",
            self.good,
            self.failed(),
            self.wrong,
            self.mistaken,
            self.broken,
            self.silent,
            self.refused,
            self.resent,
            self.moved,
            self.missed,
            self.sent,
            self.echoed,
            self.crossed,
            self.cut,
            self.closes,
            self.quantile(0.5),
            self.quantile(0.99),
            self.slowest(),
        )?;
        self.told.iter().try_for_each(|told| write!(f, "\n  {told}"))
    }
}
