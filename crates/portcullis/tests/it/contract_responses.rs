//! The response side of the contract through the real executable: what of a backend's answer leaves, and what is told of the
//! rest.

use portcullis_testkit::gateway::Builder;
use portcullis_testkit::recorder::{Gate, Reply};
use portcullis_testkit::{Request, Response, Wire};
use serde_json::{Value, json};

use crate::contract_bodies::gzip;
use crate::stage::{Findings, Stage, executable};

const CONFIG: &str = r#"version: 1
state: state
admin: { probes: 127.0.0.1:0 }
listeners: { public: { bind: 127.0.0.1:0, protocols: [http1, http2] } }
telemetry: { access_log: stdout, incidents: stdout }
bounds: { response_body: 4KiB }
backends: { recorder: { targets: ["http://BACKEND"] } }
apis:
  shop:
    openapi: shop.yaml
    backend: recorder
    auth: none
    operations:
      strip: { contract: { response: strip } }
      masked: { contract: { response: strip, mask: [pii, secret] } }
      whole: { contract: { response: block } }
      blocked: { contract: { response: block, mask: [pii] } }
      traced: { contract: { response: strip, stack_traces: pass } }
      logged: { contract: { response: log } }
      ignored: { contract: { response: off } }
"#;

/// The operations of the definition: each below a path of its name.
const OPERATIONS: &[&str] = &["strip", "masked", "whole", "blocked", "traced", "logged", "ignored", "silent"];

fn definition() -> String {
    let mut text = "openapi: 3.1.0\ninfo: { title: Shop, version: '1' }\npaths:\n".to_owned();
    for name in OPERATIONS {
        text.push_str(&format!(
            r"  /{name}/{{case}}:
    parameters: [{{ name: case, in: path, required: true, schema: {{ type: string }} }}]
    get:
      operationId: {name}
      responses:
        '200': {{ $ref: '#/components/responses/Order' }}
        '204': {{ description: none }}
        '404': {{ $ref: '#/components/responses/Error' }}
        '503': {{ $ref: '#/components/responses/Error' }}
"
        ));
    }
    text + r"components:
  responses:
    Order:
      description: an order
      headers: { X-Version: { schema: { type: string } } }
      content:
        application/json: { schema: { $ref: '#/components/schemas/Order' } }
        text/csv: {}
    Error:
      description: an error
      content:
        application/problem+json: { schema: { $ref: '#/components/schemas/Error' } }
        application/json: { schema: { $ref: '#/components/schemas/Error' } }
        text/html: { schema: { type: string } }
  schemas:
    Order:
      type: object
      required: [id]
      properties:
        id: { type: integer }
        note: { type: string }
        password: { type: string, writeOnly: true }
        email: { type: string, format: email, x-data-class: pii }
        tokens: { type: array, x-data-class: secret, items: { type: string } }
        lines: { type: array, items: { $ref: '#/components/schemas/Line' } }
        payment: { oneOf: [{ $ref: '#/components/schemas/Card' }, { $ref: '#/components/schemas/Transfer' }] }
        extra: { type: object }
    Line:
      type: object
      properties: { sku: { type: string }, price: { type: number } }
    Card:
      type: object
      required: [kind, number]
      properties: { kind: { const: card }, number: { type: string, x-data-class: pii } }
    Transfer:
      allOf:
        - { type: object, required: [kind], properties: { kind: { const: transfer } } }
        - { type: object, required: [iban], properties: { iban: { type: string } } }
    Error:
      type: object
      required: [message]
      properties: { message: { type: string }, code: { type: string } }
"
}

struct Scene {
    stage: Stage,
}

impl Scene {
    fn start() -> Self {
        Self::with(CONFIG)
    }

    fn with(config: &str) -> Self {
        let stage = Stage::built(|backend| {
            Builder::new(executable(), config.replace("BACKEND", backend)).file("shop.yaml", definition())
        });
        Self { stage }
    }

    /// Asks for `target`, to which the backend answers `reply`.
    fn ask(&self, wire: Wire, target: &str, reply: Reply) -> Response {
        self.stage.backend.on(target, reply);
        wire.send(self.stage.public(), &Request::get(target))
    }

    /// The answer to `target` when the backend says this JSON.
    fn json(&self, wire: Wire, target: &str, body: &str) -> Response {
        self.ask(wire, target, answer("200 OK", body))
    }

    fn record(&self, answer: &Response) -> Value {
        let id = answer.text("x-request-id").expect("an id");
        self.stage.gateway.record(&id, |record| {
            record["request.id"] == id.as_str() && record["event.name"] == "portcullis.access"
        })
    }

    fn incident(&self, answer: &Response) -> Value {
        let id = answer.text("x-request-id").expect("an id");
        self.stage.gateway.record("an incident", |record| {
            record["request.id"] == id.as_str() && record["event.name"] == "portcullis.incident"
        })
    }
}

fn answer(status: &str, body: &str) -> Reply {
    Reply::with(status, "Content-Type: application/json\r\nETag: \"1\"\r\nContent-MD5: x\r\n", body)
}

fn body(answer: &Response) -> String {
    String::from_utf8_lossy(&answer.body).into_owned()
}

/// What conforms, and what comes of it under `strip`; `None` where it is the same.
const STRIPPED: &[(&str, &str, Option<&str>)] = &[
    ("as-it-is", r#"{ "id" : 1.0 ,  "note":"\u0041\/" }"#, None),
    ("no-fields", r#"{"id":7,"lines":[],"extra":{"any":{"thing":[1,2]}}}"#, None),
    ("one-more", r#"{"id":7,"debug":"select *"}"#, Some(r#"{"id":7}"#)),
    (
        "everywhere",
        r#"{"cost":1,"id":12345678901234567890,"lines":[{"sku":"a","price":1.50,"cost":0.1},{"margin":2}],"note":"\ud83d\ude00"}"#,
        Some(r#"{"id":12345678901234567890,"lines":[{"sku":"a","price":1.50},{}],"note":"\ud83d\ude00"}"#),
    ),
    (
        "in-a-branch",
        r#"{"id":7,"payment":{"kind":"card","number":"4","cvv":"123"}}"#,
        Some(r#"{"id":7,"payment":{"kind":"card","number":"4"}}"#),
    ),
    (
        "in-a-composition",
        r#"{"id":7,"payment":{"iban":"DE","kind":"transfer","number":"4"}}"#,
        Some(r#"{"id":7,"payment":{"iban":"DE","kind":"transfer"}}"#),
    ),
    ("write-only", r#"{"id":7,"password":"hunter2"}"#, Some(r#"{"id":7}"#)),
];

#[test]
fn what_is_not_declared_is_taken_out_at_every_depth_and_the_rest_stays_byte_by_byte() {
    let scene = Scene::start();
    let mut findings = Findings::default();
    for wire in Wire::ALL {
        for (name, said, left) in STRIPPED {
            let answer = scene.json(*wire, &format!("/strip/{name}"), said);
            let expected = left.unwrap_or(said);
            let is_kept = left.is_none();
            let is_good = answer.status == 200
                && body(&answer) == expected
                && answer.text("content-length").as_deref() == Some(&*expected.len().to_string())
                && answer.text("etag").is_some() == is_kept
                && answer.text("content-md5").is_some() == is_kept;
            findings
                .note(format!("{wire:?} {name}"), if is_good { Ok(()) } else { Err(format!("{answer:?}")) });
        }
    }
    findings.conclude(STRIPPED.len() * 2);
    let metrics = scene.stage.gateway.metrics();
    let series = |outcome: &str, count: usize| {
        format!(
            r#"portcullis_responses_judged_total{{api="shop",operation="strip",outcome="{outcome}"}} {count}"#
        )
    };
    assert!(
        metrics.contains(&series("conforms", 4)) && metrics.contains(&series("stripped", 10)),
        "{metrics}"
    );
}

/// Answers that no stripping mends.
const BROKEN: &[(&str, &str)] = &[
    ("type", r#"{"id":"hunter2"}"#),
    ("missing", r#"{"note":"hunter2"}"#),
    ("no-branch", r#"{"id":7,"payment":{"kind":"cash","number":"hunter2"}}"#),
    ("twice", r#"{"id":7,"note":"a","note":"hunter2"}"#),
    ("no-json", r#"{"id":7,"note":"hunter2""#),
    ("behind", r#"{"id":7} hunter2"#),
    ("list", r#"["hunter2"]"#),
];

#[test]
fn an_answer_that_breaks_its_contract_is_a_502_and_nobody_sees_the_value() {
    let scene = Scene::start();
    for wire in Wire::ALL {
        for operation in ["strip", "whole"] {
            for (name, said) in BROKEN {
                let answer = scene.json(*wire, &format!("/{operation}/{name}"), said);
                assert_eq!(answer.verdict(), (502, Some("response-contract".into())), "{operation} {name}");
                let record = scene.record(&answer);
                assert_eq!(record["portcullis.flag"], "backend", "{record}");
                assert_eq!(record["portcullis.control"], "contract_response", "{record}");
                let incident = scene.incident(&answer);
                assert_eq!(incident["portcullis.incident.kind"], "response-contract", "{incident}");
                for text in [body(&answer), record.to_string(), incident.to_string()] {
                    assert!(!text.contains("hunter2"), "{operation} {name}: {text}");
                }
            }
        }
        // Nothing is stripped where it is to be blocked.
        let answer = scene.json(*wire, "/whole/more", r#"{"id":7,"debug":"hunter2"}"#);
        assert_eq!(answer.verdict(), (502, Some("response-contract".into())));
        let record = scene.record(&answer);
        assert!(
            record["portcullis.cause"].as_str().is_some_and(|cause| cause.contains("/debug")),
            "{record}"
        );
        let answer = scene.json(*wire, "/whole/good", r#"{"id":7}"#);
        assert_eq!((answer.status, body(&answer).as_str()), (200, r#"{"id":7}"#));
    }
    let metrics = scene.stage.gateway.metrics();
    let series = r#"portcullis_responses_judged_total{api="shop",operation="whole",outcome="blocked"} 16"#;
    assert!(metrics.contains(series), "{metrics}");
}

#[test]
fn an_error_that_is_documented_passes_and_any_other_is_told_in_our_words() {
    let scene = Scene::start();
    let page = "<html>at noon (room 4:15)</html>";
    for wire in Wire::ALL {
        // V15: what matches a documented error is one, whatever its status.
        for (case, status) in [("a", "404 Not Found"), ("b", "503 Service Unavailable")] {
            for operation in ["strip", "whole"] {
                let said = r#"{"message":"no such thing","code":"x"}"#;
                let answer = scene.ask(*wire, &format!("/{operation}/{case}"), answer(status, said));
                assert_eq!((answer.status.to_string(), body(&answer)), (status[..3].into(), said.into()));
            }
        }
        let html = |status: &str, page: &str| {
            Reply::with(status, "Content-Type: text/html\r\nRetry-After: 5\r\nSet-Cookie: a=1\r\n", page)
        };
        for operation in ["strip", "whole"] {
            let answer = scene.ask(*wire, &format!("/{operation}/html"), html("404 Not Found", page));
            assert_eq!((answer.status, body(&answer).as_str()), (404, page), "{operation}");
        }
        for (case, status, page) in [
            ("undocumented", "500 Internal Server Error", page),
            ("teapot", "418 I'm a teapot", page),
            ("trace", "503 Service Unavailable", "<pre>Traceback (most recent call last):\n</pre>"),
        ] {
            let answer = scene.ask(*wire, &format!("/strip/{case}"), html(status, page));
            let expected: u16 = status[..3].parse().expect("a status");
            assert_eq!(answer.verdict(), (expected, Some("response-replaced".into())), "{case}: {answer:?}");
            assert_eq!(answer.json()["status"], expected);
            assert_eq!(answer.text("retry-after").as_deref(), Some("5"));
            assert_eq!(answer.text("set-cookie").as_deref(), Some("a=1"));
            let answer = scene.ask(*wire, &format!("/whole/{case}"), html(status, page));
            assert_eq!(answer.verdict(), (502, Some("response-contract".into())), "{case}: {answer:?}");
        }
        // What is not documented has no content.
        let answer = scene.ask(*wire, "/strip/created", answer_with("201 Created", "Location: /x\r\n"));
        assert_eq!((answer.status, body(&answer).as_str()), (201, ""), "{answer:?}");
        assert_eq!((answer.text("location"), answer.text("content-type")), (Some("/x".into()), None));
        let answer =
            scene.ask(*wire, "/strip/xml", Reply::with("200 OK", "Content-Type: text/xml\r\n", "<a/>"));
        assert_eq!(answer.verdict(), (502, Some("response-contract".into())), "{answer:?}");
    }
    let incident = scene
        .stage
        .gateway
        .record("an incident", |record| record["portcullis.incident.kind"] == "response-replaced");
    assert_eq!(incident["portcullis.operation"], "strip", "{incident}");
}

fn answer_with(status: &str, fields: &str) -> Reply {
    Reply::with(status, &format!("Content-Type: application/json\r\n{fields}"), r#"{"secret":1}"#)
}

#[test]
fn banners_and_stack_traces_do_not_leave() {
    let scene = Scene::start();
    let fields = "Content-Type: application/json\r\nServer: Apache/2.4.1\r\nX-Powered-By: PHP/5\r\nX-Runtime: 0.1\r\nX-Version: 3\r\nX-Mine: 1\r\n";
    let trace = r#"{"message":"boom\n\tat com.example.Orders.find(Orders.java:42)","code":"x"}"#;
    for wire in Wire::ALL {
        for operation in ["strip", "whole"] {
            let reply = Reply::with("200 OK", fields, r#"{"id":1}"#);
            let answer = scene.ask(*wire, &format!("/{operation}/banners"), reply);
            assert_eq!(answer.status, 200);
            for (name, value) in [
                ("server", None),
                ("x-powered-by", None),
                ("x-runtime", None),
                ("x-version", Some("3")),
                ("x-mine", Some("1")),
            ] {
                assert_eq!(answer.text(name).as_deref(), value, "{operation} {name}");
            }
        }
        let answer = scene.ask(*wire, "/strip/trace", answer("503 Service Unavailable", trace));
        let expected = json!({ "message": "[removed]", "code": "x" });
        assert_eq!((answer.status, answer.json()), (503, expected));
        let answer = scene.ask(*wire, "/whole/trace", self::answer("503 Service Unavailable", trace));
        assert_eq!(answer.verdict(), (502, Some("response-contract".into())));
        let answer = scene.ask(*wire, "/traced/trace", self::answer("503 Service Unavailable", trace));
        assert_eq!((answer.status, body(&answer).as_str()), (503, trace), "`stack_traces: pass`");
        // Where answers are only looked at, they stay as they are.
        let reply = Reply::with("200 OK", fields, r#"{"id":1}"#);
        assert_eq!(
            scene.ask(*wire, "/logged/banners", reply).text("server").as_deref(),
            Some("Apache/2.4.1")
        );
    }
}

#[test]
fn classified_values_are_masked_by_values_of_their_kind() {
    let scene = Scene::start();
    let said = r#"{"id":7,"email":"a@example.com","tokens":["t1"],"payment":{"kind":"card","number":"4111"},"note":"x"}"#;
    for wire in Wire::ALL {
        let answer = scene.json(*wire, "/masked/a", said);
        let expected =
            r#"{"id":7,"email":"***","tokens":[],"payment":{"kind":"card","number":"***"},"note":"x"}"#;
        assert_eq!((answer.status, body(&answer).as_str()), (200, expected));
        assert_eq!(answer.text("etag"), None, "it is another content");
        let answer = scene.json(*wire, "/blocked/a", said);
        let expected =
            r#"{"id":7,"email":"***","tokens":["t1"],"payment":{"kind":"card","number":"***"},"note":"x"}"#;
        assert_eq!((answer.status, body(&answer).as_str()), (200, expected));
        // A value that is not what its schema says is no answer, masked or not.
        let answer = scene.json(*wire, "/masked/b", r#"{"id":7,"email":"hunter2"}"#);
        assert_eq!(answer.verdict(), (502, Some("response-contract".into())));
    }
}

#[test]
fn log_changes_nothing_waits_for_nothing_and_tells() {
    let scene = Scene::start();
    for wire in Wire::ALL {
        for (case, said) in [
            ("more", r#"{ "id":7, "debug":"hunter2", "lines":[{"cost":1}] }"#),
            ("type", r#"{"id":"hunter2"}"#),
        ] {
            // An operation of which nothing is written is looked at, too.
            for operation in ["logged", "silent"] {
                let answer = scene.json(*wire, &format!("/{operation}/{case}"), said);
                assert_eq!((answer.status, body(&answer).as_str()), (200, said), "{operation}");
                assert_eq!(answer.text("etag").as_deref(), Some("\"1\""));
                let record = scene.record(&answer);
                assert_eq!(record["portcullis.observed"], "response-contract", "{record}");
                assert!(!record.to_string().contains("hunter2"), "{record}");
            }
        }
        let answer = scene.ask(*wire, "/logged/teapot", answer("418 I'm a teapot", "{}"));
        assert_eq!((answer.status, body(&answer).as_str()), (418, "{}"));
        assert_eq!(scene.record(&answer)["portcullis.observed"], "response-contract");
        let answer = scene.json(*wire, "/logged/good", r#"{"id":7}"#);
        assert_eq!(scene.record(&answer)["portcullis.observed"], Value::Null);
        let answer = scene.json(*wire, "/ignored/more", r#"{"id":"x"}"#);
        assert_eq!(scene.record(&answer)["portcullis.observed"], Value::Null);
    }
    let output = scene.stage.gateway.run(&executable(), &["drift", "--json"]);
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let seen = |what: &str, name: &str| {
        let rows = report["undeclared"].as_array().expect("a list");
        rows.iter().any(|row| {
            row["operation"] == "logged"
                && row["side"] == "response"
                && row["what"] == what
                && row["name"] == name
        })
    };
    assert!(seen("field", "/debug") && seen("field", "/lines/*/cost") && seen("status", "418"), "{report}");
}

/// The first half of an answer arrives while the backend still makes the second.
#[test]
fn a_logged_answer_is_not_held_back() {
    let scene = Scene::start();
    let gate = Gate::new();
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 22\r\n\r\n";
    let reply = Reply::raw(format!("{head}{{\"id\":7,")).wait(&gate).send(r#" "debug": 123}"#);
    scene.stage.backend.on("/logged/slow", reply);
    let mut client = scene.stage.connect();
    client.send("GET /logged/slow HTTP/1.1\r\nHost: gw.test\r\n\r\n");
    let mut heard = Vec::new();
    while !heard.ends_with(b"{\"id\":7,") {
        heard.extend(client.bytes(1, scene.stage.soon()).expect("half of it, while the backend waits"));
    }
    gate.open();
    assert_eq!(client.bytes(14, scene.stage.soon()).expect("the rest"), br#" "debug": 123}"#);
    let observed = scene
        .stage
        .gateway
        .record("the record", |record| record["portcullis.observed"] == "response-contract");
    assert_eq!(observed["http.response.status_code"], 200, "{observed}");
}

#[test]
fn an_answer_is_judged_whole_or_not_at_all() {
    let scene = Scene::start();
    let long = format!(r#"{{"id":7,"note":"{}"}}"#, "x".repeat(5_000));
    for wire in Wire::ALL {
        for operation in ["strip", "whole"] {
            let answer = scene.json(*wire, &format!("/{operation}/long"), &long);
            assert_eq!(answer.verdict(), (502, Some("response-too-large".into())));
            let head =
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
            let chunk = format!("{:x}\r\n{long}\r\n0\r\n\r\n", long.len());
            let answer =
                scene.ask(*wire, &format!("/{operation}/chunks"), Reply::raw(format!("{head}{chunk}")));
            assert_eq!(answer.verdict(), (502, Some("response-too-large".into())));
            let reply = Reply::raw(format!("{head}8\r\n{{\"id\":7}}\r\n")).close();
            let answer = scene.ask(*wire, &format!("/{operation}/half"), reply);
            assert_eq!(answer.verdict(), (502, Some("backend-closed".into())), "{answer:?}");
            // What is declared and not looked into may be as long as it likes.
            let reply = Reply::with("200 OK", "Content-Type: text/csv\r\n", &long);
            let answer = scene.ask(*wire, &format!("/{operation}/csv"), reply);
            assert_eq!((answer.status, answer.body.len()), (200, long.len()));
        }
        // Nobody looks at it, and that is said.
        let answer = scene.json(*wire, "/logged/long", &long);
        assert_eq!((answer.status, answer.body.len()), (200, long.len()));
        assert_eq!(scene.record(&answer)["portcullis.response.unjudged"], "too-large");
    }
}

/// Some 200 KiB that do not fold too well, and `more`.
fn large(more: &str) -> String {
    let next = |state: &u32| Some(state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223));
    let states = std::iter::successors(Some(7_u32), next).take(4_000);
    let lines: Vec<String> =
        states.map(|state| format!(r#"{{"sku":"thing {state:08x}","price":{}.5}}"#, state >> 9)).collect();
    format!(r#"{{"id":7,"lines":[{}]{more}}}"#, lines.join(","))
}

#[test]
fn a_large_answer_that_was_sent_is_looked_at_afterwards_and_then_recorded() {
    let scene = Scene::with(&CONFIG.replace("response_body: 4KiB", "response_body: 1MiB"));
    let (good, wrong) = (large(""), large(r#","debug":"hunter2""#));
    let fields = "Content-Type: application/json\r\nContent-Encoding: gzip\r\n";
    for wire in Wire::ALL {
        for (case, said, observed) in
            [("good", &good, Value::Null), ("wrong", &wrong, json!("response-contract"))]
        {
            let answer = scene.json(*wire, &format!("/logged/{case}"), said);
            assert_eq!((answer.status, body(&answer).as_str()), (200, said.as_str()), "{case}");
            let record = scene.record(&answer);
            assert_eq!(record["portcullis.observed"], observed, "{record}");
            assert_eq!(record["portcullis.response.unjudged"], Value::Null, "{record}");
            assert_eq!(record["http.response.body.size"], said.len(), "{record}");
            assert!(record["portcullis.upstream.address"].is_string(), "{record}");
            let coded = gzip(said.as_bytes());
            let answer =
                scene.ask(*wire, &format!("/logged/coded-{case}"), Reply::with("200 OK", fields, &coded));
            assert_eq!(answer.body, coded, "{case}");
            let record = scene.record(&answer);
            assert_eq!(record["portcullis.observed"], observed, "{record}");
            assert_eq!(record["portcullis.response.unjudged"], Value::Null, "{record}");
        }
        let answer =
            scene.ask(*wire, "/logged/cut", Reply::with("200 OK", fields, &gzip(good.as_bytes())[..20]));
        assert_eq!(scene.record(&answer)["portcullis.response.unjudged"], "coding");
    }
    let metrics = scene.stage.gateway.metrics();
    let counts = |outcome: &str, count: usize| {
        metrics.contains(&format!(
            r#"portcullis_responses_judged_total{{api="shop",operation="logged",outcome="{outcome}"}} {count}"#
        ))
    };
    assert!(counts("conforms", 4) && counts("objected", 4) && counts("unjudged", 2), "{metrics}");
}

#[test]
fn where_too_many_answers_wait_to_be_looked_at_none_is_held_back_and_each_is_recorded() {
    const ASKED: usize = 24;
    let bounds = "response_body: 1MiB, answers_waiting: 0";
    let scene = Scene::with(&CONFIG.replace("response_body: 4KiB", bounds));
    let wrong = large(r#","debug":1"#);
    scene.stage.backend.on("/logged/many", answer("200 OK", &wrong));
    let address = scene.stage.public();
    let answers: Vec<Response> = std::thread::scope(|scope| {
        let ask = || Wire::Http1.send(address, &Request::get("/logged/many"));
        let asked: Vec<_> = (0..ASKED).map(|_| scope.spawn(ask)).collect();
        asked.into_iter().map(|one| one.join().expect("an answer")).collect()
    });
    let mut looked_at = 0;
    for answer in &answers {
        assert_eq!((answer.status, answer.body.len()), (200, wrong.len()));
        let record = scene.record(answer);
        match (&record["portcullis.observed"], &record["portcullis.response.unjudged"]) {
            (Value::String(observed), Value::Null) if observed == "response-contract" => looked_at += 1,
            (Value::Null, Value::String(unjudged)) if unjudged == "busy" => {}
            _ => panic!("{record}"),
        }
    }
    // The first one finds nobody before it.
    assert!(looked_at > 0);
    let metrics = scene.stage.gateway.metrics();
    let count = |outcome: &str| -> usize {
        let series = format!(
            r#"portcullis_responses_judged_total{{api="shop",operation="logged",outcome="{outcome}"}} "#
        );
        let line = metrics.lines().find_map(|line| line.strip_prefix(&*series));
        line.map_or(0, |count| count.parse().expect("a count"))
    };
    assert_eq!((count("objected"), count("unjudged")), (looked_at, ASKED - looked_at), "{metrics}");
}

#[test]
fn a_backend_is_asked_for_the_whole_uncoded_and_what_comes_coded_is_decoded() {
    let scene = Scene::start();
    let said = r#"{"id":7,"debug":1}"#;
    for wire in Wire::ALL {
        let coded = gzip(said.as_bytes());
        let fields = "Content-Type: application/json\r\nContent-Encoding: gzip\r\n";
        scene.stage.backend.on("/strip/gzip", Reply::with("200 OK", fields, &coded));
        let mark = scene.stage.backend.mark();
        let request = Request::get("/strip/gzip")
            .field("accept-encoding", "gzip, br")
            .field("range", "bytes=0-3")
            .field("if-range", "\"1\"");
        let answer = wire.send(scene.stage.public(), &request);
        assert_eq!((answer.status, body(&answer).as_str()), (200, r#"{"id":7}"#), "{answer:?}");
        assert_eq!(answer.text("content-encoding"), None);
        let asked = scene.stage.backend.since(mark).pop().expect("a request");
        assert_eq!(asked.text("accept-encoding").as_deref(), Some("identity"));
        assert_eq!((asked.text("range"), asked.text("if-range")), (None, None));

        let fields = "Content-Type: application/json\r\nContent-Encoding: zstd\r\n";
        let answer = scene.ask(*wire, "/strip/zstd", Reply::with("200 OK", fields, "x"));
        assert_eq!(answer.verdict(), (502, Some("response-coding".into())));
        let bomb = gzip(&vec![b' '; 60_000]);
        let fields = "Content-Type: application/json\r\nContent-Encoding: gzip\r\n";
        for (case, content, code) in
            [("cut", &coded[..20], "response-coding"), ("bomb", &bomb[..], "response-too-large")]
        {
            let answer = scene.ask(*wire, &format!("/strip/{case}"), Reply::with("200 OK", fields, content));
            assert_eq!(answer.verdict(), (502, Some(code.into())), "{answer:?}");
        }

        // Where nothing is changed nothing is asked for.
        scene.stage.backend.on("/logged/plain", Reply::with("200 OK", fields, &coded));
        let mark = scene.stage.backend.mark();
        let answer =
            wire.send(scene.stage.public(), &Request::get("/logged/plain").field("accept-encoding", "gzip"));
        assert_eq!(answer.body, coded);
        assert_eq!(scene.record(&answer)["portcullis.observed"], "response-contract");
        let asked = scene.stage.backend.since(mark).pop().expect("a request");
        assert_eq!(asked.text("accept-encoding").as_deref(), Some("gzip"));
    }
}

#[test]
fn answers_without_content_are_left_alone() {
    let scene = Scene::start();
    for wire in Wire::ALL {
        for operation in ["strip", "whole", "logged"] {
            scene.stage.backend.on(
                format!("/{operation}/none"),
                Reply::raw("HTTP/1.1 204 No Content\r\nETag: \"1\"\r\n\r\n"),
            );
            let answer = wire.send(scene.stage.public(), &Request::get(format!("/{operation}/none")));
            assert_eq!((answer.status, answer.body.len()), (204, 0));
            scene.stage.backend.on(
                format!("/{operation}/same"),
                Reply::raw("HTTP/1.1 304 Not Modified\r\nETag: \"1\"\r\n\r\n"),
            );
            let answer = wire.send(scene.stage.public(), &Request::get(format!("/{operation}/same")));
            assert_eq!((answer.status, answer.text("etag").as_deref()), (304, Some("\"1\"")));
            let reply = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 99\r\nETag: \"1\"\r\n\r\n";
            scene.stage.backend.on(format!("/{operation}/head"), Reply::raw(reply));
            let answer = wire.send(scene.stage.public(), &Request::new("HEAD", format!("/{operation}/head")));
            assert_eq!((answer.status, answer.body.len()), (200, 0));
            let length = answer.text("content-length");
            assert_eq!(
                length.as_deref(),
                (operation == "logged").then_some("99"),
                "nobody knows how long it would be"
            );
        }
    }
    scene.stage.expect_plain_backend_traffic();
}

#[test]
fn what_cannot_be_kept_does_not_load() {
    for (operation, message) in [
        (
            "strip: { stream: sse, contract: { response: strip } }",
            "answers of a stream cannot be judged whole",
        ),
        (
            "strip: { stream: sse, contract: { response: block } }",
            "answers of a stream cannot be judged whole",
        ),
        ("strip: { contract: { response: log, mask: [pii] } }", "masks nothing"),
        ("strip: { contract: { mask: [pii] } }", "masks nothing"),
    ] {
        let config = CONFIG.replace("BACKEND", "127.0.0.1:9");
        let config = config.replace("strip: { contract: { response: strip } }", operation);
        let output = Builder::new(executable(), config).file("shop.yaml", definition()).run(&["check"]);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{operation}: {text}");
        assert!(text.contains(message) && text.contains("contract"), "{operation}: {text}");
    }
}
