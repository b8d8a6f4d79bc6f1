//! Names of backends to addresses, in the background.
//!
//! Nobody waits for a name but the first who needs it. Each [`Name`] is resolved by a task of its own on the thread of
//! `chores`, again whenever its answer has lived as long as its TTL says, as long as somebody holds it; a connection
//! takes the addresses known at that moment.
//!
//! **Last good.** What fails changes nothing: no server, no answer in time, SERVFAIL, nonsense, and likewise an answer
//! that says that there is no such name or no address. The last addresses hold until a server names others, however
//! long that takes. Whether anybody still answers there is for health checks and ejection to find out; a resolver that
//! forgets a name for a minute takes no service away. A family (IPv4, IPv6) whose question fails keeps its own.
//!
//! **In which order.** `localhost` is here; then `/etc/hosts`; then the servers of `dns.servers`, or else those of
//! `/etc/resolv.conf` with its `search` and `ndots`. With `dns.servers` names are asked as they are written.
//!
//! Why a resolver of our own: docs/decisions/dns.md.
//!
//! # Limits
//! `bounds.dns_ttl_min` and `bounds.dns_ttl_max` between two questions; after a failure [`RETRY_FIRST`], doubling up to
//! [`RETRY_MAX`]. Each question: see `ask`; each answer: see [`message`].
//!
//! # Threats
//! An answer is believed for as long as it says, between the two bounds: who poisons it once has a backend's traffic,
//! unless it is `https`. See `ask` for what makes that hard.

mod ask;
pub mod message;
mod system;

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use foldhash::fast::RandomState;
use tokio::sync::watch;

use crate::chores::Chores;
use ask::{Found, Outcome, look_up};
pub(crate) use system::PORT;

/// Until a name is asked again that did not resolve.
pub const RETRY_FIRST: Duration = Duration::from_millis(500);

/// Most time until then.
pub const RETRY_MAX: Duration = Duration::from_secs(3);

/// Whom to ask, and how long to believe it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Servers, in the order they are asked; none: those of the system.
    pub servers: Vec<SocketAddr>,
    /// How long one server may take for one question.
    pub timeout: Duration,
    /// Least time an answer is believed.
    pub ttl_min: Duration,
    /// Most time an answer is believed.
    pub ttl_max: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            servers: Vec::new(),
            timeout: Duration::from_secs(2),
            ttl_min: Duration::from_secs(1),
            ttl_max: Duration::from_secs(300),
        }
    }
}

/// The addresses of `host`, asked for now, on the runtime of whoever awaits it: for calls that are too rare to keep a
/// [`Name`] for. The caller bounds the wait.
///
/// # Errors
/// It does not resolve.
pub async fn addresses(settings: &Settings, host: &str) -> io::Result<Vec<IpAddr>> {
    let Found { v4, v6 } = look_up(settings, host).await;
    let mut addresses = Vec::new();
    let mut failure = String::new();
    for outcome in [v4, v6] {
        match outcome {
            Outcome::Addresses(some, _) => addresses.extend(some),
            Outcome::Nothing(why) => why.clone_into(&mut failure),
            Outcome::Failed(why) => failure = why,
        }
    }
    if addresses.is_empty() { Err(unresolved(&failure)) } else { Ok(addresses) }
}

fn unresolved(failure: &str) -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, format!("the name does not resolve: {failure}"))
}

/// Resolves names; one for the whole process.
#[derive(Clone, Debug)]
pub struct Resolver {
    chores: Chores,
    settings: Arc<watch::Sender<Arc<Settings>>>,
    names: Arc<Mutex<Names>>,
}

/// Those that somebody holds.
type Names = HashMap<Box<str>, Weak<Name>, RandomState>;

/// A name that is resolved as long as it is held.
#[derive(Debug)]
pub struct Name {
    known: watch::Receiver<Known>,
    counts: Arc<Counts>,
}

/// What is known of a name.
#[derive(Clone, Debug, Default)]
struct Known {
    addresses: Arc<[IpAddr]>,
    /// Why the last attempt failed, if it did.
    failure: Option<Arc<str>>,
}

#[derive(Debug, Default)]
struct Counts {
    /// Grows with each change of the addresses.
    generation: AtomicU64,
    failures: AtomicU64,
}

impl Resolver {
    /// Resolves on the thread of `chores`.
    pub fn new(chores: Chores, settings: Settings) -> Self {
        let (settings, _) = watch::channel(Arc::new(settings));
        Self { chores, settings: Arc::new(settings), names: Arc::default() }
    }

    /// Changes whom it asks. What is known stays so; each name is asked anew.
    pub fn configure(&self, settings: Settings) {
        self.settings.send_if_modified(|current| {
            let is_new = **current != settings;
            if is_new {
                *current = Arc::new(settings);
            }
            is_new
        });
    }

    /// The name of a host; the same one for all who ask for it.
    pub fn name(&self, host: &str) -> Arc<Name> {
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(name) = names.get(host).and_then(Weak::upgrade) {
            return name;
        }
        names.retain(|_, name| name.strong_count() > 0);
        let (sender, known) = watch::channel(Known::default());
        let counts = Arc::<Counts>::default();
        let keeper = Keeper {
            host: host.into(),
            sender,
            counts: Arc::clone(&counts),
            settings: self.settings.subscribe(),
            v4: Vec::new(),
            v6: Vec::new(),
        };
        self.chores.spawn(keeper.keep());
        let name = Arc::new(Name { known, counts });
        names.insert(host.into(), Arc::downgrade(&name));
        name
    }
}

impl Name {
    /// Its addresses, never none. Waits for the first answer, and for nothing else; the caller bounds the wait.
    ///
    /// # Errors
    /// It has never resolved.
    pub async fn addresses(&self) -> io::Result<Arc<[IpAddr]>> {
        let mut known = self.known.clone();
        let known = known.wait_for(|known| !known.addresses.is_empty() || known.failure.is_some()).await;
        let known = known.map_err(|_| io::Error::other("nobody resolves names any more"))?;
        match &known.failure {
            Some(failure) if known.addresses.is_empty() => Err(unresolved(failure)),
            _ => Ok(Arc::clone(&known.addresses)),
        }
    }

    /// A number that changes with the addresses.
    pub fn generation(&self) -> u64 {
        self.counts.generation.load(Ordering::Acquire)
    }

    /// Whether `address` is among its addresses.
    pub fn has(&self, address: IpAddr) -> bool {
        self.known.borrow().addresses.contains(&address)
    }

    /// How many addresses are known, and how often it did not resolve.
    pub fn totals(&self) -> (u64, u64) {
        let addresses = self.known.borrow().addresses.len() as u64;
        (addresses, self.counts.failures.load(Ordering::Relaxed))
    }
}

/// Keeps one name resolved.
struct Keeper {
    host: Box<str>,
    sender: watch::Sender<Known>,
    counts: Arc<Counts>,
    settings: watch::Receiver<Arc<Settings>>,
    v4: Vec<IpAddr>,
    v6: Vec<IpAddr>,
}

impl Keeper {
    /// Ends when nobody holds the name any more.
    async fn keep(mut self) {
        let mut retry = RETRY_FIRST;
        loop {
            let settings = Arc::clone(&self.settings.borrow_and_update());
            let found = tokio::select! {
                found = look_up(&settings, &self.host) => found,
                () = self.sender.closed() => return,
            };
            let wait = match self.learn(found) {
                Some(ttl) => {
                    retry = RETRY_FIRST;
                    Duration::from_secs(ttl.into())
                        .clamp(settings.ttl_min, settings.ttl_max.max(settings.ttl_min))
                }
                None => {
                    let doubled = retry.saturating_mul(2).min(RETRY_MAX);
                    std::mem::replace(&mut retry, doubled)
                }
            };
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                changed = self.settings.changed() => if changed.is_err() { return },
                () = self.sender.closed() => return,
            }
        }
    }

    /// Takes in what was found: how many seconds it lives, or nothing if it changes nothing.
    fn learn(&mut self, found: Found) -> Option<u32> {
        let (ttl, failure) = match (&found.v4, &found.v6) {
            (Outcome::Addresses(_, v4), Outcome::Addresses(_, v6)) => (Some(*v4.min(v6)), None),
            (Outcome::Addresses(_, ttl), _) | (_, Outcome::Addresses(_, ttl)) => (Some(*ttl), None),
            (Outcome::Failed(why), _) | (_, Outcome::Failed(why)) => (None, Some(why.clone())),
            (Outcome::Nothing(why), Outcome::Nothing(_)) => (None, Some((*why).to_owned())),
        };
        if ttl.is_some() {
            for (own, outcome) in [(&mut self.v4, found.v4), (&mut self.v6, found.v6)] {
                match outcome {
                    Outcome::Addresses(addresses, _) => *own = addresses,
                    Outcome::Nothing(_) => own.clear(),
                    Outcome::Failed(_) => {}
                }
            }
        }
        let addresses: Arc<[IpAddr]> = self.v4.iter().chain(&self.v6).copied().collect();
        self.tell(addresses, failure.map(Into::into));
        ttl
    }

    fn tell(&self, addresses: Arc<[IpAddr]>, failure: Option<Arc<str>>) {
        let name = &*self.host;
        let (had_failed, is_other) = {
            let known = self.sender.borrow();
            let has_all = addresses.iter().all(|address| known.addresses.contains(address));
            (known.failure.is_some(), !has_all || addresses.len() != known.addresses.len())
        };
        match &failure {
            Some(reason) => {
                self.counts.failures.fetch_add(1, Ordering::Relaxed);
                if !had_failed {
                    let kept = addresses.len();
                    tracing::warn!(name, %reason, kept, "a name does not resolve; its last addresses are kept");
                }
            }
            None if had_failed => tracing::info!(name, "a name resolves again"),
            None => {}
        }
        if is_other {
            tracing::debug!(name, ?addresses, "a name has other addresses");
        }
        self.sender.send_replace(Known { addresses, failure });
        if is_other {
            self.counts.generation.fetch_add(1, Ordering::Release);
        }
    }
}

#[cfg(test)]
mod tests;
