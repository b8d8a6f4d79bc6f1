//! Metrics as text, in the OpenMetrics format that Prometheus reads.

use std::fmt;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder, NoLabelSet, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

use super::super::names::{self, Kind, Metric, Stream};
use super::super::record::Decision;
use super::super::sink::lock;
use super::operation::Series;
use super::process::Process;
use super::{Metrics, SEVERITIES, TargetFacts};

/// The media type of [`Metrics::text`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

type Encoded = Result<(), fmt::Error>;
type Labels<'a> = [(&'a str, &'a str)];

/// The metric being written.
struct Family<'a>(&'static Metric, MetricEncoder<'a>);

impl Metrics {
    /// Everything, now.
    pub(in crate::observe) fn text(self: &Arc<Self>) -> String {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Scrape(Arc::clone(self))));
        let mut out = String::new();
        // Writing to a `String` does not fail.
        let _ = text::encode(&mut out, &registry);
        out
    }

    /// The operations that are published, or answer their last requests.
    fn alive(&self) -> Vec<Arc<Series>> {
        let mut operations = lock(&self.operations);
        operations.retain(|_, series| series.strong_count() > 0);
        operations.values().filter_map(Weak::upgrade).collect()
    }
}

#[derive(Debug)]
struct Scrape(Arc<Metrics>);

impl Collector for Scrape {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Encoded {
        let alive = self.0.alive();
        self.requests(&alive, &mut encoder)?;
        self.judgements(&mut encoder)?;
        self.drift(&alive, &mut encoder)?;
        self.credentials(&mut encoder)?;
        self.connections(&mut encoder)?;
        self.targets(&mut encoder)?;
        self.backends(&mut encoder)?;
        self.issuers(&mut encoder)?;
        self.authorizers(&mut encoder)?;
        self.store(&mut encoder)?;
        self.signing(&mut encoder)?;
        self.contracts(&mut encoder)?;
        self.configuration(&mut encoder)?;
        self.streams(&mut encoder)?;
        process(&mut encoder)
    }
}

impl Scrape {
    fn requests(&self, alive: &[Arc<Series>], encoder: &mut DescriptorEncoder<'_>) -> Encoded {
        // What found no operation is counted beside them.
        let all = || alive.iter().chain([self.0.unrouted.series()]);
        let mut family = Family::begin(encoder, &names::REQUEST_DURATION)?;
        for series in all() {
            let (api, operation, route) = (&*series.key.api, &*series.key.operation, &*series.key.template);
            for (method, status, histogram) in series.durations() {
                family.histogram(&[api, operation, route, method, status], &histogram)?;
            }
        }
        let mut family = Family::begin(encoder, &names::REQUESTS)?;
        for series in all() {
            for (outcome, count) in series.outcomes() {
                family.counter(&[&series.key.api, &series.key.operation, outcome], count)?;
            }
        }
        let mut family = Family::begin(encoder, &names::OBSERVED_TOTAL)?;
        for series in all() {
            family.counter_if_used(&[&series.key.api, &series.key.operation], series.observed())?;
        }
        Ok(())
    }

    fn judgements(&self, encoder: &mut DescriptorEncoder<'_>) -> Encoded {
        let mut family = Family::begin(encoder, &names::DECISIONS)?;
        for (control, counters) in self.0.decisions.entries() {
            for (verdict, count) in Decision::ALL.iter().zip(counters.sums()) {
                family.counter_if_used(&[control, verdict.as_str()], count)?;
            }
        }
        let mut family = Family::begin(encoder, &names::PROBLEMS)?;
        for (code, counter) in self.0.problems.entries() {
            let [count] = counter.sums();
            family.counter_if_used(&[code], count)?;
        }
        let mut family = Family::begin(encoder, &names::INCIDENTS_TOTAL)?;
        for (kind, counters) in self.0.incidents.entries() {
            for (severity, counter) in SEVERITIES.iter().zip(counters) {
                family.counter_if_used(&[kind, severity.as_str()], counter.load(Ordering::Relaxed))?;
            }
        }
        Ok(())
    }

    fn drift(&self, alive: &[Arc<Series>], encoder: &mut DescriptorEncoder<'_>) -> Encoded {
        let mut family = Family::begin(encoder, &names::SHADOW_REQUESTS)?;
        for (answered, count) in self.0.drift.answered() {
            family.counter(&[answered], count)?;
        }
        let mut family = Family::begin(encoder, &names::OPERATION_LAST_USED)?;
        for series in alive {
            let last = series.seen().map_or(0, |seen| seen.last.as_secs());
            family.gauge(&[&series.key.api, &series.key.operation], last)?;
        }
        let mut family = Family::begin(encoder, &names::DEPRECATED_REQUESTS)?;
        for series in alive.iter().filter(|series| series.is_deprecated()) {
            let count = series.seen().map_or(0, |seen| seen.count);
            family.counter(&[&series.key.api, &series.key.operation], count)?;
        }
        let mut family = Family::begin(encoder, &names::RESPONSES_JUDGED)?;
        for series in alive {
            for (outcome, count) in series.answers() {
                family.counter_if_used(&[&series.key.api, &series.key.operation, outcome], count)?;
            }
        }
        let mut family = Family::begin(encoder, &names::UNDECLARED_NAMES)?;
        for series in alive {
            for (side, count) in series.usage.counts() {
                family.counter_if_used(&[&series.key.api, &series.key.operation, side], count)?;
            }
        }
        Ok(())
    }

    fn credentials(&self, encoder: &mut DescriptorEncoder<'_>) -> Encoded {
        let failures = self.0.credential_failures.load(Ordering::Relaxed);
        Family::begin(encoder, &names::CREDENTIAL_FAILURES)?.counter(&[], failures)?;
        let held_back = self.0.held_back.load(Ordering::Relaxed);
        Family::begin(encoder, &names::HELD_BACK)?.counter(&[], held_back)
    }

    fn contracts(&self, encoder: &mut DescriptorEncoder<'_>) -> Encoded {
        let compiled = self.0.contracts_compiled.load(Ordering::Relaxed);
        Family::begin(encoder, &names::CONTRACTS_COMPILED)?.counter(&[], compiled)
    }

    fn connections(&self, encoder: &mut DescriptorEncoder<'_>) -> Encoded {
        let listeners: Vec<_> =
            lock(&self.0.listeners).iter().map(|(name, door)| (Arc::clone(name), Arc::clone(door))).collect();
        let mut family = Family::begin(encoder, &names::OPEN_CONNECTIONS)?;
        for (name, door) in &listeners {
            family.gauge(&[name], door.open_now())?;
        }
        let mut family = Family::begin(encoder, &names::CONNECTIONS_TOTAL)?;
        for (name, door) in &listeners {
            for (outcome, count) in door.outcomes() {
                family.counter(&[name, outcome], count)?;
            }
        }
        if let Some(bytes) = self.0.bodies.answer() {
            Family::begin(encoder, &names::BODIES_IN_MEMORY)?.gauge(&[], bytes)?;
        }
        Ok(())
    }

    fn targets(&self, encoder: &mut DescriptorEncoder<'_>) -> Encoded {
        let Some(targets) = self.0.targets.answer() else { return Ok(()) };
        let mut family = Family::begin(encoder, &names::BACKEND_IN_FLIGHT)?;
        for facts in &targets {
            family.gauge(&[&facts.backend, &facts.target], facts.in_flight)?;
        }
        let mut family = Family::begin(encoder, &names::BACKEND_LEFT_OUT)?;
        for facts in &targets {
            family.gauge(&[&facts.backend, &facts.target], u64::from(facts.is_left_out))?;
        }
        let mut family = Family::begin(encoder, &names::BACKEND_FAILURES)?;
        for facts in &targets {
            family.counter(&[&facts.backend, &facts.target], facts.failures)?;
        }
        let mut family = Family::begin(encoder, &names::BACKEND_EJECTIONS)?;
        for facts in &targets {
            family.counter(&[&facts.backend, &facts.target], facts.ejections)?;
        }
        Self::health(encoder, &targets)
    }

    /// What only some targets have: health checks, names.
    fn health(encoder: &mut DescriptorEncoder<'_>, targets: &[TargetFacts]) -> Encoded {
        let mut family = Family::begin(encoder, &names::BACKEND_HEALTHY)?;
        for facts in targets {
            if let Some(health) = facts.health {
                family.gauge(&[&facts.backend, &facts.target], u64::from(health.is_healthy))?;
            }
        }
        let mut family = Family::begin(encoder, &names::BACKEND_CHECKS)?;
        for facts in targets {
            if let Some(health) = facts.health {
                family.counter(&[&facts.backend, &facts.target, "good"], health.good)?;
                family.counter(&[&facts.backend, &facts.target, "failed"], health.failed)?;
            }
        }
        let mut family = Family::begin(encoder, &names::BACKEND_ADDRESSES)?;
        for facts in targets {
            if let Some(name) = facts.name {
                family.gauge(&[&facts.backend, &facts.target], name.addresses)?;
            }
        }
        let mut family = Family::begin(encoder, &names::BACKEND_NAME_FAILURES)?;
        for facts in targets {
            if let Some(name) = facts.name {
                family.counter(&[&facts.backend, &facts.target], name.failures)?;
            }
        }
        Ok(())
    }

    fn backends(&self, encoder: &mut DescriptorEncoder<'_>) -> Encoded {
        let Some(all) = self.0.backends.answer() else { return Ok(()) };
        let mut family = Family::begin(encoder, &names::BACKEND_RETRIES)?;
        for facts in &all {
            family.counter(&[&facts.backend], facts.retries)?;
        }
        let mut family = Family::begin(encoder, &names::BACKEND_RETRIES_REFUSED)?;
        for facts in &all {
            family.counter(&[&facts.backend], facts.retries_refused)?;
        }
        let circuits = || all.iter().filter_map(|facts| Some((&*facts.backend, facts.circuit?)));
        let places = || all.iter().filter_map(|facts| Some((&*facts.backend, facts.places?)));
        let mut family = Family::begin(encoder, &names::BACKEND_CIRCUIT_OPEN)?;
        for (backend, circuit) in circuits() {
            family.gauge(&[backend], u64::from(circuit.is_open))?;
        }
        let mut family = Family::begin(encoder, &names::BACKEND_CIRCUIT_OPENINGS)?;
        for (backend, circuit) in circuits() {
            family.counter(&[backend], circuit.openings)?;
        }
        let mut family = Family::begin(encoder, &names::BACKEND_WAITING)?;
        for (backend, places) in places() {
            family.gauge(&[backend], places.waiting)?;
        }
        let mut family = Family::begin(encoder, &names::BACKEND_REFUSED)?;
        for (backend, circuit) in circuits() {
            family.counter(&[backend, "breaker"], circuit.refused)?;
        }
        for (backend, places) in places() {
            family.counter(&[backend, "concurrency"], places.refused)?;
        }
        Ok(())
    }

    fn issuers(&self, encoder: &mut DescriptorEncoder<'_>) -> Encoded {
        let Some(all) = self.0.issuers.answer() else { return Ok(()) };
        let mut family = Family::begin(encoder, &names::ISSUER_KEYS)?;
        for facts in &all {
            if let Some(keys) = facts.keys {
                family.gauge(&[&facts.name], keys)?;
            }
        }
        let mut family = Family::begin(encoder, &names::ISSUER_KEYS_AGE)?;
        for facts in &all {
            if let Some(age) = facts.age_seconds {
                family.gauge(&[&facts.name], age)?;
            }
        }
        for (metric, pairs) in [
            (&names::ISSUER_FETCHES, all.iter().map(|facts| facts.fetches).collect::<Vec<_>>()),
            (&names::ISSUER_INTROSPECTIONS, all.iter().map(|facts| facts.asked).collect()),
        ] {
            let mut family = Family::begin(encoder, metric)?;
            for (facts, pair) in all.iter().zip(pairs) {
                if let Some((good, failed)) = pair {
                    family.counter(&[&facts.name, "good"], good)?;
                    family.counter(&[&facts.name, "failed"], failed)?;
                }
            }
        }
        let mut family = Family::begin(encoder, &names::ISSUER_TOKENS)?;
        for facts in &all {
            family.counter(&[&facts.name, "verified"], facts.verified)?;
            family.counter(&[&facts.name, "refused"], facts.refused)?;
            family.counter(&[&facts.name, "unavailable"], facts.unavailable)?;
        }
        Ok(())
    }

    fn authorizers(&self, encoder: &mut DescriptorEncoder<'_>) -> Encoded {
        let Some(all) = self.0.authorizers.answer() else { return Ok(()) };
        let mut family = Family::begin(encoder, &names::AUTHORIZER_CALLS)?;
        for facts in &all {
            family.counter(&[&facts.name, "allowed"], facts.allowed)?;
            family.counter(&[&facts.name, "denied"], facts.denied)?;
            family.counter(&[&facts.name, "let_through"], facts.let_through)?;
            family.counter(&[&facts.name, "failed"], facts.failed)?;
        }
        let mut family = Family::begin(encoder, &names::AUTHORIZER_SECONDS)?;
        for facts in &all {
            family.seconds(&[&facts.name], facts.took)?;
        }
        let mut family = Family::begin(encoder, &names::AUTHORIZER_IN_FLIGHT)?;
        for facts in &all {
            family.gauge(&[&facts.name], facts.in_flight)?;
        }
        Ok(())
    }

    fn store(&self, encoder: &mut DescriptorEncoder<'_>) -> Encoded {
        let Some(store) = self.0.store.answer() else { return Ok(()) };
        Family::begin(encoder, &names::STORE_UP)?.gauge(&[store.kind], u64::from(store.is_up))?;
        if let Some(revision) = store.revision {
            Family::begin(encoder, &names::STORE_REVISION)?.gauge(&[], revision)?;
        }
        Family::begin(encoder, &names::STORE_CONSUMERS)?.gauge(&[], store.consumers)?;
        Family::begin(encoder, &names::STORE_ROWS_REFUSED)?.gauge(&[], store.rows_refused)
    }

    fn signing(&self, encoder: &mut DescriptorEncoder<'_>) -> Encoded {
        let Some(signing) = self.0.signing.answer().flatten() else { return Ok(()) };
        let keys = u64::try_from(signing.keys).unwrap_or(u64::MAX);
        Family::begin(encoder, &names::SIGNING_KEYS)?.gauge(&[], keys)?;
        Family::begin(encoder, &names::SIGNING_UP)?.gauge(&[], u64::from(signing.signs))?;
        if let Some(age) = signing.age_seconds {
            Family::begin(encoder, &names::SIGNING_KEY_AGE)?.gauge(&[], age)?;
        }
        Family::begin(encoder, &names::SIGNING_OVERDUE)?
            .gauge(&[], signing.overdue_seconds.unwrap_or_default())
    }

    fn configuration(&self, encoder: &mut DescriptorEncoder<'_>) -> Encoded {
        let state = lock(&self.0.config).clone();
        if let Some(hash) = &state.hash {
            Family::begin(encoder, &names::CONFIG_INFO)?.info(&[hash])?;
        }
        if let Some((wall, success)) = state.last {
            Family::begin(encoder, &names::CONFIG_LAST_RELOAD_SUCCESS)?.gauge(&[], u64::from(success))?;
            Family::begin(encoder, &names::CONFIG_LAST_RELOAD_TIME)?.gauge(&[], wall.as_secs())?;
        }
        let panics = self.0.panics.load(Ordering::Relaxed);
        Family::begin(encoder, &names::PANICS)?.counter(&[], panics)?;
        let alive = self.0.snapshots.load(Ordering::Relaxed);
        Family::begin(encoder, &names::SNAPSHOTS_ALIVE)?.gauge(&[], alive)?;
        self.certificates(encoder)
    }

    fn certificates(&self, encoder: &mut DescriptorEncoder<'_>) -> Encoded {
        let certificates = lock(&self.0.certificates).clone();
        let mut family = Family::begin(encoder, &names::CERT_NOT_AFTER)?;
        for one in certificates.iter().filter(|one| !one.is_list) {
            family.gauge(&[one.role, &one.name, &one.place], one.ends.as_secs())?;
        }
        let mut family = Family::begin(encoder, &names::CRL_NEXT_UPDATE)?;
        for one in certificates.iter().filter(|one| one.is_list) {
            family.gauge(&[&one.name, &one.place], one.ends.as_secs())?;
        }
        let Some(acme) = self.0.acme.answer().filter(|all| !all.is_empty()) else { return Ok(()) };
        let mut family = Family::begin(encoder, &names::ACME_ORDERS)?;
        for facts in &acme {
            family.counter(&[&facts.name, "good"], facts.good)?;
            family.counter(&[&facts.name, "failed"], facts.failed)?;
        }
        Ok(())
    }

    fn streams(&self, encoder: &mut DescriptorEncoder<'_>) -> Encoded {
        let mut family = Family::begin(encoder, &names::LOG_DROPPED)?;
        for stream in Stream::ALL {
            let dropped = self.0.stream(stream).dropped.load(Ordering::Relaxed);
            family.counter(&[stream.as_str()], dropped)?;
        }
        let mut family = Family::begin(encoder, &names::LOG_WRITE_ERRORS)?;
        for stream in Stream::ALL {
            let errors = self.0.stream(stream).write_errors.load(Ordering::Relaxed);
            family.counter(&[stream.as_str()], errors)?;
        }
        let spans = &self.0.spans;
        let mut family = Family::begin(encoder, &names::SPANS)?;
        for (outcome, counter) in [
            ("exported", &spans.exported),
            ("rejected", &spans.rejected),
            ("failed", &spans.failed),
            ("dropped", &spans.dropped),
        ] {
            family.counter(&[outcome], counter.load(Ordering::Relaxed))?;
        }
        Ok(())
    }
}

fn process(encoder: &mut DescriptorEncoder<'_>) -> Encoded {
    let process = Process::read();
    for (metric, value) in [
        (&names::PROCESS_MEMORY, process.resident_bytes),
        (&names::PROCESS_FDS, process.open_fds),
        (&names::PROCESS_FDS_MAX, process.max_fds),
    ] {
        if let Some(value) = value {
            Family::begin(encoder, metric)?.gauge(&[], value)?;
        }
    }
    if let Some(seconds) = process.cpu_seconds {
        Family::begin(encoder, &names::PROCESS_CPU)?
            .1
            .encode_counter::<NoLabelSet, f64, f64>(&seconds, None)?;
    }
    if let Some(seconds) = process.start_seconds {
        Family::begin(encoder, &names::PROCESS_START)?.1.encode_gauge(&seconds)?;
    }
    Ok(())
}

impl<'a> Family<'a> {
    fn begin(encoder: &'a mut DescriptorEncoder<'_>, metric: &'static Metric) -> Result<Self, fmt::Error> {
        // The format appends these by itself, to the samples alone.
        let (ending, kind) = match metric.kind {
            Kind::Counter => ("_total", MetricType::Counter),
            Kind::Gauge => ("", MetricType::Gauge),
            Kind::Histogram => ("", MetricType::Histogram),
            Kind::Info => ("_info", MetricType::Info),
        };
        let name = metric.name.strip_suffix(ending).unwrap_or(metric.name);
        Ok(Self(metric, encoder.encode_descriptor(name, metric.about, None, kind)?))
    }

    fn with<'s>(metric: &'static Metric, values: &[&'s str]) -> Vec<(&'s str, &'s str)> {
        debug_assert_eq!(metric.labels.len(), values.len(), "a value for each label of {}", metric.name);
        metric.labels.iter().copied().zip(values.iter().copied()).collect()
    }

    fn counter(&mut self, values: &[&str], count: u64) -> Encoded {
        if values.is_empty() {
            return self.1.encode_counter::<NoLabelSet, u64, f64>(&count, None);
        }
        let labels: &Labels<'_> = &Self::with(self.0, values);
        self.1.encode_family(&labels)?.encode_counter::<NoLabelSet, u64, f64>(&count, None)
    }

    fn seconds(&mut self, values: &[&str], time: Duration) -> Encoded {
        let labels: &Labels<'_> = &Self::with(self.0, values);
        self.1.encode_family(&labels)?.encode_counter::<NoLabelSet, f64, f64>(&time.as_secs_f64(), None)
    }

    fn counter_if_used(&mut self, values: &[&str], count: u64) -> Encoded {
        if count > 0 { self.counter(values, count) } else { Ok(()) }
    }

    fn gauge(&mut self, values: &[&str], value: u64) -> Encoded {
        if values.is_empty() {
            return self.1.encode_gauge(&value);
        }
        let labels: &Labels<'_> = &Self::with(self.0, values);
        self.1.encode_family(&labels)?.encode_gauge(&value)
    }

    fn histogram(&mut self, values: &[&str], histogram: &impl EncodeMetric) -> Encoded {
        let labels: &Labels<'_> = &Self::with(self.0, values);
        histogram.encode(self.1.encode_family(&labels)?)
    }

    fn info(self, values: &[&str]) -> Encoded {
        Info::new(Self::with(self.0, values)).encode(self.1)
    }
}
