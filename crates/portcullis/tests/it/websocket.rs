//! WebSocket: switched only after the backend has, frames both ways, a close frame when the gateway goes away.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use portcullis_testkit::Gateway;
use portcullis_testkit::gateway::Signal;

use crate::stage::executable;

/// The key and its acceptance that RFC 6455 §1.3 gives as an example.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

const CONFIG: &str = r#"version: 1
state: none
telemetry: { access_log: stdout }
listeners: { public: { bind: 127.0.0.1:0 } }
backends: { chat: { targets: ["http://BACKEND"] } }
apis:
  chat:
    backend: chat
    auth: none
    operations:
      socket: { match: "GET /socket", stream: websocket }
      plain: { match: "GET /plain" }
"#;

/// A backend that answers every request with `answer`, then echoes bytes.
fn backend(answer: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            thread::spawn(move || {
                let head = read_head(&mut stream);
                let answer = answer.replace("{head}", &head.len().to_string());
                stream.write_all(answer.as_bytes()).expect("the gateway reads");
                let mut bytes = [0; 4096];
                while let Ok(read @ 1..) = stream.read(&mut bytes) {
                    // What a client masked, a server sends without: the tests mask with zeros.
                    let mut echoed = bytes[..read].to_vec();
                    if echoed[1] & 0x80 != 0 {
                        echoed[1] &= 0x7f;
                        echoed.drain(2..6);
                    }
                    if stream.write_all(&echoed).is_err() {
                        return;
                    }
                }
            });
        }
    });
    address
}

fn read_head(stream: &mut TcpStream) -> String {
    stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        match stream.read(&mut byte) {
            Ok(1) => head.push(byte[0]),
            _ => break,
        }
    }
    String::from_utf8(head).expect("text")
}

fn read_exactly(stream: &mut TcpStream, count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    stream.read_exact(&mut bytes).expect("that many bytes come");
    bytes
}

fn gateway(answer: &'static str) -> Gateway {
    Gateway::start(executable(), CONFIG.replace("BACKEND", &backend(answer).to_string()))
}

fn ask(gateway: &Gateway, path: &str, version: &str) -> (TcpStream, String) {
    let mut stream = TcpStream::connect(gateway.address("public")).expect("the gateway listens");
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: gw.test\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: {version}\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).expect("the gateway reads");
    let head = read_head(&mut stream);
    (stream, head)
}

const SWITCHED: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
     Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

/// `hello` as a client sends it, with a mask of zeros, and as a server does.
const HELLO_UP: &[u8] = b"\x81\x85\0\0\0\0hello";
const HELLO_DOWN: &[u8] = b"\x81\x05hello";

#[test]
fn frames_pass_both_ways_after_the_backends_101() {
    let gateway = gateway(SWITCHED);
    let (mut client, head) = ask(&gateway, "/socket", "13");
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    assert!(
        head.to_ascii_lowercase().contains(&format!("sec-websocket-accept: {}", ACCEPT.to_ascii_lowercase()))
    );
    for _ in 0..100 {
        client.write_all(HELLO_UP).expect("the gateway reads");
        assert_eq!(read_exactly(&mut client, HELLO_DOWN.len()), HELLO_DOWN);
    }
    drop(client);
    gateway.record("a record of the socket", |record| record["http.response.status_code"] == 101);
}

#[test]
fn no_tunnel_without_the_backends_101() {
    let gateway = gateway("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno");
    let (mut client, head) = ask(&gateway, "/socket", "13");
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    assert_eq!(read_exactly(&mut client, 2), b"no");
    // What follows is a request of its own and is judged as one.
    client.write_all(b"GET /admin HTTP/1.1\r\nHost: gw.test\r\n\r\n").expect("the gateway reads");
    assert!(read_head(&mut client).starts_with("HTTP/1.1 404 "));
}

/// RFC 6455 §4.1: an answer to another key is no answer to this handshake.
#[test]
fn no_tunnel_to_a_backend_that_answers_another_key() {
    const OTHER: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: ICX+Yqv66kxgM0FcWaLWlFLwTAI=\r\n\r\n";
    const NONE: &str =
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";
    for answer in [OTHER, NONE] {
        let gateway = gateway(answer);
        let (_, head) = ask(&gateway, "/socket", "13");
        assert!(head.starts_with("HTTP/1.1 502 "), "{head}");
    }
}

/// RFC 6455 §7.1.1: a client that has said and heard close waits for the server to close the connection.
#[test]
fn the_gateway_closes_once_both_ends_have_said_so() {
    let gateway = gateway(SWITCHED);
    let (mut client, _) = ask(&gateway, "/socket", "13");
    client.write_all(b"\x88\x82\0\0\0\0\x03\xe8").expect("the gateway reads");
    let mut rest = Vec::new();
    client.read_to_end(&mut rest).expect("the gateway closes");
    assert_eq!(rest, b"\x88\x02\x03\xe8", "the backend's answer, and the end");
}

#[test]
fn an_operation_that_is_not_declared_as_one_is_not_switched() {
    let gateway = gateway(SWITCHED);
    let (_, head) = ask(&gateway, "/plain", "13");
    assert!(head.starts_with("HTTP/1.1 502 "), "an unasked 101 is the backend's fault: {head}");
}

#[test]
fn another_version_is_refused() {
    let gateway = gateway(SWITCHED);
    let (_, head) = ask(&gateway, "/socket", "8");
    assert!(head.starts_with("HTTP/1.1 426 "), "{head}");
    assert!(head.to_ascii_lowercase().contains("\r\nsec-websocket-version: 13\r\n"), "RFC 6455 §4.4: {head}");
}

#[test]
fn what_is_no_frame_ends_both_sides() {
    let gateway = gateway(SWITCHED);
    let (mut client, _) = ask(&gateway, "/socket", "13");
    client.write_all(b"GET /admin HTTP/1.1\r\nHost: gw.test\r\n\r\n").expect("the gateway reads");
    let mut rest = Vec::new();
    client.read_to_end(&mut rest).expect("the gateway closes");
    assert_eq!(rest, [0x88, 2, 0x03, 0xea], "a close frame: protocol error");
}

#[test]
fn a_drain_says_going_away_between_two_frames() {
    let mut gateway = gateway(SWITCHED);
    let (mut client, _) = ask(&gateway, "/socket", "13");
    client.write_all(HELLO_UP).expect("the gateway reads");
    assert_eq!(read_exactly(&mut client, HELLO_DOWN.len()), HELLO_DOWN);
    gateway.signal(Signal::Term);
    assert_eq!(read_exactly(&mut client, 4), [0x88, 2, 0x03, 0xe9], "a close frame: going away");
    drop(client);
    assert!(gateway.wait(portcullis_testkit::Deadline::soon()).success());
}
