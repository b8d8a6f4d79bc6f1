use std::net::TcpListener;
use std::thread;

use super::*;

/// What the client reads when a server says `bytes` and closes.
fn heard(bytes: &'static [u8], methods: &[&str]) -> Transcript {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let server = thread::spawn(move || listener.accept().expect("a client").0.write_all(bytes));
    let transcript = Client::connect(address).transcript(methods, Deadline::soon());
    server.join().expect("a server").expect("written");
    transcript
}

fn check(bytes: &'static [u8], bodies: &[&str], end: &End) {
    let transcript = heard(bytes, &[]);
    let found: Vec<_> = transcript.responses.iter().map(|r| String::from_utf8_lossy(&r.body)).collect();
    assert_eq!(found, bodies, "{transcript:?}");
    assert_eq!(&transcript.end, end, "{transcript:?}");
}

#[test]
fn responses_are_told_apart() {
    let two = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nabHTTP/1.1 204 No\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\ncde\r\n0\r\nA: b\r\n\r\n";
    check(two, &["ab", "", "cde"], &End::Closed);
    check(b"HTTP/1.1 200 OK\r\n\r\nto the end", &["to the end"], &End::Closed);
    check(b"HTTP/1.1 103 Early\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", &[""], &End::Closed);
    let head = heard(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", &["HEAD"]);
    assert_eq!((head.responses.len(), head.end), (1, End::Closed));
}

#[test]
fn what_is_no_whole_response_is_said() {
    let nonsense = |text: &str| End::Nonsense(text.to_owned());
    check(b"", &[], &End::Closed);
    check(
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab",
        &[],
        &nonsense("half a response (200), then Closed"),
    );
    check(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nabX", &["ab"], &nonsense("`X`"));
    check(b"HTTP/1.1 2000 OK\r\n\r\n", &[], &nonsense("status line `HTTP/1.1 2000 OK`"));
    check(
        b"HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nab",
        &[],
        &nonsense("half a response (200), then Nonsense(\"content length that is no number\")"),
    );
}

#[test]
fn an_open_connection_is_no_closed_one() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let mut client = Client::connect(listener.local_addr().expect("an address"));
    let (server, _) = listener.accept().expect("a client");
    assert_eq!(client.closed(Deadline::after(Duration::from_millis(10))), Err("Silent".to_owned()));
    reset(&server);
    drop(server);
    assert_eq!(client.closed(Deadline::soon()), Ok(()));
}

#[test]
fn oddities_are_noted() {
    let transcript =
        heard(b"HTTP/1.1 200 OK\nContent-Length: 0\r\nContent-Length: 0\r\nA b: \x01\r\n\r\n", &[]);
    assert_eq!(transcript.responses[0].oddities.len(), 4, "{transcript:?}");
}
