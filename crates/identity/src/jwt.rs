//! Signed tokens (RFC 7519, RFC 9068), judged by the rules of RFC 8725.
//!
//! The algorithm comes from the configuration and the key; the token only has to agree. Everything cheap is judged
//! first: form, header, claims and times cost less than a microsecond, a signature tens. A token is read once:
//! [`Unverified`] lets the gateway choose among issuers by what the token says of itself, and believes none of it until
//! [`Unverified::verify`] has.
//!
//! # Refused
//! Anything that makes a reader trust what the token brings along (keys, key locations, critical extensions), encrypted,
//! compressed and nested tokens, members that stand twice, claims of a wrong type, other kinds of tokens, tokens without
//! an end, and every second spelling of a token. [`Refused`] is the list.

use std::fmt;
use std::time::Duration;

use crate::algorithm::{Algorithm, Algorithms};
use crate::claims::{Claims, WrongType};
use crate::json;
use crate::jwk::{Key, KeySet};
use crate::jws::{self, Embedded};

pub use crate::jws::TOKEN_BYTES_MAX;
pub use crate::sign::{Header, NotSigned, SigningKey};

/// How far clocks may differ at most, whatever a configuration says.
pub const LEEWAY_MAX: Duration = Duration::from_secs(60);

/// What a token must be.
#[derive(Debug, Clone)]
pub struct Rules {
    /// `iss`, exactly; `None` judges no issuer.
    pub issuer: Option<Box<str>>,
    /// One of these must be in `aud`; `None` judges no audience, an empty list lets nothing pass.
    pub audiences: Option<Vec<Box<str>>>,
    /// What a signature may be made with; an empty set lets nothing pass.
    pub algorithms: Algorithms,
    /// Which kind of token it is.
    pub kind: Kind,
    /// Whether it must be about somebody.
    pub subject: bool,
    /// How far the issuer's clock may differ from ours; more than [`LEEWAY_MAX`] counts as that.
    pub leeway: Duration,
}

/// Which kind of token is meant, so that none made for one purpose serves another (RFC 8725 §3.11).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// An access token: `typ` is `at+jwt`, `JWT` or absent, and unless it is `at+jwt` nothing marks it as an ID token or
    /// a logout token. Some access tokens have no `typ`, so kinds are also told by the claims only the others have.
    Access,
    /// `typ` is `JWT` or absent, and nothing else is judged: ID tokens at login, posture tokens of others.
    Plain,
    /// `typ` is `token-introspection+jwt`: an answer about a token (RFC 9701 §5). It is of the moment and need not say
    /// when it ends.
    Introspection,
    /// `typ` is exactly this, without regard to case.
    Exactly(Box<str>),
}

/// A token that was read and not yet believed.
pub struct Unverified<'t> {
    header: jws::Header,
    input: &'t [u8],
    claims: Claims,
    signature: Vec<u8>,
}

/// What a token says of itself at a look: enough to refuse it, and never enough to believe it.
///
/// A flood of tokens that have expired, or that no key of ours signed, is refused by this alone: nothing is kept of them, and what
/// could make them good (signature, audience, types, members that stand twice) is not looked at. Whoever is not refused is read by
/// [`Unverified::read`], which judges all of it again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Said<'a> {
    /// Which key it was signed with.
    pub kid: Option<&'a str>,
    /// Who issued it.
    pub issuer: Option<&'a str>,
    /// When it ends, since 1970.
    pub expires: Option<Duration>,
}

/// Why a token is refused. For records; a caller is told none of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// More bytes than [`TOKEN_BYTES_MAX`].
    TooLong,
    /// Not the form of a signed token.
    NotThreeSegments,
    /// An encrypted, compressed or nested token.
    Encrypted,
    /// Not base64url without padding in its one spelling.
    Encoding,
    /// The header is not the JSON it should be.
    Header(json::Refused),
    /// The claims are not the JSON they should be.
    Payload(json::Refused),
    /// A critical extension.
    Critical,
    /// A key, or the place of one, within the token.
    EmbeddedKey,
    /// An algorithm that is not expected here.
    Algorithm,
    /// A token for another purpose.
    Kind,
    /// A claim of the wrong type.
    ClaimType(&'static str),
    /// Of another issuer.
    Issuer,
    /// For somebody else.
    Audience,
    /// About nobody.
    Subject,
    /// Without an end.
    NoEnd,
    /// Expired.
    Expired,
    /// Not valid yet.
    NotYet,
    /// Issued in the future.
    IssuedInFuture,
    /// By a key that the set does not have: perhaps it has a newer one.
    UnknownKey,
    /// The signature is not of the key.
    Signature,
}

/// Reads and judges `token` at the time `now`, since 1970.
pub fn verify(token: &[u8], keys: &KeySet, rules: &Rules, now: Duration) -> Result<Claims, Refused> {
    Unverified::read(token)?.verify(keys, rules, now)
}

impl Rules {
    /// Access tokens of `issuer` for one of `audiences`.
    pub fn access(issuer: &str, audiences: &[&str], algorithms: Algorithms) -> Self {
        Self {
            issuer: Some(issuer.into()),
            audiences: Some(audiences.iter().map(|audience| (*audience).into()).collect()),
            algorithms,
            kind: Kind::Access,
            subject: true,
            leeway: Duration::from_secs(30),
        }
    }

    /// Everything that needs no key.
    fn judge(&self, header: &jws::Header, claims: &Claims, now: Duration) -> Result<(), Refused> {
        if !self.algorithms.contains(header.algorithm) {
            return Err(Refused::Algorithm);
        }
        if !self.kind.fits(header, claims) {
            return Err(Refused::Kind);
        }
        if self.issuer.is_some() && claims.issuer() != self.issuer.as_deref() {
            return Err(Refused::Issuer);
        }
        if let Some(audiences) = &self.audiences
            && !claims.audience().any(|audience| audiences.iter().any(|ours| **ours == *audience))
        {
            return Err(Refused::Audience);
        }
        if self.subject && claims.subject().is_none_or(str::is_empty) {
            return Err(Refused::Subject);
        }
        self.judge_times(claims, now)
    }

    /// The one place where clocks are forgiven.
    fn judge_times(&self, claims: &Claims, now: Duration) -> Result<(), Refused> {
        let leeway = self.leeway.min(LEEWAY_MAX);
        let later = now.saturating_add(leeway);
        let end = claims.expires();
        let expires = match self.kind {
            Kind::Introspection => end.unwrap_or(Duration::MAX),
            _ => end.ok_or(Refused::NoEnd)?,
        };
        if self.is_over(expires, now) {
            return Err(Refused::Expired);
        }
        if claims.not_before().is_some_and(|begins| begins > later) {
            return Err(Refused::NotYet);
        }
        if claims.issued().is_some_and(|issued| issued > later) {
            return Err(Refused::IssuedInFuture);
        }
        Ok(())
    }

    fn is_over(&self, expires: Duration, now: Duration) -> bool {
        now >= expires.saturating_add(self.leeway.min(LEEWAY_MAX))
    }
}

impl Said<'_> {
    /// Shows `judge` what `token` says. `None`: a look does not tell, which says nothing of the token.
    pub fn of<T>(token: &[u8], judge: impl FnOnce(&Said<'_>) -> T) -> Option<T> {
        jws::look(token, judge)
    }

    /// Whether it says that it has ended.
    pub fn is_over(&self, rules: &Rules, now: Duration) -> bool {
        self.expires.is_some_and(|expires| rules.is_over(expires, now))
    }

    /// Whether it says that a key signed it which is none of `keys`.
    pub fn is_of_other_key(&self, keys: &KeySet) -> bool {
        self.kid.is_some_and(|kid| !keys.may_have(kid))
    }
}

impl Kind {
    fn fits(&self, header: &jws::Header, claims: &Claims) -> bool {
        let is = |kind: &str| header.kind().is_some_and(|stated| stated.eq_ignore_ascii_case(kind));
        let is_plain = header.typ.is_none() || is("JWT");
        match self {
            Self::Access => is("at+jwt") || (is_plain && !is_marked(claims)),
            Self::Plain => is_plain,
            Self::Introspection => is("token-introspection+jwt"),
            Self::Exactly(kind) => is(kind),
        }
    }
}

/// Whether claims say that this is no access token: an ID token (OpenID Connect Core §2, §3.3.2.11), or an event such as
/// a logout (RFC 8417 §2.2).
fn is_marked(claims: &Claims) -> bool {
    ["nonce", "at_hash", "c_hash", "s_hash", "events"].iter().any(|name| claims.members().has(name))
}

impl<'t> Unverified<'t> {
    /// Takes `token` apart and judges what holds for all tokens.
    pub fn read(token: &'t [u8]) -> Result<Self, Refused> {
        let parts = jws::read(token, Embedded::Refused)?;
        let claims = Claims::new(parts.payload)?;
        Ok(Self { header: parts.header, input: parts.input, claims, signature: parts.signature })
    }

    /// Who it says issued it. Good for choosing whose keys to ask, for nothing else.
    pub fn issuer(&self) -> Option<&str> {
        self.claims.issuer()
    }

    /// All it says. Good for refusing it sooner, for nothing else.
    pub fn claims(&self) -> &Claims {
        &self.claims
    }

    /// The key it says it was signed with.
    pub fn kid(&self) -> Option<&str> {
        self.header.kid.as_deref()
    }

    /// What it says it was signed by.
    pub fn algorithm(&self) -> Algorithm {
        self.header.algorithm
    }

    /// Judges it by `rules`, then by the signature of one of `keys`.
    pub fn verify(self, keys: &KeySet, rules: &Rules, now: Duration) -> Result<Claims, Refused> {
        self.judge(keys, rules, now).map(|()| self.claims)
    }

    /// The same, of a token that newer keys may be asked about after a [`Refused::UnknownKey`].
    pub fn judge(&self, keys: &KeySet, rules: &Rules, now: Duration) -> Result<(), Refused> {
        rules.judge(&self.header, &self.claims, now)?;
        match keys.find(self.kid(), self.header.algorithm) {
            Some(key) => self.of(key),
            // Its key is known and not for this: no newer set would help.
            None if self.kid().is_some_and(|kid| keys.has(kid)) => Err(Refused::Algorithm),
            None => Err(Refused::UnknownKey),
        }
    }

    /// What it says, once it was judged.
    pub fn into_claims(self) -> Claims {
        self.claims
    }

    fn of(&self, key: &Key) -> Result<(), Refused> {
        let is_signed = key.verify(self.header.algorithm, self.input, &self.signature);
        if is_signed { Ok(()) } else { Err(Refused::Signature) }
    }
}

impl fmt::Debug for Unverified<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Unverified(…)")
    }
}

impl Refused {
    /// The reason in words that fit after "refused: ".
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TooLong => "the token is too long",
            Self::NotThreeSegments => "not the form of a signed token",
            Self::Encrypted => "an encrypted, compressed or nested token",
            Self::Encoding => "not base64url in its one spelling",
            Self::Header(json::Refused::Duplicate) => "a member of the token's header stands twice",
            Self::Header(_) => "the token's header is malformed",
            Self::Payload(json::Refused::Duplicate) => "a claim stands twice",
            Self::Payload(_) => "the token's claims are malformed",
            Self::Critical => "the token has a critical extension",
            Self::EmbeddedKey => "the token brings or names its own key",
            Self::Algorithm => "the token's algorithm is not accepted",
            Self::Kind => "a token of another kind",
            Self::ClaimType(_) => "a claim has the wrong type",
            Self::Issuer => "a token of another issuer",
            Self::Audience => "a token for another audience",
            Self::Subject => "the token is about nobody",
            Self::NoEnd => "the token never expires",
            Self::Expired => "the token has expired",
            Self::NotYet => "the token is not valid yet",
            Self::IssuedInFuture => "the token was issued in the future",
            Self::UnknownKey => "no key for this token",
            Self::Signature => "the token's signature is not good",
        }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl From<WrongType> for Refused {
    fn from(wrong: WrongType) -> Self {
        Self::ClaimType(wrong.0)
    }
}

#[cfg(test)]
mod tests;
