//! Lets a request through only if it is what the API's definition says: its parameters, its media type, its body.
//!
//! A definition that is only documentation goes out of date; one that is enforced cannot. So an operation that comes from a
//! definition is judged by it unless somebody says otherwise, and what of the definition cannot be enforced is said at the
//! start, by name: such an operation answers 501. Other gateways let pass what they cannot check; then nobody knows what is
//! protected. `portcullis coverage` shows it.
//!
//! What is judged was made, by a strict parser, of the very bytes that are forwarded; objects are closed where the document does
//! not say that they are open; texts, lists and numbers have bounds where it is silent.
//!
//! # Example
//! ```yaml
//! contract: { mode: enforce, errors: terse }
//! ```
//!
//! # Order
//! Inspect: callers are known and permitted. Parameters and media type are judged before a byte of the body is read, the body
//! before a byte of it goes on.
//!
//! # Limits
//! `bounds.body`, `bounds.bodies_in_memory`, and those that [the guide](../guides/contract.md) lists. Bodies above 16 KiB are judged on
//! a bounded pool (`bounds.inspections_waiting`; beyond it: 503).
//!
//! # Failure
//! 400 for parameters, for a missing body and for one that is no document of its type, 413 for one with more in it than is judged, 415 for
//! another type, 422 for one that is not what the schema says, 501 for an operation that cannot be judged. `mode: observe` lets
//! everything pass, counts it (`portcullis_observed_total`) and names it in the access record; what is in a content coding it reads
//! from a copy.
//!
//! # Threats
//! The caller controls every byte. Answers hold pointers and keywords, never a value. Fuzz targets: those whose names begin with `contract_`.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use http::Method;
use portcullis_openapi::contract::{
    self, BodyFault, BodyNeeds, Chosen, HeadFields, OperationContract, RequestHead, Violations,
};
use portcullis_openapi::matcher::{Match, Matcher, Spans};

use super::{Kind, Phase};
use crate::config::{Mode, OnUncovered};
use crate::http::{Canonical, Size};
use crate::observe::Decision;
use crate::pipeline::context::Ground;
use crate::pipeline::judged::{Pieces, Whole, no_room};
use crate::pipeline::operation::Keeping;
use crate::pipeline::policy::Inspector;
use crate::pipeline::step::Why;
use crate::pipeline::{Context, Form, Identified, Needs, Operation, Policy, Step, Stop};
use crate::problem::Problem;
use crate::workers::Busy;

mod problems;
mod seen;
mod tee;

pub use problems::{
    BODY_MALFORMED, BODY_MISSING, BODY_TOO_COMPLEX, BODY_UNDECLARED, CONTRACT_BODY, CONTRACT_PARAMETER,
    INSPECTION_BUSY, NOT_ENFORCEABLE, UNSUPPORTED_MEDIA_TYPE,
};

use tee::Tee;

/// Bodies up to here are judged where they are, faster than they could be handed over.
pub(super) const INLINE_BYTES_MAX: usize = 16 << 10;

/// Its line in the list of policies.
pub const KIND: Kind = Kind {
    name: "contract",
    phase: Phase::Inspect,
    problems: &[
        &NOT_ENFORCEABLE,
        &CONTRACT_PARAMETER,
        &UNSUPPORTED_MEDIA_TYPE,
        &BODY_MISSING,
        &BODY_UNDECLARED,
        &BODY_MALFORMED,
        &BODY_TOO_COMPLEX,
        &CONTRACT_BODY,
        &INSPECTION_BUSY,
    ],
};

/// Keeps one operation to its contract.
#[derive(Debug)]
pub struct Keeper {
    /// The contract of its API.
    pub contract: Arc<contract::Contract>,
    /// Which operation of the definition it is.
    pub operation: usize,
    /// Finds its path parameters, where it has some.
    pub path: Option<Matcher<()>>,
    /// Query parameters by which callers prove themselves.
    pub others: Box<[Box<str>]>,
    /// How it is kept.
    pub keeping: Keeping,
    /// Whether it may become a stream, which nobody can hold.
    pub may_stream: bool,
    /// Where that is said.
    pub place: Arc<str>,
}

/// Fields as parameters are looked for in them: also those of which the canonical request keeps elsewhere what they say.
struct InFields<'a> {
    request: &'a Canonical,
    authority: OnceCell<Cow<'a, str>>,
    length: OnceCell<String>,
}

impl<'a> InFields<'a> {
    fn of(request: &'a Canonical) -> Self {
        Self { request, authority: OnceCell::new(), length: OnceCell::new() }
    }
}

impl HeadFields for InFields<'_> {
    fn each<'s>(&'s self, name: &str, take: &mut dyn FnMut(&'s [u8])) {
        match (name, self.request.size()) {
            ("host", _) => take(self.authority.get_or_init(|| self.request.authority()).as_bytes()),
            ("content-length", Size::Exactly(length)) => {
                take(self.length.get_or_init(|| length.to_string()).as_bytes());
            }
            _ => {
                for value in self.request.fields().all(name) {
                    take(value);
                }
            }
        }
    }
}

impl Keeper {
    /// The rules of its operation, unless none of it is judged.
    fn rules(&self) -> Option<&OperationContract> {
        let is_closed = self.keeping.is_uncovered && self.keeping.on_uncovered == OnUncovered::Refuse;
        self.contract.operation(self.operation).filter(|_| !is_closed)
    }

    /// Whether a body passes that nobody can judge.
    fn lets_pass(&self, fault: &BodyFault) -> bool {
        matches!(fault, BodyFault::NotEnforceable(_)) && self.keeping.on_uncovered == OnUncovered::Pass
    }

    /// Stops the exchange, or notes that it would have been stopped.
    fn object(&self, problem: Problem, cx: &mut Context) -> Result<(), Stop> {
        if self.keeping.mode == Mode::Enforce {
            return Err(problem.into());
        }
        cx.observed(KIND.name, &problem, &self.place);
        Ok(())
    }

    fn allow(&self, cx: &mut Context) {
        if !cx.is_observed() {
            cx.verdict(KIND.name, Decision::Allowed, Some(&self.place));
        }
    }

    /// Judges parameters and media type.
    fn head(&self, request: &Canonical, cx: &mut Context) -> Result<(), Stop> {
        let errors = self.keeping.errors;
        let Some(rules) = self.rules() else {
            let operation = self.contract.operation(self.operation);
            let gap = operation.and_then(|operation| operation.request_gaps().next());
            return self.object(problems::uncovered(gap), cx);
        };
        let mut found = Violations::new();
        let spans = self.spans(request);
        let fields = InFields::of(request);
        let head = RequestHead {
            path: request.path(),
            spans: &spans,
            query: request.query(),
            fields: &fields,
            others: &self.others,
        };
        rules.judge_head(&head, &mut found);
        if !found.is_empty() {
            seen::note(&found, cx);
            self.object(problems::parameters(&found, errors), cx)?;
        }
        let has_body = !matches!(request.size(), Size::None | Size::Exactly(0));
        match choose(rules, request, has_body) {
            Ok(_) => Ok(()),
            Err(fault) if self.lets_pass(&fault) || self.may_be_none(&fault, request) => Ok(()),
            Err(fault) => self.object(problems::unreadable(&fault, errors), cx),
        }
    }

    /// Whether a body that is not taken may turn out to be none: its length is not known, and it is read to its end before
    /// anything goes on. Clients over HTTP/2 end a request so that has no body.
    fn may_be_none(&self, fault: &BodyFault, request: &Canonical) -> bool {
        let has_no_type = || request.fields().first("content-type").is_none();
        let is_open = match fault {
            BodyFault::Undeclared => true,
            BodyFault::Type => has_no_type(),
            BodyFault::Missing | BodyFault::NotEnforceable(_) | BodyFault::Malformed(_) => false,
        };
        is_open && request.size() == Size::Unknown && self.needs() == Needs::Whole
    }

    /// Where its parameters stand in the path.
    fn spans(&self, request: &Canonical) -> Spans {
        let found = self.path.as_ref().map(|path| path.find(&Method::GET, request.path()));
        match found {
            Some(Match::Found { parameters, .. }) => parameters.into_spans(),
            Some(Match::MethodNotAllowed { .. } | Match::NotFound) | None => Spans::new(),
        }
    }

    /// Judges a body that was read to its end.
    fn whole<'a>(&'a self, request: &'a Identified, whole: &'a Whole, cx: &'a mut Context) -> Step<'a, ()> {
        let Some(rules) = self.rules() else { return Step::pass() };
        let chosen = match choose(rules, request.request(), !whole.is_empty()) {
            Ok(chosen) => chosen,
            Err(fault) if self.lets_pass(&fault) => {
                return Step::Now(self.conclude(Ok(Violations::new()), cx));
            }
            // One of unknown length that was empty: this is known now.
            Err(fault) => return Step::Now(self.conclude(Err(fault), cx)),
        };
        if self.is_coded(request) {
            return Step::Later(Box::pin(self.coded(request, chosen, whole, cx)));
        }
        match self.small(rules, chosen, whole) {
            Some(verdict) => Step::Now(self.conclude(verdict, cx)),
            None => Step::Later(Box::pin(self.large(request.operation(), chosen, whole, cx))),
        }
    }

    /// Judges a body where it is, if it is not too large for that.
    fn small(&self, rules: &OperationContract, chosen: Chosen, whole: &Whole) -> Option<Verdict> {
        let mut found = Violations::new();
        if rules.judge_length(chosen, whole.len(), &mut found) {
            return Some(Ok(found));
        }
        let bytes = whole.bytes().filter(|bytes| bytes.len() <= INLINE_BYTES_MAX)?;
        Some(judge(rules, chosen, bytes))
    }

    /// Whether a body lies here in its coding. Where requests are only watched it is not undone, for that would change what
    /// goes on, or refuse it; but where another policy asked for that, it was.
    fn is_coded(&self, request: &Identified) -> bool {
        self.form() == Form::AsSent
            && request.operation().decodes.is_none()
            && request.request().fields().first("content-encoding").is_some()
    }

    /// Looks into a body in a coding, at a copy without it; what goes on stays as it is.
    async fn coded(
        &self,
        request: &Identified<'_>,
        chosen: Chosen,
        whole: &Whole,
        cx: &mut Context,
    ) -> Result<(), Stop> {
        let decoded = match whole.decoded(request, &cx.ground).await {
            Ok(decoded) => decoded,
            Err(stop) => return self.unjudged(stop, cx),
        };
        let Some(rules) = self.rules() else { return Ok(()) };
        match self.small(rules, chosen, &decoded) {
            Some(verdict) => self.conclude(verdict, cx),
            None => self.large(request.operation(), chosen, &decoded, cx).await,
        }
    }

    /// Nobody knows what is in a body: it does not pass, unless nothing is refused here.
    fn unjudged(&self, stop: Stop, cx: &mut Context) -> Result<(), Stop> {
        match stop.into_why() {
            Why::Problem(problem) => self.object(problem, cx),
            Why::Answer(reply) => Err(Stop::answer(reply)),
            Why::Denied(problem, reply) => Err(Stop::denied(problem, reply)),
        }
    }

    /// Judges a large body on the pool.
    async fn large(
        &self,
        operation: &Operation,
        chosen: Chosen,
        whole: &Whole,
        cx: &mut Context,
    ) -> Result<(), Stop> {
        match self.on_the_pool(operation, chosen, whole, &cx.ground).await {
            Ok(verdict) => self.conclude(verdict, cx),
            Err(stop) => self.unjudged(stop, cx),
        }
    }

    async fn on_the_pool(
        &self,
        operation: &Operation,
        chosen: Chosen,
        whole: &Whole,
        ground: &Arc<Ground>,
    ) -> Result<Verdict, Stop> {
        type Judge = Box<dyn FnOnce(&OperationContract) -> io::Result<Verdict> + Send>;
        let judge: Judge = match chosen.needs() {
            BodyNeeds::Nothing | BodyNeeds::Stream => {
                let pieces = whole.pieces().await?;
                Box::new(move |rules| judge_pieces(rules, chosen, &pieces))
            }
            BodyNeeds::Whole => {
                let held = whole.in_memory(ground).await?;
                Box::new(move |rules| Ok(judge(rules, chosen, held.bytes())))
            }
        };
        let (contract, index) = (Arc::clone(&self.contract), self.operation);
        let judging = move || match contract.operation(index) {
            Some(rules) => judge(rules),
            None => Ok(Ok(Violations::new())),
        };
        match ground.inspections.run(operation.bounds.inspections_waiting, judging).await {
            Ok(verdict) => verdict.map_err(no_room),
            Err(Busy) => Err(problems::busy().into()),
        }
    }

    /// What becomes of a request whose body was judged.
    fn conclude(&self, verdict: Verdict, cx: &mut Context) -> Result<(), Stop> {
        match verdict {
            Ok(found) if found.is_empty() => {
                self.allow(cx);
                Ok(())
            }
            Ok(found) => {
                seen::note(&found, cx);
                self.object(problems::body(&found, self.keeping.errors), cx)
            }
            Err(fault) => self.object(problems::unreadable(&fault, self.keeping.errors), cx),
        }
    }
}

/// What of the contract a body is to be judged by.
fn choose(rules: &OperationContract, request: &Canonical, has_body: bool) -> Result<Chosen, BodyFault> {
    let fields = request.fields();
    rules.body().choose(&mut fields.all("content-type"), has_body)
}

/// What does not hold, or why a body cannot be judged.
type Verdict = Result<Violations, BodyFault>;

fn judge(rules: &OperationContract, chosen: Chosen, bytes: &Bytes) -> Verdict {
    let mut found = Violations::new();
    rules.judge_body(chosen, bytes, &mut found)?;
    Ok(found)
}

/// The same for a body that is not held as one. The outer error is the disk's.
fn judge_pieces(rules: &OperationContract, chosen: Chosen, pieces: &Pieces) -> io::Result<Verdict> {
    let mut judging = match rules.begin_body(chosen) {
        Ok(judging) => judging,
        Err(fault) => return Ok(Err(fault)),
    };
    let read = pieces.each(|piece| rules.body_piece(&mut judging, piece))?;
    let mut found = Violations::new();
    Ok(read.and_then(|()| rules.end_body(judging, &mut found)).map(|()| found))
}

impl Policy for Keeper {
    fn name(&self) -> &'static str {
        KIND.name
    }

    fn form(&self) -> Form {
        if self.keeping.mode == Mode::Enforce { Form::Decoded } else { Form::AsSent }
    }

    fn needs(&self) -> Needs {
        let Some(body) = self.rules().map(OperationContract::body) else { return Needs::Head };
        match body.needs() {
            // Whether one of unknown length is none is known at its end.
            BodyNeeds::Nothing if !body.is_declared() && !self.may_stream => Needs::Whole,
            BodyNeeds::Nothing => Needs::Head,
            BodyNeeds::Stream | BodyNeeds::Whole if self.keeping.is_teed() => Needs::Stream,
            // Nothing of a body goes on before all of it was judged; a large one lies in a file meanwhile.
            BodyNeeds::Stream | BodyNeeds::Whole => Needs::Whole,
        }
    }

    fn stream_inspector(&self, request: &Identified, _cx: &mut Context) -> Option<Box<dyn Inspector>> {
        let rules = self.rules().filter(|_| self.keeping.is_teed())?;
        let request = request.request();
        let has_body = !matches!(request.size(), Size::None | Size::Exactly(0));
        // What is not taken was refused by its head.
        let chosen = choose(rules, request, has_body).ok()?;
        let judging = rules.begin_body(chosen).ok()?;
        Some(Box::new(Tee::new(Arc::clone(&self.contract), self.operation, self.keeping.errors, judging)))
    }

    fn inspect_head<'a>(&'a self, request: &'a Identified, cx: &'a mut Context) -> Step<'a, ()> {
        Step::Now(self.head(request.request(), cx))
    }

    fn inspect_request<'a>(
        &'a self,
        request: &'a Identified,
        body: Option<&'a Whole>,
        cx: &'a mut Context,
    ) -> Step<'a, ()> {
        match body {
            Some(whole) => self.whole(request, whole, cx),
            None => {
                self.allow(cx);
                Step::pass()
            }
        }
    }
}
