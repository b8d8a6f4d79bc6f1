//! The parameters of paths and operations.

use std::borrow::Cow;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use foldhash::fast::RandomState;

use super::loading::{Loading, Unusable, text_of};
use super::schemas::{self, Form};
use super::trail::At;
use super::{Dialect, Parameter, ParameterPlace, messages};
use crate::schema::SchemaId;
use crate::source::{Node, Span};
use crate::template::Template;

/// What one entry of a `parameters` list declares.
#[derive(Clone, Debug)]
pub(super) enum Declared {
    Parameter(Arc<Parameter>),
    /// 2.0: the body, or a field of a form.
    Body(Arc<BodyPart>),
    /// One without a name: no request can have it.
    Nameless,
}

/// What 2.0 declares of a body among the parameters.
#[derive(Debug)]
pub(super) struct BodyPart {
    /// Of a field of a form.
    pub(super) name: Option<Box<str>>,
    pub(super) is_required: bool,
    pub(super) kind: BodyKind,
    pub(super) schema: Option<SchemaId>,
    pub(super) span: Span,
}

/// Of several parts, the last in this order decides the media type where the document says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum BodyKind {
    Whole,
    Field,
    File,
}

/// Reads a `parameters` list. All its faults are noted before it is refused.
pub(super) fn read<'t>(loading: &mut Loading<'t>, at: &At<'t, '_>) -> Result<Vec<Declared>, Unusable> {
    let Some(items) = at.items() else {
        loading.error(at, format!("expected a list of parameters, found {}", at.node.describe()));
        return Err(Unusable);
    };
    let mut declared = Ok(Vec::new());
    for at in items {
        loading.spend(0)?;
        match (one(loading, at), &mut declared) {
            (Ok(parameter), Ok(list)) => list.push(parameter),
            (Err(Unusable), declared) => *declared = Err(Unusable),
            (Ok(_), Err(Unusable)) => {}
        }
    }
    declared
}

fn one<'t>(loading: &mut Loading<'t>, at: At<'t, '_>) -> Result<Declared, Unusable> {
    let at = loading.follow(at)?;
    if let Some(known) = loading.parameters.get(&at.identity()) {
        return known.clone();
    }
    let declared = declaration(loading, &at);
    loading.parameters.insert(at.identity(), declared.clone());
    declared
}

fn declaration<'t>(loading: &mut Loading<'t>, at: &At<'t, '_>) -> Result<Declared, Unusable> {
    let is_2_0 = loading.dialect == Dialect::V2_0;
    let text = |key: &str| at.node.get(key).and_then(text_of);
    let is_required = flag(loading, at, "required");
    let Some(stated) = text("in") else {
        loading.error(at, "expected a parameter with a `name` and `in`");
        return Err(Unusable);
    };
    let place = match &*stated {
        "path" => ParameterPlace::Path,
        "query" => ParameterPlace::Query,
        "header" => ParameterPlace::Header,
        "cookie" if !is_2_0 => ParameterPlace::Cookie,
        "querystring" if loading.dialect >= Dialect::V3_2 => ParameterPlace::QueryString,
        "body" if is_2_0 => return body_part(loading, at, BodyKind::Whole, is_required),
        "formData" if is_2_0 => {
            let is_file = text("type").as_deref() == Some("file");
            let kind = if is_file { BodyKind::File } else { BodyKind::Field };
            return body_part(loading, at, kind, is_required);
        }
        other => {
            let message = format!("`in: {other}` is no place for a parameter in OpenAPI {}", loading.dialect);
            loading.error(at, message);
            return Err(Unusable);
        }
    };
    let Some(name) = text("name") else {
        loading.error(at, "expected a parameter with a `name` and `in`");
        return Err(Unusable);
    };
    if name.is_empty() {
        loading.warn(at, "has an empty name, which no request can carry: not read");
        return Ok(Declared::Nameless);
    }
    let is_required = is_required || place == ParameterPlace::Path;
    loading.spend_bytes(name.len())?;
    Ok(Declared::Parameter(Arc::new(Parameter {
        name,
        place,
        is_required,
        is_deprecated: at.node.get("deprecated").and_then(Node::as_bool).unwrap_or(false),
        value: messages::value(loading, at, place)?,
        examples: messages::examples(loading, at)?,
        span: at.node.span,
    })))
}

/// 2.0: the body, or a field of a form.
fn body_part<'t>(
    loading: &mut Loading<'t>,
    at: &At<'t, '_>,
    kind: BodyKind,
    is_required: bool,
) -> Result<Declared, Unusable> {
    let (name, schema) = match kind {
        BodyKind::Whole => match at.given("schema") {
            Some(schema) => (None, Some(schemas::read(loading, &schema, Form::Schema)?)),
            None => (None, None),
        },
        BodyKind::Field | BodyKind::File => {
            (messages::name(at), Some(schemas::read(loading, at, Form::Parameter)?))
        }
    };
    Ok(Declared::Body(Arc::new(BodyPart { name, is_required, kind, schema, span: at.node.span })))
}

/// A `true` or `false`; false when it is not there, and with a warning when it is something else.
pub(super) fn flag(loading: &mut Loading<'_>, at: &At<'_, '_>, key: &str) -> bool {
    let Some(at) = at.get(key) else { return false };
    let value = at.node.as_bool();
    if value.is_none() {
        loading.warn(&at, format!("expected `true` or `false`, found {}", at.node.describe()));
    }
    value.unwrap_or(false)
}

/// An operation's own parameters and those of its path that it does not replace.
pub(super) fn merge<'t>(
    loading: &mut Loading<'t>,
    operation: &At<'t, '_>,
    own: Vec<Declared>,
    of_path: &[Declared],
) -> (Vec<Arc<Parameter>>, Vec<Arc<BodyPart>>) {
    let mut parameters = Vec::new();
    let mut body = Vec::new();
    let mut seen: HashMap<(ParameterPlace, Cow<'_, str>), &Arc<Parameter>, RandomState> = HashMap::default();
    for declared in &own {
        match declared {
            Declared::Parameter(parameter) => {
                let known = *seen.entry(key(parameter)).or_insert(parameter);
                let is_first = std::ptr::eq(known, parameter);
                if !is_first {
                    loading.warn(operation, format!("the parameter `{}` is declared twice", parameter.name));
                }
                // Neither declaration is dropped: the contract is held to both, or has a gap.
                if is_first || !Arc::ptr_eq(known, parameter) {
                    parameters.push(Arc::clone(parameter));
                }
            }
            Declared::Body(part) => body.push(Arc::clone(part)),
            Declared::Nameless => {}
        }
    }
    let has_body = !body.is_empty();
    for declared in of_path {
        match declared {
            Declared::Parameter(parameter) => {
                if let Entry::Vacant(free) = seen.entry(key(parameter)) {
                    free.insert(parameter);
                    parameters.push(Arc::clone(parameter));
                }
            }
            Declared::Body(part) if !has_body => body.push(Arc::clone(part)),
            Declared::Body(_) | Declared::Nameless => {}
        }
    }
    (parameters, body)
}

/// What tells parameters apart. Names of fields have no case (RFC 9110 §5.1).
fn key(parameter: &Parameter) -> (ParameterPlace, Cow<'_, str>) {
    let name = match parameter.place {
        ParameterPlace::Header => Cow::Owned(parameter.name.to_ascii_lowercase()),
        ParameterPlace::Path
        | ParameterPlace::Query
        | ParameterPlace::QueryString
        | ParameterPlace::Cookie => Cow::Borrowed(&*parameter.name),
    };
    (parameter.place, name)
}

/// Notes where a template and the parameters in the path do not agree. Requests are found all the same.
pub(super) fn compare<'t>(
    loading: &mut Loading<'t>,
    operation: &At<'t, '_>,
    template: &Template,
    parameters: &[Arc<Parameter>],
) {
    let in_path = || parameters.iter().filter(|parameter| parameter.place == ParameterPlace::Path);
    // A template's names are few; a list of parameters need not be.
    for name in template.parameters() {
        if !in_path().any(|parameter| parameter.name == *name) {
            loading.warn(operation, format!("the template's parameter `{name}` is not declared"));
        }
    }
    for parameter in in_path() {
        if !template.parameters().contains(&parameter.name) {
            let message = format!("the parameter `{}` does not stand in the template", parameter.name);
            loading.warn(operation, message);
        }
    }
}
