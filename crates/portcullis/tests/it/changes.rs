//! `diff`, `apply`, `confirm`, `rollback` and `run --or-last-good`: changes that take effect whole, go back, and survive
//! a crash at any moment.

use std::fs;
use std::path::Path;
use std::process::Output;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use portcullis_admin::client;
use portcullis_testkit::gateway::{Builder, Signal};
use portcullis_testkit::{Deadline, Gateway, Request, Wire};
use serde_json::Value;
use tempfile::TempDir;

use crate::stage::{executable, text};

/// `OPERATION` is filled in; nothing listens at the backend, and a published operation answers 502.
const CONFIG: &str = r#"version: 1
admin: { probes: 127.0.0.1:0 }
listeners: { public: { bind: 127.0.0.1:0 } }
backends: { shop: { targets: ["http://127.0.0.1:1"] } }
apis: { shop: { backend: shop, auth: none, operations: { only: { match: "GET /OPERATION" } } } }
"#;

fn config(operation: &str) -> String {
    CONFIG.replace("OPERATION", operation)
}

/// A gateway that publishes `/first`, with its state in `state`.
fn start(state: &Path, config: &str, more: &[&str]) -> Gateway {
    let builder =
        Builder::new(executable(), config).argument("--state-dir").argument(state.display().to_string());
    let builder = builder.argument("--workers").argument("1");
    more.iter().fold(builder, |builder, argument| builder.argument(*argument)).start()
}

struct Scene {
    gateway: Gateway,
    state: TempDir,
}

impl Scene {
    fn start() -> Self {
        let state = TempDir::new().expect("a folder");
        Self { gateway: start(state.path(), &config("first"), &[]), state }
    }

    /// Exit code and everything that was printed.
    fn run(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let socket = self.state.path().join("admin.sock").display().to_string();
        said(&self.gateway.run(&executable(), &[arguments, &["--socket", &socket]].concat()))
    }

    /// Sends this configuration.
    fn apply(&self, text: &str, more: &[&str]) -> (Option<i32>, String) {
        self.gateway.write("candidate.yaml", text);
        self.run(&[&["apply", "candidate.yaml"], more].concat())
    }

    /// The one operation that is published.
    fn published(&self) -> &'static str {
        published(&self.gateway)
    }

    fn ready(&self) -> String {
        let answer = Wire::Http1.send(self.gateway.probes(), &Request::get("/readyz"));
        assert_eq!(answer.status, 200, "what runs is ready");
        String::from_utf8_lossy(&answer.body).into_owned()
    }

    fn counts(&self, line: &str) -> bool {
        self.gateway.metrics().lines().any(|one| one == line)
    }

    fn hash(&self) -> String {
        let status: Value = serde_json::from_str(&self.run(&["status", "--json"]).1).expect("JSON");
        status["config"]["hash"].as_str().expect("a hash").to_owned()
    }
}

fn published(gateway: &Gateway) -> &'static str {
    let names = ["first", "second", "third"];
    let is = |name: &&&str| {
        Wire::Http1.send(gateway.address("public"), &Request::get(format!("/{name}"))).status != 404
    };
    let mut found = names.iter().filter(is);
    let one = found.next().expect("an operation");
    assert_eq!(found.next(), None);
    one
}

fn said(output: &Output) -> (Option<i32>, String) {
    (output.status.code(), text(output))
}

const GOOD: &str = "portcullis_config_last_reload_success 1";
const FAILED: &str = "portcullis_config_last_reload_success 0";

#[test]
fn a_candidate_takes_effect_whole_or_not_at_all() {
    let scene = Scene::start();
    let (code, text) = scene.apply(&config("second"), &[]);
    assert_eq!((code, scene.published()), (Some(0), "second"), "{text}");
    assert!(text.contains("own file is as it was"), "{text}");
    for broken in [
        config("third").replace("auth: none", "auth: nobody"),
        config("third").replace("backend: shop", "backend: nowhere"),
        config("third").replace("127.0.0.1:0 }\nlisteners", "127.0.0.1:9 }\nlisteners"),
        config("third")
            .replace("bind: 127.0.0.1:0 } }", "bind: 127.0.0.1:0 }, more: { bind: 192.0.2.1:9 } }"),
    ] {
        let (code, text) = scene.apply(&broken, &[]);
        assert_eq!((code, scene.published()), (Some(1), "second"), "{text}");
        assert!(text.contains("refused: "), "{text}");
        let reason = text.lines().next().expect("a reason");
        assert!(scene.ready().contains("last reload failed: "), "{}", scene.ready());
        assert!(scene.run(&["status"]).1.contains(reason), "{reason}");
        assert!(scene.counts(FAILED));
        scene.gateway.log("the reason", |line| line.to_string().contains("configuration not reloaded"));
    }
    let (code, text) = scene.run(&["apply"]);
    assert_eq!((code, scene.published()), (Some(0), "first"), "the file anew: {text}");
    assert!(scene.counts(GOOD) && !scene.ready().contains("failed"));
    let (code, text) = scene.apply("", &[]);
    assert_eq!(code, Some(2), "{text}");
}

#[test]
fn what_is_not_confirmed_goes_back_by_itself() {
    let scene = Scene::start();
    let first = scene.hash();
    let (code, text) = scene.apply(&config("second"), &["--confirm", "2s"]);
    assert_eq!((code, scene.published()), (Some(0), "second"), "{text}");
    assert!(scene.ready().contains("waits to be confirmed until "), "{}", scene.ready());
    let (code, text) = scene.apply(&config("third"), &[]);
    assert_eq!((code, scene.published()), (Some(1), "second"), "one at a time: {text}");
    assert!(text.contains("waits to be confirmed"), "{text}");
    Deadline::soon().poll("the way back", || (scene.hash() == first).then_some(()));
    assert_eq!(scene.published(), "first");
    assert!(scene.ready().contains("was not confirmed in time"), "{}", scene.ready());
    assert!(scene.counts(FAILED));
    let (code, text) = scene.run(&["confirm"]);
    assert_eq!(code, Some(1), "too late: {text}");
    assert!(text.contains("nothing waits"), "{text}");
}

#[test]
fn what_is_confirmed_stays() {
    let scene = Scene::start();
    assert_eq!(scene.apply(&config("second"), &["--confirm", "1s"]).0, Some(0));
    let (code, text) = scene.run(&["confirm"]);
    assert_eq!(code, Some(0), "{text}");
    assert!(!scene.ready().contains("waits"), "{}", scene.ready());
    // Longer than it would have waited.
    thread::sleep(Duration::from_millis(1200));
    assert_eq!(scene.published(), "second");
    // Nobody need wait for the way back.
    assert_eq!(scene.apply(&config("third"), &["--confirm", "1h"]).0, Some(0));
    assert_eq!(scene.run(&["rollback"]).0, Some(0));
    assert_eq!(scene.published(), "second");
    for time in ["0s", "2d", "soon"] {
        assert_eq!(scene.apply(&config("third"), &["--confirm", time]).0, Some(2), "{time}");
    }
}

#[test]
fn a_rollback_goes_to_what_was_before_or_to_what_is_kept() {
    let scene = Scene::start();
    let (code, text) = scene.run(&["rollback"]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("nothing ran before"), "{text}");
    let first = scene.hash();
    assert_eq!(scene.apply(&config("second"), &[]).0, Some(0));
    let second = scene.hash();
    assert_eq!(scene.apply(&config("third"), &[]).0, Some(0));
    assert_eq!((scene.run(&["rollback"]).0, scene.published()), (Some(0), "second"));
    assert_eq!((scene.run(&["rollback", &first[..12]]).0, scene.published()), (Some(0), "first"));
    let (code, text) = scene.run(&["rollback", "0123456789"]);
    assert_eq!((code, scene.published()), (Some(1), "first"), "{text}");
    assert_eq!(scene.run(&["rollback", "what?"]).0, Some(2));
    let (_, list) = scene.run(&["rollback", "--list"]);
    let lines: Vec<&str> = list.lines().collect();
    assert_eq!(lines.len(), 5, "first, second, third, second, first: {list}");
    assert!(lines[0].starts_with(&first) && lines[0].ends_with(", in force"), "{list}");
    assert!(lines[1].starts_with(&second), "{list}");
}

#[test]
fn diff_shows_what_would_change() {
    let scene = Scene::start();
    let diff = |text: &str, more: &[&str]| {
        scene.gateway.write("candidate.yaml", text);
        scene.run(&[&["diff", "candidate.yaml"], more].concat())
    };
    assert_eq!(scene.run(&["diff"]), (Some(0), String::new()), "the file is what runs");
    let (code, text) = diff(&config("second"), &[]);
    assert_eq!(code, Some(1), "{text}");
    for part in [
        "apis.shop.operations.only.match: \"GET /first\" -> \"GET /second\"",
        "+ operation GET /second (shop/only)",
        "- operation GET /first (shop/only)",
    ] {
        assert!(text.contains(part), "`{part}` is not in: {text}");
    }
    let (code, text) = diff(&(config("first") + "telemetry: { incidents: off }\n"), &["--json"]);
    let json: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(code, Some(1));
    assert_eq!(
        (&json["changes"][0]["kind"], &json["changes"][0]["path"]),
        (&"added".into(), &"telemetry".into())
    );
    let (code, text) = diff(&config("second").replace("auth: none", "auth: nobody"), &[]);
    assert_eq!(code, Some(2), "{text}");
    assert_eq!(scene.published(), "first", "nothing was applied");
    assert!(scene.counts(GOOD), "and nothing failed");
}

#[test]
fn a_broken_file_starts_from_last_good_only_where_that_is_wished() {
    let scene = Scene::start();
    let state = scene.state.path().to_owned();
    assert_eq!(scene.apply(&config("second"), &[]).0, Some(0));
    assert_eq!(scene.apply(&config("third"), &["--confirm", "1h"]).0, Some(0));
    let Scene { gateway, state: _state } = scene;
    gateway.signal(Signal::Kill);
    drop(gateway);
    let broken = config("first").replace("auth: none", "auth: nobody");
    let state_dir = state.display().to_string();
    let refused = Builder::new(executable(), broken.clone()).run(&["run", "--state-dir", &state_dir]);
    assert_eq!(said(&refused).0, Some(2));
    let gateway = start(&state, &broken, &["--or-last-good"]);
    assert_eq!(published(&gateway), "second", "what was not confirmed was never good");
    let ready = Wire::Http1.send(gateway.probes(), &Request::get("/readyz"));
    let detail = String::from_utf8_lossy(&ready.body).into_owned();
    assert!(ready.status == 200 && detail.contains("last reload failed: "), "{detail}");
    gateway.reconfigure(&config("first"));
    gateway.signal(Signal::Hup);
    gateway.log("the reload", |line| line.to_string().contains("configuration reloaded"));
    assert_eq!(published(&gateway), "first", "a mended file counts again");
}

#[test]
fn a_kill_at_any_moment_leaves_what_starts() {
    const ROUNDS: u64 = 12;
    let state = TempDir::new().expect("a folder");
    let broken = config("first").replace("auth: none", "auth: nobody");
    // Its probes listen once its first configuration is kept.
    let _ = start(state.path(), &config("first"), &[]).probes();
    for round in 0..ROUNDS {
        let begun = Instant::now();
        let gateway = start(state.path(), &broken, &["--or-last-good"]);
        assert!(begun.elapsed() < Duration::from_secs(5), "round {round}: {:?}", begun.elapsed());
        let name = published(&gateway);
        assert!(name == "first" || name == "second", "round {round}: {name}");
        let socket = state.path().join("admin.sock");
        let changes = AtomicUsize::new(0);
        thread::scope(|scope| {
            let changing = scope.spawn(|| {
                for (number, operation) in ["second", "first"].iter().cycle().enumerate() {
                    let text = format!("{}# {round} {number}\n", config(operation));
                    if client::call(&socket, "POST", "/api/v1/apply", text.as_bytes()).is_err() {
                        return;
                    }
                    changes.fetch_add(1, Ordering::Relaxed);
                }
            });
            Deadline::soon().poll("changes", || (changes.load(Ordering::Relaxed) > 0).then_some(()));
            // Another moment each time, and not the same ones in each run.
            let moment = Duration::from_micros(round * 1_700 + u64::from(gateway.pid() % 997));
            thread::sleep(moment);
            gateway.signal(Signal::Kill);
            changing.join().expect("it ends");
        });
    }
    let unfinished = |name: &str| !name.ends_with(".json");
    let gateway = start(state.path(), &broken, &["--or-last-good"]);
    let names = fs::read_dir(state.path().join("revisions")).expect("a folder");
    let names: Vec<String> =
        names.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    assert!(names.len() <= 11 && !names.iter().any(|name| unfinished(name)), "{names:?}");
    drop(gateway);
}
