//! An operation as the snapshot compiled it: everything a request needs to know of where it goes.

use std::mem::offset_of;
use std::sync::Arc;

use portcullis_identity::sha256::Digest;
use serde::Serialize;

use super::{Expression, Handover, Needs, Policy};
use crate::bounds::Bounds;
use crate::config::{ContractErrors, Forward, JudgedBody, Mode, OnUncovered};
use crate::observe::OperationMetrics;
use crate::route::matrix::MatrixPlaces;

/// One method and path template of a published API, with all that applies to it.
#[derive(Debug)]
#[repr(C)]
pub struct Operation {
    // PERF: of many operations the next one asked for is not in the cache, and each line of it takes longer than a hundred
    // instructions. What every request looks at comes first, in two lines (see the assertion below).
    /// How callers prove who they are.
    // PERF: shared by neighbours that ask for the same, and so in the cache when the operation itself is not.
    pub authentication: Arc<Expression>,
    /// The policies that apply, in the order of `policies::POLICIES`.
    pub chain: Box<[Arc<dyn Policy>]>,
    /// Which backend of the snapshot it goes to.
    pub backend: usize,
    /// Bytes of the published path to leave out toward the backend (`strip_base_path`).
    pub strip: usize,
    /// Its counters.
    pub metrics: OperationMetrics,
    /// Bounds that hold for it.
    pub bounds: Arc<Bounds>,
    /// What becomes of the caller's credential, where the backend is told of the caller by the gateway.
    pub handover: Option<Arc<Handover>>,
    /// What a stream of it stands on, if it may become one.
    pub terms: Option<Box<StreamTerms>>,
    /// The API's name.
    // PERF: shared by the operations of the API; each request of a known caller reads it.
    pub api: Arc<str>,
    /// The most that any policy of the chain needs of the body.
    pub needs: Needs,
    /// Set where a policy of the chain reads bodies decoded: which form of one goes on.
    pub decodes: Option<Forward>,
    /// The kind of long-lived exchange it may become.
    pub stream: Option<Stream>,
    /// How its contract is kept, if it comes from a definition.
    pub contract: Option<Keeping>,
    /// Where its `auth` stands in the configuration.
    pub auth_place: Arc<str>,
    /// Where it stands in the configuration, for `explain`.
    pub place: Arc<str>,
    /// The operation's name: its key in the configuration or its `operationId`.
    pub name: Arc<str>,
    /// The path template as published, base path included: `http.route`.
    pub template: Arc<str>,
    /// The method it is published with, or `*`.
    pub method: Arc<str>,
    /// Where its API is published, without a slash at the end.
    pub base_path: Arc<str>,
    /// Path of the document that says what tokens it asks for, at the same host (RFC 9728).
    pub resource_metadata: Option<Arc<str>>,
    /// Where in its path `;` may begin a parameter, if its definition declares that and its contract is enforced.
    pub matrix: Option<MatrixPlaces>,
}

/// Two lines, of which the counts of an `Arc` take the first sixteen bytes.
const _: () = assert!(offset_of!(Operation, contract) <= 2 * 64 - 16);

impl Operation {
    /// The backend of operations that the gateway answers itself: none has this number, what is not answered goes nowhere.
    pub const NO_BACKEND: usize = usize::MAX;

    /// Whether the gateway answers it itself.
    pub fn is_ours(&self) -> bool {
        self.backend == Self::NO_BACKEND
    }
}

/// How the contract of an operation is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keeping {
    /// Whether it is judged.
    pub mode: Mode,
    /// How much a refused caller is told.
    pub errors: ContractErrors,
    /// Whether some constraint on its requests cannot be enforced.
    pub is_uncovered: bool,
    /// What becomes of it then.
    pub on_uncovered: OnUncovered,
    /// When bodies go on.
    pub body: JudgedBody,
}

/// What becomes of an operation's requests by its contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// They are judged by all that the definition says.
    Judged,
    /// They are answered 501: something that the definition says cannot be judged.
    Refused,
    /// They pass as far as they cannot be judged.
    Passes,
    /// They pass, and what would be refused is counted.
    Observed,
    /// Nobody looks.
    Ignored,
}

impl Keeping {
    /// Whether bodies go on while they are judged.
    pub fn is_teed(&self) -> bool {
        self.mode == Mode::Enforce && self.body == JudgedBody::Tee
    }

    /// What becomes of requests.
    pub fn fate(&self) -> Fate {
        match (self.mode, self.is_uncovered, self.on_uncovered) {
            (Mode::Off, _, _) => Fate::Ignored,
            (Mode::Observe, _, _) => Fate::Observed,
            (Mode::Enforce, false, _) => Fate::Judged,
            (Mode::Enforce, true, OnUncovered::Refuse) => Fate::Refused,
            (Mode::Enforce, true, OnUncovered::Pass) => Fate::Passes,
        }
    }
}

impl Fate {
    /// For a reader, behind the operation's name.
    pub fn words(self) -> &'static str {
        match self {
            Self::Judged => "is judged, answers not by all of it",
            Self::Refused => "answers 501",
            Self::Passes => "passes what cannot be judged",
            Self::Observed => "is watched only",
            Self::Ignored => "is not judged",
        }
    }
}

/// A hash of all that an operation is published by: equal in two configurations that publish it alike.
pub type StreamTerms = Digest;

/// Long-lived kinds of exchange an operation may declare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Server-sent events.
    Events,
    /// WebSocket.
    WebSocket,
    /// gRPC.
    Grpc,
}
