//! A backend that sends without end: its request fails, memory stays, its connection is closed, others are served.

use std::time::Duration;

use portcullis_testkit::h2::server::Connection;
use portcullis_testkit::h2::{Frame, flag, hpack, kind};
use portcullis_testkit::{Deadline, Request, Stopwatch, Wire};

use super::{gateway, public, scripted};
use crate::stage::Findings;

const MIB: u64 = 1 << 20;

type Script = fn(&mut Connection, u32);

fn bytes(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    Frame::new(kind, flags, stream, payload).bytes()
}

/// Each is more than a gateway may hold, and none ends the answer.
const FLOODS: &[(&str, Script)] = &[
    ("a head in continuations without end", |c, stream| {
        c.wire.frame(kind::HEADERS, 0, stream, [0x88]);
        let block = hpack::encode(&vec![(b"x-a".to_vec(), vec![b'a'; 16_000])]);
        c.flood(&bytes(kind::CONTINUATION, 0, stream, &block), 8_000);
    }),
    ("a head in empty continuations", |c, stream| {
        c.wire.frame(kind::HEADERS, 0, stream, [0x88]);
        c.flood(&bytes(kind::CONTINUATION, 0, stream, &[]), 2_000_000);
    }),
    ("a head of a mebibyte", |c, stream| {
        let mut fields = vec![(b":status".to_vec(), b"200".to_vec())];
        fields.extend((0..64).map(|number| (format!("x-{number}").into_bytes(), vec![b'a'; 16_384])));
        c.wire.fields(stream, &fields, true);
    }),
    ("a head of 20,000 fields", |c, stream| {
        let mut fields = vec![(b":status".to_vec(), b"200".to_vec())];
        fields.extend((0..20_000).map(|number| (format!("x{number}").into_bytes(), b"y".to_vec())));
        c.wire.fields(stream, &fields, true);
    }),
    ("a head that unfolds from one entry", |c, stream| {
        // 4,000 bytes once, and then as often as a byte for each can say.
        let mut block = vec![0x88, 0x40, 0x03];
        block.extend(b"x-a\x7f\xa1\x1e");
        block.extend([b'a'; 4_000]);
        block.extend([0xbe; 12_000]);
        c.wire.frame(kind::HEADERS, flag::END_HEADERS | flag::END_STREAM, stream, block);
    }),
    ("interim answers", |c, stream| {
        let block = hpack::encode(&vec![(b":status".to_vec(), b"103".to_vec())]);
        c.flood(&bytes(kind::HEADERS, flag::END_HEADERS, stream, &block), 500_000);
    }),
    ("settings", |c, _| c.flood(&bytes(kind::SETTINGS, 0, 0, &[0, 4, 0, 1, 0, 0]), 1_000_000)),
    ("pings", |c, _| c.flood(&bytes(kind::PING, 0, 0, &[0; 8]), 1_000_000)),
    ("wider windows", |c, _| c.flood(&bytes(kind::WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1]), 1_000_000)),
    ("priorities", |c, stream| c.flood(&bytes(kind::PRIORITY, 0, stream, &[0, 0, 0, 0, 1]), 1_000_000)),
    ("frames of no known kind", |c, stream| c.flood(&bytes(0xbe, 0, stream, &[0; 100]), 300_000)),
    ("empty content", |c, stream| {
        c.head(stream, "200", &[], false);
        c.flood(&bytes(kind::DATA, 0, stream, &[]), 2_000_000);
    }),
    ("resets of streams that are over", |c, stream| {
        c.reset_stream(stream, 2);
        c.flood(&bytes(kind::RST_STREAM, 0, stream, &[0, 0, 0, 8]), 1_000_000);
    }),
];

#[test]
fn a_backend_that_floods_costs_its_own_answer_and_nothing_else() {
    let server = scripted(|connection, stream, path| {
        let number: usize = path[1..].parse().expect("a number");
        FLOODS[number].1(connection, stream);
    });
    let gateway = gateway(&server);
    assert_eq!(Wire::Http1.send(public(&gateway), &Request::get("/after")).status, 200);
    let before = gateway.usage().memory_peak;
    let mut findings = Findings::default();
    for (number, (name, _)) in FLOODS.iter().enumerate() {
        let watch = Stopwatch::start();
        let outcome = Wire::Http1.try_send(public(&gateway), &Request::get(format!("/{number}")));
        let judged = match outcome {
            Ok(response) if response.status >= 502 && response.problem().is_some() => Ok(()),
            Ok(response) => Err(format!("{response:?}")),
            // The head was fine.
            Err(_) if name.ends_with("content") => Ok(()),
            Err(failure) => Err(failure.to_string()),
        };
        let in_time = watch.elapsed() < Duration::from_millis(1500);
        let late = || Err(format!("{:?}, most of the time an answer has", watch.elapsed()));
        findings.note(*name, judged.and_then(|()| if in_time { Ok(()) } else { late() }));
        let after = Wire::Http1.send(public(&gateway), &Request::get("/after"));
        assert_eq!(after.status, 200, "behind {name}");
    }
    findings.conclude(FLOODS.len());
    let grown = gateway.usage().memory_peak.saturating_sub(before);
    assert!(grown < 32 * MIB, "{} MiB more", grown / MIB);
    Deadline::soon()
        .poll("the end of every connection", || (server.closed() == server.opened()).then_some(()));
}
