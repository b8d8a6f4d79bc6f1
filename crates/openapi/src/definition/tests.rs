use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::{Bounds, Definition, Dialect, Loads, Operation, Refused, Security, Severity, Stream};

mod bounds;
mod files;
mod names;
mod overlays;
mod schemas;
mod settings;

fn documents(documents: &[(&str, &str)]) -> BTreeMap<String, Vec<u8>> {
    documents.iter().map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec())).collect()
}

/// Loads the first of some documents.
fn load(texts: &[(&str, &str)]) -> Result<Definition, Refused> {
    Definition::load(&documents(texts), texts[0].0, &Bounds::DEFAULT)
}

/// Loads one document that is expected to load whole.
fn sound(text: &str) -> Definition {
    let definition = load(&[("api.yaml", text)]).unwrap_or_else(|refused| panic!("{:#?}", refused.notices));
    assert!(definition.notices.is_empty(), "{:#?}", definition.notices);
    assert_eq!(definition.refused, 0);
    definition
}

/// `METHOD /path` of each operation.
fn list(definition: &Definition) -> Vec<String> {
    definition
        .operations
        .iter()
        .map(|operation| format!("{} {}", operation.method, operation.template))
        .collect()
}

/// Loads documents and compares what is published and noted; of notices all but the document's name.
#[track_caller]
fn check(texts: &[(&str, &str)], operations: &[&str], notices: &[&str]) {
    let definition = load(texts).unwrap_or_else(|refused| panic!("{:#?}", refused.notices));
    let found: Vec<String> = definition.notices.iter().map(ToString::to_string).collect();
    assert_eq!(found, notices, "{:?}", texts[0].1);
    assert_eq!(list(&definition), operations, "{:?}", texts[0].1);
    assert_eq!(definition.has_errors(), definition.refused > 0);
}

/// The notices of a document that is refused.
#[track_caller]
fn refusal(text: &str) -> Vec<String> {
    let refused = load(&[("api.yaml", text)]).unwrap_err();
    assert!(refused.notices.iter().any(|notice| notice.severity == Severity::Error));
    refused.notices.iter().map(ToString::to_string).collect()
}

fn describe(operation: &Operation) -> String {
    let mut text = format!("{} {}", operation.method, operation.template);
    for parameter in &operation.parameters {
        let required = if parameter.is_required { "!" } else { "" };
        write!(text, " {:?}:{}{required}", parameter.place, parameter.name).unwrap();
    }
    if let Some(body) = &operation.body {
        write!(
            text,
            " body{}={}",
            if body.is_required { "!" } else { "" },
            body.content.iter().map(|media_type| &*media_type.range).collect::<Vec<_>>().join("|")
        )
        .unwrap();
    }
    if let Some(stream) = operation.stream {
        write!(text, " {stream:?}").unwrap();
    }
    text
}

fn describe_all(definition: &Definition) -> Vec<String> {
    definition.operations.iter().map(describe).collect()
}

#[test]
fn version_3_0_is_read() {
    let definition = sound(
        r##"
openapi: 3.0.3
info: { title: Orders, version: 1.10 }
servers:
  - url: https://{host}/{base}/v1/
    variables: { host: { default: api.example.com }, base: { default: "caf\u00e9" } }
tags: [{ name: things }]
security: [{ key: [] }]
paths:
  /things/{id}:
    parameters:
      - { name: id, in: path, required: true, schema: { type: string } }
      - { name: verbose, in: query, schema: { type: boolean } }
      - { name: X-Trace, in: header, schema: { type: string } }
    get:
      operationId: getThing
      tags: [things]
      deprecated: true
      parameters:
        - { $ref: '#/components/parameters/verbose' }
        - { name: x-trace, in: header, required: true, schema: { type: string } }
      responses: { 200: { description: ok } }
    put:
      security: []
      requestBody: { $ref: '#/components/requestBodies/thing' }
      responses: { default: { $ref: '#/components/responses/ok' } }
    post:
      security: [{}, { key: [], oauth: [things.write] }]
      responses: {}
components:
  parameters:
    verbose: { name: verbose, in: query, required: true, schema: { type: boolean } }
  requestBodies:
    thing: { required: true, content: { application/json: {}, text/plain: {} } }
  responses:
    ok: { description: ok, content: { text/event-stream; charset=utf-8: {} } }
  securitySchemes:
    key: { type: apiKey, in: header, name: X-Key }
    oauth: { type: oauth2, flows: { clientCredentials: { tokenUrl: https://x.example/t, scopes: { things.write: w } } } }
"##,
    );
    assert_eq!(definition.dialect, Dialect::V3_0);
    assert_eq!((&*definition.title, &*definition.version), ("Orders", "1.10"));
    assert_eq!(definition.base_path(), Some("/caf%C3%A9/v1"));
    assert_eq!(
        describe_all(&definition),
        [
            "GET /things/{id} Query:verbose! Header:x-trace! Path:id!",
            "PUT /things/{id} Path:id! Query:verbose Header:X-Trace body!=application/json|text/plain Events",
            "POST /things/{id} Path:id! Query:verbose Header:X-Trace",
        ]
    );
    let [get, put, post] = &definition.operations[..] else { panic!("three operations") };
    assert_eq!((get.id.as_deref(), get.is_deprecated, get.tags.len()), (Some("getThing"), true, 1));
    assert_eq!(get.pointer.to_string(), "paths.\"/things/{id}\".get");
    assert_eq!((get.span.line, get.span.column), (15, 5));
    let Security::AnyOf { requirements, .. } = &*get.security else { panic!("the document's") };
    assert_eq!(requirements[0].schemes, [("key".into(), vec![])]);
    assert!(matches!(*put.security, Security::None { .. }));
    let Security::AnyOf { requirements, .. } = &*post.security else { panic!("its own") };
    assert!(requirements[0].schemes.is_empty());
    assert_eq!(requirements[1].schemes[1], ("oauth".into(), vec!["things.write".into()]));
    assert_eq!(definition.schemes.len(), 2);
}

#[test]
fn version_2_0_is_read() {
    let definition = sound(
        r##"{
  "swagger": "2.0", "info": { "title": "Old", "version": "1" },
  "host": "api.example.com", "basePath": "/v2/", "consumes": ["application/json"], "produces": ["application/x-ndjson"],
  "securityDefinitions": {
    "basic": { "type": "basic" },
    "oauth": { "type": "oauth2", "flow": "accessCode", "authorizationUrl": "https://a", "tokenUrl": "https://t",
      "scopes": { "read": "r" } }
  },
  "parameters": { "id": { "name": "id", "in": "path", "required": true, "type": "string" } },
  "paths": {
    "/things/{id}": {
      "parameters": [{ "$ref": "#/parameters/id" }],
      "put": { "parameters": [{ "name": "thing", "in": "body", "required": true }], "responses": {} },
      "patch": { "consumes": [], "produces": ["text/plain"], "responses": {}, "parameters": [
        { "name": "a", "in": "formData", "type": "string" }, { "name": "b", "in": "formData", "type": "file" }] },
      "post": { "consumes": [], "produces": [], "responses": {}, "parameters": [
        { "name": "a", "in": "formData", "type": "string", "required": true }] },
      "get": { "responses": {} }
    }
  }
}"##,
    );
    assert_eq!(definition.dialect, Dialect::V2_0);
    assert_eq!(definition.base_path(), Some("/v2"));
    assert_eq!(&*definition.servers[0].url, "//api.example.com/v2/");
    assert_eq!(
        describe_all(&definition),
        [
            "PUT /things/{id} Path:id! body!=application/json Sequence",
            "PATCH /things/{id} Path:id! body=multipart/form-data",
            "POST /things/{id} Path:id! body!=application/x-www-form-urlencoded",
            "GET /things/{id} Path:id! Sequence",
        ]
    );
    assert!(definition.operations.iter().all(|operation| *operation.security == Security::Silent));
    assert_eq!(definition.schemes.len(), 2);
}

#[test]
fn version_3_2_has_more_methods_and_streams() {
    let definition = sound(
        r##"
openapi: 3.2.0
info: { title: New, version: "1" }
paths:
  /things:
    query: { parameters: [{ name: all, in: querystring, content: { application/json: {} } }] }
    additionalOperations:
      COPY: { requestBody: { content: { application/jsonl: { itemSchema: {} } } } }
      get: { description: not GET but a method of its own }
    get: { responses: { 200: { content: { multipart/mixed: { itemSchema: {} } } } } }
components: {}
"##,
    );
    assert_eq!(
        describe_all(&definition),
        [
            "QUERY /things QueryString:all",
            "COPY /things body=application/jsonl Sequence",
            "get /things",
            "GET /things Sequence",
        ]
    );
    check(
        &[(
            "api.yaml",
            "openapi: 3.2.0\npaths:\n  /a:\n    additionalOperations:\n      GET: {}\n      'NO WAY': {}\n      \
             CONNECT: {}\n      OK: {}\n",
        )],
        &["OK /a"],
        &[
            "error: api.yaml:5:7: paths./a.additionalOperations.GET: has a key of its own in the path item",
            "error: api.yaml:6:7: paths./a.additionalOperations.\"NO WAY\": is no method",
            "warning: api.yaml:7:7: paths./a.additionalOperations.CONNECT: CONNECT never passes the gateway: the operation \
             is not published",
        ],
    );
}

#[test]
fn older_versions_have_more_methods_by_a_registered_extension() {
    check(
        &[(
            "api.yaml",
            "openapi: 3.1.0\npaths: { /a: { x-oai-additionalOperations: { QUERY: {}, GET: {} }, additionalOperations: {} } }\n",
        )],
        &["QUERY /a"],
        &[
            "error: api.yaml:2:57: paths./a.x-oai-additionalOperations.GET: has a key of its own in the path item",
            "error: api.yaml:2:68: paths./a.additionalOperations: OpenAPI 3.1 does not know `additionalOperations`",
        ],
    );
}

#[test]
fn version_3_1_needs_no_paths() {
    let definition = load(&[("api.yaml", "openapi: 3.1.0\nwebhooks: {}\n")]).unwrap();
    assert_eq!(
        definition.notices[0].to_string(),
        "warning: api.yaml:1:1: has no `paths`: there is nothing to publish"
    );
}

#[test]
fn what_is_no_definition_is_refused() {
    for (text, expected) in [
        ("", "is no OpenAPI document: it has neither `openapi` nor `swagger`"),
        ("[]", "is no OpenAPI document: it has neither `openapi` nor `swagger`"),
        ("asyncapi: 3.0.0", "is no OpenAPI document"),
        ("openapi: 4.0.0", "openapi: expected a known version, found \"4.0.0\""),
        ("openapi: 3", "expected a known version, found the number 3"),
        ("openapi: {}", "expected a known version, found a mapping"),
        ("swagger: '1.2'", "swagger: expected a known version, found \"1.2\""),
        ("swagger: 3.0.0", "expected a known version"),
        ("openapi: 3.0.0", "has no `paths`: there is nothing to publish"),
        ("openapi: 3.0.0\npaths: []", "paths: expected path templates, found a list"),
        (
            "openapi: 3.0.0\npaths: {}\nsecurity: {}",
            "security: expected a list of security requirements, found a mapping",
        ),
        ("openapi: 3.0.0\npaths: {}\nsecurity: [[]]", "security[0]: expected schemes by name, found a list"),
        (
            "openapi: 3.0.0\npaths: {}\nsecurty: []",
            "securty: is not known here and not read; hint: did you mean `security`?",
        ),
        ("openapi: 3.0.0\npaths: {}\npaths: {}", "api.yaml:3:1"),
        ("openapi: 3.0.0\npaths: {", "api.yaml:"),
    ] {
        let notices = refusal(text);
        assert!(notices.iter().any(|notice| notice.contains(expected)), "{text:?}: {notices:#?}");
    }
    // Unquoted versions are numbers to YAML.
    assert_eq!(sound("swagger: 2.0\npaths: {}").dialect, Dialect::V2_0);
    assert_eq!(sound("openapi: 3.1\npaths: {}").dialect, Dialect::V3_1);
}

#[test]
fn a_bad_operation_is_reported_and_its_neighbours_load() {
    check(
        &[(
            "api.yaml",
            "openapi: 3.0.0
paths:
  /a?x=y: { get: {}, put: {} }
  b: { get: {} }
  /c:
    get: []
    put: { parameters: {} }
    post: { parameters: [{ in: body, name: x }, { in: query }, {}] }
    delete: { security: { key: [] } }
    patch: { tags: 5 }
    options: { secuirty: [] }
    head: {}
  /d:
    parameters: [{ in: query }]
    get: {}
    put: {}
  /e: []
  /f: { GET: {}, gett: {}, trace: {}, query: {}, x-y: {}, get: {} }
  /g:
  x-h: { get: {} }
",
        )],
        &["HEAD /c", "GET /f"],
        &[
            "error: api.yaml:3:3: paths.\"/a?x=y\": a query is not part of a path: requests are not told apart by it \
             (at byte 2); hint: mend the document, or write \
             `skip: [\"/a?x=y\"]` below the API to publish it without this",
            "error: api.yaml:4:3: paths.b: a path template starts with `/` (at byte 0); hint: mend the document, or write \
             `skip: [\"b\"]` below the API to publish it without this",
            "error: api.yaml:6:10: paths./c.get: expected an operation, found a list",
            "error: api.yaml:7:24: paths./c.put.parameters: expected a list of parameters, found a mapping",
            "error: api.yaml:8:26: paths./c.post.parameters[0]: `in: body` is no place for a parameter in OpenAPI 3.0",
            "error: api.yaml:8:49: paths./c.post.parameters[1]: expected a parameter with a `name` and `in`",
            "error: api.yaml:8:64: paths./c.post.parameters[2]: expected a parameter with a `name` and `in`",
            "error: api.yaml:9:25: paths./c.delete.security: expected a list of security requirements, found a mapping",
            "error: api.yaml:10:20: paths./c.patch.tags: expected a list of tag names, found the number 5",
            "error: api.yaml:11:16: paths./c.options.secuirty: is not known here and not read; hint: did you mean \
             `security`?",
            "error: api.yaml:14:18: paths./d.parameters[0]: expected a parameter with a `name` and `in`",
            "error: api.yaml:15:5: paths./d.get: is not published: a part it shares with other operations cannot be used",
            "error: api.yaml:16:5: paths./d.put: is not published: a part it shares with other operations cannot be used",
            "error: api.yaml:17:7: paths./e: expected operations by method, found a list",
            "error: api.yaml:18:9: paths./f.GET: methods are written in lower case; hint: did you mean `get`?",
            "error: api.yaml:18:18: paths./f.gett: is not known here: an operation would be left out; hint: did you mean `get`?",
            "warning: api.yaml:18:28: paths./f.trace: TRACE never passes the gateway: the operation is not published",
            "error: api.yaml:18:39: paths./f.query: OpenAPI 3.0 does not know `query`",
            "warning: api.yaml:19:3: paths./g: declares no operation",
        ],
    );
}

#[test]
fn operations_that_match_the_same_requests_are_both_refused() {
    check(
        &[(
            "api.yaml",
            "openapi: 3.0.0
paths:
  /a/{x}: { get: { parameters: [{ in: path, name: x }] } }
  /a/{y}: { get: { parameters: [{ in: path, name: y }] }, put: { parameters: [{ in: path, name: y }] } }
  /b: { get: { operationId: same } }
  /%62: { put: { operationId: same } }
",
        )],
        &["PUT /a/{y}", "GET /b", "PUT /%62"],
        &[
            "error: api.yaml:3:13: paths.\"/a/{x}\".get: matches the same requests as `GET /a/{y}` on line 4, column \
             13: neither is published; hint: mend the document, or write \
             `skip: [\"GET /a/{x}\"]` below the API to publish it without this",
            "error: api.yaml:4:13: paths.\"/a/{y}\".get: matches the same requests as `GET /a/{x}` on line 3, column \
             13: neither is published; hint: mend the document, or write \
             `skip: [\"GET /a/{y}\"]` below the API to publish it without this",
            "warning: api.yaml:5:9: paths./b.get: the operationId `same` stands at several operations, so it addresses \
             none; hint: address this one as `GET /b`",
            "warning: api.yaml:6:11: paths.\"/%62\".put: the operationId `same` stands at several operations, so it \
             addresses none; hint: address this one as `PUT /%62`",
        ],
    );
}

#[test]
fn parameters_that_do_not_agree_with_the_template_are_noted() {
    check(
        &[(
            "api.yaml",
            "openapi: 3.0.0\npaths:\n  /{a}:\n    get:\n      parameters:\n      - { in: path, name: b }\n      \
             - { in: query, name: c }\n      - { in: query, name: c }\n      deprecated: 1\n",
        )],
        &["GET /{a}"],
        &[
            "warning: api.yaml:5:7: paths.\"/{a}\".get: the parameter `c` is declared twice",
            "warning: api.yaml:5:7: paths.\"/{a}\".get: the template's parameter `a` is not declared",
            "warning: api.yaml:5:7: paths.\"/{a}\".get: the parameter `b` does not stand in the template",
            "warning: api.yaml:9:19: paths.\"/{a}\".get.deprecated: expected `true` or `false`, found the number 1",
        ],
    );
}

#[test]
fn what_is_wrong_with_shared_fields_is_noted_once() {
    let text = "openapi: 3.1.0
info: { title: t, version: '1' }
paths:
  /a: { get: { responses: { '200': { $ref: '#/components/responses/r' } } } }
  /b: { get: { responses: { '200': { $ref: '#/components/responses/r' } } } }
components:
  responses:
    r: { headers: { x: 1 } }
";
    let notices = [
        "error: api.yaml:5:9: paths./b.get: is not published: a part it shares with other operations cannot be used",
        "error: api.yaml:8:24: components.responses.r.headers.x: expected a field, found the number 1",
    ];
    check(&[("api.yaml", text)], &[], &notices);
}

#[test]
fn schemes_that_nothing_can_meet_are_noted_once() {
    check(
        &[(
            "api.yaml",
            "openapi: 3.0.0
security: [{ ghost: [] }]
paths:
  /a: { get: { security: [{ ghost: [] }, { odd: [a] }] }, put: { security: [{ odd: x }] }, post: {} }
components:
  securitySchemes: { odd: { type: magic }, key: { type: apiKey, in: body, name: x }, mtls: { type: mutualTLS } }
",
        )],
        &["GET /a", "POST /a"],
        &[
            "warning: api.yaml:2:14: security[0].ghost: the security scheme `ghost` is not declared: nothing can meet it",
            "warning: api.yaml:4:44: paths./a.get.security[1].odd: the security scheme `odd` is not declared: nothing \
             can meet it",
            "error: api.yaml:4:84: paths./a.put.security[0].odd: expected a list of scopes, found \"x\"",
            "warning: api.yaml:6:27: components.securitySchemes.odd: no known security scheme: its `type` is not known; \
             nothing can meet it",
            "warning: api.yaml:6:49: components.securitySchemes.key: no known security scheme: an API key needs `in: \
             header`, `query` or `cookie`; nothing can meet it",
        ],
    );
}

#[test]
fn base_paths_are_read_from_servers() {
    for (url, expected) in [
        ("https://api.example.com", Some("")),
        ("https://api.example.com/", Some("")),
        ("https://api.example.com/v1/", Some("/v1")),
        ("https://api.example.com?x=/v1", Some("")),
        ("https://api.example.com/v1?x#y", Some("/v1")),
        ("//api.example.com/a/b", Some("/a/b")),
        ("/v1", Some("/v1")),
        ("/", Some("")),
        ("/%7ea", Some("/~a")),
        ("", None),
        ("v1", None),
        ("./v1", None),
        ("/a/../b", None),
        ("https://{host}/v1", None),
        ("{broken", None),
    ] {
        let text = format!("openapi: 3.0.0\npaths: {{}}\nservers: [{{ url: '{url}' }}]\n");
        let definition = load(&[("api.yaml", &text)]).unwrap();
        assert_eq!(definition.base_path(), expected, "{url}");
        assert_eq!(definition.notices.len(), usize::from(expected.is_none()), "{url}");
        assert_eq!(&*definition.servers[0].url, url);
    }
}

#[test]
fn streams_are_told_by_their_media_types() {
    for (media_type, expected) in [
        ("application/json", None),
        ("text/event-stream", Some(Stream::Events)),
        ("Text/Event-Stream; charset=utf-8", Some(Stream::Events)),
        ("application/geo+json-seq", Some(Stream::Sequence)),
        ("application/grpc", Some(Stream::Grpc)),
        ("application/grpc+proto", Some(Stream::Grpc)),
        ("application/grpc-web", None),
    ] {
        let text = format!(
            "openapi: 3.0.0\npaths: {{ /a: {{ get: {{ responses: {{ 200: {{ content: {{ '{media_type}': {{}} }} }} }} }} }} }}\n"
        );
        assert_eq!(sound(&text).operations[0].stream, expected, "{media_type}");
    }
}

#[test]
fn what_would_be_left_out_without_a_word_is_an_error() {
    check(
        &[(
            "api.yaml",
            "openapi: 3.0.0
paths:
  /a: { get: { $ref: '#/components/x-operations/a' }, put: {} }
  /b: { security: [], get: {} }
  /c: { post: {}, delte: {} }
  /d: { get: { parameters: [{ in: query, name: '' }, { in: query, name: q }] } }
components: { x-operations: { a: { security: [] } } }
",
        )],
        &["PUT /a", "GET /b", "POST /c", "GET /d"],
        &[
            "error: api.yaml:3:9: paths./a.get: an operation cannot be a reference; hint: write the operation here, or refer \
             to a path item: `$ref` beside the methods",
            "error: api.yaml:4:9: paths./b.security: has no effect on a path: it stands at operations, or at the root",
            "error: api.yaml:5:19: paths./c.delte: is not known here: an operation would be left out; hint: did you mean \
             `delete`?",
            "warning: api.yaml:6:29: paths./d.get.parameters[0]: has an empty name, which no request can carry: not read",
        ],
    );
}

#[test]
fn keys_of_another_version_are_named() {
    check(
        &[(
            "api.yaml",
            "openapi: 3.0.0
host: api.example
securityDefinitions: {}
webhooks: {}
paths: { /a: { get: {} } }
",
        )],
        &["GET /a"],
        &[
            "warning: api.yaml:2:7: host: OpenAPI 3.0 does not know `host`: it is not read",
            "warning: api.yaml:3:22: securityDefinitions: OpenAPI 3.0 does not know `securityDefinitions`: it is not read",
            "warning: api.yaml:4:11: webhooks: OpenAPI 3.0 does not know `webhooks`: it is not read",
        ],
    );
}

#[test]
fn what_is_to_be_left_out_is_not_read() {
    let text = "openapi: 3.0.0
paths:
  /a?x=y: { get: {} }
  /b/{x}: { get: {}, put: { security: 5 } }
  /b/{y}: { get: {} }
  /c: { get: { operationId: broken, parameters: 5 }, delete: { operationId: sound } }
";
    let skip =
        ["/a?x=y", "GET /b/{y}", "PUT /b/{x}", "broken", "GET /b/{z}", "/c/", "PUT /c"].map(str::to_owned);
    let documents = documents(&[("api.yaml", text)]);
    let definition = {
        let loads = Loads { skip: &skip, ..Loads::default() };
        Definition::load_with(&documents, "api.yaml", &Bounds::DEFAULT, &loads).unwrap()
    };
    assert!(!definition.has_errors(), "{:#?}", definition.notices);
    assert_eq!(list(&definition), ["GET /b/{x}", "DELETE /c"]);
    assert_eq!(definition.skipped_nothing, [4, 5, 6]);
    // Whoever loads it whole is told what has to go; of what clashes, one may stay.
    let definition = Definition::load(&documents, "api.yaml", &Bounds::DEFAULT).unwrap();
    assert_eq!(definition.leave_out, ["/a?x=y", "GET /b/{y}"].map(Box::from));
}
