//! The one way from the admin server to the gateway.

use std::sync::Arc;
use std::time::Duration;

use portcullis_gateway::gateway::Lent;
use portcullis_gateway::observe::{
    AcmeFacts, BackendFacts, IssuerFacts, Kept, Observe, TargetFacts, timestamp,
};
use portcullis_gateway::operators::Operators;
use portcullis_gateway::signing::SigningFacts;
use portcullis_gateway::store::{Store, StoreFacts};
use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::caller::Reach;

/// What the admin server may ask and do. Implemented by whoever runs the gateway.
///
/// Questions are answered at once, from memory. [`Control::reload`] may take its time: it is called on a thread
/// where blocking is allowed, one call at a time.
pub trait Control: Send + Sync + 'static {
    /// How the gateway is.
    fn status(&self) -> Status;
    /// All metrics, as text of the type `observe::METRICS_CONTENT_TYPE`.
    fn metrics(&self) -> String;
    /// A kept exchange, by its request id.
    fn explain(&self, id: &str) -> Option<Kept>;
    /// The latest kept exchanges, the last one first.
    fn recent(&self, count: usize) -> Vec<Kept>;
    /// The published operations, as `portcullis routes --json` prints them.
    fn routes(&self) -> Value;
    /// The bounds in force, as `portcullis bounds --json` prints them.
    fn bounds(&self) -> Value;
    /// The certificates that are used or trusted, as `portcullis certs --json` prints them.
    fn certificates(&self) -> Value;
    /// How what is asked and answered drifts from what is declared, as `portcullis drift --json` prints it.
    fn drift(&self) -> Value;
    /// Reads the configuration again and applies it. Answers its hash.
    ///
    /// # Errors
    /// What is wrong with it, a line for each finding; what runs goes on running.
    fn reload(&self) -> Result<String, String>;
    /// Applies the configuration of this text in place of its file's, or its file anew. With `confirm`, what ran before
    /// comes back after that time unless [`Control::confirm`] is called. From afar nothing is taken that changes who may
    /// operate the gateway. Answers the hash.
    ///
    /// # Errors
    /// What is wrong with it, a line for each finding; what runs goes on running.
    fn apply(
        &self,
        candidate: Option<Vec<u8>>,
        confirm: Option<Duration>,
        reach: Reach,
    ) -> Result<String, String>;
    /// Keeps the configuration that waits to be confirmed. Answers its hash.
    ///
    /// # Errors
    /// Nothing waits.
    fn confirm(&self) -> Result<String, String>;
    /// Goes back to what ran before, or to the kept configuration whose hash begins so; from afar to none by which others
    /// may operate the gateway. Answers the hash.
    ///
    /// # Errors
    /// There is nothing to go back to, or it does not load any more; what runs goes on running.
    fn rollback(&self, hash: Option<&str>, reach: Reach) -> Result<String, String>;
    /// What the configuration of this text, or its file, would change.
    ///
    /// # Errors
    /// What is wrong with it, a line for each finding.
    fn diff(&self, candidate: Option<Vec<u8>>) -> Result<Value, String>;
    /// The configurations that are kept, the newest first.
    fn revisions(&self) -> Value;
    /// Who may operate the gateway over the network; `None` when nobody may.
    fn operators(&self) -> Option<Arc<Operators>>;
    /// Whom incidents at the doors are told to.
    fn observe(&self) -> Observe;
    /// Where consumers and credentials are kept; `None` when they are kept nowhere.
    fn store(&self) -> Option<Store>;
    /// Stops being ready, lets requests in flight end, and then ends the process. Returns at once.
    fn drain(&self);
    /// Lends every listening socket to a process that takes over. From then on the configuration stays as it is, until
    /// [`Control::give`] or [`Control::keep`].
    ///
    /// # Errors
    /// Why not now.
    fn lend(&self) -> Result<Vec<Lent>, String>;
    /// Whether the other process may still take over.
    ///
    /// # Errors
    /// Why not any more.
    fn may_give(&self) -> Result<(), String>;
    /// The other process serves: leaves it those who wait to be accepted. [`Control::drain`] is next.
    fn give(&self, successor: &Successor);
    /// The take-over came to nothing.
    fn keep(&self, reason: &str);
}

/// A process that has taken over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Successor {
    /// Its number, if the kernel tells.
    pub process: Option<u32>,
    /// The listeners whose sockets it uses; those of others are nobody's now.
    pub listeners: Vec<String>,
    /// Whether it answers the probes.
    pub probes: bool,
}

/// How the gateway is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Status {
    /// Where it is in its life.
    pub phase: Phase,
    /// The gateway's version.
    pub version: &'static str,
    /// When the process started, since 1970.
    #[serde(serialize_with = "as_time")]
    pub started: Duration,
    /// The configuration.
    pub config: ConfigStatus,
    /// The bound listeners.
    pub listeners: Vec<ListenerStatus>,
    /// The backends, and what keeps requests from them.
    pub backends: Vec<BackendFacts>,
    /// Their targets.
    pub targets: Vec<TargetFacts>,
    /// The issuers whose tokens count, and what keeps them from being verified.
    pub issuers: Vec<IssuerFacts>,
    /// The keys that tokens of our own are signed with, if there are any.
    pub signing: Option<SigningFacts>,
    /// The certificates that authorities give, and what keeps them from it.
    pub acme: Vec<AcmeFacts>,
    /// Where consumers are kept, if they are.
    pub store: Option<StoreFacts>,
    /// Connections of each worker.
    pub workers: Vec<usize>,
    /// Workers that do not turn; none of them when all is well.
    pub stuck: Vec<StuckWorker>,
}

/// A worker that does not turn: its connections and requests stand still.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StuckWorker {
    /// Its number, from 0, as in the name of its thread.
    pub worker: usize,
    /// For how long, in whole seconds.
    pub seconds: u64,
}

/// Where a gateway is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// The configuration is not compiled or the listeners are not bound yet.
    Starting,
    /// Requests are served.
    Ready,
    /// Requests in flight may end; new ones should go elsewhere.
    Draining,
}

/// What runs, and what was last refused.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ConfigStatus {
    /// Hash of the configuration in force; none before the first.
    pub hash: Option<String>,
    /// When it was applied, since 1970.
    #[serde(serialize_with = "as_time_if")]
    pub applied: Option<Duration>,
    /// When what ran before comes back unless this one is confirmed; none when nothing waits.
    #[serde(serialize_with = "as_time_if")]
    pub confirm_by: Option<Duration>,
    /// Why the last reload failed; none when it did not.
    pub last_failure: Option<ConfigFailure>,
}

/// A reload that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ConfigFailure {
    /// When, since 1970.
    #[serde(serialize_with = "as_time")]
    pub at: Duration,
    /// Why: a line for each finding.
    pub reason: String,
}

/// A bound listener.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ListenerStatus {
    /// Its name.
    pub name: String,
    /// The address it is bound to.
    pub address: String,
    /// Connections open now.
    pub connections: u64,
}

impl Phase {
    /// The word in answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Ready => "ready",
            Self::Draining => "draining",
        }
    }
}

fn as_time<S: Serializer>(wall: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&timestamp::format(*wall))
}

#[expect(clippy::ref_option, reason = "serde's calling convention")]
fn as_time_if<S: Serializer>(wall: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    wall.map(timestamp::format).serialize(serializer)
}
