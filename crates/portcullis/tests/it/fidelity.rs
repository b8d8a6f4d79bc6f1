//! What passes, passes whole: nothing a caller or a backend says is lost, glued, reordered or held back.
//!
//! Each test is something that a gateway in use today gets wrong.

use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use portcullis_testkit::recorder::{Gate, Reply};
use portcullis_testkit::{Request, Wire, h2};

use crate::stage::{CONFIG, Stage};

#[test]
fn every_set_cookie_reaches_the_caller() {
    for wire in Wire::ALL {
        let stage = Stage::start();
        let fields = "Set-Cookie: a=1; Path=/\r\nSet-Cookie: b=2\r\nX-A: 1\r\nSet-Cookie: a=3\r\nX-A: 2\r\nVary: A\r\nVary: B\r\n";
        stage.backend.on("/", Reply::with("200 OK", fields, ""));
        let response = wire.send(stage.public(), &Request::get("/"));
        assert_eq!(response.all("set-cookie"), [&b"a=1; Path=/"[..], b"b=2", b"a=3"], "{wire:?}");
        assert_eq!(response.all("x-a"), [b"1", b"2"], "{wire:?}");
        assert_eq!(response.all("vary"), [b"A", b"B"], "{wire:?}");
    }
}

#[test]
fn every_line_reaches_the_backend_in_order() {
    for wire in Wire::ALL {
        let stage = Stage::start();
        let request = Request::get("/")
            .field("x-a", "1")
            .field("cookie", "a=1")
            .field("x-b", "2")
            .field("x-a", "3")
            .field("x-a", "")
            .field("accept", "a/b")
            .field("accept", "c/d;q=0.5, e/f");
        wire.send(stage.public(), &request);
        let message = stage.backend.expect("the request", |_| true);
        assert_eq!(message.all("x-a"), [&b"1"[..], b"3", b""], "{wire:?}");
        assert_eq!(message.all("accept"), [&b"a/b"[..], b"c/d;q=0.5, e/f"], "{wire:?}");
        assert_eq!(message.text("cookie").as_deref(), Some("a=1"), "{wire:?}");
        let sent =
            |name: &[u8]| [&b"x-a"[..], b"x-b", b"accept"].contains(&name.to_ascii_lowercase().as_slice());
        let lines = message.fields.iter().filter(|(name, _)| sent(name));
        let order: Vec<String> = lines.map(|(_, value)| value.escape_ascii().to_string()).collect();
        // HTTP/2 keeps the order of lines of one name only.
        assert!(*wire == Wire::Http2 || order == ["1", "2", "3", "", "a/b", "c/d;q=0.5, e/f"], "{order:?}");
    }
}

#[test]
fn text_beyond_ascii_passes_both_ways() {
    let value: Vec<u8> = [b"caf\xe9 ", "日本".as_bytes(), b" \xff\x80"].concat();
    for wire in Wire::ALL {
        let stage = Stage::start();
        let mut reply = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-Text: ".to_vec();
        reply.extend(&value);
        reply.extend(b"\r\n\r\n");
        stage.backend.on("/", Reply::raw(reply));
        let response = wire.send(stage.public(), &Request::get("/").field("X-Text", &value));
        assert_eq!(response.all("x-text"), [value.as_slice()], "{wire:?}: {response:?}");
        assert_eq!(
            stage.backend.expect("the request", |_| true).all("x-text"),
            [value.as_slice()],
            "{wire:?}"
        );
    }
}

/// RFC 8297: hints are of use before the answer only.
#[test]
fn early_hints_arrive_before_the_answer_is_made() {
    let hints = "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\nConnection: x-hop\r\nX-Hop: 1\r\n\r\n";
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfinal";
    let stage = Stage::start();
    let gate = Gate::new();
    stage.backend.on("/http1", Reply::raw(hints).wait(&gate).send(answer));
    let mut client = stage.connect();
    client.send("GET /http1 HTTP/1.1\r\nHost: gw.test\r\n\r\n");
    let expected = b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n";
    let early = client.bytes(expected.len(), stage.soon()).expect("hints, while the backend waits");
    assert_eq!(String::from_utf8_lossy(&early), String::from_utf8_lossy(expected));
    gate.open();
    assert_eq!(client.response("GET", stage.soon()).expect("the answer").body, b"final");

    let gate = Gate::new();
    stage.backend.on("/http2", Reply::raw(hints).wait(&gate).send(answer));
    let mut client = h2::Client::connect(stage.public());
    let stream = client.request(&Request::get("/http2"));
    let early = client.find(stage.soon(), |frame| frame.kind == h2::kind::HEADERS).expect("hints");
    let fields = client.decode(&early.payload).expect("fields");
    let expected = [(":status", "103"), ("link", "</a.css>")].map(|(n, v)| (n.into(), v.into()));
    assert_eq!((fields, early.has(h2::flag::END_STREAM)), (expected.to_vec(), false));
    gate.open();
    assert_eq!(client.response(stream, stage.soon()).expect("the answer").body, b"final");
}

#[test]
fn the_first_event_arrives_before_the_second_is_made() {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\n";
    let first = "data: one\n\n";
    let chunk = format!("{:x}\r\n{first}\r\n", first.len());
    for (target, framing, piece) in
        [("/chunks", "Transfer-Encoding: chunked\r\n\r\n", chunk.as_str()), ("/close", "\r\n", first)]
    {
        let stage = Stage::start();
        let gate = Gate::new();
        stage.backend.on(target, Reply::raw(format!("{head}{framing}{piece}")).wait(&gate).close());
        let mut client = stage.connect();
        client.send(format!("GET {target} HTTP/1.1\r\nHost: gw.test\r\nAccept: text/event-stream\r\n\r\n"));
        let mut heard = Vec::new();
        while !heard.ends_with(first.as_bytes()) {
            heard.extend(client.bytes(1, stage.soon()).expect("the first event, while the backend waits"));
        }
        let mut client = h2::Client::connect(stage.public());
        client.request(&Request::get(target).field("accept", "text/event-stream"));
        let event = client.find(stage.soon(), |frame| frame.kind == h2::kind::DATA).expect("the first event");
        assert_eq!(event.payload, first.as_bytes());
        gate.open();
    }
}

#[test]
fn bodies_pass_unchanged_whatever_their_size() {
    for wire in Wire::ALL {
        let stage = Stage::start();
        for size in [0, 1, 2, 1023, 4096, 16_383, 16_384, 16_385, 65_535, 65_536, 65_537, 1_000_003] {
            let body: Vec<u8> =
                (0..size).map(|at: usize| u8::try_from(at * 31 % 251).expect("small")).collect();
            let target = format!("/size/{size}/");
            stage.backend.on(&target, Reply::ok(&body));
            let response = wire.send(stage.public(), &Request::post(&target, &body));
            assert!(response.body == body, "{wire:?}: {size} bytes changed on their way back");
            let message = stage.backend.expect("the request", |m| m.target == target.as_bytes());
            assert!(message.body == body, "{wire:?}: {size} bytes changed on their way");
        }
        stage.expect_plain_backend_traffic();
    }
}

#[test]
fn trailers_reach_the_caller() {
    for wire in Wire::ALL {
        let stage = Stage::start();
        let bytes = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Checksum\r\n\r\n5\r\nhello\r\n0\r\nX-Checksum: abc\r\n\r\n";
        stage.backend.on("/", Reply::raw(bytes));
        let response = wire.send(stage.public(), &Request::get("/").field("TE", "trailers"));
        assert_eq!(response.body, b"hello");
        let trailers: Vec<_> =
            response.trailers.iter().map(|(n, v)| (n.to_ascii_lowercase(), v.clone())).collect();
        assert_eq!(trailers, [(b"x-checksum".to_vec(), b"abc".to_vec())], "{wire:?}: {response:?}");
    }
}

#[test]
fn interim_responses_change_nothing() {
    for wire in Wire::ALL {
        let stage = Stage::start();
        let bytes = "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n";
        stage.backend.on("/", Reply::raw(bytes).send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"));
        let response = wire.send(stage.public(), &Request::get("/"));
        assert_eq!((response.status, response.body.as_slice()), (200, &b"hi"[..]), "{wire:?}");
        assert!(!response.interim.contains(&100), "{wire:?}: leave that nobody asked for");
    }
}

#[test]
fn statuses_and_empty_responses_pass() {
    for wire in Wire::ALL {
        let stage = Stage::start();
        for status in [
            "200 OK",
            "201 Created",
            "204 No Content",
            "205 Reset Content",
            "299 Odd",
            "304 Not Modified",
            "404 Not Found",
            "418 I'm a teapot",
            "451 x",
            "500 x",
            "503 x",
            "599 x",
            "799 x",
        ] {
            let number: u16 = status[..3].parse().expect("a number");
            let target = format!("/status/{number}");
            let framed = if matches!(number, 204 | 304) { "" } else { "Content-Length: 0\r\n" };
            stage.backend.on(&target, Reply::raw(format!("HTTP/1.1 {status}\r\nX-A: b\r\n{framed}\r\n")));
            let response = wire.send(stage.public(), &Request::get(&target));
            let expected = if number > 599 { [number, 502] } else { [number, number] };
            assert!(expected.contains(&response.status), "{wire:?}: {status} became {response:?}");
        }
        let head = wire.send(stage.public(), &Request::new("HEAD", "/x"));
        assert_eq!((head.status, head.body.len()), (200, 0), "{wire:?}");
    }
}

#[test]
fn the_backend_is_told_who_called_and_how() {
    for wire in Wire::ALL {
        let stage = Stage::start();
        let request = Request::get("/x")
            .host("Api.Example.Com:8080")
            .field("X-Forwarded-For", "203.0.113.66")
            .field("X-Forwarded-Proto", "https");
        assert_eq!(wire.send(stage.public(), &request).status, 200);
        let message = stage.backend.expect("the request", |_| true);
        assert_eq!(message.all("x-forwarded-for"), [b"127.0.0.1"], "{wire:?}: {message:?}");
        assert_eq!(message.all("x-forwarded-proto"), [b"http"], "{wire:?}: {message:?}");
        let host = message.text("x-forwarded-host").map(|host| host.to_ascii_lowercase());
        assert_eq!(host.as_deref(), Some("api.example.com:8080"), "{wire:?}: {message:?}");
        assert_eq!(message.version, b"HTTP/1.1");
    }
}

#[test]
fn a_host_is_matched_in_any_case() {
    let config =
        CONFIG.replace("    base_path: /admin\n", "    base_path: /admin\n    hosts: [api.example.com]\n");
    for wire in Wire::ALL {
        let stage = Stage::with(&config);
        for host in [
            "api.example.com",
            "API.EXAMPLE.COM",
            "Api.Example.Com",
            "api.example.com.",
            "API.example.com:8080",
            "api.example.com:80",
        ] {
            let response = wire.send(stage.public(), &Request::get("/admin").host(host));
            assert_eq!(response.status, 401, "{wire:?}: {host} went elsewhere");
        }
    }
}

#[test]
fn it_listens_where_it_is_told_and_nowhere_else() {
    let stage = Stage::start();
    let address = stage.public();
    assert_eq!(address.ip().to_string(), "127.0.0.1");
    let other = SocketAddr::new([127, 0, 0, 9].into(), address.port());
    let tried = TcpStream::connect_timeout(&other, Duration::from_millis(500));
    assert!(tried.is_err(), "{other} answers too");
}

#[test]
fn a_connection_ends_when_its_caller_says_so_and_not_before() {
    let stage = Stage::start();
    let mut client = stage.connect();
    client.send("GET /a HTTP/1.1\r\nHost: gw.test\r\n\r\n");
    assert_eq!(client.response("GET", stage.soon()).expect("a response").status, 200);
    client.send("GET /b HTTP/1.1\r\nHost: gw.test\r\nConnection: close\r\n\r\n");
    let response = client.response("GET", stage.soon()).expect("a response");
    assert_eq!(response.text("connection").as_deref(), Some("close"), "{response:?}");
    client.closed(stage.soon()).expect("a close");

    let mut client = stage.connect();
    client.send("GET /c HTTP/1.0\r\nHost: gw.test\r\n\r\n");
    assert_eq!(client.response("GET", stage.soon()).expect("a response").status, 200);
    client.closed(stage.soon()).expect("HTTP/1.0 ends with its response");
}

#[test]
fn a_chunked_response_to_an_old_client_is_not_chunked() {
    let stage = Stage::start();
    stage.backend.on(
        "/",
        Reply::raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX: y\r\n\r\n"),
    );
    let mut client = stage.connect();
    client.send("GET / HTTP/1.0\r\nHost: gw.test\r\n\r\n");
    let response = client.response("GET", stage.soon()).expect("a response");
    assert_eq!(
        (response.body.as_slice(), response.all("transfer-encoding").len()),
        (&b"hello"[..], 0),
        "{response:?}"
    );
}

#[test]
fn compressed_bodies_pass_as_they_came() {
    // Neither is a gzip stream: nobody may look.
    let (up, down) = (b"\x1f\x8b not gzip \xff\x00".as_slice(), b"\x1f\x8b neither \x00\xfe".as_slice());
    for wire in Wire::ALL {
        let stage = Stage::start();
        stage.backend.on("/", Reply::with("200 OK", "Content-Encoding: gzip\r\n", down));
        let request = Request::post("/", up).field("Content-Encoding", "gzip");
        let response = wire.send(stage.public(), &request);
        assert_eq!((response.status, response.body.as_slice()), (200, down), "{wire:?}");
        assert_eq!(response.text("content-encoding").as_deref(), Some("gzip"), "{wire:?}");
        let message = stage.backend.expect("the request", |_| true);
        assert_eq!(
            (message.body.as_slice(), message.all("content-encoding")),
            (up, vec![b"gzip".as_slice()]),
            "{wire:?}"
        );
    }
}
