//! Where a document says that its API is served. The gateway's own `base_path` decides; this is for proposing one.

use std::borrow::Cow;

use super::Dialect;
use super::loading::{Loading, text_of};
use super::trail::At;
use crate::source::Span;
use crate::template::Template;

/// A server the document names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Its URL as written; of 2.0, what `host` and `basePath` say.
    pub url: Box<str>,
    /// The path of the URL in canonical spelling and without a last slash, so empty for a server at the root. Nothing
    /// when the path depends on a variable without default, or on where the document is published.
    pub base_path: Option<Box<str>>,
    /// Where it is declared.
    pub span: Span,
}

pub(super) fn read(loading: &mut Loading<'_>) -> Vec<Server> {
    let root = loading.root;
    if loading.dialect == Dialect::V2_0 {
        return version_2(&root).into_iter().collect();
    }
    let Some(list) = root.given("servers") else { return Vec::new() };
    let Some(items) = list.items() else {
        loading.warn(&list, format!("expected a list of servers, found {}", list.node.describe()));
        return Vec::new();
    };
    let mut servers = Vec::new();
    for at in items {
        let Some(url) = at.node.get("url").and_then(text_of) else {
            loading.warn(&at, "expected a server with a `url`");
            continue;
        };
        let base_path = resolve(&url, &at).and_then(|url| base_path(&url));
        if base_path.is_none() {
            loading.warn(&at, "the base path cannot be told from this URL");
        }
        servers.push(Server { url, base_path, span: at.node.span });
    }
    servers
}

fn version_2(root: &At<'_, '_>) -> Option<Server> {
    let text = |key: &str| root.node.get(key).and_then(text_of);
    let (host, path) = (text("host"), text("basePath"));
    let span = root.node.get("basePath").or_else(|| root.node.get("host"))?.span;
    let host = host.map(|host| format!("//{host}")).unwrap_or_default();
    let url = format!("{host}{}", path.unwrap_or_default()).into_boxed_str();
    let base_path = base_path(&url);
    Some(Server { url, base_path, span })
}

/// Puts the defaults of the variables in.
fn resolve<'u>(url: &'u str, at: &At<'_, '_>) -> Option<Cow<'u, str>> {
    if !url.contains('{') {
        return Some(Cow::Borrowed(url));
    }
    let mut resolved = String::new();
    let mut rest = url;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, behind) = after.split_once('}')?;
        resolved.push_str(before);
        resolved.push_str(&text_of(at.node.get("variables")?.get(name)?.get("default")?)?);
        rest = behind;
    }
    resolved.push_str(rest);
    Some(Cow::Owned(resolved))
}

/// The path of a URL as a base path.
fn base_path(url: &str) -> Option<Box<str>> {
    let without_scheme = match url.split_once("://") {
        Some((_, authority)) => Some(authority),
        None => url.strip_prefix("//"),
    };
    let path = match without_scheme {
        Some(authority) => {
            authority.find(['/', '?', '#']).and_then(|at| authority.get(at..)).unwrap_or_default()
        }
        None => url,
    };
    let path = path.split(['?', '#']).next().unwrap_or_default().trim_end_matches('/');
    if path.is_empty() {
        // An empty URL is the document's own address, of which nothing is known.
        return (!url.is_empty()).then(Box::default);
    }
    Template::parse(path).ok()?.as_literal().map(String::into_boxed_str)
}
