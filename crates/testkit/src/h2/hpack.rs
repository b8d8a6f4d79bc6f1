//! Field compression (RFC 7541): writes the plainest form, reads every form.

use std::collections::VecDeque;

use crate::exchange::Fields;

mod huffman;

/// Entries of the static table (RFC 7541 appendix A), from index 1.
const STATIC: [(&str, &str); 61] = [
    (":authority", ""),
    (":method", "GET"),
    (":method", "POST"),
    (":path", "/"),
    (":path", "/index.html"),
    (":scheme", "http"),
    (":scheme", "https"),
    (":status", "200"),
    (":status", "204"),
    (":status", "206"),
    (":status", "304"),
    (":status", "400"),
    (":status", "404"),
    (":status", "500"),
    ("accept-charset", ""),
    ("accept-encoding", "gzip, deflate"),
    ("accept-language", ""),
    ("accept-ranges", ""),
    ("accept", ""),
    ("access-control-allow-origin", ""),
    ("age", ""),
    ("allow", ""),
    ("authorization", ""),
    ("cache-control", ""),
    ("content-disposition", ""),
    ("content-encoding", ""),
    ("content-language", ""),
    ("content-length", ""),
    ("content-location", ""),
    ("content-range", ""),
    ("content-type", ""),
    ("cookie", ""),
    ("date", ""),
    ("etag", ""),
    ("expect", ""),
    ("expires", ""),
    ("from", ""),
    ("host", ""),
    ("if-match", ""),
    ("if-modified-since", ""),
    ("if-none-match", ""),
    ("if-range", ""),
    ("if-unmodified-since", ""),
    ("last-modified", ""),
    ("link", ""),
    ("location", ""),
    ("max-forwards", ""),
    ("proxy-authenticate", ""),
    ("proxy-authorization", ""),
    ("range", ""),
    ("referer", ""),
    ("refresh", ""),
    ("retry-after", ""),
    ("server", ""),
    ("set-cookie", ""),
    ("strict-transport-security", ""),
    ("transfer-encoding", ""),
    ("user-agent", ""),
    ("vary", ""),
    ("via", ""),
    ("www-authenticate", ""),
];

/// Bytes of the dynamic table, which we never bargain over.
const TABLE_BYTES: usize = 4096;

/// Reads the field sections of one direction of one connection.
#[derive(Debug)]
pub struct Decoder {
    dynamic: VecDeque<(Vec<u8>, Vec<u8>)>,
    bytes_max: usize,
}

impl Default for Decoder {
    fn default() -> Self {
        Self { dynamic: VecDeque::new(), bytes_max: TABLE_BYTES }
    }
}

/// Writes fields as literals that enter no table and are not Huffman-coded.
pub fn encode(fields: &Fields) -> Vec<u8> {
    fields.iter().flat_map(|(name, value)| literal(name, value)).collect()
}

/// One field as a literal without indexing (§6.2.2).
pub fn literal(name: &[u8], value: &[u8]) -> Vec<u8> {
    [vec![0], text(name), text(value)].concat()
}

/// One field as a literal that enters the dynamic table (§6.2.1).
pub fn literal_indexed(name: &[u8], value: &[u8]) -> Vec<u8> {
    [vec![0x40], text(name), text(value)].concat()
}

/// A reference to an entry of the tables (§6.1).
pub fn indexed(index: usize) -> Vec<u8> {
    integer(0x80, 7, index)
}

/// A change of the dynamic table's size (§6.3).
pub fn table_size(bytes: usize) -> Vec<u8> {
    integer(0x20, 5, bytes)
}

/// A string without Huffman coding (§5.2).
pub fn text(bytes: &[u8]) -> Vec<u8> {
    [integer(0, 7, bytes.len()), bytes.to_vec()].concat()
}

/// An integer behind `bits` bits of prefix (§5.1).
pub fn integer(pattern: u8, bits: u32, value: usize) -> Vec<u8> {
    let most = (1_usize << bits) - 1;
    if value < most {
        return vec![pattern | u8::try_from(value).expect("below the prefix")];
    }
    let mut out = vec![pattern | u8::try_from(most).expect("a prefix")];
    let mut rest = value - most;
    while rest >= 128 {
        out.push(u8::try_from(rest % 128).expect("seven bits") | 0x80);
        rest /= 128;
    }
    out.push(u8::try_from(rest).expect("seven bits"));
    out
}

impl Decoder {
    /// Reads one field section.
    ///
    /// # Errors
    /// Why it cannot be read.
    pub fn decode(&mut self, block: &[u8]) -> Result<Fields, String> {
        let mut rest = block;
        let mut fields = Fields::new();
        while let Some(first) = rest.first().copied() {
            match first {
                0x80.. => {
                    let index = take_integer(&mut rest, 7)?;
                    fields.push(self.entry(index)?);
                }
                0x40.. => {
                    let field = self.take_literal(&mut rest, 6)?;
                    self.dynamic.push_front(field.clone());
                    self.evict();
                    fields.push(field);
                }
                0x20.. => {
                    self.bytes_max = take_integer(&mut rest, 5)?;
                    self.evict();
                }
                _ => fields.push(self.take_literal(&mut rest, 4)?),
            }
        }
        Ok(fields)
    }

    fn entry(&self, index: usize) -> Result<(Vec<u8>, Vec<u8>), String> {
        let of_static = index.checked_sub(1).and_then(|at| STATIC.get(at));
        let of_dynamic = || self.dynamic.get(index.checked_sub(STATIC.len() + 1)?).cloned();
        let found = of_static.map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec()));
        found.or_else(of_dynamic).ok_or_else(|| format!("index {index} is in no table"))
    }

    fn take_literal(&self, rest: &mut &[u8], bits: u32) -> Result<(Vec<u8>, Vec<u8>), String> {
        let name = match take_integer(rest, bits)? {
            0 => take_text(rest)?,
            index => self.entry(index)?.0,
        };
        Ok((name, take_text(rest)?))
    }

    fn evict(&mut self) {
        let size = |(name, value): &(Vec<u8>, Vec<u8>)| name.len() + value.len() + 32;
        while self.dynamic.iter().map(size).sum::<usize>() > self.bytes_max {
            self.dynamic.pop_back();
        }
    }
}

fn take_integer(rest: &mut &[u8], bits: u32) -> Result<usize, String> {
    let most = (1_usize << bits) - 1;
    let mut value = usize::from(take(rest)?) & most;
    if value < most {
        return Ok(value);
    }
    for shift in (0..28).step_by(7) {
        let byte = usize::from(take(rest)?);
        value += (byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok(value);
        }
    }
    Err("an integer that is too long".to_owned())
}

fn take_text(rest: &mut &[u8]) -> Result<Vec<u8>, String> {
    let is_huffman = rest.first().is_some_and(|byte| byte & 0x80 != 0);
    let length = take_integer(rest, 7)?;
    let Some((bytes, behind)) = rest.split_at_checked(length) else {
        return Err("a string past the end".to_owned());
    };
    *rest = behind;
    if is_huffman { huffman::decode(bytes) } else { Ok(bytes.to_vec()) }
}

fn take(rest: &mut &[u8]) -> Result<u8, String> {
    let (byte, behind) = rest.split_first().ok_or("a field section that ends early")?;
    *rest = behind;
    Ok(*byte)
}
