//! Digests of content (RFC 9530): what a sender says a body is, judged while the body passes.
//!
//! SHA-256 and SHA-512 count. Every digest of these that is stated must hold; others (MD5, SHA-1, checksums) are
//! deprecated, prove nothing and are left unread. A field that states none of ours states nothing.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{Context, SHA256, SHA512};

use crate::structured::Dictionary;

/// What `Content-Digest` states.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stated {
    sha256: Option<Vec<u8>>,
    sha512: Option<Vec<u8>>,
}

/// A body being judged.
pub struct Running {
    sha256: Option<(Context, Vec<u8>)>,
    sha512: Option<(Context, Vec<u8>)>,
}

impl Stated {
    /// Reads the field. `None` when it is malformed or states no digest that counts.
    pub fn parse(field: &str) -> Option<Self> {
        let dictionary = Dictionary::parse(field)?;
        let stated = |name: &str, len: usize| match dictionary.get(name) {
            None => Some(None),
            Some(member) => {
                member.as_bytes().filter(|bytes| bytes.len() == len).map(|bytes| Some(bytes.to_vec()))
            }
        };
        let (sha256, sha512) = (stated("sha-256", 32)?, stated("sha-512", 64)?);
        (sha256.is_some() || sha512.is_some()).then_some(Self { sha256, sha512 })
    }

    /// Begins to judge a body.
    pub fn begin(self) -> Running {
        Running {
            sha256: self.sha256.map(|expected| (Context::new(&SHA256), expected)),
            sha512: self.sha512.map(|expected| (Context::new(&SHA512), expected)),
        }
    }

    /// Judges a body that is there whole.
    pub fn is_of(self, body: &[u8]) -> bool {
        let mut running = self.begin();
        running.update(body);
        running.is_good()
    }
}

impl Running {
    /// The next piece of the body.
    pub fn update(&mut self, piece: &[u8]) {
        for (context, _) in self.sha256.iter_mut().chain(&mut self.sha512) {
            context.update(piece);
        }
    }

    /// Whether the whole body was what had been stated.
    pub fn is_good(self) -> bool {
        let mut stated = self.sha256.into_iter().chain(self.sha512);
        stated
            .all(|(context, expected)| verify_slices_are_equal(context.finish().as_ref(), &expected).is_ok())
    }
}

impl std::fmt::Debug for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Running(…)")
    }
}

#[cfg(test)]
mod tests;
