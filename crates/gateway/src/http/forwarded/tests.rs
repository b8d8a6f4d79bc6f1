//! Spoofed context (reliability class 21): who is believed, and what a backend is told.

use std::net::{IpAddr, SocketAddr};

use portcullis_http1::Fields;

use super::{HOPS_MAX, origin};
use crate::http::canonical::{ForwardedField, Rules};
use crate::http::{Malformed, Peer};

fn peer(address: &str) -> Peer {
    Peer::sample(SocketAddr::new(address.parse().expect("an address"), 1))
}

fn rules(forwarded: ForwardedField) -> Rules {
    let trusted_proxies =
        ["10.0.0.0/8", "2001:db8::/32"].map(|text| text.parse().expect("a network")).to_vec();
    Rules { trusted_proxies, forwarded, ..Rules::default() }
}

fn fields(lines: &[(&str, &str)]) -> Fields {
    let mut fields = Fields::new();
    for (name, value) in lines {
        fields.push(name, value);
    }
    fields
}

fn check(
    from: &str,
    forwarded: ForwardedField,
    lines: &[(&str, &str)],
) -> Result<(Vec<IpAddr>, &'static str), Malformed> {
    origin(&fields(lines), &peer(from), &rules(forwarded))
        .map(|origin| (origin.chain.to_vec(), origin.scheme.as_str()))
}

fn addresses(text: &str) -> Vec<IpAddr> {
    text.split(' ').map(|address| address.parse().expect("an address")).collect()
}

#[test]
fn a_stranger_is_not_believed() {
    for forwarded in [ForwardedField::XForwardedFor, ForwardedField::Forwarded, ForwardedField::None] {
        let lines = [
            ("x-forwarded-for", "10.0.0.9"),
            ("forwarded", "for=10.0.0.9;proto=https"),
            ("x-forwarded-proto", "https"),
        ];
        assert_eq!(check("192.0.2.1", forwarded, &lines), Ok((addresses("192.0.2.1"), "http")));
        // Not even read: what a stranger writes cannot have a request refused for its chain.
        let junk = [("x-forwarded-for", "junk"), ("forwarded", "\"")];
        assert_eq!(check("192.0.2.1", forwarded, &junk), Ok((addresses("192.0.2.1"), "http")));
    }
}

#[test]
fn a_chain_is_read_from_the_right_as_far_as_it_is_trusted() {
    use ForwardedField::XForwardedFor;
    for (lines, expected) in [
        (&[][..], "10.0.0.1"),
        (&["192.0.2.7"], "192.0.2.7 10.0.0.1"),
        (&["198.51.100.1, 192.0.2.7"], "192.0.2.7 10.0.0.1"),
        (&["192.0.2.7, 10.0.0.3, 10.0.0.2"], "192.0.2.7 10.0.0.3 10.0.0.2 10.0.0.1"),
        (&["198.51.100.1", "192.0.2.7", "10.0.0.2"], "192.0.2.7 10.0.0.2 10.0.0.1"),
        (&["10.0.0.3,10.0.0.2"], "10.0.0.3 10.0.0.2 10.0.0.1"),
        (&["192.0.2.7:4711"], "192.0.2.7 10.0.0.1"),
        (&["2001:db9::1"], "2001:db9::1 10.0.0.1"),
        (&["[2001:db9::1]"], "2001:db9::1 10.0.0.1"),
        (&["[2001:db9::1]:4711"], "2001:db9::1 10.0.0.1"),
        (&["192.0.2.7, 2001:db8::5"], "192.0.2.7 2001:db8::5 10.0.0.1"),
        (&["192.0.2.7, ::ffff:10.0.0.2"], "192.0.2.7 10.0.0.2 10.0.0.1"),
        // What stands left of the client may say that it does not know.
        (&["unknown, 192.0.2.7"], "192.0.2.7 10.0.0.1"),
    ] {
        let lines: Vec<_> = lines.iter().map(|value| ("X-Forwarded-For", *value)).collect();
        assert_eq!(check("10.0.0.1", XForwardedFor, &lines), Ok((addresses(expected), "http")), "{lines:?}");
    }
    // A dual-stack socket reports IPv4 addresses as IPv6.
    let mapped = check("::ffff:10.0.0.1", XForwardedFor, &[("x-forwarded-for", "192.0.2.7")]);
    assert_eq!(mapped, Ok((addresses("192.0.2.7 10.0.0.1"), "http")));
}

#[test]
fn a_chain_that_cannot_be_read_is_refused() {
    for value in [
        "",
        ",",
        "192.0.2.7,",
        "192.0.2.7,,10.0.0.2",
        "junk",
        "junk, 192.0.2.7",
        "192.0.2",
        "192.0.2.007",
        "192.0.2.7 10.0.0.2",
        "unknown",
        "_hidden",
        "192.0.2.7:",
        "192.0.2.7:x",
        "192.0.2.7:123456",
        "[::1",
        "[::1]x",
        "::1]",
        "[192.0.2.7]",
        "localhost",
        "192.0.2.7;10.0.0.2",
        "\"192.0.2.7\"",
        "192.0.2.7, \u{e9}",
    ] {
        let lines = [("x-forwarded-for", value)];
        let result = check("10.0.0.1", ForwardedField::XForwardedFor, &lines);
        assert_eq!(result, Err(Malformed::ForwardedChain), "{value}");
    }
}

#[test]
fn the_standard_field_is_read_by_its_grammar() {
    use ForwardedField::Forwarded;
    for (lines, expected, scheme) in [
        (&[][..], "10.0.0.1", "http"),
        (&["for=192.0.2.7"], "192.0.2.7 10.0.0.1", "http"),
        (&["For=192.0.2.7;Proto=HTTPS;by=10.0.0.1;host=gw.test"], "192.0.2.7 10.0.0.1", "https"),
        (&["for=\"192.0.2.7:4711\""], "192.0.2.7 10.0.0.1", "http"),
        (&["for=\"[2001:db9::1]:4711\""], "2001:db9::1 10.0.0.1", "http"),
        (&["for=198.51.100.1;proto=https, for=192.0.2.7"], "192.0.2.7 10.0.0.1", "http"),
        (&["for=192.0.2.7;proto=https", "for=10.0.0.2;proto=http"], "192.0.2.7 10.0.0.2 10.0.0.1", "https"),
        (&["for=unknown, for=192.0.2.7"], "192.0.2.7 10.0.0.1", "http"),
        (&["for=_x;secret=\"a,b;for=1.1.1.1\\\"\", for=192.0.2.7"], "192.0.2.7 10.0.0.1", "http"),
    ] {
        let lines: Vec<_> = lines.iter().map(|value| ("Forwarded", *value)).collect();
        assert_eq!(check("10.0.0.1", Forwarded, &lines), Ok((addresses(expected), scheme)), "{lines:?}");
    }
    for (value, reason) in [
        ("", Malformed::ForwardedChain),
        ("for", Malformed::ForwardedChain),
        ("for=", Malformed::ForwardedChain),
        ("=192.0.2.7", Malformed::ForwardedChain),
        ("for=192.0.2.7;", Malformed::ForwardedChain),
        ("for=192.0.2.7,", Malformed::ForwardedChain),
        ("for=192.0.2.7;for=192.0.2.8", Malformed::ForwardedChain),
        ("for=2001:db9::1", Malformed::ForwardedChain),
        ("for=\"2001:db9::1\"", Malformed::ForwardedChain),
        ("for=unknown", Malformed::ForwardedChain),
        ("for=_hidden", Malformed::ForwardedChain),
        ("proto=https", Malformed::ForwardedChain),
        // A client left a quote open so that it swallows what the proxy appended.
        ("for=10.0.0.5;by=\", for=192.0.2.7", Malformed::ForwardedChain),
        ("for=10.0.0.5;by=\", for=\"192.0.2.7\"", Malformed::ForwardedChain),
        ("for=192.0.2.7;proto=ftp", Malformed::ForwardedProto),
    ] {
        assert_eq!(check("10.0.0.1", Forwarded, &[("forwarded", value)]), Err(reason), "{value}");
    }
}

#[test]
fn one_field_counts_and_the_other_is_not_read() {
    let lines = [("x-forwarded-for", "192.0.2.7"), ("forwarded", "for=192.0.2.8")];
    let client = |forwarded| check("10.0.0.1", forwarded, &lines).map(|(chain, _)| chain[0]);
    assert_eq!(client(ForwardedField::XForwardedFor), Ok("192.0.2.7".parse().unwrap()));
    assert_eq!(client(ForwardedField::Forwarded), Ok("192.0.2.8".parse().unwrap()));
    assert_eq!(client(ForwardedField::None), Ok("10.0.0.1".parse().unwrap()));
    // Aliases are not the field.
    let alias = [("x_forwarded_for", "192.0.2.9")];
    assert_eq!(check("10.0.0.1", ForwardedField::XForwardedFor, &alias), Ok((addresses("10.0.0.1"), "http")));
}

#[test]
fn the_scheme_is_the_one_a_trusted_proxy_saw() {
    use ForwardedField::XForwardedFor;
    for (values, expected) in [
        (&["https"][..], Ok("https")),
        (&["HTTP"], Ok("http")),
        (&["wss"], Ok("https")),
        (&["https,http"], Err(Malformed::ForwardedProto)),
        (&["https", "https"], Err(Malformed::ForwardedProto)),
        (&[""], Err(Malformed::ForwardedProto)),
        (&["ftp"], Err(Malformed::ForwardedProto)),
    ] {
        let lines: Vec<_> = values.iter().map(|value| ("x-forwarded-proto", *value)).collect();
        let scheme = check("10.0.0.1", XForwardedFor, &lines).map(|(_, scheme)| scheme);
        assert_eq!(scheme, expected, "{values:?}");
    }
    let over_tls = Peer { tls: Some(Box::default()), ..peer("192.0.2.1") };
    let found = origin(&fields(&[("x-forwarded-proto", "http")]), &over_tls, &rules(XForwardedFor));
    assert_eq!(found.map(|origin| origin.scheme.as_str()), Ok("https"));
}

#[test]
fn chains_are_bounded() {
    let chain = |hops: usize| vec!["10.0.0.2"; hops].join(", ");
    let length = |hops| {
        check("10.0.0.1", ForwardedField::XForwardedFor, &[("x-forwarded-for", &chain(hops))])
            .map(|(chain, _)| chain.len())
    };
    assert_eq!(length(HOPS_MAX), Ok(HOPS_MAX + 1));
    assert_eq!(length(HOPS_MAX + 1), Err(Malformed::ForwardedChain));
}
