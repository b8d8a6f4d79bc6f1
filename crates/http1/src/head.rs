//! Message heads: the request line or status line and the field lines below it.

use crate::{Fields, Span};

/// A request head: its line and its fields, in one buffer.
#[derive(Clone, Debug)]
pub struct RequestHead {
    /// The fields, in order.
    pub fields: Fields,
    /// The version the line names.
    pub version: Version,
    line: Span,
    method: Span,
    target: Span,
}

/// HTTP versions this codec speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// HTTP/1.0.
    Http10,
    /// HTTP/1.1.
    Http11,
}

impl RequestHead {
    /// The raw request line, without its line end.
    pub fn line(&self) -> &[u8] {
        self.fields.slice(self.line)
    }
    /// The method token.
    pub fn method(&self) -> &[u8] {
        self.fields.slice(self.method)
    }
    /// The raw request target.
    pub fn target(&self) -> &[u8] {
        self.fields.slice(self.target)
    }
}
