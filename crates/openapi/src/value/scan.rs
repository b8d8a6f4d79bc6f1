//! Finding the next byte of a string that is not simply part of it.

const ONES: u64 = u64::from_ne_bytes([0x01; 8]);
const HIGHS: u64 = u64::from_ne_bytes([0x80; 8]);
const QUOTES: u64 = u64::from_ne_bytes([b'"'; 8]);
const BACKSLASHES: u64 = u64::from_ne_bytes([b'\\'; 8]);
const SPACES: u64 = u64::from_ne_bytes([b' '; 8]);

/// How many bytes stand before the first quote, backslash or control character; all of them if there is none.
pub(super) fn plain(bytes: &[u8]) -> usize {
    let mut done = 0_usize;
    let (words, rest) = bytes.as_chunks::<8>();
    for word in words {
        // PERF: eight bytes at a time. A borrow marks bytes wrongly only above a true hit, and the lowest counts.
        let word = u64::from_le_bytes(*word);
        let hits =
            zeros(word ^ QUOTES) | zeros(word ^ BACKSLASHES) | (word.wrapping_sub(SPACES) & !word & HIGHS);
        if hits != 0 {
            let byte = usize::try_from(hits.trailing_zeros() >> 3).unwrap_or_default();
            return done.saturating_add(byte);
        }
        done = done.saturating_add(8);
    }
    let tail = rest.iter().take_while(|byte| !matches!(byte, b'"' | b'\\' | 0..0x20)).count();
    done.saturating_add(tail)
}

/// A high bit at the lowest byte that is zero.
fn zeros(word: u64) -> u64 {
    word.wrapping_sub(ONES) & !word & HIGHS
}
