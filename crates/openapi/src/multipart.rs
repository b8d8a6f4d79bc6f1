//! `multipart/form-data` (RFC 7578, RFC 2046 §5.1), taken apart as it passes.
//!
//! A parser is handed the pieces of a body and tells a [`Sink`] of each part: its head, its content piece by piece, its
//! end. It holds the head of one part and the few bytes that might begin a boundary, whatever the body's length.
//!
//! Readers of multipart differ more than of any other format, and every difference is a part that one of them sees and
//! another does not. So the reading is the strict one, and what only some readers take is refused:
//!
//! * Lines end in CRLF. A boundary behind a lone CR or LF is a boundary to some readers: refused.
//! * Nothing stands before the first boundary or behind the last, nothing behind a boundary on its line.
//! * A boundary directly behind the head of a part, without the line end that belongs to it, is refused.
//! * Heads have no folded lines, no field twice and no field but those of RFC 7578 and those declared.
//! * [`disposition`]: no `filename*`, no backslashes, no paths.
//!
//! # Limits
//! [`Limits`], [`BOUNDARY_BYTES_MAX`], [`PART_FIELDS_MAX`].
//!
//! # Threats
//! Whoever sends the body controls every byte, the boundary included. Fuzz target: `contract_multipart`.

mod disposition;
mod head;

use std::fmt;

use memchr::memmem;

pub use head::{Field, Head, PART_FIELDS_MAX};

/// Most bytes of a boundary (RFC 2046 §5.1.1).
pub const BOUNDARY_BYTES_MAX: usize = 70;

/// What a parser allows itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most parts of one body.
    pub parts: usize,
    /// Most bytes of the head of one part.
    pub head_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { parts: 20, head_bytes: 4 << 10 }
    }
}

/// Who is told of the parts of a body, in their order.
pub trait Sink {
    /// Why it stops.
    type Stop;

    /// A part begins.
    ///
    /// # Errors
    /// The body is to be read no further.
    fn part(&mut self, head: Head) -> Result<(), Self::Stop>;

    /// A piece of the part's content, never empty.
    ///
    /// # Errors
    /// The body is to be read no further.
    fn content(&mut self, piece: &[u8]) -> Result<(), Self::Stop>;

    /// The part ends.
    ///
    /// # Errors
    /// The body is to be read no further.
    fn end(&mut self) -> Result<(), Self::Stop>;
}

/// Why a body was not read to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped<S> {
    /// It is malformed.
    Fault(Fault),
    /// The sink has enough.
    Sink(S),
}

/// What is wrong with a body, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Why.
    pub what: What,
    /// About how many bytes stand before it.
    pub offset: u64,
}

/// What can be wrong with a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// The media type has no boundary, or one that is none.
    Boundary,
    /// It does not begin with its boundary.
    Start,
    /// Something stands behind a boundary on its line, or the boundary goes on.
    BoundaryLine,
    /// What is a boundary to some readers only.
    Ambiguous,
    /// It stops before its last boundary.
    Truncated,
    /// Something stands behind its last boundary.
    Trailing,
    /// More parts than allowed.
    Parts,
    /// A longer head of a part than allowed, or more fields.
    HeadSize,
    /// The head of a part is not made of fields, or has one twice, or one that does not belong there.
    Head,
    /// `Content-Disposition` is missing, malformed or ambiguous.
    Disposition,
    /// A file name that is a path or could be read in two ways.
    FileName,
    /// A coding of a part (`Content-Transfer-Encoding`) that its reader may or may not undo.
    TransferEncoding,
    /// A part is not as long as it says.
    Length,
}

impl What {
    /// In words.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Boundary => "the media type has no usable boundary",
            Self::Start => "the body does not begin with its boundary",
            Self::BoundaryLine => "something stands behind a boundary on its line",
            Self::Ambiguous => "a boundary stands where only some readers see it",
            Self::Truncated => "the body stops before its last boundary",
            Self::Trailing => "something stands behind the last boundary",
            Self::Parts => "the body has too many parts",
            Self::HeadSize => "the head of a part is too large",
            Self::Head => "the head of a part is malformed or has a field that does not belong there",
            Self::Disposition => "the disposition of a part is missing, malformed or ambiguous",
            Self::FileName => "a file name is a path or could be read in two ways",
            Self::TransferEncoding => "a part has a transfer encoding",
            Self::Length => "a part is not as long as it says",
        }
    }

    /// Whether it is about how much there is.
    pub fn is_size(self) -> bool {
        matches!(self, Self::Parts | Self::HeadSize)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (at byte {})", self.what.as_str(), self.offset)
    }
}

/// Takes one body apart.
#[derive(Debug)]
pub struct Parser {
    /// `--` and the boundary.
    needle: memmem::Finder<'static>,
    limits: Limits,
    at: At,
    /// What came and has not been judged: less than a boundary and its line, or a part's head.
    kept: Vec<u8>,
    parts: usize,
    /// Of the part under way.
    content: u64,
    stated: Option<u64>,
    offset: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// Before the first boundary.
    Start,
    /// In the head of a part, behind the line of its boundary.
    Head,
    /// In the content of a part.
    Content,
    /// Behind the last boundary.
    End,
}

/// What a look at the bytes at hand came to.
enum Look {
    /// These many were judged; the state is another one.
    Taken(usize),
    /// These many were judged; what is left needs what follows.
    Wants(usize),
}

impl Parser {
    /// A parser of a body with this boundary.
    ///
    /// # Errors
    /// It is no boundary.
    pub fn new(boundary: &str, limits: Limits) -> Result<Self, Fault> {
        // RFC 2046 §5.1.1, but no space, which only stands in quotes and is lost on the way.
        let is_boundary = |b: u8| b.is_ascii_alphanumeric() || b"'()+_,-./:=?".contains(&b);
        if boundary.is_empty() || boundary.len() > BOUNDARY_BYTES_MAX || !boundary.bytes().all(is_boundary) {
            return Err(Fault { what: What::Boundary, offset: 0 });
        }
        let needle = [b"--", boundary.as_bytes()].concat();
        Ok(Self {
            needle: memmem::Finder::new(&needle).into_owned(),
            limits,
            at: At::Start,
            kept: Vec::new(),
            parts: 0,
            content: 0,
            stated: None,
            offset: 0,
        })
    }

    /// Reads on.
    ///
    /// # Errors
    /// The body is malformed, or the sink has enough. Nothing may be asked of the parser any more.
    pub fn push<S: Sink>(&mut self, piece: &[u8], sink: &mut S) -> Result<(), Stopped<S::Stop>> {
        let mut joined = std::mem::take(&mut self.kept);
        let mut rest = if joined.is_empty() {
            piece
        } else {
            joined.extend_from_slice(piece);
            &joined
        };
        loop {
            let look = match self.at {
                At::Start => self.start(rest)?,
                At::Head => self.head(rest, sink)?,
                At::Content => self.content(rest, sink)?,
                At::End => self.trailing(rest)?,
            };
            let (Look::Taken(taken) | Look::Wants(taken)) = look;
            self.offset = self.offset.saturating_add(taken as u64);
            rest = rest.get(taken..).unwrap_or_default();
            if let Look::Wants(_) = look {
                self.kept.extend_from_slice(rest);
                return Ok(());
            }
        }
    }

    /// The body is at its end.
    ///
    /// # Errors
    /// It stops before its last boundary.
    pub fn finish(&self) -> Result<(), Fault> {
        // A lone CR behind the last boundary has not been judged.
        match self.at {
            At::End if self.kept.is_empty() || self.kept == b"\r\n" => Ok(()),
            At::End => Err(self.fault(What::Trailing)),
            At::Start | At::Head | At::Content => Err(self.fault(What::Truncated)),
        }
    }

    fn start<S>(&mut self, bytes: &[u8]) -> Result<Look, Stopped<S>> {
        let needle = self.needle.needle();
        let head = bytes.get(..needle.len()).unwrap_or(bytes);
        if !needle.starts_with(head) {
            return Err(self.fault(What::Start).into());
        }
        let end = needle.len();
        match self.boundary_line(bytes.get(end..).unwrap_or_default())? {
            Some(line) => Ok(Look::Taken(end.saturating_add(line))),
            None => Ok(Look::Wants(0)),
        }
    }

    /// What stands behind a boundary: the line's end, or the mark of the last one. Its length; `None` when more is wanted.
    fn boundary_line(&mut self, behind: &[u8]) -> Result<Option<usize>, Fault> {
        match behind {
            [b'\r', b'\n', ..] => {
                if self.parts >= self.limits.parts {
                    return Err(self.fault(What::Parts));
                }
                self.parts = self.parts.saturating_add(1);
                self.at = At::Head;
            }
            [b'-', b'-', ..] => self.at = At::End,
            [] | [b'\r' | b'-'] => return Ok(None),
            _ => return Err(self.fault(What::BoundaryLine)),
        }
        Ok(Some(2))
    }

    fn head<S: Sink>(&mut self, bytes: &[u8], sink: &mut S) -> Result<Look, Stopped<S::Stop>> {
        const END: &[u8] = b"\r\n\r\n";
        // A part without any field: nobody could say what it is.
        if bytes.starts_with(b"\r\n") {
            return Err(self.fault(What::Disposition).into());
        }
        let within = bytes.get(..self.limits.head_bytes).unwrap_or(bytes);
        let Some(end) = memmem::find(within, END) else {
            if bytes.len() >= self.limits.head_bytes {
                return Err(self.fault(What::HeadSize).into());
            }
            return Ok(Look::Wants(0));
        };
        let lines = within.get(..end).unwrap_or_default();
        let head = Head::parse(lines).map_err(|what| self.fault(what))?;
        (self.at, self.content, self.stated) = (At::Content, 0, head.length());
        sink.part(head).map_err(Stopped::Sink)?;
        Ok(Look::Taken(end.saturating_add(END.len())))
    }

    fn content<S: Sink>(&mut self, bytes: &[u8], sink: &mut S) -> Result<Look, Stopped<S::Stop>> {
        let mut from = 0_usize;
        while let Some(found) = self.needle.find(bytes.get(from..).unwrap_or_default()) {
            let at = from.saturating_add(found);
            let before = bytes.get(..at).unwrap_or_default();
            let Some(content) = before.strip_suffix(b"\r\n") else {
                // At the start of all that is at hand the byte before was judged, and is no line end; unless there was none.
                let is_behind_head = at == 0 && self.content == 0;
                if is_behind_head || before.ends_with(b"\n") || before.ends_with(b"\r") {
                    return Err(self.fault(What::Ambiguous).into());
                }
                from = at.saturating_add(1);
                continue;
            };
            let end = at.saturating_add(self.needle.needle().len());
            let Some(line) = self.boundary_line(bytes.get(end..).unwrap_or_default())? else {
                self.pass(content, sink)?;
                return Ok(Look::Wants(content.len()));
            };
            self.pass(content, sink)?;
            if self.stated.is_some_and(|stated| stated != self.content) {
                return Err(self.fault(What::Length).into());
            }
            sink.end().map_err(Stopped::Sink)?;
            return Ok(Look::Taken(end.saturating_add(line)));
        }
        let content = bytes.len().saturating_sub(self.undecided(bytes));
        self.pass(bytes.get(..content).unwrap_or_default(), sink)?;
        Ok(Look::Wants(content))
    }

    /// How many bytes at the end might begin a boundary, its line end counted.
    fn undecided(&self, bytes: &[u8]) -> usize {
        let needle = self.needle.needle();
        let longest = needle.len().saturating_add(2);
        let tail = bytes.get(bytes.len().saturating_sub(longest)..).unwrap_or(bytes);
        // With no line end before it, it is one only where the content begins.
        let starts = memchr::memchr2_iter(b'\r', b'\n', tail)
            .chain((self.content == 0 && bytes.len() < needle.len()).then_some(0));
        let begins = |at: &usize| {
            let rest = tail.get(*at..).unwrap_or_default();
            let rest = rest.strip_prefix(b"\r").unwrap_or(rest);
            needle.starts_with(rest.strip_prefix(b"\n").unwrap_or(rest))
        };
        let first = starts.filter(begins).min();
        first.map_or(0, |at| tail.len().saturating_sub(at))
    }

    fn pass<S: Sink>(&mut self, content: &[u8], sink: &mut S) -> Result<(), Stopped<S::Stop>> {
        if content.is_empty() {
            return Ok(());
        }
        self.content = self.content.saturating_add(content.len() as u64);
        sink.content(content).map_err(Stopped::Sink)
    }

    fn trailing<S>(&mut self, bytes: &[u8]) -> Result<Look, Stopped<S>> {
        match bytes {
            [] | [b'\r'] | [b'\r', b'\n'] => Ok(Look::Wants(0)),
            _ => Err(self.fault(What::Trailing).into()),
        }
    }

    fn fault(&self, what: What) -> Fault {
        Fault { what, offset: self.offset }
    }
}

impl<S> From<Fault> for Stopped<S> {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

#[cfg(test)]
mod tests;
