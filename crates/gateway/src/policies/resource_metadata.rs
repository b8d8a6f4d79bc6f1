//! Says which issuers' tokens an API asks for (RFC 9728), where its challenges point.
//!
//! A client that was answered 401 finds `resource_metadata` in `WWW-Authenticate`, and there whom to ask for a token. The
//! document is an operation of the API's own in the route table, in front of its base path: for `/orders` it is
//! `/.well-known/oauth-protected-resource/orders`. It is public, as it must be, and says nothing that a token would not.
//!
//! # Example
//! ```console
//! curl https://api.example.com/.well-known/oauth-protected-resource/orders
//! ```
//!
//! # Order
//! Screen, as the only policy of its operation: nothing is forwarded.
//!
//! # Threats
//! The host in it is the one that was asked for, in its one spelling: whoever asks under another name gets a document about
//! that name, and nobody else does.

use bytes::Bytes;
use http::StatusCode;
use portcullis_http1::Fields;
use serde_json::{Map, Value};

use super::{Kind, Phase};
use crate::http::{Body, Reply};
use crate::pipeline::{Context, Policy, Routed, Step, Stop};

/// Its line in the list of policies.
pub const KIND: Kind = Kind { name: "resource_metadata", phase: Phase::Screen, problems: &[] };

/// How an operation that serves such a document is called.
pub const OPERATION: &str = "protected-resource-metadata";
/// What stands in front of an API's base path.
pub const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

/// Serves the document of one API.
#[derive(Debug)]
pub struct ResourceMetadata {
    /// Base path of the API; empty for the root.
    base: Box<str>,
    issuers: Vec<Box<str>>,
    scopes: Vec<Box<str>>,
}

impl ResourceMetadata {
    /// That of the API at `base`.
    pub fn new(base: &str, issuers: Vec<Box<str>>, scopes: Vec<Box<str>>) -> Self {
        Self { base: base.into(), issuers, scopes }
    }

    fn document(&self, origin: &str) -> Value {
        let texts = |texts: &[Box<str>]| texts.iter().map(|text| Value::from(&**text)).collect::<Value>();
        let mut document = Map::new();
        document.insert("resource".to_owned(), format!("{origin}{}", self.base).into());
        if !self.issuers.is_empty() {
            document.insert("authorization_servers".to_owned(), texts(&self.issuers));
        }
        if !self.scopes.is_empty() {
            document.insert("scopes_supported".to_owned(), texts(&self.scopes));
        }
        document.insert("bearer_methods_supported".to_owned(), Value::from(vec!["header"]));
        document.into()
    }
}

impl Policy for ResourceMetadata {
    fn name(&self) -> &'static str {
        KIND.name
    }

    fn screen<'a>(&'a self, request: &'a mut Routed, _cx: &'a mut Context) -> Step<'a, ()> {
        let request = request.request();
        let document = self.document(&format!("{}://{}", request.scheme(), request.authority()));
        let mut fields = Fields::with_capacity(128, 2);
        fields.push("content-type", "application/json");
        fields.push("cache-control", "max-age=300");
        let body = Body::from_bytes(Bytes::from(document.to_string()));
        Step::Now(Err(Stop::answer(Reply { status: StatusCode::OK, fields, body })))
    }
}
