//! Posture tokens of others through the real executable: good ones pass and the backend is told, everything else does not.

use portcullis_testkit::gateway::Builder;
use portcullis_testkit::recorder::Mark;
use portcullis_testkit::tokens::{Signer, binding, claims, key_set, now, signed_with_secret, with};
use portcullis_testkit::{Request, Wire};
use serde_json::{Value, json};

use crate::stage::{Findings, Stage, executable};

/// 64 bytes of 7, as the service hands them out.
const SECRET: &str =
    "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBw==";
const APP_CHECK: &str = "https://firebaseappcheck.googleapis.com/1234";

const CONFIG: &str = r#"version: 1
state: none
admin: { probes: 127.0.0.1:0 }
listeners: { public: { bind: 127.0.0.1:0, protocols: [http1, http2] } }
telemetry: { access_log: stdout }
issuers:
  appcheck: { issuer: "https://firebaseappcheck.googleapis.com/1234", jwks: keys.json, audiences: [projects/1234] }
attestation:
  app: { field: Approov-Token, secret_base64: "SECRET", binding: [Authorization] }
  watched: { field: Approov-Token, prefix: Bearer, secret_base64: "SECRET", mode: observe }
  web: { field: X-Firebase-AppCheck, issuer: appcheck, apps: ["1:1234:web:abc"] }
backends: { recorder: { targets: ["http://BACKEND"] } }
apis:
  app: { base_path: /app, backend: recorder, auth: none, attestation: app, operations: { all: { match: "* /{rest*}" }, free: { match: "GET /free", attestation: none } } }
  watched: { base_path: /watched, backend: recorder, auth: none, attestation: watched, operations: { all: { match: "* /{rest*}" } } }
  web: { base_path: /web, backend: recorder, auth: none, attestation: web, operations: { all: { match: "* /{rest*}" } } }
"#;

fn stage(signer: &Signer) -> Stage {
    let keys = key_set(&[signer]).to_string();
    let config = CONFIG.replace("SECRET", SECRET);
    Stage::built(|backend| {
        Builder::new(executable(), config.replace("BACKEND", backend)).file("keys.json", keys)
    })
}

/// A token of Approov's shape: an end with a fraction, bound to the caller's own credential.
fn token(authorization: &str, end: u64) -> String {
    let pay = binding(&[authorization]);
    signed_with_secret(
        &[7; 64],
        &format!(r#"{{"exp":{end}.891912,"ip":"127.0.0.1","did":"AAAA==","pay":"{pay}"}}"#),
    )
}

/// What the backend was told of the app, and whether it saw the token's field.
fn told(stage: &Stage, mark: Mark, field: &str) -> (Vec<String>, bool) {
    let arrived = stage.backend.since(mark);
    let message = arrived.first().expect("a message");
    let attested = message.all("x-portcullis-attested").into_iter();
    let attested = attested.map(|value| String::from_utf8_lossy(value).into_owned()).collect();
    (attested, !message.all(field).is_empty())
}

#[test]
fn a_genuine_app_passes_and_the_backend_is_told() {
    let stage = stage(&Signer::new("a"));
    for wire in Wire::ALL {
        let mark = stage.backend.mark();
        let request = Request::get("/app/x")
            .field("Authorization", "Bearer myauth_token")
            .field("Approov-Token", token("Bearer myauth_token", now() + 300))
            .field("X-Portcullis-Attested", "no");
        assert_eq!(wire.send(stage.public(), &request).status, 200);
        assert_eq!(told(&stage, mark, "approov-token"), (vec!["yes".to_owned()], false));
        let mark = stage.backend.mark();
        let free = Request::get("/app/free").field("X-Portcullis-Attested", "yes");
        assert_eq!(wire.send(stage.public(), &free).status, 200);
        assert!(told(&stage, mark, "approov-token").0.is_empty(), "a client's own word reached the backend");
    }
}

#[test]
fn everything_else_is_refused_in_one_wording() {
    let stage = stage(&Signer::new("a"));
    let bearer = "Bearer myauth_token";
    let good = token(bearer, now() + 300);
    let sign = |claims: Value| signed_with_secret(&[7; 64], &claims.to_string());
    let pay = binding(&[bearer]);
    let stranger = signed_with_secret(&[8; 64], &json!({ "exp": now() + 300, "pay": pay }).to_string());
    let (missing, invalid) = (Some("attestation-missing"), Some("attestation-invalid"));
    let cases = [
        ("nothing", None, missing),
        ("no network", Some("NO_NETWORK".to_owned()), missing),
        ("another key, as for a failed attestation", Some(stranger), invalid),
        ("expired", Some(token(bearer, now() - 60)), invalid),
        ("bound to another", Some(token("Bearer other", now() + 300)), invalid),
        ("bound to nothing", Some(sign(json!({ "exp": now() + 300 }))), invalid),
        ("bound by a number", Some(sign(json!({ "exp": now() + 300, "pay": 1 }))), invalid),
        ("without an end", Some(sign(json!({ "pay": pay }))), invalid),
        ("an end as text", Some(sign(json!({ "pay": pay, "exp": (now() + 300).to_string() }))), invalid),
        (
            "by another algorithm",
            Some(Signer::new("a").token(&json!({ "exp": now() + 300, "pay": pay }))),
            invalid,
        ),
        ("with a prefix", Some(format!("Bearer {good}")), invalid),
        ("two tokens", Some(format!("{good}, {good}")), invalid),
        ("no token", Some("abc".to_owned()), invalid),
    ];
    let mut findings = Findings::default();
    for wire in Wire::ALL {
        let mark = stage.backend.mark();
        for (name, token, code) in &cases {
            let mut request = Request::get("/app/x").field("Authorization", bearer);
            if let Some(token) = token {
                request = request.field("Approov-Token", token.as_str());
            }
            let answer = wire.send(stage.public(), &request);
            let is_right = answer.verdict() == (401, code.map(str::to_owned));
            findings.note(name, if is_right { Ok(()) } else { Err(format!("{answer:?}")) });
        }
        let unbound = Request::get("/app/x").field("Approov-Token", good.as_str());
        assert_eq!(wire.send(stage.public(), &unbound).verdict(), (401, invalid.map(str::to_owned)));
        assert!(stage.backend.since(mark).is_empty(), "something reached the backend");
    }
    findings.conclude(26);
}

#[test]
fn a_rule_that_observes_lets_pass_and_says_no() {
    let stage = stage(&Signer::new("a"));
    for wire in Wire::ALL {
        for (token, says) in [
            (None, "no"),
            (Some("Bearer abc".to_owned()), "no"),
            (Some(format!("Bearer {}", token("x", now() - 90))), "no"),
            (Some(format!("Bearer {}", token("x", now() + 300))), "yes"),
        ] {
            let mark = stage.backend.mark();
            let request = Request::get("/watched/x");
            let request = match &token {
                Some(token) => request.field("Approov-Token", token.as_str()),
                None => request,
            };
            assert_eq!(wire.send(stage.public(), &request).status, 200);
            assert_eq!(told(&stage, mark, "approov-token"), (vec![says.to_owned()], false), "{token:?}");
        }
    }
}

#[test]
fn app_check_tokens_are_judged_by_their_issuers_keys() {
    let (signer, stranger) = (Signer::new("a"), Signer::new("a"));
    let stage = stage(&signer);
    let base = with(
        &claims(APP_CHECK, "projects/1234", "1:1234:web:abc"),
        json!({ "aud": ["projects/1234", "projects/demo"], "client_id": null }),
    );
    let judge = |wire: Wire, token: &str| {
        wire.send(stage.public(), &Request::get("/web/x").field("X-Firebase-AppCheck", token)).verdict()
    };
    for wire in Wire::ALL {
        for _ in 0..2 {
            let mark = stage.backend.mark();
            assert_eq!(judge(*wire, &signer.token(&base)), (200, None));
            assert_eq!(told(&stage, mark, "x-firebase-appcheck"), (vec!["yes".to_owned()], false));
        }
        for (name, token) in [
            ("another app", signer.token(&with(&base, json!({ "sub": "1:1234:web:other" })))),
            ("another project", signer.token(&with(&base, json!({ "iss": format!("{APP_CHECK}5") })))),
            ("another audience", signer.token(&with(&base, json!({ "aud": ["projects/123"] })))),
            ("expired", signer.token(&with(&base, json!({ "exp": now() - 120 })))),
            ("a stranger's", stranger.token(&base)),
            ("bound to a key", signer.token(&with(&base, json!({ "cnf": { "jkt": signer.thumbprint() } })))),
        ] {
            for _ in 0..2 {
                assert_eq!(judge(*wire, &token), (401, Some("attestation-invalid".to_owned())), "{name}");
            }
        }
    }
}
