//! What an authority says (RFC 8555 §7.1), in its one reading, or why it counts for nothing.
//!
//! Pure: bytes in, a document or a reason out. A reason quotes little of what came, and nothing that is no plain text.

use portcullis_identity::json::{Limits, Object, Value, parse_object};

use crate::config::values::Url;

/// Most bytes of a document.
pub(super) const DOCUMENT_BYTES_MAX: usize = 64 << 10;
/// How deeply it may be nested.
const DEPTH_MAX: usize = 12;
/// Most bytes of a nonce, token or URL.
const TEXT_BYTES_MAX: usize = 1024;
/// Least characters of a token: 128 bits (RFC 8555 §8).
const TOKEN_CHARS_MIN: usize = 22;
/// How the types of errors begin.
const ERRORS: &str = "urn:ietf:params:acme:error:";

/// Where an authority is asked for what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Directory {
    pub(super) new_nonce: Url,
    pub(super) new_account: Url,
    pub(super) new_order: Url,
    /// An account must be bound to one that was made elsewhere.
    pub(super) needs_external_account: bool,
}

/// Where an order is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OrderStatus {
    Pending,
    Ready,
    Processing,
    Valid,
    Invalid,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Order {
    pub(super) status: OrderStatus,
    pub(super) authorizations: Vec<Url>,
    pub(super) finalize: Url,
    pub(super) certificate: Option<Url>,
    pub(super) error: Option<String>,
}

/// Whether a name is believed to be ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AuthorizationStatus {
    Pending,
    Valid,
    /// And never will be: invalid, deactivated, expired or revoked.
    Over,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Authorization {
    pub(super) name: String,
    pub(super) status: AuthorizationStatus,
    /// The challenge of the wanted kind.
    pub(super) challenge: Option<Challenge>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Challenge {
    pub(super) url: Url,
    pub(super) token: String,
    pub(super) error: Option<String>,
}

/// An error document (RFC 8555 §6.7).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Complaint {
    kind: String,
    detail: String,
}

pub(super) fn directory(body: &[u8], own: &Url) -> Result<Directory, String> {
    let document = document(body)?;
    let meta = document.get("meta").and_then(Value::as_object);
    let external = meta.and_then(|meta| meta.get("externalAccountRequired")).and_then(Value::as_bool);
    Ok(Directory {
        new_nonce: url(&document, "newNonce", own)?,
        new_account: url(&document, "newAccount", own)?,
        new_order: url(&document, "newOrder", own)?,
        needs_external_account: external.unwrap_or(false),
    })
}

/// Whether an account may order.
pub(super) fn is_valid_account(body: &[u8]) -> Result<bool, String> {
    Ok(document(body)?.get("status").and_then(Value::as_text) == Some("valid"))
}

/// An order, which must be for exactly `names`.
pub(super) fn order(body: &[u8], own: &Url, names: &[Box<str>]) -> Result<Order, String> {
    let document = document(body)?;
    let status = match text(&document, "status")? {
        "pending" => OrderStatus::Pending,
        "ready" => OrderStatus::Ready,
        "processing" => OrderStatus::Processing,
        "valid" => OrderStatus::Valid,
        "invalid" => OrderStatus::Invalid,
        _ => return Err("an order with a status that is none".to_owned()),
    };
    let identifiers = document.get("identifiers").and_then(Value::as_array).unwrap_or_default();
    let mut ordered =
        identifiers.iter().map(|one| one.as_object().and_then(identifier)).collect::<Option<Vec<_>>>();
    let mut wanted: Vec<&str> = names.iter().map(|name| &**name).collect();
    wanted.sort_unstable();
    if let Some(ordered) = &mut ordered {
        ordered.sort_unstable();
    }
    if ordered.as_deref().is_none_or(|ordered| ordered.iter().map(|name| &**name).ne(wanted)) {
        return Err("an order for other names than were asked for".to_owned());
    }
    let places = document.get("authorizations").and_then(Value::as_texts);
    let places = places.ok_or("an order without `authorizations`")?;
    let authorizations = places.map(|text| own_url(text, own)).collect::<Result<Vec<_>, _>>()?;
    if authorizations.is_empty() || authorizations.len() > names.len() {
        return Err("an order with too few or too many authorizations".to_owned());
    }
    let certificate = document.get("certificate").is_some().then(|| url(&document, "certificate", own));
    Ok(Order {
        status,
        authorizations,
        finalize: url(&document, "finalize", own)?,
        certificate: certificate.transpose()?,
        error: document.get("error").and_then(Value::as_object).map(|error| complaint(error).to_string()),
    })
}

/// An authorization, with its challenge of the kind `kind`.
pub(super) fn authorization(body: &[u8], own: &Url, kind: &str) -> Result<Authorization, String> {
    let document = document(body)?;
    let status = match text(&document, "status")? {
        "pending" => AuthorizationStatus::Pending,
        "valid" => AuthorizationStatus::Valid,
        "invalid" | "deactivated" | "expired" | "revoked" => AuthorizationStatus::Over,
        _ => return Err("an authorization with a status that is none".to_owned()),
    };
    let name = document.get("identifier").and_then(Value::as_object).and_then(identifier);
    let name = name.ok_or("an authorization of no name")?;
    if document.get("wildcard").and_then(Value::as_bool) == Some(true) {
        return Err("an authorization of a name that was not asked for".to_owned());
    }
    let challenges = document.get("challenges").and_then(Value::as_array).unwrap_or_default();
    let mut of_kind = challenges
        .iter()
        .filter_map(Value::as_object)
        .filter(|challenge| challenge.get("type").and_then(Value::as_text) == Some(kind));
    let challenge = of_kind.next().map(|challenge| self::challenge(challenge, own)).transpose()?;
    Ok(Authorization { name, status, challenge })
}

fn challenge(challenge: &Object, own: &Url) -> Result<Challenge, String> {
    let token = text(challenge, "token")?;
    // SECURITY: it becomes part of a path and of what is signed, and is whatever the authority likes otherwise.
    if token.len() < TOKEN_CHARS_MIN || !is_base64url(token) {
        return Err("a challenge whose token is none".to_owned());
    }
    Ok(Challenge {
        url: url(challenge, "url", own)?,
        token: token.to_owned(),
        error: challenge.get("error").and_then(Value::as_object).map(|error| complaint(error).to_string()),
    })
}

/// What an answer that is no success says; nothing, if it does not speak of errors.
pub(super) fn error(body: &[u8]) -> Option<Complaint> {
    document(body).ok().map(|document| complaint(&document))
}

/// A nonce that a header may have.
pub(super) fn nonce(value: &[u8]) -> Option<String> {
    std::str::from_utf8(value).ok().filter(|nonce| is_base64url(nonce)).map(str::to_owned)
}

/// A URL of the authority's, which must lead where its directory is.
pub(super) fn own_url(text: &str, own: &Url) -> Result<Url, String> {
    let url =
        Some(text).filter(|text| text.len() <= TEXT_BYTES_MAX).and_then(|text| text.parse::<Url>().ok());
    let url = url.ok_or("a URL that is none")?;
    // SECURITY: an answer may not send us elsewhere, least of all into the network behind us.
    if url.https && (&url.host, url.port) == (&own.host, own.port) {
        Ok(url)
    } else {
        Err("a URL that leads to another host than the directory's".to_owned())
    }
}

impl Complaint {
    pub(super) fn is(&self, kind: &str) -> bool {
        self.kind == kind
    }
}

impl std::fmt::Display for Complaint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.kind.as_str(), self.detail.as_str()) {
            ("", "") => f.write_str("without a reason"),
            (kind, "") => f.write_str(kind),
            ("", detail) => f.write_str(detail),
            (kind, detail) => write!(f, "{kind}: {detail}"),
        }
    }
}

fn complaint(document: &Object) -> Complaint {
    let shown = |name: &str| shown(document.get(name).and_then(Value::as_text).unwrap_or_default());
    let kind = shown("type");
    Complaint { kind: kind.strip_prefix(ERRORS).unwrap_or(&kind).to_owned(), detail: shown("detail") }
}

fn document(body: &[u8]) -> Result<Object, String> {
    let limits = Limits { bytes: DOCUMENT_BYTES_MAX, depth: DEPTH_MAX };
    parse_object(body, limits).map_err(|why| format!("no document: {}", why.as_str()))
}

fn text<'a>(document: &'a Object, name: &str) -> Result<&'a str, String> {
    let text = document.get(name).and_then(Value::as_text).filter(|text| text.len() <= TEXT_BYTES_MAX);
    text.ok_or_else(|| format!("a document without `{name}`"))
}

fn url(document: &Object, name: &str, own: &Url) -> Result<Url, String> {
    own_url(text(document, name)?, own).map_err(|why| format!("`{name}`: {why}"))
}

/// The name in an identifier (RFC 8555 §7.1.3), if it is one of a host.
fn identifier(identifier: &Object) -> Option<String> {
    let is_dns = identifier.get("type").and_then(Value::as_text) == Some("dns");
    let name = identifier.get("value").and_then(Value::as_text)?;
    (is_dns && name.len() <= 253).then(|| name.to_ascii_lowercase())
}

fn is_base64url(text: &str) -> bool {
    let is_digit = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    !text.is_empty() && text.len() <= TEXT_BYTES_MAX && text.bytes().all(is_digit)
}

/// As much of a text of others as fits in a line of a log.
fn shown(text: &str) -> String {
    const CHARS_MAX: usize = 200;
    text.chars().filter(|c| !c.is_control()).take(CHARS_MAX).collect()
}

#[cfg(test)]
mod tests;
