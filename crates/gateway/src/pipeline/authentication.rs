//! How an operation asks who is calling: authenticators and the expression that combines them.
//!
//! An authenticator looks at its own place in the request and answers absent, refused or proven. It decides
//! nothing more: `identified.rs` evaluates the expression. That is why authenticating is no policy hook: a hook
//! that passes by accident would let a stranger in.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use super::{Context, Proof, Routed, Step, Stop};
use crate::http::Canonical;
use crate::problem::Problem;

/// Verifies one kind of credential.
pub trait Authenticator: Send + Sync + fmt::Debug {
    /// Its name in configuration and verdicts.
    fn name(&self) -> &'static str;

    /// Looks at its own place in the request.
    fn authenticate<'a>(&'a self, request: &'a Routed, cx: &'a mut Context) -> Step<'a, Presented>;

    /// What a look at its own place says, without any check that costs. Asked while the client's address is held back
    /// (`attempts`): [`Glance::Known`] is let on, the default is not.
    fn glance(&self, _request: &Routed, _cx: &Context) -> Glance {
        Glance::Unknown
    }

    /// What `WWW-Authenticate` says (RFC 9110 §11.6.1) when nothing was presented, and with a refusal that does not
    /// say it itself.
    fn challenge(&self, request: &Routed) -> Cow<'_, str>;

    /// What `WWW-Authenticate` says when its credential holds and does not carry `scopes` (RFC 6750 §3.1), if anything.
    fn insufficient(&self, _request: &Routed, _scopes: &str) -> Option<String> {
        None
    }

    /// How a caller that presented nothing is led to a credential, instead of being told that one is missing: a browser to
    /// a login.
    fn invite(&self, _request: &Routed) -> Option<Stop> {
        None
    }

    /// Its name as `routes` shows it, with whose credentials it looks for.
    fn label(&self) -> Cow<'_, str> {
        Cow::Borrowed(self.name())
    }

    /// The issuer whose tokens it looks for, as tokens name it.
    fn issuer(&self) -> Option<&str> {
        None
    }

    /// What of an issuer's its proofs come with.
    fn carries(&self) -> Carries {
        Carries::Nothing
    }

    /// Removes the credential, so that no backend sees it.
    fn strip(&self, request: &mut Canonical);
}

/// What an authenticator found at its place.
#[derive(Debug)]
pub enum Presented {
    /// Nothing there.
    Absent,
    /// Something there that does not hold.
    // PERF: boxed, so that what nearly every answer is stays two words wide.
    Refused(Box<Problem>),
    /// A caller, proven.
    Proven(Arc<Proof>),
}

impl Presented {
    /// Something there that does not hold, by `problem`.
    pub fn refused(problem: Problem) -> Self {
        Self::Refused(Box::new(problem))
    }
}

/// What an issuer gave of which a backend's credential can be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Carries {
    /// Nothing.
    Nothing,
    /// A token.
    Token,
    /// A token, and a JWT about it.
    Jwt,
}

/// What a look at a credential says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Glance {
    /// Nothing there.
    Absent,
    /// A credential that was good before, and is too long to be guessed.
    Known,
    /// Anything else: only a check would tell, or a look would tell somebody who guesses.
    Unknown,
}

/// What an operation asks for, as an OR of ANDs.
#[derive(Debug)]
pub enum Expression {
    /// `auth: none`, written out by the operator.
    Anonymous(AnonymousAllowed),
    /// Any of these alternatives; each needs all of its authenticators. Never empty.
    AnyOf(Vec<Alternative>),
}

/// Authenticators that have to prove the caller together.
pub type Alternative = Vec<Part>;

/// An authenticator, and what its credential must carry in this alternative.
#[derive(Debug, Clone)]
pub struct Part {
    /// Who verifies.
    pub authenticator: Arc<dyn Authenticator>,
    /// Scopes, all of them; usually none. What is asked for whatever the alternative is the business of `require`.
    pub scopes: Vec<Box<str>>,
    /// Whether it stands in the expression more than once; [`Expression::any_of`] knows.
    pub(super) is_shared: bool,
}

/// Proof that the operator wrote `auth: none`. Without one, no anonymous caller exists.
#[derive(Debug, Clone)]
pub struct AnonymousAllowed(());

impl Part {
    /// Asks `authenticator` for a credential that carries `scopes`.
    pub fn new(authenticator: Arc<dyn Authenticator>, scopes: Vec<Box<str>>) -> Self {
        Self { authenticator, scopes, is_shared: false }
    }
}

impl Expression {
    /// The written-out `auth: none`.
    pub(crate) fn anonymous() -> Self {
        Self::Anonymous(AnonymousAllowed(()))
    }

    /// Whether everybody whom it proves has this of an issuer.
    pub fn carries(&self, least: Carries) -> bool {
        match self {
            Self::Anonymous(_) => true,
            Self::AnyOf(alternatives) => {
                alternatives.iter().all(|all| all.iter().any(|one| one.authenticator.carries() >= least))
            }
        }
    }

    /// Any of `alternatives`.
    pub fn any_of(mut alternatives: Vec<Alternative>) -> Self {
        let all: Vec<Arc<dyn Authenticator>> =
            alternatives.iter().flatten().map(|part| Arc::clone(&part.authenticator)).collect();
        for part in alternatives.iter_mut().flatten() {
            part.is_shared = all.iter().filter(|own| Arc::ptr_eq(own, &part.authenticator)).count() > 1;
        }
        Self::AnyOf(alternatives)
    }

    /// Every authenticator named in it.
    pub fn authenticators(&self) -> impl Iterator<Item = &Arc<dyn Authenticator>> {
        self.parts().map(|part| &part.authenticator)
    }

    /// Every scope that an alternative asks for.
    pub fn scopes(&self) -> impl Iterator<Item = &Box<str>> {
        self.parts().flat_map(|part| &part.scopes)
    }

    fn parts(&self) -> impl Iterator<Item = &Part> {
        let alternatives: &[Alternative] = match self {
            Self::Anonymous(_) => &[],
            Self::AnyOf(alternatives) => alternatives,
        };
        alternatives.iter().flatten()
    }
}

/// The expression as `routes` shows it: `none`, or alternatives such as `api_key or certificate+jwt`.
impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::AnyOf(alternatives) = self else { return f.write_str("none") };
        let spell =
            |all: &Alternative| all.iter().map(|one| one.authenticator.label()).collect::<Vec<_>>().join("+");
        f.write_str(&alternatives.iter().map(spell).collect::<Vec<_>>().join(" or "))
    }
}
