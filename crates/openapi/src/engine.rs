//! Judging values by schemas: `jsonschema` behind an interface of ours, on the tape.
//!
//! All schemas of one API are compiled once, as one *dispatch document*: an object schema with one property for
//! each schema that something is judged by, named by its [`Key`]. A value is judged as the one member of that name,
//! without being copied. (One validator for each schema takes gigabytes on large definitions.)
//!
//! What `jsonschema` would decide by doubles is decided here by decimals, as keywords of our own: `minimum`,
//! `maximum`, their exclusive forms and `multipleOf`. So are `pattern` (linear first, see [`pattern_support`])
//! and `format` (numbers have formats too, see [`is_asserted`]).
//! # Limits
//! Validation is paid for by steps: each access to the value is one, and there are [`meter::STEPS`] and some for
//! each entry of the tape. Once they are spent the value seems empty, so that whatever still runs ends, and the
//! value is refused. The same holds, with a smaller count, for gathering the reasons. A pattern that needs
//! backtracking has a budget for each match and one for all of a value; when either is spent the value is refused.
//! # Threats
//! The value is the caller's, the schemas are not. Nothing of a value is kept, or told to anyone: what leaves this
//! module is pointers and keywords.

mod bounds;
mod closed;
mod compile;
mod ecma;
mod formats;
mod instance;
mod meter;
mod patterns;
mod reasons;
mod unique;

pub(crate) use closed::{CLOSED, Condition, Description, Descriptions};
pub use compile::{Key, Uncompiled, Validators};
pub use formats::is_asserted;
pub(crate) use patterns::Patterns;
pub use patterns::{PatternSupport, name_pattern_support, pattern_support};

/// A keyword for dispatch documents: whatever is there is refused, and its string is the keyword that is named.
pub const FORBIDDEN: &str = "x-portcullis-forbidden";

/// The keyword that is named when judging a value took too many steps.
pub const COMPLEXITY: &str = "complexity";

#[cfg(test)]
mod tests;
