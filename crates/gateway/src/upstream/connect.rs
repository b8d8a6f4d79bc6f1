//! Opens connections: name, address, socket, TLS.
//!
//! A name is resolved for each new connection, off the core, by the system's resolver. Its addresses are tried
//! in the order given, each with an even share of the time that is left, so that one dead address does not use
//! up the patience for the others.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use rustls::ClientConfig;
use smallvec::SmallVec;
use tokio::net::{TcpStream, lookup_host};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::backend::{Address, Speaks, Target};
use super::connection::Connection;
use super::failure::Failure;
use super::tls::Tls;
use crate::clock::{self, Instant};
use crate::http::io::{split_tcp, split_tls_client};

/// Addresses of one name that are tried.
const ADDRESSES_MAX: usize = 8;

/// A socket on which nothing has been said.
pub(super) enum Socket {
    Tcp(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// What a TLS handshake offers (RFC 7301).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Offer {
    /// HTTP/1.1 alone.
    Http1,
    /// HTTP/2, and HTTP/1.1 where the backend may choose.
    Http2,
}

/// A new connection to `target` for HTTP/1.1. The caller bounds the wait; `due` is when it will give up.
pub(super) async fn connect(target: &Arc<Target>, due: Instant) -> Result<Connection, Failure> {
    Ok(plain(target, dial(target, due, Offer::Http1).await?))
}

/// Speaks HTTP/1.1 on `socket` from now on.
pub(super) fn plain(target: &Arc<Target>, socket: Socket) -> Connection {
    let halves = match socket {
        Socket::Tcp(stream) => split_tcp(stream),
        Socket::Tls(stream) => split_tls_client(*stream),
    };
    Connection::new(Arc::clone(target), halves)
}

/// A new socket to `target`, TLS included.
pub(super) async fn dial(target: &Target, due: Instant, offer: Offer) -> Result<Socket, Failure> {
    let stream = match &target.address {
        Address::Literal(address) => TcpStream::connect(address).await,
        Address::Name(name) => match lookup_host((name.as_str(), target.port)).await {
            Ok(addresses) => connect_any(addresses.take(ADDRESSES_MAX).collect(), due).await,
            Err(error) => Err(error),
        },
    };
    let stream = stream.map_err(Failure::Unreachable)?;
    // A socket that cannot be told is only slower.
    let _ = stream.set_nodelay(true);
    let Some(tls) = &target.tls else { return Ok(Socket::Tcp(stream)) };
    let config = match (offer, target.speaks) {
        (Offer::Http1, _) | (_, Speaks::Http1) => &tls.configs.http1,
        (Offer::Http2, Speaks::Http2) => &tls.configs.http2,
        (Offer::Http2, Speaks::Either) => &tls.configs.either,
    };
    Ok(Socket::Tls(Box::new(handshake(tls, config, stream).await?)))
}

async fn handshake(
    tls: &Tls,
    config: &Arc<ClientConfig>,
    stream: TcpStream,
) -> Result<TlsStream<TcpStream>, Failure> {
    let connector = TlsConnector::from(Arc::clone(config));
    connector.connect(tls.name.clone(), stream).await.map_err(Failure::Untrusted)
}

async fn connect_any(addresses: SmallVec<[SocketAddr; 2]>, due: Instant) -> io::Result<TcpStream> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    let mut untried = u32::try_from(addresses.len()).unwrap_or(u32::MAX);
    for address in addresses {
        let share = due.saturating_duration_since(clock::now()).checked_div(untried).unwrap_or_default();
        untried = untried.saturating_sub(1);
        match tokio::time::timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => last = error,
            Err(_) => last = io::ErrorKind::TimedOut.into(),
        }
    }
    Err(last)
}
