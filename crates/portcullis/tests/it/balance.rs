//! Several targets of one backend: who is asked, who is passed over, who is left out and comes back (rows 62, 65).

mod judgement;

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use portcullis_testkit::fault::{Direction, FaultProxy, Faults};
use portcullis_testkit::gateway::Builder;
use portcullis_testkit::raw::Client;
use portcullis_testkit::recorder::{Gate, Reply};
use portcullis_testkit::{Deadline, Gateway, Recorder, Request, Wire};

use crate::stage::executable;

const CONFIG: &str = r#"version: 1
state: none
admin: { probes: 127.0.0.1:0 }
listeners: { public: { bind: 127.0.0.1:0, protocols: [http1, http2] } }
backends: { fleet: { targets: [TARGETS], SETTINGS } }
apis:
  open:
    listen: [public]
    backend: fleet
    auth: none
    operations: { all: { match: "* /{rest*}" } }
"#;

/// Long enough for a target not to return while a test looks.
const LONG: &str = "eject: { time: 10m, time_max: 10m }";

/// One core, so that turns are taken in one order.
fn gateway(targets: &[String], settings: &str) -> Gateway {
    let config = config(targets, settings);
    Builder::new(executable(), config).argument("--workers").argument("1").start()
}

fn config(targets: &[String], settings: &str) -> String {
    CONFIG.replace("TARGETS", &targets.join(", ")).replace("SETTINGS", settings)
}

fn url(address: SocketAddr) -> String {
    format!("\"http://{address}\"")
}

fn weighing(address: SocketAddr, weight: u16) -> String {
    format!("{{ url: \"http://{address}\", weight: {weight} }}")
}

/// An address where nobody listens.
fn nobody() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("an address")
}

fn status(gateway: &Gateway, wire: Wire, request: &Request) -> u16 {
    wire.send(gateway.address("public"), request).status
}

fn asked(recorder: &Recorder) -> usize {
    recorder.messages().len()
}

/// The value of the metric `name` for `target`.
fn metric(gateway: &Gateway, name: &str, target: SocketAddr) -> Option<String> {
    let text = gateway.metrics();
    let line = format!("{name}{{backend=\"fleet\",target=\"http://{target}\"}} ");
    text.lines().find_map(|found| found.strip_prefix(&line).map(str::to_owned))
}

/// Asks until `done` says so.
fn until(what: &str, mut done: impl FnMut() -> bool) {
    Deadline::soon().poll(what, || done().then_some(()));
}

#[test]
fn weights_are_shares() {
    for balance in ["round_robin", "least_requests"] {
        for wire in Wire::ALL {
            let (heavy, light) = (Recorder::start(), Recorder::start());
            let targets = [weighing(heavy.address(), 3), url(light.address())];
            let gateway = gateway(&targets, &format!("balance: {balance}"));
            for _ in 0..40 {
                assert_eq!(status(&gateway, *wire, &Request::get("/")), 200);
            }
            let counts = (asked(&heavy), asked(&light));
            assert!(counts.0.abs_diff(30) <= 1 && counts.0 + counts.1 == 40, "{balance} {wire:?} {counts:?}");
        }
    }
}

#[test]
fn a_target_that_refuses_is_passed_over_at_once_and_then_left_out() {
    for balance in ["round_robin", "least_requests", "peak_ewma", "hash"] {
        let (dead, good) = (nobody(), Recorder::start());
        // Twice, so that `hash` meets a dead one first whatever the numbers are.
        let other = nobody();
        let targets = [url(dead), url(good.address()), url(other)];
        let gateway = gateway(&targets, &format!("balance: {balance}, {LONG}"));
        for wire in Wire::ALL {
            for number in 0..20 {
                let request = Request::post(format!("/{number}"), "once");
                assert_eq!(status(&gateway, *wire, &request), 200, "{balance} {wire:?} {number}");
            }
        }
        assert_eq!(asked(&good), 20 * Wire::ALL.len(), "{balance}: each arrived once");
        assert!(good.messages().iter().all(|message| message.body == b"once"));
        if balance == "round_robin" {
            for address in [dead, other] {
                gateway.log("a target is left out", |line| {
                    line["message"] == "a target fails and is left out"
                        && line["target"] == format!("http://{address}")
                });
                let value = |name| metric(&gateway, name, address);
                assert_eq!(value("portcullis_backend_failures_total").as_deref(), Some("5"));
                assert_eq!(value("portcullis_backend_ejections_total").as_deref(), Some("1"));
                assert_eq!(value("portcullis_backend_target_left_out").as_deref(), Some("1"));
            }
            let well = metric(&gateway, "portcullis_backend_target_left_out", good.address());
            assert_eq!(well.as_deref(), Some("0"));
        }
    }
}

#[test]
fn a_target_that_dies_between_two_requests_is_passed_over() {
    for wire in Wire::ALL {
        let backends = [Recorder::start(), Recorder::start()];
        let mut proxies: Vec<_> =
            backends.iter().map(|backend| FaultProxy::start(backend.address())).collect();
        let targets: Vec<_> = proxies.iter().map(|proxy| url(proxy.address())).collect();
        let gateway = gateway(&targets, LONG);
        // Each has a kept connection.
        for _ in 0..4 {
            assert_eq!(status(&gateway, *wire, &Request::get("/")), 200);
        }
        let dying = proxies.remove(0);
        let address = dying.address();
        drop(dying);
        until("nobody listens there", || TcpStream::connect(address).is_err());
        for number in 0..20 {
            assert_eq!(status(&gateway, *wire, &Request::get("/")), 200, "{wire:?} {number}");
        }
    }
}

#[test]
fn with_nobody_there_it_is_unavailable_at_once_and_well_as_soon_as_one_returns() {
    let backend = Recorder::start();
    let proxy = FaultProxy::start(backend.address());
    proxy.refuse(true);
    proxy.break_all();
    let gateway = gateway(&[url(proxy.address()), url(nobody())], LONG);
    for wire in Wire::ALL {
        for _ in 0..12 {
            let response = wire.send(gateway.address("public"), &Request::get("/"));
            assert!(matches!(response.status, 502 | 503), "{response:?}");
            assert!(response.problem().is_some());
        }
    }
    proxy.refuse(false);
    for wire in Wire::ALL {
        for _ in 0..12 {
            assert_eq!(status(&gateway, *wire, &Request::get("/")), 200);
        }
    }
}

#[test]
fn a_target_that_answers_503_is_left_out_and_comes_back() {
    for balance in ["round_robin", "least_requests", "peak_ewma"] {
        let (ill, good) = (Recorder::start(), Recorder::start());
        ill.on("/", Reply::with("503 Service Unavailable", "", ""));
        let targets = [url(ill.address()), url(good.address())];
        let settings = "eject: { failures: 3, time: 1s, time_max: 1s, slow_start: 0s }";
        let gateway = gateway(&targets, &format!("balance: {balance}, {settings}"));
        let get = |target: &str| status(&gateway, Wire::Http1, &Request::get(target));
        until("it is left out", || {
            get("/");
            asked(&ill) >= 3
        });
        assert_eq!(
            metric(&gateway, "portcullis_backend_ejections_total", ill.address()).as_deref(),
            Some("1"),
            "{balance}"
        );
        ill.on("/", Reply::ok("well again"));
        let before = asked(&ill);
        until("it is asked again", || {
            assert_eq!(get("/"), 200, "{balance}");
            asked(&ill) > before
        });
    }
}

#[test]
fn the_same_caller_has_the_same_target() {
    let backends: Vec<_> = (0..5).map(|_| Recorder::start()).collect();
    let targets: Vec<_> = backends.iter().map(|backend| url(backend.address())).collect();
    let gateway = gateway(&targets, "balance: hash");
    for wire in Wire::ALL {
        for number in 0..20 {
            assert_eq!(status(&gateway, *wire, &Request::get(format!("/{number}"))), 200);
        }
    }
    let counts: Vec<_> = backends.iter().map(asked).filter(|count| *count > 0).collect();
    assert_eq!(counts, [20 * Wire::ALL.len()]);
}

#[test]
fn a_request_counts_until_its_last_byte() {
    let (busy, idle) = (Recorder::start(), Recorder::start());
    let gate = Gate::new();
    for backend in [&busy, &idle] {
        let half = Reply::raw("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\na");
        backend.on("/held", half.wait(&gate).send("b"));
    }
    let gateway = gateway(&[url(busy.address()), url(idle.address())], "balance: least_requests");
    let mut held = Client::connect(gateway.address("public"));
    held.send(Request::get("/held").http1());
    busy.expect("the held request", |message| message.target == b"/held");
    // Its head has come, the rest has not.
    held.bytes(40, Deadline::soon()).expect("a head");
    for wire in Wire::ALL {
        for _ in 0..10 {
            assert_eq!(status(&gateway, *wire, &Request::get("/")), 200);
        }
    }
    assert_eq!((asked(&busy), asked(&idle)), (1, 10 * Wire::ALL.len()));
    let in_flight = || metric(&gateway, "portcullis_backend_requests_in_flight", busy.address());
    assert_eq!(in_flight().as_deref(), Some("1"));
    gate.open();
    until("its place is given back", || in_flight().as_deref() == Some("0"));
    // A client that leaves gives its place back, too.
    let leaving = Gate::new();
    for backend in [&busy, &idle] {
        backend.on("/left", Reply::new().wait(&leaving));
    }
    let mut left = Client::connect(gateway.address("public"));
    left.send(Request::get("/left").http1());
    let all = || {
        [busy.address(), idle.address()]
            .map(|at| metric(&gateway, "portcullis_backend_requests_in_flight", at))
    };
    until("it is under way", || all().iter().flatten().any(|count| count == "1"));
    left.reset();
    until("its place is given back", || all().iter().flatten().all(|count| count == "0"));
    leaving.open();
}

#[test]
fn a_slow_target_is_hardly_asked() {
    for balance in ["least_requests", "peak_ewma"] {
        let backends: Vec<_> = (0..3).map(|_| Recorder::start()).collect();
        let proxies: Vec<_> = backends.iter().map(|backend| FaultProxy::start(backend.address())).collect();
        proxies[1].set(Direction::Back, Faults { latency: Duration::from_millis(200), ..Faults::default() });
        let targets: Vec<_> = proxies.iter().map(|proxy| url(proxy.address())).collect();
        let gateway = gateway(&targets, &format!("balance: {balance}"));
        for _ in 0..200 {
            assert_eq!(status(&gateway, Wire::Http1, &Request::get("/")), 200);
        }
        let counts: Vec<_> = backends.iter().map(asked).collect();
        assert!(counts[1] <= 5, "{balance}: {counts:?}");
    }
}

#[test]
fn what_is_known_of_a_target_outlives_a_reload() {
    let (dead, good) = (nobody(), Recorder::start());
    let targets = [url(dead), url(good.address())];
    let gateway = gateway(&targets, LONG);
    for _ in 0..20 {
        assert_eq!(status(&gateway, Wire::Http1, &Request::get("/")), 200);
    }
    let failures = || metric(&gateway, "portcullis_backend_failures_total", dead);
    assert_eq!(failures().as_deref(), Some("5"));
    gateway.reconfigure(&config(&targets, LONG).replace("match: \"* /", "match: \"GET /"));
    until("the reload is taken", || status(&gateway, Wire::Http1, &Request::post("/", "x")) == 405);
    for _ in 0..20 {
        assert_eq!(status(&gateway, Wire::Http1, &Request::get("/")), 200);
    }
    assert_eq!(failures().as_deref(), Some("5"), "it is still left out");
    gateway.reconfigure(&config(&targets, "eject: { failures: 0 }"));
    until("other settings begin anew", || {
        status(&gateway, Wire::Http1, &Request::get("/"));
        failures().is_some_and(|count| count != "5")
    });
}
