//! One schema's keywords.

use serde_json::{Map, Number, Value, json};

use super::super::{
    ArrayRules, LogicRules, NumberRules, ObjectRules, Property, Reference, Schema, SchemaId, TextRules, Type,
    Types,
};
use super::composition::Composition;
use super::{Closing, Context, Direction, Emitter, Lens, Role};
use crate::engine::{FORBIDDEN, is_asserted};

/// Keywords of a schema that is written.
pub(super) type Keywords = Map<String, Value>;

impl<'a> Emitter<'a> {
    /// Writes a schema with what stands within it.
    pub(super) fn write(&mut self, id: SchemaId, context: Context) -> Value {
        let schema = self.schemas.get(id);
        let context = Context { scope: self.entered(id, context.scope), ..context };
        for fault in &schema.faults {
            self.lack(context, id, &fault.keyword, fault.what.clone());
        }
        if let Some(always) = schema.always {
            let mut keywords = Keywords::new();
            if always && context.role == Role::Whole {
                self.bounds(&mut keywords, &Composition::of_one(id), context);
            }
            return if keywords.is_empty() { Value::Bool(always) } else { Value::Object(keywords) };
        }
        if let Some(target) = schema.only_reference() {
            let is_chosen = self.chose(target, id, context);
            return self.refer(target, context, is_chosen);
        }
        let mut composition = self.composition(id, context);
        let mut within = self.hide(&composition, context);
        let mut shared = Vec::new();
        if context.role == Role::Whole && context.lens.closing == Closing::Closed {
            self.find_sole(id, &mut composition, context);
            shared = self.shared(&composition);
            within.shared = self.hidden_set(shared.iter().map(|(name, _)| *name).collect());
        }
        let mut keywords = self.keywords(id, &composition, within);
        match context.role {
            Role::Whole => {
                self.close_shared(&mut keywords, &shared, context);
                self.close(&mut keywords, id, &composition, context);
                self.bounds(&mut keywords, &composition, context);
            }
            Role::Alternative => self.open(&mut keywords, id, &composition),
            Role::Part => {}
        }
        if schema.is_nullable && is_composed(schema) {
            return json!({ "anyOf": [{ "type": "null" }, Value::Object(keywords)] });
        }
        Value::Object(keywords)
    }

    /// All that a schema itself says.
    fn keywords(&mut self, id: SchemaId, composition: &Composition, context: Context) -> Keywords {
        // Exhaustive: what is not written here, or said to constrain nothing, does not compile.
        let Schema {
            span: _,
            place: _,
            // Which names a way through this schema binds, see `entered`.
            resource: _,
            // Of both `write` knows.
            always: _,
            faults: _,
            reference,
            types,
            is_nullable,
            format,
            enumeration,
            constant,
            number,
            text,
            array,
            object,
            logic,
            discriminator,
            // Judged where the property is declared, see `is_hidden`.
            is_read_only: _,
            is_write_only: _,
            // What is done with a value that was found, not which values are allowed.
            is_deprecated: _,
            notes: _,
            data_class: _,
        } = self.schemas.get(id);
        let mut keywords = self.referred(id, reference.as_ref(), context);
        let adds_null = *is_nullable && !is_composed(self.schemas.get(id));
        if let Some(types) = types {
            keywords.insert("type".to_owned(), type_names(*types, adds_null));
        }
        if let Some(values) = enumeration {
            keywords.insert("enum".to_owned(), enumerated(values, adds_null));
        }
        if let Some(constant) = constant {
            keywords.insert("const".to_owned(), constant.as_ref().clone());
        }
        // Any other annotates, whatever it is.
        if let Some(format) = format.as_deref().filter(|format| is_asserted(format)) {
            keywords.insert("format".to_owned(), Value::String(format.to_owned()));
        }
        if let Some(rules) = number {
            self.numbers(&mut keywords, rules);
        }
        if let Some(rules) = text {
            self.texts(&mut keywords, id, rules, context);
        }
        if let Some(rules) = array {
            self.lists(&mut keywords, rules, context);
        }
        if let Some(rules) = object {
            self.objects(&mut keywords, id, rules, context);
        }
        let is_dispatched = match discriminator {
            Some(discriminator) => self.dispatch(&mut keywords, id, discriminator, context),
            None => false,
        };
        if let Some(rules) = logic {
            self.logic(&mut keywords, id, rules, composition, is_dispatched, context);
        }
        keywords
    }

    /// What a schema refers to beside its other keywords.
    fn referred(&mut self, id: SchemaId, reference: Option<&Reference>, context: Context) -> Keywords {
        let target = match reference {
            Some(Reference::To(target)) => *target,
            Some(Reference::Dynamic { anchor, target }) => self.bound(anchor, *target, context),
            None => return Keywords::new(),
        };
        let is_chosen = self.chose(target, id, context);
        let part = self.part(target, context);
        match self.refer(target, part, is_chosen) {
            Value::Object(written) => written,
            _ => Keywords::new(),
        }
    }

    /// A schema that describes a value within this one.
    fn inner(&mut self, id: SchemaId, context: Context) -> Value {
        self.write(id, Context { role: Role::Whole, is_in_place: false, ..context.alone() })
    }

    /// A schema that asks a question about a value within this one.
    fn question(&mut self, id: SchemaId, context: Context) -> Value {
        let context = Context { is_in_place: false, ..asking(context) };
        self.write(id, context)
    }

    /// Where a part of this composition stands.
    pub(super) fn part(&mut self, id: SchemaId, context: Context) -> Context {
        let hidden = self.hidden_for(id, context);
        let shared = self.shared_for(id, context);
        Context { role: Role::Part, hidden, shared, is_chosen: false, ..context }
    }

    fn numbers(&mut self, keywords: &mut Keywords, rules: &NumberRules) {
        let NumberRules { multiple_of, minimum, maximum, exclusive_minimum, exclusive_maximum } = rules;
        let mut put = |keyword: &str, number: &Option<Number>| {
            if let Some(number) = number {
                keywords.insert(keyword.to_owned(), Value::Number(number.clone()));
            }
        };
        put("multipleOf", multiple_of);
        put("minimum", minimum);
        put("maximum", maximum);
        put("exclusiveMinimum", exclusive_minimum);
        put("exclusiveMaximum", exclusive_maximum);
    }

    fn texts(&mut self, keywords: &mut Keywords, id: SchemaId, rules: &'a TextRules, context: Context) {
        let TextRules {
            min_length,
            max_length,
            pattern,
            // Annotations: JSON Schema 2020-12 "Validation" §8.
            content_encoding: _,
            content_media_type: _,
            content_schema: _,
        } = rules;
        count(keywords, "minLength", *min_length);
        count(keywords, "maxLength", *max_length);
        if let Some(pattern) = pattern {
            if self.supports(pattern) {
                keywords.insert("pattern".to_owned(), Value::String(pattern.as_ref().to_owned()));
            } else {
                self.lack(context, id, "pattern", "no engine here takes the pattern");
            }
        }
    }

    fn lists(&mut self, keywords: &mut Keywords, rules: &ArrayRules, context: Context) {
        let ArrayRules {
            items,
            prefix_items,
            contains,
            min_contains,
            max_contains,
            min_items,
            max_items,
            unique_items,
            unevaluated_items,
            // How a text is taken apart before it is judged.
            collection_format: _,
        } = rules;
        count(keywords, "minItems", *min_items);
        count(keywords, "maxItems", *max_items);
        if *unique_items {
            keywords.insert("uniqueItems".to_owned(), Value::Bool(true));
        }
        if !prefix_items.is_empty() {
            let items = prefix_items.iter().map(|item| self.inner(*item, context)).collect();
            keywords.insert("prefixItems".to_owned(), Value::Array(items));
        }
        if let Some(items) = items {
            let items = self.inner(*items, context);
            keywords.insert("items".to_owned(), items);
        }
        if let Some(contains) = contains {
            let contains = self.question(*contains, context);
            keywords.insert("contains".to_owned(), contains);
            count(keywords, "minContains", *min_contains);
            count(keywords, "maxContains", *max_contains);
        }
        if let Some(items) = unevaluated_items {
            let items = self.inner(*items, context);
            keywords.insert("unevaluatedItems".to_owned(), items);
        }
    }

    fn objects(&mut self, keywords: &mut Keywords, id: SchemaId, rules: &'a ObjectRules, context: Context) {
        let ObjectRules {
            properties,
            pattern_properties,
            additional_properties,
            property_names,
            required,
            dependent_required,
            dependent_schemas,
            min_properties,
            max_properties,
            unevaluated_properties,
        } = rules;
        let is_loose = context.lens.closing == Closing::Loose;
        count(keywords, "minProperties", *min_properties);
        if !is_loose {
            count(keywords, "maxProperties", *max_properties);
        }
        if !properties.is_empty() {
            let written = self.properties(properties, context);
            keywords.insert("properties".to_owned(), written);
        }
        let mut is_patterned = true;
        let mut patterns = Keywords::new();
        for Property { name, schema } in pattern_properties {
            if self.supports_name(name) {
                patterns.insert(name.as_ref().to_owned(), self.inner(*schema, context));
            } else {
                is_patterned = false;
                self.lack(context, id, "patternProperties", "no engine here takes the pattern for names");
            }
        }
        if !patterns.is_empty() {
            keywords.insert("patternProperties".to_owned(), Value::Object(patterns));
        }
        // Without its patterns it would refuse what they allow.
        let rest = |schema: &Option<SchemaId>| schema.filter(|_| is_patterned);
        let further = rest(additional_properties);
        if let Some(schema) = further.filter(|schema| !is_loose || !self.refuses_all(*schema)) {
            let schema = self.inner(schema, context);
            keywords.insert("additionalProperties".to_owned(), schema);
        }
        let further = rest(unevaluated_properties);
        if let Some(schema) = further.filter(|schema| !is_loose || !self.refuses_all(*schema)) {
            let schema = self.inner(schema, context);
            keywords.insert("unevaluatedProperties".to_owned(), schema);
        }
        if let Some(schema) = property_names.as_ref().filter(|_| !is_loose) {
            let schema = self.question(*schema, context);
            keywords.insert("propertyNames".to_owned(), schema);
        }
        let required = self.asked(required, context);
        if !required.is_empty() {
            keywords.insert("required".to_owned(), Value::Array(required));
        }
        let mut dependent = Keywords::new();
        for (name, asked) in dependent_required {
            dependent.insert(name.as_ref().to_owned(), Value::Array(self.asked(asked, context)));
        }
        if !dependent.is_empty() {
            keywords.insert("dependentRequired".to_owned(), Value::Object(dependent));
        }
        let mut dependent = Keywords::new();
        for Property { name, schema } in dependent_schemas {
            let part = self.part(*schema, context);
            dependent.insert(name.as_ref().to_owned(), self.write(*schema, part));
        }
        if !dependent.is_empty() {
            keywords.insert("dependentSchemas".to_owned(), Value::Object(dependent));
        }
    }

    fn properties(&mut self, properties: &[Property], context: Context) -> Value {
        let mut written = Keywords::with_capacity(properties.len());
        for Property { name, schema } in properties {
            let value = match self.forbidden(*schema, context.lens) {
                Some(keyword) => forbid(keyword),
                None if self.hidden_names(context.shared).binary_search(&&**name).is_ok() => {
                    let context =
                        Context { role: Role::Part, hidden: 0, shared: 0, is_chosen: false, ..context };
                    self.write(*schema, Context { is_in_place: false, ..context })
                }
                None => self.inner(*schema, context),
            };
            written.insert(name.as_ref().to_owned(), value);
        }
        Value::Object(written)
    }

    /// Names that are required, without those that may not be there.
    fn asked(&self, names: &[Box<str>], context: Context) -> Vec<Value> {
        let hidden = self.hidden_names(context.hidden);
        let names = names.iter().filter(|name| hidden.binary_search(&&***name).is_err());
        names.map(|name| Value::String(name.as_ref().to_owned())).collect()
    }

    fn logic(
        &mut self,
        keywords: &mut Keywords,
        id: SchemaId,
        rules: &LogicRules,
        composition: &Composition,
        is_dispatched: bool,
        context: Context,
    ) {
        let LogicRules { all_of, any_of, one_of, not, condition, then, otherwise } = rules;
        let mut parts = Vec::with_capacity(all_of.len());
        for schema in all_of {
            let part = self.part(*schema, context);
            parts.push(self.write(*schema, Context { is_chosen: self.chose(*schema, id, context), ..part }));
        }
        put_list(keywords, "allOf", parts);
        if !is_dispatched {
            let is_loose = context.lens.closing == Closing::Loose;
            for (keyword, branches) in [("anyOf", any_of), ("oneOf", one_of)] {
                // Branches that could be told apart only by what is taken away.
                let keyword = if is_loose && any_of.is_empty() { "anyOf" } else { keyword };
                let branches: Vec<Value> =
                    branches.iter().map(|branch| self.branch(*branch, composition, context)).collect();
                put_list(keywords, keyword, branches);
            }
        }
        if let Some(schema) = not.as_ref().filter(|_| context.lens.closing != Closing::Loose) {
            let schema = self.write(*schema, asking(context));
            keywords.insert("not".to_owned(), schema);
        }
        if let Some(schema) = condition {
            let schema = self.write(*schema, asking(context));
            keywords.insert("if".to_owned(), schema);
            for (keyword, schema) in [("then", then), ("else", otherwise)] {
                if let Some(schema) = schema {
                    let part = self.part(*schema, context);
                    let schema = self.write(*schema, part);
                    keywords.insert(keyword.to_owned(), schema);
                }
            }
        }
    }

    /// One of several schemas that may describe the value.
    pub(super) fn branch(&mut self, id: SchemaId, composition: &Composition, context: Context) -> Value {
        let part = self.part(id, context);
        if composition.is_sole(id) {
            return self.write(id, Context { role: Role::Whole, shared: 0, ..part });
        }
        let is_alone = context.role != Role::Part && !self.declares(composition, true);
        let role = if is_alone { Role::Alternative } else { Role::Part };
        self.write(id, Context { role, ..part })
    }

    fn refuses_all(&self, id: SchemaId) -> bool {
        self.schemas.get(self.schemas.resolve(id)).always == Some(false)
    }

    /// Why a property may not be in a message, if so.
    pub(super) fn forbidden(&mut self, id: SchemaId, lens: Lens) -> Option<&'static str> {
        let direction = lens.direction?;
        let is_hidden = self.is_hidden(id, direction);
        is_hidden.then_some(match direction {
            Direction::Request => "readOnly",
            Direction::Response => "writeOnly",
        })
    }
}

/// Whether null has to be allowed around the whole: what stands within would refuse it.
fn is_composed(schema: &Schema) -> bool {
    schema.logic.is_some()
        || schema.reference.is_some()
        || schema.discriminator.is_some()
        || schema.constant.is_some()
}

/// Neither closed nor directed.
fn asking(context: Context) -> Context {
    let lens = Lens { direction: None, closing: Closing::Open };
    Context { lens, role: Role::Part, ..context.alone() }
}

pub(super) fn forbid(keyword: &str) -> Value {
    json!({ FORBIDDEN: keyword })
}

fn put_list(keywords: &mut Keywords, keyword: &str, schemas: Vec<Value>) {
    if schemas.is_empty() {
        return;
    }
    // Dispatch by a discriminator may stand under the same keyword.
    match keywords.get_mut(keyword).and_then(Value::as_array_mut) {
        Some(known) => known.extend(schemas),
        None => {
            keywords.insert(keyword.to_owned(), Value::Array(schemas));
        }
    }
}

fn count(keywords: &mut Keywords, keyword: &str, count: Option<u64>) {
    if let Some(count) = count {
        keywords.insert(keyword.to_owned(), Value::Number(count.into()));
    }
}

fn type_names(types: Types, adds_null: bool) -> Value {
    let types = if adds_null { types.with(Type::Null) } else { types };
    let mut names: Vec<Value> = types.iter().map(|one| Value::String(one.name().to_owned())).collect();
    match names.pop() {
        Some(name) if names.is_empty() => name,
        Some(name) => {
            names.push(name);
            Value::Array(names)
        }
        None => Value::Array(names),
    }
}

fn enumerated(values: &[Value], adds_null: bool) -> Value {
    let mut values = values.to_vec();
    if adds_null && !values.contains(&Value::Null) {
        values.push(Value::Null);
    }
    Value::Array(values)
}
