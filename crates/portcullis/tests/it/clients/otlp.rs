//! Spans at a collector that decodes them with OpenTelemetry's own messages; and collectors that are away, slow, busy or
//! none (row 70).

use std::fs;
use std::net::TcpListener;
use std::time::Duration;

use portcullis_testkit::certificates::Authority;
use portcullis_testkit::gateway::Builder;
use portcullis_testkit::{Deadline, Gateway, Recorder, Request, Signal, Stopwatch, Wire};
use serde_json::{Value, json};

use super::{Server, python_with};
use crate::stage::{KEY, KEY_FIELD, executable};

const CONFIG: &str = r#"version: 1
state: none
admin: { probes: 127.0.0.1:0 }
telemetry: { sample: 100%, TELEMETRY }
bounds: { trace_queue: 64, drain: 1s }
listeners: { public: { bind: 127.0.0.1:0, protocols: [http1, http2], trusted_proxies: [127.0.0.9] } }
consumers:
  tester:
    apis: [secured]
    credentials:
      - { id: k1, api_key: { sha256: "87cbebfeebc05f7c54ac9336c4b4bbec831227a641951a4bde7edd56020f8590" } }
backends:
  recorder: { targets: ["http://BACKEND/front"] }
  halves: { targets: ["http://NOBODY", "http://BACKEND"], eject: { failures: 0 } }
  nobody: { targets: ["http://NOBODY"] }
apis:
  open: { listen: [public], backend: recorder, auth: none, operations: { all: { match: "* /{rest*}" } } }
  halves: { base_path: /halves, backend: halves, auth: none, operations: { all: { match: "* /{rest*}" } } }
  nobody: { base_path: /nobody, backend: nobody, auth: none, operations: { all: { match: "* /{rest*}" } } }
  secured:
    base_path: /admin
    backend: recorder
    auth: { api_key: {} }
    operations: { thing: { match: "GET /things/{id}" } }
"#;

const SAID: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const SPAN: &str = "b7ad6b7169203331";

/// A collector; what it was told stands in its lines.
fn collector(arguments: &[&str]) -> Option<Server> {
    let mut command =
        python_with("opentelemetry.proto.collector.trace.v1.trace_service_pb2", "otlp_sink.py")?;
    Some(Server::start(command.args(arguments)))
}

/// An address where nobody listens.
fn nobody() -> String {
    TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr()).expect("a free port").to_string()
}

fn config(telemetry: &str, backend: &Recorder) -> String {
    CONFIG
        .replace("TELEMETRY", telemetry)
        .replace("BACKEND", &backend.address().to_string())
        .replace("NOBODY", &nobody())
}

/// A gateway with a collector at `path` of this one's.
struct Scene {
    gateway: Gateway,
    backend: Recorder,
    collector: Server,
}

impl Scene {
    fn start(path: &str, more: &str) -> Option<Self> {
        let collector = collector(&[])?;
        let backend = Recorder::start();
        let telemetry = format!("traces: \"http://{}{path}\"{more}", collector.addresses[0]);
        let gateway =
            Builder::new(executable(), config(&telemetry, &backend)).argument("--workers=1").start();
        Some(Self { gateway, backend, collector })
    }

    fn ask(&self, wire: Wire, request: &Request) -> portcullis_testkit::Response {
        wire.send(self.gateway.address("public"), request)
    }

    /// The spans of the trace that the request with this id belongs to, the exchange's own first; and its access record.
    fn spans(&self, id: &str) -> (Vec<Value>, Value) {
        let record = self.gateway.record("the record", |record| {
            record["request.id"] == id && record["event.name"] == "portcullis.access"
        });
        let spans = self.collector.lines.expect("its spans", |line| {
            let line: Value = serde_json::from_str(line).ok()?;
            let all = line["spans"].as_array()?;
            let own = all.iter().filter(|span| span["trace"] == record["trace_id"]);
            let own: Vec<Value> = own.cloned().collect();
            own.iter().any(|span| span["span"] == record["span_id"]).then_some(own)
        });
        (spans, record)
    }

    fn told(&self) -> Vec<Value> {
        self.collector.lines.all().iter().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// How many spans had this outcome.
    fn spans_total(&self, outcome: &str) -> u64 {
        spans_total(&self.gateway, outcome)
    }
}

fn spans_total(gateway: &Gateway, outcome: &str) -> u64 {
    let text = gateway.metrics();
    let wanted = format!("portcullis_spans_total{{outcome=\"{outcome}\"}} ");
    text.lines().find_map(|line| line.strip_prefix(&*wanted)?.parse().ok()).expect("a count")
}

fn awaited_total(gateway: &Gateway, outcome: &str, least: u64) {
    Deadline::soon().poll(outcome, || (spans_total(gateway, outcome) >= least).then_some(()));
}

#[test]
fn an_exchange_is_a_span_and_each_try_is_one() {
    let Some(scene) = Scene::start("", ", parents: link") else { return };
    for wire in Wire::ALL {
        let mark = scene.backend.mark();
        let request = Request::get("/admin/things/7?token=hunter2")
            .field(KEY_FIELD, KEY)
            .field("traceparent", SAID)
            .field("user-agent", "test/1");
        let answer = scene.ask(*wire, &request);
        assert_eq!(answer.status, 200, "{answer:?}");
        let (spans, record) = scene.spans(&answer.text("x-request-id").expect("an id"));
        let [server, client] = &spans[..] else { panic!("{spans:#?}") };
        assert_eq!((&server["kind"], &client["kind"]), (&json!(2), &json!(3)));
        assert_eq!(server["name"], "GET /admin/things/{id}");
        assert_eq!((&server["parent"], &client["parent"]), (&json!(""), &server["span"]));
        assert_eq!((&server["flags"], &client["flags"]), (&json!(0x101), &json!(0x101)));
        assert_eq!((&server["status"], &client["status"]), (&json!(0), &json!(0)));
        assert_eq!(server["links"], json!([{ "trace": TRACE, "span": SPAN }]));
        // What the record says too, the span says the same.
        let attributes = server["attributes"].as_object().expect("attributes");
        for (name, value) in attributes {
            match &record[name] {
                Value::Null => assert_eq!(name, "network.peer.port", "{server:#}"),
                told => assert_eq!(value, told, "{name}"),
            }
        }
        for (name, value) in [
            ("http.request.method", json!("GET")),
            ("url.scheme", json!("http")),
            ("url.path", json!("/admin/things/7")),
            ("http.route", json!("/admin/things/{id}")),
            ("http.response.status_code", json!(200)),
            ("http.request.body.size", json!(0)),
            ("user_agent.original", json!("test/1")),
            ("portcullis.api", json!("secured")),
            ("portcullis.operation", json!("thing")),
            ("portcullis.consumer", json!("tester")),
            ("portcullis.credential", json!("k1")),
        ] {
            assert_eq!(attributes.get(name), Some(&value), "{name}");
        }
        let address = scene.backend.address();
        assert_eq!(client["name"], "GET");
        assert_eq!(
            client["attributes"],
            json!({
                "http.request.method": "GET",
                "http.response.status_code": 200,
                "server.address": address.ip().to_string(),
                "server.port": address.port(),
                "url.full": format!("http://{address}/front/admin/things/7"),
            })
        );
        let message = scene.backend.since(mark).pop().expect("a request");
        let told = portcullis_testkit::exchange::all(&message.fields, "traceparent");
        let (trace, span) =
            (client["trace"].as_str().expect("a trace"), client["span"].as_str().expect("a span"));
        assert_eq!(told, [format!("00-{trace}-{span}-01").as_bytes()], "the backend is part of the try");
        let time = |span: &Value, at: &str| span[at].as_u64().expect("a time");
        assert!(
            time(server, "start") <= time(client, "start") && time(client, "start") <= time(client, "end")
        );
        assert!(time(client, "end") <= time(server, "end"));
    }
    let told = scene.told();
    for line in &told {
        assert!(!line.to_string().contains("hunter2") && !line.to_string().contains(KEY), "{line}");
        assert_eq!(line["path"], "/v1/traces");
        assert_eq!(line["headers"]["content-type"], "application/x-protobuf");
        assert_eq!(
            (&line["scope"], &line["resource"]["service.name"]),
            (&json!("portcullis"), &json!("portcullis"))
        );
        assert!(line["resource"]["service.version"].is_string(), "{line}");
    }
    awaited_total(&scene.gateway, "exported", 4);
}

#[test]
fn what_is_refused_or_fails_says_so() {
    let Some(scene) = Scene::start("/v1/traces", "") else { return };
    let spans = |path: &str| {
        let answer = scene.ask(Wire::Http1, &Request::get(path));
        scene.spans(&answer.text("x-request-id").expect("an id")).0
    };
    let refused = spans("/admin/things/7");
    assert_eq!(refused.len(), 1, "nobody was asked: {refused:#?}");
    assert_eq!(refused[0]["status"], 0, "a client's fault is no failure of ours");
    assert_eq!(refused[0]["attributes"]["portcullis.problem"], "credential-missing");
    assert_eq!(refused[0]["attributes"].get("error.type"), None);

    let failed = spans("/nobody/a");
    // Once, or again as far as the budget of retries allows.
    assert!(failed.len() >= 2, "{failed:#?}");
    for span in &failed {
        assert_eq!(
            (&span["status"], &span["attributes"]["error.type"]),
            (&json!(2), &json!("backend-unreachable"))
        );
    }
    // Turns are taken: of two in a row one begins at the target that is not there.
    let both = [spans("/halves/a"), spans("/halves/a")];
    let tried = both.iter().find(|spans| spans.len() == 3).expect("an exchange of two tries");
    assert_eq!(tried[0]["status"], 0, "it went well in the end");
    assert_eq!(tried[1]["attributes"]["error.type"], "backend-unreachable");
    assert_eq!(tried[1]["attributes"].get("http.request.resend_count"), None);
    assert_eq!(tried[2]["attributes"]["http.request.resend_count"], 1);
    assert_eq!(tried[2]["attributes"]["http.response.status_code"], 200);
    assert_ne!(tried[1]["span"], tried[2]["span"]);
}

#[test]
fn only_sampled_traces_are_exported_and_parents_are_named() {
    let Some(scene) = Scene::start("", ", parents: continue") else { return };
    let unsampled = SAID.replace("-01", "-00");
    let quiet = scene.ask(Wire::Http1, &Request::get("/quiet").field("traceparent", &unsampled));
    let answer = scene.ask(Wire::Http1, &Request::get("/loud").field("traceparent", SAID));
    let (spans, _) = scene.spans(&answer.text("x-request-id").expect("an id"));
    assert_eq!((&spans[0]["trace"], &spans[0]["parent"]), (&json!(TRACE), &json!(SPAN)));
    assert_eq!(spans[0]["flags"], 0x301, "its parent is elsewhere");
    let told = scene.told();
    let paths: Vec<&Value> = told
        .iter()
        .flat_map(|line| line["spans"].as_array().expect("spans"))
        .map(|span| &span["attributes"]["url.path"])
        .filter(|path| !path.is_null())
        .collect();
    assert_eq!((quiet.status, paths), (200, vec![&json!("/loud")]));
}

#[test]
fn a_busy_collector_is_asked_again_when_it_says() {
    let Some(scene) = Scene::start("/busy", "") else { return };
    let answer = scene.ask(Wire::Http1, &Request::get("/a"));
    assert_eq!(answer.status, 200);
    awaited_total(&scene.gateway, "exported", 2);
    let told = Deadline::soon().poll("three messages", || Some(scene.told()).filter(|told| told.len() >= 3));
    let [first, second, third] = &told[..] else { panic!("{told:#?}") };
    for again in [second, third] {
        assert_eq!(again["spans"], first["spans"], "the same batch");
    }
    let at = |line: &Value| line["at"].as_f64().expect("a time");
    assert!(at(second) - at(first) >= 0.9, "not before `Retry-After` says");
    scene.gateway.log("that it is away", |line| line.to_string().contains("takes no spans"));
    scene.gateway.log("that it is back", |line| line.to_string().contains("is back"));
    assert_eq!((scene.spans_total("failed"), scene.spans_total("dropped")), (0, 0));
}

#[test]
fn what_a_collector_does_not_take_is_counted() {
    for (path, outcome) in
        [("/partial", "rejected"), ("/garbage", "failed"), ("/refuse", "failed"), ("/redirect", "failed")]
    {
        let Some(scene) = Scene::start(path, "") else { return };
        let answer = scene.ask(Wire::Http1, &Request::get("/a"));
        assert_eq!(answer.status, 200, "{path}");
        awaited_total(&scene.gateway, outcome, 1);
        Deadline::soon().poll("what it was told", || (!scene.told().is_empty()).then_some(()));
        assert_eq!(scene.told().len(), 1, "{path}: it is not asked again, nor anybody else");
        assert_eq!(scene.spans_total("exported"), u64::from(outcome == "rejected"), "{path}");
    }
}

#[test]
fn a_collector_that_is_away_or_slow_costs_requests_nothing() {
    const LOOK_EVERY: usize = 100;
    let Some(slow) = collector(&[]) else { return };
    for url in [
        format!("http://{}", nobody()),
        format!("http://{}/slow", slow.addresses[0]),
        format!("http://{}/endless", slow.addresses[0]),
        "http://collector.invalid".to_owned(),
    ] {
        let backend = Recorder::start();
        let config = config(&format!("traces: \"{url}\""), &backend);
        let mut gateway = Builder::new(executable(), config).argument("--workers=1").start();
        let mut client = portcullis_testkit::raw::Client::connect(gateway.address("public"));
        let (deadline, watch, mut asked) = (Deadline::soon(), Stopwatch::start(), 0_u32);
        // Until the queue has filled up behind what is on its way, and then as many again.
        for round in ["more than the queue holds", "as many again"] {
            let before = spans_total(&gateway, "dropped");
            deadline.poll(round, || {
                for _ in 0..LOOK_EVERY {
                    client.send(Request::get("/a").http1());
                    assert_eq!(
                        client.response("GET", Deadline::soon()).expect("an answer").status,
                        200,
                        "{url}"
                    );
                    asked += 1;
                }
                (spans_total(&gateway, "dropped") > before).then_some(())
            });
        }
        // Far below the first wait of the exporter, which is a second.
        let each = watch.elapsed() / asked;
        assert!(each < Duration::from_millis(100), "{url}: {each:?}");
        let is_told = |line: &String| line.contains("takes no spans");
        let told = gateway.stderr().all().iter().filter(|line| is_told(line)).count();
        assert!(told <= 1, "{url}: told {told} times");
        let watch = Stopwatch::start();
        gateway.signal(Signal::Term);
        assert!(gateway.wait(Deadline::soon()).success(), "{url}");
        assert!(watch.elapsed() < Duration::from_secs(10), "{url}: its end waits for no collector");
    }
}

#[test]
fn what_is_queued_at_the_end_is_exported() {
    let Some(mut scene) = Scene::start("", "") else { return };
    let answer = scene.ask(Wire::Http1, &Request::get("/last"));
    scene.gateway.signal(Signal::Term);
    let (spans, _) = scene.spans(&answer.text("x-request-id").expect("an id"));
    assert_eq!(spans.len(), 2);
    assert!(scene.gateway.wait(Deadline::soon()).success());
}

#[test]
fn a_collector_over_tls_is_trusted_by_the_systems_authorities_alone() {
    let authority = Authority::new("collectors");
    let pair = authority.server(&["localhost"]);
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).display().to_string();
    fs::write(path("cert"), &pair.certificate).expect("a file");
    fs::write(path("key"), &pair.key).expect("a file");
    fs::write(path("ca"), authority.pem()).expect("a file");
    fs::write(path("other"), Authority::new("strangers").pem()).expect("a file");
    let Some(collector) = collector(&[&path("cert"), &path("key")]) else { return };
    let backend = Recorder::start();
    let url = format!("https://localhost:{}", collector.addresses[0].port());
    let config = config(&format!("traces: {{ url: \"{url}\", headers: {{ X-Key: hunter2 }} }}"), &backend);
    for (ca, is_trusted) in [("ca", true), ("other", false)] {
        let gateway =
            Builder::new(executable(), config.clone()).environment("SSL_CERT_FILE", path(ca)).start();
        assert_eq!(Wire::Http1.send(gateway.address("public"), &Request::get("/a")).status, 200);
        if is_trusted {
            awaited_total(&gateway, "exported", 2);
        } else {
            gateway.log("that it is not trusted", |line| line.to_string().contains("cannot speak TLS"));
        }
    }
    let told =
        Deadline::soon().poll("a message", || Some(collector.lines.all()).filter(|told| !told.is_empty()));
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("\"x-key\": \"hunter2\""), "{}", told[0]);
}

#[test]
fn the_environment_speaks_where_the_configuration_does_not() {
    let Some(collector) = collector(&[]) else { return };
    let backend = Recorder::start();
    let base = format!("http://{}", collector.addresses[0]);
    let start = |config: String, variables: &[(&str, &str)]| {
        let builder = Builder::new(executable(), config);
        variables.iter().fold(builder, |builder, (name, value)| builder.environment(*name, *value)).start()
    };
    let general = ("OTEL_EXPORTER_OTLP_ENDPOINT", format!("{base}/general/"));
    let said = [
        (general.0, &*general.1),
        ("OTEL_EXPORTER_OTLP_HEADERS", "x-key=a%20b, x-other = c"),
        ("OTEL_SERVICE_NAME", "front"),
        ("OTEL_RESOURCE_ATTRIBUTES", "service.name=lost,deployment.environment.name=test"),
    ];
    let ask = |gateway: &Gateway| {
        let before = collector.lines.all().len();
        assert_eq!(Wire::Http1.send(gateway.address("public"), &Request::get("/a")).status, 200);
        awaited_total(gateway, "exported", 2);
        // What the collector writes is read by a thread of ours, which may be later than the gateway's count.
        let line = Deadline::soon().poll("a message", || collector.lines.all().get(before).cloned());
        serde_json::from_str::<Value>(&line).expect("JSON")
    };
    let silent = config("server_timing: false", &backend);
    let told = ask(&start(silent.clone(), &said));
    assert_eq!(told["path"], "/general/v1/traces");
    assert_eq!((&told["headers"]["x-key"], &told["headers"]["x-other"]), (&json!("a b"), &json!("c")));
    assert_eq!(told["resource"]["service.name"], "front");
    assert_eq!(told["resource"]["deployment.environment.name"], "test");

    let own = format!("{base}/own");
    let more = [&said[..], &[("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", &own)]].concat();
    assert_eq!(ask(&start(silent.clone(), &more))["path"], "/own");
    let configured = config(&format!("traces: \"{base}/configured\""), &backend);
    assert_eq!(ask(&start(configured, &more))["path"], "/configured");

    let builder = Builder::new(executable(), silent)
        .environment(general.0, &general.1)
        .environment("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc");
    let refused = builder.run(&["run"]);
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && said.contains("OTEL_EXPORTER_OTLP_PROTOCOL"), "{said}");
}

#[test]
fn a_reload_changes_the_collector() {
    let Some(scene) = Scene::start("/before", "") else { return };
    let first = scene.ask(Wire::Http1, &Request::get("/a"));
    scene.spans(&first.text("x-request-id").expect("an id"));
    let url = format!("traces: \"http://{}/after\"", scene.collector.addresses[0]);
    scene.gateway.reconfigure(&config(&url, &scene.backend).replace("127.0.0.9", "127.0.0.8"));
    scene.gateway.log("the reload", |line| line.to_string().contains("configuration reloaded"));
    let second = scene.ask(Wire::Http1, &Request::get("/a"));
    scene.spans(&second.text("x-request-id").expect("an id"));
    let told = scene.told();
    let paths: Vec<&Value> = told.iter().map(|line| &line["path"]).collect();
    assert_eq!(paths, ["/before", "/after"]);
}
