//! The last good keys of an issuer, kept in the state directory: a node starts while every issuer is away.
//!
//! One small file an issuer, written beside its place and put there by a rename. It belongs to the settings it was fetched
//! by: other settings do not find it. A file that does not read, is too old or is of the future counts as not being there.
//! The folder is the operator's own: whoever may write there may write the configuration.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use portcullis_identity::sha256::digest;
use serde_json::{Value, json};

use super::spec::KeysSpec;
use crate::config::KEY_SET_BYTES_MAX;
use crate::files;

/// Where they lie within the state directory.
const FOLDER: &str = "issuers";
/// Bytes of one file: a key set, escaped, and what is said of it.
const FILE_BYTES_MAX: u64 = 4 * KEY_SET_BYTES_MAX as u64;
/// How far the wall clock may have been set back since a file was written.
const SET_BACK_MAX: Duration = Duration::from_secs(300);

/// Keys as they were fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LastGood {
    /// When, since 1970.
    pub(super) fetched: Duration,
    /// The document.
    pub(super) text: Vec<u8>,
}

/// Where the keys of one issuer are kept.
#[derive(Debug, Clone)]
pub(super) struct Shelf {
    file: PathBuf,
    source: String,
}

impl Shelf {
    /// That of the issuer of `spec`, in the state directory `state`.
    pub(super) fn of(state: &Path, spec: &KeysSpec) -> Self {
        let source = digest(format!("{:?} {:?}", spec.issuer, spec.place).as_bytes()).to_string();
        Self { file: state.join(FOLDER).join(format!("{}.json", spec.name)), source }
    }

    /// What is kept there and still counts at `now`.
    pub(super) fn read(&self, now: Duration, keep: Duration) -> Option<LastGood> {
        let mut text = String::new();
        File::open(&self.file).ok()?.take(FILE_BYTES_MAX).read_to_string(&mut text).ok()?;
        let kept: Value = serde_json::from_str(&text).ok()?;
        if kept.get("source")?.as_str()? != self.source {
            return None;
        }
        let fetched = Duration::from_secs(kept.get("fetched")?.as_u64()?);
        let is_of_now = fetched <= now.saturating_add(SET_BACK_MAX) && now < fetched.saturating_add(keep);
        let text = kept.get("keys")?.as_str()?.as_bytes().to_vec();
        is_of_now.then_some(LastGood { fetched, text })
    }

    /// Keeps these.
    pub(super) fn write(&self, good: &LastGood) -> io::Result<()> {
        let text = std::str::from_utf8(&good.text).map_err(io::Error::other)?;
        let kept = json!({ "source": self.source, "fetched": good.fetched.as_secs(), "keys": text });
        files::replace(&self.file, |out| out.write_all(kept.to_string().as_bytes()))
    }
}

#[cfg(test)]
mod tests;
