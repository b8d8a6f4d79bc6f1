//! Certificates that an authority gives by ACME (RFC 8555).

use schemars::JsonSchema;
use serde::Deserialize;

use super::values::{Duration, Url};
use crate::secret::Secret;

/// A certificate that an authority gives, and gives anew, while the gateway runs (ACME, RFC 8555). Needs a state directory.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Acme {
    /// URL of the authority's directory, such as `https://acme-v02.api.letsencrypt.org/directory`. Every other URL that the
    /// authority names must lead to the same host and port.
    pub directory: Url,
    /// Host names the certificate is for. `*.example.com` cannot be had: it asks for a proof in DNS.
    pub names: Vec<String>,
    /// Whom the authority may write to, such as `ops@example.com`. Default: nobody.
    pub email: Option<String>,
    /// Whether the authority's terms of service are agreed to; nothing is ordered otherwise, so it must be `true`.
    pub terms_agreed: bool,
    /// How it is proven that the names lead here: `tls-alpn-01`, by this listener itself, which the authority must reach at
    /// port 443; or `http-01`, by every listener without `tls`, of which the authority must reach one at port 80. Default:
    /// `tls-alpn-01`.
    #[serde(default)]
    pub challenge: AcmeChallenge,
    /// Kind of the private key, which is made anew for each certificate: `p256`, `p384` or `rsa2048`. Default: `p256`.
    #[serde(default)]
    pub key: AcmeKey,
    /// The account at the authority that ours is bound to, where the authority asks for that.
    pub external_account: Option<ExternalAccount>,
    /// Certificates in PEM of who may vouch for the authority's directory, best written as `"${file:path}"`. Default: the
    /// system's.
    pub ca: Option<String>,
    /// How long one call to the authority may take. Default: 10s.
    pub timeout: Option<Duration>,
}

/// How it is proven that a name leads here.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum AcmeChallenge {
    /// By a handshake (RFC 8737).
    #[default]
    #[serde(rename = "tls-alpn-01")]
    TlsAlpn01,
    /// By a request in cleartext (RFC 8555 §8.3).
    #[serde(rename = "http-01")]
    Http01,
}

/// Kind of a private key.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AcmeKey {
    /// ECDSA on P-256.
    #[default]
    P256,
    /// ECDSA on P-384.
    P384,
    /// RSA of 2048 bits.
    Rsa2048,
}

/// An account at the authority that was made elsewhere (RFC 8555 §7.3.4).
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExternalAccount {
    /// What the authority calls it.
    pub id: String,
    /// Its secret, in base64url as the authority gives it.
    pub key: Secret,
}
