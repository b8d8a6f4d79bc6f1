//! What is made of a definition: the name, the text, the command.

use super::*;
use crate::args::{QuickContract, QuickMode, QuickUncovered, QuickWho};

const DEFINITION: &str = "openapi: 3.0.3
info: { title: t, version: '1' }
servers: [{ url: https://api.example.com/v2 }]
paths:
  /things:
    post: { requestBody: { required: true, content: { application/json: {} } }, responses: {} }
    get: { parameters: [{ name: 'page[size]', in: query, required: true }], responses: {} }
  /things/{thingUuid}: { get: { parameters: [{ name: thingUuid, in: path, required: true }, { name: x-tenant, in: header, required: true }], responses: {} } }
  /old: { get: { deprecated: true, responses: {} } }
";

fn quick(folder: &Path, backend: &str) -> Quick {
    let openapi = folder.join("shop ${x}.yaml");
    std::fs::write(&openapi, DEFINITION).expect("a file");
    Quick {
        openapi,
        backend: backend.to_owned(),
        listen: ([127, 0, 0, 1], 0).into(),
        probes: None,
        key_sha256: None,
        terms: QuickTerms {
            who: QuickWho { auth: QuickAuth::None, issuer: None, audiences: Vec::new() },
            overlays: Vec::new(),
            contract: QuickContract { contract: QuickMode::Enforce, on_uncovered: QuickUncovered::Refuse },
            skip: Vec::new(),
        },
    }
}

#[test]
fn the_definition_says_where_it_is_published() {
    let folder = tempfile::tempdir().expect("a folder");
    for (backend, strip) in [
        ("http://127.0.0.1:9000", false),
        ("http://127.0.0.1:9000/", false),
        ("http://127.0.0.1:9000/v1", true),
    ] {
        let loaded = quick(folder.path(), backend).load(&mut Vec::new()).expect("a configuration");
        let api = &loaded.config.apis["shop---x-"];
        assert_eq!((api.base_path(), api.strip_base_path), ("/v2", Some(strip)), "{backend}");
    }
}

#[test]
fn the_command_reaches_what_needs_the_least() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut quick = quick(folder.path(), "http://127.0.0.1:9000");
    quick.terms.who.auth = QuickAuth::ApiKey;
    quick.key_sha256 = Some("0".repeat(64));
    let loaded = quick.load(&mut Vec::new()).expect("a configuration");
    let command =
        curl(&loaded, &quick.api(), quick.terms.who.auth, ([0, 0, 0, 0], 8080).into(), Some("secret"));
    assert_eq!(
        command.as_deref(),
        Some("curl -i -H 'x-api-key: secret' 'http://127.0.0.1:8080/v2/things?page%5Bsize%5D=1'")
    );
}

#[test]
fn the_command_carries_the_key_where_the_definition_asks_for_it() {
    let folder = tempfile::tempdir().expect("a folder");
    for (security, expected) in [
        ("[{ key: [] }]", "curl -i -H 'X-Key: secret' 'http://127.0.0.1:8080/things'"),
        ("[{ token: [] }, { query: [] }]", "curl -i 'http://127.0.0.1:8080/things?key=secret'"),
        (
            "[{ key: [], cookie: [] }]",
            "curl -i -H 'X-Key: secret' -b 'k=secret' 'http://127.0.0.1:8080/things'",
        ),
        ("[]", "curl -i 'http://127.0.0.1:8080/things'"),
    ] {
        let mut quick = quick(folder.path(), "http://127.0.0.1:9000");
        quick.terms.who.auth = QuickAuth::Definition;
        let document = format!(
            "openapi: 3.0.3\ninfo: {{ title: t, version: '1' }}\nsecurity: {security}\npaths: {{ /things: {{ get: {{ responses: {{}} }} }} }}\n\
             components: {{ securitySchemes: {{ key: {{ type: apiKey, in: header, name: X-Key }}, query: {{ type: apiKey, in: query, name: key }}, \
             cookie: {{ type: apiKey, in: cookie, name: k }}, token: {{ type: http, scheme: bearer }} }} }}\n"
        );
        std::fs::write(&quick.openapi, document).expect("a file");
        let loaded = quick.load(&mut Vec::new()).expect("a configuration");
        let command =
            curl(&loaded, &quick.api(), quick.terms.who.auth, ([127, 0, 0, 1], 8080).into(), Some("secret"));
        assert_eq!(command.as_deref(), Some(expected), "{security}");
        assert_eq!(asks_for_keys(&loaded, &quick), security != "[]", "{security}");
    }
}

#[test]
fn the_command_has_values_that_the_definition_takes() {
    let folder = tempfile::tempdir().expect("a folder");
    let parameters = "{ name: kind, in: query, required: true, schema: { type: array, items: { enum: [cat] } } }, \
        { name: id, in: path, required: true, schema: { type: integer, minimum: 7, maximum: 7 } }, \
        { name: X-Tenant, in: header, required: true, schema: { type: string, pattern: '^acme$' } }, \
        { name: X-Odd, in: header, required: true, schema: { enum: [\"it's\"] } }";
    let body = "{ required: true, content: { application/json: { schema: { type: object, required: [count, name], properties: { \
        count: { type: integer, minimum: 3, maximum: 3 }, name: { enum: [\"it's\"] }, more: { type: string } } } } } }";
    let quick = quick(folder.path(), "http://127.0.0.1:9000");
    let document = format!(
        "openapi: 3.1.0\ninfo: {{ title: t, version: '1' }}\n\
         paths: {{ '/{{id}}': {{ post: {{ parameters: [{parameters}], requestBody: {body}, responses: {{}} }} }} }}\n"
    );
    std::fs::write(&quick.openapi, document).expect("a file");
    let loaded = quick.load(&mut Vec::new()).expect("a configuration");
    let command = curl(&loaded, &quick.api(), QuickAuth::None, ([127, 0, 0, 1], 8080).into(), None);
    let body = r#"{"count":3,"name":"it\u0027s"}"#;
    let expected = format!(
        "curl -i -X POST -H 'X-Tenant: acme' -H 'X-Odd: 1' -H 'content-type: application/json' -d '{body}' \
         'http://127.0.0.1:8080/7?kind=cat'"
    );
    assert_eq!(command, Some(expected));
}
