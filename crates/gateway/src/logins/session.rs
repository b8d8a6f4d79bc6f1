//! A session: who logged in, until when, and what renews it. It lives in the browser, sealed, and nowhere else.

use std::sync::Arc;
use std::time::Duration;

use portcullis_identity::base64::encode_url;
use portcullis_identity::claims::Claims;
use portcullis_identity::json::{self, Limits, Object, Value};

use super::spec::LoginSpec;
use super::tokens::Granted;
use crate::secret::{Secret, random_bytes};

/// What a session may be, unsealed.
const LIMITS: Limits = Limits { bytes: 8 << 10, depth: 16 };
/// How long before the end of what the issuer vouches for a session is renewed: a tenth of its time, and at most this.
const AHEAD_MAX: Duration = Duration::from_secs(60);
/// How long a session counts that the issuer gives no time for, before it is renewed or ends.
const UNSAID: Duration = Duration::from_secs(300);
/// Claims that have done their work when a login is over.
const OF_THE_PROTOCOL: &[&str] = &["nonce", "at_hash", "c_hash", "s_hash", "exp", "iat", "nbf", "jti", "azp"];

/// Who logged in, and until when.
#[derive(Clone)]
pub struct Session {
    /// Its own name, new with each login.
    pub id: Box<str>,
    /// When its user logged in, since 1970.
    pub begun: Duration,
    /// When it ends, whatever happens.
    pub ends: Duration,
    /// When it is to be renewed.
    pub renew: Duration,
    /// Until when the issuer vouches for it.
    pub vouched: Duration,
    /// What is asked for by others in its user's name, where backends get something for it.
    pub access: Option<Secret>,
    /// What renews it.
    pub refresh: Option<Secret>,
    /// What it may be used for.
    pub scopes: Box<str>,
    /// What the issuer says of its user.
    pub claims: Arc<Claims>,
}

impl Session {
    /// A new one, of a login that has just succeeded; `None` when the system gives no random bytes.
    pub fn begin(spec: &LoginSpec, granted: &Granted, claims: &Claims, now: Duration) -> Option<Self> {
        let ends = now.saturating_add(spec.session);
        let claims = kept(spec, claims)?;
        let id = encode_url(&random_bytes::<16>()?).into();
        let (renew, vouched) = times(granted, now, ends);
        let refresh = granted.refresh_token.clone();
        let access = access(spec, granted);
        let scopes = granted.scopes.clone().unwrap_or_else(|| spec.scopes.join(" ").into());
        Some(Self { id, begun: now, ends, renew, vouched, access, refresh, scopes, claims })
    }

    /// The same after its renewal.
    #[must_use]
    pub fn renewed(
        &self,
        spec: &LoginSpec,
        granted: &Granted,
        claims: Option<&Claims>,
        now: Duration,
    ) -> Self {
        let (renew, vouched) = times(granted, now, self.ends);
        Self {
            renew,
            vouched,
            access: access(spec, granted),
            refresh: granted.refresh_token.clone().or_else(|| self.refresh.clone()),
            scopes: granted.scopes.clone().unwrap_or_else(|| self.scopes.clone()),
            claims: claims.and_then(|claims| kept(spec, claims)).unwrap_or_else(|| Arc::clone(&self.claims)),
            ..self.clone()
        }
    }

    /// The session of its issuer that it belongs to.
    pub fn sid(&self) -> Option<&str> {
        self.claims.get("sid").and_then(Value::as_text)
    }

    /// As it is sealed.
    pub fn to_text(&self) -> String {
        let mut text = Object::new()
            .with("i", &*self.id)
            .with("b", self.begun.as_secs())
            .with("e", self.ends.as_secs())
            .with("n", self.renew.as_secs())
            .with("v", self.vouched.as_secs())
            .with("s", &*self.scopes)
            .with("c", self.claims.members().clone());
        if let Some(refresh) = &self.refresh {
            text = text.with("r", refresh.expose());
        }
        if let Some(access) = &self.access {
            text = text.with("a", access.expose());
        }
        text.to_string()
    }

    /// What [`Self::to_text`] wrote.
    pub fn of_text(text: &[u8]) -> Option<Self> {
        let members = json::parse_object(text, LIMITS).ok()?;
        let text = |name| members.get(name).and_then(Value::as_text);
        let time = |name| members.get(name)?.as_number()?.as_u64().map(Duration::from_secs);
        Some(Self {
            id: text("i")?.into(),
            begun: time("b")?,
            ends: time("e")?,
            renew: time("n")?,
            vouched: time("v")?,
            access: text("a").map(Secret::new),
            refresh: text("r").map(Secret::new),
            scopes: text("s")?.into(),
            claims: Arc::new(Claims::new(members.get("c")?.as_object()?.clone()).ok()?),
        })
    }
}

/// The access token, where it is kept.
fn access(spec: &LoginSpec, granted: &Granted) -> Option<Secret> {
    spec.keeps_token.then(|| granted.access_token.clone())
}

/// When to renew what was granted, and until when the issuer vouches for it.
fn times(granted: &Granted, now: Duration, ends: Duration) -> (Duration, Duration) {
    let lasts = granted.lasts.unwrap_or(UNSAID);
    let vouched = now.saturating_add(lasts).min(ends);
    let ahead = lasts.checked_div(10).unwrap_or_default().min(AHEAD_MAX);
    (vouched.saturating_sub(ahead), vouched)
}

/// Of what an ID token says, that which is kept.
fn kept(spec: &LoginSpec, claims: &Claims) -> Option<Arc<Claims>> {
    let mut members = Object::new();
    for (name, value) in claims.members().iter() {
        let is_kept = match &spec.claims {
            Some(named) => named.iter().any(|own| **own == *name),
            None => !OF_THE_PROTOCOL.contains(&name),
        };
        if is_kept {
            members.set(name, value.clone());
        }
    }
    Claims::new(members).ok().map(Arc::new)
}
