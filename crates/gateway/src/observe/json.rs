//! JSON lines, written straight into a buffer that is used again.
//!
//! A value may be anything a client chose: it is cut at a bound, and escaped so that no line can be broken, no
//! terminal be driven and no reader be led astray. Besides what RFC 8259 §7 asks for, that means DEL, the C1
//! controls, and the marks that hide or reorder text. Bytes that are no UTF-8 show as `\xNN`.

use std::io::Write as _;
use std::net::IpAddr;
use std::time::Duration;

use super::names::Field;
use super::timestamp;

/// Longest value of a field in bytes, before escaping. Longer ones are cut and end in `…`.
pub const VALUE_BYTES_MAX: usize = 1024;

/// One line, being written.
#[derive(Debug)]
pub(super) struct Line<'a> {
    out: &'a mut Vec<u8>,
    next: &'static [u8],
}

impl<'a> Line<'a> {
    /// Begins a line at the end of `out`.
    pub(super) fn begin(out: &'a mut Vec<u8>) -> Self {
        Self { out, next: b"{\"" }
    }

    /// A field of text.
    pub(super) fn text(&mut self, field: Field, value: &str) {
        self.cut(field, value.as_bytes(), VALUE_BYTES_MAX);
    }

    /// A field of text, when there is a value.
    pub(super) fn text_if(&mut self, field: Field, value: Option<&str>) {
        if let Some(value) = value {
            self.text(field, value);
        }
    }

    /// A field of what may not be text, cut at a bound of its own.
    pub(super) fn cut(&mut self, field: Field, value: &[u8], bytes_max: usize) {
        self.name(field.name);
        self.out.push(b'"');
        escape(self.out, value, bytes_max);
        self.out.push(b'"');
    }

    /// A field whose name is not one of ours: what an event of the lifecycle log carries.
    pub(super) fn other(&mut self, name: &str, value: &str) {
        self.out.extend_from_slice(self.next);
        self.next = b",\"";
        escape(self.out, name.as_bytes(), VALUE_BYTES_MAX);
        self.out.extend_from_slice(b"\":\"");
        escape(self.out, value.as_bytes(), VALUE_BYTES_MAX);
        self.out.push(b'"');
    }

    /// A number.
    pub(super) fn number(&mut self, field: Field, value: u64) {
        self.name(field.name);
        self.out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
    }

    /// A duration, as milliseconds with three decimals.
    pub(super) fn millis(&mut self, field: Field, value: Duration) {
        self.name(field.name);
        let micros = u64::try_from(value.as_micros()).unwrap_or(u64::MAX);
        self.out.extend_from_slice(itoa::Buffer::new().format(micros / 1000).as_bytes());
        self.out.push(b'.');
        digits(self.out, micros % 1000, 3);
    }

    /// An address.
    pub(super) fn address(&mut self, field: Field, value: IpAddr) {
        self.name(field.name);
        // Writing to a `Vec` does not fail.
        let _ = write!(self.out, "\"{value}\"");
    }

    /// A point in time.
    pub(super) fn time(&mut self, field: Field, wall: Duration) {
        self.name(field.name);
        self.out.push(b'"');
        timestamp::write(self.out, wall);
        self.out.push(b'"');
    }

    /// Ends the line.
    pub(super) fn end(self) {
        self.out.extend_from_slice(b"}\n");
    }

    fn name(&mut self, name: &'static str) {
        self.out.extend_from_slice(self.next);
        self.next = b",\"";
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
    }
}

/// Writes `value` as the inside of a JSON string, cut at `bytes_max`.
pub(super) fn escape(out: &mut Vec<u8>, value: &[u8], bytes_max: usize) {
    let (value, is_cut) = match value.split_at_checked(bytes_max) {
        Some((head, tail)) => (head, !tail.is_empty()),
        None => (value, false),
    };
    if value.iter().all(|byte| is_plain(*byte)) {
        out.extend_from_slice(value);
    } else {
        escape_chunks(out, value, is_cut);
    }
    if is_cut {
        out.extend_from_slice("…".as_bytes());
    }
}

fn escape_chunks(out: &mut Vec<u8>, value: &[u8], is_cut: bool) {
    let mut chunks = value.utf8_chunks().peekable();
    while let Some(chunk) = chunks.next() {
        for letter in chunk.valid().chars() {
            escape_char(out, letter);
        }
        // What ends a value that was cut is half a character of ours, not a byte of theirs.
        if is_cut && chunks.peek().is_none() && chunk.invalid().len() < 4 {
            continue;
        }
        for byte in chunk.invalid() {
            out.extend_from_slice(b"\\\\x");
            hex(out, u32::from(*byte), 2);
        }
    }
}

fn escape_char(out: &mut Vec<u8>, letter: char) {
    match letter {
        '"' => out.extend_from_slice(b"\\\""),
        '\\' => out.extend_from_slice(b"\\\\"),
        _ if is_hidden(letter) => {
            // All of them lie in the basic plane: four digits are enough.
            out.extend_from_slice(b"\\u");
            hex(out, u32::from(letter), 4);
        }
        _ => {
            let mut text = [0; 4];
            out.extend_from_slice(letter.encode_utf8(&mut text).as_bytes());
        }
    }
}

fn is_plain(byte: u8) -> bool {
    matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\'
}

/// Characters that move a terminal's cursor, end a line somewhere, or hide and reorder their neighbours.
pub(super) fn is_hidden(letter: char) -> bool {
    matches!(letter,
        '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

fn hex(out: &mut Vec<u8>, value: u32, places: u32) {
    for place in (0..places).rev() {
        let digit = (value >> place.saturating_mul(4)) & 0xf;
        out.push(char::from_digit(digit, 16).and_then(|c| u8::try_from(c).ok()).unwrap_or(b'0'));
    }
}

/// Writes the last `places` decimal digits of `value`, with leading zeros.
pub(super) fn digits(out: &mut Vec<u8>, value: u64, places: u32) {
    for place in (0..places).rev() {
        let digit = value.checked_div(10_u64.pow(place)).unwrap_or(0) % 10;
        out.push(b'0'.saturating_add(u8::try_from(digit).unwrap_or(0)));
    }
}

#[cfg(test)]
mod tests;
