//! What a client of HTTP/2 is owed by a server: an end that says how it ended, room that is kept, a word before
//! the connection goes (RFC 9113 §5.1, §5.2, §6.8, §8.1).

use portcullis_testkit::certificates::Authority;
use portcullis_testkit::gateway::{Builder, Signal};
use portcullis_testkit::h2::{Client, Frame, code, flag, hpack, kind, request_fields};
use portcullis_testkit::recorder::{Gate, Step};
use portcullis_testkit::tls::{Choices, Tls};
use portcullis_testkit::{Deadline, Reply, Request};

use crate::http2_frames::CONFIG;
use crate::stage::{Findings, Stage, executable};

fn soon() -> Deadline {
    Deadline::soon()
}

/// Frames of `stream` until the one that ends it.
fn frames(client: &mut Client, stream: u32) -> Vec<Frame> {
    let mut frames = Vec::new();
    loop {
        let frame = client.find(soon(), |frame| frame.stream == stream).expect("a frame");
        let is_last = frame.kind == kind::RST_STREAM || ends(&frame);
        if frame.kind == kind::HEADERS {
            client.decode(&frame.payload).expect("a field section");
        }
        frames.push(frame);
        if is_last {
            return frames;
        }
    }
}

fn ends(frame: &Frame) -> bool {
    matches!(frame.kind, kind::HEADERS | kind::DATA) && frame.has(flag::END_STREAM)
}

/// §8.1: END_STREAM is said with the last byte, and where nothing follows with the head.
#[test]
fn an_answer_ends_with_its_last_frame() {
    let stage = Stage::with(CONFIG);
    for (target, bytes) in [
        ("/length", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"),
        ("/chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
        (
            "/trailers",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n",
        ),
        ("/nothing", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
        ("/204", "HTTP/1.1 204 No Content\r\n\r\n"),
        ("/304", "HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\n\r\n"),
        ("/head", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"),
    ] {
        stage.backend.on(target, Reply::raw(bytes));
    }
    let mut client = Client::connect(stage.public());
    for (method, target, kinds, content) in [
        ("GET", "/length", &[kind::HEADERS, kind::DATA][..], 5),
        ("GET", "/chunks", &[kind::HEADERS, kind::DATA, kind::DATA], 5),
        ("GET", "/trailers", &[kind::HEADERS, kind::DATA, kind::HEADERS], 5),
        ("GET", "/nothing", &[kind::HEADERS], 0),
        ("GET", "/204", &[kind::HEADERS], 0),
        ("GET", "/304", &[kind::HEADERS], 0),
        ("HEAD", "/head", &[kind::HEADERS], 0),
        // A problem of our own.
        ("GET", "/a/../b", &[kind::HEADERS, kind::DATA], 1),
        ("HEAD", "/a/../b", &[kind::HEADERS], 0),
    ] {
        let stream = client.request(&Request::new(method, target));
        let frames = frames(&mut client, stream);
        let bytes: usize =
            frames.iter().filter(|frame| frame.kind == kind::DATA).map(|frame| frame.payload.len()).sum();
        let said: Vec<u8> = frames.iter().map(|frame| frame.kind).collect();
        let is_right = said == kinds || said.len() == 2 && target == "/chunks";
        assert!(is_right, "{method} {target}: {said:?}");
        assert!(ends(frames.last().expect("a frame")), "{method} {target}: {frames:?}");
        assert!(
            bytes.min(1) == content.min(1) && (bytes == content || content == 1),
            "{method} {target}: {bytes}"
        );
    }
}

/// RFC 9110 §8.6, §9.3.2: lengths are told where they are known, to HEAD and with 304 too; §8.2.2: fields of the
/// backend's connection are not.
#[test]
fn an_answer_says_what_it_is() {
    let stage = Stage::with(CONFIG);
    let hop = "Connection: close, X-Hop\r\nKeep-Alive: timeout=5\r\nX-Hop: 1\r\nProxy-Connection: close\r\n";
    stage.backend.on("/length", Reply::with("200 OK", hop, "hello"));
    stage.backend.on("/head", Reply::raw(format!("HTTP/1.1 200 OK\r\n{hop}Content-Length: 5\r\n\r\n")));
    stage.backend.on(
        "/chunks",
        Reply::raw(format!(
            "HTTP/1.1 200 OK\r\n{hop}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
        )),
    );
    let mut client = Client::connect(stage.public());
    for (method, target, length) in
        [("GET", "/length", Some("5")), ("HEAD", "/head", Some("5")), ("GET", "/chunks", None)]
    {
        let stream = client.request(&Request::new(method, target));
        let response = client.response(stream, soon()).expect("an answer");
        assert_eq!((response.status, &response.oddities[..]), (200, &[][..]), "{target}");
        // What came whole has a length, however it came.
        let said = response.text("content-length");
        assert!(
            said.as_deref() == length || target == "/chunks" && said.as_deref() == Some("5"),
            "{target}: {said:?}"
        );
        assert!(response.all("x-hop").is_empty(), "{target}: {response:?}");
    }
}

/// §8.1: trailers pass in both directions.
#[test]
fn trailers_pass_both_ways() {
    let stage = Stage::with(CONFIG);
    let chunks = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n3\r\ntwo\r\n0\r\n";
    stage.backend.on("/both", Reply::raw(format!("{chunks}X-Down: 1\r\nX-Other: 2\r\n\r\n")));
    let mut client = Client::connect(stage.public());
    let stream = client.stream();
    client.fields(stream, &request_fields(&Request::new("POST", "/both")), false);
    client.frame(kind::DATA, 0, stream, "up");
    let half = stage.backend.expect_begun("half a request", |message| message.target == b"/both");
    assert!(!half.is_complete);
    client.frame(kind::DATA, 0, stream, "load");
    client.fields(stream, &vec![(b"x-up".to_vec(), b"yes".to_vec())], true);
    let response = client.response(stream, soon()).expect("an answer");
    assert_eq!(response.body, b"onetwo");
    let pair = |name: &str, value: &str| (name.as_bytes().to_vec(), value.as_bytes().to_vec());
    assert_eq!(response.trailers, [pair("x-down", "1"), pair("x-other", "2")]);
    let whole = stage.backend.expect("the request", |message| message.target == b"/both");
    assert_eq!((&whole.body[..], &whole.trailers[..]), (&b"upload"[..], &[pair("x-up", "yes")][..]));
    stage.expect_plain_backend_traffic();
}

/// §8.1: 1xx are heads that end nothing; leave to send a body comes before the body.
#[test]
fn interim_answers_come_before_the_final_one() {
    let stage = Stage::with(CONFIG);
    let hints = "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n";
    stage.backend.on("/hints", Reply::raw(hints).then(Step::Echo));
    let mut client = Client::connect(stage.public());
    let stream = client.request(&Request::get("/hints"));
    let response = client.response(stream, soon()).expect("an answer");
    assert_eq!((response.status, &response.interim[..]), (200, &[103][..]));

    let waiting = Request::new("POST", "/waits").field("expect", "100-continue");
    let stream = client.stream();
    client.fields(stream, &request_fields(&waiting), false);
    let leave = client.find(soon(), |frame| frame.stream == stream).expect("leave");
    let fields = client.decode(&leave.payload).expect("a field section");
    assert_eq!((fields[0].1.as_slice(), ends(&leave)), (&b"100"[..], false));
    client.frame(kind::DATA, flag::END_STREAM, stream, "hello");
    assert_eq!(client.response(stream, soon()).expect("an answer").status, 200);
    assert_eq!(stage.backend.expect("the body", |message| message.target == b"/waits").body, b"hello");
}

/// §8.1, §5.4.2: an answer that breaks off behind the gateway is reset with INTERNAL_ERROR; it never ends, and
/// streams beside it go on.
#[test]
fn an_answer_that_breaks_off_is_reset() {
    let stage = Stage::with(CONFIG);
    let gate = Gate::new();
    stage.backend.on("/beside", Reply::new().wait(&gate).then(Step::Echo));
    let mut findings = Findings::default();
    let mut client = Client::connect(stage.public());
    let beside = client.request(&Request::get("/beside"));
    let length = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello";
    let chunk = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n";
    for (name, begin, rest) in [
        ("length", length, ""),
        ("length-almost", length, " you"),
        ("chunk", chunk, ""),
        ("chunk-last", chunk, "0\r\n"),
        ("chunk-bad", chunk, "zz\r\n"),
        ("chunk-long", chunk, "5\r\nhello!\r\n0\r\n\r\n"),
        ("trailers", chunk, "0\r\nX: y\r\n"),
        ("trailers-bad", chunk, "0\r\nX : y\r\n\r\n"),
    ] {
        for (how, end) in [("closed", Step::Close), ("reset", Step::Reset)] {
            let target = format!("/cut/{name}/{how}");
            // What was found wrong before the head has left would be a problem.
            let gate = Gate::new();
            stage.backend.on(&target, Reply::raw(begin).wait(&gate).send(rest).then(end));
            let stream = client.request(&Request::get(&target));
            let head = client.find(soon(), |frame| frame.stream == stream).expect("a head");
            client.decode(&head.payload).expect("a field section");
            gate.open();
            let frames = frames(&mut client, stream);
            let last = frames.last().expect("an end");
            let is_right = last.code() == Some(code::INTERNAL_ERROR) && !frames.iter().any(ends);
            findings.note(target, if is_right { Ok(()) } else { Err(format!("{frames:?}")) });
        }
    }
    findings.conclude(16);
    gate.open();
    assert_eq!(client.response(beside, soon()).expect("an answer").status, 200);
}

/// §8.1: an answer may come before the request is whole. The client gets it, and then hears that the rest is not
/// wanted.
#[test]
fn an_early_answer_ends_the_upload_politely() {
    let stage = Stage::with(CONFIG);
    stage
        .backend
        .on("/early", Reply::with("413 Content Too Large", "Connection: close\r\n", "too large").early());
    let mut client = Client::connect(stage.public());
    let stream = client.stream();
    client.fields(stream, &request_fields(&Request::new("POST", "/early")), false);
    client.frame(kind::DATA, 0, stream, "begin");
    let response = client.response(stream, soon()).expect("an answer");
    assert_eq!((response.status, &response.body[..]), (413, &b"too large"[..]));
    let end = client.find(soon(), |frame| frame.kind == kind::RST_STREAM).expect("a reset");
    assert_eq!((end.stream, end.code()), (stream, Some(code::NO_ERROR)));
    let after = client.request(&Request::get("/after"));
    assert_eq!(client.response(after, soon()).expect("an answer").status, 200);
}

/// §5.4.2, §8.6: who resets a stream is not waited for: the backend is left at once.
#[test]
fn a_client_that_resets_its_stream_leaves_the_backend() {
    let stage = Stage::with(CONFIG);
    stage.backend.on("/never", Reply::new());
    let mut client = Client::connect(stage.public());
    for (at, request) in [Request::get("/never/get"), Request::new("POST", "/never/post")].iter().enumerate()
    {
        let stream = client.stream();
        client.fields(stream, &request_fields(request), at == 0);
        let seen = stage.backend.expect_begun("the request", |message| message.target == request.target);
        client.frame(kind::RST_STREAM, 0, stream, code::CANCEL.to_be_bytes());
        stage.backend.expect_closed(&seen);
    }
    let after = client.request(&Request::get("/after"));
    assert_eq!(client.response(after, soon()).expect("an answer").status, 200);
}

/// §5.1.2, §8.7: streams answer as their backends do, not in the order they came.
#[test]
fn a_slow_answer_holds_up_nobody() {
    let stage = Stage::with(CONFIG);
    let gate = Gate::new();
    stage.backend.on("/slow", Reply::new().wait(&gate).then(Step::Echo));
    let mut client = Client::connect(stage.public());
    let slow: Vec<u32> = (0..50).map(|n| client.request(&Request::get(format!("/slow/{n}")))).collect();
    for n in 0..20 {
        let stream = client.request(&Request::get(format!("/fast/{n}")));
        let response = client.response(stream, soon()).expect("an answer");
        assert_eq!(response.text("x-recorded"), Some(format!("/fast/{n}")));
    }
    gate.open();
    for (n, stream) in slow.into_iter().enumerate() {
        let response = client.response(stream, soon()).expect("an answer");
        assert_eq!(response.text("x-recorded"), Some(format!("/slow/{n}")));
    }
}

/// §6.8: first that no new streams are wanted, then, a round trip later, which were taken; those end as they would.
#[test]
fn a_gateway_that_goes_says_so_twice() {
    let mut stage = Stage::with(&format!("{CONFIG}bounds: {{ drain: 60s }}\n"));
    let gate = Gate::new();
    stage.backend.on("/slow", Reply::new().wait(&gate).then(Step::Echo));
    let mut client = Client::connect(stage.public());
    let slow = client.request(&Request::get("/slow"));
    stage.backend.expect("the slow request", |message| message.target == b"/slow");
    let mut idle = Client::connect(stage.public());
    idle.find(soon(), |frame| frame.kind == kind::SETTINGS && frame.has(flag::ACK))
        .expect("an open connection");

    stage.gateway.signal(Signal::Term);
    let first = client.find(soon(), |frame| frame.kind == kind::GOAWAY).expect("a GOAWAY");
    assert_eq!((&first.payload[..4], first.code()), (&[0x7f, 0xff, 0xff, 0xff][..], Some(code::NO_ERROR)));
    // On its way before the client could hear of it.
    let crossing = client.request(&Request::get("/crossing"));
    // Its answer and the second GOAWAY come in any order: whatever is read is kept.
    let (mut has_said_last, mut answered) = (false, Vec::new());
    while !has_said_last || answered.len() < 2 {
        let frame = client.next(soon()).expect("the rest");
        match frame.kind {
            kind::GOAWAY => {
                assert_eq!((&frame.payload[..4], frame.code()), (&crossing.to_be_bytes()[..], Some(0)));
                has_said_last = true;
                gate.open();
            }
            kind::HEADERS => {
                let fields = client.decode(&frame.payload).expect("a head");
                assert_eq!(fields[0], (b":status".to_vec(), b"200".to_vec()), "stream {}", frame.stream);
            }
            kind::RST_STREAM => panic!("stream {} is lost: {frame:?}", frame.stream),
            _ => {}
        }
        if matches!(frame.kind, kind::DATA | kind::HEADERS) && frame.has(flag::END_STREAM) {
            answered.push(frame.stream);
        }
    }
    answered.sort_unstable();
    assert_eq!(answered, [slow, crossing], "both were taken, and end");
    client.closed(soon()).expect("closed");
    idle.find(soon(), |frame| frame.kind == kind::GOAWAY).expect("a GOAWAY");
    idle.closed(soon()).expect("closed");
    assert_eq!(stage.gateway.wait(soon()).code(), Some(0));
}

/// §3.2: over TLS it is the same, chosen by ALPN, whatever records the bytes come in.
#[test]
fn over_tls_frames_are_frames() {
    let authority = Authority::new("tests");
    let pair = authority.server(&["gw.test"]);
    let tls = r#"protocols: [http1, http2], tls: { certificates: [ { cert: "${file:gw.crt}", key: "${file:gw.key}" } ] }"#;
    let stage = Stage::built(|backend| {
        let config = CONFIG.replacen("protocols: [http1, http2]", tls, 1).replace("BACKEND", backend);
        let builder = Builder::new(executable(), config);
        builder.file("gw.crt", &*pair.certificate).file("gw.key", &*pair.key)
    });
    let choices = Choices { protocols: &["h2", "http/1.1"], ..Choices::default() };
    let connect = || {
        let connected = Tls::new(&authority.pem(), &choices).connect(stage.public(), "gw.test");
        let (connection, handshake) = connected.expect("a handshake");
        assert_eq!(handshake.protocol.as_deref(), Some(&b"h2"[..]));
        let mut client = Client::silent(connection);
        client.open(&[]);
        client
    };
    let mut fields = request_fields(&Request::get("/"));
    fields[1].1 = b"https".to_vec();
    let mut client = connect();
    let stream = client.stream();
    let block = hpack::encode(&fields);
    let head = Frame::new(kind::HEADERS, flag::END_STREAM | flag::END_HEADERS, stream, block).bytes();
    for byte in head {
        client.send([byte]);
    }
    assert_eq!(client.response(stream, soon()).expect("an answer").status, 200);
    for (bytes, said) in [
        (Frame::new(kind::PING, 0, 0, [0; 7]).bytes(), code::FRAME_SIZE_ERROR),
        (Frame::new(kind::PING, 0, 0, [0; 8]).bytes().repeat(2_000), code::ENHANCE_YOUR_CALM),
    ] {
        let mut client = connect();
        client.send(bytes);
        let last = client.find(soon(), |frame| frame.kind == kind::GOAWAY).expect("a GOAWAY");
        assert_eq!(last.code(), Some(said));
        client.closed(soon()).expect("closed");
    }
    // The scheme is that of the connection, over TLS too (§8.3.1).
    let mut client = connect();
    let stream = client.request(&Request::get("/"));
    assert_eq!(client.response(stream, soon()).expect("a refusal").status, 400);
}
