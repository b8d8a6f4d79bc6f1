//! One request's way: into its backend, to a target, and on to another or to the same one again where that is safe.
//!
//! Whether anything is sent at all `breaker` and `places` say, in this order: nobody waits for a backend that is left
//! alone. What is safe to send again, and what it costs, `retry` says.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use super::Sending;
use super::answer::{Errand, Load, Rest, Times};
use super::backend::{Backend, Target};
use super::balance::{Caller, Tried};
use super::breaker::{Change, Pass};
use super::failure::{BACKEND_BUSY, BACKEND_CIRCUIT_OPEN, BACKEND_UNHEALTHY, Failure};
use super::places::Busy;
use super::retry::{self, Tries};
use crate::clock::{self, Instant};
use crate::http::{Body, Canonical, Reply, Size};
use crate::observe::{BackendFacts, CircuitFacts, PlacesFacts};
use crate::pipeline::marks::Marks;
use crate::pipeline::operation::Stream;
use crate::pipeline::request_id::random;
use crate::pipeline::{Context, Operation, Stop};
use crate::problem::Problem;

/// One request on its way.
pub(super) struct Journey<'a> {
    backend: &'a Backend,
    operation: &'a Operation,
    size: Size,
    /// When it was to be forwarded, and when it had its place.
    began: Instant,
    entered: Instant,
    rest: Rest,
    tries: Tries,
    tried: Tried,
    has_waited: bool,
    pauses: u32,
}

impl<'a> Journey<'a> {
    /// With `body`, from a request that was to be forwarded when it `began` and was let in when it `entered`.
    pub(super) fn new(
        backend: &'a Backend,
        operation: &'a Operation,
        body: Body,
        (began, entered): (Instant, Instant),
    ) -> Self {
        Self {
            backend,
            operation,
            size: body.size(),
            began,
            entered,
            rest: Rest::untouched(Some(Load::Body(body))),
            tries: backend.budget.begin(),
            tried: Tried::new(),
            has_waited: false,
            pauses: 0,
        }
    }

    /// Asks until there is an answer, which then is in `reply`, or nobody left whom it would be safe to ask. The error is that
    /// there is no target.
    pub(super) async fn run(
        &mut self,
        request: &Canonical,
        reply: &mut Reply,
        cx: &mut Context,
    ) -> Result<Result<(), Failure>, Stop> {
        let Self { backend, operation, .. } = *self;
        loop {
            let (target, began) = self.next(request, cx)?;
            let span = cx.begin_try(&target.name);
            let marks = Marks { id: &cx.id, trace: &cx.trace, span, way: cx.peer.way(request) };
            let mut times = Times::default();
            let mut errand = Errand {
                spec: backend.spec(),
                budget: &backend.budget,
                target,
                method: request.method(),
                idle: if operation.stream.is_some() {
                    operation.bounds.stream_idle
                } else {
                    backend.spec().timeouts.idle
                },
                total: self.total(),
                upgrade: request.upgrade().filter(|_| operation.stream == Some(Stream::WebSocket)),
                started: self.began,
                began,
                times: &mut times,
                tries: &mut self.tries,
                deadline: &mut cx.deadline,
                interim: &cx.interim,
            };
            let sending = Sending { request, size: self.size, strip: operation.strip, marks: &marks };
            let outcome = errand.forward(&sending, &mut self.rest, reply).await;
            let heard = times.heard.unwrap_or_else(clock::now);
            cx.asked(self.entered, heard);
            cx.resent(self.tries.again);
            backend.learn(target, (&outcome, reply), began, times.asked, heard);
            cx.end_try(outcome.as_ref().map(|()| reply.status).map_err(Failure::code));
            if self.rest.load.is_none() || !self.goes_on(request, &outcome, cx).await {
                return Ok(outcome);
            }
        }
    }

    /// Whose turn it is, and when its try begins.
    fn next(&mut self, request: &Canonical, cx: &mut Context) -> Result<(&'a Arc<Target>, Instant), Stop> {
        let caller = cx.consumer().map_or(Caller::Address(request.client()), Caller::Consumer);
        let began = if self.tried.is_empty() && self.pauses == 0 { self.entered } else { clock::now() };
        let chosen = self.backend.choose(caller, began, &self.tried);
        let Some((at, target)) = chosen.and_then(|at| Some((at, self.backend.targets().get(at)?))) else {
            let problem = BACKEND_UNHEALTHY.with("no target of the backend passes its health checks");
            return Err(problem.field("retry-after", "1").into());
        };
        self.tried.push(at);
        cx.occupies(&target.standing.in_flight);
        // What was paid for has not been seen by anybody since.
        self.rest.is_untouched = true;
        Ok((target, began))
    }

    /// Whether what is left of the request is sent to another target, or to the same ones after a pause.
    async fn goes_on(
        &mut self,
        request: &Canonical,
        outcome: &Result<(), Failure>,
        cx: &mut Context,
    ) -> bool {
        let is_idempotent = request.method().is_idempotent();
        let is_another_left = self.backend.has_another(&self.tried);
        let is_safe = match outcome {
            // Only an answer that may be bettered leaves anything.
            Ok(()) => true,
            Err(failure) if self.rest.is_untouched && failure.allows_another(&mut self.has_waited) => {
                if is_another_left {
                    self.tries.go_on();
                    return true;
                }
                failure.may_pass()
            }
            Err(failure) => failure.may_pass() && (self.rest.is_untouched || is_idempotent),
        };
        let now = clock::now();
        let pause = if is_another_left { Duration::ZERO } else { retry::pause(self.pauses, random()) };
        let begins = now.checked_add(pause).unwrap_or(now);
        let due = self.total().and_then(|total| self.began.checked_add(total));
        let is_in_time = due.is_none_or(|due| begins < due);
        if !is_safe || !is_in_time || !self.backend.budget.spend(&mut self.tries, now) {
            return false;
        }
        if !is_another_left {
            self.tried.clear();
            self.pauses = self.pauses.saturating_add(1);
            cx.deadline.set_at(Some(begins));
            poll_fn(|task| cx.deadline.poll(task)).await;
        }
        true
    }

    /// How long all of it may take.
    fn total(&self) -> Option<Duration> {
        self.backend.spec().timeouts.total.filter(|_| self.operation.stream.is_none())
    }
}

impl Backend {
    /// Lets a request in that was to be forwarded when it `began`, if the backend is not left alone, once it has a place. The
    /// pass, if there is one, is to be settled.
    pub(super) async fn enter(&self, began: Instant, cx: &mut Context) -> Result<Option<Pass<'_>>, Stop> {
        let pass = self.pass(began, cx)?;
        let Some(places) = &self.places else { return Ok(pass) };
        if let Some(place) = places.take() {
            cx.holds(place);
            return Ok(pass);
        }
        // Who was let in before a wait may not be let in after it.
        drop(pass);
        cx.at("concurrency");
        let due = self.spec().timeouts.total.and_then(|total| began.checked_add(total));
        // Boxed: it is rare, and would take its room in every exchange.
        let place = Box::pin(places.wait(&mut cx.deadline, due)).await.map_err(busy)?;
        cx.holds(place);
        self.pass(clock::now(), cx)
    }

    fn pass(&self, now: Instant, cx: &mut Context) -> Result<Option<Pass<'_>>, Stop> {
        cx.at("breaker");
        let pass = self.breaker.as_ref().map(|breaker| breaker.enter(now)).transpose();
        Ok(pass.map_err(left_alone)?)
    }

    /// Notes what came of a request that was let in; nothing, when that is somebody else's doing.
    pub(super) fn settle(&self, pass: Pass<'_>, has_failed: Option<bool>) {
        let Some(has_failed) = has_failed else { return };
        let backend = &*self.spec().name;
        match pass.settle(has_failed, clock::now()) {
            Some(Change::Opened(time)) => {
                tracing::warn!(backend, seconds = time.as_secs_f64(), "a backend fails and is left alone");
            }
            Some(Change::Closed) => tracing::info!(backend, "a backend is well again"),
            None => {}
        }
    }

    pub(super) fn facts(&self) -> BackendFacts {
        let (retries, retries_refused) = self.budget.totals();
        BackendFacts {
            backend: self.spec().name.clone(),
            retries,
            retries_refused,
            circuit: self.breaker.as_ref().map(|breaker| {
                let (openings, refused) = breaker.totals();
                CircuitFacts { is_open: breaker.is_open(), openings, refused }
            }),
            places: self
                .places
                .as_ref()
                .map(|places| PlacesFacts { waiting: places.waiting() as u64, refused: places.refused() }),
        }
    }
}

/// What the caller of a backend is told that had better be left alone for `left`.
fn left_alone(left: Duration) -> Problem {
    let seconds = left.as_millis().div_ceil(1_000).max(1);
    BACKEND_CIRCUIT_OPEN
        .with("the backend fails and is left alone for a while")
        .field("retry-after", seconds.to_string())
}

/// What the caller of a backend is told that has enough to do.
fn busy(busy: Busy) -> Problem {
    let cause = match busy {
        Busy::Queue => "as many wait as `concurrency.queue` allows",
        Busy::Wait => "no place came free within `concurrency.wait`",
    };
    BACKEND_BUSY
        .with("the backend has as many requests as it may have")
        .because(cause)
        .field("retry-after", "1")
}
