//! An issuer whose keys are in a file, and everything about a token that must not pass.

use portcullis_testkit::gateway::Builder;
use portcullis_testkit::tokens::{Signer, base64url, claims, key_set, now, with};
use portcullis_testkit::{Deadline, Request, Wire};
use serde_json::{Value, json};

use super::{LAB, await_status, bearing, good, send};
use crate::stage::{Findings, Stage, executable};

const CONFIG: &str = r#"version: 1
state: none
admin: { probes: 127.0.0.1:0 }
listeners: { public: { bind: 127.0.0.1:0, protocols: [http1, http2] } }
bounds: { credential_failures: 1000000 }
telemetry: { access_log: stdout }
issuers:
  lab: { issuer: "https://lab.example.com", jwks: lab.jwks.json, audiences: [orders-api] }
backends: { recorder: { targets: ["http://BACKEND"] } }
apis:
  orders:
    backend: recorder
    auth: { jwt: lab }
    operations:
      write: { match: "POST /orders", require: { scopes: [orders.write] } }
      all: { match: "* /{rest*}" }
"#;

fn stage(keys: &[&Signer]) -> Stage {
    let keys = key_set(keys).to_string();
    Stage::built(|backend| {
        Builder::new(executable(), CONFIG.replace("BACKEND", backend)).file("lab.jwks.json", keys)
    })
}

#[test]
fn a_token_of_the_issuer_passes_and_names_its_consumer() {
    let signer = Signer::new("a");
    let stage = stage(&[&signer]);
    for wire in Wire::ALL {
        let token = good(&signer, LAB, "alice");
        for _ in 0..2 {
            let mark = stage.backend.mark();
            let answer = send(&stage, *wire, &token);
            assert_eq!(answer.status, 200, "{answer:?}");
            let arrived = stage.backend.since(mark);
            let fields = &arrived.first().expect("a message").fields;
            let is_token = |(name, _): &(Vec<u8>, Vec<u8>)| name.eq_ignore_ascii_case(b"authorization");
            assert!(!fields.iter().any(is_token), "the backend saw the token");
        }
    }
    let record = stage.gateway.record("the exchange", |record| record["portcullis.consumer"] == "lab/alice");
    assert_eq!(record["portcullis.decision"], "allowed");
}

#[test]
fn nothing_where_a_token_is_asked_for_is_missing() {
    let stage = stage(&[&Signer::new("a")]);
    for wire in Wire::ALL {
        for request in [
            Request::get("/thing"),
            Request::get("/thing").field("Authorization", "Basic YTpi"),
            Request::get("/thing").field("Authorization", "Bearers abc"),
            Request::get("/thing?access_token=abc"),
        ] {
            let answer = wire.send(stage.public(), &request);
            assert_eq!(answer.verdict(), (401, Some("credential-missing".to_owned())), "{request:?}");
            let challenge = answer.text("www-authenticate").expect("a challenge");
            assert!(challenge.starts_with("Bearer realm=\"portcullis\""), "{challenge}");
            assert!(!challenge.contains("error"), "{challenge}");
        }
    }
}

/// Tokens that must not pass, each with a name: what the nearest peers accept among them.
fn bad_tokens(signer: &Signer, stranger: &Signer) -> Vec<(&'static str, String)> {
    let base = claims(LAB, "orders-api", "alice");
    let claims = |others: Value| signer.token(&with(&base, others));
    let header = |header: Value| signer.sign(&header.to_string(), &base.to_string());
    let unsigned = |alg: &str| {
        let head = json!({ "alg": alg, "typ": "at+jwt" }).to_string();
        format!("{}.{}.", base64url(head.as_bytes()), base64url(base.to_string().as_bytes()))
    };
    let token = signer.token(&base);
    let mut parts: Vec<&str> = token.split('.').collect();
    let forged = base64url(with(&base, json!({ "sub": "mallory" })).to_string().as_bytes());
    parts[1] = &forged;
    let forged = parts.join(".");
    let twice = base.to_string().replacen("\"sub\":\"alice\"", "\"sub\":\"alice\",\"sub\":\"alice\"", 1);
    vec![
        ("a bad signature", format!("{}AAAA", &token[..token.len() - 4])),
        ("no signature", token[..token.rfind('.').expect("a dot") + 1].to_owned()),
        ("claims of another token", forged),
        ("a key of somebody else under a known name", stranger.token(&base)),
        ("expired", claims(json!({ "exp": now() - 120 }))),
        ("nbf in the future", claims(json!({ "nbf": now() + 600 }))),
        ("without an end", claims(json!({ "exp": null }))),
        ("exp as text", claims(json!({ "exp": (now() + 600).to_string() }))),
        (
            "exp as null",
            signer.sign(&signer.header().to_string(), &{
                let mut claims = base.clone();
                claims["exp"] = Value::Null;
                claims.to_string()
            }),
        ),
        ("another audience", claims(json!({ "aud": "billing-api" }))),
        ("no audience", claims(json!({ "aud": null }))),
        ("an audience that begins like ours", claims(json!({ "aud": "orders-api-2" }))),
        ("another issuer", claims(json!({ "iss": "https://evil.example.com" }))),
        ("an issuer with a slash more", claims(json!({ "iss": format!("{LAB}/") }))),
        ("no issuer", claims(json!({ "iss": null }))),
        ("nobody", claims(json!({ "sub": null }))),
        ("a subject with a line end", claims(json!({ "sub": "al\nice" }))),
        ("a claim twice", signer.sign(&signer.header().to_string(), &twice)),
        ("alg none", unsigned("none")),
        ("alg None", unsigned("None")),
        ("alg of a secret", header(json!({ "alg": "HS256", "typ": "at+jwt", "kid": "a" }))),
        (
            "an unknown critical extension",
            header(json!({ "alg": "ES256", "typ": "at+jwt", "kid": "a", "crit": ["exp"], "exp": 1 })),
        ),
        (
            "critical b64",
            header(json!({ "alg": "ES256", "typ": "at+jwt", "kid": "a", "crit": ["b64"], "b64": true })),
        ),
        ("a key within", header(json!({ "alg": "ES256", "typ": "at+jwt", "jwk": signer.jwk() }))),
        (
            "a place of keys",
            header(json!({ "alg": "ES256", "typ": "at+jwt", "kid": "a", "jku": "http://127.0.0.1:9/" })),
        ),
        ("an unknown key", header(json!({ "alg": "ES256", "typ": "at+jwt", "kid": "nobody" }))),
        ("a DPoP proof", header(json!({ "alg": "ES256", "typ": "dpop+jwt", "kid": "a" }))),
        ("a logout token", header(json!({ "alg": "ES256", "typ": "logout+jwt", "kid": "a" }))),
        (
            "an ID token",
            signer.sign(
                &json!({ "alg": "ES256", "kid": "a" }).to_string(),
                &with(&base, json!({ "nonce": "n" })).to_string(),
            ),
        ),
        ("bound to a key", claims(json!({ "cnf": { "jkt": "abc" } }))),
        ("bound to a certificate", claims(json!({ "cnf": { "x5t#S256": base64url(&[7; 32]) } }))),
        ("bound to something", claims(json!({ "cnf": { "kid": "abc" } }))),
        ("five segments", format!("{token}.a.b")),
        ("no token", "abc".to_owned()),
        ("padding within", token.replacen('.', "=.", 1)),
    ]
}

#[test]
fn what_is_wrong_with_a_token_is_refused_in_one_wording() {
    let (signer, stranger) = (Signer::new("a"), Signer::new("a"));
    let stage = stage(&[&signer]);
    let mut findings = Findings::default();
    for wire in Wire::ALL {
        let mark = stage.backend.mark();
        for (name, token) in bad_tokens(&signer, &stranger) {
            let answer = send(&stage, *wire, &token);
            let challenge = answer.text("www-authenticate").unwrap_or_default();
            let is_right = answer.verdict() == (401, Some("credential-invalid".to_owned()))
                && answer.json()["detail"] == "the credential is not valid"
                && challenge.contains("error=\"invalid_token\"");
            findings.note(name, if is_right { Ok(()) } else { Err(format!("{answer:?}")) });
        }
        assert!(stage.backend.since(mark).is_empty(), "a bad token reached the backend");
        assert_eq!(send(&stage, *wire, &good(&signer, LAB, "alice")).status, 200);
    }
    findings.conclude(60);
}

#[test]
fn malformed_authorization_is_refused() {
    let signer = Signer::new("a");
    let stage = stage(&[&signer]);
    let token = good(&signer, LAB, "alice");
    for wire in Wire::ALL {
        for value in ["Bearer", "Bearer  abc", "Bearer a b", "Bearer a,b", "Bearer =", "bearer \u{e9}"] {
            let answer = wire.send(stage.public(), &Request::get("/thing").field("Authorization", value));
            assert_eq!(answer.verdict(), (401, Some("credential-invalid".to_owned())), "{value:?}");
        }
        let lower = Request::get("/thing").field("authorization", format!("bearer {token}"));
        assert_eq!(wire.send(stage.public(), &lower).status, 200);
    }
}

#[test]
fn scopes_are_asked_of_tokens() {
    let signer = Signer::new("a");
    let stage = stage(&[&signer]);
    let base = claims(LAB, "orders-api", "alice");
    for (others, status) in [
        (json!({}), 403),
        (json!({ "scope": "orders.read" }), 403),
        (json!({ "scope": "orders.read orders.write" }), 200),
        (json!({ "scp": ["orders.write"] }), 200),
    ] {
        let token = signer.token(&with(&base, others));
        for wire in Wire::ALL {
            let target = b"/orders".to_vec();
            let request = Request { method: "POST".to_owned(), target, ..bearing(&token) };
            let answer = wire.send(stage.public(), &request);
            assert_eq!(answer.status, status, "{answer:?}");
            if status == 403 {
                let challenge = answer.text("www-authenticate").expect("a challenge");
                assert!(
                    challenge.contains("error=\"insufficient_scope\", scope=\"orders.write\""),
                    "{challenge}"
                );
            }
        }
    }
}

#[test]
fn another_key_in_the_file_counts_and_the_old_one_no_more() {
    let (first, second) = (Signer::new("a"), Signer::new("b"));
    let stage = stage(&[&first]);
    let (old, new) = (good(&first, LAB, "alice"), good(&second, LAB, "bob"));
    assert_eq!(send(&stage, Wire::Http1, &old).status, 200);
    assert_eq!(send(&stage, Wire::Http1, &new).status, 401);
    stage.gateway.write("lab.jwks.json", key_set(&[&second]).to_string());
    await_status(&stage, &new, 200);
    assert_eq!(send(&stage, Wire::Http1, &old).status, 401, "remembered beyond its key's removal");
}

#[test]
fn a_token_is_remembered_no_longer_than_it_lasts() {
    let signer = Signer::new("a");
    let stage = stage(&[&signer]);
    // The two clocks are let be half a minute apart, and so this one lasts two seconds.
    let token = signer.token(&with(&claims(LAB, "orders-api", "alice"), json!({ "exp": now() - 28 })));
    let first = send(&stage, Wire::Http1, &token).status;
    assert!(first == 200 || first == 401, "{first}");
    await_status(&stage, &token, 401);
}

#[test]
fn a_key_set_that_counts_for_nothing_does_not_load() {
    let signer = Signer::new("a");
    let stage = stage(&[&signer]);
    let token = good(&signer, LAB, "alice");
    let mut private = signer.jwk();
    private["d"] = json!("AAAA");
    for bad in [
        key_set(&[&signer, &Signer::new("a")]).to_string(),
        json!({ "keys": [private] }).to_string(),
        json!({ "keys": [] }).to_string(),
        "<html>".to_owned(),
    ] {
        stage.gateway.write("lab.jwks.json", &bad);
        let failed = Deadline::soon().poll("a reload that failed", || {
            let status = Wire::Http1.send(stage.gateway.probes(), &Request::get("/readyz"));
            let text = String::from_utf8_lossy(&status.body).into_owned();
            text.contains("last reload failed").then_some(text)
        });
        assert!(failed.contains("jwks"), "{failed}");
        assert_eq!(send(&stage, Wire::Http1, &token).status, 200, "what ran goes on");
        stage.gateway.write("lab.jwks.json", key_set(&[&signer]).to_string());
        Deadline::soon().poll("a good reload", || {
            let status = Wire::Http1.send(stage.gateway.probes(), &Request::get("/readyz"));
            (!String::from_utf8_lossy(&status.body).contains("failed")).then_some(())
        });
    }
}
