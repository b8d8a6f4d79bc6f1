//! Parameters: those in the path by their position, fields without case, all others by their names.

use super::{Comparison, Spans};
use crate::definition::{Operation, Parameter, ParameterPlace, ParameterValue, Style};
use crate::schema::{Direction, SchemaId, Schemas, Type};

/// How far it is looked whether a value may be a list or an object.
const DEPTH_MAX: usize = 8;

pub(super) fn compare(comparison: &mut Comparison<'_, '_>, old: &Operation, new: &Operation) {
    for before in &old.parameters {
        comparison.part(part(before), |comparison| match counterpart(old, before, new) {
            Some(after) => parameter(comparison, before, after),
            None => removed(comparison, before, new),
        });
    }
    for after in &new.parameters {
        if counterpart(new, after, old).is_none() {
            comparison.part(part(after), |comparison| added(comparison, after));
        }
    }
}

fn parameter(comparison: &mut Comparison<'_, '_>, old: &Parameter, new: &Parameter) {
    let spans = Spans::both(old.span, new.span);
    match (old.is_required, new.is_required) {
        (false, true) => comparison.breaking("parameter-required", spans, "must be there now"),
        (true, false) => comparison.safe("parameter-optional", spans, "may be left out now"),
        _ => {}
    }
    if !old.is_deprecated && new.is_deprecated {
        comparison.safe("parameter-deprecated", spans, "callers are asked to stop using it");
    }
    value(comparison, &old.value, &new.value, Direction::Request, spans);
}

/// What a parameter or field carries, and how it is written.
pub(super) fn value(
    comparison: &mut Comparison<'_, '_>,
    old: &ParameterValue,
    new: &ParameterValue,
    direction: Direction,
    spans: Spans,
) {
    match (old, new) {
        (
            ParameterValue::Schema { schema: before, style, explode, allow_reserved, allow_empty },
            ParameterValue::Schema {
                schema: after,
                style: new_style,
                explode: new_explode,
                allow_reserved: new_reserved,
                allow_empty: new_empty,
            },
        ) => {
            let was = (*style, *explode);
            let is = (*new_style, *new_explode);
            let is_seen = may_be_many(&comparison.old.schemas, *before)
                || may_be_many(&comparison.new.schemas, *after)
                || affixes(*style) != affixes(*new_style);
            if was != is && is_seen {
                let why = format!("is written in another way: {} becomes {}", told(was), told(is));
                comparison.breaking("parameter-style", spans, why);
            }
            if *allow_empty && !new_empty {
                comparison.breaking("parameter-empty", spans, "may not be there without a value any more");
            }
            if allow_reserved != new_reserved {
                comparison.unknown(
                    "parameter-reserved",
                    spans,
                    "`allowReserved` changed: whether delimiters are escaped",
                );
            }
            comparison.schemas(Some(*before), Some(*after), direction, spans);
        }
        (
            ParameterValue::Content { media_type, schema, encoding },
            ParameterValue::Content { media_type: new_type, schema: new_schema, encoding: new_encoding },
        ) => {
            if !media_type.eq_ignore_ascii_case(new_type) {
                let why = format!("is written in another way: {media_type} becomes {new_type}");
                comparison.breaking("parameter-style", spans, why);
            }
            super::bodies::encodings(comparison, encoding, new_encoding, spans);
            comparison.schemas(*schema, *new_schema, direction, spans);
        }
        _ => comparison.breaking(
            "parameter-style",
            spans,
            "is written in another way: by `style` here, as `content` there",
        ),
    }
}

fn removed(comparison: &mut Comparison<'_, '_>, old: &Parameter, new: &Operation) {
    let spans = Spans::both(old.span, new.span);
    match old.place {
        ParameterPlace::Query | ParameterPlace::QueryString => {
            comparison.breaking("parameter-removed", spans, "is not declared any more, and is refused");
        }
        ParameterPlace::Header | ParameterPlace::Cookie => {
            comparison.safe(
                "parameter-removed",
                spans,
                "is not declared any more; who still sends it is not refused",
            );
        }
        // Both paths have one shape, so one of them declares it badly.
        ParameterPlace::Path => comparison.unknown("parameter-removed", spans, "is not declared any more"),
    }
}

fn added(comparison: &mut Comparison<'_, '_>, new: &Parameter) {
    let spans = Spans::new(new.span);
    if new.place == ParameterPlace::Path {
        comparison.unknown("parameter-added", spans, "was not declared before");
    } else if new.is_required {
        comparison.breaking("parameter-added", spans, "is new and must be there");
    } else {
        comparison.safe("parameter-added", spans, "is new and may be left out");
    }
}

fn counterpart<'o>(of: &Operation, parameter: &Parameter, among: &'o Operation) -> Option<&'o Parameter> {
    let position = |operation: &Operation, parameter: &Parameter| {
        operation.template.parameters().iter().position(|name| *name == parameter.name)
    };
    let is_same = |other: &Parameter| {
        other.place == parameter.place
            && match parameter.place {
                ParameterPlace::Path => position(of, parameter) == position(among, other),
                ParameterPlace::Header => other.name.eq_ignore_ascii_case(&parameter.name),
                ParameterPlace::QueryString => true,
                ParameterPlace::Query | ParameterPlace::Cookie => other.name == parameter.name,
            }
    };
    among.parameters.iter().map(|other| &**other).find(|other| is_same(other))
}

/// What stands around a single value, which tells styles apart even there.
fn affixes(style: Style) -> u8 {
    match style {
        Style::Matrix => 1,
        Style::Label => 2,
        Style::DeepObject => 3,
        Style::Cookie => 4,
        Style::Simple | Style::Form | Style::SpaceDelimited | Style::TabDelimited | Style::PipeDelimited => 0,
    }
}

/// Whether a value may be a list or an object.
fn may_be_many(schemas: &Schemas, id: SchemaId) -> bool {
    many(schemas, id, DEPTH_MAX)
}

fn many(schemas: &Schemas, id: SchemaId, left: usize) -> bool {
    let id = schemas.resolve(id);
    let schema = schemas.get(id);
    let Some(left) = left.checked_sub(1) else { return true };
    match schema.types {
        Some(types) => types.has(Type::Array) || types.has(Type::Object),
        None => {
            let logic = schema.logic();
            let mut all = logic.all_of.iter().chain(&logic.any_of).chain(&logic.one_of).peekable();
            if all.peek().is_none() {
                // Nothing is said, or what is said is only said of lists and objects; a list of values says enough.
                return schema.enumeration.is_none()
                    && schema.constant.is_none()
                    && schema.always != Some(false);
            }
            all.any(|id| many(schemas, *id, left))
        }
    }
}

fn told((style, explode): (Style, bool)) -> String {
    let name = match style {
        Style::Matrix => "matrix",
        Style::Label => "label",
        Style::Simple => "simple",
        Style::Form => "form",
        Style::SpaceDelimited => "spaceDelimited",
        Style::TabDelimited => "tabs",
        Style::PipeDelimited => "pipeDelimited",
        Style::DeepObject => "deepObject",
        Style::Cookie => "cookie",
    };
    format!("`{name}`{}", if explode { ", exploded" } else { "" })
}

fn part(parameter: &Parameter) -> String {
    let place = match parameter.place {
        ParameterPlace::Path => "path",
        ParameterPlace::Query => "query",
        ParameterPlace::QueryString => "query string",
        ParameterPlace::Header => "header",
        ParameterPlace::Cookie => "cookie",
    };
    format!("{place} parameter `{}`", parameter.name)
}
