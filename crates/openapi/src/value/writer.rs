//! Writing a tape under its limits; what the parser and the builder share.

use super::fault::{Fault, Reason};
use super::limits::Limits;
use super::memory::{Entry, Memory, Open, Tape, What};
use super::names::{self, UNSORTED_MAX};
use super::pointer::Pointer;
use super::read::{text_in, text_of};

pub(super) struct Writer<'s> {
    source: &'s str,
    pub(super) memory: Memory,
    limits: Limits,
    pub(super) values: usize,
}

impl<'s> Writer<'s> {
    pub(super) fn new(source: &'s str, limits: &Limits) -> Self {
        Self { source, memory: Memory::take(), limits: limits.clone(), values: 0 }
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// A value is about to come.
    pub(super) fn begin(&mut self) -> Result<(), Reason> {
        self.values = self.values.saturating_add(1);
        if self.values > self.limits.values {
            return Err(Reason::Values);
        }
        if let Some(open) = self.memory.open.last_mut()
            && !open.is_object
        {
            open.count = open.count.saturating_add(1);
            if usize::try_from(open.count).is_ok_and(|count| count > self.limits.array) {
                return Err(Reason::Array);
            }
        }
        Ok(())
    }

    /// The value that was begun is this scalar.
    pub(super) fn scalar(&mut self, entry: Entry) {
        self.memory.entries.push(entry);
    }

    /// The value that was begun is a container.
    pub(super) fn open(&mut self, is_object: bool, start: u32) -> Result<(), Reason> {
        if self.memory.open.len() >= self.limits.depth {
            return Err(Reason::Depth);
        }
        let entry = to_u32(self.memory.entries.len())?;
        let what = if is_object { What::Object } else { What::Array };
        self.memory.entries.push(Entry { start, ..Entry::new(what) });
        self.memory.open.push(Open { entry, name: entry, count: 0, seen: 0, is_object });
        Ok(())
    }

    /// A name within the object that is open.
    #[inline]
    pub(super) fn name(&mut self, entry: Entry) -> Result<(), Reason> {
        let at = to_u32(self.memory.entries.len())?;
        let bit = bit(text_in(self.source, &self.memory.texts, entry));
        self.memory.entries.push(entry);
        let Some(open) = self.memory.open.last_mut() else {
            return Err(Reason::Syntax("a name stands outside an object"));
        };
        let (count, is_perhaps_twice) = (open.count.saturating_add(1), open.seen & bit != 0);
        (open.count, open.seen) = (count, open.seen | bit);
        // Beyond that many the sorted index finds what stands twice, when the object ends.
        if is_perhaps_twice && count <= UNSORTED_MAX {
            self.find_twice(at)?;
        }
        self.point_at(at);
        if usize::try_from(count).is_ok_and(|count| count > self.limits.members) {
            return Err(Reason::Members);
        }
        Ok(())
    }

    /// Whether the name at `at` stands in the open object already, which is then pointed at.
    fn find_twice(&mut self, at: u32) -> Result<(), Reason> {
        let text = text_of(self.source, &self.memory, at);
        let mut other = self.memory.open.last().map_or(at, |open| open.entry.saturating_add(1));
        while other < at {
            if text_of(self.source, &self.memory, other) == text {
                self.point_at(at);
                return Err(Reason::Duplicate);
            }
            other = self.memory.behind(other.saturating_add(1));
        }
        Ok(())
    }

    /// The innermost container ends before the byte `end`. An error has the offset of the name to blame.
    pub(super) fn close(&mut self, end: u32) -> Result<(), (Reason, Option<usize>)> {
        let Some(open) = self.memory.open.last().copied() else {
            return Err((Reason::Syntax("nothing is open"), None));
        };
        let behind = to_u32(self.memory.entries.len()).map_err(|reason| (reason, None))?;
        let mut names = Entry::UNSORTED;
        if open.is_object && open.count > UNSORTED_MAX {
            match names::sort(self.source, &mut self.memory, open.entry, behind) {
                Ok(start) => names = start,
                Err(twice) => {
                    self.point_at(twice);
                    let start = self.memory.entry(twice).start;
                    return Err((Reason::Duplicate, usize::try_from(start).ok()));
                }
            }
        }
        self.memory.open.pop();
        let entry = usize::try_from(open.entry).ok().and_then(|at| self.memory.entries.get_mut(at));
        if let Some(entry) = entry {
            entry.len = end.saturating_sub(entry.start);
            entry.first = open.count;
            entry.second = behind;
            entry.names = names;
        }
        Ok(())
    }

    /// Whether the innermost container is an object; none at the root.
    pub(super) fn is_in_object(&self) -> Option<bool> {
        self.memory.open.last().map(|open| open.is_object)
    }

    fn point_at(&mut self, name: u32) {
        if let Some(open) = self.memory.open.last_mut() {
            open.name = name;
        }
    }

    /// What went wrong with the value that is being written.
    pub(super) fn fault(&self, reason: Reason, offset: usize) -> Fault {
        let mut pointer = Pointer::new();
        for open in &self.memory.open {
            if !open.is_object {
                let index = usize::try_from(open.count).unwrap_or_default().saturating_sub(1);
                pointer.index(index);
            } else if open.name != open.entry {
                pointer.name(text_of(self.source, &self.memory, open.name));
            }
        }
        Fault { reason, offset, pointer: pointer.finish() }
    }

    pub(super) fn finish(mut self) -> Tape<'s> {
        Tape { source: self.source, memory: std::mem::take(&mut self.memory) }
    }
}

/// What is given up halfway leaves its memory to the next.
impl Drop for Writer<'_> {
    fn drop(&mut self) {
        std::mem::take(&mut self.memory).give_back();
    }
}

/// One of 64 bits for a name: a name whose bit is not set among those before it is new.
fn bit(text: &str) -> u64 {
    let bytes = text.as_bytes();
    let at = |at: usize| bytes.get(at).copied().map_or(0, u32::from);
    let len = bytes.len();
    let mixed = at(0)
        .wrapping_mul(7)
        .wrapping_add(at(len >> 1).wrapping_mul(31))
        .wrapping_add(at(len.saturating_sub(1)).wrapping_mul(131))
        .wrapping_add(u32::try_from(len).unwrap_or_default().wrapping_mul(17));
    1_u64.wrapping_shl(mixed & 63)
}

pub(super) fn to_u32(at: usize) -> Result<u32, Reason> {
    u32::try_from(at).map_err(|_| Reason::Size)
}
