//! Every certificate and revocation list that the gateway presents or trusts, and who watches their ends.
//!
//! What the configuration names is found wherever it stands: any text of it that holds a certificate in PEM is one that is
//! used, so a control that is built later needs no entry here. What is obtained while the gateway runs is told by whoever
//! obtains it ([`Certificates::obtained`]). Authorities that the system trusts are the system's to watch.
//!
//! An incident tells of an end some time before ([`Certificate::stage`]): once for each of the times the configuration
//! names, once when it has come, and again after a restart. A time longer than half of what the certificate lives counts
//! for nothing: one that is renewed each week is not told of all the time.
//!
//! # Limits
//! As many as the configuration holds, whose size is bounded; [`SERIES_MAX`] of them are in the metric.

mod find;

pub use find::in_configuration;

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use portcullis_identity::sha256::Digest;
use serde::{Serialize, Serializer};

use crate::callers::Known;
use crate::chores::Chores;
use crate::clock;
use crate::observe::{CertificateEnd, Incident, Observe, timestamp};
use crate::problem::Severity;

/// Series of the metric; the ones that end first are told.
pub const SERIES_MAX: usize = 1_000;
/// How often it is looked what time it is.
const LOOK_EVERY: Duration = Duration::from_secs(60);
const DAY_SECONDS: u64 = 86_400;

/// A certificate or revocation list that is used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Certificate {
    /// What it is used for.
    pub role: Role,
    /// Where the configuration names it.
    pub place: Arc<str>,
    /// Which one it is there, from 0: of a chain the leaf is the first.
    pub position: usize,
    /// The whole subject, as RFC 4514 spells it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// The names it bears.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
    /// Who made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// Its number at who made it, in hexadecimal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
    /// SHA-256 of its DER form.
    #[serde(serialize_with = "as_text")]
    pub sha256: Digest,
    /// The consumer whose key must be presented with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consumer: Option<Arc<str>>,
    /// That key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credential: Option<Arc<str>>,
    /// When it begins to count, since 1970; of one that is known by its digest alone, nobody knows.
    #[serde(rename = "not_before", serialize_with = "as_time", skip_serializing_if = "Option::is_none")]
    pub begins: Option<Duration>,
    /// When it ends: of a revocation list, when the next one is due.
    #[serde(rename = "not_after", serialize_with = "as_time", skip_serializing_if = "Option::is_none")]
    pub ends: Option<Duration>,
}

/// What a certificate is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Presented to clients.
    Server,
    /// Presented to backends and authorization servers.
    Client,
    /// Vouches for clients.
    ClientAuthority,
    /// Vouches for backends, issuers and other servers.
    ServerAuthority,
    /// Takes certificates of clients back.
    RevocationList,
    /// A client's own, which a key is bound to.
    Consumer,
}

impl Role {
    /// The word in answers, metrics and records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Client => "client",
            Self::ClientAuthority => "client_authority",
            Self::ServerAuthority => "server_authority",
            Self::RevocationList => "revocation_list",
            Self::Consumer => "consumer",
        }
    }
}

/// How near an end is: the shortest of the times before it that has begun; zero once it has come.
type Stage = Duration;

impl Certificate {
    /// The one that a consumer's key must be presented with, if it must.
    pub fn of_consumer(known: &Known) -> Option<Self> {
        let consumer = Arc::clone(&known.proof().consumer.name);
        Some(Self {
            role: Role::Consumer,
            place: format!("consumers.{consumer}").into(),
            position: 0,
            subject: None,
            names: Vec::new(),
            issuer: None,
            serial: None,
            sha256: *known.certificate()?,
            consumer: Some(consumer),
            credential: Some(Arc::clone(&known.proof().credential)),
            begins: None,
            ends: None,
        })
    }

    /// How near its end is, if one of `notice` has begun.
    fn stage(&self, notice: &[Duration], now: Duration) -> Option<Stage> {
        let ends = self.ends?;
        let left = ends.saturating_sub(now);
        if left.is_zero() {
            return Some(Duration::ZERO);
        }
        let lives = ends.saturating_sub(self.begins.unwrap_or_default());
        let counts = |time: &&Duration| time.saturating_mul(2) <= lives && left <= **time;
        notice.iter().filter(counts).min().copied()
    }

    /// Whole days until its end; below zero when that has passed.
    pub fn days_left(&self, now: Duration) -> Option<i64> {
        let ends = self.ends?.as_secs();
        let days = |seconds: u64| i64::try_from(seconds / DAY_SECONDS).unwrap_or(i64::MAX);
        Some(match ends.checked_sub(now.as_secs()) {
            Some(left) => days(left),
            // A day that has begun counts.
            None => days(now.as_secs().saturating_sub(ends)).saturating_add(1).saturating_neg(),
        })
    }

    /// The name it is known by.
    pub fn name(&self) -> &str {
        let subject = || self.subject.as_deref().or(self.issuer.as_deref());
        self.names.first().map(String::as_str).or_else(subject).unwrap_or("unnamed")
    }
}

/// One line about it.
impl fmt::Display for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.role {
            Role::RevocationList => "revocation list of",
            Role::Server => "server certificate",
            Role::Client => "client certificate",
            Role::ClientAuthority => "authority of clients",
            Role::ServerAuthority => "authority of servers",
            Role::Consumer => "consumer's certificate",
        };
        write!(f, "{what} {} at {}", self.name(), self.place)
    }
}

/// All of them, and what was told of their ends.
#[derive(Debug, Default)]
pub struct Certificates(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    configured: Vec<Certificate>,
    /// By the place that asked for them.
    obtained: BTreeMap<Arc<str>, Vec<Certificate>>,
    notice: Vec<Duration>,
    /// The latest stage that was told of, by place and digest.
    told: HashMap<(Arc<str>, Digest), Stage>,
    is_begun: bool,
    observe: Option<Observe>,
}

impl Certificates {
    /// These are in the configuration from now on. Their ends are told of to `observe` for `notice` before.
    pub fn configure(
        self: &Arc<Self>,
        configured: Vec<Certificate>,
        notice: Vec<Duration>,
        chores: &Chores,
        observe: &Observe,
    ) {
        let is_begun = {
            let mut inner = self.inner();
            inner.configured = configured;
            inner.notice = notice;
            inner.observe = Some(observe.clone());
            std::mem::replace(&mut inner.is_begun, true)
        };
        self.look(clock::wall());
        if !is_begun {
            let watched = Arc::downgrade(self);
            chores.spawn(async move {
                loop {
                    tokio::time::sleep(LOOK_EVERY).await;
                    let Some(certificates) = watched.upgrade() else { return };
                    certificates.look(clock::wall());
                }
            });
        }
    }

    /// What was obtained for `place`, a path of the configuration, in place of what was there before: a chain in PEM, the
    /// leaf first; an empty text: nothing any more.
    pub fn obtained(&self, place: &str, pem: &str) {
        let place: Arc<str> = place.into();
        let found = find::read(pem, Role::Server, &place);
        let mut inner = self.inner();
        match found.is_empty() {
            true => inner.obtained.remove(&place),
            false => inner.obtained.insert(place, found),
        };
        drop(inner);
        self.look(clock::wall());
    }

    /// These were obtained, and no others: a place and a chain each.
    pub fn obtained_are(&self, all: impl Iterator<Item = (Arc<str>, Arc<str>)>) {
        let read = |(place, pem): (Arc<str>, Arc<str>)| {
            let found = find::read(&pem, Role::Server, &place);
            (!found.is_empty()).then_some((place, found))
        };
        let obtained = all.filter_map(read).collect();
        self.inner().obtained = obtained;
    }

    /// All of them, those that end first first.
    pub fn all(&self) -> Vec<Certificate> {
        let mut all = self.inner().all();
        sort(&mut all);
        all
    }

    /// Tells what is to be told by now.
    fn look(&self, now: Duration) {
        let mut inner = self.inner();
        let Some(observe) = inner.observe.clone() else { return };
        let all = inner.all();
        let mut told = HashMap::new();
        let mut news = Vec::new();
        for certificate in &all {
            let Some(stage) = certificate.stage(&inner.notice, now) else { continue };
            let key = (Arc::clone(&certificate.place), certificate.sha256);
            let before = inner.told.get(&key).copied();
            if before.is_none_or(|before| stage < before) {
                news.push((certificate, stage));
            }
            told.insert(key, before.map_or(stage, |before| before.min(stage)));
        }
        // What is not used any more is forgotten with it.
        inner.told = told;
        drop(inner);
        for (certificate, stage) in news {
            tell(&observe, certificate, stage, now);
        }
        observe.certificates(series(&all));
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn all(&self) -> Vec<Certificate> {
        self.configured.iter().chain(self.obtained.values().flatten()).cloned().collect()
    }
}

fn sort(all: &mut [Certificate]) {
    all.sort_by_key(|one| (one.ends.unwrap_or(Duration::MAX), Arc::clone(&one.place), one.position));
}

/// One for each place: what stands there ends with the first of it.
fn series(all: &[Certificate]) -> Vec<CertificateEnd> {
    let mut all: Vec<Certificate> = all.iter().filter(|one| one.ends.is_some()).cloned().collect();
    sort(&mut all);
    let mut series: Vec<CertificateEnd> = Vec::new();
    let mut seen = std::collections::HashSet::new();
    for one in all {
        if series.len() < SERIES_MAX && seen.insert(Arc::clone(&one.place)) {
            series.push(CertificateEnd {
                is_list: one.role == Role::RevocationList,
                role: one.role.as_str(),
                name: one.name().to_owned(),
                ends: one.ends.unwrap_or_default(),
                place: one.place,
            });
        }
    }
    series
}

fn tell(observe: &Observe, certificate: &Certificate, stage: Stage, now: Duration) {
    let (is_list, has_ended) = (certificate.role == Role::RevocationList, stage.is_zero());
    let kind = match (is_list, has_ended) {
        (false, false) => "certificate-expires",
        (false, true) => "certificate-expired",
        (true, false) => "revocation-list-expires",
        (true, true) => "revocation-list-expired",
    };
    let severity = if has_ended { Severity::High } else { Severity::Medium };
    let end = certificate.ends.map(timestamp::format).unwrap_or_default();
    let left = match (has_ended, certificate.days_left(now).unwrap_or_default()) {
        (true, _) => "over".to_owned(),
        (false, 0) => "less than a day left".to_owned(),
        (false, days) => format!("{days} days left"),
    };
    let cause = format!("{certificate} ends {end}, {left}");
    observe.incident(&Incident::own(now, kind, severity, &cause));
}

fn as_text<S: Serializer>(value: &Digest, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

#[expect(clippy::ref_option, reason = "serde's calling convention")]
fn as_time<S: Serializer>(wall: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    wall.map(timestamp::format).serialize(serializer)
}

#[cfg(test)]
mod tests;
