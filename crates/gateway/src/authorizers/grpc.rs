//! The question as a call of `envoy.service.auth.v3.Authorization/Check`, and its answer.
//!
//! One message there and one back, uncompressed, in the framing of gRPC over HTTP/2. The call's own status says whether there is
//! an answer: `OK`, and the message says what it is; anything else is a failure of the service. `PERMISSION_DENIED` and
//! `UNAUTHENTICATED` as the status of the *call* are no failure that `on_error: allow` passes over: they may be meant as no.

use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, Uri, header};

use super::messages;
use super::{ANSWER_BYTES_MAX, Authorizer, Question, Ruling};
use crate::fetch::{Call, FetchError};

/// What is called.
const METHOD: &str = "/envoy.service.auth.v3.Authorization/Check";
/// Bytes before a message: whether it is compressed, and its length.
const PREFIX: usize = 5;

impl Authorizer {
    pub(super) async fn ask_grpc(&self, question: Question<'_>) -> Ruling {
        let message = messages::question(&self.spec, question);
        let mut body = BytesMut::with_capacity(message.len().saturating_add(PREFIX));
        body.put_u8(0);
        body.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
        body.extend_from_slice(&message);
        let millis = self.spec.timeout.as_millis().clamp(1, 99_999_999);
        let fields = [
            (header::CONTENT_TYPE, "application/grpc"),
            (header::TE, "trailers"),
            (header::USER_AGENT, concat!("portcullis/", env!("CARGO_PKG_VERSION"))),
        ];
        let mut fields: Vec<(HeaderName, HeaderValue)> =
            fields.into_iter().map(|(name, value)| (name, HeaderValue::from_static(value))).collect();
        if let Ok(timeout) = format!("{millis}m").parse() {
            fields.push((HeaderName::from_static("grpc-timeout"), timeout));
        }
        let call = Call {
            method: Method::POST,
            fields,
            body: body.freeze(),
            within: self.spec.timeout,
            answer_bytes_max: ANSWER_BYTES_MAX.saturating_add(PREFIX),
        };
        match self.remote.call_with_trailers(Uri::from_static(METHOD), call).await {
            Ok((answer, trailers)) => self.read_call(&answer, &trailers),
            Err(FetchError::Body(why)) => Ruling::Unclear(FetchError::Body(why).to_string()),
            Err(FetchError::Untrusted(why)) => Ruling::Unclear(FetchError::Untrusted(why).to_string()),
            // What came breaks HTTP/2, and so it did come.
            Err(FetchError::Reset(why)) if why.is_library() => {
                Ruling::Unclear(FetchError::Reset(why).to_string())
            }
            Err(error) => Ruling::Away(error.to_string()),
        }
    }

    fn read_call(&self, answer: &Response<Bytes>, trailers: &HeaderMap) -> Ruling {
        if let Some(ruling) = without_answer(answer, trailers) {
            return ruling;
        }
        match message(answer.body()) {
            Some(message) => messages::answer(message, &self.spec).unwrap_or_else(Ruling::Unclear),
            None => Ruling::Unclear("there is not exactly one message".to_owned()),
        }
    }
}

/// What comes of a call that has no answer.
fn without_answer(answer: &Response<Bytes>, trailers: &HeaderMap) -> Option<Ruling> {
    let unclear = |why: &str| Some(Ruling::Unclear(why.to_owned()));
    match answer.status() {
        StatusCode::OK => {}
        // What stands before the service says that it is away.
        status @ (StatusCode::TOO_MANY_REQUESTS
        | StatusCode::BAD_GATEWAY
        | StatusCode::SERVICE_UNAVAILABLE
        | StatusCode::GATEWAY_TIMEOUT) => return Some(Ruling::Away(format!("status {}", status.as_u16()))),
        _ => return unclear("it does not speak gRPC"),
    }
    let kind = answer.headers().get(header::CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    let kind = kind.split(|byte| *byte == b';').next().unwrap_or_default();
    if !matches!(kind, b"application/grpc" | b"application/grpc+proto") {
        return unclear("it does not speak gRPC");
    }
    // A call that fails at once has all of its trailers in its head.
    let status = trailers.get("grpc-status").or_else(|| answer.headers().get("grpc-status"));
    match status.and_then(|status| status.to_str().ok()?.parse::<u32>().ok()) {
        Some(0) => None,
        Some(status @ (7 | 16)) => {
            Some(Ruling::Unclear(format!("it refuses the call itself, with status {status} of gRPC")))
        }
        Some(status) => Some(Ruling::Away(format!("status {status} of gRPC"))),
        None => unclear("the call has no status"),
    }
}

/// The one message of an answer's body.
fn message(body: &[u8]) -> Option<&[u8]> {
    let (prefix, message) = body.split_first_chunk::<PREFIX>()?;
    let [0, length @ ..] = *prefix else { return None };
    (usize::try_from(u32::from_be_bytes(length)).ok()? == message.len()).then_some(message)
}

#[cfg(test)]
mod tests {
    use super::message;

    #[test]
    fn a_body_is_one_message() {
        assert_eq!(message(b"\0\0\0\0\x02ab"), Some(&b"ab"[..]));
        assert_eq!(message(b"\0\0\0\0\0"), Some(&b""[..]));
        for bad in [
            &b""[..],
            b"\0\0\0\0",
            b"\x01\0\0\0\x02ab",
            b"\0\0\0\0\x03ab",
            b"\0\0\0\0\x01ab",
            b"\0\xff\xff\xff\xffab",
        ] {
            assert_eq!(message(bad), None, "{bad:?}");
        }
    }
}
