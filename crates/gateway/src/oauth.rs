//! How the gateway proves itself as a client of an authorization server, and the forms it sends there.
//!
//! What is asked for is each caller's own.

pub mod answer;
pub mod client;
pub mod form;

use std::time::Duration;

use http::HeaderValue;
use portcullis_identity::base64::{encode_standard, encode_url};
use portcullis_identity::json::Object;
use portcullis_identity::jwt::{Header, SigningKey};

use crate::clock;
use crate::secret::random_bytes;

/// How long our own word about ourselves holds.
const ASSERTION_LASTS: Duration = Duration::from_secs(60);

/// The value of `Authorization` for `client_secret_basic`: each part is escaped for forms first (RFC 6749 §2.3.1).
fn basic(client_id: &str, secret: &str) -> Option<HeaderValue> {
    let pair = format!("{}:{}", form::escaped(client_id), form::escaped(secret));
    let mut value = HeaderValue::try_from(format!("Basic {}", encode_standard(pair.as_bytes()))).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// An assertion for `private_key_jwt`: for one use, within a minute (RFC 7523 §3).
fn assertion(key: &SigningKey, client_id: &str, audience: &str) -> Option<String> {
    let now = clock::wall();
    let claims = Object::new()
        .with("iss", client_id)
        .with("sub", client_id)
        .with("aud", audience)
        .with("jti", encode_url(&random_bytes::<16>()?))
        .with("iat", now.as_secs())
        .with("exp", now.saturating_add(ASSERTION_LASTS).as_secs());
    key.sign(&Header::new("JWT"), &claims).ok()
}

/// What a form says that is proven by `assertion` (RFC 7523 §2.2).
fn asserted<'a>(client_id: &'a str, assertion: &'a str) -> [(&'a str, &'a str); 3] {
    [
        ("client_id", client_id),
        ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
        ("client_assertion", assertion),
    ]
}
