use http::Request;
use http::request::Parts;
use portcullis_http1::Refusal;

use super::read;
use crate::bounds::Bounds;
use crate::exchange::Refused;
use crate::http::{Head, Malformed, Peer, Size, Wire};

fn peer() -> Peer {
    Peer::sample(([192, 0, 2, 1], 4711).into())
}

fn parts(method: &str, uri: &str, fields: &[(&str, &str)]) -> Parts {
    let mut request = Request::builder().method(method).uri(uri);
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    request.body(()).expect("a request").into_parts().0
}

fn read_with(parts: &Parts, bounds: &Bounds) -> Result<Head, Refused> {
    read(parts, false, bounds, &peer(), || false)
}

fn lines(head: &Head) -> Vec<String> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    head.request.fields.iter().map(|field| format!("{}: {}", text(field.name), text(field.value))).collect()
}

fn why(parts: &Parts, bounds: &Bounds) -> String {
    match read_with(parts, bounds) {
        Ok(_) => "passes".to_owned(),
        Err(Refused::Bytes(refusal)) => format!("{refusal:?}"),
        Err(Refused::Head(malformed)) => format!("{malformed:?}"),
        Err(Refused::TooSlow) => "too slow".to_owned(),
    }
}

#[test]
fn a_head_is_what_http1_would_have_read() {
    let parts = parts(
        "POST",
        "http://api.example.com:8080/orders?q=1",
        &[
            ("accept", "a"),
            ("cookie", "a=1"),
            ("x-b", "1"),
            ("cookie", "b=2"),
            ("accept", "b"),
            ("cookie", "c"),
        ],
    );
    let head = read_with(&parts, &Bounds::default()).expect("a head");
    assert_eq!(head.request.line(), b"POST /orders?q=1 HTTP/2");
    assert_eq!(head.wire, Wire::Http2);
    let mut lines = lines(&head);
    assert_eq!(lines.remove(0), "host: api.example.com:8080");
    lines.sort_unstable();
    assert_eq!(lines, ["accept: a", "accept: b", "cookie: a=1; b=2; c", "x-b: 1"]);
}

#[test]
fn sizes_follow_length_and_end() {
    for (ended, fields, expected) in [
        (true, &[][..], Size::None),
        (true, &[("content-length", "0")], Size::None),
        (false, &[], Size::Unknown),
        (false, &[("content-length", "0")], Size::Exactly(0)),
        (false, &[("content-length", "12")], Size::Exactly(12)),
    ] {
        let parts = parts("POST", "http://gw.test/", fields);
        let head = read(&parts, ended, &Bounds::default(), &peer(), || false).expect("a head");
        assert_eq!(head.size, expected, "{ended} {fields:?}");
    }
    for (fields, refusal) in [
        (&[("content-length", "1"), ("content-length", "1")][..], Refusal::ContentLengthRepeated),
        (&[("content-length", "+1")], Refusal::ContentLengthInvalid),
        (&[("content-length", "")], Refusal::ContentLengthInvalid),
        (&[("content-length", "18446744073709551616")], Refusal::ContentLengthInvalid),
    ] {
        let parts = parts("POST", "http://gw.test/", fields);
        assert_eq!(why(&parts, &Bounds::default()), format!("{refusal:?}"));
    }
}

#[test]
fn heads_that_only_this_wire_can_have_are_refused() {
    let bounds = Bounds::default();
    for (method, uri, fields, expected) in [
        ("GET", "http://gw.test/", &[][..], "passes"),
        ("OPTIONS", "*", &[("host", "gw.test")], "passes"),
        ("GET", "/a", &[("host", "gw.test")], "passes"),
        ("CONNECT", "gw.test:443", &[], "passes"),
        ("GET", "https://gw.test/", &[], "TargetScheme"),
        ("GET", "ftp://gw.test/", &[], "TargetScheme"),
        ("GET", "http://gw.test/caf\u{e9}", &[], "TargetInvalid"),
        ("GET", "http://gw.test/", &[("a", "b ")], "FieldSpace"),
        ("GET", "http://gw.test/", &[("a", "\tb")], "FieldSpace"),
        ("GET", "http://gw.test/", &[("cookie", " b")], "FieldSpace"),
        ("GET", "http://gw.test/", &[("a", "b c")], "passes"),
    ] {
        assert_eq!(why(&parts(method, uri, fields), &bounds), expected, "{method} {uri} {fields:?}");
    }
    // No `:path`, and no authority that would have made the codec see that.
    let mut pathless = parts("GET", "/", &[("host", "gw.test")]);
    pathless.uri = http::Uri::from_parts(http::uri::Parts::default()).expect("nothing");
    assert_eq!(why(&pathless, &bounds), "TargetForm");
}

#[test]
fn the_scheme_is_that_of_the_connection_unless_a_trusted_proxy_ends_tls() {
    let over_tls = Peer { tls: Some(Box::default()), ..peer() };
    for (scheme, peer, tls_ends_before, passes) in [
        ("http", &peer(), false, true),
        ("http", &peer(), true, true),
        ("https", &peer(), false, false),
        ("https", &peer(), true, true),
        ("https", &over_tls, false, true),
        ("http", &over_tls, false, false),
        ("http", &over_tls, true, false),
    ] {
        let parts = parts("GET", &format!("{scheme}://gw.test/"), &[]);
        let read = read(&parts, true, &Bounds::default(), peer, || tls_ends_before);
        assert_eq!(read.is_ok(), passes, "{scheme} {:?}", peer.tls);
        if let Err(refused) = read {
            assert!(matches!(refused, Refused::Head(Malformed::TargetScheme)));
        }
    }
}

#[test]
fn bounds_count_what_http1_would_count() {
    let crumbs: Vec<(&str, &str)> = std::iter::repeat_n(("cookie", "a=b"), 99).collect();
    let long = "x".repeat(16 * 1024);
    let wide: Vec<String> = (0..4).map(|n| format!("{n}{}", "x".repeat(16 * 1024 - 11))).collect();
    let many: Vec<(&str, &str)> = wide.iter().map(|value| ("a", value.as_str())).collect();
    let path = format!("http://gw.test/{long}");
    for (uri, fields, expected) in [
        ("http://gw.test/", &crumbs[..], "passes"),
        ("http://gw.test/", &[&crumbs[..], &[("a", "b")]].concat(), "TooManyFields"),
        ("/", &[&crumbs[..], &[("host", "gw.test")]].concat(), "passes"),
        ("http://gw.test/", &[("a", long.as_str())], "FieldLineTooLong"),
        (&path, &[], "RequestLineTooLong"),
        ("http://gw.test/", &many[..3], "passes"),
        ("http://gw.test/", &many, "HeadTooLarge"),
    ] {
        assert_eq!(why(&parts("GET", uri, fields), &Bounds::default()), expected);
    }
}

#[test]
fn a_head_repeats_itself_only_so_often() {
    let bounds = Bounds::default();
    let (large, other) = ("y".repeat(2048), "z".repeat(2048));
    let of = |values: &[&String]| {
        let fields: Vec<(&str, &str)> = values.iter().map(|value| ("x", value.as_str())).collect();
        why(&parts("GET", "http://gw.test/", &fields), &bounds)
    };
    assert_eq!(of(&[&large, &large, &large]), "passes");
    assert_eq!(of(&[&large, &large, &large, &large]), "HeadTooLarge");
    assert_eq!(of(&[&large, &other, &large, &other, &large, &other]), "HeadTooLarge");
    // Whoever says something new pays for it.
    let new: Vec<String> = (0..8).map(|n| format!("{n}{large}")).collect();
    assert_eq!(of(&new.iter().collect::<Vec<_>>()), "passes");
}
