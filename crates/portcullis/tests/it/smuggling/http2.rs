//! Field sections and bodies that mean something else once they are HTTP/1.1 (rows 15 and 16).
//!
//! HTTP/2 frames a message by itself, so every byte that would frame, split or address an HTTP/1.1 message is
//! a field value here, and must not become more than that behind the gateway.

use portcullis_testkit::Deadline;
use portcullis_testkit::exchange::Fields;
use portcullis_testkit::h2::{Client, flag, kind};
use portcullis_testkit::raw::End;

use super::HIDDEN;
use crate::stage::{Findings, Stage};

/// What must come of a request.
#[derive(Clone, Copy, PartialEq)]
enum Expect {
    /// The stream is reset, the connection ended, or a 400-class problem comes. No whole message arrives.
    Refused,
    /// It arrives as this target and is answered.
    Passes(&'static str),
}
use Expect::{Passes, Refused};

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
        (Refused, Ok(response)) if (400..=501).contains(&response.status) && whole.is_empty() => Ok(()),
        (Refused, Err(failure)) if failure.end != End::Silent && whole.is_empty() => Ok(()),
        (Passes(target), Ok(response))
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
    run(cases, 26);
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
    for (name, value, is_refused) in [
        (":path", "/d", true),
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
            Ok(response) if response.status == 200 && whole == 1 && !is_refused => Ok(()),
            Ok(response) if (400..500).contains(&response.status) && whole == 0 => Ok(()),
            Err(failure) if failure.end != End::Silent && whole == 0 => Ok(()),
            other => Err(format!("{other:?}, and {whole} arrived")),
        };
        findings.note(format!("{name}: {value}"), outcome);
    }
    findings.conclude(12);
    stage.expect_plain_backend_traffic();
    super::expect_no_forbidden_fields(&stage);
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
