//! Who called, through whom, by which scheme: what a trusted proxy says of it, and what we tell the backend.
//!
//! Exactly one field is read, the one the listener is configured for, and only when the connection comes from a
//! trusted proxy. It is read from the right, where the nearest proxy wrote, and only as far as the addresses are
//! trusted: the first that is not is the client, and what stands left of it the client may have made up.
//! Everybody else's `X-Forwarded-*` and `Forwarded` are claims and dropped. `X-Forwarded-Host` is never read: the
//! host decides which policies hold.
//!
//! A chain from a trusted proxy that cannot be read is refused. Falling back to the proxy's own address would put
//! all its clients under one limit and one address rule.
//!
//! # Limits
//! [`HOPS_MAX`] entries.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use portcullis_http1::{Fields, Label, Lines, token_run};
use smallvec::{SmallVec, smallvec};

use super::canonical::{ForwardedField, Rules};
use super::network::Network;
use super::{Canonical, Malformed, Peer, Scheme, Wire};

/// Entries of a chain that are looked at; a longer one is refused. Real chains have two or three.
pub const HOPS_MAX: usize = 32;

/// Addresses from the client (first) to the peer (last); never empty.
pub(super) type Chain = SmallVec<[IpAddr; 2]>;

/// What is known of the request's way to us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Origin {
    pub(super) chain: Chain,
    pub(super) scheme: Scheme,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Node {
    Address(IpAddr),
    /// `unknown`, or an obfuscated identifier (RFC 7239 §6.2, §6.3).
    Hidden,
}

struct Hop {
    node: Node,
    scheme: Option<Scheme>,
}

/// The way a request took, as far as it can be believed.
pub(super) fn origin(fields: &Fields, peer: &Peer, rules: &Rules) -> Result<Origin, Malformed> {
    let address = peer.ip().to_canonical();
    let scheme = peer.scheme();
    let direct = Origin { chain: smallvec![address], scheme };
    if !is_trusted(address, &rules.trusted_proxies) {
        return Ok(direct);
    }
    match rules.forwarded {
        ForwardedField::None => Ok(direct),
        ForwardedField::XForwardedFor => {
            let hops = x_forwarded_for(fields)?;
            let (chain, _) = walk(address, &hops, &rules.trusted_proxies)?;
            Ok(Origin { chain, scheme: x_forwarded_proto(fields)?.unwrap_or(scheme) })
        }
        ForwardedField::Forwarded => {
            let hops = forwarded(fields)?;
            let (chain, said) = walk(address, &hops, &rules.trusted_proxies)?;
            Ok(Origin { chain, scheme: said.unwrap_or(scheme) })
        }
    }
}

/// Says what backends are told of the request's way: `X-Forwarded-For`, `-Proto`, `-Host`, `-Port` and `Via`.
///
/// RFC 9110 §7.6.3: a gateway sends `Via` with the version it received; its name stands for the host.
///
/// `way` is [`way`] of a client that speaks for itself alone.
pub fn forwarded_fields(request: &Canonical, way: Option<&Lines>, mut say: impl FnMut(Said<'_>)) {
    const HOST: Label = Label::new("x-forwarded-host: ");
    const PORT: Label = Label::new("x-forwarded-port: ");
    // By the version received: `Via`, and before it the port that a scheme implies.
    static VIA: [Lines; 3] = [
        Lines::known("via: 1.0 portcullis\r\n"),
        Lines::known("via: 1.1 portcullis\r\n"),
        Lines::known("via: 2 portcullis\r\n"),
    ];
    static HTTP: [Lines; 3] = [
        Lines::known("x-forwarded-port: 80\r\nvia: 1.0 portcullis\r\n"),
        Lines::known("x-forwarded-port: 80\r\nvia: 1.1 portcullis\r\n"),
        Lines::known("x-forwarded-port: 80\r\nvia: 2 portcullis\r\n"),
    ];
    static HTTPS: [Lines; 3] = [
        Lines::known("x-forwarded-port: 443\r\nvia: 1.0 portcullis\r\n"),
        Lines::known("x-forwarded-port: 443\r\nvia: 1.1 portcullis\r\n"),
        Lines::known("x-forwarded-port: 443\r\nvia: 2 portcullis\r\n"),
    ];
    match way {
        Some(way) => say(Said::Lines(way)),
        None => say(Said::Lines(&self::way(request.client_chain(), request.scheme()))),
    }
    let [http10, http11, http2] = match request.port() {
        None => {
            if !request.host().is_empty() {
                say(Said::Field(HOST, request.host().as_bytes()));
            }
            match request.scheme() {
                Scheme::Https => &HTTPS,
                Scheme::Http => &HTTP,
            }
        }
        Some(port) => {
            let mut digits = itoa::Buffer::new();
            let port = digits.format(port).as_bytes();
            let mut text = SmallVec::<[u8; 64]>::from_slice(request.host().as_bytes());
            text.push(b':');
            text.extend_from_slice(port);
            say(Said::Field(HOST, &text));
            say(Said::Field(PORT, port));
            &VIA
        }
    };
    say(Said::Lines(match request.wire() {
        Wire::Http10 => http10,
        Wire::Http11 => http11,
        Wire::Http2 => http2,
    }));
}

/// What a backend is told, in one piece.
#[derive(Clone, Copy, Debug)]
pub enum Said<'a> {
    /// A line that is not written down yet.
    Field(Label, &'a [u8]),
    /// Lines that are.
    Lines(&'a Lines),
}

/// `X-Forwarded-For` and `-Proto` of a request that came through `chain`.
pub(super) fn way(chain: &[IpAddr], scheme: Scheme) -> Lines {
    const FOR: Label = Label::new("x-forwarded-for: ");
    const PROTO: Label = Label::new("x-forwarded-proto: ");
    let mut text = SmallVec::<[u8; 64]>::new();
    for address in chain {
        if !text.is_empty() {
            text.extend_from_slice(b", ");
        }
        push_address(*address, &mut text);
    }
    Lines::of(&[(FOR, &text), (PROTO, scheme.as_str().as_bytes())])
}

// PERF: the formatter of the standard library takes twenty times as long for an IPv4 address.
fn push_address(address: IpAddr, out: &mut SmallVec<[u8; 64]>) {
    match address {
        IpAddr::V4(address) => {
            for (place, octet) in address.octets().into_iter().enumerate() {
                if place > 0 {
                    out.push(b'.');
                }
                let digit = |value: u8| b'0'.wrapping_add(value % 10);
                if octet >= 100 {
                    out.push(digit(octet / 100));
                }
                if octet >= 10 {
                    out.push(digit(octet / 10));
                }
                out.push(digit(octet));
            }
        }
        IpAddr::V6(address) => out.extend_from_slice(address.to_string().as_bytes()),
    }
}

fn is_trusted(address: IpAddr, trusted: &[Network]) -> bool {
    trusted.iter().any(|network| network.contains(address))
}

/// Goes from the peer to the left as long as addresses are trusted.
fn walk(peer: IpAddr, hops: &[Hop], trusted: &[Network]) -> Result<(Chain, Option<Scheme>), Malformed> {
    let mut chain: Chain = smallvec![peer];
    let mut scheme = None;
    for hop in hops.iter().rev() {
        let Node::Address(address) = hop.node else {
            return Err(Malformed::ForwardedChain);
        };
        chain.push(address);
        scheme = hop.scheme;
        if !is_trusted(address, trusted) {
            break;
        }
    }
    chain.reverse();
    Ok((chain, scheme))
}

fn x_forwarded_for(fields: &Fields) -> Result<SmallVec<[Hop; 4]>, Malformed> {
    let mut hops = SmallVec::new();
    for line in fields.all("x-forwarded-for") {
        for entry in line.split(|b| *b == b',') {
            push(&mut hops, Hop { node: node(entry.trim_ascii(), Bare::Allowed)?, scheme: None })?;
        }
    }
    Ok(hops)
}

// One value: proxies that add to a list do so on different sides.
fn x_forwarded_proto(fields: &Fields) -> Result<Option<Scheme>, Malformed> {
    match fields.only("x-forwarded-proto") {
        Err(_) => Err(Malformed::ForwardedProto),
        Ok(None) => Ok(None),
        Ok(Some(value)) => scheme(value).map(Some),
    }
}

// Some proxies name the schemes of WebSocket.
fn scheme(value: &[u8]) -> Result<Scheme, Malformed> {
    let is = |name: &str| value.eq_ignore_ascii_case(name.as_bytes());
    if is("https") || is("wss") {
        Ok(Scheme::Https)
    } else if is("http") || is("ws") {
        Ok(Scheme::Http)
    } else {
        Err(Malformed::ForwardedProto)
    }
}

fn push(hops: &mut SmallVec<[Hop; 4]>, hop: Hop) -> Result<(), Malformed> {
    if hops.len() >= HOPS_MAX {
        return Err(Malformed::ForwardedChain);
    }
    hops.push(hop);
    Ok(())
}

/// Whether an IPv6 address may stand without brackets.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Bare {
    Allowed,
    Refused,
}

/// An address with or without port, or a name that hides one.
fn node(text: &[u8], bare: Bare) -> Result<Node, Malformed> {
    let text = std::str::from_utf8(text).map_err(|_| Malformed::ForwardedChain)?;
    if let Some(rest) = text.strip_prefix('[') {
        let (inside, after) = rest.split_once(']').ok_or(Malformed::ForwardedChain)?;
        let address: Ipv6Addr = inside.parse().map_err(|_| Malformed::ForwardedChain)?;
        return match after.strip_prefix(':') {
            _ if after.is_empty() => Ok(Node::Address(IpAddr::from(address).to_canonical())),
            Some(port) if is_node_port(port) => Ok(Node::Address(IpAddr::from(address).to_canonical())),
            _ => Err(Malformed::ForwardedChain),
        };
    }
    if bare == Bare::Allowed
        && let Ok(address) = text.parse::<Ipv6Addr>()
    {
        return Ok(Node::Address(IpAddr::from(address).to_canonical()));
    }
    let name = match text.split_once(':') {
        None => text,
        Some((name, port)) if is_node_port(port) => name,
        Some(_) => return Err(Malformed::ForwardedChain),
    };
    if name.eq_ignore_ascii_case("unknown") || is_obfuscated(name) {
        return Ok(Node::Hidden);
    }
    let address: Ipv4Addr = name.parse().map_err(|_| Malformed::ForwardedChain)?;
    Ok(Node::Address(address.into()))
}

// RFC 7239 §6: five digits at most, or obfuscated.
fn is_node_port(text: &str) -> bool {
    let digits = !text.is_empty() && text.len() <= 5 && text.bytes().all(|b| b.is_ascii_digit());
    digits || is_obfuscated(text)
}

fn is_obfuscated(text: &str) -> bool {
    let character = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    text.len() > 1 && text.starts_with('_') && text.bytes().all(character)
}

/// RFC 7239 §4. Read whole, from the left, because quoted strings hide commas; a quote that a client left open
/// makes the rest unreadable and the request refused.
fn forwarded(fields: &Fields) -> Result<SmallVec<[Hop; 4]>, Malformed> {
    let mut hops = SmallVec::new();
    for line in fields.all("forwarded") {
        let mut rest = line;
        loop {
            let (hop, end) = element(&mut rest)?;
            push(&mut hops, hop)?;
            if end {
                break;
            }
        }
    }
    Ok(hops)
}

/// Reads one element and what ends it; true at the end of the line.
fn element(rest: &mut &[u8]) -> Result<(Hop, bool), Malformed> {
    let mut hop = Hop { node: Node::Hidden, scheme: None };
    // Names seen: each may stand once (RFC 7239 §4).
    let mut seen = SmallVec::<[&[u8]; 4]>::new();
    loop {
        *rest = rest.trim_ascii_start();
        let name = token(rest).ok_or(Malformed::ForwardedChain)?;
        if seen.iter().any(|other| other.eq_ignore_ascii_case(name)) {
            return Err(Malformed::ForwardedChain);
        }
        seen.push(name);
        *rest = rest.strip_prefix(b"=").ok_or(Malformed::ForwardedChain)?;
        let value = value(rest).ok_or(Malformed::ForwardedChain)?;
        if name.eq_ignore_ascii_case(b"for") {
            hop.node = node(&value, Bare::Refused)?;
        } else if name.eq_ignore_ascii_case(b"proto") {
            hop.scheme = Some(scheme(&value)?);
        }
        *rest = rest.trim_ascii_start();
        match rest.split_first() {
            None => return Ok((hop, true)),
            Some((b',', after)) => {
                *rest = after;
                return Ok((hop, false));
            }
            Some((b';', after)) => *rest = after,
            Some(_) => return Err(Malformed::ForwardedChain),
        }
    }
}

fn token<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (token, after) = rest.split_at_checked(token_run(rest))?;
    *rest = after;
    (!token.is_empty()).then_some(token)
}

/// A token, or a quoted string with its escapes undone.
fn value(rest: &mut &[u8]) -> Option<SmallVec<[u8; 64]>> {
    let Some(quoted) = rest.strip_prefix(b"\"") else {
        return token(rest).map(SmallVec::from_slice);
    };
    let mut text = SmallVec::new();
    let mut bytes = quoted.iter();
    loop {
        match *bytes.next()? {
            b'"' => break,
            b'\\' => text.push(*bytes.next()?),
            byte => text.push(byte),
        }
    }
    *rest = bytes.as_slice();
    Some(text)
}

#[cfg(test)]
mod tests;
