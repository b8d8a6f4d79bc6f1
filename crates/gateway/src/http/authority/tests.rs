use super::canonicalize;
use crate::http::Malformed;

fn check(authority: &[u8]) -> Result<(String, Option<u16>), Malformed> {
    let mut host = Vec::new();
    canonicalize(authority, &mut host).map(|port| (String::from_utf8(host).unwrap(), port))
}

#[test]
fn spellings_of_one_host_become_one() {
    for (authority, host, port) in [
        ("gw.test", "gw.test", None),
        ("GW.Test", "gw.test", None),
        ("gw.test.", "gw.test", None),
        ("GW.TEST.:8080", "gw.test", Some(8080)),
        ("gw.test:65535", "gw.test", Some(65535)),
        ("localhost:1", "localhost", Some(1)),
        ("my_service.internal", "my_service.internal", None),
        ("xn--bcher-kva.example", "xn--bcher-kva.example", None),
        ("10.0.0.1", "10.0.0.1", None),
        ("10.0.0.1.:80", "10.0.0.1", Some(80)),
        ("1.2.3.4.example", "1.2.3.4.example", None),
        ("0xcafe.example", "0xcafe.example", None),
        ("[::1]", "[::1]", None),
        ("[0:0:0:0:0:0:0:1]:8443", "[::1]", Some(8443)),
        ("[2001:DB8::00a]", "[2001:db8::a]", None),
        ("[::ffff:10.0.0.1]", "[::ffff:10.0.0.1]", None),
    ] {
        assert_eq!(check(authority.as_bytes()), Ok((host.to_owned(), port)), "{authority}");
    }
}

#[test]
fn an_authority_with_two_readings_is_refused() {
    use Malformed::{HostAddress, HostName, HostPort, HostUserinfo};
    for (authority, reason) in [
        (&b""[..], HostName),
        (b".", HostName),
        (b"..", HostName),
        (b".gw.test", HostName),
        (b"gw..test", HostName),
        (b"gw.test..", HostName),
        (b":80", HostName),
        (b"gw.test/evil", HostName),
        (b"gw.test?x", HostName),
        (b"gw.test#x", HostName),
        (b"gw.test\\evil", HostName),
        (b"gw.test, evil", HostName),
        (b"gw.test,evil", HostName),
        (b"gw test", HostName),
        (b"gw.test\0", HostName),
        (b"gw.test\t", HostName),
        (b"gw%2etest", HostName),
        (b"gw.test\xc3\xa9", HostName),
        (b"gw.test;x", HostName),
        (b"*.gw.test", HostName),
        (b"user@gw.test", HostUserinfo),
        (b"user:secret@gw.test", HostUserinfo),
        (b"gw.test:80@evil", HostUserinfo),
        (b"gw.test:", HostPort),
        (b"gw.test:0", HostPort),
        (b"gw.test:080", HostPort),
        (b"gw.test:+80", HostPort),
        (b"gw.test:-1", HostPort),
        (b"gw.test:65536", HostPort),
        (b"gw.test:99999999999999999999", HostPort),
        (b"gw.test:80:80", HostPort),
        (b"gw.test:http", HostPort),
        (b"gw.test:80 ", HostPort),
        (b"gw.test:80/evil", HostPort),
        (b"127.1", HostAddress),
        (b"2130706433", HostAddress),
        (b"0x7f000001", HostAddress),
        (b"0x7f.1", HostAddress),
        (b"010.0.0.1", HostAddress),
        (b"256.0.0.1", HostAddress),
        (b"1.2.3.4.5", HostAddress),
        (b"gw.0x1", HostAddress),
        (b"[::1", HostAddress),
        (b"[]", HostAddress),
        (b"[::1]x", HostAddress),
        (b"[::1]]", HostAddress),
        (b"[::g]", HostAddress),
        (b"[1::2::3]", HostAddress),
        (b"[fe80::1%25eth0]", HostAddress),
        (b"[v1.x]", HostAddress),
        (b"[10.0.0.1]", HostAddress),
        (b"[::1]:", HostPort),
        (b"[::1]:0", HostPort),
        (b"::1", HostPort),
        (b"a::1", HostPort),
    ] {
        assert_eq!(check(authority), Err(reason), "{}", authority.escape_ascii());
    }
}

#[test]
fn names_are_as_long_as_dns_allows() {
    let label = "a".repeat(63);
    assert!(check(label.as_bytes()).is_ok());
    assert_eq!(check(format!("{label}a").as_bytes()), Err(Malformed::HostName));
    let longest = format!("{label}.{label}.{label}.{}", "a".repeat(61));
    assert_eq!(longest.len(), 253);
    assert!(check(longest.as_bytes()).is_ok());
    assert_eq!(check(format!("{longest}a").as_bytes()), Err(Malformed::HostName));
}

#[test]
fn a_canonical_authority_is_its_own_canonical_form() {
    for authority in ["GW.test.:80", "[2001:DB8::1]:443", "10.0.0.1"] {
        let (host, _) = check(authority.as_bytes()).expect("accepted");
        assert_eq!(check(host.as_bytes()), Ok((host.clone(), None)));
    }
}
