//! JSON as credentials use it: one reading of every text, or none.
//!
//! Readers disagree on members that stand twice, lone surrogates, numbers beyond what a float holds and what follows the
//! end. Whoever signs and whoever verifies must see the same, so all of that is refused, and numbers stay the text they
//! were until somebody asks for one kind of number. Depth and size are bounded before anything is kept.

use std::borrow::Cow;
use std::fmt::{self, Write};
use std::time::Duration;

/// What a text may have.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes of the whole text.
    pub bytes: usize,
    /// Arrays and objects within each other; more than [`DEPTH_MAX`] counts as that.
    pub depth: usize,
}

/// No text is read deeper than this, whatever its limits say: reading uses the stack.
pub const DEPTH_MAX: usize = 64;

/// Why a text is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// More bytes than allowed.
    TooLong,
    /// More arrays and objects within each other than allowed.
    TooDeep,
    /// Not UTF-8.
    NotUtf8,
    /// Not JSON, or something after its end.
    Syntax,
    /// A member stands twice in one object, however it is spelt.
    Duplicate,
}

/// A JSON value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number, as it was written.
    Number(Number),
    /// A string.
    Text(Box<str>),
    /// An array.
    Array(Vec<Value>),
    /// An object.
    Object(Object),
}

/// The members of an object, in the order they were written; each name once.
// Invariant: no two members have one name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Object(Vec<(Box<str>, Value)>);

/// A number as it was written.
// Invariant: the text follows the grammar of RFC 8259 §6.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Number(Box<str>);

/// Reads one value that is the whole of `text`.
pub fn parse(text: &[u8], limits: Limits) -> Result<Value, Refused> {
    Reader::whole(text, limits, Reader::value)
}

/// Reads an object that is the whole of `text`; another kind of value is a matter of syntax.
pub fn parse_object(text: &[u8], limits: Limits) -> Result<Object, Refused> {
    match parse(text, limits)? {
        Value::Object(object) => Ok(object),
        _ => Err(Refused::Syntax),
    }
}

/// Shows the members of the object that is the whole of `text`, each with its value as it was written, and keeps none.
///
/// A look and no reading: nobody asks whether a name stands twice. What it says may be held against a text, never for it.
pub fn look<'a>(
    text: &'a [u8],
    limits: Limits,
    mut see: impl FnMut(&str, Written<'a>),
) -> Result<(), Refused> {
    Reader::whole(text, limits, |reader, depth| {
        let depth = depth.checked_sub(1).ok_or(Refused::TooDeep)?;
        reader.members(|reader, name| {
            let begin = reader.at;
            reader.skip(depth)?;
            see(&name, Written(reader.since(begin)));
            Ok(())
        })
    })
}

/// A value as it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written<'a>(&'a str);

impl<'a> Written<'a> {
    /// The string, if it is one that needed no escapes.
    pub fn plain_text(self) -> Option<&'a str> {
        let text = self.0.strip_prefix('"')?.strip_suffix('"')?;
        (!text.contains('\\')).then_some(text)
    }

    /// The time, if it is one ([`Number::as_seconds`]).
    pub fn as_seconds(self) -> Option<Duration> {
        seconds(self.0)
    }
}

impl Refused {
    /// The reason in words that fit after "refused: ".
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TooLong => "JSON is too long",
            Self::TooDeep => "JSON is too deep",
            Self::NotUtf8 => "JSON is not UTF-8",
            Self::Syntax => "not the JSON it should be",
            Self::Duplicate => "a JSON member stands twice",
        }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Value {
    /// The string, if it is one.
    pub fn as_text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    /// The number, if it is one.
    pub fn as_number(&self) -> Option<&Number> {
        if let Self::Number(number) = self { Some(number) } else { None }
    }

    /// The truth value, if it is one.
    pub fn as_bool(&self) -> Option<bool> {
        if let Self::Bool(value) = self { Some(*value) } else { None }
    }

    /// The elements, if it is an array.
    pub fn as_array(&self) -> Option<&[Self]> {
        if let Self::Array(values) = self { Some(values) } else { None }
    }

    /// The members, if it is an object.
    pub fn as_object(&self) -> Option<&Object> {
        if let Self::Object(object) = self { Some(object) } else { None }
    }

    /// The strings of an array that holds nothing else.
    pub fn as_texts(&self) -> Option<impl Iterator<Item = &str> + Clone> {
        let values = self.as_array()?;
        values.iter().all(|value| value.as_text().is_some()).then(|| values.iter().filter_map(Self::as_text))
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self::Number(Number::from(number))
    }
}

impl From<Object> for Value {
    fn from(object: Object) -> Self {
        Self::Object(object)
    }
}

impl<T: Into<Self>> From<Vec<T>> for Value {
    fn from(values: Vec<T>) -> Self {
        Self::Array(values.into_iter().map(Into::into).collect())
    }
}

impl Object {
    /// An object without members.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// The value of the member `name`.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|(known, _)| **known == *name).map(|(_, value)| value)
    }

    /// Whether there is a member `name`.
    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Gives the member `name` a value, replacing the one it had.
    pub fn set(&mut self, name: &str, value: impl Into<Value>) {
        match self.0.iter_mut().find(|(known, _)| **known == *name) {
            Some((_, old)) => *old = value.into(),
            None => self.0.push((name.into(), value.into())),
        }
    }

    /// The same with one member more.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.set(name, value);
        self
    }

    /// Takes the member `name` out.
    pub fn remove(&mut self, name: &str) -> Option<Value> {
        let at = self.0.iter().position(|(known, _)| **known == *name)?;
        Some(self.0.remove(at).1)
    }

    /// The members in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(name, value)| (&**name, value))
    }

    /// How many members there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Number {
    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A whole number that is not negative, written without fraction or exponent.
    pub fn as_u64(&self) -> Option<u64> {
        self.0.parse().ok()
    }

    /// A whole number, written without fraction or exponent.
    pub fn as_i64(&self) -> Option<i64> {
        self.0.parse().ok()
    }

    /// Seconds that are not negative, whole or with a fraction (RFC 7519 §2, NumericDate); what is below a nanosecond is
    /// cut off. Exponents are refused: no issuer writes times so, and `1e999` is no time.
    pub fn as_seconds(&self) -> Option<Duration> {
        seconds(&self.0)
    }
}

fn seconds(text: &str) -> Option<Duration> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(fraction) {
        return None;
    }
    let whole = whole.parse().ok()?;
    // PERF: nearly all times are whole.
    if fraction.is_empty() {
        return Some(Duration::from_secs(whole));
    }
    let mut nanoseconds = 0_u32;
    for digit in fraction.bytes().chain(std::iter::repeat(b'0')).take(9) {
        nanoseconds = nanoseconds.checked_mul(10)?.checked_add(u32::from(digit.wrapping_sub(b'0')))?;
    }
    Some(Duration::new(whole, nanoseconds))
}

impl From<u64> for Number {
    fn from(number: u64) -> Self {
        Self(number.to_string().into())
    }
}

/// Reads a text front to back.
struct Reader<'a> {
    text: &'a str,
    // Invariant: at a character's boundary, at most the text's length.
    at: usize,
}

impl<'a> Reader<'a> {
    /// What `read` makes of the whole of a text, given how deep it may go.
    fn whole<T>(
        text: &'a [u8],
        limits: Limits,
        read: impl FnOnce(&mut Self, usize) -> Result<T, Refused>,
    ) -> Result<T, Refused> {
        if text.len() > limits.bytes {
            return Err(Refused::TooLong);
        }
        let text = std::str::from_utf8(text).map_err(|_| Refused::NotUtf8)?;
        let mut reader = Self { text, at: 0 };
        reader.skip_space();
        let read = read(&mut reader, limits.depth.min(DEPTH_MAX))?;
        reader.skip_space();
        if reader.at == text.len() { Ok(read) } else { Err(Refused::Syntax) }
    }

    fn value(&mut self, depth: usize) -> Result<Value, Refused> {
        match self.peek() {
            Some(b'{') => self.object(depth.checked_sub(1).ok_or(Refused::TooDeep)?).map(Value::Object),
            Some(b'[') => self.array(depth.checked_sub(1).ok_or(Refused::TooDeep)?).map(Value::Array),
            Some(b'"') => self.string().map(|text| Value::Text(text.into())),
            Some(b't') => self.word("true").map(|()| Value::Bool(true)),
            Some(b'f') => self.word("false").map(|()| Value::Bool(false)),
            Some(b'n') => self.word("null").map(|()| Value::Null),
            _ => self.number().map(|text| Value::Number(Number(text.into()))),
        }
    }

    /// The same, of which nothing is kept.
    fn skip(&mut self, depth: usize) -> Result<(), Refused> {
        match self.peek() {
            Some(b'{') => {
                let depth = depth.checked_sub(1).ok_or(Refused::TooDeep)?;
                self.members(|reader, _| reader.skip(depth))
            }
            Some(b'[') => {
                let depth = depth.checked_sub(1).ok_or(Refused::TooDeep)?;
                self.elements(|reader| reader.skip(depth))
            }
            Some(b'"') => self.string().map(drop),
            Some(b't') => self.word("true"),
            Some(b'f') => self.word("false"),
            Some(b'n') => self.word("null"),
            _ => self.number().map(drop),
        }
    }

    fn object(&mut self, depth: usize) -> Result<Object, Refused> {
        let mut members: Vec<(Box<str>, Value)> = Vec::new();
        self.members(|reader, name| {
            members.push((name.into(), reader.value(depth)?));
            Ok(())
        })?;
        if has_twice(&members) { Err(Refused::Duplicate) } else { Ok(Object(members)) }
    }

    fn array(&mut self, depth: usize) -> Result<Vec<Value>, Refused> {
        let mut values = Vec::new();
        self.elements(|reader| {
            values.push(reader.value(depth)?);
            Ok(())
        })?;
        Ok(values)
    }

    /// An object, each of whose values `value` reads.
    fn members(
        &mut self,
        mut value: impl FnMut(&mut Self, Cow<'a, str>) -> Result<(), Refused>,
    ) -> Result<(), Refused> {
        self.demand(b'{')?;
        self.skip_space();
        if self.take(b'}') {
            return Ok(());
        }
        loop {
            let name = self.string()?;
            self.skip_space();
            self.demand(b':')?;
            self.skip_space();
            value(self, name)?;
            self.skip_space();
            if self.take(b'}') {
                return Ok(());
            }
            self.demand(b',')?;
            self.skip_space();
        }
    }

    /// An array, each of whose values `value` reads.
    fn elements(&mut self, mut value: impl FnMut(&mut Self) -> Result<(), Refused>) -> Result<(), Refused> {
        self.demand(b'[')?;
        self.skip_space();
        if self.take(b']') {
            return Ok(());
        }
        loop {
            value(self)?;
            self.skip_space();
            if self.take(b']') {
                return Ok(());
            }
            self.demand(b',')?;
            self.skip_space();
        }
    }

    fn string(&mut self) -> Result<Cow<'a, str>, Refused> {
        self.demand(b'"')?;
        let plain = self.plain()?;
        if self.take(b'"') {
            return Ok(Cow::Borrowed(plain));
        }
        let mut text = plain.to_owned();
        loop {
            if self.take(b'"') {
                return Ok(Cow::Owned(text));
            }
            self.demand(b'\\')?;
            text.push(self.escaped()?);
            text.push_str(self.plain()?);
        }
    }

    /// What stands before the next quotation mark or backslash.
    fn plain(&mut self) -> Result<&'a str, Refused> {
        let begin = self.at;
        let rest = self.text.as_bytes().get(begin..).unwrap_or_default();
        let special = |byte: &u8| (*byte < 0x20) | (*byte == b'"') | (*byte == b'\\');
        let end = rest.iter().position(special).ok_or(Refused::Syntax)?;
        if rest.get(end).is_some_and(|byte| *byte < 0x20) {
            return Err(Refused::Syntax);
        }
        self.at = begin.saturating_add(end);
        Ok(self.since(begin))
    }

    fn escaped(&mut self) -> Result<char, Refused> {
        let kind = self.peek().ok_or(Refused::Syntax)?;
        let character = match kind {
            b'"' | b'\\' | b'/' => char::from(kind),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                self.step();
                return self.unicode();
            }
            _ => return Err(Refused::Syntax),
        };
        self.step();
        Ok(character)
    }

    /// `\uXXXX`, or the pair of them that writes one character. A lone surrogate is none.
    fn unicode(&mut self) -> Result<char, Refused> {
        let first = self.hexadecimal()?;
        if !(0xd800..0xdc00).contains(&first) {
            return char::from_u32(first).ok_or(Refused::Syntax);
        }
        self.demand(b'\\')?;
        self.demand(b'u')?;
        let second = self.hexadecimal()?;
        if !(0xdc00..0xe000).contains(&second) {
            return Err(Refused::Syntax);
        }
        let above = ((first & 0x3ff) << 10) | (second & 0x3ff);
        char::from_u32(above.saturating_add(0x1_0000)).ok_or(Refused::Syntax)
    }

    fn hexadecimal(&mut self) -> Result<u32, Refused> {
        let digits = self.rest().get(..4).ok_or(Refused::Syntax)?;
        if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(Refused::Syntax);
        }
        self.at = self.at.saturating_add(4);
        u32::from_str_radix(digits, 16).map_err(|_| Refused::Syntax)
    }

    fn number(&mut self) -> Result<&'a str, Refused> {
        let begin = self.at;
        self.take(b'-');
        if !self.take(b'0') {
            self.digits()?;
        }
        if self.take(b'.') {
            self.digits()?;
        }
        if self.take(b'e') || self.take(b'E') {
            let _ = self.take(b'+') || self.take(b'-');
            self.digits()?;
        }
        Ok(self.since(begin))
    }

    fn digits(&mut self) -> Result<(), Refused> {
        let begin = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.step();
        }
        if self.at == begin { Err(Refused::Syntax) } else { Ok(()) }
    }

    fn word(&mut self, word: &str) -> Result<(), Refused> {
        if !self.rest().starts_with(word) {
            return Err(Refused::Syntax);
        }
        self.at = self.at.saturating_add(word.len());
        Ok(())
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.step();
        }
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// What was read since it stood at `begin`.
    fn since(&self, begin: usize) -> &'a str {
        self.text.get(begin..self.at).unwrap_or_default()
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// Past a byte that was seen to be ASCII.
    fn step(&mut self) {
        self.at = self.at.saturating_add(1);
    }

    fn take(&mut self, byte: u8) -> bool {
        let is_there = self.peek() == Some(byte);
        if is_there {
            self.step();
        }
        is_there
    }

    fn demand(&mut self, byte: u8) -> Result<(), Refused> {
        if self.take(byte) { Ok(()) } else { Err(Refused::Syntax) }
    }
}

/// Few members are compared with each other, many are sorted: no text makes this slow.
fn has_twice(members: &[(Box<str>, Value)]) -> bool {
    if members.len() > 24 {
        let mut names: Vec<&str> = members.iter().map(|(name, _)| &**name).collect();
        names.sort_unstable();
        return names.windows(2).any(|pair| matches!(pair, [a, b] if a == b));
    }
    let mut rest = members;
    while let [(name, _), after @ ..] = rest {
        if after.iter().any(|(other, _)| other == name) {
            return true;
        }
        rest = after;
    }
    false
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Number(number) => f.write_str(&number.0),
            Self::Text(text) => write_text(text, f),
            Self::Array(values) => {
                f.write_char('[')?;
                for (at, value) in values.iter().enumerate() {
                    if at > 0 {
                        f.write_char(',')?;
                    }
                    write!(f, "{value}")?;
                }
                f.write_char(']')
            }
            Self::Object(object) => write!(f, "{object}"),
        }
    }
}

impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('{')?;
        for (at, (name, value)) in self.iter().enumerate() {
            if at > 0 {
                f.write_char(',')?;
            }
            write_text(name, f)?;
            write!(f, ":{value}")?;
        }
        f.write_char('}')
    }
}

fn write_text(text: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_char('"')?;
    for character in text.chars() {
        match character {
            '"' | '\\' => write!(f, "\\{character}")?,
            '\0'..='\x1f' => write!(f, "\\u{:04x}", u32::from(character))?,
            _ => f.write_char(character)?,
        }
    }
    f.write_char('"')
}

#[cfg(test)]
mod tests;
