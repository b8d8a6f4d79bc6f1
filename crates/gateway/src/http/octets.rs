//! Which characters a host name and a path have as they are: one table, computed while compiling.

/// Stands in labels of host names.
pub(super) const LABEL: u8 = 1;
/// Stands in a path without escapes: `pchar` and the separator (RFC 3986 §3.3).
pub(super) const PATH: u8 = 2;

/// The same without parameters.
pub(super) const PLAIN: u8 = 4;

static CLASSES: [u8; 256] = classes();

/// Whether `byte` is of `class`.
#[inline]
#[expect(clippy::indexing_slicing, reason = "a byte always lies in a table of 256")]
pub(super) fn is(byte: u8, class: u8) -> bool {
    CLASSES[byte as usize] & class != 0
}

/// Whether every byte is of `class`.
#[inline]
#[expect(clippy::indexing_slicing, reason = "a byte always lies in a table of 256")]
pub(super) fn are(bytes: &[u8], class: u8) -> bool {
    bytes.iter().fold(class, |all, byte| all & CLASSES[*byte as usize]) != 0
}

#[expect(clippy::indexing_slicing, clippy::arithmetic_side_effects, reason = "evaluated while compiling")]
const fn classes() -> [u8; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let octet = byte as u8;
        if octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_') {
            table[byte] |= LABEL;
        }
        if matches!(octet, b'!' | b'$' | b'&'..=b';' | b'=' | b'@'..=b'Z' | b'_' | b'a'..=b'z' | b'~') {
            table[byte] |= PATH;
            if octet != b';' {
                table[byte] |= PLAIN;
            }
        }
        byte += 1;
    }
    table
}
