//! Keys that verify signatures, and sets of them (RFC 7517, RFC 7518 §6, RFC 8037): from JWK, PEM or a configured secret.
//!
//! A key is prepared once: curve points are checked and moduli read when it is taken in, never for a token. Which
//! algorithms it verifies is fixed then, by its type, strength, `alg`, `use` and `key_ops`; no token has a say. Keys of
//! types or for uses that are not ours are left out and counted, so that an issuer may publish more than we know. What is
//! ours and wrong (weak, malformed, private parts published, two keys of one `kid`) refuses the whole set: whoever holds
//! the last good one keeps it.

use std::fmt;

use aws_lc_rs::hmac;
use aws_lc_rs::rsa::PublicKeyComponents;
use aws_lc_rs::signature::ParsedPublicKey;
use rustls_pki_types::SubjectPublicKeyInfoDer;
use rustls_pki_types::pem::PemObject;

use crate::algorithm::{ALL, Algorithm};
use crate::base64::{decode_url, encode_url};
use crate::der::{self, Curve};
use crate::json::{self, Limits, Object, Value};
use crate::sha256::digest;

/// The size of a key set's document.
pub const SET_BYTES_MAX: usize = 512 * 1024;
/// The keys of one set, also those that are left out.
pub const SET_KEYS_MAX: usize = 256;
/// The size of a `kid`.
pub const KID_BYTES_MAX: usize = 512;

const RSA_BITS_MIN: usize = 2048;
const RSA_BITS_MAX: usize = 8192;
const RSA_EXPONENT_BYTES_MAX: usize = 4;
const DEPTH_MAX: usize = 8;

/// Who a key or set comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// From the network or a token: public keys alone.
    Remote,
    /// From the operator: secrets (`oct`) count, too.
    Configuration,
}

/// A key that verifies signatures.
pub struct Key {
    kid: Option<Box<str>>,
    // Invariant: not empty, each algorithm once.
    prepared: Vec<(Algorithm, Verifier)>,
    thumbprint: [u8; 32],
}

/// Keys of one issuer.
// Invariant: sorted by `kid`, each `kid` once; those without one come first. Not empty.
#[derive(Debug)]
pub struct KeySet {
    keys: Vec<Key>,
    left_out: usize,
}

/// Why a key or set is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// Not strict JSON.
    Json(json::Refused),
    /// No object with an array `keys` of objects.
    NotASet,
    /// More keys than [`SET_KEYS_MAX`].
    TooManyKeys,
    /// No key that we could verify with.
    NoKeys,
    /// Two keys of one `kid`.
    TwoOfOneKid,
    /// A private key or secret where public keys belong.
    Private,
    /// Too short to be worth anything.
    Weak,
    /// A member is missing, of the wrong type or badly encoded, or the key does not exist.
    Malformed,
    /// A type, curve, use or algorithm that is not ours.
    Unknown,
}

enum Verifier {
    Public(Box<ParsedPublicKey>),
    Secret(Box<hmac::Key>),
}

impl KeySet {
    /// Reads a JWK set (RFC 7517 §5).
    pub fn parse(text: &[u8], origin: Origin) -> Result<Self, Refused> {
        let limits = Limits { bytes: SET_BYTES_MAX, depth: DEPTH_MAX };
        let set = json::parse_object(text, limits).map_err(Refused::Json)?;
        let entries = set.get("keys").and_then(Value::as_array).ok_or(Refused::NotASet)?;
        if entries.len() > SET_KEYS_MAX {
            return Err(Refused::TooManyKeys);
        }
        let mut keys = Vec::new();
        let mut left_out = 0_usize;
        let mut kids = Vec::new();
        for entry in entries {
            let entry = entry.as_object().ok_or(Refused::NotASet)?;
            // A `kid` counts also for a key that is left out: nobody else may bear it.
            kids.extend(entry.get("kid"));
            match Key::from_jwk(entry, origin) {
                Ok(key) => keys.push(key),
                Err(Refused::Unknown) => left_out = left_out.saturating_add(1),
                Err(why) => return Err(why),
            }
        }
        let mut kids: Vec<&str> = kids.into_iter().filter_map(Value::as_text).collect();
        kids.sort_unstable();
        if kids.windows(2).any(|pair| matches!(pair, [a, b] if a == b)) {
            return Err(Refused::TwoOfOneKid);
        }
        let set = Self::new(keys)?;
        Ok(Self { left_out, ..set })
    }

    /// A set of `keys`.
    pub fn new(mut keys: Vec<Key>) -> Result<Self, Refused> {
        if keys.is_empty() {
            return Err(Refused::NoKeys);
        }
        keys.sort_by(|a, b| a.kid.cmp(&b.kid));
        let is_twice = |pair: &[Key]| matches!(pair, [a, b] if a.kid.is_some() && a.kid == b.kid);
        if keys.windows(2).any(is_twice) {
            return Err(Refused::TwoOfOneKid);
        }
        Ok(Self { keys, left_out: 0 })
    }

    /// The key for a signature by `algorithm` that names `kid`. A key without a `kid` stands for any, if it is the only
    /// one that could; a signature without a `kid` needs a set in which only one key could have made it.
    pub fn find(&self, kid: Option<&str>, algorithm: Algorithm) -> Option<&Key> {
        if let Some(kid) = kid
            && let Ok(at) = self.keys.binary_search_by(|key| key.kid.as_deref().cmp(&Some(kid)))
        {
            return self.keys.get(at).filter(|key| key.verifies(algorithm));
        }
        let mut able =
            self.keys.iter().filter(|key| key.verifies(algorithm) && (kid.is_none() || key.kid.is_none()));
        let only = able.next()?;
        able.next().is_none().then_some(only)
    }

    /// Whether a key bears this `kid`.
    pub fn has(&self, kid: &str) -> bool {
        self.keys.binary_search_by(|key| key.kid.as_deref().cmp(&Some(kid))).is_ok()
    }

    /// Whether one of them bears this `kid`, or bears none and could be meant.
    pub fn may_have(&self, kid: &str) -> bool {
        self.has(kid) || self.keys.iter().any(|key| key.kid.is_none())
    }

    /// The keys.
    pub fn keys(&self) -> &[Key] {
        &self.keys
    }

    /// How many keys of the document are of types or for uses that are not ours.
    pub fn left_out(&self) -> usize {
        self.left_out
    }
}

impl Key {
    /// Takes in one JWK. [`Refused::Unknown`] is a key for others, anything else a fault.
    pub fn from_jwk(jwk: &Object, origin: Origin) -> Result<Self, Refused> {
        let kind = text(jwk, "kty")?.ok_or(Refused::Malformed)?;
        let kid = text(jwk, "kid")?;
        let private: &[&str] = match kind {
            "oct" if origin == Origin::Configuration => &[],
            _ => &["d", "p", "q", "dp", "dq", "qi", "oth", "k"],
        };
        if private.iter().any(|name| jwk.has(name)) {
            return Err(Refused::Private);
        }
        if kid.is_some_and(|kid| kid.is_empty() || kid.len() > KID_BYTES_MAX) {
            return Err(Refused::Malformed);
        }
        let only = purpose(jwk)?;
        let key = match kind {
            "RSA" => Self::rsa(&bytes(jwk, "n")?, &bytes(jwk, "e")?),
            "EC" => Self::from_ec_jwk(jwk),
            "OKP" if text(jwk, "crv")? == Some("Ed25519") => Self::ed25519(&bytes(jwk, "x")?),
            "oct" if origin == Origin::Configuration => Self::secret(&bytes(jwk, "k")?),
            _ => Err(Refused::Unknown),
        }?;
        key.limited_to(only)?.named(kid)
    }

    /// Takes in a public key in PEM (`BEGIN PUBLIC KEY`).
    pub fn from_pem(pem: &[u8]) -> Result<Self, Refused> {
        let spki = SubjectPublicKeyInfoDer::from_pem_slice(pem).map_err(|_| Refused::Malformed)?;
        Self::from_spki(&spki)
    }

    /// Takes in a SubjectPublicKeyInfo.
    pub fn from_spki(der: &[u8]) -> Result<Self, Refused> {
        match der::public_key(der).ok_or(Refused::Malformed)? {
            der::PublicKey::Rsa { modulus, exponent } => Self::rsa(modulus, exponent),
            der::PublicKey::Ec { curve, point } => Self::ec(curve, point),
            der::PublicKey::Ed25519(point) => Self::ed25519(point),
        }
    }

    /// A secret shared with whoever signs; it serves the algorithms whose hash is no longer than it (RFC 7518 §3.2).
    pub fn secret(secret: &[u8]) -> Result<Self, Refused> {
        let members = Object::new().with("k", encode_url(secret)).with("kty", "oct");
        let fits = |algorithm: &hmac::Algorithm| secret.len() >= algorithm.digest_algorithm().output_len();
        let prepared: Vec<_> = ALL
            .into_iter()
            .filter_map(|algorithm| {
                let hmac = algorithm.hmac().filter(fits)?;
                Some((algorithm, Verifier::Secret(Box::new(hmac::Key::new(hmac, secret)))))
            })
            .collect();
        if prepared.is_empty() {
            return Err(Refused::Weak);
        }
        Ok(Self { kid: None, prepared, thumbprint: thumbprint(&members) })
    }

    /// The same key, called `kid`.
    pub fn named(self, kid: Option<&str>) -> Result<Self, Refused> {
        Ok(Self { kid: kid.map(Into::into), ..self })
    }

    /// The same key for `algorithm` alone.
    pub fn limited_to(mut self, algorithm: Option<Algorithm>) -> Result<Self, Refused> {
        if let Some(algorithm) = algorithm {
            self.prepared.retain(|(able, _)| *able == algorithm);
        }
        if self.prepared.is_empty() { Err(Refused::Malformed) } else { Ok(self) }
    }

    /// Its name within a set.
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// What it may verify.
    pub fn algorithms(&self) -> impl Iterator<Item = Algorithm> {
        self.prepared.iter().map(|(algorithm, _)| *algorithm)
    }

    /// Whether it may verify signatures by `algorithm`.
    pub fn verifies(&self, algorithm: Algorithm) -> bool {
        self.prepared.iter().any(|(able, _)| *able == algorithm)
    }

    /// The SHA-256 thumbprint (RFC 7638).
    pub fn thumbprint(&self) -> &[u8; 32] {
        &self.thumbprint
    }

    /// The thumbprint as tokens carry it (`cnf.jkt`).
    pub fn thumbprint_text(&self) -> String {
        encode_url(&self.thumbprint)
    }

    /// Whether `signature` by `algorithm` over `message` is of this key.
    pub fn verify(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        let prepared = self.prepared.iter().find(|(able, _)| *able == algorithm);
        match prepared {
            Some((_, Verifier::Public(key))) => key.verify_sig(message, signature).is_ok(),
            Some((_, Verifier::Secret(key))) => hmac::verify(key, message, signature).is_ok(),
            None => false,
        }
    }

    fn from_ec_jwk(jwk: &Object) -> Result<Self, Refused> {
        let curve = match text(jwk, "crv")?.ok_or(Refused::Malformed)? {
            "P-256" => Curve::P256,
            "P-384" => Curve::P384,
            "P-521" => Curve::P521,
            _ => return Err(Refused::Unknown),
        };
        let (x, y) = (bytes(jwk, "x")?, bytes(jwk, "y")?);
        let len = curve.coordinate_len();
        if x.len() != len || y.len() != len {
            return Err(Refused::Malformed);
        }
        Self::ec(curve, &[&[4], x.as_slice(), y.as_slice()].concat())
    }

    fn rsa(modulus: &[u8], exponent: &[u8]) -> Result<Self, Refused> {
        // RFC 7518 §6.3.1.1: no leading zero. The provider takes even exponents, and those of few bytes alone.
        let ([first @ 1..=0xff, ..], [1..=0xff, ..]) = (modulus, exponent) else {
            return Err(Refused::Malformed);
        };
        let bits = modulus.len().saturating_mul(8).saturating_sub(first.leading_zeros() as usize);
        if bits < RSA_BITS_MIN || exponent == [1] {
            return Err(Refused::Weak);
        }
        let is_odd = |number: &[u8]| number.last().is_some_and(|last| last & 1 == 1);
        if bits > RSA_BITS_MAX
            || exponent.len() > RSA_EXPONENT_BYTES_MAX
            || !is_odd(modulus)
            || !is_odd(exponent)
        {
            return Err(Refused::Malformed);
        }
        let members =
            Object::new().with("e", encode_url(exponent)).with("kty", "RSA").with("n", encode_url(modulus));
        let components = PublicKeyComponents { n: modulus, e: exponent };
        let prepare = |algorithm: Algorithm| {
            let key = components.to_parsed_public_key(algorithm.rsa()?);
            Some(key.map(|key| (algorithm, Verifier::Public(Box::new(key)))))
        };
        let prepared = ALL.into_iter().filter_map(prepare).collect::<Result<_, _>>();
        let prepared = prepared.map_err(|_| Refused::Malformed)?;
        Ok(Self { kid: None, prepared, thumbprint: thumbprint(&members) })
    }

    fn ec(curve: Curve, point: &[u8]) -> Result<Self, Refused> {
        let [4, coordinates @ ..] = point else { return Err(Refused::Malformed) };
        let len = curve.coordinate_len();
        let (x, y) = coordinates.split_at_checked(len).ok_or(Refused::Malformed)?;
        let algorithm = curve.algorithm();
        let members = Object::new()
            .with("crv", curve.name())
            .with("kty", "EC")
            .with("x", encode_url(x))
            .with("y", encode_url(y));
        let ecdsa = algorithm.ecdsa().filter(|_| y.len() == len).ok_or(Refused::Malformed)?;
        let key = ParsedPublicKey::new(ecdsa, point).map_err(|_| Refused::Malformed)?;
        let prepared = vec![(algorithm, Verifier::Public(Box::new(key)))];
        Ok(Self { kid: None, prepared, thumbprint: thumbprint(&members) })
    }

    fn ed25519(point: &[u8]) -> Result<Self, Refused> {
        let algorithm = Algorithm::EdDSA;
        let members = Object::new().with("crv", "Ed25519").with("kty", "OKP").with("x", encode_url(point));
        if SMALL_ORDER.iter().any(|small| is_small_order(point, small)) {
            return Err(Refused::Weak);
        }
        let eddsa = algorithm.eddsa().filter(|_| point.len() == 32).ok_or(Refused::Malformed)?;
        let key = ParsedPublicKey::new(eddsa, point).map_err(|_| Refused::Malformed)?;
        let prepared = vec![(algorithm, Verifier::Public(Box::new(key)))];
        Ok(Self { kid: None, prepared, thumbprint: thumbprint(&members) })
    }
}

impl Curve {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::P256 => "P-256",
            Self::P384 => "P-384",
            Self::P521 => "P-521",
        }
    }

    pub(crate) fn algorithm(self) -> Algorithm {
        match self {
            Self::P256 => Algorithm::ES256,
            Self::P384 => Algorithm::ES384,
            Self::P521 => Algorithm::ES512,
        }
    }

    pub(crate) fn coordinate_len(self) -> usize {
        match self {
            Self::P256 => 32,
            Self::P384 => 48,
            Self::P521 => 66,
        }
    }
}

impl Refused {
    /// The reason in words that fit after "refused: ".
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Json(why) => why.as_str(),
            Self::NotASet => "no object with an array `keys` of objects",
            Self::TooManyKeys => "more than 256 keys",
            Self::NoKeys => "no key that signatures could be verified with",
            Self::TwoOfOneKid => "two keys of one `kid`",
            Self::Private => "a private key or secret where only public keys belong",
            Self::Weak => "a weak key",
            Self::Malformed => "a malformed key",
            Self::Unknown => "a type, curve, use or algorithm of key that is not known",
        }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let algorithms: Vec<_> = self.algorithms().collect();
        f.debug_struct("Key").field("kid", &self.kid).field("algorithms", &algorithms).finish_non_exhaustive()
    }
}

/// What `use`, `key_ops` and `alg` leave: one algorithm, or any. [`Refused::Unknown`] when it is not for verifying.
fn purpose(jwk: &Object) -> Result<Option<Algorithm>, Refused> {
    if text(jwk, "use")?.is_some_and(|purpose| purpose != "sig") {
        return Err(Refused::Unknown);
    }
    if let Some(operations) = jwk.get("key_ops") {
        let mut operations = operations.as_texts().ok_or(Refused::Malformed)?;
        if !operations.any(|operation| operation == "verify") {
            return Err(Refused::Unknown);
        }
    }
    match text(jwk, "alg")? {
        None => Ok(None),
        Some(name) => Algorithm::from_name(name).map(Some).ok_or(Refused::Unknown),
    }
}

/// A member that must be a string where it stands.
fn text<'a>(jwk: &'a Object, name: &str) -> Result<Option<&'a str>, Refused> {
    jwk.get(name).map(|value| value.as_text().ok_or(Refused::Malformed)).transpose()
}

fn bytes(jwk: &Object, name: &str) -> Result<Vec<u8>, Refused> {
    text(jwk, name)?.and_then(|text| decode_url(text.as_bytes())).ok_or(Refused::Malformed)
}

/// RFC 7638 §3: of the required members in the order of their names.
fn thumbprint(members: &Object) -> [u8; 32] {
    *digest(members.to_string().as_bytes()).as_bytes()
}

/// Points of small order on Ed25519, without the sign bit: signatures of nobody verify with them.
const SMALL_ORDER: [[u8; 32]; 7] = small_order();

fn is_small_order(point: &[u8], small: &[u8; 32]) -> bool {
    match (point.split_last(), small.split_last()) {
        (Some((last, rest)), Some((small_last, small_rest))) => {
            rest == small_rest && last & 0x7f == *small_last
        }
        _ => false,
    }
}

const fn small_order() -> [[u8; 32]; 7] {
    let mut p = [0xff_u8; 32];
    p[31] = 0x7f;
    let (mut p_minus_1, mut p_plus_0, mut p_plus_1) = (p, p, p);
    p_minus_1[0] = 0xec;
    p_plus_0[0] = 0xed;
    p_plus_1[0] = 0xee;
    let mut one = [0_u8; 32];
    one[0] = 1;
    let eighth = [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0, 0xd5,
        0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
    ];
    let other_eighth = [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f, 0x2a,
        0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
    ];
    [[0; 32], one, eighth, other_eighth, p_minus_1, p_plus_0, p_plus_1]
}

#[cfg(test)]
mod tests;
