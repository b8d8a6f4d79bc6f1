//! Media types as messages state them, and media ranges as definitions declare them.
//!
//! A receiver that reads a media type another way than we do judges another body: so there is one strict reading
//! (RFC 9110 §8.3.1), and what is not that is no media type. A parameter that stands twice, a value that is no token
//! and not in quotes, a second type behind a comma: refused, although some readers take the first of them.
//!
//! `charset=utf-8` says nothing that is not known of text that is judged: it neither keeps a type from a range that
//! does not name it nor the other way round.
//!
//! # Limits
//! [`PARAMETERS_MAX`].

use std::borrow::Cow;
use std::cmp::Ordering;

use smallvec::SmallVec;

/// Most parameters of one media type.
pub const PARAMETERS_MAX: usize = 8;

/// What a message says its content is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaType<'a> {
    top: &'a str,
    sub: &'a str,
    parameters: Parameters<'a>,
}

type Parameters<'a> = SmallVec<[(&'a str, Cow<'a, str>); 2]>;

/// Which media types something is declared for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaRange {
    /// Lower case.
    top: Box<str>,
    sub: Sub,
    /// Without `charset=utf-8`; names in lower case.
    parameters: Vec<(Box<str>, Box<str>)>,
}

/// The part of a range behind the slash, in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Sub {
    Any,
    /// `*+json`: no range of RFC 9110, but what hundreds of definitions write.
    Suffix(Box<str>),
    Exactly(Box<str>),
}

impl<'a> MediaType<'a> {
    /// Reads the value of one `Content-Type`. What is not exactly one media type is none.
    pub fn parse(value: &'a [u8]) -> Option<Self> {
        let (top, sub, parameters) = take_apart(std::str::from_utf8(value).ok()?)?;
        // A range says what may come, not what came.
        (!top.contains('*') && !sub.contains('*')).then_some(Self { top, sub, parameters })
    }

    /// Whether it is this type, whatever its parameters. Lower case is expected.
    pub fn is(&self, top: &str, sub: &str) -> bool {
        self.top.eq_ignore_ascii_case(top) && self.sub.eq_ignore_ascii_case(sub)
    }

    /// Whether it is one of `top/*`.
    pub fn is_of(&self, top: &str) -> bool {
        self.top.eq_ignore_ascii_case(top)
    }

    /// Whether its name ends in this structured syntax (RFC 6839), such as `+json`.
    pub fn has_suffix(&self, suffix: &str) -> bool {
        self.sub.rfind('+').and_then(|at| self.sub.get(at..)).is_some_and(|s| s.eq_ignore_ascii_case(suffix))
    }

    /// Whether it is a JSON text (RFC 8259, RFC 6839), or what was called one before it had a name.
    pub fn is_json(&self) -> bool {
        self.is("application", "json") || self.is("text", "json") || self.has_suffix("+json")
    }

    /// A parameter's value.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| &**value)
    }

    /// Whether text of it is UTF-8 as far as it says: a part of UTF-8 is as good.
    pub fn is_utf8(&self) -> bool {
        self.parameter("charset").is_none_or(is_utf8)
    }
}

impl MediaRange {
    /// Reads what a definition declares.
    pub fn parse(written: &str) -> Option<Self> {
        let (top, sub, parameters) = take_apart(written.trim_ascii())?;
        let sub = sub.to_ascii_lowercase();
        let sub = match sub.strip_prefix('*') {
            Some("") => Sub::Any,
            Some(suffix) if suffix.starts_with('+') => Sub::Suffix(suffix.into()),
            Some(_) => return None,
            None => Sub::Exactly(sub.into()),
        };
        // `*/json` is no range.
        if top.contains('*') && (top != "*" || sub != Sub::Any) {
            return None;
        }
        let parameters = parameters.into_iter().filter(|(name, value)| !says_nothing(name, value));
        let parameters = parameters.map(|(name, value)| (name.to_ascii_lowercase().into(), value.into()));
        Some(Self { top: top.to_ascii_lowercase().into(), sub, parameters: parameters.collect() })
    }

    /// Whether a media type is one of it.
    pub fn takes(&self, media_type: &MediaType<'_>) -> bool {
        let is_top = *self.top == *"*" || media_type.is_of(&self.top);
        let is_sub = match &self.sub {
            Sub::Any => true,
            Sub::Suffix(suffix) => media_type.has_suffix(suffix),
            Sub::Exactly(sub) => media_type.sub.eq_ignore_ascii_case(sub),
        };
        is_top
            && is_sub
            && self.parameters.iter().all(|(name, value)| {
                // Only a charset is known to have no case (RFC 9110 §8.3.2).
                media_type.parameter(name).is_some_and(|own| {
                    if **name == *"charset" { own.eq_ignore_ascii_case(value) } else { *own == **value }
                })
            })
    }

    /// Which of two ranges says more: the one to take of those that take a media type.
    pub fn compare(&self, other: &Self) -> Ordering {
        self.rank().cmp(&other.rank())
    }

    /// The type, where it is exactly one.
    pub fn exactly(&self) -> Option<MediaType<'_>> {
        let Sub::Exactly(sub) = &self.sub else { return None };
        let parameters = self.parameters.iter().map(|(name, value)| (&**name, Cow::Borrowed(&**value)));
        (*self.top != *"*").then(|| MediaType { top: &self.top, sub, parameters: parameters.collect() })
    }

    /// The structured syntax of all it takes, such as `+json`.
    pub fn suffix(&self) -> Option<&str> {
        match &self.sub {
            Sub::Any => None,
            Sub::Suffix(suffix) => Some(suffix),
            Sub::Exactly(sub) => sub.rfind('+').and_then(|at| sub.get(at..)),
        }
    }

    /// Whether all it takes are of `top/*`.
    pub fn is_of(&self, top: &str) -> bool {
        *self.top == *top
    }

    /// Whether all it takes are JSON texts.
    pub fn is_json(&self) -> bool {
        self.suffix() == Some("+json") || self.exactly().is_some_and(|exactly| exactly.is_json())
    }

    fn rank(&self) -> (u8, usize) {
        let rank = match &self.sub {
            Sub::Any if *self.top == *"*" => 0,
            Sub::Any => 1,
            Sub::Suffix(_) => 2,
            Sub::Exactly(_) => 3,
        };
        (rank, self.parameters.len())
    }
}

/// What a definition writes of a media type or range without its parameters, in lower case; also where it is none.
pub(crate) fn essence(written: &str) -> String {
    written.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// `type "/" subtype *( OWS ";" OWS [ name "=" ( token / quoted-string ) ] )`.
fn take_apart(text: &str) -> Option<(&str, &str, Parameters<'_>)> {
    let (essence, mut rest) = text.split_at(text.find([';', ' ', '\t']).unwrap_or(text.len()));
    let (top, sub) = essence.split_once('/')?;
    if !is_token(top) || !is_token(sub) {
        return None;
    }
    let mut parameters = Parameters::new();
    loop {
        rest = skip_space(rest);
        if rest.is_empty() {
            return Some((top, sub, parameters));
        }
        rest = skip_space(rest.strip_prefix(';')?);
        if rest.is_empty() || rest.starts_with(';') {
            continue;
        }
        let (name, behind) = rest.split_once('=')?;
        let (value, behind) = value(behind)?;
        let is_known = |(own, _): &(&str, Cow<'_, str>)| own.eq_ignore_ascii_case(name);
        if !is_token(name) || parameters.len() >= PARAMETERS_MAX || parameters.iter().any(is_known) {
            return None;
        }
        parameters.push((name, value));
        rest = behind;
    }
}

/// A parameter's value, and what stands behind it.
pub(crate) fn value(text: &str) -> Option<(Cow<'_, str>, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let (token, rest) = text.split_at(text.find([';', ' ', '\t']).unwrap_or(text.len()));
        return is_token(token).then_some((Cow::Borrowed(token), rest));
    };
    let end = quoted.find(['"', '\\'])?;
    let (plain, rest) = quoted.split_at_checked(end)?;
    if let Some(rest) = rest.strip_prefix('"') {
        return is_quotable(plain).then_some((Cow::Borrowed(plain), rest));
    }
    let mut built = plain.to_owned();
    let mut characters = rest.chars();
    loop {
        match characters.next()? {
            '"' => break,
            '\\' => built.push(characters.next()?),
            c => built.push(c),
        }
    }
    is_quotable(&built).then_some((Cow::Owned(built), characters.as_str()))
}

pub(crate) fn skip_space(text: &str) -> &str {
    text.trim_start_matches([' ', '\t'])
}

/// RFC 9110 §5.6.2.
pub(crate) fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

fn is_quotable(text: &str) -> bool {
    !text.chars().any(|c| c.is_ascii_control() && c != '\t')
}

fn says_nothing(name: &str, value: &str) -> bool {
    name.eq_ignore_ascii_case("charset") && is_utf8(value)
}

fn is_utf8(charset: &str) -> bool {
    ["utf-8", "us-ascii"].iter().any(|known| charset.eq_ignore_ascii_case(known))
}

#[cfg(test)]
mod tests;
