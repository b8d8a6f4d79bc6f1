//! Keys that all nodes share: one ring in the vault, moved on by whichever node finds something due first.
//!
//! A node takes over what another has written as soon as it is told. What the time alone decides (a published key comes into
//! use, a past one goes) it does by itself, store or no store, so that all nodes do it together; the writing of it comes
//! after. A new key exists once it is written, and not before. Times are those of the store's clock.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::ring::{Ring, Schedule};
use super::{NO_KEY, whole};
use crate::clock;
use crate::vault::{Found, Heard, Vault};

/// The name of the ring in the vault.
const NAME: &str = "signing";

/// What of the vault is in a ring.
#[derive(Debug, Clone, Default)]
pub(super) struct Known {
    sealed: Option<Arc<str>>,
    heard: Option<Heard>,
}

impl Known {
    /// What time it is for the keys, in whole seconds since 1970.
    pub(super) fn time(&self) -> Duration {
        whole(self.heard.map_or_else(clock::wall, |heard| heard.time()))
    }

    /// How long nobody has said whether this is still what is kept.
    pub(super) fn silence(&self, vault: &Vault) -> Duration {
        let is_same = match (&self.sealed, vault.sealed(NAME)) {
            (Some(own), Some(kept)) => *own == kept,
            (None, _) | (_, None) => false,
        };
        let heard = if is_same { vault.heard() } else { self.heard };
        heard.map_or(Duration::MAX, |heard| heard.silence())
    }
}

/// Has the ring sealed under the first secret, if it is under another.
pub(super) fn seal_anew(vault: &Arc<Vault>) {
    if let Err(error) = vault.seal_anew(NAME) {
        tracing::warn!(%error, "the keys that tokens are signed with stay sealed under an older secret");
    }
}

/// Takes over what is kept, and moves on what is due.
pub(super) fn look(
    vault: &Arc<Vault>,
    schedule: &Schedule,
    ring: &mut Ring,
    known: &mut Known,
) -> Result<(), String> {
    let is_newer = take(vault, ring, known)?;
    let (now, monotonic) = (known.time(), clock::now());
    let mut passed = ring.clone();
    let has_passed = passed.pass(schedule, now, monotonic);
    if !is_newer && !has_passed && !passed.wants_key(schedule, now) {
        return Ok(());
    }
    let outcome = write(vault, schedule, ring);
    if let Ok(written) = outcome {
        *ring = written;
        return Ok(());
    }
    // The time goes on without the store.
    *ring = passed;
    outcome.map(drop)
}

/// Takes over what is kept. Says whether that lacks something.
fn take(vault: &Vault, ring: &mut Ring, known: &mut Known) -> Result<bool, String> {
    let sealed = vault.sealed(NAME);
    match vault.read(NAME)? {
        Found::Unknown => Err("the store was not heard from yet".to_owned()),
        Found::Nothing(heard) => {
            *known = Known { sealed: None, heard: Some(heard) };
            Ok(true)
        }
        Found::Text(text, heard) => {
            let kept = Ring::from_text(text.as_bytes()).map_err(|error| error.to_string())?;
            if sealed != known.sealed {
                ring.adopt(&kept, whole(heard.time()), clock::now());
            }
            *known = Known { sealed, heard: Some(heard) };
            Ok(ring.is_later_than(&kept))
        }
    }
}

/// Moves on the ring where all nodes see it, while none of them can.
fn write(vault: &Arc<Vault>, schedule: &Schedule, ring: &Ring) -> Result<Ring, String> {
    let written = Arc::new(Mutex::new(None));
    let (place, schedule, mut ring) = (Arc::clone(&written), *schedule, ring.clone());
    let change = move |kept: Option<&[u8]>, now: Duration| {
        let (now, monotonic) = (whole(now), clock::now());
        let kept = kept.map(Ring::from_text).transpose().map_err(|error| error.to_string())?;
        if let Some(kept) = &kept {
            ring.adopt(kept, now, monotonic);
        }
        let has_changed = ring.advance(&schedule, now, monotonic).map_err(|_| NO_KEY)?;
        let text = (has_changed || ring.is_newer_than(kept.as_ref())).then(|| ring.to_text());
        *place.lock().unwrap_or_else(PoisonError::into_inner) = Some(ring);
        Ok(text)
    };
    vault.change(NAME, Box::new(change))?;
    let written = written.lock().unwrap_or_else(PoisonError::into_inner).take();
    written.ok_or_else(|| "the store gave no answer".to_owned())
}

#[cfg(test)]
mod tests;
