//! What an operation answers: which response of the definition an answer is, and whether it is what that one says.
//!
//! The response of the very status counts, then that of its hundred, then `default`; of its media types the most specific
//! that takes the answer's. JSON is judged, as a response (what is `writeOnly` is not declared there), read strictly as
//! requests are. Whatever else is declared, texts, images, archives, is not looked into. Declared fields are judged as header
//! parameters are; several lines of one are one list (RFC 9110 §5.3).
//!
//! [`Judge::let_through`] is for whoever changes answers: it strips by projection, judges what comes of it by the schema as it
//! is, and masks last, for a masked value need not be what its schema says.
//!
//! # Limits
//! [`Options::responses`](super::Options), and those of the engine and of projections.
//!
//! # Threats
//! The backend says all of the answer. What does not conform is told by places and keywords, never by values.

use super::coverage::Side;
use super::fields::{Fields, Lines};
use super::lowering::Lowering;
use super::violations::{Place, Violations};
use crate::definition::{MediaType as Media, Response, Status};
use crate::engine::{Key, Validators};
use crate::media_type::{MediaRange, MediaType};
use crate::project::{Plan, Projected, Projection, TooMuch};
use crate::schema::{Direction, SchemaId, Schemas};
use crate::source::Pointer;
use crate::value::{Fault, Limits, Value, parse};

/// The responses that an operation documents.
#[derive(Debug, Default)]
pub struct Responses {
    declared: Vec<Declared>,
}

/// One of them.
#[derive(Debug)]
pub struct Declared {
    status: Status,
    /// Names of its fields.
    names: Vec<Box<str>>,
    /// What they are judged by.
    fields: Option<Fields>,
    // Invariant: the most specific come first; of two that say as much the one that was written first.
    types: Vec<Typed>,
}

/// A media type or range of a response.
#[derive(Debug)]
struct Typed {
    range: MediaRange,
    json: Option<Json>,
}

/// What JSON of a response is judged by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Json {
    key: Key,
    schema: SchemaId,
}

/// What a response says of a media type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// Nothing: it is not declared.
    Undeclared,
    /// It is declared, and not looked into.
    Opaque,
    /// It is JSON with a schema.
    Json(Json),
}

/// What answers of an API are judged with.
#[derive(Clone, Copy)]
pub struct Judge<'c> {
    /// The schemas of its definition.
    pub schemas: &'c Schemas,
    /// The same, compiled.
    pub validators: &'c Validators,
    /// What projections need to know of them.
    pub plan: &'c Plan,
    /// The bounds that JSON is read within.
    pub limits: &'c Limits,
}

/// What becomes of an answer that is to be let through.
#[derive(Clone, Copy, Default)]
pub struct Rules<'r> {
    /// Whether what is not declared is left out; else it is no answer.
    pub strips: bool,
    /// The classes of which values are masked.
    pub masked: &'r [Box<str>],
    /// Whether a text is one that nobody outside should read.
    pub is_removed: Option<&'r dyn Fn(&str) -> bool>,
}

/// A field that is not what is declared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrongField {
    /// In lower case.
    pub name: Box<str>,
    /// Whether it has to be there.
    pub is_required: bool,
}

/// Why an answer is none.
#[derive(Debug)]
pub enum Broken {
    /// It is no JSON, or beyond the limits.
    Malformed(Fault),
    /// It is not what its schema says.
    Violates(Violations),
    /// It cannot be told at the cost that is allowed.
    TooMuch,
    /// A text stands in it that nobody outside should read: for whoever does not take such out.
    StackTrace,
}

/// An answer that may go.
#[derive(Debug, Default)]
pub struct Passed {
    /// What goes in its place; `None` where it goes as it is.
    pub json: Option<Vec<u8>>,
    /// How many members were left out.
    pub dropped: usize,
    /// JSON Pointers to the first of them.
    pub names: Vec<Box<str>>,
    /// How many values were masked.
    pub masked: usize,
    /// How many texts were removed.
    pub removed: usize,
}

impl Responses {
    /// Compiles what a definition documents.
    pub fn compile(responses: &[Response], lowering: &mut Lowering<'_>, plan: &mut Plan) -> Self {
        let mut declared = Vec::new();
        for response in responses {
            lowering.about(None);
            let fields = Fields::compile(&response.headers, Side::Response, lowering);
            let names = response.headers.iter().map(|header| header.name.to_ascii_lowercase().into());
            let types = response.content.iter().filter_map(|media| Typed::compile(media, lowering, plan));
            let mut types: Vec<Typed> = types.collect();
            types.sort_by(|one, other| other.range.compare(&one.range));
            declared.push(Declared { status: response.status, names: names.collect(), fields, types });
        }
        lowering.about(None);
        Self { declared }
    }

    /// The response that is documented for a status: for itself, for its hundred, or by default.
    pub fn find(&self, status: u16) -> Option<&Declared> {
        let covering = self.declared.iter().filter(|declared| declared.status.covers(status));
        covering.min_by_key(|declared| declared.status.rank())
    }

    /// Whether JSON of any of them is judged.
    pub fn has_json(&self) -> bool {
        self.declared.iter().flat_map(|declared| &declared.types).any(|typed| typed.json.is_some())
    }

    /// Whether nothing is documented.
    pub fn is_empty(&self) -> bool {
        self.declared.is_empty()
    }
}

impl Typed {
    fn compile(media: &Media, lowering: &mut Lowering<'_>, plan: &mut Plan) -> Option<Self> {
        lowering.about(Some(&media.range));
        let Some(range) = MediaRange::parse(&media.range) else {
            lowering.gap(Side::Response, media.span, Pointer::new(), "content", "is no media range");
            return None;
        };
        let json = media.schema.filter(|_| may_be_json(&range)).map(|schema| {
            plan.add(lowering.schemas(), schema);
            Json { key: lowering.root(schema, Direction::Response), schema }
        });
        if json.is_none() && (media.schema.is_some() || media.item_schema.is_some()) {
            let why = "answers of this type are not looked into";
            lowering.gap(Side::Response, media.span, Pointer::new(), media.range.clone(), why);
        }
        Some(Self { range, json })
    }
}

impl Declared {
    /// Whether it may have a body at all.
    pub fn has_content(&self) -> bool {
        !self.types.is_empty()
    }

    /// Whether a field of that name, in lower case, is declared.
    pub fn has_field(&self, name: &str) -> bool {
        self.names.iter().any(|own| **own == *name)
    }

    /// What it says of a media type.
    pub fn content(&self, media_type: &MediaType<'_>) -> Content {
        match self.types.iter().find(|typed| typed.range.takes(media_type)) {
            None => Content::Undeclared,
            Some(Typed { json: Some(json), .. }) if media_type.is_json() => Content::Json(*json),
            Some(_) => Content::Opaque,
        }
    }
}

fn may_be_json(range: &MediaRange) -> bool {
    range.exactly().is_none_or(|exact| exact.is_json())
}

impl Judge<'_> {
    /// Judges JSON by its schema.
    ///
    /// # Errors
    /// It is not what the schema says.
    pub fn judge(&self, json: Json, bytes: &[u8]) -> Result<(), Broken> {
        let tape = parse(bytes, self.limits).map_err(Broken::Malformed)?;
        self.conforms(json, tape.root())
    }

    fn conforms(&self, json: Json, value: Value<'_>) -> Result<(), Broken> {
        let mut found = Violations::new();
        self.validators.judge(json.key, value, Place::Body, &mut found);
        if found.is_empty() { Ok(()) } else { Err(Broken::Violates(found)) }
    }

    /// The fields of an answer that are not what is declared, each once, with why in `found`. `value` has that of a field by
    /// its name in lower case, the lines of one with commas between them.
    pub fn wrong_fields(
        &self,
        declared: &Declared,
        mut value: impl FnMut(&str) -> Option<Vec<u8>>,
        found: &mut Violations,
    ) -> Vec<WrongField> {
        let Some(fields) = &declared.fields else { return Vec::new() };
        let mut lines = Lines::default();
        for field in fields.declared() {
            lines.0.extend(value(&field.name).map(|value| (field.name.clone(), value)));
        }
        let mut wrong: Vec<WrongField> = Vec::new();
        fields.judge(&lines, self.limits, self.validators, &mut |field, pointer, keyword| {
            found.push(Place::Header(field.name.clone()), pointer, keyword);
            if !wrong.iter().any(|known| known.name == field.name) {
                wrong.push(WrongField { name: field.name.clone(), is_required: field.is_required });
            }
        });
        wrong
    }

    /// Lets JSON through as far as `rules` have it: stripped, masked, or as it is.
    ///
    /// # Errors
    /// It is not what its schema says, and cannot be stripped to that.
    pub fn let_through(&self, json: Json, bytes: &[u8], rules: &Rules<'_>) -> Result<Passed, Broken> {
        let tape = parse(bytes, self.limits).map_err(Broken::Malformed)?;
        let mut passed = Passed::default();
        let conforms = if rules.strips {
            // Why it does not is not gathered of what is stripped all the same.
            self.validators.is_valid(json.key, tape.root())
        } else {
            self.conforms(json, tape.root()).map(|()| true)?
        };
        if conforms {
            self.hide(json, tape.root(), rules, &mut passed)?;
            return Ok(passed);
        }
        let stripping = Rules { masked: &[], is_removed: None, ..*rules };
        let stripped = self.project(json, tape.root(), &stripping).map_err(|TooMuch| Broken::TooMuch)?;
        drop(tape);
        let tape = parse(&stripped.json, self.limits).map_err(Broken::Malformed)?;
        // SECURITY: nothing goes that is not judged by the schema itself, whatever the projection thought.
        self.conforms(json, tape.root())?;
        passed.dropped = stripped.dropped;
        self.hide(json, tape.root(), rules, &mut passed)?;
        drop(tape);
        if passed.json.is_none() {
            passed.json = Some(stripped.json);
        }
        passed.names = stripped.names;
        Ok(passed)
    }

    /// Masks values and removes texts of what conforms.
    fn hide(
        &self,
        json: Json,
        value: Value<'_>,
        rules: &Rules<'_>,
        passed: &mut Passed,
    ) -> Result<(), Broken> {
        let masks = !rules.masked.is_empty() && self.plan.has_classes(json.schema);
        let removes = rules.is_removed.is_some_and(|is_removed| has_text(value, is_removed));
        if !masks && !removes {
            return Ok(());
        }
        let hiding = Rules { strips: false, ..*rules };
        let hidden = self.project(json, value, &hiding).map_err(|TooMuch| Broken::TooMuch)?;
        if hidden.is_changed() {
            (passed.masked, passed.removed) = (hidden.masked, hidden.removed);
            passed.json = Some(hidden.json);
        }
        Ok(())
    }

    /// The members of JSON that its schema does not declare: JSON Pointers to the first of them.
    pub fn undeclared(&self, json: Json, bytes: &[u8]) -> Vec<Box<str>> {
        let Ok(tape) = parse(bytes, self.limits) else { return Vec::new() };
        let stripping = Rules { strips: true, ..Rules::default() };
        self.project(json, tape.root(), &stripping)
            .map_or_else(|TooMuch| Vec::new(), |stripped| stripped.names)
    }

    fn project(&self, json: Json, value: Value<'_>, rules: &Rules<'_>) -> Result<Projected, TooMuch> {
        let may_be = |schema: SchemaId, value: Value<'_>| {
            // What nobody compiled for this cannot be told from others, and may be meant.
            self.plan.key(schema).is_none_or(|key| self.validators.is_valid(key, value))
        };
        let projection = Projection {
            schemas: self.schemas,
            plan: self.plan,
            may_be: &may_be,
            strips: rules.strips,
            masked: rules.masked,
            is_removed: rules.is_removed,
        };
        projection.project(json.schema, value)
    }
}

/// Whether any text of a value is one of those.
// As deep as the tape, which is bounded.
fn has_text(value: Value<'_>, is_one: &dyn Fn(&str) -> bool) -> bool {
    value.as_str().is_some_and(is_one)
        || value.items().any(|item| has_text(item, is_one))
        || value.members().any(|member| has_text(member.value(), is_one))
}

#[cfg(test)]
mod tests;
