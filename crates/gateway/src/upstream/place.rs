//! Where a target is: an address, or a name with the addresses it has at the moment.
//!
//! A new connection begins with another address each time, and goes on to the next as `connect` says. An address that
//! did not accept one is tried last for [`SHUNNED_FOR`]. A kept connection to an address that the name no longer has
//! is used no more.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use smallvec::SmallVec;

use crate::clock::{self, Instant};
use crate::dns::{Name, Resolver};

/// How long an address is tried last that accepted no connection.
const SHUNNED_FOR: Duration = Duration::from_secs(10);

/// Addresses in the order they are to be tried.
pub(super) type Addresses = SmallVec<[SocketAddr; 4]>;

/// Where a target is.
#[derive(Debug)]
pub(super) struct Place {
    site: Site,
    port: u16,
    /// The local address of connections; of a name, only addresses of its family are tried.
    pub(super) source: Option<IpAddr>,
}

#[derive(Debug)]
enum Site {
    Literal(IpAddr),
    Name(Box<Named>),
}

#[derive(Debug)]
struct Named {
    host: String,
    /// Held from the first use of the configuration on, so that compiling asks nobody.
    name: OnceLock<Arc<Name>>,
    turn: AtomicUsize,
    /// Since when each accepted no connection.
    shunned: Mutex<SmallVec<[(IpAddr, Instant); 2]>>,
}

/// Where a connection leads, and which addresses the name had when that was last looked at. Nothing where a target is
/// written as an address; every exchange makes room for it.
#[derive(Debug)]
pub(super) struct Origin(Option<Box<(IpAddr, u64)>>);

impl Place {
    pub(super) fn new(host: &str, port: u16, source: Option<IpAddr>) -> Self {
        let site = match host.parse() {
            Ok(address) => Site::Literal(address),
            Err(_) => Site::Name(Box::new(Named {
                host: host.to_owned(),
                name: OnceLock::new(),
                turn: AtomicUsize::new(0),
                shunned: Mutex::default(),
            })),
        };
        Self { site, port, source }
    }

    /// Begins to resolve its name, if it is one.
    pub(super) fn resolve(&self, resolver: &Resolver) {
        if let Site::Name(named) = &self.site {
            named.name.get_or_init(|| resolver.name(&named.host));
        }
    }

    /// Its addresses in the order they are to be tried, never none, and what they are known by. The caller bounds the
    /// wait.
    pub(super) async fn addresses(&self) -> io::Result<(Addresses, u64)> {
        let named = match &self.site {
            Site::Literal(address) => {
                return Ok((SmallVec::from_iter([SocketAddr::new(*address, self.port)]), 0));
            }
            Site::Name(named) => named,
        };
        let name = named.name.get().ok_or_else(|| io::Error::other("its name is not resolved here"))?;
        let generation = name.generation();
        let known = name.addresses().await?;
        let is_reachable =
            |address: &&IpAddr| self.source.is_none_or(|own| own.is_ipv4() == address.is_ipv4());
        let mut addresses: Addresses =
            known.iter().filter(is_reachable).map(|address| SocketAddr::new(*address, self.port)).collect();
        if addresses.is_empty() {
            return Err(io::Error::new(
                io::ErrorKind::AddrNotAvailable,
                "no address of the family of `source`",
            ));
        }
        let turn = named.turn.fetch_add(1, Ordering::Relaxed);
        let first = turn.checked_rem(addresses.len()).unwrap_or_default();
        addresses.rotate_left(first);
        let shunned = named.shunned();
        if !shunned.is_empty() {
            addresses.sort_by_key(|address| shunned.iter().any(|(other, _)| *other == address.ip()));
        }
        Ok((addresses, generation))
    }

    /// Notes whether `address` accepted a connection.
    pub(super) fn accepts(&self, address: IpAddr, does: bool) {
        let Site::Name(named) = &self.site else { return };
        let mut shunned = named.shunned();
        if !does || !shunned.is_empty() {
            shunned.retain(|(other, _)| *other != address);
        }
        if !does {
            shunned.push((address, clock::now()));
        }
    }

    /// What is to be remembered of a connection to `address`.
    pub(super) fn origin(&self, address: IpAddr, generation: u64) -> Origin {
        Origin(match self.site {
            Site::Literal(_) => None,
            Site::Name(_) => Some(Box::new((address, generation))),
        })
    }

    /// Whether the target is still where a connection leads.
    pub(super) fn is_at(&self, origin: &mut Origin) -> bool {
        let (Site::Name(named), Some(origin)) = (&self.site, &mut origin.0) else { return true };
        let Some(name) = named.name.get() else { return true };
        let (address, seen) = &mut **origin;
        let generation = name.generation();
        if generation == *seen {
            return true;
        }
        let has_it = name.has(*address);
        if has_it {
            *seen = generation;
        }
        has_it
    }

    /// Of a name: how many addresses it has, and how often it did not resolve.
    pub(super) fn totals(&self) -> Option<(u64, u64)> {
        match &self.site {
            Site::Literal(_) => None,
            Site::Name(named) => Some(named.name.get().map(|name| name.totals()).unwrap_or_default()),
        }
    }
}

impl Named {
    /// Those that are shunned now.
    fn shunned(&self) -> std::sync::MutexGuard<'_, SmallVec<[(IpAddr, Instant); 2]>> {
        let mut shunned = self.shunned.lock().unwrap_or_else(PoisonError::into_inner);
        if !shunned.is_empty() {
            let now = clock::now();
            shunned.retain(|(_, since)| now.saturating_duration_since(*since) < SHUNNED_FOR);
        }
        shunned
    }
}
