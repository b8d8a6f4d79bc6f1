//! Incidents: what whoever watches over security wants to see. One record type, one stream, one metric; later
//! controls add kinds, never formats.

use std::net::IpAddr;
use std::time::Duration;

use super::json::Line;
use super::names::{self, Stream};
use super::record::Record;
use crate::http::trace::Span;
use crate::problem::Severity;

/// Longest evidence in bytes, before escaping.
pub const EVIDENCE_BYTES_MAX: usize = 256;

/// A security-relevant event.
#[derive(Debug)]
pub struct Incident<'a> {
    /// When, since 1970.
    pub wall: Duration,
    /// What: the code of a problem, or the name of an event of a connection.
    pub kind: &'static str,
    /// How grave.
    pub severity: Severity,
    /// The request it happened in; `None` for a connection before its first request.
    pub id: Option<&'a str>,
    /// The span of that request.
    pub span: Option<Span>,
    /// The listener; `None` for what no client is part of.
    pub listener: Option<&'a str>,
    /// The client's address, behind trusted proxies.
    pub client: Option<IpAddr>,
    /// The connection's other end.
    pub peer: Option<IpAddr>,
    /// API name.
    pub api: Option<&'a str>,
    /// Operation name.
    pub operation: Option<&'a str>,
    /// The consumer's name.
    pub consumer: Option<&'a str>,
    /// The credential's id.
    pub credential: Option<&'a str>,
    /// The control that raised it.
    pub control: Option<&'a str>,
    /// What only the log may see.
    pub cause: Option<&'a str>,
    /// What was seen, still to be redacted and cut.
    pub evidence: Evidence<'a>,
}

/// What an incident shows of what it saw.
#[derive(Debug, Clone, Copy)]
pub enum Evidence<'a> {
    /// Nothing beyond the other facts.
    None,
    /// Method and path of a request in its canonical spelling.
    Request {
        /// The method.
        method: &'a str,
        /// The path, without its query.
        path: &'a str,
    },
    /// A request line as it arrived.
    Line(&'a [u8]),
}

impl<'a> Incident<'a> {
    /// The incident of an ended exchange, if its problem is one.
    pub(super) fn of(record: &Record<'a>) -> Option<Self> {
        let kind = record.problem?;
        Some(Self {
            wall: record.wall,
            kind: kind.code,
            severity: kind.severity?,
            id: Some(record.id()),
            span: Some(record.trace.own),
            listener: Some(&record.peer.listener),
            client: Some(record.client),
            peer: Some(record.peer.ip()),
            api: record.api.map(|api| &**api),
            operation: record.operation.map(|name| &**name),
            consumer: record.consumer,
            credential: record.credential,
            control: record.control(),
            cause: record.cause,
            evidence: match (record.method, record.path, record.raw_line) {
                (Some(method), Some(path), _) => Evidence::Request { method, path },
                (_, _, Some(line)) => Evidence::Line(line),
                _ => Evidence::None,
            },
        })
    }

    /// One that no client is part of: something the gateway itself stands on.
    pub fn own(wall: Duration, kind: &'static str, severity: Severity, cause: &'a str) -> Self {
        Self {
            wall,
            kind,
            severity,
            id: None,
            span: None,
            listener: None,
            client: None,
            peer: None,
            api: None,
            operation: None,
            consumer: None,
            credential: None,
            control: None,
            cause: Some(cause),
            evidence: Evidence::None,
        }
    }

    /// Appends its line to `out`.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let mut line = Line::begin(out, self.wall, severity_text(self.severity), Stream::Incidents);
        line.word(names::INCIDENT_KIND, self.kind);
        line.word(names::INCIDENT_SEVERITY, self.severity.as_str());
        line.text_if(names::REQUEST_ID, self.id);
        if let Some(span) = self.span {
            line.digits(names::TRACE_ID, &span.trace_id());
            line.digits(names::SPAN_ID, &span.span_id());
        }
        line.text_if(names::LISTENER, self.listener);
        for (name, address) in [(names::CLIENT_ADDRESS, self.client), (names::PEER_ADDRESS, self.peer)] {
            if let Some(address) = address {
                line.address(name, address);
            }
        }
        line.text_if(names::API, self.api);
        line.text_if(names::OPERATION, self.operation);
        line.text_if(names::CONSUMER, self.consumer);
        line.text_if(names::CREDENTIAL, self.credential);
        line.text_if(names::CONTROL, self.control);
        line.text_if(names::CAUSE, self.cause);
        match self.evidence {
            Evidence::None => {}
            Evidence::Request { method, path } => {
                let text = [method, " ", path].concat();
                line.cut(names::EVIDENCE, text.as_bytes(), EVIDENCE_BYTES_MAX);
            }
            Evidence::Line(raw) => {
                line.cut(names::EVIDENCE, &redact(raw), EVIDENCE_BYTES_MAX);
            }
        }
        line.end();
    }
}

/// Leaves out of a raw request line whatever may be a secret.
///
/// SECURITY: the line was refused, so nothing is known of its grammar: it may be a field or a body that a
/// confused peer sent where a request belongs. Shown is what precedes the first character that could introduce a
/// value: `?`, `#`, `=`, a quote, a colon in the first word or before a blank; and of an authority no user
/// information.
pub(super) fn redact(line: &[u8]) -> Vec<u8> {
    const MARK: &[u8] = b"[redacted]";
    let line = line.trim_ascii_start();
    let word_end = line.iter().position(u8::is_ascii_whitespace).unwrap_or(line.len());
    let introduces = |(at, byte): (usize, &u8)| match byte {
        b'?' | b'#' | b'=' | b'"' | b'\'' => true,
        b':' => {
            at < word_end || line.get(at.saturating_add(1)).is_some_and(|next| next.is_ascii_whitespace())
        }
        _ => false,
    };
    let secret = line.iter().enumerate().position(introduces);
    let shown = secret.and_then(|at| line.get(..=at)).unwrap_or(line);
    let mut out = Vec::with_capacity(shown.len().saturating_add(MARK.len()));
    match user_information(shown, word_end.saturating_add(1)) {
        Some((before, after)) => {
            out.extend_from_slice(before);
            out.extend_from_slice(MARK);
            out.extend_from_slice(after);
        }
        None => out.extend_from_slice(shown),
    }
    if secret.is_some() {
        out.extend_from_slice(MARK);
    }
    out
}

/// What stands before and after the user information of the target that begins at `target_start`. A path has
/// none; what is no path is cut up to its last `@`.
fn user_information(line: &[u8], target_start: usize) -> Option<(&[u8], &[u8])> {
    let target = line.get(target_start..).filter(|target| !target.starts_with(b"/"))?;
    let scheme = target.windows(3).position(|window| window == b"://").map_or(0, |at| at.saturating_add(3));
    let at = target.iter().rposition(|byte| *byte == b'@').filter(|at| *at >= scheme)?;
    let before = line.get(..target_start.saturating_add(scheme))?;
    Some((before, target.get(at..)?))
}

fn severity_text(severity: Severity) -> &'static str {
    match severity {
        Severity::Low => "INFO",
        Severity::Medium => "WARN",
        Severity::High => "ERROR",
    }
}

#[cfg(test)]
mod tests;
