//! A parameter in the path: `5`, `.blue.black`, `;color=blue`.

use crate::schema::shape::ShapeId;

use super::joined::{Delimiter, Joined, Pairing};
use super::pen::Pen;
use super::text::{Coding, decode};
use super::{Kind, Wrong, kind};

/// The styles of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SegmentStyle {
    /// `blue,black`
    Simple(Delimiter),
    /// `.blue,black`
    Label,
    /// `;color=blue,black`
    Matrix,
}

/// How a parameter in the path is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Its name, which `matrix` writes out.
    pub name: Box<str>,
    /// Its style.
    pub style: SegmentStyle,
    /// Whether items and members stand by themselves.
    pub explode: bool,
    /// Whether reserved characters may stand as they are.
    pub allow_reserved: bool,
}

impl Segment {
    /// Reads what the path has in the place of the parameter.
    pub fn put(&self, text: &str, shape: ShapeId, pen: &mut Pen<'_>) -> Result<(), Wrong> {
        let pairing = if self.explode { Pairing::Equals } else { Pairing::Alternating };
        let joined = |delimiter| Joined { coding: Coding::Percent, delimiter, pairing };
        if self.style != SegmentStyle::Matrix && !self.allow_reserved && text.contains(';') {
            // A servlet container takes `;` and what follows for parameters of the path and not for the value.
            return Err(Wrong::Ambiguous);
        }
        match self.style {
            SegmentStyle::Simple(delimiter) => joined(delimiter).put(text, shape, pen),
            SegmentStyle::Label => {
                let text = text.strip_prefix('.').ok_or(Wrong::Style)?;
                let delimiter = if self.explode { Delimiter::Dot } else { Delimiter::Comma };
                joined(delimiter).put(text, shape, pen)
            }
            SegmentStyle::Matrix => {
                let text = text.strip_prefix(';').ok_or(Wrong::Style)?;
                if !self.explode {
                    let value = self.value(text, pen.scratch)?;
                    return joined(Delimiter::Comma).put(value, shape, pen);
                }
                self.exploded_matrix(text, shape, pen)
            }
        }
    }

    fn exploded_matrix(&self, text: &str, shape: ShapeId, pen: &mut Pen<'_>) -> Result<(), Wrong> {
        let own = pen.shapes.get(shape);
        let joined =
            Joined { coding: Coding::Percent, delimiter: Delimiter::Semicolon, pairing: Pairing::Equals };
        let mut pieces = joined.split(text);
        // A single member is told from the value of the parameter by its name alone.
        let value = self.value(text, pen.scratch);
        let is_member = own.is_object() && value.is_err();
        match kind(value.unwrap_or(text), own, is_member || text.contains(';'))? {
            Kind::Scalar => {
                let value = self.value(pieces.next().unwrap_or_default(), pen.scratch)?;
                if pieces.next().is_some() {
                    return Err(Wrong::Repeated);
                }
                pen.scalar(value, Coding::Percent, own.types)
            }
            Kind::Array => {
                // The pen keeps its room to itself while it writes; a name needs some only where it is encoded.
                let mut room = Vec::new();
                pen.list(pieces.map(|piece| self.value(piece, &mut room)), own, Coding::Percent)
            }
            Kind::Object => joined.object(pieces, own, pen),
        }
    }

    /// The value behind the parameter's own name. Without `=` it is empty.
    fn value<'a>(&self, text: &'a str, scratch: &mut Vec<u8>) -> Result<&'a str, Wrong> {
        let (name, value) = text.split_once('=').unwrap_or((text, ""));
        if decode(name, Coding::Percent, scratch)? == &*self.name { Ok(value) } else { Err(Wrong::Style) }
    }
}
