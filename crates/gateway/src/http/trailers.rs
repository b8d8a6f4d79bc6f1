//! Trailers that may go on, in either direction (RFC 9110 §6.5).
//!
//! Trailers come after every judgement, and some recipients merge them into the head. So of the fields whose
//! meaning is known only those made for trailers pass; a `Host`, `Authorization`, `Content-Length` or claim in a
//! trailer is dropped, in every alias spelling. Unknown names pass: an API may have its own, and gRPC has.

use portcullis_http1::Fields;

use super::names;

/// Drops what may not stand in a trailer section.
pub fn canonicalise_trailers(fields: &mut Fields) {
    fields.retain(|field| names::kind(field.name).is_none() || is_made_for_trailers(field.name));
}

// Known only once the content has been sent: digests, signatures over them, validators, timings, a call's status.
fn is_made_for_trailers(name: &[u8]) -> bool {
    const NAMES: &[&str] = &[
        "content-digest",
        "repr-digest",
        "digest",
        "content-md5",
        "signature",
        "signature-input",
        "etag",
        "server-timing",
    ];
    const GRPC: &[u8] = b"grpc-";
    NAMES.iter().any(|known| name.eq_ignore_ascii_case(known.as_bytes()))
        || name.get(..GRPC.len()).is_some_and(|start| start.eq_ignore_ascii_case(GRPC))
}

#[cfg(test)]
mod tests;
