//! Requests at a fixed rate: an open loop.
//!
//! A closed loop sends the next request when the last one was answered; a server that stands still for a while meets
//! fewer requests meanwhile, and its latency looks better than it was. Here each request has a time at which it is due,
//! and its latency counts from then, also when all connections are busy and it has to wait for one.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::num::NonZeroU64;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use socket2::{Domain, Socket, Type};

use super::{Exchange, Figures};

/// Beginning of the load whose latencies are not counted.
const WARM_UP: Duration = Duration::from_millis(200);

/// How long the last answers may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Sends `rate` requests a second over `connections` connections for as long as `time`.
pub(super) fn run(
    address: SocketAddr,
    source: Option<IpAddr>,
    time: Duration,
    connections: usize,
    rate: f64,
    exchange: &Exchange,
) -> Figures {
    // Woken when the next request is due, not up to 50 µs later.
    rustix::thread::set_current_timer_slack(NonZeroU64::new(1)).expect("a timer slack");
    let connections: io::Result<Vec<Connection>> =
        (0..connections).map(|_| Connection::open(address, source)).collect();
    let mut load = Load {
        exchange,
        connections: connections.expect("connections"),
        free: VecDeque::new(),
        waiting: VecDeque::new(),
        began: Instant::now(),
        latencies: Vec::new(),
        figures: Figures::default(),
    };
    load.free.extend(0..load.connections.len());
    load.run(time, rate);
    load.finish()
}

/// A connection, with what was read of the answer to a request that was due at some time.
struct Connection {
    socket: TcpStream,
    due: Option<Instant>,
    answer: Vec<u8>,
}

impl Connection {
    fn open(address: SocketAddr, source: Option<IpAddr>) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
        if let Some(source) = source {
            socket.bind(&SocketAddr::new(source, 0).into())?;
        }
        socket.connect(&address.into())?;
        let socket = TcpStream::from(socket);
        socket.set_nodelay(true)?;
        socket.set_nonblocking(true)?;
        Ok(Self { socket, due: None, answer: Vec::with_capacity(16 * 1024) })
    }

    /// Reads what is there. Whether the answer is whole, and nothing follows it.
    fn receive(&mut self, exchange: &Exchange) -> Result<bool, String> {
        let mut piece = [0; 16 * 1024];
        match self.socket.read(&mut piece) {
            Ok(0) => return Err("closed".to_owned()),
            Ok(count) => self.answer.extend_from_slice(&piece[..count]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error.to_string()),
        }
        match exchange.judge(&self.answer)? {
            None => Ok(false),
            Some(length) if length == self.answer.len() => Ok(true),
            Some(_) => Err("more than an answer".to_owned()),
        }
    }
}

struct Load<'a> {
    exchange: &'a Exchange,
    connections: Vec<Connection>,
    free: VecDeque<usize>,
    /// Requests that are due and have no connection yet. No more than there are requests.
    waiting: VecDeque<Instant>,
    began: Instant,
    latencies: Vec<u32>,
    figures: Figures,
}

impl Load<'_> {
    fn run(&mut self, time: Duration, rate: f64) {
        let (mut head, mut sent, mut counted) = (String::new(), 0_u64, 0_u64);
        let due = |number: u64| Duration::from_secs_f64(number as f64 / rate);
        loop {
            let now = self.began.elapsed();
            while due(counted) <= now && due(counted) < time {
                self.waiting.push_back(self.began + due(counted));
                counted += 1;
            }
            while let (Some(due), Some(at)) = (self.waiting.front(), self.free.front()) {
                let connection = &mut self.connections[*at];
                self.exchange.request(sent, &mut head);
                sent += 1;
                connection.due = Some(*due);
                connection.socket.write_all(head.as_bytes()).expect("a request fits into a socket");
                self.waiting.pop_front();
                self.free.pop_front();
            }
            let is_over = due(counted) >= time;
            if is_over && self.waiting.is_empty() && self.free.len() == self.connections.len() {
                return;
            }
            assert!(now < time + PATIENCE, "{} answers did not come", sent - self.figures.answered);
            let wait = if is_over { PATIENCE } else { due(counted).saturating_sub(self.began.elapsed()) };
            self.receive(wait);
        }
    }

    /// Waits for answers and takes them in.
    fn receive(&mut self, wait: Duration) {
        let mut polled: Vec<PollFd<'_>> =
            self.connections.iter().map(|each| PollFd::new(&each.socket, PollFlags::IN)).collect();
        let wait = Timespec { tv_sec: wait.as_secs() as i64, tv_nsec: i64::from(wait.subsec_nanos()) };
        if poll(&mut polled, Some(&wait)).expect("poll") == 0 {
            return;
        }
        let ready: Vec<usize> = (0..polled.len()).filter(|at| !polled[*at].revents().is_empty()).collect();
        for at in ready {
            let connection = &mut self.connections[at];
            let whole = connection.receive(self.exchange);
            let whole = whole.unwrap_or_else(|why| panic!("a wrong answer: {why}"));
            let Some(due) = connection.due.filter(|_| whole) else { continue };
            connection.due = None;
            connection.answer.clear();
            self.figures.answered += 1;
            if due >= self.began + WARM_UP {
                self.latencies.push(u32::try_from(due.elapsed().as_micros()).unwrap_or(u32::MAX));
            }
            self.free.push_back(at);
        }
    }

    fn finish(mut self) -> Figures {
        self.latencies.sort_unstable();
        let last = self.latencies.len().saturating_sub(1);
        let at = |share: usize| self.latencies.get(last * share / 100).copied().unwrap_or(u32::MAX);
        Figures { took: self.began.elapsed(), p50: at(50), p99: at(99), ..self.figures }
    }
}
