//! What of a request or an answer is outside the contract: places and rules, never values.

use std::fmt;

use serde::Serialize;

/// How many violations are kept: enough to mend a request by, too few to probe or to amplify with.
pub const VIOLATIONS_MAX: usize = 10;

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Violations {
    // Invariant: no more than VIOLATIONS_MAX.
    found: Vec<Violation>,
    is_more: bool,
}

/// One rule that does not hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// Where in the message.
    #[serde(flatten)]
    pub place: Place,
    /// Which value there, as a JSON Pointer below the place; empty for all of it. Bounded in length.
    pub pointer: Box<str>,
    /// The keyword that does not hold, or `undeclared`, `limit` and the like where no keyword says so.
    pub keyword: Box<str>,
}

/// Where in a message something stands.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(tag = "in", content = "name", rename_all = "snake_case")]
pub enum Place {
    /// A template parameter of the path.
    Path(Box<str>),
    /// A query parameter.
    Query(Box<str>),
    /// All of the query.
    QueryString,
    /// A header field.
    Header(Box<str>),
    /// A cookie.
    Cookie(Box<str>),
    /// The body.
    Body,
}

impl Violations {
    /// None.
    pub fn new() -> Self {
        Self::default()
    }

    /// Keeps one more, if there is room.
    pub fn push(&mut self, place: Place, pointer: impl Into<Box<str>>, keyword: impl Into<Box<str>>) {
        if self.found.len() >= VIOLATIONS_MAX {
            self.is_more = true;
            return;
        }
        let violation = Violation { place, pointer: pointer.into(), keyword: keyword.into() };
        if !self.found.contains(&violation) {
            self.found.push(violation);
        }
    }

    /// Keeps what was found elsewhere, as far as there is room.
    pub(super) fn append(&mut self, other: Self) {
        self.is_more |= other.is_more;
        for Violation { place, pointer, keyword } in other.found {
            self.push(place, pointer, keyword);
        }
    }

    /// Whether nothing was found.
    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// Whether no more are kept.
    pub fn is_full(&self) -> bool {
        self.found.len() >= VIOLATIONS_MAX
    }

    /// Whether more were found than are kept.
    pub fn is_more(&self) -> bool {
        self.is_more
    }

    /// In the order they were found.
    pub fn iter(&self) -> std::slice::Iter<'_, Violation> {
        self.found.iter()
    }
}

impl<'v> IntoIterator for &'v Violations {
    type Item = &'v Violation;
    type IntoIter = std::slice::Iter<'v, Violation>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl Place {
    /// The kind of place, as problems name it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Path(_) => "path",
            Self::Query(_) => "query",
            Self::QueryString => "query_string",
            Self::Header(_) => "header",
            Self::Cookie(_) => "cookie",
            Self::Body => "body",
        }
    }

    /// The name of what stands there, if it has one.
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Path(name) | Self::Query(name) | Self::Header(name) | Self::Cookie(name) => Some(name),
            Self::QueryString | Self::Body => None,
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.place.kind())?;
        if let Some(name) = self.place.name() {
            write!(f, " {name}")?;
        }
        if !self.pointer.is_empty() {
            write!(f, " at {}", self.pointer)?;
        }
        write!(f, ": {}", self.keyword)
    }
}
