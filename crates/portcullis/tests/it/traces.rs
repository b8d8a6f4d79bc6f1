//! W3C trace context: what is believed of a caller's, what backends are told on both wires, what records carry.

use std::sync::{Arc, Mutex};

use portcullis_testkit::exchange::all;
use portcullis_testkit::h2::server::Server;
use portcullis_testkit::{Deadline, Gateway, Recorder, Request, Wire};
use serde_json::Value;

use crate::stage::executable;

const SAID: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const SPAN: &str = "b7ad6b7169203331";

const CONFIG: &str = r#"version: 1
state: none
telemetry: { access_log: stdout, incidents: stdout, TELEMETRY }
listeners: { public: { bind: 127.0.0.1:0, protocols: [http1, http2], trusted_proxies: [TRUSTED] } }
backends:
  one: { targets: ["http://ONE"] }
  two: { targets: ["http://TWO"], protocol: http2 }
apis:
  one: { base_path: /one, backend: one, auth: none, operations: { all: { match: "* /{rest*}" } } }
  two: { base_path: /two, backend: two, auth: none, operations: { all: { match: "* /{rest*}" } } }
"#;

/// What a backend was told: `traceparent` and `tracestate`, each line of them.
type Told = (Vec<String>, Vec<String>);

/// A gateway before a backend for each version of HTTP.
struct Scene {
    gateway: Gateway,
    one: Recorder,
    _two: Server,
    told: Arc<Mutex<Option<Told>>>,
}

fn texts(values: Vec<&[u8]>) -> Vec<String> {
    values.into_iter().map(|value| String::from_utf8_lossy(value).into_owned()).collect()
}

impl Scene {
    fn start(telemetry: &str, trusted: &str) -> Self {
        let one = Recorder::start();
        let told = Arc::new(Mutex::new(None));
        let hears = Arc::clone(&told);
        let two = Server::start(move |_, mut connection| {
            if connection.open(&[]).is_err() {
                return;
            }
            while let Ok((stream, fields, _)) = connection.request(Deadline::soon()) {
                let heard = (texts(all(&fields, "traceparent")), texts(all(&fields, "tracestate")));
                *hears.lock().expect("no panic") = Some(heard);
                connection.answer(stream, b"fine");
            }
        });
        let config = CONFIG
            .replace("TELEMETRY", telemetry)
            .replace("TRUSTED", trusted)
            .replace("ONE", &one.address().to_string())
            .replace("TWO", &two.address().to_string());
        Self { gateway: Gateway::start(executable(), config), one, _two: two, told }
    }

    /// What the backend below `path` was told, and the access record.
    fn ask(&self, wire: Wire, path: &str, more: &[(&str, &str)]) -> (Told, Value) {
        let mark = self.one.mark();
        let request =
            more.iter().fold(Request::get(path), |request, (name, value)| request.field(name, value));
        let answer = wire.send(self.gateway.address("public"), &request);
        assert_eq!(answer.status, 200, "{answer:?}");
        let id = answer.text("x-request-id").expect("an id");
        let record = self.gateway.record("the record", |record| record["request.id"] == id.as_str());
        let told = match self.one.since(mark).pop() {
            Some(message) => {
                (texts(all(&message.fields, "traceparent")), texts(all(&message.fields, "tracestate")))
            }
            None => self.told.lock().expect("no panic").take().expect("a request"),
        };
        (told, record)
    }

    /// Over each wire from the client, to each backend.
    fn everywhere(&self, more: &[(&str, &str)], judge: impl Fn(&Told, &Value)) {
        for wire in Wire::ALL {
            for path in ["/one/a", "/two/a"] {
                let (told, record) = self.ask(*wire, path, more);
                assert_eq!(told.0.len(), 1, "{wire:?} {path}: {told:?}");
                let said = format!(
                    "00-{}-{}-",
                    record["trace_id"].as_str().expect("a trace"),
                    record["span_id"].as_str().expect("a span")
                );
                assert!(told.0[0].starts_with(&said), "{wire:?} {path}: {told:?} is not {said}");
                judge(&told, &record);
            }
        }
    }
}

#[test]
fn a_strangers_trace_is_not_joined() {
    let scene = Scene::start("sample: 100%", "");
    for said in [&[][..], &[("traceparent", SAID), ("tracestate", "a=1")]] {
        scene.everywhere(said, |told, record| {
            assert_ne!(record["trace_id"], TRACE);
            assert!(told.0[0].ends_with("-01"), "all are sampled: {told:?}");
            assert!(told.1.is_empty(), "{told:?}");
            assert!(record.get("portcullis.trace.linked").is_none(), "{record}");
        });
    }
}

#[test]
fn a_strangers_trace_is_noted_where_that_is_wished() {
    let scene = Scene::start("sample: 0%, parents: link", "");
    scene.everywhere(&[("traceparent", SAID), ("tracestate", "a=1")], |told, record| {
        assert_ne!(record["trace_id"], TRACE);
        assert_eq!(
            (&record["portcullis.trace.linked"], &record["portcullis.trace.linked_span"]),
            (&TRACE.into(), &SPAN.into())
        );
        assert!(told.0[0].ends_with("-00"), "none is sampled, whatever it says: {told:?}");
        assert!(told.1.is_empty(), "{told:?}");
    });
}

#[test]
fn a_trusted_proxys_trace_goes_on() {
    for (telemetry, trusted) in [("sample: 0%", "127.0.0.1"), ("sample: 0%, parents: continue", "")] {
        let scene = Scene::start(telemetry, trusted);
        scene.everywhere(
            &[("traceparent", SAID), ("tracestate", "a=1"), ("tracestate", "b=2")],
            |told, record| {
                assert_eq!(
                    (&record["trace_id"], &record["portcullis.trace.parent"]),
                    (&TRACE.into(), &SPAN.into())
                );
                assert_ne!(record["span_id"], SPAN);
                assert!(told.0[0].ends_with("-01"), "as the caller said: {told:?}");
                assert_eq!(told.1, ["a=1", "b=2"]);
            },
        );
        scene.everywhere(&[("traceparent", "00-0-0-01"), ("tracestate", "a=1")], |told, record| {
            assert_ne!(record["trace_id"], TRACE);
            assert!(told.1.is_empty(), "{told:?}");
        });
    }
}

#[test]
fn what_is_refused_has_its_span_in_every_record() {
    let scene = Scene::start("server_timing: true", "");
    let public = scene.gateway.address("public");
    for wire in Wire::ALL {
        let refused = wire.send(public, &Request::get("/nowhere").field("traceparent", SAID));
        assert_eq!(refused.status, 404);
        let id = refused.text("x-request-id").expect("an id");
        let of = |event: &'static str| {
            let id = id.clone();
            scene.gateway.record(event, move |record| {
                record["request.id"] == id.as_str() && record["event.name"] == event
            })
        };
        let (access, incident) = (of("portcullis.access"), of("portcullis.incident"));
        for name in ["trace_id", "span_id"] {
            assert!(access[name].is_string(), "{access}");
            assert_eq!(access[name], incident[name]);
        }
        let timing = refused.text("server-timing").expect("where the time went");
        assert!(timing.starts_with("gateway;dur=") && !timing.contains("backend"), "{timing}");
        let passed = wire.send(public, &Request::get("/one/a"));
        let timing = passed.text("server-timing").expect("where the time went");
        let parts: Vec<&str> = timing.split(", ").collect();
        assert!(parts.len() == 2 && parts[1].starts_with("backend;dur="), "{timing}");
        for part in parts {
            let (_, number) = part.split_once("dur=").expect("a duration");
            assert!(number.parse::<f64>().is_ok_and(|millis| millis < 60_000.0), "{timing}");
        }
    }
    let quiet = Scene::start("sample: 1%", "");
    let passed = Wire::Http1.send(quiet.gateway.address("public"), &Request::get("/one/a"));
    assert_eq!(passed.text("server-timing"), None, "only where that is wished");
}
