//! Problems: what goes wrong, said once for the caller and once for the log (RFC 9457).
//!
//! A [`ProblemKind`] is a constant beside the code that raises it. A [`Problem`] is one occurrence: a detail
//! that helps an honest client and tells an attacker nothing new, and a cause that only the log sees. The
//! offending value never goes into either.

use std::borrow::Cow;
use std::fmt;

use http::StatusCode;
use serde::Serialize;
use smallvec::SmallVec;

/// A class of problem. Its `code` is stable: clients may match on it.
#[derive(Debug)]
pub struct ProblemKind {
    /// Stable slug, lower case with hyphens: the `code` member and the end of `type`.
    pub code: &'static str,
    /// Status of the reply, 4xx or 5xx.
    pub status: StatusCode,
    /// Short title, the same for every occurrence.
    pub title: &'static str,
    /// Whose fault it is.
    pub blame: Blame,
    /// What it means to whoever watches over security: `None` is no incident.
    pub severity: Option<Severity>,
    /// One sentence for the catalogue: when it is raised and what the reader can do.
    pub about: &'static str,
}

/// Whose fault a problem is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blame {
    /// The caller sent what may not pass.
    Client,
    /// The backend failed or misbehaved.
    Backend,
    /// The gateway itself failed or is out of a resource.
    Gateway,
}

/// Weight of an incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth counting.
    Low,
    /// Worth a look.
    Medium,
    /// Worth waking someone.
    High,
}

/// One occurrence of a problem.
#[derive(Debug)]
pub struct Problem {
    kind: &'static ProblemKind,
    detail: Cow<'static, str>,
    cause: Option<String>,
    fields: SmallVec<[(&'static str, String); 1]>,
    /// Each as JSON.
    members: Vec<(&'static str, String)>,
}

impl ProblemKind {
    /// An occurrence with a detail for the caller.
    pub fn with(&'static self, detail: impl Into<Cow<'static, str>>) -> Problem {
        Problem {
            kind: self,
            detail: detail.into(),
            cause: None,
            fields: SmallVec::new(),
            members: Vec::new(),
        }
    }
}

impl Problem {
    /// Adds what only the log may see.
    #[must_use]
    pub fn because(mut self, cause: impl fmt::Display) -> Self {
        self.cause = Some(cause.to_string());
        self
    }

    /// The same, of a text that is there already.
    #[must_use]
    pub fn because_of(mut self, cause: String) -> Self {
        self.cause = Some(cause);
        self
    }

    /// Adds a field to the reply, such as `WWW-Authenticate` or `Allow`.
    #[must_use]
    pub fn field(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.fields.push((name, value.into()));
        self
    }

    /// Adds an extension member to the problem document. What has no JSON (a map by other keys than text) is left out.
    // PERF: spelt at once; a tree of values in between took a tenth of a refusal by contract.
    #[must_use]
    pub fn member(mut self, name: &'static str, value: impl Serialize) -> Self {
        let json = serde_json::to_string(&value);
        debug_assert!(json.is_ok(), "a member that is JSON");
        self.members.extend(json.ok().map(|json| (name, json)));
        self
    }

    /// Its class.
    pub fn kind(&self) -> &'static ProblemKind {
        self.kind
    }

    /// What the caller is told.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// What the log is told besides.
    pub fn cause(&self) -> Option<&str> {
        self.cause.as_deref()
    }

    /// Fields the reply carries.
    pub fn fields(&self) -> &[(&'static str, String)] {
        &self.fields
    }

    /// Its class, what the caller was told and what only the log is, for whoever keeps them.
    pub fn into_told(self) -> (&'static ProblemKind, Cow<'static, str>, Option<String>) {
        (self.kind, self.detail, self.cause)
    }

    /// Extension members of the document, and each one's JSON.
    pub fn members(&self) -> &[(&'static str, String)] {
        &self.members
    }
}

impl Blame {
    /// The word in catalogues, records and labels.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Backend => "backend",
            Self::Gateway => "gateway",
        }
    }
}

impl Severity {
    /// The word in catalogues, records and labels.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }
}
