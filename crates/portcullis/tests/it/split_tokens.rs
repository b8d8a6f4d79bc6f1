//! Split tokens: clients hold the signature of a token, the rest lies where every node asks for it, backends get the whole.

use portcullis_testkit::gateway::Builder;
use portcullis_testkit::provider::{Answer, Provider};
use portcullis_testkit::tokens::{Signer, base64url, claims, key_set, now, sha256, with};
use portcullis_testkit::{Deadline, Gateway, Message, Recorder, Request, Response, Wire};
use serde_json::{Value, json};

use crate::stage::{Findings, executable};

const ISSUER: &str = "https://lab.example.com";

const CONFIG: &str = r#"version: 1
state: none
listeners: { public: { bind: 127.0.0.1:0, protocols: [http1, http2] } }
bounds: { credential_failures: 1000000 }
telemetry: { access_log: stdout }
issuers:
  lab:
    issuer: "https://lab.example.com"
    jwks: lab.jwks.json
    audiences: [orders-api]
    timeout: 1s
    split_token: { url: "PLACE/split/", bearer: "${env:BEARER}", cache: 1s, cache_inactive: 1s }
backends: { recorder: { targets: ["http://BACKEND"], credentials: { phantom_token: {} } } }
apis: { orders: { backend: recorder, auth: { token: lab }, operations: { all: { match: "* /{rest*}", require: { scopes: [read] } } } } }
"#;

/// Two nodes, and nothing between them but the place.
struct Scene {
    nodes: [Gateway; 2],
    backend: Recorder,
    place: Provider,
    signer: Signer,
}

/// A token in its two parts.
struct Split {
    rest: String,
    part: String,
}

impl Split {
    fn of(token: &str) -> Self {
        let (rest, part) = token.rsplit_once('.').expect("a token");
        Self { rest: rest.to_owned(), part: part.to_owned() }
    }

    /// Where its rest lies.
    fn path(&self) -> String {
        format!("/split/{}", base64url(&sha256(self.part.as_bytes())))
    }

    fn whole(&self) -> String {
        format!("{}.{}", self.rest, self.part)
    }
}

impl Scene {
    fn start() -> Self {
        let (backend, place, signer) = (Recorder::start(), Provider::start(), Signer::new("a"));
        let config = CONFIG.replace("BACKEND", &backend.address().to_string()).replace("PLACE", &place.url());
        let node = || {
            Builder::new(executable(), config.clone())
                .file("lab.jwks.json", key_set(&[&signer]).to_string())
                .environment("BEARER", "of-the-gateway")
                .start()
        };
        Self { nodes: [node(), node()], backend, place, signer }
    }

    /// A token of the issuer, with these claims in place of others; its rest does not lie anywhere yet.
    fn token(&self, others: Value) -> Split {
        let claims = with(&claims(ISSUER, "orders-api", "alice"), json!({ "scope": "read" }));
        Split::of(&self.signer.token(&with(&claims, others)))
    }

    fn put(&self, split: &Split) {
        self.place.on(&split.path(), Answer::Reply(200, "text/plain", split.rest.clone().into_bytes()));
    }

    fn send(&self, node: usize, wire: Wire, token: &str) -> (Response, Option<Message>) {
        let mark = self.backend.mark();
        let request = Request::get("/x").field("Authorization", format!("Bearer {token}"));
        let response = wire.send(self.nodes[node].address("public"), &request);
        (response, self.backend.since(mark).pop())
    }
}

#[test]
fn a_signature_is_completed_on_every_node_and_the_backend_gets_the_whole() {
    let scene = Scene::start();
    let split = scene.token(json!({}));
    scene.put(&split);
    for node in [0, 1] {
        for wire in Wire::ALL {
            let (response, arrived) = scene.send(node, *wire, &split.part);
            assert_eq!(response.status, 200, "{response:?}");
            let arrived = arrived.expect("a message");
            assert_eq!(arrived.text("authorization"), Some(format!("Bearer {}", split.whole())));
        }
    }
    let asked = scene.place.asked();
    let asked = asked.iter().find(|asked| asked.line == format!("GET {}", split.path())).expect("a question");
    assert!(asked.head.contains("authorization: Bearer of-the-gateway\r\n"), "{}", asked.head);
    assert!(!asked.head.contains(&split.part), "the place sees what opens something: {}", asked.head);
    scene.nodes[0].record("alice", |record| record["portcullis.consumer"] == "lab/alice");
    for node in &scene.nodes {
        let told = node.stdout().tail(1000) + &node.stderr().tail(1000);
        assert!(!told.contains(&split.part) && !told.contains(&split.rest), "{told}");
    }
    // What is taken away there ends on every node.
    scene.place.on(&split.path(), Answer::Reply(404, "text/plain", Vec::new()));
    for node in [0, 1] {
        Deadline::soon()
            .poll("its end", || (scene.send(node, Wire::Http1, &split.part).0.status == 401).then_some(()));
    }
}

#[test]
fn what_does_not_fit_together_opens_nothing() {
    let scene = Scene::start();
    let invalid = (401, Some("credential-invalid".to_owned()));
    let unavailable = (503, Some("issuer-unavailable".to_owned()));
    let mut findings = Findings::default();
    let mut judge = |name: &str, token: &str, expected: &(u16, Option<String>)| {
        for wire in Wire::ALL {
            let (response, arrived) = scene.send(0, *wire, token);
            let is_told = response.verdict() == *expected && arrived.is_none();
            let outcome = if is_told { Ok(()) } else { Err(format!("{response:?}")) };
            findings.note(format!("{name} over {wire:?}"), outcome);
        }
    };
    // The place says what is there, and the token does not hold.
    for (name, others, status) in [
        ("expired", json!({ "exp": now() - 60 }), &invalid),
        ("without an end", json!({ "exp": null }), &invalid),
        ("of another issuer", json!({ "iss": "https://evil" }), &invalid),
        ("for another audience", json!({ "aud": "stock" }), &invalid),
        ("not valid yet", json!({ "nbf": now() + 600 }), &invalid),
    ] {
        let split = scene.token(others);
        scene.put(&split);
        judge(name, &split.part, status);
    }
    let other = |subject: &str| scene.token(json!({ "sub": subject }));
    for (number, (name, rest, expected)) in [
        ("another's rest", other("mallory").rest, &invalid),
        ("a whole token", other("mallory").whole(), &unavailable),
        ("half a rest", "eyJhbGciOiJFUzI1NiJ9".to_owned(), &unavailable),
        ("no rest", "<html>.</html>".to_owned(), &unavailable),
        ("nothing", String::new(), &unavailable),
        ("no end of it", "a".repeat(100_000), &unavailable),
    ]
    .into_iter()
    .enumerate()
    {
        let split = other(&format!("{number}"));
        scene.place.on(&split.path(), Answer::Reply(200, "text/plain", rest.into_bytes()));
        judge(name, &split.part, expected);
    }
    for (number, (name, answer)) in [
        ("an error", Answer::Reply(500, "text/plain", Vec::new())),
        ("a redirect", Answer::Reply(302, "text/plain", Vec::new())),
        ("our own fault", Answer::Reply(403, "text/plain", Vec::new())),
        ("silence", Answer::Silence),
        ("no connection", Answer::Close),
    ]
    .into_iter()
    .enumerate()
    {
        let split = other(&format!("away {number}"));
        scene.place.on(&split.path(), answer);
        judge(name, &split.part, &unavailable);
    }
    // What is no signature, or nobody's, is never asked for by a name that the caller chose.
    let unknown = other("unknown");
    judge("unknown", &unknown.part, &invalid);
    judge("a whole one", &unknown.whole(), &invalid);
    judge("too short", "abc", &invalid);
    judge("a path", &"../".repeat(20), &invalid);
    findings.conclude(38);
    let asked = scene.place.asked();
    let is_name = |line: &str| line.len() == "GET /split/".len() + 43 && !line.contains("..");
    assert!(asked.iter().all(|asked| is_name(&asked.line)), "{asked:?}");
    // And the nearest good one, by whoever has no scope for it.
    let good = scene.token(json!({}));
    scene.put(&good);
    assert_eq!(scene.send(0, Wire::Http1, &good.part).0.status, 200);
    let weak = scene.token(json!({ "scope": "write" }));
    scene.put(&weak);
    assert_eq!(scene.send(0, Wire::Http2, &weak.part).0.status, 403);
}
