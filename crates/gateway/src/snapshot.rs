//! The configuration, compiled: immutable, complete, swapped whole.
//!
//! A request keeps the snapshot it began with. Compiling is `compile.rs`' business and may fail; a snapshot that
//! exists cannot.

mod compile;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwap;
use foldhash::HashMap;
use http::StatusCode;
use portcullis_openapi::source::Finding;
use tokio::sync::Notify;

pub use compile::{Compiled, ListenerPlan, compile};

use crate::bounds::Bounds;
use crate::http::canonical::Rules;
use crate::http::tls::ServerTls;
use crate::observe::SnapshotAlive;
use crate::pipeline::context::Ground;
use crate::pipeline::{Operation, Stop};
use crate::problem::{Blame, ProblemKind};
use crate::route::Routes;
use crate::upstream::Upstreams;

/// One compiled configuration.
#[derive(Debug)]
pub struct Snapshot {
    /// Content hash of the configuration it was made from.
    pub revision: Arc<str>,
    /// Bounds that hold where an operation says nothing else.
    pub bounds: Arc<Bounds>,
    /// What each listener accepts and publishes.
    listeners: HashMap<Arc<str>, Listening>,
    /// Where requests go.
    pub upstreams: Upstreams,
    /// Every operation, in order of the configuration, for `routes`.
    pub operations: Vec<Arc<Operation>>,
    /// What should be known and does not keep it from serving.
    pub warnings: Vec<Finding>,
    /// Counts this snapshot for as long as a request holds it.
    pub alive: SnapshotAlive,
}

/// What a listener accepts and publishes.
#[derive(Debug)]
pub struct Listening {
    /// How its connections begin.
    pub opening: Opening,
    /// How heads are made canonical.
    pub rules: Rules,
    /// The APIs published on it.
    pub routes: Routes<Arc<Operation>>,
}

/// How connections of a listener begin.
#[derive(Debug, Clone)]
pub struct Opening {
    /// Whether HTTP/1.1 and HTTP/1.0 are spoken.
    pub http1: bool,
    /// Whether HTTP/2 is spoken: by ALPN over TLS, by prior knowledge without.
    pub http2: bool,
    /// Whether the PROXY protocol comes first, and only from trusted proxies.
    pub proxy_protocol: bool,
    /// How TLS is spoken, if it is.
    pub tls: Option<Arc<ServerTls>>,
}

/// The running snapshot behind one atomic pointer, and what outlives it.
#[derive(Debug)]
pub struct Live {
    snapshot: ArcSwap<Snapshot>,
    /// What every exchange stands on.
    pub ground: Arc<Ground>,
    draining: AtomicBool,
    drain: Notify,
}

/// The listener is gone from the configuration while a connection of it lives.
pub const LISTENER_GONE: ProblemKind = ProblemKind {
    code: "listener-gone",
    status: StatusCode::SERVICE_UNAVAILABLE,
    title: "The listener is being closed",
    blame: Blame::Gateway,
    severity: None,
    about: "A reload removed the listener this connection came over. Connect again.",
};

impl Snapshot {
    /// What the listener called `name` accepts and publishes.
    pub fn listener(&self, name: &str) -> Result<&Listening, Stop> {
        self.listeners.get(name).ok_or_else(|| LISTENER_GONE.with("this listener is being closed").into())
    }
}

impl Live {
    /// Starts with a first snapshot.
    pub fn new(snapshot: Snapshot, ground: Arc<Ground>) -> Self {
        Self {
            snapshot: ArcSwap::from_pointee(snapshot),
            ground,
            draining: AtomicBool::new(false),
            drain: Notify::new(),
        }
    }

    /// The snapshot of this moment.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }

    /// Puts a new snapshot in place; requests under way keep theirs.
    pub fn swap(&self, snapshot: Snapshot) -> Arc<Snapshot> {
        self.snapshot.swap(Arc::new(snapshot))
    }

    /// Asks every connection to end after its current exchange.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Release);
        self.drain.notify_waiters();
    }

    /// Whether connections should end after their current exchange.
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }

    /// Waits until [`Live::drain`] is called; returns at once when it has been.
    pub async fn drained(&self) {
        let called = self.drain.notified();
        if !self.is_draining() {
            called.await;
        }
    }
}
