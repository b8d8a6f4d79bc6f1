//! What a login is made of: the settings, resolved. Equal settings are an equal spec.

use std::sync::Arc;
use std::time::Duration;

use crate::issuers::spec::SharedSecret;

/// One login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoginSpec {
    /// The issuer's name in configuration, which is the login's.
    pub name: Arc<str>,
    /// Our name at the issuer.
    pub client_id: Box<str>,
    /// How we prove ourselves there.
    pub proof: ClientProof,
    /// Scopes asked for; `openid` is among them.
    pub scopes: Vec<Box<str>>,
    /// The longest time a session lasts.
    pub session: Duration,
    /// Claims that are kept; `None`: all that are not of the protocol.
    pub claims: Option<Vec<Box<str>>>,
    /// What cookies are sealed by; empty: keys of our own.
    pub cookie_keys: Vec<SharedSecret>,
    /// Whether a session keeps its access token, for backends that get something for it.
    pub keeps_token: bool,
    /// Whether PKCE by S256 is believed to be done although the issuer does not say so.
    pub pkce_unannounced: bool,
    /// Where users are led after a logout.
    pub after_logout: Option<Box<str>>,
}

/// How a client proves itself at the token endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientProof {
    /// `client_secret_basic`.
    Secret(SharedSecret),
    /// `private_key_jwt`: a key in PEM, and its `kid` there.
    Key(SharedSecret, Option<Box<str>>),
}
