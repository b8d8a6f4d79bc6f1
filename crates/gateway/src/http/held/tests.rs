use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::{Held, KEPT_BYTES};

async fn pair() -> (Held, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("an address");
    let client = TcpStream::connect(listener.local_addr().expect("an address")).await.expect("a connection");
    (Held::new(listener.accept().await.expect("a client").0), client)
}

async fn is_silent(client: &mut TcpStream) -> bool {
    tokio::time::timeout(Duration::from_millis(50), client.read_u8()).await.is_err()
}

async fn hears(client: &mut TcpStream, what: &[u8]) {
    let mut heard = vec![0; what.len()];
    client.read_exact(&mut heard).await.expect("bytes");
    assert_eq!(heard, what);
}

#[tokio::test]
async fn what_a_handshake_says_leaves_before_the_client_is_waited_for() {
    let (mut server, mut client) = pair().await;
    for piece in [b"hel", b"lo "] {
        server.write_all(piece).await.expect("room");
        server.flush().await.expect("nothing to do");
    }
    assert!(is_silent(&mut client).await);
    let mut read = [0; 1];
    let waiting = tokio::time::timeout(Duration::from_millis(50), server.read(&mut read)).await;
    assert!(waiting.is_err(), "the client has said nothing");
    hears(&mut client, b"hello ").await;
}

#[tokio::test]
async fn what_is_kept_at_its_end_leaves_with_the_next_bytes_and_before_them() {
    let (mut server, mut client) = pair().await;
    server.write_all(b"tickets ").await.expect("room");
    server.release();
    let mut read = [0; 1];
    let waiting = tokio::time::timeout(Duration::from_millis(50), server.read(&mut read)).await;
    assert!(waiting.is_err(), "the client has said nothing");
    assert!(is_silent(&mut client).await, "nobody waits for tickets");
    server.write_all(b"and an answer").await.expect("room");
    hears(&mut client, b"tickets and an answer").await;
    server.write_all(b"!").await.expect("room");
    hears(&mut client, b"!").await;
}

#[tokio::test]
async fn nothing_that_was_kept_is_lost() {
    type Last = fn(Held) -> std::pin::Pin<Box<dyn Future<Output = Held>>>;
    let ways: [Last; 3] = [
        |server| Box::pin(async { server }),
        |mut server| {
            Box::pin(async {
                server.shutdown().await.expect("an end");
                server
            })
        },
        |mut server| {
            Box::pin(async {
                server.release();
                server.flush().await.expect("room");
                server
            })
        },
    ];
    for way in ways {
        let (mut server, mut client) = pair().await;
        server.write_all(b"why not").await.expect("room");
        drop(way(server).await);
        let mut heard = Vec::new();
        client.read_to_end(&mut heard).await.expect("an end");
        assert_eq!(heard, b"why not");
    }
}

#[tokio::test]
async fn what_is_large_is_written_through_in_order() {
    let (mut server, mut client) = pair().await;
    server.write_all(b"small ").await.expect("room");
    let large = vec![b'x'; KEPT_BYTES];
    server.write_all(&large).await.expect("room");
    hears(&mut client, &[b"small ".as_slice(), &large].concat()).await;
}
