//! API keys: 256 random bits with a prefix that leak scanners recognise and a checksum that catches typing errors.
//!
//! A key reads `pcl_` + 43 characters of base 62 (256 bits) + 6 characters of checksum. It is found by the SHA-256 of its
//! text: it carries enough entropy that a slow password hash would protect nothing and cost a denial of service.
//! The checksum refuses mistyped and made-up keys before any lookup; it proves nothing else.
//!
//! A token by which an operator is known at the admin API is made the same way and begins with `pcla_`.
//!
//! Keys of other makers (shorter, other alphabets) may be used as well: a digest is of any text.

use std::fmt;

use aws_lc_rs::rand::{SecureRandom, SystemRandom};

use crate::sha256::{Digest, digest};

/// What every key of ours begins with.
pub const PREFIX: &str = "pcl_";
/// What every token of an operator begins with.
pub const OPERATOR_PREFIX: &str = "pcla_";

const BODY_LEN: usize = 43;
const CHECK_LEN: usize = 6;
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// A freshly made key. Shown once; only its digest is kept.
pub struct ApiKey(String);

/// The system gave no randomness.
#[derive(Debug)]
pub struct NoRandomness;

impl ApiKey {
    /// A new key from the system's randomness.
    pub fn generate() -> Result<Self, NoRandomness> {
        Self::beginning_with(PREFIX)
    }

    /// A new token of an operator.
    pub fn generate_for_operator() -> Result<Self, NoRandomness> {
        Self::beginning_with(OPERATOR_PREFIX)
    }

    fn beginning_with(prefix: &str) -> Result<Self, NoRandomness> {
        let mut secret = [0_u8; 32];
        SystemRandom::new().fill(&mut secret).map_err(|_| NoRandomness)?;
        let mut text = String::from(prefix);
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

/// Whether a text that claims our prefix has the right shape and checksum. Other texts pass: they may be keys
/// of another maker.
pub fn is_plausible(key: &[u8]) -> bool {
    !key.starts_with(PREFIX.as_bytes()) || is_made_here(key, PREFIX)
}

/// Whether a text is shaped as a token of an operator is, checksum included.
pub fn is_operator_token(token: &[u8]) -> bool {
    is_made_here(token, OPERATOR_PREFIX)
}

fn is_made_here(key: &[u8], prefix: &str) -> bool {
    let Some(rest) = key.strip_prefix(prefix.as_bytes()) else { return false };
    if rest.len() != BODY_LEN.saturating_add(CHECK_LEN) || !rest.iter().all(u8::is_ascii_alphanumeric) {
        return false;
    }
    let Some((text, check)) = key.split_last_chunk::<CHECK_LEN>() else { return false };
    std::str::from_utf8(text).is_ok_and(|text| checksum(text).as_bytes() == check)
}

/// The first 30 bits of the digest of what stands before it, in base 62.
fn checksum(text: &str) -> String {
    let [a, b, c, d, ..] = *digest(text.as_bytes()).as_bytes();
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
