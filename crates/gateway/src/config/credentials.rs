//! What a backend needs from us to know who is calling: `backends.*.credentials`.

use std::borrow::Cow;

use indexmap::IndexMap;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;
use serde::de::Deserializer;

use super::listener::Certificate;
use super::signing::SigningAlgorithm;
use super::values::{Duration, Url, text_or_mapping};
use crate::secret::Secret;

/// What a backend needs from us to know who is calling. At most one of `pass_through`, `basic`, `api_key`, `mint_jwt`,
/// `client_credentials`, `token_exchange` and `phantom_token`; `fields` may stand beside each, or alone. `Authorization` and `DPoP` of the caller, and every field that
/// is written here, never pass from outside, unless `pass_through` lets the first two. What cannot be made out of the caller is
/// not sent without: 503 `backend-credential-unavailable`. An anonymous caller (`auth: none`) has nothing to be made
/// into anything: of what speaks of the caller, nothing is sent then.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BackendCredentials {
    /// `true`: the credential that the caller presented goes on as it came. Write it for a backend that verifies callers
    /// itself and may hold their credentials. Default: `false`; no caller's credential reaches a backend.
    #[serde(default)]
    pub pass_through: bool,
    /// A user and password of the gateway, in `Authorization`.
    pub basic: Option<BackendBasic>,
    /// A key of the gateway, in a field of its own.
    pub api_key: Option<BackendApiKey>,
    /// A token of our own about the caller.
    pub mint_jwt: Option<MintJwt>,
    /// An access token for the gateway's own account at an authorization server.
    pub client_credentials: Option<ClientCredentials>,
    /// What an authorization server gives for the caller's token.
    pub token_exchange: Option<TokenExchange>,
    /// What the issuer answered when it was asked about the caller's token.
    pub phantom_token: Option<PhantomToken>,
    /// Fields by name: a text, or what is known of the caller, such as `{ from: consumer }` or `{ claim: email }`.
    #[serde(default)]
    pub fields: IndexMap<String, FieldValue>,
}

impl BackendCredentials {
    /// How tokens of our own are made for the backend, if any are, and where that stands.
    pub fn mint(&self) -> Option<(&MintJwt, &'static [&'static str])> {
        let minted = self.mint_jwt.as_ref().map(|mint| (mint, &["mint_jwt"][..]));
        let phantom = || Some((self.phantom_token.as_ref()?.mint.as_ref()?, &["phantom_token", "mint"][..]));
        minted.or_else(phantom)
    }
}

/// A user and password of the gateway (RFC 7617).
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BackendBasic {
    /// The user's name; it has no colon.
    pub user: String,
    /// Its password: `"${env:NAME}"` or `"${file:path}"`.
    pub password: Secret,
}

/// A key of the gateway.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BackendApiKey {
    /// Name of the field that carries it. Default: `x-api-key`.
    #[serde(default = "x_api_key")]
    pub header: String,
    /// The key: `"${env:NAME}"` or `"${file:path}"`.
    pub key: Secret,
    /// Word in front of the key, such as `Bearer` or `ApiKey`, with a space between. Default: none.
    pub prefix: Option<String>,
}

fn x_api_key() -> String {
    "x-api-key".to_owned()
}

/// A token of our own about the caller, signed as `signing` says: `iss`, `sub` (the consumer), `aud`, `exp`, `iat`, `jti`,
/// `client_id`, `scope`, and `act` where the caller's token has one or `actor` is written. It is used again for the same caller
/// until a quarter of its lifetime is left.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MintJwt {
    /// Audience of the token: what this backend calls itself.
    pub audience: String,
    /// How long a token counts, from `5s` to `1h`, and no longer than the caller's credential. Default: `60s`.
    #[serde(default = "one_minute")]
    pub lifetime: Duration,
    /// Name of the field that carries it. Default: `authorization`, with `Bearer` in front; in any other field it stands
    /// alone.
    #[serde(default = "authorization")]
    pub header: String,
    /// Name of the gateway as the one who acts for the caller (`act`, RFC 8693 §4.1), before the actors in the caller's token.
    /// Default: the actors in the caller's token alone.
    pub actor: Option<String>,
    /// Further claims by name: a text, or what is known of the caller. A claim of the caller's token keeps its JSON type.
    #[serde(default)]
    pub claims: IndexMap<String, FieldValue>,
}

/// An access token for the gateway's own account at an authorization server (RFC 6749 §4.4), in `Authorization`. It is had in the
/// background, ahead of its end, once for all requests; the last one is used for as long as it counts. A request that finds none
/// waits for it, and then does not go: 503 `backend-credential-unavailable`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClientCredentials {
    /// The token endpoint, over `https`.
    pub url: Url,
    /// The client that the account belongs to.
    pub client_id: String,
    /// Its secret: `"${env:NAME}"` or `"${file:path}"`. One of this, `private_key` and `client_certificate`.
    pub client_secret: Option<Secret>,
    /// Where the secret stands: `basic` (in `Authorization`) or `post` (in the body). Default: `basic`.
    #[serde(default)]
    pub secret_in: SecretIn,
    /// A key that signs an assertion instead of a secret (`private_key_jwt`, RFC 7523).
    pub private_key: Option<AssertionKey>,
    /// A certificate that is presented in TLS instead (`tls_client_auth` or `self_signed_tls_client_auth`, RFC 8705).
    pub client_certificate: Option<Certificate>,
    /// Scopes that are asked for. Default: what the server gives.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// Audience that is asked for. Default: none.
    pub audience: Option<String>,
    /// Certificates of the authorities that vouch for the server, in PEM. Default: the system's.
    pub ca: Option<String>,
    /// `true`: `url` may be `http`, over which anybody on the way can read the secret. Default: `false`.
    #[serde(default)]
    pub cleartext: bool,
    /// How long a call may take. Default: `5s`.
    #[serde(default = "five_seconds")]
    pub timeout: Duration,
    /// How long a request waits when there is no token. Default: `2s`.
    #[serde(default = "two_seconds")]
    pub wait: Duration,
}

/// What an authorization server gives for the caller's token (RFC 8693), in `Authorization`. It is asked once for each caller's token,
/// and what it gave is used for as long as it counts, at most until the caller's token or session ends. A caller without a token of an
/// issuer cannot be exchanged, so no `auth` of an operation may let one in: `jwt`, `token` and `login` can. The server's refusal
/// is 401 `credential-invalid` if it says that the caller's token does not hold, else 403 `backend-credential-refused`; what else keeps
/// a token from being had is 503 `backend-credential-unavailable`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenExchange {
    /// The token endpoint, over `https`.
    pub url: Url,
    /// The client that asks.
    pub client_id: String,
    /// Its secret: `"${env:NAME}"` or `"${file:path}"`. One of this, `private_key` and `client_certificate`.
    pub client_secret: Option<Secret>,
    /// Where the secret stands: `basic` (in `Authorization`) or `post` (in the body). Default: `basic`.
    #[serde(default)]
    pub secret_in: SecretIn,
    /// A key that signs an assertion instead of a secret (`private_key_jwt`, RFC 7523).
    pub private_key: Option<AssertionKey>,
    /// A certificate that is presented in TLS instead (`tls_client_auth` or `self_signed_tls_client_auth`, RFC 8705).
    pub client_certificate: Option<Certificate>,
    /// Audience that is asked for: the backend's name at the server. At least one of `audience`, `resource` and `scopes`.
    pub audience: Option<String>,
    /// The same as an absolute URI (RFC 8707).
    pub resource: Option<String>,
    /// Scopes that are asked for. Default: what the server gives.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// What `aud` of the token is expected to name, where that is another name than what was asked for. A token that can be read
    /// and names neither is not used. Default: `audience` or `resource`.
    pub token_audience: Option<String>,
    /// What is asked for: `access_token` or `jwt`. Default: `access_token`.
    #[serde(default)]
    pub token_type: TokenType,
    /// What the caller's token is said to be: `access_token`, or `jwt` where it is of another issuer than the server. Default:
    /// `access_token`.
    #[serde(default)]
    pub subject_type: TokenType,
    /// The gateway's own account as the one who acts for the caller: a token of the same client at the same endpoint, had by
    /// `client_credentials`. Default: nobody acts.
    pub actor: Option<ExchangeActor>,
    /// Certificates of the authorities that vouch for the server, in PEM. Default: the system's.
    pub ca: Option<String>,
    /// `true`: `url` may be `http`, over which anybody on the way can read secret and tokens. Default: `false`.
    #[serde(default)]
    pub cleartext: bool,
    /// How long a request waits for the server. Default: `5s`.
    #[serde(default = "five_seconds")]
    pub timeout: Duration,
}

/// What the issuer answered when it was asked about the caller's opaque token: a JWT that it has signed (`introspection` with `as_jwt`,
/// or `signed`, RFC 9701). So clients hold a token that says nothing, and backends read one. Where there is no such answer, for it is
/// not signed or the caller proved itself otherwise, the gateway mints one of its own; without `mint` every caller of such a
/// backend must come with a token of an issuer that answers with a JWT.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PhantomToken {
    /// Name of the field that carries it. Default: `authorization`, with `Bearer` in front; in any other field it stands
    /// alone.
    #[serde(default = "authorization")]
    pub header: String,
    /// What is minted where the issuer gave none; its `header` is this one's. Default: nothing is minted.
    pub mint: Option<MintJwt>,
}

/// The gateway as the one who acts for callers.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExchangeActor {
    /// Scopes of its token. Default: what the server gives.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// Audience of its token. Default: none.
    pub audience: Option<String>,
}

/// A type of token (RFC 8693 §3).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TokenType {
    /// An access token of the server, in whatever form.
    #[default]
    AccessToken,
    /// A JWT.
    Jwt,
}

/// What the ways have in common that ask a token endpoint: where it is, and how the gateway proves itself there.
#[derive(Debug, Clone, Copy)]
pub struct TokenEndpoint<'a> {
    /// The token endpoint.
    pub url: &'a Url,
    /// The client.
    pub client_id: &'a str,
    /// Its secret.
    pub client_secret: Option<&'a Secret>,
    /// Where the secret stands.
    pub secret_in: SecretIn,
    /// A key instead.
    pub private_key: Option<&'a AssertionKey>,
    /// A certificate instead.
    pub client_certificate: Option<&'a Certificate>,
    /// Who may vouch for the server.
    pub ca: Option<&'a str>,
    /// Whether it may be spoken to in cleartext.
    pub cleartext: bool,
}

impl ClientCredentials {
    /// Where it asks.
    pub fn endpoint(&self) -> TokenEndpoint<'_> {
        TokenEndpoint {
            url: &self.url,
            client_id: &self.client_id,
            client_secret: self.client_secret.as_ref(),
            secret_in: self.secret_in,
            private_key: self.private_key.as_ref(),
            client_certificate: self.client_certificate.as_ref(),
            ca: self.ca.as_deref(),
            cleartext: self.cleartext,
        }
    }
}

impl TokenExchange {
    /// Where it asks.
    pub fn endpoint(&self) -> TokenEndpoint<'_> {
        TokenEndpoint {
            url: &self.url,
            client_id: &self.client_id,
            client_secret: self.client_secret.as_ref(),
            secret_in: self.secret_in,
            private_key: self.private_key.as_ref(),
            client_certificate: self.client_certificate.as_ref(),
            ca: self.ca.as_deref(),
            cleartext: self.cleartext,
        }
    }
}

/// Where a client's secret stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SecretIn {
    /// In `Authorization` (`client_secret_basic`).
    #[default]
    Basic,
    /// In the body (`client_secret_post`).
    Post,
}

/// A key that signs assertions.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AssertionKey {
    /// The private key in PEM: `"${file:path}"`.
    pub key: Secret,
    /// What it signs by: `ES256`, `EdDSA` or `RS256`. Default: `ES256`.
    #[serde(default)]
    pub algorithm: SigningAlgorithm,
    /// Its name at the server (`kid`). Default: its thumbprint (RFC 7638).
    pub kid: Option<String>,
    /// Whom an assertion is for. Default: `url`.
    pub audience: Option<String>,
}

fn five_seconds() -> Duration {
    std::time::Duration::from_secs(5).into()
}

fn two_seconds() -> Duration {
    std::time::Duration::from_secs(2).into()
}

fn one_minute() -> Duration {
    std::time::Duration::from_secs(60).into()
}

fn authorization() -> String {
    "authorization".to_owned()
}

/// The value of a field toward a backend.
#[derive(Debug, Clone)]
pub enum FieldValue {
    /// This text.
    Text(Secret),
    /// What is known of the caller.
    Of(CallerFact, Absent),
}

/// Something that is known of a caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallerFact {
    /// The consumer's name.
    Consumer,
    /// The credential's id.
    Credential,
    /// The credential's scopes, with a space between two.
    Scopes,
    /// A claim of the caller's token, by its path.
    Claim(String),
}

/// What becomes of a request whose caller lacks what a field is made of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Absent {
    /// It does not go: 503 `backend-credential-unavailable`.
    #[default]
    Refuse,
    /// It goes without the field.
    LeaveOut,
}

/// Names of what is known of every caller.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum From {
    /// The consumer's name.
    Consumer,
    /// The credential's id.
    Credential,
    /// The credential's scopes, with a space between two.
    Scopes,
}

/// What is known of the caller, as the value of a field. Exactly one of `from` and `claim`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Mapped {
    /// `consumer`, `credential` or `scopes`.
    from: Option<From>,
    /// A claim of the caller's token: its name, such as `email`, or, with a slash in front, a JSON pointer such as
    /// `/org/id`. Texts, numbers, true and false as they are written; of a list its items, with a comma between two.
    claim: Option<String>,
    /// What happens without it: `refuse` or `leave_out`. Default: `refuse`.
    #[serde(default)]
    absent: Absent,
}

/// The mapping with exactly one choice in it.
struct OneFact(FieldValue);

impl std::convert::From<OneFact> for FieldValue {
    fn from(fact: OneFact) -> Self {
        fact.0
    }
}

impl<'de> Deserialize<'de> for OneFact {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Mapped { from, claim, absent } = Mapped::deserialize(deserializer)?;
        let fact = match (from, claim) {
            (Some(From::Consumer), None) => CallerFact::Consumer,
            (Some(From::Credential), None) => CallerFact::Credential,
            (Some(From::Scopes), None) => CallerFact::Scopes,
            (None, Some(claim)) => CallerFact::Claim(claim),
            (None, None) => {
                let what = "does not say what it is made of; hint: write `from: consumer` or `claim: email`";
                return Err(serde::de::Error::custom(what));
            }
            (Some(_), Some(_)) => {
                let what = "is made of two things; hint: write one of `from` and `claim`";
                return Err(serde::de::Error::custom(what));
            }
        };
        Ok(Self(FieldValue::Of(fact, absent)))
    }
}

impl<'de> Deserialize<'de> for FieldValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text_or_mapping::<D, Self, OneFact>(
            deserializer,
            "a text, or a mapping such as `{ from: consumer }` or `{ claim: email }`",
            |text| Ok(Self::Text(Secret::new(text))),
        )
    }
}

impl JsonSchema for FieldValue {
    fn schema_name() -> Cow<'static, str> {
        "FieldValue".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mapping = Mapped::json_schema(generator);
        schemars::json_schema!({
            "description": "The value of a field toward a backend.",
            "oneOf": [{ "type": "string" }, mapping]
        })
    }
}
