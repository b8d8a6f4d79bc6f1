//! What of a definition is enforced, and what is not.

use std::fmt;
use std::sync::Arc;

use http::Method;

use crate::source::{Pointer, Span};

/// Most gaps of an operation that are listed; more are counted.
pub const GAPS_MAX: usize = 20;

/// What is enforced of a definition.
#[derive(Debug, Default)]
pub struct Coverage {
    /// Each operation, in the order of the definition.
    pub operations: Vec<OperationCoverage>,
    /// Bounds that hold where the document states none.
    pub defaults: Vec<DefaultBound>,
}

/// What is enforced of an operation.
#[derive(Debug)]
pub struct OperationCoverage {
    /// The method.
    pub method: Method,
    /// The path template, as the document writes it.
    pub template: Box<str>,
    /// `operationId`.
    pub id: Option<Box<str>>,
    /// Where it is declared.
    pub span: Span,
    /// What is not enforced, at most [`GAPS_MAX`].
    pub gaps: Arc<[Gap]>,
    /// Whether there are more.
    pub is_more: bool,
}

/// A constraint that is not enforced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// Whose constraint it is.
    pub side: Side,
    /// Where it is written.
    pub span: Span,
    /// Where it is written, as a path in its document.
    pub pointer: Pointer,
    /// The construct: a keyword, or a part of OpenAPI.
    pub what: Box<str>,
    /// Why it is not enforced.
    pub why: Box<str>,
    /// The only media type that it is about.
    pub media_type: Option<Box<str>>,
}

/// Whose constraint something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// Of requests.
    Request,
    /// Of responses.
    Response,
}

/// A bound that holds where the document states none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DefaultBound {
    /// What is bound.
    pub what: &'static str,
    /// The most.
    pub most: u64,
    /// In how many operations something relies on it; nothing for what OpenAPI cannot state.
    pub operations: Option<usize>,
}

impl OperationCoverage {
    /// Whether everything is enforced.
    pub fn is_whole(&self) -> bool {
        self.gaps.is_empty()
    }

    /// Whether no request can be judged to its end, of those with a body of these types or without one.
    pub(super) fn is_request_uncovered<'r>(&self, ranges: impl Iterator<Item = &'r str>) -> bool {
        let requests = || self.gaps.iter().filter(|gap| gap.side == Side::Request);
        if requests().any(|gap| gap.media_type.is_none()) {
            return true;
        }
        let mut ranges = ranges.peekable();
        ranges.peek().is_some()
            && ranges.all(|range| requests().any(|gap| gap.media_type.as_deref() == Some(range)))
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Request => "request",
            Self::Response => "response",
        })
    }
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {} {}", self.side, self.pointer, self.what, self.why)
    }
}

impl fmt::Display for DefaultBound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: at most {}", self.what, self.most)?;
        match self.operations {
            Some(operations) => write!(f, " where the document states none ({operations} operations)"),
            None => Ok(()),
        }
    }
}
