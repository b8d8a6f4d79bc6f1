//! Token exchange (RFC 8693): the caller's token becomes one for the backend, at an authorization server.
//!
//! The server says who may be exchanged for what, so it is asked once for each caller's token, by one call for all who present
//! that token at the same time; what it gave is used for as long as it counts ([`answers`](crate::answers)). It is looked up under
//! the token that this very request was verified by, so that it opens nothing once the caller's token has ended, was revoked or
//! lost its session, and it is never kept for longer than the caller's token or session lasts.
//!
//! # Limits
//! `timeout` for a call, the wait for a place among [`CALLS_MAX`] calls at once included; [`EXCHANGED_MAX`] answers of one backend;
//! what [`oauth::answer`](crate::oauth::answer) names. A refusal counts for [`REFUSED_FOR`], a failure for [`FAILURE_FOR`], so that
//! nobody can have a server asked without end.
//!
//! # Threats
//! An answer counts if it is exactly what was asked for: 200, JSON in its one reading, the type of token that was requested, a
//! bearer token that a field may have, a time. A token that can be read must be for the audience that was asked for: one that was
//! made for another service does not go to this backend. Redirects are not followed. Tokens and secrets are in no log.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, header};
use portcullis_identity::jwt::Unverified;
use portcullis_identity::sha256::Digest;
use tokio::sync::Semaphore;

use super::account::Account;
use crate::answers::{Answers, Lasting};
use crate::clock;
use crate::config::values::Url;
use crate::fetch::{Call, Remote};
use crate::oauth::answer::{ANSWER_BYTES_MAX, Granted, NotGranted, used_for};
use crate::oauth::client::Client;
use crate::pipeline::consumer::Issued;

/// Calls to one server at once.
pub const CALLS_MAX: usize = 64;
/// Tokens of one backend that are remembered.
pub const EXCHANGED_MAX: usize = 10_000;
/// How long a refusal counts.
pub const REFUSED_FOR: Duration = Duration::from_secs(10);
/// How long a failure counts.
pub const FAILURE_FOR: Duration = Duration::from_secs(1);
/// A token younger than this is not given up because a backend refused it.
const YOUNG: Duration = Duration::from_secs(5);

/// RFC 8693 §2.1.
const GRANT: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
/// RFC 8693 §3.
pub const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
/// RFC 8693 §3.
pub const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";

/// What one backend's exchange is made of.
#[derive(Debug)]
pub struct ExchangeSpec {
    /// The token endpoint.
    pub url: Url,
    /// The client, and how it proves itself.
    pub client: Client,
    /// What the caller's token is said to be.
    pub subject_type: &'static str,
    /// What is asked for.
    pub token_type: &'static str,
    /// Whom the token is to be for, by name.
    pub audience: Option<String>,
    /// The same, by its URL.
    pub resource: Option<String>,
    /// Of which a token that can be read must name one in `aud`; empty: any.
    pub audiences: Vec<String>,
    /// Scopes that are asked for.
    pub scopes: Vec<String>,
    /// The gateway's own account, as who acts for the caller.
    pub actor: Option<Arc<Account>>,
    /// How long a call may take.
    pub timeout: Duration,
}

/// Exchanges tokens for one backend.
pub struct Exchange {
    spec: ExchangeSpec,
    /// Of all its settings, secrets included.
    fingerprint: [u8; 32],
    remote: Remote,
    answers: Answers<Said>,
    calls: Semaphore,
    /// Whether nothing could be exchanged the last time, so that it is said once.
    fails: AtomicBool,
}

/// What came of one exchange.
struct Said {
    what: Result<Arc<str>, NotExchanged>,
    since: Duration,
    until: Duration,
}

/// Why there is no token for a caller.
#[derive(Debug, Clone)]
pub enum NotExchanged {
    /// The server says that the caller's token does not hold.
    Invalid(Arc<str>),
    /// The server does not let this caller have one.
    Forbidden(Arc<str>),
    /// Nobody can say.
    Unavailable(Arc<str>),
}

impl Lasting for Said {
    fn until(&self) -> Duration {
        self.until
    }
}

impl Exchange {
    /// One that is known by `fingerprint`, and has exchanged nothing yet.
    pub fn new(spec: ExchangeSpec, fingerprint: [u8; 32], remote: Remote) -> Self {
        Self {
            spec,
            fingerprint,
            remote: remote.keeping(),
            answers: Answers::new(EXCHANGED_MAX),
            calls: Semaphore::new(CALLS_MAX),
            fails: AtomicBool::new(false),
        }
    }

    /// Whether it is made of these settings.
    pub fn is(&self, fingerprint: &[u8; 32]) -> bool {
        self.fingerprint == *fingerprint
    }

    /// The value of `Authorization` for a caller, if it is known already.
    pub fn at_hand(&self, issued: &Issued) -> Option<Result<Arc<str>, NotExchanged>> {
        Some(self.answers.of(issued.digest, clock::wall()).get()?.what.clone())
    }

    /// The same, asked for; whatever comes of it counts no longer than `until`.
    ///
    /// # Errors
    /// Says why there is none.
    pub async fn value(&self, issued: &Issued, until: Option<Duration>) -> Result<Arc<str>, NotExchanged> {
        let answer = self.answers.of(issued.digest, clock::wall());
        answer.get_or_init(|| self.ask(issued.token.expose(), until)).await.what.clone()
    }

    /// Gives up what a backend refused, unless it is new.
    pub fn suspect(&self, digest: &Digest) {
        let now = clock::wall();
        self.answers.forget(digest, |said| said.what.is_ok() && now.saturating_sub(said.since) >= YOUNG);
    }

    /// Asks, whatever comes of it.
    async fn ask(&self, token: &str, until: Option<Duration>) -> Said {
        let since = clock::wall();
        let timeout = self.spec.timeout;
        let asked = tokio::time::timeout(timeout, self.exchanged(token)).await;
        let (what, lasts) =
            match asked.unwrap_or_else(|_| Err(unavailable(format!("no answer within {timeout:?}")))) {
                Ok((value, lasts)) => (Ok(value), lasts),
                Err(why @ NotExchanged::Unavailable(_)) => (Err(why), FAILURE_FOR),
                Err(why) => (Err(why), REFUSED_FOR),
            };
        self.note(&what);
        // A token counts from when it was asked for, so that it never counts for longer than the server says.
        let began = if what.is_ok() { since } else { clock::wall() };
        let ends = began.saturating_add(lasts);
        Said { what, since, until: until.map_or(ends, |until| until.min(ends)) }
    }

    fn note(&self, what: &Result<Arc<str>, NotExchanged>) {
        let url = &self.spec.url;
        match what {
            Err(NotExchanged::Unavailable(reason)) => {
                if !self.fails.swap(true, Ordering::Relaxed) {
                    tracing::warn!(%url, %reason, "no token of a caller can be exchanged");
                }
            }
            Ok(_) | Err(_) => {
                if self.fails.swap(false, Ordering::Relaxed) {
                    tracing::info!(%url, "tokens of callers can be exchanged again");
                }
            }
        }
    }

    /// The value of `Authorization`, and how long it counts.
    async fn exchanged(&self, token: &str) -> Result<(Arc<str>, Duration), NotExchanged> {
        let gone = |_| unavailable("no call can be made any more".to_owned());
        let _place = self.calls.acquire().await.map_err(gone)?;
        let actor = match &self.spec.actor {
            None => None,
            Some(account) => {
                Some(account.value().await.map_err(|why| unavailable(format!("the actor's token: {why}")))?)
            }
        };
        let call = self.call(token, actor.as_deref());
        let call = call.ok_or_else(|| unavailable("the client cannot prove itself".to_owned()))?;
        let answer = self.remote.call(call).await.map_err(|error| unavailable(error.to_string()))?;
        let granted = Granted::read(&answer).map_err(refused)?;
        self.judge(&granted).map_err(unavailable)
    }

    fn call(&self, token: &str, actor: Option<&str>) -> Option<Call> {
        let spec = &self.spec;
        let scopes = spec.scopes.join(" ");
        let mut pairs = vec![
            ("grant_type", GRANT),
            ("subject_token", token),
            ("subject_token_type", spec.subject_type),
            ("requested_token_type", spec.token_type),
        ];
        if let Some(audience) = &spec.audience {
            pairs.push(("audience", audience));
        }
        if let Some(resource) = &spec.resource {
            pairs.push(("resource", resource));
        }
        if !scopes.is_empty() {
            pairs.push(("scope", &scopes));
        }
        if let Some(actor) = actor {
            pairs.push(("actor_token", actor.strip_prefix("Bearer ").unwrap_or(actor)));
            pairs.push(("actor_token_type", ACCESS_TOKEN));
        }
        let (mut fields, body) = spec.client.says(&pairs)?;
        fields.push((header::ACCEPT, HeaderValue::from_static("application/json")));
        let (method, body, within) = (Method::POST, Bytes::from(body), spec.timeout);
        Some(Call { method, fields, body, within, answer_bytes_max: ANSWER_BYTES_MAX })
    }

    /// What was granted, if it is what was asked for (RFC 8693 §2.2.1).
    fn judge(&self, granted: &Granted) -> Result<(Arc<str>, Duration), String> {
        let wanted = self.spec.token_type;
        if granted.text("issued_token_type") != Some(wanted) {
            return Err("the token is not of the type that was asked for: `issued_token_type`".to_owned());
        }
        // What is no access token is borne by nobody, as far as the server knows.
        let is_not_applicable =
            || granted.text("token_type").is_some_and(|kind| kind.eq_ignore_ascii_case("n_a"));
        let is_borne = granted.is_bearer() || (wanted == JWT && is_not_applicable());
        if !is_borne {
            return Err("the token endpoint gave no bearer token".to_owned());
        }
        let token = granted.token()?;
        let mut lasts = granted.lifetime()?;
        match Unverified::read(token.as_bytes()) {
            Ok(readable) => {
                let claims = readable.claims();
                let is_for = |audience: &str| self.spec.audiences.iter().any(|ours| ours == audience);
                if !self.spec.audiences.is_empty() && !claims.audience().any(is_for) {
                    return Err("the token is for another audience".to_owned());
                }
                if let Some(expires) = claims.expires() {
                    lasts = lasts.min(expires.saturating_sub(clock::wall()));
                }
            }
            Err(_) if wanted == JWT => return Err("the token is no JWT".to_owned()),
            // An access token may be opaque.
            Err(_) => {}
        }
        if lasts.is_zero() {
            return Err("the token has ended already".to_owned());
        }
        Ok((format!("Bearer {token}").into(), used_for(lasts)))
    }
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exchange").field("url", &self.spec.url).finish_non_exhaustive()
    }
}

fn unavailable(why: String) -> NotExchanged {
    NotExchanged::Unavailable(why.into())
}

/// Whose fault it is that there is no token. What a server means is told by its code alone (RFC 6749 §5.2, RFC 8693 §2.2.2).
fn refused(why: NotGranted) -> NotExchanged {
    let code = match why {
        NotGranted::Failed(why) => return unavailable(why),
        NotGranted::Refused(code) => code,
    };
    let why = format!("the token endpoint refuses: {code}");
    match code.as_str() {
        "invalid_grant" | "invalid_token" => NotExchanged::Invalid(why.into()),
        // For a token that held a moment ago `invalid_request` is a matter of policy (RFC 8693 §2.2.2).
        "invalid_request" | "invalid_target" | "invalid_scope" | "access_denied" => {
            NotExchanged::Forbidden(why.into())
        }
        _ => unavailable(why),
    }
}
