//! IP networks in CIDR notation (RFC 4632, RFC 4291 §2.3): who counts as a trusted proxy.
//!
//! Written here because it is forty lines; a crate would bring a second spelling of addresses. Both sides are
//! compared in canonical form, so that `::ffff:10.0.0.1`, as a dual-stack socket reports it, lies in `10.0.0.0/8`.
//!
//! Refused: host bits beyond the prefix (`10.0.0.1/8` is a mistake more often than a wish), prefixes longer than
//! the address, leading zeros.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// A range of addresses that share a prefix; a single address is a range of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Network {
    // Invariant: canonical, and no bit is set beyond `prefix`.
    address: IpAddr,
    prefix: u8,
}

/// Why a text is no network. Written for the log and for configuration errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NetworkError {
    /// The part before the slash is no IP address.
    Address,
    /// The part after the slash is no number, or longer than the address.
    Prefix,
    /// Bits are set beyond the prefix.
    HostBits,
}

impl Network {
    /// The network of `prefix` bits that begins at `address`.
    pub fn new(address: IpAddr, prefix: u8) -> Result<Self, NetworkError> {
        let (address, prefix) = match (address, address.to_canonical()) {
            // `::ffff:10.0.0.0/104` is `10.0.0.0/8`.
            (IpAddr::V6(_), v4 @ IpAddr::V4(_)) => (v4, prefix.checked_sub(96).ok_or(NetworkError::Prefix)?),
            (_, canonical) => (canonical, prefix),
        };
        if prefix > width(address) {
            return Err(NetworkError::Prefix);
        }
        if masked(address, prefix) != address {
            return Err(NetworkError::HostBits);
        }
        Ok(Self { address, prefix })
    }

    /// Whether `address` lies in the range.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.address.is_ipv4() && masked(address, self.prefix) == self.address
    }
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| NetworkError::Address)?;
        let prefix = match prefix {
            None => width(address),
            // `u8::from_str` would take `+8` and `008`.
            Some(digits) if digits.len() > 1 && digits.starts_with('0') => return Err(NetworkError::Prefix),
            Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => {
                digits.parse().map_err(|_| NetworkError::Prefix)?
            }
            Some(_) => return Err(NetworkError::Prefix),
        };
        Self::new(address, prefix)
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

impl fmt::Display for NetworkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Address => "not an IP address or CIDR range",
            Self::Prefix => "the prefix length does not fit the address",
            Self::HostBits => "bits are set beyond the prefix; write the first address of the range",
        })
    }
}

impl std::error::Error for NetworkError {}

fn width(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

fn masked(address: IpAddr, prefix: u8) -> IpAddr {
    let hidden = u32::from(width(address).saturating_sub(prefix));
    match address {
        IpAddr::V4(v4) => {
            Ipv4Addr::from_bits(v4.to_bits() & u32::MAX.checked_shl(hidden).unwrap_or(0)).into()
        }
        IpAddr::V6(v6) => {
            Ipv6Addr::from_bits(v6.to_bits() & u128::MAX.checked_shl(hidden).unwrap_or(0)).into()
        }
    }
}

#[cfg(test)]
mod tests;
