//! Host, path and method to an operation of a published API.
//!
//! An exact host wins over a wildcard, a wildcard over the APIs that name no host; those take every host no
//! other API claims. Among the APIs of a host the longest base path wins, by whole segments, and nothing falls
//! back to another API: what the winner does not declare is not there. Within an API the matcher of crate
//! `openapi` decides.

use foldhash::{HashMap, HashMapExt};
use http::Method;
use portcullis_openapi::matcher::{Match, Matcher};

/// The published APIs of one listener.
#[derive(Debug)]
pub struct Routes<T> {
    exact: HashMap<Box<str>, Vec<Api<T>>>,
    // Suffixes with their leading dot, longest first.
    wildcard: Vec<(Box<str>, Vec<Api<T>>)>,
    any: Vec<Api<T>>,
}

#[derive(Debug)]
struct Api<T> {
    base_path: Box<str>,
    matcher: std::sync::Arc<Matcher<T>>,
}

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
        Self { exact: HashMap::new(), wildcard: Vec::new(), any: Vec::new() }
    }
}

impl<T> Routes<T> {
    /// Publishes an API under a host. `base_path` has no trailing slash; the root is empty.
    pub fn publish(&mut self, host: HostPattern, base_path: &str, matcher: std::sync::Arc<Matcher<T>>) {
        let apis = match host {
            HostPattern::Exact(name) => self.exact.entry(name).or_default(),
            HostPattern::Any => &mut self.any,
            HostPattern::Wildcard(suffix) => {
                let at = self.wildcard.iter().position(|(known, _)| *known == suffix).unwrap_or_else(|| {
                    let at = self.wildcard.partition_point(|(known, _)| known.len() > suffix.len());
                    self.wildcard.insert(at, (suffix, Vec::new()));
                    at
                });
                match self.wildcard.get_mut(at) {
                    Some((_, apis)) => apis,
                    None => return,
                }
            }
        };
        let at = apis.partition_point(|api| api.base_path.len() > base_path.len());
        apis.insert(at, Api { base_path: base_path.into(), matcher });
    }

    /// Finds the operation for a canonical host, method and path.
    pub fn find(&self, host: &str, method: &Method, path: &str) -> Found<'_, T> {
        let Some(api) = self.apis(host).iter().find(|api| is_below(path, &api.base_path)) else {
            return Found::Nothing;
        };
        match api.matcher.find(method, path) {
            Match::Found { value, .. } => Found::Operation(value),
            Match::MethodNotAllowed { allow } => Found::OtherMethods(allow.to_string()),
            Match::NotFound => Found::Nothing,
        }
    }

    fn apis(&self, host: &str) -> &[Api<T>] {
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

/// Whether `path` lies at or below `base`, by whole segments.
fn is_below(path: &str, base: &str) -> bool {
    path.strip_prefix(base).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
