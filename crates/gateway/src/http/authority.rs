//! The authority of a request, `host[:port]`, in one spelling (RFC 3986 §3.2, RFC 9110 §7.2).
//!
//! Case, one trailing dot and the many spellings of an IPv6 address are folded, because resolvers and backends
//! fold them too and a rule for `api.example.com` must hold for `API.example.com.` as well. What two parsers read
//! differently is refused: user information, escapes, characters no host name has, empty labels, numbers that
//! some read as an IPv4 address (`127.1`, `0x7f000001`, `010.0.0.1`), an empty or odd port, zone identifiers.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::{Malformed, octets};

/// RFC 1035 §2.3.4: a name has at most 255 octets on the wire, 253 as text.
const HOST_BYTES_MAX: usize = 253;
/// RFC 1035 §2.3.4.
const LABEL_BYTES_MAX: usize = 63;

/// Appends the canonical host of `authority` to `out` and returns the port it claims.
///
/// The host is in lower case, without a trailing dot; an IPv6 address stands in brackets, compressed as RFC 5952
/// has it. Nothing is promised of what stands in `out` after a refusal.
pub fn canonicalize(authority: &[u8], out: &mut Vec<u8>) -> Result<Option<u16>, Malformed> {
    if let Some(rest) = authority.strip_prefix(b"[") {
        let end = rest.iter().position(|b| *b == b']').ok_or(Malformed::HostAddress)?;
        let (inside, after) = rest.split_at_checked(end).ok_or(Malformed::HostAddress)?;
        let port = match after {
            [b']'] => None,
            [b']', b':', digits @ ..] => Some(port(digits)?),
            _ => return Err(Malformed::HostAddress),
        };
        let address: Ipv6Addr = text(inside)?.parse().map_err(|_| Malformed::HostAddress)?;
        out.push(b'[');
        out.extend_from_slice(address.to_string().as_bytes());
        out.push(b']');
        return Ok(port);
    }
    name_and_port(authority, out).map_err(|why| match why {
        // In `user:secret@host` the rest is beside the point.
        Malformed::HostName | Malformed::HostPort if authority.contains(&b'@') => Malformed::HostUserinfo,
        why => why,
    })
}

fn name_and_port(authority: &[u8], out: &mut Vec<u8>) -> Result<Option<u16>, Malformed> {
    let (mut end, mut label) = (authority.len(), 0_usize);
    for (at, byte) in authority.iter().enumerate() {
        if octets::is(*byte, octets::LABEL) {
            continue;
        }
        match byte {
            b'.' if at > label && at.saturating_sub(label) <= LABEL_BYTES_MAX => label = at.saturating_add(1),
            b':' => {
                end = at;
                break;
            }
            _ => return Err(Malformed::HostName),
        }
    }
    let (name, port) = authority.split_at_checked(end).unwrap_or_default();
    let port = port.strip_prefix(b":").map(self::port).transpose()?;
    let (name, last) = match name.strip_suffix(b".") {
        None => (name, name.get(label..).unwrap_or_default()),
        Some(name) => (name, name.rsplit(|b| *b == b'.').next().unwrap_or_default()),
    };
    if last.is_empty() || last.len() > LABEL_BYTES_MAX || name.len() > HOST_BYTES_MAX {
        return Err(Malformed::HostName);
    }
    if is_number(last) && text(name)?.parse::<Ipv4Addr>().is_err() {
        return Err(Malformed::HostAddress);
    }
    let start = out.len();
    out.extend_from_slice(name);
    if let Some(pushed) = out.get_mut(start..) {
        pushed.make_ascii_lowercase();
    }
    Ok(port)
}

// A last label that is a number, decimal or hexadecimal, makes browsers and C libraries read the whole as an
// IPv4 address (WHATWG URL, "ends in a number checker"); no top-level domain is one.
fn is_number(label: &[u8]) -> bool {
    match label {
        [b'0', b'x' | b'X', digits @ ..] => digits.iter().all(u8::is_ascii_hexdigit),
        [b'0'..=b'9', digits @ ..] => digits.iter().all(u8::is_ascii_digit),
        _ => false,
    }
}

// RFC 3986 allows an empty port and leading zeros; no client sends them, and readers differ on both.
fn port(digits: &[u8]) -> Result<u16, Malformed> {
    let plain = matches!(digits, [b'1'..=b'9', rest @ ..] if rest.iter().all(u8::is_ascii_digit));
    if !plain {
        return Err(Malformed::HostPort);
    }
    let value = digits.iter().try_fold(0_u16, |value, digit| {
        value.checked_mul(10)?.checked_add(u16::from(digit.wrapping_sub(b'0')))
    });
    value.ok_or(Malformed::HostPort)
}

fn text(bytes: &[u8]) -> Result<&str, Malformed> {
    std::str::from_utf8(bytes).map_err(|_| Malformed::HostName)
}

#[cfg(test)]
mod tests;
