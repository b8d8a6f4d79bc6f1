use http::{HeaderMap, HeaderValue, Method, Response};

use super::{answer, fields, request};
use crate::http::Size;
use crate::pipeline::marks::{Marks, SAMPLE_TRACEPARENT};
use crate::upstream::backend::Target;
use crate::upstream::spec::{Protocol, TargetSpec};
use crate::upstream::tests::rig::{self, canonical};

fn target() -> Target {
    let spec = TargetSpec {
        is_tls: false,
        host: "10.0.0.5".to_owned(),
        port: 9000,
        path: "/v2".to_owned(),
        weight: 1,
    };
    let mut backend = rig::spec(1);
    backend.protocol = Protocol::Http2;
    Target::new(&spec, None, &backend, 1)
}

#[test]
fn the_backend_sees_the_fields_it_would_have_seen_over_http1() {
    let text = "POST /orders/1?a=b%2F HTTP/1.1\nHost: Api.Example.com:8080\nX-Mine: 1\nX-Mine: 2\n\
                X_Request_Id: mine\nTraceparent: mine\nTracestate: a=1\nTE: trailers\nConnection: te, x-gone\nX-Gone: 1\n\n";
    let marks = Marks::sample(false);
    let head = request(&canonical(text), 7, &target(), Size::Exactly(7), &marks).expect("a head");
    assert_eq!(head.method(), Method::POST);
    assert_eq!(head.uri(), "http://10.0.0.5:9000/v2/1?a=b%2F");
    let headers = head.headers();
    assert_eq!(headers.get_all("x-mine").iter().collect::<Vec<_>>(), ["1", "2"]);
    for (name, value) in [
        ("te", "trailers"),
        ("content-length", "7"),
        ("x-request-id", marks.id.as_str()),
        ("traceparent", SAMPLE_TRACEPARENT),
        ("x-forwarded-for", "192.0.2.7"),
        ("x-forwarded-host", "api.example.com:8080"),
    ] {
        assert_eq!(headers.get_all(name).iter().collect::<Vec<_>>(), [value], "{name}");
    }
    for name in ["host", "connection", "x-gone", "x_request_id", "tracestate", "transfer-encoding"] {
        assert!(!headers.contains_key(name), "{name}");
    }
}

#[test]
fn a_length_is_written_when_it_is_known() {
    for (method, size, expected) in [
        ("GET", Size::None, None),
        ("POST", Size::None, Some("0")),
        ("POST", Size::Unknown, None),
        ("POST", Size::Exactly(3), Some("3")),
    ] {
        let text = format!("{method} /orders HTTP/1.1\nHost: a\n\n");
        let head = request(&canonical(&text), 0, &target(), size, &Marks::sample(false)).expect("a head");
        let length = head.headers().get("content-length").map(|value| value.to_str().expect("text"));
        assert_eq!(length, expected, "{method} {size:?}");
    }
}

#[test]
fn a_request_about_the_server_keeps_its_form() {
    let text = "OPTIONS * HTTP/1.1\nHost: a\n\n";
    let head = request(&canonical(text), 0, &target(), Size::None, &Marks::sample(false)).expect("a head");
    assert_eq!(head.uri().path(), "*");
}

#[test]
fn an_answer_has_one_length() {
    for (lengths, expected) in [
        (&[][..], Some(Size::Unknown)),
        (&["5"], Some(Size::Exactly(5))),
        (&["5", "5"], None),
        (&["+5"], None),
        (&["5, 5"], None),
        (&["18446744073709551616"], None),
    ] {
        let (mut parts, ()) = Response::new(()).into_parts();
        for length in lengths {
            parts.headers.append("content-length", HeaderValue::from_static(length));
        }
        assert_eq!(answer(&parts, 100).ok().map(|(_, size)| size), expected, "{lengths:?}");
    }
}

#[test]
fn fields_are_bounded_and_trimmed() {
    let section = |count: usize, value: &'static str| {
        let mut map = HeaderMap::new();
        for _ in 0..count {
            map.append("x-mine", HeaderValue::from_static(value));
        }
        fields(&map, 100).map(|fields| fields.len())
    };
    assert_eq!(section(100, "a b"), Ok(100));
    assert!(section(101, "a").is_err());
    assert!(section(1, " a").is_err());
    assert!(section(1, "a\t").is_err());
}
