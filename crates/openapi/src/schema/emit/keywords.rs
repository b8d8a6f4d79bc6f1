//! One schema's keywords.

use serde_json::{Map, Number, Value, json};

use super::super::{
    ArrayRules, LogicRules, NumberRules, ObjectRules, Property, Reference, Schema, SchemaId, TextRules, Type,
    Types,
};
use super::composition::{Composition, is_stated};
use super::declared::{Declared, Link};
use super::{Closing, Context, Direction, Emitter, Lens, Role, reference};
use crate::engine::{FORBIDDEN, is_asserted};

/// Keywords of a schema that is written.
pub(super) type Keywords = Map<String, Value>;

impl<'a> Emitter<'a> {
    /// Writes a schema with what stands within it; and where it says what the schema declares, if it is part of a composition.
    pub(super) fn write(&mut self, id: SchemaId, context: Context) -> (Value, Option<Link>) {
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
            let value = if keywords.is_empty() { Value::Bool(always) } else { Value::Object(keywords) };
            return (value, None);
        }
        if let Some(target) = schema.only_reference() {
            let is_chosen = self.chose(target, id, context);
            let to = self.refer(target, context, is_chosen);
            return (reference(to), Some(Link::Definition(to)));
        }
        let mut composition = self.composition(id, context);
        let mut within = self.hide(&composition, context);
        if context.role == Role::Whole && context.lens.closing == Closing::Closed {
            self.find_sole(id, &mut composition, context);
            if !composition.has_sole() {
                within.shared = self.sharing(&composition, id, context);
            }
        }
        let mut declared = Declared { schema: Some(id), is_stated: is_stated(schema), ..Declared::default() };
        let mut keywords = self.keywords(id, &composition, within, &mut declared);
        if context.role == Role::Alternative {
            declared.is_stated |= self.open(&mut keywords, id, &composition);
        }
        // What stands alone is closed by its own names.
        let own = (context.role != Role::Whole || composition.len() > 1).then(|| self.declare(declared));
        if context.role == Role::Whole {
            self.close(&mut keywords, id, &composition, within, own);
            self.bounds(&mut keywords, &composition, context);
        }
        let link = own.map(Link::Own);
        if schema.is_nullable && is_composed(schema) {
            return (json!({ "anyOf": [{ "type": "null" }, Value::Object(keywords)] }), link);
        }
        (Value::Object(keywords), link)
    }

    /// All that a schema itself says.
    fn keywords(
        &mut self,
        id: SchemaId,
        composition: &Composition,
        context: Context,
        declared: &mut Declared<'a>,
    ) -> Keywords {
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
        let mut keywords = self.referred(id, reference.as_ref(), context, declared);
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
            self.lists(&mut keywords, rules, context, declared);
        }
        if let Some(rules) = object {
            self.objects(&mut keywords, id, rules, context, declared);
        }
        let is_dispatched = match discriminator {
            Some(discriminator) => self.dispatch(&mut keywords, id, discriminator, context, declared),
            None => false,
        };
        if let Some(rules) = logic {
            let own = (id, composition);
            self.logic(&mut keywords, own, rules, is_dispatched, context, declared);
        }
        keywords
    }

    /// What a schema refers to beside its other keywords.
    fn referred(
        &mut self,
        id: SchemaId,
        referred: Option<&Reference>,
        context: Context,
        declared: &mut Declared<'a>,
    ) -> Keywords {
        let target = match referred {
            Some(Reference::To(target)) => *target,
            Some(Reference::Dynamic { anchor, target }) => self.bound(anchor, *target, context),
            None => return Keywords::new(),
        };
        let is_chosen = self.chose(target, id, context);
        let part = self.part(target, context);
        let to = self.refer(target, part, is_chosen);
        declared.all.push(Link::Definition(to));
        match reference(to) {
            Value::Object(written) => written,
            _ => Keywords::new(),
        }
    }

    /// A schema that describes a value within this one.
    pub(super) fn inner(&mut self, id: SchemaId, context: Context) -> Value {
        self.write(id, Context { role: Role::Whole, is_in_place: false, ..context.alone() }).0
    }

    /// A schema that asks a question about a value within this one.
    fn question(&mut self, id: SchemaId, context: Context) -> Value {
        let context = Context { is_in_place: false, ..asking(context) };
        self.write(id, context).0
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

    fn lists(
        &mut self,
        keywords: &mut Keywords,
        rules: &ArrayRules,
        context: Context,
        declared: &mut Declared<'a>,
    ) {
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
            let set = self.shared.of_items(context.shared).filter(|_| prefix_items.is_empty());
            let (items, link) = self.within(*items, set, context);
            declared.items = link;
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

    fn objects(
        &mut self,
        keywords: &mut Keywords,
        id: SchemaId,
        rules: &'a ObjectRules,
        context: Context,
        declared: &mut Declared<'a>,
    ) {
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
            let written = self.properties(properties, context, declared);
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
        self.dependents(keywords, dependent_required, dependent_schemas, context, declared);
    }

    /// What is asked where certain members are there.
    fn dependents(
        &mut self,
        keywords: &mut Keywords,
        required: &[(Box<str>, Vec<Box<str>>)],
        schemas: &'a [Property],
        context: Context,
        declared: &mut Declared<'a>,
    ) {
        let mut dependent = Keywords::new();
        for (name, asked) in required {
            dependent.insert(name.as_ref().to_owned(), Value::Array(self.asked(asked, context)));
        }
        if !dependent.is_empty() {
            keywords.insert("dependentRequired".to_owned(), Value::Object(dependent));
        }
        let mut dependent = Keywords::new();
        for Property { name, schema } in schemas {
            let part = self.part(*schema, context);
            let (schema, link) = self.write(*schema, part);
            declared.dependent.extend(link.map(|link| (&**name, link)));
            dependent.insert(name.as_ref().to_owned(), schema);
        }
        if !dependent.is_empty() {
            keywords.insert("dependentSchemas".to_owned(), Value::Object(dependent));
        }
    }

    fn properties(
        &mut self,
        properties: &'a [Property],
        context: Context,
        declared: &mut Declared<'a>,
    ) -> Value {
        let mut written = Keywords::with_capacity(properties.len());
        for Property { name, schema } in properties {
            let value = match self.forbidden(*schema, context.lens) {
                Some(keyword) => forbid(keyword),
                None => {
                    let set = self.shared.of_name(context.shared, name);
                    let (value, link) = self.within(*schema, set, context);
                    declared.shared.extend(link.map(|link| (&**name, link)));
                    value
                }
            };
            written.insert(name.as_ref().to_owned(), value);
        }
        Value::Object(written)
    }

    /// A schema that describes a value within this one, by itself or as one of a set; then it says what it declares.
    fn within(&mut self, id: SchemaId, set: Option<u32>, context: Context) -> (Value, Option<Link>) {
        let Some((part, together)) = set.and_then(|set| self.within_set(set, id, context)) else {
            return (self.inner(id, context), None);
        };
        let (mut value, link) = self.write(id, part);
        if let Value::Object(keywords) = &mut value {
            self.bounds(keywords, &together, context);
        }
        (value, link)
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
        (id, composition): (SchemaId, &Composition),
        rules: &LogicRules,
        is_dispatched: bool,
        context: Context,
        declared: &mut Declared<'a>,
    ) {
        let LogicRules { all_of, any_of, one_of, not, condition, then, otherwise } = rules;
        let mut parts = Vec::with_capacity(all_of.len());
        for schema in all_of {
            let part = self.part(*schema, context);
            let is_chosen = self.chose(*schema, id, context);
            let (schema, link) = self.write(*schema, Context { is_chosen, ..part });
            declared.all.extend(link);
            parts.push(schema);
        }
        put_list(keywords, "allOf", parts);
        if !is_dispatched {
            let is_loose = context.lens.closing == Closing::Loose;
            for (keyword, branches) in [("anyOf", any_of), ("oneOf", one_of)] {
                // Branches that could be told apart only by what is taken away.
                let keyword = if is_loose && any_of.is_empty() { "anyOf" } else { keyword };
                let mut written = Vec::with_capacity(branches.len());
                for branch in branches {
                    written.push(self.branch(*branch, composition, context, declared));
                }
                put_list(keywords, keyword, written);
            }
        }
        if let Some(schema) = not.as_ref().filter(|_| context.lens.closing != Closing::Loose) {
            let (schema, _) = self.write(*schema, asking(context));
            keywords.insert("not".to_owned(), schema);
        }
        if let Some(condition) = condition {
            let asking = asking(context);
            let (schema, link) = self.write(*condition, asking);
            let (schema, asked) = if context.is_described() {
                let (schema, asked) = self.asked_by_name(*condition, schema, link, asking);
                (schema, Some(asked))
            } else {
                (schema, None)
            };
            keywords.insert("if".to_owned(), schema);
            let mut outcomes = [("then", then, None), ("else", otherwise, None)];
            for (keyword, schema, declares) in &mut outcomes {
                if let Some(schema) = schema {
                    let part = self.part(*schema, context);
                    let (schema, link) = self.write(*schema, part);
                    *declares = link;
                    keywords.insert((*keyword).to_owned(), schema);
                }
            }
            let [(.., holds), (.., fails)] = outcomes;
            declared.condition = asked.map(|asked| (asked, holds, fails));
        }
    }

    /// What was written as one of the `$defs`, and its place there: the engine is asked about it by that.
    fn asked_by_name(
        &mut self,
        id: SchemaId,
        value: Value,
        link: Option<Link>,
        context: Context,
    ) -> (Value, usize) {
        if let Some(Link::Definition(definition)) = link {
            return (value, definition);
        }
        let definition = self.hoist(id, value, link, context);
        (reference(definition), definition)
    }

    /// One of several schemas that may describe the value.
    fn branch(
        &mut self,
        id: SchemaId,
        composition: &Composition,
        context: Context,
        declared: &mut Declared<'a>,
    ) -> Value {
        let part = self.part(id, context);
        if composition.is_sole(id) {
            return self.write(id, Context { role: Role::Whole, shared: 0, ..part }).0;
        }
        let is_alone = context.role != Role::Part && !self.declares(composition, true);
        let role = if is_alone { Role::Alternative } else { Role::Part };
        let part = Context { role, ..part };
        let (value, link) = self.write(id, part);
        // Where objects are open nobody asks which branch holds, nor of one that takes no value with something within.
        if link.is_none() || !context.is_described() || !self.may_hold_others(id, part) {
            return value;
        }
        let (value, definition) = self.asked_by_name(id, value, link, part);
        declared.choices.push(definition);
        value
    }

    /// Whether a schema allows objects or lists.
    fn may_hold_others(&mut self, id: SchemaId, context: Context) -> bool {
        let types = self.composition(id, Context { is_chosen: false, ..context }).types(self.schemas);
        types.has(Type::Object) || types.has(Type::Array)
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
    let lens = Lens { direction: None, closing: Closing::Open, bounds: 0 };
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
