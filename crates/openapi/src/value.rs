//! JSON values as the contract judges them: read strictly from the very bytes, or built from parameters and forms.
//!
//! [`parse`] reads RFC 8259 to the letter and within named [`Limits`], in one pass and without recursion, onto a
//! flat [`Tape`] that borrows from the bytes. Two readers of one body must not see two values, so whatever parsers
//! are known to disagree about is refused and not interpreted: duplicate names (compared unescaped), lone
//! surrogates, a byte order mark, bytes that are no UTF-8, bytes behind the value, and numbers that a double can
//! only hold as infinity or as zero. Numbers stay text; [`Number`] compares them exactly, as decimals.
//!
//! [`Builder`] makes the same tape from values that arrive as text elsewhere, under the same limits.
//! # Limits
//! [`Limits`] has every bound by name. What a tape takes is bounded by the bytes and [`Limits::values`]; its
//! memory is kept for the next one of the same thread, up to a bound.
//! # Threats
//! Everything here is the caller's. Names are found by a sorted index where there are many, so neither hash
//! flooding nor many names cost more than n log n. A [`Fault`] has a place and a reason, never a value.

mod builder;
mod fault;
mod limits;
mod memory;
mod names;
mod number;
mod parse;
mod pointer;
mod read;
pub(crate) mod scan;
mod writer;

pub use builder::{Builder, Mark};
pub use fault::{Fault, Reason};
pub use limits::Limits;
pub use memory::Tape;
pub use names::Name;
pub use number::Number;
pub use parse::parse;
pub use pointer::Pointer;
pub use read::{Items, Kind, Member, Members, Value};

#[cfg(test)]
mod tests;
