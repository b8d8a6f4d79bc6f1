use super::*;

fn read<T: Written>(text: &str) -> Option<T> {
    T::read(text).ok()
}

#[test]
fn durations_and_bytes() {
    for (text, millis) in [
        ("0s", Some(0)),
        ("500ms", Some(500)),
        ("1m", Some(60_000)),
        ("30d", Some(2_592_000_000)),
        ("18446744073709551615ms", Some(u64::MAX)),
        ("18446744073709551615s", None),
        ("99999999999999999999s", None),
        ("-1s", None),
        ("1.5s", None),
        ("1 s", None),
        ("s", None),
        ("", None),
        ("１s", None),
    ] {
        let found = read::<Duration>(text).map(|duration| u64::try_from(duration.get().as_millis()).unwrap());
        assert_eq!(found, millis, "{text}");
    }
    for (text, bytes) in [
        ("0", Some(0)),
        ("64KiB", Some(65_536)),
        ("2TiB", Some(2 << 40)),
        ("16777216TiB", None),
        ("64kib", None),
        ("1e3", None),
    ] {
        assert_eq!(read::<Bytes>(text).map(Bytes::get), bytes, "{text}");
    }
}

#[test]
fn rates_quotas_and_shares() {
    let rate = read::<Rate>("100/min").unwrap();
    assert_eq!((rate.count, rate.per.as_secs()), (100, 60));
    assert_eq!(read::<Quota>("1000000/month"), Some(Quota { count: 1_000_000, per: Period::Month }));
    for text in ["100", "0/s", "100/", "/min", "1/fortnight", "-1/s"] {
        assert_eq!(read::<Rate>(text), None, "{text}");
        assert_eq!(read::<Quota>(text), None, "{text}");
    }
    for (text, share) in [
        ("1%", Some(0.01)),
        ("0.5%", Some(0.005)),
        ("100%", Some(1.0)),
        ("101%", None),
        ("1", None),
        ("nan%", None),
    ] {
        assert_eq!(read::<Percent>(text).map(Percent::fraction), share, "{text}");
    }
}

#[test]
fn expiry_follows_the_calendar() {
    for (text, seconds) in [
        ("1970-01-01T00:00:00Z", Some(0)),
        ("1970-01-01", Some(86_400)),
        ("2000-02-29T00:00:00Z", Some(951_782_400)),
        ("2024-12-31T23:59:59Z", Some(1_735_689_599)),
        ("2100-02-29", None),
        ("2027-13-01", None),
        ("2027-00-01", None),
        ("2027-01-00", None),
        ("2027-1-1", None),
        ("2027-01-01T00:00:00", None),
        ("2027-01-01T00:00:00+01:00", None),
        ("1969-12-31", None),
        ("+027-01-01", None),
        ("9999-12-31", Some(253_402_300_800)),
    ] {
        assert_eq!(read::<Expiry>(text).map(Expiry::unix_seconds), seconds, "{text}");
    }
}

#[test]
fn addresses_networks_and_urls() {
    assert_eq!(read::<Bind>("[::]:8443").unwrap().to_string(), "[::]:8443");
    assert_eq!(read::<Bind>("unix:a.sock"), Some(Bind::Unix("a.sock".into())));
    for text in ["unix:", "8443", ":8443", "a:1", "1.2.3.4:65536"] {
        assert_eq!(read::<Bind>(text), None, "{text}");
    }
    for (text, shown) in [
        ("0.0.0.0/0", Some("0.0.0.0/0")),
        ("::/0", Some("::/0")),
        ("192.0.2.1", Some("192.0.2.1/32")),
        ("fd00::/8", Some("fd00::/8")),
        ("fd01::/8", None),
        ("10.0.0.0/33", None),
        ("10.0.0.0/-1", None),
        ("10.0.0/8", None),
    ] {
        assert_eq!(read::<Network>(text).map(|network| network.to_string()).as_deref(), shown, "{text}");
    }
    for (text, shown) in [
        ("http://A.example", Some("http://a.example/")),
        ("https://a:443/x?y", Some("https://a/x?y")),
        ("http://[2001:DB8::1]:80/", Some("http://[2001:db8::1]/")),
        ("http://[::1", None),
        ("http://a b/", None),
        ("http:///x", None),
        ("http://a:b", None),
        ("HTTP://a", None),
        ("http://a\u{e9}/", None),
    ] {
        assert_eq!(read::<Url>(text).map(|url| url.to_string()).as_deref(), shown, "{text}");
    }
}
