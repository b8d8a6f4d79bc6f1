//! How callers prove who they are: `auth` and the expressions it is made of.

use std::borrow::Cow;
use std::time;

use portcullis_identity::message_signature::{self, Rules};
use portcullis_openapi::source::nearest;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::Deserializer;

use super::values::{Duration, text_or_mapping};

/// How callers prove who they are.
///
/// Each alternative of `any_of` looks at its own place in the request: nothing there, the next; something there
/// that fails, 401. In `all_of` the first names the consumer and the others may not contradict it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Auth {
    /// Anybody, unnamed. Written out by the operator.
    None,
    /// What the API's definition says under `security`.
    Definition,
    /// A key of a consumer.
    ApiKey(ApiKeyAuth),
    /// Name and password of a consumer's user.
    Basic(BasicAuth),
    /// A certificate of a consumer, presented at the TLS handshake.
    Certificate(CertificateAuth),
    /// A signature of a consumer over the request.
    Signature(SignatureAuth),
    /// A token signed by an issuer.
    Jwt(String),
    /// A token that an issuer is asked about.
    Token(String),
    /// A session of a browser that logged in at an issuer.
    Login(String),
    /// Any one of these.
    AnyOf(Vec<Auth>),
    /// All of these together.
    AllOf(Vec<Auth>),
}

/// Where a caller's API key stands: at one of the named places, once in all.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ApiKeyAuth {
    /// Name of the request field that carries the key. Default: `x-api-key`, unless `query` or `cookie` is set.
    pub header: Option<String>,
    /// Name of the query parameter that carries the key, in this spelling of its case. It is taken out of what is
    /// forwarded and stands in no record; but URLs end up in the logs of clients and of proxies before the gateway:
    /// prefer a field.
    pub query: Option<String>,
    /// Name of the cookie that carries the key, in this spelling of its case. Pages of other sites can make browsers send
    /// cookies: prefer a field.
    pub cookie: Option<String>,
}

impl ApiKeyAuth {
    /// The field that carries the key where nothing else is said.
    pub const HEADER: &'static str = "x-api-key";

    /// The field that carries the key, if one does.
    pub fn header(&self) -> Option<&str> {
        match (&self.header, &self.query, &self.cookie) {
            (Some(header), _, _) => Some(header),
            (None, None, None) => Some(Self::HEADER),
            _ => None,
        }
    }
}

/// How a user's name and password prove a consumer (RFC 7617).
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BasicAuth {}

/// How a client certificate proves a consumer. The listener must ask for certificates.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CertificateAuth {}

/// How a signature over the request proves a consumer (RFC 9421). It must cover the method, the host and the whole target,
/// and of a request with a body `content-digest`, which the body must fit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SignatureAuth {
    /// What a signature must cover besides: names of fields, such as `content-type`.
    #[serde(default)]
    pub covers: Vec<String>,
    /// Purpose that the signature names in `tag`; signatures for others are not looked at. Default: those without one.
    pub tag: Option<String>,
    /// How old a signature may be; at most 5m. Default: 60s.
    pub max_age: Option<Duration>,
    /// Whether it must have a nonce; it is then good once. Without, whoever sees a request can send the same one again for
    /// as long as `max_age`. Default: `true`.
    pub nonce: Option<bool>,
}

impl SignatureAuth {
    /// What a signature must be.
    pub fn rules(&self) -> Rules {
        let covered =
            ["@method", "@authority", "@path"].into_iter().chain(self.covers.iter().map(String::as_str));
        let algorithms = message_signature::ALGORITHMS.iter().map(|(_, algorithm)| *algorithm);
        Rules {
            required: covered.map(Into::into).collect(),
            algorithms: algorithms.collect(),
            tag: self.tag.as_deref().map(Into::into),
            age_max: self.max_age.map_or(SIGNATURE_AGE, Duration::get),
            leeway: SIGNATURE_LEEWAY,
            nonce: self.nonce.unwrap_or(true),
        }
    }
}

/// How old a signature may be.
const SIGNATURE_AGE: time::Duration = time::Duration::from_secs(60);
/// How far a signer's clock may be from ours.
const SIGNATURE_LEEWAY: time::Duration = time::Duration::from_secs(5);

/// The forms `auth` has as a mapping: exactly one key.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Choices {
    /// A key of a consumer.
    api_key: Option<ApiKeyAuth>,
    /// Name and password of a consumer's user (RFC 7617).
    basic: Option<BasicAuth>,
    /// A certificate of a consumer, presented at the TLS handshake.
    certificate: Option<CertificateAuth>,
    /// A signature of a consumer over the request.
    signature: Option<SignatureAuth>,
    /// Name of the issuer whose signed tokens count, as bearer tokens in `Authorization` (RFC 6750).
    jwt: Option<String>,
    /// Name of the issuer with `introspection` that is asked about bearer tokens.
    token: Option<String>,
    /// Name of the issuer with `login` whose users log in with their browser (OpenID Connect).
    login: Option<String>,
    /// Any one of these.
    any_of: Option<Vec<Auth>>,
    /// All of these together.
    all_of: Option<Vec<Auth>>,
}

/// The mapping with exactly one choice in it.
struct OneChoice(Auth);

impl From<OneChoice> for Auth {
    fn from(choice: OneChoice) -> Self {
        choice.0
    }
}

impl<'de> Deserialize<'de> for OneChoice {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let choices = Choices::deserialize(deserializer)?;
        let mut found = [
            choices.api_key.map(Auth::ApiKey),
            choices.basic.map(Auth::Basic),
            choices.certificate.map(Auth::Certificate),
            choices.signature.map(Auth::Signature),
            choices.jwt.map(Auth::Jwt),
            choices.token.map(Auth::Token),
            choices.login.map(Auth::Login),
            choices.any_of.map(Auth::AnyOf),
            choices.all_of.map(Auth::AllOf),
        ]
        .into_iter()
        .flatten();
        match (found.next(), found.next()) {
            (Some(choice), None) => Ok(Self(choice)),
            (None, _) => Err(serde::de::Error::custom(
                "says nothing about who may call; hint: write one of `none`, `api_key`, `jwt`, `any_of`, `all_of`",
            )),
            (Some(_), Some(_)) => Err(serde::de::Error::custom(
                "has more than one key; hint: combine them under `any_of` or `all_of`",
            )),
        }
    }
}

impl<'de> Deserialize<'de> for Auth {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text_or_mapping::<D, Self, OneChoice>(
            deserializer,
            "`none`, `definition`, `api_key` or a mapping such as `{ api_key: {} }`",
            |word| match word {
                "none" => Ok(Self::None),
                "definition" => Ok(Self::Definition),
                "api_key" => Ok(Self::ApiKey(ApiKeyAuth::default())),
                "basic" => Ok(Self::Basic(BasicAuth::default())),
                "certificate" => Ok(Self::Certificate(CertificateAuth::default())),
                "signature" => Ok(Self::Signature(SignatureAuth::default())),
                "jwt" => Err("name the issuer: `{ jwt: ISSUER }`".to_owned()),
                "login" => Err("name the issuer: `{ login: ISSUER }`".to_owned()),
                "token" => Err("name the issuer: `{ token: ISSUER }`".to_owned()),
                _ => {
                    Err(nearest(word, ["none", "definition", "api_key", "basic", "certificate", "signature"])
                        .map(|meant| format!("did you mean `{meant}`?"))
                        .unwrap_or_default())
                }
            },
        )
    }
}

impl JsonSchema for Auth {
    fn schema_name() -> Cow<'static, str> {
        "Auth".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut choices = Choices::json_schema(generator);
        choices.insert("minProperties".to_owned(), 1.into());
        choices.insert("maxProperties".to_owned(), 1.into());
        json_schema!({
            "description": "How callers prove who they are.",
            "oneOf": [{ "enum": ["none", "definition", "api_key", "basic", "certificate", "signature"] }, choices]
        })
    }
}

/// Who names the callers that one way proves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Namer<'a> {
    /// `consumers`, or the store.
    Consumers,
    /// The issuer called so: its callers are `ISSUER/NAME`, as no consumer of ours is.
    Issuer(&'a str),
}

/// Why two ways never prove one caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Apart {
    /// Both stand in `Authorization`, and a request has one.
    OnePlace,
    /// An issuer names the callers of one of them, `consumers` those of the other.
    IssuerAndConsumers,
    /// Two issuers name them.
    TwoIssuers,
}

impl Auth {
    /// Who names the callers that it proves; `None` for what proves nobody by itself.
    pub fn namer(&self) -> Option<Namer<'_>> {
        match self {
            Self::None | Self::Definition | Self::AnyOf(_) | Self::AllOf(_) => None,
            Self::ApiKey(_) | Self::Basic(_) | Self::Certificate(_) | Self::Signature(_) => {
                Some(Namer::Consumers)
            }
            Self::Jwt(issuer) | Self::Token(issuer) | Self::Login(issuer) => Some(Namer::Issuer(issuer)),
        }
    }

    /// Why no request can prove one caller by this and `other` together, if none can.
    pub fn apart(&self, other: &Self) -> Option<Apart> {
        let (one, two) = (self.namer()?, other.namer()?);
        let is_of_authorization =
            |auth: &Self| matches!(auth, Self::Basic(_) | Self::Jwt(_) | Self::Token(_));
        if self != other && is_of_authorization(self) && is_of_authorization(other) {
            return Some(Apart::OnePlace);
        }
        match (one, two) {
            _ if one == two => None,
            (Namer::Issuer(_), Namer::Issuer(_)) => Some(Apart::TwoIssuers),
            _ => Some(Apart::IssuerAndConsumers),
        }
    }

    /// Every statement in it, itself first.
    pub fn each(&self) -> Vec<&Auth> {
        let mut all = vec![self];
        if let Self::AnyOf(several) | Self::AllOf(several) = self {
            all.extend(several.iter().flat_map(Self::each));
        }
        all
    }
}
