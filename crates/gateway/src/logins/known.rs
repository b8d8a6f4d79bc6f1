//! Sessions that were opened already, on each core for itself, each with the one proof it gives.
//!
//! What is made of a caller is made once for a proof (a token of ours, an exchanged one), so a session must not give another
//! one with each request; and a cookie that was opened need not be decrypted and read again. A session is found by its whole
//! cookie, and counts for the login that opened it and until it ends. When any session is ended before its time, all are judged
//! anew.
//!
//! PERF: one look at a table of this thread: no lock, no allocation, no decryption.
//!
//! # Limits
//! [`BYTES_MAX`] of cookies on each core, with what is kept beside them.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use super::Login;
use super::session::Session;
use crate::pipeline::Proof;
use crate::pipeline::consumer::Issued;
use crate::remembered::Remembered;

/// Bytes of cookies remembered on each core, with what is kept beside them.
pub const BYTES_MAX: usize = 8 << 20;
/// How often the bytes of a cookie are there: as the key of the table, as the session, as its proof.
const COPIES: usize = 3;
/// What a session costs besides.
const COST: usize = 512;

thread_local! {
    static KNOWN: RefCell<Remembered<Known>> = RefCell::new(Remembered::new(BYTES_MAX, COPIES, COST));
}

/// A session, and whom it proves.
#[derive(Clone)]
pub struct Known {
    /// The session.
    pub session: Arc<Session>,
    /// Whom it proves; `None`: nobody, by what the configuration says of the issuer's claims.
    pub proof: Option<Arc<Proof>>,
    /// Until when it counts, since 1970.
    ends: Duration,
    /// Which object opened it.
    login: u64,
    /// How many ends of sessions that one knew of.
    generation: u64,
}

impl Login {
    /// The session that a cookie holds, if it has not ended at `now`. From its `renew` on it counts by [`Self::fresh`] alone.
    pub fn known(&self, cookie: &[u8], now: Duration) -> Option<Known> {
        // Read first: an end that comes while the session is judged makes it be judged again.
        let generation = self.ended.generation();
        let found = KNOWN.with_borrow_mut(|all| all.find(cookie));
        if let Some(known) = found
            && known.login == self.id
            && known.generation == generation
        {
            return (now < known.ends).then_some(known);
        }
        let known = self.proven(self.open(cookie, now)?, generation);
        KNOWN.with_borrow_mut(|all| all.insert(cookie.into(), known.clone()));
        Some(known)
    }

    /// A session with its proof.
    pub(super) fn proven(&self, session: Session, generation: u64) -> Known {
        let consumer = self.issuer.consumer_of(&session.claims);
        let ends = self.ends(&session);
        let issued = session.access.as_ref().map(|token| Issued::new(token.expose(), Some(session.vouched)));
        let proof = consumer.map(|consumer| {
            Arc::new(Proof {
                consumer,
                credential: session.id.as_ref().into(),
                scopes: session.scopes.split_ascii_whitespace().map(Into::into).collect(),
                expires: Some(session.ends),
                fingerprint: None,
                claims: Some(Arc::clone(&session.claims)),
                issued,
            })
        });
        Known { session: Arc::new(session), proof, ends, login: self.id, generation }
    }
}
