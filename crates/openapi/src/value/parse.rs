//! RFC 8259 to the letter, in one pass and without recursion.

use super::fault::{Fault, Reason};
use super::limits::Limits;
use super::memory::{Entry, Tape, What};
use super::number;
use super::scan;
use super::writer::{Writer, to_u32};

/// Reads one value from all the bytes.
pub fn parse<'s>(bytes: &'s [u8], limits: &Limits) -> Result<Tape<'s>, Fault> {
    let outside = |reason, offset| Fault { reason, offset, pointer: Box::default() };
    if bytes.starts_with(b"\xEF\xBB\xBF") {
        return Err(outside(Reason::ByteOrderMark, 0));
    }
    if u32::try_from(bytes.len()).is_err() {
        return Err(outside(Reason::Size, 0));
    }
    let source = std::str::from_utf8(bytes).map_err(|error| outside(Reason::Utf8, error.valid_up_to()))?;
    let mut parser = Parser { source, bytes, at: 0, writer: Writer::new(source, limits) };
    match parser.document() {
        Ok(()) => Ok(parser.writer.finish()),
        Err(reason) => Err(parser.writer.fault(reason, parser.at)),
    }
}

struct Parser<'s> {
    source: &'s str,
    bytes: &'s [u8],
    at: usize,
    writer: Writer<'s>,
}

impl Parser<'_> {
    fn document(&mut self) -> Result<(), Reason> {
        self.skip_space();
        loop {
            let is_open = self.value()?;
            if !is_open && self.after_value()? {
                break;
            }
        }
        self.skip_space();
        if self.at == self.bytes.len() { Ok(()) } else { Err(Reason::Syntax("something follows the value")) }
    }

    /// Reads a value, or only the beginning of one that holds others: then the next is to be read, and this is
    /// true.
    fn value(&mut self) -> Result<bool, Reason> {
        self.writer.begin()?;
        match self.peek() {
            Some(b'"') => {
                let entry = self.string(What::String, What::OwnString)?;
                self.writer.scalar(entry);
            }
            Some(b'{') => return self.container(true, b'}'),
            Some(b'[') => return self.container(false, b']'),
            Some(b'-' | b'0'..=b'9') => self.number()?,
            Some(b't') => self.word(b"true", What::True)?,
            Some(b'f') => self.word(b"false", What::False)?,
            Some(b'n') => self.word(b"null", What::Null)?,
            Some(_) => return Err(Reason::Syntax("expected a value")),
            None => return Err(Reason::Syntax("the text ends where a value is expected")),
        }
        Ok(false)
    }

    fn container(&mut self, is_object: bool, close: u8) -> Result<bool, Reason> {
        self.writer.open(is_object, narrow(self.at))?;
        self.skip(1);
        self.skip_space();
        if self.peek() == Some(close) {
            self.close()?;
            return Ok(false);
        }
        if is_object {
            self.name()?;
        }
        Ok(true)
    }

    fn close(&mut self) -> Result<(), Reason> {
        self.skip(1);
        self.writer.close(narrow(self.at)).map_err(|(reason, offset)| {
            self.at = offset.unwrap_or(self.at);
            reason
        })
    }

    /// Goes on to the next value. True if there is none: the one that was read was the last.
    fn after_value(&mut self) -> Result<bool, Reason> {
        loop {
            let Some(is_object) = self.writer.is_in_object() else { return Ok(true) };
            self.skip_space();
            match (self.peek(), is_object) {
                (Some(b','), true) => {
                    self.skip(1);
                    self.skip_space();
                    self.name()?;
                    return Ok(false);
                }
                (Some(b','), false) => {
                    self.skip(1);
                    self.skip_space();
                    return Ok(false);
                }
                (Some(b'}'), true) | (Some(b']'), false) => self.close()?,
                (None, _) => return Err(Reason::Syntax("the text ends within an array or object")),
                (Some(_), true) => return Err(Reason::Syntax("expected `,` or `}` after the value")),
                (Some(_), false) => return Err(Reason::Syntax("expected `,` or `]` after the value")),
            }
        }
    }

    fn name(&mut self) -> Result<(), Reason> {
        if self.peek() != Some(b'"') {
            return Err(Reason::Syntax("expected a name in double quotes"));
        }
        let start = self.at;
        let entry = self.string(What::Name, What::OwnName)?;
        self.writer.name(entry).inspect_err(|_| self.at = start)?;
        self.skip_space();
        if self.peek() != Some(b':') {
            return Err(Reason::Syntax("expected `:` after the name"));
        }
        self.skip(1);
        self.skip_space();
        Ok(())
    }

    fn word(&mut self, word: &[u8], what: What) -> Result<(), Reason> {
        let start = self.at;
        let end = start.saturating_add(word.len());
        if self.bytes.get(start..end) != Some(word) {
            return Err(Reason::Syntax("expected a value"));
        }
        self.at = end;
        let entry = Entry { start: narrow(start), len: narrow(word.len()), ..Entry::new(what) };
        self.writer.scalar(entry);
        Ok(())
    }

    fn number(&mut self) -> Result<(), Reason> {
        let start = self.at;
        let len = match self.digits() {
            Some(len) => len,
            None => {
                let rest = self.source.get(start..).unwrap_or_default();
                number::measure(rest, self.writer.limits().number_digits).map_err(|(reason, at)| {
                    self.skip(at);
                    reason
                })?
            }
        };
        self.skip(len);
        let entry = Entry { start: narrow(start), len: narrow(len), ..Entry::new(What::Number) };
        self.writer.scalar(entry);
        Ok(())
    }

    /// The length of a number that is nothing but a few digits: then it is within every bound.
    // PERF: as most are.
    #[inline]
    fn digits(&self) -> Option<usize> {
        let rest = self.bytes.get(self.at..)?;
        let most = self.writer.limits().number_digits.min(16);
        let len = rest.iter().take(most).take_while(|byte| byte.is_ascii_digit()).count();
        let is_whole = !matches!(rest.get(len), Some(b'.' | b'e' | b'E' | b'0'..=b'9'));
        let is_plain = len == 1 || (len > 1 && rest.first() != Some(&b'0'));
        (is_whole && is_plain).then_some(len)
    }

    /// RFC 8259 §7. Borrowed if nothing in it is escaped.
    #[inline]
    fn string(&mut self, borrowed: What, own: What) -> Result<Entry, Reason> {
        let start = self.at;
        let rest = self.bytes.get(start.wrapping_add(1)..).unwrap_or_default();
        let plain = scan::plain(rest);
        if rest.get(plain) != Some(&b'"') {
            self.at = start.wrapping_add(1).wrapping_add(plain);
            return self.escaped(start, own);
        }
        self.check_length(plain)?;
        let len = plain.wrapping_add(2);
        self.at = start.wrapping_add(len);
        Ok(Entry { start: narrow(start), len: narrow(len), ..Entry::new(borrowed) })
    }

    /// A string that begins at `start`, of which everything before the first escape was passed.
    #[cold]
    fn escaped(&mut self, start: usize, own: What) -> Result<Entry, Reason> {
        let first = self.writer.memory.texts.len();
        let mut from = start.saturating_add(1);
        loop {
            let run = self.source.get(from..self.at).unwrap_or_default();
            self.writer.memory.texts.push_str(run);
            self.check_length(self.writer.memory.texts.len().saturating_sub(first))?;
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => {
                    let c = self.escape()?;
                    self.writer.memory.texts.push(c);
                }
                Some(_) => return Err(Reason::Syntax("a control character in a string must be escaped")),
                None => return Err(Reason::Syntax("the text ends within a string")),
            }
            from = self.at;
            self.plain();
        }
        self.skip(1);
        Ok(Entry {
            start: to_u32(start)?,
            len: to_u32(self.at.saturating_sub(start))?,
            first: to_u32(first)?,
            second: to_u32(self.writer.memory.texts.len().saturating_sub(first))?,
            ..Entry::new(own)
        })
    }

    /// Passes what needs no reading within a string.
    fn plain(&mut self) {
        let run = scan::plain(self.bytes.get(self.at..).unwrap_or_default());
        self.skip(run);
    }

    fn check_length(&self, bytes: usize) -> Result<(), Reason> {
        if bytes > self.writer.limits().string { Err(Reason::String) } else { Ok(()) }
    }

    fn escape(&mut self) -> Result<char, Reason> {
        let scanned = scan::escape(self.source.get(self.at..).unwrap_or_default());
        let (c, len) = scanned.map_err(|(reason, at)| {
            self.skip(at);
            reason
        })?;
        self.skip(len);
        Ok(c)
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn skip(&mut self, bytes: usize) {
        // PERF: no further than four bytes behind the end, which is far from the largest number; saturating costs three times
        // as much.
        self.at = self.at.wrapping_add(bytes);
    }

    /// RFC 8259 §2: these four and no other.
    #[inline]
    fn skip_space(&mut self) {
        // PERF: what is no space at all, as most of what this is asked of, costs one comparison.
        while let Some(byte) = self.peek()
            && byte <= b' '
            && matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
        {
            self.skip(1);
        }
    }
}

/// An offset in bytes of which [`parse`] has seen that there are no more than can be counted so.
#[inline]
fn narrow(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}
