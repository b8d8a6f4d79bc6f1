//! Names of backends: resolved in the background, by TTL, from several addresses, and kept when nobody resolves them
//! any more (row 66); and the address that connections are made from.
//!
//! Backends stand on addresses of their own in 127.0.0.0/8 and share a port, as the addresses of one name do.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::time::Duration;

use portcullis_testkit::dns::{DnsServer, Saying};
use portcullis_testkit::gateway::Builder;
use portcullis_testkit::{Deadline, Gateway, Recorder, Reply, Request, Stopwatch, Wire};

use crate::stage::executable;

const CONFIG: &str = r#"version: 1
state: none
admin: { probes: 127.0.0.1:0 }
dns: { servers: ["SERVER"], timeout: 500ms }
listeners: { public: { bind: 127.0.0.1:0, protocols: [http1, http2] } }
backends:
  named: { targets: ["http://orders.test:PORT"]SOURCE }
  plain: { targets: ["http://127.0.0.1:PORT"]SOURCE }
apis:
  named: { listen: [public], backend: named, auth: none, operations: { all: { match: "* /{rest*}" } } }
  plain: { listen: [public], backend: plain, base_path: /plain, auth: none, operations: { all: { match: "* /{rest*}" } } }
"#;

const NAME: &str = "orders.test";

/// Backends on one port of 127.0.0.1, 127.0.0.2 and 127.0.0.3, a name server, and a gateway that asks it.
struct Town {
    dns: DnsServer,
    backends: Vec<Recorder>,
    gateway: Gateway,
}

impl Town {
    fn start(saying: Saying) -> Self {
        Self::with(saying, |config| config)
    }

    fn with(saying: Saying, change: impl Fn(String) -> String) -> Self {
        let dns = DnsServer::start();
        dns.says(NAME, saying);
        let backends = backends();
        let port = backends[0].address().port().to_string();
        let config = change(CONFIG.to_owned());
        let config =
            config.replace("SERVER", &dns.address().to_string()).replace("PORT", &port).replace("SOURCE", "");
        let gateway = Builder::new(executable(), config).argument("--workers").argument("1").start();
        Self { dns, backends, gateway }
    }

    fn status(&self, wire: Wire, path: &str) -> u16 {
        wire.send(self.gateway.address("public"), &Request::get(path)).status
    }

    /// The last part of the address of the backend that answers next.
    fn who(&self, wire: Wire) -> u8 {
        let before: Vec<_> = self.backends.iter().map(|backend| backend.messages().len()).collect();
        assert_eq!(self.status(wire, "/"), 200, "{wire:?}");
        let after = self.backends.iter().map(|backend| backend.messages().len());
        let asked = after.zip(before).position(|(after, before)| after > before);
        u8::try_from(asked.expect("one of them answered")).expect("few") + 1
    }

    /// The name has failed to resolve once more, at least.
    fn fails_again(&self) {
        let before = self.failures();
        Deadline::soon().poll("the name fails to resolve", || (self.failures() > before).then_some(()));
    }

    fn failures(&self) -> u64 {
        let text = self.gateway.metrics();
        let line = text
            .lines()
            .find(|line| line.starts_with("portcullis_backend_name_failures_total{backend=\"named\""));
        let count = line.and_then(|line| line.rsplit_once(' ')).expect("a metric").1;
        count.parse().expect("a number")
    }
}

fn backends() -> Vec<Recorder> {
    let bind = |last, port| TcpListener::bind((Ipv4Addr::new(127, 0, 0, last), port)).ok();
    let all = || {
        let first = bind(1, 0)?;
        let port = first.local_addr().ok()?.port();
        Some([first, bind(2, port)?, bind(3, port)?])
    };
    let listeners = (0..100).find_map(|_| all()).expect("a port that is free on all three");
    listeners.into_iter().map(Recorder::on_listener).collect()
}

fn address(last: u8) -> IpAddr {
    Ipv4Addr::new(127, 0, 0, last).into()
}

fn at(last: &[u8], ttl: u32) -> Saying {
    Saying::Addresses(last.iter().copied().map(address).collect(), ttl)
}

/// An answer after which another connection is needed.
fn bye() -> Reply {
    Reply::with("200 OK", "Connection: close\r\n", "bye").close()
}

#[test]
fn a_name_is_asked_again_when_its_answer_has_lived_and_kept_connections_follow() {
    for wire in Wire::ALL {
        let town = Town::start(at(&[1], 1));
        for _ in 0..3 {
            assert_eq!(town.who(*wire), 1);
        }
        town.dns.says(NAME, at(&[2], 1));
        // The connection to the first is still there, and is not used any more.
        Deadline::soon().poll("the other address", || (town.who(*wire) == 2).then_some(()));
        for _ in 0..3 {
            assert_eq!(town.who(*wire), 2);
        }
    }
}

#[test]
fn an_answer_that_lives_long_is_not_asked_for_with_each_connection() {
    let town = Town::start(at(&[1], 3_600));
    town.backends[0].on("/", bye());
    for _ in 0..20 {
        assert_eq!(town.who(Wire::Http1), 1);
    }
    assert!(town.backends[0].connections().len() >= 20);
    assert_eq!(town.dns.asked(NAME), 1);
}

#[test]
fn every_address_of_a_name_is_used_and_the_next_one_where_one_refuses() {
    let town = Town::start(at(&[1, 2, 3], 3_600));
    for backend in &town.backends {
        backend.on("/", bye());
    }
    for _ in 0..9 {
        town.who(Wire::Http1);
    }
    assert!(town.backends.iter().all(|backend| backend.messages().len() == 3), "each has its turn");
    // 127.0.0.4 refuses, and has an IPv6 neighbour on which nobody listens.
    let mut addresses = vec![address(4), address(2)];
    addresses.push("::1".parse().expect("an address"));
    let town = Town::start(Saying::Addresses(addresses, 3_600));
    town.backends[1].on("/", bye());
    for wire in Wire::ALL {
        for _ in 0..6 {
            assert_eq!(town.who(*wire), 2);
        }
    }
}

#[test]
fn aliases_truncated_and_slow_answers_are_answers() {
    for saying in [
        Saying::Alias(vec![address(2)], 60),
        Saying::OverTcp(vec![address(2)], 60),
        Saying::Slow(Duration::from_millis(200), vec![address(2)], 60),
    ] {
        let town = Town::start(saying.clone());
        assert_eq!(town.who(Wire::Http1), 2, "{saying:?}");
    }
}

#[test]
fn the_last_addresses_are_kept_whatever_the_server_says_then() {
    let sayings = [
        Saying::NoName,
        Saying::Empty,
        Saying::Failure,
        Saying::Garbage,
        Saying::Silence,
        Saying::Forged(vec![address(3)], 60),
        Saying::Slow(Duration::from_secs(2), vec![address(3)], 60),
    ];
    // All begin before the first is judged: what is waited for is waited for once.
    let towns: Vec<_> = sayings
        .into_iter()
        .map(|saying| {
            let town = Town::start(at(&[1], 1));
            assert_eq!(town.who(Wire::Http1), 1);
            town.dns.says(NAME, saying.clone());
            (town, saying)
        })
        .collect();
    for (town, saying) in towns {
        town.fails_again();
        for wire in Wire::ALL {
            assert_eq!(town.who(*wire), 1, "{saying:?}");
        }
        town.gateway.log("it says so", |line| {
            line["message"] == "a name does not resolve; its last addresses are kept" && line["kept"] == "1"
        });
        town.dns.says(NAME, at(&[2], 1));
        Deadline::soon().poll("it resolves again", || (town.who(Wire::Http1) == 2).then_some(()));
    }
}

#[test]
fn a_name_that_never_resolved_is_refused_at_once_with_its_neighbours_served() {
    for saying in [Saying::NoName, Saying::Failure, Saying::Garbage] {
        let town = Town::start(saying.clone());
        town.fails_again();
        for wire in Wire::ALL {
            let answer = wire.send(town.gateway.address("public"), &Request::get("/"));
            assert_eq!(answer.status, 503, "{saying:?}");
            assert_eq!(answer.problem().as_deref(), Some("backend-unreachable"));
            assert_eq!(town.status(*wire, "/plain/x"), 200);
        }
        let record =
            town.gateway.record("the refused one", |record| record["error.type"] == "backend-unreachable");
        let cause = record["portcullis.cause"].as_str().expect("a cause");
        assert!(cause.contains("does not resolve"), "{cause}");
        town.dns.says(NAME, at(&[1], 60));
        Deadline::soon().poll("it resolves", || (town.status(Wire::Http1, "/") == 200).then_some(()));
    }
}

#[test]
fn a_server_that_is_not_there_stops_neither_the_start_nor_other_requests() {
    // Nobody listens there, and nobody answers there.
    let silent = std::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let silent = silent.local_addr().expect("an address");
    let nobody = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
    for server in [nobody, silent] {
        let town = Town::with(Saying::NoName, |config| config.replace("SERVER", &server.to_string()));
        let watch = Stopwatch::start();
        for wire in Wire::ALL {
            assert_eq!(town.status(*wire, "/plain/x"), 200, "{server}");
        }
        assert_eq!(town.status(Wire::Http1, "/"), 503, "{server}");
        assert!(watch.elapsed() < Duration::from_secs(20), "{server}: {:?}", watch.elapsed());
    }
}

#[test]
fn a_reload_asks_another_server_and_keeps_what_is_known() {
    let town = Town::start(at(&[1], 3_600));
    assert_eq!(town.who(Wire::Http1), 1);
    let other = DnsServer::start();
    let port = town.backends[0].address().port().to_string();
    let config = |server: SocketAddr| {
        CONFIG.replace("SERVER", &server.to_string()).replace("PORT", &port).replace("SOURCE", "")
    };
    // The other knows nothing of it at first.
    town.gateway.reconfigure(&config(other.address()));
    town.fails_again();
    assert_eq!(town.who(Wire::Http1), 1);
    other.says(NAME, at(&[3], 3_600));
    Deadline::soon().poll("the other server's address", || (town.who(Wire::Http1) == 3).then_some(()));
}

#[test]
fn a_collector_of_traces_is_found_by_the_same_servers() {
    let collector = Recorder::start();
    let town = Town::with(at(&[1], 60), |config| {
        let traces = format!("traces: \"http://collector.test:{}\"", collector.address().port());
        config.replace("admin:", &format!("telemetry: {{ {traces}, sample: 100% }}\nadmin:"))
    });
    town.dns.says("collector.test", at(&[1], 60));
    assert_eq!(town.status(Wire::Http1, "/"), 200);
    collector.expect("a batch of spans", |message| message.target == b"/v1/traces");
    assert!(town.dns.asked("collector.test") > 0);
}

#[test]
fn localhost_is_here_whoever_is_asked() {
    let town = Town::with(Saying::NoName, |config| config.replace("orders.test", "localhost"));
    town.dns.says("localhost", at(&[3], 60));
    for wire in Wire::ALL {
        assert_eq!(town.who(*wire), 1);
    }
    assert_eq!(town.dns.asked("localhost"), 0);
}

#[test]
fn connections_come_from_the_source_that_is_set() {
    let town = Town::with(at(&[1, 3], 60), |config| config.replace("SOURCE", ", source: 127.0.0.2"));
    for wire in Wire::ALL {
        for path in ["/", "/plain/x"] {
            assert_eq!(town.status(*wire, path), 200);
        }
    }
    let peers: Vec<_> = town
        .backends
        .iter()
        .flat_map(|backend| backend.connections())
        .filter_map(|connection| connection.peer)
        .map(|peer| peer.ip())
        .collect();
    assert!(peers.len() >= 2 && peers.iter().all(|peer| *peer == address(2)), "{peers:?}");
}

#[test]
fn a_name_without_an_address_of_the_sources_family_is_unreachable() {
    let saying = Saying::Addresses(vec!["::1".parse().expect("an address")], 60);
    let town = Town::with(saying, |config| config.replace("SOURCE", ", source: 127.0.0.2"));
    assert_eq!(town.status(Wire::Http1, "/"), 503);
    town.gateway.record("the reason", |record| {
        record["portcullis.cause"].as_str().is_some_and(|cause| cause.contains("family of `source`"))
    });
}
