//! JSONPath (RFC 9535) on positioned trees: what an Overlay says it is about.
//!
//! All of the RFC: names, indexes, slices, wildcards, descendants, filters and the five functions, which are checked
//! for their types when a query is read. A library that works on values of serde was no choice: it finds no places, and
//! an Overlay changes the tree where a query leads. What is refused: whatever the grammar does not allow, such as
//! expressions of other dialects.
//!
//! Patterns of `match` and `search` are I-Regexp (RFC 9485), matched in linear time; one written in the query that is
//! none is an error there, although the RFC would let it match nothing. `^` and `$` are anchors, as everybody writes them.
//!
//! # Limits
//! Texts have [`BYTES_MAX`] bytes, filters nest [`FILTERS_MAX`] deep, parentheses and function calls [`DEPTH_MAX`], a
//! path has [`PARTS_MAX`] steps. What a query costs is counted: a [`Budget`] bounds the nodes looked at and those found.
//! # Threats
//! Whoever writes the query or the document controls both. Fuzz target: `jsonpath`.

use std::fmt;
use std::ops::ControlFlow;

use regex::Regex;

use crate::source::{Node, Number, Pointer};

mod evaluate;
mod parser;
mod pattern;

/// Longest text of a query, in bytes.
pub const BYTES_MAX: usize = 64 << 10;
/// Most filters within each other.
pub const FILTERS_MAX: usize = 6;
/// Deepest nesting of parentheses and function calls within a filter.
pub const DEPTH_MAX: usize = 32;
/// Most steps of one path.
pub const PARTS_MAX: usize = 64;

/// A query that begins at the root.
#[derive(Debug, Clone)]
pub struct Query {
    parts: Vec<Part>,
}

/// What queries may cost, all those together that share it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Nodes that may still be looked at.
    pub steps: u64,
    /// Nodes that one query may find.
    pub found_max: usize,
}

/// A query costs more than it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the query looks at more of the document than it may")]
pub struct Exhausted;

/// Why a text is no query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Where, in characters from 1.
    pub character: usize,
    /// What is wrong there.
    pub message: String,
}

impl Query {
    /// Reads a query.
    ///
    /// # Errors
    /// When the text is none.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        parser::parse(text)
    }

    /// The nodes it leads to, as paths from the root, in the order of the RFC; one that it leads to twice stands there
    /// twice.
    ///
    /// # Errors
    /// When the budget does not suffice.
    pub fn select(&self, root: &Node, budget: &mut Budget) -> Result<Vec<Pointer>, Exhausted> {
        let found_max = budget.found_max;
        let mut found = Vec::new();
        let mut visit = |_: &Node, path: &[Step<'_>]| {
            found.push(evaluate::pointer(path));
            if found.len() > found_max {
                ControlFlow::Break(Stop::Exhausted)
            } else {
                ControlFlow::Continue(())
            }
        };
        match evaluate::Evaluation::new(root, budget).each(root, &self.parts, &mut Vec::new(), &mut visit) {
            ControlFlow::Break(Stop::Exhausted) => Err(Exhausted),
            ControlFlow::Break(Stop::Enough) | ControlFlow::Continue(()) => Ok(found),
        }
    }
}

impl Budget {
    /// Takes steps away.
    ///
    /// # Errors
    /// When so many are not left.
    pub fn spend(&mut self, steps: usize) -> Result<(), Exhausted> {
        self.steps = self.steps.checked_sub(u64::try_from(steps).unwrap_or(u64::MAX)).ok_or(Exhausted)?;
        Ok(())
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "is no JSONPath query (RFC 9535): {} at character {}", self.message, self.character)
    }
}

/// Why a walk ends early.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stop {
    Enough,
    Exhausted,
}

/// One step of the way to a node.
#[derive(Debug, Clone, Copy)]
enum Step<'a> {
    Key(&'a str),
    Index(usize),
}

/// One segment of a query.
#[derive(Debug, Clone)]
struct Part {
    /// Whether it is asked of the node and all below it.
    descendant: bool,
    selectors: Vec<Selector>,
}

#[derive(Debug, Clone)]
enum Selector {
    Name(Box<str>),
    Wildcard,
    Index(i64),
    Slice { start: Option<i64>, end: Option<i64>, step: i64 },
    Filter(Logical),
}

/// An expression of a filter.
#[derive(Debug, Clone)]
enum Logical {
    Or(Vec<Self>),
    And(Vec<Self>),
    Not(Box<Self>),
    Exists(Path),
    Compare(Comparable, Comparison, Comparable),
    Matches(Box<Matches>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// A query within a filter.
#[derive(Debug, Clone)]
struct Path {
    from_root: bool,
    parts: Vec<Part>,
}

/// What has one value, or none.
#[derive(Debug, Clone)]
enum Comparable {
    Literal(Literal),
    /// A path that leads to one node at most.
    Singular(Path),
    Length(Box<Self>),
    Count(Path),
    /// The value of the one node a path leads to.
    Value(Path),
}

#[derive(Debug, Clone)]
enum Literal {
    Null,
    Bool(bool),
    Number(Number),
    Text(Box<str>),
}

/// `match` or `search`.
#[derive(Debug, Clone)]
struct Matches {
    /// Whether the whole text has to match.
    whole: bool,
    text: Comparable,
    pattern: Pattern,
}

#[derive(Debug, Clone)]
enum Pattern {
    /// Written in the query.
    Written(Regex),
    /// To be found in the document.
    Found(Comparable),
    /// Nothing that could be a pattern.
    None,
}

impl Path {
    /// Whether it leads to one node at most, whatever the document.
    fn is_singular(&self) -> bool {
        let one = |part: &Part| match part.selectors.as_slice() {
            [Selector::Name(_) | Selector::Index(_)] => !part.descendant,
            _ => false,
        };
        self.parts.iter().all(one)
    }
}

#[cfg(test)]
mod tests;
