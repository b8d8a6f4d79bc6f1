//! Answers of an operation without a backend: what its definition gives as examples, else values made from its schemas.
//!
//! Which response it is, a caller may wish for by `Prefer` (RFC 7240), in the words of Prism: `code=404`, `example=name`,
//! `dynamic=true`. Without a wish it is the first success that is documented; its media type is the one of `Accept`; its
//! body the first example, else what examples and defaults of its schemas give, else what is made.
//!
//! What is made depends on the seed and on what was asked, and on nothing else: the same request has the same answer, on
//! every machine. **It leaves only when the contract's own reader and engine take it** for a response of its schema; what
//! cannot be made is a [`Fault`] that says why. Examples go as somebody wrote them.
//!
//! # Limits
//! [`instance::Bounds`] of what is made, [`ATTEMPTS`] values tried. Wishes and `Accept` are read as far as
//! a few dozen elements.
//!
//! # Threats
//! The definition is somebody else's text, and so are the fields of a request. Fields of an answer are made of visible
//! ASCII alone, and never one that frames the message.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use crate::definition::{Definition, Example, Header, MediaType, ParameterValue, Status};
use crate::difference::slice;
use crate::engine::{Key, Validators};
use crate::instance::{self, Manner};
use crate::media_type::{essence, is_token};
use crate::schema::emit::{Closing, Emitter, Lens};
use crate::schema::{Direction, SchemaId};
use crate::source::Finding;
use crate::value::{self, Limits};

mod wish;

pub use wish::{Accept, Wish};

/// Values that are made and judged before an answer is given up.
pub const ATTEMPTS: u64 = 12;

/// The operations of one definition that are answered from it.
#[derive(Debug)]
pub struct Mock {
    /// What values are made from.
    schemas: Value,
    validators: Validators,
    operations: BTreeMap<usize, Vec<Response>>,
}

/// An answer.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Its fields, `Content-Type` among them.
    pub fields: Vec<(Box<str>, String)>,
    /// Its body; nothing where the response has none.
    pub body: Option<Vec<u8>>,
    /// Which wishes were met, as `Preference-Applied` says.
    pub applied: Option<String>,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The wish is for what the definition does not have.
    NotDefined(String),
    /// No media type of the response is accepted.
    NotAcceptable,
    /// A value that the schema takes could not be made.
    NotMade(String),
}

#[derive(Debug)]
struct Response {
    status: Status,
    fields: Vec<Field>,
    contents: Vec<Content>,
}

#[derive(Debug)]
struct Field {
    name: Box<str>,
    schema: SchemaId,
}

#[derive(Debug)]
struct Content {
    /// A media type that falls under what is declared.
    media_type: Box<str>,
    form: Form,
    examples: Vec<(Option<Box<str>>, Arc<str>)>,
    /// The schema, and what a made value is judged by.
    schema: Option<(SchemaId, Key)>,
}

/// How a value is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Json,
    /// A text as it is; another value as JSON.
    Text,
    /// Only examples that are texts.
    Other,
}

impl Mock {
    /// Makes the operations ready that `is_mocked` names by their index.
    ///
    /// # Errors
    /// When the schemas of their responses do not compile.
    pub fn compile(definition: &Definition, is_mocked: impl Fn(usize) -> bool) -> Result<Self, Vec<Finding>> {
        let mut emitter = Emitter::new(&definition.schemas);
        let lens = Lens { direction: Some(Direction::Response), closing: Closing::Closed, bounds: 0 };
        let mut roots = Vec::new();
        let mut operations = BTreeMap::new();
        for (index, operation) in
            definition.operations.iter().enumerate().filter(|(index, _)| is_mocked(*index))
        {
            let responses = operation.responses.iter().map(|response| {
                let contents = response.content.iter().map(|media_type| {
                    let schema = media_type.schema.map(|schema| {
                        roots.push(schema);
                        (schema, Key(u32::try_from(emitter.root(schema, lens)).unwrap_or(u32::MAX)))
                    });
                    Content::of(media_type, schema)
                });
                let contents = contents.collect();
                let fields: Vec<Field> = response.headers.iter().filter_map(Field::of).collect();
                roots.extend(fields.iter().map(|field| field.schema));
                Response { status: response.status, fields, contents }
            });
            operations.insert(index, responses.collect());
        }
        let emitted = emitter.finish();
        let validators = Validators::compile_with(&emitted.document, emitted.patterns, emitted.descriptions);
        let validators = validators.map_err(|error| {
            let message = format!("the schemas of its responses cannot be compiled: {}", error.message);
            vec![definition.files.finding(crate::source::Span::default(), "", message)]
        })?;
        let schemas = slice::whole(&definition.schemas, &roots, Direction::Response);
        Ok(Self { schemas, validators, operations })
    }

    /// Answers a request of an operation. `seed` and `asked` are what the answer depends on: method, path and query.
    ///
    /// # Errors
    /// When there is no such response, or none can be made.
    pub fn answer(
        &self,
        operation: usize,
        seed: u64,
        wish: &Wish,
        accept: &Accept,
        asked: &str,
    ) -> Result<Answer, Fault> {
        let responses = self.operations.get(&operation).map(Vec::as_slice).unwrap_or_default();
        let (status, response) = chosen(responses, wish)?;
        let seed = seeded(seed, &[asked, &status.to_string()]);
        let mut fields = Vec::new();
        let mut body = None;
        if let Some(content) = content(&response.contents, wish, accept)? {
            body = Some(self.body(content, wish, seed)?);
            fields.push(("content-type".into(), content.media_type.to_string()));
        }
        for field in &response.fields {
            if let Some(text) = self.field(field, seed) {
                fields.push((field.name.clone(), text));
            }
        }
        let has_body = body.is_some();
        // A response without a body has no example to be applied.
        Ok(Answer { status, fields, body, applied: wish.applied(has_body) })
    }

    /// Tries what each response would be without a wish: those of which no content can be made, and why.
    pub fn faults(&self, operation: usize, seed: u64) -> Vec<(String, String)> {
        let responses = self.operations.get(&operation).map(Vec::as_slice).unwrap_or_default();
        let fault = |response: &Response| {
            let mut first = None;
            for content in &response.contents {
                match self.body(content, &Wish::default(), seed) {
                    Err(Fault::NotMade(why)) => drop(first.get_or_insert(why)),
                    _ => return None,
                }
            }
            first.map(|why| (response.status.to_string(), why))
        };
        responses.iter().filter_map(fault).collect()
    }

    fn body(&self, content: &Content, wish: &Wish, seed: u64) -> Result<Vec<u8>, Fault> {
        let example = match &wish.example {
            Some(name) => {
                let found = content.examples.iter().find(|(own, _)| own.as_deref() == Some(name));
                Some(found.ok_or_else(|| Fault::NotDefined(format!("no example is called {name}")))?)
            }
            None if wish.is_dynamic => None,
            None => content.examples.first(),
        };
        if let Some((_, text)) = example {
            return content.written_example(text);
        }
        if content.form == Form::Other {
            return Err(Fault::NotMade(format!(
                "values of {} are not made; write an example",
                content.media_type
            )));
        }
        let Some((schema, key)) = content.schema else {
            // Anything is as good, and this reads as what it is.
            return Ok(match content.form {
                Form::Json => b"{}".to_vec(),
                Form::Text | Form::Other => Vec::new(),
            });
        };
        let value = self.value(schema, key, wish.is_dynamic, seed)?;
        Ok(content.written(&value))
    }

    /// A value that is judged to be one of the schema.
    fn value(&self, schema: SchemaId, key: Key, is_dynamic: bool, seed: u64) -> Result<Value, Fault> {
        let root = slice::refer(schema);
        let manners = [Manner::Exemplary, Manner::Most, Manner::Some, Manner::Least];
        let mut why = "no value was made that the schema takes".to_owned();
        for attempt in 0..ATTEMPTS {
            // Examples first; then with all members, with some, and with as few as can be.
            let skipped = u64::from(is_dynamic).saturating_add(attempt);
            let index = usize::try_from(skipped).unwrap_or(0).min(manners.len().saturating_sub(1));
            let manner = if attempt > 4 && attempt & 1 == 0 {
                Manner::Some
            } else {
                manners.get(index).copied().unwrap_or(Manner::Least)
            };
            let seed = seed.wrapping_add(attempt);
            match instance::make(&self.schemas, &root, seed, manner, &instance::Bounds::DEFAULT) {
                Ok(value) => match self.refusal(key, &value) {
                    None => return Ok(value),
                    Some(refusal) => why = refusal,
                },
                Err(unmade) => why = unmade.to_string(),
            }
        }
        Err(Fault::NotMade(why))
    }

    /// Why the contract's reader and engine do not take a value, if they do not.
    fn refusal(&self, key: Key, value: &Value) -> Option<String> {
        let text = value.to_string();
        let tape = match value::parse(text.as_bytes(), &Limits::RESPONSE) {
            Ok(tape) => tape,
            Err(fault) => {
                return Some(format!("the value that was made is not read: {}", fault.reason.what()));
            }
        };
        if self.validators.is_valid(key, tape.root()) {
            return None;
        }
        let mut first = None;
        self.validators.judge_each(key, tape.root(), &mut |pointer, keyword| {
            first.get_or_insert_with(|| format!("no value was made that `{keyword}` takes, at {pointer:?}"));
        });
        first.or_else(|| Some("no value was made that the schema takes".to_owned()))
    }

    /// A field's text, where one is made that can stand there.
    fn field(&self, field: &Field, seed: u64) -> Option<String> {
        let seed = seeded(seed, &[&field.name]);
        let root = slice::refer(field.schema);
        let value =
            instance::make(&self.schemas, &root, seed, Manner::Exemplary, &instance::Bounds::SMALL).ok()?;
        let scalar = |value: &Value| match value {
            Value::String(text) => Some(text.clone()),
            Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
            Value::Null | Value::Array(_) | Value::Object(_) => None,
        };
        let text = match &value {
            Value::Array(items) => items.iter().map(scalar).collect::<Option<Vec<_>>>()?.join(","),
            other => scalar(other)?,
        };
        let is_plain = text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
        (is_plain && text.trim() == text).then_some(text)
    }
}

impl Content {
    fn of(media_type: &MediaType, schema: Option<(SchemaId, Key)>) -> Self {
        let (name, form) = concrete(&media_type.range);
        let examples =
            media_type.examples.iter().map(|Example { name, value }| (name.clone(), Arc::clone(value)));
        Self { media_type: name, form, examples: examples.collect(), schema }
    }

    fn written(&self, value: &Value) -> Vec<u8> {
        match (self.form, value) {
            (Form::Text | Form::Other, Value::String(text)) => text.clone().into_bytes(),
            _ => value.to_string().into_bytes(),
        }
    }

    fn written_example(&self, text: &str) -> Result<Vec<u8>, Fault> {
        match (self.form, serde_json::from_str::<Value>(text)) {
            (Form::Json, _) => Ok(text.as_bytes().to_vec()),
            (_, Ok(value)) if value.is_string() || self.form == Form::Text => Ok(self.written(&value)),
            _ => Err(Fault::NotMade(format!("an example of {} is no text", self.media_type))),
        }
    }
}

impl Field {
    fn of(header: &Header) -> Option<Self> {
        /// Those that say how the message is framed, or what the answer says itself.
        const OURS: [&str; 8] = [
            "connection",
            "content-encoding",
            "content-length",
            "content-type",
            "preference-applied",
            "transfer-encoding",
            "trailer",
            "upgrade",
        ];
        let name = header.name.to_ascii_lowercase();
        match header.value {
            ParameterValue::Schema { schema, .. } if !OURS.contains(&name.as_str()) => {
                is_token(&name).then(|| Self { name: name.into(), schema })
            }
            _ => None,
        }
    }
}

/// The response that is wished for: the status, and what documents it.
fn chosen<'r>(responses: &'r [Response], wish: &Wish) -> Result<(u16, &'r Response), Fault> {
    if let Some(code) = wish.code {
        let covering = responses.iter().filter(|response| response.status.covers(code));
        let found = covering.min_by_key(|response| response.status.rank());
        let none = || Fault::NotDefined(format!("no response {code} is documented"));
        return found.map(|response| (code, response)).ok_or_else(none);
    }
    // The lowest success; a class or the default stands for its first status.
    let first = |response: &Response| match response.status {
        Status::Code(code) => (!(200..300).contains(&code), u32::from(code)),
        Status::Class(class) => (class != 2, u32::from(class).saturating_mul(100).saturating_add(99)),
        Status::Default => (true, 0),
    };
    let found = responses.iter().min_by_key(|response| first(response));
    let response = found.ok_or_else(|| Fault::NotDefined("no response is documented".to_owned()))?;
    let status = match response.status {
        Status::Code(code) => code,
        Status::Class(class) => u16::from(class).saturating_mul(100),
        Status::Default => 200,
    };
    Ok((status, response))
}

/// What a client takes of what there is: of equal ones JSON, then what stands first.
fn content<'c>(contents: &'c [Content], wish: &Wish, accept: &Accept) -> Result<Option<&'c Content>, Fault> {
    if contents.is_empty() {
        return match &wish.example {
            Some(name) => {
                Err(Fault::NotDefined(format!("no example is called {name}: the response has no body")))
            }
            None => Ok(None),
        };
    }
    let has_example = |content: &Content| {
        wish.example
            .as_ref()
            .is_none_or(|name| content.examples.iter().any(|(own, _)| own.as_deref() == Some(name)))
    };
    let rated = contents.iter().filter_map(|content| {
        let weight = accept.weight(&content.media_type);
        (weight > 0).then_some((weight, has_example(content), content.form == Form::Json, content))
    });
    // The last of equal ones is the maximum, so that the order is turned.
    let best = rated.rev().max_by_key(|(weight, has_example, is_json, _)| (*has_example, *weight, *is_json));
    best.map(|(.., content)| Some(content)).ok_or(Fault::NotAcceptable)
}

/// A media type that falls under a range, and how values of it are written.
fn concrete(range: &str) -> (Box<str>, Form) {
    let essence = essence(range);
    let (top, sub) = essence.split_once('/').unwrap_or(("application", "octet-stream"));
    match (top, sub) {
        ("*" | "application", "*") => ("application/json".into(), Form::Json),
        ("text", "*") => ("text/plain".into(), Form::Text),
        (_, "*") => (essence.into(), Form::Other),
        (_, sub) if sub == "json" || sub.ends_with("+json") => (range.trim().into(), Form::Json),
        ("text", "plain" | "csv" | "markdown" | "html") => (range.trim().into(), Form::Text),
        _ => (range.trim().into(), Form::Other),
    }
}

/// A seed that texts were put into: FNV-1a.
fn seeded(seed: u64, texts: &[&str]) -> u64 {
    const PRIME: u64 = 0x0000_0100_0000_01B3;
    let bytes = texts.iter().flat_map(|text| text.bytes().chain([0]));
    bytes.fold(seed ^ 0xCBF2_9CE4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME))
}

#[cfg(test)]
mod tests;
