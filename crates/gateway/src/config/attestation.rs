//! Attestation rules: what an app must bring along to show that it is genuine.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::secret::Secret;

/// A rule that an operation asks for by name: a posture token of an attestation service, verified here. Its key is exactly
/// one of `secret`, `secret_base64` and `issuer`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Attestation {
    /// Name of the field that carries the token, such as `approov-token` or `x-firebase-appcheck`. No backend sees it.
    pub field: String,
    /// What stands before the token in the field, such as `Bearer`. Default: nothing.
    pub prefix: Option<String>,
    /// The secret that the service signs with by HS256, as text; at least 32 bytes.
    pub secret: Option<Secret>,
    /// The same in base64, as Approov hands it out.
    pub secret_base64: Option<Secret>,
    /// Name of the issuer whose keys verify the token: `issuers.*` with `openid` or `jwks`.
    pub issuer: Option<String>,
    /// Value of `iss`, exactly, with a secret. Default: not judged; an `issuer` names its own.
    pub iss: Option<String>,
    /// Values of which `sub` must be one: the apps that count. Default: any.
    #[serde(default)]
    pub apps: Vec<String>,
    /// Names of fields to whose values the token must be bound: base64 of the SHA-256 over them in this order. Default: it
    /// need not be bound.
    #[serde(default)]
    pub binding: Vec<String>,
    /// Claim that holds the binding. Default: `pay`.
    pub binding_claim: Option<String>,
    /// What becomes of a request without a good token. Default: `enforce`.
    #[serde(default)]
    pub mode: AttestationMode,
}

/// What becomes of a request without a good token.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AttestationMode {
    /// It passes; the backend is told `no` in `x-portcullis-attested`, the record has the verdict.
    Observe,
    /// It is refused.
    #[default]
    Enforce,
}
