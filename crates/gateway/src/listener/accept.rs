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

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

use super::{descriptors, opening};
use crate::observe::{ConnectionOutcome, ListenerMetrics};
use crate::snapshot::Live;
use crate::tasks::Tasks;

/// Connections the kernel may hold for us before they are accepted.
const BACKLOG: i32 = 4096;

/// How long accepting pauses when the process, or the machine, is out of descriptors or memory.
const PAUSE_EXHAUSTED: Duration = Duration::from_secs(1);

/// What the cores that serve one listener share.
#[derive(Debug)]
pub struct Doorway {
    /// The listener's name.
    pub name: Arc<str>,
    /// Most connections at once.
    pub connections_max: usize,
    open: AtomicUsize,
    closing: AtomicBool,
    close: Notify,
}

impl Doorway {
    /// An open doorway.
    pub fn new(name: Arc<str>, connections_max: usize) -> Self {
        let (open, closing, close) = (AtomicUsize::new(0), AtomicBool::new(false), Notify::new());
        Self { name, connections_max, open, closing, close }
    }

    /// Connections open now, over all cores.
    pub fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// Accepts nothing more on any core; connections stay.
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

/// Accepts until the gateway drains.
pub async fn accept(listener: TcpListener, doorway: Arc<Doorway>, live: Arc<Live>, tasks: Tasks) {
    let metrics = live.ground.observe.listener(&doorway.name);
    loop {
        let accepted = tokio::select! {
            accepted = descriptors::accept(&listener, &tasks) => accepted,
            () = live.drained() => return,
            () = doorway.closed() => return,
        };
        match accepted {
            Ok((stream, address)) => admit(stream, address, &doorway, &metrics, &live, &tasks),
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                metrics.outcome(ConnectionOutcome::Exhausted);
                tracing::warn!(listener = &*doorway.name, %error, "accepting pauses");
                tokio::time::sleep(PAUSE_EXHAUSTED).await;
            }
        }
    }
}

/// Gives a connection its own task, if there is a place for it.
fn admit(
    stream: TcpStream,
    address: SocketAddr,
    doorway: &Arc<Doorway>,
    metrics: &ListenerMetrics,
    live: &Arc<Live>,
    tasks: &Tasks,
) {
    let Some(place) = Place::take(doorway) else {
        metrics.outcome(ConnectionOutcome::Full);
        return;
    };
    let (live, metrics) = (Arc::clone(live), metrics.clone());
    tasks.spawn(async move {
        let open = metrics.open();
        opening::serve(stream, address, &place.0.name, &live, &metrics).await;
        drop((place, open));
    });
}

/// One place among a listener's connections, given back when dropped.
struct Place(Arc<Doorway>);

impl Place {
    fn take(doorway: &Arc<Doorway>) -> Option<Self> {
        let place = Self(Arc::clone(doorway));
        let before = doorway.open.fetch_add(1, Ordering::Relaxed);
        (before < doorway.connections_max).then_some(place)
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
