//! What an issuer's discovery document says about login (OpenID Connect Discovery 1.0 §3, RFC 8414, RFC 9207 §3).
//!
//! Read again whenever the document changes. An issuer that cannot do what we insist on is no provider of logins: PKCE by
//! S256, the authorization code flow, the way we prove ourselves. Each refusal names the reason and nothing that came
//! from elsewhere.

use portcullis_identity::json::{Object, Value};

use super::spec::{ClientProof, LoginSpec};
use crate::config::values::Url;
use crate::issuers::spec::Reach;

/// Where a provider's parts are, and what it does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provider {
    /// Its name.
    pub issuer: Box<str>,
    /// Where users are sent to log in.
    pub authorization: Url,
    /// Where codes become tokens.
    pub token: Url,
    /// Where users are sent to log out, if there is such a place.
    pub end_session: Option<Url>,
    /// Whether each answer names the provider (RFC 9207).
    pub names_itself: bool,
}

impl Provider {
    /// What `document` says, for the login of `spec`.
    ///
    /// # Errors
    /// Says why there is no login with it.
    pub fn read(document: &Object, spec: &LoginSpec, reach: &Reach) -> Result<Self, String> {
        let issuer = document.get("issuer").and_then(Value::as_text).ok_or("names no issuer")?;
        let own_is_clear = issuer.starts_with("http://");
        let place = |name: &str| -> Result<Option<Url>, String> {
            let Some(written) = document.get(name) else { return Ok(None) };
            let url: Option<Url> = written.as_text().and_then(|text| text.parse().ok());
            let url = url.ok_or_else(|| format!("has no URL as `{name}`"))?;
            if url.path.contains('#')
                || !(url.https || (own_is_clear && (url.is_loopback() || reach.cleartext)))
            {
                return Err(format!("has a `{name}` that is plain http or has a fragment"));
            }
            Ok(Some(url))
        };
        let needed = |name: &str| place(name)?.ok_or_else(|| format!("has no `{name}`"));
        pkce(document, spec)?;
        if !names(document, "response_types_supported", "code", false) {
            return Err("does not offer the authorization code flow".to_owned());
        }
        let method = match spec.proof {
            ClientProof::Secret(_) => "client_secret_basic",
            ClientProof::Key(..) => "private_key_jwt",
        };
        // Where nothing is said it is `client_secret_basic` (RFC 8414 §2).
        let is_default = matches!(spec.proof, ClientProof::Secret(_));
        if !names(document, "token_endpoint_auth_methods_supported", method, is_default) {
            return Err(format!("does not offer `{method}` at its token endpoint"));
        }
        let names_itself = document
            .get("authorization_response_iss_parameter_supported")
            .and_then(Value::as_bool)
            .unwrap_or(false);
        Ok(Self {
            issuer: issuer.into(),
            authorization: needed("authorization_endpoint")?,
            token: needed("token_endpoint")?,
            end_session: place("end_session_endpoint")?,
            names_itself,
        })
    }
}

/// PKCE is never done by another method than S256, and never left out (RFC 9700 §2.1.1).
fn pkce(document: &Object, spec: &LoginSpec) -> Result<(), String> {
    const LIST: &str = "code_challenge_methods_supported";
    match document.get(LIST) {
        None if spec.pkce_unannounced => Ok(()),
        None => Err(format!("offers no PKCE: it has no `{LIST}`")),
        Some(_) if names(document, LIST, "S256", false) => Ok(()),
        Some(_) => Err("offers PKCE, but not by S256".to_owned()),
    }
}

/// Whether a list of the document has `word`; `unsaid` where there is no list.
fn names(document: &Object, list: &str, word: &str, unsaid: bool) -> bool {
    match document.get(list) {
        None => unsaid,
        Some(value) => value.as_texts().is_some_and(|mut texts| texts.any(|text| text == word)),
    }
}
