//! The configuration changes under load: what is valid takes effect, what is not changes nothing, nobody notices.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use portcullis_testkit::gateway::{Builder, Signal};
use portcullis_testkit::raw::{Client, End};
use portcullis_testkit::recorder::Gate;
use portcullis_testkit::{Deadline, Gateway, Recorder, Reply, Request, Response, Wire};

use crate::stage::executable;

const CONFIG: &str = r#"version: 1
state: none
admin: { probes: 127.0.0.1:0 }
listeners:
  public: { bind: 127.0.0.1:0 }
backends:
  one: { targets: ["http://ONE"] }
  two: { targets: ["http://TWO"] }
apis:
  steady:
    listen: [public]
    base_path: /steady
    backend: one
    auth: none
    operations: { get: { match: "GET /{rest*}" } }
  varied:
    listen: [public]
    base_path: /varied
    backend: two
    auth: none
    operations:
      first: { match: "GET /first" }
"#;

/// A gateway on one core, before two backends.
struct Scene {
    gateway: Gateway,
    one: Recorder,
    two: Recorder,
}

impl Scene {
    fn start() -> Self {
        let (one, two) = (Recorder::start(), Recorder::start());
        let config = filled(CONFIG, &one, &two);
        let gateway = Builder::new(executable(), config).argument("--workers").argument("1").start();
        Self { gateway, one, two }
    }

    /// Writes this configuration and nothing else.
    fn edit(&self, config: &str) {
        self.gateway.reconfigure(&filled(config, &self.one, &self.two));
    }

    /// Writes this configuration, says so, and waits until it is `taken` or not.
    fn apply(&self, config: &str, taken: bool) {
        let mark = self.gateway.stderr().mark();
        self.edit(config);
        self.gateway.signal(Signal::Hup);
        let wanted = if taken { "configuration reloaded" } else { "configuration not reloaded" };
        self.gateway.stderr().expect_since(mark, wanted, |line| line.contains(wanted).then_some(()));
    }

    fn get(&self, target: &str) -> Response {
        Wire::Http1.send(self.gateway.address("public"), &Request::get(target))
    }

    fn probe(&self, path: &str) -> Response {
        Wire::Http1.send(self.gateway.probes(), &Request::get(path))
    }

    /// Whether the metrics have this line.
    fn counts(&self, line: &str) -> bool {
        let answer = self.probe("/metrics");
        String::from_utf8_lossy(&answer.body).lines().any(|one| one == line)
    }

    /// The latest address that `listener` was bound to.
    fn address(&self, listener: &str) -> SocketAddr {
        let lines = self.gateway.stderr().all();
        let found = lines.iter().rev().find_map(|line| {
            let line: serde_json::Value = serde_json::from_str(line).ok()?;
            let fields = line.get("fields").unwrap_or(&line);
            (fields.get("listener")? == listener).then(|| fields.get("address")?.as_str()?.parse().ok())?
        });
        found.expect("it listens")
    }
}

fn filled(config: &str, one: &Recorder, two: &Recorder) -> String {
    config.replace("ONE", &one.address().to_string()).replace("TWO", &two.address().to_string())
}

fn second() -> String {
    CONFIG.replace(r#"first: { match: "GET /first" }"#, r#"second: { match: "GET /second" }"#)
}

#[test]
fn an_edited_file_is_noticed_and_served() {
    let scene = Scene::start();
    assert_eq!((scene.get("/varied/first").status, scene.get("/varied/second").status), (200, 404));
    scene.edit(&second());
    scene.gateway.log("the reload", |line| line.to_string().contains("configuration reloaded"));
    assert_eq!((scene.get("/varied/first").status, scene.get("/varied/second").status), (404, 200));
}

#[test]
fn what_does_not_load_changes_nothing_and_is_told() {
    let scene = Scene::start();
    assert!(scene.counts("portcullis_config_last_reload_success 1"));
    for broken in [
        CONFIG.replace("auth: none", "auth: nobody"),
        CONFIG.replace("backend: two", "backend: three"),
        CONFIG.replace("version: 1", "version: [1"),
        String::new(),
    ] {
        scene.apply(&broken, false);
        assert_eq!(scene.get("/varied/first").status, 200);
        let ready = scene.probe("/readyz");
        let detail = String::from_utf8_lossy(&ready.body).into_owned();
        assert_eq!(ready.status, 200, "what runs is ready");
        assert!(detail.contains("last reload failed: "), "{detail}");
        assert!(scene.counts("portcullis_config_last_reload_success 0"));
    }
    let told = scene.gateway.log("the reason", |line| line.to_string().contains("three"));
    assert!(told.to_string().contains("portcullis.yaml:"), "with its place: {told}");
    scene.apply(&second(), true);
    assert!(scene.counts("portcullis_config_last_reload_success 1"));
    let detail = String::from_utf8_lossy(&scene.probe("/readyz").body).into_owned();
    assert!(!detail.contains("failed"), "{detail}");
}

/// Asks again and again, on one connection and on new ones, until told to stop; gives what went wrong.
fn load(public: SocketAddr, stop: Arc<AtomicBool>, asked: Arc<AtomicUsize>) -> Option<String> {
    let mut kept = Client::connect(public);
    let request = Request::get("/steady");
    while !stop.load(Ordering::Relaxed) {
        kept.send(request.http1());
        let on_kept = kept.response("GET", Deadline::soon());
        let on_new = Wire::Http1.try_send(public, &request);
        for answer in [on_kept, on_new] {
            match answer {
                Ok(answer) if answer.status == 200 => {}
                other => return Some(format!("{other:?}")),
            }
            asked.fetch_add(1, Ordering::Relaxed);
        }
    }
    None
}

#[test]
fn forty_edits_under_load_fail_no_request() {
    let scene = Scene::start();
    let (stop, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let loading = {
        let (public, stop, asked) = (scene.gateway.address("public"), Arc::clone(&stop), Arc::clone(&asked));
        thread::spawn(move || load(public, stop, asked))
    };
    for round in 0..20 {
        scene.apply(
            &CONFIG.replace("steady:", "steady: # edited").replace("backend: two", "backend: nowhere"),
            false,
        );
        let valid = if round % 2 == 0 { second() } else { CONFIG.to_owned() };
        scene.apply(&format!("{valid}# {round}\n"), true);
        let open = if round % 2 == 0 { "/varied/second" } else { "/varied/first" };
        assert_eq!(scene.get(open).status, 200, "round {round}");
    }
    stop.store(true, Ordering::Relaxed);
    assert_eq!(loading.join().expect("the load ends"), None);
    assert!(asked.load(Ordering::Relaxed) >= 40, "there was load: {asked:?}");
    Deadline::soon()
        .poll("one snapshot in memory", || scene.counts("portcullis_snapshots_alive 1").then_some(()));
}

#[test]
fn an_edit_that_is_asked_for_is_read_once() {
    let scene = Scene::start();
    let told = |what: &str| scene.gateway.stderr().all().iter().filter(|line| line.contains(what)).count();
    scene.apply(&CONFIG.replace("backend: two", "backend: three"), false);
    // Long enough for the watcher to see the same edit in two looks.
    thread::sleep(std::time::Duration::from_millis(1700));
    assert_eq!(told("configuration not reloaded"), 1);
    scene.apply(&second(), true);
    thread::sleep(std::time::Duration::from_millis(1700));
    assert_eq!((told("configuration not reloaded"), told("configuration reloaded")), (1, 1));
    scene.gateway.signal(Signal::Hup);
    Deadline::soon().poll("a second try", || (told("configuration reloaded") == 2).then_some(()));
}

#[test]
fn listeners_come_move_and_go() {
    let scene = Scene::start();
    let more = |bind: &str| {
        CONFIG
            .replace("apis:", "apis:\n  more: { listen: [more], backend: two, auth: none, operations: { all: { match: \"* /{rest*}\" } } }")
            .replace("backends:", &format!("  more: {{ bind: \"{bind}\" }}\nbackends:"))
    };
    scene.apply(&more("127.0.0.1:0"), true);
    let first = scene.address("more");
    let mut kept = Client::connect(first);
    kept.send(Request::get("/1").http1());
    assert_eq!(kept.response("GET", Deadline::soon()).expect("an answer").status, 200);

    let free = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    scene.apply(&more(&free.to_string()), true);
    assert_eq!(scene.address("more"), free);
    assert_eq!(Wire::Http1.send(free, &Request::get("/2")).status, 200);
    Deadline::soon().poll("the old port's close", || TcpStream::connect(first).is_err().then_some(()));
    kept.send(Request::get("/3").http1());
    assert_eq!(kept.response("GET", Deadline::soon()).expect("an answer").status, 200, "connections stay");

    scene.apply(CONFIG, true);
    Deadline::soon().poll("the listener's close", || TcpStream::connect(free).is_err().then_some(()));
    kept.closed(Deadline::soon()).expect("what is idle closes with its listener");
    assert_eq!(scene.get("/steady").status, 200, "the other listener was left alone");
}

/// What is under way on a listener that goes has `bounds.drain` to end; what goes on elsewhere is left alone.
#[test]
fn what_outlasts_the_drain_of_its_listener_is_cut() {
    let scene = Scene::start();
    let more = CONFIG
        .replace("apis:", "apis:\n  more: { listen: [more], backend: two, auth: none, operations: { all: { match: \"* /{rest*}\" } } }")
        .replace("backends:", "  more: { bind: \"127.0.0.1:0\" }\nbackends:");
    scene.apply(&more, true);
    let gate = Gate::new();
    let half = Reply::raw("HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf").wait(&gate).send("half");
    scene.one.on("/steady/slow", half.clone());
    scene.two.on("/slow", half);
    let begin = |address, target: &str| {
        let mut client = Client::connect(address);
        client.send(Request::get(target).http1());
        client
    };
    let mut going = begin(scene.address("more"), "/slow");
    let mut staying = begin(scene.gateway.address("public"), "/steady/slow");
    scene.two.expect("the request", |message| message.target == b"/slow");
    scene.one.expect("the request", |message| message.target == b"/steady/slow");

    scene.apply(&format!("{CONFIG}bounds: {{ drain: 1s }}\n"), true);
    let cut = going.response("GET", Deadline::soon()).expect_err("no whole answer");
    assert_eq!((cut.end, cut.partial.status, &cut.partial.body[..]), (End::Closed, 200, &b"half"[..]));
    let record = scene.gateway.record("a record of it", |record| record["url.path"] == "/slow");
    assert_eq!(record["portcullis.decision"], "aborted", "{record}");
    gate.open();
    assert_eq!(staying.response("GET", Deadline::soon()).expect("its neighbour goes on").body, b"halfhalf");
}

#[test]
fn a_port_that_is_taken_changes_nothing() {
    let scene = Scene::start();
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let taken = taken.local_addr().map(|address| (taken, address)).expect("an address");
    let config = second().replace("backends:", &format!("  more: {{ bind: \"{}\" }}\nbackends:", taken.1));
    scene.apply(&config, false);
    assert_eq!((scene.get("/varied/first").status, scene.get("/varied/second").status), (200, 404));
}

#[test]
fn an_edit_of_one_backend_keeps_the_connections_to_the_other() {
    let scene = Scene::start();
    let ask_both = || {
        assert_eq!((scene.get("/steady").status, scene.get("/varied/first").status), (200, 200));
    };
    ask_both();
    ask_both();
    let before = (scene.one.connections().len(), scene.two.connections().len());
    assert_eq!(before, (1, 1), "kept connections are used");
    scene.apply(&CONFIG.replace(r#"["http://TWO"]"#, r#"["http://TWO"], timeout: { response: 7s }"#), true);
    ask_both();
    assert_eq!(scene.one.connections().len(), 1, "the pool of a backend that was not edited is kept");
}

#[test]
fn what_only_a_restart_changes_refuses_the_reload() {
    let scene = Scene::start();
    for (from, to, told) in [
        ("state: none", "state: kept", ":2:1: state: changes only with a restart; now it is `none`"),
        ("127.0.0.1:0 }\nlisteners", "127.0.0.1:9 }\nlisteners", "admin.probes: changes only with a restart"),
        ("{ probes", "{ bind: unix:/nowhere/admin.sock, probes", "admin.bind: changes only with a restart"),
        (
            "admin: { probes: 127.0.0.1:0 }\n",
            "",
            "admin.probes: changes only with a restart; now it is `127.",
        ),
    ] {
        let config = second();
        assert!(config.contains(from), "{from}");
        scene.apply(&config.replacen(from, to, 1), false);
        scene.gateway.log(told, |line| line.to_string().contains(told));
        assert_eq!((scene.get("/varied/first").status, scene.get("/varied/second").status), (200, 404));
        assert!(scene.counts("portcullis_config_last_reload_success 0"), "the probes are where they were");
    }
    scene.apply(&second(), true);
    assert_eq!(scene.get("/varied/second").status, 200);
}
