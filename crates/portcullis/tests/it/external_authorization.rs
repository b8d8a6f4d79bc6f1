//! External authorization through the real executable: what an authorizer is told, what it may say, and that nothing else
//! than a yes lets a request pass.

use portcullis_testkit::gateway::Builder;
use portcullis_testkit::provider::{Answer, Asked, Provider};
use portcullis_testkit::{Deadline, Request, Response, Wire};
use serde_json::Value;

use crate::stage::{Findings, KEY, KEY_FIELD, Stage, executable};

/// `AUTHORIZER` becomes the address of the scripted one, `DEAD` one where nobody listens.
const CONFIG: &str = r#"version: 1
state: state
admin: { probes: 127.0.0.1:0 }
listeners: { public: { bind: 127.0.0.1:0, protocols: [http1, http2] } }
telemetry: { access_log: stdout, incidents: stdout }
consumers:
  tester:
    apis: ["*"]
    credentials:
      - { id: k1, api_key: { sha256: "87cbebfeebc05f7c54ac9336c4b4bbec831227a641951a4bde7edd56020f8590", scopes: [a.read, a.write] } }
authorizers:
  policy:
    http: "http://AUTHORIZER/check"
    timeout: 15s
    fields: [x-tenant, cookie, x-api-key, authorization]
    context: { x-site: north }
    to_backend: [x-user, x-groups]
    with_answer: [x-answered]
    to_client: [set-cookie, x-why]
  whole: { http: "http://AUTHORIZER/whole/", timeout: 15s, fields: any, credential: true }
  open: { http: "http://AUTHORIZER/check", timeout: 15s, on_error: allow, to_backend: [x-user] }
  quick: { http: "http://AUTHORIZER/check", timeout: 300ms }
  quick-open: { http: "http://AUTHORIZER/check", timeout: 300ms, on_error: allow }
  dead: { http: "http://DEAD", timeout: 15s }
  dead-open: { http: "http://DEAD", timeout: 15s, on_error: allow }
  narrow: { http: "http://AUTHORIZER/check", timeout: 15s, calls: 1, on_error: allow }
backends: { recorder: { targets: ["http://BACKEND"] } }
defaults: { auth: none, authorize: policy }
apis:
  plain:
    backend: recorder
    operations: { all: { match: "* /{rest*}" }, free: { match: "GET /free", authorize: none } }
  keyed:
    base_path: /keyed
    backend: recorder
    auth: { api_key: { header: x-api-key, query: key, cookie: session } }
    require: { scopes: [a.read] }
    operations: { all: { match: "* /{rest*}" }, more: { match: "GET /more", require: { scopes: [other] } } }
  whole: { base_path: /whole, backend: recorder, auth: { api_key: { query: key } }, authorize: whole, operations: { all: { match: "* /{rest*}" } } }
  open: { base_path: /open, backend: recorder, authorize: open, operations: { all: { match: "* /{rest*}" } } }
  quick: { base_path: /quick, backend: recorder, authorize: quick, operations: { all: { match: "* /{rest*}" } } }
  quick-open: { base_path: /quick-open, backend: recorder, authorize: quick-open, operations: { all: { match: "* /{rest*}" } } }
  dead: { base_path: /dead, backend: recorder, authorize: dead, operations: { all: { match: "* /{rest*}" } } }
  dead-open: { base_path: /dead-open, backend: recorder, authorize: dead-open, operations: { all: { match: "* /{rest*}" } } }
  narrow: { base_path: /narrow, backend: recorder, authorize: narrow, operations: { all: { match: "* /{rest*}" } } }
"#;

struct Scene {
    stage: Stage,
    authorizer: Provider,
}

impl Scene {
    fn start() -> Self {
        let authorizer = Provider::start();
        let dead = std::net::TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr()).expect("a port");
        let config = CONFIG
            .replace("AUTHORIZER", &authorizer.address().to_string())
            .replace("DEAD", &dead.to_string());
        let stage = Stage::built(|backend| Builder::new(executable(), config.replace("BACKEND", backend)));
        Self { stage, authorizer }
    }

    fn ask(&self, wire: Wire, request: &Request) -> Response {
        wire.send(self.stage.public(), request)
    }

    /// The only question about `path`, which is then forgotten.
    fn question(&self, path: &str) -> Asked {
        let is_it = |asked: &Asked| asked.line.split(' ').nth(1) == Some(path);
        let mut all: Vec<Asked> = self.authorizer.asked().into_iter().filter(is_it).collect();
        let last = all.pop();
        last.unwrap_or_else(|| panic!("nothing was asked about {path}: {:?}", self.authorizer.asked()))
    }

    fn record(&self, answer: &Response) -> Value {
        let id = answer.text("x-request-id").expect("an id");
        self.stage.gateway.record(&id, |record| {
            record["request.id"] == id.as_str() && record["event.name"] == "portcullis.access"
        })
    }
}

/// The values of a field in a head, in lower case names.
fn told(asked: &Asked, name: &str) -> Vec<String> {
    let fields = asked.head.lines().skip(1).filter_map(|line| line.split_once(':'));
    fields
        .filter(|(own, _)| own.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim().to_owned())
        .collect()
}

fn raw(head: &str) -> Answer {
    Answer::Raw(format!("HTTP/1.1 {head}\r\n\r\n").replace('\n', "\r\n").replace("\r\r", "\r").into_bytes())
}

#[test]
fn a_question_says_what_is_asked_for_and_who_asks() {
    let scene = Scene::start();
    for wire in Wire::ALL {
        scene.authorizer.on("/check/keyed/things/7?a=b&c=%20", raw("200 OK\nContent-Length: 0"));
        let request = Request::post("/keyed/things/7?a=b&key=KEY&c=%20".replace("KEY", KEY), "body")
            .field("X-Tenant", "t1")
            .field("X-Tenant", "t2")
            .field("Cookie", "a=1; b=2")
            .field("Authorization", "Bearer other")
            .field("X-Secret", "not told")
            .field("X-Site", "south")
            .field("X-Portcullis-Consumer", "evil")
            .field("X-Forwarded-For", "192.0.2.9");
        let answer = scene.ask(*wire, &request);
        assert_eq!(answer.status, 200, "{answer:?}");
        let asked = scene.question("/check/keyed/things/7?a=b&c=%20");
        assert_eq!(asked.line, "POST /check/keyed/things/7?a=b&c=%20");
        assert_eq!(asked.body, "", "the body is not sent");
        for (name, values) in [
            ("host", &["gw.test"][..]),
            ("x-tenant", &["t1", "t2"]),
            ("cookie", &["a=1; b=2"]),
            ("authorization", &["Bearer other"]),
            ("x-site", &["north"]),
            ("x-portcullis-consumer", &["tester"]),
            ("x-portcullis-credential", &["k1"]),
            ("x-portcullis-scopes", &["a.read a.write"]),
            ("x-portcullis-api", &["keyed"]),
            ("x-portcullis-operation", &["all"]),
            ("x-forwarded-for", &["127.0.0.1"]),
            ("x-forwarded-proto", &["http"]),
            ("x-secret", &[]),
            ("x-api-key", &[]),
            ("transfer-encoding", &[]),
        ] {
            assert_eq!(told(&asked, name), values, "{name}: {}", asked.head);
        }
        assert_eq!(told(&asked, "x-request-id"), [answer.text("x-request-id").expect("an id")]);
        assert!(!asked.head.contains(KEY), "the credential was told: {}", asked.head);
        let record = scene.record(&answer);
        assert_eq!(record["portcullis.authorizer"], "policy", "{record}");
        assert!(record["portcullis.authorizer.duration_ms"].is_number(), "{record}");
    }
}

#[test]
fn a_credential_is_told_where_that_is_written_and_nowhere_else() {
    let scene = Scene::start();
    for wire in Wire::ALL {
        for (request, path) in [
            (Request::get("/keyed/a").field(KEY_FIELD, KEY), "/check/keyed/a"),
            (Request::get(format!("/keyed/b?key={KEY}")), "/check/keyed/b"),
            (Request::get("/keyed/c").field("Cookie", format!("x=1; session={KEY}")), "/check/keyed/c"),
        ] {
            scene.authorizer.on(path, raw("200 OK\nContent-Length: 0"));
            assert_eq!(scene.ask(*wire, &request).status, 200, "{path}");
            let asked = scene.question(path);
            assert!(!asked.head.contains(KEY), "{}", asked.head);
        }
        assert_eq!(told(&scene.question("/check/keyed/c"), "cookie"), ["x=1"]);

        let path = format!("/whole/whole/x?key={KEY}");
        scene.authorizer.on(&path, raw("200 OK\nContent-Length: 0"));
        let request = Request::get(format!("/whole/x?key={KEY}"))
            .field("X-Any", "told")
            .field("Accept-Encoding", "gzip")
            .field("If-None-Match", "\"a\"");
        assert_eq!(scene.ask(*wire, &request).status, 200);
        let asked = scene.question(&path);
        assert_eq!(told(&asked, "x-any"), ["told"]);
        assert!(told(&asked, "accept-encoding").is_empty() && told(&asked, "if-none-match").is_empty());
    }
}

#[test]
fn what_it_says_to_the_backend_nobody_else_says() {
    let scene = Scene::start();
    for wire in Wire::ALL {
        scene.authorizer.on(
            "/check/told",
            raw("200 OK\nContent-Length: 0\nX-User: ann\nX-Groups: a\nX-Groups: b\nX-Other: no\n\
                 X-Forwarded-For: 192.0.2.1\nX-Answered: yes\nX-Why: no\nSet-Cookie: a=1\nx-envoy-auth-headers-to-remove: x-drop, Authorization"),
        );
        let mark = scene.stage.backend.mark();
        let request = Request::post("/told", "body")
            .field("X-User", "evil")
            .field("x_groups", "evil")
            .field("X-Drop", "1")
            .field("Authorization", "Bearer x")
            .field("X-Keep", "1")
            .trailer("x-user", "evil")
            .trailer("x-sum", "1");
        let answer = scene.ask(*wire, &request);
        assert_eq!(answer.status, 200, "{answer:?}");
        assert!(answer.all("set-cookie").is_empty() && answer.all("x-why").is_empty(), "{answer:?}");
        assert_eq!(answer.text("x-answered").as_deref(), Some("yes"), "{answer:?}");
        let arrived = scene.stage.backend.since(mark);
        let message = arrived.first().expect("a message");
        let values = |name: &str| -> Vec<String> {
            message.all(name).into_iter().map(|value| String::from_utf8_lossy(value).into_owned()).collect()
        };
        assert_eq!(values("x-user"), ["ann"]);
        assert_eq!(values("x-groups"), ["a", "b"]);
        assert_eq!(values("x-forwarded-for"), ["127.0.0.1"]);
        assert_eq!(values("x-keep"), ["1"]);
        for name in ["x_groups", "x-other", "x-drop", "authorization", "x-envoy-auth-headers-to-remove"] {
            assert!(values(name).is_empty(), "{name}: {message:?}");
        }
        let trailers: Vec<_> = message.trailers.iter().map(|(name, _)| name.to_ascii_lowercase()).collect();
        assert!(!trailers.contains(&b"x-user".to_vec()), "{message:?}");

        // It says nothing: a client's word counts for nothing all the same.
        scene.authorizer.on("/check/silent", raw("200 OK\nContent-Length: 0"));
        let mark = scene.stage.backend.mark();
        assert_eq!(scene.ask(*wire, &Request::get("/silent").field("X.User", "evil")).status, 200);
        let arrived = scene.stage.backend.since(mark);
        let names =
            arrived[0].fields.iter().map(|(name, _)| String::from_utf8_lossy(name).to_ascii_lowercase());
        assert!(names.clone().all(|name| !name.ends_with("user")), "{:?}", names.collect::<Vec<_>>());
    }
    scene.stage.expect_plain_backend_traffic();
}

#[test]
fn a_refusal_is_its_own_answer_and_an_incident() {
    let scene = Scene::start();
    for wire in Wire::ALL {
        let mark = scene.stage.backend.mark();
        scene.authorizer.on(
            "/check/login",
            raw("302 Found\nContent-Length: 0\nLocation: https://login.test/?a=b\nSet-Cookie: state=1\nSet-Cookie: \
                 __Host-portcullis-session-x=evil\nX-Other: no\nServer: theirs\nContent-Length: 0"
                .replace("\nContent-Length: 0\nLocation", "\nLocation")
                .as_str()),
        );
        let answer = scene.ask(*wire, &Request::get("/login"));
        assert_eq!(answer.status, 302, "{answer:?}");
        assert_eq!(answer.text("location").as_deref(), Some("https://login.test/?a=b"));
        assert_eq!(answer.all("set-cookie"), [b"state=1"], "{answer:?}");
        assert!(answer.all("x-other").is_empty() && answer.all("server").is_empty(), "{answer:?}");
        assert_eq!(answer.text("cache-control").as_deref(), Some("no-store"));

        scene.authorizer.on("/check/no", Answer::Reply(401, "text/plain", b"not you".to_vec()));
        let answer = scene.ask(*wire, &Request::post("/no", "a body"));
        assert_eq!((answer.status, &*answer.body), (401, &b"not you"[..]), "{answer:?}");
        assert_eq!(answer.text("content-type").as_deref(), Some("text/plain"));
        let record = scene.record(&answer);
        assert_eq!(record["error.type"], "external-authorization-denied", "{record}");
        assert_eq!(record["portcullis.decision"], "refused");
        assert_eq!(record["portcullis.control"], "authorize");
        assert_eq!(record["portcullis.cause"], "authorizer policy: status 401");
        assert_eq!(record["http.response.status_code"], 401);
        let id = answer.text("x-request-id").expect("an id");
        let incident = scene.stage.gateway.record("the incident", |record| {
            record["request.id"] == id.as_str() && record["event.name"] == "portcullis.incident"
        });
        assert_eq!(incident["portcullis.incident.kind"], "external-authorization-denied");

        scene.authorizer.on("/check/plain", raw("403 Forbidden\nContent-Length: 0\nX-Why: policy 7"));
        let answer = scene.ask(*wire, &Request::get("/plain"));
        assert_eq!(answer.verdict(), (403, Some("external-authorization-denied".to_owned())));
        assert_eq!(answer.text("x-why").as_deref(), Some("policy 7"));
        // HEAD has no content to answer with.
        scene.authorizer.on("/check/head", raw("403 Forbidden\nContent-Length: 9"));
        assert_eq!(scene.ask(*wire, &Request::new("HEAD", "/head")).status, 403);
        assert!(scene.stage.backend.since(mark).is_empty(), "something reached the backend");
        // Refused before anybody was asked.
        let before = scene.authorizer.asked().len();
        let denied = scene.ask(*wire, &Request::get("/keyed/more").field(KEY_FIELD, KEY));
        assert_eq!(denied.verdict(), (403, Some("scope-missing".to_owned())));
        assert_eq!(scene.ask(*wire, &Request::get("/keyed/x")).status, 401);
        assert_eq!(scene.ask(*wire, &Request::get("/free")).status, 200);
        assert_eq!(scene.authorizer.asked().len(), before);

        let output = scene.stage.gateway.run(&executable(), &["explain", &id]);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        for part in ["refused", "authorize", "portcullis.yaml:28 authorize", "authorizer policy: status 401"]
        {
            assert!(said.contains(part), "`{part}` is not in {said}");
        }
    }
}

/// What an authorizer may come up with, and whether that is no answer at all.
fn strange() -> Vec<(&'static str, Answer, bool)> {
    let head = |name: &'static str, head: &str| (name, raw(head), false);
    let long = |name: &str| format!("200 OK\nContent-Length: 0\n{name}: {}", "a".repeat(17 << 10));
    vec![
        head("no-content", "204 No Content"),
        head("created", "201 Created\nContent-Length: 0"),
        head("not-modified", "304 Not Modified"),
        head("choices", "300 Multiple Choices\nContent-Length: 0"),
        head("switched", "101 Switching Protocols\nConnection: upgrade\nUpgrade: x"),
        head("removes-content", "200 OK\nContent-Length: 0\nx-envoy-auth-headers-to-remove: content-type"),
        head("removes-nonsense", "200 OK\nContent-Length: 0\nx-envoy-auth-headers-to-remove: a b"),
        head("encoded", "403 Forbidden\nContent-Encoding: gzip\nContent-Length: 2").with_body("xx"),
        head("del", "200 OK\nContent-Length: 0\nX-User: a\u{7f}b"),
        ("too-much-said", raw(&long("X-User")), false),
        ("too-long", Answer::Reply(403, "text/plain", vec![b'a'; (64 << 10) + 1]), false),
        ("garbage", Answer::Raw(b"\x16\x03\x01 nonsense\r\n\r\n".to_vec()), false),
        (
            "split",
            Answer::Raw(b"HTTP/1.1 200 OK\r\nX-User: a\rb\r\nContent-Length: 0\r\n\r\n".to_vec()),
            false,
        ),
        ("cut", Answer::Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab".to_vec()), false),
        ("failing", Answer::Reply(500, "text/plain", b"oops".to_vec()), true),
        ("busy", Answer::Reply(503, "text/plain", Vec::new()), true),
        ("closed", Answer::Close, true),
    ]
}

trait WithBody {
    fn with_body(self, body: &str) -> Self;
}

impl WithBody for (&'static str, Answer, bool) {
    fn with_body(mut self, body: &str) -> Self {
        if let Answer::Raw(bytes) = &mut self.1 {
            bytes.extend_from_slice(body.as_bytes());
        }
        self
    }
}

#[test]
fn nothing_but_a_yes_lets_a_request_pass() {
    let scene = Scene::start();
    let mut findings = Findings::default();
    for wire in Wire::ALL {
        for (name, answer, is_away) in strange() {
            let path = format!("/{name}");
            scene.authorizer.on(&format!("/check{path}"), answer.clone());
            scene.authorizer.on(&format!("/check/open{path}"), answer);
            let denied = scene.ask(*wire, &Request::get(&path)).verdict();
            let expected = (503, Some("authorizer-unavailable".to_owned()));
            findings.note(name, if denied == expected { Ok(()) } else { Err(format!("{denied:?}")) });
            let open = scene.ask(*wire, &Request::get(format!("/open{path}")));
            let expected = if is_away { 200 } else { 503 };
            let outcome = if open.status == expected { Ok(()) } else { Err(format!("{open:?}")) };
            findings.note(format!("{name} with on_error: allow"), outcome);
        }
        // Nobody there, and nobody who answers in time.
        for (path, status) in
            [("/dead/x", 503), ("/dead-open/x", 200), ("/quick/slow", 503), ("/quick-open/slow", 200)]
        {
            for slow in [Answer::Silence, Answer::Drip] {
                scene.authorizer.on(&format!("/check{path}"), slow);
                let answer = scene.ask(*wire, &Request::get(path));
                let outcome = if answer.status == status { Ok(()) } else { Err(format!("{answer:?}")) };
                findings.note(path, outcome);
            }
        }
        // The nearest good ones.
        for (name, answer, status) in [
            ("good", raw("200 OK\nContent-Length: 3\nX-User: a b").with("abc"), 200),
            ("chunked", raw("200 OK\nTransfer-Encoding: chunked\n\n3\nabc\n0"), 200),
            ("long-enough", Answer::Reply(403, "text/plain", vec![b'a'; 64 << 10]), 403),
        ] {
            scene.authorizer.on(&format!("/check/{name}"), answer);
            let answer = scene.ask(*wire, &Request::get(format!("/{name}")));
            findings.note(name, if answer.status == status { Ok(()) } else { Err(format!("{answer:?}")) });
        }
    }
    let let_through = scene.ask(Wire::Http1, &Request::get("/dead-open/x"));
    let id = let_through.text("x-request-id").expect("an id");
    let output = scene.stage.gateway.run(&executable(), &["explain", &id]);
    // One that went well is kept only if there was room; what is kept says so.
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.is_empty() || said.contains("authorize-on-error"), "{said}");
    let metrics = scene.stage.gateway.metrics();
    for series in [
        "portcullis_authorizer_calls_total{authorizer=\"dead-open\",outcome=\"let_through\"} 5",
        "portcullis_authorizer_calls_total{authorizer=\"dead\",outcome=\"failed\"} 4",
        "portcullis_authorizer_calls_total{authorizer=\"policy\",outcome=\"denied\"} 2",
        "portcullis_authorizer_calls_in_flight{authorizer=\"policy\"} 0",
        "portcullis_authorizer_seconds_total{authorizer=\"quick\"}",
    ] {
        assert!(metrics.contains(series), "{series} is not in:\n{metrics}");
    }
    findings.conclude(80);
}

trait With {
    fn with(self, body: &str) -> Self;
}

impl With for Answer {
    fn with(self, body: &str) -> Self {
        match self {
            Self::Raw(mut bytes) => {
                bytes.extend_from_slice(body.as_bytes());
                Self::Raw(bytes)
            }
            other => other,
        }
    }
}

#[test]
fn an_answer_too_many_answers_no_other_question() {
    let scene = Scene::start();
    for wire in Wire::ALL {
        let two = "403 Forbidden\nContent-Length: 0\n\nHTTP/1.1 200 OK\nContent-Length: 0";
        scene.authorizer.on("/check/first", raw(two));
        scene.authorizer.on("/check/open/first", raw(two));
        scene.authorizer.on("/check/second", raw("403 Forbidden\nContent-Length: 0"));
        for _ in 0..5 {
            // Nothing is believed of who says two things at once, unless the first was taken up before the second came.
            let first = scene.ask(*wire, &Request::get("/first")).status;
            assert!([403, 503].contains(&first), "{first}");
            assert_eq!(scene.ask(*wire, &Request::get("/second")).status, 403);
            let open = scene.ask(*wire, &Request::get("/open/first")).status;
            assert!([403, 503].contains(&open), "{open}");
        }
    }
}

#[test]
fn it_is_decided_before_a_byte_of_the_body_is_read() {
    let scene = Scene::start();
    scene.authorizer.on("/check/upload", raw("403 Forbidden\nContent-Length: 0"));
    let mut client = scene.stage.connect();
    client.send(
        "POST /upload HTTP/1.1\r\nHost: gw.test\r\nContent-Length: 1000000\r\nExpect: 100-continue\r\n\r\n",
    );
    let answer = client.response("POST", Deadline::soon()).expect("an answer");
    assert_eq!(answer.status, 403);
    let record = scene.record(&answer);
    assert_eq!(record["http.request.body.size"], 0, "{record}");
    let h2 = Wire::Http2.send(scene.stage.public(), &Request::post("/upload", vec![b'a'; 100_000]));
    assert_eq!(h2.status, 403);
}

#[test]
fn a_flood_of_questions_opens_nothing() {
    let scene = Scene::start();
    scene.authorizer.on("/check/narrow/wait", Answer::Silence);
    scene.authorizer.on("/check/narrow/x", raw("200 OK\nContent-Length: 0"));
    let mut client = scene.stage.connect();
    client.send("GET /narrow/wait HTTP/1.1\r\nHost: gw.test\r\n\r\n");
    scene.authorizer.await_count("/check/narrow/wait", 1);
    for wire in Wire::ALL {
        let answer = scene.ask(*wire, &Request::get("/narrow/x"));
        assert_eq!(answer.verdict(), (503, Some("authorizer-unavailable".to_owned())));
    }
    // Who waited goes away, and gives its place back.
    drop(client);
    Deadline::soon()
        .poll("a place", || (scene.ask(Wire::Http1, &Request::get("/narrow/x")).status == 200).then_some(()));
}

#[test]
fn what_lets_through_what_nobody_judged_is_told() {
    let scene = Scene::start();
    let output = scene.stage.gateway.run(&executable(), &["check"]);
    let said =
        String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
    let told =
        "authorizers.open.on_error: lets requests pass that nobody has judged while the authorizer is away";
    assert!(said.contains(told), "{said}");
    scene.stage.gateway.log("the warning", |line| line.to_string().contains("authorizers.open.on_error"));
}

#[test]
fn a_definition_takes_no_authorizer_away() {
    let document = |said: &str| {
        format!(
            "openapi: 3.1.0\ninfo: {{ title: t, version: \"1\" }}\nx-portcullis: {{ authorize: {said} }}\n\
             paths: {{ /a: {{ get: {{ operationId: a }} }} }}\n"
        )
    };
    let config = |api: &str| {
        format!(
            "version: 1\nlisteners: {{ public: {{ bind: 127.0.0.1:0 }} }}\nbackends: {{ shop: {{ targets: [\"http://127.0.0.1:9\"] }} }}\n\
             authorizers: {{ policy: {{ http: \"http://127.0.0.1:9\" }}, other: {{ http: \"http://127.0.0.1:9\" }} }}\n\
             {api}apis: {{ shop: {{ backend: shop, openapi: a.yaml, auth: none }} }}\n"
        )
    };
    let asked = "defaults: { authorize: policy }\n";
    for (api, said, wanted) in [
        (asked, "none", Some("a.yaml:3:17: x-portcullis.authorize: asks another authorizer than the one")),
        (asked, "other", Some("a.yaml:3:17: x-portcullis.authorize: asks another authorizer than the one")),
        (asked, "policy", None),
        ("", "policy", None),
        ("", "polici", Some("there is no authorizer \"polici\"; hint: did you mean `policy`?")),
    ] {
        let builder = Builder::new(executable(), config(api)).file("a.yaml", document(said));
        let output = builder.run(&["check"]);
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.success(), wanted.is_none(), "{said}: {told}");
        assert!(wanted.is_none_or(|wanted| told.contains(wanted)), "{said}: {told}");
    }
}
