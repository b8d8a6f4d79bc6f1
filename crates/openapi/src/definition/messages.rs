//! Reads the parts of messages: the values of parameters and fields, examples, responses.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;

use super::loading::{Loading, Unusable, text_of};
use super::media::Content;
use super::parameters::flag;
use super::schemas::{self, Form};
use super::trail::At;
use super::{Dialect, Example, Header, ParameterPlace, ParameterValue, Style};
use crate::schema::{CollectionFormat, Place, Schema};

/// What was read already, by the identity of its node: documents share them by the thousand.
#[derive(Default)]
pub(super) struct Messages {
    pub(super) content: HashMap<usize, Result<Content, Unusable>, RandomState>,
    headers: HashMap<usize, Result<Arc<[Header]>, Unusable>, RandomState>,
}

/// What a parameter or field carries.
pub(super) fn value<'t>(
    loading: &mut Loading<'t>,
    at: &At<'t, '_>,
    place: ParameterPlace,
) -> Result<ParameterValue, Unusable> {
    if loading.is_2_0() {
        return value_of_2_0(loading, at, place);
    }
    if at.given("content").is_some() {
        let content = Content::read(loading, at)?;
        if content.types.len() > 1 {
            loading.warn(at, "has several media types; the first counts");
        }
        let Some(first) = content.types.first() else {
            loading.error(at, "has a `content` without a media type");
            return Err(Unusable);
        };
        return Ok(ParameterValue::Content {
            media_type: first.range.clone(),
            schema: first.schema,
            encoding: first.encoding.clone(),
        });
    }
    let schema = match at.given("schema") {
        Some(schema) => schemas::read(loading, &schema, Form::Schema)?,
        None => anything(loading, at)?,
    };
    let (style, explode) = style(loading, at, place)?;
    Ok(ParameterValue::Schema {
        schema,
        style,
        explode: at.node.get("explode").and_then(crate::source::Node::as_bool).unwrap_or(explode),
        allow_reserved: flag(loading, at, "allowReserved"),
        allow_empty: flag(loading, at, "allowEmptyValue"),
    })
}

/// The style that is written, or that a place has, and whether it explodes by itself.
fn style(
    loading: &mut Loading<'_>,
    at: &At<'_, '_>,
    place: ParameterPlace,
) -> Result<(Style, bool), Unusable> {
    if let Some(stated) = at.given("style") {
        let known = stated.node.as_str().and_then(Style::named);
        let known = known.filter(|(style, _)| *style != Style::Cookie || loading.dialect >= Dialect::V3_2);
        return known.ok_or_else(|| {
            let message =
                format!("expected a style of OpenAPI {}, found {}", loading.dialect, stated.node.describe());
            loading.error(&stated, message);
            Unusable
        });
    }
    Ok(match place {
        ParameterPlace::Path | ParameterPlace::Header => (Style::Simple, false),
        ParameterPlace::Query | ParameterPlace::QueryString | ParameterPlace::Cookie => (Style::Form, true),
    })
}

/// In 2.0 a parameter is its own schema.
fn value_of_2_0<'t>(
    loading: &mut Loading<'t>,
    at: &At<'t, '_>,
    place: ParameterPlace,
) -> Result<ParameterValue, Unusable> {
    let schema = schemas::read(loading, at, Form::Parameter)?;
    let (style, explode) = style_of(loading.graph.collection_format(schema), place);
    let allow_empty = flag(loading, at, "allowEmptyValue");
    Ok(ParameterValue::Schema { schema, style, explode, allow_reserved: false, allow_empty })
}

/// The style that a `collectionFormat` of 2.0 is called today.
pub(super) fn style_of(format: Option<CollectionFormat>, place: ParameterPlace) -> (Style, bool) {
    let is_pair =
        matches!(place, ParameterPlace::Query | ParameterPlace::QueryString | ParameterPlace::Cookie);
    match format {
        None | Some(CollectionFormat::Csv) if is_pair => (Style::Form, false),
        None | Some(CollectionFormat::Csv) => (Style::Simple, false),
        Some(CollectionFormat::Ssv) => (Style::SpaceDelimited, false),
        Some(CollectionFormat::Tsv) => (Style::TabDelimited, false),
        Some(CollectionFormat::Pipes) => (Style::PipeDelimited, false),
        Some(CollectionFormat::Multi) => (Style::Form, true),
    }
}

/// A schema for what the document says nothing about.
fn anything(loading: &mut Loading<'_>, at: &At<'_, '_>) -> Result<crate::schema::SchemaId, Unusable> {
    let schema = Schema { span: at.node.span, place: Place::Root(at.pointer()), ..Schema::EMPTY };
    schemas::add(loading, schema)
}

/// The `headers` of a response or part.
pub(super) fn headers<'t>(loading: &mut Loading<'t>, at: &At<'t, '_>) -> Result<Arc<[Header]>, Unusable> {
    let Some(list) = at.given("headers") else { return Ok(Arc::from([])) };
    if let Some(known) = loading.messages.headers.get(&list.identity()) {
        return known.clone();
    }
    let headers = listed_headers(loading, &list);
    loading.messages.headers.insert(list.identity(), headers.clone());
    headers
}

fn listed_headers<'t>(loading: &mut Loading<'t>, list: &At<'t, '_>) -> Result<Arc<[Header]>, Unusable> {
    let Some(entries) = list.entries() else {
        loading.error(list, format!("expected fields by name, found {}", list.node.describe()));
        return Err(Unusable);
    };
    let mut headers = Vec::new();
    for (key, at) in entries {
        if key.text.starts_with("x-") && at.node.as_mapping().is_none() {
            continue;
        }
        loading.spend(key.text.len())?;
        let at = loading.follow(at)?;
        if at.node.as_mapping().is_none() {
            loading.error(&at, format!("expected a field, found {}", at.node.describe()));
            return Err(Unusable);
        }
        let is_required = flag(loading, &at, "required");
        let value = value(loading, &at, ParameterPlace::Header)?;
        headers.push(Header { name: key.text.clone(), is_required, value, span: at.node.span });
    }
    Ok(headers.into())
}

/// The `example` and `examples` of a parameter or media type.
pub(super) fn examples<'t>(loading: &mut Loading<'t>, at: &At<'t, '_>) -> Result<Vec<Example>, Unusable> {
    let mut examples = Vec::new();
    if let Some(at) = at.get("example") {
        examples.push(Example { name: None, value: schemas::example(loading, &at)? });
    }
    for (key, child) in at.given("examples").iter().flat_map(At::entries).flatten() {
        // A reference that leads nowhere is an example less.
        let target = match loading.target(&child) {
            Ok(None) => child,
            Ok(Some(target)) => target,
            Err(finding) => {
                loading.note(super::Severity::Warning, finding);
                continue;
            }
        };
        if let Some(value) = target.get("value").or_else(|| target.get("dataValue")) {
            let name = Some(key.text.clone());
            loading.spend(key.text.len())?;
            examples.push(Example { name, value: schemas::example(loading, &value)? });
        }
    }
    Ok(examples)
}

/// The `examples` of a response in 2.0, by media type.
pub(super) fn example_of_2_0<'t>(
    loading: &mut Loading<'t>,
    at: &At<'t, '_>,
    media_type: &str,
) -> Result<Vec<Example>, Unusable> {
    let Some(list) = at.given("examples") else { return Ok(Vec::new()) };
    let Some(at) = list.get(media_type) else { return Ok(Vec::new()) };
    Ok(vec![Example { name: None, value: schemas::example(loading, &at)? }])
}

/// The name of a parameter or of a field of a form.
pub(super) fn name(at: &At<'_, '_>) -> Option<Box<str>> {
    at.node.get("name").and_then(text_of)
}
