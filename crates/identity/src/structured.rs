//! Structured fields (RFC 9651), as much of them as signatures and digests need: dictionaries of items and inner lists.
//!
//! Read strictly and written in the one form the standard gives them, because what is written is what was signed. A key
//! that stands twice is refused, where the standard lets the last one win: two readers could see different signatures.
//! Decimals and dates occur in none of our fields and are refused.

use std::fmt::{self, Write};

use crate::base64::{decode_standard, encode_standard};

/// Members of a dictionary, items of a list, parameters of an item.
const COUNT_MAX: usize = 64;

/// A value without parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Bare {
    /// A whole number of at most 15 digits.
    Integer(i64),
    /// A string.
    Text(String),
    /// A token.
    Token(String),
    /// Bytes.
    Bytes(Vec<u8>),
    /// `?0` or `?1`, or a name alone.
    Bool(bool),
}

/// Parameters, each name once.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Parameters(Vec<(String, Bare)>);

/// A value with parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Item {
    /// The value.
    pub(crate) value: Bare,
    /// Its parameters.
    pub(crate) parameters: Parameters,
}

/// What a dictionary holds by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Member {
    /// One item.
    Item(Item),
    /// An inner list with parameters of its own.
    List(Vec<Item>, Parameters),
}

/// Members by name, each name once.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Dictionary(Vec<(String, Member)>);

impl Dictionary {
    /// Reads a whole field; `None` when it is none.
    pub(crate) fn parse(field: &str) -> Option<Self> {
        let mut reader = Reader { rest: field };
        let mut members = Vec::new();
        reader.skip(&[' ']);
        while !reader.rest.is_empty() {
            let name = reader.key()?;
            let member = if reader.take('=') {
                reader.member()?
            } else {
                Member::Item(Item { value: Bare::Bool(true), parameters: reader.parameters()? })
            };
            insert(&mut members, name, member)?;
            reader.skip(&[' ', '\t']);
            if reader.rest.is_empty() {
                break;
            }
            reader.need(',')?;
            reader.skip(&[' ', '\t']);
            if reader.rest.is_empty() {
                return None;
            }
        }
        Some(Self(members))
    }

    /// The member called `name`.
    pub(crate) fn get(&self, name: &str) -> Option<&Member> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, member)| member)
    }

    /// The members in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &Member)> {
        self.0.iter().map(|(name, member)| (name.as_str(), member))
    }
}

impl Parameters {
    /// The parameter called `name`.
    pub(crate) fn get(&self, name: &str) -> Option<&Bare> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    /// The parameters in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &Bare)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Bare {
    /// The string, if it is one.
    pub(crate) fn as_text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }
}

impl Member {
    /// The bytes, if it is an item of them.
    pub(crate) fn as_bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Item(Item { value: Bare::Bytes(bytes), .. }) => Some(bytes),
            _ => None,
        }
    }
}

/// Reads a field front to back.
struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    fn member(&mut self) -> Option<Member> {
        if !self.take('(') {
            return self.item().map(Member::Item);
        }
        let mut items = Vec::new();
        loop {
            self.skip(&[' ']);
            if self.take(')') {
                return Some(Member::List(items, self.parameters()?));
            }
            if items.len() >= COUNT_MAX {
                return None;
            }
            items.push(self.item()?);
            if !self.rest.starts_with([' ', ')']) {
                return None;
            }
        }
    }

    fn item(&mut self) -> Option<Item> {
        Some(Item { value: self.bare()?, parameters: self.parameters()? })
    }

    fn parameters(&mut self) -> Option<Parameters> {
        let mut parameters = Vec::new();
        while self.take(';') {
            self.skip(&[' ']);
            let name = self.key()?;
            let value = if self.take('=') { self.bare()? } else { Bare::Bool(true) };
            insert(&mut parameters, name, value)?;
        }
        Some(Parameters(parameters))
    }

    fn key(&mut self) -> Option<String> {
        if !self.rest.starts_with(|c: char| c.is_ascii_lowercase() || c == '*') {
            return None;
        }
        Some(self.run(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "_-.*".contains(c)).to_owned())
    }

    fn bare(&mut self) -> Option<Bare> {
        match self.rest.chars().next()? {
            '"' => self.text().map(Bare::Text),
            ':' => {
                self.take(':');
                let text = self.run(|c| c != ':');
                let bytes = decode_standard(text.as_bytes())?;
                self.need(':')?;
                Some(Bare::Bytes(bytes))
            }
            '?' => {
                self.take('?');
                let is_true = self.take('1');
                if !is_true {
                    self.need('0')?;
                }
                Some(Bare::Bool(is_true))
            }
            '-' | '0'..='9' => self.integer(),
            'A'..='Z' | 'a'..='z' | '*' => {
                let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~:/".contains(c);
                Some(Bare::Token(self.run(is_token).to_owned()))
            }
            _ => None,
        }
    }

    fn integer(&mut self) -> Option<Bare> {
        let is_negative = self.take('-');
        let digits = self.run(|c| c.is_ascii_digit());
        if digits.is_empty() || digits.len() > 15 || self.rest.starts_with('.') {
            return None;
        }
        let number: i64 = digits.parse().ok()?;
        Some(Bare::Integer(if is_negative { number.checked_neg()? } else { number }))
    }

    fn text(&mut self) -> Option<String> {
        self.need('"')?;
        let mut text = String::new();
        loop {
            text.push_str(self.run(|c| matches!(c, ' '..='~') && c != '"' && c != '\\'));
            if self.take('"') {
                return Some(text);
            }
            self.need('\\')?;
            let escaped = self.rest.chars().next().filter(|c| matches!(c, '"' | '\\'))?;
            self.take(escaped);
            text.push(escaped);
        }
    }

    /// What stands before the first character that is not `wanted`.
    fn run(&mut self, wanted: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|c| !wanted(c)).unwrap_or(self.rest.len());
        let (run, rest) = self.rest.split_at_checked(end).unwrap_or_default();
        self.rest = rest;
        run
    }

    fn skip(&mut self, spaces: &[char]) {
        self.rest = self.rest.trim_start_matches(spaces);
    }

    fn take(&mut self, character: char) -> bool {
        match self.rest.strip_prefix(character) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn need(&mut self, character: char) -> Option<()> {
        self.take(character).then_some(())
    }
}

fn insert<T>(into: &mut Vec<(String, T)>, name: String, value: T) -> Option<()> {
    if into.len() >= COUNT_MAX || into.iter().any(|(known, _)| *known == name) {
        return None;
    }
    into.push((name, value));
    Some(())
}

impl fmt::Display for Bare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Integer(number) => write!(f, "{number}"),
            Self::Text(text) => {
                f.write_char('"')?;
                for character in text.chars() {
                    if matches!(character, '"' | '\\') {
                        f.write_char('\\')?;
                    }
                    f.write_char(character)?;
                }
                f.write_char('"')
            }
            Self::Token(token) => f.write_str(token),
            Self::Bytes(bytes) => write!(f, ":{}:", encode_standard(bytes)),
            Self::Bool(value) => f.write_str(if *value { "?1" } else { "?0" }),
        }
    }
}

impl fmt::Display for Parameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in self.iter() {
            write!(f, ";{name}")?;
            if *value != Bare::Bool(true) {
                write!(f, "={value}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.value, self.parameters)
    }
}

impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Item(item) => write!(f, "{item}"),
            Self::List(items, parameters) => {
                f.write_char('(')?;
                for (at, item) in items.iter().enumerate() {
                    if at > 0 {
                        f.write_char(' ')?;
                    }
                    write!(f, "{item}")?;
                }
                write!(f, "){parameters}")
            }
        }
    }
}

#[cfg(test)]
mod tests;
