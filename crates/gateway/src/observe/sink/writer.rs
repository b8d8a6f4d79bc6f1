//! The thread that takes lines out of the shards and writes them.

use std::io;
use std::mem;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use super::output::Output;
use super::{POLL, Shared, lock};
use crate::clock::{self, Instant};

/// First pause after a write that failed; doubled until [`PAUSE_MAX`].
const PAUSE_MIN: Duration = Duration::from_millis(50);
/// Longest pause between two tries.
const PAUSE_MAX: Duration = Duration::from_secs(1);
/// At most one warning of a broken output in this time.
const WARN_EVERY: Duration = Duration::from_secs(60);
/// How long the writer sleeps when nobody wakes it.
const SLEEP: Duration = Duration::from_secs(60);

/// The writer's own state.
pub(super) struct Writer {
    shared: Arc<Shared>,
    output: Box<dyn Output>,
    name: String,
    /// Lines being written, and how far.
    pending: Vec<u8>,
    written: usize,
    pause: Duration,
    trouble: Option<Trouble>,
    warned: Option<Instant>,
}

/// An output that fails.
struct Trouble {
    since: Instant,
    is_told: bool,
}

impl Writer {
    pub(super) fn new(shared: Arc<Shared>, output: Box<dyn Output>, name: String) -> Self {
        Self {
            shared,
            output,
            name,
            pending: Vec::new(),
            written: 0,
            pause: PAUSE_MIN,
            trouble: None,
            warned: None,
        }
    }

    /// Writes until the sink is dropped.
    pub(super) fn run(&mut self) {
        loop {
            let is_stopping = self.shared.is_stopping.load(Ordering::Acquire);
            let asked = self.shared.asked.load(Ordering::Acquire);
            if self.shared.must_reopen.swap(false, Ordering::AcqRel) {
                self.reopen();
            }
            match self.round() {
                Ok(wrote) => {
                    self.recovered();
                    self.report_flushed(asked);
                    if is_stopping {
                        return;
                    }
                    if wrote {
                        thread::park_timeout(POLL);
                    } else {
                        self.sleep();
                    }
                }
                Err(_) if is_stopping => return,
                // A pipe that does not block and is full: its reader is slow, nothing is broken.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => thread::park_timeout(POLL),
                Err(error) => self.failed(&error),
            }
        }
    }

    /// Writes what stands in every shard. Says whether there was anything.
    fn round(&mut self) -> io::Result<bool> {
        let shared = Arc::clone(&self.shared);
        let mut wrote = !self.pending.is_empty();
        self.write_pending()?;
        for shard in &shared.shards {
            mem::swap(&mut *lock(shard), &mut self.pending);
            wrote |= !self.pending.is_empty();
            self.write_pending()?;
        }
        Ok(wrote)
    }

    fn write_pending(&mut self) -> io::Result<()> {
        while let Some(rest) = self.pending.get(self.written..).filter(|rest| !rest.is_empty()) {
            match self.output.write(rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => self.written = self.written.saturating_add(count),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.pending.clear();
        self.written = 0;
        Ok(())
    }

    /// Sleeps until a record comes, after a round that found none.
    fn sleep(&self) {
        self.shared.is_asleep.store(true, Ordering::Release);
        // Looked at under each shard's lock: a record that comes later sees the flag and wakes us.
        if self.shared.shards.iter().all(|shard| lock(shard).is_empty()) {
            thread::park_timeout(SLEEP);
        }
        self.shared.is_asleep.store(false, Ordering::Release);
    }

    fn report_flushed(&self, asked: u64) {
        let mut flushed = lock(&self.shared.flushed);
        if *flushed < asked {
            *flushed = asked;
            self.shared.flush_done.notify_all();
        }
    }

    fn failed(&mut self, error: &io::Error) {
        let now = clock::now();
        for counts in lock(&self.shared.counts).iter() {
            counts.write_errors.fetch_add(1, Ordering::Relaxed);
        }
        let mut trouble = self.trouble.take().unwrap_or(Trouble { since: now, is_told: false });
        let is_due = self.warned.is_none_or(|last| now.saturating_duration_since(last) >= WARN_EVERY);
        if is_due {
            self.warned = Some(now);
            trouble.is_told = true;
            tracing::warn!(output = self.name, %error, "cannot write records; requests go on, records are dropped when the queue is full");
        }
        self.trouble = Some(trouble);
        thread::park_timeout(self.pause);
        self.pause = self.pause.saturating_mul(2).min(PAUSE_MAX);
    }

    fn recovered(&mut self) {
        let Some(trouble) = self.trouble.take() else { return };
        self.pause = PAUSE_MIN;
        if trouble.is_told {
            let seconds = clock::now().saturating_duration_since(trouble.since).as_secs();
            tracing::info!(output = self.name, seconds, "records are written again");
        }
    }

    /// Opens the output anew. The line that is half written stays behind, in the old file.
    fn reopen(&mut self) {
        // The old file gets what was meant for it, if it takes it.
        let is_whole = self.write_pending().is_ok() || self.is_at_line_end();
        match self.output.reopen() {
            Ok(holds_text) if !is_whole => {
                let rest = self.pending.get(self.written..).unwrap_or_default();
                let skip =
                    rest.iter().position(|byte| *byte == b'\n').map_or(rest.len(), |at| at.saturating_add(1));
                self.pending.drain(..self.written.saturating_add(skip));
                self.written = 0;
                if holds_text {
                    self.pending.insert(0, b'\n'); // the same file again: end the torn line there
                }
                for counts in lock(&self.shared.counts).iter() {
                    counts.lost(1);
                }
            }
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(output = self.name, %error, "cannot open the output anew; the old one stays in use");
            }
        }
    }

    fn is_at_line_end(&self) -> bool {
        self.written == 0
            || self.pending.get(..self.written).and_then(<[u8]>::last).is_some_and(|byte| *byte == b'\n')
    }
}
