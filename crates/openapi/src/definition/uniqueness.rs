//! What two operations may not share: the requests they match, and the name they are addressed by.

use std::collections::{HashMap, HashSet};

use foldhash::fast::RandomState;
use http::Method;

use super::loading::Loading;
use super::{Operation, Severity, paths};
use crate::source::{Finding, Span};
use crate::template::Segment;

/// Refuses operations that match the same requests, and takes the id from those that share one.
pub(super) fn enforce(loading: &mut Loading<'_>, operations: &mut Vec<Operation>) {
    let clashing = clashes(loading, operations);
    loading.refuse(clashing.len());
    let mut index = 0_usize;
    operations.retain(|_| {
        let keep = !clashing.contains(&index);
        index = index.saturating_add(1);
        keep
    });
    ids(loading, operations);
}

/// The operations with the method and the shape of another. Neither is published: by which of them a request should be
/// judged is not known.
fn clashes(loading: &mut Loading<'_>, operations: &[Operation]) -> HashSet<usize, RandomState> {
    let mut first: HashMap<(&Method, &[Segment]), usize, RandomState> = HashMap::default();
    let mut clashing = HashSet::default();
    for (index, operation) in operations.iter().enumerate() {
        let known = *first.entry((&operation.method, operation.template.segments())).or_insert(index);
        let Some(other) = operations.get(known).filter(|_| known != index) else { continue };
        if clashing.insert(known) {
            loading.note(Severity::Error, clash(loading, other, operation));
        }
        clashing.insert(index);
        loading.leave_out.push(key(operation).into());
        loading.note(Severity::Error, clash(loading, operation, other));
    }
    clashing
}

fn clash(loading: &Loading<'_>, operation: &Operation, other: &Operation) -> Finding {
    let Span { line, column, .. } = other.span;
    let message = format!(
        "matches the same requests as `{} {}` on line {line}, column {column}: neither is published",
        other.method, other.template
    );
    loading.finding_of(operation, message).with_hint(paths::without(&key(operation)))
}

/// An operation as it is addressed without an id.
fn key(operation: &Operation) -> String {
    format!("{} {}", operation.method, operation.template)
}

fn ids(loading: &mut Loading<'_>, operations: &mut [Operation]) {
    let mut count: HashMap<Box<str>, usize, RandomState> = HashMap::default();
    for id in operations.iter().filter_map(|operation| operation.id.clone()) {
        let count = count.entry(id).or_default();
        *count = count.saturating_add(1);
    }
    for operation in operations {
        let Some(id) = operation.id.take_if(|id| count.get(id).is_some_and(|count| *count > 1)) else {
            continue;
        };
        let message = format!("the operationId `{id}` stands at several operations, so it addresses none");
        let hint = format!("address this one as `{} {}`", operation.method, operation.template);
        let finding = loading.finding_of(operation, message).with_hint(hint);
        loading.note(Severity::Warning, finding);
    }
}
