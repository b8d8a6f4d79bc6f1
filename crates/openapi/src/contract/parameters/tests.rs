//! Heads judged by whole definitions; what single parameters are read as is asked by `docs/parameters.md`.

use crate::contract::{Contract, HeadFields, OperationOptions, Options, RequestHead, Undeclared, Violations};
use crate::definition::{Bounds, Definition};
use crate::matcher::Span;

mod bench;

struct Fields(&'static [(&'static str, &'static str)]);

impl HeadFields for Fields {
    fn each<'s>(&'s self, name: &str, take: &mut dyn FnMut(&'s [u8])) {
        self.0.iter().filter(|(own, _)| *own == name).for_each(|(_, value)| take(value.as_bytes()));
    }
}

const DOCUMENT: &str = "
openapi: 3.1.0
info: { title: t, version: '1' }
paths:
  /things/{id}:
    get:
      security: [{ key: [] }]
      parameters:
        - { in: path, name: id, required: true, schema: { type: integer, minimum: 1 } }
        - { in: query, name: page, schema: { type: integer, minimum: 1, maximum: 100 } }
        - { in: query, name: sort, explode: false, schema: { type: array, maxItems: 2, items: { enum: [name, age] } } }
        - { in: query, name: filter, style: deepObject, schema: { type: object, properties: { a: { type: object, properties: { b: { type: boolean } } }, l: { type: array, items: { type: string } } } } }
        - { in: header, name: X-Trace, schema: { type: string, pattern: '^[0-9a-f]+$' } }
        - { in: header, name: Accept, required: true, schema: { type: integer } }
        - { in: cookie, name: session, required: true, schema: { type: string, minLength: 4 } }
      responses: { '200': { description: ok } }
components:
  securitySchemes:
    key: { type: apiKey, in: query, name: key }
    other: { type: apiKey, in: query, name: other }
";

fn compiled(text: &str, options: &Options) -> Contract {
    let documents: std::collections::BTreeMap<String, Vec<u8>> =
        [("api.yaml".to_owned(), text.as_bytes().to_vec())].into();
    let definition = Definition::load(&documents, "api.yaml", &Bounds::DEFAULT).expect("a definition");
    assert_eq!(definition.refused, 0, "{:#?}", definition.notices);
    Contract::compile(&definition, options).expect("a contract")
}

/// What is wrong with a request to `/things/{id}`.
#[track_caller]
fn judged(
    contract: &Contract,
    id: &str,
    query: &str,
    fields: &'static [(&'static str, &'static str)],
) -> Vec<String> {
    let operation = contract.operation(0).expect("an operation");
    assert!(!operation.has_request_gap(), "{:?}", operation.gaps());
    let path = format!("/things/{id}");
    let head = RequestHead {
        path: &path,
        spans: &[Span { start: 8, end: path.len() }],
        query: Some(query),
        fields: &Fields(fields),
        others: &["ours".into()],
    };
    let mut found = Violations::new();
    operation.judge_head(&head, &mut found);
    found.iter().map(ToString::to_string).collect()
}

const SESSION: &[(&str, &str)] = &[("cookie", "session=abcd")];

#[test]
fn what_is_right_passes() {
    let contract = compiled(DOCUMENT, &Options::default());
    let query = "page=2&sort=name,age&filter[a][b]=true&filter%5Bl%5D=x&key=secret&ours=1";
    let none: [String; 0] = [];
    assert_eq!(judged(&contract, "7", query, &[("x-trace", "0af"), ("cookie", "session=abcd; x=y")]), none);
    assert_eq!(judged(&contract, "7", "", SESSION), none);
}

#[test]
fn each_finding_has_its_place_and_what_is_right_beside_it_is_judged_all_the_same() {
    let contract = compiled(DOCUMENT, &Options::default());
    let query = "page=0&page=%zz&sort=name,size,age&filter[a][b]=1&other=secret&nobody=x";
    assert_eq!(
        judged(&contract, "0", query, &[("x-trace", "xyz")]),
        [
            "query other: undeclared",
            "query nobody: undeclared",
            "query page: repeated",
            "cookie session: required",
            "path id: minimum",
            "query sort: maxItems",
            "query sort at /1: enum",
            "query filter at /a/b: type",
            "header X-Trace: pattern",
        ]
    );
    // What is not there below a deep object is not there by its schema.
    assert_eq!(
        judged(&contract, "1", "filter[a][x]=1&filter[y][z]=1", SESSION),
        ["query filter at /a/x: additionalProperties", "query filter at /y: additionalProperties"]
    );
}

#[test]
fn names_that_nobody_declared_are_shown_cut_and_without_control_characters() {
    let contract = compiled(DOCUMENT, &Options::default());
    let query = format!("a%0Ab=1&{}=2", "n".repeat(70));
    let shown = ["query a\u{fffd}b: undeclared".to_owned(), format!("query {}…: undeclared", "n".repeat(64))];
    assert_eq!(judged(&contract, "1", &query, SESSION), shown);
}

#[test]
fn undeclared_names_pass_where_they_may_but_not_as_another_name_for_a_declared_one() {
    let own = OperationOptions { undeclared: Undeclared::Pass, limits: None };
    let options = Options { operations: [(0, own)].into(), ..Options::default() };
    let contract = compiled(DOCUMENT, &options);
    assert_eq!(
        judged(&contract, "1", "nobody=1&page[]=2&sort[0]=x&filter[x]=1", SESSION),
        ["query page[]: ambiguous", "query sort[0]: ambiguous"]
    );
}

#[test]
fn a_flood_of_pairs_or_brackets_is_refused() {
    let contract = compiled(DOCUMENT, &Options::default());
    let many = "filter[l]=x&".repeat(101);
    assert_eq!(judged(&contract, "1", &many, SESSION), ["query_string: limit"]);
    let deep = format!("filter{}=x", "[a]".repeat(100));
    assert_eq!(judged(&contract, "1", &deep, SESSION), ["query filter: limit"]);
    let long = format!("page={}", "1".repeat(41));
    assert_eq!(judged(&contract, "1", &long, SESSION), ["query page: limit"]);
    let long = format!("filter[l]={}", "x".repeat(9000));
    assert_eq!(judged(&contract, "1", &long, SESSION), ["query filter: limit"]);
}

/// The gaps of a document with one operation that has these parameters.
fn gaps(parameters: &str) -> Vec<String> {
    let text = format!(
        "openapi: 3.1.0\ninfo: {{ title: t, version: '1' }}\npaths:\n  /a:\n    get:\n      parameters:\n{parameters}\n      responses: {{}}\n"
    );
    let contract = compiled(&text, &Options::default());
    contract.operation(0).expect("an operation").gaps().iter().map(ToString::to_string).collect()
}

#[test]
fn a_field_that_is_declared_twice_is_what_both_say() {
    let line = "        - { in: header, name: X-Trace, schema: { type: string, pattern: '^[0-9a-f]+$' } }\n";
    let other = "        - { in: header, name: x-trace, schema: { type: string, maxLength: 3 } }\n";
    let contract = compiled(&DOCUMENT.replace(line, &format!("{line}{other}")), &Options::default());
    let none: [String; 0] = [];
    assert_eq!(judged(&contract, "7", "", &[("x-trace", "0af"), ("cookie", "session=abcd")]), none);
    for wrong in [
        &[("x-trace", "0afe"), ("cookie", "session=abcd")],
        &[("x-trace", "tea"), ("cookie", "session=abcd")],
    ] {
        assert_eq!(judged(&contract, "7", "", wrong).len(), 1, "{wrong:?}");
    }
}

#[test]
fn declarations_that_take_each_others_names_are_gaps() {
    let object = "schema: { type: object, properties: { a: { type: string } } }";
    let open = "schema: { type: object, additionalProperties: { type: string } }";
    for (parameters, why) in [
        (
            format!(
                "        - {{ in: query, name: a, schema: {{}} }}\n        - {{ in: query, name: o, {object} }}"
            ),
            "has a name that another parameter takes, too",
        ),
        (
            "        - { in: query, name: a, schema: { type: integer } }\n        - { in: query, name: a, schema: { type: string } }"
                .to_owned(),
            "has a name that another parameter takes, too",
        ),
        (
            format!("        - {{ in: query, name: o, {open} }}\n        - {{ in: query, name: p, {open} }}"),
            "takes all names that nobody declared, as another parameter does",
        ),
        (
            format!(
                "        - {{ in: query, name: o, style: deepObject, {object} }}\n        - {{ in: query, name: 'o[a]', schema: {{}} }}"
            ),
            "is a deep object, and names that begin like its parts are declared beside it",
        ),
    ] {
        let gaps = gaps(&parameters);
        assert!(matches!(&*gaps, [gap] if gap.ends_with(why)), "{parameters}: {gaps:?}");
    }
    assert_eq!(
        gaps(
            "        - { in: query, name: 'o[a]', schema: {} }\n        - { in: query, name: 'o.b', schema: {} }"
        ),
        [""; 0]
    );
}
