use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use http::Method;

use super::{Call, FetchError, Remote};
use crate::config::values::Url;

/// Whoever answers every connection with these bytes once its request is there, and closes.
fn answering(answer: &'static [u8]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            let (mut said, mut piece) = (Vec::new(), [0; 1024]);
            while !said.ends_with(b"what") {
                match stream.read(&mut piece) {
                    Ok(count @ 1..) => said.extend_from_slice(&piece[..count]),
                    _ => break,
                }
            }
            let said = String::from_utf8_lossy(&said).into_owned();
            assert!(
                said.starts_with("POST /a?b HTTP/1.1\r\n") && said.contains("connection: close"),
                "{said}"
            );
            // Who asked may be gone.
            let _ = stream.write_all(answer);
        }
    });
    address
}

fn call(address: SocketAddr) -> Result<http::Response<Bytes>, FetchError> {
    let host = address.ip().to_string().into();
    let url = Url { https: false, host, port: address.port(), path: "/a?b".into() };
    let remote = Remote::new(url, crate::dns::Settings::default()).expect("a remote");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(remote.call(Call {
        method: Method::POST,
        fields: Vec::new(),
        body: Bytes::from_static(b"what"),
        within: Duration::from_secs(5),
        answer_bytes_max: 8,
    }))
}

#[test]
fn an_answer_is_read_whole_and_followed_nowhere() {
    for (answer, status, body) in [
        (&b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"[..], 200, "ok"),
        (b"HTTP/1.1 200 OK\r\n\r\nthe end", 200, "the end"),
        (b"HTTP/1.1 302 Found\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n", 302, ""),
    ] {
        let said = call(answering(answer)).expect("an answer");
        assert_eq!((said.status().as_u16(), &**said.body()), (status, body.as_bytes()));
    }
}

#[test]
fn what_is_no_answer_says_why() {
    let nobody = TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr()).expect("a free port");
    assert!(matches!(call(nobody), Err(FetchError::Unreachable(_))));
    for answer in [&b""[..], b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-"] {
        assert!(matches!(call(answering(answer)), Err(FetchError::Broken(_))), "{answer:?}");
    }
    for answer in [
        &b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n123456789"[..],
        b"HTTP/1.1 200 OK\r\n\r\nmuch more than that",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab",
    ] {
        assert!(matches!(call(answering(answer)), Err(FetchError::Body(_))), "{answer:?}");
    }
}

#[test]
fn a_kept_connection_that_was_closed_is_no_wait() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    // Answers as if more could follow, and closes: at once, so that some ends come while the next call is on its way.
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            let mut piece = [0; 1024];
            if stream.read(&mut piece).is_ok_and(|count| count > 0) {
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
            }
        }
    });
    let url = Url { https: false, host: "127.0.0.1".into(), port, path: "/".into() };
    let remote = Remote::new(url, crate::dns::Settings::default()).expect("a remote").keeping();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    for number in 0..50 {
        let within = Duration::from_secs(30);
        let (fields, body) = (Vec::new(), Bytes::new());
        let call = Call { method: Method::GET, fields, body, within, answer_bytes_max: 1 };
        let outcome = runtime.block_on(remote.call(call));
        assert_eq!(outcome.map(|answer| answer.status().as_u16()).ok(), Some(200), "call {number}");
    }
}

#[test]
fn a_call_has_its_time() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = Url {
        https: false,
        host: "127.0.0.1".into(),
        port: listener.local_addr().expect("an address").port(),
        path: "/".into(),
    };
    let within = Duration::from_millis(50);
    let call =
        Call { method: Method::GET, fields: Vec::new(), body: Bytes::new(), within, answer_bytes_max: 1 };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let outcome =
        runtime.block_on(Remote::new(url, crate::dns::Settings::default()).expect("a remote").call(call));
    assert!(matches!(outcome, Err(FetchError::Late(after)) if after == within));
}
