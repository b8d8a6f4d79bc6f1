//! The parameters of an operation, compiled: what each place of a request is read as.
//!
//! All of them make one object, whose members are numbered by the order of the declarations, so that one call of the engine
//! judges a request's parameters. A declaration that has no reading, or more than one, is a [`Gap`] and not part of it.

use std::sync::Arc;

use crate::definition::{Parameter, ParameterPlace, ParameterValue, Style};
use crate::media_type::essence;
use crate::schema::shape::{Shape, ShapeId, Shapes, ShapesBuilder};
use crate::schema::{SchemaId, Schemas};

use super::field::Field;
use super::form::{Entry, Form, Further, Reading};
use super::joined::Delimiter;
use super::segment::{Segment, SegmentStyle};
use super::text::Coding;
use super::{FORM_PAIRS_MAX, PAIRS_MAX};

/// The parameters of an operation.
#[derive(Debug)]
pub struct Plan {
    pub(crate) shapes: Arc<Shapes>,
    pub(crate) path: Vec<InPath>,
    pub(crate) query: Query,
    pub(crate) fields: Vec<InField>,
    pub(crate) cookies: Option<Form>,
    /// The member of the object that each parameter is, and what holds for it.
    pub(crate) members: Vec<(Box<str>, SchemaId)>,
}

/// What the query is read as.
#[derive(Debug)]
pub(crate) enum Query {
    /// Pairs, each a parameter.
    Pairs(Form),
    /// 3.2: one value, as a form.
    Form { member: Box<str>, is_required: bool, form: Form },
    /// 3.2: one value, as one text.
    Text { member: Box<str>, is_required: bool, shape: ShapeId, is_json: bool },
}

/// A parameter in the path.
#[derive(Debug)]
pub(crate) struct InPath {
    /// Which of the template's parameters.
    pub(crate) at: usize,
    pub(crate) member: Box<str>,
    pub(crate) shape: ShapeId,
    /// Absent for one that is JSON.
    pub(crate) segment: Option<Segment>,
}

/// A parameter in a field.
#[derive(Debug)]
pub(crate) struct InField {
    /// In lower case.
    pub(crate) name: Box<str>,
    pub(crate) member: Box<str>,
    pub(crate) shape: ShapeId,
    pub(crate) is_required: bool,
    /// Absent for one that is JSON.
    pub(crate) field: Option<Field>,
}

/// A declaration that is not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unread {
    /// Which of the parameters.
    pub parameter: usize,
    /// Why.
    pub why: &'static str,
}

const LIST_OR_OBJECT: &str = "may be a list or an object, and its text does not tell which";
const NESTED: &str = "holds lists or objects in lists or objects, which have no text in this style";
const PLACE: &str = "has a style that does not belong to its place";
const EXPLODED: &str = "has a style that is not defined for exploded values";
const MIXED: &str = "may be an object of its own names or a single value, and its text does not tell which";
pub(super) const TAKEN: &str = "has a name that another parameter takes, too";
const OPEN_TWICE: &str = "takes all names that nobody declared, as another parameter does";
const OPEN_COOKIES: &str = "would take every cookie that nobody declared";
const COOKIE_LIST: &str = "is a list or an object of pairs, which style `form` does not define for cookies: \
                           `explode: false` or, in 3.2, `style: cookie` does";
const MEDIA_TYPE: &str = "has a media type that is read in no parameter";
pub(super) const INTRICATE: &str = "has a schema that is too intricate to read texts by it";
const ALONE: &str = "stands beside other parameters of the query";
const COOKIE_FIELD: &str = "stands for all cookies: declare each `in: cookie`";
const CONNECTION: &str = "is a field of the connection, which ends at the gateway";
pub(super) const CROSSED: &str =
    "is a deep object, and names that begin like its parts are declared beside it";

/// What is being compiled.
struct Compiling<'c> {
    builder: ShapesBuilder<'c>,
    read: Vec<Read>,
    unread: Vec<Unread>,
}

/// A parameter whose shape is known.
struct Read {
    parameter: usize,
    member: Box<str>,
    shape: ShapeId,
}

impl Plan {
    /// Compiles the parameters of an operation whose template has parameters of these names.
    pub fn of(
        parameters: &[Arc<Parameter>],
        template: &[Box<str>],
        schemas: &Schemas,
    ) -> (Self, Vec<Unread>) {
        let mut compiling =
            Compiling { builder: ShapesBuilder::new(schemas), read: Vec::new(), unread: Vec::new() };
        let mut members = Vec::new();
        for (index, parameter) in parameters.iter().enumerate() {
            let schema = match &parameter.value {
                ParameterValue::Schema { schema, .. } => Some(*schema),
                ParameterValue::Content { schema, .. } => *schema,
            };
            let Ok(shape) = schema.map_or(Ok(ShapeId::ANY), |schema| compiling.builder.add(schema)) else {
                compiling.unread.push(Unread { parameter: index, why: INTRICATE });
                continue;
            };
            let member: Box<str> = index.to_string().into();
            members.extend(schema.map(|schema| (member.clone(), schema)));
            compiling.read.push(Read { parameter: index, member, shape });
        }
        let Compiling { builder, read, mut unread } = compiling;
        let shapes = Arc::new(builder.finish());
        let mut plan = Self {
            query: Query::Pairs(Form::new(Arc::clone(&shapes), Coding::Form, Further::Refused, PAIRS_MAX)),
            shapes,
            path: Vec::new(),
            fields: Vec::new(),
            cookies: None,
            members,
        };
        for read in &read {
            let Some(parameter) = parameters.get(read.parameter) else { continue };
            if let Err(why) = plan.add(parameter, read, template, parameters, schemas) {
                unread.push(Unread { parameter: read.parameter, why });
            }
        }
        if let Some(crossed) = plan.crossed() {
            let is_it = |parameter: &Arc<Parameter>| *parameter.name == *crossed;
            let parameter = parameters.iter().position(is_it).unwrap_or_default();
            unread.push(Unread { parameter, why: CROSSED });
        }
        let is_read = |member: &str| !unread.iter().any(|unread| unread.parameter.to_string() == member);
        plan.members.retain(|(member, _)| is_read(member));
        (plan, unread)
    }

    /// What each member of the object is judged by, as far as it has a schema.
    pub fn members(&self) -> &[(Box<str>, SchemaId)] {
        &self.members
    }

    /// Which parameters of the template are written in style `matrix`.
    pub fn matrix(&self) -> impl Iterator<Item = usize> {
        let is_matrix =
            |one: &&InPath| one.segment.as_ref().is_some_and(|segment| segment.style == SegmentStyle::Matrix);
        self.path.iter().filter(is_matrix).map(|one| one.at)
    }

    /// Lets names in the query pass that nobody declared, unless a backend could read them as declared ones.
    pub fn pass_undeclared(&mut self) {
        if let Query::Pairs(form) = &mut self.query
            && !form.is_open()
        {
            form.leave_further_to(Further::Passed);
        }
    }

    fn crossed(&self) -> Option<&str> {
        match &self.query {
            Query::Pairs(form) => form.crossing(),
            Query::Form { .. } | Query::Text { .. } => None,
        }
    }

    fn add(
        &mut self,
        parameter: &Parameter,
        read: &Read,
        template: &[Box<str>],
        all: &[Arc<Parameter>],
        schemas: &Schemas,
    ) -> Result<(), &'static str> {
        let shapes = Arc::clone(&self.shapes);
        let how = How::of(&parameter.value, shapes.get(read.shape))?;
        match parameter.place {
            ParameterPlace::Path => {
                // One that does not stand in the template cannot be sent; loading warned of it.
                let Some(at) = template.iter().position(|name| *name == parameter.name) else {
                    return Ok(());
                };
                let segment = segment(parameter, how, read.shape, &shapes)?;
                self.path.push(InPath { at, member: read.member.clone(), shape: read.shape, segment });
                Ok(())
            }
            ParameterPlace::Header => {
                let name = parameter.name.to_ascii_lowercase();
                // OpenAPI, "Parameter Object": these declarations "SHALL be ignored".
                if matches!(&*name, "accept" | "content-type" | "authorization") {
                    self.members.retain(|(member, _)| *member != read.member);
                    return Ok(());
                }
                match &*name {
                    "cookie" => return Err(COOKIE_FIELD),
                    "connection" | "expect" | "keep-alive" | "te" | "trailer" | "transfer-encoding"
                    | "upgrade" => {
                        return Err(CONNECTION);
                    }
                    _ => {}
                }
                let field = field(how, read.shape, &shapes)?;
                self.fields.push(InField {
                    name: name.into(),
                    member: read.member.clone(),
                    shape: read.shape,
                    is_required: parameter.is_required,
                    field,
                });
                Ok(())
            }
            ParameterPlace::Query => {
                let Query::Pairs(form) = &mut self.query else { return Err(ALONE) };
                pairs(form, parameter, how, read, &shapes, Coding::Form)
            }
            ParameterPlace::QueryString => {
                let is_one = |other: &&Arc<Parameter>| {
                    matches!(other.place, ParameterPlace::Query | ParameterPlace::QueryString)
                };
                if all.iter().filter(is_one).count() != 1 {
                    return Err(ALONE);
                }
                self.query = whole(parameter, how, read, schemas)?;
                Ok(())
            }
            ParameterPlace::Cookie => {
                let new = || Form::new(Arc::clone(&shapes), Coding::Plain, Further::Refused, FORM_PAIRS_MAX);
                let form = self.cookies.get_or_insert_with(new);
                pairs(form, parameter, how, read, &shapes, Coding::Percent)
            }
        }
    }
}

/// How a declaration says that its value is written.
#[derive(Clone, Copy)]
pub(super) enum How {
    Style { style: Style, explode: bool, allow_reserved: bool, allow_empty: bool },
    Json,
    Text,
    Form,
}

impl How {
    fn of(value: &ParameterValue, shape: &Shape) -> Result<Self, &'static str> {
        match value {
            ParameterValue::Schema { style, explode, allow_reserved, allow_empty, .. } => Ok(Self::Style {
                style: *style,
                explode: *explode,
                allow_reserved: *allow_reserved,
                allow_empty: *allow_empty,
            }),
            ParameterValue::Content { media_type, .. } => {
                let how = Self::of_media_type(media_type).ok_or(MEDIA_TYPE)?;
                let is_text = shape.is_any() || shape.is_scalar();
                if matches!(how, Self::Text) && !is_text { Err(MEDIA_TYPE) } else { Ok(how) }
            }
        }
    }

    /// How a text of a media type is read.
    pub(super) fn of_media_type(media_type: &str) -> Option<Self> {
        let essence = essence(media_type);
        match &*essence {
            "application/json" | "text/json" => Some(Self::Json),
            "application/x-www-form-urlencoded" => Some(Self::Form),
            other if other.ends_with("+json") => Some(Self::Json),
            "text/plain" | "application/jsonpath" => Some(Self::Text),
            _ => None,
        }
    }
}

fn delimiter(style: Style) -> Option<Delimiter> {
    match style {
        Style::SpaceDelimited => Some(Delimiter::Space),
        Style::PipeDelimited => Some(Delimiter::Pipe),
        Style::TabDelimited => Some(Delimiter::Tab),
        Style::Simple | Style::Form | Style::Cookie | Style::Matrix | Style::Label => Some(Delimiter::Comma),
        Style::DeepObject => None,
    }
}

fn segment(
    parameter: &Parameter,
    how: How,
    shape: ShapeId,
    shapes: &Shapes,
) -> Result<Option<Segment>, &'static str> {
    let (style, explode, allow_reserved) = match how {
        How::Json => return Ok(None),
        How::Form => return Err(MEDIA_TYPE),
        How::Text => (SegmentStyle::Simple(Delimiter::Comma), false, false),
        How::Style { style, explode, allow_reserved, .. } => {
            let style = match style {
                Style::Simple => SegmentStyle::Simple(Delimiter::Comma),
                Style::Label => SegmentStyle::Label,
                Style::Matrix => SegmentStyle::Matrix,
                Style::SpaceDelimited => SegmentStyle::Simple(Delimiter::Space),
                Style::PipeDelimited => SegmentStyle::Simple(Delimiter::Pipe),
                Style::TabDelimited => SegmentStyle::Simple(Delimiter::Tab),
                Style::Form | Style::DeepObject | Style::Cookie => return Err(PLACE),
            };
            (style, explode, allow_reserved)
        }
    };
    flat(shape, shapes)?;
    Ok(Some(Segment { name: parameter.name.clone(), style, explode, allow_reserved }))
}

fn field(how: How, shape: ShapeId, shapes: &Shapes) -> Result<Option<Field>, &'static str> {
    match how {
        How::Json => Ok(None),
        How::Form => Err(MEDIA_TYPE),
        How::Text => Ok(Some(Field { delimiter: Delimiter::Comma, explode: false })),
        How::Style { style, explode, .. } => {
            let delimiter = match style {
                Style::Simple => Delimiter::Comma,
                Style::SpaceDelimited => Delimiter::Space,
                Style::PipeDelimited => Delimiter::Pipe,
                Style::TabDelimited => Delimiter::Tab,
                Style::Form | Style::DeepObject | Style::Cookie | Style::Matrix | Style::Label => {
                    return Err(PLACE);
                }
            };
            flat(shape, shapes)?;
            Ok(Some(Field { delimiter, explode }))
        }
    }
}

/// Declares a parameter among pairs.
fn pairs(
    form: &mut Form,
    parameter: &Parameter,
    how: How,
    read: &Read,
    shapes: &Shapes,
    coding: Coding,
) -> Result<(), &'static str> {
    let is_cookie = parameter.place == ParameterPlace::Cookie;
    let mut entry = Entry {
        name: parameter.name.clone(),
        member: read.member.clone(),
        shape: read.shape,
        reading: Reading::Repeated,
        coding,
        is_required: parameter.is_required,
        allow_empty: false,
        allow_reserved: false,
    };
    match how {
        How::Json => entry.reading = Reading::Json,
        How::Form => return Err(MEDIA_TYPE),
        How::Text => {}
        How::Style { style, explode, allow_reserved, allow_empty } => {
            (entry.allow_empty, entry.allow_reserved) = (allow_empty && !is_cookie, allow_reserved);
            let is_single = !shapes.get(read.shape).is_array() && !shapes.get(read.shape).is_object();
            match (style, is_cookie) {
                (Style::Cookie, true) => entry.coding = Coding::Plain,
                (Style::Form, true) if explode && !is_single && !shapes.get(read.shape).is_any() => {
                    return Err(COOKIE_LIST);
                }
                (Style::Form, _)
                | (
                    Style::SpaceDelimited | Style::PipeDelimited | Style::TabDelimited | Style::DeepObject,
                    false,
                ) => {}
                _ => return Err(PLACE),
            }
            entry.reading = reading(style, explode, read.shape, shapes)?;
        }
    }
    declare(form, entry, shapes, is_cookie)
}

/// Declares a name, and who takes those that nobody declared.
fn declare(form: &mut Form, entry: Entry, shapes: &Shapes, is_cookie: bool) -> Result<(), &'static str> {
    let is_open = entry.reading == Reading::Members && shapes.get(entry.shape).further.shape().is_some();
    if is_open && is_cookie {
        return Err(OPEN_COOKIES);
    }
    if is_open && form.is_open() {
        return Err(OPEN_TWICE);
    }
    let at = u32::try_from(form.entries().len()).unwrap_or(u32::MAX);
    form.declare(entry).map_err(|_| TAKEN)?;
    if is_open {
        form.leave_further_to(Further::Entry(at));
    }
    Ok(())
}

/// How the pairs of a style make a value.
pub(super) fn reading(
    style: Style,
    explode: bool,
    shape: ShapeId,
    shapes: &Shapes,
) -> Result<Reading, &'static str> {
    let own = shapes.get(shape);
    if own.is_any() && style != Style::DeepObject {
        return Ok(Reading::Repeated);
    }
    let is_single = !own.is_array() && !own.is_object();
    match (style, explode) {
        (Style::DeepObject, _) => deep(shape, shapes).map(|()| Reading::Deep),
        _ if is_single => Ok(Reading::Repeated),
        (Style::Form | Style::Cookie, true) if own.is_object() => {
            if own.is_array() {
                return Err(LIST_OR_OBJECT);
            }
            if own.is_scalar() {
                return Err(MIXED);
            }
            members(own, shapes, |member| {
                member.is_any() || member.is_scalar() || (member.is_array() && items_are_flat(member, shapes))
            })?;
            Ok(Reading::Members)
        }
        (Style::Form | Style::Cookie, true) => flat(shape, shapes).map(|()| Reading::Repeated),
        (Style::SpaceDelimited | Style::PipeDelimited | Style::TabDelimited, true) => Err(EXPLODED),
        (Style::Simple | Style::Label | Style::Matrix, _) => Err(PLACE),
        (
            Style::Form | Style::Cookie | Style::SpaceDelimited | Style::PipeDelimited | Style::TabDelimited,
            false,
        ) => {
            flat(shape, shapes)?;
            Ok(delimiter(style).map_or(Reading::Repeated, Reading::Joined))
        }
    }
}

/// Whether all parts of a value have a text of their own, and its kind can be told.
fn flat(shape: ShapeId, shapes: &Shapes) -> Result<(), &'static str> {
    let own = shapes.get(shape);
    if own.is_any() {
        return Ok(());
    }
    if own.is_array() && own.is_object() {
        return Err(LIST_OR_OBJECT);
    }
    if own.is_array() && !items_are_flat(own, shapes) {
        return Err(NESTED);
    }
    if own.is_object() {
        members(own, shapes, |member| member.is_any() || member.is_scalar())
    } else {
        Ok(())
    }
}

pub(super) fn items_are_flat(shape: &Shape, shapes: &Shapes) -> bool {
    shape.items().map(|item| shapes.get(item)).all(|item| item.is_any() || item.is_scalar())
}

fn members(shape: &Shape, shapes: &Shapes, is_good: impl Fn(&Shape) -> bool) -> Result<(), &'static str> {
    let mut all = shape.members().iter().map(|(_, member)| *member).chain(shape.further.shape());
    if all.all(|member| is_good(shapes.get(member))) { Ok(()) } else { Err(NESTED) }
}

/// Whether of every part of a deep object it can be told whether it is a list or an object.
fn deep(shape: ShapeId, shapes: &Shapes) -> Result<(), &'static str> {
    let mut seen = std::collections::HashSet::from([shape]);
    let mut open = vec![shape];
    while let Some(shape) = open.pop() {
        let own = shapes.get(shape);
        if own.is_any() {
            continue;
        }
        if own.is_array() && own.is_object() {
            return Err(LIST_OR_OBJECT);
        }
        let members = own.members().iter().map(|(_, member)| *member).chain(own.further.shape());
        let parts = members.chain(own.items());
        open.extend(parts.filter(|part| seen.insert(*part)));
    }
    Ok(())
}

/// 3.2: a parameter that is all of the query.
fn whole(parameter: &Parameter, how: How, read: &Read, schemas: &Schemas) -> Result<Query, &'static str> {
    let (member, is_required) = (read.member.clone(), parameter.is_required);
    match how {
        How::Form => {
            let ParameterValue::Content { schema, encoding, .. } = &parameter.value else {
                return Err(MEDIA_TYPE);
            };
            let form = super::encoded::compile(*schema, encoding, PAIRS_MAX, schemas);
            let form = form.map_err(|unread| unread.why)?;
            Ok(Query::Form { member, is_required, form })
        }
        How::Json => Ok(Query::Text { member, is_required, shape: read.shape, is_json: true }),
        How::Text => Ok(Query::Text { member, is_required, shape: read.shape, is_json: false }),
        How::Style { .. } => Err(PLACE),
    }
}
