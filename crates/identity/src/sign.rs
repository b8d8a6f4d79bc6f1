//! Keys that sign tokens of ours, and what others need to verify them.
//!
//! The private part never leaves except as PKCS #8 for the place that keeps it ([`SigningKey::to_pkcs8`]).

use std::fmt;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    self, EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair, RsaEncoding, RsaKeyPair,
};
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject;

use crate::algorithm::Algorithm;
use crate::base64::encode_url;
use crate::der::{self, Curve};
use crate::json::{Object, Value};
use crate::jwk::{Key, Origin, Refused};

/// A key that signs, by one algorithm.
pub struct SigningKey {
    algorithm: Algorithm,
    kid: Box<str>,
    pair: Pair,
    public: Object,
}

/// The header of a token to be signed. `alg` and `kid` are the key's.
#[derive(Debug, Clone, Default)]
pub struct Header(Object);

/// The provider could not make a key or a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotSigned;

enum Pair {
    Rsa(Box<RsaKeyPair>),
    Ec(Box<EcdsaKeyPair>),
    Ed25519(Box<Ed25519KeyPair>),
    Secret(Box<hmac::Key>),
}

impl SigningKey {
    /// A new key from the system's randomness; RSA keys have 2048 bits. Its `kid` is its thumbprint.
    pub fn generate(algorithm: Algorithm) -> Result<Self, NotSigned> {
        let pair = if let Some(ecdsa) = ecdsa(algorithm) {
            EcdsaKeyPair::generate(ecdsa).map(|pair| Pair::Ec(Box::new(pair)))
        } else if padding(algorithm).is_some() {
            RsaKeyPair::generate(KeySize::Rsa2048).map(|pair| Pair::Rsa(Box::new(pair)))
        } else if algorithm == Algorithm::EdDSA {
            Ed25519KeyPair::generate().map(|pair| Pair::Ed25519(Box::new(pair)))
        } else {
            return Err(NotSigned);
        };
        Self::of(algorithm, pair.map_err(|_| NotSigned)?).map_err(|_| NotSigned)
    }

    /// Reads a private key in PEM: PKCS #8, or the older forms of RSA and EC.
    pub fn from_pem(pem: &[u8], algorithm: Algorithm) -> Result<Self, Refused> {
        match PrivateKeyDer::from_pem_slice(pem).map_err(|_| Refused::Malformed)? {
            PrivateKeyDer::Pkcs8(key) => Self::from_pkcs8(key.secret_pkcs8_der(), algorithm),
            PrivateKeyDer::Pkcs1(key) if padding(algorithm).is_some() => {
                let pair = RsaKeyPair::from_der(key.secret_pkcs1_der()).map_err(|_| Refused::Malformed)?;
                Self::of(algorithm, Pair::Rsa(Box::new(pair)))
            }
            PrivateKeyDer::Sec1(key) => {
                let ecdsa = ecdsa(algorithm).ok_or(Refused::Malformed)?;
                let pair = EcdsaKeyPair::from_private_key_der(ecdsa, key.secret_sec1_der());
                Self::of(algorithm, Pair::Ec(Box::new(pair.map_err(|_| Refused::Malformed)?)))
            }
            _ => Err(Refused::Malformed),
        }
    }

    /// Reads a private key in PKCS #8.
    pub fn from_pkcs8(der: &[u8], algorithm: Algorithm) -> Result<Self, Refused> {
        let pair = if let Some(ecdsa) = ecdsa(algorithm) {
            EcdsaKeyPair::from_pkcs8(ecdsa, der).map(|pair| Pair::Ec(Box::new(pair)))
        } else if padding(algorithm).is_some() {
            RsaKeyPair::from_pkcs8(der).map(|pair| Pair::Rsa(Box::new(pair)))
        } else if algorithm == Algorithm::EdDSA {
            Ed25519KeyPair::from_pkcs8_maybe_unchecked(der).map(|pair| Pair::Ed25519(Box::new(pair)))
        } else {
            return Err(Refused::Unknown);
        };
        Self::of(algorithm, pair.map_err(|_| Refused::Malformed)?)
    }

    /// A secret shared with whoever verifies.
    pub fn secret(secret: &[u8], algorithm: Algorithm) -> Result<Self, Refused> {
        let hmac = algorithm.hmac().ok_or(Refused::Unknown)?;
        let key = Key::secret(secret)?.limited_to(Some(algorithm))?;
        let pair = Pair::Secret(Box::new(hmac::Key::new(hmac, secret)));
        Ok(Self { algorithm, kid: key.thumbprint_text().into(), pair, public: Object::new() })
    }

    /// The same key, called `kid`.
    pub fn named(self, kid: Option<&str>) -> Result<Self, Refused> {
        let Some(kid) = kid else { return Ok(self) };
        Ok(Self { kid: kid.into(), ..self })
    }

    /// What it signs with.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Its name within a set.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// What others verify with; without members for a secret.
    pub fn public_jwk(&self) -> Object {
        if self.public.is_empty() {
            return Object::new();
        }
        let named = self.public.clone().with("kid", &*self.kid);
        named.with("use", "sig").with("alg", self.algorithm.name())
    }

    /// The private key, for the place that keeps it. `None` for a secret.
    pub fn to_pkcs8(&self) -> Option<Vec<u8>> {
        match &self.pair {
            Pair::Rsa(pair) => {
                let der: Pkcs8V1Der<'static> = pair.as_der().ok()?;
                Some(der.as_ref().to_vec())
            }
            Pair::Ec(pair) => pair.to_pkcs8v1().ok().map(|der| der.as_ref().to_vec()),
            Pair::Ed25519(pair) => pair.to_pkcs8v1().ok().map(|der| der.as_ref().to_vec()),
            Pair::Secret(_) => None,
        }
    }

    /// A token with these claims.
    pub fn sign(&self, header: &Header, claims: &Object) -> Result<String, NotSigned> {
        let header = header.0.clone().with("alg", self.algorithm.name()).with("kid", &*self.kid);
        self.sign_text(&header.to_string(), claims.to_string().as_bytes())
    }

    /// A token with exactly this header and payload, whatever they are.
    pub(crate) fn sign_text(&self, header: &str, payload: &[u8]) -> Result<String, NotSigned> {
        let mut token = encode_url(header.as_bytes());
        token.push('.');
        token.push_str(&encode_url(payload));
        let signature = self.sign_bytes(token.as_bytes())?;
        token.push('.');
        token.push_str(&encode_url(&signature));
        Ok(token)
    }

    /// A bare signature over `message`.
    pub fn sign_bytes(&self, message: &[u8]) -> Result<Vec<u8>, NotSigned> {
        let random = SystemRandom::new();
        match &self.pair {
            Pair::Rsa(pair) => {
                let padding = padding(self.algorithm).ok_or(NotSigned)?;
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(padding, &random, message, &mut signature).map_err(|_| NotSigned)?;
                Ok(signature)
            }
            Pair::Ec(pair) => pair
                .sign(&random, message)
                .map(|signature| signature.as_ref().to_vec())
                .map_err(|_| NotSigned),
            Pair::Ed25519(pair) => {
                pair.try_sign(message).map(|signature| signature.as_ref().to_vec()).map_err(|_| NotSigned)
            }
            Pair::Secret(key) => Ok(hmac::sign(key, message).as_ref().to_vec()),
        }
    }

    fn of(algorithm: Algorithm, pair: Pair) -> Result<Self, Refused> {
        let public = match &pair {
            Pair::Rsa(pair) => {
                let (modulus, exponent) =
                    der::rsa_public_key(pair.public_key().as_ref()).ok_or(Refused::Malformed)?;
                Object::new()
                    .with("kty", "RSA")
                    .with("n", encode_url(modulus))
                    .with("e", encode_url(exponent))
            }
            Pair::Ec(pair) => {
                let curve = match algorithm {
                    Algorithm::ES256 => Curve::P256,
                    Algorithm::ES384 => Curve::P384,
                    _ => Curve::P521,
                };
                let point = pair.public_key().as_ref().split_at_checked(1).ok_or(Refused::Malformed)?.1;
                let (x, y) = point.split_at_checked(curve.coordinate_len()).ok_or(Refused::Malformed)?;
                let named = Object::new().with("kty", "EC").with("crv", curve.name());
                named.with("x", encode_url(x)).with("y", encode_url(y))
            }
            Pair::Ed25519(pair) => {
                let named = Object::new().with("kty", "OKP").with("crv", "Ed25519");
                named.with("x", encode_url(pair.public_key().as_ref()))
            }
            Pair::Secret(_) => Object::new(),
        };
        // What nobody could verify with us is no key to sign with.
        let kid = Key::from_jwk(&public, Origin::Remote)?.thumbprint_text().into();
        Ok(Self { algorithm, kid, pair, public })
    }
}

impl Header {
    /// A header of that `typ`.
    pub fn new(typ: &str) -> Self {
        Self(Object::new().with("typ", typ))
    }

    /// The same with one member more.
    #[must_use]
    pub fn with(self, name: &str, value: impl Into<Value>) -> Self {
        Self(self.0.with(name, value))
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey")
            .field("algorithm", &self.algorithm)
            .field("kid", &self.kid)
            .finish_non_exhaustive()
    }
}

fn ecdsa(algorithm: Algorithm) -> Option<&'static EcdsaSigningAlgorithm> {
    match algorithm {
        Algorithm::ES256 => Some(&signature::ECDSA_P256_SHA256_FIXED_SIGNING),
        Algorithm::ES384 => Some(&signature::ECDSA_P384_SHA384_FIXED_SIGNING),
        Algorithm::ES512 => Some(&signature::ECDSA_P521_SHA512_FIXED_SIGNING),
        _ => None,
    }
}

fn padding(algorithm: Algorithm) -> Option<&'static dyn RsaEncoding> {
    match algorithm {
        Algorithm::RS256 => Some(&signature::RSA_PKCS1_SHA256),
        Algorithm::RS384 => Some(&signature::RSA_PKCS1_SHA384),
        Algorithm::RS512 => Some(&signature::RSA_PKCS1_SHA512),
        Algorithm::PS256 => Some(&signature::RSA_PSS_SHA256),
        Algorithm::PS384 => Some(&signature::RSA_PSS_SHA384),
        Algorithm::PS512 => Some(&signature::RSA_PSS_SHA512),
        _ => None,
    }
}
