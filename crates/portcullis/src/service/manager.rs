//! What the service manager is told (sd_notify(3)): ready, reloading, stopping, alive, and who the main process is.
//!
//! Without `$NOTIFY_SOCKET` nobody is told. A word that the manager does not take within [`PATIENCE`] is lost: no
//! request waits for it.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;
use std::{env, io, process};

use rustix::time::{ClockId, clock_gettime};

/// How long a word may wait for the manager.
const PATIENCE: Duration = Duration::from_secs(1);

/// The service manager, if there is one.
#[derive(Debug)]
pub(crate) struct Manager {
    socket: Option<(UnixDatagram, SocketAddr)>,
    watchdog: Option<Duration>,
}

impl Manager {
    /// The one that the environment names.
    pub(crate) fn of_environment() -> Self {
        let socket = env::var_os("NOTIFY_SOCKET").filter(|name| !name.is_empty()).and_then(|name| {
            let opened = open(name.as_bytes());
            opened.inspect_err(|error| tracing::warn!(%error, "NOTIFY_SOCKET cannot be used")).ok()
        });
        let number = |name: &str| env::var(name).ok()?.parse::<u64>().ok();
        // Meant for another process: one that started this one, say.
        let is_ours =
            env::var_os("WATCHDOG_PID").is_none() || number("WATCHDOG_PID") == Some(u64::from(process::id()));
        let watchdog = number("WATCHDOG_USEC").filter(|micros| is_ours && *micros > 0);
        Self { socket, watchdog: watchdog.map(Duration::from_micros) }
    }

    /// How often it wants to hear that the process is alive: twice as often as it asks for.
    pub(crate) fn heartbeat(&self) -> Option<Duration> {
        self.watchdog.filter(|_| self.socket.is_some()).and_then(|time| time.checked_div(2))
    }

    /// Requests are served; a reload is over, if one was under way.
    pub(crate) fn ready(&self, status: &str) {
        self.say(&format!("READY=1\nSTATUS={}", line(status)));
    }

    /// This process is the main one now, and serves.
    pub(crate) fn took_over(&self, status: &str) {
        self.say(&format!("MAINPID={}\nREADY=1\nSTATUS={}", process::id(), line(status)));
    }

    /// The configuration is being read anew.
    pub(crate) fn reloading(&self) {
        // The manager tells by it whether this is the reload that it asked for.
        let now = clock_gettime(ClockId::Monotonic);
        let micros = now.tv_sec.saturating_mul(1_000_000).saturating_add(now.tv_nsec / 1_000);
        self.say(&format!("RELOADING=1\nMONOTONIC_USEC={micros}"));
    }

    /// The process is about to end.
    pub(crate) fn stopping(&self) {
        self.say("STOPPING=1\nSTATUS=draining");
    }

    /// Another process serves in place of this one.
    pub(crate) fn handed_over(&self, process: u32) {
        self.say(&format!("MAINPID={process}"));
    }

    /// All is well.
    pub(crate) fn alive(&self) {
        self.say("WATCHDOG=1");
    }

    fn say(&self, words: &str) {
        let Some((socket, address)) = &self.socket else { return };
        if let Err(error) = socket.send_to_addr(words.as_bytes(), address) {
            tracing::debug!(%error, "the service manager did not hear");
        }
    }
}

/// A path, or the name of an abstract socket behind `@`.
fn open(name: &[u8]) -> io::Result<(UnixDatagram, SocketAddr)> {
    let address = match name.strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None if name.starts_with(b"/") => SocketAddr::from_pathname(std::ffi::OsStr::from_bytes(name))?,
        None => {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "neither a path nor an abstract name"));
        }
    };
    let socket = UnixDatagram::unbound()?;
    socket.set_write_timeout(Some(PATIENCE))?;
    Ok((socket, address))
}

/// One line: the manager reads the next one as another word.
fn line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}
