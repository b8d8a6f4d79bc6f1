//! JSON by RFC 8259 to the letter, with positions.
//!
//! The depth bound is what makes plain recursion safe. Column numbers are counted on from the last node, so
//! that a document of one long line costs no more than any other.

use super::{FileId, Files, Finding, Key, Mapping, Node, Number, Reading, Span, Value};
use crate::value::{Reason, scan};

/// Why a text was not taken.
pub(super) struct Refused {
    /// Whether it is JSON all the same, and something else is wrong with it.
    pub(super) well_formed: bool,
    pub(super) findings: Vec<Finding>,
}

pub(super) fn parse(files: &Files, file: FileId, text: &str, reading: &Reading) -> Result<Node, Refused> {
    let mut reader = Reader {
        files,
        text,
        at: 0,
        reading,
        nodes: 0,
        place: Place { file, line: 1, column: 1, at: 0 },
        duplicates: Vec::new(),
    };
    match reader.document() {
        Ok(node) if reader.duplicates.is_empty() => Ok(node),
        Ok(_) => Err(Refused { well_formed: true, findings: reader.duplicates }),
        Err(Fault { message, bound }) => {
            let span = reader.here();
            let finding = files.finding(span, "", message);
            Err(Refused { well_formed: bound, findings: vec![finding] })
        }
    }
}

struct Reader<'a> {
    files: &'a Files,
    text: &'a str,
    // Invariant: a character boundary of `text`.
    at: usize,
    reading: &'a Reading,
    nodes: usize,
    place: Place,
    duplicates: Vec<Finding>,
}

/// Line and column of the byte `at`, counted on as reading goes on.
struct Place {
    file: FileId,
    line: usize,
    column: usize,
    at: usize,
}

struct Fault {
    message: String,
    /// Whether a bound was passed, rather than the grammar broken.
    bound: bool,
}

impl Fault {
    fn syntax(message: impl Into<String>) -> Self {
        Self { message: message.into(), bound: false }
    }
}

impl<'a> Reader<'a> {
    fn document(&mut self) -> Result<Node, Fault> {
        self.skip_space();
        let node = self.value(0)?;
        self.skip_space();
        match self.rest().chars().next() {
            None => Ok(node),
            Some(_) => Err(Fault::syntax("expected the end of the document after its value")),
        }
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip(&mut self, bytes: usize) {
        self.at = self.at.saturating_add(bytes);
    }

    /// RFC 8259 §2: these four and no other.
    fn skip_space(&mut self) {
        let space =
            self.rest().bytes().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n')).count();
        self.skip(space);
    }

    /// The position of the next byte.
    fn here(&mut self) -> Span {
        let passed = self.text.get(self.place.at..self.at).unwrap_or_default();
        for byte in passed.bytes() {
            if byte == b'\n' {
                self.place.line = self.place.line.saturating_add(1);
                self.place.column = 1;
            } else if byte & 0xC0 != 0x80 {
                self.place.column = self.place.column.saturating_add(1);
            }
        }
        self.place.at = self.at;
        Span::new(self.place.file, self.place.line, self.place.column)
    }

    fn value(&mut self, depth: usize) -> Result<Node, Fault> {
        let span = self.here();
        self.nodes = self.nodes.saturating_add(1);
        if self.nodes > self.reading.nodes_max {
            let message = format!("the document has more than {} values", self.reading.nodes_max);
            return Err(Fault { message, bound: true });
        }
        if depth > self.reading.depth_max {
            let message = format!("nested more than {} deep", self.reading.depth_max);
            return Err(Fault { message, bound: true });
        }
        let value = match self.peek() {
            Some(b'{') => self.object(depth)?,
            Some(b'[') => self.array(depth)?,
            Some(b'"') => Value::String(self.string()?),
            Some(b'-' | b'0'..=b'9') => Value::Number(self.number()?),
            _ => self.word()?,
        };
        Ok(Node::new(value, span))
    }

    fn object(&mut self, depth: usize) -> Result<Value, Fault> {
        let mut entries = Vec::new();
        self.skip(1);
        self.skip_space();
        if self.peek() == Some(b'}') {
            self.skip(1);
            return Ok(Value::Mapping(Mapping::default()));
        }
        loop {
            if self.peek() != Some(b'"') {
                return Err(Fault::syntax("expected a key in double quotes"));
            }
            let span = self.here();
            let text = self.string()?;
            self.skip_space();
            if self.peek() != Some(b':') {
                return Err(Fault::syntax("expected `:` after the key"));
            }
            self.skip(1);
            self.skip_space();
            entries.push((Key { text, span }, self.value(depth.saturating_add(1))?));
            if self.ends(b'}', "expected `,` or `}` after the value")? {
                break;
            }
        }
        let Self { files, duplicates, .. } = self;
        Ok(Value::Mapping(Mapping::new(entries, |first, again| duplicates.push(twice(files, first, again)))))
    }

    fn array(&mut self, depth: usize) -> Result<Value, Fault> {
        let mut items = Vec::new();
        self.skip(1);
        self.skip_space();
        if self.peek() == Some(b']') {
            self.skip(1);
            return Ok(Value::Sequence(items));
        }
        loop {
            items.push(self.value(depth.saturating_add(1))?);
            if self.ends(b']', "expected `,` or `]` after the value")? {
                return Ok(Value::Sequence(items));
            }
        }
    }

    /// After a value: whether the container ends here. A comma is taken, and the space behind it.
    fn ends(&mut self, close: u8, expected: &str) -> Result<bool, Fault> {
        self.skip_space();
        let next = self.peek();
        if next != Some(close) && next != Some(b',') {
            return Err(Fault::syntax(expected));
        }
        self.skip(1);
        if next == Some(close) {
            return Ok(true);
        }
        self.skip_space();
        Ok(false)
    }

    fn word(&mut self) -> Result<Value, Fault> {
        for (word, value) in
            [("null", Value::Null), ("true", Value::Bool(true)), ("false", Value::Bool(false))]
        {
            if self.rest().starts_with(word) {
                self.skip(word.len());
                return Ok(value);
            }
        }
        Err(Fault::syntax(if self.rest().is_empty() {
            "the document ends before its value does"
        } else {
            "expected a value"
        }))
    }

    fn number(&mut self) -> Result<Number, Fault> {
        let rest = self.rest();
        let len = scan::number(rest.as_bytes()).map_err(|(reason, _)| reason)?.len;
        self.skip(len);
        Ok(Number::new(rest.get(..len).unwrap_or_default()))
    }

    /// RFC 8259 §7.
    fn string(&mut self) -> Result<Box<str>, Fault> {
        self.skip(1);
        let mut built: Option<String> = None;
        loop {
            let rest = self.rest();
            let run = scan::plain(rest.as_bytes());
            let plain = rest.get(..run).unwrap_or_default();
            self.skip(run);
            match self.peek() {
                Some(b'"') => {
                    self.skip(1);
                    return Ok(match built {
                        None => plain.into(),
                        Some(mut built) => {
                            built.push_str(plain);
                            built.into_boxed_str()
                        }
                    });
                }
                Some(b'\\') => {
                    let built = built.get_or_insert_default();
                    built.push_str(plain);
                    built.push(self.escape()?);
                }
                Some(_) => {
                    return Err(Fault::syntax("a control character in a string must be escaped"));
                }
                None => return Err(Fault::syntax("the document ends within a string")),
            }
        }
    }

    fn escape(&mut self) -> Result<char, Fault> {
        let (c, len) = scan::escape(self.rest()).map_err(|(reason, at)| {
            self.skip(at);
            reason
        })?;
        self.skip(len);
        Ok(c)
    }
}

impl From<Reason> for Fault {
    fn from(reason: Reason) -> Self {
        Self::syntax(match reason {
            Reason::Surrogate => "a lone surrogate is no character",
            reason => reason.what(),
        })
    }
}

/// The finding on a key that stands twice in one mapping.
pub(super) fn twice(files: &Files, first: &Key, again: &Key) -> Finding {
    let message =
        format!("the key {:?} stands here for the second time", super::node::shorten(&again.text, 60));
    files.finding(again.span, "", message).with_hint(format!("the first is on line {}", first.span.line))
}
