//! Server certificates that an authority gives while we run (ACME, RFC 8555), and gives anew before they end.
//!
//! A certificate is ordered on the thread for what no request waits for, one order at a time, and handshakes take what is there
//! ([`Managed`]). It is kept in the state directory with its key, so that a restart orders nothing; it is renewed when two thirds
//! of its lifetime have passed, and the last good one serves whatever becomes of that. Our own small client speaks with the
//! authority: seven requests over [`fetch`](crate::fetch), signed by what signs our tokens.
//!
//! # Limits
//! [`ORDER_MAX`] for an order, `timeout` and 64 KiB for an answer of it, 256 KiB for a chain of at most [`CHAIN_MAX`]
//! certificates. After a failure the next order waits, from [`AWAY_FIRST`] or [`REFUSED_FIRST`], twice as long each time, at most
//! [`AWAY_MAX`] or [`REFUSED_MAX`], give or take a tenth; longer where the authority says so.
//!
//! # Failure
//! Without a certificate handshakes for its names are refused, and nothing else. A state directory that cannot be written to
//! orders nothing: each start would order again. Repeated failures, and an end that comes near, are incidents.
//!
//! # Threats
//! Whoever the authority is, its answers are bounded, read strictly, and lead to the host of its directory alone. What it gives
//! is used if it is for our key and for exactly the names that were asked for. Whoever reads the folder can speak as these
//! names: it is for our user alone.
//!
//! # Several nodes
//! Each node orders for itself, and an authority looks at whichever it reaches: names that lead to several nodes need
//! certificates from files.

mod answers;
mod keeper;
mod keys;
mod order;
mod session;
mod shelf;

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;

use self::shelf::{Kept, Shelf};
use crate::certificates::Certificates;
use crate::chores::Chores;
use crate::clock::{self, Instant};
use crate::config::values::Url;
use crate::config::{AcmeChallenge, AcmeKey};
use crate::dns;
use crate::fetch::{Remote, RemoteError};
use crate::http::tls::Certificate;
use crate::http::tls::managed::Managed;
use crate::observe::{AcmeFacts, Observe, timestamp};
use crate::pipeline::request_id::random;
use crate::problem::Severity;
use crate::secret::Secret;

/// How long an order may take as a whole.
pub const ORDER_MAX: Duration = Duration::from_secs(600);
/// Most certificates of a chain.
pub const CHAIN_MAX: usize = 10;
/// Until it is tried again when the authority could not be asked.
pub const AWAY_FIRST: Duration = Duration::from_secs(5);
/// Most time until then.
pub const AWAY_MAX: Duration = Duration::from_secs(3_600);
/// Until it is tried again when the authority refused: it counts such orders.
pub const REFUSED_FIRST: Duration = Duration::from_secs(300);
/// Most time until then.
pub const REFUSED_MAX: Duration = Duration::from_secs(43_200);
/// Between two good orders there is a fiftieth of the lifetime, at least this.
const APART_MIN: Duration = Duration::from_secs(1);
/// And at most this.
const APART_MAX: Duration = Duration::from_secs(3_600);
/// Clocks of authorities may be that much before ours.
const SKEW: Duration = Duration::from_secs(3_600);

/// What a certificate is ordered by.
#[derive(Debug, Clone)]
pub struct Spec {
    /// The authority's directory.
    pub directory: Url,
    /// The names, in lower case.
    pub names: Vec<Box<str>>,
    /// Whom the authority may write to.
    pub email: Option<Box<str>>,
    /// How names are proven.
    pub challenge: AcmeChallenge,
    /// Kind of the private key.
    pub key: AcmeKey,
    /// The account that ours is bound to.
    pub external: Option<ExternalAccount>,
    /// Who may vouch for the directory, in PEM.
    pub authorities: Option<Arc<str>>,
    /// How its name is resolved.
    pub resolve: dns::Settings,
    /// How long a call may take.
    pub timeout: Duration,
}

/// An account that was made elsewhere.
#[derive(Debug, Clone)]
pub struct ExternalAccount {
    /// What the authority calls it.
    pub id: Box<str>,
    /// Its secret, in base64url.
    pub key: Secret,
}

/// A certificate that is ordered, kept and renewed.
#[derive(Debug)]
pub struct Acme {
    spec: Spec,
    managed: Arc<Managed>,
    remote: Remote,
    shelf: Option<Shelf>,
    progress: Mutex<Progress>,
    begun: Once,
    /// The configuration of this moment asks for it.
    is_wanted: AtomicBool,
}

/// How it goes.
#[derive(Debug, Default)]
struct Progress {
    /// When the next order is due, since 1970; at once, if nothing is said.
    renew: Option<Duration>,
    /// And no sooner than this, after failures.
    until: Option<Instant>,
    /// Why the last order failed.
    failure: Option<String>,
    /// Failures since the last good one.
    in_a_row: u32,
    good: u64,
    failed: u64,
    /// What was told of it last.
    told: Option<Severity>,
    has_told_end: bool,
    /// The chain that is served, in PEM, and where the configuration asks for it.
    chain: Arc<str>,
    place: Arc<str>,
}

/// Why an order came to nothing.
#[derive(Debug)]
struct Failure {
    why: String,
    /// The authority said no, and will go on to.
    is_refusal: bool,
    /// A nonce was rejected, and nothing else.
    is_of_nonce: bool,
    retry_after: Option<Duration>,
}

impl PartialEq for Spec {
    /// Secrets included.
    fn eq(&self, other: &Self) -> bool {
        let external = |spec: &Self| {
            spec.external.as_ref().map(|account| (account.id.clone(), account.key.expose().to_owned()))
        };
        let rest = |spec: &Self| (spec.challenge, spec.key, spec.timeout, spec.authorities.clone());
        (&self.directory, &self.names, &self.email) == (&other.directory, &other.names, &other.email)
            && rest(self) == rest(other)
            && external(self) == external(other)
            && self.resolve == other.resolve
    }
}

impl Acme {
    /// One by `spec`, with what is kept of it below `state`; else with what `before` has, which had other settings.
    ///
    /// # Errors
    /// The authority can never be called.
    pub fn new(spec: Spec, state: Option<&Path>, before: Option<&Self>) -> Result<Self, RemoteError> {
        let remote =
            Remote::trusting(spec.directory.clone(), spec.resolve.clone(), spec.authorities.clone())?;
        let acme = Self {
            managed: Arc::new(Managed::new(spec.names.clone())),
            shelf: state.map(|state| Shelf::of(state, &spec)),
            remote,
            spec,
            progress: Mutex::default(),
            begun: Once::new(),
            is_wanted: AtomicBool::new(true),
        };
        let kept = acme.shelf.as_ref().map(Shelf::read);
        match kept {
            Some(Ok(Some(kept))) => match acme.judge(&kept) {
                Ok(certificate) => acme.adopt(certificate, &kept.chain),
                Err(why) => acme.complain_of_kept(&why),
            },
            Some(Err(error)) => acme.complain_of_kept(&error.to_string()),
            Some(Ok(None)) | None => {}
        }
        if acme.managed.current().is_none()
            && let Some(certificate) = before.and_then(|before| before.managed.current())
        {
            // For the names it bears, until ours is there.
            acme.managed.put(certificate);
            let chain = before.map(|before| Arc::clone(&before.progress().chain));
            acme.progress().chain = chain.unwrap_or_default();
        }
        Ok(acme)
    }

    fn complain_of_kept(&self, reason: &str) {
        let names = self.spoken_names();
        tracing::error!(names, reason, "a certificate that was kept cannot be used; another one is ordered");
    }

    /// Its settings.
    pub fn spec(&self) -> &Spec {
        &self.spec
    }

    /// What handshakes take.
    pub fn managed(&self) -> &Arc<Managed> {
        &self.managed
    }

    /// Has one from now on, as long as anybody holds it. One of all that share `orders` orders at a time.
    pub fn begin(
        self: &Arc<Self>,
        orders: &Arc<Semaphore>,
        certificates: &Arc<Certificates>,
        chores: &Chores,
        observe: &Observe,
    ) {
        self.begun.call_once(|| {
            let told = keeper::Told { certificates: Arc::clone(certificates), observe: observe.clone() };
            chores.spawn(keeper::keep(Arc::downgrade(self), Arc::clone(orders), told));
        });
    }

    /// Whether the configuration asks for it from now on; what it does not ask for is not ordered.
    pub fn want(&self, is_wanted: bool) {
        self.is_wanted.store(is_wanted, Ordering::Release);
    }

    fn is_wanted(&self) -> bool {
        self.is_wanted.load(Ordering::Acquire)
    }

    /// The configuration asks for it at `place` from now on. Says so, with the chain that is served.
    pub fn at(&self, place: &Arc<str>) -> (Arc<str>, Arc<str>) {
        let mut progress = self.progress();
        progress.place = Arc::clone(place);
        (Arc::clone(place), Arc::clone(&progress.chain))
    }

    /// A certificate that may be used: for its key, and for exactly our names.
    fn judge(&self, kept: &Kept) -> Result<Certificate, String> {
        let certificate =
            Certificate::from_pem(&kept.chain, kept.key.expose()).map_err(|error| error.to_string())?;
        let sorted = |names: &[Box<str>]| {
            let mut names = names.to_vec();
            names.sort_unstable();
            names.dedup();
            names
        };
        if sorted(certificate.names()) != sorted(&self.spec.names) {
            return Err("the certificate is for other names".to_owned());
        }
        if certificate.chain().len() > CHAIN_MAX {
            return Err("the chain is too long".to_owned());
        }
        Ok(certificate)
    }

    /// Serves `certificate`, and renews it in its time.
    fn adopt(&self, certificate: Certificate, chain: &str) {
        let (begins, ends) = (certificate.begins(), certificate.ends());
        let lifetime = ends.saturating_sub(begins);
        let third = lifetime.checked_div(3).unwrap_or_default();
        // Earlier by up to a thirtieth: many gateways may have begun at once.
        let early = share(lifetime.checked_div(30).unwrap_or_default());
        self.managed.put(Arc::new(certificate));
        let mut progress = self.progress();
        *progress = Progress {
            renew: Some(ends.saturating_sub(third).saturating_sub(early)),
            good: progress.good,
            failed: progress.failed,
            chain: chain.into(),
            place: Arc::clone(&progress.place),
            ..Progress::default()
        };
    }

    /// How long nothing has to be done.
    fn due(&self) -> Duration {
        if !self.is_wanted() {
            return Duration::MAX;
        }
        let progress = self.progress();
        let renewal = progress.renew.unwrap_or_default().saturating_sub(clock::wall());
        let now = clock::now();
        let pause = progress.until.unwrap_or(now).saturating_duration_since(now);
        renewal.max(pause)
    }

    /// How it is doing.
    pub fn facts(&self) -> AcmeFacts {
        let progress = self.progress();
        let certificate = self.managed.current();
        let expires = certificate.as_ref().map(|certificate| certificate.ends());
        let state = match expires {
            None => "none",
            Some(expires) if expires <= clock::wall() => "expired",
            Some(_) => "valid",
        };
        AcmeFacts {
            name: self.spec.names.first().map(|name| name.to_string()).unwrap_or_default(),
            names: self.spec.names.iter().map(|name| name.to_string()).collect(),
            directory: self.spec.directory.to_string(),
            state,
            expires: expires.map(timestamp::format),
            renews: progress.renew.map(timestamp::format),
            failure: progress.failure.clone(),
            good: progress.good,
            failed: progress.failed,
        }
    }

    fn spoken_names(&self) -> String {
        self.spec.names.join(", ")
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        // Nothing can be left half done in there.
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Failure {
    /// The authority says no.
    fn refused(why: impl Into<String>) -> Self {
        Self { why: why.into(), is_refusal: true, is_of_nonce: false, retry_after: None }
    }

    /// It could not be asked, or something here is amiss.
    fn away(why: impl Into<String>) -> Self {
        Self { is_refusal: false, ..Self::refused(why) }
    }

    fn about(self, what: &str) -> Self {
        Self { why: format!("{what}: {}", self.why), ..self }
    }

    /// How long to wait after so many of them in a row.
    fn pause(&self, in_a_row: u32) -> Duration {
        let (first, most) =
            if self.is_refusal { (REFUSED_FIRST, REFUSED_MAX) } else { (AWAY_FIRST, AWAY_MAX) };
        let factor = 2_u32.saturating_pow(in_a_row.saturating_sub(1).min(16));
        let pause = first.saturating_mul(factor).min(most);
        let tenth = pause.checked_div(10).unwrap_or_default();
        let spread = pause.saturating_sub(tenth).saturating_add(share(tenth.saturating_mul(2)));
        spread.max(self.retry_after.unwrap_or_default())
    }
}

/// Some part of a time.
fn share(time: Duration) -> Duration {
    let thousandths = u32::try_from(random() % 1_001).unwrap_or_default();
    time.saturating_mul(thousandths).checked_div(1_000).unwrap_or_default()
}

#[cfg(test)]
mod tests;
