//! The spans of one ended exchange: its own, and one for each try at a target.
//!
//! Attributes follow the stable semantic conventions for HTTP (OpenTelemetry, [`SCHEMA_URL`]). The query stands nowhere:
//! it may hold secrets. Nor does the caller's credential; its id is told as in the access record.

use std::net::IpAddr;
use std::time::Duration;

use crate::http::trace::Span;
use crate::observe::names;
use crate::observe::record::{Decision, Record, Try};
use crate::problem::Blame;
use crate::protobuf::Message;

/// The conventions that the attributes follow.
pub(super) const SCHEMA_URL: &str = "https://opentelemetry.io/schemas/1.26.0";
/// Longest text of an attribute, in bytes.
pub(super) const TEXT_BYTES_MAX: usize = 1024;

/// Field of a list of spans in `ScopeSpans`.
const SPANS: u8 = 2;

const SERVER: u64 = 2;
const CLIENT: u64 = 3;
const ERROR: u64 = 2;

/// Flags of a span: sampled, and that it is known whether its parent is elsewhere.
const SAMPLED: u32 = 0x101;
const IS_REMOTE: u32 = 0x200;

/// Methods that may stand in an attribute as they are; any other could be made up.
const METHODS: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE"];
const OTHER_METHOD: &str = "_OTHER";

/// The spans of `record`, each framed as an item of its list.
pub(super) fn write(record: &Record<'_>) -> Box<[u8]> {
    let mut list = Message::default();
    list.message(SPANS, |span| server(span, record));
    for (number, tried) in record.tries.iter().enumerate() {
        list.message(SPANS, |span| client(span, record, number, tried));
    }
    list.into_bytes().into()
}

/// How many spans [`write`] makes of it.
pub(super) fn count(record: &Record<'_>) -> u64 {
    (record.tries.len() as u64).saturating_add(1)
}

fn server(span: &mut Message, record: &Record<'_>) {
    let trace = record.trace;
    let parent = trace.parent;
    begin(span, trace.own, parent, if parent.is_some() { SAMPLED | IS_REMOTE } else { SAMPLED });
    match record.template {
        Some(template) => span.bytes(5, cut(&format!("{} {template}", named(record.method)))),
        None => span.bytes(5, named(record.method)),
    }
    times(span, SERVER, record.wall, record.took);
    let mut attributes = Attributes(span);
    attributes.method(record.method);
    attributes.text(names::SCHEME.name, Some(record.peer.scheme().as_str()));
    attributes.text(names::PATH.name, record.path);
    attributes.text(names::ROUTE.name, record.template.map(|template| &**template));
    attributes.text(names::SERVER_ADDRESS.name, record.host);
    attributes.address(names::CLIENT_ADDRESS.name, record.client);
    attributes.address(names::PEER_ADDRESS.name, record.peer.ip());
    attributes.number(names::SPAN_PEER_PORT, u64::from(record.peer.address.port()));
    attributes.text(names::PROTOCOL_VERSION.name, Some(record.wire.version()));
    attributes.text(names::TLS_VERSION.name, record.peer.tls.as_ref().map(|tls| tls.version));
    attributes.text(names::USER_AGENT.name, record.user_agent);
    if let Some(status) = record.status {
        attributes.number(names::STATUS.name, u64::from(status));
    }
    attributes.number(names::REQUEST_BYTES.name, record.request_bytes);
    attributes.number(names::RESPONSE_BYTES.name, record.response_bytes);
    attributes.text(names::REQUEST_ID.name, Some(record.id()));
    attributes.text(names::LISTENER.name, Some(&record.peer.listener));
    attributes.text(names::API.name, record.api.map(|api| &**api));
    attributes.text(names::OPERATION.name, record.operation.map(|name| &**name));
    attributes.text(names::CONSUMER.name, record.consumer);
    attributes.text(names::CREDENTIAL.name, record.credential);
    attributes.text(names::DECISION.name, Some(record.decision.as_str()));
    attributes.text(names::CONTROL.name, record.control());
    attributes.text(names::SPAN_PROBLEM, record.problem.map(|kind| kind.code));
    let status = record.status.map(|status| status.to_string());
    let failure = match record.decision {
        Decision::Aborted => Some(Decision::Aborted.as_str()),
        // What a client did wrong is no failure of the server (conventions for HTTP spans, "Status").
        _ => match record.problem {
            Some(kind) if kind.blame != Blame::Client => Some(kind.code),
            _ => status.as_deref().filter(|status| status.starts_with('5')),
        },
    };
    attributes.text(names::ERROR_TYPE.name, failure);
    if let Some(link) = trace.link {
        span.message(13, |message| {
            message.bytes(1, link.trace.to_be_bytes());
            message.bytes(2, link.span.to_be_bytes());
            message.fixed32(6, 0x100 | IS_REMOTE);
        });
    }
    end(span, failure);
}

fn client(span: &mut Message, record: &Record<'_>, number: usize, tried: &Try) {
    let own = Span { span: tried.span, ..record.trace.own };
    begin(span, own, Some(record.trace.own.span), SAMPLED);
    span.bytes(5, named(record.method));
    let began = record.wall.saturating_add(tried.began);
    // One that did not come to its end ended with the exchange.
    let took = tried.took.unwrap_or_else(|| record.took.saturating_sub(tried.began));
    times(span, CLIENT, began, took);
    let mut attributes = Attributes(span);
    attributes.method(record.method);
    let (host, port) = authority(&tried.target);
    attributes.text(names::SERVER_ADDRESS.name, Some(host));
    if let Some(port) = port {
        attributes.number(names::SPAN_SERVER_PORT, u64::from(port));
    }
    let path = record.path.and_then(|path| path.get(record.strip..)).unwrap_or_default();
    attributes.text(names::SPAN_URL, Some(&format!("{}{path}", tried.target)));
    if number > 0 {
        attributes.number(names::SPAN_RESENDS, number as u64);
    }
    let mut failure = None;
    let status;
    match tried.outcome {
        Some(Ok(code)) => {
            attributes.number(names::STATUS.name, u64::from(code.as_u16()));
            if code.is_client_error() || code.is_server_error() {
                status = code.as_u16().to_string();
                failure = Some(&*status);
            }
        }
        Some(Err(problem)) => failure = Some(problem),
        None => failure = Some(Decision::Aborted.as_str()),
    }
    attributes.text(names::ERROR_TYPE.name, failure);
    end(span, failure);
}

fn begin(span: &mut Message, own: Span, parent: Option<u64>, flags: u32) {
    span.bytes(1, own.trace.to_be_bytes());
    span.bytes(2, own.span.to_be_bytes());
    if let Some(parent) = parent {
        span.bytes(4, parent.to_be_bytes());
    }
    span.fixed32(16, flags);
}

fn times(span: &mut Message, kind: u64, began: Duration, took: Duration) {
    let nanos = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    span.number(6, kind);
    span.fixed64(7, nanos(began));
    span.fixed64(8, nanos(began.saturating_add(took)));
}

/// The span's status: unset, unless it failed.
fn end(span: &mut Message, failure: Option<&str>) {
    if failure.is_some() {
        span.message(15, |status| status.number(3, ERROR));
    }
}

/// Attributes of a message that holds them in its field 9, as spans do.
struct Attributes<'a>(&'a mut Message);

impl Attributes<'_> {
    fn text(&mut self, key: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.0.message(9, |pair| text(pair, key, value));
        }
    }

    fn address(&mut self, key: &str, address: IpAddr) {
        self.text(key, Some(&address.to_string()));
    }

    fn number(&mut self, key: &str, value: u64) {
        self.0.message(9, |pair| {
            pair.bytes(1, key);
            // Zero is a value here, and no missing one: the field is written as bytes of its own.
            pair.message(2, |any| if value == 0 { any.framed(&[0x18, 0]) } else { any.number(3, value) });
        });
    }

    fn method(&mut self, method: Option<&str>) {
        self.text(names::METHOD.name, known(method));
        if known(method) == Some(OTHER_METHOD) {
            self.text(names::SPAN_METHOD, method);
        }
    }
}

/// Key and value of a text.
pub(super) fn text(pair: &mut Message, key: &str, value: &str) {
    pair.bytes(1, key);
    pair.message(2, |any| any.bytes(1, cut(value)));
}

fn known(method: Option<&str>) -> Option<&str> {
    method.map(|method| if METHODS.contains(&method) { method } else { OTHER_METHOD })
}

/// The method in the name of a span.
fn named(method: Option<&str>) -> &str {
    known(method).filter(|method| *method != OTHER_METHOD).unwrap_or("HTTP")
}

/// A text, cut short at a character.
fn cut(text: &str) -> &str {
    text.get(..text.floor_char_boundary(TEXT_BYTES_MAX)).unwrap_or_default()
}

/// Host and port of a target's URL, as it is known by.
fn authority(target: &str) -> (&str, Option<u16>) {
    let (scheme, rest) = target.split_once("://").unwrap_or(("http", target));
    let authority = rest.split('/').next().unwrap_or_default();
    let usual = if scheme == "https" { 443 } else { 80 };
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok()),
        _ => (authority, Some(usual)),
    }
}

#[cfg(test)]
mod tests;
