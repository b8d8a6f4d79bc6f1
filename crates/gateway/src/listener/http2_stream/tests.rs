#![expect(clippy::arithmetic_side_effects, reason = "small numbers of a test")]

use std::collections::VecDeque;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use h2::server::Connection;
use portcullis_testkit::h2::{Frame as Wired, code, flag, kind};
use tokio::io::DuplexStream;
use tokio::time::Instant;

use super::*;
use crate::bounds::Bounds;
use crate::http::Source;
use crate::listener::http2::builder;
use crate::listener::scene::{self, Client, block, headers, reset, setting, status, window_update};

/// Pieces of a body; once they are out, silence.
struct Pieces {
    pieces: VecDeque<Result<Frame, BodyError>>,
    size: Size,
    handed: Arc<AtomicUsize>,
}

impl Source for Pieces {
    fn poll_frame(&mut self, _: &mut TaskContext<'_>) -> Poll<Result<Frame, BodyError>> {
        match self.pieces.pop_front() {
            Some(piece) => {
                self.handed.fetch_add(1, Ordering::Relaxed);
                Poll::Ready(piece)
            }
            None => Poll::Pending,
        }
    }

    fn size(&self) -> Size {
        self.size
    }
}

fn data(bytes: usize) -> Result<Frame, BodyError> {
    Ok(Frame::Data(Bytes::from(vec![b'x'; bytes])))
}

fn body(size: Size, pieces: Vec<Result<Frame, BodyError>>) -> (Body, Arc<AtomicUsize>) {
    let handed = Arc::new(AtomicUsize::new(0));
    let source = Pieces { pieces: pieces.into(), size, handed: Arc::clone(&handed) };
    (Body::Stream(Box::new(source)), handed)
}

fn reply(status: u16, body: Body) -> Reply {
    let mut fields = Fields::new();
    fields.push("Set-Cookie", "a=1");
    fields.push("set-cookie", "b=2");
    Reply { status: StatusCode::from_u16(status).expect("a status"), fields, body }
}

/// One stream at the server: its wire, its body as yet unread, and its context.
struct Served {
    stream: Stream,
    receive: RecvStream,
    cx: Context,
}

impl Served {
    async fn send(mut self, mut reply: Reply) -> Sent {
        self.stream.send(&mut reply, &mut self.cx).await
    }
}

/// Runs `serve` on the first stream that `client` opens, with the codec driven beside it.
async fn run<S, C, T>(bounds: &Bounds, settings: &[(u16, u32)], head: Wired, serve: S, client: C) -> T
where
    S: AsyncFnOnce(Served),
    C: AsyncFnOnce(&mut Client) -> T,
{
    let (near, far) = tokio::io::duplex(1 << 20);
    let server = async {
        let mut codec: Connection<DuplexStream, Bytes> =
            builder(bounds).handshake(far).await.expect("a preface");
        let (request, respond) = codec.accept().await.expect("a stream").expect("a request");
        let (parts, receive) = request.into_parts();
        let stream = Stream {
            respond,
            interim: Arc::default(),
            received: Arc::default(),
            head_only: parts.method == Method::HEAD,
        };
        let live = scene::live("");
        let mut cx = Context::new(Arc::clone(&live.ground), scene::peer(), Arc::clone(&stream.interim));
        cx.begin(HttpVersion::Http2, bounds.write_idle, &Arc::from("test"));
        let mut serving = pin!(serve(Served { stream, receive, cx }));
        let mut served = false;
        poll_fn(|cx| {
            if !served && serving.as_mut().poll(cx).is_ready() {
                served = true;
            }
            // A codec that has ended has nothing more to say; the client tells how the test went.
            let _ = codec.poll_closed(cx);
            Poll::<()>::Pending
        })
        .await;
    };
    let mut near = Client { io: near, term: Arc::default() };
    let client = async {
        near.greet(settings).await;
        near.send([head]).await;
        client(&mut near).await
    };
    tokio::select! {
        outcome = client => outcome,
        () = server => unreachable!("the server waits for ever"),
    }
}

fn get() -> Wired {
    headers(flag::END_STREAM, 1, scene::request("GET", "/", "gw.test"))
}

fn post() -> Wired {
    headers(0, 1, scene::request("POST", "/", "gw.test"))
}

/// What the client saw of stream 1: `status`, bytes of content, and how it ended.
async fn seen(client: &mut Client) -> (Vec<u16>, usize, String) {
    let (mut statuses, mut bytes) = (Vec::new(), 0);
    loop {
        let frame = client.until(|frame| frame.stream == 1).await.expect("a frame");
        match frame.kind {
            kind::HEADERS => statuses.extend(status(&frame)),
            kind::DATA => bytes += frame.payload.len(),
            kind::RST_STREAM => return (statuses, bytes, format!("reset {:?}", frame.code())),
            _ => {}
        }
        if frame.has(flag::END_STREAM) && frame.kind != kind::WINDOW_UPDATE {
            return (statuses, bytes, format!("end in {}", frame.kind));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn replies_end_as_their_bodies_say() {
    let trailers = || {
        let mut fields = Fields::new();
        fields.push("grpc-status", "0");
        Ok(Frame::Trailers(fields))
    };
    let end = || Ok(Frame::End);
    let broken = || Err(BodyError::Closed);
    for (name, status, size, pieces, expected) in [
        ("known length", 200, Size::Exactly(5), vec![data(5), end()], (5, "end in 0")),
        ("known length in two", 200, Size::Exactly(5), vec![data(2), data(3), end()], (5, "end in 0")),
        ("unknown length", 200, Size::Unknown, vec![data(5), end()], (5, "end in 0")),
        ("nothing after all", 200, Size::Unknown, vec![end()], (0, "end in 0")),
        ("trailers", 200, Size::Unknown, vec![data(5), trailers(), end()], (5, "end in 1")),
        ("only trailers", 200, Size::Unknown, vec![trailers(), end()], (0, "end in 1")),
        ("broken at once", 200, Size::Unknown, vec![broken()], (0, "reset Some(2)")),
        ("broken after a piece", 200, Size::Unknown, vec![data(5), broken()], (5, "reset Some(2)")),
        ("broken before its end", 200, Size::Exactly(5), vec![data(5), broken()], (0, "reset Some(2)")),
        ("too short", 200, Size::Exactly(5), vec![data(3), broken()], (3, "reset Some(2)")),
        (
            "broken after trailers",
            200,
            Size::Unknown,
            vec![data(5), trailers(), broken()],
            (5, "reset Some(2)"),
        ),
        ("no content", 204, Size::Unknown, vec![data(5), end()], (0, "end in 1")),
        ("not modified", 304, Size::Exactly(5), vec![data(5), end()], (0, "end in 1")),
    ] {
        let (body, _) = body(size, pieces);
        let serve = async |served: Served| {
            let sent = served.send(reply(status, body)).await;
            assert_eq!(sent.complete, expected.1.starts_with("end"), "{name}");
        };
        let (statuses, bytes, ending) = run(&Bounds::default(), &[], get(), serve, seen).await;
        assert_eq!(ending, expected.1, "{name}");
        // A reset overtakes what was not flushed before.
        let is_reset = ending.starts_with("reset");
        assert!(statuses == [status] || is_reset && statuses.is_empty(), "{name}: {statuses:?}");
        assert!(bytes == expected.0 || is_reset && bytes < expected.0, "{name}: {bytes}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_reply_to_head_has_no_content() {
    let head = headers(flag::END_STREAM, 1, scene::request("HEAD", "/", "gw.test"));
    let serve = async |served: Served| {
        let sent = served.send(reply(200, Body::from_bytes(Bytes::from_static(b"12345")))).await;
        assert_eq!((sent.complete, sent.bytes), (true, 0));
    };
    let outcome = run(&Bounds::default(), &[], head, serve, seen).await;
    assert_eq!(outcome, (vec![200], 0, "end in 1".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn pieces_are_pulled_as_the_client_takes_them() {
    let pieces = std::iter::repeat_with(|| data(16 * 1024)).take(100).chain([Ok(Frame::End)]).collect();
    let (body, handed) = body(Size::Unknown, pieces);
    let serve = async |served: Served| {
        let sent = served.send(reply(200, body)).await;
        assert_eq!((sent.complete, sent.bytes), (true, 100 * 16 * 1024));
    };
    let bounds = Bounds { write_idle: Duration::from_secs(3600), ..Bounds::default() };
    let client = async |client: &mut Client| {
        let mut taken = 0;
        while taken < 100 * 16 * 1024 {
            tokio::time::sleep(Duration::from_secs(60)).await;
            let pulled = handed.load(Ordering::Relaxed) * 16 * 1024;
            // Never more than a window, what the codec holds, and the piece in hand.
            assert!(pulled <= taken + 65_535 + 64 * 1024 + 16 * 1024, "{pulled} after {taken}");
            let mut window = 0;
            while window < 65_535 && taken < 100 * 16 * 1024 {
                let frame = client.until(|frame| frame.kind == kind::DATA).await.expect("data");
                window += frame.payload.len();
                taken += frame.payload.len();
            }
            let update = u32::try_from(window).expect("small");
            client.send([window_update(1, update), window_update(0, update)]).await;
        }
    };
    run(&bounds, &[], get(), serve, client).await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_opens_no_window_is_not_waited_for() {
    let bounds = Bounds { write_idle: Duration::from_secs(9), ..Bounds::default() };
    let serve = async |served: Served| {
        let began = Instant::now();
        let sent = served.send(reply(200, Body::from_bytes(Bytes::from_static(b"12345")))).await;
        assert_eq!((sent.complete, sent.bytes, began.elapsed().as_secs()), (false, 0, 9));
    };
    let settings = [(setting::INITIAL_WINDOW_SIZE, 0)];
    let outcome = run(&bounds, &settings, get(), serve, seen).await;
    assert_eq!(outcome, (vec![200], 0, "reset Some(2)".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn interim_answers_come_before_the_final_one() {
    let serve = async |mut served: Served| {
        let interim = Arc::clone(&served.stream.interim);
        let judging = async {
            interim.push(StatusCode::EARLY_HINTS, Fields::new());
            interim.go_on();
            tokio::task::yield_now().await;
            interim.push(StatusCode::PROCESSING, Fields::new());
        };
        assert_eq!(served.stream.drive(judging).await, Some(()));
        served.send(reply(200, Body::Empty)).await;
    };
    let (statuses, ..) = run(&Bounds::default(), &[], get(), serve, seen).await;
    assert_eq!(statuses, [103, 100, 102, 200]);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_resets_its_stream_ends_the_exchange() {
    let (tell, told) = tokio::sync::oneshot::channel();
    let serve = async |mut served: Served| {
        let outcome = served.stream.drive(std::future::pending::<()>()).await;
        tell.send(outcome).expect("the test waits");
    };
    let client = async |client: &mut Client| {
        client.send([reset(1, code::CANCEL)]).await;
        told.await.expect("an outcome")
    };
    assert_eq!(run(&Bounds::default(), &[], post(), serve, client).await, None);
}

/// A body as the exchange would read it.
fn received(served: Served, size: Size, expects: bool, bounds: &Bounds) -> (StreamBody, Stream) {
    let Served { stream, receive, .. } = served;
    let expects = expects.then(|| Arc::clone(&stream.interim));
    let body = StreamBody::new(receive, size, expects, Arc::clone(&stream.received), bounds);
    (body, stream)
}

async fn next(body: &mut StreamBody) -> Result<Frame, BodyError> {
    poll_fn(|cx| body.poll_frame(cx)).await
}

#[tokio::test(start_paused = true)]
async fn a_request_body_is_read_to_its_end() {
    let (tell, told) = tokio::sync::oneshot::channel();
    let serve = async |served: Served| {
        let (mut body, stream) = received(served, Size::Unknown, false, &Bounds::default());
        assert!(matches!(next(&mut body).await, Ok(Frame::Data(piece)) if piece == "abc"));
        assert!(matches!(next(&mut body).await, Ok(Frame::Data(piece)) if piece == "d"));
        let Ok(Frame::Trailers(fields)) = next(&mut body).await else { panic!("no trailers") };
        assert_eq!(fields.first("x-sum"), Some(&b"1"[..]));
        assert!(matches!(next(&mut body).await, Ok(Frame::End)));
        tell.send(stream.received.load(Ordering::Relaxed)).expect("the test waits");
    };
    let client = async |client: &mut Client| {
        client.send([scene::data(0, 1, *b"abc"), scene::data(0, 1, [])]).await;
        client.send([Wired::new(kind::DATA, flag::PADDED, 1, *b"\x02d\0\0")]).await;
        client.send([headers(flag::END_STREAM, 1, block(&[("x-sum", "1")]))]).await;
        told.await.expect("an outcome")
    };
    assert_eq!(run(&Bounds::default(), &[], post(), serve, client).await, 4);
}

#[tokio::test(start_paused = true)]
async fn bodies_break_off_with_a_reason() {
    let bounds =
        Bounds { body_idle: Duration::from_secs(5), trailer_fields: 1, trailers: 256, ..Bounds::default() };
    let two = || block(&[("a", "1"), ("b", "2")]);
    for (frames, expected) in [
        (vec![], "TimedOut"),
        (vec![scene::data(0, 1, *b"abc")], "TimedOut"),
        (vec![reset(1, code::CANCEL)], "Closed"),
        (vec![headers(flag::END_STREAM, 1, two())], "Malformed(\"too many"),
        (
            vec![headers(flag::END_STREAM, 1, block(&[("a", &"x".repeat(300))]))],
            "Malformed(\"the trailer section",
        ),
        (vec![headers(flag::END_STREAM, 1, block(&[("a", "b ")]))], "Malformed(\"a trailer"),
        // A second HEADERS that ends nothing (RFC 9113 §8.1).
        (vec![headers(0, 1, block(&[("a", "b")]))], "Malformed(\"the stream"),
    ] {
        let (tell, told) = tokio::sync::oneshot::channel();
        let serve = async |served: Served| {
            let (mut body, _stream) = received(served, Size::Unknown, false, &bounds);
            let outcome = loop {
                match next(&mut body).await {
                    Ok(Frame::Data(_)) => {}
                    Ok(other) => break format!("{other:?}"),
                    Err(error) => break format!("{error:?}"),
                }
            };
            tell.send(outcome).expect("the test waits");
        };
        let client = async |client: &mut Client| {
            client.send(frames).await;
            told.await.expect("an outcome")
        };
        let outcome = run(&bounds, &[], post(), serve, client).await;
        assert!(outcome.starts_with(expected), "{outcome}, not {expected}");
    }
}

#[tokio::test(start_paused = true)]
async fn room_is_given_back_when_the_next_piece_is_asked_for() {
    let bounds = Bounds { h2_stream_window: 64 << 10, ..Bounds::default() };
    let (tell, told) = tokio::sync::oneshot::channel();
    let (ask, asked) = tokio::sync::oneshot::channel::<()>();
    let serve = async |served: Served| {
        let (mut body, _stream) = received(served, Size::Unknown, false, &bounds);
        for _ in 0..3 {
            assert!(matches!(next(&mut body).await, Ok(Frame::Data(piece)) if piece.len() == 16 << 10));
        }
        tell.send(()).expect("the test waits");
        asked.await.expect("the test asks");
        let _ = next(&mut body).await;
    };
    let client = async |client: &mut Client| {
        client.send(std::iter::repeat_with(|| scene::data(0, 1, vec![0; 16 << 10])).take(3)).await;
        told.await.expect("three pieces");
        // Two were passed on, and half the window is free: the codec says so.
        let is_update = |frame: &Wired| frame.kind == kind::WINDOW_UPDATE && frame.stream == 1;
        let update = client.until(is_update).await.expect("an update");
        assert_eq!(update.payload, (32_u32 << 10).to_be_bytes());
        client.send([scene::data(0, 1, vec![0; 16 << 10])]).await;
        ask.send(()).expect("the server waits");
        let quiet = tokio::time::timeout(Duration::from_secs(60), client.until(is_update)).await;
        assert!(quiet.is_err(), "48 KiB are out, and none of them more than passed on");
    };
    run(&bounds, &[], post(), serve, client).await;
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_100_is_asked_when_somebody_reads() {
    let serve = async |served: Served| {
        let (mut body, mut stream) = received(served, Size::Exactly(3), true, &Bounds::default());
        tokio::time::sleep(Duration::from_secs(2)).await;
        let piece = stream.drive(next(&mut body)).await;
        assert!(matches!(piece, Some(Ok(Frame::Data(piece))) if piece == "abc"));
        let _ =
            stream.respond.send_response(head(StatusCode::OK, &Fields::new()).ok().expect("a head"), true);
    };
    let client = async |client: &mut Client| {
        let began = Instant::now();
        let interim = client.until(|frame| frame.kind == kind::HEADERS).await.expect("an answer");
        assert_eq!((status(&interim), began.elapsed().as_secs()), (Some(100), 2));
        client.send([scene::data(flag::END_STREAM, 1, *b"abc")]).await;
        seen(client).await
    };
    let outcome = run(&Bounds::default(), &[], post(), serve, client).await;
    assert_eq!(outcome.0, [200]);
}
