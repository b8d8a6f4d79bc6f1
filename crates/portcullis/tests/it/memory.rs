//! No input makes memory grow by more than 100 times its bytes or 256 MiB: a table of what costs the most to hold.

use std::net::SocketAddr;

use portcullis_testkit::gateway::Builder;
use portcullis_testkit::h2::{self, flag, kind};
use portcullis_testkit::{Deadline, Recorder, Request, Wire, raw};

use crate::stage::{CONFIG, Findings, executable};

const MIB: u64 = 1 << 20;
/// What may be added whatever the input is.
const GROWTH_MAX: u64 = 256 * MIB;
/// Bytes that one byte of input may cost.
const FACTOR_MAX: u64 = 100;
/// What a process takes on for its first connections of a kind, once.
const WARM_UP: u64 = 4 * MIB;
/// Known to cost more, with a factor they stay below: some 12 KiB for each stream while its backend is asked, and the
/// bookkeeping of small pieces that wait for their backend, 2 MiB for each connection.
const KNOWN: &[(&str, u64)] = &[("streams with heads alone", 250), ("streams of small pieces of body", 200)];

/// Something said to the gateway and held open, and how many bytes it was.
enum Held {
    Http1(Vec<raw::Client>),
    Http2(Vec<h2::Client>),
}

type Input = fn(SocketAddr) -> (u64, Held);

/// Says `bytes` on `count` connections.
fn http1(address: SocketAddr, count: u64, bytes: &[u8]) -> (u64, Held) {
    let mut clients: Vec<raw::Client> = (0..count).map(|_| raw::Client::connect(address)).collect();
    for client in &mut clients {
        client.send(bytes);
    }
    (count * bytes.len() as u64, Held::Http1(clients))
}

/// Opens `streams` on each of `count` connections, each with this head and body, none of them ended.
fn http2(address: SocketAddr, count: u64, streams: u64, fields: &[(&str, &str)], body: &[u8]) -> (u64, Held) {
    let pseudo = [(":method", "POST"), (":scheme", "http"), (":authority", "gw.test"), (":path", "/held")];
    let fields: Vec<(Vec<u8>, Vec<u8>)> = [&pseudo[..], fields]
        .concat()
        .iter()
        .map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec()))
        .collect();
    let head: u64 = fields.iter().map(|(name, value)| (name.len() + value.len() + 3) as u64).sum();
    let mut clients: Vec<h2::Client> = (0..count).map(|_| h2::Client::connect(address)).collect();
    for client in &mut clients {
        for _ in 0..streams {
            let stream = client.stream();
            client.fields(stream, &fields, false);
            for piece in body {
                client.frame(kind::DATA, 0, stream, [*piece]);
            }
        }
    }
    (count * streams * (9 + head + body.len() as u64 * 10), Held::Http2(clients))
}

const POST: &str = "POST /held HTTP/1.1\r\nHost: gw.test\r\nTransfer-Encoding: chunked\r\n\r\n";

const INPUTS: &[(&str, Input)] = &[
    ("heads of the smallest fields, unended", |to| {
        http1(to, 200, format!("GET / HTTP/1.1\r\nHost: a\r\n{}", "a:\r\n".repeat(90)).as_bytes())
    }),
    ("one field as long as a line may be, unended", |to| {
        http1(to, 200, format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}", "a".repeat(16_000)).as_bytes())
    }),
    ("heads as large as they may be, unended", |to| {
        let field = format!("X: {}\r\n", "a".repeat(4000));
        http1(to, 200, format!("GET / HTTP/1.1\r\nHost: a\r\n{}", field.repeat(16)).as_bytes())
    }),
    ("fields that are repeated", |to| {
        http1(to, 200, format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "Cookie: a\r\n".repeat(95)).as_bytes())
    }),
    ("bodies in chunks of one byte", |to| {
        http1(to, 200, format!("{POST}{}", "1\r\na\r\n".repeat(4000)).as_bytes())
    }),
    ("chunk extensions", |to| http1(to, 200, format!("{POST}1;{}\r\na\r\n", "x".repeat(4000)).as_bytes())),
    ("trailers, unended", |to| {
        http1(to, 200, format!("{POST}1\r\na\r\n0\r\n{}", "a: b\r\n".repeat(60)).as_bytes())
    }),
    ("pipelined requests", |to| {
        http1(to, 100, "GET /p HTTP/1.1\r\nHost: gw.test\r\n\r\n".repeat(1000).as_bytes())
    }),
    ("nonsense", |to| http1(to, 200, &[0xff; 60_000])),
    ("paths of nothing but escapes", |to| {
        http1(to, 200, format!("GET /{} HTTP/1.1\r\nHost: gw.test\r\n\r\n", "%41/".repeat(3900)).as_bytes())
    }),
    ("streams with heads alone", |to| http2(to, 20, 100, &[], b"")),
    ("streams of small pieces of body", |to| http2(to, 20, 50, &[], &[b'a'; 50])),
    ("cookie crumbs", |to| http2(to, 20, 100, &[("cookie", "a=1"); 60], b"")),
    ("long fields in each stream", |to| {
        let value: &'static str = Box::leak("a".repeat(4000).into_boxed_str());
        http2(to, 20, 90, &[("x-a", value), ("x-b", value)], b"")
    }),
    ("a field of the dynamic table, over and over", |to| {
        let mut clients: Vec<h2::Client> = (0..20).map(|_| h2::Client::connect(to)).collect();
        let mut bytes = 0;
        for client in &mut clients {
            // `:method POST`, `:scheme http`, `:path /`, `:authority`, and then a field that is kept as number 62.
            let mut first = vec![0x83, 0x86, 0x84, 0x01, 7];
            first.extend(b"gw.test");
            let mut later = first.clone();
            first.extend([0x40, 1, b'x', 0x7f, 0xa1, 0x1e]);
            first.extend([b'a'; 4000]);
            later.extend([0xbe; 90]);
            for number in 0..100 {
                let block = if number == 0 { &first } else { &later };
                let stream = client.stream();
                client.frame(kind::HEADERS, flag::END_HEADERS, stream, block);
                bytes += 9 + block.len() as u64;
            }
        }
        (bytes, Held::Http2(clients))
    }),
];

#[test]
fn no_input_costs_more_than_a_hundred_times_its_bytes_or_256_mebibytes() {
    let mut findings = Findings::default();
    for (name, input) in INPUTS {
        let known = KNOWN.iter().find(|(known, _)| known == name);
        findings.note(name, judge(*input, known.map_or(FACTOR_MAX, |(_, factor)| *factor)));
    }
    findings.conclude(15);
}

/// A gateway of its own for each input, so that its peak is that input's.
fn judge(input: Input, factor: u64) -> Result<(), String> {
    let backend = Recorder::start();
    let config = CONFIG.replace("BACKEND", &backend.address().to_string());
    let gateway = Builder::new(executable(), config).start();
    let address = gateway.address("public");
    for wire in Wire::ALL {
        wire.send(address, &Request::get("/first"));
    }
    let before = gateway.usage().memory;
    let (bytes, held) = input(address);
    // Answered behind all of that: it has been taken in as far as it will be.
    for _ in 0..3 {
        let answer = Wire::Http1.try_send(address, &Request::get("/after"));
        answer.map_err(|failure| format!("it serves nobody else: {failure}"))?;
    }
    Deadline::soon().poll("memory at rest", || {
        let first = gateway.usage().memory;
        std::thread::sleep(std::time::Duration::from_millis(50));
        (gateway.usage().memory <= first).then_some(())
    });
    let grown = gateway.usage().memory_peak.saturating_sub(before);
    let most = (bytes * factor).clamp(WARM_UP, GROWTH_MAX);
    let connections = match &held {
        Held::Http1(clients) => clients.len(),
        Held::Http2(clients) => clients.len(),
    };
    drop(held);
    if grown > most {
        return Err(format!("{} KiB for {bytes} bytes on {connections} connections", grown >> 10));
    }
    Ok(())
}
