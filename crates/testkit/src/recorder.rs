//! A backend that remembers every byte and answers as it is told.
//!
//! It never refuses: what it cannot read it keeps as unread bytes, what it finds unusual it notes on the
//! message. A test then asserts that nothing unusual ever arrived.

mod gate;
mod reply;
mod request;

#[cfg(test)]
mod tests;

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use crate::{Deadline, raw};
pub use gate::Gate;
pub use reply::{Moment, Reply, Step};
pub use request::Message;
use request::{Event, Parser};

/// Raw bytes kept of one connection; later ones are counted only.
const RAW_BYTES_MAX: usize = 1024 * 1024;

/// A recording backend on a loopback port of its own.
#[derive(Debug)]
pub struct Recorder {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    log: Mutex<Log>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Log {
    connections: Vec<Connection>,
    messages: Vec<Message>,
    replies: Vec<(Vec<u8>, Reply)>,
    greeting: Vec<u8>,
    sockets: Vec<TcpStream>,
    stopped: bool,
}

/// One connection as the recorder saw it.
#[derive(Debug, Clone, Default)]
pub struct Connection {
    /// Where it comes from.
    pub peer: Option<SocketAddr>,
    /// Its first bytes, up to a mebibyte.
    pub raw: Vec<u8>,
    /// How many bytes came in all.
    pub bytes: u64,
    /// Bytes that are no part of any message begun.
    pub unread: Vec<u8>,
    /// Bytes after an upgrade.
    pub tunnelled: Vec<u8>,
    /// Whether it is still open.
    pub is_open: bool,
}

/// A place in the recorder's log: what came before it is not looked at.
#[derive(Debug, Clone, Copy)]
pub struct Mark(usize);

impl Recorder {
    /// Starts one that answers every request with 200 and an echo of its line.
    ///
    /// # Panics
    /// When there is no free port.
    pub fn start() -> Self {
        Self::on_listener(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port"))
    }

    /// Starts one where somebody listens already.
    ///
    /// # Panics
    /// When nobody does.
    pub fn on_listener(listener: TcpListener) -> Self {
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared::default());
        let accepting = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if !Arc::clone(&accepting).welcome(stream) {
                    return;
                }
            }
        });
        Self { address, shared }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its address as a URL without a path.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Answers requests whose target begins with `target` by `reply`; what was said last counts first.
    pub fn on(&self, target: impl AsRef<[u8]>, reply: Reply) {
        self.shared.lock().replies.push((target.as_ref().to_vec(), reply));
    }

    /// Sends `bytes` on every new connection before anything was asked.
    pub fn greet(&self, bytes: impl AsRef<[u8]>) {
        self.shared.lock().greeting = bytes.as_ref().to_vec();
    }

    /// The place behind the last message begun so far.
    pub fn mark(&self) -> Mark {
        Mark(self.shared.lock().messages.len())
    }

    /// Every message begun so far, whole or not.
    pub fn messages(&self) -> Vec<Message> {
        self.since(Mark(0))
    }

    /// The messages begun behind `mark`, whole or not.
    pub fn since(&self, mark: Mark) -> Vec<Message> {
        self.shared.lock().messages.iter().skip(mark.0).cloned().collect()
    }

    /// Every connection so far.
    pub fn connections(&self) -> Vec<Connection> {
        self.shared.lock().connections.clone()
    }

    /// The first whole message that `wanted` accepts, awaited.
    ///
    /// # Panics
    /// When none comes in time.
    pub fn expect(&self, what: &str, wanted: impl Fn(&Message) -> bool) -> Message {
        self.wait(what, |log| log.messages.iter().find(|m| m.is_complete && wanted(m)).cloned())
    }

    /// The first message, whole or not, that `wanted` accepts, awaited.
    ///
    /// # Panics
    /// When none comes in time.
    pub fn expect_begun(&self, what: &str, wanted: impl Fn(&Message) -> bool) -> Message {
        self.wait(what, |log| log.messages.iter().find(|m| wanted(m)).cloned())
    }

    /// Waits until the connection that carried `message` is closed.
    ///
    /// # Panics
    /// When it stays open.
    pub fn expect_closed(&self, message: &Message) {
        let number = message.connection;
        self.wait("the connection's close", |log| (!log.connections[number].is_open).then_some(()));
    }

    /// What is unusual in all that came: oddities of messages, and bytes that belong to none.
    pub fn oddities(&self) -> Vec<String> {
        let log = self.shared.lock();
        let mut found: Vec<String> = Vec::new();
        for message in &log.messages {
            found.extend(message.oddities.iter().map(|oddity| format!("{message}: {oddity}")));
        }
        let unread = log.connections.iter().filter(|connection| !connection.unread.is_empty());
        found.extend(unread.map(|connection| format!("stray bytes `{}`", connection.unread.escape_ascii())));
        found
    }

    fn wait<T>(&self, what: &str, wanted: impl Fn(&Log) -> Option<T>) -> T {
        let deadline = Deadline::soon();
        let mut log = self.shared.lock();
        loop {
            if let Some(found) = wanted(&log) {
                return found;
            }
            let Some(left) = deadline.left() else {
                let seen: Vec<String> = log.messages.iter().map(ToString::to_string).collect();
                drop(log);
                panic!("the backend waited in vain for {what}; it saw {seen:#?}");
            };
            log = self.shared.changed.wait_timeout(log, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        let mut log = self.shared.lock();
        log.stopped = true;
        for socket in log.sockets.drain(..) {
            drop(socket.shutdown(Shutdown::Both));
        }
        drop(log);
        drop(TcpStream::connect(self.address)); // wakes the accepting thread, which then ends
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a new connection in; `false` once the recorder is gone.
    fn welcome(self: Arc<Self>, mut stream: TcpStream) -> bool {
        let mut log = self.lock();
        if log.stopped {
            return false;
        }
        drop(stream.set_nodelay(true));
        let number = log.connections.len();
        log.connections.push(Connection {
            peer: stream.peer_addr().ok(),
            is_open: true,
            ..Connection::default()
        });
        if let Ok(clone) = stream.try_clone() {
            log.sockets.push(clone);
        }
        let greeting = log.greeting.clone();
        drop(log);
        thread::spawn(move || {
            drop(stream.write_all(&greeting));
            let mut session = Session { number, stream, shared: self, parser: Parser::default(), current: 0 };
            session.run();
            session.close();
        });
        true
    }
}

/// One connection being served.
struct Session {
    number: usize,
    stream: TcpStream,
    shared: Arc<Shared>,
    parser: Parser,
    /// Place of the message being read in the log.
    current: usize,
}

/// What becomes of a connection after a reply.
#[derive(PartialEq, Eq)]
enum Next {
    Read,
    Close,
}

impl Session {
    fn run(&mut self) {
        let mut answered = false;
        let mut piece = vec![0; 64 * 1024];
        loop {
            while let Some(event) = self.parser.next() {
                self.record(&event);
                let (moment, message) = match &event {
                    Event::Head(message) => (Moment::Head, message),
                    Event::Whole(message) => (Moment::Whole, message),
                };
                let reply = self.choose(message);
                if !answered && (reply.moment == moment || moment == Moment::Whole) {
                    answered = true;
                    if self.answer(&reply, message) == Next::Close {
                        return;
                    }
                }
                if moment == Moment::Whole {
                    answered = false;
                }
            }
            self.note_unread();
            match self.stream.read(&mut piece) {
                Ok(0) | Err(_) => return,
                Ok(count) => self.take_in(&piece[..count]),
            }
        }
    }

    fn take_in(&mut self, bytes: &[u8]) {
        self.parser.feed(bytes);
        let mut log = self.shared.lock();
        let connection = &mut log.connections[self.number];
        connection.bytes += bytes.len() as u64;
        let room = RAW_BYTES_MAX.saturating_sub(connection.raw.len());
        connection.raw.extend(bytes.iter().take(room));
        drop(log);
        self.shared.changed.notify_all();
    }

    fn note_unread(&self) {
        self.parser.unread().clone_into(&mut self.shared.lock().connections[self.number].unread);
    }

    fn record(&mut self, event: &Event) {
        let mut log = self.shared.lock();
        match event {
            Event::Head(message) => {
                self.current = log.messages.len();
                log.messages.push(Message { connection: self.number, ..message.clone() });
            }
            Event::Whole(message) => {
                log.messages[self.current] = Message { connection: self.number, ..message.clone() };
            }
        }
        drop(log);
        self.shared.changed.notify_all();
    }

    fn choose(&self, message: &Message) -> Reply {
        let log = self.shared.lock();
        let chosen = log.replies.iter().rev().find(|(target, _)| message.target.starts_with(target));
        chosen.map_or_else(|| Reply::echo(message), |(_, reply)| reply.clone())
    }

    fn answer(&mut self, reply: &Reply, message: &Message) -> Next {
        for step in &reply.steps {
            let sent = match step {
                Step::Send(bytes) => self.stream.write_all(bytes),
                Step::Repeat(bytes, times) => (0..*times).try_for_each(|_| self.stream.write_all(bytes)),
                Step::Echo => self.stream.write_all(&reply::echo_bytes(message)),
                Step::Pause(pause) => {
                    thread::sleep(*pause);
                    Ok(())
                }
                Step::Wait(gate) => {
                    gate.wait(Deadline::soon());
                    Ok(())
                }
                Step::Open(gate) => {
                    gate.open();
                    Ok(())
                }
                Step::Tunnel => {
                    self.tunnel();
                    return Next::Close;
                }
                Step::Close => return Next::Close,
                Step::Reset => {
                    self.forget_socket();
                    raw::reset(&self.stream);
                    return Next::Close;
                }
            };
            if sent.is_err() {
                return Next::Close;
            }
        }
        Next::Read
    }

    /// Sends back whatever comes, and records it.
    fn tunnel(&mut self) {
        let mut piece = self.parser.unread().to_vec();
        loop {
            let mut log = self.shared.lock();
            let connection = &mut log.connections[self.number];
            connection.tunnelled.extend(&piece);
            connection.unread.clear();
            drop(log);
            self.shared.changed.notify_all();
            if self.stream.write_all(&piece).is_err() {
                return;
            }
            piece.resize(16 * 1024, 0);
            match self.stream.read(&mut piece) {
                Ok(0) | Err(_) => return,
                Ok(count) => piece.truncate(count),
            }
        }
    }

    /// Drops the log's handle: only the last handle's close can reset a connection.
    fn forget_socket(&self) {
        let peer = self.stream.peer_addr().ok();
        self.shared.lock().sockets.retain(|socket| socket.peer_addr().ok() != peer);
    }

    fn close(self) {
        self.forget_socket();
        let Self { number, stream, shared, parser, current } = self;
        let mut log = shared.lock();
        if let Some(half) = parser.half() {
            log.messages[current] = Message { connection: number, ..half };
        }
        drop(stream);
        log.connections[number].is_open = false;
        drop(log);
        shared.changed.notify_all();
    }
}
