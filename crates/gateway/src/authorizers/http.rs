//! The question as a request like the one it is about, and its answer as a status: Envoy's `http_service`.
//!
//! Method, host, path and query are the request's own; the path stands behind that of the authorizer's URL. There is no
//! body. Told besides: `X-Forwarded-*`, `X-Request-Id`, `Traceparent`, and of the caller `X-Portcullis-Consumer`, `-Credential`
//! and `-Scopes`, which no client can say; `X-Portcullis-Api` and `-Operation`.
//!
//! 200 lets pass, and takes fields out that `x-envoy-auth-headers-to-remove` names. 300 to 499 refuses. 500 to 599 is a
//! failure. Anything else is no answer to the question.

use std::error::Error as _;

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, HOST};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, Uri};

use super::answer::{Denial, Said, Unclear, refusing, removed};
use super::{ANSWER_BYTES_MAX, Authorizer, Question, Ruling, about, forwarded, is_own};
use crate::fetch::{Call, FetchError};
use crate::pipeline::Changes;

/// The field by which fields of the request are taken out; Envoy's name.
const REMOVE: &str = "x-envoy-auth-headers-to-remove";
/// Greatest status of a refusal: beyond it are failures.
const REFUSING_MAX: u64 = 499;

impl Authorizer {
    pub(super) async fn ask_http(&self, question: Question<'_>) -> Ruling {
        let (path, call) = match self.call(question) {
            Ok(call) => call,
            Err(why) => return Ruling::Unclear(why),
        };
        match self.remote.call_at(path, call).await {
            Ok(answer) => self.read(&answer).unwrap_or_else(Ruling::Unclear),
            Err(error) if is_answer(&error) => Ruling::Unclear(error.to_string()),
            Err(error) => Ruling::Away(error.to_string()),
        }
    }

    fn call(&self, question: Question<'_>) -> Result<(Uri, Call), String> {
        let Question { request, id, traceparent, .. } = question;
        let path = format!("{}{}", self.spec.url.path.trim_end_matches('/'), request.target());
        let path = path.parse().map_err(|_| "the path is none that can be asked for".to_owned())?;
        let mut fields = Vec::with_capacity(16);
        let mut tell = |name: HeaderName, value: &[u8]| {
            let value = HeaderValue::from_bytes(value);
            let value = value.map_err(|_| format!("`{name}` has characters that no field may have"))?;
            fields.push((name, value));
            Ok::<(), String>(())
        };
        tell(HOST, request.authority().as_bytes())?;
        let mut outcome = Ok(());
        forwarded(request, |name, value| {
            let name = HeaderName::from_bytes(name).map_err(|_| "a field has no name".to_owned());
            if outcome.is_ok() {
                outcome = name.and_then(|name| tell(name, value));
            }
        });
        outcome?;
        tell(HeaderName::from_static("x-request-id"), id.as_bytes())?;
        tell(HeaderName::from_static("traceparent"), traceparent)?;
        for (name, value) in about(question) {
            tell(HeaderName::from_static(name), value.as_bytes())?;
        }
        for (name, value) in &self.spec.context {
            let name = HeaderName::from_bytes(name.as_bytes());
            let name = name.map_err(|_| "a name of `context` is none of a field".to_owned())?;
            tell(name, value.expose().as_bytes())?;
        }
        let is_context =
            |name: &[u8]| self.spec.context.iter().any(|(own, _)| own.as_bytes().eq_ignore_ascii_case(name));
        for field in request.fields().iter() {
            if self.spec.told.has(field.name) && !is_own(field.name) && !is_context(field.name) {
                let name = HeaderName::from_bytes(field.name);
                tell(name.map_err(|_| "a field has a name that none may have".to_owned())?, field.value)?;
            }
        }
        let call = Call {
            method: request.method().clone(),
            fields,
            body: Bytes::new(),
            within: self.spec.timeout,
            answer_bytes_max: ANSWER_BYTES_MAX,
        };
        Ok((path, call))
    }

    fn read(&self, answer: &Response<Bytes>) -> Result<Ruling, Unclear> {
        let fields = answer.headers();
        match answer.status() {
            StatusCode::OK => self.allowed(fields).map(Ruling::Allowed),
            status if status.is_server_error() => Ok(Ruling::Away(format!("status {}", status.as_u16()))),
            status => {
                let status = refusing(status.as_u16().into(), REFUSING_MAX)?;
                self.denied(status, fields, answer.body().clone())
                    .map(|denial| Ruling::Denied(Box::new(denial)))
            }
        }
    }

    fn allowed(&self, fields: &HeaderMap) -> Result<Changes, Unclear> {
        let (mut said, mut answered) = (Said::default(), Said::default());
        for (name, value) in fields {
            if self.spec.says_to_backend(name.as_str()) {
                said.add(name.as_str(), value.as_bytes())?;
            }
            if self.spec.says_with_answer(name.as_str()) {
                answered.add(name.as_str(), value.as_bytes())?;
            }
        }
        let mut names = Vec::new();
        for value in fields.get_all(REMOVE) {
            let list = value.to_str().map_err(|_| format!("`{REMOVE}` is no list of names"))?;
            names.extend(list.split(',').map(str::trim).filter(|name| !name.is_empty()));
        }
        Ok(Changes {
            remove: removed(names.into_iter())?,
            add: said.into_fields(),
            answer: answered.into_fields(),
        })
    }

    fn denied(&self, status: StatusCode, fields: &HeaderMap, body: Bytes) -> Result<Denial, Unclear> {
        if !body.is_empty() && fields.contains_key(CONTENT_ENCODING) {
            return Err("its body is encoded, and nobody asked for that".to_owned());
        }
        let mut said = Said::default();
        for (name, value) in fields {
            if self.spec.says_to_client(name.as_str()) {
                said.add(name.as_str(), value.as_bytes())?;
            }
        }
        Ok(Denial { status, fields: said.into_fields(), body })
    }
}

/// Whether something was answered, and only not so that it can be read.
fn is_answer(error: &FetchError) -> bool {
    match error {
        FetchError::Body(_) | FetchError::Untrusted(_) => true,
        // Bytes came that are no answer, or more than one; what broke off before its head was whole is none.
        FetchError::Broken(why) => {
            let is_io = why.source().is_some_and(|source| source.is::<std::io::Error>());
            !(is_io || why.is_incomplete_message() || why.is_canceled() || why.is_closed())
        }
        FetchError::Late(_) | FetchError::Unreachable(_) | FetchError::Reset(_) => false,
    }
}
