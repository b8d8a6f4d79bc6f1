//! A backend as the snapshot compiled it: its targets, whose turn it is, and what a connection to each needs.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::schedule::Schedule;
use super::spec::{AnswerBounds, BackendSpec, Protocol, TargetSpec};
use super::tls::{self, Tls, TlsError};

/// A named set of targets. Outlives a snapshot: equal specs share one.
#[derive(Debug)]
pub struct Backend {
    spec: BackendSpec,
    targets: Vec<Arc<Target>>,
    schedule: Schedule,
}

/// One address of a backend, shared by all cores.
#[derive(Debug)]
pub(super) struct Target {
    /// Never used again, so that no pool confuses two targets.
    pub(super) id: u64,
    /// Its URL, as records name it.
    pub(super) name: Arc<str>,
    /// What `Host` says toward it.
    pub(super) authority: String,
    /// Put in front of every path.
    pub(super) path: String,
    pub(super) address: Address,
    pub(super) port: u16,
    pub(super) speaks: Speaks,
    /// Whether the last handshake that offered both agreed on HTTP/1.1.
    agreed_http1: AtomicBool,
    /// `None` on cleartext.
    pub(super) tls: Option<Tls>,
    /// Idle connections each core keeps.
    pub(super) idle_max: usize,
    /// What the head of an answer may cost.
    pub(super) answers: AnswerBounds,
}

/// Which versions of HTTP a target is spoken to in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Speaks {
    Http1,
    Http2,
    /// What the TLS handshake agrees on.
    Either,
}

/// Where a target is.
#[derive(Debug)]
pub(super) enum Address {
    /// Written as an address.
    Literal(SocketAddr),
    /// A name, resolved for each connection.
    Name(String),
}

/// Why a spec makes no backend.
#[derive(Debug, thiserror::Error)]
pub enum BackendError {
    /// No target ever has its turn.
    #[error("no target has a weight above 0")]
    NoTarget,
    /// No handshake could ever succeed.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

static NEXT_ID: AtomicU64 = AtomicU64::new(0);

impl Backend {
    /// Compiles `spec`, with idle connections shared out among `cores`.
    ///
    /// # Errors
    /// Settings that hold no target or ask for what is not there.
    pub fn new(spec: BackendSpec, cores: usize) -> Result<Self, BackendError> {
        let tls = match spec.targets.iter().any(|target| target.is_tls) {
            true => Some(tls::configs(&spec.tls)?),
            false => None,
        };
        let weights: Vec<u16> = spec.targets.iter().map(|target| target.weight).collect();
        let schedule = Schedule::new(&weights).ok_or(BackendError::NoTarget)?;
        let idle_max = spec.pool.idle_connections.div_ceil(cores.max(1));
        let mut targets = Vec::new();
        for target in &spec.targets {
            let tls = match (&tls, target.is_tls) {
                (Some(configs), true) => {
                    let name = tls::server_name(&spec.tls, &target.host)?;
                    Some(Tls { configs: configs.clone(), name })
                }
                _ => None,
            };
            targets.push(Arc::new(Target::new(target, tls, spec.protocol, idle_max, spec.answers)));
        }
        Ok(Self { spec, targets, schedule })
    }

    /// What it was made of.
    pub fn spec(&self) -> &BackendSpec {
        &self.spec
    }

    /// The target whose turn it is.
    pub(super) fn target(&self) -> Option<&Arc<Target>> {
        self.targets.get(self.schedule.next())
    }
}

impl Target {
    pub(super) fn new(
        spec: &TargetSpec,
        tls: Option<Tls>,
        protocol: Protocol,
        idle_max: usize,
        answers: AnswerBounds,
    ) -> Self {
        let speaks = match protocol {
            Protocol::Http2 => Speaks::Http2,
            Protocol::Auto if tls.is_some() => Speaks::Either,
            Protocol::Auto | Protocol::Http1 => Speaks::Http1,
        };
        let address = match spec.host.parse::<IpAddr>() {
            Ok(ip) => Address::Literal(SocketAddr::new(ip, spec.port)),
            Err(_) => Address::Name(spec.host.clone()),
        };
        Self {
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
            name: spec.url().into(),
            authority: spec.authority(),
            path: spec.path.clone(),
            address,
            port: spec.port,
            speaks,
            agreed_http1: AtomicBool::new(false),
            tls,
            idle_max,
            answers,
        }
    }

    /// Whether a handshake that offers both will likely agree on HTTP/1.1.
    pub(super) fn is_known_http1(&self) -> bool {
        self.agreed_http1.load(Ordering::Relaxed)
    }

    /// Remembers what a handshake agreed on.
    pub(super) fn know(&self, is_http2: bool) {
        self.agreed_http1.store(!is_http2, Ordering::Relaxed);
    }
}
