//! RFC 9113 §4 to §7: framing, streams, frames by kind, error codes.

use portcullis_testkit::h2::hpack::{indexed, literal_indexed};
use portcullis_testkit::h2::{flag, kind};

use super::Expect::{Alive, Connection, Finishes, Served, Stream as OnStream};
use super::{
    AFTER_END, CLOSED, CLOSED_OR_PROTOCOL, COMPRESSION, Case, PROTOCOL, REFUSED, SIZE, announced, block, f,
    fields, get, joined, on_stream, request, reset, settings, update, upload,
};

/// RFC 9113 §4.
pub(super) fn framing() -> Vec<Case> {
    let whole = get("/");
    let (first, rest) = whole.split_at(9);
    let (second, third) = rest.split_at(9);
    let open = |bytes: &[u8]| f(kind::HEADERS, flag::END_STREAM, 1, bytes);
    // A cookie makes it as long as a frame may be.
    let crumb = "c".repeat(16_384 - whole.len() - 201 - "\0\x06cookie\x7f\x00\x00".len());
    let large = joined![whole, fields(&[("cookie", &crumb)])];
    let more = |flags, stream, bytes: &[u8]| f(kind::CONTINUATION, flags, stream, bytes);
    vec![
        ("4.1", "an unknown frame is ignored", joined![f(0x16, 0xff, 0, b"any"), request(1)], Served(1)),
        (
            "4.1",
            "an unknown frame on a stream is ignored",
            joined![upload(1), f(0x16, 0, 1, b"any"), f(kind::DATA, 1, 1, b"x")],
            Served(1),
        ),
        ("4.1", "unknown flags are ignored", joined![f(kind::PING, 0xfe, 0, [0; 8]), request(1)], Served(1)),
        (
            "4.1",
            "the reserved bit is ignored",
            joined![on_stream(f(kind::PING, 0, 0, [0; 8]), 1 << 31), on_stream(request(1), 1 << 31 | 1)],
            Served(1),
        ),
        (
            "4.2",
            "a DATA frame of 16 KiB",
            joined![upload(1), f(kind::DATA, 1, 1, vec![0; 16_384])],
            Served(1),
        ),
        (
            "4.2",
            "a DATA frame beyond 16 KiB",
            joined![upload(1), f(kind::DATA, 1, 1, vec![0; 16_385])],
            OnStream(1, SIZE),
        ),
        (
            "4.2",
            "a HEADERS frame of 16 KiB",
            f(kind::HEADERS, 0xd, 1, [&[200][..], &large, &[0; 200]].concat()),
            Served(1),
        ),
        ("4.2", "a HEADERS frame beyond 16 KiB", f(kind::HEADERS, 5, 1, vec![0; 16_385]), Connection(SIZE)),
        ("4.2", "a SETTINGS frame beyond 16 KiB", f(kind::SETTINGS, 0, 0, vec![0; 16_386]), Connection(SIZE)),
        ("4.2", "an unknown frame of 16 KiB", joined![f(0x16, 0, 0, vec![0; 16_384]), request(1)], Served(1)),
        ("4.2", "an unknown frame beyond 16 KiB", f(0x16, 0, 0, vec![0; 16_385]), Connection(SIZE)),
        ("4.3", "a block that cannot be decoded", block([0x40]), Connection(COMPRESSION)),
        (
            "4.3",
            "a refused stream's block is decoded for those behind it",
            joined![
                block([&get("/")[..], &literal_indexed(b"connection", b"close")].concat()),
                on_stream(block([&get("/")[..], &literal_indexed(b"x-fine", b"1")].concat()), 3),
                on_stream(block([&get("/")[..], &indexed(62)].concat()), 5),
            ],
            Served(5),
        ),
        (
            "4.3",
            "a block in three fragments",
            joined![open(first), more(0, 1, second), more(flag::END_HEADERS, 1, third)],
            Served(1),
        ),
        (
            "4.3",
            "a block in fragments of which some are empty",
            joined![open(&[]), more(0, 1, &whole), more(flag::END_HEADERS, 1, &[])],
            Served(1),
        ),
        (
            "4.3",
            "PRIORITY within a block",
            joined![open(first), f(kind::PRIORITY, 0, 1, [0, 0, 0, 0, 9]), more(4, 1, rest)],
            Connection(PROTOCOL),
        ),
        (
            "4.3",
            "another stream's HEADERS within a block",
            joined![open(first), request(3)],
            Connection(PROTOCOL),
        ),
        (
            "4.3",
            "another stream's CONTINUATION within a block",
            joined![open(first), more(4, 3, rest)],
            Connection(PROTOCOL),
        ),
        ("4.3", "DATA within a block", joined![open(first), f(kind::DATA, 0, 1, b"x")], Connection(PROTOCOL)),
        (
            "4.3",
            "PING within a block",
            joined![open(first), f(kind::PING, 0, 0, [0; 8])],
            Connection(PROTOCOL),
        ),
        ("4.3", "SETTINGS within a block", joined![open(first), settings(3, 7)], Connection(PROTOCOL)),
        ("4.3", "RST_STREAM within a block", joined![open(first), reset(1)], Connection(PROTOCOL)),
        ("4.3", "WINDOW_UPDATE within a block", joined![open(first), update(0, 1)], Connection(PROTOCOL)),
        (
            "5.5",
            "an unknown frame within a block",
            joined![open(first), f(0x16, 0, 1, b"any"), more(4, 1, rest)],
            Connection(PROTOCOL),
        ),
    ]
}

/// RFC 9113 §5.
pub(super) fn streams() -> Vec<Case> {
    let data = |stream| f(kind::DATA, 0, stream, b"x");
    let continuation = |stream| f(kind::CONTINUATION, flag::END_HEADERS, stream, get("/"));
    let priority = |stream, on: u32| f(kind::PRIORITY, 0, stream, [&on.to_be_bytes()[..], &[9]].concat());
    let trailers = |stream| f(kind::HEADERS, 5, stream, fields(&[("x-sum", "1")]));
    let most: Vec<u8> = (0..100).flat_map(|n| upload(n * 2 + 1)).collect();
    let ends: Vec<u8> = (0..100).flat_map(|n| reset(n * 2 + 1)).collect();
    vec![
        ("5.1", "DATA on an idle stream", data(1), Connection(PROTOCOL)),
        ("5.1", "RST_STREAM on an idle stream", reset(1), Connection(PROTOCOL)),
        ("5.1", "WINDOW_UPDATE on an idle stream", update(1, 1), Connection(PROTOCOL)),
        ("5.1", "CONTINUATION on an idle stream", continuation(1), Connection(PROTOCOL)),
        ("5.1", "PRIORITY on an idle stream", joined![priority(1, 0), request(1)], Served(1)),
        ("5.1", "DATA after END_STREAM", joined![request(1), data(1)], OnStream(1, AFTER_END)),
        (
            "5.1",
            "DATA after END_STREAM of DATA",
            joined![upload(1), f(kind::DATA, 1, 1, b"x"), data(1)],
            OnStream(1, AFTER_END),
        ),
        ("5.1", "HEADERS after END_STREAM", joined![request(1), request(1)], OnStream(1, AFTER_END)),
        ("5.1", "RST_STREAM after END_STREAM", joined![request(1), reset(1), request(3)], Served(3)),
        (
            "5.1",
            "CONTINUATION after END_HEADERS",
            joined![request(1), continuation(1)],
            OnStream(1, CLOSED_OR_PROTOCOL),
        ),
        ("5.1", "WINDOW_UPDATE after END_STREAM", joined![request(1), update(1, 1)], Served(1)),
        ("5.1", "PRIORITY after END_STREAM", joined![request(1), priority(1, 3)], Served(1)),
        (
            "5.1",
            "DATA after the client's RST_STREAM",
            joined![upload(1), reset(1), data(1)],
            OnStream(1, CLOSED),
        ),
        (
            "5.1",
            "HEADERS after the client's RST_STREAM",
            joined![upload(1), reset(1), request(1)],
            OnStream(1, AFTER_END),
        ),
        (
            "5.1",
            "CONTINUATION after RST_STREAM",
            joined![upload(1), reset(1), continuation(1)],
            OnStream(1, CLOSED_OR_PROTOCOL),
        ),
        ("5.1", "PRIORITY after RST_STREAM", joined![upload(1), reset(1), priority(1, 0)], Alive),
        ("5.1", "WINDOW_UPDATE after RST_STREAM", joined![upload(1), reset(1), update(1, 1)], Alive),
        ("5.1", "RST_STREAM after RST_STREAM", joined![upload(1), reset(1), reset(1)], Alive),
        (
            "5.1",
            "DATA on its way when the server resets its stream",
            joined![
                announced("1"),
                f(kind::DATA, 0, 1, b"xy"),
                data(1),
                f(kind::DATA, 1, 1, b"z"),
                request(3)
            ],
            Served(3),
        ),
        (
            "5.1",
            "trailers on their way when the server resets their stream",
            joined![announced("1"), f(kind::DATA, 0, 1, b"xy"), trailers(1), request(3)],
            Served(3),
        ),
        ("5.1.1", "a stream of the server's kind", request(2), Connection(PROTOCOL)),
        ("5.1.1", "the last stream there is", request((1 << 31) - 1), Finishes((1 << 31) - 1)),
        ("5.1.1", "DATA on a stream that was skipped", joined![request(5), data(3)], OnStream(3, CLOSED)),
        (
            "5.1.1",
            "a stream below one that was opened",
            joined![request(5), request(3)],
            Connection(CLOSED_OR_PROTOCOL),
        ),
        ("5.1.1", "streams may be skipped", joined![request(1), request(9)], Served(9)),
        ("5.1.2", "as many streams as there may be", joined![most, f(kind::DATA, 1, 199, b"x")], Served(199)),
        ("5.1.2", "one stream too many", joined![most, upload(201), ends], OnStream(201, REFUSED)),
        (
            "8.7",
            "a stream that was refused may come again",
            joined![most, upload(201), ends, request(203)],
            Served(203),
        ),
        (
            "5.3.2",
            "PRIORITY with the exclusive flag",
            joined![priority(1, 1 << 31 | 3), request(1)],
            Served(1),
        ),
        (
            "5.3.2",
            "PRIORITY of many weights",
            joined![f(kind::PRIORITY, 0, 3, [0; 5]), f(kind::PRIORITY, 0, 3, [0, 0, 0, 0, 255]), request(1)],
            Served(1),
        ),
        (
            "5.3.2",
            "HEADERS that depend on a stream that is not there",
            f(kind::HEADERS, 0x25, 1, [&[0x80, 0, 0, 99, 255][..], &get("/")].concat()),
            Served(1),
        ),
        (
            "5.3.1",
            "PRIORITY of a stream on itself",
            joined![request(1), priority(1, 1)],
            OnStream(1, PROTOCOL),
        ),
        (
            "5.3.1",
            "HEADERS of a stream on itself",
            f(kind::HEADERS, 0x25, 1, [&[0, 0, 0, 1, 9][..], &get("/")].concat()),
            OnStream(1, PROTOCOL),
        ),
    ]
}

/// RFC 9113 §6.1 to §6.4, §6.6 to §6.8, §6.10.
pub(super) fn frames_by_kind() -> Vec<Case> {
    let padded =
        |kind, flags, pad: u8, rest: &[u8]| f(kind, flags | flag::PADDED, 1, [&[pad][..], rest].concat());
    let good = get("/");
    let data = f(kind::DATA, 0, 1, b"x");
    vec![
        ("6.1", "DATA on the connection", f(kind::DATA, 0, 0, b"x"), Connection(PROTOCOL)),
        ("6.1", "DATA with padding", joined![upload(1), padded(kind::DATA, 1, 3, b"xy\0\0\0")], Served(1)),
        (
            "6.1",
            "DATA that is all padding",
            joined![upload(1), padded(kind::DATA, 1, 3, b"\0\0\0")],
            Served(1),
        ),
        (
            "6.1",
            "DATA with more padding than payload",
            joined![upload(1), padded(kind::DATA, 1, 4, b"\0\0\0")],
            Connection(PROTOCOL),
        ),
        (
            "6.1",
            "DATA with the flag and no pad length",
            joined![upload(1), f(kind::DATA, 9, 1, [])],
            Connection(SIZE),
        ),
        (
            "6.1",
            "DATA with padding that is not zero",
            joined![upload(1), padded(kind::DATA, 1, 3, b"xy\x01\x02\x03")],
            Served(1),
        ),
        (
            "6.1",
            "DATA in many frames",
            joined![upload(1), data.repeat(50), f(kind::DATA, 1, 1, b"x")],
            Served(1),
        ),
        (
            "6.1",
            "DATA behind a GET",
            joined![f(kind::HEADERS, 4, 1, &good), f(kind::DATA, 1, 1, b"x")],
            Served(1),
        ),
        ("6.1", "DATA of nothing that ends", joined![upload(1), f(kind::DATA, 1, 1, [])], Served(1)),
        (
            "6.2",
            "HEADERS with padding",
            padded(kind::HEADERS, 5, 2, &[&good[..], &[0, 0]].concat()),
            Served(1),
        ),
        (
            "6.2",
            "HEADERS with priority",
            f(kind::HEADERS, 0x25, 1, [&[0, 0, 0, 0, 9][..], &good].concat()),
            Served(1),
        ),
        (
            "6.2",
            "HEADERS with padding and priority",
            padded(kind::HEADERS, 0x25, 1, &[&[0, 0, 0, 0, 9][..], &good, &[0]].concat()),
            Served(1),
        ),
        ("6.2", "HEADERS with the flag and no pad length", f(kind::HEADERS, 0xd, 1, []), Connection(SIZE)),
        ("6.2", "HEADERS with less than a priority", f(kind::HEADERS, 0x25, 1, [0; 4]), Connection(SIZE)),
        ("6.2", "HEADERS on the connection", on_stream(request(1), 0), Connection(PROTOCOL)),
        (
            "6.2",
            "HEADERS with more padding than payload",
            padded(kind::HEADERS, 5, 200, &good),
            Connection(PROTOCOL),
        ),
        ("6.3", "PRIORITY on the connection", f(kind::PRIORITY, 0, 0, [0, 0, 0, 0, 9]), Connection(PROTOCOL)),
        (
            "6.3",
            "PRIORITY of four bytes",
            joined![upload(1), f(kind::PRIORITY, 0, 1, [0; 4])],
            OnStream(1, SIZE),
        ),
        (
            "6.3",
            "PRIORITY of six bytes",
            joined![upload(1), f(kind::PRIORITY, 0, 1, [0; 6])],
            OnStream(1, SIZE),
        ),
        (
            "6.3",
            "PRIORITY of five bytes",
            joined![upload(1), f(kind::PRIORITY, 0, 1, [0, 0, 0, 0, 9]), f(kind::DATA, 1, 1, b"x")],
            Served(1),
        ),
        ("6.4", "RST_STREAM", joined![upload(1), reset(1), request(3)], Served(3)),
        (
            "6.4",
            "RST_STREAM of five bytes",
            joined![upload(1), f(kind::RST_STREAM, 0, 1, [0; 5])],
            Connection(SIZE),
        ),
        ("6.4", "RST_STREAM on the connection", reset(0), Connection(PROTOCOL)),
        (
            "6.4",
            "RST_STREAM of three bytes",
            joined![upload(1), f(kind::RST_STREAM, 0, 1, [0; 3])],
            Connection(SIZE),
        ),
        (
            "7",
            "RST_STREAM with an unknown code",
            joined![upload(1), f(kind::RST_STREAM, 0, 1, [9; 4]), request(3)],
            Served(3),
        ),
        (
            "6.6",
            "PUSH_PROMISE from a client",
            joined![upload(1), f(kind::PUSH_PROMISE, 4, 1, [&[0, 0, 0, 2][..], &good].concat())],
            Connection(PROTOCOL),
        ),
        (
            "6.6",
            "PUSH_PROMISE on the connection",
            f(kind::PUSH_PROMISE, 4, 0, [&[0, 0, 0, 2][..], &good].concat()),
            Connection(PROTOCOL),
        ),
        ("6.7", "PING", f(kind::PING, 0, 0, [7; 8]), Alive),
        (
            "6.7",
            "PING that acknowledges nothing",
            joined![f(kind::PING, 1, 0, [7; 8]), request(1)],
            Served(1),
        ),
        ("6.7", "PING on a stream", f(kind::PING, 0, 1, [0; 8]), Connection(PROTOCOL)),
        ("6.7", "PING of six bytes", f(kind::PING, 0, 0, [0; 6]), Connection(SIZE)),
        ("6.7", "PING of nine bytes", f(kind::PING, 0, 0, [0; 9]), Connection(SIZE)),
        ("6.7", "an acknowledgement of six bytes", f(kind::PING, 1, 0, [0; 6]), Connection(SIZE)),
        ("6.8", "GOAWAY of seven bytes", f(kind::GOAWAY, 0, 0, [0; 7]), Connection(SIZE)),
        ("6.8", "GOAWAY on a stream", f(kind::GOAWAY, 0, 1, [0; 8]), Connection(PROTOCOL)),
        (
            "6.8",
            "GOAWAY, and the streams before it are served",
            joined![request(1), f(kind::GOAWAY, 0, 0, [0; 8])],
            Finishes(1),
        ),
        (
            "7",
            "GOAWAY with an unknown code",
            joined![request(1), f(kind::GOAWAY, 0, 0, [0, 0, 0, 0, 0xff, 0, 0, 0xff])],
            Finishes(1),
        ),
        (
            "6.8",
            "GOAWAY with something to read",
            joined![request(1), f(kind::GOAWAY, 0, 0, b"\0\0\0\0\0\0\0\0bye")],
            Finishes(1),
        ),
        (
            "6.10",
            "CONTINUATION on the connection",
            joined![f(kind::HEADERS, 1, 1, &good), f(kind::CONTINUATION, 4, 0, [])],
            Connection(PROTOCOL),
        ),
        (
            "6.10",
            "CONTINUATION of all the rest, with flags that it does not have",
            joined![f(kind::HEADERS, 1, 1, []), f(kind::CONTINUATION, 0xff, 1, &good)],
            Served(1),
        ),
        (
            "6.10",
            "CONTINUATION of trailers",
            joined![
                upload(1),
                f(kind::HEADERS, 1, 1, []),
                f(kind::CONTINUATION, 4, 1, fields(&[("x-sum", "1")]))
            ],
            Served(1),
        ),
        (
            "6.10",
            "CONTINUATION without HEADERS",
            joined![upload(1), f(kind::DATA, 0, 1, b"x"), f(kind::CONTINUATION, 4, 1, &good)],
            Connection(PROTOCOL),
        ),
        (
            "6.10",
            "CONTINUATION after a block that ended in one",
            joined![
                f(kind::HEADERS, 0, 1, &good),
                f(kind::CONTINUATION, 4, 1, []),
                f(kind::CONTINUATION, 4, 1, &good)
            ],
            Connection(PROTOCOL),
        ),
    ]
}
