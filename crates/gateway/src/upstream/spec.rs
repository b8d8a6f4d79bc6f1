//! What a backend is made of: the settings, resolved, without a trace of how they were written.
//!
//! Equal settings are an equal spec, so that a backend whose settings did not change outlives a reload with its
//! pools and counters.

use std::net::IpAddr;
use std::time::Duration;

use crate::secret::Secret;

/// One backend: a named set of targets that answer alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackendSpec {
    /// Its name in configuration, records and metric labels.
    pub name: String,
    /// Where it can be reached; never empty.
    pub targets: Vec<TargetSpec>,
    /// The wire spoken to it.
    pub protocol: Protocol,
    /// How the next target is chosen.
    pub balance: Balance,
    /// When a failing target is left out for a while.
    pub eject: EjectSpec,
    /// When a request is sent again.
    pub retries: RetrySpec,
    /// When the backend as a whole is left alone for a while; `None`: never.
    pub breaker: Option<BreakerSpec>,
    /// How many exchanges it has under way at once; `None`: as many as come.
    pub concurrency: Option<ConcurrencySpec>,
    /// How long it may keep us waiting.
    pub timeouts: Timeouts,
    /// How it is asked whether it is well, if it is.
    pub health: Option<HealthSpec>,
    /// The local address of connections to it; `None`: the system chooses.
    pub source: Option<IpAddr>,
    /// TLS settings of its `https` targets.
    pub tls: TlsSpec,
    /// How many idle connections are kept, and for how long.
    pub pool: PoolSpec,
    /// What the head of an answer may cost.
    pub answers: AnswerBounds,
}

/// One address of a backend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetSpec {
    /// Whether TLS is spoken.
    pub is_tls: bool,
    /// Host name or address literal; IPv6 without brackets.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Path put in front of every request's path; empty, or begins with `/` and does not end with one.
    pub path: String,
    /// Its share of the requests, relative to its neighbours; 0 gets none.
    pub weight: u16,
}

/// The wire spoken to a backend.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// What the TLS handshake agrees on; HTTP/1.1 on cleartext.
    #[default]
    Auto,
    /// HTTP/1.1.
    Http1,
    /// HTTP/2, on cleartext by prior knowledge.
    Http2,
}

/// How the next target is chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Balance {
    /// One after the other, by weight.
    #[default]
    RoundRobin,
    /// The one with the fewest exchanges under way, by weight.
    LeastRequests,
    /// The one that answers soonest, by weight.
    PeakEwma,
    /// The same one for the same caller.
    Hash,
}

impl Balance {
    /// Whether each choice looks at how many exchanges every target has under way.
    pub(super) fn is_by_requests(self) -> bool {
        match self {
            Self::LeastRequests | Self::PeakEwma => true,
            Self::RoundRobin | Self::Hash => false,
        }
    }
}

/// When a failing target is left out for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EjectSpec {
    /// Failures in a row after which it is left out; 0: never.
    pub failures: u32,
    /// For how long at first.
    pub time: Duration,
    /// For how long at most, doubling each time.
    pub time_max: Duration,
    /// How long its share grows when it was let in again.
    pub slow_start: Duration,
}

/// When a request is sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetrySpec {
    /// Most repetitions of one request.
    pub max: u8,
    /// Repetitions that one request earns the backend, in hundredths of a percent.
    pub budget: u32,
}

/// When a backend as a whole is left alone for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakerSpec {
    /// The share of exchanges that fail, in hundredths of a percent.
    pub failures: u32,
    /// For how long.
    pub time: Duration,
    /// Exchanges without which a share says nothing.
    pub requests: u32,
}

/// How many exchanges a backend has under way at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConcurrencySpec {
    /// Most exchanges.
    pub max: u32,
    /// Most that wait.
    pub queue: u32,
    /// How long one waits.
    pub wait: Duration,
}

/// How each target is asked whether it is well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthSpec {
    /// What is asked for, behind the target's own path.
    pub path: String,
    /// Time between two checks.
    pub interval: Duration,
    /// How long one check may take.
    pub timeout: Duration,
    /// Good checks in a row that let a target in.
    pub healthy: u32,
    /// Failed checks in a row that leave it out.
    pub unhealthy: u32,
    /// Statuses that are good; none: any 2xx.
    pub status: Vec<u16>,
}

/// How long a backend may keep us waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// Until a connection stands, name resolution and TLS handshake included. Default: 3 s.
    pub connect: Duration,
    /// From the last byte of the request the backend took to the head of its answer. Time in which the client is
    /// the slow one does not count. Default: 30 s.
    pub response: Duration,
    /// Between two pieces of an answer's body; not for an operation declared `stream`. Default: 30 s.
    pub idle: Duration,
    /// For the whole exchange, from its forwarding to the end of the answer; not for an operation declared
    /// `stream`. Default: none, for `idle` bounds every wait.
    pub total: Option<Duration>,
}

/// What is kept of a backend between two requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolSpec {
    /// Idle connections kept per target by the whole process; each core keeps its share. Default: 1,024.
    pub idle_connections: usize,
    /// How long an idle connection is kept. Default: 30 s, or a second less than the backend's own
    /// `Keep-Alive: timeout`.
    pub idle_for: Duration,
}

/// What the head of an answer may cost. Beyond any of it: 502.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AnswerBounds {
    /// Bytes of one head.
    pub head: u32,
    /// Fields of one head.
    pub fields: u32,
    /// Interim answers before the final one.
    pub interim: u32,
}

/// How a backend proves who it is, and how we prove who we are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsSpec {
    /// Authorities that may vouch for the backend, in PEM; `None`: those the system trusts.
    pub ca: Option<String>,
    /// The name the certificate must bear and that is sent as SNI; `None`: the target's host.
    pub server_name: Option<String>,
    /// What we present when asked.
    pub client: Option<ClientCertificate>,
}

/// A client certificate with its key.
#[derive(Clone, Debug)]
pub struct ClientCertificate {
    /// The chain in PEM, leaf first.
    pub chain: String,
    /// The private key in PEM: PKCS #8, PKCS #1 or SEC 1.
    pub key: Secret,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(3),
            response: Duration::from_secs(30),
            idle: Duration::from_secs(30),
            total: None,
        }
    }
}

impl Default for EjectSpec {
    fn default() -> Self {
        Self {
            failures: 5,
            time: Duration::from_secs(5),
            time_max: Duration::from_secs(60),
            slow_start: Duration::from_secs(10),
        }
    }
}

impl Default for RetrySpec {
    fn default() -> Self {
        Self { max: 1, budget: 1_000 }
    }
}

impl Default for AnswerBounds {
    fn default() -> Self {
        Self { head: 64 * 1024, fields: 200, interim: 8 }
    }
}

impl Default for PoolSpec {
    fn default() -> Self {
        Self { idle_connections: 1024, idle_for: Duration::from_secs(30) }
    }
}

impl BackendSpec {
    /// Whether its targets are reached, chosen and judged as those of `other`, so that they can be the same.
    pub(super) fn has_targets_of(&self, other: &Self) -> bool {
        let rules = (other.retries, other.breaker, other.concurrency);
        let (retries, breaker, concurrency) = rules;
        Self { retries, breaker, concurrency, ..self.clone() } == *other
    }
}

impl TargetSpec {
    /// The authority as `Host` names it: brackets around IPv6, the scheme's own port left out.
    pub fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        match (self.is_tls, self.port) {
            (true, 443) | (false, 80) => host,
            (_, port) => format!("{host}:{port}"),
        }
    }

    /// The target as records name it.
    pub fn url(&self) -> String {
        let scheme = if self.is_tls { "https" } else { "http" };
        format!("{scheme}://{}{}", self.authority(), self.path)
    }
}

// Two specs are compared at a reload, by us alone, and both keys are ours: nothing is learnt from how long it takes.
impl PartialEq for ClientCertificate {
    fn eq(&self, other: &Self) -> bool {
        self.chain == other.chain && self.key.expose() == other.key.expose()
    }
}

impl Eq for ClientCertificate {}
