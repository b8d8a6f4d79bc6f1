//! RFC 9113 §6.5 and §6.9: settings that are heeded, windows that are kept.

use std::net::TcpListener;
use std::time::Duration;

use portcullis_testkit::h2::{Client, Frame, code, flag, kind};
use portcullis_testkit::{Deadline, Reply, Request, raw};

use super::Expect::{Alive, Connection, Served, Stream as OnStream};
use super::{
    CONFIG, Case, FLOW, PROTOCOL, SIZE, f, fields, joined, on_stream, post, request, reset, settings, update,
    upload,
};
use crate::stage::Stage;

/// RFC 9113 §6.5, §6.9: what can be told by one answer.
pub(super) fn settings_and_windows() -> Vec<Case> {
    let most = (1 << 31) - 1;
    let ends = f(kind::DATA, flag::END_STREAM, 1, b"x");
    // An identifier that nobody has registered, a hundred times.
    let many = [0xf0, 0, 0, 0, 0, 1].repeat(100);
    vec![
        ("6.5", "SETTINGS are acknowledged", settings(3, 7), Alive),
        ("6.5", "an acknowledgement with a payload", f(kind::SETTINGS, 1, 0, [0; 6]), Connection(SIZE)),
        ("6.5", "SETTINGS on a stream", f(kind::SETTINGS, 0, 1, []), Connection(PROTOCOL)),
        ("6.5", "SETTINGS of seven bytes", f(kind::SETTINGS, 0, 0, [0; 7]), Connection(SIZE)),
        ("6.5", "SETTINGS of many values", joined![f(kind::SETTINGS, 0, 0, many), request(1)], Served(1)),
        (
            "6.5",
            "SETTINGS with unknown flags",
            joined![f(kind::SETTINGS, 0xfe, 0, []), request(1)],
            Served(1),
        ),
        ("6.5", "SETTINGS of five bytes", f(kind::SETTINGS, 0, 0, [0; 5]), Connection(SIZE)),
        ("6.5.2", "ENABLE_PUSH of 2", settings(2, 2), Connection(PROTOCOL)),
        ("6.5.2", "ENABLE_PUSH of 0", joined![settings(2, 0), request(1)], Served(1)),
        ("6.5.2", "ENABLE_PUSH of 1", joined![settings(2, 1), request(1)], Served(1)),
        ("6.5.2", "HEADER_TABLE_SIZE of 2^32-1", joined![settings(1, u32::MAX), request(1)], Served(1)),
        ("6.5.2", "MAX_CONCURRENT_STREAMS of 0", joined![settings(3, 0), request(1)], Served(1)),
        ("6.5.2", "INITIAL_WINDOW_SIZE of 2^31-1", joined![settings(4, most), request(1)], Served(1)),
        ("6.5.2", "INITIAL_WINDOW_SIZE beyond 2^31-1", settings(4, 1 << 31), Connection(FLOW)),
        ("6.5.2", "MAX_FRAME_SIZE of 2^14", joined![settings(5, 16_384), request(1)], Served(1)),
        ("6.5.2", "MAX_FRAME_SIZE of 2^24-1", joined![settings(5, (1 << 24) - 1), request(1)], Served(1)),
        ("6.5.2", "MAX_HEADER_LIST_SIZE of 1", joined![settings(6, 1), request(1)], Served(1)),
        ("8.5", "ENABLE_CONNECT_PROTOCOL from a client", joined![settings(8, 1), request(1)], Served(1)),
        ("6.5.2", "MAX_FRAME_SIZE below 2^14", settings(5, 16_383), Connection(PROTOCOL)),
        ("6.5.2", "MAX_FRAME_SIZE beyond 2^24-1", settings(5, 1 << 24), Connection(PROTOCOL)),
        ("6.5.2", "an unknown setting is ignored", joined![settings(0xff, 1), request(1)], Served(1)),
        (
            "6.5.3",
            "the last of several values counts",
            joined![settings(4, 0), settings(4, 100), request(1)],
            Served(1),
        ),
        ("6.9", "WINDOW_UPDATE", joined![update(0, 1), upload(1), update(1, 1), ends], Served(1)),
        (
            "6.9",
            "WINDOW_UPDATE with the reserved bit",
            joined![update(0, 1 << 31 | 1), request(1)],
            Served(1),
        ),
        ("6.9", "WINDOW_UPDATE of five bytes", f(kind::WINDOW_UPDATE, 0, 0, [0; 5]), Connection(SIZE)),
        ("6.9", "WINDOW_UPDATE of nothing on the connection", update(0, 0), Connection(PROTOCOL)),
        (
            "6.9",
            "WINDOW_UPDATE of nothing on a stream",
            joined![upload(1), update(1, 0)],
            OnStream(1, PROTOCOL),
        ),
        ("6.9", "WINDOW_UPDATE of three bytes", f(kind::WINDOW_UPDATE, 0, 0, [0; 3]), Connection(SIZE)),
        (
            "6.9.1",
            "a window of the connection of 2^31-1",
            joined![update(0, most - 65_535), request(1)],
            Served(1),
        ),
        (
            "6.9.1",
            "a window of a stream of 2^31-1",
            joined![upload(1), update(1, most - 65_535), ends],
            Served(1),
        ),
        (
            "6.9.1",
            "a window of the connection beyond 2^31-1",
            joined![update(0, most), update(0, most)],
            Connection(FLOW),
        ),
        (
            "6.9.1",
            "a window of a stream beyond 2^31-1",
            joined![upload(1), update(1, most), update(1, most)],
            OnStream(1, FLOW),
        ),
        (
            "6.9.2",
            "INITIAL_WINDOW_SIZE that overflows a window",
            joined![upload(1), update(1, most - 65_535), settings(4, most)],
            Connection(FLOW),
        ),
    ]
}

/// A connection that gives no leave by itself, with these settings.
fn reluctant(stage: &Stage, values: &[(u16, u32)]) -> Client {
    let mut client = Client::silent(raw::Client::connect(stage.public()));
    client.keep_windows();
    client.open(values);
    client
}

/// Reads `count` bytes of content on `stream`, and no more than those; says whether the stream has ended.
fn takes(client: &mut Client, stream: u32, count: usize) -> bool {
    let mut taken = 0;
    let mut ended = false;
    let mut asked = 0;
    while taken < count || asked < 2 {
        if taken == count {
            // Two rounds: what was to follow would have followed.
            client.frame(kind::PING, 0, 0, [0; 8]);
            asked += 1;
        }
        let wanted = |frame: &Frame| frame.kind == kind::DATA || frame.kind == kind::PING && asked > 0;
        let frame = client.find(Deadline::soon(), wanted).expect("a frame");
        if frame.kind == kind::DATA {
            assert!(frame.payload.len() <= 16_384, "a frame of {} bytes", frame.payload.len());
            assert_eq!(frame.stream, stream);
            taken += frame.payload.len();
            ended |= frame.has(flag::END_STREAM);
            assert!(taken <= count, "{taken} bytes, where {count} were allowed");
        }
    }
    ended
}

/// §6.9.1, §6.9.2: a window that opens, closes, and is below nothing.
#[test]
fn a_stream_sends_what_its_window_allows() {
    let stage = Stage::with(CONFIG);
    stage.backend.on("/body", Reply::ok([b'x'; 40]));
    let mut client = reluctant(&stage, &[(4, 10)]);
    let stream = client.request(&Request::get("/body"));
    assert!(!takes(&mut client, stream, 10));
    client.send(update(stream, 3));
    assert!(!takes(&mut client, stream, 3));
    client.send(settings(4, 12));
    assert!(!takes(&mut client, stream, 2));
    client.send(joined![settings(4, 2), update(stream, 10)]);
    assert!(!takes(&mut client, stream, 0), "ten bytes of debt are paid, and nothing is left");
    client.send(update(stream, 1));
    assert!(!takes(&mut client, stream, 1));
    client.send(update(stream, 1000));
    assert!(takes(&mut client, stream, 24));
}

/// §6.9.1: the window of the connection holds for all streams together.
#[test]
fn a_connection_sends_what_its_window_allows() {
    let stage = Stage::with(CONFIG);
    stage.backend.on("/body", Reply::ok(vec![b'x'; 100_000]));
    let mut client = reluctant(&stage, &[(4, 1 << 20)]);
    let stream = client.request(&Request::get("/body"));
    assert!(!takes(&mut client, stream, 65_535));
    client.send(update(stream, 1000));
    assert!(!takes(&mut client, stream, 0));
    client.send(update(0, 10));
    assert!(!takes(&mut client, stream, 10));
    client.send(update(0, 100_000));
    assert!(takes(&mut client, stream, 100_000 - 65_545));
}

/// §6.9: only content needs a window.
#[test]
fn an_answer_without_content_needs_no_window() {
    let stage = Stage::with(CONFIG);
    stage.backend.on("/nothing", Reply::raw("HTTP/1.1 204 No Content\r\n\r\n"));
    stage.backend.on("/empty", Reply::ok(""));
    let mut client = reluctant(&stage, &[(4, 0)]);
    for (request, status) in
        [(Request::get("/nothing"), 204), (Request::get("/empty"), 200), (Request::new("HEAD", "/"), 200)]
    {
        let stream = client.request(&request);
        let response = client.response(stream, Deadline::soon()).expect("an answer");
        assert_eq!((response.status, response.body.len()), (status, 0), "{request:?}");
    }
}

/// Who opens no window is cut after `write_idle`: that stream, and not its neighbours.
#[test]
fn a_stream_whose_window_stays_shut_is_ended() {
    let stage = Stage::with(&format!("{CONFIG}bounds: {{ write_idle: 1s }}\n"));
    stage.backend.on("/body", Reply::ok(vec![b'x'; 1 << 20]));
    let mut client = reluctant(&stage, &[(4, 0)]);
    let shut = client.request(&Request::get("/body"));
    let head = client.find(Deadline::soon(), |frame| frame.kind == kind::HEADERS).expect("a head");
    assert_eq!(head.stream, shut);
    client.decode(&head.payload).expect("a field section");
    let open = client.request(&Request::get("/open"));
    client.send(update(open, 1000));
    let response = client.response(open, Deadline::soon()).expect("an answer");
    assert_eq!(response.status, 200);
    let end = client.find(Deadline::soon(), |frame| frame.stream == shut).expect("its end");
    assert_eq!((end.kind, end.code()), (kind::RST_STREAM, Some(code::INTERNAL_ERROR)));
    stage.gateway.record("an aborted answer", |record| record["portcullis.decision"] == "aborted");
    let later = client.request(&Request::get("/later"));
    client.send(update(later, 1000));
    assert_eq!(client.response(later, Deadline::soon()).expect("an answer").status, 200);
}

/// §6.9.1: who sends more than it has leave for is cut. The backend takes nothing, so no leave is given.
#[test]
fn who_sends_beyond_the_window_is_cut() {
    let deaf = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let config = CONFIG.replace("BACKEND", &deaf.local_addr().expect("an address").to_string());
    let stage = Stage::with(&config);
    let mut client = reluctant(&stage, &[]);
    client.send(upload(1));
    let piece = f(kind::DATA, 0, 1, vec![0; 16_384]).repeat(16);
    let mut said = None;
    for _ in 0..400 {
        client.send(&piece);
        while let Ok(frame) = client.next(Deadline::after(Duration::from_millis(1))) {
            if matches!(frame.kind, kind::RST_STREAM | kind::GOAWAY) {
                said = said.or(frame.code());
            }
        }
        if said.is_some() {
            break;
        }
    }
    assert_eq!(said, Some(code::FLOW_CONTROL_ERROR));
}

/// §6.5.3: each SETTINGS is acknowledged. RFC 7541 §4.2: a smaller table is said to be smaller, and is.
#[test]
fn settings_are_acknowledged_and_heeded() {
    let stage = Stage::with(CONFIG);
    let mut client = reluctant(&stage, &[(1, 0)]);
    client.send(joined![settings(3, 7), settings(0xf00, 1), f(kind::PING, 0, 0, [0; 8])]);
    let mut acknowledged = 0;
    loop {
        let frame = client.next(Deadline::soon()).expect("a frame");
        match frame.kind {
            kind::SETTINGS if frame.has(flag::ACK) => acknowledged += 1,
            kind::PING => break,
            _ => {}
        }
    }
    assert_eq!(acknowledged, 3);
    let mut first = true;
    for number in 0..3 {
        let stream = client.request(&Request::get(format!("/{number}")));
        let head = client.find(Deadline::soon(), |frame| frame.kind == kind::HEADERS).expect("a head");
        assert_eq!(head.stream, stream);
        if first {
            assert_eq!(head.payload[0], 0x20, "the table is said to be empty");
            first = false;
        }
        // With a table of no bytes, whatever refers to an entry of it cannot be read.
        client.decode(&head.payload).expect("a field section");
    }
}

/// §5.4.1, §6.8: GOAWAY says which streams were served.
#[test]
fn the_last_word_names_the_last_stream() {
    let stage = Stage::with(CONFIG);
    let mut client = Client::connect(stage.public());
    client.send(request(7));
    client.response(7, Deadline::soon()).expect("an answer");
    client.send(f(kind::PING, 0, 0, [0; 7]));
    let last = client.find(Deadline::soon(), |frame| frame.kind == kind::GOAWAY).expect("a GOAWAY");
    assert_eq!((&last.payload[..4], last.code()), (&[0, 0, 0, 7][..], Some(code::FRAME_SIZE_ERROR)));
    client.closed(Deadline::soon()).expect("closed");
}

/// The server's windows as its client counts them.
struct Room {
    connection: i64,
    stream: i64,
}

impl Room {
    /// Waits until `bytes` may be sent on `stream`, and takes them.
    fn take(&mut self, client: &mut Client, stream: u32, bytes: i64) {
        while self.connection.min(self.stream) < bytes {
            let update = client.find(Deadline::soon(), |frame| frame.kind == kind::WINDOW_UPDATE);
            self.heed(&update.expect("leave to send more"), stream);
        }
        self.connection -= bytes;
        self.stream -= bytes;
    }

    fn heed(&mut self, update: &Frame, stream: u32) {
        let increment = u32::from_be_bytes(update.payload[..4].try_into().expect("four bytes"));
        match update.stream {
            0 => self.connection += i64::from(increment),
            own if own == stream => self.stream += i64::from(increment),
            _ => {}
        }
    }
}

/// §6.1, §6.9.1: padding is counted, and its room is given back.
#[test]
fn the_room_of_padding_is_given_back() {
    let stage = Stage::with(CONFIG);
    let mut client = Client::connect(stage.public());
    client.send(upload(1));
    let mut room = Room { connection: 65_535, stream: 256 << 10 };
    let frame = f(kind::DATA, flag::PADDED, 1, [&[255, b'x'][..], &[0; 255]].concat());
    for _ in 0..60 {
        room.take(&mut client, 1, 257 * 100);
        client.send(frame.repeat(100));
    }
    client.send(f(kind::DATA, flag::END_STREAM, 1, b"y"));
    assert_eq!(client.response(1, Deadline::soon()).expect("an answer").status, 200);
    assert_eq!(stage.backend.messages()[0].body.len(), 6_001);
}

/// §6.9: what was sent on streams that were refused, or reset, takes no room from those behind them.
#[test]
fn the_room_of_streams_that_ended_is_given_back() {
    let stage = Stage::start();
    let mut client = Client::connect(stage.public());
    let mut room = Room { connection: 65_535, stream: 0 };
    let refused =
        fields(&[(":method", "POST"), (":scheme", "http"), (":path", "/admin/x"), (":authority", "gw.test")]);
    let piece = f(kind::DATA, 0, 1, vec![0; 16_000]);
    for number in 0..60 {
        let stream = number * 2 + 1;
        room.stream = 256 << 10;
        let head = if number % 2 == 0 { refused.clone() } else { post(&[]) };
        client.send(f(kind::HEADERS, flag::END_HEADERS, stream, head));
        for _ in 0..4 {
            room.take(&mut client, stream, 16_000);
            client.send(on_stream(piece.clone(), stream));
        }
        client.send(reset(stream));
    }
    // Two mebibytes more, for which all of the room is needed more than once.
    let last = client.stream() + 1_000;
    room.stream = 256 << 10;
    client.send(f(kind::HEADERS, flag::END_HEADERS, last, post(&[])));
    for _ in 0..130 {
        room.take(&mut client, last, 16_000);
        client.send(on_stream(piece.clone(), last));
    }
    client.send(on_stream(f(kind::DATA, flag::END_STREAM, 1, b""), last));
    assert_eq!(client.response(last, Deadline::soon()).expect("an answer").status, 200);
}
