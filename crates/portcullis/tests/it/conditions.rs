//! `require.when`: who is known may still not do everything, and a condition that cannot be told is not met.

use portcullis_testkit::gateway::Builder;
use portcullis_testkit::tokens::{now, signed_with_secret};
use portcullis_testkit::{Request, Wire};

use crate::stage::{Findings, KEY, KEY_FIELD, Stage, executable};

const CONFIG: &str = r#"version: 1
state: none
listeners: { public: { bind: 127.0.0.1:0, protocols: [http1, http2] } }
consumers:
  acme:
    apis: [customers]
    credentials:
      - { id: k1, api_key: { sha256: "87cbebfeebc05f7c54ac9336c4b4bbec831227a641951a4bde7edd56020f8590", scopes: [read] } }
attestation:
  app: { field: x-app, secret: "0123456789abcdef0123456789abcdef" }
  watched: { field: x-app, secret: "0123456789abcdef0123456789abcdef", mode: observe }
backends: { recorder: { targets: ["http://BACKEND"] } }
apis:
  customers:
    base_path: /customers
    backend: recorder
    auth: api_key
    require: { when: "caller.consumer == path.customer" }
    operations:
      orders: { match: "GET /{customer}/orders/{id}" }
      write: { match: "POST /{customer}/orders", require: { when: "request.headers['x-reason'].startsWith('because') && 'read' in caller.scopes" } }
      scoped: { match: "DELETE /{customer}/orders", require: { scopes: [write] } }
  app:
    base_path: /app
    backend: recorder
    auth: none
    attestation: app
    require: { when: "posture.attested && posture.claims.level == 'strong'" }
    operations: { all: { match: "* /{rest*}" } }
  watched:
    base_path: /watched
    backend: recorder
    auth: none
    attestation: watched
    require: { when: "posture.attested || request.method == 'GET'" }
    operations: { all: { match: "* /{rest*}" } }
  open:
    base_path: /open
    backend: recorder
    auth: none
    require: { when: "request.query.region in ['eu', 'uk']" }
    operations: { all: { match: "* /{rest*}" } }
"#;

/// What an attestation service says of an app.
fn app(level: &str) -> String {
    let claims = format!("{{\"exp\":{},\"level\":\"{level}\"}}", now() + 60);
    signed_with_secret(b"0123456789abcdef0123456789abcdef", &claims)
}

#[test]
fn only_what_the_condition_allows_arrives() {
    let stage = Stage::with(CONFIG);
    let reason = |value: &str| Request::new("POST", "/customers/x/orders").field("X-Reason", value);
    let cases: Vec<(Request, u16, Option<&str>)> = vec![
        (Request::get("/customers/acme/orders/1"), 200, None),
        (Request::get("/customers/%61cme/orders/1"), 200, None),
        (Request::get("/customers/other/orders/1"), 403, Some("condition-not-met")),
        (Request::get("/customers/acme%2Fx/orders/1"), 400, Some("malformed-request")),
        (reason("because I can"), 200, None),
        (reason("why"), 403, Some("condition-not-met")),
        (reason("because").field("X-Reason", "because"), 403, Some("condition-not-met")),
        (Request::new("POST", "/customers/x/orders"), 403, Some("condition-not-met")),
        (Request::new("DELETE", "/customers/acme/orders"), 403, Some("scope-missing")),
        (Request::get("/app/a").field("X-App", app("strong")), 200, None),
        (Request::get("/app/a").field("X-App", app("weak")), 403, Some("condition-not-met")),
        (Request::get("/app/a"), 401, Some("attestation-missing")),
        (Request::get("/watched/a"), 200, None),
        (Request::new("POST", "/watched/a"), 403, Some("condition-not-met")),
        (Request::new("POST", "/watched/a").field("X-App", app("weak")), 200, None),
        (Request::get("/open/a?region=eu"), 200, None),
        (Request::get("/open/a?region=us"), 403, Some("condition-not-met")),
        (Request::get("/open/a"), 403, Some("condition-not-met")),
        (Request::get("/open/a?region=eu&region=us"), 403, Some("condition-not-met")),
    ];
    for wire in Wire::ALL {
        let mut findings = Findings::default();
        for (request, status, problem) in &cases {
            let mark = stage.backend.mark();
            let response = wire.send(stage.public(), &request.clone().field(KEY_FIELD, KEY));
            let arrived = stage.backend.since(mark).len();
            let expected = (*status, problem.map(str::to_owned), usize::from(*status == 200));
            let got = (response.status, response.problem(), arrived);
            let outcome = if got == expected { Ok(()) } else { Err(format!("{got:?}: {response:?}")) };
            findings.note(format!("{wire:?} {request:?}"), outcome);
        }
        findings.conclude(cases.len());
    }
    stage.gateway.record("why it was not met", |record| {
        record["error.type"] == "condition-not-met"
            && record.to_string().contains("the field `x-reason` is there more than once")
    });
}

#[test]
fn a_condition_that_cannot_be_right_does_not_load() {
    for (condition, said) in [
        ("caller.name == 'x'", "speaks of `caller.name`; hint: `caller` has `consumer`"),
        ("path.other == 'x'", "speaks of `path.other`; hint: `path` has `customer`, `id`"),
        ("caller.scopes.exists(s, s == 'x')", "has a loop"),
        ("caller.consumer", "takes a text for true or false"),
        ("caller.consumer ==", "is no condition in CEL"),
    ] {
        let config =
            CONFIG.replace("caller.consumer == path.customer", condition).replace("BACKEND", "127.0.0.1:9");
        let output = Builder::new(executable(), config).run(&["check"]);
        let printed = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{condition}: {printed}");
        assert!(printed.contains(said) && printed.contains("portcullis.yaml:18:"), "{condition}: {printed}");
    }
}
