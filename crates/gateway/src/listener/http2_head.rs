//! From a decoded HTTP/2 head to the one shape of head that everything after the wire reads.
//!
//! The codec has refused what breaks RFC 9113 §8.2 and §8.3 by the names of fields: upper case, fields of the
//! connection, `te` other than `trailers`, pseudo-header fields unknown, repeated, missing or late. It keeps neither
//! the order across names nor a fragment in `:path`; rules see a request line that is put together here, and
//! `:authority` as the first `host` field. Whether the host agrees with `:authority`, and everything else that
//! HTTP/1.1 has too, is judged by [`crate::http::Canonical`].
//!
//! Judged here: what only this wire has. `:path` must be there and visible ASCII, a field value must not begin or
//! end with white space (RFC 9113 §8.2.1), `:scheme` must be the scheme of the connection. A proxy that ends TLS
//! in front of us passes `https` through on cleartext: that is believed from trusted proxies, and decides nothing.
//!
//! # Limits
//! `head`, `line` and `fields`, as for HTTP/1.1; every crumb of a cookie counts as a field (CVE-2026-49975). Beyond
//! that, [`REPEATED_BYTES_MAX`]: a byte that refers to a table of 4 KiB unfolds to no more than the table, unless
//! it is said again and again. The bound on the decoded list, `h2_header_list`, is the codec's.

use http::header::{CONTENT_LENGTH, COOKIE};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use portcullis_http1::{Fields, Refusal, RequestHead};

use crate::bounds::Bounds;
use crate::exchange::Refused;
use crate::http::{Head, Malformed, Peer, Size, Wire};

/// Bytes of fields that have been said before in the same head, name and value. No honest client has any.
const REPEATED_BYTES_MAX: usize = 4 * 1024;

/// The head of a request, or why it has none. `ended` says that no body follows, `tls_ends_before` whether the sender
/// may speak for clients of its own.
pub(super) fn read(
    parts: &Parts,
    ended: bool,
    bounds: &Bounds,
    peer: &Peer,
    tls_ends_before: impl FnOnce() -> bool,
) -> Result<Head, Refused> {
    measure(parts, bounds)?;
    judge_scheme(&parts.uri, peer, tls_ends_before)?;
    let target = target(parts)?;
    let mut request = RequestHead::synthesize(parts.method.as_str().as_bytes(), target.as_bytes(), "HTTP/2");
    if let Some(authority) = parts.uri.authority() {
        request.fields.push("host", authority.as_str());
    }
    copy(&parts.headers, &mut request.fields)?;
    let size = size(&parts.headers)?;
    let size = if ended { Size::None } else { size };
    Ok(Head { request, wire: Wire::Http2, size })
}

/// The bounds of a head, on what HTTP/1.1 would have sent.
fn measure(parts: &Parts, bounds: &Bounds) -> Result<(), Refused> {
    const LINE_EXTRA: usize = "  HTTP/2".len();
    const FIELD_EXTRA: usize = ": ".len();
    const LINE_END: usize = "\r\n".len();
    let target = parts.uri.path_and_query().map_or(0, |path| path.as_str().len());
    let line = parts.method.as_str().len().saturating_add(target).saturating_add(LINE_EXTRA);
    if line as u64 > bounds.line {
        return Err(Refused::Bytes(Refusal::RequestLineTooLong));
    }
    let authority = parts.uri.authority().map(|authority| ("host".len(), authority.as_str().len()));
    let others = parts.headers.iter().map(|(name, value)| (name.as_str().len(), value.len()));
    let (mut count, mut total) = (0_usize, line);
    for (name, value) in authority.into_iter().chain(others) {
        let line = name.saturating_add(value).saturating_add(FIELD_EXTRA);
        if line as u64 > bounds.line {
            return Err(Refused::Bytes(Refusal::FieldLineTooLong));
        }
        count = count.saturating_add(1);
        total = total.saturating_add(line).saturating_add(LINE_END);
    }
    if count > bounds.fields as usize {
        return Err(Refused::Bytes(Refusal::TooManyFields));
    }
    if total as u64 > bounds.head || repeated_bytes(&parts.headers) > REPEATED_BYTES_MAX {
        return Err(Refused::Bytes(Refusal::HeadTooLarge));
    }
    Ok(())
}

/// Bytes of values that repeat a value of the same name.
fn repeated_bytes(map: &HeaderMap) -> usize {
    if map.keys_len() == map.len() {
        return 0;
    }
    let mut bytes = 0_usize;
    for name in map.keys() {
        for (at, value) in map.get_all(name).iter().enumerate() {
            if map.get_all(name).iter().take(at).any(|before| before == value) {
                bytes = bytes.saturating_add(value.len());
            }
        }
    }
    bytes
}

fn judge_scheme(uri: &Uri, peer: &Peer, tls_ends_before: impl FnOnce() -> bool) -> Result<(), Refused> {
    // The codec keeps no scheme where there is no authority.
    let Some(scheme) = uri.scheme_str() else { return Ok(()) };
    if scheme == peer.scheme().as_str() || scheme == "https" && tls_ends_before() {
        Ok(())
    } else {
        Err(Refused::Head(Malformed::TargetScheme))
    }
}

fn target(parts: &Parts) -> Result<&str, Refused> {
    let target = if parts.method == Method::CONNECT {
        parts.uri.authority().map_or("", |authority| authority.as_str())
    } else if parts.uri.path().is_empty() {
        // RFC 9113 §8.3.1: exactly one `:path`, and not empty.
        ""
    } else {
        parts.uri.path_and_query().map_or("", |path| path.as_str())
    };
    if target.is_empty() {
        return Err(Refused::Head(Malformed::TargetForm));
    }
    if target.bytes().any(|byte| !byte.is_ascii_graphic()) {
        return Err(Refused::Bytes(Refusal::TargetInvalid));
    }
    Ok(target)
}

/// Copies the fields; crumbs become one cookie (RFC 9113 §8.2.3).
fn copy(map: &HeaderMap, fields: &mut Fields) -> Result<(), Refused> {
    let mut cookie = Vec::new();
    for (name, value) in map {
        if !is_token(name) {
            return Err(Refused::Bytes(Refusal::FieldNameInvalid));
        }
        if !is_trimmed(value) {
            return Err(Refused::Head(Malformed::FieldSpace));
        }
        if name != COOKIE {
            fields.push(name, value);
            continue;
        }
        if !cookie.is_empty() {
            cookie.extend_from_slice(b"; ");
        }
        cookie.extend_from_slice(value.as_bytes());
    }
    if map.contains_key(COOKIE) {
        fields.push(COOKIE, cookie);
    }
    Ok(())
}

/// RFC 9110 §5.6.2. The codec takes a quotation mark for part of a name; behind us, where HTTP/1.1 is spoken, no
/// two readers agree on it.
pub(super) fn is_token(name: &HeaderName) -> bool {
    !name.as_str().contains('"')
}

/// RFC 9113 §8.2.1. Other implementations trim what they are sent; then two of them read two values.
pub(super) fn is_trimmed(value: &HeaderValue) -> bool {
    let is_space = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t'));
    let bytes = value.as_bytes();
    !is_space(bytes.first()) && !is_space(bytes.last())
}

/// The codec holds the data to the length it has read here too.
fn size(headers: &HeaderMap) -> Result<Size, Refused> {
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    match (lengths.next(), lengths.next()) {
        (None, _) => Ok(Size::Unknown),
        (Some(length), None) => {
            let length = length.to_str().ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
            let length = length.and_then(|digits| digits.parse().ok());
            // Also where it is none: as long as the stream has not ended, nothing says that it will send none.
            length.map(Size::Exactly).ok_or(Refused::Bytes(Refusal::ContentLengthInvalid))
        }
        (Some(_), Some(_)) => Err(Refused::Bytes(Refusal::ContentLengthRepeated)),
    }
}

#[cfg(test)]
mod tests;
