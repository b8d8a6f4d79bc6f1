//! What others answer about something that callers bring: asked for once, however many want to know at the same time.
//!
//! Whoever comes first asks, on its own core; if that one goes away, the next takes over. What was answered is shared by all
//! cores until it counts no more, under a digest: what the question is about is not kept here. The answers are remembered in
//! two halves: when one is full the other is emptied, and what is asked for in the older one moves to the newer.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use foldhash::HashMap;
use portcullis_identity::sha256::Digest;
use tokio::sync::OnceCell;

/// One answer, which may be on its way.
pub type Answer<T> = Arc<OnceCell<T>>;

/// Something that counts for a while.
pub trait Lasting {
    /// Until when, on the wall clock since 1970.
    fn until(&self) -> Duration;
}

/// Answers of one kind.
pub struct Answers<T> {
    halves: Mutex<Halves<T>>,
    half_max: usize,
}

struct Halves<T> {
    young: HashMap<Digest, Answer<T>>,
    old: HashMap<Digest, Answer<T>>,
}

impl<T: Lasting> Answers<T> {
    /// None yet, and never more than `count_max`.
    pub fn new(count_max: usize) -> Self {
        let halves = Halves { young: HashMap::default(), old: HashMap::default() };
        Self { halves: Mutex::new(halves), half_max: (count_max / 2).max(1) }
    }

    /// What is known of `about` at `now`, or the place where it will be.
    pub fn of(&self, about: Digest, now: Duration) -> Answer<T> {
        let counts = |answer: &Answer<T>| answer.get().is_none_or(|said| now < said.until());
        // Nothing can be left half done in there.
        let mut halves = self.halves.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(answer) = halves.young.get(&about).filter(|answer| counts(answer)) {
            return Arc::clone(answer);
        }
        let answer = halves.old.remove(&about).filter(counts).unwrap_or_default();
        if halves.young.len() >= self.half_max {
            halves.old = std::mem::take(&mut halves.young);
        }
        halves.young.insert(about, Arc::clone(&answer));
        answer
    }

    /// Forgets what was answered about `about`, if it `is_unwanted`.
    pub fn forget(&self, about: &Digest, is_unwanted: impl Fn(&T) -> bool) {
        let mut halves = self.halves.lock().unwrap_or_else(PoisonError::into_inner);
        let Halves { young, old } = &mut *halves;
        for half in [young, old] {
            if half.get(about).and_then(|answer| answer.get()).is_some_and(&is_unwanted) {
                half.remove(about);
            }
        }
    }
}

impl<T> fmt::Debug for Answers<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answers").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use portcullis_identity::sha256::digest;

    struct Until(u64);

    impl Lasting for Until {
        fn until(&self) -> Duration {
            Duration::from_secs(self.0)
        }
    }

    #[test]
    fn an_answer_is_shared_until_it_counts_no_more() {
        let answers: Answers<Until> = Answers::new(4);
        let at = |seconds| answers.of(digest(b"a"), Duration::from_secs(seconds));
        let first = at(1);
        assert!(Arc::ptr_eq(&first, &at(1)), "one place for all who wait");
        assert!(first.set(Until(5)).is_ok());
        assert!(Arc::ptr_eq(&first, &at(4)));
        assert!(at(5).get().is_none());
        assert!(at(5).set(Until(9)).is_ok());
        answers.forget(&digest(b"a"), |until| until.0 == 5);
        assert!(at(5).get().is_some());
        answers.forget(&digest(b"a"), |until| until.0 == 9);
        assert!(at(5).get().is_none());
    }

    #[test]
    fn what_is_asked_for_stays_and_the_rest_makes_room() {
        let answers: Answers<Until> = Answers::new(4);
        let now = Duration::from_secs(1);
        let known = answers.of(digest(b"a"), now);
        for other in 0..100_u32 {
            drop(answers.of(digest(&other.to_be_bytes()), now));
            assert!(Arc::ptr_eq(&known, &answers.of(digest(b"a"), now)), "{other}");
        }
        let halves = answers.halves.lock().expect("no panic");
        assert!(halves.young.len() + halves.old.len() <= 4);
    }
}
