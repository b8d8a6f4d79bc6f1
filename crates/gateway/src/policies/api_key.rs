//! Lets a caller prove who it is with a key in a header field.
//!
//! The simplest credential that is safe enough for machines: a long random text, shown once, of which the gateway
//! keeps only the SHA-256. Keys are found by that digest in a table made when the configuration is compiled; the
//! lookup compares digests, so how long it takes says nothing of a stored key. A password hash lost: a key has
//! 256 bits of its own, and a slow hash would only let strangers burn our time.
//!
//! # Example
//! ```yaml
//! auth: { api_key: { header: x-api-key } }
//! ```
//!
//! # Order
//! Authenticate, after routing and screening. Only the field named in `header` is looked at.
//!
//! # Limits
//! A presented key is at most 256 bytes; a longer one is refused before it is hashed.
//!
//! # Failure
//! No field: the next alternative of `any_of`, else 401 `credential-missing`. A field that does not hold, for any
//! reason: 401 `credential-invalid`, with one detail for all reasons; the log has the reason.
//!
//! # Threats
//! The sender controls the field's value and how often it comes. Twice is refused: two parsers could pick
//! different ones. The field is removed before the request goes on, also where it was not asked for by this
//! alternative.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use foldhash::{HashMap, HashMapExt};
use portcullis_http1::{Fields, Repeated};
use portcullis_identity::api_key::{self, Digest};

use super::{Kind, Phase};
use crate::clock;
use crate::pipeline::identified::{API_NOT_GRANTED, CREDENTIAL_INVALID, CREDENTIAL_MISSING};
use crate::pipeline::{Authenticator, Context, Presented, Proof, Routed, Step};

/// Its line in the list of policies.
pub const KIND: Kind = Kind {
    name: "api_key",
    phase: Phase::Authenticate,
    problems: &[&CREDENTIAL_MISSING, &CREDENTIAL_INVALID, &API_NOT_GRANTED],
};

/// The longest key that is looked at.
const KEY_BYTES_MAX: usize = 256;

/// Proves callers by a key in a header field.
pub struct ApiKey {
    header: Box<str>,
    challenge: Box<str>,
    keys: Arc<Keys>,
}

/// Every key of the configuration, by digest. One table for all operations.
#[derive(Debug, Default)]
pub struct Keys {
    by_digest: HashMap<Digest, Arc<Proof>>,
    /// Consumer and credential of each.
    by_name: HashMap<(Arc<str>, Arc<str>), Digest>,
}

/// A key that opened a stream, as it was then.
#[derive(Debug)]
pub struct Held {
    name: (Arc<str>, Arc<str>),
    digest: Digest,
    scopes: Arc<[Box<str>]>,
}

/// Two consumers hold the same key.
#[derive(Debug)]
pub struct KeyTaken;

impl ApiKey {
    /// Looks for keys in the field called `header`.
    pub fn new(header: &str, keys: Arc<Keys>) -> Self {
        let header = header.to_ascii_lowercase();
        let challenge = format!("ApiKey realm=\"portcullis\", header=\"{header}\"").into();
        Self { header: header.into(), challenge, keys }
    }

    fn judge(&self, fields: &Fields) -> Result<Option<Arc<Proof>>, &'static str> {
        let presented = match fields.only(&self.header) {
            Ok(None) => return Ok(None),
            Ok(Some(presented)) => presented,
            Err(Repeated) => return Err("the field is there more than once"),
        };
        if presented.len() > KEY_BYTES_MAX {
            return Err("longer than any key");
        }
        if !api_key::is_plausible(presented) {
            return Err("mistyped: the checksum does not match");
        }
        let proof = self.keys.by_digest.get(&api_key::digest(presented)).ok_or("unknown")?;
        if proof.expires.is_some_and(|expires| expires <= clock::wall()) {
            return Err("expired");
        }
        Ok(Some(Arc::clone(proof)))
    }
}

impl Authenticator for ApiKey {
    fn name(&self) -> &'static str {
        KIND.name
    }

    fn authenticate<'a>(&'a self, request: &'a Routed, _cx: &'a mut Context) -> Step<'a, Presented> {
        Step::done(match self.judge(request.request().fields()) {
            Ok(None) => Presented::Absent,
            Ok(Some(proof)) => Presented::Proven(proof),
            Err(reason) => {
                let problem = CREDENTIAL_INVALID.with("the credential is not valid");
                Presented::Refused(problem.because(format_args!("api key: {reason}")))
            }
        })
    }

    fn challenge(&self, _request: &Routed) -> Cow<'_, str> {
        Cow::Borrowed(&self.challenge)
    }

    fn strip(&self, fields: &mut Fields) {
        fields.remove(&self.header);
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiKey").field("header", &self.header).finish_non_exhaustive()
    }
}

impl Keys {
    /// Adds a key.
    pub fn add(&mut self, digest: Digest, proof: Proof) -> Result<(), KeyTaken> {
        let name = (Arc::clone(&proof.consumer.name), Arc::clone(&proof.credential));
        self.by_name.insert(name, digest);
        match self.by_digest.insert(digest, Arc::new(proof)) {
            None => Ok(()),
            Some(_) => Err(KeyTaken),
        }
    }

    /// What a proof was given for, to be held against later configurations.
    pub fn held(&self, proof: &Proof) -> Option<Held> {
        let name = (Arc::clone(&proof.consumer.name), Arc::clone(&proof.credential));
        let digest = *self.by_name.get(&name)?;
        Some(Held { name, digest, scopes: Arc::clone(&proof.scopes) })
    }

    /// Whether this configuration lets the same key, with the same scopes, open `api`. With it the end of the key, on the
    /// wall clock, if it has one.
    pub fn still_opens(&self, held: &Held, api: &str) -> Option<Option<Duration>> {
        let digest = self.by_name.get(&held.name).filter(|digest| **digest == held.digest)?;
        let proof = self.by_digest.get(digest)?;
        let is_same = proof.scopes == held.scopes && proof.consumer.apis.opens(api);
        is_same.then_some(proof.expires)
    }

    /// No keys, with room for `count`.
    pub fn with_capacity(count: usize) -> Self {
        Self { by_digest: HashMap::with_capacity(count), by_name: HashMap::with_capacity(count) }
    }
}

#[cfg(test)]
mod tests;
