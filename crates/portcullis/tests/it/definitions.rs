//! Operations from definitions: found by method and path, with the settings that the merge gives them.

use std::process::Output;

use portcullis_testkit::gateway::Builder;
use portcullis_testkit::{Gateway, Request, Response, Wire};
use serde_json::Value;

use crate::stage::{Findings, HEAD, KEY, KEY_FIELD, Stage, executable};

/// The same API in each version.
const SHOP: [(&str, &str); 3] = [
    (
        "2.0",
        r#"swagger: "2.0"
info: { title: Shop, version: "1" }
host: shop.example
basePath: /v1
paths:
  /items:
    get: { operationId: listItems, tags: [read], responses: { 200: { description: all } } }
    post:
      operationId: addItem
      tags: [write]
      parameters:
        - { name: item, in: body, required: true, schema: { type: object } }
        - { name: X-Tenant, in: header, type: string }
      responses: { 201: { description: added } }
  /items/{item}:
    parameters: [{ name: item, in: path, required: true, type: string }]
    get: { operationId: getItem, tags: [read], responses: { 200: { description: one } } }
    delete: { tags: [write], responses: { 204: { description: gone } } }
  /items/mine:
    get: { operationId: myItems, tags: [read], responses: { 200: { description: some } } }
"#,
    ),
    (
        "3.0",
        r#"openapi: 3.0.3
info: { title: Shop, version: "1" }
servers: [{ url: https://shop.example/v1 }]
paths:
  /items:
    get: { operationId: listItems, tags: [read], responses: { "200": { description: all } } }
    post:
      operationId: addItem
      tags: [write]
      parameters: [{ name: X-Tenant, in: header, schema: { type: string } }]
      requestBody: { required: true, content: { application/json: { schema: { type: object } } } }
      responses: { "201": { description: added } }
  /items/{item}:
    parameters: [{ name: item, in: path, required: true, schema: { type: string } }]
    get: { operationId: getItem, tags: [read], responses: { "200": { description: one } } }
    delete: { tags: [write], responses: { "204": { description: gone } } }
  /items/mine:
    get: { operationId: myItems, tags: [read], responses: { "200": { description: some } } }
"#,
    ),
    (
        "3.1",
        r#"{ "openapi": "3.1.0", "info": { "title": "Shop", "version": "1" }, "servers": [{ "url": "/v1" }],
  "paths": {
    "/items": {
      "get": { "operationId": "listItems", "tags": ["read"] },
      "post": { "operationId": "addItem", "tags": ["write"],
        "parameters": [{ "name": "X-Tenant", "in": "header", "schema": { "type": "string" } }],
        "requestBody": { "required": true, "content": { "application/json": {} } } } },
    "/items/{item}": {
      "parameters": [{ "name": "item", "in": "path", "required": true, "schema": { "type": "string" } }],
      "get": { "operationId": "getItem", "tags": ["read"] },
      "delete": { "tags": ["write"] } },
    "/items/mine": { "get": { "operationId": "myItems", "tags": ["read"] } } } }
"#,
    ),
];

/// A gateway with the API `shop`; `api` is what is said of it, in flow style.
fn config(api: &str) -> String {
    format!(
        r#"{HEAD}apis:
  shop: {{ backend: recorder, {api} }}
  rest: {{ backend: recorder, base_path: /sentinel, auth: none, operations: {{ all: {{ match: "* /{{rest*}}" }} }} }}
"#
    )
}

fn stage(api: &str, files: &[(&str, &str)]) -> Stage {
    Stage::built(|backend| {
        let builder = Builder::new(executable(), config(api).replace("BACKEND", backend));
        files.iter().fold(builder, |builder, (name, text)| builder.file(*name, *text))
    })
}

fn check(api: &str, files: &[(&str, &str)]) -> Output {
    let builder = Builder::new(executable(), config(api).replace("BACKEND", "127.0.0.1:9"));
    files.iter().fold(builder, |builder, (name, text)| builder.file(*name, *text)).run(&["check"])
}

/// What `check` complains of.
fn complaint(api: &str, files: &[(&str, &str)]) -> String {
    let output = check(api, files);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{said}");
    said
}

fn send(stage: &Stage, method: &str, target: &str, with_key: bool) -> Response {
    let mut request = Request::new(method, target);
    if method == "POST" {
        // What the definitions ask for.
        request = Request { body: b"{}".to_vec(), ..request }.field("content-type", "application/json");
    }
    let request = if with_key { request.field(KEY_FIELD, KEY) } else { request };
    Wire::Http1.send(stage.public(), &request)
}

/// The operation that the access record of a request names.
fn operation(stage: &Stage, target: &str) -> String {
    let record = stage.gateway.record("an access record", |record| {
        record["url.path"] == target && !record["portcullis.operation"].is_null()
    });
    record["portcullis.operation"].as_str().expect("a name").to_owned()
}

#[test]
fn each_version_publishes_its_operations() {
    let mut findings = Findings::default();
    for (version, text) in SHOP {
        let stage = stage("openapi: shop.yaml, base_path: /v1, auth: none", &[("shop.yaml", text)]);
        for (method, target, status, allow) in [
            ("GET", "/v1/items", 200, None),
            ("HEAD", "/v1/items", 200, None),
            ("POST", "/v1/items", 200, None),
            ("PUT", "/v1/items", 405, Some("GET, HEAD, POST, OPTIONS")),
            ("OPTIONS", "/v1/items", 204, Some("GET, HEAD, POST, OPTIONS")),
            ("GET", "/v1/items/7", 200, None),
            ("DELETE", "/v1/items/7", 200, None),
            ("GET", "/v1/items/mine", 200, None),
            // A template that lacks the method does not hide one that has it.
            ("DELETE", "/v1/items/mine", 200, None),
            ("POST", "/v1/items/mine", 405, Some("GET, HEAD, DELETE, OPTIONS")),
            ("GET", "/v1/items/7/parts", 404, None),
            ("GET", "/v1/items/", 404, None),
            ("GET", "/v1", 404, None),
            ("GET", "/items", 404, None),
            ("GET", "/v2/items", 404, None),
        ] {
            let response = send(&stage, method, target, false);
            let got = (response.status, response.text("allow"));
            let wanted = (status, allow.map(str::to_owned));
            let outcome = if got == wanted { Ok(()) } else { Err(format!("{got:?} instead of {wanted:?}")) };
            findings.note(format!("{version} {method} {target}"), outcome);
        }
        let listed = stage.gateway.run(&executable(), &["routes", "--json"]);
        let listed: Value = serde_json::from_slice(&listed.stdout).expect("JSON");
        let names: Vec<_> =
            listed.as_array().expect("a list").iter().map(|row| row["operation"].clone()).collect();
        let expected = ["listItems", "addItem", "getItem", "DELETE /items/{item}", "myItems", "all"];
        assert_eq!(names, expected, "{version}");
        let place = listed[0]["place"].as_str().expect("a place");
        assert!(
            place.starts_with("shop.yaml:") && place.ends_with(" paths./items.get"),
            "{version}: {place}"
        );
    }
    findings.conclude(45);
}

#[test]
fn operations_are_named_after_their_id_or_method_and_path() {
    let stage = stage("openapi: shop.yaml, auth: none", &[("shop.yaml", SHOP[1].1)]);
    for (method, target, name) in [
        ("GET", "/items/mine", "myItems"),
        ("GET", "/items/7", "getItem"),
        ("DELETE", "/items/8", "DELETE /items/{item}"),
    ] {
        send(&stage, method, target, false);
        assert_eq!(operation(&stage, target), name);
    }
}

#[test]
fn a_greedy_operation_never_takes_over_what_the_definition_owns() {
    let api = r#"openapi: shop.yaml, auth: none, operations: { fallback: { match: "* /{rest*}" } }"#;
    let stage = stage(api, &[("shop.yaml", SHOP[1].1)]);
    for (method, target, status) in [
        ("PUT", "/items", 405),
        ("POST", "/items/7", 405),
        ("GET", "/elsewhere", 200),
        ("DELETE", "/items/7/x", 200),
    ] {
        assert_eq!(send(&stage, method, target, false).status, status, "{method} {target}");
    }
}

#[test]
fn hosts_and_base_paths_choose_the_api() {
    let config = r#"version: 1
state: none
listeners: { public: { bind: 127.0.0.1:0, protocols: [http1, http2] } }
backends: { recorder: { targets: ["http://BACKEND"] } }
defaults: { auth: none }
apis:
  root: { backend: recorder, operations: { root: { match: "* /{rest*}" } } }
  shop: { backend: recorder, base_path: /shop, operations: { shop: { match: "GET /a" } } }
  deep: { backend: recorder, base_path: /shop/deep, operations: { deep: { match: "* /{rest*}" } } }
  exact: { backend: recorder, hosts: [api.example.com], operations: { exact: { match: "GET /x" } } }
  wild: { backend: recorder, hosts: ["*.example.com"], operations: { wild: { match: "* /{rest*}" } } }
"#;
    let stage = Stage::with(config);
    let mut findings = Findings::default();
    for (host, target, wanted) in [
        ("gw.test", "/a0", Some("root")),
        ("gw.test", "/shop/a", Some("shop")),
        // Whole segments: `/shopping` is not below `/shop`.
        ("gw.test", "/shopping", Some("root")),
        // Nothing falls back to another API.
        ("gw.test", "/shop/b", None),
        ("gw.test", "/shop/deep/b", Some("deep")),
        ("gw.test", "/shop/deeper", None),
        ("api.example.com", "/x", Some("exact")),
        ("API.Example.com:8080", "/x?1", Some("exact")),
        ("api.example.com", "/a1", None),
        ("other.example.com", "/a2", Some("wild")),
        ("a.b.example.com", "/a3", Some("wild")),
        ("example.com", "/a4", Some("root")),
    ] {
        let response = Wire::Http1.send(stage.public(), &Request::get(target).host(host));
        let path = target.split('?').next().expect("a path");
        let got = (response.status == 200).then(|| operation_of(&stage.gateway, &response, path));
        let outcome = if got.as_deref() == wanted { Ok(()) } else { Err(format!("{got:?}: {response:?}")) };
        findings.note(format!("{host} {target}"), outcome);
    }
    findings.conclude(12);
}

/// The operation that the record of exactly this response names.
fn operation_of(gateway: &Gateway, response: &Response, path: &str) -> String {
    let id = response.text("x-request-id").expect("an id");
    let record = gateway.record("its record", |record| {
        record["url.path"] == path
            && record.to_string().contains(&id)
            && record["portcullis.operation"].is_string()
    });
    record["portcullis.operation"].as_str().expect("a name").to_owned()
}

#[test]
fn settings_of_tags_paths_and_operations_apply() {
    let api = r#"openapi: shop.yaml, auth: api_key, operations: {
      "tag:read": { auth: none },
      "tag:write": { require: { scopes: [write] } },
      "/items/{item}": { auth: api_key },
      "DELETE /items/{item}": { require: { scopes: [read] } },
      myItems: { bounds: { body: 1KiB } },
      health: { match: "GET /health", auth: none } }"#;
    let stage = stage(api, &[("shop.yaml", SHOP[1].1)]);
    for (method, target, with_key, status) in [
        ("GET", "/items", false, 200),
        ("POST", "/items", false, 401),
        ("POST", "/items", true, 403),
        ("GET", "/items/7", false, 401),
        ("GET", "/items/7", true, 200),
        ("DELETE", "/items/7", true, 200),
        ("GET", "/items/mine", false, 200),
        ("GET", "/health", false, 200),
    ] {
        assert_eq!(send(&stage, method, target, with_key).status, status, "{method} {target} {with_key}");
    }
}

#[test]
fn a_key_that_selects_nothing_does_not_load() {
    let shop = [("shop.yaml", SHOP[1].1)];
    for (key, hint) in [
        ("listItem", "did you mean `listItems`?"),
        ("\"GET /item\"", "did you mean `GET /items`?"),
        ("\"PUT /zzzzzzzzzzz\"", "keys are an operationId"),
        ("\"get /items\"", "methods are in capitals: `GET /items`"),
        ("\"* /items\"", "write `/items` for all its methods"),
        ("\"/items/{id}\"", "did you mean `/items/{item}`?"),
        ("\"tag:reads\"", "did you mean `tag:read`?"),
        (
            "\"DELETE /items/{item}\": {}, \"/items\": {}, \"GET /items\": {}, listItems",
            "selects the same operation as `GET /items`",
        ),
    ] {
        let said =
            complaint(&format!("openapi: shop.yaml, auth: none, operations: {{ {key}: {{}} }}"), &shop);
        assert!(said.contains(hint) && said.contains("portcullis.yaml:12:"), "{key}: {said}");
    }
}

#[test]
fn operations_without_auth_do_not_load() {
    let api = "openapi: shop.yaml, operations: { \"tag:read\": { auth: none } }";
    let said = complaint(api, &[("shop.yaml", SHOP[1].1)]);
    assert!(said.contains("apis.shop: nothing says who may call addItem, DELETE /items/{item}; hint: below `shop:` paste `auth:"), "{said}");
}

#[test]
fn errors_of_a_definition_have_their_place() {
    for (files, wanted) in [
        (vec![], "shop.yaml"),
        (vec![("shop.yaml", "openapi: 3.0.3\npaths:\n  /a?x=1: { get: {} }\n")], "shop.yaml:3:3: "),
        (
            vec![("shop.yaml", "openapi: 3.0.3\npaths:\n  /a/{x}: { get: {} }\n  /a/{y}: { get: {} }\n")],
            "line 3",
        ),
        (
            vec![(
                "shop.yaml",
                "openapi: 3.0.3\npaths: { /a: { get: { parameters: [{ $ref: '#/nowhere' }] } } }\n",
            )],
            "shop.yaml:2:",
        ),
        (vec![("shop.yaml", "openapi: 3.0.3\npaths: { /a: { $ref: '../out.yaml#/a' } }\n")], "shop.yaml:2:"),
        (vec![("shop.yaml", "openapi: 3.0.3\npaths: [\n")], "shop.yaml:"),
        (vec![("shop.yaml", "openapi: 4.0.0\n")], "shop.yaml:1:10: openapi: "),
    ] {
        let said = complaint("openapi: ./shop.yaml, auth: none", &files);
        assert!(said.contains(wanted), "{files:?}: {said}");
    }
}

#[test]
fn an_inline_operation_that_clashes_names_the_other() {
    let api = r#"openapi: shop.yaml, auth: none, operations: { mine: { match: "GET /items/{anything}" } }"#;
    let said = complaint(api, &[("shop.yaml", SHOP[1].1)]);
    let line = 1 + SHOP[1].1.lines().position(|line| line.contains("getItem")).expect("the line");
    assert!(
        said.contains("portcullis.yaml:12:") && said.contains(&format!("at shop.yaml:{line} paths.")),
        "{said}"
    );
}

/// A document with one operation, and settings at each place.
fn carrier(root: &str, tag: &str, path: &str, operation: &str) -> String {
    format!(
        "openapi: 3.1.0\nx-portcullis: {root}\ntags: [{{ name: t, x-portcullis: {tag} }}]\npaths:\n  /a:\n    x-portcullis: {path}\n    get:\n      \
         operationId: a\n      tags: [t]\n      x-portcullis: {operation}\n"
    )
}

#[test]
fn a_definition_may_tighten_and_not_loosen() {
    let (open, keyed) = ("openapi: a.yaml, auth: none", "openapi: a.yaml, auth: api_key");
    let scoped = "openapi: a.yaml, auth: api_key, require: { scopes: [read] }";
    for (api, document, refused_at) in [
        (open, carrier("{}", "{}", "{}", "{ auth: api_key }"), None),
        (open, carrier("{}", "{ auth: { api_key: { header: x-k } } }", "{}", "{}"), None),
        (
            open,
            carrier("{ auth: none }", "{}", "{}", "{}"),
            Some("a.yaml:2:17: x-portcullis.auth: lets anybody in"),
        ),
        (keyed, carrier("{}", "{}", "{}", "{ auth: none }"), Some("a.yaml:10:23: ")),
        (
            keyed,
            carrier(
                "{}",
                "{}",
                "{ auth: { any_of: [{ api_key: {} }, { api_key: { header: x-k } }] } }",
                "{}",
            ),
            Some("a.yaml:6:21: "),
        ),
        (
            keyed,
            carrier(
                "{}",
                "{ auth: { all_of: [{ api_key: {} }, { api_key: { header: x-k } }] } }",
                "{}",
                "{}",
            ),
            None,
        ),
        (keyed, carrier("{}", "{}", "{}", "{ require: { scopes: [write] } }"), None),
        (
            scoped,
            carrier("{}", "{}", "{}", "{ require: { scopes: [write] } }"),
            Some("x-portcullis.require.scopes: no longer asks"),
        ),
        (scoped, carrier("{}", "{}", "{}", "{ require: { scopes: [write, read] } }"), None),
        (keyed, carrier("{}", "{}", "{}", "{ bounds: { body: 1KiB } }"), None),
        (
            keyed,
            carrier("{}", "{}", "{}", "{ bounds: { body: 1GiB } }"),
            Some("x-portcullis.bounds.body: allows more"),
        ),
        (
            keyed,
            carrier("{}", "{}", "{}", "{ bounds: { body_rate: 1B } }"),
            Some("x-portcullis.bounds.body_rate: allows more"),
        ),
        (keyed, carrier("{}", "{}", "{}", "{ fields: any }"), Some("x-portcullis.fields: lets every field")),
        (
            keyed,
            carrier("{}", "{}", "{}", "{ fields: [x-a] }"),
            Some("x-portcullis.fields: lets more fields"),
        ),
        (keyed, carrier("{}", "{}", "{}", "{ atuh: none }"), Some("unknown key; hint: did you mean `auth`?")),
        (keyed, carrier("{}", "{}", "{}", "{ limits: [] }"), Some("x-portcullis.limits: is not built yet")),
        (
            keyed,
            carrier("{}", "{}", "{}", "{ auth: definition }"),
            Some("x-portcullis.auth: lets callers in"),
        ),
    ] {
        let files = [("a.yaml", document.as_str())];
        match refused_at {
            Some(wanted) => {
                let said = complaint(api, &files);
                assert!(said.contains(wanted), "{api}\n{document}\n{said}");
            }
            None => {
                let output = check(api, &files);
                assert!(
                    output.status.success(),
                    "{api}\n{document}\n{}",
                    String::from_utf8_lossy(&output.stderr)
                );
            }
        }
    }
    let trusted = "openapi: a.yaml, auth: api_key, trust_definition: true";
    let document = carrier("{}", "{}", "{}", "{ auth: none, fields: any, bounds: { body: 1GiB } }");
    let stage = stage(trusted, &[("a.yaml", &document)]);
    assert_eq!(send(&stage, "GET", "/a", false).status, 200);
}

#[test]
fn scope_goes_before_carrier() {
    // Within a scope the configuration wins; a more specific scope of the definition wins over a general one there.
    let document = carrier("{}", "{}", "{}", "{ require: { scopes: [read, write] } }");
    let api = "openapi: a.yaml, auth: api_key, require: { scopes: [read] }";
    let own = format!("{api}, operations: {{ a: {{ require: {{ scopes: [read] }} }} }}");
    for (api, status) in [(api, 403), (&*own, 200)] {
        let stage = stage(api, &[("a.yaml", &document)]);
        assert_eq!(send(&stage, "GET", "/a", true).status, status, "{api}");
    }
}

#[test]
fn only_declared_fields_reach_the_backend() {
    let request = |target: &str| {
        Request::post(target, "{}")
            .field("Content-Type", "application/json")
            .field("Accept", "*/*")
            .field("X-Tenant", "acme")
            .field("X-Debug", "1")
            .field("Cookie", "a=1")
            .field("X-Listed", "1")
            .field(KEY_FIELD, KEY)
    };
    for (settings, arriving) in [
        ("", ["content-type", "accept", "x-tenant"].as_slice()),
        ("fields: declared", &["content-type", "accept", "x-tenant"]),
        ("fields: [X-Listed, cookie]", &["content-type", "accept", "x-tenant", "cookie", "x-listed"]),
        ("fields: any", &["content-type", "accept", "x-tenant", "x-debug", "cookie", "x-listed"]),
    ] {
        let api = format!("openapi: shop.yaml, auth: api_key, operations: {{ addItem: {{ {settings} }} }}");
        let stage = stage(&api, &[("shop.yaml", SHOP[1].1)]);
        for wire in Wire::ALL {
            assert_eq!(wire.send(stage.public(), &request("/items")).status, 200);
        }
        for message in stage.backend.messages() {
            let ours = [
                "host",
                "content-length",
                "transfer-encoding",
                "x-request-id",
                "traceparent",
                "via",
                "te",
                "connection",
            ];
            let mut names: Vec<String> = message
                .fields
                .iter()
                .map(|(name, _)| String::from_utf8_lossy(name).to_ascii_lowercase())
                .filter(|name| !ours.contains(&name.as_str()) && !name.contains("forwarded"))
                .collect();
            names.sort_unstable();
            let mut expected = arriving.to_vec();
            expected.sort_unstable();
            assert_eq!(names, expected, "{settings}");
        }
    }
}

/// Names that only the caller can have written, as they arrive for a request with many of them.
fn arriving(stage: &Stage, wire: &Wire, target: &str) -> String {
    let mark = stage.backend.mark();
    let request = Request::get(target)
        .field("X-Path", "1")
        .field("X-Own", "1")
        .field("X-Vouch", "1")
        .field("X-Other", "1")
        .field("Cookie", "a=1")
        .field("Accept-Language", "de")
        .field("Sec-Fetch-Mode", "cors");
    assert_eq!(wire.send(stage.public(), &request).status, 200, "{target}");
    let message = stage.arrived_since(mark).expect("the sentinel").remove(0);
    let names = message.fields.iter().map(|(name, _)| String::from_utf8_lossy(name).to_ascii_lowercase());
    let mut names: Vec<String> = names
        .filter(|name| name.starts_with("x-") || name == "cookie" || name.contains("-l"))
        .filter(|name| name != "x-request-id" && !name.contains("forwarded"))
        .collect();
    names.sort_unstable();
    names.join(" ")
}

#[test]
fn what_declares_a_field_lets_it_through() {
    let document = "openapi: 3.1.0
paths:
  /a:
    parameters: [{ name: X-Path, in: header }]
    get: { parameters: [{ name: X-Own, in: header }], security: [{ key: [] }] }
  /b: { get: { parameters: [{ name: a, in: cookie }], security: [] } }
  /c: { get: { x-portcullis: { fields: [] } } }
  /d: { get: { x-portcullis: { fields: [x-other] } } }
components: { securitySchemes: { key: { type: apiKey, in: header, name: X-Vouch }, unused: { type: apiKey, in: header, name: X-Other } } }
";
    let api = "openapi: shop.yaml, auth: none, trust_definition: true, operations: {
      i: { match: \"GET /i\" }, j: { match: \"GET /j\", fields: declared }, k: { match: \"GET /k\", fields: [X-OTHER, cookie] } }";
    let stage = stage(api, &[("shop.yaml", document)]);
    for wire in Wire::ALL {
        for (target, expected) in [
            ("/a", "accept-language x-own x-path x-vouch"),
            ("/b", "accept-language cookie"),
            ("/c", "accept-language"),
            ("/d", "accept-language x-other"),
            ("/i", "accept-language cookie x-other x-own x-path x-vouch"),
            ("/j", "accept-language"),
            ("/k", "accept-language cookie x-other"),
        ] {
            assert_eq!(arriving(&stage, wire, target), expected, "{wire:?} {target}");
        }
    }
}

#[test]
fn a_definition_of_several_files_follows_each_of_them() {
    let root = "openapi: 3.1.0\npaths:\n  /a: { $ref: 'parts/a.yaml' }\n";
    let part = "get:\n  operationId: a\n  parameters: [{ $ref: 'shared.yaml#/tenant' }]\n";
    let shared = "tenant: { name: X-Tenant, in: header }\n";
    let files = [("api/root.yaml", root), ("api/parts/a.yaml", part), ("api/parts/shared.yaml", shared)];
    let stage = stage("openapi: api/root.yaml, auth: none", &files);
    assert_eq!(send(&stage, "GET", "/a", false).status, 200);
    assert_eq!(send(&stage, "POST", "/a", false).status, 405);

    // An edit of a referred file is noticed.
    let reloaded = |mark| {
        stage
            .gateway
            .stderr()
            .expect_since(mark, "a reload", |line| line.contains("configuration reloaded").then_some(()));
    };
    let mark = stage.gateway.stderr().mark();
    stage.gateway.write(
        "api/parts/a.yaml",
        format!(
            "{part}post: {{ operationId: b, requestBody: {{ content: {{ application/json: {{}} }} }} }}\n"
        ),
    );
    reloaded(mark);
    assert_eq!(send(&stage, "POST", "/a", false).status, 200);

    // One that breaks it leaves what runs, and mending it is noticed too, also in a file that was never good.
    let mark = stage.gateway.stderr().mark();
    stage.gateway.write("api/parts/a.yaml", "get: { parameters: [{ $ref: 'new.yaml#/x' }] }\n");
    stage.gateway.stderr().expect_since(mark, "a refusal", |line| {
        (line.contains("configuration not reloaded") && line.contains("new.yaml")).then_some(())
    });
    assert_eq!(send(&stage, "POST", "/a", false).status, 200);
    let mark = stage.gateway.stderr().mark();
    stage.gateway.write("api/parts/new.yaml", "x: { name: q, in: query }\n");
    reloaded(mark);
    assert_eq!(send(&stage, "POST", "/a", false).status, 405);
}

#[test]
fn an_operation_that_is_a_reference_does_not_load() {
    let document = "openapi: 3.1.0
paths:
  /open: { get: {} }
  /kept: { get: { $ref: '#/components/secured' } }
components: { secured: { security: [{ key: [] }] } }
";
    let config = "version: 1
listeners: { public: { bind: 127.0.0.1:0 } }
backends: { shop: { targets: [\"http://127.0.0.1:9\"] } }
apis: { shop: { backend: shop, auth: none, openapi: shop.yaml } }
";
    let output = Builder::new(executable(), config).file("shop.yaml", document).run(&["check"]);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(
        told.contains("shop.yaml:4:12: paths./kept.get: an operation cannot be a reference; hint: "),
        "{told}"
    );
}

#[test]
fn warnings_do_not_keep_a_definition_from_loading() {
    let output = check("openapi: shop.yaml, auth: none", &[("shop.yaml", SHOP[1].1)]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(
        said.contains(
            "warning: portcullis.yaml:12:3: apis.shop: is published at `/`; its definition says `/v1`"
        ),
        "{said}"
    );
}
