//! Who calls: consumers with their credentials.

use portcullis_identity::algorithm::Algorithm;
use portcullis_identity::jwk::Key;
use portcullis_identity::message_signature;
use schemars::JsonSchema;
use serde::Deserialize;

use super::values::{Argon2, Expiry, Instant, Network, Sha256};
use crate::secret::Secret;

/// A client of the published APIs.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Consumer {
    /// Names of the APIs its credentials open; `["*"]` for all. Any other API answers 403.
    pub apis: Vec<String>,
    /// Name of the plan whose limits hold for it.
    pub plan: Option<String>,
    /// How it proves itself.
    #[serde(default)]
    pub credentials: Vec<Credential>,
}

/// One way in which a consumer proves itself. Beside `id` exactly one key.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Credential {
    /// Its name in records; unique within the consumer.
    pub id: String,
    /// A key.
    pub api_key: Option<ApiKey>,
    /// A user's name and password.
    pub basic: Option<BasicCredential>,
    /// A certificate.
    pub certificate: Option<CertificateCredential>,
    /// A key that signs requests.
    pub signature: Option<SignatureCredential>,
}

/// Declares a kind of credential with fields of its own and the terms that all kinds have: serde's `flatten` would lose
/// the places of mistakes.
macro_rules! with_terms {
    ($(#[$meta:meta])* pub struct $name:ident { $($own:tt)* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields)]
        pub struct $name {
            $($own)*
            /// Scopes it carries. Default: none.
            #[serde(default)]
            pub scopes: Vec<String>,
            /// Last day on which it is good, in UTC, such as `2027-06-30`; or an instant such as `2027-06-30T12:00:00Z`.
            /// Default: it has no end of its own.
            pub expires: Option<Expiry>,
            /// First moment at which it is good. Default: it is.
            pub not_before: Option<Instant>,
            /// Addresses it may be presented from, as far as trusted proxies can tell. Default: any.
            #[serde(default)]
            pub addresses: Vec<Network>,
        }

        impl $name {
            fn terms(&self) -> Terms<'_> {
                let Self { scopes, expires, not_before, addresses, .. } = self;
                let (expires, not_before) = (*expires, *not_before);
                Terms { scopes, expires, not_before, addresses, with_certificate: None }
            }
        }
    };
}

with_terms! {
    /// An API key, by its digest: the key itself is nowhere in the configuration.
    pub struct ApiKey {
        /// SHA-256 of the key in hexadecimal; `portcullis keys new` prints both.
        pub sha256: Sha256,
        /// SHA-256 of the client certificate it must be presented with, over its DER form, in hexadecimal. Default: none.
        pub with_certificate: Option<Sha256>,
    }
}

with_terms! {
    /// A user's name and password, by the password's hash: the password itself is nowhere in the configuration.
    pub struct BasicCredential {
        /// The name; unique among all consumers.
        pub user: String,
        /// The password's hash by argon2id, as a PHC string.
        pub password: Argon2,
    }
}

with_terms! {
    /// A client certificate, by what it says of its holder: exactly one of `san`, `subject` and `spiffe`.
    pub struct CertificateCredential {
        /// A subject alternative name: a DNS name, a mail address, a URI or an IP address.
        pub san: Option<String>,
        /// Its subject as RFC 4514 spells it, such as `CN=partner,O=Example`.
        pub subject: Option<String>,
        /// Its SPIFFE id, such as `spiffe://example.com/partner`.
        pub spiffe: Option<String>,
    }
}

with_terms! {
    /// A key that signs requests (RFC 9421): exactly one of `public_key` and `secret`.
    pub struct SignatureCredential {
        /// The name that signatures give in `keyid`; unique among all consumers.
        pub keyid: String,
        /// The public key in PEM, best written as `${file:path}`.
        pub public_key: Option<String>,
        /// A secret shared with the signer, for `hmac-sha256`; at least 32 bytes.
        pub secret: Option<Secret>,
        /// What it signs with: `ecdsa-p256-sha256`, `ecdsa-p384-sha384`, `ed25519`, `rsa-pss-sha512`, `rsa-v1_5-sha256`,
        /// `hmac-sha256`. Default: what fits the key; of RSA keys `rsa-pss-sha512`.
        pub algorithm: Option<String>,
    }
}

impl SignatureCredential {
    /// The key, for its one algorithm.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn key(&self) -> Result<Key, String> {
        let key = match (&self.public_key, &self.secret) {
            (Some(pem), None) => Key::from_pem(pem.as_bytes()),
            (None, Some(secret)) => Key::secret(secret.expose().as_bytes()),
            (Some(_), Some(_)) | (None, None) => {
                return Err("has not exactly one of `public_key` and `secret`".to_owned());
            }
        };
        let key = key.map_err(|why| why.to_string())?;
        let named = match &self.algorithm {
            None => {
                [Algorithm::PS512, Algorithm::HS256, Algorithm::ES256, Algorithm::ES384, Algorithm::EdDSA]
                    .into_iter()
                    .find(|algorithm| key.verifies(*algorithm))
            }
            Some(name) => message_signature::algorithm(name),
        };
        let algorithm = named.filter(|algorithm| key.verifies(*algorithm));
        let algorithm = algorithm.ok_or("signs with no algorithm that is known and fits it")?;
        key.limited_to(Some(algorithm)).map_err(|why| why.to_string())
    }
}

/// What a credential of any kind says beside what it is proven by.
#[derive(Debug, Clone, Copy, Default)]
pub struct Terms<'a> {
    /// What it may be used for.
    pub scopes: &'a [String],
    /// When it ends.
    pub expires: Option<Expiry>,
    /// When it begins.
    pub not_before: Option<Instant>,
    /// Where it may be presented from.
    pub addresses: &'a [Network],
    /// Which client certificate it must be presented with.
    pub with_certificate: Option<Sha256>,
}

impl Credential {
    /// What it says beside what it is proven by.
    pub fn terms(&self) -> Terms<'_> {
        match self {
            Self { api_key: Some(key), .. } => {
                Terms { with_certificate: key.with_certificate, ..key.terms() }
            }
            Self { basic: Some(basic), .. } => basic.terms(),
            Self { signature: Some(signature), .. } => signature.terms(),
            Self { certificate: Some(certificate), .. } => certificate.terms(),
            Self { api_key: None, basic: None, signature: None, certificate: None, .. } => Terms::default(),
        }
    }
}
