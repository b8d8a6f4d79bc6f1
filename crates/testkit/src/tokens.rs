//! Tokens as issuers sign them, and as nobody should: keys that live as long as a test, headers and claims of any shape.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac;
use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde_json::{Value, json};

pub use crate::certificates::base64;

/// A key that signs by ES256, under a name.
pub struct Signer {
    kid: String,
    key: EcdsaKeyPair,
}

impl Signer {
    /// A new key called `kid`.
    ///
    /// # Panics
    /// When the system gives no randomness.
    pub fn new(kid: &str) -> Self {
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key");
        Self { kid: kid.to_owned(), key }
    }

    /// Its public half, as a JSON Web Key.
    pub fn jwk(&self) -> Value {
        let point = self.key.public_key().as_ref();
        json!({
            "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": self.kid,
            "x": base64url(&point[1..33]), "y": base64url(&point[33..]),
        })
    }

    /// The thumbprint of its public half (RFC 7638).
    pub fn thumbprint(&self) -> String {
        let jwk = self.jwk();
        let text = format!(r#"{{"crv":"P-256","kty":"EC","x":{},"y":{}}}"#, jwk["x"], jwk["y"]);
        base64url(&sha256(text.as_bytes()))
    }

    /// A proof that whoever presents `token` holds this key (RFC 9449), with these claims in place of the usual ones.
    ///
    /// # Panics
    /// When the system gives no randomness.
    pub fn proof(&self, method: &str, uri: &str, token: &str, others: Value) -> String {
        let mut name = [0; 16];
        SystemRandom::new().fill(&mut name).expect("randomness");
        let mut jwk = self.jwk();
        let members = jwk.as_object_mut().expect("a key");
        ["kid", "use", "alg"].iter().for_each(|name| drop(members.remove(*name)));
        let header = json!({ "typ": "dpop+jwt", "alg": "ES256", "jwk": jwk });
        let claims = json!({
            "jti": base64url(&name), "htm": method, "htu": uri, "iat": now(),
            "ath": base64url(&sha256(token.as_bytes())),
        });
        self.sign(&header.to_string(), &with(&claims, others).to_string())
    }

    /// Its public half in PEM.
    pub fn public_pem(&self) -> String {
        const P256: [u8; 26] = [
            0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
            0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
        ];
        let der = [&P256[..], self.key.public_key().as_ref()].concat();
        format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", base64(&der))
    }

    /// A bare signature over these bytes.
    ///
    /// # Panics
    /// When the system gives no randomness.
    pub fn sign_bytes(&self, bytes: &[u8]) -> Vec<u8> {
        self.key.sign(&SystemRandom::new(), bytes).expect("a signature").as_ref().to_vec()
    }

    /// The header of its tokens.
    pub fn header(&self) -> Value {
        json!({ "alg": "ES256", "typ": "at+jwt", "kid": self.kid })
    }

    /// A token with these claims.
    pub fn token(&self, claims: &Value) -> String {
        self.sign(&self.header().to_string(), &claims.to_string())
    }

    /// A token with this header and these claims, letter for letter.
    ///
    /// # Panics
    /// When the system gives no randomness.
    pub fn sign(&self, header: &str, claims: &str) -> String {
        let input = format!("{}.{}", base64url(header.as_bytes()), base64url(claims.as_bytes()));
        let signature = self.key.sign(&SystemRandom::new(), input.as_bytes()).expect("a signature");
        format!("{input}.{}", base64url(signature.as_ref()))
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").field("kid", &self.kid).finish_non_exhaustive()
    }
}

/// A token with these claims, signed with a secret by HS256.
pub fn signed_with_secret(secret: &[u8], claims: &str) -> String {
    let header = json!({ "alg": "HS256", "typ": "JWT" }).to_string();
    let input = format!("{}.{}", base64url(header.as_bytes()), base64url(claims.as_bytes()));
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), input.as_bytes());
    format!("{input}.{}", base64url(tag.as_ref()))
}

/// What binds a posture token to values of a request: base64 of the SHA-256 over them.
pub fn binding(values: &[&str]) -> String {
    base64(&sha256(values.concat().as_bytes()))
}

/// What `Content-Digest` says of a body (RFC 9530).
pub fn content_digest(body: &[u8]) -> String {
    format!("sha-256=:{}:", base64(&sha256(body)))
}

/// A key set of these keys.
pub fn key_set(signers: &[&Signer]) -> Value {
    json!({ "keys": signers.iter().map(|signer| signer.jwk()).collect::<Vec<_>>() })
}

/// Claims of `issuer` about `subject` for `audience`, for an hour from now.
pub fn claims(issuer: &str, audience: &str, subject: &str) -> Value {
    let now = now();
    json!({
        "iss": issuer, "aud": audience, "sub": subject, "client_id": "client",
        "iat": now, "exp": now + 3_600, "jti": format!("{subject}-{now}"),
    })
}

/// The same claims with these in place of theirs; null takes one away.
///
/// # Panics
/// When either is no object.
#[must_use]
pub fn with(claims: &Value, others: Value) -> Value {
    let mut claims = claims.clone();
    let members = claims.as_object_mut().expect("claims");
    for (name, value) in others.as_object().expect("claims") {
        if value.is_null() {
            members.remove(name);
        } else {
            members.insert(name.clone(), value.clone());
        }
    }
    claims
}

/// Seconds since 1970.
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs()
}

/// RFC 4648 §5, without padding.
pub fn base64url(bytes: &[u8]) -> String {
    base64(bytes).trim_end_matches('=').replace('+', "-").replace('/', "_")
}

/// What is written in base64url (RFC 4648 §5, without padding); `None` where a letter is none of its digits.
pub fn base64url_decoded(text: &str) -> Option<Vec<u8>> {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut bytes = Vec::new();
    let (mut bits, mut count) = (0_u32, 0);
    for byte in text.bytes() {
        bits = bits << 6 | u32::try_from(DIGITS.iter().position(|digit| *digit == byte)?).ok()?;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count & 0xff) as u8);
        }
    }
    Some(bytes)
}

/// What a token says, unverified.
///
/// # Panics
/// When it is no token.
pub fn claims_of(token: &str) -> Value {
    let payload = token.split('.').nth(1).expect("claims");
    let bytes = base64url_decoded(payload).expect("base64url");
    serde_json::from_slice(&bytes).expect("claims")
}

/// The SHA-256 of these bytes.
pub fn sha256(bytes: &[u8]) -> Vec<u8> {
    digest(&SHA256, bytes).as_ref().to_vec()
}
