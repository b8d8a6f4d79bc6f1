//! Documents and configurations: whatever the bytes, reading ends with a tree whose places are true, or says what is
//! wrong and where; JSON is taken exactly when another strict parser takes it, with the same values; and what a
//! configuration gets from outside is never shown.

use std::path::Path;

use portcullis_gateway::config;
use portcullis_openapi::source::{Files, Finding, Node, Number, Pointer, Reading, Segment, Value, parse};

/// Small, so that inputs pass each bound.
const READING: Reading =
    Reading { file_bytes_max: 256 << 10, nodes_max: 20_000, depth_max: 48, merge_keys: true };
/// What the environment of the checked configurations holds, and no input does.
const SECRET: &str = "s3cr3t:V\"4lue.example";

pub(crate) fn check(data: &[u8]) {
    for name in ["document.json", "document.yaml"] {
        document(name, data);
    }
    if let Ok(text) = std::str::from_utf8(data) {
        configuration(text);
    }
}

fn document(name: &str, data: &[u8]) {
    let mut files = Files::new();
    let file = files.add(name);
    let lines = data.split(|byte| *byte == b'\n' || *byte == b'\r').count().saturating_add(1);
    let outcome = parse(&files, file, data, &READING);
    match &outcome {
        Ok(root) => {
            let mut nodes = 0;
            places(root, root, &mut Pointer::new(), lines, &mut nodes);
            assert!(nodes <= READING.nodes_max, "{nodes} nodes");
        }
        Err(findings) => {
            assert!(!findings.is_empty());
            for finding in findings {
                assert!(to_usize(finding.line) <= lines, "{finding}");
            }
        }
    }
    if name.ends_with(".json") {
        same_json(data, &outcome);
    }
}

/// Every node stands within the text, and its path, shown and read again, leads to it.
fn places(root: &Node, node: &Node, path: &mut Pointer, lines: usize, nodes: &mut usize) {
    *nodes = nodes.saturating_add(1);
    assert!((1..=lines).contains(&to_usize(node.span.line)), "{path}");
    assert!(node.span.column >= 1, "{path}");
    if *nodes < 200 {
        let again: Pointer = path.to_string().parse().unwrap_or_default();
        assert!(root.find(&again).is_some_and(|found| std::ptr::eq(found, node)), "{path}");
    }
    match &node.value {
        Value::Sequence(items) => {
            for (index, item) in items.iter().enumerate() {
                path.push(Segment::Index(index));
                places(root, item, path, lines, nodes);
                path.pop();
            }
        }
        Value::Mapping(mapping) => {
            for (key, value) in mapping {
                path.push(Segment::Key(key.text.clone()));
                places(root, value, path, lines, nodes);
                path.pop();
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// What another strict parser makes of the same bytes.
fn same_json(data: &[u8], ours: &Result<Node, Vec<Finding>>) {
    let text = data.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(data);
    let theirs: Result<serde_json::Value, _> = serde_json::from_slice(text);
    match (ours, theirs) {
        (Ok(ours), Ok(theirs)) => assert!(same(ours, &theirs), "{ours:?} is not {theirs}"),
        // Ours keeps a number that is too large for the other's types.
        (Ok(_), Err(error)) => assert!(error.to_string().starts_with("number out of range"), "{error}"),
        (Err(findings), Ok(_)) => {
            let shown = findings.iter().map(ToString::to_string).collect::<String>();
            let stricter = ["for the second time", "nested more than", "more than 20000 values", "at most"];
            assert!(stricter.iter().any(|word| shown.contains(word)), "{shown}");
        }
        (Err(_), Err(_)) => {}
    }
}

fn same(ours: &Node, theirs: &serde_json::Value) -> bool {
    match (&ours.value, theirs) {
        (Value::Null, serde_json::Value::Null) => true,
        (Value::Bool(one), serde_json::Value::Bool(other)) => one == other,
        (Value::String(one), serde_json::Value::String(other)) => **one == **other,
        (Value::Number(one), serde_json::Value::Number(other)) => same_number(one, other),
        (Value::Sequence(one), serde_json::Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (Value::Mapping(one), serde_json::Value::Object(other)) => {
            one.len() == other.len()
                && other.iter().all(|(key, other)| one.get(key).is_some_and(|one| same(one, other)))
        }
        _ => false,
    }
}

/// Integers to the digit; other numbers as near as the two conversions are.
fn same_number(one: &Number, other: &serde_json::Number) -> bool {
    if let Some(other) = other.as_u64() {
        return one.as_u64() == Some(other);
    }
    if let Some(other) = other.as_i64() {
        return one.as_i64() == Some(other);
    }
    match (one.as_f64(), other.as_f64()) {
        (Some(one), Some(other)) => (one - other).abs() <= other.abs() * 1e-12 + f64::MIN_POSITIVE,
        _ => false,
    }
}

fn configuration(text: &str) {
    // A check reads no files; and what the input knows is no secret.
    if text.contains("${file:") || text.contains("include") || text.to_lowercase().contains("s3cr3t") {
        return;
    }
    let env = |name: &str| match name {
        "PORT" => Some("8080".to_owned()),
        "EMPTY" => Some(String::new()),
        _ => name.starts_with('S').then(|| SECRET.to_owned()),
    };
    match config::parse("portcullis.yaml", text, Path::new("/nowhere"), &env) {
        Ok(loaded) => {
            for (name, api) in &loaded.config.apis {
                assert!(loaded.place(&Pointer::new().key("apis").key(name).to_string()).is_some(), "{name}");
                for key in api.operations.keys() {
                    assert!(loaded.effective(name, &[config::Layer::Entry(key)]).is_ok(), "{name} {key}");
                }
            }
            assert_eq!(loaded.hash.len(), 64);
        }
        Err(findings) => {
            assert!(!findings.is_empty());
            assert!(findings.is_sorted_by_key(Finding::span));
            for finding in findings {
                let shown = finding.to_string();
                assert!(!shown.to_lowercase().contains("s3cr3t"), "{shown}");
                assert!(!shown.to_lowercase().contains("4lue"), "{shown}");
            }
        }
    }
}

fn to_usize(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
