//! Whole heads: each refused class beside the nearest message that passes.

use http::StatusCode;
use portcullis_http1::{Bounds, Fields, HeadDecoder, RequestHead, Version};

use super::{
    AliasNames, CONNECTION_OPTIONS_MAX, Canonical, ForwardedField, Rules, Said, Upgrade, forwarded_fields,
};
use crate::http::{Head, Malformed, Peer, Size, Wire};

fn peer() -> Peer {
    Peer::sample(([192, 0, 2, 1], 4711).into())
}

/// A head as the wire delivers it; lines are separated by `\n` here.
fn head(text: &str, size: Size) -> Head {
    let bytes = format!("{}\r\n\r\n", text.replace('\n', "\r\n"));
    let decoded = HeadDecoder::default().request(bytes.as_bytes(), &Bounds::default());
    let (request, _) = decoded.unwrap_or_else(|why| panic!("{why:?}: {text}")).expect("a whole head");
    let wire = if request.version == Version::Http10 { Wire::Http10 } else { Wire::Http11 };
    Head { request, wire, size }
}

fn http2(method: &str, path: &str, lines: &[(&str, &str)]) -> Head {
    let mut request = RequestHead::synthesize(method.as_bytes(), path.as_bytes(), "HTTP/2");
    for (name, value) in lines {
        request.fields.push(name, value);
    }
    Head { request, wire: Wire::Http2, size: Size::None }
}

fn check(text: &str) -> Result<Canonical, Malformed> {
    Canonical::build(&mut head(text, Size::None), &peer(), &Rules::default())
}

fn check_with(text: &str, rules: &Rules) -> Result<Canonical, Malformed> {
    Canonical::build(&mut head(text, Size::None), &peer(), rules)
}

fn why(text: &str) -> Option<Malformed> {
    check(text).err()
}

fn lines(fields: &Fields) -> Vec<String> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    fields.iter().map(|field| format!("{}: {}", text(field.name), text(field.value))).collect()
}

#[test]
fn a_request_has_one_reading() {
    let request = check(
        "POST /%6frders/?q=%20x HTTP/1.1\nhost: API.Example.com.:8080\nAccept: a\nx-b: 1\nACCEPT: b\nX-B: \u{e9}",
    )
    .expect("canonical");
    assert_eq!(request.method(), "POST");
    assert_eq!((request.host(), request.port()), ("api.example.com", Some(8080)));
    assert_eq!((request.path(), request.query()), ("/orders/", Some("q=%20x")));
    assert_eq!(request.target(), "/orders/?q=%20x");
    assert_eq!(lines(request.fields()), ["Accept: a", "x-b: 1", "ACCEPT: b", "X-B: \u{e9}"]);
    assert_eq!(request.request_line(), b"POST /%6frders/?q=%20x HTTP/1.1");
    assert_eq!((request.wire(), request.size()), (Wire::Http11, Size::None));
    assert_eq!((request.scheme().as_str(), request.client().to_string()), ("http", "192.0.2.1".to_owned()));
    assert!(request.keep_alive() && !request.te_trailers() && !request.expects_continue());
    assert_eq!(request.upgrade(), None);
    let authority = request.authority();
    assert_eq!(authority, "api.example.com:8080");
}

#[test]
fn class_8_methods_that_never_pass() {
    for (line, expected) in [
        ("GET /", None),
        ("OPTIONS *", None),
        ("PROPFIND /", None),
        ("get /", Some(Malformed::Method)),
        ("Post /", Some(Malformed::Method)),
        ("connect /", Some(Malformed::Method)),
        ("TRACE /", Some(Malformed::MethodUnsupported)),
        ("CONNECT gw.test:443", Some(Malformed::MethodUnsupported)),
        ("GET *", Some(Malformed::TargetForm)),
        ("GET gw.test:80", Some(Malformed::TargetForm)),
        ("GET /a#b", Some(Malformed::TargetFragment)),
        ("GET /a?b#c", Some(Malformed::TargetFragment)),
    ] {
        let text = format!("{line} HTTP/1.1\nhost: gw.test");
        // What the codec refuses already needs no judgement here.
        let bytes = format!("{}\r\n\r\n", text.replace('\n', "\r\n"));
        if HeadDecoder::default().request(bytes.as_bytes(), &Bounds::default()).is_err() {
            assert!(expected.is_some(), "{line}");
            continue;
        }
        assert_eq!(why(&text), expected, "{line}");
    }
    assert_eq!(check("OPTIONS * HTTP/1.1\nhost: gw.test").expect("canonical").path(), "*");
    assert_eq!(Malformed::MethodUnsupported.status(), StatusCode::NOT_IMPLEMENTED);
}

#[test]
fn class_9_host() {
    for (text, expected) in [
        ("GET / HTTP/1.1\nhost: gw.test", None),
        ("GET / HTTP/1.1\nHOST: GW.test.", None),
        ("GET / HTTP/1.1\nhost: [::1]:80", None),
        ("GET / HTTP/1.1", Some(Malformed::HostMissing)),
        ("GET / HTTP/1.0", Some(Malformed::HostMissing)),
        ("GET / HTTP/1.1\nhost:", Some(Malformed::HostName)),
        ("GET / HTTP/1.1\nhost: gw.test\nhost: evil", Some(Malformed::HostRepeated)),
        ("GET / HTTP/1.1\nhost: gw.test\nHost: gw.test", Some(Malformed::HostRepeated)),
        ("GET / HTTP/1.1\nhost: gw.test, evil", Some(Malformed::HostName)),
        ("GET / HTTP/1.1\nhost: user@gw.test", Some(Malformed::HostUserinfo)),
        ("GET / HTTP/1.1\nhost: gw.test/evil", Some(Malformed::HostName)),
        ("GET / HTTP/1.1\nhost: gw.test:80x", Some(Malformed::HostPort)),
        ("GET / HTTP/1.1\nhost: [::1", Some(Malformed::HostAddress)),
        ("GET / HTTP/1.1\nhost: http://gw.test", Some(Malformed::HostName)),
    ] {
        let found = why(text);
        // `http://gw.test` fails at its colon or its slashes; either names the host.
        assert_eq!(found.is_some(), expected.is_some(), "{text}: {found:?}");
        if !text.contains("http://") {
            assert_eq!(found, expected, "{text}");
        }
    }
    let lenient = Rules { http10_without_host: true, ..Rules::default() };
    assert_eq!(check_with("GET / HTTP/1.0", &lenient).expect("canonical").host(), "");
    assert_eq!(check_with("GET / HTTP/1.1", &lenient).err(), Some(Malformed::HostMissing));
}

#[test]
fn class_10_absolute_form_against_host() {
    for (text, expected) in [
        ("GET http://gw.test/a HTTP/1.1\nhost: gw.test", None),
        ("GET HTTP://GW.test.:80/a HTTP/1.1\nhost: gw.test", None),
        ("GET http://gw.test/a HTTP/1.1\nhost: gw.test:80", None),
        ("GET http://gw.test HTTP/1.1\nhost: gw.test", None),
        ("GET http://gw.test/a HTTP/1.0", None),
        ("GET http://gw.test/a HTTP/1.1", Some(Malformed::HostMissing)),
        ("GET http://gw.test/a HTTP/1.1\nhost: evil", Some(Malformed::TargetAuthority)),
        ("GET http://gw.test:81/a HTTP/1.1\nhost: gw.test", Some(Malformed::TargetAuthority)),
        ("GET http://u@gw.test/a HTTP/1.1\nhost: gw.test", Some(Malformed::HostUserinfo)),
        ("GET https://gw.test/a HTTP/1.1\nhost: gw.test", Some(Malformed::TargetScheme)),
        ("GET http://gw.test//a HTTP/1.1\nhost: gw.test", Some(Malformed::PathEmptySegment)),
    ] {
        assert_eq!(why(text), expected, "{text}");
    }
    let over_tls = Peer { tls: Some(Box::default()), ..peer() };
    let build = |scheme: &str| {
        let text = format!("GET {scheme}://gw.test:443/a HTTP/1.1\nhost: gw.test");
        Canonical::build(&mut head(&text, Size::None), &over_tls, &Rules::default())
            .map(|r| r.target().to_owned())
    };
    assert_eq!(build("https"), Ok("/a".to_owned()));
    assert_eq!(build("http"), Err(Malformed::TargetScheme));
}

#[test]
fn class_12_expect() {
    let with = |lines: &str, size| {
        let text = format!("POST / HTTP/1.1\nhost: gw.test\n{lines}");
        Canonical::build(&mut head(&text, size), &peer(), &Rules::default())
    };
    for (value, size, waits) in [
        ("100-continue", Size::Exactly(3), true),
        ("100-Continue", Size::Unknown, true),
        // Nothing to wait for: one framed message without a body.
        ("100-continue", Size::None, false),
    ] {
        let request = with(&format!("expect: {value}"), size).expect("canonical");
        assert_eq!(request.expects_continue(), waits, "{value}");
        assert!(!request.fields().has("expect"));
    }
    for lines in [
        "expect: y 100-continue",
        "expect: 100-continue, y",
        "expect: 100-continue\nexpect: 100-continue",
        "expect:",
        "expect: 100-continue;q=1",
        "expect: 200-ok",
    ] {
        let refused = with(lines, Size::Exactly(3)).err();
        assert_eq!(refused, Some(Malformed::Expectation), "{lines}");
        assert_eq!(Malformed::Expectation.status(), StatusCode::EXPECTATION_FAILED);
    }
    let old = "POST / HTTP/1.0\nhost: gw.test\nexpect: 100-continue";
    let old =
        Canonical::build(&mut head(old, Size::Exactly(3)), &peer(), &Rules::default()).expect("canonical");
    assert!(!old.expects_continue(), "RFC 9110 §10.1.1: ignored on HTTP/1.0");
}

const HANDSHAKE: &str = "GET /chat HTTP/1.1\nhost: gw.test\nconnection: keep-alive, Upgrade\nupgrade: websocket\n\
    sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\nsec-websocket-version: 13";

#[test]
fn class_13_upgrade_to_websocket_needs_a_whole_handshake() {
    let request = check(HANDSHAKE).expect("canonical");
    assert_eq!(request.upgrade(), Some(Upgrade::WebSocket));
    assert!(!request.fields().has("upgrade") && !request.fields().has("connection"));
    assert!(request.fields().has("sec-websocket-key"), "the tunnel needs it");

    use Malformed::{FieldRepeated, WebSocketHandshake, WebSocketVersion};
    for (from, to, expected) in [
        ("upgrade: websocket", "upgrade: WebSocket, h2c", None),
        ("upgrade: websocket", "upgrade: h2c\nupgrade: websocket", None),
        ("GET", "POST", Some(WebSocketHandshake)),
        ("version: 13", "version: 12", Some(WebSocketVersion)),
        ("version: 13", "version: 13, 8", Some(WebSocketVersion)),
        ("version: 13", "version: 13\nsec-websocket-version: 8", Some(FieldRepeated)),
        ("\nsec-websocket-version: 13", "", Some(WebSocketHandshake)),
        ("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZQ=", Some(WebSocketHandshake)),
        ("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZZ==", Some(WebSocketHandshake)),
        ("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZQAA", Some(WebSocketHandshake)),
        ("dGhlIHNhbXBsZSBub25jZQ==", "", Some(WebSocketHandshake)),
    ] {
        assert_eq!(why(&HANDSHAKE.replace(from, to)), expected, "{to}");
    }
    let with_body = Canonical::build(&mut head(HANDSHAKE, Size::Unknown), &peer(), &Rules::default());
    assert_eq!(with_body.err(), Some(WebSocketHandshake), "frames and a body cannot be told apart");
    assert_eq!(WebSocketVersion.status(), StatusCode::UPGRADE_REQUIRED);
    assert_eq!(WebSocketVersion.reply_fields(), [("sec-websocket-version", "13")]);
}

#[test]
fn class_13_any_other_upgrade_goes_on_as_a_plain_request() {
    for (from, to) in [
        ("upgrade: websocket", "upgrade: foo"),
        ("upgrade: websocket", "upgrade: websocket/13"),
        ("keep-alive, Upgrade", "keep-alive"),
        ("connection: keep-alive, Upgrade\n", ""),
        ("HTTP/1.1", "HTTP/1.0"),
    ] {
        let request = check(&HANDSHAKE.replace(from, to)).expect("canonical");
        assert_eq!(request.upgrade(), None, "{to}");
        assert!(!request.fields().has("upgrade"), "{to}");
    }
}

#[test]
fn class_14_h2c_is_not_forwarded() {
    for connection in ["Upgrade, HTTP2-Settings", "Upgrade", "HTTP2-Settings"] {
        let text = format!(
            "GET / HTTP/1.1\nhost: gw.test\nconnection: {connection}\nupgrade: h2c\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\na: 1"
        );
        let request = check(&text).expect("canonical");
        assert_eq!(lines(request.fields()), ["a: 1"], "{connection}");
        assert_eq!(request.upgrade(), None);
    }
}

#[test]
fn class_15_http2_heads() {
    let build = |path: &str, lines: &[(&str, &str)]| {
        Canonical::build(&mut http2("GET", path, lines), &peer(), &Rules::default())
            .map(|request| request.target().to_owned())
    };
    let host = ("host", "gw.test");
    assert_eq!(build("/a?b", &[host, ("te", "trailers")]), Ok("/a?b".to_owned()));
    for (path, lines, reason) in [
        ("/", &[host, ("connection", "close")][..], Malformed::ConnectionOnHttp2),
        ("/", &[host, ("keep-alive", "1")], Malformed::ConnectionOnHttp2),
        ("/", &[host, ("proxy-connection", "close")], Malformed::ConnectionOnHttp2),
        ("/", &[host, ("upgrade", "h2c")], Malformed::ConnectionOnHttp2),
        ("/", &[], Malformed::HostMissing),
        ("/", &[("host", "gw.test/evil")], Malformed::HostName),
        ("", &[host], Malformed::TargetForm),
        ("a", &[host], Malformed::TargetForm),
        ("http://gw.test/", &[host], Malformed::TargetForm),
        ("/a b", &[host], Malformed::PathCharacter),
        ("/a\r\nb", &[host], Malformed::PathCharacter),
        ("/a\0", &[host], Malformed::PathCharacter),
        ("/caf\u{e9}", &[host], Malformed::PathCharacter),
        ("/a#b", &[host], Malformed::TargetFragment),
        ("/a?b c", &[host], Malformed::QueryCharacter),
        ("/a?\r\nx: y", &[host], Malformed::QueryCharacter),
    ] {
        assert_eq!(build(path, lines), Err(reason), "{path} {lines:?}");
    }
}

#[test]
fn class_16_host_beside_authority() {
    let build = |hosts: &[&str]| {
        let lines: Vec<_> = hosts.iter().map(|host| ("host", *host)).collect();
        let built = Canonical::build(&mut http2("GET", "/", &lines), &peer(), &Rules::default());
        built.map(|request| request.host().to_owned())
    };
    assert_eq!(build(&["gw.test", "GW.test:80"]), Ok("gw.test".to_owned()));
    assert_eq!(build(&["gw.test", "evil"]), Err(Malformed::HostRepeated));
    assert_eq!(build(&["gw.test", "gw.test:81"]), Err(Malformed::HostRepeated));
    assert_eq!(build(&["gw.test", "gw.test", "gw.test"]), Err(Malformed::HostRepeated));
}

#[test]
fn classes_21_22_26_claims_never_pass() {
    let request = check(
        "GET / HTTP/1.1\nhost: gw.test\nX-Forwarded-For: 10.0.0.1\nForwarded: for=10.0.0.1\nX-Real-IP: 10.0.0.1\n\
         X-Original-URL: /admin\nX-Forwarded-Uri: /admin\nX-Forwarded-Prefix: /admin\nX-Consumer-Username: root\n\
         X-Portcullis-Subject: root\nX-HTTP-Method-Override: DELETE\nProxy: http://evil\nAuthorization: Bearer x",
    )
    .expect("canonical");
    assert_eq!(lines(request.fields()), ["Authorization: Bearer x"]);
    assert_eq!(request.client().to_string(), "192.0.2.1");
    assert_eq!(request.method(), "GET");
}

#[test]
fn class_23_aliases() {
    let text = |name: &str| format!("GET / HTTP/1.1\nhost: gw.test\n{name}: x");
    for name in [
        "X_Forwarded_User",
        "X.Portcullis.Subject",
        "x_real-ip",
        "Content_Length",
        "TRANSFER_ENCODING",
        "User.Agent",
        "x_api_key",
        "http2_settings",
        "Sec_WebSocket_Key",
        "access.control.request_method",
    ] {
        let request = check(&text(name)).expect("canonical");
        assert!(request.fields().is_empty(), "{name}");
    }
    for name in ["api_key", "x_custom", "grpc.status"] {
        let rules = |alias_names| Rules { alias_names, ..Rules::default() };
        let left = |alias_names| check_with(&text(name), &rules(alias_names)).map(|r| r.fields().len());
        let known = name == "grpc.status";
        assert_eq!(left(AliasNames::Distinct), Ok(usize::from(!known)), "{name}");
        assert_eq!(left(AliasNames::Drop), Ok(0), "{name}");
        let refused = if known { Ok(0) } else { Err(Malformed::FieldSpelling) };
        assert_eq!(left(AliasNames::Refuse), refused, "{name}");
    }
    for (lines, expected) in [
        ("x_role: user\nX_Role: admin", None),
        ("x_role: user\nx-roles: admin", None),
        ("x_role: user\nx-role: admin", Some(Malformed::FieldAlias)),
        ("X-Role: user\nx.role: admin", Some(Malformed::FieldAlias)),
        ("x_my.role: user\nx.my_role: admin", Some(Malformed::FieldAlias)),
    ] {
        assert_eq!(why(&format!("GET / HTTP/1.1\nhost: gw.test\n{lines}")), expected, "{lines}");
    }
}

#[test]
fn class_24_connection_takes_only_what_is_its_own() {
    let with = |connection: &str| {
        check(&format!(
            "GET / HTTP/1.1\nhost: gw.test\nconnection: {connection}\nX-Foo: 1\nX-Bar: 2\nKeep-Alive: 5\nTE: trailers, gzip\n\
             Trailer: x\nProxy-Authorization: x\nProxy-Connection: x\nCookie: a"
        ))
    };
    for (connection, left, keep_alive) in [
        ("keep-alive", &["X-Foo: 1", "X-Bar: 2", "Cookie: a"][..], true),
        ("close", &["X-Foo: 1", "X-Bar: 2", "Cookie: a"], false),
        ("Close, TE", &["X-Foo: 1", "X-Bar: 2", "Cookie: a"], false),
        ("x-foo", &["X-Bar: 2", "Cookie: a"], true),
        ("x_foo\nconnection: X-BAR , ,", &["Cookie: a"], true),
        ("X-Forwarded-For, X-Portcullis-Subject", &["X-Foo: 1", "X-Bar: 2", "Cookie: a"], true),
        ("keep-alive, close", &["X-Foo: 1", "X-Bar: 2", "Cookie: a"], false),
        ("", &["X-Foo: 1", "X-Bar: 2", "Cookie: a"], true),
    ] {
        let request = with(connection).expect("canonical");
        assert_eq!(lines(request.fields()), left, "{connection}");
        assert_eq!(request.keep_alive(), keep_alive, "{connection}");
        assert!(request.te_trailers());
    }
    for name in [
        "Host",
        "Content-Length",
        "Transfer-Encoding",
        "Authorization",
        "Cookie",
        "Content-Type",
        "Expect",
        "Origin",
        "Accept",
        "content_length",
        "X-API-Key",
        "Sec-WebSocket-Key",
        "close, X-Forwarded-For, Authorization",
    ] {
        assert_eq!(with(name).err(), Some(Malformed::ConnectionNamesField), "{name}");
    }
    for list in ["a b", "a;b", "\"a\"", "a/b", "x-\u{e9}"] {
        assert_eq!(with(list).err(), Some(Malformed::ConnectionOption), "{list}");
    }
    let many = |n: usize| (0..n).map(|i| format!("x-{i}")).collect::<Vec<_>>().join(",");
    assert!(with(&many(CONNECTION_OPTIONS_MAX)).is_ok());
    assert_eq!(with(&many(CONNECTION_OPTIONS_MAX + 1)).err(), Some(Malformed::ConnectionOption));
}

#[test]
fn persistence_follows_version_and_options() {
    for (version, connection, expected) in [
        ("HTTP/1.1", "connection: x-a", true),
        ("HTTP/1.1", "connection: CLOSE", false),
        ("HTTP/1.0", "connection: x-a", false),
        ("HTTP/1.0", "connection: Keep-Alive", true),
        ("HTTP/1.0", "connection: keep-alive, close", false),
    ] {
        let request = check(&format!("GET / {version}\nhost: gw.test\n{connection}")).expect("canonical");
        assert_eq!(request.keep_alive(), expected, "{version} {connection}");
    }
}

#[test]
fn class_25_fields_that_stand_alone_are_not_repeated() {
    let twice =
        |name: &str| format!("GET / HTTP/1.1\nhost: gw.test\n{name}: a\nx: y\n{}: a", name.to_uppercase());
    for name in
        ["authorization", "content-type", "origin", "range", "if-range", "content-range", "dpop", "x-api-key"]
    {
        assert_eq!(why(&twice(name)), Some(Malformed::FieldRepeated), "{name}");
    }
    for name in ["accept", "cookie", "x-role", "cache-control", "if-none-match", "via"] {
        let request = check(&twice(name)).expect("canonical");
        assert_eq!(request.fields().all(name).count(), 2, "{name}");
    }
}

#[test]
fn framing_is_not_among_the_fields() {
    let text = "POST / HTTP/1.1\nhost: gw.test\ncontent-length: 3\na: 1";
    let request =
        Canonical::build(&mut head(text, Size::Exactly(3)), &peer(), &Rules::default()).expect("canonical");
    assert_eq!(lines(request.fields()), ["a: 1"]);
    assert_eq!(request.size(), Size::Exactly(3));
}

/// More than there are bits in a word, with some in each that end here.
#[test]
fn of_many_fields_those_go_that_are_to_go() {
    let mut text = "GET / HTTP/1.1\nx-0: 0".to_owned();
    for number in 1..95 {
        text.push_str(&match number {
            70 => "\nhost: gw.test".to_owned(),
            90 => "\nconnection: x-3, x-63, x-64, x-80".to_owned(),
            _ => format!("\nx-{number}: {number}"),
        });
    }
    let expected: Vec<_> = (0..95)
        .filter(|number| ![3, 63, 64, 70, 80, 90].contains(number))
        .map(|number| format!("x-{number}: {number}"))
        .collect();
    assert_eq!(lines(check(&text).expect("canonical").fields()), expected);
}

fn say(out: &mut Fields, said: Said<'_>) {
    match said {
        Said::Field(label, value) => out.push(label.name(), value),
        Said::Lines(lines) => lines.iter().for_each(|field| out.push(field.name, field.value)),
    }
}

#[test]
fn a_trusted_proxy_tells_client_and_scheme_but_not_host() {
    let rules = Rules {
        trusted_proxies: vec!["192.0.2.0/24".parse().expect("a network")],
        forwarded: ForwardedField::XForwardedFor,
        ..Rules::default()
    };
    let text = "GET https://gw.test/ HTTP/1.1\nhost: gw.test\nx-forwarded-for: 6.6.6.6, 203.0.113.9\n\
        x-forwarded-proto: https\nx-forwarded-host: evil\nx-forwarded-port: 1";
    let request = check_with(text, &rules).expect("canonical");
    assert!(request.fields().is_empty());
    assert_eq!((request.client().to_string().as_str(), request.scheme().as_str()), ("203.0.113.9", "https"));
    assert_eq!((request.host(), request.port()), ("gw.test", None));
    let mut out = Fields::new();
    forwarded_fields(&request, None, |said| say(&mut out, said));
    assert_eq!(
        lines(&out),
        [
            "x-forwarded-for: 203.0.113.9, 192.0.2.1",
            "x-forwarded-proto: https",
            "x-forwarded-host: gw.test",
            "x-forwarded-port: 443",
            "via: 1.1 portcullis",
        ]
    );
    let broken = text.replace("203.0.113.9", "203.0.113.999");
    assert_eq!(check_with(&broken, &rules).err(), Some(Malformed::ForwardedChain));
}

#[test]
fn a_backend_is_told_the_truth_about_a_stranger() {
    let request = check("GET / HTTP/1.0\nhost: GW.test:8080\nx-forwarded-for: 6.6.6.6").expect("canonical");
    let mut out = Fields::new();
    forwarded_fields(&request, None, |said| say(&mut out, said));
    assert_eq!(
        lines(&out),
        [
            "x-forwarded-for: 192.0.2.1",
            "x-forwarded-proto: http",
            "x-forwarded-host: gw.test:8080",
            "x-forwarded-port: 8080",
            "via: 1.0 portcullis",
        ]
    );
}

#[test]
fn queries_are_kept_byte_for_byte() {
    for (target, query) in [("/a", None), ("/a?", Some("")), ("/a?%2e%2E/[x]=//", Some("%2e%2E/[x]=//"))] {
        let request = check(&format!("GET {target} HTTP/1.1\nhost: gw.test")).expect("canonical");
        assert_eq!((request.path(), request.query(), request.target()), ("/a", query, target));
    }
    let lenient = Rules { stray_percent_in_query: true, ..Rules::default() };
    let text = "GET /a?q=100% HTTP/1.1\nhost: gw.test";
    assert_eq!(why(text), Some(Malformed::QueryEscape));
    assert_eq!(check_with(text, &lenient).expect("canonical").query(), Some("q=100%"));
}

#[test]
fn reasons_have_distinct_slugs_and_refusing_statuses() {
    let slugs: std::collections::BTreeSet<_> = Malformed::ALL.iter().map(|why| why.as_str()).collect();
    assert_eq!(slugs.len(), Malformed::ALL.len());
    for why in Malformed::ALL {
        assert!(why.status().is_client_error() || why.status() == StatusCode::NOT_IMPLEMENTED);
        assert!(why.as_str().bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'));
        assert!(!why.to_string().ends_with('.'));
    }
}

#[test]
fn a_parameter_that_is_taken_out_leaves_everything_else() {
    for (target, left) in
        [("/a?key=1", "/a"), ("/a?x=%41&k%65y=1&key", "/a?x=%41"), ("/a?x=1", "/a?x=1"), ("/a", "/a")]
    {
        let mut request =
            check(&format!("GET {target} HTTP/1.1\nHost: a\nUser-Agent: u")).expect("canonical");
        let before = request.reading().clone();
        request.remove_parameter("key");
        assert_eq!(request.target(), left);
        assert_eq!((request.reading().path(), request.reading().user_agent()), ("/a", Some("u")));
        assert_eq!(before.user_agent(), Some("u"));
    }
}
