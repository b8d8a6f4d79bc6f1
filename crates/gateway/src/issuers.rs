//! External identity providers: whose tokens count, their keys, and asking them about tokens.
//!
//! One [`Issuer`] for each entry of `issuers:`, kept over reloads as long as its settings stay (`resources`). It judges
//! tokens by what is known at that moment: [`keys`] are fetched in the background ([`keeper`]), a key that is not known
//! brings one refresh for all requests together, and the last good keys count for a while, also after a restart
//! (`last_good`). An issuer that is asked about each token is asked once for all who present it ([`introspection`]).
//!
//! **Whose fault.** A token that does not hold is [`Verdict::Refused`]. What cannot be judged because the issuer is
//! away is [`Verdict::Unavailable`], a 503: never taken for bad, never for good. It concerns the operations that ask for this
//! issuer alone.
//!
//! **Once verified.** A token that held is remembered by each core ([`verified`]) until it ends, its issuer's keys change,
//! or its issuer does.
//!
//! # Limits
//! Each part names its own: [`keys::WAIT`], [`keys::WAITING_MAX`], [`verified::BYTES_MAX`], [`discovery::DOCUMENT_BYTES_MAX`],
//! [`introspection::ANSWERS_MAX`] and more.
//!
//! # Threats
//! Tokens come from anybody: none of them names a place that is called or a key that is used. Issuers are trusted with
//! their own callers and nothing else; what one of them answers can be slow, large or nonsense.

pub mod discovery;
pub mod introspection;
pub mod keeper;
pub mod keys;
mod last_good;
pub mod possession;
pub mod signed;
pub mod spec;
mod split;
pub mod verified;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use http::StatusCode;
use portcullis_identity::base64::decode_url;
use portcullis_identity::claims::Claims;
use portcullis_identity::jwt::{self, Kind, Rules, Said, Unverified};

use self::introspection::Introspector;
use self::keys::{Keys, Renewed};
use self::signed::NotSigned;
use self::spec::{AnswerForm, IssuerSpec};
use self::verified::{Bound, Verified};
use crate::chores::Chores;
use crate::clock;
use crate::fetch::{Remote, RemoteError};
use crate::observe::{IssuerFacts, Observe};
use crate::pipeline::consumer::{Grant, Issued};
use crate::pipeline::{Consumer, Proof};
use crate::problem::{Blame, ProblemKind};
use crate::secret::Secret;

/// The longest value of a claim that names a consumer.
const CONSUMER_BYTES_MAX: usize = 255;
/// The longest `jti` that is shown.
const ID_BYTES_MAX: usize = 128;

/// An issuer's word is needed and cannot be had.
pub const ISSUER_UNAVAILABLE: ProblemKind = ProblemKind {
    code: "issuer-unavailable",
    status: StatusCode::SERVICE_UNAVAILABLE,
    title: "The credential cannot be judged now",
    blame: Blame::Gateway,
    severity: None,
    about: "The issuer of the token cannot be asked, or its keys cannot be had, so that nobody can say whether the token holds. Try again in a moment; /readyz and the log name the issuer.",
};

/// An external identity provider.
#[derive(Debug)]
pub struct Issuer {
    /// Tells it from every other one, also of the same name.
    pub id: u64,
    spec: IssuerSpec,
    keys: Option<Keys>,
    place: Option<Remote>,
    rules: Rules,
    introspector: Option<Introspector>,
    counts: Arc<keeper::Counts>,
    /// Why its keys cannot be had, if they cannot.
    failure: Arc<ArcSwapOption<String>>,
    tokens: Tokens,
}

/// What became of tokens that were not known yet.
#[derive(Debug, Default)]
struct Tokens {
    verified: AtomicU64,
    refused: AtomicU64,
    unavailable: AtomicU64,
}

/// What an issuer says of a token.
#[derive(Debug)]
pub enum Verdict {
    /// It holds.
    Proven(Verified),
    /// It does not, and why.
    Refused(&'static str),
    /// Nobody can say.
    Unavailable(&'static str),
}

/// Why an issuer can never work.
#[derive(Debug, thiserror::Error)]
pub enum IssuerError {
    /// Its keys.
    #[error("the key set counts for nothing: {0}")]
    Keys(String),
    /// It can never be asked.
    #[error(transparent)]
    Remote(#[from] RemoteError),
}

impl Issuer {
    /// That of `spec`. Nothing is asked for yet: see [`Self::begin`].
    ///
    /// # Errors
    /// It can never work.
    pub fn new(spec: IssuerSpec) -> Result<Self, IssuerError> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let keys = spec.keys.clone().map(Keys::new).transpose().map_err(IssuerError::Keys)?;
        let place = spec.keys.as_ref().map(keeper::remote).transpose()?.flatten();
        let introspector = spec.introspection.clone().map(Introspector::new).transpose()?;
        Ok(Self {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            rules: rules(&spec),
            spec,
            keys,
            place,
            introspector,
            counts: Arc::default(),
            failure: Arc::default(),
            tokens: Tokens::default(),
        })
    }

    /// Whether asking about a token brings a JWT about it.
    pub fn answers_with_jwt(&self) -> bool {
        self.spec.introspection.as_ref().is_some_and(|asked| asked.form != AnswerForm::Json)
    }

    /// What it was made from.
    pub fn spec(&self) -> &IssuerSpec {
        &self.spec
    }

    /// Its name in configuration.
    pub fn name(&self) -> &Arc<str> {
        &self.spec.name
    }

    /// Its name in tokens, where that is known.
    pub fn issuer(&self) -> Option<&str> {
        self.spec.keys.as_ref().map(|keys| &*keys.issuer)
    }

    /// Whether it is asked about each token.
    pub fn is_asked(&self) -> bool {
        self.introspector.is_some()
    }

    /// Begins to fetch its keys, unless that began before.
    pub fn begin(&self, chores: &Chores, observe: &Observe, state: Option<&Path>) {
        if let (Some(keys), Some(place)) = (&self.keys, &self.place) {
            keeper::begin(keys, place, &self.counts, &self.failure, chores, observe, state);
        }
    }

    /// What was found out about `token` before, if it counts still.
    pub fn holds(&self, verified: &Verified) -> bool {
        verified.issuer == self.id && verified.generation == self.generation()
    }

    /// Why a token of this issuer cannot hold at the time `now`, where that shows at a look: whatever its signature is worth, and
    /// whatever newer keys say.
    pub fn refuses(&self, said: &Said<'_>, now: Duration) -> Option<&'static str> {
        let why = if said.is_over(&self.rules, now) {
            jwt::Refused::Expired
        } else {
            // Whether they are the newest is asked first: those that come meanwhile are looked at, too.
            let keys = self.keys.as_ref().filter(|keys| keys.are_new())?;
            keys.lack(said).then_some(jwt::Refused::UnknownKey)?
        };
        self.tokens.refused.fetch_add(1, Ordering::Relaxed);
        Some(why.as_str())
    }

    /// Judges a token that says it is of this issuer; `read` where it was taken apart already.
    pub async fn judge(&self, token: &[u8], read: Option<Unverified<'_>>) -> Verdict {
        let verdict = match &self.introspector {
            Some(introspector) => introspector.judge(self, token).await,
            None => match read.map_or_else(|| Unverified::read(token), Ok) {
                Ok(read) => self.verify(token, read).await,
                Err(why) => Verdict::Refused(why.as_str()),
            },
        };
        let counter = match &verdict {
            Verdict::Proven(verified) => {
                verified::remember(token, verified.clone());
                &self.tokens.verified
            }
            Verdict::Refused(_) => &self.tokens.refused,
            Verdict::Unavailable(_) => &self.tokens.unavailable,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        verdict
    }

    async fn verify(&self, token: &[u8], read: Unverified<'_>) -> Verdict {
        match self.verify_by(read, &self.rules).await {
            Ok((claims, generation)) => self.prove(token, claims, None, generation, None),
            Err(NotSigned::Refused(why)) => Verdict::Refused(why.as_str()),
            Err(NotSigned::Unavailable(why)) => Verdict::Unavailable(why),
        }
    }

    /// Judges by the keys of this moment, and once more by newer ones if it takes them. Says of which generation they are.
    async fn verify_by(&self, token: Unverified<'_>, rules: &Rules) -> Result<(Claims, u64), NotSigned> {
        match self.judge_now(&token, rules) {
            Ok(generation) => return Ok((token.into_claims(), generation)),
            Err(Some(jwt::Refused::UnknownKey) | None) => {}
            Err(Some(why)) => return Err(NotSigned::Refused(why)),
        }
        let renewed = match &self.keys {
            Some(keys) => keys.renewed().await,
            None => Renewed::Unknown,
        };
        match self.judge_now(&token, rules) {
            Ok(generation) => Ok((token.into_claims(), generation)),
            Err(Some(jwt::Refused::UnknownKey)) if matches!(renewed, Renewed::Unknown) => {
                Err(NotSigned::Unavailable("the key is not known and newer ones cannot be had"))
            }
            Err(Some(why)) => Err(NotSigned::Refused(why)),
            Err(None) => Err(NotSigned::Unavailable("there are no keys")),
        }
    }

    /// Judges by the keys of this moment, and says of which generation they are; `None` as a reason: there are none.
    fn judge_now(&self, token: &Unverified<'_>, rules: &Rules) -> Result<u64, Option<jwt::Refused>> {
        let keys = self.keys.as_ref().ok_or(None)?;
        let generation = keys.generation();
        let known = keys.known().ok_or(None)?;
        token.judge(&known.set, rules, clock::wall()).map_err(Some)?;
        Ok(generation)
    }

    fn generation(&self) -> u64 {
        self.keys.as_ref().map_or(0, Keys::generation)
    }

    /// A proof of what the claims of `token` say. What they prove counts until they end, and until `until`.
    fn prove(
        &self,
        token: &[u8],
        claims: Claims,
        signed: Option<Secret>,
        generation: u64,
        until: Option<Duration>,
    ) -> Verdict {
        let named = claims.get(&self.spec.tokens.consumer_claim).and_then(|value| value.as_text());
        // Who asks is told by the client, where a token is about nobody else.
        let named = match named {
            None if self.is_asked() && *self.spec.tokens.consumer_claim == *"sub" => claims.client(),
            named => named,
        };
        let Some(consumer) = named.and_then(|name| self.consumer(name)) else {
            return Verdict::Refused("the claim that names the consumer is missing or no name");
        };
        let bound = bound(&claims);
        let id = claims.id().filter(|id| id.len() <= ID_BYTES_MAX && !id.contains(char::is_control));
        let expires = claims.expires();
        let proof = Proof {
            consumer,
            credential: id.unwrap_or(&self.spec.name).into(),
            scopes: claims.scopes().into(),
            expires,
            fingerprint: None,
            claims: Some(Arc::new(claims)),
            issued: std::str::from_utf8(token)
                .ok()
                .map(|token| Issued { signed, ..Issued::new(token, expires) }),
        };
        let until = match (expires, until) {
            (Some(expires), Some(until)) => expires.min(until),
            (expires, until) => expires.or(until).unwrap_or_default(),
        };
        Verdict::Proven(Verified { issuer: self.id, generation, until, proof: Arc::new(proof), bound })
    }

    /// The consumer of this name here, if it is one.
    fn consumer(&self, name: &str) -> Option<Arc<Consumer>> {
        let is_name =
            !name.is_empty() && name.len() <= CONSUMER_BYTES_MAX && !name.contains(char::is_control);
        is_name.then(|| {
            Arc::new(Consumer { name: format!("{}/{name}", self.spec.name).into(), apis: Grant::All })
        })
    }

    /// How it is doing.
    pub fn facts(&self) -> IssuerFacts {
        let known = self.keys.as_ref().and_then(Keys::known);
        let fetched = known.as_ref().filter(|_| self.place.is_some()).map(|known| known.fetched());
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let failure = match &self.introspector {
            Some(introspector) if self.keys.is_none() => introspector.failure(),
            _ => self.failure.load_full().map(|failure| failure.to_string()),
        };
        IssuerFacts {
            name: self.spec.name.to_string(),
            keys: self.keys.as_ref().map(|_| known.as_ref().map_or(0, |known| known.set.keys().len() as u64)),
            age_seconds: fetched.map(|fetched| clock::wall().saturating_sub(fetched).as_secs()),
            failure,
            fetches: self.place.as_ref().map(|_| (read(&self.counts.good), read(&self.counts.failed))),
            asked: self.introspector.as_ref().map(Introspector::asked),
            verified: read(&self.tokens.verified),
            refused: read(&self.tokens.refused),
            unavailable: read(&self.tokens.unavailable),
        }
    }
}

/// What tokens of an issuer must be.
fn rules(spec: &IssuerSpec) -> Rules {
    let tokens = &spec.tokens;
    Rules {
        issuer: spec.keys.as_ref().map(|keys| (*keys.issuer).into()),
        audiences: (!tokens.audiences.is_empty() || spec.introspection.is_none())
            .then(|| tokens.audiences.clone()),
        algorithms: tokens.algorithms,
        kind: tokens.typ.clone().map_or(Kind::Access, Kind::Exactly),
        subject: *tokens.consumer_claim == *"sub",
        leeway: tokens.leeway,
    }
}

/// What the presenter of a token with these claims must hold besides.
fn bound(claims: &Claims) -> Bound {
    let Some(confirmation) = claims.confirmation() else { return Bound::default() };
    let certificate = claims.certificate_thumbprint().and_then(thumbprint);
    let key = claims.key_thumbprint().and_then(thumbprint);
    let judged = [certificate, key].iter().flatten().count();
    Bound { certificate, key, otherwise: judged == 0 || judged != confirmation.len() }
}

/// A SHA-256 as tokens carry it.
fn thumbprint(text: &str) -> Option<[u8; 32]> {
    decode_url(text.as_bytes())?.try_into().ok()
}
