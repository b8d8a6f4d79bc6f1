//! The request line and the host it is for (rows 8 to 10).

use super::Expect::{Answered, Either, Passes, Refused};
use super::{Case, run};
use crate::stage::{Findings, Stage};

/// A request with this line.
fn line(line: impl AsRef<[u8]>) -> Vec<u8> {
    [line.as_ref(), b"\r\nHost: gw.test\r\n\r\n"].concat()
}

/// Row 8: three words, one blank between each, and a version we speak.
#[test]
fn a_request_line_has_three_words() {
    let mut cases = Vec::new();
    for text in [
        "GET\t/c HTTP/1.1",
        "GET /c\tHTTP/1.1",
        "GET  /c HTTP/1.1",
        "GET /c  HTTP/1.1",
        "GET /c HTTP/1.1 ",
        " GET /c HTTP/1.1",
        "GET /c HTTP/1.1\t",
        "GET\x0b/c HTTP/1.1",
        "GET\x0c/c HTTP/1.1",
        "GET /c",
        "GET /c ",
        "GET",
        "GET ",
        "/c HTTP/1.1",
        "GET HTTP/1.1",
        "GET /c /d HTTP/1.1",
        "GET /c d HTTP/1.1",
        "GET /c HTTP/1.1 HTTP/1.1",
        "GET /c HTTP/1.1 x",
        "GET /c HTTP/1.10",
        "GET /c HTTP/2.0",
        "GET /c HTTP/2",
        "GET /c HTTP/3",
        "GET /c HTTP/0.9",
        "GET /c HTTP/01.1",
        "GET /c HTTP/1.01",
        "GET /c HTTP/1",
        "GET /c HTTP/1.",
        "GET /c HTTP/.1",
        "GET /c HTTP/11",
        "GET /c HTTP/1,1",
        "GET /c HTTP/1.1.1",
        "GET /c http/1.1",
        "GET /c Http/1.1",
        "GET /c HTTPS/1.1",
        "GET /c HTTP /1.1",
        "GET /c HTTP/ 1.1",
        "GET /c HTTP/1.1a",
        "GET /c HTTP/1.\u{661}",
        "GET /c HTTP/-1.1",
        "GET /c HTTP/+1.1",
        "GET /c ICY/1.1",
        "GET /c RTSP/1.0",
        "GET /c HTTP/1.1\0",
        "G ET /c HTTP/1.1",
        "G(T /c HTTP/1.1",
        "G\"T /c HTTP/1.1",
        "G{T /c HTTP/1.1",
        "G/T /c HTTP/1.1",
        "GET: /c HTTP/1.1",
        "G\u{0}T /c HTTP/1.1",
        "G\u{e9}T /c HTTP/1.1",
        "GET,POST /c HTTP/1.1",
        "\u{feff}GET /c HTTP/1.1",
    ] {
        cases.push(Case::new(text.escape_debug().to_string(), line(text), Refused));
    }
    cases.push(Case::new(
        "a target of 100 KiB",
        line(format!("GET /{} HTTP/1.1", "a".repeat(100 * 1024))),
        Refused,
    ));
    cases.push(Case::new(
        "a method of 100 KiB",
        line(format!("{} /c HTTP/1.1", "A".repeat(100 * 1024))),
        Refused,
    ));
    cases.push(Case::new("HTTP/1.2", line("GET /c HTTP/1.2"), Either("/c")));
    for text in [
        "TRACE /c HTTP/1.1",
        "CONNECT gw.test:80 HTTP/1.1",
        "CONNECT /c HTTP/1.1",
        "get /c HTTP/1.1",
        "Get /c HTTP/1.1",
        "PROPFIND /c HTTP/1.1",
        "M-SEARCH /c HTTP/1.1",
        "! /c HTTP/1.1",
        "PRI /c HTTP/1.1",
    ] {
        cases.push(Case::new(text, line(text), Answered(&[400, 405, 501])));
    }
    for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] {
        cases.push(Case::new(method, line(format!("{method} /c HTTP/1.1")), Passes(&["/c"])));
    }
    cases.push(Case::new("HTTP/1.0", line("GET /c HTTP/1.0"), Passes(&["/c"])));
    run(&cases, 70);
}

/// Row 8: the target is made of what URIs are made of.
#[test]
fn a_target_is_made_of_uri_characters() {
    let mut cases = Vec::new();
    for byte in 0..=255_u8 {
        let text = [b"GET /a", &[byte][..], b"b HTTP/1.1"].concat();
        let name = format!("{byte:#04x} in a path");
        match byte {
            b'?' => cases.push(Case::new(name, line(text), Passes(&["/a?b"]))),
            b'/' => cases.push(Case::new(name, line(text), Passes(&["/a/b"]))),
            // Browsers send these raw, and RFC 3986 has no place for them: refused or escaped.
            b'[' | b']' | b'|' | b'^' | b'`' | b'{' | b'}' | b'"' | b'<' | b'>' | b'%' => {}
            _ if byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@".contains(&byte) => {}
            _ => cases.push(Case::new(name, line(text), Refused)),
        }
        let text = [b"GET /a?", &[byte][..], b"b HTTP/1.1"].concat();
        if byte <= b' ' || byte >= 0x7f || byte == b'#' {
            cases.push(Case::new(format!("{byte:#04x} in a query"), line(text), Refused));
        }
    }
    for text in [
        "GET /c#f HTTP/1.1",
        "GET /c?a#f HTTP/1.1",
        "GET # HTTP/1.1",
        "GET c HTTP/1.1",
        "GET ?a HTTP/1.1",
        "GET gw.test:80 HTTP/1.1",
        "GET * HTTP/1.1",
        "POST * HTTP/1.1",
        "GET \\c HTTP/1.1",
        "GET /c\\d HTTP/1.1",
        "GET ../c HTTP/1.1",
        "GET ./c HTTP/1.1",
        "GET /c%zz HTTP/1.1",
        "GET /c% HTTP/1.1",
        "GET /c%4 HTTP/1.1",
        "GET /%u0063 HTTP/1.1",
        "GET %2fc HTTP/1.1",
    ] {
        cases.push(Case::new(text, line(text), Refused));
    }
    cases.push(Case::new("OPTIONS *", line("OPTIONS * HTTP/1.1"), Answered(&[204])));
    for target in [
        "/c",
        "/",
        "/c?",
        "/c?a=b&c=d",
        "/c?a=/../b",
        "/c?%zz=/",
        "/a.b-c_d~e",
        "/a:b@c",
        "/a,b;c=d",
        "/!$&'()*+",
    ] {
        let target: &'static str = target;
        let expect = if target.contains("%zz") { Either("/c?%zz=/") } else { passes_as_is(target) };
        cases.push(Case::new(target, line(format!("GET {target} HTTP/1.1")), expect));
    }
    run(&cases, 300);
}

/// The expectation that `target` arrives as it is.
fn passes_as_is(target: &'static str) -> super::Expect {
    Passes(Vec::leak(vec![target]))
}

/// A request whose Host lines are `lines`.
fn hosts(lines: impl AsRef<[u8]>) -> Vec<u8> {
    [&b"GET /c HTTP/1.1\r\n"[..], lines.as_ref(), b"\r\n"].concat()
}

/// Values that are no host, or more than one.
pub(super) const NO_HOSTS: &[&str] = &[
    "",
    " ",
    "gw.test,evil.test",
    "gw.test, evil.test",
    "gw.test evil.test",
    "gw.test\tevil.test",
    "evil@gw.test",
    "gw.test@evil",
    "a:b@gw.test",
    "gw.test/",
    "gw.test/c",
    "/gw.test",
    "gw.test\\",
    "gw.test?a",
    "gw.test#a",
    "http://gw.test",
    "//gw.test",
    "gw.test;a",
    "gw.test:80:80",
    "gw.test:abc",
    "gw.test:-1",
    "gw.test:+80",
    "gw.test:65536",
    "gw.test:99999999999999999999",
    "gw.test: 80",
    "gw.test :80",
    "gw.test:80 ;",
    "gw.test:0x50",
    ":80",
    ":",
    "gw.test\0",
    "\0gw.test",
    "gw\u{7f}test",
    "gw.te\"st",
    "gw.te<st",
    "gw.te>st",
    "gw.te{st",
    "gw.te|st",
    "gw.te^st",
    "gw.te`st",
    "gw.te%st",
    "[",
    "]",
    "[]",
    "[::1",
    "::1]",
    "::1",
    "[::1]a",
    "[::1]:",
    "[::g]",
    "[1::2::3]",
    "[:::]",
    "[1:2:3:4:5:6:7:8:9]",
    "[::1]:99999",
    "[::1%25eth0]",
    "[::1%eth0]",
    "[gw.test]",
    "[v1.x]",
    "[127.0.0.1]",
    ".",
    "..",
    ".gw.test",
    "gw..test",
    "gw.test..",
    "*",
    "*.test",
    "\u{ff47}w.test",
    "g\u{e9}.test",
];

/// Values that are one host.
pub(super) const HOSTS: &[&str] = &[
    "gw.test",
    "gw.test:80",
    "gw.test:8080",
    "GW.TEST",
    "Gw.Test:80",
    "gw.test.",
    "localhost",
    "127.0.0.1",
    "127.0.0.1:8080",
    "[::1]",
    "[::1]:8080",
    "[2001:DB8::1]",
    "a-b.c-d.test",
    "xn--bcher-kva.test",
];

/// Row 9: exactly one host, which is a host.
#[test]
fn a_host_is_one_host() {
    let mut cases = Vec::new();
    cases.push(Case::new("no host", hosts(""), Refused));
    cases.push(Case::new("no host, and a body", "POST /c HTTP/1.1\r\nContent-Length: 2\r\n\r\nhi", Refused));
    for (first, second) in [
        ("gw.test", "evil.test"),
        ("gw.test", "gw.test"),
        ("gw.test", ""),
        ("", "gw.test"),
        ("evil.test", "gw.test"),
    ] {
        cases.push(Case::new(
            format!("hosts `{first}` and `{second}`"),
            hosts(format!("Host: {first}\r\nHost: {second}\r\n")),
            Refused,
        ));
        cases.push(Case::new(
            format!("hosts `{first}` and `{second}`, apart"),
            hosts(format!("Host: {first}\r\nX: y\r\nhOST: {second}\r\n")),
            Refused,
        ));
    }
    for value in NO_HOSTS.iter().copied() {
        let expect = if value == "[::1]:" { Either("/c") } else { Refused };
        cases.push(Case::new(
            format!("host `{}`", value.escape_debug()),
            hosts(format!("Host: {value}\r\n")),
            expect,
        ));
    }
    cases.push(Case::new("a raw 0xe9 in a host", hosts(b"Host: g\xe9.test\r\n"), Refused));
    cases.push(Case::new("a label of 64", hosts(format!("Host: {}.test\r\n", "a".repeat(64))), Either("/c")));
    cases.push(Case::new("a name of 300", hosts(format!("Host: {}test\r\n", "a.".repeat(150))), Refused));
    for value in [
        "gw%2etest",
        "gw.test:",
        "gw_test",
        "-gw.test",
        "0x7f.1",
        "127.1",
        "2130706433",
        "gw.test:0",
        "gw.test:080",
    ] {
        cases.push(Case::new(format!("host `{value}`"), hosts(format!("Host: {value}\r\n")), Either("/c")));
    }
    for value in HOSTS.iter().copied().chain([" \tgw.test \t"]) {
        cases.push(Case::new(format!("host `{value}`"), hosts(format!("Host:{value}\r\n")), Passes(&["/c"])));
    }
    cases.push(Case::new("HTTP/1.0 without a host", "GET /c HTTP/1.0\r\n\r\n", Either("/c")));
    run(&cases, 100);
}

/// Row 10: an absolute target names the same host as Host does, and nothing else.
#[test]
fn an_absolute_target_agrees_with_host() {
    let mut cases = Vec::new();
    for target in [
        "http://",
        "http:///c",
        "http:/c",
        "http:c",
        "http:/gw.test/c",
        "http:\\\\gw.test\\c",
        "http://evil@gw.test/c",
        "http://gw.test@evil.test/c",
        "http://gw.test:a/c",
        "http://gw.test:99999/c",
        "http://gw.test, evil.test/c",
        "http://[::1/c",
        "http://gw.test#f",
        "http://gw.test/c#f",
        "ftp://gw.test/c",
        "file:///c",
        "javascript://gw.test/c",
        "ws://gw.test/c",
        "urn:c",
        "://gw.test/c",
        "http//gw.test/c",
        "http://gw.test\\c",
        "http://gw.test/\\c",
        "http:////gw.test/c",
        "http://evil.test\\@gw.test/c",
        "http://gw%2etest/c%zz",
        "h\u{0}ttp://gw.test/c",
    ] {
        cases.push(Case::new(target, line(format!("GET {target} HTTP/1.1")), Refused));
    }
    for (target, arrives) in [
        ("http://gw.test/c", "/c"),
        ("HTTP://gw.test/c", "/c"),
        ("http://GW.TEST/c", "/c"),
        ("http://gw.test/c?a=b", "/c?a=b"),
        ("http://gw.test/", "/"),
        ("http://gw.test", "/"),
        ("http://gw.test?a=b", "/?a=b"),
    ] {
        cases.push(Case::new(target, line(format!("GET {target} HTTP/1.1")), passes_as_is(arrives)));
    }
    for target in ["http://gw.test:80/c", "http://gw.test./c", "https://gw.test/c"] {
        cases.push(Case::new(target, line(format!("GET {target} HTTP/1.1")), Either("/c")));
    }
    cases.push(Case::new("//gw.test/c", line("GET //gw.test/c HTTP/1.1"), Refused));
    run(&cases, 37);
}

/// Row 10: when they disagree, the backend never hears of the host that was not judged.
#[test]
fn a_host_beside_an_absolute_target_is_not_believed() {
    let stage = Stage::start();
    let mut findings = Findings::default();
    for (target, host) in [
        ("http://gw.test/c", "evil.test"),
        ("http://gw.test/c", "gw.test.evil.test"),
        ("http://gw.test/c", "gw.test:81"),
        ("http://gw.test/c", ""),
        ("http://gw.test:81/c", "gw.test"),
        ("http://gw.test/c", "gw.test@evil.test"),
    ] {
        let mark = stage.backend.mark();
        let mut client = stage.connect();
        client.send(format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        let outcome = client.response("GET", stage.soon()).map_err(|failure| failure.to_string());
        let arrived = stage.arrived_since(mark).expect("a sentinel");
        let told = arrived.iter().any(|message| format!("{message:?}").contains("evil"));
        let outcome = outcome.and_then(|response| match (response.status, arrived.len()) {
            (400..=499, 0) => Ok(()),
            (200, 1) if !told => Ok(()),
            _ => Err(format!("{response:?} and {arrived:?}")),
        });
        findings.note(format!("{target} with `{host}`"), outcome);
    }
    findings.conclude(6);
    stage.expect_plain_backend_traffic();
}
