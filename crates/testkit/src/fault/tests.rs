use std::time::Instant;

use super::*;
use crate::raw::{Client, End, Failure};
use crate::recorder::{Recorder, Reply};
use crate::{Deadline, Request, Wire};

/// What a client gets through a relay with `back` wrong on the way back.
fn through(back: Faults) -> Result<Vec<u8>, Failure> {
    let recorder = Recorder::start();
    recorder.on("/", Reply::ok("0123456789"));
    let proxy = FaultProxy::start(recorder.address());
    proxy.set(Direction::Back, back);
    let mut client = Client::connect(proxy.address());
    client.send(Request::get("/").http1());
    client.response("GET", Deadline::after(Duration::from_millis(400))).map(|response| response.body)
}

/// Bytes of the head that stands before the ten bytes of body.
const HEAD: u64 = 39;

#[test]
fn faults_are_on_order() {
    assert_eq!(through(Faults::default()).expect("a response"), b"0123456789");
    assert_eq!(
        through(Faults { corrupt_at: Some(HEAD + 2), ..Faults::default() }).expect("a response"),
        b"01\x123456789"
    );
    for (faults, end) in [
        (Faults { stall_after: Some(HEAD + 4), ..Faults::default() }, End::Silent),
        (Faults { close_after: Some(HEAD + 4), ..Faults::default() }, End::Closed),
        (Faults { reset_after: Some(HEAD + 4), ..Faults::default() }, End::Reset),
    ] {
        let failure = through(faults).expect_err("half a response");
        assert_eq!(failure.end, end, "{faults:?}");
        // A reset may overtake what was sent before it.
        assert!(failure.partial.body == b"0123" || end == End::Reset, "{faults:?}: {failure}");
    }
}

#[test]
fn a_slow_relay_is_slow() {
    let began = Instant::now();
    through(Faults { latency: Duration::from_millis(60), ..Faults::default() }).expect("a response");
    assert!(began.elapsed() >= Duration::from_millis(60));
    let began = Instant::now();
    through(Faults { bytes_per_second: Some(400), ..Faults::default() }).expect("a response");
    assert!(began.elapsed() >= Duration::from_millis(100));
}

#[test]
fn a_stall_can_end() {
    let recorder = Recorder::start();
    let proxy = FaultProxy::start(recorder.address());
    proxy.set(Direction::Forth, Faults { stall_after: Some(10), ..Faults::default() });
    let mut client = Client::connect(proxy.address());
    client.send(Request::get("/x").http1());
    let waited = client.response("GET", Deadline::after(Duration::from_millis(50)));
    assert_eq!(waited.expect_err("silence").end, End::Silent);
    proxy.set(Direction::Forth, Faults::default());
    assert_eq!(client.response("GET", Deadline::soon()).expect("a response").status, 200);
}

#[test]
fn connections_are_refused_and_broken() {
    let recorder = Recorder::start();
    let proxy = FaultProxy::start(recorder.address());
    let mut client = Client::connect(proxy.address());
    client.send(Request::get("/x").http1());
    client.response("GET", Deadline::soon()).expect("a response");
    proxy.break_all();
    client.closed(Deadline::soon()).expect("an end");
    proxy.refuse(true);
    Wire::Http1.try_send(proxy.address(), &Request::get("/x")).expect_err("nobody");
    proxy.refuse(false);
    assert_eq!(Wire::Http1.send(proxy.address(), &Request::get("/x")).status, 200);
    assert_eq!(proxy.accepted(), 3);
}

#[test]
fn a_relay_that_left_refuses_and_comes_back() {
    let recorder = Recorder::start();
    let proxy = FaultProxy::start(recorder.address());
    assert_eq!(Wire::Http1.send(proxy.address(), &Request::get("/")).status, 200);
    proxy.leave();
    assert!(TcpStream::connect(proxy.address()).is_err());
    proxy.come_back();
    assert_eq!(Wire::Http1.send(proxy.address(), &Request::get("/")).status, 200);
}

#[test]
fn a_black_hole_leaves_everybody_waiting() {
    let recorder = Recorder::start();
    let proxy = FaultProxy::black_hole(recorder.address());
    let unheard = TcpStream::connect_timeout(&proxy.address(), Duration::from_millis(300));
    assert_eq!(unheard.expect_err("nobody answers").kind(), std::io::ErrorKind::TimedOut);
    proxy.come_back();
    assert_eq!(Wire::Http1.send(proxy.address(), &Request::get("/")).status, 200);
}
