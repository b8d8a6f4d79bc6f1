//! Declared fields of an answer or of a part, judged as header parameters are: read by the same decoder as one object, which
//! one call of the engine judges.
//!
//! A `Content-Type` that is declared says nothing (OpenAPI, "Response Object"). What is declared and cannot be judged is a gap.

use std::sync::Arc;

use super::coverage::Side;
use super::lowering::Lowering;
use crate::definition::{Header, Parameter, ParameterPlace};
use crate::engine::{Key, Validators};
use crate::parameters::Wrong;
use crate::parameters::head::{Amiss, HeadFields, RequestHead};
use crate::parameters::plan::Plan;
use crate::schema::Direction;
use crate::source::Pointer;
use crate::value::{Builder, Limits};

/// Fields that are not judged as others are.
const UNREAD: &[(&str, &str)] = &[
    ("set-cookie", "stands once for each cookie, which no style writes"),
    ("accept", "is never judged among fields of requests, and so nowhere"),
    ("authorization", "is never judged among fields of requests, and so nowhere"),
];

/// What the reader of parts takes for itself.
const OF_PARTS: &[(&str, &str)] = &[
    ("content-disposition", "says what the part is, and is not judged besides"),
    ("content-length", "says how long the part is, and is not judged besides"),
    ("content-transfer-encoding", "is a coding of the part, of which none is undone"),
];

/// The fields that are declared.
#[derive(Debug)]
pub(super) struct Fields {
    plan: Plan,
    // Invariant: in the order of the parameters that the plan was made of.
    declared: Vec<Field>,
    /// Absent where none has a schema.
    key: Option<Key>,
}

/// One of them.
#[derive(Debug)]
pub(super) struct Field {
    /// In lower case.
    pub(super) name: Box<str>,
    pub(super) is_required: bool,
}

impl Fields {
    /// Compiles declarations; `None` where none is read.
    pub(super) fn compile(headers: &[Header], side: Side, lowering: &mut Lowering<'_>) -> Option<Self> {
        let mut parameters: Vec<Arc<Parameter>> = Vec::new();
        for header in headers {
            let of_parts = if side == Side::Request { OF_PARTS } else { &[] };
            let mut unread = UNREAD.iter().chain(of_parts);
            let unread = unread.find(|(name, _)| header.name.eq_ignore_ascii_case(name));
            if let Some((_, why)) = unread {
                gap(header, side, why, lowering);
                continue;
            }
            parameters.push(Arc::new(Parameter {
                name: header.name.clone(),
                place: ParameterPlace::Header,
                is_required: header.is_required,
                is_deprecated: false,
                value: header.value.clone(),
                examples: Vec::new(),
                span: header.span,
            }));
        }
        if parameters.is_empty() {
            return None;
        }
        let (plan, unread) = Plan::of(&parameters, &[], lowering.schemas());
        for unread in &unread {
            let name = parameters.get(unread.parameter).map(|parameter| &parameter.name);
            let header = headers.iter().find(|header| Some(&header.name) == name);
            header.into_iter().for_each(|header| gap(header, side, unread.why, lowering));
        }
        let direction = match side {
            Side::Request => Direction::Request,
            Side::Response => Direction::Response,
        };
        let key = (!plan.members().is_empty()).then(|| lowering.object(plan.members(), direction));
        let declared = parameters.iter().map(|parameter| Field {
            name: parameter.name.to_ascii_lowercase().into(),
            is_required: parameter.is_required,
        });
        Some(Self { declared: declared.collect(), plan, key })
    }

    /// The fields that are read.
    pub(super) fn declared(&self) -> &[Field] {
        &self.declared
    }

    /// Judges fields, and tells of each that is not what is declared, with where in it and why.
    pub(super) fn judge(
        &self,
        fields: &dyn HeadFields,
        limits: &Limits,
        validators: &Validators,
        wrong: &mut dyn FnMut(&Field, &str, &str),
    ) {
        let mut out = Builder::new(limits);
        let head = RequestHead { path: "", spans: &[], query: None, fields, others: &[] };
        // SECURITY: what is not about one of them is about all: what was not judged counts as wrong.
        let mut of = |index: Option<usize>, pointer: &str, keyword: &str| match index
            .and_then(|index| self.declared.get(index))
        {
            Some(field) => wrong(field, pointer, keyword),
            None => self.declared.iter().for_each(|field| wrong(field, "", keyword)),
        };
        self.plan.read(&head, &[], &mut out, &mut |amiss, why| match amiss {
            Amiss::Parameter(index) => of(Some(index), "", why.keyword()),
            Amiss::Name(_) | Amiss::Query | Amiss::Cookies => of(None, "", why.keyword()),
        });
        let Some(key) = self.key else { return };
        match out.finish() {
            Ok(tape) => validators.judge_each(key, tape.root(), &mut |pointer, keyword| {
                let rest = pointer.strip_prefix('/').unwrap_or(pointer);
                let end = rest.find('/').unwrap_or(rest.len());
                let (member, below) = rest.split_at_checked(end).unwrap_or((rest, ""));
                of(member.parse().ok(), below, keyword);
            }),
            Err(fault) => of(None, "", Wrong::from(fault).keyword()),
        }
    }
}

fn gap(header: &Header, side: Side, why: &str, lowering: &mut Lowering<'_>) {
    let what = format!("header {}", header.name);
    lowering.gap(side, header.span, Pointer::new(), what, why);
}

/// Lines of fields, by names in lower case.
#[derive(Debug, Default)]
pub(super) struct Lines(pub(super) Vec<(Box<str>, Vec<u8>)>);

impl HeadFields for Lines {
    fn each<'s>(&'s self, name: &str, take: &mut dyn FnMut(&'s [u8])) {
        self.0.iter().filter(|(own, _)| **own == *name).for_each(|(_, line)| take(line));
    }
}
