//! A backend that fails is left alone for a while; one that has enough to do has callers wait in a bounded line (row 62).

use std::net::SocketAddr;
use std::time::Duration;

use portcullis_testkit::gateway::Builder;
use portcullis_testkit::raw::Client;
use portcullis_testkit::recorder::{Gate, Reply};
use portcullis_testkit::{Deadline, Gateway, Recorder, Request, Response, Stopwatch, Wire};

use crate::stage::executable;

const CONFIG: &str = r#"version: 1
state: state
admin: { probes: 127.0.0.1:0 }
telemetry: { access_log: stdout }
listeners: { public: { bind: 127.0.0.1:0, protocols: [http1, http2] } }
backends: { fleet: { targets: ["http://BACKEND"], eject: { failures: 0 }, SETTINGS } }
apis: { open: { backend: fleet, auth: none, operations: { all: { match: "* /{rest*}" } } } }
"#;

fn config(backend: &Recorder, settings: &str) -> String {
    CONFIG.replace("BACKEND", &backend.address().to_string()).replace("SETTINGS", settings)
}

/// Two cores, which share what is counted.
fn gateway(backend: &Recorder, settings: &str) -> Gateway {
    Builder::new(executable(), config(backend, settings)).argument("--workers").argument("2").start()
}

fn get(gateway: &Gateway, target: &str) -> Response {
    Wire::Http1.send(gateway.address("public"), &Request::get(target))
}

/// A request that was sent and whose answer nobody waits for yet.
fn begun(address: SocketAddr, target: &str) -> Client {
    let mut client = Client::connect(address);
    client.send(Request::get(target).http1());
    client
}

fn status_of(mut client: Client) -> u16 {
    client.response("GET", Deadline::soon()).expect("an answer").status
}

fn is_busy(response: &Response) -> bool {
    let is_told = response.problem().as_deref() == Some("backend-busy");
    response.status == 503 && response.text("retry-after").is_some() && is_told
}

fn metric(gateway: &Gateway, series: &str) -> Option<u64> {
    let text = gateway.metrics();
    text.lines().find_map(|found| found.strip_prefix(series)?.trim().parse().ok())
}

fn waits(gateway: &Gateway, count: u64) {
    let series = "portcullis_backend_requests_waiting{backend=\"fleet\"}";
    Deadline::soon().poll("the line", || (metric(gateway, series) == Some(count)).then_some(()));
}

fn said(gateway: &Gateway, verb: &str) -> String {
    String::from_utf8_lossy(&gateway.run(&executable(), &[verb]).stdout).into_owned()
}

#[test]
fn a_backend_that_fails_is_left_alone_and_back_as_soon_as_its_time_is_over() {
    let backend = Recorder::start();
    backend.on("/", Reply::with("500 Internal Server Error", "", ""));
    let breaker = "breaker: { failures: 50%, time: 2s, requests: 10 }";
    let gateway = gateway(&backend, breaker);
    for _ in 0..10 {
        assert_eq!(get(&gateway, "/").status, 500);
    }
    let watch = Stopwatch::start();
    let refused = get(&gateway, "/");
    assert_eq!((refused.status, refused.problem().as_deref()), (503, Some("backend-circuit-open")));
    let seconds: u64 = refused.text("retry-after").and_then(|text| text.parse().ok()).expect("a time");
    assert!((1..=2).contains(&seconds), "{seconds}");
    assert_eq!(backend.messages().len(), 10, "nothing more was sent");
    let record = gateway.record("the refusal", |record| record["error.type"] == "backend-circuit-open");
    assert_eq!(record["portcullis.flag"], "backend");
    assert_eq!(record["portcullis.control"], "breaker");
    gateway.log("what happened", |line| line["message"] == "a backend fails and is left alone");
    assert!(said(&gateway, "status").contains("backend fleet fails and is left alone"));
    let of = |name: &str| metric(&gateway, &format!("{name}{{backend=\"fleet\"}}"));
    assert_eq!(of("portcullis_backend_circuit_open"), Some(1));
    assert_eq!(of("portcullis_backend_circuit_openings_total"), Some(1));
    let series = "portcullis_backend_refused_total{backend=\"fleet\",reason=\"breaker\"}";
    assert_eq!(metric(&gateway, series), Some(1));
    // An unrelated edit does not let anybody in.
    let edited = config(&backend, breaker).replace("open:", "renamed:");
    gateway.reconfigure(&edited);
    Deadline::soon().poll("the reload", || said(&gateway, "routes").contains("renamed").then_some(()));
    if watch.elapsed() < Duration::from_secs(1) {
        assert_eq!(get(&gateway, "/").status, 503);
    }
    backend.on("/", Reply::ok("well"));
    let back =
        Deadline::soon().poll("its return", || (get(&gateway, "/").status == 200).then(|| watch.elapsed()));
    assert!(back >= Duration::from_secs(1), "{back:?}: too early");
    for _ in 0..3 {
        assert_eq!(get(&gateway, "/").status, 200);
    }
    gateway.log("what happened", |line| line["message"] == "a backend is well again");
    assert_eq!(of("portcullis_backend_circuit_open"), Some(0));
}

#[test]
fn on_trial_one_failure_is_enough() {
    let backend = Recorder::start();
    backend.on("/", Reply::new().close());
    let settings = "retries: { max: 0 }, breaker: { failures: 100%, time: 300ms, requests: 4 }";
    let gateway = gateway(&backend, settings);
    for _ in 0..4 {
        assert_eq!(get(&gateway, "/").status, 502);
    }
    Deadline::soon().poll("a trial", || (get(&gateway, "/").status == 502).then_some(()));
    assert_eq!(backend.messages().len(), 5);
    let openings = metric(&gateway, "portcullis_backend_circuit_openings_total{backend=\"fleet\"}");
    assert_eq!(openings, Some(2));
}

#[test]
fn answers_that_pass_and_clients_mistakes_open_nothing() {
    let backend = Recorder::start();
    backend.on("/missing", Reply::with("404 Not Found", "", ""));
    let gateway = gateway(&backend, "breaker: { failures: 1%, time: 1h, requests: 1 }");
    for _ in 0..5 {
        assert_eq!(get(&gateway, "/missing").status, 404);
        let mut client = Client::connect(gateway.address("public"));
        client.send("POST / HTTP/1.1\r\nHost: gw.test\r\nContent-Length: 9\r\n\r\nhalf");
        client.reset();
    }
    assert_eq!(get(&gateway, "/").status, 200);
}

#[test]
fn as_many_as_may_are_under_way_some_wait_and_the_rest_hears_at_once() {
    let backend = Recorder::start();
    let gate = Gate::new();
    backend.on("/held", Reply::new().wait(&gate).send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
    let gateway = gateway(&backend, "concurrency: { max: 2, queue: 2, wait: 60s }");
    let address = gateway.address("public");
    let held = [0, 1].map(|number| {
        let client = begun(address, &format!("/held/{number}"));
        backend.expect_begun("the request", |m| m.target == format!("/held/{number}").as_bytes());
        client
    });
    let first = begun(address, "/held/first");
    waits(&gateway, 1);
    let second = begun(address, "/held/second");
    waits(&gateway, 2);
    for wire in Wire::ALL {
        let refused = wire.send(address, &Request::get("/held/third"));
        assert!(is_busy(&refused), "{refused:?}");
    }
    assert!(said(&gateway, "status").contains("backend fleet is busy: 2 requests wait for a place"));
    let series = "portcullis_backend_refused_total{backend=\"fleet\",reason=\"concurrency\"}";
    assert_eq!(metric(&gateway, series), Some(2));
    let record = gateway.record("the refusal", |record| record["error.type"] == "backend-busy");
    assert_eq!(record["portcullis.control"], "concurrency");
    // One who goes away leaves the line to another.
    first.reset();
    waits(&gateway, 1);
    let other = begun(address, "/held/other");
    waits(&gateway, 2);
    assert_eq!(backend.messages().len(), 2, "nobody else was let through");
    gate.open();
    for client in held.into_iter().chain([second, other]) {
        assert_eq!(status_of(client), 200);
    }
    assert_eq!(get(&gateway, "/held/after").status, 200);
    waits(&gateway, 0);
}

#[test]
fn a_wait_is_bounded() {
    let backend = Recorder::start();
    let gate = Gate::new();
    backend.on("/held", Reply::new().wait(&gate).send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
    let gateway = gateway(&backend, "concurrency: { max: 1, wait: 200ms }");
    let held = begun(gateway.address("public"), "/held");
    backend.expect_begun("the request", |_| true);
    let watch = Stopwatch::start();
    let refused = get(&gateway, "/");
    assert!(is_busy(&refused), "{refused:?}");
    assert!(watch.elapsed() >= Duration::from_millis(200), "{:?}", watch.elapsed());
    gate.open();
    assert_eq!(status_of(held), 200);
    assert_eq!(get(&gateway, "/").status, 200);
}

#[test]
fn a_place_is_kept_to_the_last_byte_of_the_answer_and_over_a_reload() {
    let backend = Recorder::start();
    let gate = Gate::new();
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf";
    backend.on("/held", Reply::raw(head).wait(&gate).send("half"));
    let settings = "concurrency: { max: 1, queue: 0 }";
    let gateway = gateway(&backend, settings);
    let mut held = begun(gateway.address("public"), "/held");
    let seen = held.bytes(12, Deadline::soon()).expect("the answer has begun");
    assert_eq!(seen, b"HTTP/1.1 200");
    assert!(is_busy(&get(&gateway, "/")));
    gateway.reconfigure(&config(&backend, settings).replace("open:", "renamed:"));
    Deadline::soon().poll("the reload", || said(&gateway, "routes").contains("renamed").then_some(()));
    assert!(is_busy(&get(&gateway, "/")), "the place is still taken");
    gate.open();
    Deadline::soon().poll("its end", || (get(&gateway, "/").status == 200).then_some(()));
}

#[test]
fn a_change_of_these_settings_alone_closes_no_connection() {
    let backend = Recorder::start();
    let one = Builder::new(executable(), config(&backend, "retries: { max: 1 }"));
    let gateway = one.argument("--workers").argument("1").start();
    for number in 0..2 {
        assert_eq!(get(&gateway, "/").status, 200);
        let settings = "retries: { max: 2 }, breaker: {}, concurrency: { max: 5 }";
        gateway.reconfigure(&config(&backend, settings).replace("open:", "renamed:"));
        Deadline::soon().poll("the reload", || said(&gateway, "routes").contains("renamed").then_some(()));
        assert_eq!(get(&gateway, "/").status, 200, "{number}");
    }
    assert_eq!(backend.connections().len(), 1);
}

#[test]
fn a_target_that_breaks_its_answers_off_is_left_out() {
    let half = "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\nhalf";
    let whole = Reply::raw(half).send("x".repeat(100_000 - 4));
    for (name, reply, is_ill) in
        [("cut", Reply::raw(half).close(), true), ("whole, in many pieces", whole, false)]
    {
        let (ill, good) = (Recorder::start(), Recorder::start());
        ill.on("/", reply);
        let config = config(&ill, "balance: round_robin")
            .replace("eject: { failures: 0 }", "eject: { failures: 3, time: 10m, time_max: 10m }")
            .replace("targets: [", &format!("targets: [\"{}\", ", good.url()));
        let gateway = Builder::new(executable(), config).argument("--workers").argument("1").start();
        for _ in 0..20 {
            drop(Wire::Http1.try_send(gateway.address("public"), &Request::get("/")));
        }
        let asked = ill.messages().len();
        assert_eq!(asked, if is_ill { 3 } else { 10 }, "{name}");
    }
}
