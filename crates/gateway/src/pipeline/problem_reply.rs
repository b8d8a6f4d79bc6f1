//! Problems as replies: rendered once, as `application/problem+json` (RFC 9457 §3).

use bytes::Bytes;
use portcullis_http1::Fields;
use serde_json::{Map, Value};

use crate::http::{Body, Reply};
use crate::problem::Problem;

/// The reply to a problem. `instance` is the request id; the cause stays in the log.
pub fn render(problem: &Problem, request_id: &str) -> Reply {
    let kind = problem.kind();
    let mut document = Map::new();
    let mut put = |name: &str, value: Value| document.insert(name.to_owned(), value);
    put("type", format!("urn:portcullis:problem:{}", kind.code).into());
    put("title", kind.title.into());
    put("status", kind.status.as_u16().into());
    put("detail", problem.detail().into());
    put("instance", format!("urn:uuid:{request_id}").into());
    put("code", kind.code.into());
    for (name, value) in problem.members() {
        put(name, value.clone());
    }
    let mut fields = Fields::with_capacity(128, 4);
    fields.push("content-type", "application/problem+json");
    fields.push("cache-control", "no-store");
    for (name, value) in problem.fields() {
        fields.push(name, value);
    }
    let body = serde_json::to_vec(&document).unwrap_or_default();
    Reply { status: kind.status, fields, body: Body::from_bytes(Bytes::from(body)) }
}
