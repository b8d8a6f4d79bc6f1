//! Phantom tokens: clients hold a token that says nothing, backends get the JWT that the issuer answers with.

use portcullis_testkit::gateway::Builder;
use portcullis_testkit::provider::{Answer, Provider};
use portcullis_testkit::tokens::{Signer, claims, claims_of, key_set, now, with};
use portcullis_testkit::{Message, Request, Response, Wire};
use serde_json::{Value, json};

use crate::stage::{Findings, KEY, KEY_FIELD, Stage, executable};

const ISSUER: &str = "https://lab.example.com";

const CONFIG: &str = r#"version: 1
state: none
listeners: { public: { bind: 127.0.0.1:0, protocols: [http1, http2] } }
bounds: { credential_failures: 1000000 }
telemetry: { access_log: stdout }
signing: { issuer: "https://gw.test", jwks: { path: /keys } }
issuers:
  jwt: { issuer: "https://lab.example.com", jwks: lab.jwks.json, audiences: [orders-api], introspection: { url: "OLD/jwt", client_id: gw, client_secret: secret, as_jwt: true, cache: 1s, cache_inactive: 1s }, timeout: 1s }
  signed: { issuer: "https://lab.example.com", jwks: lab.jwks.json, introspection: { url: "OLD/signed", client_id: gw, client_secret: secret, signed: true, cache: 1s } }
  plain: { introspection: { url: "OLD/plain", client_id: gw, client_secret: secret, cache: 1s } }
consumers:
  tester: { apis: ["*"], credentials: [{ id: k1, api_key: { sha256: "87cbebfeebc05f7c54ac9336c4b4bbec831227a641951a4bde7edd56020f8590" } }] }
backends:
  bare: { targets: ["http://BACKEND"], credentials: { phantom_token: {} } }
  minting: { targets: ["http://BACKEND"], credentials: { phantom_token: { header: X-Token, mint: { audience: orders } } } }
apis:
  jwt: { base_path: /jwt, backend: bare, auth: { token: jwt }, operations: { all: { match: "* /{rest*}" } } }
  signed: { base_path: /signed, backend: bare, auth: { token: signed }, operations: { all: { match: "* /{rest*}" } } }
  mixed: { base_path: /mixed, backend: minting, auth: { any_of: [{ token: jwt }, api_key] }, operations: { all: { match: "* /{rest*}" } } }
  plain: { base_path: /plain, backend: minting, auth: { token: plain }, operations: { all: { match: "* /{rest*}" } } }
"#;

const OPAQUE: &str = "2YotnFZFEjr1zCsicMWpAA";

struct Scene {
    stage: Stage,
    provider: Provider,
    signer: Signer,
}

impl Scene {
    fn start() -> Self {
        let (provider, signer) = (Provider::start(), Signer::new("a"));
        let keys = key_set(&[&signer]).to_string();
        let stage = Stage::built(|backend| {
            let config = CONFIG.replace("BACKEND", backend).replace("OLD", &provider.url());
            Builder::new(executable(), config).file("lab.jwks.json", keys)
        });
        Self { stage, provider, signer }
    }

    /// The token itself as a JWT, about `subject`, with these claims in place of others.
    fn jwt(&self, subject: &str, others: Value) -> String {
        self.signer.token(&with(&claims(ISSUER, "orders-api", subject), others))
    }

    /// What is answered to a request with this token, and what arrives of it, never the token.
    fn send(&self, wire: Wire, path: &str, token: &str) -> (Response, Option<Message>) {
        let mark = self.stage.backend.mark();
        let request = Request::get(path).field("Authorization", format!("Bearer {token}"));
        let response = wire.send(self.stage.public(), &request.field("X-Token", "mine"));
        let arrived = self.stage.backend.since(mark).pop();
        if let Some(message) = &arrived {
            let told = message.to_string();
            assert!(!told.contains(token) && !told.contains("mine"), "{told}");
        }
        (response, arrived)
    }
}

fn answer(kind: &'static str, body: &str) -> Answer {
    Answer::Reply(200, kind, body.as_bytes().to_vec())
}

#[test]
fn a_backend_reads_what_the_issuer_answers_about_a_token_that_says_nothing() {
    let scene = Scene::start();
    let jwt = scene.jwt("alice", json!({ "scope": "read" }));
    scene.provider.on("/jwt", answer("application/jwt", &jwt));
    let about = json!({
        "iss": ISSUER, "aud": "gw", "iat": now(),
        "token_introspection": { "active": true, "sub": "bob", "client_id": "app", "exp": now() + 600 },
    });
    let header = json!({ "alg": "ES256", "kid": "a", "typ": "token-introspection+jwt" }).to_string();
    let signed = scene.signer.sign(&header, &about.to_string());
    scene.provider.on("/signed", answer("application/token-introspection+jwt", &signed));
    for wire in Wire::ALL {
        for (path, given) in [("/jwt/x", &jwt), ("/signed/x", &signed)] {
            let (response, arrived) = scene.send(*wire, path, OPAQUE);
            assert_eq!(response.status, 200, "{response:?}");
            let arrived = arrived.expect("a message");
            assert_eq!(arrived.text("authorization"), Some(format!("Bearer {given}")), "{arrived}");
        }
        let (_, arrived) = scene.send(*wire, "/mixed/x", OPAQUE);
        let arrived = arrived.expect("a message");
        assert_eq!((arrived.text("x-token").as_ref(), arrived.text("authorization")), (Some(&jwt), None));
    }
    for consumer in ["jwt/alice", "signed/bob"] {
        scene.stage.gateway.record(consumer, |record| record["portcullis.consumer"] == consumer);
    }
    let asked = scene.provider.asked();
    let asked = |path: &str| {
        asked.iter().find(|asked| asked.line == format!("POST {path}")).expect("a call").head.clone()
    };
    assert!(asked("/jwt").contains("accept: application/jwt\r\n"), "{}", asked("/jwt"));
    let told = scene.stage.gateway.stdout().tail(1000) + &scene.stage.gateway.stderr().tail(1000);
    assert!(!told.contains("eyJ") && !told.contains(OPAQUE), "{told}");
}

#[test]
fn where_the_issuer_gives_none_the_gateway_mints_one() {
    let scene = Scene::start();
    let plain = json!({ "active": true, "sub": "carol", "client_id": "app", "scope": "read write", "exp": now() + 600 });
    scene.provider.on("/plain", Answer::Json(plain));
    for wire in Wire::ALL {
        let (response, arrived) = scene.send(*wire, "/plain/x", OPAQUE);
        assert_eq!(response.status, 200, "{response:?}");
        let claims = claims_of(&arrived.expect("a message").text("x-token").expect("a token"));
        for (name, expected) in [
            ("iss", "https://gw.test"),
            ("aud", "orders"),
            ("sub", "plain/carol"),
            ("client_id", "app"),
            ("scope", "read write"),
        ] {
            assert_eq!(claims[name], expected, "{claims}");
        }
        let mark = scene.stage.backend.mark();
        let keyed = Request::get("/mixed/x").field(KEY_FIELD, KEY);
        assert_eq!(wire.send(scene.stage.public(), &keyed).status, 200);
        let arrived = scene.stage.backend.since(mark).pop().expect("a message");
        assert_eq!(claims_of(&arrived.text("x-token").expect("a token"))["sub"], "tester");
    }
}

#[test]
fn an_answer_that_does_not_hold_opens_nothing() {
    let scene = Scene::start();
    let stranger = Signer::new("a");
    let invalid = (401, Some("credential-invalid".to_owned()));
    let unavailable = (503, Some("issuer-unavailable".to_owned()));
    let jwt = |token: &str| answer("application/jwt", token);
    let not_signed = r#"{"alg":"none"}"#;
    let none = scene.signer.sign(not_signed, &claims(ISSUER, "orders-api", "alice").to_string());
    let of_introspection =
        json!({ "alg": "ES256", "kid": "a", "typ": "token-introspection+jwt" }).to_string();
    let rows = [
        ("not active", Answer::Reply(204, "text/plain", Vec::new()), &invalid),
        ("for another audience", jwt(&scene.jwt("alice", json!({ "aud": "stock" }))), &invalid),
        ("of another issuer", jwt(&scene.jwt("alice", json!({ "iss": "https://evil" }))), &unavailable),
        ("of another key", jwt(&stranger.token(&claims(ISSUER, "orders-api", "alice"))), &unavailable),
        ("expired", jwt(&scene.jwt("alice", json!({ "exp": now() - 60 }))), &unavailable),
        ("without an end", jwt(&scene.jwt("alice", json!({ "exp": null }))), &unavailable),
        ("signed by nothing", jwt(&none), &unavailable),
        (
            "an ID token",
            jwt(&scene.signer.sign(
                r#"{"alg":"ES256","kid":"a"}"#,
                &with(&claims(ISSUER, "orders-api", "alice"), json!({ "nonce": "n" })).to_string(),
            )),
            &unavailable,
        ),
        (
            "of another kind",
            jwt(&scene.signer.sign(&of_introspection, &claims(ISSUER, "orders-api", "alice").to_string())),
            &unavailable,
        ),
        ("no JWT", jwt("alice"), &unavailable),
        ("in JSON", Answer::Json(json!({ "active": true, "sub": "alice" })), &unavailable),
        ("too long", jwt(&"a".repeat(100_000)), &unavailable),
        ("a redirect", Answer::Reply(302, "application/jwt", Vec::new()), &unavailable),
        ("silence", Answer::Silence, &unavailable),
        ("no end", Answer::Drip, &unavailable),
        ("nothing", Answer::Close, &unavailable),
    ];
    let mut findings = Findings::default();
    for (number, (name, said, expected)) in rows.into_iter().enumerate() {
        scene.provider.on("/jwt", said);
        for wire in Wire::ALL {
            let (response, arrived) = scene.send(*wire, "/jwt/x", &format!("opaque-{number}-{wire:?}"));
            let is_told = response.verdict() == *expected && arrived.is_none();
            findings.note(
                format!("{name} over {wire:?}"),
                if is_told { Ok(()) } else { Err(format!("{response:?}")) },
            );
        }
    }
    findings.conclude(32);
    scene.provider.on("/jwt", answer("application/jwt", &scene.jwt("alice", json!({}))));
    assert_eq!(scene.send(Wire::Http1, "/jwt/x", "good").0.status, 200);
}

#[test]
fn a_way_in_without_a_jwt_does_not_load_unless_one_is_minted() {
    let keys = key_set(&[&Signer::new("a")]).to_string();
    for auth in ["api_key", "{ token: plain }", "{ any_of: [{ token: jwt }, api_key] }"] {
        let config =
            CONFIG.replace("backend: bare, auth: { token: jwt }", &format!("backend: bare, auth: {auth}"));
        let config = config.replace("BACKEND", "127.0.0.1:9").replace("OLD", "http://127.0.0.1:9");
        let output = Builder::new(executable(), config).file("lab.jwks.json", keys.clone()).run(&["check"]);
        let said =
            String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains("apis.jwt.auth: lets callers in who come with no JWT"), "{auth}: {said}");
    }
}
