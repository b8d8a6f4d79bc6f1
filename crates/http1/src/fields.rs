//! Field lines as they were received: order, spelling and duplicates kept (RFC 9110 §5).
//!
//! One text buffer and a list of spans into it. Parsing a head costs two allocations whatever the number of
//! fields, and both are reused when the owner clears and refills it. HTTP/2 heads are written into the same
//! shape, so that everything after the wire reads one kind of field. A `HashMap` lost: it forgets order and
//! spelling, and rules need both.
//!
//! Assumes that whoever pushes a line has judged its bytes; [`Fields`] itself judges nothing. It knows which lines came
//! out of a decoder, and where they still stand as they were decoded: such lines are written on in one piece.

use std::fmt;
use std::ops::Range;

use crate::octets;

/// Where a piece of text lies in the buffer of its [`Fields`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    start: u32,
    len: u32,
}

/// Field lines in order, with the head's other text (the request line) in the same buffer.
#[derive(Clone, Default)]
pub struct Fields {
    text: Vec<u8>,
    lines: Vec<Line>,
    /// How much of the text a decoder has judged. Lines that lie in it are lines of a message.
    judged: usize,
}

/// Name and value of one line.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line {
    pub(crate) name: Span,
    pub(crate) value: Span,
}

/// One field line, borrowed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Field<'a> {
    /// The name as spelled by the sender.
    pub name: &'a [u8],
    /// The value without the optional whitespace around it.
    pub value: &'a [u8],
}

impl Fields {
    /// No lines, no text.
    pub fn new() -> Self {
        Self::default()
    }

    /// No lines yet, with room for `text` bytes and `lines` lines.
    pub fn with_capacity(text: usize, lines: usize) -> Self {
        Self { text: Vec::with_capacity(text), lines: Vec::with_capacity(lines), judged: 0 }
    }

    /// Lines that were decoded from `text`.
    pub(crate) fn decoded(text: Vec<u8>, lines: Vec<Line>) -> Self {
        Self { judged: text.len(), text, lines }
    }

    /// Forgets every line and all text; keeps the memory.
    pub fn clear(&mut self) {
        self.text.clear();
        self.lines.clear();
        self.judged = 0;
    }

    /// Number of field lines.
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// Whether there is no field line.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// The lines in order.
    #[inline]
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = Field<'_>> + ExactSizeIterator {
        self.lines.iter().map(|line| Field { name: self.slice(line.name), value: self.slice(line.value) })
    }

    /// The lines called `name`, compared without case.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.iter().filter(move |field| field.is(name)).map(|field| field.value)
    }

    /// The first line called `name`, compared without case.
    pub fn first(&self, name: &str) -> Option<&[u8]> {
        self.iter().find(|field| field.is(name)).map(|field| field.value)
    }

    /// The only line called `name`; an error when there are several.
    pub fn only(&self, name: &str) -> Result<Option<&[u8]>, Repeated> {
        let mut found = None;
        for field in self.iter().filter(|field| field.is(name)) {
            if found.replace(field.value).is_some() {
                return Err(Repeated);
            }
        }
        Ok(found)
    }

    /// Whether a line called `name` is there.
    pub fn has(&self, name: &str) -> bool {
        self.iter().any(|field| field.is(name))
    }

    /// Appends a line.
    pub fn push(&mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        let name = self.push_text(name);
        let value = self.push_text(value);
        self.lines.push(Line { name, value });
    }

    /// Keeps the lines for which `keep` says so.
    pub fn retain(&mut self, mut keep: impl FnMut(Field<'_>) -> bool) {
        let text = &self.text;
        self.lines.retain(|line| keep(Field { name: cut(text, line.name), value: cut(text, line.value) }));
    }

    /// Removes every line called `name`.
    pub fn remove(&mut self, name: &str) {
        self.retain(|field| !field.is(name));
    }

    /// Replaces every line called `name` by one.
    pub fn set(&mut self, name: &str, value: impl AsRef<[u8]>) {
        self.remove(name);
        self.push(name, value);
    }

    /// Gives every line called `name` another value, or takes it out, where it stands.
    pub fn rewrite(&mut self, name: &str, mut value_of: impl FnMut(&[u8]) -> Option<Vec<u8>>) {
        let mut lines = std::mem::take(&mut self.lines);
        lines.retain_mut(|line| {
            if !octets::is_same(self.slice(line.name), name.as_bytes()) {
                return true;
            }
            let Some(value) = value_of(self.slice(line.value)) else { return false };
            line.value = self.push_text(value);
            true
        });
        self.lines = lines;
    }

    /// Appends text that is no field line, such as the request line.
    pub fn push_text(&mut self, text: impl AsRef<[u8]>) -> Span {
        let text = text.as_ref();
        let span = Span { start: small(self.text.len()), len: small(text.len()) };
        self.text.extend_from_slice(text);
        span
    }

    /// The lines in order; beside each, where it stands as `name: value` with its line end, as it was decoded.
    pub(crate) fn placed(&self) -> impl Iterator<Item = (Field<'_>, Option<Range<usize>>)> {
        self.iter().zip(&self.lines).map(|(field, line)| (field, self.place(*line)))
    }

    // Invariant: only a decoder makes lines within what was judged, so no such line has a line end in it.
    fn place(&self, line: Line) -> Option<Range<usize>> {
        let (start, colon) = (line.name.start as usize, line.name.end());
        let (value, end) = (colon.saturating_add(2), line.value.end().saturating_add(2));
        let stands = end <= self.judged
            && line.value.start as usize == value
            && self.text.get(colon..value) == Some(b": ")
            && self.text.get(line.value.end()..end) == Some(b"\r\n");
        stands.then_some(start..end)
    }

    /// Any part of the text.
    pub(crate) fn text(&self, part: Range<usize>) -> &[u8] {
        self.text.get(part).unwrap_or_default()
    }

    /// The text a span names; empty when it names none.
    #[inline]
    pub fn slice(&self, span: Span) -> &[u8] {
        cut(&self.text, span)
    }

    /// Bytes of text held, names and values of removed lines included.
    pub fn text_len(&self) -> usize {
        self.text.len()
    }
}

impl Field<'_> {
    /// Whether this field is called `name`, compared without case.
    #[inline]
    pub fn is(&self, name: &str) -> bool {
        octets::is_same(self.name, name.as_bytes())
    }
}

/// A field that must stand alone was there more than once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Repeated;

impl Span {
    /// The span of `len` bytes from `start`.
    pub fn new(start: usize, len: usize) -> Self {
        Self { start: small(start), len: small(len) }
    }

    fn end(self) -> usize {
        (self.start as usize).saturating_add(self.len as usize)
    }

    /// Length in bytes.
    pub fn len(self) -> usize {
        self.len as usize
    }

    /// Whether it names no text.
    pub fn is_empty(self) -> bool {
        self.len == 0
    }
}

impl PartialEq for Fields {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl fmt::Debug for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl fmt::Debug for Field<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name.escape_ascii(), self.value.escape_ascii())
    }
}

fn cut(text: &[u8], span: Span) -> &[u8] {
    text.get(span.start as usize..span.end()).unwrap_or_default()
}

// Heads are bounded far below 4 GiB; a span that could not be held names nothing rather than something else.
fn small(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
