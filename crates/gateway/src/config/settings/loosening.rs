//! What allows more than before: judged for settings that come from a definition.
//!
//! Each key has its own order. What cannot be ordered, such as one way to prove a caller in place of another, counts
//! as loosening: somebody who knows both must have said it.

use super::{Forward, ForwardedFields, Settings};
use crate::bounds::Bounds;
use crate::config::{
    Auth, Contract, ContractErrors, JudgedBody, Mode, OnUncovered, ResponseMode, StackTraces,
};

/// The keys by which `above` allows more than `below`, and how. `general` are the gateway's own bounds.
pub fn loosened(below: &Settings, above: &Settings, general: &Bounds) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut push = |key: &str, why: &str| found.push((key.to_owned(), why.to_owned()));
    if let Some(auth) = above.auth.as_ref().filter(|auth| looser_auth(below.auth.as_ref(), auth)) {
        push(
            "auth",
            match auth {
                Auth::None => "lets anybody in",
                _ => "lets callers in that would not be otherwise",
            },
        );
    }
    let scopes = |settings: &Settings| settings.require.clone().unwrap_or_default().scopes;
    if lacks(&scopes(above), &scopes(below)) {
        push("require.scopes", "no longer asks for every scope that is asked for otherwise");
    }
    for (key, why) in looser_requirements(below, above) {
        push(key, why);
    }
    if below.attestation.is_some() && below.attestation != above.attestation {
        push("attestation", "asks apps for another attestation than the one that is asked for otherwise");
    }
    let asked = |settings: &Settings| settings.authorize.clone().filter(|name| name != "none");
    if asked(below).is_some() && asked(below) != asked(above) {
        push("authorize", "asks another authorizer than the one that is asked otherwise");
    }
    let when = |settings: &Settings| settings.require.as_ref().and_then(|require| require.when.clone());
    if when(below).is_some_and(|condition| when(above).as_ref() != Some(&condition)) {
        push("require.when", "asks for another condition than the one that holds otherwise");
    }
    for (key, why) in looser_contract(below, above) {
        push(key, why);
    }
    if above.stream.is_some() && below.stream != above.stream {
        push("stream", "takes the total time away that requests have otherwise");
    }
    if let Some(fields) = above.fields.as_ref().filter(|fields| looser_fields(below.fields.as_ref(), fields))
    {
        push(
            "fields",
            match fields {
                ForwardedFields::Any => "lets every field through",
                ForwardedFields::Declared | ForwardedFields::Named(_) => "lets more fields through",
            },
        );
    }
    if above.forward == Some(Forward::Encoded) && below.forward != Some(Forward::Encoded) {
        push("forward", "sends on another form of a body than the one that was judged");
    }
    let is_mocked = |settings: &Settings| settings.mock.is_some_and(|mock| mock.is_on);
    match (is_mocked(below), is_mocked(above)) {
        (false, true) => push("mock", "answers in place of the backend"),
        (true, false) => push("mock", "asks a backend that is not asked otherwise"),
        _ => {}
    }
    let inherited = below.bounds.clone().unwrap_or_default().over(general);
    for key in above.bounds.clone().unwrap_or_default().loosened(&inherited, general) {
        found.push((format!("bounds.{key}"), "allows more than the bound that holds otherwise".to_owned()));
    }
    found
}

/// What of the contract is no longer kept, or told of. Nothing said is what holds for an operation of a definition.
fn looser_contract(below: &Settings, above: &Settings) -> Vec<(&'static str, &'static str)> {
    let weight = |mode: Option<Mode>| match mode {
        Some(Mode::Off) => 0,
        Some(Mode::Observe) => 1,
        Some(Mode::Enforce) | None => 2,
    };
    let (below, above) =
        (below.contract.clone().unwrap_or_default(), above.contract.clone().unwrap_or_default());
    let mut found = Vec::new();
    if weight(above.mode) < weight(below.mode) {
        found.push(("contract.mode", "lets requests through that break the contract"));
    }
    found.extend(looser_answers(&below, &above));
    let passes = |contract: &Contract| contract.on_uncovered == Some(OnUncovered::Pass);
    if passes(&above) && !passes(&below) {
        found.push(("contract.on_uncovered", "lets through what cannot be judged"));
    }
    let bounds = |contract: &Contract| contract.bounds.clone().unwrap_or_default();
    for key in bounds(&above).loosened(&bounds(&below)) {
        found.push((key, "allows more than the bound that holds otherwise"));
    }
    let tees = |contract: &Contract| contract.body == Some(JudgedBody::Tee);
    if tees(&above) && !tees(&below) {
        found.push(("contract.body", "sends bodies on before they are judged"));
    }
    let is_terse = |contract: &Contract| contract.errors == Some(ContractErrors::Terse);
    if is_terse(&below) && !is_terse(&above) {
        found.push(("contract.errors", "tells callers more than they are told otherwise"));
    }
    found
}

/// What of answers is no longer kept back. Nothing said is that they are looked at.
fn looser_answers(below: &Contract, above: &Contract) -> Vec<(&'static str, &'static str)> {
    let weight = |mode: Option<ResponseMode>| match mode {
        Some(ResponseMode::Off) => 0,
        Some(ResponseMode::Log) | None => 1,
        Some(ResponseMode::Strip) => 2,
        Some(ResponseMode::Block) => 3,
    };
    let mut found = Vec::new();
    if weight(above.response) < weight(below.response) {
        found.push(("contract.response", "lets more of responses through that break the contract"));
    }
    let classes = |contract: &Contract| contract.mask.clone().unwrap_or_default();
    if lacks(&classes(above), &classes(below)) {
        found.push(("contract.mask", "shows values that are masked otherwise"));
    }
    let passes = |contract: &Contract| contract.stack_traces == Some(StackTraces::Pass);
    if passes(above) && !passes(below) {
        found.push(("contract.stack_traces", "lets stack traces out"));
    }
    found
}

/// What of a token is no longer asked for.
fn looser_requirements(below: &Settings, above: &Settings) -> Vec<(&'static str, &'static str)> {
    let (below, above) =
        (below.require.clone().unwrap_or_default(), above.require.clone().unwrap_or_default());
    let mut found = Vec::new();
    if lacks(&above.roles, &below.roles) {
        found.push(("require.roles", "no longer asks for every role that is asked for otherwise"));
    }
    if !below.roles.is_empty() && below.roles_claim != above.roles_claim {
        found.push(("require.roles_claim", "takes roles from another claim"));
    }
    let has_more = above.audiences.is_empty() || lacks(&below.audiences, &above.audiences);
    if !below.audiences.is_empty() && has_more {
        found.push(("require.audiences", "lets tokens for other audiences in"));
    }
    if below.claims.iter().any(|(name, rule)| above.claims.get(name) != Some(rule)) {
        found.push(("require.claims", "no longer asks for every claim that is asked for otherwise"));
    }
    found
}

/// Whether some of these are not among all of those.
fn lacks(all: &[String], some: &[String]) -> bool {
    some.iter().any(|one| !all.contains(one))
}

/// Whether somebody gets in by `above` whom `below` would refuse. Where nothing was said nothing is loosened, but by
/// `none`: an operation without `auth` does not load.
fn looser_auth(below: Option<&Auth>, above: &Auth) -> bool {
    let Some(below) = below else { return *above == Auth::None };
    let below = alternatives(below);
    // Whoever meets an alternative of the new expression must have met one of the old: its parts are among them.
    alternatives(above).iter().any(|new| !below.iter().any(|old| old.iter().all(|part| new.contains(part))))
}

/// An expression as an OR of ANDs of statements; `none` is one alternative that asks for nothing.
fn alternatives(auth: &Auth) -> Vec<Vec<&Auth>> {
    /// Beyond it the expression does not load anyway.
    const MAX: usize = 64;
    match auth {
        Auth::None => vec![Vec::new()],
        Auth::AnyOf(several) => several.iter().flat_map(alternatives).take(MAX).collect(),
        Auth::AllOf(several) => several.iter().fold(vec![Vec::new()], |all, one| {
            let more = alternatives(one);
            all.iter()
                .flat_map(|left| more.iter().map(|right| left.iter().chain(right).copied().collect()))
                .take(MAX)
                .collect()
        }),
        Auth::Definition
        | Auth::ApiKey(_)
        | Auth::Basic(_)
        | Auth::Certificate(_)
        | Auth::Signature(_)
        | Auth::Jwt(_)
        | Auth::Token(_)
        | Auth::Login(_) => {
            vec![vec![auth]]
        }
    }
}

/// Nothing said is `declared`, since there is a definition.
fn looser_fields(below: Option<&ForwardedFields>, above: &ForwardedFields) -> bool {
    fn named(fields: Option<&ForwardedFields>) -> Option<&[String]> {
        match fields {
            Some(ForwardedFields::Any) => None,
            Some(ForwardedFields::Declared) | None => Some(&[]),
            Some(ForwardedFields::Named(names)) => Some(names),
        }
    }
    match (named(below), named(Some(above))) {
        (None, _) => false,
        (Some(_), None) => true,
        (Some(below), Some(above)) => {
            above.iter().any(|name| !below.iter().any(|known| known.eq_ignore_ascii_case(name)))
        }
    }
}
