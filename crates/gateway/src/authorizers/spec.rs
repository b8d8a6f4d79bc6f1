//! What an authorizer is made of. Equal specs are the same authorizer, with its connections and counts.

use std::sync::Arc;
use std::time::Duration;

use crate::config::values::Url;
use crate::dns;
use crate::issuers::spec::SharedSecret;

/// Everything about an authorizer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthorizerSpec {
    /// Its name in configuration.
    pub name: Arc<str>,
    /// How it is asked.
    pub speaks: Speaks,
    /// Where it is.
    pub url: Url,
    /// Who may vouch for it, in PEM; the system's authorities if not said.
    pub ca: Option<Arc<str>>,
    /// How its name is resolved.
    pub names: dns::Settings,
    /// How long an answer may take.
    pub timeout: Duration,
    /// Questions at once.
    pub calls: usize,
    /// Whether requests pass while it is away.
    pub lets_through: bool,
    /// Which fields of a request it is told.
    pub told: Told,
    /// Whether what the caller proved itself with is among them.
    pub tells_credential: bool,
    /// What it is told besides.
    pub context: Vec<(Box<str>, SharedSecret)>,
    /// Names of fields, in lower case, that it may say to backends.
    pub to_backend: Vec<Box<str>>,
    /// Names of fields, in lower case, that it may add to answers of backends.
    pub with_answer: Vec<Box<str>>,
    /// Names of fields, in lower case, that it may say to clients.
    pub to_client: Vec<Box<str>>,
}

/// How an authorizer is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speaks {
    /// By a request like the one that it decides about.
    Http,
    /// By `envoy.service.auth.v3.Authorization/Check`.
    Grpc,
}

/// Which fields of a request are told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// All that go from end to end, but those that say how an answer is to look.
    Any,
    /// These, in lower case.
    Named(Vec<Box<str>>),
}

/// Fields that make another answer of the same question: with `any` they are not told.
const ABOUT_THE_ANSWER: &[&str] = &["accept-encoding", "range", "if-"];

impl Told {
    /// Whether a field called `name` is told.
    pub fn has(&self, name: &[u8]) -> bool {
        match self {
            Self::Any => !ABOUT_THE_ANSWER.iter().any(|own| {
                let start = if own.ends_with('-') { name.get(..own.len()) } else { Some(name) };
                start.is_some_and(|start| start.eq_ignore_ascii_case(own.as_bytes()))
            }),
            Self::Named(names) => names.iter().any(|own| own.as_bytes().eq_ignore_ascii_case(name)),
        }
    }
}
