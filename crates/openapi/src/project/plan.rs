//! What projections need to know of the schemas of an API, found once.

use std::collections::BTreeMap;

use smallvec::SmallVec;

use crate::engine::Key;
use crate::schema::{ObjectRules, Reference, SchemaId, Schemas, Type};
use crate::value::Kind;

/// Objects with more properties than this have an index.
const UNSORTED_MAX: usize = 8;

/// What is known of the schemas that answers are made of.
#[derive(Debug, Default)]
pub struct Plan {
    /// By the place of a schema in its graph; `None` for those that no answer reaches.
    nodes: Vec<Option<Node>>,
    /// Schemas of which it must be told whether a value may be meant: branches of choices, and conditions; and what they are
    /// judged by, once that is known.
    asked: BTreeMap<SchemaId, Option<Key>>,
}

#[derive(Debug, Default)]
struct Node {
    /// Whether a value of a kind may be meant, as far as `type` says.
    kinds: [bool; KINDS],
    /// Places of the properties in the order of their names, where there are many.
    sorted: Box<[u32]>,
    /// Whether a value of some class stands in one of it.
    has_classes: bool,
}

const KINDS: usize = 6;

impl Plan {
    /// Adds all that answers of the schema `root` are made of. [`Plan::classify`] and [`Plan::compile`] come when all are
    /// added.
    pub fn add(&mut self, schemas: &Schemas, root: SchemaId) {
        let mut waiting = vec![root];
        while let Some(id) = waiting.pop() {
            if self.nodes.len() < schemas.len() {
                self.nodes.resize_with(schemas.len(), || None);
            }
            let Some(slot) = self.nodes.get_mut(id.index()) else { continue };
            if slot.is_some() {
                continue;
            }
            let schema = schemas.get(id);
            *slot =
                Some(Node { kinds: kinds(schemas, id), sorted: sorted(schema.object()), has_classes: false });
            let logic = schema.logic();
            for branches in [&logic.any_of, &logic.one_of] {
                if branches.len() > 1 {
                    self.ask(branches.iter().copied());
                }
            }
            self.ask(logic.condition);
            schema.below(&mut |below| waiting.push(below));
        }
    }

    fn ask(&mut self, schemas: impl IntoIterator<Item = SchemaId>) {
        for schema in schemas {
            self.asked.entry(schema).or_default();
        }
    }

    /// Has each schema of which it is asked whether a value may be meant compiled for that: `loose` gives its key, by which
    /// everything is valid that something valid can be stripped of.
    pub fn compile(&mut self, mut loose: impl FnMut(SchemaId) -> Key) {
        for (schema, key) in &mut self.asked {
            *key = Some(loose(*schema));
        }
    }

    /// What is asked whether a value may be meant by a schema.
    pub fn key(&self, schema: SchemaId) -> Option<Key> {
        self.asked.get(&schema).copied().flatten()
    }

    /// Notes which answers have values of some class (`x-data-class`), once all are added.
    // PERF: asked of each answer by itself, the walk would go through most of a definition as often as it has answers.
    pub fn classify(&mut self, schemas: &Schemas) {
        let own = schemas.iter().filter(|(_, schema)| schema.data_class.is_some()).map(|(id, _)| id);
        let mut waiting: Vec<SchemaId> = own.collect();
        if waiting.is_empty() {
            return;
        }
        let mut above: Vec<Vec<SchemaId>> = vec![Vec::new(); schemas.len()];
        for (id, schema) in schemas.iter() {
            schema.below(&mut |below| {
                above.get_mut(below.index()).into_iter().for_each(|above| above.push(id))
            });
        }
        while let Some(id) = waiting.pop() {
            let node = self.nodes.get_mut(id.index()).and_then(Option::as_mut);
            if let Some(node) = node.filter(|node| !node.has_classes) {
                node.has_classes = true;
                waiting.extend(above.get(id.index()).into_iter().flatten());
            }
        }
    }

    /// Whether values of some class stand in answers of a schema that was added.
    pub fn has_classes(&self, root: SchemaId) -> bool {
        self.nodes.get(root.index()).and_then(Option::as_ref).is_none_or(|node| node.has_classes)
    }

    /// Whether a schema may mean values of a kind.
    pub(super) fn takes(&self, id: SchemaId, kind: Kind) -> bool {
        let node = self.nodes.get(id.index()).and_then(Option::as_ref);
        node.is_none_or(|node| node.kinds.get(place(kind)).copied().unwrap_or(true))
    }

    /// What the `properties` and `patternProperties` of a schema say of a name.
    pub(super) fn named(&self, id: SchemaId, rules: &ObjectRules, name: &str) -> SmallVec<[SchemaId; 2]> {
        let mut found = SmallVec::new();
        let node = self.nodes.get(id.index()).and_then(Option::as_ref);
        let all = &rules.properties;
        let at = |place: &u32| usize::try_from(*place).ok().and_then(|place| all.get(place));
        match node.filter(|node| !node.sorted.is_empty()) {
            Some(node) => {
                let order = |place: &u32| at(place).map_or("", |property| &property.name).cmp(name);
                let place = node.sorted.binary_search_by(order).ok();
                let property = place.and_then(|place| node.sorted.get(place)).and_then(at);
                found.extend(property.map(|property| property.schema));
            }
            None => found.extend(all.iter().find(|own| *own.name == *name).map(|own| own.schema)),
        }
        // A pattern may be meant by any name: which it is, the judgement of what was written says.
        found.extend(rules.pattern_properties.iter().map(|own| own.schema));
        found
    }
}

fn place(kind: Kind) -> usize {
    match kind {
        Kind::Null => 0,
        Kind::Boolean => 1,
        Kind::Number => 2,
        Kind::String => 3,
        Kind::Array => 4,
        Kind::Object => 5,
    }
}

/// Which kinds of values a schema may mean, as far as its `type` says, or that of what it stands for.
fn kinds(schemas: &Schemas, id: SchemaId) -> [bool; KINDS] {
    let schema = schemas.get(schemas.resolve(id));
    if schema.always == Some(false) {
        return [false; KINDS];
    }
    let Some(types) = schema.types else { return [true; KINDS] };
    let is_nullable = schema.is_nullable || schemas.get(id).is_nullable;
    [
        types.has(Type::Null) || is_nullable,
        types.has(Type::Boolean),
        types.has(Type::Number) || types.has(Type::Integer),
        types.has(Type::String),
        types.has(Type::Array),
        types.has(Type::Object),
    ]
}

fn sorted(rules: &ObjectRules) -> Box<[u32]> {
    if rules.properties.len() <= UNSORTED_MAX {
        return Box::default();
    }
    let count = u32::try_from(rules.properties.len()).unwrap_or(u32::MAX);
    let mut places: Vec<u32> = (0..count).collect();
    let name = |place: &u32| {
        let property = usize::try_from(*place).ok().and_then(|place| rules.properties.get(place));
        property.map_or("", |property| &property.name)
    };
    places.sort_by(|a, b| name(a).cmp(name(b)));
    places.into_boxed_slice()
}

/// What a reference leads to. Of a dynamic one that is where it leads when nothing else has its anchor: where something
/// has, the judgement of what was written says so.
pub(super) fn target(reference: &Reference) -> SchemaId {
    match reference {
        Reference::To(target) | Reference::Dynamic { target, .. } => *target,
    }
}
