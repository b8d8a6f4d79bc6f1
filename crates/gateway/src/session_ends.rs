//! Login sessions that ended before their time, of all logins and on all nodes.
//!
//! A session lives in a browser, so what ends it is remembered until it would have ended by itself: under the login's name
//! and by what names the session (its own id, the issuer's `sid`, its user and the time). It holds here at once, and over a
//! restart where there is a state directory. Where nodes share a store it is told there as soon as the store takes it, and
//! each of them hears of what the others have told within a second or two; nobody waits for that.
//!
//! # Limits
//! `bounds.session_ends`; beyond it no session ends here, which is said to whoever wished it. What another node tells of is
//! never let go: where it does not fit, every session that had begun by then has ended.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError, RwLock};
use std::time::Duration;

use foldhash::HashMap;
use tokio::sync::Notify;

use crate::bounds::Bounds;
use crate::{clock, files};

/// Bytes of a file of ends.
const FILE_BYTES_MAX: u64 = 1 << 30;
/// Bytes of a name.
const NAME_BYTES_MAX: usize = 2_048;
/// Lines below which a file is never written anew.
const LINES_MIN: usize = 1_000;

/// What is remembered.
#[derive(Debug)]
pub struct SessionEnds {
    known: RwLock<Known>,
    /// Raised with each end: what was judged before is to be judged again.
    generation: AtomicU64,
    kept: Mutex<Kept>,
    most: AtomicUsize,
    is_shared: bool,
    news: Notify,
}

#[derive(Debug, Default)]
struct Known {
    /// By the login and what names the session, with a space between.
    ends: HashMap<Box<str>, End>,
    /// Whatever had begun by then has ended.
    all_until: u64,
}

/// What is written down, and what is to be told.
#[derive(Debug, Default)]
struct Kept {
    file: Option<PathBuf>,
    lines: usize,
    /// What the store does not have yet.
    untold: HashMap<Box<str>, End>,
}

/// An end. Times are in seconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct End {
    /// It is of sessions that began until then.
    pub begun_until: u64,
    /// Until when there can be any.
    pub counts_until: u64,
}

impl Default for SessionEnds {
    fn default() -> Self {
        Self {
            known: RwLock::default(),
            generation: AtomicU64::new(0),
            kept: Mutex::default(),
            most: AtomicUsize::new(Bounds::default().session_ends as usize),
            is_shared: false,
            news: Notify::new(),
        }
    }
}

impl SessionEnds {
    /// Those that are written down below `state`, if they are; with others to be told where they are `shared`.
    pub fn new(state: Option<&Path>, is_shared: bool) -> Self {
        let own = Self { is_shared, ..Self::default() };
        if let Some(state) = state
            && let Err(error) = own.keep_in(state.join("logins").join("ended"))
        {
            tracing::error!(%error, "which sessions were ended cannot be read or kept");
        }
        own
    }

    /// At most so many are remembered.
    pub fn resize(&self, most: u32) {
        self.most.store(most as usize, Ordering::Relaxed);
    }

    /// Takes over what `file` has, and keeps what comes there.
    fn keep_in(&self, file: PathBuf) -> io::Result<()> {
        let now = clock::wall().as_secs();
        let text = match fs::metadata(&file) {
            Ok(facts) if facts.len() > FILE_BYTES_MAX => {
                return Err(io::Error::other("the file is too large"));
            }
            Ok(_) => fs::read_to_string(&file)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(error),
        };
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        // A last line that was cut off is no line.
        for (name, end) in text.lines().filter_map(parse).filter(|(_, end)| end.counts_until > now) {
            known.take(name, end, usize::MAX);
        }
        if self.is_shared {
            kept.untold.clone_from(&known.ends);
        }
        kept.lines = write(&file, &known.ends)?;
        kept.file = Some(file);
        Ok(())
    }

    /// Changes whenever a session that has not ended may have.
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Whether a session of `login` that began then, and that `names` name, has ended before its time.
    pub fn has_ended(&self, login: &str, begun: Duration, names: impl FnOnce() -> Vec<String>) -> bool {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let begun = begun.as_secs();
        if begun <= known.all_until {
            return true;
        }
        if known.ends.is_empty() {
            return false;
        }
        let is_of = |name: &String| {
            known.ends.get(&*format!("{login} {name}")).is_some_and(|end| begun <= end.begun_until)
        };
        names().iter().any(is_of)
    }

    /// Whether something is remembered under this name.
    pub fn is_known(&self, login: &str, name: &str) -> bool {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.ends.contains_key(&*format!("{login} {name}"))
    }

    /// Remembers ends of sessions of `login`. Waits for the disk.
    ///
    /// # Errors
    /// There are too many, or they cannot be kept.
    pub fn end(&self, login: &str, names: &[(String, End)]) -> Result<(), String> {
        let named: Vec<(Box<str>, End)> =
            names.iter().map(|(name, end)| (format!("{login} {name}").into(), *end)).collect();
        {
            let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
            let most = self.most.load(Ordering::Relaxed);
            if !known.has_room(named.len(), most) {
                return Err("too many sessions were ended before their time".to_owned());
            }
            for (name, end) in &named {
                known.take(name, *end, most);
            }
            self.generation.fetch_add(1, Ordering::Release);
        }
        let written = self.write_down(&named, true);
        self.news.notify_one();
        written.map_err(|error| format!("the end of a session cannot be kept: {error}"))
    }

    /// Takes in what other nodes have told.
    pub fn learn(&self, told: Vec<(Box<str>, End)>) {
        let now = clock::wall().as_secs();
        let counts = |(name, end): &(Box<str>, End)| end.counts_until > now && is_name(name);
        let told: Vec<_> = told.into_iter().filter(counts).collect();
        let mut new = Vec::new();
        {
            let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
            let most = self.most.load(Ordering::Relaxed);
            for (name, end) in &told {
                if !known.ends.get(name).is_some_and(|own| own.covers(*end)) {
                    known.take(name, *end, most);
                    new.push((name.clone(), *end));
                }
            }
            // What is known already makes nobody be judged again.
            if !new.is_empty() {
                self.generation.fetch_add(1, Ordering::Release);
            }
        }
        {
            let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            for (name, end) in &told {
                if kept.untold.get(name).is_some_and(|own| end.covers(*own)) {
                    kept.untold.remove(name);
                }
            }
        }
        if !new.is_empty()
            && let Err(error) = self.write_down(&new, false)
        {
            tracing::warn!(%error, "which sessions were ended elsewhere is not kept");
        }
    }

    /// Some of what the store does not have yet.
    pub fn untold(&self, most: usize) -> Vec<(Box<str>, End)> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.untold.iter().take(most).map(|(name, end)| (name.clone(), *end)).collect()
    }

    /// Notes what the store has now.
    pub fn told(&self, ends: &[(Box<str>, End)]) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        for (name, end) in ends {
            if kept.untold.get(name) == Some(end) {
                kept.untold.remove(name);
            }
        }
    }

    /// The store is another one: all of it is to be told.
    pub fn tell_all(&self) {
        let ends = self.known.read().unwrap_or_else(PoisonError::into_inner).ends.clone();
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).untold = ends;
    }

    /// When there is something to be told.
    pub fn news(&self) -> &Notify {
        &self.news
    }

    fn write_down(&self, ends: &[(Box<str>, End)], is_own: bool) -> io::Result<()> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if is_own && self.is_shared {
            // Told late or never, what counts no more takes no room.
            if kept.untold.len() >= self.most.load(Ordering::Relaxed) {
                let now = clock::wall().as_secs();
                kept.untold.retain(|_, end| end.counts_until > now);
            }
            kept.untold.extend(ends.iter().cloned());
        }
        let Some(file) = kept.file.clone() else { return Ok(()) };
        let lines: String = ends.iter().map(|(name, end)| line(name, *end)).collect();
        let mut out = OpenOptions::new().append(true).create(true).mode(0o600).open(&file)?;
        out.write_all(lines.as_bytes())?;
        out.sync_data()?;
        kept.lines = kept.lines.saturating_add(ends.len());
        let now = clock::wall().as_secs();
        let known = {
            let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
            if kept.lines <= LINES_MIN.max(known.ends.len().saturating_mul(2)) {
                return Ok(());
            }
            known.ends.retain(|_, end| end.counts_until > now);
            known.ends.clone()
        };
        kept.lines = write(&file, &known)?;
        Ok(())
    }
}

impl Known {
    /// Whether so many more fit, once what counts no more has gone.
    fn has_room(&mut self, more: usize, most: usize) -> bool {
        if self.ends.len().saturating_add(more) > most {
            let now = clock::wall().as_secs();
            self.ends.retain(|_, end| end.counts_until > now);
        }
        self.ends.len().saturating_add(more) <= most
    }

    fn take(&mut self, name: &str, end: End, most: usize) {
        if let Some(own) = self.ends.get_mut(name) {
            *own = own.and(end);
        } else if self.has_room(1, most) {
            self.ends.insert(name.into(), end);
        } else {
            if self.all_until < end.begun_until {
                tracing::error!(
                    "more sessions were ended than `bounds.session_ends`: all that had begun have ended"
                );
            }
            self.all_until = self.all_until.max(end.begun_until.min(clock::wall().as_secs()));
        }
    }
}

impl End {
    fn covers(self, other: Self) -> bool {
        self.and(other) == self
    }

    fn and(self, other: Self) -> Self {
        Self {
            begun_until: self.begun_until.max(other.begun_until),
            counts_until: self.counts_until.max(other.counts_until),
        }
    }
}

/// Whether a name stands in a line of its own.
fn is_name(name: &str) -> bool {
    name.len() <= NAME_BYTES_MAX && !name.contains(char::is_control)
}

fn line(name: &str, end: End) -> String {
    format!("{} {} {name}\n", end.counts_until, end.begun_until)
}

fn parse(line: &str) -> Option<(&str, End)> {
    let mut words = line.splitn(3, ' ');
    let counts_until = words.next()?.parse().ok()?;
    let begun_until = words.next()?.parse().ok()?;
    Some((words.next()?, End { begun_until, counts_until }))
}

/// Writes a file anew. Says how many lines it has.
fn write(file: &Path, ends: &HashMap<Box<str>, End>) -> io::Result<usize> {
    files::replace(file, |out| {
        ends.iter().try_for_each(|(name, end)| out.write_all(line(name, *end).as_bytes()))
    })?;
    Ok(ends.len())
}

#[cfg(test)]
mod tests;
