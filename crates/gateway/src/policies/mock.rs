//! Answers in a backend's place, from the API's definition.
//!
//! An operation whose backend is not there yet, or shall not be asked, is answered with its definition's examples, or with
//! values made from its schemas ([`portcullis_openapi::mock`]). All that stands before the backend acts as ever: who calls
//! is asked, limits count, the request is judged. The same request has the same answer. What is wished for by `Prefer`
//! (RFC 7240) is `code=404`, `example=name`, `dynamic=true`.
//!
//! # Example
//! ```yaml
//! operations: { getOrder: { mock: true } }
//! ```
//!
//! # Order
//! Transform, as the last: what is answered here is not forwarded.
//!
//! # Failure
//! 404 `mock-not-defined` for a response or example that the definition does not have, 406 `mock-not-acceptable` where no
//! media type of the response is accepted, 501 `mock-not-made` where no value of its schema could be made; the log says why.
//!
//! # Threats
//! Whoever writes the definition could take an operation off its backend: `mock` counts only from the configuration.

use std::sync::Arc;

use bytes::Bytes;
use http::StatusCode;
use portcullis_http1::Fields;
use portcullis_openapi::mock::{Accept, Fault, Mock, Wish};

use super::{Kind, Phase};
use crate::http::{Body, Canonical, Reply};
use crate::observe::Decision;
use crate::pipeline::{Context, Identified, Policy, Step, Stop};
use crate::problem::{Blame, Problem, ProblemKind};

/// Its line in the list of policies.
pub const KIND: Kind = Kind {
    name: "mock",
    phase: Phase::Transform,
    problems: &[&MOCK_NOT_DEFINED, &MOCK_NOT_ACCEPTABLE, &MOCK_NOT_MADE],
};

/// A wish for what the definition does not have.
pub const MOCK_NOT_DEFINED: ProblemKind = ProblemKind {
    code: "mock-not-defined",
    status: StatusCode::NOT_FOUND,
    title: "The definition has no such response",
    blame: Blame::Client,
    severity: None,
    about: "The operation is answered from its definition, which documents no response of the status, or no example of the name, that `Prefer` asks for.",
};

/// No media type that the client takes.
pub const MOCK_NOT_ACCEPTABLE: ProblemKind = ProblemKind {
    code: "mock-not-acceptable",
    status: StatusCode::NOT_ACCEPTABLE,
    title: "No acceptable response is defined",
    blame: Blame::Client,
    severity: None,
    about: "The operation is answered from its definition, and `Accept` takes none of the media types of that response.",
};

/// A value that could not be made.
pub const MOCK_NOT_MADE: ProblemKind = ProblemKind {
    code: "mock-not-made",
    status: StatusCode::NOT_IMPLEMENTED,
    title: "No response could be made",
    blame: Blame::Gateway,
    severity: None,
    about: "The operation is answered from its definition, which has no example of the response and a schema of which no value could be made: write an example.",
};

/// Answers one operation.
#[derive(Debug)]
pub struct Mocked {
    mock: Arc<Mock>,
    /// Its number in the definition.
    operation: usize,
    seed: u64,
    place: Arc<str>,
}

impl Mocked {
    /// Answers the operation of that number; `place` is where the configuration says so.
    pub fn new(mock: Arc<Mock>, operation: usize, seed: u64, place: Arc<str>) -> Self {
        Self { mock, operation, seed, place }
    }

    fn answer(&self, request: &Canonical) -> Result<Reply, Fault> {
        let lines =
            |name: &'static str| request.fields().all(name).filter_map(|line| std::str::from_utf8(line).ok());
        let (wish, accept) = (Wish::read(lines("prefer")), Accept::read(lines("accept")));
        let asked =
            format!("{} {}?{}", request.method(), request.path(), request.query().unwrap_or_default());
        let answer = self.mock.answer(self.operation, self.seed, &wish, &accept, &asked)?;
        let mut fields = Fields::new();
        for (name, value) in &answer.fields {
            fields.push(name.as_bytes(), value);
        }
        if let Some(applied) = answer.applied {
            fields.push("preference-applied", applied);
            fields.push("vary", "prefer");
        }
        let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::OK);
        let body = answer.body.map_or(Body::Empty, |body| Body::from_bytes(Bytes::from(body)));
        Ok(Reply { status, fields, body })
    }
}

impl Policy for Mocked {
    fn name(&self) -> &'static str {
        KIND.name
    }

    fn transform_request<'a>(&'a self, request: &'a mut Identified, cx: &'a mut Context) -> Step<'a, ()> {
        cx.verdict(KIND.name, Decision::Allowed, Some(&self.place));
        match self.answer(request.request()) {
            Ok(reply) => Step::Now(Err(Stop::answer(reply))),
            Err(fault) => Step::refuse(problem(fault)),
        }
    }
}

fn problem(fault: Fault) -> Problem {
    match fault {
        Fault::NotDefined(why) => {
            MOCK_NOT_DEFINED.with("`Prefer` asks for what the definition does not have").because(why)
        }
        Fault::NotAcceptable => MOCK_NOT_ACCEPTABLE.with("`Accept` takes no media type of this response"),
        Fault::NotMade(why) => {
            MOCK_NOT_MADE.with("there is no example, and no value could be made").because(why)
        }
    }
}
