//! Secrets that all nodes share: kept in the store, sealed, and known to each node in memory.
//!
//! What signs tokens of our own and what encrypts session cookies must be the same on every node. Each such secret is a text
//! under a name. The store feeds what is written there to every node, once a second ([`Vault::fed`]); whoever reads, reads
//! memory. A change is made by one node at a time, in one transaction that sees what is kept ([`Vault::change`]): of two
//! nodes that find the same thing due, one makes it and the other finds it made.
//!
//! **How fresh.** A node that hears from the store knows everything that was written [`SPREAD`] ago. Whoever must not act on
//! what others may have replaced asks how long the store was silent ([`Heard::silence`]).
//!
//! # Limits
//! [`TEXT_BYTES_MAX`] of a text, [`WRITES_MAX`] changes that wait, for [`PATIENCE`] at most.
//!
//! # Failure
//! The store is away: what is known stays known, no change is made, and whoever wanted one is told. A node that starts
//! meanwhile has its last good copy, sealed as in the store, in the state directory.
//!
//! # Threats
//! Whoever reads the database or the state directory has nothing without the secret of the configuration. Whoever writes to
//! the database can put nothing in place of a text but an older one of the same name; those who keep texts there number them
//! and go back to none.

use std::collections::HashMap;
use std::fmt;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, mpsc};

use crate::clock::{self, Instant};
use crate::files;
use crate::sealing::{self, Seal};
use crate::secret::Secret;

/// A node that hears from the store knows what was written so long ago.
pub const SPREAD: Duration = Duration::from_secs(3);
/// Bytes of a text, sealed or not.
pub const TEXT_BYTES_MAX: usize = 512 << 10;
/// Changes that wait.
pub const WRITES_MAX: usize = 8;
/// Longest wait for a change.
pub const PATIENCE: Duration = Duration::from_secs(8);
/// How often the copy is told that the store was heard from.
const COPY_EVERY: Duration = Duration::from_secs(600);

/// The shared secrets as this node knows them.
#[derive(Debug)]
pub struct Vault {
    /// The first seals, all of them open.
    seals: Vec<Seal>,
    folder: Option<PathBuf>,
    seen: Mutex<Seen>,
    writes: mpsc::Sender<Write>,
    inbox: Mutex<Option<mpsc::Receiver<Write>>>,
    woken: Mutex<Vec<Arc<Notify>>>,
}

#[derive(Debug, Default)]
struct Seen {
    sealed: HashMap<Box<str>, Arc<str>>,
    heard: Option<Heard>,
    copied: Option<Instant>,
    away: Option<String>,
}

/// When the store last said what it keeps.
#[derive(Debug, Clone, Copy)]
pub struct Heard {
    at: Instant,
    /// How long before that, for what was heard by an earlier process.
    before: Duration,
    /// The store's clock then, since 1970.
    time: Duration,
}

/// What a reader finds under a name.
#[derive(Debug, Clone)]
pub enum Found {
    /// Nobody knows: the store was never heard from.
    Unknown,
    /// The store has nothing under that name.
    Nothing(Heard),
    /// This text, as of then.
    Text(Arc<str>, Heard),
}

/// What a change makes of what is kept: shown the text, if there is one, and the store's time.
pub type Change<'a> = dyn FnOnce(Option<&[u8]>, Duration) -> Result<Option<String>, String> + Send + 'a;

/// The same for texts as the store has them, sealed.
pub type SealedChange = dyn FnOnce(Option<&str>, Duration) -> Result<Option<String>, String> + Send;

/// A change on its way to the store.
pub struct Write {
    /// The text's name.
    pub name: String,
    /// Makes of what is kept, sealed, what is to be kept; `None` leaves it.
    pub change: Box<SealedChange>,
    /// Told what came of it.
    pub answer: SyncSender<Result<(), String>>,
}

impl Vault {
    /// Texts sealed under the first of `secrets`, with copies in `state`.
    pub fn new(secrets: &[Secret], state: Option<&Path>) -> Self {
        let seal = |secret: &Secret| Seal::of(secret.expose().as_bytes(), "shared secret", "");
        let (writes, inbox) = mpsc::channel(WRITES_MAX);
        let vault = Self {
            seals: secrets.iter().filter_map(seal).collect(),
            folder: state.map(|state| state.join("shared")),
            seen: Mutex::default(),
            writes,
            inbox: Mutex::new(Some(inbox)),
            woken: Mutex::default(),
        };
        if let Err(error) = vault.read_copies() {
            tracing::error!(%error, "the last good copy of the shared secrets cannot be read");
        }
        vault
    }

    /// Where changes arrive; for whoever holds the store, once.
    pub fn inbox(&self) -> Option<mpsc::Receiver<Write>> {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Has `notify` told whenever something has changed.
    pub fn wakes(&self, notify: Arc<Notify>) {
        self.woken.lock().unwrap_or_else(PoisonError::into_inner).push(notify);
    }

    /// Takes in what the store keeps, all of it, as of `asked`, when its clock said `time`; without `sealed` nothing has
    /// changed.
    pub fn fed(&self, sealed: Option<HashMap<Box<str>, Arc<str>>>, asked: Instant, time: Duration) {
        let has_changed = sealed.is_some();
        let heard = Heard { at: asked, before: Duration::ZERO, time };
        let (texts, is_due, is_back) = {
            let mut seen = self.seen();
            let is_back = seen.away.take().is_some();
            seen.heard = Some(heard);
            if let Some(sealed) = sealed {
                seen.sealed = sealed;
            }
            let is_old = |at: Instant| clock::now().saturating_duration_since(at) >= COPY_EVERY;
            let is_due = has_changed || is_back || seen.copied.is_none_or(is_old);
            if is_due {
                seen.copied = Some(clock::now());
            }
            (if is_due { seen.sealed.clone() } else { HashMap::new() }, is_due, is_back)
        };
        if is_due && let Err(error) = self.write_copies(&texts) {
            tracing::warn!(%error, "the last good copy of the shared secrets is not kept");
        }
        if has_changed || is_back {
            self.wake();
        }
    }

    /// Notes that the store does not answer.
    pub fn away(&self, reason: &str) {
        let before = self.seen().away.replace(reason.to_owned());
        if before.is_none() {
            self.wake();
        }
    }

    /// What is under a name.
    ///
    /// # Errors
    /// It cannot be opened with any secret of this node.
    pub fn read(&self, name: &str) -> Result<Found, String> {
        let (sealed, heard) = {
            let seen = self.seen();
            (seen.sealed.get(name).cloned(), seen.heard)
        };
        match (sealed, heard) {
            (Some(sealed), Some(heard)) => {
                let text = String::from_utf8(self.open(name, &sealed)?.1).map_err(|_| UNREADABLE)?;
                Ok(Found::Text(text.into(), heard))
            }
            (None, Some(heard)) => Ok(Found::Nothing(heard)),
            (_, None) => Ok(Found::Unknown),
        }
    }

    /// The sealed text under a name, to tell whether it is another one.
    pub fn sealed(&self, name: &str) -> Option<Arc<str>> {
        self.seen().sealed.get(name).cloned()
    }

    /// When the store was last heard from.
    pub fn heard(&self) -> Option<Heard> {
        self.seen().heard
    }

    /// Shows what is kept under a name to `change`, and keeps what that gives, while no other node can. Waits for the store:
    /// never called for a request.
    ///
    /// # Errors
    /// Says why nothing was changed, or that nobody knows.
    pub fn change(self: &Arc<Self>, name: &str, change: Box<Change<'static>>) -> Result<(), String> {
        if let Some(reason) = &self.seen().away {
            return Err(format!("the store is away: {reason}"));
        }
        let (answer, answered) = sync_channel(1);
        let (vault, own) = (Arc::clone(self), name.to_owned());
        let change = move |kept: Option<&str>, now| {
            let opened = kept.map(|kept| vault.open(&own, kept)).transpose()?;
            let is_of_first = opened.as_ref().is_none_or(|(seal, _)| *seal == 0);
            let text = match change(opened.as_ref().map(|(_, text)| text.as_slice()), now)? {
                Some(text) => text.into_bytes(),
                // Under the first secret from now on, as whoever looks after the secrets wants it.
                None if !is_of_first => opened.map(|(_, text)| text).unwrap_or_default(),
                None => return Ok(None),
            };
            let seal = vault.seals.first().ok_or("there is no secret to seal it under")?;
            seal.seal(&own, &text).map(Some).ok_or_else(|| "the system has no randomness".to_owned())
        };
        let write = Write { name: name.to_owned(), change: Box::new(change), answer };
        self.writes.try_send(write).map_err(|_| "too many others wait for the store".to_owned())?;
        match answered.recv_timeout(PATIENCE) {
            Ok(answer) => answer,
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                Err("the store gave no answer in time".to_owned())
            }
        }
    }

    /// Has the text under a name sealed under the first secret, if it is under another.
    ///
    /// # Errors
    /// It cannot be opened, or the store is away.
    pub fn seal_anew(self: &Arc<Self>, name: &str) -> Result<(), String> {
        match self.sealed(name) {
            Some(sealed) if self.open(name, &sealed)?.0 != 0 => self.change(name, Box::new(|_, _| Ok(None))),
            Some(_) | None => Ok(()),
        }
    }

    fn open(&self, name: &str, sealed: &str) -> Result<(usize, Vec<u8>), String> {
        sealing::open(&self.seals, name, sealed.as_bytes()).ok_or_else(|| UNREADABLE.to_owned())
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        // Its parts are replaced one by one, each whole.
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake(&self) {
        let woken = self.woken.lock().unwrap_or_else(PoisonError::into_inner);
        woken.iter().for_each(|notify| notify.notify_one());
    }

    /// A file for each text: when the store was heard from, and the text as it is there.
    fn write_copies(&self, texts: &HashMap<Box<str>, Arc<str>>) -> io::Result<()> {
        let Some(folder) = &self.folder else { return Ok(()) };
        let now = clock::wall().as_secs();
        for (name, text) in texts {
            let file = folder.join(name.replace(' ', "-")).with_extension(EXTENSION);
            files::replace(&file, |out| write!(out, "{now} {name}\n{text}\n"))?;
        }
        Ok(())
    }

    fn read_copies(&self) -> io::Result<()> {
        let Some(folder) = &self.folder else { return Ok(()) };
        let entries = match fs::read_dir(folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            entries => entries?,
        };
        let (now, wall) = (clock::now(), clock::wall());
        for entry in entries {
            let path = entry?.path();
            if path.extension().is_none_or(|extension| extension != EXTENSION) {
                continue;
            }
            let size = fs::metadata(&path)?.len();
            let text = if size > TEXT_BYTES_MAX as u64 { String::new() } else { fs::read_to_string(&path)? };
            let Some((heard, name, sealed)) = copy(&text) else {
                tracing::error!(file = %path.display(), "a copy of a shared secret is left out: it is none");
                continue;
            };
            let mut seen = self.seen();
            let before = wall.saturating_sub(heard);
            // Of several the one that is longest ago: nothing is believed to be fresher than it is.
            if seen.heard.is_none_or(|heard| heard.before < before) {
                seen.heard = Some(Heard { at: now, before, time: wall });
            }
            seen.sealed.insert(name.into(), sealed.into());
        }
        Ok(())
    }
}

/// The parts of a copy.
fn copy(text: &str) -> Option<(Duration, &str, &str)> {
    let (head, rest) = text.split_once('\n')?;
    let (heard, name) = head.split_once(' ')?;
    Some((Duration::from_secs(heard.parse().ok()?), name, rest.strip_suffix('\n')?))
}

impl Heard {
    /// How long ago that is.
    pub fn silence(&self) -> Duration {
        clock::now().saturating_duration_since(self.at).saturating_add(self.before)
    }

    /// The store's time now, as far as can be told from here.
    pub fn time(&self) -> Duration {
        self.time.saturating_add(clock::now().saturating_duration_since(self.at))
    }
}

impl fmt::Debug for Write {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Write").field("name", &self.name).finish_non_exhaustive()
    }
}

const UNREADABLE: &str = "what is kept cannot be opened with any of `stores.encryption_keys`";
const EXTENSION: &str = "sealed";

#[cfg(test)]
pub(crate) mod tests;
