//! What is known of one exchange besides its states: who, when, which verdicts. Ends as the one record.
//!
//! One struct, owned by the exchange and lent as `&mut`. It is not a bag: what a step must have, the state type
//! carries; what is only told (to the log, to metrics, to `explain`) stands here.

use std::borrow::Cow;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use smallvec::SmallVec;
use tokio::fs::File;
use tokio::sync::OwnedSemaphorePermit;

use super::attempts::Attempts;
use super::request_id::{RequestId, random};
use super::room::Room;
use super::whole_answer::{Later, Unseen};
use super::{Changes, InFlight, Operation, Proof, Routed, UnderWay};
use crate::clock::{self, Instant};
use crate::http::canonical::Reading;
use crate::http::deadline::Deadline;
use crate::http::interim::Interim;
use crate::http::trace::{Trace, Tracing};
use crate::http::{Canonical, Head, Peer, Wire};
use crate::observe::{Decision, Evidence, Incident, Observe, Place, Try, Verdict};
use crate::problem::{Problem, ProblemKind};
use crate::workers::{Background, Workers};

mod late;

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
    /// Failed credentials by client address.
    pub attempts: Attempts,
    /// Where large bodies are looked into.
    pub inspections: Workers,
    /// Where large answers that have gone are looked at for the record.
    pub looks: Arc<Background>,
    /// Where large bodies are spooled; `None` with `state: none`.
    pub spool: Option<PathBuf>,
}

/// One exchange's own facts, and what the exchanges of its connection have in common.
///
/// A connection has one for all its exchanges, one after the other; a stream of HTTP/2 has one for its only exchange.
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
    /// The configuration it is judged by.
    revision: Option<Arc<str>>,
    /// Whether a backend is to be asked.
    pub rehearsal: Rehearsal,
    held: Held,
    facts: Facts,
}

/// What an exchange mostly has in common with the one before: held on, and exchanged where it is another. Whether it is of this
/// exchange at all its [`Facts`] say, which are made anew for each.
// PERF: each copy of an `Arc` and its end are two locked instructions. A connection that waits lets go of its whole context.
#[derive(Debug, Default)]
struct Held {
    /// That of an exchange that `is_routed`.
    operation: Option<Arc<Operation>>,
    /// That of an exchange that has asked a `backend`.
    target: Option<UnderWay>,
    /// What was seen of an exchange that `is_seen`.
    seen: Option<Reading>,
}

/// Whether a request came, or is judged as if it had come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Rehearsal {
    /// It came.
    #[default]
    No,
    /// No backend is to be asked.
    Judging,
    /// It was judged, and a backend would have been asked.
    Passed,
}

/// What is known of one exchange. Made anew for each, as a whole, so that nothing of one is left for the next.
#[derive(Debug)]
struct Facts {
    wall: Duration,
    started: Instant,
    /// Whether its request has the reading that is held.
    is_seen: bool,
    raw_line: Option<Box<[u8]>>,
    wire: Wire,
    /// Whether it has found the operation that is held.
    is_routed: bool,
    proof: Option<Arc<Proof>>,
    also_proven: Vec<Arc<Proof>>,
    verdicts: SmallVec<[Verdict; 4]>,
    problem: Option<Stopped>,
    /// Boxed: it is rare, and would take its room in every exchange.
    observed: Option<Box<Stopped>>,
    decision: Decision,
    control: &'static str,
    /// Boxed: it is rare, and would take its room in every exchange.
    decided: Option<Box<Decided>>,
    /// Boxed for the same reason.
    later: Option<Box<Later>>,
    /// Why the answer was not looked at that was to be.
    unseen: Option<Unseen>,
    /// When the target that is held was asked, and had answered or was not waited for any longer.
    // PERF: what lies between is reckoned where somebody wants to know.
    asked: Option<(Instant, Instant)>,
    /// Kept only where they become spans.
    tries: Vec<Try>,
    at_backend: Option<OwnedSemaphorePermit>,
    resends: u32,
    request_bytes: u64,
    connection_over: bool,
    write_idle: Duration,
    /// Whether it has a place among the requests under way.
    has_place: bool,
    /// A line of `Set-Cookie` that leaves with the reply, whatever the reply is.
    cookie: Option<Arc<str>>,
    /// The status that leaves, once one does.
    status: Option<StatusCode>,
    /// When its record was made: it is over.
    ended: Option<Instant>,
}

/// What somebody outside decided of the exchange.
#[derive(Debug)]
struct Decided {
    by: Arc<str>,
    took: Duration,
    /// What is to become of the request toward its backend.
    changes: Changes,
}

/// Why the exchange stopped.
#[derive(Debug)]
struct Stopped {
    kind: &'static ProblemKind,
    detail: Cow<'static, str>,
    cause: Option<String>,
}

impl Stopped {
    fn by(problem: &Problem) -> Self {
        Self {
            kind: problem.kind(),
            detail: problem.detail().to_owned().into(),
            cause: problem.cause().map(str::to_owned),
        }
    }
}

impl From<Problem> for Stopped {
    fn from(problem: Problem) -> Self {
        let (kind, detail, cause) = problem.into_told();
        Self { kind, detail, cause }
    }
}

impl Held {
    /// The operation of the exchange of `facts`.
    fn operation(&self, facts: &Facts) -> Option<&Arc<Operation>> {
        self.operation.as_ref().filter(|_| facts.is_routed)
    }

    /// What was seen of the exchange of `facts`.
    fn seen(&self, facts: &Facts) -> Option<&Reading> {
        self.seen.as_ref().filter(|_| facts.is_seen)
    }
}

impl Facts {
    fn begin(wall: Duration, started: Instant, wire: Wire, write_idle: Duration) -> Self {
        Self {
            wall,
            started,
            is_seen: false,
            raw_line: None,
            wire,
            is_routed: false,
            proof: None,
            also_proven: Vec::new(),
            verdicts: SmallVec::new(),
            problem: None,
            observed: None,
            decision: Decision::Allowed,
            control: "read",
            decided: None,
            later: None,
            unseen: None,
            asked: None,
            tries: Vec::new(),
            at_backend: None,
            resends: 0,
            request_bytes: 0,
            connection_over: false,
            write_idle,
            has_place: false,
            cookie: None,
            status: None,
            ended: None,
        }
    }
}

impl Facts {
    /// How long the target that is held took to the head of its answer.
    fn backend(&self) -> Option<Duration> {
        self.asked.map(|(asked, heard)| heard.saturating_duration_since(asked))
    }

    /// How long it took until that target was asked.
    fn overhead(&self) -> Option<Duration> {
        self.asked.map(|(asked, _)| asked.saturating_duration_since(self.started))
    }

    /// Adds what a control decided, and where the setting stands that made it.
    fn verdict(&mut self, control: &'static str, decision: Decision, place: Place) {
        self.verdicts.push(Verdict { control, decision, place });
    }

    /// Remembers that `control`, which only observes, would have stopped the exchange.
    fn observed(&mut self, control: &'static str, problem: &Problem, place: &Arc<str>) {
        self.verdict(control, Decision::Observed, Place::At(Arc::clone(place)));
        if self.observed.is_none() {
            self.observed = Some(Box::new(Stopped::by(problem)));
        }
    }

    /// Has the answer looked at that has gone, or says why it is not.
    fn look(&mut self, later: Later, not: Option<Unseen>) {
        let (control, place) = (later.control, Arc::clone(&later.place));
        match later.look(not) {
            Ok(Some(problem)) => self.observed(control, &problem, &place),
            Ok(None) => {}
            Err(unseen) => self.unseen = Some(unseen),
        }
    }
}

impl Context {
    /// For the exchanges of a connection, or of one stream. None has begun.
    pub fn new(ground: Arc<Ground>, peer: Arc<Peer>, interim: Arc<Interim>) -> Self {
        let now = clock::now();
        let mut facts = Facts::begin(Duration::ZERO, now, Wire::Http11, Duration::ZERO);
        facts.ended = Some(now);
        Self {
            id: RequestId::new(Duration::ZERO),
            trace: Trace::begin(random),
            peer,
            deadline: Deadline::new(),
            interim,
            ground,
            revision: None,
            rehearsal: Rehearsal::No,
            held: Held::default(),
            facts,
        }
    }

    /// Begins an exchange now.
    pub fn begin(&mut self, wire: Wire, write_idle: Duration, revision: &Arc<str>) {
        debug_assert!(self.facts.ended.is_some(), "the exchange before has no record");
        let started = clock::now();
        let wall = clock::wall_at(started);
        self.id = RequestId::new(wall);
        self.trace = Trace::begin(random);
        if !self.revision.as_ref().is_some_and(|known| Arc::ptr_eq(known, revision)) {
            self.revision = Some(Arc::clone(revision));
        }
        self.facts = Facts::begin(wall, started, wire, write_idle);
    }

    /// When the last exchange ended.
    pub fn ended(&self) -> Option<Instant> {
        self.facts.ended
    }

    /// Remembers the request line of a head that is refused before it has a reading.
    pub fn saw_head(&mut self, head: &Head) {
        const KEPT_BYTES: usize = 256;
        let line = head.request.line();
        self.facts.raw_line = Some(line.get(..KEPT_BYTES).unwrap_or(line).into());
    }

    /// Takes a place among the requests under way, or says that there is none.
    pub fn take_place(&mut self) -> bool {
        debug_assert!(!self.facts.has_place, "one place for each");
        self.facts.has_place = self.ground.requests.take(1);
        self.facts.has_place
    }

    /// Says which control has its turn: whoever stops the exchange now is it.
    pub fn at(&mut self, control: &'static str) {
        self.facts.control = control;
    }

    /// Remembers the canonical request for the record.
    pub fn saw(&mut self, request: &Canonical) {
        match &mut self.held.seen {
            Some(seen) => seen.clone_from(request.reading()),
            None => self.held.seen = Some(request.reading().clone()),
        }
        self.facts.is_seen = true;
    }

    /// Joins the trace that the request names, as far as `rules` let it.
    pub fn join_trace(&mut self, request: &Canonical, is_trusted: bool, rules: &Tracing) {
        self.trace.join(request.fields(), is_trusted, rules);
    }

    /// Begins a try at a target: the span of which what the target records is part. Where the try becomes a span, that;
    /// else the exchange's own.
    pub fn begin_try(&mut self, target: &Arc<str>) -> u64 {
        if !self.trace.sampled || !self.ground.observe.exports_spans() {
            return self.trace.own.span;
        }
        let span = random().max(1);
        let began = clock::now().saturating_duration_since(self.facts.started);
        let target = Arc::clone(target);
        self.facts.tries.push(Try { span, target, began, took: None, outcome: None });
        span
    }

    /// Ends the try that was begun last: with the status answered, or the code of the problem.
    pub fn end_try(&mut self, outcome: Result<StatusCode, &'static str>) {
        if let Some(last) = self.facts.tries.last_mut() {
            let now = clock::now().saturating_duration_since(self.facts.started);
            last.took = Some(now.saturating_sub(last.began));
            last.outcome = Some(outcome);
        }
    }

    /// The time until now, less the backend's; and the backend's, if one was asked.
    pub fn shares(&self) -> (Duration, Option<Duration>) {
        let backend = self.facts.backend();
        let took = clock::now().saturating_duration_since(self.facts.started);
        (took.saturating_sub(backend.unwrap_or_default()), backend)
    }

    /// Remembers the operation for the record.
    pub fn route(&mut self, routed: &Routed) {
        let operation = routed.operation();
        self.facts.verdict("route", Decision::Allowed, Place::Operation);
        if !self.held.operation.as_ref().is_some_and(|held| Arc::ptr_eq(held, operation)) {
            self.held.operation = Some(Arc::clone(operation));
        }
        self.facts.is_routed = true;
    }

    /// Remembers the caller for the record.
    pub fn identify(&mut self, proof: &Arc<Proof>) {
        self.facts.proof = Some(Arc::clone(proof));
        if self.facts.is_routed {
            self.facts.verdict("authenticate", Decision::Allowed, Place::Authentication);
        }
    }

    /// Adds what a control decided, and the place in the configuration that made it.
    pub fn verdict(&mut self, control: &'static str, decision: Decision, place: Option<&Arc<str>>) {
        let place = place.map_or(Place::None, |place| Place::At(Arc::clone(place)));
        self.facts.verdict(control, decision, place);
    }

    /// Remembers why the exchange stopped.
    pub fn stopped(&mut self, problem: Problem) {
        let kind = problem.kind();
        self.facts.decision = match kind.blame {
            crate::problem::Blame::Client => Decision::Refused,
            crate::problem::Blame::Backend | crate::problem::Blame::Gateway => Decision::Failed,
        };
        let place = match self.facts.is_routed {
            false => Place::None,
            true if kind.status == StatusCode::UNAUTHORIZED => Place::Authentication,
            true => Place::Operation,
        };
        self.facts.verdict(self.facts.control, self.facts.decision, place);
        self.facts.problem = Some(problem.into());
    }

    /// Remembers that `control`, which only observes, would have stopped the exchange.
    pub fn observed(&mut self, control: &'static str, problem: &Problem, place: &Arc<str>) {
        self.facts.observed(control, problem, place);
    }

    /// Whether a control that only observes would have stopped it.
    pub fn is_observed(&self) -> bool {
        self.facts.observed.is_some()
    }

    /// Remembers that the gateway answered by itself.
    pub fn answered(&mut self) {
        self.facts.decision = Decision::Answered;
    }

    /// Remembers that the target it occupies was asked, and has answered `now` or not at all.
    pub fn asked(&mut self, asked: Instant, now: Instant) {
        self.facts.asked = Some((asked, now));
    }

    /// Is counted among the target's exchanges under way, and among nobody else's, until this one has ended.
    pub fn occupies(&mut self, target: &InFlight) {
        target.enter_with(&mut self.held.target);
    }

    /// Keeps a place of its backend until this exchange has ended.
    pub fn holds(&mut self, place: OwnedSemaphorePermit) {
        self.facts.at_backend = Some(place);
    }

    /// Gives the places at target and backend back: no answer will come.
    pub fn vacates(&mut self) {
        if let Some(target) = &mut self.held.target {
            target.leave();
        }
        self.facts.at_backend = None;
    }

    /// Remembers how often the request was sent again, or to another target.
    pub fn resent(&mut self, times: u32) {
        self.facts.resends = times;
    }

    /// Remembers a credential that was asked for besides another one.
    pub fn also_proven(&mut self, proof: Arc<Proof>) {
        self.facts.also_proven.push(proof);
    }

    /// Remembers that the authorizer `by` was asked, and has answered or not after `took`.
    pub fn decided(&mut self, by: Arc<str>, took: Duration) {
        self.facts.decided = Some(Box::new(Decided { by, took, changes: Changes::default() }));
    }

    /// Keeps what the authorizer that was asked changes of the request, until it goes to its backend.
    pub fn keep_changes(&mut self, changes: Changes) {
        if let Some(decided) = &mut self.facts.decided {
            decided.changes = changes;
        }
    }

    /// What was kept.
    pub fn changes(&self) -> Option<&Changes> {
        self.facts.decided.as_ref().map(|decided| &decided.changes)
    }

    /// Has the answer looked at when all of it has gone. The last one to say so is heard.
    pub fn looks_later(&mut self, later: Later) {
        self.facts.later = Some(Box::new(later));
    }

    /// Tells of an incident that does not end the exchange.
    pub fn incident(&self, kind: &'static ProblemKind, cause: &str) {
        let Some(severity) = kind.severity else { return };
        let seen = self.held.seen(&self.facts);
        let operation = self.operation();
        let proof = self.facts.proof.as_deref();
        self.ground.observe.incident(&Incident {
            wall: self.facts.wall,
            kind: kind.code,
            severity,
            id: Some(self.id.as_str()),
            span: Some(self.trace.own),
            listener: Some(&self.peer.listener),
            client: Some(seen.map_or_else(|| self.peer.ip(), Reading::client)),
            peer: Some(self.peer.ip()),
            api: operation.map(|operation| &*operation.api),
            operation: operation.map(|operation| &*operation.name),
            consumer: proof.map(|proof| &*proof.consumer.name),
            credential: proof.map(|proof| &*proof.credential),
            control: Some(self.facts.control),
            cause: Some(cause),
            evidence: seen.map_or(Evidence::None, |seen| Evidence::Request {
                method: seen.method().as_str(),
                path: seen.path(),
            }),
        });
    }

    /// Has the reply set a cookie, whatever the reply is: that of a session that was renewed.
    pub fn set_cookie(&mut self, line: Arc<str>) {
        self.facts.cookie = Some(line);
    }

    /// The cookie that the reply is to set.
    pub fn take_cookie(&mut self) -> Option<Arc<str>> {
        self.facts.cookie.take()
    }

    /// Everything that let the caller in.
    pub fn proofs(&self) -> impl Iterator<Item = &Arc<Proof>> {
        self.facts.proof.iter().chain(&self.facts.also_proven)
    }

    /// When it began, on the wall clock since 1970.
    pub fn wall(&self) -> Duration {
        self.facts.wall
    }

    /// The consumer that was proven, if one was.
    pub fn consumer(&self) -> Option<&str> {
        self.facts.proof.as_ref().map(|proof| &*proof.consumer.name)
    }

    /// Counts bytes of the request body as they are passed on.
    pub fn count_request_bytes(&mut self, bytes: u64) {
        self.facts.request_bytes = self.facts.request_bytes.saturating_add(bytes);
    }

    /// Says that nothing may follow this exchange on its connection.
    pub fn end_connection(&mut self) {
        self.facts.connection_over = true;
    }

    /// Whether nothing may follow on this connection.
    pub fn is_connection_over(&self) -> bool {
        self.facts.connection_over
    }

    /// How long a client may take nothing of its reply.
    pub fn write_idle(&self) -> Duration {
        self.facts.write_idle
    }

    /// The operation, once routed.
    pub fn operation(&self) -> Option<&Arc<Operation>> {
        self.held.operation(&self.facts)
    }

    /// Remembers the status of the reply that is about to leave.
    pub fn replies(&mut self, status: StatusCode) {
        self.facts.status = Some(status);
    }

    /// Ends the exchange: exactly one record, whatever happened.
    pub fn finish(&mut self, response_bytes: u64, complete: bool) {
        self.facts.ended = Some(clock::now());
        match self.facts.later.take().filter(|_| complete) {
            Some(later) if later.takes_long() => return self.finish_late(*later, response_bytes),
            Some(later) => self.facts.look(*later, None),
            None => {}
        }
        let exchange = (&self.id, &self.trace, &*self.peer, self.revision.as_deref());
        self.facts.record(exchange, &self.held, &self.ground.observe, response_bytes, complete);
        self.let_go();
    }

    /// Holds nothing that others wait for: places, and who the caller was.
    fn let_go(&mut self) {
        self.vacates();
        self.facts.proof = None;
        self.facts.also_proven.clear();
        if std::mem::take(&mut self.facts.has_place) {
            self.ground.requests.give_back(1);
        }
    }
}

/// An exchange whose connection is cut off under it is recorded as well, as one that broke off.
impl Drop for Context {
    fn drop(&mut self) {
        if self.facts.ended.is_none() {
            self.finish(0, false);
        }
        // Unless the record could not be made.
        self.let_go();
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
