//! A client that may say anything: bytes as given, in pieces and pauses as given, and a reader of responses
//! that shares nothing with the gateway's own.

mod response;

#[cfg(test)]
mod tests;

use std::fmt;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use socket2::SockRef;

use crate::{Deadline, Response};

/// Bytes read at once.
const READ_BYTES: usize = 16 * 1024;

/// A connection to a server, and what has been read from it but not yet asked for.
pub struct Client {
    stream: Box<dyn Stream>,
    buffer: Vec<u8>,
    /// Set once a write failed: the server went away before it had heard everything.
    write_failed: bool,
}

/// What a client needs of a connection besides reading and writing.
pub trait Stream: Read + Write + Send {
    /// Bounds the next read.
    fn set_patience(&mut self, patience: Duration);
    /// Says that nothing more will be written.
    fn finish(&mut self);
    /// Breaks the connection off with a reset.
    fn reset(&mut self);
}

/// How a connection, or the wait for it, ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// The other side closed it.
    Closed,
    /// The other side reset it.
    Reset,
    /// It is open and silent.
    Silent,
    /// What came is no response; the text says why.
    Nonsense(String),
}

/// No whole response came.
#[derive(Debug, Clone)]
pub struct Failure {
    /// How it ended.
    pub end: End,
    /// What had come of the response: with status 0 not even its head.
    pub partial: Box<Response>,
}

/// Everything a server said until it closed the connection or fell silent.
#[derive(Debug)]
pub struct Transcript {
    /// Whole responses.
    pub responses: Vec<Response>,
    /// How it ended. What is no response after the last whole one shows as [`End::Nonsense`].
    pub end: End,
}

impl Client {
    /// Connects to `address`.
    ///
    /// # Panics
    /// When nobody listens there.
    pub fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect_timeout(&address, crate::deadline::SOON).expect("a listener");
        stream.set_nodelay(true).expect("a socket");
        Self::over(stream)
    }

    /// Speaks over a connection that is already there.
    pub fn over(stream: impl Stream + 'static) -> Self {
        Self { stream: Box::new(stream), buffer: Vec::new(), write_failed: false }
    }

    /// Sends bytes as they are. A server that no longer listens shows in what is read, not here.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let sent = self.stream.write_all(bytes.as_ref()).and_then(|()| self.stream.flush());
        self.write_failed |= sent.is_err();
    }

    /// Sends `bytes` one by one, so that each may arrive alone.
    pub fn trickle(&mut self, bytes: &[u8], pause: Duration) {
        for byte in bytes {
            self.send([*byte]);
            std::thread::sleep(pause);
        }
    }

    /// Whether some of what was sent found no reader.
    pub fn write_failed(&self) -> bool {
        self.write_failed
    }

    /// Says that nothing more will be sent.
    pub fn finish(&mut self) {
        self.stream.finish();
    }

    /// Breaks the connection off.
    pub fn reset(mut self) {
        self.stream.reset();
    }

    /// Reads one final response to a request with `method`.
    ///
    /// # Errors
    /// When no whole response comes before the deadline.
    pub fn response(&mut self, method: &str, deadline: Deadline) -> Result<Response, Failure> {
        response::read(self, method, deadline)
    }

    /// Reads responses until the server closes or falls silent. `methods` are those of the requests sent;
    /// beyond them GET is assumed.
    pub fn transcript(&mut self, methods: &[&str], deadline: Deadline) -> Transcript {
        let mut responses = Vec::new();
        loop {
            let method = methods.get(responses.len()).copied().unwrap_or("GET");
            match self.response(method, deadline) {
                Ok(response) => responses.push(response),
                Err(Failure { end, partial }) if partial.status == 0 => return Transcript { responses, end },
                Err(Failure { end, partial }) => {
                    let end = End::Nonsense(format!("half a response ({}), then {end:?}", partial.status));
                    return Transcript { responses, end };
                }
            }
        }
    }

    /// Whether the server closes the connection without another byte.
    ///
    /// # Errors
    /// What it does instead.
    pub fn closed(&mut self, deadline: Deadline) -> Result<(), String> {
        match self.more(deadline) {
            Err(End::Closed | End::Reset) if self.buffer.is_empty() => Ok(()),
            Err(end) if self.buffer.is_empty() => Err(format!("{end:?}")),
            _ => Err(format!("more bytes: {}", self.buffer.escape_ascii())),
        }
    }

    /// Reads exactly `count` bytes, past any response.
    ///
    /// # Errors
    /// How the connection ended before that many came.
    pub fn bytes(&mut self, count: usize, deadline: Deadline) -> Result<Vec<u8>, End> {
        while self.buffer.len() < count {
            self.more(deadline)?;
        }
        let rest = self.buffer.split_off(count);
        Ok(std::mem::replace(&mut self.buffer, rest))
    }

    /// Waits for more bytes and puts them behind those not yet asked for.
    pub(crate) fn more(&mut self, deadline: Deadline) -> Result<(), End> {
        let left = deadline.left().ok_or(End::Silent)?;
        self.stream.set_patience(left);
        let mut piece = [0; READ_BYTES];
        match self.stream.read(&mut piece) {
            Ok(0) => Err(End::Closed),
            Ok(count) => {
                self.buffer.extend(&piece[..count]);
                Ok(())
            }
            Err(error) => Err(end_of(&error)),
        }
    }

    pub(crate) fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.buffer
    }
}

fn end_of(error: &io::Error) -> End {
    match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted => End::Silent,
        ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::ConnectionAborted => End::Reset,
        ErrorKind::UnexpectedEof => End::Closed,
        _ => End::Nonsense(error.to_string()),
    }
}

impl Stream for TcpStream {
    fn set_patience(&mut self, patience: Duration) {
        self.set_read_timeout(Some(patience)).expect("a socket");
    }

    fn finish(&mut self) {
        drop(self.shutdown(Shutdown::Write));
    }

    fn reset(&mut self) {
        reset(self);
    }
}

/// Makes the coming close of `stream` a reset: bytes on their way are lost, as when a machine dies.
pub fn reset(stream: &TcpStream) {
    drop(SockRef::from(stream).set_linger(Some(Duration::ZERO)));
    // Only the last handle's close resets; `shutdown` would send an orderly end first.
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} after {:?}", self.end, self.partial)
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("buffer", &self.buffer.escape_ascii().to_string())
            .finish_non_exhaustive()
    }
}
