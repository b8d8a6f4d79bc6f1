//! Base64 as tokens, keys and fields use it: one spelling for each value, everything else refused.
//!
//! Lenient readers take padding where there is none, the other alphabet, line ends, or bits that are left over. Then one
//! token has many spellings, and whoever remembers tokens by their text (caches, replay windows, revocation) is fooled.

const URL: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const STANDARD: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const URL_VALUES: [u8; 256] = values(URL);
const STANDARD_VALUES: [u8; 256] = values(STANDARD);
const NO_VALUE: u8 = 0xff;

/// Decodes the URL-safe alphabet without padding (RFC 7515 §2). `None` for any other spelling.
pub fn decode_url(text: &[u8]) -> Option<Vec<u8>> {
    decode(text, &URL_VALUES)
}

/// The same onto the end of `bytes`, which is left longer by who knows what when the answer is `None`.
pub(crate) fn decode_url_onto(text: &[u8], bytes: &mut Vec<u8>) -> Option<()> {
    decode_onto(text, &URL_VALUES, bytes)
}

/// Decodes the standard alphabet with padding (RFC 4648 §4). `None` for any other spelling.
pub fn decode_standard(text: &[u8]) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(4) {
        return None;
    }
    let bare = match text {
        [bare @ .., b'=', b'='] | [bare @ .., b'='] => bare,
        bare => bare,
    };
    decode(bare, &STANDARD_VALUES)
}

/// Encodes with the URL-safe alphabet without padding.
pub fn encode_url(bytes: &[u8]) -> String {
    encode(bytes, URL)
}

/// Encodes with the standard alphabet and padding.
pub fn encode_standard(bytes: &[u8]) -> String {
    let mut text = encode(bytes, STANDARD);
    while !text.len().is_multiple_of(4) {
        text.push('=');
    }
    text
}

fn decode(text: &[u8], values: &[u8; 256]) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    decode_onto(text, values, &mut bytes)?;
    Some(bytes)
}

fn decode_onto(text: &[u8], values: &[u8; 256], bytes: &mut Vec<u8>) -> Option<()> {
    let value = |byte: u8| values.get(usize::from(byte)).copied().unwrap_or(NO_VALUE);
    let (whole, rest) = text.as_chunks::<4>();
    let begin = bytes.len();
    let end = begin.saturating_add(whole.len().saturating_mul(3));
    // PERF: at once, so that nothing is copied for the last two.
    bytes.reserve(end.saturating_sub(begin).saturating_add(2));
    bytes.resize(end, 0);
    // PERF: what is no digit is noted and asked about once, not at each of them.
    let mut all = 0;
    let threes = bytes.get_mut(begin..).unwrap_or_default().as_chunks_mut::<3>().0;
    for ([a, b, c, d], three) in whole.iter().zip(threes) {
        let [a, b, c, d] = [value(*a), value(*b), value(*c), value(*d)];
        all |= a | b | c | d;
        let word = (u32::from(a) << 18) | (u32::from(b) << 12) | (u32::from(c) << 6) | u32::from(d);
        let [_, first, second, third] = word.to_be_bytes();
        *three = [first, second, third];
    }
    if all > 63 {
        return None;
    }
    // SECURITY: bits that are left over must be zero, or one value has several spellings.
    match *rest {
        [] => {}
        [a, b] => {
            let (a, b) = (value(a), value(b));
            if (a | b) > 63 || b & 0x0f != 0 {
                return None;
            }
            bytes.push((a << 2) | (b >> 4));
        }
        [a, b, c] => {
            let (a, b, c) = (value(a), value(b), value(c));
            if (a | b | c) > 63 || c & 0x03 != 0 {
                return None;
            }
            bytes.extend_from_slice(&[(a << 2) | (b >> 4), (b << 4) | (c >> 2)]);
        }
        _ => return None,
    }
    Some(())
}

fn encode(bytes: &[u8], alphabet: &[u8; 64]) -> String {
    let digit = |value: u8| alphabet.get(usize::from(value & 0x3f)).map_or('A', |byte| char::from(*byte));
    let mut text = String::with_capacity(bytes.len().div_ceil(3).saturating_mul(4));
    for chunk in bytes.chunks(3) {
        match *chunk {
            [a, b, c] => {
                text.extend([
                    digit(a >> 2),
                    digit((a << 4) | (b >> 4)),
                    digit((b << 2) | (c >> 6)),
                    digit(c),
                ]);
            }
            [a, b] => text.extend([digit(a >> 2), digit((a << 4) | (b >> 4)), digit(b << 2)]),
            [a] => text.extend([digit(a >> 2), digit(a << 4)]),
            _ => {}
        }
    }
    text
}

#[expect(clippy::indexing_slicing, clippy::arithmetic_side_effects, reason = "computed by the compiler")]
const fn values(alphabet: &[u8; 64]) -> [u8; 256] {
    let mut values = [NO_VALUE; 256];
    let mut at = 0;
    while at < 64 {
        values[alphabet[at as usize] as usize] = at;
        at += 1;
    }
    values
}

#[cfg(test)]
mod tests;
