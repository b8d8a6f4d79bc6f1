//! Lets a caller prove who it is by signing its requests (RFC 9421), with what it sends covered.
//!
//! The key belongs to a consumer, under the id that signatures name. What must be covered is the operator's to say: the
//! method and the whole target at least, so that a signature serves no other request. A body must be covered by
//! `Content-Digest` (RFC 9530), and the digest is judged while the body passes: the backend's message does not end before
//! the body is found to be what was signed.
//!
//! # Example
//! ```yaml
//! auth: { signature: { tag: orders } }
//! ```
//!
//! # Order
//! Authenticate, after routing and screening. The body's digest is judged last, as it passes.
//!
//! # Limits
//! A signature has at most 32 components. It may be `max_age` old, and clocks [`LEEWAY`] apart. With `nonce`, the default,
//! each is good once: `bounds.signatures_remembered` are remembered for as long as they could come again, and when there are more,
//! nobody can say whether one is new: 503. Another process has a memory of its own.
//!
//! # Failure
//! No signature for this purpose: the next alternative of `any_of`, else 401 `credential-missing`. One that does not hold,
//! or a body that is not what was signed: 401 `credential-invalid`; the log has the reason.
//!
//! # Threats
//! The base of a signature is built from the request as it was judged, never from what the signer says of it. A path that
//! is not in its canonical spelling is signed in vain. Two query parameters of one name, a component that stands twice, or
//! anything that could be read in two ways is refused.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::sync::{Arc, LazyLock};
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use portcullis_http1::Fields;
use portcullis_identity::digest_fields::{Running, Stated};
use portcullis_identity::message_signature::{self, Message, Refused, Rules, Target};
use portcullis_identity::replay::Seen;

use super::{Kind, Phase};
use crate::callers::{Directory, Known, Scene};
use crate::clock;
use crate::http::{Canonical, Size};
use crate::once::Once;
use crate::pipeline::identified::{API_NOT_GRANTED, CREDENTIAL_INVALID, CREDENTIAL_MISSING};
use crate::pipeline::policy::Inspector;
use crate::pipeline::{Authenticator, Context, Glance, Identified, Needs, Policy, Presented, Routed, Step};
use crate::problem::{Blame, Problem, ProblemKind};

/// Its line in the list of policies.
pub const KIND: Kind = Kind {
    name: "signature",
    phase: Phase::Authenticate,
    problems: &[&CREDENTIAL_MISSING, &CREDENTIAL_INVALID, &API_NOT_GRANTED, &SIGNATURES_FULL],
};

/// No room to remember one more signature.
pub const SIGNATURES_FULL: ProblemKind = ProblemKind {
    code: "signatures-full",
    status: StatusCode::SERVICE_UNAVAILABLE,
    title: "Too many signed requests at once",
    blame: Blame::Gateway,
    severity: None,
    about: "A signature is good once, and the gateway remembers as many as it has room for, so that nobody can say whether this one is new. Try again in a moment.",
};

/// How far a signer's clock may be from ours.
pub const LEEWAY: Duration = Duration::from_secs(5);
/// The longest time for which a signature may be good.
pub const AGE_MAX: Duration = Duration::from_secs(300);
/// How long a signature could come again.
const WINDOW: Duration =
    Duration::from_secs(AGE_MAX.as_secs().saturating_add(LEEWAY.as_secs().saturating_mul(2)));

const INPUT: &str = "signature-input";
const SIGNATURE: &str = "signature";
const DIGEST: &str = "content-digest";

static SEEN: LazyLock<Once> = LazyLock::new(|| Once::new(WINDOW));

/// Proves callers by signatures.
#[derive(Debug)]
pub struct Signature {
    rules: Arc<Rules>,
    callers: Arc<Directory>,
}

/// Judges that a body is what its caller has signed.
#[derive(Debug)]
pub struct SignedContent {
    rules: Arc<Rules>,
}

impl Signature {
    /// Looks for signatures that `rules` speak of.
    pub fn new(rules: Arc<Rules>, callers: Arc<Directory>) -> Self {
        Self { rules, callers }
    }

    fn judge(&self, request: &Routed, input: &str, cx: &Context) -> Presented {
        let remembered = request.operation().bounds.signatures_remembered;
        let request = request.request();
        let signature = joined(request.fields(), SIGNATURE).unwrap_or_default();
        let found: OnceCell<Arc<Known>> = OnceCell::new();
        let key = |keyid: &str| {
            let known = self.callers.by_signer(keyid)?;
            found.get_or_init(|| known).signing_key()
        };
        let field = |name: &str| joined(request.fields(), name);
        let authority = authority(request);
        let target = Target::Request {
            method: request.method().as_str(),
            scheme: request.scheme().as_str(),
            authority: &authority,
            path: request.path(),
            query: request.query(),
        };
        let message = Message { target, field: &field };
        let signed =
            match message_signature::verify(&message, input, &signature, &self.rules, key, clock::wall()) {
                Ok(signed) => signed,
                Err(why) => return refused(why.as_str()),
            };
        let is_left_out = |part: &str, is_there: bool| is_there && !signed.covers(part);
        if is_left_out("@query", request.query().is_some()) || is_left_out(DIGEST, has_body(request)) {
            return refused(Refused::Uncovered.as_str());
        }
        // No body passes that could be compared.
        if signed.covers(DIGEST) && !has_body(request) && !states_nothing(request) {
            return refused("the body is not what was signed");
        }
        let scene = Scene { client: request.client(), peer: &cx.peer, now: cx.wall() };
        let proof = match found.get().map(|known| known.prove(&scene)) {
            Some(Ok(proof)) => proof,
            Some(Err(why)) => return refused(why.as_str()),
            None => return refused(Refused::UnknownKey.as_str()),
        };
        if !self.rules.nonce {
            return Presented::Proven(proof);
        }
        match SEEN.judge(signed.replay_digest(), remembered) {
            Seen::First => Presented::Proven(proof),
            Seen::Before => refused("the signature was used before"),
            Seen::Full => {
                Presented::refused(SIGNATURES_FULL.with("try again in a moment").field("retry-after", "1"))
            }
        }
    }
}

fn refused(reason: &str) -> Presented {
    Presented::refused(invalid(reason))
}

fn invalid(reason: &str) -> Problem {
    let problem = CREDENTIAL_INVALID.with("the credential is not valid");
    problem.because(format_args!("signature: {reason}"))
}

/// A field's lines without space around them, joined (RFC 9421 §2.1). What is no text is no value.
fn joined(fields: &Fields, name: &str) -> Option<Cow<'static, str>> {
    let mut lines = fields.all(name);
    let mut value = std::str::from_utf8(lines.next()?.trim_ascii()).ok()?.to_owned();
    for line in lines {
        value.push_str(", ");
        value.push_str(std::str::from_utf8(line.trim_ascii()).ok()?);
    }
    Some(Cow::Owned(value))
}

/// Host, and port unless it is the scheme's own (RFC 9421 §2.2.3).
fn authority(request: &Canonical) -> String {
    let own = request.scheme().port();
    match request.port() {
        Some(port) if port != own => format!("{}:{port}", request.host()),
        _ => request.host().to_owned(),
    }
}

/// Whether the digest that a request states is that of no body.
fn states_nothing(request: &Canonical) -> bool {
    joined(request.fields(), DIGEST)
        .and_then(|field| Stated::parse(&field))
        .is_some_and(|stated| stated.is_of(b""))
}

fn has_body(request: &Canonical) -> bool {
    !matches!(request.size(), Size::None | Size::Exactly(0))
}

impl Authenticator for Signature {
    fn name(&self) -> &'static str {
        KIND.name
    }

    fn authenticate<'a>(&'a self, request: &'a Routed, cx: &'a mut Context) -> Step<'a, Presented> {
        let fields = request.request().fields();
        Step::done(match joined(fields, INPUT) {
            Some(input) if message_signature::is_present(&input, &self.rules) => {
                self.judge(request, &input, cx)
            }
            // Bytes that are no text are something, and fail.
            None if fields.first(INPUT).is_some() => refused(Refused::Form.as_str()),
            Some(_) | None => Presented::Absent,
        })
    }

    fn glance(&self, request: &Routed, _cx: &Context) -> Glance {
        if request.request().fields().first(INPUT).is_some() { Glance::Unknown } else { Glance::Absent }
    }

    fn challenge(&self, _request: &Routed) -> Cow<'_, str> {
        Cow::Borrowed("Signature realm=\"portcullis\"")
    }

    fn strip(&self, request: &mut Canonical) {
        request.fields_mut().remove(INPUT);
        request.fields_mut().remove(SIGNATURE);
    }
}

impl SignedContent {
    /// Judges bodies of requests that bring signatures `rules` speak of.
    pub fn new(rules: Arc<Rules>) -> Self {
        Self { rules }
    }
}

impl Policy for SignedContent {
    fn name(&self) -> &'static str {
        KIND.name
    }

    fn needs(&self) -> Needs {
        Needs::Stream
    }

    fn stream_inspector(&self, request: &Identified, _cx: &mut Context) -> Option<Box<dyn Inspector>> {
        let request = request.request();
        let input = joined(request.fields(), INPUT)?;
        // What is present was found good, and covers the digest; without it no body ends.
        if !message_signature::is_present(&input, &self.rules) || !has_body(request) {
            return None;
        }
        let stated = joined(request.fields(), DIGEST).and_then(|field| Stated::parse(&field));
        Some(Box::new(Judging(stated.map(Stated::begin))))
    }
}

/// A body being compared with what was signed.
struct Judging(Option<Running>);

impl Inspector for Judging {
    fn poll_piece(&mut self, piece: &Bytes, _cx: &mut TaskContext<'_>) -> Poll<Result<(), Box<Problem>>> {
        if let Some(running) = &mut self.0 {
            running.update(piece);
        }
        Poll::Ready(Ok(()))
    }

    fn poll_end(&mut self, _cx: &mut TaskContext<'_>) -> Poll<Result<(), Box<Problem>>> {
        Poll::Ready(if self.0.take().is_some_and(Running::is_good) {
            Ok(())
        } else {
            Err(Box::new(invalid("the body is not what was signed")))
        })
    }
}
