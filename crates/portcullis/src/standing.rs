//! What a running process cannot change: where its state is, and the doors its operators use.
//!
//! A reload that asks for something else is refused as a whole. Taking the rest of it would leave a file that says one
//! thing and a process that does another, and nobody would know until the next restart.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use portcullis_gateway::config::values::Bind;
use portcullis_gateway::config::{Config, Finding, Loaded};

/// The admin socket's name within the state directory.
const ADMIN_SOCKET: &str = "admin.sock";

/// What was decided when the process started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Standing {
    /// The state directory.
    pub(crate) state: Option<PathBuf>,
    socket: Option<PathBuf>,
    api: Option<SocketAddr>,
    probes: Option<SocketAddr>,
}

impl Standing {
    /// What a configuration asks for. A relative socket path is relative to the state directory.
    pub(crate) fn of(config: &Config, state: Option<PathBuf>) -> Self {
        let socket = match (&config.admin.bind, state.as_deref()) {
            (Some(Bind::Unix(path)), Some(state)) => Some(state.join(path)),
            (Some(Bind::Unix(path)), None) => path.is_absolute().then(|| path.clone()),
            // On an address it is for operators elsewhere; here, and for a process that takes over, the socket stays.
            (Some(Bind::Tcp(_)) | None, state) => state.map(|state| state.join(ADMIN_SOCKET)),
        };
        let address = |bind: &Option<Bind>| match bind {
            Some(Bind::Tcp(address)) => Some(*address),
            Some(Bind::Unix(_)) | None => None,
        };
        let (api, probes) = (address(&config.admin.bind), address(&config.admin.probes));
        Self { state, socket, api, probes }
    }

    /// Where operators are answered.
    pub(crate) fn doors(&self) -> portcullis_admin::Settings {
        portcullis_admin::Settings { probes: self.probes, api: self.api, socket: self.socket.clone() }
    }

    /// The admin socket.
    pub(crate) fn into_socket(self) -> Option<PathBuf> {
        self.socket
    }

    /// What `loaded` would change, if anything.
    pub(crate) fn contradictions(&self, loaded: &Loaded, wanted: &Self) -> Vec<Finding> {
        let mut findings = Vec::new();
        let mut differs = |path: &str, now: String| {
            let message = format!("changes only with a restart; now it is {now}");
            let finding = loaded.finding(&path.parse().unwrap_or_default(), message);
            findings.push(finding.with_hint("restart the gateway, or take the change back"));
        };
        if wanted.state != self.state {
            differs("state", shown(self.state.as_deref(), "`none`"));
        } else if wanted.socket != self.socket {
            // It follows the state directory.
            differs("admin.bind", shown(self.socket.as_deref(), "nowhere"));
        }
        for (path, wanted, own) in
            [("admin.bind", wanted.api, self.api), ("admin.probes", wanted.probes, self.probes)]
        {
            if wanted != own {
                differs(path, own.map_or("nowhere".to_owned(), |address| format!("`{address}`")));
            }
        }
        findings
    }
}

fn shown(path: Option<&Path>, otherwise: &str) -> String {
    path.map_or(otherwise.to_owned(), |path| format!("`{}`", path.display()))
}
