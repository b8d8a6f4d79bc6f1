//! One operation: what it asks for, takes and answers.

use std::sync::Arc;

use http::Method;

use super::loading::{Loading, Unusable};
use super::media::Content;
use super::parameters::{self, BodyKind, BodyPart};
use super::paths::PathItem;
use super::trail::At;
use super::{Body, Dialect, Operation, Settings, Severity, Stream, security, strays};
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
    let responses = responses(loading, at);
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
        Dialect::V2_0 => (form(loading, at, &parts)?, None),
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
    let body = Body { is_required, media_types: content.media_types, span: at.node.span };
    Ok((Some(body), content.stream))
}

/// The body of 2.0: what the parameters say of it, and `consumes`.
fn form<'t>(
    loading: &mut Loading<'t>,
    at: &At<'t, '_>,
    parts: &[BodyPart],
) -> Result<Option<Body>, Unusable> {
    let Some(first) = parts.first() else { return Ok(None) };
    let mut media_types = Content::list(loading, at, "consumes")?.media_types;
    if media_types.is_empty() {
        match parts.iter().map(|part| part.kind).max() {
            Some(BodyKind::File) => media_types.push("multipart/form-data".into()),
            Some(BodyKind::Field) => media_types.push("application/x-www-form-urlencoded".into()),
            Some(BodyKind::Whole) | None => {}
        }
    }
    let is_required = parts.iter().any(|part| part.is_required);
    Ok(Some(Body { is_required, media_types, span: first.span }))
}

#[derive(Default)]
struct Responses {
    stream: Option<Stream>,
    settings: Vec<(Box<str>, Arc<Settings>)>,
}

fn responses<'t>(loading: &mut Loading<'t>, at: &At<'t, '_>) -> Result<Responses, Unusable> {
    let mut responses = Responses::default();
    if loading.dialect == Dialect::V2_0 {
        responses.stream = Content::list(loading, at, "produces")?.stream;
    }
    let Some(list) = at.given("responses") else { return Ok(responses) };
    let Some(entries) = list.entries() else {
        loading.error(&list, format!("expected responses by status, found {}", list.node.describe()));
        return Err(Unusable);
    };
    for (key, at) in entries {
        if key.text.starts_with("x-") {
            continue;
        }
        loading.spend(key.text.len())?;
        let at = loading.follow(at)?;
        if loading.dialect != Dialect::V2_0 {
            responses.stream = responses.stream.max(Content::read(loading, &at)?.stream);
        }
        if let Some(settings) = loading.settings(&at) {
            responses.settings.push((key.text.clone(), settings));
        }
    }
    Ok(responses)
}
