//! Who can call what, worked out of the compiled configuration: what decides requests is asked about callers who did not
//! call.
//!
//! Of each operation: which credentials fit which part of which alternative of `auth`, of consumers to whom the API is
//! granted; then every policy of its chain is asked what would become of them. What only a request can tell (a condition on
//! its path, an attestation) is said to depend.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::Snapshot;
use crate::callers::{Known, Means};
use crate::pipeline::authentication::{Alternative, Part};
use crate::pipeline::{Carries, Expression, Operation, Policy, Proof, Prospect};

/// Who can call one operation.
#[derive(Debug)]
pub struct Access<'a> {
    /// The operation.
    pub operation: &'a Arc<Operation>,
    /// What it asks for beyond `auth`, in words.
    pub asks: Vec<String>,
    /// Whether anonymous callers can; `None` where nobody is let in who is not known.
    pub anybody: Option<Prospect>,
    /// The alternatives of its `auth`, in their order.
    pub ways: Vec<Way>,
}

/// One alternative of an operation's `auth`.
#[derive(Debug)]
pub struct Way {
    /// Its parts, as `routes` shows them.
    pub parts: Vec<String>,
    /// Scopes that each part's credential must carry.
    pub scopes: Vec<Vec<Box<str>>>,
    /// Whether callers are whoever an issuer gives a token that fits.
    pub is_of_issuers: bool,
    /// The consumers that have what it takes: a credential for each part.
    pub consumers: BTreeMap<Arc<str>, Vec<Vec<Fitting>>>,
}

/// A credential that fits a part.
#[derive(Debug, Clone)]
pub struct Fitting {
    /// Its id.
    pub credential: Arc<str>,
    /// Whether it depends on the request, what is let in by it.
    pub depends: bool,
    /// Where it must come from; empty: anywhere.
    pub networks: Vec<String>,
    /// Whether it must be presented with its client certificate.
    pub with_certificate: bool,
}

/// Everything that is published, in order of the configuration. `now` is the time on the wall clock.
pub fn survey(snapshot: &Snapshot, now: Duration) -> Vec<Access<'_>> {
    let mut known: Vec<Candidate> = Vec::new();
    snapshot.callers.each(|one| known.extend(Candidate::of(one, now)));
    snapshot.operations.iter().map(|operation| one(operation, &known)).collect()
}

/// A credential that counts now.
struct Candidate {
    proof: Arc<Proof>,
    scheme: &'static str,
    networks: Vec<String>,
    with_certificate: bool,
}

impl Candidate {
    fn of(known: &Known, now: Duration) -> Option<Self> {
        let (proof, bound) = (known.proof(), known.bound());
        let counts =
            proof.expires.is_none_or(|end| end > now) && bound.not_before.is_none_or(|begin| begin <= now);
        counts.then(|| Self {
            proof: Arc::clone(proof),
            scheme: scheme(known.means()),
            networks: bound.networks.iter().map(ToString::to_string).collect(),
            with_certificate: bound.certificate.is_some(),
        })
    }

    fn fits(&self, part: &Part) -> bool {
        part.authenticator.name() == self.scheme
            && part.scopes.iter().all(|scope| self.proof.has_scope(scope))
    }
}

/// The authenticator that looks for what a credential is proven by.
fn scheme(means: &Means) -> &'static str {
    match means {
        Means::Key(_) => crate::policies::api_key::KIND.name,
        Means::Password { .. } => crate::policies::basic::KIND.name,
        Means::San(_) | Means::Subject(_) | Means::Spiffe(_) => crate::policies::certificate::KIND.name,
        Means::Signer { .. } => crate::policies::signature::KIND.name,
    }
}

fn one<'a>(operation: &'a Arc<Operation>, known: &[Candidate]) -> Access<'a> {
    let asks = operation.chain.iter().flat_map(|policy| policy.asks()).collect();
    let (anybody, ways) = match &*operation.authentication {
        Expression::Anonymous(_) => {
            let prospect = prospect(&operation.chain, None);
            ((prospect != Prospect::Fails).then_some(prospect), Vec::new())
        }
        Expression::AnyOf(alternatives) => {
            (None, alternatives.iter().map(|alternative| way(operation, alternative, known)).collect())
        }
    };
    Access { operation, asks, anybody, ways }
}

fn way(operation: &Operation, alternative: &Alternative, known: &[Candidate]) -> Way {
    let mut consumers: BTreeMap<Arc<str>, Vec<Vec<Fitting>>> = BTreeMap::new();
    for (at, part) in alternative.iter().enumerate() {
        for candidate in known.iter().filter(|candidate| candidate.fits(part)) {
            if !candidate.proof.consumer.apis.opens(&operation.api) {
                continue;
            }
            // The first one names the caller, and is what policies are told of.
            let prospect =
                if at == 0 { prospect(&operation.chain, Some(&candidate.proof)) } else { Prospect::Passes };
            if prospect == Prospect::Fails {
                continue;
            }
            let parts = consumers
                .entry(Arc::clone(&candidate.proof.consumer.name))
                .or_insert_with(|| vec![Vec::new(); alternative.len()]);
            if let Some(fitting) = parts.get_mut(at) {
                fitting.push(Fitting {
                    credential: Arc::clone(&candidate.proof.credential),
                    depends: prospect == Prospect::Depends,
                    networks: candidate.networks.clone(),
                    with_certificate: candidate.with_certificate,
                });
            }
        }
    }
    consumers.retain(|_, parts| parts.iter().all(|fitting| !fitting.is_empty()));
    for fitting in consumers.values_mut().flatten() {
        fitting.sort_by(|one, other| one.credential.cmp(&other.credential));
    }
    Way {
        parts: alternative.iter().map(|part| part.authenticator.label().into_owned()).collect(),
        scopes: alternative.iter().map(|part| part.scopes.clone()).collect(),
        // No consumer of ours is called as an issuer's callers are: together they contradict each other.
        is_of_issuers: alternative.iter().all(|part| part.authenticator.carries() != Carries::Nothing),
        consumers,
    }
}

/// What all policies together would make of a caller.
fn prospect(chain: &[Arc<dyn Policy>], caller: Option<&Proof>) -> Prospect {
    chain.iter().map(|policy| policy.prospect(caller)).fold(Prospect::Passes, |all, one| match (all, one) {
        (Prospect::Fails, _) | (_, Prospect::Fails) => Prospect::Fails,
        (Prospect::Depends, _) | (_, Prospect::Depends) => Prospect::Depends,
        (Prospect::Passes, Prospect::Passes) => Prospect::Passes,
    })
}
