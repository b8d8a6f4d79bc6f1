//! An identity provider that does as it is told: documents at paths, or whatever a bad day makes of them.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::Deadline;
use crate::tokens::{Signer, key_set};

/// What is answered.
#[derive(Debug, Clone)]
pub enum Answer {
    /// This document, with status 200.
    Json(Value),
    /// A status, a media type and a body.
    Reply(u16, &'static str, Vec<u8>),
    /// These bytes, and nothing after them on the connection.
    Raw(Vec<u8>),
    /// The connection is held open and nothing comes.
    Silence,
    /// A head that promises much, then a byte now and then.
    Drip,
    /// A body without an end, as fast as it is read.
    Endless,
    /// The connection is closed at once.
    Close,
}

/// A request that came.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Method and path, such as `GET /jwks`.
    pub line: String,
    /// The head, as it came.
    pub head: String,
    /// The body.
    pub body: String,
}

/// The provider; it stops answering when this value is gone.
#[derive(Debug)]
pub struct Provider {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    answers: Mutex<HashMap<String, Answer>>,
    /// By path and a part of the body; what was said last stands first.
    bodies: Mutex<Vec<(String, String, Answer)>>,
    asked: Mutex<Vec<Asked>>,
    is_over: AtomicBool,
}

impl Provider {
    /// One that has nothing at any path yet.
    ///
    /// # Panics
    /// When there is no free port.
    pub fn start() -> Self {
        Self::at(TcpListener::bind("127.0.0.1:0").expect("a free port"))
    }

    /// One that listens there.
    ///
    /// # Panics
    /// When the socket has no address.
    pub fn at(listener: TcpListener) -> Self {
        let address = listener.local_addr().expect("an address");
        let shared = Arc::<Shared>::default();
        let own = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming() {
                if own.is_over.load(Ordering::Acquire) {
                    return;
                }
                let (Ok(stream), own) = (stream, Arc::clone(&own)) else { continue };
                thread::spawn(move || own.serve(stream));
            }
        });
        Self { address, shared }
    }

    /// Its URL, which is its name as an issuer.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers so at `path` from now on.
    pub fn on(&self, path: &str, answer: Answer) {
        lock(&self.shared.answers).insert(path.to_owned(), answer);
    }

    /// Answers so at `path` requests whose body has `part`, whatever is said of the path alone.
    pub fn on_body(&self, path: &str, part: &str, answer: Answer) {
        lock(&self.shared.bodies).insert(0, (path.to_owned(), part.to_owned(), answer));
    }

    /// Has a discovery document, and these keys.
    pub fn keys(&self, signers: &[&Signer]) {
        self.on("/jwks", Answer::Json(key_set(signers)));
        let document = json!({ "issuer": self.url(), "jwks_uri": format!("{}/jwks", self.url()) });
        self.on(DISCOVERY, Answer::Json(document));
    }

    /// How often it was asked for `path`.
    pub fn count(&self, path: &str) -> usize {
        let is_for = |asked: &&Asked| asked.line.split(' ').nth(1) == Some(path);
        lock(&self.shared.asked).iter().filter(is_for).count()
    }

    /// Every request that came.
    pub fn asked(&self) -> Vec<Asked> {
        lock(&self.shared.asked).clone()
    }

    /// Waits until it was asked for `path` so often.
    ///
    /// # Panics
    /// When that does not happen in time.
    pub fn await_count(&self, path: &str, count: usize) {
        Deadline::soon()
            .poll(&format!("request {count} for {path}"), || (self.count(path) >= count).then_some(()));
    }
}

/// Where a discovery document is.
pub const DISCOVERY: &str = "/.well-known/openid-configuration";

impl Drop for Provider {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::Release);
        // Wakes who waits for connections.
        drop(TcpStream::connect(self.address));
    }
}

impl Shared {
    fn serve(&self, mut stream: TcpStream) {
        let mut read = Vec::new();
        while let Some(asked) = request(&mut stream, &mut read) {
            let path = asked.line.split(' ').nth(1).unwrap_or_default().to_owned();
            let answer = self.answer_to(&path, &asked.body);
            lock(&self.asked).push(asked);
            if self.is_over.load(Ordering::Acquire) {
                return;
            }
            if self.answer(&mut stream, answer).is_none() {
                return;
            }
        }
    }

    fn answer_to(&self, path: &str, body: &str) -> Answer {
        let bodies = lock(&self.bodies);
        let is_it = |(own, part, _): &&(String, String, Answer)| own == path && body.contains(part.as_str());
        let answer = bodies.iter().find(is_it).map(|(_, _, answer)| answer.clone());
        let answer = answer.or_else(|| lock(&self.answers).get(path).cloned());
        answer.unwrap_or_else(|| Answer::Reply(404, "text/plain", b"nothing".to_vec()))
    }

    /// Says it; `None` when the connection is over.
    fn answer(&self, stream: &mut TcpStream, answer: Answer) -> Option<()> {
        let is_raw = matches!(answer, Answer::Raw(_));
        let said = say(stream, answer, &self.is_over);
        if is_raw {
            // What lies unread when a connection is closed resets it, and takes along what was said.
            let _ = stream.shutdown(Shutdown::Write);
            let _ = stream.set_read_timeout(Some(Duration::from_secs(1)));
            let mut rest = [0; 4096];
            while matches!(stream.read(&mut rest), Ok(1..)) {}
        }
        said
    }
}

/// Says it until `is_over`; `None` when the connection is over.
pub(crate) fn say(stream: &mut impl Write, answer: Answer, is_over: &AtomicBool) -> Option<()> {
    let pause = |time| {
        thread::sleep(time);
        (!is_over.load(Ordering::Acquire)).then_some(())
    };
    match answer {
        Answer::Json(document) => reply(stream, 200, "application/json", document.to_string().as_bytes()),
        Answer::Reply(status, kind, body) => reply(stream, status, kind, &body),
        Answer::Raw(bytes) => {
            stream.write_all(&bytes).ok()?;
            None
        }
        Answer::Silence => loop {
            pause(Duration::from_millis(20))?;
        },
        Answer::Drip => {
            let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n";
            stream.write_all(head.as_bytes()).ok()?;
            loop {
                stream.write_all(b" ").ok()?;
                pause(Duration::from_millis(100))?;
            }
        }
        Answer::Endless => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{\"keys\":[").ok()?;
            loop {
                stream.write_all(&[b' '; 4096]).ok()?;
            }
        }
        Answer::Close => None,
    }
}

fn reply(stream: &mut impl Write, status: u16, kind: &str, body: &[u8]) -> Option<()> {
    let head = format!(
        "HTTP/1.1 {status} Said\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nLocation: /elsewhere\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).ok()?;
    stream.write_all(body).ok()
}

/// The next request of a connection.
pub(crate) fn request(stream: &mut impl Read, read: &mut Vec<u8>) -> Option<Asked> {
    let head_end = loop {
        if let Some(at) = read.windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
        more(stream, read)?;
    };
    let head = String::from_utf8_lossy(&read[..head_end]).into_owned();
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        if name.eq_ignore_ascii_case("content-length") { value.trim().parse::<usize>().ok() } else { None }
    });
    let end = head_end + length.unwrap_or(0);
    while read.len() < end {
        more(stream, read)?;
    }
    let body = String::from_utf8_lossy(&read[head_end..end]).into_owned();
    read.drain(..end);
    let line = head.lines().next()?.trim_end_matches(" HTTP/1.1").to_owned();
    Some(Asked { line, head, body })
}

fn more(stream: &mut impl Read, read: &mut Vec<u8>) -> Option<()> {
    let mut piece = [0; 4096];
    match stream.read(&mut piece) {
        Ok(count @ 1..) => {
            read.extend(&piece[..count]);
            Some(())
        }
        _ => None,
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
