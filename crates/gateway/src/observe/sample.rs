//! Ended exchanges for the tests of this module.

use std::net::IpAddr;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use http::StatusCode;

use super::record::{Decision, Place, Record, Verdict};
use crate::http::trace::{Span, Trace};
use crate::http::{Peer, TlsFacts, Wire};
use crate::problem::{Blame, ProblemKind, Severity};

/// A refusal that is an incident.
pub(super) static KEY_UNKNOWN: ProblemKind = ProblemKind {
    code: "key-unknown",
    status: StatusCode::UNAUTHORIZED,
    title: "Key unknown",
    blame: Blame::Client,
    severity: Some(Severity::Medium),
    about: "A key that no consumer has.",
};

/// A refusal of what never became a request.
pub(super) static MALFORMED: ProblemKind = ProblemKind {
    code: "malformed-request",
    status: StatusCode::BAD_REQUEST,
    title: "Malformed request",
    blame: Blame::Client,
    severity: Some(Severity::Low),
    about: "Bytes with two readings.",
};

/// A failure that is no incident.
pub(super) static TIMEOUT: ProblemKind = ProblemKind {
    code: "backend-timeout",
    status: StatusCode::GATEWAY_TIMEOUT,
    title: "Backend timeout",
    blame: Blame::Backend,
    severity: None,
    about: "The backend did not answer in time.",
};

/// Where the exchanges stand in a trace.
pub(super) static TRACE: Trace = Trace {
    own: Span { trace: 0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c, span: 0xb7ad_6b71_6920_3331 },
    parent: None,
    link: None,
    sampled: false,
    keeps_state: false,
};

/// API, name and template of the operation that is asked for.
static OPERATION: LazyLock<[Arc<str>; 3]> =
    LazyLock::new(|| ["orders", "createOrder", "/orders/{id}"].map(Arc::from));

/// A connection over TLS.
pub(super) fn peer() -> Peer {
    Peer {
        local: ([192, 0, 2, 1], 8_443).into(),
        tls: Some(Box::new(TlsFacts { version: "1.3", ..TlsFacts::default() })),
        ..Peer::sample(([192, 0, 2, 7], 40_000).into())
    }
}

/// What two controls said of an exchange that went well.
pub(super) fn verdicts() -> Vec<Verdict> {
    let verdict = |control, place: &str| Verdict {
        control,
        decision: Decision::Allowed,
        place: Place::At(place.into()),
    };
    vec![
        verdict("route", "portcullis.yaml:20 apis.orders.operations.createOrder"),
        verdict("authenticate", "portcullis.yaml:18 apis.orders.auth"),
    ]
}

/// What is said of an exchange that `kind` ended.
pub(super) fn refusal(kind: &'static ProblemKind) -> Vec<Verdict> {
    vec![Verdict { control: kind.code, decision: Decision::Refused, place: Place::None }]
}

/// An exchange that went well.
pub(super) fn allowed<'a>(peer: &'a Peer, verdicts: &'a [Verdict]) -> Record<'a> {
    Record {
        id: b"01900000-0000-7000-8000-000000000001",
        trace: &TRACE,
        wall: Duration::from_millis(1_700_000_000_007),
        took: Duration::from_micros(12_345),
        wire: Wire::Http11,
        peer,
        client: IpAddr::from([203, 0, 113, 9]),
        method: Some("POST"),
        host: Some("api.example.com"),
        path: Some("/orders/42"),
        user_agent: Some("curl/8.5.0"),
        raw_line: None,
        api: Some(&OPERATION[0]),
        operation: Some(&OPERATION[1]),
        template: Some(&OPERATION[2]),
        metrics: None,
        consumer: Some("partner"),
        credential: Some("k1"),
        status: Some(201),
        request_bytes: 17,
        response_bytes: 1_024,
        decision: Decision::Allowed,
        problem: None,
        detail: None,
        cause: None,
        authorizer: None,
        backend: Some(("http://10.0.0.5:8080", Duration::from_micros(9_001))),
        overhead: Some(Duration::from_micros(87)),
        tries: &[],
        strip: 0,
        resends: 0,
        verdicts,
        places: None,
        observed: None,
        unseen: None,
        revision: "5f2d",
    }
}

/// An exchange that `kind` ended.
pub(super) fn ended<'a>(peer: &'a Peer, kind: &'static ProblemKind, verdicts: &'a [Verdict]) -> Record<'a> {
    Record {
        decision: if kind.blame == Blame::Client { Decision::Refused } else { Decision::Failed },
        status: Some(kind.status.as_u16()),
        problem: Some(kind),
        detail: Some("what the caller was told"),
        cause: Some("what the log is told"),
        backend: None,
        overhead: None,
        ..allowed(peer, verdicts)
    }
}

/// An exchange that ended before there was a request.
pub(super) fn unread<'a>(peer: &'a Peer, line: &'a [u8], verdicts: &'a [Verdict]) -> Record<'a> {
    Record {
        method: None,
        host: None,
        path: None,
        user_agent: None,
        raw_line: Some(line),
        api: None,
        operation: None,
        template: None,
        consumer: None,
        credential: None,
        ..ended(peer, &MALFORMED, verdicts)
    }
}
