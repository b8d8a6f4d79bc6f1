//! A parameter in a header field: `blue, black`, never percent-decoded (OpenAPI 3.2, "Fixed Fields for use with `schema`").
//!
//! A list may stand in one line or in several (RFC 9110 §5.3); anything else stands once. Blanks around items do not count
//! (§5.6.1), nothing is an empty list, and an item that is empty, or in whose quotation marks a comma stands, is refused:
//! some readers leave it out or keep it whole.

use smallvec::SmallVec;

use crate::schema::shape::{ShapeId, Shapes};
use crate::value::Builder;

use super::joined::{Delimiter, Joined, Pairing};
use super::text::Coding;
use super::{Kind, Wrong, kind, scalar};

/// How a field is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// What stands between items.
    pub delimiter: Delimiter,
    /// Whether members are written `R=100`.
    pub explode: bool,
}

impl Field {
    /// Reads the lines of a field, at least one.
    pub fn put(
        self,
        lines: &[&[u8]],
        shape: ShapeId,
        shapes: &Shapes,
        scratch: &mut Vec<u8>,
        out: &mut Builder,
    ) -> Result<(), Wrong> {
        let pairing = if self.explode { Pairing::Equals } else { Pairing::Alternating };
        let joined = Joined { coding: Coding::Plain, delimiter: self.delimiter, pairing };
        let mut texts: SmallVec<[&str; 4]> = SmallVec::new();
        for line in lines {
            let line = std::str::from_utf8(line).map_err(|_| Wrong::Encoding)?;
            if line.contains('\0') {
                return Err(Wrong::Encoding);
            }
            texts.push(line.trim_ascii());
        }
        let own = shapes.get(shape);
        let is_joined = texts.len() > 1 || texts.iter().any(|text| joined.split(text).nth(1).is_some());
        let is_member = own.is_object() && self.explode && texts.iter().any(|text| text.contains('='));
        let first = texts.first().copied().unwrap_or_default();
        match (kind(first, own, is_joined || is_member)?, &*texts) {
            (Kind::Scalar, [text]) => scalar::put(text, own.types, out),
            (Kind::Array, texts) => {
                out.begin_array()?;
                let items = texts.iter().filter(|text| texts.len() > 1 || !text.is_empty());
                for (at, piece) in items.flat_map(|text| joined.split(text)).map(str::trim_ascii).enumerate()
                {
                    whole(piece)?;
                    scalar::put(piece, shapes.get(own.item(at)).types, out)?;
                }
                Ok(out.end()?)
            }
            (Kind::Object, [text]) => {
                out.begin_object()?;
                let pieces = joined.split(text).map(str::trim_ascii);
                joined.members(pieces.take_while(|_| !text.is_empty()), shape, shapes, scratch, out)?;
                Ok(out.end()?)
            }
            (Kind::Scalar | Kind::Object, _) => Err(Wrong::Repeated),
        }
    }
}

/// Refuses an item that not every reader of lists takes for one.
fn whole(piece: &str) -> Result<(), Wrong> {
    let quotes = piece.bytes().filter(|byte| *byte == b'"').count();
    if piece.is_empty() || quotes.checked_rem(2) != Some(0) { Err(Wrong::Ambiguous) } else { Ok(()) }
}
