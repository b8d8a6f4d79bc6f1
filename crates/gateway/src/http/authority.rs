//! The authority of a request, `host[:port]`, in one spelling (RFC 3986 §3.2, RFC 9110 §7.2).
//!
//! Case, one trailing dot and the many spellings of an IPv6 address are folded, because resolvers and backends
//! fold them too and a rule for `api.example.com` must hold for `API.example.com.` as well. What two parsers read
//! differently is refused: user information, escapes, characters no host name has, empty labels, numbers that
//! some read as an IPv4 address (`127.1`, `0x7f000001`, `010.0.0.1`), an empty or odd port, zone identifiers.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::Malformed;

/// RFC 1035 §2.3.4: a name has at most 255 octets on the wire, 253 as text.
const HOST_BYTES_MAX: usize = 253;
/// RFC 1035 §2.3.4.
const LABEL_BYTES_MAX: usize = 63;

/// Appends the canonical host of `authority` to `out` and returns the port it claims.
///
/// The host is in lower case, without a trailing dot; an IPv6 address stands in brackets, compressed as RFC 5952
/// has it. Nothing is promised of what stands in `out` after a refusal.
pub fn canonicalize(authority: &[u8], out: &mut String) -> Result<Option<u16>, Malformed> {
    if let Some(rest) = authority.strip_prefix(b"[") {
        let end = rest.iter().position(|b| *b == b']').ok_or(Malformed::HostAddress)?;
        let (inside, after) = rest.split_at_checked(end).ok_or(Malformed::HostAddress)?;
        let port = match after {
            [b']'] => None,
            [b']', b':', digits @ ..] => Some(port(digits)?),
            _ => return Err(Malformed::HostAddress),
        };
        let address: Ipv6Addr = text(inside)?.parse().map_err(|_| Malformed::HostAddress)?;
        out.push('[');
        out.push_str(&address.to_string());
        out.push(']');
        return Ok(port);
    }
    let (name, port) = match authority.iter().position(|b| *b == b':') {
        None => (authority, None),
        Some(colon) => {
            let (name, rest) = authority.split_at_checked(colon).unwrap_or_default();
            (name, Some(rest.get(1..).unwrap_or_default()))
        }
    };
    // The name first: in `user:secret@host` the colon belongs to what is refused anyway.
    push_name(name, authority, out)?;
    port.map(self::port).transpose()
}

fn push_name(name: &[u8], authority: &[u8], out: &mut String) -> Result<(), Malformed> {
    if authority.contains(&b'@') {
        return Err(Malformed::HostUserinfo);
    }
    let name = name.strip_suffix(b".").unwrap_or(name);
    if name.is_empty() || name.len() > HOST_BYTES_MAX {
        return Err(Malformed::HostName);
    }
    let start = out.len();
    let mut label_bytes = 0_usize;
    for byte in name {
        match byte {
            b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' => out.push(char::from(*byte)),
            b'A'..=b'Z' => out.push(char::from(byte.to_ascii_lowercase())),
            b'.' if label_bytes == 0 => return Err(Malformed::HostName),
            b'.' => out.push('.'),
            _ => return Err(Malformed::HostName),
        }
        label_bytes = if *byte == b'.' { 0 } else { label_bytes.saturating_add(1) };
        if label_bytes > LABEL_BYTES_MAX {
            return Err(Malformed::HostName);
        }
    }
    if label_bytes == 0 {
        return Err(Malformed::HostName);
    }
    let host = out.get(start..).unwrap_or_default();
    if looks_like_ipv4(host) && host.parse::<Ipv4Addr>().is_err() {
        return Err(Malformed::HostAddress);
    }
    Ok(())
}

// A last label that is a number, decimal or hexadecimal, makes browsers and C libraries read the whole as an
// IPv4 address (WHATWG URL, "ends in a number checker"); no top-level domain is one.
fn looks_like_ipv4(host: &str) -> bool {
    let last = host.rsplit('.').next().unwrap_or_default();
    let hex = last.strip_prefix("0x").is_some_and(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
    hex || last.bytes().all(|b| b.is_ascii_digit())
}

// RFC 3986 allows an empty port and leading zeros; no client sends them, and readers differ on both.
fn port(digits: &[u8]) -> Result<u16, Malformed> {
    let plain = matches!(digits, [b'1'..=b'9', rest @ ..] if rest.iter().all(u8::is_ascii_digit));
    if !plain {
        return Err(Malformed::HostPort);
    }
    text(digits)?.parse().map_err(|_| Malformed::HostPort)
}

fn text(bytes: &[u8]) -> Result<&str, Malformed> {
    std::str::from_utf8(bytes).map_err(|_| Malformed::HostName)
}

#[cfg(test)]
mod tests;
