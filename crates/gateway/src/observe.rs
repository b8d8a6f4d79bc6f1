//! What the gateway says about itself: records, incidents, metrics, and what `explain` reads.
//!
//! Everything here is made from the one [`Record`] of an ended exchange, in one call that never waits: counters
//! are added to, lines go into a bounded queue, the exchange is kept for `explain`. What cannot be taken is
//! dropped and counted. Time, disk and reader are the concern of threads that serve no request.

mod access;
pub mod drift;
mod histogram;
mod incident;
mod json;
mod kept;
pub mod lifecycle;
mod metrics;
pub mod names;
pub mod record;
#[cfg(test)]
mod sample;
mod sink;
pub mod timestamp;
pub mod traces;

pub use histogram::BOUNDS_MS;
pub use incident::{EVIDENCE_BYTES_MAX, Evidence, Incident};
pub use json::VALUE_BYTES_MAX;
pub use kept::{ALLOWED_EVERY, ALLOWED_KEPT, Kept, KeptVerdict, REFUSED_KEPT};
pub use metrics::exposition::CONTENT_TYPE as METRICS_CONTENT_TYPE;
pub use metrics::{
    AcmeFacts, AnswerOutcome, AuthorizerFacts, BackendFacts, CertificateEnd, CircuitFacts, ConnectionOutcome,
    HealthFacts, IssuerFacts, ListenerMetrics, NameFacts, OpenConnection, OperationMetrics, PlacesFacts,
    SnapshotAlive, StoreMetrics, TargetFacts,
};
pub use record::{Counted, Decision, Place, Record, Try, Verdict};

use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arc_swap::ArcSwap;

use kept::Rings;
use lifecycle::Log;
use metrics::Metrics;
use names::Stream;
use sink::output::Target;
use sink::{Counts, Sink};
use traces::{ExportError, Exporter};

use crate::bounds::Bounds;
use crate::panics;
use crate::signing::SigningFacts;

/// Where the streams go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// One record per exchange.
    pub access_log: Destination,
    /// One record per incident.
    pub incidents: Destination,
    /// Where spans go; `None`: nowhere.
    pub traces: Option<traces::Settings>,
    /// Bytes of records that may wait for one output: `bounds.log_queue`.
    pub queue_bytes: u64,
}

impl Default for Settings {
    fn default() -> Self {
        let queue_bytes = Bounds::default().log_queue;
        Self { access_log: Destination::Off, incidents: Destination::Off, traces: None, queue_bytes }
    }
}

/// Where one stream goes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Destination {
    /// Nowhere. Its metrics are counted all the same.
    #[default]
    Off,
    /// Standard output.
    Stdout,
    /// Standard error, beside the lifecycle log.
    Stderr,
    /// A file that is appended to, and opened anew by [`Observe::reopen`].
    File(PathBuf),
}

/// The one that is told. Cheap to clone; all clones tell the same.
#[derive(Debug, Clone, Default)]
pub struct Observe {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    metrics: Arc<Metrics>,
    outputs: ArcSwap<Outputs>,
    // PERF: whether there is such an output at all, without a look at a pointer that may be swapped.
    has_access: AtomicBool,
    has_traces: AtomicBool,
    kept: Rings,
    log: OnceLock<Arc<Sink>>,
}

/// Outputs that are open and not yet in use: what [`Observe::prepare`] makes and [`Observe::adopt`] takes.
#[derive(Debug, Default)]
pub struct Outputs {
    access: Option<Arc<Sink>>,
    incidents: Option<Arc<Sink>>,
    traces: Option<Arc<Exporter>>,
    queue_bytes: usize,
}

/// A destination that cannot be written to.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// It cannot be opened.
    #[error("open `{target}` for the stream `{}`: {error}", stream.as_str())]
    Open {
        /// Which stream.
        stream: Stream,
        /// The destination, as text.
        target: String,
        /// Why.
        #[source]
        error: io::Error,
    },
    /// There is no way to the collector.
    #[error("export traces: {0}")]
    Export(#[from] ExportError),
}

impl Observe {
    /// Opens the outputs and starts their writers.
    pub fn start(settings: &Settings) -> Result<Self, OutputError> {
        let observe = Self::default();
        observe.adopt(observe.prepare(settings)?);
        Ok(observe)
    }

    /// Opens what `settings` name, and keeps what is open already. Nothing changes until [`Self::adopt`].
    pub fn prepare(&self, settings: &Settings) -> Result<Outputs, OutputError> {
        let queue_bytes = usize::try_from(settings.queue_bytes).unwrap_or(usize::MAX);
        let mut open = self.sinks();
        open.extend(self.shared.log.get().cloned());
        let mut resolve = |stream: Stream, destination: &Destination| {
            let target = match destination {
                Destination::Off => return Ok::<_, OutputError>(None),
                Destination::Stdout => Target::Stdout,
                Destination::Stderr => Target::Stderr,
                Destination::File(path) => Target::File(path.clone()),
            };
            if let Some(sink) = open.iter().find(|sink| *sink.target() == target) {
                return Ok(Some(Arc::clone(sink)));
            }
            let opened = Sink::open(&target, queue_bytes);
            let sink =
                opened.map_err(|error| OutputError::Open { stream, target: target.to_string(), error })?;
            let sink = Arc::new(sink);
            open.push(Arc::clone(&sink));
            Ok(Some(sink))
        };
        Ok(Outputs {
            access: resolve(Stream::Access, &settings.access_log)?,
            incidents: resolve(Stream::Incidents, &settings.incidents)?,
            traces: self.exporter(settings.traces.as_ref())?,
            queue_bytes,
        })
    }

    /// The exporter that runs by these settings already, or a new one.
    fn exporter(&self, settings: Option<&traces::Settings>) -> Result<Option<Arc<Exporter>>, ExportError> {
        let Some(settings) = settings else { return Ok(None) };
        let outputs = self.shared.outputs.load();
        if let Some(running) = outputs.traces.as_ref().filter(|running| running.settings() == settings) {
            return Ok(Some(Arc::clone(running)));
        }
        let counts = Arc::clone(self.shared.metrics.spans());
        Exporter::start(settings.clone(), counts).map(|exporter| Some(Arc::new(exporter)))
    }

    /// Writes to `outputs` from now on. What was queued before still goes where it was meant for.
    pub fn adopt(&self, outputs: Outputs) {
        for (stream, sink) in [(Stream::Access, &outputs.access), (Stream::Incidents, &outputs.incidents)] {
            if let Some(sink) = sink {
                sink.attach(self.shared.metrics.stream(stream));
                sink.set_queue_bytes(outputs.queue_bytes);
            }
        }
        let (has_access, has_traces) = (outputs.access.is_some(), outputs.traces.is_some());
        self.shared.outputs.store(Arc::new(outputs));
        self.shared.has_access.store(has_access, Ordering::Release);
        self.shared.has_traces.store(has_traces, Ordering::Release);
    }

    /// Takes in one ended exchange. Called exactly once for each. Never waits.
    pub fn record(&self, record: &Record<'_>) {
        if self.count(&record.counted()) {
            self.tell(record);
        }
    }

    /// The first half of [`Self::record`]: counts, and says whether anybody wants to know more.
    #[must_use]
    pub fn count(&self, counted: &Counted<'_>) -> bool {
        self.shared.metrics.record(counted);
        counted.metrics.is_none()
            || counted.problem.is_some()
            || self.shared.kept.wants(counted)
            || self.shared.has_access.load(Ordering::Acquire)
            || (counted.is_sampled && self.exports_spans())
    }

    /// The other half: tells whoever wants to know.
    pub fn tell(&self, record: &Record<'_>) {
        if record.metrics.is_none() {
            self.shared.metrics.drift.unrouted(record);
        }
        self.shared.kept.keep(record);
        if self.shared.has_access.load(Ordering::Acquire)
            && let Some(sink) = &self.shared.outputs.load().access
        {
            sink.push(self.counts(Stream::Access), |out| access::write(out, record));
        }
        if record.trace.sampled
            && let Some(exporter) = &self.shared.outputs.load().traces
        {
            exporter.push(record);
        }
        if let Some(incident) = Incident::of(record) {
            self.incident(&incident);
        }
    }

    /// Whether exchanges whose trace is sampled become spans.
    pub fn exports_spans(&self) -> bool {
        self.shared.has_traces.load(Ordering::Acquire)
    }

    /// Takes in an incident that belongs to no ended exchange: a connection's own. Never waits.
    pub fn incident(&self, incident: &Incident<'_>) {
        self.shared.metrics.incident(incident);
        if let Some(sink) = &self.shared.outputs.load().incidents {
            sink.push(self.counts(Stream::Incidents), |out| incident.write(out));
        }
    }

    /// The counters of an operation, for the snapshot to hold. The same names get the same counters as long as any
    /// snapshot holds them; after the last one their series are gone.
    pub fn operation(&self, api: &str, operation: &str, template: &str) -> OperationMetrics {
        self.shared.metrics.operation(api, operation, template)
    }

    /// The counters of a listener.
    pub fn listener(&self, name: &str) -> ListenerMetrics {
        self.shared.metrics.listener(name)
    }

    /// Requests for what no API publishes, the most frequent first; and how many of them were forgotten.
    pub fn shadow(&self) -> (Vec<drift::ShadowSeen>, u64) {
        self.shared.metrics.drift.shadow()
    }

    /// Forgets the counters of listeners that are not among `names`.
    pub fn retain_listeners(&self, names: &[&str]) {
        self.shared.metrics.retain_listeners(names);
    }

    /// Counts a snapshot as being in memory until the answer is dropped.
    pub fn snapshot(&self) -> SnapshotAlive {
        self.shared.metrics.snapshot()
    }

    /// Notes that the configuration of that hash is in force from now on.
    pub fn config_applied(&self, hash: &str, wall: Duration) {
        self.shared.metrics.applied(hash, wall);
    }

    /// Notes that a configuration was read and refused.
    pub fn config_rejected(&self, wall: Duration) {
        self.shared.metrics.rejected(wall);
    }

    /// Replaces the certificates that are used and when each ends.
    pub fn certificates(&self, ends: Vec<CertificateEnd>) {
        self.shared.metrics.certificates(ends);
    }

    /// Says where to ask, on a scrape, how the certificates that authorities give are doing. The first call counts.
    pub fn acme(&self, facts: impl Fn() -> Vec<AcmeFacts> + Send + Sync + 'static) {
        self.shared.metrics.acme.set(facts);
    }

    /// Says where to ask, on a scrape, for the bytes of request bodies in memory. The first call counts.
    pub fn bodies_in_memory(&self, bytes: impl Fn() -> u64 + Send + Sync + 'static) {
        self.shared.metrics.bodies.set(bytes);
    }

    /// Says where to ask, on a scrape, how the store is. The first call counts.
    pub fn store(&self, facts: impl Fn() -> StoreMetrics + Send + Sync + 'static) {
        self.shared.metrics.store.set(facts);
    }

    /// Says where to ask, on a scrape, how the keys of our own are. The first call counts.
    pub fn signing(&self, facts: impl Fn() -> Option<SigningFacts> + Send + Sync + 'static) {
        self.shared.metrics.signing.set(facts);
    }

    /// Says where to ask, on a scrape, how all backends are doing. The first call counts.
    pub fn backends(&self, facts: impl Fn() -> Vec<BackendFacts> + Send + Sync + 'static) {
        self.shared.metrics.backends.set(facts);
    }

    /// Says where to ask, on a scrape, how all issuers are doing. The first call counts.
    pub fn issuers(&self, facts: impl Fn() -> Vec<IssuerFacts> + Send + Sync + 'static) {
        self.shared.metrics.issuers.set(facts);
    }

    /// Says where to ask, on a scrape, how all authorizers are doing. The first call counts.
    pub fn authorizers(&self, facts: impl Fn() -> Vec<AuthorizerFacts> + Send + Sync + 'static) {
        self.shared.metrics.authorizers.set(facts);
    }

    /// Says where to ask, on a scrape, how the targets of all backends are doing. The first call counts.
    pub fn targets(&self, facts: impl Fn() -> Vec<TargetFacts> + Send + Sync + 'static) {
        self.shared.metrics.targets.set(facts);
    }

    /// Shows what the lifecycle log lost among the metrics, and lets streams share its output. Called once, before
    /// the first [`Self::prepare`].
    pub fn watch_log(&self, log: &Log) {
        self.shared.metrics.watch(&log.output().counts);
        let _ = self.shared.log.set(Arc::clone(&log.output().sink));
    }

    /// Tells and counts every panic of the process from now on, once, in place of the standard library's own lines.
    pub fn watch_panics(&self) {
        let metrics = Arc::clone(&self.shared.metrics);
        std::panic::set_hook(Box::new(move |panic| {
            metrics.panicked();
            let place = panic.location().map(ToString::to_string).unwrap_or_default();
            let thread = std::thread::current();
            let thread = thread.name().unwrap_or("unnamed");
            tracing::error!(panic = panics::text(panic.payload()), place, thread, "a panic, contained");
        }));
    }

    /// Counts a credential that failed, and whether its client's address is held back from now on.
    pub fn credential_failed(&self, begins: bool) {
        self.shared.metrics.credential_failed(begins);
    }

    /// Counts a contract that was compiled.
    pub fn contract_compiled(&self) {
        self.shared.metrics.contract_compiled();
    }

    /// All metrics as text of the type [`METRICS_CONTENT_TYPE`].
    pub fn metrics_text(&self) -> String {
        self.shared.metrics.text()
    }

    /// A kept exchange, by its request id.
    pub fn explain(&self, id: &str) -> Option<Kept> {
        self.shared.kept.find(id)
    }

    /// The latest kept exchanges, the last one first.
    pub fn recent(&self, count: usize) -> Vec<Kept> {
        self.shared.kept.recent(count)
    }

    /// Opens files anew, after they were moved away (on SIGHUP).
    pub fn reopen(&self) {
        for sink in self.sinks() {
            sink.reopen();
        }
    }

    /// Waits until all that was recorded before is written, at most for `patience`. Says whether it is.
    pub fn flush(&self, patience: Duration) -> bool {
        let deadline = crate::clock::now().checked_add(patience);
        let left = || deadline.map_or(patience, |end| end.saturating_duration_since(crate::clock::now()));
        let mut is_all = true;
        for sink in self.sinks() {
            is_all &= sink.flush(left());
        }
        // The collector is another machine's, and comes last.
        let exporter = self.shared.outputs.load().traces.clone();
        is_all & exporter.is_none_or(|exporter| exporter.flush(left()))
    }

    fn sinks(&self) -> Vec<Arc<Sink>> {
        let outputs = self.shared.outputs.load();
        let mut sinks: Vec<Arc<Sink>> = outputs.access.iter().chain(&outputs.incidents).cloned().collect();
        sinks.dedup_by(|a, b| Arc::ptr_eq(a, b));
        sinks
    }

    fn counts(&self, stream: Stream) -> &Arc<Counts> {
        self.shared.metrics.stream(stream)
    }
}

#[cfg(test)]
mod tests;
