//! Reads requests as a suspicious backend would, and notes everything two backends could read differently.
//!
//! Written apart from the gateway's codec on purpose: line by line, with the dullest code that does it. It
//! never refuses. What cannot be framed ends reading; the bytes stay in [`Parser::unread`].

use std::fmt;

use crate::exchange::{Fields, all};

/// Body bytes kept of one message; later ones are counted only.
const BODY_BYTES_MAX: usize = 4 * 1024 * 1024;

/// A request as it arrived.
#[derive(Clone, Default)]
pub struct Message {
    /// Which of the recorder's connections carried it, from 0.
    pub connection: usize,
    /// Which message of its connection it is, from 0.
    pub position: usize,
    /// First word of the request line.
    pub method: Vec<u8>,
    /// Second word of the request line.
    pub target: Vec<u8>,
    /// Third word of the request line.
    pub version: Vec<u8>,
    /// Its fields in order, spelled as they came.
    pub fields: Fields,
    /// Its body, up to four mebibytes.
    pub body: Vec<u8>,
    /// Length of its body.
    pub body_len: u64,
    /// Whether the body came in chunks.
    pub is_chunked: bool,
    /// Trailer fields.
    pub trailers: Fields,
    /// What is unusual about it; empty for a plain request.
    pub oddities: Vec<String>,
    /// Whether its end has come.
    pub is_complete: bool,
}

/// What the parser has found.
pub(super) enum Event {
    /// The head is there.
    Head(Message),
    /// The message is whole.
    Whole(Message),
}

/// Reads one connection.
#[derive(Default)]
pub(super) struct Parser {
    buffer: Vec<u8>,
    stage: Stage,
    message: Message,
    position: usize,
}

#[derive(Default, Clone, Copy, PartialEq)]
enum Stage {
    #[default]
    Head,
    Exactly(u64),
    Size,
    Data(u64),
    DataEnd,
    Trailers,
    Whole,
    Lost,
}

struct Line {
    text: Vec<u8>,
    has_cr: bool,
}

impl Parser {
    /// Takes in more bytes.
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        self.buffer.extend(bytes);
    }

    /// Bytes that are no part of a message begun.
    pub(super) fn unread(&self) -> &[u8] {
        if matches!(self.stage, Stage::Head | Stage::Lost) { &self.buffer } else { &[] }
    }

    /// The message whose end has not come, if one has begun.
    pub(super) fn half(&self) -> Option<Message> {
        (!matches!(self.stage, Stage::Head)).then(|| self.message.clone())
    }

    /// The next thing that has happened, if the bytes so far tell.
    pub(super) fn next(&mut self) -> Option<Event> {
        loop {
            let before = (self.stage, self.buffer.len());
            match self.stage {
                Stage::Head => {
                    self.head()?;
                    return Some(Event::Head(self.message.clone()));
                }
                Stage::Exactly(left) => {
                    let left = self.data(left);
                    self.stage = if left == 0 { Stage::Whole } else { Stage::Exactly(left) };
                }
                Stage::Size => self.size()?,
                Stage::Data(left) => {
                    let left = self.data(left);
                    self.stage = if left == 0 { Stage::DataEnd } else { Stage::Data(left) };
                }
                Stage::DataEnd => self.data_end()?,
                Stage::Trailers => self.trailer()?,
                Stage::Whole => return Some(self.whole()),
                Stage::Lost => return None,
            }
            if before == (self.stage, self.buffer.len()) {
                return None;
            }
        }
    }

    /// Reads the head once all of it is there: until then its bytes belong to no message.
    fn head(&mut self) -> Option<()> {
        if !has_whole_head(&self.buffer) {
            return None;
        }
        let mut line = self.line()?;
        while line.text.is_empty() {
            self.odd("an empty line before the request line");
            line = self.line()?;
        }
        self.request_line(&line.text);
        loop {
            let line = self.line()?;
            if line.text.is_empty() {
                break;
            }
            let field = self.field(&line.text);
            self.message.fields.extend(field);
        }
        self.message.position = self.position;
        self.framing();
        self.host();
        Some(())
    }

    fn request_line(&mut self, line: &[u8]) {
        let words: Vec<&[u8]> = line.split(|byte| *byte == b' ').collect();
        if words.len() != 3 {
            self.odd(&format!("request line of {} words", words.len()));
        }
        let word = |at: usize| words.get(at).copied().unwrap_or_default().to_vec();
        (self.message.method, self.message.target, self.message.version) = (word(0), word(1), word(2));
        if !is_token(&self.message.method) {
            self.odd("method that is no token");
        }
        let plain = |byte: &u8| byte.is_ascii_graphic() && !b"#\\\"<>^`{|}".contains(byte);
        if !self.message.target.iter().all(plain) {
            self.odd("target with a character that no URI has");
        }
        if !self.message.target.starts_with(b"/") && self.message.target != b"*" {
            self.odd("target that is no path");
        }
        if self.message.version != b"HTTP/1.1" {
            self.odd("version that is not HTTP/1.1");
        }
    }

    /// Name and value of a field line; nothing, and an oddity, when it is none.
    fn field(&mut self, line: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
        if line.starts_with(b" ") || line.starts_with(b"\t") {
            self.odd("a folded line");
        }
        let Some(colon) = line.iter().position(|byte| *byte == b':') else {
            self.odd(&format!("line `{}` without a colon", line.escape_ascii()));
            return None;
        };
        let (name, value) = (&line[..colon], &line[colon + 1..]);
        if !is_token(name) {
            self.odd(&format!("field name `{}`", name.escape_ascii()));
        }
        if value.iter().any(|byte| (*byte < b' ' && *byte != b'\t') || *byte == 0x7f) {
            self.odd(&format!("control character in field `{}`", name.escape_ascii()));
        }
        let blank = |byte: &u8| *byte == b' ' || *byte == b'\t';
        let start = value.iter().position(|byte| !blank(byte)).unwrap_or(value.len());
        let end = value.iter().rposition(|byte| !blank(byte)).map_or(start, |at| at + 1);
        Some((name.to_vec(), value[start..end].to_vec()))
    }

    fn framing(&mut self) {
        let lengths = self.message.all("content-length").len();
        let codings = self.message.all("transfer-encoding").len();
        if lengths + codings > 1 {
            self.odd(&format!("{lengths} content lengths and {codings} transfer codings"));
        }
        // A field that only looks like a framing field frames for a backend that squints.
        let squinted: Vec<String> = self.message.fields.iter().filter_map(|(name, _)| squint(name)).collect();
        for name in squinted {
            self.odd(&format!("field `{name}` looks like a framing field"));
        }
        let coding = self.message.all("transfer-encoding").first().map(|value| value.to_ascii_lowercase());
        let length = self.message.all("content-length").first().map(|value| value.to_vec());
        self.stage = match (coding, length) {
            (Some(coding), _) if coding == b"chunked" => {
                self.message.is_chunked = true;
                Stage::Size
            }
            (Some(_), _) => {
                self.odd("a transfer coding that is not chunked");
                Stage::Lost
            }
            (None, Some(length)) => self.length(&length),
            (None, None) => Stage::Whole,
        };
    }

    fn length(&mut self, digits: &[u8]) -> Stage {
        let number = std::str::from_utf8(digits).ok().and_then(|text| text.parse::<u64>().ok());
        match number.filter(|_| !digits.is_empty() && digits.iter().all(u8::is_ascii_digit)) {
            Some(0) => Stage::Whole,
            Some(number) => Stage::Exactly(number),
            None => {
                self.odd(&format!("content length `{}`", digits.escape_ascii()));
                Stage::Lost
            }
        }
    }

    fn host(&mut self) {
        let hosts = self.message.all("host");
        let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b".-:[]_".contains(byte);
        let fine = hosts.len() == 1 && hosts.iter().all(|host| !host.is_empty() && host.iter().all(plain));
        if !fine {
            let shown: Vec<String> = hosts.iter().map(|host| host.escape_ascii().to_string()).collect();
            self.odd(&format!("hosts {shown:?}"));
        }
    }

    fn size(&mut self) -> Option<()> {
        let line = self.line()?;
        let digits: Vec<u8> = line.text.iter().copied().take_while(u8::is_ascii_hexdigit).collect();
        if digits.len() < line.text.len() {
            self.odd(&format!("chunk size line `{}`", line.text.escape_ascii()));
        }
        let size = std::str::from_utf8(&digits).ok().and_then(|text| u64::from_str_radix(text, 16).ok());
        self.stage = match size {
            Some(0) => Stage::Trailers,
            Some(size) => Stage::Data(size),
            None => {
                self.odd("a chunk without a size");
                Stage::Lost
            }
        };
        Some(())
    }

    /// Takes what is there of `left` body bytes and says how many are still missing.
    fn data(&mut self, left: u64) -> u64 {
        let here = usize::try_from(left).unwrap_or(usize::MAX).min(self.buffer.len());
        let piece = self.buffer.drain(..here);
        let room = BODY_BYTES_MAX.saturating_sub(self.message.body.len());
        self.message.body.extend(piece.take(room));
        self.message.body_len += here as u64;
        left - here as u64
    }

    fn data_end(&mut self) -> Option<()> {
        if self.buffer.len() < 2 {
            return None;
        }
        if self.buffer.starts_with(b"\r\n") {
            self.buffer.drain(..2);
            self.stage = Stage::Size;
        } else {
            self.odd("no CR LF behind a chunk");
            self.stage = Stage::Lost;
        }
        Some(())
    }

    fn trailer(&mut self) -> Option<()> {
        let line = self.line()?;
        if line.text.is_empty() {
            self.stage = Stage::Whole;
        } else {
            let field = self.field(&line.text);
            self.message.trailers.extend(field);
        }
        Some(())
    }

    fn whole(&mut self) -> Event {
        if !self.buffer.is_empty() && self.message.all("upgrade").is_empty() {
            let tail = self.buffer.get(..60).unwrap_or(&self.buffer).escape_ascii().to_string();
            self.odd(&format!("bytes behind the message before it was answered: `{tail}`"));
        }
        let message = Message { is_complete: true, ..std::mem::take(&mut self.message) };
        self.position += 1;
        self.stage = Stage::Head;
        Event::Whole(message)
    }

    /// The next line without its end, noting ends that are not CR LF.
    fn line(&mut self) -> Option<Line> {
        let at = self.buffer.iter().position(|byte| *byte == b'\n')?;
        let mut text: Vec<u8> = self.buffer.drain(..=at).collect();
        text.pop();
        let line = Line { has_cr: text.pop_if(|byte| *byte == b'\r').is_some(), text };
        if !line.has_cr {
            self.odd("a line ends with a bare LF");
        }
        if line.text.contains(&b'\r') {
            self.odd("a bare CR within a line");
        }
        Some(line)
    }

    fn odd(&mut self, what: &str) {
        self.message.oddities.push(what.to_owned());
    }
}

impl Message {
    /// The values of every field line called `name`, without case.
    pub fn all(&self, name: &str) -> Vec<&[u8]> {
        all(&self.fields, name)
    }

    /// The value of the first field line called `name`, as text.
    pub fn text(&self, name: &str) -> Option<String> {
        self.all(name).first().map(|value| String::from_utf8_lossy(value).into_owned())
    }

    /// The target as text.
    pub fn target(&self) -> String {
        shown(&self.target)
    }
}

/// Whether a line that is not empty is followed, sooner or later, by one that is.
fn has_whole_head(bytes: &[u8]) -> bool {
    let mut begun = false;
    for line in bytes.split_inclusive(|byte| *byte == b'\n').filter(|line| line.ends_with(b"\n")) {
        let is_empty = matches!(line, b"\n" | b"\r\n");
        if begun && is_empty {
            return true;
        }
        begun |= !is_empty;
    }
    false
}

/// Bytes as text: what is visible as it is, the rest escaped.
pub(super) fn shown(bytes: &[u8]) -> String {
    let one = |byte: &u8| match byte {
        b' '..=b'~' => char::from(*byte).to_string(),
        _ => byte.escape_ascii().to_string(),
    };
    bytes.iter().map(one).collect()
}

fn is_token(name: &[u8]) -> bool {
    let tchar = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    !name.is_empty() && name.iter().all(tchar)
}

/// The field's name when it is not a framing field but becomes one without its separators.
fn squint(name: &[u8]) -> Option<String> {
    let letters: Vec<u8> =
        name.iter().filter(|b| b.is_ascii_alphabetic()).map(u8::to_ascii_lowercase).collect();
    let lower = name.to_ascii_lowercase();
    let close = letters == b"contentlength" || letters == b"transferencoding";
    let exact = lower == b"content-length" || lower == b"transfer-encoding";
    (close && !exact).then(|| name.escape_ascii().to_string())
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method.escape_ascii(), self.target.escape_ascii())
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{self} {} (connection {}.{})",
            self.version.escape_ascii(),
            self.connection,
            self.position
        )?;
        for (name, value) in &self.fields {
            writeln!(f, "{}: {}", name.escape_ascii(), value.escape_ascii())?;
        }
        let shown = self.body.get(..600).unwrap_or(&self.body).escape_ascii();
        write!(
            f,
            "\n{shown} ({} bytes, whole: {})\noddities: {:?}",
            self.body_len, self.is_complete, self.oddities
        )
    }
}
