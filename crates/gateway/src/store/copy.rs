//! The last good copy: what the store held when it last answered, in the state directory.
//!
//! A node whose store is away when it starts serves by it. One line a consumer, appended when the consumer changes; of one
//! that has several the last counts. Each line carries a digest of itself: what a crash tore or a disk lost is left out, and
//! said. When the file has twice as many lines as consumers it is written anew, beside itself, and renamed into place.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use portcullis_identity::sha256::digest;
use serde::{Deserialize, Serialize};

use super::rows::ConsumerRow;
use crate::files;

/// Its name in the state directory.
const FILE: &str = "callers.jsonl";
/// Hexadecimal digits of a line's digest.
const DIGITS: usize = 16;
/// Longest line that is read: a consumer with all its credentials.
const LINE_BYTES_MAX: usize = 4 << 20;
/// Lines below which a file is never too long.
const LINES_MIN: usize = 1_000;

/// The file.
#[derive(Debug)]
pub(super) struct Copy {
    path: PathBuf,
    lines: usize,
}

/// What a file holds.
#[derive(Debug, Default)]
pub(super) struct Contents {
    /// Whose store it is a copy of, and as of when.
    pub(super) origin: Option<Origin>,
    /// Its consumers.
    pub(super) consumers: Vec<ConsumerRow>,
    /// Lines that were left out.
    pub(super) torn: usize,
}

/// A store at one of its revisions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Origin {
    /// The store's id.
    pub(super) store: String,
    /// Its revision.
    pub(super) revision: i64,
}

/// A line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
enum Line<'a> {
    /// Whatever stands before is of this origin.
    Origin(Cow<'a, Origin>),
    /// A consumer as it is from now on.
    Consumer(Cow<'a, ConsumerRow>),
}

impl Copy {
    /// That of a state directory.
    pub(super) fn of(state: &Path) -> Self {
        Self { path: state.join(FILE), lines: 0 }
    }

    /// Reads it; empty if there is none.
    pub(super) fn read(&mut self) -> io::Result<Contents> {
        let file = match File::open(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Contents::default()),
            file => file?,
        };
        let mut reader = BufReader::new(file);
        let mut contents = Contents::default();
        let mut consumers: HashMap<String, ConsumerRow> = HashMap::new();
        let mut line = Vec::new();
        loop {
            line.clear();
            let most = u64::try_from(LINE_BYTES_MAX).unwrap_or(u64::MAX);
            if io::Read::take(&mut reader, most).read_until(b'\n', &mut line)? == 0 {
                break;
            }
            self.lines = self.lines.saturating_add(1);
            if line == b"\n" {
                continue;
            }
            match parse(&line) {
                Some(Line::Origin(origin)) => contents.origin = Some(origin.into_owned()),
                Some(Line::Consumer(row)) => drop(consumers.insert(row.name.clone(), row.into_owned())),
                None => contents.torn = contents.torn.saturating_add(1),
            }
        }
        contents.consumers = consumers.into_values().collect();
        Ok(contents)
    }

    /// Adds what has changed, and as of when. Says whether the file should be written anew.
    pub(super) fn append(
        &mut self,
        changed: &[ConsumerRow],
        origin: &Origin,
        held: usize,
    ) -> io::Result<bool> {
        let file = OpenOptions::new().create(true).append(true).mode(0o600).open(&self.path)?;
        let mut out = BufWriter::new(&file);
        // A line that a crash has torn stands alone.
        out.write_all(b"\n")?;
        let written = write(&mut out, changed, origin)?;
        out.flush()?;
        drop(out);
        file.sync_all()?;
        self.lines = self.lines.saturating_add(written).saturating_add(1);
        Ok(self.lines > LINES_MIN.max(held.saturating_mul(2)))
    }

    /// Writes it anew.
    pub(super) fn replace(&mut self, all: &[ConsumerRow], origin: &Origin) -> io::Result<()> {
        self.lines = files::replace(&self.path, |out| write(out, all, origin))?;
        Ok(())
    }
}

/// Writes rows and their origin. Says how many lines.
fn write(out: &mut impl Write, rows: &[ConsumerRow], origin: &Origin) -> io::Result<usize> {
    let mut lines = 1_usize;
    for row in rows {
        put(out, &Line::Consumer(Cow::Borrowed(row)))?;
        lines = lines.saturating_add(1);
    }
    put(out, &Line::Origin(Cow::Borrowed(origin)))?;
    Ok(lines)
}

fn put(out: &mut impl Write, line: &Line<'_>) -> io::Result<()> {
    let text = serde_json::to_string(line)?;
    let hash = digest(text.as_bytes()).to_string();
    writeln!(out, "{} {text}", hash.get(..DIGITS).unwrap_or_default())
}

fn parse(line: &[u8]) -> Option<Line<'static>> {
    let (hash, text) = line.strip_suffix(b"\n")?.split_at_checked(DIGITS)?;
    let text = text.strip_prefix(b" ")?;
    if !digest(text).to_string().as_bytes().starts_with(hash) {
        return None;
    }
    serde_json::from_slice(text).ok()
}

#[cfg(test)]
mod tests;
