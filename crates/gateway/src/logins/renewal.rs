//! Sessions are renewed ahead of their end (RFC 6749 §6), once for all requests that bring the same one.
//!
//! A page sends many requests at a time, each with the same session; a provider that changes refresh tokens takes a second
//! use of one for theft. So the first request begins the renewal, on the thread for what no request waits for, where no
//! client that goes away can break it off; all wait for it, and for [`KEPT`] afterwards whoever still comes with the old
//! session gets the same new one.
//!
//! As long as the issuer's word still holds, nobody waits longer than [`WAIT`], and an issuer that is away takes nobody
//! out. When it holds no more and cannot be renewed, the user is logged out.
//!
//! # Limits
//! `bounds.session_renewals` are remembered; beyond it nothing is renewed. After one that failed, the next begins
//! [`COOL_DOWN`] later.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use foldhash::HashMap;
use portcullis_identity::sha256::{Digest, digest};
use tokio::sync::watch;

use super::known::Known;
use super::session::Session;
use super::tokens::Expected;
use super::{Failed, Login};
use crate::bounds::Bounds;
use crate::clock::{self, Instant};

/// Most time a request waits while the old session still counts.
pub const WAIT: Duration = Duration::from_secs(2);
/// How long a renewed session is remembered for those who come with the old one.
pub const KEPT: Duration = Duration::from_secs(60);
/// After a renewal that came to nothing, until the next.
pub const COOL_DOWN: Duration = Duration::from_secs(10);

/// Renewals under way and just over, by the digest of what they renew.
#[derive(Debug)]
pub struct Renewals {
    flights: Mutex<Flights>,
    most: AtomicUsize,
}

type Flights = HashMap<Digest, Flight>;

#[derive(Clone, Debug)]
struct Flight {
    began: Instant,
    outcome: watch::Receiver<Option<Outcome>>,
}

impl Default for Renewals {
    fn default() -> Self {
        let most = AtomicUsize::new(Bounds::default().session_renewals as usize);
        Self { flights: Mutex::default(), most }
    }
}

impl Renewals {
    /// At most so many are remembered.
    pub fn resize(&self, most: u32) {
        self.most.store(most as usize, Ordering::Relaxed);
    }
}

/// What came of a renewal.
#[derive(Clone)]
enum Outcome {
    Renewed(Known, Arc<str>),
    LoggedOut,
    Unavailable,
}

/// A session that counts, and the line that gives the browser a newer one.
pub struct Fresh {
    /// The session.
    pub known: Known,
    /// A line of `Set-Cookie`.
    pub cookie: Option<Arc<str>>,
}

impl Login {
    /// A session whose time to be renewed has come, renewed if that can be; `None` when it counts no more.
    pub async fn fresh(self: &Arc<Self>, known: Known, now: Duration) -> Option<Fresh> {
        let session = &known.session;
        let counts = now < session.vouched;
        let outcome = match &session.refresh {
            Some(_) => self.renewed(session, counts).await,
            None => Outcome::Unavailable,
        };
        match outcome {
            Outcome::Renewed(renewed, line) => {
                // It may have been ended since.
                let session = &renewed.session;
                let counts = now < session.ends && !self.has_ended(session);
                counts.then_some(Fresh { known: renewed, cookie: Some(line) })
            }
            Outcome::Unavailable if counts => Some(Fresh { known, cookie: None }),
            Outcome::Unavailable | Outcome::LoggedOut => None,
        }
    }

    async fn renewed(self: &Arc<Self>, session: &Session, counts: bool) -> Outcome {
        let Some(mut flight) = self.flight(session) else { return Outcome::Unavailable };
        let most = if counts { WAIT } else { self.timeout.saturating_add(WAIT) };
        let until = flight.began.checked_add(most).unwrap_or(flight.began);
        match tokio::time::timeout_at(until, flight.outcome.wait_for(Option::is_some)).await {
            Ok(Ok(outcome)) => outcome.clone().unwrap_or(Outcome::Unavailable),
            Ok(Err(_)) | Err(_) => Outcome::Unavailable,
        }
    }

    /// The renewal of a session: the one under way or just over, or a new one.
    fn flight(self: &Arc<Self>, session: &Session) -> Option<Flight> {
        let refresh = session.refresh.as_ref()?;
        let own = digest(refresh.expose().as_bytes());
        let now = clock::now();
        let mut flights = self.shared.renewals.flights.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(flight) = flights.get(&own).filter(|flight| !flight.is_over(now)) {
            return Some(flight.clone());
        }
        let most = self.shared.renewals.most.load(Ordering::Relaxed);
        if flights.len() >= most / 2 {
            flights.retain(|_, flight| !flight.is_over(now));
        }
        if flights.len() >= most {
            return None;
        }
        let (told, outcome) = watch::channel(None);
        let flight = Flight { began: now, outcome };
        flights.insert(own, flight.clone());
        let (login, session) = (Arc::clone(self), session.clone());
        self.chores.get()?.spawn(async move {
            let generation = login.ended.generation();
            let outcome = match login.renew(&session).await {
                Ok((renewed, line)) => Outcome::Renewed(login.proven(renewed, generation), line.into()),
                Err(Failed::Refused(reason)) => {
                    tracing::info!(login = &*login.spec.name, %reason, "a session was not renewed");
                    Outcome::LoggedOut
                }
                Err(Failed::Unavailable(reason)) => {
                    tracing::warn!(login = &*login.spec.name, %reason, "a session could not be renewed");
                    Outcome::Unavailable
                }
            };
            // Nobody may be waiting any more.
            let _ = told.send(Some(outcome));
        });
        Some(flight)
    }

    async fn renew(&self, session: &Session) -> Result<(Session, String), Failed> {
        let ready = self.ready().map_err(Failed::Unavailable)?;
        let refresh = session.refresh.as_ref().map_or("", |refresh| refresh.expose());
        let granted =
            self.ask(&ready, &[("grant_type", "refresh_token"), ("refresh_token", refresh)]).await?;
        let claims = match granted.id_token {
            Some(_) => {
                let expected = Expected { nonce: None, subject: session.claims.subject() };
                Some(self.identify(&granted, &expected).await?)
            }
            None => None,
        };
        let now = clock::wall();
        let renewed = session.renewed(&self.spec, &granted, claims.as_ref(), now);
        let line = self.cookie_of(&renewed, now)?;
        Ok((renewed, line))
    }
}

impl Flight {
    /// Whether it is of no use any more.
    fn is_over(&self, now: Instant) -> bool {
        let age = now.saturating_duration_since(self.began);
        match &*self.outcome.borrow() {
            None => self.outcome.has_changed().is_err(),
            Some(Outcome::Unavailable) => age >= COOL_DOWN,
            Some(_) => age >= KEPT,
        }
    }
}

impl std::fmt::Debug for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Renewed(..) => "Renewed",
            Self::LoggedOut => "LoggedOut",
            Self::Unavailable => "Unavailable",
        })
    }
}
