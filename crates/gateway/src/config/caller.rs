//! Who calls: consumers with their credentials, and the issuers whose tokens count.

use schemars::JsonSchema;
use serde::Deserialize;

use super::values::{Expiry, Sha256, Url};
use crate::secret::Secret;

/// A client of the published APIs.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Consumer {
    /// Names of the APIs its credentials open; `["*"]` for all. Any other API answers 403.
    pub apis: Vec<String>,
    /// Name of the plan whose limits hold for it.
    pub plan: Option<String>,
    /// How it proves itself.
    #[serde(default)]
    pub credentials: Vec<Credential>,
}

/// One way in which a consumer proves itself. Beside `id` exactly one key.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Credential {
    /// Its name in records; unique within the consumer.
    pub id: String,
    /// A key.
    pub api_key: Option<ApiKey>,
    /// A certificate.
    pub certificate: Option<CertificateCredential>,
}

/// An API key, by its digest: the key itself is nowhere in the configuration.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ApiKey {
    /// SHA-256 of the key in hexadecimal; `portcullis keys new` prints both.
    pub sha256: Sha256,
    /// Scopes the key carries. Default: none.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// Last day on which it is good, in UTC, such as `2027-06-30`; or an instant such as `2027-06-30T12:00:00Z`.
    /// Default: it does not expire.
    pub expires: Option<Expiry>,
}

/// A client certificate, by what it says of its holder.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CertificateCredential {
    /// A subject alternative name, such as `spiffe://example.com/partner`.
    pub san: String,
}

/// An external identity provider whose tokens count. Exactly one of `openid`, `issuer` and `introspection`.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Issuer {
    /// Its URL, where OpenID discovery finds the rest.
    pub openid: Option<Url>,
    /// Its name in the `iss` claim, where keys come from `jwks`.
    pub issuer: Option<String>,
    /// Its keys: a file or a URL.
    pub jwks: Option<String>,
    /// Audiences of which a token must name one: they are the grant.
    #[serde(default)]
    pub audiences: Vec<String>,
    /// Signature algorithms accepted. Default: those its keys are for, never `none`.
    pub algorithms: Option<Vec<String>>,
    /// Value the `typ` header must have.
    pub typ: Option<String>,
    /// Claim that names the consumer. Default: `sub`, as `issuer/sub`.
    pub consumer_claim: Option<String>,
    /// Asks the issuer about each opaque token (RFC 7662).
    pub introspection: Option<Introspection>,
}

/// How an issuer is asked about opaque tokens.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Introspection {
    /// Where it is asked.
    pub url: Url,
    /// Who asks.
    pub client_id: String,
    /// How the asker proves itself.
    pub client_secret: Secret,
}
