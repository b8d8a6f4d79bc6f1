//! `multipart/form-data`, and `multipart/mixed` whose parts have names, as an object: a part is a property, or an item of one; a file is counted and never held.
//!
//! Parts are judged as they pass: whether one may be there, its media type, whether it is a file, the length of files. What
//! is no file is held, within bounds, and judged as one object by the schema at the end. In the place of a file stands a text
//! of the least length it may have, so that `required` and `maxItems` count it and nothing else is said of it. Fields of a part
//! are those that its `encoding` declares, judged as header parameters are; any other is refused.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;

use super::{HELD_BYTES_MAX, Length};
use crate::contract::fields::{Fields, Lines};
use crate::contract::violations::{Place, Violations};
use crate::engine::{Key, Validators};
use crate::media_type::{MediaRange, MediaType};
use crate::multipart::{Head, Sink};
use crate::parameters::form::copy;
use crate::parameters::scalar;
use crate::schema::Types;
use crate::value::{self, Builder, Fault, Limits, Pointer, Reason};

/// What the parts of a body may be.
#[derive(Debug)]
pub(super) struct Parts {
    pub(super) named: HashMap<Box<str>, Part, RandomState>,
    /// Parts that the document does not name.
    pub(super) further: Part,
    pub(super) key: Option<Key>,
}

/// What one part may be.
#[derive(Debug, Clone)]
pub(super) struct Part {
    pub(super) kind: Kind,
    /// There may be several of its name, and they are a list.
    pub(super) is_list: bool,
    /// Which media types it may have; none where the document does not say.
    pub(super) types: Vec<MediaRange>,
    /// Which fields it may have beside those of every part.
    pub(super) fields: Option<Arc<Fields>>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Kind {
    /// Bytes.
    File(Length),
    /// A JSON text.
    Json,
    /// A scalar.
    Text(Types),
    /// Nothing is said of it: a file if it says so, else a text.
    Any,
}

/// What came of a body so far.
#[derive(Debug, Default)]
pub(super) struct Taken {
    values: Vec<Value>,
    held: usize,
    found: Violations,
}

/// One part that came.
#[derive(Debug)]
struct Value {
    name: Box<str>,
    is_list: bool,
    content: Content,
    /// Its declared fields, to be judged when all have come.
    fields: Option<(Arc<Fields>, Lines)>,
}

#[derive(Debug)]
enum Content {
    /// So many bytes came.
    File(Length, u64),
    Json(Vec<u8>),
    Text(Types, Vec<u8>),
    /// It may not be there, which was noted.
    Refused,
}

/// Judges the parts of a body as they pass.
pub(super) struct Hand<'h> {
    pub(super) rules: &'h Parts,
    pub(super) taken: &'h mut Taken,
}

impl Sink for Hand<'_> {
    type Stop = Fault;

    fn part(&mut self, head: Head) -> Result<(), Fault> {
        let part = self.rules.named.get(head.name()).unwrap_or(&self.rules.further);
        let content = part.take(&head).unwrap_or_else(|keyword| {
            self.taken.found.push(Place::Body, pointer(head.name()), keyword);
            Content::Refused
        });
        let fields = part.fields.as_ref().map(|fields| (Arc::clone(fields), lines(&head)));
        self.taken.values.push(Value { name: head.name().into(), is_list: part.is_list, content, fields });
        Ok(())
    }

    fn content(&mut self, piece: &[u8]) -> Result<(), Fault> {
        let Some(value) = self.taken.values.last_mut() else { return Ok(()) };
        match &mut value.content {
            Content::File(_, length) => *length = length.saturating_add(piece.len() as u64),
            Content::Json(held) | Content::Text(_, held) => {
                self.taken.held = self.taken.held.saturating_add(piece.len());
                if self.taken.held > HELD_BYTES_MAX {
                    return Err(Fault { reason: Reason::Size, offset: 0, pointer: pointer(&value.name) });
                }
                held.extend_from_slice(piece);
            }
            Content::Refused => {}
        }
        Ok(())
    }

    fn end(&mut self) -> Result<(), Fault> {
        let Some(value) = self.taken.values.last() else { return Ok(()) };
        let wrong = match &value.content {
            Content::File(rule, length) => rule.wrong(*length),
            Content::Text(_, held) if std::str::from_utf8(held).is_err() => Some("encoding"),
            Content::Json(_) | Content::Text(..) | Content::Refused => None,
        };
        if let Some(keyword) = wrong {
            self.taken.found.push(Place::Body, pointer(&value.name), keyword);
        }
        Ok(())
    }
}

impl Part {
    /// How its content is to be taken; the keyword that does not hold where it is not.
    fn take(&self, head: &Head) -> Result<Content, &'static str> {
        // RFC 7578 §4.8: not to be used, and nobody judges them that are not declared.
        let declared = self.fields.as_ref().map_or(&[][..], |fields| fields.declared());
        if head.others().iter().any(|other| !declared.iter().any(|field| field.name == other.name)) {
            return Err("headers");
        }
        let media_type = match head.content_type() {
            None => None,
            Some(written) => Some(MediaType::parse(written.as_bytes()).ok_or("contentType")?),
        };
        let is_one = |media_type: &MediaType<'_>| self.types.iter().any(|range| range.takes(media_type));
        if media_type.as_ref().is_some_and(|media_type| !self.types.is_empty() && !is_one(media_type)) {
            return Err("contentType");
        }
        let is_utf8 = media_type.as_ref().is_none_or(MediaType::is_utf8);
        match (self.kind, &media_type) {
            (Kind::File(length), _) => Ok(Content::File(length, 0)),
            (Kind::Any, _) if head.file_name().is_some() => Ok(Content::File(Length::ANY, 0)),
            // SECURITY: what has a file name is a file to its reader, and not the value that was judged.
            (Kind::Text(_), _) if head.file_name().is_some() => Err("file"),
            (Kind::Json, Some(media_type)) if !media_type.is_json() => Err("contentType"),
            // RFC 7578 §4.4: what says nothing is plain text; a document that says something else is asked for.
            (Kind::Json, None) if !self.types.is_empty() => Err("contentType"),
            (Kind::Text(_) | Kind::Any, Some(media_type)) if !media_type.is_of("text") => Err("contentType"),
            _ if !is_utf8 => Err("contentType"),
            (Kind::Json, _) => Ok(Content::Json(Vec::new())),
            (Kind::Text(types), _) => Ok(Content::Text(types, Vec::new())),
            (Kind::Any, _) => Ok(Content::Text(Types::ANY, Vec::new())),
        }
    }
}

impl Parts {
    /// Judges all that came, as one object.
    pub(super) fn judge(
        &self,
        taken: Taken,
        limits: &Limits,
        validators: &Validators,
        found: &mut Violations,
    ) -> Result<(), Fault> {
        found.append(taken.found);
        for value in &taken.values {
            let Some((fields, lines)) = &value.fields else { continue };
            fields.judge(lines, limits, validators, &mut |field, _, keyword| {
                found.push(Place::Header(field.name.clone()), pointer(&value.name), keyword);
            });
        }
        let mut out = Builder::new(limits);
        out.begin_object()?;
        // Parts are few: see `multipart::Limits`.
        for (index, value) in taken.values.iter().enumerate() {
            let is_first = !taken.values.iter().take(index).any(|before| before.name == value.name);
            let is_same =
                |other: &&Value| other.name == value.name && !matches!(other.content, Content::Refused);
            let mut same = taken.values.iter().skip(index).filter(is_same);
            let Some(first) = same.clone().next().filter(|_| is_first) else { continue };
            out.key(&value.name)?;
            if first.is_list {
                out.begin_array()?;
                same.try_for_each(|value| put(value, limits, &mut out))?;
                out.end()?;
                continue;
            }
            if same.nth(1).is_some() {
                found.push(Place::Body, pointer(&value.name), "repeated");
            }
            put(first, limits, &mut out)?;
        }
        out.end()?;
        let tape = out.finish()?;
        if let Some(key) = self.key {
            validators.judge(key, tape.root(), Place::Body, found);
        }
        Ok(())
    }
}

fn lines(head: &Head) -> Lines {
    let others = head.others().iter();
    Lines(others.map(|field| (field.name.clone(), field.value.as_bytes().to_vec())).collect())
}

fn put(value: &Value, limits: &Limits, out: &mut Builder) -> Result<(), Fault> {
    match &value.content {
        Content::File(length, _) => {
            let least = usize::try_from(length.min).unwrap_or_default();
            out.push_string(&" ".repeat(least.min(PLACEHOLDER_BYTES_MAX)))
        }
        Content::Text(types, held) => {
            // What is no UTF-8 was noted.
            let text = std::str::from_utf8(held).unwrap_or_default();
            match scalar::put(text, *types, out) {
                Ok(()) => Ok(()),
                Err(_) => Err(Fault { reason: Reason::String, offset: 0, pointer: pointer(&value.name) }),
            }
        }
        Content::Json(held) => {
            let below = |fault: Fault| Fault {
                pointer: [pointer(&value.name), fault.pointer].concat().into(),
                ..fault
            };
            let tape = value::parse(held, limits).map_err(below)?;
            copy(tape.root(), out).map_err(|_| Fault {
                reason: Reason::Values,
                offset: 0,
                pointer: pointer(&value.name),
            })
        }
        Content::Refused => out.push_null(),
    }
}

/// The longest text that stands for a file.
pub(super) const PLACEHOLDER_BYTES_MAX: usize = 4096;

pub(super) fn pointer(name: &str) -> Box<str> {
    let mut pointer = Pointer::new();
    pointer.name(name);
    pointer.finish()
}
