//! Runs the gateway's parts over pinned outside data and compares with what is known.
//!
//! The data is never committed. `conformance/<suite>/known.toml` lists what fails, with reasons in our words, and
//! `score.toml` what a run counts, with the hash of the data; a run that differs from either fails, in both directions.

mod hash;
pub(crate) mod json_schema;
mod known;
pub(crate) mod openapi_directory;
