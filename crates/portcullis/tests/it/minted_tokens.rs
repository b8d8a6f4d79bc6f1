//! Tokens of the gateway's own: verified by another's library with the published keys, through rotation, restart and reload.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use portcullis_testkit::gateway::Builder;
use portcullis_testkit::{Deadline, Gateway, Request, Wire};
use serde_json::Value;

use crate::clients::python_within;
use crate::stage::{KEY, KEY_FIELD, Stage, executable};

/// `RULES` becomes what is said of signing besides.
const CONFIG: &str = r#"version: 1
state: state
listeners:
  public: { bind: 127.0.0.1:0, protocols: [http1, http2] }
  inside: { bind: 127.0.0.1:0, protocols: [http1, http2] }
signing: { issuer: "https://gw.test", RULES jwks: { listen: [inside], max_age: 1s } }
consumers:
  tester:
    apis: ["*"]
    credentials:
      - { id: k1, api_key: { sha256: "87cbebfeebc05f7c54ac9336c4b4bbec831227a641951a4bde7edd56020f8590", scopes: [a.read, a.write] } }
backends:
  orders:
    targets: ["http://BACKEND"]
    credentials:
      mint_jwt: { audience: orders, lifetime: 5s, actor: gw, claims: { tenant: acme, key: { from: credential } } }
      fields: { x-tenant: acme }
  bare: { targets: ["http://BACKEND"], credentials: { mint_jwt: { audience: bare, header: X-Assertion } } }
apis:
  orders: { base_path: /orders, listen: [public], backend: orders, auth: api_key, operations: { all: { match: "* /{rest*}" } } }
  bare: { base_path: /bare, listen: [public], backend: bare, auth: api_key, operations: { all: { match: "* /{rest*}" } } }
  open: { base_path: /open, listen: [public], backend: orders, auth: none, operations: { all: { match: "* /{rest*}" } } }
"#;

fn stage(rules: &str) -> Stage {
    Stage::built(|backend| {
        let config = CONFIG.replace("RULES", rules).replace("BACKEND", backend);
        Builder::new(executable(), config)
    })
}

/// The value of the field called `name` as it arrives of a request that the tester sends.
fn arrived(stage: &Stage, wire: Wire, path: &str, name: &str) -> Option<String> {
    let mark = stage.backend.mark();
    let request = Request::get(path).field(KEY_FIELD, KEY).field("Authorization", "Bearer of-the-caller");
    let request = if path == "/open" { Request::get(path).field("X-Assertion", "mine") } else { request };
    let response = wire.send(stage.public(), &request);
    assert_eq!(response.status, 200, "{response:?}");
    stage.backend.since(mark).pop().expect("a message").text(name)
}

fn token(stage: &Stage, wire: Wire) -> String {
    let value = arrived(stage, wire, "/orders", "authorization").expect("a token");
    value.strip_prefix("Bearer ").expect("a bearer token").to_owned()
}

/// A backend's library, which keeps the published keys for as long as it may.
pub(crate) struct Library {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Library {
    fn start(stage: &Stage, audience: &str, algorithm: &str) -> Option<Self> {
        Self::reading(&stage.gateway, audience, algorithm)
    }

    /// One that reads the set of this gateway.
    pub(crate) fn reading(gateway: &Gateway, audience: &str, algorithm: &str) -> Option<Self> {
        let url = format!("http://{}/.well-known/jwks.json", gateway.address("inside"));
        // As long as the longest test that goes by it, rotations of which take their time.
        let mut command = python_within(300, "jwt, cryptography", "jwt_backend.py")?;
        command.args([&url, "https://gw.test", audience, algorithm]);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the library starts");
        let (input, output) = (child.stdin.take(), child.stdout.take().expect("a pipe"));
        Some(Self { child, input, output: BufReader::new(output) })
    }

    /// What it says of a token.
    pub(crate) fn says(&mut self, token: &str) -> Value {
        let input = self.input.as_mut().expect("a pipe");
        writeln!(input, "{token}").and_then(|()| input.flush()).expect("it listens");
        let mut line = String::new();
        self.output.read_line(&mut line).expect("it speaks");
        serde_json::from_str(&line).expect("a line of JSON")
    }
}

impl Drop for Library {
    fn drop(&mut self) {
        drop(self.input.take());
        drop(self.child.wait());
    }
}

#[test]
fn a_backends_own_library_verifies_it_with_the_published_keys() {
    for algorithm in ["ES256", "EdDSA", "RS256"] {
        let stage = stage(&format!("algorithm: {algorithm},"));
        let Some(mut library) = Library::start(&stage, "orders", algorithm) else { return };
        for wire in Wire::ALL {
            let token = token(&stage, *wire);
            let said = library.says(&token);
            let claims = &said["claims"];
            let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock").as_secs();
            for (name, expected) in [
                ("iss", "https://gw.test"),
                ("aud", "orders"),
                ("sub", "tester"),
                ("client_id", "tester"),
                ("scope", "a.read a.write"),
                ("tenant", "acme"),
                ("key", "k1"),
            ] {
                assert_eq!(claims[name], expected, "{name} in {said}");
            }
            assert_eq!(claims["act"]["sub"], "gw", "{said}");
            let time = |name: &str| claims[name].as_u64().expect(name);
            assert!(time("iat") <= now && time("exp") == time("iat") + 5, "{said}");
            // One bit of the signature makes another token of it.
            let cut = token.rfind('.').expect("a signature") + 5;
            let other = if token.as_bytes()[cut] == b'A' { "B" } else { "A" };
            let broken = format!("{}{other}{}", &token[..cut], &token[cut + 1..]);
            assert!(library.says(&broken)["wrong"].is_string());
        }
    }
}

#[test]
fn it_is_for_one_audience_in_its_field_and_about_nobody_for_nobody() {
    let stage = stage("");
    let Some(mut library) = Library::start(&stage, "bare", "ES256") else { return };
    for wire in Wire::ALL {
        let bare = arrived(&stage, *wire, "/bare", "x-assertion").expect("a token");
        assert_eq!(library.says(&bare)["claims"]["aud"], "bare");
        assert_eq!(arrived(&stage, *wire, "/bare", "authorization"), None);
        assert!(library.says(&token(&stage, *wire))["wrong"].as_str().expect("refused").contains("Audience"));
        assert_eq!(arrived(&stage, *wire, "/open", "authorization"), None);
        assert_eq!(arrived(&stage, *wire, "/open", "x-tenant").as_deref(), Some("acme"));
    }
}

#[test]
fn a_token_is_used_again_for_its_caller_until_near_its_end() {
    let stage = stage("");
    let first = token(&stage, Wire::Http1);
    let deadline = Deadline::soon();
    let again = token(&stage, Wire::Http2);
    assert_eq!(first, again, "one signature for both");
    deadline.poll("another token", || (token(&stage, Wire::Http1) != first).then_some(()));
}

#[test]
fn the_key_set_is_an_operation_like_any_other() {
    let stage = stage("");
    for wire in Wire::ALL {
        let inside = stage.gateway.address("inside");
        let response = wire.send(inside, &Request::get("/.well-known/jwks.json"));
        assert_eq!(response.status, 200, "{response:?}");
        assert_eq!(response.text("cache-control").as_deref(), Some("public, max-age=1"));
        let set = response.json();
        let key = &set["keys"][0];
        assert_eq!((&key["kty"], &key["use"], &key["alg"]), (&"EC".into(), &"sig".into(), &"ES256".into()));
        assert!(key.get("d").is_none() && set["keys"].as_array().expect("keys").len() == 1, "{set}");
        let head = wire.send(inside, &Request::new("HEAD", "/.well-known/jwks.json"));
        assert_eq!((head.status, head.body.len()), (200, 0));
        let post = wire.send(inside, &Request::post("/.well-known/jwks.json", "x"));
        assert_eq!((post.status, post.text("allow").as_deref()), (405, Some("GET, HEAD, OPTIONS")));
        assert_eq!(wire.send(inside, &Request::get("/.well-known/other")).status, 404);
        assert_eq!(wire.send(stage.public(), &Request::get("/.well-known/jwks.json")).status, 404);
    }
    let record = stage.gateway.record("its record", |record| {
        record["url.path"] == "/.well-known/jwks.json"
            && record["portcullis.listener"] == "inside"
            && record["http.request.method"] == "GET"
    });
    assert_eq!(record["http.response.status_code"], 200, "{record}");
}

#[test]
fn keys_outlive_a_restart_and_a_reload() {
    let mut stage = stage("");
    let set = |stage: &Stage| {
        let inside = stage.gateway.address("inside");
        Wire::Http1.send(inside, &Request::get("/.well-known/jwks.json")).json()
    };
    let before = set(&stage);
    let again = Builder::beside(&stage.gateway, executable());
    stage.gateway.signal(portcullis_testkit::gateway::Signal::Kill);
    stage.gateway.wait(Deadline::soon());
    stage.gateway = again.start();
    assert_eq!(set(&stage), before);
    let said = stage.gateway.stdout().tail(200) + &stage.gateway.stderr().tail(200);
    let kept = std::fs::read_to_string(stage.gateway.folder().join("state/signing/keys.json")).expect("keys");
    let kept: Value = serde_json::from_str(&kept).expect("JSON");
    let private = kept["keys"][0]["pkcs8"].as_str().expect("a key");
    assert!(!said.contains(private) && !before.to_string().contains(private));
}

/// Rotation every five seconds under load: a reader that keeps to Cache-Control verifies every token.
#[test]
fn a_rotation_under_load_leaves_no_token_that_a_backend_refuses() {
    let stage = stage("rotate: 5s,");
    let Some(mut library) = Library::start(&stage, "orders", "ES256") else { return };
    let whole = std::env::var_os("PORTCULLIS_WHOLE").is_some();
    let enough = if whole { 8 } else { 3 };
    let deadline = Deadline::after(Duration::from_secs(if whole { 120 } else { 60 }));
    let (mut used, mut tokens, mut last) = (BTreeSet::new(), 0_u32, String::new());
    while used.len() < enough {
        assert!(deadline.left().is_some(), "only {} keys were used", used.len());
        for wire in Wire::ALL {
            let token = token(&stage, *wire);
            if token == last {
                continue;
            }
            let said = library.says(&token);
            used.insert(said["kid"].as_str().unwrap_or_else(|| panic!("{said}")).to_owned());
            (tokens, last) = (tokens + 1, token);
        }
    }
    assert!(tokens >= u32::try_from(enough).expect("few"));
}
