//! Slow clients, slow backends: who holds things up is cut in time, and nothing piles up meanwhile.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use portcullis_testkit::gateway::Builder;
use portcullis_testkit::recorder::Step;
use portcullis_testkit::{Deadline, Gateway, Reply, Request};

use crate::stage::{CONFIG, Stage, executable};

const MIB: u64 = 1 << 20;
/// What memory may grow by while a body passes, however large it is.
const FLAT: u64 = 32 * MIB;

fn stage(bounds: &str) -> Stage {
    Stage::with(&format!("{CONFIG}bounds: {{ {bounds} }}\n"))
}

#[test]
fn a_head_that_is_begun_has_to_end_in_time() {
    let stage = stage("head_timeout: 1s, keep_alive: 60s");
    let begun = Instant::now();
    let mut silent = stage.connect();
    silent.send("GET /slow HT");
    let mut trickling = stage.connect();
    let answer = silent.response("GET", Deadline::soon()).expect("an answer");
    assert_eq!((answer.status, answer.problem().as_deref()), (408, Some("head-timeout")));
    assert!(begun.elapsed() >= Duration::from_millis(900), "not before its time");
    silent.closed(Deadline::soon()).expect("closed");
    // A byte now and then does not buy time.
    trickling.trickle(b"GET /slow HTTP/1.1\r\nHost: g", Duration::from_millis(60));
    let answer = trickling.response("GET", Deadline::soon()).expect("an answer");
    assert_eq!(answer.status, 408);
    assert!(stage.backend.messages().is_empty());
}

#[test]
fn a_silent_connection_is_closed_without_a_word() {
    let stage = stage("keep_alive: 1s");
    let mut fresh = stage.connect();
    let mut used = stage.connect();
    used.send(Request::get("/once").http1());
    assert_eq!(used.response("GET", Deadline::soon()).expect("an answer").status, 200);
    fresh.closed(Deadline::soon()).expect("closed");
    used.closed(Deadline::soon()).expect("closed");
}

#[test]
fn a_body_that_stops_gets_408_and_the_backend_sees_no_end() {
    let stage = stage("body_idle: 1s");
    for framing in ["Content-Length: 100", "Transfer-Encoding: chunked"] {
        let mut client = stage.connect();
        client.send(format!(
            "POST /{} HTTP/1.1\r\nHost: gw.test\r\n{framing}\r\n\r\n5\r\nhello\r\n",
            framing.len()
        ));
        let answer = client.response("POST", Deadline::soon()).expect("an answer");
        assert_eq!((answer.status, answer.problem().as_deref()), (408, Some("body-timeout")), "{framing}");
        client.closed(Deadline::soon()).expect("closed");
        let target = format!("/{}", framing.len());
        let half = stage.backend.expect_begun("the head", |message| message.target == target.as_bytes());
        stage.backend.expect_closed(&half);
        let ended =
            stage.backend.messages().into_iter().any(|m| m.target == target.as_bytes() && m.is_complete);
        assert!(!ended, "{framing}: the message has no end");
    }
}

#[test]
fn a_body_that_trickles_gets_408() {
    let stage = stage("body_idle: 1s, body_rate: 1000");
    let mut client = stage.connect();
    client.send("POST /t HTTP/1.1\r\nHost: gw.test\r\nContent-Length: 100\r\n\r\n");
    let begun = Instant::now();
    let answer = loop {
        client.send("x");
        if let Ok(answer) = client.response("POST", Deadline::after(Duration::from_millis(100))) {
            break answer;
        }
        assert!(begun.elapsed() < Duration::from_secs(9), "a byte now and then buys no time");
    };
    assert_eq!((answer.status, answer.problem().as_deref()), (408, Some("body-timeout")));
}

/// A large answer: `mebibytes` of it.
fn large(mebibytes: u64) -> Reply {
    let length = mebibytes * MIB;
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
    let times = usize::try_from(length / 65_536).expect("a count");
    Reply::raw(head).then(Step::Repeat(vec![b'x'; 65_536], times))
}

#[test]
fn a_client_that_reads_nothing_is_cut() {
    let stage = stage("write_idle: 1s");
    stage.backend.on("/large", large(256));
    let before = stage.gateway.usage().memory;
    let mut client = stage.connect();
    client.send(Request::get("/large").http1());
    stage.gateway.record("an aborted answer", |record| record["portcullis.decision"] == "aborted");
    let grown = stage.gateway.usage().memory_peak.saturating_sub(before);
    assert!(grown < FLAT, "memory grew by {} KiB", grown >> 10);
    // What is on its way may still come; the whole of it does not.
    assert!(client.response("GET", Deadline::soon()).is_err());
}

#[test]
fn a_large_download_to_a_slow_client_takes_no_memory() {
    const MEBIBYTES: u64 = 256;
    let stage = Stage::start();
    stage.backend.on("/large", large(MEBIBYTES));
    let before = stage.gateway.usage().memory;
    let mut client = TcpStream::connect(stage.public()).expect("a listener");
    client.set_read_timeout(Some(Duration::from_secs(15))).expect("a socket");
    client.write_all(b"GET /large HTTP/1.1\r\nHost: gw.test\r\nConnection: close\r\n\r\n").expect("written");
    let mut piece = vec![0; 1 << 20];
    let mut read = 0_u64;
    loop {
        if read < 16 * MIB {
            thread::sleep(Duration::from_millis(10));
        }
        match client.read(&mut piece).expect("the answer goes on") {
            0 => break,
            count => read += count as u64,
        }
    }
    assert!(read > MEBIBYTES * MIB, "{read} bytes");
    let grown = stage.gateway.usage().memory_peak.saturating_sub(before);
    assert!(grown < FLAT, "memory grew by {} KiB", grown >> 10);
}

/// A backend that reads a piece, rests, and answers when `length` bytes of body have come.
fn slow_backend(length: u64) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        let mut piece = vec![0; 1 << 20];
        let mut head: Vec<u8> = Vec::new();
        let mut body = loop {
            let count = stream.read(&mut piece).expect("a head");
            head.extend(&piece[..count]);
            if let Some(at) = head.windows(4).position(|four| four == b"\r\n\r\n") {
                break (head.len() - at - 4) as u64;
            }
        };
        while body < length {
            if body < 16 * MIB {
                thread::sleep(Duration::from_millis(10));
            }
            match stream.read(&mut piece) {
                Ok(count @ 1..) => body += count as u64,
                _ => return,
            }
        }
        drop(
            stream.write_all(
                format!("HTTP/1.1 200 OK\r\nX-Got: {body}\r\nContent-Length: 0\r\n\r\n").as_bytes(),
            ),
        );
        drop(stream.read(&mut piece));
    });
    address
}

#[test]
fn a_large_upload_to_a_slow_backend_takes_no_memory() {
    const LENGTH: u64 = 200 * MIB;
    let backend = slow_backend(LENGTH);
    let config = CONFIG.replace("BACKEND", &backend.to_string()) + "bounds: { body: 1GiB }\n";
    let gateway: Gateway = Builder::new(executable(), config).start();
    let before = gateway.usage().memory;
    let mut client = TcpStream::connect(gateway.address("public")).expect("a listener");
    client.set_read_timeout(Some(Duration::from_secs(15))).expect("a socket");
    client.set_write_timeout(Some(Duration::from_secs(15))).expect("a socket");
    client
        .write_all(
            format!("POST /up HTTP/1.1\r\nHost: gw.test\r\nContent-Length: {LENGTH}\r\n\r\n").as_bytes(),
        )
        .expect("written");
    let piece = vec![b'x'; 1 << 20];
    for _ in 0..LENGTH / MIB {
        client.write_all(&piece).expect("the gateway reads");
    }
    let mut answer = vec![0; 4096];
    let count = client.read(&mut answer).expect("an answer");
    let answer = String::from_utf8_lossy(&answer[..count]).to_ascii_lowercase();
    assert!(
        answer.starts_with("http/1.1 200 ") && answer.contains(&format!("x-got: {LENGTH}\r\n")),
        "{answer}"
    );
    let grown = gateway.usage().memory_peak.saturating_sub(before);
    assert!(grown < FLAT, "memory grew by {} KiB", grown >> 10);
}
