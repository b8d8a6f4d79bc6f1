//! WebSocket frames as they pass: where one ends and the next begins, and which may not be there (RFC 6455 §5).
//!
//! The handshake is judged on both sides: `http/connection.rs` reads the client's, `http/response.rs` holds the
//! backend's answer against [`acceptance`].
//!
//! The gateway does not take messages apart; it counts. Knowing the boundaries lets a close frame of our own
//! stand between two frames, and lets bytes that are no frames end the connection instead of tunnelling whatever
//! two ends agreed on.

use aws_lc_rs::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY};

/// Follows one direction of a connection.
#[derive(Debug, Clone)]
pub struct Frames {
    sender: Sender,
    state: State,
    in_message: bool,
    closed: bool,
}

/// Who sends in this direction. A client masks every frame, a server none (RFC 6455 §5.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sender {
    /// The client.
    Client,
    /// The server.
    Server,
}

#[derive(Debug, Clone)]
enum State {
    /// Collecting the bytes of a frame's head.
    Head { bytes: [u8; 14], len: usize },
    /// This much of a frame's payload is still to come.
    Payload(u64),
}

/// Why bytes are no WebSocket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Violation {
    /// An opcode without a meaning.
    Opcode,
    /// Masked by a server, or not masked by a client.
    Mask,
    /// A control frame that is fragmented or longer than 125 bytes.
    Control,
    /// A continuation of nothing, or a message begun within another.
    Fragment,
    /// A length not in its shortest form, or beyond 63 bits.
    Length,
    /// A frame after the close frame.
    AfterClose,
}

const HEAD_MIN: usize = 2;

impl Frames {
    /// Before the first frame.
    pub fn new(sender: Sender) -> Self {
        Self { sender, state: State::Head { bytes: [0; 14], len: 0 }, in_message: false, closed: false }
    }

    /// Whether the next byte begins a frame.
    pub fn is_between(&self) -> bool {
        matches!(self.state, State::Head { len: 0, .. })
    }

    /// Whether a close frame has passed whole.
    pub fn is_closed(&self) -> bool {
        self.closed && self.is_between()
    }

    /// Follows `bytes`.
    ///
    /// # Errors
    /// They are no frames. Nothing is promised of this value afterwards.
    pub fn advance(&mut self, mut bytes: &[u8]) -> Result<(), Violation> {
        while let Some((first, rest)) = bytes.split_first() {
            match &mut self.state {
                State::Payload(left) => {
                    let taken = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
                    *left = left.saturating_sub(taken as u64);
                    bytes = bytes.get(taken..).unwrap_or_default();
                    if *left == 0 {
                        self.state = State::Head { bytes: [0; 14], len: 0 };
                    }
                }
                State::Head { bytes: head, len } => {
                    if let Some(place) = head.get_mut(*len) {
                        *place = *first;
                    }
                    *len = len.saturating_add(1);
                    bytes = rest;
                    let (head, len) = (*head, *len);
                    if len >= HEAD_MIN && len == head_len(&head) {
                        let payload = self.judge(&head)?;
                        if payload == 0 {
                            self.state = State::Head { bytes: [0; 14], len: 0 };
                        } else {
                            self.state = State::Payload(payload);
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// Judges a whole head and says how long the payload is.
    fn judge(&mut self, head: &[u8; 14]) -> Result<u64, Violation> {
        let [first, second, a, b, c, d, e, f, g, h, ..] = *head;
        let (last, opcode) = (first & 0x80 != 0, first & 0x0f);
        if self.closed {
            return Err(Violation::AfterClose);
        }
        if (second & 0x80 != 0) != (self.sender == Sender::Client) {
            return Err(Violation::Mask);
        }
        let length = match second & 0x7f {
            126 => u64::from(u16::from_be_bytes([a, b])),
            127 => u64::from_be_bytes([a, b, c, d, e, f, g, h]),
            short => u64::from(short),
        };
        let shortest = match second & 0x7f {
            126 => length > 125,
            127 => length > 0xffff && length <= u64::MAX >> 1,
            _ => true,
        };
        if !shortest {
            return Err(Violation::Length);
        }
        match opcode {
            0 if !self.in_message => return Err(Violation::Fragment),
            1 | 2 if self.in_message => return Err(Violation::Fragment),
            0..=2 => self.in_message = !last,
            8..=10 if !last || length > 125 => return Err(Violation::Control),
            8 => self.closed = true,
            9 | 10 => {}
            _ => return Err(Violation::Opcode),
        }
        Ok(length)
    }
}

/// How long a head is, once its first two bytes are known.
fn head_len(head: &[u8; 14]) -> usize {
    let [_, second, ..] = *head;
    let length: usize = match second & 0x7f {
        126 => 4,
        127 => 10,
        _ => 2,
    };
    length.saturating_add(if second & 0x80 != 0 { 4 } else { 0 })
}

/// A close frame with a status (RFC 6455 §7.4), as the gateway sends it in the name of `sender`. The mask is zero:
/// the payload is ours and tells nobody anything.
pub fn close_frame(sender: Sender, status: u16) -> Vec<u8> {
    let [high, low] = status.to_be_bytes();
    match sender {
        Sender::Server => vec![0x88, 2, high, low],
        Sender::Client => vec![0x88, 0x82, 0, 0, 0, 0, high, low],
    }
}

/// What a server answers to a handshake with `key` (RFC 6455 §4.2.2): the base 64 of a hash.
pub fn acceptance(key: &[u8]) -> String {
    const SUFFIX: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut context = Context::new(&SHA1_FOR_LEGACY_USE_ONLY);
    context.update(key);
    context.update(SUFFIX);
    let mut text = String::with_capacity(28);
    // 20 bytes: six groups of three, and one of two.
    for group in context.finish().as_ref().chunks(3) {
        let [a, b, c] = std::array::from_fn(|at| group.get(at).copied().unwrap_or(0));
        let digits = [a >> 2, (a & 3) << 4 | b >> 4, (b & 15) << 2 | c >> 6, c & 63];
        let there = group.len().saturating_add(1);
        text.extend(
            digits
                .iter()
                .take(there)
                .filter_map(|digit| DIGITS.get(usize::from(*digit)))
                .map(|d| char::from(*d)),
        );
        text.extend(std::iter::repeat_n('=', digits.len().saturating_sub(there)));
    }
    text
}

/// The server is going away.
pub const GOING_AWAY: u16 = 1001;

/// What the other end presented no longer holds.
pub const POLICY_VIOLATION: u16 = 1008;

/// The other end broke the protocol.
pub const PROTOCOL_ERROR: u16 = 1002;

#[cfg(test)]
mod tests;
