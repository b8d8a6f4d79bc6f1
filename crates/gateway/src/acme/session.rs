//! A talk with an authority: nonces, signatures, an account (RFC 8555 §6 and §7.3).
//!
//! Each request is signed for its own URL with a nonce that is used once. An authority may reject a nonce at any time, which
//! says nothing of the request: it is signed anew, [`NONCES_MAX`] times at most. Redirects are answers like any other.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Response, StatusCode, header};
use portcullis_identity::algorithm::Algorithm;
use portcullis_identity::base64::{decode_url, encode_url};
use portcullis_identity::json::Object;
use portcullis_identity::jwt::SigningKey;

use super::answers::{self, DOCUMENT_BYTES_MAX, Directory};
use super::{ExternalAccount, Failure, Spec};
use crate::config::values::Url;
use crate::fetch::{Call, Remote, is_of_type};

/// Nonces that are tried for one request.
pub(super) const NONCES_MAX: usize = 10;
/// Most bytes of a chain of certificates.
const CHAIN_BYTES_MAX: usize = 256 << 10;
/// An authority may not put us off for longer.
const PUT_OFF_MAX: Duration = Duration::from_secs(86_400);
/// How we call ourselves.
const USER_AGENT: &str = concat!("portcullis/", env!("CARGO_PKG_VERSION"));
const REPLAY_NONCE: HeaderName = HeaderName::from_static("replay-nonce");
/// The media type of a chain (RFC 8555 §9.1).
const CHAIN: &str = "application/pem-certificate-chain";

/// A talk under an account.
pub(super) struct Session<'a> {
    spec: &'a Spec,
    remote: &'a Remote,
    key: &'a SigningKey,
    pub(super) directory: Directory,
    nonce: Option<String>,
    /// The account's URL, letter for letter as the authority gave it.
    account: Option<String>,
}

/// What is said in a request.
#[derive(Clone, Copy)]
pub(super) enum Said<'a> {
    /// Nothing: it reads (RFC 8555 §6.3).
    Nothing,
    /// This document.
    Document(&'a Object),
}

impl<'a> Session<'a> {
    /// Reads the directory, and makes the account of `key` or finds it.
    pub(super) async fn open(
        spec: &'a Spec,
        remote: &'a Remote,
        key: &'a SigningKey,
    ) -> Result<Self, Failure> {
        let answer = call(spec, remote, Method::GET, Bytes::new(), DOCUMENT_BYTES_MAX).await?;
        judged(&answer).map_err(|failure| failure.about("the directory"))?;
        let directory = answers::directory(answer.body(), &spec.directory)
            .map_err(|why| Failure::refused(format!("the directory is {why}")))?;
        let mut session = Self { spec, remote, key, directory, nonce: None, account: None };
        session.account().await.map_err(|failure| failure.about("the account"))?;
        Ok(session)
    }

    async fn account(&mut self) -> Result<(), Failure> {
        let mut wish = Object::new().with("termsOfServiceAgreed", true);
        if let Some(email) = &self.spec.email {
            wish.set("contact", vec![format!("mailto:{email}")]);
        }
        let place = self.directory.new_account.clone();
        match &self.spec.external {
            Some(external) => wish.set("externalAccountBinding", self.binding(external, &place)?),
            None if self.directory.needs_external_account => {
                return Err(Failure::refused("the authority asks for an `external_account`"));
            }
            None => {}
        }
        let answer = self.post(&place, Said::Document(&wish)).await?;
        if !answers::is_valid_account(answer.body()).map_err(Failure::refused)? {
            return Err(Failure::refused("it may not order"));
        }
        self.account = Some(place_of(&answer, &self.spec.directory)?.0);
        Ok(())
    }

    /// The account's key, signed with the secret of one that was made elsewhere (RFC 8555 §7.3.4).
    fn binding(&self, external: &ExternalAccount, place: &Url) -> Result<Object, Failure> {
        let secret = decode_url(external.key.expose().as_bytes()).unwrap_or_default();
        let secret = SigningKey::secret(&secret, Algorithm::HS256)
            .map_err(|_| Failure::refused("the secret of `external_account` cannot be used"))?;
        let protected =
            Object::new().with("alg", "HS256").with("kid", &*external.id).with("url", place.to_string());
        signed(&secret, &protected, self.public_key().to_string().as_bytes())
    }

    fn public_key(&self) -> Object {
        let mut key = self.key.public_jwk();
        for name in ["kid", "use", "alg"] {
            key.remove(name);
        }
        key
    }

    /// What proves to whoever looks that `token` was given to this account (RFC 8555 §8.1).
    pub(super) fn authorization_of(&self, token: &str) -> String {
        format!("{token}.{}", self.key.kid())
    }

    /// Says something at `place`, and hears a document.
    pub(super) async fn post(&mut self, place: &Url, said: Said<'_>) -> Result<Response<Bytes>, Failure> {
        self.ask(place, said, DOCUMENT_BYTES_MAX).await
    }

    /// A chain of certificates in PEM.
    pub(super) async fn chain(&mut self, place: &Url) -> Result<String, Failure> {
        let answer = self.ask(place, Said::Nothing, CHAIN_BYTES_MAX).await?;
        if !is_of_type(&answer, CHAIN) {
            return Err(Failure::refused("what should be a chain of certificates has another media type"));
        }
        String::from_utf8(answer.into_body().into())
            .map_err(|_| Failure::refused("the chain of certificates is no text"))
    }

    async fn ask(
        &mut self,
        place: &Url,
        said: Said<'_>,
        bytes_max: usize,
    ) -> Result<Response<Bytes>, Failure> {
        let remote = beside(self.remote, place)?;
        for _ in 0..NONCES_MAX {
            let nonce = match self.nonce.take() {
                Some(nonce) => nonce,
                None => self.new_nonce().await?,
            };
            let body = self.signed_for(place, &nonce, said)?;
            let answer = call(self.spec, &remote, Method::POST, body, bytes_max).await?;
            self.nonce = nonce_of(&answer);
            match judged(&answer) {
                Ok(()) => return Ok(answer),
                Err(failure) if failure.is_of_nonce => {}
                Err(failure) => return Err(failure),
            }
        }
        Err(Failure::away("the authority takes none of the nonces it gives"))
    }

    async fn new_nonce(&self) -> Result<String, Failure> {
        let remote = beside(self.remote, &self.directory.new_nonce)?;
        let answer = call(self.spec, &remote, Method::HEAD, Bytes::new(), DOCUMENT_BYTES_MAX).await?;
        judged(&answer).map_err(|failure| failure.about("a nonce"))?;
        nonce_of(&answer).ok_or_else(|| Failure::refused("the authority gives no nonce"))
    }

    fn signed_for(&self, place: &Url, nonce: &str, said: Said<'_>) -> Result<Bytes, Failure> {
        let protected = Object::new().with("alg", self.key.algorithm().name());
        let protected = match &self.account {
            Some(account) => protected.with("kid", account.as_str()),
            None => protected.with("jwk", self.public_key()),
        };
        let protected = protected.with("nonce", nonce).with("url", place.to_string());
        let payload = match said {
            Said::Nothing => String::new(),
            Said::Document(document) => document.to_string(),
        };
        Ok(signed(self.key, &protected, payload.as_bytes())?.to_string().into())
    }
}

/// A flattened JWS (RFC 7515 §7.2.2).
fn signed(key: &SigningKey, protected: &Object, payload: &[u8]) -> Result<Object, Failure> {
    let (protected, payload) = (encode_url(protected.to_string().as_bytes()), encode_url(payload));
    let signature = key
        .sign_bytes(format!("{protected}.{payload}").as_bytes())
        .map_err(|_| Failure::away("nothing can be signed"))?;
    let protected = Object::new().with("protected", protected).with("payload", payload);
    Ok(protected.with("signature", encode_url(&signature)))
}

async fn call(
    spec: &Spec,
    remote: &Remote,
    method: Method,
    body: Bytes,
    answer_bytes_max: usize,
) -> Result<Response<Bytes>, Failure> {
    let mut fields = vec![(header::USER_AGENT, HeaderValue::from_static(USER_AGENT))];
    if method == Method::POST {
        fields.push((header::CONTENT_TYPE, HeaderValue::from_static("application/jose+json")));
    }
    if answer_bytes_max == CHAIN_BYTES_MAX {
        fields.push((header::ACCEPT, HeaderValue::from_static(CHAIN)));
    }
    let answer = remote.call(Call { method, fields, body, within: spec.timeout, answer_bytes_max }).await;
    answer.map_err(|error| Failure::away(error.to_string()))
}

fn beside(remote: &Remote, place: &Url) -> Result<Remote, Failure> {
    remote.beside(place.clone()).map_err(|error| Failure::refused(error.to_string()))
}

fn nonce_of(answer: &Response<Bytes>) -> Option<String> {
    answers::nonce(answer.headers().get(REPLAY_NONCE)?.as_bytes())
}

/// Where what was made is: as it was written, and as a URL.
pub(super) fn place_of(answer: &Response<Bytes>, own: &Url) -> Result<(String, Url), Failure> {
    let place = answer.headers().get(header::LOCATION).and_then(|place| place.to_str().ok());
    let place = place.ok_or_else(|| Failure::refused("an answer without `Location`"))?;
    let url = answers::own_url(place, own).map_err(|why| Failure::refused(format!("`Location`: {why}")))?;
    Ok((place.to_owned(), url))
}

/// For how long the authority asks us to wait.
pub(super) fn put_off(answer: &Response<Bytes>) -> Option<Duration> {
    let text = answer.headers().get(header::RETRY_AFTER)?.to_str().ok()?;
    let seconds: u64 = text.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(PUT_OFF_MAX))
}

/// Whether an answer is what was asked for.
fn judged(answer: &Response<Bytes>) -> Result<(), Failure> {
    let status = answer.status();
    if matches!(status, StatusCode::OK | StatusCode::CREATED | StatusCode::NO_CONTENT) {
        return Ok(());
    }
    let complaint = answers::error(answer.body());
    let is_of_nonce = complaint.as_ref().is_some_and(|complaint| complaint.is("badNonce"));
    let why = match complaint {
        Some(complaint) => format!("the authority answered {}: {complaint}", status.as_u16()),
        None => format!("the authority answered {}", status.as_u16()),
    };
    let is_refusal = !status.is_server_error() && status != StatusCode::TOO_MANY_REQUESTS;
    Err(Failure { why, is_refusal, is_of_nonce, retry_after: put_off(answer) })
}
