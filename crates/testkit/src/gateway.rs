//! The real executable as a child process: configured, watched, signalled, measured and put away.

mod lines;
mod process;

#[cfg(test)]
mod tests;

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::Arc;

use serde_json::Value;
use tempfile::TempDir;

use crate::{Deadline, Request, Wire};
pub use lines::Lines;
pub use process::{Signal, Usage};

/// How a gateway is to be started.
#[derive(Debug)]
pub struct Builder {
    executable: PathBuf,
    config: String,
    files: Vec<(String, Vec<u8>)>,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    limits: Vec<String>,
    launcher: Vec<String>,
    has_config: bool,
    verb: &'static str,
    folder: Option<Arc<TempDir>>,
    passed: Option<TcpListener>,
}

/// A running gateway in a folder of its own; it dies with this value.
#[derive(Debug)]
pub struct Gateway {
    child: Child,
    folder: Arc<TempDir>,
    stdout: Arc<Lines>,
    stderr: Arc<Lines>,
}

impl Builder {
    /// A gateway from `executable`, which the caller knows as `env!("CARGO_BIN_EXE_portcullis")`.
    pub fn new(executable: impl Into<PathBuf>, config: impl Into<String>) -> Self {
        Self {
            executable: executable.into(),
            config: config.into(),
            files: Vec::new(),
            arguments: Vec::new(),
            environment: Vec::new(),
            limits: Vec::new(),
            launcher: Vec::new(),
            has_config: true,
            verb: "run",
            folder: None,
            passed: None,
        }
    }

    /// One more process in the folder of `gateway`, by the configuration that is there.
    pub fn beside(gateway: &Gateway, executable: impl Into<PathBuf>) -> Self {
        Self { folder: Some(Arc::clone(&gateway.folder)), ..Self::new(executable, "") }
    }

    /// One that gets no configuration file: its arguments stand behind `run`.
    pub fn without_config(executable: impl Into<PathBuf>) -> Self {
        Self { has_config: false, ..Self::new(executable, "") }
    }

    /// Has it serve by another verb than `run`.
    #[must_use]
    pub fn verb(mut self, verb: &'static str) -> Self {
        self.verb = verb;
        self
    }

    /// Puts a file beside the configuration.
    #[must_use]
    pub fn file(mut self, name: impl Into<String>, content: impl Into<Vec<u8>>) -> Self {
        self.files.push((name.into(), content.into()));
        self
    }

    /// Adds an argument behind `run -c portcullis.yaml`.
    #[must_use]
    pub fn argument(mut self, argument: impl Into<String>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// Sets a variable of the environment.
    #[must_use]
    pub fn environment(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// Runs it under `prlimit` with this option, such as `--nofile=256:256`.
    #[must_use]
    pub fn limit(mut self, option: impl Into<String>) -> Self {
        self.limits.push(option.into());
        self
    }

    /// Passes it this socket as a service manager does, once for each of `names`.
    ///
    /// # Panics
    /// When the socket cannot be copied.
    #[must_use]
    pub fn passing(mut self, socket: &TcpListener, names: &[&str]) -> Self {
        self.passed = Some(socket.try_clone().expect("a socket"));
        let numbers = (3..3 + names.len()).map(|number| format!("{number}<&0"));
        let script = format!(
            "exec {} 0</dev/null; LISTEN_PID=$$ LISTEN_FDS={} LISTEN_FDNAMES={} exec \"$0\" \"$@\"",
            numbers.collect::<Vec<_>>().join(" "),
            names.len(),
            names.join(":")
        );
        self.launcher = ["sh".to_owned(), "-c".to_owned(), script].into();
        self
    }

    /// Has it started by a shell that sets these variables, in which `$$` is the process itself.
    #[must_use]
    pub fn launched(mut self, variables: &str) -> Self {
        let script = format!("{variables} exec \"$0\" \"$@\"");
        self.launcher = ["sh".to_owned(), "-c".to_owned(), script].into();
        self
    }

    /// Starts it and waits until it listens.
    ///
    /// # Panics
    /// When it ends or stays silent instead; the failure shows what it said.
    pub fn start(mut self) -> Gateway {
        let folder = self.prepare();
        let mut command = self.command(folder.path());
        let with: &[&str] = if self.has_config { &["-c", "portcullis.yaml"] } else { &[] };
        command.arg(self.verb).args(with).args(&self.arguments);
        let mut child = command.spawn().expect("the executable starts");
        let stdout = Lines::of(child.stdout.take().expect("a pipe"));
        let stderr = Lines::of(child.stderr.take().expect("a pipe"));
        let gateway = Gateway { child, folder, stdout, stderr };
        gateway.stderr.expect("a listening gateway", |line| listening(line).map(drop));
        gateway
    }

    /// Runs another verb to its end, such as `["check"]`, beside the same files.
    pub fn run(mut self, arguments: &[&str]) -> Output {
        let folder = self.prepare();
        let mut command = self.command(folder.path());
        command.args(arguments).args(&self.arguments).output().expect("the executable starts")
    }

    fn prepare(&self) -> Arc<TempDir> {
        let config = [("portcullis.yaml".to_owned(), self.config.clone().into_bytes())];
        let (folder, config) = match &self.folder {
            Some(folder) => (Arc::clone(folder), None),
            None => {
                let folder = tempfile::Builder::new().prefix("portcullis-it-").tempdir().expect("a folder");
                (Arc::new(folder), Some(&config))
            }
        };
        for (name, content) in config.into_iter().flatten().chain(&self.files) {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
            fs::write(path, content).expect("a file");
        }
        folder
    }

    fn command(&mut self, folder: &Path) -> Command {
        let limits = if self.limits.is_empty() { None } else { Some("prlimit".to_owned()) };
        let before = self.launcher.iter().cloned().chain(limits).chain(self.limits.iter().cloned());
        let mut words = before.map(PathBuf::from).chain([self.executable.clone()]);
        let mut command = Command::new(words.next().expect("an executable"));
        command.args(words);
        let environment = self.environment.iter().map(|(name, value)| (name, value));
        command.current_dir(folder).envs(environment);
        // The developer's own settings must not change what a test sees.
        let names =
            ["STATE_DIRECTORY", "NOTIFY_SOCKET", "WATCHDOG_USEC", "LISTEN_FDS", "XDG_STATE_HOME", "RUST_LOG"];
        let others = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
        let others = others.filter(|name| name.starts_with("OTEL_"));
        for name in names.into_iter().map(str::to_owned).chain(others) {
            if !self.environment.iter().any(|(own, _)| *own == name) {
                command.env_remove(name);
            }
        }
        // What safe code cannot put at a number of its choice, it can pass as standard input.
        let input = self.passed.take().map_or_else(Stdio::null, |socket| OwnedFd::from(socket).into());
        command.stdin(input).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }
}

impl Gateway {
    /// Starts `executable` with `config`; see [`Builder`] for more.
    pub fn start(executable: impl Into<PathBuf>, config: impl Into<String>) -> Self {
        Builder::new(executable, config).start()
    }

    /// Where the listener called `listener` listens.
    ///
    /// # Panics
    /// When it does not say so in time.
    pub fn address(&self, listener: &str) -> SocketAddr {
        self.stderr.expect(&format!("listener `{listener}`"), |line| {
            listening(line).filter(|(name, _)| name == listener).map(|(_, address)| address)
        })
    }

    /// Where health and metrics are served.
    pub fn probes(&self) -> SocketAddr {
        self.address(PROBES)
    }

    /// Its metrics at this moment, as text.
    ///
    /// # Panics
    /// When they are no text.
    pub fn metrics(&self) -> String {
        let scraped = Wire::Http1.send(self.probes(), &Request::get("/metrics"));
        String::from_utf8(scraped.body).expect("text")
    }

    /// Where the admin API is served.
    pub fn admin(&self) -> SocketAddr {
        self.address(ADMIN)
    }

    /// What it writes to standard output: access records and incidents.
    pub fn stdout(&self) -> &Lines {
        &self.stdout
    }

    /// What it writes to standard error: its log.
    pub fn stderr(&self) -> &Lines {
        &self.stderr
    }

    /// The first record on standard output that `wanted` accepts, awaited.
    ///
    /// # Panics
    /// When none comes in time.
    pub fn record(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        self.stdout.expect(what, |line| parse(line).filter(|record| wanted(record)))
    }

    /// The first log line that `wanted` accepts, awaited.
    ///
    /// # Panics
    /// When none comes in time.
    pub fn log(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        self.stderr.expect(what, |line| parse(line).filter(|record| wanted(record)))
    }

    /// The folder it runs in.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a file in its folder, whole or not at all, as an editor does.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.folder.path().join(name);
        let new = path.with_extension("new");
        fs::write(&new, content).expect("a file");
        fs::rename(new, path).expect("a rename");
    }

    /// Replaces the configuration file; whether it is taken shows in the log.
    pub fn reconfigure(&self, config: &str) {
        self.write("portcullis.yaml", config);
    }

    /// Runs another verb in the gateway's folder, such as `["status"]`.
    pub fn run(&self, executable: &str, arguments: &[&str]) -> Output {
        let mut command = Command::new(executable);
        command.current_dir(self.folder()).args(arguments).output().expect("the executable starts")
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        process::send(self.pid(), signal);
    }

    /// Memory and processor time it has used.
    pub fn usage(&self) -> Usage {
        process::usage(self.pid())
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("a child").is_none()
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// When the deadline passes first.
    pub fn wait(&mut self, deadline: Deadline) -> ExitStatus {
        deadline.poll("the gateway's end", || self.child.try_wait().expect("a child"))
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
        if std::thread::panicking() {
            eprintln!("--- the gateway's log\n{}", self.stderr.tail(40));
        }
    }
}

/// Sends a signal to a process that a gateway of the test has started.
pub fn signal(pid: u32, signal: Signal) {
    process::send(pid, signal);
}

/// Asks a process that a test started to end.
pub fn terminate(child: &Child) {
    process::send(child.id(), Signal::Term);
}

/// The name under which [`Gateway::address`] knows the probes.
const PROBES: &str = "(probes)";

/// And the admin API.
const ADMIN: &str = "(admin)";

/// Name and address in a log line that announces a listener. The one place that knows how it is spelled.
fn listening(line: &str) -> Option<(String, SocketAddr)> {
    let line = parse(line)?;
    let fields = line.get("fields").unwrap_or(&line);
    let text = |name: &str| fields.get(name).or_else(|| line.get(name)).and_then(Value::as_str);
    let address = text("address")?.parse().ok()?;
    match text("message")? {
        "listening" => Some((text("listener")?.to_owned(), address)),
        "probes listening" => Some((PROBES.to_owned(), address)),
        "admin API listening" => Some((ADMIN.to_owned(), address)),
        _ => None,
    }
}

fn parse(line: &str) -> Option<Value> {
    serde_json::from_str(line).ok()
}
