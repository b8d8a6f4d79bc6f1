//! What is known of one exchange besides its states: who, when, which verdicts. Ends as the one record.
//!
//! One struct, owned by the exchange and lent as `&mut`. It is not a bag: what a step must have, the state type
//! carries; what is only told (to the log, to metrics, to `explain`) stands here.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use smallvec::SmallVec;
use tokio::fs::File;
use tokio::sync::OwnedSemaphorePermit;

use super::marks::Marks;
use super::request_id::{RequestId, random};
use super::room::{Room, Share};
use super::{Operation, Proof, Routed, UnderWay};
use crate::clock::{self, Instant};
use crate::http::canonical::Reading;
use crate::http::deadline::Deadline;
use crate::http::interim::Interim;
use crate::http::trace::{Trace, Tracing};
use crate::http::{Canonical, Head, Peer, Wire};
use crate::observe::{Decision, Observe, Record, Try, Verdict};
use crate::problem::{Problem, ProblemKind};

/// What every exchange of the process stands on.
#[derive(Debug)]
pub struct Ground {
    /// Records, metrics, incidents.
    pub observe: Observe,
    /// Room for bodies in memory: `bodies_in_memory`.
    pub memory: Arc<Room>,
    /// Room for bodies in files: `bodies_in_files`.
    pub files: Arc<Room>,
    /// Room for requests under way: `requests`.
    pub requests: Arc<Room>,
    /// Where large bodies are spooled; `None` with `state: none`.
    pub spool: Option<PathBuf>,
}

/// One exchange's own facts.
#[derive(Debug)]
pub struct Context {
    /// Its name.
    pub id: RequestId,
    /// Where it stands in a trace.
    pub trace: Trace,
    /// The connection it came over.
    pub peer: Arc<Peer>,
    /// What it waits for now.
    pub deadline: Deadline,
    /// Interim answers for the wire to send.
    pub interim: Arc<Interim>,
    /// What the process shares.
    pub ground: Arc<Ground>,
    wall: Duration,
    started: Instant,
    seen: Option<Arc<Reading>>,
    raw_line: Option<Box<[u8]>>,
    wire: Wire,
    operation: Option<Arc<Operation>>,
    proof: Option<Arc<Proof>>,
    also_proven: Vec<Arc<Proof>>,
    verdicts: SmallVec<[Verdict; 4]>,
    problem: Option<Stopped>,
    decision: Decision,
    control: &'static str,
    backend: Option<(Arc<str>, Duration)>,
    overhead: Option<Duration>,
    /// Kept only where they become spans.
    tries: Vec<Try>,
    at_target: Option<UnderWay>,
    at_backend: Option<OwnedSemaphorePermit>,
    resends: u32,
    request_bytes: u64,
    connection_over: bool,
    write_idle: Duration,
    /// Its place among the requests under way.
    place: Share,
    /// The configuration it is judged by.
    revision: Arc<str>,
    /// The status that leaves, once one does.
    status: Option<StatusCode>,
    is_recorded: bool,
}

/// Why the exchange stopped.
#[derive(Debug)]
struct Stopped {
    kind: &'static ProblemKind,
    detail: Box<str>,
    cause: Option<String>,
}

impl Context {
    /// Begins an exchange now.
    pub fn begin(
        ground: Arc<Ground>,
        peer: Arc<Peer>,
        wire: Wire,
        deadline: Deadline,
        interim: Arc<Interim>,
        write_idle: Duration,
        revision: Arc<str>,
    ) -> Self {
        let wall = clock::wall();
        let place = Share::of(&ground.requests);
        Self {
            place,
            id: RequestId::new(wall),
            trace: Trace::begin(random),
            peer,
            deadline,
            interim,
            ground,
            wall,
            started: clock::now(),
            seen: None,
            raw_line: None,
            wire,
            operation: None,
            proof: None,
            also_proven: Vec::new(),
            verdicts: SmallVec::new(),
            problem: None,
            decision: Decision::Allowed,
            control: "read",
            backend: None,
            overhead: None,
            tries: Vec::new(),
            at_target: None,
            at_backend: None,
            resends: 0,
            request_bytes: 0,
            connection_over: false,
            write_idle,
            revision,
            status: None,
            is_recorded: false,
        }
    }

    /// Remembers the request line of a head that is refused before it has a reading.
    pub fn saw_head(&mut self, head: &Head) {
        const KEPT_BYTES: usize = 256;
        let line = head.request.line();
        self.raw_line = Some(line.get(..KEPT_BYTES).unwrap_or(line).into());
    }

    /// Takes a place among the requests under way, or says that there is none.
    pub fn take_place(&mut self) -> bool {
        self.place.grow(1)
    }

    /// Says which control has its turn: whoever stops the exchange now is it.
    pub fn at(&mut self, control: &'static str) {
        self.control = control;
    }

    /// Remembers the canonical request for the record.
    pub fn saw(&mut self, request: &Canonical) {
        self.seen = Some(Arc::clone(request.reading()));
    }

    /// Joins the trace that the request names, as far as `rules` let it.
    pub fn join_trace(&mut self, request: &Canonical, is_trusted: bool, rules: &Tracing) {
        self.trace.join(request.fields(), is_trusted, rules);
    }

    /// Begins a try at a target: what the target is told. Where the try becomes a span, what the target records is part of
    /// it; else it is part of the exchange's own.
    pub fn begin_try(&mut self, target: &Arc<str>) -> Marks {
        let mut span = self.trace.own;
        if self.trace.sampled && self.ground.observe.exports_spans() {
            span.span = random().max(1);
            let began = clock::now().saturating_duration_since(self.started);
            let target = Arc::clone(target);
            self.tries.push(Try { span: span.span, target, began, took: None, outcome: None });
        }
        let traceparent = self.trace.traceparent(span.span);
        Marks { id: self.id, traceparent, keeps_state: self.trace.keeps_state }
    }

    /// Ends the try that was begun last: with the status answered, or the code of the problem.
    pub fn end_try(&mut self, outcome: Result<StatusCode, &'static str>) {
        if let Some(last) = self.tries.last_mut() {
            let now = clock::now().saturating_duration_since(self.started);
            last.took = Some(now.saturating_sub(last.began));
            last.outcome = Some(outcome);
        }
    }

    /// The time until now, less the backend's; and the backend's, if one was asked.
    pub fn shares(&self) -> (Duration, Option<Duration>) {
        let backend = self.backend.as_ref().map(|(_, took)| *took);
        let took = clock::now().saturating_duration_since(self.started);
        (took.saturating_sub(backend.unwrap_or_default()), backend)
    }

    /// Remembers the operation for the record.
    pub fn route(&mut self, routed: &Routed) {
        let operation = routed.operation();
        self.verdict("route", Decision::Allowed, Some(&operation.place));
        self.operation = Some(Arc::clone(operation));
    }

    /// Remembers the caller for the record.
    pub fn identify(&mut self, proof: &Arc<Proof>) {
        self.proof = Some(Arc::clone(proof));
        if let Some(operation) = &self.operation {
            let place = Arc::clone(&operation.auth_place);
            self.verdict("authenticate", Decision::Allowed, Some(&place));
        }
    }

    /// Adds what a control decided, and the place in the configuration that made it.
    pub fn verdict(&mut self, control: &'static str, decision: Decision, place: Option<&Arc<str>>) {
        self.verdicts.push(Verdict { control, decision, place: place.cloned() });
    }

    /// Remembers why the exchange stopped.
    pub fn stopped(&mut self, problem: &Problem) {
        let kind = problem.kind();
        self.decision = match kind.blame {
            crate::problem::Blame::Client => Decision::Refused,
            crate::problem::Blame::Backend | crate::problem::Blame::Gateway => Decision::Failed,
        };
        let place = self.operation.as_ref().map(|operation| {
            Arc::clone(if kind.status == StatusCode::UNAUTHORIZED {
                &operation.auth_place
            } else {
                &operation.place
            })
        });
        self.verdict(self.control, self.decision, place.as_ref());
        self.problem = Some(Stopped {
            kind,
            detail: problem.detail().into(),
            cause: problem.cause().map(str::to_owned),
        });
    }

    /// Remembers that the gateway answered by itself.
    pub fn answered(&mut self) {
        self.decision = Decision::Answered;
    }

    /// Remembers which target was asked, and that it has answered just now or not at all.
    pub fn asked(&mut self, target: &Arc<str>, asked: Instant) {
        let now = clock::now();
        let took = now.saturating_duration_since(asked);
        self.backend = Some((Arc::clone(target), took));
        let until_head = now.saturating_duration_since(self.started);
        self.overhead = Some(until_head.saturating_sub(took));
    }

    /// Keeps the target's count of exchanges under way until this one has ended.
    pub fn occupies(&mut self, place: UnderWay) {
        self.at_target = Some(place);
    }

    /// Keeps a place of its backend until this exchange has ended.
    pub fn holds(&mut self, place: OwnedSemaphorePermit) {
        self.at_backend = Some(place);
    }

    /// Gives the places at target and backend back: no answer will come.
    pub fn vacates(&mut self) {
        self.at_target = None;
        self.at_backend = None;
    }

    /// Remembers how often the request was sent again, or to another target.
    pub fn resent(&mut self, times: u32) {
        self.resends = times;
    }

    /// Remembers a credential that was asked for besides another one.
    pub fn also_proven(&mut self, proof: Arc<Proof>) {
        self.also_proven.push(proof);
    }

    /// Everything that let the caller in.
    pub fn proofs(&self) -> impl Iterator<Item = &Arc<Proof>> {
        self.proof.iter().chain(&self.also_proven)
    }

    /// When it began, on the wall clock since 1970.
    pub fn wall(&self) -> Duration {
        self.wall
    }

    /// The consumer that was proven, if one was.
    pub fn consumer(&self) -> Option<&str> {
        self.proof.as_ref().map(|proof| &*proof.consumer.name)
    }

    /// Counts bytes of the request body as they are passed on.
    pub fn count_request_bytes(&mut self, bytes: u64) {
        self.request_bytes = self.request_bytes.saturating_add(bytes);
    }

    /// Says that nothing may follow this exchange on its connection.
    pub fn end_connection(&mut self) {
        self.connection_over = true;
    }

    /// Whether nothing may follow on this connection.
    pub fn is_connection_over(&self) -> bool {
        self.connection_over
    }

    /// How long a client may take nothing of its reply.
    pub fn write_idle(&self) -> Duration {
        self.write_idle
    }

    /// The operation, once routed.
    pub fn operation(&self) -> Option<&Arc<Operation>> {
        self.operation.as_ref()
    }

    /// Remembers the status of the reply that is about to leave.
    pub fn replies(&mut self, status: StatusCode) {
        self.status = Some(status);
    }

    /// Ends the exchange: exactly one record, whatever happened.
    pub fn finish(&mut self, response_bytes: u64, complete: bool) -> Deadline {
        self.is_recorded = true;
        let seen = self.seen.as_deref();
        let decision = if complete { self.decision } else { Decision::Aborted };
        self.ground.observe.record(&Record {
            id: self.id.as_str(),
            trace: &self.trace,
            wall: self.wall,
            took: clock::now().saturating_duration_since(self.started),
            wire: self.wire,
            peer: &self.peer,
            client: seen.map_or_else(|| self.peer.ip(), Reading::client),
            method: seen.map(|seen| seen.method().as_str()),
            host: seen.map(Reading::host),
            path: seen.map(Reading::path),
            raw_line: if seen.is_none() { self.raw_line.as_deref() } else { None },
            user_agent: seen.and_then(Reading::user_agent),
            api: self.operation.as_ref().map(|operation| &*operation.api),
            operation: self.operation.as_ref().map(|operation| &*operation.name),
            template: self.operation.as_ref().map(|operation| &*operation.template),
            metrics: self.operation.as_ref().map(|operation| &operation.metrics),
            consumer: self.proof.as_ref().map(|proof| &*proof.consumer.name),
            credential: self.proof.as_ref().map(|proof| &*proof.credential),
            status: self.status.map(|status| status.as_u16()),
            request_bytes: self.request_bytes,
            response_bytes,
            decision,
            problem: self.problem.as_ref().map(|stopped| stopped.kind),
            detail: self.problem.as_ref().map(|stopped| &*stopped.detail),
            cause: self.problem.as_ref().and_then(|stopped| stopped.cause.as_deref()),
            backend: self.backend.as_ref().map(|(target, took)| (&**target, *took)),
            overhead: self.overhead,
            tries: &self.tries,
            strip: self.operation.as_ref().map_or(0, |operation| operation.strip),
            resends: self.resends,
            verdicts: &self.verdicts,
            revision: &self.revision,
        });
        std::mem::take(&mut self.deadline)
    }
}

/// An exchange whose connection is cut off under it is recorded as well, as one that broke off.
impl Drop for Context {
    fn drop(&mut self) {
        if !self.is_recorded {
            drop(self.finish(0, false));
        }
    }
}

impl Ground {
    /// An unlinked file to hold a body that is too large for memory.
    pub(super) async fn spool(&self) -> std::io::Result<File> {
        let folder =
            self.spool.clone().ok_or_else(|| std::io::Error::other("`state: none` keeps nothing on disk"))?;
        let file = tokio::task::spawn_blocking(move || tempfile::tempfile_in(folder)).await??;
        Ok(File::from_std(file))
    }
}
