//! What an issuer is made of: the settings, resolved, without a trace of how they were written.
//!
//! Equal settings are an equal spec, so that an issuer whose settings did not change outlives a reload with its keys and
//! what was verified with them. Secrets are compared by their digests.

use std::sync::Arc;
use std::time::Duration;

use portcullis_identity::algorithm::Algorithms;
use portcullis_identity::sha256::{Digest, digest};

use crate::config::values::Url;
use crate::dns;
use crate::secret::Secret;

/// One issuer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuerSpec {
    /// Its name in configuration, records and metric labels.
    pub name: Arc<str>,
    /// Where its keys come from; `None` for one that is asked and answers unsigned.
    pub keys: Option<KeysSpec>,
    /// What a token must be.
    pub tokens: TokensSpec,
    /// How it is asked about tokens, if it is.
    pub introspection: Option<IntrospectionSpec>,
}

/// Where keys come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeysSpec {
    /// The issuer's name in configuration.
    pub name: Arc<str>,
    /// `iss`, exactly.
    pub issuer: Arc<str>,
    /// The place.
    pub place: Place,
    /// How the place is reached.
    pub reach: Reach,
    /// Until keys are fetched again.
    pub refresh: Duration,
    /// After a fetch, until an unknown key may cause another.
    pub cool_down: Duration,
    /// How long the last good keys count.
    pub keep: Duration,
}

/// A place of keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// Found by OpenID discovery at this document.
    Discovery(Url),
    /// Fetched.
    Url(Url),
    /// In a file that was read.
    Set(Arc<[u8]>),
    /// A secret we share.
    Secret(SharedSecret),
}

/// How calls to an issuer are made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reach {
    /// Authorities in PEM; `None`: the system's.
    pub ca: Option<Arc<str>>,
    /// Whether plain `http` may leave this machine.
    pub cleartext: bool,
    /// How names are resolved.
    pub names: dns::Settings,
    /// How long one call may take.
    pub timeout: Duration,
}

/// What a token must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokensSpec {
    /// Of which it must name one.
    pub audiences: Vec<Box<str>>,
    /// What it may be signed with.
    pub algorithms: Algorithms,
    /// What its `typ` must be; `None`: that of an access token.
    pub typ: Option<Box<str>>,
    /// How far two clocks may be apart.
    pub leeway: Duration,
    /// The claim that names the consumer.
    pub consumer_claim: Box<str>,
    /// Whether callers are told of proofs of possession.
    pub tells_dpop: bool,
    /// Whether a token must be bound to a key.
    pub needs_dpop: bool,
    /// Whether a proof must have a nonce of ours.
    pub needs_nonce: bool,
}

/// How an issuer is asked about tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IntrospectionSpec {
    /// Where.
    pub url: Url,
    /// By whom.
    pub client_id: Box<str>,
    /// Proven by what.
    pub proof: AskersProof,
    /// How it is reached.
    pub reach: Reach,
    /// What answers are.
    pub form: AnswerForm,
    /// How long an answer about an active token counts at most.
    pub cache: Duration,
    /// How long an answer about any other token counts.
    pub cache_inactive: Duration,
}

/// How who asks about tokens proves itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AskersProof {
    /// `client_secret_basic`.
    Secret(SharedSecret),
    /// A certificate in TLS: its chain in PEM, and its key.
    Certificate(Box<str>, SharedSecret),
    /// A token that it bears.
    Bearer(SharedSecret),
    /// Nothing.
    Nothing,
}

/// What an answer about a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnswerForm {
    /// A JSON object (RFC 7662).
    Json,
    /// One that the issuer has signed (RFC 9701).
    Signed,
    /// The token itself, as a JWT.
    Token,
    /// The rest of a JWT of which the caller holds the signature.
    Rest,
}

impl AnswerForm {
    /// What is asked for: its media type.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Signed => "application/token-introspection+jwt",
            Self::Token => "application/jwt",
            Self::Rest => "text/plain, */*;q=0.1",
        }
    }
}

/// A secret that can be told from another one.
#[derive(Clone)]
pub struct SharedSecret {
    secret: Secret,
    digest: Digest,
}

impl SharedSecret {
    /// Takes it in.
    pub fn new(secret: Secret) -> Self {
        Self { digest: digest(secret.expose().as_bytes()), secret }
    }

    /// The text itself, for the one place that needs it.
    pub fn expose(&self) -> &str {
        self.secret.expose()
    }
}

impl PartialEq for SharedSecret {
    fn eq(&self, other: &Self) -> bool {
        self.digest == other.digest
    }
}

impl Eq for SharedSecret {}

impl std::fmt::Debug for SharedSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.secret.fmt(f)
    }
}
