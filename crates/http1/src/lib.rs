//! HTTP/1.1 bytes to heads and body framing, and back (RFC 9112), in both directions.
//!
//! Strict and without I/O: bytes and bounds are arguments, heads, pieces of body and refusals are results.
//! There is no socket, clock or runtime here, so that every rule can be fuzzed.
//!
//! What it assumes: nothing of the bytes. What it refuses: every message that two parsers could read
//! differently; [`Refusal`] lists the reasons. What it does not judge: host, path and the meaning of fields
//! that do not frame the message; that is the gateway's canonical request.

#![cfg_attr(test, allow(clippy::arithmetic_side_effects))]

mod fields;
mod head;

pub use fields::{Field, Fields, Repeated, Span};
pub use head::{RequestHead, Version};
