//! A schema taken apart: what it asks by itself, and the schemas it is put together from.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::slice;
use crate::schema::{Direction, Reference, Schema, SchemaId, Schemas};

/// Longest chain of references that lead to references.
const CHAIN_MAX: usize = 64;

/// Where a shell tells what the discriminator says.
pub(super) const DISCRIMINATOR: &str = "discriminator";

/// A schema in two parts.
#[derive(Debug)]
pub(super) struct Parts {
    /// What it asks by itself: an object without members, or a boolean.
    pub(super) shell: Value,
    pub(super) required: Vec<String>,
    /// The schemas it is put together from.
    pub(super) inner: BTreeMap<Slot, SchemaId>,
    /// Members that stand only in the other direction.
    pub(super) hidden: Vec<String>,
}

/// Where a schema stands in another one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Slot {
    Property(String),
    Additional,
    Prefix(usize),
    Items,
    /// A keyword that is not gone through place by place, and the position or name below it.
    Other(&'static str, String),
}

impl Slot {
    pub(super) fn is_other(&self) -> bool {
        matches!(self, Self::Other(..))
    }

    pub(super) fn keyword(&self) -> Option<String> {
        match self {
            Self::Other(keyword, _) => Some((*keyword).to_owned()),
            Self::Property(_) | Self::Additional | Self::Prefix(_) | Self::Items => None,
        }
    }
}

impl Parts {
    pub(super) fn of(schemas: &Schemas, id: SchemaId, direction: Direction) -> Option<Self> {
        let schema = schemas.get(id);
        let (mut shell, is_null_beside) = slice::alone(schemas, id, direction)?;
        if is_null_beside {
            shell = with(shell, "nullable", true.into());
        }
        let mut required: Vec<String> =
            slice::required(schemas, schema, direction).map(str::to_owned).collect();
        required.sort();
        required.dedup();
        let hidden =
            schema.object().properties.iter().filter(|it| slice::is_hidden(schemas, it.schema, direction));
        let mut hidden: Vec<String> = hidden.map(|it| it.name.to_string()).collect();
        hidden.sort();
        let inner = inner(schema, &hidden, schemas);
        if let Value::Object(members) = &mut shell {
            strip(members);
        }
        if let Some(discriminator) = &schema.discriminator {
            let mut names: Vec<&str> = discriminator.mapping.iter().map(|it| &*it.name).collect();
            names.sort_unstable();
            shell =
                with(shell, DISCRIMINATOR, json!({ "property": discriminator.property, "values": names }));
        }
        Some(Self { shell, required, inner, hidden })
    }
}

/// Leaves what a schema asks by itself.
fn strip(members: &mut Map<String, Value>) {
    const INNER: &[&str] = &[
        "$ref",
        "allOf",
        "anyOf",
        "contains",
        "dependentSchemas",
        "else",
        "if",
        "items",
        "not",
        "oneOf",
        "patternProperties",
        "prefixItems",
        "properties",
        "propertyNames",
        "required",
        "then",
        "unevaluatedItems",
    ];
    members.retain(|keyword, value| {
        let is_inner = INNER.contains(&keyword.as_str())
            || (matches!(keyword.as_str(), "additionalProperties" | "unevaluatedProperties")
                && value.is_object());
        !is_inner
    });
    if let Some(Value::Array(values)) = members.get_mut("enum") {
        values.sort_by_key(Value::to_string);
    }
}

/// The schemas another is put together from, by where they stand.
fn inner(schema: &Schema, hidden: &[String], schemas: &Schemas) -> BTreeMap<Slot, SchemaId> {
    let (array, object, logic) = (schema.array(), schema.object(), schema.logic());
    let mut inner = BTreeMap::new();
    for property in &object.properties {
        if !hidden.iter().any(|name| **name == *property.name) {
            inner.insert(Slot::Property(property.name.to_string()), property.schema);
        }
    }
    let is_written = |id: &SchemaId| schemas.get(*id).always.is_none();
    inner.extend(object.additional_properties.filter(is_written).map(|id| (Slot::Additional, id)));
    inner.extend(array.items.map(|id| (Slot::Items, id)));
    inner.extend(array.prefix_items.iter().enumerate().map(|(index, id)| (Slot::Prefix(index), *id)));
    for (keyword, list) in [("allOf", &logic.all_of), ("anyOf", &logic.any_of), ("oneOf", &logic.one_of)] {
        // As text, so that the tenth comes after the ninth.
        inner.extend(
            list.iter().enumerate().map(|(index, id)| (Slot::Other(keyword, format!("{index:06}")), *id)),
        );
    }
    for (keyword, list) in
        [("patternProperties", &object.pattern_properties), ("dependentSchemas", &object.dependent_schemas)]
    {
        inner.extend(list.iter().map(|it| (Slot::Other(keyword, it.name.to_string()), it.schema)));
    }
    let reference = match &schema.reference {
        Some(Reference::To(target)) => Some(*target),
        Some(Reference::Dynamic { .. }) | None => None,
    };
    for (keyword, id) in [
        ("$ref", reference),
        ("contains", array.contains),
        ("unevaluatedItems", array.unevaluated_items),
        ("propertyNames", object.property_names),
        ("unevaluatedProperties", object.unevaluated_properties.filter(is_written)),
        ("not", logic.not),
        ("if", logic.condition),
        ("then", logic.then),
        ("else", logic.otherwise),
    ] {
        inner.extend(id.map(|id| (Slot::Other(keyword, String::new()), id)));
    }
    inner
}

/// Follows references that stand alone.
pub(super) fn followed(schemas: &Schemas, id: SchemaId) -> SchemaId {
    let mut last = id;
    for _ in 0..CHAIN_MAX {
        match schemas.get(last).only_reference() {
            Some(next) => last = next,
            None => break,
        }
    }
    last
}

/// What a schema says by a word of members it does not declare.
pub(super) fn closing(shell: &Value) -> Option<bool> {
    let said = |keyword: &str| shell.get(keyword).and_then(Value::as_bool);
    said("additionalProperties").or_else(|| said("unevaluatedProperties"))
}

pub(super) fn without_members(shell: &Value) -> Value {
    let mut shell = shell.clone();
    if let Value::Object(members) = &mut shell {
        members.remove("additionalProperties");
        members.remove("unevaluatedProperties");
        members.remove("nullable");
        members.remove(DISCRIMINATOR);
    }
    shell
}

fn with(mut value: Value, keyword: &str, what: Value) -> Value {
    if let Value::Object(members) = &mut value {
        members.insert(keyword.to_owned(), what);
    }
    value
}

pub(super) fn unique(mut names: Vec<String>) -> Vec<String> {
    names.sort();
    names.dedup();
    names
}
