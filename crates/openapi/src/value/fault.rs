//! Why bytes are no value.

use std::fmt;

/// Why bytes are no value, and where; never what.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason} at byte {offset}")]
pub struct Fault {
    /// Why.
    pub reason: Reason,
    /// Which byte, from 0.
    pub offset: usize,
    /// The value that was being read, as a JSON Pointer of bounded length.
    pub pointer: Box<str>,
}

/// Why bytes are no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// Not by the grammar: what was expected.
    Syntax(&'static str),
    /// The bytes are no UTF-8.
    Utf8,
    /// Half of a surrogate pair, escaped.
    Surrogate,
    /// A byte order mark.
    ByteOrderMark,
    /// One object has one name twice.
    Duplicate,
    /// A number that a double holds only as infinity or as zero.
    Range,
    /// More than [`super::Limits::depth`].
    Depth,
    /// More than [`super::Limits::string`].
    String,
    /// More than [`super::Limits::array`].
    Array,
    /// More than [`super::Limits::members`].
    Members,
    /// More than [`super::Limits::number_digits`].
    NumberDigits,
    /// More than [`super::Limits::values`].
    Values,
    /// More parts of a multipart body, or larger heads of them, than [`crate::multipart::Limits`].
    Parts,
    /// More bytes than a tape can address, or than are held of a body that comes in pieces.
    Size,
}

impl Reason {
    /// Whether a bound was passed, rather than the grammar broken.
    pub fn is_limit(self) -> bool {
        self.limit().is_some()
    }

    /// The name of the bound that was passed.
    pub fn limit(self) -> Option<&'static str> {
        Some(match self {
            Self::Depth => "depth",
            Self::String => "string",
            Self::Array => "array",
            Self::Members => "members",
            Self::NumberDigits => "number_digits",
            Self::Values => "values",
            Self::Parts => "parts",
            Self::Size => "size",
            Self::Syntax(_)
            | Self::Utf8
            | Self::Surrogate
            | Self::ByteOrderMark
            | Self::Duplicate
            | Self::Range => return None,
        })
    }

    /// In words that say nothing of the value.
    pub fn what(self) -> &'static str {
        match self {
            Self::Syntax(expected) => expected,
            Self::Utf8 => "the text is not UTF-8",
            Self::Surrogate => "an escaped surrogate stands alone",
            Self::ByteOrderMark => "a byte order mark stands before the value",
            Self::Duplicate => "a name stands twice in one object",
            Self::Range => "a number is beyond what a double can hold",
            Self::Depth => "nested too deep",
            Self::String => "a string is too long",
            Self::Array => "an array has too many elements",
            Self::Members => "an object has too many members",
            Self::NumberDigits => "a number has too many digits",
            Self::Values => "too many values",
            Self::Parts => "too many parts, or too large heads of them",
            Self::Size => "too many bytes",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.what())
    }
}
