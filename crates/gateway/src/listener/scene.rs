//! For tests of the listener: a running snapshot without sockets, and one end of a connection to speak raw frames.

use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use portcullis_testkit::h2::hpack::{self, Decoder};
use portcullis_testkit::h2::{Frame, PREFACE, flag, kind};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use super::http2;
use crate::config;
use crate::http::Peer;
use crate::http::term::Term;
use crate::observe::Observe;
use crate::pipeline::attempts::Attempts;
use crate::pipeline::context::Ground;
use crate::pipeline::room::Room;
use crate::resources::Resources;
use crate::snapshot::{Live, Snapshot, compile};
use crate::workers::{Background, Workers};

/// A snapshot that publishes nothing on a listener `public`, with these bounds.
pub(super) fn live(bounds: &str) -> Arc<Live> {
    live_with(bounds, |snapshot| snapshot)
}

/// As [`live`], after a change.
pub(super) fn live_with(bounds: &str, change: impl FnOnce(Snapshot) -> Snapshot) -> Arc<Live> {
    let text = format!(
        "version: 1\nstate: none\nbounds: {{ {bounds} }}\n\
         listeners: {{ public: {{ bind: \"127.0.0.1:0\", protocols: [http1, http2] }} }}\n\
         backends: {{ b: {{ targets: [\"http://127.0.0.1:9\"] }} }}\n\
         apis: {{ a: {{ listen: [public], hosts: [api.test], backend: b, auth: none, \
         operations: {{ all: {{ match: \"* /{{rest*}}\" }} }} }} }}\n"
    );
    let loaded = config::parse("test.yaml", &text, Path::new("."), &|_| None).expect("a configuration");
    let observe = Observe::default();
    let compiled = compile(&loaded, &mut Resources::default(), &observe, 1).expect("a snapshot");
    let ground = Arc::new(Ground {
        observe,
        memory: Room::new(1 << 20),
        files: Room::new(0),
        requests: Room::new(1_000),
        attempts: Attempts::default(),
        inspections: Workers::of_all_cores(),
        looks: Background::of_few(),
        spool: None,
    });
    Arc::new(Live::new(change(compiled.snapshot), ground))
}

/// Identifiers of settings (RFC 9113 §6.5.2).
pub(super) mod setting {
    pub(in crate::listener) const HEADER_TABLE_SIZE: u16 = 1;
    pub(in crate::listener) const INITIAL_WINDOW_SIZE: u16 = 4;
}

/// A field block with the pseudo-header fields of a request.
pub(super) fn request(method: &str, path: &str, authority: &str) -> Vec<u8> {
    block(&[(":method", method), (":scheme", "http"), (":path", path), (":authority", authority)])
}

/// A field block with these fields.
pub(super) fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    fields.iter().flat_map(|(name, value)| hpack::literal(name.as_bytes(), value.as_bytes())).collect()
}

/// HEADERS with a whole block.
pub(super) fn headers(flags: u8, stream: u32, block: impl AsRef<[u8]>) -> Frame {
    Frame::new(kind::HEADERS, flags | flag::END_HEADERS, stream, block)
}

pub(super) fn data(flags: u8, stream: u32, content: impl AsRef<[u8]>) -> Frame {
    Frame::new(kind::DATA, flags, stream, content)
}

pub(super) fn ping(flags: u8) -> Frame {
    Frame::new(kind::PING, flags, 0, [0; 8])
}

pub(super) fn reset(stream: u32, code: u32) -> Frame {
    Frame::new(kind::RST_STREAM, 0, stream, code.to_be_bytes())
}

pub(super) fn window_update(stream: u32, increment: u32) -> Frame {
    Frame::new(kind::WINDOW_UPDATE, 0, stream, increment.to_be_bytes())
}

pub(super) fn settings(values: &[(u16, u32)]) -> Frame {
    let bytes: Vec<u8> = values
        .iter()
        .flat_map(|(id, value)| [&id.to_be_bytes()[..], &value.to_be_bytes()].concat())
        .collect();
    Frame::new(kind::SETTINGS, 0, 0, bytes)
}

/// The status in the head of a response; only of a client that allows no dynamic table.
pub(super) fn status(frame: &Frame) -> Option<u16> {
    let fields = Decoder::default().decode(&frame.payload).ok()?;
    let (_, status) = fields.into_iter().find(|(name, _)| name == b":status")?;
    String::from_utf8(status).ok()?.parse().ok()
}

/// A client in cleartext.
pub(super) fn peer() -> Arc<Peer> {
    Arc::new(Peer::sample(([192, 0, 2, 1], 4711).into()))
}

/// The client's end of a connection that is served in another task.
pub(super) struct Client {
    pub(super) io: DuplexStream,
    /// The term of its connection.
    pub(super) term: Arc<Term>,
}

/// Serves one HTTP/2 connection.
#[expect(clippy::disallowed_methods, reason = "the test's runtime ends with the test")]
pub(super) fn serve(live: &Arc<Live>) -> Client {
    let (client, server) = tokio::io::duplex(64 * 1024);
    let (live, peer) = (Arc::clone(live), peer());
    let term = Arc::clone(&peer.term);
    drop(tokio::spawn(async move {
        let serving = pin!(http2::serve(server, Arc::clone(&peer), &live));
        let _ = peer.term.watch().over(serving).await;
    }));
    Client { io: client, term }
}

impl Client {
    /// Says the preface and SETTINGS, an empty dynamic table among them.
    pub(super) async fn greet(&mut self, values: &[(u16, u32)]) {
        self.send_bytes(PREFACE).await;
        self.send([settings(&[values, &[(setting::HEADER_TABLE_SIZE, 0)]].concat())]).await;
    }

    pub(super) async fn send(&mut self, frames: impl IntoIterator<Item = Frame>) {
        let bytes: Vec<u8> = frames.into_iter().flat_map(|frame| frame.bytes()).collect();
        self.send_bytes(&bytes).await;
    }

    pub(super) async fn send_bytes(&mut self, bytes: &[u8]) {
        // A server that no longer listens shows in what is read.
        let _ = self.io.write_all(bytes).await;
    }

    /// The next frame; `None` at the end.
    pub(super) async fn frame(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        self.io.read_exact(&mut head).await.ok()?;
        let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
        self.io.read_exact(&mut payload).await.ok()?;
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        Some(Frame::new(head[3], head[4], stream, payload))
    }

    /// Frames until one is wanted, within a minute of the test's clock.
    pub(super) async fn until(&mut self, wanted: impl Fn(&Frame) -> bool) -> Option<Frame> {
        let reading = async {
            loop {
                let frame = self.frame().await?;
                if wanted(&frame) {
                    return Some(frame);
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(600), reading).await.expect("an answer")
    }

    /// The code of the GOAWAY that ends the connection; `None` if it ends without one.
    pub(super) async fn ending(&mut self) -> Option<u32> {
        let mut code = None;
        while let Some(frame) = self.until(|_| true).await {
            if frame.kind == kind::GOAWAY {
                code = frame.code();
            }
        }
        code
    }
}
