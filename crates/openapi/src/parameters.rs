//! Reads parameters and url-encoded forms: text in, values on a tape out, as their declaration and [`Shape`] say.
//!
//! A parameter is text, its schema speaks of values, and between them stands a style. What a style makes of each type is one
//! table, `docs/parameters.md`, which a test reads. Every reading here is the one reading: where a text could be read in two
//! ways and a backend might read it in the other, it is refused or the declaration is a gap, and nothing is guessed.
//!
//! * A text is split at its delimiters first and percent-decoded then, so `a%2Cb` is one item (RFC 6570 §3.2.1). Blanks, bars,
//!   tabs and brackets have no other spelling in a URL, so there the encoded delimiter is one as well.
//! * A piece of text is the narrowest type that its shape has and its spelling fits: `true` and `false`, a JSON number (without
//!   fraction and exponent where only integers are), `null` or nothing where null is a type and text is none; else a text.
//!   `05`, `+1`, `1.0` for an integer, `True` are texts, and the engine says that a text is the wrong type.
//! * In a query and a form `+` is a space. In a path it is itself. A header and a cookie of `style: cookie` are not decoded.
//! * Escapes that are none, text that is no UTF-8, and NUL are refused wherever they stand.
//! * A raw `;` in a query or form separates for some readers and not for others: refused, unless `allowReserved` lets it stand
//!   in this value.
//! * A name that has brackets or dots is itself (`filter[a]`, `a.b`), unless it belongs to a `deepObject`. What takes names that
//!   nobody declared takes none that a backend could read as a declared one (`a[]`, `a[0]` beside `a`).
//!
//! # Limits
//! [`PAIRS_MAX`] pairs of a query, [`FORM_PAIRS_MAX`] of a form, [`deep::DEPTH_MAX`] brackets in a name, and those of the tape
//! (`value::Limits`). The index of an array counts without gaps from 0, so a large one asks for as many pairs.
//! # Threats
//! Every byte is the caller's. Fuzz target: `contract_parameters`.

use crate::schema::shape::Shape;
use crate::value::{Fault, Reason};

pub mod cookies;
pub mod deep;
pub mod encoded;
pub mod field;
pub mod form;
pub mod head;
pub mod joined;
pub mod pen;
pub mod plan;
pub mod scalar;
pub mod segment;
pub mod text;

pub use text::Coding;

/// Most pairs of a query.
pub const PAIRS_MAX: usize = 100;
/// Most pairs of a form.
pub const FORM_PAIRS_MAX: usize = 1000;

/// Why a text could not be read, or may not be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Wrong {
    /// Not there, and has to be.
    Missing,
    /// There, and nobody declared it.
    Undeclared,
    /// There more than once, which its type has no room for.
    Repeated,
    /// An escape that is none, no UTF-8, or NUL.
    Encoding,
    /// Not as its style writes it.
    Style,
    /// A backend might read it in another way.
    Ambiguous,
    /// Past a bound.
    Limit,
    /// No JSON, where JSON is declared.
    Json,
}

impl Wrong {
    /// The word for it beside the keywords of JSON Schema.
    pub fn keyword(self) -> &'static str {
        match self {
            Self::Missing => "required",
            Self::Undeclared => "undeclared",
            Self::Repeated => "repeated",
            Self::Encoding => "encoding",
            Self::Style => "style",
            Self::Ambiguous => "ambiguous",
            Self::Limit => "limit",
            Self::Json => "json",
        }
    }
}

impl From<Fault> for Wrong {
    fn from(fault: Fault) -> Self {
        match fault.reason {
            Reason::Duplicate => Self::Repeated,
            Reason::Range => Self::Limit,
            reason if reason.is_limit() => Self::Limit,
            _ => Self::Style,
        }
    }
}

/// What a text is to be read as, when it may be more than one kind of value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Scalar,
    Array,
    Object,
}

/// The kind of a text of which is known whether it holds a delimiter.
///
/// A delimiter that is data would have been encoded: so where it stands, several values are meant, and where it does not,
/// one, if one may be.
fn kind(text: &str, shape: &Shape, is_joined: bool) -> Result<Kind, Wrong> {
    if shape.is_any() || (shape.is_scalar() && !is_joined) || (text.is_empty() && shape.is_null_when_empty())
    {
        return Ok(Kind::Scalar);
    }
    match (shape.is_array(), shape.is_object()) {
        (true, true) => Err(Wrong::Ambiguous),
        (true, false) => Ok(Kind::Array),
        (false, true) => Ok(Kind::Object),
        (false, false) => Ok(Kind::Scalar),
    }
}

#[cfg(test)]
mod tests;
