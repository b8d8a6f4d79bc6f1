//! Credentials in, verdicts out, given keys and a time.
//!
//! Pure: no sockets, no clock, no configuration. What is here can be fuzzed and tested against published vectors;
//! how a verdict becomes an answer is the gateway's business.
//!
//! [`jwt`] judges signed tokens with the keys of [`jwk`], over the strict [`json`] and [`base64`] of our own; [`claims`]
//! is what is then known. Primitives are aws-lc-rs alone.

pub mod algorithm;
pub mod api_key;
pub mod base64;
pub mod claims;
mod der;
pub mod json;
pub mod jwk;
mod jws;
pub mod jwt;
mod sign;
