//! Media types of bodies: which are declared, and which of them are streams.

use super::Stream;
use super::loading::{Loading, Unusable};
use super::trail::At;

/// The media types of a `content` mapping.
#[derive(Debug, Default)]
pub(super) struct Content {
    pub(super) media_types: Vec<Box<str>>,
    pub(super) stream: Option<Stream>,
}

impl Content {
    /// Reads the `content` of a request body or response, if it has one.
    pub(super) fn read<'t>(loading: &mut Loading<'t>, at: &At<'t, '_>) -> Result<Self, Unusable> {
        let mut content = Self::default();
        let Some(list) = at.given("content") else { return Ok(content) };
        let Some(entries) = list.entries() else {
            loading.error(&list, format!("expected media types, found {}", list.node.describe()));
            return Err(Unusable);
        };
        for (key, at) in entries {
            if key.text.starts_with("x-") && !key.text.contains('/') {
                continue;
            }
            loading.spend(key.text.len())?;
            let at = loading.follow(at)?;
            content.push(&key.text);
            // OpenAPI 3.2, "Media Type Object": the schema of each item makes the media type a sequential one.
            if at.node.get("itemSchema").is_some() {
                content.stream = content.stream.max(Some(Stream::Sequence));
            }
        }
        Ok(content)
    }

    /// Reads a list of media types as 2.0 has it: `consumes` or `produces`, of the operation or else of the root.
    pub(super) fn list<'t>(
        loading: &mut Loading<'t>,
        operation: &At<'t, '_>,
        key: &str,
    ) -> Result<Self, Unusable> {
        let root = loading.root;
        let mut content = Self::default();
        let Some(list) = operation.given(key).or_else(|| root.given(key)) else { return Ok(content) };
        let Some(texts) = loading.texts(list.node)? else {
            loading.error(&list, format!("expected a list of media types, found {}", list.node.describe()));
            return Err(Unusable);
        };
        texts.iter().for_each(|text| content.push(text));
        Ok(content)
    }

    fn push(&mut self, media_type: &str) {
        self.stream = self.stream.max(stream(media_type));
        self.media_types.push(media_type.into());
    }
}

/// What kind of stream a media type is.
fn stream(media_type: &str) -> Option<Stream> {
    let essence = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
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
