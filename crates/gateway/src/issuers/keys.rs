//! The keys of one issuer: known ones for whoever verifies, and how newer ones are come by.
//!
//! Requests take what is known at that moment and never fetch. Who meets a key that is not known asks for a refresh:
//! [`Keys::renewed`]. All who ask are one wish, and after each fetch there is none for the time of `cool_down`, whatever
//! anybody sends; meanwhile what the last fetch said holds.
//!
//! [`Keys::generation`] changes whenever the keys do. What was verified counts in its generation alone.
//!
//! # Limits
//! A request waits at most [`WAIT`] for a fetch, and at most [`WAITING_MAX`] requests do so for one issuer.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use portcullis_identity::json::Object;
use portcullis_identity::jwk::{Key, KeySet, Origin};
use portcullis_identity::jwt::Said;
use tokio::sync::{Notify, oneshot, watch};

use super::spec::{KeysSpec, Place};
use crate::clock::{self, Instant};

/// Most time a request waits for keys to be fetched.
pub const WAIT: Duration = Duration::from_secs(2);
/// Requests of one issuer that wait for it.
pub const WAITING_MAX: usize = 256;

/// The keys of one issuer.
#[derive(Debug)]
pub struct Keys {
    spec: KeysSpec,
    shared: Arc<Shared>,
    /// Dropped with the last holder, which ends the keeper.
    _held: oneshot::Sender<()>,
    /// Taken by the keeper when it begins.
    end: std::sync::Mutex<Option<oneshot::Receiver<()>>>,
}

/// What keeper and requests share.
#[derive(Debug)]
pub(super) struct Shared {
    known: ArcSwapOption<Known>,
    generation: AtomicU64,
    pub(super) progress: watch::Sender<Progress>,
    pub(super) wanted: Notify,
    waiting: AtomicUsize,
    /// What the issuer says of itself, where it was found by discovery.
    pub(super) document: ArcSwapOption<Object>,
}

/// Keys that count now.
#[derive(Debug)]
pub struct Known {
    /// The keys.
    pub set: KeySet,
    /// The document they were read from, where it was fetched.
    pub(super) text: Vec<u8>,
    /// When they were fetched, since 1970.
    pub(super) fetched: AtomicU64,
}

/// How fetching goes.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Progress {
    /// Fetches that have ended.
    pub(super) ended: u64,
    /// When the last one began, if any did.
    pub(super) began: Option<Instant>,
    /// Whether one is under way.
    pub(super) is_running: bool,
    /// Whether the last one that has ended came to nothing.
    pub(super) has_failed: bool,
}

/// What became of a wish for newer keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Renewed {
    /// What is known now is as new as it can be.
    Yes,
    /// Nobody can say: the issuer could not be asked.
    Unknown,
}

impl Keys {
    /// Those of `spec`: there at once where nothing is fetched.
    ///
    /// # Errors
    /// Says why a key set of the configuration does not count.
    pub fn new(spec: KeysSpec) -> Result<Self, String> {
        let refused = |why: portcullis_identity::jwk::Refused| why.as_str().to_owned();
        let set = match &spec.place {
            Place::Discovery(_) | Place::Url(_) => None,
            Place::Set(text) => Some(KeySet::parse(text, Origin::Remote).map_err(refused)?),
            Place::Secret(secret) => {
                let key = Key::secret(secret.expose().as_bytes()).map_err(refused)?;
                Some(KeySet::new(vec![key]).map_err(refused)?)
            }
        };
        let shared = Shared {
            known: ArcSwapOption::default(),
            generation: AtomicU64::new(0),
            progress: watch::Sender::new(Progress::default()),
            wanted: Notify::new(),
            waiting: AtomicUsize::new(0),
            document: ArcSwapOption::default(),
        };
        if let Some(set) = set {
            shared.learn(Known::new(set, Vec::new(), clock::wall()));
        }
        let (held, end) = oneshot::channel();
        let end = std::sync::Mutex::new(Some(end));
        Ok(Self { spec, shared: Arc::new(shared), _held: held, end })
    }

    /// What they were made from.
    pub fn spec(&self) -> &KeysSpec {
        &self.spec
    }

    /// What is known now.
    pub fn known(&self) -> Option<Arc<Known>> {
        self.shared.known.load_full()
    }

    /// Whether a token says that it is of a key that is none of those known now. Where none are known nobody can tell.
    pub fn lack(&self, said: &Said<'_>) -> bool {
        self.shared.known.load().as_ref().is_some_and(|known| said.is_of_other_key(&known.set))
    }

    /// What the issuer says of itself, once it did.
    pub fn document(&self) -> Option<Arc<Object>> {
        self.shared.document.load_full()
    }

    /// A number that changes with the keys. To be asked before [`Self::known`].
    pub fn generation(&self) -> u64 {
        self.shared.generation.load(Ordering::Acquire)
    }

    /// Whether they are fetched.
    pub fn are_fetched(&self) -> bool {
        matches!(self.spec.place, Place::Discovery(_) | Place::Url(_))
    }

    /// Whether no newer keys are to be had now: [`Self::renewed`] would say so at once.
    pub fn are_new(&self) -> bool {
        if !self.are_fetched() {
            return true;
        }
        let now = *self.shared.progress.borrow();
        !now.is_running && !self.may_fetch(&now) && said(now) == Renewed::Yes
    }

    fn may_fetch(&self, progress: &Progress) -> bool {
        progress
            .began
            .is_none_or(|began| clock::now().saturating_duration_since(began) >= self.spec.cool_down)
    }

    /// Has newer keys fetched unless that was done just now, and waits for it.
    pub async fn renewed(&self) -> Renewed {
        if !self.are_fetched() {
            return Renewed::Yes;
        }
        let mut progress = self.shared.progress.subscribe();
        let now = *progress.borrow_and_update();
        if !now.is_running && !self.may_fetch(&now) {
            return said(now);
        }
        let Some(_place) = Waiting::take(&self.shared.waiting) else { return Renewed::Unknown };
        if !now.is_running {
            self.shared.wanted.notify_one();
        }
        let ended = progress.wait_for(|progress| progress.ended > now.ended);
        match tokio::time::timeout(WAIT, ended).await {
            Ok(Ok(progress)) => said(*progress),
            Ok(Err(_)) | Err(_) => Renewed::Unknown,
        }
    }

    /// Hands the keeper what it needs, once.
    pub(super) fn begin(&self) -> Option<(Arc<Shared>, oneshot::Receiver<()>)> {
        let end = self.end.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take()?;
        Some((Arc::clone(&self.shared), end))
    }
}

fn said(progress: Progress) -> Renewed {
    if progress.has_failed { Renewed::Unknown } else { Renewed::Yes }
}

impl Shared {
    /// What is known now.
    pub(super) fn known(&self) -> Option<Arc<Known>> {
        self.known.load_full()
    }

    /// Takes in what was fetched. Says whether it is another key set than before.
    pub(super) fn learn(&self, known: Known) -> bool {
        if let Some(before) = self.known.load().as_ref().filter(|before| before.text == known.text) {
            before.fetched.store(known.fetched.load(Ordering::Relaxed), Ordering::Relaxed);
            return false;
        }
        self.known.store(Some(Arc::new(known)));
        self.generation.fetch_add(1, Ordering::AcqRel);
        true
    }

    /// What is known counts no more.
    pub(super) fn forget(&self) {
        self.known.store(None);
        self.generation.fetch_add(1, Ordering::AcqRel);
    }
}

impl Known {
    pub(super) fn new(set: KeySet, text: Vec<u8>, fetched: Duration) -> Self {
        Self { set, text, fetched: AtomicU64::new(fetched.as_secs()) }
    }

    /// When they were fetched, since 1970.
    pub fn fetched(&self) -> Duration {
        Duration::from_secs(self.fetched.load(Ordering::Relaxed))
    }
}

/// A place among those who wait.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn take(count: &'a AtomicUsize) -> Option<Self> {
        let place = Self(count);
        (count.fetch_add(1, Ordering::Relaxed) < WAITING_MAX).then_some(place)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
