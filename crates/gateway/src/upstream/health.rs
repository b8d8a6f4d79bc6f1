//! Active health checks: each target is asked now and then whether it is well.
//!
//! One checker a target for the whole process, on the thread of `chores`. It asks as a request is asked: over the
//! target's own protocol and TLS settings, from the backend's `source`, on a connection of its own, so that it finds
//! out, too, whether the target accepts one. What it finds goes to `standing`, where it meets what requests found.
//!
//! A target in doubt (left out, or its last check failed) is checked every [`RECHECK`], so that it is back within a
//! second once it is well; one that requests found failing is checked at once.
//!
//! # Limits
//! `health.timeout` for a check from the first packet to the last; [`BODY_BYTES`] of a body, which only has to come. A
//! redirect is an answer like any other, and no good one unless `health.status` says so.

use std::sync::Arc;
use std::time::Duration;

use http::Method;
use portcullis_http1::{Framing, HeadWriter};
use tokio::sync::watch;

use super::answer::{Errand, Incoming, Rest, Times};
use super::backend::{Speaks, Target};
use super::balance::mix;
use super::failure::Failure;
use super::http2::{self, Opened};
use super::retry::Budget;
use super::spec::{BackendSpec, HealthSpec, PoolSpec, RetrySpec, Timeouts};
use super::standing::Turn;
use super::upload::Upload;
use crate::chores::Chores;
use crate::clock;
use crate::http::deadline::Deadline;
use crate::http::interim::Interim;
use crate::http::{Body, Frame, Size};
use crate::problem::Problem;

/// Time between two checks of a target in doubt, where `interval` is longer.
pub(super) const RECHECK: Duration = Duration::from_millis(300);

/// Most time until the first check of a target.
const FIRST_MAX: Duration = Duration::from_millis(250);

/// Bytes of a check's answer that are read before the connection is closed.
const BODY_BYTES: usize = 64 * 1024;

/// How checks introduce themselves.
pub(super) const USER_AGENT: &str = concat!("portcullis/", env!("CARGO_PKG_VERSION"), " (health check)");

/// The checks of a backend's targets; they end when this is dropped.
#[derive(Debug)]
pub(super) struct Checks {
    _stop: watch::Sender<()>,
}

/// Begins to check `targets`.
pub(super) fn begin(
    backend: &BackendSpec,
    spec: &HealthSpec,
    targets: &[Arc<Target>],
    chores: &Chores,
) -> Checks {
    let (stop, stopped) = watch::channel(());
    let timeouts =
        Timeouts { connect: spec.timeout, response: spec.timeout, idle: spec.timeout, total: None };
    // As a request is sent, but for its time; nothing is sent again, and no connection is kept.
    let terms = BackendSpec {
        timeouts,
        retries: RetrySpec { max: 0, budget: 0 },
        pool: PoolSpec { idle_connections: 0, idle_for: Duration::ZERO },
        ..backend.clone()
    };
    let shared = Arc::new((Budget::new(terms.retries, clock::now()), terms));
    for target in targets {
        let checker = Checker { spec: spec.clone(), shared: Arc::clone(&shared), target: Arc::clone(target) };
        let mut stopped = stopped.clone();
        chores.spawn(async move {
            tokio::select! {
                () = checker.keep() => {}
                _ = stopped.changed() => checker.target.standing.forget_checks(),
            }
        });
    }
    Checks { _stop: stop }
}

/// Checks one target.
struct Checker {
    spec: HealthSpec,
    shared: Arc<(Budget, BackendSpec)>,
    target: Arc<Target>,
}

impl Checker {
    async fn keep(&self) {
        let standing = &self.target.standing;
        let mut number = 0_u64;
        let first = self.spec.interval.div_f64(10.0).min(FIRST_MAX);
        tokio::time::sleep(first.mul_f64(self.chance(number))).await;
        loop {
            let outcome = self.check_in_time().await;
            let now = clock::now();
            // Nothing of a check is kept for the next one.
            super::sweep(now);
            let turn = standing.checked(outcome.is_ok(), &self.spec, now);
            self.tell(turn, outcome);
            let is_in_doubt = standing.share(now) == 0 || standing.has_failed_check();
            let wait = if is_in_doubt { self.spec.interval.min(RECHECK) } else { self.spec.interval };
            number = number.wrapping_add(1);
            // Give or take a tenth, so that checks of many targets, and of many gateways, do not meet.
            let wait = wait.mul_f64(0.9 + 0.2 * self.chance(number));
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = standing.ejected() => {}
            }
        }
    }

    /// A number from 0 to 1, another one for each target and check.
    fn chance(&self, number: u64) -> f64 {
        let drawn = mix(self.target.seed ^ mix(number ^ u64::from(std::process::id())));
        drawn as f64 / u64::MAX as f64
    }

    fn tell(&self, turn: Option<Turn>, outcome: Result<(), String>) {
        let (backend, target) = (&*self.shared.1.name, &*self.target.name);
        match (turn, outcome) {
            (Some(Turn::Out), Err(reason)) => {
                tracing::warn!(backend, target, reason, "a target fails its health checks and is left out");
            }
            (Some(Turn::In), _) => {
                tracing::info!(backend, target, "a target passes its health checks and is asked again");
            }
            (_, Err(reason)) => tracing::debug!(backend, target, reason, "a health check failed"),
            (_, Ok(())) => {}
        }
    }

    async fn check_in_time(&self) -> Result<(), String> {
        let checking = Box::pin(self.check());
        match tokio::time::timeout(self.spec.timeout, checking).await {
            Ok(outcome) => outcome,
            Err(_) => Err(format!("no answer within {:?}", self.spec.timeout)),
        }
    }

    async fn check(&self) -> Result<(), String> {
        let Incoming { head, mut body } = self.ask().await.map_err(spell)?;
        let is_good = match self.spec.status.as_slice() {
            [] => (200..=299).contains(&head.status),
            good => good.contains(&head.status),
        };
        if !is_good {
            return Err(format!("it answered {}", head.status));
        }
        let mut left = BODY_BYTES;
        loop {
            match body.frame().await {
                Ok(Frame::Data(piece)) => match left.checked_sub(piece.len()) {
                    Some(less) => left = less,
                    None => return Ok(()),
                },
                Ok(Frame::Trailers(_)) => {}
                Ok(Frame::End) => return Ok(()),
                Err(error) => return Err(format!("its answer breaks off: {error}")),
            }
        }
    }

    /// Asks, and awaits the head of the answer. The caller bounds the wait.
    async fn ask(&self) -> Result<Incoming, Failure> {
        let (mut times, mut deadline, interim) = (Times::default(), Deadline::new(), Interim::default());
        let (budget, spec) = &*self.shared;
        let now = clock::now();
        let (mut tries, mut rest) = (budget.begin(), Rest::untouched(None));
        let mut errand = Errand {
            spec,
            budget,
            target: &self.target,
            method: &Method::GET,
            idle: self.spec.timeout,
            total: None,
            upgrade: None,
            started: now,
            began: now,
            times: &mut times,
            tries: &mut tries,
            deadline: &mut deadline,
            interim: &interim,
        };
        let opened = match self.target.speaks {
            Speaks::Http1 => Opened::Http1(errand.open().await?),
            Speaks::Http2 | Speaks::Either => errand.lease().await?,
        };
        let path = format!("{}{}", self.target.path, self.spec.path);
        match opened {
            Opened::Http1(connection) => {
                let mut head = Vec::new();
                HeadWriter::request(&mut head, b"GET", path.as_bytes())
                    .field("host", &self.target.authority)
                    .field("user-agent", USER_AGENT)
                    .field("accept", "*/*")
                    .field("connection", "close")
                    .framing(Framing::None)
                    .end();
                let mut upload = Upload::new(head, Framing::None, Body::Empty);
                errand.run(connection, false, &mut upload, &mut rest).await
            }
            Opened::Http2(lease) => {
                // The next check opens a connection of its own.
                lease.doubt();
                let head = http2::own_request(&path, &self.target, USER_AGENT)?;
                errand.run_http2(lease, head, Size::None, Body::Empty, &mut rest).await
            }
        }
    }
}

/// What went wrong, for the log.
fn spell(failure: Failure) -> String {
    let problem = Problem::from(failure);
    problem.cause().unwrap_or_else(|| problem.detail()).to_owned()
}
