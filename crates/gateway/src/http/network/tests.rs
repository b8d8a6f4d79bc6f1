use std::net::IpAddr;

use super::{Network, NetworkError};

fn network(text: &str) -> Network {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

#[test]
fn an_address_lies_in_a_network_by_its_prefix() {
    for (range, inside, outside) in [
        ("10.0.0.0/8", "10.255.255.255", "11.0.0.0"),
        ("10.1.2.3", "10.1.2.3", "10.1.2.4"),
        ("10.1.2.0/31", "10.1.2.1", "10.1.2.2"),
        ("0.0.0.0/0", "203.0.113.9", "::1"),
        ("::/0", "2001:db8::1", "10.0.0.1"),
        ("2001:db8::/32", "2001:db8:ffff::1", "2001:db9::"),
        ("::1", "::1", "::2"),
        ("10.0.0.0/8", "::ffff:10.1.1.1", "::ffff:11.1.1.1"),
        ("::ffff:10.0.0.0/104", "10.9.9.9", "11.0.0.1"),
    ] {
        assert!(network(range).contains(ip(inside)), "{inside} in {range}");
        assert!(!network(range).contains(ip(outside)), "{outside} not in {range}");
    }
}

#[test]
fn a_range_that_is_not_one_is_refused() {
    for (text, error) in [
        ("", NetworkError::Address),
        ("/8", NetworkError::Address),
        ("example.com", NetworkError::Address),
        ("10.0.0/8", NetworkError::Address),
        ("010.0.0.0/8", NetworkError::Address),
        ("fe80::1%eth0", NetworkError::Address),
        ("10.0.0.0/", NetworkError::Prefix),
        ("10.0.0.0/33", NetworkError::Prefix),
        ("10.0.0.0/+8", NetworkError::Prefix),
        ("10.0.0.0/08", NetworkError::Prefix),
        ("10.0.0.0/8/8", NetworkError::Prefix),
        ("::/129", NetworkError::Prefix),
        ("::ffff:10.0.0.0/95", NetworkError::Prefix),
        ("10.0.0.1/8", NetworkError::HostBits),
        ("2001:db8::1/32", NetworkError::HostBits),
    ] {
        assert_eq!(text.parse::<Network>(), Err(error), "{text}");
    }
}

#[test]
fn a_network_prints_as_it_is_written() {
    for text in ["10.0.0.0/8", "10.1.2.3/32", "::/0", "2001:db8::/32"] {
        assert_eq!(network(text).to_string(), text);
    }
}
