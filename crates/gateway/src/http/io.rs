//! Byte streams under both wires and in both directions: TCP, TLS over TCP, Unix sockets.
//!
//! One enum instead of a type parameter, so that an exchange is compiled once and not once per kind of socket.
//! A TCP stream is split without a lock; a TLS session has one state for both directions and pays for one.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker, ready};

use bytes::BytesMut;
use rustix::net::{RecvFlags, SendFlags, recv, send};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, Interest, ReadBuf};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpStream, unix};
use tokio::task::coop;

use super::held::Held;
use super::spare;
use super::told::Told;

/// What a read of no more than a head and a small body is made into, before it is known how much comes.
const LANDING_BYTES: usize = 8 * 1024;

thread_local! {
    static LANDING: RefCell<[u8; LANDING_BYTES]> = const { RefCell::new([0; LANDING_BYTES]) };
}

/// The reading direction of a connection.
#[derive(Debug)]
pub enum ReadHalf {
    /// Cleartext TCP.
    Tcp(OwnedReadHalf),
    /// TLS as the server.
    TlsServer(Box<tokio::io::ReadHalf<tokio_rustls::server::TlsStream<Held>>>),
    /// TLS as the client.
    TlsClient(Box<tokio::io::ReadHalf<tokio_rustls::client::TlsStream<TcpStream>>>),
    /// A Unix socket.
    Unix(unix::OwnedReadHalf),
}

/// The writing direction of a connection.
#[derive(Debug)]
pub enum WriteHalf {
    /// Cleartext TCP.
    Tcp(OwnedWriteHalf),
    /// TLS as the server.
    TlsServer(Box<tokio::io::WriteHalf<tokio_rustls::server::TlsStream<Held>>>),
    /// TLS as the client.
    TlsClient(Box<tokio::io::WriteHalf<tokio_rustls::client::TlsStream<TcpStream>>>),
    /// A Unix socket.
    Unix(unix::OwnedWriteHalf),
}

/// A reading half with the bytes that were read and not yet used.
#[derive(Debug)]
pub struct Reader {
    half: ReadHalf,
    /// Whom the socket will wake, as long as it has not become ready.
    told: Told,
    /// Whether the last read may have left something unread.
    was_full: bool,
    /// Whether the buffer may hold memory.
    has_memory: bool,
    /// Bytes read and not yet used.
    pub buffer: BytesMut,
}

impl Reader {
    /// A reader with nothing buffered and no memory held.
    pub fn new(half: ReadHalf) -> Self {
        Self { half, told: Told::default(), was_full: false, has_memory: false, buffer: BytesMut::new() }
    }

    /// Reads more into the buffer, at most `room` bytes. `Ok(0)` is the other end's end.
    pub fn poll_fill(&mut self, cx: &mut Context<'_>, room: usize) -> Poll<io::Result<usize>> {
        let polled = self.poll_read(cx, room);
        if polled.is_pending() {
            self.rest();
        }
        polled
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, room: usize) -> Poll<io::Result<usize>> {
        if std::mem::take(&mut self.was_full) {
            // Who is sent more than can be read takes turns with others.
            ready!(coop::poll_proceed(cx)).made_progress();
        }
        loop {
            let ReadHalf::Tcp(tcp) = &self.half else {
                self.has_memory = true;
                make_room(&mut self.buffer, room);
                self.told.forget();
                return pin!(self.half.read_buf(&mut self.buffer)).poll(cx);
            };
            let read = read(tcp.as_ref(), || {
                self.told.forget();
                self.has_memory = true;
                if room <= LANDING_BYTES {
                    read_little(tcp.as_ref(), &mut self.buffer)
                } else {
                    make_room(&mut self.buffer, room);
                    read_much(tcp.as_ref(), &mut self.buffer)
                }
            });
            if let Some(read) = read {
                return Poll::Ready(read.map(|(count, is_all)| {
                    self.was_full = !is_all;
                    count
                }));
            }
            ready!(self.poll_ready(cx))?;
        }
    }

    /// Ready when a read is worth trying. A TLS session does not know before it has read.
    pub fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let tcp = match &self.half {
            ReadHalf::Tcp(tcp) => tcp.as_ref(),
            ReadHalf::TlsServer(_) | ReadHalf::TlsClient(_) | ReadHalf::Unix(_) => {
                return Poll::Ready(Ok(()));
            }
        };
        // PERF: a look at what is known, without the lock under which a waker is left.
        if tcp.try_io(Interest::READABLE, || Ok(())).is_ok() {
            return Poll::Ready(Ok(()));
        }
        if self.told.is(cx) {
            return Poll::Pending;
        }
        let polled = tcp.poll_read_ready(cx);
        match polled {
            Poll::Pending => self.told.pending(cx),
            Poll::Ready(_) => self.told.forget(),
        }
        polled
    }

    /// Forgets whom it wakes: its owner goes on to another task.
    pub fn leave(&mut self) {
        self.told.forget();
    }

    /// Reads more, awaited.
    pub async fn fill(&mut self, room: usize) -> io::Result<usize> {
        poll_fn(|cx| self.poll_fill(cx, room)).await
    }

    /// Gives the buffer's memory back when nothing is in it.
    pub fn rest(&mut self) {
        if self.has_memory && self.buffer.is_empty() {
            self.has_memory = false;
            spare::give_read(std::mem::take(&mut self.buffer));
        }
    }

    /// Whether the connection is quiet: open, and nothing has arrived unasked.
    pub fn is_quiet(&mut self) -> bool {
        if !self.buffer.is_empty() {
            return false;
        }
        self.told.forget();
        let mut probe = [0_u8; 1];
        if let ReadHalf::Tcp(tcp) = &self.half {
            let read = tcp.try_read(&mut probe);
            return read.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock);
        }
        let mut cx = Context::from_waker(Waker::noop());
        let mut probe = ReadBuf::new(&mut probe);
        let half = &mut self.half;
        // Without the scheduler's budget: a task that has used it up would take any connection for quiet.
        let reading = coop::unconstrained(poll_fn(|cx| Pin::new(&mut *half).poll_read(cx, &mut probe)));
        pin!(reading).poll(&mut cx).is_pending()
    }
}

macro_rules! each {
    ($self:ident, $half:ident => $call:expr) => {
        match $self.get_mut() {
            Self::Tcp(inner) => {
                let $half = Pin::new(inner);
                $call
            }
            Self::TlsServer(inner) => {
                let $half = Pin::new(&mut **inner);
                $call
            }
            Self::TlsClient(inner) => {
                let $half = Pin::new(&mut **inner);
                $call
            }
            Self::Unix(inner) => {
                let $half = Pin::new(inner);
                $call
            }
        }
    };
}

impl WriteHalf {
    /// Writes what is the last of a connection. TCP keeps what does not fill a packet, to leave with the end, so that
    /// whoever calls this says the end next: drops this half, or shuts it down.
    // PERF: one packet instead of two, each of which goes all the way to the other socket.
    #[inline(always)]
    pub fn poll_write_last(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self {
            Self::Tcp(half) => poll_send(half.as_ref(), cx, bytes, SendFlags::MORE),
            Self::TlsServer(_) | Self::TlsClient(_) | Self::Unix(_) => Pin::new(self).poll_write(cx, bytes),
        }
    }

    /// Whether what was written may wait for a flush. A socket holds nothing back, a TLS session may hold a record.
    pub fn holds_back(&self) -> bool {
        matches!(self, Self::TlsServer(_) | Self::TlsClient(_))
    }
}

impl AsyncRead for ReadHalf {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        each!(self, half => half.poll_read(cx, buf))
    }
}

impl AsyncWrite for WriteHalf {
    // PERF: each function that returns with a call into the kernel behind it is mispredicted, for the kernel has used up what
    // the processor knows of returns. So what surrounds such a call is not to be called itself, here and below.
    #[inline(always)]
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if let Self::Tcp(half) = &*self {
            return poll_send(half.as_ref(), cx, buf, SendFlags::empty());
        }
        each!(self, half => half.poll_write(cx, buf))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        each!(self, half => half.poll_write_vectored(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Tcp(half) => half.is_write_vectored(),
            Self::Unix(half) => half.is_write_vectored(),
            Self::TlsServer(half) => half.is_write_vectored(),
            Self::TlsClient(half) => half.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self, half => half.poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self, half => half.poll_shutdown(cx))
    }
}

/// Makes room for as many bytes, with memory that others have used before if there is none.
fn make_room(buffer: &mut BytesMut, room: usize) {
    if buffer.capacity() == 0 {
        *buffer = if room > spare::KEPT_BYTES_MAX { BytesMut::new() } else { spare::read() };
    }
    buffer.reserve(room);
}

/// Reads what has come, as far as [`LANDING_BYTES`] go, and says whether that was all.
// PERF: a copy of two KiB costs less than the four locked instructions by which the C library lets a thread be cancelled
// meanwhile, and without it nobody but the C library reads into memory that holds nothing yet.
#[inline(always)]
fn read_little(tcp: &TcpStream, buffer: &mut BytesMut) -> io::Result<(usize, bool)> {
    LANDING.with_borrow_mut(|landing| {
        let (count, _) = recv(tcp, &mut landing[..], RecvFlags::empty())?;
        make_room(buffer, LANDING_BYTES);
        buffer.extend_from_slice(landing.get(..count).unwrap_or_default());
        Ok((count, count < LANDING_BYTES))
    })
}

/// Reads what has come, as far as the buffer has room, and says whether that was all.
fn read_much(tcp: &TcpStream, buffer: &mut BytesMut) -> io::Result<(usize, bool)> {
    let count = tcp.try_read_buf(buffer)?;
    Ok((count, buffer.len() < buffer.capacity()))
}

/// Makes one `call` that reads, if something has come, and hands on how much it read and whether that was all.
// PERF: half the instructions of `AsyncReadExt::read_buf`.
#[inline(always)]
fn read(
    tcp: &TcpStream,
    call: impl FnOnce() -> io::Result<(usize, bool)>,
) -> Option<io::Result<(usize, bool)>> {
    let mut read = None;
    let tried = tcp.try_io(Interest::READABLE, || {
        let (count, is_all) = call()?;
        read = Some((count, is_all));
        // That was all: the socket is not asked again before it says that there is more.
        if is_all && count > 0 { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(()) }
    });
    match (read, tried) {
        (Some(read), _) => Some(Ok(read)),
        (None, Err(error)) if error.kind() != io::ErrorKind::WouldBlock => Some(Err(error)),
        (None, _) => None,
    }
}

/// Reads what has come, as far as `buf` has room. Memory in it that holds nothing yet is cleared for that.
// PERF: as `read_little`; a TLS session reads into memory that holds something.
pub(super) fn poll_recv(
    tcp: &TcpStream,
    cx: &mut Context<'_>,
    buf: &mut ReadBuf<'_>,
) -> Poll<io::Result<()>> {
    loop {
        let tried = read(tcp, || {
            let room = buf.initialize_unfilled();
            let (count, _) = recv(tcp, &mut *room, RecvFlags::empty())?;
            Ok((count, count < room.len()))
        });
        match tried {
            Some(Ok((count, _))) => {
                buf.advance(count);
                return Poll::Ready(Ok(()));
            }
            Some(Err(error)) => return Poll::Ready(Err(error)),
            None => ready!(tcp.poll_read_ready(cx))?,
        }
    }
}

/// Sends what the socket takes.
// PERF: four locked instructions less than by the C library, which lets a thread be cancelled meanwhile.
#[inline(always)]
pub(super) fn poll_send(
    tcp: &TcpStream,
    cx: &mut Context<'_>,
    bytes: &[u8],
    flags: SendFlags,
) -> Poll<io::Result<usize>> {
    loop {
        let mut sent = None;
        let tried = tcp.try_io(Interest::WRITABLE, || {
            let written = send(tcp, bytes, flags | SendFlags::NOSIGNAL)?;
            sent = Some(written);
            // It took as much as it has room for: it is not asked again before it says that there is more.
            if written < bytes.len() { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(()) }
        });
        match (sent, tried) {
            (Some(written), _) => return Poll::Ready(Ok(written)),
            (None, Err(error)) if error.kind() != io::ErrorKind::WouldBlock => {
                return Poll::Ready(Err(error));
            }
            (None, _) => ready!(tcp.poll_write_ready(cx))?,
        }
    }
}

/// Both directions of a connection as one stream, for codecs that want it so.
#[derive(Debug)]
pub struct Duplex {
    reader: Reader,
    writer: WriteHalf,
}

impl Duplex {
    /// Joins two halves. What was read ahead is read first.
    pub fn new(reader: Reader, writer: WriteHalf) -> Self {
        Self { reader, writer }
    }
}

impl AsyncRead for Duplex {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Reader { half, buffer, .. } = &mut self.get_mut().reader;
        if buffer.is_empty() {
            // What was read ahead is read; the codec has a buffer of its own.
            *buffer = BytesMut::new();
            return Pin::new(half).poll_read(cx, buf);
        }
        let ahead = buffer.split_to(buf.remaining().min(buffer.len()));
        buf.put_slice(&ahead);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Duplex {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().writer).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().writer).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.writer.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().writer).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().writer).poll_shutdown(cx)
    }
}

/// Splits a TCP connection. Whoever opened or accepted it has turned Nagle's algorithm off: heads and small bodies leave
/// at once.
pub fn split_tcp(stream: TcpStream) -> (Reader, WriteHalf) {
    let (read, write) = stream.into_split();
    (Reader::new(ReadHalf::Tcp(read)), WriteHalf::Tcp(write))
}

/// Splits a TLS connection we accepted.
pub fn split_tls_server(stream: tokio_rustls::server::TlsStream<Held>) -> (Reader, WriteHalf) {
    let (read, write) = tokio::io::split(stream);
    (Reader::new(ReadHalf::TlsServer(Box::new(read))), WriteHalf::TlsServer(Box::new(write)))
}

/// Splits a TLS connection we opened.
pub fn split_tls_client(stream: tokio_rustls::client::TlsStream<TcpStream>) -> (Reader, WriteHalf) {
    let (read, write) = tokio::io::split(stream);
    (Reader::new(ReadHalf::TlsClient(Box::new(read))), WriteHalf::TlsClient(Box::new(write)))
}
