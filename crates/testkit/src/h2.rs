//! An HTTP/2 client that may send any frame (RFC 9113), with a header compression of its own (RFC 7541).
//!
//! [`Client::request`] speaks well; [`Client::frame`] says anything, in any order. Frames are read one by one,
//! so that a test can tell which came first. It shares nothing with the library that the gateway uses.

pub mod hpack;
pub mod server;

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::net::SocketAddr;

use crate::exchange::Fields;
use crate::raw::{self, End, Failure};
use crate::{Deadline, Request, Response};
use hpack::Decoder;

/// What a client says first (RFC 9113 §3.4).
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Bytes of a frame's payload until the peer allows more.
const PAYLOAD_MAX: usize = 16_384;
/// A window before anybody said otherwise.
const WINDOW: i64 = 65_535;

/// Frame types (RFC 9113 §6).
pub mod kind {
    /// Content.
    pub const DATA: u8 = 0;
    /// A field section.
    pub const HEADERS: u8 = 1;
    /// Priority, deprecated.
    pub const PRIORITY: u8 = 2;
    /// The end of a stream.
    pub const RST_STREAM: u8 = 3;
    /// Parameters of the connection.
    pub const SETTINGS: u8 = 4;
    /// A push.
    pub const PUSH_PROMISE: u8 = 5;
    /// A question that must be echoed.
    pub const PING: u8 = 6;
    /// The coming end of the connection.
    pub const GOAWAY: u8 = 7;
    /// Leave to send more.
    pub const WINDOW_UPDATE: u8 = 8;
    /// The rest of a field section.
    pub const CONTINUATION: u8 = 9;
}

/// Flags of frames.
pub mod flag {
    /// The last frame of a message; on SETTINGS and PING, an acknowledgement.
    pub const END_STREAM: u8 = 0x1;
    /// An acknowledgement.
    pub const ACK: u8 = 0x1;
    /// The last frame of a field section.
    pub const END_HEADERS: u8 = 0x4;
    /// Padding follows.
    pub const PADDED: u8 = 0x8;
    /// Priority fields stand in front.
    pub const PRIORITY: u8 = 0x20;
}

/// Error codes (RFC 9113 §7).
pub mod code {
    /// No error.
    pub const NO_ERROR: u32 = 0;
    /// The peer broke the protocol.
    pub const PROTOCOL_ERROR: u32 = 1;
    /// The peer failed.
    pub const INTERNAL_ERROR: u32 = 2;
    /// The peer broke flow control.
    pub const FLOW_CONTROL_ERROR: u32 = 3;
    /// A frame on a closed stream.
    pub const STREAM_CLOSED: u32 = 5;
    /// A frame of a wrong size.
    pub const FRAME_SIZE_ERROR: u32 = 6;
    /// Not processed; may be sent again.
    pub const REFUSED_STREAM: u32 = 7;
    /// No longer wanted.
    pub const CANCEL: u32 = 8;
    /// Field compression is out of step.
    pub const COMPRESSION_ERROR: u32 = 9;
    /// Too much of something.
    pub const ENHANCE_YOUR_CALM: u32 = 11;
    /// HTTP/1.1 is asked for.
    pub const HTTP_1_1_REQUIRED: u32 = 13;
}

/// One frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Its type.
    pub kind: u8,
    /// Its flags.
    pub flags: u8,
    /// Its stream, 0 for the connection.
    pub stream: u32,
    /// Its payload.
    pub payload: Vec<u8>,
}

/// A connection.
#[derive(Debug)]
pub struct Client {
    connection: raw::Client,
    decoder: Decoder,
    /// Frames that were read while something else was awaited.
    waiting: VecDeque<Frame>,
    next_stream: u32,
    window: i64,
    stream_window: i64,
    /// Windows of streams with a body still to send.
    windows: Vec<(u32, i64)>,
    /// Whether what is read is followed by leave to send as much again.
    gives_leave: bool,
}

impl Frame {
    /// A frame.
    pub fn new(kind: u8, flags: u8, stream: u32, payload: impl AsRef<[u8]>) -> Self {
        Self { kind, flags, stream, payload: payload.as_ref().to_vec() }
    }

    /// Its bytes.
    pub fn bytes(&self) -> Vec<u8> {
        let length = u32::try_from(self.payload.len()).expect("a payload below 16 MiB").to_be_bytes();
        let stream = self.stream.to_be_bytes();
        [&length[1..], &[self.kind, self.flags], &stream, &self.payload].concat()
    }

    /// Whether `flag` is set.
    pub fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// The error code of RST_STREAM or GOAWAY.
    pub fn code(&self) -> Option<u32> {
        match self.kind {
            kind::RST_STREAM => number(&self.payload, 0),
            kind::GOAWAY => number(&self.payload, 4),
            _ => None,
        }
    }
}

impl Client {
    /// Connects with prior knowledge, and says the preface and empty settings.
    pub fn connect(address: SocketAddr) -> Self {
        let mut client = Self::silent(raw::Client::connect(address));
        client.open(&[]);
        client
    }

    /// Speaks over a connection that is already there, and says nothing yet.
    pub fn silent(connection: raw::Client) -> Self {
        Self {
            connection,
            decoder: Decoder::default(),
            waiting: VecDeque::new(),
            next_stream: 1,
            window: WINDOW,
            stream_window: WINDOW,
            windows: Vec::new(),
            gives_leave: true,
        }
    }

    /// Gives no leave to send more by itself from now on; [`Client::frame`] does.
    pub fn keep_windows(&mut self) {
        self.gives_leave = false;
    }

    /// Says the preface and these settings.
    pub fn open(&mut self, settings: &[(u16, u32)]) {
        self.connection.send(PREFACE);
        self.frame(kind::SETTINGS, 0, 0, self::settings(settings));
    }

    /// Sends any bytes.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.connection.send(bytes);
    }

    /// Sends any frame.
    pub fn frame(&mut self, kind: u8, flags: u8, stream: u32, payload: impl AsRef<[u8]>) {
        self.connection.send(Frame::new(kind, flags, stream, payload).bytes());
    }

    /// The number of the next stream, which is then taken.
    pub fn stream(&mut self) -> u32 {
        self.next_stream += 2;
        self.next_stream - 2
    }

    /// Sends a request and answers with its stream.
    pub fn request(&mut self, request: &Request) -> u32 {
        let stream = self.stream();
        let ends = request.body.is_empty() && request.trailers.is_empty();
        self.fields(stream, &request_fields(request), ends);
        if !self.content(stream, &request.body, request.trailers.is_empty()) {
            return stream; // the peer went away or answered early
        }
        if !request.trailers.is_empty() {
            let lower =
                request.trailers.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.clone()));
            self.fields(stream, &lower.collect(), true);
        }
        stream
    }

    /// Sends content within the peer's windows; `false` when the peer stopped taking it.
    pub fn content(&mut self, stream: u32, body: &[u8], ends_stream: bool) -> bool {
        if !self.windows.iter().any(|(other, _)| *other == stream) {
            self.windows.push((stream, self.stream_window));
        }
        let mut rest = body;
        while !rest.is_empty() {
            let room = self.room(stream, rest.len());
            if room == 0 {
                return false;
            }
            let (piece, more) = rest.split_at(room);
            rest = more;
            let last = rest.is_empty() && ends_stream;
            self.frame(kind::DATA, if last { flag::END_STREAM } else { 0 }, stream, piece);
        }
        if ends_stream {
            self.windows.retain(|(other, _)| *other != stream);
        }
        true
    }

    /// Sends a field section as HEADERS and as many CONTINUATION frames as it needs.
    pub fn fields(&mut self, stream: u32, fields: &Fields, ends_stream: bool) {
        let block = hpack::encode(fields);
        let pieces: Vec<&[u8]> = block.chunks(PAYLOAD_MAX).collect();
        for (at, piece) in pieces.iter().enumerate() {
            let kind = if at == 0 { kind::HEADERS } else { kind::CONTINUATION };
            let end_headers = if at + 1 == pieces.len() { flag::END_HEADERS } else { 0 };
            let end_stream = if ends_stream && at == 0 { flag::END_STREAM } else { 0 };
            self.frame(kind, end_headers | end_stream, stream, piece);
        }
    }

    /// The next frame, in the order of arrival. Settings and pings are answered, windows kept.
    ///
    /// # Errors
    /// How the connection ended instead.
    pub fn next(&mut self, deadline: Deadline) -> Result<Frame, End> {
        match self.waiting.pop_front() {
            Some(frame) => Ok(frame),
            None => self.read(deadline),
        }
    }

    /// The next frame that `wanted` accepts; others before it are thrown away.
    ///
    /// # Errors
    /// How the connection ended instead.
    pub fn find(&mut self, deadline: Deadline, wanted: impl Fn(&Frame) -> bool) -> Result<Frame, End> {
        loop {
            let frame = self.next(deadline)?;
            if wanted(&frame) {
                return Ok(frame);
            }
            self.settle(frame);
        }
    }

    /// A frame that is put aside or thrown away. Blocks count on those before them (RFC 7541 §2.2), so its own is
    /// read now, and spelled out for whoever reads it again.
    fn settle(&mut self, mut frame: Frame) -> Frame {
        if frame.kind == kind::HEADERS
            && let Ok(fields) = self.decoder.decode(&frame.payload)
        {
            frame.payload = hpack::encode(&fields);
        }
        frame
    }

    /// Reads the response on `stream`; frames of other streams stay for later.
    ///
    /// # Errors
    /// When no whole response comes before the deadline.
    pub fn response(&mut self, stream: u32, deadline: Deadline) -> Result<Response, Failure> {
        let mut response = Response::default();
        let mut others = VecDeque::new();
        let outcome = loop {
            let frame = match self.next(deadline) {
                Ok(frame) => frame,
                Err(end) => break Err(end),
            };
            match frame.kind {
                kind::GOAWAY if frame.code() != Some(code::NO_ERROR) => break Err(ended(&frame)),
                kind::RST_STREAM if frame.stream == stream => break Err(ended(&frame)),
                kind::HEADERS | kind::DATA if frame.stream == stream => {
                    match self.take(&frame, &mut response) {
                        Ok(true) => break Ok(()),
                        Ok(false) => {}
                        Err(end) => break Err(end),
                    }
                }
                _ if frame.stream != 0 && frame.stream != stream => others.push_back(self.settle(frame)),
                _ => {}
            }
        };
        others.append(&mut self.waiting);
        self.waiting = others;
        outcome.map(|()| response.clone()).map_err(|end| Failure { end, partial: Box::new(response) })
    }

    /// Whether the peer closes the connection; what it still says is thrown away.
    ///
    /// # Errors
    /// What it does instead.
    pub fn closed(&mut self, deadline: Deadline) -> Result<(), End> {
        loop {
            match self.next(deadline) {
                Ok(_) => {}
                Err(End::Closed | End::Reset) => return Ok(()),
                Err(end) => return Err(end),
            }
        }
    }

    /// Reads a field section off the decoder of this connection.
    ///
    /// # Errors
    /// Why it cannot be read.
    pub fn decode(&mut self, block: &[u8]) -> Result<Fields, String> {
        self.decoder.decode(block)
    }

    /// Takes a frame of a response in; `true` when it was the last.
    pub(crate) fn take(&mut self, frame: &Frame, response: &mut Response) -> Result<bool, End> {
        if frame.kind == kind::DATA {
            response.body.extend(&frame.payload);
            return Ok(frame.has(flag::END_STREAM));
        }
        let mut fields = self.decoder.decode(&frame.payload).map_err(End::Nonsense)?;
        if response.status != 0 {
            response.trailers = fields;
            return Ok(frame.has(flag::END_STREAM));
        }
        let status = fields.iter().find(|(name, _)| name == b":status").map(|(_, value)| value.clone());
        let status = status.and_then(|value| String::from_utf8(value).ok()?.parse().ok());
        let Some(status) = status else { return Err(End::Nonsense("no :status".to_owned())) };
        note_oddities(&fields, response);
        fields.retain(|(name, _)| name != b":status");
        if status < 200 {
            response.interim.push(status);
        } else {
            (response.status, response.fields) = (status, fields);
        }
        Ok(frame.has(flag::END_STREAM))
    }

    /// How much of `wanted` bytes may be sent on `stream` now; waits for leave, and answers 0 when none comes.
    fn room(&mut self, stream: u32, wanted: usize) -> usize {
        loop {
            let at = self.windows.iter().position(|(other, _)| *other == stream);
            let Some(at) = at else { return 0 };
            let allowed = self.windows[at].1.min(self.window);
            let room = usize::try_from(allowed).unwrap_or(0).min(wanted).min(PAYLOAD_MAX);
            if room > 0 {
                let spent = i64::try_from(room).expect("a small number");
                self.window -= spent;
                self.windows[at].1 -= spent;
                return room;
            }
            match self.read(Deadline::soon()) {
                Ok(frame) => {
                    let is_over = matches!(frame.kind, kind::GOAWAY)
                        || (frame.stream == stream && matches!(frame.kind, kind::RST_STREAM | kind::HEADERS));
                    let frame = self.settle(frame);
                    self.waiting.push_back(frame);
                    if is_over {
                        return 0;
                    }
                }
                Err(_) => return 0,
            }
        }
    }

    /// Reads one frame; joins a field section and its continuations into one.
    fn read(&mut self, deadline: Deadline) -> Result<Frame, End> {
        let mut frame = self.read_one(deadline)?;
        if frame.kind == kind::HEADERS {
            frame.payload = without_padding(&frame);
            while !frame.has(flag::END_HEADERS) {
                let more = self.read_one(deadline)?;
                if more.kind != kind::CONTINUATION || more.stream != frame.stream {
                    return Err(End::Nonsense(format!("{more:?} within a field section")));
                }
                frame.payload.extend(more.payload);
                frame.flags |= more.flags;
            }
        }
        match frame.kind {
            kind::SETTINGS if !frame.has(flag::ACK) => self.settings(&frame.payload),
            kind::PING if !frame.has(flag::ACK) => self.frame(kind::PING, flag::ACK, 0, &frame.payload),
            kind::WINDOW_UPDATE => {
                self.widen(frame.stream, i64::from(number(&frame.payload, 0).unwrap_or(0)))
            }
            kind::DATA if !frame.payload.is_empty() => {
                let spent = u32::try_from(frame.payload.len()).expect("a frame").to_be_bytes();
                if self.gives_leave {
                    self.frame(kind::WINDOW_UPDATE, 0, 0, spent);
                }
                if self.gives_leave && !frame.has(flag::END_STREAM) {
                    self.frame(kind::WINDOW_UPDATE, 0, frame.stream, spent);
                }
                frame.payload = without_padding(&frame);
            }
            _ => {}
        }
        Ok(frame)
    }

    /// Reads one frame whole; half of one stays for the next time.
    fn read_one(&mut self, deadline: Deadline) -> Result<Frame, End> {
        let length = loop {
            if let &[a, b, c, ..] = self.connection.buffer().as_slice() {
                break usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
            }
            self.connection.more(deadline)?;
        };
        let mut head = self.connection.bytes(9 + length, deadline)?;
        let payload = head.split_off(9);
        let stream = number(&head, 5).unwrap_or(0) & 0x7fff_ffff;
        Ok(Frame { kind: head[3], flags: head[4], stream, payload })
    }

    fn settings(&mut self, payload: &[u8]) {
        for pair in payload.chunks_exact(6) {
            let value = number(pair, 2).unwrap_or(0);
            if pair[..2] == [0, 4] {
                let change = i64::from(value) - self.stream_window;
                self.stream_window += change;
                self.windows.iter_mut().for_each(|(_, window)| *window += change);
            }
        }
        self.frame(kind::SETTINGS, flag::ACK, 0, []);
    }

    fn widen(&mut self, stream: u32, by: i64) {
        if stream == 0 {
            self.window += by;
        }
        self.windows.iter_mut().filter(|(other, _)| *other == stream).for_each(|(_, window)| *window += by);
    }
}

/// The payload of SETTINGS.
fn settings(settings: &[(u16, u32)]) -> Vec<u8> {
    settings.iter().flat_map(|(id, value)| [&id.to_be_bytes()[..], &value.to_be_bytes()].concat()).collect()
}

/// The fields of a request, pseudo-fields first, names in lower case.
pub fn request_fields(request: &Request) -> Fields {
    let pseudo = [
        (":method", request.method.as_bytes()),
        (":scheme", b"http"),
        (":authority", request.authority.as_bytes()),
        (":path", &request.target),
    ];
    let mut fields: Fields = pseudo.map(|(name, value)| (name.into(), value.to_vec())).to_vec();
    let lower = request.fields.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.clone()));
    fields.extend(lower);
    fields
}

fn ended(frame: &Frame) -> End {
    let name = if frame.kind == kind::GOAWAY { "GOAWAY" } else { "RST_STREAM" };
    End::Nonsense(format!("{name} with code {}", frame.code().unwrap_or(u32::MAX)))
}

fn note_oddities(fields: &Fields, response: &mut Response) {
    let connection = ["connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"];
    for (name, _) in fields {
        let text = String::from_utf8_lossy(name);
        if text.chars().any(|c| c.is_ascii_uppercase()) || connection.contains(&text.as_ref()) {
            response.oddities.push(format!("field `{text}` in HTTP/2"));
        }
    }
}

fn without_padding(frame: &Frame) -> Vec<u8> {
    let mut payload = frame.payload.as_slice();
    if frame.has(flag::PADDED) {
        let padding = payload.first().map_or(0, |length| usize::from(*length));
        payload = payload.get(1..payload.len().saturating_sub(padding)).unwrap_or_default();
    }
    if frame.kind == kind::HEADERS && frame.has(flag::PRIORITY) {
        payload = payload.get(5..).unwrap_or_default();
    }
    payload.to_vec()
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}
