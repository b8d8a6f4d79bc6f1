//! Request bodies going up, answer bodies coming down, and both at once.

use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::sync_channel;

use bytes::Bytes;
use http::Method;
use portcullis_http1::{Fields, Framing};

use super::rig::{
    LONG_PIECE, Long, PATIENCE, Rig, backend, breathe, data, drain, end, read_all, read_head, say, scripted,
};
use crate::http::{Body, BodyError, Frame, Size};
use crate::upstream::failure::Failure;

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// Sends a body to a backend that answers `OK` when it has seen `until`; what the backend saw behind the head.
async fn seen(framing: Framing, body: Body, until: &'static str) -> String {
    let (report, reported) = sync_channel(1);
    let port = backend(move |_, mut stream| {
        read_head(&mut stream);
        let mut all = Vec::new();
        let mut byte = [0];
        while !all.ends_with(until.as_bytes()) {
            match stream.read(&mut byte) {
                Ok(1) => all.push(byte[0]),
                _ => break,
            }
        }
        say(&mut stream, OK);
        let _ = report.send(all);
    });
    let mut rig = Rig::new(port);
    let outcome = rig.send(Method::POST, framing, body).await;
    drop(outcome);
    String::from_utf8(reported.recv_timeout(PATIENCE).expect("a report")).expect("text")
}

#[tokio::test]
async fn a_body_of_known_length_is_sent_as_it_is() {
    let body = Body::from_bytes(Bytes::from_static(b"hello"));
    assert_eq!(seen(Framing::Length(5), body, "hello").await, "hello");
}

#[tokio::test]
async fn a_body_of_unknown_length_is_chunked() {
    let body = scripted(Size::Unknown, vec![data("hello"), data(" world"), end()]);
    assert_eq!(seen(Framing::Chunked, body, "0\r\n\r\n").await, "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n");
}

#[tokio::test]
async fn trailers_follow_the_last_chunk() {
    let mut trailers = Fields::new();
    trailers.push("x-sum", "1");
    let frames = vec![data("a"), Some(Ok(Frame::Trailers(trailers))), end()];
    let body = scripted(Size::Unknown, frames);
    assert_eq!(seen(Framing::Chunked, body, "1\r\n\r\n").await, "1\r\na\r\n0\r\nx-sum: 1\r\n\r\n");
}

#[tokio::test]
async fn large_pieces_keep_their_order() {
    let large: &'static str = Box::leak("0123456789abcdef".repeat(2000).into_boxed_str());
    let body = scripted(Size::Unknown, vec![data("a"), data(large), data("b"), data(large), end()]);
    let size = format!("{:x}", large.len());
    let expected = format!("1\r\na\r\n{size}\r\n{large}\r\n1\r\nb\r\n{size}\r\n{large}\r\n0\r\n\r\n");
    assert_eq!(seen(Framing::Chunked, body, "0\r\n\r\n").await, expected);
}

#[tokio::test]
async fn a_body_that_breaks_off_never_ends_at_the_backend() {
    let (report, reported) = sync_channel(1);
    let port = backend(move |_, mut stream| {
        read_head(&mut stream);
        let _ = report.send(read_all(&mut stream));
    });
    let mut rig = Rig::new(port);
    let body = scripted(Size::Unknown, vec![data("hello"), Some(Err(BodyError::Closed))]);
    let outcome = rig.send(Method::POST, Framing::Chunked, body).await;
    assert!(matches!(outcome, Err(Failure::Request(BodyError::Closed))), "{outcome:?}");
    drop(outcome);
    let seen = reported.recv_timeout(PATIENCE).expect("a report");
    assert!(!seen.ends_with(b"0\r\n\r\n"), "{}", seen.escape_ascii());
}

#[tokio::test]
async fn a_late_refusal_leaves_a_body_of_known_length_incomplete() {
    let (report, reported) = sync_channel(1);
    let port = backend(move |_, mut stream| {
        read_head(&mut stream);
        let _ = report.send(read_all(&mut stream));
    });
    let mut rig = Rig::new(port);
    let large: &'static str = Box::leak("x".repeat(8192).into_boxed_str());
    let frames = vec![data(large), data("end"), Some(Err(BodyError::Malformed("an inspector said no")))];
    let body = scripted(Size::Exactly(8195), frames);
    let outcome = rig.send(Method::POST, Framing::Length(8195), body).await;
    assert!(matches!(outcome, Err(Failure::Request(BodyError::Malformed(_)))), "{outcome:?}");
    drop(outcome);
    assert!(reported.recv_timeout(PATIENCE).expect("a report").len() < 8195);
}

#[tokio::test]
async fn a_message_without_content_waits_for_its_verdict() {
    let (report, reported) = sync_channel(1);
    let port = backend(move |_, mut stream| {
        let _ = report.send(read_all(&mut stream));
    });
    let mut rig = Rig::new(port);
    let body = scripted(Size::None, vec![Some(Err(BodyError::Malformed("an inspector said no")))]);
    let outcome = rig.send(Method::GET, Framing::None, body).await;
    assert!(matches!(outcome, Err(Failure::Request(_))), "{outcome:?}");
    drop(outcome);
    assert_eq!(reported.recv_timeout(PATIENCE).expect("a report"), b"");
}

#[tokio::test]
async fn a_body_longer_or_shorter_than_announced_is_not_completed() {
    let port = backend(|_, mut stream| {
        read_all(&mut stream);
    });
    for frames in [vec![data("hello"), data("!"), end()], vec![data("hell"), end()]] {
        let mut rig = Rig::new(port);
        let outcome = rig.send(Method::POST, Framing::Length(5), scripted(Size::Exactly(5), frames)).await;
        assert!(matches!(outcome, Err(Failure::Request(_))), "{outcome:?}");
    }
}

#[tokio::test]
async fn an_early_answer_passes_while_the_upload_goes_on() {
    let port = backend(|_, mut stream| {
        read_head(&mut stream);
        say(&mut stream, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nearly\r\n");
        let mut left = 64 * LONG_PIECE;
        let mut buffer = vec![0; LONG_PIECE];
        while left > 0 {
            left -= stream.read(&mut buffer).expect("the rest of the upload");
        }
        say(&mut stream, "4\r\nlate\r\n0\r\n\r\n");
        read_head(&mut stream);
    });
    let mut rig = Rig::new(port);
    let asked = Arc::new(AtomicUsize::new(0));
    let body = Body::Stream(Box::new(Long { left: 64, asked: Arc::clone(&asked) }));
    let length = Framing::Length((64 * LONG_PIECE) as u64);
    let incoming = rig.send(Method::PUT, length, body).await.expect("an answer");
    assert_eq!(incoming.head.status, 200);
    assert_eq!(drain(incoming.body).await.expect("an end"), b"earlylate");
    assert_eq!(asked.load(Ordering::SeqCst), 64);
    assert_eq!(rig.kept(), 1);
}

#[tokio::test]
async fn an_answer_that_ends_first_stops_the_upload_and_closes() {
    let (report, reported) = sync_channel(1);
    let port = backend(move |_, mut stream| {
        read_head(&mut stream);
        say(&mut stream, "HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno");
        let _ = report.send(read_all(&mut stream));
    });
    let mut rig = Rig::new(port);
    let body = scripted(Size::Exactly(100), vec![data("hello"), None]);
    let incoming = rig.send(Method::POST, Framing::Length(100), body).await.expect("an answer");
    assert_eq!(incoming.head.status, 403);
    assert_eq!(drain(incoming.body).await.expect("an end"), b"no");
    assert_eq!(rig.kept(), 0);
    assert_eq!(reported.recv_timeout(PATIENCE).expect("closed"), b"hello");
}

#[tokio::test]
async fn an_answer_is_heard_although_the_backend_takes_no_more() {
    let port = backend(|_, mut stream| {
        read_head(&mut stream);
        say(
            &mut stream,
            "HTTP/1.1 413 Content Too Large\r\ncontent-length: 3\r\nconnection: close\r\n\r\nbig",
        );
        // Closed with bytes unread: the kernel resets the connection.
    });
    let mut rig = Rig::new(port);
    let asked = Arc::new(AtomicUsize::new(0));
    let body = Body::Stream(Box::new(Long { left: 1024, asked }));
    let length = Framing::Length((1024 * LONG_PIECE) as u64);
    match rig.send(Method::PUT, length, body).await {
        Ok(incoming) => assert_eq!(incoming.head.status, 413),
        // The reset may overtake the answer; no client could have read it.
        Err(failure) => assert!(matches!(failure, Failure::Closed(Some(_))), "{failure:?}"),
    }
}

#[tokio::test]
async fn a_slow_backend_holds_the_upload_back() {
    let (go_on, gate) = sync_channel::<()>(0);
    let gate = std::sync::Mutex::new(gate);
    let port = backend(move |_, mut stream| {
        read_head(&mut stream);
        let gate = gate.lock().expect("the gate");
        gate.recv_timeout(PATIENCE).expect("told to go on");
        let mut left = 1024 * LONG_PIECE;
        let mut buffer = vec![0; LONG_PIECE];
        while left > 0 {
            left -= stream.read(&mut buffer).expect("the upload");
        }
        say(&mut stream, OK);
    });
    let asked = Arc::new(AtomicUsize::new(0));
    let body = Body::Stream(Box::new(Long { left: 1024, asked: Arc::clone(&asked) }));
    let mut rig = Rig::new(port);
    let exchange = rig.send(Method::PUT, Framing::Length((1024 * LONG_PIECE) as u64), body);
    let watch = async {
        // Until nothing moves any more: the sockets are full, and no piece is asked for.
        let mut last = 0;
        for still in 0.. {
            for _ in 0..200 {
                breathe().await;
            }
            let now = asked.load(Ordering::SeqCst);
            if now > 0 && now == last && still > 50 {
                break;
            }
            last = now;
        }
        assert!(last < 512, "{last} pieces were asked for though none was taken");
        go_on.send(()).expect("the backend waits");
    };
    let (outcome, ()) = tokio::join!(exchange, watch);
    assert_eq!(outcome.expect("an answer").head.status, 200);
    assert_eq!(asked.load(Ordering::SeqCst), 1024);
}

#[tokio::test]
async fn a_long_answer_streams_in_pieces() {
    let port = backend(|_, mut stream| {
        while read_head(&mut stream).is_some() {
            say(&mut stream, &format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", 1024 * LONG_PIECE));
            let piece = "y".repeat(LONG_PIECE);
            for _ in 0..1024 {
                say(&mut stream, &piece);
            }
        }
    });
    let mut rig = Rig::new(port);
    let mut body = rig.get().await.expect("an answer").body;
    assert_eq!(body.size(), Size::Exactly((1024 * LONG_PIECE) as u64));
    let (mut total, mut largest) = (0, 0);
    loop {
        match body.frame().await.expect("a frame") {
            Frame::Data(piece) => {
                total += piece.len();
                largest = largest.max(piece.len());
            }
            Frame::Trailers(_) => {}
            Frame::End => break,
        }
    }
    assert_eq!(total, 1024 * LONG_PIECE);
    assert!(largest <= 2 * crate::upstream::connection::READ_ROOM_MAX, "{largest}");
    assert_eq!(rig.kept(), 1);
}
