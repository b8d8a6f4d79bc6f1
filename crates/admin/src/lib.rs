//! What operators and orchestrators ask a running gateway: probes, metrics and the admin API.
//!
//! Another trust zone, and kept apart in every way: listeners of its own, a thread of its own (a scrape of ten
//! thousand operations stalls no request), hyper instead of the data path's codec, and one narrow trait,
//! [`Control`], to reach the gateway through.
//!
//! Three doors. The *probes* listener is TCP without a credential: health and metrics, nothing that acts and nothing
//! that names a caller. The *admin socket* is a Unix socket that only its owner may open: the whole admin API. The *admin
//! API on an address* is the same over TLS, for operators who prove who they are and may what their role may ([`ROUTES`]);
//! it is there only where the configuration asks for it.
//!
//! # Limits
//! [`server::CONNECTIONS_MAX`] connections per door, one request each; [`server::HEAD_BYTES_MAX`] and
//! [`server::HEAD_TIMEOUT`] for its head, [`server::BODY_BYTES_MAX`] for its body; a deadline for the whole.

mod api;
mod caller;
pub mod client;
mod control;
mod passing;
mod probes;
mod remote;
mod reply;
pub mod server;
mod socket;
mod store;
pub mod takeover;

pub use api::{ROUTES, Route, openapi};
pub use caller::{Reach, Right};
pub use control::{
    ConfigFailure, ConfigStatus, Control, ListenerStatus, Phase, Status, StuckWorker, Successor,
};
pub use reply::PROBLEMS;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use portcullis_gateway::listener::sockets;
use thiserror::Error;
use tokio::sync::watch;

use server::Listening;
use socket::Socket;
use takeover::Handed;

/// Which doors to open.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    /// Address of the probes listener.
    pub probes: Option<SocketAddr>,
    /// Address of the admin API.
    pub api: Option<SocketAddr>,
    /// Path of the admin socket.
    pub socket: Option<PathBuf>,
}

/// Doors that are bound, and do not answer yet.
#[derive(Debug)]
pub struct Bound(Listening);

/// The running admin server. Dropping it closes its doors and removes the socket.
#[derive(Debug)]
pub struct Admin {
    probes: Option<SocketAddr>,
    api: Option<SocketAddr>,
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

/// Why the admin server cannot start.
#[derive(Debug, Error)]
pub enum StartError {
    /// A listener cannot be bound.
    #[error("listen for {what} on {address}: {error}")]
    Address {
        /// What it is for.
        what: &'static str,
        /// The address.
        address: SocketAddr,
        /// Why.
        error: io::Error,
    },
    /// The admin socket cannot be bound.
    #[error("listen on the admin socket `{path}`: {error}", path = path.display())]
    Socket {
        /// The path.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The thread or its runtime cannot be had.
    #[error("start the admin thread: {0}")]
    Thread(io::Error),
}

impl Bound {
    /// Binds the doors, but for those that were handed to this process; uses what it can of them, and leaves the others.
    /// A socket that was handed over is the one at the path of `settings`.
    ///
    /// # Errors
    /// Says which door cannot be had.
    pub fn bind(settings: &Settings, handed: &mut Handed) -> Result<Self, StartError> {
        let probes = listener("probes", settings.probes, &mut handed.probes)?;
        let api = listener("the admin API", settings.api, &mut handed.api)?;
        let socket = match &settings.socket {
            Some(path) => {
                let bound = match handed.socket.take() {
                    Some(listener) => Ok((Socket::of_another(path), listener)),
                    None => Socket::bind(path),
                };
                Some(bound.map_err(|error| StartError::Socket { path: path.clone(), error })?)
            }
            None => None,
        };
        Ok(Self(Listening { probes, api, socket }))
    }

    /// The address of the probes listener: with port 0, the one the system chose.
    pub fn probes(&self) -> Option<SocketAddr> {
        address(self.0.probes.as_ref())
    }

    /// The address of the admin API.
    pub fn api(&self) -> Option<SocketAddr> {
        address(self.0.api.as_ref())
    }

    /// The path of the admin socket.
    pub fn socket(&self) -> Option<&Path> {
        self.0.socket.as_ref().map(|(socket, _)| socket.path())
    }

    /// Answers from now on, on a thread of its own.
    pub fn start(mut self, control: Arc<dyn Control>) -> Result<Admin, StartError> {
        let (probes, api) = (self.probes(), self.api());
        if let Some((socket, _)) = &mut self.0.socket {
            socket.make_own();
        }
        let runtime = server::runtime().map_err(StartError::Thread)?;
        let (stop, stopped) = watch::channel(false);
        let thread = thread::Builder::new()
            .name("admin".to_owned())
            .spawn(move || server::run(runtime, self.0, control, stopped))
            .map_err(StartError::Thread)?;
        Ok(Admin { probes, api, stop, thread: Some(thread) })
    }
}

impl Admin {
    /// The address of the probes listener.
    pub fn probes(&self) -> Option<SocketAddr> {
        self.probes
    }

    /// The address of the admin API.
    pub fn api(&self) -> Option<SocketAddr> {
        self.api
    }

    /// Closes the doors, and waits for answers under way for at most [`server::STOP_GRACE`].
    pub fn stop(mut self) {
        self.stop.send_replace(true);
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has nothing left to stop.
            let _ = thread.join();
        }
    }
}

/// A listener at `wanted`: the one that was handed over, or a new one.
fn listener(
    what: &'static str,
    wanted: Option<SocketAddr>,
    handed: &mut Option<TcpListener>,
) -> Result<Option<TcpListener>, StartError> {
    let Some(address) = wanted else { return Ok(None) };
    let is_it = |listener: &mut TcpListener| {
        listener.local_addr().is_ok_and(|own| sockets::is_for("", own, "", address))
    };
    let bound = match handed.take_if(is_it) {
        Some(listener) => Ok(listener),
        None => TcpListener::bind(address),
    };
    bound.map(Some).map_err(|error| StartError::Address { what, address, error })
}

fn address(listener: Option<&TcpListener>) -> Option<SocketAddr> {
    listener.and_then(|listener| listener.local_addr().ok())
}

impl Drop for Admin {
    fn drop(&mut self) {
        self.stop.send_replace(true);
    }
}
