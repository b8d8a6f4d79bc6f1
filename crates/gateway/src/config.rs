//! The configuration: one document, read into types that cannot be wrong, every mistake named with its place.
//!
//! Text becomes a tree with positions, includes are merged and texts from outside put in; then the tree becomes a
//! [`Config`] and is checked as far as that needs no other module. What is written here but not built yet does
//! not load (`unbuilt`): no control ever silently does not apply. The tree stays at hand, since settings merge as
//! trees ([`settings::merge`]) and `explain` names places.
//!
//! Doc comments on fields are the reference page and the JSON Schema: they speak to operators.
//!
//! # Limits
//! [`Reading::CONFIGURATION`](portcullis_openapi::source::Reading) for each file; 64 files; 1 MiB for a file that a
//! value refers to.
//! # Failure
//! Every mistake found is reported at once, in the order of the document.

use std::path::PathBuf;

use indexmap::IndexMap;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{Deserializer, Unexpected, Visitor};

use crate::secret::Secret;

mod acme;
mod api;
mod attestation;
mod auth;
mod authorizer;
mod backend;
mod bounds;
mod caller;
mod check;
mod controls;
mod credentials;
mod definitions;
mod desk;
mod effective;
mod issuer;
mod key_sets;
mod listener;
mod load;
mod login;
mod mock;
mod operators;
mod overlay;
mod patterns;
pub mod settings;
mod signing;
pub mod telemetry;
mod unbuilt;
pub mod values;

pub use acme::{Acme, AcmeChallenge, AcmeKey, ExternalAccount};
pub use api::{Api, Match, Operation};
pub use attestation::{Attestation, AttestationMode};
pub use auth::{Apart, ApiKeyAuth, Auth, BasicAuth, CertificateAuth, Namer, SignatureAuth};
pub use authorizer::Authorizer;
pub use backend::{
    Backend, BackendProtocol, BackendTimeout, BackendTls, Balance, Breaker, Concurrency, Dns, Eject, Health,
    Retries, Target,
};
pub use bounds::{BoundsSettings, OperationBoundsSettings};
pub use caller::{
    ApiKey, BasicCredential, CertificateCredential, Consumer, Credential, SignatureCredential, Terms,
};
pub(crate) use check::authentication::never_together;
pub(crate) use check::names::{is_field_name, is_id, is_name, is_scope, is_user};
pub use controls::{
    Antivirus, Contract, ContractBounds, ContractErrors, Cors, JudgedBody, Limit, LimitPer, Mode, OnError,
    OnUncovered, ResponseMode, Scanner, StackTraces, Waf,
};
pub use credentials::{
    Absent, AssertionKey, BackendApiKey, BackendBasic, BackendCredentials, CallerFact, ClientCredentials,
    ExchangeActor, FieldValue, MintJwt, PhantomToken, SecretIn, TokenEndpoint, TokenExchange, TokenType,
};
pub use definitions::ApiDefinition;
pub use desk::{Desk, Documents};
pub use effective::{Effective, Layer};
pub use issuer::{Dpop, Introspection, Issuer, SplitToken};
pub use key_sets::KEY_SET_BYTES_MAX;
pub use listener::{
    AliasNames, Certificate, ClientCertificateMode, ClientCertificates, ForwardedField, HostTls, Leniency,
    Listener, ListenerTls, PathParameters, Protocol, ProxyProtocol, ServerCertificate, TlsVersion,
};
pub use load::{Loaded, Place, load, load_from, load_noting, parse};
pub use login::Login;
pub use mock::Mock;
pub use operators::{Admin, Operator, OperatorCertificate, OperatorCredential, OperatorToken, Role};
pub use overlay::Overlay;
pub use portcullis_openapi::definition;
pub use portcullis_openapi::difference;
pub use portcullis_openapi::instance;
pub use portcullis_openapi::lint;
pub use portcullis_openapi::mock as mocking;
pub use portcullis_openapi::overlay as overlays;
pub use portcullis_openapi::source as tree;
pub use portcullis_openapi::source::Finding;
pub use settings::{ClaimRule, ClaimValue, Forward, ForwardedFields, Require, Settings, Stream};
pub use signing::{PublishedKeys, Signing, SigningAlgorithm};
pub use telemetry::{Sink, Telemetry, TraceParents, Traces};
pub use unbuilt::UNBUILT;

/// The configuration of a gateway.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Version of this format: 1.
    pub version: Version,
    /// Further files of the same format, relative to this one. Their mappings are merged into it; a value that stands
    /// in two files is an error.
    #[serde(default)]
    pub include: Vec<String>,
    /// Folder for what must outlive a restart, or `none` to keep nothing. Changes only with a restart. Default:
    /// `--state-dir`, else `$STATE_DIRECTORY`, else a folder of its own for each configuration file under
    /// `$XDG_STATE_HOME`.
    pub state: Option<State>,
    /// Stores outside this machine. Default: SQLite in the state directory, counters in memory.
    pub stores: Option<Stores>,
    /// How operators reach the running gateway.
    #[serde(default)]
    pub admin: Admin,
    /// What the gateway tells of itself.
    #[serde(default)]
    pub telemetry: Telemetry,
    /// What the gateway allows itself and its peers.
    #[serde(default)]
    pub bounds: BoundsSettings,
    /// How names of backends are resolved. Default: as the system says.
    #[serde(default)]
    pub dns: Dns,
    /// Where connections are accepted, by name.
    #[serde(default)]
    pub listeners: IndexMap<String, Listener>,
    /// External identity providers whose tokens count, by name.
    #[serde(default)]
    pub issuers: IndexMap<String, Issuer>,
    /// What the gateway signs with, and where its public keys are to be had.
    #[serde(default)]
    pub signing: Signing,
    /// Rules by which apps show that they are genuine, by name.
    #[serde(default)]
    pub attestation: IndexMap<String, Attestation>,
    /// Services that decide whether a request may go on, by name.
    #[serde(default)]
    pub authorizers: IndexMap<String, Authorizer>,
    /// Clients of the published APIs, by name.
    #[serde(default)]
    pub consumers: IndexMap<String, Consumer>,
    /// Named sets of limits for consumers.
    #[serde(default)]
    pub plans: IndexMap<String, Vec<Limit>>,
    /// The services behind the gateway, by name.
    #[serde(default)]
    pub backends: IndexMap<String, Backend>,
    /// Scanners of bodies, by name.
    #[serde(default)]
    pub scanners: IndexMap<String, Scanner>,
    /// What an API has when it says nothing itself.
    #[serde(default)]
    pub defaults: Settings,
    /// What no API may go below; one that does, does not load.
    #[serde(default)]
    pub floor: Floor,
    /// The published APIs, by name.
    #[serde(default)]
    pub apis: IndexMap<String, Api>,
}

impl Config {
    /// The secrets under which what all nodes share is encrypted, where several nodes share anything.
    pub fn shared_secrets(&self) -> Option<&[Secret]> {
        let stores = self.stores.as_ref().filter(|stores| stores.durable.is_some())?;
        (!stores.encryption_keys.is_empty()).then_some(&stores.encryption_keys)
    }
}

/// Version of the configuration's format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Version(u64);

/// Where the gateway keeps what must outlive a restart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// It keeps nothing.
    None,
    /// In this folder.
    Directory(PathBuf),
}

/// Stores outside this machine.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Stores {
    /// PostgreSQL, for what must last: its URL, such as `${env:PG_URL}`. A server that is not on this machine proves itself
    /// by its certificate (`sslmode=verify-full`) unless the URL says another `sslmode`. Changes only with a restart.
    /// Default: SQLite in the state directory.
    pub durable: Option<Secret>,
    /// Secrets, of 32 bytes or more, under which the keys that all nodes share lie encrypted in `durable`: those that tokens are
    /// signed with (`mint_jwt`) and those of session cookies. The first encrypts, all of them decrypt, so that a new one is added
    /// behind on every node, then put in front, and the old one taken out. Needed where there are such keys. Changes only with a
    /// restart. Default: none.
    #[serde(default)]
    pub encryption_keys: Vec<Secret>,
    /// Redis or Valkey, for what several nodes must share fast: its URL.
    pub shared: Option<Secret>,
}

/// What no API may go below.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Floor {
    /// Least of the contract.
    pub contract: Option<Contract>,
    /// Least of the attack rules.
    pub waf: Option<Waf>,
    /// Least of the virus scan.
    pub antivirus: Option<Antivirus>,
}

impl<'de> Deserialize<'de> for Version {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct One;
        impl Visitor<'_> for One {
            type Value = Version;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("the number 1")
            }

            fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Version, E> {
                match number {
                    1 => Ok(Version(number)),
                    _ => Err(E::invalid_value(Unexpected::Unsigned(number), &self)),
                }
            }
        }
        deserializer.deserialize_u64(One)
    }
}

impl JsonSchema for Version {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Version".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "const": 1 })
    }
}

impl<'de> Deserialize<'de> for State {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match text.as_str() {
            "" => Err(serde::de::Error::custom("expected a folder or `none`, found an empty string")),
            "none" => Ok(Self::None),
            _ => Ok(Self::Directory(text.into())),
        }
    }
}

impl JsonSchema for State {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "State".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "description": "A folder, or `none`.", "type": "string", "minLength": 1 })
    }
}

/// The JSON Schema of the configuration, for editors and for the reference page.
pub fn json_schema() -> serde_json::Value {
    let mut schema = schemars::schema_for!(Config);
    schema.insert("title".to_owned(), "Portcullis configuration".into());
    schema.to_value()
}

#[cfg(test)]
mod tests;
