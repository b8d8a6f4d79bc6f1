//! Heads between the canonical request and the codec, and between the codec and a canonical answer.
//!
//! The request has the fields that HTTP/1.1 would have had, names in lower case, and `:authority` in place of
//! `Host`. What the codec would write in another way than it was judged is refused rather than changed.
//!
//! The codec has refused what breaks RFC 9113 §8.2 and §8.3 by the names of an answer's fields: upper case, fields
//! of the connection, pseudo-header fields unknown, repeated, missing or late. Judged here: white space around
//! values (§8.2.1), the number of fields, and that there is one length.

use http::header::{ACCEPT, CONTENT_LENGTH, HeaderName, TE, USER_AGENT};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderMap, HeaderValue, Request, Uri, Version, response};
use portcullis_http1::{Fields, Framing, Refusal, ResponseHead};

use crate::http::canonical::{Said, forwarded_fields};
use crate::http::{BodyError, Canonical, Size};
use crate::pipeline::marks::Marks;
use crate::upstream::backend::Target;
use crate::upstream::failure::Failure;
use crate::upstream::request::{framing, request_target};

/// Fields of a trailer section.
pub(super) const TRAILER_FIELDS_MAX: u32 = 100;

const UNSPEAKABLE: Failure =
    Failure::Request(BodyError::Malformed("the request cannot be told in HTTP/2 without changing it"));

/// The head of `request` as `target` is to see it. `strip` bytes of the published path are left out.
pub(in crate::upstream) fn request(
    request: &Canonical,
    strip: usize,
    target: &Target,
    body: Size,
    marks: &Marks<'_>,
) -> Result<Request<()>, Failure> {
    let mut head = Request::new(());
    *head.method_mut() = request.method().clone();
    *head.version_mut() = Version::HTTP_2;
    *head.uri_mut() = uri(request_target(request, strip, &target.path).as_bytes(), target)?;
    let headers = head.headers_mut();
    for field in request.fields().iter() {
        if marks.lets_pass(field.name) {
            append(headers, field.name, field.value).ok_or(UNSPEAKABLE)?;
        }
    }
    let mut said = append(headers, b"x-request-id", marks.id.as_bytes());
    said = said.and_then(|()| append(headers, b"traceparent", marks.traceparent().value()));
    forwarded_fields(request, marks.way, |more| {
        said = said.and_then(|()| match more {
            Said::Field(label, value) => append(headers, label.name().as_bytes(), value),
            Said::Lines(lines) => lines.iter().try_for_each(|field| append(headers, field.name, field.value)),
        });
    });
    said.ok_or(UNSPEAKABLE)?;
    if request.te_trailers() {
        headers.insert(TE, HeaderValue::from_static("trailers"));
    }
    if let Framing::Length(length) = framing(request.method(), body) {
        headers.insert(CONTENT_LENGTH, length.into());
    }
    Ok(head)
}

/// A request of our own for `path`.
pub(in crate::upstream) fn own_request(
    path: &str,
    target: &Target,
    agent: &'static str,
) -> Result<Request<()>, Failure> {
    let mut head = Request::new(());
    *head.version_mut() = Version::HTTP_2;
    *head.uri_mut() = uri(path.as_bytes(), target)?;
    head.headers_mut().insert(USER_AGENT, HeaderValue::from_static(agent));
    head.headers_mut().insert(ACCEPT, HeaderValue::from_static("*/*"));
    Ok(head)
}

fn uri(line: &[u8], target: &Target) -> Result<Uri, Failure> {
    let path = PathAndQuery::try_from(line).map_err(|_| UNSPEAKABLE)?;
    // SECURITY: the codec's type cuts fragments and the like; what goes on is what was judged, or nothing.
    if path.as_str().as_bytes() != line {
        return Err(UNSPEAKABLE);
    }
    let mut parts = http::uri::Parts::default();
    parts.scheme = Some(if target.tls.is_some() { Scheme::HTTPS } else { Scheme::HTTP });
    parts.authority = Some(Authority::try_from(target.authority.as_str()).map_err(|_| UNSPEAKABLE)?);
    parts.path_and_query = Some(path);
    Uri::from_parts(parts).map_err(|_| UNSPEAKABLE)
}

fn append(map: &mut HeaderMap, name: &[u8], value: &[u8]) -> Option<()> {
    let name = HeaderName::from_bytes(name).ok()?;
    let value = HeaderValue::from_bytes(value).ok()?;
    map.try_append(name, value).ok().map(drop)
}

/// The fields as the codec takes them; `None` if it does not.
pub(super) fn map(fields: &Fields) -> Option<HeaderMap> {
    let mut map = HeaderMap::with_capacity(fields.len());
    for field in fields.iter() {
        append(&mut map, field.name, field.value)?;
    }
    Some(map)
}

/// The head of an answer, and what it says of its length.
pub(super) fn answer(parts: &response::Parts, fields_max: u32) -> Result<(ResponseHead, Size), Failure> {
    let mut head = ResponseHead::synthesize(parts.status.as_u16());
    head.fields = fields(&parts.headers, fields_max).map_err(Failure::Unexpected)?;
    Ok((head, size(&parts.headers)?))
}

/// A section of fields as it came, or what is wrong with it.
pub(super) fn fields(map: &HeaderMap, most: u32) -> Result<Fields, &'static str> {
    if map.len() > most as usize {
        return Err("too many fields");
    }
    let mut fields = Fields::new();
    for (name, value) in map {
        let is_space = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t'));
        if is_space(value.as_bytes().first()) || is_space(value.as_bytes().last()) {
            return Err("a field begins or ends with white space");
        }
        fields.push(name, value);
    }
    Ok(fields)
}

/// The codec holds the data to the length it has read here too.
fn size(map: &HeaderMap) -> Result<Size, Failure> {
    let mut lengths = map.get_all(CONTENT_LENGTH).iter();
    match (lengths.next(), lengths.next()) {
        (None, _) => Ok(Size::Unknown),
        (Some(length), None) => {
            let digits = length.to_str().ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
            match digits.and_then(|digits| digits.parse().ok()) {
                Some(length) => Ok(Size::Exactly(length)),
                None => Err(Refusal::ContentLengthInvalid.into()),
            }
        }
        (Some(_), Some(_)) => Err(Refusal::ContentLengthRepeated.into()),
    }
}

#[cfg(test)]
mod tests;
