//! The parameters of an operation, judged: read as one object ([`Plan`]) and judged by one call of the engine.
//!
//! What cannot be read is told with the words of [`Wrong`], what its schema does not allow with those of JSON Schema. A
//! parameter that cannot be read does not keep the others from being judged.

use crate::definition::{Operation, ParameterPlace, ParameterValue, SchemeKind, Security};
use crate::engine::{Key, Validators};
use crate::parameters::Wrong;
use crate::parameters::head::{Amiss, RequestHead};
use crate::parameters::plan::Plan;
use crate::schema::Direction;
use crate::value::{Builder, Limits};

use super::coverage::Side;
use super::lowering::Lowering;
use super::violations::{Place, Violations};

/// Longest name of an undeclared parameter that a problem shows; the name is the caller's.
const NAME_SHOWN_MAX: usize = 64;

/// The parameters of an operation.
#[derive(Debug)]
pub struct Parameters {
    plan: Plan,
    /// By the number of the declaration.
    places: Vec<Place>,
    /// Absent where no parameter has a schema.
    key: Option<Key>,
    /// Names in the query that carry a credential, by the operation's own word.
    credentials: Vec<Box<str>>,
}

impl Parameters {
    /// Compiles the parameters of an operation. What cannot be read is a gap.
    pub fn compile(operation: &Operation, lowering: &mut Lowering<'_>) -> Self {
        let (mut plan, unread) =
            Plan::of(&operation.parameters, operation.template.parameters(), lowering.schemas());
        if !lowering.is_closed() {
            plan.pass_undeclared();
        }
        for unread in &unread {
            let Some(parameter) = operation.parameters.get(unread.parameter) else { continue };
            let what = format!("the parameter `{}` in the {}", parameter.name, describe(parameter.place));
            let pointer = match &parameter.value {
                ParameterValue::Schema { schema, .. }
                | ParameterValue::Content { schema: Some(schema), .. } => lowering.schemas().pointer(*schema),
                ParameterValue::Content { schema: None, .. } => operation.pointer.clone(),
            };
            lowering.gap(Side::Request, parameter.span, pointer, what, unread.why);
        }
        let key = (!plan.members().is_empty()).then(|| lowering.object(plan.members(), Direction::Request));
        let places = operation.parameters.iter().map(|parameter| place(parameter.place, &parameter.name));
        Self { plan, places: places.collect(), key, credentials: credentials(operation, lowering) }
    }

    /// Which parameters of the template are written in style `matrix`.
    pub(super) fn matrix(&self) -> impl Iterator<Item = usize> {
        self.plan.matrix()
    }

    /// Judges the head of a request.
    pub fn judge(
        &self,
        head: &RequestHead<'_>,
        limits: &Limits,
        validators: &Validators,
        found: &mut Violations,
    ) {
        let mut out = Builder::new(limits);
        self.plan
            .read(head, &self.credentials, &mut out, &mut |amiss, wrong| self.amiss(amiss, wrong, found));
        let Some(key) = self.key else { return };
        match out.finish() {
            Ok(tape) => validators.judge_each(key, tape.root(), &mut |pointer, keyword| {
                let (place, below) = self.below(pointer);
                found.push(place, below, keyword);
            }),
            // SECURITY: what is not whole was told of; were it not, nothing would have been judged.
            Err(fault) => found.push(Place::QueryString, "", Wrong::from(fault).keyword()),
        }
    }

    fn amiss(&self, amiss: Amiss<'_>, wrong: Wrong, found: &mut Violations) {
        let place = match amiss {
            Amiss::Parameter(index) => self.places.get(index).cloned().unwrap_or(Place::QueryString),
            Amiss::Name(name) => Place::Query(shown(name)),
            Amiss::Query => Place::QueryString,
            Amiss::Cookies => Place::Header("cookie".into()),
        };
        found.push(place, "", wrong.keyword());
    }

    /// The place that the first step of a pointer stands for, and what is left of the pointer.
    fn below<'p>(&self, pointer: &'p str) -> (Place, &'p str) {
        let rest = pointer.strip_prefix('/').unwrap_or(pointer);
        let end = rest.find('/').unwrap_or(rest.len());
        let (member, below) = rest.split_at_checked(end).unwrap_or((rest, ""));
        let place = member.parse().ok().and_then(|index: usize| self.places.get(index));
        (place.cloned().unwrap_or(Place::QueryString), below)
    }
}

fn place(place: ParameterPlace, name: &str) -> Place {
    match place {
        ParameterPlace::Path => Place::Path(name.into()),
        ParameterPlace::Query => Place::Query(name.into()),
        ParameterPlace::QueryString => Place::QueryString,
        ParameterPlace::Header => Place::Header(name.into()),
        ParameterPlace::Cookie => Place::Cookie(name.into()),
    }
}

fn describe(place: ParameterPlace) -> &'static str {
    match place {
        ParameterPlace::Path => "path",
        ParameterPlace::Query | ParameterPlace::QueryString => "query",
        ParameterPlace::Header => "header",
        ParameterPlace::Cookie => "cookies",
    }
}

/// The names under which the operation's security asks for credentials in the query.
fn credentials(operation: &Operation, lowering: &Lowering<'_>) -> Vec<Box<str>> {
    let Security::AnyOf { requirements, .. } = &*operation.security else { return Vec::new() };
    let schemes = &lowering.definition().schemes;
    let named = requirements.iter().flat_map(|requirement| &requirement.schemes);
    named
        .filter_map(|(name, _)| match &schemes.get(name)?.kind {
            SchemeKind::ApiKey { place: ParameterPlace::Query, name } => Some(name.clone()),
            _ => None,
        })
        .collect()
}

fn shown(name: &str) -> Box<str> {
    let plain = name.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c });
    let mut shown: String = plain.take(NAME_SHOWN_MAX).collect();
    if name.chars().nth(NAME_SHOWN_MAX).is_some() {
        shown.push('…');
    }
    shown.into()
}

#[cfg(test)]
mod tests;
