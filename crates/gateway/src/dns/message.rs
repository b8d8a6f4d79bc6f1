//! DNS messages: a question as bytes, an answer as what it says of that question (RFC 1035 §4).
//!
//! Pure: no sockets, no clock. An answer counts only for the question it was asked: the id, the name, the type and the
//! class must be those of the question. Of its records only those are read that lead from the name to addresses; the
//! rest is skipped, and never believed.
//!
//! # Limits
//! [`RECORDS_MAX`] records in the answer section, [`CHAIN_MAX`] aliases, [`ADDRESSES_MAX`] addresses; a name has at most
//! 255 bytes. A compression pointer leads strictly backwards, so that no name goes in circles.
//!
//! # Threats
//! Whoever can answer in place of the server says where a backend is. That he cannot guess what he must say is
//! `ask`'s business. An address that is nobody's (`0.0.0.0`, a group, broadcast) is left out: the system would take the
//! first for itself.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Records of an answer section that are looked at; more are refused.
pub const RECORDS_MAX: u16 = 256;

/// Aliases (CNAME) from a name to its addresses.
pub const CHAIN_MAX: usize = 8;

/// Addresses of one family that are kept.
pub const ADDRESSES_MAX: usize = 16;

/// Bytes of a name on the wire (RFC 1035 §2.3.4).
const NAME_BYTES_MAX: usize = 255;

/// Bytes of one label.
const LABEL_BYTES_MAX: usize = 63;

/// Bytes of a message's head.
const HEAD_BYTES: usize = 12;

const TYPE_CNAME: u16 = 5;

const CLASS_IN: u16 = 1;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// A records.
    V4,
    /// AAAA records.
    V6,
}

/// A name as it stands in a message, in lower case and never compressed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WireName(Vec<u8>);

/// What an answer says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// The name has these addresses, for so many seconds.
    Addresses {
        /// In the order of the answer, each once.
        addresses: Vec<IpAddr>,
        /// The least of all records that led there.
        ttl: u32,
    },
    /// The name is there and has no address of this family.
    NoAddress,
    /// There is no such name.
    NoName,
    /// The answer did not fit: ask again over TCP.
    Truncated,
    /// The server cannot or will not say; its code (RFC 1035 §4.1.1).
    Failed(u8),
}

/// Why a message is no answer to the question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unusable(pub &'static str);

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl Family {
    fn code(self) -> u16 {
        match self {
            Self::V4 => 1,
            Self::V6 => 28,
        }
    }

    fn address(self, data: &[u8]) -> Result<IpAddr, Unusable> {
        let v4 = |data| <[u8; 4]>::try_from(data).map(|octets| Ipv4Addr::from(octets).into());
        let v6 = |data| <[u8; 16]>::try_from(data).map(|octets| Ipv6Addr::from(octets).into());
        match self {
            Self::V4 => v4(data),
            Self::V6 => v6(data),
        }
        .map_err(|_| Unusable("an address of the wrong length"))
    }
}

impl WireName {
    /// The name of a host, with or without its last dot; `None` if no message can bear it.
    pub fn of(host: &str) -> Option<Self> {
        let mut wire = Vec::with_capacity(host.len().saturating_add(2));
        for label in host.strip_suffix('.').unwrap_or(host).split('.') {
            let length =
                u8::try_from(label.len()).ok().filter(|length| usize::from(*length) <= LABEL_BYTES_MAX)?;
            if length == 0 || !label.bytes().all(|byte| byte.is_ascii_graphic()) {
                return None;
            }
            wire.push(length);
            wire.extend(label.bytes().map(|byte| byte.to_ascii_lowercase()));
        }
        wire.push(0);
        (wire.len() <= NAME_BYTES_MAX).then_some(Self(wire))
    }
}

/// The question for the addresses of `name`, recursion desired.
pub fn question(id: u16, name: &WireName, family: Family) -> Vec<u8> {
    let mut message = Vec::with_capacity(name.0.len().saturating_add(16));
    message.extend(id.to_be_bytes());
    message.extend([0x01, 0x00, 0, 1, 0, 0, 0, 0, 0, 0]);
    message.extend(&name.0);
    message.extend(family.code().to_be_bytes());
    message.extend(CLASS_IN.to_be_bytes());
    message
}

/// What `message` says to the question that [`question`] makes of `id`, `name` and `family`.
///
/// # Errors
/// It is no answer to that question, or not well-formed.
pub fn read(message: &[u8], id: u16, name: &WireName, family: Family) -> Result<Reply, Unusable> {
    let mut reader = Reader { message, at: 0 };
    if reader.number()? != id {
        return Err(Unusable("another id"));
    }
    let flags = reader.number()?;
    if flags & 0xf800 != 0x8000 {
        return Err(Unusable("no answer to a question"));
    }
    let (questions, answers) = (reader.number()?, reader.number()?);
    reader.at = HEAD_BYTES;
    if questions != 1 || reader.name()? != *name {
        return Err(Unusable("an answer to another question"));
    }
    if reader.number()? != family.code() || reader.number()? != CLASS_IN {
        return Err(Unusable("an answer to another question"));
    }
    if flags & 0x0200 != 0 {
        return Ok(Reply::Truncated);
    }
    match flags & 0x000f {
        0 => reader.addresses(answers, name, family),
        3 => Ok(Reply::NoName),
        code => Ok(Reply::Failed(u8::try_from(code).unwrap_or_default())),
    }
}

/// A place in a message. Reading past its end is an error.
struct Reader<'a> {
    message: &'a [u8],
    at: usize,
}

/// What of a record matters here.
struct Record {
    owner: WireName,
    ttl: u32,
    data: Data,
}

enum Data {
    Alias(WireName),
    Address(IpAddr),
}

const SHORT: Unusable = Unusable("shorter than it says");

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], Unusable> {
        let end = self.at.checked_add(count).ok_or(SHORT)?;
        let taken = self.message.get(self.at..end).ok_or(SHORT)?;
        self.at = end;
        Ok(taken)
    }

    fn octet(&mut self) -> Result<u8, Unusable> {
        self.take(1)?.first().copied().ok_or(SHORT)
    }

    fn number(&mut self) -> Result<u16, Unusable> {
        let octets = <[u8; 2]>::try_from(self.take(2)?).map_err(|_| SHORT)?;
        Ok(u16::from_be_bytes(octets))
    }

    /// A name, which may go on elsewhere (RFC 1035 §4.1.4).
    fn name(&mut self) -> Result<WireName, Unusable> {
        let mut wire = Vec::new();
        // Where this stretch of labels began: a pointer must lead to before that.
        let mut before = self.at;
        let mut after = None;
        loop {
            let length = self.octet()?;
            match length {
                0 => break,
                1..=63 => {
                    wire.push(length);
                    wire.extend(self.take(usize::from(length))?.iter().map(u8::to_ascii_lowercase));
                    if wire.len() >= NAME_BYTES_MAX {
                        return Err(Unusable("a name that is too long"));
                    }
                }
                0xc0.. => {
                    let low = self.octet()?;
                    let to = usize::from(u16::from_be_bytes([length & 0x3f, low]));
                    if to >= before || to < HEAD_BYTES {
                        return Err(Unusable("a name that goes in circles"));
                    }
                    after.get_or_insert(self.at);
                    before = to;
                    self.at = to;
                }
                _ => return Err(Unusable("a label of an unknown kind")),
            }
        }
        wire.push(0);
        self.at = after.unwrap_or(self.at);
        Ok(WireName(wire))
    }

    /// One record; `None` if it is none that leads to an address.
    fn record(&mut self, family: Family) -> Result<Option<Record>, Unusable> {
        let owner = self.name()?;
        let (kind, class) = (self.number()?, self.number()?);
        let octets = <[u8; 4]>::try_from(self.take(4)?).map_err(|_| SHORT)?;
        // RFC 2181 §8: the highest bit means nothing, so such a time is none.
        let ttl = u32::try_from(i32::from_be_bytes(octets)).unwrap_or(0);
        let length = usize::from(self.number()?);
        let start = self.at;
        let data = self.take(length)?;
        if class != CLASS_IN {
            return Ok(None);
        }
        let data = if kind == TYPE_CNAME {
            let mut inside = Self { message: self.message, at: start };
            let alias = inside.name()?;
            if inside.at != self.at {
                return Err(Unusable("an alias of the wrong length"));
            }
            Data::Alias(alias)
        } else if kind == family.code() {
            Data::Address(family.address(data)?)
        } else {
            return Ok(None);
        };
        Ok(Some(Record { owner, ttl, data }))
    }

    /// The addresses that `count` records lead to.
    fn addresses(&mut self, count: u16, name: &WireName, family: Family) -> Result<Reply, Unusable> {
        if count > RECORDS_MAX {
            return Err(Unusable("too many records"));
        }
        let mut records = Vec::new();
        for _ in 0..count {
            records.extend(self.record(family)?);
        }
        let (mut owner, mut ttl) = (name, u32::MAX);
        let mut aliases = 0_usize;
        let alias_of = |owner: &WireName| {
            let mut aliases = records.iter().filter(|record| record.owner == *owner);
            aliases.find_map(|record| match &record.data {
                Data::Alias(alias) => Some((alias, record.ttl)),
                Data::Address(_) => None,
            })
        };
        while let Some((alias, lasts)) = alias_of(owner) {
            aliases = aliases.saturating_add(1);
            if aliases > CHAIN_MAX {
                return Err(Unusable("too many aliases"));
            }
            owner = alias;
            ttl = ttl.min(lasts);
        }
        let mut addresses = Vec::new();
        for record in records.iter().filter(|record| record.owner == *owner) {
            if let Data::Address(address) = record.data
                && is_someones(address)
                && addresses.len() < ADDRESSES_MAX
                && !addresses.contains(&address)
            {
                addresses.push(address);
                ttl = ttl.min(record.ttl);
            }
        }
        if addresses.is_empty() { Ok(Reply::NoAddress) } else { Ok(Reply::Addresses { addresses, ttl }) }
    }
}

/// Whether one machine can be reached there.
fn is_someones(address: IpAddr) -> bool {
    !address.is_unspecified() && !address.is_multicast() && address != IpAddr::V4(Ipv4Addr::BROADCAST)
}

#[cfg(test)]
mod tests;
