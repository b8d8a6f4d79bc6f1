//! Issuers that are asked about tokens, and several issuers at one place.

use portcullis_testkit::gateway::Builder;
use portcullis_testkit::provider::{Answer, Provider};
use portcullis_testkit::tokens::{Signer, claims, key_set, now, with};
use portcullis_testkit::{Deadline, Request, Wire};
use serde_json::{Value, json};

use super::{await_status, good, send};
use crate::stage::{Findings, Stage, executable};

const CONFIG: &str = r#"version: 1
state: none
admin: { probes: 127.0.0.1:0 }
listeners: { public: { bind: 127.0.0.1:0, protocols: [http1, http2] } }
bounds: { credential_failures: 1000000 }
telemetry: { access_log: stdout }
issuers:
  lab: { issuer: "https://lab.example.com", jwks: lab.jwks.json, audiences: [orders-api] }
  corp: { issuer: "https://corp.example.com", jwks: corp.jwks.json, audiences: [orders-api] }
  far: { issuer: "https://far.example.com", jwks: "http://127.0.0.1:9/jwks", audiences: [orders-api] }
  old: { introspection: { url: "OLD/introspect", client_id: "gate way", client_secret: "s3cr:t", cache: 1s, cache_inactive: 1s }, audiences: [orders-api], timeout: 1s }
  signed: { issuer: "https://lab.example.com", jwks: lab.jwks.json, introspection: { url: "OLD/signed", client_id: gw, client_secret: secret, signed: true } }
backends: { recorder: { targets: ["http://BACKEND"] } }
defaults: { auth: { any_of: [{ jwt: lab }, { jwt: corp }, { jwt: far }] } }
apis:
  several: { backend: recorder, operations: { all: { match: "* /{rest*}" } } }
  asked: { base_path: /asked, backend: recorder, auth: { token: old }, operations: { all: { match: "* /{rest*}", require: { scopes: [read] } } } }
  signed: { base_path: /signed, backend: recorder, auth: { token: signed }, operations: { all: { match: "* /{rest*}" } } }
  both: { base_path: /both, backend: recorder, auth: { any_of: [{ token: old }, { jwt: lab }] }, operations: { all: { match: "* /{rest*}" } } }
"#;

fn stage(provider: &Provider, lab: &Signer, corp: &Signer) -> Stage {
    let (lab, corp) = (key_set(&[lab]).to_string(), key_set(&[corp]).to_string());
    Stage::built(|backend| {
        let config = CONFIG.replace("BACKEND", backend).replace("OLD", &provider.url());
        Builder::new(executable(), config).file("lab.jwks.json", lab).file("corp.jwks.json", corp)
    })
}

fn ask(stage: &Stage, wire: Wire, path: &str, token: &str) -> (u16, Option<String>) {
    let request = Request::get(path).field("Authorization", format!("Bearer {token}"));
    wire.send(stage.public(), &request).verdict()
}

fn invalid() -> (u16, Option<String>) {
    (401, Some("credential-invalid".to_owned()))
}

fn unavailable() -> (u16, Option<String>) {
    (503, Some("issuer-unavailable".to_owned()))
}

#[test]
fn the_issuer_that_a_token_names_judges_it() {
    let (lab, corp, provider) = (Signer::new("k"), Signer::new("k"), Provider::start());
    let stage = stage(&provider, &lab, &corp);
    for wire in Wire::ALL {
        assert_eq!(send(&stage, *wire, &good(&lab, "https://lab.example.com", "alice")).status, 200);
        assert_eq!(send(&stage, *wire, &good(&corp, "https://corp.example.com", "alice")).status, 200);
        // A key of one counts for nothing under the name of another, and nothing else is tried.
        for token in [
            good(&corp, "https://lab.example.com", "alice"),
            good(&lab, "https://corp.example.com", "alice"),
            good(&lab, "https://evil.example.com", "alice"),
        ] {
            assert_eq!(send(&stage, *wire, &token).verdict(), invalid());
        }
        // One issuer that is away takes no other with it.
        assert_eq!(
            send(&stage, *wire, &good(&lab, "https://far.example.com", "alice")).verdict(),
            unavailable()
        );
    }
    for consumer in ["lab/alice", "corp/alice"] {
        stage.gateway.record(consumer, |record| record["portcullis.consumer"] == consumer);
    }
}

fn active(others: Value) -> Answer {
    let base = json!({
        "active": true, "sub": "alice", "client_id": "app", "aud": "orders-api", "scope": "read write",
        "exp": now() + 600, "token_type": "Bearer",
    });
    Answer::Json(with(&base, others))
}

#[test]
fn an_opaque_token_is_good_when_its_issuer_says_so() {
    let (lab, provider) = (Signer::new("k"), Provider::start());
    let stage = stage(&provider, &lab, &lab);
    provider.on("/introspect", active(json!({})));
    for wire in Wire::ALL {
        for _ in 0..3 {
            assert_eq!(ask(&stage, *wire, "/asked/x", "2YotnFZFEjr1zCsicMWpAA").0, 200);
        }
    }
    let asked = provider.asked();
    let first = asked.first().expect("a call");
    assert_eq!(first.line, "POST /introspect");
    assert_eq!(first.body, "token=2YotnFZFEjr1zCsicMWpAA&token_type_hint=access_token");
    // Each part is encoded for forms before both are encoded for the field.
    assert!(first.head.contains("authorization: Basic Z2F0ZSUyMHdheTpzM2NyJTNBdA=="), "{}", first.head);
    stage.gateway.record("the exchange", |record| record["portcullis.consumer"] == "old/alice");
    provider.on("/introspect", Answer::Json(json!({ "active": false })));
    // Within the time of `cache` the end of the token is noticed.
    Deadline::soon().poll("the token's end", || {
        (ask(&stage, Wire::Http1, "/asked/x", "2YotnFZFEjr1zCsicMWpAA") == invalid()).then_some(())
    });
}

#[test]
fn answers_that_are_none_open_nothing() {
    let (lab, provider) = (Signer::new("k"), Provider::start());
    let stage = stage(&provider, &lab, &lab);
    let json = |body: &str| Answer::Reply(200, "application/json", body.as_bytes().to_vec());
    let mut findings = Findings::default();
    for (number, (name, answer, expected)) in [
        ("inactive", Answer::Json(json!({ "active": false })), invalid()),
        ("inactive with a subject", active(json!({ "active": false })), invalid()),
        ("another audience", active(json!({ "aud": "billing-api" })), invalid()),
        ("no audience", active(json!({ "aud": null })), invalid()),
        ("expired", active(json!({ "exp": now() - 5 })), invalid()),
        ("not yet", active(json!({ "nbf": now() + 600 })), invalid()),
        ("nobody", active(json!({ "sub": null, "client_id": null })), invalid()),
        ("a refresh token", active(json!({ "token_type": "refresh_token" })), invalid()),
        ("bound to a key", active(json!({ "cnf": { "jkt": "abc" } })), invalid()),
        ("no word of active", active(json!({ "active": null })), unavailable()),
        ("active as text", active(json!({ "active": "true" })), unavailable()),
        ("active as number", active(json!({ "active": 1 })), unavailable()),
        ("exp as text", active(json!({ "exp": "never" })), unavailable()),
        ("scope as number", active(json!({ "scope": 7 })), unavailable()),
        ("active twice", json("{\"active\":false,\"active\":true}"), unavailable()),
        ("HTML", Answer::Reply(200, "text/html", b"<html>".to_vec()), unavailable()),
        ("HTML called JSON", json("<html>"), unavailable()),
        ("an error", Answer::Reply(500, "application/json", b"{\"active\":true}".to_vec()), unavailable()),
        ("a redirect", Answer::Reply(302, "text/plain", Vec::new()), unavailable()),
        (
            "ours is refused",
            Answer::Reply(401, "application/json", b"{\"active\":true}".to_vec()),
            unavailable(),
        ),
        ("ten megabytes", json(&format!("{{\"active\":true{}}}", " ".repeat(10 << 20))), unavailable()),
        ("silent", Answer::Silence, unavailable()),
        ("a byte now and then", Answer::Drip, unavailable()),
        ("closed", Answer::Close, unavailable()),
    ]
    .into_iter()
    .enumerate()
    {
        provider.on("/introspect", answer);
        for wire in Wire::ALL {
            let mark = stage.backend.mark();
            let found = ask(&stage, *wire, "/asked/x", &format!("token-{number}-{wire:?}"));
            let is_right = found == expected && stage.backend.since(mark).is_empty();
            findings.note(name, if is_right { Ok(()) } else { Err(format!("{found:?}")) });
        }
    }
    assert_eq!(provider.count("/elsewhere"), 0, "a redirect was followed");
    findings.conclude(48);
    provider.on("/introspect", active(json!({})));
    assert_eq!(ask(&stage, Wire::Http1, "/asked/x", "good").0, 200);
    let said = stage.gateway.stderr().tail(200);
    assert!(!said.contains("s3cr") && !said.contains("token-3"), "a secret in the log: {said}");
}

#[test]
fn one_call_serves_all_who_present_the_same_token() {
    let (lab, provider) = (Signer::new("k"), Provider::start());
    let stage = stage(&provider, &lab, &lab);
    provider.on("/introspect", active(json!({})));
    let address = stage.public();
    let ask = move || {
        let request = Request::get("/asked/x").field("Authorization", "Bearer shared");
        Wire::Http1.send(address, &request).status
    };
    let threads: Vec<_> = (0..8).map(|_| std::thread::spawn(ask)).collect();
    for thread in threads {
        assert_eq!(thread.join().expect("a thread"), 200);
    }
    assert!(provider.count("/introspect") <= 2, "{} calls", provider.count("/introspect"));
}

#[test]
fn a_token_goes_to_who_can_judge_it() {
    let (lab, provider) = (Signer::new("k"), Provider::start());
    let stage = stage(&provider, &lab, &lab);
    provider.on("/introspect", active(json!({})));
    let token = good(&lab, "https://lab.example.com", "alice");
    assert_eq!(ask(&stage, Wire::Http1, "/both/x", &token).0, 200);
    assert_eq!(provider.count("/introspect"), 0, "asked about another issuer's token");
    assert_eq!(ask(&stage, Wire::Http1, "/both/x", "opaque").0, 200);
    assert_eq!(provider.count("/introspect"), 1);
    provider.on("/introspect", Answer::Close);
    let bad = lab.token(&with(&claims("https://lab.example.com", "other", "alice"), json!({})));
    assert_eq!(ask(&stage, Wire::Http1, "/both/x", &bad), invalid());
    await_status(&stage, &token, 200);
}

#[test]
fn a_signed_answer_counts_if_the_issuer_has_signed_it_for_us() {
    let (lab, other, provider) = (Signer::new("k"), Signer::new("k"), Provider::start());
    let stage = stage(&provider, &lab, &lab);
    let header = |typ: &str| json!({ "alg": "ES256", "kid": "k", "typ": typ }).to_string();
    let answer = |others: Value| {
        let about = json!({ "active": true, "sub": "alice", "exp": now() + 600 });
        let base = json!({ "iss": "https://lab.example.com", "aud": "gw", "iat": now(), "token_introspection": about });
        with(&base, others).to_string()
    };
    let kind = "token-introspection+jwt";
    let reply = |token: String| Answer::Reply(200, "application/token-introspection+jwt", token.into_bytes());
    let inactive = json!({ "token_introspection": { "active": false } });
    for (number, (name, answer, status)) in [
        ("good", reply(lab.sign(&header(kind), &answer(json!({})))), 200),
        ("inactive", reply(lab.sign(&header(kind), &answer(inactive))), 401),
        ("of another key", reply(other.sign(&header(kind), &answer(json!({})))), 503),
        ("of another kind", reply(lab.sign(&header("at+jwt"), &answer(json!({})))), 503),
        ("for another client", reply(lab.sign(&header(kind), &answer(json!({ "aud": "other" })))), 503),
        ("of another issuer", reply(lab.sign(&header(kind), &answer(json!({ "iss": "https://evil" })))), 503),
        (
            "about nothing",
            reply(lab.sign(&header(kind), &answer(json!({ "token_introspection": null })))),
            503,
        ),
        ("unsigned", active(json!({})), 503),
    ]
    .into_iter()
    .enumerate()
    {
        provider.on("/signed", answer);
        for wire in Wire::ALL {
            let found = ask(&stage, *wire, "/signed/x", &format!("token-{number}-{wire:?}"));
            assert_eq!(found.0, status, "{name}: {found:?}");
        }
    }
    let asked = provider.asked();
    assert!(asked[0].head.contains("accept: application/token-introspection+jwt"), "{}", asked[0].head);
}
