//! Discriminators that decide: the property's value names the branch, and that one has to hold.
//!
//! What they choose replaces the `oneOf` or `anyOf` beside them, when all of its branches can be named: then a value that
//! fits two branches is judged by the one it names, as OpenAPI 3.0 has it. A branch that builds on the schema that chose it
//! does not choose again.

use std::collections::{HashMap, HashSet};

use foldhash::fast::RandomState;
use serde_json::{Map, Value, json};

use super::super::{Discriminator, Reference, SchemaId};
use super::declared::{Declared, Link};
use super::keywords::Keywords;
use super::{Context, Emitter, reference};

impl Discriminator {
    /// Values of the property, and what each stands for. Mapped ones come first; a name counts beside them.
    pub(super) fn candidates(&self) -> impl Iterator<Item = (&str, SchemaId)> {
        let mapped: HashSet<&str, RandomState> = self.mapping.iter().map(|mapped| &*mapped.name).collect();
        let names = self.names.iter().filter(move |named| !mapped.contains(&*named.name));
        self.mapping.iter().chain(names).map(|property| (&*property.name, property.schema))
    }

    /// Whether a schema is one of those that it chooses from.
    pub(super) fn names(&self, id: SchemaId) -> bool {
        self.mapping.iter().chain(&self.names).any(|property| property.schema == id)
    }
}

impl<'a> Emitter<'a> {
    /// Whether the schema behind `target` chose the one that builds on it.
    pub(super) fn chose(&self, target: SchemaId, heir: SchemaId, context: Context) -> bool {
        let target = self.schemas.resolve(target);
        let Some(discriminator) = &self.schemas.get(target).discriminator else { return false };
        let outer = self.definitions.get(context.definition).map(|written| written.view.schema);
        discriminator.is_binding
            && (discriminator.names(heir)
                || outer.is_some_and(|outer| outer != target && discriminator.names(outer)))
    }

    /// Writes the choice; whether it replaces the branches beside it.
    pub(super) fn dispatch(
        &mut self,
        keywords: &mut Keywords,
        id: SchemaId,
        discriminator: &'a Discriminator,
        context: Context,
        declared: &mut Declared<'a>,
    ) -> bool {
        if !discriminator.is_binding || context.is_chosen {
            return false;
        }
        let mut branches: Vec<(SchemaId, Vec<&'a str>)> = Vec::new();
        let mut places: HashMap<SchemaId, usize, RandomState> = HashMap::default();
        for (value, schema) in discriminator.candidates() {
            let place = *places.entry(schema).or_insert(branches.len());
            match branches.get_mut(place) {
                Some((_, values)) => values.push(value),
                None => branches.push((schema, vec![value])),
            }
        }
        if branches.is_empty() {
            return false;
        }
        let mut written = Vec::with_capacity(branches.len());
        let mut named = Vec::new();
        for (schema, values) in branches {
            let part = self.part(schema, context);
            let mut branch = match schema == id {
                // The schema itself is meant: its own keywords stand beside this.
                true => Map::new(),
                false => {
                    let to = self.refer(schema, part, false);
                    named.extend(values.iter().map(|value| (*value, Link::Definition(to))));
                    match reference(to) {
                        Value::Object(branch) => branch,
                        _ => Map::new(),
                    }
                }
            };
            let allowed =
                if let [one] = &values[..] { json!({ "const": one }) } else { json!({ "enum": values }) };
            branch.insert("properties".to_owned(), json!({ discriminator.property.as_ref(): allowed }));
            branch.insert("required".to_owned(), json!([discriminator.property]));
            written.push(Value::Object(branch));
        }
        declared.named = Some((&discriminator.property, named));
        let logic = self.schemas.get(id).logic();
        let is_named = |branch: &SchemaId| match self.schemas.get(*branch).reference {
            Some(Reference::To(target)) => discriminator.names(target),
            Some(Reference::Dynamic { .. }) | None => false,
        };
        let is_whole = logic.one_of.iter().chain(&logic.any_of).all(is_named);
        if is_whole {
            keywords.insert("oneOf".to_owned(), Value::Array(written));
        } else {
            keywords.insert("allOf".to_owned(), json!([{ "oneOf": written }]));
        }
        is_whole
    }
}
