//! What an answer may look like, and which connection carries the next request.

use http::{Method, StatusCode};
use portcullis_http1::{Framing, Refusal};

use super::rig::{Rig, answering, backend, drain, read_head, say};
use crate::http::{Body, BodyError, Size, Upgrade};
use crate::upstream::answer::Incoming;
use crate::upstream::failure::Failure;

async fn outcome(answer: &'static str) -> Result<(u16, Vec<u8>), String> {
    let mut rig = Rig::new(answering(answer));
    let Incoming { head, body } = rig.get().await.map_err(|failure| format!("{failure:?}"))?;
    match drain(body).await {
        Ok(body) => Ok((head.status, body)),
        Err((_, error)) => Err(format!("{error:?}")),
    }
}

#[tokio::test]
async fn answers_with_one_reading_pass() {
    for (answer, status, body) in [
        ("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello", 200, "hello"),
        ("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", 200, ""),
        ("HTTP/1.1 204 No Content\r\n\r\n", 204, ""),
        ("HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n", 304, ""),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", 200, "hello"),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
            200,
            "hello",
        ),
        ("HTTP/1.1 200 OK\r\n\r\nuntil the end", 200, "until the end"),
        ("HTTP/1.0 200 OK\r\n\r\nold", 200, "old"),
        ("HTTP/1.1 599 \r\ncontent-length: 2\r\n\r\nno", 599, "no"),
    ] {
        assert_eq!(outcome(answer).await, Ok((status, body.into())), "{answer:?}");
    }
}

#[tokio::test]
async fn answers_with_two_readings_are_refused() {
    for (answer, reason) in [
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
            "TransferEncodingAndContentLength",
        ),
        ("HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello", "ContentLengthRepeated"),
        ("HTTP/1.1 200 OK\r\ncontent-length: +5\r\n\r\nhello", "ContentLengthInvalid"),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: xchunked\r\n\r\n0\r\n\r\n", "TransferEncodingInvalid"),
        ("HTTP/1.1 204 No Content\r\ncontent-length: 5\r\n\r\nhello", "BodyNotAllowed"),
        ("HTTP/1.1 204 No Content\r\n\r\nhello", "bytes follow the answer"),
        ("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhelloHTTP/1.1 200 OK\r\n", "bytes follow the answer"),
        ("HTTP/1.1 200 OK\ncontent-length: 5\n\nhello", "BareLineFeed"),
        ("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n x: y\r\n\r\nhello", "LineFolding"),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n",
            "ChunkSizeInvalid",
        ),
        ("HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\n", "SwitchUnasked"),
        ("SSH-2.0-OpenSSH\r\n", "StatusLineInvalid"),
    ] {
        let refused = outcome(answer).await.expect_err(answer);
        assert!(refused.contains(reason), "{answer:?}: {refused}");
    }
}

/// RFC 6455 §4.1. What came behind the backend's 101 is the tunnel's.
#[tokio::test]
async fn a_switch_becomes_a_tunnel_if_it_answers_the_clients_key() {
    const KEY: &[u8] = b"dGhlIHNhbXBsZSBub25jZQ==";
    let answer = "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n\
         sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nsec-websocket-protocol: chat\r\n\r\nframes";
    for (key, is_switched) in [(KEY, true), (b"AAAAAAAAAAAAAAAAAAAAAA==", false)] {
        let mut rig = Rig::new(answering(answer));
        rig.upgrade = Some(Upgrade::WebSocket);
        let incoming = rig.get().await.expect("an answer");
        match incoming.into_reply(&Method::GET, Some(key)) {
            Ok(reply) => {
                let Body::Switched(tunnel) = reply.body else { panic!("no tunnel") };
                assert!(is_switched && reply.status == StatusCode::SWITCHING_PROTOCOLS);
                assert_eq!(&tunnel.reader.buffer[..], b"frames");
                assert_eq!(reply.fields.first("sec-websocket-protocol"), Some(&b"chat"[..]));
                assert!(!reply.fields.has("upgrade") && !reply.fields.has("connection"));
            }
            Err(failure) => assert!(!is_switched, "{failure:?}"),
        }
        assert_eq!(rig.kept(), 0, "no pool gets it back");
    }
}

#[tokio::test]
async fn an_answer_that_stops_short_never_ends() {
    for (answer, came) in [
        ("HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\nhello", "hello"),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n", "hello"),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n", "hello"),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", ""),
    ] {
        let mut rig = Rig::new(answering(answer));
        let incoming = rig.get().await.expect("a head");
        let (before, error) = drain(incoming.body).await.expect_err("no end");
        assert_eq!(before, came.as_bytes(), "{answer:?}");
        assert!(matches!(error, BodyError::Closed), "{answer:?}: {error:?}");
        assert_eq!(rig.kept(), 0);
    }
}

#[tokio::test]
async fn a_backend_that_closes_without_an_answer_is_a_bad_gateway() {
    for answer in ["", "HTTP/1.1 200 OK\r\ncontent-le"] {
        let mut rig = Rig::new(answering(answer));
        assert!(matches!(rig.get().await, Err(Failure::Closed(_))), "{answer:?}");
    }
}

#[tokio::test]
async fn interim_answers_pass_except_100() {
    let mut rig = Rig::new(answering(
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </a>\r\nconnection: x-a\r\nx-a: 1\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
    ));
    let incoming = rig.get().await.expect("an answer");
    assert_eq!(incoming.head.status, 200);
    let interim = rig.interim.take();
    let statuses: Vec<_> = interim.iter().map(|(status, fields)| (*status, fields.len())).collect();
    assert_eq!(statuses, [(StatusCode::from_u16(103).expect("103"), 1)]);
}

#[tokio::test]
async fn a_flood_of_interim_answers_is_refused() {
    let port = backend(|_, mut stream| {
        read_head(&mut stream);
        for _ in 0..1000 {
            say(&mut stream, "HTTP/1.1 102 Processing\r\n\r\n");
        }
    });
    let failure = Rig::new(port).get().await.expect_err("refused");
    assert!(matches!(failure, Failure::Unexpected("too many interim answers")), "{failure:?}");
}

#[tokio::test]
async fn an_interim_answer_with_a_body_is_refused() {
    let mut rig = Rig::new(answering("HTTP/1.1 103 Early Hints\r\ncontent-length: 3\r\n\r\nabc"));
    assert!(matches!(rig.get().await, Err(Failure::Malformed(Refusal::BodyNotAllowed))));
}

#[tokio::test]
async fn the_answer_to_head_announces_and_brings_nothing() {
    let mut rig = Rig::new(answering("HTTP/1.1 200 OK\r\ncontent-length: 1234\r\n\r\n"));
    let incoming = rig.send(Method::HEAD, Framing::None, Body::Empty).await.expect("an answer");
    let reply = incoming.into_reply(&Method::HEAD, None).expect("a reply");
    assert_eq!(reply.fields.first("content-length"), Some(&b"1234"[..]));
    assert_eq!(reply.body.size(), Size::None);
    assert_eq!(drain(reply.body).await.expect("an end"), b"");
}

#[tokio::test]
async fn a_connection_is_used_again_until_the_backend_says_otherwise() {
    let port = backend(|number, mut stream| {
        let mut served = 0;
        while read_head(&mut stream).is_some() {
            served += 1;
            let close = if served == 2 { "connection: close\r\n" } else { "" };
            let body = format!("{number}.{served}");
            say(
                &mut stream,
                &format!("HTTP/1.1 200 OK\r\n{close}content-length: {}\r\n\r\n{body}", body.len()),
            );
        }
    });
    let mut rig = Rig::new(port);
    let mut seen = Vec::new();
    for _ in 0..3 {
        let incoming = rig.get().await.expect("an answer");
        seen.push(String::from_utf8(drain(incoming.body).await.expect("a body")).expect("text"));
    }
    assert_eq!(seen, ["0.1", "0.2", "1.1"]);
    assert_eq!(rig.kept(), 1);
}

#[tokio::test]
async fn a_connection_that_speaks_unasked_is_never_used_again() {
    let port = backend(|number, mut stream| {
        while read_head(&mut stream).is_some() {
            let body = if number == 0 { "first" } else { "right" };
            say(&mut stream, &format!("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n{body}"));
            if number == 0 {
                say(&mut stream, "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\npoison");
            }
        }
    });
    let mut rig = Rig::new(port);
    match rig.get().await {
        Ok(incoming) => {
            assert_eq!(drain(incoming.body).await.expect("a body"), b"first");
            rig.swept().await;
        }
        // Both came in one read: the first answer is refused along with what followed it.
        Err(failure) => assert!(matches!(failure, Failure::Unexpected(_)), "{failure:?}"),
    }
    let incoming = rig.get().await.expect("an answer");
    assert_eq!(drain(incoming.body).await.expect("a body"), b"right");
}

#[tokio::test]
async fn a_connection_closed_by_its_backend_is_not_chosen() {
    let port = backend(|_, mut stream| {
        read_head(&mut stream);
        say(&mut stream, "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
    });
    let mut rig = Rig::new(port);
    drain(rig.get().await.expect("an answer").body).await.expect("a body");
    rig.swept().await;
    drain(rig.get().await.expect("an answer").body).await.expect("a body");
}

/// A backend whose first connection answers once and dies with the second request.
fn dying() -> u16 {
    backend(|number, mut stream| {
        while read_head(&mut stream).is_some() {
            say(&mut stream, &format!("HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n{number}"));
            if number == 0 {
                read_head(&mut stream);
                return;
            }
        }
    })
}

#[tokio::test]
async fn an_idempotent_request_is_sent_again_when_a_kept_connection_dies() {
    let mut rig = Rig::new(dying());
    assert_eq!(drain(rig.get().await.expect("an answer").body).await.expect("a body"), b"0");
    assert_eq!(rig.kept(), 1);
    assert_eq!(drain(rig.get().await.expect("an answer").body).await.expect("a body"), b"1");
}

#[tokio::test]
async fn a_post_is_not_sent_twice() {
    let mut rig = Rig::new(dying());
    drain(rig.get().await.expect("an answer").body).await.expect("a body");
    assert_eq!(rig.kept(), 1);
    let outcome = rig.send(Method::POST, Framing::Length(0), Body::Empty).await;
    assert!(matches!(outcome, Err(Failure::Closed(_))), "{outcome:?}");
}

#[tokio::test]
async fn a_backend_is_not_asked_again_when_a_new_connection_dies() {
    let port = backend(|_, mut stream| {
        read_head(&mut stream);
    });
    assert!(matches!(Rig::new(port).get().await, Err(Failure::Closed(_))));
}
