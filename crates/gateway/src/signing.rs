//! Keys of our own: what the gateway signs with, kept, rotated and published.
//!
//! A key is published for as long as a reader may keep an older set before anything is signed with it, and stays published until
//! the longest token signed with it has ended. So at any moment every reader that keeps to `Cache-Control` can verify every
//! token that counts. What is when is the business of [`ring`]; [`folder`] keeps it over a restart, [`shared`] for all nodes.
//!
//! # Limits
//! [`LIFETIME_MAX`] of a token; [`ring::KEYS_MAX`] keys.
//!
//! # Failure
//! A change that cannot be kept is not made: the key in use stays in use, and the log says so, an incident when its time is
//! over. With keys of a node's own the very first key is used all the same; a set that cannot be read is laid aside under
//! another name and a new one begun; a folder that is lost while the gateway runs is written anew from memory. With `state: none` a
//! restart begins a new set. A new set begins with a key that no reader knows yet: those who ask again for a `kid` they do
//! not know have it at once, others when their set is too old.
//!
//! Keys that all nodes share are made by nobody alone: without the store there is no new one, and a node that has heard nothing
//! of it for [`ring::SILENCE_MAX`] signs no more, since the others may by then publish its key no longer.
//!
//! # Threats
//! Whoever reads the folder can sign as the gateway: it is for our user alone (0700, files 0600). A clock that is set forward
//! brings no key into use before its time, for that is counted on the monotonic clock, too; one that is set back
//! shortens what was planned to what it would be from now.

mod folder;
pub mod ring;
mod shared;

use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use portcullis_identity::json::Object;
use portcullis_identity::jwt::{Header, NotSigned, SigningKey};
use serde::Serialize;
use tokio::sync::Notify;

use crate::chores::Chores;
use crate::clock;
use crate::vault::Vault;
use folder::Folder;
use ring::{Ring, SILENCE_MAX, Schedule};
use shared::Known;

/// The longest a token of ours may count.
pub const LIFETIME_MAX: Duration = Duration::from_secs(3_600);
/// The kind of an incident: there is no key to sign with, or none to follow the one whose time is over.
pub const KEYS_STUCK: &str = "signing-keys-stuck";

/// How often it is looked what time it is, at the least.
const LOOK_AGAIN: Duration = Duration::from_secs(30);
/// And when something that was due could not be done.
const TRY_AGAIN: Duration = Duration::from_secs(5);

/// The keys of this gateway. Made once, configured with each configuration that signs something.
#[derive(Debug, Default)]
pub struct Signing {
    keeping: Keeping,
    inner: Mutex<Inner>,
    /// Held by whoever looks what is due: that may wait for a disk or for the store.
    looking: Mutex<()>,
    current: ArcSwapOption<Current>,
    changed: Arc<Notify>,
    tell: OnceLock<Tell>,
}

/// Where keys are kept.
#[derive(Debug, Default)]
enum Keeping {
    /// Nowhere.
    #[default]
    Memory,
    /// In the state directory.
    Folder(Folder),
    /// Where all nodes find them.
    Vault(Arc<Vault>),
}

#[derive(Debug, Default)]
struct Inner {
    schedule: Option<Schedule>,
    ring: Ring,
    /// What of the vault is in the ring.
    known: Known,
    /// What was said last of keeping, to say it once.
    complaint: Option<String>,
    is_begun: bool,
    is_stuck: bool,
}

/// What is signed with and published now.
#[derive(Debug)]
struct Current {
    key: Arc<SigningKey>,
    published: Bytes,
    max_age: Duration,
    /// Of keys that all nodes share.
    shared: Option<(Arc<Vault>, Known)>,
}

/// The key set as it is published.
#[derive(Debug, Clone)]
pub struct Published {
    /// A JWK set (RFC 7517 §5).
    pub set: Bytes,
    /// How long readers may keep it, where that is less than the configuration says: nobody here knows whether another node
    /// has a new key by then.
    pub max_age: Option<Duration>,
}

/// How the keys are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SigningFacts {
    /// Whether all nodes share them.
    pub shared: bool,
    /// How many are published.
    pub keys: usize,
    /// Whether one may be signed with.
    pub signs: bool,
    /// How long it has been used.
    pub age_seconds: Option<u64>,
    /// How long past its time it is used, for want of the next.
    pub overdue_seconds: Option<u64>,
    /// Why the keys are not as they should be.
    pub failure: Option<String>,
}

/// Who is told what operators must know.
struct Tell(Box<dyn Fn(&str) + Send + Sync>);

impl Signing {
    /// Keys of all nodes where there is a `vault`, else of this one, kept below `state` or nowhere.
    pub fn new(state: Option<&Path>, vault: Option<Arc<Vault>>) -> Self {
        let keeping = match (vault, state) {
            (Some(vault), _) => Keeping::Vault(vault),
            (None, Some(state)) => Keeping::Folder(Folder::new(state.join("signing"))),
            (None, None) => Keeping::Memory,
        };
        Self { keeping, ..Self::default() }
    }

    /// Keeps keys by `schedule` from now on; the first one is there when this returns, unless none can be made. `tell` hears
    /// what is an incident.
    pub fn begin(
        self: &Arc<Self>,
        mut schedule: Schedule,
        chores: &Chores,
        tell: impl Fn(&str) + Send + Sync + 'static,
    ) {
        schedule.is_shared = matches!(self.keeping, Keeping::Vault(_));
        let is_begun = {
            let mut inner = self.inner();
            inner.schedule = Some(schedule);
            std::mem::replace(&mut inner.is_begun, true)
        };
        if !is_begun {
            // The first one is told for good.
            let _ = self.tell.set(Tell(Box::new(tell)));
            if let Keeping::Vault(vault) = &self.keeping {
                vault.wakes(Arc::clone(&self.changed));
                shared::seal_anew(vault);
            }
        }
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
                    // A new schedule is looked at when it is there, and what another node has done.
                    drop(tokio::time::timeout(wait, signing.changed.notified()).await);
                }
            });
        }
    }

    /// A token with these claims, signed with the key in use.
    ///
    /// # Errors
    /// There is no key, or none that is known to count still, or the system has no randomness.
    pub fn sign(&self, header: &Header, claims: &Object) -> Result<String, NotSigned> {
        let current = self.current.load();
        let current = current.as_ref().ok_or(NotSigned)?;
        if current.may_sign() { current.key.sign(header, claims) } else { Err(NotSigned) }
    }

    /// The key set as it is published. `None` before there is one.
    pub fn published(&self) -> Option<Published> {
        self.current
            .load()
            .as_ref()
            .map(|current| Published { set: current.published.clone(), max_age: current.max_age() })
    }

    /// How the keys are, where there are to be any.
    pub fn facts(&self) -> Option<SigningFacts> {
        let inner = self.inner();
        let schedule = inner.schedule?;
        let current = self.current.load();
        let now = inner.known.time();
        let seconds = |time: Duration| time.as_secs();
        Some(SigningFacts {
            shared: schedule.is_shared,
            keys: inner.ring.len(),
            signs: current.as_ref().is_some_and(|current| current.may_sign()),
            age_seconds: inner.ring.since().map(|since| seconds(now.saturating_sub(since))),
            overdue_seconds: inner.ring.overdue(&schedule, now).map(seconds),
            failure: inner.complaint.clone(),
        })
    }

    /// Moves on what is due, and says when to look again.
    fn look(&self) -> Duration {
        let _one = self.looking.lock().unwrap_or_else(PoisonError::into_inner);
        let (schedule, mut ring, mut known) = {
            let inner = self.inner();
            let Some(schedule) = inner.schedule else { return LOOK_AGAIN };
            (schedule, inner.ring.clone(), inner.known.clone())
        };
        let outcome = match &self.keeping {
            Keeping::Memory => ring
                .advance(&schedule, whole(clock::wall()), clock::now())
                .map(drop)
                .map_err(|_| NO_KEY.to_owned()),
            Keeping::Folder(folder) => keep_in(folder, &schedule, &mut ring),
            Keeping::Vault(vault) => shared::look(vault, &schedule, &mut ring, &mut known),
        };
        let (now, monotonic) = (known.time(), clock::now());
        let mut inner = self.inner();
        if let Some(key) = ring.in_use() {
            let shared = match &self.keeping {
                Keeping::Vault(vault) => Some((Arc::clone(vault), known.clone())),
                Keeping::Memory | Keeping::Folder(_) => None,
            };
            let published = Bytes::from(ring.published());
            self.current.store(Some(Arc::new(Current { key, published, max_age: schedule.max_age, shared })));
        }
        (inner.ring, inner.known) = (ring, known);
        match outcome {
            Ok(()) => inner.complaint = None,
            Err(error) => {
                if inner.complaint.as_ref() != Some(&error) {
                    tracing::error!(%error, "the keys that tokens are signed with cannot be kept; they stay as they are");
                    inner.complaint = Some(error);
                }
            }
        }
        let due = inner.ring.due(&schedule, now, monotonic);
        let longest = if inner.complaint.is_some() { TRY_AGAIN } else { LOOK_AGAIN };
        let wait = due.clamp(SHORTEST, longest);
        drop(inner);
        self.tell_if_stuck();
        wait
    }

    /// Has it told, once, when keys are wanted that cannot be had.
    fn tell_if_stuck(&self) {
        let Some(facts) = self.facts() else { return };
        let reason = facts.failure.as_deref().unwrap_or("no reason is known");
        let cause = match (facts.signs, facts.overdue_seconds) {
            (false, _) => Some(format!("there is no key that may be signed with: {reason}")),
            (true, Some(late)) if facts.failure.is_some() => {
                Some(format!("the key in use should have been followed {late} s ago: {reason}"))
            }
            (true, _) => None,
        };
        let was_stuck = std::mem::replace(&mut self.inner().is_stuck, cause.is_some());
        if let (Some(cause), false, Some(tell)) = (cause, was_stuck, self.tell.get()) {
            tracing::error!(%cause, "tokens of our own are in danger");
            (tell.0)(&cause);
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        // Rings are replaced whole.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Moves on a ring that a folder keeps.
fn keep_in(folder: &Folder, schedule: &Schedule, ring: &mut Ring) -> Result<(), String> {
    let (now, monotonic) = (whole(clock::wall()), clock::now());
    let mut moved = ring.clone();
    let outcome = folder.change(|kept| {
        if let Some(kept) = kept {
            moved.adopt(kept, now, monotonic);
        }
        let has_changed = moved.advance(schedule, now, monotonic).map_err(|_| NO_KEY)?;
        Ok((has_changed || moved.is_newer_than(kept)).then(|| moved.to_text()))
    });
    if outcome.is_ok() {
        *ring = moved;
    } else if ring.is_empty() {
        // The first key is used, kept or not: without one nothing could be signed. None: the next look says so.
        let _ = ring.advance(schedule, now, monotonic);
    }
    outcome
}

impl Current {
    /// How long nobody has said whether the keys are still those that all nodes publish.
    fn silence(&self) -> Duration {
        self.shared.as_ref().map_or(Duration::ZERO, |(vault, known)| known.silence(vault))
    }

    fn may_sign(&self) -> bool {
        self.silence() < SILENCE_MAX
    }

    /// A key that this node does not know is used by others `max_age` and more after [`crate::vault::SPREAD`] have passed
    /// since it last heard from the store, so a set that it gives may not be kept for longer than until then.
    fn max_age(&self) -> Option<Duration> {
        let silence = self.silence();
        let beyond = silence.checked_sub(crate::vault::SPREAD).filter(|beyond| !beyond.is_zero())?;
        Some(self.max_age.saturating_sub(beyond))
    }
}

impl fmt::Debug for Tell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tell")
    }
}

/// Times are kept in whole seconds.
fn whole(time: Duration) -> Duration {
    Duration::from_secs(time.as_secs())
}

const NO_KEY: &str = "no key can be made";
const SHORTEST: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests;
