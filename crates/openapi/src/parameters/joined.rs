//! Several values in one text, with delimiters between them: `blue,black`, `R,100,G,200`, `R=100,G=200`.

use crate::schema::shape::{Shape, ShapeId};

use super::pen::Pen;
use super::text::{Coding, decode};
use super::{Kind, Wrong, kind};

/// What stands between values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delimiter {
    /// `,`; encoded it is data.
    Comma,
    /// `.`, of `label`. A path has no encoded one: its canonical form decodes it.
    Dot,
    /// `;`, of `matrix`.
    Semicolon,
    /// `|`, however it is spelt: a URL has no raw one (RFC 3986 §2).
    Pipe,
    /// A space, however it is spelt.
    Space,
    /// 2.0: a tab, however it is spelt.
    Tab,
}

/// How names and values of an object stand beside each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pairing {
    /// `R,100,G,200`
    Alternating,
    /// `R=100,G=200`
    Equals,
}

/// How one text holds several values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Joined {
    /// How it spells text.
    pub coding: Coding,
    /// What stands between the values.
    pub delimiter: Delimiter,
    /// How it writes objects.
    pub pairing: Pairing,
}

impl Joined {
    /// Where in `text` the first delimiter begins and ends.
    fn find(self, text: &str) -> Option<(usize, usize)> {
        let is_plain = self.coding == Coding::Plain;
        let (raw, encoded): (&[u8], Option<&[u8; 2]>) = match self.delimiter {
            Delimiter::Comma => (b",", None),
            Delimiter::Dot => (b".", None),
            Delimiter::Semicolon => (b";", None),
            Delimiter::Pipe => (b"|", Some(b"7C")),
            Delimiter::Space if self.coding == Coding::Form => (b" +", Some(b"20")),
            Delimiter::Space => (b" ", Some(b"20")),
            Delimiter::Tab => (b"\t", Some(b"09")),
        };
        let bytes = text.as_bytes();
        let encoded = encoded.filter(|_| !is_plain);
        for (at, byte) in bytes.iter().enumerate() {
            if raw.contains(byte) {
                return Some((at, at.saturating_add(1)));
            }
            let end = at.saturating_add(3);
            let digits = bytes.get(at.saturating_add(1)..end).filter(|_| *byte == b'%');
            if let (Some(digits), Some(encoded)) = (digits, encoded)
                && digits.eq_ignore_ascii_case(encoded)
            {
                return Some((at, end));
            }
        }
        None
    }

    /// The pieces of `text`, one more than it has delimiters.
    pub fn split(self, text: &str) -> impl Iterator<Item = &str> {
        let mut rest = Some(text);
        std::iter::from_fn(move || {
            let text = rest?;
            let (piece, after) = match self.find(text) {
                Some((start, end)) => (text.get(..start), text.get(end..)),
                None => (Some(text), None),
            };
            rest = after;
            piece
        })
    }

    /// Reads `text` as a value of that shape onto the tape.
    pub fn put(self, text: &str, shape: ShapeId, pen: &mut Pen<'_>) -> Result<(), Wrong> {
        let own = pen.shapes.get(shape);
        let is_member = own.is_object() && self.pairing == Pairing::Equals && text.contains('=');
        match kind(text, own, is_member || self.find(text).is_some())? {
            Kind::Scalar => pen.scalar(text, self.coding, own.types),
            Kind::Array => pen.list(self.split(text).map(Ok), own, self.coding),
            Kind::Object => self.object(self.split(text), own, pen),
        }
    }

    /// Reads pieces as the members of an object of that shape.
    pub(super) fn object<'a>(
        self,
        mut pieces: impl Iterator<Item = &'a str>,
        object: &Shape,
        pen: &mut Pen<'_>,
    ) -> Result<(), Wrong> {
        pen.out.begin_object()?;
        while let Some(piece) = pieces.next() {
            let (name, value) = match self.pairing {
                Pairing::Equals => piece.split_once('=').ok_or(Wrong::Style)?,
                Pairing::Alternating => (piece, pieces.next().ok_or(Wrong::Style)?),
            };
            let name = decode(name, self.coding, pen.scratch)?;
            let types = pen.shapes.get(object.member(name).unwrap_or_default()).types;
            pen.out.key(name)?;
            pen.scalar(value, self.coding, types)?;
        }
        Ok(pen.out.end()?)
    }
}
