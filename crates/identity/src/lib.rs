//! Credentials in, verdicts out, given keys and a time.
//!
//! Pure: no sockets, no clock, no configuration. What is here can be fuzzed and tested against published vectors;
//! how a verdict becomes an answer is the gateway's business.
//!
//! [`jwt`] judges signed tokens with the keys of [`jwk`], over the strict [`json`] and [`base64`] of our own; [`claims`]
//! is what is then known. [`dpop`] proves that who presents a token holds its key, [`message_signature`] who sent a
//! request and, with [`digest_fields`], its body; [`replay`] remembers what is good once. Primitives are aws-lc-rs alone.

pub mod algorithm;
pub mod api_key;
pub mod base64;
pub mod claims;
mod der;
pub mod digest_fields;
pub mod dpop;
pub mod form;
pub mod json;
pub mod jwk;
mod jws;
pub mod jwt;
pub mod message_signature;
pub mod posture;
pub mod replay;
pub mod sha256;
mod sign;
mod structured;
