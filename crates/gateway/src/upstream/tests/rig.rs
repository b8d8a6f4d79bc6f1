//! The two ends of a test: an exchange without a client, and a backend that does as it is told.

use std::future::poll_fn;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use portcullis_http1::{Bounds, Framing, HeadDecoder};

use super::super::answer::{Errand, Incoming, Rest, Times};
use super::super::failure::Failure;
use super::super::spec::{
    AnswerBounds, BackendSpec, Balance, EjectSpec, PoolSpec, Protocol, RetrySpec, TargetSpec, Timeouts,
    TlsSpec,
};
use super::super::upload::Upload;
use super::super::{Backend, pool};
use crate::chores::Chores;
use crate::clock;
use crate::dns::{Resolver, Settings};
use crate::http::canonical::Rules;
use crate::http::deadline::Deadline;
use crate::http::interim::Interim;
use crate::http::{Body, BodyError, Canonical, Frame, Head, Peer, Size, Source, Upgrade, Wire};

/// The canonical request of these lines, from a client in cleartext.
pub(in crate::upstream) fn canonical(text: &str) -> Canonical {
    let (request, _) = HeadDecoder::default()
        .request(text.replace('\n', "\r\n").as_bytes(), &Bounds::default())
        .expect("a valid head")
        .expect("a whole head");
    let peer = Peer {
        local: "192.0.2.1:8080".parse().expect("an address"),
        ..Peer::sample("192.0.2.7:4711".parse().expect("an address"))
    };
    let mut head = Head { request, wire: Wire::Http11, size: Size::None };
    Canonical::build(&mut head, &peer, &Rules::default()).expect("a canonical request")
}

/// Longer than any test needs, shorter than patience.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// Our side: what `forward` does, without client, route and policies.
pub(super) struct Rig {
    pub(super) backend: Backend,
    pub(super) interim: Interim,
    /// What the client asked to switch to.
    pub(super) upgrade: Option<Upgrade>,
    deadline: Deadline,
}

impl Rig {
    pub(super) fn new(port: u16) -> Self {
        Self::with(port, |_| {})
    }

    pub(super) fn with(port: u16, change: impl FnOnce(&mut BackendSpec)) -> Self {
        let mut spec = spec(port);
        change(&mut spec);
        let backend = Backend::new(spec, 1).expect("a backend");
        Self { backend, interim: Interim::default(), upgrade: None, deadline: Deadline::new() }
    }

    /// Resolves names from now on, with a server that nobody runs.
    pub(super) fn naming(self) -> Self {
        static RESOLVER: OnceLock<(Chores, Resolver)> = OnceLock::new();
        let (chores, resolver) = RESOLVER.get_or_init(|| {
            let chores = Chores::start().expect("a thread");
            let settings = Settings {
                servers: vec![([127, 0, 0, 1], 1).into()],
                timeout: PATIENCE,
                ttl_min: Duration::from_secs(1),
                ttl_max: Duration::from_secs(60),
            };
            (chores.clone(), Resolver::new(chores, settings))
        });
        self.backend.begin(chores, resolver);
        self
    }

    pub(super) async fn get(&mut self) -> Result<Incoming, Failure> {
        self.send(Method::GET, Framing::None, Body::Empty).await
    }

    pub(super) async fn send(
        &mut self,
        method: Method,
        framing: Framing,
        body: Body,
    ) -> Result<Incoming, Failure> {
        let target = self.backend.target().expect("a target");
        let started = clock::now();
        let kept = pool::take(target.id, started);
        let mut head = format!("{method} / HTTP/1.1\r\nhost: backend\r\n");
        match framing {
            Framing::Length(length) => head.push_str(&format!("content-length: {length}\r\n")),
            Framing::Chunked => head.push_str("transfer-encoding: chunked\r\n"),
            Framing::None | Framing::UntilClose => {}
        }
        head.push_str("\r\n");
        let timeouts = &self.backend.spec().timeouts;
        let mut times = Times::default();
        let mut rest = Rest::untouched(None);
        let mut tries = self.backend.budget.begin();
        let mut errand = Errand {
            spec: self.backend.spec(),
            budget: &self.backend.budget,
            target,
            method: &method,
            idle: timeouts.idle,
            total: timeouts.total,
            upgrade: self.upgrade,
            started,
            began: started,
            times: &mut times,
            tries: &mut tries,
            deadline: &mut self.deadline,
            interim: &self.interim,
        };
        let mut upload = Upload::new(head.into_bytes(), framing, body);
        let was_kept = kept.is_some();
        let connection = match kept {
            Some(connection) => connection,
            None => tokio::time::timeout(PATIENCE, errand.open()).await.expect("an outcome in time")?,
        };
        let running = errand.run(connection, was_kept, &mut upload, &mut rest);
        assert!(size_of_val(&running) < 1280, "{} bytes for each exchange", size_of_val(&running));
        tokio::time::timeout(PATIENCE, running).await.expect("an outcome in time")
    }

    /// Idle connections kept.
    pub(super) fn kept(&self) -> usize {
        pool::idle_of(self.backend.target().expect("a target").id)
    }

    /// Waits until a sweep finds nothing worth keeping.
    pub(super) async fn swept(&self) {
        let gone = async {
            while self.kept() > 0 {
                pool::sweep(clock::now());
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(PATIENCE, gone).await.expect("the kept connection is given up");
    }
}

pub(in crate::upstream) fn spec(port: u16) -> BackendSpec {
    BackendSpec {
        name: "orders".to_owned(),
        targets: vec![TargetSpec {
            is_tls: false,
            host: "127.0.0.1".to_owned(),
            port,
            path: String::new(),
            weight: 1,
        }],
        protocol: Protocol::Auto,
        balance: Balance::default(),
        eject: EjectSpec::default(),
        retries: RetrySpec::default(),
        breaker: None,
        concurrency: None,
        health: None,
        source: None,
        timeouts: Timeouts::default(),
        tls: TlsSpec::default(),
        pool: PoolSpec::default(),
        answers: AnswerBounds::default(),
    }
}

/// A backend: `serve` is called for each connection with its number, from 0, on a thread of its own.
pub(super) fn backend(serve: impl Fn(usize, TcpStream) + Send + Sync + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    let serve = Arc::new(serve);
    std::thread::spawn(move || {
        for (number, stream) in listener.incoming().enumerate() {
            let (Ok(stream), serve) = (stream, Arc::clone(&serve)) else { return };
            std::thread::spawn(move || serve(number, stream));
        }
    });
    port
}

/// A backend that answers each request's head with the same bytes, then closes.
pub(super) fn answering(answer: &'static str) -> u16 {
    backend(move |_, mut stream| {
        if read_head(&mut stream).is_some() {
            say(&mut stream, answer);
        }
    })
}

/// Reads up to the empty line; what was read, or nothing if the connection ended first.
pub(super) fn read_head(stream: &mut impl Read) -> Option<String> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte).ok()? == 0 {
            return None;
        }
        head.extend_from_slice(&byte);
    }
    Some(String::from_utf8_lossy(&head).into_owned())
}

/// Reads until the other end closes or breaks off.
pub(super) fn read_all(stream: &mut impl Read) -> Vec<u8> {
    let mut all = Vec::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return all,
            Ok(read) => all.extend_from_slice(&buffer[..read]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => return all,
        }
    }
}

pub(super) fn say(stream: &mut impl Write, text: &str) {
    // The other end may have gone, which some tests want.
    let _ = stream.write_all(text.as_bytes());
}

/// The whole body, or how it broke off with what came before.
pub(super) async fn drain(mut body: Body) -> Result<Vec<u8>, (Vec<u8>, BodyError)> {
    let mut all = Vec::new();
    loop {
        match tokio::time::timeout(PATIENCE, body.frame()).await.expect("a frame in time") {
            Ok(Frame::Data(piece)) => all.extend_from_slice(&piece),
            Ok(Frame::Trailers(_)) => {}
            Ok(Frame::End) => return Ok(all),
            Err(error) => return Err((all, error)),
        }
    }
}

/// A request body made of frames that are there at once; `None` is a piece that never comes.
pub(super) struct Scripted {
    frames: std::vec::IntoIter<Option<Result<Frame, BodyError>>>,
    size: Size,
}

pub(super) fn scripted(size: Size, frames: Vec<Option<Result<Frame, BodyError>>>) -> Body {
    Body::Stream(Box::new(Scripted { frames: frames.into_iter(), size }))
}

pub(super) fn data(text: &'static str) -> Option<Result<Frame, BodyError>> {
    Some(Ok(Frame::Data(Bytes::from_static(text.as_bytes()))))
}

pub(super) fn end() -> Option<Result<Frame, BodyError>> {
    Some(Ok(Frame::End))
}

impl Source for Scripted {
    fn poll_frame(&mut self, _cx: &mut Context<'_>) -> Poll<Result<Frame, BodyError>> {
        match self.frames.next() {
            Some(Some(frame)) => Poll::Ready(frame),
            _ => Poll::Pending,
        }
    }

    fn size(&self) -> Size {
        self.size
    }
}

/// A long body in pieces of 64 KiB, which counts how many were asked for.
pub(super) struct Long {
    pub(super) left: usize,
    pub(super) asked: Arc<AtomicUsize>,
}

pub(super) const LONG_PIECE: usize = 64 * 1024;

impl Source for Long {
    fn poll_frame(&mut self, _cx: &mut Context<'_>) -> Poll<Result<Frame, BodyError>> {
        if self.left == 0 {
            return Poll::Ready(Ok(Frame::End));
        }
        self.left = self.left.saturating_sub(1);
        self.asked.fetch_add(1, Ordering::SeqCst);
        Poll::Ready(Ok(Frame::Data(Bytes::from(vec![b'x'; LONG_PIECE]))))
    }

    fn size(&self) -> Size {
        Size::Exactly(self.left.saturating_mul(LONG_PIECE) as u64)
    }
}

/// Lets the other tasks of this core and the reactor run once.
pub(super) async fn breathe() {
    let mut polled = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut polled, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
