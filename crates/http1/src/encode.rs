//! Writes heads and chunk framing.
//!
//! SECURITY: no argument can add a line or end the head. Every byte passes through the class of the place it
//! goes to, and one that may not stand there is replaced by one that may: in a value by a space (as RFC 9110
//! §5.5 tells recipients), in a method or field name by `_`, in a target by its percent-encoding. That leaves
//! nothing to check and nothing to fail; a `Result` lost, for a caller who ignored it would send half a head, and
//! leaving the line out lost, for then a field that a control relies on would go missing without a word.
//! What was decoded by this crate is written as it was, and names that are known while compiling are judged then.

use std::ops::Range;

use crate::{Digits, Field, Fields, Form, Framing, Label, Lines, octets};

/// What follows the data of each chunk.
pub const CHUNK_END: &[u8] = b"\r\n";

/// Writes one head: first line, fields, then [`Self::end`].
#[derive(Debug)]
#[must_use = "a head is complete only after `end`"]
pub struct HeadWriter<'a> {
    out: &'a mut Vec<u8>,
}

impl<'a> HeadWriter<'a> {
    /// Begins a request with `method target HTTP/1.1`.
    pub fn request(out: &'a mut Vec<u8>, method: &[u8], target: &[u8]) -> Self {
        put_token(out, method);
        out.push(b' ');
        put_target(out, target);
        out.extend_from_slice(b" HTTP/1.1\r\n");
        Self { out }
    }

    /// Begins a response with `HTTP/1.1 status reason`; an empty reason becomes the usual one of the status. A
    /// status that is no status (below 100, above 999) becomes 500.
    pub fn response(out: &'a mut Vec<u8>, status: u16, reason: &[u8]) -> Self {
        // PERF: most answers.
        if status == 200 && reason.is_empty() {
            out.extend_from_slice(b"HTTP/1.1 200 OK\r\n");
            return Self { out };
        }
        let status = if matches!(status, 100..=999) { status } else { 500 };
        out.extend_from_slice(b"HTTP/1.1 ");
        put_decimal(out, u64::from(status));
        out.push(b' ');
        match reason {
            [] => out.extend_from_slice(reason_phrase(status).as_bytes()),
            [_, ..] => put_text(out, reason),
        }
        out.extend_from_slice(b"\r\n");
        Self { out }
    }

    /// Adds a field line; one without a name is nothing and adds nothing.
    pub fn field(mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        self.add(name, value);
        self
    }

    /// Adds a field line, as [`Self::field`] does, to a writer that is kept.
    pub fn add(&mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        put_field(self.out, Field { name: name.as_ref(), value: value.as_ref() });
    }

    /// Adds a field line whose name is known while compiling.
    #[inline]
    pub fn put(&mut self, label: Label, value: &[u8]) {
        put_line(self.out, label, value);
    }

    /// Adds lines that were judged when they were written down.
    #[inline]
    pub fn lines(&mut self, lines: &Lines) {
        self.out.extend_from_slice(lines.as_bytes());
    }

    /// Adds a line of which only digits were not known while compiling.
    #[inline]
    pub fn form<const N: usize>(&mut self, form: &Form<N>) {
        self.out.extend_from_slice(form.as_bytes());
    }

    /// Adds all `fields`, those that frame the message included.
    pub fn fields(self, fields: &Fields) -> Self {
        self.fields_if(fields, |_| true)
    }

    /// Adds the `fields` that `passes` lets pass.
    // PERF: lines that stand together as they were decoded leave in one copy, and are not judged again.
    pub fn fields_if(self, fields: &Fields, passes: impl Fn(Field<'_>) -> bool) -> Self {
        let mut run = 0..0;
        for line in fields.lines() {
            if !passes(fields.field(line)) {
                continue;
            }
            match line.place() {
                Some(place) if place.start == run.end => run.end = place.end,
                Some(place) => put_run(self.out, fields, std::mem::replace(&mut run, place)),
                None => {
                    put_run(self.out, fields, std::mem::replace(&mut run, 0..0));
                    put_field(self.out, fields.field(line));
                }
            }
        }
        put_run(self.out, fields, run);
        self
    }

    /// Adds the field that announces `framing`: `content-length`, `transfer-encoding`, or none.
    pub fn framing(self, framing: Framing) -> Self {
        match framing {
            Framing::Length(length) => put_length(self.out, length),
            Framing::Chunked => self.out.extend_from_slice(b"transfer-encoding: chunked\r\n"),
            Framing::None | Framing::UntilClose => {}
        }
        self
    }

    /// Ends the head.
    pub fn end(self) {
        self.out.extend_from_slice(b"\r\n");
    }
}

/// Begins a chunk of `length` bytes; the data and [`CHUNK_END`] follow. `length` is not zero: that would end
/// the body.
pub fn chunk_head(out: &mut Vec<u8>, length: usize) {
    debug_assert!(length > 0, "an empty chunk ends the body");
    let length = length as u64;
    let zeros = (length | 1).leading_zeros() >> 2;
    out.extend_from_slice(Digits::of(length).as_bytes().get(zeros as usize..).unwrap_or_default());
    out.extend_from_slice(b"\r\n");
}

/// Ends a chunked body, with the trailer lines if there are any.
pub fn write_last_chunk(out: &mut Vec<u8>, trailers: Option<&Fields>) {
    out.extend_from_slice(b"0\r\n");
    for field in trailers.iter().flat_map(|trailers| trailers.iter()) {
        put_field(out, field);
    }
    out.extend_from_slice(b"\r\n");
}

/// The usual reason phrase of `status`; empty when it has none.
fn reason_phrase(status: u16) -> &'static str {
    match status {
        100 => "Continue",
        101 => "Switching Protocols",
        102 => "Processing",
        103 => "Early Hints",
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        203 => "Non-Authoritative Information",
        204 => "No Content",
        205 => "Reset Content",
        206 => "Partial Content",
        207 => "Multi-Status",
        208 => "Already Reported",
        226 => "IM Used",
        300 => "Multiple Choices",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        305 => "Use Proxy",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400..=499 => client_error_phrase(status),
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        506 => "Variant Also Negotiates",
        507 => "Insufficient Storage",
        508 => "Loop Detected",
        511 => "Network Authentication Required",
        _ => "",
    }
}

fn client_error_phrase(status: u16) -> &'static str {
    match status {
        400 => "Bad Request",
        401 => "Unauthorized",
        402 => "Payment Required",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        407 => "Proxy Authentication Required",
        408 => "Request Timeout",
        409 => "Conflict",
        410 => "Gone",
        411 => "Length Required",
        412 => "Precondition Failed",
        413 => "Content Too Large",
        414 => "URI Too Long",
        415 => "Unsupported Media Type",
        416 => "Range Not Satisfiable",
        417 => "Expectation Failed",
        421 => "Misdirected Request",
        422 => "Unprocessable Content",
        423 => "Locked",
        424 => "Failed Dependency",
        425 => "Too Early",
        426 => "Upgrade Required",
        428 => "Precondition Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        451 => "Unavailable For Legal Reasons",
        _ => "",
    }
}

#[inline]
pub(crate) fn put_line(out: &mut Vec<u8>, label: Label, value: &[u8]) {
    out.extend_from_slice(label.as_bytes());
    put_text(out, value);
    out.extend_from_slice(b"\r\n");
}

/// Lines that stand together.
#[inline]
fn put_run(out: &mut Vec<u8>, fields: &Fields, run: Range<usize>) {
    if !run.is_empty() {
        out.extend_from_slice(fields.text(run));
    }
}

fn put_field(out: &mut Vec<u8>, field: Field<'_>) {
    if field.name.is_empty() {
        return;
    }
    // One reservation for the line; growing by doubling makes the rest free.
    out.reserve(field.name.len().saturating_add(field.value.len()).saturating_add(4));
    put_token(out, field.name);
    out.extend_from_slice(b": ");
    put_text(out, field.value);
    out.extend_from_slice(b"\r\n");
}

fn put_text(out: &mut Vec<u8>, text: &[u8]) {
    if octets::is_plain_text(text) {
        out.extend_from_slice(text);
    } else {
        out.extend(text.iter().map(|&byte| if octets::is_text_byte(byte) { byte } else { b' ' }));
    }
}

fn put_token(out: &mut Vec<u8>, token: &[u8]) {
    match token {
        [] => out.push(b'_'),
        _ if octets::is_token(token) => out.extend_from_slice(token),
        _ => out.extend(token.iter().map(|&byte| if octets::is_token_byte(byte) { byte } else { b'_' })),
    }
}

fn put_target(out: &mut Vec<u8>, target: &[u8]) {
    match target {
        [] => out.push(b'/'),
        _ if octets::is_target(target) => out.extend_from_slice(target),
        _ => {
            for &byte in target {
                match octets::is_target_byte(byte) {
                    true => out.push(byte),
                    false => put_percent(out, byte),
                }
            }
        }
    }
}

fn put_percent(out: &mut Vec<u8>, byte: u8) {
    out.push(b'%');
    for nibble in [byte >> 4, byte & 15] {
        let digit = char::from_digit(u32::from(nibble), 16).unwrap_or('0');
        out.push(digit.to_ascii_uppercase() as u8);
    }
}

/// `content-length`.
// PERF: in one copy. The number is spelt from its end, and the name is put before it where it begins.
fn put_length(out: &mut Vec<u8>, length: u64) {
    const NAME: &[u8; 16] = b"content-length: ";
    const DIGITS_MAX: usize = 20;
    let mut line = *b"content-length: 00000000000000000000\r\n";
    let (_, digits) = line.split_at_mut(NAME.len());
    let count = spell_decimal(digits.get_mut(..DIGITS_MAX).unwrap_or_default(), length);
    let from = DIGITS_MAX.saturating_sub(count);
    let line = line.get_mut(from..).unwrap_or_default();
    if let Some(name) = line.first_chunk_mut() {
        *name = *NAME;
    }
    out.extend_from_slice(line);
}

fn put_decimal(out: &mut Vec<u8>, number: u64) {
    let mut digits = [0; 20];
    let count = spell_decimal(&mut digits, number);
    out.extend_from_slice(digits.get(digits.len().saturating_sub(count)..).unwrap_or_default());
}

/// Spells `number` at the end of `digits`; how many digits it has.
#[inline]
fn spell_decimal(digits: &mut [u8], number: u64) -> usize {
    let mut rest = number;
    let mut count: usize = 0;
    for digit in digits.iter_mut().rev() {
        *digit = b'0'.wrapping_add((rest % 10) as u8);
        count = count.saturating_add(1);
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    count
}

#[cfg(test)]
mod tests;
