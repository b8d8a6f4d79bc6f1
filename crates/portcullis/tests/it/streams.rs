//! Event streams: what `stream: sse` takes away, what bounds it then, and what a definition may say of it.

use portcullis_testkit::gateway::Builder;
use portcullis_testkit::raw::Client;
use portcullis_testkit::recorder::{Gate, Reply};

use crate::stage::{Stage, executable};

/// `/idle` and `/total` lead to backends that may be silent, or take, for one second; `/events` is declared a stream.
const CONFIG: &str = r#"version: 1
state: none
listeners: { public: { bind: 127.0.0.1:0 } }
backends:
  idle: { targets: ["http://BACKEND"], timeout: { idle: 1s } }
  total: { targets: ["http://BACKEND"], timeout: { total: 1s } }
defaults: { auth: none }
apis:
  idle:
    base_path: /idle
    backend: idle
    operations:
      plain: { match: "GET /plain" }
      events: { match: "GET /events", stream: sse }
      brief: { match: "GET /brief", stream: sse, bounds: { stream_idle: 1s } }
  total:
    base_path: /total
    backend: total
    operations:
      plain: { match: "GET /plain" }
      events: { match: "GET /events", stream: sse }
"#;

const HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
const FIRST: &str = "b\r\ndata: one\n\n\r\n";
const SECOND: &str = "b\r\ndata: two\n\n\r\n0\r\n\r\n";

/// Asks for a stream that begins, and goes on once `gate` is open. Gives the connection after the first event.
fn begin(stage: &Stage, target: &str, gate: &Gate) -> Client {
    stage.backend.on(target, Reply::raw(format!("{HEAD}{FIRST}")).wait(gate).send(SECOND));
    let mut client = stage.connect();
    client.send(format!("GET {target} HTTP/1.1\r\nHost: gw.test\r\n\r\n"));
    let mut heard = Vec::new();
    while !heard.ends_with(b"data: one\n\n\r\n") {
        heard.extend(client.bytes(1, stage.soon()).expect("the first event"));
    }
    client
}

/// The stream was cut: the connection ends without the end of the body.
fn is_cut(stage: &Stage, client: &mut Client) {
    client.closed(stage.soon()).expect("an end without another byte");
}

#[test]
fn an_event_stream_outlives_what_ends_other_answers() {
    let stage = Stage::with(CONFIG);
    for api in ["idle", "total"] {
        let gate = Gate::new();
        let mut events = begin(&stage, &format!("/{api}/events"), &gate);
        let mut plain = begin(&stage, &format!("/{api}/plain"), &Gate::new());
        // The plain answer began later: when it is cut, the stream has been silent for longer.
        is_cut(&stage, &mut plain);
        gate.open();
        let rest = events.bytes(SECOND.len(), stage.soon()).expect("the second event");
        assert_eq!(rest, SECOND.as_bytes(), "{api}");
    }
}

#[test]
fn an_operation_may_bound_the_silence_of_its_own_stream() {
    let stage = Stage::with(CONFIG);
    let gate = Gate::new();
    let mut events = begin(&stage, "/idle/events", &gate);
    let mut brief = begin(&stage, "/idle/brief", &Gate::new());
    is_cut(&stage, &mut brief);
    gate.open();
    assert_eq!(events.bytes(SECOND.len(), stage.soon()).expect("its neighbour goes on"), SECOND.as_bytes());
}

const DOCUMENT: &str = "openapi: 3.1.0
paths:
  /plain: { get: {} }
  /events: { get: { operationId: watch, responses: { 200: { content: { text/event-stream: {} } } } } }
";

/// One API from that document, with this besides.
fn published(besides: &str) -> String {
    let (config, _) = CONFIG.split_once("apis:").expect("apis");
    format!("{config}apis: {{ shop: {{ base_path: /shop, backend: idle, openapi: shop.yaml{besides} }} }}\n")
}

#[test]
fn a_definition_that_declares_events_is_heard_where_it_is_trusted() {
    let stage = |besides: &str| {
        Stage::built(|backend| {
            Builder::new(executable(), published(besides).replace("BACKEND", backend))
                .file("shop.yaml", DOCUMENT)
        })
    };
    for besides in [", trust_definition: true", ", operations: { watch: { stream: sse } }"] {
        let stage = stage(besides);
        let gate = Gate::new();
        let mut events = begin(&stage, "/shop/events", &gate);
        let mut plain = begin(&stage, "/shop/plain", &Gate::new());
        is_cut(&stage, &mut plain);
        gate.open();
        assert_eq!(events.bytes(SECOND.len(), stage.soon()).expect("the second event"), SECOND.as_bytes());
    }
    let stage = stage("");
    let mut events = begin(&stage, "/shop/events", &Gate::new());
    is_cut(&stage, &mut events);
}

#[test]
fn declared_events_that_are_no_stream_are_told_by_check() {
    let check = |besides: &str| {
        let config = published(besides).replace("BACKEND", "127.0.0.1:9");
        let output = Builder::new(executable(), config).file("shop.yaml", DOCUMENT).run(&["check"]);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let told = check("");
    let place = "warning: shop.yaml:4:14: paths./events.get: is declared to answer with a stream, and ends as any answer";
    assert!(told.contains(place), "{told}");
    assert!(told.contains("write `operations: { \"watch\": { stream: sse } }` at apis.shop"), "{told}");
    assert_eq!(check(", operations: { watch: { stream: sse } }"), "");
    assert_eq!(check(", trust_definition: true"), "");
}
