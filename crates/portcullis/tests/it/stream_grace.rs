//! Streams obey a swap: one whose operation or caller is no longer what it was ends within `stream_grace`, and never
//! cleanly where it was cut; every other goes on.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use portcullis_testkit::gateway::{Builder, Signal};
use portcullis_testkit::h2::{self, code, kind};
use portcullis_testkit::load::Backend;
use portcullis_testkit::raw::{Client, End};
use portcullis_testkit::recorder::Gate;
use portcullis_testkit::{Deadline, Gateway, Recorder, Reply, Request};

use crate::stage::{KEY, executable};

/// `ECHO` answers WebSockets, `BACKEND` the rest; a key of `partner` opens everything below `/closed`.
const CONFIG: &str = r#"version: 1
state: none
bounds: { stream_grace: 1s }
listeners: { public: { bind: 127.0.0.1:0, protocols: [http1, http2] } }
consumers:
  partner:
    apis: [closed]
    credentials:
      - { id: k1, api_key: { sha256: "87cbebfeebc05f7c54ac9336c4b4bbec831227a641951a4bde7edd56020f8590" } }
backends: { echo: { targets: ["http://ECHO"] }, recorder: { targets: ["http://BACKEND"] } }
apis:
  open:
    base_path: /open
    backend: recorder
    auth: none
    operations:
      events: { match: "GET /events", stream: sse }
      plain: { match: "GET /plain" }
  sockets:
    base_path: /sockets
    backend: echo
    auth: none
    operations: { socket: { match: "GET /socket", stream: websocket } }
  closed:
    base_path: /closed
    backend: echo
    auth: { api_key: {} }
    operations: { socket: { match: "GET /socket", stream: websocket } }
"#;

struct Scene {
    gateway: Gateway,
    backend: Recorder,
    echo: Backend,
}

impl Scene {
    fn start() -> Self {
        Self::with(CONFIG)
    }

    fn with(config: &str) -> Self {
        let (backend, echo) = (Recorder::start(), Backend::start());
        let gateway = Builder::new(executable(), filled(config, &backend, &echo)).start();
        Self { gateway, backend, echo }
    }

    fn swap(&self, config: &str) {
        let mark = self.gateway.stderr().mark();
        self.gateway.reconfigure(&filled(config, &self.backend, &self.echo));
        self.gateway.signal(Signal::Hup);
        let wanted = "configuration reloaded";
        self.gateway.stderr().expect_since(mark, wanted, |line| line.contains(wanted).then_some(()));
    }

    fn socket(&self, path: &str) -> Socket {
        let mut client = Client::connect(self.gateway.address("public"));
        client.send(format!(
            "GET {path} HTTP/1.1\r\nHost: gw.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nX-API-Key: {KEY}\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        ));
        assert_eq!(client.response("GET", Deadline::soon()).expect("an answer").status, 101);
        Socket(client)
    }

    /// An answer in pieces, of which the first has come; the rest waits for `gate`.
    fn begin(&self, path: &str, gate: &Gate) -> Client {
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n";
        self.backend.on(path, Reply::raw(head).wait(gate).send("3\r\ntwo\r\n0\r\n\r\n"));
        let mut client = Client::connect(self.gateway.address("public"));
        client.send(Request::get(path).http1());
        let mut heard = Vec::new();
        while !heard.ends_with(b"\r\n\r\n3\r\none\r\n") {
            heard.extend(client.bytes(1, Deadline::soon()).expect("the first piece"));
        }
        client
    }
}

fn filled(config: &str, backend: &Recorder, echo: &Backend) -> String {
    config.replace("BACKEND", &backend.address().to_string()).replace("ECHO", &echo.address().to_string())
}

/// A WebSocket to an echo.
struct Socket(Client);

impl Socket {
    fn is_alive(&mut self) -> bool {
        // A mask of zeros.
        self.0.send(b"\x81\x85\0\0\0\0hello");
        self.0.bytes(7, Deadline::soon()).as_deref() == Ok(b"\x81\x05hello")
    }

    /// The gateway says close with this status, and closes once that is answered.
    fn ends_with(mut self, status: u16) {
        let [high, low] = status.to_be_bytes();
        assert_eq!(self.0.bytes(4, Deadline::soon()).as_deref(), Ok(&[0x88, 2, high, low][..]));
        self.0.send([0x88, 0x82, 0, 0, 0, 0, high, low]);
        self.0.closed(Deadline::soon()).expect("closed");
    }
}

#[test]
fn what_an_edit_leaves_alone_goes_on() {
    let scene = Scene::start();
    let gate = Gate::new();
    let (mut open, mut closed) = (scene.socket("/sockets/socket"), scene.socket("/closed/socket"));
    let mut events = scene.begin("/open/events", &gate);
    let mut plain = scene.begin("/open/plain", &gate);
    // Another grant, another operation, another backend's settings, another bound: nothing of theirs.
    scene.swap(
        &CONFIG
            .replace("apis: [closed]", "apis: [closed, open]")
            .replace("\"http://BACKEND\"]", "\"http://BACKEND\"], timeout: { connect: 2s }")
            .replace("bounds: {", "bounds: { fields: 90,")
            .replace("      plain:", "      other: { match: \"GET /other\" }\n      plain:"),
    );
    // A plain exchange keeps what it began with, also when its operation is gone.
    scene.swap(&CONFIG.replace("      plain: { match: \"GET /plain\" }\n", ""));
    // Longer than the grace.
    std::thread::sleep(Duration::from_millis(1_500));
    assert!(open.is_alive() && closed.is_alive());
    gate.open();
    for stream in [&mut events, &mut plain] {
        assert_eq!(stream.bytes(13, Deadline::soon()).as_deref(), Ok(&b"3\r\ntwo\r\n0\r\n\r\n"[..]));
    }
    assert_eq!(scene.echo.cut(), 0);
}

#[test]
fn a_websocket_without_its_operation_is_told_so() {
    for (from, to) in [
        (
            "socket: { match: \"GET /socket\", stream: websocket } }\n  closed",
            "other: { match: \"GET /other\" } }\n  closed",
        ),
        ("base_path: /sockets", "base_path: /elsewhere"),
        ("    auth: none\n    operations: { socket", "    auth: { api_key: {} }\n    operations: { socket"),
        ("stream: websocket } }\n  closed", "stream: websocket, bounds: { stream_idle: 5s } } }\n  closed"),
    ] {
        assert!(CONFIG.contains(from), "{from}");
        let scene = Scene::start();
        let (mut open, mut closed) = (scene.socket("/sockets/socket"), scene.socket("/closed/socket"));
        assert!(open.is_alive());
        scene.swap(&CONFIG.replace(from, to));
        open.ends_with(1001);
        assert!(closed.is_alive(), "its neighbour goes on");
        Deadline::soon().poll("the backend's close", || (scene.echo.open() == 1).then_some(()));
        assert_eq!(scene.echo.cut(), 0, "the backend was told as well");
    }
}

#[test]
fn a_websocket_without_its_caller_is_told_so() {
    let key = "87cbebfeebc05f7c54ac9336c4b4bbec831227a641951a4bde7edd56020f8590";
    for (from, to) in [
        (key, "00cbebfeebc05f7c54ac9336c4b4bbec831227a641951a4bde7edd56020f8590"),
        ("id: k1", "id: k2"),
        ("partner:", "another:"),
        ("apis: [closed]", "apis: [open]"),
        ("8590\" }", "8590\", scopes: [more] }"),
        ("8590\" }", "8590\", expires: 2020-01-01 }"),
    ] {
        assert!(CONFIG.contains(from), "{from}");
        let scene = Scene::start();
        let (mut open, mut closed) = (scene.socket("/sockets/socket"), scene.socket("/closed/socket"));
        assert!(closed.is_alive());
        scene.swap(&CONFIG.replace(from, to));
        closed.ends_with(1008);
        assert!(open.is_alive(), "its neighbour goes on");
    }
}

#[test]
fn a_websocket_ends_with_its_credential() {
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    let scene = Scene::start();
    let mut socket = scene.socket("/closed/socket");
    let end = now() + 3;
    scene.swap(&CONFIG.replace("8590\" }", &format!("8590\", expires: \"{}\" }}", instant(end))));
    assert!(socket.is_alive() || now() >= end, "an end that has not come takes nothing away");
    socket.ends_with(1008);
    assert!(now() >= end, "not before its time");
}

/// A moment in seconds since 1970, spelled as in a configuration.
fn instant(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    // Days to a date, as civil calendars count (era of 400 years from March).
    let z = days + 719_468;
    let (era, day) = (z / 146_097, z % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let in_year = day - (365 * year + year / 4 - year / 100);
    let month = (5 * in_year + 2) / 153;
    let date = in_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = era * 400 + year + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{date:02}T{:02}:{:02}:{:02}Z", rest / 3_600, rest / 60 % 60, rest % 60)
}

#[test]
fn an_event_stream_without_its_operation_is_cut() {
    let scene = Scene::start();
    let gate = Gate::new();
    let mut events = scene.begin("/open/events", &gate);
    let mut plain = scene.begin("/open/plain", &gate);
    let mut streams = h2::Client::connect(scene.gateway.address("public"));
    let stream = streams.request(&Request::get("/open/events"));
    streams.find(Deadline::soon(), |frame| frame.kind == kind::DATA).expect("the first piece");
    scene.swap(&CONFIG.replace("GET /events", "GET /elsewhere"));
    assert_eq!(events.bytes(1, Deadline::soon()), Err(End::Closed), "no last chunk");
    let reset = streams.find(Deadline::soon(), |frame| frame.stream == stream).expect("an end");
    assert_eq!((reset.kind, reset.code()), (kind::RST_STREAM, Some(code::INTERNAL_ERROR)));
    let cut = |record: &serde_json::Value| record["url.path"] == "/open/events";
    assert_eq!(scene.gateway.record("a record of it", cut)["portcullis.decision"], "aborted");
    gate.open();
    assert_eq!(plain.bytes(13, Deadline::soon()).as_deref(), Ok(&b"3\r\ntwo\r\n0\r\n\r\n"[..]));
}

#[test]
fn a_stream_that_has_not_begun_is_refused() {
    let scene = Scene::start();
    let gate = Gate::new();
    scene.backend.on("/open/events", Reply::new().wait(&gate));
    let mut client = Client::connect(scene.gateway.address("public"));
    client.send(Request::get("/open/events").http1());
    scene.backend.expect("the request", |message| message.target == b"/open/events");
    scene.swap(&CONFIG.replace("GET /events", "GET /elsewhere"));
    let answer = client.response("GET", Deadline::soon()).expect("an answer");
    assert_eq!((answer.status, answer.problem().as_deref()), (503, Some("stream-ended")));
    gate.open();
}
