//! What can go wrong between us and a backend, and what the caller is told.
//!
//! The caller learns the class; the log learns the reason. Whatever a backend does wrong is its own fault, never
//! the caller's, so none of this is a 4xx.

use std::fmt;
use std::io;

use http::StatusCode;
use portcullis_http1::Refusal;

use crate::http::BodyError;
use crate::http::response::MalformedResponse;
use crate::observe::Decision;
use crate::pipeline::judged::client_body_problem;
use crate::problem::{Blame, Problem, ProblemKind, Severity};

/// No connection to the backend.
pub const BACKEND_UNREACHABLE: ProblemKind = ProblemKind {
    code: "backend-unreachable",
    status: StatusCode::SERVICE_UNAVAILABLE,
    title: "The backend cannot be reached",
    blame: Blame::Backend,
    severity: None,
    about: "The backend's name does not resolve, or its address refuses connections. Nothing of the request was sent; it may be tried again.",
};

/// A backend of which no target is well.
pub const BACKEND_UNHEALTHY: ProblemKind = ProblemKind {
    code: "backend-unhealthy",
    status: StatusCode::SERVICE_UNAVAILABLE,
    title: "The backend is not well",
    blame: Blame::Backend,
    severity: None,
    about: "No target of the backend passes its health checks (`backends.*.health`), so none was asked. It is asked again as soon as one passes; the request may be tried again.",
};

/// A backend that is too slow.
pub const BACKEND_TIMEOUT: ProblemKind = ProblemKind {
    code: "backend-timeout",
    status: StatusCode::GATEWAY_TIMEOUT,
    title: "The backend did not answer in time",
    blame: Blame::Backend,
    severity: None,
    about: "The backend did not accept a connection within `timeout.connect`, or did not answer within `timeout.response` or `timeout.total`. The request may have taken effect.",
};

/// A backend whose answer may not pass.
pub const BACKEND_MALFORMED: ProblemKind = ProblemKind {
    code: "backend-malformed",
    status: StatusCode::BAD_GATEWAY,
    title: "The backend's answer is malformed",
    blame: Blame::Backend,
    severity: Some(Severity::Medium),
    about: "The backend's answer has more than one reading, breaks HTTP, or is followed by bytes that belong to no answer. It is not passed on and its connection is closed; the log has the reason.",
};

/// A backend that went away.
pub const BACKEND_CLOSED: ProblemKind = ProblemKind {
    code: "backend-closed",
    status: StatusCode::BAD_GATEWAY,
    title: "The backend closed the connection",
    blame: Blame::Backend,
    severity: None,
    about: "The backend closed or reset the connection before it answered. The request may have taken effect.",
};

/// A backend that could not prove who it is.
pub const BACKEND_UNTRUSTED: ProblemKind = ProblemKind {
    code: "backend-untrusted",
    status: StatusCode::BAD_GATEWAY,
    title: "The backend could not be authenticated",
    blame: Blame::Backend,
    severity: Some(Severity::High),
    about: "The TLS handshake with the backend failed: its certificate is not vouched for by `tls.ca`, is expired or bears another name, or it refused ours. Nothing of the request was sent.",
};

/// A backend that is left alone.
pub const BACKEND_CIRCUIT_OPEN: ProblemKind = ProblemKind {
    code: "backend-circuit-open",
    status: StatusCode::SERVICE_UNAVAILABLE,
    title: "The backend fails and is left alone for a while",
    blame: Blame::Backend,
    severity: None,
    about: "Too large a share of the backend's requests failed (`backends.*.breaker`). Nothing was sent; `Retry-After` says when it will be tried again.",
};

/// A backend that has enough to do.
pub const BACKEND_BUSY: ProblemKind = ProblemKind {
    code: "backend-busy",
    status: StatusCode::SERVICE_UNAVAILABLE,
    title: "The backend has as many requests as it may have",
    blame: Blame::Gateway,
    severity: None,
    about: "The backend has `concurrency.max` requests under way and as many wait as `concurrency.queue` allows, or the request has waited for `concurrency.wait`; or every HTTP/2 connection to it is full, or the gateway has no descriptor left for another. Nothing was sent; try again later.",
};

/// Every problem raised here, for the catalogue.
pub const PROBLEMS: &[&ProblemKind] = &[
    &BACKEND_UNREACHABLE,
    &BACKEND_UNHEALTHY,
    &BACKEND_TIMEOUT,
    &BACKEND_MALFORMED,
    &BACKEND_CLOSED,
    &BACKEND_UNTRUSTED,
    &BACKEND_CIRCUIT_OPEN,
    &BACKEND_BUSY,
];

/// What is wrong with a backend that never comes to its answer.
pub(super) const TOO_MANY_INTERIMS: &str = "too many interim answers";

/// Why an exchange with a backend failed.
#[derive(Debug)]
pub(super) enum Failure {
    /// No connection came about.
    Unreachable(io::Error),
    /// Our own bounds leave no room on a connection to the target, which is not to blame.
    Full,
    /// The TLS handshake failed.
    Untrusted(io::Error),
    /// It took too long.
    TimedOut(Wait),
    /// The answer broke the grammar or the framing.
    Malformed(Refusal),
    /// The answer's head says what may not go on.
    Unfit(MalformedResponse),
    /// The answer breaks a rule above the grammar.
    Unexpected(&'static str),
    /// The connection ended before the answer's head.
    Closed(Option<io::Error>),
    /// The request's own body broke off; the backend is not to blame.
    Request(BodyError),
}

/// What was waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wait {
    Connect,
    Response,
    Total,
}

impl Failure {
    /// The code of the problem it becomes, for the span of the try.
    pub(super) fn code(&self) -> &'static str {
        match self {
            Self::Unreachable(_) => BACKEND_UNREACHABLE.code,
            Self::Untrusted(_) => BACKEND_UNTRUSTED.code,
            Self::TimedOut(_) => BACKEND_TIMEOUT.code,
            Self::Full => BACKEND_BUSY.code,
            Self::Malformed(_) | Self::Unfit(_) | Self::Unexpected(_) => BACKEND_MALFORMED.code,
            Self::Closed(_) => BACKEND_CLOSED.code,
            // The target did nothing wrong; the exchange's own span has the reason.
            Self::Request(_) => Decision::Aborted.as_str(),
        }
    }

    /// Whether another target may be asked for what this one was not sent. A second one that does not accept a
    /// connection in time ends the client's patience, too.
    pub(super) fn allows_another(&self, has_waited: &mut bool) -> bool {
        match self {
            Self::TimedOut(Wait::Connect) => !std::mem::replace(has_waited, true),
            Self::TimedOut(Wait::Response | Wait::Total) | Self::Request(_) => false,
            Self::Unreachable(_)
            | Self::Full
            | Self::Untrusted(_)
            | Self::Malformed(_)
            | Self::Unfit(_)
            | Self::Unexpected(_)
            | Self::Closed(_) => true,
        }
    }

    /// Whether the same request may go well a moment later.
    pub(super) fn may_pass(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::Closed(_) | Self::TimedOut(Wait::Response) => true,
            Self::TimedOut(Wait::Connect | Wait::Total)
            | Self::Full
            | Self::Untrusted(_)
            | Self::Malformed(_)
            | Self::Unfit(_)
            | Self::Unexpected(_)
            | Self::Request(_) => false,
        }
    }
}

impl fmt::Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "no connection within `timeout.connect`",
            Self::Response => "no answer within `timeout.response`",
            Self::Total => "no answer within `timeout.total`",
        })
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Malformed(refusal)
    }
}

impl From<MalformedResponse> for Failure {
    fn from(malformed: MalformedResponse) -> Self {
        Self::Unfit(malformed)
    }
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Unreachable(error) => {
                BACKEND_UNREACHABLE.with("the backend cannot be reached").because(error)
            }
            Failure::Full => BACKEND_BUSY
                .with("the backend has as many requests as it may have")
                .because("every connection to it is full, or there is no descriptor for another")
                .field("retry-after", "1"),
            Failure::Untrusted(error) => {
                BACKEND_UNTRUSTED.with("the backend could not be authenticated").because(error)
            }
            Failure::TimedOut(wait) => {
                BACKEND_TIMEOUT.with("the backend did not answer in time").because(wait)
            }
            Failure::Malformed(refusal) => {
                BACKEND_MALFORMED.with("the backend's answer is malformed").because(refusal)
            }
            Failure::Unfit(malformed) => {
                BACKEND_MALFORMED.with("the backend's answer is malformed").because(malformed)
            }
            Failure::Unexpected(what) => {
                BACKEND_MALFORMED.with("the backend's answer is malformed").because(what)
            }
            // TLS 1.3 tells a client that its certificate is refused only when it reads (RFC 8446 §4.4.2.4).
            Failure::Closed(Some(error))
                if error.get_ref().is_some_and(|inner| inner.is::<rustls::Error>()) =>
            {
                Failure::Untrusted(error).into()
            }
            Failure::Closed(error) => {
                let problem = BACKEND_CLOSED.with("the backend closed the connection before it answered");
                match error {
                    Some(error) => problem.because(error),
                    None => problem,
                }
            }
            Failure::Request(error) => client_body_problem(error),
        }
    }
}
