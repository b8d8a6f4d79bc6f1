//! The facts of one ended exchange, from which the access record, the incident, the metrics and `explain` are
//! all made.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use serde::{Serialize, Serializer};

use super::OperationMetrics;
use crate::http::trace::Trace;
use crate::http::{Peer, Wire};
use crate::problem::ProblemKind;

/// One exchange, ended. Borrowed from its context; nothing here holds a credential.
#[derive(Debug)]
pub struct Record<'a> {
    /// Request id, in ASCII.
    // PERF: a text only to those who write it down.
    pub id: &'a [u8],
    /// Where it stands in a trace.
    pub trace: &'a Trace,
    /// When it began, since 1970.
    pub wall: Duration,
    /// How long it took, until the last byte of the reply was written.
    pub took: Duration,
    /// The wire it came over.
    pub wire: Wire,
    /// The connection.
    pub peer: &'a Peer,
    /// The client's address, behind trusted proxies.
    pub client: IpAddr,
    /// Method; `None` when no canonical request came to be, as for the next three.
    pub method: Option<&'a str>,
    /// Canonical host.
    pub host: Option<&'a str>,
    /// Canonical path, without the query.
    pub path: Option<&'a str>,
    /// `User-Agent`, as sent.
    pub user_agent: Option<&'a str>,
    /// The raw request line, cut short, when the request was refused before it was canonical.
    pub raw_line: Option<&'a [u8]>,
    // PERF: names of the operation are lent as they are held: where nobody reads them, nobody looks at the memory they lie in.
    /// API name.
    pub api: Option<&'a Arc<str>>,
    /// Operation name.
    pub operation: Option<&'a Arc<str>>,
    /// Path template: `http.route`.
    pub template: Option<&'a Arc<str>>,
    /// The operation's counters.
    pub metrics: Option<&'a OperationMetrics>,
    /// The consumer's name.
    pub consumer: Option<&'a str>,
    /// The credential's id.
    pub credential: Option<&'a str>,
    /// Status sent; `None` when the client was gone before a reply began.
    pub status: Option<u16>,
    /// Bytes of the request body that were read.
    pub request_bytes: u64,
    /// Bytes of the reply's body that were written.
    pub response_bytes: u64,
    /// How it ended.
    pub decision: Decision,
    /// The problem that ended it.
    pub problem: Option<&'static ProblemKind>,
    /// What the caller was told of it.
    pub detail: Option<&'a str>,
    /// What only the log may see of it.
    pub cause: Option<&'a str>,
    /// The authorizer asked, and how long it took.
    pub authorizer: Option<(&'a str, Duration)>,
    /// The target asked, and the time to the head of its answer.
    pub backend: Option<(&'a str, Duration)>,
    /// What passed until the head of the target's answer, less the target's own time.
    pub overhead: Option<Duration>,
    /// The tries at targets; kept only where they become spans.
    pub tries: &'a [Try],
    /// Bytes of the path that targets are not told.
    pub strip: usize,
    /// How often it was sent again, or to another target.
    pub resends: u32,
    /// What each control decided.
    pub verdicts: &'a [Verdict],
    /// Where the operation stands in the configuration, and where its `auth` does.
    pub places: Option<(&'a Arc<str>, &'a Arc<str>)>,
    /// By which problem a control that only observes would have ended it, and what the log is told of that.
    pub observed: Option<(&'static ProblemKind, Option<&'a str>)>,
    /// Why an answer was not looked at that was to be.
    pub unseen: Option<&'static str>,
    /// Hash of the configuration it was judged by.
    pub revision: &'a str,
}

/// What is counted of an exchange, whoever listens.
// PERF: a part of its record, which is made only where somebody wants to know all of it.
#[derive(Debug)]
pub struct Counted<'a> {
    /// The operation's counters.
    pub metrics: Option<&'a OperationMetrics>,
    /// When it began, since 1970.
    pub wall: Duration,
    /// How long it took.
    pub took: Duration,
    /// Method.
    pub method: Option<&'a str>,
    /// Status sent.
    pub status: Option<u16>,
    /// How it ended.
    pub decision: Decision,
    /// The problem that ended it.
    pub problem: Option<&'static ProblemKind>,
    /// Whether a control that only observes would have ended it.
    pub is_observed: bool,
    /// Whether a target was asked.
    pub was_forwarded: bool,
    /// What each control decided.
    pub verdicts: &'a [Verdict],
    /// Whether its trace is sampled.
    pub is_sampled: bool,
}

/// One try at a target.
#[derive(Debug, Clone)]
pub struct Try {
    /// Its span, which the target was told.
    pub span: u64,
    /// The target's URL.
    pub target: Arc<str>,
    /// When it began, after the exchange did.
    pub began: Duration,
    /// How long it took to the head of the answer; `None` while there is none, as for the next.
    pub took: Option<Duration>,
    /// The status answered, or the code of the problem that came of it.
    pub outcome: Option<Result<StatusCode, &'static str>>,
}

/// How an exchange, or one control, ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Decision {
    /// Let through.
    #[default]
    Allowed,
    /// Refused by a control.
    Refused,
    /// Answered by the gateway itself, rightly.
    Answered,
    /// Backend or gateway failed.
    Failed,
    /// The client went away, or the answer broke off.
    Aborted,
    /// A control that only observes would have refused. No exchange ends so.
    Observed,
}

/// What one control decided, and where the configuration says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The control.
    pub control: &'static str,
    /// What it decided.
    pub decision: Decision,
    /// The setting that decided.
    pub place: Place,
}

/// Where a setting stands.
// PERF: what an operation holds is named, and not held once more: each copy of an `Arc` and its end would write to memory
// of this one of many operations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// Nowhere.
    None,
    /// Where the operation does.
    Operation,
    /// Where the operation's `auth` does.
    Authentication,
    /// Here: `file:line path`.
    At(Arc<str>),
}

impl<'a> Record<'a> {
    /// The request's id as text.
    pub fn id(&self) -> &'a str {
        str::from_utf8(self.id).unwrap_or_default()
    }

    /// What is counted of it.
    pub fn counted(&self) -> Counted<'_> {
        Counted {
            metrics: self.metrics,
            wall: self.wall,
            took: self.took,
            method: self.method,
            status: self.status,
            decision: self.decision,
            problem: self.problem,
            is_observed: self.observed.is_some(),
            was_forwarded: self.backend.is_some(),
            verdicts: self.verdicts,
            is_sampled: self.trace.sampled,
        }
    }

    /// Where the setting stands that decided, as `file:line path`.
    pub fn place_of<'b>(&'b self, verdict: &'b Verdict) -> Option<&'b Arc<str>> {
        match &verdict.place {
            Place::None => None,
            Place::Operation => self.places.map(|(own, _)| own),
            Place::Authentication => self.places.map(|(_, auth)| auth),
            Place::At(place) => Some(place),
        }
    }

    /// The control that ended the exchange, if one did.
    pub fn control(&self) -> Option<&'static str> {
        let ended = |verdict: &&Verdict| matches!(verdict.decision, Decision::Refused | Decision::Failed);
        self.verdicts.iter().rev().find(ended).map(|verdict| verdict.control)
    }
}

impl Decision {
    /// Every decision, in the order of the enum: each is its place here.
    pub const ALL: [Self; 6] =
        [Self::Allowed, Self::Refused, Self::Answered, Self::Failed, Self::Aborted, Self::Observed];

    /// How exchanges end, in the same order.
    pub const ENDS: [Self; 5] = [Self::Allowed, Self::Refused, Self::Answered, Self::Failed, Self::Aborted];

    /// The word in records and labels.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Refused => "refused",
            Self::Answered => "answered",
            Self::Failed => "failed",
            Self::Aborted => "aborted",
            Self::Observed => "observed",
        }
    }
}

impl Serialize for Decision {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}
