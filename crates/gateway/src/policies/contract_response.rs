//! Lets an answer out only as far as the API's definition says: its status, its media type, its fields.
//!
//! What a backend says beyond its contract is how data leaks: a column added last week, a stack trace, the name and version
//! of the server. `log` tells of it, `strip` takes it out, `block` answers 502 in its place. Stripping is done by
//! projection, never while validating: which branch of a choice is meant is decided on the whole value first, what is not
//! declared is left out then, at every depth, and what comes of it is judged by the schema as it is before it goes. A
//! filter by lists of names was no choice: the definition is that list already.
//!
//! # Example
//! ```yaml
//! contract: { response: strip, mask: [pii] }
//! ```
//!
//! # Order
//! The response, before anything else is done with it. Under `strip` and `block` the request asks its backend for the whole of
//! an answer, uncoded: `Range` and `If-Range` are taken out, and `Accept-Encoding` says `identity`.
//!
//! # Limits
//! `bounds.response_body`, of the content decoded; `bounds.bodies_in_memory`; those of [`portcullis_openapi::contract::response`].
//! `log` looks no further than that, and only when the last byte has gone; at answers above 16 KiB, or in a content coding, on a
//! pool of its own (`bounds.answers_waiting`), whose record is made then. What was not looked at is counted and said in the record.
//!
//! # Failure
//! 502 `response-contract` for an answer that breaks the contract, `response-too-large` for one beyond the bound,
//! `response-coding` for one that cannot be decoded. Under `strip` an answer of 400 to 599 keeps its status, and a problem
//! stands in for its content; one below 400 that is not documented keeps its status and has no content.
//!
//! # Threats
//! The backend says all of it, on behalf of whoever made it do so. Nobody outside ever sees a value that broke the contract;
//! records have pointers and keywords. JSON is read by the strict parser and written anew from the very bytes that were read.

mod banners;
mod changes;
mod problems;
mod traces;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use http::{Method, StatusCode};
use portcullis_openapi::coding::{self, Coding, Decoder};
use portcullis_openapi::contract::response::{
    Broken, Content, Declared, Json, Judge, Passed, Responses, Rules, WrongField,
};
use portcullis_openapi::contract::{Contract, Violations};
use portcullis_openapi::media_type::MediaType;

pub use problems::{
    RESPONSE_CODING, RESPONSE_CONTRACT, RESPONSE_NO_ROOM, RESPONSE_REPLACED, RESPONSE_STRIPPED,
    RESPONSE_TOO_LARGE,
};

use super::contract::{INLINE_BYTES_MAX, INSPECTION_BUSY};
use super::{Kind, Phase};
use crate::config::{ResponseMode, StackTraces};
use crate::http::{Body, Size};
use crate::observe::drift::{Side, Undeclared};
use crate::observe::{AnswerOutcome, Decision, OperationMetrics};
use crate::pipeline::whole_answer::{Later, Look, Onlooker, Unseen, WholeAnswer};
use crate::pipeline::{Answered, Context, Identified, Operation, Policy, Step, Stop};
use crate::problem::Problem;
use crate::workers::Busy;

/// Its line in the list of policies.
pub const KIND: Kind = Kind {
    name: "contract_response",
    phase: Phase::Transform,
    problems: &[
        &RESPONSE_CONTRACT,
        &RESPONSE_TOO_LARGE,
        &RESPONSE_CODING,
        &RESPONSE_NO_ROOM,
        &RESPONSE_REPLACED,
        &RESPONSE_STRIPPED,
    ],
};

/// What becomes of the answers of one operation.
#[derive(Debug, Clone)]
pub struct AnswerRules {
    /// What happens to one that breaks the contract.
    pub mode: ResponseMode,
    /// The classes of which values are masked.
    pub masked: Arc<[Box<str>]>,
    /// What becomes of stack traces.
    pub stack_traces: StackTraces,
}

/// Keeps the answers of one operation to its contract.
pub struct AnswerKeeper {
    contract: Arc<Contract>,
    operation: usize,
    rules: AnswerRules,
    /// Whether answers are asked for whole: they are judged before they go, and some of them are JSON.
    asks_whole: bool,
    place: Arc<str>,
    /// Seconds since 1970 when an incident about what was stripped or replaced was told last.
    told: AtomicU64,
}

/// How often incidents about answers that went out changed are told, for each operation: a backend that leaks does so in
/// every answer.
const TOLD_EVERY_SECONDS: u64 = 60;

impl AnswerKeeper {
    /// Keeps the operation at `operation` of a contract; `place` is where the configuration says how.
    pub fn new(contract: Arc<Contract>, operation: usize, rules: AnswerRules, place: Arc<str>) -> Self {
        let mut keeper =
            Self { contract, operation, rules, asks_whole: false, place, told: AtomicU64::new(0) };
        keeper.asks_whole = keeper.changes() && keeper.responses().is_some_and(Responses::has_json);
        keeper
    }

    /// Whether there is nothing to do: nothing is documented, and nothing is taken out.
    pub fn is_idle(&self) -> bool {
        !self.changes() && self.responses().is_none()
    }

    /// What is documented; `None` where nothing is.
    fn responses(&self) -> Option<&Responses> {
        self.contract
            .operation(self.operation)
            .map(|operation| operation.responses())
            .filter(|all| !all.is_empty())
    }

    fn changes(&self) -> bool {
        matches!(self.rules.mode, ResponseMode::Strip | ResponseMode::Block)
    }

    fn strips(&self) -> bool {
        self.rules.mode == ResponseMode::Strip
    }

    /// Judges an answer before anything of it goes.
    async fn keep(&self, answer: &mut Answered<'_>, cx: &mut Context) -> Result<(), Stop> {
        let responses = self.responses();
        let declared = responses.and_then(|responses| responses.find(answer.status().as_u16()));
        banners::remove(answer.fields_mut(), |name| {
            declared.is_some_and(|declared| declared.has_field(name))
        });
        if responses.is_none() {
            return Ok(());
        }
        let Some(declared) = declared else { return self.undocumented(answer, cx) };
        let unchanged = match self.fields(declared, answer, cx)? {
            Fields::Conform => AnswerOutcome::Conforms,
            Fields::Stripped => AnswerOutcome::Stripped,
            Fields::Replaced => return Ok(()),
        };
        if has_no_body(answer) {
            changes::of_no_body(answer);
            self.allow(unchanged, answer, cx);
            return Ok(());
        }
        match content(declared, answer) {
            Found::Nothing if !self.strips() && declared.has_content() => {
                self.breaks("there is no content, and the definition says that there is", answer, cx)
            }
            Found::Nothing => {
                self.allow(unchanged, answer, cx);
                Ok(())
            }
            Found::Undeclared(media_type) => {
                note(answer.operation(), Undeclared::MediaType, &media_type, cx);
                self.breaks("content of a media type that is not declared", answer, cx)
            }
            Found::Opaque { is_text } if is_text && answer.status().as_u16() >= 400 => {
                self.text(unchanged, answer, cx).await
            }
            Found::Opaque { .. } => {
                self.allow(unchanged, answer, cx);
                Ok(())
            }
            Found::Json(json) => self.json((json, unchanged), answer, cx).await,
        }
    }

    /// Judges the declared fields of an answer: what does not conform is taken out where that is asked for, and nothing
    /// that has to be there is missed for it.
    fn fields(&self, declared: &Declared, answer: &mut Answered, cx: &mut Context) -> Result<Fields, Stop> {
        let mut removed: Vec<WrongField> = Vec::new();
        // Of several that are wrong not all are told at once.
        loop {
            let mut found = Violations::new();
            let wrong = self.wrong_fields(declared, answer, &mut found);
            if wrong.is_empty() {
                return Ok(if removed.is_empty() { Fields::Conform } else { Fields::Stripped });
            }
            if self.strips() {
                wrong.iter().for_each(|field| answer.fields_mut().remove(&field.name));
            }
            let broken = Broken::Violates(found);
            // What has to be there is missed now, and what is wrong once more cannot be taken out.
            let is_lost = |field: &WrongField| field.is_required || removed.contains(field);
            if !self.strips() || wrong.iter().any(is_lost) {
                self.breaks(problems::Why(&broken), answer, cx)?;
                return Ok(Fields::Replaced);
            }
            self.tell(&RESPONSE_STRIPPED, &problems::Why(&broken), cx);
            removed.extend(wrong);
        }
    }

    /// The declared fields of an answer that are not what the definition says.
    fn wrong_fields(
        &self,
        declared: &Declared,
        answer: &mut Answered,
        found: &mut Violations,
    ) -> Vec<WrongField> {
        let size = answer.body_mut().size();
        let fields = answer.fields();
        let value = |name: &str| {
            let lines: Vec<&[u8]> = fields.all(name).collect();
            match (lines.is_empty(), name, size) {
                (true, "content-length", Size::Exactly(length)) => Some(length.to_string().into_bytes()),
                (true, ..) => None,
                (false, ..) => Some(lines.join(&b", "[..])),
            }
        };
        self.contract.judge(self.operation).wrong_fields(declared, value, found)
    }

    /// An answer of a status that is not documented.
    fn undocumented(&self, answer: &mut Answered, cx: &mut Context) -> Result<(), Stop> {
        // To a client that asked whether its copy is still good; nobody documents it.
        if answer.status() == StatusCode::NOT_MODIFIED {
            changes::of_no_body(answer);
            self.allow(AnswerOutcome::Conforms, answer, cx);
            return Ok(());
        }
        let status = answer.status();
        note(answer.operation(), Undeclared::Status, status.as_str(), cx);
        self.breaks(format_args!("status {} is not documented", status.as_u16()), answer, cx)
    }

    /// What becomes of an answer that breaks its contract and cannot be stripped to it.
    fn breaks(&self, why: impl fmt::Display, answer: &mut Answered, cx: &mut Context) -> Result<(), Stop> {
        let status = answer.status();
        let documented = || self.responses().is_some_and(|all| all.find(status.as_u16()).is_some());
        if self.strips() && (status.as_u16() >= 400 || !documented()) {
            changes::replace(answer, cx.id.as_str());
            self.tell(&RESPONSE_REPLACED, &why, cx);
            self.allow(AnswerOutcome::Replaced, answer, cx);
            return Ok(());
        }
        answer.operation().metrics.answered(AnswerOutcome::Blocked);
        Err(problems::contract(why).into())
    }

    /// An error page: one with a stack trace in it is none for the public.
    async fn text(
        &self,
        unchanged: AnswerOutcome,
        answer: &mut Answered<'_>,
        cx: &mut Context,
    ) -> Result<(), Stop> {
        if self.rules.stack_traces == StackTraces::Pass {
            self.allow(unchanged, answer, cx);
            return Ok(());
        }
        let (whole, is_decoded) = self.read(answer, cx).await?;
        if traces::is_in(&String::from_utf8_lossy(whole.bytes())) {
            return self.breaks("a stack trace stands in it", answer, cx);
        }
        if is_decoded {
            changes::of_content(answer);
        }
        *answer.body_mut() = whole.into_body();
        self.allow(unchanged, answer, cx);
        Ok(())
    }

    /// JSON with a schema; `unchanged` is what an answer is of which it is left as it is.
    async fn json(
        &self,
        (json, unchanged): (Json, AnswerOutcome),
        answer: &mut Answered<'_>,
        cx: &mut Context,
    ) -> Result<(), Stop> {
        let (whole, is_decoded) = self.read(answer, cx).await?;
        let verdict = if whole.bytes().len() <= INLINE_BYTES_MAX {
            self.let_through()(json, whole.bytes())
        } else {
            let (bytes, let_through) = (whole.bytes().clone(), self.let_through());
            let most = answer.operation().bounds.inspections_waiting;
            let ground = Arc::clone(&cx.ground);
            match ground.inspections.run(most, move || let_through(json, &bytes)).await {
                Ok(verdict) => verdict,
                Err(Busy) => {
                    let busy =
                        INSPECTION_BUSY.with("the answer cannot be inspected now; try again in a moment");
                    return Err(busy.field("retry-after", "1").into());
                }
            }
        };
        let passed = match verdict {
            Ok(passed) => passed,
            Err(broken) => {
                self.note_undeclared(json, whole.bytes(), &broken, answer.operation(), cx);
                return self.breaks(problems::Why(&broken), answer, cx);
            }
        };
        for name in &passed.names {
            note(answer.operation(), Undeclared::Field, name, cx);
        }
        let outcome = if passed.dropped > 0 || passed.removed > 0 {
            let Passed { dropped, removed, .. } = passed;
            let first = passed.names.first().map(|name| format!(", first {name}")).unwrap_or_default();
            let why = format!("{dropped} fields that are not declared{first}; {removed} stack traces");
            self.tell(&RESPONSE_STRIPPED, &why, cx);
            AnswerOutcome::Stripped
        } else if passed.masked > 0 {
            AnswerOutcome::Masked
        } else {
            unchanged
        };
        let whole = match passed.json {
            Some(json) => {
                changes::of_content(answer);
                whole.replaced(json).map_err(problems::unread)?
            }
            None => {
                if is_decoded {
                    changes::of_content(answer);
                }
                whole
            }
        };
        *answer.body_mut() = whole.into_body();
        self.allow(outcome, answer, cx);
        Ok(())
    }

    /// Lets JSON through by the rules of this operation; may be done on another thread.
    fn let_through(&self) -> impl Fn(Json, &[u8]) -> Result<Passed, Broken> + Send + 'static {
        let (contract, operation, rules) = (Arc::clone(&self.contract), self.operation, self.rules.clone());
        move |json, bytes| {
            let removes = rules.stack_traces == StackTraces::Remove;
            let is_removed: &dyn Fn(&str) -> bool = &traces::is_in;
            let strips = rules.mode == ResponseMode::Strip;
            let judge = contract.judge(operation);
            let passing = Rules { strips, masked: &rules.masked, is_removed: removes.then_some(is_removed) };
            let passed = judge.let_through(json, bytes, &passing)?;
            // Nobody blocks by half: what would have to be removed is no answer.
            if passed.removed > 0 && !strips { Err(Broken::StackTrace) } else { Ok(passed) }
        }
    }

    /// Reads an answer to its end, decoded; and whether it had to be.
    async fn read(&self, answer: &mut Answered<'_>, cx: &Context) -> Result<(WholeAnswer, bool), Stop> {
        let most = answer.operation().bounds.response_body;
        let body = answer.body_mut().take();
        let blocked = |problem: Problem| {
            answer.operation().metrics.answered(AnswerOutcome::Blocked);
            Stop::from(problem)
        };
        let whole =
            WholeAnswer::read(body, most, &cx.ground).await.map_err(problems::unread).map_err(blocked)?;
        let coding = Coding::read(answer.fields().all("content-encoding"));
        match coding {
            Ok(None) => Ok((whole, answer.fields().has("content-encoding"))),
            Ok(Some(coding)) => {
                let decoded = decode(whole.bytes(), coding, most).map_err(|problem| blocked(*problem))?;
                Ok((whole.replaced(decoded).map_err(problems::unread).map_err(blocked)?, true))
            }
            Err(coding::Unsupported) => {
                Err(blocked(problems::coding("a coding that is not known, or several")))
            }
        }
    }

    /// Has an answer looked at when it has gone.
    fn watch(&self, answer: &mut Answered, cx: &mut Context) {
        let Some(responses) = self.responses() else { return };
        let status = answer.status();
        let Some(declared) = responses.find(status.as_u16()) else {
            if status != StatusCode::NOT_MODIFIED && status != StatusCode::SWITCHING_PROTOCOLS {
                note(answer.operation(), Undeclared::Status, status.as_str(), cx);
                let why = format_args!("status {} is not documented", status.as_u16());
                self.object(&problems::contract(why), answer.operation(), cx);
            }
            return;
        };
        let mut found = Violations::new();
        let is_wrong = !self.wrong_fields(declared, answer, &mut found).is_empty();
        if is_wrong {
            let problem = problems::contract(problems::Why(&Broken::Violates(found)));
            cx.observed(KIND.name, &problem, &self.place);
        }
        // An answer counts once: by its fields where nobody looks any further.
        let count = |answer: &Answered| {
            if is_wrong {
                answer.operation().metrics.answered(AnswerOutcome::Objected);
            }
        };
        if has_no_body(answer) {
            return count(answer);
        }
        match content(declared, answer) {
            Found::Nothing if declared.has_content() => {
                let why = "there is no content, and the definition says that there is";
                self.object(&problems::contract(why), answer.operation(), cx);
            }
            Found::Nothing | Found::Opaque { .. } => count(answer),
            Found::Undeclared(media_type) => {
                note(answer.operation(), Undeclared::MediaType, &media_type, cx);
                let why = "content of a media type that is not declared";
                self.object(&problems::contract(why), answer.operation(), cx);
            }
            Found::Json(json) => {
                let most = answer.operation().bounds.response_body;
                let coding = Coding::read(answer.fields().all("content-encoding"));
                let good = if is_wrong { AnswerOutcome::Objected } else { AnswerOutcome::Conforms };
                let look = self.look((json, good), coding, most, answer.operation().metrics.clone(), cx);
                let body = answer.body_mut().take();
                let who = Onlooker {
                    control: KIND.name,
                    place: Arc::clone(&self.place),
                    most,
                    // What is coded may become any length.
                    at_once_max: if matches!(coding, Ok(None)) { INLINE_BYTES_MAX } else { 0 },
                    waiting_max: answer.operation().bounds.answers_waiting,
                };
                let (body, later) = Later::watch(body, &cx.ground, look, who);
                *answer.body_mut() = body;
                cx.looks_later(later);
            }
        }
    }

    /// What is done with an answer that has gone, and what it counts as where its content is good.
    fn look(
        &self,
        (json, good): (Json, AnswerOutcome),
        coding: Result<Option<Coding>, coding::Unsupported>,
        most: u64,
        metrics: OperationMetrics,
        cx: &Context,
    ) -> Look {
        let (contract, operation, wall) = (Arc::clone(&self.contract), self.operation, cx.wall());
        let judge = move |bytes: Result<&[u8], Unseen>| {
            let decoded;
            let bytes = match coding {
                Ok(None) => bytes?,
                Ok(Some(coding)) => {
                    decoded = decode(bytes?, coding, most).map_err(|_| Unseen::Coding)?;
                    &decoded
                }
                Err(coding::Unsupported) => return Err(Unseen::Coding),
            };
            let judge = contract.judge(operation);
            let Err(broken) = judge.judge(json, bytes) else { return Ok(None) };
            Ok(Some((undeclared(&judge, json, bytes, &broken), problems::contract(problems::Why(&broken)))))
        };
        Box::new(move |bytes| {
            let judged = judge(bytes);
            metrics.answered(match &judged {
                Ok(None) => good,
                Ok(Some(_)) => AnswerOutcome::Objected,
                Err(_) => AnswerOutcome::Unjudged,
            });
            Ok(judged?.map(|(names, problem)| {
                for name in names {
                    metrics.undeclared(Side::Response, Undeclared::Field, &name, wall);
                }
                problem
            }))
        })
    }

    /// Notes that an answer would not have gone.
    fn object(&self, problem: &Problem, operation: &Operation, cx: &mut Context) {
        operation.metrics.answered(AnswerOutcome::Objected);
        cx.observed(KIND.name, problem, &self.place);
    }

    fn note_undeclared(
        &self,
        json: Json,
        bytes: &[u8],
        broken: &Broken,
        operation: &Operation,
        cx: &Context,
    ) {
        for name in undeclared(&self.contract.judge(self.operation), json, bytes, broken) {
            note(operation, Undeclared::Field, &name, cx);
        }
    }

    fn allow(&self, outcome: AnswerOutcome, answer: &Answered, cx: &mut Context) {
        answer.operation().metrics.answered(outcome);
        cx.verdict(KIND.name, Decision::Allowed, Some(&self.place));
    }

    /// Tells of an answer that went out changed: now and then, and counts all of them elsewhere.
    fn tell(&self, kind: &'static crate::problem::ProblemKind, why: &dyn fmt::Display, cx: &Context) {
        let now = cx.wall().as_secs();
        let last = self.told.load(Ordering::Relaxed);
        if now.abs_diff(last) < TOLD_EVERY_SECONDS {
            return;
        }
        if self.told.compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            cx.incident(kind, &why.to_string());
        }
    }
}

/// What became of the fields of an answer.
enum Fields {
    /// They are what is declared.
    Conform,
    /// Some were taken out.
    Stripped,
    /// The answer went another way.
    Replaced,
}

/// What stands in an answer, by what is declared.
enum Found {
    /// Nothing.
    Nothing,
    /// Content of a type that is not declared, by its name.
    Undeclared(Box<str>),
    /// Content that is not looked into.
    Opaque {
        /// Whether people may read it.
        is_text: bool,
    },
    /// JSON with a schema.
    Json(Json),
}

fn content(declared: &Declared, answer: &mut Answered) -> Found {
    let is_empty = matches!(answer.body_mut(), Body::Empty) || answer.body_mut().size() == Size::Exactly(0);
    if is_empty {
        return Found::Nothing;
    }
    let fields = answer.fields();
    let Ok(Some(line)) = fields.only("content-type") else {
        return Found::Undeclared(if fields.has("content-type") { "several".into() } else { "none".into() });
    };
    let Some(media_type) = MediaType::parse(line) else { return Found::Undeclared("unreadable".into()) };
    match declared.content(&media_type) {
        Content::Undeclared => {
            let essence = line.split(|byte| *byte == b';').next().unwrap_or_default();
            Found::Undeclared(String::from_utf8_lossy(essence.trim_ascii()).to_ascii_lowercase().into())
        }
        Content::Json(json) => Found::Json(json),
        Content::Opaque => {
            let is_markup = media_type.is("application", "xml") || media_type.has_suffix("+xml");
            Found::Opaque { is_text: media_type.is_of("text") || is_markup }
        }
    }
}

/// Whether an answer has no content, whatever it says (RFC 9110 §6.4.1).
fn has_no_body(answer: &Answered) -> bool {
    let status = answer.status();
    *answer.request().method() == Method::HEAD
        || matches!(status, StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT | StatusCode::NOT_MODIFIED)
        || status.is_informational()
}

fn note(operation: &Operation, what: Undeclared, name: &str, cx: &Context) {
    operation.metrics.undeclared(Side::Response, what, name, cx.wall());
}

/// The members that are not declared, where that may be why an answer is none.
fn undeclared(judge: &Judge<'_>, json: Json, bytes: &[u8], broken: &Broken) -> Vec<Box<str>> {
    match broken {
        Broken::Violates(_) => judge.undeclared(json, bytes),
        Broken::Malformed(_) | Broken::TooMuch | Broken::StackTrace => Vec::new(),
    }
}

/// The content without its coding.
fn decode(bytes: &[u8], coding: Coding, most: u64) -> Result<Vec<u8>, Box<Problem>> {
    const PIECE_BYTES: usize = 16 * 1024;
    let mut decoder = Decoder::new(coding, coding::Limits::default());
    let mut decoded: Vec<u8> = Vec::new();
    let mut rest = bytes;
    loop {
        let before = decoded.len();
        decoded.resize(before.saturating_add(PIECE_BYTES), 0);
        let room = decoded.get_mut(before..).unwrap_or_default();
        let progress =
            decoder.step(rest, room).map_err(|fault| Box::new(problems::coding(fault.as_str())))?;
        rest = rest.get(progress.taken..).unwrap_or_default();
        decoded.truncate(before.saturating_add(progress.written));
        if decoded.len() as u64 > most {
            return Err(Box::new(problems::too_large()));
        }
        if rest.is_empty() && progress.written < PIECE_BYTES {
            decoder.end().map_err(|fault| Box::new(problems::coding(fault.as_str())))?;
            return Ok(decoded);
        }
    }
}

impl Policy for AnswerKeeper {
    fn name(&self) -> &'static str {
        KIND.name
    }

    fn transform_request<'a>(&'a self, request: &'a mut Identified, _cx: &'a mut Context) -> Step<'a, ()> {
        if self.asks_whole {
            let fields = request.request_mut().fields_mut();
            // A part of an answer cannot be judged, and what is judged is not sent on coded.
            fields.remove("range");
            fields.remove("if-range");
            fields.set("accept-encoding", "identity");
        }
        Step::pass()
    }

    fn inspect_response<'a>(&'a self, answer: &'a mut Answered, cx: &'a mut Context) -> Step<'a, ()> {
        if self.changes() {
            return Step::Later(Box::pin(self.keep(answer, cx)));
        }
        self.watch(answer, cx);
        Step::pass()
    }
}

impl fmt::Debug for AnswerKeeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnswerKeeper")
            .field("rules", &self.rules)
            .field("place", &self.place)
            .finish_non_exhaustive()
    }
}
