//! One load from the root document on, and its state: what was noted, and what it has cost.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use foldhash::fast::RandomState;

use super::library::{Library, ResourceId};
use super::messages::Messages;
use super::parameters::Declared;
use super::schemas::Graph;
use super::trail::At;
use super::{
    Bounds, Definition, Dialect, Documents, Loads, Notice, Operation, Refused, SETTINGS, Security, Settings,
    Severity, Tag, paths, security, servers, strays, uniqueness,
};
use crate::source::{FileId, Files, Finding, Mapping, Node, Pointer, Span, Value};

/// A part cannot be used, and why has been noted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unusable;

/// The state of one load.
pub(super) struct Loading<'t> {
    pub(super) dialect: Dialect,
    pub(super) root: At<'t, 't>,
    /// What operations without a `security` of their own ask for.
    pub(super) security: Arc<Security>,
    /// Schemes that requirements may name, and those missing that were noted.
    pub(super) schemes: HashSet<Box<str>, RandomState>,
    /// Parameters read already, by the identity of their nodes: documents share them by the thousand.
    pub(super) parameters: HashMap<usize, Result<Declared, Unusable>, RandomState>,
    /// The schemas read so far.
    pub(super) graph: Graph<'t>,
    /// Messages read already, by the identity of their nodes.
    pub(super) messages: Messages,
    settings: HashMap<usize, Arc<Settings>, RandomState>,
    /// Nodes below which settings are not judged to stand astray: they belong to what has been refused.
    abandoned: HashSet<usize, RandomState>,
    library: &'t Library<'t>,
    bounds: &'t Bounds,
    skip: Skip<'t>,
    /// What would have to be left out so that the rest loads.
    pub(super) leave_out: Vec<Box<str>>,
    notices: Vec<Notice>,
    errors: usize,
    warnings: usize,
    parts: usize,
    operations: usize,
    pub(super) refused: usize,
}

pub(super) fn load(
    documents: &dyn Documents,
    root: &str,
    bounds: &Bounds,
    loads: &Loads<'_>,
) -> Result<Definition, Refused> {
    let library = Library::new(documents, bounds, loads.overlays);
    let result = read(&library, root, bounds, loads.skip);
    let (documents, files, of_texts) = library.into_parts();
    let complete = |mut notices: Vec<Notice>| {
        notices.extend(of_texts);
        notices.sort_by_key(|notice| notice.finding.span());
        notices
    };
    match result {
        Ok((definition, notices)) => Ok(Definition {
            notices: complete(notices),
            documents,
            files,
            root_files: loads.overlays.len().saturating_add(1),
            ..definition
        }),
        Err(notices) => Err(Refused { notices: complete(notices), documents }),
    }
}

type Notices = Vec<Notice>;

fn read(
    library: &Library<'_>,
    root: &str,
    bounds: &Bounds,
    skip: &[String],
) -> Result<(Definition, Notices), Notices> {
    let refuse = |finding| vec![Notice { severity: Severity::Error, finding }];
    let root = match library.open(root) {
        Ok(root) => At::root(root),
        // What is wrong with its text is known to the library.
        Err(_) if library.has_errors() => return Err(Notices::new()),
        Err(reason) => {
            let whole = Span { file: FileId::default(), line: 0, column: 0 };
            return Err(refuse(library.finding_at(whole, Pointer::new(), reason)));
        }
    };
    let dialect = dialect(library, &root).map_err(refuse)?;
    library.has_names(dialect >= Dialect::V3_1);
    let mut loading = Loading::new(library, bounds, dialect, root);
    loading.skip = Skip { keys: skip, used: vec![false; skip.len()] };
    let definition = loading.definition();
    strays::misplaced_settings(&mut loading, library);
    match loading.finish() {
        Ok(notices) => definition.map(|definition| (definition, notices.clone())).map_err(|Unusable| notices),
        Err(notices) => Err(notices),
    }
}

fn dialect(library: &Library<'_>, root: &At<'_, '_>) -> Result<Dialect, Finding> {
    let Some(stated) = root.get("openapi").or_else(|| root.get("swagger")) else {
        let finding = library.finding(root, "is no OpenAPI document: it has neither `openapi` nor `swagger`");
        return Err(finding.with_hint("begin the document with `openapi: 3.1.0`"));
    };
    // YAML reads an unquoted 3.0 as a number.
    let text = stated.node.as_str().or_else(|| Some(stated.node.as_number()?.as_str())).unwrap_or_default();
    let mut numbers = text.split(['.', '-']);
    let is_swagger = root.node.get("openapi").is_none();
    match (is_swagger, numbers.next(), numbers.next()) {
        (true, Some("2"), Some("0")) => Ok(Dialect::V2_0),
        (false, Some("3"), Some("0")) => Ok(Dialect::V3_0),
        (false, Some("3"), Some("1")) => Ok(Dialect::V3_1),
        (false, Some("3"), Some("2")) => Ok(Dialect::V3_2),
        _ => {
            let message = format!("expected a known version, found {}", stated.node.describe());
            let hint = "`swagger: \"2.0\"` and `openapi: 3.0.x`, 3.1.x and 3.2.x are understood";
            Err(library.finding(&stated, message).with_hint(hint))
        }
    }
}

impl<'t> Loading<'t> {
    fn new(library: &'t Library<'t>, bounds: &'t Bounds, dialect: Dialect, root: At<'t, 't>) -> Self {
        Self {
            dialect,
            root,
            security: Arc::new(Security::Silent),
            schemes: HashSet::default(),
            parameters: HashMap::default(),
            graph: Graph::default(),
            messages: Messages::default(),
            settings: HashMap::default(),
            abandoned: HashSet::default(),
            library,
            bounds,
            skip: Skip { keys: &[], used: Vec::new() },
            leave_out: Vec::new(),
            notices: Vec::new(),
            errors: 0,
            warnings: 0,
            parts: 0,
            operations: 0,
            refused: 0,
        }
    }

    fn definition(&mut self) -> Result<Definition, Unusable> {
        let root = self.root;
        strays::unknown_keys(self, &root, strays::ROOT)?;
        strays::foreign_keys(self);
        let info = root.get("info");
        let text = |key: &str| info.and_then(|info| text_of(info.node.get(key)?)).unwrap_or_default();
        let (title, version) = (text("title"), text("version"));
        let settings = self.settings(&root);
        let tags = self.tags();
        let schemes = security::schemes(self);
        self.schemes = schemes.keys().cloned().collect();
        if let Some(at) = root.get("security") {
            self.security = Arc::new(security::read(self, &at)?);
        }
        let servers = servers::read(self);
        let mut operations = paths::read(self)?;
        uniqueness::enforce(self, &mut operations);
        Ok(Definition {
            dialect: self.dialect,
            title,
            version,
            servers,
            operations,
            schemas: Arc::new(self.graph.finish()),
            refused: self.refused,
            skipped_nothing: self.skip.unused(),
            leave_out: std::mem::take(&mut self.leave_out),
            tags,
            schemes,
            settings,
            notices: Vec::new(),
            documents: Vec::new(),
            files: Files::new(),
            root_files: 1,
        })
    }

    fn tags(&mut self) -> Vec<Tag> {
        let root = self.root;
        let Some(list) = root.given("tags") else { return Vec::new() };
        let Some(items) = list.items() else {
            self.warn(&list, format!("expected a list of tags, found {}", list.node.describe()));
            return Vec::new();
        };
        let mut tags = Vec::new();
        for at in items {
            match at.node.get("name").and_then(text_of) {
                Some(name) => tags.push(Tag { name, settings: self.settings(&at), span: at.node.span }),
                None => self.warn(&at, "expected a tag with a `name`"),
            }
        }
        tags
    }

    /// The `x-portcullis` of a node that may have one.
    pub(super) fn settings(&mut self, at: &At<'t, '_>) -> Option<Arc<Settings>> {
        let at = at.get(SETTINGS)?;
        let library = self.library;
        let read = || {
            Arc::new(Settings { node: at.node.clone(), pointer: at.pointer(), before: library.before(&at) })
        };
        Some(Arc::clone(self.settings.entry(at.identity()).or_insert_with(read)))
    }

    /// Whether something that `key` names is to be left out.
    pub(super) fn skips(&mut self, key: &str) -> bool {
        self.skip.takes(key)
    }

    /// Leaves a node that is refused, with all below it.
    pub(super) fn abandon(&mut self, at: &At<'_, '_>) {
        self.abandoned.insert(at.identity());
    }

    /// Whether a node was left.
    pub(super) fn is_abandoned(&self, at: &At<'_, '_>) -> bool {
        self.abandoned.contains(&at.identity())
    }

    /// Whether an `x-portcullis` node was read.
    pub(super) fn is_placed(&self, settings: &At<'_, '_>) -> bool {
        self.settings.contains_key(&settings.identity())
    }

    /// Follows references until something else is found.
    pub(super) fn follow<'p>(&mut self, at: At<'t, 'p>) -> Result<At<'t, 'p>, Unusable>
    where
        't: 'p,
    {
        let mut last = at;
        for _ in 0..self.bounds.chain_max {
            let Some(next) = self.step(&last)? else { return Ok(last) };
            // What stands beside a reference is not part of what it stands for.
            if let Some(settings) = last.get(SETTINGS) {
                self.error(&settings, "has no effect beside `$ref`");
                self.abandon(&settings);
                return Err(Unusable);
            }
            last = next;
        }
        self.error(&at, ENDLESS);
        Err(Unusable)
    }

    /// Follows one reference, if the node is one.
    pub(super) fn step(&mut self, at: &At<'t, '_>) -> Result<Option<At<'t, 't>>, Unusable> {
        let Some(reference) = at.node.get("$ref") else { return Ok(None) };
        self.spend(reference.as_str().map_or(0, str::len))?;
        self.library.step(at).map_err(|finding| self.note(Severity::Error, finding))
    }

    /// As [`Loading::step`], for who has to say what follows when it leads nowhere.
    pub(super) fn target(&self, at: &At<'t, '_>) -> Result<Option<At<'t, 't>>, Finding> {
        self.library.step(at)
    }

    /// Where a reference leads that stands at a node.
    pub(super) fn referred(&self, at: &At<'t, '_>, text: &'t str) -> Result<At<'t, 't>, Finding> {
        self.library.referred(at, text)
    }

    /// As [`Loading::referred`], from within a schema that may have names.
    pub(super) fn referred_from(
        &self,
        schema: &Node,
        at: &At<'t, '_>,
        text: &'t str,
    ) -> Result<At<'t, 't>, Finding> {
        self.library.referred_from(schema, at, text)
    }

    /// See [`Library::dynamic`].
    pub(super) fn dynamic(&self, schema: &Node) -> Option<ResourceId> {
        self.library.dynamic(schema)
    }

    /// See [`Library::dynamic_anchors`].
    pub(super) fn dynamic_anchors(&self, resource: ResourceId) -> Vec<(&'t str, At<'t, 't>)> {
        self.library.dynamic_anchors(resource)
    }

    /// The schemas that the root document declares by name.
    pub(super) fn declared_schemas(&self) -> Option<&'t Mapping> {
        let root: &'t Node = self.root.node;
        root.at(self.schemas_place())?.as_mapping()
    }

    /// The way to the schemas that a document declares by name.
    pub(super) fn schemas_place(&self) -> &'static [&'static str] {
        if self.is_2_0() { &["definitions"] } else { &["components", "schemas"] }
    }

    pub(super) fn is_2_0(&self) -> bool {
        self.dialect == Dialect::V2_0
    }

    /// How long a chain of references may be.
    pub(super) fn chain_max(&self) -> usize {
        self.bounds.chain_max
    }

    /// Counts one part of the document that is used, with the bytes of its text.
    pub(super) fn spend(&mut self, bytes: usize) -> Result<(), Unusable> {
        self.parts = self.parts.saturating_add(bytes / BYTES_OF_A_PART).saturating_add(1);
        if self.is_spent() { Err(Unusable) } else { Ok(()) }
    }

    /// Counts the bytes of a text that belongs to a part counted elsewhere.
    pub(super) fn spend_bytes(&mut self, bytes: usize) -> Result<(), Unusable> {
        self.parts = self.parts.saturating_add(bytes / BYTES_OF_A_PART);
        if self.is_spent() { Err(Unusable) } else { Ok(()) }
    }

    /// Counts one operation.
    pub(super) fn spend_operation(&mut self, bytes: usize) -> Result<(), Unusable> {
        self.operations = self.operations.saturating_add(1);
        self.spend(bytes)
    }

    /// Counts operations that are not published.
    pub(super) fn refuse(&mut self, operations: usize) {
        self.refused = self.refused.saturating_add(operations);
    }

    /// A text that is kept.
    pub(super) fn text(&mut self, node: &Node) -> Result<Option<Box<str>>, Unusable> {
        let text = text_of(node);
        self.spend(text.as_ref().map_or(0, |text| text.len()))?;
        Ok(text)
    }

    /// A list of texts that are kept; nothing when it is something else.
    pub(super) fn texts(&mut self, list: &Node) -> Result<Option<Vec<Box<str>>>, Unusable> {
        let Some(items) = list.as_sequence() else { return Ok(None) };
        let mut texts = Vec::new();
        for item in items {
            let Some(text) = self.text(item)? else { return Ok(None) };
            texts.push(text);
        }
        Ok(Some(texts))
    }

    /// Whether nothing more may be read.
    pub(super) fn is_spent(&self) -> bool {
        self.parts > self.bounds.parts_max
            || self.operations > self.bounds.operations_max
            || self.errors > self.bounds.notices_max
    }

    /// How many errors were noted.
    pub(super) fn errors(&self) -> usize {
        self.errors
    }

    pub(super) fn error(&mut self, at: &At<'_, '_>, message: impl Into<String>) {
        let finding = self.library.finding(at, message);
        self.note(Severity::Error, finding);
    }

    pub(super) fn warn(&mut self, at: &At<'_, '_>, message: impl Into<String>) {
        let finding = self.library.finding(at, message);
        self.note(Severity::Warning, finding);
    }

    /// A finding at the key of a value.
    pub(super) fn finding_at(&self, span: Span, at: &At<'_, '_>, message: impl Into<String>) -> Finding {
        self.library.finding_at(span, at.pointer(), message)
    }

    /// A finding at an operation.
    pub(super) fn finding_of(&self, operation: &Operation, message: impl Into<String>) -> Finding {
        self.library.finding_at(operation.span, operation.pointer.clone(), message)
    }

    pub(super) fn note(&mut self, severity: Severity, mut finding: Finding) -> Unusable {
        // A key of a megabyte may stand in the way to many a fault.
        let bytes = finding.path.len().saturating_add(finding.message.len());
        self.parts = self.parts.saturating_add(bytes / BYTES_OF_A_PART);
        shorten(&mut finding.path);
        shorten(&mut finding.message);
        match severity {
            Severity::Error => self.errors = self.errors.saturating_add(1),
            Severity::Warning => self.warnings = self.warnings.saturating_add(1),
        }
        let count = if severity == Severity::Error { self.errors } else { self.warnings };
        if count <= self.bounds.notices_max {
            self.notices.push(Notice { severity, finding });
        }
        Unusable
    }

    /// What was noted; as an error when a bound was passed, for then something was left out.
    fn finish(mut self) -> Result<Notices, Notices> {
        let most = self.bounds.notices_max;
        if self.warnings > most {
            let finding = self
                .library
                .finding(&self.root, format!("has more than {most} warnings; the others are left out"));
            self.notices.push(Notice { severity: Severity::Warning, finding });
        }
        let bound = if self.parts > self.bounds.parts_max {
            format!("uses more than {} parts", self.bounds.parts_max)
        } else if self.operations > self.bounds.operations_max {
            format!("has more than {} operations", self.bounds.operations_max)
        } else if self.errors > most {
            format!("has more than {most} errors")
        } else {
            return Ok(self.notices);
        };
        let finding = self.library.finding(&self.root, bound);
        self.notices.push(Notice { severity: Severity::Error, finding });
        Err(self.notices)
    }
}

/// What whoever loads does without.
struct Skip<'t> {
    keys: &'t [String],
    used: Vec<bool>,
}

impl Skip<'_> {
    fn takes(&mut self, key: &str) -> bool {
        let mut found = false;
        for (own, used) in self.keys.iter().zip(&mut self.used) {
            if own == key {
                (*used, found) = (true, true);
            }
        }
        found
    }

    fn unused(&self) -> Vec<usize> {
        let unused = self.used.iter().enumerate().filter(|(_, used)| !**used);
        unused.map(|(index, _)| index).collect()
    }
}

/// What counts as one more part, in bytes.
const BYTES_OF_A_PART: usize = 64;

/// What is wrong with a reference that does not end.
pub(super) const ENDLESS: &str = "the reference leads to itself, or through too many others";

fn shorten(text: &mut String) {
    const CHARS_MAX: usize = 1000;
    if let Some((end, _)) = text.char_indices().nth(CHARS_MAX) {
        text.truncate(end);
        text.push('…');
    }
}

/// A text, also where YAML took it for a number (`version: 1.0`).
pub(super) fn text_of(node: &Node) -> Option<Box<str>> {
    match &node.value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.as_str().into()),
        Value::Bool(_) | Value::Null | Value::Sequence(_) | Value::Mapping(_) => None,
    }
}
