//! The children of one node by their literal texts, where there are many.
//!
//! A table of our own: a look-up reads one slot and one text, and both lie close to those of all others. Of a thousand children
//! the next one asked for is not in the cache, and a map of boxed texts is half as large again and one step longer.
//!
//! # Threats
//! The text looked up is the caller's, the texts of the table are not: the hash has a random seed, and at least half of the
//! slots are empty, so that nobody outside can find the one text that takes long.

use std::hash::BuildHasher;

use foldhash::fast::RandomState;

/// Children by literal text.
#[derive(Debug)]
pub(super) struct Children {
    // Invariant: a power of two, at least twice as many as there are children.
    slots: Box<[Slot]>,
    /// One behind the other.
    texts: Box<str>,
    hasher: RandomState,
}

/// A place for one child; none is there while `child` is 0, since the root is nobody's child.
#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    /// The upper half of the text's hash.
    hash: u32,
    child: u32,
    start: u32,
    end: u32,
}

impl Children {
    pub(super) fn new(children: impl ExactSizeIterator<Item = (Box<str>, u32)>) -> Self {
        let slots = vec![Slot::default(); children.len().saturating_mul(2).next_power_of_two()];
        let mut table = Self { slots: slots.into(), texts: Box::default(), hasher: RandomState::default() };
        let mut texts = String::new();
        for (text, child) in children {
            let (hash, first) = table.place(&text);
            let start = short(texts.len());
            texts.push_str(&text);
            let is_free = |at: &usize| table.slots.get(*at).is_some_and(|slot| slot.child == 0);
            let free = table.from(first).find(is_free);
            if let Some(slot) = free.and_then(|at| table.slots.get_mut(at)) {
                *slot = Slot { hash, child, start, end: short(texts.len()) };
            }
        }
        table.texts = texts.into();
        table
    }

    pub(super) fn get(&self, text: &str) -> Option<u32> {
        let (hash, first) = self.place(text);
        for at in self.from(first) {
            let slot = self.slots.get(at).filter(|slot| slot.child != 0)?;
            if slot.hash == hash && self.texts.get(long(slot.start)..long(slot.end)) == Some(text) {
                return Some(slot.child);
            }
        }
        None
    }

    /// The children, in no order.
    pub(super) fn values(&self) -> impl Iterator<Item = u32> {
        self.slots.iter().map(|slot| slot.child).filter(|child| *child != 0)
    }

    /// What tells a text from most others, and the slot it is looked for first.
    fn place(&self, text: &str) -> (u32, usize) {
        let hash = self.hasher.hash_one(text);
        (
            u32::try_from(hash >> 32).unwrap_or_default(),
            usize::try_from(hash & 0xffff_ffff).unwrap_or_default(),
        )
    }

    /// All slots, from one on.
    fn from(&self, first: usize) -> impl Iterator<Item = usize> + use<> {
        let len = self.slots.len();
        (0..len).map(move |step| first.wrapping_add(step) & len.wrapping_sub(1))
    }
}

fn short(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}

fn long(at: u32) -> usize {
    super::index(at)
}
