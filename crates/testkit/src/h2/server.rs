//! An HTTP/2 backend that may send any frame: each of its connections is a script of the test's own.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use super::{Client, PREFACE, flag, kind};
use crate::Deadline;
use crate::exchange::Fields;
use crate::raw::{self, End};

/// A backend on a loopback port of its own.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    counts: Arc<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    opened: AtomicUsize,
    closed: AtomicUsize,
}

/// A connection to it.
#[derive(Debug)]
pub struct Connection {
    /// Its frames, both ways.
    pub wire: Client,
    socket: TcpStream,
}

impl Server {
    /// Starts one. `serve` has each connection, with its number from 0, on a thread of its own, before anything was
    /// read or said; the connection is closed when it returns.
    ///
    /// # Panics
    /// When there is no free port.
    pub fn start(serve: impl Fn(usize, Connection) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = listener.local_addr().expect("an address");
        let counts = Arc::new(Counts::default());
        let (serve, shared) = (Arc::new(serve), Arc::clone(&counts));
        thread::spawn(move || {
            for socket in listener.incoming().map_while(Result::ok) {
                let number = shared.opened.fetch_add(1, Ordering::SeqCst);
                drop(socket.set_nodelay(true));
                let copy = socket.try_clone().expect("a descriptor");
                let wire = Client::silent(raw::Client::over(copy));
                let (serve, shared) = (Arc::clone(&serve), Arc::clone(&shared));
                thread::spawn(move || {
                    serve(number, Connection { wire, socket });
                    shared.closed.fetch_add(1, Ordering::SeqCst);
                });
            }
        });
        Self { address, counts }
    }

    /// One that answers every request with 200 and the stream's number, once `settings` are said.
    pub fn plain(settings: &'static [(u16, u32)]) -> Self {
        Self::start(move |_, mut connection| {
            if connection.open(settings).is_ok() {
                connection.echo();
            }
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Connections so far.
    pub fn opened(&self) -> usize {
        self.counts.opened.load(Ordering::SeqCst)
    }

    /// Connections whose script has ended.
    pub fn closed(&self) -> usize {
        self.counts.closed.load(Ordering::SeqCst)
    }
}

impl Connection {
    /// Reads the preface and says these settings.
    ///
    /// # Errors
    /// How the connection ended instead.
    pub fn open(&mut self, settings: &[(u16, u32)]) -> Result<(), End> {
        let preface = self.wire.connection.bytes(PREFACE.len(), Deadline::soon())?;
        if preface != PREFACE {
            return Err(End::Nonsense(format!("`{}` in place of a preface", preface.escape_ascii())));
        }
        self.wire.frame(kind::SETTINGS, 0, 0, super::settings(settings));
        Ok(())
    }

    /// The head of the next request: its stream and fields, and whether it is the whole request.
    ///
    /// # Errors
    /// How the connection ended instead.
    pub fn request(&mut self, deadline: Deadline) -> Result<(u32, Fields, bool), End> {
        let frame = self.wire.find(deadline, |frame| frame.kind == kind::HEADERS)?;
        let fields = self.wire.decode(&frame.payload).map_err(End::Nonsense)?;
        Ok((frame.stream, fields, frame.has(flag::END_STREAM)))
    }

    /// Answers each request at its end, with its content or its stream's number, until the connection ends.
    pub fn echo(&mut self) {
        let mut bodies: BTreeMap<u32, Vec<u8>> = BTreeMap::new();
        while let Ok(frame) = self.wire.next(Deadline::soon()) {
            match frame.kind {
                kind::HEADERS => drop(self.wire.decode(&frame.payload)),
                kind::DATA => bodies.entry(frame.stream).or_default().extend(&frame.payload),
                _ => continue,
            }
            if frame.has(flag::END_STREAM) {
                let number = || frame.stream.to_string().into_bytes();
                let body = bodies.remove(&frame.stream).unwrap_or_else(number);
                self.answer(frame.stream, &body);
            }
        }
    }

    /// The content of the request on `stream`, read to its end.
    ///
    /// # Errors
    /// How the stream or the connection ended instead.
    pub fn body(&mut self, stream: u32) -> Result<Vec<u8>, End> {
        let mut body = Vec::new();
        loop {
            let frame = self.wire.find(Deadline::soon(), |frame| frame.stream == stream)?;
            match frame.kind {
                kind::DATA => body.extend(&frame.payload),
                kind::RST_STREAM => return Err(super::ended(&frame)),
                _ => {}
            }
            if matches!(frame.kind, kind::DATA | kind::HEADERS) && frame.has(flag::END_STREAM) {
                return Ok(body);
            }
        }
    }

    /// Answers with 200 and this content, as far as the peer gives room.
    pub fn answer(&mut self, stream: u32, body: &[u8]) {
        self.head(stream, "200", &[], body.is_empty());
        if !body.is_empty() {
            self.content(stream, body, true);
        }
    }

    /// Sends the head of an answer.
    pub fn head(&mut self, stream: u32, status: &str, fields: &[(&str, &str)], ends_stream: bool) {
        let lines = [(":status", status)].into_iter().chain(fields.iter().copied());
        let fields = lines.map(|(name, value)| (name.into(), value.into())).collect();
        self.wire.fields(stream, &fields, ends_stream);
    }

    /// Sends content within the peer's windows.
    pub fn content(&mut self, stream: u32, body: &[u8], ends_stream: bool) {
        self.wire.content(stream, body, ends_stream);
    }

    /// Sends `bytes` as often, without listening, unless the peer closes.
    pub fn flood(&mut self, bytes: &[u8], times: usize) {
        let many = 65_536_usize.div_ceil(bytes.len());
        let block = bytes.repeat(many);
        for _ in 0..times.div_ceil(many) {
            self.wire.connection.send(&block);
            if self.wire.connection.write_failed() {
                return;
            }
        }
    }

    /// Says that streams beyond `last` are not processed and that no more may come.
    pub fn go_away(&mut self, last: u32, code: u32) {
        self.wire.frame(kind::GOAWAY, 0, 0, [last.to_be_bytes(), code.to_be_bytes()].concat());
    }

    /// Ends a stream.
    pub fn reset_stream(&mut self, stream: u32, code: u32) {
        self.wire.frame(kind::RST_STREAM, 0, stream, code.to_be_bytes());
    }

    /// Breaks the connection off, so that bytes on their way are lost.
    pub fn reset(self) {
        raw::reset(&self.socket);
    }

    /// Waits for the peer to close; what it still says is thrown away.
    pub fn linger(&mut self) {
        drop(self.wire.closed(Deadline::soon()));
    }
}

/// The value of the field called `name`.
pub fn field<'a>(fields: &'a Fields, name: &str) -> Option<&'a [u8]> {
    crate::exchange::all(fields, name).first().copied()
}
