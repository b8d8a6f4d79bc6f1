//! Split tokens: a caller holds the signature of a JWT, and the rest of it lies where every node can ask for it.
//!
//! The signature says nothing to whoever sees it. Whoever issues the token puts the rest, `header.payload`, at a place of the operator's
//! choice (a cache that speaks HTTP), under the SHA-256 of the signature, so that the place holds nothing that opens anything. We ask
//! there when a signature is presented for the first time, as an issuer is asked about an opaque token
//! ([`introspection`](super::introspection)): once for all, remembered for a while, bounded.
//!
//! A place of our own (in memory, or in the store) was considered: it would have to be fed on every node before a client comes with its
//! new token, or be asked by requests, which no request does with the store. The place asked over HTTP is one more dependency, whose
//! failure is a 503 for its own callers, and it can be as near as the operator likes.
//!
//! # Threats
//! Nothing that lies at the place counts without the signature: both together are judged like any other token of the issuer, by its keys,
//! `iss`, `aud` and `exp`. A caller chooses a signature, and so the hash that is asked for, never a path.

use bytes::Bytes;
use http::{HeaderValue, Method, Response, StatusCode, header};
use portcullis_identity::base64::encode_url;
use portcullis_identity::sha256::digest;

use super::Issuer;
use super::introspection::{ANSWER_BYTES_MAX, Introspector, Read};
use super::keeper::USER_AGENT;
use super::signed::NotSigned;
use super::spec::AskersProof;
use crate::fetch::Call;
use crate::secret::Secret;

/// Characters of a signature: of 32 bytes at least, of an RSA key of 8,192 bits at most.
const PART: std::ops::RangeInclusive<usize> = 43..=1366;

/// Whether a token can be the signature of one.
pub(super) fn is_part(token: &[u8]) -> bool {
    PART.contains(&token.len()) && is_base64url(token)
}

fn is_base64url(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(byte))
}

impl Introspector {
    /// Asks for the rest of a token.
    pub(super) async fn rest(&self, token: &[u8]) -> Result<Response<Bytes>, String> {
        let mut fields = vec![
            (header::ACCEPT, HeaderValue::from_static(self.spec.form.media_type())),
            (header::USER_AGENT, HeaderValue::from_static(USER_AGENT)),
        ];
        if let AskersProof::Bearer(secret) = &self.spec.proof {
            let value = HeaderValue::try_from(format!("Bearer {}", secret.expose()));
            let mut value = value.map_err(|_| "what proves the asker cannot be sent")?;
            value.set_sensitive(true);
            fields.push((header::AUTHORIZATION, value));
        }
        let call = Call {
            method: Method::GET,
            fields,
            body: Bytes::new(),
            within: self.spec.reach.timeout,
            answer_bytes_max: ANSWER_BYTES_MAX,
        };
        let place = format!("{}{}", self.spec.url.path, encode_url(digest(token).as_bytes()));
        let place = place.parse().map_err(|_| "the place of the rest has no path")?;
        let answer = self.remote.call_at(place, call).await.map_err(|error| error.to_string())?;
        match answer.status() {
            StatusCode::OK | StatusCode::NOT_FOUND => Ok(answer),
            status => Err(format!("status {}", status.as_u16())),
        }
    }

    /// What a token says that is made whole by `rest`, if it holds.
    pub(super) async fn complete(&self, issuer: &Issuer, token: &[u8], rest: &[u8]) -> Result<Read, String> {
        let mut parts = rest.split(|byte| *byte == b'.');
        let is_rest = parts.by_ref().take(2).filter(|part| is_base64url(part)).count() == 2;
        let whole = match (std::str::from_utf8(rest), std::str::from_utf8(token)) {
            (Ok(rest), Ok(token)) if is_rest && parts.next().is_none() => format!("{rest}.{token}"),
            _ => return Err("what lies there is no rest of a token".to_owned()),
        };
        match issuer.verify_signed(whole.as_bytes(), &issuer.rules).await {
            Ok((claims, _)) => Ok(Read::Token(claims, Secret::new(whole))),
            Err(NotSigned::Refused(why)) => Ok(Read::Inactive(why.as_str())),
            Err(NotSigned::Unavailable(why)) => Err(why.to_owned()),
        }
    }
}
