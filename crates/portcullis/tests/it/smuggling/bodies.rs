//! Chunks, trailers, bodies where none is expected, expectations, upgrades, and clients that stop half way
//! (rows 4, 5 and 11 to 14).

use portcullis_testkit::{Deadline, Request, Wire};

use super::Expect::{Answered, Cut, Either, Passes, Refused};
use super::{Case, HIDDEN, chunked, get, post, run};
use crate::stage::Stage;

/// Lines that are no chunk size, where five bytes follow.
const SIZES: &[&[u8]] = &[
    b"+5",
    b"-5",
    b" 5",
    b"\t5",
    b"5 ",
    b"5\t",
    b"0x5",
    b"0X5",
    b"5h",
    b"5\x0b",
    b"\x0b5",
    b"5\0",
    b"\x005",
    b"5\xa0",
    b"",
    b" ",
    b"g",
    b"5,5",
    b"5.",
    b"5 5",
    b"\"5\"",
    b"5:",
    b"5=1",
    b"1_0",
    b"\xef\xbc\x95",
    b"FFFFFFFFFFFFFFFFF",
    b"10000000000000005",
    b"100000000000000005",
    b"5\r",
    b"5\r\r",
    b"\n5",
    b"\r\n5",
    b"5;a\nb",
    b"5;a\rb",
    b"5;\n",
    b"5;\r",
    b"5;a\0",
    b"5;\x01=b",
    b"5;a=\"b",
    b"5;a=\"\n\"",
    b"5;a=\"b\x7f\"",
    b"5;=b",
    b"5;a b",
    b"5;a=b c",
    b"5;a=\xff\n",
];

/// Row 4: the chunk grammar.
#[test]
fn chunks_are_exact() {
    let mut cases = Vec::new();
    for size in SIZES {
        let body = [size, &b"\r\nhello\r\n0\r\n\r\n"[..], HIDDEN.as_bytes()].concat();
        cases.push(Case::new(format!("size line `{}`", size.escape_ascii()), chunked(body), Refused));
    }
    for (name, body) in [
        ("size ends with LF", "5\nhello\r\n0\r\n\r\n"),
        ("data ends with LF", "5\r\nhello\n0\r\n\r\n"),
        ("data ends with CR", "5\r\nhello\r0\r\n\r\n"),
        ("data without an end", "5\r\nhello0\r\n\r\n"),
        ("data longer than said", "5\r\nhelloo\r\n0\r\n\r\n"),
        ("data shorter than said", "6\r\nhello\r\n0\r\n\r\n"),
        ("data ends with CR CR LF", "5\r\nhello\r\r\n0\r\n\r\n"),
        ("data ends with two bytes that are no line end", "5\r\nhelloXX0\r\n\r\n"),
        ("last chunk ends with LF", "5\r\nhello\r\n0\n\r\n"),
        ("last chunk's end is LF", "5\r\nhello\r\n0\r\n\n"),
        ("an empty line before a size", "\r\n5\r\nhello\r\n0\r\n\r\n"),
        ("a last chunk with a sign", "5\r\nhello\r\n-0\r\n\r\n"),
        ("a last chunk that is empty", "5\r\nhello\r\n\r\n\r\n"),
        (
            "a request where trailers stand",
            "5\r\nhello\r\n0\r\nGET /smuggled HTTP/1.1\r\nHost: gw.test\r\n\r\n",
        ),
    ] {
        cases.push(Case::new(name, chunked(format!("{body}{HIDDEN}")), Refused));
    }
    let long = format!("5;{}\r\nhello\r\n0\r\n\r\n", "a".repeat(64 * 1024));
    cases.push(Case::new("an extension of 64 KiB", chunked(long), Refused));
    let zeros = format!("{}5\r\nhello\r\n0\r\n\r\n", "0".repeat(5000));
    cases.push(Case::new("5,000 zeros before a size", chunked(zeros), Refused));
    let many = "1;a=b\r\nx\r\n".repeat(40) + "0\r\n\r\n";
    for size in ["fffffffffffffffb", "8000000000000005", "7fffffffffffffff"] {
        let body = format!("{size}\r\nhello\r\n0\r\n\r\n{HIDDEN}");
        cases.push(Case::new(format!("a chunk of {size} bytes that ends early"), chunked(body), Cut));
    }
    cases.push(Case::new("many small extensions", chunked(many), Either("/c")));
    for (name, body) in [
        ("one chunk", "5\r\nhello\r\n0\r\n\r\n"),
        ("upper case", "A\r\nhellohello\r\n0\r\n\r\n"),
        ("lower case", "a\r\nhellohello\r\n0\r\n\r\n"),
        ("two chunks", "5\r\nhello\r\n5\r\nworld\r\n0\r\n\r\n"),
        ("leading zeros", "0005\r\nhello\r\n000\r\n\r\n"),
        ("an extension", "5;a\r\nhello\r\n0\r\n\r\n"),
        ("an extension with a value", "5;a=b\r\nhello\r\n0;c=d\r\n\r\n"),
        ("an extension with a quoted value", "5;a=\"b;c\"\r\nhello\r\n0\r\n\r\n"),
        ("line ends as data", "4\r\n\r\n\r\n\r\n0\r\n\r\n"),
        ("no chunk but the last", "0\r\n\r\n"),
    ] {
        cases.push(Case::new(name, chunked(body), Passes(&["/c"])));
    }
    // Blanks around `;` are "bad whitespace": a recipient may take them (RFC 9112 §7.1.1).
    for size in ["5 ;a", "5; a", "5;a =b", "5;", "5;a="] {
        cases.push(Case::new(size, chunked(format!("{size}\r\nhello\r\n0\r\n\r\n")), Either("/c")));
    }
    run(&cases, 75);
}

/// Row 5: trailers are bounded, are fields, and never become part of the head.
#[test]
fn trailers_stay_trailers() {
    let mut cases = Vec::new();
    let with = |trailers: &str| chunked(format!("5\r\nhello\r\n0\r\n{trailers}\r\n"));
    for line in [
        "Content-Length: 100",
        "Transfer-Encoding: chunked",
        "Host: evil.test",
        "Authorization: Basic eDp4",
        "X-Portcullis-Subject: evil",
        "X-Forwarded-For: 203.0.113.66",
        "X_Forwarded_For: 203.0.113.66",
        "Connection: close",
        "Content-Type: text/evil",
        "Cookie: a=b",
        "Content-Encoding: gzip",
        "Expect: 100-continue",
        "Upgrade: h2c",
        "Trailer: X",
        "TE: trailers",
    ] {
        cases.push(Case::new(format!("trailer `{line}`"), with(&format!("{line}\r\n")), Either("/c")));
    }
    for (name, trailers) in [
        ("folded", "X-A: b\r\n c\r\n"),
        ("a fold first", " X-A: b\r\n"),
        ("LF", "X-A: b\n"),
        ("CR", "X-A: b\rc\r\n"),
        ("NUL", "X-A: b\0c\r\n"),
        ("no colon", "X-A\r\n"),
        ("empty name", ": b\r\n"),
        ("blank before the colon", "X-A : b\r\n"),
    ] {
        cases.push(Case::new(format!("{name} in trailers"), with(trailers), Refused));
    }
    cases.push(Case::new(
        "a trailer of 128 KiB",
        with(&format!("X-A: {}\r\n", "a".repeat(128 * 1024))),
        Refused,
    ));
    cases.push(Case::new("2,000 trailers", with(&"X-A: b\r\n".repeat(2000)), Refused));
    cases.push(Case::new("a trailer", with("X-Checksum: abc\r\n"), Passes(&["/c"])));
    cases.push(Case::new("two trailers", with("X-Checksum: abc\r\nX-B:\r\n"), Passes(&["/c"])));
    run(&cases, 27);
}

/// Row 11: a body where none is expected is a body.
#[test]
fn a_body_belongs_to_its_request() {
    let mut cases = Vec::new();
    let length = HIDDEN.len();
    for method in ["GET", "HEAD", "DELETE", "OPTIONS", "PUT", "PATCH"] {
        let bytes =
            format!("{method} /c HTTP/1.1\r\nHost: gw.test\r\nContent-Length: {length}\r\n\r\n{HIDDEN}");
        cases.push(Case::new(format!("{method} with a request as body"), bytes, Passes(&["/c"])));
        let chunk = format!("{length:x}\r\n{HIDDEN}\r\n0\r\n\r\n");
        let bytes =
            format!("{method} /c HTTP/1.1\r\nHost: gw.test\r\nTransfer-Encoding: chunked\r\n\r\n{chunk}");
        cases.push(Case::new(format!("{method} with a request as chunk"), bytes, Passes(&["/c"])));
    }
    for (target, status) in [("/admin/x", 401), ("/x/../y", 400)] {
        let expect = if status == 401 { Answered(&[401]) } else { Answered(&[400]) };
        for body in [
            format!("Content-Length: {length}\r\n\r\n{HIDDEN}"),
            format!("Transfer-Encoding: chunked\r\n\r\n{length:x}\r\n{HIDDEN}\r\n0\r\n\r\n"),
            format!("Content-Length: {}\r\n\r\n{HIDDEN}{}", length + 100_000, "x".repeat(100_000)),
        ] {
            let bytes = format!("POST {target} HTTP/1.1\r\nHost: gw.test\r\n{body}");
            cases.push(Case::new(format!("{target} with a request as body"), bytes, expect));
        }
    }
    run(&cases, 18);
}

/// Row 11: behind an answer of the gateway's own, the next request is the next request, or the end.
#[test]
fn the_connection_after_a_refused_body_is_in_step() {
    let stage = Stage::start();
    let mark = stage.backend.mark();
    let length = HIDDEN.len();
    let mut client = stage.connect();
    client
        .send(format!("POST /admin/x HTTP/1.1\r\nHost: gw.test\r\nContent-Length: {length}\r\n\r\n{HIDDEN}"));
    client.send("GET /after HTTP/1.1\r\nHost: gw.test\r\nConnection: close\r\n\r\n");
    let transcript = client.transcript(&[], Deadline::soon());
    let statuses: Vec<u16> = transcript.responses.iter().map(|response| response.status).collect();
    assert!(statuses == [401] || statuses == [401, 200], "{transcript:?}");
    let arrived = stage.arrived_since(mark).expect("a sentinel");
    assert!(arrived.iter().all(|message| message.target == b"/after"), "{arrived:?}");
}

/// Row 12: `Expect` is one word, and its body is framed whatever it says.
#[test]
fn an_expectation_never_moves_a_body() {
    let mut cases = Vec::new();
    for value in [
        "y 100-continue",
        "100-continue, 100-continue",
        "100-continue;q=1",
        "200-ok",
        "",
        "100",
        "100-continuex",
        "x, 100-continue",
        "\"100-continue\"",
    ] {
        let lines = format!("Expect: {value}\r\nContent-Length: 5\r\n");
        cases.push(Case::new(format!("expect `{value}`"), post(lines, "hello"), Either("/c")));
        let lines = format!("Expect: {value}\r\n");
        cases.push(Case::new(format!("expect `{value}` on GET"), get(lines), Either("/c")));
    }
    let twice = "Expect: 100-continue\r\nExpect: 100-continue\r\nContent-Length: 5\r\n";
    cases.push(Case::new("expected twice", post(twice, "hello"), Either("/c")));
    let folded = "Expect:\r\n 100-continue\r\nContent-Length: 5\r\n";
    cases.push(Case::new("expected in a fold", post(folded, "hello"), Refused));
    let mixed = "Expect: 100-continue\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n";
    cases.push(Case::new("expected with two framings", post(mixed, "0\r\n\r\n"), Refused));
    for value in ["100-continue", "100-Continue", "100-CONTINUE"] {
        let lines = format!("Expect: {value}\r\nContent-Length: 5\r\n");
        cases.push(Case::new(format!("expect `{value}`"), post(lines, "hello"), Passes(&["/c"])));
    }
    cases.push(Case::new("expected without a body", get("Expect: 100-continue\r\n"), Passes(&["/c"])));
    run(&cases, 25);
}

/// Row 12: a client that waits for leave gets it, and one that is refused gets that instead.
#[test]
fn leave_to_send_a_body_is_given_before_it_comes() {
    let stage = Stage::start();
    let mut client = stage.connect();
    client.send("POST /c HTTP/1.1\r\nHost: gw.test\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
    let leave = client.bytes(12, stage.soon()).expect("leave");
    assert_eq!(leave, b"HTTP/1.1 100");
    while client.bytes(1, stage.soon()).expect("the interim response's end") != b"\n" {}
    assert_eq!(client.bytes(2, stage.soon()).expect("an empty line"), b"\r\n");
    client.send("hello");
    assert_eq!(client.response("POST", stage.soon()).expect("a response").status, 200);
    assert_eq!(stage.backend.expect("the body", |m| m.target == b"/c").body, b"hello");

    let mut client = stage.connect();
    client
        .send("POST /admin/c HTTP/1.1\r\nHost: gw.test\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
    let response = client.response("POST", stage.soon()).expect("a response");
    assert_eq!((response.status, response.interim), (401, Vec::new()));
    // RFC 9110 §10.1.1: whether five bytes follow nobody knows, so the connection must end.
    client.closed(stage.soon()).expect("a close");
    stage.expect_plain_backend_traffic();
}

/// Rows 13 and 14: an upgrade that is not ours is no upgrade, and what follows is judged as any request.
#[test]
fn an_upgrade_opens_no_tunnel() {
    let mut cases = Vec::new();
    let settings = "AAMAAABkAAQAAP__";
    for lines in [
        "Upgrade: foo\r\nConnection: Upgrade\r\n".to_owned(),
        "Upgrade: foo\r\nConnection: upgrade, close\r\n".to_owned(),
        format!("Upgrade: h2c\r\nHTTP2-Settings: {settings}\r\nConnection: Upgrade, HTTP2-Settings\r\n"),
        format!("Upgrade: h2c\r\nHTTP2-Settings: {settings}\r\n"),
        format!(
            "Upgrade: h2c, websocket\r\nHTTP2-Settings: {settings}\r\nConnection: Upgrade, HTTP2-Settings\r\n"
        ),
        "Upgrade: TLS/1.2\r\nConnection: Upgrade\r\n".to_owned(),
        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 7\r\n".to_owned(),
        "Upgrade: websocket\r\nConnection: Upgrade\r\n".to_owned(),
        "Upgrade: HTTP/2.0\r\nConnection: Upgrade\r\n".to_owned(),
    ] {
        cases.push(Case::new(lines.escape_debug().to_string(), get(&lines), Either("/c")));
        let tail = format!("GET /admin/secret HTTP/1.1\r\nHost: gw.test\r\n{lines}\r\n");
        let name = format!("{} behind it", lines.escape_debug());
        cases.push(Case::new(name, [get(&lines), tail.into()].concat(), Either("/c")));
    }
    run(&cases, 18);
}

/// What a client leaves unfinished never looks finished to a backend.
#[test]
fn half_a_request_is_none() {
    let mut cases = Vec::new();
    let whole = post("Content-Length: 5\r\n", "hello");
    for end in [1, 5, 20, whole.len() - 6, whole.len() - 5, whole.len() - 1] {
        cases.push(Case::new(format!("{end} bytes of a length"), &whole[..end], Cut));
    }
    let whole = chunked("5\r\nhello\r\n0\r\n\r\n");
    for back in 1..=14 {
        cases.push(Case::new(format!("{back} bytes short of chunks"), &whole[..whole.len() - back], Cut));
    }
    run(&cases, 20);
}

/// The neighbour of all this: requests in a row on one connection, each with its own reply.
#[test]
fn requests_in_a_row_get_replies_in_that_row() {
    let stage = Stage::start();
    let mut client = stage.connect();
    for round in 0..20 {
        client.send(format!("GET /row/{round} HTTP/1.1\r\nHost: gw.test\r\n\r\n"));
        client.send(format!("POST /row/{round}/b HTTP/1.1\r\nHost: gw.test\r\nContent-Length: 2\r\n\r\nhi"));
    }
    for round in 0..20 {
        for target in [format!("/row/{round}"), format!("/row/{round}/b")] {
            let response = client.response("GET", stage.soon()).expect("a response");
            assert_eq!(response.text("x-recorded"), Some(target));
        }
    }
    let pieces = Request::post("/pieces", "in pieces").http1();
    let mut client = stage.connect();
    client.trickle(&pieces, std::time::Duration::from_millis(1));
    assert_eq!(client.response("POST", stage.soon()).expect("a response").status, 200);
    assert_eq!(Wire::Http1.send(stage.public(), &Request::get("/end")).status, 200);
    stage.expect_plain_backend_traffic();
}
