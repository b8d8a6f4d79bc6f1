//! What backends are told of who calls: what the configuration says, and nothing that the caller presented.

use portcullis_testkit::gateway::Builder;
use portcullis_testkit::{Message, Request, Wire};

use crate::stage::{Findings, KEY, KEY_FIELD, Stage, executable};

/// Everything that can be said without asking anybody, one API for each way.
const CONFIG: &str = r#"version: 1
state: none
listeners: { public: { bind: 127.0.0.1:0, protocols: [http1, http2] } }
consumers:
  tester:
    apis: ["*"]
    credentials:
      - { id: k1, api_key: { sha256: "87cbebfeebc05f7c54ac9336c4b4bbec831227a641951a4bde7edd56020f8590", scopes: [a.read, a.write] } }
backends:
  plain: { targets: ["http://BACKEND"] }
  basic: { targets: ["http://BACKEND"], credentials: { basic: { user: Aladdin, password: "${file:password}" } } }
  key:
    targets: ["http://BACKEND"]
    credentials:
      api_key: { header: X-Backend-Key, prefix: Key, key: "${env:BACKEND_KEY}" }
      fields:
        x-tenant: acme
        X-Consumer-Id: { from: consumer }
        x-credential: { from: credential }
        x-scopes: { from: scopes }
  passing: { targets: ["http://BACKEND"], credentials: { pass_through: true, fields: { x-tenant: acme } } }
apis:
  plain: { base_path: /plain, backend: plain, auth: api_key, operations: { all: { match: "* /{rest*}" } } }
  basic: { base_path: /basic, backend: basic, auth: api_key, operations: { all: { match: "* /{rest*}" } } }
  key: { base_path: /key, backend: key, auth: api_key, operations: { all: { match: "* /{rest*}" } } }
  open: { base_path: /open, backend: key, auth: none, operations: { all: { match: "* /{rest*}" } } }
  passing: { base_path: /passing, backend: passing, auth: api_key, operations: { all: { match: "* /{rest*}" } } }
  sentinel: { base_path: /sentinel, backend: plain, auth: none, operations: { all: { match: "* /{rest*}" } } }
"#;

/// What the gateway proves itself with.
const SECRET: &str = "open sesame";

fn stage() -> Stage {
    Stage::built(|backend| {
        Builder::new(executable(), CONFIG.replace("BACKEND\"", &format!("{backend}\"")))
            .file("password", format!("{SECRET}\n"))
            .environment("BACKEND_KEY", SECRET)
    })
}

/// A field's name and every value it must have.
type Field<'a> = (&'a str, &'a [&'a str]);

/// What arrives of `request`.
fn arrived(stage: &Stage, wire: Wire, request: &Request) -> Message {
    let mark = stage.backend.mark();
    let response = wire.send(stage.public(), request);
    assert_eq!(response.status, 200, "{request:?}: {response:?}");
    stage.backend.since(mark).pop().expect("a message")
}

#[test]
fn each_backend_gets_what_it_understands_and_not_what_the_caller_presented() {
    let stage = stage();
    let expected: &[(&str, &[Field<'_>])] = &[
        ("/plain", &[("x-api-key", &[]), ("authorization", &["Bearer mine"])]),
        ("/basic", &[("x-api-key", &[]), ("authorization", &["Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="])]),
        (
            "/key",
            &[
                ("x-api-key", &[]),
                ("authorization", &[]),
                ("dpop", &[]),
                ("x-backend-key", &["Key open sesame"]),
                ("x-tenant", &["acme"]),
                ("x-consumer-id", &["tester"]),
                ("x-credential", &["k1"]),
                ("x-scopes", &["a.read a.write"]),
            ],
        ),
        ("/passing", &[("x-api-key", &[KEY]), ("authorization", &["Bearer mine"]), ("x-tenant", &["acme"])]),
    ];
    let mut findings = Findings::default();
    for wire in Wire::ALL {
        for (path, fields) in expected {
            let request = Request::get(path)
                .field(KEY_FIELD, KEY)
                .field("Authorization", "Bearer mine")
                .field("DPoP", "proof")
                .field("X-Mine", "mine");
            let message = arrived(&stage, *wire, &request);
            for (name, values) in fields.iter().chain(&[("x-mine", &["mine"][..])]) {
                let found: Vec<_> = message.all(name).into_iter().map(String::from_utf8_lossy).collect();
                let outcome = if found == *values { Ok(()) } else { Err(format!("{found:?}")) };
                findings.note(format!("{wire:?} {path} {name}"), outcome);
            }
        }
    }
    findings.conclude(30);
    stage.expect_plain_backend_traffic();
}

#[test]
fn nobody_else_says_what_the_gateway_says() {
    let stage = stage();
    let mut findings = Findings::default();
    for wire in Wire::ALL {
        for path in ["/key", "/open"] {
            for name in ["X-Tenant", "X-Backend-Key", "X-Scopes", "X-Credential", "Authorization"] {
                for spelled in
                    [name.to_owned(), name.to_uppercase(), name.replace('-', "_"), name.replace('-', ".")]
                {
                    let request = |request: Request| {
                        if path == "/key" { request.field(KEY_FIELD, KEY) } else { request }
                    };
                    let spoofed = request(Request::get(path)).field(&spelled, "spoofed");
                    let in_trailers = request(Request::post(path, "body")).trailer(&spelled, "spoofed");
                    for (place, request) in [("head", spoofed), ("trailers", in_trailers)] {
                        let message = arrived(&stage, *wire, &request);
                        let all = message.fields.iter().chain(&message.trailers);
                        let is_there = all.map(|(_, value)| value).any(|value| value == b"spoofed");
                        let outcome = if is_there { Err(message.to_string()) } else { Ok(()) };
                        findings.note(format!("{wire:?} {path} {spelled} in {place}"), outcome);
                    }
                }
            }
        }
    }
    findings.conclude(160);
    stage.expect_plain_backend_traffic();
}

#[test]
fn an_anonymous_caller_has_nothing_to_be_made_into_anything() {
    let stage = stage();
    for wire in Wire::ALL {
        let message = arrived(&stage, *wire, &Request::get("/open").field("X-Scopes", "admin"));
        assert_eq!(message.text("x-backend-key").as_deref(), Some("Key open sesame"));
        assert_eq!(message.text("x-tenant").as_deref(), Some("acme"));
        for name in ["x-consumer-id", "x-credential", "x-scopes"] {
            assert!(message.all(name).is_empty(), "{name}: {message}");
        }
    }
}

#[test]
fn what_the_gateway_proves_itself_with_is_printed_nowhere() {
    let stage = stage();
    let basic = arrived(&stage, Wire::Http1, &Request::get("/basic").field(KEY_FIELD, KEY));
    let value = basic.text("authorization").expect("a credential");
    arrived(&stage, Wire::Http1, &Request::get("/key").field(KEY_FIELD, KEY));
    stage.gateway.record("the record", |record| record["url.path"] == "/key");
    let said = stage.gateway.stdout().tail(100) + &stage.gateway.stderr().tail(100);
    for secret in [SECRET, value.trim_start_matches("Basic ")] {
        assert!(!said.contains(secret), "{secret} is in: {said}");
    }
}
