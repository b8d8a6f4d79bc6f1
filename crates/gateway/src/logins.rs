//! Browser login with OpenID Connect: users of an issuer prove themselves in their browser, and the browser gets a session.
//!
//! One [`Login`] for each issuer with `login`. The authorization code flow with PKCE, always ([`flow`]); codes become tokens
//! and ID tokens are judged ([`tokens`]); what is known then is a [`Session`] that lives in the browser, sealed ([`seal`]),
//! so that no store is asked and any node with the same keys can go on. It is renewed ahead of its end ([`renewal`]) and ends
//! by a logout, here or at the issuer ([`logout`]). `policies/login.rs` is where requests meet all of it.
//!
//! **Whose fault.** What a browser brings that does not hold is [`Failed::Refused`], a 401. What cannot be judged because the
//! issuer is away or not well is [`Failed::Unavailable`], a 503. Neither is ever a session.
//!
//! # Limits
//! [`ASKING_MAX`] calls to one token endpoint at once; each part names its own others.
//!
//! # Threats
//! Browsers can be led anywhere by anybody with any parameters; a provider can be hostile or be mistaken for another one
//! (RFC 9700 §4). So each login under way is known only to the browser that began it, to one issuer and one redirect URI,
//! and only once; where a user is led afterwards was sealed when the login began. No code, token or state gets into a
//! record, a log or a `Referer`.

pub mod cookies;
pub mod flow;
pub mod known;
pub mod logout;
pub mod provider;
pub mod renewal;
pub mod seal;
pub mod session;
pub mod spec;
pub mod tokens;
pub mod used;

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use portcullis_identity::algorithm::Algorithm;
use portcullis_identity::json::Object;
use portcullis_identity::jwt::SigningKey;
use tokio::sync::Semaphore;

use self::provider::Provider;
use self::renewal::Renewals;
use self::seal::Seals;
use self::session::Session;
use self::spec::{ClientProof, LoginSpec};
use self::used::Used;
use crate::bounds::Bounds;
use crate::chores::Chores;
use crate::clock;
use crate::fetch::Remote;
use crate::issuers::signed::NotSigned;
use crate::issuers::{ISSUER_UNAVAILABLE, Issuer};
use crate::oauth::client::{self, Client};
use crate::observe::{Incident, Observe};
use crate::problem::Severity;
use crate::secret::Secret;
use crate::session_ends::SessionEnds;
use crate::vault::Vault;

/// Calls to one token endpoint at once.
pub const ASKING_MAX: usize = 64;
/// How often a login looks after itself.
const LOOK: Duration = Duration::from_secs(1);

/// Browser login at one issuer.
#[derive(Debug)]
pub struct Login {
    /// Tells it from every other one, also of the same name.
    id: u64,
    spec: LoginSpec,
    issuer: Arc<Issuer>,
    /// Who we are at the token endpoint.
    client: Client,
    /// How long one call to the issuer may take.
    timeout: Duration,
    shared: Arc<Shared>,
    ended: Arc<SessionEnds>,
    /// What the last discovery document said.
    said: RwLock<Option<Said>>,
    asking: Semaphore,
    chores: OnceLock<Chores>,
}

/// What outlives settings, as long as a login of the name is there.
#[derive(Debug, Default)]
struct Shared {
    used: Used,
    renewals: Renewals,
    seals: ArcSwapOption<Seals>,
    /// What was said last of keeping them, to say it once.
    told: Mutex<Option<String>>,
}

/// What one discovery document said.
#[derive(Debug)]
struct Said {
    document: Arc<Object>,
    ready: Result<Arc<Ready>, String>,
}

/// A provider with which logins work.
#[derive(Debug)]
pub struct Ready {
    /// Its parts.
    pub provider: Provider,
    /// Its token endpoint.
    pub token: Remote,
}

/// Why a login did not succeed; the text is for the log.
#[derive(Debug, Clone)]
pub enum Failed {
    /// What was brought does not hold.
    Refused(String),
    /// Nobody can say.
    Unavailable(String),
}

/// Why a login can never work.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// The key is none.
    #[error("is no private key in PEM for ES256, ES384, ES512, EdDSA or RS256")]
    Key,
}

impl Login {
    /// That of `spec`; it goes on with what `before`, of the same name, knew.
    ///
    /// # Errors
    /// It can never work.
    pub fn new(
        spec: LoginSpec,
        issuer: Arc<Issuer>,
        ended: Arc<SessionEnds>,
        before: Option<&Self>,
    ) -> Result<Self, LoginError> {
        let proof = match &spec.proof {
            ClientProof::Secret(secret) => client::ClientProof::Basic(Secret::new(secret.expose())),
            ClientProof::Key(pem, kid) => {
                let named = [
                    Algorithm::ES256,
                    Algorithm::ES384,
                    Algorithm::ES512,
                    Algorithm::EdDSA,
                    Algorithm::RS256,
                ];
                let key = named
                    .into_iter()
                    .find_map(|algorithm| SigningKey::from_pem(pem.expose().as_bytes(), algorithm).ok());
                let key = key.and_then(|key| key.named(kid.as_deref()).ok()).ok_or(LoginError::Key)?;
                // The provider's own name: a discovery document counts only if it names the issuer letter for letter
                // (`issuers/discovery.rs`).
                let audience = issuer.issuer().unwrap_or_default().to_owned();
                client::ClientProof::Assertion(Box::new(key), audience)
            }
        };
        let client = Client { id: spec.client_id.clone(), proof };
        let shared = before.map(|before| Arc::clone(&before.shared)).unwrap_or_default();
        let keeps_seals = before.is_some_and(|before| before.spec.cookie_keys == spec.cookie_keys);
        if !keeps_seals {
            let seals = Seals::new(&spec.name, &spec.cookie_keys);
            shared.seals.store(Some(Arc::new(seals)));
        }
        // One without keys has no document either, and is never asked.
        let timeout = issuer.spec().keys.as_ref().map_or(LOOK, |keys| keys.reach.timeout);
        let asking = Semaphore::new(ASKING_MAX);
        let (said, chores) = (RwLock::default(), OnceLock::new());
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        Ok(Self { id, spec, issuer, client, timeout, shared, ended, said, asking, chores })
    }

    /// Has it remember no more than the bounds allow.
    pub fn resize(&self, bounds: &Bounds) {
        self.shared.used.resize(bounds.login_states);
        self.shared.renewals.resize(bounds.session_renewals);
    }

    /// What it was made from.
    pub fn spec(&self) -> &LoginSpec {
        &self.spec
    }

    /// Whose users log in.
    pub fn issuer(&self) -> &Arc<Issuer> {
        &self.issuer
    }

    /// Its name in configuration.
    pub fn name(&self) -> &Arc<str> {
        &self.spec.name
    }

    /// Takes over what is kept in the state directory and in the `vault` of all nodes, and begins to look after itself.
    pub fn begin(
        self: &Arc<Self>,
        chores: &Chores,
        observe: &Observe,
        state: Option<&Path>,
        vault: Option<&Arc<Vault>>,
    ) {
        if self.chores.set(chores.clone()).is_err() {
            return;
        }
        let folder = state.map(|state| state.join("logins"));
        self.keep_keys(folder.as_deref(), vault);
        let (login, observe, vault) = (Arc::downgrade(self), observe.clone(), vault.cloned());
        chores.spawn(async move {
            let mut told = None;
            loop {
                tokio::time::sleep(LOOK).await;
                let Some(login) = login.upgrade() else { return };
                login.look(&observe, &mut told);
                if login.seals().is_some_and(|seals| seals.is_behind(vault.as_deref(), clock::wall())) {
                    let (folder, vault) = (folder.clone(), vault.clone());
                    let kept = move || login.keep_keys(folder.as_deref(), vault.as_ref());
                    // One that panics has said so.
                    let _ = tokio::task::spawn_blocking(kept).await;
                }
            }
        });
    }

    /// Says of each discovery document, once, that nobody can log in with it. `told` is the one looked at last: whether a
    /// request has read it before says nothing of that.
    fn look(&self, observe: &Observe, told: &mut Option<Arc<Object>>) {
        let Some(document) = self.issuer.document() else { return };
        if told.as_ref().is_some_and(|told| Arc::ptr_eq(told, &document)) {
            return;
        }
        *told = Some(document);
        if let Err(reason) = self.ready() {
            let name = &*self.spec.name;
            tracing::error!(login = name, %reason, "nobody can log in with this issuer");
            let cause = format!("{name}: nobody can log in: {reason}");
            let now = clock::wall();
            observe.incident(&Incident::own(now, ISSUER_UNAVAILABLE.code, Severity::High, &cause));
        }
    }

    /// Keys of our own for cookies are the same on all nodes, or lie in the state directory. May wait for either.
    fn keep_keys(&self, folder: Option<&Path>, vault: Option<&Arc<Vault>>) {
        let Some(seals) = self.seals().filter(|_| self.spec.cookie_keys.is_empty()) else { return };
        let now = clock::wall();
        let outcome = match (vault, folder) {
            (Some(vault), _) => seals.share(vault),
            (None, Some(folder)) => {
                let kept = seals.keep_in(&folder.join(format!("{}.keys", self.spec.name)), now);
                seals.begin(now);
                kept.map_err(|error| error.to_string())
            }
            (None, None) => {
                seals.begin(now);
                Err("without `cookie_keys` and a state directory they end with this process".to_owned())
            }
        };
        let mut told = self.shared.told.lock().unwrap_or_else(PoisonError::into_inner);
        let error = outcome.err();
        if let Some(error) = error.as_ref().filter(|error| told.as_ref() != Some(error)) {
            tracing::warn!(login = &*self.spec.name, %error, "keys for session cookies are not kept");
        }
        *told = error;
    }

    fn seals(&self) -> Option<Arc<Seals>> {
        self.shared.seals.load_full()
    }

    /// The provider, if logins work with it; else why not.
    pub(crate) fn ready(&self) -> Result<Arc<Ready>, String> {
        let (Some(document), Some(keys)) = (self.issuer.document(), &self.issuer.spec().keys) else {
            return Err("its discovery document could not be had yet".to_owned());
        };
        {
            let said = self.said.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(said) = said.as_ref().filter(|said| Arc::ptr_eq(&said.document, &document)) {
                return said.ready.clone();
            }
        }
        let reach = &keys.reach;
        let ready = Provider::read(&document, &self.spec, reach)
            .and_then(|provider| {
                let token = Remote::trusting(provider.token.clone(), reach.names.clone(), reach.ca.clone());
                let token = token.map_err(|error| format!("has a `token_endpoint` of no use: {error}"))?;
                Ok(Arc::new(Ready { provider, token }))
            })
            .map_err(|why| format!("its discovery document {why}"));
        let mut said = self.said.write().unwrap_or_else(PoisonError::into_inner);
        *said = Some(Said { document, ready: ready.clone() });
        ready
    }

    /// The session that a cookie holds, if it has not ended at `now`.
    fn open(&self, cookie: &[u8], now: Duration) -> Option<Session> {
        let text = self.seals()?.open(&self.purpose("session"), cookie)?;
        let session = Session::of_text(&text)?;
        let is_of_us = session.claims.issuer() == self.issuer.issuer();
        // One that began before tokens were kept cannot be exchanged: its user logs in anew.
        let is_whole = session.access.is_some() || !self.spec.keeps_token;
        let counts = is_of_us && is_whole && now < self.ends(&session) && !self.has_ended(&session);
        counts.then_some(session)
    }

    /// When a session ends. That was sealed when it began; the configuration may say an earlier time by now.
    fn ends(&self, session: &Session) -> Duration {
        session.ends.min(session.begun.saturating_add(self.spec.session))
    }

    /// A session as its cookie's value, and the line that sets it.
    fn cookie_of(&self, session: &Session, now: Duration) -> Result<String, Failed> {
        let sealed = self.seals().ok_or(seal::NotSealed::NoKey);
        let sealed =
            sealed.and_then(|seals| seals.seal(&self.purpose("session"), session.to_text().as_bytes(), now));
        let value = sealed.map_err(|why| {
            let hint = "`login.claims` names those that are kept";
            Failed::Unavailable(format!("what the provider says of the user is not kept: {why}; {hint}"))
        })?;
        let lasts = session.ends.saturating_sub(now).as_secs();
        Ok(cookies::set(&cookies::session(&self.spec.name), &value, lasts))
    }

    /// What a cookie is sealed for, so that none of one kind or login serves for another.
    fn purpose(&self, what: &str) -> String {
        format!("{what} {}", self.spec.name)
    }
}

impl From<NotSigned> for Failed {
    fn from(why: NotSigned) -> Self {
        match why {
            NotSigned::Refused(why) => Self::Refused(why.as_str().to_owned()),
            NotSigned::Unavailable(_) => Self::Unavailable("there are no keys to verify by".to_owned()),
        }
    }
}
