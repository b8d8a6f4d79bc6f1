//! What a request's body may be: which media type, and what is judged of it.
//!
//! The most specific range that is declared decides (RFC 9110 §12.5.1 read the other way round), and what no range takes is refused.
//! Each type has one way to be judged, chosen when the contract is compiled: JSON by the strict parser, url-encoded forms and
//! `multipart/form-data` as objects, text as one string, bytes by their length. A type of which the schema says more than can
//! be judged is a gap, and requests of that type are refused while others go on: no type passes because nobody can read it.
//!
//! Where a range takes many types (`*/*`), what comes decides: JSON is judged by the schema, and other types only
//! pass where the schema is one that bytes or a text can meet.
//!
//! # Limits
//! [`HELD_BYTES_MAX`] bytes of what is judged as one and comes in pieces; those of [`crate::value::Limits`] and
//! [`crate::multipart`].
//! # Threats
//! Everything here is the caller's. Fuzz target: `contract_multipart`.

mod compile;
mod judging;
mod parts;

use super::coverage::{Gap, Side};
use crate::engine::Key;
use crate::media_type::{MediaRange, MediaType};
use crate::multipart::BOUNDARY_BYTES_MAX;
use crate::parameters::form::Form;
use crate::schema::Types;
use crate::value::Fault;
use parts::Parts;

pub use judging::Judging;

const OCTET_STREAM: &[u8] = b"application/octet-stream";

/// Most bytes of a body that comes in pieces and can only be judged as one.
pub const HELD_BYTES_MAX: usize = 1 << 20;

/// What one operation takes as a body.
#[derive(Debug)]
pub struct BodyContract {
    is_declared: bool,
    is_required: bool,
    /// Invariant: the most specific come first.
    types: Vec<Declared>,
}

/// One range of media types, and what is judged of a body of them.
#[derive(Debug)]
struct Declared {
    range: MediaRange,
    /// As the document writes it.
    written: Box<str>,
    /// As a sender writes it, where it is one type without parameters.
    exactly: Option<Box<[u8]>>,
    reading: Reading,
    /// Something of it is not enforced, beside what its reading says.
    has_gap: bool,
}

/// What is judged of a body.
#[derive(Debug)]
enum Reading {
    /// A JSON text; by a schema, where one is declared.
    Json(Option<Key>),
    /// One string, or the scalar that it spells.
    Text(Option<Key>, Types),
    /// Its length.
    Bytes(Length),
    /// `application/x-www-form-urlencoded`.
    Form(Box<Form>, Option<Key>),
    /// `multipart/form-data`.
    Parts(Box<Parts>),
    /// Whatever of these fits what came: a JSON text, a text, bytes.
    Any { key: Option<Key>, text: Option<Types>, bytes: Option<Length> },
    /// Nobody can judge it: a gap.
    Gap,
}

/// How many bytes something may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Length {
    min: u64,
    max: u64,
}

/// What a request's head says of its body, and so what the body is judged as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chosen {
    declared: usize,
    kind: Kind,
    boundary: Boundary,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Nothing,
    Json,
    Text,
    Bytes,
    Form,
    Parts,
}

/// A boundary of multipart, kept where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Boundary {
    bytes: [u8; BOUNDARY_BYTES_MAX],
    len: usize,
}

/// How much of a body has to be seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum BodyNeeds {
    /// None of it.
    Nothing,
    /// Its pieces, one after the other.
    Stream,
    /// All of it at once.
    Whole,
}

/// Why a body cannot be judged, and is not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BodyFault {
    /// One is required.
    Missing,
    /// None is declared.
    Undeclared,
    /// None of its media type is declared, or it has none, or several.
    Type,
    /// This media type is declared, and nobody can judge it: a gap.
    NotEnforceable(Box<str>),
    /// It is not what its media type says, or passes a bound.
    Malformed(Fault),
}

impl BodyContract {
    /// Chooses by the lines of `Content-Type` what a body is judged as.
    ///
    /// # Errors
    /// It is not taken, whatever is in it.
    pub fn choose(
        &self,
        content_type: &mut dyn Iterator<Item = &[u8]>,
        has_body: bool,
    ) -> Result<Chosen, BodyFault> {
        if !has_body {
            return if self.is_required { Err(BodyFault::Missing) } else { Ok(Chosen::NOTHING) };
        }
        if !self.is_declared {
            return Err(BodyFault::Undeclared);
        }
        let line = match (content_type.next(), content_type.next()) {
            (line, None) => line,
            (_, Some(_)) => return Err(BodyFault::Type),
        };
        // RFC 9110 §8.3: what says nothing may be taken for bytes. It is where just these are declared.
        let is_stated = line.is_some();
        let line = line.unwrap_or(OCTET_STREAM);
        // PERF: what most senders write is what the document says, and needs no reading.
        let same = self.types.iter().position(|declared| declared.exactly.as_deref() == Some(line));
        if let Some(declared) = same
            && let Some(kind) = self.types.get(declared).and_then(Declared::plain)
        {
            return Ok(Chosen { declared, kind, boundary: Boundary::NONE });
        }
        let media_type = MediaType::parse(line).filter(|_| is_stated).ok_or(BodyFault::Type)?;
        let declared = self.types.iter().position(|declared| declared.range.takes(&media_type));
        let (declared, found) =
            declared.and_then(|index| self.types.get(index).map(|it| (index, it))).ok_or(BodyFault::Type)?;
        if found.is_gap() {
            return Err(BodyFault::NotEnforceable(found.written.clone()));
        }
        let kind = found.reading.kind(&media_type).ok_or(BodyFault::Type)?;
        let boundary = match kind {
            Kind::Parts => media_type.parameter("boundary").and_then(Boundary::of).ok_or(BodyFault::Type)?,
            Kind::Json | Kind::Text | Kind::Form if !media_type.is_utf8() => return Err(BodyFault::Type),
            _ => Boundary::NONE,
        };
        Ok(Chosen { declared, kind, boundary })
    }

    /// Whether a request may have a body.
    pub fn is_declared(&self) -> bool {
        self.is_declared
    }

    /// The most that any of its types needs.
    pub fn needs(&self) -> BodyNeeds {
        let needs = self.types.iter().map(|declared| declared.reading.needs());
        needs.max().unwrap_or(BodyNeeds::Nothing)
    }

    /// The ranges it declares, as written.
    pub(super) fn ranges(&self) -> impl Iterator<Item = &str> {
        self.types.iter().map(|declared| &*declared.written)
    }

    /// Closes the types of which something is not enforced.
    pub(super) fn close(&mut self, gaps: &[Gap]) {
        let is_of = |declared: &Declared, gap: &Gap| gap.media_type.as_deref() == Some(&*declared.written);
        for declared in &mut self.types {
            let mut of_requests = gaps.iter().filter(|gap| gap.side == Side::Request);
            declared.has_gap = of_requests.any(|gap| is_of(declared, gap));
        }
    }

    fn declared(&self, chosen: Chosen) -> Option<&Declared> {
        self.types.get(chosen.declared)
    }
}

impl Declared {
    fn is_gap(&self) -> bool {
        self.has_gap || matches!(self.reading, Reading::Gap)
    }

    fn plain(&self) -> Option<Kind> {
        self.reading.plain().filter(|_| !self.has_gap)
    }
}

impl Reading {
    /// The kind of what it takes, where its media type says nothing more.
    fn plain(&self) -> Option<Kind> {
        match self {
            Self::Json(_) => Some(Kind::Json),
            Self::Text(..) => Some(Kind::Text),
            Self::Bytes(_) => Some(Kind::Bytes),
            Self::Form(..) => Some(Kind::Form),
            Self::Parts(_) | Self::Any { .. } | Self::Gap => None,
        }
    }

    fn kind(&self, media_type: &MediaType<'_>) -> Option<Kind> {
        match self {
            Self::Parts(_) => Some(Kind::Parts),
            Self::Any { .. } if media_type.is_json() => Some(Kind::Json),
            Self::Any { text: Some(_), .. } if media_type.is_of("text") => Some(Kind::Text),
            Self::Any { bytes, .. } => bytes.map(|_| Kind::Bytes),
            _ => self.plain(),
        }
    }

    fn needs(&self) -> BodyNeeds {
        match self {
            Self::Json(_) | Self::Text(..) | Self::Form(..) | Self::Any { .. } => BodyNeeds::Whole,
            Self::Bytes(Length::ANY) => BodyNeeds::Nothing,
            Self::Parts(_) | Self::Bytes(_) => BodyNeeds::Stream,
            Self::Gap => BodyNeeds::Nothing,
        }
    }
}

impl Chosen {
    const NOTHING: Self = Self { declared: usize::MAX, kind: Kind::Nothing, boundary: Boundary::NONE };

    /// How much of the body has to be seen.
    pub fn needs(self) -> BodyNeeds {
        match self.kind {
            Kind::Nothing => BodyNeeds::Nothing,
            Kind::Bytes | Kind::Parts => BodyNeeds::Stream,
            Kind::Json | Kind::Text | Kind::Form => BodyNeeds::Whole,
        }
    }
}

impl Boundary {
    const NONE: Self = Self { bytes: [0; BOUNDARY_BYTES_MAX], len: 0 };

    fn of(text: &str) -> Option<Self> {
        let mut boundary = Self { len: text.len(), ..Self::NONE };
        boundary.bytes.get_mut(..text.len())?.copy_from_slice(text.as_bytes());
        Some(boundary)
    }

    fn as_str(&self) -> &str {
        self.bytes.get(..self.len).and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or_default()
    }
}

impl Length {
    const ANY: Self = Self { min: 0, max: u64::MAX };

    /// The keyword that does not hold.
    fn wrong(self, length: u64) -> Option<&'static str> {
        match () {
            () if length < self.min => Some("minLength"),
            () if length > self.max => Some("maxLength"),
            () => None,
        }
    }
}
