//! The contract: what an API's definition does not say does not pass, and what passes arrives as it was sent.
//!
//! Every row is said over both wires. Beside what must be refused stands the nearest request that must pass; the backend
//! shows what arrived.

use std::process::Output;

use portcullis_testkit::gateway::Builder;
use portcullis_testkit::{Deadline, Message, Request, Response, Wire};
use serde_json::{Value, json};

use crate::stage::{Findings, HEAD, KEY, KEY_FIELD, Stage, executable, text};

/// An API with one of everything that the table below breaks.
const SHOP: &str = r##"openapi: 3.1.0
info: { title: Shop, version: "1" }
paths:
  /items:
    get:
      operationId: listItems
      parameters:
        - { name: limit, in: query, schema: { type: integer, minimum: 1, maximum: 100 } }
        - { name: tag, in: query, schema: { type: array, items: { type: string, maxLength: 5 } } }
        - { name: kind, in: query, required: true, schema: { enum: [tea, coffee] } }
        - { name: X-Tenant, in: header, schema: { type: string, minLength: 2 } }
    post:
      operationId: addItem
      requestBody: { required: true, content: { application/json: { schema: { $ref: "#/components/schemas/Item" } } } }
  /items/{item}:
    parameters: [{ name: item, in: path, required: true, schema: { type: integer } }]
    get: { operationId: getItem }
    patch:
      operationId: changeItem
      requestBody: { content: { application/merge-patch+json: { schema: { type: object, properties: { name: { type: string } } } } } }
components:
  schemas:
    Item:
      type: object
      required: [name]
      properties:
        id: { type: integer, readOnly: true }
        name: { type: string, minLength: 1, maxLength: 20 }
        price: { type: number, minimum: 0 }
        parts: { type: array, items: { $ref: "#/components/schemas/Item" } }
        labels: { type: object, additionalProperties: { type: string } }
"##;

/// A gateway with the API `shop`; `api` is what is said of it besides, in flow style.
fn config(api: &str) -> String {
    format!(
        r#"{HEAD}apis:
  shop: {{ backend: recorder, openapi: shop.yaml, {api} }}
  rest: {{ backend: recorder, base_path: /sentinel, auth: none, operations: {{ all: {{ match: "* /{{rest*}}" }} }} }}
"#
    )
}

fn stage_of(api: &str, definition: &str) -> Stage {
    Stage::built(|backend| {
        Builder::new(executable(), config(api).replace("BACKEND", backend)).file("shop.yaml", definition)
    })
}

fn stage(api: &str) -> Stage {
    stage_of(api, SHOP)
}

fn json_post(target: &str, body: impl AsRef<[u8]>) -> Request {
    Request::post(target, body).field("content-type", "application/json")
}

/// Runs the command on a configuration with these files.
fn command(api: &str, definition: &str, arguments: &[&str]) -> Output {
    let config = config(api).replace("BACKEND", "127.0.0.1:9");
    Builder::new(executable(), config).file("shop.yaml", definition).run(arguments)
}

/// The errors that a problem lists, each as `in name pointer keyword`.
fn errors(response: &Response) -> Vec<String> {
    let document: Value = serde_json::from_slice(&response.body).unwrap_or_default();
    let list = document["errors"].as_array().cloned().unwrap_or_default();
    let part = |error: &Value, name: &str| error[name].as_str().unwrap_or("-").to_owned();
    list.iter()
        .map(|error| ["in", "name", "pointer", "keyword"].map(|name| part(error, name)).join(" "))
        .collect()
}

/// What a request must get: a status, the code of its problem and the first error it lists; none of them for what passes.
type Wanted = (u16, Option<&'static str>, Option<&'static str>);

const PASSES: Wanted = (200, None, None);

fn parameter(error: &'static str) -> Wanted {
    (400, Some("contract-parameter"), Some(error))
}

fn body(error: &'static str) -> Wanted {
    (422, Some("contract-body"), Some(error))
}

/// Says every row over both wires; what passes must arrive as it was sent, nothing else may.
fn check(stage: &Stage, rows: &[(&str, Request, Wanted)], least: usize) {
    stage.say(rows, least, judge);
}

fn judge(
    response: &Response,
    arrived: &[Message],
    request: &Request,
    (status, problem, error): Wanted,
) -> Result<(), String> {
    let got = (response.status, response.problem());
    if got != (status, problem.map(str::to_owned)) {
        return Err(format!("{got:?}: {response:?}"));
    }
    let listed = errors(response);
    if let Some(error) = error
        && !listed.iter().any(|one| one == error)
    {
        return Err(format!("`{error}` is not among {listed:?}"));
    }
    match arrived {
        [] if problem.is_some() => Ok(()),
        [one] if problem.is_none() && one.body == request.body && one.target == request.target => Ok(()),
        other => Err(format!("arrived: {other:?}")),
    }
}

#[test]
fn parameters_are_what_the_definition_says() {
    let stage = stage("auth: none");
    let get = |target: &str| Request::get(target);
    let rows = [
        ("the least", get("/items?kind=tea"), PASSES),
        ("all", get("/items?kind=tea&limit=100&tag=a&tag=b").field("x-tenant", "ab"), PASSES),
        ("an escaped value", get("/items?kind=%74ea"), PASSES),
        ("HEAD is GET", Request::new("HEAD", "/items?kind=tea"), PASSES),
        ("a required one is missing", get("/items"), parameter("query kind  required")),
        ("one is not declared", get("/items?kind=tea&debug=1"), parameter("query debug  undeclared")),
        (
            "one is not declared, without a value",
            get("/items?kind=tea&debug"),
            parameter("query debug  undeclared"),
        ),
        ("a scalar twice", get("/items?kind=tea&limit=1&limit=2"), parameter("query limit  repeated")),
        ("not of its type", get("/items?kind=tea&limit=ten"), parameter("query limit  type")),
        ("a number that is none", get("/items?kind=tea&limit=1e"), parameter("query limit  type")),
        ("below its bound", get("/items?kind=tea&limit=0"), parameter("query limit  minimum")),
        ("beyond its bound", get("/items?kind=tea&limit=101"), parameter("query limit  maximum")),
        ("not among its values", get("/items?kind=water"), parameter("query kind  enum")),
        ("an item of a list", get("/items?kind=tea&tag=a&tag=toolong"), parameter("query tag /1 maxLength")),
        ("a field", get("/items?kind=tea").field("x-tenant", "a"), parameter("header X-Tenant  minLength")),
        ("a path parameter", get("/items/7"), PASSES),
        ("a path parameter that is negative", get("/items/-7"), PASSES),
        ("a path parameter of another type", get("/items/seven"), parameter("path item  type")),
        ("a query where none is declared", get("/items/7?x=1"), parameter("query x  undeclared")),
        (
            "unknown fields pass",
            get("/items?kind=tea").field("x-unknown", "1").field("cookie", "a=1"),
            PASSES,
        ),
    ];
    check(&stage, &rows, 40);
}

#[test]
fn bodies_are_what_the_definition_says() {
    let stage = stage("auth: none");
    let post = |body: &str| json_post("/items", body);
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    let nested = format!("{{\"name\":\"a\",\"parts\":{}1{}}}", "[".repeat(80), "]".repeat(80));
    let many: Vec<String> = (0..2_000).map(|at| format!("\"k{at}\":\"v\"")).collect();
    let many = format!("{{\"name\":\"a\",\"labels\":{{{}}}}}", many.join(","));
    let digits = format!("{{\"name\":\"a\",\"price\":{}}}", "1".repeat(400));
    let malformed = (400, Some("body-malformed"), None);
    let complex = (413, Some("body-too-complex"), None);
    let rows = [
        ("the least", post(r#"{"name":"a"}"#), PASSES),
        ("spelled in its own way", post(" {\r\n\t\"price\" : 1.50e0 ,\"name\":\"\\u0061\"}\n"), PASSES),
        (
            "nested",
            post(r#"{"name":"a","parts":[{"name":"b","parts":[{"name":"c"}]}],"labels":{"x":"y"}}"#),
            PASSES,
        ),
        (
            "with a charset",
            Request::post("/items", r#"{"name":"ä"}"#)
                .field("content-type", "application/json; charset=utf-8"),
            PASSES,
        ),
        (
            "a field that nobody declared",
            post(r#"{"name":"a","admin":true}"#),
            (422, Some("contract-body"), None),
        ),
        (
            "one that is nested",
            post(r#"{"name":"a","parts":[{"name":"b","admin":1}]}"#),
            (422, Some("contract-body"), None),
        ),
        ("a wrong type", post(r#"{"name":7}"#), body("body - /name type")),
        ("a missing field", post("{}"), body("body - /name required")),
        ("a bound", post(r#"{"name":"a","price":-1}"#), body("body - /price minimum")),
        ("a field for answers only", post(r#"{"name":"a","id":1}"#), (422, Some("contract-body"), None)),
        ("a map of another type", post(r#"{"name":"a","labels":{"x":1}}"#), body("body - /labels/x type")),
        ("another value", post("[]"), body("body -  type")),
        ("a name twice", post(r#"{"name":"a","name":"b"}"#), malformed),
        ("a name twice, once escaped", post(r#"{"name":"a","n\u0061me":"b"}"#), malformed),
        ("bytes behind the value", post(r#"{"name":"a"} {}"#), malformed),
        ("half an object", post(r#"{"name":"a""#), malformed),
        ("no JSON", post("name=a"), malformed),
        ("bytes that are no UTF-8", json_post("/items", b"{\"name\":\"\xff\"}"), malformed),
        ("a byte order mark", post("\u{feff}{\"name\":\"a\"}"), malformed),
        ("half a surrogate pair", post(r#"{"name":"\ud800"}"#), malformed),
        ("nested without end", post(&deep), complex),
        ("nested too deep", post(&nested), complex),
        ("too many names", post(&many), complex),
        ("too many digits", post(&digits), complex),
        (
            "another type",
            Request::post("/items", "{}").field("content-type", "text/plain"),
            (415, Some("unsupported-media-type"), None),
        ),
        (
            "a type that looks alike",
            Request::post("/items", "{}").field("content-type", "application/jsonp"),
            (415, Some("unsupported-media-type"), None),
        ),
        ("no type", Request::post("/items", "{}"), (415, Some("unsupported-media-type"), None)),
        (
            "no body",
            Request::post("/items", "").field("content-type", "application/json"),
            (400, Some("body-missing"), None),
        ),
        (
            "a type and no body, where none is declared",
            Request::get("/items/7").field("content-type", "application/json"),
            PASSES,
        ),
        (
            "an optional body is there",
            Request {
                body: br#"{"name":"b"}"#.to_vec(),
                ..Request::new("PATCH", "/items/7").field("content-type", "application/merge-patch+json")
            },
            PASSES,
        ),
        ("an optional body is not there", Request::new("PATCH", "/items/7"), PASSES),
        (
            "an optional body breaks the contract",
            Request {
                body: b"[]".to_vec(),
                ..Request::new("PATCH", "/items/7").field("content-type", "application/merge-patch+json")
            },
            body("body -  type"),
        ),
    ];
    check(&stage, &rows, 62);
}

#[test]
fn a_body_where_none_is_declared_does_not_pass() {
    let definition =
        "openapi: 3.0.3\ninfo: { title: t, version: '1' }\npaths: { /ping: { post: { responses: {} } } }\n";
    let stage = stage_of("auth: none", definition);
    let rows = [
        ("none", Request::post("/ping", ""), PASSES),
        ("one", json_post("/ping", "{}"), (400, Some("body-undeclared"), None)),
        ("one without a type", Request::post("/ping", "x"), (400, Some("body-undeclared"), None)),
    ];
    check(&stage, &rows, 6);
}

#[test]
fn a_body_of_unknown_length_that_is_empty_is_none() {
    let stage = stage("auth: none");
    let mut findings = Findings::default();
    let nothing = "0\r\n\r\n";
    let rows = [
        ("none declared, empty", "GET /items/7", nothing, (200, None)),
        ("none declared", "GET /items/7", "1\r\nx\r\n0\r\n\r\n", (400, Some("body-undeclared"))),
        ("one may be there, empty", "PATCH /items/7", nothing, (200, None)),
        (
            "one may be there, of no type",
            "PATCH /items/7",
            "2\r\n{}\r\n0\r\n\r\n",
            (415, Some("unsupported-media-type")),
        ),
        ("one must be there, empty", "POST /items", nothing, (400, Some("body-missing"))),
    ];
    for (name, line, chunks, (status, code)) in rows {
        let mark = stage.backend.mark();
        let mut client = stage.connect();
        client
            .send(format!("{line} HTTP/1.1\r\nHost: gw.test\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}"));
        let method = line.split(' ').next().unwrap_or_default();
        let response = client.response(method, Deadline::soon()).expect("an answer");
        let arrived = stage.arrived_since(mark).expect("a sentinel").len();
        let right =
            response.verdict() == (status, code.map(str::to_owned)) && arrived == usize::from(status == 200);
        findings.note(name, if right { Ok(()) } else { Err(format!("{response:?}, {arrived} arrived")) });
    }
    findings.conclude(5);
}

#[test]
fn callers_are_known_before_anything_is_said_of_their_request() {
    let stage = stage("auth: { api_key: {} }");
    for wire in Wire::ALL {
        let wrong = json_post("/items", r#"{"name":7}"#);
        assert_eq!(wire.send(stage.public(), &wrong).verdict(), (401, Some("credential-missing".into())));
        let known = wrong.field(KEY_FIELD, KEY);
        assert_eq!(wire.send(stage.public(), &known).verdict(), (422, Some("contract-body".into())));
    }
}

#[test]
fn a_key_in_the_query_needs_no_declaration() {
    let stage = stage("auth: { api_key: { query: key } }");
    for wire in Wire::ALL {
        let passes = wire.send(stage.public(), &Request::get(format!("/items?kind=tea&key={KEY}")));
        assert_eq!(passes.status, 200, "{passes:?}");
        let refused = wire.send(stage.public(), &Request::get(format!("/items?kind=tea&key={KEY}&keys=1")));
        assert_eq!(errors(&refused), ["query keys  undeclared"], "{refused:?}");
    }
}

#[test]
fn a_problem_names_ten_places_and_no_value() {
    let stage = stage("auth: none");
    let wrong: Vec<Value> = (0..15).map(|at| json!({ "name": "", "price": format!("secret{at}") })).collect();
    let sent = json_post("/items", json!({ "name": "a", "parts": wrong }).to_string());
    for wire in Wire::ALL {
        let refused = wire.send(stage.public(), &sent);
        assert_eq!(refused.verdict(), (422, Some("contract-body".into())));
        assert_eq!(errors(&refused).len(), 10, "{refused:?}");
        let shown = String::from_utf8_lossy(&refused.body).into_owned();
        assert!(!shown.contains("secret"), "{shown}");
        let id = refused.text("x-request-id").expect("an id");
        let record = stage.gateway.record("its record", |record| {
            record["request.id"] == id
                && record["url.path"] == "/items"
                && record["portcullis.decision"].is_string()
        });
        let cause = record["portcullis.cause"].as_str().expect("a cause");
        assert!(cause.contains("/parts/0/name") && !cause.contains("secret"), "{cause}");
        assert_eq!(record["portcullis.control"], "contract");
    }
}

#[test]
fn terse_problems_list_nothing() {
    let stage = stage("auth: none, contract: { errors: terse }");
    for wire in Wire::ALL {
        for request in [json_post("/items", "{}"), json_post("/items", "{"), Request::get("/items?x=1")] {
            let refused = wire.send(stage.public(), &request);
            let document = refused.json();
            assert!(document["code"].is_string() && document["errors"].is_null(), "{refused:?}");
        }
    }
}

#[test]
fn observing_lets_pass_counts_and_names() {
    let stage = stage("auth: none, contract: { mode: observe }");
    for wire in Wire::ALL {
        let mark = stage.backend.mark();
        let passed = wire.send(stage.public(), &json_post("/items", r#"{"name":7}"#));
        assert_eq!(passed.status, 200, "{passed:?}");
        let arrived = stage.arrived_since(mark).expect("traffic");
        assert_eq!(arrived.len(), 1, "{arrived:?}");
        let id = passed.text("x-request-id").expect("an id");
        let record = stage.gateway.record("its record", |record| {
            record["request.id"] == id && record["portcullis.decision"] == "allowed"
        });
        assert_eq!(record["portcullis.observed"], "contract-body", "{record}");
        let cause = record["portcullis.observed.cause"].as_str().expect("a cause");
        assert!(cause.contains("/name: type"), "{cause}");
        assert!(record["portcullis.control"].is_null(), "{record}");
    }
    let wrong = Wire::Http1.send(stage.public(), &Request::get("/items?kind=water&x=1"));
    assert_eq!(wrong.status, 200, "{wrong:?}");
    // What has its record is counted.
    let id = wrong.text("x-request-id").expect("an id");
    stage.gateway.record("its record", |record| record["request.id"] == id);
    let metrics = stage.gateway.metrics();
    for line in [
        r#"portcullis_observed_total{api="shop",operation="addItem"} 2"#,
        r#"portcullis_observed_total{api="shop",operation="listItems"} 1"#,
        r#"portcullis_decisions_total{control="contract",verdict="observed"} 3"#,
    ] {
        assert!(metrics.lines().any(|printed| printed == line), "`{line}` is not in:\n{metrics}");
    }
}

#[test]
fn what_is_off_is_not_judged() {
    let stage = stage("auth: none, operations: { addItem: { contract: { mode: off } } }");
    for wire in Wire::ALL {
        let passed = wire.send(stage.public(), &Request::post("/items?x=1", "anything"));
        assert_eq!(passed.status, 200, "{passed:?}");
        let judged = wire.send(stage.public(), &Request::get("/items"));
        assert_eq!(judged.status, 400, "{judged:?}");
    }
}

#[test]
fn refusals_are_counted_and_are_incidents() {
    let stage = stage("auth: none");
    for wire in Wire::ALL {
        let refused = wire.send(stage.public(), &json_post("/items", "{}"));
        let id = refused.text("x-request-id").expect("an id");
        // Counted when its record is made, which may be after its answer has come.
        stage.gateway.record(&id, |record| {
            record["request.id"] == id.as_str() && record["event.name"] == "portcullis.incident"
        });
    }
    let metrics = stage.gateway.metrics();
    for line in [
        r#"portcullis_problems_total{code="contract-body"} 2"#,
        r#"portcullis_incidents_total{kind="contract-body",severity="low"} 2"#,
        r#"portcullis_decisions_total{control="contract",verdict="refused"} 2"#,
        r#"portcullis_requests_total{api="shop",operation="addItem",outcome="refused"} 2"#,
    ] {
        assert!(metrics.lines().any(|printed| printed == line), "`{line}` is not in:\n{metrics}");
    }
}

/// How often a contract was compiled, as the gateway counts it.
fn compiled(stage: &Stage) -> u64 {
    let metrics = stage.gateway.metrics();
    let line = metrics.lines().find_map(|line| line.strip_prefix("portcullis_contracts_compiled_total "));
    line.and_then(|count| count.parse().ok()).unwrap_or_else(|| panic!("no count in:\n{metrics}"))
}

#[test]
fn a_contract_is_compiled_once_and_kept_by_a_reload() {
    let stage = stage("auth: none");
    for _ in 0..20 {
        assert_eq!(Wire::Http1.send(stage.public(), &json_post("/items", r#"{"name":"a"}"#)).status, 200);
    }
    assert_eq!(compiled(&stage), 1);
    let reconfigure = |api: &str, wanted: &str| {
        let address = stage.backend.address().to_string();
        stage.gateway.reconfigure(&config(api).replace("BACKEND", &address));
        let request = Request::get("/items").field(KEY_FIELD, KEY);
        Deadline::soon().poll(wanted, || {
            (Wire::Http1.send(stage.public(), &request).problem().as_deref() == Some(wanted)).then_some(())
        });
    };
    // Another setting, the same definition: what was compiled is kept.
    let wrong = Request::get("/items?kind=water");
    reconfigure(
        "auth: none, operations: { listItems: { require: { when: \"false\" } } }",
        "condition-not-met",
    );
    assert_eq!(Wire::Http1.send(stage.public(), &json_post("/items", "{}")).status, 422);
    reconfigure("auth: none", "contract-parameter");
    assert_eq!(Wire::Http1.send(stage.public(), &wrong).status, 400);
    assert_eq!(compiled(&stage), 1);
    // Another definition, another contract.
    stage.gateway.write("shop.yaml", SHOP.replace("[tea, coffee]", "[tea, coffee, water]"));
    Deadline::soon()
        .poll("the new contract", || (Wire::Http1.send(stage.public(), &wrong).status == 200).then_some(()));
    assert_eq!(compiled(&stage), 2);
}

/// Something that is not judged: a pattern that no engine takes.
const WITH_A_GAP: &str = r#"openapi: 3.0.3
info: { title: t, version: "1" }
paths:
  /good: { get: { operationId: good, responses: {} } }
  /gap:
    get:
      operationId: gap
      parameters: [{ name: a, in: query, schema: { type: string, pattern: "(" } }]
      responses: {}
"#;

#[test]
fn what_cannot_be_enforced_answers_501_unless_it_is_written_otherwise() {
    for (api, status) in [
        ("auth: none", 501),
        ("auth: none, contract: { mode: observe }", 200),
        ("auth: none, contract: { on_uncovered: pass }", 200),
        ("auth: none, operations: { gap: { contract: { on_uncovered: pass } } }", 200),
        ("auth: { api_key: {} }", 401),
    ] {
        let stage = stage_of(api, WITH_A_GAP);
        for wire in Wire::ALL {
            let response = wire.send(stage.public(), &Request::get("/gap?a=x"));
            let problem = (status == 501).then(|| "not-enforceable".to_owned());
            assert_eq!(response.status, status, "{api}: {response:?}");
            assert!(problem.is_none() || response.problem() == problem, "{response:?}");
        }
        if status != 401 {
            assert_eq!(Wire::Http1.send(stage.public(), &Request::get("/good")).status, 200, "{api}");
        }
        // What can be judged is judged all the same.
        if api.contains("pass") {
            let refused = Wire::Http1.send(stage.public(), &Request::get("/gap?b=x"));
            assert_eq!(errors(&refused), ["query b  undeclared"], "{api}");
        }
    }
}

#[test]
fn a_schema_that_means_nothing_lets_nothing_through() {
    let definition = "openapi: 3.0.3
info: { title: t, version: '1' }
paths:
  /a: { post: { requestBody: { content: { application/json: { schema: { type: integr } } } }, responses: {} } }
  /b: { post: { requestBody: { content: { application/json: { schema: { pattern: '(' } } } }, responses: {} } }
";
    let stage = stage_of("auth: none", definition);
    for wire in Wire::ALL {
        for target in ["/a", "/b"] {
            let refused = wire.send(stage.public(), &json_post(target, "1"));
            assert_eq!(refused.verdict(), (501, Some("not-enforceable".into())), "{target}");
        }
    }
    let told = text(&command("auth: none", definition, &["coverage"]));
    for part in ["shop.yaml:4:", " paths./a.post", "shop.yaml:5:", " paths./b.post"] {
        assert!(told.contains(part), "`{part}` is not in: {told}");
    }
}

#[test]
fn coverage_names_what_is_not_enforced() {
    let output = command("auth: none", WITH_A_GAP, &["coverage"]);
    let told = text(&output);
    assert_eq!(output.status.code(), Some(1), "{told}");
    for part in [
        "shop: 2 operations, 1 fully enforced, 1 answer 501",
        "GET /gap (gap) answers 501",
        "shop.yaml:8:50 paths./gap.get",
    ] {
        assert!(told.contains(part), "`{part}` is not in: {told}");
    }
    let output = command("auth: none, contract: { on_uncovered: pass }", WITH_A_GAP, &["coverage", "--json"]);
    assert_eq!(output.status.code(), Some(1));
    let reports: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let report = &reports[0];
    assert_eq!(
        (&report["api"], &report["operations"], &report["enforced"], &report["passing"]),
        (&json!("shop"), &json!(2), &json!(1), &json!(1))
    );
    let gap = &report["gaps"][0];
    assert_eq!(
        (&gap["method"], &gap["path"], &gap["fate"]),
        (&json!("GET"), &json!("/gap"), &json!("passes"))
    );
    assert_eq!(gap["gaps"][0]["side"], "request");
    assert!(
        gap["gaps"][0]["place"].as_str().is_some_and(|place| place.starts_with("shop.yaml:8:50")),
        "{gap}"
    );
    let output = command("auth: none", SHOP, &["coverage"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    assert!(text(&output).contains("shop: 4 operations, 4 fully enforced"), "{}", text(&output));
    // The same without a configuration.
    let quick = Builder::new(executable(), "").file("gap.yaml", WITH_A_GAP).run(&[
        "coverage",
        "--openapi",
        "gap.yaml",
    ]);
    assert_eq!(quick.status.code(), Some(1), "{}", text(&quick));
    assert!(text(&quick).contains("gap: 2 operations, 1 fully enforced"), "{}", text(&quick));
}

#[test]
fn the_log_says_at_the_start_what_is_enforced() {
    let stage = stage_of("auth: none", WITH_A_GAP);
    let line = stage.gateway.log("the report", |line| {
        line["api"] == "shop" && line["operations"] == "2" && line["enforced"] == "1"
    });
    assert_eq!(line["refused"], "1", "{line}");
    let loudest = line["loudest"].as_str().expect("a reason");
    assert!(loudest.contains("shop.yaml:8"), "{loudest}");
}

#[test]
fn a_definition_may_tighten_its_contract_and_not_loosen_it() {
    let with = |settings: &str| {
        SHOP.replace(
            "operationId: listItems\n",
            &format!("operationId: listItems\n      x-portcullis: {{ contract: {settings} }}\n"),
        )
    };
    for (api, settings, loads) in [
        ("auth: none", "{ mode: enforce, errors: terse }", true),
        ("auth: none", "{ mode: observe }", false),
        ("auth: none", "{ mode: off }", false),
        ("auth: none", "{ on_uncovered: pass }", false),
        ("auth: none, contract: { errors: terse }", "{ errors: full }", false),
        ("auth: none, trust_definition: true", "{ mode: off }", true),
        ("auth: none, contract: { mode: observe }", "{ mode: observe }", true),
        ("auth: none, contract: { mode: observe }", "{ mode: off }", false),
        // The configuration's own word for the operation stands above.
        ("auth: none, operations: { listItems: { contract: { mode: off } } }", "{ mode: enforce }", true),
    ] {
        let output = command(api, &with(settings), &["check"]);
        assert_eq!(output.status.success(), loads, "{api} {settings}: {}", text(&output));
        assert!(loads || text(&output).contains("shop.yaml:7:"), "{}", text(&output));
    }
}

#[test]
fn large_bodies_are_judged_too() {
    // Above what is judged inline, and above what is held in memory.
    for (api, state) in [("auth: none", "none"), ("auth: none, bounds: { body_in_memory: 64KiB }", "state")] {
        let stage = Stage::built(|backend| {
            let config =
                config(api).replace("BACKEND", backend).replace("state: none", &format!("state: {state}"));
            Builder::new(executable(), config).file("shop.yaml", SHOP)
        });
        let parts: Vec<Value> =
            (0..8_000).map(|at| json!({ "name": format!("part {at}"), "price": at })).collect();
        let mut item = json!({ "name": "a", "parts": parts });
        let good = item.to_string();
        item["parts"][7_999]["price"] = json!(-1);
        let bad = item.to_string();
        assert!(good.len() > 200_000);
        for wire in Wire::ALL {
            let mark = stage.backend.mark();
            assert_eq!(wire.send(stage.public(), &json_post("/items", &good)).status, 200);
            let refused = wire.send(stage.public(), &json_post("/items", &bad));
            assert_eq!(refused.status, 422, "{refused:?}");
            assert_eq!(errors(&refused), ["body - /parts/7999/price minimum"]);
            let arrived = stage.arrived_since(mark).expect("traffic");
            assert_eq!(arrived.len(), 1, "{wire:?}");
            assert!(arrived[0].body == good.as_bytes(), "{wire:?}: another body arrived");
        }
    }
}

#[test]
fn a_request_that_nobody_sent_is_judged_by_its_contract() {
    for (request, body, wanted) in [
        ("GET /items?kind=water", None, "refused with 400 contract-parameter"),
        ("GET /items?kind=tea", None, "allowed   contract"),
        ("POST /items", None, "refused with 400 body-missing"),
        ("POST /items", Some(r#"{"name":7}"#), "refused with 422 contract-body"),
        ("POST /items", Some(r#"{"name":"a"}"#), "allowed   contract"),
    ] {
        let mut words = vec!["explain", "--request", request];
        if let Some(body) = body {
            words.extend(["--header", "Content-Type: application/json", "--body", body]);
        }
        let output = command("auth: none", SHOP, &words);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output));
        assert!(text(&output).contains(wanted), "`{wanted}` is not in: {}", text(&output));
    }
}

#[test]
fn audit_says_which_operations_no_contract_judges() {
    let api = "auth: none, contract: { on_uncovered: pass }, operations: { good: { contract: { mode: off } }, \
               more: { match: \"GET /more\" }, gap: { contract: { mode: enforce } } }";
    let output = command(api, WITH_A_GAP, &["audit", "--json"]);
    let found: Vec<Value> = serde_json::from_slice(&output.stdout).expect("JSON");
    let of = |rule: &str| {
        found
            .iter()
            .filter(|one| one["rule"] == rule)
            .map(|one| one["message"].to_string())
            .collect::<Vec<_>>()
    };
    let none = of("no-contract");
    assert!(
        none.iter().any(|one| one.contains("GET /good")) && none.iter().any(|one| one.contains("GET /more")),
        "{none:?}"
    );
    assert!(!none.iter().any(|one| one.contains("GET /gap")), "{none:?}");
    assert!(of("uncovered-contract")[0].contains("GET /gap"), "{found:#?}");
    let output = command("auth: none, contract: { mode: observe }", SHOP, &["audit", "--json"]);
    let found: Vec<Value> = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(found.iter().filter(|one| one["rule"] == "observed-contract").count(), 4, "{found:#?}");
}
