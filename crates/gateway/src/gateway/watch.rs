//! Notices when a file the configuration was read from has changed.
//!
//! By content, twice a second, on a thread of its own. File notifications lost: they differ between systems, miss
//! network file systems and the symlink swaps by which Kubernetes updates a mounted file, and would need the same
//! comparison of contents afterwards. A change counts once it has been the same for two looks, so that a file
//! that is still being written is left alone. What counts as known is what was seen before the change was told, so that
//! an edit made while the configuration is being read again is not lost; at worst it is read once more. Of a file that was
//! not watched before nothing was seen: [`Watch::replace`] says so, and whoever reads does it once more.

use std::collections::HashMap;
use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::path::PathBuf;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};
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
    watched: Mutex<Vec<PathBuf>>,
    hasher: RandomState,
}

/// Files, and a digest of what was in each.
type Seen = HashMap<PathBuf, u64>;

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
        let watch = Self { orders, watched: Mutex::new(files), hasher: hasher.clone() };
        thread::Builder::new().name("watch".to_owned()).spawn(move || {
            loop {
                match inbox.recv_timeout(EVERY) {
                    Ok(other) => {
                        before = other;
                        // What was watched already is known as it was when its change was told.
                        let mut now = before.clone();
                        for (file, seen) in &mut now {
                            if let Some(known) = known.get(file) {
                                *seen = *known;
                            }
                        }
                        known = now;
                    }
                    Err(RecvTimeoutError::Disconnected) => return,
                    Err(RecvTimeoutError::Timeout) => {
                        let now = look(before.keys(), &hasher);
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

    /// Watches these files instead, as they are now. Says whether some of them were not watched before: one of those may
    /// have changed since it was read.
    pub fn replace(&self, files: Vec<PathBuf>) -> bool {
        let seen = look(&files, &self.hasher);
        // A panic while the lock was held leaves plain data behind.
        let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        let has_new = files.iter().any(|file| !watched.contains(file));
        *watched = files;
        // A full queue means that newer orders are on their way.
        let _ = self.orders.try_send(seen);
        has_new
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
    files.into_iter().map(|file| (file.clone(), seen(file))).collect()
}
