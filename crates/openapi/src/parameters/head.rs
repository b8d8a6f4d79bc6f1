//! The head of a request, read as the one object that its parameters make.

use smallvec::SmallVec;

use crate::definition::ParameterPlace;
use crate::matcher::Span;
use crate::value::Builder;

use super::Wrong;
use super::form::{Culprit, Form, Hands, json};
use super::pen::Pen;
use super::plan::{InField, InPath, Plan, Query};
use super::text::{Coding, decode};

/// What of a request parameters are in: the very text that is forwarded.
#[derive(Clone, Copy)]
pub struct RequestHead<'r> {
    /// The canonical path below the API's base path, in which the operation was found.
    pub path: &'r str,
    /// Where the template's parameters stand in it, in the order of the template.
    pub spans: &'r [Span],
    /// The query as it came, without its question mark.
    pub query: Option<&'r str>,
    /// The fields.
    pub fields: &'r dyn HeadFields,
    /// Names in the query that the gateway itself takes: credentials, by configuration.
    pub others: &'r [Box<str>],
}

/// Fields by name.
pub trait HeadFields {
    /// Hands out the value of each field of a name, which is in lower case, in their order.
    fn each<'s>(&'s self, name: &str, take: &mut dyn FnMut(&'s [u8]));
}

/// What is wrong in a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Amiss<'c> {
    /// A parameter, by the order of the declarations.
    Parameter(usize),
    /// A name in the query that nobody declared.
    Name(&'c str),
    /// All of the query, or a name in it that cannot be read.
    Query,
    /// All cookies.
    Cookies,
}

impl std::fmt::Debug for RequestHead<'_> {
    /// Never the values.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RequestHead").field("spans", &self.spans.len()).finish_non_exhaustive()
    }
}

impl Plan {
    /// Reads the parameters of a request as one object. What is wrong is told and left out.
    pub fn read(
        &self,
        head: &RequestHead<'_>,
        credentials: &[Box<str>],
        out: &mut Builder,
        report: &mut dyn FnMut(Amiss<'_>, Wrong),
    ) {
        let mut reading = Reading { plan: self, scratch: Vec::new(), out, report };
        if let Err(fault) = reading.out.begin_object() {
            return (reading.report)(Amiss::Query, fault.into());
        }
        for one in &self.path {
            reading.in_path(one, head);
        }
        reading.query(head, credentials);
        for one in &self.fields {
            reading.field(one, head);
        }
        if let Some(form) = &self.cookies {
            reading.cookies(form, head);
        }
        if let Err(fault) = reading.out.end() {
            (reading.report)(Amiss::Query, fault.into());
        }
    }
}

struct Reading<'p, 'o> {
    plan: &'p Plan,
    scratch: Vec<u8>,
    out: &'o mut Builder,
    report: &'o mut dyn FnMut(Amiss<'_>, Wrong),
}

impl Reading<'_, '_> {
    fn in_path(&mut self, one: &InPath, head: &RequestHead<'_>) {
        let Some(text) = head.spans.get(one.at).and_then(|span| span.of(head.path)) else {
            return (self.report)(parameter(&one.member), Wrong::Missing);
        };
        self.one(&one.member, |pen| match &one.segment {
            Some(segment) => segment.put(text, one.shape, pen),
            None => json(decode(text, Coding::Percent, pen.scratch)?, pen.out),
        });
    }

    fn field(&mut self, one: &InField, head: &RequestHead<'_>) {
        let mut lines: SmallVec<[&[u8]; 4]> = SmallVec::new();
        head.fields.each(&one.name, &mut |line| lines.push(line));
        if lines.is_empty() {
            if one.is_required {
                (self.report)(parameter(&one.member), Wrong::Missing);
            }
            return;
        }
        self.one(&one.member, |pen| match (one.field, &*lines) {
            (Some(field), lines) => field.put(lines, one.shape, pen),
            (None, [line]) => json(std::str::from_utf8(line).map_err(|_| Wrong::Encoding)?, pen.out),
            (None, _) => Err(Wrong::Repeated),
        });
    }

    fn query(&mut self, head: &RequestHead<'_>, credentials: &[Box<str>]) {
        let query = head.query.unwrap_or_default();
        let is_other = |name: &str| head.others.iter().chain(credentials).any(|other| **other == *name);
        match &self.plan.query {
            Query::Pairs(form) => self.pairs(form, pieces(query), &is_other),
            Query::Form { member, is_required, form } => {
                if query.is_empty() && !is_required {
                    return;
                }
                let opened = self.out.key(member).and_then(|()| self.out.begin_object());
                self.pairs(form, pieces(query), &is_other);
                if let Err(fault) = opened.and_then(|()| self.out.end()) {
                    (self.report)(Amiss::Query, fault.into());
                }
            }
            Query::Text { member, is_required, shape, is_json } => {
                if query.is_empty() {
                    if *is_required {
                        (self.report)(parameter(member), Wrong::Missing);
                    }
                    return;
                }
                // Not a form, so `+` is itself (OpenAPI 3.2, Appendix E).
                let coding = Coding::Percent;
                self.one(member, |pen| match is_json {
                    true => json(decode(query, coding, pen.scratch)?, pen.out),
                    false => pen.scalar(query, coding, pen.shapes.get(*shape).types),
                });
            }
        }
    }

    fn cookies(&mut self, form: &Form, head: &RequestHead<'_>) {
        let mut lines: SmallVec<[&[u8]; 2]> = SmallVec::new();
        head.fields.each("cookie", &mut |line| lines.push(line));
        let report = &mut *self.report;
        let mut report = |culprit: Culprit<'_>, wrong| report(amiss(culprit, ParameterPlace::Cookie), wrong);
        let mut hands = Hands { out: self.out, report: &mut report, is_other: &|_| false };
        form.read_cookies(lines.into_iter(), &mut hands);
    }

    fn pairs<'a>(
        &mut self,
        form: &Form,
        pieces: impl Iterator<Item = &'a str>,
        is_other: &dyn Fn(&str) -> bool,
    ) {
        let report = &mut *self.report;
        let mut report = |culprit: Culprit<'_>, wrong| report(amiss(culprit, ParameterPlace::Query), wrong);
        form.read(pieces, &mut Hands { out: self.out, report: &mut report, is_other });
    }

    /// Writes one member, or takes back what was written of it.
    fn one(&mut self, member: &str, put: impl FnOnce(&mut Pen<'_>) -> Result<(), Wrong>) {
        let mark = self.out.mark();
        let mut pen = Pen { shapes: &self.plan.shapes, scratch: &mut self.scratch, out: self.out };
        let written = pen.out.key(member).map_err(Wrong::from).and_then(|()| put(&mut pen));
        if let Err(wrong) = written {
            self.out.rollback(mark);
            (self.report)(parameter(member), wrong);
        }
    }
}

fn pieces(query: &str) -> impl Iterator<Item = &str> {
    query.split('&').filter(|piece| !piece.is_empty())
}

/// Members are called by the number of their declaration.
fn parameter(member: &str) -> Amiss<'static> {
    Amiss::Parameter(member.parse().unwrap_or(usize::MAX))
}

fn amiss<'c>(culprit: Culprit<'c>, place: ParameterPlace) -> Amiss<'c> {
    match (culprit, place) {
        // Entries of a form that is all of the query are called by their names.
        (Culprit::Entry(entry), _) => match entry.member.parse() {
            Ok(index) if !entry.member.starts_with(|c: char| !c.is_ascii_digit()) => Amiss::Parameter(index),
            _ => Amiss::Query,
        },
        (_, ParameterPlace::Cookie) => Amiss::Cookies,
        (Culprit::Name(name), _) => Amiss::Name(name),
        (Culprit::Whole, _) => Amiss::Query,
    }
}
