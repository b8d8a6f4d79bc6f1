//! Problems as replies: rendered once, as `application/problem+json` (RFC 9457 §3).

use bytes::Bytes;
use http::StatusCode;
use portcullis_http1::Fields;

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
    let status = problem.kind().status;
    let body = document(problem, status, request_id);
    Reply { status, fields, body: Body::from_bytes(Bytes::from(body)) }
}

/// The document of a problem, in a reply of `status`.
pub fn document(problem: &Problem, status: StatusCode, request_id: &str) -> Vec<u8> {
    let mut body = Vec::with_capacity(DOCUMENT_BYTES);
    if write(&mut body, problem, status, request_id).is_err() {
        // Half a document is worse than none; the status says what is to be said.
        body.clear();
    }
    body
}

/// A problem as its caller reads it.
// PERF: written by hand, because refusals are what a flood consists of: a serialiser that looks at each byte for what to
// escape took a seventh of the instructions of a refusal.
fn write(
    out: &mut Vec<u8>,
    problem: &Problem,
    status: StatusCode,
    request_id: &str,
) -> serde_json::Result<()> {
    let kind = problem.kind();
    debug_assert!(is_plain(kind.code) && is_plain(request_id), "names that need no escaping");
    out.extend_from_slice(b"{\"type\":\"urn:portcullis:problem:");
    out.extend_from_slice(kind.code.as_bytes());
    out.extend_from_slice(b"\",\"title\":");
    text(out, kind.title)?;
    out.extend_from_slice(b",\"status\":");
    out.extend_from_slice(status.as_str().as_bytes());
    out.extend_from_slice(b",\"detail\":");
    text(out, problem.detail())?;
    out.extend_from_slice(b",\"instance\":\"urn:uuid:");
    out.extend_from_slice(request_id.as_bytes());
    out.extend_from_slice(b"\",\"code\":\"");
    out.extend_from_slice(kind.code.as_bytes());
    out.push(b'"');
    for (name, value) in problem.members() {
        out.push(b',');
        text(out, name)?;
        out.push(b':');
        out.extend_from_slice(value.as_bytes());
    }
    out.push(b'}');
    Ok(())
}

/// A text with its quotes.
fn text(out: &mut Vec<u8>, text: &str) -> serde_json::Result<()> {
    if !is_plain(text) {
        return serde_json::to_writer(out, text);
    }
    out.push(b'"');
    out.extend_from_slice(text.as_bytes());
    out.push(b'"');
    Ok(())
}

/// Whether nothing of it needs escaping. Looks at every byte, and so at sixteen at once.
fn is_plain(text: &str) -> bool {
    let plain = |byte: u8| (b' '..=b'~').contains(&byte) & (byte != b'"') & (byte != b'\\');
    text.bytes().fold(true, |all, byte| all & plain(byte))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::render;
    use crate::http::Body;
    use crate::pipeline::identified::CREDENTIAL_INVALID;

    #[test]
    fn a_document_is_json_whatever_is_said_in_it() {
        for detail in ["plain", "a \"quote\", a \\, a\nline, an ä"] {
            let problem = CREDENTIAL_INVALID.with(detail).member("scopes \"wanted\"", json!(["a\"b", 7]));
            let reply = render(&problem, "018f");
            let Body::Memory(Some(body)) = reply.body else { panic!("no document") };
            let read: Value = serde_json::from_slice(&body).expect("JSON");
            let expected = json!({
                "type": "urn:portcullis:problem:credential-invalid",
                "title": CREDENTIAL_INVALID.title,
                "status": 401,
                "detail": detail,
                "instance": "urn:uuid:018f",
                "code": "credential-invalid",
                "scopes \"wanted\"": ["a\"b", 7],
            });
            assert_eq!(read, expected);
        }
    }
}
