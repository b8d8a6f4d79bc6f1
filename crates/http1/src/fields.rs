//! Field lines as they were received: order, spelling and duplicates kept (RFC 9110 §5).
//!
//! One text buffer and a list of spans into it. Parsing a head costs two allocations whatever the number of
//! fields, and both are reused when the owner clears and refills it. HTTP/2 heads are written into the same
//! shape, so that everything after the wire reads one kind of field. A `HashMap` lost: it forgets order and
//! spelling, and rules need both.
//!
//! Assumes that whoever pushes a line has judged its bytes; [`Fields`] itself judges nothing. It knows which lines came
//! out of a decoder, and where they stand as they are to be written: such lines are written on in one piece. And it
//! knows, of most names that are not there, that they are not, without a look at the lines.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use crate::{Form, encode, octets};

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
    // Invariant: has the name of every line. Names of lines that were taken away may be left in it.
    names: Names,
}

/// Name and value of one line.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line {
    name: Span,
    value: Span,
    /// It was judged, and the text has it as `name: value` with its line end.
    stands: bool,
}

/// A set of names that forgets: it may have one that was not added, and has every one that was.
// PERF: what is asked of a head is mostly not there. One bit of 64 answers four out of five such questions.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Names(u64);

/// One field line, borrowed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Field<'a> {
    /// The name as spelled by the sender.
    pub name: &'a [u8],
    /// The value without the optional whitespace around it.
    pub value: &'a [u8],
}

/// What is kept of the memory of a head that is done with.
const SPARE_TEXT_MAX: usize = 4 * 1024;
const SPARE_LINES_MAX: usize = 64;

impl Fields {
    /// No lines, no text.
    pub fn new() -> Self {
        Self::default()
    }

    /// No lines yet, with room for `text` bytes and `lines` lines.
    pub fn with_capacity(text: usize, lines: usize) -> Self {
        Self { text: Vec::with_capacity(text), lines: Vec::with_capacity(lines), names: Names::default() }
    }

    /// Lines that were decoded from `text`, and their names.
    pub(crate) fn decoded(text: Vec<u8>, lines: Vec<Line>, names: Names) -> Self {
        Self { text, lines, names }
    }

    /// The memory of text and lines, both of which are forgotten.
    pub(crate) fn into_memory(mut self) -> (Vec<u8>, Vec<Line>) {
        self.clear();
        (self.text, self.lines)
    }

    /// Forgets every line and all text, and keeps the memory for other ones, unless it is as large as only rare heads are.
    pub fn into_spare(mut self) -> Self {
        if self.text.capacity() > SPARE_TEXT_MAX || self.lines.capacity() > SPARE_LINES_MAX {
            return Self::new();
        }
        self.clear();
        self
    }

    /// Forgets every line and all text; keeps the memory.
    pub fn clear(&mut self) {
        self.text.clear();
        self.lines.clear();
        self.names = Names::default();
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
        self.lines.iter().map(|line| self.field(line))
    }

    /// One of the lines.
    #[inline]
    pub(crate) fn field(&self, line: &Line) -> Field<'_> {
        Field { name: self.slice(line.name), value: self.slice(line.value) }
    }

    /// The lines called `name`, compared without case.
    #[inline]
    pub fn all<'a, 'n>(&'a self, name: &'n str) -> impl Iterator<Item = &'a [u8]> + use<'a, 'n> {
        self.named(name).map(|line| self.slice(line.value))
    }

    /// The first line called `name`, compared without case.
    #[inline]
    pub fn first<'a>(&'a self, name: &str) -> Option<&'a [u8]> {
        if self.may_have(name) { self.find_first(name) } else { None }
    }

    /// The only line called `name`; an error when there are several.
    #[inline]
    pub fn only<'a>(&'a self, name: &str) -> Result<Option<&'a [u8]>, Repeated> {
        if self.may_have(name) { self.find_only(name) } else { Ok(None) }
    }

    /// Whether a line called `name` is there.
    #[inline]
    pub fn has(&self, name: &str) -> bool {
        self.first(name).is_some()
    }

    /// Whether a line may be there whose name is as long as `name` and begins and ends as it does. None is there if this says
    /// so, whatever stands in the middle of its name.
    // PERF: inlined, so that of a name known while compiling one bit is left to look at.
    #[inline]
    pub fn may_have(&self, name: &str) -> bool {
        self.names.may_have(name.as_bytes())
    }

    // PERF: not inlined: what is asked for is mostly not there, and so many callers need not repeat the search.
    #[inline(never)]
    fn find_first<'a>(&'a self, name: &str) -> Option<&'a [u8]> {
        self.lines.iter().find(|line| self.is_called(line, name)).map(|line| self.slice(line.value))
    }

    #[inline(never)]
    fn find_only<'a>(&'a self, name: &str) -> Result<Option<&'a [u8]>, Repeated> {
        let mut found = None;
        for line in &self.lines {
            if !self.is_called(line, name) {
                continue;
            }
            if found.is_some() {
                return Err(Repeated);
            }
            found = Some(self.slice(line.value));
        }
        Ok(found)
    }

    #[inline]
    fn named<'n>(&self, name: &'n str) -> impl Iterator<Item = &Line> + use<'_, 'n> {
        let lines = if self.may_have(name) { &*self.lines } else { &[] };
        lines.iter().filter(move |line| self.is_called(line, name))
    }

    // PERF: the length first, by which most names are told apart.
    #[inline]
    fn is_called(&self, line: &Line, name: &str) -> bool {
        line.name.len() == name.len() && octets::is_same_text(self.slice(line.name), name.as_bytes())
    }

    /// Appends a line.
    pub fn push(&mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        self.names.add(name.as_ref());
        let name = self.push_text(name);
        let value = self.push_text(value);
        self.lines.push(Line { name, value, stands: false });
    }

    /// Keeps the lines for which `keep` says so.
    // PERF: one loop, where `Vec::retain` has two, so that what is asked of a line stands in the code once.
    #[inline]
    pub fn retain(&mut self, mut keep: impl FnMut(Field<'_>) -> bool) {
        let mut kept = 0_usize;
        for at in 0..self.lines.len() {
            let Some(&line) = self.lines.get(at) else { break };
            if keep(self.field(&line))
                && let Some(place) = self.lines.get_mut(kept)
            {
                *place = line;
                kept = kept.saturating_add(1);
            }
        }
        self.lines.truncate(kept);
    }

    /// Removes every line called `name`.
    #[inline]
    pub fn remove(&mut self, name: &str) {
        if self.may_have(name) {
            self.take_out(name.as_bytes());
        }
    }

    #[inline(never)]
    fn take_out(&mut self, name: &[u8]) {
        self.retain(|field| !octets::is_same(field.name, name));
    }

    /// Replaces every line of that name by one, which is written down as it will leave.
    #[inline]
    pub fn put_form<const N: usize>(&mut self, form: &Form<N>) {
        let (name, value) = (form.name(), form.value());
        if self.names.may_have(name) {
            self.take_out(name);
        }
        self.names.add(name);
        let start = self.text.len();
        self.text.extend_from_slice(form.as_bytes());
        let from = start.saturating_add(name.len()).saturating_add(2);
        let (name, value) = (Span::new(start, name.len()), Span::new(from, value.len()));
        self.lines.push(Line { name, value, stands: true });
    }

    /// Replaces every line called `name` by one.
    #[inline]
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
            // SECURITY: what stands in one piece is the old value.
            line.stands = false;
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

    /// The lines in order.
    #[inline]
    pub(crate) fn lines(&self) -> &[Line] {
        &self.lines
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

impl Line {
    /// The line of `name`, which stands at `start`, and of what follows its colon up to the line end.
    // Invariant: only a decoder calls this, so a line that stands has no line end in it.
    #[inline]
    pub(crate) fn new(start: usize, name: &[u8], raw: &[u8]) -> Self {
        // Of what `trim_ascii` takes off, only SP and HTAB can be here: optional white space (RFC 9110 §5.6.3).
        let text = raw.trim_ascii_end();
        let value = text.trim_ascii_start();
        let blank = text.len().saturating_sub(value.len());
        let from = start.saturating_add(name.len()).saturating_add(1).saturating_add(blank);
        let stands = blank == 1 && text.len() == raw.len() && raw.first() == Some(&b' ');
        Self { name: Span::new(start, name.len()), value: Span::new(from, value.len()), stands }
    }

    /// Whether spans reach to the end of `text`.
    pub(crate) fn fits(text: &[u8]) -> bool {
        u32::try_from(text.len()).is_ok()
    }

    /// The line that stands as `name: value` at `start` of a text that [`Self::fits`].
    // Invariant: only a decoder calls this.
    #[inline]
    pub(crate) fn standing(start: usize, name: &[u8], value: &[u8]) -> Self {
        let name = Span { start: start as u32, len: name.len() as u32 };
        let from = name.start.wrapping_add(name.len).wrapping_add(2);
        Self { name, value: Span { start: from, len: value.len() as u32 }, stands: true }
    }

    /// Where it stands in the text, as it is to be written.
    #[inline]
    pub(crate) fn place(&self) -> Option<Range<usize>> {
        self.stands.then(|| self.name.start as usize..self.value.end().saturating_add(2))
    }
}

impl Names {
    #[inline]
    pub(crate) fn add(&mut self, name: &[u8]) {
        self.0 |= Self::bit(name);
    }

    #[inline]
    fn may_have(self, name: &[u8]) -> bool {
        self.0 & Self::bit(name) != 0
    }

    /// The bit of a name, by length and both ends. Letters have the same in either case.
    #[inline]
    const fn bit(name: &[u8]) -> u64 {
        const CASE: u32 = 0x2020;
        // Of what a gateway asks heads for, none has the bit of another name that is in most heads.
        const MIX: u32 = 0x5c11_453b;
        let (Some(first), Some(last)) = (name.first(), name.last()) else { return 1 };
        let ends = (*first as u32 | ((*last as u32) << 8)) | CASE;
        let mixed = (ends | ((name.len() as u32) << 16)).wrapping_mul(MIX);
        1 << (mixed >> 26)
    }
}

impl Field<'_> {
    /// Whether this field is called `name`, compared without case.
    #[inline]
    pub fn is(&self, name: &str) -> bool {
        octets::is_same(self.name, name.as_bytes())
    }
}

/// A field name known while compiling, with the colon and the space behind it.
// PERF: judged while compiling, and written by stores instead of a judgement and a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Label(&'static str);

impl Label {
    /// The label of `text`, which is a field name, a colon and a space.
    #[expect(clippy::panic, reason = "evaluated while compiling: labels are constants")]
    pub const fn new(text: &'static str) -> Self {
        match text.as_bytes() {
            [name @ .., b':', b' '] if octets::is_name(name) => Self(text),
            _ => panic!("a label is a field name, a colon and a space"),
        }
    }

    /// The field name.
    #[inline]
    pub fn name(self) -> &'static str {
        self.0.get(..self.0.len().saturating_sub(2)).unwrap_or_default()
    }

    #[inline]
    pub(crate) fn as_bytes(self) -> &'static [u8] {
        self.0.as_bytes()
    }
}

/// Field lines that are written down once and leave often, with their line ends.
#[derive(Clone, Debug, Default)]
pub struct Lines(Cow<'static, [u8]>);

impl Lines {
    /// The lines of `text`; each is a field name, a colon, a space, a text without controls, and a line end.
    #[expect(clippy::panic, reason = "evaluated while compiling: such lines are constants")]
    pub const fn known(text: &'static str) -> Self {
        if !octets::are_lines(text.as_bytes()) {
            panic!("a line is a field name, a colon, a space, a text and a line end");
        }
        Self(Cow::Borrowed(text.as_bytes()))
    }

    /// The lines of `fields`, judged as [`crate::HeadWriter`] judges them.
    pub fn of(fields: &[(Label, &[u8])]) -> Self {
        let mut text = Vec::new();
        fields.iter().for_each(|(label, value)| encode::put_line(&mut text, *label, value));
        Self(Cow::Owned(text))
    }

    /// Names and values.
    pub fn iter(&self) -> impl Iterator<Item = Field<'_>> {
        self.0.split(|byte| *byte == b'\n').filter_map(|line| {
            let (name, value) = line.strip_suffix(b"\r")?.split_at_checked(octets::token_run(line))?;
            Some(Field { name, value: value.strip_prefix(b": ")? })
        })
    }

    #[inline]
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
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
