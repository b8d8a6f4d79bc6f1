//! Whoever keeps us waiting: backends that do not answer, pause, drip or are not there.

use std::time::Duration;

use http::{Method, StatusCode};
use portcullis_http1::Framing;

use super::rig::{Rig, backend, drain, read_all, read_head, say, scripted};
use crate::http::{BodyError, Size};
use crate::problem::Problem;
use crate::upstream::failure::{Failure, Wait};

const SHORT: Duration = Duration::from_millis(60);

#[tokio::test]
async fn a_silent_backend_is_a_timeout() {
    let port = backend(|_, mut stream| {
        read_all(&mut stream);
    });
    let mut rig = Rig::with(port, |spec| spec.timeouts.response = SHORT);
    let failure = rig.get().await.expect_err("too slow");
    assert!(matches!(failure, Failure::TimedOut(Wait::Response)), "{failure:?}");
    assert_eq!(Problem::from(failure).kind().status, StatusCode::GATEWAY_TIMEOUT);
    assert_eq!(rig.kept(), 0);
}

#[tokio::test]
async fn the_total_time_bounds_a_backend_that_drips() {
    let port = backend(|_, mut stream| {
        read_head(&mut stream);
        for _ in 0..1000 {
            say(&mut stream, "HTTP/1.1 102 Processing\r\n\r\n");
            std::thread::sleep(SHORT);
        }
    });
    let mut rig = Rig::with(port, |spec| spec.timeouts.total = Some(SHORT));
    let failure = rig.get().await.expect_err("too slow");
    assert!(matches!(failure, Failure::TimedOut(Wait::Total)), "{failure:?}");
}

#[tokio::test]
async fn a_pause_inside_an_answer_breaks_it_off() {
    let port = backend(|_, mut stream| {
        read_head(&mut stream);
        say(&mut stream, "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhal");
        read_all(&mut stream);
    });
    let mut rig = Rig::with(port, |spec| spec.timeouts.idle = SHORT);
    let incoming = rig.get().await.expect("a head");
    let (before, error) = drain(incoming.body).await.expect_err("no end");
    assert_eq!(before, b"hal");
    assert!(matches!(error, BodyError::TimedOut), "{error:?}");
}

#[tokio::test]
async fn a_slow_client_is_not_the_backends_fault() {
    let port = backend(|_, mut stream| {
        read_head(&mut stream);
        std::thread::sleep(SHORT * 4);
        say(&mut stream, "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    });
    let mut rig = Rig::with(port, |spec| spec.timeouts.response = SHORT);
    // The client's next piece never comes: the time runs against the client.
    let body = scripted(Size::Exactly(10), vec![None]);
    let incoming = rig.send(Method::PUT, Framing::Length(10), body).await.expect("an answer");
    assert_eq!(incoming.head.status, 200);
}

#[tokio::test]
async fn a_refused_connection_is_service_unavailable_at_once() {
    let port = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.local_addr().expect("an address").port()
    };
    let mut rig = Rig::with(port, |spec| spec.timeouts.connect = Duration::from_secs(10));
    let failure = rig.get().await.expect_err("nobody there");
    assert!(matches!(failure, Failure::Unreachable(_)), "{failure:?}");
    assert_eq!(Problem::from(failure).kind().status, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn a_name_without_address_is_unreachable() {
    let mut rig = Rig::with(80, |spec| "no-such-name.invalid".clone_into(&mut spec.targets[0].host)).naming();
    assert!(matches!(rig.get().await, Err(Failure::Unreachable(_))));
}

#[tokio::test]
async fn a_name_is_resolved() {
    let port = backend(|_, mut stream| {
        read_head(&mut stream);
        say(&mut stream, "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
    });
    let mut rig = Rig::with(port, |spec| "localhost".clone_into(&mut spec.targets[0].host)).naming();
    assert_eq!(drain(rig.get().await.expect("an answer").body).await.expect("a body"), b"ok");
}

#[tokio::test]
async fn a_kept_connection_grows_old() {
    let port = backend(|_, mut stream| {
        while read_head(&mut stream).is_some() {
            say(&mut stream, "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
        }
    });
    let mut rig = Rig::with(port, |spec| spec.pool.idle_for = SHORT);
    drain(rig.get().await.expect("an answer").body).await.expect("a body");
    assert_eq!(rig.kept(), 1);
    rig.swept().await;
}

#[tokio::test]
async fn the_backends_own_keep_alive_is_heeded() {
    let port = backend(|_, mut stream| {
        while read_head(&mut stream).is_some() {
            say(&mut stream, "HTTP/1.1 200 OK\r\nkeep-alive: timeout=1\r\ncontent-length: 2\r\n\r\nok");
        }
    });
    let mut rig = Rig::new(port);
    drain(rig.get().await.expect("an answer").body).await.expect("a body");
    rig.swept().await;
}
