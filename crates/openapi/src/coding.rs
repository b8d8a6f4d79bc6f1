//! Content codings (RFC 9110 §8.4): which one a message names, and its content decoded piece by piece.
//!
//! A decoder is handed bytes and a place for what they decode to; it never holds more than its window. What it decodes
//! is bounded by the ratio of the two, so that no few bytes become many; the size of the whole is its caller's to
//! bound. One coding, one member, nothing behind it: of a gzip file with two members some readers see one, and a list
//! of codings is how a body hides from whoever decodes once.
//!
//! # Limits
//! [`Limits`], [`GZIP_HEADER_BYTES_MAX`], [`BROTLI_WINDOW_BITS_MAX`].
//!
//! # Threats
//! Whoever sends the body controls every byte. Fuzz target: `contract_coding`.

mod brotli;
mod gzip;

use brotli::Brotli;
use flate2::{Decompress, FlushDecompress, Status};
use gzip::Gzip;

pub use brotli::BROTLI_WINDOW_BITS_MAX;
pub use gzip::GZIP_HEADER_BYTES_MAX;

/// What a decoder of DEFLATE holds: its window and its tables.
const DEFLATE_MEMORY_BYTES: usize = 48 << 10;

/// A content coding that can be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Coding {
    /// RFC 1952.
    Gzip,
    /// RFC 1950. What some senders call so, data without the header of zlib, is refused.
    Deflate,
    /// RFC 7932, without "large windows".
    Brotli,
}

/// More than one coding, or one that is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unsupported;

/// What a decoder allows itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most bytes that one byte becomes, on average.
    pub ratio: u64,
    /// Bytes that are decoded before the ratio counts: the first few of a body say little of it.
    pub ratio_free_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { ratio: 100, ratio_free_bytes: 64 << 10 }
    }
}

/// What one step did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Bytes of the input that were taken.
    pub taken: usize,
    /// Bytes of the output that were written.
    pub written: usize,
}

/// Why coded content is not what it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is not in its coding.
    Malformed,
    /// It stops before its end.
    Truncated,
    /// Something stands behind its end.
    Trailing,
    /// It decodes to too many times its length.
    Ratio,
    /// It asks for more memory than any sender needs.
    Window,
}

impl Fault {
    /// In words.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "the content is not in the coding it names",
            Self::Truncated => "the coded content stops before its end",
            Self::Trailing => "something stands behind the coded content",
            Self::Ratio => "the content decodes to too many times its length",
            Self::Window => "the coded content asks for too large a window",
        }
    }
}

impl Coding {
    /// What `Accept-Encoding` says to a sender of something else.
    pub const ACCEPTED: &'static str = "gzip, deflate, br";

    /// The coding that the lines of `Content-Encoding` name; `None` where nothing is coded.
    ///
    /// # Errors
    /// More than one coding, or one that is not known.
    pub fn read<'v>(lines: impl IntoIterator<Item = &'v [u8]>) -> Result<Option<Self>, Unsupported> {
        let mut lines = lines.into_iter();
        let Some(value) = lines.next() else { return Ok(None) };
        let is = |name: &str| value.trim_ascii().eq_ignore_ascii_case(name.as_bytes());
        match () {
            () if lines.next().is_some() => Err(Unsupported),
            // RFC 9110 §8.4.1.3: the old name of the same.
            () if is("gzip") || is("x-gzip") => Ok(Some(Self::Gzip)),
            () if is("deflate") => Ok(Some(Self::Deflate)),
            () if is("br") => Ok(Some(Self::Brotli)),
            () if is("identity") => Ok(None),
            () => Err(Unsupported),
        }
    }
}

/// Decodes one content.
pub struct Decoder {
    machine: Machine,
    limits: Limits,
    taken: u64,
    written: u64,
    is_done: bool,
}

enum Machine {
    Gzip(Box<Gzip>),
    Deflate(Box<Decompress>),
    Brotli(Box<Brotli>),
}

/// One step of a machine, and whether the content is at its end.
type Turn = Result<(Progress, bool), Fault>;

impl Decoder {
    /// A decoder at the start of a content.
    pub fn new(coding: Coding, limits: Limits) -> Self {
        let machine = match coding {
            Coding::Gzip => Machine::Gzip(Box::default()),
            Coding::Deflate => Machine::Deflate(Box::new(Decompress::new(true))),
            Coding::Brotli => Machine::Brotli(Box::default()),
        };
        Self { machine, limits, taken: 0, written: 0, is_done: false }
    }

    /// Decodes as much of `input` as fits into `output`. When all of it is taken and `output` is not full, the next piece
    /// is wanted.
    ///
    /// # Errors
    /// The content is not what it says; nothing may be asked any more.
    pub fn step(&mut self, input: &[u8], output: &mut [u8]) -> Result<Progress, Fault> {
        let mut progress = Progress::default();
        loop {
            let rest = input.get(progress.taken..).unwrap_or_default();
            let room = output.get_mut(progress.written..).unwrap_or_default();
            if self.is_done {
                return if rest.is_empty() { Ok(progress) } else { Err(Fault::Trailing) };
            }
            let is_full = room.is_empty();
            let (turn, is_done) = match &mut self.machine {
                Machine::Gzip(gzip) => gzip.step(rest, room),
                Machine::Deflate(machine) => inflate(machine, rest, room),
                Machine::Brotli(brotli) => brotli.step(rest, room),
            }?;
            self.is_done = is_done;
            progress.taken = progress.taken.saturating_add(turn.taken);
            progress.written = progress.written.saturating_add(turn.written);
            self.taken = self.taken.saturating_add(turn.taken as u64);
            self.written = self.written.saturating_add(turn.written as u64);
            if self.written > self.limits.ratio_free_bytes
                && self.written > self.taken.saturating_mul(self.limits.ratio)
            {
                return Err(Fault::Ratio);
            }
            if turn == Progress::default() && !is_done {
                let is_stuck = !rest.is_empty() && !is_full;
                return if is_stuck { Err(Fault::Malformed) } else { Ok(progress) };
            }
        }
    }

    /// The content was handed over to its last byte, and decoded to its last.
    ///
    /// # Errors
    /// It was not at its end.
    pub fn end(&self) -> Result<(), Fault> {
        if self.is_done { Ok(()) } else { Err(Fault::Truncated) }
    }

    /// About how many bytes of memory it holds now.
    pub fn memory(&self) -> usize {
        match &self.machine {
            Machine::Gzip(_) | Machine::Deflate(_) => DEFLATE_MEMORY_BYTES,
            Machine::Brotli(brotli) => brotli.memory(self.written),
        }
    }
}

/// One step of DEFLATE, in zlib's frame or without.
fn inflate(machine: &mut Decompress, input: &[u8], output: &mut [u8]) -> Turn {
    let (taken, written) = (machine.total_in(), machine.total_out());
    let status = machine.decompress(input, output, FlushDecompress::None).map_err(|_| Fault::Malformed)?;
    let progress = Progress {
        taken: narrow(machine.total_in().saturating_sub(taken)),
        written: narrow(machine.total_out().saturating_sub(written)),
    };
    Ok((progress, status == Status::StreamEnd))
}

fn narrow(count: u64) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests;
