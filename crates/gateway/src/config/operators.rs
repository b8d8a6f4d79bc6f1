//! Who may operate the gateway over the network.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;

use super::listener::ListenerTls;
use super::values::{Bind, Expiry, Instant, Network, Sha256};

/// How operators reach the running gateway.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Admin {
    /// Where the admin API listens: `unix:` and a path, relative to the state directory; or an IP address and port, which
    /// needs `tls` and `operators`, and beside which the socket in the state directory stays. Default: `unix:admin.sock`.
    /// Changes only with a restart.
    pub bind: Option<Bind>,
    /// TLS of the admin API on an IP address. Client certificates are asked for where it says so.
    pub tls: Option<ListenerTls>,
    /// Whether the admin API speaks cleartext on a loopback address: whoever may listen in on this machine reads tokens.
    /// Default: no.
    #[serde(default)]
    pub cleartext: bool,
    /// Who may use the admin API on an IP address, by name. On the socket the file's permissions say who may, and that
    /// everything may be done.
    #[serde(default)]
    pub operators: IndexMap<String, Operator>,
    /// Address and port for `/livez`, `/readyz`, `/startupz` and `/metrics`, and nothing else; no credential. Changes
    /// only with a restart. Default: none.
    pub probes: Option<Bind>,
}

/// Someone who may use the admin API over the network.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Operator {
    /// What may be done: `viewer`, `operator` or `security`.
    pub role: Role,
    /// How it is proven who it is.
    pub credentials: Vec<OperatorCredential>,
}

/// What an operator may do. Which request needs which is in the table of the admin API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Reads everything, the log of writes included, and changes nothing.
    Viewer,
    /// Reads, changes the configuration, and ends the process.
    Operator,
    /// Reads, and manages consumers and their credentials.
    Security,
}

impl Role {
    /// The word in the configuration and in answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Security => "security",
        }
    }
}

/// One way in which an operator is proven. Beside `id` exactly one key.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OperatorCredential {
    /// Its name in records; unique within the operator.
    pub id: String,
    /// A token, which is sent as `Authorization: Bearer`.
    pub token: Option<OperatorToken>,
    /// A client certificate.
    pub certificate: Option<OperatorCertificate>,
}

/// A token, by its digest: the token itself is nowhere in the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OperatorToken {
    /// SHA-256 of the token in hexadecimal; `portcullis operators new` prints both.
    pub sha256: Sha256,
    /// Last day on which it is good, in UTC, such as `2027-06-30`; or an instant such as `2027-06-30T12:00:00Z`.
    /// Default: it has no end of its own.
    pub expires: Option<Expiry>,
    /// First moment at which it is good. Default: it is.
    pub not_before: Option<Instant>,
    /// Addresses it may be presented from. Default: any.
    #[serde(default)]
    pub addresses: Vec<Network>,
}

/// A client certificate, by what it says of its holder: exactly one of `san`, `subject` and `spiffe`. It must hold by
/// `admin.tls.client_certificates`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OperatorCertificate {
    /// A subject alternative name: a DNS name, a mail address, a URI or an IP address.
    pub san: Option<String>,
    /// Its subject as RFC 4514 spells it, such as `CN=alice,O=Example`.
    pub subject: Option<String>,
    /// Its SPIFFE id, such as `spiffe://example.com/alice`.
    pub spiffe: Option<String>,
    /// Addresses it may be presented from. Default: any.
    #[serde(default)]
    pub addresses: Vec<Network>,
}

impl OperatorCertificate {
    /// What it says of its holder, by the key that says it.
    pub fn names(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let names = [("san", &self.san), ("subject", &self.subject), ("spiffe", &self.spiffe)];
        names.into_iter().filter_map(|(kind, name)| Some((kind, name.as_deref()?)))
    }
}

impl Admin {
    /// Whether the same people may do the same as by `other`, as far as the network is concerned.
    pub fn lets_in_as(&self, other: &Self) -> bool {
        let clients = |admin: &Self| admin.tls.as_ref().and_then(|tls| tls.client_certificates.clone());
        self.operators == other.operators
            && self.cleartext == other.cleartext
            && clients(self) == clients(other)
    }
}
