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
//! Authenticate, after routing and screening. Only `Authorization` is looked at, and only if its scheme is `Bearer`.
//!
//! # Limits
//! A token has at most 16 KiB. What was verified is remembered on each core, within bounds that `issuers` names.
//!
//! # Failure
//! No bearer token: the next alternative of `any_of`, else 401 `credential-missing`. One that does not hold, for any
//! reason: 401 `credential-invalid` with `error="invalid_token"`; the log has the reason. When nobody can say, because the
//! issuer is away: 503 `issuer-unavailable`.
//!
//! # Threats
//! Everything about a token is the sender's choice until it is verified: form, size, algorithm, key, issuer, claims. The
//! engine (crate `identity`) judges all that is cheap before a signature. A token that is bound to a certificate or key is
//! good only with it, and never because that was not looked at.

use std::borrow::Cow;
use std::fmt;
use std::fmt::Write as _;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use portcullis_http1::{Fields, Repeated};
use portcullis_identity::jwt::Unverified;

use super::{Kind, Phase};
use crate::clock;
use crate::http::Canonical;
use crate::issuers::verified::{self, Bound, Verified};
use crate::issuers::{ISSUER_UNAVAILABLE, Issuer, Verdict};
use crate::pipeline::identified::{CREDENTIAL_INVALID, CREDENTIAL_MISSING};
use crate::pipeline::{Authenticator, Context, Glance, Operation, Presented, Routed, Step};

/// Its line in the list of policies.
pub const KIND: Kind = Kind {
    name: "jwt",
    phase: Phase::Authenticate,
    problems: &[&CREDENTIAL_MISSING, &CREDENTIAL_INVALID, &ISSUER_UNAVAILABLE],
};

/// The field a token stands in.
const FIELD: &str = "authorization";
/// The longest token that is looked at.
const TOKEN_BYTES_MAX: usize = 16 << 10;

/// Proves callers by bearer tokens of one issuer.
pub struct Bearer {
    issuer: Arc<Issuer>,
    /// The other issuers whose tokens count at the same place.
    others: Vec<Arc<Issuer>>,
}

/// Whose business a token is.
enum Whose {
    Ours,
    Others,
    Nobodys(&'static str),
}

impl Bearer {
    /// Looks for tokens of `issuer`, where those of `all` count.
    pub fn new(issuer: Arc<Issuer>, all: &[Arc<Issuer>]) -> Self {
        let others = all.iter().filter(|other| other.id != issuer.id).cloned().collect();
        Self { issuer, others }
    }

    /// By what a token says of itself, and by nothing that it could gain from.
    fn whose(&self, token: &[u8]) -> Whose {
        let why = match Unverified::read(token) {
            Ok(token) => {
                let named = token.issuer();
                let is_of =
                    |issuer: &Issuer| !issuer.is_asked() && named.is_some() && issuer.issuer() == named;
                if is_of(&self.issuer) {
                    return Whose::Ours;
                }
                if self.others.iter().any(|other| is_of(other)) {
                    return Whose::Others;
                }
                "a token of no issuer that counts here"
            }
            Err(why) => why.as_str(),
        };
        if self.issuer.is_asked() {
            Whose::Ours
        } else if self.others.iter().any(|other| other.is_asked()) {
            Whose::Others
        } else {
            Whose::Nobodys(why)
        }
    }

    fn refused(&self, reason: &str, request: &Routed) -> Presented {
        let problem = CREDENTIAL_INVALID.with("the credential is not valid");
        let challenge = challenge(request.request(), request.operation(), "invalid_token", "");
        Presented::Refused(
            problem
                .because(format_args!("{} {}: {reason}", self.name(), self.issuer.name()))
                .field("www-authenticate", challenge),
        )
    }

    /// A token that holds, if its presenter holds what it is bound to.
    fn present(&self, verified: Verified, request: &Routed, cx: &Context) -> Presented {
        match verified.bound {
            Bound::No => Presented::Proven(verified.proof),
            Bound::Certificate(thumbprint) => {
                let certificates = cx.peer.tls.as_ref().map(|tls| tls.client_certificates.as_slice());
                let leaf = certificates.and_then(<[_]>::first);
                if leaf.is_some_and(|leaf| digest(&SHA256, leaf).as_ref() == thumbprint) {
                    Presented::Proven(verified.proof)
                } else {
                    self.refused("bound to a certificate that was not presented", request)
                }
            }
            Bound::Otherwise => self.refused("bound to a key that was not proven", request),
        }
    }
}

impl Authenticator for Bearer {
    fn name(&self) -> &'static str {
        if self.issuer.is_asked() { "token" } else { KIND.name }
    }

    fn authenticate<'a>(&'a self, request: &'a Routed, cx: &'a mut Context) -> Step<'a, Presented> {
        let token = match bearer(request.request().fields()) {
            Ok(None) => return Step::done(Presented::Absent),
            Ok(Some(token)) => token,
            Err(reason) => return Step::done(self.refused(reason, request)),
        };
        // PERF: the usual way: no lock, no allocation.
        if let Some(found) = verified::find(token, clock::wall()) {
            if self.issuer.holds(&found) {
                return Step::done(self.present(found, request, cx));
            }
            if self.others.iter().any(|other| other.holds(&found)) {
                return Step::done(Presented::Absent);
            }
        }
        match self.whose(token) {
            Whose::Others => return Step::done(Presented::Absent),
            Whose::Nobodys(reason) => return Step::done(self.refused(reason, request)),
            Whose::Ours => {}
        }
        Step::Later(Box::pin(async move {
            Ok(match self.issuer.judge(token).await {
                Verdict::Proven(verified) => self.present(verified, request, cx),
                Verdict::Refused(reason) => self.refused(reason, request),
                Verdict::Unavailable(reason) => Presented::Refused(
                    ISSUER_UNAVAILABLE
                        .with("the credential cannot be judged now; try again in a moment")
                        .because(format_args!("{} {}: {reason}", self.name(), self.issuer.name()))
                        .field("retry-after", "1"),
                ),
            })
        }))
    }

    fn glance(&self, request: &Routed, _cx: &Context) -> Glance {
        match bearer(request.request().fields()) {
            Ok(None) => Glance::Absent,
            Ok(Some(_)) | Err(_) => Glance::Unknown,
        }
    }

    fn challenge(&self, request: &Routed) -> Cow<'_, str> {
        Cow::Owned(challenge(request.request(), request.operation(), "", ""))
    }

    fn label(&self) -> Cow<'_, str> {
        Cow::Owned(format!("{}:{}", self.name(), self.issuer.name()))
    }

    fn issuer(&self) -> Option<&str> {
        self.issuer.issuer()
    }

    fn strip(&self, request: &mut Canonical) {
        request.fields_mut().remove(FIELD);
    }
}

impl fmt::Debug for Bearer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bearer").field("issuer", self.issuer.name()).finish_non_exhaustive()
    }
}

/// The bearer token of a request, if it has one (RFC 6750 §2.1). Another scheme is another authenticator's.
fn bearer(fields: &Fields) -> Result<Option<&[u8]>, &'static str> {
    const SCHEME: &[u8] = b"bearer";
    let value = match fields.only(FIELD) {
        Ok(None) => return Ok(None),
        Ok(Some(value)) => value,
        Err(Repeated) => return Err("the field is there more than once"),
    };
    let Some((scheme, rest)) = value.split_at_checked(SCHEME.len()) else { return Ok(None) };
    if !scheme.eq_ignore_ascii_case(SCHEME) || rest.first().is_some_and(|byte| !byte.is_ascii_whitespace()) {
        return Ok(None);
    }
    let token = rest.strip_prefix(b" ").ok_or("no token behind the scheme")?;
    if token.len() > TOKEN_BYTES_MAX {
        return Err("longer than any token");
    }
    let padding = token.iter().rev().take_while(|byte| **byte == b'=').count();
    let text = token.get(..token.len().saturating_sub(padding)).unwrap_or_default();
    let is_of_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(byte);
    if text.is_empty() || !text.iter().all(is_of_token) {
        return Err("not the form of a bearer token");
    }
    Ok(Some(token))
}

/// What `WWW-Authenticate` says of bearer tokens (RFC 6750 §3, RFC 9728 §5.1). Empty: nothing of an error, of scopes.
pub fn challenge(request: &Canonical, operation: &Operation, error: &str, scope: &str) -> String {
    let mut text = "Bearer realm=\"portcullis\"".to_owned();
    // Writing to a `String` does not fail.
    if !error.is_empty() {
        let _ = write!(text, ", error=\"{error}\"");
    }
    if !scope.is_empty() {
        let _ = write!(text, ", scope=\"{scope}\"");
    }
    if let Some(path) = &operation.resource_metadata {
        let (scheme, authority) = (request.scheme(), request.authority());
        let _ = write!(text, ", resource_metadata=\"{scheme}://{authority}{path}\"");
    }
    text
}
