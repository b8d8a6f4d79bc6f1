//! The end of an exchange: its record, made at once, or when its answer has been looked at.
//!
//! A look at a large answer takes longer than a thread that serves may be kept, and nobody is to wait for it: neither the client's
//! next request nor another one's places. So what is known of the exchange goes where the look is taken, and becomes the
//! record there. There is one in any case: what is dropped on the way makes its own.

use std::sync::Arc;

use super::super::request_id::RequestId;
use super::{Context, Facts, Ground, Held};
use crate::clock;
use crate::http::Peer;
use crate::http::canonical::Reading;
use crate::http::trace::Trace;
use crate::observe::{Counted, Decision, Observe, Record};
use crate::pipeline::whole_answer::{Later, Unseen};

/// An exchange that is over and has no record yet.
struct Late {
    id: RequestId,
    trace: Trace,
    peer: Arc<Peer>,
    revision: Option<Arc<str>>,
    ground: Arc<Ground>,
    held: Held,
    facts: Facts,
    /// `None` once it was looked at.
    later: Option<Later>,
    response_bytes: u64,
}

impl Context {
    /// Ends the exchange, and has its record made when its answer was looked at.
    pub(super) fn finish_late(&mut self, later: Later, response_bytes: u64) {
        let waiting_max = later.waiting_max;
        let mut left =
            Facts::begin(self.facts.wall, self.facts.started, self.facts.wire, self.facts.write_idle);
        (left.ended, left.connection_over) = (self.facts.ended, self.facts.connection_over);
        self.vacates();
        left.has_place = self.facts.has_place;
        self.facts.has_place = false;
        let late = Late {
            id: self.id,
            trace: self.trace,
            peer: Arc::clone(&self.peer),
            revision: self.revision.clone(),
            ground: Arc::clone(&self.ground),
            held: std::mem::take(&mut self.held),
            facts: std::mem::replace(&mut self.facts, left),
            later: Some(later),
            response_bytes,
        };
        self.let_go();
        // What finds no room is dropped, and so recorded.
        self.ground.looks.add(waiting_max, late, |mut late| late.look(None));
    }
}

impl Late {
    fn look(&mut self, not: Option<Unseen>) {
        if let Some(later) = self.later.take() {
            self.facts.look(later, not);
        }
    }
}

impl Drop for Late {
    fn drop(&mut self) {
        self.look(Some(Unseen::Busy));
        let exchange = (&self.id, &self.trace, &*self.peer, self.revision.as_deref());
        self.facts.record(exchange, &self.held, &self.ground.observe, self.response_bytes, true);
    }
}

/// What an exchange is known by, and its revision.
type Exchange<'a> = (&'a RequestId, &'a Trace, &'a Peer, Option<&'a str>);

impl Facts {
    /// Makes the one record.
    pub(super) fn record(
        &self,
        (id, trace, peer, revision): Exchange<'_>,
        held: &Held,
        observe: &Observe,
        response_bytes: u64,
        complete: bool,
    ) {
        let took = self.ended.unwrap_or_else(clock::now).saturating_duration_since(self.started);
        let seen = held.seen(self);
        let decision = if complete { self.decision } else { Decision::Aborted };
        let operation = held.operation(self);
        let backend = held.target.as_ref().filter(|_| self.asked.is_some());
        let counted = Counted {
            metrics: operation.map(|operation| &operation.metrics),
            wall: self.wall,
            took,
            method: seen.map(|seen| seen.method().as_str()),
            status: self.status.map(|status| status.as_u16()),
            decision,
            problem: self.problem.as_ref().map(|stopped| stopped.kind),
            is_observed: self.observed.is_some(),
            was_forwarded: backend.is_some(),
            verdicts: &self.verdicts,
            is_sampled: trace.sampled,
        };
        if !observe.count(&counted) {
            return;
        }
        observe.tell(&Record {
            id: id.as_bytes(),
            trace,
            wall: self.wall,
            took,
            wire: self.wire,
            peer,
            client: seen.map_or_else(|| peer.ip(), Reading::client),
            method: counted.method,
            host: seen.map(Reading::host),
            path: seen.map(Reading::path),
            raw_line: if seen.is_none() { self.raw_line.as_deref() } else { None },
            user_agent: seen.and_then(Reading::user_agent),
            api: operation.map(|operation| &operation.api),
            operation: operation.map(|operation| &operation.name),
            template: operation.map(|operation| &operation.template),
            metrics: counted.metrics,
            consumer: self.proof.as_ref().map(|proof| &*proof.consumer.name),
            credential: self.proof.as_ref().map(|proof| &*proof.credential),
            status: counted.status,
            request_bytes: self.request_bytes,
            response_bytes,
            decision,
            problem: counted.problem,
            detail: self.problem.as_ref().map(|stopped| &*stopped.detail),
            cause: self.problem.as_ref().and_then(|stopped| stopped.cause.as_deref()),
            authorizer: self.decided.as_ref().map(|decided| (&*decided.by, decided.took)),
            backend: backend.zip(self.backend()).map(|(target, took)| (target.name(), took)),
            overhead: self.overhead(),
            tries: &self.tries,
            strip: operation.map_or(0, |operation| operation.strip),
            resends: self.resends,
            verdicts: &self.verdicts,
            places: operation.map(|operation| (&operation.place, &operation.auth_place)),
            observed: self.observed.as_ref().map(|observed| (observed.kind, observed.cause.as_deref())),
            unseen: self.unseen.map(Unseen::as_str),
            revision: revision.unwrap_or_default(),
        });
    }
}
