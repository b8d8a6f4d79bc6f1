//! What browsers keep for us, sealed: encrypted and authenticated, so that nobody reads, changes or makes it.
//!
//! AES-256-GCM with random nonces. Each sealed text is bound to a purpose and the login it is of, so that none serves for
//! another. The first key seals, all of them open: that is how keys are changed without ending sessions. Keys come from
//! `cookie_keys`; without those they are made by the gateway and kept in the state directory, where a new one is begun
//! every [`ROTATE`]; without a state directory they end with the process, and sessions with them.
//!
//! # Limits
//! [`SEALED_BYTES_MAX`] of a sealed text, [`KEYS_MAX`] keys. A key seals far fewer than 2³² texts in its time.

use std::fs;
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::hmac;
use portcullis_identity::base64::{decode_url, encode_url};

use crate::files;
use crate::issuers::spec::SharedSecret;
use crate::secret::random_bytes;

/// Characters of a sealed text. With its name and attributes it must fit into the 4,096 bytes that browsers keep.
pub const SEALED_BYTES_MAX: usize = 3_800;
/// Keys that are known at once.
const KEYS_MAX: usize = 16;
/// When a new key of our own is begun.
const ROTATE: Duration = Duration::from_secs(30 * 86_400);
/// How long a key of our own opens what it sealed: longer than any session.
const KEPT: Duration = Duration::from_secs(90 * 86_400);
/// Bytes of a key, and of what stands before a sealed text to name one.
const KEY_BYTES: usize = 32;
const ID_BYTES: usize = 4;
/// Bytes of the file of keys.
const FILE_BYTES_MAX: u64 = 16 << 10;

/// The keys of one login.
#[derive(Debug)]
pub struct Seals(ArcSwap<Vec<Seal>>);

/// One key.
struct Seal {
    id: [u8; ID_BYTES],
    key: RandomizedNonceKey,
    /// When it was made, if by us.
    made: Option<Duration>,
}

/// Why something was not sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotSealed {
    /// It is more than a browser keeps in a cookie.
    #[error("it is more than fits into a cookie")]
    TooLarge,
    /// There is no key.
    #[error("there is no key to seal it by")]
    NoKey,
}

impl Seals {
    /// Those of the configuration; without any, one that lives as long as the process until [`Self::keep_in`] is told
    /// where to keep others.
    pub fn new(name: &str, secrets: &[SharedSecret], now: Duration) -> Self {
        let mut seals: Vec<Seal> = secrets
            .iter()
            .take(KEYS_MAX)
            .filter_map(|secret| Seal::of(name, secret.expose().as_bytes(), None))
            .collect();
        if secrets.is_empty() {
            let own = random_bytes::<KEY_BYTES>();
            seals.extend(own.and_then(|own| Seal::of(name, &own, Some(now))));
        }
        Self(ArcSwap::from_pointee(seals))
    }

    /// Takes over the keys in `file`, with a new one when the newest is old or there is none.
    ///
    /// # Errors
    /// They cannot be read or written; the ones there are stay.
    pub fn keep_in(&self, name: &str, file: &Path, now: Duration) -> io::Result<()> {
        let mut kept = read(file)?;
        kept.retain(|(made, _)| now < made.saturating_add(KEPT));
        kept.sort_by_key(|(made, _)| std::cmp::Reverse(*made));
        let is_due = kept.first().is_none_or(|(made, _)| now >= made.saturating_add(ROTATE));
        if is_due {
            let own = random_bytes().ok_or_else(|| io::Error::other("the system gives no random bytes"))?;
            kept.insert(0, (now, own));
            kept.truncate(KEYS_MAX);
            write(file, &kept)?;
        }
        let own = kept.iter().filter_map(|(made, secret)| Seal::of(name, secret, Some(*made))).collect();
        self.0.store(Arc::new(own));
        Ok(())
    }

    /// Whether it is time for another key of our own.
    pub fn is_due(&self, now: Duration) -> bool {
        let newest = self.0.load().first().and_then(|seal| seal.made);
        newest.is_some_and(|made| now >= made.saturating_add(ROTATE))
    }

    /// Seals `text` for `purpose`.
    ///
    /// # Errors
    /// It is too large.
    pub fn seal(&self, purpose: &str, text: &[u8]) -> Result<String, NotSealed> {
        let seals = self.0.load();
        let seal = seals.first().ok_or(NotSealed::NoKey)?;
        let mut sealed = text.to_vec();
        let nonce = seal.key.seal_in_place_append_tag(Aad::from(purpose.as_bytes()), &mut sealed);
        let nonce = nonce.map_err(|_| NotSealed::NoKey)?;
        let whole = [&seal.id[..], nonce.as_ref(), &sealed].concat();
        let text = encode_url(&whole);
        if text.len() > SEALED_BYTES_MAX { Err(NotSealed::TooLarge) } else { Ok(text) }
    }

    /// What was sealed for `purpose`; `None` for anything else.
    pub fn open(&self, purpose: &str, sealed: &[u8]) -> Option<Vec<u8>> {
        if sealed.len() > SEALED_BYTES_MAX {
            return None;
        }
        let whole = decode_url(sealed)?;
        let (id, rest) = whole.split_at_checked(ID_BYTES)?;
        let (nonce, text) = rest.split_at_checked(NONCE_LEN)?;
        let seals = self.0.load();
        seals.iter().filter(|seal| seal.id == id).find_map(|seal| {
            let mut text = text.to_vec();
            let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
            let len = seal.key.open_in_place(nonce, Aad::from(purpose.as_bytes()), &mut text).ok()?.len();
            text.truncate(len);
            Some(text)
        })
    }
}

impl Seal {
    /// The key that a secret makes for the login called `name`.
    fn of(name: &str, secret: &[u8], made: Option<Duration>) -> Option<Self> {
        let secret = hmac::Key::new(hmac::HMAC_SHA256, secret);
        let key = hmac::sign(&secret, format!("portcullis login cookie 1 {name}").as_bytes());
        let named = hmac::sign(&secret, format!("portcullis login cookie id 1 {name}").as_bytes());
        let id = named.as_ref().get(..ID_BYTES)?.try_into().ok()?;
        let key = RandomizedNonceKey::new(&AES_256_GCM, key.as_ref()).ok()?;
        Some(Self { id, key, made })
    }
}

impl std::fmt::Debug for Seal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Seal").field("made", &self.made).finish_non_exhaustive()
    }
}

/// The keys in a file, one a line: when it was made, in seconds since 1970, and the key. No file: none.
fn read(file: &Path) -> io::Result<Vec<(Duration, [u8; KEY_BYTES])>> {
    let mut text = String::new();
    match fs::File::open(file) {
        Ok(opened) => opened.take(FILE_BYTES_MAX).read_to_string(&mut text)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let line = |line: &str| {
        let (made, key) = line.split_once(' ')?;
        let key = decode_url(key.as_bytes())?.try_into().ok()?;
        Some((Duration::from_secs(made.parse().ok()?), key))
    };
    let keys: Option<Vec<_>> = text.lines().map(line).collect();
    keys.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "is no file of keys"))
}

fn write(file: &Path, keys: &[(Duration, [u8; KEY_BYTES])]) -> io::Result<()> {
    files::replace(file, |out| {
        keys.iter().try_for_each(|(made, key)| writeln!(out, "{} {}", made.as_secs(), encode_url(key)))
    })
}

#[cfg(test)]
mod tests;
