//! One exchange over HTTP/2: a stream of a connection that other exchanges of this core share (`pool`).
//!
//! The same loop as in `answer`, on a stream: the request goes up while the answer's head is awaited, and what is
//! left of it goes up while the answer's body is pulled. A gRPC call that talks both ways is nothing special. When
//! the answer ends first, the stream is cancelled.
//!
//! **Sent again.** A stream that the backend says it did not process (REFUSED_STREAM, GOAWAY with a lower last
//! stream, RFC 9113 §8.7) is asked once more of the same target, after GOAWAY [`LEAVING_MAX`] times, whatever its
//! method, if no more of its body than the first piece was taken. So is one whose kept connection had been closed, if `retry` lets it. What else may be sent
//! again, to this target or another, is left in [`Rest`].
//!
//! WebSocket is asked for in HTTP/1.1, whatever the backend's `protocol`: extended CONNECT (RFC 8441) is not spoken.
//!
//! # Limits
//! [`AnswerBounds`](super::spec::AnswerBounds): bytes and fields of a head, interim answers; beyond them 502. Trailers: as
//! many bytes, and 100 fields.
//!
//! # Threats
//! Streams share windows, so a client that does not read could stop the others: the connection's window is as
//! large as those of all its streams. A connection on which an answer did not come in time is not used again. A backend
//! that sends frames without end that are no answer loses its connection (`watched`).
//!
//! The codec drops two things that RFC 9113 §8.3 calls malformed rather than refuse them: pseudo-header fields of
//! requests in an answer's head, and any in trailers. None of them reaches a client.

mod download;
mod head;
mod pool;
mod upload;
mod watched;

use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use h2::client::ResponseFuture;
use h2::{Reason, RecvStream, SendStream};
use http::{Request, Response, StatusCode};
use portcullis_http1::ResponseHead;

use super::answer::{Errand, Incoming, Load, Rest, earlier};
use super::failure::{Failure, TOO_MANY_INTERIMS, Wait};
use super::upload::Progress;
use crate::clock;
use crate::http::response::{MalformedResponse, canonicalise_interim};
use crate::http::{Body, BodyError, Frame, Size};
use download::Download;
pub(super) use head::{own_request, request};
pub(super) use pool::Lease;
#[cfg(test)]
pub(super) use pool::connections_of;
pub(super) use pool::{Opened, open, sweep};
use upload::{Upload, UploadError};

/// How often a request is sent to the same target again of which each connection goes away before it has looked at it:
/// those that were begun together with many others on a connection that takes a few more.
const LEAVING_MAX: u8 = 4;

impl Errand<'_> {
    /// Sends the request on a stream of `lease` and awaits the head of the answer.
    pub(super) async fn run_http2(
        &mut self,
        mut lease: Lease,
        head: Request<()>,
        size: Size,
        mut body: Body,
        rest: &mut Rest,
    ) -> Result<Incoming, Failure> {
        // The backend may act on a head that ends its stream, so that one waits for the body's own end.
        if size == Size::None {
            empty(&mut body).await?;
        }
        let mut upload = Upload::new(body, size);
        let mut again = 0_u8;
        loop {
            let Attempt { outcome, stream, has_passed } = self.attempt(&mut lease, &head, &mut upload).await;
            self.deadline.clear();
            let refused = match outcome {
                Ok(answer) => return self.receive_http2(answer, stream, upload, lease, rest),
                Err(refused) => refused,
            };
            if refused.casts_doubt() {
                lease.doubt();
            }
            let is_untouched = matches!(refused, Refused::Unprocessed(_));
            if has_passed || !(is_untouched || self.method.is_idempotent()) {
                return Err(refused.into());
            }
            let is_stale = is_untouched || (matches!(refused, Refused::Lost(_)) && !lease.is_new);
            let is_patient = again < if refused.is_leaving() { LEAVING_MAX } else { 1 };
            if !is_patient || !is_stale || !upload.rewind() || !self.sends_again(is_untouched) {
                *rest = Rest { load: upload.into_body().map(Load::Body), is_untouched };
                return Err(refused.into());
            }
            again = again.saturating_add(1);
            lease = match self.lease().await {
                Ok(Opened::Http2(lease)) => lease,
                // Paid for, and nobody has seen it since.
                Ok(Opened::Http1(_)) => {
                    *rest = Rest::untouched(upload.into_body().map(Load::Body));
                    return Err(refused.into());
                }
                Err(failure) => {
                    *rest = Rest::untouched(upload.into_body().map(Load::Body));
                    return Err(failure);
                }
            };
        }
    }

    /// A place on a connection to the target.
    pub(super) async fn lease(&mut self) -> Result<Opened, Failure> {
        let due = earlier(clock::now().checked_add(self.spec.timeouts.connect), self.total_due());
        self.deadline.set_at(due);
        let opening = Box::pin(open(self.target, self.spec.pool.idle_for));
        let outcome = match self.deadline.race(opening).await {
            Ok(opened) => opened,
            Err(_) => Err(Failure::TimedOut(self.waited_for(Wait::Connect))),
        };
        self.deadline.clear();
        outcome
    }

    async fn attempt(&mut self, lease: &mut Lease, head: &Request<()>, upload: &mut Upload) -> Attempt {
        let sent = match poll_fn(|cx| lease.sender.poll_ready(cx)).await {
            Ok(()) => lease.sender.send_request(head.clone(), upload.is_empty()),
            Err(error) => Err(error),
        };
        let (response, mut stream) = match sent {
            Ok(sent) => sent,
            // Nothing has left: the connection ended between its choice and its use.
            Err(error) => {
                let outcome = Err(Refused::Unprocessed(error));
                return Attempt { outcome, stream: None, has_passed: false };
            }
        };
        let mut turn = Turn {
            errand: self,
            upload,
            stream: &mut stream,
            response,
            is_sending: true,
            is_timed: false,
            interims: 0,
            has_passed: false,
        };
        let outcome = poll_fn(|cx| turn.poll(cx)).await;
        let has_passed = turn.has_passed;
        Attempt { outcome, stream: Some(stream), has_passed }
    }

    fn receive_http2(
        &self,
        answer: Response<RecvStream>,
        stream: Option<SendStream<Bytes>>,
        upload: Upload,
        lease: Lease,
        rest: &mut Rest,
    ) -> Result<Incoming, Failure> {
        let (parts, receive) = answer.into_parts();
        let (head, size) = head::answer(&parts, self.target.answers.fields)?;
        if upload.is_done() && self.may_better(&head) {
            *rest = Rest { load: upload.into_body().map(Load::Body), is_untouched: false };
            return Ok(self.answered(parts.status, head, receive, size, None, lease));
        }
        let upload = stream.filter(|_| !upload.is_done()).map(|stream| (upload, stream));
        Ok(self.answered(parts.status, head, receive, size, upload, lease))
    }

    fn answered(
        &self,
        status: StatusCode,
        head: ResponseHead,
        receive: RecvStream,
        size: Size,
        upload: Option<(Upload, SendStream<Bytes>)>,
        lease: Lease,
    ) -> Incoming {
        let is_bodiless = self.method == http::Method::HEAD
            || status == StatusCode::NO_CONTENT
            || status == StatusCode::NOT_MODIFIED;
        if is_bodiless || receive.is_end_stream() {
            return Incoming { head, body: Body::Empty };
        }
        let source = (Arc::clone(self.target), self.times.asked.unwrap_or(self.started));
        let times = (self.idle, self.total_due());
        let body = Download::new(receive, size, upload, lease.into_place(), source, times);
        Incoming { head, body: Body::Stream(Box::new(body)) }
    }
}

/// Awaits the end of a body that is to have no content.
async fn empty(body: &mut Body) -> Result<(), Failure> {
    loop {
        match body.frame().await {
            Ok(Frame::End) => break,
            Ok(Frame::Trailers(_)) => {}
            Ok(Frame::Data(_)) => {
                return Err(Failure::Request(BodyError::Malformed("the body is longer than announced")));
            }
            Err(error) => return Err(Failure::Request(error)),
        }
    }
    *body = Body::Empty;
    Ok(())
}

struct Attempt {
    outcome: Result<Response<RecvStream>, Refused>,
    stream: Option<SendStream<Bytes>>,
    /// The client has seen an interim answer.
    has_passed: bool,
}

/// Why an attempt brought no answer.
enum Refused {
    /// The backend has not looked at the request.
    Unprocessed(h2::Error),
    /// The connection ended.
    Lost(h2::Error),
    Failed(Failure),
}

impl Refused {
    /// Whether the backend left the connection before it had looked at the request.
    fn is_leaving(&self) -> bool {
        matches!(self, Self::Unprocessed(error) if error.is_go_away())
    }

    /// Whether the connection is better left alone: it may lead nowhere, or into a flood.
    fn casts_doubt(&self) -> bool {
        matches!(self, Self::Failed(Failure::TimedOut(_) | Failure::Unexpected(TOO_MANY_INTERIMS)))
    }
}

impl From<h2::Error> for Refused {
    fn from(error: h2::Error) -> Self {
        let is_refused = error.is_reset() && error.reason() == Some(Reason::REFUSED_STREAM);
        if error.is_remote() && (is_refused || error.is_go_away()) {
            Self::Unprocessed(error)
        } else if error.is_io() {
            Self::Lost(error)
        } else if error.is_library() {
            Self::Failed(Failure::Unexpected("the answer breaks the rules of HTTP/2"))
        } else {
            Self::Failed(Failure::Closed(Some(io::Error::other(error))))
        }
    }
}

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Failed(failure) => failure,
            Refused::Unprocessed(error) | Refused::Lost(error) if error.is_io() => {
                Self::Closed(error.into_io())
            }
            Refused::Unprocessed(error) | Refused::Lost(error) => Self::Closed(Some(io::Error::other(error))),
        }
    }
}

/// One attempt: a request going up, the head of an answer coming down.
struct Turn<'a, 'b> {
    errand: &'a mut Errand<'b>,
    upload: &'a mut Upload,
    stream: &'a mut SendStream<Bytes>,
    response: ResponseFuture,
    is_sending: bool,
    is_timed: bool,
    interims: u32,
    has_passed: bool,
}

impl Turn<'_, '_> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Response<RecvStream>, Refused>> {
        self.send(cx)?;
        while let Poll::Ready(Some(interim)) = self.response.poll_informational(cx) {
            self.pass_interim(interim?.into_parts().0)?;
        }
        if let Poll::Ready(answer) = Pin::new(&mut self.response).poll(cx) {
            return Poll::Ready(answer.map_err(Refused::from));
        }
        match self.errand.deadline.poll(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(_) => {
                Poll::Ready(Err(Failure::TimedOut(self.errand.waited_for(Wait::Response)).into()))
            }
        }
    }

    /// Moves the upload on, and the deadline with it.
    fn send(&mut self, cx: &mut Context<'_>) -> Result<(), Failure> {
        if !self.is_sending {
            return Ok(());
        }
        let before = self.upload.sent_bytes();
        let progress = match self.upload.poll(cx, self.stream) {
            Ok(progress) => progress,
            Err(UploadError::Body(error)) => {
                self.stream.send_reset(Reason::CANCEL);
                return Err(Failure::Request(error));
            }
            // The backend takes no more; whether it answers, the answer tells.
            Err(UploadError::Refused) => Progress::Done,
        };
        self.is_sending = progress != Progress::Done;
        let has_moved = self.upload.sent_bytes() > before;
        self.errand.time_upload(progress, has_moved, &mut self.is_timed, None);
        Ok(())
    }

    /// 100 answers an expectation that we never forward; the others are the client's to know (RFC 9110 §15.2).
    fn pass_interim(&mut self, parts: http::response::Parts) -> Result<(), Failure> {
        self.interims = self.interims.saturating_add(1);
        if self.interims > self.errand.target.answers.interim {
            return Err(Failure::Unexpected(TOO_MANY_INTERIMS));
        }
        // RFC 9113 §8.6: HTTP/2 has no 101.
        if parts.status == StatusCode::SWITCHING_PROTOCOLS {
            return Err(MalformedResponse::SwitchUnasked.into());
        }
        let (mut head, _) = head::answer(&parts, self.errand.target.answers.fields)?;
        canonicalise_interim(&mut head.fields)?;
        if parts.status != StatusCode::CONTINUE {
            self.errand.interim.push(parts.status, head.fields);
            self.has_passed = true;
        }
        Ok(())
    }
}
