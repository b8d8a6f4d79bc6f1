//! What this machine says of names: `/etc/hosts` and `/etc/resolv.conf`, as texts.
//!
//! Pure, as far as texts go: `ask` reads the files. Lines that mean nothing to us are passed over, as every resolver
//! does: these files belong to the system, and other programs find more in them.
//!
//! # Limits
//! [`SERVERS_MAX`] servers, [`SEARCH_MAX`] domains; more are left out.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// Servers that are asked, one after the other, as many as everybody else asks.
const SERVERS_MAX: usize = 3;

/// Domains that are tried behind a name.
const SEARCH_MAX: usize = 6;

/// The port of DNS.
pub(crate) const PORT: u16 = 53;

/// What `/etc/resolv.conf` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct System {
    pub(super) servers: Vec<SocketAddr>,
    pub(super) search: Vec<String>,
    /// A name with as many dots is asked as it is before domains are tried behind it.
    pub(super) dots: usize,
}

impl System {
    /// Reads `/etc/resolv.conf`. Without a server in it, this machine is asked (resolv.conf(5)).
    pub(super) fn read(text: &str) -> Self {
        let mut system = Self { servers: Vec::new(), search: Vec::new(), dots: 1 };
        for line in text.lines() {
            let mut words = line.split_ascii_whitespace();
            match words.next() {
                Some("nameserver") => {
                    let server = words.next().and_then(|word| word.parse::<IpAddr>().ok());
                    system.servers.extend(server.map(|server| SocketAddr::new(server, PORT)));
                }
                // The last one counts.
                Some("search" | "domain") => {
                    let domains = words.map(|word| word.trim_matches('.').to_ascii_lowercase());
                    system.search = domains.filter(|domain| !domain.is_empty()).take(SEARCH_MAX).collect();
                }
                Some("options") => {
                    let dots = words.filter_map(|word| word.strip_prefix("ndots:")?.parse().ok()).next_back();
                    system.dots = dots.unwrap_or(system.dots);
                }
                _ => {}
            }
        }
        system.servers.truncate(SERVERS_MAX);
        if system.servers.is_empty() {
            system.servers.push((Ipv4Addr::LOCALHOST, PORT).into());
        }
        system
    }

    /// The names that `host` may stand for, in the order they are asked: with a last dot it is itself alone.
    pub(super) fn candidates(&self, host: &str) -> Vec<String> {
        if host.ends_with('.') || self.search.is_empty() {
            return vec![host.to_owned()];
        }
        let behind = self.search.iter().map(|domain| format!("{host}.{domain}"));
        let as_it_is = std::iter::once(host.to_owned());
        if host.matches('.').count() >= self.dots {
            as_it_is.chain(behind).collect()
        } else {
            behind.chain(as_it_is).collect()
        }
    }
}

/// The addresses that `/etc/hosts` has for `host`.
pub(super) fn hosts(text: &str, host: &str) -> Vec<IpAddr> {
    let host = host.strip_suffix('.').unwrap_or(host);
    let mut addresses = Vec::new();
    for line in text.lines() {
        let line = line.split('#').next().unwrap_or_default();
        let mut words = line.split_ascii_whitespace();
        let address = words.next().and_then(|word| word.parse::<IpAddr>().ok());
        if let Some(address) = address
            && words.any(|name| name.eq_ignore_ascii_case(host))
            && !addresses.contains(&address)
        {
            addresses.push(address);
        }
    }
    addresses
}

/// Whether `host` is this machine, whatever anybody says (RFC 6761 §6.3).
pub(super) fn is_localhost(host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host);
    host.eq_ignore_ascii_case("localhost") || host.to_ascii_lowercase().ends_with(".localhost")
}

#[cfg(test)]
mod tests {
    use super::{System, hosts, is_localhost};

    #[test]
    fn what_the_system_says_is_read_as_others_read_it() {
        let text = "# made by hand\nnameserver 10.0.0.2\nnameserver fe80::1%eth0\nnameserver ::1\n\
                    domain old.example\nsearch a.Example. b.example\noptions edns0 ndots:2 timeout:1\nsortlist x\n";
        let system = System::read(text);
        assert_eq!(system.servers, ["10.0.0.2:53".parse().unwrap(), "[::1]:53".parse().unwrap()]);
        assert_eq!((system.search.join(" "), system.dots), ("a.example b.example".to_owned(), 2));
        let system = System::read("");
        assert_eq!(system.servers, ["127.0.0.1:53".parse().unwrap()]);
        let many = "nameserver 10.0.0.1\n".repeat(9) + "search a b c d e f g h i";
        let system = System::read(&many);
        assert_eq!((system.servers.len(), system.search.len()), (3, 6));
    }

    #[test]
    fn domains_are_tried_before_or_behind_by_the_number_of_dots() {
        let system = System::read("search ns.svc.test svc.test\noptions ndots:2");
        assert_eq!(system.candidates("orders"), ["orders.ns.svc.test", "orders.svc.test", "orders"]);
        assert_eq!(system.candidates("a.b.c"), ["a.b.c", "a.b.c.ns.svc.test", "a.b.c.svc.test"]);
        assert_eq!(system.candidates("orders."), ["orders."]);
        assert_eq!(System::read("").candidates("orders"), ["orders"]);
    }

    #[test]
    fn hosts_has_names_and_comments() {
        let text = "127.0.0.1 localhost\n10.0.0.5\torders.test Orders # shop.test\n::5 orders\n10.0.0.5 orders\nx y\n";
        assert_eq!(
            hosts(text, "orders"),
            ["10.0.0.5".parse::<std::net::IpAddr>().unwrap(), "::5".parse().unwrap()]
        );
        assert_eq!(hosts(text, "orders.test.").len(), 1);
        assert!(hosts(text, "shop.test").is_empty() && hosts(text, "y").is_empty());
    }

    #[test]
    fn localhost_is_here() {
        for (host, expected) in [
            ("localhost", true),
            ("LOCALHOST.", true),
            ("a.localhost", true),
            ("localhost.test", false),
            ("mylocalhost", false),
        ] {
            assert_eq!(is_localhost(host), expected, "{host}");
        }
    }
}
