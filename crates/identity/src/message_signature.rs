//! Signatures over requests (RFC 9421): who signed covers what was sent.
//!
//! The signature base is built from the request, never from what the signer says it was. Which parts must be covered,
//! which algorithms count and how old a signature may be is the verifier's to say; a signature that covers less or names
//! no time proves nothing here. The key says which algorithm is meant; `alg`, where it stands, has to agree.
//!
//! # Refused
//! Components we could read in two ways: parameters other than `name` and `key`, a query parameter that stands twice, a
//! component that stands twice, fields that are not there, anything of a response or of trailers.

use std::borrow::Cow;
use std::fmt::{self, Write};
use std::time::Duration;

use aws_lc_rs::digest::{Context, SHA256};

use crate::algorithm::{Algorithm, Algorithms};
use crate::form::decoded;
use crate::jwk::Key;
use crate::jwt::LEEWAY_MAX;
use crate::structured::{Bare, Dictionary, Item, Member, Parameters};

const COMPONENTS_MAX: usize = 32;
const NONCE_BYTES_MAX: usize = 512;

/// What a message is, as its sender knows it.
pub struct Message<'a> {
    /// What it asks or answers.
    pub target: Target<'a>,
    /// The value of a field by its lower-case name: its lines without space around them, joined by `, `.
    pub field: &'a dyn Fn(&str) -> Option<Cow<'a, str>>,
}

/// The control data of a message.
pub enum Target<'a> {
    /// Of a request.
    Request {
        /// Its method.
        method: &'a str,
        /// `https` or `http`.
        scheme: &'a str,
        /// Host, and port unless it is the scheme's own; in lower case.
        authority: &'a str,
        /// The path.
        path: &'a str,
        /// What follows the question mark, if there is one.
        query: Option<&'a str>,
    },
    /// Of a response.
    Response {
        /// Its status.
        status: u16,
    },
}

/// What a signature must be.
#[derive(Debug, Clone)]
pub struct Rules {
    /// Components that must be covered, such as `@method` and `content-digest`. `@target-uri` covers its parts.
    pub required: Vec<Box<str>>,
    /// What may be signed with.
    pub algorithms: Algorithms,
    /// The purpose it was made for: only signatures with this `tag` are looked at, or only those without one.
    pub tag: Option<Box<str>>,
    /// How old it may be.
    pub age_max: Duration,
    /// How far the signer's clock may differ; more than [`LEEWAY_MAX`] counts as that.
    pub leeway: Duration,
    /// Whether it must have a `nonce`.
    pub nonce: bool,
}

/// What a good signature says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// Whose key it was made with.
    pub keyid: String,
    components: Vec<String>,
    replay_digest: [u8; 32],
}

/// Why a signature is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// A field that is no structured field, or says something else than it must.
    Form,
    /// Not exactly one signature of the kind that is looked for.
    NotOne,
    /// A component that we do not read, or that is not there.
    Component,
    /// What must be covered is not.
    Uncovered,
    /// No time of making, or of a wrong type.
    NoTime,
    /// Too old, or beyond its own end.
    Stale,
    /// Made in the future.
    Future,
    /// No nonce, or a malformed one.
    Nonce,
    /// An algorithm that is not accepted or not the key's.
    Algorithm,
    /// A key that nobody knows.
    UnknownKey,
    /// The signature is not of the key.
    Signature,
}

/// Whether a request brings a signature that `rules` speak of.
pub fn is_present(signature_input: &str, rules: &Rules) -> bool {
    // What cannot be read is something, and fails.
    Dictionary::parse(signature_input).is_none_or(|input| input.iter().any(|(_, member)| rules.means(member)))
}

/// Judges the one signature that `rules` speak of, at the time `now`, since 1970. `key` finds keys by their id.
pub fn verify<'k>(
    message: &Message<'_>,
    signature_input: &str,
    signature: &str,
    rules: &Rules,
    key: impl FnOnce(&str) -> Option<&'k Key>,
    now: Duration,
) -> Result<Signed, Refused> {
    let inputs = Dictionary::parse(signature_input).ok_or(Refused::Form)?;
    let signatures = Dictionary::parse(signature).ok_or(Refused::Form)?;
    let mut meant = inputs.iter().filter(|(_, member)| rules.means(member));
    let (label, member) = meant.next().ok_or(Refused::NotOne)?;
    if meant.next().is_some() {
        return Err(Refused::NotOne);
    }
    let Member::List(items, parameters) = member else { return Err(Refused::Form) };
    let signature = signatures.get(label).and_then(Member::as_bytes).ok_or(Refused::Form)?;
    rules.judge(parameters, now)?;
    let keyid = parameters.get("keyid").and_then(Bare::as_text).ok_or(Refused::UnknownKey)?;
    let components = identifiers(items)?;
    if !rules.required.iter().all(|required| covers(&components, required)) {
        return Err(Refused::Uncovered);
    }
    let base = base(message, items, member)?;
    let key = key(keyid).ok_or(Refused::UnknownKey)?;
    let algorithm = rules.algorithm(key, parameters.get("alg"))?;
    if !key.verify(algorithm, base.as_bytes(), signature) {
        return Err(Refused::Signature);
    }
    let mut seen = Context::new(&SHA256);
    seen.update(key.thumbprint());
    seen.update(base.as_bytes());
    let replay_digest = seen.finish().as_ref().try_into().unwrap_or_default();
    Ok(Signed { keyid: keyid.to_owned(), components, replay_digest })
}

impl Signed {
    /// Whether it covers the component of this name.
    pub fn covers(&self, component: &str) -> bool {
        covers(&self.components, component)
    }

    /// What must not be seen a second time: the key and everything it signed, time and nonce among it. Not the signature:
    /// there are many good ones for the same.
    pub fn replay_digest(&self) -> [u8; 32] {
        self.replay_digest
    }
}

impl Rules {
    fn means(&self, member: &Member) -> bool {
        let Member::List(_, parameters) = member else { return true };
        match (parameters.get("tag"), &self.tag) {
            (None, None) => true,
            (Some(tag), Some(ours)) => tag.as_text() == Some(ours),
            (None, Some(_)) | (Some(_), None) => false,
        }
    }

    fn judge(&self, parameters: &Parameters, now: Duration) -> Result<(), Refused> {
        let known = ["created", "expires", "nonce", "alg", "keyid", "tag"];
        if parameters.iter().any(|(name, _)| !known.contains(&name)) {
            return Err(Refused::Form);
        }
        let time = |name: &str| match parameters.get(name) {
            None => Ok(None),
            Some(Bare::Integer(seconds)) => u64::try_from(*seconds)
                .map(|seconds| Some(Duration::from_secs(seconds)))
                .map_err(|_| Refused::NoTime),
            Some(_) => Err(Refused::NoTime),
        };
        let leeway = self.leeway.min(LEEWAY_MAX);
        let created = time("created")?.ok_or(Refused::NoTime)?;
        if created > now.saturating_add(leeway) {
            return Err(Refused::Future);
        }
        let ends = created.saturating_add(self.age_max);
        let ends = time("expires")?.map_or(ends, |expires| expires.min(ends));
        if now >= ends.saturating_add(leeway) {
            return Err(Refused::Stale);
        }
        match parameters.get("nonce") {
            None if self.nonce => Err(Refused::Nonce),
            None => Ok(()),
            Some(Bare::Text(nonce)) if !nonce.is_empty() && nonce.len() <= NONCE_BYTES_MAX => Ok(()),
            Some(_) => Err(Refused::Nonce),
        }
    }

    /// The one algorithm that the key, the rules and the signer's word leave.
    fn algorithm(&self, key: &Key, stated: Option<&Bare>) -> Result<Algorithm, Refused> {
        let able = key.algorithms().filter(|algorithm| self.algorithms.contains(*algorithm));
        let stated = match stated {
            None => None,
            Some(Bare::Text(name)) => Some(algorithm(name).ok_or(Refused::Algorithm)?),
            Some(_) => return Err(Refused::Algorithm),
        };
        let mut able =
            able.filter(|able| name(*able).is_some() && stated.is_none_or(|stated| stated == *able));
        match (able.next(), able.next()) {
            (Some(only), None) => Ok(only),
            _ => Err(Refused::Algorithm),
        }
    }
}

/// The signature algorithms by the names of RFC 9421 §3.3.
pub const ALGORITHMS: [(&str, Algorithm); 6] = [
    ("rsa-pss-sha512", Algorithm::PS512),
    ("rsa-v1_5-sha256", Algorithm::RS256),
    ("hmac-sha256", Algorithm::HS256),
    ("ecdsa-p256-sha256", Algorithm::ES256),
    ("ecdsa-p384-sha384", Algorithm::ES384),
    ("ed25519", Algorithm::EdDSA),
];

/// The algorithm of that name.
pub fn algorithm(name: &str) -> Option<Algorithm> {
    ALGORITHMS.iter().find(|(known, _)| *known == name).map(|(_, algorithm)| *algorithm)
}

fn name(algorithm: Algorithm) -> Option<&'static str> {
    ALGORITHMS.iter().find(|(_, known)| *known == algorithm).map(|(name, _)| *name)
}

/// Components as they are written, each once.
fn identifiers(items: &[Item]) -> Result<Vec<String>, Refused> {
    if items.len() > COMPONENTS_MAX {
        return Err(Refused::Component);
    }
    let mut identifiers: Vec<String> = Vec::with_capacity(items.len());
    for item in items {
        let name = item.value.as_text().ok_or(Refused::Form)?;
        let identifier = format!("{name}{}", item.parameters);
        if identifiers.contains(&identifier) {
            return Err(Refused::Component);
        }
        identifiers.push(identifier);
    }
    Ok(identifiers)
}

fn covers(components: &[String], component: &str) -> bool {
    let is_part = matches!(component, "@scheme" | "@authority" | "@path" | "@query" | "@request-target");
    components.iter().any(|covered| covered == component || (is_part && covered == "@target-uri"))
}

/// The signature base (RFC 9421 §2.5).
fn base(message: &Message<'_>, items: &[Item], parameters: &Member) -> Result<String, Refused> {
    let mut base = String::new();
    for item in items {
        let value = component(message, item)?;
        // SECURITY: a line end within a value would let one component speak for another.
        if value.contains(['\n', '\r']) || !value.is_ascii() {
            return Err(Refused::Component);
        }
        writeln!(base, "{item}: {value}").map_err(|_| Refused::Component)?;
    }
    write!(base, "\"@signature-params\": {parameters}").map_err(|_| Refused::Component)?;
    Ok(base)
}

fn component<'a>(message: &'a Message<'_>, item: &Item) -> Result<Cow<'a, str>, Refused> {
    let name = item.value.as_text().ok_or(Refused::Form)?;
    let derived = match (&message.target, name) {
        (Target::Response { status }, "@status") => Cow::Owned(status.to_string()),
        (Target::Request { query, .. }, "@query-param") => return query_parameter(*query, &item.parameters),
        (Target::Request { method, .. }, "@method") => Cow::Borrowed(*method),
        (Target::Request { scheme, .. }, "@scheme") => Cow::Borrowed(*scheme),
        (Target::Request { authority, .. }, "@authority") => Cow::Borrowed(*authority),
        (Target::Request { path, .. }, "@path") => Cow::Borrowed(*path),
        (Target::Request { query, .. }, "@query") => Cow::Owned(format!("?{}", query.unwrap_or_default())),
        (Target::Request { path, query, .. }, "@request-target") => Cow::Owned(target(path, *query)),
        (Target::Request { scheme, authority, path, query, .. }, "@target-uri") => {
            Cow::Owned(format!("{scheme}://{authority}{}", target(path, *query)))
        }
        _ => return field(message, name, &item.parameters),
    };
    if item.parameters.is_empty() { Ok(derived) } else { Err(Refused::Component) }
}

fn target(path: &str, query: Option<&str>) -> String {
    query.map_or_else(|| path.to_owned(), |query| format!("{path}?{query}"))
}

fn field<'a>(message: &'a Message<'_>, name: &str, parameters: &Parameters) -> Result<Cow<'a, str>, Refused> {
    let is_name =
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"@:;".contains(&byte));
    if !is_name || name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Err(Refused::Component);
    }
    let value = (message.field)(name).ok_or(Refused::Component)?;
    let mut parameters = parameters.iter();
    match (parameters.next(), parameters.next()) {
        (None, _) => Ok(value),
        (Some(("key", Bare::Text(key))), None) => {
            let dictionary = Dictionary::parse(&value).ok_or(Refused::Component)?;
            dictionary.get(key).map(|member| Cow::Owned(member.to_string())).ok_or(Refused::Component)
        }
        _ => Err(Refused::Component),
    }
}

/// RFC 9421 §2.2.8: decoded as a form and encoded in one way.
fn query_parameter<'a>(query: Option<&str>, parameters: &Parameters) -> Result<Cow<'a, str>, Refused> {
    let mut parameters = parameters.iter();
    let (Some(("name", Bare::Text(wanted))), None) = (parameters.next(), parameters.next()) else {
        return Err(Refused::Component);
    };
    let mut found = None;
    for pair in query.unwrap_or_default().split('&') {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        if encoded(&decoded(name)) == *wanted {
            // Two of one name: which one the backend takes is anybody's guess.
            if found.replace(encoded(&decoded(value))).is_some() {
                return Err(Refused::Component);
            }
        }
    }
    found.map(Cow::Owned).ok_or(Refused::Component)
}

fn encoded(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for byte in bytes {
        if byte.is_ascii_alphanumeric() || b"*-._".contains(byte) {
            text.push(char::from(*byte));
        } else {
            let _ = write!(text, "%{byte:02X}");
        }
    }
    text
}

impl Refused {
    /// The reason in words that fit after "refused: ".
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Form => "the fields of the signature are malformed",
            Self::NotOne => "not exactly one signature for this purpose",
            Self::Component => "a covered component is not there or not understood",
            Self::Uncovered => "the signature does not cover what it must",
            Self::NoTime => "the signature does not say when it was made",
            Self::Stale => "the signature is too old",
            Self::Future => "the signature was made in the future",
            Self::Nonce => "the signature lacks a good nonce",
            Self::Algorithm => "the signature's algorithm is not accepted",
            Self::UnknownKey => "no key for this signature",
            Self::Signature => "the signature is not good",
        }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests;
