//! Configurations that were in force, kept in the state directory: to go back to, and to start from.
//!
//! One file a revision: number, hash and every document, so that nothing outside the folder is needed but what stands in
//! the environment or in files of secrets; those are never copied. A revision is written beside its place, flushed, put in
//! place by a rename, and the folder is flushed. Whatever the moment of a crash, each file that has a revision's name is
//! whole; what a crash left beside them is swept up at the next start. No other file says which one is the newest: its
//! number does. A revision that does not read, or whose documents give another hash, counts as not being there.
//!
//! # Limits
//! [`KEPT_MAX`] revisions, [`BYTES_MAX`] of documents each; a larger configuration is served and not kept.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use portcullis_gateway::clock;
use portcullis_gateway::config::{self, Desk, Documents, Loaded};
use portcullis_gateway::files;
use portcullis_gateway::observe::timestamp;
use serde_json::{Map, Value, json};

use crate::output;

/// Revisions kept; older ones go.
pub(crate) const KEPT_MAX: usize = 10;
/// Bytes of one revision's documents.
pub(crate) const BYTES_MAX: usize = 32 << 20;
/// Where they lie within the state directory.
const FOLDER: &str = "revisions";
/// The folder of revisions.
#[derive(Debug)]
pub(crate) struct Revisions {
    folder: PathBuf,
}

/// One revision.
#[derive(Debug)]
pub(crate) struct Revision {
    /// Its number; the newest has the highest.
    pub(crate) number: u64,
    /// The configuration's hash.
    pub(crate) hash: String,
    /// When it came into force.
    pub(crate) since: String,
    /// The configuration file's path.
    root: PathBuf,
    /// Its documents.
    pub(crate) documents: Documents,
}

impl Revisions {
    /// Opens the folder, and sweeps up what a crash left.
    pub(crate) fn open(state: &Path) -> anyhow::Result<Self> {
        let folder = state.join(FOLDER);
        let failed = || format!("cannot use the folder {}", folder.display());
        fs::create_dir_all(&folder).with_context(failed)?;
        for entry in fs::read_dir(&folder).with_context(failed)?.flatten() {
            if entry.file_name().as_encoded_bytes().ends_with(files::UNFINISHED.as_bytes()) {
                // It will be tried again.
                let _ = fs::remove_file(entry.path());
            }
        }
        Ok(Self { folder })
    }

    /// Keeps a configuration that is in force, unless it is the newest kept.
    pub(crate) fn keep(&self, hash: &str, kept: &Documents, root: &Path) -> anyhow::Result<()> {
        let numbers = self.numbers();
        let newest = numbers.last().copied();
        if newest
            .and_then(|number| self.read(number).ok())
            .is_some_and(|newest| newest.hash == hash && newest.documents == *kept)
        {
            return Ok(());
        }
        let bytes = kept.values().fold(0_usize, |sum, text| sum.saturating_add(text.len()));
        anyhow::ensure!(bytes <= BYTES_MAX, "its documents have more than {BYTES_MAX} bytes");
        let mut documents = Map::new();
        for (path, text) in kept {
            let path = path.to_str().context("a path of it is not UTF-8")?;
            let text = std::str::from_utf8(text).context("a document of it is not UTF-8")?;
            documents.insert(path.to_owned(), text.into());
        }
        let document = json!({
            "hash": hash,
            "since": timestamp::format(clock::wall()),
            "root": root.to_str().context("its path is not UTF-8")?,
            "documents": documents,
        });
        let number = newest.unwrap_or_default().saturating_add(1);
        // A configuration may hold what only its owner should read, and so may the file.
        files::replace(&self.path(number), |out| Ok(serde_json::to_writer(out, &document)?))?;
        let surplus = numbers.len().saturating_add(1).saturating_sub(KEPT_MAX);
        for number in numbers.iter().take(surplus) {
            // One too many does no harm.
            let _ = fs::remove_file(self.path(*number));
        }
        Ok(())
    }

    /// Every revision that reads, the newest first.
    pub(crate) fn all(&self) -> impl Iterator<Item = Revision> {
        self.numbers().into_iter().rev().filter_map(|number| self.read(number).ok())
    }

    fn read(&self, number: u64) -> anyhow::Result<Revision> {
        let document: Value = serde_json::from_slice(&fs::read(self.path(number))?)?;
        let text = |name: &str| document.get(name).and_then(Value::as_str).context("a text is missing");
        let texts = document.get("documents").and_then(Value::as_object).context("documents are missing")?;
        let documents = texts.iter().map(|(path, text)| {
            let text = text.as_str().context("a document is no text")?;
            Ok((PathBuf::from(path), text.as_bytes().into()))
        });
        Ok(Revision {
            number,
            hash: text("hash")?.to_owned(),
            since: text("since")?.to_owned(),
            root: text("root")?.into(),
            documents: documents.collect::<anyhow::Result<Documents>>()?,
        })
    }

    /// The numbers there are, ascending.
    fn numbers(&self) -> Vec<u64> {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let mut numbers: Vec<u64> = entries
            .filter_map(|entry| entry.file_name().to_str()?.strip_suffix(".json")?.parse().ok())
            .collect();
        numbers.sort_unstable();
        numbers
    }

    fn path(&self, number: u64) -> PathBuf {
        self.folder.join(format!("{number:010}.json"))
    }
}

impl Revision {
    /// Reads it as a configuration, with today's environment and secrets.
    pub(crate) fn load(&self) -> anyhow::Result<Loaded> {
        let loaded = config::load_from(&self.root, Desk::Only(&self.documents), &mut Vec::new())
            .map_err(|found| output::findings(&found))?;
        anyhow::ensure!(loaded.hash == self.hash, "its documents are not those it was kept for");
        Ok(loaded)
    }
}

#[cfg(test)]
mod tests;
