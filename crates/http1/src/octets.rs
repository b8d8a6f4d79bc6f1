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
pub(crate) fn is_token_byte(byte: u8) -> bool {
    is(byte, TOKEN)
}

/// Whether `byte` may stand in a field value or reason phrase: HTAB, SP, VCHAR, obs-text (RFC 9110 §5.5).
pub(crate) fn is_text_byte(byte: u8) -> bool {
    is(byte, TEXT)
}

/// Whether `byte` may stand in a request target: visible ASCII without `#`, for fragments are never sent.
pub(crate) fn is_target_byte(byte: u8) -> bool {
    is(byte, TARGET)
}

/// Whether every byte is a token character (RFC 9110 §5.6.2).
pub fn is_token(bytes: &[u8]) -> bool {
    let has_letters_last =
        bytes.last_chunk().is_some_and(|last| letters_in(u64::from_le_bytes(*last)) == HIGHS);
    // What is left behind the last whole word lies in the last eight bytes.
    (has_letters_last && bytes.len().saturating_sub(word_run(bytes)) < 8)
        || bytes.iter().fold(true, |all, &byte| all & is_token_byte(byte))
}

/// Whether that is a field name, asked while compiling.
pub(crate) const fn is_name(bytes: &[u8]) -> bool {
    let mut rest = bytes;
    while let [byte, after @ ..] = rest {
        if !matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-') {
            return false;
        }
        rest = after;
    }
    !bytes.is_empty()
}

/// The name of that one field line, if it is one with its line end; asked while compiling.
pub(crate) const fn name_of_line(bytes: &[u8]) -> Option<&[u8]> {
    let [line @ .., b'\r', b'\n'] = bytes else { return None };
    let mut name = 0;
    while let Some((before, rest @ [_, ..])) = line.split_at_checked(name) {
        if let [b':', after @ ..] = rest {
            let is_line = is_name(before) && matches!(after, [b' ', ..]) && is_value(after);
            return if is_line { Some(before) } else { None };
        }
        name = name.saturating_add(1);
    }
    None
}

/// Whether these are field lines with their line ends, asked while compiling.
pub(crate) const fn are_lines(bytes: &[u8]) -> bool {
    let (mut rest, mut end) = (bytes, 0_usize);
    while let Some((line, after)) = rest.split_at_checked(end) {
        end = end.saturating_add(1);
        if let [.., b'\n'] = line {
            if name_of_line(line).is_none() {
                return false;
            }
            (rest, end) = (after, 0);
        }
    }
    rest.is_empty() && !bytes.is_empty()
}

/// Whether there is no control in it, asked while compiling.
const fn is_value(bytes: &[u8]) -> bool {
    let mut rest = bytes;
    while let [byte, after @ ..] = rest {
        if matches!(byte, 0..=0x1f | 0x7f) {
            return false;
        }
        rest = after;
    }
    true
}

/// Whether both are the same but for the case of letters.
// PERF: lengths differ mostly, which costs no call; where they agree, eight bytes at a time.
#[inline]
pub fn is_same(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len() && is_same_text(one, other)
}

pub(crate) fn is_same_text(one: &[u8], other: &[u8]) -> bool {
    let ((words, _), (others, _)) = (one.as_chunks::<8>(), other.as_chunks::<8>());
    let is_same = |one: &[u8; 8], other: &[u8; 8]| {
        let (one, other) = (u64::from_le_bytes(*one), u64::from_le_bytes(*other));
        let difference = one ^ other;
        // Mostly there is none, or more than one of case.
        difference == 0 || (difference & !eight(0x20) == 0 && small(one) == small(other))
    };
    match (one.last_chunk(), other.last_chunk()) {
        (Some(last), Some(other_last)) => {
            is_same(last, other_last) && words.iter().zip(others).all(|(word, other)| is_same(word, other))
        }
        // PERF: four to seven letters, as many names have, are two pieces that overlap.
        _ => match (short(one), short(other)) {
            (Some(one), Some(other)) => is_same(&one, &other),
            _ => one.eq_ignore_ascii_case(other),
        },
    }
}

/// The first and the last four bytes.
#[inline]
fn short(bytes: &[u8]) -> Option<[u8; 8]> {
    let ([a, b, c, d], [e, f, g, h]) = (bytes.first_chunk()?, bytes.last_chunk()?);
    Some([*a, *b, *c, *d, *e, *f, *g, *h])
}

/// Makes small letters of capitals, and changes no other byte.
#[inline]
fn small(word: u64) -> u64 {
    let low = word & !HIGHS;
    let capital =
        low.wrapping_add(eight(0x80 - b'A')) & !low.wrapping_add(eight(0x7f - b'Z')) & !word & HIGHS;
    word | (capital >> 2)
}

/// Whether every byte may stand in a request target: visible ASCII without `#`, for fragments are never sent.
#[inline]
pub fn is_target(bytes: &[u8]) -> bool {
    has_none(bytes, |byte| !byte.is_ascii_graphic() | (byte == b'#'))
}

/// Whether every byte may stand in a field value and none is HTAB.
#[inline]
pub(crate) fn is_plain_text(bytes: &[u8]) -> bool {
    has_none(bytes, |byte| byte.is_ascii_control())
}

/// Whether no byte `is_other`.
// PERF: the compiler judges a block of sixteen in nine instructions. The last block overlaps one that was seen.
#[inline]
fn has_none(bytes: &[u8], is_other: impl Fn(u8) -> bool) -> bool {
    let has_other = |block: &[u8]| block.iter().fold(false, |found, &byte| found | is_other(byte));
    let (blocks, _) = bytes.as_chunks::<16>();
    match (bytes.last_chunk::<16>(), bytes.first_chunk::<8>(), bytes.last_chunk::<8>()) {
        (Some(last), ..) => !has_other(last) && !blocks.iter().any(|block| has_other(block)),
        (None, Some(first), Some(last)) => !has_other(first) & !has_other(last),
        (None, ..) => !has_other(bytes),
    }
}

/// Where a `run` ends that goes on at `from`.
#[inline]
pub(crate) fn end_of(run: impl Fn(&[u8]) -> usize, bytes: &[u8], from: usize) -> usize {
    from.saturating_add(run(bytes.get(from..).unwrap_or_default()))
}

/// How many token characters stand at the beginning.
#[inline]
pub fn token_run(bytes: &[u8]) -> usize {
    let mut run = 0;
    loop {
        let rest = bytes.get(run..).unwrap_or_default();
        run = run.saturating_add(word_run(rest));
        match bytes.get(run) {
            Some(&byte) if is_token_byte(byte) => run = run.saturating_add(1),
            _ => return run,
        }
    }
}

/// How many letters and hyphens stand at the beginning, or fewer: at most the last seven are left to who asks.
#[inline]
fn word_run(bytes: &[u8]) -> usize {
    let (words, _) = bytes.as_chunks::<8>();
    first(words, others_than_letters_in).unwrap_or(words.len() << 3)
}

/// What is left of `bytes`, which `window` ends with, from the first byte on that `stops` marks with its high bit; that
/// has to mark zero. `None`: it marks none.
#[inline]
pub(crate) fn from_first<'a>(window: &[u8], bytes: &'a [u8], stops: impl Fn(u64) -> u64) -> Option<&'a [u8]> {
    let mut rest = bytes;
    while let Some((word, after)) = rest.split_first_chunk() {
        let found = stops(u64::from_le_bytes(*word));
        if found != 0 {
            return rest.get((found.trailing_zeros() >> 3) as usize..);
        }
        rest = after;
    }
    // Fewer than eight bytes are left. They end the window, so its last word has them in its upper part.
    let last = u64::from_le_bytes(*window.last_chunk()?);
    let found = stops(last.checked_shr(64_u32.wrapping_sub((rest.len() as u32) << 3))?);
    rest.get((found.trailing_zeros() >> 3) as usize..).filter(|rest| !rest.is_empty())
}

/// Sets the high bit of each byte that is neither a letter nor a hyphen.
#[inline]
pub(crate) fn others_than_letters_in(word: u64) -> u64 {
    HIGHS & !letters_in(word)
}

/// Where the first byte stands that `stops` marks with its high bit; it is asked for eight at a time.
#[inline]
fn first(words: &[[u8; 8]], stops: impl Fn(u64) -> u64) -> Option<usize> {
    words.iter().enumerate().find_map(|(count, word)| {
        let found = stops(u64::from_le_bytes(*word));
        (found != 0).then(|| (count << 3) | (found.trailing_zeros() >> 3) as usize)
    })
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

/// How many bytes at the beginning may stand in a target.
#[inline]
pub(crate) fn target_run(bytes: &[u8]) -> usize {
    run(bytes, others_than_target_in, |byte| !is_target_byte(byte))
}

/// How many bytes at the beginning may stand in a field value.
#[inline]
pub(crate) fn text_run(bytes: &[u8]) -> usize {
    let mut at = 0;
    loop {
        let rest = bytes.get(at..).unwrap_or_default();
        at = at.saturating_add(run(rest, controls_in, |byte| byte < 0x20 || byte == 0x7f));
        if bytes.get(at) != Some(&b'\t') {
            return at;
        }
        at = at.saturating_add(1);
    }
}

/// How many bytes stand before the first at which both `stops` and `stops_at` stop.
#[inline]
fn run(bytes: &[u8], stops: impl Fn(u64) -> u64, stops_at: impl Fn(u8) -> bool) -> usize {
    let (words, tail) = bytes.as_chunks::<8>();
    first(words, stops).unwrap_or_else(|| {
        let rest = tail.iter().take_while(|&&byte| !stops_at(byte)).count();
        (words.len() << 3).saturating_add(rest)
    })
}

/// Sets the high bit of the first byte that may not stand in a target; bits above that one may be wrong.
#[inline]
pub(crate) fn others_than_target_in(word: u64) -> u64 {
    let below = word.wrapping_sub(eight(0x21)) & !word;
    (below | zeros_in(word ^ eight(0x7f)) | zeros_in(word ^ eight(b'#')) | word) & HIGHS
}

/// Sets the high bit of the first byte that is below 0x20 or 0x7f; bits above that one may be wrong.
#[inline]
pub(crate) fn controls_in(word: u64) -> u64 {
    let below_space = word.wrapping_sub(eight(0x20)) & !word;
    (below_space | zeros_in(word ^ eight(0x7f))) & HIGHS
}

/// Sets the high bit of the first byte that is zero; other bits may be wrong.
#[inline]
fn zeros_in(word: u64) -> u64 {
    word.wrapping_sub(eight(0x01)) & !word
}

const HIGHS: u64 = eight(0x80);

/// The same byte eight times.
#[inline]
const fn eight(byte: u8) -> u64 {
    u64::from_le_bytes([byte; 8])
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
