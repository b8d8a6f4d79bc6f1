//! Everything that is made is tried with a validator.

use serde_json::{Value, json};

use super::{Bounds, Manner, make};

const MANNERS: [Manner; 5] = [Manner::Least, Manner::Most, Manner::Some, Manner::Edge, Manner::Exemplary];

#[track_caller]
fn check(schema: Value) {
    let validator = jsonschema::options().should_validate_formats(true).build(&schema).expect("a schema");
    for manner in MANNERS {
        for seed in 0..20 {
            let value = make(&schema, &schema, seed, manner, &Bounds::DEFAULT).expect("a value");
            assert!(validator.is_valid(&value), "{value} is no value of {schema}");
            let again = make(&schema, &schema, seed, manner, &Bounds::DEFAULT);
            assert_eq!(again, Ok(value), "the same seed gives the same value");
        }
    }
}

#[test]
fn scalars_lie_in_their_ranges() {
    check(json!({"type": "integer", "minimum": 3, "maximum": 5}));
    check(json!({"type": "integer", "exclusiveMinimum": 3, "exclusiveMaximum": 5}));
    check(json!({"type": "integer", "multipleOf": 7, "minimum": -20}));
    check(json!({"type": "number", "multipleOf": 0.5, "maximum": -3}));
    check(json!({"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}));
    check(json!({"type": "integer", "multipleOf": 2.5}));
    check(json!({"type": ["string", "null"], "minLength": 20, "maxLength": 21}));
    check(json!({"enum": [1, "a", null], "type": ["string", "null"]}));
    check(json!({"const": {"a": 1}}));
    check(json!(true));
    check(json!({}));
}

#[test]
fn formats_and_expressions_are_met() {
    for format in [
        "date",
        "date-time",
        "time",
        "duration",
        "uuid",
        "email",
        "hostname",
        "ipv4",
        "ipv6",
        "uri",
        "uri-reference",
        "uri-template",
        "json-pointer",
        "relative-json-pointer",
        "regex",
        "iri",
        "iri-reference",
        "idn-email",
        "byte",
        "int-of-mine",
    ] {
        check(json!({"type": "string", "format": format}));
    }
    for pattern in [
        "^[A-Z]{3}$",
        "^\\d{4}-\\d{2}$",
        "a|bc|d+",
        "^(?:x|y)[^a-z]?$",
        "[\\w.]+@[\\w.]+",
        "^$",
        "^\\+?[1-9]\\d{1,14}$",
        "^[a-z0-9]+(?:-[a-z0-9]+)*$",
        "^.{8,}$",
        "\\p{L}+",
    ] {
        check(json!({"type": "string", "pattern": pattern}));
    }
    check(json!({"type": "string", "pattern": "^[a-z]+$", "minLength": 30, "maxLength": 60}));
    check(json!({"type": "string", "pattern": "x", "minLength": 30}));
}

#[test]
fn an_expression_that_texts_are_not_made_from_is_named() {
    let schema = json!({"type": "object", "required": ["a"], "properties": {"a": {"type": "string", "pattern": "^(?=a)b?"}}});
    let unmade = make(&schema, &schema, 1, Manner::Most, &Bounds::DEFAULT).expect_err("no value");
    assert_eq!(unmade.to_string(), "at /a: no text is made from the expression `^(?=a)b?`");
}

#[test]
fn objects_and_arrays() {
    check(
        json!({"type": "object", "required": ["a", "z"], "properties": {"a": {"type": "integer"}, "b": {"type": "string"}}}),
    );
    check(json!({"type": "object", "minProperties": 3, "properties": {"a": {"type": "integer"}}}));
    check(
        json!({"type": "object", "additionalProperties": {"type": "integer"}, "maxProperties": 4, "minProperties": 2}),
    );
    check(json!({"type": "array", "items": {"enum": [1, 2, 3]}, "uniqueItems": true, "minItems": 3}));
    check(
        json!({"type": "array", "prefixItems": [{"const": 1}, {"const": 2}], "items": {"type": "string"}, "minItems": 4}),
    );
    check(json!({"type": "array", "items": {"type": "integer"}, "contains": {"const": 7}}));
    check(json!({"properties": {"a": {"const": 1}}, "required": ["a"], "unevaluatedProperties": false}));
}

#[test]
fn what_holds_together_is_made_together() {
    check(json!({"allOf": [
        {"type": "object", "required": ["id"], "properties": {"id": {"type": "integer"}}},
        {"properties": {"id": {"minimum": 10}, "name": {"type": "string"}}, "required": ["name"]},
    ], "unevaluatedProperties": false}));
    check(json!({"oneOf": [
        {"type": "object", "required": ["kind"], "properties": {"kind": {"const": "cat"}}, "additionalProperties": false},
        {"type": "object", "required": ["kind"], "properties": {"kind": {"const": "dog"}}, "additionalProperties": false},
    ]}));
    check(json!({"anyOf": [{"type": "string"}, {"type": "null"}]}));
    check(
        json!({"if": {"required": ["a"], "properties": {"a": {"const": 1}}, "type": "object"}, "then": {"required": ["b"]}, "else": {"type": "array"}}),
    );
}

#[test]
fn what_refers_to_itself_ends() {
    check(json!({"$ref": "#/$defs/node", "$defs": {"node": {
        "type": "object", "required": ["value"],
        "properties": {"value": {"type": "integer"}, "next": {"$ref": "#/$defs/node"}, "all": {"type": "array", "items": {"$ref": "#/$defs/node"}}},
    }}}));
    check(json!({"$ref": "#/$defs/list", "$defs": {"list": {
        "oneOf": [{"type": "null"}, {"type": "object", "required": ["next"], "properties": {"next": {"$ref": "#/$defs/list"}}}],
    }}}));
    let endless = json!({"$ref": "#/$defs/a", "$defs": {"a": {"type": "object", "required": ["a"], "properties": {"a": {"$ref": "#/$defs/a"}}}}});
    let unmade = make(&endless, &endless, 1, Manner::Least, &Bounds::DEFAULT).expect_err("no value");
    assert_eq!(&*unmade.why, "the value would be nested too deeply");
    let turns = json!({"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}});
    assert!(make(&turns, &turns, 1, Manner::Least, &Bounds::DEFAULT).is_ok());
}

#[test]
fn what_is_made_is_bounded() {
    let wide = json!({"type": "array", "items": {"type": "string"}, "minItems": 1_000_000_000});
    assert!(make(&wide, &wide, 1, Manner::Least, &Bounds::DEFAULT).is_err());
    let long = json!({"type": "string", "minLength": 1_000_000_000});
    assert!(make(&long, &long, 1, Manner::Least, &Bounds::DEFAULT).is_err());
    let repeated = json!({"type": "string", "pattern": "^(a{1000}){1000}$"});
    assert!(make(&repeated, &repeated, 1, Manner::Least, &Bounds::DEFAULT).is_err());
    // Every level has four branches, each with four members that are levels.
    let member = json!({"anyOf": [{"$ref": "#/$defs/a"}, {"$ref": "#/$defs/a"}]});
    let bomb = json!({"$ref": "#/$defs/a", "$defs": {"a": {"type": "object", "required": ["p", "q", "r"], "properties": {"p": member, "q": member, "r": member}}}});
    assert!(make(&bomb, &bomb, 1, Manner::Most, &Bounds::DEFAULT).is_err());
}

#[test]
fn examples_come_first_where_they_are_asked_for() {
    let schema = json!({"type": "object", "required": ["a", "b"], "properties": {"a": {"type": "string", "examples": ["one"]}, "b": {"type": "integer", "default": 42}}});
    let value = make(&schema, &schema, 1, Manner::Exemplary, &Bounds::DEFAULT);
    assert_eq!(value, Ok(json!({"a": "one", "b": 42})));
}
