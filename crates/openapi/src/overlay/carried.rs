//! What the document says by its own `x-portcullis`, so that an Overlay cannot take it back unseen.
//!
//! SECURITY: without it an Overlay could loosen what the definition tightens, for the two are one once it is laid on.

use crate::definition::SETTINGS;
use crate::source::{Key, Node, Pointer, Segment, Value};

/// A settings node and its key, by the way to what it stands in.
pub(super) struct Carried {
    parent: Pointer,
    /// The name of the tag, where that is what it stands in: an Overlay may move the tags of a list.
    tag: Option<Box<str>>,
    key: Key,
    settings: Node,
}

/// Every settings node of a document.
pub(super) fn all(root: &Node) -> Vec<Carried> {
    let mut found = Vec::new();
    below(root, &mut Pointer::new(), &mut found);
    found
}

/// Trees are at most as deep as they are read.
fn below(node: &Node, path: &mut Pointer, found: &mut Vec<Carried>) {
    match &node.value {
        Value::Mapping(mapping) => {
            for (key, child) in mapping {
                if &*key.text == SETTINGS {
                    let is_tag = matches!(path.segments(), [Segment::Key(tags), Segment::Index(_)] if **tags == *"tags");
                    let tag = node.get("name").and_then(Node::as_str).filter(|_| is_tag).map(Into::into);
                    found.push(Carried {
                        parent: path.clone(),
                        tag,
                        key: key.clone(),
                        settings: child.clone(),
                    });
                } else {
                    path.push(Segment::Key(key.text.clone()));
                    below(child, path, found);
                    path.pop();
                }
            }
        }
        Value::Sequence(items) => {
            for (index, child) in items.iter().enumerate() {
                path.push(Segment::Index(index));
                below(child, path, found);
                path.pop();
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Where settings say otherwise now, and what they said. Where there are none any more, empty ones are put.
pub(super) fn changed(root: &mut Node, original: Vec<Carried>) -> Vec<(Pointer, Node)> {
    let mut changed = Vec::new();
    for Carried { parent, tag, key, settings } in original {
        let parent = match &tag {
            None => Some(parent),
            Some(name) => {
                let tags = root.get("tags").and_then(Node::as_sequence).unwrap_or_default();
                let index = tags.iter().position(|tag| tag.get("name").and_then(Node::as_str) == Some(name));
                index.map(|index| Pointer::new().key("tags").index(index))
            }
        };
        let Some(parent) = parent else { continue };
        let Some(Value::Mapping(mapping)) = root.find_mut(&parent).map(|node| &mut node.value) else {
            continue;
        };
        match mapping.get(SETTINGS) {
            Some(now) if *now == settings => continue,
            Some(_) => {}
            None => mapping.extend(vec![(key, Node::new(Value::Mapping(Default::default()), settings.span))]),
        }
        changed.push((parent.key(SETTINGS), settings));
    }
    changed
}
