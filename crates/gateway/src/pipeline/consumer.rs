//! Who calls, once it is proven.

use std::sync::Arc;
use std::time::Duration;

use portcullis_identity::claims::Claims;
use portcullis_identity::sha256::{Digest, digest};

use crate::secret::Secret;

/// A known caller: a client of the published APIs.
#[derive(Debug)]
pub struct Consumer {
    /// Its name in configuration, records and limits.
    pub name: Arc<str>,
    /// The APIs its keys and certificates open.
    pub apis: Grant,
}

/// Which APIs a consumer's credentials open.
#[derive(Debug)]
pub enum Grant {
    /// Every API; written as `["*"]`.
    All,
    /// The named ones.
    Named(Vec<Arc<str>>),
}

/// What a credential proved. Made once for each credential, shared by the exchanges it opens.
#[derive(Debug)]
pub struct Proof {
    /// Who it belongs to.
    pub consumer: Arc<Consumer>,
    /// The credential's id in the configuration or store; never the credential.
    pub credential: Arc<str>,
    /// What it may be used for.
    pub scopes: Arc<[Box<str>]>,
    /// When it ends, on the wall clock since 1970, if it does.
    pub expires: Option<Duration>,
    /// A digest of what it was proven by, where that is kept in a table of ours; what an issuer vouched for has none.
    pub fingerprint: Option<Digest>,
    /// What an issuer says of the caller; `None` for a credential of ours.
    pub claims: Option<Arc<Claims>>,
    /// The token by which an issuer vouches for the caller; `None` for a credential of ours.
    pub issued: Option<Issued>,
}

/// A token that an issuer gave a caller, verified. A backend gets what is made of it, never itself.
#[derive(Debug)]
pub struct Issued {
    /// The token.
    pub token: Secret,
    /// Its SHA-256.
    pub digest: Digest,
    /// When the issuer's word ends, on the wall clock since 1970, if that is known.
    pub until: Option<Duration>,
    /// A JWT that says the same, signed by the issuer: its answer when it was asked about the token.
    pub signed: Option<Secret>,
}

impl Issued {
    /// `token`, which ends at `until`.
    pub fn new(token: &str, until: Option<Duration>) -> Self {
        Self { digest: digest(token.as_bytes()), token: Secret::new(token), until, signed: None }
    }
}

impl Grant {
    /// Whether `api` is among them.
    pub fn opens(&self, api: &str) -> bool {
        match self {
            Self::All => true,
            Self::Named(names) => names.iter().any(|name| &**name == api),
        }
    }
}

impl Proof {
    /// Whether the credential carries `scope`.
    pub fn has_scope(&self, scope: &str) -> bool {
        self.scopes.iter().any(|held| &**held == scope)
    }
}
