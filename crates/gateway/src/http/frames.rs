//! Finds the frames in a stream of HTTP/2 bytes as they pass, in pieces of any size.
//!
//! Only the nine bytes before each payload are looked at (RFC 9113 §4.1), and of a few kinds the first bytes of
//! the payload. Nothing is kept but those; what the frames mean is the codec's business.

use smallvec::SmallVec;

/// What the client says first (RFC 9113 §3.4).
pub const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Bytes before each payload.
const HEAD_BYTES: usize = 9;

/// Payload bytes that are looked at: an error code, a pad length, the beginning of a field block.
const PEEK_BYTES: usize = 16;

/// Of SETTINGS more is looked at: a hundred values, of which a client sends half a dozen.
const SETTINGS_BYTES: usize = 100 * 6;

/// Flag (RFC 9113 §6): the last frame of its sender on a stream.
pub const END_STREAM: u8 = 0x1;
/// Flag: an acknowledgement.
pub const ACK: u8 = 0x1;
/// Flag: the last frame of a field block.
pub const END_HEADERS: u8 = 0x4;
/// Flag: padding follows.
pub const PADDED: u8 = 0x8;
/// Flag: priority stands in front of the field block.
pub const WITH_PRIORITY: u8 = 0x20;

/// A kind of frame (RFC 9113 §6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names of RFC 9113")]
pub enum Kind {
    Data,
    Headers,
    Priority,
    Reset,
    Settings,
    Ping,
    GoAway,
    WindowUpdate,
    Continuation,
    /// PUSH_PROMISE and whatever extensions bring.
    Other,
}

/// One frame: its head, and the first bytes of its payload where they matter.
#[derive(Clone, Debug)]
pub struct Frame {
    /// What it is.
    pub kind: Kind,
    /// Its flags.
    pub flags: u8,
    /// Its stream, 0 for the connection.
    pub stream: u32,
    /// Bytes of payload.
    pub length: usize,
    /// The first bytes of the payload, of kinds where they matter.
    pub peek: SmallVec<[u8; PEEK_BYTES]>,
}

/// Where in the stream of bytes we are.
#[derive(Debug)]
pub struct Scanner {
    // Bytes to pass over before the next frame begins.
    skip: usize,
    head: SmallVec<[u8; HEAD_BYTES]>,
    frame: Option<Frame>,
    // Kind of the frame whose payload is passed over.
    passing: Kind,
}

impl Scanner {
    /// For what a client sends: the preface, then frames.
    pub fn of_client() -> Self {
        Self { skip: PREFACE.len(), ..Self::of_server() }
    }

    /// For what a server sends: frames.
    pub fn of_server() -> Self {
        Self { skip: 0, head: SmallVec::new(), frame: None, passing: Kind::Other }
    }

    /// Whether a frame with a field block has begun of which not all bytes have passed.
    pub fn is_within_block(&self) -> bool {
        let is_block = |kind| matches!(kind, Kind::Headers | Kind::Continuation);
        match &self.frame {
            Some(frame) => is_block(frame.kind),
            None => self.skip > 0 && is_block(self.passing),
        }
    }

    /// Passes over `bytes` and tells of each frame as soon as it is known well enough.
    pub fn scan(&mut self, mut bytes: &[u8], mut seen: impl FnMut(&Frame)) {
        while !bytes.is_empty() {
            if self.skip > 0 {
                let passed = take(&mut bytes, self.skip);
                self.skip = self.skip.saturating_sub(passed.len());
                continue;
            }
            let frame = match &mut self.frame {
                Some(frame) => frame,
                None => {
                    let missing = HEAD_BYTES.saturating_sub(self.head.len());
                    self.head.extend_from_slice(take(&mut bytes, missing));
                    let Some(frame) = Frame::of(&self.head) else { continue };
                    self.head.clear();
                    self.frame.insert(frame)
                }
            };
            let wanted = frame.wanted();
            let missing = wanted.saturating_sub(frame.peek.len());
            frame.peek.extend_from_slice(take(&mut bytes, missing));
            if frame.peek.len() == wanted {
                seen(frame);
                self.skip = frame.length.saturating_sub(wanted);
                self.passing = frame.kind;
                self.frame = None;
            }
        }
    }
}

impl Frame {
    fn of(head: &[u8]) -> Option<Self> {
        let &[l0, l1, l2, kind, flags, s0, s1, s2, s3] = head else { return None };
        let kind = match kind {
            0 => Kind::Data,
            1 => Kind::Headers,
            2 => Kind::Priority,
            3 => Kind::Reset,
            4 => Kind::Settings,
            6 => Kind::Ping,
            7 => Kind::GoAway,
            8 => Kind::WindowUpdate,
            9 => Kind::Continuation,
            _ => Kind::Other,
        };
        let length = u32::from_be_bytes([0, l0, l1, l2]) as usize;
        // The first bit is reserved and means nothing.
        let stream = u32::from_be_bytes([s0 & 0x7f, s1, s2, s3]);
        Some(Self { kind, flags, stream, length, peek: SmallVec::new() })
    }

    /// Whether `flag` is set.
    pub fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// Bytes of payload to look at.
    fn wanted(&self) -> usize {
        let wanted = match self.kind {
            Kind::Reset => 4,
            Kind::Data if self.has(PADDED) => 1,
            Kind::Headers => PEEK_BYTES,
            Kind::Settings => SETTINGS_BYTES,
            _ => 0,
        };
        wanted.min(self.length)
    }
}

/// Takes at most `most` bytes from the front.
fn take<'a>(bytes: &mut &'a [u8], most: usize) -> &'a [u8] {
    let (taken, rest) = bytes.split_at_checked(most.min(bytes.len())).unwrap_or_default();
    *bytes = rest;
    taken
}

#[cfg(test)]
mod tests;
