//! Field sections and bodies that mean something else once they are HTTP/1.1 (rows 15 and 16).
//!
//! HTTP/2 frames a message by itself, so every byte that would frame, split or address an HTTP/1.1 message is
//! a field value here, and must not become more than that behind the gateway.

use portcullis_testkit::Deadline;
use portcullis_testkit::exchange::Fields;
use portcullis_testkit::h2::{Client, flag, kind};
use portcullis_testkit::raw::End;

use super::HIDDEN;
use super::target::{HOSTS, NO_HOSTS};
use crate::stage::{Findings, Stage};

/// What must come of a request.
#[derive(Clone, Copy, PartialEq)]
enum Expect {
    /// The stream is reset, the connection ended, or a 400-class problem comes. No whole message arrives.
    Refused,
    /// It arrives as this target and is answered.
    Passes(&'static str),
    /// Readers of the standard may differ: refused, or exactly this message.
    Either(&'static str),
}
use Expect::{Either, Passes, Refused};

/// The pseudo-fields of a plain request, and then these lines.
fn with(lines: &[(&str, &str)]) -> Fields {
    let pseudo = [(":method", "POST"), (":scheme", "http"), (":authority", "gw.test"), (":path", "/c")];
    fields(&[&pseudo, lines].concat())
}

/// A plain request in which the pseudo-field `name` is `value`.
fn instead(name: &str, value: impl AsRef<[u8]>) -> Fields {
    let mut fields = with(&[]);
    for (own, old) in &mut fields {
        if own == name.as_bytes() {
            *old = value.as_ref().to_vec();
        }
    }
    fields
}

fn fields(lines: &[(&str, &str)]) -> Fields {
    lines.iter().map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec())).collect()
}

/// Runs `cases` of fields, body and expectation, each over a connection of its own.
fn run(cases: Vec<(String, Fields, &[u8], Expect)>, least: usize) {
    let stage = Stage::start();
    let mut findings = Findings::default();
    for (name, fields, body, expect) in cases {
        findings.note(name, judge(&stage, &fields, body, expect));
    }
    findings.conclude(least);
    stage.expect_plain_backend_traffic();
    super::expect_no_forbidden_fields(&stage);
}

fn judge(stage: &Stage, fields: &Fields, body: &[u8], expect: Expect) -> Result<(), String> {
    let mark = stage.backend.mark();
    let mut client = Client::connect(stage.public());
    let stream = client.stream();
    client.fields(stream, fields, body.is_empty());
    if !body.is_empty() {
        client.frame(kind::DATA, flag::END_STREAM, stream, body);
    }
    let outcome = client.response(stream, Deadline::soon());
    let arrived = stage.arrived_since(mark)?;
    let whole: Vec<String> = arrived.iter().filter(|m| m.is_complete).map(|m| m.target()).collect();
    match (expect, outcome) {
        (Refused | Either(_), Ok(response)) if (400..=501).contains(&response.status) && whole.is_empty() => {
            Ok(())
        }
        (Refused | Either(_), Err(failure)) if failure.end != End::Silent && whole.is_empty() => Ok(()),
        (Passes(target) | Either(target), Ok(response))
            if response.status == 200 && whole == [target] && response.oddities.is_empty() =>
        {
            Ok(())
        }
        (_, Ok(response)) => Err(format!("{response:?}, and {whole:?} arrived")),
        (_, Err(failure)) => Err(format!("{failure}, and {whole:?} arrived")),
    }
}

/// Row 15: a length that is not the body's, and codings that HTTP/2 does not have.
#[test]
fn the_frames_are_the_framing() {
    let hidden: &[u8] = HIDDEN.as_bytes();
    let mut cases = Vec::new();
    for length in ["0", "1", "44", "9999", "-1", "+5", "5,5", "0x5", "", "18446744073709551621"] {
        cases.push((format!("length `{length}`"), with(&[("content-length", length)]), hidden, Refused));
    }
    let exact = HIDDEN.len().to_string();
    cases.push((
        "two lengths".to_owned(),
        with(&[("content-length", &exact), ("content-length", "0")]),
        hidden,
        Refused,
    ));
    cases.push((
        "a length and a coding".to_owned(),
        with(&[("content-length", &exact), ("transfer-encoding", "chunked")]),
        hidden,
        Refused,
    ));
    cases.push((
        "a coding and a length".to_owned(),
        with(&[("transfer-encoding", "chunked"), ("content-length", &exact)]),
        hidden,
        Refused,
    ));
    cases.push(("a length without a body".to_owned(), with(&[("content-length", "5")]), b"", Refused));
    for (name, value) in [
        ("transfer-encoding", "chunked"),
        ("transfer-encoding", "identity"),
        ("connection", "close"),
        ("connection", "x-a"),
        ("keep-alive", "timeout=5"),
        ("proxy-connection", "keep-alive"),
        ("upgrade", "h2c"),
        ("te", "gzip"),
        ("te", "trailers, gzip"),
        ("te", "chunked"),
    ] {
        cases.push((format!("{name}: {value}"), with(&[(name, value)]), hidden, Refused));
    }
    cases.push(("the exact length".to_owned(), with(&[("content-length", &exact)]), hidden, Passes("/c")));
    cases.push(("no length".to_owned(), with(&[]), hidden, Passes("/c")));
    cases.push(("no body".to_owned(), with(&[]), b"", Passes("/c")));
    cases.push(("te: trailers".to_owned(), with(&[("te", "trailers")]), b"", Passes("/c")));
    run(cases, 28);
}

/// Row 15: every byte in a name and in a value.
#[test]
fn every_byte_has_its_place() {
    let mut cases: Vec<(String, Fields, &[u8], Expect)> = Vec::new();
    for byte in 0..=255_u8 {
        let is_token =
            byte.is_ascii_digit() || byte.is_ascii_lowercase() || b"!#$%&'*+-.^_`|~".contains(&byte);
        if byte != b'_' && byte != b'.' {
            let mut lines = with(&[]);
            lines.push((vec![b'x', b'a', byte, b'b'], b"v".to_vec()));
            let expect = if is_token { Passes("/c") } else { Refused };
            cases.push((format!("{byte:#04x} within a name"), lines, b"", expect));
        }
        let mut lines = with(&[]);
        lines.push((b"xa".to_vec(), vec![b'v', byte, b'w']));
        let is_text = byte == b'\t' || (byte >= b' ' && byte != 0x7f);
        cases.push((
            format!("{byte:#04x} within a value"),
            lines,
            b"",
            if is_text { Passes("/c") } else { Refused },
        ));
    }
    for (name, value) in [
        ("x", "a\r\nhost: evil.test"),
        ("x", "a\r\n\r\nGET /smuggled HTTP/1.1\r\nhost: gw.test\r\n\r\n"),
        ("x", "a\ntransfer-encoding: chunked"),
        ("x\r\ny", "z"),
        ("x: y\r\nz", "a"),
        ("x ", "y"),
        (" x", "y"),
        ("", "y"),
        ("x", " y"),
        ("x", "y "),
        ("x", "\ty"),
        ("X", "y"),
        ("x:", "y"),
    ] {
        cases.push((format!("{name:?}: {value:?}"), with(&[(name, value)]), b"", Refused));
    }
    run(cases, 500);
}

/// Row 15: the pseudo-fields are there, once, in front, and are what they say.
#[test]
fn pseudo_fields_are_what_they_say() {
    let mut cases: Vec<(String, Fields, &[u8], Expect)> = Vec::new();
    let mut push =
        |name: &str, fields: Fields, expect: Expect| cases.push((name.to_owned(), fields, &[], expect));
    for name in [":method", ":scheme", ":path"] {
        let without: Fields = with(&[]).into_iter().filter(|(own, _)| own != name.as_bytes()).collect();
        push(&format!("no {name}"), without, Refused);
        push(&format!("empty {name}"), instead(name, ""), Refused);
    }
    for (name, value) in [(":method", "GET"), (":scheme", "http"), (":authority", "gw.test"), (":path", "/d")]
    {
        push(&format!("{name} twice"), with(&[(name, value)]), Refused);
        push(&format!("{name} behind fields"), with(&[("x", "y"), (name, value)]), Refused);
    }
    for (name, value) in
        [(":status", "200"), (":protocol", "websocket"), (":x", "y"), (":", "x"), (":Path", "/d")]
    {
        push(&format!("{name}: {value}"), with(&[(name, value)]), Refused);
    }
    for value in [
        "GET /smuggled HTTP/1.1\r\nhost: gw.test\r\n\r\nGET",
        "G T",
        "GET\r\n",
        "GET\0",
        "G(T",
        "CONNECT",
        "TRACE",
        "get",
    ] {
        push(&format!(":method {value:?}"), instead(":method", value), Refused);
    }
    for value in [
        "/smuggled HTTP/1.1\r\nhost: gw.test\r\n\r\n",
        "/a b",
        " /a",
        "/a ",
        "/a\tb",
        "/a\r\nb",
        "/a\0b",
        "a",
        "*",
        "http://gw.test/c",
        "/a\\b",
        "/a/../b",
        "//a",
        "?a",
        "/\u{e9}",
        "/a\u{7f}",
    ] {
        push(&format!(":path {value:?}"), instead(":path", value), Refused);
    }
    for value in [
        "gw.test/evil",
        "gw.test/",
        "evil@gw.test",
        "gw.test:99999",
        "gw.test:a",
        "gw.test evil",
        "gw.test,evil.test",
        "gw.test\r\nx: y",
        "gw.test#a",
        "gw.test?a",
        "[::1",
        "",
        "gw.test\\evil",
    ] {
        push(&format!(":authority {value:?}"), instead(":authority", value), Refused);
    }
    for value in ["ftp", "http ", "http://evil.test/?", "h\r\nx: y", "HTT P", "javascript", "https"] {
        push(&format!(":scheme {value:?}"), instead(":scheme", value), Refused);
    }
    for (name, value, arrives) in [
        (":path", "/", "/"),
        (":path", "/d?e=f", "/d?e=f"),
        // The library cuts a fragment off before anybody judges: what is judged is what is sent.
        (":path", "/d#f", "/d"),
        (":authority", "GW.TEST:80", "/c"),
        (":authority", "gw.test.", "/c"),
        (":method", "PATCH", "/c"),
    ] {
        push(&format!("{name} {value:?}"), instead(name, value), Passes(arrives));
    }
    run(cases, 60);
}

/// Rows 8 and 15: every byte in a method, a scheme, a path and a query.
#[test]
fn every_byte_of_a_request_line_has_its_place() {
    let mut cases: Vec<(String, Fields, &[u8], Expect)> = Vec::new();
    for byte in 0..=255_u8 {
        let mut push = |name: &str, value: &[&[u8]], expect: Expect| {
            let fields = instead(name, value.concat());
            cases.push((format!("{byte:#04x} in {name}"), fields, b"", expect));
        };
        let letter = [byte];
        push(":method", &[b"PO", &letter, b"T"], if byte == b'S' { Passes("/c") } else { Refused });
        // Schemes have no case (RFC 3986 §3.1).
        push(
            ":scheme",
            &[b"h", &letter, b"tp"],
            match byte {
                b't' => Passes("/c"),
                b'T' => Either("/c"),
                _ => Refused,
            },
        );
        // As in HTTP/1.1; `#` and what follows is cut off before anybody judges.
        if byte <= b' ' || byte >= 0x7f || byte == b'\\' {
            push(":path", &[b"/a", &letter, b"b"], Refused);
        }
        if byte <= b' ' || byte >= 0x7f {
            push(":path", &[b"/a?", &letter, b"b"], Refused);
        }
    }
    run(cases, 512 + 2 * 162);
}

/// Rows 9 and 16: a host is one host, whichever field names it.
#[test]
fn a_host_is_one_host_in_either_field() {
    let mut cases: Vec<(String, Fields, &[u8], Expect)> = Vec::new();
    let alone: Fields = with(&[]).into_iter().filter(|(name, _)| name != b":authority").collect();
    let mut push = |value: &str, expect: Expect| {
        cases.push((format!(":authority {value:?}"), instead(":authority", value), b"", expect));
        let host = (b"host".to_vec(), value.as_bytes().to_vec());
        cases.push((format!("host {value:?}"), [&alone[..], &[host]].concat(), b"", expect));
    };
    for value in NO_HOSTS {
        push(value, if *value == "[::1]:" { Either("/c") } else { Refused });
    }
    for value in HOSTS {
        push(value, Passes("/c"));
    }
    run(cases, 160);
}

/// Rows 11 and 12: what a body says is content, also where nobody wants it.
#[test]
fn a_body_nobody_wants_is_no_request() {
    let hidden: &[u8] = HIDDEN.as_bytes();
    let mut cases: Vec<(String, Fields, &[u8], Expect)> = Vec::new();
    cases.push(("to what asks for a key".to_owned(), instead(":path", "/admin/x"), hidden, Refused));
    cases.push(("to no path".to_owned(), instead(":path", "/a/../b"), hidden, Refused));
    for method in ["GET", "HEAD", "DELETE", "OPTIONS"] {
        cases.push((format!("with {method}"), instead(":method", method), hidden, Passes("/c")));
    }
    for value in ["y 100-continue", "100-continue, 100-continue", "200-ok", "", "100"] {
        cases.push((format!("expect: {value}"), with(&[("expect", value)]), hidden, Refused));
        cases.push((format!("expect: {value}, no body"), with(&[("expect", value)]), b"", Refused));
    }
    let twice = with(&[("expect", "100-continue"), ("expect", "100-continue")]);
    cases.push(("expected twice".to_owned(), twice, hidden, Refused));
    cases.push(("expected once".to_owned(), with(&[("expect", "100-continue")]), hidden, Passes("/c")));
    run(cases, 18);
}

/// Rows 13, 14 and 23: fields of upgrades and aliases of framing open nothing and frame nothing.
#[test]
fn fields_of_http1_mean_nothing() {
    let hidden: &[u8] = HIDDEN.as_bytes();
    let mut cases: Vec<(String, Fields, &[u8], Expect)> = Vec::new();
    for lines in [
        &[("http2-settings", "AAMAAABkAAQAAP__")][..],
        &[("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="), ("sec-websocket-version", "13")],
        &[("transfer_encoding", "chunked")],
        &[("content_length", "0")],
        &[("transfer.encoding", "chunked")],
        &[("trailer", "x-t")],
    ] {
        cases.push((format!("{lines:?}"), with(lines), hidden, Either("/c")));
    }
    run(cases, 6);
}

/// Row 16: Host says what `:authority` says, or nothing.
#[test]
fn host_agrees_with_authority() {
    let without: Fields =
        with(&[("host", "gw.test")]).into_iter().filter(|(name, _)| name != b":authority").collect();
    let neither: Fields = with(&[]).into_iter().filter(|(name, _)| name != b":authority").collect();
    let cases: Vec<(String, Fields, &[u8], Expect)> = vec![
        ("another host".to_owned(), with(&[("host", "evil.test")]), b"", Refused),
        ("an empty host".to_owned(), with(&[("host", "")]), b"", Refused),
        ("two hosts".to_owned(), with(&[("host", "gw.test"), ("host", "gw.test")]), b"", Refused),
        ("neither".to_owned(), neither, b"", Refused),
        ("the same host".to_owned(), with(&[("host", "gw.test")]), b"", Passes("/c")),
        ("host alone".to_owned(), without, b"", Passes("/c")),
    ];
    run(cases, 6);
}

/// Row 15: trailers are fields, and never pseudo-fields or framing.
#[test]
fn trailers_stay_trailers() {
    let stage = Stage::start();
    let mut findings = Findings::default();
    let wide = "w".repeat(17 * 1024);
    for (name, value, is_refused) in [
        ("x-wide", &*wide, true),
        (":path", "/d", true),
        (":x", "y", true),
        ("te", "gzip", true),
        ("keep-alive", "timeout=5", true),
        ("upgrade", "h2c", true),
        ("x", "a\0b", true),
        ("x", " a", true),
        ("", "a", true),
        (":status", "200", true),
        ("transfer-encoding", "chunked", true),
        ("connection", "close", true),
        ("X", "y", true),
        ("x\"y", "z", true),
        ("x", "a\r\nb", true),
        ("content-length", "5", false),
        ("host", "evil.test", false),
        ("authorization", "Basic eDp4", false),
        ("x-forwarded-for", "203.0.113.66", false),
        ("x-portcullis-subject", "root", false),
        ("x_forwarded_for", "203.0.113.66", false),
        ("cookie", "a=b", false),
        ("content-type", "text/html", false),
        ("expect", "100-continue", false),
        ("x-t", "t", false),
    ] {
        let mark = stage.backend.mark();
        let mut client = Client::connect(stage.public());
        let stream = client.stream();
        client.fields(stream, &with(&[]), false);
        client.frame(kind::DATA, 0, stream, "hello");
        client.fields(stream, &fields(&[(name, value)]), true);
        let outcome = client.response(stream, Deadline::soon());
        let arrived = stage.arrived_since(mark).expect("a sentinel");
        let whole = arrived.iter().filter(|message| message.is_complete).count();
        let outcome = match outcome {
            Ok(response) if response.status == 200 && whole == 1 && !is_refused => {
                let is_passed = arrived[0].trailers.iter().any(|(own, _)| own == name.as_bytes());
                if is_passed == (name == "x-t") {
                    Ok(())
                } else {
                    Err(format!("trailers {:?}", arrived[0].trailers))
                }
            }
            Ok(response) if (400..500).contains(&response.status) && whole == 0 => Ok(()),
            Err(failure) if failure.end != End::Silent && whole == 0 => Ok(()),
            other => Err(format!("{other:?}, and {whole} arrived")),
        };
        findings.note(format!("{name}: {value:.40}"), outcome);
    }
    findings.note("65 trailers", too_many_trailers(&stage));
    findings.conclude(26);
    stage.expect_plain_backend_traffic();
    super::expect_no_forbidden_fields(&stage);
}

fn too_many_trailers(stage: &Stage) -> Result<(), String> {
    let mark = stage.backend.mark();
    let mut client = Client::connect(stage.public());
    let stream = client.stream();
    client.fields(stream, &with(&[]), false);
    client.fields(stream, &fields(&[("x-t", "t"); 65]), true);
    let outcome = client.response(stream, Deadline::soon());
    let whole = stage.arrived_since(mark)?.iter().filter(|message| message.is_complete).count();
    let is_served = outcome.as_ref().is_ok_and(|response| response.status == 200);
    if whole == 0 && !is_served { Ok(()) } else { Err(format!("{outcome:?}, and {whole} arrived")) }
}

/// A stream that ends early, or is reset, is no whole message behind the gateway.
#[test]
fn half_a_stream_is_no_message() {
    let stage = Stage::start();
    let mark = stage.backend.mark();
    for end in ["reset", "goaway", "close"] {
        let mut client = Client::connect(stage.public());
        let stream = client.stream();
        client.fields(stream, &with(&[("content-length", "10")]), false);
        client.frame(kind::DATA, 0, stream, "hello");
        stage.backend.expect_begun("half a request", |message| message.target == b"/c");
        match end {
            "reset" => client.frame(kind::RST_STREAM, 0, stream, 8_u32.to_be_bytes()),
            "goaway" => client.frame(kind::GOAWAY, 0, 0, [0; 8]),
            _ => {}
        }
        drop(client);
    }
    let arrived = stage.arrived_since(mark).expect("a sentinel");
    assert!(arrived.iter().all(|message| !message.is_complete), "{arrived:?}");
}

/// A length of nothing is no end: what the stream still sends may belie it, and the backend is asked when it has ended.
#[test]
fn a_length_of_nothing_is_no_end() {
    let stage = Stage::start();
    for (body, passes) in [(HIDDEN, false), ("", true)] {
        let mark = stage.backend.mark();
        let mut client = Client::connect(stage.public());
        let stream = client.stream();
        client.fields(stream, &with(&[("content-length", "0")]), false);
        // Once this is answered, the head was read.
        client.frame(kind::PING, 0, 0, [7; 8]);
        client.find(Deadline::soon(), |frame| frame.kind == kind::PING).expect("an answer to a ping");
        client.frame(kind::DATA, flag::END_STREAM, stream, body);
        let outcome = client.response(stream, Deadline::soon());
        let arrived = stage.arrived_since(mark).expect("a sentinel");
        let whole = arrived.iter().filter(|message| message.is_complete).count();
        assert_eq!(outcome.as_ref().is_ok_and(|response| response.status == 200), passes, "{outcome:?}");
        assert_eq!(whole, usize::from(passes), "{arrived:?}");
    }
}
