use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

use portcullis_http1::{Bounds as HeadBounds, HeadDecoder};
use serde_json::Value;

use super::{Refused, Sent, Wire, exchange, refuse};
use crate::config;
use crate::http::{Body, BodyError, Frame, Head, Peer, Reply, Size, Source, Wire as HttpVersion};
use crate::observe::{Destination, Observe, Settings};
use crate::pipeline::Context;
use crate::pipeline::attempts::Attempts;
use crate::pipeline::context::Ground;
use crate::pipeline::room::Room;
use crate::resources::Resources;
use crate::snapshot::{Live, compile};
use crate::workers::{Background, Workers};

/// A client that takes what it is given, in the way it was told to.
#[derive(Default)]
struct Client {
    /// Goes away while its request is judged.
    leaves: bool,
    /// Goes away while it is answered.
    breaks_off: bool,
    /// What carries its reply panics.
    panics: bool,
    /// Whether it was told that its reply has no end.
    is_told: bool,
    got: Option<(u16, String)>,
}

impl Wire for Client {
    async fn drive<F>(&mut self, judging: F) -> Option<F::Output>
    where
        F: Future + Send,
        F::Output: Send,
    {
        if self.leaves { None } else { Some(judging.await) }
    }

    async fn send(&mut self, reply: &mut Reply, _cx: &mut Context) -> Sent {
        assert!(!self.panics, "a defect in a writer");
        let mut body = reply.body.take();
        let mut text = Vec::new();
        while let Ok(Frame::Data(piece)) = std::future::poll_fn(|cx| body.poll_frame(cx)).await {
            text.extend_from_slice(&piece);
        }
        self.got = Some((reply.status.as_u16(), String::from_utf8(text).unwrap()));
        Sent { bytes: 7, complete: !self.breaks_off }
    }

    fn break_off(&mut self) {
        self.is_told = true;
    }
}

/// A body whose reader panics.
struct Broken;

impl Source for Broken {
    fn poll_frame(&mut self, _cx: &mut TaskContext<'_>) -> Poll<Result<Frame, BodyError>> {
        panic!("a defect of ours")
    }

    fn size(&self) -> Size {
        Size::Exactly(5)
    }
}

/// What exchanges stand on, and where their records go.
struct Scene {
    live: Arc<Live>,
    folder: tempfile::TempDir,
    backend: TcpListener,
}

impl Scene {
    fn start() -> Self {
        let backend = TcpListener::bind("127.0.0.1:0").unwrap();
        let text = format!(
            r#"
version: 1
state: none
listeners: {{ public: {{ bind: "127.0.0.1:0" }} }}
backends:
  there: {{ targets: ["http://{}"] }}
  gone: {{ targets: ["http://127.0.0.1:1"] }}
apis:
  there: {{ backend: there, auth: none, operations: {{ all: {{ match: "POST /there" }} }} }}
  gone: {{ base_path: /gone, backend: gone, auth: none, operations: {{ all: {{ match: "GET /" }} }} }}
  closed: {{ base_path: /closed, backend: there, auth: {{ api_key: {{}} }}, operations: {{ all: {{ match: "GET /" }} }} }}
"#,
            backend.local_addr().unwrap()
        );
        let loaded = config::parse("test.yaml", &text, Path::new("."), &|_| None).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let access_log = Destination::File(folder.path().join("access"));
        let observe = Observe::start(&Settings { access_log, ..Settings::default() }).unwrap();
        let snapshot = compile(&loaded, &mut Resources::default(), &observe, 1).unwrap().snapshot;
        let ground = Ground {
            observe,
            memory: Room::new(1 << 20),
            files: Room::new(0),
            requests: Room::new(1_000),
            attempts: Attempts::default(),
            inspections: Workers::of_all_cores(),
            looks: Background::of_few(),
            spool: None,
        };
        Self { live: Arc::new(Live::new(snapshot, Arc::new(ground))), folder, backend }
    }

    async fn exchange(&self, client: &mut Client, text: &str, body: Body) {
        self.exchange_with(&mut self.context(), client, text, body).await;
    }

    async fn exchange_with(&self, cx: &mut Context, client: &mut Client, text: &str, body: Body) {
        let head = HeadDecoder::default().request(text.as_bytes(), &HeadBounds::default());
        let (request, _) = head.unwrap().unwrap();
        let head = Head { request, wire: HttpVersion::Http11, size: body.size() };
        exchange(client, head, body, &mut self.live.latest(), &self.live, cx).await;
    }

    fn context(&self) -> Context {
        Context::new(Arc::clone(&self.live.ground), peer(), Arc::default())
    }

    /// The records so far.
    fn records(&self) -> Vec<Value> {
        assert!(self.live.ground.observe.flush(Duration::from_secs(10)));
        let text = std::fs::read_to_string(self.folder.path().join("access")).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

fn peer() -> Arc<Peer> {
    Arc::new(Peer::sample("192.0.2.7:4711".parse().unwrap()))
}

#[tokio::test]
async fn a_panic_is_a_500_told_once_and_the_next_exchange_goes_on() {
    let scene = Scene::start();
    let mut client = Client::default();
    let post = "POST /there HTTP/1.1\r\nHost: gw.test\r\nContent-Length: 5\r\n\r\n";
    scene.exchange(&mut client, post, Body::Stream(Box::new(Broken))).await;
    let (status, text) = client.got.unwrap();
    assert_eq!(status, 500);
    assert!(text.contains("internal-error") && !text.contains("defect"), "{text}");
    let records = scene.records();
    assert_eq!(records.len(), 1, "{records:?}");
    assert_eq!(records[0]["http.response.status_code"], 500);
    assert!(records[0]["portcullis.cause"].as_str().unwrap().contains("a defect of ours"), "{records:?}");
    let metrics = scene.live.ground.observe.metrics_text();
    assert!(metrics.contains("portcullis_problems_total{code=\"internal-error\"} 1"), "{metrics}");
    // What was sent of the request ends with its connection, so that the backend sees no whole message.
    let (mut backend, _) = scene.backend.accept().unwrap();
    let mut seen = Vec::new();
    let _ = std::io::Read::read_to_end(&mut backend, &mut seen);
    assert!(!seen.ends_with(b"\r\n\r\nwhole"), "{}", seen.escape_ascii());

    let mut next = Client::default();
    scene.exchange(&mut next, "GET /nowhere HTTP/1.1\r\nHost: gw.test\r\n\r\n", Body::Empty).await;
    assert_eq!(next.got.unwrap().0, 404);
    assert_eq!(scene.records().len(), 2);
}

#[tokio::test]
async fn a_panic_while_a_reply_is_sent_breaks_it_off_and_is_told_once() {
    let scene = Scene::start();
    let mut client = Client { panics: true, ..Client::default() };
    scene.exchange(&mut client, "GET /nowhere HTTP/1.1\r\nHost: gw.test\r\n\r\n", Body::Empty).await;
    assert!(client.is_told, "the client can tell that the reply is not whole");
    let records = scene.records();
    assert_eq!(records.len(), 1, "{records:?}");
    assert_eq!(records[0]["portcullis.decision"], "aborted");
    assert_eq!(records[0]["error.type"], "internal-error");
    assert_eq!(records[0]["portcullis.flag"], "gateway");
    assert!(records[0]["portcullis.cause"].as_str().unwrap().contains("a defect in a writer"), "{records:?}");
}

#[tokio::test]
async fn every_outcome_leaves_exactly_one_record() {
    let scene = Scene::start();
    let gone = || Client { leaves: true, ..Client::default() };
    let half = || Client { breaks_off: true, ..Client::default() };
    let cases: [(&str, Client, &str, Option<u16>, &str); 8] = [
        ("nothing there", Client::default(), "GET /no", Some(404), "refused"),
        ("another method", Client::default(), "PUT /there", Some(405), "refused"),
        ("its methods", Client::default(), "OPTIONS /there", Some(204), "answered"),
        ("the server's methods", Client::default(), "OPTIONS *", Some(204), "answered"),
        ("two readings", Client::default(), "GET /a%2fb", Some(400), "refused"),
        ("no credential", Client::default(), "GET /closed/", Some(401), "refused"),
        ("no backend", Client::default(), "GET /gone/", Some(503), "failed"),
        ("a client that breaks off", half(), "GET /no", Some(404), "aborted"),
    ];
    for (name, mut client, line, status, decision) in cases {
        let before = scene.records().len();
        let text = format!("{line} HTTP/1.1\r\nHost: gw.test\r\n\r\n");
        scene.exchange(&mut client, &text, Body::Empty).await;
        assert_eq!(client.got.map(|got| got.0), status, "{name}");
        let records = scene.records();
        assert_eq!(records.len(), before + 1, "{name}");
        assert_eq!(records[before]["portcullis.decision"], decision, "{name}");
    }
    let before = scene.records().len();
    let mut client = gone();
    scene.exchange(&mut client, "GET /no HTTP/1.1\r\nHost: gw.test\r\n\r\n", Body::Empty).await;
    let records = scene.records();
    assert_eq!((client.got, records.len()), (None, before + 1), "a client that leaves");
    assert!(records[before].get("http.response.status_code").is_none(), "{:?}", records[before]);

    let mut client = Client::default();
    let mut cx = scene.context();
    refuse(&mut client, Refused::TooSlow, HttpVersion::Http11, &scene.live, &mut cx).await;
    assert_eq!(client.got.map(|got| got.0), Some(408));
    assert_eq!(scene.records().len(), before + 2, "no head");
}

#[tokio::test]
async fn nothing_of_one_exchange_is_told_of_the_next_on_its_connection() {
    let scene = Scene::start();
    let lines =
        ["GET /gone/", "GET /no", "GET /closed/", "GET /gone/", "GET /a%2fb", "PUT /there", "GET /gone/"];
    let mut cx = scene.context();
    for line in lines {
        let text = format!("{line} HTTP/1.1\r\nHost: gw.test\r\n\r\n");
        scene.exchange(&mut Client::default(), &text, Body::Empty).await;
        scene.exchange_with(&mut cx, &mut Client::default(), &text, Body::Empty).await;
        let under_way =
            scene.live.snapshot().upstreams.facts().iter().map(|target| target.in_flight).sum::<u64>();
        assert_eq!(under_way, 0, "{line}");
    }
    let records = scene.records();
    for (line, pair) in lines.iter().zip(records.chunks(2)) {
        // What differs between any two has to be told of both, or of none.
        let is_its_own =
            |name: &str| ["time", ".id", "_id", "_ms", "duration"].iter().any(|own| name.contains(own));
        let told = |record: &Value| -> Vec<(String, Value)> {
            let fields = record.as_object().expect("a record").clone().into_iter();
            fields
                .map(|(name, value)| if is_its_own(&name) { (name, Value::Null) } else { (name, value) })
                .collect()
        };
        assert_eq!(told(&pair[0]), told(&pair[1]), "{line}");
    }
    assert_eq!(records.len(), 2 * lines.len());
}

#[tokio::test]
async fn another_version_of_websocket_is_told_which_one_is_spoken() {
    let scene = Scene::start();
    let mut client = Client::default();
    let text = "GET /there HTTP/1.1\r\nHost: gw.test\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 8\r\n\r\n";
    scene.exchange(&mut client, text, Body::Empty).await;
    let (status, text) = client.got.unwrap();
    assert_eq!(status, 426);
    assert!(text.contains("upgrade-required"), "{text}");
}
