//! Token exchange: each caller's token becomes one for the backend, at a server that does as it is told; nobody's goes without.

use std::time::Duration;

use portcullis_testkit::gateway::Builder;
use portcullis_testkit::recorder::{Gate, Reply};
use portcullis_testkit::tokens::{Signer, claims, key_set, now, with};
use portcullis_testkit::{Deadline, Gateway, Message, Recorder, Request, Response, Wire};
use serde_json::{Value, json};

use crate::stage::{Findings, executable};

const CONFIG: &str = r#"version: 1
state: none
listeners: { public: { bind: 127.0.0.1:0, protocols: [http1, http2] } }
telemetry: { access_log: stdout }
bounds: { credential_failures: 1000000 }
issuers: { lab: { issuer: "https://lab.example.com", jwks: lab.jwks.json, audiences: [gateway], leeway: 0s } }
consumers:
  tester: { apis: ["*"], credentials: [{ id: k1, api_key: { sha256: "87cbebfeebc05f7c54ac9336c4b4bbec831227a641951a4bde7edd56020f8590" } }] }
backends:
  orders:
    targets: ["http://BACKEND"]
    credentials:
      token_exchange: { url: "http://SERVER/exchange", cleartext: true, client_id: gw, client_secret: "${env:CLIENT_SECRET}", SETTINGS }
      fields: { x-tenant: acme }
apis:
  orders: { backend: orders, auth: { jwt: lab }, operations: { all: { match: "* /{rest*}" } } }
  open: { base_path: /open, backend: orders, auth: none, operations: { all: { match: "* /{rest*}" } } }
"#;

const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

#[test]
fn a_way_in_without_a_token_does_not_load() {
    for auth in ["api_key", "{ any_of: [{ jwt: lab }, api_key] }", "basic"] {
        let config = CONFIG
            .replace("SETTINGS", "audience: orders")
            .replace("auth: { jwt: lab }", &format!("auth: {auth}"));
        let keys = key_set(&[&Signer::new("a")]).to_string();
        let config = config.replace("BACKEND", "127.0.0.1:9").replace("SERVER", "127.0.0.1:9");
        let output = Builder::new(executable(), config)
            .file("lab.jwks.json", keys)
            .environment("CLIENT_SECRET", "s3cret")
            .run(&["check"]);
        let said =
            String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains("apis.orders.auth: lets callers in who have no token"), "{auth}: {said}");
    }
}

struct Scene {
    signer: Signer,
    server: Recorder,
    backend: Recorder,
    gateway: Gateway,
}

impl Scene {
    fn start(settings: &str, first: Reply) -> Self {
        let (signer, server, backend) = (Signer::new("a"), Recorder::start(), Recorder::start());
        server.on("/exchange", first);
        let config = CONFIG.replace("BACKEND", &backend.address().to_string());
        let config = config.replace("SERVER", &server.address().to_string()).replace("SETTINGS", settings);
        let gateway = Builder::new(executable(), config)
            .file("lab.jwks.json", key_set(&[&signer]).to_string())
            .environment("CLIENT_SECRET", "s3cret")
            .start();
        Self { signer, server, backend, gateway }
    }

    /// A good token of the issuer, with these claims in place of others.
    fn token(&self, subject: &str, others: Value) -> String {
        self.signer.token(&with(&claims("https://lab.example.com", "gateway", subject), others))
    }

    /// What is answered to a request with this token, and what arrives of it.
    fn send(&self, wire: Wire, token: &str) -> (Response, Option<Message>) {
        let mark = self.backend.mark();
        let request = Request::get("/x").field("Authorization", format!("Bearer {token}"));
        let response = wire.send(self.gateway.address("public"), &request);
        let arrived = self.backend.since(mark).pop();
        for (name, value) in arrived.iter().flat_map(|message| message.fields.iter().chain(&message.trailers))
        {
            let value = String::from_utf8_lossy(value);
            assert!(!value.contains(token), "the caller's token arrived in {name:?}");
        }
        (response, arrived)
    }

    fn calls(&self) -> Vec<String> {
        let messages = self.server.messages();
        messages.iter().map(|message| String::from_utf8_lossy(&message.body).into_owned()).collect()
    }
}

/// What a server grants, with these members in place of others.
fn grants(token: &str, others: Value) -> Reply {
    let members = json!({
        "access_token": token, "issued_token_type": ACCESS_TOKEN, "token_type": "Bearer", "expires_in": 600,
    });
    let body = with(&members, others).to_string();
    Reply::with("200 OK", "Content-Type: application/json\r\n", body)
}

fn refuses(status: &str, code: &str) -> Reply {
    Reply::with(status, "Content-Type: application/json\r\n", json!({ "error": code }).to_string())
}

/// The parameters of a form, as they were encoded.
fn parameter<'f>(form: &'f str, name: &str) -> Option<&'f str> {
    let mut all = form.split('&').filter_map(|pair| pair.split_once('=')).filter(|(own, _)| *own == name);
    let found = all.next().map(|(_, value)| value);
    assert!(all.next().is_none(), "{name} twice in {form}");
    found
}

#[test]
fn each_callers_token_is_exchanged_once_and_the_backend_gets_what_it_became() {
    let settings = r#"audience: orders, resource: "https://orders.test/", scopes: [read, write]"#;
    let scene = Scene::start(settings, grants("for-alice", json!({})));
    let (alice, bob) = (scene.token("alice", json!({})), scene.token("bob", json!({})));
    for wire in Wire::ALL {
        let (response, arrived) = scene.send(*wire, &alice);
        assert_eq!(response.status, 200, "{response:?}");
        let arrived = arrived.expect("a message");
        assert_eq!(arrived.all("authorization"), [b"Bearer for-alice"], "{arrived}");
        assert_eq!(arrived.all("x-tenant"), [b"acme"]);
    }
    let calls = scene.calls();
    assert_eq!(calls.len(), 1, "{calls:?}");
    let encoded = |text: &str| text.replace(':', "%3A").replace('/', "%2F");
    let (audience, scope) = ("orders".to_owned(), "read%20write".to_owned());
    for (name, value) in [
        ("grant_type", encoded("urn:ietf:params:oauth:grant-type:token-exchange")),
        ("subject_token", alice.clone()),
        ("subject_token_type", encoded(ACCESS_TOKEN)),
        ("requested_token_type", encoded(ACCESS_TOKEN)),
        ("audience", audience),
        ("resource", encoded("https://orders.test/")),
        ("scope", scope),
    ] {
        assert_eq!(parameter(&calls[0], name), Some(value.as_str()), "{name}");
    }
    assert!(parameter(&calls[0], "actor_token").is_none());
    // `gw:s3cret`
    let call = scene.server.expect("the call", |message| message.target == b"/exchange");
    assert_eq!(call.text("authorization").as_deref(), Some("Basic Z3c6czNjcmV0"));
    // Another's is another's.
    scene.server.on("/exchange", grants("for-bob", json!({})));
    for wire in Wire::ALL {
        assert_eq!(scene.send(*wire, &bob).1.expect("a message").all("authorization"), [b"Bearer for-bob"]);
        assert_eq!(
            scene.send(*wire, &alice).1.expect("a message").all("authorization"),
            [b"Bearer for-alice"]
        );
    }
    assert_eq!(scene.calls().len(), 2);
    // Nobody has nothing to be exchanged, and brings no token of its own along.
    let mark = scene.backend.mark();
    let anonymous = Request::get("/open/x").field("Authorization", format!("Bearer {alice}"));
    assert_eq!(Wire::Http1.send(scene.gateway.address("public"), &anonymous).status, 200);
    assert!(scene.backend.since(mark).pop().expect("a message").all("authorization").is_empty());
    let told = scene.gateway.stdout().tail(1000) + &scene.gateway.stderr().tail(1000);
    for secret in ["s3cret", "Z3c6", "for-alice", "for-bob", &alice] {
        assert!(!told.contains(secret), "{secret} is in: {told}");
    }
}

#[test]
fn one_call_is_made_for_all_who_present_the_same_token() {
    let gate = Gate::new();
    let body = json!({ "access_token": "one", "issued_token_type": ACCESS_TOKEN, "token_type": "bearer" })
        .to_string();
    let slow = Reply::new()
        .wait(&gate)
        .send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()));
    let scene = Scene::start("audience: orders, timeout: 60s", slow);
    let alice = scene.token("alice", json!({}));
    let public = scene.gateway.address("public");
    let mut clients: Vec<_> = (0..50)
        .map(|_| {
            let mut client = portcullis_testkit::raw::Client::connect(public);
            client.send(Request::get("/x").field("Authorization", format!("Bearer {alice}")).http1());
            client
        })
        .collect();
    scene.server.expect_begun("the call", |message| message.target == b"/exchange");
    // Whoever asked goes away; the next takes over.
    drop(clients.remove(0));
    gate.open();
    for client in &mut clients {
        let response = client.response("GET", Deadline::after(Duration::from_secs(60))).expect("a reply");
        assert_eq!(response.status, 200);
    }
    assert!(scene.calls().len() <= 2, "{:?}", scene.calls());
}

#[test]
fn what_is_not_exactly_what_was_asked_for_does_not_go() {
    let other = Signer::new("other");
    let readable = |audience: &str, expires: u64| {
        other.token(&json!({ "iss": "https://idp", "aud": audience, "sub": "alice", "exp": expires }))
    };
    let hour = now() + 3_600;
    let with_type = |kind: Value| grants("a", json!({ "issued_token_type": kind }));
    let padded = format!("{{\"access_token\":\"a\",\"pad\":\"{}\"}}", "x".repeat(100_000));
    let (unavailable, refused) = ("backend-credential-unavailable", "backend-credential-refused");
    let rows: Vec<(&str, Reply, u16, &str)> = vec![
        ("no type", with_type(Value::Null), 503, unavailable),
        (
            "another type",
            with_type(json!("urn:ietf:params:oauth:token-type:refresh_token")),
            503,
            unavailable,
        ),
        ("a type that is no text", with_type(json!(["a"])), 503, unavailable),
        ("not applicable", grants("a", json!({ "token_type": "N_A" })), 503, unavailable),
        ("bound to a key", grants("a", json!({ "token_type": "DPoP" })), 503, unavailable),
        ("for another audience", grants(&readable("stock", hour), json!({})), 503, unavailable),
        ("ended", grants(&readable("orders", now() - 1), json!({})), 503, unavailable),
        ("no time", grants("a", json!({ "expires_in": "soon" })), 503, unavailable),
        ("no time left", grants("a", json!({ "expires_in": 0 })), 503, unavailable),
        ("a negative time", grants("a", json!({ "expires_in": -1 })), 503, unavailable),
        ("no token", grants("", json!({})), 503, unavailable),
        ("no token for a field", grants("a\r\nx-admin: 1", json!({})), 503, unavailable),
        ("no JSON", Reply::ok("a token"), 503, unavailable),
        ("a name twice", Reply::ok(r#"{"access_token":"a","access_token":"b"}"#), 503, unavailable),
        ("too long", Reply::ok(padded), 503, unavailable),
        ("no end", Reply::raw("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{").close(), 503, unavailable),
        ("a redirect", Reply::with("302 Found", "Location: /other\r\n", ""), 503, unavailable),
        ("nothing", Reply::new().close(), 503, unavailable),
        ("an error", Reply::with("500 Internal Server Error", "", "no"), 503, unavailable),
        ("too many", Reply::with("429 Too Many Requests", "", r#"{"error":"slow_down"}"#), 503, unavailable),
        ("our own fault", refuses("401 Unauthorized", "invalid_client"), 503, unavailable),
        ("not our right", refuses("400 Bad Request", "unauthorized_client"), 503, unavailable),
        ("no such grant", refuses("400 Bad Request", "unsupported_grant_type"), 503, unavailable),
        ("no code", Reply::with("400 Bad Request", "", "{}"), 503, unavailable),
        ("no code of ours", refuses("400 Bad Request", "a\nb"), 503, unavailable),
        ("a bad token", refuses("400 Bad Request", "invalid_grant"), 401, "credential-invalid"),
        ("a bad token, too", refuses("401 Unauthorized", "invalid_token"), 401, "credential-invalid"),
        ("not for this caller", refuses("400 Bad Request", "invalid_request"), 403, refused),
        ("not for this target", refuses("400 Bad Request", "invalid_target"), 403, refused),
        ("not with these scopes", refuses("400 Bad Request", "invalid_scope"), 403, refused),
        ("not at all", refuses("403 Forbidden", "access_denied"), 403, refused),
    ];
    let scene = Scene::start("audience: orders", Reply::new().close());
    let mut findings = Findings::default();
    for (number, (name, reply, status, problem)) in rows.into_iter().enumerate() {
        scene.server.on("/exchange", reply);
        for wire in Wire::ALL {
            // Another caller each time: what was answered about one is no answer about another.
            let (response, arrived) =
                scene.send(*wire, &scene.token(&format!("{wire:?}-{number}"), json!({})));
            let told = (response.status, response.problem(), arrived.is_none());
            let is_told = response.status != 401 || response.text("www-authenticate").is_some();
            let outcome = if told == (status, Some(problem.to_owned()), true) && is_told {
                Ok(())
            } else {
                Err(format!("{response:?}"))
            };
            findings.note(format!("{name} over {wire:?}"), outcome);
        }
    }
    findings.conclude(60);
    // And a good one beside them: a token that can be read, for the audience.
    scene.server.on("/exchange", grants(&readable("orders", hour), json!({})));
    for wire in Wire::ALL {
        assert_eq!(scene.send(*wire, &scene.token("good", json!({}))).0.status, 200);
    }
    assert!(
        scene.server.messages().iter().all(|message| message.target == b"/exchange"),
        "a redirect was followed"
    );
    scene.gateway.record("the reason", |record| {
        record["portcullis.cause"].as_str().is_some_and(|cause| cause.contains("another audience"))
    });
}

#[test]
fn a_server_that_keeps_silent_holds_up_its_own_callers_for_as_long_as_is_written() {
    let gate = Gate::new();
    let scene = Scene::start("audience: orders, timeout: 200ms", Reply::new().wait(&gate));
    let alice = scene.token("alice", json!({}));
    let (response, arrived) = scene.send(Wire::Http1, &alice);
    let expected = (503, Some("backend-credential-unavailable".to_owned()), true);
    assert_eq!((response.status, response.problem(), arrived.is_none()), expected);
    let open = Wire::Http1.send(scene.gateway.address("public"), &Request::get("/open/x"));
    assert_eq!(open.status, 200);
    scene.server.on("/exchange", grants("good", json!({})));
    gate.open();
    // As soon as one is to be had, it goes.
    Deadline::after(Duration::from_secs(30))
        .poll("a token", || (scene.send(Wire::Http1, &alice).0.status == 200).then_some(()));
}

#[test]
fn an_exchanged_token_ends_with_itself_and_with_the_callers() {
    let scene = Scene::start("audience: orders", grants("short", json!({ "expires_in": 2 })));
    let alice = scene.token("alice", json!({}));
    assert_eq!(scene.send(Wire::Http1, &alice).0.status, 200);
    scene.server.on("/exchange", grants("long", json!({})));
    Deadline::soon().poll("the next", || {
        let (response, arrived) = scene.send(Wire::Http2, &alice);
        assert_eq!(response.status, 200);
        (arrived.expect("a message").all("authorization") == [b"Bearer long"]).then_some(())
    });
    let calls = scene.calls().len();
    // The caller's ends: what it was exchanged for opens nothing any more.
    let end = now() + 2;
    let ending = scene.token("alice", json!({ "exp": end }));
    assert!(scene.send(Wire::Http1, &ending).0.status == 200 || now() >= end);
    Deadline::soon().poll("its end", || (scene.send(Wire::Http1, &ending).0.status == 401).then_some(()));
    assert!(scene.calls().len() <= calls + 2);
}

#[test]
fn what_a_backend_refuses_is_exchanged_anew_once_it_is_not_new() {
    let scene = Scene::start("audience: orders", grants("first", json!({})));
    let alice = scene.token("alice", json!({}));
    scene.backend.on("/x", Reply::with("401 Unauthorized", "", ""));
    assert_eq!(scene.send(Wire::Http1, &alice).0.status, 401);
    assert_eq!(scene.send(Wire::Http1, &alice).0.status, 401);
    assert_eq!(scene.calls().len(), 1, "a token that is new is not to blame");
    scene.server.on("/exchange", grants("second", json!({})));
    Deadline::soon().poll("the second", || {
        let (_, arrived) = scene.send(Wire::Http1, &alice);
        (arrived.expect("a message").all("authorization") == [b"Bearer second"]).then_some(())
    });
}

#[test]
fn the_gateway_acts_for_the_caller_with_a_token_of_its_own() {
    let settings = "audience: orders, token_audience: the-orders, token_type: jwt, subject_type: jwt, \
                    actor: { scopes: [act], audience: idp }";
    let jwt = "urn:ietf:params:oauth:token-type:jwt";
    let given = Signer::new("idp").token(&json!({ "aud": ["the-orders", "x"], "exp": now() + 600 }));
    let scene = Scene::start(settings, grants(&given, json!({ "issued_token_type": jwt })));
    let (response, arrived) = scene.send(Wire::Http1, &scene.token("alice", json!({})));
    assert_eq!(response.status, 200, "{response:?}");
    let bearer = format!("Bearer {given}");
    assert_eq!(arrived.expect("a message").all("authorization"), [bearer.as_bytes()]);
    let calls = scene.calls();
    let own = calls.iter().find(|call| parameter(call, "grant_type") == Some("client_credentials"));
    assert_eq!(
        own.map(|call| (parameter(call, "scope"), parameter(call, "audience"))),
        Some((Some("act"), Some("idp")))
    );
    let exchange =
        calls.iter().find(|call| parameter(call, "subject_token").is_some()).expect("the exchange");
    assert_eq!(parameter(exchange, "actor_token"), Some(given.as_str()));
    let encoded = |text: &str| text.replace(':', "%3A");
    assert_eq!(parameter(exchange, "actor_token_type"), Some(encoded(ACCESS_TOKEN).as_str()));
    assert_eq!(parameter(exchange, "requested_token_type"), Some(encoded(jwt).as_str()));
    assert_eq!(parameter(exchange, "subject_token_type"), Some(encoded(jwt).as_str()));
    // Not without it.
    let scene = Scene::start(settings, refuses("401 Unauthorized", "invalid_client"));
    let (response, arrived) = scene.send(Wire::Http2, &scene.token("alice", json!({})));
    assert_eq!((response.status, arrived.is_none()), (503, true));
    assert!(scene.calls().iter().all(|call| parameter(call, "subject_token").is_none()));
}
