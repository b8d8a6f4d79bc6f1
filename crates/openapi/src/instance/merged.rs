//! What several schemas say together of one value: references followed, `allOf` joined, one branch of each union taken.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::random::Random;
use crate::difference::slice;

/// Branches of unions that are tried before a value is given up.
pub(super) const ATTEMPTS: usize = 12;

/// Most schemas that may meet in one value.
const PARTS_MAX: usize = 256;

/// Schemas that hold together.
#[derive(Debug, Default)]
pub(super) struct Merged<'a> {
    parts: Vec<&'a Map<String, Value>>,
    /// One of them takes nothing.
    pub(super) is_nothing: bool,
    /// Whether a union was met, so that another attempt may give something else.
    pub(super) has_choice: bool,
    /// The values that are listed, where any are.
    pub(super) values: Option<Vec<&'a Value>>,
    /// Values that somebody wrote as examples, or as the default.
    pub(super) examples: Vec<&'a Value>,
    /// Declared members, each with all that is said of it.
    pub(super) properties: BTreeMap<&'a str, Vec<&'a Value>>,
    /// Members that must be there.
    pub(super) required: BTreeSet<&'a str>,
    /// What is said of other members.
    pub(super) additional: Vec<&'a Value>,
    /// Whether other members are described by a schema.
    pub(super) is_additional_described: bool,
    /// Whether there may be no other members.
    pub(super) is_closed: bool,
    /// What is said of the first items.
    pub(super) prefix: Vec<Vec<&'a Value>>,
    /// What is said of the others.
    pub(super) items: Vec<&'a Value>,
    /// What one of the items must be.
    pub(super) contains: Vec<&'a Value>,
    /// Whether no two items may be the same.
    pub(super) is_unique: bool,
}

impl<'a> Merged<'a> {
    /// What these schemas say. `attempt` turns the branches that are taken.
    pub(super) fn of(
        document: &'a Value,
        schemas: &[&'a Value],
        random: &mut Random,
        attempt: usize,
    ) -> Result<Self, &'static str> {
        let mut merged = Self::default();
        let mut waiting: Vec<&'a Value> = schemas.iter().rev().copied().collect();
        let mut seen: Vec<*const Value> = Vec::new();
        while let Some(schema) = waiting.pop() {
            if seen.len() >= PARTS_MAX {
                return Err("too many schemas meet in one value");
            }
            // A schema that says twice the same says it once; so does a cycle of references.
            if seen.contains(&std::ptr::from_ref(schema)) {
                continue;
            }
            seen.push(schema);
            match schema {
                Value::Bool(true) => {}
                Value::Object(members) => merged.part(document, members, &mut waiting, random, attempt)?,
                _ => merged.is_nothing = true,
            }
        }
        merged.gather();
        Ok(merged)
    }

    fn part(
        &mut self,
        document: &'a Value,
        members: &'a Map<String, Value>,
        waiting: &mut Vec<&'a Value>,
        random: &mut Random,
        attempt: usize,
    ) -> Result<(), &'static str> {
        self.parts.push(members);
        if let Some(reference) = members.get("$ref").and_then(Value::as_str) {
            waiting.push(slice::named(document, reference).ok_or("a reference leads nowhere")?);
        }
        for schema in members.get("allOf").and_then(Value::as_array).into_iter().flatten() {
            waiting.push(schema);
        }
        for keyword in ["anyOf", "oneOf"] {
            let Some(branches) = members.get(keyword).and_then(Value::as_array) else { continue };
            self.has_choice |= branches.len() > 1;
            let drawn = random.below(branches.len()).wrapping_add(attempt);
            let index = drawn.checked_rem(branches.len()).unwrap_or(0);
            waiting.push(branches.get(index).ok_or("a union has no branches")?);
        }
        if let Some(condition) = members.get("if") {
            self.has_choice = true;
            let holds = (attempt & 1 == 0) == random.flip();
            match (holds, members.get("then"), members.get("else")) {
                (true, then, _) => {
                    waiting.push(condition);
                    waiting.extend(then);
                }
                (false, _, otherwise) => waiting.extend(otherwise),
            }
        }
        Ok(())
    }

    /// Puts together what the parts say.
    fn gather(&mut self) {
        for members in std::mem::take(&mut self.parts) {
            self.one_value(members);
            self.members(members);
            self.items(members);
            self.parts.push(members);
        }
        let closes = |value: Option<&Value>| value == Some(&Value::Bool(false));
        self.is_closed = self.parts.iter().any(|members| {
            closes(members.get("additionalProperties")) || closes(members.get("unevaluatedProperties"))
        });
        if self.is_closed {
            for name in &self.required {
                // Elsewhere it would be refused.
                self.is_nothing |= !self.properties.contains_key(name) && self.has_no_patterns();
            }
            self.close();
        }
    }

    /// A member that one closed part does not declare may not be there.
    fn close(&mut self) {
        for members in &self.parts {
            if members.get("additionalProperties") != Some(&Value::Bool(false))
                || members.contains_key("patternProperties")
            {
                continue;
            }
            let own = members.get("properties").and_then(Value::as_object);
            let required = &self.required;
            self.properties
                .retain(|name, _| own.is_some_and(|own| own.contains_key(*name)) || required.contains(name));
        }
    }

    fn has_no_patterns(&self) -> bool {
        !self.parts.iter().any(|members| members.contains_key("patternProperties"))
    }

    fn one_value(&mut self, members: &'a Map<String, Value>) {
        if let Some(constant) = members.get("const") {
            self.restrict(std::slice::from_ref(constant));
        }
        if let Some(values) = members.get("enum").and_then(Value::as_array) {
            self.restrict(values);
        }
        // What stands first, nearest to the value, comes first.
        if let Some(examples) = members.get("examples").and_then(Value::as_array) {
            self.examples.extend(examples);
        }
        self.examples.extend(members.get("default").filter(|value| !value.is_null()));
    }

    fn restrict(&mut self, values: &'a [Value]) {
        let values = values.iter();
        self.values = Some(match self.values.take() {
            None => values.collect(),
            Some(before) => values.filter(|value| before.contains(value)).collect(),
        });
    }

    fn members(&mut self, members: &'a Map<String, Value>) {
        for (name, schema) in members.get("properties").and_then(Value::as_object).into_iter().flatten() {
            if *schema == Value::Bool(false) {
                continue;
            }
            self.properties.entry(name).or_default().push(schema);
        }
        let names = members.get("required").and_then(Value::as_array).into_iter().flatten();
        self.required.extend(names.filter_map(Value::as_str));
        if let Some(schema @ Value::Object(inner)) = members.get("additionalProperties") {
            self.additional.push(schema);
            self.is_additional_described |= !inner.is_empty();
        }
        for (_, schema) in members.get("patternProperties").and_then(Value::as_object).into_iter().flatten() {
            self.additional.push(schema);
        }
    }

    fn items(&mut self, members: &'a Map<String, Value>) {
        for (index, schema) in
            members.get("prefixItems").and_then(Value::as_array).into_iter().flatten().enumerate()
        {
            if index >= self.prefix.len() {
                self.prefix.push(Vec::new());
            }
            if let Some(slot) = self.prefix.get_mut(index) {
                slot.push(schema);
            }
        }
        self.items.extend(members.get("items"));
        self.contains.extend(members.get("contains"));
        self.is_unique |= members.get("uniqueItems") == Some(&Value::Bool(true));
    }

    /// Whether a type is among those that all parts name.
    pub(super) fn allows(&self, kind: &str) -> bool {
        self.parts.iter().all(|members| match members.get("type") {
            None => true,
            Some(Value::String(name)) => is_kind(name, kind),
            Some(Value::Array(names)) => {
                names.iter().filter_map(Value::as_str).any(|name| is_kind(name, kind))
            }
            Some(_) => false,
        })
    }

    /// Whether no part names a type.
    pub(super) fn is_untyped(&self) -> bool {
        !self.parts.iter().any(|members| members.contains_key("type"))
    }

    /// Whether a number must be an integer.
    pub(super) fn allows_integers_only(&self) -> bool {
        !self.allows("number")
    }

    /// Whether a value has a type that is allowed.
    pub(super) fn takes_kind(&self, value: &Value) -> bool {
        match value {
            Value::Null => self.allows("null"),
            Value::Bool(_) => self.allows("boolean"),
            Value::Number(number) => {
                self.allows("number")
                    || (number.as_f64().is_some_and(|it| it.fract() == 0.0) && self.allows("integer"))
            }
            Value::String(_) => self.allows("string"),
            Value::Array(_) => self.allows("array"),
            Value::Object(_) => self.allows("object"),
        }
    }

    /// The type that keywords speak of where none is named.
    pub(super) fn spoken_kind(&self) -> &'static str {
        const SPOKEN: &[(&str, &[&str])] = &[
            (
                "object",
                &["properties", "required", "additionalProperties", "minProperties", "patternProperties"],
            ),
            ("array", &["items", "prefixItems", "minItems", "contains", "uniqueItems"]),
            ("number", &["minimum", "maximum", "multipleOf", "exclusiveMinimum", "exclusiveMaximum"]),
        ];
        let speaks = |keywords: &[&str]| {
            self.parts.iter().any(|members| keywords.iter().any(|keyword| members.contains_key(*keyword)))
        };
        SPOKEN.iter().find(|(_, keywords)| speaks(keywords)).map_or("string", |(kind, _)| kind)
    }

    /// The values of a keyword in all parts.
    pub(super) fn each(&self, keyword: &str) -> impl Iterator<Item = &'a Value> {
        self.parts.iter().filter_map(move |members| members.get(keyword))
    }

    /// The texts of a keyword in all parts.
    pub(super) fn texts(&self, keyword: &str) -> impl Iterator<Item = &'a str> {
        self.each(keyword).filter_map(Value::as_str)
    }

    /// The largest number that a keyword of least counts has.
    pub(super) fn least(&self, keyword: &str) -> u64 {
        self.each(keyword).filter_map(whole).max().unwrap_or(0)
    }

    /// The smallest number that a keyword of most counts has.
    pub(super) fn most(&self, keyword: &str) -> Option<u64> {
        self.each(keyword).filter_map(whole).min()
    }
}

fn is_kind(name: &str, kind: &str) -> bool {
    name == kind || (name == "number" && kind == "integer")
}

/// A count as JSON may write it: `3` or `3.0`.
fn whole(value: &Value) -> Option<u64> {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "saturates, which is what a bound needs"
    )]
    value.as_u64().or_else(|| value.as_f64().filter(|it| *it >= 0.0).map(|it| it as u64))
}
