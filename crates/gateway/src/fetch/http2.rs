//! One call over HTTP/2: a stream on a connection of its own, driven by the call alone, like those of HTTP/1.1.
//!
//! Streams do not share connections: so a call needs no task that outlives it, and what one other side does to its connection
//! no second call feels. The codec checks frames, heads and flow control; a head beyond [`HEAD_BYTES_MAX`] ends the call.

use bytes::{Bytes, BytesMut};
use h2::client::{Builder, SendRequest};
use http::{HeaderMap, Request, Response};
use tokio::io::{AsyncRead, AsyncWrite};

use super::{Driver, FetchError};

/// Most bytes of a head, and of trailers.
const HEAD_BYTES_MAX: u32 = 32 << 10;

/// Speaks HTTP/2 on `stream` from now on.
pub(super) async fn over<S>(stream: S) -> Result<(SendRequest<Bytes>, Driver), FetchError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut builder = Builder::new();
    builder.enable_push(false).max_header_list_size(HEAD_BYTES_MAX);
    let (sender, connection) = builder.handshake(stream).await.map_err(FetchError::Reset)?;
    Ok((sender, Box::pin(async move { connection.await.map_err(FetchError::Reset) })))
}

/// Sends one request and reads the whole answer, with its trailers.
pub(super) async fn exchange(
    sender: &mut SendRequest<Bytes>,
    request: Request<Bytes>,
    answer_bytes_max: usize,
) -> Result<(Response<Bytes>, HeaderMap), FetchError> {
    let (head, body) = request.into_parts();
    let mut sender = sender.clone().ready().await.map_err(FetchError::Reset)?;
    let sent = sender.send_request(Request::from_parts(head, ()), body.is_empty());
    let (response, mut stream) = sent.map_err(FetchError::Reset)?;
    if !body.is_empty() {
        // The codec holds what the window has no room for: calls of our own are short.
        stream.send_data(body, true).map_err(FetchError::Reset)?;
    }
    let (head, mut receive) = response.await.map_err(FetchError::Reset)?.into_parts();
    let mut body = BytesMut::new();
    while let Some(piece) = receive.data().await {
        let piece = piece.map_err(FetchError::Reset)?;
        // What is given back is what came.
        let _ = receive.flow_control().release_capacity(piece.len());
        if body.len().saturating_add(piece.len()) > answer_bytes_max {
            return Err(FetchError::Body("it is too long".into()));
        }
        body.extend_from_slice(&piece);
    }
    let trailers = receive.trailers().await.map_err(FetchError::Reset)?;
    Ok((Response::from_parts(head, body.freeze()), trailers.unwrap_or_default()))
}
