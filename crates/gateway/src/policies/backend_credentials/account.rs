//! The gateway's own account at an authorization server: one access token for all requests to a backend (RFC 6749 §4.4).
//!
//! The token is had in the background: when the account is first there, when three quarters of its lifetime have passed, and when a
//! backend answers 401 to it. So however many requests need one at once, one call is made. A request that finds none waits for that
//! call, within bounds; the last token is used for as long as it counts, whatever becomes of the server.
//!
//! # Limits
//! [`ANSWER_BYTES_MAX`](crate::oauth::answer::ANSWER_BYTES_MAX) of an answer, `timeout` for a call, `wait` for a request. After a failure it is asked again in a second, twice as
//! long each time, at most [`PAUSE_MAX`]; meanwhile requests without a token are refused at once.
//!
//! # Threats
//! An answer counts if it is exactly what it should be: 200, JSON in its one reading, a bearer token that a field may have. Redirects
//! are not followed. Secrets and tokens are in no log.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use aws_lc_rs::digest::{Context as Digest, SHA256};
use bytes::Bytes;
use http::{HeaderValue, Method, header};
use tokio::sync::{Notify, watch};

use crate::chores::Chores;
use crate::clock::{self, Instant};
use crate::config::values::Url;
use crate::fetch::{Call, Remote};
use crate::oauth::answer::{ANSWER_BYTES_MAX, Granted, NotGranted, used_for};
use crate::oauth::client::Client;

/// The longest pause after failures.
pub const PAUSE_MAX: Duration = Duration::from_secs(30);
/// A token younger than this is not asked for anew because a backend refused it.
const YOUNG: Duration = Duration::from_secs(5);

/// What an account is made of.
#[derive(Debug)]
pub struct AccountSpec {
    /// The token endpoint.
    pub url: Url,
    /// The client, and how it proves itself.
    pub client: Client,
    /// Scopes that are asked for.
    pub scopes: Vec<String>,
    /// The audience that is asked for.
    pub audience: Option<String>,
    /// How long a call may take.
    pub timeout: Duration,
    /// How long a request waits.
    pub wait: Duration,
}

/// An account, and the token it has now.
pub struct Account {
    spec: AccountSpec,
    /// Of all its settings, secrets included.
    fingerprint: [u8; 32],
    remote: Remote,
    current: ArcSwapOption<Held>,
    failure: ArcSwapOption<Failure>,
    /// Somebody needs a token.
    asked: Arc<Notify>,
    /// Counts calls that ended.
    ended: watch::Sender<u64>,
    begun: std::sync::Once,
}

struct Held {
    value: Arc<str>,
    had: Instant,
    renew: Instant,
    until: Instant,
}

#[derive(Debug)]
struct Failure {
    why: String,
    pause: Duration,
    until: Instant,
}

impl Account {
    /// An account that is known by `fingerprint`, and has no token yet.
    pub fn new(spec: AccountSpec, fingerprint: [u8; 32], remote: Remote) -> Self {
        Self {
            spec,
            fingerprint,
            remote,
            current: ArcSwapOption::empty(),
            failure: ArcSwapOption::empty(),
            asked: Arc::default(),
            ended: watch::Sender::new(0),
            begun: std::sync::Once::new(),
        }
    }

    /// A digest of settings, by which an account outlives a reload.
    pub fn fingerprint(settings: &[&str]) -> [u8; 32] {
        let mut digest = Digest::new(&SHA256);
        for setting in settings {
            digest.update(&setting.len().to_be_bytes());
            digest.update(setting.as_bytes());
        }
        digest.finish().as_ref().try_into().unwrap_or_default()
    }

    /// Whether it is made of these settings.
    pub fn is(&self, fingerprint: &[u8; 32]) -> bool {
        self.fingerprint == *fingerprint
    }

    /// Has a token from now on, as long as anybody holds it.
    pub fn begin(self: &Arc<Self>, chores: &Chores) {
        self.begun.call_once(|| {
            let (account, asked) = (Arc::downgrade(self), Arc::clone(&self.asked));
            chores.spawn(async move {
                loop {
                    // Not held while nothing is to be done, so that one that nobody else holds ends.
                    let Some(account) = account.upgrade() else { return };
                    let due = account.due();
                    if due.is_zero() {
                        account.renew().await;
                        continue;
                    }
                    drop(account);
                    drop(tokio::time::timeout(due.min(PAUSE_MAX), asked.notified()).await);
                }
            });
        });
    }

    /// The value of `Authorization`, if there is a token that counts.
    pub fn at_hand(&self) -> Option<Arc<str>> {
        let current = self.current.load();
        let held = current.as_ref()?;
        (clock::now() < held.until).then(|| Arc::clone(&held.value))
    }

    /// The same, awaited.
    ///
    /// # Errors
    /// Says why there is none.
    pub async fn value(&self) -> Result<Arc<str>, String> {
        let mut ended = self.ended.subscribe();
        let awaited = async {
            loop {
                if let Some(value) = self.at_hand() {
                    return Ok(value);
                }
                if let Some(failure) = self.failure.load().as_ref()
                    && clock::now() < failure.until
                {
                    return Err(failure.why.clone());
                }
                self.asked.notify_one();
                if ended.changed().await.is_err() {
                    return Err("the account is gone".to_owned());
                }
            }
        };
        let wait = self.spec.wait;
        tokio::time::timeout(wait, awaited).await.unwrap_or_else(|_| Err(format!("no token within {wait:?}")))
    }

    /// Asks for another token soon: a backend refused this one, which is not new.
    pub fn suspect(&self) {
        let current = self.current.load();
        let Some(held) = current.as_ref() else { return };
        let now = clock::now();
        if now.saturating_duration_since(held.had) >= YOUNG && now < held.renew {
            let Held { value, had, until, .. } = &**held;
            let renewed = Held { value: Arc::clone(value), had: *had, renew: now, until: *until };
            // One that came meanwhile stays.
            self.current.compare_and_swap(&current, Some(Arc::new(renewed)));
            self.asked.notify_one();
        }
    }

    /// How long nothing has to be done.
    fn due(&self) -> Duration {
        let now = clock::now();
        let failed = self.failure.load();
        let paused = failed.as_ref().map_or(now, |failure| failure.until);
        let current = self.current.load();
        current.as_ref().map_or(now, |held| held.renew).max(paused).saturating_duration_since(now)
    }

    async fn renew(&self) {
        let began = clock::now();
        match self.ask(began).await {
            Ok(held) => {
                if self.failure.swap(None).is_some() {
                    tracing::info!(url = %self.spec.url, "a token for backends is to be had again");
                }
                self.current.store(Some(Arc::new(held)));
            }
            Err(why) => {
                let before = self.failure.load().as_ref().map(|failure| failure.pause);
                if before.is_none() {
                    tracing::warn!(url = %self.spec.url, %why, "no token for backends can be had");
                }
                let pause =
                    before.map_or(Duration::from_secs(1), |pause| pause.saturating_mul(2).min(PAUSE_MAX));
                let until = clock::now().checked_add(pause).unwrap_or(began);
                self.failure.store(Some(Arc::new(Failure { why, pause, until })));
            }
        }
        self.ended.send_modify(|count| *count = count.wrapping_add(1));
    }

    async fn ask(&self, began: Instant) -> Result<Held, String> {
        let call = self.call().ok_or("the client cannot prove itself")?;
        let answer = self.remote.call(call).await.map_err(|error| error.to_string())?;
        let granted = Granted::read(&answer).map_err(|why| match why {
            NotGranted::Refused(code) => format!("the token endpoint refuses: {code}"),
            NotGranted::Failed(why) => why,
        })?;
        if !granted.is_bearer() {
            return Err("the token endpoint gave no bearer token".to_owned());
        }
        let (token, lifetime) = (granted.token()?, granted.lifetime()?);
        let after = |time: Duration| began.checked_add(time).unwrap_or(began);
        Ok(Held {
            value: format!("Bearer {token}").into(),
            had: began,
            renew: after(lifetime.saturating_sub(lifetime.checked_div(4).unwrap_or_default())),
            until: after(used_for(lifetime)),
        })
    }

    fn call(&self) -> Option<Call> {
        let spec = &self.spec;
        let scopes = spec.scopes.join(" ");
        let mut pairs = vec![("grant_type", "client_credentials")];
        if !spec.scopes.is_empty() {
            pairs.push(("scope", &scopes));
        }
        if let Some(audience) = &spec.audience {
            pairs.push(("audience", audience));
        }
        let (mut fields, body) = spec.client.says(&pairs)?;
        fields.push((header::ACCEPT, HeaderValue::from_static("application/json")));
        let (method, body, within) = (Method::POST, Bytes::from(body), spec.timeout);
        Some(Call { method, fields, body, within, answer_bytes_max: ANSWER_BYTES_MAX })
    }
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account").field("url", &self.spec.url).finish_non_exhaustive()
    }
}
