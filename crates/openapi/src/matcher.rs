//! Finds the operation of a method and a path among up to tens of thousands of templates.
//!
//! A tree over path segments. At each node a segment is tried as literal text, then against parameters with text
//! around them (more text first), then as a whole parameter, then greedily; what leads nowhere is taken back. Hence of
//! two templates that match a path, the one more concrete in the leftmost segment that differs comes first.
//!
//! # Methods
//! A template that lacks the method does not hide a later one that declares it: with `GET /things/mine` and
//! `DELETE /things/{id}`, `DELETE /things/mine` is the latter. But [`Methods::Any`] and `{rest*}` are written without
//! a thought for particular paths, so they never take over a method of a path that an earlier template owns: the
//! answer is then [`Match::MethodNotAllowed`]. HEAD goes where GET is unless it is declared, and an OPTIONS that is not
//! declared is [`Match::MethodNotAllowed`], whose list answers it.
//!
//! # Limits
//! A node is visited at most once in a search, since each is reached by one sequence of segments. Beyond that, the
//! builder computes how many nodes the worst path can visit, and refuses more than [`MatcherBuilder::STEPS_MAX`]: two
//! to the power of the path's length would be possible by templates that cross (`/a/{x}`, `/{x}/a`, …) in every
//! segment. A step costs one hash of its segment, and per affixed candidate one scan of it. Searching allocates
//! nothing for up to eight parameters.
//!
//! # Threats
//! The path is the caller's: no index, depth or allocation follows from it. Tables are keyed by templates and hashed
//! with a random seed. The caller must hand in a canonical path; spans then never cut an escape in two.

use std::fmt;

use http::Method;
use smallvec::SmallVec;

use crate::template::Template;

mod affixes;
mod builder;
mod children;
mod search;

use builder::Node;
pub use builder::{Clash, MatcherBuilder, TooAmbiguous};

/// The methods an operation is declared for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Methods {
    /// Exactly this one, and HEAD with GET.
    One(Method),
    /// GET, HEAD, POST, PUT, PATCH, DELETE and OPTIONS.
    Any,
}

impl Methods {
    /// What [`Methods::Any`] stands for. CONNECT and TRACE never pass a gateway.
    pub const ANY: &'static [Method] = &[
        Method::GET,
        Method::HEAD,
        Method::POST,
        Method::PUT,
        Method::PATCH,
        Method::DELETE,
        Method::OPTIONS,
    ];
}

/// Templates with their methods and values, built once by [`MatcherBuilder`].
#[derive(Debug)]
pub struct Matcher<T> {
    /// Invariant: node 0 is the root, and all indices within the nodes are in range.
    nodes: Box<[Node]>,
    steps: usize,
    /// In the order of insertion.
    // PERF: apart from what they were inserted with, which a search does not look at.
    values: Box<[T]>,
    // Invariant: as many as values.
    entries: Box<[(Methods, Template)]>,
}

/// What a search found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Match<'m, T> {
    /// One operation takes the request.
    Found {
        /// The value inserted with the operation.
        value: &'m T,
        /// Which insertion it was, counted from 0.
        template: usize,
        /// Where in the path its parameters stand.
        parameters: Parameters<'m>,
    },
    /// The path exists, not with this method.
    MethodNotAllowed {
        /// The methods that would be found for this path, and OPTIONS.
        allow: Allow,
    },
    /// No template matches the path.
    NotFound,
}

impl<T> Matcher<T> {
    /// Finds the operation for a method and the canonical path below the API's base path: empty, or starting with
    /// `/`. An empty path is matched only by a template that is greedy from the first segment.
    pub fn find(&self, method: &Method, path: &str) -> Match<'_, T> {
        search::find(self, method, path)
    }

    /// How many nodes one search visits at most, whatever the path.
    pub fn steps(&self) -> usize {
        self.steps
    }

    /// The operations in the order of insertion.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&Methods, &Template, &T)> {
        self.entries.iter().zip(&self.values).map(|((methods, template), value)| (methods, template, value))
    }

    /// How many operations there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

/// A part of the path, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The first byte.
    pub start: usize,
    /// The byte after the last.
    pub end: usize,
}

impl Span {
    /// The text of the path the span was found in, still percent-encoded; `None` for another path that is shorter.
    pub fn of(self, path: &str) -> Option<&str> {
        path.get(self.start..self.end)
    }
}

/// The spans of a match's parameters, in the order of the path.
pub type Spans = SmallVec<[Span; 8]>;

/// The parameters of a match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameters<'m> {
    /// Invariant: it has as many parameters as spans.
    template: &'m Template,
    spans: Spans,
}

impl<'m> Parameters<'m> {
    /// The parameter's part of the path it was found in, still percent-encoded.
    pub fn get<'p>(&self, name: &str, path: &'p str) -> Option<&'p str> {
        self.iter().find(|(known, _)| *known == name).and_then(|(_, span)| span.of(path))
    }

    /// Names and spans in the order of the path.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&'m str, Span)> {
        self.template.parameters().iter().map(|name| &**name).zip(self.spans.iter().copied())
    }

    /// The spans alone, to be kept beside the path without borrowing the matcher.
    pub fn into_spans(self) -> Spans {
        self.spans
    }
}

/// The methods a path has, for the field `Allow`: in the order of [`Methods::ANY`], others behind by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allow(SmallVec<[Method; 8]>);

impl Allow {
    /// The methods.
    pub fn methods(&self) -> &[Method] {
        &self.0
    }
}

impl fmt::Display for Allow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, method) in self.0.iter().enumerate() {
            f.write_str(if index == 0 { "" } else { ", " })?;
            f.write_str(method.as_str())?;
        }
        Ok(())
    }
}

/// Nodes, entries and ranks are counted in `u32` to keep the tree small.
fn index(index: u32) -> usize {
    usize::try_from(index).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests;
