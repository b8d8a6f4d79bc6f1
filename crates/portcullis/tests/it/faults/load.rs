//! Steady load on one backend of the gateway, and what came of each request.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use portcullis_testkit::raw::{self, End, Failure};
use portcullis_testkit::{Deadline, Request, Response, h2};

use super::backend::body;

/// An answer that takes longer than this does not come.
const PATIENCE: Duration = Duration::from_secs(30);

/// One request and what came of it.
pub(super) struct Outcome {
    pub(super) method: &'static str,
    pub(super) begun: Instant,
    pub(super) took: Duration,
    pub(super) end: Ended,
}

impl Outcome {
    /// It came to nothing because somebody was late.
    pub(super) fn is_late(&self) -> bool {
        matches!(&self.end, Ended::Problem(504, _))
    }
}

/// What a request came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ended {
    Good,
    /// A problem of the gateway.
    Problem(u16, String),
    /// The backend's own 503.
    Passed(u16),
    /// The answer broke off, and could be seen to.
    Cut,
    /// What may never be.
    Wrong(String),
}

/// A connection of a client.
enum Talker {
    Http1(raw::Client),
    Http2(h2::Client),
}

impl Talker {
    fn connect(address: SocketAddr, number: usize) -> Self {
        match number % 2 {
            0 => Self::Http1(raw::Client::connect(address)),
            _ => Self::Http2(h2::Client::connect(address)),
        }
    }

    fn ask(&mut self, request: &Request) -> Result<Response, Failure> {
        let deadline = Deadline::after(PATIENCE);
        match self {
            Self::Http1(client) => {
                client.send(request.http1());
                client.response(&request.method, deadline)
            }
            Self::Http2(client) => {
                let stream = client.request(request);
                client.response(stream, deadline)
            }
        }
    }
}

/// Workers that each ask `per_second / workers` times a second below `base`, until `over`. Every fourth request is a POST.
pub(super) fn run(
    address: SocketAddr,
    base: &str,
    (per_second, workers): (u32, usize),
    over: &AtomicBool,
) -> Vec<Outcome> {
    let pause = Duration::from_secs(1) * u32::try_from(workers).expect("few") / per_second;
    thread::scope(|scope| {
        let work = |number| move || worker(address, base, number, pause, over);
        let workers: Vec<_> = (0..workers).map(|number| scope.spawn(work(number))).collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("outcomes")).collect()
    })
}

fn worker(
    address: SocketAddr,
    base: &str,
    number: usize,
    pause: Duration,
    over: &AtomicBool,
) -> Vec<Outcome> {
    let mut outcomes = Vec::new();
    let mut talker = None;
    let mut turn = Instant::now();
    while !over.load(Ordering::SeqCst) {
        let method = if outcomes.len() % 4 == 3 { "POST" } else { "GET" };
        let target = format!("{base}/{number}/{}", outcomes.len());
        let content = if method == "POST" { "content" } else { "" };
        let request = Request { body: content.into(), ..Request::new(method, &target) };
        let begun = Instant::now();
        let mut talking = talker.take().unwrap_or_else(|| Talker::connect(address, number));
        let answer = talking.ask(&request);
        let is_over = !answer.as_ref().is_ok_and(|answer| answer.text("connection").is_none());
        let end = ended(method, &target, answer);
        if !is_over {
            talker = Some(talking);
        }
        outcomes.push(Outcome { method, begun, took: begun.elapsed(), end });
        // Turns that were missed are let go.
        turn = (turn + pause).max(begun);
        thread::sleep(turn.saturating_duration_since(Instant::now()));
    }
    outcomes
}

fn ended(method: &str, target: &str, answer: Result<Response, Failure>) -> Ended {
    match answer {
        Ok(answer) if answer.status == 200 && answer.body == body(method, target) => Ended::Good,
        Ok(answer) => match answer.problem() {
            Some(code) if answer.status >= 500 => Ended::Problem(answer.status, code),
            None if answer.status == 503 && answer.body.is_empty() => Ended::Passed(503),
            _ => Ended::Wrong(format!("{answer:?}")),
        },
        Err(Failure { end: End::Silent, .. }) => Ended::Wrong("neither an answer nor an end".to_owned()),
        Err(failure) if failure.partial.status == 200 => Ended::Cut,
        // A reset may overtake the head before it.
        Err(Failure { end: End::Nonsense(why), .. }) if why.starts_with("RST_STREAM") => Ended::Cut,
        Err(failure) => Ended::Wrong(failure.to_string()),
    }
}
