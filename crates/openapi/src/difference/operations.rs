//! Which operations came, went and changed. An operation is its method and the shape of its path: what a path's parameters
//! are called is nothing that callers see.

use super::{Comparison, Spans, bodies, parameters, responses, security};
use crate::definition::{Definition, Notice, Operation, Severity};

pub(super) fn compare(comparison: &mut Comparison<'_, '_>) {
    let (before, after) = (comparison.old, comparison.new);
    for old in &before.operations {
        comparison.subject.operation = name(old);
        match counterpart(after, old) {
            Some(new) => operation(comparison, old, new),
            None => removed(comparison, old),
        }
    }
    for new in &after.operations {
        if counterpart(before, new).is_none() {
            comparison.subject.operation = name(new);
            added(comparison, new);
        }
    }
    comparison.subject.operation = "".into();
}

fn operation(comparison: &mut Comparison<'_, '_>, old: &Operation, new: &Operation) {
    let spans = Spans::both(old.span, new.span);
    match (old.is_deprecated, new.is_deprecated) {
        (false, true) => comparison.safe("operation-deprecated", spans, "callers are asked to stop using it"),
        (true, false) => comparison.safe("operation-deprecated", spans, "is not deprecated any more"),
        _ => {}
    }
    if let (Some(before), after) = (&old.id, &new.id)
        && Some(before) != after.as_ref()
    {
        let after = after.as_deref().unwrap_or("none");
        let why = format!(
            "`operationId` `{before}` becomes `{after}`: requests are the same, generated clients are not"
        );
        comparison.unknown("operation-id-changed", spans, why);
    }
    security::compare(comparison, old, new);
    parameters::compare(comparison, old, new);
    bodies::compare(comparison, old, new);
    responses::compare(comparison, old, new);
}

fn removed(comparison: &mut Comparison<'_, '_>, old: &Operation) {
    let spans = Spans::old(old.span);
    if let Some(notice) = refused(comparison.new, old) {
        let why = format!("is not published by the new definition: {}", notice.finding);
        return comparison.unknown("operation-refused", spans, why);
    }
    let why = if old.is_deprecated { "is gone; it was deprecated" } else { "is gone" };
    comparison.breaking("operation-removed", spans, why);
}

fn added(comparison: &mut Comparison<'_, '_>, new: &Operation) {
    let spans = Spans::new(new.span);
    match refused(comparison.old, new) {
        Some(notice) => {
            let why = format!("was not published by the old definition: {}", notice.finding);
            comparison.unknown("operation-refused", spans, why);
        }
        None => comparison.safe("operation-added", spans, "is new"),
    }
}

fn counterpart<'d>(definition: &'d Definition, operation: &Operation) -> Option<&'d Operation> {
    let is_same = |other: &&Operation| {
        other.method == operation.method && other.template.is_same_shape(&operation.template)
    };
    definition.operations.iter().find(is_same)
}

/// The error for which a definition does not publish an operation that it may well declare.
fn refused<'d>(definition: &'d Definition, operation: &Operation) -> Option<&'d Notice> {
    // Paths are spelled alike in both, as a rule; where they are not, the operation is told as gone.
    let whole = operation.pointer.to_string();
    let path = whole.rsplit_once('.').map_or("", |(path, _)| path);
    let mut errors = definition.notices.iter().filter(|notice| {
        let at = notice.finding.path.as_str();
        let below =
            at.strip_prefix(&whole).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']));
        let beside =
            at.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with(".parameters"));
        notice.severity == Severity::Error && (below || beside)
    });
    errors.next()
}

fn name(operation: &Operation) -> Box<str> {
    format!("{} {}", operation.method, operation.template.as_str()).into()
}
