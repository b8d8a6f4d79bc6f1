//! Asks more of a caller than being known: scopes, audiences, roles, what claims say.
//!
//! Coarse-grained and fail-fast: decided from the credential alone, before a byte of the body is read. Scopes are what any
//! credential may carry; audiences, roles and claims are what an issuer says of a caller, so that a key or a certificate
//! has none of them.
//!
//! # Example
//! ```yaml
//! require: { scopes: [orders.write], roles: [manager], claims: { department: { equals: finance } } }
//! ```
//!
//! # Order
//! Authorize, after the caller is known.
//!
//! # Failure
//! 403 `scope-missing`, or `claim-missing` for anything else; for a bearer token `WWW-Authenticate` says
//! `insufficient_scope` and which scopes are asked for (RFC 6750 §3.1). The detail names nothing; the log names the
//! first thing missing. An operation that asks for something and lets anonymous callers in does not load. A claim of
//! another type than the rule expects is a claim that does not say so.

use std::sync::Arc;

use http::StatusCode;
use portcullis_identity::claims::Claims;
use portcullis_identity::json::Value;

use super::{Kind, Phase, jwt};
use crate::config::{ClaimRule, ClaimValue, Require as Settings};
use crate::observe::Decision;
use crate::pipeline::identified::{SCOPE_MISSING, scope_missing};
use crate::pipeline::{Context, Identified, Policy, Proof, Prospect, Step};
use crate::problem::{Blame, Problem, ProblemKind, Severity};

/// Its line in the list of policies.
pub const KIND: Kind =
    Kind { name: "require", phase: Phase::Authorize, problems: &[&SCOPE_MISSING, &CLAIM_MISSING] };

/// A known caller of whom the issuer does not say what the operation asks for.
pub const CLAIM_MISSING: ProblemKind = ProblemKind {
    code: "claim-missing",
    status: StatusCode::FORBIDDEN,
    title: "The credential does not say what is required",
    blame: Blame::Client,
    severity: Some(Severity::Medium),
    about: "The caller is known, but the token does not name the audience, role or claim this operation asks for.",
};

/// Where roles stand, unless the configuration says otherwise.
const ROLES: &str = "roles";

/// Asks for everything in it.
#[derive(Debug)]
pub struct Require {
    settings: Settings,
    /// The scopes, as `WWW-Authenticate` names them.
    scope: Box<str>,
    place: Arc<str>,
}

impl Require {
    /// Asks for what `settings` say; `place` is where the configuration says so.
    pub fn new(settings: Settings, place: Arc<str>) -> Self {
        Self { scope: settings.scopes.join(" ").into(), settings, place }
    }

    /// What is missing, if anything is.
    fn judge(&self, proof: Option<&Proof>) -> Option<Problem> {
        let missing = self.settings.scopes.iter().find(|scope| !proof.is_some_and(|it| it.has_scope(scope)));
        if let Some(scope) = missing {
            return Some(scope_missing(scope));
        }
        let claims = proof.and_then(|proof| proof.claims.as_deref());
        self.unsaid(claims).map(|what| {
            CLAIM_MISSING.with("the credential does not say what this operation asks for").because(what)
        })
    }

    /// The first thing that claims do not say.
    fn unsaid(&self, claims: Option<&Claims>) -> Option<String> {
        let Settings { scopes: _, audiences, roles, roles_claim, claims: rules, when: _ } = &self.settings;
        let names = |audience: &str| audiences.iter().any(|ours| ours == audience);
        if !audiences.is_empty() && !claims.is_some_and(|claims| claims.audience().any(names)) {
            return Some("none of the required audiences is named".to_owned());
        }
        if !roles.is_empty() {
            let claim = roles_claim.as_deref().unwrap_or(ROLES);
            let held = claims.and_then(|claims| claims.texts(claim)).unwrap_or_default();
            if let Some(role) = roles.iter().find(|role| !held.contains(&role.as_str())) {
                return Some(format!("role `{role}` is missing"));
            }
        }
        let says = |(name, rule): &(&String, &ClaimRule)| {
            claims.and_then(|claims| claims.get(name)).is_some_and(|value| rule.fits(value))
        };
        rules
            .iter()
            .find(|rule| !says(rule))
            .map(|(name, _)| format!("claim `{name}` does not say what it must"))
    }
}

impl ClaimRule {
    fn fits(&self, value: &Value) -> bool {
        match (&self.equals, &self.contains) {
            (Some(ClaimValue::Text(text)), None) => value.as_text() == Some(text),
            (Some(ClaimValue::Flag(flag)), None) => value.as_bool() == Some(*flag),
            (Some(ClaimValue::Number(number)), None) => {
                value.as_number().and_then(|value| value.as_i64()) == Some(*number)
            }
            (None, Some(text)) => {
                value.as_array().is_some_and(|all| all.iter().any(|one| one.as_text() == Some(text)))
            }
            // Nothing else loads.
            (Some(_), Some(_)) | (None, None) => false,
        }
    }
}

impl Policy for Require {
    fn name(&self) -> &'static str {
        KIND.name
    }

    fn scopes(&self) -> &[String] {
        &self.settings.scopes
    }

    fn asks(&self) -> Vec<String> {
        let Settings { scopes, audiences, roles, roles_claim: _, claims, when: _ } = &self.settings;
        let each = |word: &'static str, all: &[String]| {
            all.iter().map(move |one| format!("{word} {one}")).collect::<Vec<_>>()
        };
        let mut asks = each("scope", scopes);
        if !audiences.is_empty() {
            asks.push(format!("audience {}", audiences.join(" or ")));
        }
        asks.extend(each("role", roles));
        asks.extend(claims.keys().map(|name| format!("claim {name}")));
        asks
    }

    fn prospect(&self, caller: Option<&Proof>) -> Prospect {
        if self.judge(caller).is_none() { Prospect::Passes } else { Prospect::Fails }
    }

    fn authorize<'a>(&'a self, request: &'a Identified, cx: &'a mut Context) -> Step<'a, ()> {
        let proof = request.caller().proof();
        match self.judge(proof.map(AsRef::as_ref)) {
            None => {
                cx.verdict(KIND.name, Decision::Allowed, Some(&self.place));
                Step::pass()
            }
            Some(problem) => {
                cx.verdict(KIND.name, Decision::Refused, Some(&self.place));
                if proof.is_none_or(|proof| proof.claims.is_none()) {
                    return Step::refuse(problem);
                }
                let challenge =
                    jwt::challenge(request.request(), request.operation(), "insufficient_scope", &self.scope);
                Step::refuse(problem.field("www-authenticate", challenge))
            }
        }
    }
}

#[cfg(test)]
mod tests;
