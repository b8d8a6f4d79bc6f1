//! JSON lines, written straight into a buffer that is used again.
//!
//! A value may be anything a client chose: it is cut at a bound, and escaped so that no line can be broken, no
//! terminal be driven and no reader be led astray. Besides what RFC 8259 §7 asks for, that means DEL, the C1
//! controls, and the marks that hide or reorder text. Bytes that are no UTF-8 show as `\xNN`.

use std::io::Write as _;
use std::net::IpAddr;
use std::time::Duration;

use super::names::{self, Field, Stream};
use super::timestamp;

/// Longest value of a field in bytes, before escaping. Longer ones are cut and end in `…`.
pub const VALUE_BYTES_MAX: usize = 1024;

/// One line, being written.
///
/// PERF: an access record of 900 bytes takes 0.3 µs; each field costs two or three copies into the buffer.
#[derive(Debug)]
pub(super) struct Line<'a> {
    out: &'a mut Vec<u8>,
}

impl<'a> Line<'a> {
    /// Begins a line at the end of `out`: with when it happened, how grave it is and which stream it belongs to.
    pub(super) fn begin(
        out: &'a mut Vec<u8>,
        wall: Duration,
        severity: &'static str,
        stream: Stream,
    ) -> Self {
        out.extend_from_slice(b"{\"timestamp\":\"");
        timestamp::write(out, wall);
        out.push(b'"');
        let mut line = Self { out };
        line.word(names::SEVERITY_TEXT, severity);
        line.word(names::EVENT_NAME, stream.event());
        line
    }

    /// A field with a word of ours, which needs no escaping.
    pub(super) fn word(&mut self, field: Field, word: &'static str) {
        self.out.extend_from_slice(field.key.as_bytes());
        self.out.push(b'"');
        self.out.extend_from_slice(word.as_bytes());
        self.out.push(b'"');
    }

    /// A field with a word of ours, when there is one.
    pub(super) fn word_if(&mut self, field: Field, word: Option<&'static str>) {
        if let Some(word) = word {
            self.word(field, word);
        }
    }

    /// A field of hexadecimal digits, which need no escaping.
    pub(super) fn digits(&mut self, field: Field, digits: &[u8]) {
        self.out.extend_from_slice(field.key.as_bytes());
        self.out.push(b'"');
        self.out.extend_from_slice(digits);
        self.out.push(b'"');
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
        self.out.extend_from_slice(field.key.as_bytes());
        self.out.push(b'"');
        escape(self.out, value, bytes_max);
        self.out.push(b'"');
    }

    /// A field whose name is not one of ours: what an event of the lifecycle log carries.
    pub(super) fn other(&mut self, name: &str, value: &str) {
        self.out.extend_from_slice(b",\"");
        escape(self.out, name.as_bytes(), VALUE_BYTES_MAX);
        self.out.extend_from_slice(b"\":\"");
        escape(self.out, value.as_bytes(), VALUE_BYTES_MAX);
        self.out.push(b'"');
    }

    /// A number.
    pub(super) fn number(&mut self, field: Field, value: u64) {
        self.out.extend_from_slice(field.key.as_bytes());
        self.out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
    }

    /// A duration, as milliseconds with three decimals.
    pub(super) fn millis(&mut self, field: Field, value: Duration) {
        self.out.extend_from_slice(field.key.as_bytes());
        let micros = u64::try_from(value.as_micros()).unwrap_or(u64::MAX);
        self.out.extend_from_slice(itoa::Buffer::new().format(micros / 1000).as_bytes());
        self.out.push(b'.');
        digits::<3>(self.out, micros % 1000);
    }

    /// An address.
    pub(super) fn address(&mut self, field: Field, value: IpAddr) {
        self.out.extend_from_slice(field.key.as_bytes());
        self.out.push(b'"');
        match value {
            // PERF: by hand a fifth of what formatting costs.
            IpAddr::V4(address) => {
                for (place, octet) in address.octets().into_iter().enumerate() {
                    if place > 0 {
                        self.out.push(b'.');
                    }
                    self.out.extend_from_slice(itoa::Buffer::new().format(octet).as_bytes());
                }
            }
            IpAddr::V6(address) => {
                // Writing to a `Vec` does not fail.
                let _ = write!(self.out, "{address}");
            }
        }
        self.out.push(b'"');
    }

    /// Ends the line.
    pub(super) fn end(self) {
        self.out.extend_from_slice(b"}\n");
    }
}

/// Writes `value` as the inside of a JSON string, cut at `bytes_max`.
pub(super) fn escape(out: &mut Vec<u8>, value: &[u8], bytes_max: usize) {
    let (value, is_cut) = match value.split_at_checked(bytes_max) {
        Some((head, tail)) => (head, !tail.is_empty()),
        None => (value, false),
    };
    // PERF: looks at every byte, and so at sixteen at once.
    if value.iter().fold(true, |plain, byte| plain & is_plain(*byte)) {
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
    (b' '..=b'~').contains(&byte) & (byte != b'"') & (byte != b'\\')
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

/// Writes the last `PLACES` decimal digits of `value`, with leading zeros.
pub(super) fn digits<const PLACES: usize>(out: &mut Vec<u8>, mut value: u64) {
    let mut text = [b'0'; PLACES];
    for place in text.iter_mut().rev() {
        *place = place.saturating_add(u8::try_from(value % 10).unwrap_or_default());
        value /= 10;
    }
    out.extend_from_slice(&text);
}

#[cfg(test)]
mod tests;
