//! Load that no program of a distribution makes: TLS handshakes without end, and requests at a fixed rate; and the service that
//! answers it.
//!
//! `bench-client new|resumed ADDRESS SECONDS THREADS CERTIFICATES` opens a connection for each request;
//! `bench-client rate ADDRESS SECONDS CONNECTIONS REQUESTS_PER_SECOND [TOKENS [SOURCE]]` keeps its connections, and sends
//! each request when it is due, whether or not those before it were answered; from the address SOURCE where it is given.
//! `bench-client tokens FOLDER COUNT` makes tokens, and sends nothing.
//! `bench-client answer ADDRESS FOLDER` is the service behind the proxies.
//!
//! What is sent and what is expected stands in the standard input: the head of a request in which `{n}` becomes a number
//! of its own and `{token}` a line of the file TOKENS, a zero byte, and the body of the answer. Every answer is compared
//! with it, byte for byte; where no body is given, any 401 or 429 is right. One line on the standard output says what came
//! of it; `benches/load.py` reads it.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "a bench ends loudly, and reads the real clock"
)]

use std::fmt::Write;
use std::io::Read;
use std::net::SocketAddr;
use std::time::Duration;

mod handshakes;
mod rate;
mod service;
mod tokens;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if let [kind, folder, count] = &*words
        && kind == "tokens"
    {
        return tokens::write(folder.as_ref(), count.parse().expect("a number of tokens"));
    }
    if let [kind, address, folder] = &*words
        && kind == "answer"
    {
        let address = address.parse().expect("an address");
        return service::run(address, folder.as_ref()).expect("a service");
    }
    let [kind, address, seconds, rest @ ..] = &*words else {
        panic!("bench-client new|resumed|rate ADDRESS SECONDS ...")
    };
    let address: SocketAddr = address.parse().expect("an address");
    let time = Duration::from_secs_f64(seconds.parse().expect("seconds"));
    let mut exchange = Exchange::read();
    let figures = match (&**kind, rest) {
        ("new" | "resumed", [threads, certificates]) => {
            let threads = threads.parse().expect("a number of threads");
            handshakes::run(address, time, threads, certificates, kind == "resumed", &exchange)
        }
        ("rate", [connections, rate, more @ ..]) => {
            let connections = connections.parse().expect("a number of connections");
            if let Some(tokens) = more.first() {
                let text = std::fs::read_to_string(tokens).expect("a file of tokens");
                exchange.tokens = text.lines().map(str::to_owned).collect();
            }
            let source = more.get(1).map(|source| source.parse().expect("an address"));
            rate::run(address, source, time, connections, rate.parse().expect("a rate"), &exchange)
        }
        _ => panic!(
            "new and resumed take THREADS CERTIFICATES, rate takes CONNECTIONS REQUESTS_PER_SECOND ..."
        ),
    };
    let Figures { answered, wrong, resumed, took, p50, p99 } = figures;
    println!("FIGURES {answered} {wrong} {resumed} {} {p50} {p99}", took.as_micros());
}

/// What came of a load. Latencies in microseconds, where they were measured.
#[derive(Debug, Default)]
struct Figures {
    answered: u64,
    wrong: u64,
    resumed: u64,
    took: Duration,
    p50: u32,
    p99: u32,
}

/// What is sent and what must come back.
#[derive(Debug)]
struct Exchange {
    before: String,
    after: String,
    body: Vec<u8>,
    /// What `{token}` becomes, one after the other.
    tokens: Vec<String>,
}

impl Exchange {
    fn read() -> Self {
        let mut input = Vec::new();
        std::io::stdin().read_to_end(&mut input).expect("a request on the standard input");
        let zero = input.iter().position(|byte| *byte == 0).expect("a zero byte behind the head");
        let body = input.split_off(zero + 1);
        input.pop();
        let head = String::from_utf8(input).expect("a head in UTF-8");
        let (before, after) = head.split_once("{n}").expect("a place for the number");
        Self { before: before.to_owned(), after: after.to_owned(), body, tokens: Vec::new() }
    }

    /// Puts the head of request `n` into `head`.
    fn request(&self, n: u64, head: &mut String) {
        head.clear();
        write!(head, "{}{n}", self.before).expect("a string takes everything");
        let token = usize::try_from(n).unwrap_or(0).checked_rem(self.tokens.len());
        match (token.and_then(|at| self.tokens.get(at)), self.after.split_once("{token}")) {
            (Some(token), Some((between, after))) => head.extend([between, token, after]),
            _ => head.push_str(&self.after),
        }
    }

    /// Length of the answer that `bytes` begin with, once it is whole and right; what is wrong with it otherwise.
    fn judge(&self, bytes: &[u8]) -> Result<Option<usize>, &'static str> {
        const END: &[u8] = b"\r\n\r\n";
        let Some(end) = bytes.windows(END.len()).position(|four| four == END) else { return Ok(None) };
        let head = str::from_utf8(&bytes[..end]).map_err(|_| "not text")?;
        let is_refused = head.starts_with("HTTP/1.1 401 ") || head.starts_with("HTTP/1.1 429 ");
        if self.body.is_empty() != is_refused || !(is_refused || head.starts_with("HTTP/1.1 200 ")) {
            return Err("another status");
        }
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length").then_some(value)?.trim().parse::<usize>().ok()
        });
        let begin = end + END.len();
        if is_refused {
            let whole = begin + length.ok_or("no length")?;
            return Ok((bytes.len() >= whole).then_some(whole));
        }
        if length != Some(self.body.len()) {
            return Err("another length");
        }
        match bytes.get(begin..begin + self.body.len()) {
            None => Ok(None),
            Some(body) if body == self.body => Ok(Some(begin + body.len())),
            Some(_) => Err("another body"),
        }
    }
}
