//! A field section: field lines up to the empty line, of a head or of a trailer (RFC 9112 §5).
//!
//! Lines are judged as they come and remembered as spans; nothing is copied before the section is complete. A line that
//! is there whole is read in one go ([`line_at`]). Whatever is not, or not as most lines are, is read byte by byte, and
//! only there anything is refused. [`Section`] remembers where it stopped, so a section that arrives one byte at a time
//! costs no more than one that arrives whole, and a bad byte is refused without waiting for the end of its line.
//!
//! SECURITY: what is decided depends on the bytes alone, never on how they were cut into reads. Every check
//! therefore happens at the first offending position.

use crate::{
    Fields, Refusal,
    fields::{Line, Names},
    octets::{controls_in, end_of, from_first, others_than_letters_in, text_run, token_run},
};

/// How many lines the first growth makes room for: what browsers send fits.
const LINES_EXPECTED: usize = 24;

/// Reads a field section that begins where it was told and grows behind it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Section {
    /// Where the current line begins.
    line: usize,
    /// The next byte to look at.
    at: usize,
    /// The colon of the current line, once seen.
    colon: Option<usize>,
    lines: Vec<Line>,
    names: Names,
}

/// How far the name of the next line was read.
enum Name {
    /// More bytes are needed.
    Open,
    /// The colon is here.
    Colon(usize),
    /// There was no further line: the section ends before this index.
    SectionEnd(usize),
}

impl Section {
    /// A section in the memory of `fields`, and what else there is of that. Both are empty.
    pub(crate) fn reusing(fields: Fields) -> (Vec<u8>, Self) {
        let (text, lines) = fields.into_memory();
        (text, Self { lines, ..Self::default() })
    }

    /// A section that begins at `start`.
    pub(crate) fn start_at(&mut self, start: usize) {
        self.line = start;
        self.at = start;
        self.colon = None;
        self.lines.clear();
        self.names = Names::default();
    }

    /// Reads on; the end of the section when it is there.
    pub(crate) fn advance(
        &mut self,
        window: &[u8],
        line_bytes: usize,
        fields: usize,
    ) -> Result<Option<usize>, Refusal> {
        loop {
            // A line that was begun is gone on with, so that no byte of it is looked at twice.
            if self.at == self.line {
                self.whole_lines(window, line_bytes, fields);
            }
            let colon = match self.colon {
                Some(colon) => colon,
                None => match self.name(window, line_bytes, fields)? {
                    Name::Open => return Ok(None),
                    Name::SectionEnd(end) => return Ok(Some(end)),
                    Name::Colon(colon) => {
                        self.colon = Some(colon);
                        self.at = colon.saturating_add(1);
                        colon
                    }
                },
            };
            if !self.value(window, line_bytes, fields, colon)? {
                return Ok(None);
            }
        }
    }

    /// Whether no line was read.
    pub(crate) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// The lines read, as fields of `text`: a copy of the window, whose beginning the spans count from.
    pub(crate) fn take(&mut self, text: Vec<u8>) -> Fields {
        Fields::decoded(text, std::mem::take(&mut self.lines), std::mem::take(&mut self.names))
    }

    /// Reads the lines that need nothing but to be read.
    fn whole_lines(&mut self, window: &[u8], line_bytes: usize, fields: usize) {
        let Some(mut rest) = window.get(self.line..).filter(|_| Line::fits(window)) else { return };
        let mut names = self.names;
        while self.lines.len() < fields
            && let Some((name, value, after)) = line_of(window, rest)
            && rest.len().wrapping_sub(after.len()) <= line_bytes.saturating_add(2)
        {
            let start = window.len().wrapping_sub(rest.len());
            names.add(name);
            self.push(Line::standing(start, name, value), fields);
            rest = after;
        }
        self.names = names;
        self.line = window.len().wrapping_sub(rest.len());
        self.at = self.line;
    }

    #[inline]
    fn push(&mut self, line: Line, fields: usize) {
        if self.lines.len() == self.lines.capacity() {
            self.grow(fields);
        }
        self.lines.push(line);
    }

    #[cold]
    #[inline(never)]
    fn grow(&mut self, fields: usize) {
        let more = if self.lines.is_empty() { LINES_EXPECTED.min(fields) } else { self.lines.len() };
        self.lines.reserve_exact(more);
    }

    /// The next byte to look at.
    #[cfg(test)]
    pub(crate) fn reached(&self) -> usize {
        self.at
    }

    fn name(&mut self, window: &[u8], line_bytes: usize, fields: usize) -> Result<Name, Refusal> {
        match window.get(self.line..).unwrap_or_default() {
            [] | [b'\r'] => return Ok(Name::Open),
            [b'\r', b'\n', ..] => return Ok(Name::SectionEnd(self.line.saturating_add(2))),
            [b'\r', ..] => return Err(Refusal::BareCarriageReturn),
            [b'\n', ..] => return Err(Refusal::BareLineFeed),
            [b' ' | b'\t', ..] => return Err(Refusal::LineFolding),
            [b':', ..] => return Err(Refusal::FieldNameEmpty),
            [_, ..] if self.lines.len() >= fields => return Err(Refusal::TooManyFields),
            [_, ..] => {}
        }
        let end = end_of(token_run, window, self.at);
        if end.saturating_sub(self.line) > line_bytes {
            return Err(Refusal::FieldLineTooLong);
        }
        self.at = end;
        match window.get(end) {
            None => Ok(Name::Open),
            Some(b':') => Ok(Name::Colon(end)),
            Some(b' ' | b'\t') => Err(Refusal::FieldNameSpace),
            Some(b'\r') => Err(Refusal::FieldWithoutColon),
            Some(b'\n') => Err(Refusal::BareLineFeed),
            Some(_) => Err(Refusal::FieldNameInvalid),
        }
    }

    /// Reads the rest of a line; whether it is complete.
    fn value(
        &mut self,
        window: &[u8],
        line_bytes: usize,
        fields: usize,
        colon: usize,
    ) -> Result<bool, Refusal> {
        let end = end_of(text_run, window, self.at);
        if end.saturating_sub(self.line) > line_bytes {
            return Err(Refusal::FieldLineTooLong);
        }
        self.at = end;
        match window.get(end..).unwrap_or_default() {
            [] | [b'\r'] => return Ok(false),
            [b'\r', b'\n', ..] => {}
            [b'\r', ..] => return Err(Refusal::BareCarriageReturn),
            [b'\n', ..] => return Err(Refusal::BareLineFeed),
            [_, ..] => return Err(Refusal::FieldValueControl),
        }
        let name = window.get(self.line..colon).unwrap_or_default();
        let raw = window.get(colon.saturating_add(1)..end).unwrap_or_default();
        self.names.add(name);
        self.push(Line::new(self.line, name, raw), fields);
        self.line = end.saturating_add(2);
        self.at = self.line;
        self.colon = None;
        Ok(true)
    }
}

/// The line that `rest` of the window begins with, its name, and what follows it: if all of it is there, as most lines
/// are. A name of letters and hyphens, a colon, a space, a text without HTAB that neither begins nor ends with a space.
// PERF: a line of usual length takes 120 instructions here, and 300 by `name` and `value`.
#[inline]
fn line_of<'a>(window: &[u8], rest: &'a [u8]) -> Option<(&'a [u8], &'a [u8], &'a [u8])> {
    let at_colon = from_first(window, rest, others_than_letters_in)?;
    let value = at_colon.strip_prefix(b": ")?;
    let at_end = from_first(window, value, controls_in)?;
    let after = at_end.strip_prefix(b"\r\n")?;
    // No difference here is below zero: each is a part of the one before it.
    let name = rest.get(..rest.len().wrapping_sub(at_colon.len()))?;
    let text = value.get(..value.len().wrapping_sub(at_end.len()))?;
    if name.is_empty() || *text.first()? == b' ' || *text.last()? == b' ' {
        return None;
    }
    Some((name, text, after))
}
