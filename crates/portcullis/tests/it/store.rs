//! Consumers and credentials in a store: made, rotated, revoked and known, over SQLite and PostgreSQL alike, and
//! whatever becomes of either.

use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use portcullis_testkit::fault::{Direction, FaultProxy, Faults};
use portcullis_testkit::gateway::{Builder, Signal};
use portcullis_testkit::load::Backend;
use portcullis_testkit::raw::Client;
use portcullis_testkit::{Deadline, Gateway, Postgres, Recorder, Request, Stopwatch, Wire};
use serde_json::Value;

use crate::stage::executable;

/// `STORES` becomes where consumers are kept, `BACKEND` and `ECHO` where requests go.
const CONFIG: &str = r#"version: 1
state: state
STORES
admin: { probes: 127.0.0.1:0 }
bounds: { stream_grace: 1s, credential_failures: 1000000 }
listeners: { public: { bind: 127.0.0.1:0, protocols: [http1, http2] } }
backends: { recorder: { targets: ["http://BACKEND"] }, echo: { targets: ["http://ECHO"] } }
defaults: { auth: api_key }
apis:
  orders:
    base_path: /orders
    backend: recorder
    operations:
      all: { match: "* /{rest*}" }
      write: { match: "POST /new", require: { scopes: [orders.write] } }
  billing:
    base_path: /billing
    backend: recorder
    operations: { all: { match: "* /{rest*}" } }
  people:
    base_path: /people
    auth: basic
    backend: recorder
    operations: { all: { match: "* /{rest*}" } }
  sockets:
    base_path: /sockets
    backend: echo
    operations: { socket: { match: "GET /socket", stream: websocket } }
"#;

/// A revoked key is refused on every node within this.
const HOLDS_WITHIN: Duration = Duration::from_secs(5);

/// What is behind the gateways.
struct Behind {
    recorder: Recorder,
    echo: Backend,
}

impl Behind {
    fn start() -> Self {
        Self { recorder: Recorder::start(), echo: Backend::start() }
    }

    fn node(&self, database: Option<&str>) -> Node {
        let stores = database.map(|url| format!("stores: {{ durable: \"{url}\" }}")).unwrap_or_default();
        let config = CONFIG
            .replace("STORES", &stores)
            .replace("BACKEND", &self.recorder.address().to_string())
            .replace("ECHO", &self.echo.address().to_string());
        Node(Builder::new(executable(), config).argument("--workers").argument("1").start())
    }
}

/// A gateway.
struct Node(Gateway);

impl Node {
    /// Runs a command beside it: whether it was done, and what it printed.
    fn run(&self, command: &str) -> (bool, String) {
        let output = self.0.run(&executable(), &command.split(' ').collect::<Vec<_>>());
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        (output.status.success(), text + &String::from_utf8_lossy(&output.stderr))
    }

    fn done(&self, command: &str) -> String {
        let (is_done, text) = self.run(command);
        assert!(is_done, "{command}: {text}");
        text
    }

    /// What a command prints as JSON.
    fn json(&self, command: &str) -> Value {
        let text = self.done(&format!("{command} --json"));
        serde_json::from_str(&text).unwrap_or_else(|_| panic!("{command}: {text}"))
    }

    /// The key that a command makes.
    fn key(&self, command: &str) -> String {
        self.json(command)["key"].as_str().expect("a key").to_owned()
    }

    fn status(&self, path: &str, key: &str) -> u16 {
        self.asked(Wire::Http1, &Request::get(path), key).0
    }

    fn asked(&self, wire: Wire, request: &Request, key: &str) -> (u16, Option<String>) {
        wire.send(self.0.address("public"), &request.clone().field("x-api-key", key)).verdict()
    }

    /// Waits until a key is answered so.
    fn becomes(&self, key: &str, status: u16) {
        let what = format!("{status} for a key");
        Deadline::soon().poll(&what, || (self.status("/orders/1", key) == status).then_some(()));
    }

    fn ready(&self) -> (u16, String) {
        let answer = Wire::Http1.send(self.0.probes(), &Request::get("/readyz"));
        (answer.status, String::from_utf8_lossy(&answer.body).into_owned())
    }

    fn metric(&self, line: &str) -> bool {
        self.0.metrics().lines().any(|found| found == line)
    }

    /// Another process by the same configuration and state, once this one has been killed.
    fn again(mut self) -> Self {
        self.0.signal(Signal::Kill);
        self.0.wait(Deadline::soon());
        Self(Builder::beside(&self.0, executable()).argument("--workers").argument("1").start())
    }
}

/// Both stores, one after the other.
fn on_both(judge: impl Fn(&Behind, Option<&str>)) {
    let behind = Behind::start();
    judge(&behind, None);
    let postgres = Postgres::start();
    judge(&behind, Some(&postgres.url()));
}

#[test]
fn a_key_opens_what_its_consumer_may_call_until_it_ends() {
    on_both(|behind, database| {
        let node = behind.node(database);
        node.done("consumers create partner --api orders");
        let (is_done, text) = node.run("consumers create partner --api billing");
        assert!(!is_done && text.contains("there is a consumer `partner` already"), "{text}");
        let first = node.key("keys add partner --scope orders.write");
        let poor = node.key("keys add partner --id poor");
        for wire in [Wire::Http1, Wire::Http2] {
            let told = |request: &Request, key: &str| node.asked(wire, request, key);
            assert_eq!(told(&Request::get("/orders/1"), &first), (200, None));
            assert_eq!(told(&Request::post("/orders/new", ""), &first), (200, None));
            assert_eq!(
                told(&Request::post("/orders/new", ""), &poor),
                (403, Some("scope-missing".to_owned()))
            );
            assert_eq!(told(&Request::get("/billing/1"), &first), (403, Some("api-not-granted".to_owned())));
            let (status, problem) = told(&Request::get("/orders/1"), &format!("{first}x"));
            assert_eq!((status, problem.as_deref()), (401, Some("credential-invalid")));
        }
        node.done("consumers change partner --api orders --api billing");
        assert_eq!(node.status("/billing/1", &first), 200);

        let second = node.json("keys rotate partner api_key.1 --overlap 1h");
        assert_eq!(
            (&second["replaces"]["id"], &second["scopes"][0]),
            (&"api_key.1".into(), &"orders.write".into())
        );
        let second = second["key"].as_str().expect("a key");
        assert_eq!((node.status("/orders/1", &first), node.status("/orders/1", second)), (200, 200));
        node.done("keys expire partner api_key.1 --at 2020-01-01");
        assert_eq!((node.status("/orders/1", &first), node.status("/orders/1", second)), (401, 200));
        node.done("keys revoke partner api_key.2");
        assert_eq!(node.status("/orders/1", second), 401);

        let elsewhere = node.key("keys add partner --address 198.51.100.0/24");
        let later = node.key("keys add partner --not-before 2999-01-01");
        let bound = node.key(&format!("keys add partner --with-certificate {}", "00".repeat(32)));
        for (key, reason) in [
            (&elsewhere, "presented from an address it is not bound to"),
            (&later, "not valid yet"),
            (&bound, "presented without the client certificate it is bound to"),
        ] {
            assert_eq!(node.status("/orders/1", key), 401);
            node.0.record(reason, |record| record.to_string().contains(reason));
        }
        let here = node.key("keys add partner --address 127.0.0.0/8");
        assert_eq!(node.status("/orders/1", &here), 200);

        let listed = node.done("keys list partner");
        assert!(listed.contains("api_key.2, never used") || listed.contains("revoked at"), "{listed}");
        let log = node.json("consumers log");
        let last = &log[0];
        assert_eq!(
            (last["action"].as_str(), last["consumer"].as_str()),
            (Some("credential.create"), Some("partner"))
        );
        assert!(last["who"].as_str().is_some_and(|who| who.starts_with("socket, uid ")), "{last}");
        let before = last["revision"].as_i64().expect("a number") - 1;
        assert_eq!(last["revision_before"].as_i64(), Some(before));
        assert!(!log.to_string().contains("pcl_") && !listed.contains("pcl_"), "a key is shown once");

        let node = node.again();
        assert_eq!((node.status("/orders/1", &here), node.status("/orders/1", second)), (200, 401));
        node.done("consumers delete partner");
        assert_eq!(node.status("/orders/1", &here), 401);
        let (is_done, text) = node.run("consumers show partner");
        assert!(!is_done && text.contains("there is no consumer `partner`"), "{text}");
    });
}

#[test]
fn a_user_is_let_in_by_a_password_that_no_argument_shows() {
    on_both(|behind, database| {
        let node = behind.node(database);
        node.done("consumers create partner --api people");
        let mut add = Command::new(executable())
            .current_dir(node.0.folder())
            .args(["keys", "add", "partner", "--user", "alice"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the executable starts");
        add.stdin.take().expect("its input").write_all(b"correct horse\n").expect("a line");
        let told = add.wait_with_output().expect("its end");
        assert_eq!(String::from_utf8_lossy(&told.stdout), "basic basic.1 of partner\n");
        let ask = |wire: Wire, pair: &str| {
            let request = Request::get("/people/1").field("authorization", format!("Basic {pair}"));
            wire.send(node.0.address("public"), &request).status
        };
        for wire in [Wire::Http1, Wire::Http2] {
            assert_eq!(ask(wire, "YWxpY2U6Y29ycmVjdCBob3JzZQ=="), 200, "alice:correct horse");
            assert_eq!(ask(wire, "YWxpY2U6Y29ycmVjdCBob3JzZg=="), 401, "alice:correct horsf");
        }
        let (is_done, text) = node.run("keys add partner --user bob");
        assert!(!is_done && text.contains("the password is read from standard input"), "{text}");
        let listed = node.done("keys list partner");
        assert!(listed.contains("basic basic.1 (alice), ") && !listed.contains("horse"), "{listed}");
        node.done("keys revoke partner basic.1");
        assert_eq!(ask(Wire::Http1, "YWxpY2U6Y29ycmVjdCBob3JzZQ=="), 401);
    });
}

#[test]
fn a_change_on_one_node_holds_on_the_other_within_five_seconds() {
    let (behind, postgres) = (Behind::start(), Postgres::start());
    let (one, two) = (behind.node(Some(&postgres.url())), behind.node(Some(&postgres.url())));
    one.done("consumers create partner --api orders --api sockets");
    let key = one.key("keys add partner");
    two.becomes(&key, 200);
    let mut socket = Client::connect(two.0.address("public"));
    socket.send(format!(
        "GET /sockets/socket HTTP/1.1\r\nHost: gw.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nX-API-Key: {key}\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    ));
    assert_eq!(socket.response("GET", Deadline::soon()).expect("an answer").status, 101);
    one.done("keys revoke partner api_key.1");
    let since = Stopwatch::start();
    assert_eq!(one.status("/orders/1", &key), 401, "at once where it was said");
    two.becomes(&key, 401);
    let took = since.elapsed();
    println!("a revocation holds on another node after {took:?}");
    assert!(took < HOLDS_WITHIN, "{took:?}");
    // 1008: the caller is no longer let in.
    assert_eq!(socket.bytes(4, Deadline::soon()).as_deref(), Ok(&[0x88, 2, 3, 0xf0][..]));
}

#[test]
fn who_was_known_is_served_whatever_becomes_of_the_store() {
    let (behind, mut postgres) = (Behind::start(), Postgres::start());
    let relay = FaultProxy::start(postgres.address());
    let node = behind.node(Some(&postgres.url_at(relay.address())));
    node.done("consumers create partner --api orders");
    let key = node.key("keys add partner");
    let gone = node.key("keys add partner --id gone");
    node.done("keys revoke partner gone");

    // The socket stays open, and nothing comes.
    relay.set(Direction::Back, Faults { stall_after: Some(0), ..Faults::default() });
    let away = |node: &Node| {
        Deadline::soon().poll("a store that is away", || {
            node.ready().1.contains("store: postgresql is away").then_some(())
        });
        assert_eq!(node.ready().0, 200, "{}", node.ready().1);
        assert!(node.metric("portcullis_store_up{kind=\"postgresql\"} 0"));
        let since = Stopwatch::start();
        for _ in 0..10 {
            assert_eq!((node.status("/orders/1", &key), node.status("/orders/1", &gone)), (200, 401));
        }
        assert!(
            since.elapsed() < Duration::from_secs(5),
            "nobody waits for the store: {:?}",
            since.elapsed()
        );
    };
    away(&node);
    let (is_done, text) = node.run("consumers create other --api orders");
    assert!(!is_done && text.contains("The store is away"), "{text}");

    // A node that starts meanwhile serves by what it had.
    let node = node.again();
    away(&node);
    assert!(node.ready().1.contains("serving by the last good copy"), "{}", node.ready().1);
    node.0.log("a start by the copy", |line| line.to_string().contains("the store is away"));

    // Nobody listens there.
    relay.leave();
    postgres.leave();
    away(&node);
    postgres.come_back();
    relay.set(Direction::Back, Faults::default());
    relay.come_back();
    let back = "portcullis_store_up{kind=\"postgresql\"} 1";
    Deadline::soon().poll("a store that is back", || node.metric(back).then_some(()));
    assert!(!node.ready().1.contains("store:"), "{}", node.ready().1);
    node.done("keys revoke partner api_key.1");
    assert_eq!(node.status("/orders/1", &key), 401);
}

#[test]
fn rows_that_are_not_understood_open_nothing_and_are_told() {
    let (behind, postgres) = (Behind::start(), Postgres::start());
    let node = behind.node(Some(&postgres.url()));
    node.done("consumers create partner --api orders");
    node.done("consumers create other --api orders");
    let (key, other) = (node.key("keys add partner"), node.key("keys add other"));
    let spoil = |change: &str| {
        let touch = "UPDATE portcullis_store SET revision = revision + 1; UPDATE portcullis_consumers SET revision = \
                     (SELECT revision FROM portcullis_store) WHERE name = 'partner'";
        postgres.say(&format!("{change}; {touch}"));
    };
    for (change, mended) in [
        (
            "UPDATE portcullis_consumers SET apis = '*' WHERE name = 'partner'",
            "UPDATE portcullis_consumers SET apis = '[\"*\"]' WHERE name = 'partner'",
        ),
        (
            "UPDATE portcullis_credentials SET addresses = '' WHERE consumer = 'partner'",
            "UPDATE portcullis_credentials SET addresses = '[]'",
        ),
        (
            "UPDATE portcullis_credentials SET kind = 'token' WHERE consumer = 'partner'",
            "UPDATE portcullis_credentials SET kind = 'api_key'",
        ),
    ] {
        spoil(change);
        node.becomes(&key, 401);
        assert_eq!(node.status("/orders/1", &other), 200, "its neighbour goes on");
        Deadline::soon()
            .poll("a row that is told", || node.metric("portcullis_store_rows_refused 1").then_some(()));
        assert!(node.done("status").contains("left out: partner"), "{}", node.done("status"));
        spoil(mended);
        node.becomes(&key, 200);
    }
}

#[test]
fn a_kill_amid_writes_tears_nothing() {
    on_both(|behind, database| {
        let mut node = behind.node(database);
        node.done("consumers create partner --api orders");
        let mut made: Vec<String> = Vec::new();
        for round in 0..2 {
            let is_over = AtomicBool::new(false);
            let kept = thread::scope(|scope| {
                let writer = scope.spawn(|| {
                    let mut kept = Vec::new();
                    while !is_over.load(Ordering::Relaxed) {
                        let output = node.0.run(&executable(), &["keys", "add", "partner", "--json"]);
                        let key = serde_json::from_slice::<Value>(&output.stdout).ok();
                        kept.extend(key.and_then(|made| Some(made["key"].as_str()?.to_owned())));
                    }
                    kept
                });
                let revision = || node.json("consumers log")[0]["revision"].as_i64().unwrap_or_default();
                let begun = revision();
                Deadline::soon().poll("some writes", || (revision() >= begun + 3).then_some(()));
                node.0.signal(Signal::Kill);
                is_over.store(true, Ordering::Relaxed);
                writer.join().expect("it writes")
            });
            assert!(kept.len() >= 2, "round {round}: {kept:?}");
            made.extend(kept);
            node = node.again();
            for key in &made {
                node.becomes(key, 200);
            }
        }
        // Each write has its line, and each line its write: nothing was done by half.
        let log = node.json("consumers log");
        let log = log.as_array().expect("a list");
        let revisions: Vec<i64> = log.iter().filter_map(|line| line["revision"].as_i64()).collect();
        let newest = *revisions.first().expect("a write");
        assert_eq!(revisions, (1..=newest).rev().collect::<Vec<_>>());
        let shown = node.json("consumers show partner");
        let credentials = shown["credentials"].as_array().expect("a list").len();
        assert_eq!(i64::try_from(credentials).expect("a few"), newest - 1);
        assert_eq!(shown["revision"].as_i64(), Some(newest));
    });
}

#[test]
fn a_state_directory_that_takes_nothing_keeps_nobody_out() {
    let behind = Behind::start();
    let node = behind.node(None);
    node.done("consumers create partner --api orders");
    let key = node.key("keys add partner");
    let database = node.0.folder().join("state/portcullis.db");
    let good = fs::read(&database).expect("a database");
    fs::write(&database, "no database, and longer than the head of one ".repeat(40)).expect("a file");
    let node = node.again();
    assert_eq!(node.status("/orders/1", &key), 200);
    let (is_done, text) = node.run("keys revoke partner api_key.1");
    assert!(!is_done && text.contains("The store is away"), "{text}");
    assert!(node.ready().1.contains("serving by the last good copy"), "{}", node.ready().1);
    // In place: a file that is empty for a moment would be taken for a new database.
    let mut file = fs::OpenOptions::new().write(true).open(&database).expect("a file");
    file.write_all(&good).and_then(|()| file.set_len(good.len() as u64)).expect("a file");
    let mended = || node.run("keys revoke partner api_key.1").0.then_some(());
    Deadline::soon().poll("a database again", mended);
    assert_eq!(node.status("/orders/1", &key), 401);
}

/// What a hundred thousand keys cost; a short form without `PORTCULLIS_WHOLE`.
#[test]
fn many_keys_are_read_at_once_and_changed_one_by_one() {
    let many = if std::env::var_os("PORTCULLIS_WHOLE").is_some() { 100_000 } else { 3_000 };
    let (behind, postgres) = (Behind::start(), Postgres::start());
    let few = behind.node(Some(&postgres.url()));
    let before = few.0.usage().memory;
    postgres.say(&format!(
        "INSERT INTO portcullis_consumers (name, apis, created, revision) SELECT 'c' || n, '[\"orders\"]', 1, 1 FROM generate_series(1, {many}) n; \
         INSERT INTO portcullis_credentials (consumer, id, kind, name, scopes, addresses, created) \
         SELECT 'c' || n, 'k1', 'api_key', encode(sha256(('key-' || n)::bytea), 'hex'), '[\"read\"]', '[]', 1 FROM generate_series(1, {many}) n; \
         UPDATE portcullis_store SET revision = 1"
    ));
    let since = Stopwatch::start();
    few.becomes(&format!("key-{many}"), 200);
    println!("{many} keys are read after {:?}", since.elapsed());
    few.done("consumers create partner --api orders");
    let since = Stopwatch::start();
    let key = few.key("keys add partner");
    println!("one more takes {:?}", since.elapsed());
    assert_eq!(few.status("/orders/1", &key), 200);
    let grown = few.0.usage().memory.saturating_sub(before);
    println!("{many} keys take {} bytes each", grown / many);
    // By the copy, too.
    let since = Stopwatch::start();
    let again = few.again();
    println!("a start with {many} keys takes {:?}", since.elapsed());
    assert_eq!(again.status("/orders/1", "key-1"), 200);
    println!("{} MiB then", again.0.usage().memory >> 20);
}
