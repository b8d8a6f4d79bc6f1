//! How often a forwarded request asks the allocator for memory, and how much a connection keeps that waits for its next one. Alone
//! in its executable, and one after the other: the allocator is the process's.
//!
//! Client and backend allocate nothing while they are counted, so that what is counted is the gateway's. The budgets are
//! the figures in `docs/performance.md`; a change that spends more has to say so there and here.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "tests fail loudly"
)]

use std::alloc::System;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use portcullis_gateway::config;
use portcullis_gateway::gateway::{Gateway, Options};
use portcullis_gateway::observe::{ALLOWED_EVERY, ALLOWED_KEPT, Observe};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Allocations of one GET over kept connections, without a control and without a record; reallocations among them.
const PER_REQUEST_MAX: usize = 4;

const REQUEST: &[u8] = b"GET /plain/1k?n=1 HTTP/1.1\r\nHost: localhost\r\nUser-Agent: bench/1.0\r\n\
    Accept: application/json\r\nAccept-Encoding: identity\r\nX-Trace: 4bf92f3577b34da6a3ce929d0e0e4736\r\n\r\n";

const ANSWER_HEAD: &[u8] = b"HTTP/1.1 200 OK\r\nServer: backend\r\nDate: Sun, 22 Nov 2026 10:00:00 GMT\r\n\
    Content-Type: application/json\r\nContent-Length: 1024\r\nConnection: keep-alive\r\n\r\n";

/// Bytes that a connection in cleartext keeps once it was answered and waits, as they are asked for: what the allocator adds, the
/// kernel's part and what a process keeps besides are not among them.
const PER_CONNECTION_MAX: usize = 1_700;

static ALONE: Mutex<()> = Mutex::new(());

#[test]
fn a_forwarded_request_allocates_as_often_as_is_stated() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let stage = Stage::new();
    let mut client = stage.connect();
    let mut buffer = [0; 8 * 1024];
    let mut ask = |times: usize| (0..times).for_each(|_| ask(&mut client, &mut buffer));
    const TIMES: usize = 500;
    ask(TIMES);
    // What `explain` keeps is kept in rings that are filled in time, not by requests: full, they allocate nothing.
    for _ in 0..=ALLOWED_KEPT {
        ask(1);
        thread::sleep(ALLOWED_EVERY);
    }
    let region = Region::new(ALLOCATOR);
    ask(TIMES);
    let spent = region.change();
    // Rounded down: a chore that falls into the time is no request's.
    let each = (spent.allocations + spent.reallocations) / TIMES;
    assert!(each <= PER_REQUEST_MAX, "{each} allocations a request: {spent:?}");
    // What is allocated is given back: nothing grows with the number of requests.
    let grown = spent.bytes_allocated.saturating_sub(spent.bytes_deallocated);
    assert!(grown < TIMES * 64, "{grown} bytes were kept of {TIMES} requests");
}

#[test]
fn a_connection_that_waits_keeps_as_much_as_is_stated() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    const COUNT: usize = 300;
    let stage = Stage::new();
    let mut buffer = [0; 8 * 1024];
    let mut kept = Vec::with_capacity(COUNT);
    let mut open = |buffer: &mut [u8]| {
        let mut client = stage.connect();
        ask(&mut client, buffer);
        kept.push(client);
    };
    // What one connection after the other makes use of, and the rings.
    let mut first = stage.connect();
    for _ in 0..=ALLOWED_KEPT {
        ask(&mut first, &mut buffer);
        thread::sleep(ALLOWED_EVERY);
    }
    let region = Region::new(ALLOCATOR);
    (0..COUNT).for_each(|_| open(&mut buffer));
    // It goes down as they find that no request follows at once; `keep_alive` is longer.
    let each = || {
        let spent = region.change();
        spent.bytes_allocated.saturating_sub(spent.bytes_deallocated) / COUNT
    };
    let settles = (0..600).any(|_| {
        thread::sleep(Duration::from_millis(50));
        each() <= PER_CONNECTION_MAX
    });
    println!("{} bytes a connection", each());
    assert!(settles, "{} bytes a connection", each());
    assert!(kept.iter().all(is_open), "they were closed");
}

fn is_open(client: &TcpStream) -> bool {
    client.set_nonblocking(true).expect("a mode");
    let read = client.peek(&mut [0]);
    read.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
}

/// A running gateway before a backend.
struct Stage {
    _gateway: Gateway,
    _folder: tempfile::TempDir,
    address: SocketAddr,
}

impl Stage {
    fn new() -> Self {
        let backend = backend();
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("portcullis.yaml");
        let document = format!(
            "version: 1\ntelemetry: {{ access_log: off, incidents: off }}\nlisteners: {{ public: {{ bind: \"127.0.0.1:0\" }} }}\n\
             backends: {{ service: {{ targets: [\"http://127.0.0.1:{backend}\"] }} }}\n\
             apis: {{ plain: {{ base_path: /plain, backend: service, auth: none, operations: {{ all: {{ match: \"* /{{rest*}}\" }} }} }} }}\n"
        );
        std::fs::write(&path, document).expect("a file");
        let loaded = config::load(&path).expect("a configuration");
        let options = Options { workers: Some(1), ..Options::default() };
        let gateway = Gateway::start(&loaded, Observe::default(), options).expect("a gateway");
        let (_, address, _) = gateway.addresses().pop().expect("a listener");
        Self { _gateway: gateway, _folder: folder, address }
    }

    fn connect(&self) -> TcpStream {
        let client = TcpStream::connect(self.address).expect("a connection");
        client.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
        client
    }
}

fn ask(client: &mut TcpStream, buffer: &mut [u8]) {
    client.write_all(REQUEST).expect("a request goes out");
    let mut received = 0;
    let mut length = usize::MAX;
    while received < length {
        let read = client.read(&mut buffer[received..]).expect("an answer");
        assert_ne!(read, 0, "the connection ended");
        received += read;
        if let Some(end) = buffer[..received].windows(4).position(|four| four == b"\r\n\r\n") {
            length = end + 4 + 1024;
        }
    }
    assert!(buffer.starts_with(b"HTTP/1.1 200 "));
}

/// A backend of one kept connection at a time that allocates nothing for a request.
fn backend() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    thread::spawn(move || {
        let mut answer = [b'x'; 2048];
        answer[..ANSWER_HEAD.len()].copy_from_slice(ANSWER_HEAD);
        for mut stream in listener.incoming().map_while(Result::ok) {
            thread::spawn(move || {
                let mut buffer = [0; 8 * 1024];
                let mut held = 0;
                while let Ok(read @ 1..) = stream.read(&mut buffer[held..]) {
                    held += read;
                    if buffer[..held].ends_with(b"\r\n\r\n") {
                        held = 0;
                        if stream.write_all(&answer[..ANSWER_HEAD.len() + 1024]).is_err() {
                            return;
                        }
                    }
                }
            });
        }
    });
    port
}
