//! Change without loss: reloads, drains and new certificates under steady load of every wire, of which no request and no
//! message is lost; and a kill at any moment, after which the last good configuration serves.
//!
//! Always in a short form; `PORTCULLIS_WHOLE=1` asks for the whole one, which wants a quiet machine and a release build
//! (`docs/testing.md`).

use std::path::Path;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use portcullis_admin::client;
use portcullis_testkit::certificates::Authority;
use portcullis_testkit::gateway::{Builder, Signal};
use portcullis_testkit::load::{Backend, Load, Plan, Tally};
use portcullis_testkit::{Deadline, Gateway, Request, Stopwatch, Wire};
use tempfile::TempDir;

use crate::stage::executable;

/// What carries the load is never edited; `varied` is. `BACKEND` and `OPERATION` are filled in.
const CONFIG: &str = r#"version: 1
admin: { probes: 127.0.0.1:0 }
bounds: { requests_per_connection: 1000000000 }
telemetry: { access_log: off }
listeners: { public: { bind: 127.0.0.1:0, protocols: [http1, http2] } }
backends: { load: { targets: ["http://BACKEND"] } }
apis:
  load:
    base_path: /load
    backend: load
    auth: none
    operations:
      number: { match: "GET /{number}" }
      socket: { match: "GET /socket", stream: websocket }
  varied: { base_path: /varied, backend: load, auth: none, operations: { only: { match: "GET /OPERATION" } } }
"#;

/// Whether the whole judgement was asked for, or the short form that always runs.
fn is_whole() -> bool {
    std::env::var_os("PORTCULLIS_WHOLE").is_some()
}

/// Requests and messages a second.
fn rate() -> u32 {
    let asked = std::env::var("PORTCULLIS_RATE").ok().and_then(|rate| rate.parse().ok());
    asked.unwrap_or(if is_whole() { 2_000 } else { 150 })
}

fn config(backend: &Backend, operation: &str) -> String {
    CONFIG.replace("BACKEND", &backend.address().to_string()).replace("OPERATION", operation)
}

fn start(state: &Path, config: &str) -> Gateway {
    Builder::new(executable(), config).argument("--state-dir").argument(state.display().to_string()).start()
}

/// A figure of a judgement, for people.
#[expect(clippy::print_stderr, reason = "it stands beside what else a test says")]
fn tell(figure: &str) {
    eprintln!("{figure}");
}

/// Ends a load of which nothing may have failed.
fn judged(what: &str, load: Load) -> Tally {
    let took = load.elapsed();
    let tally = load.stop();
    tell(&format!("{what}, {took:.1?} at {} a second: {tally}", rate()));
    assert_eq!((tally.failed(), tally.sent), (0, tally.echoed), "{what}: {tally}");
    tally
}

/// A gateway that is edited under load.
struct Scene {
    gateway: Gateway,
    backend: Backend,
    state: TempDir,
}

impl Scene {
    fn start() -> Self {
        let state = TempDir::new().expect("a folder");
        let backend = Backend::start();
        let gateway = start(state.path(), &config(&backend, "first"));
        Self { gateway, backend, state }
    }

    /// Exit code and what was said of this candidate.
    fn apply(&self, candidate: &str) -> (Option<i32>, String) {
        self.gateway.write("candidate.yaml", candidate);
        let socket = self.state.path().join("admin.sock").display().to_string();
        let output = self.gateway.run(&executable(), &["apply", "candidate.yaml", "--socket", &socket]);
        let said = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8_lossy(&said).into_owned())
    }

    fn probe(&self, path: &str) -> String {
        let answer = Wire::Http1.send(self.gateway.probes(), &Request::get(path));
        assert_eq!(answer.status, 200, "{answer:?}");
        String::from_utf8_lossy(&answer.body).into_owned()
    }

    fn is_published(&self, operation: &str) -> bool {
        let answer =
            Wire::Http1.send(self.gateway.address("public"), &Request::get(format!("/varied/{operation}")));
        answer.status == 200
    }

    /// A valid edit takes effect.
    fn edit(&self, round: usize) {
        let (new, old) = if round.is_multiple_of(2) { ("second", "first") } else { ("first", "second") };
        let (code, said) = self.apply(&format!("{}# {round}\n", config(&self.backend, new)));
        assert_eq!(code, Some(0), "round {round}: {said}");
        assert!(self.is_published(new) && !self.is_published(old), "round {round}");
        assert!(self.probe("/metrics").contains("portcullis_config_last_reload_success 1\n"));
        assert!(!self.probe("/readyz").contains("failed"), "round {round}");
    }

    /// An invalid edit changes nothing and is told everywhere.
    fn edit_badly(&self, round: usize) {
        let good = config(&self.backend, "third");
        let missing = format!("nowhere-{round}");
        let bad = match round % 4 {
            0 => good.replace("backend: load, auth", &format!("backend: {missing}, auth")),
            1 => good
                .replace("auth: none, operations: { only", &format!("auth: {missing}, operations: {{ only")),
            2 => format!("{good}{missing}: true\n"),
            _ => good.replace("apis:", &format!("apis: {{{missing}\n")),
        };
        let (code, said) = self.apply(&bad);
        assert_eq!(code, Some(1), "round {round}: {said}");
        let reason = said.lines().find(|line| line.starts_with("portcullis.yaml:")).expect("a reason");
        assert!(said.contains("refused: "), "{said}");
        assert!(!self.is_published("third"), "round {round}");
        assert!(self.probe("/metrics").contains("portcullis_config_last_reload_success 0\n"));
        let detail = self.probe("/readyz");
        assert!(detail.contains("last reload failed: ") && detail.contains(reason), "{reason}: {detail}");
        self.gateway.log("the reason", |line| {
            line["fields"]["reason"]
                .as_str()
                .or(line["reason"].as_str())
                .is_some_and(|told| told.contains(reason))
        });
    }
}

#[test]
fn valid_and_invalid_reloads_under_load_fail_nothing() {
    let rounds = if is_whole() { 100 } else { 8 };
    let scene = Scene::start();
    let load = Plan::to([scene.gateway.address("public")]).mixed(rate()).start();
    load.more_good(50, Deadline::soon());
    let mut warm = 0;
    for round in 0..rounds {
        scene.edit(round);
        scene.edit_badly(round);
        load.more_good(1, Deadline::soon());
        if round == rounds / 4 {
            warm = scene.gateway.usage().memory;
        }
    }
    let alive = "portcullis_snapshots_alive 1\n";
    Deadline::soon().poll("one snapshot", || scene.probe("/metrics").contains(alive).then_some(()));
    let memory = scene.gateway.usage().memory;
    let tally = judged(&format!("{rounds} valid and {rounds} invalid reloads"), load);
    assert_eq!((tally.resent, tally.moved, tally.crossed), (0, 0, 0), "no connection ended: {tally}");
    assert_eq!(scene.backend.repeated(), 0, "each was asked once");
    tell(&format!("memory after a quarter and at the end: {} and {} KiB", warm >> 10, memory >> 10));
    assert!(memory <= warm + warm / 8 + (4 << 20), "memory is flat: {warm}, then {memory}");
}

/// One gateway after the other takes the load over and drains, as in a rolling restart: balancers send new clients to the
/// next one, then the old one is told to end.
#[test]
fn drains_under_load_fail_nothing() {
    let rounds = if is_whole() { 20 } else { 3 };
    let backend = Backend::start();
    let state = TempDir::new().expect("a folder");
    let config = config(&backend, "first").replace("bounds: {", "bounds: { drain: 60s,");
    let next = |round: usize| start(&state.path().join(round.to_string()), &config);
    let mut running = next(0);
    let load = Plan::to([running.address("public")]).mixed(rate()).start();
    let mut slowest = Duration::ZERO;
    for round in 1..=rounds {
        load.more_good(20, Deadline::soon());
        let mut old = std::mem::replace(&mut running, next(round));
        load.go_to([running.address("public")]);
        let drain = Stopwatch::start();
        old.signal(Signal::Term);
        assert_eq!(old.wait(Deadline::after(Duration::from_secs(60))).code(), Some(0), "round {round}");
        slowest = slowest.max(drain.elapsed());
    }
    load.more_good(20, Deadline::soon());
    let tally = judged(&format!("{rounds} drains, the slowest {slowest:.1?}"), load);
    assert!(tally.moved > 0, "connections were told to end: {tally}");
    assert_eq!(backend.cut(), 0, "each WebSocket was closed properly toward the backend");
}

/// The server's certificate is replaced while new connections come: none fails, and what comes later bears the new one.
#[test]
fn certificates_are_renewed_under_load() {
    let rounds = if is_whole() { 20 } else { 2 };
    let backend = Backend::start();
    let authority = Authority::new("tests");
    let config = config(&backend, "first").replace("admin: {", "state: none\nadmin: {").replace(
        "protocols: [http1, http2] }",
        "protocols: [http1, http2], tls: { certificates: [{ cert: \"${file:gw.crt}\", key: \"${file:gw.key}\" }] } }",
    );
    let pair = authority.server(&["gw.test"]);
    let gateway =
        Builder::new(executable(), config).file("gw.crt", pair.certificate).file("gw.key", pair.key).start();
    let load = Plan::to([gateway.address("public")]).tls(&authority.pem(), "gw.test");
    let rate = rate() / 4;
    let load = load.fresh(rate, 2).kept(rate, 2).http2(rate, 1).sockets(rate / 4, 1).start();
    load.more_good(20, Deadline::soon());
    let (mut latest, mut slowest) = (load.tally().certificate, Duration::ZERO);
    for round in 0..rounds {
        let pair = authority.server(&["gw.test"]);
        let mark = gateway.stderr().mark();
        gateway.write("gw.crt", &pair.certificate);
        if round % 2 == 0 {
            // Torn: what has no key of its own is refused, and the last good pair serves on.
            let refused = "configuration not reloaded";
            gateway.stderr().expect_since(mark, refused, |line| line.contains(refused).then_some(()));
            load.more_good(20, Deadline::soon());
            assert_eq!(load.tally().certificate, latest, "round {round}");
        }
        gateway.write("gw.key", &pair.key);
        let renewal = Stopwatch::start();
        Deadline::soon().poll("the new certificate", || (load.tally().certificate != latest).then_some(()));
        slowest = slowest.max(renewal.elapsed());
        latest = load.tally().certificate;
    }
    let tally = judged(&format!("{rounds} renewals, the slowest seen after {slowest:.1?}"), load);
    assert_eq!(
        (tally.resent, tally.moved, tally.crossed),
        (0, 0, 0),
        "a renewal ends no connection: {tally}"
    );
}

/// What a gateway that is killed may serve afterwards: what it last said was in force, or what it was just asked for.
#[derive(Debug, Default)]
struct Promised {
    good: String,
    asked: Option<String>,
}

#[test]
fn a_kill_under_load_leaves_what_was_last_in_force() {
    let rounds = if is_whole() { 50 } else { 4 };
    let state = TempDir::new().expect("a folder");
    let backend = Backend::start();
    let broken = config(&backend, "first").replace("auth: none", "auth: nobody");
    // Its probes listen once its first configuration is kept.
    let _ = start(state.path(), &config(&backend, "first")).probes();
    let promised = Mutex::new(Promised { good: "first".to_owned(), asked: None });
    let (mut slowest, mut changes, mut load) = (Duration::ZERO, 0, None::<Load>);
    for round in 0..rounds {
        let starting = Stopwatch::start();
        let gateway = Builder::new(executable(), &*broken)
            .argument("--state-dir")
            .argument(state.path().display().to_string())
            .argument("--or-last-good")
            .start();
        slowest = slowest.max(starting.elapsed());
        let address = gateway.address("public");
        let is_served = |operation: &str| {
            Wire::Http1.send(address, &Request::get(format!("/varied/{operation}"))).status == 200
        };
        {
            let mut promised = promised.lock().expect("no panic");
            let asked = promised.asked.take().filter(|asked| is_served(asked));
            match asked {
                Some(asked) => promised.good = asked,
                None => assert!(is_served(&promised.good), "round {round}: {promised:?}"),
            }
        }
        let load = load.get_or_insert_with(|| Plan::to([address]).mixed(rate()).start());
        load.go_to([address]);
        load.more_good(5, Deadline::soon());
        thread::scope(|scope| {
            let changing =
                scope.spawn(|| change_on(&state.path().join("admin.sock"), &backend, round, &promised));
            let begun = || promised.lock().expect("no panic").asked.is_some();
            Deadline::soon().poll("a change", || begun().then_some(()));
            // Another moment each time, and not the same ones in each run.
            thread::sleep(Duration::from_micros(round * 1_300 + u64::from(gateway.pid() % 997) * 100));
            gateway.signal(Signal::Kill);
            changes += changing.join().expect("it ends");
        });
    }
    let tally = load.expect("at least one round").stop();
    tell(&format!("{rounds} kills during {changes} changes, the slowest start {slowest:.2?}: {tally}"));
    assert!(tally.wrong.is_empty() && tally.mistaken == 0, "what was answered was answered right: {tally}");
    assert!(slowest < Duration::from_secs(if is_whole() { 1 } else { 10 }), "{slowest:?}");
}

/// Applies, confirms and goes back until nobody answers; gives how often that was promised.
fn change_on(socket: &Path, backend: &Backend, round: u64, promised: &Mutex<Promised>) -> u64 {
    let call = |path: &str, body: &str| {
        let answer = client::call(socket, "POST", &format!("/api/v1/{path}"), body.as_bytes());
        answer.is_ok_and(|answer| answer.status == 200)
    };
    let ask = |good: &str| promised.lock().expect("no panic").asked = Some(good.to_owned());
    let keep = |good: &str| promised.lock().expect("no panic").good = good.to_owned();
    let mut done = 0;
    loop {
        let (one, two) = (format!("r{round}n{done}"), format!("r{round}n{done}c"));
        ask(&one);
        if !call("apply", &config(backend, &one)) {
            return done;
        }
        keep(&one);
        // What waits to be confirmed is not promised, and not kept, until it is confirmed.
        if !call("apply?confirm_ms=60000", &config(backend, &two)) {
            return done;
        }
        ask(&two);
        if !call("confirm", "") {
            return done;
        }
        keep(&two);
        ask(&one);
        if !call("rollback", "") {
            return done;
        }
        keep(&one);
        done += 1;
    }
}
