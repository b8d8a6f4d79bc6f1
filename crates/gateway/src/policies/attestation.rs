//! Asks an app to show that it is genuine: a posture token of an attestation service, in a field of its own.
//!
//! The service has looked at app and device and says so in a signed token, which the app sends along. It is verified here
//! as any token is (crate `identity`): by a secret shared with the service, or by the keys of an issuer. A token may be
//! bound to other fields of the request, so that one taken from another session is worth nothing. It proves no caller: who
//! calls is another question, and `auth: none` with an attestation is posture without identity.
//!
//! # Example
//! ```yaml
//! attestation: { app: { field: approov-token, secret_base64: "${env:APPROOV_SECRET}", binding: [authorization] } }
//! ```
//!
//! # Order
//! Attest, after the caller is known and before anything is decided of it. The token's field goes no further; the backend
//! is told `yes` or `no` in `x-portcullis-attested`, which no client can say.
//!
//! # Failure
//! No token, or the word of an app kit that it has none: 401 `attestation-missing`. One that does not hold, for any reason:
//! 401 `attestation-invalid`, with one wording; the log has the reason. The issuer's keys cannot be had: 503. With
//! `mode: observe` the request passes with `no`.
//!
//! # Threats
//! A service gives an app that it does not trust a token that looks like any other, signed by another key: nothing but the
//! signature tells. A token is good until it ends and for whoever has it, unless it is bound.

use std::sync::Arc;

use http::StatusCode;
use portcullis_http1::Repeated;
use portcullis_identity::claims::Claims;
use portcullis_identity::jwk::KeySet;
use portcullis_identity::jwt::{self, Rules};
use portcullis_identity::posture;

use super::{Kind, Phase};
use crate::clock;
use crate::http::{Canonical, claims};
use crate::issuers::verified::{self, Bound, Verified};
use crate::issuers::{ISSUER_UNAVAILABLE, Issuer, Verdict};
use crate::observe::Decision;
use crate::pipeline::{Context, Identified, Policy, Proof, Prospect, Step, Stop};
use crate::problem::{Blame, ProblemKind, Severity};

/// Its line in the list of policies.
pub const KIND: Kind = Kind {
    name: "attestation",
    phase: Phase::Attest,
    problems: &[&ATTESTATION_MISSING, &ATTESTATION_INVALID, &ISSUER_UNAVAILABLE],
};

/// No posture token where one is asked for.
pub const ATTESTATION_MISSING: ProblemKind = ProblemKind {
    code: "attestation-missing",
    status: StatusCode::UNAUTHORIZED,
    title: "An attestation is required",
    blame: Blame::Client,
    severity: Some(Severity::Low),
    about: "The operation serves genuine apps alone, and the request has no token of an attestation service.",
};

/// A posture token that does not hold.
pub const ATTESTATION_INVALID: ProblemKind = ProblemKind {
    code: "attestation-invalid",
    status: StatusCode::UNAUTHORIZED,
    title: "The attestation is not valid",
    blame: Blame::Client,
    severity: Some(Severity::Medium),
    about: "A token of an attestation service was presented and does not hold: expired, bound to another request, or signed with another key, as services do for apps that they do not trust. The log has the reason.",
};

/// What the backend is told in.
pub const ATTESTED: &str = "x-portcullis-attested";

/// What app kits send instead of a token when they could not get one.
const NO_TOKEN: [&[u8]; 8] = [
    b"",
    b"NO_NETWORK",
    b"MITM_DETECTED",
    b"POOR_NETWORK",
    b"NO_APPROOV_SERVICE",
    b"BAD_URL",
    b"UNKNOWN_URL",
    b"REJECTED",
];

/// One rule, compiled.
#[derive(Debug)]
pub struct Attestation {
    /// The field the token stands in, in lower case.
    pub field: Box<str>,
    /// What stands before it.
    pub prefix: Option<Box<str>>,
    /// What verifies it.
    pub verifier: Verifier,
    /// The subjects that count; empty: any.
    pub apps: Vec<Box<str>>,
    /// The fields it must be bound to.
    pub binding: Vec<Box<str>>,
    /// The claim that binds it.
    pub binding_claim: Box<str>,
    /// Whether a request without a good token is refused.
    pub enforces: bool,
    /// Where the operation asks for it.
    pub place: Arc<str>,
}

/// What verifies a posture token.
#[derive(Debug)]
pub enum Verifier {
    /// A secret, and what the token must be besides.
    Secret(Arc<KeySet>, Box<Rules>),
    /// An issuer of the configuration.
    Issuer(Arc<Issuer>),
}

impl Attestation {
    /// The token and what it is bound to, as the request has them.
    fn presented<'a>(&self, request: &'a Canonical) -> Result<&'a [u8], Stop> {
        let missing = || ATTESTATION_MISSING.with("this operation asks for an attestation of the app");
        let value = match request.fields().only(&self.field) {
            Ok(Some(value)) => value,
            Ok(None) => return Err(missing().into()),
            Err(Repeated) => return Err(invalid("the field is there more than once")),
        };
        if NO_TOKEN.contains(&value) {
            return Err(missing().because("the app says that it has none").into());
        }
        let Some(prefix) = &self.prefix else { return Ok(value) };
        match value.split_at_checked(prefix.len()) {
            Some((start, rest)) if start.eq_ignore_ascii_case(prefix.as_bytes()) => {
                Ok(rest.trim_ascii_start())
            }
            _ => Err(invalid("the field does not begin as it must")),
        }
    }

    /// What is left to judge of claims that are signed.
    fn fits(&self, claims: &Claims, request: &Canonical) -> Result<(), &'static str> {
        if !self.apps.is_empty() && !self.apps.iter().any(|app| claims.subject() == Some(app)) {
            return Err("of an app that does not count");
        }
        if self.binding.is_empty() {
            return Ok(());
        }
        let mut values = Vec::with_capacity(self.binding.len());
        for name in &self.binding {
            match request.fields().only(name) {
                Ok(Some(value)) => values.push(value),
                Ok(None) => return Err("a field that it must be bound to is missing"),
                Err(Repeated) => return Err("a field that it must be bound to is there more than once"),
            }
        }
        if posture::is_bound(claims, &self.binding_claim, values) {
            Ok(())
        } else {
            Err("bound to another request")
        }
    }

    /// What was verified by an issuer.
    fn held(&self, verified: &Verified, request: &Canonical) -> Result<Arc<Claims>, Stop> {
        if verified.bound != Bound::default() {
            return Err(invalid("bound to a key or certificate"));
        }
        let claims = verified.proof.claims.as_ref().ok_or_else(|| invalid("without claims"))?;
        self.fits(claims, request).map_err(invalid)?;
        Ok(Arc::clone(claims))
    }

    async fn ask(&self, issuer: &Issuer, token: &[u8], request: &Canonical) -> Result<Arc<Claims>, Stop> {
        match issuer.judge(token, None).await {
            Verdict::Proven(verified) => self.held(&verified, request),
            Verdict::Refused(reason) => Err(invalid(reason)),
            Verdict::Unavailable(reason) => Err(ISSUER_UNAVAILABLE
                .with("the attestation cannot be judged now; try again in a moment")
                .because(format_args!("attestation {}: {reason}", issuer.name()))
                .field("retry-after", "1")
                .into()),
        }
    }

    /// The verdict, if it needs nobody else.
    fn judge_now(&self, token: &[u8], request: &Canonical) -> Option<Result<Arc<Claims>, Stop>> {
        match &self.verifier {
            Verifier::Secret(keys, rules) => {
                let verified = jwt::verify(token, keys, rules, clock::wall());
                let claims = verified.map_err(|why| invalid(why.as_str()));
                Some(claims.and_then(|claims| {
                    self.fits(&claims, request).map_err(invalid)?;
                    Ok(Arc::new(claims))
                }))
            }
            Verifier::Issuer(issuer) => {
                let found = verified::find(token, clock::wall()).filter(|found| issuer.holds(found))?;
                Some(self.held(&found, request))
            }
        }
    }

    /// Lets the request go on, told of, or stops it.
    fn conclude(
        &self,
        verdict: Result<Arc<Claims>, Stop>,
        request: &mut Identified,
        cx: &mut Context,
    ) -> Result<(), Stop> {
        let says = if verdict.is_ok() { "yes" } else { "no" };
        let decision = if verdict.is_ok() { Decision::Allowed } else { Decision::Refused };
        cx.verdict(KIND.name, decision, Some(&self.place));
        match verdict {
            Ok(claims) => request.attest(claims),
            Err(stop) if self.enforces => return Err(stop),
            Err(_) => {}
        }
        let fields = request.request_mut().fields_mut();
        fields.remove(&self.field);
        claims::remove_aliases(fields, ATTESTED);
        fields.push(ATTESTED, says);
        Ok(())
    }
}

fn invalid(reason: &str) -> Stop {
    let problem = ATTESTATION_INVALID.with("the attestation is not valid");
    problem.because(format_args!("attestation: {reason}")).into()
}

impl Policy for Attestation {
    fn name(&self) -> &'static str {
        KIND.name
    }

    fn asks(&self) -> Vec<String> {
        if self.enforces { vec![format!("attestation in {}", self.field)] } else { Vec::new() }
    }

    fn prospect(&self, _caller: Option<&Proof>) -> Prospect {
        if self.enforces { Prospect::Depends } else { Prospect::Passes }
    }

    fn attest<'a>(&'a self, request: &'a mut Identified, cx: &'a mut Context) -> Step<'a, ()> {
        let now = match self.presented(request.request()) {
            Ok(token) => self.judge_now(token, request.request()),
            Err(stop) => Some(Err(stop)),
        };
        match (now, &self.verifier) {
            (Some(verdict), _) => Step::Now(self.conclude(verdict, request, cx)),
            (None, Verifier::Secret(..)) => Step::Now(self.conclude(Err(invalid("not judged")), request, cx)),
            (None, Verifier::Issuer(issuer)) => Step::Later(Box::pin(async move {
                let verdict = match self.presented(request.request()) {
                    Ok(token) => self.ask(issuer, token, request.request()).await,
                    Err(stop) => Err(stop),
                };
                self.conclude(verdict, request, cx)
            })),
        }
    }
}
