//! API definitions in; positioned documents, operation matchers and validators out.
//!
//! Pure: no sockets, no clock, no file access. Whoever calls hands texts in.
//!
//! * [`source`]: JSON and YAML as one tree that knows where everything stands.
//! * [`template`]: path templates as definitions and configuration write them.
//! * [`matcher`]: from a method and a canonical path to the operation that takes the request.

pub mod matcher;
pub mod source;
pub mod template;
