//! Rules about schemas: of those that requests or responses use, each once.

use serde_json::{Value, json};

use super::rules::{
    ARRAY_LIMIT, CLOSED_OBJECTS, INTEGER_FORMAT, INTEGER_LIMIT, STRING_LIMIT, STRING_RESTRICTED, TYPED,
};
use super::{Action, Fault, Look, Rule, fix};
use crate::definition::{Dialect, MediaType, Parameter, ParameterValue};
use crate::schema::{Reference, Schema, SchemaId, Schemas, Type};

/// The longest text and the longest list of fixes: as wide as the gateway bounds them where a document is silent.
const LENGTH_MAX: u64 = 8192;
const ITEMS_MAX: u64 = 10_000;

/// How much is used by requests and by responses.
struct Use {
    requests: Vec<bool>,
    responses: Vec<bool>,
    /// Parts of a composition: what they leave open, the others may close.
    parts: Vec<bool>,
}

pub(super) fn look(look: &mut Look<'_>) {
    let schemas = &*look.definition.schemas;
    let used = used(look);
    let is = |list: &[bool], id: SchemaId| list.get(id.index()).copied().unwrap_or(false);
    for (id, schema) in schemas.iter() {
        let (asked, answered) = (is(&used.requests, id), is(&used.responses, id));
        // A reference stands for what it refers to, and `true` and `false` are said on purpose.
        if !(asked || answered) || schema.reference.is_some() || schema.always.is_some() {
            continue;
        }
        let judged =
            Judged { schemas, id, schema, dialect: look.definition.dialect, is_part: is(&used.parts, id) };
        judged.typed(look);
        judged.closed(look);
        if asked {
            judged.strings(look);
            judged.lists(look);
            judged.integers(look);
        }
    }
}

/// Follows what operations use.
fn used(look: &Look<'_>) -> Use {
    let schemas = &*look.definition.schemas;
    let none = vec![false; schemas.len()];
    let mut used = Use { requests: none.clone(), responses: none.clone(), parts: none };
    let of_media = |media: &MediaType| media.schema.into_iter().chain(media.item_schema);
    let of_value = |value: &ParameterValue| match value {
        ParameterValue::Schema { schema, .. } => Some(*schema),
        ParameterValue::Content { schema, .. } => *schema,
    };
    for operation in &look.definition.operations {
        let parameters = operation
            .parameters
            .iter()
            .filter_map(|parameter: &std::sync::Arc<Parameter>| of_value(&parameter.value));
        let bodies = operation.body.iter().flat_map(|body| body.content.iter()).flat_map(of_media);
        let requests: Vec<SchemaId> = parameters.chain(bodies).collect();
        follow(schemas, requests, &mut used.requests, &mut used.parts);
        let of_responses = operation.responses.iter().flat_map(|response| response.content.iter());
        follow(schemas, of_responses.flat_map(of_media).collect(), &mut used.responses, &mut used.parts);
    }
    used
}

fn follow(schemas: &Schemas, mut waiting: Vec<SchemaId>, seen: &mut [bool], parts: &mut [bool]) {
    while let Some(id) = waiting.pop() {
        match seen.get_mut(id.index()) {
            Some(seen) if !*seen => *seen = true,
            _ => continue,
        }
        let schema = schemas.get(id);
        match schema.reference {
            Some(Reference::To(target) | Reference::Dynamic { target, .. }) => waiting.push(target),
            None => {}
        }
        let array = schema.array();
        waiting.extend(array.items.into_iter().chain(array.prefix_items.iter().copied()));
        let object = schema.object();
        let named = object.properties.iter().chain(&object.pattern_properties);
        waiting.extend(named.map(|property| property.schema).chain(object.additional_properties));
        let logic = schema.logic();
        let of_several = logic.all_of.iter().chain(&logic.any_of).chain(&logic.one_of).copied();
        let dependent = object.dependent_schemas.iter().map(|property| property.schema);
        for part in of_several.chain(logic.then).chain(logic.otherwise).chain(dependent) {
            for id in [part, schemas.resolve(part)] {
                if let Some(part) = parts.get_mut(id.index()) {
                    *part = true;
                }
            }
            waiting.push(part);
        }
    }
}

/// A schema that is judged.
struct Judged<'a> {
    schemas: &'a Schemas,
    id: SchemaId,
    schema: &'a Schema,
    dialect: Dialect,
    is_part: bool,
}

impl Judged<'_> {
    fn fault(&self, message: &str, update: Option<Value>) -> Fault {
        let pointer = self.schemas.pointer(self.id);
        let fix = update.map(|update| Action { target: fix::path(&pointer), update }).into_iter().collect();
        Fault { span: self.schema.span, message: message.to_owned(), fix, pointer }
    }

    fn judge(
        &self,
        look: &mut Look<'_>,
        rule: &'static Rule,
        is_good: bool,
        message: &str,
        update: Option<Value>,
    ) {
        look.judge(rule, (!is_good).then(|| self.fault(message, update)));
    }

    fn is_composed(&self) -> bool {
        let logic = self.schema.logic();
        let several = [&logic.all_of, &logic.any_of, &logic.one_of];
        several.iter().any(|list| !list.is_empty()) || logic.then.is_some() || logic.otherwise.is_some()
    }

    /// Whether it lists the values it stands for.
    fn is_listed(&self) -> bool {
        self.schema.enumeration.is_some() || self.schema.constant.is_some()
    }

    fn is(&self, one: Type) -> bool {
        self.schema.types.is_some_and(|types| types.iter().any(|own| own == one))
    }

    fn typed(&self, look: &mut Look<'_>) {
        let (object, array) = (self.schema.object(), self.schema.array());
        let is_told = self.schema.types.is_some()
            || self.is_listed()
            || self.is_composed()
            || !object.properties.is_empty()
            || object.additional_properties.is_some()
            || array.items.is_some()
            || !array.prefix_items.is_empty();
        // A part may leave it to the others.
        self.judge(look, &TYPED, is_told || self.is_part, "says nothing of its value", None);
    }

    fn closed(&self, look: &mut Look<'_>) {
        let object = self.schema.object();
        let is_object = self.is(Type::Object) || self.schema.types.is_none() && !object.properties.is_empty();
        if !is_object || self.is_part {
            return;
        }
        let says = |id: Option<SchemaId>| id.is_some_and(|id| !self.says_nothing(id));
        let is_closed = says(object.unevaluated_properties)
            || says(object.additional_properties)
            || self.is_listed()
            || object.max_properties == Some(0);
        let (has_properties, composed) = (!object.properties.is_empty(), self.is_composed());
        // What says `true` itself was meant, and cannot be merged with the contrary of it unseen.
        let is_silent = object.additional_properties.is_none() && object.unevaluated_properties.is_none();
        let update = match self.dialect {
            _ if !is_silent || !has_properties => None,
            Dialect::V2_0 | Dialect::V3_0 if composed => None,
            Dialect::V3_1 | Dialect::V3_2 if composed => Some(json!({ "unevaluatedProperties": false })),
            _ => Some(json!({ "additionalProperties": false })),
        };
        self.judge(look, &CLOSED_OBJECTS, is_closed, "takes properties that nobody declared", update);
    }

    fn says_nothing(&self, id: SchemaId) -> bool {
        let schema = self.schemas.get(self.schemas.resolve(id));
        match schema.always {
            Some(always) => always,
            None => {
                let judged = Judged { schema, ..*self };
                schema.types.is_none() && !judged.is_listed() && !judged.is_composed()
            }
        }
    }

    fn strings(&self, look: &mut Look<'_>) {
        let format = self.schema.format.as_deref().unwrap_or_default();
        let is_file = matches!(format, "binary" | "base64" | "byte");
        if !self.is(Type::String) || self.is_composed() || is_file {
            return;
        }
        let text = self.schema.text();
        let is_fixed = matches!(format, "date" | "date-time" | "time" | "uuid" | "ipv4" | "ipv6");
        let is_bounded = self.is_listed() || text.max_length.is_some() || is_fixed;
        let longest = LENGTH_MAX.max(text.min_length.unwrap_or(0));
        let update = Some(json!({ "maxLength": longest }));
        self.judge(look, &STRING_LIMIT, is_bounded, "has no `maxLength`", update);
        let is_restricted = self.is_listed() || text.pattern.is_some() || !format.is_empty();
        self.judge(look, &STRING_RESTRICTED, is_restricted, "has no `format`, `pattern` or `enum`", None);
    }

    fn lists(&self, look: &mut Look<'_>) {
        if !self.is(Type::Array) || self.is_composed() {
            return;
        }
        let array = self.schema.array();
        let is_bounded = array.max_items.is_some() || self.is_listed();
        let most = ITEMS_MAX.max(array.min_items.unwrap_or(0));
        self.judge(look, &ARRAY_LIMIT, is_bounded, "has no `maxItems`", Some(json!({ "maxItems": most })));
    }

    fn integers(&self, look: &mut Look<'_>) {
        if !self.is(Type::Integer) || self.is_composed() {
            return;
        }
        let number = self.schema.number();
        let format = self.schema.format.as_deref();
        let has_least = number.minimum.is_some() || number.exclusive_minimum.is_some();
        let has_most = number.maximum.is_some() || number.exclusive_maximum.is_some();
        let (least, most) = if format == Some("int32") {
            (i64::from(i32::MIN), i64::from(i32::MAX))
        } else {
            (i64::MIN, i64::MAX)
        };
        let mut update = serde_json::Map::new();
        if !has_least {
            update.insert("minimum".to_owned(), least.into());
        }
        if !has_most {
            update.insert("maximum".to_owned(), most.into());
        }
        let is_bounded = has_least && has_most || self.is_listed();
        self.judge(look, &INTEGER_LIMIT, is_bounded, "has no `minimum` and `maximum`", Some(update.into()));
        let is_told = format.is_some() || self.is_listed();
        self.judge(look, &INTEGER_FORMAT, is_told, "has no `format`", Some(json!({ "format": "int64" })));
    }
}
