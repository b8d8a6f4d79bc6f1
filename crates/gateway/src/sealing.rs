//! Texts that only we can read or have written: encrypted and authenticated under a secret (AES-256-GCM, random nonces).
//!
//! A sealed text names its key by four bytes, and is bound to a purpose, so that none serves for another. Who has several
//! secrets seals by the first and opens by all: that is how secrets are changed.
//!
//! # Limits
//! A key seals far fewer than 2³² texts in its time (NIST SP 800-38D §8.3).

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::hmac;
use portcullis_identity::base64::{decode_url, encode_url};

/// Bytes before a sealed text that name its key.
const ID_BYTES: usize = 4;

/// One key.
pub struct Seal {
    id: [u8; ID_BYTES],
    key: RandomizedNonceKey,
}

impl Seal {
    /// The key that a secret makes for `use_of` it by the part called `name`.
    pub fn of(secret: &[u8], use_of: &str, name: &str) -> Option<Self> {
        let secret = hmac::Key::new(hmac::HMAC_SHA256, secret);
        let key = hmac::sign(&secret, format!("portcullis {use_of} 1 {name}").as_bytes());
        let named = hmac::sign(&secret, format!("portcullis {use_of} id 1 {name}").as_bytes());
        let id = named.as_ref().get(..ID_BYTES)?.try_into().ok()?;
        let key = RandomizedNonceKey::new(&AES_256_GCM, key.as_ref()).ok()?;
        Some(Self { id, key })
    }

    /// Seals `text` for `purpose`; `None` when the system gives no randomness.
    pub fn seal(&self, purpose: &str, text: &[u8]) -> Option<String> {
        let mut sealed = text.to_vec();
        let nonce = self.key.seal_in_place_append_tag(Aad::from(purpose.as_bytes()), &mut sealed).ok()?;
        Some(encode_url(&[&self.id[..], nonce.as_ref(), &sealed].concat()))
    }

    fn open(&self, purpose: &str, nonce: &[u8], text: &[u8]) -> Option<Vec<u8>> {
        let mut text = text.to_vec();
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let len = self.key.open_in_place(nonce, Aad::from(purpose.as_bytes()), &mut text).ok()?.len();
        text.truncate(len);
        Some(text)
    }
}

impl fmt::Debug for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seal").finish_non_exhaustive()
    }
}

/// What one of `seals` sealed for `purpose`, and which of them; `None` for anything else.
pub fn open<'a>(
    seals: impl IntoIterator<Item = &'a Seal>,
    purpose: &str,
    sealed: &[u8],
) -> Option<(usize, Vec<u8>)> {
    let whole = decode_url(sealed)?;
    let (id, rest) = whole.split_at_checked(ID_BYTES)?;
    let (nonce, text) = rest.split_at_checked(NONCE_LEN)?;
    let named = seals.into_iter().enumerate().filter(|(_, seal)| seal.id == id);
    named.into_iter().find_map(|(at, seal)| Some((at, seal.open(purpose, nonce, text)?)))
}
