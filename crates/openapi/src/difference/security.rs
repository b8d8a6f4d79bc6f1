//! Who may call: each way in of the old definition must still be one. Schemes are compared by what they are, not by name.

use super::{Comparison, Spans};
use crate::definition::{Definition, Operation, ParameterPlace, Requirement, SchemeKind, Security};

pub(super) fn compare(comparison: &mut Comparison<'_, '_>, old: &Operation, new: &Operation) {
    comparison.part("security", |comparison| {
        let (before, after) = (&*old.security, &*new.security);
        let spans = Spans {
            old: Some(place(before).unwrap_or(old.span)),
            new: Some(place(after).unwrap_or(new.span)),
        };
        match (before, after) {
            (Security::Silent, Security::Silent) | (Security::None { .. }, Security::None { .. }) => {}
            (Security::None { .. }, Security::Silent) | (Security::Silent, Security::None { .. }) => {
                comparison.safe("security-changed", spans, "nothing is asked for, in other words");
            }
            (Security::Silent | Security::None { .. }, Security::AnyOf { requirements, .. }) => {
                if requirements.iter().any(|requirement| requirement.schemes.is_empty()) {
                    comparison.safe("security-changed", spans, "credentials may be sent now");
                } else {
                    comparison.breaking(
                        "security-tightened",
                        spans,
                        "anybody could call, and now a credential is asked for",
                    );
                }
            }
            (Security::AnyOf { .. }, Security::Silent | Security::None { .. }) => {
                comparison.safe(
                    "security-loosened",
                    spans,
                    "a credential was asked for, and now anybody may call",
                );
            }
            (Security::AnyOf { requirements: before, .. }, Security::AnyOf { requirements: after, .. }) => {
                ways_in(comparison, before, after, spans);
            }
        }
    });
}

fn ways_in(comparison: &mut Comparison<'_, '_>, before: &[Requirement], after: &[Requirement], spans: Spans) {
    let (old, new) = (comparison.old, comparison.new);
    for was in before {
        if !after.iter().any(|is| suffices((old, was), (new, is))) {
            let spans = Spans { old: Some(was.span), new: spans.new };
            let why = format!("who proves {} is not let in by that any more", told(was));
            comparison.breaking("security-tightened", spans, why);
        }
    }
    for is in after {
        if !before.iter().any(|was| suffices((new, is), (old, was))) {
            let spans = Spans { old: spans.old, new: Some(is.span) };
            comparison.safe("security-loosened", spans, format!("{} is a way in now", told(is)));
        }
    }
}

/// Whether who meets one requirement meets the other.
fn suffices((own, had): (&Definition, &Requirement), (other, wanted): (&Definition, &Requirement)) -> bool {
    wanted.schemes.iter().all(|(name, scopes)| {
        had.schemes.iter().any(|(had, has)| {
            is_same(own, had, other, name) && scopes.iter().all(|scope| has.contains(scope))
        })
    })
}

fn is_same(own: &Definition, name: &str, other: &Definition, wanted: &str) -> bool {
    match (own.schemes.get(name), other.schemes.get(wanted)) {
        (Some(one), Some(other)) => match (&one.kind, &other.kind) {
            // Where a token is got is not what is sent; scopes are compared where they are asked for.
            (SchemeKind::OAuth2 { .. }, SchemeKind::OAuth2 { .. }) => true,
            (SchemeKind::Http { scheme: one, .. }, SchemeKind::Http { scheme: other, .. }) => one == other,
            (SchemeKind::ApiKey { place, name }, SchemeKind::ApiKey { place: other, name: wanted }) => {
                let is_field = *place == ParameterPlace::Header;
                place == other && (name == wanted || (is_field && name.eq_ignore_ascii_case(wanted)))
            }
            (one, other) => one == other,
        },
        (None, None) => name == wanted,
        _ => false,
    }
}

fn place(security: &Security) -> Option<crate::source::Span> {
    match security {
        Security::Silent => None,
        Security::None { span } | Security::AnyOf { span, .. } => Some(*span),
    }
}

fn told(requirement: &Requirement) -> String {
    let each = requirement.schemes.iter().map(|(name, scopes)| match scopes.as_slice() {
        [] => format!("`{name}`"),
        scopes => format!("`{name}` with {}", scopes.join(" ")),
    });
    let all: Vec<String> = each.collect();
    if all.is_empty() { "nothing".to_owned() } else { all.join(" and ") }
}
