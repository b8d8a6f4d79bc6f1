//! How what is asked and answered drifts from what is declared: seen by the way, in bounded memory, for whoever keeps the
//! definition.
//!
//! Noted are requests for what no API publishes, when each operation was last used, and names that passed, or would have,
//! and are not declared. Names of strangers are kept here and nowhere else: they are shown by the admin API, and never become
//! labels. Of a path only its shape is kept, numbers and random texts as `{…}`, so that a thousand orders are one path; of
//! a body only the names that lead to a field; never a value.
//!
//! # Limits
//! [`SHADOW_KEPT`] paths, [`NAMES_KEPT`] names of an operation and [`NAMES_KEPT_OF_ALL`] of all; each of at most
//! [`NAME_BYTES_MAX`] bytes. Beyond it those are forgotten that were not seen for longest, in halves, and counted. What is
//! looked at by a reader at this moment is not waited for.

use std::fmt::Write as _;
use std::hash::Hash;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use foldhash::{HashMap, HashMapExt};
use serde::{Serialize, Serializer};

use super::record::Record;
use super::sink::lock;
use super::timestamp;

/// Paths and methods kept that no API publishes.
pub const SHADOW_KEPT: usize = 1_024;
/// Undeclared names kept of one operation.
pub const NAMES_KEPT: usize = 64;
/// Undeclared names kept of all operations together.
pub const NAMES_KEPT_OF_ALL: usize = 16_384;
/// Longest name or path kept, in bytes.
pub const NAME_BYTES_MAX: usize = 128;

/// Segments of a path that are kept.
const SEGMENTS_MAX: usize = 12;

/// Requests for what no API publishes, of the whole process.
#[derive(Debug)]
pub(super) struct Drift {
    shadow: Mutex<Halves<Shadow>>,
    /// By what was answered: 404, 405.
    answered: [AtomicU64; ANSWERS.len()],
    /// Names kept of all operations.
    names: AtomicUsize,
}

/// What may be answered to a request for what is not published.
const ANSWERS: [(u16, &str); 2] = [(404, "404"), (405, "405")];

/// A request for something that no API publishes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Shadow {
    method: Box<str>,
    path: Box<str>,
    answered: u16,
}

/// How often and when something was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Seen {
    /// How often.
    pub count: u64,
    /// First, since 1970.
    #[serde(rename = "first_seen", serialize_with = "as_time")]
    pub first: Duration,
    /// Last, since 1970.
    #[serde(rename = "last_seen", serialize_with = "as_time")]
    pub last: Duration,
}

/// A request for something that no API publishes, as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ShadowSeen {
    /// The method.
    pub method: Box<str>,
    /// The shape of the path.
    pub path: Box<str>,
    /// The status the gateway answered.
    pub answered: u16,
    /// When.
    #[serde(flatten)]
    pub seen: Seen,
}

/// Which message something stood in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// The client's.
    Request,
    /// The backend's.
    Response,
}

/// What is not declared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Undeclared {
    /// A parameter of the query.
    Query,
    /// A header field.
    Header,
    /// A cookie.
    Cookie,
    /// A field of a body, by the names that lead to it.
    Field,
    /// A status.
    Status,
    /// A media type.
    MediaType,
}

/// A name that is not declared, as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NameSeen {
    /// Which message it stood in.
    pub side: Side,
    /// What it names.
    pub what: Undeclared,
    /// The name; of a field the JSON Pointer, `*` for the places of arrays.
    pub name: Box<str>,
    /// When.
    #[serde(flatten)]
    pub seen: Seen,
}

/// What is kept of one operation. Small: most operations have nothing of it.
#[derive(Debug, Default)]
pub(super) struct Usage {
    /// Since when it is known, since 1970.
    pub(super) begun: Duration,
    /// By side.
    undeclared: [AtomicU64; 2],
    names: Mutex<Option<Box<Halves<Name>>>>,
}

/// A name that is not declared.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Name {
    side: Side,
    what: Undeclared,
    name: Box<str>,
}

/// A table of what was seen, in two halves: when one is full the other is emptied, and what is seen again moves to the
/// younger.
#[derive(Debug)]
struct Halves<K> {
    young: HashMap<K, Seen>,
    old: HashMap<K, Seen>,
    half_max: usize,
    forgotten: u64,
}

impl Default for Drift {
    fn default() -> Self {
        Self {
            shadow: Mutex::new(Halves::new(SHADOW_KEPT)),
            answered: Default::default(),
            names: AtomicUsize::new(0),
        }
    }
}

impl Drift {
    /// Notes an ended exchange that found no operation.
    pub(super) fn unrouted(&self, record: &Record<'_>) {
        let (Some(method), Some(path)) = (record.method, record.path) else { return };
        let mut counters = ANSWERS.iter().zip(&self.answered);
        let Some(((answered, _), counter)) = counters.find(|((status, _), _)| record.status == Some(*status))
        else {
            return;
        };
        counter.fetch_add(1, Ordering::Relaxed);
        // Nobody waits here: what a reader or another core looks at is counted above, and kept the next time.
        let Ok(mut shadow) = self.shadow.try_lock() else { return };
        let key = Shadow { method: cut(method, 16), path: shape(path), answered: *answered };
        shadow.note(key, record.wall);
    }

    /// How many requests found no operation, by what was answered.
    pub(super) fn answered(&self) -> impl Iterator<Item = (&'static str, u64)> {
        ANSWERS.iter().zip(&self.answered).map(|((_, name), count)| (*name, count.load(Ordering::Relaxed)))
    }

    /// Requests for what is not published, the most frequent first; and how many of them were forgotten.
    pub(super) fn shadow(&self) -> (Vec<ShadowSeen>, u64) {
        let shadow = lock(&self.shadow);
        let shown = |(key, seen): (&Shadow, &Seen)| ShadowSeen {
            method: key.method.clone(),
            path: key.path.clone(),
            answered: key.answered,
            seen: *seen,
        };
        let mut all: Vec<ShadowSeen> = shadow.all().map(shown).collect();
        all.sort_by(|a, b| {
            b.seen.count.cmp(&a.seen.count).then_with(|| (&a.path, &a.method).cmp(&(&b.path, &b.method)))
        });
        (all, shadow.forgotten)
    }
}

impl Usage {
    /// Notes a name that is not declared.
    pub(super) fn undeclared(&self, drift: &Drift, side: Side, what: Undeclared, name: &str, wall: Duration) {
        let [request, response] = &self.undeclared;
        let counter = if side == Side::Request { request } else { response };
        counter.fetch_add(1, Ordering::Relaxed);
        let Ok(mut names) = self.names.try_lock() else { return };
        let names = names.get_or_insert_with(|| Box::new(Halves::new(NAMES_KEPT)));
        let name = match what {
            Undeclared::Field => pointer(name),
            _ => cut(name, NAME_BYTES_MAX),
        };
        let before = names.len();
        let may_grow = drift.names.load(Ordering::Relaxed) < NAMES_KEPT_OF_ALL;
        names.note_if(Name { side, what, name }, wall, may_grow);
        let after = names.len();
        drift.names.fetch_add(after.saturating_sub(before), Ordering::Relaxed);
        drift.names.fetch_sub(before.saturating_sub(after), Ordering::Relaxed);
    }

    /// How many names were not declared, by side.
    pub(super) fn counts(&self) -> [(&'static str, u64); 2] {
        let [request, response] = &self.undeclared;
        [("request", request.load(Ordering::Relaxed)), ("response", response.load(Ordering::Relaxed))]
    }

    /// Names that are not declared, by side, kind and name; and how many of them were forgotten.
    pub(super) fn names(&self) -> (Vec<NameSeen>, u64) {
        let names = lock(&self.names);
        let Some(names) = names.as_ref() else { return (Vec::new(), 0) };
        let shown = |(key, seen): (&Name, &Seen)| NameSeen {
            side: key.side,
            what: key.what,
            name: key.name.clone(),
            seen: *seen,
        };
        let mut all: Vec<NameSeen> = names.all().map(shown).collect();
        all.sort_by(|a, b| (a.side, a.what, &a.name).cmp(&(b.side, b.what, &b.name)));
        (all, names.forgotten)
    }

    /// How many names are kept of it; for the end of an operation, which gives them back.
    pub(super) fn kept(&self) -> usize {
        lock(&self.names).as_ref().map_or(0, |names| names.len())
    }
}

impl Drift {
    /// Takes back the names of an operation that is gone.
    pub(super) fn give_back(&self, names: usize) {
        self.names.fetch_sub(names, Ordering::Relaxed);
    }
}

impl<K: Eq + Hash> Halves<K> {
    fn new(count_max: usize) -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), half_max: (count_max / 2).max(1), forgotten: 0 }
    }

    fn note(&mut self, key: K, wall: Duration) {
        self.note_if(key, wall, true);
    }

    /// Notes it; what was never seen before only if there `is_room`.
    fn note_if(&mut self, key: K, wall: Duration, is_room: bool) {
        if let Some(seen) = self.young.get_mut(&key) {
            seen.again(wall);
            return;
        }
        let known = self.old.remove(&key);
        if known.is_none() && !is_room {
            self.forgotten = self.forgotten.saturating_add(1);
            return;
        }
        if self.young.len() >= self.half_max {
            let old = std::mem::replace(&mut self.old, std::mem::take(&mut self.young));
            self.forgotten = self.forgotten.saturating_add(old.len() as u64);
        }
        let mut seen = known.unwrap_or(Seen { count: 0, first: wall, last: wall });
        seen.again(wall);
        self.young.insert(key, seen);
    }

    fn len(&self) -> usize {
        self.young.len().saturating_add(self.old.len())
    }

    fn all(&self) -> impl Iterator<Item = (&K, &Seen)> {
        self.young.iter().chain(&self.old)
    }
}

impl Seen {
    fn again(&mut self, wall: Duration) {
        self.count = self.count.saturating_add(1);
        self.last = self.last.max(wall);
    }
}

/// A text, cut at a character's end; what is no plain text is written as escapes.
fn cut(text: &str, bytes_max: usize) -> Box<str> {
    let mut kept = String::with_capacity(text.len().min(bytes_max));
    for character in text.chars() {
        let before = kept.len();
        match character {
            ' '..='~' => kept.push(character),
            other if other.is_alphanumeric() || other == '…' => kept.push(other),
            other => drop(write!(kept, "{}", other.escape_unicode())),
        }
        if kept.len() > bytes_max {
            kept.truncate(before);
            kept.push('…');
            break;
        }
    }
    kept.into_boxed_str()
}

/// A path without what differs from request to request.
fn shape(path: &str) -> Box<str> {
    let mut shape = String::new();
    for (at, segment) in path.split('/').skip(1).enumerate() {
        if at == SEGMENTS_MAX {
            shape.push_str("/…");
            break;
        }
        shape.push('/');
        shape.push_str(kind_of(segment).unwrap_or(segment));
    }
    cut(&shape, NAME_BYTES_MAX)
}

/// A JSON Pointer without the places of arrays and other numbers.
fn pointer(pointer: &str) -> Box<str> {
    let mut kept = String::with_capacity(pointer.len().min(NAME_BYTES_MAX));
    for token in pointer.split('/').skip(1) {
        kept.push('/');
        kept.push_str(kind_of(token).map_or(token, |_| "*"));
        if kept.len() > NAME_BYTES_MAX {
            break;
        }
    }
    cut(&kept, NAME_BYTES_MAX)
}

/// What kind of value a text is, if it is one: a number, or something that is long and looks random.
fn kind_of(text: &str) -> Option<&'static str> {
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~' | b'=');
    match text.len() {
        0 => None,
        len if digits == len => Some("{number}"),
        36 if text.split('-').map(str::len).eq([8, 4, 4, 4, 12]) => Some("{uuid}"),
        // No word that somebody chose is so long and has so many digits in it.
        len if len >= 16 && digits >= 4 && text.bytes().all(is_word) => Some("{token}"),
        len if len > 64 => Some("{long}"),
        _ => None,
    }
}

fn as_time<S: Serializer>(wall: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&timestamp::format(*wall))
}

#[cfg(test)]
mod tests;
