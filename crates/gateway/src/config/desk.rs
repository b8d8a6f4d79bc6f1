//! Where the documents of a configuration are read from: the disk, or texts that were kept or sent.
//!
//! Documents are the configuration file, what it includes, and definitions. Texts from outside (`${env:…}`, `${file:…}`)
//! are none: secrets are never kept, and always read anew.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The documents of one configuration, by their paths.
pub type Documents = BTreeMap<PathBuf, Arc<[u8]>>;

/// Where documents are read from.
#[derive(Debug, Clone, Copy)]
pub enum Desk<'a> {
    /// The disk.
    Disk,
    /// These, and the disk for whatever is not among them.
    Over(&'a Documents),
    /// These alone.
    Only(&'a Documents),
}

impl Desk<'_> {
    /// The document at `path`, but no more than `bytes_max` and one byte; `None`: ask the disk.
    pub(super) fn kept(self, path: &Path, bytes_max: usize) -> Option<io::Result<Vec<u8>>> {
        let (documents, is_all) = match self {
            Self::Disk => return None,
            Self::Over(documents) => (documents, false),
            Self::Only(documents) => (documents, true),
        };
        let bytes = documents.get(path).map(|bytes| bytes.get(..=bytes_max).unwrap_or(bytes).to_vec());
        match bytes {
            Some(bytes) => Some(Ok(bytes)),
            None => is_all.then(|| Err(io::ErrorKind::NotFound.into())),
        }
    }

    /// The document at `path`, but no more than `bytes_max` and one byte.
    pub(super) fn read(self, path: &Path, bytes_max: usize) -> io::Result<Vec<u8>> {
        self.kept(path, bytes_max).unwrap_or_else(|| read_bounded(path, bytes_max))
    }
}

/// Reads a file, but no more than `bytes_max` and one byte, which the reader of the text then refuses.
pub(super) fn read_bounded(path: &Path, bytes_max: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let most = u64::try_from(bytes_max).unwrap_or(u64::MAX).saturating_add(1);
    File::open(path)?.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}
