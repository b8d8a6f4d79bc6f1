//! A routed request of which the caller is known: proven, or allowed to be anonymous.
//!
//! Each alternative of the operation's expression looks at its own place. Nothing there: the next alternative.
//! Something there that fails: 401, and no other alternative is tried, so that a bad credential is never
//! covered up by a good one. Two that hold for different consumers: 401. In an `all_of` the first names the
//! consumer and the others may not contradict it; some parts there and others not is a failure, unless what is there meets
//! another alternative whole.
//!
//! Failures are counted by client address, and an address with too many is held back (`attempts`).

use std::borrow::Cow;
use std::sync::Arc;

use http::StatusCode;
use portcullis_identity::claims::Claims;

use super::attempts::held_back;
use super::authentication::{Alternative, AnonymousAllowed, Part};
use super::{Authenticator, Context, Expression, Freight, Glance, Operation, Presented, Proof, Routed, Stop};
use crate::http::{Body, Canonical};
use crate::problem::{Blame, Problem, ProblemKind, Severity};

/// No credential where one is asked for.
pub const CREDENTIAL_MISSING: ProblemKind = ProblemKind {
    code: "credential-missing",
    status: StatusCode::UNAUTHORIZED,
    title: "A credential is required",
    blame: Blame::Client,
    severity: Some(Severity::Low),
    about: "The operation asks for a credential and the request carries none. `WWW-Authenticate` names what is asked for.",
};

/// A credential that does not hold.
pub const CREDENTIAL_INVALID: ProblemKind = ProblemKind {
    code: "credential-invalid",
    status: StatusCode::UNAUTHORIZED,
    title: "The credential is not valid",
    blame: Blame::Client,
    severity: Some(Severity::Medium),
    about: "A credential was presented and does not hold: unknown, malformed, expired, or at odds with another one. The log has the reason.",
};

/// A known caller without access to this API.
pub const API_NOT_GRANTED: ProblemKind = ProblemKind {
    code: "api-not-granted",
    status: StatusCode::FORBIDDEN,
    title: "The consumer has no access to this API",
    blame: Blame::Client,
    severity: Some(Severity::Medium),
    about: "The credential holds, but its consumer does not name this API in `apis`.",
};

/// The field that says what is asked for.
const CHALLENGE: &str = "www-authenticate";

/// A known caller without what the operation asks for.
pub const SCOPE_MISSING: ProblemKind = ProblemKind {
    code: "scope-missing",
    status: StatusCode::FORBIDDEN,
    title: "The credential does not carry a required scope",
    blame: Blame::Client,
    severity: Some(Severity::Medium),
    about: "The caller is known, but the credential was not given every scope this operation asks for.",
};

/// A request and who sent it.
#[derive(Debug)]
pub struct Identified<'s> {
    // Invariant: `caller` satisfied the expression of exactly this request's operation.
    routed: Routed<'s>,
    caller: Caller,
    posture: Posture,
}

/// What is known of the app that a request came from.
#[derive(Debug, Default)]
pub enum Posture {
    /// Nothing.
    #[default]
    Unknown,
    /// It has shown that it is genuine; with what was said of it.
    Attested(Arc<Claims>),
}

/// Who sent a request.
#[derive(Debug)]
pub enum Caller {
    /// Nobody known; the operation says that this is fine.
    Anonymous(AnonymousAllowed),
    /// A consumer, proven by a credential.
    Consumer(Arc<Proof>),
}

impl<'s> Identified<'s> {
    /// Finds out who is calling, or refuses.
    pub(crate) async fn authenticate(routed: Routed<'s>, cx: &mut Context) -> Result<Self, Stop> {
        let operation = routed.operation();
        let caller = match &*operation.authentication {
            Expression::Anonymous(allowed) => Caller::Anonymous(allowed.clone()),
            Expression::AnyOf(alternatives) => {
                hold_back(alternatives, &routed, cx)?;
                let proven = prove(alternatives, &routed, cx).await;
                Caller::Consumer(proven.inspect_err(|stop| count(stop, &routed, cx))?)
            }
        };
        if let Caller::Consumer(proof) = &caller {
            cx.identify(proof);
            if !proof.consumer.apis.opens(&operation.api) {
                return Err(API_NOT_GRANTED.with("this credential does not open this API").into());
            }
        }
        Ok(Self { routed, caller, posture: Posture::Unknown })
    }

    /// The canonical request.
    pub fn request(&self) -> &Canonical {
        self.routed.request()
    }

    /// The canonical request, to be transformed.
    pub fn request_mut(&mut self) -> &mut Canonical {
        self.routed.request_mut()
    }

    /// What the request asks for.
    pub fn operation(&self) -> &'s Arc<Operation> {
        self.routed.operation()
    }

    /// Who sent it.
    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    /// What is known of the app.
    pub fn posture(&self) -> &Posture {
        &self.posture
    }

    /// Notes that the app has shown that it is genuine.
    pub fn attest(&mut self, claims: Arc<Claims>) {
        self.posture = Posture::Attested(claims);
    }

    /// The content of the request, to be judged.
    pub(super) fn body_mut(&mut self) -> &mut Body {
        self.routed.body_mut()
    }

    /// The request, and what is carried for it.
    pub(super) fn parts(&mut self) -> (&Canonical, &mut Freight) {
        self.routed.parts()
    }

    /// What is left of it when the exchange has an answer.
    pub(super) fn into_parts(self) -> (Canonical, &'s Arc<Operation>, &'s mut Freight) {
        self.routed.into_parts()
    }
}

impl Caller {
    /// The proof, unless the caller is anonymous.
    pub fn proof(&self) -> Option<&Arc<Proof>> {
        match self {
            Self::Anonymous(_) => None,
            Self::Consumer(proof) => Some(proof),
        }
    }
}

/// Refuses a request with a credential to be checked, while its client's address is held back.
fn hold_back(alternatives: &[Alternative], routed: &Routed, cx: &Context) -> Result<(), Stop> {
    let client = routed.request().client();
    let Some(left) = cx.ground.attempts.held(client, &routed.operation().bounds) else { return Ok(()) };
    let mut authenticators = alternatives.iter().flatten();
    if authenticators.all(|part| part.authenticator.glance(routed, cx) != Glance::Unknown) {
        return Ok(());
    }
    Err(held_back(left).into())
}

/// Counts a credential that failed.
fn count(stop: &Stop, routed: &Routed, cx: &Context) {
    let is_failure = stop.problem().is_some_and(|problem| problem.kind().code == CREDENTIAL_INVALID.code);
    if is_failure {
        let client = routed.request().client();
        let begins = cx.ground.attempts.failed(client, &routed.operation().bounds);
        cx.ground.observe.credential_failed(begins);
    }
}

async fn prove(
    alternatives: &[Alternative],
    routed: &Routed<'_>,
    cx: &mut Context,
) -> Result<Arc<Proof>, Stop> {
    let mut proven: Option<Proven> = None;
    let mut incomplete: Option<(Arc<Proof>, &Alternative)> = None;
    let mut asked = Asked::new();
    for alternative in alternatives {
        let found = prove_all(alternative, &mut asked, routed, cx).await?;
        let proof = match &found {
            Found::Nothing => continue,
            Found::Some(proof) | Found::All(Proven { proof, .. }) => proof,
        };
        let first = proven.as_ref().map(|it| &it.proof).or(incomplete.as_ref().map(|(proof, _)| proof));
        if first.is_some_and(|first| !same_consumer(first, proof)) {
            return Err(challenged_by(contradiction(), alternatives.iter().flatten(), routed).into());
        }
        match found {
            // One that carries what it must carry is enough.
            Found::All(more) if proven.as_ref().is_none_or(|first| first.lacks.is_some()) => {
                proven = Some(more);
            }
            Found::Some(proof) if incomplete.is_none() => incomplete = Some((proof, alternative)),
            Found::All(_) | Found::Some(_) | Found::Nothing => {}
        }
    }
    match (proven, incomplete) {
        (Some(Proven { proof, lacks: None }), _) => Ok(proof),
        (Some(Proven { proof, lacks: Some(Lack { scope, of }) }), _) => {
            cx.identify(&proof);
            let problem = scope_missing(scope);
            let challenge = of.authenticator.insufficient(routed, &of.scopes.join(" "));
            Err(match challenge {
                Some(challenge) => problem.field(CHALLENGE, challenge).into(),
                None => problem.into(),
            })
        }
        (None, Some((_, alternative))) => {
            let problem = CREDENTIAL_INVALID
                .with("the credential is not valid")
                .because("not every required credential was presented");
            Err(challenged_by(problem, alternative, routed).into())
        }
        (None, None) => {
            let mut all = alternatives.iter().flatten();
            Err(all
                .find_map(|part| part.authenticator.invite(routed))
                .unwrap_or_else(|| challenged_by(missing(), alternatives.iter().flatten(), routed).into()))
        }
    }
}

/// What was found of an alternative.
enum Found<'a> {
    /// Nothing of it is there.
    Nothing,
    /// Some of it, and that holds. Another alternative may ask for no more.
    Some(Arc<Proof>),
    /// All of it.
    All(Proven<'a>),
}

/// An alternative that is met, but for scopes.
struct Proven<'a> {
    proof: Arc<Proof>,
    lacks: Option<Lack<'a>>,
}

/// A scope that a part of an alternative asks for and its credential does not carry.
struct Lack<'a> {
    scope: &'a str,
    of: &'a Part,
}

/// What authenticators that stand in several alternatives answered: each is asked once. A credential that is good once
/// would be a replay of itself otherwise.
type Asked<'a> = Vec<(&'a Arc<dyn Authenticator>, Option<Arc<Proof>>)>;

/// All parts of one alternative.
async fn prove_all<'a>(
    alternative: &'a [Part],
    asked: &mut Asked<'a>,
    routed: &Routed<'_>,
    cx: &mut Context,
) -> Result<Found<'a>, Stop> {
    let mut proven: Option<Arc<Proof>> = None;
    let mut absent = false;
    let mut lacks = None;
    for part in alternative {
        let Part { authenticator, scopes, is_shared } = part;
        let known = asked.iter().find(|(own, _)| Arc::ptr_eq(own, authenticator));
        let answer = match known {
            Some((_, answer)) => answer.clone(),
            None => {
                let answer = match authenticator.authenticate(routed, cx).decide().await? {
                    Presented::Absent => None,
                    Presented::Refused(problem) => {
                        return Err(challenged(*problem, &**authenticator, routed).into());
                    }
                    Presented::Proven(proof) => Some(proof),
                };
                if *is_shared {
                    asked.push((authenticator, answer.clone()));
                }
                answer
            }
        };
        let Some(proof) = answer else {
            absent = true;
            continue;
        };
        let missing = scopes.iter().find(|scope| !proof.has_scope(scope));
        lacks = lacks.or(missing.map(|scope| Lack { scope, of: part }));
        match &proven {
            Some(first) if !same_consumer(first, &proof) => {
                return Err(challenged_by(contradiction(), alternative, routed).into());
            }
            Some(_) => cx.also_proven(proof),
            None => proven = Some(proof),
        }
    }
    Ok(match proven {
        None => Found::Nothing,
        Some(proof) if absent => Found::Some(proof),
        Some(proof) => Found::All(Proven { proof, lacks }),
    })
}

/// A known caller whose credential does not carry `scope`.
pub fn scope_missing(scope: &str) -> Problem {
    SCOPE_MISSING
        .with("the credential does not carry a scope this operation asks for")
        .because(format_args!("scope `{scope}` is missing"))
}

fn same_consumer(one: &Proof, other: &Proof) -> bool {
    one.consumer.name == other.consumer.name
}

fn contradiction() -> Problem {
    CREDENTIAL_INVALID
        .with("the credential is not valid")
        .because("credentials of different consumers were presented together")
}

/// A refusal of a credential with what is asked for, unless it says that itself; one that is no refusal of a credential
/// (a dependency that is away) asks for nothing.
fn challenged(problem: Problem, authenticator: &dyn Authenticator, routed: &Routed) -> Problem {
    let says_so = problem.fields().iter().any(|(name, _)| *name == CHALLENGE);
    if says_so || problem.kind().status != StatusCode::UNAUTHORIZED {
        return problem;
    }
    problem.field(CHALLENGE, authenticator.challenge(routed))
}

fn missing() -> Problem {
    CREDENTIAL_MISSING.with("this operation asks for a credential and none was presented")
}

/// A refusal with all that is asked for, each thing once.
fn challenged_by<'a>(
    mut problem: Problem,
    parts: impl IntoIterator<Item = &'a Part>,
    routed: &Routed,
) -> Problem {
    let mut named: Vec<Cow<'_, str>> = Vec::new();
    for Part { authenticator, .. } in parts {
        let challenge = authenticator.challenge(routed);
        if !named.contains(&challenge) {
            problem = problem.field(CHALLENGE, &*challenge);
            named.push(challenge);
        }
    }
    problem
}
