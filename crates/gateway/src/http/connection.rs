//! What a request says about its connection: options, persistence, expectation, upgrade.
//!
//! All of it is read here and none of it goes on (RFC 9110 §7.6.1): the connection to the backend is another one.

use http::Method;
use portcullis_http1::{Fields, is_token};
use smallvec::SmallVec;

use super::canonical::Seen;
use super::names::{self, Kind};
use super::{Malformed, Size, Wire};

/// Options in all `Connection` fields of a message. Clients send one to three.
pub const CONNECTION_OPTIONS_MAX: usize = 16;

/// A protocol that a connection can be switched to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Upgrade {
    /// RFC 6455. The `Sec-WebSocket-*` fields are valid and still among the fields.
    WebSocket,
}

/// What a request says about its connection.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Connection {
    pub(super) keep_alive: bool,
    pub(super) upgrade: Option<Upgrade>,
    pub(super) expects_continue: bool,
    pub(super) te_trailers: bool,
}

/// Names of unknown fields that the sender ties to the connection.
type Nominated<'a> = SmallVec<[&'a [u8]; 2]>;

impl Connection {
    /// Of a message that says nothing of it.
    #[inline]
    pub(super) fn unsaid(wire: Wire) -> Self {
        Self { keep_alive: wire != Wire::Http10, ..Self::default() }
    }

    pub(super) fn judge<'a>(
        fields: &'a Fields,
        method: &Method,
        wire: Wire,
        size: Size,
        seen: Seen,
    ) -> Result<(Self, Nominated<'a>), Malformed> {
        // RFC 9113 §8.2.2.
        if wire == Wire::Http2 && (seen.connection || seen.upgrade || seen.hop) {
            return Err(Malformed::ConnectionOnHttp2);
        }
        let mut connection = Self::unsaid(wire);
        let mut nominated = Nominated::new();
        let mut upgrade = false;
        if seen.connection {
            let (mut close, mut keep_alive) = (false, false);
            for option in options(fields)? {
                match () {
                    () if option.eq_ignore_ascii_case(b"close") => close = true,
                    () if option.eq_ignore_ascii_case(b"keep-alive") => keep_alive = true,
                    () if option.eq_ignore_ascii_case(b"upgrade") => upgrade = true,
                    () if is_nomination(option)? => nominated.push(option),
                    () => {}
                }
            }
            connection.keep_alive = !close && (connection.keep_alive || keep_alive);
        }
        connection.te_trailers =
            seen.te && list(fields, "te").any(|item| item.eq_ignore_ascii_case(b"trailers"));
        if seen.expect {
            connection.expects_continue = expects_continue(fields, wire, size)?;
        }
        // RFC 9110 §7.8: ignored on HTTP/1.0 and without the option.
        if seen.upgrade && upgrade && wire == Wire::Http11 {
            connection.upgrade = websocket(fields, method, size)?;
        }
        Ok((connection, nominated))
    }
}

/// Whether an option names a field that must go; an error if it names one that may not.
fn is_nomination(option: &[u8]) -> Result<bool, Malformed> {
    match names::kind(option) {
        None => Ok(true),
        // Gone in any case.
        Some(Kind::Connection | Kind::Upgrade | Kind::Te | Kind::Hop | Kind::Claim) => Ok(false),
        Some(Kind::Host | Kind::Expect | Kind::Framing | Kind::Single | Kind::Agent | Kind::Standard) => {
            Err(Malformed::ConnectionNamesField)
        }
    }
}

pub(super) fn options(fields: &Fields) -> Result<SmallVec<[&[u8]; 4]>, Malformed> {
    let mut options = SmallVec::new();
    for option in list(fields, "connection") {
        if options.len() >= CONNECTION_OPTIONS_MAX || !is_token(option) {
            return Err(Malformed::ConnectionOption);
        }
        options.push(option);
    }
    Ok(options)
}

/// The members of a list field; empty ones are nothing (RFC 9110 §5.6.1.2).
pub(super) fn list<'a>(fields: &'a Fields, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
    let members = |line: &'a [u8]| line.split(|b| *b == b',').map(<[u8]>::trim_ascii);
    fields.all(name).flat_map(members).filter(|member| !member.is_empty())
}

// RFC 9110 §10.1.1. Any other expectation, a list or a second field is refused: what an intermediary takes for
// 100-continue and the next does not desynchronises both (PortSwigger 2025; Go CVE-2024-24791).
fn expects_continue(fields: &Fields, wire: Wire, size: Size) -> Result<bool, Malformed> {
    match fields.only("expect") {
        Ok(Some(value)) if value.eq_ignore_ascii_case(b"100-continue") => {
            Ok(wire != Wire::Http10 && size != Size::None)
        }
        _ => Err(Malformed::Expectation),
    }
}

// RFC 6455 §4.2.1. Nobody but a WebSocket client names `websocket` here, so a handshake that lacks something is
// refused, not taken for a plain request.
fn websocket(fields: &Fields, method: &Method, size: Size) -> Result<Option<Upgrade>, Malformed> {
    if !list(fields, "upgrade").any(|protocol| protocol.eq_ignore_ascii_case(b"websocket")) {
        return Ok(None);
    }
    let has_body = !matches!(size, Size::None | Size::Exactly(0));
    let key = fields.first("sec-websocket-key").unwrap_or_default();
    if *method != Method::GET || has_body || !is_websocket_key(key) {
        return Err(Malformed::WebSocketHandshake);
    }
    match fields.first("sec-websocket-version") {
        None => Err(Malformed::WebSocketHandshake),
        Some(b"13") => Ok(Some(Upgrade::WebSocket)),
        Some(_) => Err(Malformed::WebSocketVersion),
    }
}

/// Base64 of 16 bytes: 22 characters, of which the last carries two bits, and two for padding.
fn is_websocket_key(key: &[u8]) -> bool {
    let base64 = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/');
    matches!(key.split_at_checked(21), Some((digits, [b'A' | b'Q' | b'g' | b'w', b'=', b'=']))
        if digits.iter().all(base64))
}
