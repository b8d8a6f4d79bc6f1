//! Bodies of requests: whether there is one, what it may be, and what holds for it.

use super::{Comparison, Spans};
use crate::definition::{Encoding, MediaType, Operation};
use crate::media_type::essence;
use crate::schema::Direction;

pub(super) fn compare(comparison: &mut Comparison<'_, '_>, old: &Operation, new: &Operation) {
    comparison.part("request body", |comparison| match (&old.body, &new.body) {
        (Some(before), Some(after)) => {
            let spans = Spans::both(before.span, after.span);
            match (before.is_required, after.is_required) {
                (false, true) => comparison.breaking("body-required", spans, "must be there now"),
                (true, false) => comparison.safe("body-optional", spans, "may be left out now"),
                _ => {}
            }
            contents(comparison, &before.content, &after.content, spans);
        }
        (Some(before), None) => {
            let spans = Spans::both(before.span, new.span);
            comparison.breaking("body-removed", spans, "is not declared any more, and is refused");
        }
        (None, Some(after)) if after.is_required => {
            comparison.breaking(
                "body-required",
                Spans::both(old.span, after.span),
                "is new and must be there",
            );
        }
        (None, Some(after)) => {
            comparison.safe("body-added", Spans::both(old.span, after.span), "is new and may be left out");
        }
        (None, None) => {}
    });
}

fn contents(comparison: &mut Comparison<'_, '_>, old: &[MediaType], new: &[MediaType], spans: Spans) {
    for before in old {
        comparison.part(format!("request body {}", before.range), |comparison| {
            match best(new, &before.range) {
                Some(after) => media_type(comparison, before, after, Direction::Request),
                None if new.is_empty() => {}
                None => {
                    let spans = Spans { old: Some(before.span), new: spans.new };
                    comparison.breaking("media-type-removed", spans, "is not taken any more");
                }
            }
        });
    }
    for after in new {
        if best(old, &after.range).is_none() {
            comparison.part(format!("request body {}", after.range), |comparison| match old {
                // Any was taken as far as the document said.
                [] => {
                    let why =
                        "the old definition did not say what the body is; the new one names media types";
                    comparison.unknown(
                        "media-type-named",
                        Spans { old: spans.old, new: Some(after.span) },
                        why,
                    );
                }
                _ => comparison.safe("media-type-added", Spans::new(after.span), "is taken, too"),
            });
        }
    }
}

/// What holds for a body of one media type, in both definitions.
pub(super) fn media_type(
    comparison: &mut Comparison<'_, '_>,
    old: &MediaType,
    new: &MediaType,
    direction: Direction,
) {
    let spans = Spans::both(old.span, new.span);
    if old.item_schema.is_some() == new.item_schema.is_some() {
        comparison.schemas(old.item_schema, new.item_schema, direction, spans);
        comparison.schemas(old.schema, new.schema, direction, spans);
    } else {
        comparison.unknown(
            "sequence-changed",
            spans,
            "a sequence of values becomes one value, or one a sequence",
        );
    }
    encodings(comparison, &old.encoding, &new.encoding, spans);
}

/// How the properties of a form are written.
pub(super) fn encodings(
    comparison: &mut Comparison<'_, '_>,
    old: &[Encoding],
    new: &[Encoding],
    spans: Spans,
) {
    let before = old.iter().map(encoding);
    let after: Vec<_> = new.iter().map(encoding).collect();
    for was in before {
        match after.iter().find(|is| is.0 == was.0) {
            Some(is) if *is == was => {}
            _ => {
                let why = format!("the encoding of `{}` changed", was.0);
                comparison.unknown("encoding-changed", spans, why);
            }
        }
    }
    for is in &after {
        if !old.iter().any(|was| *was.property == *is.0) {
            let why = format!("the encoding of `{}` is written out now", is.0);
            comparison.unknown("encoding-changed", spans, why);
        }
    }
}

type Written<'e> = (&'e str, Option<&'e str>, Option<crate::definition::Style>, Option<bool>, bool);

fn encoding(encoding: &Encoding) -> Written<'_> {
    let Encoding { property, content_type, style, explode, allow_reserved, .. } = encoding;
    (property, content_type.as_deref(), *style, *explode, *allow_reserved)
}

/// The declared range that takes a media type or range: the same, else the most specific that holds it.
pub(super) fn best<'m>(all: &'m [MediaType], range: &str) -> Option<&'m MediaType> {
    let wanted = essence(range);
    let holds = |own: &str| match own.split_once('/') {
        Some(("*", "*")) => Some(1_u8),
        Some((kind, "*")) => wanted.split_once('/').is_some_and(|it| it.0 == kind).then_some(2),
        _ => (own == wanted).then_some(3),
    };
    let rated = all.iter().filter_map(|media_type| Some((holds(&essence(&media_type.range))?, media_type)));
    // Of equals the first.
    rated.rev().max_by_key(|(rank, _)| *rank).map(|(_, media_type)| media_type)
}
