//! The answer of a backend in canonical form: what may go on to the client, or why the answer may not.
//!
//! The wire has judged framing and syntax. Gone afterwards: framing, everything that belongs to the backend's
//! connection or is named by its `Connection`, `Proxy-*`, `Alt-Svc` (it speaks for a host and port that are ours),
//! `X-Portcullis-*` (ours to say). All else goes on in order, as spelled, repeated fields and bytes beyond ASCII
//! included: two `Set-Cookie` stay two, and `Server` stays what the backend says.
//!
//! `Connection` of a backend may not take away fields every recipient needs (`Set-Cookie`, `Content-Type`, ...):
//! these stay. Unlike a client, which is refused, a backend gains nothing by it.
//!
//! `Content-Length` stays only in an answer that has no body by rule (HEAD, 304), where it describes what a GET
//! would have got (RFC 9110 §8.6); whoever writes such an answer must not write a second one.

use std::fmt;

use http::{Method, StatusCode};
use portcullis_http1::{Field, Fields, ResponseHead, is_same};
use smallvec::SmallVec;

use super::connection::{list, options};
use super::names::{self, Kind};
use super::websocket;

/// Why an answer of a backend is not passed on. The client gets 502.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MalformedResponse {
    /// The status is below 100 or above 599.
    Status,
    /// An interim answer where the final one was to be.
    Interim,
    /// 101, and nobody asked for another protocol.
    SwitchUnasked,
    /// 101 to another protocol than the one asked for, or with a handshake that lacks something.
    SwitchInvalid,
    /// `Connection` is no short list of tokens.
    ConnectionOption,
}

/// The status of the final answer to a request of `method`, of which `head` keeps the fields that may go on. `key` is that
/// of its WebSocket handshake, where it asked for one and may have it.
pub fn canonicalise_response(
    head: &mut ResponseHead,
    method: &Method,
    key: Option<&[u8]>,
) -> Result<StatusCode, MalformedResponse> {
    let status = StatusCode::from_u16(head.status).map_err(|_| MalformedResponse::Status)?;
    let fields = &mut head.fields;
    match (status.as_u16(), key) {
        (101, None) => return Err(MalformedResponse::SwitchUnasked),
        (101, Some(key)) => websocket_accepted(fields, key)?,
        (100..=199, _) => return Err(MalformedResponse::Interim),
        (200..=599, _) => {}
        _ => return Err(MalformedResponse::Status),
    }
    let describes_length = *method == Method::HEAD || status == StatusCode::NOT_MODIFIED;
    strip(fields, describes_length)?;
    Ok(status)
}

/// The fields of an interim answer (RFC 9110 §15.2) that may go on.
pub fn canonicalise_interim(fields: &mut Fields) -> Result<(), MalformedResponse> {
    strip(fields, false)
}

fn strip(fields: &mut Fields, keep_length: bool) -> Result<(), MalformedResponse> {
    // PERF: what backends say of their connection, if anything, names no field; and of most fields their length and first letter
    // tell that they do not end here.
    let is_usual = match fields.only("connection") {
        Ok(None) => true,
        Ok(Some(value)) => is_same(value, b"keep-alive") || is_same(value, b"close"),
        Err(_) => false,
    };
    let has_service = fields.may_have("alt-svc");
    if is_usual && !has_service {
        fields.retain(|field| match names::may_end(field.name) {
            false => !is_ours(field.name),
            true => stays(field, keep_length, &[]),
        });
        return Ok(());
    }
    let nominated = nominated(fields)?;
    fields.retain(|field| stays(field, keep_length, &nominated));
    Ok(())
}

/// Whether a field goes on to the client, unless it is one of those that are `nominated`.
#[inline(never)]
fn stays(field: Field<'_>, keep_length: bool, nominated: &[Name]) -> bool {
    match names::kind(field.name) {
        Some(Kind::Connection | Kind::Upgrade | Kind::Te | Kind::Hop) => false,
        Some(Kind::Framing) => keep_length && field.is("content-length"),
        Some(Kind::Standard) => !field.is("alt-svc"),
        Some(Kind::Host | Kind::Expect | Kind::Single | Kind::Agent) => true,
        None | Some(Kind::Claim) => {
            !is_ours(field.name) && !nominated.iter().any(|name| names::are_aliases(name, field.name))
        }
    }
}

/// A field name that outlives its field.
type Name = SmallVec<[u8; 32]>;

/// The unknown names and claims that `Connection` ties to the connection.
fn nominated(fields: &Fields) -> Result<SmallVec<[Name; 1]>, MalformedResponse> {
    let mut nominated = SmallVec::new();
    for option in options(fields).map_err(|_| MalformedResponse::ConnectionOption)? {
        if matches!(names::kind(option), None | Some(Kind::Claim)) {
            nominated.push(SmallVec::from_slice(option));
        }
    }
    Ok(nominated)
}

#[inline]
fn is_ours(name: &[u8]) -> bool {
    const OURS: &[u8] = b"x-portcullis-";
    // PERF: most names are shorter, or begin with another letter.
    name.len() >= OURS.len() && matches!(name, [b'x' | b'X', ..]) && begins_as(name, OURS)
}

#[inline(never)]
fn begins_as(name: &[u8], prefix: &[u8]) -> bool {
    name.get(..prefix.len()).is_some_and(|start| names::are_aliases(start, prefix))
}

// RFC 6455 §4.2.2, judged as its client must (§4.1). What answers another key is no answer to this handshake: an end
// that does not speak WebSocket, or a reply out of a cache. Nothing of it goes on, so that nobody takes the rest for HTTP.
fn websocket_accepted(fields: &Fields, key: &[u8]) -> Result<(), MalformedResponse> {
    let mut protocols = list(fields, "upgrade");
    let protocol = protocols.next().is_some_and(|name| name.eq_ignore_ascii_case(b"websocket"));
    let option = list(fields, "connection").any(|name| name.eq_ignore_ascii_case(b"upgrade"));
    let answer = fields.only("sec-websocket-accept") == Ok(Some(websocket::acceptance(key).as_bytes()));
    if protocol && protocols.next().is_none() && option && answer {
        Ok(())
    } else {
        Err(MalformedResponse::SwitchInvalid)
    }
}

impl MalformedResponse {
    /// Every reason.
    pub const ALL: &'static [Self] =
        &[Self::Status, Self::Interim, Self::SwitchUnasked, Self::SwitchInvalid, Self::ConnectionOption];

    /// The reason as metrics and records name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Status => "response-status",
            Self::Interim => "response-interim",
            Self::SwitchUnasked => "response-switch-unasked",
            Self::SwitchInvalid => "response-switch-invalid",
            Self::ConnectionOption => "response-connection-option",
        }
    }
}

impl fmt::Display for MalformedResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Status => "the backend's status is no status",
            Self::Interim => "the backend sent an interim answer in place of the final one",
            Self::SwitchUnasked => "the backend switched protocols and nobody had asked",
            Self::SwitchInvalid => "the backend switched protocols with an invalid handshake",
            Self::ConnectionOption => "the backend's connection field is no short list of tokens",
        })
    }
}

impl std::error::Error for MalformedResponse {}

#[cfg(test)]
mod tests;
