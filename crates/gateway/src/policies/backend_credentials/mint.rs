//! Tokens of our own about a caller, for one audience.
//!
//! A signature costs more than everything else that is done with a request, so a token is used again for the same caller
//! until a quarter of its lifetime is left. Callers are told apart by their proof, which is made once per credential: another
//! token of the same user is another proof. The cache is a table of fixed size in which two callers may want one place; the
//! later one takes it, and the other has its token made anew. Whoever finds the place busy waits for the signature that is being
//! made there, which is sooner than to make its own.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use portcullis_identity::base64::encode_url;
use portcullis_identity::claims::Claims;
use portcullis_identity::json::{Object, Value};
use portcullis_identity::jwt::Header;

use super::{Lacking, fact_of};
use crate::clock::{self, Instant};
use crate::config::{Absent, CallerFact};
use crate::pipeline::Proof;
use crate::secret::{Secret, random_bytes};
use crate::signing::Signing;

/// Places for tokens, for all backends together.
const PLACES: usize = 16_384;

/// A wall clock that went another way than the monotonic one by more than this was set anew.
const CLOCK_SET: Duration = Duration::from_secs(2);

/// Makes tokens for one audience.
#[derive(Debug)]
pub struct Mint {
    /// Tells it from every other one, also of an earlier configuration.
    number: u64,
    signing: Arc<Signing>,
    terms: Terms,
    places: Arc<Places>,
}

/// Tokens that can be used again, of all backends.
pub struct Places(Box<[Mutex<Option<Box<Minted>>>]>);

static NEXT_NUMBER: AtomicU64 = AtomicU64::new(0);

/// What is in the tokens of one audience.
#[derive(Debug)]
pub struct Terms {
    /// `iss`.
    pub issuer: String,
    /// `aud`.
    pub audience: String,
    /// How long a token counts.
    pub lifetime: Duration,
    /// The gateway's name as an actor.
    pub actor: Option<String>,
    /// Further claims.
    pub claims: Vec<(Box<str>, Made)>,
    /// What stands in front of the token, with its space.
    pub prefix: &'static str,
}

/// What a claim is made of.
#[derive(Debug)]
pub enum Made {
    /// This text.
    Text(Secret),
    /// What is known of the caller.
    Of(CallerFact, Absent),
}

/// A token that can be used again.
struct Minted {
    by: u64,
    proof: Arc<Proof>,
    value: Arc<str>,
    at: Instant,
    at_wall: Duration,
    until: Instant,
}

impl Mint {
    /// Makes tokens by `terms`.
    pub fn new(signing: Arc<Signing>, places: Arc<Places>, terms: Terms) -> Self {
        Self { number: NEXT_NUMBER.fetch_add(1, Ordering::Relaxed), signing, terms, places }
    }

    /// The value of the field that carries a token about whom `proof` is of.
    ///
    /// # Errors
    /// Says what it lacks.
    pub fn value(&self, proof: &Arc<Proof>) -> Result<Arc<str>, Lacking> {
        let place = self.places.0.get(self.place_of(proof)).ok_or("there is no room for it")?;
        // A token in there is whole.
        let mut place = place.lock().unwrap_or_else(PoisonError::into_inner);
        let (now, wall) = (clock::now(), clock::wall());
        if let Some(minted) = &*place
            && minted.by == self.number
            && Arc::ptr_eq(&minted.proof, proof)
            && minted.counts(now, wall)
        {
            return Ok(Arc::clone(&minted.value));
        }
        let lifetime = match proof.expires {
            Some(expires) => self.terms.lifetime.min(expires.saturating_sub(wall)),
            None => self.terms.lifetime,
        };
        let value: Arc<str> = self.mint(proof, wall, lifetime)?.into();
        let reused = lifetime.saturating_sub(lifetime.checked_div(4).unwrap_or_default());
        *place = now.checked_add(reused).map(|until| {
            Box::new(Minted {
                by: self.number,
                proof: Arc::clone(proof),
                value: Arc::clone(&value),
                at: now,
                at_wall: wall,
                until,
            })
        });
        Ok(value)
    }

    fn mint(&self, proof: &Proof, now: Duration, lifetime: Duration) -> Result<String, Lacking> {
        let claims = self.claims(proof, now, lifetime)?;
        let token = self.signing.sign(&Header::new("at+jwt"), &claims);
        let token = token.map_err(|_| "there is no key to sign it with")?;
        Ok(format!("{}{token}", self.terms.prefix))
    }

    /// Where the token of a caller lies. Proofs lie some hundred bytes apart.
    fn place_of(&self, proof: &Arc<Proof>) -> usize {
        let address = Arc::as_ptr(proof) as usize as u64;
        let mixed = (address >> 4) ^ self.number.rotate_left(48);
        let scattered = mixed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        usize::try_from(scattered).unwrap_or_default() % PLACES
    }

    /// RFC 9068 §2.2, RFC 8693 §4.1.
    fn claims(&self, proof: &Proof, now: Duration, lifetime: Duration) -> Result<Object, Lacking> {
        let Terms { issuer, audience, actor, claims: further, .. } = &self.terms;
        let id = random_bytes::<16>().ok_or("the system has no randomness")?;
        let callers = proof.claims.as_deref();
        let client = callers.and_then(Claims::client).unwrap_or(&proof.consumer.name);
        let mut claims = Object::new()
            .with("iss", issuer.as_str())
            .with("sub", &*proof.consumer.name)
            .with("aud", audience.as_str())
            .with("exp", now.saturating_add(lifetime).as_secs())
            .with("iat", now.as_secs())
            .with("jti", encode_url(&id))
            .with("client_id", client);
        if !proof.scopes.is_empty() {
            claims.set("scope", proof.scopes.join(" "));
        }
        let before = callers.and_then(|callers| callers.get("act")).cloned();
        let act = match (actor, before) {
            (None, before) => before,
            (Some(actor), None) => Some(Value::Object(Object::new().with("sub", actor.as_str()))),
            (Some(actor), Some(before)) => {
                Some(Value::Object(Object::new().with("sub", actor.as_str()).with("act", before)))
            }
        };
        if let Some(act) = act {
            claims.set("act", act);
        }
        for (name, made) in further {
            let value = match made {
                Made::Text(text) => Some(Value::from(text.expose())),
                Made::Of(CallerFact::Claim(path), _) => {
                    callers.and_then(|callers| callers.get(path)).cloned()
                }
                Made::Of(fact, _) => fact_of(proof, fact)?.map(Value::from),
            };
            match (value, made) {
                (Some(value), _) => claims.set(name, value),
                (None, Made::Of(_, Absent::LeaveOut) | Made::Text(_)) => {}
                (None, Made::Of(_, Absent::Refuse)) => {
                    return Err("a claim of it is not known of this caller");
                }
            }
        }
        Ok(claims)
    }
}

impl Minted {
    /// Whether it can be used again, and no clock was set since it was made.
    fn counts(&self, now: Instant, wall: Duration) -> bool {
        let expected = self.at_wall.saturating_add(now.saturating_duration_since(self.at));
        now < self.until && expected.abs_diff(wall) <= CLOCK_SET
    }
}

impl Default for Places {
    fn default() -> Self {
        Self((0..PLACES).map(|_| Mutex::default()).collect())
    }
}

impl fmt::Debug for Places {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Places").finish_non_exhaustive()
    }
}
