//! The grammar of RFC 8259 below its values: numbers, and what strings are made of. Whoever reads JSON here, a body or a
//! document, goes by this one reading of it. An error has the offset of the byte to blame.

use super::fault::Reason;

/// A number at the beginning of some bytes.
pub(crate) struct Scanned {
    pub(crate) len: usize,
    /// Those of its exponent among them.
    pub(super) digits: usize,
    pub(super) has_exponent: bool,
}

const ONES: u64 = u64::from_ne_bytes([0x01; 8]);
const HIGHS: u64 = u64::from_ne_bytes([0x80; 8]);
const QUOTES: u64 = u64::from_ne_bytes([b'"'; 8]);
const BACKSLASHES: u64 = u64::from_ne_bytes([b'\\'; 8]);
const SPACES: u64 = u64::from_ne_bytes([b' '; 8]);

/// How many bytes stand before the first quote, backslash or control character; all of them if there is none.
#[inline]
pub(crate) fn plain(bytes: &[u8]) -> usize {
    // PERF: eight bytes at a time, which most names and words end within; what is longer than that goes by 32.
    let (short, long) = bytes.split_at_checked(SHORT_BYTES).unwrap_or((bytes, &[]));
    let done = by_words(short);
    if done < SHORT_BYTES || long.is_empty() { done } else { done.wrapping_add(plain_long(long)) }
}

/// A text with more bytes than these is long.
const SHORT_BYTES: usize = 24;

fn plain_long(bytes: &[u8]) -> usize {
    let (blocks, _) = bytes.as_chunks::<32>();
    // PERF: without a branch for each byte, so that the compiler looks at many at once.
    let is_plain = |block: &&[u8; 32]| {
        !block.iter().fold(false, |hit, byte| hit | (*byte == b'"') | (*byte == b'\\') | (*byte < b' '))
    };
    let clean = blocks.iter().take_while(is_plain).count().wrapping_mul(32);
    clean.wrapping_add(by_words(bytes.get(clean..).unwrap_or_default()))
}

#[inline]
fn by_words(bytes: &[u8]) -> usize {
    let mut done = 0_usize;
    let (words, rest) = bytes.as_chunks::<8>();
    for word in words {
        // A borrow marks bytes wrongly only above a true hit, and the lowest counts.
        let word = u64::from_le_bytes(*word);
        let hits =
            zeros(word ^ QUOTES) | zeros(word ^ BACKSLASHES) | (word.wrapping_sub(SPACES) & !word & HIGHS);
        if hits != 0 {
            let byte = usize::try_from(hits.trailing_zeros() >> 3).unwrap_or_default();
            return done.wrapping_add(byte);
        }
        done = done.wrapping_add(8);
    }
    let tail = rest.iter().take_while(|byte| !matches!(byte, b'"' | b'\\' | 0..0x20)).count();
    done.wrapping_add(tail)
}

/// A high bit at the lowest byte that is zero.
fn zeros(word: u64) -> u64 {
    word.wrapping_sub(ONES) & !word & HIGHS
}

/// RFC 8259 §6.
pub(crate) fn number(bytes: &[u8]) -> Result<Scanned, (Reason, usize)> {
    let next = |at: usize| bytes.get(at).copied();
    let run = |from: usize| {
        bytes.get(from..).unwrap_or_default().iter().take_while(|byte| byte.is_ascii_digit()).count()
    };
    let mut at = usize::from(next(0) == Some(b'-'));
    let whole = run(at);
    if whole == 0 {
        return Err((Reason::Syntax("expected a digit after `-`"), at));
    }
    if whole > 1 && next(at) == Some(b'0') {
        return Err((Reason::Syntax("a number does not begin with 0"), at));
    }
    at = at.saturating_add(whole);
    let mut digits = whole;
    if next(at) == Some(b'.') {
        let fraction = run(at.saturating_add(1));
        if fraction == 0 {
            return Err((Reason::Syntax("expected a digit after `.`"), at.saturating_add(1)));
        }
        at = at.saturating_add(1).saturating_add(fraction);
        digits = digits.saturating_add(fraction);
    }
    let has_exponent = matches!(next(at), Some(b'e' | b'E'));
    if has_exponent {
        at = at.saturating_add(1);
        at = at.saturating_add(usize::from(matches!(next(at), Some(b'+' | b'-'))));
        let exponent = run(at);
        if exponent == 0 {
            return Err((Reason::Syntax("expected a digit in the exponent"), at));
        }
        at = at.saturating_add(exponent);
        digits = digits.saturating_add(exponent);
    }
    Ok(Scanned { len: at, digits, has_exponent })
}

/// RFC 8259 §7: the character that the escape at the beginning of `text` means, and the escape's length.
pub(crate) fn escape(text: &str) -> Result<(char, usize), (Reason, usize)> {
    let c = match text.as_bytes().get(1) {
        Some(c @ (b'"' | b'\\' | b'/')) => char::from(*c),
        Some(b'b') => '\u{8}',
        Some(b'f') => '\u{c}',
        Some(b'n') => '\n',
        Some(b'r') => '\r',
        Some(b't') => '\t',
        Some(b'u') => return unicode_escape(text),
        _ => return Err((Reason::Syntax("no such escape in a string"), 1)),
    };
    Ok((c, 2))
}

/// A pair of surrogates is one character, a lone one is none.
fn unicode_escape(text: &str) -> Result<(char, usize), (Reason, usize)> {
    let unit = hex4(text, 2)?;
    if !(0xD800..=0xDBFF).contains(&unit) {
        return char::from_u32(unit).map(|c| (c, 6)).ok_or((Reason::Surrogate, 6));
    }
    if text.get(6..8) != Some("\\u") {
        return Err((Reason::Surrogate, 6));
    }
    let low = hex4(text, 8)?;
    if !(0xDC00..=0xDFFF).contains(&low) {
        return Err((Reason::Surrogate, 12));
    }
    let scalar = ((unit & 0x3FF) << 10 | (low & 0x3FF)).saturating_add(0x1_0000);
    char::from_u32(scalar).map(|c| (c, 12)).ok_or((Reason::Surrogate, 12))
}

fn hex4(text: &str, at: usize) -> Result<u32, (Reason, usize)> {
    text.get(at..at.saturating_add(4))
        .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
        .and_then(|digits| u32::from_str_radix(digits, 16).ok())
        .ok_or((Reason::Syntax("expected four hexadecimal digits after `\\u`"), at))
}
