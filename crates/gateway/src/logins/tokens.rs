//! The token endpoint: codes and refresh tokens become tokens (RFC 6749 §4.1.3, §6), and ID tokens are judged
//! (OpenID Connect Core 1.0 §3.1.3.7, §12.2).
//!
//! # Limits
//! [`ANSWER_BYTES_MAX`] of an answer, the issuer's `timeout` for each call.
//!
//! # Threats
//! The provider may be slow, endless or hostile, or be another one than the browser came from. A redirect is an answer like
//! any other and followed nowhere, so a code or secret goes to the one place that the discovery document named. What is no
//! answer of a token endpoint says that the provider is not well; only what OAuth calls an error says that the code is not
//! good. Neither lets anybody in.

use std::time::Duration;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, SHA384, SHA512, digest};
use bytes::Bytes;
use http::{HeaderValue, Method, Response, StatusCode, header};
use portcullis_identity::algorithm::{Algorithm, Algorithms};
use portcullis_identity::base64::encode_url;
use portcullis_identity::claims::Claims;
use portcullis_identity::json::{self, Limits, Value};
use portcullis_identity::jwt::{Kind, Rules};

use super::{Failed, Login, Ready};
use crate::fetch::{Call, is_of_type};
use crate::secret::Secret;

/// Bytes of an answer.
pub const ANSWER_BYTES_MAX: usize = 64 << 10;
/// How deeply one may be nested.
const DEPTH_MAX: usize = 8;
/// How old an ID token may be that was made for a login just now.
const ISSUED_MAX: Duration = Duration::from_secs(600);

/// What a token endpoint gave.
pub struct Granted {
    /// Who logged in, as the provider signs it.
    pub id_token: Option<Secret>,
    /// What is asked for by others in the user's name.
    pub access_token: Secret,
    /// What brings the next of both.
    pub refresh_token: Option<Secret>,
    /// How long the access token lasts.
    pub lasts: Option<Duration>,
    /// What it may be used for, where that is not what was asked for.
    pub scopes: Option<Box<str>>,
}

/// What an ID token must fit.
pub struct Expected<'a> {
    /// That of the login under way; a renewed one needs none.
    pub nonce: Option<&'a str>,
    /// Whom it must be about, when that is known.
    pub subject: Option<&'a str>,
}

impl Login {
    /// Asks the token endpoint for what `grant` grants.
    pub(super) async fn ask(&self, ready: &Ready, grant: &[(&str, &str)]) -> Result<Granted, Failed> {
        let _place = self.asking.try_acquire().map_err(|_| {
            Failed::Unavailable("too many logins wait for the token endpoint already".to_owned())
        })?;
        let says = self.client.says(grant);
        let (mut fields, body) = says.ok_or_else(|| {
            Failed::Unavailable("who we are cannot be said to the token endpoint".to_owned())
        })?;
        fields.push((header::ACCEPT, HeaderValue::from_static("application/json")));
        let answer = ready.token.call(Call {
            method: Method::POST,
            fields,
            body: Bytes::from(body),
            within: self.timeout,
            answer_bytes_max: ANSWER_BYTES_MAX,
        });
        let answer =
            answer.await.map_err(|error| Failed::Unavailable(format!("the token endpoint: {error}")))?;
        granted(&answer)
    }

    /// What an ID token says, if all of it holds.
    pub(super) async fn identify(
        &self,
        granted: &Granted,
        expected: &Expected<'_>,
    ) -> Result<Claims, Failed> {
        let token = granted.id_token.as_ref().ok_or_else(|| refused("the provider gave no ID token"))?;
        let tokens = &self.issuer.spec().tokens;
        let rules = Rules {
            issuer: self.issuer.issuer().map(Into::into),
            audiences: Some(vec![self.spec.client_id.clone()]),
            algorithms: Algorithms::ASYMMETRIC,
            kind: Kind::Plain,
            subject: true,
            leeway: tokens.leeway,
        };
        let (claims, algorithm) = self.issuer.verify_signed(token.expose().as_bytes(), &rules).await?;
        judge(&claims, algorithm, granted, expected, &self.spec.client_id).map_err(refused)?;
        let issued =
            claims.issued().ok_or_else(|| refused("the ID token does not say when it was issued"))?;
        if issued.saturating_add(ISSUED_MAX) < crate::clock::wall() {
            return Err(refused("the ID token is of an earlier login"));
        }
        Ok(claims)
    }
}

/// What the rules of all tokens leave open of an ID token.
fn judge(
    claims: &Claims,
    algorithm: Algorithm,
    granted: &Granted,
    expected: &Expected<'_>,
    client_id: &str,
) -> Result<(), &'static str> {
    let text = |name| match claims.get(name) {
        None => Ok(None),
        Some(value) => value.as_text().map(Some).ok_or("a claim of the ID token has the wrong type"),
    };
    let several = claims.audience().nth(1).is_some();
    match text("azp")? {
        Some(party) if party != client_id => return Err("the ID token was made for another client"),
        None if several => return Err("the ID token has several audiences and names no client"),
        _ => {}
    }
    match (expected.nonce, text("nonce")?) {
        (Some(expected), Some(nonce)) if is_same(expected, nonce) => {}
        (Some(_), _) => return Err("the ID token has not the nonce of this login"),
        (None, _) => {}
    }
    if expected.subject.is_some_and(|subject| claims.subject() != Some(subject)) {
        return Err("the renewed ID token is about somebody else");
    }
    if let Some(hash) = text("at_hash")?
        && !is_same(hash, &half_hash(algorithm, granted.access_token.expose()))
    {
        return Err("the ID token is of another access token: its at_hash differs");
    }
    if claims.members().has("events") {
        return Err("the ID token is no ID token");
    }
    Ok(())
}

/// The left half of a hash, as an ID token carries it (OpenID Connect Core §3.1.3.6).
fn half_hash(algorithm: Algorithm, text: &str) -> String {
    let hash = match algorithm {
        Algorithm::RS384 | Algorithm::PS384 | Algorithm::ES384 => &SHA384,
        Algorithm::RS512 | Algorithm::PS512 | Algorithm::ES512 | Algorithm::EdDSA => &SHA512,
        _ => &SHA256,
    };
    let hash = digest(hash, text.as_bytes());
    let half = hash.as_ref().len() / 2;
    encode_url(hash.as_ref().get(..half).unwrap_or_default())
}

/// Whether two texts are the same, in a time that does not say where they differ.
pub(super) fn is_same(one: &str, other: &str) -> bool {
    verify_slices_are_equal(one.as_bytes(), other.as_bytes()).is_ok()
}

/// What an answer of a token endpoint grants (RFC 6749 §5).
fn granted(answer: &Response<Bytes>) -> Result<Granted, Failed> {
    let limits = Limits { bytes: ANSWER_BYTES_MAX, depth: DEPTH_MAX };
    let status = answer.status();
    let unwell =
        |why: &str| Failed::Unavailable(format!("the token endpoint: status {}, {why}", status.as_u16()));
    let is_json = is_of_type(answer, "application/json");
    let members = if is_json { json::parse_object(answer.body(), limits).ok() } else { None };
    let Some(members) = members else { return Err(unwell("not the JSON it should be")) };
    let text = |name: &str| members.get(name).and_then(Value::as_text);
    match status {
        StatusCode::OK => {}
        // The code or refresh token is not good; all else is between the provider and us.
        StatusCode::BAD_REQUEST if text("error") == Some("invalid_grant") => {
            return Err(refused("the provider does not know the code or refresh token: invalid_grant"));
        }
        _ => {
            let known =
                ["invalid_client", "invalid_request", "unauthorized_client", "unsupported_grant_type"];
            let error = text("error").and_then(|error| known.into_iter().find(|known| *known == error));
            return Err(unwell(error.unwrap_or("an error")));
        }
    }
    if !text("token_type").is_some_and(|kind| kind.eq_ignore_ascii_case("bearer")) {
        return Err(unwell("its access token is no bearer token"));
    }
    let access_token = text("access_token").filter(|token| !token.is_empty());
    let lasts = match members.get("expires_in") {
        None => None,
        Some(value) => {
            let seconds = value.as_number().and_then(|number| number.as_u64());
            Some(Duration::from_secs(seconds.ok_or_else(|| unwell("an `expires_in` that is no number"))?))
        }
    };
    Ok(Granted {
        id_token: text("id_token").map(Secret::new),
        access_token: access_token.map(Secret::new).ok_or_else(|| unwell("no access token"))?,
        refresh_token: text("refresh_token").filter(|token| !token.is_empty()).map(Secret::new),
        lasts,
        scopes: text("scope").map(Into::into),
    })
}

fn refused(why: impl Into<String>) -> Failed {
    Failed::Refused(why.into())
}
