//! Keys of our own: what the gateway signs with, kept, rotated and published.
//!
//! A key is published for as long as a reader may keep an older set before anything is signed with it, and stays published until
//! the longest token signed with it has ended. So at any moment every reader that keeps to `Cache-Control` can verify every
//! token that counts. What is when is the business of [`ring`]; [`folder`] keeps it over a restart.
//!
//! # Limits
//! [`LIFETIME_MAX`] of a token; [`ring::KEYS_MAX`] keys.
//!
//! # Failure
//! A change that cannot be kept is not made: the key in use stays in use, and the log says so. The very first key is used all the
//! same. A set that cannot be read is laid aside under another name and a new one begun; a folder that is lost while the gateway
//! runs is written anew from memory. With `state: none` a restart begins a new set. A new set begins with a key that no
//! reader knows yet: those who ask again for a `kid` they do not know have it at once, others when their set is too old.
//!
//! # Threats
//! Whoever reads the folder can sign as the gateway: it is for our user alone (0700, files 0600). A clock that is set forward
//! brings no key into use before its time, for that is counted on the monotonic clock, too; one that is set back
//! shortens what was planned to what it would be from now.

mod folder;
pub mod ring;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use portcullis_identity::json::Object;
use portcullis_identity::jwt::{Header, NotSigned, SigningKey};
use tokio::sync::Notify;

use crate::chores::Chores;
use crate::clock;
use folder::Folder;
use ring::{Ring, Schedule};

/// The longest a token of ours may count.
pub const LIFETIME_MAX: Duration = Duration::from_secs(3_600);

/// How often it is looked what time it is, at the least.
const LOOK_AGAIN: Duration = Duration::from_secs(30);

/// The keys of this gateway. Made once, configured with each configuration that signs something.
#[derive(Debug, Default)]
pub struct Signing {
    folder: Option<Folder>,
    inner: Mutex<Inner>,
    current: ArcSwapOption<Current>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Inner {
    schedule: Option<Schedule>,
    ring: Ring,
    /// What was said last of keeping, to say it once.
    complaint: Option<String>,
    is_begun: bool,
}

/// What is signed with and published now.
#[derive(Debug)]
struct Current {
    key: Arc<SigningKey>,
    published: Bytes,
}

impl Signing {
    /// Keys that are kept below `state`, or nowhere.
    pub fn new(state: Option<PathBuf>) -> Self {
        Self { folder: state.map(|state| Folder::new(state.join("signing"))), ..Self::default() }
    }

    /// Keeps keys by `schedule` from now on; the first one is there when this returns, unless none can be made.
    pub fn begin(self: &Arc<Self>, schedule: Schedule, chores: &Chores) {
        let is_begun = {
            let mut inner = self.inner();
            inner.schedule = Some(schedule);
            std::mem::replace(&mut inner.is_begun, true)
        };
        self.look();
        self.changed.notify_one();
        if !is_begun {
            let signing = Arc::downgrade(self);
            chores.spawn(async move {
                while let Some(signing) = signing.upgrade() {
                    let next = tokio::task::spawn_blocking({
                        let signing = Arc::clone(&signing);
                        move || signing.look()
                    });
                    let wait = next.await.unwrap_or(LOOK_AGAIN);
                    // A new schedule is looked at when it is there.
                    drop(tokio::time::timeout(wait, signing.changed.notified()).await);
                }
            });
        }
    }

    /// A token with these claims, signed with the key in use.
    ///
    /// # Errors
    /// There is no key, or the system has no randomness.
    pub fn sign(&self, header: &Header, claims: &Object) -> Result<String, NotSigned> {
        self.current.load().as_ref().ok_or(NotSigned)?.key.sign(header, claims)
    }

    /// The key set as it is published: a JWK set (RFC 7517 §5). `None` before there is one.
    pub fn published(&self) -> Option<Bytes> {
        self.current.load().as_ref().map(|current| current.published.clone())
    }

    /// Moves on what is due, and says when to look again.
    fn look(&self) -> Duration {
        let mut inner = self.inner();
        let Some(schedule) = inner.schedule else { return LOOK_AGAIN };
        // In whole seconds, as they are kept.
        let (now, monotonic) = (Duration::from_secs(clock::wall().as_secs()), clock::now());
        let mut ring = inner.ring.clone();
        let outcome = match &self.folder {
            None => ring.advance(&schedule, now, monotonic).map(drop).map_err(|_| NO_KEY.to_owned()),
            Some(folder) => folder.change(|kept| {
                if let Some(kept) = kept {
                    ring.adopt(kept, now, monotonic);
                }
                let has_changed = ring.advance(&schedule, now, monotonic).map_err(|_| NO_KEY)?;
                Ok((has_changed || ring.is_newer_than(kept)).then(|| ring.to_text()))
            }),
        };
        match outcome {
            Ok(()) => {
                inner.complaint = None;
                inner.ring = ring;
            }
            Err(error) => {
                // The first key is used, kept or not: without one nothing could be signed.
                if inner.ring.is_empty() && ring.advance(&schedule, now, monotonic).is_ok() {
                    inner.ring = ring;
                }
                if inner.complaint.as_ref() != Some(&error) {
                    tracing::error!(%error, "the keys that tokens are signed with cannot be kept; they stay as they are");
                    inner.complaint = Some(error);
                }
            }
        }
        let is_failing = inner.complaint.is_some();
        if let Some(key) = inner.ring.in_use() {
            let published = Bytes::from(inner.ring.published());
            self.current.store(Some(Arc::new(Current { key, published })));
        }
        let due = inner.ring.due(&schedule, now, monotonic);
        if is_failing { LOOK_AGAIN } else { due.clamp(Duration::from_millis(100), LOOK_AGAIN) }
    }

    fn inner(&self) -> std::sync::MutexGuard<'_, Inner> {
        // Rings are replaced whole.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const NO_KEY: &str = "no key can be made";

#[cfg(test)]
mod tests;
