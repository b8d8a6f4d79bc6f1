//! What goes wrong with answers, and what is told of it.

use std::fmt;

use http::StatusCode;
use portcullis_openapi::contract::response::Broken;

use crate::http::BodyError;
use crate::pipeline::whole_answer::Unread;
use crate::problem::{Blame, Problem, ProblemKind, Severity};
use crate::upstream::{BACKEND_CLOSED, BACKEND_MALFORMED, BACKEND_TIMEOUT};

/// An answer that breaks its contract.
pub const RESPONSE_CONTRACT: ProblemKind = ProblemKind {
    code: "response-contract",
    status: StatusCode::BAD_GATEWAY,
    title: "The backend's answer is not what its definition says",
    blame: Blame::Backend,
    severity: Some(Severity::Medium),
    about: "The answer has a status, a media type or content that the API's definition does not have for this operation (`contract.response`). \
            Nothing of it is passed on; the log has places and keywords. The request may have taken effect.",
};

/// An answer beyond the bound.
pub const RESPONSE_TOO_LARGE: ProblemKind = ProblemKind {
    code: "response-too-large",
    status: StatusCode::BAD_GATEWAY,
    title: "The backend's answer is too large to be judged",
    blame: Blame::Backend,
    severity: Some(Severity::Low),
    about: "The answer is longer than `bounds.response_body`, and under `contract.response: strip` or `block` nothing goes that was not \
            judged whole. The request may have taken effect.",
};

/// An answer that cannot be decoded.
pub const RESPONSE_CODING: ProblemKind = ProblemKind {
    code: "response-coding",
    status: StatusCode::BAD_GATEWAY,
    title: "The backend's answer cannot be decoded",
    blame: Blame::Backend,
    severity: Some(Severity::Medium),
    about: "The answer's `Content-Encoding` is none that can be undone, or its content is not what that says. It was asked for without any. \
            The request may have taken effect.",
};

/// No room to hold an answer.
pub const RESPONSE_NO_ROOM: ProblemKind = ProblemKind {
    code: "response-no-room",
    status: StatusCode::SERVICE_UNAVAILABLE,
    title: "No room to inspect the answer",
    blame: Blame::Gateway,
    severity: None,
    about: "The answer must be seen whole and there is no memory left to hold it (`bounds.bodies_in_memory`). The request may have \
            taken effect.",
};

/// An answer whose content was replaced.
pub const RESPONSE_REPLACED: ProblemKind = ProblemKind {
    code: "response-replaced",
    status: StatusCode::BAD_GATEWAY,
    title: "The backend reported an error",
    blame: Blame::Backend,
    severity: Some(Severity::Low),
    about: "Stands in for the content of an answer that the API's definition does not document, or that breaks what it documents \
            (`contract.response: strip`); its status is the backend's own. As an incident at most once a minute for each operation.",
};

/// An answer of which something was taken out.
pub const RESPONSE_STRIPPED: ProblemKind = ProblemKind {
    code: "response-stripped",
    status: StatusCode::BAD_GATEWAY,
    title: "The backend's answer had more in it than its definition says",
    blame: Blame::Backend,
    severity: Some(Severity::Low),
    about: "Fields that are not declared, or stack traces, were taken out of an answer (`contract.response: strip`). No client is told; as an \
            incident at most once a minute for each operation.",
};

/// Why an answer is none, in places and keywords.
pub(super) struct Why<'b>(pub(super) &'b Broken);

/// Violations that are told in one line.
const TOLD_MAX: usize = 3;

impl fmt::Display for Why<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Broken::Malformed(fault) => write!(f, "the content is no JSON that is understood: {fault}"),
            Broken::TooMuch => f.write_str("judging the content would cost too much"),
            Broken::StackTrace => f.write_str("a stack trace stands in it"),
            Broken::Violates(found) => {
                for (at, violation) in found.iter().take(TOLD_MAX).enumerate() {
                    let separator = if at == 0 { "" } else { "; " };
                    write!(f, "{separator}{violation}")?;
                }
                let more = found.iter().count().saturating_sub(TOLD_MAX);
                if more > 0 || found.is_more() { write!(f, "; and more") } else { Ok(()) }
            }
        }
    }
}

pub(super) fn contract(why: impl fmt::Display) -> Problem {
    RESPONSE_CONTRACT.with("the backend's answer is not what its definition says").because(why)
}

pub(super) fn coding(why: &str) -> Problem {
    RESPONSE_CODING.with("the backend's answer cannot be decoded").because(why)
}

pub(super) fn too_large() -> Problem {
    RESPONSE_TOO_LARGE
        .with("the backend's answer is too large to be judged")
        .because("`bounds.response_body`")
}

pub(super) fn unread(unread: Unread) -> Problem {
    match unread {
        Unread::TooLarge => too_large(),
        Unread::NoRoom => RESPONSE_NO_ROOM
            .with("the answer cannot be held for inspection now")
            .because("`bounds.bodies_in_memory` is used up")
            .field("retry-after", "1"),
        Unread::Broken(BodyError::Closed | BodyError::Lapsed) => {
            BACKEND_CLOSED.with("the backend closed the connection in the middle of its answer")
        }
        Unread::Broken(BodyError::Malformed(why)) => {
            BACKEND_MALFORMED.with("the backend's answer is malformed").because(why)
        }
        Unread::Broken(BodyError::TimedOut) => {
            BACKEND_TIMEOUT.with("the backend's answer did not end in time")
        }
        Unread::Broken(BodyError::Refused(problem)) => *problem,
    }
}
