//! Logouts: by the user here, by the issuer for a user (OpenID Connect Back-Channel Logout 1.0), and where users are sent to
//! log out at the issuer (RP-Initiated Logout 1.0).
//!
//! A session lives in a browser, so what ends it is remembered here until it would have ended by itself: by its own name,
//! by the issuer's name of it (`sid`), or by its user and the time. That holds on this node, at once, and over a restart
//! where there is a state directory; other nodes are told by the issuer only if it calls them, too.
//!
//! # Limits
//! [`ENDED_MAX`] ends are remembered; beyond it a logout is refused, and so noticed. A logout token has 16 KiB.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError, RwLock};
use std::time::Duration;

use foldhash::HashMap;
use portcullis_identity::algorithm::Algorithms;
use portcullis_identity::claims::Claims;
use portcullis_identity::json::Value;
use portcullis_identity::jwt::{Kind, Refused, Rules};

use super::session::Session;
use super::{Failed, Login};
use crate::issuers::signed::NotSigned;
use crate::oauth::form;
use crate::{clock, files};

/// Ends that are remembered.
pub const ENDED_MAX: usize = 100_000;
/// Bytes of a file of ends.
const FILE_BYTES_MAX: u64 = 64 << 20;
/// What makes a token a logout token (§2.4).
const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";
/// How old a logout token may be.
const ISSUED_MAX: Duration = Duration::from_secs(300);
/// Characters of a name that is remembered.
const NAME_BYTES_MAX: usize = 512;

/// Sessions that ended before their time.
#[derive(Debug, Default)]
pub struct Revoked {
    // By what names them; a session of it that had begun by then has ended.
    ended: RwLock<HashMap<Box<str>, End>>,
    /// Raised with each end: what was judged before is to be judged again.
    generation: AtomicU64,
    file: Mutex<Option<PathBuf>>,
}

#[derive(Debug, Clone, Copy)]
struct End {
    /// Sessions that began until then, since 1970.
    begun_until: u64,
    /// Until when there can be any.
    counts_until: u64,
}

impl Revoked {
    /// Takes over what `file` has, and keeps what comes there.
    ///
    /// # Errors
    /// It cannot be read or written; ends are then remembered in memory alone.
    pub fn keep_in(&self, file: PathBuf) -> io::Result<()> {
        let mut kept = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.is_some() {
            return Ok(());
        }
        let now = clock::wall().as_secs();
        let text = match fs::metadata(&file) {
            Ok(facts) if facts.len() > FILE_BYTES_MAX => {
                return Err(io::Error::other("the file is too large"));
            }
            Ok(_) => fs::read_to_string(&file)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(error),
        };
        let mut ended = self.ended.write().unwrap_or_else(PoisonError::into_inner);
        // A last line that was cut off is no line.
        for line in text.lines() {
            let mut words = line.splitn(3, ' ');
            let (Some(Ok(counts_until)), Some(Ok(begun_until)), Some(name)) =
                (words.next().map(str::parse), words.next().map(str::parse), words.next())
            else {
                continue;
            };
            if counts_until > now && ended.len() < ENDED_MAX {
                ended.insert(name.into(), End { begun_until, counts_until });
            }
        }
        self.generation.fetch_add(1, Ordering::Release);
        files::replace(&file, |out| {
            ended
                .iter()
                .try_for_each(|(name, end)| writeln!(out, "{} {} {name}", end.counts_until, end.begun_until))
        })?;
        *kept = Some(file);
        Ok(())
    }

    /// Changes whenever a session that has not ended may have.
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Whether a session has ended before its time.
    pub fn has_ended(&self, session: &Session) -> bool {
        let ended = self.ended.read().unwrap_or_else(PoisonError::into_inner);
        if ended.is_empty() {
            return false;
        }
        let is_of =
            |name: &str| ended.get(name).is_some_and(|end| session.begun.as_secs() <= end.begun_until);
        let subject = session.claims.subject().unwrap_or_default();
        is_of(&format!("id {}", session.id))
            || is_of(&format!("sub {subject}"))
            || match session.sid() {
                Some(sid) => is_of(&format!("sid {sid}")),
                None => is_of(&format!("nosid {subject}")),
            }
    }

    /// Ends every session that has one of these names and began before now.
    fn end(&self, names: &[String], now: Duration, lasts: Duration) -> Result<(), String> {
        let end = End { begun_until: now.as_secs(), counts_until: now.saturating_add(lasts).as_secs() };
        {
            let mut ended = self.ended.write().unwrap_or_else(PoisonError::into_inner);
            if ended.len().saturating_add(names.len()) > ENDED_MAX {
                ended.retain(|_, end| end.counts_until > now.as_secs());
            }
            if ended.len().saturating_add(names.len()) > ENDED_MAX {
                return Err("too many sessions were ended before their time".to_owned());
            }
            ended.extend(names.iter().map(|name| (name.as_str().into(), end)));
            self.generation.fetch_add(1, Ordering::Release);
        }
        let file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(file) = &*file else { return Ok(()) };
        let lines: String =
            names.iter().map(|name| format!("{} {} {name}\n", end.counts_until, end.begun_until)).collect();
        let written =
            OpenOptions::new().append(true).create(true).mode(0o600).open(file).and_then(|mut file| {
                file.write_all(lines.as_bytes())?;
                file.sync_data()
            });
        written.map_err(|error| format!("the end of a session cannot be kept: {error}"))
    }
}

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
            self.end(vec![format!("id {}", session.id)], now).await?;
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
        if !self.shared.used.first(&format!("jti {id}")) {
            return Err(refused("the logout token came before"));
        }
        self.end(names, now).await
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
    async fn end(self: &std::sync::Arc<Self>, names: Vec<String>, now: Duration) -> Result<(), Failed> {
        let login = std::sync::Arc::clone(self);
        let lasts = self.spec.session.saturating_add(Duration::from_secs(60));
        let ended = tokio::task::spawn_blocking(move || login.shared.revoked.end(&names, now, lasts)).await;
        match ended {
            Ok(Ok(())) => Ok(()),
            Ok(Err(why)) => Err(Failed::Unavailable(why)),
            Err(_) => Err(Failed::Unavailable("the end of a session cannot be kept".to_owned())),
        }
    }
}
