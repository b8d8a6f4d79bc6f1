use http::Method;
use portcullis_http1::Framing;

use super::{framing, write_head};
use crate::http::Size;
use crate::pipeline::marks::{Marks, SAMPLE_TRACEPARENT};
use crate::upstream::backend::Target;
use crate::upstream::spec::TargetSpec;
use crate::upstream::tests::rig::{self, canonical};

fn target(path: &str) -> Target {
    let spec = TargetSpec {
        is_tls: false,
        host: "10.0.0.5".to_owned(),
        port: 9000,
        path: path.to_owned(),
        weight: 1,
    };
    Target::new(&spec, None, &rig::spec(1), 1)
}

fn written(text: &str, strip: usize, path: &str, body: Size) -> String {
    let mut out = Vec::new();
    let marks = Marks::sample(false);
    write_head(&mut out, &canonical(text), strip, &target(path), body, false, &marks);
    let text =
        String::from_utf8(out).expect("text").replace("\r\n", "\n").replace(marks.id.as_str(), "the-id");
    text.replace(SAMPLE_TRACEPARENT, "the-trace")
}

#[test]
fn the_backend_sees_a_head_of_our_own_writing() {
    let head = "GET /orders/1?a=b HTTP/1.1\nHost: Api.Example.com:8080\nAccept: a\nX-Mine: 1\nX-Mine: 2\n\
                X-Forwarded-For: 6.6.6.6\nX_Request_Id: mine\nTraceparent: mine\nTracestate: a=1\nConnection: x-gone\nX-Gone: 1\n\n";
    let expected = "GET /orders/1?a=b HTTP/1.1\nhost: 10.0.0.5:9000\nAccept: a\nX-Mine: 1\nX-Mine: 2\n\
                    x-forwarded-for: 192.0.2.7\nx-forwarded-proto: http\nx-forwarded-host: api.example.com:8080\n\
                    x-forwarded-port: 8080\nvia: 1.1 portcullis\nx-request-id: the-id\ntraceparent: the-trace\n\n";
    assert_eq!(written(head, 0, "", Size::None), expected);
}

#[test]
fn the_path_is_shortened_then_put_behind_the_targets_own() {
    for (path, strip, prefix, expected) in [
        ("/orders/1", 0, "", "/orders/1"),
        ("/orders/1", 7, "", "/1"),
        ("/orders", 7, "", "/"),
        ("/orders?q=1", 7, "", "/?q=1"),
        ("/orders/1", 0, "/v2", "/v2/orders/1"),
        ("/orders/1?q=%2F", 7, "/v2", "/v2/1?q=%2F"),
        ("/orders", 7, "/v2", "/v2/"),
    ] {
        let head = format!("GET {path} HTTP/1.1\nHost: a\n\n");
        let line = format!("GET {expected} HTTP/1.1\n");
        let written = written(&head, strip, prefix, Size::None);
        assert!(written.starts_with(&line), "{path} {strip} {prefix}: {written}");
    }
}

#[test]
fn the_state_of_a_trace_goes_on_with_it() {
    let head = canonical("GET / HTTP/1.1\nHost: a\nTraceparent: mine\nTracestate: a=1\nTracestate: b=2\n\n");
    for (keeps, count) in [(false, 0), (true, 2)] {
        let mut out = Vec::new();
        write_head(&mut out, &head, 0, &target(""), Size::None, false, &Marks::sample(keeps));
        let text = String::from_utf8(out).expect("text");
        assert_eq!(text.matches("Tracestate: ").count(), count, "{text}");
        assert_eq!(text.to_ascii_lowercase().matches("traceparent: ").count(), 1, "{text}");
    }
}

#[test]
fn trailers_are_announced_when_the_client_takes_them() {
    let head = "GET / HTTP/1.1\nHost: a\nTE: trailers\nConnection: te\n\n";
    assert!(written(head, 0, "", Size::None).ends_with("te: trailers\nconnection: te\n\n"));
}

#[test]
fn content_is_framed_once() {
    for (method, size, expected) in [
        (Method::GET, Size::None, Framing::None),
        (Method::DELETE, Size::None, Framing::None),
        (Method::POST, Size::None, Framing::Length(0)),
        (Method::PUT, Size::None, Framing::Length(0)),
        (Method::PATCH, Size::None, Framing::Length(0)),
        (Method::GET, Size::Exactly(3), Framing::Length(3)),
        (Method::POST, Size::Unknown, Framing::Chunked),
    ] {
        assert_eq!(framing(&method, size), expected, "{method} {size:?}");
    }
    let head = "POST / HTTP/1.1\nHost: a\n\n";
    assert!(written(head, 0, "", Size::Unknown).contains("\ntransfer-encoding: chunked\n"));
    assert!(written(head, 0, "", Size::Exactly(7)).contains("\ncontent-length: 7\n"));
}
