//! Notices when a file the configuration was read from has changed.
//!
//! By content, twice a second, on a thread of its own. File notifications lost: they differ between systems, miss
//! network file systems and the symlink swaps by which Kubernetes updates a mounted file, and would need the same
//! comparison of contents afterwards. A change counts once it has been the same for two looks, so that a file
//! that is still being written is left alone. What counts as known is what was seen just before the configuration was read,
//! whoever asked for that: an edit made meanwhile is not lost, and one that was read on request is not told again. Of a
//! file that was not watched before nothing was seen: [`Watch::replace`] says so, and whoever reads does it once more.

use std::collections::HashMap;
use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::path::PathBuf;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// How often files are looked at.
const EVERY: Duration = Duration::from_millis(500);

/// Files up to this size are compared by content; larger ones by time and size alone.
const READ_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Watches a set of files until it is dropped.
#[derive(Debug)]
pub struct Watch {
    orders: SyncSender<Seen>,
    read: Mutex<Seen>,
    hasher: RandomState,
}

/// Files, and a digest of what was in each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen(HashMap<PathBuf, u64>);

impl Watch {
    /// Calls `changed` when one of `files` has changed, is gone or has come back.
    ///
    /// # Errors
    /// The thread could not be started.
    pub fn start(files: Vec<PathBuf>, mut changed: impl FnMut() + Send + 'static) -> std::io::Result<Self> {
        let (orders, inbox) = sync_channel(4);
        let hasher = RandomState::new();
        let mut known = look(&files, &hasher);
        let mut before = known.clone();
        let watch = Self { orders, read: Mutex::new(known.clone()), hasher: hasher.clone() };
        thread::Builder::new().name("watch".to_owned()).spawn(move || {
            loop {
                match inbox.recv_timeout(EVERY) {
                    Ok(read) => {
                        before = look(read.0.keys(), &hasher);
                        known = read;
                    }
                    Err(RecvTimeoutError::Disconnected) => return,
                    Err(RecvTimeoutError::Timeout) => {
                        let now = look(before.0.keys(), &hasher);
                        if now != known && now == before {
                            known.clone_from(&now);
                            changed();
                        }
                        before = now;
                    }
                }
            }
        })?;
        Ok(watch)
    }

    /// What is in the watched files now. To be asked just before they are read.
    pub fn look(&self) -> Seen {
        look(self.read().0.keys(), &self.hasher)
    }

    /// Whether a watched file is another than when it was last read.
    pub fn has_news(&self) -> bool {
        self.look() != *self.read()
    }

    /// Watches these files instead, which were read after `seen` was. Says whether some of them were not watched before:
    /// one of those may have changed since it was read.
    pub fn replace(&self, files: &[PathBuf], seen: &Seen) -> bool {
        let mut read = look(files, &self.hasher);
        let mut has_new = false;
        for (file, now) in &mut read.0 {
            match seen.0.get(file) {
                Some(before) => *now = *before,
                None => has_new = true,
            }
        }
        self.read().clone_from(&read);
        // A full queue means that newer orders are on their way.
        let _ = self.orders.try_send(read);
        has_new
    }

    fn read(&self) -> MutexGuard<'_, Seen> {
        // A panic while the lock was held leaves plain data behind.
        self.read.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn look<'a>(files: impl IntoIterator<Item = &'a PathBuf>, hasher: &RandomState) -> Seen {
    let seen = |file: &PathBuf| {
        let about = fs::metadata(file).ok().map(|about| (about.len(), about.modified().ok()));
        let content = match about {
            Some((len, _)) if len <= READ_BYTES_MAX => fs::read(file).ok(),
            _ => None,
        };
        match content {
            Some(content) => hasher.hash_one((Some(content), None::<()>)),
            None => hasher.hash_one((None::<Vec<u8>>, about)),
        }
    };
    Seen(files.into_iter().map(|file| (file.clone(), seen(file))).collect())
}
