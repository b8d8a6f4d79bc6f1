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

use portcullis_http1::{Fields, Repeated};
use portcullis_identity::api_key;

use super::{Kind, Phase};
use crate::callers::{Directory, Scene, Unproven};
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
    callers: Arc<Directory>,
}

impl ApiKey {
    /// Looks for keys in the field called `header`.
    pub fn new(header: &str, callers: Arc<Directory>) -> Self {
        let header = header.to_ascii_lowercase();
        let challenge = format!("ApiKey realm=\"portcullis\", header=\"{header}\"").into();
        Self { header: header.into(), challenge, callers }
    }

    fn judge(&self, fields: &Fields, scene: &Scene<'_>) -> Result<Option<Arc<Proof>>, &'static str> {
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
        let proven = self.callers.by_key(&api_key::digest(presented), scene);
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
        Step::done(match self.judge(request.fields(), &scene) {
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

#[cfg(test)]
mod tests;
