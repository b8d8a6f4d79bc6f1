//! Passwords against their hashes: on a bounded pool, and not again for a while once one was right.
//!
//! A password's hash is slow by design (RFC 9106): some 20 ms and 20 MiB each. So only half of the cores hash at a time, off
//! the threads that serve; so many wait as `bounds.passwords_waiting` says, for two seconds at most; whoever comes
//! beyond that is told to come again (503) and not that the password is wrong. A password that was right is remembered
//! by a keyed hash of user, password and stored hash, so that a change or a revocation of any of them forgets it.
//!
//! SECURITY: a user nobody knows costs the same hash as one with a wrong password, or the difference would tell which
//! names exist. What it is compared with has the work of the costliest hash in the configuration.
//!
//! # Limits
//! `bounds.passwords_waiting`, `bounds.passwords_remembered`, each for [`REMEMBERED_FOR`].

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use argon2::{Argon2, PasswordVerifier};
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use foldhash::{HashMap, HashMapExt};

use crate::bounds::Bounds;
use crate::clock::{self, Instant};
use crate::workers::{Busy, Workers};

/// How long a password that was right is not hashed again.
pub const REMEMBERED_FOR: Duration = Duration::from_secs(300);
/// Parallel lanes, work and salt that no password was ever hashed with: the result is 32 bytes of nothing.
const NOBODYS_END: &str = "$bm9ib2R5IGlzIGhlcmU$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
/// The work where no configuration says more (OWASP Password Storage Cheat Sheet).
const USUAL_WORK: &str = "m=19456,t=2,p=1";

/// The pool and what it remembers. One of the process.
pub struct Passwords {
    workers: Workers,
    key: hmac::Key,
    right: Mutex<HashMap<Mark, Instant>>,
}

/// A right password, told apart from all others.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Mark([u8; 32]);

/// What nobody's password is compared with: as costly as the costliest hash there is.
#[derive(Debug, Clone)]
pub struct Nobody(Arc<str>);

impl Default for Passwords {
    fn default() -> Self {
        // Without randomness of the system the key is fixed for this process, and nothing worse than guessable by whoever
        // reads its memory: what is remembered never leaves it.
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new())
            .unwrap_or_else(|_| hmac::Key::new(hmac::HMAC_SHA256, b"portcullis"));
        Self { workers: Workers::of_half_the_cores(), key, right: Mutex::new(HashMap::new()) }
    }
}

impl Passwords {
    /// Tells a password apart from all others, of this user and of this stored hash.
    pub fn mark(&self, hash: &str, user: &str, password: &[u8]) -> Mark {
        let mut context = hmac::Context::with_key(&self.key);
        for part in [hash.as_bytes(), user.as_bytes(), password] {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
        Mark(context.sign().as_ref().try_into().unwrap_or_default())
    }

    /// Whether it was right a while ago.
    pub fn was_right(&self, mark: Mark) -> bool {
        self.remembered().get(&mark).is_some_and(|until| *until > clock::now())
    }

    /// Remembers that it was right.
    pub fn note_right(&self, mark: Mark, bounds: &Bounds) {
        let most = bounds.passwords_remembered as usize;
        let now = clock::now();
        let mut right = self.remembered();
        if right.len() >= most {
            right.retain(|_, until| *until > now);
        }
        // Full of others that are still good: the one to end first makes room.
        while right.len() >= most.max(1) {
            let Some(first) = right.iter().min_by_key(|(_, until)| **until).map(|(mark, _)| *mark) else {
                break;
            };
            right.remove(&first);
        }
        if most > 0 {
            right.insert(mark, now.checked_add(REMEMBERED_FOR).unwrap_or(now));
        }
    }

    /// Whether `password` is what `hash`, a PHC string, was made of.
    ///
    /// # Errors
    /// No room or no time to find out.
    pub async fn verify(&self, password: Vec<u8>, hash: Arc<str>, bounds: &Bounds) -> Result<bool, Busy> {
        // Every password stands in the line, if only for a moment: where nobody may wait none is hashed.
        if bounds.passwords_waiting == 0 {
            return Err(Busy);
        }
        let hashing = move || Argon2::default().verify_password(&password, &*hash).is_ok();
        self.workers.run(bounds.passwords_waiting, hashing).await
    }

    fn remembered(&self) -> std::sync::MutexGuard<'_, HashMap<Mark, Instant>> {
        // Nothing is done under the lock that could leave half a change behind.
        self.right.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Nobody {
    /// As costly as the costliest of these hashes, or of the usual work.
    pub fn like<'a>(hashes: impl IntoIterator<Item = &'a str>) -> Self {
        let work = hashes.into_iter().filter_map(|hash| hash.split('$').nth(3)).max_by_key(|work| cost(work));
        let work = work.filter(|work| cost(work) > cost(USUAL_WORK)).unwrap_or(USUAL_WORK);
        Self(format!("$argon2id$v=19${work}{NOBODYS_END}").into())
    }

    /// The hash.
    pub fn hash(&self) -> Arc<str> {
        Arc::clone(&self.0)
    }
}

/// Memory times passes.
fn cost(work: &str) -> u64 {
    let number = |name: &str| {
        let part = work.split(',').find_map(|part| part.strip_prefix(name));
        part.and_then(|number| number.parse::<u64>().ok()).unwrap_or_default()
    };
    number("m=").saturating_mul(number("t="))
}

impl fmt::Debug for Passwords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Passwords").field("workers", &self.workers).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{Nobody, Passwords};
    use crate::bounds::Bounds;

    /// Of `correct horse`.
    const HASH: &str =
        "$argon2id$v=19$m=7168,t=5,p=1$YzJGc2RITmhiSFF4$meE12SBYL4136AkzPwSEswSRDfpgjaJBdm/wCYKzmyA";

    #[tokio::test]
    async fn a_password_is_right_or_wrong() {
        let (passwords, bounds) = (Passwords::default(), Bounds::default());
        for (password, hash, expected) in [
            ("correct horse", HASH, true),
            ("correct horsf", HASH, false),
            ("", HASH, false),
            ("correct horse", "no hash", false),
            ("", &*Nobody::like([HASH]).hash(), false),
        ] {
            let verdict = passwords.verify(password.into(), hash.into(), &bounds).await;
            assert_eq!(verdict, Ok(expected), "{password:?}");
        }
    }

    #[tokio::test]
    async fn beyond_the_bound_nobody_is_told_that_a_password_is_wrong() {
        let passwords = Arc::new(Passwords::default());
        let none = Bounds { passwords_waiting: 0, ..Bounds::default() };
        assert!(passwords.verify("correct horse".into(), HASH.into(), &none).await.is_err());
        let verdict = passwords.verify("correct horse".into(), HASH.into(), &Bounds::default()).await;
        assert_eq!(verdict, Ok(true), "places are given back");
    }

    #[test]
    fn what_was_right_is_remembered_within_its_bound() {
        let passwords = Passwords::default();
        let bounds = Bounds { passwords_remembered: 2, ..Bounds::default() };
        let marks = ["a", "b", "c"].map(|password| passwords.mark(HASH, "ann", password.as_bytes()));
        for mark in marks {
            assert!(!passwords.was_right(mark));
            passwords.note_right(mark, &bounds);
            assert!(passwords.was_right(mark));
        }
        assert_eq!(marks.iter().filter(|mark| passwords.was_right(**mark)).count(), 2);
        assert!(passwords.mark(HASH, "ann", b"x") != passwords.mark(HASH, "an", b"nx"));
        assert!(passwords.mark("another", "ann", b"c") != marks[2]);
    }

    #[test]
    fn nobody_costs_what_the_costliest_costs() {
        let hash = |work: &str| format!("$argon2id$v=19${work}$c2FsdHNhbHQ$AAAA");
        let like = |works: &[&str]| {
            let hashes: Vec<String> = works.iter().map(|work| hash(work)).collect();
            Nobody::like(hashes.iter().map(String::as_str)).hash()
        };
        assert!(like(&[]).starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        assert!(like(&["m=7168,t=5,p=1"]).starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        assert!(like(&["m=65536,t=1,p=1", "m=47104,t=1,p=1"]).starts_with("$argon2id$v=19$m=65536,t=1,p=1$"));
    }
}
