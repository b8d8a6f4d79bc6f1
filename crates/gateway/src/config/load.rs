//! From files to a checked configuration.

use std::collections::HashMap;
use std::fmt::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_lc_rs::digest;
use indexmap::IndexMap;
use portcullis_openapi::source::{
    self, FileId, Files, Finding, Mapping, Node, Pointer, Reading, Segment, Span,
};
use portcullis_openapi::source::{Value, de};

use super::definitions::ApiDefinition;
use super::desk::{Desk, Documents};
use super::{Config, check, unbuilt};

mod include;
mod outside;

/// Most files of one configuration, includes counted.
const FILES_MAX: usize = 64;

/// A configuration that loads.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// What it says.
    pub config: Config,
    /// Every file it was read from or refers to, to be watched for changes.
    pub files: Vec<PathBuf>,
    /// SHA-256 in hexadecimal over its documents as they were written. What comes from outside is not in it: the hash
    /// is shown, and must not be a way to guess secrets.
    pub hash: String,
    /// What should be known and does not keep it from being loaded: protections that are loosened, oddities of
    /// definitions.
    pub warnings: Vec<Finding>,
    /// Its documents as they were read, so that it can be read again when they are gone.
    pub documents: Documents,
    pub(super) definitions: IndexMap<String, Arc<ApiDefinition>>,
    pub(super) key_sets: IndexMap<String, Arc<[u8]>>,
    pub(super) tree: Node,
    pub(super) names: Files,
}

/// Where something stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub file: Arc<str>,
    /// Line, from 1.
    pub line: u32,
}

/// Reads the configuration file at `path` and the definitions it names, with environment variables of this process.
///
/// # Errors
/// Returns every mistake found, in the order of the document.
pub fn load(path: &Path) -> Result<Loaded, Vec<Finding>> {
    load_noting(path, &mut Vec::new())
}

/// As [`load`], and notes every file that was looked at: those whose change may make a refused configuration good.
///
/// # Errors
/// As [`load`].
pub fn load_noting(path: &Path, files: &mut Vec<PathBuf>) -> Result<Loaded, Vec<Finding>> {
    load_from(path, Desk::Disk, files)
}

/// As [`load_noting`], with documents that may have been kept or sent.
///
/// # Errors
/// As [`load`].
pub fn load_from(path: &Path, desk: Desk<'_>, files: &mut Vec<PathBuf>) -> Result<Loaded, Vec<Finding>> {
    let name = path.display().to_string();
    let mut session = Session::new(&|variable| std::env::var(variable).ok(), desk);
    files.push(path.to_owned());
    let bytes = desk.read(path, Reading::CONFIGURATION.file_bytes_max).map_err(|error| {
        let file = session.names.add(name.as_str());
        vec![session.names.finding(Span { file, line: 0, column: 0 }, "", format!("cannot be read: {error}"))]
    })?;
    session.watch(path.to_owned());
    session.documents.insert(path.to_owned(), bytes.as_slice().into());
    let base = path.parent().unwrap_or_else(|| Path::new("")).to_owned();
    session.run(&name, &bytes, base, files)?.with_definitions_from(desk, files)
}

/// Reads a configuration from a text, without the definitions it names. Paths in it are relative to `base_dir`.
///
/// # Errors
/// Returns every mistake found, in the order of the document.
pub fn parse(
    name: &str,
    text: &str,
    base_dir: &Path,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<Loaded, Vec<Finding>> {
    Session::new(env, Desk::Disk).run(name, text.as_bytes(), base_dir.to_owned(), &mut Vec::new())
}

pub(super) fn hexadecimal(hash: digest::Context) -> String {
    hash.finish().as_ref().iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// One reading of a configuration.
struct Session<'a> {
    names: Files,
    /// The folder that a file's relative paths start from.
    folders: HashMap<FileId, PathBuf>,
    env: &'a dyn Fn(&str) -> Option<String>,
    watched: Vec<PathBuf>,
    hash: digest::Context,
    findings: Vec<Finding>,
    desk: Desk<'a>,
    documents: Documents,
}

impl<'a> Session<'a> {
    fn new(env: &'a dyn Fn(&str) -> Option<String>, desk: Desk<'a>) -> Self {
        Self {
            names: Files::new(),
            folders: HashMap::new(),
            env,
            watched: Vec::new(),
            hash: digest::Context::new(&digest::SHA256),
            findings: Vec::new(),
            desk,
            documents: Documents::new(),
        }
    }

    fn run(
        mut self,
        name: &str,
        bytes: &[u8],
        base: PathBuf,
        files: &mut Vec<PathBuf>,
    ) -> Result<Loaded, Vec<Finding>> {
        let mut tree = self.document(name, bytes, base)?;
        include::merge_all(&mut self, &mut tree);
        outside::put_in(&mut self, &mut tree);
        files.clone_from(&self.watched);
        // A value that could not be put in is no further mistake of the document, nor is what is not built.
        let unresolved: Vec<Span> = self.findings.iter().map(Finding::span).collect();
        unbuilt::find(&self.names, &tree, &mut self.findings);
        let config = match de::read::<Config>(&self.names, &tree) {
            Ok(config) => {
                let mut findings = Vec::new();
                check::all(&self.names, &tree, &config, &mut findings);
                findings.retain(|finding| {
                    !unresolved.contains(&finding.span())
                        && !self.findings.iter().any(|earlier| earlier.path == finding.path)
                });
                self.findings.extend(findings);
                Some(config)
            }
            Err(findings) => {
                self.findings
                    .extend(findings.into_iter().filter(|finding| !unresolved.contains(&finding.span())));
                None
            }
        };
        match config {
            Some(config) if self.findings.is_empty() => {
                let hash = hexadecimal(self.hash);
                let warnings = check::remarks(&self.names, &tree, &config);
                Ok(Loaded {
                    config,
                    files: self.watched,
                    hash,
                    warnings,
                    documents: self.documents,
                    definitions: IndexMap::new(),
                    key_sets: IndexMap::new(),
                    tree,
                    names: self.names,
                })
            }
            _ => {
                self.findings.sort_by_key(Finding::span);
                self.findings.dedup();
                Err(self.findings)
            }
        }
    }

    /// Reads one document. What is wrong with its syntax is all there is to say of it.
    fn document(&mut self, name: &str, bytes: &[u8], base: PathBuf) -> Result<Node, Vec<Finding>> {
        let file = self.names.add(name);
        self.folders.insert(file, base);
        self.hash.update(&u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_be_bytes());
        self.hash.update(bytes);
        let mut node = source::parse(&self.names, file, bytes, &Reading::CONFIGURATION)?;
        if node.is_null() {
            // An empty file is an empty mapping: the missing keys are then named.
            node.value = Value::Mapping(Mapping::default());
        }
        Ok(node)
    }

    /// A path as it stands in a file, seen from here.
    fn path(&self, file: FileId, written: &str) -> PathBuf {
        match self.folders.get(&file) {
            Some(folder) => folder.join(written),
            None => written.into(),
        }
    }

    fn watch(&mut self, path: PathBuf) {
        if !self.watched.contains(&path) {
            self.watched.push(path);
        }
    }
}

impl Loaded {
    /// The document, includes merged and texts from outside put in.
    pub fn tree(&self) -> &Node {
        &self.tree
    }

    /// The files its positions speak of.
    pub fn names(&self) -> &Files {
        &self.names
    }

    /// Where a path of the document stands, such as `apis.orders.auth`.
    pub fn place(&self, path: &str) -> Option<Place> {
        place(&self.names, &self.tree, &path.parse().unwrap_or_default())
    }

    /// A finding at a path of the document, for whoever compiles it; at the nearest key that is written.
    pub fn finding(&self, path: &Pointer, message: impl Into<String>) -> Finding {
        let mut written = path.clone();
        let span = loop {
            match span_of(&self.tree, &written) {
                Some(span) => break span,
                None if written.pop().is_none() => break self.tree.span,
                None => {}
            }
        };
        self.names.finding(span, path, message)
    }
}

pub(super) fn place(names: &Files, tree: &Node, path: &Pointer) -> Option<Place> {
    let span = span_of(tree, path)?;
    Some(Place { file: Arc::clone(names.name(span.file)), line: span.line })
}

/// Where a path is written: at its last key, or at the item of a list.
pub(super) fn span_of(tree: &Node, path: &Pointer) -> Option<Span> {
    let mut parent = path.clone();
    match parent.pop() {
        Some(Segment::Key(key)) => Some(tree.find(&parent)?.as_mapping()?.entry(&key)?.0.span),
        _ => Some(tree.find(path)?.span),
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}
