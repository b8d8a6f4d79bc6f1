//! Issuers: the identity providers whose tokens count, and how what they sign is verified.

use schemars::JsonSchema;
use serde::Deserialize;

use super::listener::Certificate;
use super::login::Login;
use super::values::{Duration, Url};
use crate::secret::Secret;

/// An external identity provider whose tokens count. Its keys come from exactly one of `openid`, `jwks` and `secret`; or
/// it is asked about each token: `introspection`.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Issuer {
    /// Its URL, letter for letter as its tokens name it in `iss`. OpenID discovery finds its keys; the document must name
    /// the same issuer.
    pub openid: Option<String>,
    /// Its name, letter for letter as its tokens say it in `iss`, where keys come from `jwks` or `secret`.
    pub issuer: Option<String>,
    /// Its public keys, a JSON Web Key Set: a file, or a URL that is fetched in the background.
    pub jwks: Option<String>,
    /// The secret it shares with us, for HS256, HS384 and HS512; at least as long as the hash, 32 bytes for HS256. There
    /// is no other way to have HS tokens accepted.
    pub secret: Option<Secret>,
    /// Audiences of which a token must name one: they are the grant. With `introspection` they may be left out, if the
    /// issuer answers `active` only for tokens that are meant for us.
    #[serde(default)]
    pub audiences: Vec<String>,
    /// Signature algorithms accepted: RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512, EdDSA; HS256, HS384,
    /// HS512 with `secret`. Default: those that fit the keys; with `secret`, HS256.
    pub algorithms: Option<Vec<String>>,
    /// Value the `typ` header must have, such as `at+jwt`. Default: `JWT`, `at+jwt` or none.
    pub typ: Option<String>,
    /// How far the issuer's clock and ours may be apart when `exp` and `nbf` are judged; at most 60s. Default: 30s.
    pub leeway: Option<Duration>,
    /// Proof that who presents a token holds the key it was issued to (DPoP). `required`: tokens that are bound to no key
    /// are refused. `accepted`: they pass. Either is told to callers in `WWW-Authenticate`. A token that is bound to a key
    /// is good only with a proof by it, whatever stands here. Default: nothing is told.
    pub dpop: Option<Dpop>,
    /// Whether a proof must have a nonce of ours, which a caller without one is given with the refusal. Each process knows
    /// its own alone. Default: `false`.
    #[serde(default)]
    pub dpop_nonce: bool,
    /// Claim that names the consumer, as `NAME-OF-THE-ISSUER/value`. Default: `sub`.
    pub consumer_claim: Option<String>,
    /// Asks the issuer about each token, which may be opaque (RFC 7662).
    pub introspection: Option<Introspection>,
    /// Tokens of which clients hold a part alone, for `auth: { token: NAME }`; needs `openid` or `jwks`.
    pub split_token: Option<SplitToken>,
    /// How its users log in with a browser, for `auth: { login: NAME }`; needs `openid`.
    pub login: Option<Login>,
    /// Certificates in PEM of who may vouch for it, best written as `${file:path}`. Default: the system's.
    pub ca: Option<String>,
    /// Whether it may be asked over plain `http` at an address other than this machine's own. Default: `false`.
    #[serde(default)]
    pub cleartext: bool,
    /// How long until its keys are fetched again. Default: 10m.
    pub refresh: Option<Duration>,
    /// How long after a fetch a token with an unknown key causes none, for all requests together. Default: 10s.
    pub cool_down: Option<Duration>,
    /// How long its last good keys count when they cannot be fetched again. Default: 24h.
    pub keep: Option<Duration>,
    /// How long one call to it may take. Default: 5s.
    pub timeout: Option<Duration>,
}

impl Issuer {
    /// Its name in its tokens, where they are to have one.
    pub fn name(&self) -> Option<&str> {
        self.openid.as_deref().or(self.issuer.as_deref())
    }

    /// Whether somebody is asked about each of its tokens.
    pub fn is_asked(&self) -> bool {
        self.introspection.is_some() || self.split_token.is_some()
    }

    /// Where its key set is fetched from, if it is.
    pub fn jwks_url(&self) -> Option<&str> {
        self.jwks.as_deref().filter(|jwks| jwks.contains("://"))
    }

    /// The file of its key set, if it is one.
    pub fn jwks_file(&self) -> Option<&str> {
        self.jwks.as_deref().filter(|jwks| !jwks.contains("://"))
    }
}

/// Whether tokens must be bound to a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Dpop {
    /// They may be.
    Accepted,
    /// They must be.
    Required,
}

/// How an issuer is asked about tokens.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Introspection {
    /// Where it is asked.
    pub url: Url,
    /// Who asks.
    pub client_id: String,
    /// How the asker proves itself (`client_secret_basic`). Either this or `client_certificate`.
    pub client_secret: Option<Secret>,
    /// A certificate by which the asker proves itself in TLS (RFC 8705).
    pub client_certificate: Option<Certificate>,
    /// Whether the answer must be a JWT that the issuer has signed (RFC 9701), verified with the issuer's `openid` or
    /// `jwks`. Default: `false`.
    #[serde(default)]
    pub signed: bool,
    /// Whether the answer must be the token itself as a JWT (`application/jwt`; 204 where it is not active), verified in the same
    /// way. What a backend is given by `phantom_token` is this answer, or that of `signed`. Default: `false`.
    #[serde(default)]
    pub as_jwt: bool,
    /// How long an answer about an active token counts, unless the token ends before. A token that is revoked at the issuer
    /// works for so long. Default: 30s.
    pub cache: Option<Duration>,
    /// How long an answer about a token that is not active counts. Default: 5s.
    pub cache_inactive: Option<Duration>,
}

/// Tokens of which clients hold a part alone (the split token pattern): the signature of a JWT, which says nothing. The rest of it, header and
/// claims (`header.payload`), lies at a place that every node can ask, where whoever issues the token has put it. What lies there
/// counts only together with the signature that the caller presents. A backend gets the whole by `phantom_token`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SplitToken {
    /// Where the rest lies: asked for by GET at this URL with the name of the part put behind it, which is the SHA-256 of the part that the
    /// client holds, in base64url without padding. 404: there is no such token, or no more.
    pub url: Url,
    /// What the asker proves itself with, in `Authorization` behind `Bearer`. Default: nothing.
    pub bearer: Option<Secret>,
    /// A certificate by which the asker proves itself in TLS. Default: none.
    pub client_certificate: Option<Certificate>,
    /// How long the rest is kept, unless the token ends before. A token of which it was taken away works for so long. Default:
    /// 30s.
    pub cache: Option<Duration>,
    /// How long it counts that there is no rest. Default: 5s.
    pub cache_inactive: Option<Duration>,
}
