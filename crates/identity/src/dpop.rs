//! Proofs of possession for tokens (DPoP, RFC 9449): who presents a token holds the key it was issued to.
//!
//! The checks of §4.3, all of them, the cheap ones first. A proof brings its own key, and that is the one place where an
//! embedded key is read: it counts only because its thumbprint must be the one in the token (§6.1).
//!
//! A proof is good for one request. [`Proof::replay_digest`] is what the caller remembers for as long as
//! [`Rules::age_max`] and the leeway last; [`Nonces`] are challenges that need no memory.

use std::time::Duration;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{Context, SHA256, digest};
use aws_lc_rs::hmac;
use aws_lc_rs::rand::{SecureRandom, SystemRandom};

use crate::algorithm::Algorithms;
use crate::base64::encode_url;
use crate::claims::Claims;
use crate::json::Value;
use crate::jwk::{self, Key, Origin};
use crate::jws::{self, Embedded};
use crate::jwt::{self, LEEWAY_MAX};

const ID_BYTES_MAX: usize = 512;

/// How proofs are judged.
#[derive(Debug, Clone)]
pub struct Rules {
    /// What a proof may be signed with; secrets never count.
    pub algorithms: Algorithms,
    /// How old a proof may be.
    pub age_max: Duration,
    /// How far the client's clock may differ; more than [`LEEWAY_MAX`] counts as that.
    pub leeway: Duration,
}

/// The request that a proof must be for.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// Its method.
    pub method: &'a str,
    /// Its URI as the client knows it, with scheme and authority; query and fragment do not count.
    pub uri: &'a str,
    /// The access token it came with.
    pub token: &'a [u8],
    /// The thumbprint in the token (`cnf.jkt`).
    pub thumbprint: &'a [u8; 32],
}

/// A proof that is good, once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Proof {
    replay_digest: [u8; 32],
}

/// Why a proof is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// Not the form of one.
    Form(jwt::Refused),
    /// A `typ` other than `dpop+jwt`.
    Kind,
    /// An algorithm that is not accepted.
    Algorithm,
    /// Its key is none, or brings its private part.
    Key(jwk::Refused),
    /// A claim is not there or of the wrong type.
    Claim(&'static str),
    /// Not of the key that the token was issued to.
    Binding,
    /// For another method.
    Method,
    /// For another URI.
    Uri,
    /// Too old.
    Stale,
    /// Made in the future.
    Future,
    /// For another access token.
    Token,
    /// Without a nonce of ours that is still good: the client is to try again with one.
    Nonce,
    /// The signature is not of its key.
    Signature,
}

/// Challenges that everyone with the key recognises for a while (RFC 9449 §9), kept nowhere.
pub struct Nonces {
    key: hmac::Key,
    period: Duration,
}

/// Judges `proof` for `request` at the time `now`, since 1970. With `nonces`, one of them must be in it.
pub fn verify(
    proof: &[u8],
    request: Request<'_>,
    rules: &Rules,
    nonces: Option<&Nonces>,
    now: Duration,
) -> Result<Proof, Refused> {
    let parts = jws::read(proof, Embedded::Demanded).map_err(Refused::Form)?;
    if !parts.header.kind().is_some_and(|kind| kind.eq_ignore_ascii_case("dpop+jwt")) {
        return Err(Refused::Kind);
    }
    let algorithm = parts.header.algorithm;
    if algorithm.is_symmetric() || !rules.algorithms.contains(algorithm) {
        return Err(Refused::Algorithm);
    }
    let claims = Claims::new(parts.payload).map_err(|wrong| Refused::Claim(wrong.0))?;
    judge_claims(&claims, request, rules, now)?;
    if let Some(nonces) = nonces
        && !text(&claims, "nonce").is_ok_and(|nonce| nonces.has(nonce, now))
    {
        return Err(Refused::Nonce);
    }
    let jwk = parts.header.jwk.unwrap_or_default().with("alg", algorithm.name());
    let key = Key::from_jwk(&jwk, Origin::Remote).map_err(Refused::Key)?;
    if verify_slices_are_equal(key.thumbprint(), request.thumbprint).is_err() {
        return Err(Refused::Binding);
    }
    if !key.verify(algorithm, parts.input, &parts.signature) {
        return Err(Refused::Signature);
    }
    let mut seen = Context::new(&SHA256);
    seen.update(key.thumbprint());
    seen.update(claims.id().unwrap_or_default().as_bytes());
    Ok(Proof { replay_digest: seen.finish().as_ref().try_into().unwrap_or_default() })
}

impl Proof {
    /// What must not be seen a second time: the key and the proof's own name.
    pub fn replay_digest(self) -> [u8; 32] {
        self.replay_digest
    }
}

fn judge_claims(claims: &Claims, request: Request<'_>, rules: &Rules, now: Duration) -> Result<(), Refused> {
    let id = claims.id().ok_or(Refused::Claim("jti"))?;
    if id.is_empty() || id.len() > ID_BYTES_MAX {
        return Err(Refused::Claim("jti"));
    }
    if text(claims, "htm")? != request.method {
        return Err(Refused::Method);
    }
    let stated = normal_uri(text(claims, "htu")?).ok_or(Refused::Uri)?;
    if normal_uri(request.uri) != Some(stated) {
        return Err(Refused::Uri);
    }
    let issued = claims.issued().ok_or(Refused::Claim("iat"))?;
    let leeway = rules.leeway.min(LEEWAY_MAX);
    if issued > now.saturating_add(leeway) {
        return Err(Refused::Future);
    }
    if issued.saturating_add(rules.age_max).saturating_add(leeway) < now {
        return Err(Refused::Stale);
    }
    let expected = encode_url(digest(&SHA256, request.token).as_ref());
    if verify_slices_are_equal(text(claims, "ath")?.as_bytes(), expected.as_bytes()).is_err() {
        return Err(Refused::Token);
    }
    Ok(())
}

fn text<'a>(claims: &'a Claims, name: &'static str) -> Result<&'a str, Refused> {
    claims.members().get(name).and_then(Value::as_text).ok_or(Refused::Claim(name))
}

/// A URI without query and fragment, in the one spelling of RFC 3986 §6.2.2 and §6.2.3. `None` for what is no http URI;
/// dot segments are left as they are, for no request of ours has any.
fn normal_uri(uri: &str) -> Option<String> {
    let end = uri.find(['?', '#']).unwrap_or(uri.len());
    let (uri, _) = uri.split_at_checked(end)?;
    let (scheme, rest) = uri.split_once("://")?;
    let scheme = scheme.to_ascii_lowercase();
    let default_port = match scheme.as_str() {
        "https" => ":443",
        "http" => ":80",
        _ => return None,
    };
    let path_begin = rest.find('/').unwrap_or(rest.len());
    let (authority, path) = rest.split_at_checked(path_begin)?;
    if authority.is_empty() || authority.contains('@') {
        return None;
    }
    let authority = authority.to_ascii_lowercase();
    let authority =
        authority.strip_suffix(default_port).or(authority.strip_suffix(':')).unwrap_or(&authority);
    let mut normal = format!("{scheme}://{authority}");
    if path.is_empty() {
        normal.push('/');
    }
    let mut rest = path;
    while let Some((plain, after)) = rest.split_once('%') {
        normal.push_str(plain);
        let (digits, after) = after.split_at_checked(2)?;
        if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        let value = char::from(u8::from_str_radix(digits, 16).ok()?);
        if value.is_ascii_alphanumeric() || "-._~".contains(value) {
            normal.push(value);
        } else {
            normal.push('%');
            normal.push_str(&digits.to_ascii_uppercase());
        }
        rest = after;
    }
    normal.push_str(rest);
    Some(normal)
}

impl Nonces {
    /// Challenges made with `secret`, each good for at least `period` and less than twice that. Gateways that share the
    /// secret know each other's.
    pub fn new(secret: &[u8], period: Duration) -> Self {
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, secret), period }
    }

    /// Challenges that only this process knows.
    pub fn random(period: Duration) -> Option<Self> {
        let mut secret = [0; 32];
        SystemRandom::new().fill(&mut secret).ok()?;
        Some(Self::new(&secret, period))
    }

    /// The challenge of the time.
    pub fn current(&self, now: Duration) -> String {
        self.of(self.number(now))
    }

    /// Whether `nonce` is one that is still good.
    pub fn has(&self, nonce: &str, now: Duration) -> bool {
        let number = self.number(now);
        let is = |number| verify_slices_are_equal(self.of(number).as_bytes(), nonce.as_bytes()).is_ok();
        is(number) || number.checked_sub(1).is_some_and(is)
    }

    fn of(&self, number: u64) -> String {
        encode_url(hmac::sign(&self.key, &number.to_be_bytes()).as_ref())
    }

    fn number(&self, now: Duration) -> u64 {
        now.as_secs().checked_div(self.period.as_secs()).unwrap_or_default()
    }
}

impl std::fmt::Debug for Nonces {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Nonces").field("period", &self.period).finish_non_exhaustive()
    }
}

impl Refused {
    /// The reason in words that fit after "refused: ".
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Form(why) => why.as_str(),
            Self::Kind => "the proof is of another kind",
            Self::Algorithm => "the proof's algorithm is not accepted",
            Self::Key(why) => why.as_str(),
            Self::Claim(_) => "a claim of the proof is missing or of the wrong type",
            Self::Binding => "the proof is not of the token's key",
            Self::Method => "the proof is for another method",
            Self::Uri => "the proof is for another URI",
            Self::Stale => "the proof is too old",
            Self::Future => "the proof was made in the future",
            Self::Token => "the proof is for another token",
            Self::Nonce => "the proof lacks a good nonce",
            Self::Signature => "the proof's signature is not good",
        }
    }
}

#[cfg(test)]
mod tests;
