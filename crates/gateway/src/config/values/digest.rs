//! Digests in hexadecimal.

use portcullis_identity::sha256::Digest;

use super::Written;

/// A SHA-256 digest: 64 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Sha256(pub Digest);

impl Written for Sha256 {
    const NAME: &'static str = "Sha256";
    const EXPECTED: &'static str = "a SHA-256 digest: 64 hexadecimal digits";
    const PATTERN: &'static str = "[0-9a-fA-F]{64}";

    fn read(text: &str) -> Result<Self, String> {
        let wrong = || "`portcullis keys new` prints the key and its digest".to_owned();
        Digest::from_hex(text).map(Self).ok_or_else(wrong)
    }
}
