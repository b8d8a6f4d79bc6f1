//! The doors: accepting, reading one request, answering it, closing.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixListener;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::Request;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use portcullis_gateway::http::Peer;
use portcullis_gateway::tasks::Tasks;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{Semaphore, watch};
use tokio::{net, time};

use crate::api::{Api, Upgrade};
use crate::caller::Caller;
use crate::control::Control;
use crate::probes;
use crate::remote::{self, Crowd, Place};
use crate::reply::{self, BODY_BROKEN, BODY_TOO_LARGE, Reply};
use crate::socket::Socket;
use crate::takeover::{Handed, OpenDoors, Taken};

/// Connections a door serves at once; the next ones wait in the kernel's queue.
pub const CONNECTIONS_MAX: usize = 64;
/// Bytes of a request's head.
pub const HEAD_BYTES_MAX: usize = 16 << 10;
/// Fields of a request's head.
pub const FIELDS_MAX: usize = 64;
/// Time for a request's head.
pub const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
/// Bytes of a request's body.
pub const BODY_BYTES_MAX: usize = 1 << 20;
/// Time for a probe, from its connection to the last byte of its answer.
pub const PROBE_DEADLINE: Duration = Duration::from_secs(10);
/// Time for a call of the admin API, likewise; a reload compiles whole definitions.
pub const CALL_DEADLINE: Duration = Duration::from_secs(120);
/// Time that answers under way get when the server stops.
pub const STOP_GRACE: Duration = Duration::from_secs(1);
/// Pause after an accept that failed: for want of descriptors, mostly.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Threads for calls that block: a reload at a time, a take-over, and one to spare.
const BLOCKING_THREADS_MAX: usize = 3;

/// The doors that are bound.
#[derive(Debug)]
pub(crate) struct Listening {
    pub(crate) probes: Option<TcpListener>,
    pub(crate) api: Option<TcpListener>,
    pub(crate) socket: Option<(Socket, UnixListener)>,
}

/// What a door leads to.
#[derive(Clone)]
enum Zone {
    Probes(Arc<dyn Control>),
    Api(Arc<Api>),
}

/// The runtime the server runs on.
pub(crate) fn runtime() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_all().max_blocking_threads(BLOCKING_THREADS_MAX).build()
}

/// Serves until `stopped` says so.
pub(crate) fn run(
    runtime: Runtime,
    doors: Listening,
    control: Arc<dyn Control>,
    stopped: watch::Receiver<bool>,
) {
    let Listening { probes, api, socket } = doors;
    let (mut socket, listener) = socket.unzip();
    let doors = Handed { probes, api, socket: listener };
    let served = runtime.block_on(serve(doors, control, stopped));
    match served {
        Ok(given) if given.socket => socket.iter_mut().for_each(Socket::give_up),
        Ok(_) => {}
        Err(error) => tracing::error!(%error, "the admin server cannot listen"),
    }
    drop(socket); // the file goes first: nobody new should try
    runtime.shutdown_timeout(STOP_GRACE);
}

/// Serves until `stopped`; says which doors were given up before.
async fn serve(
    handed: Handed,
    control: Arc<dyn Control>,
    mut stopped: watch::Receiver<bool>,
) -> io::Result<Taken> {
    let tasks = Tasks::default();
    let keepers = Tasks::default();
    let doors = Arc::new(OpenDoors::new(handed.try_clone()?));
    let Handed { probes, api, socket } = handed;
    let given = doors.given();
    let offered = Arc::new(Api::new(Arc::clone(&control), doors, tasks.clone()));
    if let Some(listener) = probes {
        listener.set_nonblocking(true)?;
        let door = net::TcpListener::from_std(listener)?;
        let closed = closed(stopped.clone(), given.clone(), |given| given.probes);
        keepers.spawn(keep(door, Zone::Probes(control), tasks.clone(), closed));
    }
    if let Some(listener) = api {
        listener.set_nonblocking(true)?;
        let door = Network { listener: net::TcpListener::from_std(listener)?, crowd: Arc::default() };
        let closed = closed(stopped.clone(), given.clone(), |given| given.api);
        keepers.spawn(keep(door, Zone::Api(Arc::clone(&offered)), tasks.clone(), closed));
    }
    if let Some(listener) = socket {
        listener.set_nonblocking(true)?;
        let door = net::UnixListener::from_std(listener)?;
        let closed = closed(stopped.clone(), given.clone(), |given| given.socket);
        keepers.spawn(keep(door, Zone::Api(offered), tasks.clone(), closed));
    }
    // A sender that is gone stops the server too.
    let _ = stopped.wait_for(|stopped| *stopped).await;
    let _ = time::timeout(STOP_GRACE, tasks.idle()).await;
    Ok(given.borrow().clone())
}

/// Waits until the server stops, or the door is given up.
async fn closed(
    mut stopped: watch::Receiver<bool>,
    mut given: watch::Receiver<Taken>,
    is_given: impl Fn(&Taken) -> bool,
) {
    tokio::select! {
        _ = stopped.wait_for(|stopped| *stopped) => {}
        Ok(_) = given.wait_for(is_given) => {}
    }
}

/// Accepts connections and serves each, until the door is closed.
async fn keep<D: Door>(door: D, zone: Zone, tasks: Tasks, closed: impl Future<Output = ()>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut closed = pin!(closed);
    loop {
        let place = tokio::select! {
            Ok(place) = Arc::clone(&places).acquire_owned() => place,
            () = &mut closed => return,
        };
        let accepted = tokio::select! {
            accepted = door.accept() => accepted,
            () = &mut closed => return,
        };
        match accepted {
            Ok(guest) => {
                let zone = zone.clone();
                tasks.spawn(async move {
                    D::serve(guest, zone).await;
                    drop(place);
                });
            }
            Err(_) => time::sleep(ACCEPT_PAUSE).await,
        }
    }
}

/// Serves the one request of a connection.
async fn connection(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, zone: Zone, from: From) {
    let deadline = match zone {
        Zone::Probes(_) => PROBE_DEADLINE,
        Zone::Api(_) => CALL_DEADLINE,
    };
    let service = service_fn(move |request| {
        let (zone, from) = (zone.clone(), from.clone());
        async move { Ok::<_, Infallible>(answer(request, &zone, &from).await) }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(HEAD_BYTES_MAX)
        .max_headers(FIELDS_MAX)
        // Nobody asks often enough to keep a place that somebody else may need.
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    // What goes wrong with a connection is its client's to notice.
    let _ = time::timeout(deadline, served).await;
}

async fn answer(request: Request<Incoming>, zone: &Zone, from: &From) -> Reply {
    let (mut parts, body) = request.into_parts();
    let api = match zone {
        Zone::Probes(control) => return probes::answer(&parts.method, parts.uri.path(), control.as_ref()),
        Zone::Api(api) => api,
    };
    let caller = match from {
        From::Machine(caller) => caller.clone(),
        From::Network(peer) => match api.admit(&parts, peer) {
            Ok(caller) => caller,
            Err(refusal) => return *refusal,
        },
    };
    let upgrade = Upgrade::take(&mut parts);
    let found = match api.find(&parts.method, parts.uri.path(), &caller) {
        Ok(found) => found,
        Err(refusal) => return *refusal,
    };
    // Nobody but who may makes us read a body.
    match Limited::new(body, BODY_BYTES_MAX).collect().await {
        Ok(body) => {
            let query = parts.uri.query().unwrap_or_default();
            api.answer(found, query, body.to_bytes(), upgrade, &caller).await
        }
        Err(error) if error.is::<LengthLimitError>() => {
            reply::problem(&BODY_TOO_LARGE.with("the body has more than 1 MiB"))
        }
        Err(_) => reply::problem(&BODY_BROKEN.with("the body broke off")),
    }
}

/// Where a connection comes from.
#[derive(Clone)]
enum From {
    /// This machine, or the probes, which ask nobody who it is.
    Machine(Caller),
    /// The network: who it is, a request must show.
    Network(Arc<Peer>),
}

/// What connections come in by.
trait Door: Send + Sync + 'static {
    /// A connection.
    type Guest: Send + 'static;
    /// The next connection.
    fn accept(&self) -> impl Future<Output = io::Result<Self::Guest>> + Send;
    /// Serves it to its end.
    fn serve(guest: Self::Guest, zone: Zone) -> impl Future<Output = ()> + Send;
}

/// The probes.
impl Door for net::TcpListener {
    type Guest = net::TcpStream;

    async fn accept(&self) -> io::Result<Self::Guest> {
        Ok(Self::accept(self).await?.0)
    }

    async fn serve(stream: Self::Guest, zone: Zone) {
        connection(stream, zone, From::Machine(Caller::nobody())).await;
    }
}

/// The admin socket.
impl Door for net::UnixListener {
    type Guest = net::UnixStream;

    async fn accept(&self) -> io::Result<Self::Guest> {
        Ok(Self::accept(self).await?.0)
    }

    async fn serve(stream: Self::Guest, zone: Zone) {
        let caller = Caller::of_socket(stream.peer_cred().ok().map(|credentials| credentials.uid()));
        connection(stream, zone, From::Machine(caller)).await;
    }
}

/// The admin API on an address.
struct Network {
    listener: net::TcpListener,
    crowd: Arc<Crowd>,
}

impl Door for Network {
    type Guest = (net::TcpStream, SocketAddr, Option<Place>);

    async fn accept(&self) -> io::Result<Self::Guest> {
        let (stream, from) = self.listener.accept().await?;
        Ok((stream, from, self.crowd.enter(from.ip())))
    }

    async fn serve((stream, from, place): Self::Guest, zone: Zone) {
        let (Some(place), Zone::Api(api)) = (place, &zone) else { return };
        if let Some((stream, peer)) = remote::greet(stream, from, api.control()).await {
            connection(stream, zone, From::Network(peer)).await;
        }
        drop(place);
    }
}
