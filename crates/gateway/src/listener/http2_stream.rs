//! One HTTP/2 stream as the side of an exchange: interim answers, the reply, its body within the client's windows.
//!
//! The next piece of a body is pulled when the codec has room for the last one, which it has when the client's
//! windows do. The end is written only when the body says [`Frame::End`]: a body that breaks off resets the
//! stream, and the client can tell (RFC 9113 §8.1). A client that resets the stream ends the exchange at once.
//!
//! # Limits
//! `write_idle`: how long the client may open no window for what waits.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context as TaskContext, Poll};

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use http::header::{CONTENT_LENGTH, DATE, HeaderName};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use portcullis_http1::Fields;

use super::http2_body::StreamBody;
use super::http2_head;
use crate::exchange::{self, Sent, Wire};
use crate::http::interim::Interim;
use crate::http::{Body, BodyError, Frame, Peer, Reply, Size, Wire as HttpVersion, date};
use crate::panics::Contained;
use crate::pipeline::Context;
use crate::snapshot::{Live, Snapshot};

/// One stream during its exchange.
struct Stream {
    respond: SendResponse<Bytes>,
    interim: Arc<Interim>,
    received: Arc<AtomicU64>,
    head_only: bool,
}

/// What became of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Served,
    /// Its head was no request.
    Refused,
}

/// Serves one stream: one exchange, recorded once. A panic that the exchange does not contain, in reading the head or
/// in recording, ends this stream: dropping its handles resets it.
pub(super) async fn serve(
    request: Request<RecvStream>,
    respond: SendResponse<Bytes>,
    peer: &Arc<Peer>,
    live: &Arc<Live>,
) -> Outcome {
    // PERF: boxed, so that what the connection's task moves about is small.
    let mut serving = Box::pin(read_and_exchange(request, respond, peer, live));
    Contained(serving.as_mut()).await.unwrap_or(Outcome::Served)
}

async fn read_and_exchange(
    request: Request<RecvStream>,
    respond: SendResponse<Bytes>,
    peer: &Arc<Peer>,
    live: &Arc<Live>,
) -> Outcome {
    let (parts, receive) = request.into_parts();
    let mut stream = Stream {
        respond,
        interim: Arc::default(),
        received: Arc::default(),
        head_only: parts.method == Method::HEAD,
    };
    let mut cx = Context::new(Arc::clone(&live.ground), Arc::clone(peer), Arc::clone(&stream.interim));
    let mut latest = live.latest();
    let snapshot = latest.load();
    let bounds = &snapshot.bounds;
    let behind = || is_behind_proxy(snapshot, peer);
    let read = http2_head::read(&parts, receive.is_end_stream(), bounds, peer, behind);
    let head = match read {
        Ok(head) => head,
        Err(refused) => {
            exchange::refuse(&mut stream, refused, HttpVersion::Http2, live, &mut cx).await;
            return Outcome::Refused;
        }
    };
    drop(parts);
    let body = if head.size == Size::None {
        Body::Empty
    } else {
        let expects = head.request.fields.has("expect").then(|| Arc::clone(&stream.interim));
        let received = Arc::clone(&stream.received);
        Body::Stream(Box::new(StreamBody::new(receive, head.size, expects, received, bounds)))
    };
    exchange::exchange(&mut stream, head, body, &mut latest, live, &mut cx).await;
    Outcome::Served
}

/// Whether a trusted proxy may have ended TLS before the bytes came to us.
fn is_behind_proxy(snapshot: &Snapshot, peer: &Peer) -> bool {
    let Ok(listening) = snapshot.listener(&peer.listener) else { return false };
    listening.opening.proxy_protocol.is_some()
        || listening.rules.trusted_proxies.iter().any(|network| network.contains(peer.ip()))
}

impl Wire for Stream {
    async fn drive<F>(&mut self, judging: F) -> Option<F::Output>
    where
        F: Future + Send,
        F::Output: Send,
    {
        let mut judging = pin!(judging);
        poll_fn(|cx| {
            // First, so that a client that has gone is not taken for one that sent half a body.
            if self.respond.poll_reset(cx).is_ready() {
                return Poll::Ready(None);
            }
            let polled = judging.as_mut().poll(cx);
            if self.interim.is_waiting() {
                self.send_interim();
            }
            polled.map(Some)
        })
        .await
    }

    async fn send(&mut self, reply: &mut Reply, cx: &mut Context) -> Sent {
        let mut bytes = 0;
        let complete = self.try_send(reply, cx, &mut bytes).await.is_ok();
        if !complete {
            self.break_off();
        }
        cx.count_request_bytes(self.received.load(Ordering::Relaxed));
        Sent { bytes, complete }
    }

    fn break_off(&mut self) {
        self.respond.send_reset(Reason::INTERNAL_ERROR);
    }
}

/// The reply could not be brought to its end.
struct BrokenOff;

/// Content of a DATA frame that fits into one TLS record together with its head.
const DATA_BYTES: usize = 16 * 1024 - 9;

/// Fields of ours that have another value in each reply.
const NEVER_REPEATED: [&[u8]; 2] = [b"x-request-id", b"server-timing"];

impl Stream {
    fn send_interim(&mut self) {
        for (status, fields) in self.interim.take() {
            let Ok(head) = head(status, &fields) else { continue };
            // Too late for an interim answer, or the stream is gone: the final one will tell.
            let _ = self.respond.send_informational(head);
        }
    }

    async fn try_send(
        &mut self,
        reply: &mut Reply,
        cx: &mut Context,
        bytes: &mut u64,
    ) -> Result<(), BrokenOff> {
        let (status, mut body) = (reply.status, reply.body.take());
        let bodiless = status == StatusCode::NO_CONTENT || status == StatusCode::NOT_MODIFIED;
        let mut head = head(status, &reply.fields)?;
        let size = body.size();
        let length = match size {
            Size::Exactly(length) => Some(length),
            Size::None if bodiless || self.head_only => None,
            Size::None => Some(0),
            Size::Unknown => None,
        };
        if let Some(length) = length {
            head.headers_mut().insert(CONTENT_LENGTH, length.into());
        }
        if !head.headers().contains_key(DATE)
            && let Ok(date) = date::with_now(HeaderValue::from_str)
        {
            head.headers_mut().insert(DATE, date);
        }
        if bodiless || self.head_only {
            body = Body::Empty;
        }
        let ends = matches!(body, Body::Empty);
        let out = self.respond.send_response(head, ends).map_err(|_| BrokenOff)?;
        if ends {
            return Ok(());
        }
        Sending { out, cx, bytes, size }.pieces(&mut body).await
    }
}

/// The body of a reply on its way.
struct Sending<'s> {
    out: SendStream<Bytes>,
    cx: &'s mut Context,
    bytes: &'s mut u64,
    size: Size,
}

impl Sending<'_> {
    async fn pieces(&mut self, body: &mut Body) -> Result<(), BrokenOff> {
        let mut ahead = None;
        loop {
            let frame = match ahead.take() {
                Some(frame) => Ok(frame),
                None => self.frame_or_gone(body).await?,
            };
            match frame {
                Ok(Frame::Data(piece)) => {
                    let sent = self.bytes.saturating_add(piece.len() as u64);
                    // Only trailers or the end can follow the last byte of a known length; the end leaves with it.
                    if self.size == Size::Exactly(sent) {
                        ahead = behind_content(body).await?;
                    }
                    let ends = matches!(ahead, Some(Frame::End));
                    self.piece(piece, ends).await?;
                    if ends {
                        return Ok(());
                    }
                }
                Ok(Frame::Trailers(fields)) => {
                    let trailers = map(&fields)?;
                    // Whether its end came too, only the body knows.
                    return match self.frame_or_gone(body).await? {
                        Ok(Frame::End) => self.out.send_trailers(trailers).map_err(|_| BrokenOff),
                        Ok(Frame::Data(_) | Frame::Trailers(_)) => Err(BrokenOff),
                        Err(error) => Err(broke(&error)),
                    };
                }
                Ok(Frame::End) => return self.out.send_data(Bytes::new(), true).map_err(|_| BrokenOff),
                Err(error) => return Err(broke(&error)),
            }
        }
    }

    /// Hands a piece to the codec as the client's windows allow.
    async fn piece(&mut self, mut piece: Bytes, ends: bool) -> Result<(), BrokenOff> {
        while !piece.is_empty() {
            self.out.reserve_capacity(piece.len());
            let room = self.room().await?;
            let part = piece.split_to(room.min(piece.len()).min(DATA_BYTES));
            let sent = self.bytes.saturating_add(part.len() as u64);
            self.out.send_data(part, ends && piece.is_empty()).map_err(|_| BrokenOff)?;
            *self.bytes = sent;
        }
        Ok(())
    }

    /// Waits until the codec takes at least one more byte.
    async fn room(&mut self) -> Result<usize, BrokenOff> {
        let ready = self.out.capacity();
        if ready > 0 {
            return Ok(ready);
        }
        let idle = self.cx.write_idle();
        self.cx.deadline.set(idle);
        let Self { out, cx, .. } = self;
        match cx.deadline.race(poll_fn(|cx| out.poll_capacity(cx))).await {
            Ok(Some(Ok(room))) if room > 0 => Ok(room),
            _ => Err(BrokenOff),
        }
    }

    /// The next frame, unless the client goes away first.
    async fn frame_or_gone(&mut self, body: &mut Body) -> Result<Result<Frame, BodyError>, BrokenOff> {
        poll_fn(|cx: &mut TaskContext<'_>| {
            if let Poll::Ready(frame) = body.poll_frame(cx) {
                return Poll::Ready(Ok(frame));
            }
            self.out.poll_reset(cx).map(|_| Err(BrokenOff))
        })
        .await
    }
}

/// What follows the last byte of a body, if it is there already.
async fn behind_content(body: &mut Body) -> Result<Option<Frame>, BrokenOff> {
    poll_fn(|cx| {
        Poll::Ready(match body.poll_frame(cx) {
            Poll::Ready(Ok(Frame::Data(_))) => Err(BrokenOff),
            Poll::Ready(Ok(frame)) => Ok(Some(frame)),
            Poll::Pending => Ok(None),
            Poll::Ready(Err(error)) => Err(broke(&error)),
        })
    })
    .await
}

fn broke(error: &BodyError) -> BrokenOff {
    tracing::debug!(%error, "an answer broke off");
    BrokenOff
}

fn head(status: StatusCode, fields: &Fields) -> Result<Response<()>, BrokenOff> {
    let mut head = Response::new(());
    *head.status_mut() = status;
    *head.headers_mut() = map(fields)?;
    Ok(head)
}

/// Fields as the codec takes them. Whoever made a reply has judged its fields; one that cannot be sent breaks it
/// off rather than being left out.
fn map(fields: &Fields) -> Result<HeaderMap, BrokenOff> {
    let mut map = HeaderMap::with_capacity(fields.len());
    for field in fields.iter() {
        let name = HeaderName::from_bytes(field.name).map_err(|_| BrokenOff)?;
        let mut value = HeaderValue::from_bytes(field.value).map_err(|_| BrokenOff)?;
        // PERF: never indexed (RFC 7541 §6.2.3). The codec would compare it with all before it, and keep it for
        // nobody in the place of what comes again.
        value.set_sensitive(NEVER_REPEATED.contains(&field.name));
        map.try_append(name, value).map_err(|_| BrokenOff)?;
    }
    Ok(map)
}

#[cfg(test)]
mod tests;
