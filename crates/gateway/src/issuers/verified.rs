//! Tokens that were verified already, on each core for itself.
//!
//! A token is found by the whole of its bytes ([`remembered`](crate::remembered)). What is found counts for the issuer that verified it, in the generation of its keys, and until it
//! ends; everything else is as if it was not there. Only tokens that hold come in, so no stranger can push others out.
//!
//! PERF: one look at a table of this thread: no lock, no allocation, no signature.
//!
//! # Limits
//! [`BYTES_MAX`] of tokens on each core.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use crate::pipeline::Proof;
use crate::remembered::Remembered;

/// Bytes of tokens remembered on each core, with what is kept beside them.
pub const BYTES_MAX: usize = 16 << 20;
/// How often the bytes of a token are there: as the key of the table, as claims, and as what a backend's is exchanged for.
const COPIES: usize = 3;
/// What a token costs besides: its proof, the table.
const COST: usize = 512;

thread_local! {
    static VERIFIED: RefCell<Remembered<Verified>> = RefCell::new(Remembered::new(BYTES_MAX, COPIES, COST));
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

/// What is remembered of `token` and still counts at `now`. Whether for its issuer and its keys, the caller says.
pub fn find(token: &[u8], now: Duration) -> Option<Verified> {
    VERIFIED.with_borrow_mut(|all| all.find(token).filter(|found| now < found.until))
}

/// Remembers `token`.
pub fn remember(token: &[u8], verified: Verified) {
    VERIFIED.with_borrow_mut(|all| all.insert(token.into(), verified));
}

#[cfg(test)]
mod tests;
