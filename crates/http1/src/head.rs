//! Message heads: the request line or status line and the field lines below it.

use crate::{Fields, Span};

mod decode;

pub use decode::HeadDecoder;

/// What a head may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Bytes of the whole head, first line and empty line included. Default: 64 KiB.
    pub head_bytes: usize,
    /// Bytes of any one line, without its line end. Default: 16 KiB.
    pub line_bytes: usize,
    /// Number of field lines. Default: 100.
    pub fields: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { head_bytes: 65_536, line_bytes: 16_384, fields: 100 }
    }
}

/// HTTP versions this codec speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Version {
    /// HTTP/1.0.
    Http10,
    /// HTTP/1.1.
    #[default]
    Http11,
}

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

impl RequestHead {
    /// Takes the head out of where it lies; what is left has no text.
    #[inline]
    #[must_use]
    pub fn take(&mut self) -> Self {
        Self { fields: std::mem::take(&mut self.fields), ..*self }
    }

    /// A head for a request that came over another wire: the line reads `method target version_text`, and the
    /// fields are still to be pushed. Whoever calls has judged the bytes.
    pub fn synthesize(method: &[u8], target: &[u8], version_text: &str) -> Self {
        // Room for the fields of a usual request, so that pushing them grows nothing.
        let mut fields = Fields::with_capacity(target.len().saturating_add(1024), 24);
        let method = fields.push_text(method);
        fields.push_text(" ");
        let target = fields.push_text(target);
        fields.push_text(" ");
        fields.push_text(version_text);
        let line = Span::new(0, fields.text_len());
        Self { fields, version: Version::Http11, line, method, target }
    }

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

/// A response head: its status and its fields.
#[derive(Clone, Debug)]
pub struct ResponseHead {
    /// The fields, in order.
    pub fields: Fields,
    /// The version the line names.
    pub version: Version,
    /// The status, 100 to 599.
    pub status: u16,
    reason: Span,
}

impl ResponseHead {
    /// A head for a response that came over another wire, with the fields still to be pushed.
    pub fn synthesize(status: u16) -> Self {
        let fields = Fields::with_capacity(1024, 24);
        Self { fields, version: Version::Http11, status, reason: Span::default() }
    }

    /// The reason phrase; often empty, and never of meaning (RFC 9112 §4).
    pub fn reason(&self) -> &[u8] {
        self.fields.slice(self.reason)
    }
}
