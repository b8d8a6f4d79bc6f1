//! A small service to stand behind the gateway in `demo`: answers what it received, as JSON.
//!
//! One thread a connection, blocking, bounded: it is there to be looked at, not to be fast. It trusts its one
//! client, which is the gateway.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use portcullis_http1::{
    BodyBounds, BodyDecoder, Bounds, Event, Framing, HeadDecoder, HeadWriter, RequestHead, request_framing,
};
use serde_json::{Map, Value, json};

/// Connections served at once.
const CONNECTIONS_MAX: usize = 256;

/// How long a connection may be silent.
const SILENCE: Duration = Duration::from_secs(120);

/// Serves on a free port of loopback until the process ends.
pub(crate) fn start() -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let open = Arc::new(AtomicUsize::new(0));
    thread::Builder::new().name("sample".to_owned()).spawn(move || {
        for stream in listener.incoming().flatten() {
            let open = Arc::clone(&open);
            if open.fetch_add(1, Ordering::Relaxed) >= CONNECTIONS_MAX {
                open.fetch_sub(1, Ordering::Relaxed);
                continue;
            }
            thread::spawn(move || {
                // The gateway closing its pooled connection is how these end.
                let _ = serve(stream);
                open.fetch_sub(1, Ordering::Relaxed);
            });
        }
    })?;
    Ok(address)
}

fn serve(mut stream: TcpStream) -> std::io::Result<()> {
    stream.set_read_timeout(Some(SILENCE))?;
    stream.set_nodelay(true)?;
    let mut buffer = BytesMut::new();
    loop {
        let mut decoder = HeadDecoder::default();
        let head = loop {
            match decoder.request(&buffer, &Bounds::default()) {
                Ok(Some((head, consumed))) => {
                    buffer.advance(consumed);
                    break head;
                }
                Ok(None) if fill(&mut stream, &mut buffer)? => {}
                _ => return Ok(()),
            }
        };
        let Some(length) = body_length(&head, &mut stream, &mut buffer)? else { return Ok(()) };
        let body = answer(&head, length);
        let mut out = Vec::new();
        HeadWriter::response(&mut out, 200, b"OK")
            .field("content-type", "application/json")
            .framing(Framing::Length(body.len() as u64))
            .end();
        out.extend_from_slice(&body);
        stream.write_all(&out)?;
    }
}

/// Reads a body to its end and says how long it was.
fn body_length(
    head: &RequestHead,
    stream: &mut TcpStream,
    buffer: &mut BytesMut,
) -> std::io::Result<Option<u64>> {
    let Ok(framing) = request_framing(head) else { return Ok(None) };
    let mut decoder = BodyDecoder::new(framing, &BodyBounds::default());
    let mut length = 0_u64;
    loop {
        match decoder.decode(buffer) {
            Ok(Event::Data(piece)) => length = length.saturating_add(piece.len() as u64),
            Ok(Event::Trailers(_)) => {}
            Ok(Event::End) => return Ok(Some(length)),
            Ok(Event::More) if fill(stream, buffer)? => {}
            Ok(Event::More) | Err(_) => return Ok(None),
        }
    }
}

fn answer(head: &RequestHead, length: u64) -> Vec<u8> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let fields: Map<String, Value> =
        head.fields.iter().map(|field| (text(field.name), text(field.value).into())).collect();
    let seen = json!({
        "method": text(head.method()), "target": text(head.target()), "fields": fields, "body_bytes": length,
    });
    let mut body = seen.to_string().into_bytes();
    body.push(b'\n');
    body
}

fn fill(stream: &mut TcpStream, buffer: &mut BytesMut) -> std::io::Result<bool> {
    let mut piece = [0_u8; 16 * 1024];
    let read = stream.read(&mut piece)?;
    buffer.extend_from_slice(piece.get(..read).unwrap_or_default());
    Ok(read > 0)
}
