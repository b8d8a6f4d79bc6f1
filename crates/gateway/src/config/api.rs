//! APIs: published products, and their operations.

use indexmap::IndexMap;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{Deserializer, Unexpected};

use super::auth::Auth;
use super::overlay::Overlay;
use super::settings::with_settings;

with_settings! {
    /// A published product: where it is reached, what it consists of, where it goes.
    pub struct Api {
        /// Names of the listeners it is published on. Default: the only listener there is; with several it must be said.
        pub listen: Option<Vec<String>>,
        /// Host names it answers to: exact, or `*.example.com` for one more label. Default: every host that no other
        /// API claims.
        pub hosts: Option<Vec<String>>,
        /// Path below which it is published, by whole segments, such as `/orders`. The longest one wins. Default: `/`.
        pub base_path: Option<String>,
        /// Its definition: a file with an OpenAPI 2.0, 3.0, 3.1 or 3.2 document, in YAML or JSON. What is not declared
        /// there does not pass.
        pub openapi: Option<String>,
        /// What of the definition is not published, and not read: `/path` as the document writes it, `METHOD /path`, or an
        /// `operationId`. For documents with operations that cannot be routed.
        #[serde(default)]
        pub skip: Vec<String>,
        /// OpenAPI Overlays (1.0, 1.1) laid on the definition before it is read, in this order: files, or
        /// `{ file: …, must_match: true }`.
        #[serde(default)]
        pub overlays: Vec<Overlay>,
        /// Whether the definition, its Overlays included, may loosen what applies (`auth: none`, a weaker mode, a higher bound). Default: `false`.
        pub trust_definition: Option<bool>,
        /// Verifiers for the security schemes of the definition, by their names there; for `auth: definition`.
        pub schemes: Option<IndexMap<String, Auth>>,
        /// Name of the backend its requests go to. Only an API of which every operation is answered by `mock` needs none.
        pub backend: Option<String>,
        /// Whether the base path is left out toward the backend. Default: `false`, the path goes as published.
        pub strip_base_path: Option<bool>,
        /// Its operations. With a definition, keys select from it: an `operationId`, `METHOD /path`, `/path` (all its
        /// methods) or `tag:name`. An entry with `match` declares an operation of its own.
        #[serde(default)]
        pub operations: IndexMap<String, Operation>,
    }
}

with_settings! {
    /// An operation, or several that a key selects, and what differs for it.
    pub struct Operation {
        /// Declares an operation: `GET /things/{id}`, below the base path. `*` for GET, HEAD, POST, PUT, PATCH, DELETE
        /// and OPTIONS; `{rest*}` at the end for everything below a path.
        #[serde(rename = "match")]
        pub matches: Option<Match>,
    }
}

/// A method, or all, and a path template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Match {
    /// The method; `None` for `*`.
    pub method: Option<Box<str>>,
    /// The template, from `/` on, below the base path.
    pub path: Box<str>,
}

impl Match {
    /// The methods `*` stands for. CONNECT and TRACE never pass.
    pub const ALL_METHODS: [&'static str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

    /// The methods it matches.
    pub fn methods(&self) -> Vec<&str> {
        match &self.method {
            Some(method) => vec![method],
            None => Self::ALL_METHODS.to_vec(),
        }
    }

    /// Reads `GET /things/{id}`; an error is a hint, or empty.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let (method, path) = match text.split_once(' ') {
            Some((method, path)) => (method, path.trim_start()),
            None if text.starts_with('/') => {
                return Err(format!("write the method: `GET {text}`, or `* {text}`"));
            }
            None => return Err(String::new()),
        };
        if !path.starts_with('/') {
            return Err("the path begins with /".to_owned());
        }
        let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        let method = match method {
            "*" => None,
            "CONNECT" | "TRACE" => return Err(format!("{method} never passes")),
            _ if method.is_empty() || !method.bytes().all(is_token) => return Err(String::new()),
            _ if method.chars().any(|c| c.is_ascii_lowercase()) => {
                return Err(format!("methods are in capitals: `{} {path}`", method.to_ascii_uppercase()));
            }
            _ => Some(method.into()),
        };
        Ok(Self { method, path: path.into() })
    }
}

impl std::str::FromStr for Match {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::read(text)
    }
}

impl<'de> Deserialize<'de> for Match {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::read(&text).map_err(|hint| {
            let separator = if hint.is_empty() { "" } else { "; hint: " };
            let expected = format!("a method and a path such as `GET /things/{{id}}`{separator}{hint}");
            serde::de::Error::invalid_value(Unexpected::Str(&text), &expected.as_str())
        })
    }
}

impl JsonSchema for Match {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Match".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A method, or `*`, and a path template.",
            "type": "string",
            "pattern": "^([!-~]+) +/.*$"
        })
    }
}

impl Api {
    /// Where it is published, the default applied.
    pub fn base_path(&self) -> &str {
        self.base_path.as_deref().unwrap_or("/")
    }
}
