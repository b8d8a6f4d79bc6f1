//! Backends that count what arrives and answer as they are told at the moment, over HTTP/1.1 and HTTP/2.

use std::collections::{BTreeMap, HashMap};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use portcullis_testkit::h2::server::{Connection, Server, field};
use portcullis_testkit::h2::{code, flag, kind};
use portcullis_testkit::raw::reset;
use portcullis_testkit::{Deadline, Request};

/// What a backend does with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    Answer,
    /// 503, its own.
    Unavailable,
    CloseBeforeHead,
    ResetBeforeHead,
    /// Half of what `Content-Length` announces, or half and then the end of the connection.
    Truncate,
    /// Chunks without the last one; over HTTP/2 half and then a reset.
    BreakOff,
    /// A line that is no status; over HTTP/2 a frame that may not be.
    Garbage,
    /// Half a head; over HTTP/2 half a frame.
    CutHead,
    /// Nothing.
    Stall,
    /// Closes at every tenth request.
    Flap,
    /// HTTP/2 alone: not processed, it says.
    Refuse,
    /// HTTP/2 alone: GOAWAY, nothing processed.
    GoAway,
    /// HTTP/2 alone: GOAWAY behind every twentieth answer.
    GoAwayBehind,
}

/// A backend, and what arrived there.
pub(super) struct Backend {
    pub(super) address: SocketAddr,
    shared: Arc<Shared>,
    _server: Option<Server>,
}

struct Shared {
    act: Mutex<Act>,
    arrived: Mutex<HashMap<String, u32>>,
    count: AtomicUsize,
}

/// What a request is answered with: it cannot be taken for another's.
pub(super) fn body(method: &str, target: &str) -> Vec<u8> {
    let mut body = format!("{method} {target}\n").into_bytes();
    body.resize(2_000, b'.');
    body
}

impl Backend {
    pub(super) fn http1() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared::new());
        let serving = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let serving = Arc::clone(&serving);
                thread::spawn(move || serving.http1(stream));
            }
        });
        Self { address, shared, _server: None }
    }

    pub(super) fn http2() -> Self {
        let shared = Arc::new(Shared::new());
        let serving = Arc::clone(&shared);
        let server = Server::start(move |_, connection| serving.http2(connection));
        Self { address: server.address(), shared, _server: Some(server) }
    }

    pub(super) fn act(&self, act: Act) {
        *self.shared.act.lock().unwrap_or_else(PoisonError::into_inner) = act;
    }

    /// How often each request arrived, by method and target.
    pub(super) fn arrived(&self) -> HashMap<String, u32> {
        self.shared.arrived.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Shared {
    fn new() -> Self {
        Self { act: Mutex::new(Act::Answer), arrived: Mutex::default(), count: AtomicUsize::new(0) }
    }

    /// What to do with a request; one that is looked at is counted.
    fn takes(&self, request: &Request) -> Act {
        let act = *self.act.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(act, Act::Refuse | Act::GoAway) {
            return act;
        }
        let name = format!("{} {}", request.method, String::from_utf8_lossy(&request.target));
        let mut arrived = self.arrived.lock().unwrap_or_else(PoisonError::into_inner);
        *arrived.entry(name).or_default() += 1;
        let number = self.count.fetch_add(1, Ordering::SeqCst);
        match act {
            Act::Flap if number % 10 == 9 => Act::CloseBeforeHead,
            Act::GoAwayBehind if number % 20 == 19 => act,
            Act::Flap | Act::GoAwayBehind => Act::Answer,
            act => act,
        }
    }

    fn http1(&self, stream: TcpStream) {
        drop(stream.set_nodelay(true));
        let Ok(writer) = stream.try_clone() else { return };
        let (mut reader, mut writer) = (BufReader::new(stream), writer);
        while let Some(request) = read(&mut reader) {
            let target = String::from_utf8_lossy(&request.target).into_owned();
            let whole = body(&request.method, &target);
            let half = &whole[..whole.len() / 2];
            let mut said = Vec::new();
            let act = self.takes(&request);
            match act {
                Act::Answer | Act::Flap => {
                    said.extend(
                        format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", whole.len()).bytes(),
                    );
                    said.extend(&whole);
                }
                Act::Unavailable => {
                    said.extend(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n");
                }
                Act::Truncate => {
                    said.extend(
                        format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", whole.len()).bytes(),
                    );
                    said.extend(half);
                }
                Act::BreakOff => {
                    said.extend(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
                    said.extend(format!("{:x}\r\n", half.len()).bytes());
                    said.extend(half);
                    said.extend(b"\r\n");
                }
                Act::Garbage => said.extend(b"GARBAGE/9.9 what\0 is this\r\n\r\n"),
                Act::CutHead => said.extend(b"HTTP/1.1 200 OK\r\nContent-Le"),
                Act::ResetBeforeHead => return reset(&writer),
                Act::Stall => {
                    drop(reader.read_to_end(&mut Vec::new()));
                    return;
                }
                Act::CloseBeforeHead | Act::Refuse | Act::GoAway | Act::GoAwayBehind => return,
            }
            if writer.write_all(&said).is_err() || !matches!(act, Act::Answer | Act::Flap | Act::Unavailable)
            {
                return;
            }
        }
    }

    fn http2(&self, mut connection: Connection) {
        if connection.open(&[]).is_err() {
            return;
        }
        let mut begun: BTreeMap<u32, Request> = BTreeMap::new();
        let mut last = u32::MAX;
        // An idle connection of a gateway may be silent for long.
        while let Ok(frame) = connection.wire.next(Deadline::after(std::time::Duration::from_secs(120))) {
            if frame.kind == kind::HEADERS {
                let Ok(fields) = connection.wire.decode(&frame.payload) else { return };
                let text =
                    |name| String::from_utf8_lossy(field(&fields, name).unwrap_or_default()).into_owned();
                begun.insert(frame.stream, Request::new(&text(":method"), text(":path")));
            }
            if matches!(frame.kind, kind::HEADERS | kind::DATA)
                && frame.has(flag::END_STREAM)
                && let Some(request) = begun.remove(&frame.stream)
                // What it said it does not look at it does not look at.
                && frame.stream <= last
            {
                match self.answer_http2(&mut connection, frame.stream, &request) {
                    Next::Go => {}
                    Next::Last => last = frame.stream,
                    Next::End => return,
                }
            }
        }
    }

    fn answer_http2(&self, connection: &mut Connection, stream: u32, request: &Request) -> Next {
        let target = String::from_utf8_lossy(&request.target).into_owned();
        let whole = body(&request.method, &target);
        let half = &whole[..whole.len() / 2];
        match self.takes(request) {
            Act::Answer | Act::Flap => connection.answer(stream, &whole),
            Act::Unavailable => connection.head(stream, "503", &[], true),
            Act::ResetBeforeHead => connection.reset_stream(stream, code::INTERNAL_ERROR),
            Act::BreakOff => {
                connection.head(stream, "200", &[], false);
                connection.content(stream, half, false);
                connection.reset_stream(stream, code::INTERNAL_ERROR);
            }
            Act::Truncate => {
                connection.head(stream, "200", &[("content-length", "2000")], false);
                connection.content(stream, half, false);
                return Next::End;
            }
            Act::Garbage => connection.wire.frame(kind::WINDOW_UPDATE, 0, stream, [0; 3]),
            Act::CutHead => {
                connection.wire.send([0, 0, 99, kind::HEADERS, flag::END_HEADERS, 0, 0, 0]);
                return Next::End;
            }
            Act::Stall => {}
            Act::CloseBeforeHead => return Next::End,
            Act::Refuse => connection.reset_stream(stream, code::REFUSED_STREAM),
            Act::GoAway => {
                connection.go_away(0, code::NO_ERROR);
                connection.linger();
                return Next::End;
            }
            Act::GoAwayBehind => {
                connection.go_away(stream, code::NO_ERROR);
                connection.answer(stream, &whole);
                return Next::Last;
            }
        }
        Next::Go
    }
}

/// What becomes of an HTTP/2 connection behind an answer.
enum Next {
    Go,
    /// Later streams are not looked at.
    Last,
    End,
}

/// The next request, its body read.
fn read(reader: &mut BufReader<TcpStream>) -> Option<Request> {
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split(' ');
    let mut request = Request::new(words.next()?, words.next()?);
    let mut length = 0;
    let mut is_chunked = false;
    loop {
        let field = line_of(reader)?.to_ascii_lowercase();
        if field.is_empty() {
            break;
        }
        is_chunked |= field == "transfer-encoding: chunked";
        if let Some(value) = field.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
    }
    request.body.resize(length, 0);
    reader.read_exact(&mut request.body).ok()?;
    while is_chunked {
        let length = usize::from_str_radix(&line_of(reader)?, 16).ok()?;
        is_chunked = length > 0;
        let mut piece = vec![0; length];
        reader.read_exact(&mut piece).ok()?;
        request.body.extend(piece);
        line_of(reader)?;
    }
    Some(request)
}

fn line_of(reader: &mut BufReader<TcpStream>) -> Option<String> {
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    Some(line.trim_end().to_owned())
}
