//! What both wires keep to: a panic ends what it happened in, and nothing else.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::disallowed_methods,
    reason = "small numbers of a test, whose runtime ends with it"
)]

use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use portcullis_http1::Fields;
use portcullis_testkit::h2::{Frame as Wired, code, flag, kind};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use super::http1;
use super::scene::{self, headers, live_with, peer, serve, status};
use crate::http::io::split_tcp;
use crate::http::term::LEAVING;
use crate::http::{Body, BodyError, Frame, Reply, Size, Source};
use crate::observe::{Decision, Kept};
use crate::pipeline::{Context, Policy, Routed, Step, Stop};
use crate::snapshot::Live;

/// Answers by path: `/judging` panics at once, `/reply` in the middle of its body, `/gated` waits in the middle of its
/// body for the gate to open.
#[derive(Debug)]
struct Defective(Arc<Semaphore>);

impl Policy for Defective {
    fn name(&self) -> &'static str {
        "defective"
    }

    fn screen<'a>(&'a self, request: &'a mut Routed, _cx: &'a mut Context) -> Step<'a, ()> {
        let gate = match request.request().path() {
            "/judging" => panic!("a defect in a control"),
            "/gated" => Some(Arc::clone(&self.0)),
            _ => None,
        };
        let body = Body::Stream(Box::new(Half { has_begun: false, gate }));
        Step::Now(Err(Stop::answer(Reply { status: StatusCode::OK, fields: Fields::new(), body })))
    }
}

/// One piece, and then a panic; or with a gate, the end once it is open.
struct Half {
    has_begun: bool,
    gate: Option<Arc<Semaphore>>,
}

impl Source for Half {
    fn poll_frame(&mut self, cx: &mut TaskContext<'_>) -> Poll<Result<Frame, BodyError>> {
        if !std::mem::replace(&mut self.has_begun, true) {
            return Poll::Ready(Ok(Frame::Data(Bytes::from_static(b"half"))));
        }
        let Some(gate) = &self.gate else { panic!("a defect in a body") };
        if gate.available_permits() > 0 {
            return Poll::Ready(Ok(Frame::End));
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn size(&self) -> Size {
        Size::Unknown
    }
}

fn defective() -> (Arc<Live>, Arc<Semaphore>) {
    let gate = Arc::new(Semaphore::new(0));
    let policy = Arc::new(Defective(Arc::clone(&gate)));
    (live_with("", |snapshot| snapshot.with_policy(policy)), gate)
}

/// Waits until so many exchanges are kept, the first one first.
async fn kept(live: &Live, count: usize) -> Vec<Kept> {
    for _ in 0..1000 {
        let mut kept = live.ground.observe.recent(count + 1);
        if kept.len() >= count {
            kept.reverse();
            return kept;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    panic!("fewer than {count} records");
}

fn is_told(kept: &Kept, what: &str) -> bool {
    kept.problem == Some("internal-error") && kept.cause.contains(what)
}

#[tokio::test]
async fn a_panic_in_a_reply_resets_its_stream_and_the_others_go_on() {
    let (live, gate) = defective();
    let mut client = serve(&live);
    client.greet(&[]).await;
    let get = |stream, path| headers(flag::END_STREAM, stream, scene::request("GET", path, "gw.test"));
    client.send([get(1, "/gated"), get(3, "/reply")]).await;
    let reset = client.until(|frame| frame.kind == kind::RST_STREAM).await.expect("a reset");
    assert_eq!((reset.stream, reset.code()), (3, Some(2)), "INTERNAL_ERROR on its own stream");

    client.send([get(5, "/judging")]).await;
    let is_head = |stream| move |frame: &Wired| frame.kind == kind::HEADERS && frame.stream == stream;
    let head = client.until(is_head(5)).await.expect("an answer");
    assert_eq!(status(&head), Some(500), "before a reply a panic is a problem");

    gate.add_permits(1);
    let end = client.until(|frame| frame.stream == 1 && frame.has(flag::END_STREAM)).await;
    assert!(end.is_some(), "what was under way ends properly");
    client.term.end(Duration::from_secs(30), LEAVING);
    assert_eq!(client.ending().await, Some(code::NO_ERROR), "the connection ends in its own time");

    let kept = kept(&live, 3).await;
    assert_eq!(kept.len(), 3, "{kept:?}");
    let by_path = |path: &str| kept.iter().find(|kept| kept.path == path).expect("a record");
    assert!(is_told(by_path("/reply"), "a defect in a body"), "{kept:?}");
    assert_eq!(by_path("/reply").decision, Decision::Aborted);
    assert!(is_told(by_path("/judging"), "a defect in a control"), "{kept:?}");
    assert_eq!(by_path("/gated").problem, None);
}

#[tokio::test]
async fn a_panic_in_a_reply_closes_its_http1_connection_without_an_end() {
    let (live, gate) = defective();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let serving = Arc::clone(&live);
    drop(tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (reader, writer) = split_tcp(stream);
            let serving = Arc::clone(&serving);
            drop(tokio::spawn(async move { http1::serve(reader, writer, peer(), &serving).await }));
        }
    }));
    gate.add_permits(1);
    let ask = async |path: &str| {
        let mut client = TcpStream::connect(address).await.expect("a listener");
        // What follows on a connection whose reply broke off is never looked at.
        let request = format!("GET {path} HTTP/1.1\r\nHost: gw.test\r\n");
        let twice = format!("{request}\r\n{request}Connection: close\r\n\r\n");
        client.write_all(twice.as_bytes()).await.expect("written");
        let mut answer = Vec::new();
        let _ = client.read_to_end(&mut answer).await;
        String::from_utf8(answer).expect("text")
    };
    let broken = ask("/reply").await;
    assert!(!broken.contains("\r\n0\r\n"), "no last chunk: {broken}");
    assert!(broken.matches("HTTP/1.1").count() <= 1, "{broken}");
    let whole = ask("/gated").await;
    assert_eq!(whole.matches("4\r\nhalf\r\n0\r\n\r\n").count(), 2, "the next client is served: {whole}");
    let kept = kept(&live, 2).await;
    assert!(kept.iter().any(|kept| is_told(kept, "a defect in a body")), "{kept:?}");
}
