//! One schema of a graph as a JSON Schema (2020-12) of its own: itself and what it refers to, each schema an entry of
//! `$defs` by its number.
//!
//! This is the document's own meaning, nothing closed and nothing bounded by us, seen from one direction: a member that only
//! stands in the other is `false` here.

use std::collections::{BTreeSet, HashSet};

use serde_json::{Map, Value, json};

use crate::schema::{Direction, Reference, Schema, SchemaId, Schemas, Type, Types};
use crate::source::json_pointer;

/// How definitions are referred to.
const PREFIX: &str = "#/$defs/";

/// Schemas that stand in an `allOf` of an `allOf`, when it is asked where a member may stand.
const ALL_OF_MAX: usize = 8;

/// Why a schema is not written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unwritten {
    /// It reaches more than was allowed.
    TooLarge,
    /// It holds something that is not understood, or a dynamic reference.
    NotUnderstood,
}

/// Whether examples and defaults are written, too: to make values from, which are judged by another document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Notes {
    /// They are, as `examples` and `default`.
    Written,
    /// They are left out.
    LeftOut,
}

/// A schema and all it reaches, up to `schemas_max`.
pub(crate) fn of(
    schemas: &Schemas,
    id: SchemaId,
    direction: Direction,
    notes: Notes,
    schemas_max: usize,
) -> Result<Value, Unwritten> {
    let writer = Writer { schemas, direction, notes };
    let mut reached = BTreeSet::from([id]);
    let mut waiting = vec![id];
    let mut definitions = Map::new();
    while let Some(id) = waiting.pop() {
        if reached.len() > schemas_max {
            return Err(Unwritten::TooLarge);
        }
        definitions.insert(id.index().to_string(), writer.write(id)?);
        let inner = children(schemas.get(id)).filter(|inner| reached.insert(*inner)).collect::<Vec<_>>();
        waiting.extend(inner);
    }
    if let Some(root) =
        definitions.values_mut().next().filter(|root| reached.len() == 1 && !refers_to(root, id))
    {
        return Ok(root.take());
    }
    definitions.sort_keys();
    Ok(json!({ "$ref": reference(id), "$defs": definitions }))
}

/// How many schemas one reaches, itself counted; the second says whether they are more than `schemas_max`, as they are where
/// one is among them of which that is known.
pub(super) fn reached(
    schemas: &Schemas,
    id: SchemaId,
    schemas_max: usize,
    is_large: impl Fn(SchemaId) -> bool,
) -> (usize, bool) {
    let mut reached = HashSet::from([id]);
    let mut waiting = vec![id];
    while let Some(id) = waiting.pop() {
        if reached.len() > schemas_max || is_large(id) {
            return (reached.len(), true);
        }
        waiting.extend(children(schemas.get(id)).filter(|inner| reached.insert(*inner)));
    }
    (reached.len(), false)
}

/// All that some schemas reach, to make values from: what is not understood says nothing here.
pub(crate) fn whole(schemas: &Schemas, roots: &[SchemaId], direction: Direction) -> Value {
    let writer = Writer { schemas, direction, notes: Notes::Written };
    let mut reached: BTreeSet<SchemaId> = roots.iter().copied().collect();
    let mut waiting: Vec<SchemaId> = reached.iter().copied().collect();
    let mut definitions = Map::new();
    while let Some(id) = waiting.pop() {
        definitions.insert(id.index().to_string(), writer.write(id).unwrap_or_else(|_| true.into()));
        waiting.extend(children(schemas.get(id)).filter(|inner| reached.insert(*inner)));
    }
    json!({ "$defs": definitions })
}

/// One schema with references to others in the place of its members, items and branches. The second says whether null is
/// taken beside what that says.
pub(super) fn alone(schemas: &Schemas, id: SchemaId, direction: Direction) -> Option<(Value, bool)> {
    Writer { schemas, direction, notes: Notes::LeftOut }.bare(id).ok()
}

/// What a reference of such a document leads to.
pub(crate) fn named<'a>(document: &'a Value, reference: &str) -> Option<&'a Value> {
    match reference {
        "#" => Some(document),
        reference => {
            let name = reference.strip_prefix(PREFIX)?;
            document.get("$defs")?.get(json_pointer::unescaped(name).as_str())
        }
    }
}

/// How many values stand in one, itself counted.
pub(super) fn nodes(value: &Value) -> usize {
    let mut count = 0_usize;
    let mut waiting = vec![value];
    while let Some(value) = waiting.pop() {
        count = count.saturating_add(1);
        match value {
            Value::Array(items) => waiting.extend(items),
            Value::Object(members) => waiting.extend(members.values()),
            _ => {}
        }
    }
    count
}

/// Whether a member with this schema stands only in the other direction.
pub(crate) fn is_hidden(schemas: &Schemas, id: SchemaId, direction: Direction) -> bool {
    hidden(schemas, id, direction, ALL_OF_MAX)
}

fn hidden(schemas: &Schemas, id: SchemaId, direction: Direction, left: usize) -> bool {
    let schema = schemas.get(id);
    let own = match direction {
        Direction::Request => schema.is_read_only,
        Direction::Response => schema.is_write_only,
    };
    let Some(left) = left.checked_sub(1) else { return own };
    let target = match schema.reference {
        Some(Reference::To(target)) => Some(target),
        Some(Reference::Dynamic { .. }) | None => None,
    };
    own || target
        .into_iter()
        .chain(schema.logic().all_of.iter().copied())
        .any(|id| hidden(schemas, id, direction, left))
}

/// The schemas a schema names, `contentSchema` and those of the discriminator left out.
fn children(schema: &Schema) -> impl Iterator<Item = SchemaId> {
    let (array, object, logic) = (schema.array(), schema.object(), schema.logic());
    let reference = match &schema.reference {
        Some(Reference::To(target) | Reference::Dynamic { target, .. }) => Some(*target),
        None => None,
    };
    let named = [&object.properties, &object.pattern_properties, &object.dependent_schemas];
    let listed = [&array.prefix_items, &logic.all_of, &logic.any_of, &logic.one_of];
    let single = [
        reference,
        array.items,
        array.contains,
        array.unevaluated_items,
        object.additional_properties,
        object.property_names,
        object.unevaluated_properties,
        logic.not,
        logic.condition,
        logic.then,
        logic.otherwise,
    ];
    let named = named.into_iter().flatten().map(|property| property.schema);
    named.chain(listed.into_iter().flatten().copied()).chain(single.into_iter().flatten())
}

fn refers_to(root: &Value, id: SchemaId) -> bool {
    let reference = reference(id);
    let mut waiting = vec![root];
    while let Some(value) = waiting.pop() {
        match value {
            Value::Array(items) => waiting.extend(items),
            Value::Object(members) => waiting.extend(members.values()),
            Value::String(text) if *text == reference => return true,
            _ => {}
        }
    }
    false
}

fn reference(id: SchemaId) -> String {
    format!("{PREFIX}{}", id.index())
}

struct Writer<'s> {
    schemas: &'s Schemas,
    direction: Direction,
    notes: Notes,
}

impl Writer<'_> {
    fn write(&self, id: SchemaId) -> Result<Value, Unwritten> {
        let (bare, is_null_beside) = self.bare(id)?;
        Ok(if is_null_beside { json!({ "anyOf": [bare, { "type": "null" }] }) } else { bare })
    }

    /// What a schema says, and whether null is taken beside that.
    fn bare(&self, id: SchemaId) -> Result<(Value, bool), Unwritten> {
        let schema = self.schemas.get(id);
        let is_strict = self.notes == Notes::LeftOut;
        if let Some(always) = schema.always {
            return Ok((always.into(), false));
        }
        if is_strict && !schema.faults.is_empty() {
            return Err(Unwritten::NotUnderstood);
        }
        let mut out = Map::new();
        match &schema.reference {
            Some(Reference::Dynamic { .. }) if is_strict => return Err(Unwritten::NotUnderstood),
            Some(Reference::To(target) | Reference::Dynamic { target, .. }) => {
                out.insert("$ref".into(), reference(*target).into());
            }
            None => {}
        }
        let is_plain = schema.reference.is_none() && schema.logic.is_none() && schema.constant.is_none();
        let is_null_added = schema.is_nullable && is_plain;
        if let Some(types) = schema.types {
            let types = if is_null_added { types.with(Type::Null) } else { types };
            out.insert("type".into(), names(types));
        }
        if let Some(values) = &schema.enumeration {
            let mut values = values.to_vec();
            if is_null_added && !values.contains(&Value::Null) {
                values.push(Value::Null);
            }
            out.insert("enum".into(), values.into());
        }
        set(&mut out, "const", schema.constant.as_deref().cloned());
        numbers(schema, &mut out);
        set(&mut out, "minLength", schema.text().min_length);
        set(&mut out, "maxLength", schema.text().max_length);
        set(&mut out, "pattern", schema.text().pattern.as_deref());
        self.array(schema, &mut out);
        self.object(schema, &mut out);
        self.logic(schema, &mut out);
        if self.notes == Notes::Written {
            let notes = schema.notes();
            let examples: Vec<Value> =
                notes.examples.iter().filter_map(|text| serde_json::from_str(text).ok()).collect();
            set(&mut out, "examples", (!examples.is_empty()).then_some(examples));
            set(&mut out, "default", notes.default.clone());
        }
        Ok((Value::Object(out), schema.is_nullable && !is_null_added))
    }

    fn array(&self, schema: &Schema, out: &mut Map<String, Value>) {
        let rules = schema.array();
        set(out, "items", rules.items.map(refer));
        set(out, "prefixItems", list(&rules.prefix_items));
        set(out, "contains", rules.contains.map(refer));
        set(out, "minContains", rules.min_contains);
        set(out, "maxContains", rules.max_contains);
        set(out, "minItems", rules.min_items);
        set(out, "maxItems", rules.max_items);
        set(out, "uniqueItems", rules.unique_items.then_some(true));
        set(out, "unevaluatedItems", rules.unevaluated_items.map(refer));
    }

    fn object(&self, schema: &Schema, out: &mut Map<String, Value>) {
        let rules = schema.object();
        let is_there = |id: SchemaId| !is_hidden(self.schemas, id, self.direction);
        let members = rules.properties.iter().map(|property| {
            let value = if is_there(property.schema) { refer(property.schema) } else { false.into() };
            (property.name.to_string(), value)
        });
        let members: Map<String, Value> = members.collect();
        set(out, "properties", (!members.is_empty()).then_some(members));
        let mapped = |all: &[crate::schema::Property]| {
            let all: Map<String, Value> =
                all.iter().map(|property| (property.name.to_string(), refer(property.schema))).collect();
            (!all.is_empty()).then_some(all)
        };
        set(out, "patternProperties", mapped(&rules.pattern_properties));
        set(out, "dependentSchemas", mapped(&rules.dependent_schemas));
        // A boolean reads better written out, and what closes an object is seen where it stands.
        let refer_or_say = |id: SchemaId| self.schemas.get(id).always.map_or_else(|| refer(id), Value::from);
        set(out, "additionalProperties", rules.additional_properties.map(refer_or_say));
        set(out, "unevaluatedProperties", rules.unevaluated_properties.map(refer_or_say));
        set(out, "propertyNames", rules.property_names.map(refer));
        let required: Vec<&str> = required(self.schemas, schema, self.direction).collect();
        set(out, "required", (!required.is_empty()).then_some(required));
        let dependent: Map<String, Value> =
            rules.dependent_required.iter().map(|(name, names)| (name.to_string(), json!(names))).collect();
        set(out, "dependentRequired", (!dependent.is_empty()).then_some(dependent));
        set(out, "minProperties", rules.min_properties);
        set(out, "maxProperties", rules.max_properties);
    }

    fn logic(&self, schema: &Schema, out: &mut Map<String, Value>) {
        let rules = schema.logic();
        set(out, "allOf", list(&rules.all_of));
        set(out, "anyOf", list(&rules.any_of));
        set(out, "oneOf", list(&rules.one_of));
        set(out, "not", rules.not.map(refer));
        set(out, "if", rules.condition.map(refer));
        set(out, "then", rules.then.map(refer));
        set(out, "else", rules.otherwise.map(refer));
    }
}

/// The members an object must have in one direction.
pub(crate) fn required<'s>(
    schemas: &'s Schemas,
    schema: &'s Schema,
    direction: Direction,
) -> impl Iterator<Item = &'s str> {
    let rules = schema.object();
    rules.required.iter().map(|name| &**name).filter(move |name| {
        let declared = rules.properties.iter().find(|property| &*property.name == *name);
        !declared.is_some_and(|property| is_hidden(schemas, property.schema, direction))
    })
}

/// Bounds of numbers; a format that names a width bounds, too, and so do other formats of texts.
fn numbers(schema: &Schema, out: &mut Map<String, Value>) {
    let rules = schema.number();
    for (keyword, number) in [
        ("multipleOf", &rules.multiple_of),
        ("minimum", &rules.minimum),
        ("maximum", &rules.maximum),
        ("exclusiveMinimum", &rules.exclusive_minimum),
        ("exclusiveMaximum", &rules.exclusive_maximum),
    ] {
        set(out, keyword, number.clone());
    }
    let is_integer = schema.types.is_some_and(|types| types.has(Type::Integer) && !types.has(Type::String));
    match schema.format.as_deref() {
        Some("int32") if is_integer => {
            let (least, most) = (json!(i32::MIN), json!(i32::MAX));
            if !out.contains_key("minimum") && !out.contains_key("exclusiveMinimum") {
                out.insert("minimum".into(), least);
            }
            if !out.contains_key("maximum") && !out.contains_key("exclusiveMaximum") {
                out.insert("maximum".into(), most);
            }
        }
        Some(format) if !is_integer => drop(out.insert("format".into(), format.into())),
        Some(_) | None => {}
    }
}

fn names(types: Types) -> Value {
    let names: Vec<&str> = types.iter().map(Type::name).collect();
    match names.as_slice() {
        [name] => (*name).into(),
        _ => names.into(),
    }
}

/// A schema that refers to one of such a document.
pub(crate) fn refer(id: SchemaId) -> Value {
    json!({ "$ref": reference(id) })
}

fn list(ids: &[SchemaId]) -> Option<Vec<Value>> {
    (!ids.is_empty()).then(|| ids.iter().map(|id| refer(*id)).collect())
}

fn set(out: &mut Map<String, Value>, keyword: &str, value: Option<impl Into<Value>>) {
    if let Some(value) = value {
        out.insert(keyword.to_owned(), value.into());
    }
}
