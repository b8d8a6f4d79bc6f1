//! Which bytes may stand where: token, request target, field text.
//!
//! One table of 256 and, for field values, eight bytes at a time: values are most of a head and hold almost
//! nothing but plain text. `memchr` lost here: it finds the line end but says nothing of the controls before
//! it, so values would be read twice.

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
    is_all(bytes, TOKEN)
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
pub(crate) fn token_end(bytes: &[u8], from: usize) -> usize {
    end_of(bytes, from, TOKEN)
}

/// Index of the first byte at or after `from` that may not stand in a target.
pub(crate) fn target_end(bytes: &[u8], from: usize) -> usize {
    end_of(bytes, from, TARGET)
}

/// Index of the first byte at or after `from` that may not stand in a field value.
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
fn controls_in(word: u64) -> u64 {
    const ONES: u64 = u64::from_le_bytes([0x01; 8]);
    const HIGHS: u64 = u64::from_le_bytes([0x80; 8]);
    const SPACES: u64 = u64::from_le_bytes([0x20; 8]);
    const DELETES: u64 = u64::from_le_bytes([0x7f; 8]);
    let unlike_delete = word ^ DELETES;
    let below_space = word.wrapping_sub(SPACES) & !word;
    let delete = unlike_delete.wrapping_sub(ONES) & !unlike_delete;
    (below_space | delete) & HIGHS
}

// Looks at every byte whatever came before, so that the loop has one branch in eight bytes.
fn is_all(bytes: &[u8], class: u8) -> bool {
    bytes.iter().fold(class, |all, &byte| all & classes_of(byte)) != 0
}

fn end_of(bytes: &[u8], from: usize, class: u8) -> usize {
    let rest = bytes.get(from..).unwrap_or_default();
    let run = rest.iter().position(|&byte| !is(byte, class)).unwrap_or(rest.len());
    from.saturating_add(run)
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
