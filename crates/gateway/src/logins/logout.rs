//! Logouts: by the user here, by the issuer for a user (OpenID Connect Back-Channel Logout 1.0), and where users are sent to
//! log out at the issuer (RP-Initiated Logout 1.0).
//!
//! A session lives in a browser, so what ends it is remembered until it would have ended by itself ([`SessionEnds`]): by
//! its own name, by the issuer's name of it (`sid`), or by its user and the time. A logout token is remembered likewise.
//!
//! # Limits
//! `bounds.session_ends`; beyond it a logout is refused, and so noticed. A logout token has 16 KiB.
//!
//! [`SessionEnds`]: crate::session_ends::SessionEnds

use std::time::Duration;

use portcullis_identity::algorithm::Algorithms;
use portcullis_identity::claims::Claims;
use portcullis_identity::json::Value;
use portcullis_identity::jwt::{Kind, Refused, Rules};

use super::session::Session;
use super::{Failed, Login};
use crate::issuers::signed::NotSigned;
use crate::oauth::form;
use crate::session_ends::End;

/// What makes a token a logout token (§2.4).
const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";
/// How old a logout token may be.
const ISSUED_MAX: Duration = Duration::from_secs(300);
/// How far clocks may be apart.
const LEEWAY_MAX: Duration = Duration::from_secs(60);
/// Characters of a name that is remembered.
const NAME_BYTES_MAX: usize = 512;

impl Login {
    /// Ends the session of a cookie, if there is one, and says where the user is to be sent.
    ///
    /// # Errors
    /// It cannot be kept that the session has ended.
    pub async fn log_out(
        self: &std::sync::Arc<Self>,
        cookie: Option<&[u8]>,
        now: Duration,
    ) -> Result<Option<String>, Failed> {
        if let Some(session) = cookie.and_then(|cookie| self.open(cookie, now)) {
            let until = now.saturating_add(self.lasts()).as_secs();
            let end = End { begun_until: until, counts_until: until };
            self.end(vec![(format!("id {}", session.id), end)]).await?;
        }
        let after = self.spec.after_logout.as_deref();
        let place = self.ready().ok().and_then(|ready| ready.provider.end_session.clone());
        Ok(match place {
            // SECURITY: the ID token could be the hint here, and would then be in URLs, histories and logs.
            Some(place) => {
                let mut pairs = vec![("client_id", &*self.spec.client_id)];
                pairs.extend(after.map(|after| ("post_logout_redirect_uri", after)));
                Some(form::with_query(&place.to_string(), &pairs))
            }
            None => after.map(str::to_owned),
        })
    }

    /// Ends the sessions that a logout token of the issuer is about.
    ///
    /// # Errors
    /// The token does not hold, or that cannot be said, or cannot be kept.
    pub async fn log_out_by(self: &std::sync::Arc<Self>, token: &[u8], now: Duration) -> Result<(), Failed> {
        let claims = self.read_logout(token).await?;
        let refused = |why: &str| Failed::Refused(why.to_owned());
        let event = claims.get("events").and_then(Value::as_object).and_then(|events| events.get(EVENT));
        if event.and_then(Value::as_object).is_none() {
            return Err(refused("the token is about no logout"));
        }
        if claims.members().has("nonce") {
            return Err(refused("a logout token has no nonce"));
        }
        let issued = claims.issued().ok_or_else(|| refused("the token does not say when it was issued"))?;
        if issued.saturating_add(ISSUED_MAX) < now {
            return Err(refused("the logout token is too old"));
        }
        let text = |name: &str| match claims.get(name) {
            None => Ok(None),
            Some(value) => {
                let text = value.as_text().filter(|text| !text.is_empty() && text.len() <= NAME_BYTES_MAX);
                let text = text.filter(|text| !text.contains(char::is_control));
                text.map(Some).ok_or_else(|| refused("a claim of the logout token is of no use"))
            }
        };
        let (subject, sid) = (text("sub")?, text("sid")?);
        let names = match (subject, sid) {
            (None, None) => return Err(refused("the logout token is about nobody")),
            (Some(subject), None) => vec![format!("sub {subject}")],
            (None, Some(sid)) => vec![format!("sid {sid}")],
            (Some(subject), Some(sid)) => vec![format!("sid {sid}"), format!("nosid {subject}")],
        };
        let id = text("jti")?.ok_or_else(|| refused("the logout token has no jti"))?;
        let id = format!("jti {id}");
        // Here, or to another node.
        if !self.shared.used.first(&id) || self.ended.is_known(&self.spec.name, &id) {
            return Err(refused("the logout token came before"));
        }
        let begun_until = now.as_secs();
        let end = End { begun_until, counts_until: now.saturating_add(self.lasts()).as_secs() };
        let remembered = now.saturating_add(ISSUED_MAX).saturating_add(LEEWAY_MAX).as_secs();
        let mut ends: Vec<_> = names.into_iter().map(|name| (name, end)).collect();
        ends.push((id, End { begun_until: 0, counts_until: remembered }));
        self.end(ends).await
    }

    /// Whether a session has ended before its time.
    pub(super) fn has_ended(&self, session: &Session) -> bool {
        self.ended.has_ended(&self.spec.name, session.begun, || {
            let subject = session.claims.subject().unwrap_or_default();
            let of_issuer = match session.sid() {
                Some(sid) => format!("sid {sid}"),
                None => format!("nosid {subject}"),
            };
            vec![format!("id {}", session.id), format!("sub {subject}"), of_issuer]
        })
    }

    /// How long a session of now may count, clocks considered.
    fn lasts(&self) -> Duration {
        self.spec.session.saturating_add(LEEWAY_MAX)
    }

    /// What a logout token says: its kind is `logout+jwt`, or nothing but that it is a token (§2.4).
    async fn read_logout(&self, token: &[u8]) -> Result<Claims, Failed> {
        let rules = |kind| Rules {
            issuer: self.issuer.issuer().map(Into::into),
            audiences: Some(vec![self.spec.client_id.clone()]),
            algorithms: Algorithms::ASYMMETRIC,
            kind,
            subject: false,
            leeway: self.issuer.spec().tokens.leeway,
        };
        let exactly = rules(Kind::Exactly("logout+jwt".into()));
        match self.issuer.verify_signed(token, &exactly).await {
            Err(NotSigned::Refused(Refused::Kind)) => {
                Ok(self.issuer.verify_signed(token, &rules(Kind::Plain)).await?.0)
            }
            verified => Ok(verified?.0),
        }
    }

    /// Remembers ends, on a thread that may wait for the disk.
    async fn end(self: &std::sync::Arc<Self>, ends: Vec<(String, End)>) -> Result<(), Failed> {
        let login = std::sync::Arc::clone(self);
        let ended = tokio::task::spawn_blocking(move || login.ended.end(&login.spec.name, &ends)).await;
        match ended {
            Ok(Ok(())) => Ok(()),
            Ok(Err(why)) => Err(Failed::Unavailable(why)),
            Err(_) => Err(Failed::Unavailable("the end of a session cannot be kept".to_owned())),
        }
    }
}
