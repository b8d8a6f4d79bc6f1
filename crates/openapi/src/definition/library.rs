//! The documents read so far, each once.
//!
//! Trees stay where they are once read, behind shared references, so that a walk through one may read another.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::HashMap;

use foldhash::fast::RandomState;

use super::reference::{Reference, decode};
use super::resources::{self, Index, Resource};
use super::trail::At;
use super::{Bounds, Documents, Notice, Severity, uri};
use crate::overlay;
use crate::source::{self, FileId, Files, Finding, Node, Pointer, Span};

/// Documents by path, read when first referred to.
pub(super) struct Library<'d> {
    documents: &'d dyn Documents,
    bounds: &'d Bounds,
    /// What is laid on the root document once it is read.
    overlays: &'d [overlay::Text<'d>],
    /// One for each file that may be read, filled in the order of reading.
    slots: Box<[OnceCell<Slot>]>,
    /// Whether schemas may have names: from 3.1 on.
    has_names: Cell<bool>,
    state: RefCell<State>,
}

/// A document that was asked for.
struct Slot {
    path: Box<str>,
    /// Its absolute name, unless it gives itself another.
    uri: String,
    /// The names that its schemas have, where there may be some.
    index: Option<Index>,
    /// The tree, or why there is none: to stand behind the document's name.
    root: Result<Node, String>,
}

#[derive(Default)]
struct State {
    by_path: HashMap<Box<str>, usize, RandomState>,
    by_file: HashMap<FileId, usize, RandomState>,
    files: Files,
    bytes: usize,
    /// What is wrong with the texts of referred documents, and what Overlays met.
    notices: Vec<Notice>,
    errors: usize,
    /// What settings of the root document said before an Overlay changed them, by the identity of their nodes.
    before: HashMap<usize, Node, RandomState>,
}

/// Tells a resource from those of all documents.
pub(super) type ResourceId = (FileId, usize);

impl<'d> Library<'d> {
    pub(super) fn new(
        documents: &'d dyn Documents,
        bounds: &'d Bounds,
        overlays: &'d [overlay::Text<'d>],
    ) -> Self {
        let slots = std::iter::repeat_with(OnceCell::new).take(bounds.files_max).collect();
        Self { documents, bounds, overlays, slots, has_names: Cell::new(false), state: RefCell::default() }
    }

    /// Lets schemas have names.
    pub(super) fn has_names(&self, has_names: bool) {
        self.has_names.set(has_names);
    }

    /// A document's tree, or why there is none.
    pub(super) fn open(&self, path: &str) -> Result<&Node, &str> {
        let slot = self.opened(path, None)?;
        slot.root.as_ref().map_err(String::as_str)
    }

    fn opened(&self, path: &str, uri: Option<&str>) -> Result<&Slot, &str> {
        let known = self.state.borrow().by_path.get(path).copied();
        let index = known.unwrap_or_else(|| self.state.borrow().by_path.len());
        let Some(slot) = self.slots.get(index) else { return Err("is one file too many") };
        Ok(slot.get_or_init(|| self.read(path, index, uri)))
    }

    fn read(&self, path: &str, index: usize, uri: Option<&str>) -> Slot {
        let mut state = self.state.borrow_mut();
        let file = state.files.add(self.documents.name(path));
        state.by_path.insert(path.into(), index);
        state.by_file.insert(file, index);
        let left = self.bounds.bytes_max.saturating_sub(state.bytes);
        let bytes = self.documents.read(path, left.min(self.bounds.reading.file_bytes_max));
        let mut is_named = false;
        let root = bytes.map_err(|unreadable| unreadable.to_string()).and_then(|bytes| {
            is_named = resources::is_named(&bytes);
            state.bytes = state.bytes.saturating_add(bytes.len());
            source::parse(&state.files, file, &bytes, &self.bounds.reading)
                .map_err(|findings| state.note(Severity::Error, findings, self.bounds))
        });
        let root = if index == 0 {
            is_named |= self.overlays.iter().any(|overlay| resources::is_named(overlay.bytes));
            root.and_then(|root| self.overlaid(root, file, &mut state))
        } else {
            root
        };
        let uri = uri.map_or_else(|| format!("{}{path}", uri::FOLDER), str::to_owned);
        let index = root.as_ref().ok().filter(|_| is_named).map(|root| Index::of(root, &uri));
        Slot { path: path.into(), uri, index, root }
    }

    /// The root document with what is laid on it.
    fn overlaid(&self, mut root: Node, file: FileId, state: &mut State) -> Result<Node, String> {
        if self.overlays.is_empty() {
            return Ok(root);
        }
        let (name, bounds) = (state.files.name(file).to_string(), self.bounds);
        let laid = overlay::lay_on(
            &mut root,
            &name,
            self.overlays,
            &mut state.files,
            &bounds.overlay,
            &bounds.reading,
        );
        // What an Overlay puts in is a part of the root document, from which its references lead on.
        state.by_file.extend(laid.files.into_iter().map(|file| (file, 0)));
        state.note(Severity::Warning, laid.warnings, bounds);
        if !laid.errors.is_empty() {
            return Err(state.note(Severity::Error, laid.errors, bounds));
        }
        // Settings stand in a mapping, so they stay where they are when the root is moved.
        let before = laid.before.into_iter();
        state.before.extend(
            before.filter_map(|(at, before)| Some((std::ptr::from_ref(root.find(&at)?).addr(), before))),
        );
        Ok(root)
    }

    /// What settings said before an Overlay changed them.
    pub(super) fn before(&self, at: &At<'_, '_>) -> Option<Node> {
        self.state.borrow().before.get(&at.identity()).cloned()
    }

    /// Follows one reference, if the node is one.
    pub(super) fn step<'t>(&'t self, at: &At<'t, '_>) -> Result<Option<At<'t, 't>>, Finding> {
        let Some(target) = at.get("$ref") else { return Ok(None) };
        let Some(text) = target.node.as_str() else {
            let message = format!("expected the text of a reference, found {}", target.node.describe());
            return Err(self.finding(&target, message));
        };
        self.referred_from(at.node, &target, text).map(Some)
    }

    /// Where a reference leads that stands at a node.
    pub(super) fn referred<'t>(&'t self, at: &At<'t, '_>, text: &'t str) -> Result<At<'t, 't>, Finding> {
        self.referred_from(at.node, at, text)
    }

    /// Where a reference leads that stands in a schema.
    pub(super) fn referred_from<'t>(
        &'t self,
        schema: &Node,
        at: &At<'t, '_>,
        text: &'t str,
    ) -> Result<At<'t, 't>, Finding> {
        if let Some(found) = self.named(schema, text) {
            return Ok(found);
        }
        let fail = |message: String, hint: Option<&str>| {
            Err(self.finding(at, message).with_hint_if(hint.map(str::to_owned)))
        };
        let base = self.slot(at.node.span.file);
        let own_name = base.and_then(|base| base.root.as_ref().ok()?.get("$self")?.as_str());
        let base = base.map_or("", |base| &*base.path);
        let reference = match Reference::parse(text, base, own_name) {
            Ok(reference) => reference,
            Err(fault) => return fail(format!("`{text}`: {fault}"), Some(fault.hint())),
        };
        let root = match self.open(&reference.document) {
            Ok(root) => root,
            Err(reason) => return fail(format!("`{}` {reason}", reference.document), None),
        };
        match root.json_pointer(&reference.pointer) {
            Some(found) => Ok(At::referred(found, reference.fragment)),
            None => fail(format!("`{text}` leads to nothing"), None),
        }
    }

    /// The names of a document, where they count.
    fn index<'s>(&self, slot: &'s Slot) -> Option<&'s Index> {
        slot.index.as_ref().filter(|_| self.has_names.get())
    }

    /// Where a reference leads by absolute names: those that schemas have, or that copies are kept for.
    fn named<'t>(&'t self, schema: &Node, text: &'t str) -> Option<At<'t, 't>> {
        let slot = self.slot(schema.span.file)?;
        let own = self.index(slot).and_then(|index| index.resource_of(schema)).map(|(_, own)| own);
        let (file, fragment) = text.split_once('#').unwrap_or((text, ""));
        let (slot, resource) = if file.is_empty() {
            (slot, own?)
        } else {
            let base = own.map_or(slot.uri.as_str(), |own| own.uri.as_str());
            let absolute = uri::resolve(base, file);
            match self.known(&absolute) {
                Some(known) => known,
                None => {
                    let slot = self.kept(&absolute, base != slot.uri)?;
                    match self.index(slot).and_then(|index| index.named(&absolute)) {
                        Some(resource) => (slot, resource),
                        None => return self.without_names(slot, fragment),
                    }
                }
            }
        };
        let root = slot.root.as_ref().ok()?;
        if fragment.is_empty() {
            return Some(At::referred(root.json_pointer(&resource.pointer)?, &resource.pointer));
        }
        let decoded = decode(fragment)?;
        if decoded.starts_with('/') {
            let found = root.json_pointer(&resource.pointer)?.json_pointer(&decoded)?;
            return Some(At::referred(found, fragment));
        }
        let pointer = resource.anchors.get(&*decoded)?;
        Some(At::referred(root.json_pointer(pointer)?, pointer))
    }

    /// The schema of an absolute name, among the documents read so far.
    fn known(&self, uri: &str) -> Option<(&Slot, &Resource)> {
        let slots = self.slots.iter().map_while(OnceCell::get);
        slots.filter_map(|slot| Some((slot, self.index(slot)?.named(uri)?))).next()
    }

    /// The document that is kept for an absolute name.
    fn kept(&self, uri: &str, is_renamed: bool) -> Option<&Slot> {
        match uri.strip_prefix(uri::FOLDER) {
            // Relative to a document without a name of its own: as any reference.
            Some(_) if !is_renamed => None,
            Some(path) => {
                let reference = Reference::parse(path, "", None).ok()?;
                self.opened(&reference.document, None).ok()
            }
            None => self.opened(&self.documents.kept(uri)?, Some(uri)).ok(),
        }
    }

    fn without_names<'t>(&'t self, slot: &'t Slot, fragment: &'t str) -> Option<At<'t, 't>> {
        let decoded = decode(fragment).filter(|pointer| pointer.is_empty() || pointer.starts_with('/'))?;
        Some(At::referred(slot.root.as_ref().ok()?.json_pointer(&decoded)?, fragment))
    }

    /// The resource that a schema belongs to, if dynamic references look for names in it.
    pub(super) fn dynamic(&self, schema: &Node) -> Option<ResourceId> {
        let slot = self.slot(schema.span.file)?;
        let (number, resource) = self.index(slot)?.resource_of(schema)?;
        (!resource.dynamic.is_empty()).then_some((schema.span.file, number))
    }

    /// The names in a resource that dynamic references look for, and what they stand for.
    pub(super) fn dynamic_anchors(&self, (file, number): ResourceId) -> Vec<(&str, At<'_, '_>)> {
        let found = self
            .slot(file)
            .and_then(|slot| Some((slot.root.as_ref().ok()?, self.index(slot)?.resource(number)?)));
        let Some((root, resource)) = found else { return Vec::new() };
        let anchors = resource.dynamic.iter();
        anchors
            .filter_map(|(name, pointer)| Some((&**name, At::referred(root.json_pointer(pointer)?, pointer))))
            .collect()
    }

    fn slot(&self, file: FileId) -> Option<&Slot> {
        let index = self.state.borrow().by_file.get(&file).copied()?;
        self.slots.get(index)?.get()
    }

    /// A finding at a node.
    pub(super) fn finding(&self, at: &At<'_, '_>, message: impl Into<String>) -> Finding {
        self.finding_at(at.node.span, at.pointer(), message)
    }

    /// A finding at the key of a node, or where there is no node.
    pub(super) fn finding_at(&self, span: Span, pointer: Pointer, message: impl Into<String>) -> Finding {
        self.state.borrow().files.finding(span, pointer, message)
    }

    /// Whether there is something wrong with the text of a document, or with an Overlay.
    pub(super) fn has_errors(&self) -> bool {
        self.state.borrow().errors > 0
    }

    /// The trees that could be read, in the order of reading.
    pub(super) fn trees(&self) -> impl Iterator<Item = &Node> {
        self.slots.iter().map_while(OnceCell::get).filter_map(|slot| slot.root.as_ref().ok())
    }

    /// The paths asked for, in the order of reading, the names for spans, and what was noticed in texts.
    pub(super) fn into_parts(self) -> (Vec<Box<str>>, Files, Vec<Notice>) {
        let paths = self.slots.into_iter().map_while(OnceCell::into_inner).map(|slot| slot.path).collect();
        let state = self.state.into_inner();
        (paths, state.files, state.notices)
    }
}

impl State {
    /// Notes findings; what is said of a document that cannot be used for them.
    fn note(&mut self, severity: Severity, findings: Vec<Finding>, bounds: &Bounds) -> String {
        let findings = findings.into_iter().take(bounds.notices_max);
        let before = self.notices.len();
        self.notices.extend(findings.map(|finding| Notice { severity, finding }));
        if severity == Severity::Error {
            self.errors = self.errors.saturating_add(self.notices.len().saturating_sub(before));
        }
        "cannot be used".to_owned()
    }
}
