//! Browser login: how users of an issuer log in with OpenID Connect.

use schemars::JsonSchema;
use serde::Deserialize;

use super::values::{Duration, Url};
use crate::secret::Secret;

/// How users of an issuer log in with a browser: OpenID Connect, by authorization code with PKCE. At the issuer the gateway is
/// registered as a client with the redirect URI `https://HOST/BASE-PATH/.login/NAME/callback` of each API that asks for this
/// login, and, for logouts that begin there, with `…/backchannel`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Login {
    /// Our name at the issuer.
    pub client_id: String,
    /// How we prove ourselves there, by a secret (`client_secret_basic`).
    pub client_secret: Option<Secret>,
    /// How we prove ourselves there, by a private key in PEM instead (`private_key_jwt`): ES256, ES384, ES512, EdDSA or RS256.
    pub private_key: Option<Secret>,
    /// Name of that key at the issuer (`kid`). Default: its thumbprint (RFC 7638).
    pub private_key_id: Option<String>,
    /// Scopes asked for besides `openid`, such as `offline_access` where sessions are to be renewed. Default: none.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// The longest time a session lasts. It ends sooner where the issuer's word ends (`expires_in`) and there is no refresh
    /// token, or it is of no use any more. Default: 8h.
    pub session: Option<Duration>,
    /// Claims of the ID token that a session keeps, besides `iss`, `sub`, `sid` and the one that names the consumer. It must fit
    /// into one cookie. Default: all but those of the protocol (`nonce`, `exp` and the like).
    pub claims: Option<Vec<String>>,
    /// Secrets by which cookies are encrypted, of 32 bytes or more: the first encrypts, all of them decrypt, so that a new one
    /// goes in front and the old one out when sessions of it have ended. Default: keys that the gateway makes, a new one every 30 days; all nodes share them where `stores.durable` is
    /// set, else they lie in the state directory.
    #[serde(default)]
    pub cookie_keys: Vec<Secret>,
    /// Whether to believe that the issuer does PKCE by S256 although its discovery document does not say so. Without it such an
    /// issuer lets nobody log in; one that says it does something else never does. Default: `false`.
    #[serde(default)]
    pub pkce_unannounced: bool,
    /// Where users are led after a logout (`post_logout_redirect_uri`), as registered at the issuer. Default: wherever the issuer
    /// leaves them.
    pub after_logout: Option<Url>,
}
