//! The accept loop, and what the cores that accept on one address share.
//!
//! # Limits
//! `connections` per listener: beyond it a connection is closed at once and counted. When the process is out of
//! descriptors or memory, accepting pauses for a moment instead of spinning.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

use super::cores::{Arrival, Cores, Seat};
use super::opening::{self, Opened, Spoken};
use super::sockets::BACKLOG;
use super::{http1, http2};
use crate::descriptors;
use crate::http::io::Duplex;
use crate::observe::{ConnectionOutcome, ListenerMetrics, Observe};
use crate::snapshot::{ListenerPlan, Live};
use crate::tasks::{Running, Tasks};

/// How long accepting pauses when the process, or the machine, is out of descriptors or memory.
const PAUSE_EXHAUSTED: Duration = Duration::from_secs(1);

/// How long accepting waits before it looks again for room.
const PAUSE: Duration = Duration::from_millis(50);

/// What the cores that serve one address share. It stays while the address does: a connection that waits in the
/// kernel's queue is not lost to an edit.
#[derive(Debug)]
pub struct Doorway {
    sign: ArcSwap<Sign>,
    open: AtomicUsize,
    closing: AtomicBool,
    /// Another process accepts from the sockets, what waits on them included.
    is_left: AtomicBool,
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
}

impl Doorway {
    /// An open doorway.
    pub fn new(sign: Sign) -> Self {
        Self {
            sign: ArcSwap::from_pointee(sign),
            open: AtomicUsize::new(0),
            closing: AtomicBool::new(false),
            is_left: AtomicBool::new(false),
            close: Notify::new(),
        }
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

    /// Accepts nothing more on any core, not even what is waiting: another process does.
    pub fn leave(&self) {
        self.is_left.store(true, Ordering::Release);
        self.close();
    }

    async fn closed(&self) {
        let called = self.close.notified();
        if !self.closing.load(Ordering::Acquire) {
            called.await;
        }
    }
}

/// Where connections are accepted: one core, and what it shares with the others.
#[derive(Debug)]
pub struct Post {
    /// All cores.
    pub cores: Arc<Cores>,
    /// This one's number.
    pub core: usize,
    /// What runs.
    pub live: Arc<Live>,
    /// The process's tasks.
    pub tasks: Tasks,
}

/// What was decided of a connection when it was accepted; its places are given back when this is dropped.
#[derive(Debug)]
pub struct Admission {
    /// Where it was accepted; nothing where that says itself each connection.
    local: Option<SocketAddr>,
    sign: Arc<Sign>,
    seat: Seat,
    place: Place,
    /// A drain waits for a connection that is between two cores, too.
    running: Running,
}

/// Accepts until the doorway closes.
pub async fn accept(listener: TcpListener, doorway: Arc<Doorway>, post: Arc<Post>) {
    // PERF: what is the same for all of them is asked once.
    let local = listener.local_addr().ok().filter(|local| !local.ip().is_unspecified());
    loop {
        let accepted = tokio::select! {
            accepted = accept_next(&listener, &post.tasks) => accepted,
            () = doorway.closed() => break,
        };
        let sign = doorway.sign.load_full();
        match accepted {
            Ok((stream, address)) => admit(stream, (address, local), &doorway, sign, &post),
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                sign.metrics.outcome(ConnectionOutcome::Exhausted);
                tracing::warn!(listener = &*sign.plan.name, %error, "accepting pauses");
                tokio::time::sleep(PAUSE_EXHAUSTED).await;
            }
        }
    }
    if !doorway.is_left.load(Ordering::Acquire) {
        accept_waiting(listener, local, &doorway, &post);
    }
}

/// Accepts the next connection once there is room for it.
async fn accept_next(listener: &TcpListener, tasks: &Tasks) -> io::Result<(TcpStream, SocketAddr)> {
    let most = descriptors::most_connections();
    if tasks.running() >= most {
        tracing::warn!(most, "new connections wait: more would leave too few descriptors; raise `nofile`");
        // Hysteresis, so that a gateway at its limit does not say so for every connection that goes.
        while tasks.running() >= most.saturating_sub(most / 8) {
            tokio::time::sleep(PAUSE).await;
        }
    }
    let (stream, address) = listener.accept().await?;
    Ok((descriptors::checked(stream)?, address))
}

/// Takes in what the kernel had queued when the doorway closed: closing the socket would reset it. No more than that
/// queue can hold, or who connects again and again would keep the socket open.
fn accept_waiting(
    listener: TcpListener,
    local: Option<SocketAddr>,
    doorway: &Arc<Doorway>,
    post: &Arc<Post>,
) {
    let Ok(listener) = listener.into_std() else { return };
    let sign = doorway.sign.load_full();
    for _ in 0..BACKLOG {
        match listener.accept() {
            Ok((stream, address)) => {
                let stream = stream.set_nonblocking(true).and_then(|()| TcpStream::from_std(stream));
                if let Ok(stream) = stream {
                    admit(stream, (address, local), doorway, Arc::clone(&sign), post);
                }
            }
            Err(error) if is_of_one_connection(&error) => {}
            Err(_) => return,
        }
    }
}

/// Gives a connection to the core that shall serve it, if there is a place for it.
fn admit(
    stream: TcpStream,
    (address, local): (SocketAddr, Option<SocketAddr>),
    doorway: &Arc<Doorway>,
    sign: Arc<Sign>,
    post: &Arc<Post>,
) {
    let Some(place) = Place::take(doorway, sign.plan.connections_max) else {
        sign.metrics.outcome(ConnectionOutcome::Full);
        return;
    };
    let (seat, running) = (post.cores.seat(post.core), post.tasks.enter());
    let core = seat.core();
    let admission = Admission { local, sign, seat, place, running };
    if core == post.core {
        serve(stream, address, admission, post);
        return;
    }
    // A stream that cannot leave this core's reactor is lost, and with it the connection.
    let Ok(stream) = stream.into_std() else { return };
    if let Err(mut kept) = post.cores.send(core, Arrival { stream, address, admission }) {
        kept.admission.seat = kept.admission.seat.moved_to(post.core);
        take_in(kept, post);
    }
}

/// Serves a connection that another core accepted.
pub fn take_in(arrival: Arrival, post: &Arc<Post>) {
    let Arrival { stream, address, admission } = arrival;
    if let Ok(stream) = TcpStream::from_std(stream) {
        serve(stream, address, admission, post);
    }
}

/// Gives a connection its own task on this core.
fn serve(stream: TcpStream, address: SocketAddr, admission: Admission, post: &Arc<Post>) {
    let Admission { local, sign, seat, place, running } = admission;
    let Some(local) = local.or_else(|| stream.local_addr().ok()) else { return };
    let own = Arc::clone(post);
    // PERF: what is used up at once keeps no room in the task.
    let arrived = Box::new((stream, (address, local)));
    post.tasks.spawn_entered(running, async move {
        let open = sign.metrics.open();
        {
            let mut watch = sign.plan.term.watch();
            let (stream, ends) = { *{ arrived } };
            // PERF: what opening takes is boxed, and so is HTTP/2: neither is there while a connection in HTTP/1.1 waits, which
            // is what most of them do.
            let mut opening = Box::pin(opening::open(stream, ends, &sign.plan, &own.live, &sign.metrics));
            let opened = watch.over(opening.as_mut()).await;
            drop(opening);
            // One that is cut off ends by being dropped, and its exchange is recorded as it is.
            let served = match opened {
                Some(Some(Opened { reader, writer, peer, wire: Spoken::Http1 })) => {
                    watch.over(pin!(http1::serve(reader, writer, peer, &own.live))).await
                }
                Some(Some(Opened { reader, writer, peer, wire: Spoken::Http2 })) => {
                    let stream = Duplex::new(reader, writer);
                    watch.over(Box::pin(http2::serve(stream, peer, &own.live)).as_mut()).await
                }
                Some(None) => Some(()),
                None => None,
            };
            if served.is_none() {
                own.tasks.was_cut();
            }
        }
        drop((place, seat, open));
    });
}

/// One place among a listener's connections, given back when dropped.
#[derive(Debug)]
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
