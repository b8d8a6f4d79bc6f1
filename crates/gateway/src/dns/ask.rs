//! Asks: this machine's own files first, then servers, over UDP and, where an answer does not fit, TCP.
//!
//! Each question goes out on a socket of its own that hears its server only, with an id that nobody can guess; what
//! else arrives there is passed over. A and AAAA are asked side by side. A server that does not say is asked once more
//! after all the others.
//!
//! # Limits
//! [`Settings::timeout`] for each question to each server; [`SECOND`] for one family once the other has addresses; [`ROUNDS`] rounds of all servers; [`JUNK_MAX`] messages that
//! are no answer; [`UDP_BYTES`] bytes of an answer over UDP, 64 KiB over TCP.

use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::pin;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};

use super::Settings;
use super::message::{Family, Reply, WireName, question, read};
use super::system::{System, hosts, is_localhost};

/// How often all servers are asked before a question has failed.
const ROUNDS: usize = 2;

/// Messages that are no answer to a question, after which no answer is expected any more.
const JUNK_MAX: usize = 32;

/// Room for an answer over UDP. Without EDNS no more than 512 bytes come (RFC 1035 §4.2.1).
const UDP_BYTES: usize = 4 * 1024;

/// How long one family is waited for when the other has addresses: some servers never answer for AAAA.
const SECOND: Duration = Duration::from_millis(500);

/// How long what stands in `/etc/hosts` is believed, in seconds.
const HOSTS_SECONDS: u32 = 5;

const HOSTS: &str = "/etc/hosts";

const RESOLV_CONF: &str = "/etc/resolv.conf";

/// What was found of one name.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) v4: Outcome,
    pub(super) v6: Outcome,
}

/// What was found of one family.
#[derive(Debug)]
pub(super) enum Outcome {
    /// Addresses, for so many seconds.
    Addresses(Vec<IpAddr>, u32),
    /// There are none: somebody who knows said so.
    Nothing(&'static str),
    /// Nobody said.
    Failed(String),
}

/// Everything that can be found of `host`.
pub(super) async fn look_up(settings: &Settings, host: &str) -> Found {
    if is_localhost(host) {
        let ours = |address: IpAddr| Outcome::Addresses(vec![address], u32::MAX);
        return Found { v4: ours(Ipv4Addr::LOCALHOST.into()), v6: ours(Ipv6Addr::LOCALHOST.into()) };
    }
    if let Some(found) = in_hosts(&text(HOSTS), host) {
        return found;
    }
    let system = match settings.servers.as_slice() {
        [] => System::read(&text(RESOLV_CONF)),
        servers => System { servers: servers.to_vec(), search: Vec::new(), dots: 0 },
    };
    let mut found = Found { v4: Outcome::Nothing(NO_NAME), v6: Outcome::Nothing(NO_NAME) };
    for name in system.candidates(host) {
        let Some(name) = WireName::of(&name) else { continue };
        found = both(settings, &system.servers, &name).await;
        // Only where somebody who knows says that there is nothing the name may be another.
        if !matches!((&found.v4, &found.v6), (Outcome::Nothing(_), Outcome::Nothing(_))) {
            break;
        }
    }
    found
}

/// Asks for both families at once.
async fn both(settings: &Settings, servers: &[SocketAddr], name: &WireName) -> Found {
    let mut v4 = pin!(ask(settings, servers, name, Family::V4));
    let mut v6 = pin!(ask(settings, servers, name, Family::V6));
    tokio::select! {
        first = &mut v4 => {
            let other = second(&first, v6).await;
            Found { v4: first, v6: other }
        }
        first = &mut v6 => {
            let other = second(&first, v4).await;
            Found { v4: other, v6: first }
        }
    }
}

/// The outcome of the other family, which is not waited for when there are addresses already.
async fn second(first: &Outcome, other: impl Future<Output = Outcome>) -> Outcome {
    if !matches!(first, Outcome::Addresses(..)) {
        return other.await;
    }
    let late = |_| Outcome::Failed("it was slower than the other family".to_owned());
    tokio::time::timeout(SECOND, other).await.unwrap_or_else(late)
}

/// A file of this machine; small, and read on a thread that serves nobody. One that is not there says nothing.
fn text(path: &str) -> String {
    std::fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}

fn in_hosts(text: &str, host: &str) -> Option<Found> {
    let (v4, v6): (Vec<_>, Vec<_>) = hosts(text, host).into_iter().partition(IpAddr::is_ipv4);
    let family = |addresses: Vec<IpAddr>| match addresses.is_empty() {
        true => Outcome::Nothing("it is in /etc/hosts without an address of this family"),
        false => Outcome::Addresses(addresses, HOSTS_SECONDS),
    };
    (!v4.is_empty() || !v6.is_empty()).then(|| Found { v4: family(v4), v6: family(v6) })
}

const NO_NAME: &str = "there is no such name";

/// Asks one server after the other, until one knows.
async fn ask(settings: &Settings, servers: &[SocketAddr], name: &WireName, family: Family) -> Outcome {
    let mut failure = "there is no server to ask".to_owned();
    for _ in 0..ROUNDS {
        for server in servers {
            let asking = exchange(*server, name, family);
            let reply = match tokio::time::timeout(settings.timeout, asking).await {
                Ok(reply) => reply,
                Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, no_answer(settings.timeout))),
            };
            failure = match reply {
                Ok(Reply::Addresses { addresses, ttl }) => return Outcome::Addresses(addresses, ttl),
                Ok(Reply::NoAddress) => return Outcome::Nothing("the name has no address"),
                Ok(Reply::NoName) => return Outcome::Nothing(NO_NAME),
                Ok(Reply::Truncated) => format!("{server}: the answer is cut off"),
                Ok(Reply::Failed(2)) => format!("{server}: it cannot say (SERVFAIL)"),
                Ok(Reply::Failed(5)) => format!("{server}: it will not say (REFUSED)"),
                Ok(Reply::Failed(code)) => format!("{server}: it answers with code {code}"),
                Err(error) => format!("{server}: {error}"),
            };
        }
    }
    Outcome::Failed(failure)
}

fn no_answer(timeout: Duration) -> String {
    format!("no answer within {timeout:?}")
}

/// One question to one server. The caller bounds the wait.
async fn exchange(server: SocketAddr, name: &WireName, family: Family) -> io::Result<Reply> {
    let mut id = [0; 2];
    aws_lc_rs::rand::fill(&mut id).map_err(|_| io::Error::other("the system gives no random numbers"))?;
    let id = u16::from_be_bytes(id);
    let asked = question(id, name, family);
    let own: IpAddr = match server {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    // SECURITY: a port of its own, which the system chooses at random, and deaf to everybody else.
    let socket = UdpSocket::bind((own, 0)).await?;
    socket.connect(server).await?;
    socket.send(&asked).await?;
    let mut room = vec![0; UDP_BYTES];
    let mut junk = "nothing";
    for _ in 0..JUNK_MAX {
        let length = socket.recv(&mut room).await?;
        match read(room.get(..length).unwrap_or_default(), id, name, family) {
            Ok(Reply::Truncated) => return over_tcp(server, &asked, id, name, family).await,
            Ok(reply) => return Ok(reply),
            Err(unusable) => junk = unusable.0,
        }
    }
    Err(io::Error::new(io::ErrorKind::InvalidData, format!("no answer among much else, last {junk}")))
}

/// RFC 7766: two bytes of length before each message.
async fn over_tcp(
    server: SocketAddr,
    asked: &[u8],
    id: u16,
    name: &WireName,
    family: Family,
) -> io::Result<Reply> {
    let mut stream = TcpStream::connect(server).await?;
    let length = u16::try_from(asked.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    let mut message = length.to_be_bytes().to_vec();
    message.extend_from_slice(asked);
    stream.write_all(&message).await?;
    let length = usize::from(stream.read_u16().await?);
    let mut answer = vec![0; length];
    stream.read_exact(&mut answer).await?;
    read(&answer, id, name, family).map_err(|unusable| io::Error::new(io::ErrorKind::InvalidData, unusable.0))
}
