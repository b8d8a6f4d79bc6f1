//! Backends that fail in every way there is, under load (rows 62 to 65): each request gets the right status or an answer
//! that can be seen to break off, none waits beyond its deadline, no POST arrives twice, repetitions stay within their
//! budget, all is well within a second after the fault, and memory stays.
//!
//! All faults at once for a second or so; with `PORTCULLIS_FAULT_SECONDS=30` one after the other, for so long each and
//! under a few hundred requests a second, with a table of figures (`PORTCULLIS_FAULT` chooses by name). Faults of name servers stand with what resolves names.

mod backend;
mod load;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use portcullis_testkit::fault::{Direction, FaultProxy, Faults};
use portcullis_testkit::gateway::Builder;
use portcullis_testkit::{Deadline, Gateway, Request, Wire};

use crate::stage::{Findings, executable};
use backend::{Act, Backend};
use load::{Ended, Outcome};

/// What a client may see while the fault lasts, besides whole answers.
#[derive(Clone, Copy)]
struct May {
    problems: &'static [&'static str],
    /// An answer that breaks off.
    cut: bool,
    /// The backend's own 503.
    passed: bool,
}

const NOTHING: May = May { problems: &[], cut: false, passed: false };
const CLOSED: May = May { problems: &["backend-closed"], ..NOTHING };
const LATE: May = May { problems: &["backend-timeout", "backend-closed"], ..NOTHING };
const MALFORMED: May = May { problems: &["backend-malformed", "backend-closed"], ..NOTHING };
const CUT: May = May { problems: &["backend-closed"], cut: true, ..NOTHING };

/// One kind of fault.
struct Kind {
    name: &'static str,
    is_http2: bool,
    targets: usize,
    settings: &'static str,
    begin: fn(&Site),
    end: fn(&Site),
    may: May,
    /// Some requests do not go well; else it would not be a fault.
    harms: bool,
    /// All its relays are black holes at first.
    is_hole: bool,
}

const PLAIN: Kind = Kind {
    name: "",
    is_http2: false,
    targets: 1,
    settings: "",
    begin: |_| {},
    end: |site| site.act(Act::Answer),
    may: NOTHING,
    harms: true,
    is_hole: false,
};

const HTTP2: Kind = Kind { is_http2: true, settings: "protocol: http2", ..PLAIN };

/// Bytes into an answer's head, and into its body.
const IN_HEAD: u64 = 12;
const IN_BODY: u64 = 1_000;

fn back(reset_after: Option<u64>) -> Faults {
    Faults { reset_after, ..Faults::default() }
}

/// Each kind of fault, toward HTTP/1.1 backends and then HTTP/2 backends.
const KINDS: &[Kind] = &[
    Kind {
        name: "one of two refuses",
        targets: 2,
        begin: |site| site.proxies[0].leave(),
        end: |site| site.proxies[0].come_back(),
        may: CLOSED,
        harms: false,
        ..PLAIN
    },
    Kind {
        name: "all refuse",
        targets: 2,
        settings: "breaker: { time: 500ms }",
        begin: |site| site.proxies.iter().for_each(FaultProxy::leave),
        end: |site| site.proxies.iter().for_each(FaultProxy::come_back),
        may: May { problems: &["backend-unreachable", "backend-closed", "backend-circuit-open"], ..NOTHING },
        ..PLAIN
    },
    Kind {
        name: "latency",
        begin: |site| site.back(Faults { latency: Duration::from_millis(50), ..Faults::default() }),
        end: |site| site.back(Faults::default()),
        harms: false,
        ..PLAIN
    },
    Kind {
        name: "slow",
        begin: |site| site.back(Faults { bytes_per_second: Some(20_000), ..Faults::default() }),
        end: |site| site.back(Faults::default()),
        harms: false,
        ..PLAIN
    },
    Kind {
        name: "reset in the head",
        begin: |site| site.back_anew(back(Some(IN_HEAD))),
        end: |site| site.back(Faults::default()),
        may: CLOSED,
        ..PLAIN
    },
    Kind {
        name: "reset in the body",
        begin: |site| site.back_anew(back(Some(IN_BODY))),
        end: |site| site.back(Faults::default()),
        may: CUT,
        ..PLAIN
    },
    Kind {
        name: "close before the head",
        begin: |site| site.act(Act::CloseBeforeHead),
        may: CLOSED,
        ..PLAIN
    },
    Kind { name: "half a head", begin: |site| site.act(Act::CutHead), may: CLOSED, ..PLAIN },
    Kind { name: "less than announced", begin: |site| site.act(Act::Truncate), may: CUT, ..PLAIN },
    Kind { name: "no last chunk", begin: |site| site.act(Act::BreakOff), may: CUT, ..PLAIN },
    Kind {
        name: "half-open",
        begin: |site| site.back_anew(Faults { stall_after: Some(0), ..Faults::default() }),
        end: |site| site.back(Faults::default()),
        may: LATE,
        ..PLAIN
    },
    Kind {
        name: "black hole",
        end: |site| site.proxies.iter().for_each(FaultProxy::come_back),
        may: LATE,
        is_hole: true,
        ..PLAIN
    },
    Kind {
        name: "a wrong byte in the head",
        begin: |site| site.back_anew(Faults { corrupt_at: Some(0), ..Faults::default() }),
        end: |site| site.back(Faults::default()),
        may: MALFORMED,
        ..PLAIN
    },
    Kind { name: "no status line", begin: |site| site.act(Act::Garbage), may: MALFORMED, ..PLAIN },
    Kind {
        name: "one in ten fails",
        settings: "eject: { failures: 0 }",
        begin: |site| site.act(Act::Flap),
        may: CLOSED,
        harms: false,
        ..PLAIN
    },
    Kind {
        name: "one in ten fails of one of three",
        targets: 3,
        begin: |site| site.backends[0].act(Act::Flap),
        may: CLOSED,
        harms: false,
        ..PLAIN
    },
    Kind {
        name: "answers 503",
        begin: |site| site.act(Act::Unavailable),
        may: May { passed: true, ..NOTHING },
        ..PLAIN
    },
    Kind {
        name: "h2: streams are reset",
        begin: |site| site.act(Act::ResetBeforeHead),
        may: CLOSED,
        ..HTTP2
    },
    Kind { name: "h2: streams are refused", begin: |site| site.act(Act::Refuse), may: CLOSED, ..HTTP2 },
    Kind { name: "h2: connections go away", begin: |site| site.act(Act::GoAway), may: CLOSED, ..HTTP2 },
    Kind {
        name: "h2: connections go away behind an answer",
        begin: |site| site.act(Act::GoAwayBehind),
        harms: false,
        ..HTTP2
    },
    Kind { name: "h2: stall", begin: |site| site.act(Act::Stall), may: LATE, ..HTTP2 },
    Kind { name: "h2: cut frames", begin: |site| site.act(Act::CutHead), may: MALFORMED, ..HTTP2 },
    Kind {
        name: "h2: a frame that may not be",
        begin: |site| site.act(Act::Garbage),
        may: MALFORMED,
        ..HTTP2
    },
    Kind { name: "h2: reset in the body", begin: |site| site.act(Act::BreakOff), may: CUT, ..HTTP2 },
    Kind { name: "h2: less than announced", begin: |site| site.act(Act::Truncate), may: CUT, ..HTTP2 },
    Kind {
        name: "h2: close before the head",
        begin: |site| site.act(Act::CloseBeforeHead),
        may: CLOSED,
        ..HTTP2
    },
    Kind {
        name: "h2: half-open",
        begin: |site| site.back_anew(Faults { stall_after: Some(0), ..Faults::default() }),
        end: |site| site.back(Faults::default()),
        may: LATE,
        ..HTTP2
    },
    Kind {
        name: "h2: reset at any byte",
        begin: |site| site.back_anew(back(Some(IN_BODY))),
        end: |site| site.back(Faults::default()),
        may: CUT,
        ..HTTP2
    },
];

/// The targets of one kind's backend, each behind a relay.
struct Site {
    backends: Vec<Backend>,
    proxies: Vec<FaultProxy>,
}

impl Site {
    fn of(kind: &Kind) -> Self {
        let backend = || if kind.is_http2 { Backend::http2() } else { Backend::http1() };
        let backends: Vec<Backend> = (0..kind.targets).map(|_| backend()).collect();
        let relay = if kind.is_hole { FaultProxy::black_hole } else { FaultProxy::start };
        let proxies = backends.iter().map(|backend| relay(backend.address)).collect();
        Self { backends, proxies }
    }

    fn act(&self, act: Act) {
        self.backends.iter().for_each(|backend| backend.act(act));
    }

    fn back(&self, faults: Faults) {
        self.proxies.iter().for_each(|proxy| proxy.set(Direction::Back, faults));
    }

    /// The same on new connections alone.
    fn back_anew(&self, faults: Faults) {
        self.back(faults);
        self.proxies.iter().for_each(FaultProxy::break_all);
    }
}

/// How much, how long, how patient.
#[derive(Clone, Copy)]
struct Scale {
    fault: Duration,
    per_second: u32,
    workers: usize,
    /// Of the gateway, for a connection and for the head of an answer.
    timeout: Duration,
    /// What is late is not judged: it may be the machine.
    is_lenient: bool,
    /// Time after the fault within which all must be well, and for which load goes on.
    recovery: Duration,
    tail: Duration,
}

/// A figure of one kind.
struct Figures {
    name: &'static str,
    outcomes: Vec<Outcome>,
    repeated: u64,
    repeated_posts: usize,
    lasted: Duration,
    ended: Instant,
}

/// A gateway with a backend for each site.
fn gateway(sites: &[(&Kind, Site)], timeout: Duration) -> Gateway {
    let timeout = timeout.as_millis();
    let mut backends = String::new();
    let mut apis = String::new();
    for (number, (kind, site)) in sites.iter().enumerate() {
        let targets: Vec<_> =
            site.proxies.iter().map(|proxy| format!("\"http://{}\"", proxy.address())).collect();
        let comma = if kind.settings.is_empty() { "" } else { ", " };
        backends.push_str(&format!(
            "  b{number}: {{ targets: [{}], timeout: {{ connect: {timeout}ms, response: {timeout}ms, idle: 10s }}{comma}{} }}\n",
            targets.join(", "),
            kind.settings
        ));
        apis.push_str(&format!(
            "  a{number}: {{ base_path: /{number}, backend: b{number}, auth: none, operations: {{ all: {{ match: \"* /{{rest*}}\" }} }} }}\n"
        ));
    }
    let config = format!(
        "version: 1\nstate: none\nlisteners: {{ public: {{ bind: \"127.0.0.1:0\", protocols: [http1, http2] }} }}\nbackends:\n{backends}apis:\n{apis}"
    );
    Builder::new(executable(), config).argument("--workers").argument("2").start()
}

/// Runs the fault of one site, from a little before to a while after.
fn suffer(address: SocketAddr, number: usize, (kind, site): &(&Kind, Site), scale: Scale) -> Figures {
    let (over, base) = (AtomicBool::new(false), format!("/{number}"));
    let begun = Instant::now();
    let rate = (scale.per_second, scale.workers);
    let (outcomes, ended) = thread::scope(|scope| {
        let load = scope.spawn(|| load::run(address, &base, rate, &over));
        thread::sleep(Duration::from_millis(300));
        (kind.begin)(site);
        thread::sleep(scale.fault);
        (kind.end)(site);
        let ended = Instant::now();
        thread::sleep(scale.tail);
        // However slow the machine: in the end all is well.
        let well = || {
            Wire::Http1
                .try_send(address, &Request::get(format!("{base}/well")))
                .is_ok_and(|answer| answer.status == 200)
        };
        Deadline::soon().poll(kind.name, || well().then_some(()));
        over.store(true, Ordering::SeqCst);
        (load.join().expect("outcomes"), ended)
    });
    let mut arrived: BTreeMap<String, u32> = BTreeMap::new();
    for (name, count) in site.backends.iter().flat_map(Backend::arrived) {
        *arrived.entry(name).or_default() += count;
    }
    let repeated = arrived.values().map(|count| u64::from(count - 1)).sum();
    let twice = |(name, count): &(&String, &u32)| name.starts_with("POST") && **count > 1;
    let repeated_posts = arrived.iter().filter(twice).count();
    Figures { name: kind.name, outcomes, repeated, repeated_posts, lasted: begun.elapsed(), ended }
}

impl Figures {
    /// Outcomes of requests that were begun while the fault lasted, or after it.
    fn of(&self, is_after: bool) -> impl Iterator<Item = &Outcome> {
        self.outcomes.iter().filter(move |outcome| (outcome.begun > self.ended) == is_after)
    }

    /// The last request that failed although it was begun behind the end of the fault.
    fn last_ill(&self, is_lenient: bool) -> Option<&Outcome> {
        let is_well = |outcome: &&Outcome| outcome.end == Ended::Good || (is_lenient && outcome.is_late());
        self.of(true).filter(|outcome| !is_well(outcome)).max_by_key(|outcome| outcome.begun)
    }

    /// When that was begun.
    fn recovery(&self, is_lenient: bool) -> Duration {
        self.last_ill(is_lenient).map(|outcome| outcome.begun - self.ended).unwrap_or_default()
    }

    fn judge(&self, kind: &Kind, scale: Scale) -> Result<(), String> {
        for outcome in &self.outcomes {
            let may = match &outcome.end {
                Ended::Good => true,
                Ended::Problem(..) if scale.is_lenient && outcome.is_late() => true,
                Ended::Problem(status, code) => {
                    let rightly = if code == "backend-timeout" { 504 } else { 502 };
                    let rightly = if matches!(&**code, "backend-unreachable" | "backend-circuit-open") {
                        503
                    } else {
                        rightly
                    };
                    *status == rightly && kind.may.problems.contains(&&**code)
                }
                Ended::Passed(_) => kind.may.passed,
                Ended::Cut => kind.may.cut,
                Ended::Wrong(_) => false,
            };
            if !may {
                return Err(format!("{} came to {:?}", outcome.method, outcome.end));
            }
        }
        let harmed = self.of(false).filter(|outcome| outcome.end != Ended::Good).count();
        if kind.harms && harmed == 0 {
            return Err("nothing failed: it was no fault".to_owned());
        }
        let recovery = self.recovery(scale.is_lenient);
        if recovery > scale.recovery {
            let ill =
                self.last_ill(scale.is_lenient).map(|outcome| (outcome.method, outcome.took, &outcome.end));
            return Err(format!("{recovery:?} behind its end: {ill:?}"));
        }
        if self.repeated_posts > 0 {
            return Err(format!("{} POSTs arrived twice", self.repeated_posts));
        }
        let most = self.outcomes.len() as u64 / 10 + 10 + self.lasted.as_secs() + 1;
        if self.repeated > most {
            return Err(format!("{} repetitions, of {most} at most", self.repeated));
        }
        Ok(())
    }

    /// A line of the table.
    fn line(&self, memory: u64) -> String {
        let mut ends: BTreeMap<String, usize> = BTreeMap::new();
        for outcome in self.of(false) {
            *ends
                .entry(match &outcome.end {
                    Ended::Problem(status, _) | Ended::Passed(status) => status.to_string(),
                    end => format!("{end:?}").to_lowercase(),
                })
                .or_default() += 1;
        }
        let slowest = self.outcomes.iter().map(|outcome| outcome.took).max().unwrap_or_default();
        format!(
            "{:<42} {:>6} requests, in the fault {ends:?}, {} repeated, well after {:.1} ms, slowest {slowest:.0?}, {:.1} MiB",
            self.name,
            self.outcomes.len(),
            self.repeated,
            self.recovery(false).as_secs_f64() * 1_000.0,
            memory as f64 / f64::from(1 << 20)
        )
    }
}

/// Memory that faults may cost.
const MEMORY_MAX: u64 = 32 << 20;

/// Runs these kinds beside each other.
fn judge(kinds: &[Kind], scale: Scale, findings: &mut Findings) -> Vec<String> {
    let sites: Vec<(&Kind, Site)> = kinds.iter().map(|kind| (kind, Site::of(kind))).collect();
    let gateway = gateway(&sites, scale.timeout);
    let address = gateway.address("public");
    let before = gateway.usage().memory;
    let figures: Vec<Figures> = thread::scope(|scope| {
        let run = |(number, site)| scope.spawn(move || suffer(address, number, site, scale));
        let running: Vec<_> = sites.iter().enumerate().map(run).collect();
        running.into_iter().map(|suffering| suffering.join().expect("figures")).collect()
    });
    let grown = gateway.usage().memory_peak.saturating_sub(before);
    for (kind, figures) in kinds.iter().zip(&figures) {
        findings.note(kind.name, figures.judge(kind, scale));
    }
    let is_flat = if grown < MEMORY_MAX { Ok(()) } else { Err(format!("{} MiB more", grown >> 20)) };
    findings.note("memory", is_flat);
    figures.iter().map(|figures| figures.line(grown)).collect()
}

#[test]
fn a_backend_that_fails_costs_the_right_status_and_nothing_else() {
    let mut findings = Findings::default();
    let seconds = std::env::var("PORTCULLIS_FAULT_SECONDS").ok();
    match seconds.and_then(|seconds| seconds.parse().ok()) {
        None => {
            let scale = Scale {
                fault: Duration::from_secs(3),
                per_second: 12,
                workers: 4,
                timeout: Duration::from_millis(600),
                is_lenient: true,
                recovery: Duration::from_secs(3),
                tail: Duration::from_millis(2_500),
            };
            judge(KINDS, scale, &mut findings);
        }
        Some(seconds) => {
            let scale = Scale {
                fault: Duration::from_secs(seconds),
                per_second: 300,
                workers: 128,
                timeout: Duration::from_secs(1),
                is_lenient: false,
                recovery: Duration::from_secs(1),
                tail: Duration::from_secs(3),
            };
            let only = std::env::var("PORTCULLIS_FAULT").unwrap_or_default();
            for kind in KINDS.iter().filter(|kind| kind.name.contains(&only)) {
                for line in judge(std::slice::from_ref(kind), scale, &mut findings) {
                    eprintln!("{line}");
                }
            }
        }
    }
    findings.conclude(1);
}
