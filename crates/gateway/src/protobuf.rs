//! Messages of protocol buffers as bytes, for the few that are written and read here: those of OTLP, those of authorizers.
//!
//! The wire format is <https://protobuf.dev/programming-guides/encoding/>: fields of a number and a type, each with its
//! value or with a length and that many bytes. A message inside another is written first and framed then, so nothing is
//! counted twice. That what is written means what it should is judged by the projects' own decoders (`it/clients`).

/// A message being written.
#[derive(Debug, Default)]
pub struct Message(Vec<u8>);

const VARINT: u8 = 0;
const FIXED64: u8 = 1;
const LENGTH: u8 = 2;
const FIXED32: u8 = 5;

impl Message {
    /// A number. Zero is what a missing one means, and is left out.
    pub fn number(&mut self, field: u8, value: u64) {
        if value != 0 {
            self.tag(field, VARINT);
            varint(&mut self.0, value);
        }
    }

    /// A number of eight bytes.
    pub fn fixed64(&mut self, field: u8, value: u64) {
        self.tag(field, FIXED64);
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    /// A number of four bytes.
    pub fn fixed32(&mut self, field: u8, value: u32) {
        self.tag(field, FIXED32);
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    /// Bytes, or a text.
    pub fn bytes(&mut self, field: u8, value: impl AsRef<[u8]>) {
        let value = value.as_ref();
        self.tag(field, LENGTH);
        varint(&mut self.0, value.len() as u64);
        self.0.extend_from_slice(value);
    }

    /// A message inside this one.
    pub fn message(&mut self, field: u8, write: impl FnOnce(&mut Self)) {
        let mut inner = Self::default();
        write(&mut inner);
        self.bytes(field, &inner.0);
    }

    /// Fields that were framed before.
    pub fn framed(&mut self, fields: &[u8]) {
        self.0.extend_from_slice(fields);
    }

    /// What was written.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    fn tag(&mut self, field: u8, kind: u8) {
        varint(&mut self.0, (u64::from(field) << 3) | u64::from(kind));
    }
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value > 0x7f {
        out.push(u8::try_from(value & 0x7f).unwrap_or_default() | 0x80);
        value >>= 7;
    }
    out.push(u8::try_from(value).unwrap_or_default());
}

/// A value of a message being read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value<'a> {
    /// A number of any of the three kinds.
    Number(u64),
    /// Bytes, a text or a message.
    Bytes(&'a [u8]),
}

/// The fields of a message; `None` where the bytes are none.
pub fn fields(mut bytes: &[u8]) -> Option<Vec<(u64, Value<'_>)>> {
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let tag = read_varint(&mut bytes)?;
        let value = match u8::try_from(tag & 7).ok()? {
            VARINT => Value::Number(read_varint(&mut bytes)?),
            FIXED64 => Value::Number(u64::from_le_bytes(take(&mut bytes, 8)?.try_into().ok()?)),
            FIXED32 => Value::Number(u64::from(u32::from_le_bytes(take(&mut bytes, 4)?.try_into().ok()?))),
            LENGTH => {
                let length = usize::try_from(read_varint(&mut bytes)?).ok()?;
                Value::Bytes(take(&mut bytes, length)?)
            }
            // Groups, which no message read here has.
            _ => return None,
        };
        let field = tag >> 3;
        if field == 0 {
            return None;
        }
        fields.push((field, value));
    }
    Some(fields)
}

fn take<'a>(bytes: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(taken)
}

fn read_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for place in 0..10_u32 {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        let bits = u64::from(byte & 0x7f);
        // The tenth byte has room for one bit.
        if place == 9 && bits > 1 {
            return None;
        }
        value |= bits.checked_shl(place.saturating_mul(7))?;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{Message, Value, fields};

    #[test]
    fn what_is_written_is_read_again() {
        let mut message = Message::default();
        message.number(1, 300);
        message.number(2, 0);
        message.fixed64(7, u64::MAX);
        message.fixed32(16, 0x101);
        message.message(9, |inner| inner.bytes(1, "a"));
        let bytes = message.into_bytes();
        assert_eq!(&bytes[..3], [0x08, 0xac, 0x02], "the example of the format's own page");
        let expected = vec![
            (1, Value::Number(300)),
            (7, Value::Number(u64::MAX)),
            (16, Value::Number(0x101)),
            (9, Value::Bytes(b"\x0a\x01a")),
        ];
        assert_eq!(fields(&bytes), Some(expected));
    }

    #[test]
    fn what_is_no_message_is_nothing() {
        for bytes in [
            &b"{}"[..],
            b"<html>",
            b"OK",
            b"\x08",
            b"\x0a\x05a",
            b"\x00\x01",
            b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
            b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
            b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
        ] {
            assert_eq!(fields(bytes), None, "{bytes:?}");
        }
        assert_eq!(fields(b""), Some(Vec::new()));
    }
}
