//! The service behind every proxy of `benches/run`: fixed answers, at as little cost as a server can have, so that the core of
//! the load is not what limits the proxies.
//!
//! It answers with the files `1k`, `64k` and `1m` of a folder: what the last segment of the path names,
//! else the first. `…/seen` answers with what arrived, for the check that every proxy does the same work. Bodies of requests are
//! read to their end before the answer leaves. It trusts who asks: a head beyond its buffer ends it.

use std::fs;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;

use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::fd::OwnedFd;

/// The listener among the sources of events; connections are counted from zero.
const LISTENER: u64 = u64::MAX;

/// Answers whoever connects to `address`, until it is ended.
pub(super) fn run(address: SocketAddr, folder: &Path) -> io::Result<()> {
    let answers = Answers::read(folder)?;
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    let poll = epoll::create(CreateFlags::CLOEXEC)?;
    epoll::add(&poll, &listener, EventData::new_u64(LISTENER), EventFlags::IN)?;
    let mut service = Service { poll, listener, connections: Vec::new(), free: Vec::new(), answers };
    let (mut events, mut piece) = (Vec::with_capacity(256), vec![0; 256 * 1024]);
    loop {
        events.clear();
        epoll::wait(&service.poll, rustix::buffer::spare_capacity(&mut events), None)?;
        for event in &events {
            match event.data.u64() {
                LISTENER => service.accept()?,
                at => service.turn(usize::try_from(at).expect("a place"), &mut piece),
            }
        }
    }
}

/// The answers, each with its head.
struct Answers {
    short: Vec<u8>,
    medium: Vec<u8>,
    long: Vec<u8>,
}

impl Answers {
    fn read(folder: &Path) -> io::Result<Self> {
        let read = |name| Ok::<_, io::Error>(answer(&fs::read(folder.join(name))?));
        Ok(Self { short: read("1k")?, medium: read("64k")?, long: read("1m")? })
    }

    /// What is answered to a request with this head.
    fn of(&self, head: &str) -> Answer {
        let target = head.split(' ').nth(1).unwrap_or_default();
        match target.split('?').next().and_then(|path| path.rsplit('/').next()) {
            Some("64k") => Answer::Medium,
            Some("1m") => Answer::Long,
            Some("seen") => {
                let field = |name| field(head, name).unwrap_or_default();
                let query = target.split_once('?').map_or("", |(_, query)| query);
                let seen = format!("{} {query} {}", field("x-forwarded-for"), field("connection"));
                Answer::Seen(answer(seen.as_bytes()))
            }
            _ => Answer::Short,
        }
    }

    fn bytes<'a>(&'a self, answer: &'a Answer) -> &'a [u8] {
        match answer {
            Answer::Short => &self.short,
            Answer::Medium => &self.medium,
            Answer::Long => &self.long,
            Answer::Seen(bytes) => bytes,
        }
    }
}

/// One of the answers.
enum Answer {
    Short,
    Medium,
    Long,
    Seen(Vec<u8>),
}

/// `body` behind a head of as many fields as servers send.
fn answer(body: &[u8]) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 200 OK\r\nServer: bench\r\nDate: Mon, 30 Nov 2026 00:00:00 GMT\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nConnection: keep-alive\r\nCache-Control: no-store\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

struct Service {
    poll: OwnedFd,
    listener: TcpListener,
    connections: Vec<Option<Connection>>,
    free: Vec<usize>,
    answers: Answers,
}

impl Service {
    /// Takes in everybody who waits.
    fn accept(&mut self) -> io::Result<()> {
        loop {
            let stream = match self.listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            };
            stream.set_nonblocking(true)?;
            stream.set_nodelay(true)?;
            let at = self.free.pop().unwrap_or(self.connections.len());
            let data = EventData::new_u64(u64::try_from(at).expect("a place"));
            epoll::add(&self.poll, &stream, data, EventFlags::IN | EventFlags::OUT | EventFlags::ET)?;
            let connection = Connection { stream, head: Vec::new(), unread: 0, leaving: None };
            if at == self.connections.len() {
                self.connections.push(Some(connection));
            } else {
                self.connections[at] = Some(connection);
            }
        }
    }

    /// Serves a connection as far as it goes now. One that has ended is closed.
    fn turn(&mut self, at: usize, piece: &mut [u8]) {
        let Some(connection) = &mut self.connections[at] else { return };
        if connection.turn(&self.answers, piece).is_err() {
            self.connections[at] = None;
            self.free.push(at);
        }
    }
}

struct Connection {
    stream: TcpStream,
    /// What was read of a head.
    head: Vec<u8>,
    /// Bytes of a request's body that are still to come.
    unread: usize,
    /// The answer that is not through, and how much of it is.
    leaving: Option<(Answer, usize)>,
}

impl Connection {
    fn turn(&mut self, answers: &Answers, piece: &mut [u8]) -> io::Result<()> {
        if !self.write(answers)? {
            return Ok(());
        }
        loop {
            let count = match self.stream.read(piece) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            };
            let is_all = count < piece.len();
            if !self.take(&piece[..count], answers)? || is_all {
                return Ok(());
            }
        }
    }

    /// Takes in what came. Whether more may be read.
    fn take(&mut self, mut bytes: &[u8], answers: &Answers) -> io::Result<bool> {
        while !bytes.is_empty() {
            if self.leaving.is_some() && self.unread == 0 {
                // A proxy asks for nothing before it was answered.
                return Err(ErrorKind::InvalidData.into());
            }
            if self.unread == 0 {
                let known = self.head.len();
                self.head.extend_from_slice(bytes);
                let Some(end) = end_of_head(&self.head) else { return Ok(true) };
                bytes = &bytes[end - known..];
                self.head.truncate(end);
                let head = std::str::from_utf8(&self.head).map_err(|_| ErrorKind::InvalidData)?;
                self.leaving = Some((answers.of(head), 0));
                // Only what uploads says how much.
                if !head.starts_with("GET ") {
                    self.unread = field(head, "content-length").map_or(0, |it| it.parse().expect("a length"));
                }
                self.head.clear();
            }
            let body = self.unread.min(bytes.len());
            self.unread -= body;
            bytes = &bytes[body..];
            if self.unread == 0 && !self.write(answers)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Writes what is to leave. Whether it is through.
    fn write(&mut self, answers: &Answers) -> io::Result<bool> {
        if self.unread > 0 {
            return Ok(true);
        }
        while let Some((answer, written)) = &mut self.leaving {
            let left = &answers.bytes(answer)[*written..];
            if left.is_empty() {
                self.leaving = None;
                break;
            }
            match self.stream.write(left) {
                Ok(count) if count == left.len() => self.leaving = None,
                Ok(count) => *written += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }
}

fn end_of_head(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|end| end == b"\r\n\r\n").map(|at| at + 4)
}

/// The value of the first field of that name.
fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let lines = head.split("\r\n").skip(1);
    let of = |line: &'a str| line.split_once(':').filter(|(own, _)| own.eq_ignore_ascii_case(name));
    lines.filter_map(of).map(|(_, value)| value.trim()).next()
}
