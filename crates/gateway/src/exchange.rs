//! READ FIRST: one request, from its head to its log line.
//!
//! Both wires end up here with a [`Head`] and a [`Body`]. [`exchange`] has the request judged, lets the reply
//! leave, and ends with exactly one record. [`judge`] is the order of the security model, top to bottom; each
//! line consumes the state before it, so that no line can be left out. Whatever stops it, a problem or an
//! answer of our own, leaves by the same door as a backend's answer.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use http::{Method, StatusCode};
use portcullis_http1::{Fields, Refusal, RefusalClass};
use smallvec::SmallVec;

use crate::http::ending::Ending;
use crate::http::tls::managed::Managed;
use crate::http::{Body, Canonical, Head, Malformed, Peer, Reply, Rules, Wire as HttpVersion, hops};
use crate::observe::Kept;
use crate::panics::{Contained, Panicked};
use crate::pipeline::context::Rehearsal;
use crate::pipeline::step::Why;
use crate::pipeline::{
    Admitted, Answered, Context, Freight, Identified, Routed, Stop, judged, problem_reply,
};
use crate::problem::{Blame, Problem, ProblemKind, Severity};
use crate::route::Found;
use crate::snapshot::lease::Lease;
use crate::snapshot::{Latest, Listening, Live, Opening, Snapshot};

mod routing;

/// One side of a connection as an exchange sees it: something that carries a reply away.
pub trait Wire: Send {
    /// Lets `judging` run to its end, sending interim answers meanwhile. `None` if the client went away first.
    fn drive<F>(&mut self, judging: F) -> impl Future<Output = Option<F::Output>> + Send
    where
        F: Future + Send,
        F::Output: Send;

    /// Carries the reply away, pulling its body to the end. Takes what it has carried.
    fn send(&mut self, reply: &mut Reply, cx: &mut Context) -> impl Future<Output = Sent> + Send;

    /// Ends what a reply was carried on, so that its client can tell that the reply is not whole.
    fn break_off(&mut self);
}

/// What became of a reply.
#[derive(Debug, Clone, Copy)]
pub struct Sent {
    /// Bytes of its body that were written.
    pub bytes: u64,
    /// Whether it was written to its proper end.
    pub complete: bool,
}

/// Serves one request by the configuration of this moment: judged, answered, recorded once.
#[expect(clippy::manual_async_fn, reason = "an `async fn` moves what it is given once more")]
pub fn exchange<W: Wire>(
    wire: &mut W,
    mut head: Head,
    body: Body,
    latest: &mut Latest<'_>,
    live: &Arc<Live>,
    cx: &mut Context,
) -> impl Future<Output = ()> + Send {
    async move {
        let mut freight = Freight::new(body);
        let snapshot = &**latest.load();
        let tells_times = snapshot.server_timing;
        cx.begin(head.wire, snapshot.bounds.write_idle, &snapshot.revision);
        let judged = {
            let mut judging = pin!(judge(&mut head, &mut freight, snapshot, live, cx));
            wire.drive(Contained(judging.as_mut())).await
        };
        let Some(judged) = judged else { return cx.finish(0, false) };
        match judged.unwrap_or_else(|panicked| Err(defect(panicked).into())) {
            Ok(answered) => answered.leaves(),
            Err(stop) => freight.replace(stopped(stop, cx)),
        }
        if freight.reply_mut().body.takes_time() {
            // Nobody is to wait for it who waits for an old configuration to be gone.
            latest.let_go();
        }
        leave(wire, freight.reply_mut(), cx, tells_times).await;
    }
}

/// The order of the security model. Fixed; see `docs/life-of-a-request.md`.
async fn judge<'s>(
    head: &mut Head,
    freight: &'s mut Freight,
    snapshot: &'s Snapshot,
    live: &Arc<Live>,
    cx: &mut Context,
) -> Result<Answered<'s>, Stop> {
    let listener = admit(snapshot, cx).inspect_err(|_| cx.saw_head(head))?;
    let mut request = canonical(head, &listener.rules, snapshot, cx)?;
    if hops::passed(request.fields()) > snapshot.bounds.hops as usize {
        return Err(LOOP.with("the request comes back to the gateway again and again").into());
    }
    let goes_on = hops::spend(&mut request).map_err(|why| malformed(why, cx))?;
    if let Some(proofs) = &listener.proofs {
        proof(proofs, &request)?;
    }
    cx.at("route");
    covered(&request, &listener.opening, cx)?;
    if request.path() == "*" || !goes_on {
        return Err(options(SERVER_METHODS));
    }

    let operation = match routing::find(&listener.routes, &request, cx)? {
        Found::Operation(operation) => operation,
        Found::OtherMethods(allow) => return Err(other_methods(allow, request.method())),
        Found::Nothing => {
            return Err(NO_SUCH_OPERATION.with("no published operation has this host and path").into());
        }
    };
    // PERF: lent by the snapshot from here on; each copy of an `Arc` costs as much as forty instructions.
    let chain = &operation.chain;
    let mut routed = Routed::new(request, operation, freight);
    cx.route(&routed);

    for policy in chain {
        cx.at(policy.name());
        policy.screen(&mut routed, cx).decide().await?;
    }
    cx.at("authenticate");
    let mut identified = Identified::authenticate(routed, cx).await?;
    for policy in chain {
        cx.at(policy.name());
        policy.attest(&mut identified, cx).decide().await?;
    }
    for policy in chain {
        cx.at(policy.name());
        policy.authorize(&identified, cx).decide().await?;
    }
    for policy in chain {
        cx.at(policy.name());
        policy.throttle(&identified, cx).decide().await?;
    }
    cx.at("inspect");
    let admitted = judged::admit(identified, operation, cx).await?;

    cx.at("forward");
    let mut answered = match Lease::of(operation, cx) {
        None => snapshot.upstreams.forward(admitted, cx).await?,
        // Boxed: it is rare, and would take its room in every exchange.
        Some(lease) => Box::pin(forward_on(live.ending(lease), admitted, snapshot, cx)).await?,
    };
    for policy in chain {
        cx.at(policy.name());
        policy.inspect_response(&mut answered, cx).decide().await?;
    }
    for policy in chain {
        cx.at(policy.name());
        policy.transform_response(&mut answered, cx).decide().await?;
    }
    Ok(answered)
}

/// Asks the backend for what may become a stream: it ends by `ending`, when its ground is gone, whether its answer has
/// begun or not.
async fn forward_on<'s>(
    mut ending: Ending,
    admitted: Admitted<'s>,
    snapshot: &Snapshot,
    cx: &mut Context,
) -> Result<Answered<'s>, Stop> {
    let mut answered = {
        let mut forwarding = pin!(snapshot.upstreams.forward(admitted, cx));
        poll_fn(|cx| match ending.poll_cut(cx) {
            Poll::Ready(()) => Poll::Ready(Err(lapsed())),
            Poll::Pending => forwarding.as_mut().poll(cx),
        })
        .await?
    };
    let body = answered.body_mut().take();
    *answered.body_mut() = body.until(ending);
    Ok(answered)
}

/// One more request under way, if `requests` allows it and its listener is still there.
fn admit<'a>(snapshot: &'a Snapshot, cx: &mut Context) -> Result<&'a Listening, Stop> {
    cx.at("admit");
    if !cx.take_place() {
        return Err(OVERLOADED.with("try again in a moment").field("retry-after", "1").into());
    }
    snapshot.listener(&cx.peer.listener).inspect_err(|_| cx.end_connection())
}

/// The one reading of a head, and where it stands in a trace.
fn canonical(
    head: &mut Head,
    rules: &Rules,
    snapshot: &Snapshot,
    cx: &mut Context,
) -> Result<Canonical, Stop> {
    cx.at("canonicalize");
    let request = Canonical::build(head, &cx.peer, rules).map_err(|why| {
        cx.saw_head(head);
        malformed(why, cx)
    })?;
    cx.saw(&request);
    cx.join_trace(&request, rules.trusts(cx.peer.ip()), &snapshot.tracing);
    Ok(request)
}

/// Answers an authority that looks whether a name leads here. Nothing of it goes any further, and nothing else is answered.
fn proof(proofs: &[Arc<Managed>], request: &Canonical) -> Result<(), Stop> {
    let asked = (request.method() == Method::GET && request.query().is_none()).then_some(());
    let found = asked.and_then(|()| proofs.iter().find_map(|one| one.answer(request.host(), request.path())));
    let Some(content) = found else { return Ok(()) };
    let mut fields = Fields::new();
    fields.push("content-type", "application/octet-stream");
    fields.push("cache-control", "no-store");
    Err(Stop::answer(Reply { status: StatusCode::OK, fields, body: Body::from_bytes(content) }))
}

/// Whether its connection is for the host it asks for: by the certificate that was shown, and by what the client was
/// asked to show.
fn covered(request: &Canonical, opening: &Opening, cx: &Context) -> Result<(), Stop> {
    let Some(facts) = &cx.peer.tls else { return Ok(()) };
    let host = request.host();
    if facts.certificate.as_ref().is_some_and(|certificate| !certificate.covers(host)) {
        return Err(MISDIRECTED.with("this connection's certificate is not for this host").into());
    }
    let tls = opening.tls.as_ref();
    if tls.is_some_and(|tls| !tls.asks_alike(facts.server_name.as_deref(), host)) {
        return Err(MISDIRECTED.with("this host asks other certificates of its clients").into());
    }
    Ok(())
}

/// Judges a request as if it had come over `peer`, and asks no backend: what would become of it.
pub async fn rehearse(mut head: Head, body: Body, live: &Arc<Live>, peer: &Arc<Peer>) -> Option<Kept> {
    let snapshot = live.snapshot();
    let mut cx = Context::new(Arc::clone(&live.ground), Arc::clone(peer), Arc::default());
    cx.rehearsal = Rehearsal::Judging;
    cx.begin(head.wire, snapshot.bounds.write_idle, &snapshot.revision);
    let mut freight = Freight::new(body);
    let judged = judge(&mut head, &mut freight, &snapshot, live, &mut cx).await;
    let status = match judged {
        Ok(answered) => answered.status(),
        Err(_) if cx.rehearsal == Rehearsal::Passed => StatusCode::OK,
        Err(stop) => stopped(stop, &mut cx).status,
    };
    cx.replies(status);
    cx.finish(0, true);
    live.ground.observe.explain(cx.id.as_str())
}

/// Answers bytes that never became a head, and records them once.
pub async fn refuse<W: Wire>(
    wire: &mut W,
    refused: Refused,
    version: HttpVersion,
    live: &Live,
    cx: &mut Context,
) {
    let snapshot = live.snapshot();
    cx.begin(version, snapshot.bounds.write_idle, &snapshot.revision);
    cx.end_connection();
    let stop = match refused {
        Refused::Bytes(refusal) => unreadable(refusal).into(),
        Refused::Head(why) => malformed(why, cx),
        Refused::TooSlow => HEAD_TIMEOUT.with(HEAD_TIMEOUT.title).into(),
    };
    let mut reply = stopped(stop, cx);
    let tells_times = snapshot.server_timing;
    drop(snapshot);
    leave(wire, &mut reply, cx, tells_times).await;
}

/// Why there is no head.
#[derive(Debug, Clone, Copy)]
pub enum Refused {
    /// The bytes break the grammar or a bound.
    Bytes(Refusal),
    /// They make a head that has no reading on this wire.
    Head(Malformed),
    /// They did not come in time.
    TooSlow,
}

/// The one door every reply leaves by.
async fn leave<W: Wire>(wire: &mut W, reply: &mut Reply, cx: &mut Context, tells_times: bool) {
    reply.fields.put_form(cx.id.line());
    if tells_times {
        reply.fields.push("server-timing", server_timing(cx));
    }
    if let Some(cookie) = cx.take_cookie() {
        reply.fields.push("set-cookie", &*cookie);
        // It is for one browser: nobody on the way may keep the answer.
        reply.fields.set("cache-control", "no-store");
    }
    cx.replies(reply.status);
    let sent = {
        let mut sending = pin!(wire.send(reply, cx));
        Contained(sending.as_mut()).await
    };
    let sent = sent.unwrap_or_else(|panicked| {
        // Nobody knows how far the reply came: the client is told that it has no end.
        wire.break_off();
        cx.stopped(defect(panicked));
        Sent { bytes: 0, complete: false }
    });
    cx.finish(sent.bytes, sent.complete);
}

/// What the time until now was spent on, for whoever measures in a browser (W3C Server Timing).
fn server_timing(cx: &Context) -> SmallVec<[u8; 64]> {
    let (gateway, backend) = cx.shares();
    let mut text = SmallVec::new();
    for (name, took) in [(&b"gateway;dur="[..], Some(gateway)), (b", backend;dur=", backend)] {
        let Some(took) = took else { continue };
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        text.extend_from_slice(name);
        text.extend_from_slice(itoa::Buffer::new().format(micros / 1000).as_bytes());
        text.push(b'.');
        // A thousand more, so that there are always three digits behind the first.
        let thousandths = (micros % 1000).saturating_add(1000);
        text.extend_from_slice(
            itoa::Buffer::new().format(thousandths).as_bytes().get(1..).unwrap_or_default(),
        );
    }
    text
}

fn defect(panicked: Panicked) -> Problem {
    INTERNAL.with("the gateway failed").because(panicked.0)
}

fn stopped(stop: Stop, cx: &mut Context) -> Reply {
    match stop.into_why() {
        Why::Answer(reply) => {
            cx.answered();
            reply
        }
        Why::Problem(problem) => {
            let reply = problem_reply::render(&problem, cx.id.as_str());
            cx.stopped(problem);
            reply
        }
        Why::Denied(problem, reply) => {
            cx.stopped(problem);
            reply
        }
    }
}

/// What `OPTIONS *` answers, and `OPTIONS` that may go no further: the methods that can pass at all. It speaks of the server and not of what is
/// published, so it tells a stranger nothing (RFC 9110 §9.3.7).
const SERVER_METHODS: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

/// A path that is published with the methods of `allow`, and not with this one.
#[cold]
fn other_methods(allow: String, method: &Method) -> Stop {
    if *method == Method::OPTIONS {
        return options(&allow);
    }
    METHOD_NOT_ALLOWED.with("the path exists, the method does not").field("allow", allow).into()
}

/// `OPTIONS` on a path that declares none: the methods, and nothing else (RFC 9110 §9.3.7).
fn options(allow: &str) -> Stop {
    let mut fields = Fields::new();
    fields.push("allow", allow);
    Stop::answer(Reply { status: StatusCode::NO_CONTENT, fields, body: Body::Empty })
}

/// A stream whose ground was taken away before its backend had begun to answer.
fn lapsed() -> Stop {
    STREAM_ENDED.with("the configuration or a credential changed under the stream").into()
}

fn unreadable(refusal: Refusal) -> Problem {
    let kind = match refusal.class() {
        RefusalClass::Malformed => &MALFORMED_REQUEST,
        RefusalClass::LineTooLong => &TARGET_TOO_LONG,
        RefusalClass::HeadTooLarge => &HEAD_TOO_LARGE,
        RefusalClass::NotImplemented => &NOT_IMPLEMENTED,
        RefusalClass::VersionNotSupported => &VERSION_NOT_SUPPORTED,
    };
    kind.with(kind.title).because(refusal.as_str())
}

/// After a message that could be read in two ways, nothing on its connection can be trusted.
fn malformed(malformed: Malformed, cx: &mut Context) -> Stop {
    cx.end_connection();
    let kind = match malformed.status() {
        StatusCode::EXPECTATION_FAILED => &EXPECTATION_FAILED,
        StatusCode::NOT_IMPLEMENTED => &NOT_IMPLEMENTED,
        StatusCode::UPGRADE_REQUIRED => &UPGRADE_REQUIRED,
        _ => &MALFORMED_REQUEST,
    };
    let problem = kind.with(kind.title).because(malformed);
    let fields = malformed.reply_fields().iter();
    fields.fold(problem, |problem, (name, value)| problem.field(name, *value)).into()
}

/// Every kind this module raises.
pub const PROBLEMS: &[&ProblemKind] = &[
    &MALFORMED_REQUEST,
    &TARGET_TOO_LONG,
    &HEAD_TOO_LARGE,
    &HEAD_TIMEOUT,
    &NOT_IMPLEMENTED,
    &VERSION_NOT_SUPPORTED,
    &EXPECTATION_FAILED,
    &MISDIRECTED,
    &UPGRADE_REQUIRED,
    &LOOP,
    &OVERLOADED,
    &STREAM_ENDED,
    &NO_SUCH_OPERATION,
    &METHOD_NOT_ALLOWED,
    &INTERNAL,
];

/// A message that can be read in two ways.
pub const MALFORMED_REQUEST: ProblemKind = ProblemKind {
    code: "malformed-request",
    status: StatusCode::BAD_REQUEST,
    title: "The request is malformed or ambiguous",
    blame: Blame::Client,
    severity: Some(Severity::Medium),
    about: "The message breaks the grammar of HTTP or can be read in two ways. The connection is closed; the log names the rule.",
};

/// A request line beyond the bound.
pub const TARGET_TOO_LONG: ProblemKind = ProblemKind {
    code: "target-too-long",
    status: StatusCode::URI_TOO_LONG,
    title: "The request line is too long",
    blame: Blame::Client,
    severity: Some(Severity::Low),
    about: "The request line is longer than the bound `request_line`.",
};

/// A head beyond the bounds.
pub const HEAD_TOO_LARGE: ProblemKind = ProblemKind {
    code: "head-too-large",
    status: StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
    title: "The request head is too large",
    blame: Blame::Client,
    severity: Some(Severity::Low),
    about: "The head has more bytes than `head` or more fields than `fields` allow.",
};

/// A head that did not come in time.
pub const HEAD_TIMEOUT: ProblemKind = ProblemKind {
    code: "head-timeout",
    status: StatusCode::REQUEST_TIMEOUT,
    title: "The request head came too slowly",
    blame: Blame::Client,
    severity: Some(Severity::Low),
    about: "The head was begun and not complete within `head_timeout`.",
};

/// A method or coding that never passes.
pub const NOT_IMPLEMENTED: ProblemKind = ProblemKind {
    code: "not-implemented",
    status: StatusCode::NOT_IMPLEMENTED,
    title: "The gateway does not carry this method or transfer coding",
    blame: Blame::Client,
    severity: Some(Severity::Low),
    about: "CONNECT, TRACE and transfer codings other than `chunked` never pass.",
};

/// A version we do not speak.
pub const VERSION_NOT_SUPPORTED: ProblemKind = ProblemKind {
    code: "version-not-supported",
    status: StatusCode::HTTP_VERSION_NOT_SUPPORTED,
    title: "The HTTP version is not supported",
    blame: Blame::Client,
    severity: Some(Severity::Low),
    about: "The request line names a version other than HTTP/1.0 and HTTP/1.1.",
};

/// An expectation other than `100-continue`.
pub const EXPECTATION_FAILED: ProblemKind = ProblemKind {
    code: "expectation-failed",
    status: StatusCode::EXPECTATION_FAILED,
    title: "The expectation cannot be met",
    blame: Blame::Client,
    severity: Some(Severity::Low),
    about: "`Expect` says something other than `100-continue`, once.",
};

/// A host that the certificate of its connection does not bear (RFC 9110 §7.4).
pub const MISDIRECTED: ProblemKind = ProblemKind {
    code: "misdirected-request",
    status: StatusCode::MISDIRECTED_REQUEST,
    title: "The request came over a connection for another host",
    blame: Blame::Client,
    severity: Some(Severity::Low),
    about: "The certificate of the TLS connection does not bear the request's host. Open a connection for this host.",
};

/// A version of WebSocket that is not spoken.
pub const UPGRADE_REQUIRED: ProblemKind = ProblemKind {
    code: "upgrade-required",
    status: StatusCode::UPGRADE_REQUIRED,
    title: "The WebSocket version is not supported",
    blame: Blame::Client,
    severity: Some(Severity::Low),
    about: "The handshake asks for a version of WebSocket other than 13; `Sec-WebSocket-Version` names the one that is spoken.",
};

/// More requests than may be under way.
pub const OVERLOADED: ProblemKind = ProblemKind {
    code: "overloaded",
    status: StatusCode::SERVICE_UNAVAILABLE,
    title: "Too many requests are under way",
    blame: Blame::Gateway,
    severity: None,
    about: "The gateway has as many requests under way as its bound `requests` allows, streams and WebSockets included.",
};

/// A stream that may not go on.
pub const STREAM_ENDED: ProblemKind = ProblemKind {
    code: "stream-ended",
    status: StatusCode::SERVICE_UNAVAILABLE,
    title: "The stream may not go on",
    blame: Blame::Gateway,
    severity: None,
    about: "While a stream was being opened, a change of the configuration took away or changed its operation, or what its caller \
            presented no longer holds. Begun anew, it is judged anew.",
};

/// A request that goes in circles (RFC 5842 §7.2).
pub const LOOP: ProblemKind = ProblemKind {
    code: "loop-detected",
    status: StatusCode::LOOP_DETECTED,
    title: "The request goes in circles",
    blame: Blame::Gateway,
    severity: None,
    about: "`Via` names this gateway more often than the bound `hops` allows: a backend leads back to the gateway.",
};

/// Undeclared.
pub const NO_SUCH_OPERATION: ProblemKind = ProblemKind {
    code: "no-such-operation",
    status: StatusCode::NOT_FOUND,
    title: "No such operation",
    blame: Blame::Client,
    severity: Some(Severity::Low),
    about: "No published API has an operation with this host and path.",
};

/// The path is declared, the method is not.
pub const METHOD_NOT_ALLOWED: ProblemKind = ProblemKind {
    code: "method-not-allowed",
    status: StatusCode::METHOD_NOT_ALLOWED,
    title: "The operation does not have this method",
    blame: Blame::Client,
    severity: Some(Severity::Low),
    about: "The path is published with other methods; `Allow` names them.",
};

/// A panic, contained.
pub const INTERNAL: ProblemKind = ProblemKind {
    code: "internal-error",
    status: StatusCode::INTERNAL_SERVER_ERROR,
    title: "The gateway failed",
    blame: Blame::Gateway,
    severity: Some(Severity::High),
    about: "Something inside the gateway failed; the request did not pass. The log has the cause.",
};

#[cfg(test)]
mod tests;
