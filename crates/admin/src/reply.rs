//! Answers of the admin server, and its own problems (RFC 9457).

use bytes::Bytes;
use http::header::{
    CACHE_CONTROL, CONNECTION, CONTENT_TYPE, HeaderName, HeaderValue, UPGRADE, X_CONTENT_TYPE_OPTIONS,
};
use http::{Response, StatusCode};
use http_body_util::Full;
use portcullis_gateway::problem::{Blame, Problem, ProblemKind, Severity};
use serde::Serialize;
use serde_json::{Map, Value};

/// An answer, whole.
pub(crate) type Reply = Response<Full<Bytes>>;

/// There is nothing at that path.
pub(crate) const NO_SUCH_PATH: ProblemKind = ProblemKind {
    code: "admin-path-unknown",
    status: StatusCode::NOT_FOUND,
    title: "Nothing here",
    blame: Blame::Client,
    severity: None,
    about: "The probes or the admin API have nothing at that path. `GET /api/v1/openapi.json` lists what there is.",
};

/// The path takes other methods.
pub(crate) const NO_SUCH_METHOD: ProblemKind = ProblemKind {
    code: "admin-method-unknown",
    status: StatusCode::METHOD_NOT_ALLOWED,
    title: "Another method is meant",
    blame: Blame::Client,
    severity: None,
    about: "The path takes the methods that `Allow` names.",
};

/// The body is too large.
pub(crate) const BODY_TOO_LARGE: ProblemKind = ProblemKind {
    code: "admin-body-too-large",
    status: StatusCode::PAYLOAD_TOO_LARGE,
    title: "The body is too large",
    blame: Blame::Client,
    severity: None,
    about: "The admin API takes bodies of at most 1 MiB.",
};

/// The body cannot be read.
pub(crate) const BODY_BROKEN: ProblemKind = ProblemKind {
    code: "admin-body-broken",
    status: StatusCode::BAD_REQUEST,
    title: "The body cannot be read",
    blame: Blame::Client,
    severity: None,
    about: "The request's body broke off or is framed wrongly.",
};

/// The exchange is not kept.
pub(crate) const NOT_KEPT: ProblemKind = ProblemKind {
    code: "exchange-not-kept",
    status: StatusCode::NOT_FOUND,
    title: "That exchange is not kept",
    blame: Blame::Client,
    severity: None,
    about: "The last refused, failed and allowed exchanges are kept in memory; older ones are only in the access log.",
};

/// The configuration does not load.
pub(crate) const RELOAD_REFUSED: ProblemKind = ProblemKind {
    code: "reload-refused",
    status: StatusCode::UNPROCESSABLE_ENTITY,
    title: "The configuration does not load",
    blame: Blame::Client,
    severity: None,
    about: "`errors` names what is wrong with it, a line for each finding. What runs goes on running.",
};

/// Nothing waits to be confirmed, or nothing is there to go back to.
pub(crate) const CHANGE_REFUSED: ProblemKind = ProblemKind {
    code: "change-refused",
    status: StatusCode::CONFLICT,
    title: "The change is not possible",
    blame: Blame::Client,
    severity: None,
    about: "`errors` says why: nothing waits to be confirmed, nothing is kept to go back to, or it does not load any more. What runs goes on running.",
};

/// A time that is none.
pub(crate) const TIME_UNREADABLE: ProblemKind = ProblemKind {
    code: "admin-time-unreadable",
    status: StatusCode::BAD_REQUEST,
    title: "The time cannot be read",
    blame: Blame::Client,
    severity: None,
    about: "`confirm_ms` is a whole number of milliseconds, from 1 to a day's.",
};

/// The take-over is not possible now.
pub(crate) const TAKE_OVER_REFUSED: ProblemKind = ProblemKind {
    code: "take-over-refused",
    status: StatusCode::CONFLICT,
    title: "The gateway does not hand over now",
    blame: Blame::Client,
    severity: None,
    about: "Another process is taking over, the gateway drains, or a configuration waits to be confirmed. What runs goes on running.",
};

/// A take-over is asked for in a protocol that this version does not speak.
pub(crate) const PROTOCOL_UNKNOWN: ProblemKind = ProblemKind {
    code: "take-over-protocol-unknown",
    status: StatusCode::UPGRADE_REQUIRED,
    title: "This gateway hands over by another protocol",
    blame: Blame::Client,
    severity: None,
    about: "`Upgrade` names the protocol by which this version hands over. Two versions that share none need a restart.",
};

/// Consumers are kept nowhere.
pub(crate) const STORE_NONE: ProblemKind = ProblemKind {
    code: "store-none",
    status: StatusCode::CONFLICT,
    title: "This gateway has no store",
    blame: Blame::Client,
    severity: None,
    about: "Consumers are kept in the state directory or in PostgreSQL (`stores.durable`), and this gateway has neither. Those of its configuration count.",
};

/// The store does not answer.
pub(crate) const STORE_AWAY: ProblemKind = ProblemKind {
    code: "store-away",
    status: StatusCode::SERVICE_UNAVAILABLE,
    title: "The store is away",
    blame: Blame::Gateway,
    severity: None,
    about: "The store does not answer, takes nothing, or too many others wait. Whether a change was made is not known: ask again. Callers who were known are served.",
};

/// The wish is at odds with what is there.
pub(crate) const STORE_CONFLICT: ProblemKind = ProblemKind {
    code: "store-conflict",
    status: StatusCode::CONFLICT,
    title: "That is there already, or has ended",
    blame: Blame::Client,
    severity: None,
    about: "There is a consumer or credential of that name, another credential is proven by the same, or the one that is meant has ended.",
};

/// What is meant is not there.
pub(crate) const STORE_MISSING: ProblemKind = ProblemKind {
    code: "store-missing",
    status: StatusCode::NOT_FOUND,
    title: "That is not in the store",
    blame: Blame::Client,
    severity: None,
    about: "The store has no such consumer or credential. Those of the configuration are changed there.",
};

/// The wish makes no sense.
pub(crate) const STORE_WISH_UNREADABLE: ProblemKind = ProblemKind {
    code: "store-wish-unreadable",
    status: StatusCode::BAD_REQUEST,
    title: "That cannot be done as it is written",
    blame: Blame::Client,
    severity: None,
    about: "The body or a parameter is not as the OpenAPI document says; `detail` says what is wrong.",
};

/// The operator's role does not do.
pub(crate) const ROLE_MISSING: ProblemKind = ProblemKind {
    code: "admin-role-missing",
    status: StatusCode::FORBIDDEN,
    title: "Your role does not allow that",
    blame: Blame::Client,
    severity: Some(Severity::Medium),
    about: "The operator is known and has another role than this needs. `detail` names both; `x-portcullis-roles` in the OpenAPI document says what needs which.",
};

/// It is not done over the network.
pub(crate) const SOCKET_ONLY: ProblemKind = ProblemKind {
    code: "admin-socket-only",
    status: StatusCode::FORBIDDEN,
    title: "Not over the network",
    blame: Blame::Client,
    severity: Some(Severity::Medium),
    about: "The process hands its sockets over on the admin socket of its own machine alone, whatever the role.",
};

/// The reload itself broke.
pub(crate) const RELOAD_BROKE: ProblemKind = ProblemKind {
    code: "reload-broke",
    status: StatusCode::INTERNAL_SERVER_ERROR,
    title: "The reload broke",
    blame: Blame::Gateway,
    severity: None,
    about: "The gateway failed while it read the configuration. What runs goes on running; the log says more.",
};

/// An answer cannot be spelt.
pub(crate) const ANSWER_BROKE: ProblemKind = ProblemKind {
    code: "admin-answer-broke",
    status: StatusCode::INTERNAL_SERVER_ERROR,
    title: "The answer broke",
    blame: Blame::Gateway,
    severity: None,
    about: "The gateway could not spell its answer. This is a fault of the gateway: please report it.",
};

/// Every problem of the admin server, for the catalogue.
pub static PROBLEMS: &[&ProblemKind] = &[
    &NO_SUCH_PATH,
    &NO_SUCH_METHOD,
    &BODY_TOO_LARGE,
    &BODY_BROKEN,
    &NOT_KEPT,
    &RELOAD_REFUSED,
    &CHANGE_REFUSED,
    &TIME_UNREADABLE,
    &TAKE_OVER_REFUSED,
    &PROTOCOL_UNKNOWN,
    &STORE_NONE,
    &STORE_AWAY,
    &STORE_CONFLICT,
    &STORE_MISSING,
    &STORE_WISH_UNREADABLE,
    &ROLE_MISSING,
    &SOCKET_ONLY,
    &RELOAD_BROKE,
    &ANSWER_BROKE,
];

/// The connection speaks another protocol from now on.
pub(crate) fn switching(protocol: &'static str) -> Reply {
    let mut reply = Response::new(Full::new(Bytes::new()));
    *reply.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    reply.headers_mut().insert(CONNECTION, HeaderValue::from_static("upgrade"));
    reply.headers_mut().insert(UPGRADE, HeaderValue::from_static(protocol));
    reply
}

/// Plain text.
pub(crate) fn text(status: StatusCode, body: impl Into<Bytes>) -> Reply {
    with_type(status, "text/plain; charset=utf-8", body)
}

/// JSON.
pub(crate) fn json(status: StatusCode, value: &impl Serialize) -> Reply {
    match serde_json::to_vec(value) {
        Ok(body) => with_type(status, "application/json", body),
        Err(_) => problem(&ANSWER_BROKE.with("the answer cannot be spelt")),
    }
}

/// A body of that media type.
pub(crate) fn with_type(status: StatusCode, media_type: &'static str, body: impl Into<Bytes>) -> Reply {
    let mut reply = Response::new(Full::new(body.into()));
    *reply.status_mut() = status;
    let headers = reply.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    reply
}

/// A problem.
pub(crate) fn problem(problem: &Problem) -> Reply {
    let kind = problem.kind();
    let mut document = Map::new();
    let mut put = |name: &str, value: Value| document.insert(name.to_owned(), value);
    put("type", format!("urn:portcullis:problem:{}", kind.code).into());
    put("title", kind.title.into());
    put("status", kind.status.as_u16().into());
    put("detail", problem.detail().into());
    put("code", kind.code.into());
    for (name, value) in problem.members() {
        put(name, serde_json::from_str(value).unwrap_or_default());
    }
    let body = serde_json::to_vec(&document).unwrap_or_default();
    let mut reply = with_type(kind.status, "application/problem+json", body);
    for (name, value) in problem.fields() {
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value))
        {
            reply.headers_mut().insert(name, value);
        }
    }
    reply
}

/// The answer to a path that is not there.
pub(crate) fn no_such_path() -> Reply {
    problem(&NO_SUCH_PATH.with("there is nothing at this path"))
}

/// The answer to a method that the path does not take.
pub(crate) fn no_such_method(allowed: &str) -> Reply {
    problem(&NO_SUCH_METHOD.with("this path takes other methods").field("allow", allowed))
}
