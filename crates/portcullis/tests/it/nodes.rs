//! Several nodes are one gateway: they sign by one key set, through rotations, kills and stores that are away.

use std::collections::BTreeSet;
use std::time::Duration;

use portcullis_testkit::fault::{Direction, FaultProxy, Faults};
use portcullis_testkit::gateway::{Builder, Signal};
use portcullis_testkit::{Deadline, Gateway, Postgres, Recorder, Request, Wire};
use serde_json::Value;

use crate::minted_tokens::Library;
use crate::stage::{KEY, KEY_FIELD, executable};

/// `ROTATE` becomes how long a key is used.
const CONFIG: &str = r#"version: 1
state: state
stores: { durable: "STORE", encryption_keys: ["${env:STORE_KEY}"] }
admin: { probes: 127.0.0.1:0 }
telemetry: { access_log: stdout, incidents: stdout }
listeners:
  public: { bind: 127.0.0.1:0, protocols: [http1, http2] }
  inside: { bind: 127.0.0.1:0, protocols: [http1, http2] }
signing: { issuer: "https://gw.test", rotate: ROTATE, jwks: { listen: [inside], max_age: 1s } }
consumers:
  tester:
    apis: ["*"]
    credentials:
      - { id: k1, api_key: { sha256: "87cbebfeebc05f7c54ac9336c4b4bbec831227a641951a4bde7edd56020f8590" } }
backends:
  orders: { targets: ["http://BACKEND"], credentials: { mint_jwt: { audience: orders, lifetime: 5s } } }
apis:
  orders: { base_path: /orders, listen: [public], backend: orders, auth: api_key, operations: { all: { match: "* /{rest*}" } } }
"#;

const STORE_KEY: &str = "6b1f0a1c9d0e4f5a8b7c6d5e4f3a2b1c";

/// Gateways over one store, before one backend.
struct Nodes {
    backend: Recorder,
    rotate: &'static str,
}

struct Node<'a> {
    gateway: Gateway,
    backend: &'a Recorder,
}

impl Nodes {
    fn new(rotate: &'static str) -> Self {
        Self { backend: Recorder::start(), rotate }
    }

    fn start(&self, store: &str) -> Node<'_> {
        let config = CONFIG
            .replace("STORE\"", &format!("{store}\""))
            .replace("ROTATE", self.rotate)
            .replace("BACKEND", &self.backend.address().to_string());
        let builder = Builder::new(executable(), config).environment("STORE_KEY", STORE_KEY);
        Node { gateway: builder.argument("--workers").argument("1").start(), backend: &self.backend }
    }
}

impl Node<'_> {
    /// Another process by the same configuration and state, once this one has been killed.
    fn again(mut self) -> Self {
        self.kill();
        self.restarted()
    }

    /// The same, of one that was killed.
    fn restarted(mut self) -> Self {
        let builder = Builder::beside(&self.gateway, executable()).environment("STORE_KEY", STORE_KEY);
        self.gateway = builder.argument("--workers").argument("1").start();
        self
    }

    fn kill(&mut self) {
        self.gateway.signal(Signal::Kill);
        self.gateway.wait(Deadline::soon());
    }

    /// What a request that the tester sends gets, and the token that arrives with it.
    fn token(&self, wire: Wire) -> Result<String, u16> {
        let mark = self.backend.mark();
        let request = Request::get("/orders/1").field(KEY_FIELD, KEY);
        let response = wire.send(self.gateway.address("public"), &request);
        if response.status != 200 {
            return Err(response.status);
        }
        let value = self.backend.since(mark).pop().and_then(|message| message.text("authorization"));
        Ok(value.and_then(|value| Some(value.strip_prefix("Bearer ")?.to_owned())).expect("a bearer token"))
    }

    /// The published set: what may be kept for how long, and its keys.
    fn set(&self) -> Result<(String, Value), u16> {
        let inside = self.gateway.address("inside");
        let response = Wire::Http1.send(inside, &Request::get("/.well-known/jwks.json"));
        if response.status != 200 {
            return Err(response.status);
        }
        Ok((response.text("cache-control").unwrap_or_default(), response.json()))
    }

    fn kids(&self) -> BTreeSet<String> {
        let (_, set) = self.set().expect("a set");
        let keys = set["keys"].as_array().expect("keys");
        keys.iter().map(|key| key["kid"].as_str().expect("a kid").to_owned()).collect()
    }

    fn probe(&self, path: &str) -> String {
        let answer = Wire::Http1.send(self.gateway.probes(), &Request::get(path));
        assert_eq!(answer.status, 200, "{answer:?}");
        String::from_utf8_lossy(&answer.body).into_owned()
    }

    fn metric(&self, name: &str) -> f64 {
        let text = self.probe("/metrics");
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("no {name}"))
    }
}

/// Waits until all nodes publish the same keys.
fn agree(nodes: &[&Node<'_>]) -> BTreeSet<String> {
    patience().poll("one set on all nodes", || {
        let first = nodes.first()?.kids();
        nodes.iter().all(|node| node.kids() == first).then_some(first)
    })
}

/// Keys change every few seconds here, and a busy machine takes its time.
fn patience() -> Deadline {
    Deadline::after(Duration::from_secs(90))
}

/// Says nothing more to whoever asks over it, and keeps the connections open.
fn silent() -> Faults {
    Faults { stall_after: Some(0), ..Faults::default() }
}

#[test]
fn what_one_node_signs_is_verified_by_the_set_of_another_through_a_rotation() {
    let (nodes, postgres) = (Nodes::new("5s"), Postgres::start());
    // At once: one of them makes the first key.
    let (one, two) = std::thread::scope(|scope| {
        let one = scope.spawn(|| nodes.start(&postgres.url()));
        let two = nodes.start(&postgres.url());
        (one.join().expect("it starts"), two)
    });
    let first = agree(&[&one, &two]);
    let whole = std::env::var_os("PORTCULLIS_WHOLE").is_some();
    let enough = if whole { 6 } else { 2 };
    let deadline = Deadline::after(Duration::from_secs(if whole { 240 } else { 120 }));
    // Each reads the other node's set.
    let libraries = [&two, &one].map(|node| Library::reading(&node.gateway, "orders", "ES256"));
    let [Some(of_one), Some(of_two)] = libraries else { return };
    let mut readers = [(&one, of_one), (&two, of_two)];
    let (mut used, mut turn) = ([BTreeSet::new(), BTreeSet::new()], 0_usize);
    while used.iter().any(|used| used.len() < enough) {
        assert!(deadline.left().is_some(), "only {used:?} were used");
        for ((node, library), used) in readers.iter_mut().zip(&mut used) {
            let token = node.token(Wire::ALL[turn % Wire::ALL.len()]).expect("a token");
            let said = library.says(&token);
            used.insert(said["kid"].as_str().unwrap_or_else(|| panic!("{said}")).to_owned());
        }
        turn += 1;
    }
    assert_eq!(used[0], used[1], "both sign by the same keys");
    assert!(!used[0].is_disjoint(&first), "one of them made the first key");
    let kept = postgres.say("SELECT name || ' ' || sealed FROM portcullis_secrets");
    assert!(kept.starts_with("signing ") && !kept.contains("pkcs8"), "{kept}");
    for node in [&one, &two] {
        let copy = node.gateway.folder().join("state/shared/signing.sealed");
        assert!(!std::fs::read_to_string(copy).expect("a copy").contains("pkcs8"));
        assert!(!node.gateway.folder().join("state/signing").exists(), "no key of its own");
    }
}

#[test]
fn a_store_that_is_away_stops_rotations_and_nothing_else() {
    let (nodes, postgres) = (Nodes::new("5s"), Postgres::start());
    let relay = FaultProxy::start(postgres.address());
    let node = nodes.start(&postgres.url_at(relay.address()));
    let Some(mut library) = Library::reading(&node.gateway, "orders", "ES256") else { return };
    assert!(library.says(&node.token(Wire::Http1).expect("a token"))["claims"].is_object());
    assert_eq!(node.set().expect("a set").0, "public, max-age=1");
    relay.set(Direction::Back, silent());
    // A key that is published already comes into use; then there is none to follow it.
    let said = "signing: the key in use should have been followed";
    patience().poll("keys that are stuck", || node.probe("/readyz").contains(said).then_some(()));
    assert!(node.metric("portcullis_signing_overdue_seconds") >= 1.0);
    let is_told = |line: &Value| line["portcullis.incident.kind"] == "signing-keys-stuck";
    let stuck = node.gateway.record("an incident", is_told);
    assert_eq!(stuck["portcullis.incident.severity"], "high", "{stuck}");
    let known = node.kids();
    for wire in Wire::ALL {
        let said = library.says(&node.token(*wire).expect("a token"));
        assert!(known.contains(said["kid"].as_str().unwrap_or_else(|| panic!("{said}"))));
    }
    // Another node may have made a key that this one does not know of.
    patience().poll("a set that nobody keeps", || (node.set().expect("a set").0 == "no-cache").then_some(()));
    // One that starts meanwhile goes by the copy, and one without a copy signs nothing.
    let node = node.again();
    assert_eq!(node.kids(), known);
    let bare = nodes.start(&postgres.url_at(relay.address()));
    assert_eq!((bare.token(Wire::Http1), bare.set().map(drop)), (Err(503), Err(503)));
    assert!(bare.probe("/readyz").contains("signing: there is no key that may be signed with"));
    assert!(bare.metric("portcullis_signing_up") < 1.0);
    relay.set(Direction::Back, Faults::default());
    let grown = patience().poll("a key that follows", || {
        let kids = node.kids();
        (kids.len() > known.len()).then_some(kids)
    });
    assert!(grown.is_superset(&known), "what is known goes on");
    patience().poll("the same keys", || (bare.set().is_ok() && bare.kids() == node.kids()).then_some(()));
    assert!(bare.token(Wire::Http2).is_ok());
    assert_eq!(node.set().expect("a set").0, "public, max-age=1");
}

#[test]
fn a_kill_amid_a_rotation_leaves_it_to_another_node() {
    let (nodes, postgres) = (Nodes::new("5s"), Postgres::start());
    let relay = FaultProxy::start(postgres.address());
    let two = nodes.start(&postgres.url());
    let mut one = nodes.start(&postgres.url_at(relay.address()));
    let Some(mut library) = Library::reading(&two.gateway, "orders", "ES256") else { return };
    for round in 0..2 {
        let before = agree(&[&one, &two]);
        // Each word to the store and back takes its time, so that a change can be seen under way.
        relay.set(Direction::Back, Faults { latency: Duration::from_millis(250), ..Faults::default() });
        let under_way = "SELECT count(*) FROM pg_stat_activity WHERE state = 'idle in transaction'";
        patience().poll("a change under way", || (postgres.say(under_way) != "0").then_some(()));
        one.kill();
        relay.set(Direction::Back, Faults::default());
        patience().poll("a key more", || {
            let said = library.says(&two.token(Wire::Http1).expect("a token"));
            assert!(said["kid"].is_string(), "round {round}: {said}");
            two.kids().iter().any(|kid| !before.contains(kid)).then_some(())
        });
        one = one.restarted();
        let said = library.says(&one.token(Wire::Http2).expect("a token"));
        assert!(said["kid"].is_string(), "round {round}: {said}");
    }
    agree(&[&one, &two]);
}
