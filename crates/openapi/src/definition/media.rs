//! Media types of bodies: which are declared, what holds for them, and which of them are streams.

use std::sync::Arc;

use super::loading::{Loading, Unusable};
use super::messages;
use super::parameters::flag;
use super::schemas::{self, Form};
use super::trail::At;
use super::{Encoding, MediaType, Stream, Style};
use crate::media_type::essence;
use crate::source::Node;

/// The media types of a `content` mapping.
#[derive(Clone, Debug)]
pub(super) struct Content {
    pub(super) types: Arc<[MediaType]>,
    pub(super) stream: Option<Stream>,
}

impl Content {
    /// Reads the `content` of a request body, response or parameter, if it has one.
    pub(super) fn read<'t>(loading: &mut Loading<'t>, at: &At<'t, '_>) -> Result<Self, Unusable> {
        let Some(list) = at.given("content") else { return Ok(Self { types: Arc::from([]), stream: None }) };
        if let Some(known) = loading.messages.content.get(&list.identity()) {
            return known.clone();
        }
        let content = Self::of(loading, &list);
        loading.messages.content.insert(list.identity(), content.clone());
        content
    }

    fn of<'t>(loading: &mut Loading<'t>, list: &At<'t, '_>) -> Result<Self, Unusable> {
        let Some(entries) = list.entries() else {
            loading.error(list, format!("expected media types, found {}", list.node.describe()));
            return Err(Unusable);
        };
        let (mut types, mut kind) = (Vec::new(), None);
        for (key, at) in entries {
            if key.text.starts_with("x-") && !key.text.contains('/') {
                continue;
            }
            loading.spend(key.text.len())?;
            let at = loading.follow(at)?;
            let media_type = media_type(loading, &key.text, &at)?;
            kind = kind.max(stream(&key.text));
            // OpenAPI 3.2, "Media Type Object": the schema of each item makes the media type a sequential one.
            if media_type.item_schema.is_some() {
                kind = kind.max(Some(Stream::Sequence));
            }
            types.push(media_type);
        }
        Ok(Self { types: types.into(), stream: kind })
    }
}

fn media_type<'t>(loading: &mut Loading<'t>, range: &str, at: &At<'t, '_>) -> Result<MediaType, Unusable> {
    let schema_of = |loading: &mut Loading<'t>, key: &str| match at.given(key) {
        Some(schema) => schemas::read(loading, &schema, Form::Schema).map(Some),
        None => Ok(None),
    };
    let schema = schema_of(loading, "schema")?;
    let item_schema = schema_of(loading, "itemSchema")?;
    let examples = messages::examples(loading, at)?;
    let mut media_type =
        MediaType { item_schema, examples, ..MediaType::new(range.into(), schema, at.node.span) };
    if let Some(list) = at.given("encoding") {
        let Some(entries) = list.entries() else {
            loading.error(&list, format!("expected encodings by property, found {}", list.node.describe()));
            return Err(Unusable);
        };
        for (key, at) in entries {
            media_type.encoding.push(encoding(loading, &key.text, &at)?);
        }
    }
    for item in at.given("prefixEncoding").iter().flat_map(At::items).flatten() {
        media_type.prefix_encoding.push(encoding(loading, "", &item)?);
    }
    if let Some(item) = at.given("itemEncoding") {
        media_type.item_encoding = Some(Box::new(encoding(loading, "", &item)?));
    }
    Ok(media_type)
}

fn encoding<'t>(loading: &mut Loading<'t>, property: &str, at: &At<'t, '_>) -> Result<Encoding, Unusable> {
    loading.spend(property.len())?;
    if at.node.as_mapping().is_none() {
        loading.error(at, format!("expected an encoding, found {}", at.node.describe()));
        return Err(Unusable);
    }
    let style = match at.given("style") {
        Some(stated) => match stated.node.as_str().and_then(Style::named) {
            Some((style, _)) => Some(style),
            None => {
                loading.error(&stated, format!("expected a style, found {}", stated.node.describe()));
                return Err(Unusable);
            }
        },
        None => None,
    };
    let content_type = match at.node.get("contentType") {
        Some(node) => loading.text(node)?,
        None => None,
    };
    Ok(Encoding {
        property: property.into(),
        content_type,
        headers: messages::headers(loading, at)?.to_vec(),
        style,
        explode: at.node.get("explode").and_then(Node::as_bool),
        allow_reserved: flag(loading, at, "allowReserved"),
        is_nested: ["encoding", "prefixEncoding", "itemEncoding"].iter().any(|key| at.given(key).is_some()),
        span: at.node.span,
    })
}

/// Reads a list of media types as 2.0 has it: `consumes` or `produces`, of the operation or else of the root.
pub(super) fn list<'t>(
    loading: &mut Loading<'t>,
    operation: &At<'t, '_>,
    key: &str,
) -> Result<Vec<Box<str>>, Unusable> {
    let root = loading.root;
    let Some(list) = operation.given(key).or_else(|| root.given(key)) else { return Ok(Vec::new()) };
    let texts = loading.texts(list.node)?;
    if texts.is_none() {
        loading.error(&list, format!("expected a list of media types, found {}", list.node.describe()));
    }
    texts.ok_or(Unusable)
}

/// What kind of stream a media type is.
pub(super) fn stream(media_type: &str) -> Option<Stream> {
    let essence = essence(media_type);
    match &*essence {
        "text/event-stream" => Some(Stream::Events),
        "application/x-ndjson"
        | "application/ndjson"
        | "application/jsonl"
        | "application/x-jsonl"
        | "application/jsonlines"
        | "application/x-jsonlines"
        | "application/json-seq"
        | "multipart/x-mixed-replace" => Some(Stream::Sequence),
        other if other.ends_with("+json-seq") => Some(Stream::Sequence),
        other if other == "application/grpc" || other.starts_with("application/grpc+") => Some(Stream::Grpc),
        _ => None,
    }
}
