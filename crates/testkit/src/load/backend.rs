//! A backend for loads: answers each request with its own number, and echoes WebSocket messages. Nothing is kept but
//! counts, so that thousands of requests a second cost little.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// A backend on a loopback port of its own.
#[derive(Debug)]
pub struct Backend {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    requests: AtomicU64,
    messages: AtomicU64,
    cut: AtomicU64,
    open: AtomicU64,
    delay_us: AtomicU64,
    stopped: AtomicBool,
    /// How often each number came.
    numbers: Mutex<HashMap<u64, u32>>,
}

impl Backend {
    /// Starts one.
    ///
    /// # Panics
    /// When there is no free port.
    pub fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared::default());
        let accepting = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if accepting.stopped.load(Ordering::Relaxed) {
                    return;
                }
                let shared = Arc::clone(&accepting);
                thread::spawn(move || {
                    drop(stream.set_nodelay(true));
                    Session { stream, shared, buffer: Vec::new() }.run();
                });
            }
        });
        Self { address, shared }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its address as a URL without a path.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Waits so long before each answer and echo from now on.
    pub fn set_delay(&self, delay: Duration) {
        let micros = u64::try_from(delay.as_micros()).unwrap_or(u64::MAX);
        self.shared.delay_us.store(micros, Ordering::Relaxed);
    }

    /// Requests so far, handshakes of WebSockets not counted.
    pub fn requests(&self) -> u64 {
        self.shared.requests.load(Ordering::Relaxed)
    }

    /// WebSocket messages so far.
    pub fn messages(&self) -> u64 {
        self.shared.messages.load(Ordering::Relaxed)
    }

    /// WebSockets open now.
    pub fn open(&self) -> u64 {
        self.shared.open.load(Ordering::Relaxed)
    }

    /// WebSockets that ended within a frame, or without a close frame.
    pub fn cut(&self) -> u64 {
        self.shared.cut.load(Ordering::Relaxed)
    }

    /// Numbers of requests that came more than once.
    pub fn repeated(&self) -> usize {
        let numbers = self.shared.numbers.lock().unwrap_or_else(PoisonError::into_inner);
        numbers.values().filter(|times| **times > 1).count()
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::Relaxed);
        drop(TcpStream::connect(self.address)); // wakes the accepting thread, which then ends
    }
}

struct Session {
    stream: TcpStream,
    shared: Arc<Shared>,
    buffer: Vec<u8>,
}

impl Session {
    fn run(mut self) {
        while let Some(head) = self.head() {
            if let Some(key) = field(&head, "sec-websocket-key") {
                let answer = format!(
                    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                     Sec-WebSocket-Accept: {}\r\n\r\n",
                    ws::acceptance(key)
                );
                self.shared.open.fetch_add(1, Ordering::Relaxed);
                if self.stream.write_all(answer.as_bytes()).is_ok() && self.echo().is_none() {
                    self.shared.cut.fetch_add(1, Ordering::Relaxed);
                }
                self.shared.open.fetch_sub(1, Ordering::Relaxed);
                break;
            }
            if self.answer(&head).is_none() {
                break;
            }
        }
        drop(self.stream.shutdown(Shutdown::Both));
    }

    /// One answer; `None` when the connection ended instead.
    fn answer(&mut self, head: &str) -> Option<()> {
        let (target, query) = {
            let target = head.split(' ').nth(1)?;
            target.split_once('?').unwrap_or((target, ""))
        };
        let number = target.rsplit('/').next()?.to_owned();
        let bytes = query.strip_prefix("bytes=").and_then(|bytes| bytes.parse().ok()).unwrap_or(0_usize);
        if let Some(length) = field(head, "content-length") {
            let length: usize = length.parse().ok()?;
            self.fill(length)?;
            self.buffer.drain(..length);
        } else if field(head, "transfer-encoding").is_some() {
            self.chunks()?;
        }
        self.shared.requests.fetch_add(1, Ordering::Relaxed);
        if let Ok(number) = number.parse::<u64>() {
            let mut numbers = self.shared.numbers.lock().unwrap_or_else(PoisonError::into_inner);
            *numbers.entry(number).or_default() += 1;
        }
        self.delay();
        let body = format!("{number:<bytes$}");
        let answer = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        self.stream.write_all(answer.as_bytes()).ok()
    }

    /// Reads over a body in chunks.
    fn chunks(&mut self) -> Option<()> {
        loop {
            let line = self.line()?;
            let size = usize::from_str_radix(line.trim(), 16).ok()?;
            self.fill(size)?;
            self.buffer.drain(..size);
            let behind = self.line()?;
            if size == 0 && behind.is_empty() {
                return Some(());
            }
        }
    }

    fn line(&mut self) -> Option<String> {
        loop {
            if let Some(at) = self.buffer.windows(2).position(|pair| pair == b"\r\n") {
                let line = String::from_utf8_lossy(&self.buffer[..at]).into_owned();
                self.buffer.drain(..at + 2);
                return Some(line);
            }
            self.more()?;
        }
    }

    /// Echoes messages until a close frame, which is answered; `None` when the connection ended without one.
    fn echo(&mut self) -> Option<()> {
        loop {
            let Some((opcode, payload)) = ws::take(&mut self.buffer) else {
                self.more()?;
                continue;
            };
            match opcode {
                ws::TEXT => {
                    self.shared.messages.fetch_add(1, Ordering::Relaxed);
                    self.delay();
                    self.stream.write_all(&ws::frame(opcode, &payload, false)).ok()?;
                }
                ws::CLOSE => {
                    drop(self.stream.write_all(&ws::frame(opcode, &payload, false)));
                    return Some(());
                }
                _ => {}
            }
        }
    }

    fn head(&mut self) -> Option<String> {
        loop {
            if let Some(at) = self.buffer.windows(4).position(|four| four == b"\r\n\r\n") {
                let head = String::from_utf8_lossy(&self.buffer[..at]).into_owned();
                self.buffer.drain(..at + 4);
                return Some(head);
            }
            self.more()?;
        }
    }

    fn fill(&mut self, count: usize) -> Option<()> {
        while self.buffer.len() < count {
            self.more()?;
        }
        Some(())
    }

    fn more(&mut self) -> Option<()> {
        let mut piece = [0; 16 * 1024];
        let count = self.stream.read(&mut piece).ok().filter(|count| *count > 0)?;
        self.buffer.extend(&piece[..count]);
        Some(())
    }

    fn delay(&self) {
        let micros = self.shared.delay_us.load(Ordering::Relaxed);
        if micros > 0 {
            thread::sleep(Duration::from_micros(micros));
        }
    }
}

/// The value of the field called `name` in the text of a head.
fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let lines = head.lines().skip(1).filter_map(|line| line.split_once(':'));
    lines.into_iter().find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}

/// WebSocket frames as loads use them: whole messages and close frames (RFC 6455 §5.2).
pub(super) mod ws {
    use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};

    /// A whole text message.
    pub(crate) const TEXT: u8 = 1;
    /// The end.
    pub(crate) const CLOSE: u8 = 8;

    const MASK: [u8; 4] = [0x5a, 0xc3, 0x0f, 0x99];

    /// A frame of at most 125 bytes, masked when a client sends it.
    pub(crate) fn frame(opcode: u8, payload: &[u8], is_masked: bool) -> Vec<u8> {
        let length = u8::try_from(payload.len()).ok().filter(|length| *length < 126).expect("a short one");
        let mut frame = vec![0x80 | opcode, length];
        if is_masked {
            frame[1] |= 0x80;
            frame.extend(MASK);
            frame.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        } else {
            frame.extend(payload);
        }
        frame
    }

    /// Takes the first whole frame out of `buffer`.
    pub(crate) fn take(buffer: &mut Vec<u8>) -> Option<(u8, Vec<u8>)> {
        let &[first, second, ..] = buffer.as_slice() else { return None };
        let length = usize::from(second & 0x7f);
        assert!(length < 126, "a load sends short messages");
        let mask = if second & 0x80 != 0 { 4 } else { 0 };
        if buffer.len() < 2 + mask + length {
            return None;
        }
        let frame: Vec<u8> = buffer.drain(..2 + mask + length).collect();
        let (key, payload) = frame[2..].split_at(mask);
        let key = if mask == 0 { &[0; 4] } else { key };
        let payload = payload.iter().zip(key.iter().cycle()).map(|(byte, mask)| byte ^ mask).collect();
        Some((first & 0x0f, payload))
    }

    /// What a server answers to a handshake with `key` (RFC 6455 §4.2.2).
    pub(crate) fn acceptance(key: &str) -> String {
        const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let text = format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
        let hash = digest(&SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes());
        let mut padded = hash.as_ref().to_vec();
        padded.push(0); // 20 bytes: one short of seven groups of three
        let digits = padded.chunks(3).flat_map(|three| {
            let bits = three.iter().fold(0_usize, |bits, byte| bits << 8 | usize::from(*byte));
            [18, 12, 6, 0].map(|shift| char::from(DIGITS[bits >> shift & 63]))
        });
        digits.take(27).chain(['=']).collect()
    }
}
