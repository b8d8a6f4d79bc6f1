//! The body is judged once, and what was judged is sent.
//!
//! What an operation's policies need decides how its bodies travel. `Head`: the bytes stream past. `Whole`: the
//! body is read first, in memory up to `body_in_memory`, then into an unlinked file, and every policy sees the
//! same bytes that are forwarded. `Stream`: inspectors see each piece before it is sent on, and the end of the
//! backend's message is written only when every one of them has said yes; a late refusal aborts that message.
//! Where a policy reads bodies decoded their content coding is undone first ([`super::decoded`]).
//!
//! # Limits
//! `body` (beyond it 413), `body_in_memory` and `bodies_in_memory` (beyond them the body lies in a file, or the
//! answer is 503 without a state directory).

use std::future::Future;
use std::io::{self, SeekFrom};
use std::os::unix::fs::FileExt;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll, ready};

use bytes::{Bytes, BytesMut};
use http::StatusCode;
use portcullis_http1::Fields;
use portcullis_openapi::coding::Coding;
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeek, AsyncSeekExt, AsyncWriteExt};

use super::context::{Ground, Rehearsal};
use super::decoded::{self, Decoded, Undoing, Undone};
use super::held;
use super::policy::Inspector;
use super::room::Share;
use super::{Admitted, Context, Form, Identified, Needs, Operation, Stop};
use crate::bounds::Bounds;
use crate::config::Forward;
use crate::http::{Body, BodyError, Frame, Reply, Size, Source};
use crate::problem::{Blame, Problem, ProblemKind, Severity};

/// A body beyond the bound.
pub const BODY_TOO_LARGE: ProblemKind = ProblemKind {
    code: "body-too-large",
    status: StatusCode::PAYLOAD_TOO_LARGE,
    title: "The request body is too large",
    blame: Blame::Client,
    severity: Some(Severity::Low),
    about: "The body is longer than the bound `body` of this operation. The operator may raise it.",
};

/// No room to hold a body that must be judged whole.
pub const BODY_NO_ROOM: ProblemKind = ProblemKind {
    code: "body-no-room",
    status: StatusCode::SERVICE_UNAVAILABLE,
    title: "No room to inspect the body",
    blame: Blame::Gateway,
    severity: None,
    about: "The body must be seen whole and there is no memory (`bodies_in_memory`) or disk left to hold it. Try again later.",
};

/// A body that was not sent to its end.
pub const BODY_INCOMPLETE: ProblemKind = ProblemKind {
    code: "body-incomplete",
    status: StatusCode::BAD_REQUEST,
    title: "The request body is incomplete or malformed",
    blame: Blame::Client,
    severity: Some(Severity::Low),
    about: "The connection ended, or the framing broke, before the end of the body.",
};

/// A body that came too slowly.
pub const BODY_TIMEOUT: ProblemKind = ProblemKind {
    code: "body-timeout",
    status: StatusCode::REQUEST_TIMEOUT,
    title: "The request body came too slowly",
    blame: Blame::Client,
    severity: Some(Severity::Low),
    about: "The client sent nothing for longer than `body_idle`, or less than `body_rate` a second.",
};

/// A body that was read to its end, in memory or in an unlinked file.
#[derive(Debug)]
pub struct Whole {
    memory: Bytes,
    file: Option<File>,
    len: u64,
    /// What it takes of the room where it lies; a body that is none takes nothing.
    held: Option<Share>,
}

/// What of a body lies in memory while it is read.
#[derive(Default)]
struct Memory {
    only: Bytes,
    all: BytesMut,
}

impl Memory {
    /// Adds a piece, which may be all there will be.
    fn add(&mut self, piece: Bytes, is_last: bool) {
        // PERF: most bodies come in one piece, which is not copied. One that is not whole yet may be a byte of a large
        // buffer, which it would keep from being used again for as long as its sender likes.
        if is_last && self.all.is_empty() {
            self.only = piece;
        } else {
            self.all.extend_from_slice(&piece);
        }
    }

    fn freeze(self) -> Bytes {
        if self.all.is_empty() { self.only } else { self.all.freeze() }
    }
}

/// The bytes of a whole body, in memory for as long as this lives.
#[derive(Debug)]
pub struct InMemory {
    bytes: Bytes,
    _held: Option<Share>,
}

impl InMemory {
    /// All of them.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }
}

/// A whole body, read piece by piece by whoever may wait for a disk.
#[derive(Debug)]
pub(crate) enum Pieces {
    Memory(Bytes),
    /// And its length.
    File(std::fs::File, u64),
}

impl Pieces {
    /// Hands out each piece, until one is refused. The outer error is the disk's.
    pub(crate) fn each<E>(&self, mut take: impl FnMut(&[u8]) -> Result<(), E>) -> io::Result<Result<(), E>> {
        let (file, len) = match self {
            Self::Memory(bytes) => return Ok(take(bytes)),
            Self::File(file, len) => (file, *len),
        };
        let mut buffer = vec![0; SPOOL_PIECE_BYTES];
        let mut at = 0_u64;
        while at < len {
            // Read at a place of its own: the place in the file is for whoever sends it on.
            let read = file.read_at(&mut buffer, at)?;
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            at = at.saturating_add(read as u64);
            if let Err(refused) = take(buffer.get(..read).unwrap_or_default()) {
                return Ok(Err(refused));
            }
        }
        Ok(Ok(()))
    }
}

/// Proof that the body of a request was judged, or is guarded by who judges it on its way. Made here alone.
#[derive(Debug)]
pub(super) struct Judged(());

/// Judges the body of a request as the policies of `operation`, which is its own, need, and admits the request.
pub(crate) async fn admit<'s>(
    mut identified: Identified<'s>,
    operation: &Operation,
    cx: &mut Context,
) -> Result<Admitted<'s>, Stop> {
    debug_assert!(
        std::ptr::eq(operation, &**identified.operation()),
        "judged by another operation's policies"
    );
    let size = identified.body_mut().size();
    if matches!(size, Size::Exactly(size) if size > operation.bounds.body) {
        return Err(too_large().into());
    }
    for policy in &operation.chain {
        cx.at(policy.name());
        policy.inspect_head(&identified, cx).decide().await?;
    }
    cx.at("inspect");
    let coding = match operation.decodes {
        Some(forward) => decoded::coding(identified.request(), size)?.map(|coding| (coding, forward)),
        None => None,
    };
    let judged = match coding {
        // Boxed: it is rare, and would take its room in every exchange.
        Some((coding, forward)) => Box::pin(undone(coding, forward, &mut identified, operation, cx)).await?,
        None => as_sent(&mut identified, operation, cx).await?,
    };
    if cx.rehearsal == Rehearsal::Judging {
        // What is made for a backend from here on, such as tokens of our own, only a running gateway has.
        cx.rehearsal = Rehearsal::Passed;
        return Err(Stop::answer(Reply { status: StatusCode::OK, fields: Fields::new(), body: Body::Empty }));
    }
    let handover = operation.handover.as_ref();
    // SECURITY: the caller's credential never leaks through, whichever alternative was used.
    if !handover.is_some_and(|handover| handover.passes_credential) {
        for authenticator in operation.authentication.authenticators() {
            authenticator.strip(identified.request_mut());
        }
    }
    if let Some(handover) = handover {
        handover.clean_trailers(identified.body_mut());
    }
    for policy in &operation.chain {
        cx.at(policy.name());
        policy.transform_request(&mut identified, cx).decide().await?;
    }
    Ok(Admitted::new(identified, judged))
}

/// Judges a body in the form it came in.
async fn as_sent(
    identified: &mut Identified<'_>,
    operation: &Operation,
    cx: &mut Context,
) -> Result<Judged, Stop> {
    let whole = match operation.needs {
        Needs::Whole => Some(Whole::read(identified.body_mut().take(), &operation.bounds, &cx.ground).await?),
        Needs::Head | Needs::Stream => None,
    };
    inspect(whole.as_ref(), identified, operation, cx).await?;
    match whole {
        Some(whole) => *identified.body_mut() = whole.into_body().await?,
        None => bound(identified.body_mut(), operation.bounds.body),
    }
    if operation.needs >= Needs::Stream {
        let (mut inspectors, decoded) = inspectors(identified, operation, cx);
        inspectors.extend(decoded);
        guard(identified.body_mut(), inspectors);
    }
    Ok(Judged(()))
}

/// Judges a body of which the coding is undone.
async fn undone(
    coding: Coding,
    forward: Forward,
    identified: &mut Identified<'_>,
    operation: &Operation,
    cx: &mut Context,
) -> Result<Judged, Stop> {
    let bounds = &operation.bounds;
    let (as_sent, decoded) = inspectors(identified, operation, cx);
    let mut body = identified.body_mut().take();
    bound(&mut body, bounds.body);
    guard(&mut body, as_sent);
    let undoing = Undoing::new(coding, bounds, &cx.ground);
    let decode = |body, undoing| Body::Stream(Box::new(Decoded::new(body, undoing)));
    if forward == Forward::Decoded {
        decoded::forget_coding(identified.request_mut());
    }
    let (mut passing, inspectors) = match (operation.needs, forward) {
        (Needs::Whole, Forward::Decoded) => {
            let whole = Whole::read(decode(body, undoing), bounds, &cx.ground).await?;
            inspect(Some(&whole), identified, operation, cx).await?;
            (whole.into_body().await?, decoded)
        }
        (Needs::Whole, Forward::Encoded) => {
            let sent = Whole::read(body, bounds, &cx.ground).await?;
            let mut copy = decode(sent.copy().await?, undoing);
            guard(&mut copy, decoded);
            let whole = Whole::read(copy, bounds, &cx.ground).await?;
            inspect(Some(&whole), identified, operation, cx).await?;
            drop(whole);
            (sent.into_body().await?, Inspectors::new())
        }
        (Needs::Head | Needs::Stream, Forward::Decoded) => {
            inspect(None, identified, operation, cx).await?;
            (decode(body, undoing), decoded)
        }
        (Needs::Head | Needs::Stream, Forward::Encoded) => {
            inspect(None, identified, operation, cx).await?;
            let undone: Box<dyn Inspector> = Box::new(Undone::new(undoing, decoded));
            (body, vec![undone])
        }
    };
    guard(&mut passing, inspectors);
    *identified.body_mut() = passing;
    Ok(Judged(()))
}

/// Asks every policy about the request, and about its body if one needs it whole.
async fn inspect(
    whole: Option<&Whole>,
    identified: &Identified<'_>,
    operation: &Operation,
    cx: &mut Context,
) -> Result<(), Stop> {
    for policy in &operation.chain {
        cx.at(policy.name());
        policy.inspect_request(identified, whole, cx).decide().await?;
    }
    Ok(())
}

/// Those who look at the pieces of this body: at what came, and at what is decoded.
fn inspectors(identified: &Identified, operation: &Operation, cx: &mut Context) -> (Inspectors, Inspectors) {
    let (mut as_sent, mut decoded) = (Inspectors::new(), Inspectors::new());
    if operation.needs >= Needs::Stream {
        for policy in &operation.chain {
            let side = if policy.form() == Form::Decoded { &mut decoded } else { &mut as_sent };
            side.extend(policy.stream_inspector(identified, cx));
        }
    }
    (as_sent, decoded)
}

type Inspectors = Vec<Box<dyn Inspector>>;

/// Has `inspectors`, if there are any, look at the pieces of a body.
fn guard(body: &mut Body, inspectors: Inspectors) {
    if !inspectors.is_empty() {
        let inner = body.take();
        *body = Body::Stream(Box::new(Guarded { inner, inspectors, at: 0, held: None }));
    }
}

/// What a body that stopped says to the client, when the client is to blame.
pub fn client_body_problem(error: BodyError) -> Problem {
    match error {
        BodyError::Closed | BodyError::Lapsed => {
            BODY_INCOMPLETE.with("the connection ended before the body did")
        }
        BodyError::Malformed(why) => {
            BODY_INCOMPLETE.with("the framing of the body is malformed").because(why)
        }
        BodyError::TimedOut => BODY_TIMEOUT.with("the body came too slowly"),
        BodyError::Refused(problem) => *problem,
    }
}

fn too_large() -> Problem {
    BODY_TOO_LARGE.with("the body is longer than this operation allows")
}

/// Takes room in files.
fn take(room: &mut Share, more: usize) -> Result<(), Stop> {
    if room.grow(more as u64) { Ok(()) } else { Err(no_room("`bodies_in_files` is used up")) }
}

/// There is no room for a body, or no way to it.
pub(crate) fn no_room(cause: impl std::fmt::Display) -> Stop {
    BODY_NO_ROOM
        .with("the body cannot be held for inspection now")
        .because(cause)
        .field("retry-after", "1")
        .into()
}

impl Whole {
    /// Its length in bytes.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The bytes, if they lie in memory; a larger body lies in a file.
    pub fn bytes(&self) -> Option<&Bytes> {
        self.file.is_none().then_some(&self.memory)
    }

    /// The same bytes, to be read piece by piece off the threads that serve.
    pub(crate) async fn pieces(&self) -> Result<Pieces, Stop> {
        let Some(file) = &self.file else { return Ok(Pieces::Memory(self.memory.clone())) };
        let file = file.try_clone().await.map_err(no_room)?;
        Ok(Pieces::File(file.into_std().await, self.len))
    }

    /// All of it in memory, for who has to judge it as one; what lies in a file is there twice as long as this lives.
    pub(crate) async fn in_memory(&self, ground: &Arc<Ground>) -> Result<InMemory, Stop> {
        let Some(file) = &self.file else { return Ok(InMemory { bytes: self.memory.clone(), _held: None }) };
        let mut held = Share::of(&ground.memory);
        if !held.grow(self.len) {
            return Err(no_room("`bodies_in_memory` is used up"));
        }
        let mut file = file.try_clone().await.map_err(no_room)?;
        file.seek(SeekFrom::Start(0)).await.map_err(no_room)?;
        let len = usize::try_from(self.len).map_err(no_room)?;
        let mut bytes = BytesMut::with_capacity(len);
        while bytes.len() < len {
            if file.read_buf(&mut bytes).await.map_err(no_room)? == 0 {
                return Err(no_room("the spooled body ends early"));
            }
        }
        Ok(InMemory { bytes: bytes.freeze(), _held: Some(held) })
    }

    async fn read(mut body: Body, bounds: &Bounds, ground: &Arc<Ground>) -> Result<Self, Stop> {
        // PERF: most requests have none: no count that all cores share is touched for it.
        if matches!(body, Body::Empty) {
            return Ok(Self { memory: Bytes::new(), file: None, len: 0, held: None });
        }
        let (most, in_memory) = (bounds.body, bounds.body_in_memory);
        let size = body.size();
        // What is announced to be too long for memory never begins there.
        let is_long = matches!(size, Size::Exactly(size) if size > in_memory);
        let mut memory = Memory::default();
        let mut held = Share::of(&ground.memory);
        let mut file: Option<File> = None;
        let mut len = 0_u64;
        loop {
            let piece = match body.frame().await {
                Ok(Frame::Data(piece)) => piece,
                // Trailers of a body that is held whole are judged by no one and go no further.
                Ok(Frame::Trailers(_)) => continue,
                Ok(Frame::End) => break,
                Err(error) => return Err(client_body_problem(error).into()),
            };
            len = len.saturating_add(piece.len() as u64);
            if len > most {
                return Err(too_large().into());
            }
            if file.is_none() && (is_long || len > in_memory || !held.grow(piece.len() as u64)) {
                let mut spool = ground.spool().await.map_err(no_room)?;
                spool.set_max_buf_size(SPOOL_WRITE_BYTES_MAX);
                let mut room = Share::of(&ground.files);
                let begun = std::mem::take(&mut memory).freeze();
                take(&mut room, begun.len())?;
                spool.write_all(&begun).await.map_err(no_room)?;
                (held, file) = (room, Some(spool));
            }
            match &mut file {
                Some(spool) => {
                    take(&mut held, piece.len())?;
                    spool.write_all(&piece).await.map_err(no_room)?;
                }
                None => memory.add(piece, size == Size::Exactly(len)),
            }
        }
        if let Some(spool) = &mut file {
            spool.flush().await.map_err(no_room)?;
        }
        Ok(Self { memory: memory.freeze(), file, len, held: Some(held) })
    }

    /// The same bytes, to be read before [`Whole::into_body`]: what lies in a file is read through the one place in it.
    async fn copy(&self) -> Result<Body, Stop> {
        let Some(file) = &self.file else { return Ok(Body::from_bytes(self.memory.clone())) };
        let file = file.try_clone().await.map_err(no_room)?;
        Self { memory: Bytes::new(), file: Some(file), len: self.len, held: None }.into_body().await
    }

    /// A copy without the content coding that the request names, for whoever only watches.
    pub(crate) async fn decoded(&self, request: &Identified<'_>, ground: &Arc<Ground>) -> Result<Self, Stop> {
        let bounds = &request.operation().bounds;
        let coding = decoded::coding(request.request(), request.request().size())?;
        let copy = self.copy().await?;
        let body = match coding {
            Some(coding) => Body::Stream(Box::new(Decoded::new(copy, Undoing::new(coding, bounds, ground)))),
            None => copy,
        };
        Self::read(body, bounds, ground).await
    }

    async fn into_body(self) -> Result<Body, Stop> {
        match self.file {
            None => Ok(held::body(self.memory, self.held)),
            Some(mut file) => {
                file.seek(SeekFrom::Start(0)).await.map_err(no_room)?;
                Ok(Body::Stream(Box::new(Spooled {
                    file,
                    seeks: false,
                    left: self.len,
                    len: self.len,
                    buffer: BytesMut::new(),
                    _held: self.held,
                })))
            }
        }
    }
}

/// A whole body in an unlinked file, which gives its share of `bodies_in_files` back when it has been sent.
struct Spooled {
    file: File,
    /// It goes back to its start before anything is read.
    seeks: bool,
    left: u64,
    len: u64,
    buffer: BytesMut,
    _held: Option<Share>,
}

const SPOOL_PIECE_BYTES: usize = 64 * 1024;

/// Bytes copied at a time for the thread that writes them to the disk.
const SPOOL_WRITE_BYTES_MAX: usize = 64 * 1024;

const UNREADABLE: BodyError = BodyError::Malformed("the spooled body cannot be read back");

impl Source for Spooled {
    fn poll_frame(&mut self, cx: &mut TaskContext<'_>) -> Poll<Result<Frame, BodyError>> {
        if self.left == 0 {
            return Poll::Ready(Ok(Frame::End));
        }
        if self.seeks {
            if ready!(Pin::new(&mut self.file).poll_complete(cx)).is_err() {
                return Poll::Ready(Err(UNREADABLE));
            }
            self.seeks = false;
        }
        self.buffer.reserve(SPOOL_PIECE_BYTES);
        let read = ready!(pin!(self.file.read_buf(&mut self.buffer)).poll(cx));
        match read {
            Ok(read) if read > 0 => {
                self.left = self.left.saturating_sub(read as u64);
                Poll::Ready(Ok(Frame::Data(self.buffer.split().freeze())))
            }
            _ => Poll::Ready(Err(UNREADABLE)),
        }
    }

    fn rewind(&mut self) -> bool {
        // A read that was begun ends first.
        self.seeks = Pin::new(&mut self.file).start_seek(SeekFrom::Start(0)).is_ok();
        self.left = self.len;
        self.buffer.clear();
        self.seeks
    }

    fn size(&self) -> Size {
        Size::Exactly(self.len)
    }
}

/// Counts a body of unknown length against the bound.
struct Bounded {
    inner: Body,
    left: u64,
}

/// Lets no more than `most` bytes of a body pass.
fn bound(body: &mut Body, most: u64) {
    if body.size() == Size::Unknown {
        let inner = body.take();
        *body = Body::Stream(Box::new(Bounded { inner, left: most }));
    }
}

impl Source for Bounded {
    fn poll_frame(&mut self, cx: &mut TaskContext<'_>) -> Poll<Result<Frame, BodyError>> {
        let frame = ready!(self.inner.poll_frame(cx))?;
        if let Frame::Data(piece) = &frame {
            match self.left.checked_sub(piece.len() as u64) {
                Some(left) => self.left = left,
                None => return Poll::Ready(Err(BodyError::Refused(Box::new(too_large())))),
            }
        }
        Poll::Ready(Ok(frame))
    }

    fn size(&self) -> Size {
        Size::Unknown
    }
}

/// A body whose pieces are inspected as they pass, and whose end only the inspectors can let through.
struct Guarded {
    inner: Body,
    inspectors: Vec<Box<dyn Inspector>>,
    at: usize,
    held: Option<Frame>,
}

impl Source for Guarded {
    fn poll_frame(&mut self, cx: &mut TaskContext<'_>) -> Poll<Result<Frame, BodyError>> {
        let held = match self.held.take() {
            Some(held) => held,
            None => {
                self.at = 0;
                ready!(self.inner.poll_frame(cx))?
            }
        };
        while let Some(inspector) = self.inspectors.get_mut(self.at) {
            let verdict = match &held {
                Frame::Data(piece) => inspector.poll_piece(piece, cx),
                Frame::End => inspector.poll_end(cx),
                Frame::Trailers(_) => Poll::Ready(Ok(())),
            };
            match verdict {
                Poll::Ready(Ok(())) => self.at = self.at.saturating_add(1),
                Poll::Ready(Err(problem)) => return Poll::Ready(Err(BodyError::Refused(problem))),
                Poll::Pending => {
                    self.held = Some(held);
                    return Poll::Pending;
                }
            }
        }
        Poll::Ready(Ok(held))
    }

    fn size(&self) -> Size {
        self.inner.size()
    }
}

#[cfg(test)]
mod tests;
