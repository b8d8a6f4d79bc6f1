//! Opens connections: addresses, socket, TLS.
//!
//! The addresses of a target are tried in the order that `place` gives: the next one at once when one refuses, or when
//! one has neither accepted nor refused for [`STAGGER`], beside it (RFC 8305 §5). The first that accepts is taken. So one
//! dead address does not use up the patience for the others.
//!
//! # Limits
//! [`ADDRESSES_MAX`] addresses for one connection.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt};
use rustls::ClientConfig;
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::backend::{Speaks, Target};
use super::connection::Connection;
use super::failure::Failure;
use super::place::{Addresses, Origin, Place};
use super::tls::Tls;
use crate::descriptors;
use crate::http::io::{split_tcp, split_tls_client};

/// Addresses of one name that are tried.
const ADDRESSES_MAX: usize = 8;

/// How long one address has for itself before the next is tried beside it.
const STAGGER: Duration = Duration::from_millis(250);

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

/// A new connection to `target` for HTTP/1.1. The caller bounds the wait.
pub(super) async fn connect(target: &Arc<Target>) -> Result<Box<Connection>, Failure> {
    let (socket, origin) = dial(target, Offer::Http1).await?;
    Ok(plain(target, socket, origin))
}

/// Speaks HTTP/1.1 on `socket` from now on.
pub(super) fn plain(target: &Arc<Target>, socket: Socket, origin: Origin) -> Box<Connection> {
    let (may_rest, halves) = match socket {
        Socket::Tcp(stream) => (descriptors::may_rest(&stream), split_tcp(stream)),
        Socket::Tls(stream) => (descriptors::may_rest(stream.get_ref().0), split_tls_client(*stream)),
    };
    Connection::new(Arc::clone(target), halves, origin, may_rest)
}

/// A new socket to `target`, TLS included. The caller bounds the wait.
pub(super) async fn dial(target: &Target, offer: Offer) -> Result<(Socket, Origin), Failure> {
    let place = &target.place;
    let (addresses, generation) = place.addresses().await.map_err(Failure::Unreachable)?;
    let (stream, address) = connect_any(place, addresses).await.map_err(unreachable)?;
    let origin = place.origin(address, generation);
    // A socket that cannot be told is only slower.
    let _ = stream.set_nodelay(true);
    let Some(tls) = &target.tls else { return Ok((Socket::Tcp(stream), origin)) };
    let config = match (offer, target.speaks) {
        (Offer::Http1, _) | (_, Speaks::Http1) => &tls.configs.http1,
        (Offer::Http2, Speaks::Http2) => &tls.configs.http2,
        (Offer::Http2, Speaks::Either) => &tls.configs.either,
    };
    Ok((Socket::Tls(Box::new(handshake(tls, config, stream).await?)), origin))
}

async fn handshake(
    tls: &Tls,
    config: &Arc<ClientConfig>,
    stream: TcpStream,
) -> Result<TlsStream<TcpStream>, Failure> {
    let connector = TlsConnector::from(Arc::clone(config));
    connector.connect(tls.name.clone(), stream).await.map_err(Failure::Untrusted)
}

/// The first of `addresses` that accepts.
async fn connect_any(place: &Place, addresses: Addresses) -> io::Result<(TcpStream, IpAddr)> {
    if let &[address] = addresses.as_slice() {
        let (address, outcome) = attempt(address, place.source).await;
        return outcome.map(|stream| (stream, address));
    }
    let mut untried = addresses.into_iter().take(ADDRESSES_MAX);
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    let mut attempts = FuturesUnordered::new();
    loop {
        let next = untried.next();
        attempts.extend(next.map(|address| attempt(address, place.source)));
        let outcome = match next {
            None => attempts.next().await,
            Some(address) => match tokio::time::timeout(STAGGER, attempts.next()).await {
                Ok(outcome) => outcome,
                Err(_) => {
                    place.accepts(address.ip(), false);
                    continue;
                }
            },
        };
        match outcome {
            Some((address, Ok(stream))) => {
                place.accepts(address, true);
                return Ok((stream, address));
            }
            Some((address, Err(error))) => {
                place.accepts(address, false);
                last = error;
            }
            None => return Err(last),
        }
    }
}

async fn attempt(address: SocketAddr, source: Option<IpAddr>) -> (IpAddr, io::Result<TcpStream>) {
    (address.ip(), open(address, source).await)
}

/// That there is no connection; the target is not to blame when it is for want of descriptors here.
fn unreachable(error: io::Error) -> Failure {
    if descriptors::are_short(&error) { Failure::Full } else { Failure::Unreachable(error) }
}

/// A connection, from the address `source` if there is one; none when the descriptors that are left are for others.
async fn open(address: SocketAddr, source: Option<IpAddr>) -> io::Result<TcpStream> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    let socket = descriptors::checked(socket)?;
    if let Some(source) = source {
        socket.bind(SocketAddr::new(source, 0))?;
    }
    socket.connect(address).await
}
