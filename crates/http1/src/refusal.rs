//! Why a message was refused: one name per reason, and what kind of answer it deserves.

use std::fmt;

/// A reason to refuse a message and to close its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Refusal {
    /// More than one empty line before the request line.
    EmptyLines,
    /// A line feed that ends a line without its carriage return.
    BareLineFeed,
    /// A carriage return that is not followed by a line feed.
    BareCarriageReturn,
    /// The method is empty or no token.
    MethodInvalid,
    /// The request target has a byte that may not stand there: space, control, non-ASCII, `#`.
    TargetInvalid,
    /// The form of the target does not go with the method.
    TargetForm,
    /// The request line has not the shape `method SP target SP version`.
    RequestLineInvalid,
    /// The version is well-formed, and neither HTTP/1.0 nor HTTP/1.1.
    VersionNotSupported,
    /// The status line has not the shape `version SP status [SP reason]`.
    StatusLineInvalid,
    /// The status is outside 100 to 599.
    StatusOutOfRange,
    /// The request line is longer than [`crate::Bounds::line_bytes`].
    RequestLineTooLong,
    /// The status line is longer than [`crate::Bounds::line_bytes`].
    StatusLineTooLong,
    /// A field line is longer than [`crate::Bounds::line_bytes`].
    FieldLineTooLong,
    /// The head is longer than [`crate::Bounds::head_bytes`].
    HeadTooLarge,
    /// There are more field lines than [`crate::Bounds::fields`].
    TooManyFields,
    /// A field line begins with white space: obsolete line folding.
    LineFolding,
    /// A field line begins with its colon.
    FieldNameEmpty,
    /// There is white space in a field name or before its colon.
    FieldNameSpace,
    /// A field name has a byte that is no token character.
    FieldNameInvalid,
    /// A field line has no colon.
    FieldWithoutColon,
    /// A field value or reason phrase has a control character.
    FieldValueControl,
    /// Both Transfer-Encoding and Content-Length are there.
    TransferEncodingAndContentLength,
    /// Transfer-Encoding is there more than once.
    TransferEncodingRepeated,
    /// Transfer-Encoding is not `chunked`.
    TransferEncodingInvalid,
    /// Transfer-Encoding applies further codings below `chunked`.
    TransferCodingNotSupported,
    /// Transfer-Encoding in an HTTP/1.0 message.
    TransferEncodingInHttp10,
    /// Content-Length is there more than once.
    ContentLengthRepeated,
    /// Content-Length is no number of digits, or does not fit 64 bits.
    ContentLengthInvalid,
    /// A response that cannot have a body announces one.
    BodyNotAllowed,
    /// A chunk size is no hexadecimal number, or something odd follows it.
    ChunkSizeInvalid,
    /// A chunk size has more than sixteen digits.
    ChunkSizeTooLong,
    /// A chunk extension is not of the form `;name[=value]`.
    ChunkExtensionInvalid,
    /// A chunk line is longer than [`crate::BodyBounds::chunk_line_bytes`].
    ChunkLineTooLong,
    /// Chunk extensions outweigh the data by more than [`crate::BodyBounds::overhead_bytes`].
    ChunkOverhead,
    /// The data of a chunk is not followed by CRLF.
    ChunkEndMissing,
    /// The trailer section is longer than [`crate::BodyBounds::trailer_bytes`].
    TrailersTooLarge,
    /// There are more trailer lines than [`crate::BodyBounds::trailers`].
    TooManyTrailers,
    /// The connection closed before the body was complete.
    Truncated,
}

/// What kind of answer a refused request deserves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusalClass {
    /// 400.
    Malformed,
    /// 414: the request line is too long.
    LineTooLong,
    /// 431: the fields are too large or too many.
    HeadTooLarge,
    /// 501: a transfer coding this codec does not take off.
    NotImplemented,
    /// 505.
    VersionNotSupported,
}

impl Refusal {
    /// The class, from which a gateway picks the status.
    pub fn class(self) -> RefusalClass {
        self.entry().0
    }

    /// A stable name, fit for logs and metric labels.
    pub fn as_str(self) -> &'static str {
        self.entry().1
    }

    fn entry(self) -> (RefusalClass, &'static str, &'static str) {
        use RefusalClass::{HeadTooLarge, LineTooLong, Malformed, NotImplemented, VersionNotSupported};
        match self {
            Self::EmptyLines => (Malformed, "empty-lines", "several empty lines before the request line"),
            Self::BareLineFeed => (Malformed, "bare-line-feed", "a line feed without carriage return"),
            Self::BareCarriageReturn => {
                (Malformed, "bare-carriage-return", "a carriage return without line feed")
            }
            Self::MethodInvalid => (Malformed, "method-invalid", "the method is no token"),
            Self::TargetInvalid => {
                (Malformed, "target-invalid", "a forbidden character in the request target")
            }
            Self::TargetForm => {
                (Malformed, "target-form", "the form of the request target does not go with the method")
            }
            Self::RequestLineInvalid => (Malformed, "request-line-invalid", "the request line is malformed"),
            Self::VersionNotSupported => {
                (VersionNotSupported, "version-not-supported", "the version is neither 1.0 nor 1.1")
            }
            Self::StatusLineInvalid => (Malformed, "status-line-invalid", "the status line is malformed"),
            Self::StatusOutOfRange => (Malformed, "status-out-of-range", "the status is outside 100 to 599"),
            Self::RequestLineTooLong => {
                (LineTooLong, "request-line-too-long", "the request line is too long")
            }
            Self::StatusLineTooLong => (HeadTooLarge, "status-line-too-long", "the status line is too long"),
            Self::FieldLineTooLong => (HeadTooLarge, "field-line-too-long", "a field line is too long"),
            Self::HeadTooLarge => (HeadTooLarge, "head-too-large", "the head is too large"),
            Self::TooManyFields => (HeadTooLarge, "too-many-fields", "too many field lines"),
            Self::LineFolding => (Malformed, "line-folding", "a field line begins with white space"),
            Self::FieldNameEmpty => (Malformed, "field-name-empty", "a field without a name"),
            Self::FieldNameSpace => {
                (Malformed, "field-name-space", "white space in a field name or before its colon")
            }
            Self::FieldNameInvalid => {
                (Malformed, "field-name-invalid", "a forbidden character in a field name")
            }
            Self::FieldWithoutColon => (Malformed, "field-without-colon", "a field line without colon"),
            Self::FieldValueControl => {
                (Malformed, "field-value-control", "a control character in a field value")
            }
            Self::TransferEncodingAndContentLength => (
                Malformed,
                "transfer-encoding-and-content-length",
                "both transfer-encoding and content-length are present",
            ),
            Self::TransferEncodingRepeated => {
                (Malformed, "transfer-encoding-repeated", "transfer-encoding is repeated")
            }
            Self::TransferEncodingInvalid => {
                (Malformed, "transfer-encoding-invalid", "transfer-encoding is not chunked")
            }
            Self::TransferCodingNotSupported => {
                (NotImplemented, "transfer-coding-not-supported", "a transfer coding other than chunked")
            }
            Self::TransferEncodingInHttp10 => {
                (Malformed, "transfer-encoding-in-http10", "transfer-encoding in HTTP/1.0")
            }
            Self::ContentLengthRepeated => {
                (Malformed, "content-length-repeated", "content-length is repeated")
            }
            Self::ContentLengthInvalid => {
                (Malformed, "content-length-invalid", "content-length is no number")
            }
            Self::BodyNotAllowed => (Malformed, "body-not-allowed", "a body where the status allows none"),
            Self::ChunkSizeInvalid => {
                (Malformed, "chunk-size-invalid", "a chunk size is no hexadecimal number")
            }
            Self::ChunkSizeTooLong => {
                (Malformed, "chunk-size-too-long", "a chunk size has more than sixteen digits")
            }
            Self::ChunkExtensionInvalid => {
                (Malformed, "chunk-extension-invalid", "a chunk extension is malformed")
            }
            Self::ChunkLineTooLong => (Malformed, "chunk-line-too-long", "a chunk line is too long"),
            Self::ChunkOverhead => (Malformed, "chunk-overhead", "chunk extensions outweigh the data"),
            Self::ChunkEndMissing => (Malformed, "chunk-end-missing", "chunk data runs past its size"),
            Self::TrailersTooLarge => {
                (HeadTooLarge, "trailers-too-large", "the trailer section is too large")
            }
            Self::TooManyTrailers => (HeadTooLarge, "too-many-trailers", "too many trailer lines"),
            Self::Truncated => (Malformed, "truncated", "the connection closed before the end of the body"),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.entry().2)
    }
}

impl std::error::Error for Refusal {}

#[cfg(test)]
mod tests;
