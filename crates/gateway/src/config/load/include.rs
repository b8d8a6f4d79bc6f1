//! `include:`: several files read as one document.
//!
//! Mappings are merged; a value that stands in two files is an error that names both. There is no order in which
//! one file wins over another: such an order is what makes a merged configuration hard to see.

use std::collections::HashMap;
use std::path::PathBuf;

use portcullis_openapi::source::{Finding, Key, Mapping, Node, Pointer, Reading, Segment, Span, Value};

use super::{FILES_MAX, Session};

/// Merges everything that `root` includes, and what that includes, into it.
pub(super) fn merge_all(session: &mut Session<'_>, root: &mut Node) {
    let mut read: Vec<PathBuf> = session.watched.clone();
    let mut waiting = wanted(root);
    while let Some((written, span)) = waiting.pop() {
        let path = session.path(span.file, &written);
        let refused = |message: String| (span, message);
        let outcome = if read.contains(&path) {
            Err(refused(format!("{written:?} is included a second time")))
        } else if read.len() >= FILES_MAX {
            Err(refused(format!("more than {FILES_MAX} files")))
        } else {
            session
                .desk
                .read(&path, Reading::CONFIGURATION.file_bytes_max)
                .map_err(|error| refused(format!("{written:?} cannot be read: {error}")))
        };
        let bytes = match outcome {
            Ok(bytes) => bytes,
            Err((span, message)) => {
                session.findings.push(session.names.finding(span, "include", message));
                continue;
            }
        };
        session.watch(path.clone());
        read.push(path.clone());
        session.documents.insert(path.clone(), bytes.as_slice().into());
        let folder = path.parent().map(PathBuf::from).unwrap_or_default();
        match session.document(&path.display().to_string(), &bytes, folder) {
            Ok(node) => {
                waiting.extend(wanted(&node));
                merge(session, root, node, &mut Pointer::new());
            }
            Err(findings) => session.findings.extend(findings),
        }
    }
}

/// What a document includes. Whatever else stands there is refused when the types are read.
fn wanted(document: &Node) -> Vec<(String, Span)> {
    let items = document.get("include").and_then(Node::as_sequence).unwrap_or_default();
    // The last is taken first.
    items.iter().rev().filter_map(|item| Some((item.as_str()?.to_owned(), item.span))).collect()
}

/// Merges one document into another.
fn merge(session: &mut Session<'_>, into: &mut Node, from: Node, path: &mut Pointer) {
    let span = from.span;
    match (&mut into.value, from.value) {
        (Value::Mapping(own), Value::Mapping(other)) => {
            let mut entries = std::mem::take(own).into_entries();
            let places = entries.iter().enumerate().map(|(at, (key, _))| (key.text.clone(), at));
            let places: HashMap<Box<str>, usize> = places.collect();
            for (key, node) in other.into_entries() {
                let at_root = path.segments().is_empty();
                if at_root && &*key.text == "include" {
                    continue;
                }
                // A key stands once in each of the two: those that come in need no place.
                match places.get(&key.text).and_then(|at| entries.get_mut(*at)) {
                    None => entries.push((key, node)),
                    // Each file may say which version it is written for.
                    Some((_, own)) if at_root && &*key.text == "version" && own.value == node.value => {}
                    Some((own_key, own)) => {
                        path.push(Segment::Key(key.text.clone()));
                        merge_value(session, own_key, own, &key, node, path);
                        path.pop();
                    }
                }
            }
            *own = Mapping::new(entries, |_, _| ());
        }
        _ => {
            let finding = session.names.finding(span, &*path, "expected a mapping");
            session.findings.push(finding);
        }
    }
}

fn merge_value(
    session: &mut Session<'_>,
    own_key: &Key,
    own: &mut Node,
    key: &Key,
    node: Node,
    path: &mut Pointer,
) {
    if own.as_mapping().is_some() && node.as_mapping().is_some() {
        merge(session, own, node, path);
        return;
    }
    let finding: Finding = session.names.finding(
        key.span,
        &*path,
        format!("also stands in {}:{}", session.names.name(own_key.span.file), own_key.span.line),
    );
    session.findings.push(finding.with_hint("let it stand in one of the two files"));
}
