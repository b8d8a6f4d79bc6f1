//! Fetches the keys of one issuer, again and again, on the thread for what no request waits for.
//!
//! At once when the issuer is first asked for, then every `refresh`, give or take a tenth, so that many gateways do not
//! come together; after a failure sooner, with growing pauses. In between when a key is wanted that is not known, if the last
//! fetch began `cool_down` ago. Whatever comes that is no good key set changes nothing: the last good one counts for
//! `keep` after it was fetched, also over a restart ([`last_good`](super::last_good)).
//!
//! # Threats
//! The issuer may be slow, silent, endless, hostile: each call has its time and bytes, redirects are answers like any
//! other, and one issuer's keeper waits for nobody else's.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode, header};
use portcullis_identity::jwk::{KeySet, Origin};
use tokio::sync::oneshot;

use super::discovery;
use super::keys::{Keys, Known, Shared};
use super::last_good::{LastGood, Shelf};
use super::spec::{KeysSpec, Place};
use crate::chores::Chores;
use crate::clock::{self, Instant};
use crate::config::KEY_SET_BYTES_MAX;
use crate::config::values::Url;
use crate::fetch::{Call, Remote, RemoteError};
use crate::observe::{Incident, Observe};
use crate::pipeline::request_id::random;
use crate::problem::Severity;

/// Until a fetch that failed is tried again; doubles.
pub const RETRY_FIRST: Duration = Duration::from_secs(1);
/// Most time until then.
pub const RETRY_MAX: Duration = Duration::from_secs(60);
/// How we call ourselves.
pub(super) const USER_AGENT: &str = concat!("portcullis/", env!("CARGO_PKG_VERSION"));

/// What became of fetches.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) good: AtomicU64,
    pub(super) failed: AtomicU64,
}

/// Keeps one issuer's keys.
struct Keeper {
    spec: KeysSpec,
    shared: Arc<Shared>,
    counts: Arc<Counts>,
    shelf: Option<Shelf>,
    place: Remote,
    observe: Observe,
    failure: Arc<arc_swap::ArcSwapOption<String>>,
}

/// Where keys are fetched from.
pub(super) fn remote(spec: &KeysSpec) -> Result<Option<Remote>, RemoteError> {
    let (Place::Discovery(url) | Place::Url(url)) = &spec.place else { return Ok(None) };
    let remote = Remote::trusting(url.clone(), spec.reach.names.clone(), spec.reach.ca.clone())?;
    Ok(Some(remote))
}

/// Begins to keep `keys`, unless somebody does already: with what was kept in the state directory, and what is fetched.
pub(super) fn begin(
    keys: &Keys,
    place: &Remote,
    counts: &Arc<Counts>,
    failure: &Arc<arc_swap::ArcSwapOption<String>>,
    chores: &Chores,
    observe: &Observe,
    state: Option<&Path>,
) {
    let Some((shared, end)) = keys.begin() else { return };
    let spec = keys.spec().clone();
    let shelf = state.map(|state| Shelf::of(state, &spec));
    if let Some(good) = shelf.as_ref().and_then(|shelf| shelf.read(clock::wall(), spec.keep))
        && let Ok(set) = KeySet::parse(&good.text, Origin::Remote)
    {
        shared.learn(Known::new(set, good.text, good.fetched));
    }
    shared.progress.send_modify(|progress| {
        progress.is_running = true;
        progress.began = Some(clock::now());
    });
    let (counts, place, observe) = (Arc::clone(counts), place.clone(), observe.clone());
    let failure = Arc::clone(failure);
    chores.spawn(Keeper { spec, shared, counts, shelf, place, observe, failure }.keep(end));
}

impl Keeper {
    /// Ends when nobody holds the keys any more.
    async fn keep(self, mut end: oneshot::Receiver<()>) {
        let mut retry = RETRY_FIRST;
        loop {
            let began = clock::now();
            self.shared.progress.send_modify(|progress| {
                progress.is_running = true;
                progress.began = Some(began);
            });
            let fetched = tokio::select! {
                fetched = self.fetch() => fetched,
                _ = &mut end => return,
            };
            let wait = match &fetched {
                Ok(_) => {
                    retry = RETRY_FIRST;
                    spread(self.spec.refresh)
                }
                Err(_) => {
                    let doubled = retry.saturating_mul(2).min(RETRY_MAX);
                    spread(std::mem::replace(&mut retry, doubled)).min(self.spec.refresh)
                }
            };
            self.learn(fetched).await;
            if self.wait(began, wait, &mut end).await.is_none() {
                return;
            }
        }
    }

    /// Waits until it is time for the next fetch; `None` at the end.
    async fn wait(&self, began: Instant, wait: Duration, end: &mut oneshot::Receiver<()>) -> Option<()> {
        let next = clock::now().checked_add(wait)?;
        loop {
            let expiry = self.shared.known().map(|known| {
                let until = known.fetched().saturating_add(self.spec.keep);
                clock::now().checked_add(until.saturating_sub(clock::wall()))
            });
            let expired = async {
                match expiry.flatten() {
                    Some(expiry) => tokio::time::sleep_until(expiry).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = tokio::time::sleep_until(next) => return Some(()),
                () = self.shared.wanted.notified() => {
                    if clock::now().saturating_duration_since(began) >= self.spec.cool_down {
                        return Some(());
                    }
                }
                () = expired => self.expire(),
                _ = &mut *end => return None,
            }
        }
    }

    /// What is known is too old to count.
    fn expire(&self) {
        self.shared.forget();
        let issuer = &*self.spec.name;
        tracing::error!(issuer, "the last good keys of an issuer are too old; its tokens cannot be verified");
        self.tell(Severity::High, "the last good keys are too old; no token can be verified");
    }

    /// Takes in what was fetched, or why nothing was.
    async fn learn(&self, fetched: Result<LastGood, String>) {
        let fetched = fetched.and_then(|good| match KeySet::parse(&good.text, Origin::Remote) {
            Ok(set) => Ok((good, set)),
            Err(why) => Err(format!("the key set counts for nothing: {}", why.as_str())),
        });
        let had_failed = self.failure.load().is_some();
        let name = &*self.spec.name;
        let has_failed = fetched.is_err();
        match fetched {
            Ok((good, set)) => {
                self.counts.good.fetch_add(1, Ordering::Relaxed);
                let (keys, left_out) = (set.keys().len(), set.left_out());
                let is_other = self.shared.learn(Known::new(set, good.text.clone(), good.fetched));
                self.failure.store(None);
                if had_failed {
                    tracing::info!(issuer = name, "an issuer's keys can be had again");
                }
                if is_other {
                    tracing::info!(issuer = name, keys, left_out, "an issuer has other keys");
                }
                self.put_away(good).await;
            }
            Err(reason) => {
                self.counts.failed.fetch_add(1, Ordering::Relaxed);
                if !had_failed {
                    let has_keys = self.shared.known().is_some();
                    tracing::warn!(issuer = name, %reason, has_keys, "an issuer's keys cannot be had");
                    let severity = if has_keys { Severity::Medium } else { Severity::High };
                    self.tell(severity, &format!("{name}: {reason}"));
                }
                self.failure.store(Some(Arc::new(reason)));
            }
        }
        self.shared.progress.send_modify(|progress| {
            progress.is_running = false;
            progress.has_failed = has_failed;
            progress.ended = progress.ended.saturating_add(1);
        });
    }

    fn tell(&self, severity: Severity, cause: &str) {
        self.observe.incident(&Incident::own(clock::wall(), super::ISSUER_UNAVAILABLE.code, severity, cause));
    }

    /// Keeps them for the next start. The disk may be slow, and this thread is for others, too.
    async fn put_away(&self, good: LastGood) {
        let Some(shelf) = self.shelf.clone() else { return };
        let written = tokio::task::spawn_blocking(move || shelf.write(&good)).await;
        if let Ok(Err(error)) = written {
            let issuer = &*self.spec.name;
            tracing::warn!(issuer, reason = %error, "an issuer's keys are not kept for the next start");
        }
    }

    /// The key set, as it is at this moment.
    async fn fetch(&self) -> Result<LastGood, String> {
        let text = match &self.spec.place {
            Place::Discovery(own) => {
                let document =
                    self.get(&self.place, discovery::DOCUMENT_BYTES_MAX, "discovery document").await?;
                let (keys, document) = discovery::read(&document, &self.spec.issuer, own, &self.spec.reach)
                    .map_err(|why| format!("the discovery document {why}"))?;
                {
                    // One that says the same stays the one that others have read.
                    let known = self.shared.document.load();
                    if known.as_deref() != Some(&document) {
                        self.shared.document.store(Some(Arc::new(document)));
                    }
                }
                self.get(&self.beside(keys)?, KEY_SET_BYTES_MAX, "key set").await?
            }
            Place::Url(_) | Place::Set(_) | Place::Secret(_) => {
                self.get(&self.place, KEY_SET_BYTES_MAX, "key set").await?
            }
        };
        Ok(LastGood { fetched: clock::wall(), text: text.into() })
    }

    fn beside(&self, url: Url) -> Result<Remote, String> {
        self.place.beside(url).map_err(|error| format!("the key set cannot be asked for: {error}"))
    }

    async fn get(&self, place: &Remote, bytes_max: usize, what: &str) -> Result<Bytes, String> {
        let answer = place.call(Call {
            method: Method::GET,
            fields: vec![
                (header::ACCEPT, HeaderValue::from_static("application/json, application/jwk-set+json")),
                (header::USER_AGENT, HeaderValue::from_static(USER_AGENT)),
            ],
            body: Bytes::new(),
            within: self.spec.reach.timeout,
            answer_bytes_max: bytes_max,
        });
        let answer = answer.await.map_err(|error| format!("the {what}: {error}"))?;
        match answer.status() {
            StatusCode::OK => Ok(answer.into_body()),
            status => Err(format!("the {what}: status {}", status.as_u16())),
        }
    }
}

/// A time, give or take a tenth.
fn spread(time: Duration) -> Duration {
    let tenth = time.checked_div(10).unwrap_or_default();
    let share = random() % 2_001;
    let off = tenth.saturating_mul(u32::try_from(share).unwrap_or_default()).checked_div(1_000);
    time.saturating_sub(tenth).saturating_add(off.unwrap_or_default())
}
