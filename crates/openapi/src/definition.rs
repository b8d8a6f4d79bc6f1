//! Loads an OpenAPI document, 2.0 to 3.2, into the operations a gateway publishes.
//!
//! The document is somebody else's text, so nothing in it is believed and nothing is dropped without a word. What
//! cannot be understood refuses the operation it stands in, or the document, with file, line and column; the other
//! operations load. Models that deserialise a whole document were no choice: they keep no positions, refuse a document
//! as a whole for one bad field, and know one version each.
//!
//! Read are the paths, operations, parameters, bodies, responses, schemas, security requirements and `x-portcullis`
//! settings. Of schemas those that something published refers to. Callbacks and webhooks are requests the backend makes and are not published.
//!
//! # References
//! `$ref` is followed within the document and into files of the root document's folder, never out of it and never to
//! the network, whatever the text says ([`documents`]).
//!
//! # Limits
//! [`Bounds`], beside those of [`Reading`] for each file. Shared parts are shared in memory, so that references do not
//! multiply it.
//!
//! # Failure
//! A [`Notice`] of [`Severity::Error`] says that an operation is not published. Two operations that match the same
//! requests are both refused: which one was meant is not known. [`Refused`] says that nothing is.
//!
//! # Threats
//! Whoever writes the document controls all of its text and every reference. Fuzz target: `definition`.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use http::Method;

use crate::overlay;
use crate::schema::Schemas;
use crate::source::{Files, Finding, Node, Pointer, Reading, Span};
use crate::template::Template;

pub mod documents;
mod library;
mod loading;
mod media;
mod message;
mod messages;
mod operation;
mod parameters;
mod paths;
mod reference;
mod resources;
mod responses;
mod schemas;
mod security;
mod servers;
mod strays;
mod trail;
mod uniqueness;
mod uri;

pub use documents::{Documents, Folder};
pub use message::{
    Body, Encoding, Example, Header, MediaType, Parameter, ParameterPlace, ParameterValue, Response, Status,
    Style,
};
pub use security::{Flow, Requirement, Scheme, SchemeKind, Security};
pub use servers::Server;

/// What a document publishes.
#[derive(Debug)]
pub struct Definition {
    /// The version of OpenAPI it is written in.
    pub dialect: Dialect,
    /// `info.title`.
    pub title: Box<str>,
    /// `info.version`, which is the API's own.
    pub version: Box<str>,
    /// Where the document says that the API is served.
    pub servers: Vec<Server>,
    /// The operations that can be published, in the order of the document.
    pub operations: Vec<Operation>,
    /// The schemas that operations refer to.
    pub schemas: Arc<Schemas>,
    /// How many operations were refused; errors among the notices say why.
    pub refused: usize,
    /// What has to be left out, see [`Loads::skip`], for operations that cannot be routed to trouble nobody. Of
    /// operations that match the same requests all but the first.
    pub leave_out: Vec<Box<str>>,
    /// Which of the keys that were to be left out name nothing, by their index.
    pub skipped_nothing: Vec<usize>,
    /// The tags declared at the root, in their order.
    pub tags: Vec<Tag>,
    /// The security schemes by name.
    pub schemes: BTreeMap<Box<str>, Scheme>,
    /// `x-portcullis` at the root.
    pub settings: Option<Arc<Settings>>,
    /// What was noticed, sorted by place. An error refused an operation.
    pub notices: Vec<Notice>,
    /// The documents that were read, as paths below the root document's folder; the root comes first.
    pub documents: Vec<Box<str>>,
    /// The names of the files that spans speak of.
    pub files: Files,
    /// How many of those files make the root document: itself, and the Overlays that are laid on it.
    pub(crate) root_files: usize,
}

/// A version of OpenAPI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Dialect {
    /// Swagger 2.0.
    V2_0,
    /// OpenAPI 3.0.
    V3_0,
    /// OpenAPI 3.1.
    V3_1,
    /// OpenAPI 3.2.
    V3_2,
}

/// One method of one path.
#[derive(Debug)]
pub struct Operation {
    /// The method; 3.2 may declare any but CONNECT and TRACE.
    pub method: Method,
    /// The path below the API's base path.
    pub template: Template,
    /// `operationId`, unless several operations have the same.
    pub id: Option<Box<str>>,
    /// The names of its tags.
    pub tags: Vec<Box<str>>,
    /// Where it is declared.
    pub span: Span,
    /// Where it is declared, as a path in its document.
    pub pointer: Pointer,
    /// Whether callers are asked to stop using it.
    pub is_deprecated: bool,
    /// The credentials it asks for: its own statement, else the document's.
    pub security: Arc<Security>,
    /// Its parameters with those of its path, an operation's own first.
    pub parameters: Vec<Arc<Parameter>>,
    /// The request's body, where one is declared.
    pub body: Option<Body>,
    /// Set when one of its messages is declared to be a stream.
    pub stream: Option<Stream>,
    /// `x-portcullis` of its path.
    pub path_settings: Option<Arc<Settings>>,
    /// `x-portcullis` of its own.
    pub settings: Option<Arc<Settings>>,
    /// The responses it documents, in the order of the document.
    pub responses: Vec<Response>,
    /// `x-portcullis` of its responses, by status as written (`200`, `4XX`, `default`).
    pub response_settings: Vec<(Box<str>, Arc<Settings>)>,
}

/// A tag declared at the root.
#[derive(Debug)]
pub struct Tag {
    /// Its name.
    pub name: Box<str>,
    /// Its `x-portcullis`.
    pub settings: Option<Arc<Settings>>,
    /// Where it is declared.
    pub span: Span,
}

/// An `x-portcullis` value: for the merge of settings to read.
#[derive(Debug)]
pub struct Settings {
    /// The value.
    pub node: Node,
    /// Its path in its document.
    pub pointer: Pointer,
    /// What the document itself said there, where an Overlay says otherwise.
    pub before: Option<Node>,
}

/// How a message arrives that is not one whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stream {
    /// A sequence of values (NDJSON, JSON text sequences, 3.2 `itemSchema`).
    Sequence,
    /// Server-sent events.
    Events,
    /// gRPC.
    Grpc,
}

/// Something noticed in a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// What follows from it.
    pub severity: Severity,
    /// Where and what.
    pub finding: Finding,
}

/// What follows from a [`Notice`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The operation, or the document, is refused.
    Error,
    /// Nothing but that somebody should look.
    Warning,
}

/// A document that publishes nothing, and why.
#[derive(Debug)]
pub struct Refused {
    /// At least one error among them is about the document as a whole.
    pub notices: Vec<Notice>,
    /// The documents that were read, as in [`Definition`].
    pub documents: Vec<Box<str>>,
}

/// What loading allows itself, beside [`Reading`] for each file.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// How each file is read.
    pub reading: Reading,
    /// Most files, the root counted.
    pub files_max: usize,
    /// Most bytes of all files together.
    pub bytes_max: usize,
    /// Longest chain of references that lead to references.
    pub chain_max: usize,
    /// Most operations.
    pub operations_max: usize,
    /// Most operations, parameters, responses, requirements, references and so on, counted as often as they are used,
    /// and each 64 bytes of their texts as one more. The largest of 2,600 published documents needs fewer than 500,000.
    pub parts_max: usize,
    /// Most errors noted, and most warnings. Further warnings are left out, further errors refuse the document.
    pub notices_max: usize,
    /// What Overlays may cost.
    pub overlay: overlay::Bounds,
}

/// What whoever loads a document wants of it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Loads<'a> {
    /// What is left out: `/path` as the document writes it, with all its methods; `METHOD /path`; or an `operationId`.
    /// It is not read, so nothing is wrong with it.
    pub skip: &'a [String],
    /// What is laid on the document before it is read, in this order.
    pub overlays: &'a [overlay::Text<'a>],
}

/// The extension that carries settings.
pub const SETTINGS: &str = "x-portcullis";

impl Bounds {
    /// What a gateway loads with.
    pub const DEFAULT: Self = Self {
        reading: Reading::DEFINITION,
        files_max: 1000,
        bytes_max: 64 << 20,
        chain_max: 32,
        operations_max: 100_000,
        parts_max: 2_000_000,
        notices_max: 20_000,
        overlay: overlay::Bounds::DEFAULT,
    };
}

impl Definition {
    /// Loads the document `root` with all it refers to.
    ///
    /// # Errors
    /// When the document as a whole cannot be used: it cannot be read, is no OpenAPI document of a known version, or
    /// passes a bound.
    pub fn load(documents: &dyn Documents, root: &str, bounds: &Bounds) -> Result<Self, Refused> {
        loading::load(documents, root, bounds, &Loads::default())
    }

    /// As [`Definition::load`], with Overlays laid on and parts left out.
    ///
    /// # Errors
    /// As [`Definition::load`], and when an Overlay cannot be read or laid on.
    pub fn load_with(
        documents: &dyn Documents,
        root: &str,
        bounds: &Bounds,
        loads: &Loads<'_>,
    ) -> Result<Self, Refused> {
        loading::load(documents, root, bounds, loads)
    }

    /// The base path of the first server that has one.
    pub fn base_path(&self) -> Option<&str> {
        self.servers.iter().find_map(|server| server.base_path.as_deref())
    }

    /// Whether something stands in the root document, be it that an Overlay put it there.
    pub fn is_in_root(&self, span: Span) -> bool {
        span.file.index() < self.root_files
    }

    /// Whether an operation was refused.
    pub fn has_errors(&self) -> bool {
        self.notices.iter().any(|notice| notice.severity == Severity::Error)
    }
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V2_0 => "2.0",
            Self::V3_0 => "3.0",
            Self::V3_1 => "3.1",
            Self::V3_2 => "3.2",
        })
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
        })
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.severity, self.finding)
    }
}

#[cfg(test)]
pub(crate) use schemas::CONSTRAINING_KEYWORDS;

#[cfg(test)]
mod tests;
