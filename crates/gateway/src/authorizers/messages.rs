//! The few messages of `envoy.service.auth.v3`: a question is only written, an answer is only read.
//!
//! Written and read by hand, for they are few, and so that reading can be strict: a member that stands twice where the
//! protocol has one, a value of another type, a text that is none, or an answer that says nothing is no answer. Members that
//! are unknown are passed over, as the format wants it, but for those that ask for what is not done here: a request
//! whose query the service wants changed does not go on unchanged.
//!
//! That an empty message would be a yes in Envoy's own reading (a status left out is `OK`) is not followed: a yes is said.
//!
//! # Threats
//! The bytes are the service's; nothing is allocated by a length that they name. Fuzz target `authorizer_answer`.

use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use http::StatusCode;
use portcullis_http1::is_token;

use super::answer::{Denial, Said, Unclear, refusing, removed};
use super::spec::{AuthorizerSpec, Told};
use super::{Question, Ruling, about, forwarded};
use crate::http::Size;
use crate::pipeline::Changes;
use crate::protobuf::{Message, Value, fields};

/// Greatest status of a refusal.
const REFUSING_MAX: u64 = 599;

/// A question as a `CheckRequest`.
pub(super) fn question(spec: &AuthorizerSpec, question: Question<'_>) -> Vec<u8> {
    let Question { request, peer, api, proof, wall, .. } = question;
    let mut message = Message::default();
    message.message(1, |attributes| {
        attributes.message(1, |source| {
            source.message(1, |address| socket(address, client(question)));
            if let Some(proof) = proof {
                source.bytes(4, &*proof.consumer.name);
            }
        });
        attributes.message(2, |destination| {
            destination.message(1, |address| socket(address, peer.local));
            destination.bytes(2, api);
        });
        attributes.message(4, |about_request| {
            about_request.message(1, |time| {
                time.number(1, wall.as_secs());
                time.number(2, u64::from(wall.subsec_nanos()));
            });
            about_request.message(2, |http| self::http(http, spec, question));
        });
        for (name, value) in about(question) {
            entry(attributes, 10, &name.replacen("x-portcullis-", "portcullis.", 1), &value);
        }
        for (name, value) in &spec.context {
            entry(attributes, 10, name, value.expose());
        }
        if let Some(name) = peer.tls.as_ref().and_then(|tls| tls.server_name.as_deref()) {
            attributes.message(12, |session| session.bytes(1, name));
        }
    });
    debug_assert!(request.path().starts_with(['/', '*']), "a canonical path");
    message.into_bytes()
}

fn http(http: &mut Message, spec: &AuthorizerSpec, question: Question<'_>) {
    let Question { request, id, .. } = question;
    http.bytes(1, id);
    http.bytes(2, request.method().as_str());
    for (name, value) in headers(&spec.told, question) {
        entry(http, 3, &name, &value);
    }
    http.bytes(4, request.target());
    http.bytes(5, &*request.authority());
    http.bytes(6, request.scheme().as_str());
    let size = match request.size() {
        Size::None => 0,
        Size::Exactly(size) => i64::try_from(size).unwrap_or(i64::MAX),
        Size::Unknown => -1,
    };
    http.number(9, size.cast_unsigned());
    http.bytes(10, format!("HTTP/{}", request.wire().version()));
}

/// The fields that are told, each name once, in lower case.
fn headers(told: &Told, question: Question<'_>) -> Vec<(String, String)> {
    let Question { request, id, traceparent, .. } = question;
    let mut headers: Vec<(String, String)> = Vec::new();
    let mut tell = |name: String, value: &[u8]| {
        let value = String::from_utf8_lossy(value);
        match headers.iter_mut().find(|(own, _)| *own == name) {
            // RFC 9110 §5.3; cookies have a list of their own (RFC 6265 §4.2.1).
            Some((_, before)) => {
                before.push_str(if name == "cookie" { "; " } else { "," });
                before.push_str(&value);
            }
            None => headers.push((name, value.into_owned())),
        }
    };
    for field in request.fields().iter().filter(|field| told.has(field.name) && !super::is_own(field.name)) {
        tell(String::from_utf8_lossy(field.name).to_ascii_lowercase(), field.value);
    }
    forwarded(request, |name, value| tell(String::from_utf8_lossy(name).into_owned(), value));
    tell("x-request-id".to_owned(), id.as_bytes());
    tell("traceparent".to_owned(), traceparent);
    headers
}

/// The client, with its port where it is the other end of the connection.
fn client(question: Question<'_>) -> SocketAddr {
    let client: IpAddr = question.request.client();
    if client == question.peer.ip() { question.peer.address } else { SocketAddr::new(client, 0) }
}

fn socket(address: &mut Message, socket: SocketAddr) {
    address.message(1, |inner| {
        inner.bytes(2, socket.ip().to_canonical().to_string());
        inner.number(3, u64::from(socket.port()));
    });
}

/// An entry of a map of texts.
fn entry(message: &mut Message, field: u8, name: &str, value: &str) {
    message.message(field, |entry| {
        entry.bytes(1, name);
        entry.bytes(2, value);
    });
}

/// What a `CheckResponse` says.
///
/// # Errors
/// Why it says nothing.
pub fn answer(bytes: &[u8], spec: &AuthorizerSpec) -> Result<Ruling, Unclear> {
    let answer = Members::of(bytes)?;
    if answer.message(5)?.is_some() {
        return Ok(Ruling::Away("it says that it fails".to_owned()));
    }
    let status = answer.message(1)?.map(|status| status.number(1)).transpose()?;
    let (denied, allowed) = (answer.message(2)?, answer.message(3)?);
    match (status.flatten().unwrap_or(0), status, denied, allowed) {
        (_, _, Some(_), Some(_)) => Err("it says both yes and no".to_owned()),
        (0, _, Some(_), None) => Err("it refuses with the status that lets pass".to_owned()),
        (0, None, None, None) => Err("it says neither yes nor no".to_owned()),
        (0, _, None, None) => Ok(Ruling::Allowed(Changes::default())),
        (0, _, None, Some(allowed)) => self::allowed(&allowed, spec).map(Ruling::Allowed),
        (_, _, denied, None) => {
            let denied = denied.map_or_else(|| Ok(plain()), |denied| self::denied(&denied, spec));
            denied.map(|denial| Ruling::Denied(Box::new(denial)))
        }
        (_, _, None, Some(_)) => Ok(Ruling::Denied(Box::new(plain()))),
    }
}

/// A refusal without words.
fn plain() -> Denial {
    Denial { status: StatusCode::FORBIDDEN, fields: Said::default().into_fields(), body: Bytes::new() }
}

fn allowed(allowed: &Members<'_>, spec: &AuthorizerSpec) -> Result<Changes, Unclear> {
    if allowed.all(7).chain(allowed.all(8)).next().is_some() {
        return Err("it changes the query, which is not done here".to_owned());
    }
    let mut said = Said::default();
    take_up(allowed, 2, &mut said, |name| {
        spec.says_to_backend(name).then_some(true).ok_or("it says a field that `to_backend` does not name")
    })?;
    let mut answered = Said::default();
    take_up(allowed, 6, &mut answered, |name| {
        spec.says_with_answer(name).then_some(true).ok_or("it says a field that `with_answer` does not name")
    })?;
    let names: Result<Vec<&str>, Unclear> = allowed.all(5).map(text).collect();
    Ok(Changes {
        remove: removed(names?.into_iter())?,
        add: said.into_fields(),
        answer: answered.into_fields(),
    })
}

fn denied(denied: &Members<'_>, spec: &AuthorizerSpec) -> Result<Denial, Unclear> {
    let status = match denied.message(1)?.map(|status| status.number(1)).transpose()?.flatten() {
        None | Some(0) => StatusCode::FORBIDDEN,
        Some(status) => refusing(status, REFUSING_MAX)?,
    };
    let mut said = Said::default();
    // A refusal stands whatever is not passed on of it.
    take_up(denied, 2, &mut said, |name| Ok(spec.says_to_client(name)))?;
    let body = denied.text(3)?.unwrap_or_default();
    Ok(Denial { status, fields: said.into_fields(), body: Bytes::copy_from_slice(body.as_bytes()) })
}

/// The most fields that one answer may name.
const FIELDS_MAX: usize = 100;

/// Takes up every `HeaderValueOption` under `field` that `is_taken`.
fn take_up(
    message: &Members<'_>,
    field: u64,
    said: &mut Said,
    is_taken: impl Fn(&str) -> Result<bool, &'static str>,
) -> Result<(), Unclear> {
    for (index, option) in message.all(field).enumerate() {
        if index >= FIELDS_MAX {
            return Err(format!("it says more than {FIELDS_MAX} fields"));
        }
        let option = Members::of(bytes(option)?)?;
        let header = option.message(1)?.ok_or("it says a field without a name")?;
        let name = header.text(1)?.unwrap_or_default().to_ascii_lowercase();
        if !is_token(name.as_bytes()) {
            return Err("it says a field without a name".to_owned());
        }
        let value = match (header.bytes(2)?, header.bytes(3)?) {
            (Some(_), Some(_)) => return Err(format!("it says `{name}` in two ways")),
            (value, raw) => value.or(raw).unwrap_or_default(),
        };
        let appends =
            option.message(2)?.map(|flag| flag.number(1)).transpose()?.flatten().map(|flag| flag != 0);
        let action = option.number(3)?.unwrap_or(0);
        let adds = match (appends, action) {
            (Some(appends), _) => appends,
            // Neither said is to put in place of what was there: only what the service said itself can be there.
            (None, 0 | 2) => false,
            (None, 1) => {
                if said.has(&name) {
                    continue;
                }
                true
            }
            (None, _) => return Err(format!("it says `{name}` in a way that is not known")),
        };
        if is_taken(&name)? {
            if !adds {
                said.forget(&name);
            }
            said.add(&name, value)?;
        }
    }
    Ok(())
}

/// The members of one message.
struct Members<'a>(Vec<(u64, Value<'a>)>);

impl<'a> Members<'a> {
    fn of(bytes: &'a [u8]) -> Result<Self, Unclear> {
        fields(bytes).map(Self).ok_or_else(|| "it is no message".to_owned())
    }

    fn all(&self, field: u64) -> impl Iterator<Item = Value<'a>> {
        self.0.iter().filter(move |(own, _)| *own == field).map(|(_, value)| *value)
    }

    fn only(&self, field: u64) -> Result<Option<Value<'a>>, Unclear> {
        let mut all = self.all(field);
        match (all.next(), all.next()) {
            (_, Some(_)) => Err("it says one thing twice".to_owned()),
            (value, None) => Ok(value),
        }
    }

    fn number(&self, field: u64) -> Result<Option<u64>, Unclear> {
        match self.only(field)? {
            Some(Value::Number(number)) => Ok(Some(number)),
            Some(Value::Bytes(_)) => Err("it says a text where a number is to stand".to_owned()),
            None => Ok(None),
        }
    }

    fn bytes(&self, field: u64) -> Result<Option<&'a [u8]>, Unclear> {
        self.only(field)?.map(bytes).transpose()
    }

    fn text(&self, field: u64) -> Result<Option<&'a str>, Unclear> {
        self.only(field)?.map(text).transpose()
    }

    fn message(&self, field: u64) -> Result<Option<Members<'a>>, Unclear> {
        self.bytes(field)?.map(Self::of).transpose()
    }
}

fn bytes(value: Value<'_>) -> Result<&[u8], Unclear> {
    match value {
        Value::Bytes(bytes) => Ok(bytes),
        Value::Number(_) => Err("it says a number where a text is to stand".to_owned()),
    }
}

fn text(value: Value<'_>) -> Result<&str, Unclear> {
    std::str::from_utf8(bytes(value)?).map_err(|_| "it says a text that is none".to_owned())
}
