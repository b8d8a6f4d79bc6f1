//! Backends that speak HTTP/2: shared connections, trailers, streams that are refused or break off.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use h2::server::{Connection, SendResponse};
use h2::{Reason, RecvStream};
use http::{HeaderMap, HeaderValue, Method, Request, Response};
use portcullis_http1::Fields;
use tokio::net::{TcpListener, TcpStream};

use super::rig::{PATIENCE, data, drain, end, scripted, spec};
use crate::clock;
use crate::http::deadline::Deadline;
use crate::http::interim::Interim;
use crate::http::{Body, BodyError, Frame, Size};
use crate::tasks::Tasks;
use crate::upstream::Backend;
use crate::upstream::answer::{Errand, Incoming, Rest, Times};
use crate::upstream::failure::Failure;
use crate::upstream::http2::{Opened, connections_of};
use crate::upstream::spec::{BackendSpec, Protocol};

/// Our side: what `forward` does, without client, route and policies.
struct Rig {
    backend: Backend,
    interim: Interim,
    deadline: Deadline,
}

impl Rig {
    fn new(port: u16) -> Self {
        Self::with(port, |_| {})
    }

    fn with(port: u16, change: impl FnOnce(&mut BackendSpec)) -> Self {
        let mut spec = spec(port);
        spec.protocol = Protocol::Http2;
        change(&mut spec);
        let backend = Backend::new(spec, 1).expect("a backend");
        Self { backend, interim: Interim::default(), deadline: Deadline::new() }
    }

    async fn get(&mut self) -> Result<Incoming, Failure> {
        self.send(Method::GET, Size::None, Body::Empty).await
    }

    async fn send(&mut self, method: Method, size: Size, body: Body) -> Result<Incoming, Failure> {
        let target = self.backend.target().expect("a target");
        let timeouts = &self.backend.spec().timeouts;
        let mut times = Times::default();
        let now = clock::now();
        let mut rest = Rest::untouched(None);
        let mut tries = self.backend.budget.begin();
        let mut errand = Errand {
            spec: self.backend.spec(),
            budget: &self.backend.budget,
            target,
            method: &method,
            idle: timeouts.idle,
            total: timeouts.total,
            upgrade: None,
            started: now,
            began: now,
            times: &mut times,
            tries: &mut tries,
            deadline: &mut self.deadline,
            interim: &self.interim,
        };
        let uri = format!("http://{}/orders?q=1", target.authority);
        let head = Request::builder().method(&method).uri(uri).body(()).expect("a head");
        let sending = async move {
            let Opened::Http2(lease) = errand.lease().await? else { panic!("HTTP/1.1") };
            errand.run_http2(lease, head, size, body, &mut rest).await
        };
        tokio::time::timeout(PATIENCE, sending).await.expect("an outcome in time")
    }

    fn connections(&self) -> usize {
        connections_of(self.backend.target().expect("a target").id)
    }
}

type Wire = Connection<TcpStream, Bytes>;

/// A backend: `serve` has each connection, with its number.
async fn backend<F>(serve: impl Fn(usize, Wire) -> F + Send + 'static) -> u16
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    Tasks::default().spawn(async move {
        let tasks = Tasks::default();
        for number in 0.. {
            let Ok((stream, _)) = listener.accept().await else { return };
            let wire = h2::server::handshake(stream).await.expect("a preface");
            tasks.spawn(serve(number, wire));
        }
    });
    port
}

/// A backend that has `answer` answer each stream.
async fn answering<F>(
    answer: impl Fn(Request<RecvStream>, SendResponse<Bytes>) -> F + Clone + Send + Sync + 'static,
) -> u16
where
    F: Future<Output = ()> + Send + 'static,
{
    backend(move |_, mut wire| {
        let answer = answer.clone();
        async move {
            while let Some(Ok((request, respond))) = wire.accept().await {
                Tasks::default().spawn(answer(request, respond));
            }
        }
    })
    .await
}

fn head(status: u16) -> Response<()> {
    Response::builder().status(status).body(()).expect("a head")
}

async fn read(body: &mut RecvStream) -> Option<Vec<u8>> {
    let mut all = Vec::new();
    while let Some(piece) = body.data().await {
        let piece = piece.ok()?;
        let _ = body.flow_control().release_capacity(piece.len());
        all.extend_from_slice(&piece);
    }
    Some(all)
}

/// Answers with what was sent, trailers included.
async fn echo(request: Request<RecvStream>, mut respond: SendResponse<Bytes>) {
    let mut body = request.into_body();
    let Some(all) = read(&mut body).await else { return };
    let trailers = body.trailers().await.expect("an end").unwrap_or_default();
    let mut out = respond.send_response(head(200), false).expect("a stream");
    out.send_data(all.into(), trailers.is_empty()).expect("a stream");
    if !trailers.is_empty() {
        out.send_trailers(trailers).expect("a stream");
    }
}

#[tokio::test]
async fn exchanges_share_a_connection() {
    let port = answering(|request, mut respond| async move {
        assert_eq!(request.uri().path(), "/orders");
        let mut answer = head(200);
        answer.headers_mut().insert("content-length", 5.into());
        let mut out = respond.send_response(answer, false).expect("a stream");
        out.send_data(Bytes::from_static(b"hello"), true).expect("a stream");
    })
    .await;
    let mut rig = Rig::new(port);
    for _ in 0..3 {
        let incoming = rig.get().await.expect("an answer");
        assert_eq!(incoming.head.status, 200);
        assert_eq!(incoming.body.size(), Size::Exactly(5));
        assert_eq!(drain(incoming.body).await.expect("a body"), b"hello");
        assert_eq!(rig.connections(), 1);
    }
}

#[tokio::test]
async fn bodies_longer_than_the_windows_go_up_and_down() {
    const BYTES: usize = 3 * 1024 * 1024;
    let mut rig = Rig::new(answering(echo).await);
    let body = Body::from_bytes(Bytes::from(vec![b'z'; BYTES]));
    let incoming = rig.send(Method::PUT, Size::Exactly(BYTES as u64), body).await.expect("an answer");
    let all = drain(incoming.body).await.expect("a body");
    assert!(all.len() == BYTES && all.iter().all(|byte| *byte == b'z'));
}

#[tokio::test]
async fn trailers_go_both_ways() {
    let mut rig = Rig::new(answering(echo).await);
    let mut fields = Fields::new();
    fields.push("grpc-status", "0");
    fields.push("authorization", "no trailer");
    let frames = vec![data("call"), Some(Ok(Frame::Trailers(fields))), end()];
    let mut body =
        rig.send(Method::POST, Size::Unknown, scripted(Size::Unknown, frames)).await.expect("an answer").body;
    assert!(matches!(body.frame().await, Ok(Frame::Data(piece)) if piece == "call"));
    let Ok(Frame::Trailers(trailers)) = body.frame().await else { panic!("no trailers") };
    assert_eq!(trailers.first("grpc-status"), Some(&b"0"[..]));
    assert_eq!(trailers.len(), 1);
    assert!(matches!(body.frame().await, Ok(Frame::End)));
}

#[tokio::test]
async fn an_answer_may_begin_before_the_request_has_ended() {
    let port = answering(|request, mut respond| async move {
        let mut out = respond.send_response(head(200), false).expect("a stream");
        let mut body = request.into_body();
        while let Some(Ok(piece)) = body.data().await {
            out.send_data(piece, false).expect("a stream");
        }
        out.send_trailers(HeaderMap::from_iter([(
            http::HeaderName::from_static("grpc-status"),
            HeaderValue::from_static("0"),
        )]))
        .expect("a stream");
    })
    .await;
    let (send, receive) = tokio::sync::mpsc::channel(1);
    let mut rig = Rig::new(port);
    let body = Body::Stream(Box::new(Piped(std::sync::Mutex::new(receive))));
    let mut body = rig.send(Method::POST, Size::Unknown, body).await.expect("an answer").body;
    for word in ["one", "two"] {
        send.send(Bytes::from(word)).await.expect("room");
        assert!(matches!(body.frame().await, Ok(Frame::Data(piece)) if piece == word));
    }
    drop(send);
    assert!(matches!(body.frame().await, Ok(Frame::Trailers(_))));
    assert!(matches!(body.frame().await, Ok(Frame::End)));
}

/// A body that comes out of a channel.
struct Piped(std::sync::Mutex<tokio::sync::mpsc::Receiver<Bytes>>);

impl crate::http::Source for Piped {
    fn poll_frame(&mut self, cx: &mut std::task::Context<'_>) -> std::task::Poll<Result<Frame, BodyError>> {
        let piece = self.0.get_mut().expect("a lock").poll_recv(cx);
        piece.map(|piece| Ok(piece.map_or(Frame::End, Frame::Data)))
    }

    fn size(&self) -> Size {
        Size::Unknown
    }
}

#[tokio::test]
async fn a_refused_stream_is_asked_once_more() {
    for (refusals, is_answered) in [(1, true), (2, false)] {
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        let port = answering(move |request, mut respond| {
            let number = count.fetch_add(1, Ordering::SeqCst);
            async move {
                if number < refusals {
                    respond.send_reset(Reason::REFUSED_STREAM);
                } else {
                    echo(request, respond).await;
                }
            }
        })
        .await;
        let outcome =
            Rig::new(port).send(Method::POST, Size::Exactly(4), Body::from_bytes("body".into())).await;
        assert_eq!(asked.load(Ordering::SeqCst), 2);
        match outcome {
            Ok(incoming) => assert_eq!(drain(incoming.body).await.expect("a body"), b"body"),
            Err(failure) => assert!(!is_answered && matches!(failure, Failure::Closed(_)), "{failure:?}"),
        }
    }
}

#[tokio::test]
async fn a_reset_is_no_end() {
    for reason in [Reason::INTERNAL_ERROR, Reason::NO_ERROR, Reason::CANCEL] {
        let port = answering(move |_, mut respond| async move {
            let mut out = respond.send_response(head(200), false).expect("a stream");
            out.send_data(Bytes::from_static(b"half"), false).expect("a stream");
            tokio::task::yield_now().await;
            out.send_reset(reason);
        })
        .await;
        let mut rig = Rig::new(port);
        match rig.get().await {
            Ok(incoming) => {
                let (_, error) = drain(incoming.body).await.expect_err("no end");
                assert!(matches!(error, BodyError::Closed), "{error:?}");
            }
            Err(failure) => assert!(matches!(failure, Failure::Closed(_)), "{failure:?}"),
        }
    }
}

#[tokio::test]
async fn a_connection_that_closes_is_no_end() {
    let port = backend(|_, mut wire| async move {
        let Some(Ok((_, mut respond))) = wire.accept().await else { return };
        let mut out = respond.send_response(head(200), false).expect("a stream");
        out.send_data(Bytes::from_static(b"half"), false).expect("a stream");
        let _ = tokio::time::timeout(std::time::Duration::from_millis(50), wire.accept()).await;
    })
    .await;
    let mut rig = Rig::new(port);
    let incoming = rig.get().await.expect("a head");
    let (before, error) = drain(incoming.body).await.expect_err("no end");
    assert_eq!(before, b"half");
    assert!(matches!(error, BodyError::Closed), "{error:?}");
    assert_eq!(rig.connections(), 0);
}

#[tokio::test]
async fn a_connection_that_goes_away_is_replaced() {
    let port = backend(|_, mut wire| async move {
        let Some(Ok((request, respond))) = wire.accept().await else { return };
        wire.graceful_shutdown();
        Tasks::default().spawn(echo(request, respond));
        while wire.accept().await.is_some() {}
    })
    .await;
    let mut rig = Rig::new(port);
    for _ in 0..3 {
        let incoming = rig.get().await.expect("an answer");
        assert!(drain(incoming.body).await.expect("a body").is_empty());
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_resets_the_stream() {
    let (report, mut reported) = tokio::sync::mpsc::channel(1);
    let port = answering(move |request, _respond| {
        let report = report.clone();
        async move {
            let whole = read(&mut request.into_body()).await;
            let _ = report.send(whole).await;
        }
    })
    .await;
    let mut rig = Rig::new(port);
    let frames = vec![data("all of it"), Some(Err(BodyError::Closed))];
    let failure = rig
        .send(Method::POST, Size::Exactly(9), scripted(Size::Exactly(9), frames))
        .await
        .expect_err("no request");
    assert!(matches!(failure, Failure::Request(BodyError::Closed)), "{failure:?}");
    assert_eq!(reported.recv().await, Some(None), "the backend saw an end");
}

#[tokio::test]
async fn an_answer_without_content_has_no_body() {
    let port = answering(|request, mut respond| async move {
        let mut answer = head(if request.method() == Method::HEAD { 200 } else { 204 });
        if request.method() == Method::HEAD {
            answer.headers_mut().insert("content-length", 7.into());
        }
        respond.send_response(answer, true).expect("a stream");
    })
    .await;
    let mut rig = Rig::new(port);
    for method in [Method::HEAD, Method::DELETE] {
        let incoming = rig.send(method, Size::None, Body::Empty).await.expect("an answer");
        assert!(matches!(incoming.body, Body::Empty));
    }
}

#[tokio::test]
async fn a_silent_connection_is_not_used_again() {
    let port = answering(|_request, respond| async move {
        std::future::pending::<()>().await;
        drop(respond);
    })
    .await;
    let mut rig = Rig::with(port, |spec| spec.timeouts.response = std::time::Duration::from_millis(60));
    let failure = rig.get().await.expect_err("too slow");
    assert!(matches!(failure, Failure::TimedOut(_)), "{failure:?}");
    assert_eq!(rig.connections(), 0);
}
