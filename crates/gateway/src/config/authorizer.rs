//! Authorizers: services of the operator's that decide, about each request, whether it may go on.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;

use super::controls::OnError;
use super::settings::ForwardedFields;
use super::values::{Duration, Url};
use crate::secret::Secret;

/// A service that is asked about each request of the operations that name it, before a byte of the body is read. The body
/// is not sent to it. Exactly one of `http` and `grpc`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Authorizer {
    /// URL of a service that is asked by HTTP, as Envoy asks its `http_service`: with the request's own method and host, and
    /// the request's path and query behind the URL's path. 200 lets the request pass; 300 to 499 is the answer its caller gets.
    pub http: Option<Url>,
    /// URL of a service that speaks Envoy's protocol, `envoy.service.auth.v3.Authorization`: `https`, or `http` for HTTP/2
    /// without TLS.
    pub grpc: Option<Url>,
    /// `true`: it may be asked over plain `http` at an address other than this machine's own. Default: `false`.
    #[serde(default)]
    pub cleartext: bool,
    /// Certificates in PEM of who may vouch for it, best written as `${file:path}`. Default: the system's.
    pub ca: Option<String>,
    /// How long a request waits for its whole answer, from `1ms` to `60s`. Default: `200ms`.
    pub timeout: Option<Duration>,
    /// Most questions at once. Beyond them a request is answered 503, whatever `on_error` says. Default: 256.
    pub calls: Option<u32>,
    /// What becomes of a request when it does not answer: `deny` (503) or `allow`. It does not answer when it cannot be
    /// reached, is late, or says 500 to 599, and in gRPC any status but OK. An answer that is not understood never lets a
    /// request pass. Default: `deny`.
    #[serde(default)]
    pub on_error: OnError,
    /// Names of request fields that it is told, or `any` for all. Default: none.
    pub fields: Option<ForwardedFields>,
    /// `true`: it is told the caller's credential, too, where `fields` name its field or it stands in the query. Default:
    /// `false`, it is taken out of both.
    #[serde(default)]
    pub credential: bool,
    /// What it is told besides, by name: fields over HTTP, `context_extensions` over gRPC.
    #[serde(default)]
    pub context: IndexMap<String, Secret>,
    /// Names of fields that it may say to the backend when it lets a request pass. Nobody else says them: a client's own are
    /// taken out. Default: none.
    #[serde(default)]
    pub to_backend: Vec<String>,
    /// Names of fields that it may add to the backend's answer when it lets a request pass. Default: none.
    #[serde(default)]
    pub with_answer: Vec<String>,
    /// Names of fields that it may say to the client when it refuses a request, beside `content-type`, `location`,
    /// `retry-after` and `www-authenticate`. Default: none.
    #[serde(default)]
    pub to_client: Vec<String>,
}

impl Authorizer {
    /// Where it is.
    pub fn url(&self) -> Option<&Url> {
        self.http.as_ref().or(self.grpc.as_ref())
    }
}
