//! The configuration, compiled: immutable, complete, swapped whole.
//!
//! A request keeps the snapshot it began with. Compiling is `compile.rs`' business and may fail; a snapshot that
//! exists cannot.

pub mod access;
mod compile;
pub mod coverage;
pub mod lease;

use std::ptr;
use std::sync::Arc;

use arc_swap::{ArcSwap, Cache};
use foldhash::HashSet;
use http::StatusCode;
use portcullis_openapi::source::Finding;
use tokio::sync::Notify;

pub use compile::{Compiled, ListenerPlan, compile};
use coverage::ApiReport;

use crate::acme::Acme;
use crate::authorizers::Authorizer;
use crate::bounds::Bounds;
use crate::callers::Directory;
use crate::chores::Chores;
use crate::dns;
use crate::http::Network;
use crate::http::canonical::Rules;
use crate::http::tls::ServerTls;
use crate::http::tls::managed::Managed;
use crate::http::trace::Tracing;
use crate::issuers::Issuer;
use crate::logins::Login;
use crate::observe::{AcmeFacts, AuthorizerFacts, IssuerFacts, SnapshotAlive};
use crate::operators::Operators;
use crate::pipeline::context::Ground;
use crate::pipeline::operation::StreamTerms;
use crate::pipeline::{Operation, Stop};
use crate::problem::{Blame, ProblemKind};
use crate::route::Routes;
use crate::signing::ring::Schedule;
use crate::upstream::Upstreams;
use crate::vault::Vault;

/// One compiled configuration.
#[derive(Debug)]
pub struct Snapshot {
    /// Content hash of the configuration it was made from.
    pub revision: Arc<str>,
    /// Bounds that hold where an operation says nothing else.
    pub bounds: Arc<Bounds>,
    /// How names are resolved.
    pub dns: dns::Settings,
    /// How traces are begun and joined.
    pub tracing: Tracing,
    /// Whether replies say what their time was spent on.
    pub server_timing: bool,
    /// What each listener accepts and publishes.
    // PERF: a configuration has few, and every request looks for one.
    listeners: Box<[(Arc<str>, Listening)]>,
    /// Where requests go.
    pub upstreams: Upstreams,
    /// How keys of our own are kept, where something is signed or published.
    pub signing: Option<Schedule>,
    /// Every operation, in order of the configuration, for `routes`.
    pub operations: Vec<Arc<Operation>>,
    /// What streams may stand on: the terms of every operation that may become one.
    stream_terms: HashSet<StreamTerms>,
    /// Who can be proven.
    pub callers: Arc<Directory>,
    /// Who may operate the gateway over the network, if anybody may.
    pub operators: Option<Arc<Operators>>,
    /// Whose tokens count.
    pub issuers: Vec<Arc<Issuer>>,
    /// Who is asked whether requests may go on.
    pub authorizers: Vec<Arc<Authorizer>>,
    /// At which of them users log in with their browser.
    pub logins: Vec<Arc<Login>>,
    /// Certificates that authorities give, and where the configuration asks for each.
    pub acme: Vec<(Arc<str>, Arc<Acme>)>,
    /// How much of each definition is enforced.
    pub coverage: Vec<ApiReport>,
    /// What should be known and does not keep it from serving.
    pub warnings: Vec<Finding>,
    /// Counts this snapshot for as long as a request holds it.
    pub alive: SnapshotAlive,
}

/// What a listener accepts and publishes.
#[derive(Debug)]
pub struct Listening {
    /// How its connections begin.
    pub opening: Arc<Opening>,
    /// How heads are made canonical.
    pub rules: Rules,
    /// The APIs published on it.
    pub routes: Routes<Arc<Operation>>,
    /// Certificates whose names are proven by answers in cleartext, where it speaks that; none of them on others.
    pub proofs: Option<Arc<[Arc<Managed>]>>,
}

/// How connections of a listener begin.
#[derive(Debug, Clone)]
pub struct Opening {
    /// Whether HTTP/1.1 and HTTP/1.0 are spoken.
    pub http1: bool,
    /// Whether HTTP/2 is spoken: by ALPN over TLS, by prior knowledge without.
    pub http2: bool,
    /// Who says first, by the PROXY protocol, for whom the connection is; nobody else may connect.
    pub proxy_protocol: Option<Vec<Network>>,
    /// How TLS is spoken, if it is.
    pub tls: Option<Arc<ServerTls>>,
}

/// The running snapshot behind one atomic pointer, and what outlives it.
#[derive(Debug)]
pub struct Live {
    snapshot: ArcSwap<Snapshot>,
    /// Tells streams of a swap.
    changed: Arc<Notify>,
    /// What every exchange stands on.
    pub ground: Arc<Ground>,
}

/// The snapshot of each moment, for one who asks again and again: it holds the last one it was given.
// PERF: while there is no other one it asks for nothing that costs a locked instruction.
#[derive(Debug)]
pub struct Latest<'a> {
    live: &'a Live,
    held: Option<Cache<&'a ArcSwap<Snapshot>, Arc<Snapshot>>>,
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
        // PERF: nearly always the same memory, which is seen without a look at it.
        let is = |known: &str| ptr::eq(known, name) || *known == *name;
        let found = self.listeners.iter().find(|(known, _)| is(known));
        let gone = || LISTENER_GONE.with("this listener is being closed").into();
        found.map(|(_, listening)| listening).ok_or_else(gone)
    }

    /// Begins to fetch the keys of issuers whose keys nobody fetches yet.
    pub fn begin_issuers(&self, chores: &Chores, ground: &Ground, vault: Option<&Arc<Vault>>) {
        for issuer in &self.issuers {
            issuer.begin(chores, &ground.observe, ground.spool.as_deref());
        }
        for login in &self.logins {
            login.begin(chores, &ground.observe, ground.spool.as_deref(), vault);
        }
    }

    /// How all authorizers are doing.
    pub fn authorizer_facts(&self) -> Vec<AuthorizerFacts> {
        self.authorizers.iter().map(|authorizer| authorizer.facts()).collect()
    }

    /// How the certificates that authorities give are doing.
    pub fn acme_facts(&self) -> Vec<AcmeFacts> {
        self.acme.iter().map(|(_, acme)| acme.facts()).collect()
    }

    /// How all issuers are doing.
    pub fn issuer_facts(&self) -> Vec<IssuerFacts> {
        self.issuers.iter().map(|issuer| issuer.facts()).collect()
    }
}

impl Latest<'_> {
    /// The snapshot of this moment.
    pub fn load(&mut self) -> &Arc<Snapshot> {
        self.held.get_or_insert_with(|| Cache::new(&self.live.snapshot)).load()
    }

    /// Holds none: whoever goes on to something that takes its time does not keep one that is gone.
    pub fn let_go(&mut self) {
        self.held = None;
    }
}

#[cfg(test)]
impl Snapshot {
    /// The same with one policy more on its first operation, which takes every path.
    pub(crate) fn with_policy(mut self, policy: Arc<dyn crate::pipeline::Policy>) -> Self {
        use portcullis_openapi::matcher::{MatcherBuilder, Methods};
        for (_, listening) in &mut self.listeners {
            listening.routes = Routes::default();
        }
        let operation = Arc::get_mut(&mut self.operations[0]).expect("no other holder");
        operation.chain = operation.chain.iter().cloned().chain([policy]).collect();
        let mut builder = MatcherBuilder::new();
        let template = portcullis_openapi::template::Template::parse("/{rest*}").expect("a template");
        builder.insert(Methods::Any, template, Arc::clone(&self.operations[0])).expect("no clash");
        let matcher = Arc::new(builder.build().expect("one template"));
        for (_, listening) in &mut self.listeners {
            listening.routes.publish(crate::route::HostPattern::Any, "", Arc::clone(&matcher));
        }
        self
    }
}

impl Live {
    /// Starts with a first snapshot.
    pub fn new(snapshot: Snapshot, ground: Arc<Ground>) -> Self {
        Self { snapshot: ArcSwap::from_pointee(snapshot), changed: Arc::default(), ground }
    }

    /// The snapshot of this moment.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }

    /// The same, for one who asks again and again. It holds nothing yet.
    pub fn latest(&self) -> Latest<'_> {
        Latest { live: self, held: None }
    }

    /// The bounds of this moment. Whoever waits holds these and no snapshot, which is then free to go.
    pub fn bounds(&self) -> Arc<Bounds> {
        Arc::clone(&self.snapshot.load().bounds)
    }

    /// What tells streams to look again whether they may go on: whoever changes who is known does.
    pub fn changed(&self) -> Arc<Notify> {
        Arc::clone(&self.changed)
    }

    /// Puts a new snapshot in place; requests under way keep theirs.
    pub fn swap(&self, snapshot: Snapshot) -> Arc<Snapshot> {
        let before = self.snapshot.swap(Arc::new(snapshot));
        self.changed.notify_waiters();
        before
    }
}
