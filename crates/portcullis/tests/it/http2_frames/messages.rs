//! RFC 9113 §8: messages, pseudo-header fields, content and its length.

use portcullis_testkit::h2::{flag, kind};

use super::Expect::{Malformed, Served, Spoils, TooLarge};
use super::{Case, announced, f, fields, head, joined, post, upload, with};

/// RFC 9113 §8.1, §8.2.
pub(super) fn messages() -> Vec<Case> {
    let trailers =
        |flags, list: &[(&str, &str)]| f(kind::HEADERS, flags | flag::END_HEADERS, 1, fields(list));
    vec![
        (
            "8.1",
            "trailers",
            joined![upload(1), f(kind::DATA, 0, 1, b"x"), trailers(1, &[("x-sum", "1")])],
            Served(1),
        ),
        ("8.1", "trailers behind no content", joined![upload(1), trailers(1, &[("x-sum", "1")])], Served(1)),
        ("8.1", "trailers without a field", joined![upload(1), trailers(1, &[])], Served(1)),
        (
            "8.1",
            "trailers and then content",
            joined![upload(1), trailers(0, &[("x-sum", "1")]), f(kind::DATA, 1, 1, b"x")],
            Malformed(1),
        ),
        (
            "8.1",
            "a second HEADERS that ends nothing",
            joined![upload(1), trailers(0, &[("x-sum", "1")])],
            Malformed(1),
        ),
        (
            "8.1",
            "a pseudo-header field in trailers",
            joined![upload(1), trailers(1, &[(":path", "/")])],
            Spoils,
        ),
        (
            "8.1",
            "an indexed pseudo-header field in trailers",
            joined![upload(1), f(kind::HEADERS, 5, 1, [0x84])],
            Spoils,
        ),
        (
            "8.1",
            "an unknown pseudo-header field in trailers",
            joined![upload(1), trailers(1, &[("x-sum", "1"), (":test", "1")])],
            Spoils,
        ),
        (
            "8.2.2",
            "a field of the connection in trailers",
            joined![upload(1), trailers(1, &[("connection", "close")])],
            Malformed(1),
        ),
        ("8.1", "upper case in trailers", joined![upload(1), trailers(1, &[("X-Sum", "1")])], Spoils),
        ("8.2.1", "an upper-case name", with(&[("X-Test", "1")]), Spoils),
        ("8.2.1", "an empty name", with(&[("", "1")]), Spoils),
        ("8.2.1", "a name with a space", with(&[("x test", "1")]), Spoils),
        ("8.2.1", "a name with a colon", with(&[("x:test", "1")]), Spoils),
        ("8.2.1", "a name with CR LF", with(&[("x\r\nhost", "1")]), Spoils),
        ("8.2.1", "a name with DEL", with(&[("x\u{7f}", "1")]), Spoils),
        ("8.2.1", "a name of all that is allowed", with(&[("x!#$%&'*+-^`|~9", "1")]), Served(1)),
        ("8.2.1", "a name beyond ASCII", with(&[("x-\u{e9}", "1")]), Spoils),
        ("8.2.1", "a value with CR LF", with(&[("x-test", "1\r\nx-evil: 2")]), Spoils),
        ("8.2.1", "a value with LF", with(&[("x-test", "1\n2")]), Spoils),
        ("8.2.1", "a value with CR", with(&[("x-test", "1\r2")]), Spoils),
        ("8.2.1", "a value with DEL", with(&[("x-test", "1\u{7f}2")]), Spoils),
        ("8.2.1", "a value beyond ASCII", with(&[("x-test", "\u{e9}")]), Served(1)),
        ("8.2.1", "a value with NUL", with(&[("x-test", "1\u{0}2")]), Spoils),
        ("8.2.1", "a value that begins with a space", with(&[("x-test", " 1")]), Malformed(1)),
        ("8.2.1", "a value that ends with a tab", with(&[("x-test", "1\t")]), Malformed(1)),
        ("8.2.1", "a value that begins with a tab", with(&[("x-test", "\t1")]), Malformed(1)),
        ("8.2.1", "a value that ends with a space", with(&[("x-test", "1 ")]), Malformed(1)),
        ("8.2.1", "a value with a tab inside", with(&[("x-test", "1\t2")]), Served(1)),
        ("8.2.1", "an empty value", with(&[("x-test", "")]), Served(1)),
        ("8.2.2", "connection", with(&[("connection", "close")]), Malformed(1)),
        ("8.2.2", "keep-alive", with(&[("keep-alive", "timeout=5")]), Malformed(1)),
        ("8.2.2", "proxy-connection", with(&[("proxy-connection", "close")]), Malformed(1)),
        ("8.2.2", "transfer-encoding", with(&[("transfer-encoding", "chunked")]), Malformed(1)),
        ("8.2.2", "upgrade", with(&[("upgrade", "websocket")]), Malformed(1)),
        ("8.6", "upgrade to HTTP/2", with(&[("upgrade", "h2c")]), Malformed(1)),
        ("8.2.2", "te of trailers", with(&[("te", "trailers")]), Served(1)),
        ("8.2.2", "te of gzip", with(&[("te", "trailers, gzip")]), Malformed(1)),
        ("8.2.3", "a cookie in crumbs", with(&[("cookie", "a=1"), ("cookie", "b=2")]), Served(1)),
    ]
}

/// RFC 9113 §8.3, §8.5.
pub(super) fn pseudo_fields() -> Vec<Case> {
    let (method, scheme, path) = ((":method", "GET"), (":scheme", "http"), (":path", "/"));
    let authority = (":authority", "gw.test");
    let method_of = |method| head(&[(":method", method), scheme, path, authority]);
    vec![
        ("8.3", "an unknown pseudo-header field", with(&[(":test", "1")]), Spoils),
        (
            "8.3",
            "an unknown pseudo-header field in front",
            head(&[(":test", "1"), method, scheme, path, authority]),
            Spoils,
        ),
        (
            "8.3",
            "a pseudo-header field of a response",
            head(&[method, scheme, path, authority, (":status", "200")]),
            Malformed(1),
        ),
        (
            "8.3",
            "a pseudo-header field behind a plain one",
            head(&[method, scheme, path, ("x-test", "1"), authority]),
            Malformed(1),
        ),
        ("8.3", "pseudo-header fields in another order", head(&[authority, path, scheme, method]), Served(1)),
        ("8.3.1", "HEAD", method_of("HEAD"), Served(1)),
        ("8.3.1", "another method", method_of("PATCH"), Served(1)),
        ("8.3.1", "an empty :method", method_of(""), Spoils),
        ("8.3.1", "a :method with CR LF", method_of("GET\r\nx: y"), Spoils),
        (
            "8.3.1",
            "OPTIONS of the server",
            head(&[(":method", "OPTIONS"), scheme, (":path", "*"), authority]),
            Served(1),
        ),
        ("8.3.1", "a :path with a query", head(&[method, scheme, (":path", "/a?b=c"), authority]), Served(1)),
        (
            "8.3.1",
            "an :authority with a port",
            head(&[method, scheme, path, (":authority", "gw.test:80")]),
            Served(1),
        ),
        ("8.3.1", "an empty :authority", head(&[method, scheme, path, (":authority", "")]), Malformed(1)),
        ("8.3.1", "an empty :scheme", head(&[method, (":scheme", ""), path, authority]), Malformed(1)),
        ("8.3.1", "no :method", head(&[scheme, path, authority]), Malformed(1)),
        ("8.3.1", "no :scheme", head(&[method, path, authority]), Malformed(1)),
        ("8.3.1", "no :path", head(&[method, scheme, authority]), Malformed(1)),
        ("8.3.1", "no :path, and a host", head(&[method, scheme, ("host", "gw.test")]), Malformed(1)),
        ("8.3.1", "an empty :path", head(&[method, scheme, (":path", ""), authority]), Malformed(1)),
        ("8.3.1", "two :method", head(&[method, method, scheme, path, authority]), Malformed(1)),
        ("8.3.1", "two :scheme", head(&[method, scheme, scheme, path, authority]), Malformed(1)),
        ("8.3.1", "two :path", head(&[method, scheme, path, path, authority]), Malformed(1)),
        ("8.3.1", "two :authority", head(&[method, scheme, path, authority, authority]), Malformed(1)),
        (
            "8.3.1",
            "a :path that is a URI",
            head(&[method, scheme, (":path", "http://gw.test/"), authority]),
            Malformed(1),
        ),
        (
            "8.3.1",
            "a :path with a space",
            head(&[method, scheme, (":path", "/a b"), authority]),
            Malformed(1),
        ),
        (
            "8.3.1",
            "a :path with CR LF",
            head(&[method, scheme, (":path", "/a\r\nx: y"), authority]),
            Malformed(1),
        ),
        (
            "8.3.1",
            "a :path of an asterisk with GET",
            head(&[method, scheme, (":path", "*"), authority]),
            Malformed(1),
        ),
        (
            "8.3.1",
            "an :authority with user information",
            head(&[method, scheme, path, (":authority", "u@gw.test")]),
            Malformed(1),
        ),
        (
            "8.3.1",
            "an :authority with a path",
            head(&[method, scheme, path, (":authority", "gw.test/evil")]),
            Malformed(1),
        ),
        ("8.3.1", "a host that differs from :authority", with(&[("host", "evil.test")]), Malformed(1)),
        ("8.3.1", "a host that is :authority", with(&[("host", "gw.test")]), Served(1)),
        ("8.3.1", "a host and no :authority", head(&[method, scheme, path, ("host", "gw.test")]), Served(1)),
        ("8.3.1", "neither host nor :authority", head(&[method, scheme, path]), Malformed(1)),
        ("8.3.1", "another scheme", head(&[method, (":scheme", "ftp"), path, authority]), Malformed(1)),
        (
            "8.3.1",
            "the scheme of another connection",
            head(&[method, (":scheme", "https"), path, authority]),
            Malformed(1),
        ),
        ("8.3.1", "a :method with a space", head(&[(":method", "GET /"), scheme, path, authority]), Spoils),
        ("8.5", "CONNECT", head(&[(":method", "CONNECT"), (":authority", "gw.test:443")]), Malformed(1)),
        (
            "8.5",
            "CONNECT with a scheme and a path",
            head(&[(":method", "CONNECT"), scheme, path, authority]),
            Malformed(1),
        ),
        ("8.5", "CONNECT without an authority", head(&[(":method", "CONNECT")]), Malformed(1)),
        (
            "8.5",
            "extended CONNECT, which was not offered",
            head(&[(":method", "CONNECT"), (":protocol", "websocket"), scheme, path, authority]),
            Malformed(1),
        ),
        ("10.5.1", "too many fields", with(&[("x", "1"); 100]), TooLarge(1)),
    ]
}

/// RFC 9113 §8.1.1: content and its length.
pub(super) fn contents() -> Vec<Case> {
    let data = |flags, content: &[u8]| f(kind::DATA, flags, 1, content);
    let trailers = f(kind::HEADERS, flag::END_STREAM | flag::END_HEADERS, 1, fields(&[("x-sum", "1")]));
    vec![
        (
            "8.1.1",
            "content of the announced length",
            joined![announced("2"), data(0, b"x"), data(1, b"y")],
            Served(1),
        ),
        ("8.1.1", "content and length of nothing", joined![announced("0"), data(1, b"")], Served(1)),
        (
            "8.1.1",
            "content of the announced length, and trailers",
            joined![announced("2"), data(0, b"xy"), trailers],
            Served(1),
        ),
        (
            "8.1.1",
            "less content than announced, and trailers",
            joined![announced("3"), data(0, b"xy"), trailers],
            Malformed(1),
        ),
        ("8.1.1", "content where none is announced", joined![announced("0"), data(1, b"x")], Malformed(1)),
        ("8.1.1", "more content than announced", joined![announced("1"), data(1, b"xy")], Malformed(1)),
        ("8.1.1", "less content than announced", joined![announced("3"), data(1, b"xy")], Malformed(1)),
        (
            "8.1.1",
            "less content than announced, in two frames",
            joined![announced("3"), data(0, b"x"), data(1, b"y")],
            Malformed(1),
        ),
        (
            "8.1.1",
            "no content where some is announced",
            f(kind::HEADERS, 5, 1, post(&[("content-length", "1")])),
            Malformed(1),
        ),
        (
            "8.1.1",
            "two lengths",
            joined![
                f(kind::HEADERS, 4, 1, post(&[("content-length", "1"), ("content-length", "1")])),
                data(1, b"x")
            ],
            Malformed(1),
        ),
        ("8.1.1", "a list of lengths", joined![announced("1, 1"), data(1, b"x")], Malformed(1)),
        ("8.1.1", "an empty length", joined![announced(""), data(1, b"x")], Malformed(1)),
        (
            "8.1.1",
            "a length beyond 2^64",
            joined![announced("18446744073709551617"), data(1, b"x")],
            Malformed(1),
        ),
        ("8.1.1", "a length with a sign", joined![announced("+1"), data(1, b"x")], Malformed(1)),
    ]
}
