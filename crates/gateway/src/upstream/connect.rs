//! Opens connections: name, address, socket.
//!
//! A name is resolved for each new connection, off the core, by the system's resolver. Its addresses are tried
//! in the order given, each with an even share of the time that is left, so that one dead address does not use
//! up the patience for the others.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use smallvec::SmallVec;
use tokio::net::{TcpStream, lookup_host};

use super::backend::{Address, Target};
use super::connection::Connection;
use super::failure::Failure;
use crate::clock::{self, Instant};
use crate::http::io::split_tcp;

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
    Ok(Connection::new(Arc::clone(target), split_tcp(stream)))
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
