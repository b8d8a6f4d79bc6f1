//! Lets a caller prove who it is with the client certificate of its connection.
//!
//! The certificate that counts is the one that this connection's handshake verified against the listener's authorities
//! and revocation lists; what fields say of certificates counts for nothing and is dropped. Consumers are found by what the
//! certificate says of its holder: its SPIFFE id, its subject alternative names, its whole subject. The common name alone
//! stands for nobody: it is free text, and authorities differ on who may have which.
//!
//! # Example
//! ```yaml
//! auth: { certificate: {} }
//! ```
//!
//! # Order
//! Authenticate, after routing and screening. A listener that publishes such an operation must ask clients for
//! certificates, else the configuration does not load.
//!
//! # Failure
//! No certificate: the next alternative of `any_of`, else 401 `credential-missing`. One that is nobody's, of two
//! consumers at once, or over since the handshake: 401 `credential-invalid`; the log has the reason.
//!
//! # Threats
//! Who may connect is the authority's word. A certificate that ends while its connection lives proves nobody from then
//! on; one that is revoked counts until its connection ends, and a reload that brings the new list drains it.

use std::borrow::Cow;
use std::sync::Arc;

use super::{Kind, Phase};
use crate::callers::{Directory, Scene};
use crate::http::Canonical;
use crate::pipeline::attempts::CREDENTIAL_ATTEMPTS_EXCEEDED;
use crate::pipeline::identified::{API_NOT_GRANTED, CREDENTIAL_INVALID, CREDENTIAL_MISSING};
use crate::pipeline::{Authenticator, Context, Glance, Presented, Routed, Step};

/// Its line in the list of policies.
pub const KIND: Kind = Kind {
    name: "certificate",
    phase: Phase::Authenticate,
    problems: &[&CREDENTIAL_MISSING, &CREDENTIAL_INVALID, &API_NOT_GRANTED, &CREDENTIAL_ATTEMPTS_EXCEEDED],
};

/// Proves callers by the certificate of their connection.
#[derive(Debug)]
pub struct Certificate {
    callers: Arc<Directory>,
}

impl Certificate {
    /// Looks holders up in `callers`.
    pub fn new(callers: Arc<Directory>) -> Self {
        Self { callers }
    }
}

impl Authenticator for Certificate {
    fn name(&self) -> &'static str {
        KIND.name
    }

    fn authenticate<'a>(&'a self, request: &'a Routed, cx: &'a mut Context) -> Step<'a, Presented> {
        let scene = Scene { client: request.request().client(), peer: &cx.peer, now: cx.wall() };
        Step::done(match self.callers.by_holder(&scene) {
            Ok(None) => Presented::Absent,
            Ok(Some(proof)) => Presented::Proven(proof),
            Err(reason) => {
                let problem = CREDENTIAL_INVALID.with("the credential is not valid");
                Presented::refused(problem.because(format_args!("client certificate: {reason}")))
            }
        })
    }

    fn glance(&self, request: &Routed, cx: &Context) -> Glance {
        // Nobody guesses a signature, and the handshake has judged it.
        let scene = Scene { client: request.request().client(), peer: &cx.peer, now: cx.wall() };
        match self.callers.by_holder(&scene) {
            Ok(None) => Glance::Absent,
            Ok(Some(_)) => Glance::Known,
            Err(_) => Glance::Unknown,
        }
    }

    fn challenge(&self, _request: &Routed) -> Cow<'_, str> {
        Cow::Borrowed("Certificate realm=\"portcullis\"")
    }

    /// It belongs to the connection, which ends here.
    fn strip(&self, _request: &mut Canonical) {}
}

#[cfg(test)]
mod tests;
