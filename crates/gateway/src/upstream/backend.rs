//! A backend as the snapshot compiled it: its targets, whose turn it is, and what a connection to each needs.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use portcullis_http1::{Label, Lines};

use super::balance::seed;
use super::breaker::Breaker;
use super::health::{self, Checks};
use super::place::Place;
use super::places::Places;
use super::retry::Budget;
use super::schedule::Schedule;
use super::spec::{AnswerBounds, BackendSpec, Balance, Protocol, TargetSpec};
use super::standing::Standing;
use super::tls::{self, Tls, TlsError};
use crate::chores::Chores;
use crate::clock::{self, Instant};
use crate::dns::Resolver;
use crate::pipeline::InFlight;

/// A named set of targets. Outlives a snapshot: equal specs share one.
#[derive(Debug)]
pub struct Backend {
    spec: BackendSpec,
    targets: Vec<Arc<Target>>,
    schedule: Schedule,
    has_equal_weights: bool,
    pub(super) budget: Arc<Budget>,
    /// `None`: it is never left alone.
    pub(super) breaker: Option<Arc<Breaker>>,
    /// `None`: as many exchanges as come.
    pub(super) places: Option<Arc<Places>>,
    /// Its health checks, while it stands in the configuration; shared with whoever has the same targets.
    checks: Arc<Mutex<Option<Checks>>>,
}

/// One address of a backend, shared by all cores.
#[derive(Debug)]
pub(super) struct Target {
    /// Never used again, so that no pool confuses two targets.
    pub(super) id: u64,
    /// The backend it is of.
    backend: Arc<str>,
    /// Its URL, as records name it.
    pub(super) name: Arc<str>,
    /// What `Host` says toward it.
    pub(super) authority: String,
    /// The same, as it is written.
    pub(super) host: Lines,
    /// Put in front of every path.
    pub(super) path: String,
    pub(super) place: Place,
    pub(super) speaks: Speaks,
    /// Whether the last handshake that offered both agreed on HTTP/1.1.
    agreed_http1: AtomicBool,
    /// `None` on cleartext.
    pub(super) tls: Option<Tls>,
    /// Idle connections each core keeps.
    pub(super) idle_max: usize,
    /// What the head of an answer may cost.
    pub(super) answers: AnswerBounds,
    /// Its share of the requests.
    pub(super) weight: u16,
    /// What its numbers in rendezvous hashing depend on.
    pub(super) seed: u64,
    /// How it is doing.
    pub(super) standing: Standing,
}

/// Which versions of HTTP a target is spoken to in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Speaks {
    Http1,
    Http2,
    /// What the TLS handshake agrees on.
    Either,
}

/// Why a spec makes no backend.
#[derive(Debug, thiserror::Error)]
pub enum BackendError {
    /// No target ever has its turn.
    #[error("no target has a weight above 0")]
    NoTarget,
    /// No handshake could ever succeed.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

static NEXT_ID: AtomicU64 = AtomicU64::new(0);

impl Backend {
    /// Compiles `spec`, with idle connections shared out among `cores`.
    ///
    /// # Errors
    /// Settings that hold no target or ask for what is not there.
    pub fn new(spec: BackendSpec, cores: usize) -> Result<Self, BackendError> {
        Self::after(None, spec, cores)
    }

    /// The same, in place of the backend `before` of that name: what its settings leave as it was goes on, connections
    /// and counts included.
    ///
    /// # Errors
    /// As of [`Self::new`].
    pub fn after(before: Option<&Self>, spec: BackendSpec, cores: usize) -> Result<Self, BackendError> {
        let tls = match spec.targets.iter().any(|target| target.is_tls) {
            true => Some(tls::configs(&spec.tls)?),
            false => None,
        };
        let weights: Vec<u16> = spec.targets.iter().map(|target| target.weight).collect();
        let schedule = Schedule::new(&weights).ok_or(BackendError::NoTarget)?;
        let idle_max = spec.pool.idle_connections.div_ceil(cores.max(1));
        let mut targets = Vec::new();
        let running = before.filter(|before| spec.has_targets_of(&before.spec));
        if let Some(running) = running {
            targets.clone_from(&running.targets);
        }
        for target in spec.targets.iter().filter(|_| running.is_none()) {
            let tls = match (&tls, target.is_tls) {
                (Some(configs), true) => {
                    let name = tls::server_name(&spec.tls, &target.host)?;
                    Some(Tls { configs: configs.clone(), name })
                }
                _ => None,
            };
            targets.push(Arc::new(Target::new(target, tls, &spec, idle_max)));
        }
        let has_equal_weights = weights.windows(2).all(|pair| pair.first() == pair.last());
        let now = clock::now();
        let budget = before.map(|before| &before.budget).filter(|budget| budget.rules() == spec.retries);
        let budget = budget.map_or_else(|| Arc::new(Budget::new(spec.retries, now)), Arc::clone);
        let breaker = spec.breaker.map(|rules| {
            let running = before.and_then(|before| before.breaker.as_ref());
            let running = running.filter(|breaker| breaker.rules() == rules);
            running.map_or_else(|| Arc::new(Breaker::new(rules, now)), Arc::clone)
        });
        let places = spec.concurrency.map(|rules| {
            let running = before.and_then(|before| before.places.as_ref());
            let running = running.filter(|places| places.rules() == rules);
            running.map_or_else(|| Arc::new(Places::new(rules)), Arc::clone)
        });
        let checks = running.map(|running| Arc::clone(&running.checks)).unwrap_or_default();
        Ok(Self { spec, targets, schedule, has_equal_weights, budget, breaker, places, checks })
    }

    /// What it was made of.
    pub fn spec(&self) -> &BackendSpec {
        &self.spec
    }

    /// Its targets, in order of the configuration.
    pub(super) fn targets(&self) -> &[Arc<Target>] {
        &self.targets
    }

    /// In which order they take turns.
    pub(super) fn schedule(&self) -> &Schedule {
        &self.schedule
    }

    /// Whether every target has the same weight.
    pub(super) fn has_equal_weights(&self) -> bool {
        self.has_equal_weights
    }

    /// Resolves its names and checks its targets from now on, unless it does so already.
    pub fn begin(&self, chores: &Chores, resolver: &Resolver) {
        for target in &self.targets {
            target.place.resolve(resolver);
        }
        if let Some(spec) = &self.spec.health {
            self.checks().get_or_insert_with(|| health::begin(&self.spec, spec, &self.targets, chores));
        }
    }

    /// Whether its targets are checked as those of `other` are, by the same checkers.
    pub(super) fn shares_checks(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.checks, &other.checks)
    }

    /// Checks no target any more: it left the configuration. Requests that still have it find its names.
    pub fn rest(&self) {
        self.checks().take();
    }

    fn checks(&self) -> std::sync::MutexGuard<'_, Option<Checks>> {
        self.checks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The target of a backend that has one.
    #[cfg(test)]
    pub(super) fn target(&self) -> Option<&Arc<Target>> {
        self.targets.first()
    }
}

impl Target {
    pub(super) fn new(spec: &TargetSpec, tls: Option<Tls>, backend: &BackendSpec, idle_max: usize) -> Self {
        const HOST: Label = Label::new("host: ");
        let speaks = match backend.protocol {
            Protocol::Http2 => Speaks::Http2,
            Protocol::Auto if tls.is_some() => Speaks::Either,
            Protocol::Auto | Protocol::Http1 => Speaks::Http1,
        };
        let name: Arc<str> = spec.url().into();
        let is_compared = backend.targets.len() > 1 && backend.balance.is_by_requests();
        let in_flight = if is_compared { InFlight::asked_by_each(&name) } else { InFlight::at(&name) };
        Self {
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
            weight: spec.weight,
            seed: seed(&name),
            standing: Standing::new(
                in_flight,
                backend.eject,
                backend.balance == Balance::PeakEwma,
                clock::now(),
            ),
            backend: backend.name.as_str().into(),
            name,
            host: Lines::of(&[(HOST, spec.authority().as_bytes())]),
            authority: spec.authority(),
            path: spec.path.clone(),
            place: Place::new(&spec.host, spec.port, backend.source),
            speaks,
            agreed_http1: AtomicBool::new(false),
            tls,
            idle_max,
            answers: backend.answers,
        }
    }

    /// Notes that it failed at `now` at what it was asked at `began`.
    pub(super) fn failed(&self, began: Instant, now: Instant) {
        if let Some(out_for) = self.standing.failed(began, now) {
            let (backend, target, seconds) = (&*self.backend, &*self.name, out_for.as_secs_f64());
            tracing::warn!(backend, target, seconds, "a target fails and is left out");
        }
    }

    /// Notes that it broke off its answer to what it was asked at `asked`.
    pub(super) fn broke_off(&self, asked: Instant, total_due: Option<Instant>) {
        let now = clock::now();
        // When the time of the whole exchange is over, the client may have been the slow one.
        if total_due.is_none_or(|due| due > now) {
            self.failed(asked, now);
        }
    }

    /// Whether a handshake that offers both will likely agree on HTTP/1.1.
    pub(super) fn is_known_http1(&self) -> bool {
        self.agreed_http1.load(Ordering::Relaxed)
    }

    /// Remembers what a handshake agreed on.
    pub(super) fn know(&self, is_http2: bool) {
        self.agreed_http1.store(!is_http2, Ordering::Relaxed);
    }
}
