//! Crowds: thousands of connections that wait, or that are slow in one of three ways, and nobody else notices (rows 48, 80).
//!
//! A tenth of the crowd always, the whole of it with `PORTCULLIS_WHOLE=1`: 9,900 that wait, for a process with 20,000
//! descriptors holds 9,968 connections with one to a backend reckoned for each, and 5,000 that are slow. The crowd is a
//! process of its own and comes from eight addresses. What is compared is compared within one run, and generously: what is
//! looked for is a service that stops, not a millisecond.

use std::io::{BufReader, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use portcullis_testkit::gateway::{Builder, Lines};
use portcullis_testkit::load::{Backend, Plan, Tally};
use portcullis_testkit::{Deadline, Gateway, Request, Wire};

use crate::stage::executable;

/// Who sends slowly is cut after `TIME`, or for less than a thousand bytes a second.
const CONFIG: &str = r#"version: 1
state: none
admin: { probes: 127.0.0.1:0 }
telemetry: { access_log: off, incidents: off }
bounds: { head_timeout: TIME, body_idle: TIME, body_rate: 1000, keep_alive: 1h }
listeners: { public: { bind: 127.0.0.1:0, protocols: [http1, http2] } }
backends:
  crowd: { targets: ["http://CROWD"] }
  service: { targets: ["http://SERVICE"] }
apis:
  crowd: { backend: crowd, auth: none, operations: { all: { match: "* /{rest*}" } } }
  service: { base_path: /load, backend: service, auth: none, operations: { all: { match: "* /{rest*}" } } }
"#;

const KIB: u64 = 1 << 10;

fn is_whole() -> bool {
    std::env::var_os("PORTCULLIS_WHOLE").is_some()
}

/// The script in one of its parts. It ends with this value.
struct Script {
    child: Child,
    lines: Arc<Lines>,
}

impl Script {
    fn start(arguments: &[&str]) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/crowds/crowd.py");
        let mut child = Command::new("python3")
            .arg(script)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3: run ./test.sh");
        let lines = Lines::of(BufReader::new(child.stdout.take().expect("a pipe")));
        Self { child, lines }
    }

    /// Who serves the crowd, and where.
    fn serve() -> (Self, SocketAddr) {
        let server = Self::start(&["serve"]);
        let port: u16 = server.lines.expect("a port", |line| line.parse().ok());
        (server, ([127, 0, 0, 1], port).into())
    }

    /// So many that want this of the gateway, once all have begun.
    fn crowd(wants: &str, gateway: &Gateway, count: usize) -> Self {
        let port = gateway.address("public").port().to_string();
        let crowd = Self::start(&[wants, &port, &count.to_string()]);
        let deadline = Deadline::after(Duration::from_secs(120));
        deadline.poll("a whole crowd", || crowd.lines.all().iter().any(|line| line == "ready").then_some(()));
        crowd
    }

    /// Ends it, and tells what came of it.
    fn end(mut self) -> String {
        drop(self.child.stdin.take());
        self.lines.expect("its last words", |line| line.starts_with("open ").then(|| line.to_owned()))
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

struct Scene {
    gateway: Gateway,
    _server: Script,
    _service: Backend,
}

impl Scene {
    fn start() -> Self {
        let (server, crowd) = Script::serve();
        let service = Backend::start();
        let config = CONFIG
            .replace("TIME", if is_whole() { "10s" } else { "2s" })
            .replace("CROWD", &crowd.to_string())
            .replace("SERVICE", &service.address().to_string());
        let gateway = Builder::new(executable(), config).start();
        Self { gateway, _server: server, _service: service }
    }

    /// Waits until what its arrival has set going rests: buffers are filled, and whoever is slow is waited for.
    fn settle(&self) {
        let mut quiet = 0;
        Deadline::after(Duration::from_secs(120)).poll("rest", || {
            let before = self.gateway.usage().processor;
            std::thread::sleep(Duration::from_millis(500));
            let used = self.gateway.usage().processor.saturating_sub(before);
            quiet = if used < Duration::from_millis(30) { quiet + 1 } else { 0 };
            (quiet == 3).then_some(())
        });
    }

    /// What a steady load of so many a second came to after so many good answers.
    fn load(&self, per_second: u32, seconds: u32) -> Tally {
        let plan = Plan::to([self.gateway.address("public")]).patience(Duration::from_secs(30));
        let load = plan.kept(per_second, 8).start();
        load.more_good(u64::from(per_second * seconds), Deadline::after(Duration::from_secs(120)));
        load.stop()
    }
}

/// Told on standard error, past the test runner, for whoever asked for the whole form.
fn report(line: &str) {
    if is_whole() {
        writeln!(std::io::stderr(), "{line}").expect("standard error");
    }
}

/// The service as good as without the crowd, within what a busy machine explains.
fn expect_unchanged(what: &str, without: &Tally, with: &Tally) {
    let (before, after) = (without.quantile(0.99), with.quantile(0.99));
    report(&format!("{what}: p99 {before:?} without, {after:?} with; {with}"));
    assert_eq!((without.failed(), with.failed()), (0, 0), "{what}: {with}");
    assert!(after <= before * 4 + Duration::from_millis(500), "{what}: p99 {before:?} became {after:?}");
}

#[test]
fn those_who_wait_cost_the_others_nothing() {
    let (count, per_second, seconds) = if is_whole() { (9_900, 1_000, 10) } else { (990, 200, 2) };
    let scene = Scene::start();
    let without = scene.load(per_second, seconds);
    let before = scene.gateway.usage().memory;
    let crowd = Script::crowd("idle", &scene.gateway, count);
    let with = scene.load(per_second, seconds);
    let grown = scene.gateway.usage().memory.saturating_sub(before);
    let each = grown / count as u64;
    expect_unchanged(&format!("{count} that wait"), &without, &with);
    report(&format!("{count} that wait: {grown} bytes, {each} each"));
    assert!(each < 24 * KIB, "{each} bytes for each of {count} that wait");
    // All of them are still there: nobody was closed to make room.
    let said = crowd.end();
    assert!(said.starts_with(&format!("open {count} begun {count} ended 0 refused 0")), "{said}");
}

/// Slow clients of one kind, how each is refused (`None`: not while this looks), and what one may cost.
fn slow(wants: &str, refused: Option<&str>, each_max: u64) {
    let (count, per_second, seconds) = if is_whole() { (5_000, 200, 10) } else { (500, 100, 2) };
    let scene = Scene::start();
    let without = scene.load(per_second, seconds);
    let before = scene.gateway.usage().memory;
    let crowd = Script::crowd(wants, &scene.gateway, count);
    if refused.is_none() {
        scene.settle();
    }
    let with = scene.load(per_second, seconds);
    expect_unchanged(&format!("{count} slow: {wants}"), &without, &with);
    let probe = Wire::Http1.send(scene.gateway.probes(), &Request::get("/livez"));
    assert_eq!(probe.status, 200);
    if refused.is_some() {
        // Those who are slow are cut, and again when they come back.
        let is_cut = || crowd.lines.all().iter().any(|line| line == "cut").then_some(());
        Deadline::after(Duration::from_secs(120)).poll("all to be cut", is_cut);
    }
    let peak = scene.gateway.usage().memory_peak.saturating_sub(before);
    let each = peak / count as u64;
    report(&format!("{count} slow: {wants}: {each} bytes each at the peak"));
    assert!(each < each_max, "{wants}: {each} bytes each");
    let said = crowd.end();
    report(&said);
    if let Some(status) = refused {
        assert!(said.contains(&format!("('{status}', ")), "{wants}: {said}");
    }
    // And when they are gone, nothing of them is left.
    let open = || scene.gateway.usage().descriptors;
    Deadline::after(Duration::from_secs(120))
        .poll("their connections to end", || (open() < 150).then_some(()));
}

#[test]
fn slow_heads_cost_the_others_nothing() {
    slow("head", Some("408"), 64 * KIB);
}

#[test]
fn slow_bodies_cost_the_others_nothing() {
    slow("body", Some("408"), 192 * KIB);
}

#[test]
fn slow_readers_cost_the_others_nothing() {
    slow("read", None, 256 * KIB);
}
