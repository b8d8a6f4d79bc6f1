//! Credentials in, verdicts out, given keys and a time.
//!
//! Pure: no sockets, no clock, no configuration. What is here can be fuzzed and tested against published vectors;
//! how a verdict becomes an answer is the gateway's business.

pub mod api_key;
