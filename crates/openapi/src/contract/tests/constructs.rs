//! One of every construct: each is enforced, or says that it is not.

use super::{compiled, judged, posting};
use crate::definition::CONSTRAINING_KEYWORDS;

/// A keyword, a schema with it, and a body that only this keyword refuses. Of each, 3.1 has the form of 2020-12.
const KEYWORDS: &[(&str, &str, &str)] = &[
    ("$ref", "{ $ref: '#/components/schemas/short' }", "\"abc\""),
    ("$dynamicRef", "{ $dynamicRef: '#short' }", "\"abc\""),
    ("type", "{ type: string }", "1"),
    ("format", "{ format: uuid }", "\"abc\""),
    ("enum", "{ enum: [1] }", "2"),
    ("const", "{ const: 1 }", "2"),
    ("multipleOf", "{ multipleOf: 2 }", "3"),
    ("minimum", "{ minimum: 2 }", "1"),
    ("maximum", "{ maximum: 2 }", "3"),
    ("exclusiveMinimum", "{ exclusiveMinimum: 2 }", "2"),
    ("exclusiveMaximum", "{ exclusiveMaximum: 2 }", "2"),
    ("minLength", "{ minLength: 2 }", "\"a\""),
    ("maxLength", "{ maxLength: 2 }", "\"abc\""),
    ("pattern", "{ pattern: '^a' }", "\"b\""),
    ("items", "{ items: { type: string } }", "[1]"),
    ("prefixItems", "{ prefixItems: [{ type: string }] }", "[1]"),
    ("additionalItems", "{ items: [{}], additionalItems: { type: string } }", "[1, 1]"),
    ("contains", "{ contains: { type: string } }", "[1]"),
    ("minContains", "{ contains: { type: string }, minContains: 2 }", "[\"a\"]"),
    ("maxContains", "{ contains: { type: string }, maxContains: 1 }", "[\"a\", \"b\"]"),
    ("minItems", "{ minItems: 2 }", "[1]"),
    ("maxItems", "{ maxItems: 1 }", "[1, 2]"),
    ("uniqueItems", "{ uniqueItems: true }", "[1, 1]"),
    ("unevaluatedItems", "{ prefixItems: [{}], unevaluatedItems: false }", "[1, 2]"),
    ("properties", "{ properties: { a: { type: string } } }", "{\"a\": 1}"),
    ("patternProperties", "{ patternProperties: { '^a': { type: string } } }", "{\"ab\": 1}"),
    ("additionalProperties", "{ additionalProperties: { type: string } }", "{\"a\": 1}"),
    ("propertyNames", "{ propertyNames: { maxLength: 1 } }", "{\"ab\": 1}"),
    ("required", "{ required: [a] }", "{}"),
    ("dependencies", "{ dependencies: { a: [b] } }", "{\"a\": 1}"),
    ("dependentRequired", "{ dependentRequired: { a: [b] } }", "{\"a\": 1}"),
    ("dependentSchemas", "{ dependentSchemas: { a: { required: [b] } } }", "{\"a\": 1}"),
    ("minProperties", "{ minProperties: 1 }", "{}"),
    ("maxProperties", "{ maxProperties: 1 }", "{\"a\": 1, \"b\": 1}"),
    ("unevaluatedProperties", "{ anyOf: [{}], unevaluatedProperties: false }", "{\"a\": 1}"),
    ("allOf", "{ allOf: [{ type: string }, { enum: [a] }] }", "\"b\""),
    ("anyOf", "{ anyOf: [{ type: string }, { type: integer }] }", "true"),
    ("oneOf", "{ oneOf: [{ type: number }, { type: integer }] }", "1"),
    ("not", "{ not: { type: string } }", "\"a\""),
    ("if", "{ if: { type: string }, then: { maxLength: 1 } }", "\"ab\""),
    ("then", "{ if: { type: string }, then: { maxLength: 1 } }", "\"ab\""),
    ("else", "{ if: { type: string }, else: { type: integer } }", "true"),
    ("readOnly", "{ properties: { a: { readOnly: true } } }", "{\"a\": 1}"),
];

/// Constructs that nothing enforces, and the gap that says so.
const GAPS: &[(&str, &str)] = &[
    ("{ $ref: '#/nowhere' }", "$ref `#/nowhere` leads to nothing"),
    (
        "{ $ref: 'https://x.example/a' }",
        "$ref `https://x.example/a`: references to other hosts or absolute paths are not followed",
    ),
    ("{ $recursiveRef: '#' }", "$recursiveRef is not enforced"),
    ("{ pattern: '(' }", "pattern no engine here takes the pattern"),
    (
        "{ patternProperties: { '(?=a)(': {} } }",
        "patternProperties no engine here takes the pattern for names",
    ),
    ("{ type: strin }", "type expected a type of JSON Schema, found \"strin\""),
    ("{ maxLength: many }", "maxLength expected a whole number from 0 on, found \"many\""),
    ("{ properties: [] }", "properties expected a mapping of schemas by name, found a list"),
    ("{ allOf: {} }", "allOf expected a list of schemas, found a mapping"),
    ("{ items: 5 }", "schema expected a schema, found the number 5"),
    ("{ enum: [123456789012345678901234567890] }", "enum holds a number that cannot be compared exactly"),
    ("{ $schema: 'https://x.example/s' }", "$schema is \"https://x.example/s\", which is not known here"),
    ("{ required: true }", "required expected a list of names, found `true`"),
];

const COMPONENTS: &str = "    short: { $dynamicAnchor: short, maxLength: 2 }\n";

#[test]
fn every_keyword_that_constrains_is_enforced() {
    for (keyword, schema, body) in KEYWORDS {
        let (_, contract) = compiled(&posting("3.1.0", schema, COMPONENTS));
        assert_eq!(super::gaps(&contract), Vec::<String>::new(), "{keyword}");
        assert_ne!(judged(&contract, body), Vec::<String>::new(), "{keyword} lets {body} pass");
    }
    // These two say more where another keyword stands, and have tests of their own.
    let elsewhere = ["discriminator", "writeOnly", "nullable"];
    for keyword in CONSTRAINING_KEYWORDS {
        let is_shown = KEYWORDS.iter().any(|(own, ..)| own == keyword) || elsewhere.contains(keyword);
        assert!(is_shown, "`{keyword}` is not shown to be enforced");
    }
}

#[test]
fn what_is_not_enforced_is_a_gap() {
    for (schema, expected) in GAPS {
        let (_, contract) = compiled(&posting("3.1.0", schema, COMPONENTS));
        let gaps = super::gaps(&contract);
        assert!(contract.operation(0).unwrap().has_request_gap(), "{schema}");
        assert!(gaps.len() == 1 && gaps[0].ends_with(expected), "{schema}: {gaps:?}");
    }
}

#[test]
fn a_gap_of_responses_refuses_no_request() {
    let text = "openapi: 3.1.0\ninfo: { title: t, version: '1' }\npaths:\n  /a:\n    get:\n      responses:\n        200:\n          \
                description: d\n          content: { application/json: { schema: { pattern: '(' } } }\n";
    let (_, contract) = compiled(text);
    assert!(!contract.operation(0).unwrap().has_request_gap());
    assert_eq!(super::gaps(&contract).len(), 1);
}

#[test]
fn a_dialect_that_is_not_known_is_a_gap_of_everything() {
    let text = posting("3.1.0\njsonSchemaDialect: https://x.example/dialect", "{ type: string }", "");
    let (_, contract) = compiled(&text);
    assert!(contract.operation(0).unwrap().has_request_gap());
    let text = posting(
        "3.1.0\njsonSchemaDialect: https://spec.openapis.org/oas/3.1/dialect/base",
        "{ type: string }",
        "",
    );
    let (_, contract) = compiled(&text);
    assert!(!contract.operation(0).unwrap().has_request_gap());
}

#[test]
fn a_long_chain_of_schemas_compiles() {
    let mut components = String::new();
    for at in 0..2100 {
        let next = at + 1;
        components += &format!(
            "    s{at}: {{ properties: {{ a: {{ $ref: '#/components/schemas/s{next}' }} }} }}\n    t{at}: {{ allOf: [{{ $ref: \
             '#/components/schemas/t{next}' }}] }}\n"
        );
    }
    components += "    s2100: { type: string }\n    t2100: { type: string }\n";
    let (_, contract) = compiled(&posting("3.0.0", "{ $ref: '#/components/schemas/s0' }", &components));
    assert_eq!(judged(&contract, r#"{"a":{"a":{"b":1}}}"#), ["/a/a/b additionalProperties"]);
    // So many schemas about one value are more than is looked through.
    let (_, contract) = compiled(&posting("3.0.0", "{ $ref: '#/components/schemas/t0' }", &components));
    assert!(contract.operation(0).unwrap().has_request_gap());
}
