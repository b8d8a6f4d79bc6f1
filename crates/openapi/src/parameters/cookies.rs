//! Cookies: pairs between `;`, of which all but the declared ones pass unread.
//!
//! RFC 6265 gives values no escapes and readers took to several. A declared cookie is refused where they differ: in quotation
//! marks, which some take off, and with blanks around its `=`, which some take for a part of the name. `form` has its values
//! percent-encoded, `cookie` (3.2) as they stand.

use super::Wrong;
use super::form::{Culprit, Form, Hands};

impl Form {
    /// Reads the declared cookies of `Cookie` fields as members of an object that is open on the tape.
    pub fn read_cookies<'a>(&self, lines: impl Iterator<Item = &'a [u8]>, hands: &mut Hands<'_>) {
        let mut pieces = smallvec::SmallVec::<[&str; 8]>::new();
        for piece in lines.flat_map(|line| line.split(|byte| *byte == b';')) {
            let piece = piece.trim_ascii();
            let end = piece.iter().position(|byte| *byte == b'=').unwrap_or(piece.len());
            let (name, value) = piece.split_at_checked(end).unwrap_or_default();
            let Some(entry) = std::str::from_utf8(name.trim_ascii()).ok().and_then(|name| self.taker(name))
            else {
                continue;
            };
            let wrong = match std::str::from_utf8(piece) {
                Err(_) => Wrong::Encoding,
                Ok(_) if value.is_empty() => Wrong::Style,
                Ok(_) if name.trim_ascii().len() < name.len() => Wrong::Ambiguous,
                Ok(_) if matches!(value.get(1), Some(b' ' | b'\t' | b'"')) => Wrong::Ambiguous,
                Ok(piece) => {
                    pieces.push(piece);
                    continue;
                }
            };
            (hands.report)(Culprit::Entry(entry), wrong);
        }
        self.read(pieces.into_iter(), hands);
    }
}
