//! JSON bodies by their schemas.

use super::{compiled, gaps, judged, posting};

/// Judges bodies by a schema of one version: what is wrong with each.
#[track_caller]
fn check(version: &str, schema: &str, components: &str, bodies: &[(&str, &[&str])]) {
    let (_, contract) = compiled(&posting(version, schema, components));
    assert_eq!(gaps(&contract), Vec::<String>::new());
    for (body, expected) in bodies {
        assert_eq!(judged(&contract, body), *expected, "{body} by {schema}");
    }
}

#[test]
fn objects_are_closed_where_the_document_says_nothing() {
    check(
        "3.0.0",
        "{ type: object, properties: { a: { type: object, properties: { b: { type: integer } } }, free: { type: object } } }",
        "",
        &[
            (r#"{"a":{"b":1},"free":{"x":1}}"#, &[]),
            (r#"{"z":1}"#, &["/z additionalProperties"]),
            (r#"{"a":{"z":1}}"#, &["/a/z additionalProperties"]),
        ],
    );
    check(
        "3.0.0",
        "{ type: object, additionalProperties: true, properties: { a: {} } }",
        "",
        &[(r#"{"z":1}"#, &[])],
    );
}

/// A peer looks for undeclared fields in the first 10,000 items alone.
#[test]
fn the_last_of_many_items_is_judged_as_the_first() {
    let schema = "{ type: array, items: { type: object, properties: { a: { type: integer } } } }";
    let many = format!("[{}{{\"z\":1}}]", "{\"a\":1},".repeat(9_999));
    check("3.0.0", schema, "", &[(&many, &["/9999/z additionalProperties"])]);
}

#[test]
fn a_composition_is_closed_at_its_outermost_schema_only() {
    let components = "    base: { type: object, properties: { id: { type: integer } } }\n";
    check(
        "3.0.0",
        "{ allOf: [{ $ref: '#/components/schemas/base' }, { type: object, properties: { b: { enum: [x] } } }] }",
        components,
        &[
            (r#"{"id":1,"b":"x"}"#, &[]),
            (r#"{"id":1,"b":"y"}"#, &["/b enum"]),
            (r#"{"id":"1"}"#, &["/id type"]),
            (r#"{"z":1}"#, &["/z additionalProperties"]),
        ],
    );
    check(
        "3.1.0",
        "{ $ref: '#/components/schemas/base', properties: { b: {} }, anyOf: [{ properties: { c: {} }, required: [c] }, { \
         properties: { d: {} } }] }",
        components,
        &[(r#"{"id":1,"b":"x","c":1,"d":1}"#, &[]), (r#"{"id":1,"e":1}"#, &["/e unevaluatedProperties"])],
    );
}

#[test]
fn a_free_map_among_alternatives_stays_one() {
    check(
        "3.0.0",
        "{ oneOf: [{ type: string }, { type: object, required: [a], properties: { a: { type: integer } } }, { type: object, \
         maxProperties: 0 }] }",
        "",
        &[(r#""x""#, &[]), (r#"{"a":1}"#, &[]), ("{}", &[])],
    );
    check(
        "3.0.0",
        "{ anyOf: [{ type: object }, { type: object, properties: { a: { type: integer } } }] }",
        "",
        &[(r#"{"x":1}"#, &[])],
    );
}

#[test]
fn what_only_responses_have_is_refused_and_not_required() {
    let components = "    base: { type: object, required: [id, name], properties: { id: { type: integer, readOnly: true }, \
                      name: { type: string } } }\n    stamp: { type: string, readOnly: true }\n";
    check(
        "3.0.0",
        "{ allOf: [{ $ref: '#/components/schemas/base' }, { required: [id, at], properties: { at: { allOf: [{ $ref: \
         '#/components/schemas/stamp' }] } } }] }",
        components,
        &[
            (r#"{"name":"x"}"#, &[]),
            (r#"{"name":"x","id":1}"#, &["/id readOnly"]),
            (r#"{"name":"x","at":"x"}"#, &["/at readOnly"]),
            ("{}", &["/name required"]),
        ],
    );
    check(
        "3.0.0",
        "{ oneOf: [{ allOf: [{ $ref: '#/components/schemas/base' }, { required: [id] }] }, { type: integer }] }",
        components,
        &[(r#"{"name":"x"}"#, &[]), ("1", &[])],
    );
}

#[test]
fn null_is_allowed_where_the_document_says_so() {
    let components = "    base: { type: object, properties: { id: { type: integer } } }\n";
    for schema in [
        "{ type: string, nullable: true, minLength: 2 }",
        "{ type: string, nullable: true, enum: [ab] }",
        "{ nullable: true, allOf: [{ $ref: '#/components/schemas/base' }] }",
        "{ nullable: true, $ref: '#/components/schemas/base' }",
        "{ nullable: true, oneOf: [{ $ref: '#/components/schemas/base' }] }",
    ] {
        check("3.0.0", schema, components, &[("null", &[])]);
    }
    check("3.0.0", "{ $ref: '#/components/schemas/base' }", components, &[("null", &[" type"])]);
    check(
        "3.1.0",
        "{ type: [string, 'null'], minLength: 2 }",
        "",
        &[("null", &[]), ("\"a\"", &[" minLength"])],
    );
}

#[test]
fn recursive_schemas_end_with_the_value() {
    let components = "    tree: { type: object, required: [v], properties: { v: { type: integer }, kids: { type: array, items: { \
                      $ref: '#/components/schemas/tree' } } } }\n";
    check(
        "3.0.0",
        "{ $ref: '#/components/schemas/tree' }",
        components,
        &[
            (r#"{"v":1,"kids":[{"v":2,"kids":[{"v":3}]}]}"#, &[]),
            (r#"{"v":1,"kids":[{"v":2,"kids":[{"v":"3"}]}]}"#, &["/kids/0/kids/0/v type"]),
        ],
    );
}

#[test]
fn a_schema_that_asks_itself_about_its_own_value_is_a_gap() {
    let components = "    a: { allOf: [{ $ref: '#/components/schemas/b' }] }\n    b: { oneOf: [{ $ref: \
                      '#/components/schemas/a' }, { type: string }] }\n";
    let (_, contract) =
        compiled(&posting("3.0.0", "{ properties: { x: { $ref: '#/components/schemas/a' } } }", components));
    assert!(contract.operation(0).unwrap().has_request_gap());
    let found = gaps(&contract);
    assert!(
        found.iter().all(|gap| gap.ends_with("schema leads back to itself without going into the value")),
        "{found:?}"
    );
    let (_, contract) = compiled(&posting(
        "3.0.0",
        "{ $ref: '#/components/schemas/c' }",
        "    c: { $ref: '#/components/schemas/c' }\n",
    ));
    assert!(contract.operation(0).unwrap().has_request_gap());
}

#[test]
fn the_property_of_a_discriminator_decides_in_3_0() {
    let components = "    cat: { type: object, required: [kind], properties: { kind: { type: string }, claws: { type: integer } } }\n    \
                      dog: { type: object, required: [kind], properties: { kind: { type: string }, bark: { type: string } } }\n";
    let schema = |version_has_names: &str| {
        format!(
            "{{ oneOf: [{{ $ref: '#/components/schemas/cat' }}, {{ $ref: '#/components/schemas/dog' }}], discriminator: {{ \
             propertyName: kind{version_has_names} }} }}"
        )
    };
    check(
        "3.0.0",
        &schema(", mapping: { hound: '#/components/schemas/dog' }"),
        components,
        &[
            (r#"{"kind":"cat","claws":1}"#, &[]),
            (r#"{"kind":"dog"}"#, &[]),
            (r#"{"kind":"hound","bark":"w"}"#, &[]),
            (r#"{"kind":"cow"}"#, &[" oneOf"]),
            (r#"{"claws":1}"#, &[" oneOf"]),
        ],
    );
    let (_, contract) = compiled(&posting("3.0.0", &schema(""), components));
    assert!(!judged(&contract, r#"{"kind":"dog","claws":1}"#).is_empty());
    // Later versions: it never changes the outcome, so both branches hold and `oneOf` does not.
    check("3.1.0", &schema(""), components, &[(r#"{"kind":"cow","claws":1}"#, &[" oneOf"])]);
}

#[test]
fn a_base_chooses_its_heirs() {
    let components = "    pet: { type: object, required: [kind], properties: { kind: { type: string } }, discriminator: { propertyName: \
                      kind } }\n    cat: { allOf: [{ $ref: '#/components/schemas/pet' }, { properties: { claws: { type: integer } } \
                      }] }\n    lion: { allOf: [{ $ref: '#/components/schemas/cat' }, { properties: { mane: { type: boolean } }, \
                      required: [mane] }] }\n";
    check(
        "3.0.0",
        "{ $ref: '#/components/schemas/pet' }",
        components,
        &[
            (r#"{"kind":"pet"}"#, &[]),
            (r#"{"kind":"cat","claws":1}"#, &[]),
            (r#"{"kind":"lion","claws":1,"mane":true}"#, &[]),
        ],
    );
    let (_, contract) = compiled(&posting("3.0.0", "{ $ref: '#/components/schemas/pet' }", components));
    for body in [
        r#"{"kind":"lion"}"#,
        r#"{"kind":"cat","mane":true}"#,
        r#"{"kind":"pet","claws":1}"#,
        r#"{"kind":"cat","claws":"x"}"#,
        r#"{"kind":"mouse"}"#,
        r#"{"kind":"cat","z":1}"#,
    ] {
        assert!(!judged(&contract, body).is_empty(), "{body}");
    }
}

#[test]
fn unknown_formats_and_keywords_annotate() {
    check("3.0.0", "{ type: string, format: int64-ish, flavour: sweet }", "", &[("\"x\"", &[])]);
    check("3.0.0", "{ type: string, format: uuid }", "", &[("\"x\"", &[" format"])]);
    check("3.1.0", "{ contentEncoding: base64, $comment: c, examples: [1] }", "", &[("\"x\"", &[])]);
}

#[test]
fn questions_are_neither_closed_nor_directed() {
    check(
        "3.0.0",
        "{ type: object, properties: { id: { type: integer, readOnly: true }, a: {} }, not: { properties: { a: { type: object, \
         properties: { b: { enum: [1] } } } }, required: [a] } }",
        "",
        &[(r#"{"a":{"b":2}}"#, &[]), (r#"{"a":{"b":1,"c":1}}"#, &[" not"])],
    );
    check(
        "3.1.0",
        "{ type: object, properties: { a: {}, b: {} }, if: { required: [a] }, then: { required: [b] } }",
        "",
        &[("{}", &[]), (r#"{"a":1}"#, &["/b required"]), (r#"{"a":1,"b":1}"#, &[])],
    );
    check(
        "3.1.0",
        "{ type: array, contains: { type: object, properties: { a: { const: 1 } }, required: [a] } }",
        "",
        &[(r#"[{"a":1,"z":2}]"#, &[]), ("[{}]", &[" contains"])],
    );
}

#[test]
fn a_stated_bound_beyond_the_defaults_is_the_documents() {
    let schema = "{ properties: { long: { type: string, maxLength: 20000 }, silent: { type: string } } }";
    let (_, contract) = compiled(&posting("3.0.0", schema, ""));
    let long = "x".repeat(10_000);
    assert_eq!(judged(&contract, &format!(r#"{{"long":"{long}"}}"#)), Vec::<String>::new());
    assert_eq!(judged(&contract, &format!(r#"{{"silent":"{long}"}}"#)), ["/silent maxLength"]);
    let defaults: Vec<String> = contract.coverage().defaults.iter().map(ToString::to_string).collect();
    assert_eq!(defaults[0], "bytes of a text: at most 8192 where the document states none (1 operations)");
}

#[test]
fn a_property_of_several_members_has_what_they_declare_together() {
    let components = "    base: { type: object, properties: { at: { type: object, properties: { a: { type: integer } } } } }\n";
    check(
        "3.0.0",
        "{ allOf: [{ $ref: '#/components/schemas/base' }, { properties: { at: { type: object, properties: { b: { type: integer } } } } \
         }] }",
        components,
        &[
            (r#"{"at":{"a":1,"b":2}}"#, &[]),
            (r#"{"at":{"a":1,"b":"x"}}"#, &["/at/b type"]),
            (r#"{"at":{"a":1,"c":2}}"#, &["/at/c unevaluatedProperties"]),
            (r#"{"z":1}"#, &["/z unevaluatedProperties"]),
        ],
    );
    check(
        "3.0.0",
        "{ allOf: [{ properties: { b: { properties: { c: {} } } } }], properties: { b: { properties: { d: {} } } } }",
        "",
        &[(r#"{"b":{"c":1,"d":2}}"#, &[]), (r#"{"b":{"e":1}}"#, &["/b/e unevaluatedProperties"])],
    );
}

#[test]
fn properties_of_several_members_are_one_composition_at_every_depth() {
    check(
        "3.0.0",
        "{ allOf: [{ properties: { a: { properties: { b: { properties: { c: { properties: { x: {} } } } } } } } }, { properties: { a: \
         { properties: { b: { properties: { c: { properties: { y: {} } } } } } } } }], properties: { a: { properties: { b: { \
         properties: { d: {} } }, e: { properties: { f: {} } } } } } }",
        "",
        &[
            (r#"{"a":{"b":{"c":{"x":1,"y":2},"d":3},"e":{"f":4}}}"#, &[]),
            (r#"{"a":{"b":{"c":{"z":1}}}}"#, &["/a/b/c/z unevaluatedProperties"]),
            (r#"{"a":{"b":{"z":1}}}"#, &["/a/b/z unevaluatedProperties"]),
            (r#"{"a":{"e":{"z":1}}}"#, &["/a/e/z additionalProperties"]),
            (r#"{"a":{"z":1},"b":1}"#, &["/a/z unevaluatedProperties", "/b unevaluatedProperties"]),
        ],
    );
    // Recursion: the heads of a list, told by two schemas, at every depth of it.
    let components = "    base: { type: object, properties: { id: {}, next: { $ref: '#/components/schemas/base' } } }\n    list: { \
                      allOf: [{ $ref: '#/components/schemas/base' }], properties: { name: {}, next: { $ref: \
                      '#/components/schemas/list' } } }\n";
    check(
        "3.0.0",
        "{ $ref: '#/components/schemas/list' }",
        components,
        &[
            (r#"{"id":1,"name":2,"next":{"id":1,"name":2,"next":{"name":1}}}"#, &[]),
            (r#"{"next":{"next":{"id":1,"z":1}}}"#, &["/next/next/z unevaluatedProperties"]),
        ],
    );
}

/// Members that are shared within are closed; the object around them takes any name, and so has the bound of a free map.
#[test]
fn an_open_object_is_bounded_where_what_it_shares_is_closed() {
    let shared = "allOf: [{ properties: { b: { properties: { c: {} } } } }], properties: { b: { properties: { d: {} } } }";
    let many = (0..600).map(|number| format!("\"n{number}\":1")).collect::<Vec<_>>().join(",");
    for (others, bodies) in [
        (", additionalProperties: true", vec![(many.as_str(), "/open maxProperties"), (r#""n":1"#, "")]),
        (", additionalProperties: false", vec![(r#""n":1"#, "/open/n additionalProperties")]),
    ] {
        let schema = format!(
            "{{ properties: {{ large: {{ type: object, maxProperties: 700 }}, open: {{ type: object, {shared}{others} }} }} }}"
        );
        for (members, expected) in bodies {
            let expected: &[&str] = if expected.is_empty() { &[] } else { &[expected] };
            check("3.1.0", &schema, "", &[(&format!("{{\"open\":{{{members}}}}}"), expected)]);
        }
        let undeclared = r#"{"open":{"b":{"c":1,"d":2,"z":3}}}"#;
        check("3.1.0", &schema, "", &[(undeclared, &["/open/b/z unevaluatedProperties"])]);
    }
}

#[test]
fn items_of_several_members_have_what_they_declare_together() {
    check(
        "3.0.0",
        "{ allOf: [{ properties: { l: { type: array, items: { properties: { a: { type: integer } } } } } }, { properties: { l: { type: \
         array, items: { properties: { b: { type: integer } } } } } }] }",
        "",
        &[
            (r#"{"l":[{"a":1,"b":2},{}]}"#, &[]),
            (r#"{"l":[{},{"a":1,"c":2}]}"#, &["/l/1/c unevaluatedProperties"]),
            (r#"{"l":[{"b":"x"}]}"#, &["/l/0/b type"]),
        ],
    );
    check(
        "3.1.0",
        "{ items: { properties: { a: {} } }, allOf: [{ items: { properties: { b: {} } } }] }",
        "",
        &[
            (r#"[{"a":1,"b":2}]"#, &[]),
            (r#"[{"c":1}]"#, &["/0/c unevaluatedProperties"]),
            (r#"{"c":1}"#, &[]),
        ],
    );
}

#[test]
fn a_property_of_branches_has_what_those_declare_that_hold() {
    let schema = "{ required: [kind], properties: { kind: {} }, oneOf: [{ properties: { kind: { const: 1 }, b: { properties: { c: {} } } } \
                  }, { properties: { kind: { const: 2 }, b: { properties: { d: {} } } } }] }";
    check(
        "3.1.0",
        schema,
        "",
        &[
            (r#"{"kind":1,"b":{"c":1}}"#, &[]),
            (r#"{"kind":2,"b":{"d":1}}"#, &[]),
            (r#"{"kind":1,"b":{"d":1}}"#, &["/b/d unevaluatedProperties"]),
        ],
    );
    // What is not required where it may not be is so within, too.
    check(
        "3.0.0",
        "{ allOf: [{ properties: { b: { required: [id, c], properties: { c: {} } } } }, { properties: { b: { properties: { id: { readOnly: \
         true } } } } }] }",
        "",
        &[(r#"{"b":{"c":1}}"#, &[]), (r#"{"b":{"c":1,"id":1}}"#, &["/b/id readOnly"])],
    );
    // One that says what becomes of further members says so for all.
    check(
        "3.0.0",
        "{ allOf: [{ properties: { b: { properties: { c: {} }, additionalProperties: true } } }, { properties: { b: { properties: { d: {} } \
         } } }] }",
        "",
        &[(r#"{"b":{"c":1,"d":1,"e":1}}"#, &[])],
    );
}

#[test]
fn nested_choices_cost_no_power_of_their_depth() {
    let components = "    node: { anyOf: [{ properties: { all: { items: { $ref: '#/components/schemas/node' } }, x: {} } }, { properties: { \
                      one: { $ref: '#/components/schemas/node' }, y: {} } }] }\n";
    let (_, contract) = compiled(&posting("3.1.0", "{ $ref: '#/components/schemas/node' }", components));
    for (inner, expected) in [("{\"y\":1}", Vec::new()), ("{\"z\":1}", vec!["unevaluatedProperties"])] {
        let body = format!("{}{inner}{}", "{\"all\":[{\"one\":".repeat(18), "}]}".repeat(18));
        let found = judged(&contract, &body);
        let keywords: Vec<&str> =
            found.iter().map(|found| found.rsplit(' ').next().unwrap_or_default()).collect();
        assert_eq!(keywords, expected);
    }
}

#[test]
fn the_only_branch_for_objects_is_closed_by_itself() {
    let components = "    base: { type: object, properties: { id: { type: integer } } }\n";
    check(
        "3.0.0",
        "{ anyOf: [{ type: string, maxLength: 3 }, { $ref: '#/components/schemas/base' }] }",
        components,
        &[("\"abc\"", &[]), (r#"{"id":1}"#, &[]), (r#"{"id":1,"z":1}"#, &["/z additionalProperties"])],
    );
}
