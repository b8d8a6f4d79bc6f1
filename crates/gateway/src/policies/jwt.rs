//! Lets a caller prove who it is with a token that an issuer has given it.
//!
//! The token stands in `Authorization` as RFC 6750 §2.1 says, and nowhere else: never in a query, where logs keep it, nor
//! in a form. `{ jwt: NAME }` verifies it by the keys of the issuer, `{ token: NAME }` asks the issuer about it.
//! Among several in one `any_of` the issuer that the token names in `iss` judges it; that name is believed only in so far
//! as another issuer's keys would not verify it. A token that names none of them goes to the issuer that is asked, if there
//! is one, else it is refused. The consumer is the issuer's name and the token's subject: `corp/alice`.
//!
//! # Example
//! ```yaml
//! auth: { any_of: [{ jwt: corp }, { api_key: {} }] }
//! ```
//!
//! # Order
//! Authenticate, after routing and screening. Only `Authorization` is looked at, and only if its scheme is `Bearer` or
//! `DPoP`; with the latter, `DPoP` holds the proof (RFC 9449).
//!
//! # Limits
//! A token has at most 16 KiB. What was verified is remembered on each core, within bounds that `issuers` names.
//!
//! # Failure
//! No bearer token: the next alternative of `any_of`, else 401 `credential-missing`. One that does not hold, for any
//! reason: 401 `credential-invalid` with `error="invalid_token"`, or `error="invalid_dpop_proof"` where it is the proof; the
//! log has the reason. A proof that lacks a nonce: 401 `proof-nonce-required` with one. When nobody can say, because the
//! issuer is away: 503 `issuer-unavailable`.
//!
//! # Threats
//! Everything about a token is the sender's choice until it is verified: form, size, algorithm, key, issuer, claims. The
//! engine (crate `identity`) judges all that is cheap before a signature. A token that is bound to a certificate or key is
//! good only with it, and never because that was not looked at: one that is bound to a key is no bearer token, and a proof
//! is good once (`issuers::possession`).

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use portcullis_http1::{Fields, Repeated};
use portcullis_identity::dpop;
use portcullis_identity::jwt::{Said, Unverified};

use super::{Kind, Phase};
use crate::clock;
use crate::http::Canonical;
use crate::issuers::possession::{self, Unproven};
use crate::issuers::verified::{self, Verified};
use crate::issuers::{ISSUER_UNAVAILABLE, Issuer, Verdict};
use crate::pipeline::identified::{CREDENTIAL_INVALID, CREDENTIAL_MISSING};
use crate::pipeline::{Authenticator, Carries, Context, Glance, Operation, Presented, Routed, Step};
use crate::problem::{Blame, Problem, ProblemKind};

/// Room for a usual challenge.
const CHALLENGE_BYTES: usize = 64;

/// Its line in the list of policies.
pub const KIND: Kind = Kind {
    name: "jwt",
    phase: Phase::Authenticate,
    problems: &[&CREDENTIAL_MISSING, &CREDENTIAL_INVALID, &PROOF_NONCE_REQUIRED, &ISSUER_UNAVAILABLE],
};

/// A proof of possession without a nonce of ours: the caller is given one and tries again.
pub const PROOF_NONCE_REQUIRED: ProblemKind = ProblemKind {
    code: "proof-nonce-required",
    status: StatusCode::UNAUTHORIZED,
    title: "The proof needs a nonce",
    blame: Blame::Client,
    severity: None,
    about: "The issuer's tokens are presented with proofs (DPoP) that must have a nonce of the gateway, and this one had none or an old one. `DPoP-Nonce` has one; try again with it.",
};

/// The field a token stands in.
const FIELD: &str = "authorization";
/// The field a proof of possession stands in.
const PROOF: &str = "dpop";
/// The longest token that is looked at.
const TOKEN_BYTES_MAX: usize = 16 << 10;

/// Proves callers by bearer tokens of one issuer.
pub struct Bearer {
    issuer: Arc<Issuer>,
    /// What every reason begins with.
    label: Box<str>,
    /// The other issuers whose tokens count at the same place.
    others: Vec<Arc<Issuer>>,
}

/// How a token is presented.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scheme {
    /// By whoever bears it.
    Bearer,
    /// With a proof that its sender holds a key.
    Dpop,
}

/// Whose business a token is.
enum Whose<'t> {
    /// Taken apart, if it can be.
    Ours(Option<Unverified<'t>>),
    Others,
    Nobodys(&'static str),
}

impl Bearer {
    /// Looks for tokens of `issuer`, where those of `all` count.
    pub fn new(issuer: Arc<Issuer>, all: &[Arc<Issuer>]) -> Self {
        let others = all.iter().filter(|other| other.id != issuer.id).cloned().collect();
        let label = format!("{} {}: ", kind(&issuer), issuer.name()).into();
        Self { issuer, label, others }
    }

    /// Why a token cannot hold, where a look tells. One that says it is of another issuer is not ours to refuse.
    fn sees_through(&self, token: &[u8], now: Duration) -> Option<&'static str> {
        if self.issuer.is_asked() {
            return None;
        }
        let refused = Said::of(token, |said| {
            let is_ours = said.issuer.is_some() && said.issuer == self.issuer.issuer();
            if is_ours { self.issuer.refuses(said, now) } else { None }
        });
        refused.flatten()
    }

    /// By what a token says of itself, and by nothing that it could gain from.
    fn whose<'t>(&self, token: &'t [u8]) -> Whose<'t> {
        let why = match Unverified::read(token) {
            Ok(token) => {
                let named = token.issuer();
                let is_of =
                    |issuer: &Issuer| !issuer.is_asked() && named.is_some() && issuer.issuer() == named;
                if is_of(&self.issuer) {
                    return Whose::Ours(Some(token));
                }
                if self.others.iter().any(|other| is_of(other)) {
                    return Whose::Others;
                }
                "a token of no issuer that counts here"
            }
            Err(_) if !has_form(token) => return Whose::Nobodys("not the form of a token"),
            Err(why) => why.as_str(),
        };
        if self.issuer.is_asked() {
            Whose::Ours(None)
        } else if self.others.iter().any(|other| other.is_asked()) {
            Whose::Others
        } else {
            Whose::Nobodys(why)
        }
    }

    fn refused(&self, reason: &str, scheme: Scheme, request: &Routed) -> Presented {
        self.refused_with("invalid_token", reason, scheme, request)
    }

    fn refused_with(&self, error: &str, reason: &str, scheme: Scheme, request: &Routed) -> Presented {
        let problem = self.invalid(reason);
        Presented::refused(problem.field("www-authenticate", self.challenge_of(scheme, request, error)))
    }

    fn invalid(&self, reason: &str) -> Problem {
        CREDENTIAL_INVALID.with("the credential is not valid").because_of(self.reason(reason))
    }

    fn unavailable(&self, reason: &str) -> Presented {
        Presented::refused(
            ISSUER_UNAVAILABLE
                .with("the credential cannot be judged now; try again in a moment")
                .because_of(self.reason(reason))
                .field("retry-after", "1"),
        )
    }

    fn reason(&self, reason: &str) -> String {
        [&*self.label, reason].concat()
    }

    fn challenge_of(&self, scheme: Scheme, request: &Routed, error: &str) -> String {
        let text = challenge(request.request(), request.operation(), error, "");
        match scheme {
            Scheme::Bearer => text,
            Scheme::Dpop => {
                let parameters = text.strip_prefix("Bearer").unwrap_or_default();
                format!("DPoP{parameters}, algs=\"{}\"", possession::algorithms())
            }
        }
    }

    /// A token that holds, if its presenter holds what it is bound to.
    fn present(
        &self,
        verified: Verified,
        scheme: Scheme,
        token: &[u8],
        request: &Routed,
        cx: &Context,
    ) -> Presented {
        let bound = verified.bound;
        if bound.otherwise {
            return self.refused("bound to what cannot be judged", scheme, request);
        }
        if bound.certificate.is_some_and(|thumbprint| !cx.peer.presents(&thumbprint.into())) {
            return self.refused("bound to a certificate that was not presented", scheme, request);
        }
        match (bound.key, scheme) {
            (None, Scheme::Bearer) if self.issuer.spec().tokens.needs_dpop => {
                self.refused("bound to no key", Scheme::Dpop, request)
            }
            (None, Scheme::Bearer) => Presented::Proven(verified.proof),
            // RFC 9449 §7.2: a token that was stolen is not to pass for one that needs no proof.
            (Some(_), Scheme::Bearer) => {
                self.refused("bound to a key and presented as a bearer token", Scheme::Dpop, request)
            }
            (None, Scheme::Dpop) => {
                self.refused("bound to no key and presented as if it were", scheme, request)
            }
            (Some(key), Scheme::Dpop) => match self.possession(&key, token, request) {
                Ok(()) => Presented::Proven(verified.proof),
                Err(Unproven::Proof(reason)) => {
                    self.refused_with("invalid_dpop_proof", reason, scheme, request)
                }
                Err(Unproven::Unknown(reason)) => self.unavailable(reason),
                Err(Unproven::Nonce(nonce)) => Presented::refused(
                    PROOF_NONCE_REQUIRED
                        .with("try again with the nonce that is in `DPoP-Nonce`")
                        .field("www-authenticate", self.challenge_of(scheme, request, "use_dpop_nonce"))
                        .field("dpop-nonce", nonce),
                ),
            },
        }
    }

    /// Whether the request proves that its sender holds `key`.
    fn possession(&self, key: &[u8; 32], token: &[u8], request: &Routed) -> Result<(), Unproven> {
        let remembered = request.operation().bounds.proofs_remembered;
        let request = request.request();
        let proof = match request.fields().only(PROOF) {
            Ok(Some(proof)) => proof,
            Ok(None) => return Err(Unproven::Proof("there is no proof")),
            Err(Repeated) => return Err(Unproven::Proof("the proof is there more than once")),
        };
        let uri = format!("{}://{}{}", request.scheme(), request.authority(), request.path());
        let asked = dpop::Request { method: request.method().as_str(), uri: &uri, token, thumbprint: key };
        possession::judge(proof, asked, self.issuer.spec().tokens.needs_nonce, remembered)
    }
}

impl Authenticator for Bearer {
    fn name(&self) -> &'static str {
        kind(&self.issuer)
    }

    fn authenticate<'a>(&'a self, request: &'a Routed, cx: &'a mut Context) -> Step<'a, Presented> {
        let (scheme, token) = match presented(request.request().fields()) {
            Ok(None) => return Step::done(Presented::Absent),
            Ok(Some(presented)) => presented,
            Err(reason) => return Step::done(self.refused(reason, Scheme::Bearer, request)),
        };
        let now = clock::wall();
        // PERF: the usual way: no lock, no allocation.
        if let Some(found) = verified::find(token, now) {
            if self.issuer.holds(&found) {
                return Step::done(self.present(found, scheme, token, request, cx));
            }
            if self.others.iter().any(|other| other.holds(&found)) {
                return Step::done(Presented::Absent);
            }
        }
        // PERF: floods are of such tokens. A look takes a fifth of the instructions of taking them apart.
        if let Some(reason) = self.sees_through(token, now) {
            return Step::done(self.refused(reason, scheme, request));
        }
        let read = match self.whose(token) {
            Whose::Others => return Step::done(Presented::Absent),
            Whose::Nobodys(reason) => return Step::done(self.refused(reason, scheme, request)),
            Whose::Ours(read) => read,
        };
        Step::Later(Box::pin(async move {
            Ok(match self.issuer.judge(token, read).await {
                Verdict::Proven(verified) => self.present(verified, scheme, token, request, cx),
                Verdict::Refused(reason) => self.refused(reason, scheme, request),
                Verdict::Unavailable(reason) => self.unavailable(reason),
            })
        }))
    }

    fn glance(&self, request: &Routed, _cx: &Context) -> Glance {
        match presented(request.request().fields()) {
            Ok(None) => Glance::Absent,
            Ok(Some((_, token))) => {
                let known = verified::find(token, clock::wall());
                if known.is_some_and(|known| self.issuer.holds(&known)) {
                    Glance::Known
                } else {
                    Glance::Unknown
                }
            }
            Err(_) => Glance::Unknown,
        }
    }

    fn challenge(&self, request: &Routed) -> Cow<'_, str> {
        let tokens = &self.issuer.spec().tokens;
        let schemes: &[Scheme] = match (tokens.tells_dpop, tokens.needs_dpop) {
            (false, _) => &[Scheme::Bearer],
            (true, false) => &[Scheme::Bearer, Scheme::Dpop],
            (true, true) => &[Scheme::Dpop],
        };
        let challenges: Vec<_> =
            schemes.iter().map(|scheme| self.challenge_of(*scheme, request, "")).collect();
        Cow::Owned(challenges.join(", "))
    }

    fn insufficient(&self, request: &Routed, scopes: &str) -> Option<String> {
        Some(challenge(request.request(), request.operation(), "insufficient_scope", scopes))
    }

    fn label(&self) -> Cow<'_, str> {
        Cow::Owned(format!("{}:{}", self.name(), self.issuer.name()))
    }

    fn issuer(&self) -> Option<&str> {
        self.issuer.issuer()
    }

    fn carries(&self) -> Carries {
        if self.issuer.answers_with_jwt() { Carries::Jwt } else { Carries::Token }
    }

    fn strip(&self, request: &mut Canonical) {
        request.fields_mut().remove(FIELD);
        request.fields_mut().remove(PROOF);
    }
}

impl fmt::Debug for Bearer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bearer").field("issuer", self.issuer.name()).finish_non_exhaustive()
    }
}

/// The name of what judges tokens of `issuer`.
fn kind(issuer: &Issuer) -> &'static str {
    if issuer.is_asked() { "token" } else { KIND.name }
}

/// The token of a request and how it is presented, if there is one (RFC 6750 §2.1, RFC 9449 §7.1). Another scheme is
/// another authenticator's.
fn presented(fields: &Fields) -> Result<Option<(Scheme, &[u8])>, &'static str> {
    let value = match fields.only(FIELD) {
        Ok(None) => return Ok(None),
        Ok(Some(value)) => value,
        Err(Repeated) => return Err("the field is there more than once"),
    };
    let scheme_end = value.iter().position(u8::is_ascii_whitespace).unwrap_or(value.len());
    let (name, rest) = value.split_at_checked(scheme_end).unwrap_or_default();
    let scheme = if name.eq_ignore_ascii_case(b"bearer") {
        Scheme::Bearer
    } else if name.eq_ignore_ascii_case(b"dpop") {
        Scheme::Dpop
    } else {
        return Ok(None);
    };
    let token = rest.strip_prefix(b" ").ok_or("no token behind the scheme")?;
    if token.len() > TOKEN_BYTES_MAX {
        return Err("longer than any token");
    }
    Ok(Some((scheme, token)))
}

/// Whether a text is a `b64token` (RFC 6750 §2.1).
// PERF: byte by byte, so asked only of what is no signed token: those are of this form.
fn has_form(token: &[u8]) -> bool {
    let padding = token.iter().rev().take_while(|byte| **byte == b'=').count();
    let text = token.get(..token.len().saturating_sub(padding)).unwrap_or_default();
    let is_of_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(byte);
    !text.is_empty() && text.iter().all(is_of_token)
}

/// What `WWW-Authenticate` says of bearer tokens (RFC 6750 §3, RFC 9728 §5.1). Empty: nothing of an error, of scopes.
pub fn challenge(request: &Canonical, operation: &Operation, error: &str, scope: &str) -> String {
    // PERF: in pieces and not by the formatter, because every refusal says it.
    let mut text = String::with_capacity(CHALLENGE_BYTES);
    text.push_str("Bearer realm=\"portcullis\"");
    for (name, value) in [("error", error), ("scope", scope)] {
        if !value.is_empty() {
            put(&mut text, name, &[value]);
        }
    }
    if let Some(path) = &operation.resource_metadata {
        put(&mut text, "resource_metadata", &[request.scheme().as_str(), "://", &request.authority(), path]);
    }
    text
}

fn put(text: &mut String, name: &str, value: &[&str]) {
    text.push_str(", ");
    text.push_str(name);
    text.push_str("=\"");
    value.iter().for_each(|piece| text.push_str(piece));
    text.push('"');
}
