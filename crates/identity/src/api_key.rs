//! API keys: 256 random bits with a prefix that leak scanners recognise and a checksum that catches typing errors.
//!
//! A key reads `pcl_` + 43 characters of base 62 (256 bits) + 6 characters of checksum. It is found by the SHA-256 of its
//! text: it carries enough entropy that a slow password hash would protect nothing and cost a denial of service.
//! The checksum refuses mistyped and made-up keys before any lookup; it proves nothing else.
//!
//! Keys of other makers (shorter, other alphabets) may be used as well: [`digest`] takes any text.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest as sha256};
use aws_lc_rs::rand::{SecureRandom, SystemRandom};

/// What every key of ours begins with.
pub const PREFIX: &str = "pcl_";

const BODY_LEN: usize = 43;
const CHECK_LEN: usize = 6;
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// SHA-256 of a key's text: what configuration and stores hold.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest([u8; 32]);

/// A freshly made key. Shown once; only its digest is kept.
pub struct ApiKey(String);

/// The system gave no randomness.
#[derive(Debug)]
pub struct NoRandomness;

impl ApiKey {
    /// A new key from the system's randomness.
    pub fn generate() -> Result<Self, NoRandomness> {
        let mut secret = [0_u8; 32];
        SystemRandom::new().fill(&mut secret).map_err(|_| NoRandomness)?;
        let mut text = String::from(PREFIX);
        text.push_str(&base62(&secret, BODY_LEN));
        let check = checksum(&text);
        text.push_str(&check);
        Ok(Self(text))
    }

    /// The key's text, to be shown once.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// What is kept of it.
    pub fn digest(&self) -> Digest {
        digest(self.0.as_bytes())
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey(…)")
    }
}

/// The digest of a presented key.
pub fn digest(key: &[u8]) -> Digest {
    let hash = sha256(&SHA256, key);
    let mut bytes = [0_u8; 32];
    for (to, from) in bytes.iter_mut().zip(hash.as_ref()) {
        *to = *from;
    }
    Digest(bytes)
}

/// Whether a text that claims our prefix has the right shape and checksum. Other texts pass: they may be keys
/// of another maker.
pub fn is_plausible(key: &[u8]) -> bool {
    let Some(rest) = key.strip_prefix(PREFIX.as_bytes()) else { return true };
    if rest.len() != BODY_LEN.saturating_add(CHECK_LEN) || !rest.iter().all(u8::is_ascii_alphanumeric) {
        return false;
    }
    let Some((text, check)) = key.split_last_chunk::<CHECK_LEN>() else { return false };
    std::str::from_utf8(text).is_ok_and(|text| checksum(text).as_bytes() == check)
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

/// The first 30 bits of the digest of what stands before it, in base 62.
fn checksum(text: &str) -> String {
    let Digest([a, b, c, d, ..]) = digest(text.as_bytes());
    base62(&(u32::from_be_bytes([a, b, c, d]) >> 2).to_be_bytes(), CHECK_LEN)
}

/// A big-endian number in base 62, `len` digits, most significant first.
fn base62(number: &[u8], len: usize) -> String {
    let mut rest = number.to_vec();
    let mut digits = vec!['0'; len];
    for digit in digits.iter_mut().rev() {
        let mut remainder = 0_u32;
        for byte in &mut rest {
            let value = (remainder << 8) | u32::from(*byte);
            *byte = u8::try_from(value / 62).unwrap_or_default();
            remainder = value % 62;
        }
        *digit = ALPHABET.get(remainder as usize).map_or('0', |c| char::from(*c));
    }
    digits.into_iter().collect()
}

#[cfg(test)]
mod tests;
