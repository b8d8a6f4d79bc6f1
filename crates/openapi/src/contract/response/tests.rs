use std::collections::BTreeMap;

use super::*;
use crate::contract::{Contract, Options};
use crate::definition::{Bounds, Definition};

/// The contract of one operation, whose 200 is JSON of the schema `Answer`.
fn contract(schemas: &str) -> Contract {
    let text = format!(
        "openapi: 3.1.0
info: {{ title: t, version: '1' }}
paths:
  /:
    get:
      responses:
        '200':
          description: good
          content: {{ application/json: {{ schema: {{ $ref: '#/components/schemas/Answer' }} }} }}
components:
  schemas:
{schemas}"
    );
    compiled(&text)
}

fn compiled(text: &str) -> Contract {
    let documents: BTreeMap<String, Vec<u8>> = [("api.yaml".to_owned(), text.as_bytes().to_vec())].into();
    let definition = Definition::load(&documents, "api.yaml", &Bounds::DEFAULT)
        .unwrap_or_else(|refused| panic!("{:#?}", refused.notices));
    assert!(definition.notices.is_empty(), "{:#?}", definition.notices);
    Contract::compile(&definition, &Options { chooses_branches: true, ..Options::default() })
        .unwrap_or_else(|findings| panic!("{findings:#?}"))
}

fn json_of(contract: &Contract) -> Json {
    let responses = contract.operation(0).expect("an operation").responses();
    let media_type = MediaType::parse(b"application/json").expect("a type");
    match responses.find(200).expect("a response").content(&media_type) {
        Content::Json(json) => json,
        other => panic!("{other:?}"),
    }
}

/// What goes of an answer: its text, or why none of it does.
fn passes(contract: &Contract, said: &str, rules: &Rules<'_>) -> Result<String, String> {
    match contract.judge(0).let_through(json_of(contract), said.as_bytes(), rules) {
        Ok(passed) => {
            Ok(passed.json.map_or_else(|| said.to_owned(), |json| String::from_utf8(json).expect("text")))
        }
        Err(Broken::Violates(found)) => {
            Err(found.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
        }
        Err(Broken::Malformed(fault)) => Err(fault.to_string()),
        Err(broken) => Err(format!("{broken:?}")),
    }
}

fn stripped(contract: &Contract, said: &str) -> Result<String, String> {
    passes(contract, said, &Rules { strips: true, ..Rules::default() })
}

/// What is said, and what goes; `None` where nothing does.
#[track_caller]
fn check(schemas: &str, cases: &[(&str, Option<&str>)]) {
    let contract = contract(schemas);
    for (said, expected) in cases {
        let found = stripped(&contract, said);
        assert_eq!(found.as_deref().ok(), *expected, "{said}: {found:?}");
    }
}

#[test]
fn undeclared_members_are_left_out_and_the_rest_is_copied() {
    check(
        "    Answer:
      type: object
      properties:
        a: { type: number }
        b: { type: array, items: { type: object, properties: { c: { type: string } } } }
        free: { type: object }
        open: { type: object, properties: { x: { type: integer } }, additionalProperties: true }
        map: { type: object, additionalProperties: { type: object, properties: { v: { type: integer } } } }
        any: {}
",
        &[
            ("{}", Some("{}")),
            (r#"{ "a" : 1.50e1 }"#, Some(r#"{ "a" : 1.50e1 }"#)),
            (r#"{ "x": 1, "a" : 1.50e1 }"#, Some(r#"{"a":1.50e1}"#)),
            (r#"{"b":[{"c":"\u0041","d":1},{"e":{}}]}"#, Some(r#"{"b":[{"c":"\u0041"},{}]}"#)),
            (r#"{"free":{"any":{"x":1}},"y":0}"#, Some(r#"{"free":{"any":{"x":1}}}"#)),
            (r#"{"open":{"x":1,"more":[1]},"y":0}"#, Some(r#"{"open":{"x":1,"more":[1]}}"#)),
            (r#"{"map":{"k":{"v":1,"w":2}}}"#, Some(r#"{"map":{"k":{"v":1}}}"#)),
            (r#"{"any":{"x":[{"y":1}]},"z":1}"#, Some(r#"{"any":{"x":[{"y":1}]}}"#)),
            (r#"{"a":"no number","x":1}"#, None),
            (r#"{"a":1,"a":2}"#, None),
            ("[]", None),
        ],
    );
}

/// Bugs of peers: stripping while validating takes away what tells branches apart.
#[test]
fn branches_are_decided_before_anything_is_left_out() {
    let cases: &[(&str, Option<&str>)] = &[
        (r#"{"kind":"cat","lives":9,"bark":true,"x":1}"#, Some(r#"{"kind":"cat","lives":9}"#)),
        (r#"{"kind":"dog","bark":true,"lives":9}"#, Some(r#"{"kind":"dog","bark":true}"#)),
        (r#"{"kind":"cow","lives":9}"#, None),
        (r#"{"lives":9}"#, None),
    ];
    for closed in ["", ", additionalProperties: false"] {
        let animals = format!(
            "    Cat: {{ type: object, required: [kind, lives], properties: {{ kind: {{ const: cat }}, lives: {{ type: integer }} }}{closed} }}
    Dog: {{ type: object, required: [kind, bark], properties: {{ kind: {{ const: dog }}, bark: {{ type: boolean }} }}{closed} }}
"
        );
        for choice in ["oneOf", "anyOf"] {
            let answer = format!(
                "    Answer: {{ {choice}: [{{ $ref: '#/components/schemas/Cat' }}, {{ $ref: '#/components/schemas/Dog' }}] }}\n{animals}"
            );
            check(&answer, cases);
        }
    }
}

#[test]
fn what_any_part_of_a_composition_declares_stays() {
    check(
        "    Answer:
      allOf:
        - { type: object, required: [a], properties: { a: { type: integer } } }
        - { type: object, properties: { b: { type: object, properties: { c: { type: integer } } } } }
      properties: { d: { type: integer } }
",
        &[
            (r#"{"a":1,"b":{"c":1},"d":2}"#, Some(r#"{"a":1,"b":{"c":1},"d":2}"#)),
            (r#"{"a":1,"b":{"c":1,"e":2},"d":2,"f":3}"#, Some(r#"{"a":1,"b":{"c":1},"d":2}"#)),
            (r#"{"b":{"c":1},"f":3}"#, None),
        ],
    );
    check(
        "    Answer:
      anyOf:
        - { type: object, required: [a], properties: { a: { type: integer } } }
        - { type: object, required: [b], properties: { b: { type: integer } } }
",
        &[
            (r#"{"a":1,"b":2,"c":3}"#, Some(r#"{"a":1,"b":2}"#)),
            (r#"{"a":1,"c":3}"#, Some(r#"{"a":1}"#)),
            (r#"{"c":3}"#, None),
        ],
    );
    check(
        "    Answer:
      type: [object, 'null']
      properties: { kind: { type: string } }
      if: { properties: { kind: { const: a } }, required: [kind] }
      then: { properties: { x: { type: integer } } }
      else: { properties: { y: { type: integer } } }
",
        &[
            (r#"{"kind":"a","x":1,"y":2}"#, Some(r#"{"kind":"a","x":1}"#)),
            (r#"{"kind":"b","x":1,"y":2}"#, Some(r#"{"kind":"b","y":2}"#)),
            ("null", Some("null")),
        ],
    );
}

#[test]
fn what_only_requests_may_have_never_leaves() {
    check(
        "    Secret: { type: string, writeOnly: true }
    Answer:
      type: object
      required: [id, password]
      properties:
        id: { type: integer, readOnly: true }
        password: { type: string, writeOnly: true }
        pin: { $ref: '#/components/schemas/Secret' }
        both: { allOf: [{ $ref: '#/components/schemas/Secret' }] }
        open: { type: object, properties: { p: { type: string, writeOnly: true } }, additionalProperties: true }
",
        &[
            (r#"{"id":1}"#, Some(r#"{"id":1}"#)),
            (r#"{"id":1,"password":"p"}"#, Some(r#"{"id":1}"#)),
            (r#"{"id":1,"pin":"p","both":"p"}"#, Some(r#"{"id":1}"#)),
            (r#"{"id":1,"open":{"p":"p","q":1}}"#, Some(r#"{"id":1,"open":{"q":1}}"#)),
            (r#"{"password":"p"}"#, None),
        ],
    );
}

#[test]
fn recursion_ends_where_the_value_does() {
    let contract = contract(
        "    Answer: { type: object, properties: { next: { $ref: '#/components/schemas/Answer' }, of: { oneOf: [{ $ref: '#/components/schemas/Answer' }, { type: 'null' }] } } }\n",
    );
    let said = format!("{}{{\"x\":1}}{}", r#"{"of":{"next":"#.repeat(20), "}}".repeat(20));
    let expected = said.replace(r#"{"x":1}"#, "{}");
    assert_eq!(stripped(&contract, &said).as_deref(), Ok(&*expected));
    let deep = format!("{}{{}}{}", r#"{"next":"#.repeat(70), "}".repeat(70));
    assert!(stripped(&contract, &deep).is_err());
}

#[test]
fn values_of_a_class_are_masked_by_their_kind_and_texts_are_removed() {
    let contract = contract(
        "    Answer:
      type: object
      properties:
        s: { type: string, format: email, x-data-class: pii }
        n: { type: [integer, 'null'], x-data-class: pii }
        b: { type: boolean, x-data-class: secret }
        l: { type: array, x-data-class: pii, items: { type: string } }
        o: { type: object, x-data-class: pii, properties: { x: { type: string } } }
        d: { type: string, description: plain }
        c: { oneOf: [{ type: object, required: [k], properties: { k: { type: string, x-data-class: pii } } }, { type: string }] }
",
    );
    let masked: Vec<Box<str>> = vec!["pii".into()];
    let evil = |text: &str| text.contains("evil");
    let rules = Rules { strips: true, masked: &masked, is_removed: Some(&evil) };
    for (said, expected) in [
        (
            r#"{"s":"a@b.example","n":7,"b":true,"l":["x"],"o":{"x":"y"}}"#,
            r#"{"s":"***","n":0,"b":true,"l":[],"o":{}}"#,
        ),
        (r#"{"n":null,"d":"good","c":{"k":"v"}}"#, r#"{"n":null,"d":"good","c":{"k":"***"}}"#),
        (r#"{"d":"so ev\u0069l","c":"x","q":1}"#, r#"{"d":"[removed]","c":"x"}"#),
        (r#"{ "d":"good" }"#, r#"{ "d":"good" }"#),
    ] {
        assert_eq!(passes(&contract, said, &rules).as_deref(), Ok(expected), "{said}");
    }
    // Nobody is told whether a value that is masked is what it should be by its being masked.
    assert!(passes(&contract, r#"{"s":"no address"}"#, &rules).is_err());
}

#[test]
fn what_does_not_conform_is_told_by_names() {
    let contract = contract(
        "    Answer: { type: object, properties: { a: { type: array, items: { type: object, properties: { b: { type: integer } } } } } }\n",
    );
    let said = br#"{"a":[{"b":1},{"c":2,"b":3}],"d~/e":4}"#;
    let names = contract.judge(0).undeclared(json_of(&contract), said);
    let names: Vec<&str> = names.iter().map(|name| &**name).collect();
    assert_eq!(names, ["/a/1/c", "/d~0~1e"]);
    assert!(contract.judge(0).judge(json_of(&contract), said).is_err());
    assert!(contract.judge(0).judge(json_of(&contract), br#"{"a":[]}"#).is_ok());
    assert!(passes(&contract, r#"{"x":1}"#, &Rules::default()).is_err(), "nothing is left out unasked");
}

#[test]
fn the_response_that_says_most_of_a_status_is_meant() {
    let contract = compiled(
        "openapi: 3.0.3
info: { title: t, version: '1' }
paths:
  /:
    get:
      responses:
        default: { description: d, content: { 'application/*': {} } }
        4XX: { description: c, content: { text/plain: {}, 'application/*+json': { schema: { type: object } } } }
        '404':
          description: s
          headers: { X-Reason: { schema: { type: string } } }
          content: { application/problem+json: { schema: { type: object } }, application/xml: { schema: { type: object } } }
        '204': { description: nothing }
",
    );
    let responses = contract.operation(0).expect("an operation").responses();
    let content = |status: u16, media_type: &str| {
        let media_type = MediaType::parse(media_type.as_bytes()).expect("a type");
        match responses.find(status).map(|declared| declared.content(&media_type)) {
            None => "status",
            Some(Content::Undeclared) => "undeclared",
            Some(Content::Opaque) => "opaque",
            Some(Content::Json(_)) => "json",
        }
    };
    for (status, media_type, expected) in [
        (404, "application/problem+json", "json"),
        (404, "application/problem+json; charset=utf-8", "json"),
        (404, "application/json", "undeclared"),
        (404, "application/xml", "opaque"),
        (400, "application/problem+json", "json"),
        (400, "text/plain", "opaque"),
        (400, "text/html", "undeclared"),
        (500, "application/json", "opaque"),
        (500, "text/html", "undeclared"),
        (204, "application/json", "undeclared"),
    ] {
        assert_eq!(content(status, media_type), expected, "{status} {media_type}");
    }
    assert!(responses.find(404).is_some_and(|declared| declared.has_field("x-reason")));
    assert!(responses.find(204).is_some_and(|declared| !declared.has_content()));
    assert!(responses.has_json() && !responses.is_empty());
}

#[test]
fn a_discriminator_that_decides_names_the_branch() {
    let contract = compiled(
        "openapi: 3.0.3
info: { title: t, version: '1' }
paths:
  /: { get: { responses: { '200': { description: good, content: { application/json: { schema: { $ref: '#/components/schemas/Answer' } } } } } } }
components:
  schemas:
    Answer:
      oneOf: [{ $ref: '#/components/schemas/Cat' }, { $ref: '#/components/schemas/Dog' }]
      discriminator: { propertyName: kind, mapping: { cat: '#/components/schemas/Cat' } }
    Cat: { type: object, required: [kind], properties: { kind: { type: string }, lives: { type: integer } } }
    Dog: { type: object, required: [kind], properties: { kind: { type: string }, bark: { type: boolean } } }
",
    );
    for (said, expected) in [
        (r#"{"kind":"cat","lives":9,"bark":true}"#, Some(r#"{"kind":"cat","lives":9}"#)),
        (r#"{"kind":"Dog","lives":9,"bark":true}"#, Some(r#"{"kind":"Dog","bark":true}"#)),
        (r#"{"kind":"cow","lives":9}"#, None),
    ] {
        assert_eq!(stripped(&contract, said).as_deref().ok(), expected, "{said}");
    }
}

#[test]
fn heirs_of_a_schema_that_chooses_are_stripped_as_what_they_are() {
    let contract = compiled(
        "openapi: 3.0.3
info: { title: t, version: '1' }
paths:
  /: { get: { responses: { '200': { description: good, content: { application/json: { schema: { $ref: '#/components/schemas/Pet' } } } } } } }
components:
  schemas:
    Pet:
      type: object
      required: [kind]
      properties: { kind: { type: string } }
      discriminator: { propertyName: kind }
    Cat: { allOf: [{ $ref: '#/components/schemas/Pet' }, { type: object, properties: { lives: { type: integer } } }] }
    Dog: { allOf: [{ $ref: '#/components/schemas/Pet' }, { type: object, properties: { bark: { type: boolean } } }] }
",
    );
    let said = r#"{"kind":"Cat","lives":9,"bark":true}"#;
    assert_eq!(stripped(&contract, said).as_deref().ok(), Some(r#"{"kind":"Cat","lives":9}"#));
}
