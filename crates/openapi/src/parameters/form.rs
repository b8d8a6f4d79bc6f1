//! Pairs of names and values: a query, a form, cookies. Each pair belongs to a declared name, or to nobody.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;
use smallvec::SmallVec;

use crate::schema::shape::{Shape, ShapeId, Shapes};
use crate::value::{Builder, Value};

use super::Wrong;
use super::deep::{Deep, Part};
use super::joined::{Delimiter, Joined, Pairing};
use super::pen::Pen;
use super::text::{Coding, decode};

/// The declared names of a query, form or cookies, and how each is read.
#[derive(Debug)]
pub struct Form {
    // Invariant: every owner names an entry.
    entries: Vec<Entry>,
    names: HashMap<Box<str>, Owner, RandomState>,
    /// Those whose names go on in brackets.
    deep: HashMap<Box<str>, u32, RandomState>,
    further: Further,
    shapes: Arc<Shapes>,
    coding: Coding,
    pairs_max: usize,
}

/// One declared name.
#[derive(Clone, Debug)]
pub struct Entry {
    /// As declared.
    pub name: Box<str>,
    /// What its value is called on the tape.
    pub member: Box<str>,
    /// What it may be.
    pub shape: ShapeId,
    /// How its pairs are read.
    pub reading: Reading,
    /// How its values spell text.
    pub coding: Coding,
    /// Whether it has to be there.
    pub is_required: bool,
    /// `allowEmptyValue`: nothing may stand in the place of a value, and is then not judged.
    pub allow_empty: bool,
    /// `allowReserved`: a raw `;` is part of the value.
    pub allow_reserved: bool,
}

/// How the pairs of a name make a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// One pair with everything.
    Joined(Delimiter),
    /// A pair for each item.
    Repeated,
    /// An object whose members are pairs under their own names.
    Members,
    /// `deepObject`.
    Deep,
    /// One pair with JSON.
    Json,
    /// A pair with JSON for each item.
    JsonItems,
}

/// What becomes of pairs whose name nobody declared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Further {
    /// They are wrong.
    Refused,
    /// They pass.
    Passed,
    /// They are members of the object that is an entry with [`Reading::Members`].
    Entry(u32),
    /// They are members beside the entries.
    Beside(ShapeId),
}

/// Whom a pair belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Owner {
    entry: u32,
    /// Of [`Reading::Members`]: which of the shape's members, [`FURTHER`] for one that is not among them.
    member: u32,
}

const FURTHER: u32 = u32::MAX;

/// What is wrong.
#[derive(Clone, Copy, Debug)]
pub enum Culprit<'c> {
    /// All of it together, or a pair whose name cannot be read.
    Whole,
    /// A declared name.
    Entry(&'c Entry),
    /// Another name.
    Name(&'c str),
}

/// Two declarations that take the same name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is taken by two declarations")]
pub struct Clash(pub Box<str>);

struct Pair<'a> {
    owner: Owner,
    /// Where the name is needed to tell what the value is.
    name: Cow<'a, str>,
    value: &'a str,
    at: u32,
}

/// What reads the pairs of one message.
pub struct Hands<'h> {
    /// Where values go.
    pub out: &'h mut Builder,
    /// Who is told of what is wrong. What is not right is not on the tape.
    pub report: &'h mut dyn FnMut(Culprit<'_>, Wrong),
    /// Whether a name that nobody declared belongs to the gateway itself.
    pub is_other: &'h dyn Fn(&str) -> bool,
}

impl Form {
    /// One without a name.
    pub fn new(shapes: Arc<Shapes>, coding: Coding, further: Further, pairs_max: usize) -> Self {
        Self {
            entries: Vec::new(),
            names: HashMap::default(),
            deep: HashMap::default(),
            further,
            shapes,
            coding,
            pairs_max,
        }
    }

    /// Declares a name.
    ///
    /// # Errors
    /// When a pair could belong to it and to another declaration.
    pub fn declare(&mut self, entry: Entry) -> Result<(), Clash> {
        let index = u32::try_from(self.entries.len()).unwrap_or(FURTHER);
        let mut names = Vec::new();
        if entry.reading == Reading::Members {
            let members = self.shapes.get(entry.shape).members().iter().enumerate();
            names.extend(members.map(|(at, (name, _))| (name.clone(), u32::try_from(at).unwrap_or(FURTHER))));
        } else {
            names.push((entry.name.clone(), 0));
        }
        for (name, member) in names {
            if self.names.insert(name.clone(), Owner { entry: index, member }).is_some() {
                return Err(Clash(name));
            }
        }
        if entry.reading == Reading::Deep {
            self.deep.insert(entry.name.clone(), index);
        }
        self.entries.push(entry);
        Ok(())
    }

    /// Says who takes the names that nobody declared.
    pub fn leave_further_to(&mut self, further: Further) {
        self.further = further;
    }

    /// The declaration that takes pairs of this name.
    pub(super) fn taker(&self, name: &str) -> Option<&Entry> {
        self.owner(name).and_then(|owner| self.at(owner.entry))
    }

    /// Whether somebody takes the names that nobody declared.
    pub(super) fn is_open(&self) -> bool {
        self.further != Further::Refused
    }

    /// What is declared.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// A declared name that begins as another that goes on in brackets does: `a[b]` beside a deep `a`.
    pub fn crossing(&self) -> Option<&str> {
        let is_taken =
            |name: &&str| name.split_once('[').is_some_and(|(base, _)| self.deep.contains_key(base));
        self.names.keys().map(|name| &**name).find(is_taken)
    }

    /// Reads pieces, `name=value` or `name`, as members of an object that is open on the tape.
    pub fn read<'a>(&self, pieces: impl Iterator<Item = &'a str>, hands: &mut Hands<'_>) {
        let mut scratch = Vec::new();
        let mut pairs: SmallVec<[Pair<'a>; 8]> = SmallVec::new();
        for (at, piece) in pieces.enumerate() {
            if at >= self.pairs_max {
                return (hands.report)(Culprit::Whole, Wrong::Limit);
            }
            let at = u32::try_from(at).unwrap_or(u32::MAX);
            pairs.extend(self.pair(piece, at, &mut scratch, hands));
        }
        pairs.sort_unstable_by(|one, other| {
            let by_name = |pair: &Pair<'a>| pair.owner.member == FURTHER;
            one.owner
                .cmp(&other.owner)
                .then_with(
                    || if by_name(one) { one.name.cmp(&other.name) } else { std::cmp::Ordering::Equal },
                )
                .then(one.at.cmp(&other.at))
        });
        let mut rest = &*pairs;
        for (index, entry) in self.entries.iter().enumerate() {
            let index = u32::try_from(index).unwrap_or(FURTHER);
            let count = rest.iter().take_while(|pair| pair.owner.entry == index).count();
            let (own, behind) = rest.split_at_checked(count).unwrap_or_default();
            rest = behind;
            self.entry(entry, own, &mut scratch, hands);
        }
        if let Further::Beside(shape) = self.further {
            for group in rest.chunk_by(|one, other| one.name == other.name) {
                let mark = hands.out.mark();
                let mut pen = Pen { shapes: &self.shapes, scratch: &mut scratch, out: hands.out };
                if let Err(wrong) = self.beside(group, shape, &mut pen) {
                    hands.out.rollback(mark);
                    let name = group.first().map_or("", |pair| &pair.name);
                    (hands.report)(Culprit::Name(name), wrong);
                }
            }
        }
    }

    /// A pair and whom it belongs to, if it is anybody's.
    fn pair<'a>(
        &self,
        piece: &'a str,
        at: u32,
        scratch: &mut Vec<u8>,
        hands: &mut Hands<'_>,
    ) -> Option<Pair<'a>> {
        let (raw, value) = piece.split_once('=').unwrap_or((piece, ""));
        // PERF: a name without escapes, nearly every one, is not copied.
        let name = match decode(raw, self.coding, scratch) {
            Ok(name) if name.len() == raw.len() && name == raw => Cow::Borrowed(raw),
            Ok(name) => Cow::Owned(name.to_owned()),
            Err(wrong) => {
                (hands.report)(Culprit::Whole, wrong);
                return None;
            }
        };
        let owner = self.owner(&name);
        let entry = owner.and_then(|owner| self.at(owner.entry));
        // A cookie has none: it ends there.
        let is_reserved = piece.contains(';');
        if is_reserved && (raw.contains(';') || !entry.is_some_and(|entry| entry.allow_reserved)) {
            let culprit = entry.map_or(Culprit::Name(&name), Culprit::Entry);
            (hands.report)(culprit, Wrong::Ambiguous);
            return None;
        }
        if let Some(owner) = owner {
            return Some(Pair { owner, name, value, at });
        }
        if (hands.is_other)(&name) {
            return None;
        }
        if self.further != Further::Refused && self.is_double(&name) {
            (hands.report)(Culprit::Name(&name), Wrong::Ambiguous);
            return None;
        }
        let owner = match self.further {
            Further::Passed => return None,
            Further::Refused => {
                (hands.report)(Culprit::Name(&name), Wrong::Undeclared);
                return None;
            }
            Further::Entry(entry) => Owner { entry, member: FURTHER },
            Further::Beside(_) => Owner { entry: FURTHER, member: FURTHER },
        };
        Some(Pair { owner, name, value, at })
    }

    fn at(&self, entry: u32) -> Option<&Entry> {
        self.entries.get(usize::try_from(entry).unwrap_or(usize::MAX))
    }

    fn owner(&self, name: &str) -> Option<Owner> {
        self.names.get(name).copied().or_else(|| {
            if self.deep.is_empty() {
                return None;
            }
            let (base, _) = name.split_once('[')?;
            self.deep.get(base).map(|entry| Owner { entry: *entry, member: 0 })
        })
    }

    /// Whether some backend reads a name that nobody declared as one that is: `a[]` and `a[0]` as `a` (PHP, Rails, qs),
    /// `a.b` and `a b` as `a_b` (PHP).
    fn is_double(&self, name: &str) -> bool {
        let is_declared = |name: &str| self.names.contains_key(name);
        let base = name.split_once('[').map_or(name, |(base, _)| base);
        if base.len() < name.len() && is_declared(base) {
            return true;
        }
        let mangled: String =
            base.trim_start().chars().map(|c| if matches!(c, '.' | ' ') { '_' } else { c }).collect();
        mangled != base && is_declared(&mangled)
    }

    fn entry(&self, entry: &Entry, pairs: &[Pair<'_>], scratch: &mut Vec<u8>, hands: &mut Hands<'_>) {
        let is_open = entry.reading == Reading::Members;
        match pairs {
            // An exploded object without members leaves no trace: it is the empty one where one is asked for.
            [] if !(is_open && entry.is_required) => {
                if entry.is_required {
                    (hands.report)(Culprit::Entry(entry), Wrong::Missing);
                }
                return;
            }
            [only] if only.value.is_empty() && entry.allow_empty && !is_open => return,
            _ => {}
        }
        let mark = hands.out.mark();
        let mut pen = Pen { shapes: &self.shapes, scratch, out: hands.out };
        if let Err(wrong) = put(entry, pairs, &mut pen) {
            hands.out.rollback(mark);
            (hands.report)(Culprit::Entry(entry), wrong);
        }
    }

    fn beside(&self, pairs: &[Pair<'_>], shape: ShapeId, pen: &mut Pen<'_>) -> Result<(), Wrong> {
        pen.out.key(pairs.first().map_or("", |pair| &pair.name))?;
        repeated(values(pairs), pen.shapes.get(shape), self.coding, pen)
    }
}

fn values<'a>(pairs: &[Pair<'a>]) -> impl ExactSizeIterator<Item = &'a str> + Clone {
    pairs.iter().map(|pair| pair.value)
}

fn put(entry: &Entry, pairs: &[Pair<'_>], pen: &mut Pen<'_>) -> Result<(), Wrong> {
    let shape = pen.shapes.get(entry.shape);
    pen.out.key(&entry.member)?;
    let one = || match pairs {
        [only] => Ok(only.value),
        _ => Err(Wrong::Repeated),
    };
    match entry.reading {
        Reading::Joined(delimiter) => {
            let joined = Joined { coding: entry.coding, delimiter, pairing: Pairing::Alternating };
            joined.put(one()?, entry.shape, pen)
        }
        Reading::Repeated => repeated(values(pairs), shape, entry.coding, pen),
        Reading::Members => {
            pen.out.begin_object()?;
            for group in pairs.chunk_by(|one, other| {
                one.owner == other.owner && (one.owner.member != FURTHER || one.name == other.name)
            }) {
                member(group, shape, entry.coding, pen)?;
            }
            Ok(pen.out.end()?)
        }
        Reading::Deep => {
            let mut parts: SmallVec<[Part<'_>; 8]> = SmallVec::new();
            for pair in pairs {
                let brackets = pair.name.get(entry.name.len()..).unwrap_or_default();
                parts.push(Part::new(brackets, pair.value, pair.at)?);
            }
            Deep { coding: entry.coding, pen }.put(&mut parts, entry.shape, 0)
        }
        Reading::Json => json(decode(one()?, entry.coding, pen.scratch)?, pen.out),
        Reading::JsonItems => {
            pen.out.begin_array()?;
            for value in values(pairs) {
                json(decode(value, entry.coding, pen.scratch)?, pen.out)?;
            }
            Ok(pen.out.end()?)
        }
    }
}

/// One member of an object whose members are pairs.
fn member(pairs: &[Pair<'_>], object: &Shape, coding: Coding, pen: &mut Pen<'_>) -> Result<(), Wrong> {
    let Some(first) = pairs.first() else { return Ok(()) };
    let member = usize::try_from(first.owner.member).unwrap_or(usize::MAX);
    let (name, shape) = match object.members().get(member) {
        Some((name, shape)) => (&**name, *shape),
        None => (&*first.name, object.member(&first.name).unwrap_or_default()),
    };
    pen.out.key(name)?;
    repeated(values(pairs), pen.shapes.get(shape), coding, pen)
}

/// Values of one name: the items of a list, or one that stands for itself. A single one is a list where it cannot be
/// anything else.
pub(super) fn repeated<'a>(
    values: impl ExactSizeIterator<Item = &'a str> + Clone,
    shape: &Shape,
    coding: Coding,
    pen: &mut Pen<'_>,
) -> Result<(), Wrong> {
    let one = values.clone().next().filter(|_| values.len() == 1);
    let is_single =
        one.is_some_and(|one| shape.is_scalar() || (one.is_empty() && shape.is_null_when_empty()));
    if shape.is_array() && !shape.is_any() && !is_single {
        return pen.list(values.map(Ok), shape, coding);
    }
    match one {
        Some(value) => pen.scalar(value, coding, shape.types),
        None => Err(Wrong::Repeated),
    }
}

/// JSON that stands within a text.
pub(super) fn json(text: &str, out: &mut Builder) -> Result<(), Wrong> {
    let tape = crate::value::parse(text.as_bytes(), out.limits()).map_err(|_| Wrong::Json)?;
    copy(tape.root(), out)
}

// Recursion is bounded by `Limits::depth`.
/// Writes a value that is on another tape.
pub(crate) fn copy(value: Value<'_>, out: &mut Builder) -> Result<(), Wrong> {
    use crate::value::Kind;
    match value.kind() {
        Kind::Null => out.push_null()?,
        Kind::Boolean => out.push_bool(value.as_bool().unwrap_or_default())?,
        Kind::Number => out.push_number(value.as_number().as_ref().map_or("0", |number| number.as_str()))?,
        Kind::String => out.push_string(value.as_str().unwrap_or_default())?,
        Kind::Array => {
            out.begin_array()?;
            for item in value.items() {
                copy(item, out)?;
            }
            out.end()?;
        }
        Kind::Object => {
            out.begin_object()?;
            for member in value.members() {
                out.key(member.name())?;
                copy(member.value(), out)?;
            }
            out.end()?;
        }
    }
    Ok(())
}
