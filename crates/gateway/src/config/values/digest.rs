//! Digests in hexadecimal.

use super::Written;

/// A SHA-256 digest: 64 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Sha256(pub [u8; 32]);

impl Written for Sha256 {
    const NAME: &'static str = "Sha256";
    const EXPECTED: &'static str = "a SHA-256 digest: 64 hexadecimal digits";
    const PATTERN: &'static str = "[0-9a-fA-F]{64}";

    fn read(text: &str) -> Result<Self, String> {
        let wrong = || "`portcullis keys new` prints the key and its digest".to_owned();
        if text.len() != 64 || !text.is_ascii() {
            return Err(wrong());
        }
        let mut digest = [0; 32];
        for (index, byte) in digest.iter_mut().enumerate() {
            let at = index.saturating_mul(2);
            let pair = text.get(at..at.saturating_add(2)).ok_or_else(wrong)?;
            if !pair.bytes().all(|digit| digit.is_ascii_hexdigit()) {
                return Err(wrong());
            }
            *byte = u8::from_str_radix(pair, 16).map_err(|_| wrong())?;
        }
        Ok(Self(digest))
    }
}
