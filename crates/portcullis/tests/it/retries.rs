//! What is sent again and what is not: safe methods, whole bodies, within a budget (rows 62, 63, 65).

use std::net::SocketAddr;
use std::time::Duration;

use portcullis_testkit::gateway::Builder;
use portcullis_testkit::h2::server::{Connection, Server, field};
use portcullis_testkit::recorder::{Reply, Step};
use portcullis_testkit::{Deadline, Gateway, Recorder, Request, Response, Stopwatch, Wire};

use crate::stage::executable;

const CONFIG: &str = r#"version: 1
state: state
admin: { probes: 127.0.0.1:0 }
telemetry: { access_log: stdout }
listeners: { public: { bind: 127.0.0.1:0, protocols: [http1, http2] } }
backends: { fleet: { targets: [TARGETS], eject: { failures: 0 }, SETTINGS } }
apis: { open: { backend: fleet, auth: none, operations: { all: { match: "* /{rest*}" } } } }
"#;

/// Methods that may be asked twice, and two that may not.
const METHODS: &[(&str, bool)] = &[
    ("GET", true),
    ("HEAD", true),
    ("OPTIONS", true),
    ("PUT", true),
    ("DELETE", true),
    ("POST", false),
    ("PATCH", false),
];

/// One core, so that turns are taken in one order.
fn gateway(targets: &[SocketAddr], settings: &str) -> Gateway {
    let targets: Vec<String> = targets.iter().map(|address| format!("\"http://{address}\"")).collect();
    let config = CONFIG.replace("TARGETS", &targets.join(", ")).replace("SETTINGS", settings);
    Builder::new(executable(), config).argument("--workers").argument("1").start()
}

fn send(gateway: &Gateway, request: &Request) -> Response {
    Wire::Http1.send(gateway.address("public"), request)
}

fn asking(method: &str, target: &str) -> Request {
    let body = if matches!(method, "PUT" | "POST" | "PATCH") { "its body" } else { "" };
    Request { body: body.into(), ..Request::new(method, target) }
}

/// The sum over all targets of the samples of `name`.
fn metric(gateway: &Gateway, name: &str) -> Option<u64> {
    let text = gateway.metrics();
    let line = format!("{name}{{backend=\"fleet\"}} ");
    text.lines().find_map(|found| found.strip_prefix(&line)?.parse().ok())
}

/// A recorder that fails each request as `reply` says, but those to `/well`.
fn ill(reply: Reply) -> Recorder {
    let recorder = Recorder::start();
    recorder.on("/", reply);
    recorder.on("/well", Reply::ok("well"));
    recorder
}

fn failures() -> [(&'static str, Reply, u16); 7] {
    [
        ("closes", Reply::new().close(), 502),
        ("resets", Reply::new().then(Step::Reset), 502),
        ("breaks off in the head", Reply::raw("HTTP/1.1 200 OK\r\nX-").close(), 502),
        ("answers 502", Reply::with("502 Bad Gateway", "", ""), 502),
        ("answers 503", Reply::with("503 Service Unavailable", "", ""), 503),
        ("answers 504", Reply::with("504 Gateway Timeout", "", ""), 504),
        (SILENT, Reply::new().then(Step::Pause(Duration::from_secs(5))), 504),
    ]
}

/// A silent backend costs a second each time; all others are waited for.
fn patience(name: &str) -> &'static str {
    if name == SILENT { "timeout: { response: 1s }" } else { "timeout: { response: 20s }" }
}

fn methods(name: &str) -> &'static [(&'static str, bool)] {
    if name == SILENT { &[("GET", true), ("POST", false)] } else { METHODS }
}

const SILENT: &str = "says nothing";

#[test]
fn what_may_be_asked_twice_is_asked_of_the_next_target_and_nothing_else_is() {
    for (name, reply, status) in failures() {
        let (ill, good) = (ill(reply), Recorder::start());
        let gateway = gateway(&[ill.address(), good.address()], patience(name));
        // Turns go round by two: each method meets the ill one once. Who asks again takes nobody's turn.
        let mut met = 0;
        let methods = methods(name);
        for (number, (method, may_repeat)) in methods.iter().enumerate() {
            for try_number in 0..2 {
                let target = format!("/{number}/{try_number}");
                let seen = |recorder: &Recorder| {
                    let mine = |m: &&portcullis_testkit::recorder::Message| m.target == target.as_bytes();
                    recorder.messages().iter().filter(mine).count()
                };
                let response = send(&gateway, &asking(method, &target));
                let (at_ill, at_good) = (seen(&ill), seen(&good));
                let what = format!("{name}: {method} {response:?} {at_ill} {at_good}");
                match (at_ill, *may_repeat) {
                    (0, _) | (1, true) => assert!(response.status == 200 && at_good == 1, "{what}"),
                    (1, false) => assert!(response.status == status && at_good == 0, "{what}"),
                    _ => panic!("{what}"),
                }
                met += at_ill;
            }
        }
        assert_eq!(met, methods.len(), "{name}");
        assert!(good.oddities().is_empty(), "{name}: {:?}", good.oddities());
        let bodies = good.messages();
        let mut puts = bodies.iter().filter(|message| message.method == b"PUT");
        assert!(puts.all(|message| message.body == b"its body"), "{name}");
    }
}

#[test]
fn a_lone_target_is_asked_again_after_a_pause() {
    for (name, reply, status) in failures() {
        let ill = ill(reply);
        let gateway = gateway(&[ill.address()], patience(name));
        assert_eq!(send(&gateway, &Request::get("/get")).status, status, "{name}");
        assert_eq!(ill.messages().len(), 2, "{name}: once more");
        assert_eq!(send(&gateway, &Request::post("/post", "x")).status, status, "{name}");
        assert_eq!(ill.messages().len(), 3, "{name}: never again");
        assert_eq!(metric(&gateway, "portcullis_backend_retries_total"), Some(1), "{name}");
        assert_eq!(send(&gateway, &Request::get("/well")).body, b"well", "{name}");
    }
}

#[test]
fn a_backend_that_says_when_to_come_again_is_left_alone() {
    let ill = ill(Reply::with("503 Service Unavailable", "Retry-After: 7\r\n", "later"));
    let gateway = gateway(&[ill.address()], "retries: { max: 3 }");
    let response = send(&gateway, &Request::get("/"));
    assert_eq!((response.status, response.text("retry-after").as_deref()), (503, Some("7")));
    assert_eq!(ill.messages().len(), 1);
}

#[test]
fn no_retries_are_no_retries_but_for_what_nobody_has_seen() {
    let ill = ill(Reply::new().close());
    let nobody = nobody();
    let gateway = gateway(&[nobody, ill.address()], "retries: { max: 0 }");
    for number in 1..=4 {
        assert_eq!(send(&gateway, &Request::get("/")).status, 502);
        assert_eq!(ill.messages().len(), number);
    }
}

#[test]
fn as_often_as_max_says() {
    let ill = ill(Reply::new().close());
    let gateway = gateway(&[ill.address()], "retries: { max: 4 }");
    assert_eq!(send(&gateway, &Request::get("/")).status, 502);
    assert_eq!(ill.messages().len(), 5);
}

#[test]
fn an_answer_that_has_begun_is_never_asked_for_again() {
    for (name, reply) in [
        ("interim", Reply::raw("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n").close()),
        ("head", Reply::raw("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab").close()),
        (
            "malformed",
            Reply::raw("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcde").close(),
        ),
    ] {
        let ill = ill(reply);
        let gateway = gateway(&[ill.address()], "retries: { max: 3 }");
        drop(Wire::Http1.try_send(gateway.address("public"), &Request::get("/")));
        assert_eq!(send(&gateway, &Request::get("/well")).status, 200);
        assert_eq!(ill.messages().len(), 2, "{name}");
    }
}

#[test]
fn repetitions_stay_within_the_budget() {
    const REQUESTS: u64 = 200;
    let ill = ill(Reply::new().close());
    let gateway = gateway(&[ill.address()], "retries: { max: 5, budget: 5% }");
    let watch = Stopwatch::start();
    for _ in 0..REQUESTS {
        assert_eq!(send(&gateway, &Request::get("/")).status, 502);
    }
    let repeated = ill.messages().len() as u64 - REQUESTS;
    let most = 10 + REQUESTS / 20 + watch.elapsed().as_secs() + 1;
    assert!((10..=most).contains(&repeated), "{repeated} of at most {most}");
    assert_eq!(metric(&gateway, "portcullis_backend_retries_total"), Some(repeated));
    let refused = metric(&gateway, "portcullis_backend_retries_refused_total");
    assert!(refused.is_some_and(|count| count > REQUESTS / 2), "{refused:?}");
}

#[test]
fn the_total_time_bounds_repetitions_too() {
    let silent = ill(Reply::new().then(Step::Pause(Duration::from_secs(20))));
    let settings = "retries: { max: 9 }, timeout: { response: 700ms, total: 1s }";
    let gateway = gateway(&[silent.address()], settings);
    let watch = Stopwatch::start();
    let response = send(&gateway, &Request::get("/"));
    assert_eq!(response.status, 504);
    assert!(watch.elapsed() < Duration::from_secs(6), "{:?}", watch.elapsed());
    assert!(silent.messages().len() <= 3);
}

#[test]
fn a_repetition_is_told_in_the_record_and_by_explain() {
    let (ill, good) = (ill(Reply::new().close()), Recorder::start());
    let gateway = gateway(&[ill.address(), good.address()], "retries: { max: 1 }");
    let response = send(&gateway, &Request::get("/told"));
    assert_eq!(response.status, 200);
    let record = gateway.record("the record", |record| record["url.path"] == "/told");
    assert_eq!(record["http.request.resend_count"], 1);
    assert_eq!(record["portcullis.upstream.address"], format!("http://{}", good.address()));
    let id = response.text("x-request-id").expect("an id");
    let output = gateway.run(&executable(), &["explain", &id]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains(&format!("sent again: 1 times, the last to http://{}", good.address())), "{said}");
    assert_eq!(send(&gateway, &Request::get("/plain")).status, 200);
    let record = gateway.record("the record", |record| record["url.path"] == "/plain");
    assert_eq!(record.get("http.request.resend_count"), None);
}

/// Each connection's requests are handed to `serve`, but those to `/after`.
fn scripted(serve: impl Fn(&mut Connection, u32) + Send + Sync + 'static) -> Server {
    Server::start(move |_, mut connection| {
        if connection.open(&[]).is_err() {
            return;
        }
        while let Ok((stream, fields, _)) = connection.request(Deadline::soon()) {
            if field(&fields, ":path") == Some(b"/after") {
                connection.answer(stream, b"after");
            } else {
                serve(&mut connection, stream);
            }
        }
    })
}

#[test]
fn a_stream_that_was_refused_goes_to_the_next_target_whatever_its_method() {
    // REFUSED_STREAM, and GOAWAY that names no stream.
    type Refusal = fn(&mut Connection, u32);
    let refusals: [(&str, Refusal); 2] = [
        ("refused", |connection, stream| connection.reset_stream(stream, 7)),
        ("gone", |connection, _| {
            connection.go_away(0, 0);
            connection.linger();
        }),
    ];
    for (name, refuse) in refusals {
        let (ill, good) = (scripted(refuse), Server::plain(&[]));
        let gateway = gateway(&[ill.address(), good.address()], "protocol: http2");
        for (method, _) in METHODS {
            for _ in 0..2 {
                let response = send(&gateway, &asking(method, "/"));
                assert_eq!(response.status, 200, "{name}: {method}");
                if matches!(*method, "POST" | "PUT" | "PATCH") {
                    assert_eq!(response.body, b"its body", "{name}: {method}");
                }
            }
        }
        let counted = metric(&gateway, "portcullis_backend_retries_total");
        assert_eq!(counted, Some(0), "{name}: nobody had seen them");
    }
}

#[test]
fn over_http2_what_may_be_asked_twice_is_asked_of_the_next_target() {
    type Failure = fn(&mut Connection, u32);
    let failures: [(&str, u16, Failure); 4] = [
        ("resets the stream", 502, |connection, stream| connection.reset_stream(stream, 2)),
        ("answers 503", 503, |connection, stream| connection.head(stream, "503", &[], true)),
        ("answers 503 with content", 503, |connection, stream| {
            connection.head(stream, "503", &[], false);
            connection.content(stream, b"down", true);
        }),
        (SILENT, 504, |_, _| {}),
    ];
    for (name, status, fail) in failures {
        let (ill, good) = (scripted(fail), Server::plain(&[]));
        let settings = format!("protocol: http2, {}", patience(name));
        let gateway = gateway(&[ill.address(), good.address()], &settings);
        for (method, may_repeat) in methods(name) {
            let mut statuses = [0, 1].map(|_| send(&gateway, &asking(method, "/")).status);
            statuses.sort_unstable();
            let rightly = if *may_repeat { [200, 200] } else { [200, status] };
            assert_eq!(statuses, rightly, "{name}: {method}");
        }
        let counted = metric(&gateway, "portcullis_backend_retries_total");
        let repeated = methods(name).iter().filter(|(_, may_repeat)| *may_repeat).count() as u64;
        assert_eq!(counted, Some(repeated), "{name}");
    }
}

/// An address where nobody listens.
fn nobody() -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address")
}
