//! A field line of which everything is known while compiling but the digits in it.
//!
//! What names an exchange has a fixed length and leaves with every message. Its line is judged while compiling, and nothing but
//! digits can be put into it: it is not judged when it is written, and leaves in one copy whose length the compiler knows.
//! Label and value lost here: three copies, and a judgement of digits that had just been made.

use std::fmt;

use crate::{Digits, octets};

/// One field line of `N` bytes, its line end included.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Form<const N: usize> {
    // Invariant: a field line with its line end. Only hexadecimal digits were written over parts of its value.
    text: [u8; N],
    // Invariant: at most N - 4.
    name: u8,
}

impl<const N: usize> Form<N> {
    /// The form of `text`, which is a field name, a colon, a space, a value without controls, and a line end.
    #[expect(clippy::panic, reason = "evaluated while compiling: forms are constants")]
    pub const fn new(text: &[u8; N]) -> Self {
        match octets::name_of_line(text) {
            Some(name) if name.len() < 256 => Self { text: *text, name: name.len() as u8 },
            _ => panic!("a form is a field name, a colon, a space, a text and a line end"),
        }
    }

    /// Writes `digits` over those that stand at `at` of the line.
    // SECURITY: over digits and nothing else, so that no name and no line ends anywhere else than before. Places are constants, as
    // forms are: a wrong one fails every test that comes by.
    #[inline]
    pub fn write<const M: usize>(&mut self, at: usize, digits: Digits<M>) {
        let place = self.text.get_mut(at..).and_then(<[u8]>::first_chunk_mut);
        debug_assert!(
            place.as_ref().is_some_and(|place: &&mut [u8; M]| place.iter().all(u8::is_ascii_hexdigit))
        );
        if let Some(place) = place {
            *place = *digits.as_bytes();
        }
    }

    /// The field name.
    #[inline]
    pub fn name(&self) -> &[u8] {
        self.text.get(..usize::from(self.name)).unwrap_or_default()
    }

    /// The value.
    #[inline]
    pub fn value(&self) -> &[u8] {
        self.text.get(self.value_at()..N.saturating_sub(2)).unwrap_or_default()
    }

    /// The line with its line end.
    #[inline]
    pub(crate) fn as_bytes(&self) -> &[u8; N] {
        &self.text
    }

    #[inline]
    fn value_at(&self) -> usize {
        usize::from(self.name).saturating_add(2)
    }
}

impl<const N: usize> fmt::Debug for Form<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.text.escape_ascii())
    }
}

#[cfg(test)]
mod tests {
    use crate::{Digits, Fields, Form, HeadWriter};

    #[test]
    fn digits_are_put_into_a_line_that_leaves_as_it_is() {
        const LINE: Form<16> = Form::new(b"x-id: v00-0000\r\n");
        let mut form = LINE;
        form.write(7, Digits::of(0xab).part::<2>(14));
        form.write(10, Digits::of(0x0123_4567_89ab_cdef).part::<4>(0));
        assert_eq!((form.name(), form.value()), (&b"x-id"[..], &b"vab-0123"[..]));
        let mut fields = Fields::new();
        fields.push("X-Id", "another");
        fields.put_form(&form);
        assert_eq!(fields.only("x-id"), Ok(Some(&b"vab-0123"[..])));
        let mut out = Vec::new();
        let mut writer = HeadWriter::response(&mut out, 200, b"").fields(&fields);
        writer.form(&form);
        writer.end();
        assert_eq!(out, b"HTTP/1.1 200 OK\r\nx-id: vab-0123\r\nx-id: vab-0123\r\n\r\n");
    }
}
