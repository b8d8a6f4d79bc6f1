//! The wall clock jumps an hour forward and back: deadlines, what is kept alive and what is left out go by a clock that
//! does not jump; what the outside world dates (the end of a key, `Date`, records) goes by the wall (row 78).
//!
//! `libfaketime` moves the clock of the dynamically linked executable by what stands in a file.

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use portcullis_testkit::gateway::Builder;
use portcullis_testkit::raw::Client;
use portcullis_testkit::recorder::{Gate, Reply, Step};
use portcullis_testkit::{Deadline, Gateway, Recorder, Request, Stopwatch, Wire};

use crate::stage::{KEY, KEY_FIELD, executable};

const HOUR: u64 = 3_600;

/// `EXPIRES` is a day: keys end with it.
const CONFIG: &str = r#"version: 1
state: none
admin: { probes: 127.0.0.1:0 }
bounds: { head_timeout: 3s, keep_alive: 20s, body_idle: 20s }
listeners: { public: { bind: 127.0.0.1:0, protocols: [http1, http2] } }
consumers:
  tester:
    apis: [secured]
    credentials:
      - { id: k1, api_key: { sha256: "87cbebfeebc05f7c54ac9336c4b4bbec831227a641951a4bde7edd56020f8590", expires: EXPIRES } }
backends:
  recorder: { targets: ["http://BACKEND"], timeout: { response: 20s } }
  fleet: { targets: ["http://NOBODY", "http://BACKEND"], eject: { failures: 1, time: 10m, time_max: 10m } }
apis:
  open: { backend: recorder, auth: none, operations: { all: { match: "* /{rest*}" } } }
  fleet: { base_path: /fleet, backend: fleet, auth: none, operations: { all: { match: "* /{rest*}" } } }
  secured: { base_path: /admin, backend: recorder, auth: { api_key: {} }, operations: { all: { match: "* /{rest*}" } } }
"#;

/// The library, where Debian and others keep it; not the one for a single thread.
fn library() -> String {
    let places = ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib"];
    let file = |place: &&str| format!("{place}/faketime/libfaketimeMT.so.1");
    let found = places.iter().map(file).find(|path| Path::new(path).exists());
    found.expect("libfaketime: install the package `faketime`")
}

/// A gateway whose clock is moved, and its backend.
struct Scene {
    gateway: Gateway,
    backend: Recorder,
}

impl Scene {
    fn start(expires: &str) -> Self {
        let backend = Recorder::start();
        let nobody =
            std::net::TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr()).expect("a port");
        let config = CONFIG
            .replace("EXPIRES", expires)
            .replace("BACKEND", &backend.address().to_string())
            .replace("NOBODY", &nobody.to_string());
        let gateway = Builder::new(executable(), config)
            .file("offset", "+0\n")
            .environment("LD_PRELOAD", library())
            .environment("FAKETIME_TIMESTAMP_FILE", "offset")
            .environment("FAKETIME_NO_CACHE", "1")
            // The steady clock goes on: that it is asked, and the other one is not, is what is judged.
            .environment("FAKETIME_DONT_FAKE_MONOTONIC", "1")
            .argument("--workers=1")
            .start();
        Self { gateway, backend }
    }

    /// Moves the gateway's wall clock by so many seconds against the real one, and waits until it shows.
    fn jump(&self, seconds: i64) {
        self.gateway.write("offset", format!("{seconds:+}\n"));
        Deadline::soon().poll("the jump", || {
            let off = self.wall() - now();
            ((off - seconds).abs() < 60).then_some(())
        });
    }

    /// What the gateway's `Date` says, as its own refusals carry it.
    fn wall(&self) -> i64 {
        let record = {
            let answer = Wire::Http1.send(self.gateway.address("public"), &Request::get("/tick"));
            let id = answer.text("x-request-id").expect("an id");
            self.gateway.record("the record", |record| record["request.id"] == id.as_str())
        };
        let id = record["request.id"].as_str().expect("an id").replace('-', "");
        // A UUID of version 7 begins with milliseconds since 1970.
        i64::try_from(u64::from_str_radix(&id[..12], 16).expect("hexadecimal") / 1000).expect("seconds")
    }
}

fn now() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    i64::try_from(now.as_secs()).expect("seconds")
}

/// The day of a moment, as `expires` spells it.
fn day(seconds: i64) -> String {
    let output =
        std::process::Command::new("date").args(["-u", "-d", &format!("@{seconds}"), "+%F"]).output();
    String::from_utf8(output.expect("date").stdout).expect("text").trim().to_owned()
}

#[test]
fn an_hour_forward_and_back_ends_nothing_early_and_nothing_late() {
    let scene = Scene::start("2999-12-31");
    let hour = i64::try_from(HOUR).expect("small");
    for seconds in [hour, -hour, 0] {
        // Begun before the jump: an exchange under way, an upload, a connection that waits, a head that is not ended.
        let gate = Gate::new();
        scene.backend.on("/waits", Reply::new().wait(&gate).then(Step::Echo));
        let mut under_way = Client::connect(scene.gateway.address("public"));
        under_way.send(Request::get("/waits").http1());
        scene.backend.expect_begun("the request", |message| message.target == b"/waits");
        let mut upload = Client::connect(scene.gateway.address("public"));
        upload.send("POST /up HTTP/1.1\r\nHost: gw.test\r\nContent-Length: 4\r\n\r\nab");
        let mut kept = Client::connect(scene.gateway.address("public"));
        kept.send(Request::get("/kept").http1());
        assert_eq!(kept.response("GET", Deadline::soon()).expect("an answer").status, 200);
        let mut slow = Client::connect(scene.gateway.address("public"));
        let watch = Stopwatch::start();
        slow.send("GET /slow HT");

        scene.jump(seconds);
        gate.open();
        assert_eq!(under_way.response("GET", Deadline::soon()).expect("its answer").status, 200, "{seconds}");
        upload.send("cd");
        assert_eq!(upload.response("POST", Deadline::soon()).expect("its answer").status, 200, "{seconds}");
        kept.send(Request::get("/kept").http1());
        assert_eq!(kept.response("GET", Deadline::soon()).expect("an answer").status, 200, "{seconds}");
        let late = slow.response("GET", Deadline::soon()).expect("an answer");
        assert_eq!(late.status, 408, "{seconds}");
        assert!(watch.elapsed() >= Duration::from_millis(2_500), "{seconds}: not before its time");
    }
}

#[test]
fn what_is_left_out_and_what_is_pooled_do_not_go_by_the_wall() {
    let scene = Scene::start("2999-12-31");
    let hour = i64::try_from(HOUR).expect("small");
    let left_out = || {
        let text = scene.gateway.metrics();
        let marked =
            |line: &&str| line.starts_with("portcullis_backend_target_left_out") && line.ends_with(" 1");
        text.lines().filter(marked).count()
    };
    for number in 0..4 {
        let answer =
            Wire::Http1.send(scene.gateway.address("public"), &Request::get(format!("/fleet/{number}")));
        assert_eq!(answer.status, 200);
    }
    assert_eq!(left_out(), 1, "for ten minutes");
    for seconds in [hour, -hour] {
        scene.jump(seconds);
        assert_eq!(left_out(), 1, "{seconds}");
        let answer = Wire::Http1.send(scene.gateway.address("public"), &Request::get("/fleet/on"));
        assert_eq!(answer.status, 200, "{seconds}");
    }
    let record = scene.gateway.record("a duration", |record| record["url.path"] == "/fleet/on");
    assert!(record["portcullis.duration_ms"].as_f64().is_some_and(|took| took < 60_000.0), "{record}");
}

#[test]
fn the_end_of_a_key_is_judged_by_the_wall() {
    const DAY: i64 = 86_400;
    let scene = Scene::start(&day(now() + DAY));
    let ask = || {
        let request = Request::get("/admin/a").field(KEY_FIELD, KEY);
        Wire::Http1.send(scene.gateway.address("public"), &request).status
    };
    assert_eq!(ask(), 200, "it ends tomorrow");
    scene.jump(3 * DAY);
    assert_eq!(ask(), 401, "it has ended");
    scene.jump(-DAY);
    assert_eq!(ask(), 200, "it has not");
}
