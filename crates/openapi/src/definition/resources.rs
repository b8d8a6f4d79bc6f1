//! Names that schemas give themselves: `$id`, `$anchor`, `$dynamicAnchor` of JSON Schema 2020-12.
//!
//! Only where a document has some, and only in schemas: what stands in an example or under `enum` is a value, whatever it
//! looks like. A name is no address: it leads to a document that is read already, never to the network.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use super::uri;
use crate::source::{Node, Value, json_pointer};

/// The names of one document.
#[derive(Debug)]
pub(super) struct Index {
    resources: Vec<Resource>,
    by_uri: HashMap<String, usize, RandomState>,
    /// The resource that a schema belongs to, by the identity of its node.
    by_node: HashMap<usize, usize, RandomState>,
}

/// A schema with an absolute name, and what belongs to it. The first is the document.
#[derive(Debug)]
pub(super) struct Resource {
    /// Its name.
    pub(super) uri: String,
    /// Its place in the document.
    pub(super) pointer: String,
    /// Names within it, and their places in the document; of one given twice the first.
    pub(super) anchors: HashMap<Box<str>, String, RandomState>,
    /// Those of them that `$dynamicRef` looks for from outside.
    pub(super) dynamic: Vec<(Box<str>, String)>,
}

/// What a place of a document holds.
#[derive(Clone, Copy)]
enum Held {
    Schema,
    SchemasByName,
    Schemas,
    /// Parts of OpenAPI.
    Other,
    Nothing,
}

/// Whether a text may give names at all.
pub(super) fn is_named(bytes: &[u8]) -> bool {
    ["$id", "$anchor", "$dynamicAnchor"]
        .iter()
        .any(|keyword| memchr::memmem::find(bytes, keyword.as_bytes()).is_some())
}

impl Index {
    /// Finds the names of a document.
    pub(super) fn of(root: &Node, base: &str) -> Self {
        let first = Resource::new(base.to_owned(), String::new());
        let mut index =
            Self { resources: vec![first], by_uri: HashMap::default(), by_node: HashMap::default() };
        let is_openapi = root.get("openapi").is_some() || root.get("swagger").is_some();
        let held = if is_openapi { Held::Other } else { Held::Schema };
        index.walk(root, held, 0, &mut String::new());
        for (number, resource) in index.resources.iter().enumerate() {
            index.by_uri.entry(resource.uri.clone()).or_insert(number);
        }
        index
    }

    /// The resource that a node belongs to.
    pub(super) fn resource_of(&self, node: &Node) -> Option<(usize, &Resource)> {
        let number = self.by_node.get(&std::ptr::from_ref(node).addr()).copied().unwrap_or_default();
        Some((number, self.resource(number)?))
    }

    /// The resource of that number.
    pub(super) fn resource(&self, number: usize) -> Option<&Resource> {
        self.resources.get(number)
    }

    /// The resource of a name; of several with it the first.
    pub(super) fn named(&self, uri: &str) -> Option<&Resource> {
        self.resource(*self.by_uri.get(uri)?)
    }

    /// Documents are at most [`crate::source::Reading::depth_max`] deep.
    fn walk(&mut self, node: &Node, held: Held, within: usize, pointer: &mut String) {
        let mut within = within;
        match (held, &node.value) {
            (Held::Nothing, _) => {}
            (Held::Schema, Value::Mapping(mapping)) => {
                within = self.name(node, within, pointer);
                for (key, child) in mapping {
                    self.below(child, keyword(&key.text, child), within, pointer, &key.text);
                }
            }
            (Held::SchemasByName, Value::Mapping(mapping)) => {
                for (key, child) in mapping {
                    self.below(child, Held::Schema, within, pointer, &key.text);
                }
            }
            (Held::Other, Value::Mapping(mapping)) => {
                for (key, child) in mapping {
                    let held = match &*key.text {
                        "schema" | "itemSchema" => Held::Schema,
                        "schemas" | "definitions" => Held::SchemasByName,
                        "example" | "examples" | "default" => Held::Nothing,
                        _ => Held::Other,
                    };
                    self.below(child, held, within, pointer, &key.text);
                }
            }
            (Held::Schemas | Held::Other, Value::Sequence(items)) => {
                let held = if matches!(held, Held::Schemas) { Held::Schema } else { Held::Other };
                for (at, child) in items.iter().enumerate() {
                    self.below(child, held, within, pointer, &at.to_string());
                }
            }
            _ => {}
        }
    }

    fn below(&mut self, node: &Node, held: Held, within: usize, pointer: &mut String, step: &str) {
        let length = pointer.len();
        pointer.push('/');
        pointer.push_str(&json_pointer::escaped(step));
        self.walk(node, held, within, pointer);
        pointer.truncate(length);
    }

    /// Notes the names of a schema; the resource it belongs to.
    fn name(&mut self, node: &Node, within: usize, pointer: &str) -> usize {
        let text = |key: &str| node.get(key).and_then(Node::as_str);
        let mut within = within;
        if let Some(id) = text("$id") {
            let base = self.resources.get(within).map_or("", |resource| resource.uri.as_str());
            let uri = uri::resolve(base, id.split('#').next().unwrap_or_default());
            if pointer.is_empty() {
                if let Some(first) = self.resources.first_mut() {
                    first.uri = uri;
                }
            } else {
                within = self.resources.len();
                self.resources.push(Resource::new(uri, pointer.to_owned()));
            }
        }
        if let Some(resource) = self.resources.get_mut(within) {
            for anchor in [text("$anchor"), text("$dynamicAnchor")].into_iter().flatten() {
                resource.anchors.entry(anchor.into()).or_insert_with(|| pointer.to_owned());
            }
            if let Some(anchor) = text("$dynamicAnchor") {
                resource.dynamic.push((anchor.into(), pointer.to_owned()));
            }
        }
        if within != 0 {
            self.by_node.insert(std::ptr::from_ref(node).addr(), within);
        }
        within
    }
}

impl Resource {
    /// One without names within it.
    fn new(uri: String, pointer: String) -> Self {
        Self { uri, pointer, anchors: HashMap::default(), dynamic: Vec::new() }
    }
}

/// What a keyword of a schema holds.
fn keyword(key: &str, value: &Node) -> Held {
    match key {
        "items" if value.as_sequence().is_some() => Held::Schemas,
        "items"
        | "additionalItems"
        | "contains"
        | "additionalProperties"
        | "propertyNames"
        | "not"
        | "if"
        | "then"
        | "else"
        | "unevaluatedItems"
        | "unevaluatedProperties"
        | "contentSchema" => Held::Schema,
        "properties" | "patternProperties" | "dependentSchemas" | "dependencies" | "$defs"
        | "definitions" => Held::SchemasByName,
        "allOf" | "anyOf" | "oneOf" | "prefixItems" => Held::Schemas,
        "enum" | "const" | "default" | "example" | "examples" => Held::Nothing,
        _ => Held::Other,
    }
}
