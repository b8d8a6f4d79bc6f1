//! Attestation rules: that each says once how its tokens are verified, and names what there is.

use portcullis_identity::base64::decode_standard;
use portcullis_openapi::source::Pointer;

use super::names::is_field_name;
use super::{Judge, once_each, root};
use crate::config::Attestation;

/// Least bytes of a secret for HS256 (RFC 7518 §3.2).
const SECRET_BYTES_MIN: usize = 32;
/// The word for no rule.
pub(super) const NONE: &str = "none";

pub(super) fn judge(judge: &mut Judge<'_>) {
    let config = judge.config;
    for (name, rule) in &config.attestation {
        let path = root().key("attestation").key(name);
        if name == NONE {
            judge.key(&path, "is the word for no rule", "give it another name");
        }
        if !is_field_name(&rule.field) {
            judge.value(&path.key("field"), format!("{:?} is no field name", rule.field), "");
        }
        key(judge, &path, rule);
        for (index, field) in rule.binding.iter().enumerate().filter(|(_, field)| !is_field_name(field)) {
            judge.value(&path.key("binding").index(index), format!("{field:?} is no field name"), "");
        }
        once_each(judge, &path.key("binding"), &rule.binding);
        if rule.binding_claim.is_some() && rule.binding.is_empty() {
            judge.key(&path.key("binding_claim"), "binds to nothing", "add `binding: [FIELD]`");
        }
    }
}

/// Where the key of a rule comes from.
fn key(judge: &mut Judge<'_>, path: &Pointer, rule: &Attestation) {
    let config = judge.config;
    let sources = [rule.secret.is_some(), rule.secret_base64.is_some(), rule.issuer.is_some()]
        .iter()
        .filter(|is| **is)
        .count();
    if sources != 1 {
        let hint = "write one of `secret`, `secret_base64` and `issuer`";
        judge.key(path, "says not exactly once how its tokens are verified", hint);
    }
    if rule.secret.as_ref().is_some_and(|secret| secret.expose().len() < SECRET_BYTES_MIN) {
        judge.value(&path.key("secret"), "is shorter than 32 bytes", "");
    }
    if let Some(secret) = &rule.secret_base64 {
        match decode_standard(secret.expose().as_bytes()) {
            None => judge.value(&path.key("secret_base64"), "is no base64", "it is padded with `=`"),
            Some(bytes) if bytes.len() < SECRET_BYTES_MIN => {
                judge.value(&path.key("secret_base64"), "is shorter than 32 bytes", "");
            }
            Some(_) => {}
        }
    }
    if let Some(issuer) = &rule.issuer {
        judge.reference(&path.key("issuer"), "issuer", issuer, &config.issuers);
        if config.issuers.get(issuer).is_some_and(|issuer| issuer.is_asked()) {
            judge.value(&path.key("issuer"), "is asked about its tokens", "name one with `openid` or `jwks`");
        }
        if rule.iss.is_some() {
            judge.key(&path.key("iss"), "is what the issuer says already", "take it out");
        }
    }
}

/// A name of a rule, where settings ask for it.
pub(super) fn reference(judge: &mut Judge<'_>, path: &Pointer, name: &str) {
    let config = judge.config;
    if name != NONE {
        judge.reference(path, "attestation rule", name, &config.attestation);
    }
}
