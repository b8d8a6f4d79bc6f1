//! Writes the head a backend sees, from the canonical request and from nothing else.
//!
//! `Host` is the target's own authority, as a server expects that is reached directly; the host the client asked
//! for stands in `X-Forwarded-Host`. Forwarding the client's host instead lost: a backend behind a name-based
//! proxy or with a certificate of its own would have to know every published name.
//!
//! What is left out: everything that belongs to the client's connection or frames its message (gone from the
//! canonical request already), a request id in any spelling and `Traceparent`, which are written anew here, and
//! `Tracestate` of a trace that does not go on.

use std::borrow::Cow;

use http::Method;
use portcullis_http1::{Framing, HeadWriter};

use super::backend::Target;
use crate::http::canonical::{Said, forwarded_fields};
use crate::http::{Canonical, Size};
use crate::pipeline::marks::Marks;

/// Writes the head of `request` as `target` is to see it, and says how its body will be delimited. `strip` bytes
/// of the published path are left out.
pub(super) fn write_head(
    out: &mut Vec<u8>,
    request: &Canonical,
    strip: usize,
    target: &Target,
    body: Size,
    is_switch: bool,
    marks: &Marks<'_>,
) -> Framing {
    let line = request_target(request, strip, &target.path);
    let framing = framing(request.method(), body);
    let mut writer = HeadWriter::request(out, request.method().as_str().as_bytes(), line.as_bytes());
    writer.lines(&target.host);
    let fields = request.fields();
    // PERF: most requests name neither, so that all their lines go on in one copy.
    let mut writer = match marks.may_replace(fields) {
        true => writer.fields_if(fields, |field| marks.lets_pass(field.name)),
        false => writer.fields(fields),
    };
    forwarded_fields(request, marks.way, |said| match said {
        Said::Field(label, value) => writer.put(label, value),
        Said::Lines(lines) => writer.lines(lines),
    });
    writer.form(marks.id.line());
    writer.form(&marks.traceparent());
    if is_switch {
        writer = writer.field("connection", "upgrade").field("upgrade", "websocket");
    } else if request.te_trailers() {
        // RFC 9110 §10.1.4: `TE` belongs to one connection and is named by its `Connection`.
        writer = writer.field("te", "trailers").field("connection", "te");
    }
    writer.framing(framing).end();
    framing
}

/// The target's path in front, then the published path without its first `strip` bytes, then the query as it is.
pub(super) fn request_target<'a>(request: &'a Canonical, strip: usize, prefix: &str) -> Cow<'a, str> {
    let target = request.target();
    if !target.starts_with('/') {
        // `OPTIONS *` speaks of the server and has no path to put anything in front of.
        return Cow::Borrowed(target);
    }
    let rest = target.get(strip..).unwrap_or_default();
    match (prefix, rest.starts_with('/')) {
        ("", true) => Cow::Borrowed(rest),
        (_, true) => Cow::Owned([prefix, rest].concat()),
        (_, false) => Cow::Owned([prefix, "/", rest].concat()),
    }
}

/// RFC 9110 §8.6: a method that gives content a meaning says so when there is none.
pub(super) fn framing(method: &Method, body: Size) -> Framing {
    match body {
        Size::Exactly(length) => Framing::Length(length),
        Size::Unknown => Framing::Chunked,
        Size::None if matches!(*method, Method::POST | Method::PUT | Method::PATCH) => Framing::Length(0),
        Size::None => Framing::None,
    }
}

#[cfg(test)]
mod tests;
