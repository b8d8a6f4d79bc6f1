//! Change without loss: reloads and drains under steady load of every wire, of which no request and no message is lost.
//!
//! Always in a short form; `PORTCULLIS_WHOLE=1` asks for the whole one, which wants a quiet machine and a release build:
//!
//! ```console
//! $ PORTCULLIS_WHOLE=1 PORTCULLIS_EXECUTABLE=target/release/portcullis \
//!     cargo test -p portcullis --test it without_loss -- --nocapture --test-threads 1
//! ```

use std::path::Path;

use portcullis_testkit::gateway::Builder;
use portcullis_testkit::load::{Backend, Load, Plan, Tally};
use portcullis_testkit::{Deadline, Gateway, Request, Wire};
use tempfile::TempDir;

use crate::stage::executable;

/// What carries the load is never edited; `varied` is. `BACKEND` and `OPERATION` are filled in.
const CONFIG: &str = r#"version: 1
admin: { probes: 127.0.0.1:0 }
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
