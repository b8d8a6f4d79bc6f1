//! Connections that the exchanges of one core share, by target.
//!
//! A connection takes as many streams as the backend allows, then another one is opened. While one is being opened
//! for a target, others wait for it rather than open their own. What drives a connection is a task of its own: it
//! ends when the backend closes, or soon after nobody holds the connection any more and no stream is left.
//!
//! # Limits
//! A backend that takes no goodbye has [`CLOSING`]. [`STREAMS_MAX`] streams on a connection, [`CONNECTIONS_MAX`] connections per target and core; beyond both a
//! request is not sent. `idle_for` without a stream. Memory of one connection, at most: [`STREAM_WINDOW`] bytes of
//! answer and [`SEND_BYTES`] of request for each stream.

use std::cell::RefCell;
use std::collections::HashMap;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use foldhash::fast::FixedState;
use h2::client::{Builder, SendRequest};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Notify;

use super::watched::Watched;
use crate::clock::{self, Instant};
use crate::http::deadline::Deadline;
use crate::tasks::Tasks;
use crate::upstream::backend::{Speaks, Target};
use crate::upstream::connect::{Offer, Socket, dial, plain};
use crate::upstream::connection::Connection;
use crate::upstream::failure::Failure;
use crate::upstream::place::Origin;

/// Streams of one connection, if the backend allows as many.
const STREAMS_MAX: usize = 128;

/// Streams begun on a new connection before the backend has said how many it allows.
const STREAMS_FIRST: usize = 16;

/// Connections of one core to one target.
const CONNECTIONS_MAX: usize = 32;

/// Bytes that a backend may send ahead on one stream.
const STREAM_WINDOW: u32 = 128 * 1024;

/// `STREAM_WINDOW` for each of `STREAMS_MAX`, so that a client that does not read stops no other.
const CONNECTION_WINDOW: u32 = 16 * 1024 * 1024;

/// Bytes of a request that the codec holds for one stream.
const SEND_BYTES: usize = 64 * 1024;

/// What the codec may spend on keeping small DATA frames apart until they are read.
const SMALL_DATA_BYTES: usize = 2 * 1024 * 1024;

/// How long a connection that is no longer wanted may take to end.
const CLOSING: Duration = Duration::from_secs(2);

thread_local! {
    static SITES: RefCell<HashMap<u64, Arc<Site>, FixedState>> = RefCell::default();
    /// No drain waits for them: a connection lives as long as its exchanges, and those are waited for.
    static DRIVERS: Tasks = Tasks::default();
}

/// What one core has of one target.
#[derive(Default)]
struct Site {
    connections: Mutex<Vec<Shared>>,
    opening: tokio::sync::Mutex<()>,
}

struct Shared {
    sender: SendRequest<Bytes>,
    usage: Arc<Use>,
    last: Instant,
    idle_for: Duration,
    target: Arc<Target>,
    origin: Origin,
}

#[derive(Debug, Default)]
struct Use {
    streams: AtomicUsize,
    is_doubted: AtomicBool,
    /// Told when nobody uses the connection any more.
    over: Arc<Notify>,
}

impl Drop for Use {
    fn drop(&mut self) {
        self.over.notify_one();
    }
}

/// One stream's place on a connection.
#[derive(Debug)]
pub(super) struct Place {
    usage: Arc<Use>,
}

/// A place with the connection it is on.
#[derive(Debug)]
pub(in crate::upstream) struct Lease {
    pub(super) sender: SendRequest<Bytes>,
    place: Place,
    /// Whether it is the first on its connection.
    pub(super) is_new: bool,
}

/// What a target was found to speak.
#[derive(Debug)]
pub(in crate::upstream) enum Opened {
    Http1(Box<Connection>),
    Http2(Lease),
}

impl Drop for Place {
    fn drop(&mut self) {
        self.usage.streams.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Lease {
    /// Begins no more streams on this connection: it may lead nowhere.
    pub(in crate::upstream) fn doubt(&self) {
        self.place.usage.is_doubted.store(true, Ordering::Relaxed);
    }

    pub(super) fn into_place(self) -> Place {
        self.place
    }
}

/// A place on a connection to `target`, kept or new. The caller bounds the wait.
pub(in crate::upstream) async fn open(target: &Arc<Target>, idle_for: Duration) -> Result<Opened, Failure> {
    let site = SITES.with_borrow_mut(|sites| Arc::clone(sites.entry(target.id).or_default()));
    if let Some(lease) = site.lease() {
        return Ok(Opened::Http2(lease));
    }
    // Whoever is known to agree on HTTP/1.1 gets a connection for each exchange, and nothing to share.
    let turn = if target.is_known_http1() { None } else { Some(site.opening.lock().await) };
    if let Some(lease) = site.lease() {
        return Ok(Opened::Http2(lease));
    }
    let _turn = turn.filter(|_| !target.is_known_http1());
    if site.count() >= CONNECTIONS_MAX {
        return Err(Failure::Full);
    }
    let (socket, origin) = dial(target, Offer::Http2).await?;
    match socket {
        Socket::Tls(stream) => {
            let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
            target.know(is_http2);
            match (is_http2, target.speaks) {
                (true, _) => site.share(stream, target, origin, idle_for).await,
                (false, Speaks::Http2) => Err(Failure::Unexpected("it does not agree on HTTP/2")),
                (false, _) => Ok(Opened::Http1(plain(target, Socket::Tls(stream), origin))),
            }
        }
        Socket::Tcp(stream) => site.share(stream, target, origin, idle_for).await,
    }
}

/// Lets go of connections that ended or were idle for too long.
pub(in crate::upstream) fn sweep(now: Instant) {
    SITES.with_borrow_mut(|sites| {
        sites.retain(|_, site| site.sweep(now) > 0 || Arc::strong_count(site) > 1);
    });
}

/// Connections this core holds to one target.
#[cfg(test)]
pub(in crate::upstream) fn connections_of(id: u64) -> usize {
    SITES.with_borrow(|sites| sites.get(&id).map_or(0, |site| site.sweep(clock::now())))
}

impl Site {
    fn connections(&self) -> std::sync::MutexGuard<'_, Vec<Shared>> {
        // Nothing can be left half done in there.
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self) -> usize {
        self.connections().len()
    }

    fn lease(&self) -> Option<Lease> {
        let mut connections = self.connections();
        connections.retain_mut(|shared| shared.is_open());
        let shared = connections.iter_mut().find(|shared| shared.has_room())?;
        Some(shared.lease(false))
    }

    /// Speaks HTTP/2 on `io` from now on.
    async fn share<T>(
        &self,
        io: T,
        target: &Arc<Target>,
        origin: Origin,
        idle_for: Duration,
    ) -> Result<Opened, Failure>
    where
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (sender, connection) = builder(target.answers.head)
            .handshake(Watched::new(io, target.answers.interim))
            .await
            .map_err(|error| {
                Failure::Closed(Some(error.into_io().unwrap_or_else(|| io::ErrorKind::InvalidData.into())))
            })?;
        let usage = Arc::<Use>::default();
        let over = Arc::clone(&usage.over);
        DRIVERS.with(|drivers| drivers.spawn(drive(connection, over)));
        let mut shared =
            Shared { sender, usage, last: clock::now(), idle_for, target: Arc::clone(target), origin };
        let lease = shared.lease(true);
        self.connections().push(shared);
        Ok(Opened::Http2(lease))
    }

    /// How many are left.
    fn sweep(&self, now: Instant) -> usize {
        let mut connections = self.connections();
        connections.retain_mut(|shared| shared.is_open() && !shared.is_idle(now));
        connections.len()
    }
}

impl Shared {
    fn is_open(&mut self) -> bool {
        let mut cx = Context::from_waker(Waker::noop());
        !self.usage.is_doubted.load(Ordering::Relaxed)
            && self.target.place.is_at(&mut self.origin)
            && !matches!(self.sender.poll_ready(&mut cx), Poll::Ready(Err(_)))
    }

    fn has_room(&self) -> bool {
        let most = self.sender.current_max_send_streams().min(STREAMS_MAX);
        self.usage.streams.load(Ordering::Relaxed) < most
    }

    fn is_idle(&mut self, now: Instant) -> bool {
        if self.usage.streams.load(Ordering::Relaxed) > 0 {
            self.last = now;
        }
        now.saturating_duration_since(self.last) >= self.idle_for
    }

    fn lease(&mut self, is_new: bool) -> Lease {
        self.last = clock::now();
        self.usage.streams.fetch_add(1, Ordering::Relaxed);
        let place = Place { usage: Arc::clone(&self.usage) };
        Lease { sender: self.sender.clone(), place, is_new }
    }
}

/// Drives `connection` to its end, which it must not put off once it is `over`.
async fn drive(connection: impl Future<Output = Result<(), h2::Error>>, over: Arc<Notify>) {
    let mut connection = pin!(connection);
    let mut over = pin!(over.notified());
    let ended = poll_fn(|cx| match connection.as_mut().poll(cx) {
        Poll::Ready(ended) => Poll::Ready(Some(ended)),
        Poll::Pending => over.as_mut().poll(cx).map(|()| None),
    });
    let ended = match ended.await {
        Some(ended) => ended,
        None => {
            let mut deadline = Deadline::new();
            deadline.set(CLOSING);
            deadline.race(connection).await.unwrap_or(Ok(()))
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection to a backend ended");
    }
}

fn builder(head_bytes: u32) -> Builder {
    let mut builder = Builder::new();
    builder
        .enable_push(false)
        .initial_max_send_streams(STREAMS_FIRST)
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_header_list_size(head_bytes)
        .max_send_buffer_size(SEND_BYTES)
        .data_frame_budget(SMALL_DATA_BYTES);
    builder
}
