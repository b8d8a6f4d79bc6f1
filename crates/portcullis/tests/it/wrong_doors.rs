//! Every kind of listener, every way in: the wrong ones get nothing served and reach no backend, the right ones pass.
//!
//! A control that is configured is never silently absent: what a listener asks of those who connect (TLS, a
//! protocol, a client certificate, the PROXY protocol) is asked of everybody, in every combination.

use std::fmt::Write as _;
use std::net::SocketAddr;

use portcullis_testkit::certificates::Authority;
use portcullis_testkit::gateway::Builder;
use portcullis_testkit::tls::{Choices, Tls};
use portcullis_testkit::{Deadline, Request, h2, raw};

use crate::stage::{Findings, Stage, executable};

/// What a listener asks.
#[derive(Debug, Clone, Copy)]
struct Door {
    protocols: &'static [Version],
    proxy: bool,
    /// With TLS, what it asks of clients' certificates.
    tls: Option<&'static str>,
}

/// How a client comes.
#[derive(Debug, Clone, Copy)]
struct Way {
    speaks: Version,
    header: bool,
    tls: Option<Handshake>,
}

#[derive(Debug, Clone, Copy)]
struct Handshake {
    offers: Option<Version>,
    certificate: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    Http1,
    Http2,
}
use Version::{Http1, Http2};

impl Version {
    fn alpn(self) -> &'static str {
        match self {
            Http1 => "http/1.1",
            Http2 => "h2",
        }
    }
}

const HEADER: &[u8] = b"PROXY TCP4 198.51.100.7 192.0.2.1 4711 80\r\n";

fn doors() -> Vec<Door> {
    let mut doors = Vec::new();
    for protocols in [&[Http1][..], &[Http2], &[Http1, Http2]] {
        for proxy in [false, true] {
            for tls in [None, Some("off"), Some("request"), Some("require")] {
                doors.push(Door { protocols, proxy, tls });
            }
        }
    }
    doors
}

fn ways() -> Vec<Way> {
    let mut ways = Vec::new();
    for speaks in [Http1, Http2] {
        for header in [false, true] {
            ways.push(Way { speaks, header, tls: None });
            for offers in [None, Some(Http1), Some(Http2)] {
                for certificate in [false, true] {
                    ways.push(Way { speaks, header, tls: Some(Handshake { offers, certificate }) });
                }
            }
        }
    }
    ways
}

impl Door {
    fn config(&self) -> String {
        let protocols: Vec<&str> =
            self.protocols.iter().map(|one| if *one == Http1 { "http1" } else { "http2" }).collect();
        let mut text = format!("bind: \"127.0.0.1:0\", protocols: [{}]", protocols.join(", "));
        if self.proxy {
            text.push_str(", proxy_protocol: require, trusted_proxies: [127.0.0.1/32]");
        }
        if let Some(mode) = self.tls {
            let pair = "{ cert: \"${file:gw.crt}\", key: \"${file:gw.key}\" }";
            let clients = format!("{{ mode: {mode}, ca: \"${{file:ca.pem}}\" }}");
            write!(text, ", tls: {{ certificates: [{pair}], client_certificates: {clients} }}")
                .expect("text");
        }
        text
    }

    fn admits(&self, way: Way) -> bool {
        let spoken = match (self.tls, way.tls) {
            (None, None) => way.speaks,
            (Some(mode), Some(tls)) => {
                if mode == "require" && !tls.certificate {
                    return false;
                }
                // Without a choice by ALPN, TLS carries HTTP/1.1 (RFC 9113 §3.2).
                tls.offers.unwrap_or(Http1)
            }
            _ => return false,
        };
        self.proxy == way.header && spoken == way.speaks && self.protocols.contains(&spoken)
    }
}

/// The clients that speak TLS, by what they offer and whether they have a certificate.
struct Clients(Vec<(Option<Version>, bool, Tls)>);

impl Clients {
    fn new(authority: &Authority) -> Self {
        let (pem, pair) = (authority.pem(), authority.client("spiffe://example.com/partner"));
        let mut clients = Vec::new();
        for offers in [None, Some(Http1), Some(Http2)] {
            for certificate in [false, true] {
                let protocols: Vec<&str> = offers.iter().map(|one: &Version| one.alpn()).collect();
                let client = certificate.then_some(&pair);
                let choices = Choices { protocols: &protocols, client, ..Choices::default() };
                clients.push((offers, certificate, Tls::new(&pem, &choices)));
            }
        }
        Self(clients)
    }

    /// The status of the answer to one request, if there is any.
    fn ask(&self, address: SocketAddr, way: Way, target: &str) -> Option<u16> {
        let header: &[u8] = if way.header { HEADER } else { b"" };
        let mut client = match way.tls {
            None => {
                let mut client = raw::Client::connect(address);
                client.send(header);
                client
            }
            Some(Handshake { offers, certificate }) => {
                let known = self.0.iter().find(|(o, c, _)| *o == offers && *c == certificate);
                let (_, _, tls) = known.expect("a client");
                tls.connect_behind(address, header, "gw.test").ok()?.0
            }
        };
        let request = Request::get(target);
        let answer = match way.speaks {
            Http1 => {
                client.send(request.http1());
                client.response("GET", Deadline::soon())
            }
            Http2 => {
                let mut client = h2::Client::silent(client);
                client.open(&[]);
                let mut fields = h2::request_fields(&request);
                for (name, value) in &mut fields {
                    if name == b":scheme" && way.tls.is_some() {
                        *value = b"https".to_vec();
                    }
                }
                let stream = client.stream();
                client.fields(stream, &fields, true);
                client.response(stream, Deadline::soon())
            }
        };
        answer.ok().map(|answer| answer.status)
    }
}

#[test]
fn the_wrong_way_in_gets_nothing_served_and_the_right_one_passes() {
    let authority = Authority::new("tests");
    let pair = authority.server(&["gw.test"]);
    let doors = doors();
    let (mut listeners, mut names) = (String::new(), Vec::new());
    for (number, door) in doors.iter().enumerate() {
        writeln!(listeners, "  door{number}: {{ {} }}", door.config()).expect("text");
        names.push(format!("door{number}"));
    }
    let stage = Stage::built(|backend| {
        let config = format!(
            "version: 1\nstate: none\nbounds: {{ handshake: 2s, head_timeout: 2s, keep_alive: 2s }}\n\
             listeners:\n{listeners}backends: {{ recorder: {{ targets: [\"http://{backend}\"] }} }}\n\
             apis: {{ open: {{ listen: [{}], backend: recorder, auth: none, operations: {{ all: {{ match: \"* /{{rest*}}\" }} }} }} }}\n",
            names.join(", ")
        );
        Builder::new(executable(), config)
            .file("gw.crt", pair.certificate)
            .file("gw.key", pair.key)
            .file("ca.pem", authority.pem())
    });
    let clients = Clients::new(&authority);
    let mut findings = Findings::default();
    let mut admitted = 0;
    for (number, (door, name)) in doors.iter().zip(&names).enumerate() {
        let address = stage.gateway.address(name);
        for (place, way) in ways().into_iter().enumerate() {
            let target = format!("/{number}/{place}");
            let status = clients.ask(address, way, &target);
            let arrived = stage.backend.messages().iter().any(|message| message.target == target.as_bytes());
            let right = door.admits(way);
            admitted += usize::from(right);
            let outcome = match (right, status, arrived) {
                (true, Some(200), true) => Ok(()),
                // A refusal may say so; what it may not do is serve.
                (false, None | Some(400..), false) => Ok(()),
                _ => Err(format!("admitted: {right}; answered {status:?}, arrived: {arrived}")),
            };
            findings.note(format!("{door:?} by {way:?}"), outcome);
        }
    }
    assert!(admitted >= 50, "only {admitted} ways are right ones");
    findings.conclude(600);
    stage.expect_plain_backend_traffic();
}
