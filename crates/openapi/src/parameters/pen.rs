//! What writes the pieces of a text onto the tape.

use crate::schema::Types;
use crate::schema::shape::{Shape, Shapes};
use crate::value::Builder;

use super::text::{Coding, decode};
use super::{Wrong, scalar};

/// What texts may be, room to decode them in, and the tape.
pub struct Pen<'p> {
    pub(super) shapes: &'p Shapes,
    /// Its content is lost with each piece that is decoded.
    pub(super) scratch: &'p mut Vec<u8>,
    pub(super) out: &'p mut Builder,
}

impl Pen<'_> {
    /// Writes what `raw` spells as one value, see [`scalar::put`].
    pub(super) fn scalar(&mut self, raw: &str, coding: Coding, types: Types) -> Result<(), Wrong> {
        scalar::put(decode(raw, coding, self.scratch)?, types, self.out)
    }

    /// Writes pieces as a list of that shape.
    pub(super) fn list<'a>(
        &mut self,
        pieces: impl Iterator<Item = Result<&'a str, Wrong>>,
        list: &Shape,
        coding: Coding,
    ) -> Result<(), Wrong> {
        self.out.begin_array()?;
        for (at, piece) in pieces.enumerate() {
            self.scalar(piece?, coding, self.shapes.get(list.item(at)).types)?;
        }
        Ok(self.out.end()?)
    }
}
