//! Load that no program of a distribution makes: TLS handshakes without end, and requests at a fixed rate; and the service that
//! answers it.
//!
//! `bench-client new|resumed ADDRESS SECONDS THREADS CERTIFICATES` opens a connection for each request;
//! `bench-client closed ADDRESS SECONDS CONNECTIONS STATUS [TOKENS [CERTIFICATES]]` keeps its connections, over TLS where it is
//! told whom to trust (TOKENS may be `-`), and sends on each the next request when the last one was answered;
//! `bench-client rate ADDRESS SECONDS CONNECTIONS REQUESTS_PER_SECOND [TOKENS [SOURCE]]` keeps its connections, and sends
//! each request when it is due, whether or not those before it were answered; from the address SOURCE where it is given.
//! `bench-client tokens FOLDER COUNT` makes tokens, and sends nothing.
//! `bench-client answer ADDRESS FOLDER` is the service behind the proxies.
//!
//! What is sent and what is expected stands in the standard input: the head of a request in which `{n}` becomes a number
//! of its own, `{n%1000}` what is left of it, and `{token}` a line of the file TOKENS, a zero byte, and the body of the answer. Every answer is compared
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

mod closed;
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
        panic!("bench-client new|resumed|closed|rate ADDRESS SECONDS ...")
    };
    let address: SocketAddr = address.parse().expect("an address");
    let time = Duration::from_secs_f64(seconds.parse().expect("seconds"));
    let mut exchange = Exchange::read();
    let figures = match (&**kind, rest) {
        ("new" | "resumed", [threads, certificates]) => {
            let threads = threads.parse().expect("a number of threads");
            handshakes::run(address, time, threads, certificates, kind == "resumed", &exchange)
        }
        ("closed", [connections, status, more @ ..]) => {
            let connections = connections.parse().expect("a number of connections");
            exchange.status = format!("HTTP/1.1 {status} ");
            exchange.present(more.first());
            closed::run(address, time, connections, more.get(1).map(String::as_str), &exchange)
        }
        ("rate", [connections, rate, more @ ..]) => {
            let connections = connections.parse().expect("a number of connections");
            exchange.present(more.first());
            let source = more.get(1).map(|source| source.parse().expect("an address"));
            rate::run(address, source, time, connections, rate.parse().expect("a rate"), &exchange)
        }
        _ => panic!(
            "new and resumed take THREADS CERTIFICATES, closed takes CONNECTIONS STATUS ..., rate takes CONNECTIONS REQUESTS_PER_SECOND ..."
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
    head: Vec<Part>,
    body: Vec<u8>,
    /// What the answer begins with; empty: 200, or where no body is given 401 or 429.
    status: String,
    /// What `{token}` becomes, one after the other.
    tokens: Vec<String>,
}

/// A part of a request's head.
#[derive(Debug)]
enum Part {
    Text(String),
    /// The request's number, or what is left of it by so many.
    Number(Option<u64>),
    Token,
}

impl Exchange {
    fn read() -> Self {
        let mut input = Vec::new();
        std::io::stdin().read_to_end(&mut input).expect("a request on the standard input");
        let zero = input.iter().position(|byte| *byte == 0).expect("a zero byte behind the head");
        let body = input.split_off(zero + 1);
        input.pop();
        let text = String::from_utf8(input).expect("a head in UTF-8");
        let (mut head, mut rest) = (Vec::new(), &*text);
        while let Some((before, (name, after))) =
            rest.split_once('{').and_then(|(before, after)| Some((before, after.split_once('}')?)))
        {
            head.push(Part::Text(before.to_owned()));
            head.push(match (name, name.strip_prefix("n%")) {
                ("token", _) => Part::Token,
                ("n", _) => Part::Number(None),
                (_, Some(by)) => Part::Number(Some(by.parse().expect("a number after {n%"))),
                _ => panic!("{{{name}}} means nothing"),
            });
            rest = after;
        }
        head.push(Part::Text(rest.to_owned()));
        Self { head, body, status: String::new(), tokens: Vec::new() }
    }

    /// Takes the lines of a file for tokens, unless it is none or `-`.
    fn present(&mut self, file: Option<&String>) {
        if let Some(file) = file.filter(|file| **file != "-") {
            let text = std::fs::read_to_string(file).expect("a file of tokens");
            self.tokens = text.lines().map(str::to_owned).collect();
        }
    }

    /// Puts the head of request `n` into `head`.
    fn request(&self, n: u64, head: &mut String) {
        head.clear();
        for part in &self.head {
            match part {
                Part::Text(text) => head.push_str(text),
                Part::Number(by) => {
                    let number = by.map_or(n, |by| n % by);
                    write!(head, "{number}").expect("a string takes everything");
                }
                Part::Token => {
                    let at = usize::try_from(n).unwrap_or(0).checked_rem(self.tokens.len());
                    head.push_str(at.and_then(|at| self.tokens.get(at)).expect("a token"));
                }
            }
        }
    }

    /// Whether `bytes` are the answer that is expected, at a glance: its status, a head, its body to the last byte. What is not
    /// may be so all the same.
    fn is_plainly(&self, bytes: &[u8]) -> bool {
        let head = bytes.strip_suffix(&*self.body).unwrap_or_default();
        !self.body.is_empty() && head.ends_with(b"\r\n\r\n") && bytes.starts_with(self.status.as_bytes())
    }

    /// Length of the answer that `bytes` begin with, once it is whole and right; what is wrong with it otherwise.
    fn judge(&self, bytes: &[u8]) -> Result<Option<usize>, &'static str> {
        const END: &[u8] = b"\r\n\r\n";
        let Some(end) = bytes.windows(END.len()).position(|four| four == END) else { return Ok(None) };
        let head = str::from_utf8(&bytes[..end]).map_err(|_| "not text")?;
        let is_good = head.starts_with("HTTP/1.1 200 ");
        let is_refused = head.starts_with("HTTP/1.1 401 ") || head.starts_with("HTTP/1.1 429 ");
        let is_expected = match &*self.status {
            "" => is_good != self.body.is_empty() && (is_good || is_refused),
            status => head.starts_with(status),
        };
        if !is_expected {
            return Err("another status");
        }
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length").then_some(value)?.trim().parse::<usize>().ok()
        });
        let begin = end + END.len();
        if !is_good {
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
