//! A piece of text as it was meant: percent-decoded once, or as it stands.

use super::Wrong;

/// How a place spells text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    /// `application/x-www-form-urlencoded` (WHATWG URL §5.1): `+` is a space, the rest is percent-encoded. Queries too.
    Form,
    /// Percent-encoded (RFC 3986 §2.1), as in a path.
    Percent,
    /// As it stands.
    Plain,
}

/// What `raw` spells. What needs no decoding is not copied; else it stands in `scratch`, whose content is lost.
///
/// # Errors
/// [`Wrong::Encoding`] for an escape that is none, for what is no UTF-8, and for NUL, which ends a string for some readers.
pub fn decode<'b>(raw: &'b str, coding: Coding, scratch: &'b mut Vec<u8>) -> Result<&'b str, Wrong> {
    let is_special = |byte: u8| match byte {
        0 => true,
        b'%' => coding != Coding::Plain,
        b'+' => coding == Coding::Form,
        _ => false,
    };
    let Some(first) = raw.bytes().position(is_special) else { return Ok(raw) };
    if coding == Coding::Plain {
        return Err(Wrong::Encoding);
    }
    let (plain, rest) = raw.as_bytes().split_at_checked(first).ok_or(Wrong::Encoding)?;
    scratch.clear();
    scratch.reserve(raw.len());
    scratch.extend_from_slice(plain);
    let mut rest = rest.iter().copied();
    while let Some(byte) = rest.next() {
        scratch.push(match byte {
            b'%' => octet(rest.next(), rest.next())?,
            b'+' if coding == Coding::Form => b' ',
            0 => return Err(Wrong::Encoding),
            other => other,
        });
    }
    std::str::from_utf8(scratch).map_err(|_| Wrong::Encoding)
}

fn octet(high: Option<u8>, low: Option<u8>) -> Result<u8, Wrong> {
    let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
    let octet = digit(high)
        .zip(digit(low))
        .and_then(|(high, low)| u8::try_from(high.checked_mul(16)?.checked_add(low)?).ok());
    octet.filter(|octet| *octet != 0).ok_or(Wrong::Encoding)
}
