//! `deepObject`: a value in as many pairs as it has parts, whose names say where each belongs: `color[R]=100`.
//!
//! OpenAPI defines an object of scalars and no more. Read beyond that is what has one reading: objects in objects
//! (`a[b][c]`), and arrays by repetition (`a[b]=1&a[b]=2`), by empty brackets (`a[b][]=1`) or by index (`a[b][0]=1`), one of them
//! for one array. Whether brackets are members or items is told by the shape, never by how they look.
//!
//! Refused are brackets that do not pair, a value beside its own parts (`a[b]=1&a[b][c]=2`), indexes with gaps or leading zeros,
//! and empty brackets with more behind them (`a[][b]=1`), which readers group in different ways.

use smallvec::SmallVec;

use crate::schema::shape::ShapeId;

use super::Wrong;
use super::form::repeated;
use super::pen::Pen;
use super::text::Coding;

/// Most brackets of one name.
pub const DEPTH_MAX: usize = 16;

/// One pair of a deep object.
#[derive(Debug)]
pub(super) struct Part<'p> {
    path: SmallVec<[&'p str; 4]>,
    value: &'p str,
    at: u32,
}

/// How the parts of one value are read.
pub(super) struct Deep<'d, 'p> {
    pub(super) coding: Coding,
    pub(super) pen: &'d mut Pen<'p>,
}

impl<'p> Part<'p> {
    /// Takes what stands behind the parameter's name apart: brackets, each with a name in it.
    pub(super) fn new(brackets: &'p str, value: &'p str, at: u32) -> Result<Self, Wrong> {
        let mut path = SmallVec::new();
        let mut rest = brackets;
        while !rest.is_empty() {
            let inner = rest.strip_prefix('[').ok_or(Wrong::Style)?;
            let (name, after) = inner.split_once(']').ok_or(Wrong::Style)?;
            if name.contains('[') {
                return Err(Wrong::Style);
            }
            if path.len() >= DEPTH_MAX {
                return Err(Wrong::Limit);
            }
            path.push(name);
            rest = after;
        }
        Ok(Self { path, value, at })
    }

    fn name(&self, level: usize) -> Option<&'p str> {
        self.path.get(level).copied()
    }
}

impl Deep<'_, '_> {
    /// Writes the value whose parts these are. They agree in the first `level` names; there is at least one.
    // Recursion is bounded by `DEPTH_MAX`.
    pub(super) fn put(&mut self, parts: &mut [Part<'_>], shape: ShapeId, level: usize) -> Result<(), Wrong> {
        let own = self.pen.shapes.get(shape);
        let leaves = parts.iter().filter(|part| part.path.len() == level).count();
        if leaves == parts.len() {
            parts.sort_unstable_by_key(|part| part.at);
            let values = parts.iter().map(|part| part.value);
            return repeated(values, own, self.coding, self.pen);
        }
        if leaves > 0 {
            return Err(Wrong::Style);
        }
        if parts.iter().any(|part| part.name(level) == Some("")) {
            return self.listed(parts, shape, level);
        }
        match (own.is_any() || own.is_object(), own.is_array() && !own.is_any()) {
            (true, false) => self.members(parts, shape, level),
            (false, true) => self.indexed(parts, shape, level),
            (true, true) => Err(Wrong::Ambiguous),
            (false, false) => Err(Wrong::Style),
        }
    }

    fn members(&mut self, parts: &mut [Part<'_>], shape: ShapeId, level: usize) -> Result<(), Wrong> {
        let own = self.pen.shapes.get(shape);
        parts.sort_unstable_by_key(|part| (part.name(level), part.at));
        self.pen.out.begin_object()?;
        for group in parts.chunk_by_mut(|one, other| one.name(level) == other.name(level)) {
            let name = group.first().and_then(|part| part.name(level)).unwrap_or_default();
            self.pen.out.key(name)?;
            self.put(group, own.member(name).unwrap_or_default(), level.saturating_add(1))?;
        }
        Ok(self.pen.out.end()?)
    }

    /// `[0]`, `[1]`, … in any order, without a gap.
    fn indexed(&mut self, parts: &mut [Part<'_>], shape: ShapeId, level: usize) -> Result<(), Wrong> {
        let own = self.pen.shapes.get(shape);
        // What is no index sorts first and is then not the first index.
        parts.sort_unstable_by_key(|part| (index(part.name(level)), part.at));
        self.pen.out.begin_array()?;
        let groups = parts.chunk_by_mut(|one, other| one.name(level) == other.name(level));
        for (at, group) in groups.enumerate() {
            if index(group.first().and_then(|part| part.name(level))) != Some(at) {
                return Err(Wrong::Style);
            }
            self.put(group, own.item(at), level.saturating_add(1))?;
        }
        Ok(self.pen.out.end()?)
    }

    /// `[]` and `[]`: items in the order they stand in.
    fn listed(&mut self, parts: &mut [Part<'_>], shape: ShapeId, level: usize) -> Result<(), Wrong> {
        let own = self.pen.shapes.get(shape);
        if !own.is_array() {
            return Err(Wrong::Style);
        }
        parts.sort_unstable_by_key(|part| part.at);
        self.pen.out.begin_array()?;
        for (at, part) in parts.iter_mut().enumerate() {
            if part.name(level) != Some("") || part.path.len() != level.saturating_add(1) {
                return Err(Wrong::Style);
            }
            self.put(std::slice::from_mut(part), own.item(at), level.saturating_add(1))?;
        }
        Ok(self.pen.out.end()?)
    }
}

/// An index in the one spelling it has.
fn index(name: Option<&str>) -> Option<usize> {
    let name = name?;
    let is_plain = name.bytes().all(|byte| byte.is_ascii_digit()) && (name == "0" || !name.starts_with('0'));
    name.parse().ok().filter(|_| is_plain)
}
