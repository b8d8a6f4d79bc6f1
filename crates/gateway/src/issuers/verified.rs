//! Tokens that were verified already, on each core for itself.
//!
//! A token is found by the whole of its bytes: by a hash with a random key, and then byte by byte, so that no two tokens can
//! be taken for one. What is found counts for the issuer that verified it, in the generation of its keys, and until it
//! ends; everything else is as if it was not there. Only tokens that hold come in, so no stranger can push others out.
//!
//! PERF: one look at a table of this thread: no lock, no allocation, no signature.
//!
//! # Limits
//! [`BYTES_MAX`] of tokens on each core, in two halves: when one is full the other is emptied, and what is asked for in the
//! older one moves to the newer.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use foldhash::{HashMap, HashMapExt};

use crate::pipeline::Proof;

/// Bytes of tokens remembered on each core, with what is kept beside them.
pub const BYTES_MAX: usize = 16 << 20;
/// What a token costs besides its own bytes: its claims once more, its proof, the table.
const COST: usize = 512;

thread_local! {
    static VERIFIED: RefCell<Halves> = RefCell::new(Halves::new());
}

/// A token that held.
#[derive(Debug, Clone)]
pub struct Verified {
    /// Which object verified it: [`super::Issuer::id`].
    pub issuer: u64,
    /// In which generation of its keys.
    pub generation: u64,
    /// Until when that counts, on the wall clock.
    pub until: Duration,
    /// Whom it proves.
    pub proof: Arc<Proof>,
    /// What the presenter must hold besides.
    pub bound: Bound,
}

/// What the presenter of a token must hold besides (RFC 7800): all of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Bound {
    /// The client certificate with this SHA-256 (RFC 8705).
    pub certificate: Option<[u8; 32]>,
    /// The key with this thumbprint, shown by a DPoP proof (RFC 9449).
    pub key: Option<[u8; 32]>,
    /// Something that we cannot judge.
    pub otherwise: bool,
}

struct Halves {
    young: HashMap<Box<[u8]>, Verified>,
    old: HashMap<Box<[u8]>, Verified>,
    young_bytes: usize,
}

/// What is remembered of `token` and still counts at `now`. Whether for its issuer and its keys, the caller says.
pub fn find(token: &[u8], now: Duration) -> Option<Verified> {
    VERIFIED.with_borrow_mut(|halves| halves.find(token).filter(|found| now < found.until))
}

/// Remembers `token`.
pub fn remember(token: &[u8], verified: Verified) {
    VERIFIED.with_borrow_mut(|halves| halves.insert(token.into(), verified));
}

impl Halves {
    fn new() -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), young_bytes: 0 }
    }

    fn find(&mut self, token: &[u8]) -> Option<Verified> {
        if let Some(found) = self.young.get(token) {
            return Some(found.clone());
        }
        if self.old.is_empty() {
            return None;
        }
        let (token, found) = self.old.remove_entry(token)?;
        self.insert(token, found.clone());
        Some(found)
    }

    fn insert(&mut self, token: Box<[u8]>, verified: Verified) {
        let cost = token.len().saturating_mul(2).saturating_add(COST);
        if self.young_bytes.saturating_add(cost) > BYTES_MAX / 2 {
            self.old = std::mem::take(&mut self.young);
            self.young_bytes = 0;
        }
        self.young_bytes = self.young_bytes.saturating_add(cost);
        if self.young.insert(token, verified).is_some() {
            self.young_bytes = self.young_bytes.saturating_sub(cost);
        }
    }
}

#[cfg(test)]
mod tests;
