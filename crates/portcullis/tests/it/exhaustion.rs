//! Out of descriptors, memory, disk or readers: requests go on, or are shed; the process lives and says what is wrong.

mod memory_limit;

use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use portcullis_testkit::gateway::Builder;
use portcullis_testkit::recorder::{Gate, Reply, Step};
use portcullis_testkit::{Deadline, Request, Wire, h2};

use self::memory_limit::MemoryLimit;
use crate::stage::{CONFIG, Stage, executable};

const MIB: u64 = 1 << 20;

/// The value of the sample of `metric` that has `label` in its labels.
fn metric(stage: &Stage, metric: &str, label: &str) -> Option<f64> {
    let text = stage.gateway.metrics();
    let line = text.lines().find(|line| line.starts_with(metric) && line.contains(label))?;
    line.rsplit_once(' ')?.1.parse().ok()
}

#[test]
fn without_descriptors_accepting_waits_and_does_not_spin() {
    let mut stage = Stage::built(|backend| {
        Builder::new(executable(), CONFIG.replace("BACKEND", backend)).limit("--nofile=256:256")
    });
    let crowd: Vec<TcpStream> =
        (0..400).map(|_| TcpStream::connect(stage.public()).expect("the kernel takes it")).collect();
    // What was accepted is served, or told in so many words that there is no way to the backend.
    let mut first = &crowd[0];
    first.set_read_timeout(Some(Duration::from_secs(10))).expect("a socket");
    first.write_all(&Request::get("/crowded").http1()).expect("written");
    let before = stage.gateway.usage().processor;
    thread::sleep(Duration::from_secs(2));
    let used = stage.gateway.usage().processor.saturating_sub(before);
    assert!(used < Duration::from_millis(500), "{used:?} of processor time in two seconds of nothing");
    let probe = Wire::Http1.send(stage.gateway.probes(), &Request::get("/livez"));
    assert_eq!(probe.status, 200, "the probes keep a reserve");
    let pauses = stage.gateway.stderr().all().iter().filter(|line| line.contains("accepting pauses")).count();
    assert!(pauses <= 8, "{pauses} lines say the same");
    drop(crowd);
    let answer = Wire::Http1.send(stage.public(), &Request::get("/after"));
    assert_eq!(answer.text("x-recorded").as_deref(), Some("/after"));
    assert!(stage.gateway.is_running());
}

/// Requests over HTTP/2 need a connection to the backend each: more than the reckoning with two a client allows for.
#[test]
fn the_last_descriptors_are_for_operators() {
    let stage = Stage::built(|backend| {
        let config = CONFIG.replace("BACKEND", backend).replace("state: none", "state: state");
        Builder::new(executable(), config).limit("--nofile=256:256")
    });
    let gate = Gate::new();
    stage.backend.on("/waits", Reply::new().wait(&gate).then(Step::Echo));
    let mut clients: Vec<h2::Client> = (0..3).map(|_| h2::Client::connect(stage.public())).collect();
    let mut streams = Vec::new();
    for client in &mut clients {
        streams.push((0..90).map(|_| client.request(&Request::get("/waits"))).collect::<Vec<_>>());
    }
    Deadline::soon().poll("descriptors in use", || (stage.gateway.usage().descriptors >= 220).then_some(()));
    for _ in 0..20 {
        let probe = Wire::Http1.send(stage.gateway.probes(), &Request::get("/livez"));
        assert_eq!(probe.status, 200, "the probes have their reserve");
        let told = stage.gateway.run(&executable(), &["status"]);
        assert_eq!(told.status.code(), Some(0), "the admin socket has its reserve: {told:?}");
    }
    assert!(stage.gateway.usage().descriptors < 240, "{:?}", stage.gateway.usage());
    gate.open();
    let (mut good, mut told) = (0, 0);
    for (client, streams) in clients.iter_mut().zip(streams) {
        for stream in streams {
            match client.response(stream, Deadline::soon()).expect("an answer").status {
                200 => good += 1,
                503 => told += 1,
                other => panic!("{other}"),
            }
        }
    }
    let blames = |line: &String| line.contains("a target fails and is left out");
    assert!(!stage.gateway.stderr().all().iter().any(blames), "what is short here is no fault of the target");
    assert!(good > 100 && told > 20, "{good} good, {told} told to come again");
    assert_eq!(Wire::Http1.send(stage.public(), &Request::get("/after")).status, 200);
}

#[test]
fn beyond_the_requests_under_way_the_next_is_told_to_come_again() {
    let config = CONFIG.replace("listeners:", "bounds: { requests: 2 }\nlisteners:");
    let stage = Stage::with(&config);
    let gate = Gate::new();
    stage.backend.on("/waits", Reply::new().wait(&gate).then(Step::Echo));
    let mut held: Vec<_> = (0..2).map(|_| stage.connect()).collect();
    for client in &mut held {
        client.send(Request::get("/waits").http1());
    }
    Deadline::soon().poll("both at the backend", || (stage.backend.messages().len() == 2).then_some(()));
    for wire in Wire::ALL {
        let mark = stage.backend.mark();
        let refused = wire.send(stage.public(), &Request::get("/third"));
        assert_eq!((refused.status, refused.problem().as_deref()), (503, Some("overloaded")), "{refused:?}");
        assert_eq!(refused.text("retry-after").as_deref(), Some("1"));
        assert!(stage.backend.since(mark).is_empty(), "it reached the backend");
    }
    gate.open();
    for client in &mut held {
        assert_eq!(client.response("GET", stage.soon()).expect("those under way go on").status, 200);
    }
    Deadline::soon().poll("a place", || {
        (Wire::Http1.send(stage.public(), &Request::get("/after")).status == 200).then_some(())
    });
}

/// A backend that accepts and never reads.
fn deaf_backend() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    thread::spawn(move || {
        let mut held = Vec::new();
        while let Ok((stream, _)) = listener.accept() {
            held.push(stream);
        }
    });
    address
}

#[test]
fn many_bodies_in_flight_stay_within_bounds() {
    const CLIENTS: usize = 200;
    const LENGTH: usize = 5 << 20;
    let config = CONFIG.replace("BACKEND", &deaf_backend().to_string());
    let gateway = Builder::new(executable(), config).limit("--data=268435456").start();
    let head = format!("POST /up HTTP/1.1\r\nHost: gw.test\r\nContent-Length: {LENGTH}\r\n\r\n");
    let _clients = pour(gateway.address("public"), &head, CLIENTS, LENGTH, Duration::from_secs(2));
    let peak = gateway.usage().memory_peak;
    assert!(peak < 256 * MIB, "{} MiB", peak / MIB);
    let probe = Wire::Http1.send(gateway.probes(), &Request::get("/livez"));
    assert_eq!(probe.status, 200, "it lives under a limit of 256 MiB");
}

/// What the kernel allows the gateway: a file system's worth of bodies does not fit.
const MEMORY_MAX: u64 = 256 * MIB;

/// A tenth of an attack always, the whole of it with `PORTCULLIS_WHOLE=1`: 500 bodies of 10 MB for a backend that reads
/// none of them, under a limit that the kernel keeps by killing.
#[test]
fn under_a_limit_that_kills_large_bodies_wait_and_others_are_served() {
    const LENGTH: usize = 10_000_000;
    let Some(limit) = MemoryLimit::new(MEMORY_MAX) else { return };
    let is_whole = std::env::var_os("PORTCULLIS_WHOLE").is_some();
    let clients = if is_whole { 500 } else { 50 };
    let backend = portcullis_testkit::Recorder::start();
    let config = CONFIG.replace("BACKEND", &backend.address().to_string()).replace(
        "apis:\n",
        "apis:\n  deaf: { base_path: /deaf, backend: deaf, auth: none, operations: { all: { match: \"* /{rest*}\" } } }\n",
    );
    let config = config.replace(
        "backends: {",
        &format!("backends: {{ deaf: {{ targets: [\"http://{}\"] }},", deaf_backend()),
    );
    let mut gateway = Builder::new(executable(), config).start();
    limit.hold(gateway.pid());
    let address = gateway.address("public");
    let head = format!("POST /deaf/up HTTP/1.1\r\nHost: gw.test\r\nContent-Length: {LENGTH}\r\n\r\n");
    let clients = pour(address, &head, clients, LENGTH, Duration::from_secs(if is_whole { 15 } else { 3 }));
    for number in 0..20 {
        let target = format!("/{number}");
        let answer = Wire::Http1.send(address, &Request::get(&target));
        assert_eq!(answer.text("x-recorded"), Some(target));
    }
    assert_eq!(Wire::Http1.send(gateway.probes(), &Request::get("/livez")).status, 200);
    let usage = gateway.usage();
    if is_whole {
        let (peak, resident) = (limit.peak() / MIB, usage.memory_peak / MIB);
        let line =
            format!("{} bodies: {resident} MiB resident at the peak, {peak} MiB charged", clients.len());
        writeln!(std::io::stderr(), "{line}").expect("standard error");
    }
    assert_eq!(limit.kills(), 0, "the kernel has killed");
    assert!(gateway.is_running());
    drop(gateway);
    drop(limit);
}

/// Sends so many bodies at once, as far as anybody takes them, for so long; gives those who still wait.
fn pour(
    address: SocketAddr,
    head: &str,
    clients: usize,
    length: usize,
    time: Duration,
) -> Vec<(TcpStream, usize)> {
    let mut clients: Vec<(TcpStream, usize)> = (0..clients)
        .map(|_| {
            let mut client = TcpStream::connect(address).expect("a listener");
            client.write_all(head.as_bytes()).expect("written");
            client.set_nonblocking(true).expect("a socket");
            (client, 0)
        })
        .collect();
    let piece = vec![b'x'; 256 << 10];
    let begun = Instant::now();
    while begun.elapsed() < time {
        clients.retain_mut(|(client, sent)| {
            let left = piece.len().min(length - *sent);
            match client.write(&piece[..left]) {
                Ok(count) => *sent += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                // Told that there is no room for it, which is an answer too.
                Err(error) => {
                    assert!(
                        matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe),
                        "{error}"
                    );
                    return false;
                }
            }
            true
        });
        thread::sleep(Duration::from_millis(20));
    }
    clients
}

#[test]
fn a_full_disk_under_the_access_log_stops_no_request() {
    let stage = Stage::with(&format!("{CONFIG}telemetry: {{ access_log: \"file:/dev/full\" }}\n"));
    for number in 0..20 {
        let target = format!("/{number}");
        let answer = Wire::Http1.send(stage.public(), &Request::get(&target));
        assert_eq!(answer.text("x-recorded"), Some(target));
    }
    Deadline::soon().poll("a counted write error", || {
        metric(&stage, "portcullis_log_write_errors_total", "access").filter(|count| *count >= 1.0)
    });
    stage.gateway.log("a warning", |line| line.to_string().contains("cannot write records"));
    assert_eq!(Wire::Http1.send(stage.public(), &Request::get("/still")).status, 200);
}

/// Ended by its handle, whatever the test does.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

#[test]
fn a_reader_of_the_log_that_went_away_stops_no_request() {
    let backend = portcullis_testkit::Recorder::start();
    let folder = tempfile::tempdir().expect("a folder");
    let config = CONFIG.replace("BACKEND", &backend.address().to_string());
    std::fs::write(folder.path().join("portcullis.yaml"), config).expect("a file");
    let mut gateway = Ended(
        Command::new(executable())
            .current_dir(folder.path())
            .arg("run")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the executable starts"),
    );
    drop(gateway.0.stdout.take());
    let log = BufReader::new(gateway.0.stderr.take().expect("a pipe"));
    let mut lines = log.lines().map_while(Result::ok);
    let address: SocketAddr = lines
        .find_map(|line| {
            let line: serde_json::Value = serde_json::from_str(&line).ok()?;
            let fields = line.get("fields").unwrap_or(&line);
            fields.get("listener")?;
            fields.get("address")?.as_str()?.parse().ok()
        })
        .expect("an address");
    for number in 0..20 {
        let target = format!("/{number}");
        let answer = Wire::Http1.send(address, &Request::get(&target));
        assert_eq!(answer.text("x-recorded"), Some(target));
    }
    assert!(gateway.0.try_wait().expect("a child").is_none(), "it lives");
}

#[test]
fn a_state_folder_that_cannot_be_had_is_named_at_start() {
    for folder in ["/dev/null/portcullis", "/proc/portcullis"] {
        let config =
            CONFIG.replace("state: none", &format!("state: {folder}")).replace("BACKEND", "127.0.0.1:9");
        let output = Builder::new(executable(), config).run(&["run"]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(folder), "{said}");
    }
}
