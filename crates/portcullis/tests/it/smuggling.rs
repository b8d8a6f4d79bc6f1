//! No message that two parsers could read differently reaches a backend, and none hides a second one.
//!
//! Each row of the catalogue is a table: bytes a client says on one connection, and what must come of them.
//! Beside each refused class stands the nearest valid message, which must pass: strict is not deaf.

mod bodies;
mod framing;
mod http2;
mod syntax;
mod target;

use std::time::Duration;

use portcullis_testkit::raw::{End, Transcript};
use portcullis_testkit::{Deadline, Message, Response};

use crate::stage::{Findings, Stage};

/// One conversation.
pub(crate) struct Case {
    name: String,
    bytes: Vec<u8>,
    expect: Expect,
}

/// What must come of it.
#[derive(Clone, Copy)]
pub(crate) enum Expect {
    /// One refusal, then the connection closes. No whole message arrives.
    Refused,
    /// A request the gateway understands and declines: one of these statuses, nothing arrives.
    Answered(&'static [u16]),
    /// Exactly these targets arrive, in this order, and each gets its own reply.
    Passes(&'static [&'static str]),
    /// Readers of the standard may differ: refused, or exactly this message.
    Either(&'static str),
    /// The client went away half way: no whole message arrives, whatever it is told.
    Cut,
}

impl Case {
    fn new(name: impl Into<String>, bytes: impl AsRef<[u8]>, expect: Expect) -> Self {
        Self { name: name.into(), bytes: bytes.as_ref().to_vec(), expect }
    }
}

/// How long a refused connection may stay open.
const PATIENCE: Duration = Duration::from_secs(5);
/// The request that hides in a body or behind a message; it must never arrive.
pub(crate) const HIDDEN: &str = "GET /smuggled HTTP/1.1\r\nHost: gw.test\r\n\r\n";

/// A GET to `/c` with these field lines (each with its end).
pub(crate) fn get(lines: impl AsRef<[u8]>) -> Vec<u8> {
    [&b"GET /c HTTP/1.1\r\nHost: gw.test\r\n"[..], lines.as_ref(), b"\r\n"].concat()
}

/// A POST to `/c` with these field lines and this body.
pub(crate) fn post(lines: impl AsRef<[u8]>, body: impl AsRef<[u8]>) -> Vec<u8> {
    let head = [&b"POST /c HTTP/1.1\r\nHost: gw.test\r\n"[..], lines.as_ref(), b"\r\n"].concat();
    [&head, body.as_ref()].concat()
}

/// A POST to `/c` with a chunked body spelled out.
pub(crate) fn chunked(body: impl AsRef<[u8]>) -> Vec<u8> {
    post("Transfer-Encoding: chunked\r\n", body)
}

/// Runs `cases` through one gateway; there must be at least as many as there ever were.
fn run(cases: &[Case], least: usize) {
    let stage = Stage::start();
    let mut findings = Findings::default();
    for case in cases {
        findings.note(&case.name, judge(&stage, case));
    }
    findings.conclude(least);
    stage.expect_plain_backend_traffic();
    expect_no_forbidden_fields(&stage);
}

fn judge(stage: &Stage, case: &Case) -> Result<(), String> {
    let mark = stage.backend.mark();
    let mut client = stage.connect();
    client.send(&case.bytes);
    let methods: Vec<&str> = if case.bytes.starts_with(b"HEAD ") { vec!["HEAD"] } else { Vec::new() };
    let mut responses = Vec::new();
    let outcome = match case.expect {
        Expect::Refused => refused(&client.transcript(&methods, Deadline::after(PATIENCE))),
        Expect::Answered(statuses) => match client.response("GET", stage.soon()) {
            Ok(response) if statuses.contains(&response.status) => Ok(()),
            Ok(response) => Err(format!("answered {response:?}, not {statuses:?}")),
            Err(failure) => Err(failure.to_string()),
        },
        Expect::Cut => {
            client.finish();
            client.transcript(&methods, stage.soon());
            Ok(())
        }
        Expect::Passes(_) | Expect::Either(_) => {
            let count = if let Expect::Passes(targets) = case.expect { targets.len() } else { 1 };
            (0..count).try_for_each(|at| {
                let method = methods.get(at).copied().unwrap_or("GET");
                responses.push(client.response(method, stage.soon()).map_err(|f| f.to_string())?);
                Ok(())
            })
        }
    };
    let arrived = stage.arrived_since(mark)?;
    outcome?;
    let whole = arrived.iter().filter(|message| message.is_complete);
    let whole: Vec<String> = whole.map(Message::target).collect();
    match case.expect {
        Expect::Passes(targets) => passed(targets, &whole, &responses),
        Expect::Either(target) if whole.is_empty() => declined(target, &responses),
        Expect::Either(target) => passed(&[target], &whole, &responses),
        Expect::Refused | Expect::Answered(_) | Expect::Cut if whole.is_empty() => Ok(()),
        _ => Err(format!("arrived: {whole:?}")),
    }
}

/// One refusal that says so in a problem document, and then the end.
fn refused(transcript: &Transcript) -> Result<(), String> {
    let [response] = &transcript.responses[..] else {
        let statuses: Vec<u16> = transcript.responses.iter().map(|response| response.status).collect();
        return Err(format!("{statuses:?}, then {:?}", transcript.end));
    };
    if !matches!(response.status, 400..=499 | 501 | 505) {
        return Err(format!("answered {response:?}"));
    }
    if response.problem().is_none() || !response.oddities.is_empty() {
        return Err(format!("no plain problem: {response:?}"));
    }
    match &transcript.end {
        End::Closed | End::Reset => Ok(()),
        end => Err(format!("refused with {}, but the connection is {end:?}", response.status)),
    }
}

fn declined(target: &str, responses: &[Response]) -> Result<(), String> {
    match responses {
        [response] if matches!(response.status, 400..=499 | 501 | 505) => Ok(()),
        _ => Err(format!("{target} did not arrive, and the answer is {responses:?}")),
    }
}

fn passed(targets: &[&str], whole: &[String], responses: &[Response]) -> Result<(), String> {
    if whole != targets {
        let statuses: Vec<_> = responses.iter().map(|r| (r.status, r.problem())).collect();
        return Err(format!("arrived: {whole:?}, not {targets:?}; answered {statuses:?}"));
    }
    for (target, response) in targets.iter().zip(responses) {
        if response.status != 200 || response.text("x-recorded").as_deref() != Some(target) {
            return Err(format!("{target} got {response:?}"));
        }
    }
    Ok(())
}

/// Fields that end at the gateway, whatever a client says, and fields that never stand in trailers.
fn expect_no_forbidden_fields(stage: &Stage) {
    const HEAD: [&str; 6] =
        ["expect", "upgrade", "http2-settings", "keep-alive", "proxy-connection", "trailer"];
    const TRAILERS: [&str; 9] = [
        "content-length",
        "transfer-encoding",
        "host",
        "authorization",
        "connection",
        "content-type",
        "x-forwarded-for",
        "x-portcullis-subject",
        "cookie",
    ];
    for message in stage.backend.messages() {
        for name in HEAD {
            assert!(message.all(name).is_empty(), "`{name}` arrived: {message:?}");
        }
        // The gateway itself may ask for trailers, for one hop (RFC 9110 §10.1.4).
        let te = message.all("te");
        let is_own = te == [b"trailers"] && message.all("connection") == [b"te"];
        assert!(te.is_empty() || is_own, "`te` arrived: {message:?}");
        for (name, _) in &message.trailers {
            let name = String::from_utf8_lossy(name).to_ascii_lowercase();
            assert!(!TRAILERS.contains(&name.as_str()), "`{name}` arrived in trailers: {message:?}");
        }
    }
}
