//! Bodies of any size in bounded memory: who does not read is not read for.

use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

use portcullis_testkit::h2::server::{Server, field};
use portcullis_testkit::h2::{self, flag, kind};
use portcullis_testkit::recorder::Gate;
use portcullis_testkit::{Deadline, Request};

use super::{gateway, public};

const MIB: u64 = 1 << 20;

/// A backend that gives no room beyond the first window.
#[test]
fn a_backend_that_takes_nothing_stops_its_client() {
    let gate = Gate::new();
    let waiting = gate.clone();
    let server = Server::start(move |_, mut connection| {
        if connection.open(&[]).is_ok() && connection.request(Deadline::soon()).is_ok() {
            waiting.wait(Deadline::soon());
        }
    });
    let gateway = gateway(&server);
    let before = gateway.usage().memory_peak;
    let mut client = TcpStream::connect(public(&gateway)).expect("a listener");
    client
        .write_all(b"POST / HTTP/1.1\r\nHost: gw.test\r\nContent-Length: 200000000\r\n\r\n")
        .expect("written");
    client.set_write_timeout(Some(Duration::from_millis(700))).expect("a socket");
    let piece = vec![b'x'; 256 << 10];
    let mut sent = 0;
    // Until it blocks, or until the gateway has waited long enough for the backend.
    while let Ok(count) = client.write(&piece) {
        sent += count as u64;
    }
    // Most of it lies in the kernel's buffers of this machine.
    assert!(sent < 16 * MIB, "{} MiB were taken", sent / MIB);
    // An eighth of the body: the allocator rounds up, by up to some 10 MiB, when many small pieces come at once.
    let grown = gateway.usage().memory_peak.saturating_sub(before);
    assert!(grown < 24 * MIB, "{} MiB more", grown / MIB);
    gate.open();
}

/// A client that gives no room beyond the first window: its backend waits, other clients do not.
#[test]
fn a_client_that_takes_nothing_stops_its_answer_alone() {
    let server = Server::start(|_, mut connection| {
        if connection.open(&[]).is_err() {
            return;
        }
        let piece = vec![b'y'; 64 << 10];
        while let Ok((stream, fields, _)) = connection.request(Deadline::soon()) {
            match field(&fields, ":path") {
                Some(b"/small") => connection.answer(stream, b"small"),
                _ => {
                    connection.head(stream, "200", &[], false);
                    // As much as the stream's window, and no end.
                    connection.content(stream, &piece, false);
                }
            }
        }
    });
    let gateway = gateway(&server);
    let before = gateway.usage().memory_peak;
    let mut deaf: Vec<TcpStream> = (0..20)
        .map(|_| {
            let mut client = TcpStream::connect(public(&gateway)).expect("a listener");
            client.write_all(&Request::get("/large").http1()).expect("written");
            client
        })
        .collect();
    for _ in 0..5 {
        let response = portcullis_testkit::Wire::Http1.send(public(&gateway), &Request::get("/small"));
        assert_eq!(response.body, b"small");
    }
    let grown = gateway.usage().memory_peak.saturating_sub(before);
    // Twenty windows, and up to some 10 MiB by which the allocator rounds up.
    assert!(grown < 24 * MIB, "{} MiB more", grown / MIB);
    deaf.clear();
}

const BODY: u64 = 200 * MIB;

#[test]
fn a_large_body_goes_each_way_in_the_memory_of_a_small_one() {
    let server = Server::start(|_, mut connection| {
        if connection.open(&[]).is_err() {
            return;
        }
        let piece = vec![b'y'; 1 << 20];
        while let Ok((stream, _, is_whole)) = connection.request(Deadline::soon()) {
            if is_whole {
                connection.head(stream, "200", &[("content-length", &BODY.to_string())], false);
                for number in 1..=BODY / MIB {
                    connection.content(stream, &piece, number == BODY / MIB);
                }
                continue;
            }
            let mut received = 0_u64;
            loop {
                let frame = connection.wire.next(Deadline::soon()).expect("more of the request");
                if frame.kind == kind::DATA {
                    received += frame.payload.len() as u64;
                    if frame.has(flag::END_STREAM) {
                        break;
                    }
                }
            }
            connection.answer(stream, received.to_string().as_bytes());
        }
    });
    let gateway = gateway(&server);
    let before = gateway.usage().memory_peak;
    let mut client = h2::Client::connect(public(&gateway));
    let up = client.stream();
    client.fields(up, &h2::request_fields(&Request::new("POST", "/up")), false);
    let piece = vec![b'x'; 1 << 20];
    for number in 1..=BODY / MIB {
        assert!(client.content(up, &piece, number == BODY / MIB), "the gateway takes it all");
    }
    let answer = client.response(up, Deadline::soon()).expect("an answer");
    assert_eq!((answer.status, answer.body), (200, BODY.to_string().into_bytes()));
    let down = client.request(&Request::get("/down"));
    let mut received = 0_u64;
    loop {
        let frame = client.next(Deadline::soon()).expect("more of the answer");
        if frame.stream == down && frame.kind == kind::DATA {
            received += frame.payload.len() as u64;
            if frame.has(flag::END_STREAM) {
                break;
            }
        }
    }
    assert_eq!(received, BODY);
    let grown = gateway.usage().memory_peak.saturating_sub(before);
    assert!(grown < 32 * MIB, "{} MiB more", grown / MIB);
}
