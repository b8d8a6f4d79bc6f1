//! One operation: what it asks for, takes and answers.

use std::sync::Arc;

use http::Method;

use super::loading::{Loading, Unusable};
use super::media::{self, Content};
use super::parameters::{self, BodyKind, BodyPart};
use super::paths::PathItem;
use super::trail::At;
use super::{
    Body, Dialect, Encoding, MediaType, Operation, ParameterPlace, Severity, Stream, messages, responses,
    schemas, security, strays,
};
use crate::media_type::essence;
use crate::schema::{ObjectRules, Place, Property, Schema, SchemaId, Type};
use crate::source::Key;

/// Reads an operation of a path. All its faults are noted before it is refused.
pub(super) fn read<'t>(
    loading: &mut Loading<'t>,
    item: &PathItem,
    method: Method,
    key: &Key,
    at: &At<'t, '_>,
) -> Result<Operation, Unusable> {
    // Template and pointer are kept with each operation.
    loading.spend_operation(item.template.as_str().len().saturating_mul(2))?;
    if at.node.as_mapping().is_none() {
        loading.error(at, format!("expected an operation, found {}", at.node.describe()));
        return Err(Unusable);
    }
    if at.node.get("$ref").is_some() {
        // What it leads to would be left out without a word: OpenAPI has no references here, in any version.
        let finding = loading.finding_at(key.span, at, "an operation cannot be a reference");
        let hint = "write the operation here, or refer to a path item: `$ref` beside the methods";
        return Err(loading.note(Severity::Error, finding.with_hint(hint)));
    }
    let security = match at.get("security") {
        Some(at) => security::read(loading, &at).map(Arc::new),
        None => Ok(Arc::clone(&loading.security)),
    };
    let own = at.given("parameters").map_or(Ok(Vec::new()), |list| parameters::read(loading, &list));
    let body = body(loading, at);
    let responses = responses::read(loading, at);
    let tags = tags(loading, at);
    let known = strays::unknown_keys(loading, at, strays::OPERATION);
    let settings = loading.settings(at);
    let is_deprecated = parameters::flag(loading, at, "deprecated");
    if let Some(servers) = at.given("servers") {
        loading.warn(&servers, "is not used: the API's `base_path` holds for all its operations");
    }
    let of_path = item.parameters.as_deref().map_err(|Unusable| Unusable);
    let (parameters, parts) = parameters::merge(loading, at, own?, of_path?);
    parameters::compare(loading, at, &item.template, &parameters);
    let (body, stream) = match loading.dialect {
        Dialect::V2_0 => (body_of_2_0(loading, at, &parts)?, None),
        Dialect::V3_0 | Dialect::V3_1 | Dialect::V3_2 => body?,
    };
    let responses = responses?;
    known?;
    let id = at.node.get("operationId").map_or(Ok(None), |id| loading.text(id))?;
    Ok(Operation {
        method,
        template: item.template.clone(),
        id: id.filter(|id| !id.is_empty()),
        tags: tags?,
        span: key.span,
        pointer: at.pointer(),
        is_deprecated,
        security: security?,
        parameters,
        body,
        stream: stream.max(responses.stream),
        path_settings: item.settings.clone(),
        settings,
        responses: responses.list,
        response_settings: responses.settings,
    })
}

fn tags(loading: &mut Loading<'_>, at: &At<'_, '_>) -> Result<Vec<Box<str>>, Unusable> {
    let Some(list) = at.given("tags") else { return Ok(Vec::new()) };
    let tags = loading.texts(list.node)?;
    if tags.is_none() {
        loading.error(&list, format!("expected a list of tag names, found {}", list.node.describe()));
    }
    tags.ok_or(Unusable)
}

/// The `requestBody` of 3.x.
fn body<'t>(loading: &mut Loading<'t>, at: &At<'t, '_>) -> Result<(Option<Body>, Option<Stream>), Unusable> {
    let Some(at) = at.get("requestBody") else { return Ok((None, None)) };
    if loading.dialect == Dialect::V2_0 {
        loading.warn(&at, "is not known to OpenAPI 2.0 and not read");
        return Ok((None, None));
    }
    let at = loading.follow(at)?;
    if at.node.as_mapping().is_none() {
        loading.error(&at, format!("expected a request body, found {}", at.node.describe()));
        return Err(Unusable);
    }
    let is_required = parameters::flag(loading, &at, "required");
    let content = Content::read(loading, &at)?;
    let body = Body { is_required, content: content.types, span: at.node.span };
    Ok((Some(body), content.stream))
}

/// The body of 2.0: what the parameters say of it, and `consumes`.
fn body_of_2_0<'t>(
    loading: &mut Loading<'t>,
    at: &At<'t, '_>,
    parts: &[Arc<BodyPart>],
) -> Result<Option<Body>, Unusable> {
    let Some(first) = parts.first() else { return Ok(None) };
    let mut ranges = media::list(loading, at, "consumes")?;
    let kind = parts.iter().map(|part| part.kind).max();
    let (schema, encoding) = if kind == Some(BodyKind::Whole) {
        (first.schema, Vec::new())
    } else {
        // Fields travel in a form, whatever else the document's `consumes` lists for all operations.
        ranges.retain(|range| is_form(range));
        let (schema, encoding) = form(loading, at, parts)?;
        (Some(schema), encoding)
    };
    if ranges.is_empty() {
        ranges.push(match kind {
            Some(BodyKind::File) => "multipart/form-data".into(),
            Some(BodyKind::Field) => "application/x-www-form-urlencoded".into(),
            // 2.0 does not say what a body is then; whoever wrote such a document meant this.
            Some(BodyKind::Whole) | None => "application/json".into(),
        });
    }
    let mut content = Vec::new();
    for range in ranges {
        loading.spend(range.len())?;
        content.push(MediaType { encoding: encoding.clone(), ..MediaType::new(range, schema, first.span) });
    }
    let is_required = parts.iter().any(|part| part.is_required);
    Ok(Some(Body { is_required, content: content.into(), span: first.span }))
}

fn is_form(range: &str) -> bool {
    matches!(&*essence(range), "application/x-www-form-urlencoded" | "multipart/form-data")
}

/// The fields of a form as the properties of an object.
fn form(
    loading: &mut Loading<'_>,
    at: &At<'_, '_>,
    parts: &[Arc<BodyPart>],
) -> Result<(SchemaId, Vec<Encoding>), Unusable> {
    let mut rules = ObjectRules::default();
    let mut encoding = Vec::new();
    for part in parts {
        let (Some(name), Some(schema)) = (&part.name, part.schema) else { continue };
        loading.spend(name.len())?;
        rules.properties.push(Property { name: name.clone(), schema });
        if part.is_required {
            rules.required.push(name.clone());
        }
        let format = loading.graph.collection_format(schema);
        if format.is_some() || loading.graph.is_list(schema) {
            let (style, explode) = messages::style_of(format, ParameterPlace::Query);
            encoding.push(Encoding {
                property: name.clone(),
                content_type: None,
                headers: Vec::new(),
                style: Some(style),
                explode: Some(explode),
                allow_reserved: false,
                is_nested: false,
                span: part.span,
            });
        }
    }
    let schema = Schema {
        span: at.node.span,
        place: Place::Root(at.pointer()),
        types: Some(Type::Object.into()),
        object: Some(Box::new(rules)),
        ..Schema::EMPTY
    };
    Ok((schemas::add(loading, schema)?, encoding))
}
