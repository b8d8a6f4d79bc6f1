//! Where to listen, networks, URLs.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

use super::Written;
use crate::dns::PORT;

/// Where to listen: an address and port such as `0.0.0.0:8443` or `[::]:8443`, or `unix:` and a path.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Bind {
    /// An IP address and a port; port 0 takes a free one.
    Tcp(SocketAddr),
    /// A Unix socket.
    Unix(PathBuf),
}

/// A network such as `10.0.0.0/8`, or one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Network {
    /// Its first address.
    pub address: IpAddr,
    /// How many leading bits all its addresses share.
    pub prefix: u8,
}

/// One IP address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Address(pub IpAddr);

/// A server that is asked for names: an address, and a port unless it is 53.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct NameServer(pub SocketAddr);

/// An `http` or `https` URL.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Url {
    /// Whether it is `https`.
    pub https: bool,
    /// Host name in lower case, or address; IPv6 without brackets.
    pub host: Box<str>,
    /// Port, the scheme's own when none is written.
    pub port: u16,
    /// Path and query as written; `/` when none is.
    pub path: Box<str>,
}

impl Written for Bind {
    const NAME: &'static str = "Bind";
    const EXPECTED: &'static str = "an address and port such as 0.0.0.0:8443, or unix:path";
    const PATTERN: &'static str = r"unix:.+|[0-9.]+:[0-9]+|\[[0-9a-fA-F:.]+\]:[0-9]+";

    fn read(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("unix:") {
            if path.is_empty() || path.contains('\0') {
                return Err(String::new());
            }
            return Ok(Self::Unix(path.into()));
        }
        text.parse().map(Self::Tcp).map_err(|_| match text.rsplit_once(':') {
            Some(("" | "*", port)) => format!("write `0.0.0.0:{port}` for IPv4 or `[::]:{port}` for both"),
            Some(("localhost", port)) => format!("write `127.0.0.1:{port}`"),
            Some(_) => "names are not looked up here: write the IP address".to_owned(),
            None => "add the port".to_owned(),
        })
    }
}

impl fmt::Display for Bind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl Written for Network {
    const NAME: &'static str = "Network";
    const EXPECTED: &'static str = "a network such as 10.0.0.0/8";
    const PATTERN: &'static str = "[0-9a-fA-F.:]+(/[0-9]+)?";

    fn read(text: &str) -> Result<Self, String> {
        let (address, prefix) = text.split_once('/').map_or((text, None), |(a, p)| (a, Some(p)));
        let address: IpAddr = address.parse().map_err(|_| String::new())?;
        let bits: u8 = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            Some(prefix) => prefix.parse().map_err(|_| String::new())?,
            None => bits,
        };
        if prefix > bits {
            return Err(format!("at most /{bits} is possible"));
        }
        let first = first_address(address, prefix);
        if first != address {
            return Err(format!("its first address is {first}: write `{first}/{prefix}`"));
        }
        Ok(Self { address, prefix })
    }
}

/// The address with all bits behind the prefix 0.
fn first_address(address: IpAddr, prefix: u8) -> IpAddr {
    let prefix = u32::from(prefix);
    match address {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(32_u32.saturating_sub(prefix)).unwrap_or(0);
            IpAddr::V4((v4.to_bits() & mask).into())
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(128_u32.saturating_sub(prefix)).unwrap_or(0);
            IpAddr::V6((v6.to_bits() & mask).into())
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

impl Written for Address {
    const NAME: &'static str = "Address";
    const EXPECTED: &'static str = "an IP address such as 10.0.0.2";
    const PATTERN: &'static str = "[0-9a-fA-F.:]+";

    fn read(text: &str) -> Result<Self, String> {
        text.parse().map(Self).map_err(|_| match text {
            "localhost" => "write `127.0.0.1`".to_owned(),
            _ => "names are not looked up here: write the IP address, without a port".to_owned(),
        })
    }
}

impl Written for NameServer {
    const NAME: &'static str = "NameServer";
    const EXPECTED: &'static str = "an address such as 10.0.0.2 or 10.0.0.2:53";
    const PATTERN: &'static str = r"[0-9a-fA-F.:]+|[0-9.]+:[0-9]+|\[[0-9a-fA-F:.]+\]:[0-9]+";

    fn read(text: &str) -> Result<Self, String> {
        let plain = || text.parse::<IpAddr>().ok().map(|address| SocketAddr::new(address, PORT));
        let server =
            text.parse().ok().or_else(plain).ok_or("names are not looked up here: write the IP address")?;
        if server.port() == 0 { Err("its port is none".to_owned()) } else { Ok(Self(server)) }
    }
}

impl Written for Url {
    const NAME: &'static str = "Url";
    const EXPECTED: &'static str = "a URL such as https://host.example:8443";
    const PATTERN: &'static str = "https?://[^@#\\s]+";

    fn read(text: &str) -> Result<Self, String> {
        if text.contains('#') {
            return Err("it must not have a fragment".to_owned());
        }
        let https = match text.split_once("://") {
            Some(("https", _)) => true,
            Some(("http", _)) => false,
            Some(_) => return Err("only http and https are known".to_owned()),
            None => return Err(format!("did you mean `http://{text}`?")),
        };
        let uri = http::Uri::from_str(text).map_err(|_| String::new())?;
        let authority = uri.authority().ok_or_else(String::new)?;
        if authority.as_str().contains('@') {
            return Err("it must not have a user or password".to_owned());
        }
        let host = authority.host();
        let port = match authority.as_str().get(host.len()..) {
            Some("") => {
                if https {
                    443
                } else {
                    80
                }
            }
            Some(_) => authority.port_u16().filter(|port| *port != 0).ok_or("its port is none")?,
            None => return Err(String::new()),
        };
        let host = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
            Some(v6) => v6.parse::<std::net::Ipv6Addr>().map_err(|_| String::new())?.to_string(),
            None => host.to_ascii_lowercase(),
        };
        if host.is_empty() {
            return Err(String::new());
        }
        let path = uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
        Ok(Self { https, host: host.into(), port, path: path.into() })
    }
}

impl FromStr for Url {
    type Err = String;

    /// Reads it as the configuration does; an error is a hint, or empty.
    fn from_str(text: &str) -> Result<Self, String> {
        Self::read(text)
    }
}

impl Url {
    /// Whether it leads to this machine: a loopback address or `localhost`.
    pub fn is_loopback(&self) -> bool {
        &*self.host == "localhost" || self.host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    }

    /// Host and port as they stand in a URL: IPv6 in brackets, the scheme's own port left out.
    pub fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.to_string() };
        match (self.https, self.port) {
            (true, 443) | (false, 80) => host,
            (_, port) => format!("{host}:{port}"),
        }
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", if self.https { "https" } else { "http" }, self.authority(), self.path)
    }
}
