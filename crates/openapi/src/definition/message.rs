//! What a message may carry: parameters, bodies, responses.

use std::fmt;
use std::sync::Arc;

use super::Settings;
use crate::schema::SchemaId;
use crate::source::Span;

/// A declared parameter. Names are as written; those of fields have no case.
#[derive(Debug)]
pub struct Parameter {
    /// Its name.
    pub name: Box<str>,
    /// The part of the request it stands in.
    pub place: ParameterPlace,
    /// Whether a request must have it. One in the path always must.
    pub is_required: bool,
    /// Whether callers are asked to stop using it.
    pub is_deprecated: bool,
    /// What it carries, and how it is written.
    pub value: ParameterValue,
    /// Examples of its value.
    pub examples: Vec<Example>,
    /// Where it is declared.
    pub span: Span,
}

/// The part of a request a parameter stands in. Bodies and forms of 2.0 are a [`Body`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ParameterPlace {
    /// A segment of the path, or a part of one.
    Path,
    /// A pair of the query.
    Query,
    /// The whole query (3.2).
    QueryString,
    /// A field.
    Header,
    /// A cookie.
    Cookie,
}

/// What a parameter carries, and how it is written.
#[derive(Debug, Clone)]
pub enum ParameterValue {
    /// A value in one of the styles.
    Schema {
        /// What holds for it; one that says nothing where the document has none.
        schema: SchemaId,
        /// How it is written.
        style: Style,
        /// Whether each item, or each property, stands for itself.
        explode: bool,
        /// Whether delimiters of an address may stand in it unescaped.
        allow_reserved: bool,
        /// Whether it may be there without a value.
        allow_empty: bool,
    },
    /// A text of a media type.
    Content {
        /// The media type, as written.
        media_type: Box<str>,
        /// What holds for its value.
        schema: Option<SchemaId>,
        /// 3.2: of a form that is all of the query, how its properties are written.
        encoding: Vec<Encoding>,
    },
}

/// How a value is written as a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Style {
    /// `;name=value`.
    Matrix,
    /// `.value`.
    Label,
    /// `value`, items between commas.
    Simple,
    /// `name=value`, items between commas.
    Form,
    /// Items between blanks.
    SpaceDelimited,
    /// Items between tabs: 2.0's `tsv`.
    TabDelimited,
    /// Items between bars.
    PipeDelimited,
    /// `name[property]=value`.
    DeepObject,
    /// 3.2: `name=value` as cookies are written, nothing escaped.
    Cookie,
}

/// The body a request may have.
#[derive(Debug, Clone)]
pub struct Body {
    /// Whether a request must have one.
    pub is_required: bool,
    /// What it may be. Empty when the document does not say.
    pub content: Arc<[MediaType]>,
    /// Where it is declared.
    pub span: Span,
}

/// A media type or range of them, and what holds for such a body.
#[derive(Debug)]
pub struct MediaType {
    /// As written.
    pub range: Box<str>,
    /// What holds for the whole.
    pub schema: Option<SchemaId>,
    /// 3.2: what holds for each item of a sequence.
    pub item_schema: Option<SchemaId>,
    /// How properties of a form or parts of a multipart body are written.
    pub encoding: Vec<Encoding>,
    /// 3.2: how parts are written that have a position and no name.
    pub prefix_encoding: Vec<Encoding>,
    /// 3.2: how all further such parts are written.
    pub item_encoding: Option<Box<Encoding>>,
    /// Examples of such a body.
    pub examples: Vec<Example>,
    /// Where it is declared.
    pub span: Span,
}

/// How a property of a form, or a part of a multipart body, is written.
#[derive(Debug, Clone)]
pub struct Encoding {
    /// The property; empty for a part by position.
    pub property: Box<str>,
    /// `contentType`: media types and ranges between commas, as written.
    pub content_type: Option<Box<str>>,
    /// Fields of the part.
    pub headers: Vec<Header>,
    /// `style`, where it is written.
    pub style: Option<Style>,
    /// `explode`, where it is written.
    pub explode: Option<bool>,
    /// `allowReserved`.
    pub allow_reserved: bool,
    /// 3.2: whether encodings of parts within the part are written.
    pub is_nested: bool,
    /// Where it is declared.
    pub span: Span,
}

/// A declared field of a response or of a part.
#[derive(Debug, Clone)]
pub struct Header {
    /// Its name, without case.
    pub name: Box<str>,
    /// Whether it must be there.
    pub is_required: bool,
    /// What it carries, always in [`Style::Simple`] or as content.
    pub value: ParameterValue,
    /// Where it is declared.
    pub span: Span,
}

/// A response that is documented.
#[derive(Debug)]
pub struct Response {
    /// The statuses it is for.
    pub status: Status,
    /// Its fields.
    pub headers: Arc<[Header]>,
    /// What its body may be. Empty when the document does not say.
    pub content: Arc<[MediaType]>,
    /// Its `x-portcullis`.
    pub settings: Option<Arc<Settings>>,
    /// Where it is declared.
    pub span: Span,
}

/// The statuses that a response is documented for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Status {
    /// One.
    Code(u16),
    /// Those from this hundred: 4 for `4XX`.
    Class(u8),
    /// All that no other is for.
    Default,
}

/// An example.
#[derive(Debug, Clone)]
pub struct Example {
    /// Its name, where several are written.
    pub name: Option<Box<str>>,
    /// Its value as JSON text.
    pub value: Arc<str>,
}

impl MediaType {
    /// One of which no more is said than its schema.
    pub(super) fn new(range: Box<str>, schema: Option<SchemaId>, span: Span) -> Self {
        Self {
            range,
            schema,
            item_schema: None,
            encoding: Vec::new(),
            prefix_encoding: Vec::new(),
            item_encoding: None,
            examples: Vec::new(),
            span,
        }
    }
}

impl Style {
    /// The style of a name, and whether it explodes where the document says nothing.
    pub fn named(name: &str) -> Option<(Self, bool)> {
        Some(match name {
            "matrix" => (Self::Matrix, false),
            "label" => (Self::Label, false),
            "simple" => (Self::Simple, false),
            "form" => (Self::Form, true),
            "spaceDelimited" => (Self::SpaceDelimited, false),
            "pipeDelimited" => (Self::PipeDelimited, false),
            "deepObject" => (Self::DeepObject, false),
            "cookie" => (Self::Cookie, true),
            _ => return None,
        })
    }
}

impl Status {
    /// As a document writes it: `200`, `4XX`, `default`.
    pub fn parse(text: &str) -> Option<Self> {
        if text == "default" {
            return Some(Self::Default);
        }
        let class = text.strip_suffix("XX").or_else(|| text.strip_suffix("xx"));
        if let Some(class) = class {
            return class.parse().ok().filter(|class| (1..=5).contains(class)).map(Self::Class);
        }
        text.parse().ok().filter(|code| (100..=599).contains(code)).map(Self::Code)
    }

    /// Whether it is for a status.
    pub fn covers(self, code: u16) -> bool {
        match self {
            Self::Code(own) => own == code,
            Self::Class(class) => u16::from(class) == code / 100,
            Self::Default => true,
        }
    }

    /// Which of those that cover a status is the one that counts: the least.
    pub(crate) fn rank(self) -> u8 {
        match self {
            Self::Code(_) => 0,
            Self::Class(_) => 1,
            Self::Default => 2,
        }
    }
}

/// As a document writes it.
impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "{code}"),
            Self::Class(class) => write!(f, "{class}XX"),
            Self::Default => f.write_str("default"),
        }
    }
}
