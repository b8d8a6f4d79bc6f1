//! Finding a member by its name: along the members where there are few, by a sorted index where there are many.

use std::cmp::Ordering;
use std::hash::BuildHasher;
use std::sync::LazyLock;

use foldhash::fast::RandomState;

use super::memory::{Memory, Slot};
use super::read::text_of;

/// Objects with more members than this have an index.
pub(super) const UNSORTED_MAX: u32 = 16;

/// Seeded once per process. The order is by hash and then by name, so that equal hashes cost no more than a
/// comparison each: whoever guessed the seed gains nothing.
static SEED: LazyLock<RandomState> = LazyLock::new(RandomState::default);

/// A name that is looked up often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    text: Box<str>,
    hash: u32,
}

impl Name {
    /// Prepares a name.
    pub fn new(text: &str) -> Self {
        Self { text: text.into(), hash: hash(text) }
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    pub(super) fn hash(&self) -> u32 {
        self.hash
    }
}

pub(super) fn hash(text: &str) -> u32 {
    let hash = SEED.hash_one(text);
    u32::try_from(hash >> 32).unwrap_or_default()
}

/// Sorts the names of the object whose entries stand in `object..`, and says which stands there twice.
pub(super) fn sort(source: &str, memory: &mut Memory, object: u32, end: u32) -> Result<u32, u32> {
    let start = memory.names.len();
    let mut at = object.saturating_add(1);
    while at < end {
        let text = text_of(source, memory, at);
        let slot = Slot { hash: hash(text), entry: at };
        memory.names.push(slot);
        at = memory.behind(at.saturating_add(1));
    }
    let mut names = std::mem::take(&mut memory.names);
    let sorted = names.get_mut(start..).unwrap_or_default();
    sorted.sort_unstable_by(|a, b| order(source, memory, *a, *b));
    let twice = sorted.windows(2).find_map(|pair| match pair {
        [a, b]
            if a.hash == b.hash && text_of(source, memory, a.entry) == text_of(source, memory, b.entry) =>
        {
            Some(a.entry.max(b.entry))
        }
        _ => None,
    });
    memory.names = names;
    match twice {
        Some(entry) => Err(entry),
        None => Ok(u32::try_from(start).unwrap_or(u32::MAX)),
    }
}

fn order(source: &str, memory: &Memory, a: Slot, b: Slot) -> Ordering {
    a.hash.cmp(&b.hash).then_with(|| text_of(source, memory, a.entry).cmp(text_of(source, memory, b.entry)))
}

/// The entry of the name among `names`, which are sorted.
pub(super) fn find(source: &str, memory: &Memory, names: &[Slot], name: &str, hash: u32) -> Option<u32> {
    let found = names.binary_search_by(|slot| {
        slot.hash.cmp(&hash).then_with(|| text_of(source, memory, slot.entry).cmp(name))
    });
    found.ok().and_then(|at| names.get(at)).map(|slot| slot.entry)
}
