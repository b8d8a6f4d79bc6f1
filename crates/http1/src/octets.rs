//! Which bytes may stand where: token, request target, field text.
//!
//! One table of 256 and, where a head is long, eight bytes at a time: values hold almost nothing but plain text,
//! names almost nothing but letters and hyphens. `memchr` lost here: it finds the line end but says nothing of the
//! controls before it, so values would be read twice.

/// What a byte may be part of.
const TOKEN: u8 = 1;
const TARGET: u8 = 2;
const TEXT: u8 = 4;

static CLASSES: [u8; 256] = classes();

/// Whether `byte` is a `tchar` (RFC 9110 §5.6.2).
pub(crate) fn is_token(byte: u8) -> bool {
    is(byte, TOKEN)
}

/// Whether `byte` may stand in a field value or reason phrase: HTAB, SP, VCHAR, obs-text (RFC 9110 §5.5).
pub(crate) fn is_text(byte: u8) -> bool {
    is(byte, TEXT)
}

/// Whether `byte` may stand in a request target: visible ASCII without `#`, for fragments are never sent.
pub(crate) fn is_target(byte: u8) -> bool {
    is(byte, TARGET)
}

/// Whether every byte is a token character.
pub(crate) fn is_all_token(bytes: &[u8]) -> bool {
    let has_letters_last =
        bytes.last_chunk().is_some_and(|last| letters_in(u64::from_le_bytes(*last)) == HIGHS);
    // What is left behind the last whole word lies in the last eight bytes.
    (has_letters_last && bytes.len().saturating_sub(word_end(bytes, 0)) < 8)
        || bytes.iter().fold(true, |all, &byte| all & is_token(byte))
}

/// Whether both are the same but for the case of letters.
// PERF: lengths differ mostly, which costs no call; where they agree, eight bytes at a time.
#[inline]
pub(crate) fn is_same(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len() && is_same_text(one, other)
}

fn is_same_text(one: &[u8], other: &[u8]) -> bool {
    let ((words, _), (others, _)) = (one.as_chunks::<8>(), other.as_chunks::<8>());
    let is_same =
        |one: &[u8; 8], other: &[u8; 8]| small(u64::from_le_bytes(*one)) == small(u64::from_le_bytes(*other));
    match (one.last_chunk(), other.last_chunk()) {
        (Some(last), Some(other_last)) => {
            is_same(last, other_last) && words.iter().zip(others).all(|(word, other)| is_same(word, other))
        }
        _ => one.eq_ignore_ascii_case(other),
    }
}

/// Makes small letters of capitals, and changes no other byte.
#[inline]
fn small(word: u64) -> u64 {
    let low = word & !HIGHS;
    let capital =
        low.wrapping_add(eight(0x80 - b'A')) & !low.wrapping_add(eight(0x7f - b'Z')) & !word & HIGHS;
    word | (capital >> 2)
}

/// Whether every byte may stand in a target.
pub(crate) fn is_all_target(bytes: &[u8]) -> bool {
    is_all(bytes, TARGET)
}

/// Whether every byte may stand in a field value and none is HTAB: so says one pass without a branch.
pub(crate) fn is_plain_text(bytes: &[u8]) -> bool {
    let (words, tail) = bytes.as_chunks::<8>();
    let controls = |seen: u64, word: u64| seen | controls_in(word);
    let seen = words.iter().fold(0, |seen, word| controls(seen, u64::from_le_bytes(*word)));
    let seen = match (words, bytes.last_chunk::<8>()) {
        // The last eight bytes overlap a word that was seen.
        ([_, ..], Some(last)) if !tail.is_empty() => controls(seen, u64::from_le_bytes(*last)),
        ([_, ..], _) => seen,
        ([], _) => {
            let mut word = [b' '; 8];
            word.iter_mut().zip(tail).for_each(|(place, byte)| *place = *byte);
            controls(seen, u64::from_le_bytes(word))
        }
    };
    seen == 0
}

/// Index of the first byte at or after `from` that is no token character; the length when there is none.
#[inline]
pub(crate) fn token_end(bytes: &[u8], from: usize) -> usize {
    let mut at = from;
    loop {
        at = word_end(bytes, at);
        match bytes.get(at) {
            Some(&byte) if is_token(byte) => at = at.saturating_add(1),
            _ => return at,
        }
    }
}

/// Index of the first byte at or after `from` that is neither a letter nor a hyphen, or that fewer than eight follow.
#[inline]
fn word_end(bytes: &[u8], from: usize) -> usize {
    let (words, _) = bytes.get(from..).unwrap_or_default().as_chunks::<8>();
    let mut at = from;
    for word in words {
        let others = HIGHS & !letters_in(u64::from_le_bytes(*word));
        if others != 0 {
            return at.saturating_add((others.trailing_zeros() >> 3) as usize);
        }
        at = at.saturating_add(8);
    }
    at
}

/// Sets the high bit of each byte that is a letter or a hyphen.
#[inline]
fn letters_in(word: u64) -> u64 {
    // No sum carries into the next byte: seven bits and less than 0x80 are less than 0x100.
    let small = (word | eight(0x20)) & !HIGHS;
    let letter = small.wrapping_add(eight(0x80 - b'a')) & !small.wrapping_add(eight(0x7f - b'z'));
    let unlike_hyphen = (word & !HIGHS) ^ eight(b'-');
    let hyphen = !unlike_hyphen.wrapping_add(eight(0x7f));
    (letter | hyphen) & !word
}

/// Index of the first byte at or after `from` that may not stand in a target.
pub(crate) fn target_end(bytes: &[u8], from: usize) -> usize {
    let rest = bytes.get(from..).unwrap_or_default();
    let run = rest.iter().position(|&byte| !is_target(byte)).unwrap_or(rest.len());
    from.saturating_add(run)
}

/// Index of the first byte at or after `from` that may not stand in a field value.
#[inline]
pub(crate) fn text_end(bytes: &[u8], from: usize) -> usize {
    let mut at = from;
    loop {
        at = plain_end(bytes, at);
        if bytes.get(at) != Some(&b'\t') {
            return at;
        }
        at = at.saturating_add(1);
    }
}

/// Index of the first control character, HTAB included, at or after `from`.
#[inline]
fn plain_end(bytes: &[u8], from: usize) -> usize {
    let rest = bytes.get(from..).unwrap_or_default();
    let (words, tail) = rest.as_chunks::<8>();
    let mut at = from;
    for word in words {
        let controls = controls_in(u64::from_le_bytes(*word));
        if controls != 0 {
            return at.saturating_add((controls.trailing_zeros() >> 3) as usize);
        }
        at = at.saturating_add(8);
    }
    let plain = tail.iter().take_while(|&&byte| byte >= 0x20 && byte != 0x7f).count();
    at.saturating_add(plain)
}

/// Sets the high bit of the first byte that is below 0x20 or 0x7f; bits above that one may be wrong.
#[inline]
fn controls_in(word: u64) -> u64 {
    let unlike_delete = word ^ eight(0x7f);
    let below_space = word.wrapping_sub(eight(0x20)) & !word;
    let delete = unlike_delete.wrapping_sub(eight(0x01)) & !unlike_delete;
    (below_space | delete) & HIGHS
}

const HIGHS: u64 = eight(0x80);

/// The same byte eight times.
#[inline]
const fn eight(byte: u8) -> u64 {
    u64::from_le_bytes([byte; 8])
}

// Looks at every byte whatever came before, so that the loop has one branch in eight bytes.
fn is_all(bytes: &[u8], class: u8) -> bool {
    bytes.iter().fold(class, |all, &byte| all & classes_of(byte)) != 0
}

fn is(byte: u8, class: u8) -> bool {
    classes_of(byte) & class != 0
}

#[expect(clippy::indexing_slicing, reason = "a byte always lies in a table of 256")]
fn classes_of(byte: u8) -> u8 {
    CLASSES[byte as usize]
}

#[expect(clippy::indexing_slicing, clippy::arithmetic_side_effects, reason = "evaluated at compile time")]
const fn classes() -> [u8; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let octet = byte as u8;
        if octet == b'\t' || (octet >= 0x20 && octet != 0x7f) {
            table[byte] |= TEXT;
        }
        if octet > 0x20 && octet < 0x7f && octet != b'#' {
            table[byte] |= TARGET;
        }
        let mark = matches!(
            octet,
            b'!' | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'+'
                | b'-'
                | b'.'
                | b'^'
                | b'_'
                | b'`'
                | b'|'
                | b'~'
        );
        if mark || octet.is_ascii_alphanumeric() {
            table[byte] |= TOKEN;
        }
        byte += 1;
    }
    table
}

#[cfg(test)]
mod tests;
