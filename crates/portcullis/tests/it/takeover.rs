//! `run --take-over`: a new process gets the sockets, then the clients; whatever goes wrong, the old one goes on.
//!
//! The judgement under load is short as a rule; `PORTCULLIS_WHOLE=1` asks for twenty hand-overs under 2,000 requests and
//! messages a second.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::process::Output;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use portcullis_testkit::gateway::{Builder, Signal, signal};
use portcullis_testkit::load::{Backend, Plan};
use portcullis_testkit::raw::Client;
use portcullis_testkit::{Deadline, Gateway, Request, Wire};
use serde_json::{Value, json};

use crate::stage::{CONFIG, Stage, executable};

/// Patience for what a busy machine takes long for: the start of a process.
fn patiently() -> Deadline {
    Deadline::after(Duration::from_secs(60))
}

fn config(backend: &str) -> String {
    CONFIG.replace("BACKEND", backend).replace("state: none", "state: state")
}

fn stage_with(workers: &str) -> Stage {
    Stage::built(|backend| {
        Builder::new(executable(), config(backend)).argument("--workers").argument(workers)
    })
}

/// A new process that takes over from `gateway` by the configuration in its folder.
fn successor(gateway: &Gateway, workers: &str) -> Gateway {
    Builder::beside(gateway, executable())
        .argument("--take-over")
        .argument("--workers")
        .argument(workers)
        .start()
}

fn take_over(gateway: &Gateway) -> Output {
    gateway.run(&executable(), &["run", "-c", "portcullis.yaml", "--take-over"])
}

/// Exit code and what was said.
fn said(output: &Output) -> (Option<i32>, String) {
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

fn status(gateway: &Gateway) -> Value {
    let output = gateway.run(&executable(), &["status", "--json", "--socket", "state/admin.sock"]);
    serde_json::from_slice(&output.stdout).expect("JSON")
}

fn ready(gateway: &Gateway, probes: SocketAddr) -> bool {
    let answer = Wire::Http1.send(probes, &Request::get("/readyz"));
    answer.status == 200 && gateway.pid() > 0
}

#[test]
fn the_new_process_has_every_socket_and_the_old_one_ends() {
    let mut stage = stage_with("2");
    let (public, probes) = (stage.public(), stage.gateway.probes());
    let first = status(&stage.gateway);
    let mut idle = stage.connect();
    idle.send(Request::get("/before").http1());
    assert_eq!(idle.response("GET", stage.soon()).expect("an answer").status, 200);
    let mut second = successor(&stage.gateway, "2");
    second.log("a word of it", |line| line.to_string().contains("taken over from another process"));
    assert_eq!((second.address("public"), second.probes()), (public, probes), "the same sockets");
    assert!(ready(&second, probes));
    assert_ne!(status(&second)["started"], first["started"], "the new one answers operators");

    idle.send(Request::get("/last").http1());
    let last = idle.response("GET", stage.soon()).expect("an idle connection has a last request");
    assert_eq!((last.status, last.text("connection").as_deref()), (200, Some("close")));
    assert_eq!(stage.gateway.wait(patiently()).code(), Some(0));
    let answer = Wire::Http1.send(public, &Request::get("/after"));
    assert_eq!(answer.text("x-recorded").as_deref(), Some("/after"));

    let third = successor(&second, "2");
    third.log("a word of it", |line| line.to_string().contains("taken over from another process"));
    assert_eq!(second.wait(patiently()).code(), Some(0));
    assert!(ready(&third, probes));
    third.signal(Signal::Term);
    let mut third = third;
    assert_eq!(third.wait(patiently()).code(), Some(0));
    assert!(!third.folder().join("state/admin.sock").exists(), "the last one takes the admin socket away");
}

/// Any number of workers accepts from every socket there is, and those that have none get one.
#[test]
fn workers_may_be_fewer_or_more() {
    let stage = stage_with("3");
    let public = stage.public();
    let fewer = successor(&stage.gateway, "1");
    let more = successor(&fewer, "5");
    for gateway in [&fewer, &more] {
        gateway.log("a word of it", |line| line.to_string().contains("taken over from another process"));
    }
    // The kernel spreads connections over the sockets by a hash: some of so many meet each.
    let mut clients: Vec<Client> = (0..60).map(|_| Client::connect(public)).collect();
    for client in &mut clients {
        client.send(Request::get("/").http1());
    }
    for client in &mut clients {
        assert_eq!(client.response("GET", stage.soon()).expect("accepted").status, 200);
    }
}

#[test]
fn listeners_come_and_go_with_the_new_configuration() {
    let mut stage = Stage::built(|backend| {
        let more = "listeners:\n  leaving: { bind: 127.0.0.1:0 }\n  public:";
        let config = config(backend)
            .replace("listeners: { public:", more)
            .replace("[http1, http2] } }", "[http1, http2] }");
        Builder::new(executable(), config)
    });
    let (public, leaving) = (stage.public(), stage.gateway.address("leaving"));
    let file = stage.gateway.folder().join("portcullis.yaml");
    let written = std::fs::read_to_string(&file).expect("a file");
    let changed =
        written.replace("leaving:", "coming:").replace("listen: [public]", "listen: [public, coming]");
    stage.gateway.reconfigure(&changed);
    let second = successor(&stage.gateway, "2");
    second.log("a word of it", |line| line.to_string().contains("taken over from another process"));
    assert_eq!(second.address("public"), public);
    let coming = second.address("coming");
    assert_eq!(Wire::Http1.send(coming, &Request::get("/coming")).status, 200);
    Deadline::soon()
        .poll("a closed listener", || std::net::TcpStream::connect(leaving).is_err().then_some(()));
    assert_eq!(stage.gateway.wait(patiently()).code(), Some(0));
}

/// The new process's part of the conversation, as far as a test wants it to go.
struct Successor(UnixStream);

impl Successor {
    /// Asks for a take-over by `protocol`; the head of the answer.
    fn ask(gateway: &Gateway, protocol: &str) -> (Self, String) {
        let mut stream = UnixStream::connect(gateway.folder().join("state/admin.sock")).expect("a gateway");
        stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a socket");
        let request = format!(
            "POST /api/v1/take-over HTTP/1.1\r\nHost: localhost\r\nConnection: upgrade\r\nUpgrade: {protocol}\r\n\
             Content-Length: 0\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).expect("written");
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).expect("a head");
            head.push(byte[0]);
        }
        (Self(stream), String::from_utf8_lossy(&head).into_owned())
    }

    fn begin(gateway: &Gateway) -> Self {
        let (this, head) = Self::ask(gateway, "portcullis-take-over/1");
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        this
    }

    fn say(&mut self, word: &Value) {
        let word = word.to_string();
        let length = u32::try_from(word.len()).expect("a short word");
        self.0.write_all(&length.to_be_bytes()).expect("written");
        self.0.write_all(word.as_bytes()).expect("written");
    }

    fn hear(&mut self) -> Value {
        let mut length = [0; 4];
        self.0.read_exact(&mut length).expect("a word");
        let mut word = vec![0; u32::from_be_bytes(length) as usize];
        self.0.read_exact(&mut word).expect("a word");
        serde_json::from_slice(&word).expect("JSON")
    }

    /// Takes what is passed, and closes it: a plain read does.
    fn take_manifest(&mut self) -> Value {
        self.say(&json!("hello"));
        let manifest = self.hear();
        self.0.read_exact(&mut [0]).expect("a parcel");
        manifest
    }
}

#[test]
fn whatever_goes_wrong_the_old_process_goes_on() {
    let mut stage = stage_with("2");
    let (public, probes) = (stage.public(), stage.gateway.probes());
    let goes_on = |stage: &Stage, what: &str| {
        for number in 0..8 {
            let target = format!("/{number}");
            let answer = Wire::Http1.send(public, &Request::get(&target));
            assert_eq!(answer.text("x-recorded"), Some(target), "{what}");
        }
        assert!(ready(&stage.gateway, probes), "{what}");
        assert_eq!(status(&stage.gateway)["phase"], "ready", "{what}");
    };

    // What ends before the running process hears of it.
    let written = std::fs::read_to_string(stage.gateway.folder().join("portcullis.yaml")).expect("a file");
    stage.gateway.reconfigure(&written.replace("auth: none", "auth: nobody"));
    let (code, text) = said(&take_over(&stage.gateway));
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("portcullis.yaml:") && text.contains("nobody"), "{text}");
    goes_on(&stage, "a broken configuration");

    // What shows only once everything is there: an address that somebody else has.
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let taken = taken.local_addr().map(|address| (taken, address)).expect("an address");
    let other = format!("listeners: {{ other: {{ bind: \"{}\" }}, public:", taken.1);
    stage.gateway.reconfigure(&written.replace("listeners: { public:", &other));
    let (code, text) = said(&take_over(&stage.gateway));
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("listeners.other.bind: cannot listen on"), "{text}");
    stage.gateway.log("a reason", |line| line["reason"] == "the new process has ended");
    goes_on(&stage, "an address that is taken");
    stage.gateway.reconfigure(&written);

    let (_, head) = Successor::ask(&stage.gateway, "portcullis-take-over/0");
    assert!(head.starts_with("HTTP/1.1 426 ") && head.contains("upgrade: portcullis-take-over/1"), "{head}");
    goes_on(&stage, "another protocol");

    // Each word may be the last.
    let marks: [fn(&mut Successor); 4] = [
        |_| {},
        |one| drop(one.take_manifest()),
        |one| {
            one.take_manifest();
            one.say(&json!({ "ready": { "listeners": ["public"], "probes": true, "socket": true } }));
            assert_eq!(one.hear(), "go");
        },
        |one| {
            one.say(&json!("serving"));
            assert_eq!(one.hear(), json!({ "no": "the new process speaks out of turn" }));
        },
    ];
    for (number, mark) in marks.iter().enumerate() {
        let lines = stage.gateway.stderr().mark();
        let mut one = Successor::begin(&stage.gateway);
        mark(&mut one);
        // A second one is turned away while the first is there.
        if number == 1 {
            let (code, text) = said(&take_over(&stage.gateway));
            assert_eq!(code, Some(1), "{text}");
            assert!(text.contains("another process is taking over"), "{text}");
            let (code, text) = said(&stage.gateway.run(&executable(), &["apply"]));
            assert_eq!(code, Some(1), "the configuration stays as it is meanwhile: {text}");
        }
        drop(one);
        stage
            .gateway
            .stderr()
            .expect_since(lines, "a reason", |line| line.contains("did not take over").then_some(()));
        goes_on(&stage, &format!("an end after {number} words"));
    }
    let applied = stage.gateway.run(&executable(), &["apply"]);
    assert_eq!(applied.status.code(), Some(0), "changes are taken again: {applied:?}");

    let second = successor(&stage.gateway, "2");
    second.log("a word of it", |line| line.to_string().contains("taken over from another process"));
    assert_eq!(stage.gateway.wait(patiently()).code(), Some(0));
    let revisions = std::fs::read_dir(second.folder().join("state/revisions")).expect("a folder");
    let names: BTreeSet<String> =
        revisions.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    assert!(names.iter().all(|name| name.ends_with(".json")), "nothing torn: {names:?}");
}

#[test]
fn without_a_gateway_there_is_nothing_to_take_over() {
    let output = Builder::new(executable(), config("127.0.0.1:9")).run(&["run", "--take-over"]);
    let (code, text) = said(&output);
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("start without --take-over") && text.contains("no gateway answers"), "{text}");
}

/// A process that the gateway started; it ends with the test.
struct Started(u32);

impl Drop for Started {
    fn drop(&mut self) {
        if std::path::Path::new(&format!("/proc/{}", self.0)).exists() {
            signal(self.0, Signal::Kill);
        }
    }
}

#[test]
fn a_signal_starts_the_process_that_takes_over() {
    let mut stage = stage_with("2");
    let public = stage.public();
    stage.gateway.signal(Signal::Usr2);
    let started =
        stage.gateway.log("a new process", |line| line["message"] == "a new process starts to take over");
    let started = started["process"].as_str().and_then(|pid| pid.parse().ok()).expect("its number");
    let started = Started(started);
    assert_eq!(stage.gateway.wait(patiently()).code(), Some(0));
    let answer = Wire::Http1.send(public, &Request::get("/after"));
    assert_eq!(answer.text("x-recorded").as_deref(), Some("/after"));
    let drained = stage.gateway.run(&executable(), &["drain", "--wait", "30s"]);
    assert_eq!(drained.status.code(), Some(0), "{drained:?}");
    drop(started);
}

#[test]
fn a_signal_for_a_process_that_cannot_take_over_changes_nothing() {
    let stage = stage_with("2");
    let written = std::fs::read_to_string(stage.gateway.folder().join("portcullis.yaml")).expect("a file");
    stage.gateway.reconfigure(&written.replace("auth: none", "auth: nobody"));
    stage.gateway.signal(Signal::Usr2);
    stage.gateway.log("its end", |line| {
        line["message"] == "the process that was to take over has ended" && line["status"] == "exit status: 2"
    });
    let answer = Wire::Http1.send(stage.public(), &Request::get("/after"));
    assert_eq!(answer.text("x-recorded").as_deref(), Some("/after"));
}

/// Looks at the probes again and again.
struct Balancer(Arc<AtomicBool>, JoinHandle<u64>);

impl Balancer {
    fn watch(probes: SocketAddr) -> Self {
        let running = Arc::new(AtomicBool::new(true));
        let watching = Arc::clone(&running);
        let looks = thread::spawn(move || {
            let mut looks = 0;
            while watching.load(Ordering::Relaxed) {
                let answer = Wire::Http1.try_send(probes, &Request::get("/readyz"));
                assert_eq!(answer.map(|answer| answer.status).ok(), Some(200), "after {looks} looks");
                looks += 1;
                thread::sleep(Duration::from_millis(5));
            }
            looks
        });
        Self(running, looks)
    }

    /// How often it has looked; each time all was well.
    fn stop(self) -> u64 {
        self.0.store(false, Ordering::Relaxed);
        self.1.join().expect("nothing but readiness")
    }
}

/// Hand-overs under load: three as a rule, twenty when the whole judgement is asked for.
#[test]
fn no_request_is_lost_while_processes_take_over() {
    let whole = std::env::var_os("PORTCULLIS_WHOLE").is_some();
    let (rounds, per_second) = if whole { (20, 2_000) } else { (3, 200) };
    let backend = Backend::start();
    let config = config(&backend.address().to_string())
        .replace("all: { match: \"* /{rest*}\" } }\n  secured", "socket: { match: \"GET /load/socket\", stream: websocket }, all: { match: \"* /{rest*}\" } }\n  secured");
    let mut gateway = Builder::new(executable(), config).argument("--workers").argument("2").start();
    let load = Plan::to([gateway.address("public")]).mixed(per_second).start();
    load.more_good(u64::from(per_second) / 2, patiently());
    let balancer = Balancer::watch(gateway.probes());
    let mut memory = Vec::new();
    for _ in 0..rounds {
        let next = successor(&gateway, "2");
        next.log("a word of it", |line| line.to_string().contains("taken over from another process"));
        load.more_good(u64::from(per_second) / 2, patiently());
        assert_eq!(gateway.wait(patiently()).code(), Some(0));
        memory.push(next.usage().memory);
        gateway = next;
    }
    assert!(balancer.stop() > rounds, "the probes are answered throughout");
    let tally = load.stop();
    println!("{rounds} hand-overs: {tally}; memory {memory:?}");
    assert_eq!(tally.failed(), 0, "{tally}");
    assert_eq!(tally.sent, tally.echoed, "{tally}");
    assert!(tally.resent <= 2 * rounds, "{tally}");
    assert_eq!(backend.cut(), 0, "a WebSocket ended without a close frame");
    let (first, last) = (memory[0], memory[memory.len() - 1]);
    assert!(last < first + first / 4 + (8 << 20), "memory grows: {memory:?}");
}
