//! Host, path and method to an operation of a published API.
//!
//! An exact host wins over a wildcard, a wildcard over the APIs that name no host; those take every host no
//! other API claims. Among the APIs of a host the longest base path wins, by whole segments, and nothing falls
//! back to another API: what the winner does not declare is not there. Within an API the matcher of crate
//! `openapi` decides.
//!
//! PERF: one look-up in a table for each segment that the deepest base path of the host has, however many APIs there are.

use std::hash::BuildHasher;
use std::sync::Arc;

use foldhash::fast::RandomState;
use foldhash::{HashMap, HashMapExt};
use http::Method;
use portcullis_openapi::matcher::{Match, Matcher};

pub mod matrix;

/// The published APIs of one listener.
#[derive(Debug)]
pub struct Routes<T> {
    exact: HashMap<Box<str>, Apis<T>>,
    // Suffixes with their leading dot, longest first.
    wildcard: Vec<(Box<str>, Apis<T>)>,
    any: Apis<T>,
}

/// The APIs of one host.
#[derive(Debug)]
struct Apis<T> {
    // By a hash, and then by the path itself. PERF: the table's own comparison of texts reads bytes that were written a moment
    // ago in one piece of 32, for which the processor has to wait until they have left for the cache: 90 ns.
    by_base_path: HashMap<u64, Vec<Published<T>>>,
    hasher: RandomState,
    /// Segments of the deepest base path.
    deepest: usize,
}

/// A base path, and the API at it.
type Published<T> = (Box<str>, Arc<Matcher<T>>);

/// What a request's host, path and method lead to.
#[derive(Debug)]
pub enum Found<'a, T> {
    /// An operation.
    Operation(&'a T),
    /// The path is there with these methods only: the value of `Allow`.
    OtherMethods(String),
    /// Nothing published.
    Nothing,
}

/// A host as an API names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostPattern {
    /// Exactly this name, in lower case.
    Exact(Box<str>),
    /// Any one label or more before this suffix, which starts with a dot.
    Wildcard(Box<str>),
    /// Every host no other API claims.
    Any,
}

impl<T> Default for Routes<T> {
    fn default() -> Self {
        Self { exact: HashMap::new(), wildcard: Vec::new(), any: Apis::default() }
    }
}

impl<T> Default for Apis<T> {
    fn default() -> Self {
        Self { by_base_path: HashMap::new(), hasher: RandomState::default(), deepest: 0 }
    }
}

impl<T> Routes<T> {
    /// Publishes an API under a host. `base_path` has no trailing slash; the root is empty.
    pub fn publish(&mut self, host: HostPattern, base_path: &str, matcher: Arc<Matcher<T>>) {
        let apis = match host {
            HostPattern::Exact(name) => self.exact.entry(name).or_default(),
            HostPattern::Any => &mut self.any,
            HostPattern::Wildcard(suffix) => {
                let at = self.wildcard.iter().position(|(known, _)| *known == suffix).unwrap_or_else(|| {
                    let at = self.wildcard.partition_point(|(known, _)| known.len() > suffix.len());
                    self.wildcard.insert(at, (suffix, Apis::default()));
                    at
                });
                match self.wildcard.get_mut(at) {
                    Some((_, apis)) => apis,
                    None => return,
                }
            }
        };
        apis.deepest = apis.deepest.max(base_path.matches('/').count());
        apis.publish(base_path, matcher);
    }

    /// Finds the operation for a canonical host, method and path.
    pub fn find(&self, host: &str, method: &Method, path: &str) -> Found<'_, T> {
        let Some(matcher) = self.apis(host).find(path) else {
            return Found::Nothing;
        };
        match matcher.find(method, path) {
            Match::Found { value, .. } => Found::Operation(value),
            Match::MethodNotAllowed { allow } => Found::OtherMethods(allow.to_string()),
            Match::NotFound => Found::Nothing,
        }
    }

    fn apis(&self, host: &str) -> &Apis<T> {
        if let Some(apis) = self.exact.get(host) {
            return apis;
        }
        self.wildcard
            .iter()
            .find(|(suffix, _)| host.len() > suffix.len() && host.ends_with(&**suffix))
            .map_or(&self.any, |(_, apis)| apis)
    }
}

impl HostPattern {
    /// Reads `api.example.com` or `*.example.com`, without case.
    pub fn parse(text: &str) -> Self {
        let text = text.to_ascii_lowercase();
        match text.strip_prefix('*') {
            Some(suffix) => Self::Wildcard(suffix.into()),
            None => Self::Exact(text.into()),
        }
    }
}

impl<T> Apis<T> {
    fn publish(&mut self, base_path: &str, matcher: Arc<Matcher<T>>) {
        let alike = self.by_base_path.entry(self.hasher.hash_one(base_path)).or_default();
        alike.retain(|(known, _)| **known != *base_path);
        alike.push((base_path.into(), matcher));
    }

    /// The API of exactly this base path.
    fn at(&self, base_path: &str) -> Option<&Matcher<T>> {
        let alike = self.by_base_path.get(&self.hasher.hash_one(base_path))?;
        let is = |known: &str| known.len() == base_path.len() && known.bytes().eq(base_path.bytes());
        alike.iter().find(|(known, _)| is(known)).map(|(_, matcher)| &**matcher)
    }

    /// The API of the longest base path that `path` lies at or below, by whole segments.
    fn find(&self, path: &str) -> Option<&Matcher<T>> {
        // `OPTIONS *` lies below nothing.
        if !path.starts_with('/') {
            return None;
        }
        // PERF: searched as bytes; a search for characters costs five times as much.
        let mut slashes = path.bytes().enumerate().filter(|(_, byte)| *byte == b'/');
        let deepest = slashes.nth(self.deepest).map_or(path.len(), |(at, _)| at);
        let mut base = path.get(..deepest)?;
        loop {
            if let Some(matcher) = self.at(base) {
                return Some(matcher);
            }
            base = base.get(..base.bytes().rposition(|byte| byte == b'/')?)?;
        }
    }
}

#[cfg(test)]
mod tests;
