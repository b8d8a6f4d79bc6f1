//! Under a service manager: what it hears (sd_notify), the sockets it opens (`LISTEN_FDS`), the units in `packaging/`.

use std::net::{SocketAddr, TcpListener};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr as UnixAddress, UnixDatagram};
use std::path::{Path, PathBuf};
use std::time::Duration;

use portcullis_testkit::gateway::{Builder, Signal};
use portcullis_testkit::raw::Client;
use portcullis_testkit::{Deadline, Gateway, Recorder, Request, Wire};
use serde_json::Value;

use crate::clients::client;
use crate::stage::{CONFIG, executable, text};

/// What stands in for the service manager: hears what it is told.
struct Manager {
    socket: UnixDatagram,
    name: String,
    folder: tempfile::TempDir,
}

impl Manager {
    fn listen(is_abstract: bool) -> Self {
        let folder = tempfile::Builder::new().prefix("portcullis-it-").tempdir().expect("a folder");
        let path = folder.path().join("notify");
        let (address, name) = if is_abstract {
            let name = path.to_str().expect("UTF-8");
            (UnixAddress::from_abstract_name(name), format!("@{name}"))
        } else {
            (UnixAddress::from_pathname(&path), path.to_str().expect("UTF-8").to_owned())
        };
        let socket = UnixDatagram::bind_addr(&address.expect("an address")).expect("a socket");
        Self { socket, name, folder }
    }

    /// The next word but signs of life.
    fn hear(&self) -> String {
        loop {
            let word = self.hear_within(Duration::from_secs(60)).expect("a word");
            if word != "WATCHDOG=1" {
                return word;
            }
        }
    }

    fn hear_within(&self, patience: Duration) -> Option<String> {
        self.socket.set_read_timeout(Some(patience)).expect("a socket");
        let mut word = [0; 4096];
        let length = self.socket.recv(&mut word).ok()?;
        Some(String::from_utf8(word[..length].to_vec()).expect("text"))
    }
}

fn config(backend: &str) -> String {
    CONFIG.replace("BACKEND", backend).replace("state: none", "state: state")
}

#[test]
fn systemd_hears_when_the_gateway_is_ready_reloads_and_stops() {
    for is_abstract in [false, true] {
        let manager = Manager::listen(is_abstract);
        let mut gateway = Builder::new(executable(), config("127.0.0.1:9"))
            .environment("NOTIFY_SOCKET", &manager.name)
            .start();
        let ready = manager.hear();
        assert!(ready.starts_with("READY=1\nSTATUS=serving by "), "{ready}");

        let written = std::fs::read_to_string(gateway.folder().join("portcullis.yaml")).expect("a file");
        for (text, told) in
            [(written.clone(), "serving by "), (written.replace("auth: none", "auth: nobody"), "refused: ")]
        {
            std::fs::write(gateway.folder().join("portcullis.yaml"), text).expect("a file");
            gateway.signal(Signal::Hup);
            let reloading = manager.hear();
            let micros = reloading.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").expect("a time");
            let uptime = std::fs::read_to_string("/proc/uptime").expect("a file");
            let uptime: f64 = uptime.split(' ').next().and_then(|text| text.parse().ok()).expect("seconds");
            let seconds = micros.parse::<f64>().expect("a number") / 1e6;
            assert!(seconds <= uptime + 1.0 && seconds > uptime - 60.0, "{seconds} of {uptime}");
            let ready = manager.hear();
            assert!(ready.starts_with("READY=1\nSTATUS=") && ready.contains(told), "{ready}");
            assert_eq!(ready.lines().count(), 2, "one line each: {ready}");
        }
        gateway.signal(Signal::Term);
        assert_eq!(manager.hear(), "STOPPING=1\nSTATUS=draining");
        assert_eq!(gateway.wait(Deadline::soon()).code(), Some(0));
        drop(manager.folder);
    }
}

#[test]
fn a_watchdog_hears_signs_of_life_that_are_meant_for_this_process() {
    let manager = Manager::listen(false);
    let start = |process: Option<&str>| {
        let gateway = Builder::new(executable(), config("127.0.0.1:9"))
            .environment("NOTIFY_SOCKET", &manager.name)
            .environment("WATCHDOG_USEC", "400000");
        let gateway =
            process.into_iter().fold(gateway, |gateway, id| gateway.environment("WATCHDOG_PID", id));
        let gateway = gateway.start();
        let ready = manager.hear_within(Duration::from_secs(60)).expect("a word");
        assert!(ready.starts_with("READY=1"), "{ready}");
        gateway
    };
    let gateway = start(None);
    for _ in 0..3 {
        assert_eq!(manager.hear_within(Duration::from_secs(60)).as_deref(), Some("WATCHDOG=1"));
    }
    // A process that stands still says nothing.
    gateway.signal(Signal::Stop);
    while manager.hear_within(Duration::from_secs(1)).is_some() {}
    gateway.signal(Signal::Cont);
    assert_eq!(manager.hear_within(Duration::from_secs(60)).as_deref(), Some("WATCHDOG=1"));
    drop(gateway);
    while manager.hear_within(Duration::from_millis(10)).is_some() {}
    let gateway = start(Some("1"));
    assert_eq!(manager.hear_within(Duration::from_secs(1)), None, "another process is watched");
    drop(gateway);
}

/// Two hand-overs within the watchdog's time ended the third process: it waited for its own turn to show life.
#[test]
fn a_process_shows_life_at_once() {
    let manager = Manager::listen(false);
    let gateway = Builder::new(executable(), config("127.0.0.1:9"))
        .environment("NOTIFY_SOCKET", &manager.name)
        .environment("WATCHDOG_USEC", "3600000000")
        .start();
    let words = [manager.hear_within(Duration::from_secs(60)), manager.hear_within(Duration::from_secs(60))];
    assert!(words.contains(&Some("WATCHDOG=1".to_owned())), "{words:?}");
    drop(gateway);
}

/// The main process changes hands: the one that is believed says so, before the new one says anything.
#[test]
fn a_process_that_takes_over_becomes_the_main_one() {
    let manager = Manager::listen(true);
    let mut first =
        Builder::new(executable(), config("127.0.0.1:9")).environment("NOTIFY_SOCKET", &manager.name).start();
    assert!(manager.hear().starts_with("READY=1\n"));
    let second = Builder::beside(&first, executable())
        .argument("--take-over")
        .environment("NOTIFY_SOCKET", &manager.name)
        .start();
    let process = second.pid();
    assert_eq!(manager.hear(), format!("MAINPID={process}"));
    let ready = manager.hear();
    assert!(ready.starts_with(&format!("MAINPID={process}\nREADY=1\nSTATUS=serving by ")), "{ready}");
    assert_eq!(first.wait(Deadline::after(Duration::from_secs(60))).code(), Some(0));
    assert_eq!(manager.hear_within(Duration::from_millis(100)), None, "who has handed over stops nothing");
}

/// A socket as a service manager opens it: alone on its address.
fn opened() -> (TcpListener, SocketAddr) {
    let socket = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = socket.local_addr().expect("an address");
    (socket, address)
}

fn worker_connections(gateway: &Gateway) -> Vec<u64> {
    let output = gateway.run(&executable(), &["status", "--json", "--socket", "state/admin.sock"]);
    let status: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    status["workers"].as_array().expect("workers").iter().filter_map(Value::as_u64).collect()
}

/// Opens `count` connections that stay, each with an answer, and asserts that each worker has its share.
fn are_shared_out(gateway: &Gateway, count: u64) -> Vec<Client> {
    let address = gateway.address("public");
    let clients: Vec<Client> = (0..count)
        .map(|number| {
            let mut client = Client::connect(address);
            client.send(Request::get(format!("/{number}")).http1());
            assert_eq!(client.response("GET", Deadline::soon()).expect("an answer").status, 200);
            client
        })
        .collect();
    let workers = worker_connections(gateway);
    let mean = count / workers.len() as u64;
    assert_eq!(workers.iter().sum::<u64>(), count, "{workers:?}");
    assert!(workers.iter().all(|own| *own <= mean + mean / 8 + 1), "{workers:?}");
    clients
}

#[test]
fn a_socket_of_the_service_manager_is_served_and_outlives_the_gateway() {
    let (socket, address) = opened();
    let backend = Recorder::start();
    let config = config(&backend.address().to_string())
        .replace("public: { bind: 127.0.0.1:0", &format!("public: {{ bind: \"{address}\""));
    let mut early = Client::connect(address);
    early.send(Request::get("/early").http1());
    let start = || {
        let gateway = Builder::new(executable(), config.clone()).argument("--workers").argument("3");
        gateway.passing(&socket, &["anything"]).start()
    };
    let mut gateway = start();
    assert_eq!(gateway.address("public"), address);
    let answer = early.response("GET", Deadline::soon()).expect("who came early is served");
    assert_eq!(answer.status, 200);
    drop(early);
    Deadline::soon()
        .poll("its end", || (worker_connections(&gateway).iter().sum::<u64>() == 0).then_some(()));
    drop(are_shared_out(&gateway, 90));
    gateway.signal(Signal::Term);
    assert_eq!(gateway.wait(Deadline::soon()).code(), Some(0));

    let mut meanwhile = Client::connect(address);
    meanwhile.send(Request::get("/meanwhile").http1());
    let gateway = start();
    assert_eq!(meanwhile.response("GET", Deadline::soon()).expect("served later").status, 200);
    // The same sockets go on to a process that takes over, and it knows nothing of a service manager.
    drop(meanwhile);
    let next =
        Builder::beside(&gateway, executable()).argument("--take-over").argument("--workers").argument("2");
    let next = next.start();
    next.log("a word of it", |line| line.to_string().contains("taken over from another process"));
    Deadline::soon()
        .poll("none of the old", || (worker_connections(&next).iter().sum::<u64>() == 0).then_some(()));
    drop(are_shared_out(&next, 80));
}

/// Three sockets on two workers: the kernel gives one of them twice as many connections.
#[test]
fn connections_that_the_kernel_spreads_unevenly_are_shared_out() {
    let backend = Recorder::start();
    let config = config(&backend.address().to_string());
    let three = Builder::new(executable(), config).argument("--workers").argument("3").start();
    let two =
        Builder::beside(&three, executable()).argument("--take-over").argument("--workers").argument("2");
    let two = two.start();
    two.log("a word of it", |line| line.to_string().contains("taken over from another process"));
    drop(are_shared_out(&two, 160));
}

#[test]
fn a_socket_that_nobody_wants_is_refused() {
    let (socket, address) = opened();
    let said = |gateway: Builder| {
        let output = gateway.run(&["run", "-c", "portcullis.yaml"]);
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, text) = said(Builder::new(executable(), config("127.0.0.1:9")).passing(&socket, &["stray"]));
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains(&format!("no listener binds {address}")) && text.contains("`stray`"), "{text}");
    // Sockets that are meant for another process are not touched; then the address is taken.
    let config = config("127.0.0.1:9").replace("bind: 127.0.0.1:0", &format!("bind: \"{address}\""));
    let other = Builder::new(executable(), config.clone())
        .environment("LISTEN_FDS", "1")
        .environment("LISTEN_PID", "1");
    let (code, text) = said(other);
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains(&format!("cannot listen on {address}")), "{text}");
    // Nothing stands at that number.
    let (code, text) = said(Builder::new(executable(), config).launched("LISTEN_FDS=1 LISTEN_PID=$$"));
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("LISTEN_FDS: socket 0"), "{text}");
}

/// By name where the configuration leaves the port open, and by address for the probes.
#[test]
fn sockets_are_matched_by_address_or_by_name() {
    let (socket, address) = opened();
    let config = config("127.0.0.1:9");
    let by_name = Builder::new(executable(), config.clone()).passing(&socket, &["public", "public"]).start();
    assert_eq!(by_name.address("public"), address);
    drop(by_name);
    let (socket, address) = opened();
    let config = config.replace("probes: 127.0.0.1:0", &format!("probes: \"{address}\""));
    let probes = Builder::new(executable(), config).passing(&socket, &["probes"]).start();
    assert_eq!(Wire::Http1.send(address, &Request::get("/readyz")).status, 200);
    assert_eq!(probes.probes(), address);
}

fn packaging(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../packaging").join(name)
}

/// What `systemd-analyze` says; `None` when it is not there and need not be.
fn systemd_analyze(arguments: &[&str], file: &Path) -> Option<(bool, String)> {
    let mut command = client("systemd-analyze", &["--version"])?;
    let output = command.args(arguments).arg(file).output().expect("it runs");
    Some((output.status.success(), text(&output)))
}

#[test]
fn the_units_are_what_systemd_understands_and_grant_little() {
    let folder = tempfile::tempdir().expect("a folder");
    let unit = std::fs::read_to_string(packaging("portcullis.service")).expect("a unit");
    // What is not installed here is not what is judged.
    let unit_file = folder.path().join("portcullis.service");
    std::fs::write(&unit_file, unit.replace("/usr/bin/portcullis", "/bin/true")).expect("a file");
    let socket_file = folder.path().join("portcullis.socket");
    std::fs::copy(packaging("portcullis.socket"), &socket_file).expect("a file");
    for file in [&unit_file, &socket_file] {
        let Some((_, text)) = systemd_analyze(&["verify"], file) else { return };
        // Known from systemd 253 on; an older one names the line.
        let own = |line: &&str| line.contains("portcullis.") && !line.contains("ignoring: notify-reload");
        let found: Vec<&str> = text.lines().filter(own).collect();
        assert!(found.is_empty(), "{found:?}");
    }
    let judged = systemd_analyze(&["security", "--offline=yes", "--threshold=20"], &unit_file);
    let Some((is_good, text)) = judged else { return };
    assert!(is_good, "an exposure of more than 2.0:\n{text}");
}

/// What the unit asks of the program is what the program understands.
#[test]
fn the_unit_and_the_container_start_what_there_is() {
    let unit = std::fs::read_to_string(packaging("portcullis.service")).expect("a unit");
    let line =
        unit.lines().find_map(|line| line.strip_prefix("ExecStart=/usr/bin/portcullis ")).expect("a command");
    assert_eq!(line, "run --config /etc/portcullis/portcullis.yaml");
    let container = std::fs::read_to_string(packaging("Containerfile")).expect("a file");
    for part in ["STOPSIGNAL SIGTERM", "HEALTHCHECK", "\"healthcheck\"", "USER 65532", "\"run\""] {
        assert!(container.contains(part), "{part}");
    }
}
