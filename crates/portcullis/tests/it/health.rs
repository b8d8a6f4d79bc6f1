//! Active health checks: who is asked for what and how often, what counts as good, and what becomes of the requests.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use portcullis_testkit::certificates::Authority;
use portcullis_testkit::fault::FaultProxy;
use portcullis_testkit::gateway::Builder;
use portcullis_testkit::h2::server::{Server, field};
use portcullis_testkit::raw::Client;
use portcullis_testkit::recorder::{Gate, Step};
use portcullis_testkit::{Deadline, Gateway, Message, Recorder, Reply, Request, Stopwatch, Wire};

use crate::stage::executable;

const CONFIG: &str = r#"version: 1
state: none
admin: { probes: 127.0.0.1:0 }
listeners: { public: { bind: 127.0.0.1:0, protocols: [http1, http2] } }
backends:
  fleet: { targets: [TARGETS], SETTINGS }
  other: { targets: ["http://OTHER"], health: { path: /other, interval: 100ms, timeout: 10s } }
apis:
  fleet: { listen: [public], backend: fleet, auth: none, operations: { all: { match: "* /{rest*}" } } }
  other: { listen: [public], backend: other, base_path: /other, auth: none, operations: { all: { match: "* /{rest*}" } } }
"#;

/// No check but the first within a test's time.
const ONCE: &str = "health: { path: /healthz, interval: 1h, timeout: 10s }";

/// Targets that are checked, a neighbour that is, too, and the gateway.
struct Scene {
    other: Recorder,
    gateway: Gateway,
}

fn config(targets: &[SocketAddr], other: SocketAddr, settings: &str) -> String {
    let targets: Vec<_> = targets.iter().map(|target| format!("\"http://{target}\"")).collect();
    CONFIG
        .replace("TARGETS", &targets.join(", "))
        .replace("OTHER", &other.to_string())
        .replace("SETTINGS", settings)
}

impl Scene {
    fn start(targets: &[SocketAddr], settings: &str) -> Self {
        let other = Recorder::start();
        let gateway = Gateway::start(executable(), config(targets, other.address(), settings));
        Self { other, gateway }
    }

    fn status(&self, wire: Wire) -> u16 {
        wire.send(self.gateway.address("public"), &Request::get("/")).status
    }

    /// The value of the metric `name` for `target`.
    fn metric(&self, name: &str, target: SocketAddr) -> Option<u64> {
        let text = self.gateway.metrics();
        let line = format!("{name}{{backend=\"fleet\",target=\"http://{target}\"}} ");
        text.lines().find_map(|found| found.strip_prefix(&line)).and_then(|value| value.parse().ok())
    }

    fn is_healthy(&self, target: SocketAddr) -> bool {
        self.metric("portcullis_backend_target_healthy", target) == Some(1)
    }

    fn until_healthy(&self, target: SocketAddr, expected: bool) {
        let what = format!("{target} is healthy: {expected}");
        Deadline::soon().poll(&what, || (self.is_healthy(target) == expected).then_some(()));
    }

    /// Waits until the neighbour was checked as often again.
    fn a_while(&self, checks: usize) {
        let before = self.other.messages().len();
        Deadline::soon().poll("checks of the neighbour", || {
            (self.other.messages().len() >= before + checks).then_some(())
        });
    }
}

fn is_check(message: &Message) -> bool {
    message.target.ends_with(b"/healthz")
}

fn checks(recorder: &Recorder) -> usize {
    recorder.messages().iter().filter(|message| is_check(message)).count()
}

fn requests(recorder: &Recorder) -> usize {
    recorder.messages().iter().filter(|message| !is_check(message)).count()
}

/// The settings of the checks, and nothing else. They have time: on a busy machine a second is little.
fn health(settings: &str) -> String {
    let timeout = if settings.contains("timeout") { "" } else { "timeout: 10s, " };
    format!("health: {{ path: /healthz, {timeout}{settings} }}")
}

fn ill() -> Reply {
    Reply::with("503 Service Unavailable", "", "")
}

#[test]
fn a_target_that_fails_is_left_out_and_is_back_within_a_second() {
    let targets = [Recorder::start(), Recorder::start()];
    let [one, two] = targets.each_ref().map(Recorder::address);
    // By default every five seconds, but more often while in doubt.
    let scene = Scene::start(&[one, two], &health("interval: 5s"));
    scene.until_healthy(one, true);
    // Its first check was good, so that three must fail; the next one is up to five seconds off.
    targets[0].on("/healthz", ill());
    scene.until_healthy(one, false);
    scene.gateway.log("it says so", |line| {
        line["message"] == "a target fails its health checks and is left out"
            && line["target"] == format!("http://{one}")
            && line["reason"] == "it answered 503"
    });
    let before = requests(&targets[0]);
    for wire in Wire::ALL {
        for _ in 0..10 {
            assert_eq!(scene.status(*wire), 200);
        }
    }
    assert_eq!(requests(&targets[0]), before, "nobody is sent there");
    assert_eq!(scene.metric("portcullis_backend_target_left_out", one), Some(1));
    let watch = Stopwatch::start();
    targets[0].on("/healthz", Reply::ok("well"));
    scene.until_healthy(one, true);
    let took = watch.elapsed();
    println!("back after {took:?}");
    // Some 600 ms; a busy machine gets the time that shows it was no usual interval.
    assert!(took < Duration::from_secs(4), "{took:?}");
    scene
        .gateway
        .log("it says so", |line| line["message"] == "a target passes its health checks and is asked again");
    Deadline::soon().poll("it is asked again", || {
        scene.status(Wire::Http1);
        (requests(&targets[0]) > before).then_some(())
    });
}

#[test]
fn what_is_no_good_answer_is_none() {
    let whole = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n";
    for (name, reply) in [
        ("another status", ill()),
        ("a redirect, though it leads to a good answer", Reply::with("302 Found", "Location: /good\r\n", "")),
        ("a body that breaks off", Reply::raw(format!("{whole}12")).close()),
        ("no answer", Reply::new().close()),
        ("nonsense", Reply::raw("SSH-2.0-x\r\n\r\n")),
        ("two lengths", Reply::raw("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n12345")),
        ("silence", Reply::new().wait(&Gate::new())),
        ("a body that does not end", Reply::raw(format!("{whole}12")).wait(&Gate::new())),
    ] {
        let target = Recorder::start();
        target.on("/healthz", reply);
        let scene = Scene::start(&[target.address()], &health("timeout: 300ms"));
        Deadline::soon().poll(name, || (scene.status(Wire::Http1) == 503).then_some(()));
        assert!(!scene.is_healthy(target.address()), "{name}");
        assert!(target.messages().iter().all(|message| message.target != b"/good"), "{name}");
    }
    for (name, settings, reply) in [
        ("any 2xx", "interval: 1h", Reply::with("204 No Content", "", "")),
        ("what the configuration says", "status: [302, 401]", Reply::with("401 Unauthorized", "", "")),
        (
            "a long body",
            "interval: 1h",
            Reply::raw("HTTP/1.1 200 OK\r\n\r\n").then(Step::Repeat(vec![b'x'; 1 << 16], 64)).close(),
        ),
    ] {
        let target = Recorder::start();
        target.on("/healthz", reply);
        let scene = Scene::start(&[target.address()], &health(settings));
        scene.until_healthy(target.address(), true);
        assert_eq!(scene.status(Wire::Http1), 200, "{name}");
    }
}

#[test]
fn where_every_target_fails_requests_are_refused_and_none_is_asked() {
    for count in [1, 3] {
        let targets: Vec<_> = (0..count).map(|_| Recorder::start()).collect();
        for target in &targets {
            target.on("/healthz", ill());
        }
        let addresses: Vec<_> = targets.iter().map(Recorder::address).collect();
        let scene = Scene::start(&addresses, &health("interval: 200ms, healthy: 1"));
        for address in &addresses {
            scene.gateway.log("it is left out", |line| line["target"] == format!("http://{address}"));
        }
        let before: usize = targets.iter().map(requests).sum();
        for wire in Wire::ALL {
            let answer = wire.send(scene.gateway.address("public"), &Request::post("/", "x"));
            assert_eq!((answer.status, answer.problem().as_deref()), (503, Some("backend-unhealthy")));
            assert_eq!(answer.text("retry-after").as_deref(), Some("1"));
            let other = wire.send(scene.gateway.address("public"), &Request::get("/other/x"));
            assert_eq!(other.status, 200);
        }
        assert_eq!(targets.iter().map(requests).sum::<usize>(), before);
        targets[0].on("/healthz", Reply::ok("well"));
        Deadline::soon().poll("one is back", || (scene.status(Wire::Http1) == 200).then_some(()));
        assert!(requests(&targets[0]) > 0);
    }
}

#[test]
fn status_names_the_targets_that_are_left_out() {
    let target = Recorder::start();
    target.on("/healthz", ill());
    let other = Recorder::start();
    let config = config(&[target.address()], other.address(), ONCE).replace("state: none", "state: state");
    let gateway = Gateway::start(executable(), config);
    gateway.log("it is left out", |line| line["target"] == format!("http://{}", target.address()));
    let status = |more: &[&str]| {
        let output = gateway.run(&executable(), &[&["status"], more].concat());
        String::from_utf8(output.stdout).expect("text")
    };
    let line = format!("backend fleet: http://{} fails its health checks and is left out", target.address());
    assert!(status(&[]).contains(&line), "{}", status(&[]));
    let told: serde_json::Value = serde_json::from_str(&status(&["--json"])).expect("JSON");
    let target = &told["targets"][0];
    assert_eq!(
        (&target["backend"], &target["health"]["healthy"]),
        (&"fleet".into(), &false.into()),
        "{target}"
    );
}

#[test]
fn one_checker_asks_for_the_whole_process_and_survives_unrelated_reloads() {
    let target = Recorder::start();
    let other = Recorder::start();
    let config = config(&[target.address()], other.address(), ONCE);
    let gateway = Builder::new(executable(), config.clone()).argument("--workers").argument("4").start();
    let scene = Scene { other, gateway };
    for wire in Wire::ALL {
        for _ in 0..8 {
            assert_eq!(scene.status(*wire), 200);
        }
    }
    scene.until_healthy(target.address(), true);
    scene.a_while(5);
    assert_eq!(checks(&target), 1);
    let port = target.address().port();
    let check = target.expect("the check", is_check);
    assert_eq!(check.method, b"GET");
    assert_eq!(check.text("host"), Some(format!("127.0.0.1:{port}")));
    assert!(check.text("user-agent").is_some_and(|agent| agent.starts_with("portcullis/")));
    scene.gateway.reconfigure(&config.replace(
        "fleet, auth: none, operations: { all: { match: \"* /",
        "fleet, auth: none, operations: { all: { match: \"GET /",
    ));
    Deadline::soon().poll("the reload is taken", || {
        let answer = Wire::Http1.send(scene.gateway.address("public"), &Request::post("/", "x"));
        (answer.status == 405).then_some(())
    });
    scene.a_while(5);
    assert_eq!(checks(&target), 1, "an unrelated reload checks nothing anew");
    assert!(scene.is_healthy(target.address()));
}

#[test]
fn checks_end_with_their_backend_although_a_request_still_has_it() {
    let target = Recorder::start();
    let gate = Gate::new();
    target.on("/held", Reply::new().wait(&gate).send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
    let scene = Scene::start(&[target.address()], &health("interval: 100ms"));
    let mut held = Client::connect(scene.gateway.address("public"));
    held.send(Request::get("/held").http1());
    target.expect("the held request", |message| message.target == b"/held");
    Deadline::soon().poll("some checks", || (checks(&target) >= 3).then_some(()));
    let elsewhere = Recorder::start();
    let changed = config(&[elsewhere.address()], scene.other.address(), ONCE);
    scene.gateway.reconfigure(&changed);
    Deadline::soon().poll("the new target is asked", || (checks(&elsewhere) == 1).then_some(()));
    // One may be under way.
    scene.a_while(1);
    let before = checks(&target);
    scene.a_while(8);
    assert_eq!(checks(&target), before);
    gate.open();
    assert_eq!(held.response("GET", Deadline::soon()).expect("its answer").status, 200);
    // Back in the configuration, it is checked again.
    scene.gateway.reconfigure(&config(
        &[target.address()],
        scene.other.address(),
        &health("interval: 100ms"),
    ));
    Deadline::soon().poll("checks begin again", || (checks(&target) > before).then_some(()));
}

#[test]
fn a_good_check_ends_the_first_ejection_and_no_later_one() {
    let targets = [Recorder::start(), Recorder::start()];
    let [one, two] = targets.each_ref().map(Recorder::address);
    let settings = format!(
        "{}, eject: {{ failures: 3, time: 10m, time_max: 20m, slow_start: 0s }}",
        health("interval: 1h")
    );
    let scene = Scene::start(&[one, two], &settings);
    scene.until_healthy(one, true);
    targets[0].on("/", ill());
    targets[0].on("/healthz", Reply::ok("well, it says"));
    let ejections = |scene: &Scene| scene.metric("portcullis_backend_ejections_total", one);
    let fail = |times: u64| {
        Deadline::soon().poll("it fails", || {
            scene.status(Wire::Http1);
            (ejections(&scene) >= Some(times)).then_some(())
        });
    };
    fail(1);
    // Ten minutes are over at once: it was checked, early, and passed.
    scene.gateway.log("it is let in", |line| {
        line["message"] == "a target passes its health checks and is asked again"
    });
    fail(2);
    let before = (requests(&targets[0]), checks(&targets[0]));
    Deadline::soon().poll("it passes more checks", || (checks(&targets[0]) >= before.1 + 4).then_some(()));
    for _ in 0..20 {
        assert_eq!(scene.status(Wire::Http1), 200);
    }
    assert_eq!((requests(&targets[0]), ejections(&scene)), (before.0, Some(2)));
    assert!(scene.is_healthy(one), "its checks are good");
    assert_eq!(scene.metric("portcullis_backend_target_left_out", one), Some(1));
}

#[test]
fn a_target_that_accepts_no_connection_fails_and_comes_back() {
    let target = Recorder::start();
    let proxy = FaultProxy::start(target.address());
    proxy.refuse(true);
    let scene = Scene::start(&[proxy.address()], &health("interval: 5s"));
    scene.until_healthy(proxy.address(), false);
    Deadline::soon().poll("it is refused", || (scene.status(Wire::Http1) == 503).then_some(()));
    proxy.refuse(false);
    Deadline::soon().poll("it is back", || (scene.status(Wire::Http1) == 200).then_some(()));
}

#[test]
fn checks_come_from_the_source_and_go_below_the_targets_path() {
    let target = Recorder::start();
    let base = SocketAddr::from((Ipv4Addr::LOCALHOST, target.address().port()));
    let other = Recorder::start();
    let config = config(&[base], other.address(), &format!("source: 127.0.0.2, {ONCE}"));
    let config = config.replace(&format!("{base}\""), &format!("{base}/v2\""));
    let _gateway = Gateway::start(executable(), config);
    let check = target.expect("the check", is_check);
    assert_eq!(check.target, b"/v2/healthz");
    let peer = target.connections()[check.connection].peer.expect("a peer");
    assert_eq!(peer.ip(), Ipv4Addr::new(127, 0, 0, 2));
}

#[test]
fn a_check_by_prior_knowledge_is_an_http2_request_on_a_connection_of_its_own() {
    let server = Server::start(|_, mut connection| {
        if connection.open(&[]).is_err() {
            return;
        }
        while let Ok((stream, fields, _)) = connection.request(Deadline::soon()) {
            let path = field(&fields, ":path").unwrap_or_default().to_vec();
            let status = if path == b"/healthz" || path == b"/" { "200" } else { "404" };
            connection.head(stream, status, &[], true);
        }
    });
    let scene = Scene::start(&[server.address()], &format!("protocol: http2, {}", health("interval: 100ms")));
    scene.until_healthy(server.address(), true);
    for wire in Wire::ALL {
        assert_eq!(scene.status(*wire), 200);
    }
    let before = server.closed();
    Deadline::soon().poll("checks close their connections", || (server.closed() >= before + 3).then_some(()));
    assert!(scene.is_healthy(server.address()));
    // The same path does not do where it is not found.
    let lost = Scene::start(&[server.address()], "protocol: http2, health: { path: /nowhere, timeout: 10s }");
    lost.until_healthy(server.address(), false);
}

/// A TLS backend that speaks both versions of HTTP: a gateway before a recorder.
fn over_tls(recorder: &Recorder, authority: &Authority) -> Gateway {
    let config = r#"version: 1
state: none
listeners:
  public:
    bind: 127.0.0.1:0
    protocols: PROTOCOLS
    tls: { certificates: [{ cert: "${file:api.crt}", key: "${file:api.key}" }] }
backends: { recorder: { targets: ["http://BACKEND"] } }
apis: { open: { backend: recorder, auth: none, operations: { all: { match: "* /{rest*}" } } } }
"#;
    let pair = authority.server(&["127.0.0.1"]);
    let config = config.replace("BACKEND", &recorder.address().to_string());
    Builder::new(executable(), config.replace("PROTOCOLS", "[http1, http2]"))
        .file("api.crt", pair.certificate)
        .file("api.key", pair.key)
        .start()
}

#[test]
fn a_check_over_tls_trusts_whom_requests_trust_and_speaks_what_they_speak() {
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    for protocol in ["http1", "auto", "http2"] {
        let (good, bad) = (Recorder::start(), Recorder::start());
        let (good_door, bad_door) = (over_tls(&good, &ours), over_tls(&bad, &theirs));
        let other = Recorder::start();
        let [good_at, bad_at] = [&good_door, &bad_door].map(|door| door.address("public"));
        let settings = format!(
            "protocol: {protocol}, tls: {{ ca: \"${{file:ca.pem}}\" }}, {}",
            health("interval: 200ms")
        );
        let config = config(&[good_at, bad_at], other.address(), &settings);
        let config = config.replace(&format!("http://{good_at}"), &format!("https://{good_at}"));
        let config = config.replace(&format!("http://{bad_at}"), &format!("https://{bad_at}"));
        let gateway = Builder::new(executable(), config).file("ca.pem", ours.pem()).start();
        let scene = Scene { other, gateway };
        let line = scene.gateway.log("the one nobody vouches for is left out", |line| {
            line["message"] == "a target fails its health checks and is left out"
        });
        assert_eq!(line["target"], format!("https://{bad_at}"), "{protocol}");
        assert!(line["reason"].as_str().is_some_and(|reason| reason.contains("certificate")), "{line}");
        // The first check of the other may still be under way.
        good.expect("a check", is_check);
        for wire in Wire::ALL {
            for _ in 0..6 {
                assert_eq!(scene.status(*wire), 200, "{protocol}");
            }
        }
        let version = if protocol == "http1" { "1.1" } else { "2" };
        let record = good_door.record("the check's record", |record| record["url.path"] == "/healthz");
        assert_eq!(record["network.protocol.version"], version, "{protocol}");
        assert_eq!(record["tls.protocol.version"], "1.3");
        assert!(bad.messages().is_empty(), "nothing is said to it");
        // And when the good one falls ill, it is found out over TLS, too.
        good.on("/healthz", ill());
        Deadline::soon().poll("it is left out", || (scene.status(Wire::Http1) == 503).then_some(()));
    }
}
