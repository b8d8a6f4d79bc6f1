//! What another version of a definition changes for those who call: breaking, safe, or unknown.
//!
//! Requests of callers must still be taken: the new definition may ask for no more than the old one. Answers must still be
//! understood: it may send nothing that the old one did not speak of. Schemas are compared by what values they take
//! ([`algebra`]), place by place, so that a finding names the member that changed ([`schemas`]); the rest of an operation
//! by rules.
//!
//! What is proven is told as [`Verdict::Breaking`] or [`Verdict::Safe`]. All else is [`Verdict::Unknown`], for a person to
//! look at. A definition against itself has no findings.
//!
//! A caller is taken to send what is declared, and a gateway to refuse what is not: a member or parameter that is gone is
//! breaking in requests. Readers of answers are taken to pass over members they do not know.
//!
//! # Limits
//! [`Limits`]. A question about schemas is answered by whoever calls ([`Ask`]), who bounds its time; one that is not
//! answered is unknown.
//!
//! # Threats
//! Both documents are somebody else's text. The walk over schemas does not recurse and ends after [`Limits::steps_max`];
//! what is left is unknown, and that is told.

use serde::Serialize;
use serde_json::Value;

use crate::definition::Definition;
use crate::source::{Files, Span};

pub mod algebra;
mod bodies;
mod describe;
mod graph;
mod operations;
mod parameters;
mod parts;
mod responses;
mod schemas;
mod security;
mod servers;
pub(crate) mod slice;

pub use algebra::{Answer, Question};

/// Answers a question about schemas, in bounded time.
pub type Ask<'a> = dyn FnMut(Question) -> Answer + 'a;

/// What a comparison allows itself.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Steps of work: pairs of schemas that are looked at, each of their members and branches, and schemas that are written
    /// for a question.
    pub steps_max: usize,
    /// Questions to the algebra.
    pub questions_max: usize,
    /// Findings that are kept, the gravest; one more says what was left out.
    pub findings_max: usize,
}

impl Limits {
    /// What the command line compares with.
    pub const DEFAULT: Self = Self { steps_max: 2_000_000, questions_max: 5_000, findings_max: 10_000 };
}

/// What follows from a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Somebody who keeps to the old definition fails.
    Breaking,
    /// Whether somebody does is not proven, either way.
    Unknown,
    /// Nobody does.
    Safe,
}

/// One change.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Change {
    /// What follows from it.
    pub verdict: Verdict,
    /// Its kind, the same in every release.
    pub rule: &'static str,
    /// The operation, as `METHOD /path`; empty when the whole API is meant.
    pub operation: Box<str>,
    /// The part of it, such as `query parameter \`limit\`` or `response 200 application/json`.
    pub part: Box<str>,
    /// The way into the value, as a JSON Pointer; `*` stands for every item or member.
    pub pointer: Box<str>,
    /// What changed, and what comes of it.
    pub why: Box<str>,
    /// Other operations that share what changed, up to a bound.
    pub also: Vec<Box<str>>,
    /// How many more there are, about: one that shares it in two places may be counted twice.
    pub also_left_out: usize,
    /// Where it is in the old definition.
    pub old: Option<Place>,
    /// Where it is in the new one.
    pub new: Option<Place>,
    /// The values that are lost, as a schema, where they can be written as one.
    pub lost: Option<Value>,
    /// One of them: of requests, taken by the old definition and refused by the new one; of responses, sent by the new
    /// one and not spoken of by the old one.
    pub witness: Option<Value>,
}

/// A place in a file, as messages show it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Place {
    /// The file, as it was named.
    pub file: Box<str>,
    /// The line, from 1.
    pub line: u32,
    /// The column, from 1.
    pub column: u32,
}

/// What changes from `old` to `new`, the gravest first, then by operation.
pub fn between(old: &Definition, new: &Definition, limits: &Limits, ask: &mut Ask<'_>) -> Vec<Change> {
    let mut comparison = Comparison {
        old,
        new,
        limits: *limits,
        schemas: schemas::Known::default(),
        ask,
        changes: Vec::new(),
        subject: Subject::default(),
    };
    servers::compare(&mut comparison);
    operations::compare(&mut comparison);
    comparison.walk();
    graph::merged(comparison.changes, limits.findings_max)
}

/// The gravest verdict; safe where nothing changed.
pub fn verdict(changes: &[Change]) -> Verdict {
    changes.iter().map(|change| change.verdict).min().unwrap_or(Verdict::Safe)
}

/// Two definitions that are being compared.
struct Comparison<'d, 'a> {
    old: &'d Definition,
    new: &'d Definition,
    limits: Limits,
    schemas: schemas::Known,
    ask: &'a mut Ask<'a>,
    changes: Vec<Change>,
    subject: Subject,
}

/// What is being looked at.
#[derive(Clone, Debug, Default)]
struct Subject {
    operation: Box<str>,
    part: Box<str>,
}

/// Where a change is, in either document.
#[derive(Clone, Copy, Debug, Default)]
struct Spans {
    old: Option<Span>,
    new: Option<Span>,
}

impl Spans {
    fn both(old: Span, new: Span) -> Self {
        Self { old: Some(old), new: Some(new) }
    }

    fn old(old: Span) -> Self {
        Self { old: Some(old), new: None }
    }

    fn new(new: Span) -> Self {
        Self { old: None, new: Some(new) }
    }
}

impl Comparison<'_, '_> {
    /// Notes a change of what is being looked at.
    fn note(&mut self, verdict: Verdict, rule: &'static str, spans: Spans, why: impl Into<Box<str>>) {
        self.changes.push(Change {
            operation: self.subject.operation.clone(),
            part: self.subject.part.clone(),
            old: spans.old.map(|span| Place::of(&self.old.files, span)),
            new: spans.new.map(|span| Place::of(&self.new.files, span)),
            ..Change::of_all(verdict, rule, why.into().into())
        });
    }

    fn breaking(&mut self, rule: &'static str, spans: Spans, why: impl Into<Box<str>>) {
        self.note(Verdict::Breaking, rule, spans, why);
    }

    fn unknown(&mut self, rule: &'static str, spans: Spans, why: impl Into<Box<str>>) {
        self.note(Verdict::Unknown, rule, spans, why);
    }

    fn safe(&mut self, rule: &'static str, spans: Spans, why: impl Into<Box<str>>) {
        self.note(Verdict::Safe, rule, spans, why);
    }

    /// Looks at a part of the operation for a while.
    fn part(&mut self, part: impl Into<Box<str>>, look: impl FnOnce(&mut Self)) {
        let before = std::mem::replace(&mut self.subject.part, part.into());
        look(self);
        self.subject.part = before;
    }
}

impl Place {
    fn of(files: &Files, span: Span) -> Self {
        Self { file: (**files.name(span.file)).into(), line: span.line, column: span.column }
    }
}

impl Change {
    /// What they are told in the order of: the same for the same documents.
    fn key(&self) -> (Verdict, &str, &str, &str, &str, &str) {
        (self.verdict, &self.operation, &self.part, &self.pointer, self.rule, &self.why)
    }
}

#[cfg(test)]
mod tests;
