//! Path templates: what a definition or the configuration writes as `/things/{id}.json`.
//!
//! A template is parsed once, into segments that cannot be wrong. Literal text is brought into the spelling of
//! canonical request paths, so that matching compares bytes and nothing else: escapes of unreserved characters are
//! decoded, other escapes have upper-case digits, and what may not stand in a path (RFC 3986 §3.3) is escaped.
//!
//! Accepted per segment: literal text (`things`), a parameter (`{id}`), parameters with text around or between them
//! (`{name}:cancel`, `v{major}.{minor}`), and as last segment a greedy one (`{rest*}`), which takes the remaining
//! segments, also none.
//!
//! # Refused
//! Everything that would have to be guessed: parameters that touch (`{a}{b}`), a name used twice, patterns and
//! operators inside the braces (`{id:[0-9]+}`, `{?page}`, `{path+}`), because ignoring them would widen what the
//! author meant; a query or fragment (`/x?action=y`), because it is not part of a path (OpenAPI, "Path Templating") and a
//! request's query can be read in more than one way; and text no canonical path contains, such as `..` or `%2F`.

use std::fmt;

/// One parsed path template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    source: Box<str>,
    segments: Box<[Segment]>,
    parameters: Box<[Box<str>]>,
}

/// One segment of a template. Two templates with equal segments match the same paths, whatever their parameters are
/// called.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Segment {
    /// Text in canonical spelling; empty between two slashes and after a last one.
    Literal(Box<str>),
    /// Parameters with text around or between them.
    Affixed(Affix),
    /// One whole, non-empty segment.
    Parameter,
    /// All that is left, also nothing.
    Rest,
}

/// The text of an affixed segment: `prefix{a}between{b}suffix`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Affix {
    pub(crate) prefix: Box<str>,
    /// Invariant: none is empty; there is one parameter more than there are texts between.
    pub(crate) between: Box<[Box<str>]>,
    pub(crate) suffix: Box<str>,
}

impl Affix {
    /// How many bytes of text a segment must have in common with this one: the measure of concreteness.
    pub(crate) fn text_bytes(&self) -> usize {
        let between = self.between.iter().map(|text| text.len()).fold(0, usize::saturating_add);
        self.prefix.len().saturating_add(self.suffix.len()).saturating_add(between)
    }
}

/// Why a template was refused, and the byte of the template that shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct TemplateError {
    /// Offset into the template as written, in bytes.
    pub offset: usize,
    /// What is wrong there.
    pub reason: TemplateReason,
}

/// What can be wrong with a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TemplateReason {
    /// It is relative.
    #[error("a path template starts with `/`")]
    NoSlash,
    /// Longer than [`Template::BYTES_MAX`].
    #[error("the template is longer than {} bytes", Template::BYTES_MAX)]
    TooLong,
    /// More than [`Template::SEGMENTS_MAX`].
    #[error("the template has more than {} segments", Template::SEGMENTS_MAX)]
    TooManySegments,
    /// More than [`Template::PARAMETERS_MAX`].
    #[error("the template has more than {} parameters", Template::PARAMETERS_MAX)]
    TooManyParameters,
    /// It holds a `?`.
    #[error("a query is not part of a path: requests are not told apart by it")]
    Query,
    /// It holds a `#`.
    #[error("a fragment is never sent, so no request can match it")]
    Fragment,
    /// A `%` that begins no escape.
    #[error("`%` is not followed by two hexadecimal digits")]
    Escape,
    /// A separator, a control character or a dot segment, which no canonical path contains.
    #[error("no request the gateway accepts has this in its path")]
    Unreachable,
    /// `{` without `}`.
    #[error("`{{` is not closed within its segment")]
    Unclosed,
    /// `}` without `{`.
    #[error("`}}` closes nothing")]
    Unopened,
    /// `{}`.
    #[error("a parameter needs a name")]
    NoName,
    /// `{a}{b}`.
    #[error("two parameters touch: where one ends cannot be told")]
    Touching,
    /// The same name twice.
    #[error("a parameter name stands twice in the template")]
    NameTwice,
    /// `{id:[0-9]+}`.
    #[error("a pattern inside the braces is not applied; constrain the parameter by its schema")]
    Pattern,
    /// `{?page}`, `{+path}`, `{path+}`, `{id?}`.
    #[error("this operator is not part of path templating; only `{{name}}` and a last `{{name*}}` are")]
    Operator,
    /// `{rest*}` with text beside it or segments behind it.
    #[error("`{{name*}}` stands alone in the last segment")]
    RestNotLast,
}

impl Template {
    /// Longest template accepted, in bytes. The longest among 87,000 published ones has 700.
    pub const BYTES_MAX: usize = 4096;
    /// Most segments accepted: it bounds the depth of a search.
    pub const SEGMENTS_MAX: usize = 128;
    /// Most parameters accepted. Published templates have at most 12.
    pub const PARAMETERS_MAX: usize = 32;

    /// Parses a template as written.
    ///
    /// # Errors
    /// The first thing found wrong, with its offset.
    pub fn parse(source: &str) -> Result<Self, TemplateError> {
        let fail = |offset, reason| Err(TemplateError { offset, reason });
        if source.len() > Self::BYTES_MAX {
            return fail(Self::BYTES_MAX, TemplateReason::TooLong);
        }
        let Some(rest) = source.strip_prefix('/') else { return fail(0, TemplateReason::NoSlash) };
        let mut parser = Parser { offset: 1, parameters: Vec::new() };
        let mut segments = Vec::new();
        for text in rest.split('/') {
            if matches!(segments.last(), Some(Segment::Rest)) {
                return fail(parser.offset, TemplateReason::RestNotLast);
            }
            if segments.len() == Self::SEGMENTS_MAX {
                return fail(parser.offset, TemplateReason::TooManySegments);
            }
            segments.push(parser.segment(text)?);
            parser.skip(1);
        }
        Ok(Self {
            source: source.into(),
            segments: segments.into_boxed_slice(),
            parameters: parser.parameters.into_boxed_slice(),
        })
    }

    /// The template as it was written.
    pub fn as_str(&self) -> &str {
        &self.source
    }

    /// The names of the parameters, in the order of the path.
    pub fn parameters(&self) -> &[Box<str>] {
        &self.parameters
    }

    /// Whether the last segment takes all that is left of a path.
    pub fn is_greedy(&self) -> bool {
        matches!(self.segments.last(), Some(Segment::Rest))
    }

    /// The path it matches, when it has no parameters.
    pub fn as_literal(&self) -> Option<String> {
        let mut path = String::new();
        for segment in &self.segments {
            let Segment::Literal(text) = segment else { return None };
            path.push('/');
            path.push_str(text);
        }
        Some(path)
    }

    /// A path it matches, with `value` for each parameter; a greedy one takes it as one segment.
    pub fn example(&self, value: &str) -> String {
        self.filled(|_| value.to_owned())
    }

    /// A path with the `value` of each parameter by its name, escaped as it can stand in a path.
    pub fn filled(&self, mut value: impl FnMut(&str) -> String) -> String {
        let mut path = String::new();
        let mut names = self.parameters.iter();
        let mut next = || names.next().map(|name| value(name)).unwrap_or_default();
        for segment in &self.segments {
            path.push('/');
            match segment {
                Segment::Literal(text) => path.push_str(text),
                Segment::Parameter | Segment::Rest => path.push_str(&next()),
                Segment::Affixed(affix) => {
                    path.push_str(&affix.prefix);
                    for between in &affix.between {
                        path.push_str(&next());
                        path.push_str(between);
                    }
                    path.push_str(&next());
                    path.push_str(&affix.suffix);
                }
            }
        }
        path
    }

    /// Whether it matches the same paths as `other`, whatever the parameters are called.
    pub fn is_same_shape(&self, other: &Self) -> bool {
        self.segments == other.segments
    }

    pub(crate) fn segments(&self) -> &[Segment] {
        &self.segments
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source)
    }
}

struct Parser {
    /// Where in the template the reader stands.
    offset: usize,
    parameters: Vec<Box<str>>,
}

impl Parser {
    fn skip(&mut self, bytes: usize) {
        self.offset = self.offset.saturating_add(bytes);
    }

    fn error<T>(&self, reason: TemplateReason) -> Result<T, TemplateError> {
        Err(TemplateError { offset: self.offset, reason })
    }

    /// Reads one segment: text, then any number of a parameter and the text behind it.
    fn segment(&mut self, text: &str) -> Result<Segment, TemplateError> {
        let start = self.offset;
        let (prefix, mut rest) = self.literal(text)?;
        let mut texts: Vec<Box<str>> = Vec::new();
        while !rest.is_empty() {
            if texts.last().is_some_and(|text| text.is_empty()) {
                return self.error(TemplateReason::Touching);
            }
            let (name, behind) = self.braces(rest)?;
            if let Some(name) = name.strip_suffix('*') {
                return self.rest(name, prefix.is_empty() && texts.is_empty() && behind.is_empty());
            }
            self.parameter(name)?;
            self.skip(name.len().saturating_add(2));
            let (literal, left) = self.literal(behind)?;
            texts.push(literal);
            rest = left;
        }
        let Some(suffix) = texts.pop() else {
            if matches!(&*prefix, "." | "..") {
                return Err(TemplateError { offset: start, reason: TemplateReason::Unreachable });
            }
            return Ok(Segment::Literal(prefix));
        };
        if prefix.is_empty() && texts.is_empty() && suffix.is_empty() {
            return Ok(Segment::Parameter);
        }
        Ok(Segment::Affixed(Affix { prefix, between: texts.into_boxed_slice(), suffix }))
    }

    fn rest(&mut self, name: &str, alone: bool) -> Result<Segment, TemplateError> {
        if !alone {
            return self.error(TemplateReason::RestNotLast);
        }
        self.parameter(name)?;
        self.skip(name.len().saturating_add(3));
        Ok(Segment::Rest)
    }

    /// Splits `{name}behind` without reading further than the name.
    fn braces<'t>(&self, text: &'t str) -> Result<(&'t str, &'t str), TemplateError> {
        let inner = text.strip_prefix('{').unwrap_or(text);
        match inner.split_once('}') {
            Some((name, behind)) if !name.contains('{') => Ok((name, behind)),
            Some(_) | None => self.error(TemplateReason::Unclosed),
        }
    }

    /// Judges a name and keeps it.
    fn parameter(&mut self, name: &str) -> Result<(), TemplateError> {
        const OPERATORS: &[char] = &['+', '#', '.', '/', ';', '?', '&', '=', ',', '!', '@', '|', '*'];
        if name.is_empty() {
            return self.error(TemplateReason::NoName);
        }
        // `{id:}` occurs as a plain name; with something behind it is a pattern, a length (RFC 6570 §2.4.1), a default.
        if name.trim_end_matches(':').contains([':', '=']) {
            return self.error(TemplateReason::Pattern);
        }
        if name.starts_with(OPERATORS) || name.ends_with(['+', '?', '*']) {
            return self.error(TemplateReason::Operator);
        }
        if name.chars().any(char::is_control) {
            return self.error(TemplateReason::Unreachable);
        }
        if self.parameters.iter().any(|known| &**known == name) {
            return self.error(TemplateReason::NameTwice);
        }
        if self.parameters.len() == Template::PARAMETERS_MAX {
            return self.error(TemplateReason::TooManyParameters);
        }
        self.parameters.push(name.into());
        Ok(())
    }

    /// Reads text up to the next brace, in canonical spelling; gives back what is left.
    fn literal<'t>(&mut self, text: &'t str) -> Result<(Box<str>, &'t str), TemplateError> {
        let end = text.find(['{', '}']).unwrap_or(text.len());
        let (literal, rest) = text.split_at_checked(end).unwrap_or((text, ""));
        let mut canonical = String::with_capacity(literal.len());
        let mut bytes = literal.bytes();
        while let Some(byte) = bytes.next() {
            match byte {
                b'%' => {
                    let digits = (bytes.next().and_then(hex), bytes.next().and_then(hex));
                    let (Some(high), Some(low)) = digits else { return self.error(TemplateReason::Escape) };
                    self.push((high << 4) | low, true, &mut canonical)?;
                    self.skip(3);
                    continue;
                }
                b'?' => return self.error(TemplateReason::Query),
                b'#' => return self.error(TemplateReason::Fragment),
                _ => self.push(byte, false, &mut canonical)?,
            }
            self.skip(1);
        }
        if rest.starts_with('}') {
            return self.error(TemplateReason::Unopened);
        }
        Ok((canonical.into_boxed_str(), rest))
    }

    /// Writes one byte as a canonical path has it. An escaped delimiter stays escaped: `%3A` is not `:`.
    fn push(&self, byte: u8, escaped: bool, canonical: &mut String) -> Result<(), TemplateError> {
        if byte < b' ' || matches!(byte, b'/' | b'\\' | 0x7f) {
            return self.error(TemplateReason::Unreachable);
        }
        if is_unreserved(byte) || (!escaped && is_delimiter(byte)) {
            canonical.push(char::from(byte));
        } else {
            const DIGITS: [char; 16] =
                ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F'];
            let digit = |nibble: u8| DIGITS.get(usize::from(nibble)).copied().unwrap_or('0');
            canonical.extend(['%', digit(byte >> 4), digit(byte & 0xf)]);
        }
        Ok(())
    }
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

/// RFC 3986 §2.3.
fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// What `pchar` allows beside unreserved characters and escapes (RFC 3986 §3.3).
fn is_delimiter(byte: u8) -> bool {
    matches!(byte, b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=' | b':' | b'@')
}

#[cfg(test)]
mod tests;
