use super::*;
use crate::raw::{Client, End};
use crate::{Request, Wire};

/// What the recorder notes when a client says `bytes`.
fn noted(bytes: &[u8]) -> (Vec<Message>, Vec<String>) {
    let recorder = Recorder::start();
    let mut client = Client::connect(recorder.address());
    client.send(bytes);
    client.finish();
    client.transcript(&[], Deadline::soon());
    let deadline = Deadline::soon();
    deadline.poll("the connection's end", || (!recorder.connections()[0].is_open).then_some(()));
    (recorder.messages(), recorder.oddities())
}

#[test]
fn a_plain_request_is_read_whole_and_without_oddities() {
    let recorder = Recorder::start();
    for request in [
        Request::get("/a?b=c").field("X-A", "1").field("x-a", "2"),
        Request::post("/b", "hello"),
        Request::post("/c", "hello").trailer("X-T", "t"),
        Request::new("HEAD", "/d"),
    ] {
        let response = Wire::Http1.send(recorder.address(), &request);
        assert_eq!(response.status, 200);
        let target = String::from_utf8_lossy(&request.target).into_owned();
        assert_eq!(response.text("x-recorded").as_deref(), Some(target.as_str()));
        let message = recorder.expect(&target, |m| m.target == request.target);
        assert_eq!((&message.body, &message.trailers), (&request.body, &request.trailers));
    }
    assert_eq!(recorder.oddities(), Vec::<String>::new());
    assert_eq!(recorder.messages()[0].all("X-A"), [b"1", b"2"]);
}

#[test]
fn a_second_message_is_seen() {
    let (messages, oddities) = noted(
        b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhiGET /b HTTP/1.1\r\nHost: a\r\n\r\n",
    );
    assert_eq!(messages.iter().map(|m| m.target()).collect::<Vec<_>>(), ["/a", "/b"]);
    assert_eq!(oddities.len(), 1, "{oddities:?}");
}

#[test]
fn every_oddity_is_noted() {
    for (bytes, part) in [
        (&b"GET /a HTTP/1.1\nHost: a\r\n\r\n"[..], "bare LF"),
        (b"\r\nGET /a HTTP/1.1\r\nHost: a\r\n\r\n", "empty line"),
        (b"GET  /a HTTP/1.1\r\nHost: a\r\n\r\n", "4 words"),
        (b"G@T /a HTTP/1.1\r\nHost: a\r\n\r\n", "no token"),
        (b"GET /a# HTTP/1.1\r\nHost: a\r\n\r\n", "no URI"),
        (b"GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n", "no path"),
        (b"GET /a HTTP/1.0\r\nHost: a\r\n\r\n", "version"),
        (b"GET /a HTTP/1.1\r\nHost: a\r\n b\r\n\r\n", "folded"),
        (b"GET /a HTTP/1.1\r\nHost: a\r\nb\r\n\r\n", "without a colon"),
        (b"GET /a HTTP/1.1\r\nHost: a\r\nb : c\r\n\r\n", "field name"),
        (b"GET /a HTTP/1.1\r\nHost: a\r\nb: \x00\r\n\r\n", "control character"),
        (b"GET /a HTTP/1.1\r\nHost: a\r\nb: c\rd\r\n\r\n", "bare CR"),
        (b"GET /a HTTP/1.1\r\n\r\n", "hosts"),
        (b"GET /a HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "hosts"),
        (b"GET /a HTTP/1.1\r\nHost: a@b\r\n\r\n", "hosts"),
        (b"GET /a HTTP/1.1\r\nHost: a\r\nContent_Length: 4\r\n\r\n", "looks like"),
        (b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "1 content lengths"),
        (b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: +0\r\n\r\n", "content length `+0`"),
        (b"POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: x\r\n\r\n", "not chunked"),
        (b"POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0;a\r\n\r\n", "chunk size line"),
        (b"POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n;\r\n\r\n", "without a size"),
        (b"POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n0\r\n\r\n", "no CR LF behind"),
    ] {
        let (_, oddities) = noted(bytes);
        assert!(oddities.iter().any(|oddity| oddity.contains(part)), "{}: {oddities:?}", bytes.escape_ascii());
    }
}

#[test]
fn half_a_message_is_no_whole_one() {
    let (messages, _) = noted(b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhi");
    assert!(!messages[0].is_complete && messages[0].body == b"hi");
    let (messages, oddities) = noted(b"GET /a HTTP/1.1\r\nHost: a\r\n");
    assert!(messages.is_empty() && oddities[0].contains("stray bytes `GET /a"), "{oddities:?}");
}

#[test]
fn replies_are_scripted() {
    let recorder = Recorder::start();
    let gate = Gate::new();
    recorder.on("/early", Reply::ok("early").early());
    recorder
        .on("/gate", Reply::ok("one").wait(&gate).send("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\ntwo"));
    recorder.on("/cut", Reply::raw("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf").close());
    recorder.on("/reset", Reply::new().then(Step::Reset));
    recorder.on("/up", Reply::raw("HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n").then(Step::Tunnel));

    let mut client = Client::connect(recorder.address());
    client.send("POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n");
    assert_eq!(client.response("POST", Deadline::soon()).expect("early").body, b"early");
    client.send("hiGET /gate HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.response("GET", Deadline::soon()).expect("one").body, b"one");
    gate.open();
    assert_eq!(client.response("GET", Deadline::soon()).expect("unsolicited").body, b"two");
    client.send("GET /up HTTP/1.1\r\nHost: a\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n");
    assert_eq!(client.response("GET", Deadline::soon()).expect("101").status, 101);
    client.send("ping");
    assert_eq!(client.bytes(4, Deadline::soon()).as_deref(), Ok(&b"ping"[..]));

    let failure = Wire::Http1.try_send(recorder.address(), &Request::get("/cut")).expect_err("half");
    assert_eq!((failure.end, failure.partial.body.as_slice()), (End::Closed, &b"half"[..]));
    let failure = Wire::Http1.try_send(recorder.address(), &Request::get("/reset")).expect_err("reset");
    assert_eq!(failure.end, End::Reset);
}
