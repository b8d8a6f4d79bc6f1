//! The document in which an issuer says where its keys are (OpenID Connect Discovery 1.0, RFC 8414).
//!
//! It must name the issuer it was asked for (§4.3), letter for letter: whoever answers for another one could have that
//! one's tokens accepted. For keys nothing else of it is read but `jwks_uri`.

use portcullis_identity::json::{Limits, Object, Value, parse_object};

use super::spec::Reach;
use crate::config::values::Url;

/// Most bytes of the document.
pub const DOCUMENT_BYTES_MAX: usize = 64 << 10;
/// How deeply it may be nested.
const DEPTH_MAX: usize = 16;
/// Where it is, behind the issuer's own path.
const WELL_KNOWN: &str = "/.well-known/openid-configuration";

/// Where the document of the issuer called `issuer` is.
pub fn place(issuer: &str) -> Option<Url> {
    format!("{}{WELL_KNOWN}", issuer.trim_end_matches('/')).parse().ok()
}

/// Where the keys of `issuer` are, as its document says, and the document.
///
/// # Errors
/// Says why the document does not count. It quotes nothing of it but a wrong issuer.
pub fn read(document: &[u8], issuer: &str, own: &Url, reach: &Reach) -> Result<(Url, Object), String> {
    let limits = Limits { bytes: DOCUMENT_BYTES_MAX, depth: DEPTH_MAX };
    let document =
        parse_object(document, limits).map_err(|why| format!("is no document: {}", why.as_str()))?;
    match document.get("issuer").and_then(Value::as_text) {
        Some(named) if named == issuer => {}
        Some(named) => return Err(format!("is of the issuer {:?}, not of {issuer:?}", shown(named))),
        None => return Err("names no issuer".to_owned()),
    }
    let keys = document.get("jwks_uri").and_then(Value::as_text).ok_or("has no `jwks_uri`")?;
    let keys: Url = keys.parse().map_err(|_| "has a `jwks_uri` that is no URL")?;
    if may_be_asked(&keys, own, reach) {
        Ok((keys, document))
    } else {
        Err("has a `jwks_uri` that is plain http".to_owned())
    }
}

/// Keys come over TLS; in cleartext from this machine, where the document came from it too, or where that was written.
fn may_be_asked(keys: &Url, own: &Url, reach: &Reach) -> bool {
    keys.https || (!own.https && (keys.is_loopback() || reach.cleartext))
}

/// As much of a text of others as fits in a line of a log.
fn shown(text: &str) -> String {
    const CHARS_MAX: usize = 200;
    text.chars().filter(|c| !c.is_control()).take(CHARS_MAX).collect()
}

#[cfg(test)]
mod tests;
