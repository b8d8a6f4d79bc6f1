//! Every exchange leaves exactly one access record, every refusal an incident, and none of them a secret.

use std::collections::BTreeMap;

use portcullis_testkit::recorder::Reply;
use portcullis_testkit::{Request, Wire};
use serde_json::Value;

use crate::stage::{KEY, KEY_FIELD, Stage};

/// The records of one stream so far, by request id.
fn records(stage: &Stage, event: &str) -> BTreeMap<String, Vec<Value>> {
    let mut found: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for line in stage.gateway.stdout().all() {
        let record: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("no JSON line: {line}"));
        if record["event.name"] == event {
            let id = record["request.id"].as_str().expect("an id").to_owned();
            found.entry(id).or_default().push(record);
        }
    }
    found
}

/// Waits until `count` exchanges are recorded, and one more: whatever was recorded twice has had its time.
fn settle(stage: &Stage, count: usize) {
    Wire::Http1.send(stage.public(), &Request::get("/settled"));
    expect_records(stage, "portcullis.access", count + 1);
}

/// Waits for so many records of one stream. The streams are written side by side.
fn expect_records(stage: &Stage, event: &str, count: usize) {
    let mut seen = 0;
    stage.gateway.stdout().expect(&format!("{count} of {event}"), |line| {
        seen += usize::from(line.contains(event));
        (seen >= count).then_some(())
    });
}

/// A request, and what its record says: status, decision, and the code of the problem or null.
type Expected<'a> = (Request, u16, &'a str, Value);

fn exchanges() -> Vec<Expected<'static>> {
    let key = |request: Request| request.field(KEY_FIELD, KEY);
    vec![
        (Request::get("/open/a?b=c"), 200, "allowed", Value::Null),
        (Request::post("/open/b", "hello"), 200, "allowed", Value::Null),
        (key(Request::get("/admin/a")), 200, "allowed", Value::Null),
        (Request::get("/admin/a"), 401, "refused", "credential-missing".into()),
        (Request::get("/admin/a").field(KEY_FIELD, "wrong"), 401, "refused", "credential-invalid".into()),
        (Request::get("/a/../b"), 400, "refused", "malformed-request".into()),
        (Request::get("/teapot"), 418, "allowed", Value::Null),
        (Request::get("/nonsense"), 502, "failed", "backend-malformed".into()),
    ]
}

#[test]
fn every_exchange_leaves_one_record() {
    for wire in Wire::ALL {
        let stage = Stage::start();
        stage.backend.on("/teapot", Reply::with("418 I'm a teapot", "", ""));
        stage.backend.on("/nonsense", Reply::raw("nonsense\r\n\r\n").close());
        let mut expected = BTreeMap::new();
        for (request, status, decision, problem) in exchanges() {
            let response = wire.send(stage.public(), &request);
            let id = response.text("x-request-id").expect("an id");
            assert_eq!(response.status, status, "{wire:?}: {request:?} got {response:?}");
            assert_eq!(
                response.problem().map_or(Value::Null, Value::from),
                problem,
                "{wire:?}: {response:?}"
            );
            expected.insert(id, (status, decision, problem, request));
        }
        settle(&stage, expected.len());
        let mut found = records(&stage, "portcullis.access");
        for (id, (status, decision, problem, request)) in &expected {
            let own = found.remove(id).unwrap_or_default();
            let [record] = &own[..] else { panic!("{wire:?}: {} records of {request:?}", own.len()) };
            assert_eq!(record["http.response.status_code"], *status, "{wire:?}: {record}");
            assert_eq!(record["portcullis.decision"], *decision, "{wire:?}: {record}");
            assert_eq!(record["error.type"], *problem, "{wire:?}: {record}");
            assert_eq!(record["client.address"], "127.0.0.1", "{wire:?}: {record}");
        }
        assert_eq!(found.len(), 1, "{wire:?}: records of nobody: {found:?}");
        let is_refusal =
            |problem: &Value| ["credential-invalid", "malformed-request"].map(Value::from).contains(problem);
        for (id, _) in expected.iter().filter(|(_, (_, _, problem, _))| is_refusal(problem)) {
            // Others may be written before it: each core has a queue of its own.
            stage.gateway.record("an incident", |record| {
                record["event.name"] == "portcullis.incident" && record["request.id"] == **id
            });
        }
        let incidents = records(&stage, "portcullis.incident");
        for (id, (_, _, problem, _)) in &expected {
            let is_refusal = is_refusal(problem);
            let kinds: Vec<&Value> =
                incidents.get(id).into_iter().flatten().map(|i| &i["portcullis.incident.kind"]).collect();
            assert!(!is_refusal || kinds == [problem], "{wire:?}: {problem} left {kinds:?}");
        }
    }
}

#[test]
fn what_ends_early_leaves_one_record_too() {
    let stage = Stage::start();
    stage.backend.on("/cut", Reply::raw("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello").close());
    let ends = [
        "POST /gone HTTP/1.1\r\nHost: gw.test\r\nContent-Length: 10\r\n\r\nhello",
        "GET /cut HTTP/1.1\r\nHost: gw.test\r\n\r\n",
        "GET / HTTP/1.1\r\nno colon\r\n\r\n",
    ];
    for bytes in ends {
        let mut client = stage.connect();
        client.send(bytes);
        client.finish();
        client.transcript(&[], stage.soon());
    }
    settle(&stage, ends.len());
    let found = records(&stage, "portcullis.access");
    assert!(found.values().all(|own| own.len() == 1), "{found:#?}");
    assert_eq!(found.len(), ends.len() + 1, "{found:#?}");
    let cut = found.values().flatten().filter(|record| record["portcullis.decision"] != "allowed").count();
    assert_eq!(cut, ends.len(), "{found:#?}");
}

#[test]
fn no_record_holds_a_secret() {
    let secrets =
        ["s3cret-query", "s3cret-cookie", "s3cret-token", "s3cret-body", "s3cret-key", "s3cret-field", KEY];
    let stage = Stage::start();
    for target in ["/open/a?token=s3cret-query", "/admin/a?token=s3cret-query", "/a/../b?token=s3cret-query"]
    {
        for key in ["s3cret-key", KEY] {
            let request = Request::post(target, "s3cret-body")
                .field("Cookie", "session=s3cret-cookie")
                .field("Authorization", "Bearer s3cret-token")
                .field("X-Mine", "s3cret-field")
                .field(KEY_FIELD, key);
            Wire::Http1.send(stage.public(), &request);
        }
    }
    for broken in [
        "GET /?a=s3cret-query HTTP/1.1\r\nHost: gw.test\r\nX-Api-Key : s3cret-key\r\n\r\n",
        "GET /?a=s3cret-query HTTP/9.9\r\nHost: gw.test\r\nCookie: s3cret-cookie\r\n\r\n",
        "GET /?a=s3cret-query HTTP/1.1\r\nHost: gw.test\r\nAuthorization: s3cret-token\x01\r\n\r\n",
    ] {
        let mut client = stage.connect();
        client.send(broken);
        client.transcript(&[], stage.soon());
    }
    settle(&stage, 6 + 3);
    let written = [stage.gateway.stdout().all(), stage.gateway.stderr().all()].concat();
    for secret in secrets {
        let told: Vec<&String> = written.iter().filter(|line| line.contains(secret)).collect();
        assert!(told.is_empty(), "`{secret}` is in {told:#?}");
    }
}

#[test]
fn a_record_is_one_line_of_json_whatever_was_said() {
    let stage = Stage::start();
    let (mut client, long) = (stage.connect(), "x".repeat(4000));
    for target in [
        "/%0d%0a{\"event.name\":1}",
        "/%1b[31m",
        "/\u{2028}",
        "/%ff%fe",
        "/%00",
        "/\"},{\"a\":\"",
        "/a%22b%5cc",
        &format!("/{long}"),
    ] {
        for agent in [&b"a\"b\\c\t\xff\xc3\x28"[..], long.as_bytes()] {
            client.send(
                [
                    b"GET ",
                    target.as_bytes(),
                    b" HTTP/1.1\r\nHost: gw.test\r\nUser-Agent: ",
                    agent,
                    b"\r\n\r\n",
                ]
                .concat(),
            );
            if client.response("GET", stage.soon()).map_or(true, |response| response.status == 400) {
                client = stage.connect();
            }
        }
    }
    settle(&stage, 16);
    let found = records(&stage, "portcullis.access");
    assert_eq!(found.values().map(Vec::len).sum::<usize>(), 17, "{found:#?}");
    let longest = stage.gateway.stdout().all().iter().map(String::len).max().expect("records");
    assert!(longest < 16 * 1024, "a record of {longest} bytes");
}

/// What differs between the same request over two wires is the wire.
#[test]
fn records_differ_by_their_wire_only() {
    let stage = Stage::start();
    let mut seen: Vec<Value> = Vec::new();
    for wire in Wire::ALL {
        let response =
            wire.send(stage.public(), &Request::post("/admin/a?b=c", "hello").field(KEY_FIELD, KEY));
        let id = response.text("x-request-id").expect("an id");
        let mut record = stage.gateway.record("its record", |record| record["request.id"] == id);
        let record = record.as_object_mut().expect("a mapping");
        // These differ between any two exchanges.
        for name in [
            "timestamp",
            "request.id",
            "trace_id",
            "span_id",
            "portcullis.duration_ms",
            "portcullis.overhead_ms",
            "portcullis.upstream.duration_ms",
        ] {
            assert!(record.remove(name).is_some(), "no `{name}` in {record:?}");
        }
        assert!(record.remove("network.protocol.version").is_some(), "{record:?}");
        seen.push(Value::from(record.clone()));
    }
    assert!(seen.windows(2).all(|pair| pair[0] == pair[1]), "{seen:#?}");
}
