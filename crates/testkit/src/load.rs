//! Steady load: so many requests and messages a second over each wire, each answer checked, all of them tallied.
//!
//! The rate is held whatever the answers do: each worker has a timetable, and what an answer holds up is sent as
//! soon as it can be, and counted from the moment it was due. A worker that is more than [`LAG_MAX`] behind lets the
//! missed turns go and counts them. Every request and message carries a number of its own, which its answer must
//! bring back: an answer that belongs to another is as wrong as none.
//!
//! The clients are honest. One that is told that its connection ends (`Connection: close`, GOAWAY, a close frame)
//! goes to the next address; one that finds a connection it had used before closed without a byte of an answer
//! asks again, as RFC 9110 §9.2.2 allows for requests that may be repeated. Both are counted.

mod backend;
mod http1;
mod http2;
mod sockets;
mod tally;

#[cfg(test)]
mod tests;

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::raw::Client;
use crate::tls::Choices;
use crate::{Deadline, Request, Response, deadline};
pub use backend::Backend;
pub use tally::Tally;

/// Turns that a worker is this far behind with are let go.
const LAG_MAX: Duration = Duration::from_secs(2);

/// Time for a connection to be made.
const CONNECT: Duration = Duration::from_secs(5);

/// What load to make.
#[derive(Debug, Clone)]
pub struct Plan {
    addresses: Vec<SocketAddr>,
    shares: Vec<(Kind, u32, u32)>,
    authority: String,
    path: String,
    method: &'static str,
    fields: Vec<(String, String)>,
    bytes: usize,
    patience: Duration,
    secure: Option<(String, String)>,
}

/// How a worker talks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Kept,
    Fresh,
    Http2,
    Socket,
}

impl Plan {
    /// No load yet, for the gateway or the gateways at `addresses`: a client whose connection ends goes to the next.
    pub fn to(addresses: impl IntoIterator<Item = SocketAddr>) -> Self {
        Self {
            addresses: addresses.into_iter().collect(),
            shares: Vec::new(),
            authority: "gw.test".to_owned(),
            path: "/load".to_owned(),
            method: "GET",
            fields: Vec::new(),
            bytes: 0,
            patience: deadline::SOON,
            secure: None,
        }
    }

    /// So much in all, shared out: two fifths over kept HTTP/1.1 connections, a tenth over new ones, two fifths over
    /// HTTP/2, a tenth as WebSocket messages.
    #[must_use]
    pub fn mixed(self, per_second: u32) -> Self {
        let tenth = (per_second / 10).max(1);
        self.kept(tenth * 4, 4).fresh(tenth, 2).http2(tenth * 4, 2).sockets(tenth, 4)
    }

    /// Requests over HTTP/1.1 connections that are kept, one at a time on each.
    #[must_use]
    pub fn kept(self, per_second: u32, connections: u32) -> Self {
        self.share(Kind::Kept, per_second, connections)
    }

    /// Requests over HTTP/1.1 on a new connection each, by as many workers.
    #[must_use]
    pub fn fresh(self, per_second: u32, workers: u32) -> Self {
        self.share(Kind::Fresh, per_second, workers)
    }

    /// Requests over HTTP/2, as streams beside each other: by prior knowledge, or over TLS by ALPN.
    #[must_use]
    pub fn http2(self, per_second: u32, connections: u32) -> Self {
        self.share(Kind::Http2, per_second, connections)
    }

    /// Messages over WebSockets, at `/socket` below the path.
    #[must_use]
    pub fn sockets(self, per_second: u32, connections: u32) -> Self {
        self.share(Kind::Socket, per_second, connections)
    }

    /// Asks below this path: `PATH/NUMBER` and `PATH/socket`. Usually `/load`.
    #[must_use]
    pub fn path(mut self, path: &str) -> Self {
        path.clone_into(&mut self.path);
        self
    }

    /// Asks for this host.
    #[must_use]
    pub fn host(mut self, authority: &str) -> Self {
        authority.clone_into(&mut self.authority);
        self
    }

    /// Sends this field with every request, WebSocket handshakes included.
    #[must_use]
    pub fn field(mut self, name: &str, value: &str) -> Self {
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Asks for answers of this many bytes, where the number alone is shorter.
    #[must_use]
    pub fn bytes(mut self, bytes: usize) -> Self {
        self.bytes = bytes;
        self
    }

    /// Sends the number as the content of a POST, which is never repeated.
    #[must_use]
    pub fn post(mut self) -> Self {
        self.method = "POST";
        self
    }

    /// How long an answer may take before it counts as none.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Speaks TLS, trusting the authorities in `pem`, with a server called `name`.
    #[must_use]
    pub fn tls(mut self, pem: &str, name: &str) -> Self {
        self.secure = Some((pem.to_owned(), name.to_owned()));
        name.clone_into(&mut self.authority);
        self
    }

    /// Begins.
    pub fn start(self) -> Load {
        let Self { addresses, shares, .. } = self.clone();
        let shared = Arc::new(Shared {
            plan: self,
            addresses: Mutex::new(addresses),
            tally: Mutex::default(),
            number: AtomicU64::new(0),
            running: AtomicBool::new(true),
        });
        let begun = Instant::now();
        let workers = shares.iter().flat_map(|&(kind, per_second, workers)| {
            let every = Duration::from_secs(1) * workers / per_second.max(1);
            (0..workers).map(move |one| (kind, every, begun + every * one / workers.max(1)))
        });
        let workers = workers.enumerate().map(|(number, (kind, every, first))| {
            let worker = Worker { shared: Arc::clone(&shared), next: first, every, at: number };
            thread::spawn(move || match kind {
                Kind::Kept => http1::kept(worker),
                Kind::Fresh => http1::fresh(worker),
                Kind::Http2 => http2::run(worker),
                Kind::Socket => sockets::run(worker),
            })
        });
        Load { workers: workers.collect(), shared, begun }
    }

    fn share(mut self, kind: Kind, per_second: u32, workers: u32) -> Self {
        if per_second > 0 && workers > 0 {
            self.shares.push((kind, per_second, workers));
        }
        self
    }

    /// The request with this number.
    fn request(&self, number: u64) -> Request {
        let target = match self.bytes {
            0 => format!("{}/{number}", self.path),
            bytes => format!("{}/{number}?bytes={bytes}", self.path),
        };
        let mut request = Request::new(self.method, target).host(&self.authority);
        for (name, value) in &self.fields {
            request = request.field(name, value);
        }
        if self.method == "POST" {
            request.body = number.to_string().into_bytes();
        }
        request
    }

    fn may_repeat(&self) -> bool {
        self.method != "POST"
    }
}

/// Load being made; it ends with this value.
#[derive(Debug)]
pub struct Load {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
    begun: Instant,
}

impl Load {
    /// What came of it until now.
    pub fn tally(&self) -> Tally {
        self.shared.tally().clone()
    }

    /// Waits until so many more answers and echoes were good.
    ///
    /// # Panics
    /// When they do not come within the deadline; the failure shows the tally.
    pub fn more_good(&self, more: u64, deadline: Deadline) {
        let reached = |tally: &Tally| tally.good + tally.echoed;
        let wanted = reached(&self.shared.tally()) + more;
        while reached(&self.shared.tally()) < wanted {
            assert!(deadline.left().is_some(), "too few good answers: {}", self.tally());
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// From now on new connections are made to these addresses.
    pub fn go_to(&self, addresses: impl IntoIterator<Item = SocketAddr>) {
        *self.shared.addresses.lock().unwrap_or_else(PoisonError::into_inner) =
            addresses.into_iter().collect();
    }

    /// How long it has been going on.
    pub fn elapsed(&self) -> Duration {
        self.begun.elapsed()
    }

    /// Begins nothing more, waits for what is under way, and tells what came of all.
    ///
    /// # Panics
    /// When a worker did.
    pub fn stop(mut self) -> Tally {
        self.shared.running.store(false, Ordering::Relaxed);
        for worker in self.workers.drain(..) {
            worker.join().expect("a worker ends");
        }
        self.tally()
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.shared.running.store(false, Ordering::Relaxed);
        if thread::panicking() {
            eprintln!("--- the load after {:?}: {}", self.begun.elapsed(), self.tally());
        }
    }
}

#[derive(Debug)]
struct Shared {
    plan: Plan,
    addresses: Mutex<Vec<SocketAddr>>,
    tally: Mutex<Tally>,
    number: AtomicU64,
    running: AtomicBool,
}

impl Shared {
    fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One thread with its timetable.
struct Worker {
    shared: Arc<Shared>,
    next: Instant,
    every: Duration,
    /// Where among the addresses it connects first.
    at: usize,
}

impl Worker {
    fn plan(&self) -> &Plan {
        &self.shared.plan
    }

    fn tally(&self) -> MutexGuard<'_, Tally> {
        self.shared.tally()
    }

    fn is_running(&self) -> bool {
        self.shared.running.load(Ordering::Relaxed)
    }

    fn number(&self) -> u64 {
        self.shared.number.fetch_add(1, Ordering::Relaxed)
    }

    /// Waits for the next turn; `None` once no more is wanted.
    fn turn(&mut self) -> Option<Instant> {
        thread::sleep(self.next.saturating_duration_since(Instant::now()));
        self.take_turn()
    }

    /// Takes the turn that is due.
    fn take_turn(&mut self) -> Option<Instant> {
        let due = self.next;
        self.next += self.every;
        let late = Instant::now().saturating_duration_since(self.next);
        if late > LAG_MAX {
            let missed = u32::try_from(late.as_nanos() / self.every.as_nanos().max(1)).unwrap_or(u32::MAX);
            self.next += self.every * missed;
            self.tally().missed += u64::from(missed);
        }
        self.is_running().then_some(due)
    }

    /// A new connection: to the next address that takes one.
    fn connect(&mut self, protocol: &str) -> io::Result<Client> {
        let addresses = self.shared.addresses.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut outcome = Err(io::Error::other("nowhere to go"));
        for _ in 0..addresses.len() {
            let address = addresses[self.at % addresses.len()];
            outcome = self.connect_to(address, protocol);
            match &outcome {
                Ok(_) => break,
                Err(_) => self.at += 1,
            }
        }
        if let Err(error) = &outcome {
            self.tally().refused(error);
        }
        outcome
    }

    fn connect_to(&self, address: SocketAddr, protocol: &str) -> io::Result<Client> {
        if let Some((pem, name)) = &self.plan().secure {
            // Nothing is resumed: each connection shows the certificate that is in use now.
            let tls = crate::tls::Tls::new(pem, &Choices { protocols: &[protocol], ..Choices::default() });
            let (client, handshake) = tls.connect(address, name)?;
            self.tally().certificate = handshake.certificate;
            return Ok(client);
        }
        let stream = TcpStream::connect_timeout(&address, CONNECT)?;
        stream.set_nodelay(true)?;
        Ok(Client::over(stream))
    }

    /// Goes to the next address from now on.
    fn move_on(&mut self) {
        self.at += 1;
        self.tally().moved += 1;
    }

    /// Judges a whole answer to the request with this number.
    fn judge(&self, number: u64, due: Instant, response: &Response) {
        let took = due.elapsed();
        let bytes = self.plan().bytes;
        let body = String::from_utf8_lossy(&response.body);
        let is_own = body.trim_end() == number.to_string() && response.body.len() >= bytes;
        let mut tally = self.tally();
        match response.status {
            200 if is_own && response.oddities.is_empty() => tally.good(took),
            200 => tally.mistaken(&format!("{number} got {response:?}")),
            status => tally.wrong(status, &format!("{number} got {response:?}")),
        }
    }
}
