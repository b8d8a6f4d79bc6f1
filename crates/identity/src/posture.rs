//! Posture tokens of others: signed by an attestation service, brought along by the app, judged as tokens by [`crate::jwt`].
//!
//! What they have besides is a binding: the hash of fields of the request they came with, so that a token taken from one
//! session opens no other.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{Context, SHA256};

use crate::base64::encode_standard;
use crate::claims::Claims;
use crate::json::Value;

/// The claim that holds the binding in tokens of Approov's shape.
pub const BINDING_CLAIM: &str = "pay";

/// The binding of a request: standard base64 of SHA-256 over the trimmed values, one after the other.
fn binding<'a>(values: impl IntoIterator<Item = &'a [u8]>) -> String {
    let mut hash = Context::new(&SHA256);
    for value in values {
        hash.update(value.trim_ascii());
    }
    encode_standard(hash.finish().as_ref())
}

/// Whether `claims` are bound to a request with these values in its fields. A token without a binding is bound to none.
pub fn is_bound<'a>(claims: &Claims, claim: &str, values: impl IntoIterator<Item = &'a [u8]>) -> bool {
    let stated = claims.members().get(claim).and_then(Value::as_text);
    let expected = binding(values);
    stated.is_some_and(|stated| verify_slices_are_equal(stated.as_bytes(), expected.as_bytes()).is_ok())
}

#[cfg(test)]
mod tests;
