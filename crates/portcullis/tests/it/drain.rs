//! The way out: readiness fails first, what is in flight ends, nothing new comes in, and the process goes.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use portcullis_testkit::gateway::Signal;
use portcullis_testkit::recorder::Gate;
use portcullis_testkit::{Deadline, Reply, Request, Wire};

use crate::stage::{CONFIG, Stage};

fn stage(bounds: &str) -> Stage {
    Stage::with(&format!("{CONFIG}bounds: {{ {bounds} }}\n"))
}

/// Status and text of `/readyz`.
fn ready(stage: &Stage) -> (u16, String) {
    let answer = Wire::Http1.send(stage.gateway.probes(), &Request::get("/readyz"));
    (answer.status, String::from_utf8_lossy(&answer.body).into_owned())
}

fn refuses(stage: &Stage) -> Option<()> {
    TcpStream::connect(stage.public()).is_err().then_some(())
}

#[test]
fn readiness_fails_first_then_the_listeners_then_the_process() {
    let mut stage = stage("drain_notice: 60s, drain: 60s");
    let gate = Gate::new();
    stage
        .backend
        .on("/slow", Reply::new().wait(&gate).send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone"));
    assert_eq!(ready(&stage).0, 200);
    let mut idle = stage.connect();
    let mut slow = stage.connect();
    slow.send(Request::get("/slow").http1());
    stage.backend.expect("the slow request", |message| message.target == b"/slow");

    stage.gateway.signal(Signal::Term);
    Deadline::soon().poll("an unready gateway", || (ready(&stage).0 == 503).then_some(()));
    assert!(ready(&stage).1.starts_with("draining"));
    let late = Wire::Http1.send(stage.public(), &Request::get("/late"));
    assert_eq!(late.status, 200, "until balancers have noticed, new clients are served");

    stage.gateway.signal(Signal::Term); // cuts the notice short
    Deadline::soon().poll("closed listeners", || refuses(&stage));
    idle.closed(Deadline::soon()).expect("an idle connection is closed");
    assert_eq!(ready(&stage).0, 503, "operators are answered to the end");
    assert!(stage.gateway.is_running());

    gate.open();
    let answer = slow.response("GET", Deadline::soon()).expect("what was in flight ends");
    assert_eq!((answer.status, &answer.body[..]), (200, &b"done"[..]));
    assert_eq!(answer.text("connection").as_deref(), Some("close"), "the client is told");
    slow.closed(Deadline::soon()).expect("closed");
    assert_eq!(stage.gateway.wait(Deadline::soon()).code(), Some(0));
}

#[test]
fn an_idle_gateway_ends_at_once() {
    for signal in [Signal::Term, Signal::Int] {
        let mut stage = Stage::start();
        let begun = Instant::now();
        stage.gateway.signal(signal);
        assert_eq!(stage.gateway.wait(Deadline::soon()).code(), Some(0), "{signal:?}");
        assert!(begun.elapsed() < Duration::from_secs(10), "{signal:?}");
    }
}

#[test]
fn what_takes_longer_than_the_deadline_is_cut() {
    let mut stage = stage("drain: 1s");
    let gate = Gate::new();
    stage.backend.on("/never", Reply::new().wait(&gate));
    let mut client = stage.connect();
    client.send(Request::get("/never").http1());
    stage.backend.expect("the request", |message| message.target == b"/never");
    let begun = Instant::now();
    stage.gateway.signal(Signal::Term);
    assert_eq!(stage.gateway.wait(Deadline::soon()).code(), Some(0));
    let took = begun.elapsed();
    assert!(took >= Duration::from_millis(900) && took < Duration::from_secs(10), "{took:?}");
    stage.gateway.log("a warning", |line| line.to_string().contains("cut after the drain deadline"));
    assert!(client.response("GET", Deadline::soon()).is_err());
    let record = stage.gateway.record("a record of it", |record| record["url.path"] == "/never");
    assert_eq!(record["portcullis.decision"], "aborted", "{record}");
    gate.open();
}

/// A request that was on its way when the drain began is answered, as its connection's last.
#[test]
fn a_request_that_crosses_the_drain_is_answered() {
    let mut stage = stage("drain: 60s");
    let mut client = stage.connect();
    stage.gateway.signal(Signal::Term);
    let mut last = Instant::now();
    loop {
        client.send(Request::get("/again").http1());
        let gap = last.elapsed();
        match client.response("GET", Deadline::soon()) {
            Ok(answer) => {
                assert_eq!(answer.status, 200);
                last = Instant::now();
                if answer.text("connection").as_deref() == Some("close") {
                    break;
                }
            }
            // Only a machine that stood still may have made the client that late.
            Err(failure) => {
                assert!(gap > Duration::from_secs(1), "lost after {gap:?}: {failure}");
                break;
            }
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    client.closed(Deadline::soon()).expect("closed");
    assert_eq!(stage.gateway.wait(Deadline::soon()).code(), Some(0));
}

#[test]
fn a_download_goes_on_while_the_gateway_drains() {
    let mut stage = stage("drain: 60s");
    let gate = Gate::new();
    let reply = Reply::raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n");
    stage.backend.on("/stream", reply.wait(&gate).send("4\r\nlast\r\n0\r\n\r\n"));
    let mut client = stage.connect();
    client.send(Request::get("/stream").http1());
    stage.backend.expect("the request", |message| message.target == b"/stream");
    stage.gateway.signal(Signal::Term);
    Deadline::soon().poll("closed listeners", || refuses(&stage));
    gate.open();
    let answer = client.response("GET", Deadline::soon()).expect("the whole answer");
    assert_eq!(answer.body, b"firstlast");
    assert_eq!(stage.gateway.wait(Deadline::soon()).code(), Some(0));
}
