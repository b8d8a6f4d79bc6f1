//! Listeners change and go: an address that stays keeps its socket, and what is connected or waits is treated as stated.

use std::fs;
use std::net::{SocketAddr, TcpStream};

use portcullis_testkit::certificates::Authority;
use portcullis_testkit::gateway::{Builder, Signal};
use portcullis_testkit::h2::{self, code, kind};
use portcullis_testkit::raw::Client;
use portcullis_testkit::recorder::Gate;
use portcullis_testkit::tls::{Choices, Tls};
use portcullis_testkit::{Deadline, Gateway, Recorder, Reply, Request, Wire};

use crate::stage::executable;

/// `LISTENERS`, their `NAMES` and `BACKEND` are filled in.
const CONFIG: &str = r#"version: 1
state: none
listeners: { LISTENERS }
backends: { recorder: { targets: ["http://BACKEND"] } }
apis: { open: { listen: [NAMES], backend: recorder, auth: none, operations: { all: { match: "* /{rest*}" } } } }
"#;

struct Scene {
    gateway: Gateway,
    backend: Recorder,
}

fn config(listeners: &str, backend: &Recorder) -> String {
    let names = listeners.split(": { bind").map(|before| before.rsplit(' ').next().unwrap_or_default());
    let mut names: Vec<&str> = names.collect();
    names.pop();
    CONFIG
        .replace("LISTENERS", listeners)
        .replace("NAMES", &names.join(", "))
        .replace("BACKEND", &backend.address().to_string())
}

impl Scene {
    fn start(listeners: &str, change: impl FnOnce(Builder) -> Builder) -> Self {
        let backend = Recorder::start();
        let builder = Builder::new(executable(), config(listeners, &backend));
        let gateway = change(builder.argument("--workers").argument("1")).start();
        Self { gateway, backend }
    }

    /// Replaces the listeners, and waits until that holds.
    fn apply(&self, listeners: &str) {
        let mark = self.gateway.stderr().mark();
        self.gateway.reconfigure(&config(listeners, &self.backend));
        self.gateway.signal(Signal::Hup);
        self.gateway
            .stderr()
            .expect_since(mark, "the reload", |line| line.contains("configuration reloaded").then_some(()));
    }
}

fn get(client: &mut Client, target: &str) -> u16 {
    client.send(Request::get(target).http1());
    client.response("GET", Deadline::soon()).expect("an answer").status
}

/// The kernel's numbers of the sockets that listen on `address`.
fn sockets(address: SocketAddr) -> Vec<String> {
    let port = format!(":{:04X}", address.port());
    let table = fs::read_to_string("/proc/net/tcp").expect("the kernel's table");
    let lines = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    lines
        .filter(|words| words.len() > 9 && words[1].ends_with(&port) && words[3] == "0A")
        .map(|words| words[9].to_owned())
        .collect()
}

#[test]
fn an_address_that_stays_keeps_its_socket_whatever_else_changes() {
    let authority = Authority::new("tests");
    let pair = authority.server(&["gw.test"]);
    let scene = Scene::start("one: { bind: \"127.0.0.1:0\" }", |builder| {
        builder.file("gw.crt", pair.certificate).file("gw.key", pair.key)
    });
    let address = scene.gateway.address("one");
    let before = sockets(address);
    assert_eq!(before.len(), 1, "{before:?}");
    let mut kept = Client::connect(address);
    assert_eq!(get(&mut kept, "/1"), 200);

    scene.apply("one: { bind: \"127.0.0.1:0\", connections: 1 }");
    assert_eq!(sockets(address), before, "another bound needs no other socket");
    assert_eq!(get(&mut kept, "/2"), 200, "nor another connection");
    Client::connect(address).closed(Deadline::soon()).expect("the new bound holds");

    scene.apply(&format!("one: {{ bind: \"{address}\", connections: 9 }}"));
    assert_eq!(sockets(address), before, "nor does the port it has, written out");
    assert_eq!(get(&mut kept, "/3"), 200);

    scene.apply(&format!("two: {{ bind: \"{address}\" }}"));
    assert_eq!(sockets(address), before, "nor another name");
    kept.closed(Deadline::soon()).expect("a connection of a listener that is gone closes when it is idle");
    assert_eq!(Wire::Http1.send(address, &Request::get("/4")).status, 200);

    let mut cleartext = Client::connect(address);
    assert_eq!(get(&mut cleartext, "/5"), 200);
    let tls = "tls: { certificates: [{ cert: \"${file:gw.crt}\", key: \"${file:gw.key}\" }] }";
    scene.apply(&format!("two: {{ bind: \"{address}\", {tls} }}"));
    assert_eq!(sockets(address), before, "nor TLS");
    cleartext.closed(Deadline::soon()).expect("cleartext does not go on where TLS is asked for");
    let (mut client, _) =
        Tls::new(&authority.pem(), &Choices::default()).connect(address, "gw.test").expect("a handshake");
    assert_eq!(get(&mut client, "/6"), 200);
}

#[test]
fn a_changed_demand_on_client_certificates_ends_connections_that_never_met_it() {
    let authority = Authority::new("tests");
    let pair = authority.server(&["gw.test"]);
    let listener = |clients: &str| {
        format!(
            "one: {{ bind: \"127.0.0.1:0\", tls: {{ certificates: [{{ cert: \"${{file:gw.crt}}\", key: \"${{file:gw.key}}\" }}] {clients} }} }}"
        )
    };
    let scene = Scene::start(&listener(""), |builder| {
        builder.file("gw.crt", pair.certificate).file("gw.key", pair.key).file("ca.pem", authority.pem())
    });
    let address = scene.gateway.address("one");
    let tls = Tls::new(&authority.pem(), &Choices::default());
    let (mut client, _) = tls.connect(address, "gw.test").expect("a handshake");
    assert_eq!(get(&mut client, "/1"), 200);
    let renewed = authority.server(&["gw.test"]);
    scene.gateway.write("gw.key", &renewed.key);
    scene.gateway.write("gw.crt", &renewed.certificate);
    scene.apply(&listener(""));
    assert_eq!(get(&mut client, "/2"), 200, "a renewed certificate of ours closes nothing");
    scene.apply(&listener(", client_certificates: { mode: require, ca: \"${file:ca.pem}\" }"));
    client.closed(Deadline::soon()).expect("closed");
}

#[test]
fn what_is_idle_closes_with_its_listener_and_what_is_under_way_ends() {
    let both = "stays: { bind: \"127.0.0.1:0\" }, goes: { bind: \"127.0.0.1:0\", protocols: [http1, http2] }";
    let scene = Scene::start(both, |builder| builder);
    let gate = Gate::new();
    let slow = Reply::new().wait(&gate).send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone");
    scene.backend.on("/slow", slow);
    let (stays, goes) = (scene.gateway.address("stays"), scene.gateway.address("goes"));
    let (mut other, mut idle, mut busy) =
        (Client::connect(stays), Client::connect(goes), Client::connect(goes));
    assert_eq!((get(&mut other, "/1"), get(&mut idle, "/2")), (200, 200));
    let (mut idle_h2, mut busy_h2) = (h2::Client::connect(goes), h2::Client::connect(goes));
    let stream = idle_h2.request(&Request::get("/3"));
    assert_eq!(idle_h2.response(stream, Deadline::soon()).expect("an answer").status, 200);
    busy.send(Request::get("/slow/1").http1());
    let stream = busy_h2.request(&Request::get("/slow/2"));
    for target in [&b"/slow/1"[..], b"/slow/2"] {
        scene.backend.expect("a slow request", |message| message.target == target);
    }

    scene.apply("stays: { bind: \"127.0.0.1:0\" }");
    idle.closed(Deadline::soon()).expect("idle HTTP/1.1 is closed");
    let goodbye = idle_h2.find(Deadline::soon(), |frame| frame.kind == kind::GOAWAY).expect("a GOAWAY");
    assert_eq!(goodbye.code(), Some(code::NO_ERROR));
    idle_h2.closed(Deadline::soon()).expect("idle HTTP/2 is closed");
    Deadline::soon().poll("a closed port", || TcpStream::connect(goes).is_err().then_some(()));

    gate.open();
    let last = busy.response("GET", Deadline::soon()).expect("what is under way ends");
    assert_eq!((last.status, &last.body[..]), (200, &b"done"[..]));
    assert_eq!(last.text("connection").as_deref(), Some("close"));
    busy.closed(Deadline::soon()).expect("closed");
    assert_eq!(busy_h2.response(stream, Deadline::soon()).expect("what is under way ends").body, b"done");
    busy_h2.closed(Deadline::soon()).expect("closed");
    assert_eq!(get(&mut other, "/4"), 200, "the other listener was left alone");
}

#[test]
fn connections_that_wait_when_their_listener_goes_are_answered() {
    let both = "stays: { bind: \"127.0.0.1:0\" }, goes: { bind: \"127.0.0.1:0\" }";
    let scene = Scene::start(both, |builder| builder.limit("--nofile=256:256"));
    let goes = scene.gateway.address("goes");
    // As many as there are descriptors for; who comes later waits in the kernel's queue.
    let mut served: Vec<Client> = Vec::new();
    let mut waiting = loop {
        let mut client = Client::connect(goes);
        client.send(Request::get("/first").http1());
        match client.response("GET", Deadline::after(std::time::Duration::from_millis(700))) {
            Ok(answer) => assert_eq!(answer.status, 200),
            Err(_) => break vec![client],
        }
        served.push(client);
        assert!(served.len() < 200, "there is no room for so many");
    };
    for _ in 0..20 {
        let mut client = Client::connect(goes);
        client.send(Request::get("/waits").http1());
        waiting.push(client);
    }
    scene.apply("stays: { bind: \"127.0.0.1:0\" }");
    for client in &mut waiting {
        let answer = client.response("GET", Deadline::soon()).expect("an answer");
        assert_eq!((answer.status, answer.problem().as_deref()), (503, Some("listener-gone")));
        client.closed(Deadline::soon()).expect("closed");
    }
    for client in &mut served {
        client.closed(Deadline::soon()).expect("closed");
    }
    assert_eq!(Wire::Http1.send(scene.gateway.address("stays"), &Request::get("/after")).status, 200);
}
