//! Opens connections: name, address, socket, TLS.
//!
//! A name is resolved for each new connection, off the core, by the system's resolver. Its addresses are tried
//! in the order given, each with an even share of the time that is left, so that one dead address does not use
//! up the patience for the others.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use smallvec::SmallVec;
use tokio::net::{TcpStream, lookup_host};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::backend::{Address, Target};
use super::connection::Connection;
use super::failure::Failure;
use super::tls::Tls;
use crate::clock::{self, Instant};
use crate::http::io::{split_tcp, split_tls_client};

/// Addresses of one name that are tried.
const ADDRESSES_MAX: usize = 8;

/// A new connection to `target`. The caller bounds the wait; `due` is when it will give up.
pub(super) async fn connect(target: &Arc<Target>, due: Instant) -> Result<Connection, Failure> {
    let stream = match &target.address {
        Address::Literal(address) => TcpStream::connect(address).await,
        Address::Name(name) => match lookup_host((name.as_str(), target.port)).await {
            Ok(addresses) => connect_any(addresses.take(ADDRESSES_MAX).collect(), due).await,
            Err(error) => Err(error),
        },
    };
    let stream = stream.map_err(Failure::Unreachable)?;
    let halves = match &target.tls {
        None => split_tcp(stream),
        Some(tls) => split_tls_client(handshake(tls, stream).await?),
    };
    Ok(Connection::new(Arc::clone(target), halves))
}

async fn handshake(tls: &Tls, stream: TcpStream) -> Result<TlsStream<TcpStream>, Failure> {
    // A socket that cannot be told is only slower.
    let _ = stream.set_nodelay(true);
    let connector = TlsConnector::from(Arc::clone(&tls.config));
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
