//! Takes a body out of its framing, piece by piece, without copying it.
//!
//! Chunk lines are consumed as they come and their extensions judged and forgotten; only a trailer section
//! waits in the buffer until it is complete, and that is bounded. Once a body was refused it stays refused:
//! nothing that follows can complete it.

use bytes::{Buf, Bytes, BytesMut};

use crate::{Fields, Framing, Refusal, section::Section};

mod chunk_line;

use chunk_line::ChunkLine;

/// What the framing of a chunked body may cost. The body itself is bounded by whoever takes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyBounds {
    /// Bytes of one chunk line: size and extensions. Default: 4 KiB.
    pub chunk_line_bytes: usize,
    /// Bytes by which chunk extensions may outweigh the data over a whole body. Default: 16 KiB.
    ///
    /// Without it, one byte of data behind each line of extensions makes the sender's many bytes and the
    /// receiver's work a body that seems tiny (the class of CVE-2023-39326).
    pub overhead_bytes: usize,
    /// Bytes of the trailer section. Default: 16 KiB.
    pub trailer_bytes: usize,
    /// Number of trailer lines. Default: 64.
    pub trailers: usize,
}

impl Default for BodyBounds {
    fn default() -> Self {
        Self { chunk_line_bytes: 4096, overhead_bytes: 16_384, trailer_bytes: 16_384, trailers: 64 }
    }
}

/// What came out of the framing.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// Nothing yet: read more. The buffer is empty, or holds the beginning of a trailer section.
    More,
    /// A piece of the body, never empty.
    Data(Bytes),
    /// The trailer section, when it has lines; the end follows.
    Trailers(Fields),
    /// The body is complete; what the buffer still holds belongs to the next message.
    End,
}

/// Takes one body out of its framing.
#[derive(Clone, Debug)]
pub struct BodyDecoder {
    state: State,
    bounds: BodyBounds,
    line: ChunkLine,
    /// Bytes of chunk lines not yet paid for by data.
    overhead_bytes: usize,
    section: Section,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Length(u64),
    UntilClose,
    ChunkLine,
    ChunkData(u64),
    ChunkDataReturn,
    ChunkDataFeed,
    Trailers,
    Done,
    Refused(Refusal),
}

/// What a chunk line may take before it counts as overhead: sixteen digits and the line end.
const LINE_FREE_BYTES: usize = 18;

impl BodyDecoder {
    /// A decoder for a body that ends as `framing` says.
    pub fn new(framing: Framing, bounds: &BodyBounds) -> Self {
        let state = match framing {
            Framing::None | Framing::Length(0) => State::Done,
            Framing::Length(length) => State::Length(length),
            Framing::Chunked => State::ChunkLine,
            Framing::UntilClose => State::UntilClose,
        };
        Self {
            state,
            bounds: *bounds,
            line: ChunkLine::default(),
            overhead_bytes: 0,
            section: Section::default(),
        }
    }

    /// Whether the body was taken whole: the next event is [`Event::End`], whatever the buffer holds. A body of
    /// known length is done with its last piece.
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// The next event out of `buf`.
    ///
    /// # Errors
    /// The reason to refuse the body, now and on every later call.
    pub fn decode(&mut self, buf: &mut BytesMut) -> Result<Event, Refusal> {
        let event = self.advance(buf);
        if let Err(refusal) = event {
            self.state = State::Refused(refusal);
        }
        event
    }

    /// The last event, after the connection closed and [`Self::decode`] asked for more.
    ///
    /// # Errors
    /// [`Refusal::Truncated`] unless the body was complete or ends by closing.
    pub fn finish(&mut self) -> Result<Event, Refusal> {
        match self.state {
            State::Done | State::UntilClose => {
                self.state = State::Done;
                Ok(Event::End)
            }
            State::Refused(refusal) => Err(refusal),
            State::Length(_)
            | State::ChunkLine
            | State::ChunkData(_)
            | State::ChunkDataReturn
            | State::ChunkDataFeed
            | State::Trailers => {
                self.state = State::Refused(Refusal::Truncated);
                Err(Refusal::Truncated)
            }
        }
    }

    fn advance(&mut self, buf: &mut BytesMut) -> Result<Event, Refusal> {
        loop {
            match self.state {
                State::Done => return Ok(Event::End),
                State::Refused(refusal) => return Err(refusal),
                State::Trailers => return self.trailers(buf),
                _ if buf.is_empty() => return Ok(Event::More),
                State::UntilClose => return Ok(Event::Data(buf.split().freeze())),
                State::Length(left) => {
                    let (piece, left) = take(buf, left);
                    self.state = if left == 0 { State::Done } else { State::Length(left) };
                    return Ok(Event::Data(piece));
                }
                State::ChunkData(left) => {
                    let (piece, left) = take(buf, left);
                    self.state = if left == 0 { State::ChunkDataReturn } else { State::ChunkData(left) };
                    return Ok(Event::Data(piece));
                }
                State::ChunkDataReturn => match buf.get_u8() {
                    b'\r' => self.state = State::ChunkDataFeed,
                    b'\n' => return Err(Refusal::BareLineFeed),
                    _ => return Err(Refusal::ChunkEndMissing),
                },
                State::ChunkDataFeed => match buf.get_u8() {
                    b'\n' => self.state = State::ChunkLine,
                    _ => return Err(Refusal::BareCarriageReturn),
                },
                State::ChunkLine => self.chunk_line(buf)?,
            }
        }
    }

    /// Reads on in the chunk line; whatever was read is gone from the buffer.
    fn chunk_line(&mut self, buf: &mut BytesMut) -> Result<(), Refusal> {
        let mut used: usize = 0;
        let mut size = None;
        for &byte in buf.iter() {
            used = used.saturating_add(1);
            size = self.line.read(byte)?;
            let length = self.line.length();
            if length > self.bounds.chunk_line_bytes {
                return Err(Refusal::ChunkLineTooLong);
            }
            if length > LINE_FREE_BYTES {
                self.overhead_bytes = self.overhead_bytes.saturating_add(1);
                if self.overhead_bytes > self.bounds.overhead_bytes {
                    return Err(Refusal::ChunkOverhead);
                }
            }
            if size.is_some() {
                break;
            }
        }
        buf.advance(used);
        let Some(size) = size else { return Ok(()) };
        self.line = ChunkLine::default();
        self.overhead_bytes = self.overhead_bytes.saturating_sub(usize::try_from(size).unwrap_or(usize::MAX));
        self.state = if size == 0 { State::Trailers } else { State::ChunkData(size) };
        Ok(())
    }

    fn trailers(&mut self, buf: &mut BytesMut) -> Result<Event, Refusal> {
        let bounds = self.bounds;
        let window = buf.get(..bounds.trailer_bytes).unwrap_or(buf);
        let full = window.len() >= bounds.trailer_bytes;
        let end =
            self.section.advance(window, usize::MAX, bounds.trailers).map_err(|refusal| match refusal {
                Refusal::TooManyFields => Refusal::TooManyTrailers,
                other => other,
            })?;
        let Some(end) = end else {
            return if full { Err(Refusal::TrailersTooLarge) } else { Ok(Event::More) };
        };
        self.state = State::Done;
        let text = buf.split_to(end);
        if self.section.is_empty() {
            return Ok(Event::End);
        }
        Ok(Event::Trailers(self.section.take(text.to_vec())))
    }
}

/// Splits what is there of the next `left` bytes off `buf`; the piece and what is left.
fn take(buf: &mut BytesMut, left: u64) -> (Bytes, u64) {
    let length = usize::try_from(left).unwrap_or(usize::MAX).min(buf.len());
    let piece = buf.split_to(length).freeze();
    (piece, left.saturating_sub(length as u64))
}

#[cfg(test)]
mod tests;
