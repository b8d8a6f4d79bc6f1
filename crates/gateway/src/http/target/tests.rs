use http::Method;

use super::{Absolute, Target, judge_query};
use crate::http::{Malformed, Wire};

fn check(method: Method, target: &str) -> Result<(Option<&str>, &str, Option<&str>), Malformed> {
    let text = |bytes| std::str::from_utf8(bytes).expect("ASCII");
    Target::parse(target.as_bytes(), &method, Wire::Http11).map(|Target { absolute, path, query }| {
        (absolute.map(|Absolute { authority, .. }| text(authority)), text(path), query.map(text))
    })
}

#[test]
fn a_target_is_taken_apart_by_its_form() {
    for (method, target, expected) in [
        (Method::GET, "/", (None, "/", None)),
        (Method::GET, "/a?", (None, "/a", Some(""))),
        (Method::GET, "/a?b?c", (None, "/a", Some("b?c"))),
        (Method::GET, "//gw.test/a", (None, "//gw.test/a", None)),
        (Method::GET, "http://gw.test", (Some("gw.test"), "/", None)),
        (Method::GET, "HTTPS://gw.test:1/a?b", (Some("gw.test:1"), "/a", Some("b"))),
        (Method::GET, "http://gw.test?b", (Some("gw.test"), "/", Some("b"))),
        (Method::GET, "http://gw.test?b/c", (Some("gw.test"), "/", Some("b/c"))),
        (Method::GET, "http:///a", (Some(""), "/a", None)),
        (Method::OPTIONS, "*", (None, "*", None)),
        (Method::OPTIONS, "http://gw.test", (Some("gw.test"), "*", None)),
        (Method::OPTIONS, "http://gw.test/", (Some("gw.test"), "/", None)),
        (Method::OPTIONS, "http://gw.test?", (Some("gw.test"), "/", Some(""))),
        (Method::OPTIONS, "/*", (None, "/*", None)),
    ] {
        assert_eq!(check(method, target), Ok(expected), "{target}");
    }
}

#[test]
fn a_target_without_a_form_is_refused() {
    for target in [
        "",
        "*",
        "**",
        "a",
        "a/b",
        "gw.test:80",
        "gw.test",
        "?a",
        "#",
        "\\",
        "ftp://gw.test/",
        "http:/gw.test/",
        "http:gw.test/",
        "ws://gw.test/",
        "file:///etc",
        "://gw.test/",
        "http",
        "%2f",
    ] {
        assert_eq!(check(Method::GET, target), Err(Malformed::TargetForm), "{target}");
    }
    assert_eq!(check(Method::OPTIONS, "*?a"), Err(Malformed::TargetForm));
    let http2 = |target: &[u8]| Target::parse(target, &Method::GET, Wire::Http2).map(|_| ());
    assert_eq!(http2(b"/a"), Ok(()));
    assert_eq!(http2(b"http://gw.test/a"), Err(Malformed::TargetForm), "`:path` is never absolute");
}

#[test]
fn a_query_is_visible_and_its_escapes_are_whole() {
    for (query, expected) in [
        ("", Ok(())),
        ("a=b&c=d+e%20f", Ok(())),
        ("filter[name]={x}|y^z`\\\"<>'", Ok(())),
        ("next=/a/../b&u=http://x/?y", Ok(())),
        ("a=%00", Ok(())),
        ("a b", Err(Malformed::QueryCharacter)),
        ("a\tb", Err(Malformed::QueryCharacter)),
        ("caf\u{e9}", Err(Malformed::QueryCharacter)),
        ("a\u{7f}", Err(Malformed::QueryCharacter)),
        ("a#b", Err(Malformed::TargetFragment)),
        ("a=%", Err(Malformed::QueryEscape)),
        ("a=%2", Err(Malformed::QueryEscape)),
        ("a=100%&b", Err(Malformed::QueryEscape)),
        ("a=%zz", Err(Malformed::QueryEscape)),
        ("a=%u0041", Err(Malformed::QueryEscape)),
    ] {
        assert_eq!(judge_query(query.as_bytes(), false), expected, "{query}");
        let lenient = expected.or_else(|why| if why == Malformed::QueryEscape { Ok(()) } else { Err(why) });
        assert_eq!(judge_query(query.as_bytes(), true), lenient, "{query}");
    }
}
