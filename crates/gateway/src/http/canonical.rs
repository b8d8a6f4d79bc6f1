//! The canonical request: built once from what a wire delivered, refused when it has two readings.
//!
//! Everything after this module reads the canonical request, and the message to the backend is written from it,
//! so what was judged is what is sent. The wire has judged framing, line ends and the syntax of lines; judged here
//! is what two HTTP implementations still read differently above that: method, target, host, path, query, the
//! fields of the connection, aliases of field names, claims about the caller.
//!
//! Gone from the fields afterwards: framing, `Host`, everything that belongs to the connection or is named by
//! `Connection`, `Expect`, claims (`claims`), aliases of known names. What is left goes from end to end, in order,
//! as spelled, with its duplicates.
//!
//! Decisions where standards leave a choice:
//!
//! - `Connection` may name fields of the connection and unknown ones, which go. Naming a claim does nothing, it is
//!   gone already. Naming any other known field (`Host`, `Content-Length`, `Authorization`, `Cookie`, ...) is
//!   refused: RFC 9110 §7.6.1 forbids it, and it is how a client makes a gateway drop what a backend relies on.
//! - A name with `_` or `.` that stands for a known field is dropped. Any other passes, because APIs and gRPC have
//!   such fields (`api_key`), unless a second field of the message has the same name under another punctuation:
//!   refused, or see [`AliasNames`].
//! - A repeated `Authorization`, `Content-Type`, `Origin`, `Range` and the like is refused, equal or not. Other
//!   fields may be repeated, and a control that reads one must read all.
//! - The scheme of an absolute-form target must be that of the request, its authority that of `Host`.
//! - `Upgrade` to anything but WebSocket is ignored, as RFC 9110 §7.8 allows: the request goes on as a plain one.
//!
//! # Limits
//! [`CONNECTION_OPTIONS_MAX`] options in `Connection`; `forwarded::HOPS_MAX` trusted proxies in a chain. The size
//! and number of fields are bounded by the wire.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr};

use http::Method;
use portcullis_http1::{Field, Fields, RequestHead, is_same};

use super::connection::Connection;
pub use super::connection::{CONNECTION_OPTIONS_MAX, Upgrade};
use super::forwarded::{self, Origin};
pub use super::forwarded::{Said, forwarded_fields};
pub use super::malformed::Malformed;
use super::names::{self, Kind};
use super::network::Network;
pub use super::path::PathRules;
use super::target::{self, Target};
use super::{Head, Peer, Scheme, Size, Wire, authority, parameters, path, spare};

/// What a listener takes for canonical. The default is strict and trusts nobody.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// Whose word about the client is believed.
    pub trusted_proxies: Vec<Network>,
    /// The one field that is read for it.
    pub forwarded: ForwardedField,
    /// What paths may look like.
    pub path: PathRules,
    /// What becomes of field names that some backends read as other names.
    pub alias_names: AliasNames,
    /// Lets a percent sign in a query stand without two digits (`?q=100%`).
    pub stray_percent_in_query: bool,
    /// Lets an HTTP/1.0 request without `Host` pass, with an empty host; only APIs without `hosts` take it.
    pub http10_without_host: bool,
}

impl Rules {
    /// Whether what `address` says of others is believed.
    pub fn trusts(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.trusted_proxies.iter().any(|network| network.contains(address))
    }
}

/// Where a trusted proxy says who the client is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ForwardedField {
    /// `X-Forwarded-For`, and `X-Forwarded-Proto` for the scheme.
    #[default]
    XForwardedFor,
    /// `Forwarded` (RFC 7239) with `for` and `proto`.
    Forwarded,
    /// Nowhere: the connection's own address and scheme count.
    None,
}

/// What becomes of a field whose name has `_` or `.` and is no spelling of a known name.
///
/// Names that *are* spellings of known names are always dropped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AliasNames {
    /// It passes, unless another field of the message has the same name in another spelling.
    #[default]
    Distinct,
    /// It is dropped.
    Drop,
    /// The request is refused.
    Refuse,
}

/// One request with one reading.
// PERF: boxed, because every state of an exchange takes the one before it by value.
#[derive(Debug)]
pub struct Canonical(Box<Parts>);

#[derive(Debug)]
struct Parts {
    head: RequestHead,
    wire: Wire,
    size: Size,
    gist: Gist,
}

/// What a head says besides its fields, each thing once.
#[derive(Clone, Debug)]
struct Gist {
    reading: Reading,
    path: path::Spelling,
    port: Option<u16>,
    origin: Origin,
    connection: Connection,
}

/// What records say of a head.
// PERF: copied for the record, which outlives the request. A part in it for both took four locked instructions, and memory
// that was asked for and given back for each request.
#[derive(Debug)]
pub struct Reading {
    method: Method,
    // Invariant: canonical host, then canonical path, then `?` and the query if there is one, then the user agent.
    text: String,
    host_end: usize,
    path_end: usize,
    target_end: usize,
    has_user_agent: bool,
    client: IpAddr,
}

impl Canonical {
    /// The one reading of `head`, which is taken for it; or why it has none, and then it stays.
    // PERF: no part of it is a value of its own on the way. Each was moved twice, and this is made straight in its place.
    pub fn build(head: &mut Head, peer: &Peer, rules: &Rules) -> Result<Self, Malformed> {
        let (gist, gone) = understand(head, peer, rules)?;
        let mut at = 0_usize;
        head.request.fields.retain(|_| {
            let is_gone = gone.has(at);
            at = at.saturating_add(1);
            !is_gone
        });
        Ok(Self(Box::new(Parts { head: head.request.take(), wire: head.wire, size: head.size, gist })))
    }

    /// Another one like it, for whoever is to be told less than the backend.
    #[must_use]
    pub fn copy(&self) -> Self {
        let Parts { head, wire, size, gist } = &*self.0;
        Self(Box::new(Parts { head: head.clone(), wire: *wire, size: *size, gist: gist.clone() }))
    }

    /// What records say of it.
    pub fn reading(&self) -> &Reading {
        &self.0.gist.reading
    }

    /// The method: any token but CONNECT, TRACE and misspelt known ones.
    pub fn method(&self) -> &Method {
        self.reading().method()
    }

    /// The host in lower case, without port and trailing dot; an IPv6 address in brackets. Empty only where
    /// `http10_without_host` let it pass.
    pub fn host(&self) -> &str {
        self.reading().host()
    }

    /// The port the client claims, if it names one.
    pub fn port(&self) -> Option<u16> {
        self.0.gist.port
    }

    /// `host` or `host:port`, as the client claims it.
    pub fn authority(&self) -> Cow<'_, str> {
        match self.port() {
            None => Cow::Borrowed(self.host()),
            Some(port) => Cow::Owned([self.host(), ":", itoa::Buffer::new().format(port)].concat()),
        }
    }

    /// The path in canonical spelling, percent-encoded, from its first slash; or `*` for OPTIONS of the server.
    pub fn path(&self) -> &str {
        self.reading().path()
    }

    /// The query as it came, without its question mark.
    pub fn query(&self) -> Option<&str> {
        let Reading { text, path_end, target_end, .. } = self.reading();
        text.get(path_end.saturating_add(1)..*target_end)
    }

    /// Path and query as they are to be written in a request line.
    pub fn target(&self) -> &str {
        let Reading { text, host_end, target_end, .. } = self.reading();
        text.get(*host_end..*target_end).unwrap_or_default()
    }

    /// Whether nobody can read its path in another way: it has no escape, no parameter, no empty segment.
    pub fn has_plain_path(&self) -> bool {
        self.0.gist.path.is_plain
    }

    /// Whether a segment of its path begins with `;`, which has to be declared where it leads.
    pub fn has_bare_parameters(&self) -> bool {
        self.0.gist.path.has_bare_parameters
    }

    /// Takes every parameter of this name out of the query; the rest goes on as it came.
    pub fn remove_parameter(&mut self, name: &str) {
        let is_there = |query| parameters::of_query(query).any(|(own, _)| *own == *name.as_bytes());
        let Some(query) = self.query().filter(|query| is_there(query)) else { return };
        let kept = parameters::query_without(query, name);
        self.0.gist.reading.set_query(kept.as_deref());
    }

    /// The end-to-end fields, in order.
    pub fn fields(&self) -> &Fields {
        &self.0.head.fields
    }

    /// Keeps its memory for others.
    pub fn recycle(self) {
        spare::give_head(self.0.head.fields);
        spare::give_text(self.0.gist.reading.text.into_bytes());
    }

    /// The end-to-end fields, to be changed.
    pub fn fields_mut(&mut self) -> &mut Fields {
        &mut self.0.head.fields
    }

    /// The request line as it came; synthesised for HTTP/2. For rules and logs.
    pub fn request_line(&self) -> &[u8] {
        self.0.head.line()
    }

    /// The wire it came over.
    pub fn wire(&self) -> Wire {
        self.0.wire
    }

    /// What the framing says of the body's length.
    pub fn size(&self) -> Size {
        self.0.size
    }

    /// The client's address, as far as trusted proxies can tell.
    pub fn client(&self) -> IpAddr {
        self.reading().client()
    }

    /// From the client (first) to the address of the connection (last); never empty.
    pub fn client_chain(&self) -> &[IpAddr] {
        &self.0.gist.origin.chain
    }

    /// `http` or `https`, as the client saw it: of the connection, or as a trusted proxy says.
    pub fn scheme(&self) -> Scheme {
        self.0.gist.origin.scheme
    }

    /// The protocol the client may be switched to, after a valid handshake request.
    pub fn upgrade(&self) -> Option<Upgrade> {
        self.0.gist.connection.upgrade
    }

    /// Whether the client waits for 100 (Continue) before it sends the body.
    pub fn expects_continue(&self) -> bool {
        self.0.gist.connection.expects_continue
    }

    /// Whether the client is willing to go on with this connection.
    pub fn keep_alive(&self) -> bool {
        self.0.gist.connection.keep_alive
    }

    /// Whether the client said that it takes trailers.
    pub fn te_trailers(&self) -> bool {
        self.0.gist.connection.te_trailers
    }
}

impl Reading {
    /// The method.
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// The host; see [`Canonical::host`].
    pub fn host(&self) -> &str {
        self.text.get(..self.host_end).unwrap_or_default()
    }

    /// The path; see [`Canonical::path`].
    pub fn path(&self) -> &str {
        self.text.get(self.host_end..self.path_end).unwrap_or_default()
    }

    fn set_query(&mut self, query: Option<&str>) {
        let before = self.text.get(..self.path_end).unwrap_or_default();
        let after = self.text.get(self.target_end..).unwrap_or_default();
        let (mark, query) = query.map_or(("", ""), |query| ("?", query));
        let target_end = self.path_end.saturating_add(mark.len()).saturating_add(query.len());
        (self.text, self.target_end) = ([before, mark, query, after].concat(), target_end);
    }

    /// The first `User-Agent`, as sent; what is no text in it is replaced.
    pub fn user_agent(&self) -> Option<&str> {
        self.text.get(self.target_end..).filter(|_| self.has_user_agent)
    }

    /// The client's address; see [`Canonical::client`].
    pub fn client(&self) -> IpAddr {
        self.client
    }
}

impl Clone for Reading {
    fn clone(&self) -> Self {
        Self { method: self.method.clone(), text: self.text.clone(), ..*self }
    }

    /// In the memory of the one before, unless it has as much as only rare ones take.
    fn clone_from(&mut self, other: &Self) {
        let mut text = std::mem::take(&mut self.text);
        text.clear();
        if text.capacity() > spare::TEXT_BYTES_MAX {
            text = String::new();
        }
        text.push_str(&other.text);
        *self = Self { method: other.method.clone(), text, ..*other };
    }
}

/// What `head` says, and which of its fields end here; or why it has no reading.
#[inline]
fn understand(head: &Head, peer: &Peer, rules: &Rules) -> Result<(Gist, Gone), Malformed> {
    let Head { request: head, wire, size } = head;
    let (wire, size) = (*wire, *size);
    let fields = &head.fields;
    let method = method(head.method())?;
    let mut survey = Survey::default();
    survey.take(fields, rules)?;
    let Survey { mut gone, hosts, user_agent, seen } = survey;
    let hosts = hosts.as_slice();
    let origin = forwarded::origin(fields, peer, rules)?;

    let target = Target::parse(head.target(), &method, wire)?;
    let room = head.target().len().saturating_add(hosts.first().map_or(0, |host| host.len()));
    let room = room.saturating_add(user_agent.map_or(0, <[u8]>::len));
    let mut text = spare::text();
    text.reserve(room.saturating_add(8));
    let port = host(hosts, &target, origin.scheme, wire, rules, &mut text)?;
    let host_end = text.len();
    let spelling = match target.path {
        b"*" => {
            text.push(b'*');
            path::Spelling::PLAIN
        }
        path => path::canonicalize(path, rules.path, &mut text)?,
    };
    let path_end = text.len();
    if let Some(query) = target.query {
        target::judge_query(query, rules.stray_percent_in_query)?;
        text.push(b'?');
        text.extend_from_slice(query);
    }
    let target_end = text.len();
    text.extend_from_slice(user_agent.unwrap_or_default());
    // PERF: judged once, as a whole. What may be no text is the end, which nobody but records looks at.
    let text = String::from_utf8(text)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());

    let connection = match seen.is_nothing() {
        true => Connection::unsaid(wire),
        false => connection(fields, &method, (wire, size), seen, &mut gone)?,
    };
    let has_user_agent = user_agent.is_some();
    // The chain is never empty.
    let client = origin.chain.first().copied().unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    let reading = Reading { method, text, host_end, path_end, target_end, has_user_agent, client };
    Ok((Gist { reading, path: spelling, port, origin, connection }, gone))
}

/// What a message says of its connection. The fields that it ties to the connection end here, too.
#[inline(never)]
fn connection(
    fields: &Fields,
    method: &Method,
    (wire, size): (Wire, Size),
    seen: Seen,
    gone: &mut Gone,
) -> Result<Connection, Malformed> {
    let (connection, nominated) = Connection::judge(fields, method, wire, size, seen)?;
    if !nominated.is_empty() {
        for (at, field) in fields.iter().enumerate() {
            if nominated.iter().any(|name| names::are_aliases(name, field.name)) {
                gone.add(at);
            }
        }
    }
    Ok(connection)
}

/// The places of the fields that end here, a bit for each: of the first 64, and of the others.
#[derive(Debug, Default)]
struct Gone(u64, Vec<u64>);

impl Gone {
    #[inline]
    fn add(&mut self, at: usize) {
        match at {
            0..64 => self.0 |= 1 << at,
            _ => self.add_further(at),
        }
    }

    #[cold]
    fn add_further(&mut self, at: usize) {
        let words = at / 64;
        if self.1.len() < words {
            self.1.resize(words, 0);
        }
        if let Some(word) = words.checked_sub(1).and_then(|word| self.1.get_mut(word)) {
            *word |= 1 << (at % 64);
        }
    }

    #[inline]
    fn has(&self, at: usize) -> bool {
        let word = match at / 64 {
            0 => self.0,
            words => self.1.get(words.saturating_sub(1)).copied().unwrap_or_default(),
        };
        word >> (at % 64) & 1 == 1
    }
}

/// One pass over the fields: which go, which hosts there are, who asks, which fields of the connection were seen.
#[derive(Default)]
struct Survey<'a> {
    gone: Gone,
    hosts: Hosts<'a>,
    user_agent: Option<&'a [u8]>,
    seen: Seen,
}

/// What says the host. Three are as wrong as any more.
#[derive(Default)]
struct Hosts<'a> {
    first: [&'a [u8]; 3],
    count: usize,
}

impl<'a> Hosts<'a> {
    #[inline]
    fn push(&mut self, host: &'a [u8]) {
        if let Some(place) = self.first.get_mut(self.count) {
            *place = host;
            self.count = self.count.saturating_add(1);
        }
    }

    #[inline]
    fn as_slice(&self) -> &[&'a [u8]] {
        self.first.get(..self.count).unwrap_or_default()
    }
}

/// Which fields of the connection a message has.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Seen {
    pub(super) connection: bool,
    pub(super) upgrade: bool,
    pub(super) te: bool,
    pub(super) expect: bool,
    pub(super) hop: bool,
}

impl Seen {
    #[inline]
    fn is_nothing(self) -> bool {
        !(self.connection | self.upgrade | self.te | self.expect | self.hop)
    }
}

impl<'a> Survey<'a> {
    fn take(&mut self, fields: &'a Fields, rules: &Rules) -> Result<(), Malformed> {
        let mut has_aliases = false;
        for (at, field) in fields.iter().enumerate() {
            let (kind, is_alias) = names::look_up(field.name);
            let gone = match kind {
                Some(_) if is_alias => true,
                None if is_alias => match rules.alias_names {
                    AliasNames::Drop => true,
                    AliasNames::Refuse => return Err(Malformed::FieldSpelling),
                    AliasNames::Distinct => {
                        has_aliases = true;
                        false
                    }
                },
                None | Some(Kind::Standard) => false,
                // PERF: found on the way, which costs no search of its own.
                Some(Kind::Agent) => {
                    self.user_agent = self.user_agent.or(Some(field.value));
                    false
                }
                Some(Kind::Single) => {
                    if is_among(fields.iter().take(at), field.name) {
                        return Err(Malformed::FieldRepeated);
                    }
                    false
                }
                Some(Kind::Claim | Kind::Framing) => true,
                Some(kind) => {
                    self.note(kind, field.value);
                    true
                }
            };
            if gone {
                self.gone.add(at);
            }
        }
        if has_aliases {
            judge_aliases(fields)?;
        }
        Ok(())
    }

    fn note(&mut self, kind: Kind, value: &'a [u8]) {
        match kind {
            Kind::Host => self.hosts.push(value),
            Kind::Connection => self.seen.connection = true,
            Kind::Upgrade => self.seen.upgrade = true,
            Kind::Te => self.seen.te = true,
            Kind::Expect => self.seen.expect = true,
            Kind::Hop => self.seen.hop = true,
            Kind::Framing | Kind::Single | Kind::Agent | Kind::Standard | Kind::Claim => {}
        }
    }
}

/// Whether one of `fields` has that name.
#[inline(never)]
fn is_among<'a>(mut fields: impl Iterator<Item = Field<'a>>, name: &[u8]) -> bool {
    fields.any(|field| is_same(field.name, name))
}

/// Refuses a name that some read as another one that is there as well. Nothing is known of either.
#[cold]
fn judge_aliases(fields: &Fields) -> Result<(), Malformed> {
    let is_alias = |name: &[u8]| matches!(names::look_up(name), (None, true));
    for alias in fields.iter().map(|field| field.name).filter(|name| is_alias(name)) {
        let is_other = |name: &[u8]| !name.eq_ignore_ascii_case(alias);
        if fields.iter().any(|field| names::are_aliases(alias, field.name) && is_other(field.name)) {
            return Err(Malformed::FieldAlias);
        }
    }
    Ok(())
}

#[inline]
fn method(token: &[u8]) -> Result<Method, Malformed> {
    match token {
        b"GET" => Ok(Method::GET),
        b"POST" => Ok(Method::POST),
        _ => other_method(token),
    }
}

fn other_method(token: &[u8]) -> Result<Method, Malformed> {
    const KNOWN: [Method; 9] = [
        Method::GET,
        Method::HEAD,
        Method::POST,
        Method::PUT,
        Method::PATCH,
        Method::DELETE,
        Method::OPTIONS,
        Method::CONNECT,
        Method::TRACE,
    ];
    let method = Method::from_bytes(token).map_err(|_| Malformed::Method)?;
    match method {
        Method::GET | Method::HEAD | Method::POST | Method::PUT | Method::PATCH | Method::DELETE => {
            Ok(method)
        }
        Method::OPTIONS => Ok(method),
        Method::CONNECT | Method::TRACE => Err(Malformed::MethodUnsupported),
        _ if KNOWN.iter().any(|known| known.as_str().as_bytes().eq_ignore_ascii_case(token)) => {
            Err(Malformed::Method)
        }
        _ => Ok(method),
    }
}

/// Appends the canonical host to `out`, all sources of it agreeing, and returns the port.
fn host(
    hosts: &[&[u8]],
    target: &Target<'_>,
    scheme: Scheme,
    wire: Wire,
    rules: &Rules,
    out: &mut Vec<u8>,
) -> Result<Option<u16>, Malformed> {
    if target.absolute.is_some_and(|absolute| absolute.scheme != scheme.as_str()) {
        return Err(Malformed::TargetScheme);
    }
    // RFC 9110 §7.2: an HTTP/1.1 request has a host field, whatever its target says.
    let (first, others) = match (hosts, target.absolute) {
        ([first, others @ ..], _) => (*first, others),
        ([], Some(absolute)) if wire == Wire::Http10 => (absolute.authority, &[][..]),
        ([], None) if wire == Wire::Http10 && rules.http10_without_host => return Ok(None),
        ([], _) => return Err(Malformed::HostMissing),
    };
    let port = authority::canonicalize(first, out)?;
    let agrees = |other: &[u8]| -> Result<bool, Malformed> {
        let mut name = Vec::new();
        let other = authority::canonicalize(other, &mut name)?;
        let default = scheme.port();
        Ok(name == *out && other.unwrap_or(default) == port.unwrap_or(default))
    };
    // RFC 9113 §8.3.1: `:authority`, which the wire puts first, may be accompanied by an equal host field.
    match others {
        [] => {}
        [other] if wire == Wire::Http2 && agrees(other)? => {}
        _ => return Err(Malformed::HostRepeated),
    }
    match target.absolute {
        Some(absolute) if !agrees(absolute.authority)? => Err(Malformed::TargetAuthority),
        _ => Ok(port),
    }
}

#[cfg(test)]
mod tests;
