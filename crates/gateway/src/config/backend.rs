//! Backends: the services behind the gateway and how it reaches them.

use std::time;

use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::Deserializer;

use super::credentials::BackendCredentials;
use super::listener::Certificate;
use super::values::{Address, Duration, NameServer, Percent, Url, text_or_mapping};
use crate::bounds::Bounds;
use crate::dns;

/// A named set of targets that serve the same.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Backend {
    /// Where it is: URLs such as `http://10.0.0.5:8080`, or `{ url: …, weight: 2 }`. A path in the URL is put in front
    /// of the request's path. `https` asks for TLS.
    pub targets: Vec<Target>,
    /// HTTP version spoken to it: `auto` (HTTP/2 where TLS agrees on it, else HTTP/1.1), `http1`, or `http2` (by ALPN
    /// over TLS, by prior knowledge without). Default: `auto`.
    #[serde(default)]
    pub protocol: BackendProtocol,
    /// How the next target is chosen: `round_robin`, `least_requests`, `peak_ewma` or `hash`, each by weight. A target that
    /// accepts no connection is passed over at once. Default: `round_robin`.
    #[serde(default)]
    pub balance: Balance,
    /// How long it may take. Each has a default.
    #[serde(default)]
    pub timeout: BackendTimeout,
    /// TLS toward `https` targets. Default: the system's authorities, the URL's host name, no client certificate.
    pub tls: Option<BackendTls>,
    /// Active health checks: each target is asked now and then, by the process as a whole, whether it is well. Default:
    /// none.
    pub health: Option<Health>,
    /// What this backend needs from us to know who is calling.
    pub credentials: Option<BackendCredentials>,
    /// Local address connections are made from, health checks included; of the family of every target that is written
    /// as an address. Default: the system chooses.
    pub source: Option<Address>,
    /// When a request is sent again. Each key has a default; it is on without being mentioned.
    #[serde(default)]
    pub retries: Retries,
    /// When a failing target is left out for a while. Each key has a default; it is on without being mentioned.
    #[serde(default)]
    pub eject: Eject,
    /// When the backend as a whole is left alone for a while. Default: never.
    pub breaker: Option<Breaker>,
    /// How many requests it has under way at once, and how many wait. Default: as many as come.
    pub concurrency: Option<Concurrency>,
}

/// One address of a backend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Where it is.
    pub url: Url,
    /// Its share of the requests, relative to the others.
    pub weight: u16,
}

/// The long form of a target.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct TargetSettings {
    /// Where it is, such as `http://10.0.0.5:8080`.
    url: Url,
    /// Its share of the requests, relative to the other targets, from 1. Default: 1.
    weight: Option<u16>,
}

impl From<TargetSettings> for Target {
    fn from(settings: TargetSettings) -> Self {
        Self { url: settings.url, weight: settings.weight.unwrap_or(1) }
    }
}

impl<'de> Deserialize<'de> for Target {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use super::values::Written;
        text_or_mapping::<D, Self, TargetSettings>(
            deserializer,
            "a URL such as http://10.0.0.5:8080, or a mapping with `url` and `weight`",
            |text| Url::read(text).map(|url| Self { url, weight: 1 }),
        )
    }
}

impl JsonSchema for Target {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Target".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let text = generator.subschema_for::<Url>();
        let mapping = TargetSettings::json_schema(generator);
        schemars::json_schema!({ "description": "One address of a backend.", "oneOf": [text, mapping] })
    }
}

/// HTTP version spoken to a backend.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BackendProtocol {
    /// HTTP/2 where TLS agrees on it, else HTTP/1.1.
    #[default]
    Auto,
    /// HTTP/1.1.
    Http1,
    /// HTTP/2: by ALPN over TLS, by prior knowledge without.
    Http2,
}

/// How the next target is chosen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Balance {
    /// One after the other, by weight.
    #[default]
    RoundRobin,
    /// The one with the fewest requests in flight, by weight. One that takes over three times as long as the fastest is
    /// asked only now and then.
    LeastRequests,
    /// The one that answers soonest, by a moving average of its latency that rises at once, times its requests in
    /// flight.
    PeakEwma,
    /// The same one for the same caller: the consumer, or the client's address where nobody is proven. A target that
    /// comes or goes moves its own callers only.
    Hash,
}

/// How long a backend may take.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BackendTimeout {
    /// Until a connection stands, TLS included. Beyond it: the next target, then 504. Default: `3s`.
    pub connect: Duration,
    /// From the end of the request to the head of the response. Beyond it: 504. Default: `30s`.
    pub response: Duration,
    /// Without a byte in either direction once the response has begun. Beyond it: the exchange is aborted. Default:
    /// `60s`.
    pub idle: Duration,
    /// For the whole exchange, but for operations that declare `stream`. Beyond it: 504, or an abort once the response
    /// has begun. Default: `1h`.
    pub total: Duration,
}

impl Default for BackendTimeout {
    fn default() -> Self {
        let seconds = |seconds| Duration::from(time::Duration::from_secs(seconds));
        Self { connect: seconds(3), response: seconds(30), idle: seconds(60), total: seconds(3_600) }
    }
}

/// TLS toward a backend.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BackendTls {
    /// Certificates of the authorities that vouch for it, in PEM: `"${file:tls/backend-ca.pem}"`. Default: the system's.
    pub ca: Option<String>,
    /// Name asked for and expected in its certificate. Default: the host of the target's URL.
    pub server_name: Option<String>,
    /// Certificate the gateway proves itself with. Default: none.
    pub client_certificate: Option<Certificate>,
}

/// Active health checks. A target that fails them is left out until it passes again; where all targets of a backend
/// do, its requests are answered 503. A target that is left out, or failed its last check, is checked every 300 ms
/// where `interval` is longer.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Health {
    /// Path asked for with GET, behind the path of the target's URL.
    pub path: String,
    /// Time between two checks of a target, give or take a tenth. Default: `5s`.
    #[serde(default = "five_seconds")]
    pub interval: Duration,
    /// How long one check may take, connecting included. Default: `1s`.
    #[serde(default = "one_second")]
    pub timeout: Duration,
    /// Good checks in a row after which a target is asked again that was left out. Default: `2`.
    #[serde(default = "two")]
    pub healthy: u32,
    /// Failed checks in a row after which a target is left out; before its first good one, one is enough. Default: `3`.
    #[serde(default = "three")]
    pub unhealthy: u32,
    /// Statuses that are good, such as `[200, 401]`; redirects are not followed. Default: any 2xx.
    #[serde(default)]
    pub status: Vec<u16>,
}

fn five_seconds() -> Duration {
    time::Duration::from_secs(5).into()
}

fn one_second() -> Duration {
    time::Duration::from_secs(1).into()
}

fn two() -> u32 {
    2
}

fn three() -> u32 {
    3
}

/// How names of backends are resolved.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Dns {
    /// Servers that are asked, one after the other: addresses such as `10.0.0.2` or `10.0.0.2:5353`. Names are then
    /// asked as they are written, without search domains. Default: those of `/etc/resolv.conf`, with its `search` and
    /// `ndots`. `/etc/hosts` comes first either way.
    pub servers: Vec<NameServer>,
    /// How long one server may take for one question; each is asked twice. Default: `2s`.
    pub timeout: Duration,
}

impl Dns {
    /// What a resolver goes by.
    pub fn settings(&self, bounds: &Bounds) -> dns::Settings {
        dns::Settings {
            servers: self.servers.iter().map(|server| server.0).collect(),
            timeout: self.timeout.get(),
            ttl_min: bounds.dns_ttl_min,
            ttl_max: bounds.dns_ttl_max,
        }
    }
}

impl Default for Dns {
    fn default() -> Self {
        Self { servers: Vec::new(), timeout: time::Duration::from_secs(2).into() }
    }
}

/// When a request is sent again. What no target has looked at goes to the next one at once, whatever stands here. What a
/// target may have heard is repeated for GET, HEAD, OPTIONS, PUT and DELETE with a body that is still here from its start,
/// while the client has seen nothing of an answer: when the connection broke, no answer came in time, or the answer is
/// 502, 503 or 504 without `Retry-After`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Retries {
    /// Most repetitions of one request. `0`: none. Default: `1`.
    pub max: u8,
    /// Most repetitions as a share of all requests of the backend. One a second more is allowed, and ten can be saved
    /// up. Default: `10%`.
    pub budget: Percent,
}

impl Default for Retries {
    fn default() -> Self {
        Self { max: 1, budget: Percent::of_hundred(10) }
    }
}

/// When a failing target is left out for a while. A failure is no answer, no answer in time, a malformed
/// answer, one that breaks off, or one of 500, 502, 503, 504. When every target is left out, every target is asked.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Eject {
    /// Failures in a row after which it is left out; after that, one is enough on its return. `0`: never. Default: `5`.
    pub failures: u32,
    /// How long it is left out at first; twice as long each time it fails on its return. Default: `5s`.
    pub time: Duration,
    /// How long it is left out at most. Default: `60s`.
    pub time_max: Duration,
    /// How long its share of the requests grows after its return. Default: `10s`.
    pub slow_start: Duration,
}

impl Default for Eject {
    fn default() -> Self {
        let seconds = |seconds| Duration::from(time::Duration::from_secs(seconds));
        Self { failures: 5, time: seconds(5), time_max: seconds(60), slow_start: seconds(10) }
    }
}

/// When a backend as a whole is left alone for a while: requests get 503 with `Retry-After` at once and nothing is sent.
/// After that a few are let through; three answers in a row end it, one failure begins it anew. A failure is what `eject`
/// counts as one, by what came of the request in the end, up to the head of its answer.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Breaker {
    /// Share of failures, of the requests that ended within ten seconds, at which it is left alone. Default: `50%`.
    pub failures: Percent,
    /// How long it is left alone. Default: `5s`.
    pub time: Duration,
    /// Requests within ten seconds without which a share says nothing. Default: `20`.
    pub requests: u32,
}

impl Default for Breaker {
    fn default() -> Self {
        let time = Duration::from(time::Duration::from_secs(5));
        Self { failures: Percent::of_hundred(50), time, requests: 20 }
    }
}

/// How many requests a backend has under way at once, over all its targets, and how many wait for a place. A place is
/// kept until the last byte of the response has been sent. Beyond it: 503 with `Retry-After`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Concurrency {
    /// Most requests under way.
    pub max: u32,
    /// Most requests waiting for a place. `0`: none waits. Default: `100`.
    #[serde(default = "queue")]
    pub queue: u32,
    /// Longest wait for a place. Default: `1s`.
    #[serde(default = "wait")]
    pub wait: Duration,
}

fn queue() -> u32 {
    100
}

fn wait() -> Duration {
    time::Duration::from_secs(1).into()
}
