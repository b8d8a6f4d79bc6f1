//! Envoy's gRPC protocol with a service by grpcio, over cleartext and TLS: what it is told, and what comes of each answer.

use portcullis_testkit::certificates::Authority;
use portcullis_testkit::gateway::Builder;
use portcullis_testkit::provider::{Answer, Provider};
use portcullis_testkit::{Deadline, Request, Response, Wire};
use serde_json::Value;

use super::{Server, python_with};
use crate::stage::{Findings, KEY, KEY_FIELD, Stage, executable};

const CONFIG: &str = r#"version: 1
state: none
admin: { probes: 127.0.0.1:0 }
telemetry: { access_log: stdout }
listeners: { public: { bind: 127.0.0.1:0, protocols: [http1, http2] } }
consumers:
  tester:
    apis: ["*"]
    credentials: [{ id: k1, api_key: { sha256: "87cbebfeebc05f7c54ac9336c4b4bbec831227a641951a4bde7edd56020f8590", scopes: [a.read, a.write] } }]
authorizers:
  clear:
    grpc: "http://CLEAR"
    timeout: 15s
    fields: [x-tenant, cookie, x-api-key]
    context: { x-site: north }
    to_backend: [x-user, x-groups]
    with_answer: [x-answered, set-cookie]
    to_client: [x-why]
  tls: { grpc: "https://localhost:TLS", ca: "${file:ca.pem}", timeout: 15s, fields: any, to_backend: [x-user, x-groups], with_answer: [x-answered, set-cookie] }
  stranger: { grpc: "https://localhost:TLS", ca: "${file:other.pem}", timeout: 15s, on_error: allow }
  open: { grpc: "http://CLEAR", timeout: 15s, on_error: allow, to_backend: [x-user, x-groups] }
  quick: { grpc: "http://CLEAR", timeout: 300ms }
  wrong: { grpc: "http://WRONG", timeout: 15s, on_error: allow }
backends: { recorder: { targets: ["http://BACKEND"] } }
defaults: { auth: none }
apis:
  clear: { base_path: /clear, backend: recorder, authorize: clear, operations: { all: { match: "* /{rest*}" } } }
  keyed: { base_path: /keyed, backend: recorder, auth: { api_key: { query: key } }, authorize: clear, operations: { all: { match: "* /{rest*}" } } }
  tls: { base_path: /tls, backend: recorder, authorize: tls, operations: { all: { match: "* /{rest*}" } } }
  stranger: { base_path: /stranger, backend: recorder, authorize: stranger, operations: { all: { match: "* /{rest*}" } } }
  open: { base_path: /open, backend: recorder, authorize: open, operations: { all: { match: "* /{rest*}" } } }
  quick: { base_path: /quick, backend: recorder, authorize: quick, operations: { all: { match: "* /{rest*}" } } }
  wrong: { base_path: /wrong, backend: recorder, authorize: wrong, operations: { all: { match: "* /{rest*}" } } }
"#;

struct Scene {
    stage: Stage,
    service: Server,
    /// Another one, which does not speak HTTP/2.
    wrong: Provider,
}

impl Scene {
    fn start() -> Option<Self> {
        let authority = Authority::new("ext-authz");
        let folder = tempfile::tempdir().expect("a folder");
        let pair = authority.server(&["localhost"]);
        std::fs::write(folder.path().join("server.crt"), &pair.certificate).expect("a file");
        std::fs::write(folder.path().join("server.key"), &pair.key).expect("a file");
        let service = Server::start(python_with("grpc, google.protobuf", "ext_authz.py")?.arg(folder.path()));
        let wrong = Provider::start();
        let config = CONFIG
            .replace("WRONG", &wrong.address().to_string())
            .replace("CLEAR", &service.addresses[0].to_string())
            .replace("localhost:TLS", &format!("localhost:{}", service.addresses[1].port()));
        let stage = Stage::built(|backend| {
            Builder::new(executable(), config.replace("BACKEND", backend))
                .file("ca.pem", authority.pem())
                .file("other.pem", Authority::new("strangers").pem())
        });
        Some(Self { stage, service, wrong })
    }

    fn ask(&self, wire: Wire, request: &Request) -> Response {
        wire.send(self.stage.public(), request)
    }

    /// What the service was asked about the request of this id.
    fn question(&self, answer: &Response) -> Value {
        let id = answer.text("x-request-id").expect("an id");
        let find = || {
            let lines = self.service.lines.all();
            let told = lines.iter().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            told.into_iter().find(|told| told["attributes"]["request"]["http"]["id"] == id.as_str())
        };
        Deadline::soon().poll("the question", find)
    }
}

/// A map of the protocol.
fn entry<'a>(map: &'a Value, key: &str) -> Option<&'a str> {
    let entries = map.as_array().expect("entries");
    entries.iter().find(|entry| entry["key"] == key).and_then(|entry| entry["value"].as_str())
}

#[test]
fn a_question_has_the_attributes_of_the_protocol() {
    let Some(scene) = Scene::start() else { return };
    for wire in Wire::ALL {
        let request = Request::post(format!("/keyed/things/7?a=b&key={KEY}&c=%20"), "body")
            .field("X-Tenant", "t1")
            .field("X-Tenant", "t2")
            .field("Cookie", "a=1; b=2")
            .field("X-Portcullis-Consumer", "evil")
            .field("X-Secret", "not told");
        let answer = scene.ask(*wire, &request);
        assert_eq!(answer.status, 200, "{answer:?}");
        let asked = scene.question(&answer);
        let attributes = &asked["attributes"];
        let http = &attributes["request"]["http"];
        assert_eq!(http["method"], "POST");
        assert_eq!(http["path"], "/keyed/things/7?a=b&c=%20", "without the credential");
        assert_eq!((&http["host"], &http["scheme"]), (&"gw.test".into(), &"http".into()));
        assert_eq!(http["protocol"], if *wire == Wire::Http2 { "HTTP/2" } else { "HTTP/1.1" });
        assert_eq!((&http["body"], &http["raw_body"]), (&"".into(), &"".into()), "the body is not sent");
        assert!(["4", "-1"].contains(&http["size"].as_str().expect("a size")), "{http}");
        let headers = &http["headers"];
        assert_eq!(entry(headers, "x-tenant"), Some("t1,t2"));
        assert_eq!(entry(headers, "cookie"), Some("a=1; b=2"));
        assert_eq!(entry(headers, "x-forwarded-for"), Some("127.0.0.1"));
        for name in ["x-secret", "x-portcullis-consumer"] {
            assert_eq!(entry(headers, name), None, "{headers}");
        }
        let context = &attributes["context_extensions"];
        for (name, value) in [
            ("portcullis.consumer", "tester"),
            ("portcullis.credential", "k1"),
            ("portcullis.scopes", "a.read a.write"),
            ("portcullis.api", "keyed"),
            ("portcullis.operation", "all"),
            ("x-site", "north"),
        ] {
            assert_eq!(entry(context, name), Some(value), "{context}");
        }
        let source = &attributes["source"];
        assert_eq!(source["principal"], "tester");
        assert_eq!(source["address"]["socket_address"]["address"], "127.0.0.1");
        let port = scene.stage.public().port();
        assert_eq!(attributes["destination"]["address"]["socket_address"]["port_value"], port);
        assert!(attributes["request"]["time"]["seconds"].as_str().is_some_and(|time| time.len() >= 10));
        assert!(!asked.to_string().contains(KEY), "the credential was told: {asked}");
        assert!(asked["remaining"].as_f64().is_some_and(|left| left > 0.0 && left <= 15.0), "{asked}");
    }
    // Over TLS, with every field.
    let answer =
        scene.ask(Wire::Http1, &Request::get("/tls/ok").field("X-Any", "told").field(KEY_FIELD, "x"));
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(
        entry(&scene.question(&answer)["attributes"]["request"]["http"]["headers"], "x-any"),
        Some("told")
    );
}

#[test]
fn what_it_lets_pass_goes_on_as_it_says() {
    let Some(scene) = Scene::start() else { return };
    for wire in Wire::ALL {
        for base in ["/clear", "/tls"] {
            let mark = scene.stage.backend.mark();
            let request = Request::get(format!("{base}/told"))
                .field("X-User", "evil")
                .field("X_Groups", "evil")
                .field("X-Drop", "1")
                .field("Authorization", "Bearer x");
            let answer = scene.ask(*wire, &request);
            assert_eq!(answer.status, 200, "{answer:?}");
            assert_eq!(answer.text("x-answered").as_deref(), Some("yes"), "{answer:?}");
            assert!(answer.all("set-cookie").is_empty(), "{answer:?}");
            let arrived = scene.stage.backend.since(mark);
            let message = arrived.first().expect("a message");
            assert_eq!(message.all("x-user"), [b"ann"]);
            assert_eq!(message.all("x-groups"), [b"a", b"b"]);
            for name in ["x_groups", "x-drop", "authorization"] {
                assert!(message.all(name).is_empty(), "{name}: {message:?}");
            }
            assert_eq!(scene.ask(*wire, &Request::get(format!("{base}/ok"))).status, 200);
            assert_eq!(scene.ask(*wire, &Request::get(format!("{base}/ok-alone"))).status, 200);
        }
    }
}

#[test]
fn a_refusal_is_told_as_it_says() {
    let Some(scene) = Scene::start() else { return };
    let denied = Some("external-authorization-denied".to_owned());
    for wire in Wire::ALL {
        let mark = scene.stage.backend.mark();
        for name in ["denied", "denied-alone"] {
            let answer = scene.ask(*wire, &Request::post(format!("/clear/{name}"), "a body"));
            assert_eq!(answer.verdict(), (403, denied.clone()), "{name}");
        }
        let answer = scene.ask(*wire, &Request::get("/clear/denied-so"));
        assert_eq!((answer.status, &*answer.body), (401, &b"not you"[..]), "{answer:?}");
        assert_eq!(answer.text("www-authenticate").as_deref(), Some("Bearer"));
        assert_eq!(answer.text("x-why").as_deref(), Some("policy"));
        assert!(answer.all("x-other").is_empty(), "{answer:?}");
        let id = answer.text("x-request-id").expect("an id");
        let record = scene.stage.gateway.record(&id, |record| record["request.id"] == id.as_str());
        assert_eq!(record["error.type"], "external-authorization-denied", "{record}");
        assert_eq!(record["portcullis.authorizer"], "clear", "{record}");
        assert_eq!(scene.ask(*wire, &Request::get("/clear/denied-503")).status, 503);
        let login = scene.ask(*wire, &Request::get("/clear/denied-login"));
        assert_eq!((login.status, login.text("location").as_deref()), (302, Some("https://login.test/")));
        // Whatever is said of an error, a no is a no.
        assert_eq!(scene.ask(*wire, &Request::get("/open/denied-503")).status, 503);
        assert!(scene.stage.backend.since(mark).is_empty(), "something reached the backend");
    }
}

#[test]
fn nothing_but_a_yes_lets_a_request_pass() {
    let Some(scene) = Scene::start() else { return };
    let mut findings = Findings::default();
    let unclear = [
        "empty",
        "both",
        "crossed",
        "denied-200",
        "unnamed",
        "host",
        "pseudo",
        "nameless",
        "line",
        "nul",
        "two-values",
        "overwrite",
        "query",
        "query-less",
        "content",
        "unnamed-answer",
        "much",
        "many",
        "large",
        "garbage",
        "cut",
        "typed",
        "twice",
        "call-denied",
        "call-stranger",
    ];
    let away = ["error", "unavailable", "internal"];
    for wire in Wire::ALL {
        for (names, open) in [(&unclear[..], 503), (&away[..], 200)] {
            for name in names {
                for (base, status) in [("/clear", 503), ("/open", open)] {
                    let path = format!("{base}/{name}");
                    let answer = scene.ask(*wire, &Request::get(&path));
                    let is_right = answer.status == status
                        && (status == 200 || answer.problem().as_deref() == Some("authorizer-unavailable"));
                    findings.note(&path, if is_right { Ok(()) } else { Err(format!("{answer:?}")) });
                }
            }
        }
        // A service that another authority vouches for is none that is away; one that speaks HTTP/1.1 is no service.
        for (path, said, status) in [
            ("/stranger/ok", Answer::Close, 503),
            ("/quick/slow", Answer::Close, 503),
            ("/wrong/ok", Answer::Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_vec()), 503),
            ("/wrong/ok", Answer::Close, 200),
        ] {
            scene.wrong.on("*", said);
            let answer = scene.ask(*wire, &Request::get(path));
            findings.note(path, if answer.status == status { Ok(()) } else { Err(format!("{answer:?}")) });
        }
    }
    findings.conclude(120);
}

#[test]
fn a_service_that_came_back_is_asked_again() {
    let Some(mut scene) = Scene::start() else { return };
    assert_eq!(scene.ask(Wire::Http1, &Request::get("/clear/ok")).status, 200);
    drop(scene.service.child.stdin.take());
    scene.service.child.wait().expect("its end");
    // Its kept connection is closed, and nobody is there.
    let gone = scene.ask(Wire::Http1, &Request::get("/clear/ok"));
    assert_eq!(gone.verdict(), (503, Some("authorizer-unavailable".to_owned())), "{gone:?}");
    assert_eq!(scene.ask(Wire::Http1, &Request::get("/open/ok")).status, 200);
}
