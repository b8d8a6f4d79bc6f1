//! Batches to the collector: gathered, posted, tried again, given up.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Response, StatusCode, header};
use tokio::sync::mpsc;
use tokio::time::timeout_at;

use super::span::{self, SCHEMA_URL};
use super::{
    ANSWER_BYTES_MAX, BATCH_BYTES, BATCH_DELAY, RETRY_AFTER_MAX, RETRY_FOR, Settings, SpanCounts, Spans,
};
use crate::clock;
use crate::fetch::{Call, Remote};
use crate::protobuf::{Message, Value, fields};

/// The longest first pause before a batch is tried again, which doubles with each further one up to [`PAUSE_MAX`].
const PAUSE_FIRST: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(30);
/// How long a try has when somebody waits for the end.
const LAST_TRY: Duration = Duration::from_secs(1);

/// Who carries spans to the collector.
pub(super) struct Courier {
    remote: Remote,
    headers: Vec<(HeaderName, HeaderValue)>,
    /// The resource and its field, framed.
    resource: Vec<u8>,
    timeout: Duration,
    counts: Arc<SpanCounts>,
    queue: mpsc::Receiver<Spans>,
    flushes: mpsc::Receiver<SyncSender<()>>,
    /// Who waits for all that is queued.
    waiting: Option<SyncSender<()>>,
    is_over: bool,
    /// Whether the last batch got through, so that a collector that is away is told of once.
    is_well: bool,
}

/// Spans that travel together.
#[derive(Default)]
struct Batch {
    framed: Vec<u8>,
    count: u64,
}

/// What became of one try.
enum Outcome {
    /// Taken, but for so many.
    Taken { rejected: u64, message: String },
    /// Not taken, and never will be.
    Refused(String),
    /// Not taken now, and not before this time has passed.
    Later(String, Duration),
}

impl Courier {
    pub(super) fn new(
        remote: Remote,
        settings: &Settings,
        counts: Arc<SpanCounts>,
        queue: mpsc::Receiver<Spans>,
        flushes: mpsc::Receiver<SyncSender<()>>,
    ) -> Self {
        let mut resource = Message::default();
        resource.message(1, |resource| {
            for (key, value) in &settings.resource {
                resource.message(1, |pair| span::text(pair, key, value));
            }
        });
        let mut headers = settings.headers.clone();
        headers.push((header::CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf")));
        headers.push((header::USER_AGENT, HeaderValue::from_static(USER_AGENT)));
        Self {
            remote,
            headers,
            resource: resource.into_bytes(),
            timeout: settings.timeout,
            counts,
            queue,
            flushes,
            waiting: None,
            is_over: false,
            is_well: true,
        }
    }

    /// Carries until nobody queues anything more.
    pub(super) async fn run(mut self) {
        loop {
            let batch = self.gather().await;
            if batch.count > 0 {
                self.deliver(batch).await;
            }
            if !self.queue.is_empty() {
                continue;
            }
            if let Some(done) = self.waiting.take() {
                // Who gave up waiting is not there to be told.
                let _ = done.try_send(());
            }
            if self.is_over {
                return;
            }
        }
    }

    /// Waits for spans, and a moment longer for more of them; not when somebody waits for the end.
    async fn gather(&mut self) -> Batch {
        let mut batch = Batch::default();
        let mut until = None;
        while batch.framed.len() < BATCH_BYTES {
            if self.is_hurried() {
                match self.queue.try_recv() {
                    Ok(spans) => batch.add(&spans),
                    Err(_) => return batch,
                }
                continue;
            }
            let next = async {
                match until {
                    None => Ok(self.queue.recv().await),
                    Some(until) => timeout_at(until, self.queue.recv()).await,
                }
            };
            tokio::select! {
                spans = next => match spans {
                    Ok(Some(spans)) => {
                        batch.add(&spans);
                        until = until.or_else(|| clock::now().checked_add(BATCH_DELAY));
                    }
                    Ok(None) => self.is_over = true,
                    Err(_) => return batch,
                },
                Some(done) = self.flushes.recv() => self.waiting = Some(done),
            }
        }
        batch
    }

    /// Whether somebody waits for the end, or it has come.
    fn is_hurried(&self) -> bool {
        self.is_over || self.waiting.is_some()
    }

    /// Posts a batch until it is taken, refused or given up.
    async fn deliver(&mut self, batch: Batch) {
        let count = batch.count;
        let body = self.message(batch);
        let began = clock::now();
        let mut pause_max = PAUSE_FIRST;
        loop {
            let outcome = self.post(body.clone()).await;
            let (reason, not_before) = match outcome {
                Outcome::Taken { rejected, message } => return self.taken(count, rejected, &message),
                Outcome::Refused(reason) => return self.lost(count, &reason),
                Outcome::Later(reason, not_before) => (reason, not_before),
            };
            // A collector that is away is told of at once, and not again until it is back.
            self.unwell(&reason);
            let age = clock::now().saturating_duration_since(began);
            if self.is_hurried() {
                return self.lost(count, &reason);
            }
            self.rest(not_before.max(random_share(pause_max))).await;
            if age > RETRY_FOR {
                return self.lost(count, &reason);
            }
            pause_max = pause_max.saturating_mul(2).min(PAUSE_MAX);
        }
    }

    /// Rests, unless somebody begins to wait for the end.
    async fn rest(&mut self, pause: Duration) {
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            asked = self.flushes.recv() => match asked {
                Some(done) => self.waiting = Some(done),
                None => self.is_over = true,
            },
        }
    }

    async fn post(&mut self, body: Bytes) -> Outcome {
        let within = if self.is_hurried() { self.timeout.min(LAST_TRY) } else { self.timeout };
        let call = Call {
            method: Method::POST,
            fields: self.headers.clone(),
            body,
            within,
            answer_bytes_max: ANSWER_BYTES_MAX,
        };
        let answer = {
            let mut call = std::pin::pin!(self.remote.call(call));
            tokio::select! {
                answer = &mut call => answer,
                // Whoever waits for the end does not wait for a collector that is stuck.
                Some(done) = self.flushes.recv() => {
                    self.waiting = Some(done);
                    match tokio::time::timeout(LAST_TRY, call).await {
                        Ok(answer) => answer,
                        Err(_) => return Outcome::Later("no answer in time".to_owned(), Duration::ZERO),
                    }
                }
            }
        };
        match answer {
            Ok(answer) => judge(&answer),
            Err(error) => Outcome::Later(error.to_string(), Duration::ZERO),
        }
    }

    /// `ExportTraceServiceRequest`.
    fn message(&self, batch: Batch) -> Bytes {
        let mut request = Message::default();
        request.message(1, |resource_spans| {
            resource_spans.framed(&self.resource);
            resource_spans.message(2, |scope_spans| {
                scope_spans.message(1, |scope| {
                    scope.bytes(1, SCOPE);
                    scope.bytes(2, env!("CARGO_PKG_VERSION"));
                });
                scope_spans.framed(&batch.framed);
                scope_spans.bytes(3, SCHEMA_URL);
            });
        });
        request.into_bytes().into()
    }

    fn taken(&mut self, count: u64, rejected: u64, message: &str) {
        let rejected = rejected.min(count);
        add(&self.counts.exported, count.saturating_sub(rejected));
        add(&self.counts.rejected, rejected);
        if !message.is_empty() {
            tracing::warn!(rejected, reason = message, "the trace collector took a batch with a remark");
        }
        if !self.is_well {
            self.is_well = true;
            tracing::info!("the trace collector is back");
        }
    }

    fn lost(&mut self, count: u64, reason: &str) {
        add(&self.counts.failed, count);
        self.unwell(reason);
    }

    fn unwell(&mut self, reason: &str) {
        if std::mem::take(&mut self.is_well) {
            tracing::warn!(
                reason,
                "the trace collector takes no spans; they are kept for a while, then dropped and counted"
            );
        }
    }
}

const SCOPE: &str = "portcullis";
const USER_AGENT: &str = concat!("portcullis/", env!("CARGO_PKG_VERSION"));

impl Batch {
    fn add(&mut self, spans: &Spans) {
        self.framed.extend_from_slice(&spans.framed);
        self.count = self.count.saturating_add(spans.count);
    }
}

fn add(counter: &AtomicU64, count: u64) {
    counter.fetch_add(count, Ordering::Relaxed);
}

/// What an answer means (OTLP specification, "OTLP/HTTP Response").
fn judge(answer: &Response<Bytes>) -> Outcome {
    let status = answer.status();
    if status.is_success() {
        return match partial_success(answer.body()) {
            Some((rejected, message)) => Outcome::Taken { rejected, message },
            // Something else answers there. Sending it again would not make a collector of it.
            None => Outcome::Refused(format!("{status}, and an answer that is not OTLP")),
        };
    }
    match status {
        StatusCode::TOO_MANY_REQUESTS
        | StatusCode::BAD_GATEWAY
        | StatusCode::SERVICE_UNAVAILABLE
        | StatusCode::GATEWAY_TIMEOUT => Outcome::Later(status.to_string(), retry_after(answer)),
        _ => Outcome::Refused(status.to_string()),
    }
}

/// Seconds, or a date (RFC 9110 §10.2.3).
fn retry_after(answer: &Response<Bytes>) -> Duration {
    let text = answer.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok());
    let asked = text.map(str::trim).and_then(|text| match text.parse() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => {
            let date = httpdate::parse_http_date(text).ok()?.duration_since(std::time::UNIX_EPOCH).ok()?;
            Some(date.saturating_sub(clock::wall()))
        }
    });
    asked.unwrap_or_default().min(RETRY_AFTER_MAX)
}

/// `ExportTraceServiceResponse`: how many spans were rejected, and why; `None` where it is none.
fn partial_success(body: &[u8]) -> Option<(u64, String)> {
    let (mut rejected, mut message) = (0, String::new());
    for (field, value) in fields(body)? {
        let (1, Value::Bytes(partial)) = (field, value) else { continue };
        for inner in fields(partial)? {
            match inner {
                (1, Value::Number(number)) => rejected = number,
                (2, Value::Bytes(text)) => {
                    let text = text.get(..text.len().min(span::TEXT_BYTES_MAX)).unwrap_or_default();
                    message = String::from_utf8_lossy(text).into_owned();
                }
                _ => {}
            }
        }
    }
    Some((rejected, message))
}

/// A share of `most` that differs between gateways, so that those who lost one collector do not return to it together.
fn random_share(most: Duration) -> Duration {
    use std::hash::{BuildHasher, RandomState};
    let share = RandomState::new().hash_one(0_u8) >> 32;
    let nanos = u128::from(share).saturating_mul(most.as_nanos()) >> 32;
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests;
