//! Whether one schema takes all that another does: the one place that speaks to the schema algebra of `jsonschema`.
//!
//! That algebra is young and moves with every release, so nothing of it leaves this file. It proves or declines, and
//! what it declines is [`Answer::Undecided`], never covered. Where it declines, values are drawn from the sender's schema
//! and tried: one that the receiver refuses proves a loss, any number that it takes proves nothing.
//!
//! # Closed objects
//! A sender sends what its schema declares. An object that says nothing about undeclared members is therefore closed on the
//! sender's side, and so is a gateway's request: members that the new definition lost are refused there. Readers of
//! responses pass over what they do not know, so a receiver of responses stays as it is written. Closing is done on the
//! canonical form, where an `allOf` has become one object; an object that is open by its own words stays open.
//!
//! # Limits
//! [`NODES_MAX`] of a question's schemas, the algebra's own budgets, [`DRAWS`] values. How long a question may take is for
//! whoever asks: run it on a thread of [`STACK_BYTES`] and let go of it. A panic inside is an undecided question there.

use jsonschema::canonical::{self, CanonicalSchema, Containment, Satisfiability};
use jsonschema::{Draft, Validator};
use serde_json::{Map, Value};

use super::slice;
use crate::instance::{self, Manner};

/// Most values (keys and items counted) of one schema in a question.
pub const NODES_MAX: usize = 5_000;

/// Most schemas that one in a question may reach.
pub const SCHEMAS_MAX: usize = 1_000;

/// A thread that answers needs that much stack: the algebra recurses as deep as schemas do.
pub const STACK_BYTES: usize = 64 << 20;

/// Values that are drawn and tried where the algebra does not show one itself.
pub const DRAWS: u64 = 48;

/// Longest text of a witness or lost schema that is told; a larger one is left out.
const SHOWN_BYTES_MAX: usize = 16 << 10;

/// Does `receiver` take every value of `sender`? Both are schemas of draft 2020-12 that stand for themselves.
#[derive(Clone, Debug)]
pub struct Question {
    /// What may be sent.
    pub sender: Value,
    /// What is taken.
    pub receiver: Value,
    /// Whether the receiver refuses members that its schema does not declare.
    pub is_receiver_closed: bool,
}

/// What became of a [`Question`].
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// Every value of the sender is taken. Proven.
    Covered,
    /// A value of the sender is refused. Proven.
    Lost {
        /// The values that are refused, as a schema, where it can be written.
        lost: Option<Value>,
        /// One of them, tried with the validator.
        witness: Option<Value>,
    },
    /// Neither is proven.
    Undecided {
        /// Why.
        why: Box<str>,
    },
}

/// Answers a question.
pub fn answer(question: &Question) -> Answer {
    let undecided = |why: &str| Answer::Undecided { why: why.into() };
    if [&question.sender, &question.receiver].iter().any(|schema| slice::nodes(schema) > NODES_MAX) {
        return undecided("the schemas are too large to be compared");
    }
    let (Ok(sends), Ok(takes)) = (validator(&question.sender), validator(&question.receiver)) else {
        return undecided("a schema is not one that can be compiled");
    };
    let sides = canonical(&question.sender).and_then(|sender| Ok((sender, canonical(&question.receiver)?)));
    let (sender, receiver) = match sides {
        Ok(sides) => sides,
        Err(why) => return by_draws(&question.sender, &sends, &takes, &why),
    };
    let closed = closed_json(&sender);
    let closed_sender = canonical(&closed);
    let closed_receiver =
        if question.is_receiver_closed { canonical(&closed_json(&receiver)) } else { Ok(receiver) };
    let (Ok(sender), Ok(receiver)) = (closed_sender, closed_receiver) else {
        return by_draws(&closed, &sends, &takes, "a closed form cannot be written");
    };
    match decide(&sender, &receiver, question, &sends, &takes) {
        // What is open by its own words looks closed in the canonical form. Covered is then not proven.
        Answer::Covered if question.is_receiver_closed && opens(&question.sender) => {
            undecided("an object takes members that it does not declare")
        }
        answer => answer,
    }
}

/// What judges by a schema that stands for itself.
pub(crate) fn validator(schema: &Value) -> Result<Validator, String> {
    jsonschema::options()
        .with_draft(Draft::Draft202012)
        .should_validate_formats(true)
        .build(schema)
        .map_err(|error| error.to_string())
}

fn canonical(schema: &Value) -> Result<CanonicalSchema, String> {
    let canonical = canonical::options()
        .with_draft(Draft::Draft202012)
        .offline()
        .should_validate_formats(true)
        .canonicalize(schema)
        .map_err(|error| error.to_string())?;
    match canonical.kind() {
        canonical::CanonicalKind::Raw => {
            Err("the algebra does not model a keyword of these schemas".to_owned())
        }
        _ => Ok(canonical),
    }
}

fn decide(
    sender: &CanonicalSchema,
    receiver: &CanonicalSchema,
    question: &Question,
    sends: &Validator,
    takes: &Validator,
) -> Answer {
    let why = match receiver.covers(sender) {
        Ok(Containment::Yes) => return Answer::Covered,
        Ok(Containment::No) => None,
        Ok(Containment::Unknown) => Some("the algebra cannot tell".to_owned()),
        Err(error) => Some(error.to_string()),
    };
    let lost = sender.subtract(receiver);
    if matches!(&lost, Ok(lost) if lost.satisfiability() == Satisfiability::No) {
        return Answer::Covered;
    }
    let refused = refuses(receiver, question, takes);
    let plain = sender.to_json_schema();
    let lost = lost.ok().map(|lost| lost.to_json_schema());
    let witness = lost
        .as_ref()
        .and_then(|lost| draw(lost, |value| sends.is_valid(value) && refused(value)))
        .or_else(|| draw(&plain, |value| sends.is_valid(value) && refused(value)));
    match (witness, why) {
        (Some(witness), _) => Answer::Lost { lost: lost.and_then(shown), witness: shown(witness) },
        (None, None) => Answer::Lost { lost: lost.and_then(shown), witness: None },
        (None, Some(why)) => Answer::Undecided { why: why.into() },
    }
}

/// Whether a receiver refuses a value: by its schema as written, and by the closed form where it is closed.
fn refuses<'a>(
    receiver: &CanonicalSchema,
    question: &Question,
    takes: &'a Validator,
) -> impl Fn(&Value) -> bool + 'a {
    let closed = question.is_receiver_closed.then(|| validator(&receiver.to_json_schema()).ok()).flatten();
    move |value| !takes.is_valid(value) || closed.as_ref().is_some_and(|closed| !closed.is_valid(value))
}

/// Where the algebra declines a schema: values, by the schemas as they are written.
fn by_draws(from: &Value, sends: &Validator, takes: &Validator, why: &str) -> Answer {
    match draw(from, |value| sends.is_valid(value) && !takes.is_valid(value)) {
        Some(witness) => Answer::Lost { lost: None, witness: shown(witness) },
        None => Answer::Undecided { why: why.into() },
    }
}

/// The first value of a schema, in a fixed order, that is `wanted`: small ones before large ones.
fn draw(schema: &Value, wanted: impl Fn(&Value) -> bool) -> Option<Value> {
    let manners = [Manner::Least, Manner::Most, Manner::Some, Manner::Edge];
    let mut draws = (0..DRAWS).flat_map(|seed| manners.into_iter().map(move |manner| (seed, manner)));
    // A schema without freedom gives the same value every time, which is soon noticed.
    let mut last: Vec<Value> = Vec::new();
    draws.find_map(|(seed, manner)| {
        let value = instance::make(schema, schema, seed, manner, &instance::Bounds::SMALL).ok()?;
        if last.contains(&value) {
            return None;
        }
        if wanted(&value) {
            return Some(value);
        }
        last.truncate(8);
        last.insert(0, value);
        None
    })
}

fn shown(value: Value) -> Option<Value> {
    (value.to_string().len() <= SHOWN_BYTES_MAX).then(|| match value {
        // It says nothing that is not known.
        Value::Object(mut members) => {
            members.remove("$schema");
            Value::Object(members)
        }
        value => value,
    })
}

/// The canonical form with every object closed that says nothing about other members.
fn closed_json(schema: &CanonicalSchema) -> Value {
    let mut json = schema.to_json_schema();
    close(&mut json);
    json
}

/// Keywords whose value is a schema, a list of them, or a mapping to them. `not` is left out on purpose: what is refused
/// there must not become more.
const INNER: &[&str] = &[
    "$defs",
    "additionalProperties",
    "allOf",
    "anyOf",
    "contains",
    "items",
    "oneOf",
    "patternProperties",
    "prefixItems",
    "properties",
];

fn close(schema: &mut Value) {
    let Value::Object(members) = schema else { return };
    for keyword in INNER {
        match members.get_mut(*keyword) {
            Some(Value::Array(schemas)) => schemas.iter_mut().for_each(close),
            Some(Value::Object(inner))
                if matches!(*keyword, "$defs" | "patternProperties" | "properties") =>
            {
                inner.values_mut().for_each(close);
            }
            Some(schema) => close(schema),
            None => {}
        }
    }
    let has_members = members.get("properties").and_then(Value::as_object).is_some_and(|it| !it.is_empty());
    if has_members && is_silent(members) {
        members.insert("additionalProperties".to_owned(), false.into());
    }
}

fn is_silent(members: &Map<String, Value>) -> bool {
    !members.contains_key("additionalProperties") && !members.contains_key("unevaluatedProperties")
}

/// Whether an object anywhere in a schema declares members and takes others by its own words, which the canonical form
/// does not tell from silence.
fn opens(schema: &Value) -> bool {
    match schema {
        Value::Object(members) => {
            let by_words = ["additionalProperties", "unevaluatedProperties"].iter().any(|keyword| {
                members.get(*keyword).is_some_and(|value| match value {
                    Value::Bool(is_open) => *is_open,
                    Value::Object(schema) => schema.is_empty(),
                    _ => false,
                })
            });
            (by_words && members.contains_key("properties")) || members.values().any(opens)
        }
        Value::Array(items) => items.iter().any(opens),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
