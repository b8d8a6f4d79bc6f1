//! HTTP/1.1 bytes to heads and body framing, and back (RFC 9112), in both directions.
//!
//! Strict and without I/O: bytes and bounds are arguments; heads, pieces of body and refusals are results.
//! There is no socket, clock or runtime here, so that every rule can be fuzzed.
//!
//! The way of a message: [`HeadDecoder`] reads a head, [`request_framing`] or [`response_framing`] says how its
//! body ends, [`BodyDecoder`] takes the body out of its framing, and [`HeadWriter`] with [`chunk_head`] writes
//! a message anew. Nothing is ever passed on as received, so a peer sees our reading and no other.
//!
//! What it assumes: nothing of the bytes. What it refuses: every message that two parsers could read
//! differently, even where RFC 9112 lets a recipient be lenient (bare LF, line folding, equal lengths twice);
//! [`Refusal`] lists the reasons. What it does not judge: host, path and the meaning of fields that do not
//! frame the message; that is the gateway's canonical request.

mod body;
mod digits;
mod encode;
mod fields;
mod form;
mod framing;
mod head;
mod octets;
mod refusal;
mod section;

pub use body::{BodyBounds, BodyDecoder, Event};
pub use digits::Digits;
pub use encode::{CHUNK_END, HeadWriter, chunk_head, write_last_chunk};
pub use fields::{Field, Fields, Label, Lines, Repeated, Span};
pub use form::Form;
pub use framing::{Framing, request_framing, response_framing};
pub use head::{Bounds, HeadDecoder, RequestHead, ResponseHead, Version};
pub use octets::{is_same, is_target, is_token, token_run};
pub use refusal::{Refusal, RefusalClass};
