//! A parameter in a header field: `blue, black`, never percent-decoded (OpenAPI 3.2, "Fixed Fields for use with `schema`").
//!
//! A list may stand in one line or in several (RFC 9110 §5.3); anything else stands once. Blanks around items do not count
//! (§5.6.1), nothing is an empty list, and an item that is empty, or in whose quotation marks a comma stands, is refused:
//! some readers leave it out or keep it whole.

use smallvec::SmallVec;

use crate::schema::shape::ShapeId;

use super::joined::{Delimiter, Joined, Pairing};
use super::pen::Pen;
use super::text::Coding;
use super::{Kind, Wrong, kind};

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
    pub fn put(self, lines: &[&[u8]], shape: ShapeId, pen: &mut Pen<'_>) -> Result<(), Wrong> {
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
        let own = pen.shapes.get(shape);
        let is_joined = texts.len() > 1 || texts.iter().any(|text| joined.split(text).nth(1).is_some());
        let is_member = own.is_object() && self.explode && texts.iter().any(|text| text.contains('='));
        let first = texts.first().copied().unwrap_or_default();
        match (kind(first, own, is_joined || is_member)?, &*texts) {
            (Kind::Scalar, [text]) => pen.scalar(text, joined.coding, own.types),
            (Kind::Array, texts) => {
                let texts = texts.iter().filter(|text| texts.len() > 1 || !text.is_empty());
                let items = texts.flat_map(|text| joined.split(text)).map(str::trim_ascii).map(whole);
                pen.list(items, own, joined.coding)
            }
            (Kind::Object, [text]) => {
                let pieces = joined.split(text).map(str::trim_ascii);
                joined.object(pieces.take_while(|_| !text.is_empty()), own, pen)
            }
            (Kind::Scalar | Kind::Object, _) => Err(Wrong::Repeated),
        }
    }
}

/// Refuses an item that not every reader of lists takes for one.
fn whole(piece: &str) -> Result<&str, Wrong> {
    let quotes = piece.bytes().filter(|byte| *byte == b'"').count();
    if piece.is_empty() || quotes.checked_rem(2) != Some(0) { Err(Wrong::Ambiguous) } else { Ok(piece) }
}
