//! Url-encoded forms (`application/x-www-form-urlencoded`) as objects: a pair is a property, or a part of one.
//!
//! A property with `style`, `explode` or `allowReserved` is written as a query parameter is. Without, by its `contentType`
//! (OpenAPI 3.2, "Encoding Object"): plain text for texts, numbers and booleans, JSON for objects, a pair for each item of a
//! list. What the document does not name is a property all the same, so that the schema says whether it may be there.

use std::sync::Arc;

use crate::definition::{Encoding, MediaType, Style};
use crate::schema::shape::{Shape, ShapeId, Shapes, ShapesBuilder};
use crate::schema::{SchemaId, Schemas};
use crate::value::Builder;

use super::form::{Culprit, Entry, Form, Further, Hands, Reading};
use super::plan::{CROSSED, How, INTRICATE, TAKEN, items_are_flat, reading};
use super::text::Coding;
use super::{FORM_PAIRS_MAX, Wrong};

/// A form, or a property of it, that has no reading or more than one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unread {
    /// The property; empty for the form as a whole.
    pub property: Box<str>,
    /// Why.
    pub why: &'static str,
}

const NO_OBJECT: &str = "is a form whose schema is no object";
const MIXED: &str = "may be JSON or plain text, and its text does not tell which";
const NESTED: &str = "takes lists or objects under names that are not declared, for which no encoding is";
const MEDIA_TYPE: &str = "has a `contentType` that is read in no form";

impl Form {
    /// Compiles a form for a body.
    ///
    /// # Errors
    /// When it cannot be told how it is read: a gap.
    pub fn compile(media_type: &MediaType, schemas: &Schemas) -> Result<Self, Unread> {
        compile(media_type.schema, &media_type.encoding, FORM_PAIRS_MAX, schemas)
    }

    /// Reads a form as one object. What is wrong is told and left out.
    pub fn decode(&self, bytes: &[u8], out: &mut Builder, report: &mut dyn FnMut(Culprit<'_>, Wrong)) {
        let begun = out.begin_object();
        match std::str::from_utf8(bytes) {
            Ok(text) if begun.is_ok() => {
                let pieces = text.split('&').filter(|piece| !piece.is_empty());
                self.read(pieces, &mut Hands { out, report, is_other: &|_| false });
            }
            Ok(_) => report(Culprit::Whole, Wrong::Limit),
            Err(_) => report(Culprit::Whole, Wrong::Encoding),
        }
        if let Err(fault) = out.end() {
            report(Culprit::Whole, fault.into());
        }
    }
}

/// Compiles a form of a schema.
pub(super) fn compile(
    schema: Option<SchemaId>,
    encodings: &[Encoding],
    pairs_max: usize,
    schemas: &Schemas,
) -> Result<Form, Unread> {
    let whole = |why| Unread { property: "".into(), why };
    let mut builder = ShapesBuilder::new(schemas);
    let shape = schema.map_or(Ok(ShapeId::ANY), |schema| builder.add(schema));
    let shape = shape.map_err(|_| whole(INTRICATE))?;
    let shapes = Arc::new(builder.finish());
    let own = shapes.get(shape);
    if !own.is_object() {
        return Err(whole(NO_OBJECT));
    }
    let further = own.further.shape().unwrap_or(ShapeId::ANY);
    let shape = shapes.get(further);
    if !(shape.is_scalar() || shape.is_array() && items_are_flat(shape, &shapes)) {
        return Err(whole(NESTED));
    }
    let mut form = Form::new(Arc::clone(&shapes), Coding::Form, Further::Beside(further), pairs_max);
    for (name, shape) in own.members() {
        let encoding = encodings.iter().find(|encoding| encoding.property == *name);
        let unread = |why| Unread { property: name.clone(), why };
        let reading = property(*shape, &shapes, encoding).map_err(unread)?;
        let entry = Entry {
            name: name.clone(),
            member: name.clone(),
            shape: *shape,
            reading,
            coding: Coding::Form,
            is_required: false,
            allow_empty: false,
            allow_reserved: encoding.is_some_and(|encoding| encoding.allow_reserved),
        };
        form.declare(entry).map_err(|_| unread(TAKEN))?;
    }
    match form.crossing() {
        Some(crossed) => Err(Unread { property: crossed.into(), why: CROSSED }),
        None => Ok(form),
    }
}

fn property(shape: ShapeId, shapes: &Shapes, encoding: Option<&Encoding>) -> Result<Reading, &'static str> {
    let own = shapes.get(shape);
    if let Some(encoding) = encoding
        && (encoding.style.is_some() || encoding.explode.is_some() || encoding.allow_reserved)
    {
        let style = encoding.style.unwrap_or(Style::Form);
        let explode = encoding.explode.unwrap_or(style == Style::Form);
        return reading(style, explode, shape, shapes);
    }
    match encoding.and_then(|encoding| encoding.content_type.as_deref()) {
        None => by_type(own, shapes),
        Some(types) => by_content_type(types, own),
    }
}

/// What `contentType` is where nothing is written.
fn by_type(shape: &Shape, shapes: &Shapes) -> Result<Reading, &'static str> {
    if shape.is_any() || !shape.is_array() && !shape.is_object() {
        return Ok(Reading::Repeated);
    }
    match (shape.is_array(), shape.is_object(), shape.is_scalar()) {
        (true, false, _) if items_are_flat(shape, shapes) => Ok(Reading::Repeated),
        (true, false, false) if shape.items().all(|item| is_nested(shapes.get(item))) => {
            Ok(Reading::JsonItems)
        }
        (false, true, false) => Ok(Reading::Json),
        _ => Err(MIXED),
    }
}

fn is_nested(shape: &Shape) -> bool {
    !shape.is_scalar()
}

fn by_content_type(types: &str, shape: &Shape) -> Result<Reading, &'static str> {
    let mut is_json = None;
    for one in types.split(',') {
        let own = match How::of_media_type(one) {
            Some(How::Json) => true,
            Some(How::Text | How::Style { .. }) => false,
            Some(How::Form) => return Err(MEDIA_TYPE),
            // What is no text comes as a text, such as base64, of which its schema says what it likes.
            None if shape.is_array() || shape.is_object() => return Err(MEDIA_TYPE),
            None => false,
        };
        if is_json.is_some_and(|before| before != own) {
            return Err(MIXED);
        }
        is_json = Some(own);
    }
    match (is_json == Some(true), shape.is_array() && !shape.is_any()) {
        (true, true) if shape.is_object() || shape.is_scalar() => Err(MIXED),
        (true, true) => Ok(Reading::JsonItems),
        (true, false) => Ok(Reading::Json),
        (false, _) => Ok(Reading::Repeated),
    }
}
