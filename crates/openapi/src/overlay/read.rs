//! The text of an Overlay, as actions that can be carried out.

use super::Place;
use crate::jsonpath::Query;
use crate::source::{Files, Finding, Node, Pointer, Span, nearest};

/// An Overlay.
#[derive(Debug)]
pub(super) struct Overlay {
    pub(super) actions: Vec<Action>,
    pub(super) warnings: Vec<Finding>,
    extends: Option<(Box<str>, Place)>,
}

/// One of its actions.
#[derive(Debug)]
pub(super) struct Action {
    pub(super) target: Query,
    /// Where the target is written.
    pub(super) span: Span,
    pub(super) path: Pointer,
    pub(super) change: Change,
    /// Whether its Overlay is of 1.0, which knows fewer changes.
    pub(super) is_1_0: bool,
}

#[derive(Debug)]
pub(super) enum Change {
    Update(Node, Place),
    Copy(Query, Place),
    Remove,
}

const ROOT: &[&str] = &["overlay", "info", "extends", "actions"];
const INFO: &[&str] = &["title", "version", "description"];
const ACTION: &[&str] = &["target", "description", "update", "copy", "remove"];

/// Most findings of one Overlay.
const FINDINGS_MAX: usize = 100;

pub(super) fn overlay(files: &Files, root: &Node, actions_max: usize) -> Result<Overlay, Vec<Finding>> {
    let mut reader = Reader { files, findings: Vec::new(), warnings: Vec::new() };
    let overlay = reader.overlay(root, actions_max);
    match overlay {
        Some(overlay) if reader.findings.is_empty() => Ok(Overlay { warnings: reader.warnings, ..overlay }),
        _ => Err(reader.findings),
    }
}

impl Overlay {
    /// A remark when `extends` names another document than the one the Overlay is laid on. Only relative references can
    /// be told: nothing says where an address is kept.
    pub(super) fn is_for_another(&self, files: &Files, own: &str, document: &str) -> Option<Finding> {
        let (extends, (span, path)) = self.extends.as_ref()?;
        if extends.contains("://") || extends.starts_with('/') {
            return None;
        }
        let folder = own.rsplit_once('/').map_or("", |(folder, _)| folder);
        let meant = plain(&format!("{folder}/{extends}"), folder.is_empty());
        let message = format!("is meant for `{meant}` and laid on `{document}`");
        (meant != plain(document, false)).then(|| files.finding(*span, path, message))
    }
}

/// A path without `.` and what `..` undoes.
fn plain(path: &str, is_relative: bool) -> String {
    let path = if is_relative { path.trim_start_matches('/') } else { path };
    let mut segments: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "." => {}
            ".." if segments.last().is_some_and(|last| *last != "..") => {
                segments.pop();
            }
            _ => segments.push(segment),
        }
    }
    segments.join("/")
}

struct Reader<'a> {
    files: &'a Files,
    findings: Vec<Finding>,
    warnings: Vec<Finding>,
}

impl Reader<'_> {
    fn note(&mut self, finding: Finding) {
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(finding);
        }
    }

    fn wrong(&mut self, span: Span, path: &Pointer, message: impl Into<String>) {
        self.note(self.files.finding(span, path, message));
    }

    fn hinted(&mut self, span: Span, path: &Pointer, message: &str, hint: &str) {
        self.note(self.files.finding(span, path, message).with_hint(hint));
    }

    fn overlay(&mut self, root: &Node, actions_max: usize) -> Option<Overlay> {
        let at = Pointer::new();
        let Some(version) = root.get("overlay") else {
            let hint = "begin it with `overlay: 1.1.0`";
            self.hinted(root.span, &at, "is no Overlay: it has no `overlay`", hint);
            return None;
        };
        // YAML reads an unquoted 1.1 as a number.
        let text = version.as_str().or_else(|| Some(version.as_number()?.as_str())).unwrap_or_default();
        let mut numbers = text.split('.');
        let is_1_0 = match (numbers.next(), numbers.next()) {
            (Some("1"), Some("0")) => true,
            (Some("1"), Some("1")) => false,
            _ => {
                let message = format!("expected a known version, found {}", version.describe());
                self.hinted(version.span, &at.key("overlay"), &message, "1.0.x and 1.1.x are understood");
                return None;
            }
        };
        self.keys(root, &at, ROOT);
        self.info(root, &at);
        let extends = root.get("extends").and_then(|node| match node.as_str() {
            Some(text) => Some((text.into(), (node.span, at.key("extends")))),
            None => {
                let message = format!("expected a reference to a document, found {}", node.describe());
                self.wrong(node.span, &at.key("extends"), message);
                None
            }
        });
        let actions = self.actions(root, actions_max, is_1_0);
        Some(Overlay { actions, warnings: Vec::new(), extends })
    }

    fn info(&mut self, root: &Node, at: &Pointer) {
        let at = at.key("info");
        let Some(info) = root.get("info").filter(|info| info.as_mapping().is_some()) else {
            let span = root.get("info").map_or(root.span, |info| info.span);
            self.hinted(span, &at, "is missing", "write `info: { title: …, version: 1.0.0 }`");
            return;
        };
        self.keys(info, &at, INFO);
        for key in ["title", "version"] {
            if !info.get(key).is_some_and(|node| node.as_str().is_some() || node.as_number().is_some()) {
                self.wrong(info.span, &at.key(key), "is missing, and has to be a text");
            }
        }
    }

    fn actions(&mut self, root: &Node, actions_max: usize, is_1_0: bool) -> Vec<Action> {
        let at = Pointer::new().key("actions");
        let list = root.get("actions");
        let Some(items) = list.and_then(Node::as_sequence).filter(|items| !items.is_empty()) else {
            let span = list.map_or(root.span, |list| list.span);
            self.hinted(span, &at, "expected a list of actions", "write at least one, with a `target`");
            return Vec::new();
        };
        if items.len() > actions_max {
            self.wrong(root.span, &at, format!("are more than {actions_max}"));
            return Vec::new();
        }
        let items = items.iter().enumerate();
        items.filter_map(|(index, item)| self.action(item, &at.index(index), is_1_0)).collect()
    }

    fn action(&mut self, item: &Node, at: &Pointer, is_1_0: bool) -> Option<Action> {
        if item.as_mapping().is_none() {
            self.wrong(item.span, at, format!("expected an action, found {}", item.describe()));
            return None;
        }
        self.keys(item, at, ACTION);
        let target_at = at.key("target");
        let Some(target) = item.get("target") else {
            self.hinted(
                item.span,
                &target_at,
                "is missing",
                "write a JSONPath query, such as `$.paths.*.get`",
            );
            return None;
        };
        let query = self.query(target, &target_at);
        let change = self.change(item, at, is_1_0);
        Some(Action { target: query?, span: target.span, path: target_at, change: change?, is_1_0 })
    }

    fn query(&mut self, node: &Node, at: &Pointer) -> Option<Query> {
        let Some(text) = node.as_str() else {
            self.wrong(node.span, at, format!("expected a JSONPath query, found {}", node.describe()));
            return None;
        };
        Query::parse(text).map_err(|fault| self.wrong(node.span, at, fault.to_string())).ok()
    }

    fn change(&mut self, item: &Node, at: &Pointer, is_1_0: bool) -> Option<Change> {
        let remove = match item.get("remove") {
            None => false,
            Some(node) => match node.as_bool() {
                Some(remove) => remove,
                None => {
                    let message = format!("expected `true` or `false`, found {}", node.describe());
                    self.wrong(node.span, &at.key("remove"), message);
                    return None;
                }
            },
        };
        let copy = item.get("copy");
        if let Some(copy) = copy.filter(|_| is_1_0) {
            self.hinted(copy.span, &at.key("copy"), "is not known in Overlay 1.0", "write `overlay: 1.1.0`");
            return None;
        }
        match (remove, item.get("update"), copy) {
            (true, update, copy) => {
                if let Some(idle) = update.or(copy) {
                    let finding = self.files.finding(idle.span, at, "has no effect beside `remove: true`");
                    self.warnings.push(finding);
                }
                Some(Change::Remove)
            }
            (false, Some(_), Some(copy)) => {
                self.wrong(copy.span, &at.key("copy"), "cannot stand beside `update`");
                None
            }
            (false, Some(update), None) => {
                Some(Change::Update(update.clone(), (update.span, at.key("update"))))
            }
            (false, None, Some(copy)) => {
                let at = at.key("copy");
                Some(Change::Copy(self.query(copy, &at)?, (copy.span, at)))
            }
            (false, None, None) => {
                self.hinted(item.span, at, "does nothing", "write `update`, `copy` or `remove: true`");
                None
            }
        }
    }

    /// Refuses keys that mean nothing, and knows extensions by their beginning.
    fn keys(&mut self, node: &Node, at: &Pointer, known: &[&str]) {
        let Some(mapping) = node.as_mapping() else {
            self.wrong(node.span, at, format!("expected a mapping, found {}", node.describe()));
            return;
        };
        for (key, _) in mapping {
            if !known.contains(&&*key.text) && !key.text.starts_with("x-") {
                let hint =
                    nearest(&key.text, known.iter().copied()).map(|near| format!("did you mean `{near}`?"));
                let finding = self.files.finding(key.span, at.key(&key.text), "is not known here");
                self.note(finding.with_hint_if(hint));
            }
        }
    }
}
