//! The tape: values one after the other, each container before what it holds.

use std::cell::Cell;
use std::fmt;

use super::read::Value;

/// What one tape may keep for the next of its thread.
const KEPT_ENTRIES_MAX: usize = 16 * 1024;
const KEPT_BYTES_MAX: usize = 64 * 1024;
const KEPT_NAMES_MAX: usize = 4 * 1024;

thread_local! {
    static SPARE: Cell<Option<Memory>> = const { Cell::new(None) };
}

/// One value, read or built: flat, and borrowed from the bytes it was read from.
pub struct Tape<'s> {
    /// The bytes it was read from; empty if it was built.
    pub(super) source: &'s str,
    pub(super) memory: Memory,
}

/// What a tape is made of; kept from one to the next.
#[derive(Default)]
pub(super) struct Memory {
    pub(super) entries: Vec<Entry>,
    /// Strings that the source does not have as they are: unescaped or built.
    pub(super) texts: String,
    /// The names of objects that have many, sorted; see [`super::names`].
    pub(super) names: Vec<Slot>,
    /// Containers that are open while the tape is written.
    pub(super) open: Vec<Open>,
}

/// One value or one name.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    pub(super) what: What,
    /// Where its text stands in the source, quotes and brackets among it. For a built text: unused.
    pub(super) start: u32,
    pub(super) len: u32,
    /// Of a text in `texts`: where. Of a container: how many it holds.
    pub(super) first: u32,
    /// Of a text in `texts`: its length. Of a container: the entry behind its last.
    pub(super) second: u32,
    /// Of an object with many names: where they stand in `names`.
    pub(super) names: u32,
}

/// What an entry is. A text is borrowed if the source has it as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    Null,
    False,
    True,
    Number,
    BuiltNumber,
    String,
    OwnString,
    Name,
    OwnName,
    Array,
    Object,
}

/// A name in the sorted index: its hash, and its entry.
#[derive(Debug, Clone, Copy)]
pub(super) struct Slot {
    pub(super) hash: u32,
    pub(super) entry: u32,
}

/// A container while its end is awaited.
#[derive(Debug, Clone, Copy)]
pub(super) struct Open {
    pub(super) entry: u32,
    /// The name whose value is being written; its own entry as long as there is none.
    pub(super) name: u32,
    pub(super) count: u32,
    /// One bit for each name so far; a name whose bit is not set is new.
    pub(super) seen: u64,
    pub(super) is_object: bool,
}

impl Entry {
    /// Where in [`Memory::names`] nothing is.
    pub(super) const UNSORTED: u32 = u32::MAX;

    pub(super) fn new(what: What) -> Self {
        Self { what, start: 0, len: 0, first: 0, second: 0, names: Self::UNSORTED }
    }
}

impl Memory {
    /// That of the thread's last tape, or new.
    pub(super) fn take() -> Self {
        SPARE.take().unwrap_or_default()
    }

    /// Keeps it for the next tape of the thread, if it is worth that and not too large.
    pub(super) fn give_back(mut self) {
        if self.entries.capacity() == 0
            || self.entries.capacity() > KEPT_ENTRIES_MAX
            || self.texts.capacity() > KEPT_BYTES_MAX
            || self.names.capacity() > KEPT_NAMES_MAX
        {
            return;
        }
        self.entries.clear();
        self.texts.clear();
        self.names.clear();
        self.open.clear();
        SPARE.set(Some(self));
    }
}

impl Tape<'_> {
    /// The value.
    pub fn root(&self) -> Value<'_> {
        Value::new(self, 0)
    }

    /// How many entries it has, names among them: what judging it may cost goes by that.
    pub fn len(&self) -> usize {
        self.memory.entries.len()
    }

    /// Whether it has none. A tape that was read or finished has at least one.
    pub fn is_empty(&self) -> bool {
        self.memory.entries.is_empty()
    }
}

impl Drop for Tape<'_> {
    fn drop(&mut self) {
        std::mem::take(&mut self.memory).give_back();
    }
}

impl fmt::Debug for Tape<'_> {
    /// Never the values.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tape").field("entries", &self.memory.entries.len()).finish_non_exhaustive()
    }
}
