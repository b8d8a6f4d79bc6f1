//! A client of an authorization server: how it proves itself in a call.

use http::{HeaderName, HeaderValue, header};
use portcullis_identity::jwt::SigningKey;

use super::{asserted, assertion, basic, form};
use crate::secret::Secret;

/// The gateway as a client of one authorization server.
#[derive(Debug)]
pub struct Client {
    /// Its name there.
    pub id: Box<str>,
    /// How it proves itself.
    pub proof: ClientProof,
}

/// How a client proves itself.
#[derive(Debug)]
pub enum ClientProof {
    /// The secret in `Authorization` (RFC 6749 §2.3.1).
    Basic(Secret),
    /// The secret in the body.
    Post(Secret),
    /// A signed assertion for this audience (RFC 7523).
    Assertion(Box<SigningKey>, String),
    /// The certificate it presents in TLS, which is whoever calls' to see to (RFC 8705 §2).
    Certificate,
}

impl Client {
    /// What a call says that is to say `pairs`: its fields, framing aside, and its body. `None` if the client cannot prove
    /// itself.
    pub fn says(&self, pairs: &[(&str, &str)]) -> Option<(Vec<(HeaderName, HeaderValue)>, String)> {
        let form = HeaderValue::from_static("application/x-www-form-urlencoded");
        let mut fields = vec![(header::CONTENT_TYPE, form)];
        let body = match &self.proof {
            ClientProof::Basic(secret) => {
                let value = basic(&self.id, secret.expose())?;
                fields.push((header::AUTHORIZATION, value));
                form::encode(pairs)
            }
            ClientProof::Post(secret) => {
                let own = [("client_id", &*self.id), ("client_secret", secret.expose())];
                form::encode(&[pairs, &own].concat())
            }
            ClientProof::Assertion(key, audience) => {
                let assertion = assertion(key, &self.id, audience)?;
                form::encode(&[pairs, &asserted(&self.id, &assertion)].concat())
            }
            ClientProof::Certificate => form::encode(&[pairs, &[("client_id", &*self.id)]].concat()),
        };
        Some((fields, body))
    }
}
