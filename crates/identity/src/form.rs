//! Forms (WHATWG URL §5.1): how the names and values of a query are spelled.

use std::borrow::Cow;

/// A name or value of a form: percent-encoded, `+` for a space. A stray percent sign stands for itself.
pub fn decoded(text: &str) -> Cow<'_, [u8]> {
    if !text.bytes().any(|byte| matches!(byte, b'%' | b'+')) {
        return Cow::Borrowed(text.as_bytes());
    }
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let escaped = match after {
            [high, low, after @ ..] if *first == b'%' => octet(*high, *low).map(|byte| (byte, after)),
            _ => None,
        };
        let byte = if *first == b'+' { b' ' } else { *first };
        let (byte, after) = escaped.unwrap_or((byte, after));
        out.push(byte);
        rest = after;
    }
    Cow::Owned(out)
}

/// The byte that two hexadecimal digits stand for.
fn octet(high: u8, low: u8) -> Option<u8> {
    let digit = |byte| char::from(byte).to_digit(16);
    let value = digit(high)?.checked_mul(16)?.checked_add(digit(low)?)?;
    u8::try_from(value).ok()
}
