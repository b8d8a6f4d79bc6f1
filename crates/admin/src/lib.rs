//! What operators and orchestrators ask a running gateway: probes, metrics and the admin API.
//!
//! Another trust zone, and kept apart in every way: listeners of its own, a thread of its own (a scrape of ten
//! thousand operations stalls no request), hyper instead of the data path's codec, and one narrow trait,
//! [`Control`], to reach the gateway through.
//!
//! Two doors. The *probes* listener is TCP without a credential: health and metrics, nothing that acts and nothing
//! that names a caller. The *admin socket* is a Unix socket that only its owner may open: the whole admin API.
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
mod reply;
pub mod server;
mod socket;
mod store;
pub mod takeover;

pub use api::{ROUTES, Route, openapi};
pub use control::{
    ConfigFailure, ConfigStatus, Control, ListenerStatus, Phase, Status, StuckWorker, Successor,
};
pub use reply::PROBLEMS;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use portcullis_gateway::listener::sockets;
use thiserror::Error;
use tokio::sync::watch;

use socket::Socket;
use takeover::Handed;

/// Which doors to open.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    /// Address of the probes listener.
    pub probes: Option<SocketAddr>,
    /// Path of the admin socket.
    pub socket: Option<PathBuf>,
}

/// Doors that are bound, and do not answer yet.
#[derive(Debug)]
pub struct Bound {
    probes: Option<TcpListener>,
    socket: Option<(Socket, UnixListener)>,
}

/// The running admin server. Dropping it closes its doors and removes the socket.
#[derive(Debug)]
pub struct Admin {
    probes: Option<SocketAddr>,
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

/// Why the admin server cannot start.
#[derive(Debug, Error)]
pub enum StartError {
    /// The probes listener cannot be bound.
    #[error("listen for probes on {address}: {error}")]
    Probes {
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
        let probes = match settings.probes {
            Some(address) => {
                let is_it = |probes: &mut TcpListener| {
                    probes.local_addr().is_ok_and(|own| sockets::is_for("", own, "", address))
                };
                let bound = match handed.probes.take_if(is_it) {
                    Some(probes) => Ok(probes),
                    None => TcpListener::bind(address),
                };
                Some(bound.map_err(|error| StartError::Probes { address, error })?)
            }
            None => None,
        };
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
        Ok(Self { probes, socket })
    }

    /// The address of the probes listener: with port 0, the one the system chose.
    pub fn probes(&self) -> Option<SocketAddr> {
        self.probes.as_ref().and_then(|listener| listener.local_addr().ok())
    }

    /// The path of the admin socket.
    pub fn socket(&self) -> Option<&Path> {
        self.socket.as_ref().map(|(socket, _)| socket.path())
    }

    /// Answers from now on, on a thread of its own.
    pub fn start(mut self, control: Arc<dyn Control>) -> Result<Admin, StartError> {
        let probes = self.probes();
        if let Some((socket, _)) = &mut self.socket {
            socket.make_own();
        }
        let runtime = server::runtime().map_err(StartError::Thread)?;
        let (stop, stopped) = watch::channel(false);
        let thread = thread::Builder::new()
            .name("admin".to_owned())
            .spawn(move || server::run(runtime, self.probes, self.socket, control, stopped))
            .map_err(StartError::Thread)?;
        Ok(Admin { probes, stop, thread: Some(thread) })
    }
}

impl Admin {
    /// The address of the probes listener.
    pub fn probes(&self) -> Option<SocketAddr> {
        self.probes
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

impl Drop for Admin {
    fn drop(&mut self) {
        self.stop.send_replace(true);
    }
}
