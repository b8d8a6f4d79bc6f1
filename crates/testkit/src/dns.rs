//! A name server on loopback that says what a test wants, over UDP and TCP, or something no server should say.
//!
//! It reads no more of a question than its name and type, and writes answers by hand: it shares nothing with the
//! resolver it is asked by.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// What the server says of a name.
#[derive(Debug, Clone)]
pub enum Saying {
    /// These addresses, each family to who asks for it, with this TTL in seconds.
    Addresses(Vec<IpAddr>, u32),
    /// The same behind an alias.
    Alias(Vec<IpAddr>, u32),
    /// The same, but over UDP only that the answer does not fit.
    OverTcp(Vec<IpAddr>, u32),
    /// The same, after so long.
    Slow(Duration, Vec<IpAddr>, u32),
    /// An answer with another id and one with another question, and nothing else.
    Forged(Vec<IpAddr>, u32),
    /// There is no such name.
    NoName,
    /// The name has no address.
    Empty,
    /// The server cannot say.
    Failure,
    /// Bytes that are no message.
    Garbage,
    /// Nothing at all.
    Silence,
}

/// A running server; it ends with this value.
#[derive(Debug)]
pub struct DnsServer {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    sayings: HashMap<String, Saying>,
    asked: HashMap<String, usize>,
    is_stopped: bool,
}

/// A question as far as it is read.
struct Question<'a> {
    message: &'a [u8],
    name: String,
    kind: u16,
    /// Where the question ends.
    end: usize,
}

const A: u16 = 1;
const CNAME: u16 = 5;
const AAAA: u16 = 28;

/// Where the name of the question stands.
const POINTER: [u8; 2] = [0xc0, 12];

impl DnsServer {
    /// Starts a server that knows no name.
    ///
    /// # Panics
    /// When there is no free port.
    pub fn start() -> Self {
        // One port for both; somebody else may have the other half of it.
        let both = || {
            let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).ok()?;
            let tcp = TcpListener::bind(udp.local_addr().ok()?).ok()?;
            Some((udp, tcp))
        };
        let (udp, tcp) = (0..100).find_map(|_| both()).expect("a free port");
        let address = udp.local_addr().expect("an address");
        let shared = Arc::<Shared>::default();
        let (over_udp, over_tcp) = (Arc::clone(&shared), Arc::clone(&shared));
        thread::spawn(move || over_udp.serve_udp(&Arc::new(udp)));
        thread::spawn(move || over_tcp.serve_tcp(&tcp));
        Self { address, shared }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on it says this of `name`.
    pub fn says(&self, name: &str, saying: Saying) {
        self.shared.lock().sayings.insert(name.to_owned(), saying);
    }

    /// How often it was asked for the IPv4 addresses of `name`.
    pub fn asked(&self, name: &str) -> usize {
        self.shared.lock().asked.get(name).copied().unwrap_or_default()
    }
}

impl Drop for DnsServer {
    fn drop(&mut self) {
        self.shared.lock().is_stopped = true;
        // Wake both threads, which then end.
        drop(UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|socket| socket.send_to(b"", self.address)));
        drop(std::net::TcpStream::connect(self.address));
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve_udp(&self, socket: &Arc<UdpSocket>) {
        let mut room = [0; 1024];
        loop {
            let received = socket.recv_from(&mut room);
            if self.lock().is_stopped {
                return;
            }
            let Ok((length, from)) = received else { continue };
            let Some((question, saying)) = self.hear(&room[..length]) else { continue };
            let say = |bytes: Vec<u8>| drop(socket.send_to(&bytes, from));
            match saying {
                Saying::OverTcp(..) => say(question.answer(0x8380, &[])),
                Saying::Garbage => say(b"\xff\xfe no message".to_vec()),
                Saying::Silence => {}
                Saying::Forged(addresses, ttl) => {
                    let mut other = question.addresses(&addresses, ttl);
                    other[1] ^= 1;
                    say(other);
                    let mut other = question.addresses(&addresses, ttl);
                    other[13] ^= 1;
                    say(other);
                }
                Saying::Slow(after, addresses, ttl) => {
                    let (socket, answer) = (Arc::clone(socket), question.addresses(&addresses, ttl));
                    thread::spawn(move || {
                        thread::sleep(after);
                        drop(socket.send_to(&answer, from));
                    });
                }
                plain => say(question.plain(&plain)),
            }
        }
    }

    fn serve_tcp(&self, listener: &TcpListener) {
        for stream in listener.incoming() {
            if self.lock().is_stopped {
                return;
            }
            let Ok(mut stream) = stream else { continue };
            let mut length = [0; 2];
            drop(stream.set_read_timeout(Some(crate::deadline::SOON)));
            if stream.read_exact(&mut length).is_err() {
                continue;
            }
            let mut message = vec![0; usize::from(u16::from_be_bytes(length))];
            if stream.read_exact(&mut message).is_err() {
                continue;
            }
            let Some((question, saying)) = self.hear(&message) else { continue };
            let answer = question.plain(&saying);
            let length = u16::try_from(answer.len()).expect("a short answer");
            drop(stream.write_all(&length.to_be_bytes()).and_then(|()| stream.write_all(&answer)));
        }
    }

    fn hear<'a>(&self, message: &'a [u8]) -> Option<(Question<'a>, Saying)> {
        let question = Question::read(message)?;
        let mut state = self.lock();
        if question.kind == A {
            *state.asked.entry(question.name.clone()).or_default() += 1;
        }
        let saying = state.sayings.get(&question.name).cloned().unwrap_or(Saying::NoName);
        Some((question, saying))
    }
}

impl<'a> Question<'a> {
    fn read(message: &'a [u8]) -> Option<Self> {
        let mut at = 12;
        let mut labels = Vec::new();
        loop {
            let length = usize::from(*message.get(at)?);
            let label = message.get(at + 1..at + 1 + length)?;
            at += 1 + length;
            if length == 0 {
                break;
            }
            labels.push(String::from_utf8_lossy(label).to_ascii_lowercase());
        }
        let kind = u16::from_be_bytes([*message.get(at)?, *message.get(at + 1)?]);
        Some(Self { message, name: labels.join("."), kind, end: at + 4 })
    }

    /// What is said over either transport.
    fn plain(&self, saying: &Saying) -> Vec<u8> {
        match saying {
            Saying::Alias(addresses, ttl) => {
                let alias = b"\x05alias\x04test\0";
                let mut records = vec![record(&POINTER, CNAME, *ttl, alias)];
                records.extend(self.records(alias, addresses, *ttl));
                self.answer(0x8180, &records)
            }
            Saying::Addresses(addresses, ttl)
            | Saying::OverTcp(addresses, ttl)
            | Saying::Slow(_, addresses, ttl)
            | Saying::Forged(addresses, ttl) => self.addresses(addresses, *ttl),
            Saying::NoName => self.answer(0x8183, &[]),
            Saying::Empty => self.answer(0x8180, &[]),
            Saying::Failure | Saying::Garbage | Saying::Silence => self.answer(0x8182, &[]),
        }
    }

    fn addresses(&self, addresses: &[IpAddr], ttl: u32) -> Vec<u8> {
        self.answer(0x8180, &self.records(&POINTER, addresses, ttl))
    }

    fn records(&self, owner: &[u8], addresses: &[IpAddr], ttl: u32) -> Vec<Vec<u8>> {
        let record = |address: &IpAddr| match (address, self.kind) {
            (IpAddr::V4(v4), A) => Some(record(owner, A, ttl, &v4.octets())),
            (IpAddr::V6(v6), AAAA) => Some(record(owner, AAAA, ttl, &v6.octets())),
            _ => None,
        };
        addresses.iter().filter_map(record).collect()
    }

    fn answer(&self, flags: u16, records: &[Vec<u8>]) -> Vec<u8> {
        let mut message = self.message[..self.end].to_vec();
        message[2..4].copy_from_slice(&flags.to_be_bytes());
        message[6..8].copy_from_slice(&u16::try_from(records.len()).expect("few records").to_be_bytes());
        message[8..12].fill(0);
        message.extend(records.concat());
        message
    }
}

fn record(owner: &[u8], kind: u16, ttl: u32, data: &[u8]) -> Vec<u8> {
    let mut record = owner.to_vec();
    record.extend(kind.to_be_bytes());
    record.extend(1_u16.to_be_bytes());
    record.extend(ttl.to_be_bytes());
    record.extend(u16::try_from(data.len()).expect("short data").to_be_bytes());
    record.extend(data);
    record
}
