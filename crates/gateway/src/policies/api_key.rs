//! Lets a caller prove who it is with a key: in a header field, a query parameter or a cookie.
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
//! Authenticate, after routing and screening. Only the places named in `header`, `query` and `cookie` are looked at.
//!
//! # Limits
//! A presented key is at most 256 bytes; a longer one is refused before it is hashed.
//!
//! # Failure
//! No key: the next alternative of `any_of`, else 401 `credential-missing`. A key that does not hold, for any
//! reason: 401 `credential-invalid`, with one detail for all reasons; the log has the reason.
//!
//! # Threats
//! The sender controls the key and how often it comes. Twice is refused, wherever the two stand: two parsers could
//! pick different ones. A parameter's name is compared after its escapes are decoded, as a backend would. The key is
//! removed from all its places before the request goes on, also where another alternative let the caller in; the
//! other parameters and cookies go on as they came. Records have no query and no cookies.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use portcullis_http1::Fields;
use portcullis_identity::api_key;
use portcullis_identity::sha256::digest;

use super::{Kind, Phase};
use crate::callers::{Directory, Scene, Unproven};
use crate::config::ApiKeyAuth;
use crate::http::{Canonical, parameters};
use crate::pipeline::attempts::CREDENTIAL_ATTEMPTS_EXCEEDED;
use crate::pipeline::identified::{API_NOT_GRANTED, CREDENTIAL_INVALID, CREDENTIAL_MISSING};
use crate::pipeline::{Authenticator, Context, Glance, Presented, Proof, Routed, Step};

/// Its line in the list of policies.
pub const KIND: Kind = Kind {
    name: "api_key",
    phase: Phase::Authenticate,
    problems: &[&CREDENTIAL_MISSING, &CREDENTIAL_INVALID, &API_NOT_GRANTED, &CREDENTIAL_ATTEMPTS_EXCEEDED],
};

/// The longest key that is looked at.
const KEY_BYTES_MAX: usize = 256;

/// Proves callers by a key.
pub struct ApiKey {
    // At least one of the three is there.
    header: Option<Box<str>>,
    query: Option<Box<str>>,
    cookie: Option<Box<str>>,
    challenge: Box<str>,
    callers: Arc<Directory>,
}

impl ApiKey {
    /// Looks for keys at the places that `settings` name.
    pub fn new(settings: &ApiKeyAuth, callers: Arc<Directory>) -> Self {
        let header = settings.header().map(str::to_ascii_lowercase);
        let places = [("header", &header), ("query", &settings.query), ("cookie", &settings.cookie)];
        let mut challenge = String::from("ApiKey realm=\"portcullis\"");
        for (place, name) in places {
            // What cannot stand in a quoted string is not said.
            let name = name
                .as_deref()
                .filter(|name| name.bytes().all(|b| b.is_ascii_graphic() && b != b'"' && b != b'\\'));
            challenge.extend(name.map(|name| format!(", {place}=\"{name}\"")));
        }
        let boxed = |name: Option<String>| name.map(String::into_boxed_str);
        Self {
            header: boxed(header),
            query: boxed(settings.query.clone()),
            cookie: boxed(settings.cookie.clone()),
            challenge: challenge.into(),
            callers,
        }
    }

    /// The one key there is at all places.
    fn presented<'a>(
        &'a self,
        fields: &'a Fields,
        query: Option<&'a str>,
    ) -> Result<Option<Cow<'a, [u8]>>, &'static str> {
        let mut found = None;
        let mut note = |key| match found.replace(key) {
            None => Ok(()),
            Some(_) => Err("the key is there more than once"),
        };
        if let Some(name) = &self.header {
            fields.all(name).try_for_each(|key| note(Cow::Borrowed(key)))?;
        }
        if let (Some(name), Some(query)) = (&self.query, query) {
            let mut keys = parameters::of_query(query).filter(|(own, _)| **own == *name.as_bytes());
            keys.try_for_each(|(_, key)| note(key))?;
        }
        if let Some(name) = &self.cookie {
            let mut keys = parameters::cookies(fields).filter(|(own, _)| *own == name.as_bytes());
            keys.try_for_each(|(_, key)| note(Cow::Borrowed(key)))?;
        }
        Ok(found)
    }

    fn judge(
        &self,
        fields: &Fields,
        query: Option<&str>,
        scene: &Scene<'_>,
    ) -> Result<Option<Arc<Proof>>, &'static str> {
        let Some(presented) = self.presented(fields, query)? else { return Ok(None) };
        let presented = &*presented;
        if presented.len() > KEY_BYTES_MAX {
            return Err("longer than any key");
        }
        if !api_key::is_plausible(presented) {
            return Err("mistyped: the checksum does not match");
        }
        let proven = self.callers.by_key(&digest(presented), scene);
        proven.map(Some).map_err(Unproven::as_str)
    }
}

impl Authenticator for ApiKey {
    fn name(&self) -> &'static str {
        KIND.name
    }

    fn authenticate<'a>(&'a self, request: &'a Routed, cx: &'a mut Context) -> Step<'a, Presented> {
        let request = request.request();
        let scene = Scene { client: request.client(), peer: &cx.peer, now: cx.wall() };
        Step::done(match self.judge(request.fields(), request.query(), &scene) {
            Ok(None) => Presented::Absent,
            Ok(Some(proof)) => Presented::Proven(proof),
            Err(reason) => {
                let problem = CREDENTIAL_INVALID.with("the credential is not valid");
                Presented::refused(problem.because(format_args!("api key: {reason}")))
            }
        })
    }

    fn glance(&self, request: &Routed, cx: &Context) -> Glance {
        let request = request.request();
        let (fields, query) = (request.fields(), request.query());
        match self.presented(fields, query) {
            Ok(None) => Glance::Absent,
            // A key of another maker may be short enough to be guessed.
            Ok(Some(key)) if key.starts_with(api_key::PREFIX.as_bytes()) => {
                let scene = Scene { client: request.client(), peer: &cx.peer, now: cx.wall() };
                self.judge(fields, query, &scene).map_or(Glance::Unknown, |_| Glance::Known)
            }
            Ok(Some(_)) | Err(_) => Glance::Unknown,
        }
    }

    fn challenge(&self, _request: &Routed) -> Cow<'_, str> {
        Cow::Borrowed(&self.challenge)
    }

    fn strip(&self, request: &mut Canonical) {
        if let Some(name) = &self.header {
            request.fields_mut().remove(name);
        }
        if let Some(name) = &self.query {
            request.remove_parameter(name);
        }
        if let Some(name) = &self.cookie {
            parameters::remove_cookie(request.fields_mut(), name);
        }
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiKey").field("challenge", &self.challenge).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
