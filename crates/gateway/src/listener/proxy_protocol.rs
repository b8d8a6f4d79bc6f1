//! The PROXY protocol, versions 1 and 2: who a load balancer in front of us speaks for.
//!
//! Where a listener requires it every connection begins with a header, and only trusted proxies may send one;
//! everybody else is closed before a byte of theirs is read as anything else. Nothing is read beyond the header:
//! what follows belongs to TLS or HTTP. Version 1 is one line, read byte by byte for that reason.
//!
//! A header in which the proxy speaks for itself (LOCAL, UNKNOWN, an unspecified family; health checks do) leaves
//! the connection's own addresses. Families other than TCP over IPv4 and IPv6 are refused. What else version 2
//! carries must be well-formed, and is not used.
//!
//! # Limits
//! 107 bytes for version 1, as its text has it; [`V2_BYTES_MAX`] after the head of version 2; `handshake` for the
//! time, together with the TLS handshake.
//!
//! # Threats
//! Whoever can send a header chooses the address that limits, logs and rules see.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::io::{AsyncRead, AsyncReadExt};

/// Both ends of a connection as its proxy saw them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ends {
    pub(super) source: SocketAddr,
    pub(super) destination: SocketAddr,
}

/// What version 2 begins with.
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

/// The longest line of version 1, its end included.
const V1_BYTES_MAX: usize = 107;

/// Addresses and extensions of version 2. Balancers send some hundred bytes.
const V2_BYTES_MAX: usize = 4096;

/// Reads a header. `None` when the proxy speaks for itself.
///
/// # Errors
/// There is no header, or it is malformed.
pub(super) async fn read<R: AsyncRead + Unpin>(reader: &mut R) -> io::Result<Option<Ends>> {
    // The shortest header has three bytes more.
    let mut begin = [0; SIGNATURE.len()];
    reader.read_exact(&mut begin).await?;
    if begin == *SIGNATURE {
        let mut head = [0; 4];
        reader.read_exact(&mut head).await?;
        let [command, family, l0, l1] = head;
        let length = usize::from(u16::from_be_bytes([l0, l1]));
        if length > V2_BYTES_MAX {
            return Err(malformed());
        }
        let mut rest = vec![0; length];
        reader.read_exact(&mut rest).await?;
        return v2(command, family, &rest).ok_or_else(malformed);
    }
    let mut line = begin.to_vec();
    while line.last() != Some(&b'\n') {
        if line.len() >= V1_BYTES_MAX || !line.starts_with(b"PROXY ") {
            return Err(malformed());
        }
        line.push(reader.read_u8().await?);
    }
    v1(&line).ok_or_else(malformed)
}

fn malformed() -> io::Error {
    io::ErrorKind::InvalidData.into()
}

/// `PROXY TCP4 source destination port port`, parted by single spaces.
fn v1(line: &[u8]) -> Option<Option<Ends>> {
    let line = std::str::from_utf8(line).ok()?.strip_suffix("\r\n")?.strip_prefix("PROXY ")?;
    if line.bytes().any(|byte| byte.is_ascii_control()) {
        return None;
    }
    if line == "UNKNOWN" || line.starts_with("UNKNOWN ") {
        return Some(None);
    }
    let mut words = line.split(' ');
    let family = words.next()?;
    let mut address = || -> Option<IpAddr> {
        let word = words.next()?;
        match family {
            "TCP4" => word.parse().ok().map(IpAddr::V4),
            "TCP6" => word.parse().ok().map(IpAddr::V6),
            _ => None,
        }
    };
    let (source, destination) = (address()?, address()?);
    let mut port = || port(words.next()?);
    let (source_port, destination_port) = (port()?, port()?);
    words.next().is_none().then(|| Some(Ends::new(source, source_port, destination, destination_port)))
}

/// Digits without a sign and without leading zeros.
fn port(word: &str) -> Option<u16> {
    let is_plain = word == "0" || !word.starts_with(['0', '+']);
    word.parse().ok().filter(|_| is_plain)
}

/// The addresses, in network order, then extensions.
fn v2(command: u8, family: u8, rest: &[u8]) -> Option<Option<Ends>> {
    match (command, family) {
        // LOCAL: the rest means nothing.
        (0x20, _) => return Some(None),
        (0x21, 0x00 | 0x11 | 0x21) => {}
        _ => return None,
    }
    let mut rest = rest;
    let ends = match family {
        0x11 => {
            let (source, destination) = (Ipv4Addr::from(take(&mut rest)?), Ipv4Addr::from(take(&mut rest)?));
            let (from, to) = (u16::from_be_bytes(take(&mut rest)?), u16::from_be_bytes(take(&mut rest)?));
            Some(Ends::new(source.into(), from, destination.into(), to))
        }
        0x21 => {
            let (source, destination) = (Ipv6Addr::from(take(&mut rest)?), Ipv6Addr::from(take(&mut rest)?));
            let (from, to) = (u16::from_be_bytes(take(&mut rest)?), u16::from_be_bytes(take(&mut rest)?));
            Some(Ends::new(source.into(), from, destination.into(), to))
        }
        _ => None,
    };
    while !rest.is_empty() {
        let [_kind] = take(&mut rest)?;
        let length = usize::from(u16::from_be_bytes(take(&mut rest)?));
        rest = rest.get(length..)?;
    }
    Some(ends)
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(*taken)
}

impl Ends {
    fn new(source: IpAddr, source_port: u16, destination: IpAddr, destination_port: u16) -> Self {
        // An IPv4 address stays one, however it is dressed: networks and limits are written for it.
        Self {
            source: SocketAddr::new(source.to_canonical(), source_port),
            destination: SocketAddr::new(destination.to_canonical(), destination_port),
        }
    }
}

#[cfg(test)]
mod tests;
