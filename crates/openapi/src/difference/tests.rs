//! Pairs of documents and what is told of them.

use std::collections::BTreeMap;

use super::{Change, Limits, Verdict, algebra, between, verdict};
use crate::definition::{Bounds, Definition};

mod corpus;
mod large;

fn load(name: &str, text: &str) -> Definition {
    let documents = BTreeMap::from([(name.to_owned(), text.as_bytes().to_vec())]);
    Definition::load(&documents, name, &Bounds::DEFAULT)
        .unwrap_or_else(|refused| panic!("{:#?}", refused.notices))
}

fn compare(old: &str, new: &str) -> Vec<Change> {
    let (old, new) = (load("old.yaml", old), load("new.yaml", new));
    between(&old, &new, &Limits::DEFAULT, &mut |question| algebra::answer(&question))
}

/// What is told, without the words: `breaking rule | part | pointer`.
fn told(changes: &[Change]) -> Vec<String> {
    let line = |it: &Change| {
        let verdict = match it.verdict {
            Verdict::Breaking => "breaking",
            Verdict::Unknown => "unknown",
            Verdict::Safe => "safe",
        };
        format!("{verdict} {} | {} | {}", it.rule, it.part, it.pointer)
    };
    changes.iter().map(line).collect()
}

/// A document with one operation, `POST /things/{id}`, and what stands in it.
fn document(operation: &str) -> String {
    format!(
        "openapi: 3.1.0\ninfo: {{ title: T, version: '1' }}\npaths:\n  /things/{{id}}:\n    parameters: [{{ name: id, in: path, required: true, schema: {{ type: string }} }}]\n    post:\n{}",
        operation.lines().map(|line| format!("      {line}\n")).collect::<String>()
    )
}

const ANSWER: &str = "responses: { '200': { description: ok } }";

#[track_caller]
fn check(old: &str, new: &str, expected: &[&str]) {
    let with = |text: &str| {
        if text.contains("responses:") { document(text) } else { document(&format!("{text}\n{ANSWER}")) }
    };
    let changes = compare(&with(old), &with(new));
    assert_eq!(told(&changes), expected, "{changes:#?}");
    for change in &changes {
        assert!(change.old.is_some() || change.new.is_some(), "{change:#?} has no place");
    }
}

fn body(schema: &str) -> String {
    format!("requestBody: {{ content: {{ application/json: {{ schema: {schema} }} }} }}")
}

fn answer(schema: &str) -> String {
    format!(
        "responses: {{ '200': {{ description: ok, content: {{ application/json: {{ schema: {schema} }} }} }} }}"
    )
}

#[test]
fn a_document_against_itself_has_no_findings() {
    check("", "", &[]);
    let schema =
        body("{ $ref: '#/paths/~1things~1{id}/post/responses/200/content/application~1json/schema' }");
    let tree = "responses: { '200': { description: ok, content: { application/json: { schema: { type: object, properties: { next: { $ref: '#/paths/~1things~1{id}/post/responses/200/content/application~1json/schema' }, any: { oneOf: [ { type: string }, { type: integer } ] } } } } } } }";
    let whole = format!("{schema}\n{tree}");
    check(&whole, &whole, &[]);
}

#[test]
fn operations_come_and_go() {
    let two = format!(
        "openapi: 3.0.3\ninfo: {{ title: T, version: '1' }}\npaths: {{ '/a/{{x}}': {{ get: {{ parameters: [{{ name: x, in: path, required: true, schema: {{ type: string }} }}], {ANSWER} }}, put: {{ parameters: [{{ name: x, in: path, required: true, schema: {{ type: string }} }}], {ANSWER} }} }} }}"
    );
    let one = two.replace("{x}", "{y}").replace("name: x", "name: y");
    assert_eq!(
        told(&compare(&two, &one)),
        Vec::<String>::new(),
        "what a path's parameter is called is not seen"
    );
    let fewer = format!(
        "openapi: 3.0.3\ninfo: {{ title: T, version: '1' }}\npaths: {{ /b: {{ get: {{ {ANSWER} }} }} }}"
    );
    let changes = compare(&two, &fewer);
    assert_eq!(
        told(&changes),
        [
            "breaking operation-removed |  | ",
            "breaking operation-removed |  | ",
            "safe operation-added |  | "
        ]
    );
    assert_eq!(&*changes[0].operation, "GET /a/{x}");
    assert_eq!(verdict(&changes), Verdict::Breaking);
    let place = changes[0].old.as_ref().expect("a place");
    assert_eq!((&*place.file, place.line), ("old.yaml", 3));
}

#[test]
fn parameters() {
    let query = |text: &str| format!("parameters: [{text}]");
    let plain = query("{ name: q, in: query, schema: { type: string } }");
    let required = query("{ name: q, in: query, required: true, schema: { type: string } }");
    check(&plain, &required, &["breaking parameter-required | query parameter `q` | "]);
    check(&required, &plain, &["safe parameter-optional | query parameter `q` | "]);
    check("", &required, &["breaking parameter-added | query parameter `q` | "]);
    check("", &plain, &["safe parameter-added | query parameter `q` | "]);
    check(&plain, "", &["breaking parameter-removed | query parameter `q` | "]);
    let field = query("{ name: X-Q, in: header, schema: { type: string } }");
    check(&field, "", &["safe parameter-removed | header parameter `X-Q` | "]);
    check(&field, &field.replace("X-Q", "x-q"), &[]);
    let longest = query("{ name: q, in: query, schema: { type: string, maxLength: 5 } }");
    check(&plain, &longest, &["breaking request-narrowed | query parameter `q` | "]);
    check(&longest, &plain, &["safe schema-changed | query parameter `q` | "]);
    let list = |style: &str| {
        query(&format!(
            "{{ name: q, in: query, {style}, schema: {{ type: array, items: {{ type: string }} }} }}"
        ))
    };
    check(
        &list("explode: true"),
        &list("explode: false"),
        &["breaking parameter-style | query parameter `q` | "],
    );
    check(&list("explode: true"), &list("style: form"), &[]);
    let scalar = query("{ name: q, in: query, explode: false, schema: { type: string } }");
    check(&plain, &scalar, &[]);
    let default = query("{ name: q, in: query, schema: { type: string, default: a } }");
    check(&plain, &default, &["unknown default-changed | query parameter `q` | "]);
}

#[test]
fn bodies() {
    let one = body("{ type: object, properties: { a: { type: string } } }");
    check("", &one, &["safe body-added | request body | "]);
    check(&one, "", &["breaking body-removed | request body | "]);
    let required = one.replace("requestBody: {", "requestBody: { required: true,");
    check(&one, &required, &["breaking body-required | request body | "]);
    check("", &required, &["breaking body-required | request body | "]);
    let text = one.replace("application/json", "text/plain");
    check(
        &one,
        &text,
        &[
            "breaking media-type-removed | request body application/json | ",
            "safe media-type-added | request body text/plain | ",
        ],
    );
    check(
        &one,
        &one.replace("application/json", "application/*"),
        &["safe media-type-added | request body application/* | "],
    );
}

#[test]
fn a_finding_names_the_member_and_shows_a_value() {
    let old = body(
        "{ type: object, properties: { list: { type: array, items: { type: object, properties: { price: { type: number } } } } } }",
    );
    let new = old.replace("type: number", "type: number, maximum: 100");
    let changes = compare(&document(&format!("{old}\n{ANSWER}")), &document(&format!("{new}\n{ANSWER}")));
    assert_eq!(told(&changes), ["breaking request-narrowed | request body application/json | /list/*/price"]);
    let witness = changes[0].witness.as_ref().and_then(serde_json::Value::as_f64).expect("a number");
    assert!(witness > 100.0, "{witness}");
    assert!(changes[0].lost.is_some());
    assert!(changes[0].why.contains("`maximum` 100 is new"), "{}", changes[0].why);
}

#[test]
fn members_of_requests() {
    let old = body("{ type: object, properties: { a: { type: string }, b: { type: string } } }");
    let without = body("{ type: object, properties: { a: { type: string } } }");
    check(&old, &without, &["breaking member-removed | request body application/json | "]);
    check(&without, &old, &["safe member-added | request body application/json | /b"]);
    let required =
        body("{ type: object, required: [b], properties: { a: { type: string }, b: { type: string } } }");
    check(&old, &required, &["breaking member-required | request body application/json | "]);
    check(&required, &old, &["safe member-requirement | request body application/json | "]);
    let read_only =
        body("{ type: object, properties: { a: { type: string }, b: { type: string, readOnly: true } } }");
    check(&old, &read_only, &["breaking member-removed | request body application/json | "]);
    let closed = body(
        "{ type: object, additionalProperties: false, properties: { a: { type: string }, b: { type: string } } }",
    );
    check(&old, &closed, &["unknown members-closed | request body application/json | "]);
    check(&closed, &old, &["safe members-opened | request body application/json | "]);
    let open = body(
        "{ type: object, additionalProperties: true, properties: { a: { type: string }, b: { type: string } } }",
    );
    check(&open, &closed, &["breaking members-closed | request body application/json | "]);
    let map = |schema: &str| body(&format!("{{ type: object, additionalProperties: {schema} }}"));
    check(
        &map("{ type: string }"),
        &map("{ type: string, maxLength: 3 }"),
        &["breaking request-narrowed | request body application/json | /*"],
    );
}

#[test]
fn members_of_responses() {
    let old =
        answer("{ type: object, required: [a], properties: { a: { type: string }, b: { type: string } } }");
    let more = answer(
        "{ type: object, required: [a], properties: { a: { type: string }, b: { type: string }, c: {} } }",
    );
    check(&old, &more, &["safe member-added | response 200 application/json | /c"]);
    check(&more, &old, &["safe member-removed | response 200 application/json | /c"]);
    let optional = answer("{ type: object, properties: { a: { type: string }, b: { type: string } } }");
    check(&old, &optional, &["breaking member-not-promised | response 200 application/json | "]);
    let wider = answer(
        "{ type: object, required: [a], properties: { a: { type: string }, b: { type: [string, 'null'] } } }",
    );
    check(&old, &wider, &["breaking response-widened | response 200 application/json | /b"]);
    check(&wider, &old, &["safe schema-changed | response 200 application/json | /b"]);
}

#[test]
fn responses() {
    let ok = "responses: { '200': { description: ok }, '404': { description: none } }";
    check(
        ok,
        "responses: { '201': { description: ok } }",
        &[
            "breaking response-removed | response 200 | ",
            "unknown response-added | response 201 | ",
            "safe response-removed | response 404 | ",
        ],
    );
    check(
        ok,
        "responses: { '2XX': { description: ok }, default: { description: e } }",
        &[
            // Others of its class may come now.
            "unknown response-added | response 2XX | ",
            "safe response-added | response default | ",
        ],
    );
    let fields = "responses: { '200': { description: ok, headers: { X-A: { required: true, schema: { type: string } } } } }";
    check(fields, ANSWER, &["breaking header-removed | response 200 header `X-A` | "]);
    check(ANSWER, fields, &["safe header-added | response 200 header `X-A` | "]);
    check(
        fields,
        &fields.replace("required: true, ", ""),
        &["breaking header-not-promised | response 200 header `X-A` | "],
    );
}

#[test]
fn compositions_are_compared_as_a_whole() {
    let one = answer("{ oneOf: [ { type: string } ] }");
    let two = answer("{ oneOf: [ { type: string }, { type: integer } ] }");
    check(&one, &two, &["breaking response-widened | response 200 application/json | "]);
    check(&two, &one, &["safe schema-changed | response 200 application/json | "]);
    let flat =
        body("{ type: object, required: [id], properties: { id: { type: integer }, n: { type: string } } }");
    let parts = body(
        "{ allOf: [ { type: object, required: [id], properties: { id: { type: integer } } }, { type: object, properties: { n: { type: string } } } ] }",
    );
    check(&flat, &parts, &["safe schema-changed | request body application/json | "]);
    check(&parts, &flat, &["safe schema-changed | request body application/json | "]);
}

#[test]
fn what_a_choice_makes_good_still_counts_where_it_stands_alone() {
    // The choice is met first and still takes every text; the member beside it refers to the same schema and does not.
    let with = |longest: u32| {
        let at = "#/paths/~1things~1{id}/post/responses/200/content/application~1json/schema";
        format!(
            "{}\n{}",
            body(&format!(
                "{{ type: object, properties: {{ a: {{ anyOf: [ {{ $ref: '{at}' }}, {{ type: string }} ] }}, b: {{ $ref: '{at}' }} }} }}"
            )),
            answer(&format!("{{ type: string, maxLength: {longest} }}"))
        )
    };
    check(
        &with(9),
        &with(5),
        &[
            "breaking request-narrowed | request body application/json | /b",
            "safe schema-changed | request body application/json | /a",
            "safe schema-changed | response 200 application/json | ",
        ],
    );
}

#[test]
fn null_beside_a_composition_counts() {
    for keyword in ["allOf", "anyOf", "oneOf"] {
        let with = |more: &str| {
            let schema = format!("{{ {keyword}: [ {{ type: string }} ]{more} }}");
            document(&format!("{}\n{ANSWER}", body(&schema))).replace("3.1.0", "3.0.3")
        };
        let changes = compare(&with(", nullable: true"), &with(""));
        assert_eq!(
            told(&changes),
            ["breaking request-narrowed | request body application/json | "],
            "{keyword}"
        );
        assert_eq!(changes[0].witness, Some(serde_json::Value::Null), "{keyword}");
        assert_eq!(verdict(&compare(&with(""), &with(", nullable: true"))), Verdict::Safe, "{keyword}");
    }
}

#[test]
fn a_discriminator_that_changed_is_for_a_person() {
    let with = |values: &str| {
        answer(&format!(
            "{{ oneOf: [ {{ type: string }} ], discriminator: {{ propertyName: kind, mapping: {{ {values} }} }} }}"
        ))
    };
    let target = "'#/paths/~1things~1{id}/post/responses/200/content/application~1json/schema/oneOf/0'";
    let (one, two) = (format!("a: {target}"), format!("a: {target}, b: {target}"));
    check(&with(&one), &with(&two), &["unknown discriminator-changed | response 200 application/json | "]);
}

#[test]
fn a_discriminator_beside_a_reference_is_seen() {
    let target = "'#/paths/~1things~1{id}/post/responses/404/content/application~1json/schema'";
    let with = |values: &str| {
        let schema =
            format!("{{ $ref: {target}, discriminator: {{ propertyName: kind, mapping: {{ {values} }} }} }}");
        format!(
            "{}\n  '404': {{ description: no, content: {{ application/json: {{ schema: {{ type: object, properties: {{ kind: {{ type: string }} }} }} }} }} }}",
            answer(&schema)
                .replace("responses: { '200': ", "responses:\n  '200': ")
                .trim_end()
                .strip_suffix(" }")
                .expect("an end")
        )
    };
    let (one, two) = (with(&format!("a: {target}")), with(&format!("a: {target}, b: {target}")));
    check(&one, &two, &["unknown discriminator-changed | response 200 application/json | "]);
}

#[test]
fn what_is_not_decided_is_unknown() {
    let text = |pattern: &str| body(&format!("{{ type: string, pattern: '{pattern}' }}"));
    check(
        &text("^[a-c]+$"),
        &text("^[a-z]+$"),
        &["unknown request-narrowed | request body application/json | "],
    );
    // A schema that refers to itself through a union that changed.
    let union = |more: &str| {
        format!(
            "{}\n",
            body(&format!(
                "{{ oneOf: [ {{ type: string }}, {{ type: object, required: [l, r], properties: {{ l: {{ $ref: '#/paths/~1things~1{{id}}/post/requestBody/content/application~1json/schema' }}, r: {{ type: integer }} }} }}{more} ] }}"
            ))
        )
    };
    let changes = compare(
        &document(&format!("{}{ANSWER}", union(""))),
        &document(&format!(
            "{}{ANSWER}",
            union(
                ", { type: array, items: { $ref: '#/paths/~1things~1{id}/post/requestBody/content/application~1json/schema' } }"
            )
        )),
    );
    assert_ne!(verdict(&changes), Verdict::Breaking, "{changes:#?}");
    // Formats that nobody knows.
    let format = |name: &str| body(&format!("{{ type: string, format: {name} }}"));
    let changes = compare(
        &document(&format!("{}\n{ANSWER}", format("mine"))),
        &document(&format!("{}\n{ANSWER}", format("yours"))),
    );
    assert_eq!(verdict(&changes), Verdict::Unknown, "{changes:#?}");
}

#[test]
fn security() {
    let with = |security: &str| {
        format!(
            "openapi: 3.0.3\ninfo: {{ title: T, version: '1' }}\ncomponents: {{ securitySchemes: {{ k: {{ type: apiKey, in: header, name: X-K }}, k2: {{ type: apiKey, in: header, name: x-k }}, b: {{ type: http, scheme: bearer }}, o: {{ type: oauth2, flows: {{ clientCredentials: {{ tokenUrl: /t, scopes: {{ r: r, w: w }} }} }} }} }} }}\npaths: {{ /a: {{ get: {{ {security} {ANSWER} }} }} }}"
        )
    };
    let check = |old: &str, new: &str, expected: &[&str]| {
        let changes = compare(&with(old), &with(new));
        assert_eq!(told(&changes), expected, "{changes:#?}");
    };
    check("", "security: [{ k: [] }],", &["breaking security-tightened | security | "]);
    check("security: [{ k: [] }],", "", &["safe security-loosened | security | "]);
    check("security: [{ k: [] }],", "security: [{ k2: [] }],", &[]);
    check(
        "security: [{ k: [] }],",
        "security: [{ k: [] }, { b: [] }],",
        &["safe security-loosened | security | "],
    );
    check(
        "security: [{ k: [] }, { b: [] }],",
        "security: [{ k: [] }],",
        &["breaking security-tightened | security | "],
    );
    check(
        "security: [{ o: [r] }],",
        "security: [{ o: [r, w] }],",
        &["breaking security-tightened | security | "],
    );
    check("security: [{ o: [r, w] }],", "security: [{ o: [r] }],", &["safe security-loosened | security | "]);
}

#[test]
fn servers() {
    let with = |servers: &str| {
        format!(
            "openapi: 3.0.3\ninfo: {{ title: T, version: '1' }}\nservers: [{servers}]\npaths: {{ /a: {{ get: {{ {ANSWER} }} }} }}"
        )
    };
    let changes = compare(&with("{ url: https://a.example/v1 }"), &with("{ url: https://a.example/v2 }"));
    assert_eq!(told(&changes), ["breaking base-path-changed | servers | "]);
    let changes = compare(&with("{ url: https://a.example/v1 }"), &with("{ url: https://b.example/v1 }"));
    assert_eq!(told(&changes), ["unknown server-removed | servers | ", "safe server-added | servers | "]);
}

#[test]
fn an_operation_that_is_not_read_is_not_gone() {
    let old = document(ANSWER);
    let new = document("responses: 5");
    let new = format!("{new}  /other: {{ get: {{ {ANSWER} }} }}\n");
    let changes = compare(&old, &new);
    assert!(told(&changes).contains(&"unknown operation-refused |  | ".to_owned()), "{changes:#?}");
}
