//! HTTP/2 frame by frame: what RFC 9113 §3.4 to §8.7 and RFC 7541 §2 to §6 ask of a server, each clause as bytes
//! on a connection of its own, the nearest valid message beside what must be refused.
//!
//! Where a clause asks for a stream error, an error of the whole connection will do (RFC 9113 §5.4.2). A malformed
//! message may be answered before its stream ends (§8.1.1), and nothing of it may reach the backend whole. After an
//! error of the connection it is closed (§5.4.1); after an error of a stream the connection serves on (§5.4.2).

mod compression;
mod frames;
mod messages;
mod windows;

use portcullis_testkit::Deadline;
use portcullis_testkit::h2::hpack::literal;
use portcullis_testkit::h2::{Client, Frame, PREFACE, code, flag, kind};
use portcullis_testkit::raw::{self, End};

use crate::stage::{Findings, Stage};

/// `prior` speaks nothing but HTTP/2.
pub(crate) const CONFIG: &str = r#"version: 1
state: none
admin: { probes: 127.0.0.1:0 }
listeners:
  public: { bind: 127.0.0.1:0, protocols: [http1, http2] }
  prior: { bind: 127.0.0.1:0, protocols: [http2] }
backends: { recorder: { targets: ["http://BACKEND"] } }
apis:
  open:
    listen: [public, prior]
    backend: recorder
    auth: none
    operations: { all: { match: "* /{rest*}" } }
"#;

/// Error codes of which one must be said.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Codes {
    asked: &'static [u32],
    /// What is said in their place, as an accepted deviation.
    instead: Option<u32>,
}

const fn codes(asked: &'static [u32]) -> Codes {
    Codes { asked, instead: None }
}

const PROTOCOL: Codes = codes(&[code::PROTOCOL_ERROR]);
const SIZE: Codes = codes(&[code::FRAME_SIZE_ERROR]);
const FLOW: Codes = codes(&[code::FLOW_CONTROL_ERROR]);
const CLOSED: Codes = codes(&[code::STREAM_CLOSED]);
const REFUSED: Codes = codes(&[code::REFUSED_STREAM]);
const CLOSED_OR_PROTOCOL: Codes = codes(&[code::STREAM_CLOSED, code::PROTOCOL_ERROR]);

// The deviations: the connection ends as the clause wants, with another code. `docs/testing.md` lists them. A row
// fails as soon as it deviates no longer.

/// §4.3 has a code of its own for blocks that cannot be decoded. The codec knows no difference once it says GOAWAY,
/// and below it a block cannot be judged without decoding it a second time.
const COMPRESSION: Codes = Codes { asked: &[code::COMPRESSION_ERROR], instead: Some(code::PROTOCOL_ERROR) };
/// §5.1 has a code of its own for frames on a stream that the client has ended. The codec takes them for any other
/// frame out of place, and below it only a second copy of all states of streams could tell.
const AFTER_END: Codes = Codes { asked: &[code::STREAM_CLOSED], instead: Some(code::PROTOCOL_ERROR) };

/// What the server must make of it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Expect {
    /// A good answer on this stream, 200 or 204.
    Served(u32),
    /// A good answer on this stream, which is the last of its connection.
    Finishes(u32),
    /// The connection goes on: a PING comes back, and nothing but settings and windows before it.
    Alive,
    /// An error of this stream, or of the connection, with one of these codes.
    Stream(u32, Codes),
    /// An error of the connection with one of these codes.
    Connection(Codes),
    /// The message on this stream is malformed: reset, or answered with 4xx or 501; nothing whole goes upstream, and
    /// the connection serves on.
    Malformed(u32),
    /// The message is malformed, and the connection ends with it. An accepted deviation from §8.1.1: the codec finds
    /// it while it decodes the block, and what follows in the connection's table it does not know then. §5.4.1 lets
    /// any error of a stream be one of the connection.
    Spoils,
    /// The head on this stream is too large: 431.
    TooLarge(u32),
}

use Expect::{Alive, Connection, Finishes, Malformed, Served, Spoils, Stream as OnStream, TooLarge};
use compression::compression;
use frames::{frames_by_kind, framing, streams};
use messages::{contents, messages, pseudo_fields};
use windows::settings_and_windows;

type Case = (&'static str, &'static str, Vec<u8>, Expect);

fn f(kind: u8, flags: u8, stream: u32, payload: impl AsRef<[u8]>) -> Vec<u8> {
    Frame::new(kind, flags, stream, payload).bytes()
}

/// Joins frames.
macro_rules! joined {
    ($($part:expr),* $(,)?) => { [$(AsRef::<[u8]>::as_ref(&$part)),*].concat() };
}

use joined;

fn fields(list: &[(&str, &str)]) -> Vec<u8> {
    list.iter().flat_map(|(name, value)| literal(name.as_bytes(), value.as_bytes())).collect()
}

fn get(path: &str) -> Vec<u8> {
    fields(&[(":method", "GET"), (":scheme", "http"), (":path", path), (":authority", "gw.test")])
}

fn post(more: &[(&str, &str)]) -> Vec<u8> {
    let pseudo = [(":method", "POST"), (":scheme", "http"), (":path", "/"), (":authority", "gw.test")];
    fields(&[&pseudo[..], more].concat())
}

/// A whole request without a body.
fn request(stream: u32) -> Vec<u8> {
    f(kind::HEADERS, flag::END_STREAM | flag::END_HEADERS, stream, get("/"))
}

/// A request whose body is still to come.
fn upload(stream: u32) -> Vec<u8> {
    f(kind::HEADERS, flag::END_HEADERS, stream, post(&[]))
}

/// A request that announces how long its body is.
fn announced(length: &str) -> Vec<u8> {
    f(kind::HEADERS, flag::END_HEADERS, 1, post(&[("content-length", length)]))
}

/// A head with these fields instead of the usual, whole and without a body.
fn head(list: &[(&str, &str)]) -> Vec<u8> {
    f(kind::HEADERS, flag::END_STREAM | flag::END_HEADERS, 1, fields(list))
}

/// A good request with more fields.
fn with(more: &[(&str, &str)]) -> Vec<u8> {
    let pseudo = [(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "gw.test")];
    head(&[&pseudo[..], more].concat())
}

/// A block of bytes as they are.
fn block(bytes: impl AsRef<[u8]>) -> Vec<u8> {
    f(kind::HEADERS, flag::END_STREAM | flag::END_HEADERS, 1, bytes)
}

fn settings(id: u16, value: u32) -> Vec<u8> {
    f(kind::SETTINGS, 0, 0, [&id.to_be_bytes()[..], &value.to_be_bytes()].concat())
}

fn update(stream: u32, increment: u32) -> Vec<u8> {
    f(kind::WINDOW_UPDATE, 0, stream, increment.to_be_bytes())
}

fn reset(stream: u32) -> Vec<u8> {
    f(kind::RST_STREAM, 0, stream, code::CANCEL.to_be_bytes())
}

/// The bytes of a frame with another stream field.
fn on_stream(mut frame: Vec<u8>, stream: u32) -> Vec<u8> {
    frame[5..9].copy_from_slice(&stream.to_be_bytes());
    frame
}

#[test]
fn frames_and_streams_follow_rfc_9113() {
    run([framing(), streams(), frames_by_kind()].concat(), 100);
}

#[test]
fn settings_and_windows_follow_rfc_9113() {
    run(settings_and_windows(), 33);
}

#[test]
fn messages_follow_rfc_9113() {
    run([messages(), pseudo_fields(), contents()].concat(), 94);
}

#[test]
fn field_blocks_follow_rfc_7541() {
    run(compression(), 45);
}

/// Each case on a connection of its own.
fn run(cases: Vec<Case>, least: usize) {
    let stage = Stage::with(CONFIG);
    let mut findings = Findings::default();
    let mut ended = Vec::new();
    for (clause, what, bytes, expect) in cases {
        let name = format!("{clause} {what}");
        let mark = stage.backend.mark();
        let mut client = Client::connect(stage.gateway.address("prior"));
        client.send(&bytes);
        let mut outcome = judge(&mut client, expect);
        if let Malformed(_) | Spoils | TooLarge(_) = expect {
            outcome = outcome.and_then(|after| match stage.arrived_since(mark)? {
                arrived if arrived.iter().any(|message| message.is_complete) => {
                    Err("it went upstream".to_owned())
                }
                _ => Ok(after),
            });
        }
        match outcome {
            Ok(After::Serves) => findings.note(name, serves_on(&mut client)),
            Ok(After::Closes) => ended.push((name, client)),
            Ok(After::Any) => findings.note(name, Ok(())),
            Err(why) => findings.note(name, Err(why)),
        }
    }
    for (name, mut client) in ended {
        let closed = client.closed(Deadline::soon());
        findings.note(name, closed.map_err(|end| format!("after GOAWAY the connection is {end:?}")));
    }
    stage.expect_plain_backend_traffic();
    findings.conclude(least);
}

/// What must be true of a connection afterwards.
enum After {
    /// It serves another stream.
    Serves,
    /// It is closed.
    Closes,
    Any,
}

/// A request on a stream that no case uses, and its field block decoded by the tables as they are now.
fn serves_on(client: &mut Client) -> Result<(), String> {
    const LAST: u32 = 9_001;
    client.send(request(LAST));
    judge(client, Served(LAST)).map(drop).map_err(|why| format!("what comes after it: {why}"))
}

/// Compares what the server does with what it must do.
fn judge(client: &mut Client, expect: Expect) -> Result<After, String> {
    let deadline = Deadline::soon();
    if let Alive = expect {
        client.frame(kind::PING, 0, 0, b"are you?");
    }
    loop {
        let frame = match client.next(deadline) {
            Ok(frame) => frame,
            Err(End::Closed | End::Reset) => return Err("closed without a word".to_owned()),
            Err(end) => return Err(format!("no answer: {end:?}")),
        };
        let status = if frame.kind == kind::HEADERS { status(client, &frame)? } else { None };
        if let (kind::GOAWAY, Some(code)) = (frame.kind, frame.code()) {
            return match expect {
                Finishes(_) if code == code::NO_ERROR => continue,
                _ if code == code::NO_ERROR => Err("a polite GOAWAY".to_owned()),
                Connection(codes) | OnStream(_, codes) => said(code, codes).map(|()| After::Closes),
                Spoils => said(code, PROTOCOL).map(|()| After::Closes),
                Served(_) | Finishes(_) | Alive | Malformed(_) | TooLarge(_) => {
                    Err(format!("GOAWAY({code})"))
                }
            };
        }
        if let (kind::RST_STREAM, Some(code)) = (frame.kind, frame.code()) {
            match expect {
                OnStream(stream, codes) if stream == frame.stream => {
                    return said(code, codes).map(|()| After::Serves);
                }
                Malformed(stream) if stream == frame.stream => {
                    return said(code, PROTOCOL).map(|()| After::Serves);
                }
                // An upload that nobody waits for any more.
                _ if code == code::NO_ERROR => continue,
                Served(stream) | Finishes(stream) | Malformed(stream) if stream != frame.stream => continue,
                _ => return Err(format!("RST_STREAM({code}) on {}", frame.stream)),
            }
        }
        match (expect, status) {
            (Alive, _) if frame.kind == kind::PING && frame.payload == b"are you?" => {
                return Ok(After::Serves);
            }
            (Served(stream) | Finishes(stream) | Malformed(stream) | TooLarge(stream), Some(status))
                if frame.stream == stream =>
            {
                let is_right = match expect {
                    Malformed(_) => matches!(status, 400..=499 | 501),
                    TooLarge(_) => status == 431,
                    _ => matches!(status, 200 | 204),
                };
                let after = if let Finishes(_) = expect { After::Any } else { After::Serves };
                return if is_right { Ok(after) } else { Err(format!("status {status}")) };
            }
            _ => {}
        }
    }
}

fn status(client: &mut Client, frame: &Frame) -> Result<Option<u16>, String> {
    let fields = client.decode(&frame.payload)?;
    let status = fields.into_iter().find(|(name, _)| name == b":status").map(|(_, value)| value);
    Ok(status.and_then(|value| String::from_utf8(value).ok()?.parse().ok()))
}

fn said(code: u32, Codes { asked, instead }: Codes) -> Result<(), String> {
    match instead {
        None if asked.contains(&code) => Ok(()),
        Some(accepted) if accepted == code => Ok(()),
        Some(_) if asked.contains(&code) => Err("deviates no longer: take it off the list".to_owned()),
        _ => Err(format!("code {code}, not one of {asked:?}")),
    }
}

#[test]
fn what_comes_before_the_first_frame_follows_rfc_9113() {
    let stage = Stage::with(CONFIG);
    let mut findings = Findings::default();
    let empty = f(kind::SETTINGS, 0, 0, []);
    let acknowledgement = f(kind::SETTINGS, flag::ACK, 0, []);
    for (what, bytes, expect) in [
        ("preface and empty SETTINGS", joined![PREFACE, empty, request(1)], Served(1)),
        ("preface and SETTINGS", joined![PREFACE, settings(3, 7), request(1)], Served(1)),
        ("preface and another frame", joined![PREFACE, f(kind::PING, 0, 0, [0; 8])], Connection(PROTOCOL)),
        ("preface and a request", joined![PREFACE, request(1)], Connection(PROTOCOL)),
        ("preface and an acknowledgement", joined![PREFACE, acknowledgement], Connection(PROTOCOL)),
    ] {
        let mut client = Client::silent(raw::Client::connect(stage.gateway.address("prior")));
        client.send(&bytes);
        findings.note(format!("3.4 {what}"), judge(&mut client, expect).map(drop));
    }
    // §3.4: who does not speak HTTP/2 need not be told in HTTP/2. HTTP/1.1 is spoken at the other door.
    for (what, bytes) in [
        ("a preface with another end", joined![b"PRI * HTTP/2.0\r\n\r\nSM\r\n\rX".as_slice(), empty]),
        ("an HTTP/1.1 request", b"GET / HTTP/1.1\r\nHost: gw.test\r\n\r\n".to_vec()),
        ("a preface of HTTP/1.1", b"PRI * HTTP/1.1\r\n\r\nSM\r\n\r\n".to_vec()),
    ] {
        let mut client = Client::silent(raw::Client::connect(stage.gateway.address("prior")));
        client.send(&bytes);
        let closed = client.closed(Deadline::soon());
        findings.note(format!("3.4 {what}"), closed.map_err(|end| format!("{end:?}")));
    }
    assert!(stage.backend.messages().iter().all(|message| message.target == b"/"));
    findings.conclude(8);
}

/// §3.4, §6.5.2, §8.4, RFC 8441 §3: what the server says first, and what it must not say.
#[test]
fn the_server_says_its_settings_first() {
    let stage = Stage::with(CONFIG);
    let mut client = Client::silent(raw::Client::connect(stage.gateway.address("prior")));
    client.open(&[]);
    let first = client.next(Deadline::soon()).expect("a frame");
    assert_eq!((first.kind, first.flags, first.stream), (kind::SETTINGS, 0, 0));
    let number = |bytes: &[u8]| bytes.iter().fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
    let values = first.payload.chunks_exact(6).map(|pair| (number(&pair[..2]), number(&pair[2..])));
    let values: Vec<(u64, u64)> = values.collect();
    let value = |id| values.iter().find(|(own, _)| *own == id).map(|(_, value)| *value);
    assert_eq!(value(2).unwrap_or(0), 0, "a server does not enable push (§6.5.2)");
    assert_eq!(value(3), Some(100), "streams at once");
    assert_eq!(value(4), Some(256 << 10), "the window of a stream");
    assert_eq!(value(5).unwrap_or(16_384), 16_384, "the size of frames");
    assert_eq!(value(6), Some(64 << 10), "the size of field lists");
    assert_eq!(value(8), None, "extended CONNECT is not offered");
}

/// The page on testing names what this module lets pass.
#[test]
fn the_accepted_deviations_are_on_the_page() {
    let page = include_str!("../../../../docs/testing.md");
    for name in ["`COMPRESSION_ERROR`", "`STREAM_CLOSED`", "a malformed message", "a fragment in `:path`"] {
        let is_listed = page.lines().any(|line| line.starts_with('|') && line.contains(name));
        assert!(is_listed, "{name} is missing");
    }
}
