//! What else of an answer changes with its content: fields that describe it.

use bytes::Bytes;
use portcullis_http1::Fields;

use super::problems::RESPONSE_REPLACED;
use crate::http::Body;
use crate::pipeline::{Answered, problem_reply};

/// Fields that are true of the very bytes they came with.
const OF_BYTES: &[&str] = &[
    "accept-ranges",
    "content-digest",
    "content-encoding",
    "content-length",
    "content-md5",
    "content-range",
    "digest",
    "etag",
    "repr-digest",
];

/// Fields that describe the content beside those.
const OF_CONTENT: &[&str] =
    &["content-disposition", "content-language", "content-location", "content-type", "last-modified"];

/// The content is another one: what was true of the old bytes is gone.
pub(super) fn of_content(answer: &mut Answered) {
    remove(answer.fields_mut(), OF_BYTES);
}

/// There is no content, and what is said of the one that another request would get may not be true of that.
pub(super) fn of_no_body(answer: &mut Answered) {
    // A validator is no part of the content, and clients keep to it.
    remove(answer.fields_mut(), &["content-length", "content-md5", "digest", "repr-digest"]);
}

/// Puts a problem in place of the content of an error, and nothing in place of any other. The status stays, and what tells
/// the client what to do now: `Retry-After`, `WWW-Authenticate`, `Location`.
pub(super) fn replace(answer: &mut Answered, request_id: &str) {
    let status = answer.status();
    let fields = answer.fields_mut();
    remove(fields, OF_BYTES);
    remove(fields, OF_CONTENT);
    if status.as_u16() < 400 {
        *answer.body_mut() = Body::Empty;
        return;
    }
    fields.set("content-type", "application/problem+json");
    fields.set("cache-control", "no-store");
    let problem = RESPONSE_REPLACED.with("the backend's own words are not part of the API's definition");
    let document = problem_reply::document(&problem, status, request_id);
    *answer.body_mut() = Body::from_bytes(Bytes::from(document));
}

fn remove(fields: &mut Fields, names: &[&str]) {
    names.iter().for_each(|name| fields.remove(name));
}
