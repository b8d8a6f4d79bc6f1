#![expect(clippy::arithmetic_side_effects, reason = "small numbers of a test")]

use std::time::Duration;

use portcullis_testkit::h2::{Frame, PREFACE, code, flag, kind};
use tokio::time::Instant;

use crate::http::term::LEAVING;
use crate::listener::scene::{self, Client, headers, live, ping, reset, serve, status};
use crate::observe::{Decision, Kept};
use crate::snapshot::Live;

fn request(stream: u32) -> Frame {
    headers(flag::END_STREAM, stream, scene::request("GET", "/", "gw.test"))
}

/// Waits until `count` exchanges are recorded.
async fn recorded(live: &Live, count: usize) -> Vec<Kept> {
    for _ in 0..1000 {
        let kept = live.ground.observe.recent(count + 1);
        if kept.len() >= count {
            return kept;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    panic!("fewer than {count} records");
}

async fn settled(bounds: &str) -> Client {
    let mut client = serve(&live(bounds));
    client.greet(&[]).await;
    client
        .until(|frame| frame.kind == kind::SETTINGS && frame.has(flag::ACK))
        .await
        .expect("an acknowledgement");
    client
}

#[tokio::test(start_paused = true)]
async fn a_request_is_answered_and_recorded_once() {
    let live = live("");
    let mut client = serve(&live);
    client.greet(&[]).await;
    client.send([request(1)]).await;
    let head = client.until(|frame| frame.kind == kind::HEADERS).await.expect("a head");
    assert_eq!((head.stream, status(&head)), (1, Some(404)));
    let data = client.until(|frame| frame.kind == kind::DATA).await.expect("a problem");
    assert!(data.has(flag::END_STREAM), "the end leaves with the last byte");
    let kept = recorded(&live, 1).await;
    assert_eq!(kept.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_connection_without_a_preface_is_closed_in_time() {
    let began = Instant::now();
    let mut client = serve(&live("handshake: 3s"));
    client.send_bytes(&PREFACE[..20]).await;
    assert_eq!(client.ending().await, None);
    assert_eq!(began.elapsed().as_secs(), 3);
}

#[tokio::test(start_paused = true)]
async fn pings_do_not_keep_an_unused_connection() {
    let mut client = settled("keep_alive: 60s").await;
    let began = Instant::now();
    for _ in 0..5 {
        tokio::time::sleep(Duration::from_secs(10)).await;
        client.send([ping(0)]).await;
    }
    assert_eq!(client.ending().await, Some(code::NO_ERROR));
    assert!((60..63).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_serves_is_kept() {
    let mut client = settled("keep_alive: 60s").await;
    for stream in [1, 3, 5] {
        tokio::time::sleep(Duration::from_secs(50)).await;
        client.send([request(stream)]).await;
        client.until(|frame| frame.has(flag::END_STREAM) && frame.stream == stream).await.expect("an answer");
    }
}

#[tokio::test(start_paused = true)]
async fn a_drained_connection_says_goodbye_twice() {
    let live = live("");
    let mut client = serve(&live);
    client.greet(&[]).await;
    client.send([request(1)]).await;
    client.until(|frame| frame.has(flag::END_STREAM) && frame.stream == 1).await.expect("an answer");
    client.term.end(Duration::from_secs(30), LEAVING);
    let first = client.until(|frame| frame.kind == kind::GOAWAY).await.expect("a GOAWAY");
    assert_eq!(first.payload[..4], [0x7f, 0xff, 0xff, 0xff], "streams on their way are still taken");
    let question = client.until(|frame| frame.kind == kind::PING).await.expect("a PING");
    // One more stream was on its way.
    client.send([request(3)]).await;
    client.until(|frame| frame.has(flag::END_STREAM) && frame.stream == 3).await.expect("an answer");
    client.send([Frame::new(kind::PING, flag::ACK, 0, &question.payload)]).await;
    let second = client.until(|frame| frame.kind == kind::GOAWAY).await.expect("a second GOAWAY");
    assert_eq!((&second.payload[..4], second.code()), (&[0, 0, 0, 3][..], Some(code::NO_ERROR)));
    assert_eq!(client.until(|_| true).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_ignores_goodbye_is_left() {
    let live = live("");
    let mut client = serve(&live);
    client.greet(&[]).await;
    client.until(|frame| frame.has(flag::ACK)).await.expect("an acknowledgement");
    let began = Instant::now();
    client.term.end(Duration::from_secs(30), LEAVING);
    assert_eq!(client.ending().await, Some(code::NO_ERROR));
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_connection_carries_only_so_many_requests() {
    let mut client = settled("requests_per_connection: 2").await;
    client.send([request(1)]).await;
    client.until(|frame| frame.has(flag::END_STREAM) && frame.stream == 1).await.expect("an answer");
    client.send([request(3)]).await;
    assert_eq!(client.ending().await, Some(code::NO_ERROR));
}

#[tokio::test(start_paused = true)]
async fn a_head_in_fragments_must_come_in_time() {
    let block = scene::request("GET", "/", "gw.test");
    let whole = Frame::new(kind::HEADERS, flag::END_STREAM, 1, &block).bytes();
    let ended = headers(flag::END_STREAM, 1, &block).bytes();
    // After a fragment, within its payload, within the payload of the only fragment.
    for bytes in [&whole[..], &whole[..15], &ended[..30]] {
        let mut client = settled("head_timeout: 5s").await;
        let began = Instant::now();
        client.send_bytes(bytes).await;
        assert_eq!(client.ending().await, Some(code::ENHANCE_YOUR_CALM));
        assert_eq!(began.elapsed().as_secs(), 5);
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_takes_nothing_is_left() {
    let live = live("write_idle: 7s");
    let mut client = serve(&live);
    client.greet(&[]).await;
    let began = Instant::now();
    // Each answer of some hundred bytes stays in the pipe, until it is full.
    for round in 0..20 {
        client.send((0..50).map(|n| request(round * 100 + n * 2 + 1))).await;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    tokio::time::sleep(Duration::from_secs(8)).await;
    assert_eq!(client.ending().await, None, "no GOAWAY fits into a full pipe");
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn the_first_frame_must_be_settings() {
    let mut client = serve(&live(""));
    client.send_bytes(PREFACE).await;
    client.send([ping(0)]).await;
    assert_eq!(client.ending().await, Some(code::PROTOCOL_ERROR));
}

#[tokio::test(start_paused = true)]
async fn a_reset_stream_is_recorded_once_as_aborted() {
    let live = live("");
    let mut client = serve(&live);
    client.greet(&[]).await;
    // The operation is found, and its backend cannot be reached at once.
    let head = headers(0, 1, scene::request("POST", "/", "api.test"));
    client.send([head, reset(1, code::CANCEL)]).await;
    let kept = recorded(&live, 1).await;
    assert_eq!(kept.len(), 1);
    assert_eq!((kept[0].decision, kept[0].status), (Decision::Aborted, None));
}

#[tokio::test(start_paused = true)]
async fn streams_end_with_their_connection() {
    let live = live("");
    let mut client = serve(&live);
    client.greet(&[]).await;
    let head = headers(0, 1, scene::request("POST", "/", "api.test"));
    client.send([head]).await;
    tokio::time::sleep(Duration::from_millis(1)).await;
    drop(client);
    assert_eq!(recorded(&live, 1).await.len(), 1);
}
