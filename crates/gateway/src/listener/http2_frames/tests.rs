use std::io;
use std::time::Duration;

use portcullis_testkit::h2::PREFACE;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{Excess, Framed, GATHER_BYTES, LINGER_BYTES, SMALL_BYTES};
use crate::bounds::Bounds;
use crate::listener::scene::{ping, settings};

fn pings(count: usize) -> Vec<u8> {
    let mut bytes = PREFACE.to_vec();
    bytes.extend(settings(&[]).bytes());
    bytes.extend(ping(0).bytes().repeat(count));
    bytes
}

#[tokio::test]
async fn bytes_pass_unchanged_until_there_are_too_many_frames() {
    let bounds = Bounds { h2_control_frames: 100, ..Bounds::default() };
    let (mut client, server) = tokio::io::duplex(64 * 1024);
    let mut framed = Framed::new(server, &bounds);
    let watch = framed.watch();
    let bytes = pings(100);
    client.write_all(&bytes).await.expect("room");
    let mut read = vec![0; bytes.len()];
    framed.read_exact(&mut read).await.expect("bytes");
    assert_eq!(read, bytes);
    assert_eq!(watch.excess(), None);

    client.write_all(&ping(0).bytes()).await.expect("room");
    let mut more = [0; 64];
    let reading = tokio::time::timeout(Duration::from_millis(50), framed.read(&mut more)).await;
    assert!(reading.is_err(), "nothing more is passed on");
    assert_eq!(watch.excess(), Some(Excess::Pings));
}

#[tokio::test(start_paused = true)]
async fn a_writer_is_as_patient_as_its_bound() {
    let bounds = Bounds { write_idle: Duration::from_secs(9), ..Bounds::default() };
    let (mut client, server) = tokio::io::duplex(16);
    let mut framed = Framed::new(server, &bounds);
    let began = tokio::time::Instant::now();
    let stalled = framed.write_all(&[0; 64]).await.expect_err("nobody reads");
    assert_eq!((stalled.kind(), began.elapsed().as_secs()), (io::ErrorKind::TimedOut, 9));
    // Whoever takes something has all the time again.
    let slow = async {
        for _ in 0..4 {
            tokio::time::sleep(Duration::from_secs(8)).await;
            let mut some = [0; 16];
            client.read_exact(&mut some).await.expect("bytes");
        }
    };
    let (written, ()) = tokio::join!(framed.write_all(&[0; 48]), slow);
    written.expect("a reader");
}

#[tokio::test(start_paused = true)]
async fn after_the_last_byte_only_so_much_is_still_read() {
    let (mut client, server) = tokio::io::duplex(1 << 20);
    let mut framed = Framed::new(server, &Bounds::default());
    client.write_all(&vec![0; LINGER_BYTES + 4096]).await.expect("room");
    let began = tokio::time::Instant::now();
    framed.shutdown().await.expect("an end");
    assert_eq!(began.elapsed(), Duration::ZERO, "the bound on bytes came first");

    let (_client, server) = tokio::io::duplex(64);
    let mut framed = Framed::new(server, &Bounds::default());
    framed.shutdown().await.expect("an end");
    assert_eq!(began.elapsed(), super::LINGER);
}

#[tokio::test]
async fn what_is_written_within_a_turn_leaves_at_its_end() {
    let (mut client, server) = tokio::io::duplex(4 * GATHER_BYTES);
    let mut framed = Framed::new(server, &Bounds::default());
    let watch = framed.watch();
    watch.gather(true);
    for piece in [[1; 300], [2; 300]] {
        framed.write_all(&piece).await.expect("room");
        framed.flush().await.expect("nothing to do");
    }
    assert!(watch.holds());
    let mut read = vec![0; 4 * GATHER_BYTES];
    let reading = tokio::time::timeout(Duration::from_millis(50), client.read(&mut read)).await;
    assert!(reading.is_err(), "the turn is not over");
    watch.gather(false);
    framed.flush().await.expect("room");
    assert!(!watch.holds());
    assert_eq!(client.read(&mut read).await.expect("bytes"), 600, "all of it, in order, at once");
    assert_eq!(&read[..600], [[1; 300], [2; 300]].as_flattened());
}

#[tokio::test]
async fn no_more_is_kept_than_its_bound_and_nothing_overtakes_it() {
    let (mut client, server) = tokio::io::duplex(8 * GATHER_BYTES);
    let mut framed = Framed::new(server, &Bounds::default());
    framed.watch().gather(true);
    let mut written = Vec::new();
    let lengths = [SMALL_BYTES, 1, SMALL_BYTES, SMALL_BYTES, SMALL_BYTES, 2, SMALL_BYTES + 1, 3];
    for (byte, length) in (1_u8..).zip(lengths) {
        framed.write_all(&vec![byte; length]).await.expect("room");
        written.extend(vec![byte; length]);
        assert!(framed.held.len() <= GATHER_BYTES);
    }
    framed.shutdown().await.expect("an end");
    let mut read = Vec::new();
    client.read_to_end(&mut read).await.expect("bytes");
    assert_eq!(read, written);
}
