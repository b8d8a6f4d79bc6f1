//! What a request's body may be, and judging it.
//!
//! JSON is judged by its schema, other types without a schema pass as they are, and a type with a schema that nothing here
//! reads is a gap.

use super::coverage::Side;
use super::lowering::Lowering;
use super::violations::{Place, Violations};
use crate::definition::{Body, MediaType as Declared};
use crate::engine::{Key, Validators};
use crate::media_type::{MediaRange, MediaType};
use crate::schema::Direction;
use crate::source::Pointer;
use crate::value::{Fault, Limits, parse};

/// What a request's body may be.
#[derive(Debug)]
pub struct BodyContract {
    is_declared: bool,
    is_required: bool,
    types: Vec<Type>,
}

#[derive(Debug)]
struct Type {
    written: Box<str>,
    range: MediaRange,
    kind: Kind,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Json(Option<Key>),
    Bytes,
    Gap,
}

/// Which of its types a body has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chosen {
    index: Option<usize>,
    needs: BodyNeeds,
}

/// What it takes to judge a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum BodyNeeds {
    /// Nothing of it.
    Nothing,
    /// Its pieces as they pass.
    Stream,
    /// All of it.
    Whole,
}

/// Why a body is none that can be judged.
#[derive(Debug)]
pub enum BodyFault {
    /// There has to be one.
    Missing,
    /// None is declared.
    Undeclared,
    /// It has no declared type.
    Type,
    /// It is declared to be something that nothing here reads.
    NotEnforceable(Box<str>),
    /// It is no document of its type, or past a bound.
    Malformed(Fault),
}

impl BodyContract {
    /// Compiles what is declared of a body.
    pub fn compile(body: Option<&Body>, lowering: &mut Lowering<'_>) -> Self {
        let Some(body) = body else {
            return Self { is_declared: false, is_required: false, types: Vec::new() };
        };
        let mut types = Vec::new();
        for declared in body.content.iter() {
            lowering.about(Some(&declared.range));
            match MediaRange::parse(&declared.range) {
                Some(range) => {
                    let kind = kind(declared, &range, lowering);
                    types.push(Type { written: declared.range.clone(), range, kind });
                }
                None => {
                    lowering.gap(Side::Request, declared.span, Pointer::new(), "content", "is no media range")
                }
            }
        }
        lowering.about(None);
        types.sort_by(|one, other| one.range.compare(&other.range).reverse());
        Self { is_declared: true, is_required: body.is_required, types }
    }

    /// The ranges it declares, as written.
    pub(super) fn ranges(&self) -> impl Iterator<Item = &str> {
        self.types.iter().map(|one| &*one.written)
    }

    /// The most that any of its types needs.
    pub fn needs(&self) -> BodyNeeds {
        self.types.iter().map(|one| one.kind.needs()).max().unwrap_or(BodyNeeds::Nothing)
    }

    /// Finds the type of a body.
    ///
    /// # Errors
    /// When there has to be a body and is none, or there is one that is not declared.
    pub fn choose(
        &self,
        content_type: &mut dyn Iterator<Item = &[u8]>,
        has_body: bool,
    ) -> Result<Chosen, BodyFault> {
        if !has_body {
            let chosen = Chosen { index: None, needs: BodyNeeds::Nothing };
            return if self.is_required { Err(BodyFault::Missing) } else { Ok(chosen) };
        }
        if !self.is_declared {
            return Err(BodyFault::Undeclared);
        }
        let (Some(line), None) = (content_type.next(), content_type.next()) else {
            return Err(BodyFault::Type);
        };
        let Some(media_type) = MediaType::parse(line) else { return Err(BodyFault::Type) };
        // A document that declares a body and no type says nothing of it.
        if self.types.is_empty() {
            return Ok(Chosen { index: None, needs: BodyNeeds::Nothing });
        }
        let found = self.types.iter().enumerate().find(|(_, one)| one.range.takes(&media_type));
        match found {
            Some((_, Type { kind: Kind::Gap, written, .. })) => {
                Err(BodyFault::NotEnforceable(written.clone()))
            }
            Some((index, one)) => Ok(Chosen { index: Some(index), needs: one.kind.needs() }),
            None => Err(BodyFault::Type),
        }
    }

    /// Judges a whole body.
    pub(super) fn judge(
        &self,
        chosen: Chosen,
        bytes: &[u8],
        limits: &Limits,
        validators: &Validators,
        found: &mut Violations,
    ) -> Result<(), BodyFault> {
        let Some(one) = chosen.index.and_then(|index| self.types.get(index)) else { return Ok(()) };
        match one.kind {
            Kind::Json(key) => {
                let tape = parse(bytes, limits).map_err(BodyFault::Malformed)?;
                if let Some(key) = key {
                    validators.judge(key, tape.root(), Place::Body, found);
                }
                Ok(())
            }
            Kind::Bytes => Ok(()),
            Kind::Gap => Err(BodyFault::NotEnforceable(one.written.clone())),
        }
    }
}

fn kind(declared: &Declared, range: &MediaRange, lowering: &mut Lowering<'_>) -> Kind {
    let is_json =
        range.exactly().is_some_and(|exact| exact.is("application", "json") || exact.has_suffix("+json"))
            || range.suffix() == Some("+json");
    if is_json && declared.item_schema.is_none() {
        return Kind::Json(declared.schema.map(|schema| lowering.root(schema, Direction::Request)));
    }
    if declared.schema.is_none() && declared.item_schema.is_none() {
        return Kind::Bytes;
    }
    let why = "bodies of this type are not judged";
    lowering.gap(Side::Request, declared.span, Pointer::new(), declared.range.clone(), why);
    Kind::Gap
}

impl Kind {
    fn needs(self) -> BodyNeeds {
        match self {
            Self::Json(_) => BodyNeeds::Whole,
            Self::Bytes | Self::Gap => BodyNeeds::Nothing,
        }
    }
}

impl Chosen {
    /// What it takes to judge the body.
    pub fn needs(&self) -> BodyNeeds {
        self.needs
    }
}
