//! API definitions in; positioned documents, operation matchers and validators out.
//!
//! Pure: no sockets, no clock, no file access. Whoever calls hands texts in.

pub mod source;
