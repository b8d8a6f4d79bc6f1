//! Debian's `pebble`, an authority of ACME, on an address of loopback that nobody else has.
//!
//! Its ports must be known before it starts, and where names lead besides; so it has an address of its own in 127.0.0.0/8, made
//! of the test's process and a number, on which ports are free whatever runs beside.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU8, Ordering};

use serde_json::json;
use tempfile::TempDir;

use crate::certificates::Authority;
use crate::deadline::Deadline;
use crate::dns::{DnsServer, Saying};
use crate::gateway::{Lines, terminate};
use crate::tls::{Choices, Tls};

/// Where it is asked.
const DIRECTORY_PORT: u16 = 14_000;
/// Where it tells of itself.
const MANAGEMENT_PORT: u16 = 15_000;

/// A place of a test's own: an address, and names that lead there.
#[derive(Debug)]
pub struct Town {
    address: Ipv4Addr,
    authority: Authority,
    dns: DnsServer,
}

/// How a pebble is.
#[derive(Debug, Clone, Copy)]
pub struct Habits {
    /// Of a hundred good nonces, so many are rejected.
    pub nonces_rejected: u8,
    /// Seconds before it looks at a challenge, at most; none at 0.
    pub sleeps: u8,
    /// Of a hundred valid authorizations, so many are used again.
    pub reuses: u8,
    /// How long certificates last, in seconds.
    pub lifetime: u32,
    /// Asks for an account made elsewhere: its name and its secret in base64url.
    pub external_account: Option<(&'static str, &'static str)>,
}

/// A running pebble; it dies with this value.
#[derive(Debug)]
pub struct Pebble {
    child: Child,
    lines: std::sync::Arc<Lines>,
    _folder: TempDir,
    management: SocketAddr,
    trusted: String,
}

impl Default for Habits {
    fn default() -> Self {
        Self { nonces_rejected: 20, sleeps: 1, reuses: 0, lifetime: 3_600, external_account: None }
    }
}

impl Town {
    /// A new one.
    pub fn new() -> Self {
        static NUMBER: AtomicU8 = AtomicU8::new(0);
        let process = std::process::id();
        let [.., high, low] = process.to_be_bytes();
        // Processes have at most 22 bits: what is left of them goes where the number is.
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let first = number.wrapping_mul(37).wrapping_add((process >> 16) as u8) % 200 + 50;
        let address = Ipv4Addr::new(127, first, high, low.max(1));
        Self { address, authority: Authority::new("pebble's front"), dns: DnsServer::start() }
    }

    /// Its address.
    pub fn ip(&self) -> IpAddr {
        self.address.into()
    }

    /// Who vouches for its directory, in PEM.
    pub fn authority(&self) -> String {
        self.authority.pem()
    }

    /// A certificate for its address, and for names.
    pub fn pair(&self) -> crate::certificates::Pair {
        self.authority.server(&[&self.address.to_string()])
    }

    /// The URL of the directory.
    pub fn directory(&self) -> String {
        format!("https://{}:{DIRECTORY_PORT}/dir", self.address)
    }

    /// Has `name` lead to its address.
    pub fn leads_here(&self, name: &str) {
        self.dns.says(name, Saying::Addresses(vec![self.ip()], 60));
    }

    /// Starts a pebble that looks at `tls_port` and `http_port`.
    ///
    /// # Panics
    /// When it is not installed or does not start.
    pub fn pebble(&self, tls_port: u16, http_port: u16, habits: Habits) -> Pebble {
        let folder = tempfile::Builder::new().prefix("portcullis-pebble-").tempdir().expect("a folder");
        let pair = self.pair();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("front.crt"), &pair.certificate).expect("a file");
        fs::write(path("front.key"), &pair.key).expect("a file");
        let mut settings = json!({
            "listenAddress": format!("{}:{DIRECTORY_PORT}", self.address),
            "managementListenAddress": format!("{}:{MANAGEMENT_PORT}", self.address),
            "certificate": path("front.crt"),
            "privateKey": path("front.key"),
            "httpPort": http_port,
            "tlsPort": tls_port,
            "certificateValidityPeriod": habits.lifetime,
            "externalAccountBindingRequired": habits.external_account.is_some(),
        });
        if let Some((id, key)) = habits.external_account {
            settings["externalAccountMACKeys"] = json!({ id: key });
        }
        fs::write(path("config.json"), json!({ "pebble": settings }).to_string()).expect("a file");
        let mut command = Command::new("pebble");
        command.arg("-config").arg(path("config.json"));
        command.arg("-dnsserver").arg(self.dns.address().to_string());
        command.env("PEBBLE_WFE_NONCEREJECT", habits.nonces_rejected.to_string());
        command.env("PEBBLE_AUTHZREUSE", habits.reuses.to_string());
        if habits.sleeps == 0 {
            command.env("PEBBLE_VA_NOSLEEP", "1");
        } else {
            command.env("PEBBLE_VA_SLEEPTIME", habits.sleeps.to_string());
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().expect("pebble is installed: Debian's package `pebble`");
        let lines = Lines::of(child.stdout.take().expect("a pipe"));
        lines.expect("pebble's directory", |line| line.contains("ACME directory available").then_some(()));
        let management = SocketAddr::from((self.address, MANAGEMENT_PORT));
        Pebble { child, lines, _folder: folder, management, trusted: self.authority() }
    }
}

impl Default for Town {
    fn default() -> Self {
        Self::new()
    }
}

impl Pebble {
    /// Who vouches for the certificates it gives, in PEM. Each start makes another.
    ///
    /// # Panics
    /// When it does not say.
    pub fn root(&self) -> String {
        let tls = Tls::new(&self.trusted, &Choices { protocols: &["http/1.1"], ..Choices::default() });
        let name = self.management.ip().to_string();
        // It listens there a moment later than for its directory.
        let connect = || tls.connect(self.management, &name).ok();
        let (mut client, _) = Deadline::soon().poll("pebble's own word", connect);
        client.send(format!("GET /roots/0 HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n"));
        let answer = client.response("GET", Deadline::soon()).expect("an answer");
        String::from_utf8(answer.body).expect("PEM")
    }

    /// What it said so far.
    pub fn lines(&self) -> &Lines {
        &self.lines
    }
}

impl Drop for Pebble {
    fn drop(&mut self) {
        terminate(&self.child);
        drop(self.child.wait());
        if std::thread::panicking() {
            eprintln!("--- pebble\n{}", self.lines.tail(40));
        }
    }
}
