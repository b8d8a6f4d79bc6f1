//! Problems as replies: rendered once, as `application/problem+json` (RFC 9457 §3).

use bytes::Bytes;
use portcullis_http1::Fields;
use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::http::{Body, Reply};
use crate::problem::Problem;

/// Room for the document of a usual problem.
const DOCUMENT_BYTES: usize = 512;

/// The reply to a problem. `instance` is the request id; the cause stays in the log.
pub fn render(problem: &Problem, request_id: &str) -> Reply {
    let mut fields = Fields::with_capacity(256, 6);
    fields.push("content-type", "application/problem+json");
    fields.push("cache-control", "no-store");
    for (name, value) in problem.fields() {
        fields.push(name, value);
    }
    let mut body = Vec::with_capacity(DOCUMENT_BYTES);
    if serde_json::to_writer(&mut body, &Document { problem, request_id }).is_err() {
        // Half a document is worse than none; the status says what is to be said.
        body.clear();
    }
    Reply { status: problem.kind().status, fields, body: Body::from_bytes(Bytes::from(body)) }
}

/// A problem as its caller reads it. Refusals are what a flood consists of: nothing is built on the way.
struct Document<'a> {
    problem: &'a Problem,
    request_id: &'a str,
}

impl Serialize for Document<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let kind = self.problem.kind();
        let mut document = serializer.serialize_map(None)?;
        document.serialize_entry("type", &Urn("urn:portcullis:problem:", kind.code))?;
        document.serialize_entry("title", kind.title)?;
        document.serialize_entry("status", &kind.status.as_u16())?;
        document.serialize_entry("detail", self.problem.detail())?;
        document.serialize_entry("instance", &Urn("urn:uuid:", self.request_id))?;
        document.serialize_entry("code", kind.code)?;
        for (name, value) in self.problem.members() {
            document.serialize_entry(name, value)?;
        }
        document.end()
    }
}

/// A name within a namespace.
struct Urn<'a>(&'static str, &'a str);

impl Serialize for Urn<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{}{}", self.0, self.1))
    }
}
