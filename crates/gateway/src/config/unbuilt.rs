//! What the configuration can say but this release does not do yet.
//!
//! Such a key does not load: a control that silently does not apply is worse than none. When a control is built,
//! its line here goes.

use portcullis_openapi::source::{Files, Finding, Mapping, Node, Pointer, Segment, Value};

use super::patterns::matches;

/// Paths that are not built. `*` stands for any one step, `**` for any number of them; `settings` at the front
/// for `defaults`, every API and every operation.
pub const UNBUILT: &[&str] = &[
    "stores.shared",
    "plans",
    "scanners",
    "floor",
    "consumers.*.plan",
    "settings.limits",
    "settings.waf",
    "settings.antivirus",
    "settings.cors",
];

/// What `settings` at the front of a path stands for.
const SCOPES: &[&str] = &["defaults", "apis.*", "apis.*.operations.*"];

/// Finds every key that is not built.
pub(super) fn find(files: &Files, root: &Node, findings: &mut Vec<Finding>) {
    let patterns: Vec<Steps> = UNBUILT.iter().flat_map(|written| patterns(written)).collect();
    Walk { files, patterns, base: Pointer::new(), findings }.node(root, &mut Pointer::new());
}

/// Finds every key that is not built in settings of a definition, which stand at `base` there.
pub(super) fn find_in_settings(files: &Files, settings: &Node, base: &Pointer, findings: &mut Vec<Finding>) {
    let patterns =
        UNBUILT.iter().filter_map(|path| Some(path.strip_prefix("settings.")?.split('.').collect()));
    let patterns = patterns.collect();
    Walk { files, patterns, base: base.clone(), findings }.node(settings, &mut Pointer::new());
}

/// A path, taken apart.
type Steps = Vec<&'static str>;

fn patterns(path: &'static str) -> Vec<Steps> {
    match path.strip_prefix("settings.") {
        None => vec![path.split('.').collect()],
        Some(rest) => SCOPES.iter().map(|scope| scope.split('.').chain(rest.split('.')).collect()).collect(),
    }
}

/// A walk through a tree of which the root stands at `base` of its document.
struct Walk<'a> {
    files: &'a Files,
    patterns: Vec<Steps>,
    base: Pointer,
    findings: &'a mut Vec<Finding>,
}

impl Walk<'_> {
    fn node(&mut self, node: &Node, path: &mut Pointer) {
        match &node.value {
            Value::Mapping(mapping) => self.mapping(mapping, path),
            Value::Sequence(items) => {
                for (index, item) in items.iter().enumerate() {
                    path.push(Segment::Index(index));
                    self.node(item, path);
                    path.pop();
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    fn mapping(&mut self, mapping: &Mapping, path: &mut Pointer) {
        for (key, node) in mapping {
            path.push(Segment::Key(key.text.clone()));
            if self.patterns.iter().any(|steps| matches(steps, path.segments())) {
                self.push(key.span, path);
            } else {
                self.node(node, path);
            }
            path.pop();
        }
    }

    fn push(&mut self, span: portcullis_openapi::source::Span, path: &Pointer) {
        let finding = self.files.finding(span, self.base.join(path), "is not built yet, so it does not load");
        self.findings.push(finding.with_hint("take it out: this release would not apply it"));
    }
}
