//! What browsers keep for us, sealed: encrypted and authenticated, so that nobody reads, changes or makes it.
//!
//! Each sealed text is bound to a purpose and the login it is of, so that none serves for another ([`crate::sealing`]). The
//! first key seals, all of them open: that is how keys are changed without ending sessions. Keys come from
//! `cookie_keys`; without those they are made by the gateway, a new one every [`ROTATE`], and kept where all nodes find them
//! (the vault), else in the state directory; without a state directory they end with the process, and sessions with them. A
//! new one seals from [`LEAD`] on, so that whoever shares it has it by then.
//!
//! # Limits
//! [`SEALED_BYTES_MAX`] of a sealed text, [`KEYS_MAX`] keys.

use std::fs;
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use portcullis_identity::base64::{decode_url, encode_url};

use crate::issuers::spec::SharedSecret;
use crate::sealing::{self, Seal};
use crate::secret::random_bytes;
use crate::vault::{Found, Vault};
use crate::{clock, files};

/// Characters of a sealed text. With its name and attributes it must fit into the 4,096 bytes that browsers keep.
pub const SEALED_BYTES_MAX: usize = 3_800;
/// Keys that are known at once.
const KEYS_MAX: usize = 16;
/// When a new key of our own is begun.
const ROTATE: Duration = Duration::from_secs(30 * 86_400);
/// How long a key of our own opens what it sealed: longer than any session.
const KEPT: Duration = Duration::from_secs(90 * 86_400);
/// How long a key of our own is there before it seals, unless it is the only one.
const LEAD: Duration = Duration::from_secs(86_400);
/// Bytes of a key.
const KEY_BYTES: usize = 32;
/// Bytes of the file of keys.
const FILE_BYTES_MAX: u64 = 16 << 10;

/// The keys of one login.
#[derive(Debug)]
pub struct Seals {
    name: Box<str>,
    keys: ArcSwap<Vec<Key>>,
    /// What of the vault is in there.
    known: Mutex<Option<Arc<str>>>,
}

/// One key.
#[derive(Debug)]
struct Key {
    seal: Seal,
    /// When it was made, if by us.
    made: Option<Duration>,
}

/// Keys of our own, with when each was made; the newest first.
type Own = Vec<(Duration, [u8; KEY_BYTES])>;

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
    /// Those of the configuration; without any, none until [`Self::begin`], [`Self::keep_in`] or [`Self::share`] is told
    /// where they come from.
    pub fn new(name: &str, secrets: &[SharedSecret]) -> Self {
        let key = |secret: &SharedSecret| Key::of(name, secret.expose().as_bytes(), None);
        let keys: Vec<Key> = secrets.iter().take(KEYS_MAX).filter_map(key).collect();
        Self { name: name.into(), keys: ArcSwap::from_pointee(keys), known: Mutex::default() }
    }

    /// Makes one that lives as long as the process, where there is none.
    pub fn begin(&self, now: Duration) {
        if self.keys.load().is_empty() {
            self.take(random_bytes().map(|own| (now, own)).into_iter().collect());
        }
    }

    /// Takes over the keys in `file`, with a new one when the newest is old or there is none.
    ///
    /// # Errors
    /// They cannot be read or written; the ones there are stay.
    pub fn keep_in(&self, file: &Path, now: Duration) -> io::Result<()> {
        let mut kept = read(file)?;
        if advance(&mut kept, now).map_err(io::Error::other)? {
            files::replace(file, |out| out.write_all(to_text(&kept).as_bytes()))?;
        }
        self.take(kept);
        Ok(())
    }

    /// Whether there is something to take over or to make.
    pub fn is_behind(&self, vault: Option<&Vault>, now: Duration) -> bool {
        let is_own = self.keys.load().iter().all(|key| key.made.is_some());
        let Some(vault) = vault else { return is_own && self.is_due(now) };
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        is_own && (known.is_none() || *known != vault.sealed(&vault_name(&self.name)) || self.is_due(now))
    }

    /// Takes over the keys in the vault, with a new one when the newest is old or there is none. Waits for the store where
    /// something is to be written.
    ///
    /// # Errors
    /// They cannot be read or written; the ones there are stay.
    pub fn share(&self, vault: &Arc<Vault>) -> Result<(), String> {
        let name = vault_name(&self.name);
        if self.adopt(vault, &name)? && !self.is_due(clock::wall()) {
            return vault.seal_anew(&name);
        }
        vault.change(
            &name,
            Box::new(|kept, now| {
                let kept = kept.map(|kept| std::str::from_utf8(kept).ok().and_then(of_text).ok_or(NO_KEYS));
                let mut kept = kept.transpose()?.unwrap_or_default();
                Ok(advance(&mut kept, now)?.then(|| to_text(&kept)))
            }),
        )?;
        // What was written is in the vault by now.
        self.adopt(vault, &name).map(drop)
    }

    /// Takes over the keys in the vault; says whether there are any.
    fn adopt(&self, vault: &Vault, name: &str) -> Result<bool, String> {
        let sealed = vault.sealed(name);
        match vault.read(name)? {
            Found::Unknown => Err("the store was not heard from yet".to_owned()),
            Found::Nothing(_) => Ok(false),
            Found::Text(text, _) => {
                let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
                if *known != sealed {
                    self.take(of_text(&text).ok_or(NO_KEYS)?);
                    *known = sealed;
                }
                Ok(true)
            }
        }
    }

    /// Whether it is time for another key of our own.
    pub fn is_due(&self, now: Duration) -> bool {
        let keys = self.keys.load();
        keys.iter().filter_map(|key| key.made).max().is_some_and(|made| now >= made.saturating_add(ROTATE))
    }

    fn take(&self, own: Own) {
        let key = |(made, secret): (Duration, [u8; KEY_BYTES])| Key::of(&self.name, &secret, Some(made));
        self.keys.store(Arc::new(own.into_iter().filter_map(key).collect()));
    }

    /// Seals `text` for `purpose` at the time `now`.
    ///
    /// # Errors
    /// It is too large, or there is no key.
    pub fn seal(&self, purpose: &str, text: &[u8], now: Duration) -> Result<String, NotSealed> {
        let keys = self.keys.load();
        let counts = |key: &&Key| key.made.is_none_or(|made| made.saturating_add(LEAD) <= now);
        // The newest that everybody has; as long as there is none, the oldest.
        let key = keys.iter().find(counts).or(keys.last()).ok_or(NotSealed::NoKey)?;
        let text = key.seal.seal(purpose, text).ok_or(NotSealed::NoKey)?;
        if text.len() > SEALED_BYTES_MAX { Err(NotSealed::TooLarge) } else { Ok(text) }
    }

    /// What was sealed for `purpose`; `None` for anything else.
    pub fn open(&self, purpose: &str, sealed: &[u8]) -> Option<Vec<u8>> {
        if sealed.len() > SEALED_BYTES_MAX {
            return None;
        }
        let keys = self.keys.load();
        Some(sealing::open(keys.iter().map(|key| &key.seal), purpose, sealed)?.1)
    }
}

impl Key {
    /// The key that a secret makes for the login called `name`.
    fn of(name: &str, secret: &[u8], made: Option<Duration>) -> Option<Self> {
        Some(Self { seal: Seal::of(secret, "login cookie", name)?, made })
    }
}

/// Lets old keys go, and puts a new one in front when the newest is old or there is none. Says whether it did that.
fn advance(own: &mut Own, now: Duration) -> Result<bool, &'static str> {
    own.retain(|(made, _)| now < made.saturating_add(KEPT));
    own.sort_by_key(|(made, _)| std::cmp::Reverse(*made));
    let is_due = own.first().is_none_or(|(made, _)| now >= made.saturating_add(ROTATE));
    if is_due {
        own.insert(0, (now, random_bytes().ok_or("the system gives no random bytes")?));
        own.truncate(KEYS_MAX);
    }
    Ok(is_due)
}

/// The keys in a file. No file: none.
fn read(file: &Path) -> io::Result<Own> {
    let mut text = String::new();
    match fs::File::open(file) {
        Ok(opened) => opened.take(FILE_BYTES_MAX).read_to_string(&mut text)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    of_text(&text).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, NO_KEYS))
}

/// One key a line: when it was made, in seconds since 1970, and the key.
fn to_text(own: &Own) -> String {
    own.iter().map(|(made, key)| format!("{} {}\n", made.as_secs(), encode_url(key))).collect()
}

fn of_text(text: &str) -> Option<Own> {
    let line = |line: &str| {
        let (made, key) = line.split_once(' ')?;
        let key = decode_url(key.as_bytes())?.try_into().ok()?;
        Some((Duration::from_secs(made.parse().ok()?), key))
    };
    text.lines().map(line).collect()
}

/// The name of a login's keys in the vault.
fn vault_name(login: &str) -> String {
    format!("login {login}")
}

const NO_KEYS: &str = "what is kept are no keys";

#[cfg(test)]
mod tests;
