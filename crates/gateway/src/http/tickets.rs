//! Session tickets: sealed by AES-256-GCM, with keys that are made anew every six hours and forgotten after twelve.
//!
//! rustls has a ticketer after RFC 5077 §4, AES-CBC and HMAC; a resumed session, which opens one ticket and seals two,
//! costs less with one AEAD. Nonces are random. NIST SP 800-38D §8.3 allows 2^32 of them for a key: two tickets for
//! each of 99,000 handshakes a second.
//!
//! What a client brings as a ticket is anything: it is opened or it is not, and then the session is new.

use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use rustls::crypto::GetRandomFailed;
use rustls::server::ProducesTickets;
use rustls::ticketer::TicketRotator;

/// Seconds for which a key seals; for as long again it opens.
const SEALS_SECONDS: u32 = 6 * 60 * 60;

/// Bytes of a key of AES-256.
const KEY_BYTES: usize = 32;

/// What is sealed is a session and nothing else.
const SUBJECT: &[u8] = b"session ticket";

/// A source of tickets with keys of its own.
///
/// # Errors
/// When the machine has no randomness.
pub(super) fn ticketer() -> Result<Arc<dyn ProducesTickets>, rustls::Error> {
    Ok(Arc::new(TicketRotator::new(SEALS_SECONDS, || Ok(Box::new(Seal::new().ok_or(GetRandomFailed)?)))?))
}

/// One key.
#[derive(Debug)]
struct Seal(RandomizedNonceKey);

impl Seal {
    fn new() -> Option<Self> {
        let mut key = [0; KEY_BYTES];
        aws_lc_rs::rand::fill(&mut key).ok()?;
        Some(Self(RandomizedNonceKey::new(&AES_256_GCM, &key).ok()?))
    }
}

impl ProducesTickets for Seal {
    fn enabled(&self) -> bool {
        true
    }

    fn lifetime(&self) -> u32 {
        SEALS_SECONDS.saturating_mul(2)
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        let tag = self.0.algorithm().tag_len();
        let mut ticket = Vec::with_capacity(NONCE_LEN.saturating_add(plain.len()).saturating_add(tag));
        ticket.extend_from_slice(&[0; NONCE_LEN]);
        ticket.extend_from_slice(plain);
        let (front, sealed) = ticket.split_at_mut_checked(NONCE_LEN)?;
        let (nonce, tag) = self.0.seal_in_place_separate_tag(Aad::from(SUBJECT), sealed).ok()?;
        front.copy_from_slice(nonce.as_ref());
        ticket.extend_from_slice(tag.as_ref());
        Some(ticket)
    }

    fn decrypt(&self, ticket: &[u8]) -> Option<Vec<u8>> {
        let (nonce, sealed) = ticket.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut sealed = sealed.to_vec();
        let length = self.0.open_in_place(nonce, Aad::from(SUBJECT), &mut sealed).ok()?.len();
        sealed.truncate(length);
        Some(sealed)
    }
}

#[cfg(test)]
mod tests;
