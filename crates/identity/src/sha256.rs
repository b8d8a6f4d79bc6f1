//! SHA-256, as a value: of keys and tokens, to find them by; of certificates and documents, to tell them apart.

use std::fmt;
use std::hash::{Hash, Hasher};

use aws_lc_rs::digest::{SHA256, digest as hash};

/// A SHA-256 digest.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Digest([u8; 32]);

// PERF: eight bytes of a digest are as good a hash as all of it, and a table asks its own seed besides. Whoever wants two digests
// to share them has to find them first, by some four billion attempts.
impl Hash for Digest {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let [a, b, c, d, e, f, g, h, ..] = self.0;
        state.write_u64(u64::from_le_bytes([a, b, c, d, e, f, g, h]));
    }
}

/// The digest of `bytes`.
pub fn digest(bytes: &[u8]) -> Digest {
    // It has 32 bytes, whatever is hashed.
    Digest(hash(&SHA256, bytes).as_ref().try_into().unwrap_or_default())
}

impl Digest {
    /// Its 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Reads 64 hexadecimal digits.
    pub fn from_hex(text: &str) -> Option<Self> {
        let mut bytes = [0_u8; 32];
        if text.len() != 64 {
            return None;
        }
        for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            let pair = std::str::from_utf8(pair).ok()?;
            *byte = u8::from_str_radix(pair, 16).ok().filter(|_| !pair.starts_with('+'))?;
        }
        Some(Self(bytes))
    }
}

impl From<[u8; 32]> for Digest {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::{Digest, digest};

    #[test]
    fn digests_read_what_sha256sum_prints() {
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(digest(b"abc").to_string(), abc);
        assert_eq!(Digest::from_hex(abc), Some(digest(b"abc")));
        for bad in [
            "",
            abc.trim_start_matches('b'),
            &format!("{abc}0"),
            &abc.replace('b', "g"),
            &abc.replacen("ba", "+a", 1),
        ] {
            assert_eq!(Digest::from_hex(bad), None, "{bad}");
        }
    }
}
