//! Keys of our own: `signing`.

use std::time;

use schemars::JsonSchema;
use serde::Deserialize;

use super::values::Duration;

/// What the gateway signs with, and where its public keys are to be had. Keys are made by the gateway itself and rotated. With
/// `stores.durable` all nodes share them; else they are kept in the state directory, and with `state: none` a restart begins
/// with new ones.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Signing {
    /// Who we are in tokens of our own: their `iss`. Best the URL below which the key set is published. Default:
    /// `portcullis`.
    pub issuer: String,
    /// How tokens are signed: `ES256`, `EdDSA` or `RS256`. A change is a rotation. Default: `ES256`.
    pub algorithm: SigningAlgorithm,
    /// How long a key is used before the next one is. Default: `30d`.
    pub rotate: Duration,
    /// Where the public keys are published. Default: nowhere.
    pub jwks: Option<PublishedKeys>,
}

/// Where the public keys are published, as a JWK set (RFC 7517).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PublishedKeys {
    /// Names of the listeners. Default: all of them.
    pub listen: Option<Vec<String>>,
    /// Hosts, as those of an API. Default: every host that no API claims.
    pub hosts: Option<Vec<String>>,
    /// The path. Default: `/.well-known/jwks.json`.
    #[serde(default = "well_known")]
    pub path: String,
    /// How long readers may keep the set (`Cache-Control`). A key is published for longer than that before it is used. Default:
    /// `10m`.
    #[serde(default = "ten_minutes")]
    pub max_age: Duration,
}

/// How tokens are signed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum SigningAlgorithm {
    /// ECDSA on P-256 with SHA-256.
    #[default]
    #[serde(rename = "ES256")]
    Es256,
    /// Ed25519.
    #[serde(rename = "EdDSA")]
    EdDsa,
    /// RSA with SHA-256, by keys of 2048 bits; a signature costs some forty times as much as with the others.
    #[serde(rename = "RS256")]
    Rs256,
}

impl Default for Signing {
    fn default() -> Self {
        Self {
            issuer: "portcullis".to_owned(),
            algorithm: SigningAlgorithm::default(),
            rotate: time::Duration::from_secs(30 * 86_400).into(),
            jwks: None,
        }
    }
}

impl Signing {
    /// How long readers may keep a set.
    pub fn max_age(&self) -> time::Duration {
        self.jwks.as_ref().map_or(ten_minutes(), |jwks| jwks.max_age).get()
    }
}

fn well_known() -> String {
    "/.well-known/jwks.json".to_owned()
}

fn ten_minutes() -> Duration {
    time::Duration::from_secs(600).into()
}
