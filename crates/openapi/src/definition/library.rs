//! The documents read so far, each once.
//!
//! Trees stay where they are once read, behind shared references, so that a walk through one may read another.

use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;

use foldhash::fast::RandomState;

use super::reference::Reference;
use super::trail::At;
use super::{Bounds, Documents};
use crate::source::{self, FileId, Files, Finding, Node, Pointer, Span};

/// Documents by path, read when first referred to.
pub(super) struct Library<'d> {
    documents: &'d dyn Documents,
    bounds: &'d Bounds,
    /// One for each file that may be read, filled in the order of reading.
    slots: Box<[OnceCell<Slot>]>,
    state: RefCell<State>,
}

/// A document that was asked for.
struct Slot {
    path: Box<str>,
    /// The tree, or why there is none: to stand behind the document's name.
    root: Result<Node, String>,
}

#[derive(Default)]
struct State {
    by_path: HashMap<Box<str>, usize, RandomState>,
    by_file: HashMap<FileId, usize, RandomState>,
    files: Files,
    bytes: usize,
    /// What is wrong with the texts of referred documents.
    findings: Vec<Finding>,
}

impl<'d> Library<'d> {
    pub(super) fn new(documents: &'d dyn Documents, bounds: &'d Bounds) -> Self {
        let slots = std::iter::repeat_with(OnceCell::new).take(bounds.files_max).collect();
        Self { documents, bounds, slots, state: RefCell::default() }
    }

    /// A document's tree, or why there is none.
    pub(super) fn open(&self, path: &str) -> Result<&Node, &str> {
        let known = self.state.borrow().by_path.get(path).copied();
        let index = known.unwrap_or_else(|| self.state.borrow().by_path.len());
        let Some(slot) = self.slots.get(index) else { return Err("is one file too many") };
        let slot = slot.get_or_init(|| self.read(path, index));
        slot.root.as_ref().map_err(String::as_str)
    }

    fn read(&self, path: &str, index: usize) -> Slot {
        let mut state = self.state.borrow_mut();
        let file = state.files.add(self.documents.name(path));
        state.by_path.insert(path.into(), index);
        state.by_file.insert(file, index);
        let left = self.bounds.bytes_max.saturating_sub(state.bytes);
        let bytes = self.documents.read(path, left.min(self.bounds.reading.file_bytes_max));
        let root = bytes.map_err(|unreadable| unreadable.to_string()).and_then(|bytes| {
            state.bytes = state.bytes.saturating_add(bytes.len());
            source::parse(&state.files, file, &bytes, &self.bounds.reading).map_err(|findings| {
                state.findings.extend(findings.into_iter().take(self.bounds.notices_max));
                "cannot be used".to_owned()
            })
        });
        Slot { path: path.into(), root }
    }

    /// Follows one reference, if the node is one.
    pub(super) fn step<'t>(&'t self, at: &At<'t, '_>) -> Result<Option<At<'t, 't>>, Finding> {
        let Some(target) = at.get("$ref") else { return Ok(None) };
        let Some(text) = target.node.as_str() else {
            let message = format!("expected the text of a reference, found {}", target.node.describe());
            return Err(self.finding(&target, message));
        };
        self.referred(&target, text).map(Some)
    }

    /// Where a reference leads that stands at a node.
    pub(super) fn referred<'t>(&'t self, at: &At<'t, '_>, text: &'t str) -> Result<At<'t, 't>, Finding> {
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

    /// Whether there is something wrong with the text of a document.
    pub(super) fn has_findings(&self) -> bool {
        !self.state.borrow().findings.is_empty()
    }

    /// The trees that could be read, in the order of reading.
    pub(super) fn trees(&self) -> impl Iterator<Item = &Node> {
        self.slots.iter().map_while(OnceCell::get).filter_map(|slot| slot.root.as_ref().ok())
    }

    /// The paths asked for, in the order of reading, the names for spans, and what is wrong with referred texts.
    pub(super) fn into_parts(self) -> (Vec<Box<str>>, Files, Vec<Finding>) {
        let paths = self.slots.into_iter().map_while(OnceCell::into_inner).map(|slot| slot.path).collect();
        let state = self.state.into_inner();
        (paths, state.files, state.findings)
    }
}
