//! A backend that lies about its messages is not believed, and nobody else gets its bytes (rows 18, 19, 63).

use std::time::Duration;

use portcullis_testkit::gateway::Builder;
use portcullis_testkit::raw::{End, Failure};
use portcullis_testkit::recorder::{Gate, Reply, Step};
use portcullis_testkit::{Message, Recorder, Request, Response, Wire};

use crate::stage::{CONFIG, Findings, Stage, executable};

/// Heads and bodies that two readers could tell apart differently, or that are no response at all.
const NONSENSE: &[(&str, &str)] = &[
    (
        "length and coding",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    (
        "coding and length",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    ),
    ("two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!"),
    ("a length with a sign", "HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\nhello"),
    ("a length of two numbers", "HTTP/1.1 200 OK\r\nContent-Length: 5, 6\r\n\r\nhello"),
    ("an empty length", "HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\nhello"),
    ("a length past 64 bits", "HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551621\r\n\r\nhello"),
    ("an unknown coding", "HTTP/1.1 200 OK\r\nTransfer-Encoding: x\r\n\r\nhello"),
    ("chunked twice", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n"),
    (
        "two codings",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
    ),
    (
        "a coding with a blank before the colon",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    ),
    ("a coding in HTTP/1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    ("a status line that is none", "200 OK\r\n\r\n"),
    ("a status of two digits", "HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n"),
    ("a status of four digits", "HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n"),
    ("a status that is no number", "HTTP/1.1 abc OK\r\nContent-Length: 0\r\n\r\n"),
    ("a status below 100", "HTTP/1.1 099 OK\r\nContent-Length: 0\r\n\r\n"),
    ("HTTP/2.0", "HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n"),
    ("HTTP/0.9", "hello"),
    ("another protocol", "SSH-2.0-OpenSSH_9.2\r\n"),
    ("a TLS alert", "\u{15}\u{3}\u{1}\0\u{2}\u{2}\n"),
    ("a fold", "HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 0\r\n\r\n"),
    ("a line without a colon", "HTTP/1.1 200 OK\r\nX\r\nContent-Length: 0\r\n\r\n"),
    ("an empty name", "HTTP/1.1 200 OK\r\n: x\r\nContent-Length: 0\r\n\r\n"),
    ("a blank before a colon", "HTTP/1.1 200 OK\r\nX : y\r\nContent-Length: 0\r\n\r\n"),
    ("NUL in a value", "HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 0\r\n\r\n"),
    ("CR in a value", "HTTP/1.1 200 OK\r\nX: a\rb\r\nContent-Length: 0\r\n\r\n"),
    ("LF behind a field", "HTTP/1.1 200 OK\r\nX: a\nSet-Cookie: b=c\r\nContent-Length: 0\r\n\r\n"),
    (
        "an upgrade nobody asked for",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: foo\r\nConnection: upgrade\r\n\r\nhello",
    ),
    ("HTTP/1.1 head without an end", "HTTP/1.1 200 OK\r\nX: y\r\n"),
    ("nothing", ""),
];

/// Row 18: a response that could be read in two ways becomes a 502, and its connection is not used again.
#[test]
fn an_ambiguous_response_is_a_bad_gateway() {
    let mut findings = Findings::default();
    let stage = Stage::start();
    for (number, (name, bytes)) in NONSENSE.iter().enumerate() {
        for wire in Wire::ALL {
            let target = format!("/nonsense/{number}/{wire:?}");
            stage.backend.on(&target, Reply::raw(bytes).close());
            findings.note(format!("{name} over {wire:?}"), is_bad_gateway(&stage, *wire, &target));
        }
    }
    let long = format!("HTTP/1.1 200 OK\r\nX: {}\r\nContent-Length: 0\r\n\r\n", "a".repeat(1024 * 1024));
    stage.backend.on("/long", Reply::raw(long));
    for wire in Wire::ALL {
        findings.note(
            format!("a head of 1 MiB over {wire:?}"),
            is_bad_gateway(&stage, *wire, &format!("/long/{wire:?}")),
        );
    }
    let many = format!("HTTP/1.1 200 OK\r\n{}Content-Length: 0\r\n\r\n", "X: y\r\n".repeat(20_000));
    stage.backend.on("/many", Reply::raw(many));
    for wire in Wire::ALL {
        findings.note(
            format!("20,000 fields over {wire:?}"),
            is_bad_gateway(&stage, *wire, &format!("/many/{wire:?}")),
        );
    }
    let flood = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n".repeat(100_000);
    stage.backend.on("/flood", Reply::raw(flood).then(Step::Echo));
    for wire in Wire::ALL {
        let target = format!("/flood/{wire:?}");
        findings
            .note(format!("100,000 interim responses over {wire:?}"), is_bad_gateway(&stage, *wire, &target));
    }
    findings.conclude(34 * Wire::ALL.len());
}

/// 502 with a problem, and the next request over a connection of its own.
fn is_bad_gateway(stage: &Stage, wire: Wire, target: &str) -> Result<(), String> {
    let response = wire.try_send(stage.public(), &Request::get(target));
    let response = response.map_err(|failure| format!("no reply: {failure}"))?;
    if response.status != 502 || response.problem().is_none() {
        return Err(format!("{response:?}"));
    }
    not_reused(stage, target)
}

/// Sends another request and looks which connection it takes.
fn not_reused(stage: &Stage, target: &str) -> Result<(), String> {
    let used = stage.backend.expect_begun(target, |message| message.target == target.as_bytes()).connection;
    let mark = stage.backend.mark();
    let next = format!("/behind{target}");
    let response = Wire::Http1.try_send(stage.public(), &Request::get(&next)).map_err(|f| f.to_string())?;
    if response.text("x-recorded").as_deref() != Some(&next) {
        return Err(format!("the next request got {response:?}"));
    }
    match stage.backend.since(mark).iter().find(|message| message.connection == used) {
        Some(message) => Err(format!("the connection was used again, for {message}")),
        None => Ok(()),
    }
}

/// Row 18: bytes behind a response belong to nobody.
#[test]
fn bytes_behind_a_response_are_nobodys() {
    let injected = "HTTP/1.1 200 OK\r\nX-Recorded: injected\r\nContent-Length: 8\r\n\r\ninjected";
    let stage = Stage::start();
    let mut findings = Findings::default();
    for (name, reply) in [
        ("length", Reply::ok("hello").send(injected)),
        (
            "chunks",
            Reply::raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n")
                .send(injected),
        ),
        ("204", Reply::raw("HTTP/1.1 204 No Content\r\n\r\n").send(injected)),
        (
            "204-length",
            Reply::raw("HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello").send(injected),
        ),
        ("304", Reply::raw("HTTP/1.1 304 Not Modified\r\n\r\n").send(injected)),
        (
            "204-chunks",
            Reply::raw(
                "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
            ),
        ),
        ("stray", Reply::ok("hello").send("\r\n")),
        ("longer", Reply::raw("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello, and more")),
    ] {
        let target = format!("/behind-{name}/");
        stage.backend.on(&target, reply);
        let response = Wire::Http1.try_send(stage.public(), &Request::get(&target));
        let outcome = match response {
            Ok(response) if !is_plain(&response) => Err(format!("{response:?}")),
            Ok(_) => not_reused(&stage, &target),
            Err(failure) => Err(failure.to_string()),
        };
        findings.note(name, outcome);
    }
    findings.conclude(8);
}

fn is_plain(response: &Response) -> bool {
    let body_fits = match response.status {
        200 => response.body == b"hello",
        204 | 304 => response.body.is_empty(),
        _ => response.status == 502,
    };
    body_fits && response.oddities.is_empty() && response.text("x-recorded").is_none()
}

/// Row 18: a body to HEAD is no body.
#[test]
fn a_body_to_head_is_not_passed_on() {
    let stage = Stage::start();
    stage.backend.on("/head", Reply::ok("a body that must not be"));
    let mut client = stage.connect();
    client.send("HEAD /head HTTP/1.1\r\nHost: gw.test\r\n\r\nGET /next HTTP/1.1\r\nHost: gw.test\r\n\r\n");
    let head = client.response("HEAD", stage.soon()).expect("a response");
    assert!(matches!(head.status, 200 | 502), "{head:?}");
    let next = client.response("GET", stage.soon()).expect("a response");
    assert_eq!(next.text("x-recorded").as_deref(), Some("/next"), "{next:?}");
    not_reused(&stage, "/head").expect("a fresh connection");
}

/// Row 19: what comes on an idle connection is thrown away with it.
#[test]
fn an_unsolicited_response_is_thrown_away() {
    let stage = Stage::start();
    let (gate, injection) = (Gate::new(), Gate::new());
    let injected = "HTTP/1.1 200 OK\r\nX-Recorded: injected\r\nContent-Length: 8\r\n\r\ninjected";
    let first = Reply::with("200 OK", "X-Recorded: /first\r\n", "first");
    stage.backend.on("/first", first.wait(&gate).send(injected).open(&injection));
    let response = Wire::Http1.send(stage.public(), &Request::get("/first"));
    assert_eq!(response.body, b"first");
    gate.open();
    // Sent after the next request they could not be told from its answer, by anyone.
    assert!(injection.wait(stage.soon()), "the backend sends");
    for round in 0..50 {
        let target = format!("/later/{round}");
        let response = Wire::Http1.send(stage.public(), &Request::get(&target));
        assert_eq!(response.text("x-recorded"), Some(target), "another's response: {response:?}");
    }
}

/// Row 19: so is what a backend says before it was asked anything.
#[test]
fn a_greeting_puts_no_reply_out_of_step() {
    let stage = Stage::start();
    stage.backend.greet("HTTP/1.1 200 OK\r\nX-Recorded: greeting\r\nContent-Length: 8\r\n\r\ngreeting");
    for round in 0..10 {
        let target = format!("/greeted/{round}");
        let response = Wire::Http1.send(stage.public(), &Request::get(&target));
        let own = response.text("x-recorded");
        // On a new connection a greeting cannot be told from a fast answer. It answers one request; the true
        // answer, which then comes unasked, answers none once it is there: that would be another's.
        let fine = [Some(target), Some("greeting".to_owned())].contains(&own);
        assert!(response.status == 502 || fine, "another's response: {response:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Row 63: what was cut off never looks whole.
#[test]
fn a_truncated_response_never_looks_whole() {
    let stage = Stage::start();
    let mut findings = Findings::default();
    let length = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n";
    let chunks = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (name, bytes) in [
        ("length-none", length.to_owned()),
        ("length-half", format!("{length}hello")),
        ("length-almost", format!("{length}hello you")),
        ("chunk-none", chunks.to_owned()),
        ("chunk-size", format!("{chunks}5")),
        ("chunk-half", format!("{chunks}5\r\nhel")),
        ("chunk-data", format!("{chunks}5\r\nhello")),
        ("chunk-whole", format!("{chunks}5\r\nhello\r\n")),
        ("chunk-last", format!("{chunks}5\r\nhello\r\n0\r\n")),
        ("chunk-trailer", format!("{chunks}5\r\nhello\r\n0\r\nX: y\r\n")),
        ("chunk-bad-size", format!("{chunks}5\r\nhello\r\nxyz\r\n")),
        ("chunk-bad-end", format!("{chunks}5\r\nhelloXX0\r\n\r\n")),
        ("chunk-negative", format!("{chunks}5\r\nhello\r\n-1\r\n\r\n")),
        ("chunk-huge", format!("{chunks}5\r\nhello\r\nFFFFFFFFFFFFFFFFF\r\n\r\n")),
    ] {
        for (how, end) in [("closed", Step::Close), ("reset", Step::Reset)] {
            let target = format!("/cut-{name}-{how}");
            stage.backend.on(&target, Reply::raw(&bytes).then(end));
            for wire in Wire::ALL {
                let outcome = looks_cut(wire.try_send(stage.public(), &Request::get(&target)));
                findings.note(format!("{wire:?} {name} {how}"), outcome);
            }
        }
    }
    findings.conclude(28 * Wire::ALL.len());
    stage.arrived_since(stage.backend.mark()).expect("a sentinel");
}

/// Either a problem before anything was said, or a response that ends as an abort.
fn looks_cut(outcome: Result<Response, Failure>) -> Result<(), String> {
    match outcome {
        Ok(response) if response.status == 502 && response.problem().is_some() => Ok(()),
        Ok(response) => Err(format!("looks whole: {response:?}")),
        Err(Failure { end: End::Silent, .. }) => Err("neither ended nor aborted".to_owned()),
        Err(_) => Ok(()),
    }
}

/// Row 63: a body that ends with the connection, and is reset, was not whole either.
#[test]
fn a_body_to_the_end_of_a_reset_connection_is_cut() {
    let stage = Stage::start();
    stage.backend.on(
        "/reset",
        Reply::raw("HTTP/1.1 200 OK\r\n\r\nhello")
            .then(Step::Pause(Duration::from_millis(50)))
            .then(Step::Reset),
    );
    stage.backend.on("/closed", Reply::raw("HTTP/1.1 200 OK\r\n\r\nhello").close());
    looks_cut(Wire::Http1.try_send(stage.public(), &Request::get("/reset"))).expect("an abort");
    let response = Wire::Http1.send(stage.public(), &Request::get("/closed"));
    assert_eq!((response.status, response.body.as_slice()), (200, &b"hello"[..]));
}

/// Row 62: nobody there is a problem at once, and over when somebody is.
#[test]
fn a_backend_that_is_away_is_a_problem_at_once() {
    let gone = Recorder::start();
    let address = gone.address().to_string();
    drop(gone);
    let stage = Stage::built(|_| Builder::new(executable(), CONFIG.replace("BACKEND", &address)));
    let response = Wire::Http1.send(stage.public(), &Request::get("/x"));
    assert!(matches!(response.status, 502 | 503) && response.problem().is_some(), "{response:?}");
}

/// A backend that answers early and closes: the caller gets that answer, not a reset.
#[test]
fn an_early_answer_reaches_the_caller() {
    let stage = Stage::start();
    stage
        .backend
        .on("/early", Reply::with("413 Content Too Large", "Connection: close\r\n", "too large").early());
    let mut client = stage.connect();
    client.send("POST /early HTTP/1.1\r\nHost: gw.test\r\nContent-Length: 1000000\r\n\r\nbegin");
    let response = client.response("POST", stage.soon()).expect("a response");
    assert_eq!((response.status, response.body.as_slice()), (413, &b"too large"[..]));
    let seen = stage.backend.expect_begun("half a request", |m: &Message| m.target == b"/early");
    drop(client);
    stage.backend.expect_closed(&seen);
}
