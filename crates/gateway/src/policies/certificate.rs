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
use crate::callers::{CertificateName, Directory, Scene};
use crate::http::Canonical;
use crate::http::holder::Holder;
use crate::pipeline::attempts::CREDENTIAL_ATTEMPTS_EXCEEDED;
use crate::pipeline::identified::{API_NOT_GRANTED, CREDENTIAL_INVALID, CREDENTIAL_MISSING};
use crate::pipeline::{Authenticator, Context, Glance, Presented, Proof, Routed, Step};

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

    fn judge(&self, scene: &Scene<'_>) -> Result<Option<Arc<Proof>>, &'static str> {
        let Some(tls) = scene.peer.tls.as_ref().filter(|tls| !tls.client_certificates.is_empty()) else {
            return Ok(None);
        };
        let holder = tls.holder().ok_or("cannot be read")?;
        if scene.now < holder.begins || holder.ends <= scene.now {
            return Err("over since the handshake");
        }
        let mut proven: Option<Arc<Proof>> = None;
        for name in names(holder) {
            let Some(found) = self.callers.by_certificate(name, scene) else { continue };
            let proof = found.map_err(|why| why.as_str())?;
            match &proven {
                Some(first) if first.consumer.name != proof.consumer.name => {
                    return Err("bears the names of two consumers");
                }
                Some(_) => {}
                None => proven = Some(proof),
            }
        }
        proven.map(Some).ok_or("nobody's")
    }
}

/// What a holder is looked up by, the most telling first.
fn names(holder: &Holder) -> impl Iterator<Item = CertificateName<'_>> {
    let spiffe = holder.spiffe.as_deref().map(CertificateName::Spiffe);
    let sans = holder.sans.iter().map(|name| CertificateName::San(name));
    spiffe.into_iter().chain(sans).chain(holder.subject.as_deref().map(CertificateName::Subject))
}

impl Authenticator for Certificate {
    fn name(&self) -> &'static str {
        KIND.name
    }

    fn authenticate<'a>(&'a self, request: &'a Routed, cx: &'a mut Context) -> Step<'a, Presented> {
        let scene = Scene { client: request.request().client(), peer: &cx.peer, now: cx.wall() };
        Step::done(match self.judge(&scene) {
            Ok(None) => Presented::Absent,
            Ok(Some(proof)) => Presented::Proven(proof),
            Err(reason) => {
                let problem = CREDENTIAL_INVALID.with("the credential is not valid");
                Presented::Refused(problem.because(format_args!("client certificate: {reason}")))
            }
        })
    }

    fn glance(&self, request: &Routed, cx: &Context) -> Glance {
        // Nobody guesses a signature, and the handshake has judged it.
        let scene = Scene { client: request.request().client(), peer: &cx.peer, now: cx.wall() };
        match self.judge(&scene) {
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
