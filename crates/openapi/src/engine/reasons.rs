//! Why a value is refused: pointers and keywords.

use jsonschema::ValidationError;
use jsonschema::error::ValidationErrorKind;

use crate::contract::violations::VIOLATIONS_MAX;
use crate::value::Pointer;

use super::{CLOSED, FORBIDDEN};

/// Whether it is about members that nothing declares where branches hold.
pub(super) fn is_unevaluated(error: &ValidationError<'_>) -> bool {
    match error.kind() {
        ValidationErrorKind::UnevaluatedProperties { .. } => true,
        ValidationErrorKind::Custom { keyword, .. } => keyword == CLOSED,
        _ => false,
    }
}

/// How deep reasons within branches are followed.
const BRANCHES_MAX: usize = 4;

/// Tells what an error says. Only names of the schema and of the value's members get out, and those bounded.
pub(super) fn tell(error: &ValidationError<'_>, found: &mut dyn FnMut(&str, &str)) {
    branch(error, BRANCHES_MAX, found);
}

fn branch(error: &ValidationError<'_>, deeper: usize, found: &mut dyn FnMut(&str, &str)) {
    if let ValidationErrorKind::AnyOf { context } | ValidationErrorKind::OneOfNotValid { context } =
        error.kind()
        && let Some(deeper) = deeper.checked_sub(1)
        && let Some(errors) = meant(error, context)
    {
        for error in errors.iter().take(VIOLATIONS_MAX) {
            branch(error, deeper, found);
        }
        return;
    }
    let here = pointer(error);
    match error.kind() {
        ValidationErrorKind::AdditionalProperties { unexpected }
        | ValidationErrorKind::UnevaluatedProperties { unexpected } => {
            for name in unexpected.iter().take(VIOLATIONS_MAX) {
                let mut member = here.clone();
                member.name(name);
                found(&member.finish(), error.kind().keyword());
            }
        }
        ValidationErrorKind::Required { property } => {
            let mut member = here;
            member.name(property.as_str().unwrap_or_default());
            found(&member.finish(), "required");
        }
        ValidationErrorKind::Custom { keyword, message } if keyword == FORBIDDEN => {
            found(&here.finish(), message);
        }
        ValidationErrorKind::Custom { keyword, message } if keyword == CLOSED => {
            let mut member = here;
            member.escaped(message);
            found(&member.finish(), "unevaluatedProperties");
        }
        ValidationErrorKind::FalseSchema => found(&here.finish(), denying(error)),
        kind => found(&here.finish(), kind.keyword()),
    }
}

/// The keyword whose schema is `false`.
fn denying(error: &ValidationError<'_>) -> &'static str {
    const KEYWORDS: [&str; 6] =
        ["items", "additionalProperties", "unevaluatedItems", "unevaluatedProperties", "then", "else"];
    let last = error.schema_path().as_str().rsplit('/').next().unwrap_or_default();
    KEYWORDS.into_iter().find(|keyword| *keyword == last).unwrap_or("false")
}

/// The one branch that was meant: all others fail by their type or by a constant, right at the value.
fn meant<'e>(
    error: &ValidationError<'_>,
    branches: &'e [Vec<ValidationError<'static>>],
) -> Option<&'e [ValidationError<'static>]> {
    let here = error.instance_path().as_str();
    let is_other = |errors: &[ValidationError<'_>]| {
        errors.iter().any(|error| {
            matches!(error.kind().keyword(), "type" | "const" | "enum" | "falseSchema")
                && error.instance_path().as_str() == here
        })
    };
    let mut left = branches.iter().filter(|errors| !is_other(errors));
    match (left.next(), left.next()) {
        (Some(meant), None) => Some(meant),
        _ => None,
    }
}

/// The instance's path without the key it was wrapped in.
fn pointer(error: &ValidationError<'_>) -> Pointer {
    let path = error.instance_path().as_str();
    let below = path.get(1..).and_then(|path| path.find('/').and_then(|at| path.get(at..)));
    let mut pointer = Pointer::new();
    pointer.escaped(below.unwrap_or_default());
    pointer
}
