//! The responses an operation documents.

use std::sync::Arc;

use super::loading::{Loading, Unusable};
use super::media::{self, Content};
use super::schemas::{self, Form};
use super::trail::At;
use super::{MediaType, Response, Settings, Status, Stream, messages};

/// What an operation answers.
#[derive(Default)]
pub(super) struct Responses {
    pub(super) list: Vec<Response>,
    pub(super) stream: Option<Stream>,
    pub(super) settings: Vec<(Box<str>, Arc<Settings>)>,
}

/// Reads the `responses` of an operation.
pub(super) fn read<'t>(loading: &mut Loading<'t>, at: &At<'t, '_>) -> Result<Responses, Unusable> {
    let mut responses = Responses::default();
    let mut produces = Vec::new();
    if loading.is_2_0() {
        produces = media::list(loading, at, "produces")?;
        responses.stream = produces.iter().filter_map(|range| media::stream(range)).max();
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
        let headers = messages::headers(loading, &at)?;
        let content = if loading.is_2_0() {
            content_of_2_0(loading, &at, &produces)?
        } else {
            let content = Content::read(loading, &at)?;
            responses.stream = responses.stream.max(content.stream);
            content.types
        };
        let settings = loading.settings(&at);
        if let Some(settings) = &settings {
            responses.settings.push((key.text.clone(), Arc::clone(settings)));
        }
        match Status::parse(&key.text) {
            Some(status) => {
                responses.list.push(Response { status, headers, content, settings, span: at.node.span });
            }
            None => loading.warn(&at, format!("`{}` is no status: the response is not read", key.text)),
        }
    }
    Ok(responses)
}

/// 2.0: a schema for whatever `produces` says. Without that the field's habit counts: JSON.
fn content_of_2_0<'t>(
    loading: &mut Loading<'t>,
    at: &At<'t, '_>,
    produces: &[Box<str>],
) -> Result<Arc<[MediaType]>, Unusable> {
    let Some(schema) = at.given("schema") else { return Ok(Arc::from([])) };
    let schema = schemas::read(loading, &schema, Form::Schema)?;
    let json: [Box<str>; 1] = ["application/json".into()];
    let ranges = if produces.is_empty() { &json } else { produces };
    let mut types = Vec::new();
    for range in ranges {
        loading.spend(range.len())?;
        let examples = messages::example_of_2_0(loading, at, range)?;
        types.push(MediaType { examples, ..MediaType::new(range.clone(), Some(schema), at.node.span) });
    }
    Ok(types.into())
}
