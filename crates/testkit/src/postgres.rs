//! A PostgreSQL server of a test's own, on loopback, in a folder that goes with it.
//!
//! It refuses to be run by root: then it is run as `nobody`.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::deadline::Deadline;
use crate::gateway::{Lines, terminate};

/// User and group of `nobody`.
const NOBODY: u32 = 65_534;

/// A running server. It dies with this value.
#[derive(Debug)]
pub struct Postgres {
    server: Option<Child>,
    folder: TempDir,
    programs: PathBuf,
    port: u16,
}

impl Postgres {
    /// Makes a cluster and starts its server.
    ///
    /// # Panics
    /// When PostgreSQL is not installed or does not start.
    pub fn start() -> Self {
        let folder = tempfile::Builder::new().prefix("portcullis-pg-").tempdir().expect("a folder");
        if folder.path().metadata().expect("a folder").uid() == 0 {
            chown(folder.path(), Some(NOBODY), Some(NOBODY)).expect("root may give it away");
        }
        let programs = programs().expect("PostgreSQL is installed: Debian's package `postgresql`");
        let port =
            TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a free port").port();
        let mut postgres = Self { server: None, folder, programs, port };
        let data = postgres.data();
        let made = postgres
            .command("initdb")
            .args([
                "--auth=trust",
                "--username=portcullis",
                "--no-sync",
                "--no-locale",
                "--encoding=UTF8",
                "-D",
            ])
            .arg(data)
            .output()
            .expect("initdb runs");
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        postgres.come_back();
        postgres
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        ([127, 0, 0, 1], self.port).into()
    }

    /// The URL of its database, at `address`: its own, or that of a relay before it.
    pub fn url_at(&self, address: SocketAddr) -> String {
        format!("postgres://portcullis@{address}/postgres")
    }

    /// The URL of its database.
    pub fn url(&self) -> String {
        self.url_at(self.address())
    }

    /// Says something to it, and hears what it answers.
    ///
    /// # Panics
    /// When it refuses.
    pub fn say(&self, statement: &str) -> String {
        let said = self
            .command("psql")
            .args(["-qtAX", "-v", "ON_ERROR_STOP=1", "-d", &self.url(), "-c", statement])
            .output();
        let said = said.expect("psql runs");
        assert!(said.status.success(), "psql: {}", String::from_utf8_lossy(&said.stderr));
        String::from_utf8_lossy(&said.stdout).trim().to_owned()
    }

    /// Ends it at once, as a crash would.
    ///
    /// # Panics
    /// When it does not end.
    pub fn leave(&mut self) {
        let Some(mut server) = self.server.take() else { return };
        let pid = rustix::process::Pid::from_raw(i32::try_from(server.id()).expect("a pid")).expect("a pid");
        rustix::process::kill_process(pid, rustix::process::Signal::QUIT).expect("it runs");
        server.wait().expect("it ends");
    }

    /// Starts it again.
    ///
    /// # Panics
    /// When it does not start.
    pub fn come_back(&mut self) {
        let mut command = self.command("postgres");
        command.arg("-D").arg(self.data()).args(["-p", &self.port.to_string(), "-k"]).arg(self.folder.path());
        command.args(["-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-c", "max_connections=20"]);
        command.args(["-c", "shared_buffers=16MB", "-c", "autovacuum=off"]);
        let mut server = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        let said = Lines::of(server.stderr.take().expect("a pipe"));
        self.server = Some(server);
        let is_ready = |line: &str| line.contains("ready to accept connections").then_some(());
        said.expect("a database that is ready", is_ready);
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// A program of it, run by somebody who is not root.
    fn command(&self, name: &str) -> Command {
        let program = self.programs.join(name);
        let is_root = rustix::process::getuid().is_root();
        let mut command = if is_root {
            let mut command = Command::new("setpriv");
            command
                .arg(format!("--reuid={NOBODY}"))
                .arg(format!("--regid={NOBODY}"))
                .arg("--clear-groups")
                .arg(program);
            command
        } else {
            Command::new(program)
        };
        command
            .current_dir(self.folder.path())
            .env("HOME", self.folder.path())
            .env("LC_ALL", "C")
            .env("TZ", "UTC");
        command
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if let Some(mut server) = self.server.take() {
            // Its children see their parent's pipe go and follow.
            terminate(&server);
            let gone = Deadline::soon();
            while gone.left().is_some() && matches!(server.try_wait(), Ok(None)) {
                std::thread::sleep(std::time::Duration::from_millis(10));
            }
            let _ = server.kill();
            let _ = server.wait();
        }
    }
}

/// The folder of the newest version's programs.
fn programs() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").ok()?;
    let mut versions: Vec<PathBuf> = versions.filter_map(|version| Some(version.ok()?.path())).collect();
    versions.sort_by_key(|path| version(path));
    versions.into_iter().map(|path| path.join("bin")).rfind(|folder| folder.join("initdb").exists())
}

fn version(path: &Path) -> u32 {
    path.file_name().and_then(|name| name.to_str()?.parse().ok()).unwrap_or_default()
}
