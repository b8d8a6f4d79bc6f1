//! What a caller is told whose request breaks the contract: where and which keyword, never a value.

use std::fmt::Write;

use http::StatusCode;
use portcullis_openapi::contract::{BodyFault, Gap, Violations};
use portcullis_openapi::value::Fault;
use serde_json::json;

use crate::config::ContractErrors;
use crate::problem::{Blame, Problem, ProblemKind, Severity};

/// A parameter that is not what the definition says.
pub const CONTRACT_PARAMETER: ProblemKind = ProblemKind {
    code: "contract-parameter",
    status: StatusCode::BAD_REQUEST,
    title: "The request's parameters break the contract",
    blame: Blame::Client,
    severity: Some(Severity::Low),
    about: "A parameter of path, query, fields or cookies is missing, undeclared, repeated, or not what the API's definition says. `errors` lists up to ten: the place, the name, a JSON Pointer into the value where it has parts, and the keyword that does not hold.",
};

/// A body that is not what the definition says.
pub const CONTRACT_BODY: ProblemKind = ProblemKind {
    code: "contract-body",
    status: StatusCode::UNPROCESSABLE_ENTITY,
    title: "The request body breaks the contract",
    blame: Blame::Client,
    severity: Some(Severity::Low),
    about: "The body can be read and is not what the API's definition says. `errors` lists up to ten: a JSON Pointer and the keyword that does not hold. Fields that the definition does not declare count, unless it says that others may stand there.",
};

/// A body that cannot be read as what it claims to be.
pub const BODY_MALFORMED: ProblemKind = ProblemKind {
    code: "body-malformed",
    status: StatusCode::BAD_REQUEST,
    title: "The request body is malformed",
    blame: Blame::Client,
    severity: Some(Severity::Low),
    about: "The body is not what its media type says, or two readers could read two things in it: a name that stands twice in an object, bytes behind the value, half of a surrogate pair, a byte order mark, bytes that are no UTF-8.",
};

/// A body with more in it than is judged.
pub const BODY_TOO_COMPLEX: ProblemKind = ProblemKind {
    code: "body-too-complex",
    status: StatusCode::PAYLOAD_TOO_LARGE,
    title: "The request body has too much in it",
    blame: Blame::Client,
    severity: Some(Severity::Medium),
    about: "The body nests deeper, or has longer texts, lists, objects or numbers, than the definition declares or the gateway takes where it is silent.",
};

/// No body where one is required.
pub const BODY_MISSING: ProblemKind = ProblemKind {
    code: "body-missing",
    status: StatusCode::BAD_REQUEST,
    title: "The request body is missing",
    blame: Blame::Client,
    severity: Some(Severity::Low),
    about: "The API's definition requires a body for this operation.",
};

/// A body where none is declared.
pub const BODY_UNDECLARED: ProblemKind = ProblemKind {
    code: "body-undeclared",
    status: StatusCode::BAD_REQUEST,
    title: "The operation takes no request body",
    blame: Blame::Client,
    severity: Some(Severity::Low),
    about: "The API's definition declares no body for this operation.",
};

/// A body of another type, or in a coding that is not taken.
pub const UNSUPPORTED_MEDIA_TYPE: ProblemKind = ProblemKind {
    code: "unsupported-media-type",
    status: StatusCode::UNSUPPORTED_MEDIA_TYPE,
    title: "The request body has a type that is not declared",
    blame: Blame::Client,
    severity: Some(Severity::Low),
    about: "`Content-Type` is missing, names no type that the API's definition declares for this operation, or another charset than UTF-8 where a text is judged.",
};

/// An operation that cannot be judged.
pub const NOT_ENFORCEABLE: ProblemKind = ProblemKind {
    code: "not-enforceable",
    status: StatusCode::NOT_IMPLEMENTED,
    title: "The operation's contract cannot be enforced",
    blame: Blame::Gateway,
    severity: None,
    about: "The API's definition says something of this operation's requests that the gateway cannot enforce, so that none passes. `portcullis coverage` names it; `contract: { on_uncovered: pass }` lets requests through as far as they can be judged.",
};

/// Too many large bodies at once.
pub const INSPECTION_BUSY: ProblemKind = ProblemKind {
    code: "inspection-busy",
    status: StatusCode::SERVICE_UNAVAILABLE,
    title: "Too many bodies to look into at once",
    blame: Blame::Gateway,
    severity: None,
    about: "Bodies above 16 KiB are looked into by so many threads as there are cores, and too many wait for their turn (`inspections_waiting`). Try again in a moment.",
};

/// The longest cause that is logged.
const CAUSE_BYTES_MAX: usize = 1024;

/// Parameters that are not what they must be.
pub(super) fn parameters(found: &Violations, errors: ContractErrors) -> Problem {
    listed(CONTRACT_PARAMETER.with("a parameter is not what the API's definition says"), found, errors)
}

/// A body that is not what it must be.
pub(super) fn body(found: &Violations, errors: ContractErrors) -> Problem {
    listed(CONTRACT_BODY.with("the body is not what the API's definition says"), found, errors)
}

/// A body that cannot be judged.
pub(super) fn unreadable(fault: &BodyFault, errors: ContractErrors) -> Problem {
    match fault {
        BodyFault::Missing => BODY_MISSING.with("this operation requires a body"),
        BodyFault::Undeclared => BODY_UNDECLARED.with("this operation takes no body"),
        BodyFault::Type => UNSUPPORTED_MEDIA_TYPE.with("the media type of the body is not declared here"),
        BodyFault::NotEnforceable(media_type) => NOT_ENFORCEABLE
            .with("bodies of this media type cannot be judged by the contract of this operation")
            .because(format_args!("bodies of the type {media_type}")),
        BodyFault::Malformed(fault) => malformed(fault, errors),
    }
}

fn malformed(fault: &Fault, errors: ContractErrors) -> Problem {
    let (problem, keyword) = match fault.reason.limit() {
        Some(limit) => (BODY_TOO_COMPLEX.with("the body has more in it than is judged"), limit),
        None => (BODY_MALFORMED.with("the body cannot be read as what it claims to be"), "syntax"),
    };
    let problem = problem.because(fault);
    match errors {
        ContractErrors::Terse => problem,
        ContractErrors::Full => problem.member(
            "errors",
            json!([{
                "in": "body", "pointer": &*fault.pointer, "keyword": keyword, "offset": fault.offset,
                "what": fault.reason.what(),
            }]),
        ),
    }
}

/// Nothing passes, since not all of it could be judged.
pub(super) fn uncovered(gap: Option<&Gap>) -> Problem {
    let problem = NOT_ENFORCEABLE.with("the contract of this operation cannot be enforced");
    match gap {
        Some(gap) => problem.because(format_args!("{}: {}", gap.what, gap.why)),
        None => problem,
    }
}

/// No room or time for a large body.
pub(super) fn busy() -> Problem {
    INSPECTION_BUSY.with("try again in a moment").field("retry-after", "1")
}

fn listed(problem: Problem, found: &Violations, errors: ContractErrors) -> Problem {
    let problem = problem.because_of(cause(found));
    match errors {
        ContractErrors::Terse => problem,
        ContractErrors::Full => {
            let problem = problem.member("errors", found.iter().collect::<Vec<_>>());
            if found.is_more() { problem.member("more", true) } else { problem }
        }
    }
}

/// For the log: all of them in one line, of bounded length.
fn cause(found: &Violations) -> String {
    let mut line = String::new();
    for violation in found {
        if line.len() > CAUSE_BYTES_MAX {
            line.push_str("; …");
            break;
        }
        // Writing to a `String` does not fail.
        let _ = write!(line, "{}{violation}", if line.is_empty() { "" } else { "; " });
    }
    line
}
