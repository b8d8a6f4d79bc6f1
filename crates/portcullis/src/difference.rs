//! What a configuration would change: settings by their paths, operations by method and path.

use std::collections::BTreeSet;

use portcullis_gateway::config::Loaded;
use portcullis_gateway::config::tree::{Node, Pointer, Segment, Value as Tree};
use portcullis_gateway::gateway;
use serde_json::{Value, json};

/// Longest text shown of a value.
const SHOWN_CHARS_MAX: usize = 120;

/// What `wanted` would change of what runs. The values of secrets are not shown; that one changed is not seen.
pub(crate) fn between(running: &Loaded, wanted: &Loaded) -> Value {
    let mut changes = Vec::new();
    walk(Some(running.tree()), Some(wanted.tree()), &mut Pointer::new(), wanted, &mut changes);
    let (before, after) = (operations(running), operations(wanted));
    let files = wanted.documents.keys().chain(running.documents.keys()).collect::<BTreeSet<_>>();
    let files = files.into_iter().filter(|path| wanted.documents.get(*path) != running.documents.get(*path));
    json!({
        "running": running.hash,
        "wanted": wanted.hash,
        "changes": changes,
        "files": files.map(|path| path.display().to_string()).collect::<Vec<_>>(),
        "operations": {
            "added": after.difference(&before).collect::<Vec<_>>(),
            "removed": before.difference(&after).collect::<Vec<_>>(),
        },
    })
}

fn operations(loaded: &Loaded) -> BTreeSet<String> {
    let snapshot = gateway::check(loaded);
    let operations = snapshot.into_iter().flat_map(|snapshot| snapshot.operations);
    operations.map(|it| format!("{} {} ({}/{})", it.method, it.template, it.api, it.name)).collect()
}

fn walk(
    before: Option<&Node>,
    after: Option<&Node>,
    path: &mut Pointer,
    wanted: &Loaded,
    out: &mut Vec<Value>,
) {
    match (before, after) {
        (Some(before), Some(after)) => match (before.as_mapping(), after.as_mapping()) {
            (Some(before), Some(after)) => {
                let names = before.keys().chain(after.keys()).collect::<BTreeSet<_>>();
                for name in names {
                    path.push(Segment::Key(name.into()));
                    walk(before.get(name), after.get(name), path, wanted, out);
                    path.pop();
                }
            }
            // Their positions differ, which is no change.
            _ if plain(before) == plain(after) => {}
            _ => out.push(change("changed", path, Some(before), Some(after), wanted)),
        },
        (None, Some(after)) => out.push(change("added", path, None, Some(after), wanted)),
        (Some(before), None) => out.push(change("removed", path, Some(before), None, wanted)),
        (None, None) => {}
    }
}

fn change(kind: &str, path: &Pointer, before: Option<&Node>, after: Option<&Node>, wanted: &Loaded) -> Value {
    let place = wanted.place(&path.to_string()).map(|place| place.to_string());
    json!({
        "kind": kind,
        "path": path.to_string(),
        "before": before.map(shown),
        "after": after.map(shown),
        "place": place,
    })
}

/// A value as text, cut short.
fn shown(node: &Node) -> String {
    let text = plain(node).to_string();
    match text.char_indices().nth(SHOWN_CHARS_MAX) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

/// SECURITY: what came from outside is not shown.
fn plain(node: &Node) -> Value {
    if node.is_from_outside() {
        return "(from outside)".into();
    }
    match &node.value {
        Tree::Mapping(mapping) => {
            mapping.iter().map(|(key, node)| (key.text.to_string(), plain(node))).collect()
        }
        Tree::Sequence(items) => items.iter().map(plain).collect(),
        Tree::String(text) => (&**text).into(),
        Tree::Bool(value) => (*value).into(),
        Tree::Null => Value::Null,
        Tree::Number(number) => number.as_str().into(),
    }
}
