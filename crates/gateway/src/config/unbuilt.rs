//! What the configuration can say but this release does not do yet.
//!
//! Such a key does not load: a control that silently does not apply is worse than none. When a control is built,
//! its line here goes.

use portcullis_openapi::source::{Files, Finding, Mapping, Node, Pointer, Segment, Value};

use super::patterns::matches;

/// Paths that are not built. `*` stands for any one step, `**` for any number of them; `settings` at the front
/// for `defaults`, every API and every operation; `= word` at the end for that value only.
pub const UNBUILT: &[&str] = &[
    "stores",
    "issuers",
    "plans",
    "scanners",
    "floor",
    "telemetry.traces",
    "telemetry.sample",
    "consumers.*.plan",
    "consumers.*.credentials.*.certificate",
    "backends.*.balance = least_requests",
    "backends.*.balance = peak_ewma",
    "backends.*.balance = hash",
    "backends.*.health",
    "backends.*.credentials",
    "backends.*.source",
    "backends.*.retries",
    "backends.*.eject",
    "backends.*.breaker",
    "backends.*.concurrency",
    "apis.*.overlays",
    "apis.*.trust_definition",
    "apis.*.schemes",
    "settings.auth = definition",
    "settings.auth.** = certificate",
    "settings.auth.**.certificate",
    "settings.auth.**.jwt",
    "settings.auth.**.api_key.query",
    "settings.auth.**.api_key.cookie",
    "settings.limits",
    "settings.contract",
    "settings.waf",
    "settings.antivirus",
    "settings.cors",
    "settings.attestation",
];

/// What `settings` at the front of a path stands for.
const SCOPES: &[&str] = &["defaults", "apis.*", "apis.*.operations.*"];

/// Finds every key that is not built.
pub(super) fn find(files: &Files, root: &Node, findings: &mut Vec<Finding>) {
    let patterns: Vec<Pattern> = UNBUILT.iter().flat_map(|written| patterns(written)).collect();
    walk(files, root, &patterns, &mut Pointer::new(), findings);
}

struct Pattern {
    steps: Vec<&'static str>,
    value: Option<&'static str>,
}

fn patterns(written: &'static str) -> Vec<Pattern> {
    let (path, value) = match written.split_once(" = ") {
        Some((path, value)) => (path, Some(value)),
        None => (written, None),
    };
    match path.strip_prefix("settings.") {
        None => vec![Pattern { steps: path.split('.').collect(), value }],
        Some(rest) => SCOPES
            .iter()
            .map(|scope| Pattern { steps: scope.split('.').chain(rest.split('.')).collect(), value })
            .collect(),
    }
}

fn walk(files: &Files, node: &Node, patterns: &[Pattern], path: &mut Pointer, findings: &mut Vec<Finding>) {
    if let Some(text) = node.as_str() {
        let not_built =
            |pattern: &Pattern| pattern.value == Some(text) && matches(&pattern.steps, path.segments());
        if patterns.iter().any(not_built) {
            findings.push(finding(files, node.span, path, &format!("`{text}` is not built yet")));
        }
    }
    match &node.value {
        Value::Mapping(mapping) => walk_mapping(files, mapping, patterns, path, findings),
        Value::Sequence(items) => {
            for (index, item) in items.iter().enumerate() {
                path.push(Segment::Index(index));
                walk(files, item, patterns, path, findings);
                path.pop();
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn walk_mapping(
    files: &Files,
    mapping: &Mapping,
    patterns: &[Pattern],
    path: &mut Pointer,
    findings: &mut Vec<Finding>,
) {
    for (key, node) in mapping {
        path.push(Segment::Key(key.text.clone()));
        let not_built =
            |pattern: &Pattern| pattern.value.is_none() && matches(&pattern.steps, path.segments());
        if patterns.iter().any(not_built) {
            findings.push(finding(files, key.span, path, "is not built yet"));
        } else {
            walk(files, node, patterns, path, findings);
        }
        path.pop();
    }
}

fn finding(files: &Files, span: portcullis_openapi::source::Span, path: &Pointer, what: &str) -> Finding {
    files
        .finding(span, path, format!("{what}, so it does not load"))
        .with_hint("take it out: this release would not apply it")
}
