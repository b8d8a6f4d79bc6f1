use http::Method;
use portcullis_http1::{Fields, ResponseHead};

use super::{MalformedResponse, canonicalise_interim, canonicalise_response};

fn head(status: u16, lines: &[(&str, &str)]) -> ResponseHead {
    let mut head = ResponseHead::synthesize(status);
    for (name, value) in lines {
        head.fields.push(name, value);
    }
    head
}

fn check(method: Method, status: u16, given: &[(&str, &str)]) -> Result<Vec<String>, MalformedResponse> {
    let mut head = head(status, given);
    canonicalise_response(&mut head, &method, None).map(|_| lines(&head.fields))
}

fn lines(fields: &Fields) -> Vec<String> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    fields.iter().map(|field| format!("{}: {}", text(field.name), text(field.value))).collect()
}

#[test]
fn what_is_for_the_client_goes_on_as_it_is() {
    let kept = [
        ("Server", "x"),
        ("Set-Cookie", "a=1"),
        ("X-A", "1"),
        ("set-cookie", "b=2"),
        ("X-A", "2"),
        ("Content-Type", "text/plain"),
        ("x_legacy", "caf\u{e9}"),
        ("Access-Control-Allow-Origin", "*"),
        ("X-Real-IP", "said by the backend"),
        ("Vary", "a"),
        ("WWW-Authenticate", "Basic"),
        ("Link", "</a>"),
    ];
    let expected: Vec<_> = kept.iter().map(|(name, value)| format!("{name}: {value}")).collect();
    assert_eq!(check(Method::GET, 200, &kept), Ok(expected));
}

#[test]
fn what_is_of_the_connection_or_ours_to_say_ends_here() {
    let gone = [
        ("Connection", "close, x-private"),
        ("X-Private", "1"),
        ("Keep-Alive", "5"),
        ("Transfer-Encoding", "chunked"),
        ("Content-Length", "3"),
        ("Trailer", "x"),
        ("TE", "x"),
        ("Upgrade", "h2,h2c"),
        ("Proxy-Authenticate", "x"),
        ("Proxy-Connection", "x"),
        ("Alt-Svc", "h3=\":443\""),
        ("X-Portcullis-Subject", "root"),
        ("x_portcullis_a", "b"),
        ("HTTP2-Settings", "x"),
    ];
    assert_eq!(check(Method::GET, 200, &gone), Ok(Vec::new()));
    let mut early = head(103, &gone).fields;
    early.push("Link", "</a>");
    canonicalise_interim(&mut early).expect("canonical");
    assert_eq!(lines(&early), ["Link: </a>"]);
}

#[test]
fn a_backend_cannot_take_away_what_everybody_needs() {
    let given =
        [("Connection", "Set-Cookie, content-type"), ("Set-Cookie", "a=1"), ("Content-Type", "text/plain")];
    assert_eq!(
        check(Method::GET, 200, &given),
        Ok(vec!["Set-Cookie: a=1".into(), "Content-Type: text/plain".into()])
    );
    let junk = [("Connection", "a b")];
    assert_eq!(check(Method::GET, 200, &junk), Err(MalformedResponse::ConnectionOption));
}

#[test]
fn a_length_stays_where_it_describes_a_body_that_is_not_there() {
    let given = [("Content-Length", "3"), ("content_length", "4")];
    for (method, status, expected) in [
        (Method::GET, 200, vec![]),
        (Method::HEAD, 200, vec!["Content-Length: 3".to_owned()]),
        (Method::GET, 304, vec!["Content-Length: 3".to_owned()]),
        (Method::GET, 204, vec![]),
    ] {
        assert_eq!(check(method.clone(), status, &given), Ok(expected), "{method} {status}");
    }
}

#[test]
fn a_status_is_final() {
    for (status, expected) in [
        (200, Ok(vec![])),
        (599, Ok(vec![])),
        (100, Err(MalformedResponse::Interim)),
        (103, Err(MalformedResponse::Interim)),
        (101, Err(MalformedResponse::SwitchUnasked)),
        (600, Err(MalformedResponse::Status)),
        (99, Err(MalformedResponse::Status)),
        (0, Err(MalformedResponse::Status)),
    ] {
        assert_eq!(check(Method::GET, status, &[]), expected, "{status}");
    }
}

#[test]
fn a_switch_is_to_what_was_asked_for() {
    let accept = ("Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    let (upgrade, connection) = (("Upgrade", "websocket"), ("Connection", "Upgrade"));
    let switch = |lines: &[(&str, &str)]| {
        let mut head = head(101, lines);
        canonicalise_response(&mut head, &Method::GET, Some(b"dGhlIHNhbXBsZSBub25jZQ=="))
            .map(|status| (status.as_u16(), head.fields.len()))
    };
    assert_eq!(switch(&[upgrade, connection, accept]), Ok((101, 1)));
    for lines in [
        &[connection, accept][..],
        &[upgrade, accept],
        &[upgrade, connection],
        &[("Upgrade", "h2c"), connection, accept],
        &[("Upgrade", "websocket, h2c"), connection, accept],
        &[upgrade, connection, accept, accept],
        &[upgrade, ("Connection", "close"), accept],
        &[upgrade, connection, ("Sec-WebSocket-Accept", "AAAAAAAAAAAAAAAAAAAAAAAAAAA=")],
        &[upgrade, connection, ("Sec-WebSocket-Accept", "S3pPLMBiTxaQ9kYGzzhZRbK+xOo=")],
        &[upgrade, connection, ("Sec-WebSocket-Accept", "dGhlIHNhbXBsZSBub25jZQ==")],
        &[upgrade, connection, ("Sec-WebSocket-Accept", "")],
    ] {
        assert_eq!(switch(lines), Err(MalformedResponse::SwitchInvalid), "{lines:?}");
    }
}
