//! Backends that speak HTTP/2, from the configuration to both wires of a client: connections that are shared, that go
//! away and that are full; answers that pass whole, that are cut, and that are none.

mod floods;
mod flow;
mod hostile;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use portcullis_testkit::exchange::all;
use portcullis_testkit::gateway::Builder;
use portcullis_testkit::h2::server::{Connection, Server, field};
use portcullis_testkit::h2::{self, Frame, code, kind};
use portcullis_testkit::raw::{Client, End, Failure};
use portcullis_testkit::recorder::Gate;
use portcullis_testkit::{Deadline, Gateway, Request, Response, Wire};

use crate::stage::executable;

const CONFIG: &str = r#"version: 1
state: none
listeners: { public: { bind: 127.0.0.1:0, protocols: [http1, http2] } }
bounds: { pool_idle: 1s, body: 2GiB }
backends: { two: { targets: ["http://BACKEND"], protocol: http2, SETTINGS, timeout: { response: 2s, idle: 2s } } }
apis: { open: { backend: two, auth: none, operations: { all: { match: "* /{rest*}" } } } }
"#;

/// A gateway of one core, so that its exchanges share connections.
fn gateway(server: &Server) -> Gateway {
    gateway_with(server, "retries: {}")
}

/// The same with these settings of its backend.
fn gateway_with(server: &Server, settings: &str) -> Gateway {
    let config = CONFIG.replace("BACKEND", &server.address().to_string()).replace("SETTINGS", settings);
    Builder::new(executable(), config).argument("--workers").argument("1").start()
}

fn public(gateway: &Gateway) -> std::net::SocketAddr {
    gateway.address("public")
}

/// Asks over each wire.
fn on_both_wires(gateway: &Gateway, request: &Request, judge: impl Fn(Wire, Result<Response, Failure>)) {
    for wire in Wire::ALL {
        judge(*wire, wire.try_send(public(gateway), request));
    }
}

/// Either a problem before anything was said, or a response that ends as an abort.
fn looks_cut(outcome: Result<Response, Failure>) -> Result<(), String> {
    match outcome {
        Ok(response) if response.status == 502 && response.problem().is_some() => Ok(()),
        Ok(response) => Err(format!("looks whole: {response:?}")),
        Err(Failure { end: End::Silent, .. }) => Err("neither ended nor aborted".to_owned()),
        Err(_) => Ok(()),
    }
}

/// A server whose connections hand each request to `serve`, but those to `/after`, which are answered plainly.
fn scripted(serve: impl Fn(&mut Connection, u32, &str) + Send + Sync + 'static) -> Server {
    Server::start(move |_, mut connection| {
        if connection.open(&[]).is_err() {
            return;
        }
        while let Ok((stream, fields, _)) = connection.request(Deadline::soon()) {
            let path = String::from_utf8_lossy(field(&fields, ":path").unwrap_or_default()).into_owned();
            if path.starts_with("/after") {
                connection.answer(stream, b"after");
            } else {
                serve(&mut connection, stream, &path);
            }
        }
    })
}

#[test]
fn many_exchanges_share_one_connection() {
    let server = Server::plain(&[]);
    let gateway = gateway(&server);
    let mut client = h2::Client::connect(public(&gateway));
    let streams: Vec<u32> =
        (0..10).map(|number| client.request(&Request::post("/", [b'0' + number]))).collect();
    for (number, stream) in streams.into_iter().enumerate() {
        let response = client.response(stream, Deadline::soon()).expect("an answer");
        assert_eq!((response.status, response.body), (200, number.to_string().into_bytes()));
    }
    on_both_wires(&gateway, &Request::get("/"), |_, outcome| {
        assert_eq!(outcome.expect("an answer").status, 200)
    });
    assert_eq!(server.opened(), 1);
}

/// RFC 9113 §6.8: streams above the last one named were not processed, and may be sent again.
#[test]
fn what_a_leaving_connection_did_not_process_is_asked_again() {
    let server = Server::start(|number, mut connection| {
        if connection.open(&[]).is_err() {
            return;
        }
        if number > 0 {
            return connection.echo();
        }
        let (first, ..) = connection.request(Deadline::soon()).expect("a request");
        let (second, ..) = connection.request(Deadline::soon()).expect("another");
        assert!(second > first);
        connection.go_away(first, code::NO_ERROR);
        connection.answer(first, b"on the first connection");
        connection.linger();
    });
    let gateway = gateway(&server);
    let mut client = h2::Client::connect(public(&gateway));
    let first = client.request(&Request::get("/1"));
    let second = client.request(&Request::post("/2", "its body"));
    let response = client.response(first, Deadline::soon()).expect("an answer");
    assert_eq!((response.status, response.body.as_slice()), (200, &b"on the first connection"[..]));
    let response = client.response(second, Deadline::soon()).expect("an answer from the second connection");
    assert_eq!((response.status, response.body.as_slice()), (200, &b"its body"[..]));
    assert_eq!(server.opened(), 2);
}

#[test]
fn an_answer_ends_although_its_connection_goes_away() {
    let server = Server::start(|number, mut connection| {
        if connection.open(&[]).is_err() {
            return;
        }
        if number > 0 {
            return connection.echo();
        }
        let (stream, ..) = connection.request(Deadline::soon()).expect("a request");
        connection.head(stream, "200", &[], false);
        connection.content(stream, b"half, ", false);
        connection.go_away(stream, code::NO_ERROR);
        connection.content(stream, b"and whole", true);
        connection.linger();
    });
    let gateway = gateway(&server);
    let response = Wire::Http1.send(public(&gateway), &Request::get("/"));
    assert_eq!((response.status, response.body.as_slice()), (200, &b"half, and whole"[..]));
    assert_eq!(Wire::Http1.send(public(&gateway), &Request::get("/")).status, 200);
    assert_eq!(server.opened(), 2);
}

#[test]
fn a_refused_stream_is_asked_once_more_and_then_as_retries_let_it() {
    for (max, refusals, status, asks) in [(0, 1, 200, 2), (0, 2, 502, 2), (1, 3, 200, 4), (1, 4, 502, 4)] {
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        let server = scripted(move |connection, stream, _| {
            let body = connection.body(stream).unwrap_or_default();
            match count.fetch_add(1, Ordering::SeqCst) {
                number if number < refusals => connection.reset_stream(stream, code::REFUSED_STREAM),
                _ => connection.answer(stream, &body),
            }
        });
        let gateway = gateway_with(&server, &format!("retries: {{ max: {max} }}"));
        let response = Wire::Http1.send(public(&gateway), &Request::post("/", "once more"));
        assert_eq!(response.status, status);
        assert!(status != 200 || response.body == b"once more", "{response:?}");
        assert_eq!(asked.load(Ordering::SeqCst), asks);
    }
}

#[test]
fn a_full_connection_gets_a_second_one_beside_it() {
    let gate = Gate::new();
    let waiting = gate.clone();
    let server = Server::start(move |number, mut connection| {
        if connection.open(&[(3, 1)]).is_err() {
            return;
        }
        while let Ok((stream, fields, _)) = connection.request(Deadline::soon()) {
            if field(&fields, ":path") == Some(b"/waits") {
                waiting.wait(Deadline::soon());
            }
            connection.answer(stream, number.to_string().as_bytes());
        }
    });
    let gateway = gateway(&server);
    assert_eq!(Wire::Http1.send(public(&gateway), &Request::get("/")).body, b"0");
    let mut client = h2::Client::connect(public(&gateway));
    let waits = client.request(&Request::get("/waits"));
    client.frame(kind::PING, 0, 0, [7; 8]);
    client.find(Deadline::soon(), |frame| frame.kind == kind::PING).expect("the stream is begun");
    for _ in 0..3 {
        assert_eq!(Wire::Http1.send(public(&gateway), &Request::get("/")).body, b"1");
    }
    gate.open();
    assert_eq!(client.response(waits, Deadline::soon()).expect("an answer").body, b"0");
    assert_eq!(server.opened(), 2);
}

#[test]
fn an_idle_connection_is_closed_and_replaced() {
    let server = Server::plain(&[]);
    let gateway = gateway(&server);
    assert_eq!(Wire::Http1.send(public(&gateway), &Request::get("/")).status, 200);
    Deadline::soon().poll("the idle connection's end", || (server.closed() == 1).then_some(()));
    assert_eq!(Wire::Http1.send(public(&gateway), &Request::get("/")).status, 200);
    assert_eq!(server.opened(), 2);
}

/// RFC 9110 §15.2: 103 is for the client; 100 answers an expectation that is not passed on.
#[test]
fn interim_answers_reach_the_client_before_the_final_one() {
    let gates = [Gate::new(), Gate::new()];
    let waiting = gates.clone();
    let server = scripted(move |connection, stream, path| {
        connection.head(stream, "100", &[], false);
        connection.head(stream, "103", &[("link", "</a.css>"), ("x-portcullis-x", "ours")], false);
        waiting[usize::from(path == "/http1")].wait(Deadline::soon());
        connection.answer(stream, b"final");
    });
    let gateway = gateway(&server);
    let mut client = h2::Client::connect(public(&gateway));
    let stream = client.request(&Request::get("/http2"));
    let early = client.find(Deadline::soon(), |frame| frame.kind == kind::HEADERS).expect("103");
    let fields = client.decode(&early.payload).expect("fields");
    assert_eq!((all(&fields, ":status"), all(&fields, "link")), (vec![&b"103"[..]], vec![&b"</a.css>"[..]]));
    assert_eq!(fields.len(), 2);
    gates[0].open();
    assert_eq!(client.response(stream, Deadline::soon()).expect("the answer").body, b"final");

    let mut plain = Client::connect(public(&gateway));
    plain.send(Request::get("/http1").http1());
    let expected = b"HTTP/1.1 103 Early Hints\r\nlink: </a.css>\r\n\r\n";
    let early = plain.bytes(expected.len(), Deadline::soon()).expect("103 before the answer");
    assert_eq!(String::from_utf8_lossy(&early), String::from_utf8_lossy(expected));
    gates[1].open();
    assert_eq!(plain.response("GET", Deadline::soon()).expect("the answer").body, b"final");
}

#[test]
fn trailers_pass_both_ways() {
    let server = scripted(|connection, stream, path| {
        let body = connection.wire.find(Deadline::soon(), |frame| frame.kind == kind::DATA).expect("content");
        let last =
            connection.wire.find(Deadline::soon(), |frame| frame.kind == kind::HEADERS).expect("trailers");
        let told = connection.wire.decode(&last.payload).expect("fields");
        // Of known length or not: in HTTP/2 trailers may follow both.
        let length = body.payload.len().to_string();
        let lines = if path == "/known" { vec![("content-length", length.as_str())] } else { Vec::new() };
        connection.head(stream, "200", &lines, false);
        connection.content(stream, &body.payload, false);
        let told = field(&told, "x-sum").unwrap_or(b"nothing").to_vec();
        connection.wire.fields(stream, &vec![(b"x-told".to_vec(), told)], true);
    });
    let gateway = gateway(&server);
    for path in ["/", "/known"] {
        let request = Request::post(path, "content").field("TE", "trailers").trailer("X-Sum", "abc");
        on_both_wires(&gateway, &request, |wire, outcome| {
            let response = outcome.expect("an answer");
            assert_eq!(response.body, b"content", "{path} {wire:?}");
            // Behind a body of known length HTTP/1.1 has no place for them.
            let passed = wire == Wire::Http2 || path == "/";
            let expected = if passed { vec![&b"abc"[..]] } else { Vec::new() };
            assert_eq!(all(&response.trailers, "x-told"), expected, "{path} {wire:?}");
        });
    }
}

/// An event made and not followed by another one is there at once.
#[test]
fn the_first_event_arrives_before_the_second_is_made() {
    let gates = [Gate::new(), Gate::new()];
    let waiting = gates.clone();
    let server = scripted(move |connection, stream, path| {
        connection.head(stream, "200", &[("content-type", "text/event-stream")], false);
        connection.content(stream, b"data: one\n\n", false);
        waiting[usize::from(path == "/http1")].wait(Deadline::soon());
        connection.content(stream, b"data: two\n\n", true);
    });
    let gateway = gateway(&server);
    let mut client = h2::Client::connect(public(&gateway));
    let stream = client.request(&Request::get("/http2"));
    let is_data = |frame: &Frame| frame.kind == kind::DATA && frame.stream == stream;
    assert_eq!(client.find(Deadline::soon(), is_data).expect("an event").payload, b"data: one\n\n");
    gates[0].open();
    assert_eq!(client.find(Deadline::soon(), is_data).expect("an event").payload, b"data: two\n\n");

    let mut plain = Client::connect(public(&gateway));
    plain.send(Request::get("/http1").http1());
    let mut heard = Vec::new();
    while !heard.ends_with(b"data: one\n\n") {
        heard.extend(plain.bytes(1, Deadline::soon()).expect("the first event"));
    }
    gates[1].open();
}

/// RFC 9113 §8.1: a server that has answered may ask for no more of the request, and its answer stands.
#[test]
fn an_early_answer_reaches_the_caller_whole() {
    for then in [None, Some(code::NO_ERROR), Some(code::CANCEL)] {
        let server = scripted(move |connection, stream, _| {
            connection.head(stream, "413", &[("content-length", "9")], false);
            connection.content(stream, b"too large", true);
            if let Some(code) = then {
                connection.reset_stream(stream, code);
            }
        });
        let gateway = gateway(&server);
        let mut plain = Client::connect(public(&gateway));
        plain.send("POST /early HTTP/1.1\r\nHost: gw.test\r\nContent-Length: 1000000\r\n\r\nbegin");
        let response = plain.response("POST", Deadline::soon());
        judge_early(then, response);
        let mut client = h2::Client::connect(public(&gateway));
        let stream = client.stream();
        client.fields(stream, &h2::request_fields(&Request::new("POST", "/early")), false);
        client.content(stream, b"begin", false);
        judge_early(then, client.response(stream, Deadline::soon()));
        let after = Wire::Http1.send(public(&gateway), &Request::get("/after"));
        assert_eq!(after.status, 200, "behind {then:?}");
    }
}

/// Whole, or, where the backend broke it off with a fault, not there; never half.
fn judge_early(then: Option<u32>, outcome: Result<Response, Failure>) {
    match outcome {
        Ok(response) if response.status == 413 => assert_eq!(response.body, b"too large", "{then:?}"),
        other if then == Some(code::CANCEL) => looks_cut(other).expect("an abort"),
        other => panic!("{then:?}: {other:?}"),
    }
}
