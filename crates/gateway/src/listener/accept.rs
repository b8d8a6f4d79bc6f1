//! Listening sockets and the accept loop.
//!
//! # Limits
//! `connections` per listener: beyond it a connection is closed at once and counted. When the process is out of
//! descriptors or memory, accepting pauses for a moment instead of spinning.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

use super::{descriptors, opening};
use crate::http::term::Term;
use crate::observe::{ConnectionOutcome, ListenerMetrics, Observe};
use crate::snapshot::{ListenerPlan, Live};
use crate::tasks::Tasks;

/// Connections the kernel may hold for us before they are accepted.
const BACKLOG: i32 = 4096;

/// How long accepting pauses when the process, or the machine, is out of descriptors or memory.
const PAUSE_EXHAUSTED: Duration = Duration::from_secs(1);

/// How long a connection that was accepted last has for its first request.
const LAST_GRACE: Duration = Duration::from_secs(1);

/// What the cores that serve one address share. It stays while the address does: a connection that waits in the
/// kernel's queue is not lost to an edit.
#[derive(Debug)]
pub struct Doorway {
    sign: ArcSwap<Sign>,
    open: AtomicUsize,
    closing: AtomicBool,
    close: Notify,
}

/// What a doorway says of the listener behind it, for the connections that come from now on.
#[derive(Debug)]
pub struct Sign {
    plan: ListenerPlan,
    metrics: ListenerMetrics,
}

impl Sign {
    /// That of a listener.
    pub fn new(plan: ListenerPlan, observe: &Observe) -> Self {
        let metrics = observe.listener(&plan.name);
        Self { plan, metrics }
    }

    /// For connections that had to wait until nothing more is accepted.
    fn for_the_last(&self) -> Self {
        let term = Arc::new(Term::last(LAST_GRACE));
        Self { plan: ListenerPlan { term, ..self.plan.clone() }, metrics: self.metrics.clone() }
    }
}

impl Doorway {
    /// An open doorway.
    pub fn new(sign: Sign) -> Self {
        let (open, closing, close) = (AtomicUsize::new(0), AtomicBool::new(false), Notify::new());
        Self { sign: ArcSwap::from_pointee(sign), open, closing, close }
    }

    /// Changes what holds for the connections to come.
    pub fn change(&self, sign: Sign) {
        self.sign.store(Arc::new(sign));
    }

    /// The name of the listener behind it.
    pub fn name(&self) -> Arc<str> {
        Arc::clone(&self.sign.load().plan.name)
    }

    /// Connections open now, over all cores.
    pub fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// Accepts nothing more on any core but what is waiting already; connections stay.
    pub fn close(&self) {
        self.closing.store(true, Ordering::Release);
        self.close.notify_waiters();
    }

    async fn closed(&self) {
        let called = self.close.notified();
        if !self.closing.load(Ordering::Acquire) {
            called.await;
        }
    }
}

/// Binds one core's socket. Every core binds the same address; the kernel spreads connections over them.
pub fn bind(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Accepts until the doorway closes.
pub async fn accept(listener: TcpListener, doorway: Arc<Doorway>, live: Arc<Live>, tasks: Tasks) {
    loop {
        let accepted = tokio::select! {
            accepted = descriptors::accept(&listener, &tasks) => accepted,
            () = doorway.closed() => break,
        };
        let sign = doorway.sign.load_full();
        match accepted {
            Ok((stream, address)) => admit(stream, address, &doorway, sign, &live, &tasks),
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                sign.metrics.outcome(ConnectionOutcome::Exhausted);
                tracing::warn!(listener = &*sign.plan.name, %error, "accepting pauses");
                tokio::time::sleep(PAUSE_EXHAUSTED).await;
            }
        }
    }
    accept_waiting(listener, &doorway, &live, &tasks);
}

/// Takes in what the kernel had queued when the doorway closed: closing the socket would reset it. No more than that
/// queue can hold, or who connects again and again would keep the socket open.
fn accept_waiting(listener: TcpListener, doorway: &Arc<Doorway>, live: &Arc<Live>, tasks: &Tasks) {
    let Ok(listener) = listener.into_std() else { return };
    let sign = Arc::new(doorway.sign.load().for_the_last());
    for _ in 0..BACKLOG {
        match listener.accept() {
            Ok((stream, address)) => {
                let stream = stream.set_nonblocking(true).and_then(|()| TcpStream::from_std(stream));
                if let Ok(stream) = stream {
                    admit(stream, address, doorway, Arc::clone(&sign), live, tasks);
                }
            }
            Err(error) if is_of_one_connection(&error) => {}
            Err(_) => return,
        }
    }
}

/// Gives a connection its own task, if there is a place for it.
fn admit(
    stream: TcpStream,
    address: SocketAddr,
    doorway: &Arc<Doorway>,
    sign: Arc<Sign>,
    live: &Arc<Live>,
    tasks: &Tasks,
) {
    let Some(place) = Place::take(doorway, sign.plan.connections_max) else {
        sign.metrics.outcome(ConnectionOutcome::Full);
        return;
    };
    let live = Arc::clone(live);
    tasks.spawn(async move {
        let open = sign.metrics.open();
        opening::serve(stream, address, &sign.plan, &live, &sign.metrics).await;
        drop((place, open));
    });
}

/// One place among a listener's connections, given back when dropped.
struct Place(Arc<Doorway>);

impl Place {
    fn take(doorway: &Arc<Doorway>, connections_max: usize) -> Option<Self> {
        let place = Self(Arc::clone(doorway));
        let before = doorway.open.fetch_add(1, Ordering::Relaxed);
        (before < connections_max).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Whether an accept error says something of one connection only, not of us.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionRefused
    )
}
