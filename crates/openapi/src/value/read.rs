//! Reading a tape.

use super::memory::{Entry, Memory, Slot, Tape, What};
use super::names::{self, Name};
use super::number::Number;

/// One value on a tape.
#[derive(Clone, Copy)]
pub struct Value<'t> {
    tape: &'t Tape<'t>,
    at: u32,
}

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// `null`
    Null,
    /// `true` or `false`
    Boolean,
    /// A number
    Number,
    /// A string
    String,
    /// An array
    Array,
    /// An object
    Object,
}

/// One member of an object.
#[derive(Clone, Copy)]
pub struct Member<'t> {
    tape: &'t Tape<'t>,
    at: u32,
}

impl std::fmt::Debug for Value<'_> {
    /// Never the value.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Value").field("kind", &self.kind()).field("at", &self.at).finish_non_exhaustive()
    }
}

impl<'t> Value<'t> {
    pub(super) fn new(tape: &'t Tape<'_>, at: u32) -> Self {
        Self { tape, at }
    }

    fn entry(&self) -> Entry {
        self.tape.memory.entry(self.at)
    }

    /// What tells it from every other value of its tape.
    pub fn id(&self) -> u32 {
        self.at
    }

    /// How many entries its tape has.
    pub fn tape_len(&self) -> usize {
        self.tape.len()
    }

    /// What it is.
    pub fn kind(&self) -> Kind {
        match self.entry().what {
            What::Null => Kind::Null,
            What::False | What::True => Kind::Boolean,
            What::Number | What::BuiltNumber => Kind::Number,
            What::String | What::OwnString | What::Name | What::OwnName => Kind::String,
            What::Array => Kind::Array,
            What::Object => Kind::Object,
        }
    }

    /// Whether it is `null`.
    pub fn is_null(&self) -> bool {
        self.entry().what == What::Null
    }

    /// A boolean.
    pub fn as_bool(&self) -> Option<bool> {
        match self.entry().what {
            What::False => Some(false),
            What::True => Some(true),
            _ => None,
        }
    }

    /// A string, unescaped.
    pub fn as_str(&self) -> Option<&'t str> {
        match self.entry().what {
            What::String | What::OwnString => Some(text_of(self.tape.source, &self.tape.memory, self.at)),
            _ => None,
        }
    }

    /// A number.
    pub fn as_number(&self) -> Option<Number<'t>> {
        match self.entry().what {
            What::Number | What::BuiltNumber => {
                Some(Number::read(text_of(self.tape.source, &self.tape.memory, self.at)))
            }
            _ => None,
        }
    }

    /// The very text it was read from, quotes and brackets among it. A value that was built has none.
    pub fn raw(&self) -> Option<&'t str> {
        raw_of(self.tape, self.at)
    }

    /// How many elements or members it has; 0 for a scalar.
    pub fn len(&self) -> usize {
        let entry = self.entry();
        match entry.what {
            What::Array | What::Object => usize::try_from(entry.first).unwrap_or(usize::MAX),
            _ => 0,
        }
    }

    /// Whether it has neither elements nor members.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The elements of an array; none of anything else.
    pub fn items(&self) -> Items<'t> {
        Items(self.inside(What::Array))
    }

    /// The members of an object in their order; none of anything else.
    pub fn members(&self) -> Members<'t> {
        Members(self.inside(What::Object))
    }

    fn inside(&self, what: What) -> Inside<'t> {
        let entry = self.entry();
        let (at, end) = if entry.what == what { (self.at.saturating_add(1), entry.second) } else { (0, 0) };
        Inside { tape: self.tape, at, end }
    }

    /// The member of an object by its name.
    pub fn get(&self, name: &str) -> Option<Value<'t>> {
        self.find(name, || names::hash(name))
    }

    /// The member of an object by a name that was prepared.
    pub fn member(&self, name: &Name) -> Option<Value<'t>> {
        self.find(name.as_str(), || name.hash())
    }

    fn find(&self, name: &str, hash: impl FnOnce() -> u32) -> Option<Value<'t>> {
        let entry = self.entry();
        if entry.what != What::Object {
            return None;
        }
        if entry.names == Entry::UNSORTED {
            return self.members().find(|member| member.name() == name).map(|member| member.value());
        }
        let memory = &self.tape.memory;
        let at = names::find(self.tape.source, memory, sorted(memory, entry), name, hash())?;
        Some(Value { tape: self.tape, at: at.saturating_add(1) })
    }
}

fn sorted(memory: &Memory, entry: Entry) -> &[Slot] {
    let start = usize::try_from(entry.names).unwrap_or(usize::MAX);
    let count = usize::try_from(entry.first).unwrap_or_default();
    memory.names.get(start..start.saturating_add(count)).unwrap_or_default()
}

impl<'t> Member<'t> {
    /// Its name, unescaped.
    pub fn name(&self) -> &'t str {
        text_of(self.tape.source, &self.tape.memory, self.at)
    }

    /// The very text of its name, with its quotes.
    pub fn raw_name(&self) -> Option<&'t str> {
        raw_of(self.tape, self.at)
    }

    /// Its value.
    pub fn value(&self) -> Value<'t> {
        Value { tape: self.tape, at: self.at.saturating_add(1) }
    }
}

/// The entries within a container, from one value to the next.
#[derive(Clone)]
struct Inside<'t> {
    tape: &'t Tape<'t>,
    at: u32,
    end: u32,
}

/// The elements of an array.
#[derive(Clone)]
pub struct Items<'t>(Inside<'t>);

/// The members of an object.
#[derive(Clone)]
pub struct Members<'t>(Inside<'t>);

impl<'t> Iterator for Items<'t> {
    type Item = Value<'t>;

    fn next(&mut self) -> Option<Self::Item> {
        let inside = &mut self.0;
        if inside.at >= inside.end {
            return None;
        }
        let value = Value { tape: inside.tape, at: inside.at };
        inside.at = inside.tape.memory.behind(inside.at);
        Some(value)
    }
}

impl<'t> Iterator for Members<'t> {
    type Item = Member<'t>;

    fn next(&mut self) -> Option<Self::Item> {
        let inside = &mut self.0;
        if inside.at >= inside.end {
            return None;
        }
        let member = Member { tape: inside.tape, at: inside.at };
        inside.at = inside.tape.memory.behind(inside.at.saturating_add(1));
        Some(member)
    }
}

impl Memory {
    #[inline]
    pub(super) fn entry(&self, at: u32) -> Entry {
        usize::try_from(at)
            .ok()
            .and_then(|at| self.entries.get(at))
            .copied()
            .unwrap_or_else(|| Entry::new(What::Null))
    }

    /// The entry behind the value at `at`.
    #[inline]
    pub(super) fn behind(&self, at: u32) -> u32 {
        let entry = self.entry(at);
        match entry.what {
            What::Array | What::Object => entry.second.max(at.saturating_add(1)),
            _ => at.saturating_add(1),
        }
    }
}

/// The text of the string, name or number at `at`.
#[inline]
pub(super) fn text_of<'t>(source: &'t str, memory: &'t Memory, at: u32) -> &'t str {
    text_in(source, &memory.texts, memory.entry(at))
}

/// The text of an entry that is a string, a name or a number.
#[inline]
pub(super) fn text_in<'t>(source: &'t str, texts: &'t str, entry: Entry) -> &'t str {
    match entry.what {
        What::String | What::Name => {
            slice(source, entry.start.saturating_add(1), entry.len.saturating_sub(2))
        }
        What::Number => slice(source, entry.start, entry.len),
        What::OwnString | What::OwnName | What::BuiltNumber => slice(texts, entry.first, entry.second),
        What::Null | What::False | What::True | What::Array | What::Object => "",
    }
}

fn raw_of<'t>(tape: &'t Tape<'t>, at: u32) -> Option<&'t str> {
    let entry = tape.memory.entry(at);
    let raw = slice(tape.source, entry.start, entry.len);
    (!raw.is_empty()).then_some(raw)
}

#[inline]
fn slice(text: &str, start: u32, len: u32) -> &str {
    let start = usize::try_from(start).unwrap_or(usize::MAX);
    let len = usize::try_from(len).unwrap_or_default();
    text.get(start..start.saturating_add(len)).unwrap_or_default()
}
