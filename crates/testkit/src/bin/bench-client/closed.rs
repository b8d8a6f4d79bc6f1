//! Requests one after the other on connections that are kept: a closed loop.
//!
//! A proxy that waits for its load wakes for a request or two, pays for each waking, and seems dearer the cheaper it is. So
//! this costs less than any proxy does: the answer that is expected is compared where it lies, and nothing is measured but how
//! many there are.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::net::{RecvFlags, SendFlags, recv, send};
use rustls::pki_types::ServerName;
use rustls::{CipherSuite, ClientConfig, ClientConnection};

use super::{Exchange, Figures, handshakes};

/// How long the last answers may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Sends requests on `connections` connections for as long as `time`, over TLS where there are `certificates` to trust.
pub(super) fn run(
    address: SocketAddr,
    time: Duration,
    connections: usize,
    certificates: Option<&str>,
    exchange: &Exchange,
) -> Figures {
    let config = certificates.map(|file| handshakes::config(&handshakes::roots(file), false));
    let poll = epoll::create(CreateFlags::CLOEXEC).expect("epoll");
    let connections: Vec<Connection> = (0..connections)
        .map(|at| {
            let connection = Connection::open(address, config.as_ref()).expect("a connection");
            let data = EventData::new_u64(u64::try_from(at).expect("a number"));
            epoll::add(&poll, &connection.socket, data, EventFlags::IN | EventFlags::ET).expect("epoll");
            connection
        })
        .collect();
    let load = Load { exchange, connections, piece: vec![0; 256 * 1024], sent: 0, answered: 0 };
    load.run(&poll, time)
}

struct Load<'a> {
    exchange: &'a Exchange,
    connections: Vec<Connection>,
    /// Where answers arrive.
    piece: Vec<u8>,
    sent: u64,
    answered: u64,
}

impl Load<'_> {
    fn run(mut self, poll: &rustix::fd::OwnedFd, time: Duration) -> Figures {
        let began = Instant::now();
        for connection in &mut self.connections {
            connection.ask(self.exchange, self.sent);
            self.sent += 1;
        }
        let mut events = Vec::with_capacity(256);
        while self.answered < self.sent {
            assert!(began.elapsed() < time + PATIENCE, "{} answers did not come", self.sent - self.answered);
            events.clear();
            let wait = Timespec { tv_sec: 1, tv_nsec: 0 };
            epoll::wait(poll, rustix::buffer::spare_capacity(&mut events), Some(&wait)).expect("epoll");
            let goes_on = began.elapsed() < time;
            for event in &events {
                let at = usize::try_from(event.data.u64()).expect("a number");
                let connection = &mut self.connections[at];
                if connection.receive(self.exchange, &mut self.piece) {
                    self.answered += 1;
                    if goes_on {
                        connection.ask(self.exchange, self.sent);
                        self.sent += 1;
                    }
                }
            }
        }
        Figures { answered: self.answered, took: began.elapsed(), ..Figures::default() }
    }
}

/// A connection, with what came of an answer that is not whole.
struct Connection {
    socket: TcpStream,
    session: Option<ClientConnection>,
    request: String,
    answer: Vec<u8>,
}

impl Connection {
    fn open(address: SocketAddr, config: Option<&Arc<ClientConfig>>) -> io::Result<Self> {
        let mut socket = TcpStream::connect(address)?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        let mut session = None;
        if let Some(config) = config {
            let name = ServerName::try_from("localhost").expect("a name");
            let mut new = ClientConnection::new(Arc::clone(config), name).map_err(io::Error::other)?;
            while new.is_handshaking() {
                new.complete_io(&mut socket)?;
            }
            let suite = new.negotiated_cipher_suite().map(|suite| suite.suite());
            assert_eq!(suite, Some(CipherSuite::TLS13_AES_128_GCM_SHA256), "another cipher suite");
            session = Some(new);
        }
        socket.set_nonblocking(true)?;
        Ok(Self { socket, session, request: String::new(), answer: Vec::new() })
    }

    /// Sends request `n`.
    fn ask(&mut self, exchange: &Exchange, n: u64) {
        exchange.request(n, &mut self.request);
        let sent = match &mut self.session {
            None => send(&self.socket, self.request.as_bytes(), SendFlags::NOSIGNAL).map_err(io::Error::from),
            Some(session) => {
                session.writer().write_all(self.request.as_bytes()).expect("room for a request");
                session.write_tls(&mut self.socket).map(|_| self.request.len())
            }
        };
        assert_eq!(sent.ok(), Some(self.request.len()), "a request fits into a socket");
    }

    /// Takes in what is there. Whether an answer is whole.
    fn receive(&mut self, exchange: &Exchange, piece: &mut [u8]) -> bool {
        let mut is_whole = false;
        loop {
            let count = match recv(&self.socket, &mut *piece, RecvFlags::empty()) {
                Ok((0, _)) => panic!("a wrong answer: closed"),
                Ok((count, _)) => count,
                Err(rustix::io::Errno::AGAIN) => return is_whole,
                Err(error) => panic!("a wrong answer: {error}"),
            };
            assert!(!is_whole, "a wrong answer: something follows it");
            is_whole = match &mut self.session {
                None => judge(exchange, &mut self.answer, &piece[..count]),
                Some(session) => {
                    let mut sealed = &piece[..count];
                    while !sealed.is_empty() {
                        session.read_tls(&mut sealed).expect("a record");
                        session.process_new_packets().expect("a record of the session");
                        while let Ok(1..) = take(session, &mut self.answer) {}
                    }
                    !self.answer.is_empty() && judge(exchange, &mut self.answer, &[])
                }
            };
            if count < piece.len() {
                return is_whole;
            }
        }
    }
}

/// Adds to `answer` what the session has opened.
fn take(session: &mut ClientConnection, answer: &mut Vec<u8>) -> io::Result<usize> {
    let mut opened = [0; 16 * 1024];
    let count = session.reader().read(&mut opened)?;
    answer.extend_from_slice(&opened[..count]);
    Ok(count)
}

/// Whether with `more` behind what is `known` of an answer it is whole; then nothing is known of the next one.
fn judge(exchange: &Exchange, known: &mut Vec<u8>, more: &[u8]) -> bool {
    if known.is_empty() && exchange.is_plainly(more) {
        return true;
    }
    known.extend_from_slice(more);
    if !exchange.is_plainly(known) {
        match exchange.judge(known).unwrap_or_else(|why| panic!("a wrong answer: {why}")) {
            None => return false,
            Some(length) => assert_eq!(length, known.len(), "a wrong answer: something follows it"),
        }
    }
    known.clear();
    true
}
