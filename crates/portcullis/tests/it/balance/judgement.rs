//! How well targets are chosen, judged under steady load: what one slow target costs, whether weights are shares, whom
//! the coming and going of a target moves, and what a target costs that fails every tenth request.
//!
//! Always in a short form; the whole one wants a quiet machine and a release build:
//!
//! ```console
//! $ PORTCULLIS_WHOLE=1 PORTCULLIS_EXECUTABLE=target/release/portcullis \
//!     cargo test -p portcullis --test it balance::judgement -- --nocapture
//! ```
//!
//! Delays are tens of milliseconds and exact, rates are modest, and two gateways run at once, one before healthy targets
//! and one before a slow one: what a busy machine does to one it does to the other.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use portcullis_testkit::gateway::Builder;
use portcullis_testkit::load::{Backend, Plan, Tally};
use portcullis_testkit::raw::Client;
use portcullis_testkit::{Deadline, Gateway, Request};

use super::{CONFIG, gateway, url, weighing};
use crate::stage::executable;

/// What a healthy target takes; a slow one takes ten times as long.
const DELAY: Duration = Duration::from_millis(60);

/// Whether the whole judgement was asked for.
fn is_whole() -> bool {
    std::env::var_os("PORTCULLIS_WHOLE").is_some()
}

/// A figure of a judgement, for people.
#[expect(clippy::print_stderr, reason = "it stands beside what else a test says")]
fn tell(figure: &str) {
    eprintln!("{figure}");
}

/// Three targets and the gateway before them.
struct Fleet {
    targets: Vec<Backend>,
    gateway: Gateway,
}

impl Fleet {
    /// Targets that take so long each.
    fn start(delays: &[Duration], settings: &str) -> Self {
        let targets: Vec<_> = delays.iter().map(|_| Backend::start()).collect();
        for (target, delay) in targets.iter().zip(delays) {
            target.set_delay(*delay);
        }
        let urls: Vec<_> = targets.iter().map(|target| url(target.address())).collect();
        let gateway = gateway(&urls, settings);
        Self { targets, gateway }
    }

    /// What comes of so many requests, of which each is sent when it is due, however long the others take.
    fn load(&self, per_second: u32, requests: u64) -> Tally {
        let load = Plan::to([self.gateway.address("public")]).http2(per_second, 2).start();
        load.more_good(requests, Deadline::after(Duration::from_secs(120)));
        load.stop()
    }

    /// Each target's share of all requests, in percent.
    fn shares(&self) -> Vec<f64> {
        let counts: Vec<u64> = self.targets.iter().map(Backend::requests).collect();
        let all: u64 = counts.iter().sum();
        counts.iter().map(|count| 100.0 * *count as f64 / all as f64).collect()
    }
}

fn median(mut all: Vec<Duration>) -> Duration {
    all.sort_unstable();
    all[all.len() / 2]
}

#[test]
fn one_slow_target_of_three_costs_least_requests_no_more_than_twice_the_p99() {
    judge_slow("least_requests");
}

#[test]
fn one_slow_target_of_three_costs_peak_ewma_no_more_than_twice_the_p99() {
    judge_slow("peak_ewma");
}

fn judge_slow(balance: &str) {
    let (rounds, requests, rate) = if is_whole() { (9, 1_500, 150) } else { (5, 150, 100) };
    let settings = format!("balance: {balance}");
    let healthy = Fleet::start(&[DELAY; 3], &settings);
    let slow = Fleet::start(&[DELAY, DELAY * 10, DELAY], &settings);
    let both = |requests: u64| {
        thread::scope(|scope| {
            let other = scope.spawn(|| healthy.load(rate, requests));
            let tally = slow.load(rate, requests);
            (other.join().expect("a load"), tally)
        })
    };
    // Nothing is known of a new target: it takes a few requests to find out.
    both(60);
    let (mut of_healthy, mut of_slow) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        let (healthy, slow) = both(requests);
        assert_eq!((healthy.failed(), slow.failed()), (0, 0), "{healthy}\n{slow}");
        of_healthy.push(healthy.quantile(0.99));
        of_slow.push(slow.quantile(0.99));
    }
    let (healthy_p99, slow_p99) = (median(of_healthy.clone()), median(of_slow.clone()));
    let ratio = slow_p99.as_secs_f64() / healthy_p99.as_secs_f64();
    tell(&format!(
        "{balance}: p99 {healthy_p99:?} with all healthy, {slow_p99:?} with one ten times slower: {ratio:.2}; \
         shares {:.1?} %",
        slow.shares()
    ));
    assert!(ratio <= 2.0, "{balance}: {ratio:.2}: {of_healthy:?} {of_slow:?}");
}

#[test]
fn weights_are_shares_within_two_percent() {
    let requests = if is_whole() { 22_000 } else { 1_000 };
    // `peak_ewma` goes by how fast each was, which on a busy machine is chance.
    let balances = ["round_robin", "least_requests", "peak_ewma"];
    for balance in balances.into_iter().take(if is_whole() { 3 } else { 2 }) {
        let targets: Vec<_> = (0..3).map(|_| Backend::start()).collect();
        let weights = [5, 3, 2];
        // Alike in all but their weight: with no delay at all, how fast they are is chance.
        targets.iter().for_each(|target| target.set_delay(Duration::from_millis(20)));
        let urls: Vec<_> =
            targets.iter().zip(weights).map(|(target, weight)| weighing(target.address(), weight)).collect();
        let gateway = gateway(&urls, &format!("balance: {balance}"));
        let fleet = Fleet { targets, gateway };
        let tally = fleet.load(if is_whole() { 1_000 } else { 300 }, requests);
        assert_eq!(tally.failed(), 0, "{tally}");
        let shares = fleet.shares();
        tell(&format!("{balance}: weights 5, 3, 2 are shares of {shares:.1?} %"));
        for (share, expected) in shares.iter().zip([50.0, 30.0, 20.0]) {
            assert!((share - expected).abs() <= 2.0, "{balance}: {shares:?}");
        }
    }
}

/// Asks as each client, over one connection; who answered each.
fn who_answers(gateway: &Gateway, clients: u32) -> HashMap<u32, String> {
    let mut client = Client::connect(gateway.address("public"));
    let ask = |number: u32| {
        let address = Ipv4Addr::from(0x0a00_0000 + number * 7919);
        let request = Request::get("/who").field("X-Forwarded-For", address.to_string());
        client.send(request.http1());
        let response = client.response("GET", Deadline::soon()).expect("an answer");
        assert_eq!(response.status, 200);
        (number, response.text("x-who").expect("a name"))
    };
    (0..clients).map(ask).collect()
}

#[test]
fn hash_moves_the_callers_of_a_target_that_comes_or_goes_and_no_others() {
    use portcullis_testkit::{Recorder, Reply};
    let (count, clients) = if is_whole() { (5, 8_000) } else { (4, 1_500) };
    let targets: Vec<_> = (0..count).map(|_| Recorder::start()).collect();
    for target in &targets {
        target.on("/who", Reply::with("200 OK", &format!("X-Who: {}\r\n", target.address()), "x"));
    }
    let urls: Vec<_> = targets.iter().map(|target| url(target.address())).collect();
    let config = |urls: &[String]| {
        let listener = "protocols: [http1, http2], trusted_proxies: [127.0.0.1], forwarded: x-forwarded-for";
        super::config(urls, "balance: hash").replace("protocols: [http1, http2]", listener)
    };
    assert!(config(&urls).contains("trusted_proxies") && CONFIG.contains("protocols: [http1, http2]"));
    let gateway = Gateway::start(executable(), config(&urls));
    let before = who_answers(&gateway, clients);
    let leaving = targets[1].address().to_string();
    gateway.reconfigure(&config(&[&urls[..1], &urls[2..]].concat()));
    Deadline::soon().poll("it has left", || {
        (!who_answers(&gateway, 40).values().any(|who| *who == leaving)).then_some(())
    });
    let without = who_answers(&gateway, clients);
    let moved = before.iter().filter(|(client, who)| without[*client] != **who);
    let (of_it, of_others): (Vec<_>, Vec<_>) = moved.partition(|(_, who)| **who == leaving);
    let share = of_it.len() as f64 / f64::from(clients) * f64::from(count);
    tell(&format!("hash: one of {count} targets goes and {share:.2}/n of the callers move"));
    assert!(of_others.is_empty(), "callers of others moved: {of_others:?}");
    assert!((0.8..=1.2).contains(&share), "{share:.2}/n");
    gateway.reconfigure(&config(&urls));
    Deadline::soon()
        .poll("it is back", || who_answers(&gateway, 40).values().any(|who| *who == leaving).then_some(()));
    assert_eq!(who_answers(&gateway, clients), before, "whoever came back has its callers back");
}

/// A target that fails every tenth request: it answers 503, or closes without an answer.
fn flapping(closes: bool) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let address = listener.local_addr().expect("an address");
    let number = Arc::new(AtomicUsize::new(0));
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let number = Arc::clone(&number);
            thread::spawn(move || flap(stream, closes, &number));
        }
    });
    address
}

fn flap(mut stream: TcpStream, closes: bool, number: &AtomicUsize) {
    drop(stream.set_nodelay(true));
    let mut buffer = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let Some(end) = buffer.windows(4).position(|four| four == b"\r\n\r\n") else {
            match stream.read(&mut piece) {
                Ok(0) | Err(_) => return,
                Ok(count) => buffer.extend(&piece[..count]),
            }
            continue;
        };
        let head = String::from_utf8_lossy(&buffer[..end]).into_owned();
        buffer.drain(..end + 4);
        let target = head.split(' ').nth(1).unwrap_or_default().to_owned();
        let body = target.rsplit('/').next().unwrap_or_default();
        let fails = number.fetch_add(1, Ordering::SeqCst) % 10 == 9;
        let (status, body) = match (fails, closes) {
            (true, true) => return,
            (true, false) => ("503 Service Unavailable", "no"),
            (false, _) => ("200 OK", body),
        };
        let answer = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        if stream.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

#[test]
fn a_target_that_fails_every_tenth_request_costs_one_in_a_thousand_at_most() {
    let requests = if is_whole() { 30_000 } else { 1_500 };
    for closes in [false, true] {
        let good = [Backend::start(), Backend::start()];
        let flapping = flapping(closes);
        let urls = [url(good[0].address()), url(flapping), url(good[1].address())];
        let gateway = Builder::new(executable(), super::config(&urls, "balance: round_robin")).start();
        let load =
            Plan::to([gateway.address("public")]).http2(if is_whole() { 1_000 } else { 250 }, 2).start();
        load.more_good(requests, Deadline::after(Duration::from_secs(120)));
        let tally = load.stop();
        let all = tally.good + tally.failed();
        let success = 100.0 * tally.good as f64 / all as f64;
        let kind = if closes { "closes" } else { "answers 503 to" };
        tell(&format!("one of three targets {kind} every tenth request: {success:.3} % of {all} succeed"));
        assert!(success >= 99.9, "{tally}");
    }
}
