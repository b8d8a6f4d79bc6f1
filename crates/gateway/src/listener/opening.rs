//! What a connection says before its first request, and so which wire it speaks.
//!
//! In order: the PROXY protocol header, TLS, the choice of protocol. Over TLS the handshake decides by ALPN. In
//! cleartext a listener with both protocols looks whether the first bytes are the preface of HTTP/2 (prior
//! knowledge, RFC 9113 §3.3); no HTTP/1.1 request begins with them. A listener without `http2` reads the preface as
//! the HTTP/1.1 request it is shaped like, and answers 505.
//!
//! # Limits
//! `handshake` for the PROXY header and TLS together; in cleartext `keep_alive` for the first byte and `handshake` for
//! the rest of the preface.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpStream;

use super::sockets::plain;
use super::{http1, proxy_protocol};
use crate::bounds::Bounds;
use crate::clock;
use crate::http::Peer;
use crate::http::deadline::Deadline;
use crate::http::frames::PREFACE;
use crate::http::io::{Reader, WriteHalf, split_tcp, split_tls_server};
use crate::http::term::Term;
use crate::observe::{ConnectionOutcome, ListenerMetrics};
use crate::snapshot::{ListenerPlan, Live};

/// Bytes asked of the socket while the protocol is not known.
const READ_BYTES: usize = 8 * 1024;

/// A connection that has said what it speaks.
pub(super) struct Opened {
    pub(super) reader: Reader,
    pub(super) writer: WriteHalf,
    pub(super) peer: Arc<Peer>,
    pub(super) wire: Spoken,
}

/// Finds out what a connection speaks that was accepted, from one address to another. `None` when there is nothing to serve.
pub(super) async fn open(
    mut stream: TcpStream,
    (address, local): (SocketAddr, SocketAddr),
    plan: &ListenerPlan,
    live: &Arc<Live>,
    metrics: &ListenerMetrics,
) -> Option<Opened> {
    let (mut address, mut local) = (plain(address), plain(local));
    let bounds = live.bounds();
    let opening = &plan.opening;
    let mut deadline = Deadline::new();
    deadline.set(bounds.handshake);
    if let Some(senders) = &opening.proxy_protocol {
        // SECURITY: only from whom we trust, and before anything of theirs is read as something else.
        let is_trusted = senders.iter().any(|network| network.contains(address.ip()));
        let header =
            if is_trusted { deadline.race(proxy_protocol::read(&mut stream)).await.ok() } else { None };
        let Some(Ok(ends)) = header else {
            metrics.outcome(ConnectionOutcome::ProxyHeader);
            return None;
        };
        if let Some(ends) = ends {
            (address, local) = (ends.source, ends.destination);
        }
    }
    let (listener, term) = (Arc::clone(&plan.name), Arc::clone(&plan.term));
    let peer = |tls| Arc::new(Peer { listener, address, local, tls, term, way: Default::default() });
    let (peer, reader, writer, wire) = match &opening.tls {
        None => {
            let (mut reader, writer) = split_tcp(stream);
            let wire = match (opening.http1, opening.http2) {
                (_, false) => Some(Spoken::Http1),
                (false, true) => Some(Spoken::Http2),
                (true, true) => sniff(&mut reader, &bounds, &plan.term).await,
            };
            (peer(None), reader, writer, wire)
        }
        Some(tls) => {
            let (stream, facts) = match deadline.race(Box::pin(tls.accept(stream))).await {
                Ok(Ok(Some(shaken))) => shaken,
                Ok(Ok(None)) => {
                    metrics.outcome(ConnectionOutcome::Validation);
                    return None;
                }
                Ok(Err(_)) | Err(_) => {
                    metrics.outcome(ConnectionOutcome::Handshake);
                    return None;
                }
            };
            // Without ALPN a client speaks HTTP/1.1 (RFC 9113 §3.2); where that is not spoken, it is not served.
            let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
            let wire = if is_http2 { Some(Spoken::Http2) } else { opening.http1.then_some(Spoken::Http1) };
            let (reader, writer) = split_tls_server(stream);
            (peer(Some(Box::new(facts))), reader, writer, wire)
        }
    };
    drop(bounds);
    metrics.outcome(ConnectionOutcome::Accepted);
    wire.map(|wire| Opened { reader, writer, peer, wire })
}

/// What a connection speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spoken {
    /// HTTP/1.0 or HTTP/1.1.
    Http1,
    /// HTTP/2.
    Http2,
}

/// Tells the protocol by the first bytes, which stay in the buffer. `None` when there is nothing to serve.
async fn sniff(reader: &mut Reader, bounds: &Bounds, term: &Term) -> Option<Spoken> {
    let mut deadline = Deadline::new();
    let due = clock::now().checked_add(bounds.keep_alive);
    let waited = http1::first_bytes(reader, due, term, &mut deadline).await;
    let mut first = waited == http1::Waited::Bytes;
    loop {
        if !first {
            return None;
        }
        if reader.buffer.len() >= PREFACE.len() && reader.buffer.starts_with(PREFACE) {
            return Some(Spoken::Http2);
        }
        if !PREFACE.starts_with(&reader.buffer) {
            return Some(Spoken::Http1);
        }
        deadline.set(bounds.handshake);
        first = matches!(deadline.race(reader.fill(READ_BYTES)).await, Ok(Ok(read)) if read > 0);
    }
}
