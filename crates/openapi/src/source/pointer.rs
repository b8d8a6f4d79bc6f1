//! Paths into a document, the way people read them: `listeners.public.tls.certificates[0].cert`.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

/// A path into a document.
#[derive(Debug, Clone, PartialEq, Eq, Default, Hash)]
pub struct Pointer {
    segments: Vec<Segment>,
}

/// One step of a [`Pointer`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Segment {
    /// Into a mapping.
    Key(Box<str>),
    /// Into a sequence.
    Index(usize),
}

impl Pointer {
    /// The root.
    pub const fn new() -> Self {
        Self { segments: Vec::new() }
    }

    /// One step deeper, into a mapping.
    #[must_use]
    pub fn key(&self, key: &str) -> Self {
        let mut deeper = self.clone();
        deeper.push(Segment::Key(key.into()));
        deeper
    }

    /// One step deeper, into a sequence.
    #[must_use]
    pub fn index(&self, index: usize) -> Self {
        let mut deeper = self.clone();
        deeper.push(Segment::Index(index));
        deeper
    }

    /// A path below this one.
    #[must_use]
    pub fn join(&self, below: &Self) -> Self {
        Self { segments: self.segments.iter().chain(&below.segments).cloned().collect() }
    }

    /// Goes one step deeper in place.
    pub fn push(&mut self, segment: Segment) {
        self.segments.push(segment);
    }

    /// Goes one step back in place.
    pub fn pop(&mut self) -> Option<Segment> {
        self.segments.pop()
    }

    /// Turns the order of the steps around; for a path that was gathered from its end.
    pub(crate) fn reverse(&mut self) {
        self.segments.reverse();
    }

    /// Its steps, from the root.
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut first = true;
        for segment in &self.segments {
            match segment {
                Segment::Index(index) => write!(f, "[{index}]")?,
                Segment::Key(key) => {
                    if !first {
                        f.write_str(".")?;
                    }
                    if is_plain(key) {
                        f.write_str(key)?;
                    } else {
                        write!(f, "{:?}", &**key)?;
                    }
                }
            }
            first = false;
        }
        Ok(())
    }
}

/// Whether a key needs no quotes in a path.
fn is_plain(key: &str) -> bool {
    !key.is_empty() && key.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '*' | '/' | '$'))
}

impl FromStr for Pointer {
    type Err = Infallible;

    /// Reads what `Display` writes. Whatever else is written becomes keys that no document has.
    fn from_str(text: &str) -> Result<Self, Infallible> {
        let mut pointer = Self::new();
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            rest = match first {
                '.' => rest.strip_prefix('.').unwrap_or_default(),
                '"' => quoted(rest, &mut pointer),
                '[' => bracketed(rest, &mut pointer),
                _ => {
                    let end = rest.find(['.', '[']).unwrap_or(rest.len());
                    let (key, after) = rest.split_at(end);
                    pointer.push(Segment::Key(key.into()));
                    after
                }
            };
        }
        Ok(pointer)
    }
}

/// Takes `[3]`; without a number it is a key. Always takes at least the bracket.
fn bracketed<'a>(text: &'a str, pointer: &mut Pointer) -> &'a str {
    let inner = text.strip_prefix('[').unwrap_or(text);
    let (number, after) = inner.split_once(']').unwrap_or((inner, ""));
    pointer.push(number.parse().map_or_else(|_| Segment::Key(number.into()), Segment::Index));
    after
}

/// Takes `"a.b"` with the escapes `Display` writes. Always takes at least the opening quote.
fn quoted<'a>(text: &'a str, pointer: &mut Pointer) -> &'a str {
    let mut key = String::new();
    let mut chars = text.strip_prefix('"').unwrap_or(text).chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => break,
            '\\' => key.extend(escaped(&mut chars)),
            c => key.push(c),
        }
    }
    pointer.push(Segment::Key(key.into()));
    chars.as_str()
}

/// The character after a backslash.
fn escaped(chars: &mut std::str::Chars<'_>) -> Option<char> {
    match chars.next()? {
        'n' => Some('\n'),
        'r' => Some('\r'),
        't' => Some('\t'),
        '0' => Some('\0'),
        'u' => {
            let (number, rest) = chars.as_str().strip_prefix('{')?.split_once('}')?;
            let c = u32::from_str_radix(number, 16).ok().and_then(char::from_u32)?;
            *chars = rest.chars();
            Some(c)
        }
        c => Some(c),
    }
}
