//! Asks a service of the operator's whether a request may go on: Envoy's external authorization, by HTTP or by gRPC.
//!
//! For decisions that need what only the operator's own systems know. Decided before a byte of the body is read, and the
//! body is not sent: whoever decides by content belongs behind the gateway. Coarse checks that need nobody else come first
//! (`require`), so that nobody is asked about what is refused anyway.
//!
//! The service is told who calls, and not what the caller proved itself with, unless the configuration says so. What it
//! says to the backend goes there behind everything that takes fields out, and what it may say a client may not.
//!
//! # Example
//! ```yaml
//! authorize: policy
//! ```
//!
//! # Order
//! Authorize, behind `require`; what is said to the backend is written in transform, before `backend_credentials`.
//!
//! # Limits
//! `authorizers.*.timeout` and `.calls`; 64 KiB of an answer's body, 16 KiB of fields.
//!
//! # Failure
//! A refusal is the service's own answer, with problem `external-authorization-denied` in the record; one of status 403
//! without content is answered as any problem. A service that does not answer: 503 `authorizer-unavailable`, or the
//! request passes with `on_error: allow`. An answer that is not understood: 503.
//!
//! # Threats
//! Callers choose paths and fields that are told. The service is believed in what it decides and in nothing else.

use std::sync::Arc;

use http::StatusCode;
use portcullis_http1::Fields;

use super::{Kind, Phase, login};
use crate::authorizers::{Authorizer, Denial, Question, Ruling};
use crate::http::{Body, Canonical, Reply, claims};
use crate::observe::Decision;
use crate::pipeline::{Answered, Context, Identified, Policy, Proof, Prospect, Step, Stop, problem_reply};
use crate::problem::{Blame, ProblemKind, Severity};

/// Its line in the list of policies.
pub const KIND: Kind = Kind {
    name: "authorize",
    phase: Phase::Authorize,
    problems: &[&EXTERNAL_AUTHORIZATION_DENIED, &AUTHORIZER_UNAVAILABLE],
};

/// The authorizer says no.
pub const EXTERNAL_AUTHORIZATION_DENIED: ProblemKind = ProblemKind {
    code: "external-authorization-denied",
    status: StatusCode::FORBIDDEN,
    title: "The request is not permitted",
    blame: Blame::Client,
    severity: Some(Severity::Medium),
    about: "The authorizer of the operation refuses the request. Status, fields and content of the reply are the authorizer's, \
            unless it says nothing but 403.",
};

/// The authorizer does not say.
pub const AUTHORIZER_UNAVAILABLE: ProblemKind = ProblemKind {
    code: "authorizer-unavailable",
    status: StatusCode::SERVICE_UNAVAILABLE,
    title: "The request cannot be judged now",
    blame: Blame::Gateway,
    severity: None,
    about: "The authorizer of the operation cannot be asked, or answers something that is not understood. Try again in a moment; \
            the log has the reason.",
};

/// Asks one authorizer.
#[derive(Debug)]
pub struct ExternalAuthorization {
    authorizer: Arc<Authorizer>,
    place: Arc<str>,
}

impl ExternalAuthorization {
    /// Asks `authorizer`; `place` is where the configuration says so.
    pub fn new(authorizer: Arc<Authorizer>, place: Arc<str>) -> Self {
        Self { authorizer, place }
    }

    /// The request without what its caller proved itself with.
    fn tellable(&self, request: &Identified) -> Canonical {
        let mut copy = request.request().copy();
        login::remove_own_cookies(copy.fields_mut());
        if !self.authorizer.spec().tells_credential {
            for authenticator in request.operation().authentication.authenticators() {
                authenticator.strip(&mut copy);
            }
        }
        copy
    }

    async fn ask(&self, request: &Identified<'_>, cx: &mut Context) -> Result<(), Stop> {
        let told = self.tellable(request);
        let operation = request.operation();
        let traceparent = cx.trace.traceparent(cx.trace.own.span);
        let question = Question {
            request: &told,
            id: cx.id.as_str(),
            traceparent: traceparent.value(),
            wall: cx.wall(),
            peer: &cx.peer,
            api: &operation.api,
            operation: &operation.name,
            proof: request.caller().proof().map(|proof| &**proof),
        };
        let (ruling, took) = self.authorizer.ask(question).await;
        let name = &self.authorizer.spec().name;
        cx.decided(Arc::clone(name), took);
        match ruling {
            Ruling::Allowed(changes) => {
                cx.keep_changes(changes);
                cx.verdict(KIND.name, Decision::Allowed, Some(&self.place));
                Ok(())
            }
            Ruling::Denied(denial) => {
                cx.verdict(KIND.name, Decision::Refused, Some(&self.place));
                Err(denied(*denial, name, cx.id.as_str()))
            }
            Ruling::Away(_) if self.authorizer.spec().lets_through => {
                cx.verdict(LET_THROUGH, Decision::Allowed, Some(&self.place));
                Ok(())
            }
            Ruling::Away(why) | Ruling::Unclear(why) => {
                cx.verdict(KIND.name, Decision::Failed, Some(&self.place));
                Err(AUTHORIZER_UNAVAILABLE
                    .with("the request cannot be judged now; try again in a moment")
                    .because(format_args!("authorizer {name}: {why}"))
                    .field("retry-after", "1")
                    .into())
            }
        }
    }
}

/// The control of a verdict that nobody has made: the authorizer was away, and `on_error: allow` let the request pass.
const LET_THROUGH: &str = "authorize-on-error";

fn denied(denial: Denial, name: &str, id: &str) -> Stop {
    let Denial { status, mut fields, body } = denial;
    let problem = EXTERNAL_AUTHORIZATION_DENIED
        .with("the request is not permitted")
        .because(format_args!("authorizer {name}: status {}", status.as_u16()));
    // SECURITY: nobody but us sets the cookies that our own logins stand on.
    fields.retain(|field| !login::sets_own_cookie(field));
    let reply = if body.is_empty() && status == StatusCode::FORBIDDEN {
        let mut reply = problem_reply::render(&problem, id);
        fields.remove("content-type");
        append(&mut reply.fields, &fields);
        reply
    } else {
        fields.set("cache-control", "no-store");
        let body = if body.is_empty() { Body::Empty } else { Body::from_bytes(body) };
        Reply { status, fields, body }
    };
    Stop::denied(problem, reply)
}

fn append(fields: &mut Fields, more: &Fields) {
    for field in more.iter() {
        fields.push(field.name, field.value);
    }
}

impl Policy for ExternalAuthorization {
    fn name(&self) -> &'static str {
        KIND.name
    }

    fn own_fields(&self) -> &[Box<str>] {
        &self.authorizer.spec().to_backend
    }

    fn asks(&self) -> Vec<String> {
        vec![format!("authorizer {}", self.authorizer.spec().name)]
    }

    fn prospect(&self, _caller: Option<&Proof>) -> Prospect {
        Prospect::Depends
    }

    fn authorize<'a>(&'a self, request: &'a Identified, cx: &'a mut Context) -> Step<'a, ()> {
        Step::Later(Box::pin(self.ask(request, cx)))
    }

    fn transform_request<'a>(&'a self, request: &'a mut Identified, cx: &'a mut Context) -> Step<'a, ()> {
        let fields = request.request_mut().fields_mut();
        // SECURITY: whether the authorizer says them or not, nobody else does.
        for name in self.own_fields() {
            claims::remove_aliases(fields, name);
        }
        if let Some(changes) = cx.changes() {
            changes.apply(fields);
        }
        Step::pass()
    }

    fn transform_response<'a>(&'a self, answer: &'a mut Answered, cx: &'a mut Context) -> Step<'a, ()> {
        if let Some(changes) = cx.changes().filter(|changes| !changes.answer.is_empty()) {
            let fields = answer.fields_mut();
            for field in changes.answer.iter() {
                // SECURITY: nobody but us sets the cookies that our own logins stand on.
                if !login::sets_own_cookie(field) {
                    fields.push(field.name, field.value);
                }
            }
        }
        Step::pass()
    }
}
