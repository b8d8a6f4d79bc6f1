//! Real clients through the real executable: what people call an API with, over cleartext and over TLS.
//!
//! Most clients are scripts beside this file: they say what they do in their own language, judge what they get and
//! end with a failure when something is wrong. What a client needs on the machine, `./test.sh clients-setup`
//! installs. Where it is missing the test fails, unless `PORTCULLIS_WITHOUT_CLIENTS` is set: then it says on standard
//! error that it was not run.

mod chromium;
mod curl;
mod ext_authz;
mod grpc;
mod h2load;
mod logins;
mod nghttpd;
mod node;
mod otlp;
mod requests;
mod schemathesis;
mod uploads;
mod websockets;

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use portcullis_testkit::certificates::Authority;
use portcullis_testkit::gateway::{Builder, Lines};
use portcullis_testkit::{Gateway, Recorder};

use crate::stage::executable;

/// `clear` and `tls` are the same API over two listeners; `CHAT` becomes the address of a second backend.
const CONFIG: &str = r#"version: 1
state: none
listeners:
  clear: { bind: 127.0.0.1:0, protocols: [http1, http2] }
  tls:
    bind: 127.0.0.1:0
    protocols: [http1, http2]
    tls: { certificates: [ { cert: "${file:gateway.crt}", key: "${file:gateway.key}" } ] }
backends:
  recorder: { targets: ["http://BACKEND"] }
  chat: { targets: ["http://CHAT"] }
apis:
  open:
    listen: [clear, tls]
    backend: recorder
    auth: none
    operations:
      events: { match: "GET /events/{rest*}", stream: sse }
      all: { match: "* /{rest*}" }
  chat:
    base_path: /chat
    listen: [clear, tls]
    backend: chat
    auth: none
    operations: { socket: { match: "GET /socket", stream: websocket } }
  secured:
    base_path: /admin
    listen: [clear, tls]
    backend: recorder
    auth: { api_key: {} }
    operations: { all: { match: "* /{rest*}" } }
"#;

/// A gateway with both listeners before a recording backend.
struct Scene {
    gateway: Gateway,
    backend: Recorder,
    /// The hash of the gateway's key, by which a browser can be told to trust it.
    pin: String,
}

impl Scene {
    fn start() -> Self {
        Self::with_chat("127.0.0.1:9")
    }

    /// One whose API `/chat` has its backend at `chat`.
    fn with_chat(chat: &str) -> Self {
        let authority = Authority::new("clients");
        let pair = authority.server(&["localhost"]);
        let pin = pair.pin();
        let backend = Recorder::start();
        let config = CONFIG.replace("BACKEND", &backend.address().to_string()).replace("CHAT", chat);
        let gateway = Builder::new(executable(), config)
            .file("gateway.crt", pair.certificate)
            .file("gateway.key", pair.key)
            .file("ca.pem", authority.pem())
            .start();
        Self { gateway, backend, pin }
    }

    /// `http://localhost:…` or `https://localhost:…`, by the listener's name.
    fn url(&self, listener: &str) -> String {
        let scheme = if listener == "tls" { "https" } else { "http" };
        format!("{scheme}://localhost:{}", self.gateway.address(listener).port())
    }

    /// The authority that vouches for the gateway.
    fn ca(&self) -> PathBuf {
        self.gateway.folder().join("ca.pem")
    }

    /// Nothing unusual reached the backend.
    fn expect_plain_backend_traffic(&self) {
        let oddities = self.backend.oddities();
        assert!(oddities.is_empty(), "the backend noticed:\n{}", oddities.join("\n"));
    }
}

/// A client that is on the machine; `None` when it is not and need not be.
///
/// # Panics
/// When it must be.
pub(crate) fn client(program: impl AsRef<Path>, check: &[&str]) -> Option<Command> {
    client_within(40, program, check)
}

/// The same, that may take so many seconds.
pub(crate) fn client_within(seconds: u32, program: impl AsRef<Path>, check: &[&str]) -> Option<Command> {
    let program = program.as_ref();
    let found = Command::new(program).args(check).output().is_ok_and(|output| output.status.success());
    if found {
        // Ended by `timeout`, a client that hangs fails its test instead of holding the run.
        let mut command = Command::new("timeout");
        command.arg("--kill-after=2").arg(seconds.to_string()).arg(program);
        return Some(command);
    }
    missing(&program.file_name().unwrap_or_default().display().to_string());
    None
}

/// Says that the test is not run for want of this.
///
/// # Panics
/// When it must be there.
fn missing(name: &str) {
    assert!(
        std::env::var_os("PORTCULLIS_WITHOUT_CLIENTS").is_some(),
        "{name} is not there: run ./test.sh clients-setup, or set PORTCULLIS_WITHOUT_CLIENTS=1"
    );
    let test = std::thread::current().name().unwrap_or_default().to_owned();
    // Not by `eprintln`, which the test runner keeps to itself when a test passes.
    writeln!(std::io::stderr(), "not run: {test}, for {name} is not there").expect("standard error");
}

/// The interpreter of the environment that holds the pinned packages, with this script.
fn python(script: &str) -> Option<Command> {
    python_with("grpc, requests, websockets", script)
}

/// The same, where the script needs these packages.
pub(crate) fn python_with(packages: &str, script: &str) -> Option<Command> {
    python_within(40, packages, script)
}

/// The same, that may take so many seconds.
pub(crate) fn python_within(seconds: u32, packages: &str, script: &str) -> Option<Command> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("the target folder");
    let python = folder.join("clients-venv/bin/python");
    let mut command = client_within(seconds, python, &["-c", &format!("import {packages}")])?;
    // No proxy of the environment stands between a client and the loopback.
    command.env("NO_PROXY", "*").env("PYTHONDONTWRITEBYTECODE", "1").arg("-u").arg(beside(script));
    Some(command)
}

/// Node with this script.
fn node(script: &str) -> Option<Command> {
    let mut command = client("node", &["--version"])?;
    command.arg(beside(script));
    Some(command)
}

fn beside(script: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/clients").join(script)
}

/// Runs a client to its end and answers with what it said.
///
/// # Panics
/// When it fails, with all it said.
pub(crate) fn run(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().expect("the client starts");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}\n{said}\n{errors}", output.status);
    said
}

/// A script in the part of a server, which says its ports in its first line. It dies with this value.
pub(crate) struct Server {
    child: Child,
    pub(crate) addresses: Vec<SocketAddr>,
    /// What it says after its first line.
    lines: Arc<Lines>,
}

impl Server {
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child =
            command.stdout(Stdio::piped()).stdin(Stdio::piped()).spawn().expect("the server starts");
        let mut line = String::new();
        let mut stdout = BufReader::new(child.stdout.take().expect("a pipe"));
        stdout.read_line(&mut line).expect("a line");
        let ports = line.split_whitespace().map(|port| port.parse().expect("a port"));
        let addresses: Vec<SocketAddr> = ports.map(|port: u16| ([127, 0, 0, 1], port).into()).collect();
        assert!(!addresses.is_empty(), "{command:?} did not say where it listens");
        Self { child, addresses, lines: Lines::of(stdout) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // `timeout` stands between: the script ends itself when its standard input does.
        drop(self.child.stdin.take());
        drop(self.child.wait());
    }
}
