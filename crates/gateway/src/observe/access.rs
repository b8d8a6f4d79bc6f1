//! The access record: one line per exchange, whatever became of it.

use super::json::Line;
use super::names::{self, Stream};
use super::record::{Decision, Record};
use crate::http::trace::Span;

/// Appends the line of `record` to `out`.
pub(super) fn write(out: &mut Vec<u8>, record: &Record<'_>) {
    let mut line = Line::begin(out, record.wall, severity(record.decision), Stream::Access);
    line.text(names::REQUEST_ID, record.id());
    line.digits(names::TRACE_ID, &record.trace.own.trace_id());
    line.digits(names::SPAN_ID, &record.trace.own.span_id());
    if let Some(parent) = record.trace.parent {
        line.digits(names::PARENT_SPAN_ID, &Span { span: parent, ..record.trace.own }.span_id());
    }
    if let Some(link) = record.trace.link {
        line.digits(names::LINKED_TRACE_ID, &link.trace_id());
        line.digits(names::LINKED_SPAN_ID, &link.span_id());
    }
    line.text(names::LISTENER, &record.peer.listener);
    line.address(names::CLIENT_ADDRESS, record.client);
    line.address(names::PEER_ADDRESS, record.peer.ip());
    line.word(names::PROTOCOL_VERSION, record.wire.version());
    line.word_if(names::TLS_VERSION, record.peer.tls.as_ref().map(|tls| tls.version));
    line.text_if(names::METHOD, record.method);
    line.word(names::SCHEME, record.peer.scheme().as_str());
    line.text_if(names::SERVER_ADDRESS, record.host);
    line.text_if(names::PATH, record.path);
    line.text_if(names::ROUTE, record.template.map(|template| &**template));
    if let Some(status) = record.status {
        line.number(names::STATUS, u64::from(status));
    }
    line.number(names::REQUEST_BYTES, record.request_bytes);
    line.number(names::RESPONSE_BYTES, record.response_bytes);
    line.text_if(names::USER_AGENT, record.user_agent);
    line.text_if(names::API, record.api.map(|api| &**api));
    line.text_if(names::OPERATION, record.operation.map(|name| &**name));
    line.text_if(names::CONSUMER, record.consumer);
    line.text_if(names::CREDENTIAL, record.credential);
    line.word(names::DECISION, record.decision.as_str());
    line.word_if(names::CONTROL, record.control());
    line.word_if(names::FLAG, record.problem.map(|kind| kind.blame.as_str()));
    line.word_if(names::ERROR_TYPE, record.problem.map(|kind| kind.code));
    line.text_if(names::CAUSE, record.cause);
    if let Some((kind, cause)) = record.observed {
        line.word(names::OBSERVED, kind.code);
        line.text_if(names::OBSERVED_CAUSE, cause);
    }
    line.word_if(names::RESPONSE_UNSEEN, record.unseen);
    if let Some((authorizer, took)) = record.authorizer {
        line.text(names::AUTHORIZER, authorizer);
        line.millis(names::AUTHORIZER_DURATION, took);
    }
    if let Some((target, took)) = record.backend {
        line.text(names::UPSTREAM_ADDRESS, target);
        line.millis(names::UPSTREAM_DURATION, took);
    }
    if let Some(overhead) = record.overhead {
        line.millis(names::OVERHEAD, overhead);
    }
    if record.resends > 0 {
        line.number(names::RESENDS, u64::from(record.resends));
    }
    line.millis(names::DURATION, record.took);
    line.text(names::CONFIG_HASH, record.revision);
    line.end();
}

fn severity(decision: Decision) -> &'static str {
    match decision {
        Decision::Allowed | Decision::Answered | Decision::Aborted | Decision::Observed => "INFO",
        Decision::Refused => "WARN",
        Decision::Failed => "ERROR",
    }
}

#[cfg(test)]
mod tests;
