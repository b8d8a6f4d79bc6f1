//! Rules applied to exchanges, one file each, and the one list of them.
//!
//! [`POLICIES`] gives registration, order within a phase, reference pages, problem catalogue and metric labels.
//! To add a policy: one file here, one line there.

pub mod api_key;
pub mod attestation;
pub mod backend_credentials;
pub mod basic;
pub mod certificate;
pub mod condition;
pub mod contract;
pub mod contract_response;
pub mod external_authorization;
pub mod fields;
pub mod jwt;
pub mod login;
pub mod mock;
pub mod require;
pub mod resource_metadata;
pub mod signature;

use crate::problem::ProblemKind;

/// A kind of policy, as every list about policies needs it.
#[derive(Debug, Clone, Copy)]
pub struct Kind {
    /// Its key in the configuration; its name in verdicts and metrics.
    pub name: &'static str,
    /// When it acts.
    pub phase: Phase,
    /// The problems it raises.
    pub problems: &'static [&'static ProblemKind],
}

/// The step of a request's way in which a policy acts first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Before identity.
    Screen,
    /// Proving who is calling.
    Authenticate,
    /// Posture of app and device.
    Attest,
    /// May this caller do this?
    Authorize,
    /// May this caller do this now?
    Throttle,
    /// The judged body.
    Inspect,
    /// For the backend.
    Transform,
}

/// Every policy there is, in the order in which they act.
pub static POLICIES: &[Kind] = &[
    resource_metadata::KIND,
    api_key::KIND,
    basic::KIND,
    certificate::KIND,
    jwt::KIND,
    login::KIND,
    signature::KIND,
    attestation::KIND,
    require::KIND,
    condition::KIND,
    fields::KIND,
    external_authorization::KIND,
    contract::KIND,
    backend_credentials::KIND,
    mock::KIND,
    contract_response::KIND,
];
