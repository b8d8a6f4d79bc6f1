//! Floods over HTTP/2: frames that cost the server work and carry no request. Each kind ends its connection with
//! ENHANCE_YOUR_CALM within a second, memory stays flat, and other clients are served meanwhile.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use portcullis_testkit::deadline::Stopwatch;
use portcullis_testkit::h2::hpack::{indexed, literal, literal_indexed};
use portcullis_testkit::h2::{Client, Frame, PREFACE, code, flag, kind};
use portcullis_testkit::raw::{self, End};
use portcullis_testkit::{Deadline, Reply, Request, Wire};

use crate::http2_frames::CONFIG;
use crate::stage::Stage;

/// Memory the gateway may gain by a flood at any moment, however much is sent. Resets are the dearest: until they
/// are too many, each of some hundred streams has an exchange and a connection to the backend.
const GAIN_BYTES_MAX: u64 = 32 << 20;

fn f(kind: u8, flags: u8, stream: u32, payload: impl AsRef<[u8]>) -> Vec<u8> {
    Frame::new(kind, flags, stream, payload).bytes()
}

fn head(method: &str, more: &[(&str, &str)]) -> Vec<u8> {
    let pseudo = [(":method", method), (":scheme", "http"), (":path", "/"), (":authority", "gw.test")];
    let all = pseudo.iter().chain(more);
    all.flat_map(|(name, value)| literal(name.as_bytes(), value.as_bytes())).collect()
}

/// What is sent at once, given its number; `None` when the flood is over.
type Burst = fn(u32) -> Vec<u8>;

/// Streams of the burst with this number.
fn streams(burst: u32, count: u32) -> impl Iterator<Item = u32> {
    (0..count).map(move |n| (burst * count + n) * 2 + 1)
}

fn rapid_reset(burst: u32) -> Vec<u8> {
    let one = |stream| {
        let head = f(kind::HEADERS, flag::END_HEADERS, stream, head("POST", &[]));
        [head, f(kind::RST_STREAM, 0, stream, code::CANCEL.to_be_bytes())].concat()
    };
    streams(burst, 100).flat_map(one).collect()
}

/// The same with requests that are whole.
fn rapid_reset_of_whole(burst: u32) -> Vec<u8> {
    let one = |stream| {
        let head = f(kind::HEADERS, flag::END_STREAM | flag::END_HEADERS, stream, head("GET", &[]));
        [head, f(kind::RST_STREAM, 0, stream, code::CANCEL.to_be_bytes())].concat()
    };
    streams(burst, 100).flat_map(one).collect()
}

/// What makes a server reset each stream (CVE-2025-8671): windows that grow by nothing. Ours takes the first for an
/// error of the connection (RFC 9113 §6.9 asks for one of the stream, §5.4.1 allows it).
fn provoked_by_window(burst: u32) -> Vec<u8> {
    let one = |stream| {
        let head = f(kind::HEADERS, flag::END_HEADERS, stream, head("POST", &[]));
        [head, f(kind::WINDOW_UPDATE, 0, stream, [0; 4])].concat()
    };
    streams(burst, 100).flat_map(one).collect()
}

/// Windows that overflow.
fn provoked_by_overflow(burst: u32) -> Vec<u8> {
    let one = |stream| {
        let head = f(kind::HEADERS, flag::END_HEADERS, stream, head("POST", &[]));
        [head, f(kind::WINDOW_UPDATE, 0, stream, [0x7f, 0xff, 0xff, 0xff])].concat()
    };
    streams(burst, 100).flat_map(one).collect()
}

/// Streams that depend on themselves.
fn provoked_by_priority(burst: u32) -> Vec<u8> {
    let one = |stream: u32| {
        let head = f(kind::HEADERS, flag::END_HEADERS, stream, head("POST", &[]));
        [head, f(kind::PRIORITY, 0, stream, [&stream.to_be_bytes()[..], &[9]].concat())].concat()
    };
    streams(burst, 100).flat_map(one).collect()
}

/// Heads that are no requests.
fn provoked_by_head(burst: u32) -> Vec<u8> {
    let one = |stream| f(kind::HEADERS, 5, stream, head("GET", &[("te", "gzip")]));
    streams(burst, 100).flat_map(one).collect()
}

/// Streams beyond those that may be open.
fn too_many_streams(burst: u32) -> Vec<u8> {
    streams(burst, 100)
        .flat_map(|stream| f(kind::HEADERS, flag::END_HEADERS, stream, head("POST", &[])))
        .collect()
}

/// Content that contradicts its length: the server must reset each stream.
fn provoked_reset(burst: u32) -> Vec<u8> {
    let one = |stream| {
        let head = f(kind::HEADERS, flag::END_HEADERS, stream, head("POST", &[("content-length", "1")]));
        [head, f(kind::DATA, flag::END_STREAM, stream, b"xy")].concat()
    };
    streams(burst, 100).flat_map(one).collect()
}

fn continuation(burst: u32) -> Vec<u8> {
    let first = if burst == 0 { f(kind::HEADERS, 0, 1, head("GET", &[])) } else { Vec::new() };
    [first, f(kind::CONTINUATION, 0, 1, []).repeat(100)].concat()
}

fn ping(_: u32) -> Vec<u8> {
    f(kind::PING, 0, 0, [0; 8]).repeat(200)
}

fn settings(_: u32) -> Vec<u8> {
    f(kind::SETTINGS, 0, 0, [0, 3, 0, 0, 0, 100]).repeat(200)
}

fn priority(_: u32) -> Vec<u8> {
    f(kind::PRIORITY, 0, 1, [0, 0, 0, 0, 9]).repeat(200)
}

fn window_update(_: u32) -> Vec<u8> {
    f(kind::WINDOW_UPDATE, 0, 0, [0, 0, 0, 1]).repeat(200)
}

fn empty_data(burst: u32) -> Vec<u8> {
    let first =
        if burst == 0 { f(kind::HEADERS, flag::END_HEADERS, 1, head("POST", &[])) } else { Vec::new() };
    [first, f(kind::DATA, 0, 1, []).repeat(200)].concat()
}

/// One large entry, and heads of nothing but references to it.
fn bomb(burst: u32) -> Vec<u8> {
    let remembered = if burst == 0 { literal_indexed(b"x", &[b'y'; 3900]) } else { Vec::new() };
    let one = |stream| {
        let block = [
            head("GET", &[]),
            if stream == 1 { remembered.clone() } else { Vec::new() },
            indexed(62).repeat(30),
        ];
        f(kind::HEADERS, flag::END_STREAM | flag::END_HEADERS, stream, block.concat())
    };
    streams(burst, 50).flat_map(one).collect()
}

const CALM: u32 = code::ENHANCE_YOUR_CALM;

/// Each kind, and the code that its connection is told.
const KINDS: [(&str, Burst, u32); 15] = [
    ("rapid reset", rapid_reset, CALM),
    ("rapid reset of whole requests", rapid_reset_of_whole, CALM),
    ("server-provoked reset, by length", provoked_reset, CALM),
    ("server-provoked reset, by window", provoked_by_window, code::PROTOCOL_ERROR),
    ("server-provoked reset, by overflow", provoked_by_overflow, CALM),
    ("server-provoked reset, by priority", provoked_by_priority, CALM),
    ("server-provoked reset, by head", provoked_by_head, CALM),
    ("streams beyond the bound", too_many_streams, CALM),
    ("CONTINUATION", continuation, CALM),
    ("PING", ping, CALM),
    ("SETTINGS", settings, CALM),
    ("PRIORITY", priority, CALM),
    ("WINDOW_UPDATE", window_update, CALM),
    ("empty DATA", empty_data, CALM),
    ("indexed fields", bomb, CALM),
];

#[test]
fn each_kind_of_flood_ends_its_connection_within_a_second() {
    let mut stage = Stage::with(CONFIG);
    let neighbour = Neighbour::start(stage.public());
    let mut wrong = Vec::new();
    for (name, burst, code) in KINDS {
        let mark = stage.gateway.stdout().mark();
        let before = stage.gateway.usage().memory;
        let Flooded { took, said } = flood(Client::connect(stage.public()), burst);
        // Again, by one that hears nothing of it.
        let cut = flood_deaf(stage.public(), burst);
        let gained = stage.gateway.usage().memory_peak.saturating_sub(before);
        neighbour.expect_served(name);
        if code == CALM {
            // One for each of the two connections.
            let mut seen = 0;
            stage.gateway.stdout().expect_since(mark, "two incidents", |line| {
                seen += usize::from(line.contains("http2-abuse"));
                (seen == 2).then_some(())
            });
        }
        let is_right = took < Duration::from_secs(1)
            && said == Ok(Some(code))
            && cut < Duration::from_secs(3)
            && gained < GAIN_BYTES_MAX;
        if !is_right {
            wrong.push(format!("{name}: {said:?} after {took:?}, deaf {cut:?}, {} KiB gained", gained >> 10));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    neighbour.finish();
    assert!(stage.gateway.is_running());
}

/// How a flood ended, and after how long.
struct Flooded {
    took: Duration,
    said: Result<Option<u32>, End>,
}

/// Sends bursts until the server is heard to end the connection.
fn flood(mut client: Client, burst: Burst) -> Flooded {
    let began = Stopwatch::start();
    let deadline = Deadline::after(Duration::from_secs(10));
    let mut said = None;
    for number in 0.. {
        client.send(burst(number));
        loop {
            match client.next(Deadline::after(Duration::from_millis(1))) {
                Ok(frame) if frame.kind == kind::GOAWAY => said = frame.code(),
                Ok(_) => {}
                Err(End::Silent) if deadline.left().is_none() => {
                    return Flooded { took: began.elapsed(), said: Err(End::Silent) };
                }
                Err(End::Silent) => break,
                Err(_) => return Flooded { took: began.elapsed(), said: Ok(said) },
            }
        }
    }
    unreachable!("numbers do not end")
}

/// Sends bursts and reads nothing, until nobody takes them any more.
fn flood_deaf(address: SocketAddr, burst: Burst) -> Duration {
    let mut client = raw::Client::connect(address);
    client.send(PREFACE);
    client.send(f(kind::SETTINGS, 0, 0, []));
    let began = Stopwatch::start();
    let deadline = Deadline::after(Duration::from_secs(10));
    for number in 0.. {
        client.send(burst(number));
        if client.write_failed() || deadline.left().is_none() {
            break;
        }
    }
    began.elapsed()
}

/// Another client on a connection of its own, that asks all the time.
struct Neighbour {
    served: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Neighbour {
    fn start(address: SocketAddr) -> Self {
        let (served, stop) = (Arc::<AtomicUsize>::default(), Arc::<AtomicBool>::default());
        let (count, is_over) = (Arc::clone(&served), Arc::clone(&stop));
        let thread = thread::spawn(move || {
            let mut client = Client::connect(address);
            while !is_over.load(Ordering::Relaxed) {
                let stream = client.request(&Request::get("/neighbour"));
                let response = client.response(stream, Deadline::soon()).expect("an answer");
                assert_eq!(response.status, 200);
                count.fetch_add(1, Ordering::Relaxed);
                thread::sleep(Duration::from_millis(2));
            }
        });
        Self { served, stop, thread }
    }

    /// Waits for three answers more.
    fn expect_served(&self, after: &str) {
        let before = self.served.load(Ordering::Relaxed);
        Deadline::soon().poll(&format!("answers after {after}"), || {
            (self.served.load(Ordering::Relaxed) >= before + 3).then_some(())
        });
    }

    fn finish(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("every request was answered");
    }
}

/// A connection with a hundred streams that stay open, each with a value of 3,900 bytes `times` over in its head.
fn hold(address: SocketAddr, times: usize) -> Client {
    let mut client = Client::connect(address);
    for stream in streams(0, 100) {
        let value = if stream == 1 { literal_indexed(b"x", &[b'y'; 3900]) } else { indexed(62) };
        let block = [head("POST", &[]), value, indexed(62).repeat(times - 1)].concat();
        client.frame(kind::HEADERS, flag::END_HEADERS, stream, block);
    }
    client
}

/// CVE-2026-49975: a reference of one byte unfolds to an entry of four thousand, and the stream stays open. What
/// unfolds further than the table is refused at once; what does not is held, and costs what a stream costs.
#[test]
fn heads_that_unfold_and_stay_cost_what_streams_cost() {
    const CONNECTIONS: usize = 5;
    const STREAM_BYTES_MAX: u64 = 64 << 10;
    let stage = Stage::with(CONFIG);
    Wire::Http2.send(stage.public(), &Request::get("/"));
    let before = stage.gateway.usage().memory;
    let mut bombs: Vec<Client> = (0..CONNECTIONS).map(|_| hold(stage.public(), 15)).collect();
    for bomb in &mut bombs {
        for _ in 0..100 {
            let answer = bomb.find(Deadline::soon(), |frame| frame.kind == kind::HEADERS).expect("an answer");
            let fields = bomb.decode(&answer.payload).expect("a field section");
            assert_eq!(fields[0], (b":status".to_vec(), b"431".to_vec()));
        }
    }
    assert_eq!(stage.backend.messages().len(), 1, "nothing of it goes upstream");
    let large: Vec<Client> = (0..CONNECTIONS).map(|_| hold(stage.public(), 1)).collect();
    let all = CONNECTIONS * 100 + 1;
    Deadline::soon().poll("every stream", || (stage.backend.messages().len() == all).then_some(()));
    let gained = stage.gateway.usage().memory_peak.saturating_sub(before);
    let most = STREAM_BYTES_MAX * CONNECTIONS as u64 * 100;
    assert!(gained < most, "{} KiB gained, of {} KiB", gained >> 10, most >> 10);
    drop((bombs, large));
}

#[test]
fn a_long_answer_earns_its_window_updates() {
    let stage = Stage::with(CONFIG);
    let body = vec![b'x'; 4 << 20];
    stage.backend.on("/large", Reply::ok(&body));
    // The client gives leave for each frame, twice: thousands of updates beside one answer.
    let response = Wire::Http2.send(stage.public(), &Request::get("/large"));
    assert_eq!((response.status, response.body.len()), (200, body.len()));
}
