//! From what a definition declares of a body to how it is judged; what cannot be judged is a gap.

use std::collections::HashMap;
use std::sync::Arc;

use super::parts::{self, Part, Parts};
use super::{BodyContract, Declared, Length, Reading};
use crate::contract::coverage::Side;
use crate::contract::fields::Fields;
use crate::contract::lowering::Lowering;
use crate::definition::{Body, Dialect, Encoding, MediaType as Content, Style};
use crate::engine::Key;
use crate::media_type::MediaRange;
use crate::parameters::form::Form;
use crate::schema::shape::{Shape, ShapeId, Shapes, ShapesBuilder};
use crate::schema::{CollectionFormat, Direction, Schema, SchemaId, Schemas, Type, Types};
use crate::source::Pointer;

/// Most schemas that are asked whether they speak of a file.
const SCHEMAS_MAX: usize = 64;

const NO_RANGE: &str = "is no media type";
const INTRICATE: &str = "has a schema that is too intricate to read texts by it";
const SEQUENCE: &str = "is a sequence, whose items are not judged";
const MULTIPART: &str = "is a multipart type whose parts have no names";
const XML: &str = "is XML, which is not read";
const OTHER: &str = "is a type that is not read, and its schema says more than how long it is";
const NO_OBJECT: &str = "is a form whose schema is no object";
const MIXED: &str = "may be JSON, a text or a file, and a part does not tell which";
const NESTED: &str = "is a list of lists";
const JOINED: &str = "is a list in one part, told apart by delimiters";
const STYLED: &str = "has a `style` or `explode` that parts are not read by";
const INNER: &str = "declares encodings of parts within the part";
const FILE_RULES: &str = "is a file of which more is said than its length";

impl BodyContract {
    /// Compiles what an operation declares.
    pub fn compile(body: Option<&Body>, lowering: &mut Lowering<'_>) -> Self {
        let Some(body) = body else {
            return Self { is_declared: false, is_required: false, types: Vec::new() };
        };
        let mut types: Vec<Declared> =
            body.content.iter().filter_map(|content| declared(content, lowering)).collect();
        if body.content.is_empty() {
            // The document does not say: JSON is read, and anything else is bytes.
            let reading = Reading::Any { key: None, text: None, bytes: Some(Length::ANY) };
            types.extend(MediaRange::parse("*/*").map(|range| Declared {
                range,
                written: "*/*".into(),
                exactly: None,
                reading,
                has_gap: false,
            }));
        }
        types.sort_by(|one, other| other.range.compare(&one.range));
        Self { is_declared: true, is_required: body.is_required, types }
    }
}

fn declared(content: &Content, lowering: &mut Lowering<'_>) -> Option<Declared> {
    lowering.about(Some(&content.range));
    let declared = of_range(content, lowering);
    lowering.about(None);
    declared
}

fn of_range(content: &Content, lowering: &mut Lowering<'_>) -> Option<Declared> {
    let Some(range) = MediaRange::parse(&content.range) else {
        gap(lowering, content, "", NO_RANGE);
        return None;
    };
    let reading = reading(&range, content, lowering).unwrap_or_else(|(property, why)| {
        gap(lowering, content, &property, why);
        Reading::Gap
    });
    let exactly = range.exactly().filter(|_| !content.range.contains(';'));
    let exactly = exactly.map(|_| content.range.trim_ascii().as_bytes().into());
    Some(Declared { range, written: content.range.clone(), exactly, reading, has_gap: false })
}

fn gap(lowering: &mut Lowering<'_>, content: &Content, property: &str, why: &'static str) {
    let range = &content.range;
    let what = if property.is_empty() { range.to_string() } else { format!("{range}, property {property},") };
    lowering.gap(Side::Request, content.span, Pointer::new(), what, why);
}

/// Why nothing can judge it, and which property is the reason.
type Unread = (Box<str>, &'static str);

fn whole(why: &'static str) -> Unread {
    ("".into(), why)
}

fn reading(range: &MediaRange, content: &Content, lowering: &mut Lowering<'_>) -> Result<Reading, Unread> {
    if content.item_schema.is_some() {
        return Err(whole(SEQUENCE));
    }
    if !content.prefix_encoding.is_empty() || content.item_encoding.is_some() {
        return Err(whole(MULTIPART));
    }
    if range.is_json() {
        return Ok(Reading::Json(key(content, lowering)));
    }
    let Some(exactly) = range.exactly() else { return any(range, content, lowering) };
    if exactly.is("application", "x-www-form-urlencoded") {
        let form = Form::compile(content, lowering.schemas()).map_err(|it| (it.property, it.why))?;
        return Ok(Reading::Form(Box::new(form), key(content, lowering)));
    }
    if exactly.is("multipart", "form-data") {
        return Ok(Reading::Parts(Box::new(parts(content, lowering)?)));
    }
    let schemas = lowering.schemas();
    let Some(schema) = content.schema else { return Ok(Reading::Bytes(Length::ANY)) };
    // Parts that have names are properties in either; those that have none are by position, which is another matter.
    if exactly.is("multipart", "mixed") && is_object(schemas, schema)? {
        return Ok(Reading::Parts(Box::new(parts(content, lowering)?)));
    }
    let is_bytes = exactly.is("application", "octet-stream");
    if let Some(length) = file(schemas, &[schema], is_bytes).map_err(whole)? {
        return Ok(Reading::Bytes(length));
    }
    let types = types(schemas, schema)?;
    match is_scalar(types) {
        // What its charset says otherwise is not the text that is judged.
        true if exactly.is_utf8() => Ok(Reading::Text(key(content, lowering), types)),
        _ if range.suffix() == Some("+xml")
            || exactly.is("application", "xml")
            || exactly.is("text", "xml") =>
        {
            Err(whole(XML))
        }
        _ if range.is_of("multipart") => Err(whole(MULTIPART)),
        _ => Err(whole(OTHER)),
    }
}

/// What is read of types that a range does not name.
fn any(range: &MediaRange, content: &Content, lowering: &mut Lowering<'_>) -> Result<Reading, Unread> {
    let schemas = lowering.schemas();
    // Of other types nothing is JSON or a text.
    let is_bytes = !["*", "application", "text"].iter().any(|top| range.is_of(top));
    let Some(schema) = content.schema else {
        let any = Reading::Any { key: None, text: None, bytes: Some(Length::ANY) };
        return Ok(if is_bytes { Reading::Bytes(Length::ANY) } else { any });
    };
    let bytes = file(schemas, &[schema], true).map_err(whole)?;
    if is_bytes {
        return bytes.map(Reading::Bytes).ok_or(whole(OTHER));
    }
    let types = types(schemas, schema)?;
    if bytes.is_none() && !is_scalar(types) && range.is_of("text") {
        return Err(whole(OTHER));
    }
    let text = is_scalar(types).then_some(types);
    Ok(Reading::Any { key: key(content, lowering), text, bytes })
}

fn key(content: &Content, lowering: &mut Lowering<'_>) -> Option<Key> {
    content.schema.map(|schema| lowering.root(schema, Direction::Request))
}

fn is_scalar(types: Types) -> bool {
    types != Types::ANY && !types.has(Type::Array) && !types.has(Type::Object)
}

fn types(schemas: &Schemas, schema: SchemaId) -> Result<Types, Unread> {
    ShapesBuilder::types_of(schemas, schema).map_err(|_| whole(INTRICATE))
}

/// Whether a value is an object and nothing else.
fn is_object(schemas: &Schemas, schema: SchemaId) -> Result<bool, Unread> {
    Ok(types(schemas, schema)?.without(Type::Null) == Types::NONE.with(Type::Object))
}

/// The length of the file that a value is, if it is one; `is_bytes` where any text is bytes.
fn file(schemas: &Schemas, of: &[SchemaId], is_bytes: bool) -> Result<Option<Length>, &'static str> {
    let said = together(schemas, of);
    let is_file = said.iter().any(|one| speaks_of_a_file(one));
    let is_silent = said.iter().all(|one| is_silent(one));
    let is_text = said.iter().any(|one| {
        one.types.is_some_and(|types| types.without(Type::Null) == Types::NONE.with(Type::String))
    });
    let has_rules = said.iter().any(|one| has_rules(one));
    if !(is_file || is_bytes && (is_silent || is_text && !has_rules)) {
        return Ok(None);
    }
    if has_rules {
        return Err(FILE_RULES);
    }
    let least = said.iter().filter_map(|one| one.text().min_length).max().unwrap_or_default();
    let most = said.iter().filter_map(|one| one.text().max_length).min().unwrap_or(u64::MAX);
    // A text stands for the file, see `parts`.
    if usize::try_from(least).is_ok_and(|least| least > parts::PLACEHOLDER_BYTES_MAX) {
        return Err(FILE_RULES);
    }
    Ok(Some(Length { min: least, max: most }))
}

/// The schemas that all hold for one value: through references, `allOf`, and alternatives that are null but for one.
fn together<'s>(schemas: &'s Schemas, of: &[SchemaId]) -> Vec<&'s Schema> {
    let mut said = Vec::new();
    let mut open = of.to_vec();
    while let Some(id) = open.pop().filter(|_| said.len() < SCHEMAS_MAX) {
        let schema = schemas.get(schemas.resolve(id));
        said.push(schema);
        let logic = schema.logic();
        open.extend(&logic.all_of);
        for branches in [&logic.any_of, &logic.one_of] {
            let mut rest = branches.iter().filter(|branch| !is_null(schemas, **branch));
            if let (Some(only), None) = (rest.next(), rest.next()) {
                open.push(*only);
            }
        }
    }
    said
}

/// What any schema of a value says of one of its members.
fn members(schemas: &Schemas, schema: SchemaId, name: &str) -> Vec<SchemaId> {
    let (mut found, mut open, mut seen) = (Vec::new(), vec![schema], 0_usize);
    while let Some(id) = open.pop().filter(|_| seen < SCHEMAS_MAX) {
        seen = seen.saturating_add(1);
        let schema = schemas.get(schemas.resolve(id));
        let own = schema.object().properties.iter().filter(|property| *property.name == *name);
        found.extend(own.map(|property| property.schema));
        let logic = schema.logic();
        open.extend(logic.all_of.iter().chain(&logic.any_of).chain(&logic.one_of));
    }
    found
}

fn is_null(schemas: &Schemas, id: SchemaId) -> bool {
    schemas.get(schemas.resolve(id)).types == Some(Types::NONE.with(Type::Null))
}

fn speaks_of_a_file(schema: &Schema) -> bool {
    let text = schema.text();
    schema.format.as_deref() == Some("binary")
        || (text.content_media_type.is_some() && text.content_encoding.is_none())
}

/// Whether nothing is asked of a value.
fn is_silent(schema: &Schema) -> bool {
    let logic = schema.logic();
    schema.always.is_none_or(|always| always)
        && schema.types.is_none()
        && schema.format.is_none()
        && schema.object.is_none()
        && schema.array.is_none()
        && schema.number.is_none()
        && schema.text.is_none()
        && logic.not.is_none()
        && logic.condition.is_none()
        && logic.any_of.is_empty()
        && logic.one_of.is_empty()
        && schema.enumeration.is_none()
        && schema.constant.is_none()
}

/// Whether more is asked of a text than its length.
fn has_rules(schema: &Schema) -> bool {
    let logic = schema.logic();
    schema.text().pattern.is_some()
        || schema.enumeration.is_some()
        || schema.constant.is_some()
        || logic.not.is_some()
        || logic.condition.is_some()
        || schema.always == Some(false)
        || schema.format.as_deref().is_some_and(crate::engine::is_asserted)
}

fn parts(content: &Content, lowering: &mut Lowering<'_>) -> Result<Parts, Unread> {
    // What the schema does not name is a part all the same, so that the schema says whether it may be there.
    let further = Part { kind: parts::Kind::Any, is_list: false, types: Vec::new(), fields: None };
    let Some(schema) = content.schema else {
        return Ok(Parts { named: HashMap::default(), further, key: None });
    };
    let schemas = lowering.schemas();
    let mut builder = ShapesBuilder::new(schemas);
    let shape = builder.add(schema).map_err(|_| whole(INTRICATE))?;
    let shapes = builder.finish();
    let own = shapes.get(shape);
    if !own.is_object() {
        return Err(whole(NO_OBJECT));
    }
    // OpenAPI 3.0, Encoding Object: `style`, `explode` and `allowReserved` SHALL be ignored outside of url-encoded forms.
    let heeds_styles = lowering.definition().dialect > Dialect::V3_0;
    let mut named = HashMap::default();
    for (name, shape) in own.members() {
        let encoding = content.encoding.iter().find(|encoding| encoding.property == *name);
        let said = members(schemas, schema, name);
        if heeds_styles && encoding.is_some_and(is_styled) {
            return Err((name.clone(), STYLED));
        }
        let part = part(schemas, &said, (&shapes, *shape), encoding).map_err(|why| (name.clone(), why))?;
        // What `Content-Type` says is said by `contentType` (OpenAPI, "Encoding Object").
        let headers = encoding.map_or(&[][..], |encoding| &encoding.headers);
        let fields = Fields::compile(headers, Side::Request, lowering).map(Arc::new);
        let part = Part { fields, ..part };
        named.insert(name.clone(), part);
    }
    Ok(Parts { named, further, key: key(content, lowering) })
}

/// Whether a style is written that parts are not read by.
fn is_styled(encoding: &Encoding) -> bool {
    encoding.style.is_some_and(|style| style != Style::Form)
        || encoding.explode == Some(false)
        || encoding.allow_reserved
}

fn part(
    schemas: &Schemas,
    said: &[SchemaId],
    (shapes, shape): (&Shapes, ShapeId),
    encoding: Option<&Encoding>,
) -> Result<Part, &'static str> {
    let mut types = Vec::new();
    if let Some(encoding) = encoding {
        if encoding.is_nested {
            return Err(INNER);
        }
        for written in encoding.content_type.as_deref().into_iter().flat_map(|all| all.split(',')) {
            types.push(MediaRange::parse(written).ok_or(NO_RANGE)?);
        }
    }
    let own = shapes.get(shape);
    let holds = together(schemas, said);
    let is_list = !own.is_any() && own.is_array();
    if !is_list {
        let kind = kind(schemas, said, own, &types)?;
        return Ok(Part { kind, is_list, types, fields: None });
    }
    let is_joined =
        |one: &&Schema| one.array().collection_format.is_some_and(|it| it != CollectionFormat::Multi);
    if own.is_scalar() || own.is_object() {
        return Err(MIXED);
    }
    if holds.iter().any(is_joined) {
        return Err(JOINED);
    }
    let items: Vec<SchemaId> = holds.iter().filter_map(|one| one.array().items).collect();
    let item = shapes.get(own.item(0));
    if holds.iter().any(|one| !one.array().prefix_items.is_empty()) || (!item.is_any() && item.is_array()) {
        return Err(NESTED);
    }
    let kind = kind(schemas, &items, item, &types)?;
    Ok(Part { kind, is_list, types, fields: None })
}

/// What one part, or each part of a list, is.
fn kind(
    schemas: &Schemas,
    said: &[SchemaId],
    shape: &Shape,
    types: &[MediaRange],
) -> Result<parts::Kind, &'static str> {
    let is_text = |range: &MediaRange| range.is_of("text") && !range.is_json();
    if !types.is_empty() && types.iter().all(MediaRange::is_json) {
        return Ok(parts::Kind::Json);
    }
    // A text of a type that is none is a file, whether the schema says so or not.
    let is_bytes = !types.is_empty() && !types.iter().any(|range| range.is_json() || is_text(range));
    if let Some(length) = file(schemas, said, is_bytes)? {
        return Ok(parts::Kind::File(length));
    }
    match (shape.is_any(), shape.is_scalar(), shape.is_object()) {
        (true, ..) => Ok(parts::Kind::Any),
        (false, true, false) if types.iter().all(is_text) => Ok(parts::Kind::Text(shape.types)),
        (false, false, true) if types.is_empty() => Ok(parts::Kind::Json),
        _ => Err(MIXED),
    }
}
