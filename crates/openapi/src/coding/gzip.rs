//! One member of gzip (RFC 1952): a header that says nothing of use, DEFLATE, and two sums at the end.

use flate2::{Crc, Decompress};

use super::{Fault, Progress, Turn, inflate};

/// Most bytes of a header: the name and the comment in it are of any length, and nobody reads them.
pub const GZIP_HEADER_BYTES_MAX: usize = 1024;

const FIXED_BYTES: usize = 10;
const TRAILER_BYTES: usize = 8;

/// Bits of the header's flags (RFC 1952 §2.3.1).
const HEADER_CRC: u8 = 0x02;
const EXTRA: u8 = 0x04;
const NAME: u8 = 0x08;
const COMMENT: u8 = 0x10;
const RESERVED: u8 = 0xE0;

pub(super) struct Gzip {
    at: At,
    header: Vec<u8>,
    machine: Decompress,
    sum: Crc,
    trailer: Vec<u8>,
}

enum At {
    Header,
    Content,
    Trailer,
    Done,
}

impl Default for Gzip {
    fn default() -> Self {
        Self {
            at: At::Header,
            header: Vec::new(),
            machine: Decompress::new(false),
            sum: Crc::new(),
            trailer: Vec::new(),
        }
    }
}

impl Gzip {
    pub(super) fn step(&mut self, input: &[u8], output: &mut [u8]) -> Turn {
        let progress = match self.at {
            At::Header => self.header(input)?,
            At::Content => {
                let (progress, is_end) = inflate(&mut self.machine, input, output)?;
                self.sum.update(output.get(..progress.written).unwrap_or_default());
                if is_end {
                    self.at = At::Trailer;
                }
                progress
            }
            At::Trailer => self.trailer(input)?,
            At::Done => Progress::default(),
        };
        Ok((progress, matches!(self.at, At::Done)))
    }

    fn header(&mut self, input: &[u8]) -> Result<Progress, Fault> {
        let mut taken = 0_usize;
        for byte in input {
            self.header.push(*byte);
            taken = taken.saturating_add(1);
            if self.header.len() > GZIP_HEADER_BYTES_MAX {
                return Err(Fault::Malformed);
            }
            if is_whole(&self.header)? {
                self.at = At::Content;
                self.header = Vec::new();
                break;
            }
        }
        Ok(Progress { taken, written: 0 })
    }

    fn trailer(&mut self, input: &[u8]) -> Result<Progress, Fault> {
        let taken = input.len().min(TRAILER_BYTES.saturating_sub(self.trailer.len()));
        self.trailer.extend_from_slice(input.get(..taken).unwrap_or_default());
        if let Some((sum, amount)) = self.trailer.split_first_chunk::<4>()
            && let Ok(amount) = <[u8; 4]>::try_from(amount)
        {
            // `amount` of both is modulo 2^32.
            if u32::from_le_bytes(*sum) != self.sum.sum() || u32::from_le_bytes(amount) != self.sum.amount() {
                return Err(Fault::Malformed);
            }
            self.at = At::Done;
        }
        Ok(Progress { taken, written: 0 })
    }
}

/// Whether these bytes are a header to its end.
fn is_whole(header: &[u8]) -> Result<bool, Fault> {
    // PERF: asked again for each byte; what has a name or an extra field is short and rare, see the bound.
    let fixed = [0x1F, 0x8B, 8];
    if !fixed.iter().zip(header).all(|(expected, byte)| expected == byte) {
        return Err(Fault::Malformed);
    }
    let flags = header.get(3).copied().unwrap_or_default();
    if flags & RESERVED != 0 {
        return Err(Fault::Malformed);
    }
    let Some(mut rest) = header.get(FIXED_BYTES..) else { return Ok(false) };
    if flags & EXTRA != 0 {
        let Some((len, behind)) = rest.split_first_chunk::<2>() else { return Ok(false) };
        let Some(behind) = behind.get(usize::from(u16::from_le_bytes(*len))..) else { return Ok(false) };
        rest = behind;
    }
    for text in [NAME, COMMENT] {
        if flags & text != 0 {
            let Some(end) = memchr::memchr(0, rest) else { return Ok(false) };
            rest = rest.get(end.saturating_add(1)..).unwrap_or_default();
        }
    }
    if flags & HEADER_CRC == 0 {
        return Ok(rest.is_empty());
    }
    let Some((stated, summed)) = <[u8; 2]>::try_from(rest).ok().zip(header.len().checked_sub(2)) else {
        return Ok(false);
    };
    let mut sum = Crc::new();
    sum.update(header.get(..summed).unwrap_or_default());
    let [low, high, ..] = sum.sum().to_le_bytes();
    if [low, high] == stated { Ok(true) } else { Err(Fault::Malformed) }
}
