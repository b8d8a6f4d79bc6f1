//! The gateway's own account at an authorization server: one call for all who need a token, and none goes without.

use std::time::Duration;

use portcullis_testkit::gateway::Builder;
use portcullis_testkit::recorder::{Gate, Reply};
use portcullis_testkit::{Deadline, Gateway, Message, Recorder, Request, Wire};

use crate::stage::executable;

const CONFIG: &str = r#"version: 1
state: none
listeners: { public: { bind: 127.0.0.1:0, protocols: [http1, http2] } }
backends:
  orders:
    targets: ["http://BACKEND"]
    credentials:
      client_credentials: { url: "http://SERVER/token", cleartext: true, client_id: "gate way", SETTINGS }
apis:
  orders: { backend: orders, auth: none, operations: { all: { match: "* /{rest*}" } } }
"#;

const SECRET: &str = r#"client_secret: "${env:CLIENT_SECRET}""#;

struct Scene {
    server: Recorder,
    backend: Recorder,
    gateway: Gateway,
}

impl Scene {
    fn start(settings: &str, first: Reply) -> Self {
        let (server, backend) = (Recorder::start(), Recorder::start());
        server.on("/token", first);
        let config = CONFIG.replace("BACKEND", &backend.address().to_string());
        let config = config.replace("SERVER", &server.address().to_string()).replace("SETTINGS", settings);
        let gateway = Builder::new(executable(), config).environment("CLIENT_SECRET", "s&cret:1").start();
        Self { server, backend, gateway }
    }

    fn send(&self, wire: Wire) -> (u16, Option<String>, Option<Message>) {
        let mark = self.backend.mark();
        let request = Request::get("/x").field("Authorization", "Bearer of-the-caller");
        let response = wire.send(self.gateway.address("public"), &request);
        (response.status, response.problem(), self.backend.since(mark).pop())
    }

    /// Calls that came to the token endpoint.
    fn calls(&self) -> usize {
        self.server.messages().len()
    }
}

fn token(token: &str, expires_in: u64) -> Reply {
    let body = format!(r#"{{"access_token":"{token}","token_type":"Bearer","expires_in":{expires_in}}}"#);
    Reply::with("200 OK", "Content-Type: application/json\r\n", body)
}

#[test]
fn a_backend_gets_the_gateways_token_and_the_server_what_it_asks_for() {
    let cases = [
        (format!("{SECRET}, scopes: [a, b], audience: orders"), "scope=a%20b&audience=orders", true),
        (format!("{SECRET}, secret_in: post"), "client_id=gate%20way&client_secret=s%26cret%3A1", false),
    ];
    for (settings, said, is_basic) in cases {
        let scene = Scene::start(&settings, token("first", 600));
        for wire in Wire::ALL {
            let (status, _, message) = scene.send(*wire);
            assert_eq!(status, 200);
            let message = message.expect("a message");
            assert_eq!(message.all("authorization"), [b"Bearer first"], "{message}");
        }
        assert_eq!(scene.calls(), 1);
        let call = scene.server.expect("the call", |message| message.target == b"/token");
        let body = String::from_utf8_lossy(&call.body).into_owned();
        assert_eq!(body, format!("grant_type=client_credentials&{said}"));
        // `gate%20way:s%26cret%3A1`
        let basic = is_basic.then(|| "Basic Z2F0ZSUyMHdheTpzJTI2Y3JldCUzQTE=".to_owned());
        assert_eq!(call.text("authorization"), basic);
        let log = scene.gateway.stdout().tail(100) + &scene.gateway.stderr().tail(100);
        assert!(!log.contains("s&cret") && !log.contains("Z2F0") && !log.contains("Bearer first"), "{log}");
    }
}

/// A thousand where the machine is asked for it, else a hundred: all wait for one call.
#[test]
fn one_call_is_made_for_all_who_wait() {
    let gate = Gate::new();
    let body = r#"{"access_token":"one","token_type":"bearer","expires_in":600}"#;
    let slow = Reply::new()
        .wait(&gate)
        .send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()));
    let scene = Scene::start(&format!("{SECRET}, wait: 30s, timeout: 30s"), slow);
    let many = if std::env::var_os("PORTCULLIS_WHOLE").is_some() { 1_000 } else { 100 };
    let public = scene.gateway.address("public");
    let mut clients: Vec<_> = (0..many)
        .map(|_| {
            let mut client = portcullis_testkit::raw::Client::connect(public);
            client.send("GET /x HTTP/1.1\r\nHost: gw.test\r\n\r\n");
            client
        })
        .collect();
    scene.server.expect("the call", |message| message.target == b"/token");
    gate.open();
    for client in &mut clients {
        assert_eq!(
            client.response("GET", Deadline::after(Duration::from_secs(60))).expect("a reply").status,
            200
        );
    }
    assert_eq!((scene.calls(), scene.backend.messages().len()), (1, many));
}

#[test]
fn without_a_token_nothing_goes() {
    for (name, reply) in [
        ("an error", Reply::with("500 Internal Server Error", "", "no")),
        ("a refusal", Reply::with("401 Unauthorized", "", r#"{"error":"invalid_client"}"#)),
        ("a redirect", Reply::with("302 Found", "Location: /other\r\n", "")),
        ("no JSON", Reply::ok("token")),
        ("another type", Reply::ok(r#"{"access_token":"a","token_type":"mac"}"#)),
        ("a name twice", Reply::ok(r#"{"access_token":"a","access_token":"b","token_type":"Bearer"}"#)),
        ("no token for a field", Reply::ok(r#"{"access_token":"a\r\nx: y","token_type":"Bearer"}"#)),
        ("no end of it", Reply::ok(vec![b' '; 100_000])),
        ("the connection's end", Reply::new().close()),
    ] {
        let scene = Scene::start(SECRET, reply);
        for wire in Wire::ALL {
            let (status, problem, message) = scene.send(*wire);
            let expected = (503, Some("backend-credential-unavailable".to_owned()), true);
            assert_eq!((status, problem, message.is_none()), expected, "{name}");
        }
        let record = scene.gateway.record("its record", |record| record["http.response.status_code"] == 503);
        assert!(!record.to_string().contains("of-the-caller"), "{record}");
        // And as soon as one is to be had, it goes.
        scene.server.on("/token", token("good", 600));
        Deadline::after(Duration::from_secs(30))
            .poll(name, || (scene.send(Wire::Http1).0 == 200).then_some(()));
    }
}

#[test]
fn one_that_keeps_silent_holds_requests_up_for_as_long_as_is_written() {
    let gate = Gate::new();
    let scene = Scene::start(&format!("{SECRET}, wait: 200ms"), Reply::new().wait(&gate));
    let (status, problem, message) = scene.send(Wire::Http1);
    assert_eq!(
        (status, problem.as_deref(), message.is_none()),
        (503, Some("backend-credential-unavailable"), true)
    );
    gate.open();
}

#[test]
fn a_token_is_renewed_ahead_of_its_end_and_used_until_then() {
    let scene = Scene::start(SECRET, token("first", 4));
    assert_eq!(scene.send(Wire::Http1).0, 200);
    // In the background: no request asks for it.
    scene.server.on("/token", token("second", 600));
    Deadline::soon().poll("the second call", || (scene.calls() >= 2).then_some(()));
    Deadline::soon().poll("the second token", || {
        let (status, _, message) = scene.send(Wire::Http2);
        assert_eq!(status, 200, "no request is without one meanwhile");
        (message?.text("authorization")? == "Bearer second").then_some(())
    });
    // The server is away: what counts is used.
    scene.server.on("/token", Reply::with("500 Internal Server Error", "", "no"));
    assert_eq!(scene.send(Wire::Http1).0, 200);
}

#[test]
fn an_account_outlives_a_reload() {
    let scene = Scene::start(SECRET, token("first", 600));
    assert_eq!(scene.send(Wire::Http1).0, 200);
    let config = std::fs::read_to_string(scene.gateway.folder().join("portcullis.yaml")).expect("it");
    scene.gateway.reconfigure(&config.replace("apis:\n", "apis:\n  more: { base_path: /more, backend: orders, auth: none, operations: { all: { match: \"GET /a\" } } }\n"));
    let public = scene.gateway.address("public");
    Deadline::soon().poll("the reload", || {
        (Wire::Http1.send(public, &Request::get("/more/a")).status == 200
            && scene.gateway.stderr().tail(50).contains("/more")
            || Wire::Http1.send(public, &Request::get("/more/b")).status == 404)
            .then_some(())
    });
    assert_eq!((scene.send(Wire::Http1).0, scene.calls()), (200, 1));
}

#[test]
fn a_signed_assertion_stands_for_a_secret() {
    use portcullis_testkit::certificates::Authority;
    let key = Authority::new("clients").server(&["client"]).key;
    let (server, backend) = (Recorder::start(), Recorder::start());
    server.on("/token", token("first", 600));
    let config = CONFIG.replace("BACKEND", &backend.address().to_string());
    let config = config.replace("SERVER", &server.address().to_string());
    let config = config.replace("SETTINGS", r#"private_key: { key: "${file:client.key}", kid: k1 }"#);
    let gateway = Builder::new(executable(), config).file("client.key", key).start();
    let scene = Scene { server, backend, gateway };
    assert_eq!(scene.send(Wire::Http1).0, 200);
    let call = scene.server.expect("the call", |message| message.target == b"/token");
    let body = String::from_utf8_lossy(&call.body).into_owned();
    let kind = "client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer";
    assert!(
        body.contains(kind) && body.contains("client_assertion=ey") && !body.contains("secret"),
        "{body}"
    );
}
