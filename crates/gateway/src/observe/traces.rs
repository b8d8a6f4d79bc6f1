//! Spans on their way to a collector, by OTLP over HTTP (binary protobuf).
//!
//! An exchange whose trace is sampled becomes bytes when it has ended, from the one [`Record`], and goes into a bounded
//! queue. A thread of its own takes batches from it and posts them (`fetch`), so that neither a slow collector nor a TLS
//! handshake with it costs a request anything. What finds the queue full is dropped and counted.
//!
//! Why not the OpenTelemetry SDK: `docs/decisions/traces.md`.
//!
//! # Limits
//! `bounds.trace_queue` exchanges wait; [`BATCH_BYTES`] of spans travel in one message; a call has the timeout of the
//! settings, an answer [`ANSWER_BYTES_MAX`]. A batch is tried again for [`RETRY_FOR`], with growing pauses of random
//! length that the collector's `Retry-After` may lengthen to [`RETRY_AFTER_MAX`]; then it is given up and counted.
//!
//! # Threats
//! A collector is trusted with what spans say, which is what access records say, and with nothing else: of its answers
//! only the status, `Retry-After` and the number of spans it rejected count.

mod environment;
mod export;
mod span;

pub use environment::SettingsError;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Duration;

use http::{HeaderName, HeaderValue};
use tokio::sync::mpsc;

use super::record::Record;
use crate::config::values::Url;
use crate::dns;
use crate::fetch::{Remote, RemoteError};
use export::Courier;

/// Bytes of spans after which a message is full; one exchange may stand above it.
const BATCH_BYTES: usize = 256 << 10;
/// How long the first span of a batch waits for others.
const BATCH_DELAY: Duration = Duration::from_secs(1);
/// Bytes of an answer that are read.
const ANSWER_BYTES_MAX: usize = 64 << 10;
/// How long a batch is tried again.
const RETRY_FOR: Duration = Duration::from_secs(60);
/// The longest pause a collector may ask for.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(300);

/// Where spans go, and what is said with them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    url: Url,
    headers: Vec<(HeaderName, HeaderValue)>,
    resource: Vec<(String, String)>,
    timeout: Duration,
    queue_spans: usize,
    names: dns::Settings,
}

impl Settings {
    /// The same, with the collector's name resolved as `names` say.
    #[must_use]
    pub fn resolving(self, names: dns::Settings) -> Self {
        Self { names, ..self }
    }
}

/// What became of spans.
#[derive(Debug, Default)]
pub(super) struct SpanCounts {
    pub(super) exported: AtomicU64,
    pub(super) rejected: AtomicU64,
    pub(super) failed: AtomicU64,
    pub(super) dropped: AtomicU64,
}

/// The queue to a collector. Dropping it lets its thread end, with one last try at what is left.
#[derive(Debug)]
pub(super) struct Exporter {
    settings: Settings,
    spans: mpsc::Sender<Spans>,
    flushes: mpsc::Sender<SyncSender<()>>,
    counts: Arc<SpanCounts>,
}

/// The spans of one exchange.
#[derive(Debug)]
struct Spans {
    framed: Box<[u8]>,
    count: u64,
}

/// Why there is no way to a collector.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// It can never be called.
    #[error(transparent)]
    Remote(#[from] RemoteError),
    /// There is no thread for it.
    #[error(transparent)]
    Thread(#[from] io::Error),
}

impl Exporter {
    /// Starts a thread that exports as `settings` say.
    pub(super) fn start(settings: Settings, counts: Arc<SpanCounts>) -> Result<Self, ExportError> {
        let remote = Remote::new(settings.url.clone(), settings.names.clone())?;
        let (spans, queue) = mpsc::channel(settings.queue_spans.max(1));
        let (flushes, asked) = mpsc::channel(1);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let courier = Courier::new(remote, &settings, Arc::clone(&counts), queue, asked);
        std::thread::Builder::new().name("trace-exporter".to_owned()).spawn(move || {
            runtime.block_on(courier.run());
            runtime.shutdown_background();
        })?;
        Ok(Self { settings, spans, flushes, counts })
    }

    /// What it was started with.
    pub(super) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Queues the spans of an ended exchange, or drops and counts them. Never waits.
    pub(super) fn push(&self, record: &Record<'_>) {
        let count = span::count(record);
        match self.spans.try_reserve() {
            Ok(place) => place.send(Spans { framed: span::write(record), count }),
            Err(_) => {
                self.counts.dropped.fetch_add(count, Ordering::Relaxed);
            }
        }
    }

    /// Waits until what was queued before is exported or given up, at most for `patience`.
    pub(super) fn flush(&self, patience: Duration) -> bool {
        let (done, is_done) = sync_channel(1);
        self.flushes.try_send(done).is_ok() && is_done.recv_timeout(patience).is_ok()
    }
}
