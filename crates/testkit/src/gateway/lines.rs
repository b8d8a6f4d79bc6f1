//! What a child process writes, line by line, kept within a bound and awaited.

use std::collections::VecDeque;
use std::fmt;
use std::io::{BufRead, BufReader, Read};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use crate::Deadline;

/// Lines kept; older ones are forgotten.
const LINES_MAX: usize = 20_000;
/// Bytes of one line that are kept.
const LINE_BYTES_MAX: usize = 64 * 1024;

/// The lines of one stream of a child process.
pub struct Lines {
    held: Mutex<Held>,
    changed: Condvar,
}

#[derive(Default)]
struct Held {
    lines: VecDeque<String>,
    /// Lines that came before those held.
    forgotten: usize,
    ended: bool,
}

/// A place between two lines: what came before it is not looked at.
#[derive(Debug, Clone, Copy)]
pub struct Mark(usize);

impl Lines {
    /// Reads `stream` on a thread of its own until it ends.
    pub fn of(stream: impl Read + Send + 'static) -> Arc<Self> {
        let lines = Arc::new(Self { held: Mutex::default(), changed: Condvar::new() });
        let reader = Arc::clone(&lines);
        thread::spawn(move || reader.read(stream));
        lines
    }

    /// Every line held.
    pub fn all(&self) -> Vec<String> {
        self.lock().lines.iter().cloned().collect()
    }

    /// The last `count` lines as one text.
    pub fn tail(&self, count: usize) -> String {
        let held = self.lock();
        let skipped = held.lines.len().saturating_sub(count);
        held.lines.iter().skip(skipped).map(|line| format!("{line}\n")).collect()
    }

    /// The place behind the last line so far.
    pub fn mark(&self) -> Mark {
        let held = self.lock();
        Mark(held.forgotten + held.lines.len())
    }

    /// The lines behind `mark`.
    pub fn since(&self, mark: Mark) -> Vec<String> {
        let held = self.lock();
        held.lines.iter().skip(mark.0.saturating_sub(held.forgotten)).cloned().collect()
    }

    /// What `wanted` makes of the first line it accepts, awaited.
    ///
    /// # Panics
    /// When the stream ends or the usual patience does; the failure shows what came instead.
    pub fn expect<T>(&self, what: &str, wanted: impl FnMut(&str) -> Option<T>) -> T {
        self.expect_since(Mark(0), what, wanted)
    }

    /// As [`Lines::expect`], behind `mark`.
    ///
    /// # Panics
    /// As [`Lines::expect`].
    pub fn expect_since<T>(&self, mark: Mark, what: &str, wanted: impl FnMut(&str) -> Option<T>) -> T {
        match self.find(mark, Deadline::soon(), wanted) {
            Some(found) => found,
            None => panic!("waited in vain for {what}; the stream says:\n{}", self.tail(40)),
        }
    }

    /// What `wanted` makes of the first line behind `mark` that it accepts, `None` at the deadline.
    pub fn find<T>(
        &self,
        mark: Mark,
        deadline: Deadline,
        mut wanted: impl FnMut(&str) -> Option<T>,
    ) -> Option<T> {
        let mut held = self.lock();
        let mut next = mark.0;
        loop {
            let skipped = next.saturating_sub(held.forgotten);
            if let Some(found) = held.lines.iter().skip(skipped).find_map(|line| wanted(line)) {
                return Some(found);
            }
            next = held.forgotten + held.lines.len();
            let left = deadline.left().filter(|_| !held.ended)?;
            let waited = self.changed.wait_timeout(held, left);
            held = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn read(&self, stream: impl Read) {
        let mut stream = BufReader::new(stream);
        let mut line = Vec::new();
        while stream.read_until(b'\n', &mut line).is_ok_and(|count| count > 0) {
            line.truncate(LINE_BYTES_MAX);
            let text = String::from_utf8_lossy(&line).trim_end().to_owned();
            line.clear();
            let mut held = self.lock();
            held.lines.push_back(text);
            if held.lines.len() > LINES_MAX {
                held.lines.pop_front();
                held.forgotten += 1;
            }
            self.changed.notify_all();
        }
        self.lock().ended = true;
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Lines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lines").field("count", &self.lock().lines.len()).finish_non_exhaustive()
    }
}
