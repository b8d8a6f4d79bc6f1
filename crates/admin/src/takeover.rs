//! One gateway takes over from another: all listening sockets, then the clients.
//!
//! The new process asks the admin socket of the running one. What follows, over that connection:
//!
//! | the new process | the running one |
//! | --- | --- |
//! | `POST /api/v1/take-over` with `Upgrade:` [`PROTOCOL`] | 101; its configuration changes no more |
//! | [`Said::Hello`] | [`Manifest`] and every listening socket: of listeners, probes, the admin API and the admin socket itself |
//! | [`Said::Ready`]: compiled and bound, it accepts nothing yet | [`Heard::Go`], and still accepts |
//! | [`Said::Serving`]: it accepts | stops accepting, [`Heard::Yours`], drains |
//!
//! Until the running process has heard [`Said::Serving`] it serves as before, whatever becomes of the other: a connection
//! that breaks, a word that does not come in time. From `Go` on the new process accepts, so that at each moment there is
//! one that does. A running process that gives the new one up afterwards says so ([`Heard::No`]), and the new one ends;
//! one that is gone without a word has left the new one alone, which goes on.
//!
//! Sockets that the new configuration does not want are closed by the new process before it is ready, so that the
//! running one is the last to hold them and takes in who waits there.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use portcullis_gateway::gateway::{Inherited, Lent, listening_address};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use tokio::sync::watch;

use crate::client::{self, Answer, CallError};
use crate::control::{Control, Successor};
use crate::passing::{Line, SOCKETS_MAX};

/// What the upgraded connection speaks. Another version is another name.
pub(crate) const PROTOCOL: &str = "portcullis-take-over/1";

/// Time for the new process to compile and bind. Beyond it the running one goes on.
const PATIENCE: Duration = Duration::from_secs(60);

/// Time from [`Heard::Go`] to the end: nothing that takes time is left to do.
const LAST_WORDS: Duration = Duration::from_secs(10);

/// What the new process says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Said {
    Hello,
    Ready(Taken),
    Serving,
}

/// What the running process says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Heard {
    Go,
    Yours,
    No(String),
}

/// What is passed, in this order.
#[derive(Debug, Serialize, Deserialize)]
struct Manifest {
    version: String,
    process: u32,
    listeners: Vec<Listed>,
    probes: bool,
    #[serde(default)]
    api: bool,
    socket: bool,
}

#[derive(Debug, Serialize, Deserialize)]
struct Listed {
    name: String,
    address: SocketAddr,
    sockets: usize,
}

/// What of it the new process has use for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taken {
    /// Listeners, by the names they have in the running process.
    pub listeners: Vec<String>,
    /// The probes listener.
    pub probes: bool,
    /// The admin API's listener on an address.
    #[serde(default)]
    pub api: bool,
    /// The admin socket.
    pub socket: bool,
}

/// Doors that were open already when this process began.
#[derive(Debug, Default)]
pub struct Handed {
    /// The probes listener.
    pub probes: Option<TcpListener>,
    /// The admin API's listener on an address.
    pub api: Option<TcpListener>,
    /// The admin socket.
    pub socket: Option<UnixListener>,
}

impl Handed {
    /// The same doors once more.
    pub(crate) fn try_clone(&self) -> io::Result<Self> {
        Ok(Self {
            probes: self.probes.as_ref().map(TcpListener::try_clone).transpose()?,
            api: self.api.as_ref().map(TcpListener::try_clone).transpose()?,
            socket: self.socket.as_ref().map(UnixListener::try_clone).transpose()?,
        })
    }
}

/// A take-over that is under way, as the new process sees it. Dropped before its end, it leaves the running process as it
/// was.
#[derive(Debug)]
pub struct TakeOver {
    line: Line,
    names: Vec<String>,
    /// The running process, by its own word: the kernel knows who first listened on the admin socket.
    pub process: u32,
    /// Its version.
    pub version: String,
}

/// What the running process handed over.
#[derive(Debug, Default)]
pub struct Estate {
    /// The sockets of its listeners.
    pub listeners: Vec<Inherited>,
    /// Its doors.
    pub doors: Handed,
}

/// Why a take-over that had begun came to nothing.
#[derive(Debug, Error)]
pub enum TakeOverError {
    /// The running process changed its mind, and goes on.
    #[error("the running gateway goes on: {0}")]
    Refused(String),
    /// The conversation broke off, or took too long.
    #[error("speak with the running gateway: {0}")]
    Broken(#[from] io::Error),
}

/// What the running process answers.
#[derive(Debug)]
pub enum Asked {
    /// It hands over.
    Granted(Box<TakeOver>, Estate),
    /// It does not, and says why.
    Refused(Answer),
}

/// Asks the gateway at `socket` to hand over.
///
/// # Errors
/// Why there is no answer.
pub fn ask(socket: &Path) -> Result<Asked, CallError> {
    let stream = match client::upgrade(socket, "/api/v1/take-over", PROTOCOL)? {
        Ok(stream) => stream,
        Err(answer) => return Ok(Asked::Refused(answer)),
    };
    let granted = Line::new(stream, PATIENCE).and_then(receive);
    let (take_over, estate) = granted.map_err(CallError::Connect)?;
    Ok(Asked::Granted(Box::new(take_over), estate))
}

fn receive(mut line: Line) -> io::Result<(TakeOver, Estate)> {
    line.say(&Said::Hello)?;
    let manifest: Manifest = line.hear()?;
    let count = manifest.listeners.iter().try_fold(0_usize, |sum, listed| sum.checked_add(listed.sockets));
    let count = count.filter(|count| *count <= SOCKETS_MAX).ok_or(io::ErrorKind::InvalidData)?;
    let doors =
        [manifest.probes, manifest.api, manifest.socket].into_iter().filter(|is_there| *is_there).count();
    let mut sockets = line.take(count.saturating_add(doors))?.into_iter();
    let mut listeners = Vec::with_capacity(manifest.listeners.len());
    for Listed { name, address, sockets: count } in manifest.listeners {
        let sockets: Vec<TcpListener> = sockets.by_ref().take(count).map(TcpListener::from).collect();
        for socket in &sockets {
            if listening_address(socket)? != address {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "a socket has another address"));
            }
        }
        listeners.push(Inherited { name, address, sockets });
    }
    let probes = if manifest.probes { sockets.next().map(TcpListener::from) } else { None };
    let api = if manifest.api { sockets.next().map(TcpListener::from) } else { None };
    let socket = if manifest.socket { sockets.next().map(UnixListener::from) } else { None };
    let names = listeners.iter().map(|one| one.name.clone()).collect();
    let take_over = TakeOver { process: manifest.process, line, names, version: manifest.version };
    Ok((take_over, Estate { listeners, doors: Handed { probes, api, socket } }))
}

impl TakeOver {
    /// Says that everything is compiled and bound. `unused` are the listeners' sockets that nobody wants: they are closed
    /// here; `doors` are those that nobody wants. Accepting may begin when this has gone well.
    ///
    /// # Errors
    /// The running process goes on as before, and this one must end.
    pub fn ready(&mut self, unused: Vec<Inherited>, doors: Handed) -> Result<(), TakeOverError> {
        let is_used = |name: &&String| !unused.iter().any(|one| one.name == **name);
        let listeners = self.names.iter().filter(is_used).cloned().collect();
        drop(unused);
        let (probes, api, socket) = (doors.probes.is_none(), doors.api.is_none(), doors.socket.is_none());
        drop(doors);
        self.line.say(&Said::Ready(Taken { listeners, probes, api, socket }))?;
        match self.line.hear()? {
            Heard::Go => Ok(()),
            Heard::No(reason) => Err(TakeOverError::Refused(reason)),
            Heard::Yours => Err(TakeOverError::Broken(io::ErrorKind::InvalidData.into())),
        }
    }

    /// Says that this process accepts, and waits until the other one does so no more.
    ///
    /// # Errors
    /// The running process has given this one up, which must end.
    pub fn serving(mut self) -> Result<(), TakeOverError> {
        self.line.limit(LAST_WORDS);
        // What cannot be said, or is not answered: it has said no, or is gone. Only the first is a reason to end.
        let _ = self.line.say(&Said::Serving);
        match self.line.hear() {
            Ok(Heard::No(reason)) => Err(TakeOverError::Refused(reason)),
            Ok(Heard::Yours) => Ok(()),
            Ok(Heard::Go) | Err(_) => {
                tracing::warn!("the process before this one did not say that it drains");
                Ok(())
            }
        }
    }
}

/// The doors of a running admin server, to be handed over and then given up.
#[derive(Debug)]
pub(crate) struct OpenDoors {
    handed: Mutex<Handed>,
    given: watch::Sender<Taken>,
}

impl OpenDoors {
    pub(crate) fn new(handed: Handed) -> Self {
        Self { handed: Mutex::new(handed), given: watch::Sender::new(Taken::default()) }
    }

    /// Says when doors are given up.
    pub(crate) fn given(&self) -> watch::Receiver<Taken> {
        self.given.subscribe()
    }

    fn lend(&self) -> io::Result<Handed> {
        self.handed.lock().unwrap_or_else(PoisonError::into_inner).try_clone()
    }

    fn give(&self, taken: &Taken) {
        let mut handed = self.handed.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.probes {
            handed.probes = None;
        }
        if taken.api {
            handed.api = None;
        }
        if taken.socket {
            handed.socket = None;
        }
        drop(handed);
        self.given.send_replace(taken.clone());
    }
}

/// The running process's part, once it has agreed to hand over `lent`.
pub(crate) fn hand_over(stream: UnixStream, lent: Vec<Lent>, doors: &OpenDoors, control: &dyn Control) {
    let line = Line::new(stream, PATIENCE);
    let outcome = line.map_err(Failure::from).and_then(|mut line| {
        let said = speak(&mut line, lent, doors, control);
        if let Err(failure) = &said {
            // Whoever is still there ends; whoever is not needs no word.
            let _ = line.say(&Heard::No(failure.to_string()));
        }
        said
    });
    if let Err(failure) = outcome {
        control.keep(&failure.to_string());
    }
}

/// Why the running process goes on.
struct Failure(String);

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self(match error.kind() {
            io::ErrorKind::UnexpectedEof | io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => {
                "the new process has ended".to_owned()
            }
            io::ErrorKind::TimedOut => "the new process was not ready in time".to_owned(),
            _ => error.to_string(),
        })
    }
}

fn speak(line: &mut Line, lent: Vec<Lent>, doors: &OpenDoors, control: &dyn Control) -> Result<(), Failure> {
    let Said::Hello = line.hear()? else { return Err(out_of_turn()) };
    let handed = doors.lend()?;
    line.say(&Manifest {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        process: std::process::id(),
        listeners: lent.iter().map(listed).collect(),
        probes: handed.probes.is_some(),
        api: handed.api.is_some(),
        socket: handed.socket.is_some(),
    })?;
    let sockets: Vec<OwnedFd> = lent
        .into_iter()
        .flat_map(|one| one.sockets)
        .chain(handed.probes)
        .chain(handed.api)
        .map(OwnedFd::from)
        .chain(handed.socket.map(OwnedFd::from))
        .collect();
    line.pass(&sockets.iter().map(AsFd::as_fd).collect::<Vec<BorrowedFd<'_>>>())?;
    // Copies that nobody accepts from here: what the running process closes must be closed.
    drop(sockets);
    let Said::Ready(taken) = line.hear()? else { return Err(out_of_turn()) };
    control.may_give().map_err(Failure)?;
    line.limit(LAST_WORDS);
    line.say(&Heard::Go)?;
    let Said::Serving = line.hear()? else { return Err(out_of_turn()) };
    doors.give(&taken);
    let Taken { listeners, probes, .. } = taken;
    control.give(&Successor { process: line.peer(), listeners, probes });
    // It serves already, and whether it hears this changes nothing.
    let _ = line.say(&Heard::Yours);
    control.drain();
    Ok(())
}

fn listed(lent: &Lent) -> Listed {
    Listed { name: lent.name.to_string(), address: lent.address, sockets: lent.sockets.len() }
}

fn out_of_turn() -> Failure {
    Failure("the new process speaks out of turn".to_owned())
}
