//! Fields behind a chunked body, and which of them go on.
//!
//! Many programs merge trailers into the head's fields once they have read them, and by then every control has
//! judged the head. So what frames, routes, authenticates, authorizes or steers a message is dropped when it
//! comes behind it (RFC 9110 §6.5.1), and so is, toward a backend, what only a gateway may say.

use portcullis_http1::Fields;

use crate::http::claims;

/// Fields that mean something in a head only.
const NEVER: &[&str] = &[
    // Of the connection, and framing.
    "connection",
    "content-length",
    "expect",
    "host",
    "http2-settings",
    "keep-alive",
    "max-forwards",
    "proxy-authenticate",
    "proxy-authentication-info",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    // Who sends it, and what is asked.
    "authorization",
    "cookie",
    "dpop",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "origin",
    "range",
    "signature",
    "signature-input",
    "x-api-key",
    "x-request-id",
    // How content is to be read, kept and trusted.
    "age",
    "cache-control",
    "content-encoding",
    "content-range",
    "content-security-policy",
    "content-type",
    "date",
    "expires",
    "location",
    "pragma",
    "refresh",
    "retry-after",
    "set-cookie",
    "strict-transport-security",
    "vary",
    "warning",
    "www-authenticate",
    "x-content-type-options",
    "x-frame-options",
];

/// Request trailers as a backend may see them.
pub(super) fn for_backend(mut trailers: Fields) -> Fields {
    claims::strip(&mut trailers);
    for_client(trailers)
}

/// Answer trailers as a client may see them.
pub(super) fn for_client(mut trailers: Fields) -> Fields {
    trailers.retain(|field| {
        !NEVER.iter().any(|name| claims::are_aliases(field.name, name.as_bytes()))
            && !starts_with(field.name, b"access-control-")
    });
    trailers
}

fn starts_with(name: &[u8], prefix: &[u8]) -> bool {
    name.get(..prefix.len()).is_some_and(|start| claims::are_aliases(start, prefix))
}

#[cfg(test)]
mod tests;
