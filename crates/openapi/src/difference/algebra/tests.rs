//! The pairs that users of another tool reported, and what must stay undecided.

use serde_json::{Value, json};

use super::{Answer, Question, answer, validator};

/// Whether the validator takes a value by a schema; nothing when the schema cannot be compiled.
fn accepts(schema: &Value, value: &Value) -> Option<bool> {
    Some(validator(schema).ok()?.is_valid(value))
}

fn request(old: &Value, new: &Value) -> Answer {
    answer(&Question { sender: old.clone(), receiver: new.clone(), is_receiver_closed: true })
}

fn response(old: &Value, new: &Value) -> Answer {
    answer(&Question { sender: new.clone(), receiver: old.clone(), is_receiver_closed: false })
}

#[track_caller]
fn check(old: Value, new: Value, is_safe: [bool; 2]) {
    for (answer, is_safe, [sender, receiver], what) in [
        (request(&old, &new), is_safe[0], [&old, &new], "request"),
        (response(&old, &new), is_safe[1], [&new, &old], "response"),
    ] {
        match (&answer, is_safe) {
            (Answer::Covered, true) => {}
            (Answer::Lost { witness: Some(witness), .. }, false) => {
                assert_eq!(accepts(sender, witness), Some(true), "{what}: {witness}");
                assert_eq!(accepts(receiver, witness), Some(false), "{what}: {witness}");
            }
            _ => panic!("{what} of {old} to {new}: {answer:?}"),
        }
    }
}

#[test]
fn one_of_integer_and_string_becomes_integer() {
    let old = json!({"oneOf": [{"type": "integer"}, {"type": "string"}]});
    check(old, json!({"type": "integer"}), [false, true]);
}

#[test]
fn a_string_becomes_nullable_by_any_of() {
    check(json!({"type": "string"}), json!({"anyOf": [{"type": "string"}, {"type": "null"}]}), [true, false]);
}

#[test]
fn an_enum_becomes_one_of_null_and_itself() {
    let old = json!({"type": "string", "enum": ["a", "b"]});
    let new = json!({"oneOf": [{"type": "null"}, {"type": "string", "enum": ["a", "b"]}]});
    check(old, new, [true, false]);
}

#[test]
fn a_new_branch_of_one_of_loses_what_matches_two() {
    let cat = json!({"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}});
    let any = json!({"type": "object", "required": ["name"], "properties": {"name": {"type": "string", "minLength": 3}}});
    check(json!({"oneOf": [cat]}), json!({"oneOf": [cat, any]}), [false, true]);
    let number = json!({"type": "number"});
    let integer = json!({"type": "integer"});
    let string = json!({"type": "string"});
    check(
        json!({"oneOf": [number, {"type": "boolean"}]}),
        json!({"oneOf": [number, {"type": "boolean"}, integer, string]}),
        [false, false],
    );
}

#[test]
fn a_property_inside_one_of_becomes_optional() {
    let branch = |required: Value| json!({"type": "object", "required": required, "properties": {"kind": {"const": "a"}, "size": {"type": "integer"}}});
    let other = json!({"type": "string"});
    check(
        json!({"oneOf": [branch(json!(["kind", "size"])), other]}),
        json!({"oneOf": [branch(json!(["kind"])), other]}),
        [true, false],
    );
}

#[test]
fn a_type_is_taken_away() {
    check(json!({"type": "string"}), json!({}), [true, false]);
}

#[test]
fn an_all_of_that_means_the_same_is_no_change() {
    let old = json!({"type": "object", "required": ["id"], "properties": {"id": {"type": "integer"}, "name": {"type": "string"}}});
    let new = json!({"allOf": [
        {"type": "object", "required": ["id"], "properties": {"id": {"type": "integer"}}},
        {"type": "object", "properties": {"name": {"type": "string"}}},
    ]});
    check(old, new, [true, true]);
}

#[test]
fn members_come_and_go() {
    let one = json!({"type": "object", "properties": {"a": {"type": "string"}}});
    let two = json!({"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "integer"}}});
    // A new optional member troubles nobody, in neither direction.
    assert_eq!(request(&one, &two), Answer::Covered);
    assert_eq!(response(&one, &two), Answer::Covered);
    // One that is gone is refused in requests.
    let Answer::Lost { witness: Some(witness), .. } = request(&two, &one) else { panic!("not lost") };
    assert!(witness.get("b").is_some(), "{witness}");
    assert_eq!(response(&two, &one), Answer::Covered);
}

#[test]
fn what_is_not_decided_is_never_covered() {
    let undecided = |answer: Answer| assert!(matches!(answer, Answer::Undecided { .. }), "{answer:?}");
    // A changed expression: nothing drawn from the old one is refused by the new one.
    let old = json!({"type": "string", "pattern": "^[a-c]+$"});
    undecided(request(&old, &json!({"type": "string", "pattern": "^[a-z]+$"})));
    // An object that is open by its own words and is closed.
    let open =
        json!({"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": true});
    let closed =
        json!({"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": false});
    assert!(!matches!(request(&open, &closed), Answer::Covered));
    // A schema that refers to itself, edited.
    let tree = |least: u32| {
        json!({"$ref": "#/$defs/node", "$defs": {"node": {
            "type": "object", "required": ["value"],
            "properties": {"value": {"type": "integer", "minimum": least}, "next": {"$ref": "#/$defs/node"}},
        }}})
    };
    assert!(!matches!(request(&tree(1), &tree(0)), Answer::Lost { .. }));
    assert!(!matches!(request(&tree(0), &tree(1)), Answer::Covered));
}

#[test]
fn a_changed_expression_is_breaking_where_a_value_shows_it() {
    let old = json!({"type": "string", "pattern": "^[a-z0-9]{3}$"});
    let new = json!({"type": "string", "pattern": "^[a-z]{3}$"});
    let Answer::Lost { witness: Some(witness), .. } = request(&old, &new) else { panic!("not lost") };
    assert_eq!(accepts(&old, &witness), Some(true));
    assert_eq!(accepts(&new, &witness), Some(false));
}

#[test]
fn formats_count() {
    let plain = json!({"type": "string"});
    let uuid = json!({"type": "string", "format": "uuid"});
    assert!(!matches!(request(&plain, &uuid), Answer::Covered));
    assert_eq!(request(&uuid, &plain), Answer::Covered);
}

#[test]
fn too_large_is_undecided() {
    let large = json!({"enum": (0..30_000).collect::<Vec<_>>()});
    assert!(matches!(request(&large, &json!({"type": "integer"})), Answer::Undecided { .. }));
}
