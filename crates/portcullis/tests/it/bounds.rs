//! Bounds of a message: each is met exactly, and one step beyond it gets its own status.

use portcullis_testkit::raw::{Client, End};
use portcullis_testkit::recorder::Reply;
use portcullis_testkit::{Deadline, Message, Request, Response, Wire};

use crate::stage::{CONFIG, Findings, Stage};

fn stage(bounds: &str) -> Stage {
    Stage::with(&format!("{CONFIG}bounds: {{ {bounds} }}\n"))
}

fn say(client: &mut Client, bytes: impl AsRef<[u8]>, method: &str) -> Response {
    client.send(bytes);
    client.response(method, Deadline::soon()).expect("a response")
}

/// Sends `bytes` on a new connection, and tells the response and what arrived of it.
fn outcome(stage: &Stage, bytes: &[u8]) -> Result<(Response, Vec<Message>), String> {
    let mark = stage.backend.mark();
    let mut client = stage.connect();
    client.send(bytes);
    let response = client.response("GET", Deadline::soon()).map_err(|failure| failure.to_string())?;
    if response.status >= 400 && response.text("connection").as_deref() != Some("close") {
        return Err(format!("the connection is not closed: {response:?}"));
    }
    Ok((response, stage.arrived_since(mark)?))
}

/// `bytes` get `status` with `problem`, and nothing of them is a whole message at the backend.
fn refused(stage: &Stage, bytes: &[u8], status: u16, problem: &str) -> Result<(), String> {
    let (response, arrived) = outcome(stage, bytes)?;
    if (response.status, response.problem().as_deref()) != (status, Some(problem)) {
        return Err(format!("{response:?}"));
    }
    match arrived.iter().any(|message| message.is_complete) {
        true => Err(format!("it arrived: {arrived:?}")),
        false => Ok(()),
    }
}

fn passes(stage: &Stage, bytes: &[u8]) -> Result<(), String> {
    let (response, arrived) = outcome(stage, bytes)?;
    match (response.status, &arrived[..]) {
        (200, [message]) if message.is_complete => Ok(()),
        _ => Err(format!("{response:?}, {arrived:?}")),
    }
}

#[test]
fn heads_within_their_bounds_pass_and_others_do_not() {
    let stage = stage("head: 4KiB, line: 1KiB, fields: 8");
    let mut findings = Findings::default();
    let line = |length: usize| {
        let frame = "GET / HTTP/1.1\r\n".len();
        format!("GET /{} HTTP/1.1\r\nHost: gw.test\r\n\r\n", "a".repeat(length - frame))
    };
    let field = |length: usize| {
        format!("GET / HTTP/1.1\r\nHost: gw.test\r\nX: {}\r\n\r\n", "a".repeat(length - "X: \r\n".len()))
    };
    let fields = |count: usize, value: usize| {
        let value = "a".repeat(value);
        let rest: String = (1..count).map(|number| format!("X-{number}: {value}\r\n")).collect();
        format!("GET / HTTP/1.1\r\nHost: gw.test\r\n{rest}\r\n")
    };
    for (name, bytes) in [
        ("a line of 1000 bytes", line(1000)),
        ("a field line of 1000 bytes", field(1000)),
        ("8 fields", fields(8, 10)),
        ("a head of 3.6 KiB", fields(5, 900)),
    ] {
        findings.note(name, passes(&stage, bytes.as_bytes()));
    }
    for (name, bytes, status, problem) in [
        ("a line of 1100 bytes", line(1100), 414, "target-too-long"),
        ("a line without an end", format!("GET /{}", "a".repeat(3000)), 414, "target-too-long"),
        ("a field line of 1100 bytes", field(1100), 431, "head-too-large"),
        ("9 fields", fields(9, 10), 431, "head-too-large"),
        ("2000 fields", fields(2000, 1), 431, "head-too-large"),
        ("a head of 5.4 KiB", fields(7, 900), 431, "head-too-large"),
        ("a head of 256 KiB", fields(2000, 120), 431, "head-too-large"),
    ] {
        findings.note(name, refused(&stage, bytes.as_bytes(), status, problem));
    }
    findings.conclude(11);
    stage.expect_plain_backend_traffic();
}

#[test]
fn bodies_within_their_bound_pass_and_others_do_not() {
    let stage = stage("body: 1KiB");
    let mut findings = Findings::default();
    let known = |length: usize| Request::post("/b", "x".repeat(length)).http1();
    let chunked = |length: usize| {
        let chunk = format!("100\r\n{}\r\n", "x".repeat(256));
        let last = format!("{:x}\r\n{}\r\n", length % 256, "x".repeat(length % 256));
        let last = if length.is_multiple_of(256) { String::new() } else { last };
        let head = "POST /b HTTP/1.1\r\nHost: gw.test\r\nTransfer-Encoding: chunked\r\n\r\n";
        format!("{head}{}{last}0\r\n\r\n", chunk.repeat(length / 256)).into_bytes()
    };
    findings.note("1024 bytes, announced", passes(&stage, &known(1024)));
    findings.note("1024 bytes, in chunks", passes(&stage, &chunked(1024)));
    // A body that lies in the buffer is out of the way, so the connection may stay: no close is asked for here.
    for (name, bytes) in [("announced", known(1025)), ("in chunks", chunked(1025))] {
        let mark = stage.backend.mark();
        let mut client = stage.connect();
        let response = say(&mut client, bytes, "POST");
        let arrived = stage.arrived_since(mark).expect("a sentinel");
        let right = (response.status, response.problem()) == (413, Some("body-too-large".to_owned()))
            && !arrived.iter().any(|message| message.is_complete);
        findings.note(
            format!("1025 bytes, {name}"),
            if right { Ok(()) } else { Err(format!("{response:?}, {arrived:?}")) },
        );
    }
    let huge = b"POST /b HTTP/1.1\r\nHost: gw.test\r\nContent-Length: 9223372036854775807\r\n\r\n";
    findings.note("announced beyond reason", refused(&stage, huge, 413, "body-too-large"));
    findings.conclude(5);
}

#[test]
fn chunk_lines_and_trailers_are_bounded() {
    let stage = stage("chunk_line: 64, trailers: 256, trailer_fields: 2");
    let mut findings = Findings::default();
    let message = |line: &str, trailers: &str| {
        format!(
            "POST /t HTTP/1.1\r\nHost: gw.test\r\nTransfer-Encoding: chunked\r\n\r\n{line}\r\nhello\r\n0\r\n{trailers}\r\n"
        )
    };
    let extension = |length: usize| format!("5;x={}", "a".repeat(length));
    let trailer = |length: usize| format!("X-T: {}\r\n", "a".repeat(length));
    for (name, bytes) in [
        ("an extension", message(&extension(20), "")),
        ("two trailers", message("5", &trailer(50).repeat(2))),
    ] {
        findings.note(name, passes(&stage, bytes.as_bytes()));
    }
    for (name, bytes) in [
        ("an extension beyond the line", message(&extension(100), "")),
        ("a chunk line without an end", message(&extension(5000), "")),
        ("trailers beyond the section", message("5", &trailer(300))),
        ("three trailers", message("5", &trailer(5).repeat(3))),
    ] {
        findings.note(name, refused(&stage, bytes.as_bytes(), 400, "body-incomplete"));
    }
    findings.conclude(6);
    stage.expect_plain_backend_traffic();
}

#[test]
fn a_connection_serves_so_many_requests_and_says_when_it_ends() {
    let stage = stage("requests_per_connection: 2");
    let mut client = stage.connect();
    let first = say(&mut client, Request::get("/1").http1(), "GET");
    assert_eq!((first.status, first.text("connection")), (200, None));
    let second = say(&mut client, Request::get("/2").http1(), "GET");
    assert_eq!((second.status, second.text("connection").as_deref()), (200, Some("close")));
    client.closed(Deadline::soon()).expect("closed after the second");
}

#[test]
fn any_method_may_have_a_body() {
    let stage = Stage::start();
    for method in ["GET", "HEAD", "DELETE", "OPTIONS", "PUT", "PATCH"] {
        let mark = stage.backend.mark();
        let mut client = stage.connect();
        let request = Request { body: b"content".to_vec(), ..Request::new(method, "/any") };
        let response = say(&mut client, request.http1(), method);
        assert_eq!(response.status, 200, "{method}");
        let next = say(&mut client, Request::get("/next").http1(), "GET");
        assert_eq!(next.text("x-recorded").as_deref(), Some("/next"), "{method}");
        let arrived = stage.backend.since(mark);
        assert_eq!((arrived.len(), &arrived[0].body[..]), (2, &b"content"[..]), "{method}");
    }
    stage.expect_plain_backend_traffic();
}

#[test]
fn an_answer_before_the_body_ends_the_connection_and_the_rest_is_no_request() {
    let stage = Stage::start();
    let mark = stage.backend.mark();
    let mut client = stage.connect();
    client.send(b"POST /admin HTTP/1.1\r\nHost: gw.test\r\nContent-Length: 100000\r\n\r\nfirst ");
    let response = client.response("POST", Deadline::soon()).expect("an early answer");
    assert_eq!((response.status, response.text("connection").as_deref()), (401, Some("close")));
    client.send(b"GET /smuggled HTTP/1.1\r\nHost: gw.test\r\n\r\n");
    let rest = client.transcript(&[], Deadline::soon());
    assert!(rest.responses.is_empty(), "{rest:?}");
    assert!(matches!(rest.end, End::Closed | End::Reset), "{rest:?}");
    assert_eq!(stage.arrived_since(mark).expect("a sentinel").len(), 0);
}

#[test]
fn a_body_that_is_there_already_keeps_the_connection() {
    let stage = Stage::start();
    let mark = stage.backend.mark();
    let mut client = stage.connect();
    let refused = say(&mut client, Request::post("/admin", "small").http1(), "POST");
    assert_eq!((refused.status, refused.text("connection")), (401, None));
    let next = say(&mut client, Request::get("/next").http1(), "GET");
    assert_eq!(next.text("x-recorded").as_deref(), Some("/next"));
    assert_eq!(stage.backend.since(mark).len(), 1, "the refused request did not arrive");
}

#[test]
fn options_of_the_server_is_answered_here() {
    let stage = Stage::start();
    let mark = stage.backend.mark();
    let mut client = stage.connect();
    let answer = say(&mut client, "OPTIONS * HTTP/1.1\r\nHost: gw.test\r\n\r\n", "OPTIONS");
    assert_eq!(answer.status, 204);
    assert_eq!(answer.text("allow").as_deref(), Some("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"));
    assert_eq!(stage.arrived_since(mark).expect("a sentinel").len(), 0);
}

#[test]
fn heads_of_answers_within_their_bounds_pass_and_others_do_not() {
    let stage = stage("response_head: 1KiB, response_fields: 10, response_interim: 2");
    let mut findings = Findings::default();
    let fields = |count: usize| {
        let rest: String = (1..count).map(|number| format!("X-{number}: y\r\n")).collect();
        format!("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n{rest}\r\n")
    };
    let head = |length: usize| {
        let frame = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX: \r\n\r\n".len();
        format!("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX: {}\r\n\r\n", "a".repeat(length - frame))
    };
    let interim = |count: usize| {
        let before = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n".repeat(count);
        format!("{before}HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    };
    for (name, bytes, status) in [
        ("10 fields", fields(10), 200),
        ("11 fields", fields(11), 502),
        ("a head of 1024 bytes", head(1024), 200),
        ("a head of 1025 bytes", head(1025), 502),
        ("2 interim answers", interim(2), 200),
        ("3 interim answers", interim(3), 502),
    ] {
        for wire in Wire::ALL {
            let target = format!("/{}", name.replace(' ', "-"));
            stage.backend.on(&target, Reply::raw(&bytes).close());
            let response = wire.send(stage.public(), &Request::get(&target));
            let outcome = (response.status == status).then_some(()).ok_or(format!("{response:?}"));
            findings.note(format!("{wire:?}: {name}"), outcome);
        }
    }
    findings.conclude(12);
}
