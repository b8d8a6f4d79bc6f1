//! Listeners: where connections are accepted, over which protocols and certificates.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;

use super::acme::Acme;
use super::values::{Bind, Network};
use crate::secret::Secret;

/// Accepts connections at one address.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Listener {
    /// IP address and port, such as `0.0.0.0:8443` or `[::]:8443`. Port 0 takes a free one, named in the log.
    pub bind: Bind,
    /// Protocols spoken: `http1`, `http2`. Default: both over TLS, chosen by ALPN; `http1` without TLS, where `http2`
    /// means prior knowledge.
    pub protocols: Option<Vec<Protocol>>,
    /// TLS. Default: none; the listener speaks cleartext.
    pub tls: Option<ListenerTls>,
    /// Networks of the proxies and load balancers whose word about the client's address counts. Default: none, the
    /// sender of a connection is the client.
    #[serde(default)]
    pub trusted_proxies: Vec<Network>,
    /// The one field in which trusted proxies name the client: `x-forwarded-for` or `forwarded`. Nothing else is
    /// read. Needs `trusted_proxies`. Default: `x-forwarded-for`.
    pub forwarded: Option<ForwardedField>,
    /// Whether every connection begins with a PROXY protocol header (v1 or v2): `off` or `require`. Default: `off`.
    #[serde(default)]
    pub proxy_protocol: ProxyProtocol,
    /// What is let through although readers of HTTP disagree on it. Each loosens a protection, and `portcullis check`
    /// says so. Default: none of it.
    #[serde(default)]
    pub lenient: Vec<Leniency>,
    /// What becomes of `;` and what follows it in a segment of a path: `pass`, or `refuse` where a backend cuts it off,
    /// as servlet containers do. Default: `pass`.
    #[serde(default)]
    pub path_parameters: PathParameters,
    /// What becomes of a field whose name has `_` or `.` and is no spelling of a known name, such as `api_key`:
    /// `distinct`, `drop` or `refuse`. Spellings of known names are always dropped. Default: `distinct`.
    #[serde(default)]
    pub alias_names: AliasNames,
    /// Connections held at once. Beyond it new ones are closed at once. Default: `bounds.connections`.
    pub connections: Option<u32>,
}

/// A protocol spoken to clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// HTTP/1.1 and HTTP/1.0.
    Http1,
    /// HTTP/2.
    Http2,
}

/// The field in which trusted proxies name the client.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum ForwardedField {
    /// `X-Forwarded-For`.
    #[default]
    #[serde(rename = "x-forwarded-for")]
    XForwardedFor,
    /// `Forwarded` (RFC 7239).
    #[serde(rename = "forwarded")]
    Forwarded,
}

/// Whether connections begin with a PROXY protocol header.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProxyProtocol {
    /// They do not, and one that does is refused.
    #[default]
    Off,
    /// They do, and one that does not is refused.
    Require,
}

/// Something that is refused unless a listener says otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Leniency {
    /// Empty segments in paths, but at the beginning: `/a//b`. For backends that do not merge slashes.
    EmptySegments,
    /// Escaped slashes in paths: `/projects/group%2Fname`. They stay escaped and separate nothing. For backends that keep
    /// them so.
    EncodedSlashes,
    /// Escapes in paths that are no UTF-8: `/caf%E9`.
    PathsNotUtf8,
    /// A percent sign in a query without two digits behind it: `?q=100%`.
    StrayPercent,
    /// HTTP/1.0 requests without `Host`, which only APIs without `hosts` take.
    Http10WithoutHost,
}

/// What becomes of parameters in segments of a path.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PathParameters {
    /// They are part of the segment.
    #[default]
    Pass,
    /// The request is refused.
    Refuse,
}

/// What becomes of a field name that some backends read as another name.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AliasNames {
    /// The field passes, unless another of the request has the same name in another spelling.
    #[default]
    Distinct,
    /// The field is dropped.
    Drop,
    /// The request is refused.
    Refuse,
}

impl Leniency {
    /// What it takes away, as a sentence after its name.
    pub fn loosens(self) -> &'static str {
        match self {
            Self::EmptySegments => {
                "lets paths through that a backend which merges slashes reads as others; behind this listener none may"
            }
            Self::EncodedSlashes => {
                "lets paths through that a backend which decodes first reads as others; behind this listener none may"
            }
            Self::PathsNotUtf8 => "lets paths through that backends read by character sets of their own",
            Self::StrayPercent => "lets queries through that backends decode in different ways",
            Self::Http10WithoutHost => "lets requests through that do not say which host they are for",
        }
    }
}

/// TLS of a listener.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListenerTls {
    /// Certificates, chosen by the name the client asks for; the first serves clients that name none. Reloaded when
    /// their files change.
    pub certificates: Vec<ServerCertificate>,
    /// Oldest version accepted: `"1.2"` or `"1.3"`. Default: `"1.2"`.
    #[serde(default)]
    pub min_version: TlsVersion,
    /// Whether clients are asked for a certificate. Default: they are not.
    pub client_certificates: Option<ClientCertificates>,
    /// What differs for one host name (exact, or `*.example.com`).
    #[serde(default)]
    pub hosts: IndexMap<String, HostTls>,
}

/// What differs for one host name of a listener.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HostTls {
    /// Whether clients that ask for this host are asked for a certificate. Replaces the listener's as a whole.
    pub client_certificates: ClientCertificates,
}

/// A certificate of a listener: `cert` and `key` from files, or `acme`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServerCertificate {
    /// The chain in PEM, leaf first: `"${file:tls/api.crt}"`.
    pub cert: Option<String>,
    /// The private key in PEM (PKCS#8, PKCS#1 or SEC1): `"${file:tls/api.key}"`.
    pub key: Option<Secret>,
    /// The authority that gives the certificate while the gateway runs. Until the first one is there, handshakes for its
    /// names are refused.
    pub acme: Option<Acme>,
}

/// A certificate with its key.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Certificate {
    /// The chain in PEM, leaf first: `"${file:tls/api.crt}"`.
    pub cert: String,
    /// The private key in PEM (PKCS#8, PKCS#1 or SEC1): `"${file:tls/api.key}"`.
    pub key: Secret,
}

/// A TLS version.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
pub enum TlsVersion {
    /// TLS 1.2.
    #[default]
    #[serde(rename = "1.2")]
    Tls12,
    /// TLS 1.3.
    #[serde(rename = "1.3")]
    Tls13,
}

/// Whether and how clients prove themselves at the handshake.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClientCertificates {
    /// `off`, `request` (asked for; a client without one goes on) or `require` (a client without one is refused at the
    /// handshake).
    pub mode: ClientCertificateMode,
    /// Certificates of the authorities whose clients are accepted, in PEM: `"${file:tls/clients-ca.pem}"`. Needed
    /// unless the mode is `off`.
    pub ca: Option<String>,
    /// Revocation lists of those authorities, in PEM. With one, every certificate of a chain must be covered by a list
    /// and not be on it. Reloaded when their files change.
    #[serde(default)]
    pub crl: Vec<String>,
}

/// Whether clients are asked for a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ClientCertificateMode {
    /// They are not.
    Off,
    /// They are, and may have none.
    Request,
    /// They are, and must have one.
    Require,
}

impl Listener {
    /// The protocols it speaks, defaults applied.
    pub fn protocols(&self) -> &[Protocol] {
        match (&self.protocols, &self.tls) {
            (Some(protocols), _) => protocols,
            (None, Some(_)) => &[Protocol::Http2, Protocol::Http1],
            (None, None) => &[Protocol::Http1],
        }
    }

    /// The field that names the client, if any is read.
    pub fn forwarded(&self) -> Option<ForwardedField> {
        (!self.trusted_proxies.is_empty()).then(|| self.forwarded.unwrap_or_default())
    }
}
