//! Chunked bodies: cut into reads in any way they are the same body; complete exactly when a naive reader of the
//! grammar says so; written and read again they are the same.

use bytes::BytesMut;
use portcullis_http1::{
    BodyBounds, BodyDecoder, CHUNK_END, Event, Fields, Framing, Refusal, chunk_head, write_last_chunk,
};

const SMALL: BodyBounds =
    BodyBounds { chunk_line_bytes: 40, overhead_bytes: 60, trailer_bytes: 40, trailers: 2 };
const ROOMY: BodyBounds = BodyBounds {
    chunk_line_bytes: usize::MAX,
    overhead_bytes: usize::MAX,
    trailer_bytes: usize::MAX,
    trailers: usize::MAX,
};

/// What a body says, and how many bytes it took.
#[derive(Clone, Debug, PartialEq)]
struct Reading {
    data: Vec<u8>,
    trailers: Fields,
    taken: usize,
}

/// Panics when `data` breaks a promise.
pub(crate) fn check(data: &[u8]) {
    let reading = in_any_reads(data, &ROOMY);
    assert_eq!(reading.clone().ok(), naive(data));
    for bounds in [BodyBounds::default(), SMALL] {
        // Tighter bounds refuse more and read nothing differently.
        if let Ok(bounded) = in_any_reads(data, &bounds) {
            assert!(bounded.trailers.len() <= bounds.trailers);
            assert_eq!(reading, Ok(bounded));
        }
    }
    if let Ok(reading) = reading {
        survives_rewriting(&reading);
    }
}

fn in_any_reads(data: &[u8], bounds: &BodyBounds) -> Result<Reading, Refusal> {
    let at_once = in_reads_of(data, usize::MAX, bounds);
    for step in [1, 2, 5] {
        assert_eq!(in_reads_of(data, step, bounds), at_once, "in reads of {step}");
    }
    at_once.1
}

/// The data handed out in any case, and the whole reading or why there is none.
fn in_reads_of(data: &[u8], step: usize, bounds: &BodyBounds) -> (Vec<u8>, Result<Reading, Refusal>) {
    let mut decoder = BodyDecoder::new(Framing::Chunked, bounds);
    let mut body = Vec::new();
    let mut trailers = Fields::new();
    let mut buf = BytesMut::new();
    let mut fed = 0;
    loop {
        match decoder.decode(&mut buf) {
            Ok(Event::More) if fed < data.len() => {
                let end = data.len().min(step.saturating_add(fed));
                buf.extend_from_slice(&data[fed..end]);
                fed = end;
            }
            Ok(Event::More) => {
                assert!(!decoder.is_done());
                assert_eq!(decoder.finish(), Err(Refusal::Truncated));
                return (body, Err(Refusal::Truncated));
            }
            Ok(Event::Data(piece)) => {
                assert!(!piece.is_empty());
                body.extend_from_slice(&piece);
            }
            Ok(Event::Trailers(lines)) => {
                assert!(trailers.is_empty() && !lines.is_empty());
                trailers = lines;
            }
            Ok(Event::End) => {
                assert!(decoder.is_done());
                let taken = fed - buf.len();
                return (body.clone(), Ok(Reading { data: body, trailers, taken }));
            }
            Err(refusal) => {
                let mut tail = BytesMut::from(&b"\r\n0\r\n\r\n"[..]);
                assert_eq!(decoder.decode(&mut tail), Err(refusal), "a refusal is final");
                return (body, Err(refusal));
            }
        }
    }
}

fn survives_rewriting(reading: &Reading) {
    let mut out = Vec::new();
    for piece in reading.data.chunks(11) {
        chunk_head(&mut out, piece.len());
        out.extend_from_slice(piece);
        out.extend_from_slice(CHUNK_END);
    }
    write_last_chunk(&mut out, Some(&reading.trailers));
    let expected = Reading { taken: out.len(), ..reading.clone() };
    assert_eq!(in_reads_of(&out, usize::MAX, &ROOMY).1, Ok(expected));
}

/// Reads a complete chunked body by the letter of RFC 9112 §7.1, with no thought of speed or of reads.
fn naive(data: &[u8]) -> Option<Reading> {
    let mut rest = data;
    let mut body = Vec::new();
    loop {
        let (line, after) = naive_line(rest)?;
        let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
        if !(1..=16).contains(&digits) || !is_naive_extensions(&line[digits..]) {
            return None;
        }
        let size = u64::from_str_radix(std::str::from_utf8(&line[..digits]).ok()?, 16).ok()?;
        rest = after;
        if size == 0 {
            break;
        }
        let (piece, after) = rest.split_at_checked(usize::try_from(size).ok()?)?;
        body.extend_from_slice(piece);
        rest = after.strip_prefix(b"\r\n")?;
    }
    let mut trailers = Fields::new();
    loop {
        let (line, after) = naive_line(rest)?;
        rest = after;
        if line.is_empty() {
            return Some(Reading { data: body, trailers, taken: data.len() - rest.len() });
        }
        let colon = line.iter().position(|&byte| byte == b':')?;
        let (name, value) = (&line[..colon], &line[colon + 1..]);
        if name.is_empty() || !name.iter().all(is_naive_tchar) || !value.iter().all(is_naive_text) {
            return None;
        }
        trailers.push(name, without_blanks(without_blanks(value, false), true));
    }
}

fn naive_line(data: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = data.windows(2).position(|pair| pair == b"\r\n")?;
    Some((&data[..end], &data[end + 2..]))
}

/// `*( BWS ";" BWS chunk-ext-name [ BWS "=" BWS chunk-ext-val ] )`
fn is_naive_extensions(mut text: &[u8]) -> bool {
    while !text.is_empty() {
        let Some(after) = without_blanks(text, false).strip_prefix(b";") else { return false };
        let Some(after_name) = naive_token(without_blanks(after, false)) else { return false };
        text = match without_blanks(after_name, false).strip_prefix(b"=") {
            None => after_name,
            Some(value) => {
                let value = without_blanks(value, false);
                let Some(after_value) = naive_token(value).or_else(|| naive_quoted(value)) else {
                    return false;
                };
                after_value
            }
        };
    }
    true
}

/// What follows a token.
fn naive_token(text: &[u8]) -> Option<&[u8]> {
    let length = text.iter().take_while(|byte| is_naive_tchar(byte)).count();
    (length > 0).then(|| &text[length..])
}

/// What follows a quoted string.
fn naive_quoted(text: &[u8]) -> Option<&[u8]> {
    let mut rest = text.strip_prefix(b"\"")?;
    loop {
        match rest {
            [b'"', after @ ..] => return Some(after),
            [b'\\', escaped, after @ ..] if is_naive_text(escaped) => rest = after,
            [byte, after @ ..] if *byte != b'\\' && is_naive_text(byte) => rest = after,
            _ => return None,
        }
    }
}

fn is_naive_tchar(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte)
}

fn is_naive_text(byte: &u8) -> bool {
    *byte == b'\t' || (0x20..0x7f).contains(byte) || *byte >= 0x80
}

fn without_blanks(text: &[u8], at_end: bool) -> &[u8] {
    let is_blank = |byte: &&u8| matches!(**byte, b' ' | b'\t');
    if at_end {
        let blanks = text.iter().rev().take_while(is_blank).count();
        &text[..text.len() - blanks]
    } else {
        &text[text.iter().take_while(is_blank).count()..]
    }
}
