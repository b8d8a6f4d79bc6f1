//! Listening sockets: bound here, or handed to this process by a service manager or by the process it takes over from.
//!
//! Every core binds the same address (`SO_REUSEPORT`), and the kernel spreads connections over the sockets. Each socket
//! has a queue of its own: one that is closed takes its waiting connections along, and one that nobody accepts from holds
//! them for ever. So all sockets of an address that were handed over are accepted from, however many cores there are,
//! and what would be bound besides does not listen before it is sure that somebody will accept.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};

use socket2::{Domain, Protocol, SockRef, Socket, Type};

/// Connections the kernel may hold for us before they are accepted.
pub(super) const BACKLOG: i32 = 4096;

/// Sockets that listen on one address already, and were handed to this process.
#[derive(Debug)]
pub struct Inherited {
    /// The listener they belonged to, or what the service manager calls them.
    pub name: String,
    /// Their address.
    pub address: SocketAddr,
    /// All of them.
    pub sockets: Vec<TcpListener>,
}

/// A socket of this process's own that is bound, and may not listen yet.
#[derive(Debug)]
pub enum Prepared {
    /// It listens.
    Listening(TcpListener),
    /// It is to join others that listen already.
    Joining(Socket),
}

impl Prepared {
    /// Listens, if it does not yet.
    ///
    /// # Errors
    /// What the system says.
    pub fn listen(self) -> io::Result<TcpListener> {
        match self {
            Self::Listening(socket) => Ok(socket),
            Self::Joining(socket) => {
                socket.listen(BACKLOG)?;
                Ok(socket.into())
            }
        }
    }
}

/// Whether the sockets at `address`, of the listener called `name`, are those that a listener wants which is called
/// `wanted` and asks for `bind`. Port 0 asks for whatever port its listener has.
pub fn is_for(name: &str, address: SocketAddr, wanted: &str, bind: SocketAddr) -> bool {
    bind == address || (bind.port() == 0 && bind.ip() == address.ip() && wanted == name)
}

/// One socket a core on the same address. With port 0 the first decides which port that is.
///
/// # Errors
/// What the system says; none is bound then.
pub fn bind_each(address: SocketAddr, cores: usize) -> io::Result<(SocketAddr, Vec<Prepared>)> {
    let first = listening(address)?;
    let address = first.local_addr()?;
    let mut sockets = vec![Prepared::Listening(first)];
    for _ in 1..cores {
        sockets.push(Prepared::Listening(listening(address)?));
    }
    Ok((address, sockets))
}

/// All that were handed over, and one more for each core that would have none, where the system allows that: a socket
/// that a service manager opened is alone on its address, as a rule. Its connections are shared out all the same.
///
/// # Errors
/// What was handed over cannot be used.
pub fn adopt(inherited: Inherited, cores: usize) -> io::Result<Vec<Prepared>> {
    let Inherited { address, sockets, .. } = inherited;
    let mut may_join = true;
    for socket in &sockets {
        socket.set_nonblocking(true)?;
        leaves_at_once(&SockRef::from(socket));
        may_join &= SockRef::from(socket).reuse_port().unwrap_or(false);
    }
    let missing = if may_join { cores.saturating_sub(sockets.len()) } else { 0 };
    let mut all: Vec<Prepared> = sockets.into_iter().map(Prepared::Listening).collect();
    for _ in 0..missing {
        match bound(address) {
            Ok(socket) => all.push(Prepared::Joining(socket)),
            Err(_) => break,
        }
    }
    Ok(all)
}

/// The address of a socket that listens; of any other, what is wrong with it.
///
/// # Errors
/// It does not listen for connections over TCP.
pub fn listening_address(socket: &TcpListener) -> io::Result<SocketAddr> {
    let other = |what: &str| io::Error::new(io::ErrorKind::InvalidInput, what.to_owned());
    let about = SockRef::from(socket);
    if about.r#type()? != Type::STREAM || !about.is_listener()? {
        return Err(other("it is no socket that listens"));
    }
    about.local_addr()?.as_socket().ok_or_else(|| other("it is no TCP socket"))
}

/// An address as IPv4 where it stands for one: sockets of others may take both families.
pub(super) fn plain(address: SocketAddr) -> SocketAddr {
    match address.ip().to_canonical() {
        IpAddr::V4(ip) => SocketAddr::from((ip, address.port())),
        IpAddr::V6(_) => address,
    }
}

fn listening(address: SocketAddr) -> io::Result<TcpListener> {
    Prepared::Joining(bound(address)?).listen()
}

/// Turns Nagle's algorithm off, for the connections that will be accepted: messages of a handshake, heads and small
/// bodies are waited for. A socket that cannot be told is only slower.
// PERF: connections have it from the socket that listens, and no call is made for each.
fn leaves_at_once(socket: &Socket) {
    let _ = socket.set_tcp_nodelay(true);
}

fn bound(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)?;
    leaves_at_once(&socket);
    socket.bind(&address.into())?;
    Ok(socket)
}
