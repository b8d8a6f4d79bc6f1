//! Metrics: counted on the data path with atomic additions or core by core, spelt out when somebody scrapes.
//!
//! What belongs to an operation is resolved once, when a snapshot is compiled. What belongs to a name in the
//! code (a control, a problem) is found in a small table without a lock. Labels come from the configuration and
//! from the code alone, so that no client can make a series.

pub(super) mod exposition;
mod listener;
mod operation;
mod process;
mod table;

pub use listener::{ConnectionOutcome, ListenerMetrics, OpenConnection};
pub use operation::{AnswerOutcome, OperationMetrics};

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::time::Duration;

use serde::Serialize;

use super::drift::Drift;
use super::incident::Incident;
use super::names::Stream;
use super::record::{Counted, Decision};
use super::sink::{Counts, lock};
use super::traces::SpanCounts;
use crate::problem::Severity;
use crate::signing::SigningFacts;
use crate::tally::Tally;
use listener::Door;
use operation::{Key, Series};
use table::Table;

const SEVERITIES: [Severity; 3] = [Severity::Low, Severity::Medium, Severity::High];

/// Everything that is counted.
#[derive(Debug, Default)]
pub(super) struct Metrics {
    /// Exchanges that never found an operation.
    unrouted: OperationMetrics,
    pub(super) drift: Arc<Drift>,
    decisions: Table<Tally<{ Decision::ALL.len() }>>,
    problems: Table<Tally<1>>,
    incidents: Table<[AtomicU64; SEVERITIES.len()]>,
    /// Held weakly: the series of an operation end with the last snapshot that has it.
    operations: Mutex<BTreeMap<Key, Weak<Series>>>,
    listeners: Mutex<BTreeMap<Arc<str>, Arc<Door>>>,
    config: Mutex<ConfigState>,
    snapshots: Arc<AtomicU64>,
    panics: AtomicU64,
    credential_failures: AtomicU64,
    held_back: AtomicU64,
    contracts_compiled: AtomicU64,
    pub(super) bodies: Ask<u64>,
    pub(super) targets: Ask<Vec<TargetFacts>>,
    pub(super) backends: Ask<Vec<BackendFacts>>,
    pub(super) issuers: Ask<Vec<IssuerFacts>>,
    pub(super) authorizers: Ask<Vec<AuthorizerFacts>>,
    pub(super) store: Ask<StoreMetrics>,
    pub(super) signing: Ask<Option<SigningFacts>>,
    certificates: Mutex<Vec<CertificateEnd>>,
    pub(super) acme: Ask<Vec<AcmeFacts>>,
    spans: Arc<SpanCounts>,
    access: Arc<Counts>,
    incident_stream: Arc<Counts>,
    lifecycle: OnceLock<Arc<Counts>>,
}

/// What became of the configurations that were read.
#[derive(Debug, Default, Clone)]
pub(super) struct ConfigState {
    /// Names the one in force.
    pub(super) hash: Option<String>,
    /// When one was last read, since 1970, and whether it was taken.
    pub(super) last: Option<(Duration, bool)>,
}

type Question<T> = Box<dyn Fn() -> T + Send + Sync>;

/// What is asked when somebody scrapes, once it is known where to ask.
pub(super) struct Ask<T>(OnceLock<Question<T>>);

/// How the store is, in numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoreMetrics {
    /// `sqlite` or `postgresql`.
    pub kind: &'static str,
    /// Whether it answers.
    pub is_up: bool,
    /// The revision that counts here.
    pub revision: Option<u64>,
    /// Consumers that count here.
    pub consumers: u64,
    /// Rows that are left out.
    pub rows_refused: u64,
}

/// How a backend as a whole is doing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct BackendFacts {
    /// Its name.
    #[serde(rename = "name")]
    pub backend: String,
    /// Repetitions so far.
    pub retries: u64,
    /// Repetitions that the budget did not allow.
    pub retries_refused: u64,
    /// What its breaker says, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub circuit: Option<CircuitFacts>,
    /// What its bound on concurrency says, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub places: Option<PlacesFacts>,
}

/// What a breaker says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct CircuitFacts {
    /// Whether the backend is left alone or on trial.
    #[serde(rename = "open")]
    pub is_open: bool,
    /// How often it was left alone.
    pub openings: u64,
    /// Requests that were refused.
    pub refused: u64,
}

/// What a bound on concurrency says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct PlacesFacts {
    /// Requests that wait.
    pub waiting: u64,
    /// Requests that were refused.
    pub refused: u64,
}

/// How a target of a backend is doing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TargetFacts {
    /// The backend's name.
    pub backend: String,
    /// The target's URL.
    #[serde(rename = "url")]
    pub target: Arc<str>,
    /// Requests under way.
    pub in_flight: u64,
    /// Whether it is left out now.
    #[serde(rename = "left_out")]
    pub is_left_out: bool,
    /// Failures so far.
    pub failures: u64,
    /// How often it was left out.
    pub ejections: u64,
    /// What its health checks say, where it is checked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health: Option<HealthFacts>,
    /// What is known of its name, where it is given by one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<NameFacts>,
}

/// What the health checks of a target say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct HealthFacts {
    /// Whether it may be asked as far as they go.
    #[serde(rename = "healthy")]
    pub is_healthy: bool,
    /// Good ones so far.
    pub good: u64,
    /// Failed ones so far.
    pub failed: u64,
}

/// What is known of the name of a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct NameFacts {
    /// How many addresses it has.
    pub addresses: u64,
    /// How often it did not resolve.
    pub failures: u64,
}

/// How an issuer is doing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct IssuerFacts {
    /// Its name in configuration.
    pub name: String,
    /// How many keys are known, where it has keys.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keys: Option<u64>,
    /// How long ago they were fetched, where they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub age_seconds: Option<u64>,
    /// Why it could not be asked the last time, if it could not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// Fetches of its keys: good and failed ones.
    #[serde(skip)]
    pub fetches: Option<(u64, u64)>,
    /// Calls about tokens: answered and failed ones.
    #[serde(skip)]
    pub asked: Option<(u64, u64)>,
    /// Tokens that held, of those that were not known.
    #[serde(skip)]
    pub verified: u64,
    /// Tokens that did not.
    #[serde(skip)]
    pub refused: u64,
    /// Tokens that could not be judged.
    #[serde(skip)]
    pub unavailable: u64,
}

/// When a certificate or revocation list ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateEnd {
    /// Whether it is a revocation list.
    pub is_list: bool,
    /// What it is used for.
    pub role: &'static str,
    /// The name it bears.
    pub name: String,
    /// Where the configuration names it.
    pub place: Arc<str>,
    /// When, since 1970.
    pub ends: Duration,
}

/// How an authorizer is doing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuthorizerFacts {
    /// Its name in configuration.
    pub name: String,
    /// Questions that it answered with yes.
    pub allowed: u64,
    /// Those that it answered with no.
    pub denied: u64,
    /// Those that it did not answer, so that the request passed.
    pub let_through: u64,
    /// Those that it did not answer, or not so that it counts.
    pub failed: u64,
    /// What all of them took.
    pub took: Duration,
    /// Those under way.
    pub in_flight: u64,
}

/// How a certificate that an authority gives is doing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct AcmeFacts {
    /// The first of its names.
    pub name: String,
    /// All of them.
    pub names: Vec<String>,
    /// The authority's directory.
    pub directory: String,
    /// `none` while there is none, `valid`, or `expired`.
    pub state: &'static str,
    /// When it expires, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
    /// When another one is ordered; absent when that is due.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub renews: Option<String>,
    /// Why the last order came to nothing, if it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// Orders that came to a certificate.
    #[serde(skip)]
    pub good: u64,
    /// Orders that came to nothing.
    #[serde(skip)]
    pub failed: u64,
}

/// Counts one snapshot as being in memory, until it is dropped.
#[derive(Debug)]
pub struct SnapshotAlive(Arc<AtomicU64>);

impl Metrics {
    /// Counts an ended exchange.
    pub(super) fn record(&self, record: &Counted<'_>) {
        record.metrics.unwrap_or(&self.unrouted).record(record);
        for verdict in record.verdicts {
            self.decisions.get(verdict.control).add(verdict.decision as usize, 1);
        }
        if let Some(kind) = record.problem {
            self.problems.get(kind.code).add(0, 1);
        }
    }

    /// Counts an incident.
    pub(super) fn incident(&self, incident: &Incident<'_>) {
        let counters = self.incidents.get(incident.kind);
        if let Some(counter) = counters.get(place(&SEVERITIES, &incident.severity)) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The counters of an operation; the same ones for the same names as long as any snapshot holds them.
    pub(super) fn operation(&self, api: &str, operation: &str, template: &str) -> OperationMetrics {
        let key = Key { api: api.into(), operation: operation.into(), template: template.into() };
        let mut operations = lock(&self.operations);
        if let Some(series) = operations.get(&key).and_then(Weak::upgrade) {
            return OperationMetrics::of(series);
        }
        let series = Arc::new(Series::new(key.clone(), &self.drift));
        operations.insert(key, Arc::downgrade(&series));
        OperationMetrics::of(series)
    }

    /// The counters of a listener, by name: they survive its being bound anew.
    pub(super) fn listener(&self, name: &str) -> ListenerMetrics {
        let mut listeners = lock(&self.listeners);
        let door = listeners.entry(name.into()).or_default();
        ListenerMetrics::of(Arc::clone(door))
    }

    /// Forgets listeners that are not among `names`.
    pub(super) fn retain_listeners(&self, names: &[&str]) {
        lock(&self.listeners).retain(|name, _| names.contains(&&**name));
    }

    /// What a stream lost.
    pub(super) fn stream(&self, stream: Stream) -> &Arc<Counts> {
        match stream {
            Stream::Access => &self.access,
            Stream::Incidents => &self.incident_stream,
            Stream::Lifecycle => self.lifecycle.get_or_init(Arc::default),
        }
    }

    /// What became of spans.
    pub(super) fn spans(&self) -> &Arc<SpanCounts> {
        &self.spans
    }

    /// Shows `counts` as what the lifecycle log lost: it was running before there were metrics.
    pub(super) fn watch(&self, counts: &Arc<Counts>) {
        let _ = self.lifecycle.set(Arc::clone(counts));
    }

    /// Counts a snapshot until the answer is dropped.
    pub(super) fn snapshot(&self) -> SnapshotAlive {
        self.snapshots.fetch_add(1, Ordering::Relaxed);
        SnapshotAlive(Arc::clone(&self.snapshots))
    }

    /// Counts a credential that failed, and whether its address is held back from now on.
    pub(super) fn credential_failed(&self, begins: bool) {
        self.credential_failures.fetch_add(1, Ordering::Relaxed);
        self.held_back.fetch_add(u64::from(begins), Ordering::Relaxed);
    }

    /// Counts a contract that was compiled.
    pub(super) fn contract_compiled(&self) {
        self.contracts_compiled.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a panic.
    pub(super) fn panicked(&self) {
        self.panics.fetch_add(1, Ordering::Relaxed);
    }

    /// Notes a configuration that is in force from now on.
    pub(super) fn applied(&self, hash: &str, wall: Duration) {
        *lock(&self.config) = ConfigState { hash: Some(hash.to_owned()), last: Some((wall, true)) };
    }

    /// Notes a configuration that was refused.
    pub(super) fn rejected(&self, wall: Duration) {
        lock(&self.config).last = Some((wall, false));
    }

    /// Replaces the list of certificates and their ends.
    pub(super) fn certificates(&self, ends: Vec<CertificateEnd>) {
        *lock(&self.certificates) = ends;
    }
}

/// Where `wanted` stands in a list of all values of its type.
fn place<T: PartialEq>(all: &[T], wanted: &T) -> usize {
    all.iter().position(|value| value == wanted).unwrap_or(usize::MAX)
}

impl Drop for SnapshotAlive {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl<T> Ask<T> {
    /// Says where to ask; the first to say it is asked.
    pub(super) fn set(&self, ask: impl Fn() -> T + Send + Sync + 'static) {
        let _ = self.0.set(Box::new(ask));
    }

    fn answer(&self) -> Option<T> {
        self.0.get().map(|ask| ask())
    }
}

impl<T> Default for Ask<T> {
    fn default() -> Self {
        Self(OnceLock::new())
    }
}

impl<T: fmt::Debug> fmt::Debug for Ask<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Ask").field(&self.answer()).finish()
    }
}

#[cfg(test)]
mod tests;
