//! Documents with positions: the configuration and every API definition are read through this module.
//!
//! One tree ([`Node`]) carries JSON and YAML alike, and every node, key included, knows the file, line and
//! column it was written at, so that whoever judges a document can point at the offending spot. No serde data
//! format keeps positions, a number as it was written and duplicate keys apart, hence a tree of our own.
//!
//! What is assumed: a file is UTF-8 and holds one document. What is refused: duplicate keys (two readers
//! would take different ones), several documents, self-referring aliases, tags beyond the core schema, and
//! whatever passes a bound of [`Reading`].
//!
//! JSON is read by a strict parser of our own (RFC 8259), everything else as YAML 1.2 with the core schema.
//! A name that ends in `.json` is JSON and nothing else. Otherwise a text that starts with `{` or `[` is first
//! tried as JSON, which is much faster on large definitions, and read as YAML where that fails.
//!
//! # Limits
//! [`Reading`] names bytes, nodes (aliases counted as often as they are used) and depth.
//! # Threats
//! A definition may come from somebody else: no input may panic, recurse without bound or grow memory beyond
//! the node bound. Fuzz target: `config`.

use std::fmt;
use std::sync::Arc;

pub mod de;
mod json;
pub(crate) mod json_pointer;
mod nearest;
mod node;
mod pointer;
mod yaml;

pub use nearest::nearest;
pub use node::{Key, Mapping, Node, Number, Value};
pub use pointer::{Pointer, Segment};

/// The names of the files that a set of trees was read from.
#[derive(Debug, Clone, Default)]
pub struct Files {
    names: Vec<Arc<str>>,
}

/// A file within one [`Files`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct FileId(u32);

/// How far the files of one [`Files`] moved when another took them in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Shift(u32);

/// Where something was written: file, line and column, the latter two from 1 and in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Span {
    /// The file.
    pub file: FileId,
    /// Line, from 1; 0 when there is none.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
}

/// What is wrong at one spot of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The file, as it was named to [`Files::add`].
    pub file: Arc<str>,
    /// Line, from 1; 0 when the file as a whole is meant.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// Path in the document, such as `apis.orders.backend`; empty for the root.
    pub path: String,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// Orders findings of several files the way the files were read.
    span: Span,
}

/// How a text is read: its bounds, and whether YAML's merge key counts.
#[derive(Debug, Clone, Copy)]
pub struct Reading {
    /// Largest file, in bytes.
    pub file_bytes_max: usize,
    /// Most nodes of one document, each alias counted with all that it stands for.
    pub nodes_max: usize,
    /// Deepest nesting of mappings and sequences.
    pub depth_max: usize,
    /// Whether `<<` merges mappings (YAML 1.1); refused otherwise, never taken for an ordinary key.
    pub merge_keys: bool,
}

impl Reading {
    /// For the configuration: small, and without merge keys, whose result is hard to see.
    pub const CONFIGURATION: Self =
        Self { file_bytes_max: 16 << 20, nodes_max: 1_000_000, depth_max: 128, merge_keys: false };
    /// For API definitions: the largest published ones have tens of megabytes.
    pub const DEFINITION: Self =
        Self { file_bytes_max: 64 << 20, nodes_max: 6_000_000, depth_max: 128, merge_keys: true };
}

/// Reads one text into a tree.
///
/// # Errors
/// Returns what is wrong with the text: its first syntax error, or all its duplicate keys.
pub fn parse(files: &Files, file: FileId, bytes: &[u8], reading: &Reading) -> Result<Node, Vec<Finding>> {
    read(files, file, bytes, reading).map_err(|mut findings| {
        // Of duplicate keys the inner ones are met first.
        findings.sort_by_key(Finding::span);
        findings
    })
}

fn read(files: &Files, file: FileId, bytes: &[u8], reading: &Reading) -> Result<Node, Vec<Finding>> {
    let text = decode(files, file, bytes, reading).map_err(|finding| vec![finding])?;
    if ends_in_json(files.name(file)) {
        return json::parse(files, file, text, reading).map_err(|refused| refused.findings);
    }
    if text.trim_start().starts_with(['{', '[']) {
        match json::parse(files, file, text, reading) {
            Ok(node) => return Ok(node),
            // Duplicate keys or a bound: the text is JSON all right, and YAML would refuse it too.
            Err(refused) if refused.well_formed => return Err(refused.findings),
            Err(_) => {}
        }
    }
    yaml::parse(files, file, text, reading)
}

fn ends_in_json(name: &str) -> bool {
    name.rsplit_once('.').is_some_and(|(_, extension)| extension.eq_ignore_ascii_case("json"))
}

/// Bytes to text: within the bound, UTF-8, without byte order mark.
fn decode<'a>(files: &Files, file: FileId, bytes: &'a [u8], reading: &Reading) -> Result<&'a str, Finding> {
    let start = Span { file, line: 1, column: 1 };
    if bytes.len() > reading.file_bytes_max {
        let message = format!("has {} bytes; at most {} are read", bytes.len(), reading.file_bytes_max);
        return Err(files.finding(Span { file, line: 0, column: 0 }, "", message));
    }
    if bytes.starts_with(&[0xFE, 0xFF]) || bytes.starts_with(&[0xFF, 0xFE]) {
        return Err(files.finding(start, "", "is UTF-16").with_hint("save the file as UTF-8"));
    }
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    std::str::from_utf8(bytes).map_err(|error| {
        let good = bytes.get(..error.valid_up_to()).unwrap_or_default();
        let good = std::str::from_utf8(good).unwrap_or_default();
        let line = good.matches('\n').count().saturating_add(1);
        let column = good.rsplit('\n').next().unwrap_or_default().chars().count().saturating_add(1);
        files.finding(Span::new(file, line, column), "", "is not UTF-8").with_hint("save the file as UTF-8")
    })
}

impl Files {
    /// No file yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a file's name in, as messages shall show it.
    pub fn add(&mut self, name: impl Into<Arc<str>>) -> FileId {
        let id = FileId(u32::try_from(self.names.len()).unwrap_or(u32::MAX));
        self.names.push(name.into());
        id
    }

    /// Takes all files of another set in. Spans of that set, shifted, are then spans of this one.
    pub fn adopt(&mut self, other: &Self) -> Shift {
        let shift = Shift(u32::try_from(self.names.len()).unwrap_or(u32::MAX));
        self.names.extend(other.names.iter().cloned());
        shift
    }

    /// The name of a file; empty for one of another `Files`.
    pub fn name(&self, file: FileId) -> &Arc<str> {
        static NONE: std::sync::LazyLock<Arc<str>> = std::sync::LazyLock::new(|| Arc::from(""));
        usize::try_from(file.0).ok().and_then(|index| self.names.get(index)).unwrap_or(&NONE)
    }

    /// A finding at a position.
    pub fn finding(&self, span: Span, path: impl fmt::Display, message: impl Into<String>) -> Finding {
        Finding {
            file: Arc::clone(self.name(span.file)),
            line: span.line,
            column: span.column,
            path: path.to_string(),
            message: message.into(),
            hint: None,
            span,
        }
    }
}

impl FileId {
    /// Which of its set's files it is, from 0.
    pub(crate) fn index(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

impl Span {
    /// Nowhere: what stands in no text.
    pub const NOWHERE: Self = Self { file: FileId(0), line: 0, column: 0 };

    /// A position, from counts that saturate.
    pub fn new(file: FileId, line: usize, column: usize) -> Self {
        let narrow = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        Self { file, line: narrow(line), column: narrow(column) }
    }

    /// The same place among the files of a set that adopted this one's.
    #[must_use]
    pub fn shifted(self, shift: Shift) -> Self {
        Self { file: FileId(self.file.0.saturating_add(shift.0)), ..self }
    }
}

impl Finding {
    /// Adds what to do about it.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds what to do about it, if there is anything to say.
    #[must_use]
    pub fn with_hint_if(mut self, hint: Option<String>) -> Self {
        self.hint = hint.or(self.hint);
        self
    }

    /// Where it is, comparable with other findings of the same [`Files`].
    pub fn span(&self) -> Span {
        self.span
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if self.line > 0 {
            write!(f, ":{}:{}", self.line, self.column)?;
        }
        if !self.path.is_empty() {
            write!(f, ": {}", self.path)?;
        }
        write!(f, ": {}", self.message)?;
        match &self.hint {
            Some(hint) => write!(f, "; hint: {hint}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
