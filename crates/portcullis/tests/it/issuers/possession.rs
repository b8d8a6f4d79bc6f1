//! Tokens that are bound to a key or a certificate: good with it, never without, and a proof is good once.

use std::process::Command;

use portcullis_testkit::certificates::Authority;
use portcullis_testkit::gateway::Builder;
use portcullis_testkit::tokens::{Signer, base64url, claims, key_set, now, with};
use portcullis_testkit::{Recorder, Request, Response, Wire};
use serde_json::{Value, json};

use super::LAB;
use crate::stage::{Findings, Stage, executable};

const CONFIG: &str = r#"version: 1
state: none
admin: { probes: 127.0.0.1:0 }
listeners: { public: { bind: 127.0.0.1:0, protocols: [http1, http2] } }
telemetry: { access_log: stdout }
bounds: { credential_failures: 1000000 }
issuers:
  lab: { issuer: "https://lab.example.com", jwks: lab.jwks.json, audiences: [orders-api] }
  told: { issuer: "https://lab.example.com", jwks: lab.jwks.json, audiences: [orders-api], dpop: accepted }
  strict: { issuer: "https://lab.example.com", jwks: lab.jwks.json, audiences: [orders-api], dpop: required, dpop_nonce: true }
backends: { recorder: { targets: ["http://BACKEND"] } }
apis:
  lab: { base_path: /lab, backend: recorder, auth: { jwt: lab }, operations: { all: { match: "* /{rest*}" } } }
  told: { base_path: /told, backend: recorder, auth: { jwt: told }, operations: { all: { match: "* /{rest*}" } } }
  strict: { base_path: /strict, backend: recorder, auth: { jwt: strict }, operations: { all: { match: "* /{rest*}" } } }
"#;

fn stage(signer: &Signer) -> Stage {
    let keys = key_set(&[signer]).to_string();
    Stage::built(|backend| {
        Builder::new(executable(), CONFIG.replace("BACKEND", backend)).file("lab.jwks.json", keys)
    })
}

/// A token of the issuer that is bound to `client`.
fn bound(signer: &Signer, client: &Signer) -> String {
    signer.token(&with(&claims(LAB, "orders-api", "alice"), json!({ "cnf": { "jkt": client.thumbprint() } })))
}

/// A request that presents `token` with `proof`.
fn presenting(path: &str, token: &str, proof: &str) -> Request {
    Request::get(path).field("Authorization", format!("DPoP {token}")).field("DPoP", proof)
}

fn challenge(answer: &Response) -> String {
    answer.text("www-authenticate").unwrap_or_default()
}

#[test]
fn a_token_bound_to_a_key_is_good_with_a_proof_and_the_proof_is_good_once() {
    let (signer, client) = (Signer::new("a"), Signer::new("client"));
    let stage = stage(&signer);
    let token = bound(&signer, &client);
    for wire in Wire::ALL {
        for path in ["/lab/thing", "/told/thing?x=y"] {
            let uri = format!("http://gw.test{}", path.split('?').next().expect("a path"));
            let proof = client.proof("GET", &uri, &token, json!({}));
            let mark = stage.backend.mark();
            let answer = wire.send(stage.public(), &presenting(path, &token, &proof));
            assert_eq!(answer.status, 200, "{answer:?}");
            let arrived = stage.backend.since(mark);
            let fields = &arrived.first().expect("a message").fields;
            for credential in ["authorization", "dpop"] {
                let is_there =
                    fields.iter().any(|(name, _)| name.eq_ignore_ascii_case(credential.as_bytes()));
                assert!(!is_there, "the backend saw {credential}");
            }
            let again = wire.send(stage.public(), &presenting(path, &token, &proof));
            assert_eq!(again.verdict(), (401, Some("credential-invalid".to_owned())), "a replay: {again:?}");
            assert!(challenge(&again).contains("error=\"invalid_dpop_proof\""), "{again:?}");
        }
    }
}

#[test]
fn a_token_bound_to_a_key_is_nothing_without_it() {
    let (signer, client, thief) = (Signer::new("a"), Signer::new("client"), Signer::new("thief"));
    let stage = stage(&signer);
    let token = bound(&signer, &client);
    let free = signer.token(&claims(LAB, "orders-api", "alice"));
    let uri = "http://gw.test/told/thing";
    let proof = |others: Value| client.proof("GET", uri, &token, others);
    let with_proof = |proof: &str| presenting("/told/thing", &token, proof);
    let bearer = Request::get("/told/thing").field("Authorization", format!("Bearer {token}"));
    let mut cases = vec![
        ("as a bearer token", bearer.clone()),
        ("as a bearer token with a proof", bearer.field("DPoP", proof(json!({})))),
        ("no proof", Request::get("/told/thing").field("Authorization", format!("DPoP {token}"))),
        ("a proof of another key", with_proof(&thief.proof("GET", uri, &token, json!({})))),
        ("a proof for another token", with_proof(&client.proof("GET", uri, &free, json!({})))),
        (
            "a free token with a proof",
            presenting("/told/thing", &free, &client.proof("GET", uri, &free, json!({}))),
        ),
        ("the token as its proof", with_proof(&token)),
        ("no JWT", with_proof("x")),
        ("an empty proof", with_proof("")),
    ];
    for (name, others) in [
        ("another method", json!({ "htm": "POST" })),
        ("another path", json!({ "htu": "http://gw.test/told/other" })),
        ("another scheme", json!({ "htu": "https://gw.test/told/thing" })),
        ("another host", json!({ "htu": "http://other.test/told/thing" })),
        ("an old proof", json!({ "iat": now() - 90 })),
        ("a proof of tomorrow", json!({ "iat": now() + 90 })),
        ("no time", json!({ "iat": null })),
        ("no name", json!({ "jti": null })),
        ("no hash of the token", json!({ "ath": null })),
        ("another hash of a token", json!({ "ath": base64url(&[7; 32]) })),
    ] {
        cases.push((name, with_proof(&proof(others))));
    }
    let mut findings = Findings::default();
    for wire in Wire::ALL {
        let mark = stage.backend.mark();
        for (name, request) in &cases {
            let answer = wire.send(stage.public(), request);
            let is_right = answer.verdict() == (401, Some("credential-invalid".to_owned()))
                && answer.json()["detail"] == "the credential is not valid"
                && challenge(&answer).starts_with("DPoP realm=\"portcullis\", error=\"invalid_");
            findings.note(name, if is_right { Ok(()) } else { Err(format!("{answer:?}")) });
        }
        let twice = with_proof(&proof(json!({}))).field("DPoP", proof(json!({})));
        assert!(matches!(wire.send(stage.public(), &twice).status, 400 | 401), "two proofs");
        assert!(stage.backend.since(mark).is_empty(), "something reached the backend");
        assert_eq!(wire.send(stage.public(), &with_proof(&proof(json!({})))).status, 200);
        // Where a token may be free it is a bearer token as ever.
        let free = Request::get("/told/thing").field("Authorization", format!("Bearer {free}"));
        assert_eq!(wire.send(stage.public(), &free).status, 200);
    }
    findings.conclude(38);
}

#[test]
fn a_key_and_a_nonce_can_be_required() {
    let (signer, client) = (Signer::new("a"), Signer::new("client"));
    let stage = stage(&signer);
    let token = bound(&signer, &client);
    let free = signer.token(&claims(LAB, "orders-api", "alice"));
    let uri = "http://gw.test/strict/thing";
    for wire in Wire::ALL {
        let nothing = wire.send(stage.public(), &Request::get("/strict/thing"));
        assert_eq!(nothing.verdict(), (401, Some("credential-missing".to_owned())));
        let asked = challenge(&nothing);
        assert!(
            asked.starts_with("DPoP realm=") && asked.contains("algs=\"") && asked.contains("ES256"),
            "{asked}"
        );
        assert!(!asked.contains("Bearer"), "{asked}");
        let request = Request::get("/strict/thing").field("Authorization", format!("Bearer {free}"));
        assert_eq!(wire.send(stage.public(), &request).verdict().0, 401);
        let mut nonce = Value::Null;
        for expected in [401, 200] {
            let proof = client.proof("GET", uri, &token, json!({ "nonce": nonce }));
            let answer = wire.send(stage.public(), &presenting("/strict/thing", &token, &proof));
            assert_eq!(answer.status, expected, "{answer:?}");
            if expected == 401 {
                assert_eq!(answer.problem().as_deref(), Some("proof-nonce-required"));
                assert!(challenge(&answer).contains("error=\"use_dpop_nonce\""), "{answer:?}");
                nonce = json!(answer.text("dpop-nonce").expect("a nonce"));
            }
        }
        let forged = client.proof("GET", uri, &token, json!({ "nonce": base64url(&[7; 32]) }));
        let answer = wire.send(stage.public(), &presenting("/strict/thing", &token, &forged));
        assert_eq!(answer.verdict(), (401, Some("proof-nonce-required".to_owned())));
    }
    let told = Wire::Http1.send(stage.public(), &Request::get("/told/thing"));
    let told = challenge(&told);
    assert!(told.starts_with("Bearer realm=") && told.contains(", DPoP realm="), "{told}");
}

/// The memory of proofs is each process's own; a nonce is good at the one that gave it.
#[test]
fn a_proof_with_a_nonce_is_good_at_no_other_node() {
    let (signer, client) = (Signer::new("a"), Signer::new("client"));
    let stage = stage(&signer);
    let config = CONFIG.replace("BACKEND", &stage.backend.address().to_string());
    let keys = key_set(&[&signer]).to_string();
    let other = Builder::new(executable(), config).file("lab.jwks.json", keys).start();
    let nodes = [stage.public(), other.address("public")];
    let token = bound(&signer, &client);
    let proof = |path: &str, nonce: &Value| {
        let uri = format!("http://gw.test{path}");
        presenting(path, &token, &client.proof("GET", &uri, &token, json!({ "nonce": nonce })))
    };
    for wire in Wire::ALL {
        for (own, another) in [(nodes[0], nodes[1]), (nodes[1], nodes[0])] {
            let asked = wire.send(own, &proof("/strict/thing", &Value::Null));
            let nonce = json!(asked.text("dpop-nonce").expect("a nonce"));
            let request = proof("/strict/thing", &nonce);
            assert_eq!(wire.send(own, &request).status, 200);
            assert_eq!(wire.send(own, &request).verdict(), (401, Some("credential-invalid".to_owned())));
            let elsewhere = wire.send(another, &request);
            assert_eq!(elsewhere.verdict(), (401, Some("proof-nonce-required".to_owned())), "{elsewhere:?}");
            // What the other asks for leads on.
            let nonce = json!(elsewhere.text("dpop-nonce").expect("a nonce"));
            assert_eq!(wire.send(another, &proof("/strict/thing", &nonce)).status, 200);
            // Without a nonce it is good once at each.
            let request = proof("/lab/thing", &Value::Null);
            for node in [own, another] {
                assert_eq!(wire.send(node, &request).status, 200);
                assert_eq!(wire.send(node, &request).status, 401);
            }
        }
    }
}

#[test]
fn a_token_bound_to_a_certificate_is_good_over_its_connection_alone() {
    let signer = Signer::new("a");
    let (authority, backend) = (Authority::new("tests"), Recorder::start());
    let pair = authority.server(&["gw.test"]);
    let tls = r#"public: { bind: 127.0.0.1:0, protocols: [http1, http2], tls: { certificates: [{ cert: "${file:s.crt}", key: "${file:s.key}" }], client_certificates: { mode: request, ca: "${file:ca.pem}" } } }"#;
    let config = CONFIG
        .replace("BACKEND", &backend.address().to_string())
        .replace("public: { bind: 127.0.0.1:0, protocols: [http1, http2] }", tls);
    let gateway = Builder::new(executable(), config)
        .file("lab.jwks.json", key_set(&[&signer]).to_string())
        .file("s.crt", pair.certificate)
        .file("s.key", pair.key)
        .file("ca.pem", authority.pem())
        .start();
    let folder = gateway.folder();
    let (own, other) = (authority.client("spiffe://tests/own"), authority.client("spiffe://tests/other"));
    for (name, pair) in [("own", &own), ("other", &other)] {
        std::fs::write(folder.join(format!("{name}.crt")), &pair.certificate).expect("a writable folder");
        std::fs::write(folder.join(format!("{name}.key")), &pair.key).expect("a writable folder");
    }
    let base = claims(LAB, "orders-api", "alice");
    let token = signer.token(&with(&base, json!({ "cnf": { "x5t#S256": own.thumbprint() } })));
    let port = gateway.address("public").port();
    for wire in ["--http1.1", "--http2"] {
        // Twice: the second time the token is remembered.
        for (client, status) in [("own", "200"), ("other", "401"), ("own", "200"), ("", "401")] {
            let mut curl = Command::new("curl");
            curl.args(["-sS", "-o", "/dev/null", "-w", "%{http_code}", "--max-time", "20", wire, "--cacert"]);
            curl.arg(folder.join("ca.pem")).args(["--resolve", &format!("gw.test:{port}:127.0.0.1")]);
            if !client.is_empty() {
                curl.arg("--cert").arg(folder.join(format!("{client}.crt")));
                curl.arg("--key").arg(folder.join(format!("{client}.key")));
            }
            curl.args([
                "-H",
                &format!("Authorization: Bearer {token}"),
                &format!("https://gw.test:{port}/lab/x"),
            ]);
            let answer = curl.output().expect("curl is there");
            let said = String::from_utf8_lossy(&answer.stdout);
            assert_eq!(said, status, "{wire} {client}: {}", String::from_utf8_lossy(&answer.stderr));
        }
    }
}
