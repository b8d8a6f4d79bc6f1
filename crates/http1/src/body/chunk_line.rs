//! The line before the data of a chunk: its size and extensions (RFC 9112 §7.1).
//!
//! One byte in, one decision out. Extensions are judged by their grammar although nobody reads them: what they
//! are allowed to hide (a bare line feed, a second size) is how two parsers come to differ.

use crate::{
    Refusal,
    octets::{is_text_byte, is_token_byte},
};

/// A chunk line as far as it was read.
#[derive(Clone, Debug, Default)]
pub(super) struct ChunkLine {
    size: u64,
    digits: u8,
    length: usize,
    part: Part,
}

/// Where in the line the next byte stands.
#[derive(Clone, Copy, Debug, Default)]
enum Part {
    #[default]
    Size,
    /// White space that only a further extension may follow.
    BeforeSemicolon,
    /// Behind a semicolon.
    BeforeName,
    Name,
    /// White space behind a name, which `=` or a further extension must follow.
    AfterName,
    /// Behind `=`.
    BeforeValue,
    Token,
    Quoted,
    Escaped,
    AfterQuoted,
    LineFeed,
}

/// Sixteen hexadecimal digits always fit 64 bits. More would be leading zeros, of which nobody needs many.
const DIGITS: u8 = 16;

impl ChunkLine {
    /// Bytes read so far, line end included.
    pub(super) fn length(&self) -> usize {
        self.length
    }

    /// Reads one byte; the size of the chunk when it ended the line.
    pub(super) fn read(&mut self, byte: u8) -> Result<Option<u64>, Refusal> {
        self.length = self.length.saturating_add(1);
        self.part = match (self.part, byte) {
            (Part::LineFeed, b'\n') => return Ok(Some(self.size)),
            (Part::LineFeed, _) => return Err(Refusal::BareCarriageReturn),
            (_, b'\n') => return Err(Refusal::BareLineFeed),
            (Part::Size, _) => self.read_size(byte)?,
            (part, byte) => read_extension(part, byte).ok_or(Refusal::ChunkExtensionInvalid)?,
        };
        Ok(None)
    }

    fn read_size(&mut self, byte: u8) -> Result<Part, Refusal> {
        if let Some(digit) = char::from(byte).to_digit(16) {
            if self.digits == DIGITS {
                return Err(Refusal::ChunkSizeTooLong);
            }
            self.digits = self.digits.saturating_add(1);
            self.size = self.size << 4 | u64::from(digit);
            return Ok(Part::Size);
        }
        match byte {
            _ if self.digits == 0 => Err(Refusal::ChunkSizeInvalid),
            b'\r' => Ok(Part::LineFeed),
            b';' => Ok(Part::BeforeName),
            b' ' | b'\t' => Ok(Part::BeforeSemicolon),
            _ => Err(Refusal::ChunkSizeInvalid),
        }
    }
}

/// The part after `byte` was read in `part`; nothing when it may not stand there (RFC 9112 §7.1.1).
fn read_extension(part: Part, byte: u8) -> Option<Part> {
    match (part, byte) {
        (Part::BeforeSemicolon, b' ' | b'\t') => Some(Part::BeforeSemicolon),
        (Part::BeforeSemicolon, b';') => Some(Part::BeforeName),

        (Part::BeforeName, b' ' | b'\t') => Some(Part::BeforeName),
        (Part::BeforeName | Part::Name, byte) if is_token_byte(byte) => Some(Part::Name),

        (Part::Name | Part::AfterName, b' ' | b'\t') => Some(Part::AfterName),
        (Part::Name | Part::AfterName, b'=') => Some(Part::BeforeValue),
        (Part::Name | Part::AfterName, b';') => Some(Part::BeforeName),
        (Part::Name, b'\r') => Some(Part::LineFeed),

        (Part::BeforeValue, b' ' | b'\t') => Some(Part::BeforeValue),
        (Part::BeforeValue, b'"') => Some(Part::Quoted),
        (Part::BeforeValue | Part::Token, byte) if is_token_byte(byte) => Some(Part::Token),

        (Part::Quoted, b'"') => Some(Part::AfterQuoted),
        (Part::Quoted, b'\\') => Some(Part::Escaped),
        (Part::Quoted | Part::Escaped, byte) if is_text_byte(byte) => Some(Part::Quoted),

        (Part::Token | Part::AfterQuoted, b' ' | b'\t') => Some(Part::BeforeSemicolon),
        (Part::Token | Part::AfterQuoted, b';') => Some(Part::BeforeName),
        (Part::Token | Part::AfterQuoted, b'\r') => Some(Part::LineFeed),
        _ => None,
    }
}
