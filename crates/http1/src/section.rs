//! A field section: field lines up to the empty line, of a head or of a trailer (RFC 9112 §5).
//!
//! Lines are judged byte by byte as they come and remembered as spans; nothing is copied before the section is
//! complete. [`Section`] remembers where it stopped, so a section that arrives one byte at a time costs no more
//! than one that arrives whole, and a bad byte is refused without waiting for the end of its line.
//!
//! SECURITY: what is decided depends on the bytes alone, never on how they were cut into reads. Every check
//! therefore happens at the first offending position.

use crate::{
    Refusal, Span,
    fields::Line,
    octets::{text_end, token_end},
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
    /// A section that begins at `start`.
    pub(crate) fn start_at(&mut self, start: usize) {
        self.line = start;
        self.at = start;
        self.colon = None;
        self.lines.clear();
    }

    /// Reads on; the end of the section when it is there.
    pub(crate) fn advance(
        &mut self,
        window: &[u8],
        line_bytes: usize,
        fields: usize,
    ) -> Result<Option<usize>, Refusal> {
        loop {
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

    /// The lines read; spans count from the beginning of the window.
    pub(crate) fn take_lines(&mut self) -> Vec<Line> {
        std::mem::take(&mut self.lines)
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
        let end = token_end(window, self.at);
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
        let end = text_end(window, self.at);
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
        let name = Span::new(self.line, colon.saturating_sub(self.line));
        // Of what `trim_ascii` takes off, only SP and HTAB can be here: optional white space (RFC 9110 §5.6.3).
        let raw = window.get(colon.saturating_add(1)..end).unwrap_or_default().trim_ascii_end();
        let value = raw.trim_ascii_start();
        let blank = raw.len().saturating_sub(value.len());
        let value = Span::new(colon.saturating_add(1).saturating_add(blank), value.len());
        if self.lines.capacity() == 0 {
            self.lines.reserve_exact(LINES_EXPECTED.min(fields));
        }
        self.lines.push(Line { name, value });
        self.line = end.saturating_add(2);
        self.at = self.line;
        self.colon = None;
        Ok(true)
    }
}
